// What a task looks like: the messages, the timeline of its events, and its artifacts. Nothing is drawn before the browser draws.

const mostRows = 500; // of a timeline; of more, the oldest go
const mostFrames = 300;
const rowsAtOnce = 60;

class TaskView {
  constructor(task) {
    this.task = task;
    this.element = clone('task-template');
    for (const name of ['first', 'card', 'state', 'link', 'clock', 'id', 'switch', 'cancel', 'events', 'asks', 'approval', 'order', 'replay', 'details', 'count', 'frames']) {
      this[name] = this.element.querySelector(name === 'count' ? '.details .count' : `.${name}`);
    }
    this.switch.addEventListener('click', () => (task.streaming && !this.broken ? task.drop() : task.resume()));
    this.cancel.addEventListener('click', () => task.cancel());
    this.replay.addEventListener('click', () => task.replay());
    this.approval.querySelector('.approve').addEventListener('click', () => task.decide(true));
    this.approval.querySelector('.refuse').addEventListener('click', () => task.decide(false));
    this.details.addEventListener('toggle', () => redraw(this));
    this.artifacts = new Map(); // their sections by id
    this.artifactsView = this.element.querySelector('.artifacts');
    this.steps = new Steps(task, this.element.querySelector('.steps'));
    this.alertView = this.element.querySelector('.alert');
    this.messages = new Map(); // of the user: their elements by id
    this.received = 0; // frames
    this.texts = []; // the newest of them
    this.newTexts = 0;
    this.clear();
  }

  // clear forgets the events.
  clear() {
    this.rows = []; // that are not drawn yet
    this.changedRows = new Set();
    this.artifacts.clear();
    this.events.replaceChildren();
    this.artifactsView.replaceChildren();
    for (const [id, bubble] of this.messages) if (!this.first.contains(bubble)) this.messages.delete(id);
  }

  // broken tells whether the connection is not there, but tried again.
  get broken() {
    return this.task.link === 'lost' || this.task.link === 'offline';
  }

  refresh() {
    this.stale = true;
    redraw(this);
  }

  // draw shows what has changed, and returns whether there is more.
  draw() {
    const { task } = this;
    if (this.stale) this.drawState();
    let more = this.drawRows();
    for (const artifact of this.artifacts.values()) {
      const open = Boolean(artifact.open && !task.over && !task.waits && !task.left);
      if (!artifact.changed && artifact.section.dataset.open === String(open)) continue;
      artifact.changed = false;
      artifact.section.dataset.open = open;
      const later = artifact.parts.draw(open);
      if (later) artifact.changed = more = true;
      if (artifact.voice && artifact.parts.last instanceof Prose) artifact.voice.tell(artifact.parts.last.view, open || later);
    }
    if (this.details.open) this.drawFrames();
    return more;
  }

  drawState() {
    this.stale = false;
    const { task } = this;
    const { phase } = task;
    const quiet = task.over || task.waits;
    const phaseWords = task.canceling && !task.over ? words.canceling : words.phase[phase] ?? phase;
    if (this.state.textContent !== phaseWords) {
      this.state.textContent = phaseWords;
      if (!task.replaying) say(phaseWords);
    }
    this.state.dataset.state = phase || 'sending';
    const link = this.broken ? words[task.link] : '';
    if (this.link.textContent !== link) {
      this.link.textContent = link;
      say(link);
    }
    this.id.textContent = plain(task.id);
    this.id.title = plain(task.id);
    this.card.ariaBusy = String(Boolean(task.streaming && !quiet && !this.broken));
    const connected = task.streaming && !this.broken;
    this.switch.textContent = connected ? words.drop : this.broken ? words.tryNow : task.last ? words.resume(task.last) : words.sendAgain;
    show(this.switch, (task.streaming && !quiet) || task.link === 'dropped');
    show(this.cancel, Boolean(task.id) && !task.over);
    this.cancel.ariaDisabled = String(Boolean(task.canceling)); // it keeps the focus
    this.asks.hidden = !task.waits;
    this.asks.textContent = task.state === 'auth-required' ? words.waitsForAuth : task.asksApproval ? words.waitsForApproval : words.waitsForYou;
    this.approval.hidden = !task.waits || !task.asksApproval;
    const faults = [task.missing && words.missing(task.missing), task.twice && words.twice(task.twice)].filter(Boolean).join(', ');
    this.order.textContent = quiet && task.last ? words.inOrder(task.first, task.last, faults) : '';
    show(this.replay, task.over && !task.last && !task.failed && !task.streaming);
    this.details.hidden = !this.received;
    this.count.textContent = this.received;
    this.steps.look();
    this.tick();
  }

  // tick keeps the clock running while the agent works.
  tick() {
    const { task } = this;
    const runs = task.streaming && task.begun && !task.over && !task.waits;
    this.clock.textContent = task.begun ? duration(runs ? Math.max(task.now(), task.elapsed) : task.elapsed) : '';
    if (runs) this.ticking ??= setInterval(() => this.tick(), 100);
    else this.ticking = clearInterval(this.ticking);
  }

  // said shows a message of the user, once, and what became of it: sending, received or failed.
  said(message, delivery) {
    const id = message.messageId ?? '';
    let bubble = this.messages.get(id);
    if (!bubble) {
      bubble = clone('message-template');
      this.messages.set(id, bubble);
      this.firstMessage ??= message;
      showParts(bubble.querySelector('.parts'), message.parts, { prose: false });
      bubble.querySelector('.again').addEventListener('click', () => this.task.send(message));
      bubble.querySelector('.edit').addEventListener('click', () => this.task.refused(undefined, message, this.task));
      if (this.messages.size === 1) {
        this.first.append(bubble);
      } else {
        const item = element('li', '', 'mine');
        item.append(bubble);
        this.rows.push((this.newest = { element: item }));
      }
    }
    bubble.dataset.delivery = delivery;
    bubble.querySelector('.delivery').textContent = { sending: words.sending, received: words.received, failed: words.notSent }[delivery];
    for (const button of bubble.querySelectorAll('button')) show(button, delivery === 'failed');
    redraw(this);
  }

