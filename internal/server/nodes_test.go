package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// nodes are processes over one store. Each may die, stop for a while, have a slow store, or a clock
// that is wrong.
type nodes struct {
	*testing.T
	log     *memlog.Log
	agent   a2asrv.AgentExecutor
	workers kind // what new workers are like
	lost    int  // how many requests for workers are lost from now on
	deaf    bool // the first holder of each task is a process of a former version
	// does is what new processes do at each call of the store. See [node.at].
	does    func(ctx context.Context, op tasklog.Op, done bool) error
	working sync.WaitGroup

	mu     sync.Mutex
	holder *node          // who last got a lease
	ops    map[string]int // calls that have succeeded, by name
	asked  int            // questions
	lines  bytes.Buffer
}

// kind says what a process is like.
type kind struct {
	start   time.Duration // how long a worker takes to begin
	latency time.Duration // of each call of the store
	ahead   time.Duration // by how much its clock is ahead
	shared  bool          // many use it at once
}

// node is a process.
type node struct {
	*server.Server
	kind

	mu      sync.Mutex
	dead    bool
	stopped time.Time                                                 // until when it stands still
	does    func(ctx context.Context, op tasklog.Op, done bool) error // at each call of the store; may be nil
}

func newNodes(t *testing.T, agent a2asrv.AgentExecutor) *nodes {
	return &nodes{
		T: t, log: new(memlog.Log), agent: agent, ops: map[string]int{},
		workers: kind{start: 300 * time.Millisecond, latency: 10 * time.Millisecond},
	}
}

// steps is an agent that says something each second, for so many seconds. It can resume.
func steps(n int) a2asrv.AgentExecutor {
	a := &demoagent.Agent{Delay: time.Second}
	for i := range n {
		a.Steps = append(a.Steps, fmt.Sprint("step ", i))
	}
	return &demoagent.Executor{Stream: a.Stream}
}

func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead = true
}

// stop has the process stand still.
func (n *node) stop(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped = time.Now().Add(d)
}

// at has f called at each call of the store, before it is done and after that. If f returns an error,
// that is the result.
func (n *node) at(f func(ctx context.Context, op tasklog.Op, done bool) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.does = f
}

// call calls what at has set.
func (n *node) call(ctx context.Context, op tasklog.Op, done bool) error {
	n.mu.Lock()
	f := n.does
	n.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx, op, done)
}

// pass lets a call of the store, or its answer, pass.
func (n *node) pass(ctx context.Context) error {
	select {
	case <-time.After(n.latency / 2):
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.dead && time.Now().Before(n.stopped) {
		n.mu.Unlock()
		time.Sleep(time.Millisecond)
		n.mu.Lock()
	}
	if n.dead {
		return tasklogtest.ErrDead
	}
	return nil
}

// add adds a process like the one given.
func (ns *nodes) add(like kind) *node {
	n := &node{kind: like, does: ns.does}
	hooks := tasklog.Hooks{
		Before: func(ctx context.Context, op tasklog.Op) error {
			if err := errors.Join(n.pass(ctx), ctx.Err()); err != nil {
				return err
			}
			return n.call(ctx, op, false)
		},
		After: func(ctx context.Context, op tasklog.Op, err error) error {
			ns.mu.Lock()
			if err == nil {
				if ns.ops[op.Name]++; op.Name == "Create" || op.Name == "Acquire" {
					ns.holder = n
				}
			}
			ns.mu.Unlock()
			if lost := errors.Join(n.pass(ctx), ctx.Err()); lost != nil {
				return lost
			}
			if err == nil {
				err = n.call(ctx, op, true)
			}
			return err
		},
	}
	worker := func(work func(*node)) {
		ns.working.Go(func() {
			worker := ns.add(ns.workers)
			time.Sleep(worker.start)
			work(worker)
		})
	}
	c := run.Config{
		Store: tasklog.Hooked(skewed{ns.log, n.ahead, ns}, hooks), Executor: ns.agent, Logger: slog.New(slog.NewTextHandler(ns, nil)),
		Invoke: func(ctx context.Context, id a2a.TaskID) error {
			if err := errors.Join(n.pass(ctx), ctx.Err()); err != nil {
				return err
			}
			ns.mu.Lock()
			defer ns.mu.Unlock()
			ns.ops["Invoke"]++
			if ns.lost > 0 {
				ns.lost--
				return nil
			}
			worker(func(w *node) { _ = w.Runner.Work(context.Background(), id) })
			return nil
		},
	}
	if n.shared {
		c.LivesOn = true
		c.Later = func(_ context.Context, id a2a.TaskID) error {
			ns.mu.Lock()
			defer ns.mu.Unlock()
			ns.ops["Later"]++
			worker(func(w *node) {
				if err := w.Runner.LookLater(context.Background(), []a2a.TaskID{id}); err != nil {
					ns.Error(err)
				}
			})
			return nil
		}
	}
	r := run.New(c)
	n.Server = server.New(server.Config{Store: r.Store, Runner: r, Retention: 24 * time.Hour, Card: new(a2a.AgentCard)})
	return n
}

// Write takes the log.
func (ns *nodes) Write(b []byte) (int, error) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.lines.Write(b)
}

