package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// live is a stream that is read while other things go on.
type live struct {
	frames chan frame // closed at the end
	err    error      // set by then
	drop   context.CancelFunc
}

// live opens a stream. lastEventID may be "". It ends with ctx, or when it is dropped.
func (r *running) live(ctx context.Context, body, lastEventID string) *live {
	// Whoever reads is never behind by so much.
	l := &live{frames: make(chan frame, 1<<15)}
	ctx, l.drop = context.WithCancel(ctx)
	go func() {
		defer close(l.frames)
		_, l.err = r.open(ctx, body, lastEventID, func(f frame) {
			f.data = bytes.Clone(f.data)
			l.frames <- f
		})
	}()
	return l
}

// next returns the next frame, or io.EOF at the end of the stream.
func (l *live) next() (frame, error) {
	f, open := <-l.frames
	switch {
	case open:
		return f, nil
	case l.err != nil:
		return f, l.err
	}
	return f, io.EOF
}

// begun opens the stream of an order, and returns it with the id of the task after its first frame.
func (r *running) begun(ctx context.Context, o load.Order) (l *live, id string, err error) {
	l = r.live(ctx, r.send(o), "")
	f, err := l.next()
	if err != nil {
		l.drop()
		return nil, "", err
	}
	var body struct {
		Result struct{ Task struct{ ID string } }
	}
	if err := json.Unmarshal(f.data, &body); err != nil || body.Result.Task.ID == "" {
		l.drop()
		return nil, "", fmt.Errorf("the stream begins with %s", f.data)
	}
	return l, body.Result.Task.ID, nil
}

// until reads frames up to the first that brings an event made after some time.
func (l *live) until(t time.Time) (frame, error) {
	for {
		f, err := l.next()
		if err != nil {
			return f, err
		}
		if made, ok := load.Stamp(f.data); ok && made.After(t) && !f.task() {
			return f, nil
		}
	}
}

func subscribe(id string) string { return call("SubscribeToTask", id) }

// call returns a request about a task.
func call(method, id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"id":%q}}`, method, id)
}

// startStack starts this project as it is deployed: agent and worker, on DynamoDB Local. A timeout of 0 is the longest.
func (b *bench) startStack(ctx context.Context, timeout time.Duration) (*running, *stack.Stack, error) {
	table, err := b.newTable(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := stack.Start(stack.Config{
		Agent:    emulator.Config{Binary: b.binary, Env: []string{"MODE=dynamodb"}, Timeout: timeout, Log: b.log},
		Worker:   emulator.Config{Binary: b.binary, Env: []string{"MODE=worker"}, Log: b.log},
		Sweeper:  emulator.Config{Binary: b.binary}, // is not invoked
		Invoke:   emulator.LambdaConfig{Log: b.log},
		DynamoDB: b.engine.Endpoint, Table: table,
	})
	if err != nil {
		return nil, nil, err
	}
	url, end, err := serve(s.Agent)
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return &running{
		url:   url,
		pool:  func() int { return len(s.Agent.Instances()) },
		close: func() { s.Close(); end() },
	}, s, nil
}

// kill ends the one instance of the agent that has an invocation.
func kill(f *emulator.Emulator) error {
	for _, i := range f.Instances() {
		if i.State == emulator.Busy {
			return f.Kill(i.ID)
		}
	}
	return fmt.Errorf("no instance is busy")
}
