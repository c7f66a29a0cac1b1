package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/faults"
	"a2alambda/localtest/stack"
)

// system is the deployed system, with DynamoDB behind proxies and a second agent function, whose
// invocations may last longer.
type system struct {
	*stack.Stack
	agent, other       string // the agents' function URLs
	second             *emulator.Emulator
	agentDB, workersDB *faults.Proxy // the first agent's, and all others'
	log                *dynamolog.Log
	takeovers          *Takeovers
	steps              int           // that the agent says
	slow               time.Duration // so many times as patient are clients

	close func()
}

// config says how a system differs from the deployed one.
type config struct {
	seed    uint64
	changes []change // of agent and worker
	timeout time.Duration
	deliver func(emulator.Event) int
	env     []string // of agent and worker
	// callbacks adds the callback function.
	callbacks bool
	// concurrency is how many requests an instance of agent and worker has at once, as on Lambda
	// Managed Instances. 0 is Lambda's default kind.
	concurrency int
	streams     int // tasks at a time; if they are more than usual, each says less, and slower
}

// usual is how many tasks at a time this machine can have, with all that they say.
const usual = 24

// slower is how many times as long the agent waits from one step to the next.
func (c config) slower() int { return max(1, c.streams/usual) }

// sharedMB is the memory of an instance with many streams, in MB.
const sharedMB = 2048

// lasting limits an invocation of the second agent, or of the worker. It is more than frozen.
const lasting = 30 * time.Second

func start(t *testing.T, c config) *system {
	t.Helper()
	endpoint := dynamodblocal.Endpoint(t)
	client, table := dynamodblocal.Table(t)
	s := &system{log: dynamolog.New(client, table), takeovers: new(Takeovers)}
	s.steps, s.slow = max(60/c.slower(), 12), time.Duration((c.slower()+1)/2) // the steps take 6 s or more
	var ofAgent, ofWorkers *httptest.Server
	s.agentDB, ofAgent = faults.Start(t, endpoint, c.seed)
	s.workersDB, ofWorkers = faults.Start(t, endpoint, c.seed+1)

	changes := slices.Concat(talkative(s.steps, time.Duration(c.slower())*100*time.Millisecond), c.changes)
	agent, worker := build(t, "agent", changes...), build(t, "worker", changes...)
	logs := io.MultiWriter(t.Output(), s.takeovers)
	function := func(name, binary string, timeout time.Duration, env []string) emulator.Config {
		f := emulator.Config{
			Name: name, Binary: binary, Timeout: timeout, Env: env, Concurrency: c.concurrency, Log: logs, Observer: s.takeovers.Observe,
		}
		if c.concurrency > 0 {
			f.Memory = sharedMB
		}
		return f
	}
	var callbacks emulator.Config
	if c.callbacks {
		callbacks.Binary = stack.Function(t, "callback")
	}
	s.Stack, s.agent = stack.New(t, stack.Config{
		Agent:    function("", agent, c.timeout, append([]string{"AWS_ENDPOINT_URL_DYNAMODB=" + ofAgent.URL}, c.env...)),
		Worker:   function("", worker, lasting, c.env),
		Callback: callbacks,
		Sweeper:  emulator.Config{Timeout: time.Minute},
		Invoke:   emulator.LambdaConfig{Deliver: c.deliver},
		DynamoDB: ofWorkers.URL,
		Table:    table,
	})
	var err error
	s.second, err = emulator.New(function("second", agent, lasting, slices.Concat(s.Env, c.env, []string{"CALLBACK_URL=" + s.CallbackURL})))
	if err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(s.second)
	s.other = other.URL
	s.close = sync.OnceFunc(func() {
		s.agentDB.Close()
		s.workersDB.Close()
		s.second.Close()
		s.Stack.Close()
		other.Close()
	})
	t.Cleanup(s.close)
	return s
}

