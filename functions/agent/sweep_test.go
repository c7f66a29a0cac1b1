package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/hosted"
	"a2alambda/internal/memlog"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// TestRounds has three servers share a store: each sweeps at its start, then one of them each minute,
// also after two have died.
func TestRounds(t *testing.T) {
	t.Setenv("TABLE_NAME", "")
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sweeps []time.Time
		shared := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.Name == "Places" {
				mu.Lock()
				defer mu.Unlock()
				sweeps = append(sweeps, time.Now())
			}
			return nil
		}})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		mortal, die := context.WithCancel(ctx)
		begun := time.Now()
		for i, life := range []context.Context{mortal, ctx, mortal} {
			l, err := openLocal(ctx, &hosted.Agent{Executor: resuming{}}, outgoing.Guard{}, "", run.JournalConfig{})
			if err != nil {
				t.Fatal(err)
			}
			l.runner.Store = shared
			time.AfterFunc(time.Duration(i)*10*time.Second, func() { l.sweep(life) })
		}
		time.Sleep(10 * time.Minute)
		die()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		slices.SortFunc(sweeps, time.Time.Compare)
		if n := len(sweeps); n < 2+20 || n > 2+22 {
			t.Errorf("%d sweeps in 20 minutes, by three servers", n)
		}
		last := begun
		for _, at := range append(sweeps, time.Now()) {
			if pause := at.Sub(last); pause > sweepEvery {
				t.Errorf("no sweep for %v, from minute %v on", pause, last.Sub(begun).Minutes())
			}
			last = at
		}
	})
}

// TestFullServer has two servers share a store, one of which is full: the other one sweeps. When both
// are full, one does all the same.
func TestFullServer(t *testing.T) {
	t.Setenv("TABLE_NAME", "")
	t.Setenv("MAX_CONCURRENCY", "1")
	synctest.Test(t, func(t *testing.T) {
		shared := new(memlog.Log)
		var sweeps [2]atomic.Int64
		var servers [2]*local
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for i := range servers {
			l, err := openLocal(ctx, &hosted.Agent{Executor: resuming{}}, outgoing.Guard{}, "", run.JournalConfig{})
			if err != nil {
				t.Fatal(err)
			}
			l.runner.Store = tasklog.Hooked(shared, tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
				if op.Name == "Places" {
					sweeps[i].Add(1)
				}
				return nil
			}})
			servers[i] = l
		}
		servers[0].places.working <- struct{}{}
		for _, l := range servers {
			go l.sweep(ctx)
		}
		time.Sleep(30 * time.Second)
		full, other := sweeps[0].Load(), sweeps[1].Load()
		time.Sleep(10 * time.Minute)
		if n := sweeps[0].Load() - full; n > 0 {
			t.Errorf("the full server has swept %d times", n)
		}
		if n := sweeps[1].Load() - other; n < 9 {
			t.Errorf("the other one has swept %d times in ten minutes", n)
		}
		servers[1].places.working <- struct{}{}
		full, other = sweeps[0].Load(), sweeps[1].Load()
		time.Sleep(10 * time.Minute)
		if n := sweeps[0].Load() + sweeps[1].Load() - full - other; n < 8 {
			t.Errorf("two full servers have swept %d times in ten minutes", n)
		}
	})
}
