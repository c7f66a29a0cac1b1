package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"a2alambda/localtest/bench/internal/load"
)

// rowsTable is the head of tables that have a quantity a row.
var rowsTable = []string{"", "", "p50", "p99", "× the limit", "a2a-go ÷ this"}

// addRow adds the row of a quantity, and its samples. The limit's and a2a-go's samples may be nil.
func (s *section) addRow(system, what, unit string, samples, limit, peer []float64) {
	p50 := percentile(samples, 50)
	median := func(samples []float64) float64 {
		if len(samples) == 0 {
			return 0
		}
		return percentile(samples, 50)
	}
	s.table.add(system, what+", "+unit, figure(p50), figure(percentile(samples, 99)), ratio(p50, median(limit)), ratio(median(peer), p50))
	s.samples = append(s.samples, series{system, what, unit, samples})
}

// measureElsewhere measures what clients get from an instance that does not run their task.
func measureElsewhere(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "From another instance",
		text: fmt.Sprintf("A subscriber's lag is from the moment at which the agent made an event, in the instance that runs the task, to its arrival. Resumed is a stream whose client "+
			"has gone away, whose instance is killed then, and which the client asks for again with the last event that it has seen: the time from the "+
			"request to the first event that was missed. Replayed is a task of %s events that has ended.", figure(float64(b.replayed))),
		table: table{head: rowsTable},
		notes: []string{"a2a-go shows a task only in the process that runs it: there it is measured, by HTTP. It replays nothing. The limit's replay is its stream."},
	}
	for _, pace := range []struct {
		what           string
		order          load.Order
		rounds, atOnce int
	}{
		{"lag, 50 events a second", load.Order{Events: b.tokens + 2, EveryMS: 20}, 1, 1},
		{"lag, 1 event a second", load.Order{Events: 3 + b.others/2, EveryMS: 1000}, 1, 8},
	} {
		b.say("%s", pace.what)
		ours, theirs, err := b.lags(ctx, pace.order, pace.atOnce)
		if err != nil {
			return s, fmt.Errorf("%s: %w", pace.what, err)
		}
		s.addRow(dynamoName, pace.what, "ms", ours, nil, theirs)
		s.addRow(peerServerName, pace.what, "ms", theirs, nil, theirs)
	}
	b.say("resumed after a kill")
	resumed, err := b.resumptions(ctx)
	if err != nil {
		return s, fmt.Errorf("resuming: %w", err)
	}
	s.addRow(dynamoName, "resumed after a kill", "ms", resumed, nil, nil)
	replays := map[string][]float64{}
	all := b.named(limitName, memoryServerName, dynamoName, dynamoSlowName)
	err = b.inTurn(ctx, 1, all, func(system *system) error {
		rates, err := b.replays(ctx, system)
		replays[system.name] = rates
		return err
	})
	if err != nil {
		return s, err
	}
	for _, system := range all {
		s.addRow(system.name, "replayed", "µs per event", replays[system.name], replays[limitName], nil)
	}
	return s, nil
}

// named returns the systems with these names.
func (b *bench) named(names ...string) (all []*system) {
	for _, name := range names {
		for _, s := range b.systems {
			if s.name == name {
				all = append(all, s)
			}
		}
	}
	return all
}

// lags returns the lags of subscribers to tasks, so many at once: to this project's in another instance, and to a2a-go's in the
// same process.
func (b *bench) lags(ctx context.Context, o load.Order, atOnce int) (ours, theirs []float64, err error) {
	r, _, err := b.startStack(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	if err := r.warm(ctx, 2*atOnce); err != nil {
		return nil, nil, err
	}
	if ours, err = r.lags(ctx, o, atOnce); err != nil {
		return nil, nil, err
	}
	peer, err := b.named(peerServerName)[0].run(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	defer peer.close()
	theirs, err = peer.lags(ctx, o, atOnce)
	return ours, theirs, err
}

func (r *running) lags(ctx context.Context, o load.Order, atOnce int) (all []float64, err error) {
	var mu sync.Mutex
	err = r.together(atOnce, func() error {
		var delays []float64
		var err error
		for range 5 { // a subscriber that comes too late tries again, with a longer task
			if delays, err = r.lag(ctx, o); err == nil || ctx.Err() != nil {
				break
			}
			o.Events *= 2
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, delays...)
		return err
	})
	return all, err
}

// lag returns the lags of a subscriber to a new task.
func (r *running) lag(ctx context.Context, o load.Order) ([]float64, error) {
	original, id, err := r.begun(ctx, o)
	if err != nil {
		return nil, err
	}
	defer original.drop()
	subscriber := r.live(ctx, subscribe(id), "")
	defer subscriber.drop()
	delays, err := subscriber.delays()
	if _, originalErr := original.delays(); err == nil {
		err = originalErr
	}
	if n := o.Events - 2; err == nil && (len(delays) < n/2 || len(delays) == 0) {
		err = fmt.Errorf("of %d events the subscriber saw %d", n, len(delays))
	}
	return delays, err
}

// delays reads the stream to its end, and returns how much later than they were made its events came, in ms.
func (l *live) delays() (all []float64, err error) {
	for {
		f, err := l.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if made, ok := load.Stamp(f.data); ok && !f.task() {
			all = append(all, ms(f.at.Sub(made)))
		}
	}
}

// resumptions returns how long clients wait that come back after the death of their instance.
func (b *bench) resumptions(ctx context.Context) (all []float64, err error) {
	for range b.others {
		took, err := b.resumption(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}

func (b *bench) resumption(ctx context.Context) (float64, error) {
	r, s, err := b.startStack(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if err := r.warm(ctx, 2); err != nil {
		return 0, err
	}
	original, id, err := r.begun(ctx, load.Order{Events: 1000, EveryMS: 20})
	if err != nil {
		return 0, err
	}
	var last frame
	for range 10 {
		if last, err = original.next(); err != nil {
			return 0, err
		}
	}
	original.drop()
	select { // the run goes on: these events are missed
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := kill(s.Agent); err != nil {
		return 0, err
	}
	begin := time.Now()
	again := r.live(ctx, subscribe(id), last.id)
	defer again.drop()
	for {
		f, err := again.next()
		if err != nil {
			return 0, err
		}
		if !f.task() {
			return ms(f.at.Sub(begin)), nil
		}
	}
}

// replays returns the times for an event, in µs, of replaying a task.
func (b *bench) replays(ctx context.Context, s *system) (all []float64, err error) {
	o := load.Order{Events: b.replayed}
	r, err := s.run(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer r.close()
	original, id, err := r.begun(ctx, o)
	if err != nil {
		return nil, err
	}
	if _, err := original.delays(); err != nil {
		return nil, err
	}
	for range 5 {
		body, last, want := subscribe(id), "1", o.Events
		if s.name == limitName { // keeps nothing, and streams it again
			body, last = r.send(o), ""
		}
		n := 0
		t, err := r.open(ctx, body, last, func(frame) { n++ })
		if err == nil && n != want {
			err = fmt.Errorf("%d events of %d were replayed", n, want)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, ms(t.whole)*1000/float64(n))
	}
	return all, nil
}
