package tasklogtest

import (
	"context"
	"errors"
	"sync"

	"a2alambda/internal/tasklog"
)

// ErrDead is the error of all calls of an instance that has died.
var ErrDead = errors.New("dead")

// Fault says what happens to calls of a store.
type Fault struct {
	// Op is the name of the calls that it strikes, as in [tasklog.Op]. "" means all.
	Op string
	// Nth says which of them it strikes, from 1. 0 means each.
	Nth int
	// Done says that it strikes after the call is done. Otherwise it strikes before; then the call
	// does nothing if Do returns an error.
	Done bool
	// Do returns the result of the call, or nil to leave it as it is. It may wait, count, or panic.
	// If Do is nil, the instance dies: this call and all later ones return ErrDead, and the later
	// ones do nothing.
	Do func(context.Context, tasklog.Op) error
}

// Faulty returns the store as an instance with these faults sees it.
func Faulty(s tasklog.Store, faults ...Fault) tasklog.Store {
	f := &faulty{faults: faults, calls: make([]int, len(faults))}
	return tasklog.Hooked(s, tasklog.Hooks{Before: f.before, After: f.after})
}

type faulty struct {
	faults []Fault

	mu    sync.Mutex
	calls []int // that each fault has seen
	dead  bool
}

func (f *faulty) before(ctx context.Context, op tasklog.Op) error { return f.strike(ctx, op, false) }

func (f *faulty) after(ctx context.Context, op tasklog.Op, err error) error {
	if struck := f.strike(ctx, op, true); struck != nil {
		return struck
	}
	return err
}

// strike does to the call what the faults want, before or after it is done.
func (f *faulty) strike(ctx context.Context, op tasklog.Op, done bool) error {
	for i, fault := range f.faults {
		if fault.Done != done || fault.Op != "" && fault.Op != op.Name {
			continue
		}
		f.mu.Lock()
		f.calls[i]++
		strikes := fault.Nth == 0 || fault.Nth == f.calls[i]
		f.dead = f.dead || strikes && fault.Do == nil
		f.mu.Unlock()
		if strikes && fault.Do != nil {
			if err := fault.Do(ctx, op); err != nil {
				return err
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return ErrDead
	}
	return nil
}

// Fails returns a Do that fails calls with the error.
func Fails(err error) func(context.Context, tasklog.Op) error {
	return func(context.Context, tasklog.Op) error { return err }
}

// StopsUntil returns a Do that stops a call until the channel is closed, or the context of the call
// is done. It sends to reached, which may be nil, when a call arrives.
func StopsUntil(released <-chan struct{}, reached chan<- struct{}) func(context.Context, tasklog.Op) error {
	return func(ctx context.Context, _ tasklog.Op) error {
		if reached != nil {
			reached <- struct{}{}
		}
		select {
		case <-released:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
