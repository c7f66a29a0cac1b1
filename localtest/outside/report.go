package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

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
	streams, frames := 0, 0
	for _, v := range r.views {
		if err := replays.check(ctx, v); err != nil {
			r.complain("%v:\n%v", v, err)
		}
		streams += len(v.sessions)
		for _, s := range v.sessions {
			frames += len(s.frames)
		}
	}
	fmt.Fprintf(r.out, "%d events in %d streams compared with replays: %d violations\n", frames, streams, r.violations)
}

// row is a line of the table of times.
type row struct {
	name string
	of   func(kind) bool
	goal bool // is for this row
}

func rows() (all []row) {
	for _, term := range []bool{false, true} {
		for _, remembers := range []bool{true, false} {
			signal, client := "SIGKILL", "without Last-Event-ID"
			if term {
				signal = "SIGTERM"
			}
			if remembers {
				client = "with Last-Event-ID"
			}
			of := func(cut, run func(kind) bool) func(kind) bool {
				return func(k kind) bool { return k.term == term && k.remembers == remembers && cut(k) && run(k) }
			}
			isCut, isRun := func(k kind) bool { return k.cut }, func(k kind) bool { return k.run }
			not := func(f func(kind) bool) func(kind) bool { return func(k kind) bool { return !f(k) } }
			all = append(all,
				row{signal + ", stream cut, " + client, of(isCut, func(kind) bool { return true }), !term},
				row{"  of these, of the instance that ran the task", of(isCut, isRun), !term},
				row{signal + " of the worker, stream not cut, " + client, of(not(isCut), isRun), false})
		}
	}
	return all
}

// print prints how long users took to recover.
func (r *report) times(hits []*hit) {
	fmt.Fprintf(r.out, "\nFrom a kill to the next event at the user, in seconds; a user whose stream is cut comes back within %v:\n", awayFor)
	fmt.Fprintf(r.out, "%-62s %s\n", "", "hits    p50    p90    p99    max")
	for _, row := range rows() {
		var t times
		for _, h := range hits {
			if row.of(h.kind) {
				t = append(t, h.took)
			}
		}
		if len(t) == 0 {
			continue
		}
		verdict := ""
		if row.goal && (t.at(0.5) > goalP50 || t.at(0.99) > goalP99) {
			r.slow, verdict = true, "  exceeds the goal"
		}
		fmt.Fprintf(r.out, "%-62s %v%s\n", row.name, t, verdict)
	}
	fmt.Fprintf(r.out, "The goal after SIGKILL, stream cut: p50 %v, p99 %v.\n", goalP50, goalP99)
	for _, h := range hits {
		if h.cut && h.took > goalP99 {
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
