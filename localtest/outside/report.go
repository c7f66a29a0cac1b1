package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// mostShown is how many of the users who waited longer than the goal are named.
const mostShown = 10

// report collects what users have seen, and what is wrong with it.
type report struct {
	out io.Writer

	mu         sync.Mutex // guards what follows
	views      []*view
	violations int
	slow       bool // the goal was missed
}

func (r *report) add(v *view) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.views = append(r.views, v)
}

// complain prints a violation.
func (r *report) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations++
	fmt.Fprintf(r.out, "VIOLATION: %s\n", fmt.Sprintf(format, args...))
}

// check compares what users have seen with the replays.
func (r *report) check(ctx context.Context, replays *replays) {
	streams, frames, givenUp := 0, 0, 0
	for _, v := range r.views {
		if err := replays.check(ctx, v); err != nil {
			r.complain("%v:\n%v", v, err)
		}
		if v.givenUp {
			givenUp++
		}
		streams += len(v.sessions)
		for _, s := range v.sessions {
			frames += len(s.frames)
		}
	}
	if givenUp > 0 {
		fmt.Fprintf(r.out, "%d tasks were given up, since their models were cut off %d times: that is a limit, and no violation\n", givenUp, maxCut)
	}
	fmt.Fprintf(r.out, "%d events in %d streams compared with replays: %d violations\n", frames, streams, r.violations)
}

// effects are what the times are shown for, of each signal and kind of user.
var effects = []struct {
	name string
	is   func(kind) bool
	goal bool // is for this one, after SIGKILL
}{
	{"stream cut", func(k kind) bool { return k.cut }, true},
	{"  of these, by the end of what ran the task", func(k kind) bool { return k.cut && k.run }, true},
	{"stream not cut, but the worker ended", func(k kind) bool { return !k.cut }, false},
}

// times prints how long users took to recover.
func (r *report) times(hits []*hit) {
	fmt.Fprintf(r.out, "\nFrom a kill to the next event at the user, in seconds; a user whose stream is cut comes back within %v:\n", awayFor)
	for _, group := range []kind{{remembers: true}, {}, {term: true, remembers: true}, {term: true}} {
		fmt.Fprintf(r.out, "\n%-45s hits    p50    p90    p99    max\n", group)
		for _, e := range effects {
			var t times
			for _, h := range hits {
				if h.term == group.term && h.remembers == group.remembers && e.is(h.kind) {
					t = append(t, h.took)
				}
			}
			verdict := ""
			if e.goal && !group.term && (t.at(0.5) > goalP50 || t.at(0.99) > goalP99) {
				r.slow, verdict = true, "  exceeds the goal"
			}
			fmt.Fprintf(r.out, "%-45s %v%s\n", e.name, t, verdict)
		}
	}
	fmt.Fprintf(r.out, "\nThe goal after SIGKILL, stream cut: p50 %v, p99 %v.\n", goalP50, goalP99)
	shown := 0
	for _, h := range hits {
		if shown < mostShown && h.cut && h.took > goalP99 {
			shown++
			fmt.Fprintf(r.out, "%v, killed at %s: %v\n", h.who, h.at.UTC().Format(time.TimeOnly+".000"), h.took.Round(time.Millisecond))
		}
	}
}

// err returns an error if something is wrong. Too slow is wrong only if the goal counts.
func (r *report) err(goal bool) error {
	var errs []error
	if r.violations > 0 {
		errs = append(errs, fmt.Errorf("%d violations", r.violations))
	}
	if goal && r.slow {
		errs = append(errs, errors.New("the times exceed the goal"))
	}
	return errors.Join(errs...)
}
