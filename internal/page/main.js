// The page: the card, the conversation, and the recent tasks.

let conversation = []; // the tasks on the page, oldest first
let settling; // a timer

const callbacks = {
  changed() {
    refreshComposer();
    // A moment later, because the list lags behind, and once for tasks that begin and end.
    clearTimeout(settling);
    settling = setTimeout(showRecent, 500);
  },
  refused(error, message) {
    refreshComposer();
    if (message) $('message').value ||= message.parts[0].text; // to be sent again
    if (error.status === 401 && !$('access').hidden) $('token').focus();
  },
};

function addTask() {
  const task = new Task(callbacks);
  conversation.push(task);
  $('tasks').append(task.view);
  $('empty').hidden = true;
  task.view.scrollIntoView({ block: 'nearest' });
  following = true;
  refreshComposer();
  return task;
}

function clearConversation() {
  for (const task of conversation.splice(0)) {
    task.leave();
    task.view.remove();
  }
  forgetFiles();
  $('empty').hidden = false;
  refreshComposer();
}

// refreshComposer says where a message will go.
function refreshComposer() {
  const last = conversation.at(-1);
  $('fresh').hidden = !last;
  $('message-label').textContent = last?.waits ? 'Your answer to the agent' : 'Message to the agent';
  $('composer').dataset.waits = Boolean(last?.waits);
  for (const button of $('recent').querySelectorAll('button')) {
    button.ariaCurrent = conversation.some((task) => task.id === button.dataset.task) ? 'true' : null;
  }
}

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const message = { messageId: newID(), role: 'ROLE_USER', parts: [{ text: $('message').value }] };
  const last = conversation.at(-1);
  $('message').value = '';
  if (last?.waits) {
    message.taskId = last.id;
    last.send(message);
    return;
  }
  message.contextId = conversation.findLast((task) => task.context)?.context;
  const task = addTask();
  task.send(message);
});

$('message').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('composer').requestSubmit();
});

$('fresh').addEventListener('click', () => {
  clearConversation();
  $('message').focus();
});

// What comes is kept in sight, unless the reader has scrolled away from it. Either the conversation scrolls or, where the window is
// narrow, the page.
let following = true;
let scrolling = false;

// below returns how far the conversation goes on below what is seen of it, in pixels.
function below() {
  return $('tasks').getBoundingClientRect().bottom - $('composer').getBoundingClientRect().top;
}

// Scrolling on does not mean that the reader has gone away: more may have come since, before the event for it.
let scrolled = 0;
addEventListener('scroll', () => {
  const position = $('conversation').scrollTop + scrollY;
  if (below() < 100) following = true;
  else if (position < scrolled) following = false;
  scrolled = position;
}, { capture: true, passive: true });
new MutationObserver(() => {
  if (!following || scrolling) return;
  scrolling = true;
  requestAnimationFrame(() => {
    scrolling = false;
    const distance = below() + 16;
    if (distance < 0) return;
    $('conversation').scrollBy(0, distance);
    scrollBy(0, distance);
  });
}).observe($('tasks'), { childList: true, subtree: true, characterData: true });

// The card.

async function loadCard() {
  const response = await fetch('.well-known/agent-card.json');
  if (!response.ok) throw new Error(`the agent card cannot be read: ${response.status}`);
  return response.json();
}

function showCard(card) {
  document.title = card.name;
  $('name').textContent = card.name;
  $('version').textContent = [`Version ${card.version}`, card.provider?.organization].filter(Boolean).join(', ');
  $('description').textContent = card.description;
  const { streaming, pushNotifications, extendedAgentCard, extensions } = card.capabilities ?? {};
  const versions = new Set(card.supportedInterfaces?.map((i) => `A2A ${i.protocolVersion}`));
  const capabilities = [
    ...versions, streaming && 'streaming', pushNotifications && 'push notifications', extendedAgentCard && 'extended card',
    card.signatures?.length && 'signed card', ...(extensions ?? []).map((e) => e.uri),
  ];
  $('capabilities').replaceChildren(...capabilities.filter(Boolean).map((name) => element('li', name)));
  $('skills').replaceChildren(...(card.skills ?? []).map(skill));
  $('access').hidden = !Object.values(card.securitySchemes ?? {}).some(takesToken);
}

// takesToken reports whether a security scheme, as either version of the protocol writes it, asks for a bearer token.
function takesToken(scheme) {
  const { scheme: http } = scheme.httpAuthSecurityScheme ?? scheme;
  return /^bearer$/i.test(http) || ['openIdConnect', 'oauth2'].some((kind) => scheme.type === kind || scheme[`${kind}SecurityScheme`]);
}

function skill({ name, description, tags, examples }) {
  const item = element('li', '', 'skill');
  item.append(element('h3', name), element('p', description, 'soft'));
  if (tags?.length) item.append(element('p', tags.join(', '), 'tags soft'));
  for (const example of examples ?? []) {
    const button = element('button', example, 'example');
    button.type = 'button';
    button.addEventListener('click', () => {
      $('message').value = example;
      $('message').focus();
    });
    item.append(button);
  }
  return item;
}

$('access').addEventListener('submit', async (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  showRecent();
  try {
    if ((await card)?.capabilities?.extendedAgentCard) showCard(await call('GetExtendedAgentCard', {}));
    $('message').focus();
  } catch (error) {
    $('recent-note').textContent = error.message;
  }
});

// The recent tasks.

let lists = 0;
let nextPage = '';

// showRecent shows the newest tasks, or, with a page token, adds older ones.
async function showRecent(pageToken) {
  const turn = ++lists;
  try {
    const page = await call('ListTasks', { pageSize: 15, historyLength: 20, pageToken });
    if (turn !== lists) return;
    const focused = document.activeElement?.dataset.task;
    if (!pageToken) $('recent').replaceChildren();
    $('recent').append(...page.tasks.map(recentTask));
    nextPage = page.nextPageToken;
    $('older').hidden = !nextPage;
    $('recent-note').textContent = page.tasks.length || pageToken ? '' : 'None yet.';
    for (const button of $('recent').querySelectorAll('button')) if (button.dataset.task === focused) button.focus();
    refreshComposer();
  } catch (error) {
    if (turn === lists) $('recent-note').textContent = error.message;
  }
}

function recentTask({ id, status, history }) {
  const button = element('button', '', 'recent');
  button.type = 'button';
  button.dataset.task = id;
  const begin = history?.find((message) => message.role === 'ROLE_USER' && words(message));
  const state = element('span', '', 'state');
  showState(state, status.state);
  const at = new Date(status.timestamp);
  const today = at.toDateString() === new Date().toDateString();
  const when = element('time', today ? at.toLocaleTimeString() : at.toLocaleDateString(), 'soft');
  when.dateTime = status.timestamp;
  button.append(element('span', words(begin) || words(status.message) || id, 'title'), state, when);
  button.addEventListener('click', () => {
    clearConversation();
    addTask().open(id);
    refreshComposer();
  });
  const item = document.createElement('li');
  item.append(button);
  return item;
}

$('refresh').addEventListener('click', () => showRecent());
$('older').addEventListener('click', () => showRecent(nextPage));

const card = loadCard().then((card) => {
  showCard(card);
  if ($('access').hidden) showRecent();
  else $('recent-note').textContent = 'Your tasks show when you have given a token.';
  return card;
}).catch((error) => {
  $('description').textContent = error.message;
});
if (matchMedia('(hover: hover)').matches) $('message').focus();
