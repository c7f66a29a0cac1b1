package main

import "fmt"

// targets says which targets were reached. It leaves out a target that was not measured.
func (r *report) targets() (all []string) {
	add := func(text string, a, b, most, least float64) {
		outcome := "**missed**: "
		switch got := a / b; {
		case a == 0 || b == 0:
			return
		case most > 0 && got <= most || least > 0 && got >= least:
			outcome = "reached: "
		}
		all = append(all, outcome+fmt.Sprintf(text, figure(a/b)))
	}
	first := func(name string) float64 { return r.section("first").median(name, "first byte, 1 at once") }
	whole := func(name, events string) float64 {
		return r.section("length").median(name, "whole stream, "+events+" events")
	}
	page := func(what string) float64 { return r.section("page").median(pageName, what) }
	limit := whole(limitName, "10,000")

	add("the first byte, in memory, takes %s× the limit's time (2× at most)", first(memoryName), first(limitName), 2, 0)
	add("10,000 events, in memory, take %s× the limit's time (2× at most)", whole(memoryName, "10,000"), limit, 2, 0)
	add("10,000 events, on DynamoDB Local, take %s× the limit's time (4× at most)", whole(dynamoName, "10,000"), limit, 4, 0)
	for _, name := range []string{memoryName, dynamoName} {
		add(name+": an event of 100,000 takes %s× the time of one of 1,000 (1.2× at most)",
			whole(name, "100,000")/100, whole(name, "1,000"), 1.2, 0)
	}
	add("a2a-go takes %s× the time for 1,000 events (100× at least)", whole(peerName, "1,000"), whole(memoryName, "1,000"), 0, 100)
	add("a2a-go takes %s× the time for 1,000 events by HTTP (100× at least)",
		whole(peerName+byHTTP, "1,000"), whole(memoryName+byHTTP, "1,000"), 0, 100)
	for _, row := range []string{foldsRow, answersRow, messagesRow} {
		fair := r.section("fair")
		if alone, beside := fair.find(aloneRow, fairDelay), fair.find(row, fairDelay); beside != nil {
			moved := percentile(beside.Values, 99) - percentile(alone.Values, 99)
			add(row+", the p99 delay of a token is %s ms longer (100 at most)", max(moved, 0.1), 1, fairMoves, 0)
		}
	}
	add("chunks that come at 200 a second make the page no task longer than 50 ms (%s)", page("streamed, longest task"), 1, longTask, 0)
	add("the page replays 20,000 chunks in a second (%s ms)", page("replayed, whole"), 1, 1000, 0)
	return all
}
