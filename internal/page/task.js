// A task on the page: its timeline, its artifacts, and the stream that they come by.

const retries = 5; // connections lost in a row before it is left to the user
const mostRows = 2000; // of a timeline; of more, the oldest go
const mostFrames = 500;

class Task {
  // changed is called when the task begins, waits, goes on or ends, and refused with an answer that says no.
  constructor({ changed, refused }) {
    Object.assign(this, { changed, refused });
    this.view = clone('task-template');
    for (const name of ['clock', 'id', 'link', 'cancel', 'events', 'alert', 'artifacts', 'order', 'count', 'frames']) {
      this[`${name}View`] = this.view.querySelector(`.${name}`);
    }
    this.stateView = this.view.querySelector('h3 .state');
    this.linkView.addEventListener('click', () => (this.streaming ? this.drop() : this.resume()));
    this.cancelView.addEventListener('click', () => this.cancel());
    this.id = '';
    this.state = '';
    this.first = 0; // number of the first event
    this.last = 0; // and of the last, so far
    this.missing = 0;
    this.twice = 0;
    this.received = 0; // frames
    this.shown = new Map(); // artifacts: their sections by id
    this.begun = 0; // when the first event happened, by the server's clock
    this.ahead = 0; // this clock's lead over the server's
    this.elapsed = 0; // until the last event, in ms
  }

  // waits tells whether the next message is for this task.
  get waits() {
    return waiting.has(this.state) && !this.pending;
  }

  get phase() {
    if (ended.has(this.state)) return 'ended';
    return waiting.has(this.state) ? 'waits' : this.state && 'works';
  }

  // send sends a message: the task's first, or the one that it waits for.
  send(message) {
    this.pending = message;
    this.live = !this.last;
    this.connect();
  }

  // open shows a task from its first event on, all of which are in its log, and follows it.
  open(id) {
    this.id = id;
    this.connect();
  }

  drop() {
    this.abort.abort();
    this.streaming = false;
    this.dropped = true;
    this.live = false;
    this.mark(this.last ? `You dropped the connection after event ${this.last}. The agent goes on.` : 'You dropped the connection.');
    this.refresh();
  }

  resume() {
    this.mark(this.pending ? 'Sending again: the same message joins the task that it began.' : `Resuming with Last-Event-ID: ${this.last}`);
    this.connect();
  }

  // leave ends the connection, because nobody looks any more.
  leave() {
    this.abort?.abort();
    this.streaming = false;
    this.refresh();
  }

  async cancel() {
    if (this.canceling) return;
    this.canceling = true;
    try {
      this.frame('sent', `CancelTask ${JSON.stringify({ id: this.id })}`);
      await call('CancelTask', { id: this.id });
      if (!this.streaming) this.resume();
    } catch (error) {
      this.fail(error);
    }
    this.canceling = false;
  }

