package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"a2alambda/internal/sse"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// measureElsewhere measures what clients get from an instance that does not run their task.
func measureElsewhere(ctx context.Context, b *bench, s *section) error {
	s.title = "From another instance"
	s.text = "A subscriber's lag is from the moment at which the agent made an event, in the instance that runs the task, to its arrival. " +
		"Resumed is a stream whose client has gone away, whose instance is killed then, and which the client asks for again with the last " +
		"event that it has seen: the time from the request to the first event that was missed."
	s.notes = []string{"a2a-go shows a task only in the process that runs it: there it is measured, by HTTP."}
	for _, name := range []string{dynamoName, peerName + byHTTP} {
		b.say("lag: %s", name)
		lags, err := b.lags(ctx, b.named(name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.add(name, "lag, 50 events a second", "ms", lags...)
	}
	for i := range b.resumes {
		b.say("resumed after a kill, %d of %d", i+1, b.resumes)
		took, err := b.resume(ctx)
		if err != nil {
			return fmt.Errorf("resuming: %w", err)
		}
		s.add(dynamoName, "resumed after a kill", "ms", ms(took))
	}
	return nil
}

// lags returns the lags of a task's subscriber. If it comes too late, it tries a longer task.
func (b *bench) lags(ctx context.Context, system *system) (all []float64, err error) {
	r, err := system.run(ctx, 2)
	if err != nil {
		return nil, err
	}
	defer r.close()
	for n := b.tokens; n < 1000*b.tokens; n *= 2 {
		original, id, err := r.begin(ctx, load.Order{Events: n + 2, EveryMS: 20})
		if err != nil {
			return nil, err
		}
		defer original.Close()
		go original.Until("no event has this")
		all = nil
		subscriber, err := r.subscribe(ctx, id)
		for err == nil {
			var e sse.Event
			if e, err = subscriber.Next(); err == nil {
				if d, ok := delay(e); ok {
					all = append(all, ms(d))
				}
			}
		}
		if subscriber != nil {
			subscriber.Close()
		}
		if ctx.Err() != nil || errors.Is(err, io.EOF) && len(all) > n/2 {
			return all, ctx.Err()
		}
	}
	return nil, errors.New("subscribers come too late")
}

// begin opens the stream of an order, and reads the task's id from its first event.
func (r *running) begin(ctx context.Context, o load.Order) (s *client.Stream, id string, err error) {
	if s, err = r.open(ctx, o); err != nil {
		return nil, "", err
	}
	first, err := s.Next()
	var body struct {
		Result struct{ Task struct{ ID string } }
	}
	if err == nil && (json.Unmarshal([]byte(first.Data), &body) != nil || body.Result.Task.ID == "") {
		err = fmt.Errorf("the stream begins with %s", first.Data)
	}
	if err != nil {
		s.Close()
		return nil, "", err
	}
	return s, body.Result.Task.ID, nil
}

// subscribe asks for a task's events: all, or those after lastEventID.
func (r *running) subscribe(ctx context.Context, id string, lastEventID ...string) (*client.Stream, error) {
	var headers []string
	for _, last := range lastEventID {
		headers = append(headers, "Last-Event-ID", last)
	}
	return client.Open(ctx, r.url, "SubscribeToTask", fmt.Sprintf(`{"id":%q}`, id), headers...)
}

// next returns the next event that was made after a time. It passes over whole tasks.
func next(s *client.Stream, after time.Time) (sse.Event, error) {
	for {
		e, err := s.Next()
		if made, ok := load.Stamp(e.Data); err != nil || ok && made.After(after) && !isTask(e) {
			return e, err
		}
	}
}

func (r *running) holder() (id string, err error) {
	for _, i := range r.agent.Instances() {
		if i.State == emulator.Busy && id == "" {
			id = i.ID
		} else if i.State == emulator.Busy {
			err = errors.New("several instances are busy")
		}
	}
	return id, err
}

// resume returns how long a client waits when it comes back after its instance has died.
func (b *bench) resume(ctx context.Context) (took time.Duration, err error) {
	r, err := b.named(dynamoName).run(ctx, 2)
	if err != nil {
		return 0, err
	}
	defer r.close()
	original, id, err := r.begin(ctx, load.Order{Events: 1000, EveryMS: 20})
	if err != nil {
		return 0, err
	}
	var last sse.Event
	for range 10 {
		if last, err = original.Next(); err != nil {
			return 0, err
		}
	}
	original.Close()
	time.Sleep(300 * time.Millisecond) // these events are missed
	holder, err := r.holder()
	if err := errors.Join(err, r.agent.Kill(holder)); err != nil {
		return 0, err
	}
	begin := time.Now()
	again, err := r.subscribe(ctx, id, last.ID)
	if err != nil {
		return 0, err
	}
	defer again.Close()
	e, err := next(again, time.Time{})
	return e.At.Sub(begin), err
}

// measureRecovery measures what a run loses when its instance dies.
func measureRecovery(ctx context.Context, b *bench, s *section) error {
	s.title = "Taken over"
	s.text = "From the death of the instance that runs a task to the next event at a subscriber that stays: a renewal must be overdue, and the holder must leave a question unanswered. For clients that come back see the tests."
	b.say("%d at once", b.cutOffs)
	return together(b.cutOffs, func() error {
		took, err := b.takeover(ctx)
		if err == nil {
			s.add(dynamoName, "taken over", "ms", ms(took))
		}
		return err
	})
}

// takeover kills a task's instance. It returns how long a subscriber waits for an event.
func (b *bench) takeover(ctx context.Context) (time.Duration, error) {
	r, err := b.startStack(ctx)
	if err != nil {
		return 0, err
	}
	defer r.close()
	original, id, err := r.begin(ctx, load.Order{Events: 1000, EveryMS: 100})
	if err != nil {
		return 0, err
	}
	defer original.Close()
	holder, err := r.holder()
	if err != nil {
		return 0, err
	}
	subscriber, err := r.subscribe(ctx, id, "1")
	if err != nil {
		return 0, err
	}
	defer subscriber.Close()
	if _, err := next(subscriber, time.Time{}); err != nil {
		return 0, err
	}
	time.Sleep(rand.N(5 * time.Second)) // any moment between two renewals
	if err := r.agent.Kill(holder); err != nil {
		return 0, err
	}
	killed := time.Now()
	e, err := next(subscriber, killed)
	return e.At.Sub(killed), err
}
