// Package stack is what template.yaml deploys, on this machine: agent, worker and sweeper as emulated Lambda functions that
// invoke each other, over a table in DynamoDB.
package stack

import (
	"fmt"
	"net"
	"net/http"
	"slices"

	"a2alambda/localtest/emulator"
)

// Config says what a stack consists of.
type Config struct {
	// The functions. Their Binary is required; Start sets their names, and adds to their environment variables.
	Agent, Worker, Sweeper emulator.Config
	// Invoke is how they invoke each other. Start sets its functions.
	Invoke emulator.LambdaConfig
	// DynamoDB is the endpoint of the functions' DynamoDB, and Table a table there, which exists. Both are required.
	DynamoDB, Table string
}

// Stack is a running stack. Agent is an [http.Handler]: its function URL.
type Stack struct {
	Agent, Worker, Sweeper *emulator.Emulator
	Invoke                 *emulator.Lambda
	// Env is the environment that the functions have in common.
	Env []string

	server *http.Server // of Invoke
}

// Start makes the functions. They have no instances before they are invoked. The caller must call [Stack.Close].
func Start(c Config) (*Stack, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	s := &Stack{Env: []string{
		"TABLE_NAME=" + c.Table,
		"WORKER_FUNCTION_NAME=worker",
		"AWS_ENDPOINT_URL_DYNAMODB=" + c.DynamoDB,
		"AWS_ENDPOINT_URL_LAMBDA=http://" + listener.Addr().String(),
		"AWS_NEW_RETRIES_2026=true",
	}}
	for _, f := range []struct {
		name   string
		config emulator.Config
		is     **emulator.Emulator
	}{
		{"agent", c.Agent, &s.Agent},
		{"worker", c.Worker, &s.Worker},
		{"sweeper", c.Sweeper, &s.Sweeper},
	} {
		f.config.Name = f.name
		f.config.Env = slices.Concat(s.Env, f.config.Env)
		if *f.is, err = emulator.New(f.config); err != nil {
			listener.Close()
			return nil, err
		}
	}
	c.Invoke.Functions = []*emulator.Emulator{s.Agent, s.Worker, s.Sweeper}
	if s.Invoke, err = emulator.NewLambda(c.Invoke); err != nil {
		listener.Close()
		return nil, err
	}
	s.server = &http.Server{Handler: s.Invoke}
	go s.server.Serve(listener)
	return s, nil
}

// Sweep invokes the sweeper, as its schedule does.
func (s *Stack) Sweep() error {
	_, err := s.Invoke.Send("sweeper", []byte("{}"))
	return err
}

// Close ends the functions, whatever they do, and waits for their end.
func (s *Stack) Close() error {
	for _, f := range []*emulator.Emulator{s.Agent, s.Worker, s.Sweeper} {
		f.Close()
	}
	s.Invoke.Close()
	return s.server.Close()
}
