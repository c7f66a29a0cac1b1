// Package emulator emulates Lambda on this machine: functions with a function URL, which can invoke
// each other.
//
// It runs a real function binary against a real Runtime API, and serves its function URL with
// invoke mode RESPONSE_STREAM over HTTP: each chunk that the function flushes reaches the client at
// once. It is as unkind to the function as Lambda. An instance gets one request at a time. It is
// frozen (SIGSTOP) at the end of its response, and thawed (SIGCONT) for the next request. It is
// killed (SIGKILL) at the deadline, and never learns that a client has gone. Where Lambda would send
// SIGTERM first, so does [Emulator.Terminate]. Through [Lambda],
// functions are also invoked directly, and as unkindly.
//
// With Config.Concurrency it is an execution environment of Lambda Managed Instances instead, which
// gets many requests at once.
//
// The Runtime API is as in https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and the
// stream's format as in https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html
package emulator

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Config describes the function.
type Config struct {
	Name   string // of the function; "" means "function"
	Binary string // the function's executable; required
	// Env are its environment variables, as "NAME=value". It gets none of the emulator's own.
	Env     []string
	Timeout time.Duration // of an invocation; 0 means Lambda's maximum, 15 minutes
	// Memory is the function's memory size in MB, which it reads in its environment. 0 means 512.
	Memory int
	// Limits says what holds its instances to Memory. What is not NoLimits needs Linux, and root.
	Limits Limits
	// Overtime is how much longer an invocation lives after its deadline, and an instance after
	// SIGTERM, if the machine is slow.
	Overtime     time.Duration
	MaxInstances int // more at once get status 429; 0 means 100
	// Concurrency is how many invocations an instance has at once, as on Lambda Managed Instances:
	// it is never frozen, and a timeout ends the answer, but not the code. 0 is Lambda's default kind,
	// with one at a time.
	// https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-execution-environment.html
	Concurrency int
	NoRetries   bool      // an asynchronous invocation that fails is not tried again
	Log         io.Writer // gets what instances print, and why they were killed; nil discards it

	// Observer gets what instances do, when they do it. Many goroutines call it. While it runs,
	// what it observes waits: the process that asks for an event, the next chunk of an answer.
	Observer func(Observation)

	// Callers are the callers who may use the function URL, by access key: its AuthType is AWS_IAM.
	// Nil means NONE: everybody may.
	Callers map[string]Caller
}

const (
	defaultName      = "function"
	defaultTimeout   = 15 * time.Minute
	defaultInstances = 100
	defaultMemory    = 512

	// initTimeout is how long a process may take, on Lambda, to ask for its first event.
	initTimeout = 10 * time.Second

	// terminateTime is how long an instance lives after SIGTERM, if it has no external extensions.
	terminateTime = 500 * time.Millisecond

	// sharedTerminateTime is that for an instance with many invocations. Lambda's is not documented.
	sharedTerminateTime = 2 * time.Second

	// drainTime is how long after the deadline a client may read what the function sent before it.
	drainTime = 5 * time.Second
)

// State is what an instance does.
type State string

const (
	Init   State = "init"   // started, and has not asked for its first event
	Busy   State = "busy"   // has an invocation
	Frozen State = "frozen" // is stopped until the next one
	Idle   State = "idle"   // has no invocation, and waits for one; with Config.Concurrency
)

// Instance is one process of the function.
type Instance struct {
	ID    string // the function's name and a number that no other has
	PID   int
	State State
	// Invocations is how many it has, with Config.Concurrency.
	Invocations int
}

// Emulator is a function, and as an [http.Handler] its URL.
type Emulator struct {
	config Config // with its defaults
	cells  *cells // nil without limits

	mu        sync.Mutex  // guards what follows, and instance.state
	instances []*instance // alive; in order of their start
	idle      []*instance // the frozen ones; the last was used last
	started   int
	closed    bool
	usage     Usage
	peak      int64 // most memory of an instance that has ended
	killed    int   // instances, for lack of memory
}

