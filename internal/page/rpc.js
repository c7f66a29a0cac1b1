// A2A 1.0 over JSON-RPC: calls, and streams of Server-Sent Events.

let token = ''; // of the caller, in memory only
let calls = 0;

// Refusal is an answer that says no: sending the same again changes nothing.
class Refusal extends Error {
  constructor(message, { status, code } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Lost says that there was no answer, or only a part of it: another try may have one.
class Lost extends Error {}

const lost = (error) => {
  throw new Lost(error.message);
};

// post sends a request. last is the number of the last event that was seen, for a stream that resumes.
async function post(method, params, { signal, last } = {}) {
  const headers = { 'Content-Type': 'application/json', 'A2A-Version': '1.0' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (last) headers['Last-Event-ID'] = String(last);
  const body = JSON.stringify({ jsonrpc: '2.0', id: ++calls, method, params });
  const response = await fetch('./', { method: 'POST', headers, body, signal, redirect: 'error' }).catch(lost);
  // Who is overloaded or away may be back in a moment.
  if (response.status === 429 || response.status >= 500) throw new Lost(`the server answered with ${response.status}`);
  return response;
}

// result returns what a response says, be it a whole response or a frame of a stream.
function result(message, status) {
  if (message?.error) throw new Refusal(message.error.message, { status, code: message.error.code });
  if (message?.result === undefined) throw new Refusal(message?.message ?? message?.Message ?? `the server answered with ${status}`, { status });
  return message.result;
}

async function answer(response) {
  let message;
  try {
    message = await response.json();
  } catch {
    // result says what there is to say.
  }
  return result(message, response.status);
}

async function call(method, params) {
  return answer(await post(method, params));
}

// stream yields the frames of a stream: their text, and, if they are events, their number and result.
async function* stream(method, params, options) {
  const response = await post(method, params, options);
  if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
    await answer(response);
    throw new Refusal('the server answered without a stream');
  }
  for await (const { text, id, data } of frames(response.body)) {
    yield { text };
    if (data) yield { number: Number(id), result: result(JSON.parse(data), response.status) };
  }
}

// frames parses Server-Sent Events: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
// A frame that the end of the stream cuts short is none.
async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let id = '';
  let text = [];
  let data = [];
  for (;;) {
    const { value, done } = await reader.read().catch(lost);
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/); // a \r at the end may be half of a \r\n
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (text.length) yield { text: text.join('\n'), id, data: data.join('\n') };
        [text, data] = [[], []];
        continue;
      }
      if (line.startsWith(':') && !text.length) { // a comment, such as a keep-alive: it is of no event
        yield { text: line };
        continue;
      }
      text.push(line);
      const [, name, field] = line.match(/^([^:]*):? ?(.*)$/s);
      if (name === 'id') id = field;
      if (name === 'data') data.push(field);
    }
  }
}

// newID returns an id that nobody else has. (randomUUID is for pages that came by https or from this machine.)
function newID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
