// Streams a message with the JavaScript SDK 1.x from servers that answer in different forms: node js1.cjs BASE_URL...
//
// It prints a line for each: the lengths of what the events say, or the error.

const { randomUUID } = require('node:crypto');
const { SendMessageRequest } = require('@a2a-js/sdk');
const { ClientFactory } = require('@a2a-js/sdk/client');

async function stream(baseURL) {
  const client = await new ClientFactory().createFromUrl(baseURL);
  const message = { role: 'ROLE_USER', messageId: randomUUID(), taskId: 'unknown', parts: [{ text: 'hello' }] };
  const lengths = [];
  for await (const { payload } of client.sendMessageStream(SendMessageRequest.fromJSON({ message }))) {
    lengths.push(payload.value.status.message?.parts[0].content.value.length ?? 0);
  }
  return ['events', ...lengths].join(' ');
}

async function main(...urls) {
  console.error = () => {}; // the SDK tells people what it throws
  for (const url of urls) {
    console.log(await stream(url).catch((error) => JSON.stringify(`error ${error.message} ${error.cause?.message}`)));
  }
}

main(...process.argv.slice(2));
