package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

const (
	// drainEvents is how many events a run has: it goes on for long enough to be taken over.
	drainEvents = 10

	// drainWithin is how long an instance with many invocations lives after SIGTERM here.
	drainWithin = 2 * time.Second

	// awayFor is how long a client whose stream has ended stays away, if the stream does not say.
	awayFor = 500 * time.Millisecond
)

// measureDrain measures the end of a full process.
func measureDrain(ctx context.Context, b *bench, s *section) error {
	restore, err := b.lighten(ctx)
	if err != nil {
		return err
	}
	defer restore()
	s.title, s.columns = "The end of a full instance", true
	s.text = fmt.Sprintf("One instance has all streams: half of them with their runs, the others follow these. Another one is up. The first gets SIGTERM, and would be killed %v later. "+
		"All times are from SIGTERM on. A client comes back when its stream says so, or within %v. A run has an event each second, or, of 1,000 streams, each five, and one at once when it goes on elsewhere. "+
		"Each client reads to the end, and gets each event once; otherwise the measurement fails. The table is in "+b.engine.Name+", which shares the machine. Machine's load when it began, over a minute: %s.", drainWithin, awayFor, machineLoad())
	for _, n := range b.drains {
		b.say("%d streams", n)
		if err := b.drain(ctx, s, n); err != nil {
			return fmt.Errorf("%d streams: %w", n, err)
		}
	}
	return nil
}

// drainEvery is the pace of the runs among n streams.
func drainEvery(n int) time.Duration { return max(time.Second, time.Duration(n)*5*time.Millisecond) }

// drain has n streams in an instance that ends.
func (b *bench) drain(ctx context.Context, s *section, n int) error {
	r, err := b.startDense(ctx, emulator.Config{Concurrency: n, MaxInstances: 2, Memory: denseMB})
	if err != nil {
		return err
	}
	defer r.close()
	if _, _, err := r.stream(ctx, load.Order{Events: 2}, nil); err != nil { // starts the process
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var clients errgroup.Group
	readers := make([]*drained, n)
	var opening errgroup.Group
	for i := range n / 2 {
		opening.Go(func() error {
			time.Sleep(time.Duration(i) * 4 * time.Millisecond)
			original, id, err := r.begin(ctx, load.Order{Events: drainEvents, EveryMS: int(drainEvery(n).Milliseconds()), Eager: true})
			if err != nil {
				return err
			}
			subscriber, err := r.subscribe(ctx, id, "1")
			if err != nil {
				return err
			}
			readers[i] = &drained{running: r, task: id, runs: true, stream: original, last: 1}
			readers[n/2+i] = &drained{running: r, task: id, stream: subscriber}
			return nil
		})
	}
	if err := opening.Wait(); err != nil {
		return err
	}
	term := make(chan struct{})
	for _, d := range readers[:n/2*2] {
		clients.Go(func() error {
			err := d.read(ctx, term)
			if err != nil {
				cancel()
			}
			return err
		})
	}
	if _, _, err := r.stream(ctx, load.Order{Events: 2}, nil); err != nil { // the first instance is full: this starts the next one
		return err
	}
	time.Sleep(drainEvery(n)) // all runs are at work
	full := r.agent.Instances()[0].ID
	at := time.Now()
	close(term)
	if err := r.agent.Terminate(full); err != nil {
		return err
	}
	column := fmt.Sprintf("%s streams, %s runs", figure(float64(n)), figure(float64(n/2)))
	s.add(column, "the process has ended", "ms", ms(time.Since(at)))
	if err := clients.Wait(); err != nil {
		return err
	}
	for _, d := range readers[:n/2*2] {
		if d.ended.IsZero() {
			return fmt.Errorf("task %s: the stream has not ended with its process", d.task)
		}
		s.add(column, "a stream has ended", "ms", ms(d.ended.Sub(at)))
		s.add(column, "the client is back", "ms", ms(d.back.Sub(at)))
		s.add(column, "its run's next event comes", "ms", ms(d.next.Sub(at)))
		if d.runs {
			s.add(column, "a run goes on elsewhere", "ms", ms(d.made.Sub(at)))
		}
	}
	return nil
}

// drained is a client in a stream of an instance that ends.
type drained struct {
	*running
	task   string
	runs   bool // the task is that of its own message
	stream *client.Stream
	last   int64 // the number of the last event

	ended, back time.Time // the end of the stream, and the first answer to the next one
	made, next  time.Time // when the first event that was made after that came, and was made
}

// read reads the task to its end, in one stream after the other. Term is closed before the process is
// asked to end.
func (d *drained) read(ctx context.Context, term <-chan struct{}) error {
	defer func() {
		if d.stream != nil { // else it could not come back
			d.stream.Close()
		}
	}()
	for first := false; ; first = true {
		state, err := d.session(first, term)
		if err != nil || state == "completed" {
			return err
		}
		if d.ended.IsZero() {
			d.ended = time.Now()
		}
		retry := d.stream.Retry
		if retry == 0 {
			retry = rand.N(awayFor)
		}
		d.stream.Close()
		for err = io.EOF; err != nil; {
			select {
			case <-time.After(retry):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if d.stream, err = d.subscribe(ctx, d.task, strconv.FormatInt(d.last, 10)); err != nil {
				var refused *client.NotStream
				if !errors.As(err, &refused) || refused.Status < 500 && refused.Status != 429 {
					return err
				}
				retry = rand.N(awayFor)
			}
		}
	}
}

// session reads a stream to its end, and returns the state in its last event. The first one of a client
// that has come back is the task as of the last event that it has seen.
func (d *drained) session(again bool, term <-chan struct{}) (state string, err error) {
	for n := 0; ; n++ {
		e, err := d.stream.Next()
		if err != nil {
			select {
			case <-term:
				return "", nil
			default:
				return "", fmt.Errorf("task %s: the stream ended early: %w", d.task, err)
			}
		}
		id, err := strconv.ParseInt(e.ID, 10, 64)
		switch {
		case err != nil:
			return "", fmt.Errorf("task %s, after event %d: %s", d.task, d.last, e.Data)
		case again && n == 0 && id == d.last:
			if d.back.IsZero() {
				d.back = e.At
			}
			continue
		case id != d.last+1:
			return "", fmt.Errorf("task %s: event %d came after event %d", d.task, id, d.last)
		}
		d.last = id
		if made, ok := load.Stamp(e.Data); ok && d.next.IsZero() && !d.back.IsZero() && !isTask(e) && made.After(d.ended) {
			d.made, d.next = made, e.At
		}
		if strings.Contains(strings.ToLower(e.Data), `completed"`) {
			state = "completed"
		}
		if state != "" {
			return state, nil
		}
	}
}
