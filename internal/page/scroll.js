// What comes is kept in sight, unless the reader has scrolled away from it: then it stays where the reader is. Either the conversation
// scrolls or, where the window is narrow, the page.

let following = true;
let scrolled = 0;

const position = () => $('conversation').scrollTop + scrollY;

// below returns how far the conversation goes on below what is seen of it, in pixels.
function below() {
  return $('tasks').getBoundingClientRect().bottom - $('composer').getBoundingClientRect().top;
}

function follow() {
  following = true;
  $('latest').hidden = true;
  keepInSight();
}

function keepInSight() {
  const distance = below() + 16;
  if (!following) $('latest').hidden = distance < 100;
  if (!following || distance <= 0) return;
  $('conversation').scrollBy(0, distance);
  scrollBy(0, distance);
  scrolled = position();
}

// Scrolling on does not mean that the reader has gone away: more may have come since, before the event for it.
addEventListener('scroll', () => {
  const now = position();
  if (below() < 60) following = true;
  else if (now < scrolled) following = false;
  $('latest').hidden = following || below() < 100;
  scrolled = now;
}, { capture: true, passive: true });

$('latest').addEventListener('click', () => {
  follow();
  $('message').focus();
});

afterDraw.push(keepInSight);

// above puts something above what is read, which stays where it is.
function above(put) {
  const height = () => $('tasks').getBoundingClientRect().height;
  const [before, at] = [height(), position()];
  put();
  const moved = height() - before - (position() - at);
  if (following) return keepInSight();
  $('conversation').scrollBy(0, moved);
  scrollBy(0, moved);
}
