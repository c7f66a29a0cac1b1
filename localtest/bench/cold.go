package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// coldCase is a function that is started cold. It gets a request to its URL or, without a method,
// the event of an invocation.
type coldCase struct{ name, pkg, method, path, body string }

// modelFree is the first case that is built without the agent with a model.
const modelFree = "agent without a model: card"

var coldCases = []coldCase{
	{"bare function", "localtest/bench/internal/bare", "", "", `{}`},
	{"agent: card", "functions/agent", "GET", "/.well-known/agent-card.json", ""},
	{"agent: streamed message", "functions/agent", "POST", "/message:stream", `{"message":` +
		`{"role":"ROLE_USER","messageId":"cold","parts":[{"text":"Stream me a response!"}]}}`},
	{"worker: a task that is gone", "functions/worker", "", "", `{"taskId":"none"}`},
	{"sweeper: nothing to do", "functions/sweeper", "", "", `{}`},
	{"push: a configuration that is gone", "functions/push", "", "", `{"taskId":"none","configId":"none"}`},
}

func measureCold(ctx context.Context, b *bench, s *section) error {
	s.title = "Cold start"
	s.text = "From exec to the moment at which a function asks for its first event, and to the first byte of its answer to that. What Lambda " +
		"does before exec is not in it, nor is TLS on the way to DynamoDB, to which the agent connects before it asks for the event. At " +
		"512 MB, Lambda gives an event 0.29 of a CPU: what the CPU does then takes three times as long."
	cases := append(slices.Clone(coldCases), coldCase{modelFree, "functions/agent", "GET", "/.well-known/agent-card.json", ""})
	for round := range max(b.streams/2, 2) {
		if round%10 == 0 {
			b.say("start %d", round+1)
		}
		for _, c := range cases {
			o, err := b.coldStart(ctx, c, emulator.Config{})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			s.add(c.name, "asks for its event", "ms", ms(o.asked))
			s.add(c.name, "first byte", "ms", ms(o.answered))
		}
	}
	return nil
}

// coldStart starts a function with a configuration that has no more than limits.
func (b *bench) coldStart(ctx context.Context, c coldCase, config emulator.Config) (*coldStart, error) {
	build := emulator.Build
	if c.name == modelFree {
		build = buildModelFree
	}
	binary, err := build(ctx, "a2alambda/"+c.pkg)
	if err != nil {
		return nil, err
	}
	// Its own table, because the agent leaves tasks that the sweeper would find.
	table, err := b.newTable(ctx)
	if err != nil {
		return nil, err
	}
	o := &coldStart{first: make(chan struct{})}
	config.Binary, config.Log, config.Observer = binary, b.log, o.observe
	config.Env = []string{
		"WORKER_FUNCTION_NAME=worker", "PUSH_FUNCTION_NAME=push", "AUTH=none", "AWS_NEW_RETRIES_2026=true",
		"AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:1", "AWS_ENDPOINT_URL_DYNAMODB=" + b.engine.Endpoint, "TABLE_NAME=" + table,
	}
	f, err := emulator.New(config)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if c.method == "" {
		err = invoke(f, c.body)
	} else {
		err = request(ctx, f, c.method, c.path, c.body, o.first)
	}
	return o, err
}

// coldStart observes how an instance starts and answers its first event.
type coldStart struct {
	begin           time.Time
	asked, answered time.Duration // since begin
	once            sync.Once
	first           chan struct{} // closed when the fields above are set
}

func (c *coldStart) observe(o emulator.Observation) {
	switch o.Moment {
	case emulator.Started:
		c.begin = o.At
	case emulator.Asked:
		if c.asked == 0 {
			c.asked = o.At.Sub(c.begin)
		}
	case emulator.Chunk:
		c.once.Do(func() {
			c.answered = o.At.Sub(c.begin)
			close(c.first)
		})
	}
}

func invoke(f *emulator.Emulator, event string) error {
	l, err := emulator.NewLambda(emulator.LambdaConfig{Functions: []*emulator.Emulator{f}})
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Call("function", []byte(event))
}

// request returns when the first byte of the response's body has come.
func request(ctx context.Context, f *emulator.Emulator, method, path, body string, first <-chan struct{}) error {
	r := serve(f, f.Close)
	defer r.close()
	resp, err := client.Send(ctx, method, r.url+path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer has status %s", resp.Status)
	}
	select {
	case <-first:
	case <-ctx.Done():
	}
	return ctx.Err()
}