  // connect reads the stream until the task has ended or waits, and takes it up again where it is cut.
  async connect() {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.streaming = true;
    this.dropped = false;
    this.alertView.hidden = true;
    this.refresh();
    for (let lost = 0; ; ) {
      const before = this.last;
      try {
        for await (const frame of this.stream(abort.signal)) {
          if (abort.signal.aborted) return;
          this.take(frame);
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!(error instanceof Lost)) {
          this.streaming = false;
          this.fail(error);
          if (error instanceof Refusal) return;
          throw error; // it is this page's fault
        }
      }
      if (ended.has(this.state) || this.waits) break;
      this.live = false;
      lost = this.last > before ? 1 : lost + 1;
      if (lost > retries) {
        this.dropped = true;
        this.mark('The connection is lost.');
        break;
      }
      if (lost === 1) {
        this.mark(this.last ? `The stream was cut after event ${this.last}. Resuming with Last-Event-ID: ${this.last}` : 'The stream was cut. Sending again.');
      }
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** lost));
      if (abort.signal.aborted) return;
    }
    this.streaming = false;
    this.refresh();
  }

  // stream asks for the stream: by the message, until it is known to have arrived, and then by the task's id.
  stream(signal) {
    if (this.pending) {
      const params = { message: this.pending };
      this.frame('sent', `SendStreamingMessage ${JSON.stringify(params)}`);
      return stream('SendStreamingMessage', params, { signal });
    }
    const last = Math.max(this.last, 1);
    this.frame('sent', `SubscribeToTask ${JSON.stringify({ id: this.id })}\nLast-Event-ID: ${last}`);
    return stream('SubscribeToTask', { id: this.id }, { signal, last });
  }

  take({ text, number, result: event }) {
    if (text !== undefined) {
      this.countView.textContent = ++this.received;
      this.frame('received', text);
      return;
    }
    this.pending = undefined;
    const update = event.task ?? event.statusUpdate ?? event.artifactUpdate;
    if (!update) return;
    this.id = event.task?.id ?? update.taskId;
    this.context = update.contextId;
    if (number <= this.last) {
      // A stream that resumes begins with the task as it was then, which is on the page.
      if (!event.task) this.twice++;
      return;
    }
    if (this.last) this.missing += number - this.last - 1;
    this.first ||= number;
    this.last = number;
    if (event.artifactUpdate) {
      this.artifactUpdate(number, update);
      return;
    }
    this.time(update.status.timestamp);
    if (event.task) this.snapshot(update);
    // A message of the user comes as the status with which the task takes it up.
    const said = update.status.message ?? (event.task && update.history?.at(-1));
    const row = this.row(number, stateName(update.status.state), update.status.state);
    row.dataset.from = said?.role === 'ROLE_USER' ? 'user' : 'agent';
    showParts(row.querySelector('.parts'), said?.parts);
    const before = this.phase;
    this.state = update.status.state;
    this.refresh();
    if (this.phase !== before) this.changed();
  }

  snapshot(task) {
    this.shown.clear();
    this.artifactsView.replaceChildren();
    for (const artifact of task.artifacts ?? []) this.artifact(artifact, false);
  }

  artifactUpdate(number, { artifact, append, lastChunk }) {
    this.time();
    const view = this.artifact(artifact, append);
    view.chunks = append ? view.chunks + 1 : 1;
    view.section.dataset.open = append && !lastChunk;
    const name = artifact.name || view.name || 'artifact';
    view.name = name;
    if (append && this.eventsView.lastElementChild === view.row) {
      view.row.querySelector('.number').textContent = `${view.from}–${number}`;
      view.row.querySelector('.elapsed').textContent = this.live ? duration(this.elapsed) : '';
    } else {
      view.from = number;
      view.row = this.row(number, 'artifact', 'artifact', this.live);
      view.row.querySelector('.parts').append(element('p'));
    }
    view.row.querySelector('.parts p').textContent = view.chunks > 1 ? `${name}, ${view.chunks} chunks` : name;
  }

  // artifact shows an artifact, or appends a chunk to it.
  artifact({ artifactId, name, description, parts }, append) {
    let view = this.shown.get(artifactId);
    if (!view) {
      view = { section: clone('artifact-template'), chunks: 0 };
      this.shown.set(artifactId, view);
      this.artifactsView.append(view.section);
    }
    const inner = (selector) => view.section.querySelector(selector);
    if (name || !append) inner('.name').textContent = name || 'Artifact';
    if (description) inner('.about').textContent = description;
    inner('.about').hidden = !inner('.about').textContent;
    if (!append) inner('.parts').replaceChildren();
    showParts(inner('.parts'), parts, true);
    return view;
  }

  // time notes when an event happened. One that does not say so happened as it arrived, if it was not replayed.
  time(timestamp) {
    if (timestamp) {
      const at = Date.parse(timestamp);
      if (!this.begun) {
        this.begun = at;
        this.ahead = this.live ? Date.now() - at : 0;
      }
      this.elapsed = Math.max(this.elapsed, at - this.begun);
    } else if (this.live) {
      this.elapsed = Math.max(this.elapsed, this.now());
    }
  }

  now() {
    return Date.now() - this.ahead - this.begun;
  }

  row(number, label, state, timed = true) {
    const row = clone('event-template');
    row.dataset.state = stateName(state).replace(' ', '-');
    row.querySelector('.number').textContent = number;
    row.querySelector('.label').textContent = label;
    row.querySelector('.elapsed').textContent = timed ? duration(this.elapsed) : '';
    limited(this.eventsView, row, mostRows);
    return row;
  }

  // mark notes in the timeline what became of the connection.
  mark(text) {
    limited(this.eventsView, element('li', text, 'mark'), mostRows);
  }

  frame(direction, text) {
    limited(this.framesView, element('pre', text, direction), mostFrames);
  }

  fail(error) {
    this.alertView.textContent = error.code ? `${error.message} (${error.code})` : error.message;
    this.alertView.hidden = false;
    if (!this.state) showState(this.stateView, 'refused');
    this.refresh();
    const message = this.pending;
    this.pending = undefined;
    this.refused(error, message);
  }

  // refresh shows what can be done, and what is known of the whole.
  refresh() {
    const over = ended.has(this.state);
    if (this.state) showState(this.stateView, this.state);
    this.idView.textContent = this.id;
    this.idView.title = this.id;
    this.view.ariaBusy = String(this.streaming && !over && !this.waits);
    this.linkView.textContent = this.streaming ? 'Drop the connection' : this.last ? `Resume after event ${this.last}` : 'Send again';
    show(this.linkView, (this.streaming && !over) || this.dropped);
    show(this.cancelView, Boolean(this.id) && !over);
    if (over || this.waits) {
      const faults = [this.missing && `${this.missing} missing`, this.twice && `${this.twice} twice`].filter(Boolean).join(', ');
      this.orderView.textContent = `Events ${this.first} to ${this.last}, in order: ${faults || 'none missing, none twice'}.`;
    } else {
      this.orderView.textContent = '';
    }
    this.tick();
  }

  // tick keeps the clock running while the agent works.
  tick() {
    const runs = this.streaming && this.begun && !ended.has(this.state) && !this.waits;
    this.clockView.textContent = this.begun ? duration(runs ? Math.max(this.now(), this.elapsed) : this.elapsed) : '';
    if (runs) this.ticking ??= setInterval(() => this.tick(), 100);
    else this.ticking = clearInterval(this.ticking);
  }
}

// limited appends to a list, which loses its first when it is too long.
function limited(list, child, most) {
  list.append(child);
  if (list.childElementCount > most) list.firstElementChild.remove();
}

// show shows or hides a button. The focus of one that goes away goes to the message box.
function show(button, visible) {
  if (!visible && document.activeElement === button) $('message').focus();
  button.hidden = !visible;
}
