package emulator

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// errTimeout means that an instance was killed at its invocation's deadline.
var errTimeout = errors.New("task timed out")

// receiver takes the answer of an invocation. receive reads it as it comes. An error means that the
// function failed, or that its answer is invalid.
type receiver interface {
	receive(answer) error
}

// invoke runs an invocation on an instance, and passes the answer to r. The error is errThrottled
// or errClosed if no instance got the event. Other errors are for the log: then r may have read a
// part of the answer.
func (e *Emulator) invoke(inv *invocation, r receiver) error {
	i, err := e.dispatch(inv)
	if err != nil {
		return err
	}
	if e.config.Concurrency > 0 {
		return e.share(i, inv, r)
	}
	var late atomic.Bool
	timer := time.AfterFunc(time.Until(inv.end), func() {
		late.Store(true)
		i.kill()
	})
	err = e.relay(i, inv, r)
	timer.Stop()
	if err != nil && late.Load() {
		return fmt.Errorf("%w after %.2f seconds", errTimeout, (e.config.Timeout + e.config.Overtime).Seconds())
	}
	return err
}

// relay passes the instance's answer to r as it comes. In the end the instance is frozen or dead.
func (e *Emulator) relay(i *instance, inv *invocation, r receiver) (err error) {
	acknowledge := sync.OnceFunc(func() { close(inv.over) })
	defer acknowledge()
	defer func() { e.ended(i, inv, err) }()
	a, err := i.answerTo(inv)
	if err != nil {
		return err
	}
	err = r.receive(a)
	if _, readErr := io.Copy(io.Discard, a.Body); readErr != nil {
		i.kill()
		<-i.exited
		if exit := i.exit(); exit.outOfMemory {
			readErr = exit
		}
		return fmt.Errorf("the process ended in the middle of its answer: %w", readErr)
	}
	if kind := a.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" && err == nil {
		err = fmt.Errorf("the function failed in the middle of its answer: %s", kind)
	}
	if a.failed {
		// After a panic the runtime reports it, and ends the process.
		acknowledge()
		select {
		case <-i.atNext:
		case <-i.exited:
			return err
		}
	}
	// The instance is frozen before it gets the acknowledgement. When it is thawed, it reads that,
	// and asks for the next event.
	e.park(i, inv.id)
	return err
}

// answerTo waits for the answer to an invocation.
func (i *instance) answerTo(inv *invocation) (answer, error) {
	select {
	case a := <-inv.answered:
		return a, nil
	case <-i.exited:
		select {
		case a := <-inv.answered:
			return a, nil
		default:
			return answer{}, i.exit()
		}
	}
}

// ended forgets an invocation that has ended, counts and observes it.
func (e *Emulator) ended(i *instance, inv *invocation, err error) {
	i.mu.Lock()
	delete(i.running, inv.id)
	i.mu.Unlock()
	o := Observation{Moment: Ended, At: time.Now(), Request: inv.id, Err: err}
	used := i.cell.used()
	o.MaxMemory = used.peak
	if e.config.Concurrency == 0 { // else it shares both
		o.Billed, o.CPU = billed(inv, o.At), used.cpu-inv.cpu
	}
	e.meter(o.Billed)
	i.observe(e, o)
}
