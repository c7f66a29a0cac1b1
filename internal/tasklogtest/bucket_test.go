package tasklogtest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// evenly returns new tasks: as many as each says for every key of the index of unfinished tasks.
func evenly(each int, owner func(i int) string) (tasks []tasklog.Head) {
	var have [unfinishedShards]int
	for len(tasks) < each*unfinishedShards {
		h, _ := NewTask()
		if shard := spread(h.ID, unfinishedShards); have[shard] < each {
			have[shard]++
			h.Scope.Owner = owner(len(tasks))
			tasks = append(tasks, h)
		}
	}
	return tasks
}

// TestBucketHotKey has the same number of tasks begin at one time, all of one owner, or each of
// another. If calls are refused at random, all have the same chance. But the tasks of one owner are
// listed under few keys.
func TestBucketHotKey(t *testing.T) {
	const each = 10
	for name, test := range map[string]struct {
		owner func(i int) string
		begun int // at once
	}{
		"one owner":   {func(int) string { return "one" }, each * listShards},
		"many owners": {func(i int) string { return fmt.Sprint(i) }, each * unfinishedShards},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := &Bucket{Rate: each, Burst: each}
				s := bucket.Store(new(memlog.Log))
				tasks := evenly(each, test.owner)
				begin := func() (refused []tasklog.Head) {
					for _, h := range tasks {
						_, err := s.Create(t.Context(), h, firstEvent(h, "hello"), by("w"))
						if errors.Is(err, ErrThrottled) {
							if _, err := s.Load(t.Context(), h.ID); !errors.Is(err, tasklog.ErrNotFound) {
								t.Errorf("a refused call has done something: %v", err)
							}
							refused = append(refused, h)
						} else if err != nil {
							t.Error(err)
						}
					}
					return refused
				}
				all := len(tasks)
				if tasks = begin(); all-len(tasks) != test.begun {
					t.Errorf("%d tasks have begun at once, want %d", all-len(tasks), test.begun)
				}
				time.Sleep(time.Second)
				if tasks = begin(); len(tasks) > 0 {
					t.Errorf("after a second %d tasks are still refused", len(tasks))
				}
			})
		})
	}
}

// TestBucketKeys checks the units that calls take from keys: a refused call takes none. An append
// with the same state takes none from the index, and a long event takes many from its task.
func TestBucketKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := &Bucket{Rate: 1, Burst: 100}
		s := bucket.Store(new(memlog.Log))
		h, _, lease := mustCreate(t, s)
		list := fmt.Sprint("list/tenant/owner/", spread(h.ID, listShards))
		unfinished := fmt.Sprint("unfinished/", spread(h.ID, unfinishedShards))
		check := func(task, index float64) {
			t.Helper()
			for key, want := range map[string]float64{string(h.ID): task, list: index, unfinished: index} {
				if got := bucket.tokens(key).left; got != want {
					t.Errorf("key %s has %v units left, want %v", key, got, want)
				}
			}
		}
		check(99, 99)
		must(t, lease.Append(t.Context(), 2, working(h, "a")))
		check(98, 98)
		must(t, lease.Append(t.Context(), 3, working(h, "b")), lease.Append(t.Context(), 4, working(h, "c")))
		check(96, 98)
		must(t, lease.Append(t.Context(), 5, working(h, string(make([]byte, 10<<10)))))
		check(96-61, 98) // a zero byte is six of JSON
		if err := lease.Append(t.Context(), 6, working(h, string(make([]byte, 10<<10)))); !errors.Is(err, ErrThrottled) {
			t.Errorf("got %v", err)
		}
		check(35, 98)
		_, err := lease.Renew(t.Context(), until())
		must(t, err, lease.Append(t.Context(), 6, in(h, a2a.TaskStateInputRequired)), lease.Release(t.Context()))
		check(32, 97)
		mustAcquire(t, s, h.ID, by("next"))
		check(31, 96)
		time.Sleep(2 * time.Second)
		check(33, 98)
	})
}

// TestBucketJournal checks the units that go for journals, suspended tasks and waits.
func TestBucketJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := &Bucket{Rate: 1, Burst: 100}
		s := bucket.Store(new(memlog.Log))
		h, lease := mustCreateDurable(t, s)
		shard := spread(h.ID, unfinishedShards)
		check := func(task, unfinished, waiting float64) {
			t.Helper()
			for key, want := range map[string]float64{
				string(h.ID): task, fmt.Sprint("unfinished/", shard): unfinished, fmt.Sprint("waiting/", shard): waiting,
			} {
				if got := bucket.tokens(key).left; got != want {
					t.Errorf("key %s has %v units left, want %v", key, got, want)
				}
			}
		}
		check(99, 99, 100)
		must(t, lease.Record(t.Context(), 1, steps("one", "two")), s.OpenWait(t.Context(), h, "a", ""),
			s.Deliver(t.Context(), h.ID, "a", tasklog.Delivery{}))
		check(96, 99, 100)
		must(t, lease.Record(t.Context(), 3, steps(string(make([]byte, 5<<10)))))
		check(96-21, 99, 100) // a zero byte is four in it
		suspend(t, lease, time.Now().Add(time.Hour), 0, true)
		check(73, 98, 99)
		must(t, s.Wake(t.Context(), h.ID))
		check(72, 98, 97)
		for range 48 {
			must(t, s.Wake(t.Context(), h.ID))
		}
		if err := s.Wake(t.Context(), h.ID); !errors.Is(err, ErrThrottled) { // a hot key of sleepers
			t.Errorf("got %v", err)
		}
	})
}
