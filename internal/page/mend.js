// Markdown that is still being written. What has come may be half of something: `**bol` is about to be bold, `- ` to be a list. Shown as it
// stands, it would change its looks a moment later. So what is open is closed, and what may be anything is held back until more has come.

// settled returns how much of an unfinished text, which begins with a block, can be shown.
function settled(text) {
  const at = text.lastIndexOf('\n') + 1;
  const line = text.slice(at);
  // Only markers, so far: of a list, a heading, a rule, a fence, a quotation, a table.
  if (/^[\s\-*_=+~`#>|:.)\d]*$/.test(line) && line.trim()) return line.includes('|') ? beforeTable(text, at) : at;
  if (/^ {0,3}(`{3,}|~{3,})/.test(line)) return at; // and its language
  return beforeTable(text, text.length);
}

// beforeTable returns where a paragraph begins that may be the head of a table, or else the position.
function beforeTable(text, position) {
  if (/^ {0,3}(```|~~~)/.test(text)) return position; // it is code
  const begin = text.lastIndexOf('\n\n') + 1;
  const lines = text.slice(begin).trimStart().split('\n');
  const second = lines[1] ?? '';
  return lines.length <= 2 && lines[0].includes('|') && /^[\s|:-]*$/.test(second) ? text.slice(0, begin).trimEnd().length : position;
}

// mended returns the text of a paragraph, a heading, a cell, that ends in the middle, with what is open closed.
function mended(text) {
  const open = []; // delimiters, each with its position
  let bracket = -1; // of a link's text that has no end yet
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') {
      i++;
    } else if (c === '`') {
      const run = /^`+/.exec(text.slice(i))[0];
      const end = closing(text, i + run.length, run);
      if (end < 0) return closed(text.length > i + run.length ? `${text}${run}` : text.slice(0, i), open);
      i = end + run.length - 1;
    } else if (c === '[') {
      if (!/\w/.test(text[i - 1] ?? '')) bracket = i;
    } else if (c === ']' && bracket >= 0) {
      const target = text.slice(i + 1);
      if (target === '' || /^\([^()\s]*(\s[^)]*)?$/.test(target)) return unlinked(text, bracket, i, open);
      bracket = -1;
    } else if (c === '*' || c === '_' || (c === '~' && text[i + 1] === '~')) {
      const run = /^(\*+|_+|~+)/.exec(text.slice(i))[0];
      delimiter(text, i, run, open);
      i += run.length - 1;
    }
  }
  if (bracket >= 0) return unlinked(text, bracket, text.length, open);
  return closed(text.replace(/<(https?:?\/?\/?\S*)?$/i, '$1'), open);
}

// closing returns where a code span ends, or -1.
function closing(text, from, run) {
  for (let at = text.indexOf(run, from); at >= 0; ) {
    let end = at;
    while (text[end] === '`') end++;
    if (end - at === run.length) return at;
    at = text.indexOf(run, end);
  }
  return -1;
}

// delimiter opens or closes an emphasis. One in the middle of a word (5*3, snake_case) does neither.
function delimiter(text, at, run, open) {
  const before = text[at - 1] ?? ' ';
  const after = text[at + run.length] ?? ' ';
  const last = open.at(-1);
  if (!/\s/.test(before) && last?.run[0] === run[0]) {
    last.run = last.run.slice(run.length);
    if (!last.run) open.pop();
  } else if (!/[\p{L}\p{N}]/u.test(before) && (!/\s/.test(after) || at + run.length === text.length)) {
    open.push({ run, at });
  }
}

// closed closes what is open, or takes away a delimiter at the end, which has nothing in it yet. A closing delimiter of which a half has
// come is completed.
function closed(text, open) {
  let end = text;
  while (open.length && open.at(-1).at + open.at(-1).run.length >= end.trimEnd().length) end = end.slice(0, open.pop().at);
  const tail = /\s*$/.exec(end)[0];
  return end.slice(0, end.length - tail.length) + open.reverse().map(({ run }) => run).join('') + tail;
}

// unlinked shows the text of a link whose address is not whole yet, and nothing of an image.
function unlinked(text, bracket, end, open) {
  const image = text[bracket - 1] === '!';
  const before = text.slice(0, image ? bracket - 1 : bracket);
  open = open.filter(({ at }) => at < bracket);
  return closed(image ? before : before + text.slice(bracket + 1, end).replace(/[*_~`]+$/, ''), open);
}
