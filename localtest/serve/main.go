// Command serve runs the deployed system on this machine: the agent's function behind an emulated
// function URL at http://localhost:10000, the worker, the sweeper and the push function, and their
// table with its stream in DynamoDB Local. Run it in the repository:
//
//	go run ./localtest/serve
//
// usage.txt lists the environment variables. SIGINT or SIGTERM ends it when the running streams
// have ended, or after ten seconds; a second signal ends it at once. All tasks end with it,
// including those in a worker.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/purchase/street"
	"a2alambda/internal/usage"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

const (
	table = "tasks"

	// grace is how long running streams may go on after a signal.
	grace = 10 * time.Second

	sweepEvery = time.Minute
)

//go:embed usage.txt
var help string

func main() {
	usage.Exit(help)
	if err := serve(cmp.Or(os.Getenv("PORT"), "10000"), cmp.Or(os.Getenv("TIMEOUT"), "900")); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func serve(port, timeout string) error {
	seconds, err := strconv.Atoi(timeout)
	if err != nil || seconds < 1 || seconds > 900 {
		return fmt.Errorf("TIMEOUT is %q, not a number of seconds from 1 to 900", timeout)
	}
	// A signal ends the setup, but not a running engine: the streams need it until they end.
	signalled, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()

	// This comes first, because a port that is taken is the most likely failure.
	listener, err := net.Listen("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		return fmt.Errorf("cannot listen on port %s; set PORT to another: %w", port, err)
	}
	defer listener.Close()
	_, port, _ = net.SplitHostPort(listener.Addr().String())

	fmt.Println("Setting up DynamoDB Local …")
	engine, err := dynamodblocal.Start(signalled)
	if err != nil {
		return err
	}
	defer engine.Close()
	if err := dynamolog.CreateTable(signalled, engine.Client(), table); err != nil {
		return err
	}

	config := stack.Config{DynamoDB: engine.Endpoint, Table: table}
	env := functionEnv(os.Environ())
	if beside, err := openStreet(); err != nil {
		return err
	} else if beside != nil {
		defer beside.Close()
		getenv := beside.Getenv(os.Getenv)
		env = append(env, "SHOP_URL="+getenv("SHOP_URL"), "PEERS="+getenv("PEERS"))
		fmt.Printf("The shop's books are at %sbooks\n", beside.ShopURL)
	}
	config.Agent.Env, config.Worker.Env, config.Sweeper.Env, config.Push.Env, config.Callback.Env = env, env, env, env, env
	config.Agent.Timeout = time.Duration(seconds) * time.Second
	config.Worker.Timeout = config.Agent.Timeout
	config.Invoke.Log = os.Stderr
	for _, f := range []struct {
		name   string
		config *emulator.Config
	}{
		{"agent", &config.Agent}, {"worker", &config.Worker}, {"sweeper", &config.Sweeper}, {"push", &config.Push},
		{"callback", &config.Callback},
	} {
		fmt.Printf("Building functions/%s …\n", f.name)
		if f.config.Binary, err = emulator.Build(signalled, "a2alambda/functions/"+f.name); err != nil {
			return err
		}
		f.config.Log = os.Stderr
	}
	functions, err := stack.Start(config)
	if err != nil {
		return err
	}
	defer functions.Close()
	go sweep(signalled, functions)
	if err := tryCard(functions.Agent); err != nil {
		return err
	}

	url := "http://localhost:" + port + "/"
	fmt.Printf(`
Function URL: %[1]s
In a browser: %[1]s
Agent card:   %[1]s.well-known/agent-card.json
Tasks:        table %[2]s of DynamoDB Local at %[3]s

Try it:
curl -N %[1]s -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","parts":[{"kind":"text","text":"Stream me a response!"}],"messageId":"'$(date +%%s)'"}}}'

`, url, table, engine.Endpoint)

	server := &http.Server{Handler: functions.Agent, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-signalled.Done()
		restore()
		fmt.Printf("\nWaiting %v at most for running streams to end. Another Ctrl-C ends them at once.\n", grace)
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

// openStreet starts what the purchase agent needs, if it is the one to host and the environment
// says nothing else. It may return nil.
func openStreet() (*street.Street, error) {
	if os.Getenv("AGENT") != "purchase" || os.Getenv("SHOP_URL") != "" && os.Getenv("PEERS") != "" {
		return nil, nil
	}
	return street.Open(street.Usual(), 100*time.Millisecond, slog.New(slog.DiscardHandler))
}

// functionEnv returns the variables for functions, without addresses: the stack sets those.
func functionEnv(all []string) []string {
	ours := func(name string) bool {
		return slices.Contains([]string{"TABLE_NAME", "WORKER_FUNCTION_NAME", "PUSH_FUNCTION_NAME", "CALLBACK_URL", "PORT", "TIMEOUT"}, name) ||
			strings.HasPrefix(name, "AWS_LAMBDA_") || strings.HasPrefix(name, "AWS_ENDPOINT_URL") && name != "AWS_ENDPOINT_URL_S3"
	}
	env := []string{"PUSH_ALLOWED_CIDRS=127.0.0.0/8,::1/128"}
	for _, v := range all {
		if name, _, _ := strings.Cut(v, "="); !ours(name) {
			env = append(env, v)
		}
	}
	return env
}

// tryCard starts an instance of the agent. If it does not answer, its output says why.
func tryCard(agent http.Handler) error {
	answer := httptest.NewRecorder()
	agent.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/.well-known/agent-card.json", nil))
	if answer.Code != http.StatusOK {
		return fmt.Errorf("the agent's function does not start: %s", strings.TrimSpace(answer.Body.String()))
	}
	return nil
}

// sweep invokes the sweeper each minute, until ctx is done.
func sweep(ctx context.Context, functions *stack.Stack) {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if err := functions.Sweep(); err != nil {
			fmt.Fprintln(os.Stderr, "serve:", err)
		}
	}
}
