package tasklog

import (
	"context"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// maxTapBytes is how much a tap holds for a slow reader. A reader that is further behind reads the log instead.
const maxTapBytes = 4 << 20

// Tap is a live view of a log: the events, in order, from the moment they are in the log. However slow its reader, whoever
// publishes never waits for it.
type Tap struct {
	log Reader
	id  a2a.TaskID

	ready chan struct{} // holds one token when there is something to take

	mu     sync.Mutex
	taken  int64   // number of the last event given to the reader
	last   int64   // number of the last event in the log
	queue  []Event // taken+1 … last, or empty if behind
	size   int     // bytes in queue
	behind bool    // the queue was given up: read the log up to last
	ended  bool
}

// NewTap returns a tap that shows the events after number after.
func NewTap(log Reader, id a2a.TaskID, after int64) *Tap {
	return &Tap{log: log, id: id, ready: make(chan struct{}, 1), taken: after, last: after}
}

// Ready returns a channel that can be received from when [Tap.Take] has something new.
func (t *Tap) Ready() <-chan struct{} { return t.ready }

// Take returns the events that have come since the last call, which may be none, and whether they are the last: the run that
// appends has ended. An error means that they could not be read from the log; the next call tries again.
func (t *Tap) Take(ctx context.Context) (events []Event, end bool, err error) {
	t.mu.Lock()
	if !t.behind {
		events, t.queue, t.size = t.queue, nil, 0
		t.taken = t.last
		end = t.ended
		t.mu.Unlock()
		return events, end, nil
	}
	after := t.taken
	t.mu.Unlock()

	events, _, err = t.log.Read(ctx, t.id, after, maxBatchEvents)

	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(events); n > 0 {
		t.taken = events[n-1].Seq
		t.last = max(t.last, t.taken) // it may be in the log and not published yet
	}
	t.behind = t.taken < t.last
	t.signal() // there may be more at once
	return events, false, err
}

// Publish shows events that are in the log, the next in order. A nil tap has no reader.
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
	for _, e := range events {
		t.size += len(e.JSON)
	}
	if t.behind || t.size > maxTapBytes && len(t.queue) > 0 {
		t.behind, t.queue, t.size = true, nil, 0
	} else {
		t.queue = append(t.queue, events...)
	}
	t.signal()
}

// Reach tells that the log has events up to number last already. They are read from it.
func (t *Tap) Reach(last int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last > t.last {
		t.last, t.behind = last, true
		t.signal()
	}
}

// End tells the reader that nothing more will come.
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
