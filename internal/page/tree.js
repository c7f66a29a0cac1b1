// Data, as a tree that opens and closes.

const mostItems = 100; // that are shown at once

// tree shows a value: its first level open, the others closed, and made when they are opened.
function tree(value, name) {
  const view = element('div', '', 'data');
  view.append(branch(name || words.data, value, true));
  return view;
}

function branch(name, value, open = false) {
  if (value === null || typeof value !== 'object' || Object.keys(value).length === 0) return leaf(name, value);
  const details = element('details');
  const summary = element('summary');
  const n = Object.keys(value).length;
  summary.append(element('bdi', name, 'key'), element('span', Array.isArray(value) ? words.items(n) : words.keys(n), 'soft'));
  details.append(summary);
  const fill = () => {
    if (details.childElementCount === 1) details.append(branches(value));
  };
  details.addEventListener('toggle', fill);
  if (open) {
    fill();
    details.open = true;
  }
  return details;
}

// branches lists what is in a value. Of a long one, the rest is a button away.
function branches(value, list = element('ul'), from = 0) {
  const entries = Object.entries(value);
  for (const [key, child] of entries.slice(from, from + mostItems)) {
    const item = element('li');
    item.append(branch(plain(key), child));
    list.append(item);
  }
  if (from + mostItems < entries.length) {
    const item = element('li');
    const more = element('button', words.more(entries.length - from - mostItems), 'quiet');
    more.type = 'button';
    more.addEventListener('click', () => {
      item.remove();
      branches(value, list, from + mostItems);
      list.children[from + mostItems].querySelector('summary, button')?.focus();
    });
    item.append(more);
    list.append(item);
  }
  return list;
}

function leaf(name, value) {
  const p = element('p', '', 'leaf');
  const text = element('bdi', typeof value === 'string' ? value : JSON.stringify(value), `value is-${value === null ? 'null' : typeof value}`);
  p.append(element('bdi', name, 'key'), text);
  return p;
}
