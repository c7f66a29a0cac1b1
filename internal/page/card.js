// The agent, as its card tells.

async function loadCard() {
  const gone = () => {
    throw new Lost(words.cardLost);
  };
  const response = await fetch('.well-known/agent-card.json', { signal: AbortSignal.timeout(patience) }).catch(gone);
  checkAway(response, words.cardUnread);
  if (!response.ok) throw new Error(words.cardUnread(response.status));
  return JSON.parse(await response.text().catch(gone));
}

let agentName = words.agent;

function showCard(card) {
  agentName = plain(card.name);
  retitle();
  $('name').textContent = agentName;
  $('version').textContent = plain([words.version(card.version), card.provider?.organization].filter(Boolean).join(', '));
  $('description').textContent = card.description;
  const { streaming, pushNotifications, extendedAgentCard, extensions } = card.capabilities ?? {};
  const versions = new Set(card.supportedInterfaces?.map((i) => `A2A ${i.protocolVersion}`));
  const capabilities = [
    ...versions, streaming && words.streaming, pushNotifications && words.pushNotifications, extendedAgentCard && words.extendedCard,
    card.signatures?.length && words.signedCard, ...(extensions ?? []).map((e) => e.uri),
  ];
  $('capabilities').replaceChildren(...capabilities.filter(Boolean).map((name) => element('li', plain(name), 'chip')));
  $('skills').replaceChildren(...(card.skills ?? []).map(skill));
  $('examples').replaceChildren(...(card.skills ?? []).flatMap(({ examples }) => examples ?? []).slice(0, 8).map(exampleButton));
  $('access').hidden = !Object.values(card.securitySchemes ?? {}).some(takesToken);
  inputModes = [...new Set([...(card.defaultInputModes ?? []), ...(card.skills ?? []).flatMap((s) => s.inputModes ?? [])])];
}

// takesToken reports whether a security scheme, as either version of the protocol writes it, asks for a bearer token.
function takesToken(scheme) {
  const { scheme: http } = scheme.httpAuthSecurityScheme ?? scheme;
  return /^bearer$/i.test(http) || ['openIdConnect', 'oauth2'].some((kind) => scheme.type === kind || scheme[`${kind}SecurityScheme`]);
}

function skill({ name, description, tags }) {
  const item = element('li', '', 'skill');
  item.append(element('h3', plain(name)), element('p', description, 'soft'));
  if (tags?.length) item.append(element('p', plain(tags.join(', ')), 'tags soft'));
  for (const e of item.children) e.dir = 'auto';
  return item;
}

function exampleButton(example) {
  const button = element('button', example, 'example');
  button.type = 'button';
  button.dir = 'auto';
  button.addEventListener('click', () => propose(example));
  return button;
}
