package tasklog

import (
	"bytes"
	"slices"
	"time"
)

// maxRecent is how many bytes of JSON a walk keeps for those who come next: they have loaded the task
// a moment ago, and need what has been said since.
const maxRecent = 8 << 10

// show shows each member the events that it has not seen. If events before them are missing, it
// shows none and reports false.
func (w *walk) show(events []Event) bool {
	state := lastState(events) // before the lock, since it takes time
	w.mu.Lock()
	defer w.mu.Unlock()
	if events[0].Seq > w.seq+1 {
		return false
	}
	all := len(events)
	if events = eventsAfter(events, w.seq); len(events) == 0 {
		return true
	}
	if len(events) < all {
		state = lastState(events)
	}
	w.seq = events[len(events)-1].Seq
	w.keep(events)
	if state != "" {
		w.state = state
	}
	for m := range w.members {
		unseen, now := eventsAfter(events, m.After), state
		if len(unseen) == 0 {
			continue
		}
		if len(unseen) < len(events) {
			now = lastState(unseen)
		}
		m.After, m.Leaving, m.idle = w.seq, false, time.Time{}
		if now != "" {
			m.State = now
		}
		m.Tap.Publish(unseen)
		if m.ends() {
			w.end(m, nil)
		}
	}
	return true
}

// keep keeps the newest events. w.mu is held.
func (w *walk) keep(events []Event) {
	all := slices.Concat(w.recent, events)
	first := len(all)
	for size := 0; first > 0; first-- {
		if size += len(all[first-1].JSON); size > maxRecent {
			break
		}
	}
	w.recent = slices.Clone(all[first:]) // so that the others leave memory
	for i, e := range w.recent {
		if e.Seq >= events[0].Seq { // it may be a part of something large
			w.recent[i].JSON = bytes.Clone(e.JSON)
		}
	}
}

// eventsAfter returns the events after number seq. The events are in order.
func eventsAfter(events []Event, seq int64) []Event {
	return events[min(max(0, seq-events[0].Seq+1), int64(len(events))):]
}
