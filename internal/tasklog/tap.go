package tasklog

import (
	"context"
	"io"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// maxTapBytes is how many bytes of events a tap holds for a slow reader. A reader that is further
// behind reads the log instead.
const maxTapBytes = 4 << 20

// Tap is a live view of a log: it shows one reader the events, in order, once they are in the log.
// Publishing never waits for the reader, however slow it is.
type Tap struct {
	ctx context.Context // to read the log with
	log Reader
	id  a2a.TaskID

	ready chan struct{} // holds one token when there is something new to show

	mu     sync.Mutex
	shown  int64   // number of the last event given to the reader
	last   int64   // number of the last event in the log
	queue  []Event // shown+1 … last, or if behind, the first of them, which may be none
	size   int     // bytes in queue
	behind bool    // after the queue, the log is to be read up to last
	ended  bool
}

// NewTap returns a tap that shows the events after number after. If its reader falls far behind, it
// reads them from the log, with ctx.
func NewTap(ctx context.Context, log Reader, id a2a.TaskID, after int64) *Tap {
	return &Tap{ctx: ctx, log: log, id: id, ready: make(chan struct{}, 1), shown: after, last: after}
}

// Next returns the events that have come since the last call, in order: one or more, but no more
// than one read of the log returns. If there are none, it waits until ctx is done, and then returns
// the cause of that; nothing is lost, and the caller can call it again. After the last event it
// returns [io.EOF]. Any other error means that the log could not be read; the next call tries
// again.
func (t *Tap) Next(ctx context.Context) ([]Event, error) {
	for {
		events, err := t.take()
		if len(events) > 0 || err != nil {
			return events, err
		}
		select {
		case <-t.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take returns the events that are there now, if any.
func (t *Tap) take() ([]Event, error) {
	t.mu.Lock()
	if n := len(t.queue); n > 0 || !t.behind {
		defer t.mu.Unlock()
		events := t.queue
		t.queue, t.size = nil, 0
		if n > 0 {
			t.shown = events[n-1].Seq
		} else if t.ended {
			return nil, io.EOF
		}
		return events, nil
	}
	after := t.shown
	t.mu.Unlock()

	events, _, err := t.log.Read(t.ctx, t.id, after, maxBatchEvents)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(events); n > 0 {
		t.shown = events[n-1].Seq
		t.last = max(t.last, t.shown) // it may be in the log and not published yet
	}
	t.behind = t.shown < t.last
	t.signal() // there may be more at once
	return events, nil
}

// Publish shows the next events that are in the log, in order. A nil tap has no reader.
func (t *Tap) Publish(events []Event) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(events) > 0 && events[0].Seq <= t.last {
		events = events[1:] // read from the log already
	}
	if len(events) == 0 {
		return
	}
	t.last = events[len(events)-1].Seq
	size := t.size
	for _, e := range events {
		size += len(e.JSON)
	}
	switch {
	case t.behind: // they are read from the log
	case size > maxTapBytes && len(t.queue) > 0:
		t.behind, t.queue, t.size = true, nil, 0
	default:
		t.queue, t.size = append(t.queue, events...), size
	}
	t.signal()
}

// Reach says that the log already has events up to number last. The tap reads them from it.
func (t *Tap) Reach(last int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last > t.last {
		t.last, t.behind = last, true
		t.signal()
	}
}

// End says that nothing more will come.
func (t *Tap) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.signal()
}

func (t *Tap) signal() {
	select {
	case t.ready <- struct{}{}:
	default:
	}
}
