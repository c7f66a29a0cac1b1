// What messages and artifacts are made of. All of it came from somebody: it is shown as text, never as HTML.

function $(id) {
  return document.getElementById(id);
}

function clone(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

function element(name, text = '', className = '') {
  const e = document.createElement(name);
  if (text) e.textContent = text;
  if (className) e.className = className;
  return e;
}

// scrolling makes an element one that a keyboard can scroll.
function scrolling(e, label) {
  e.tabIndex = 0;
  e.role = 'region';
  e.ariaLabel = label;
  return e;
}

// plain returns a name with the characters that turn the direction of a text shown as such: with them, gpj.exe looks like exe.jpg.
// https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
function plain(name) {
  return String(name ?? '').replace(/[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
    (c) => `[U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
}

// Plain is a text that is no Markdown, and may be growing.
class Plain {
  constructor() {
    this.view = element('p', '', 'text');
    this.view.dir = 'auto';
    this.text = '';
  }

  add(text) {
    this.text += text;
  }

  draw() {
    append(this.view, this.text);
    this.text = '';
    return false;
  }
}

// Parts shows the parts of a message or an artifact. Text that follows text continues it, as the chunks of a stream do, if joined is
// set.
class Parts {
  constructor(view, { joined = false, prose = true } = {}) {
    Object.assign(this, { view, joined, prose });
    this.texts = [];
  }

  clear() {
    this.texts = [];
    this.last = undefined;
    this.view.replaceChildren();
  }

  add(parts) {
    for (const part of parts ?? []) {
      if (part.text === undefined) {
        this.view.append(shown(part));
        this.last = undefined;
        continue;
      }
      const kind = this.prose && (!part.mediaType || /^text($|\/markdown)/i.test(part.mediaType)) ? Prose : Plain;
      if (!this.joined || !(this.last instanceof kind)) {
        this.last?.draw(false);
        this.texts.push((this.last = new kind()));
        this.view.append(this.last.view);
      }
      this.last.add(part.text);
    }
  }

  // draw shows what has been added, and returns whether some of it was left for later.
  draw(open = false) {
    return this.texts.map((text) => text.draw(open && text === this.last)).some(Boolean);
  }
}

// showParts shows parts that are whole.
function showParts(view, parts, options) {
  const p = new Parts(view, options);
  p.add(parts);
  while (p.draw());
}

function shown(part) {
  if (part.data !== undefined) return tree(part.data, plain(part.filename));
  return part.raw !== undefined ? file(part) : link(part);
}

const blobs = []; // addresses of files, which live until they are revoked

function forgetFiles() {
  blobs.splice(0).forEach((url) => URL.revokeObjectURL(url));
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
}

function blobURL(bytes, type) {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  blobs.push(url);
  return url;
}

// file shows an image, plays sound and film, and offers any file. Whatever it says it is, a browser that opens it shows it as no page
// of this origin.
function file({ raw, filename, mediaType = '' }) {
  const name = plain(filename || words.file);
  let bytes;
  try {
    bytes = bytesOf(raw);
  } catch {
    return element('p', words.badFile(name), 'text');
  }
  const figure = element('figure', '', 'file');
  const preview = previewed(bytes, mediaType.toLowerCase().split(';')[0].trim(), name);
  if (preview) figure.append(preview);
  const a = element('a', '', 'attachment');
  a.href = blobURL(bytes, 'application/octet-stream');
  a.download = name;
  a.append(named(name), element('span', [mediaType && plain(mediaType), size(bytes.length)].filter(Boolean).join(', '), 'soft'));
  figure.append(a);
  return figure;
}

function named(name) {
  const bdi = element('bdi', name, 'filename');
  bdi.dir = 'auto';
  return bdi;
}

function previewed(bytes, type, name) {
  if (/^image\/(png|jpeg|gif|webp|avif|bmp)$/.test(type)) {
    const image = element('img');
    image.alt = words.image(name);
    image.addEventListener('error', () => image.remove());
    image.src = blobURL(bytes, type);
    return image;
  }
  const [kind] = type.split('/');
  if (kind !== 'audio' && kind !== 'video') return undefined;
  const player = element(kind);
  player.controls = true;
  player.preload = 'metadata';
  player.ariaLabel = name;
  player.src = blobURL(bytes, type);
  return player;
}

// link is a file elsewhere, which nobody asks for before it is clicked.
function link({ url, filename, mediaType }) {
  if (!markdown.validateLink(url ?? '')) return element('p', url ? plain(url) : words.unknownPart, 'text');
  const figure = element('figure', '', 'file');
  const a = outward(element('a', '', 'attachment'), url);
  a.append(named(plain(filename || url)), element('span', [mediaType && plain(mediaType), words.opens(new URL(url).host)].filter(Boolean).join(', '), 'soft'));
  figure.append(a);
  return figure;
}

// outward has a link open apart, without a way back.
function outward(a, url) {
  a.href = url;
  a.title = plain(a.href);
  a.target = '_blank';
  a.rel = 'noopener noreferrer';
  return a;
}

// size says how much so many bytes are.
function size(bytes) {
  if (bytes < 1000) return words.bytes(bytes);
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// firstWords returns the text of a message, in one line, not all of it if it is long.
function firstWords(message) {
  const text = (message?.parts ?? []).map((part) => part.text?.slice(0, 300) ?? part.filename ?? '').join(' ');
  return plain(text.replace(/\s+/g, ' ').trim().slice(0, 300));
}

// duration says how long so many milliseconds are.
function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
}

// stateName returns a short name of a state: TASK_STATE_INPUT_REQUIRED is input-required.
function stateName(state) {
  return (state ?? '').replace('TASK_STATE_', '').replaceAll('_', '-').toLowerCase();
}

const ended = new Set(['completed', 'failed', 'canceled', 'rejected']);
const waiting = new Set(['input-required', 'auth-required']);
