package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"a2alambda/localtest/bench/internal/load"
)

// handOverTimeout is that of the invocations whose runs are handed over: the five seconds before its end are for that.
const handOverTimeout = 7 * time.Second

// measureRecovery measures what interrupts a run: a cancellation, the death of its instance, the end of its invocation.
func measureRecovery(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "Canceled, taken over, handed over",
		text: "Canceled: from the request, to another instance than runs the task, to the canceled task in the answer; the agent is silent. Taken over: " +
			"from the death of the instance to the next event at a subscriber (the lease that has to end lasts 15 s). Handed over: between the last event " +
			"before the end of an invocation and the next one, made by a worker, at a client that subscribes again when its stream has ended.",
		table: table{head: rowsTable},
		notes: []string{"a2a-go is canceled by HTTP, in the process that runs the task. A run that it loses is lost."},
	}
	b.say("canceled")
	canceled, err := b.cancellations(ctx, func() (*running, error) {
		r, _, err := b.startStack(ctx, 0)
		return r, err
	})
	if err != nil {
		return s, fmt.Errorf("canceling: %w", err)
	}
	peerCanceled, err := b.cancellations(ctx, func() (*running, error) { return b.named(peerServerName)[0].run(ctx, 1) })
	if err != nil {
		return s, fmt.Errorf("canceling a2a-go's: %w", err)
	}
	s.addRow(dynamoName, "canceled", "ms", canceled, nil, peerCanceled)
	s.addRow(peerServerName, "canceled", "ms", peerCanceled, nil, peerCanceled)
	for _, one := range []struct {
		what    string
		measure func(context.Context) (time.Duration, error)
		times   int
	}{
		{"taken over", b.takeover, b.cutOffs},
		{"handed over", b.handOver, b.cutOffs},
	} {
		if one.times == 0 {
			continue
		}
		b.say("%s, %d at once", one.what, one.times)
		var mu sync.Mutex
		var took []float64
		err := new(running).together(one.times, func() error {
			d, err := one.measure(ctx)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, ms(d))
			return err
		})
		if err != nil {
			return s, fmt.Errorf("%s: %w", one.what, err)
		}
		s.addRow(dynamoName, one.what, "ms", took, nil, nil)
	}
	return s, nil
}

// cancellations returns how long it takes to cancel tasks whose agent is silent, one after the other.
func (b *bench) cancellations(ctx context.Context, start func() (*running, error)) (all []float64, err error) {
	r, err := start()
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.warm(ctx, 2); err != nil {
		return nil, err
	}
	for range b.others {
		original, id, err := r.begun(ctx, load.Order{Events: 3, EveryMS: 60_000})
		if err != nil {
			return nil, err
		}
		time.Sleep(rand.N(500 * time.Millisecond)) // at any moment of the holder's asking
		begin := time.Now()
		answer, err := r.call(ctx, call("CancelTask", id))
		all = append(all, ms(time.Since(begin)))
		if err == nil && !strings.Contains(answer, `"TASK_STATE_CANCELED"`) {
			err = errors.New(answer)
		}
		if err != nil {
			return nil, err
		}
		if _, err := original.delays(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// takeover kills the instance that runs a task, and returns how long a subscriber waits for the next event.
func (b *bench) takeover(ctx context.Context) (time.Duration, error) {
	r, s, err := b.startStack(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer r.close()
	original, id, err := r.begun(ctx, load.Order{Events: 1000, EveryMS: 100})
	if err != nil {
		return 0, err
	}
	defer original.drop()
	runs := s.Agent.Instances()
	if len(runs) != 1 {
		return 0, fmt.Errorf("%d instances serve one stream", len(runs))
	}
	subscriber := r.live(ctx, subscribe(id), "1")
	defer subscriber.drop()
	if _, err := subscriber.until(time.Time{}); err != nil {
		return 0, err
	}
	time.Sleep(rand.N(5 * time.Second)) // at any moment of the lease's renewals
	if err := s.Agent.Kill(runs[0].ID); err != nil {
		return 0, err
	}
	killed := time.Now()
	f, err := subscriber.until(killed)
	return f.at.Sub(killed), err
}

// handOver runs a task to the end of its invocation, and returns how much time is between the last event before and the first one
// after it at a client that then subscribes again.
func (b *bench) handOver(ctx context.Context) (time.Duration, error) {
	r, _, err := b.startStack(ctx, handOverTimeout)
	if err != nil {
		return 0, err
	}
	defer r.close()
	original, id, err := r.begun(ctx, load.Order{Events: 1000, EveryMS: 20})
	if err != nil {
		return 0, err
	}
	defer original.drop()
	var last frame
	for {
		f, err := original.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		last = f
	}
	again := r.live(ctx, subscribe(id), last.id)
	defer again.drop()
	for {
		f, err := again.next()
		if err != nil {
			return 0, err
		}
		if f.task() {
			continue
		}
		seq, err := strconv.Atoi(last.id)
		if err != nil || f.id != strconv.Itoa(seq+1) {
			return 0, fmt.Errorf("after event %s came %s", last.id, f.id)
		}
		return f.at.Sub(last.at), nil
	}
}
