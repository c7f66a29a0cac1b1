// A client of A2A 1.0 with the JavaScript SDK 1.x: node js1.cjs BASE_URL BINDING WEBHOOK_URL TOKEN.
//
// It prints one line for each thing that it sees, without ids and times.

const assert = require('node:assert');
const { randomUUID } = require('node:crypto');
const { SendMessageRequest, Role, TaskState } = require('@a2a-js/sdk');
const {
  ClientFactory, createAuthenticatingFetchWithRetry, JsonRpcTransportFactory, RestTransportFactory,
} = require('@a2a-js/sdk/client');

const CONTEXT = randomUUID();

const request = (parts, { taskId, contextId, ...configuration } = {}) =>
  SendMessageRequest.fromJSON({
    message: { role: 'ROLE_USER', messageId: randomUUID(), taskId, contextId, parts },
    configuration,
  });

const text = ({ parts }) => parts.map((part) => part.content.value).join(' ');

// describe returns the state of a task or status update, and what was said or made; or an artifact's text.
function describe({ status, artifact, artifacts }) {
  if (artifact) return `artifact, ${text(artifact)}`;
  const state = TaskState[status.state].replace('TASK_STATE_', '').replace('_', '-').toLowerCase();
  const words = [artifacts ? `task ${state}` : state];
  if (status.message) words.push(text(status.message));
  return [...words, ...(artifacts ?? []).map(text)].join(', ');
}

function describePart({ content: { $case, value }, filename, mediaType }) {
  if ($case === 'raw') value = value.toString('hex');
  if ($case === 'data') value = JSON.stringify(value);
  return [$case, value, filename, mediaType].filter(Boolean).join(' ');
}

// stream streams a task that has a webhook, and gives it another one meanwhile.
async function stream(client, webhook) {
  const taskPushNotificationConfig = {
    id: 'webhook', url: webhook, token: 'secret', authentication: { scheme: 'Bearer', credentials: 'letmein' },
  };
  const sent = request([{ text: 'Stream' }], { contextId: CONTEXT, taskPushNotificationConfig });
  let taskId;
  for await (const { payload } of client.sendMessageStream(sent)) {
    console.log('stream:', describe(payload.value));
    if (payload.$case === 'task') {
      taskId = payload.value.id;
      await push(client, taskId, `${webhook}/second`);
    }
  }
  return taskId;
}

async function push(client, taskId, url) {
  const config = { tenant: '', taskId, id: 'second', url, token: 'another', authentication: undefined };
  const made = await client.createTaskPushNotificationConfig(config);
  assert.deepEqual([made.taskId, made.url], [taskId, url]);
  console.log('push created:', made.id, made.token);
  const got = await client.getTaskPushNotificationConfig({ tenant: '', taskId, id: 'webhook' });
  console.log('push got:', got.id, got.token, got.authentication.scheme, got.authentication.credentials || 'hidden');
  const list = { tenant: '', taskId, pageSize: 0, pageToken: '' };
  const ids = async () => (await client.listTaskPushNotificationConfig(list)).configs.map(({ id }) => id).sort();
  console.log('push listed:', ...(await ids()));
  await client.deleteTaskPushNotificationConfig({ tenant: '', taskId, id: 'second' });
  console.log('push left:', ...(await ids()));
}

async function get(client, id) {
  const task = await client.getTask({ tenant: '', id });
  console.log('get:', describe(task));
  for (const message of task.history) {
    console.log(`history: ${Role[message.role].replace('ROLE_', '').toLowerCase()},`, text(message));
  }
  const { history } = await client.getTask({ tenant: '', id, historyLength: 1 });
  console.log('last of the history:', ...history.map(text));
}

async function list(client) {
  let pageToken = '';
  do {
    const page = await client.listTasks({
      tenant: '', contextId: CONTEXT, status: 0, pageSize: 1, pageToken, includeArtifacts: true,
    });
    console.log(`list: ${page.tasks.length} of ${page.totalSize},`, describe(page.tasks[0]));
    pageToken = page.nextPageToken;
  } while (pageToken);
}

// ask sends all kinds of parts but text, of which the agent can make nothing, and then the text, without waiting.
async function ask(client) {
  const task = await client.sendMessage(request([
    { raw: 'AP8=', filename: 'a.txt', mediaType: 'text/plain' },
    { url: 'https://example.com/a.html', mediaType: 'text/html' },
    { data: { n: 'one' } },
  ]));
  console.log('ask:', describe(task));
  for (const part of task.history[0].parts) console.log('part:', describePart(part));
  const answer = { taskId: task.id, contextId: task.contextId, returnImmediately: true };
  console.log('answer:', describe(await client.sendMessage(request([{ text: 'Answer' }], answer))));
  return task.id;
}

async function cancel(client) {
  console.log('cancel:', describe(await client.cancelTask({ tenant: '', id: await ask(client) })));
  const canceled = client.sendMessageStream(request([{ text: 'Cancel' }]));
  const { id } = (await canceled.next()).value.payload.value;
  console.log('canceled stream:', describe((await canceled.next()).value.payload.value));
  console.log('cancel:', describe(await client.cancelTask({ tenant: '', id })));
  let last;
  for await (const { payload } of canceled) last = payload.value;
  console.log('canceled stream:', describe(last));
  await client.cancelTask({ tenant: '', id }).catch(({ name }) => console.log('cancel:', name));
}

async function resubscribe(client) {
  const dropped = client.sendMessageStream(request([{ text: 'Drop' }]));
  const { id } = (await dropped.next()).value.payload.value;
  console.log('dropped stream:', describe((await dropped.next()).value.payload.value));
  await dropped.return();
  for await (const { payload } of client.resubscribeTask({ tenant: '', id })) {
    const what = describe(payload.value);
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

  console.log('send:', describe(await client.sendMessage(request([{ text: 'Send' }], { contextId: CONTEXT }))));
  const task = await stream(client, webhook);
  await get(client, task);
  await list(client);
  await cancel(client);
  await resubscribe(client);
  await client.getTask({ tenant: '', id: 'unknown' }).catch(({ name }) => console.log('unknown task:', name));
}

main(...process.argv.slice(2));
