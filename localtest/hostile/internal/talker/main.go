// Command talker is the agent's and the worker's function, with an agent that says as much as a
// message asks for, such as "1000 chunks". It yields this number of events, and waits until it is
// killed or canceled. The run that resumes it completes the task. Questions end its turn.
package main

import (
	"context"
	"fmt"
	"iter"
	"log"
	"os"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
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
		log.Fatal("talker: ", err)
	}
	runner, err := table.Runner(os.Getenv("WORKER_FUNCTION_NAME"), run.Config{Executor: talker{}, Logger: lambdaenv.NewLogger("")})
	if err != nil {
		log.Fatal("talker: ", err)
	}
	if os.Getenv("AWS_LAMBDA_FUNCTION_NAME") == "worker" {
		lambda.Start(func(ctx context.Context, job lambdaenv.Job) error { return job.Work(ctx, runner) })
	}
	lambda.Start(functionurl.Handler(a2ahttp.New(a2ahttp.Config{
		Server: server.New(server.Config{
			Store: table.Log, Runner: runner, Retention: 24 * time.Hour, Card: demoagent.Card(),
			Push: &server.Push{Store: table.Log.Pushes(), Check: func(*a2a.PushConfig) error { return nil }},
		}),
		BaseURL: functionurl.BaseURL, Room: functionurl.Room, Auth: auth.None(), Logger: runner.Logger,
	})))
}

type talker struct{}

func (talker) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		var n int
		var what string
		if _, err := fmt.Sscan(ec.Message.Parts[0].Text(), &n, &what); err != nil {
			yield(nil, err)
			return
		}
		artifact := a2a.NewArtifactEvent(ec, a2a.NewTextPart("it begins"))
		if !yield(artifact, nil) {
			return
		}
		for i := range n {
			var e a2a.Event
			switch what {
			case "chunks":
				e = a2a.NewArtifactUpdateEvent(ec, artifact.Artifact.ID, a2a.NewTextPart(fmt.Sprint("word ", i)))
			case "statuses":
				e = a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart("")))
			case "megabytes":
				e = a2a.NewArtifactUpdateEvent(ec, artifact.Artifact.ID, a2a.NewTextPart(strings.Repeat("<", 1<<20)))
			case "objects": // of ten thousand each
				objects := make([]any, 5000)
				for i := range objects {
					objects[i] = map[string]any{"a": map[string]any{}}
				}
				e = a2a.NewArtifactUpdateEvent(ec, artifact.Artifact.ID, a2a.NewDataPart(objects))
			case "parts": // of one event
				parts := make([]*a2a.Part, 100_000)
				for i := range parts {
					parts[i] = a2a.NewTextPart("")
				}
				e = a2a.NewArtifactUpdateEvent(ec, artifact.Artifact.ID, parts...)
			case "questions":
				e = a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil)
			case "files": // of 20 MB each
				e = a2a.NewArtifactEvent(ec, a2a.NewRawPart(make([]byte, 20<<20)))
			}
			if !yield(e, nil) {
				return
			}
		}
		if !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart("said"))), nil) {
			return
		}
		<-ctx.Done()
		yield(nil, context.Cause(ctx))
	}
}

func (talker) Resume(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		text := fmt.Sprint("resumed with ", len(ec.StoredTask.History), " messages and ", len(ec.StoredTask.Artifacts), " artifacts")
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(text))), nil)
	}
}

func (talker) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, nil), nil)
	}
}
