package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/dynamodblocal"
)

// prices are those of AWS, in US dollars.
type prices struct {
	write, read float64 // of a million units of DynamoDB
	gbSecond    float64 // of a second with a GB
	requests    float64 // of a million requests to Lambda
	gb          float64 // memory of a function
}

// reported are the prices of us-east-1, on demand and on arm64, as other sources report them. They were not checked against
// https://aws.amazon.com/dynamodb/pricing/on-demand/ and https://aws.amazon.com/lambda/pricing/
var reported = prices{write: 0.625, read: 0.125, gbSecond: 0.0000133334, requests: 0.20, gb: 0.5}

// flags has the command line change the prices.
func (p *prices) flags() {
	flag.Float64Var(&p.write, "price-write", p.write, "`dollars` for a million write units of DynamoDB")
	flag.Float64Var(&p.read, "price-read", p.read, "`dollars` for a million read units of DynamoDB")
	flag.Float64Var(&p.gbSecond, "price-gbs", p.gbSecond, "`dollars` for a GB-second of Lambda")
	flag.Float64Var(&p.requests, "price-requests", p.requests, "`dollars` for a million requests to Lambda")
	flag.Float64Var(&p.gb, "memory", p.gb, "memory of a function, in `GB`")
}

// cost is what something takes, whoever charges for it.
type cost struct {
	dynamodblocal.Units
	ms       float64 // that Lambda bills: each request to the next full one
	requests float64 // to Lambda
}

// billed returns the cost of one request to a function.
func billed(u dynamodblocal.Units, d time.Duration) cost {
	return cost{u, math.Ceil(ms(d)), 1}
}

// million returns what a million of them cost, in dollars.
func (p prices) million(c cost) (dynamo, lambda float64) {
	return c.Write*p.write + c.Read*p.read, c.ms/1000*p.gb*p.gbSecond*1e6 + c.requests*p.requests
}

// measureCost measures what is paid for.
func measureCost(ctx context.Context, b *bench) (section, error) {
	p := b.prices
	dollars := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	s := section{
		title: "Cost",
		text: fmt.Sprintf("What the table reports as consumed, and the time of the invocation; the client's requests only, without the sweeper (one "+
			"a minute). A million costs write units × $%s + read units × $%s + Lambda's ms / 1,000 × %v GB × $%s × 10⁶ + requests × $%s. The prices "+
			"are flags; the defaults (us-east-1, on demand, arm64) are from other sources than AWS and not verified. Not in it: stored data, "+
			"transfer, logs, and the first million requests and GB-seconds that are free.",
			dollars(p.write), dollars(p.read), p.gb, dollars(p.gbSecond), dollars(p.requests)),
		table: table{head: []string{"", "write units", "read units", "Lambda, ms", "requests", "DynamoDB, $", "Lambda, $", "a million, $"}},
	}
	for _, item := range []struct {
		name    string
		measure func(context.Context, *bench) (cost, error)
	}{
		{"tutorial's task, streamed", func(ctx context.Context, b *bench) (cost, error) {
			return b.costOfStream(ctx, demoagent.NewExecutor(), "Stream me a response!")
		}},
		{"tutorial's task, blocking", costOfBlocking},
		{fmt.Sprintf("%d tokens, 50 a second, streamed", b.tokens), func(ctx context.Context, b *bench) (cost, error) {
			return b.costOfStream(ctx, load.Executor{}, load.Order{Events: b.tokens + 2, EveryMS: 20, Tokens: true}.String())
		}},
		{"an hour of a subscriber to a silent task", costOfSubscriber},
		{"list, a page of 50", costOfList},
	} {
		b.say("%s", item.name)
		c, err := item.measure(ctx, b)
		if err != nil {
			return section{}, fmt.Errorf("%s: %w", item.name, err)
		}
		dynamo, lambda := p.million(c)
		s.table.add(item.name, figure(c.Write), figure(c.Read), figure(c.ms), figure(c.requests), figure(dynamo), figure(lambda), figure(dynamo+lambda))
		s.samples = append(s.samples,
			series{item.name, "write units", "1", []float64{c.Write}}, series{item.name, "read units", "1", []float64{c.Read}},
			series{item.name, "Lambda", "ms", []float64{c.ms}}, series{item.name, "price of a million", "$", []float64{dynamo + lambda}})
	}
	return s, nil
}

