package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"a2alambda/internal/sse"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
)

const (
	aloneRow    = "the streams alone"
	foldsRow    = "beside folds of a log"
	answersRow  = "beside answers with a task"
	messagesRow = "beside messages"
	fairDelay   = "delay of a token"

	// fairMoves is by how much heavy work may move the 99th percentile of the delay, in milliseconds.
	fairMoves = 100

	// fairLimit is what a process with 2 GB gives its collector.
	fairLimit = "GOMEMLIMIT=1792MiB"

	// fairEvery is the time from one token of a stream to the next, in milliseconds.
	fairEvery = 250

	// heavyEvents make a log, and a task, of more than 16 MB.
	heavyEvents = 46_000

	// heavyBytes in heavyValues are about the most that a body may have, 6 MB and 100,000 values. Three are more than 16 MB.
	heavyBytes, heavyValues = 6_000_000, 99_000

	// heavyCallers send heavy requests at the same time, each one after the other.
	heavyCallers = 3
)

// measureFair has many streams of tokens in one process, alone and beside callers who make it work hard.
func measureFair(ctx context.Context, b *bench, s *section) error {
	s.title, s.columns = "Heavy work beside streams", true
	cmd := exec.Command(b.binary)
	cmd.Env = append(os.Environ(), "MODE=memory", fairLimit)
	r, err := startServer(ctx, cmd)
	if err != nil {
		return err
	}
	defer r.close()
	task, size, err := r.heavyTask(ctx)
	if err != nil {
		return err
	}
	s.text = fmt.Sprintf("%d streams in one process with 2 GB, in memory, over HTTP, each with %d tokens a second: from the moment at which the agent made a token "+
		"to its arrival. And the same beside %d callers who all the time send requests that are heavy: for a stream from an event on, for which a log of %d MB is folded; "+
		"for a task of as much; or a message of 6 MB in small values, which is parsed. Callers and clients are on the same machine.",
		b.beside, 1000/fairEvery, heavyCallers, size>>20)
	order := load.Order{Events: min(b.tokens, 40) + 2, EveryMS: fairEvery, Tokens: true}
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
	body := client.Request("SendMessage", fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":"heavy","taskId":%q,"parts":[{"data":[%s0]}]}}`,
		task, strings.Repeat(`"`+strings.Repeat("v", heavyBytes/heavyValues-3)+`",`, heavyValues)))
	for round := range b.rounds {
		for _, heavy := range []struct {
			row, body, want string
			headers         []string
		}{
			{row: aloneRow},
			{foldsRow, client.Request("SubscribeToTask", client.ByID(task)), task, []string{"Last-Event-ID", fmt.Sprint(heavyEvents - 1)}},
			{answersRow, client.Request("GetTask", client.ByID(task)), task, nil},
			{messagesRow, body, "has ended", nil},
		} {
			b.say("round %d of %d: %s", round+1, b.rounds, heavy.row)
			var n atomic.Int64
			working, stop := context.WithCancel(ctx)
			var callers errgroup.Group
			for range heavyCallers {
				if heavy.body != "" {
					callers.Go(func() error { return r.again(working, heavy.body, heavy.want, heavy.headers, &n) })
				}
			}
			err := streams(heavy.row)
			stop()
			if err = errors.Join(err, callers.Wait()); err != nil {
				return err
			}
			b.say("%d heavy requests", n.Load())
		}
	}
	return nil
}

// heavyTask makes a task with a log of more than 16 MB, and returns how many bytes that has.
func (r *running) heavyTask(ctx context.Context) (id string, size int, err error) {
	_, _, err = r.stream(ctx, load.Order{Events: heavyEvents}, func(e sse.Event) {
		if size += len(e.Data); id == "" {
			id, _ = taskIn(client.Answer{Body: e.Data})
		}
	})
	if err == nil && id == "" {
		err = errors.New("the stream has no task")
	}
	return id, size, err
}

// again sends the request until ctx ends. Each answer must have the text among its first bytes.
func (r *running) again(ctx context.Context, body, want string, headers []string, n *atomic.Int64) error {
	for ctx.Err() == nil {
		resp, err := client.Send(ctx, http.MethodPost, r.url, body, append(headers, "A2A-Version", "1.0")...)
		if err == nil {
			begin := make([]byte, 1000)
			var read int
			if read, err = io.ReadFull(resp.Body, begin); errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			if err == nil && !strings.Contains(string(begin[:read]), want) {
				err = fmt.Errorf("a heavy request got %s", begin[:read])
			}
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			resp.Body.Close()
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		n.Add(1)
	}
	return nil
}
