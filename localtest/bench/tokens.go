package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/dynamodblocal"
)

// measureTokens measures how much later the client has a token than the agent, and what the answer costs.
func measureTokens(ctx context.Context, b *bench) (section, error) {
	order := load.Order{Events: b.tokens + 2, EveryMS: 20, Tokens: true}
	delays := map[string][]float64{}
	err := b.inTurn(ctx, 1, b.systems, func(s *system) error {
		r, err := s.run(ctx, 1)
		if err != nil {
			return err
		}
		defer r.close()
		_, err = r.stream(ctx, order, func(f frame) {
			if made, ok := load.Stamp(f.data); ok && !f.task() {
				delays[s.name] = append(delays[s.name], ms(f.at.Sub(made)))
			}
		})
		if n := len(delays[s.name]); err == nil && n != b.tokens {
			err = fmt.Errorf("%d of %d tokens tell when they were made", n, b.tokens)
		}
		return err
	})
	if err != nil {
		return section{}, err
	}
	b.say("the price")
	price, err := b.priceOf(ctx, order)
	if err != nil {
		return section{}, err
	}

	s := section{
		title: "Tokens, 50 a second",
		text: fmt.Sprintf("%d chunks of an artifact, one every 20 ms. Milliseconds from the moment at which the agent made a token to its arrival at "+
			"the client.", b.tokens),
		table: table{head: []string{"", "p50", "p99", "× the limit", "a2a-go ÷ this"}},
		plot:  &plot{title: "Delay of a token", x: "ms, p50 to p99"},
		notes: []string{fmt.Sprintf("In DynamoDB the answer is %d writes, %s write units and %s read units, its task, lease and index included.",
			price.writes, figure(price.Write), figure(price.Read))},
	}
	for _, system := range b.systems {
		d := delays[system.name]
		p50 := percentile(d, 50)
		s.table.add(system.name, figure(p50), figure(percentile(d, 99)),
			ratio(p50, percentile(delays[limitName], 50)), ratio(percentile(delays[system.peer()], 50), p50))
		s.plot.spans = append(s.plot.spans, span{system, p50, percentile(d, 99)})
		s.samples = append(s.samples, series{system.name, "delay of a token", "ms", d})
	}
	s.samples = append(s.samples,
		series{dynamoName, "writes of an answer", "1", []float64{float64(price.writes)}},
		series{dynamoName, "write units of an answer", "1", []float64{price.Write}},
		series{dynamoName, "read units of an answer", "1", []float64{price.Read}})
	return s, nil
}

// price is what a task costs in DynamoDB, all indexes included.
type price struct {
	dynamodblocal.Units
	writes int
}

// priceOf runs an order in this process, on DynamoDB Local, and counts.
func (b *bench) priceOf(ctx context.Context, o load.Order) (p price, err error) {
	table, err := b.newTable(ctx)
	if err != nil {
		return p, err
	}
	counting := b.dynamoDB().Options()
	var writes atomic.Int64
	counting.APIOptions = append(counting.APIOptions, func(s *middleware.Stack) error {
		count := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			switch in.Parameters.(type) {
			case *dynamodb.PutItemInput, *dynamodb.UpdateItemInput:
				writes.Add(1)
			}
			return next.HandleInitialize(ctx, in)
		}
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("count", count), middleware.After)
	})
	metered, meter := dynamodblocal.NewMeter(dynamodb.New(counting))
	l := dynamolog.New(metered, table)
	s := &server.Server{Log: l, Retention: time.Hour, Card: demoagent.Card(), Runner: &run.Runner{
		Log: l, Executor: load.Executor{}, Gap: lambdaenv.Gap, Logger: slog.New(slog.NewTextHandler(b.log, nil)),
		Invoke: func(context.Context, a2a.TaskID) error { return errors.New("there is no worker") },
	}}
	stream, err := s.SendStreamingMessage(ctx, server.Caller{Version: "1.0"}, &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(o.String())),
	})
	if err != nil {
		return p, err
	}
	defer stream.Close()
	n := 1 // the task
	for {
		events, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return p, err
		}
		n += len(events)
	}
	if n != o.Count() {
		return p, fmt.Errorf("%d events of %d were stored", n, o.Count())
	}
	return price{meter.Units(), int(writes.Load())}, nil
}
