// The EventSource of npm, which is a browser's, and Microsoft's fetch-event-source: node eventsource.mjs URL TOKEN
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.env.NODE_PATH + '/');
const { EventSource } = await import(pathToFileURL(require.resolve('eventsource')));
const { fetchEventSource } = require('@microsoft/fetch-event-source');
// It is made for browsers, and looks whether its page is shown.
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
globalThis.window = globalThis;

const [url, token] = process.argv.slice(2);
const authorization = `Bearer ${token}`;
const json = { 'content-type': 'application/json' };
let ids = 0;
const message = (text, more) => ({ messageId: `m-${++ids}`, role: 'ROLE_USER', parts: [{ text }], ...more });

// said returns what an event of the protocol says.
const said = (e) => {
  if (e.error) return `error: ${e.error.message}`;
  const status = e.task?.status ?? e.statusUpdate?.status;
  if (!status) return `artifact, ${e.artifactUpdate.artifact.parts[0].text}`;
  const text = status.message ? `, ${status.message.parts[0].text}` : '';
  return status.state.replace('TASK_STATE_', '').toLowerCase() + text;
};

const send = async (text, configuration, more) => {
  const response = await fetch(`${url}/message:send`, {
    method: 'POST', headers: { ...json, 'a2a-version': '1.0', authorization },
    body: JSON.stringify({ message: message(text, more), configuration }),
  });
  return response.json();
};
const done = await send('Hello');
console.log(`send: ${said(done)}, ${done.task.artifacts[0].parts[0].text}`);

// subscribe follows a task by EventSource until it is closed, which a browser does for good when the server has nothing more: status
// 204. Until then it connects again whenever a connection ends.
const subscribe = (what, task, begun = () => {}) => new Promise((resolve) => {
  const source = new EventSource(`${url}/tasks/${task}:subscribe`, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, authorization, 'a2a-version': '1.0' } }),
  });
  const print = (e) => console.log(`${what}: ${said(JSON.parse(e.data))}`);
  source.onmessage = (e) => {
    print(e);
    begun();
    begun = () => {};
  };
  source.addEventListener('error', (e) => {
    if (e.data) print(e);
    if (source.readyState !== EventSource.CLOSED) return; // it connects again
    console.log(`${what}: closed${e.code ? ', ' + e.code : ''}`);
    resolve();
  });
});
const { task: waits } = await send(' ');
await subscribe('EventSource', waits.id, () => send('Stream', { returnImmediately: true }, { taskId: waits.id }));
await subscribe('EventSource of an ended task', done.task.id);

// post streams by fetch-event-source, which sends its request again after an error.
const post = async (what, message, headers = { authorization }) => {
  try {
    await fetchEventSource(`${url}/`, {
      method: 'POST', headers: { ...json, 'a2a-version': '1.0', ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendStreamingMessage', params: { message } }),
      async onopen(r) {
        if (!r.headers.get('content-type').startsWith('text/event-stream')) throw new Error(`${r.status}: ${await r.text()}`.trim());
      },
      onmessage: (e) => {
        if (!e.data) return;
        const { error, result } = JSON.parse(e.data);
        console.log(`${what}: ${said({ error, ...result })}`);
      },
      onerror(e) { throw e; },
    });
    console.log(`${what}: end`);
  } catch (e) {
    console.log(`${what}: error: ${e.message}`);
  }
};
await post('fetchEventSource', message('Stream'));
const { task: asks } = await send(' ');
await post('follow-up', message('This', { taskId: asks.id }));
await post('refused stream', message('More', { taskId: asks.id }));
await post('without token', message('Hello'), {});
