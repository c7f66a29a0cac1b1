// A2A 1.0 over JSON-RPC: calls, and streams of Server-Sent Events.

let token = ''; // of the caller, in memory only
let calls = 0;

// The server says something every 4 s, if only that it is there. After two and a half times that without a byte the connection is dead.
const silence = 10_000;
const slowest = 50; // bytes that a connection takes in a millisecond, at least

// Calls that are no streams may take as long as a cancellation may.
const patience = 45_000;

// Refusal is an answer that says no: sending the same again changes nothing.
class Refusal extends Error {
  constructor(message, { status, code } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Lost says that there was no answer, or only a part of it: another try may have one, after so many milliseconds.
class Lost extends Error {
  constructor(message, { after = 0, silent = false } = {}) {
    super(message);
    this.after = after;
    this.silent = silent;
  }
}

const lost = () => {
  throw new Lost(words.noAnswer);
};

const internalError = -32603; // https://www.jsonrpc.org/specification#error_object

// post sends a request. last is the number of the last event that was seen, for a stream that resumes.
async function post(method, params, { signal, last } = {}) {
  const headers = { 'Content-Type': 'application/json', 'A2A-Version': '1.0' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (last) headers['Last-Event-ID'] = String(last);
  const body = JSON.stringify({ jsonrpc: '2.0', id: ++calls, method, params });
  const response = await fetch('./', { method: 'POST', headers, body, signal, redirect: 'error' }).catch(lost);
  checkAway(response, words.answeredWith);
  return response;
}

// checkAway throws Lost if a response says that the server is overloaded or away: it may be back in a moment.
function checkAway({ status, headers }, message) {
  if (![408, 425, 429].includes(status) && status < 500) return;
  throw new Lost(message(status), { after: 1000 * Math.min(60, Number(headers.get('Retry-After')) || 0) });
}

// result returns what a response says, be it a whole response or a frame of a stream.
function result(message, status) {
  const { error } = message ?? {};
  if (error?.code === internalError) throw new Lost(error.message);
  if (error) throw new Refusal(error.message, { status, code: error.code });
  if (message?.result === undefined) throw new Refusal(message?.message ?? message?.Message ?? words.answeredWith(status), { status });
  return message.result;
}

async function answer(response) {
  const text = await response.text().catch(lost); // the network may be gone before all of it has come
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    // result says what there is to say.
  }
  return result(message, response.status);
}

async function call(method, params, signal = never) {
  return answer(await post(method, params, { signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]) }));
}

const never = new AbortController().signal;

// insist asks until there is an answer, be it a refusal, and returns it, or undefined if the signal says that nobody waits for it. It is
// for what can be asked for twice without harm. away is told of each answer that was lost. A hidden page does not ask again until it is
// shown, but if there is an end to the tries.
async function insist(ask, { signal = never, away, most = Infinity } = {}) {
  for (let tries = 1; ; tries++) {
    try {
      const got = await ask(signal);
      return signal.aborted ? undefined : got;
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof Lost) || tries >= most) throw error;
      away?.(error);
      do await pause(Math.max(delay(tries), error.after), signal);
      while (most === Infinity && document.visibilityState !== 'visible' && !signal.aborted);
      if (signal.aborted) return undefined;
    }
  }
}

// read insists on an answer until somebody reads the same kind of thing anew, or forgets it.
const readers = new Map(); // by kind: their AbortControllers

function read(kind, ask, away) {
  forget(kind);
  const reader = new AbortController();
  readers.set(kind, reader);
  return insist(ask, { signal: reader.signal, away });
}

function forget(...kinds) {
  for (const kind of kinds) readers.get(kind)?.abort();
}

// stream yields the frames of a stream as they come, those of one read together: their text and, of events, their number and data, which
// result takes, or else after how many milliseconds to connect again. If nothing comes for too long, not even a comment, it ends as Lost. The first byte may take longer with each
// of so many tries before: a connection that a browser had kept may be dead, too, or a server slow.
async function* stream(method, params, { signal, last, tries = 0 }) {
  const dead = new AbortController();
  let timer;
  const watch = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(() => dead.abort(), ms);
  };
  try {
    watch(silence + 5000 * Math.min(tries, 10) + JSON.stringify(params).length / slowest);
    const response = await post(method, params, { signal: AbortSignal.any([signal, dead.signal]), last });
    if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
      if (response.status === 204) return;
      await answer(response);
      throw new Refusal(words.withoutStream);
    }
    watch(silence);
    const parse = frames();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read().catch(lost);
      if (done) return;
      watch(silence);
      yield parse(value);
    }
  } catch (error) {
    if (dead.signal.aborted) throw new Lost(words.noAnswer, { silent: true });
    throw error;
  } finally {
    clearTimeout(timer);
    dead.abort();
  }
}

// frames parses Server-Sent Events: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
// It returns a function that takes the next piece of the stream, and returns the frames that it completes. A comment is a frame of its
// own, with a blank line after it or without, and so is a time after which to connect again. A frame that the end of the stream cuts short
// is none.
function frames() {
  let rest = '';
  let id = '';
  let text = [];
  let data = [];
  return (piece) => {
    const complete = [];
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/); // a \r at the end may be half of a \r\n
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (text.length) complete.push({ text: text.join('\n'), number: Number(id), data: data.length ? data.join('\n') : undefined });
        [text, data] = [[], []];
      } else if (line[0] === ':') {
        complete.push({ text: line });
      } else {
        text.push(line);
        const colon = line.indexOf(':');
        const name = colon < 0 ? line : line.slice(0, colon);
        const field = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
        if (name === 'id') id = field;
        if (name === 'data') data.push(field);
        if (name === 'retry') complete.push({ text: text.pop(), retry: Number(field) });
      }
    }
    return complete;
  };
}

// newID returns an id that nobody else has. (randomUUID is for pages that came by https or from this machine.)
function newID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
