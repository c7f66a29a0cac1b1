// Markdown, shown as elements. markdown-it reads it; the elements are made here, one by one, and no text ever becomes HTML. What would be
// HTML is text, a link leads to http or https, and an image is a link: nothing is asked for before it is clicked.

const markdown = (() => {
  const md = globalThis.markdownit({ html: false, linkify: true, breaks: true });
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
  for (const scheme of ['ftp:', 'mailto:', '//']) md.linkify.add(scheme, null);
  md.validateLink = (url) => /^https?:\/\//i.test(url) && URL.canParse(url);
  md.normalizeLinkText = (text) => text; // as it is written: no other letters
  md.disable('lheading'); // a line of dashes is a rule, and makes no heading of the line above it, which is on the page already
  md.disable('entity'); // what is written as &lt; is read as &lt;
  md.core.ruler.after('block', 'mend', ({ src, tokens, env }) => {
    const at = env.open ? tokens.findLastIndex((token) => token.type === 'inline' && token.content) : -1;
    if (at < 0) return;
    const inline = tokens[at];
    // A cell has no lines of its own, but its row has. One with a bar behind it is all there.
    const { map } = tokens.slice(0, at + 1).findLast((token) => token.map);
    if (env.lines <= map[1] && (inline.map || !/\|\s*$/.test(src))) inline.content = mended(inline.content);
  });
  return md;
})();

const mostText = 4096; // characters that are read at once, if that is a block
const atOnce = 8; // ms that are drawn in before the browser may do something else

// Prose is a text that is Markdown, and may be growing.
class Prose {
  constructor() {
    this.view = element('div', '', 'prose');
    this.tail = ''; // what may still change its looks: the last block
    this.env = {}; // definitions of links, which hold for all that follows
    this.drawn = undefined; // what of the tail is on the page
    this.last = undefined; // and as which elements: the last block's
    this.due = 0; // when it is drawn again, because drawing it takes long
    this.most = mostText;
  }

  add(text) {
    this.tail = (this.tail + text).replace(/\r(\n|(?=[^]))/g, '\n');
  }

  // draw shows the text. open says that there is more to come. Of much text, it shows a part, and returns whether it has left some for
  // later.
  draw(open) {
    const begin = performance.now();
    if (open && begin < this.due) return true;
    let more;
    do {
      more = this.drawPart(open);
    } while (more && performance.now() - begin < atOnce);
    this.due = performance.now() + 4 * (performance.now() - begin);
    return more;
  }

  drawPart(open) {
    const part = this.tail.length > this.most;
    // A part is a text that is not all there yet.
    const unfinished = open || part;
    const there = part ? this.tail.slice(0, this.tail.lastIndexOf('\n', this.most) + 1 || this.most) : this.tail;
    const text = unfinished ? there.slice(0, settled(there)) : there;
    const key = `${unfinished}${text.length}`;
    if (key === this.drawn && !part) return false;
    this.drawn = key;
    this.env.open = unfinished;
    this.env.lines = unfinished ? text.trimEnd().split('\n').length : 0;
    const blocks = topBlocks(markdown.parse(text, this.env));
    // The last block stays, even if there should be no more to come: who says so may go on all the same.
    for (const block of blocks.slice(0, -1)) {
      this.put(block);
      this.last = undefined;
    }
    if (blocks.length > 1) {
      const from = lineStart(text, blocks.at(-1)[0].map[0]);
      this.tail = this.tail.slice(from);
      this.drawn = `${unfinished}${text.length - from}`;
    }
    if (blocks.length) this.last = this.put(blocks.at(-1));
    this.most = part && blocks.length < 2 ? 2 * this.most : mostText;
    return part;
  }

  // put shows a block in place of the last one, as it was when less of it had come.
  put(tokens) {
    const block = built(tokens);
    if (this.last) return morphed(this.last, block);
    this.view.append(block);
    return block;
  }
}

// topBlocks parts tokens at the ends of the outermost blocks.
function topBlocks(tokens) {
  const blocks = [];
  let depth = 0;
  for (const token of tokens) {
    if (depth === 0) blocks.push([]);
    blocks.at(-1).push(token);
    depth += token.nesting;
  }
  return blocks;
}

function lineStart(text, line) {
  let at = 0;
  for (; line > 0; line--) at = text.indexOf('\n', at) + 1;
  return at;
}

