package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestLane has more come than may be in at once. They come in in order, and who stays for long keeps
// nobody out.
func TestLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, begun := newLane(), time.Now()
		var leave []func()
		for range laneWidth {
			f, err := l.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, f)
		}
		in := make(chan time.Duration, 3)
		for i := range 3 {
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				f, err := l.enter(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				in <- time.Since(begun)
				time.Sleep(time.Hour)
				f()
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := l.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has no time gets %v", err)
		}
		leave[0]()
		synctest.Wait()
		if len(in) != 1 {
			t.Errorf("%d came in when one had left", len(in))
		}
		for i, want := range []time.Duration{20 * time.Millisecond, laneFor, laneFor} {
			if at := <-in; at != want {
				t.Errorf("%d came in after %v, want %v", i, at, want)
			}
		}
		for _, f := range leave {
			f() // late, or again: that frees no other place
		}
		time.Sleep(2 * time.Hour)
		if n := len(l.places); n != 0 {
			t.Errorf("%d places are taken in the end", n)
		}
	})
}
