// The remote agent of the Agent Development Kit: node jsadk.mjs URL TOKEN
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.env.NODE_PATH + '/');
const load = (name) => import(pathToFileURL(require.resolve(name).replace('/cjs/', '/esm/')));
const { InMemoryRunner, RemoteA2AAgent, setLogger } = await load('@google/adk');
const { ClientFactory, ClientFactoryOptions, JsonRpcTransportFactory } = require('@a2a-js/sdk/client');

const quiet = () => {};
setLogger({ log: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet });
const [url, token] = process.argv.slice(2);

// conversation returns what says something in one session, which the agent keeps as one context.
const conversation = async (token) => {
  const authorized = (input, init) => fetch(input, {
    ...init, headers: { ...init?.headers, ...(token && { authorization: `Bearer ${token}` }) },
  });
  const clientFactory = new ClientFactory(ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
    transports: [new JsonRpcTransportFactory({ fetchImpl: authorized })],
  }));
  const agent = new RemoteA2AAgent({ name: 'remote', agentCard: url, clientFactory });
  const runner = new InMemoryRunner({ agent, appName: 'app' });
  const session = await runner.sessionService.createSession({ appName: 'app', userId: 'user' });
  return async (what, ...parts) => {
    const events = runner.runAsync({ userId: 'user', sessionId: session.id, newMessage: { role: 'user', parts } });
    for await (const e of events) {
      const said = (e.content?.parts ?? []).map((p) => (p.thought ? 'thought ' : '') + JSON.stringify(p.text ?? p.functionCall?.args));
      console.log(`${what}: ${[e.partial && 'partial', e.errorMessage && 'error: ' + e.errorMessage, ...said].filter(Boolean).join(', ')}`);
    }
  };
};

const say = await conversation(token);
await say('stream', { text: 'Stream' });
await say('question', { text: ' ' });
await say('follow-up', { text: 'This' });
await say('refused stream', { inlineData: { data: 'aGk=', mimeType: 'image/png' } });
await (await conversation())('without token', { text: 'Hello' });
process.exit(0);
