package pushtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// wantConfigs fails the test unless the task has so many configurations.
func wantConfigs(t *testing.T, s Store, id a2a.TaskID, want int) {
	t.Helper()
	all, err := s.List(t.Context(), id)
	if must(t, err); len(all) != want {
		t.Errorf("the task has %d configurations, want %d", len(all), want)
	}
}

// testFull checks that a task with as many configurations as it may have takes no other: those that
// it has can be put again, replaced, given up and deleted.
func testFull(t *testing.T, s Store) {
	h, _ := tasklogtest.NewTask()
	config := func(i int) push.Config { return NewConfig(h, fmt.Sprint(i), "https://example.com") }
	for i := range push.MaxConfigs {
		must(t, s.Put(t.Context(), h, config(i)))
	}
	full := func(h tasklog.Head, c push.Config) {
		t.Helper()
		if err := s.Put(t.Context(), h, c); !errors.Is(err, push.ErrFull) {
			t.Errorf("putting %s: got %v, want ErrFull", c.ID, err)
		}
		wantConfigs(t, s, h.ID, push.MaxConfigs)
	}
	full(h, config(5))
	made := h
	made.Push = true
	full(made, config(6))

	must(t, s.Put(t.Context(), h, config(0)))
	other := config(1)
	other.Push.URL += "/other"
	must(t, s.Put(t.Context(), h, other), claim(t, s, other, "w").GiveUp(t.Context(), at(1)))
	full(h, config(7))
	must(t, s.Put(t.Context(), h, other))
	full(h, config(8))

	must(t, s.Delete(t.Context(), h.ID, "2"), s.Delete(t.Context(), h.ID, "2"), s.Delete(t.Context(), h.ID, "none"))
	must(t, s.Put(t.Context(), h, config(9)))
	full(h, config(2))
	another, _ := tasklogtest.NewTask()
	must(t, s.Put(t.Context(), another, NewConfig(another, "c", "https://example.com")))
}

// testConcurrentPuts has many put and delete configurations of a task at the same time. There are
// never more than it may have, and afterwards as many find a place as are free.
func testConcurrentPuts(t *testing.T, s Store) {
	h, _ := tasklogtest.NewTask()
	h.Push = true
	puts := func(n int, name string) (stored int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := s.Put(t.Context(), h, NewConfig(h, fmt.Sprint(name, i), "https://example.com"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					stored++
				} else if !errors.Is(err, push.ErrFull) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return stored
	}
	if n := puts(20, "a"); n != push.MaxConfigs {
		t.Errorf("%d were stored", n)
	}
	wantConfigs(t, s, h.ID, push.MaxConfigs)

	// The same ones are put and deleted at the same time.
	for round := range 3 {
		var wg sync.WaitGroup
		for i := range 4 {
			for _, id := range []string{fmt.Sprint("b", round), fmt.Sprint("c", round)} {
				wg.Go(func() {
					var err error
					if i%2 == 0 {
						err = s.Delete(t.Context(), h.ID, id)
					} else {
						err = s.Put(t.Context(), h, NewConfig(h, id, "https://example.com"))
					}
					if err != nil && !errors.Is(err, push.ErrFull) {
						t.Error(err)
					}
				})
			}
		}
		wg.Go(func() {
			all, err := s.List(t.Context(), h.ID)
			if err == nil && len(all) > 0 {
				err = s.Delete(t.Context(), h.ID, all[0].ID)
			}
			if err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
	}
	all, err := s.List(t.Context(), h.ID)
	must(t, err)
	if n := puts(20, "d"); n != push.MaxConfigs-len(all) {
		t.Errorf("of 20, %d were stored beside %d", n, len(all))
	}
	wantConfigs(t, s, h.ID, push.MaxConfigs)
}
