// A client of A2A 0.3 with the JavaScript SDK 0.3.x: node js03.cjs BASE_URL BINDING WEBHOOK_URL TOKEN.
//
// It prints one line for each thing that it sees, without ids and times.

const assert = require('node:assert');
const { randomUUID } = require('node:crypto');
const {
  ClientFactory, createAuthenticatingFetchWithRetry, JsonRpcTransportFactory, RestTransportFactory,
} = require('@a2a-js/sdk/client');

const request = (parts, { taskId, contextId, ...configuration } = {}) => ({
  message: { kind: 'message', role: 'user', messageId: randomUUID(), taskId, contextId, parts },
  configuration,
});

const say = (text) => [{ kind: 'text', text }];
const text = ({ parts }) => parts.map((part) => part.text).join(' ');

// describe returns the state of a task or status update, and what was said or made; or an artifact's text.
function describe({ kind, status, artifact, artifacts, final }) {
  if (artifact) return `artifact, ${text(artifact)}`;
  const words = [kind === 'task' ? `task ${status.state}` : status.state];
  if (status.message) words.push(text(status.message));
  if (final) words.push('final');
  return [...words, ...(artifacts ?? []).map(text)].join(', ');
}

function describePart({ kind, data, file }) {
  if (kind === 'data') return `data ${JSON.stringify(data)}`;
  // Over HTTP+JSON this SDK drops a file's name, and other SDKs encode its bytes twice.
  return `${'bytes' in file ? 'raw' : `url ${file.uri}`} ${file.mimeType}`;
}

// stream streams a task that has a webhook, and gives it another one meanwhile.
async function stream(client, webhook) {
  const pushNotificationConfig = {
    id: 'webhook', url: webhook, token: 'secret', authentication: { schemes: ['Bearer'], credentials: 'letmein' },
  };
  let taskId;
  for await (const event of client.sendMessageStream(request(say('Stream'), { pushNotificationConfig }))) {
    console.log('stream:', describe(event));
    if (event.kind === 'task') {
      taskId = event.id;
      await push(client, taskId, `${webhook}/second`);
    }
  }
  return taskId;
}

async function push(client, taskId, url) {
  const config = { taskId, pushNotificationConfig: { id: 'second', url, token: 'another' } };
  const made = await client.setTaskPushNotificationConfig(config);
  assert.deepEqual([made.taskId, made.pushNotificationConfig.url], [taskId, url]);
  console.log('push created:', made.pushNotificationConfig.id, made.pushNotificationConfig.token);
  const got = await client.getTaskPushNotificationConfig({ id: taskId, pushNotificationConfigId: 'webhook' });
  const { id, token, authentication } = got.pushNotificationConfig;
  console.log('push got:', id, token, ...authentication.schemes, authentication.credentials || 'hidden');
  const ids = async () =>
    (await client.listTaskPushNotificationConfig({ id: taskId })).map((c) => c.pushNotificationConfig.id).sort();
  console.log('push listed:', ...(await ids()));
  await client.deleteTaskPushNotificationConfig({ id: taskId, pushNotificationConfigId: 'second' });
  console.log('push left:', ...(await ids()));
}

async function get(client, id) {
  const task = await client.getTask({ id });
  console.log('get:', describe(task));
  for (const message of task.history) console.log(`history: ${message.role},`, text(message));
  const { history } = await client.getTask({ id, historyLength: 1 });
  console.log('last of the history:', ...history.map(text));
}

// ask sends all kinds of parts but text, of which the agent can make nothing, and then the text, without waiting.
async function ask(client) {
  const task = await client.sendMessage(request([
    { kind: 'file', file: { bytes: 'AP8=', name: 'a.txt', mimeType: 'text/plain' } },
    { kind: 'file', file: { uri: 'https://example.com/a.html', mimeType: 'text/html' } },
    { kind: 'data', data: { n: 'one' } },
  ]));
  console.log('ask:', describe(task));
  for (const part of task.history[0].parts) console.log('part:', describePart(part));
  const answer = { taskId: task.id, contextId: task.contextId, blocking: false };
  console.log('answer:', describe(await client.sendMessage(request(say('Answer'), answer))));
  return task.id;
}

async function cancel(client) {
  console.log('cancel:', describe(await client.cancelTask({ id: await ask(client) })));
  const canceled = client.sendMessageStream(request(say('Cancel')));
  const { id } = (await canceled.next()).value;
  console.log('canceled stream:', describe((await canceled.next()).value));
  console.log('cancel:', describe(await client.cancelTask({ id })));
  let last;
  for await (const event of canceled) last = event;
  console.log('canceled stream:', describe(last));
  await client.cancelTask({ id }).catch(({ name }) => console.log('cancel:', name));
}

async function resubscribe(client) {
  const dropped = client.sendMessageStream(request(say('Drop')));
  const { id } = (await dropped.next()).value;
  console.log('dropped stream:', describe((await dropped.next()).value));
  await dropped.return();
  for await (const event of client.resubscribeTask({ id })) {
    const what = describe(event);
    // How many of these are left is a matter of time.
    if (!what.startsWith('working')) console.log('resubscribed:', what.replace(/(task working).*/, '$1'));
  }
}

async function main(baseURL, binding, webhook, token) {
  const headers = async () => ({ Authorization: `Bearer ${token}` });
  const fetchImpl = createAuthenticatingFetchWithRetry(fetch, { headers, shouldRetryWithHeaders: async () => {} });
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory({ fetchImpl }), new RestTransportFactory({ fetchImpl })],
    preferredTransports: [binding],
  });
  const client = await factory.createFromUrl(baseURL);
  const { name, capabilities } = client.agentCard;
  const can = ['streaming', 'pushNotifications'].filter((key) => capabilities[key]);
  console.log('card:', [name, ...can].join(', '));
  console.log('extended card:', ...(await client.getAgentCard()).skills.map(({ id }) => id));

  console.log('send:', describe(await client.sendMessage(request(say('Send')))));
  const task = await stream(client, webhook);
  await get(client, task);
  await cancel(client);
  await resubscribe(client);
  await client.getTask({ id: 'unknown' }).catch(({ name }) => console.log('unknown task:', name));
}

main(...process.argv.slice(2));
