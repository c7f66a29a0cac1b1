// The conversation that is open: its tasks, oldest first. Its address is in the URL's fragment, so that a reload, another tab or
// another browser opens it again.

const conversation = { context: '', tasks: [], more: '' }; // and unsent: a message whose fate is unknown, and when it was sent

const joinable = 9 * 60_000; // ms in which the server knows a message that comes again: ten minutes

// address returns the URL of a conversation.
function address({ context, task }) {
  const fragment = new URLSearchParams(Object.entries({ context, task }).filter(([, id]) => id));
  return `${location.pathname}${location.search}${fragment.size ? `#${fragment}` : ''}`;
}

function addressed() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  return { context: fragment.get('context') ?? '', task: fragment.get('task') ?? '' };
}

const callbacks = {
  changed() {
    const known = conversation.context;
    remember();
    if (!known && conversation.context && conversation.byTask) loadContext();
    conversation.tasks.forEach(learnOpen);
    refreshComposer();
    drawRecent();
  },
  refused(error, message, task) {
    refreshComposer();
    if (!error) return takeBack(message, task); // to be changed
    if (error.status === 401 && !$('access').hidden) $('token').focus();
    if (!message && !task.state) return forgo(task, error);
    remember();
  },
};

function learnOpen(task) {
  if (!task.state || task.time === Infinity && !task.begun) return;
  const time = task.begun ? task.begun + task.elapsed : task.time;
  learn({ id: task.id, context: task.context, state: task.phase || task.state, time, said: firstWords(task.view.firstMessage) });
}

// remember puts the address of the conversation into the URL, and the message that the server may not have yet into the history.
function remember() {
  const last = conversation.tasks.at(-1);
  conversation.context = conversation.tasks.findLast((task) => task.context)?.context ?? conversation.context;
  const since = history.state?.pending?.message.messageId === last?.pending?.messageId ? history.state?.pending?.at : Date.now();
  const pending = last?.pending ? { message: last.pending, at: since } : conversation.unsent;
  const task = conversation.tasks.findLast((t) => t.id)?.id;
  const now = address({ context: conversation.context, task });
  try {
    history.replaceState(pending ? { pending } : null, '', now);
  } catch { // it is too large to be kept
    history.replaceState(null, '', now);
  }
  retitle();
}

function retitle() {
  const known = listed.get(conversation.context);
  document.title = known ? `${seen(known).title.slice(0, 60)} – ${agentName}` : agentName;
}

function addTask() {
  const task = new Task(callbacks);
  $('tasks').append(task.view.element);
  $('empty').hidden = true;
  return task;
}

function clearConversation() {
  for (const task of conversation.tasks.splice(0)) {
    task.leave();
    task.view.element.remove();
  }
  Object.assign(conversation, { context: '', more: '', unsent: undefined });
  forget('newest', 'earlier');
  $('earlier').hidden = true;
  $('opening').hidden = true;
  $('empty').hidden = false;
  forgetFiles();
  follow();
  refreshComposer();
}

// startConversation leaves the conversation for a new one.
function startConversation() {
  history.pushState(null, '', address({}));
  clearConversation();
  drawRecent();
  $('message').focus();
}

// sendMessage sends a message: to the task that waits for it, or as a new task of the conversation.
function sendMessage(message) {
  const last = conversation.tasks.at(-1);
  if (last?.waits) {
    message.taskId = last.id;
    last.send(message);
  } else {
    if (conversation.context) message.contextId = conversation.context;
    if (!last) history.pushState(null, '', address({}));
    begin(message);
  }
  follow();
}

function begin(message) {
  const task = addTask();
  conversation.tasks.push(task);
  task.send(message);
}

// takeBack gives a message that was refused back to be changed.
function takeBack(message, task) {
  if (!fillBox(message)) return;
  if (task.id) {
    task.view.messages.get(message.messageId)?.closest('.mine')?.remove();
    task.view.messages.delete(message.messageId);
    task.view.alert('');
  } else {
    task.leave();
    task.view.element.remove();
    conversation.tasks = conversation.tasks.filter((t) => t !== task);
    $('empty').hidden = conversation.tasks.length > 0;
  }
  task.failed = false;
  task.view.refresh();
  refreshComposer();
}

