// A task: what is known of it, and the stream that it comes by. What it looks like is in view.js.

const slice = 12; // ms that events are taken for before the browser may do something else

class Task {
  // changed is called when the task begins, waits, goes on or ends, and refused with an answer that says no.
  constructor({ changed, refused }) {
    Object.assign(this, { changed, refused });
    this.id = '';
    this.context = '';
    this.state = '';
    this.link = ''; // what is wrong with the connection: dropped, lost, offline, or nothing
    this.first = 0; // number of the first event
    this.last = 0; // and of the last, so far
    this.missing = 0;
    this.twice = 0;
    this.begun = 0; // when the first event happened, by the server's clock
    this.ahead = 0; // this clock's lead over the server's
    this.elapsed = 0; // until the last event, in ms
    this.time = Infinity; // of its newest state, as a list says it
    this.view = new TaskView(this);
  }

  get over() {
    return ended.has(this.state);
  }

  // waits tells whether the next message is for this task.
  get waits() {
    return waiting.has(this.state) && !this.pending;
  }

  // phase is what a reader sees of the state: artifacts come only from an agent that works.
  get phase() {
    if (this.failed && !this.state) return 'refused';
    if (this.pending && waiting.has(this.state)) return '';
    return this.state === 'submitted' && this.view.artifacts.size ? 'working' : this.state;
  }

  // send sends a message: the task's first, or the one that it waits for, or, again, one that was refused.
  send(message) {
    this.pending = message;
    this.failed = false;
    this.live = true;
    this.view.said(message, 'sending');
    this.changed();
    this.connect();
  }

  // asksApproval tells whether what the task waits for is a yes or a no to calls of tools: docs/model.md has the data.
  get asksApproval() {
    return Boolean(this.asked?.some((part) => part.data?.approval));
  }

  // decide answers what the task waits for with a yes or a no. It names the calls that are on the page: the task may ask for others by
  // now, if somebody else has answered.
  decide(yes) {
    const calls = this.asked.flatMap((part) => part.data?.approval?.calls ?? []);
    const approved = calls.length ? Object.fromEntries(calls.map(({ id }) => [id, yes])) : yes;
    const parts = [{ text: yes ? words.yes : words.no }, { data: { approved } }];
    this.send({ messageId: newID(), role: 'ROLE_USER', parts, taskId: this.id });
  }

  // open shows a task from its first event on, all of which are in its log, and follows it.
  open(id) {
    this.id = id;
    this.replaying = true;
    this.connect();
  }

  // show shows a task as it is, without its events.
  show(task) {
    [this.id, this.context] = [task.id, task.contextId];
    this.snapshot(task);
    this.state = stateName(task.status.state);
    this.view.refresh();
  }

  // replay shows the events of a task that was shown without.
  replay() {
    this.view.clear();
    this.replaying = true;
    [this.first, this.last, this.begun, this.elapsed] = [0, 0, 0, 0];
    this.connect();
  }

  drop() {
    this.abort.abort();
    this.streaming = false;
    this.live = false;
    this.link = 'dropped';
    this.view.mark(words.dropped(this.last));
    this.view.refresh();
  }

  resume() {
    if (!this.streaming) this.view.mark(this.pending ? words.again : words.resuming(this.last));
    this.connect();
  }

  // rest lets the stream go while nobody looks: a browser has six for all tabs, where it speaks HTTP/1.1. A message that the server may
  // not have yet is sent first.
  rest() {
    if (!this.streaming || this.pending) return;
    this.abort.abort();
    this.streaming = false;
    this.resting = true;
    this.live = false;
  }

  // wake looks what became of the task: somebody looks again, or the network is back.
  wake() {
    if (!this.id && !this.pending) return;
    if (this.over || this.failed || this.link === 'dropped') return;
    this.resting = false;
    this.connect();
  }

  // leave ends the connection, because nobody looks any more.
  leave() {
    this.abort?.abort();
    this.streaming = false;
    this.left = true;
    this.view.refresh();
  }

  async cancel() {
    if (this.canceling) return;
    this.canceling = true;
    this.toCancel = true;
    this.view.alert('');
    this.view.refresh();
    // A task that cannot be canceled has ended: perhaps by an earlier try whose answer was lost. Its stream tells.
    const failure = await insist(() => this.askCancel(), { most: 5 }).catch((error) => error.code !== taskNotCancelable && error);
    if (failure && !this.over) this.view.alert(failure.message);
    else if (!this.streaming && !this.over && !this.left) this.connect();
    this.canceling = false;
    this.view.refresh();
  }

  // askCancel asks once more to cancel the task, if it has not ended.
  async askCancel() {
    if (this.over) return;
    this.view.frame('sent', `CancelTask ${JSON.stringify({ id: this.id })}`);
    await call('CancelTask', { id: this.id });
  }