// logged returns the log.
func (ns *nodes) logged() string {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.lines.String()
}

func (ns *nodes) count(op string) int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.ops[op]
}

// questions returns how often a holder was asked.
func (ns *nodes) questions() int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.asked
}

func (ns *nodes) of() *node {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.holder
}

// begin has a new process run a new task.
func (ns *nodes) begin(like kind) (*node, a2a.TaskID) {
	ns.Helper()
	n := ns.add(like)
	return n, ns.beginAt(n)
}

func (ns *nodes) beginAt(n *node) a2a.TaskID {
	ns.Helper()
	stream, err := n.SendStreamingMessage(ns.Context(), caller, message("", "hello"))
	if err != nil {
		ns.Fatal(err)
	}
	ns.working.Go(stream.Close)
	return stream.Task.TaskID
}

func (ns *nodes) load(id a2a.TaskID) *tasklog.Snapshot {
	ns.Helper()
	s, err := ns.log.Load(ns.Context(), id)
	if err != nil {
		ns.Fatal(err)
	}
	return s
}

// comes has a client come to a new process, and returns what it reads.
func (ns *nodes) comes(like kind, id a2a.TaskID, seen *int64) *server.Stream {
	ns.Helper()
	return ns.comesTo(ns.add(like), id, seen)
}

// comesTo has a client come to a process, and returns what it reads.
func (ns *nodes) comesTo(n *node, id a2a.TaskID, seen *int64) *server.Stream {
	ns.Helper()
	c := caller
	c.Seen = seen
	stream, err := n.SubscribeToTask(ns.Context(), c, &a2a.SubscribeToTaskRequest{ID: id})
	if err != nil {
		ns.Fatal(err)
	}
	return stream
}

// next returns when the stream has shown an event after number seq.
func (ns *nodes) next(s *server.Stream, seq int64) {
	ns.Helper()
	for last := s.First.Seq; last <= seq; {
		events, err := s.Next(ns.Context())
		if err != nil {
			ns.Fatalf("after event %d: %v\n%s", last, err, ns.logged())
		}
		last = events[len(events)-1].Seq
	}
}

// skewed is a store as a process sees it whose clock is ahead.
type skewed struct {
	*memlog.Log
	ahead time.Duration
	nodes *nodes
}

type skewedLease struct {
	tasklog.Lease
	ahead time.Duration
}

func (s skewed) here(l tasklog.LeaseInfo) tasklog.LeaseInfo {
	if l.Held() {
		l.Until, l.Deaf = l.Until.Add(-s.ahead), s.nodes.deaf && l.Epoch == 1
	}
	return l
}

func (s skewed) there(l tasklog.LeaseInfo) tasklog.LeaseInfo {
	if l.Held() {
		l.Until = l.Until.Add(s.ahead)
	}
	return l
}

