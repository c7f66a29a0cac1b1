package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"time"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest/chaos"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// sharedMB is the memory of an instance that has many streams, in MB.
const sharedMB = 2048

// system is the deployed system, with an agent that streams what a model says.
type system struct {
	*stack.Stack
	url string // the agent's function URL
	log *os.File

	takeovers *chaos.Takeovers

	ends []func() // what close does, the last first

	mu      sync.Mutex           // guards what follows
	serving map[string][]string  // by instance, the requests that it has
	jobs    map[string]string    // by request of the worker, the task
	started map[string]time.Time // when an instance was
	starts  times                // how long instances took to ask for their first event
}

func open(ctx context.Context, c config) (s *system, err error) {
	s = &system{takeovers: new(chaos.Takeovers), serving: map[string][]string{}, jobs: map[string]string{}, started: map[string]time.Time{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if c.log != "" {
		s.log, err = os.Create(c.log)
	} else {
		s.log, err = os.CreateTemp("", "outside-*.log")
	}
	if err != nil {
		return nil, err
	}
	s.ends = append(s.ends, func() { s.log.Close() })
	engine, err := dynamodblocal.Start(ctx)
	if err != nil {
		return nil, err
	}
	s.ends = append(s.ends, engine.Close)
	const table = "tasks"
	if err := dynamolog.CreateTable(ctx, engine.Client(), table); err != nil {
		return nil, err
	}
	bedrock := httptest.NewServer(model(c.pace()))
	s.ends = append(s.ends, func() { bedrock.CloseClientConnections(); bedrock.Close() })
	parts := stack.Config{DynamoDB: engine.Endpoint, Table: table}
	if parts.Agent.Concurrency = c.concurrency; c.concurrency > 0 {
		parts.Agent.Memory = sharedMB
	}
	parts.Worker = parts.Agent
	for name, f := range map[string]*emulator.Config{"agent": &parts.Agent, "worker": &parts.Worker, "sweeper": &parts.Sweeper} {
		if f.Binary, err = emulator.Build(ctx, "a2alambda/functions/"+name); err != nil {
			return nil, err
		}
		f.Env = []string{"AGENT=bedrock", "MODEL_ID=example.model-v1:0", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=" + bedrock.URL}
		f.Log, f.Observer = io.MultiWriter(s.log, s.takeovers), s.observe
	}
	parts.Invoke.Log = s.log
	parts.Invoke.Deliver = func(e emulator.Event) int {
		s.accepted(e)
		return 1
	}
	if s.Stack, err = stack.Start(parts); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, func() { s.Stack.Close() })
	agent := httptest.NewServer(s.Agent)
	s.url = agent.URL
	s.ends = append(s.ends, func() { agent.CloseClientConnections(); agent.Close() })
	return s, nil
}

func (s *system) close() {
	for i := len(s.ends) - 1; i >= 0; i-- {
		s.ends[i]()
	}
}

// observe is the observer of all functions.
func (s *system) observe(o emulator.Observation) {
	s.takeovers.Observe(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch o.Moment {
	case emulator.Started:
		s.started[o.Instance] = o.At
	case emulator.Asked:
		if at, first := s.started[o.Instance]; first {
			s.starts = append(s.starts, o.At.Sub(at))
			delete(s.started, o.Instance)
		}
	case emulator.Delivered:
		s.serving[o.Instance] = append(s.serving[o.Instance], o.Request)
	case emulator.Ended:
		s.serving[o.Instance] = slices.DeleteFunc(s.serving[o.Instance], func(r string) bool { return r == o.Request })
	}
}

// accepted notes which task a worker is asked for.
func (s *system) accepted(e emulator.Event) {
	var job struct{ TaskID string }
	if json.Unmarshal(e.Payload, &job) != nil || job.TaskID == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[e.ID] = job.TaskID
}

// at returns what an instance does: the requests that it has, and their tasks if it is a worker.
func (s *system) at(instance string) (requests, tasks map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, tasks = map[string]bool{}, map[string]bool{}
	for _, r := range s.serving[instance] {
		requests[r] = true
		if task := s.jobs[r]; task != "" {
			tasks[task] = true
		}
	}
	return requests, tasks
}

// left reports whether a worker was asked for a task.
func (s *system) left(task string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.jobs {
		if id == task {
			return true
		}
	}
	return false
}

// sweep invokes the sweeper as its schedule does, until ctx is done.
func (s *system) sweep(ctx context.Context) {
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			s.Sweep() // fails only at the end
		}
	}
}
