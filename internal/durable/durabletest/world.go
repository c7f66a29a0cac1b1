package durabletest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/callback"
	"a2alambda/internal/durable"
	"a2alambda/internal/memlog"
	"a2alambda/internal/peer"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// World is what a case runs in: a store in memory, the processes that run the agent, and a client.
type World struct {
	// Log is what the processes have logged.
	Log Log

	t       testing.TB
	c       Case
	store   tasklog.Store
	front   *server.Server // of the client; it never dies
	agent   durable.Func
	peers   peer.Set
	fault   Fault
	op      int
	outside map[string][]string // by branch: what it has said outside of steps, at the end
	state   a2a.TaskState       // at the end
	differs bool                // see Case.Differs

	ctx  context.Context
	stop context.CancelFunc
	jobs sync.WaitGroup

	mu      sync.Mutex // guards what follows
	random  *rand.Rand
	current *process
	ops     int    // that the processes have begun
	next    int    // the one at which something happens
	crashes int    // how many are to come
	struck  string // the operation at which something happened
	hooks   map[string]func()
	id      a2a.TaskID
	ledger  map[string]int
	keys    map[string]map[string]bool
}

// process is a process that runs the agent, until it dies.
type process struct {
	world  *World
	runner *run.Runner
	// callbacks takes callbacks.
	callbacks http.Handler

	dead   context.Context
	die    context.CancelFunc
	frozen time.Time // until when; World.mu guards it
}

var errDead = errors.New("the process is dead")
var errLost = errors.New("the answer of the store was lost")

func newWorld(t testing.TB, c Case, fault Fault, op int, seed uint64) *World {
	w := &World{
		t: t, c: c, store: c.store, fault: fault, op: op, next: op, crashes: max(1, c.Crashes),
		random: rand.New(rand.NewPCG(seed, seed)), ledger: map[string]int{}, keys: map[string]map[string]bool{},
	}
	if w.store == nil {
		w.store = new(memlog.Log)
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.agent = c.Agent(w)
	if c.Peers != nil {
		w.peers = c.Peers(w)
	}
	w.current = w.start()
	front := run.New(run.Config{
		Store: w.store, Executor: durable.New(w.agent), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Invoke: w.invoke,
		Journal: c.Journal, Callbacks: CallbackURL, Peers: w.peers,
	})
	w.front = server.New(server.Config{
		Store: w.store, Runner: front, Retention: 30 * 24 * time.Hour, Card: &a2a.AgentCard{Name: "test", DefaultInputModes: []string{"*/*"}},
	})
	w.jobs.Go(w.sweep)
	return w
}

// start starts a process.
func (w *World) start() *process {
	p := &process{world: w}
	p.dead, p.die = context.WithCancel(w.ctx)
	p.runner = run.New(run.Config{
		Store:    tasklog.Hooked(w.store, tasklog.Hooks{Before: p.before, After: p.after}),
		Executor: durable.New(w.agent), Logger: slog.New(slog.NewTextHandler(&w.Log, nil)),
		Invoke: func(ctx context.Context, id a2a.TaskID) error {
			if p.dead.Err() != nil {
				return errDead
			}
			return w.invoke(ctx, id)
		},
		Journal: w.c.Journal, Callbacks: CallbackURL, Peers: w.peers,
	})
	p.callbacks = callback.New(callback.Config{Store: p.runner.Store, Invoke: p.runner.Invoke, Logger: p.runner.Logger})
	return p
}

// Log has lines of a log. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements [io.Writer].
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns the lines.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// invoke has the process of the moment work on the task, in an invocation of its own.
func (w *World) invoke(_ context.Context, id a2a.TaskID) error {
	w.mu.Lock()
	p := w.current
	w.mu.Unlock()
	w.jobs.Go(func() {
		ctx := context.WithValue(w.ctx, processKey{}, p)
		if d := w.c.Invocation; d > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		_ = p.runner.Work(ctx, id) // the world's log has it
	})
	return nil
}

type processKey struct{}

// sweep sweeps once a minute, as long as the world lasts.
func (w *World) sweep() {
	for {
		select {
		case <-time.After(w.c.sweepEvery()):
			_, _ = w.front.Runner.Sweep(w.ctx)
		case <-w.ctx.Done():
			return
		}
	}
}

// before is called before each operation of a process.
func (p *process) before(ctx context.Context, op tasklog.Op) error { return p.begin(op.Name) }

// after is called after each operation of a process.
func (p *process) after(_ context.Context, op tasklog.Op, err error) error {
	return p.done(op.Name, false, err)
}

// begin begins an operation. Goroutines come to it in another order each time.
func (p *process) begin(name string) error {
	w := p.world
	w.mu.Lock()
	pause := time.Duration(w.random.IntN(3)) * time.Millisecond
	pause = max(pause, time.Until(p.frozen))
	w.mu.Unlock()
	time.Sleep(pause)
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.dead.Err() != nil {
		return errDead
	}
	if hook := w.hooks[name]; hook != nil {
		delete(w.hooks, name)
		w.mu.Unlock()
		hook()
		w.mu.Lock()
	}
	if idle(name) {
		return nil
	}
	w.ops++
	switch {
	case w.fault == Before && w.due():
		w.struck = name
		w.kill(p)
		return errDead
	case w.fault == Asked && w.due():
		w.struck = name
		w.again()
		w.handOver(p)
	}
	return nil
}

// done ends an operation.
func (p *process) done(name string, outside bool, err error) error {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.dead.Err() != nil:
		return errDead
	case idle(name):
	case w.fault == After && w.due():
		w.struck = name
		w.kill(p)
		return errDead
	case w.fault == Unacknowledged && (!outside || w.c.LosesAnswers) && w.due():
		w.struck = name
		w.again()
		return errLost
	}
	return err
}

