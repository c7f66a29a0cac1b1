package emulator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

var (
	errThrottled = errors.New("no instance is free")
	errClosed    = errors.New("the emulator is closed")
	errInit      = errors.New("the process ended before it asked for an event")
)

// initError is the JSON with which a process reports why it cannot start.
type initError []byte

func (e initError) Error() string { return errInit.Error() + ": " + string(e) }

// offer is an invocation in the queue of an instance.
type offer struct {
	*invocation
	settled atomic.Bool // the instance has taken it, or it was withdrawn
}

// settle reports whether the caller is the first who does.
func (o *offer) settle() bool { return !o.settled.Swap(true) }

// dispatch gives inv to an instance that is free, or else to a new one. It returns when the instance
// has the event.
func (e *Emulator) dispatch(inv *invocation) (*instance, error) {
	for {
		i, fresh, err := e.acquire(inv.id)
		if err != nil {
			return nil, err
		}
		offered := &offer{invocation: inv}
		i.queue <- offered
		var late <-chan time.Time
		switch {
		case fresh:
			if err := e.launch(i); err != nil {
				return nil, err
			}
		case e.config.Concurrency == 0:
			i.thaw()
		}
		if fresh || e.config.Concurrency == 0 { // others are at work in it, otherwise
			late = time.After(initTimeout)
		}
		select {
		case <-inv.delivered:
		case <-late:
			i.kill()
			<-i.exited
		case <-i.exited:
		}
		if !offered.settle() { // the process has taken it, and may be dead now
			<-inv.delivered
			return i, nil
		}
		if fresh {
			i.mu.Lock()
			defer i.mu.Unlock()
			if i.initError != nil {
				return nil, initError(i.initError)
			}
			return nil, fmt.Errorf("%w: %w", errInit, i.exit())
		}
		// The instance died while it was frozen or woke up, before it read the event: another one
		// gets it.
	}
}

// acquire takes the frozen instance that was used last, or one that may have more invocations, or
// makes one that has to be launched. None has a request twice at once: its answers could not be told
// apart.
func (e *Emulator) acquire(request string) (i *instance, fresh bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, false, errClosed
	}
	if n := len(e.idle) - 1; n >= 0 {
		i = e.idle[n]
		e.idle = e.idle[:n]
		return i, false, nil
	}
	for _, i := range e.instances {
		if len(i.taken) < e.config.Concurrency && !i.taken[request] && !i.ending && !i.stopped {
			i.taken[request] = true
			return i, false, nil
		}
	}
	if len(e.instances) >= e.config.MaxInstances {
		return nil, false, errThrottled
	}
	e.started++
	i = newInstance(e.config.Name+"-"+strconv.Itoa(e.started), e.config.Concurrency)
	i.taken[request] = true
	e.instances = append(e.instances, i)
	return i, true, nil
}

// launch starts a new instance's process, and forgets it at its end.
func (e *Emulator) launch(i *instance) error {
	defer close(i.launched)
	if err := i.start(e); err != nil {
		e.forget(i)
		close(i.exited)
		return err
	}
	e.setState(i, Init)
	go func() {
		i.wait()
		e.forget(i)
		close(i.exited)
	}()
	return nil
}

func (e *Emulator) forget(i *instance) {
	used := i.cell.used()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peak = max(e.peak, used.peak)
	if used.kills > 0 {
		e.killed++
	}
	is := func(other *instance) bool { return other == i }
	e.instances = slices.DeleteFunc(e.instances, is)
	e.idle = slices.DeleteFunc(e.idle, is)
}

func (e *Emulator) setState(i *instance, s State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i.state = s
}

// park freezes an instance, and adds it to the idle ones under the same lock: no Thaw wakes it. One
// with many invocations has the place of the request again.
func (e *Emulator) park(i *instance, request string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.config.Concurrency > 0 {
		if delete(i.taken, request); len(i.taken) == 0 {
			i.state = Idle
		}
		return
	}
	if i.ending || !slices.Contains(e.instances, i) {
		return
	}
	i.freeze()
	i.state, i.stopped = Frozen, false
	e.idle = append(e.idle, i)
}