  // row adds a row to the timeline: a state, what was said with it, and when.
  row({ number = '', state, label, parts, text, timed }) {
    const row = { number, state, label: label ?? words.state[state] ?? state, parts, text, elapsed: timed ? duration(this.task.elapsed) : '' };
    this.rows.push((this.newest = row));
    for (const artifact of this.artifacts.values()) artifact.open = false; // unless a chunk of it is what comes
    redraw(this);
    return row;
  }

  // mark notes in the timeline what became of the connection.
  mark(text) {
    this.rows.push((this.newest = { element: element('li', text, 'mark') }));
    say(text);
    redraw(this);
  }

  drawRows() {
    this.rows.splice(0, this.rows.length - mostRows); // which would not stay
    for (const row of this.rows.splice(0, rowsAtOnce)) {
      row.element ??= this.made(row);
      this.events.append(row.element);
      row.drawn = true;
      if (this.events.childElementCount > mostRows) this.events.firstElementChild.remove();
    }
    for (const row of this.changedRows) {
      if (!row.drawn) continue;
      row.element.querySelector('.number').textContent = row.number;
      row.element.querySelector('.elapsed').textContent = row.elapsed;
      row.element.querySelector('.parts p').textContent = row.text;
    }
    this.changedRows.clear();
    return this.rows.length > 0;
  }

  made({ number, state, label, parts, text, elapsed }) {
    const e = clone('event-template');
    e.dataset.state = state;
    e.querySelector('.number').textContent = number;
    e.querySelector('.label').textContent = label;
    e.querySelector('.elapsed').textContent = elapsed;
    if (text) e.querySelector('.parts').append(element('p', text));
    else showParts(e.querySelector('.parts'), parts);
    return e;
  }

  // chunk shows an artifact, or more of it. Chunks that follow each other share a row.
  chunk(number, { artifact, append, lastChunk }) {
    const { task } = this;
    const view = this.artifact(artifact, append);
    view.chunks = append ? view.chunks + 1 : 1;
    if (!task.replaying && append) view.voice ??= new Voice(view.chunks > 2 && view.parts.last?.view);
    else if (!task.replaying) view.voice = new Voice();
    if (append && view.row && this.newest === view.row) {
      const text = words.chunks(view.title, number - view.from + 1);
      Object.assign(view.row, { number: `${view.from}–${number}`, text, elapsed: task.live ? duration(task.elapsed) : '' });
      this.changedRows.add(view.row);
    } else {
      view.from = number;
      view.row = this.row({ number, state: 'artifact', label: words.artifactRow, text: view.title, timed: task.live });
    }
    view.open = !lastChunk; // for all that is known
  }

  // snapshot shows the artifacts as a task has them. Those that are on the page as they are stay.
  snapshot(artifacts) {
    const ids = new Set(artifacts.map(({ artifactId }) => artifactId));
    for (const [id, { section }] of this.artifacts) {
      if (ids.has(id)) continue;
      section.remove();
      this.artifacts.delete(id);
    }
    for (const artifact of artifacts) {
      if (this.artifacts.get(artifact.artifactId)?.content !== contentOf(artifact)) this.artifact(artifact, false);
    }
  }

  // artifact shows an artifact, or appends a chunk to it.
  artifact({ artifactId, name, description, parts }, append) {
    let view = this.artifacts.get(artifactId);
    if (!view) {
      const section = clone('artifact-template');
      view = { section, chunks: 0, title: words.artifact, parts: new Parts(section.querySelector('.parts'), { joined: true }) };
      this.artifacts.set(artifactId, view);
      this.artifactsView.append(section);
    }
    if (!view.named || (name && plain(name) !== view.title)) {
      view.named = true;
      if (name) view.title = plain(name);
      view.section.querySelector('.name').textContent = view.title;
    }
    if (description) {
      view.section.querySelector('.about').textContent = description;
      view.section.querySelector('.about').hidden = false;
    }
    if (!append) {
      view.parts.clear();
      view.voice = undefined;
    }
    view.content = ((append && view.content) || '') + contentOf({ parts });
    view.parts.add(parts);
    view.changed = true;
    redraw(this);
    return view;
  }

  frame(direction, text) {
    if (direction === 'received') this.received++;
    this.texts.push([direction, text]);
    this.newTexts++;
    if (this.texts.length > 2 * mostFrames) this.texts.splice(0, mostFrames);
    if (this.details.open) this.refresh();
  }

  drawFrames() {
    if (!this.newTexts) return;
    this.frames.append(...this.texts.slice(-Math.min(this.newTexts, mostFrames)).map(([direction, text]) => element('pre', text, direction)));
    this.newTexts = 0;
    while (this.frames.childElementCount > mostFrames) this.frames.firstElementChild.remove();
  }

  alert(text) {
    this.alertView.textContent = text;
    this.alertView.hidden = !text;
  }
}

// contentOf is the same for the same parts, however their text is cut to pieces.
function contentOf({ parts }) {
  return (parts ?? []).map((part) => part.text ?? `\0${part.raw?.length ?? JSON.stringify(part.data ?? part.url)}\0`).join('');
}

// show shows or hides a button. The focus of one that goes away goes to the message box.
function show(button, visible) {
  if (!visible && document.activeElement === button) $('message').focus();
  button.hidden = !visible;
}
