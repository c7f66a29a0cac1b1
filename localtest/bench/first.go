package main

import (
	"context"
	"fmt"
	"sync"
)

// measureFirst measures the first byte and the end of short streams.
func measureFirst(ctx context.Context, b *bench) (section, error) {
	type key struct {
		system  string
		clients int
	}
	first, whole := map[key][]float64{}, map[key][]float64{}
	var mu sync.Mutex
	for _, clients := range b.clients {
		b.say("%d at once", clients)
		err := b.inTurn(ctx, b.rounds, b.systems, func(s *system) error {
			r, err := s.run(ctx, clients)
			if err != nil {
				return err
			}
			defer r.close()
			return r.together(clients, func() error {
				for range max(b.streams/clients, 3) {
					t, err := r.stream(ctx, tutorial, nil)
					if err != nil {
						return err
					}
					mu.Lock()
					k := key{s.name, clients}
					first[k], whole[k] = append(first[k], ms(t.first)), append(whole[k], ms(t.whole))
					mu.Unlock()
				}
				return nil
			})
		})
		if err != nil {
			return section{}, err
		}
	}

	s := section{
		title: "First byte and whole stream",
		text: "The tutorial's task without its delays, six events, streamed to so many clients at once, each of which asks again when its " +
			"stream has ended. Milliseconds, p50 – p99, from the request to the first byte of the body, and to its end; in the ratios, the p50 of the " +
			"first byte of one stream.",
		table: table{head: []string{""}},
		plot:  &plot{title: "First byte of a stream of six events", x: "ms, p50 to p99, one stream at once"},
	}
	for _, clients := range b.clients {
		s.table.head = append(s.table.head, fmt.Sprintf("%d at once: first byte", clients), "whole")
	}
	s.table.head = append(s.table.head, "× the limit", "a2a-go ÷ this")
	p50 := func(name string) float64 { return percentile(first[key{name, 1}], 50) }
	for _, system := range b.systems {
		row := []string{system.name}
		for _, clients := range b.clients {
			k := key{system.name, clients}
			row = append(row, p50p99(first[k]), p50p99(whole[k]))
			s.samples = append(s.samples,
				series{system.name, fmt.Sprintf("first byte, %d at once", clients), "ms", first[k]},
				series{system.name, fmt.Sprintf("whole stream, %d at once", clients), "ms", whole[k]})
		}
		s.table.add(append(row, ratio(p50(system.name), p50(limitName)), ratio(p50(system.peer()), p50(system.name)))...)
		s.plot.spans = append(s.plot.spans, span{system, p50(system.name), percentile(first[key{system.name, 1}], 99)})
	}
	factor := p50(memoryName) / p50(limitName)
	s.targets = []target{{fmt.Sprintf("the first byte, in memory, takes %s× the limit's time (2× at most)", figure(factor)), factor <= 2}}
	return s, nil
}

// peer returns the name of a2a-go's server as it is reached as this system is.
func (s *system) peer() string {
	if s.server {
		return peerServerName
	}
	return peerName
}
