package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/process"
)

// Names of systems that the measurements ask for.
const (
	limitName        = "limit"
	peerName         = "a2a-go"
	memoryName       = "a2alambda, memory"
	dynamoName       = "a2alambda, DynamoDB Local"
	memorySlowName   = memoryName + " + 5 ms"
	dynamoSlowName   = dynamoName + " + 5 ms"
	memoryServerName = memoryName + ", HTTP"
	peerServerName   = peerName + ", HTTP"
	pythonName       = "tutorial's Python, HTTP"
)

// storeLatency is what a call to a slow store takes longer.
const storeLatency = "5ms"

// system is something to measure. One that is not a server is a Lambda function behind the emulator.
type system struct {
	name   string
	ours   bool
	server bool // is reached by HTTP without a Lambda between
	legacy bool // speaks 0.3
	start  func(ctx context.Context) (*running, error)
}

// systems returns the systems in the order of the tables. Without a Python that of the tutorial is not among them.
func systems(b *bench, python string) []*system {
	function := func(mode string, env ...string) func(context.Context) (*running, error) {
		return func(ctx context.Context) (*running, error) { return b.startFunction(ctx, mode, env) }
	}
	server := func(mode string) func(context.Context) (*running, error) {
		return func(ctx context.Context) (*running, error) {
			cmd := exec.Command(b.binary)
			cmd.Env = append(os.Environ(), "MODE="+mode)
			return b.startServer(ctx, cmd)
		}
	}
	all := []*system{
		{name: limitName, start: function("limit")},
		{name: memoryName, ours: true, start: function("memory")},
		{name: memorySlowName, ours: true, start: function("memory", "STORE_LATENCY="+storeLatency)},
		{name: dynamoName, ours: true, start: function("dynamodb")},
		{name: dynamoSlowName, ours: true, start: function("dynamodb", "STORE_LATENCY="+storeLatency)},
		{name: peerName, start: function("a2a-go")},
		{name: memoryServerName, ours: true, server: true, start: server("memory")},
		{name: peerServerName, server: true, start: server("a2a-go")},
	}
	if python != "" {
		all = append(all, &system{name: pythonName, server: true, legacy: true, start: func(ctx context.Context) (*running, error) {
			return b.startServer(ctx, exec.Command(python, "-c", pythonServer))
		}})
	}
	return all
}

// running is a system that runs. The caller must close it.
type running struct {
	url    string
	legacy bool
	pids   func() []int
	// pool returns how many requests can be served at once without a cold start. Nil means any number.
	pool  func() int
	close func()
}

// run starts the system and warms it for so many streams at once.
func (s *system) run(ctx context.Context, clients int) (*running, error) {
	r, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	r.legacy = s.legacy
	if err := r.warm(ctx, clients); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// warm runs a few streams, so many at once, until there are instances for that.
func (r *running) warm(ctx context.Context, clients int) error {
	for i := 0; i < 3 || r.pool != nil && r.pool() < clients; i++ {
		if err := r.together(clients, func() error {
			_, err := r.stream(ctx, load.Order{Events: 2, EveryMS: 20}, nil)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// together calls f so often at once.
func (r *running) together(n int, f func() error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = f() })
	}
	group.Wait()
	return errors.Join(errs...)
}

// startFunction makes a Lambda function of the mode, with a table of its own if it needs one, and its URL.
func (b *bench) startFunction(ctx context.Context, mode string, env []string) (*running, error) {
	env = append([]string{"MODE=" + mode}, env...)
	if mode == "dynamodb" {
		table, err := b.newTable(ctx)
		if err != nil {
			return nil, err
		}
		env = append(env, "TABLE_NAME="+table, "WORKER_FUNCTION_NAME=worker", "AWS_ENDPOINT_URL_DYNAMODB="+b.engine.Endpoint,
			"AWS_NEW_RETRIES_2026=true")
	}
	if b.profiles != "" {
		env = append(env, "CPU_PROFILES="+b.profiles)
	}
	f, err := emulator.New(emulator.Config{Binary: b.binary, Env: env, Log: b.log})
	if err != nil {
		return nil, err
	}
	url, end, err := serve(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &running{
		url: url,
		pids: func() (all []int) {
			for _, i := range f.Instances() {
				all = append(all, i.PID)
			}
			return all
		},
		pool:  func() int { return len(f.Instances()) },
		close: func() { f.Close(); end() },
	}, nil
}

// newTable makes a table in DynamoDB Local.
func (b *bench) newTable(ctx context.Context) (string, error) {
	name := "tasks-" + rand.Text()
	return name, dynamolog.CreateTable(ctx, b.dynamoDB(), name)
}

func (b *bench) dynamoDB() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &b.engine.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

// serve serves a handler on loopback until end is called.
func serve(h http.Handler) (url string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	return "http://" + l.Addr().String() + "/", func() {
		s.Close()
		client.CloseIdleConnections() // another server may get the port
	}, nil
}

// startServer starts a server, which inherits its listener as file 3, and returns when it answers.
func (b *bench) startServer(ctx context.Context, cmd *exec.Cmd) (*running, error) {
	// Not by multipath TCP, which Go would ask for: asyncio would leave Nagle's algorithm on, and seem slow by 40 ms.
	var plain net.ListenConfig
	plain.SetMultipathTCP(false)
	l, err := plain.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stdout, cmd.Stderr = b.log, b.log
	cmd.SysProcAttr = process.OwnGroup()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// When the server ends, nobody listens there any more.
	l.Close()
	file.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	r := &running{
		url:  "http://" + l.Addr().String() + "/",
		pids: func() []int { return []int{cmd.Process.Pid} },
		close: func() {
			cmd.Process.Kill()
			ended <- <-ended
			client.CloseIdleConnections() // another server may get the port
		},
	}
	first := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(time.Minute); ; {
		if resp, err := first.Get(r.url); err == nil {
			resp.Body.Close()
			return r, nil
		}
		select {
		case err := <-ended:
			return nil, fmt.Errorf("%s ended before it served: %w", cmd.Path, err)
		case <-time.After(10 * time.Millisecond):
		}
		if err := ctx.Err(); err != nil || time.Now().After(deadline) {
			r.close()
			return nil, errors.Join(fmt.Errorf("%s does not serve", cmd.Path), err)
		}
	}
}
