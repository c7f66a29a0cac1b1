package main

import (
	"context"
	"crypto/rand"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"

	"golang.org/x/sync/errgroup"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/process"
	"a2alambda/localtest/stack"
)

// Names of systems that the measurements ask for.
const (
	limitName  = "limit"
	peerName   = "a2a-go"
	memoryName = "a2alambda, memory"
	dynamoName = "a2alambda, DynamoDB Local"

	// byHTTP ends the name of a system that is a server, without Lambda.
	byHTTP = ", HTTP"
	// slower ends the name of a system whose calls to the store take 5 ms longer each.
	slower = " + 5 ms"
)

type system struct {
	name   string
	legacy bool // speaks 0.3
	start  func(ctx context.Context) (*running, error)
}

// systems returns the systems in the order of the tables. The tutorial's needs a Python.
func systems(b *bench, python string) []*system {
	function := func(env ...string) func(context.Context) (*running, error) {
		return func(context.Context) (*running, error) {
			f, err := emulator.New(emulator.Config{Binary: b.binary, Env: env, Log: b.log})
			if err != nil {
				return nil, err
			}
			return serve(f, f.Close), nil
		}
	}
	onTable := func(env ...string) func(context.Context) (*running, error) {
		return func(ctx context.Context) (*running, error) { return b.startStack(ctx, env...) }
	}
	server := func(mode string, command ...string) func(context.Context) (*running, error) {
		return func(ctx context.Context) (*running, error) {
			cmd := exec.Command(command[0], command[1:]...)
			cmd.Env = append(os.Environ(), "MODE="+mode)
			return startServer(ctx, cmd)
		}
	}
	const latency = "STORE_LATENCY=5ms"
	all := []*system{
		{name: limitName, start: function("MODE=limit")},
		{name: memoryName, start: function("MODE=memory")},
		{name: memoryName + slower, start: function("MODE=memory", latency)},
		{name: dynamoName, start: onTable()},
		{name: dynamoName + slower, start: onTable(latency)},
		{name: peerName, start: function("MODE=a2a-go")},
		{name: memoryName + byHTTP, start: server("memory", b.binary)},
		{name: peerName + byHTTP, start: server("a2a-go", b.binary)},
	}
	if python != "" {
		all = append(all, &system{
			name: "tutorial's Python" + byHTTP, legacy: true, start: server("", python, "-c", pythonServer),
		})
	}
	return all
}

// named returns the system with the name, which must exist.
func (b *bench) named(name string) *system {
	for _, s := range b.systems {
		if s.name == name {
			return s
		}
	}
	panic("there is no system " + name)
}

// running is a system at work. The caller must close it.
type running struct {
	url    string
	legacy bool
	agent  *emulator.Emulator // nil of a server
	pid    int                // of a server
	close  func()
}

// pids returns the ids of its processes.
func (r *running) pids() (all []int) {
	if r.agent == nil {
		return []int{r.pid}
	}
	for _, i := range r.agent.Instances() {
		all = append(all, i.PID)
	}
	return all
}

// run starts the system, and warms it for a number of streams at once.
func (s *system) run(ctx context.Context, clients int) (*running, error) {
	r, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	r.legacy = s.legacy
	// As many streams at once as there are clients, until each has an instance.
	for i := 0; i < 3 || r.agent != nil && len(r.agent.Instances()) < clients; i++ {
		if err := together(clients, func() error {
			_, _, err := r.stream(ctx, load.Order{Events: 2, EveryMS: 20}, nil)
			return err
		}); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

// together calls f n times, all at once.
func together(n int, f func() error) error {
	var group errgroup.Group
	for range n {
		group.Go(f)
	}
	return group.Wait()
}

// serve serves a function until it is closed. Close then calls end.
func serve(f *emulator.Emulator, end func() error) *running {
	s := httptest.NewServer(f)
	return &running{url: s.URL, agent: f, close: func() {
		end()
		client.Transport.CloseIdleConnections() // another server may get the port
		s.Close()
	}}
}

// startStack starts this project as it is deployed: agent and worker, on a table in DynamoDB Local.
func (b *bench) startStack(ctx context.Context, env ...string) (*running, error) {
	table, err := b.newTable(ctx)
	if err != nil {
		return nil, err
	}
	return b.stackOn(table, emulator.Config{Env: env})
}

// startDense starts it with what is particular to its agent's instances.
func (b *bench) startDense(ctx context.Context, agent emulator.Config) (*running, error) {
	table, err := b.newTable(ctx)
	if err != nil {
		return nil, err
	}
	return b.stackOn(table, agent)
}

func (b *bench) stackOn(table string, agent emulator.Config) (*running, error) {
	agent.Binary, agent.Env, agent.Log = b.binary, append(agent.Env, "MODE=dynamodb"), b.log
	s, err := stack.Start(stack.Config{
		Agent: agent,
		Worker: emulator.Config{
			Binary: b.binary, Env: []string{"MODE=worker"}, Log: b.log, Concurrency: agent.Concurrency, Memory: agent.Memory,
		},
		Sweeper:  emulator.Config{Binary: b.binary}, // never invoked
		Invoke:   emulator.LambdaConfig{Log: b.log},
		DynamoDB: b.engine.Endpoint, Table: table,
	})
	if err != nil {
		return nil, err
	}
	return serve(s.Agent, s.Close), nil
}

// lighten replaces the engine, until restore is called, by one that leaves more of the machine to what is
// measured.
func (b *bench) lighten(ctx context.Context) (restore func(), err error) {
	light, err := dynamodblocal.StartLight(ctx)
	if err != nil {
		return nil, err
	}
	usual := b.engine
	b.engine = light
	return func() {
		light.Close()
		b.engine = usual
	}, nil
}

func (b *bench) newTable(ctx context.Context) (string, error) {
	name := "tasks-" + rand.Text()
	return name, dynamolog.CreateTable(ctx, b.engine.Client(), name)
}

// startServer starts a server that inherits its listener as file 3. It returns when that answers.
func startServer(ctx context.Context, cmd *exec.Cmd) (*running, error) {
	// Plain TCP, not Go's default of multipath TCP: with that, asyncio leaves Nagle's algorithm on,
	// and every answer takes 40 ms more.
	var plain net.ListenConfig
	plain.SetMultipathTCP(false)
	l, err := plain.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	file, err := l.(*net.TCPListener).File()
	l.Close() // when the server ends, nobody may listen there
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{file}
	p, err := process.Start(ctx, cmd, "http://"+l.Addr().String())
	file.Close()
	if err != nil {
		return nil, err
	}
	return &running{url: "http://" + l.Addr().String(), pid: p.Process.Pid, close: func() {
		p.Kill()
		client.Transport.CloseIdleConnections() // another server may get the port
	}}, nil
}
