// Package stack runs template.yaml on this machine: agent, worker, sweeper and push function as
// emulated Lambda functions that invoke each other, over a table in DynamoDB and its stream.
package stack

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"

	"a2alambda/localtest/emulator"
)

// Memory is the memory of each function in MB, as in template.yaml by default.
var Memory = map[string]int{"agent": 384, "worker": 384, "sweeper": 256, "push": 256, "callback": 256}

// Config says what a stack consists of.
type Config struct {
	// The functions; their Binary is required. Start sets their names, and adds to their Env.
	Agent, Worker, Sweeper emulator.Config
	// Push is the push function. The table's stream invokes it, unless NoStream is set. Without a
	// Binary there is no stream, which makes DynamoDB Local slow.
	Push     emulator.Config
	NoStream bool
	// Callback is the callback function. Without a Binary there is none.
	Callback emulator.Config
	// Invoke is the functions' Lambda API. Start sets its Functions.
	Invoke emulator.LambdaConfig
	// DynamoDB is the endpoint of DynamoDB, and Table an existing table there. Both are required.
	DynamoDB, Table string
}

// Stack is a running stack. Agent is an [http.Handler]: its function URL.
type Stack struct {
	Agent, Worker, Sweeper *emulator.Emulator
	Push, Callback         *emulator.Emulator // nil for none
	Invoke                 *emulator.Lambda
	InvokeURL              string // AWS_ENDPOINT_URL_LAMBDA
	CallbackURL            string // CALLBACK_URL; empty for none
	// Env is the environment that the functions have in common.
	Env []string

	server    *http.Server     // serves InvokeURL
	callbacks *httptest.Server // serves the callback function's URL; nil for none
	stream    *stream          // nil for none
	endStream context.CancelFunc
}

// Start makes the functions. Invocations start their instances. The caller must call [Stack.Close].
func Start(c Config) (*Stack, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	invoke := "http://" + listener.Addr().String()
	s := &Stack{InvokeURL: invoke, Env: []string{
		"TABLE_NAME=" + c.Table,
		"WORKER_FUNCTION_NAME=worker",
		"PUSH_FUNCTION_NAME=push",
		"AWS_ENDPOINT_URL_DYNAMODB=" + c.DynamoDB,
		"AWS_ENDPOINT_URL_LAMBDA=" + invoke,
		"AWS_NEW_RETRIES_2026=true",
		"PAGE=true",
		"SERVICE_NAME=stack",
		"AUTH=none", // unless Config.Agent.Env changes it
	}}
	if c.Callback.Binary != "" {
		s.callbacks = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Callback.ServeHTTP(w, r) }))
		s.CallbackURL = "http://" + s.callbacks.Listener.Addr().String() + "/"
		url := "CALLBACK_URL=" + s.CallbackURL
		c.Agent.Env, c.Worker.Env = slices.Concat(c.Agent.Env, []string{url}), slices.Concat(c.Worker.Env, []string{url})
	}
	c.Push.NoRetries = true // like MaximumRetryAttempts in template.yaml
	for _, f := range []struct {
		name   string
		config emulator.Config
		is     **emulator.Emulator
	}{
		{"agent", c.Agent, &s.Agent},
		{"worker", c.Worker, &s.Worker},
		{"sweeper", c.Sweeper, &s.Sweeper},
		{"push", c.Push, &s.Push},
		{"callback", c.Callback, &s.Callback},
	} {
		if f.config.Binary == "" && (f.name == "push" || f.name == "callback") {
			continue
		}
		f.config.Name = f.name
		f.config.Memory = cmp.Or(f.config.Memory, Memory[f.name])
		f.config.Env = slices.Concat(s.Env, f.config.Env)
		if *f.is, err = emulator.New(f.config); err != nil {
			listener.Close()
			return nil, err
		}
	}
	c.Invoke.Functions = s.functions()
	if s.Invoke, err = emulator.NewLambda(c.Invoke); err != nil {
		listener.Close()
		return nil, err
	}
	s.server = &http.Server{Handler: s.Invoke}
	go s.server.Serve(listener)
	if s.callbacks != nil {
		s.callbacks.Start()
	}
	if s.Push != nil && !c.NoStream {
		var ctx context.Context
		ctx, s.endStream = context.WithCancel(context.Background())
		call := func(payload []byte) error { return s.Invoke.Call("push", payload) }
		if s.stream, err = startStream(ctx, c.DynamoDB, c.Table, call, cmp.Or(c.Invoke.Log, io.Discard)); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Stack) functions() []*emulator.Emulator {
	all := []*emulator.Emulator{s.Agent, s.Worker, s.Sweeper}
	for _, f := range []*emulator.Emulator{s.Push, s.Callback} {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// Sweep invokes the sweeper, like its schedule.
func (s *Stack) Sweep() error {
	_, err := s.Invoke.Send("sweeper", []byte("{}"))
	return err
}

// Close ends the functions, and waits for their end.
func (s *Stack) Close() error {
	if s.stream != nil {
		s.endStream()
	}
	if s.callbacks != nil {
		s.callbacks.Close()
	}
	for _, f := range s.functions() {
		f.Close()
	}
	s.Invoke.Close()
	if s.stream != nil {
		s.stream.group.Wait()
	}
	return s.server.Close()
}
