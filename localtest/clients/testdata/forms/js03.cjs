// Streams a message with the JavaScript SDK 0.3.x from servers that answer in different forms: node js03.cjs BASE_URL...
//
// It prints a line for each: the lengths of what the events say, or the error.

const { randomUUID } = require('node:crypto');
const { ClientFactory } = require('@a2a-js/sdk/client');

async function stream(baseURL) {
  const client = await new ClientFactory().createFromUrl(baseURL);
  const parts = [{ kind: 'text', text: 'hello' }];
  const message = { kind: 'message', role: 'user', messageId: randomUUID(), taskId: 'unknown', parts };
  const lengths = [];
  for await (const { status } of client.sendMessageStream({ message })) {
    lengths.push(status.message?.parts[0].text.length ?? 0);
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
