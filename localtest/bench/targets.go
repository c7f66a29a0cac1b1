package main

import "fmt"

// target is a bound for the median of a quantity: in its own unit or, with a base, for its ratio to the
// median of that.
type target struct {
	text          string // with %s for the figure
	section       string
	of, base      quantity
	scale         float64 // of the figure
	most, atLeast float64 // one of them is set
}

type quantity struct{ system, what string }

// targets are all, in the order of the report.
var targets = func() []target {
	const first = "first byte, 1 at once"
	whole := func(events string) string { return "whole stream, " + events + " events" }
	each := func(name string) target {
		return target{name + ": an event of 100,000 takes %s× the time of one of 1,000 (1.2× at most)", "length",
			quantity{name, whole("100,000")}, quantity{name, whole("1,000")}, 0.01, 1.2, 0}
	}
	return []target{
		{"the first byte, in memory, takes %s× the limit's time (2× at most)", "first",
			quantity{memoryName, first}, quantity{limitName, first}, 1, 2, 0},
		{"10,000 events, in memory, take %s× the limit's time (2× at most)", "length",
			quantity{memoryName, whole("10,000")}, quantity{limitName, whole("10,000")}, 1, 2, 0},
		{"10,000 events, on DynamoDB Local, take %s× the limit's time (4× at most)", "length",
			quantity{dynamoName, whole("10,000")}, quantity{limitName, whole("10,000")}, 1, 4, 0},
		each(memoryName),
		each(dynamoName),
		{"a2a-go takes %s× the time for 1,000 events (100× at least)", "length",
			quantity{peerName, whole("1,000")}, quantity{memoryName, whole("1,000")}, 1, 0, 100},
		{"a2a-go takes %s× the time for 1,000 events by HTTP (100× at least)", "length",
			quantity{peerName + byHTTP, whole("1,000")}, quantity{memoryName + byHTTP, whole("1,000")}, 1, 0, 100},
		{"chunks that come at 200 a second make the page no task longer than 50 ms (%s)", "page",
			quantity{pageName, "streamed, longest task"}, quantity{}, 1, longTask, 0},
		{"the page replays 20,000 chunks in a second (%s ms)", "page",
			quantity{pageName, "replayed, whole"}, quantity{}, 1, 1000, 0},
	}
}()

// targets says which targets were reached. One whose quantities were not measured is not among them.
func (r *report) targets() (all []string) {
	for _, t := range targets {
		s := r.section(t.section)
		got, base := s.median(t.of.system, t.of.what)*t.scale, 1.0
		if t.base != (quantity{}) {
			base = s.median(t.base.system, t.base.what)
		}
		if got == 0 || base == 0 {
			continue
		}
		outcome := "**missed**: "
		if got /= base; t.most > 0 && got <= t.most || t.atLeast > 0 && got >= t.atLeast {
			outcome = "reached: "
		}
		all = append(all, outcome+fmt.Sprintf(t.text, figure(got)))
	}
	return all
}
