// Command serve runs the deployed system on this machine: the agent's function behind an emulated function URL at
// http://localhost:10000, and its table in DynamoDB Local. Run it in the repository:
//
//	go run ./localtest/serve
//
// PORT changes the port. SIGINT and SIGTERM end it when the running streams have ended, or after ten seconds; a second
// signal ends it at once. The tasks end with it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/emulator"
)

const (
	table = "tasks"

	// grace is how long a signal waits for running streams.
	grace = 10 * time.Second
)

func main() {
	if err := serve(cmp.Or(os.Getenv("PORT"), "10000")); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func serve(port string) error {
	// The signals end what is being set up, but not the running engine: the streams need it to their end.
	signalled, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()

	// First of all, because a port that is taken is the likeliest failure.
	listener, err := net.Listen("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		return err
	}
	defer listener.Close()
	_, port, _ = net.SplitHostPort(listener.Addr().String())

	fmt.Println("Setting up DynamoDB Local …")
	jars, err := localtest.Install(signalled, "dynamodb")
	if err != nil {
		return err
	}
	engine, err := localtest.StartDynamoDB(context.Background(), jars)
	if err != nil {
		return err
	}
	defer engine.Close()
	client := dynamodb.New(dynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: &engine.Endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	if err := dynamolog.CreateTable(signalled, client, table); err != nil {
		return err
	}

	fmt.Println("Building functions/agent …")
	binary, err := emulator.Build(signalled, "a2alambda/functions/agent")
	if err != nil {
		return err
	}
	function, err := emulator.New(emulator.Config{
		Binary: binary,
		Env: []string{
			"TABLE_NAME=" + table,
			"AWS_ENDPOINT_URL_DYNAMODB=" + engine.Endpoint,
			"AWS_NEW_RETRIES_2026=true",
		},
		Log: os.Stderr,
	})
	if err != nil {
		return err
	}
	defer function.Close()

	url := "http://localhost:" + port + "/"
	fmt.Printf(`
Function URL: %[1]s
Agent card:   %[1]s.well-known/agent-card.json
Tasks:        table %[2]s of DynamoDB Local at %[3]s

Try it:
curl -N %[1]s -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","parts":[{"kind":"text","text":"Stream me a response!"}],"messageId":"'$RANDOM'"}}}'

`, url, table, engine.Endpoint)

	server := &http.Server{Handler: function, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-signalled.Done()
		restore()
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("streams were still running after %v and have been cut", grace)
	}
	return nil
}