// metered returns what makes servers on one new table, each as an instance of the agent function has it, and a meter of its requests.
func (b *bench) metered(ctx context.Context, x a2asrv.AgentExecutor) (next func() (*server.Server, *dynamodblocal.Meter), err error) {
	table, err := b.newTable(ctx)
	return func() (*server.Server, *dynamodblocal.Meter) {
		client, meter := dynamodblocal.NewMeter(b.dynamoDB())
		l := dynamolog.New(client, table)
		return &server.Server{Log: l, Retention: time.Hour, Card: demoagent.Card(), Runner: &run.Runner{
			Log: l, Executor: x, Gap: lambdaenv.Gap, Logger: slog.New(slog.NewTextHandler(b.log, nil)),
			Invoke: func(context.Context, a2a.TaskID) error { return errors.New("there is no worker") },
		}}, meter
	}, err
}

var caller = server.Caller{Version: "1.0"}

func asking(text string) *a2a.SendMessageRequest {
	return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))}
}

// drain reads a stream to its end.
func drain(ctx context.Context, s *server.Stream) error {
	defer s.Close()
	for {
		if _, err := s.Next(ctx); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (b *bench) costOfStream(ctx context.Context, x a2asrv.AgentExecutor, text string) (cost, error) {
	next, err := b.metered(ctx, x)
	if err != nil {
		return cost{}, err
	}
	s, meter := next()
	begin := time.Now()
	stream, err := s.SendStreamingMessage(ctx, caller, asking(text))
	if err != nil {
		return cost{}, err
	}
	err = drain(ctx, stream)
	return billed(meter.Units(), time.Since(begin)), err
}

func costOfBlocking(ctx context.Context, b *bench) (cost, error) {
	next, err := b.metered(ctx, demoagent.NewExecutor())
	if err != nil {
		return cost{}, err
	}
	s, meter := next()
	begin := time.Now()
	task, err := s.SendMessage(ctx, caller, asking("Stream me a response!"))
	c := billed(meter.Units(), time.Since(begin))
	if err == nil && task.Status.State != a2a.TaskStateCompleted {
		err = fmt.Errorf("the task is %v", task.Status.State)
	}
	return c, err
}

// costOfSubscriber measures some polls of a subscriber that polls as rarely as it ever does, and tells from these what an hour costs,
// of four invocations of 15 minutes.
func costOfSubscriber(ctx context.Context, b *bench) (cost, error) {
	const before, polls = 8, 12
	quiet := make(silent)
	next, err := b.metered(ctx, quiet)
	if err != nil {
		return cost{}, err
	}
	holder, _ := next()
	original, err := holder.SendStreamingMessage(ctx, caller, asking("Say nothing."))
	if err != nil {
		return cost{}, err
	}
	defer func() {
		close(quiet)
		drain(ctx, original)
	}()
	var first struct{ Task struct{ ID a2a.TaskID } }
	if err := json.Unmarshal(original.First.JSON, &first); err != nil {
		return cost{}, err
	}
	s, meter := next()
	subscriber, err := s.SubscribeToTask(ctx, caller, &a2a.SubscribeToTaskRequest{ID: first.Task.ID})
	if err != nil {
		return cost{}, err
	}
	defer subscriber.Close()
	await := func(n int) error {
		for end := time.Now().Add(time.Minute); meter.Units().Requests < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) || ctx.Err() != nil {
				return errors.New("the subscriber does not poll")
			}
		}
		return nil
	}
	if err := await(before); err != nil {
		return cost{}, err
	}
	meter.Reset()
	begin := time.Now()
	if err := await(polls); err != nil {
		return cost{}, err
	}
	hours := time.Since(begin).Hours()
	u := meter.Units()
	u.Read /= hours
	u.Write /= hours
	return cost{u, float64(time.Hour / time.Millisecond), 4}, nil
}

// costOfList measures a page, and not the first, for which all of the caller's tasks are counted.
func costOfList(ctx context.Context, b *bench) (cost, error) {
	const page = 50
	next, err := b.metered(ctx, load.Executor{})
	if err != nil {
		return cost{}, err
	}
	s, meter := next()
	for range 2*page + 1 {
		if _, err := s.SendMessage(ctx, caller, asking(load.Order{Tutorial: true}.String())); err != nil {
			return cost{}, err
		}
	}
	first, err := s.ListTasks(ctx, caller, &a2a.ListTasksRequest{PageSize: page})
	if err != nil {
		return cost{}, err
	}
	meter.Reset()
	begin := time.Now()
	list, err := s.ListTasks(ctx, caller, &a2a.ListTasksRequest{PageSize: page, PageToken: first.NextPageToken})
	c := billed(meter.Units(), time.Since(begin))
	if err == nil && len(list.Tasks) != page {
		err = fmt.Errorf("the page has %d tasks", len(list.Tasks))
	}
	return c, err
}

// silent is an agent that says nothing until it is closed, and then that it is done.
type silent chan struct{}

func (s silent) Execute(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		<-s
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

func (silent) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}
