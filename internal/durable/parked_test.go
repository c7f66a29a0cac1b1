package durable_test

import (
	"context"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// TestParkedWoken delivers the same again and again to a task that is parked. Whoever does that must
// not fill the task's journal, nor put off the time at which it is tried again: the former code goes
// on with it then.
func TestParkedWoken(t *testing.T) {
	name := "a"
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			c, err := durable.NewCallback(ctx, "delivered", 48*time.Hour)
			if err != nil {
				return err
			}
			if _, err := durable.Do(ctx, name, effect(w, name)); err != nil {
				return err
			}
			_, err = c.Wait(ctx)
			return err
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		w.Until("it waits", func() bool { return w.Lease().Sleeps() })
		name = "b"
		begun := time.Now()
		for range 30 {
			if err := w.Deliver("delivered", "here"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(90 * time.Second) // a sweep finds it due
		}
		if n := parkings(w); n != 1 {
			t.Errorf("it was parked %d times\n%s", n, w.Story())
		}
		if due := w.Lease().Due; due.Sub(begun) > time.Hour+2*time.Minute || !w.Lease().Sleeps() {
			t.Errorf("it is tried again after %v", due.Sub(begun))
		}
		time.Sleep(time.Hour)
		if n := parkings(w); n != 2 {
			t.Errorf("after an hour, it was parked %d times", n)
		}
		name = "a"
		ends(t, w, a2a.TaskStateCompleted)
	})
}

func parkings(w *durabletest.World) (n int) {
	for _, x := range w.Entries() {
		if x.Kind == durable.Parked {
			n++
		}
	}
	return n
}
