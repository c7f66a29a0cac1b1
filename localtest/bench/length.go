package main

import (
	"context"
	"errors"
	"fmt"

	"a2alambda/localtest/bench/internal/load"
)

// lengthResult is what is known of a system's streams of one length.
type lengthResult struct {
	whole  []float64 // ms
	memory []float64 // MB, the process's peak
}

// measureLength measures streams of several lengths, each in a process that has done nothing before but warm up.
func measureLength(ctx context.Context, b *bench) (section, error) {
	results := map[string]map[int]*lengthResult{}
	tooLong := map[string]int{} // the length from which on a system is left out
	bytes := int64(0)           // of an event
	for _, s := range b.systems {
		results[s.name] = map[int]*lengthResult{}
	}
	giveUp := func(s *system, length int) {
		tooLong[s.name] = length
		b.leaveOut("%s with %s events and more: a stream takes longer than %v.", s.name, figure(float64(length)), b.patience)
	}
	for i, length := range b.lengths {
		b.say("%s events", figure(float64(length)))
		for _, s := range b.systems {
			results[s.name][length] = new(lengthResult)
		}
		err := b.inTurn(ctx, b.rounds, b.systems, func(s *system) error {
			if limit := tooLong[s.name]; limit > 0 && length >= limit {
				return nil
			}
			// No system gets faster with the length, so that a stream that would be too long at the pace before need not be tried.
			if i > 0 && results[s.name][b.lengths[i-1]].median()*float64(length/b.lengths[i-1]) > ms(b.patience) {
				giveUp(s, length)
				return nil
			}
			r, err := s.run(ctx, 1)
			if err != nil {
				return err
			}
			defer r.close()
			patient, cancel := context.WithTimeout(ctx, b.patience)
			defer cancel()
			result := results[s.name][length]
			for range max(1, min(20, 2000/length)) {
				t, err := r.stream(patient, load.Order{Events: length}, nil)
				if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
					giveUp(s, length)
					results[s.name][length] = new(lengthResult)
					return nil
				}
				if err != nil {
					return err
				}
				result.whole = append(result.whole, ms(t.whole))
				if s.name == memoryName {
					bytes = t.bytes / int64(length)
				}
			}
			peak := 0.0
			for _, pid := range r.pids() {
				mb, err := peakMemory(pid)
				if err != nil {
					return err
				}
				peak = max(peak, mb)
			}
			result.memory = append(result.memory, peak)
			return nil
		})
		if err != nil {
			return section{}, err
		}
	}
	return lengthSection(b, results, bytes), nil
}

// median returns the whole time of the system's streams of a length, in milliseconds, or 0 if there are none.
func (r *lengthResult) median() float64 {
	if r == nil || len(r.whole) == 0 {
		return 0
	}
	return percentile(r.whole, 50)
}

func lengthSection(b *bench, results map[string]map[int]*lengthResult, bytes int64) section {
	s := section{
		title: "Long streams",
		text: fmt.Sprintf("Streams of so many events, as fast as the agent can make them: statuses with a text of 100 bytes, %d bytes each on the "+
			"wire. Events a second, from the request to the end (medians), and the most memory that the process, a new one, has had, in MB.", bytes),
		notes: []string{"The limit writes each event by itself. This project writes together what has come while the write before was under way, so it " +
			"can be faster than the limit."},
		plot: &plot{title: "Time for each event of a stream", x: "events in the stream", y: "µs per event"},
	}
	const near, far = 1000, 10_000 // where the ratios are taken
	s.table.head = []string{""}
	for _, length := range b.lengths {
		s.table.head = append(s.table.head, figure(float64(length))+" events")
	}
	s.table.head = append(s.table.head, "× the limit at "+figure(far), "a2a-go ÷ this at "+figure(near))
	for _, length := range b.lengths {
		s.table.head = append(s.table.head, "MB at "+figure(float64(length)))
	}
	for _, system := range b.systems {
		row, memory := []string{system.name}, []string(nil)
		drawn := line{system: system}
		for _, length := range b.lengths {
			r := results[system.name][length]
			if len(r.whole) == 0 {
				row, memory = append(row, none), append(memory, none)
				continue
			}
			row = append(row, figure(float64(length)/r.median()*1000))
			memory = append(memory, figure(percentile(r.memory, 50)))
			drawn.points = append(drawn.points, [2]float64{float64(length), r.median() * 1000 / float64(length)})
			events := figure(float64(length)) + " events"
			s.samples = append(s.samples, series{system.name, "whole stream, " + events, "ms", r.whole},
				series{system.name, "peak memory, " + events, "MB", r.memory})
		}
		if len(drawn.points) > 0 {
			s.plot.lines = append(s.plot.lines, drawn)
		}
		row = append(row, ratio(results[system.name][far].median(), results[limitName][far].median()),
			ratio(results[system.peer()][near].median(), results[system.name][near].median()))
		s.table.add(append(row, memory...)...)
	}
	s.targets = lengthTargets(results)
	return s
}

// lengthTargets compares what was measured with what is wanted. A target whose streams were not measured is none.
func lengthTargets(results map[string]map[int]*lengthResult) (targets []target) {
	add := func(a, b float64, format string, want float64, atLeast bool) {
		if a == 0 || b == 0 {
			return
		}
		held := a/b <= want
		if atLeast {
			held = a/b >= want
		}
		targets = append(targets, target{fmt.Sprintf(format, figure(a/b)), held})
	}
	at := func(name string, length int) float64 { return results[name][length].median() }
	limit := at(limitName, 10_000)
	add(at(memoryName, 10_000), limit, "10,000 events, in memory, take %s× the limit's time (2× at most)", 2, false)
	add(at(dynamoName, 10_000), limit, "10,000 events, on DynamoDB Local, take %s× the limit's time (4× at most)", 4, false)
	for _, name := range []string{memoryName, dynamoName} {
		add(at(name, 100_000)/100, at(name, 1000), name+": an event of 100,000 takes %s× the time of one of 1,000 (1.2× at most)", 1.2, false)
	}
	add(at(peerName, 1000), at(memoryName, 1000), "a2a-go takes %s× the time for 1,000 events (100× at least)", 100, true)
	add(at(peerServerName, 1000), at(memoryServerName, 1000), "a2a-go takes %s× the time for 1,000 events by HTTP (100× at least)", 100, true)
	return targets
}
