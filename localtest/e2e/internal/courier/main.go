// Command courier is the agent's and the worker's function, with a durable agent that waits for a
// callback. It says the callback's URL, and at the end what has come.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

func main() {
	lambdaenv.LimitMemory()
	ctx := context.Background()
	table, err := lambdaenv.Open(ctx, os.Getenv("TABLE_NAME"))
	if err != nil {
		log.Fatal("courier: ", err)
	}
	runner, err := table.Runner(os.Getenv("WORKER_FUNCTION_NAME"), run.Config{
		Executor: durable.New(courier), Logger: lambdaenv.NewLogger("stack"), Callbacks: os.Getenv("CALLBACK_URL"),
	})
	if err != nil {
		log.Fatal("courier: ", err)
	}
	if os.Getenv("AWS_LAMBDA_FUNCTION_NAME") == "worker" {
		lambda.Start(func(ctx context.Context, job lambdaenv.Job) error { return job.Work(ctx, runner) })
	}
	callers := auth.None()
	if os.Getenv("AUTH") == "iam" {
		callers = auth.IAM(functionurl.IAMUser)
	}
	lambda.Start(functionurl.Handler(a2ahttp.New(a2ahttp.Config{
		Server: server.New(server.Config{
			Store: table.Log, Runner: runner, Retention: 7 * 24 * time.Hour, Card: demoagent.Card(),
		}),
		BaseURL: functionurl.BaseURL, Room: functionurl.Room, Auth: callers, Logger: runner.Logger,
	})))
}

func courier(ctx context.Context, t *durable.Task) error {
	c, err := durable.NewCallback(ctx, "delivered", 48*time.Hour)
	if err != nil {
		return errors.Join(say(ctx, t, a2a.TaskStateRejected, err.Error()), err)
	}
	if err := say(ctx, t, a2a.TaskStateWorking, c.URL); err != nil {
		return err
	}
	d, err := c.Wait(ctx)
	if err != nil {
		return err
	}
	return say(ctx, t, a2a.TaskStateCompleted, "delivered: "+string(d.Body)+" ("+d.ContentType+")")
}

func say(ctx context.Context, t *durable.Task, state a2a.TaskState, text string) error {
	return durable.Yield(ctx, a2a.NewStatusUpdateEvent(t, state, a2a.NewMessageForTask(a2a.MessageRoleAgent, t, a2a.NewTextPart(text))))
}
