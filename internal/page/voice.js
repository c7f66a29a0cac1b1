// What a screen reader is told: states, and the answer by sentences, not by the pieces that it comes in.

const sentences = globalThis.Intl?.Segmenter && new Intl.Segmenter(undefined, { granularity: 'sentence' });
const mostSaid = 30; // sentences that stay

// say has a screen reader tell something, when it has told what it was telling.
function say(text) {
  if (!text.trim()) return;
  $('said').append(element('p', text.trim()));
  while ($('said').childElementCount > mostSaid) $('said').firstElementChild.remove();
}

// Voice tells of a growing answer.
class Voice {
  // Of an answer that is there before somebody listens, what is there is not told.
  constructor(prose) {
    this.block = prose?.lastElementChild ?? undefined; // the one that is being told
    this.told = this.block?.textContent.length ?? 0; // characters of it
  }

  // tell tells the sentences of the blocks that are whole by now. open says that there is more to come.
  tell(prose, open) {
    let block = this.block ?? prose.firstElementChild;
    while (block) {
      const next = block.nextElementSibling;
      this.tellBlock(block, open && !next);
      if (!next) break;
      [this.block, this.told, block] = [next, 0, next];
    }
    this.block = block ?? undefined;
  }

  tellBlock(block, open) {
    if (block.matches('.code, .table')) { // which nobody wants to hear a line at a time
      if (open || this.told) return;
      this.told = 1;
      say(block.matches('.code') ? words.said.code(block.querySelector('pre').textContent.split('\n').length)
        : words.said.table(block.querySelectorAll('tbody tr').length));
      return;
    }
    const text = block.textContent;
    let rest = text.slice(this.told);
    if (open) {
      const parts = sentences ? [...sentences.segment(rest)].map(({ segment }) => segment) : rest.split(/(?<=[.!?…]\s)/);
      rest = parts.slice(0, -1).join('');
    }
    this.told += rest.length;
    say(rest);
  }
}