func (s skewed) claim(c tasklog.Claim) tasklog.Claim {
	if !c.Until.IsZero() {
		c.Until = c.Until.Add(s.ahead)
	}
	return c
}

func (s skewed) Create(ctx context.Context, h tasklog.Head, first tasklog.Entry, c tasklog.Claim) (tasklog.Lease, error) {
	l, err := s.Log.Create(ctx, h, first, s.claim(c))
	return skewedLease{l, s.ahead}, err
}

func (s skewed) Acquire(ctx context.Context, seen *tasklog.Snapshot, c tasklog.Claim) (tasklog.Lease, error) {
	there := *seen
	there.Lease = s.there(seen.Lease)
	l, err := s.Log.Acquire(ctx, &there, s.claim(c))
	return skewedLease{l, s.ahead}, err
}

func (s skewed) Load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	snapshot, err := s.Log.Load(ctx, id)
	if err == nil {
		snapshot.Lease = s.here(snapshot.Lease)
	}
	return snapshot, err
}

func (s skewed) Peek(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	snapshot, err := s.Log.Peek(ctx, id, w)
	if err == nil {
		snapshot.Lease = s.here(snapshot.Lease)
	}
	return snapshot, err
}

func (s skewed) LoadIf(ctx context.Context, id a2a.TaskID, wanted func(*tasklog.Snapshot) bool) (*tasklog.Snapshot, error) {
	snapshot, err := s.Log.LoadIf(ctx, id, wanted)
	if err == nil {
		snapshot.Lease = s.here(snapshot.Lease)
	}
	return snapshot, err
}

func (s skewed) LoadAt(ctx context.Context, id a2a.TaskID, seq int64, wanted func(*tasklog.Snapshot) bool) (*tasklog.Past, error) {
	past, err := s.Log.LoadAt(ctx, id, seq, wanted)
	if err == nil {
		past.Now.Lease = s.here(past.Now.Lease)
	}
	return past, err
}

func (s skewed) Lease(ctx context.Context, id a2a.TaskID) (tasklog.LeaseInfo, error) {
	l, err := s.Log.Lease(ctx, id)
	return s.here(l), err
}

func (s skewed) Poll(ctx context.Context, id a2a.TaskID, after int64, stale bool) (tasklog.Polled, error) {
	p, err := s.Log.Poll(ctx, id, after, stale)
	p.Lease = s.here(p.Lease)
	return p, err
}

func (s skewed) Doubt(ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo) (bool, error) {
	asked, err := s.Log.Doubt(ctx, id, s.there(seen))
	if asked {
		s.nodes.mu.Lock()
		s.nodes.asked++
		s.nodes.mu.Unlock()
	}
	return asked, err
}

func (s skewed) Depose(ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo, last int64) (bool, error) {
	return s.Log.Depose(ctx, id, s.there(seen), last)
}

func (s skewed) Due(
	ctx context.Context, shard int, by time.Time, after tasklog.Place, limit int,
) ([]tasklog.Look, bool, error) {
	looks, more, err := s.Log.Due(ctx, shard, by.Add(s.ahead), after, limit)
	for i, look := range looks {
		l, err := s.Log.Lease(ctx, look.ID)
		if err != nil {
			return nil, false, err
		}
		looks[i].Held = l.Until.After(time.Now().Add(s.ahead))
	}
	return looks, more, err
}

// AskedOf hears nothing of a deaf holder.
func (s skewed) AskedOf(ctx context.Context, process string) ([]a2a.TaskID, error) {
	ids, err := s.Log.AskedOf(ctx, process)
	return slices.DeleteFunc(ids, func(id a2a.TaskID) bool {
		l, _ := s.Lease(ctx, id)
		return l.Deaf
	}), err
}

func (l skewedLease) Renew(ctx context.Context, until time.Time) (tasklog.Asked, error) {
	return l.Lease.Renew(ctx, until.Add(l.ahead))
}
