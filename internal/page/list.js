// The conversations: tasks that have a context in common.

const listed = new Map(); // by context: { context, tasks: Map of { id, state, time, words } by id }
let nextPage = '';

// learn keeps what is known of a task. The list may lag behind what the page has seen itself.
function learn({ id, context, state, time, said }) {
  if (!id || !context) return;
  let conversation = listed.get(context);
  if (!conversation) listed.set(context, (conversation = { context, tasks: new Map() }));
  const known = conversation.tasks.get(id);
  if (known && known.time > time) return;
  conversation.tasks.set(id, { id, state, time, said: said || known?.said || '' });
}

// seen returns what the list shows of a conversation: its newest state, and its first words.
function seen({ context, tasks }) {
  const all = [...tasks.values()].sort((a, b) => a.time - b.time);
  const newest = all.at(-1);
  return { context, ...newest, title: all.find((task) => task.said)?.said || words.untitled, states: new Set(all.map((task) => task.state)) };
}

// What keeps the list, or the extended card, from being shown: error messages. They stay until there is an answer.
const troubles = { list: '', card: '' };

function trouble(what, message) {
  if (troubles[what] === message) return;
  troubles[what] = message;
  drawRecent();
}

// emptyPages is how many pages without tasks are read before the reader is asked whether to go on: the server looks at so many tasks
// for each, whatever the filter.
const emptyPages = 20;

// readPage returns a page of tasks, the first that has some.
function readPage(kind, params, away) {
  let { pageToken } = params;
  let empty = 0;
  const ask = async (signal) => {
    for (;;) {
      const page = await call('ListTasks', { ...params, pageToken }, signal);
      if (page.tasks?.length || !page.nextPageToken || ++empty >= emptyPages) return page;
      pageToken = page.nextPageToken;
    }
  };
  return read(kind, ask, away);
}

// showRecent asks for the newest tasks, or, with a page token, for older ones.
async function showRecent(pageToken) {
  const state = $('filter-state').value;
  const params = { pageSize: 30, historyLength: 20, pageToken };
  if (state) params.status = `TASK_STATE_${state.toUpperCase().replaceAll('-', '_')}`;
  try {
    const page = await readPage('list', params, ({ message }) => trouble('list', message));
    if (!page) return;
    for (const { id, contextId, status, history } of page.tasks ?? []) {
      const begin = history?.find((message) => message.role === 'ROLE_USER' && firstWords(message));
      learn({
        id, context: contextId, state: stateName(status.state), time: Date.parse(status.timestamp), said: firstWords(begin) || firstWords(status.message),
      });
    }
    nextPage = page.nextPageToken;
    $('older').hidden = !nextPage;
    troubles.list = '';
    drawRecent();
  } catch (error) {
    trouble('list', error.message);
  }
}

// drawRecent shows the conversations that pass the filters.
function drawRecent() {
  const filter = $('filter').value.trim().toLowerCase();
  const state = $('filter-state').value;
  const all = [...listed.values()].map(seen).sort((a, b) => b.time - a.time);
  const shown = all.filter((c) => (!filter || c.title.toLowerCase().includes(filter)) && (!state || c.states.has(state)));
  const focused = document.activeElement?.dataset.context;
  $('recent').replaceChildren(...shown.map(recentConversation));
  $('recent-note').textContent = troubles.list || troubles.card || (shown.length ? '' : all.length ? words.noneSuch : nextPage ? words.noneNewest : words.none);
  if (focused) $('recent').querySelector(`[data-context="${CSS.escape(focused)}"]`)?.focus();
  retitle();
}

function recentConversation({ context, id, state, time, title }) {
  const a = element('a', '', 'recent');
  a.href = address({ context, task: id });
  a.dataset.context = context;
  if (context === conversation.context) a.ariaCurrent = 'true';
  const stateView = element('span', words.state[state] ?? state, 'state');
  stateView.dataset.state = state;
  const at = new Date(time);
  const today = at.toDateString() === new Date().toDateString();
  const when = element('time', today ? at.toLocaleTimeString([], { timeStyle: 'short' }) : at.toLocaleDateString(), 'soft');
  when.dateTime = at.toISOString();
  const first = element('span', title, 'title');
  first.dir = 'auto';
  a.append(first, stateView, when);
  const item = element('li');
  item.append(a);
  return item;
}

for (const state of Object.keys(words.state)) {
  const option = element('option', words.phase[state]);
  option.value = state;
  $('filter-state').append(option);
}

$('filter').addEventListener('input', drawRecent);
$('filter-state').addEventListener('change', () => {
  listed.clear();
  conversation.tasks.forEach(learnOpen);
  showRecent();
});
$('refresh').addEventListener('click', () => showRecent());
$('older').addEventListener('click', () => showRecent(nextPage));
