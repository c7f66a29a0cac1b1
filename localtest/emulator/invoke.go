package emulator

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// errTimeout says that an instance was killed at its invocation's deadline.
var errTimeout = errors.New("task timed out")

// receiver is who invoked a function. Its receive consumes the answer as it comes; an error means
// that the function failed, or that it is no answer.
type receiver interface {
	receive(answer) error
}

// invoke runs an invocation on an instance and hands the answer to r. The error is errThrottled or
// errClosed if no instance has had the event, and else for the log; r may have had a part of the
// answer.
func (e *Emulator) invoke(inv *invocation, r receiver) error {
	i, err := e.dispatch(inv)
	if err != nil {
		return err
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

// relay hands the instance's answer to r as it comes, and leaves the instance frozen or dead.
func (e *Emulator) relay(i *instance, inv *invocation, r receiver) (err error) {
	acknowledge := sync.OnceFunc(func() { close(inv.over) })
	defer acknowledge()
	defer func() {
		now := time.Now()
		i.observe(e, Observation{Moment: Ended, At: now, Request: inv.id, Billed: billed(inv, now), Err: err})
	}()
	var a answer
	select {
	case a = <-inv.answered:
	case <-i.exited:
		select {
		case a = <-inv.answered:
		default:
			return errors.New("the process ended without an answer")
		}
	}
	err = r.receive(a)
	if _, readErr := io.Copy(io.Discard, a.Body); readErr != nil {
		i.kill()
		<-i.exited
		return fmt.Errorf("the process ended in the middle of its answer: %w", readErr)
	}
	if kind := a.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" && err == nil {
		err = fmt.Errorf("the function failed in the middle of its answer: %s", kind)
	}
	if a.failed {
		// After a panic the runtime reports it and ends the process.
		acknowledge()
		select {
		case <-i.atNext:
		case <-i.exited:
			return err
		}
	}
	// Frozen before the acknowledgement, the process finds that when it is thawed, and then asks
	// for the next event.
	e.park(i)
	return err
}
