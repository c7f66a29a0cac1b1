package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"a2alambda/localtest/emulator"
)

const (
	// An instance is killed after leastPause to leastPause + morePause.
	leastPause = 500 * time.Millisecond
	morePause  = 2 * time.Second

	// Pauses are once more as long for so many users, who need time to come back: a task whose step is
	// cut off five times fails.
	usersEach = 10

	// One of so many is terminated: it gets SIGTERM, and SIGKILL half a second later.
	termEach = 4
)

// killer ends instances that are at work.
type killer struct {
	*system
	users  []*user
	random *rand.Rand
	pauses time.Duration // each so many times as long

	killed, terminated int // instances
	runs               int // how many of them ran a task
}

// kill ends one instance after the other, until ctx is done.
func (k *killer) kill(ctx context.Context) {
	for {
		select {
		case <-time.After(k.pauses * (leastPause + time.Duration(k.random.Int64N(int64(morePause))))):
		case <-ctx.Done():
			return
		}
		var busy []func(term bool)
		for _, f := range []*emulator.Emulator{k.Agent, k.Worker} {
			for _, id := range f.Busy() {
				busy = append(busy, func(term bool) { k.end(f, id, term) })
			}
		}
		if term := k.random.IntN(termEach) == 0; len(busy) > 0 {
			busy[k.random.IntN(len(busy))](term)
		}
	}
}

// end ends an instance, and notes whom that hits.
func (k *killer) end(f *emulator.Emulator, instance string, term bool) {
	end, count := f.Kill, &k.killed
	if term {
		end, count = f.Terminate, &k.terminated
	}
	requests, tasks := k.at(instance)
	hits := map[*user]*hit{}
	ran := false
	for _, u := range k.users {
		if h := k.hit(u, requests, tasks); h != nil {
			h.term = term
			hits[u] = h
			ran = ran || h.run
		}
	}
	k.takeovers.Breaks(instance)
	err := end(instance)
	gone := time.Now()
	if err != nil {
		return // it has ended its work before
	}
	for u, h := range hits {
		u.mu.Lock()
		// Whoever still waits after another kill is hit by one of its run only.
		if h.gone = gone; u.task == h.task && (h.run || len(u.hits) == 0) {
			u.hits = append(u.hits, h)
		}
		u.mu.Unlock()
		fmt.Fprintf(k.log, "%s %s ended (%v), with request %s, task %s of %s; cut: %t, run: %t\n",
			gone.UTC().Format(time.RFC3339Nano), instance, h.kind, h.request, h.task, u.name, h.cut, h.run)
	}
	if *count++; ran {
		k.runs++
	}
}

// hit returns what the end of an instance is to a user, or nil for nothing. The instance has the
// requests and, if it is a worker, the tasks.
func (k *killer) hit(u *user, requests, tasks map[string]bool) *hit {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := &hit{task: u.task, at: time.Now()}
	h.remembers = u.remembers
	if h.cut = requests[u.request]; h.cut {
		h.request = u.request
	}
	h.run = requests[u.runner] && !k.left(u.task) || tasks[u.task]
	if !h.cut && !h.run {
		return nil
	}
	return h
}
