// Reads agent cards with the SDK for JavaScript that is installed: node cards.mjs FILE...
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(process.env.NODE_PATH + '/');
const { DefaultAgentCardResolver } = require('@a2a-js/sdk/client');

const old = process.env.NODE_PATH.includes('/js03/');
for (const file of process.argv.slice(2)) {
  const fetchImpl = async () => new Response(readFileSync(file), { headers: { 'content-type': 'application/json' } });
  try {
    const card = await new DefaultAgentCardResolver({ fetchImpl }).resolve('http://localhost');
    // The SDK gives its user the card as it came, with the fields of its version of the protocol.
    const requirements = old ? card.security.map(Object.keys) : (card.securityRequirements ?? []).map((r) => Object.keys(r.schemes ?? {}));
    console.log(requirements.map((names) => names.join(' and ') || 'nothing').join(', '));
  } catch {
    console.log('not the card');
  }
}