// New returns the function of a binary. Requests start its instances. It is an error if nothing can
// hold them to Config.Limits here.
func New(c Config) (*Emulator, error) {
	info, err := os.Stat(c.Binary)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o100 == 0 {
		return nil, fmt.Errorf("emulator: %s is not executable", c.Binary)
	}
	c.Name = cmp.Or(c.Name, defaultName)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.Memory = cmp.Or(c.Memory, defaultMemory)
	c.MaxInstances = cmp.Or(c.MaxInstances, defaultInstances)
	if c.Concurrency < 0 {
		return nil, fmt.Errorf("emulator: the concurrency is %d", c.Concurrency)
	}
	c.Log = &lockedWriter{w: cmp.Or(c.Log, io.Discard)}
	held, err := openCells(c.Limits, c.Memory)
	if err != nil {
		return nil, err
	}
	return &Emulator{config: c, cells: held}, nil
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

// Memory returns the function's memory size in MB.
func (e *Emulator) Memory() int { return e.config.Memory }

// Instances returns the living instances, the oldest first.
func (e *Emulator) Instances() []Instance {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []Instance
	for _, i := range e.instances {
		if i.state != "" {
			all = append(all, Instance{i.id, i.pid(), i.state, len(i.taken)})
		}
	}
	return all
}

// Busy returns the IDs of the instances that have an invocation, the oldest first.
func (e *Emulator) Busy() (ids []string) {
	for _, i := range e.Instances() {
		if i.State == Busy {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

// Kill ends an instance with SIGKILL, and waits for its end. A stream that it was sending is cut.
func (e *Emulator) Kill(id string) error {
	e.mu.Lock()
	i := e.find(id)
	e.mu.Unlock()
	if i == nil {
		return fmt.Errorf("emulator: kill %s: no such instance", id)
	}
	i.kill()
	<-i.exited
	return nil
}

// Terminate ends an instance as Lambda does when it needs one no more: it gets no further event. If
// its process has asked for that, by registering an extension, it gets SIGTERM, and half a second
// later SIGKILL. Otherwise it gets SIGKILL at once. Terminate waits for its end.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
func (e *Emulator) Terminate(id string) error {
	e.mu.Lock()
	i := e.find(id)
	if i != nil {
		i.ending = true
		e.idle = slices.DeleteFunc(e.idle, func(other *instance) bool { return other == i })
	}
	e.mu.Unlock()
	if i == nil {
		return fmt.Errorf("emulator: terminate %s: no such instance", id)
	}
	within := terminateTime
	if e.config.Concurrency > 0 {
		within = sharedTerminateTime
	}
	i.terminate(within + e.config.Overtime)
	<-i.exited
	return nil
}

// Freeze stops a busy instance (SIGSTOP) in the middle of its invocations, and returns when it has
// stopped. Their deadlines stay, and with Config.Concurrency others get the next invocations.
// [Emulator.Thaw] lets it go on.
func (e *Emulator) Freeze(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.find(id)
	if i == nil || i.state != Busy {
		return fmt.Errorf("emulator: freeze %s: no such busy instance", id)
	}
	i.freeze()
	i.stopped = true
	return nil
}

// Thaw ends a Freeze. It is an error if the invocation has ended meanwhile, or the instance has
// died.
func (e *Emulator) Thaw(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.find(id)
	if i == nil || i.state != Busy && !i.stopped { // one with many invocations may have none by now
		return fmt.Errorf("emulator: thaw %s: no such busy instance", id)
	}
	i.stopped = false
	i.thaw()
	return nil
}

// find returns a living instance, or nil. The caller holds e.mu.
func (e *Emulator) find(id string) *instance {
	n := slices.IndexFunc(e.instances, func(i *instance) bool { return i.id == id && i.state != "" })
	if n < 0 {
		return nil
	}
	return e.instances[n]
}

// Close kills all instances and waits. Running requests are cut, later ones get status 503.
func (e *Emulator) Close() error {
	e.mu.Lock()
	e.closed = true
	all := slices.Clone(e.instances)
	e.mu.Unlock()
	for _, i := range all {
		<-i.launched
		i.kill()
		<-i.exited
	}
	return nil
}
