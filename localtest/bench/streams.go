package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"a2alambda/internal/sse"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
)

func (r *running) open(ctx context.Context, o load.Order) (*client.Stream, error) {
	if r.legacy {
		return client.Open(ctx, r.url, "message/stream", fmt.Sprintf(
			`{"message":{"role":"user","messageId":%q,"parts":[{"kind":"text","text":%q}]}}`, rand.Text(), o))
	}
	return client.Open(ctx, r.url, "SendStreamingMessage", fmt.Sprintf(
		`{"message":{"role":"ROLE_USER","messageId":%q,"parts":[{"text":%q}]}}`, rand.Text(), o))
}

// stream sends an order, passes each event to seen, if set, and reads to the end, which must bring
// all events. It returns how long the first event and the whole stream took from the request on.
func (r *running) stream(ctx context.Context, o load.Order, seen func(sse.Event)) (first, whole time.Duration, err error) {
	begin := time.Now()
	s, err := r.open(ctx, o)
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	var last sse.Event
	for n := 0; ; n++ {
		e, err := s.Next()
		switch {
		case errors.Is(err, io.EOF) && n == o.Events && strings.Contains(strings.ToLower(last.Data), "completed"):
			return first, time.Since(begin), nil
		case errors.Is(err, io.EOF):
			return 0, 0, fmt.Errorf("order %v got %d events, the last being %s", o, n, last.Data)
		case err != nil:
			return 0, 0, err
		case n == 0:
			first = e.At.Sub(begin)
		}
		if last = e; seen != nil {
			seen(e)
		}
	}
}

// isTask reports whether the event is a whole task, which repeats earlier events.
func isTask(e sse.Event) bool { return strings.Contains(e.Data, `"task":{`) }

// delay returns the time from when an event was made to now.
func delay(e sse.Event) (time.Duration, bool) {
	made, ok := load.Stamp(e.Data)
	return e.At.Sub(made), ok && !isTask(e)
}

func measureFirst(ctx context.Context, b *bench, s *section) error {
	s.title = "First byte and whole stream"
	s.text = "Six events, as many as the tutorial's task has, streamed to one client or to several at once, each of which asks again when " +
		"its stream has ended. From the request to the first event, and to the end of the body."
	for _, clients := range b.clients {
		err := b.inTurn(ctx, b.rounds, func(system *system) error {
			r, err := system.run(ctx, clients)
			if err != nil {
				return err
			}
			defer r.close()
			return together(clients, func() error {
				for range max(b.streams/clients, 3) {
					first, whole, err := r.stream(ctx, load.Order{Events: 6}, nil)
					if err != nil {
						return err
					}
					s.add(system.name, fmt.Sprintf("first byte, %d at once", clients), "ms", ms(first))
					s.add(system.name, fmt.Sprintf("whole stream, %d at once", clients), "ms", ms(whole))
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// measureLength measures streams of several lengths, each in a process that has only warmed up.
func measureLength(ctx context.Context, b *bench, s *section) error {
	s.title = "Long streams"
	s.text = "Events as fast as the agent can make them: statuses with a text of 100 bytes. From the request to the end of the stream."
	what := func(length int) string { return "whole stream, " + figure(float64(length)) + " events" }
	tooLong := map[*system]bool{}
	for i, length := range b.lengths {
		err := b.inTurn(ctx, b.rounds, func(system *system) error {
			// No system gets faster with the length: leave out a stream that would take too long at
			// the pace of the one before.
			if i > 0 && s.median(system.name, what(b.lengths[i-1]))*float64(length/b.lengths[i-1]) > ms(b.patience) {
				tooLong[system] = true
			}
			if !tooLong[system] {
				patient, cancel := context.WithTimeout(ctx, b.patience)
				defer cancel()
				err := b.streamLong(patient, s, system, length, what(length))
				if err == nil || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
					return err
				}
				tooLong[system] = true
			}
			b.leaveOut("%s with %s events and more: a stream takes longer than %v.", system.name, figure(float64(length)), b.patience)
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.plot = &plot{title: "Time for each event of a stream", x: "events in the stream", y: "µs per event"}
	for _, system := range b.systems {
		drawn := line{name: system.name}
		for _, length := range b.lengths {
			if median := s.median(system.name, what(length)); median > 0 {
				drawn.points = append(drawn.points, [2]float64{float64(length), median * 1000 / float64(length)})
			}
		}
		if drawn.points != nil {
			s.plot.lines = append(s.plot.lines, drawn)
		}
	}
	return nil
}

func (b *bench) streamLong(ctx context.Context, s *section, system *system, length int, what string) error {
	r, err := system.run(ctx, 1)
	if err != nil {
		return err
	}
	defer r.close()
	for range max(1, min(20, 2000/length)) {
		_, whole, err := r.stream(ctx, load.Order{Events: length}, nil)
		if err != nil {
			return err
		}
		s.add(system.name, what, "ms", ms(whole))
	}
	return nil
}

// measureTokens measures how much later the client has a token than the agent.
func measureTokens(ctx context.Context, b *bench, s *section) error {
	s.title = "Tokens, 50 a second"
	s.text = fmt.Sprintf("%d chunks of an artifact, one every 20 ms: from the moment at which the agent made a token to its arrival at the "+
		"client.", b.tokens)
	return b.inTurn(ctx, 1, func(system *system) error {
		r, err := system.run(ctx, 1)
		if err != nil {
			return err
		}
		defer r.close()
		n := 0
		_, _, err = r.stream(ctx, load.Order{Events: b.tokens + 2, EveryMS: 20, Tokens: true}, func(e sse.Event) {
			if d, ok := delay(e); ok {
				s.add(system.name, "delay of a token", "ms", ms(d))
				n++
			}
		})
		if err == nil && n != b.tokens {
			err = fmt.Errorf("%d of %d tokens say when they were made", n, b.tokens)
		}
		return err
	})
}
