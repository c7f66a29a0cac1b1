// Package peers tests calls of durable agents to other agents, over real connections: agents of this
// project, and agents by the Python SDKs of both versions, which know no message again.
package peers

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/callback"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/peer"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

// call is a durable agent that calls the agent which its message begins with, and says the rest to
// it: "b a hello" has b say "hello" to a. "loop" is said on for ever. To a question it answers
// "blue". It makes an artifact of what it hears.
func call(ctx context.Context, t *durable.Task) error {
	said := t.Message.Parts[0].Text()
	agent, rest, ok := strings.Cut(said, " ")
	if said == "loop" {
		agent, rest, ok = "b", "loop", true
	}
	heard := "You said " + said + "."
	if ok && agent != "You" {
		r, err := durable.Call(ctx, "say", agent, a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(rest)), durable.Progress())
		if err == nil && r.Task != nil && r.Task.Status.State == a2a.TaskStateInputRequired {
			m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("blue"))
			m.TaskID, m.ContextID = r.Task.ID, r.Task.ContextID
			r, err = durable.Call(ctx, "answer", agent, m)
		}
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
			heard = "error: " + err.Error()
		case r.Task != nil && len(r.Task.Artifacts) > 0:
			heard = agent + ": " + r.Task.Artifacts[len(r.Task.Artifacts)-1].Parts[0].Text()
		default:
			heard = agent + " has ended"
		}
	}
	e := a2a.NewArtifactUpdateEvent(t, "heard", a2a.NewTextPart(heard))
	e.Append = false
	return durable.Yield(ctx, e)
}

// serve hosts the agent in a process of its own: at the listener that it inherits as file 3, over
// the table in TABLE_NAME, with the peers in PEERS.
func serve() error {
	ctx := context.Background()
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	peers, err := peer.Parse(os.Getenv("PEERS"), "", "")
	if err != nil {
		return err
	}
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	store := dynamolog.New(client, os.Getenv("TABLE_NAME"))
	base := "http://" + listener.Addr().String()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var runner *run.Runner
	runner = run.New(run.Config{
		Store: store, Executor: durable.New(call), Logger: logger, Peers: peers, Callbacks: base,
		Invoke: func(ctx context.Context, id a2a.TaskID) error {
			go func() { _ = runner.Work(context.WithoutCancel(ctx), id) }() // it logs errors
			return nil
		},
	})
	go func() {
		for ; ; time.Sleep(time.Second) {
			if _, err := runner.Sweep(ctx); err != nil {
				logger.Error("sweep", "error", err)
			}
		}
	}()
	mux := http.NewServeMux()
	mux.Handle("/", a2ahttp.New(a2ahttp.Config{
		Server:  server.New(server.Config{Store: store, Runner: runner, Retention: 240 * time.Hour, Card: demoagent.Card()}),
		BaseURL: functionurl.BaseURL, Auth: auth.None(), Logger: logger,
	}))
	mux.Handle(callback.Path, callback.New(callback.Config{Store: store, Invoke: runner.Invoke, Logger: logger}))
	return http.Serve(listener, mux)
}

func TestMain(m *testing.M) {
	if os.Getenv("PEERS_SERVE") == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}
