package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/prices"
	"a2alambda/localtest/stack"
)

// million returns the price in dollars of a million requests to a function of mb MB. Each takes these
// units of DynamoDB, and is billed so long.
func million(u dynamodblocal.Units, billed time.Duration, mb int) float64 {
	used := emulator.Usage{Invocations: 1, GBSeconds: billed.Seconds() * float64(mb) / 1024}
	return 1e6 * (u.Write*prices.Write + u.Read*prices.Read + prices.Lambda(used, false))
}

func measureCost(ctx context.Context, b *bench, s *section) error {
	s.title = "Cost"
	memory := stack.Memory["agent"]
	s.text = fmt.Sprintf("What the table reports as consumed, and the time of the invocation; the client's request only, without the sweeper (one a "+
		"minute). A million costs write units × $%v + read units × $%v + Lambda's ms / 1,000 × %d MB / 1,024 × $%.10f × 10⁶ + $%v. The prices "+
		"(localtest/prices: us-east-1, on demand, arm64, %s) are from other sources than AWS and not verified. Not in it: stored data, transfer, logs, "+
		"and the first million requests and GB-seconds that are free.", 1e6*prices.Write, 1e6*prices.Read, memory, prices.LambdaARM, 1e6*prices.LambdaRequest, prices.Date)
	for _, item := range []struct {
		name, text string
		executor   a2asrv.AgentExecutor
	}{
		{"a million of the tutorial's tasks, streamed", tutorialText, demoagent.NewExecutor()},
		{fmt.Sprintf("a million answers of %d tokens, 50 a second", b.tokens), b.answer().String(), load.Executor{}},
	} {
		b.say("one of %s", item.name)
		u, took, err := b.metered(ctx, item.executor, item.text)
		if err != nil {
			return fmt.Errorf("%s: %w", item.name, err)
		}
		s.add(dynamoName, item.name, "$", million(u, (took+time.Millisecond-1).Truncate(time.Millisecond), memory))
		s.add(dynamoName, item.name+": written for each", "units", u.Write)
		s.add(dynamoName, item.name+": read for each", "units", u.Read)
		s.add(dynamoName, item.name+": Lambda for each", "ms", ms(took))
		// These are the tokens of the last one.
		s.notes = []string{fmt.Sprintf("In DynamoDB the answer is %d writes, %s write units and %s read units, its task, lease and index included.",
			u.Writes, figure(u.Write), figure(u.Read))}
	}
	return nil
}

// metered returns what one message to an agent costs on a new table, and how long it takes.
func (b *bench) metered(ctx context.Context, x a2asrv.AgentExecutor, text string) (u dynamodblocal.Units, took time.Duration, err error) {
	table, err := b.newTable(ctx)
	if err != nil {
		return u, 0, err
	}
	client, meter := dynamodblocal.NewMeter(b.engine.Client())
	l := dynamolog.New(client, table)
	s := server.New(server.Config{Store: l, Retention: time.Hour, Card: demoagent.Card(), Runner: run.New(run.Config{
		Store: l, Executor: x, Gap: lambdaenv.Gap, Logger: slog.New(slog.NewTextHandler(b.log, nil)),
		Invoke: func(context.Context, a2a.TaskID) error { return errors.New("there is no worker") },
	})})
	message := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	begin := time.Now()
	stream, err := s.SendStreamingMessage(ctx, server.Caller{Version: "1.0"}, &a2a.SendMessageRequest{Message: message})
	if err != nil {
		return u, 0, err
	}
	for err == nil {
		_, err = stream.Next(ctx)
	}
	stream.Close()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return meter.Units(), time.Since(begin), err
}
