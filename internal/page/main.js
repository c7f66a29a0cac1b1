// The box that messages are written in, and the beginning of it all.

// refreshComposer says where a message will go.
function refreshComposer() {
  const last = conversation.tasks.at(-1);
  const waits = Boolean(last?.waits);
  $('fresh').hidden = !last;
  $('message-label').textContent = waits ? words.answer : words.message;
  if (waits && $('composer').dataset.waits !== 'true' && document.visibilityState === 'visible') $('message').focus();
  $('composer').dataset.waits = waits;
  $('message').required = !attached.length;
}

// propose puts an example into the box. What somebody has written there stays.
let proposed = '';

function propose(example) {
  const box = $('message');
  if (box.value.trim() && box.value !== proposed) example = `${box.value.trimEnd()}\n${example}`;
  else proposed = example;
  box.value = example;
  box.focus();
}

// fillBox gives a message back to be changed, if nothing else is being written.
function fillBox({ parts }) {
  if ($('message').value.trim() || attached.length) return false;
  $('message').value = parts.map((part) => part.text ?? '').join('');
  attached = parts.filter((part) => part.raw !== undefined).map((part) => ({ name: part.filename, type: part.mediaType, bytes: bytesOf(part.raw) }));
  showAttached();
  $('message').focus();
  return true;
}

$('composer').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('message').value;
  const length = new Blob([text]).size;
  if (length > mostBody - 1.34 * (mostFiles - room())) {
    complain(words.tooLong(size(length), size(mostBody)));
    return;
  }
  $('message').value = '';
  complain('');
  const parts = [...(text ? [{ text }] : []), ...(attached.length ? await fileParts() : [])];
  sendMessage({ messageId: newID(), role: 'ROLE_USER', parts });
});

$('message').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('composer').requestSubmit();
});

$('access').addEventListener('submit', async (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  showRecent();
  try {
    if ((await card)?.capabilities?.extendedAgentCard) {
      const away = ({ message }) => trouble('card', message);
      const extended = await read('card', (signal) => call('GetExtendedAgentCard', {}, signal), away);
      if (!extended) return;
      showCard(extended);
    }
    trouble('card', '');
  } catch (error) {
    trouble('card', error.message);
    return;
  }
  const refused = conversation.tasks.at(-1);
  if (addressed().context && !refused?.context) openAddressed();
  const again = refused?.view.element.querySelector('.again:not([hidden])');
  (again ?? $('message')).focus();
});

const cardAway = ({ message }) => {
  $('description').textContent = message;
};
const card = insist(loadCard, { away: cardAway }).then((card) => {
  showCard(card);
  if ($('access').hidden) {
    if (!conversation.tasks.length) openAddressed(); // nobody has begun one before the card came
    showRecent();
  } else {
    $('recent-note').textContent = words.tokenFirst;
  }
  return card;
}).catch(cardAway);
// The link to the box would take the place of the conversation in the URL.
$('skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('message').focus();
});
// On a narrow page the conversation comes first.
const wide = matchMedia('(width >= 58rem)');
const unfold = () => ['about', 'conversations'].forEach((fold) => ($(fold).open = wide.matches));
wide.addEventListener('change', unfold);
unfold();
if (matchMedia('(hover: hover)').matches) $('message').focus();