// sweep invokes the sweeper again and again, until ctx is done.
func (s *system) sweep(ctx context.Context) {
	for {
		s.Sweep() // fails only at the end
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// settle returns when the index has no unfinished task left. The sweeper must achieve that.
func (s *system) settle(ctx context.Context) error {
	for {
		running, err := tasklogtest.Unfinished(ctx, s.log)
		if err == nil && len(running) == 0 {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("unfinished by the index: %v", running))
		}
	}
}

func (s *system) events(ctx context.Context, id a2a.TaskID) ([]tasklog.Event, error) {
	events, _, err := s.log.Read(ctx, id, 0, 1_000_000)
	return events, err
}

// list checks the list of all tasks when none is running. It must have each task of the clients
// once, in order, with the state and time that its log ends with.
func (s *system) list(ctx context.Context, records []*record) error {
	var errs []error
	places := map[a2a.TaskID]int{}
	var before tasklog.Position
	all, err := tasklogtest.All(ctx, s.log, tasklog.Filter{})
	for _, p := range all {
		if places[p.ID]++; before.ID != "" && before.Time.Before(p.Time) {
			errs = append(errs, fmt.Errorf("list: task %s of %v comes after %s of %v", p.ID, p.Time, before.ID, before.Time))
		}
		before = p
		task, err := s.log.Load(ctx, p.ID)
		if err != nil || !task.Task.Status.State.Terminal() || !task.Task.Status.Timestamp.Equal(p.Time) {
			errs = append(errs, fmt.Errorf("list: task %s has the place of %v and is %+v, %v", p.ID, p.Time, task, err))
		}
	}
	n, countErr := s.log.Count(ctx, tasklog.Filter{})
	if n != len(places) {
		errs = append(errs, fmt.Errorf("list: %d tasks listed, %d counted", len(places), n))
	}
	for _, r := range records {
		if places[r.id] != 1 {
			errs = append(errs, fmt.Errorf("list: task %s of %s is listed %d times", r.id, r.name, places[r.id]))
		}
	}
	return errors.Join(append(errs, err, countErr)...)
}

// checkAll checks all tasks, several at a time: a long storm has thousands.
func (s *system) checkAll(t *testing.T, records []*record) {
	t.Helper()
	begun := time.Now()
	var group errgroup.Group
	group.SetLimit(2 * runtime.NumCPU())
	for _, r := range records {
		group.Go(func() error {
			if err := s.check(t.Context(), r); err != nil {
				t.Errorf("%s, task %s:\n%v", r.name, r.id, err)
			}
			return nil
		})
	}
	_ = group.Wait() // every error is told
	t.Logf("%d logs compared with what clients saw, in %v", len(records), time.Since(begun).Round(time.Second/10))
}

// check compares a task's log with what its clients saw, and with what the agent says. It returns
// what is wrong.
func (s *system) check(ctx context.Context, r *record) error {
	events, err := s.events(ctx, r.id)
	if err != nil {
		return fmt.Errorf("task %q: %w", r.id, err)
	}
	return errors.Join(r.compare(events), checkSteps(events, s.steps))
}

// checkSeen compares a task's log with what its clients saw. It returns what is wrong.
func (s *system) checkSeen(ctx context.Context, r *record) error {
	events, err := s.events(ctx, r.id)
	if err != nil {
		return fmt.Errorf("task %q: %w", r.id, err)
	}
	return r.compare(events)
}

// compare compares the log with what clients saw.
func (r *record) compare(log []tasklog.Event) error {
	var sessions []Session
	for _, one := range r.sessions {
		sessions = append(sessions, *one)
	}
	return errors.Join(errors.Join(r.wrong...), Check(log, sessions, r.tasks))
}

// checkSteps checks that the agent took each of the steps of a turn once, in order, in whichever run.
func checkSteps(log []tasklog.Event, steps int) error {
	next := 0
	for _, e := range log {
		event, err := tasklog.Decode(e.JSON)
		if err != nil {
			return err
		}
		status, ok := event.(*a2a.TaskStatusUpdateEvent)
		if !ok {
			continue
		}
		switch status.Status.State {
		case a2a.TaskStateWorking:
			if text, want := status.Status.Message.Parts[0].Text(), fmt.Sprintf("Starting to process your request... %d", next); text != want {
				return fmt.Errorf("agent: event %d says %q, want %q", e.Seq, text, want)
			}
			next++
		case a2a.TaskStateCompleted:
			if next != steps {
				return fmt.Errorf("agent: completed after %d steps", next)
			}
		}
	}
	return nil
}
