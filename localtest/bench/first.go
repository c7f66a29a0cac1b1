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
			"stream has ended. Milliseconds from the request to the first byte of the body, and to its end.",
		table: table{head: []string{"", "at once", "first byte, p50", "p99", "to the limit", "a2a-go to it", "whole, p50", "p99"}},
		plot:  &plot{title: "First byte of a stream of six events", x: "ms, p50 to p99, 1 stream at once"},
	}
	for _, clients := range b.clients {
		for _, system := range b.systems {
			k := key{system.name, clients}
			p50 := percentile(first[k], 50)
			s.table.add(system.name, fmt.Sprint(clients), figure(p50), figure(percentile(first[k], 99)),
				ratio(p50, percentile(first[key{limitName, clients}], 50)), ratio(percentile(first[key{system.peer(), clients}], 50), p50),
				figure(percentile(whole[k], 50)), figure(percentile(whole[k], 99)))
			s.samples = append(s.samples,
				series{system.name, fmt.Sprintf("first byte, %d at once", clients), "ms", first[k]},
				series{system.name, fmt.Sprintf("whole stream, %d at once", clients), "ms", whole[k]})
			if clients == 1 {
				s.plot.spans = append(s.plot.spans, span{system, p50, percentile(first[k], 99)})
			}
		}
	}
	factor := percentile(first[key{memoryName, 1}], 50) / percentile(first[key{limitName, 1}], 50)
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
