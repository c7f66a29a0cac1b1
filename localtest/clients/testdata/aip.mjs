// The A2A provider of Vercel's AI SDK: node aip.mjs URL TOKEN
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const print = console.log;
console.log = console.warn = console.info = () => {}; // the provider logs what it does
globalThis.AI_SDK_LOG_WARNINGS = false;

const require = createRequire(process.env.NODE_PATH + '/');
const load = async (name, entry) => import(pathToFileURL(`${process.env.NODE_PATH}/${name}/${entry}`));
const { a2a } = await load('a2a-ai-provider', 'dist/index.js');
const { generateText, streamText } = await import(pathToFileURL(require.resolve('ai')));

const [url, token] = process.argv.slice(2);
const model = a2a(url + '/.well-known/agent-card.json');

// The provider has no option for headers: whoever needs them wraps fetch.
const fetched = globalThis.fetch;
let send = token;
globalThis.fetch = (input, init) => fetched(input, {
  ...init, headers: { ...init?.headers, ...(send && { authorization: `Bearer ${send}` }) },
});

const options = { model, maxRetries: 0, providerOptions: { a2a: { contextId: 'the conversation' } } };
const generate = async (what, prompt) => {
  try {
    const { text } = await generateText({ ...options, prompt });
    print(`${what}: ${JSON.stringify(text)}`);
  } catch (e) {
    print(`${what}: error: ${e.message}`);
  }
};
const stream = async (what, content) => {
  try {
    const { fullStream } = streamText({ ...options, messages: [{ role: 'user', content }], onError() {} });
    for await (const part of fullStream) {
      if (part.type === 'text-delta') print(`${what}: ${JSON.stringify(part.text)}`);
      if (part.type === 'error') print(`${what}: error: ${part.error.message}`);
      if (part.type === 'finish') print(`${what}: ${part.finishReason}`);
    }
  } catch (e) {
    print(`${what}: error: ${e.message}`);
  }
};

await generate('send', 'Hello');
await stream('stream', [{ type: 'text', text: 'Stream' }]);
await generate('question', ' ');
await stream('follow-up', [{ type: 'text', text: 'This' }]);
await stream('refused stream', [{ type: 'file', data: 'aGk=', mediaType: 'image/png' }]);
send = '';
await generate('without token', 'Hello');
