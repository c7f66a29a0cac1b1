package emulator

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

// share passes the answer of an instance that has other invocations, too, to r as it comes. At the
// deadline, the answer ends with errTimeout. The instance learns nothing of that, and the invocation
// has its place until the instance has ended its answer.
func (e *Emulator) share(i *instance, inv *invocation, r receiver) error {
	body, in := io.Pipe()
	answers, failed := make(chan answer, 1), make(chan error, 1)
	timer := time.AfterFunc(time.Until(inv.end), func() {
		late := fmt.Errorf("%w after %.2f seconds", errTimeout, (e.config.Timeout + e.config.Overtime).Seconds())
		in.CloseWithError(late)
		failed <- late
	})
	go func() {
		err := e.drain(i, inv, in, answers)
		timer.Stop()
		in.CloseWithError(err) // nil is EOF
		select {
		case failed <- err:
		default: // it was too late
		}
	}()
	select {
	case a := <-answers:
		shown := *a.Request
		shown.Body = body
		err := r.receive(answer{&shown, a.failed, a.chunk})
		io.Copy(io.Discard, body)
		return cmp.Or(<-failed, err)
	case err := <-failed:
		return err
	}
}

// drain writes an invocation's answer to w for as long as somebody reads it, and reads it to its end.
func (e *Emulator) drain(i *instance, inv *invocation, w io.Writer, answers chan<- answer) (err error) {
	defer func() {
		e.park(i, inv.id)
		e.ended(i, inv, err)
		close(inv.over)
	}()
	a, err := i.answerTo(inv)
	if err != nil {
		return err
	}
	answers <- a
	if _, err := io.Copy(&untilError{w: w}, a.Body); err != nil {
		if i.cell.used().kills > 0 {
			err = ErrOutOfMemory
		}
		return fmt.Errorf("the process ended in the middle of its answer: %w", err)
	}
	if kind := a.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		return fmt.Errorf("the function failed in the middle of its answer: %s", kind)
	}
	return nil
}

// untilError writes until that fails, and takes the rest for nothing.
type untilError struct {
	w      io.Writer
	failed bool
}

func (u *untilError) Write(p []byte) (int, error) {
	if !u.failed {
		_, err := u.w.Write(p)
		u.failed = err != nil
	}
	return len(p), nil
}