  // connect reads the stream until the task has ended or waits, and takes it up again where it is cut, for as long as the page is open.
  async connect() {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.streaming = true;
    this.link = '';
    this.view.alert('');
    for (let tries = 0; ; ) {
      const before = this.last;
      let error;
      this.retry = 0;
      this.view.refresh();
      try {
        await this.read(abort.signal, tries);
      } catch (e) {
        error = e;
      }
      if (abort.signal.aborted) return;
      if (error && !(error instanceof Lost)) {
        if (await this.atEnd(error, abort.signal)) return;
        this.streaming = false;
        this.fail(error);
        if (error instanceof Refusal) return;
        throw error; // it is this page's fault
      }
      if (this.over || (this.waits && !error)) break;
      if (document.visibilityState !== 'visible' && !this.pending) return this.rest();
      this.live = false;
      tries = this.last > before ? 1 : tries + 1;
      this.link = navigator.onLine ? 'lost' : 'offline';
      if (tries === 1 && !this.toCancel) this.view.mark((error?.silent ? words.silent : words.cut)(this.last));
      this.view.refresh();
      await pause(Math.max(delay(tries), error?.after ?? this.retry), abort.signal);
      if (abort.signal.aborted) return;
    }
    this.streaming = false;
    this.link = '';
    this.view.refresh();
  }

  // read takes what the stream brings. Of much that comes at once, it takes a part at a time.
  async read(signal, tries) {
    let until = performance.now() + slice;
    const begun = performance.now();
    let asked = Infinity; // when the next piece was asked for
    for await (const frames of this.stream({ signal, tries })) {
      // It came when it happened, and not with all that was before.
      if (performance.now() - asked > 100 || performance.now() - begun > 2000) [this.live, this.replaying] = [true, false];
      for (const frame of frames) {
        if (signal.aborted) return;
        this.take(frame);
        if (performance.now() < until) continue;
        await breathe();
        until = performance.now() + slice;
      }
      if (document.visibilityState !== 'visible') this.rest();
      asked = performance.now();
    }
  }

  // stream asks for the stream: by the message, until it is known to have arrived, and then by the task's id.
  stream(options) {
    if (this.pending) {
      const params = { message: this.pending };
      this.view.frame('sent', `SendStreamingMessage ${JSON.stringify(params)}`);
      return stream('SendStreamingMessage', params, { ...options, last: this.last }); // from there, if it has arrived before
    }
    const last = Math.max(this.last, 1);
    this.view.frame('sent', `SubscribeToTask ${JSON.stringify({ id: this.id })}\nLast-Event-ID: ${last}`);
    return stream('SubscribeToTask', { id: this.id }, { ...options, last });
  }

  // atEnd shows a task as it is whose log has nothing more to tell, and reports whether it is one, or nobody waits for it any more.
  async atEnd(error, signal) {
    if (this.pending || !(error instanceof Refusal) || error.code !== unsupportedOperation) return false;
    const away = () => {
      this.link = navigator.onLine ? 'lost' : 'offline';
      this.view.refresh();
    };
    const task = await insist((signal) => call('GetTask', { id: this.id }, signal), { signal, away }).catch(() => undefined);
    if (signal.aborted) return true;
    this.link = '';
    if (!ended.has(stateName(task?.status?.state))) return false;
    this.streaming = false;
    this.view.clear();
    this.show(task);
    this.changed();
    return true;
  }

  take({ text, number, data, retry }) {
    this.view.frame('received', text);
    this.retry = retry || this.retry;
    if (data === undefined) return;
    const event = result(JSON.parse(data));
    if (this.pending) {
      this.view.said(this.pending, 'received');
      this.pending = undefined;
      queueMicrotask(this.changed);
    }
    this.link = '';
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
    const known = this.last;
    this.last = number;
    const before = this.phase;
    if (event.artifactUpdate) {
      this.clock();
      this.view.chunk(number, update);
    } else {
      this.clock(update.status.timestamp);
      if (event.task) this.snapshot(update, { number, known });
      this.status(number, update.status);
    }
    this.view.refresh();
    if (this.phase !== before) this.changed();
  }

  status(number, { state, message }) {
    this.state = stateName(state);
    this.asked = message?.parts;
    const user = message?.role === 'ROLE_USER'; // a message of the user comes as the status with which the task takes it up
    if (user) this.view.said(message, 'received');
    else if (!this.replaying) say(firstWords(message));
    this.view.row({ number, state: this.state, parts: user ? [] : message?.parts, timed: true });
    if (this.state === 'canceled' && this.toCancel) this.view.mark(words.canceledByYou);
  }

  // snapshot shows what a task is made of: what was said, of an event before its status, and the artifacts. Of what the agent said, that
  // up to a known event is on the page.
  snapshot(task, { number = 0, known = 0 } = {}) {
    const history = [...(task.history ?? [])];
    if (!number && task.status.message) history.push(task.status.message);
    for (const message of history) {
      if (message.role === 'ROLE_USER') this.view.said(message, 'received');
      else if (!known) this.view.row({ state: 'working', parts: message.parts });
    }
    this.view.snapshot(task.artifacts ?? []);
  }

  // clock notes when an event happened. One that does not say so happened as it arrived, if it was not replayed.
  clock(timestamp) {
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

  fail(error) {
    this.failed = true;
    this.view.alert(error.code ? words.withCode(error.message, error.code) : error.message);
    const message = this.pending;
    if (message) this.view.said(message, 'failed');
    this.pending = undefined;
    this.view.refresh();
    this.refused(error, message, this);
  }
}

const [taskNotCancelable, unsupportedOperation] = [-32002, -32004]; // A2A 1.0, section 5.4
