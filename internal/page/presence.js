// Whether there is somebody who looks, a network, and a processor to spare.

// pause waits so many milliseconds, or until the network or the reader is back. Without a network it waits for it, but not for ever: a
// browser may be wrong about that.
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, navigator.onLine ? ms : Math.max(ms, 15_000));
    const back = () => document.visibilityState === 'visible' && done();
    function done() {
      clearTimeout(timer);
      removeEventListener('online', done);
      document.removeEventListener('visibilitychange', back);
      signal.removeEventListener('abort', done);
      resolve();
    }
    addEventListener('online', done);
    document.addEventListener('visibilitychange', back);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

// delay is how long to wait before the nth try in a row, in milliseconds: some longer each time, but never longer than 15 s.
function delay(n) {
  return Math.min(15_000, 250 * 2 ** n) * (0.75 + Math.random() / 2);
}

// breathe lets the browser draw, and the reader scroll and type.
const breathe = globalThis.scheduler?.yield
  ? () => scheduler.yield()
  : () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage('');
  });

// Views are drawn once before each frame of the screen, however much has come for them.
const dirty = new Set();
let drawing = false;

const afterDraw = []; // functions

// redraw has a view drawn with the next frame. Its draw method returns whether there is more to draw.
function redraw(view) {
  dirty.add(view);
  if (drawing) return;
  drawing = true;
  if (document.visibilityState === 'visible') requestAnimationFrame(draw);
  else setTimeout(draw, 250); // a hidden page has no frames
}

function draw() {
  drawing = false;
  const views = [...dirty];
  dirty.clear();
  const more = views.filter((view) => view.draw());
  for (const f of afterDraw) f();
  more.forEach(redraw);
}

// A hidden page that was waiting for a frame gets none until it is shown.
document.addEventListener('visibilitychange', () => {
  if (drawing && document.visibilityState !== 'visible') setTimeout(() => drawing && draw(), 250);
});
