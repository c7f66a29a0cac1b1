// What messages and artifacts are made of. All of it came from somebody: it is shown as text, never as HTML.

const $ = (id) => document.getElementById(id);

function clone(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

function element(name, text = '', className = '') {
  const e = document.createElement(name);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}

// showParts appends the parts of a message or an artifact. Text that follows text continues it, as the chunks of a stream do,
// if joined is set.
function showParts(container, parts, joined = false) {
  for (const part of parts ?? []) {
    const last = container.lastElementChild;
    if (joined && part.text !== undefined && last?.className === 'text') {
      last.firstChild.appendData(part.text);
    } else {
      container.append(shown(part));
    }
  }
}

function shown(part) {
  if (part.text !== undefined) {
    const p = element('p', '', 'text');
    p.dir = 'auto';
    p.append(document.createTextNode(part.text));
    return p;
  }
  if (part.data !== undefined) {
    const pre = element('pre', JSON.stringify(part.data, null, 2), 'data');
    pre.tabIndex = 0; // so that a keyboard can scroll it
    return pre;
  }
  if (part.raw !== undefined) return download(part);
  return link(part);
}

const blobs = []; // addresses of files, which live until they are revoked

// download offers a file. Whatever it says it is, a browser that opens it instead shows it as no page of this origin.
function download({ raw, filename = 'file', mediaType }) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(raw), (c) => c.charCodeAt(0));
  } catch {
    return element('p', `${filename} cannot be read.`, 'text');
  }
  const a = element('a', filename, 'file');
  a.href = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  a.download = filename;
  blobs.push(a.href);
  a.append(element('span', [mediaType, size(bytes.length)].filter(Boolean).join(', '), 'soft'));
  return a;
}

function forgetFiles() {
  blobs.splice(0).forEach((url) => URL.revokeObjectURL(url));
}

// link is a file elsewhere, which nobody asks for before it is clicked.
function link({ url, filename, mediaType }) {
  if (!/^https?:\/\//i.test(url ?? '') || !URL.canParse(url)) return element('p', url || 'A part of an unknown kind.', 'text');
  const a = element('a', filename || url, 'file');
  a.href = url;
  a.target = '_blank';
  a.rel = 'noopener noreferrer';
  a.append(element('span', [mediaType, new URL(url).host].filter(Boolean).join(', '), 'soft'));
  return a;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// words returns the text of a message, in one line.
function words(message) {
  return (message?.parts ?? []).map((part) => part.text ?? part.filename ?? '').join(' ').replace(/\s+/g, ' ').trim();
}

// duration says how long so many milliseconds are.
function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
}

// stateName returns how people call a state: TASK_STATE_INPUT_REQUIRED is input required.
function stateName(state) {
  return (state ?? '').replace('TASK_STATE_', '').replaceAll('_', ' ').toLowerCase();
}

function showState(e, state) {
  e.textContent = stateName(state);
  e.dataset.state = stateName(state).replace(' ', '-');
}

const ended = new Set(['COMPLETED', 'FAILED', 'CANCELED', 'REJECTED'].map((s) => `TASK_STATE_${s}`));
const waiting = new Set(['INPUT_REQUIRED', 'AUTH_REQUIRED'].map((s) => `TASK_STATE_${s}`));