// built returns the element of a block.
function built(tokens) {
  const root = document.createDocumentFragment();
  fill(root, tokens);
  return root.firstChild;
}

function fill(root, tokens) {
  const within = [root]; // the elements that are open
  for (const token of tokens) {
    const parent = within.at(-1);
    if (token.hidden) continue; // a paragraph of a list whose items are one line each
    if (token.nesting < 0) within.pop();
    else if (token.nesting > 0) within.push(opened(parent, token));
    else single(parent, token);
  }
}

function opened(parent, token) {
  const name = { link_open: 'a', heading_open: headings[token.tag] }[token.type] ?? token.tag;
  const e = document.createElement(name);
  if (parent.nodeType === Node.DOCUMENT_FRAGMENT_NODE || /^t[dh]$/.test(name)) e.dir = 'auto'; // and of what is in it, too
  switch (token.type) {
    case 'link_open': outward(e, token.attrGet('href')); break;
    case 'heading_open': e.className = `as-${token.tag}`; break;
    case 'ordered_list_open': if (token.attrGet('start')) e.start = token.attrGet('start'); break;
    case 'th_open': e.scope = 'col'; // fallthrough
    case 'td_open': e.style.textAlign = /\w+$/.exec(token.attrGet('style') ?? '')?.[0] ?? ''; break;
    case 'table_open': {
      const wide = scrolling(element('div', '', 'table'), words.table);
      wide.append(e);
      parent.append(wide);
      return e;
    }
  }
  parent.append(e);
  return e;
}

// An answer is below the heading of its artifact.
const headings = { h1: 'h5', h2: 'h5', h3: 'h6', h4: 'h6', h5: 'h6', h6: 'h6' };

function single(parent, token) {
  switch (token.type) {
    case 'inline': fill(parent, token.children); break;
    case 'text': append(parent, token.content); break;
    case 'softbreak': case 'hardbreak': parent.append(document.createElement('br')); break;
    case 'code_inline': parent.append(element('code', token.content)); break;
    case 'fence': case 'code_block': parent.append(code(token.content, token.info?.trim().split(/\s+/)[0])); break;
    case 'hr': parent.append(document.createElement('hr')); break;
    case 'image': {
      const a = outward(element('a', plain(token.content) || words.picture, 'image'), token.attrGet('src'));
      parent.append(a);
      break;
    }
    default: append(parent, token.content);
  }
}

function append(parent, text) {
  if (parent.lastChild?.nodeType === Node.TEXT_NODE) parent.lastChild.appendData(text);
  else if (text) parent.append(document.createTextNode(text));
}

// code shows a piece of code, with a button that copies it.
function code(text, language) {
  const block = element('div', '', 'code');
  const head = element('div', '', 'code-head');
  const copy = element('button', words.copy, 'copy quiet');
  copy.type = 'button';
  head.append(element('span', plain(language || '')), copy);
  const pre = scrolling(element('pre'), words.code);
  pre.dir = 'ltr';
  pre.append(element('code', text.replace(/\n$/, '')));
  block.append(head, pre);
  return block;
}

document.addEventListener('click', async ({ target }) => {
  const button = target.closest?.('.copy');
  if (!button) return;
  await navigator.clipboard.writeText(button.closest('.code').querySelector('pre').textContent);
  button.textContent = words.copied;
  say(words.copied);
  setTimeout(() => (button.textContent = words.copy), 2000);
});

// morphed makes an element like another, and keeps what of it is the same: what is selected stays so, and nothing flickers. It returns
// the element that is on the page then.
function morphed(old, now) {
  if (old.nodeName !== now.nodeName || old.nodeType !== now.nodeType) {
    old.replaceWith(now);
    return now;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (now.data !== old.data) {
      if (now.data.startsWith(old.data)) old.appendData(now.data.slice(old.length));
      else old.data = now.data;
    }
    return old;
  }
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) setAttribute(old, now, name, value);
  const [before, after] = [[...old.childNodes], [...now.childNodes]];
  after.forEach((child, i) => (before[i] ? morphed(before[i], child) : old.append(child)));
  before.slice(after.length).forEach((child) => child.remove());
  return old;
}

// The policy takes no style as an attribute.
function setAttribute(old, now, name, value) {
  if (name === 'style') old.style.textAlign = now.style.textAlign;
  else old.setAttribute(name, value);
}