// idle reports whether an operation is one that comes with time, and not with what the agent does.
func idle(name string) bool { return name == "AskedOf" || name == "Lease.Renew" || name == "Poll" }

// due reports whether something is to happen. mu is held.
func (w *World) due() bool { return w.crashes > 0 && w.ops >= w.next }

// again plans the next fault. mu is held.
func (w *World) again() {
	w.crashes--
	w.next = w.ops + w.op
}

// kill kills a process, and starts another one. mu is held.
func (w *World) kill(p *process) {
	w.again()
	p.die()
	w.current = w.start()
}

// Kill kills the process, and starts another one.
func (w *World) Kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current.die()
	w.current = w.start()
}

const (
	// endWithin is how long a process that is asked to end works, and diesAfter how long it lives: as
	// a function does on Lambda.
	endWithin = 400 * time.Millisecond
	diesAfter = 500 * time.Millisecond
)

// handOver asks a process to end, and starts another one. mu is held.
func (w *World) handOver(p *process) {
	if p == w.current {
		w.current = w.start()
	}
	w.jobs.Go(func() { p.runner.HandOver(endWithin) })
	time.AfterFunc(diesAfter, p.die)
}

// HandOver asks the process to end, and starts another one.
func (w *World) HandOver() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handOver(w.current)
}

// On has f called once, just before the next operation of a name, such as Lease.Suspend.
func (w *World) On(name string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hooks == nil {
		w.hooks = map[string]func(){}
	}
	w.hooks[name] = f
}

// Freeze freezes the process, and the goroutine that calls it, for a while: the process does nothing
// meanwhile, as if its clock stood still. Another process is started for what comes.
func (w *World) Freeze(d time.Duration) {
	w.mu.Lock()
	p := w.current
	p.frozen = time.Now().Add(d)
	w.current = w.start()
	w.mu.Unlock()
	time.Sleep(d)
}

// Ledger returns how often each effect has happened.
func (w *World) Ledger() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.ledger)
}

// Keys returns how many keys an effect was made with. See [durable.Key].
func (w *World) Keys(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.keys[name])
}

// Fault returns what happens in this run, at the operation of a name.
func (w *World) Fault() (Fault, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault, w.struck
}

// settle waits until nothing is under way.
func (w *World) settle() {
	if w.c.store != nil {
		return
	}
	synctest.Wait()
	time.Sleep(time.Second)
	synctest.Wait()
}

// end ends the world.
func (w *World) end() {
	w.stop()
	w.jobs.Wait()
	if w.c.store == nil {
		time.Sleep(2 * time.Minute) // for what a dead process still tries
	}
}

// Story returns events and journal, for people.
func (w *World) Story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "effects: %v\n", w.Ledger())
	if _, err := w.store.Load(w.ctx, w.ID()); err != nil { // such as a task that has expired
		fmt.Fprintf(&b, "the task: %v\nlog:\n%s", err, w.Log.String())
		return b.String()
	}
	b.WriteString("events:\n")
	for _, line := range w.Events() {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("journal:\n")
	for i, e := range w.Entries() {
		fmt.Fprintf(&b, "  %d %s %s %s", i+1, e.Kind, e.Type, e.Name)
		if e.Attempt > 0 {
			fmt.Fprintf(&b, " attempt %d", e.Attempt)
		}
		if e.Due > 0 {
			fmt.Fprintf(&b, " due %s", time.UnixMilli(e.Due).UTC().Format(time.RFC3339))
		}
		if e.Error != nil {
			fmt.Fprintf(&b, " error %q", e.Error.Text)
		}
		fmt.Fprintf(&b, " at %d/%x seq %d grown %v %s\n", e.At.Count, e.At.Hash, e.Seq, e.Grown, e.Result)
	}
	b.WriteString("log:\n" + w.Log.String())
	return b.String()
}
