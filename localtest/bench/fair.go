package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"a2alambda/internal/sse"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
)

const (
	// fairName is the system: one process serves all.
	fairName = memoryName + byHTTP

	aloneRow  = "the streams alone"
	besideRow = "beside heavy work"
	fairDelay = "delay of a token"

	// heavyEvents make a log of about 16 MB.
	heavyEvents = 46_000

	// heavyBody is a body of 6 MB of small values.
	heavyBytes = 5_900_000
)

// measureFair has many streams of tokens in one process, alone and beside callers who make it work hard.
func measureFair(ctx context.Context, b *bench, s *section) error {
	s.title = "Heavy work beside streams"
	r, err := b.named(fairName).run(ctx, 1)
	if err != nil {
		return err
	}
	defer r.close()
	task := ""
	size := 0
	if _, _, err := r.stream(ctx, load.Order{Events: heavyEvents}, func(e sse.Event) {
		if size += len(e.Data); task == "" {
			task, err = taskIn(client.Answer{Body: e.Data})
		}
	}); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	s.text = fmt.Sprintf("%d streams in one process in memory, over HTTP, each with four tokens a second, from the moment at which the agent made a token to its "+
		"arrival; and the same beside three callers: one reads a task with a log of %d MB again and again, two send bodies of 6 MB of small values. The callers "+
		"and the clients are on the same machine.", b.beside, size>>20)
	order := load.Order{Events: min(b.tokens, 40) + 2, EveryMS: 250, Tokens: true}
	streams := func(row string) error {
		return together(b.beside, func() error {
			_, _, err := r.stream(ctx, order, func(e sse.Event) {
				if d, ok := delay(e); ok {
					s.add(row, fairDelay, "ms", ms(d))
				}
			})
			return err
		})
	}
	for round := range b.rounds {
		b.say("round %d of %d: %d streams alone", round+1, b.rounds, b.beside)
		if err := streams(aloneRow); err != nil {
			return err
		}
		b.say("round %d of %d: beside heavy work", round+1, b.rounds)
		var reads, sends atomic.Int64
		heavy, stop := context.WithCancel(ctx)
		var working errgroup.Group
		working.Go(func() error { return r.readAgain(heavy, task, &reads) })
		for range 2 {
			working.Go(func() error { return r.sendAgain(heavy, &sends) })
		}
		err := streams(besideRow)
		stop()
		if err = errors.Join(err, working.Wait()); err != nil {
			return err
		}
		b.say("meanwhile the task was read %d times, and %d bodies were sent", reads.Load(), sends.Load())
	}
	return nil
}

// readAgain reads the task until ctx ends.
func (r *running) readAgain(ctx context.Context, task string, n *atomic.Int64) error {
	return again(ctx, n, func() (*http.Response, error) {
		if n.Load()%2 == 0 {
			return client.Send(ctx, http.MethodPost, r.url, client.Request("GetTask", client.ByID(task)), "A2A-Version", "1.0")
		}
		return client.Send(ctx, http.MethodPost, r.url, client.Request("SubscribeToTask", client.ByID(task)),
			"A2A-Version", "1.0", "Last-Event-ID", fmt.Sprint(heavyEvents-1)) // which is folded, and sent, as of that event
	})
}

// sendAgain sends bodies that are refused once they have been read: they have more values than a task
// may have.
func (r *running) sendAgain(ctx context.Context, n *atomic.Int64) error {
	values := strings.Repeat(`{"a":{}},`, heavyBytes/9)
	return again(ctx, n, func() (*http.Response, error) {
		return client.Send(ctx, http.MethodPost, r.url, client.Request("SendMessage",
			`{"message":{"role":"ROLE_USER","messageId":"`+rand.Text()+`","parts":[{"data":[`+values+`0]}]}}`), "A2A-Version", "1.0")
	})
}

// again sends requests until ctx ends, and reads their answers.
func again(ctx context.Context, n *atomic.Int64, send func() (*http.Response, error)) error {
	for ctx.Err() == nil {
		resp, err := send()
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		n.Add(1)
	}
	return nil
}
