package tasklog

import (
	"errors"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// minSnapshotBytes is the least length of log that has a snapshot. A log gets the next as soon as
// loading would read twice the bytes of the task, and this much: if all events still count, that is
// never. So the snapshots of a log have at most its own bytes, and loading reads at most twice the
// bytes of the task, and a little.
const minSnapshotBytes = 256 << 10

// keeper keeps the fold of an appender, and saves snapshots of it while appends go on.
type keeper struct {
	fold *Fold // it is the snapshot's while one is being saved
	// saved gets what has become of the snapshot that is being saved. It is nil if none is.
	saved chan attempt
	later []Event // what came meanwhile, and is not in fold

	next int64 // how many bytes loading must read before the next attempt
}

// attempt is what has become of a snapshot.
type attempt struct {
	size int64 // of the task, as JSON; 0 if the store has read no line
	done bool  // it is saved
	soon bool  // it was too soon
}

// add adds events that are in the log.
func (k *keeper) add(events []Event) {
	k.settle(false)
	if k.saved != nil {
		k.later = append(k.later, events...)
		return
	}
	for _, e := range events {
		k.fold.Add(e)
	}
}

// due reports whether it is time for a snapshot, as far as is known without decoding the events.
func (k *keeper) due() bool {
	return k.saved == nil && k.fold.origins.read >= max(k.next, minSnapshotBytes)
}

// errTooSoon ends an attempt when the lines are to be read.
var errTooSoon = errors.New("a snapshot would not be worth its price")

// worth returns how many bytes loading must read for a snapshot of a task of that size.
func worth(size int64) int64 { return 2*size + minSnapshotBytes }

// save begins to save a snapshot. If that fails, Load finds the same task without it.
func (k *keeper) save(put func(seq int64, lines iter.Seq2[[]byte, error]) error) {
	k.saved = make(chan attempt, 1)
	go func(fold *Fold, saved chan<- attempt) {
		var a attempt
		defer func() { saved <- a }()
		a.done = put(fold.Seq(), func(yield func([]byte, error) bool) {
			task, err := fold.Task() // not for a store that takes no line
			if err == nil {
				a.size = SizeOf(task).Bytes
				if a.soon = fold.origins.read < worth(a.size); a.soon {
					err = errTooSoon
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			linesOf(task, fold.origins)(yield)
		}) == nil
	}(k.fold, k.saved)
}

// settle takes the fold back if the attempt is over. With wait, it waits until it is.
func (k *keeper) settle(wait bool) {
	if k.saved == nil {
		return
	}
	var a attempt
	if wait {
		a = <-k.saved
	} else {
		select {
		case a = <-k.saved:
		default:
			return
		}
	}
	k.saved = nil
	switch read := k.fold.origins.read; {
	case a.done && a.size > 0:
		k.fold.origins.read, k.next = a.size, 0
	case a.soon: // computing the size again before a quarter of it has come would cost too much
		k.next = min(worth(a.size), read+max(a.size/4, minSnapshotBytes/4))
	default:
		k.next = read + max(a.size, minSnapshotBytes)
	}
	for _, e := range k.later {
		k.fold.Add(e)
	}
	k.later = nil
}

// Bare returns the task with only its ids and its state.
func Bare(t *a2a.Task) *a2a.Task {
	status := a2a.TaskStatus{State: t.Status.State, Timestamp: t.Status.Timestamp}
	return &a2a.Task{ID: t.ID, ContextID: t.ContextID, Status: status}
}
