package main

import (
	"context"
	"fmt"
	"strings"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/sse"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/prices"
	"a2alambda/localtest/stack"
)

// free are the units of a table that is not asked.
var free dynamodblocal.Units

// sized measures the functions at a memory size.
type sized struct {
	*bench
	*section
	mb    int
	name  string // the column
	table string // a table with running tasks, which only the sweeper uses
}

func measureMemory(ctx context.Context, b *bench, s *section) error {
	s.title = "Memory sizes"
	s.columns = true
	s.text = fmt.Sprintf("Each function is held to the memory of its column, and to the share of a CPU that Lambda gives it with that, in periods of 20 ms. It "+
		"is this machine's CPU, and an instance gets no more while it initializes. Machine's load when it began, over a minute: %s. Cold is from exec; what "+
		"Lambda does before that, and TLS to DynamoDB, are not in it. Prices are of what a warm instance is billed, on arm64, with its request "+
		"and the table's units (%s; not checked against AWS's pages). A row without p99 is the median.", machineLoad(), prices.Date)
	f, err := emulator.New(emulator.Config{Binary: b.binary, Memory: b.sizes[0], Limits: emulator.MemoryAndCPU})
	if err != nil {
		b.leaveOut("Memory sizes, for %v", err)
		return nil
	}
	f.Close()
	tutorial, _, err := b.metered(ctx, demoagent.NewExecutor(), tutorialText)
	if err != nil {
		return err
	}
	answer, _, err := b.metered(ctx, load.Executor{}, b.answer().String())
	if err != nil {
		return err
	}
	table, err := b.runningTasks(ctx)
	if err != nil {
		return err
	}
	for _, mb := range b.sizes {
		m := &sized{b, s, mb, figure(float64(mb)) + " MB", table}
		for _, part := range []struct {
			name string
			run  func(context.Context) error
		}{
			{"cold starts", m.cold},
			{"the tutorial's task", func(ctx context.Context) error { return m.tutorial(ctx, tutorial) }},
			{"tokens", func(ctx context.Context) error { return m.tokens(ctx, answer) }},
			{"sweeper", m.sweeper},
			{"callback", m.callback},
		} {
			b.say("%s: %s", m.name, part.name)
			if err := part.run(ctx); err != nil {
				return fmt.Errorf("%s: %s: %w", m.name, part.name, err)
			}
		}
	}
	return nil
}

const tutorialText = "Stream me a response!"

// answer is the order of an answer of tokens, 50 a second.
func (b *bench) answer() load.Order {
	return load.Order{Events: b.tokens + 2, EveryMS: 20, Tokens: true}
}

// ends gets the ends of a function's invocations.
type ends chan emulator.Observation

func (e ends) observe(o emulator.Observation) {
	if o.Moment == emulator.Ended {
		e <- o
	}
}

// next waits for the end of an invocation, which must not have failed.
func (e ends) next(ctx context.Context) (emulator.Observation, error) {
	select {
	case o := <-e:
		return o, o.Err
	case <-ctx.Done():
		return emulator.Observation{}, context.Cause(ctx)
	}
}

// stack starts the functions at the memory size, on a new table. It fills in what c leaves out.
func (m *sized) stack(ctx context.Context, c stack.Config) (s *stack.Stack, agent, worker ends, err error) {
	if c.Table == "" {
		if c.Table, err = m.newTable(ctx); err != nil {
			return nil, nil, nil, err
		}
	}
	agent, worker = make(ends, 1000), make(ends, 1000)
	c.Agent.Observer, c.Worker.Observer = agent.observe, worker.observe
	c.DynamoDB, c.NoStream = m.engine.Endpoint, true
	c.Invoke.Log = m.log
	for name, f := range map[string]*emulator.Config{"agent": &c.Agent, "worker": &c.Worker, "sweeper": &c.Sweeper, "push": &c.Push, "callback": &c.Callback} {
		if f.Binary == "" && name != "push" && name != "callback" {
			if f.Binary, err = emulator.Build(ctx, "a2alambda/functions/"+name); err != nil {
				return nil, nil, nil, err
			}
		}
		f.Memory, f.Limits, f.Log = m.mb, emulator.MemoryAndCPU, m.log
		f.Env = append(f.Env, "PUSH_ALLOWED_CIDRS=127.0.0.1/32")
	}
	s, err = stack.Start(c)
	return s, agent, worker, err
}

func (m *sized) add(what, unit string, value float64) { m.section.add(m.name, what, unit, value) }

// most adds the most memory that a function's instance has had.
func (m *sized) most(name string, f *emulator.Emulator) {
	m.add(name+": most memory, beside its executable", "MB", float64(f.Peak())/(1<<20))
}

// cold starts each function some times.
func (m *sized) cold(ctx context.Context) error {
	for range m.colds {
		for _, c := range coldCases {
			if c.method != "" && !strings.HasPrefix(c.name, "agent: streamed") || strings.HasPrefix(c.name, "bare") {
				continue
			}
			o, err := m.coldStart(ctx, c, emulator.Config{Memory: m.mb, Limits: emulator.MemoryAndCPU})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			function, _, _ := strings.Cut(c.name, ":")
			m.add(function+": cold start, until it asks for its event", "ms", ms(o.asked))
			m.add(function+": cold start, first byte of an answer", "ms", ms(o.answered))
		}
	}
	return nil
}