// forgo takes a task away that is not to be had.
function forgo(task, error) {
  task.leave();
  task.view.element.remove();
  conversation.tasks = conversation.tasks.filter((t) => t !== task);
  $('opening').hidden = conversation.tasks.length > 0;
  $('opening').textContent = error.code === taskNotFound ? words.gone : error.message;
}

const taskNotFound = -32001; // A2A 1.0, section 5.4

// openAddressed opens the conversation that the URL names, and sends the message again whose fate is unknown.
function openAddressed() {
  clearConversation();
  const { context, task } = addressed();
  const pending = history.state?.pending;
  Object.assign(conversation, { context, byTask: Boolean(task) && !context, unsent: pending });
  drawRecent();
  if (!context && !task) return resend();
  $('empty').hidden = true;
  $('opening').hidden = false;
  $('opening').textContent = words.opening;
  if (task) {
    conversation.tasks.push(addTask());
    conversation.tasks[0].open(task);
  }
  if (context) loadContext();
  else resend();
}

// resend sends the message again whose fate is unknown, to the task that it is for. Early, that task may be still to come.
function resend({ early } = {}) {
  if (!conversation.unsent) return;
  const { message, at } = conversation.unsent;
  const here = conversation.tasks.find((t) => t.id && t.id === message.taskId);
  if (early && message.taskId && !here) return;
  conversation.unsent = undefined;
  const task = here ?? (message.taskId ? undefined : addTask());
  if (!task) return;
  if (!conversation.tasks.includes(task)) conversation.tasks.push(task);
  if (Date.now() - at < joinable) return task.send(message);
  task.failed = true; // sent long ago: it may have been a task of its own since
  task.view.said(message, 'failed');
  task.view.refresh();
}

// loadContext shows the tasks of the conversation that are not on the page: the newest, or, with a page token, older ones.
async function loadContext(pageToken) {
  const { context } = conversation;
  if (!context) return;
  const away = (error) => {
    if (!pageToken && !conversation.tasks.length) $('opening').textContent = error.message;
    resend({ early: error instanceof Lost });
  };
  try {
    const params = { contextId: context, pageSize: 20, includeArtifacts: true, pageToken };
    const page = await readPage(pageToken ? 'earlier' : 'newest', params, away);
    if (!page) return;
    above(() => {
      (page.tasks ?? []).forEach(place);
      arrange();
    });
    conversation.more = page.nextPageToken;
    $('earlier').hidden = !conversation.more;
    if (!conversation.tasks.length) $('opening').textContent = conversation.more ? words.notNewest : words.gone;
    $('opening').hidden = conversation.tasks.length > 0;
    resend();
    remember();
    refreshComposer();
    drawRecent();
  } catch (error) {
    away(error);
  }
}

// place puts a task of the list into the conversation: its events if it has more to come, or is the only one, and else as it is.
function place(found) {
  const state = stateName(found.status.state);
  const time = Date.parse(found.status.timestamp);
  learn({ id: found.id, context: found.contextId, state, time, said: firstWords(found.history?.find((m) => m.role === 'ROLE_USER')) });
  const here = conversation.tasks.find((task) => task.id === found.id);
  const task = here ?? addTask();
  task.time = time;
  if (here) return;
  conversation.tasks.unshift(task);
  if (conversation.tasks.length > 1 && ended.has(state)) task.show(found);
  else task.open(found.id);
}

// arrange puts the tasks in the order of their newest states; those that the list does not have yet are the newest. One that stays where
// it is keeps the focus.
function arrange() {
  conversation.tasks.sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
  conversation.tasks.forEach(({ view }, i) => {
    if ($('tasks').children[i] !== view.element) $('tasks').insertBefore(view.element, $('tasks').children[i]);
  });
}

$('earlier').addEventListener('click', () => loadContext(conversation.more));
$('fresh').addEventListener('click', startConversation);
addEventListener('popstate', openAddressed);

// A hidden page lets its streams go, and takes them up when it is shown again; a network that is back may have other ways.
function wake() {
  if (document.visibilityState !== 'visible') return;
  for (const task of conversation.tasks) task.wake();
  loadContext(); // somebody may have gone on with it elsewhere
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') return wake();
  for (const task of conversation.tasks) task.rest();
});
addEventListener('online', wake);
addEventListener('offline', () => conversation.tasks.forEach((task) => task.view.refresh()));
addEventListener('pageshow', (event) => event.persisted && wake());
