// The steps of a durable agent's task: what it does and waits for. They have no contents.

const durable = document.body.hasAttribute('data-steps'); // other agents have none
const mostSteps = 100; // of more, the oldest go
const stepsAgain = { first: 1000, most: 60_000 }; // ms between two questions, twice as many each time if there was nothing new

class Steps {
  constructor(task, element) {
    Object.assign(this, { task, element });
    this.list = element.querySelector('ol');
    this.rows = new Map(); // by name
    this.next = 0; // the place in the journal that is known
    this.wait = stepsAgain.first;
  }

  // look asks what is new, in a moment: something has happened.
  look() {
    if (!durable || !this.task.id) return;
    const over = this.task.over || this.task.waits;
    const phase = `${this.task.last} ${this.task.phase}`;
    if (this.phase === phase && (this.planned || this.over || !this.task.streaming)) return;
    if (over && !this.over) this.next = 0; // what had no outcome has one now
    [this.phase, this.over] = [phase, over];
    this.wait = stepsAgain.first;
    this.plan();
  }

  plan() {
    clearTimeout(this.timer);
    this.planned = true;
    this.timer = setTimeout(() => this.ask(), this.over ? 100 : this.wait);
  }

  async ask() {
    if (this.asking) return this.plan();
    this.asking = true;
    const { phase } = this;
    let news = false;
    try {
      for (let more = true; more; ) {
        const page = await stepsOf(this.task.id, this.next);
        news ||= page.next > this.next;
        more = page.more && page.next > this.next;
        this.next = page.next;
        for (const step of page.steps) this.show(step);
      }
    } catch {
      this.next = 0; // they are not what matters here: there is another question
    }
    this.asking = false;
    this.element.hidden = !this.rows.size;
    this.element.querySelector('.count').textContent = this.rows.size;
    this.planned = false;
    if (this.phase === phase && (this.over || !this.task.streaming || document.visibilityState !== 'visible')) return;
    this.wait = news ? stepsAgain.first : Math.min(2 * this.wait, stepsAgain.most);
    this.plan();
  }

  show({ name, state, attempts, startTime, endTime, waitsUntil, durationMs, byOperator }) {
    let row = this.rows.get(name);
    if (!row) {
      row = clone('step-template');
      row.querySelector('.name').textContent = plain(name);
      this.rows.set(name, row);
      this.list.append(row);
      if (this.rows.size > mostSteps) {
        const [oldest] = this.rows.keys();
        this.rows.get(oldest).remove();
        this.rows.delete(oldest);
      }
    }
    row.dataset.state = stepTones[state] ?? '';
    const remarks = [words.step[state] ?? plain(state)];
    if (waitsUntil) remarks.push(words.until(moment(waitsUntil)));
    if (attempts > 1) remarks.push(words.attempt(attempts));
    if (byOperator) remarks.push(words.byOperator);
    row.querySelector('.label').textContent = remarks.join(', ');
    const ms = durationMs ?? (endTime ? Date.parse(endTime) - Date.parse(startTime) : undefined);
    row.querySelector('.elapsed').textContent = ms === undefined ? '' : duration(ms);
  }
}

// stepTones are the states of tasks that have the same colors.
const stepTones = {
  running: 'working', waiting: 'input-required', done: 'completed', failed: 'failed', interrupted: 'failed', parked: 'failed',
};

// moment is a time for people: without the day if it is today.
function moment(timestamp) {
  const at = new Date(timestamp);
  return at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString() : at.toLocaleString();
}

// stepsOf asks for the steps of a task that have something in its journal after a place: 1,000 entries at most.
async function stepsOf(id, after) {
  const headers = { 'A2A-Version': '1.0' };
  if (token) headers.Authorization = `Bearer ${token}`;
  const signal = AbortSignal.timeout(patience);
  const response = await fetch(`./tasks/${encodeURIComponent(id)}/steps?limit=1000&after=${after}`, { headers, signal, redirect: 'error' });
  if (!response.ok) throw new Lost(words.answeredWith(response.status));
  return response.json();
}