// tutorial has the agent stream the tutorial's task, the worker run it, and the push function
// deliver the events of a short one.
func (m *sized) tutorial(ctx context.Context, u dynamodblocal.Units) error {
	pushed := make(ends, 100)
	binary, err := emulator.Build(ctx, "a2alambda/functions/push")
	if err != nil {
		return err
	}
	s, agent, worker, err := m.stack(ctx, stack.Config{Push: emulator.Config{Binary: binary, Observer: pushed.observe}})
	if err != nil {
		return err
	}
	r := serve(s.Agent, s.Close)
	defer r.close()
	// A message without a text is answered at once: it warms the agent up.
	if _, err := client.Call(ctx, r.url, "SendMessage", `{"message":{"messageId":"warm","role":"ROLE_USER","parts":[{"data":{}}]}}`); err != nil {
		return err
	}
	if _, err := agent.next(ctx); err != nil {
		return err
	}
	message := func(id int) string {
		return fmt.Sprintf(`"message":{"messageId":"m%d","role":"ROLE_USER","parts":[{"text":%q}]}`, id, tutorialText)
	}
	for i := range m.tutorials {
		stream, err := client.Open(ctx, r.url, "SendStreamingMessage", "{"+message(i)+"}")
		if err != nil {
			return err
		}
		_, err = stream.Until("COMPLETED")
		stream.Close()
		if err != nil {
			return err
		}
		o, err := agent.next(ctx)
		if err != nil {
			return err
		}
		m.add("agent: the tutorial's task, CPU", "ms", ms(o.CPU))
		m.add("a million of the tutorial's tasks: Lambda", "$", million(free, o.Billed, m.mb))
		m.add("a million of the tutorial's tasks: all", "$", million(u, o.Billed, m.mb))
	}
	m.most("agent", s.Agent)
	for i := range 2 { // the first invocation starts the instance
		if _, err := client.Call(ctx, r.url, "SendMessage", "{"+message(100+i)+`,"configuration":{"returnImmediately":true}}`); err != nil {
			return err
		}
		o, err := worker.next(ctx)
		if err != nil {
			return err
		}
		if i > 0 {
			m.add("worker: the tutorial's task, CPU", "ms", ms(o.CPU))
		}
	}
	m.most("worker", s.Worker)
	return m.push(ctx, s, r, agent, pushed)
}

// taskIn returns the id of the task in an answer.
func taskIn(a client.Answer) (string, error) {
	_, rest, _ := strings.Cut(a.Body, `"task":{`)
	_, rest, _ = strings.Cut(rest, `"id":"`)
	id, _, found := strings.Cut(rest, `"`)
	if !found {
		return "", fmt.Errorf("the answer has no task: %v", a)
	}
	return id, nil
}

// tokens has the agent, and then the worker, say 50 tokens a second.
func (m *sized) tokens(ctx context.Context, u dynamodblocal.Units) error {
	s, agent, worker, err := m.stack(ctx, stack.Config{
		Agent:  emulator.Config{Binary: m.binary, Env: []string{"MODE=dynamodb"}},
		Worker: emulator.Config{Binary: m.binary, Env: []string{"MODE=worker"}},
	})
	if err != nil {
		return err
	}
	r := serve(s.Agent, s.Close)
	defer r.close()
	for i := range 4 * m.colds {
		first, _, err := r.stream(ctx, load.Order{Events: 6}, nil)
		if err != nil {
			return err
		}
		o, err := agent.next(ctx)
		if err != nil {
			return err
		}
		if i > 0 { // the first starts the instance
			m.add("agent: first byte of a stream", "ms", ms(first))
			m.add("agent: a stream of six events, billed", "ms", ms(o.Billed))
		}
	}
	answer := fmt.Sprintf("an answer of %d tokens", m.bench.tokens)
	seen := func(what string) func(sse.Event) {
		return func(e sse.Event) {
			if d, ok := delay(e); ok {
				m.add(what, "ms", ms(d))
			}
		}
	}
	if _, _, err := r.stream(ctx, m.answer(), seen("agent: a token's delay")); err != nil {
		return err
	}
	o, err := agent.next(ctx)
	if err != nil {
		return err
	}
	m.add("agent: "+answer+", CPU", "ms", ms(o.CPU))
	m.add("a million answers: Lambda", "$", million(free, o.Billed, m.mb))
	m.add("a million answers: all", "$", million(u, o.Billed, m.mb))

	a, err := client.Call(ctx, r.url, "SendMessage", fmt.Sprintf(
		`{"message":{"role":"ROLE_USER","messageId":"worker","parts":[{"text":%q}]},"configuration":{"returnImmediately":true}}`, m.answer()))
	if err != nil {
		return err
	}
	id, err := taskIn(a)
	if err != nil {
		return err
	}
	stream, err := r.subscribe(ctx, id)
	if err != nil {
		return err
	}
	defer stream.Close()
	count := seen("worker: a token's delay at a subscriber")
	for {
		e, err := stream.Next()
		if err != nil {
			return fmt.Errorf("the subscriber's stream: %w", err)
		}
		if count(e); strings.Contains(e.Data, "COMPLETED") {
			break
		}
	}
	if o, err = worker.next(ctx); err != nil {
		return err
	}
	m.add("worker: "+answer+", CPU", "ms", ms(o.CPU))
	return nil
}
