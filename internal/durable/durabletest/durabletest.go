// Package durabletest tests durable agents. It runs an agent in memory, with a clock of its own
// (package testing/synctest), and kills it at every operation: each time that it writes to the
// store, reads from it, or calls something outside ([World.Effect]). Each time, the task must end as
// it does undisturbed.
//
//	func TestPurchase(t *testing.T) {
//		durabletest.Test(t, durabletest.Case{
//			Agent: func(w *durabletest.World) durable.Func {
//				return Agent(shop{w}) // whose methods call w.Effect
//			},
//			Script: func(w *durabletest.World) {
//				w.Begin("a book")
//				w.Answer("yes")
//			},
//			Check: func(t *testing.T, w *durabletest.World) {
//				if n := w.Ledger()["charge"]; n != 1 {
//					t.Errorf("charged %d times", n)
//				}
//			},
//		})
//	}
//
// Every run is made twice, with the goroutines released in other orders. What the branches of the
// agent have said outside of steps must be the same each time.
package durabletest

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/durable"
	"a2alambda/internal/peer"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// Case says what to test.
type Case struct {
	// Agent returns the agent. What it calls outside must call [World.Effect].
	Agent func(w *World) durable.Func
	// Peers returns the other agents that the agent may call. It may be nil. Their requests must be
	// sent through [World.Outside] to be among the operations.
	Peers func(w *World) peer.Set
	// Script is what the client does: it must end with the task, or with what the agent waits for.
	// Without one, a task is begun with the message "hello", and its end is awaited.
	Script func(w *World)
	// Check is called at the end of each run. It may be nil.
	Check func(t *testing.T, w *World)
	// Invocation is how long an invocation lasts: 15 minutes if it is 0.
	Invocation time.Duration
	// Crashes says how often the agent is killed in one run: each time as many operations after the
	// one before. 1 if it is 0.
	Crashes int
	// Journal says how the journal is kept.
	Journal run.JournalConfig
	// AnyOrder says that branches may say outside of steps what they like.
	AnyOrder bool
	// LosesAnswers says that the answer to what the agent does outside may get lost, too: it sees an
	// error then, and goes on.
	LosesAnswers bool
	// Differs reports whether a run in which something happened may end in another way than an
	// undisturbed one, as it may if a step with Once was interrupted. It may be nil.
	Differs func(w *World) bool
	// MaxOps bounds the operations at which the agent is killed. 0 is all.
	MaxOps int

	store tasklog.Store // of Real; nil for one in memory
}

// sweepEvery is how often is swept.
func (c *Case) sweepEvery() time.Duration {
	if c.store != nil {
		return time.Second
	}
	return time.Minute
}

// A Fault is what happens at an operation.
type Fault string

// The faults.
const (
	// None: nothing happens.
	None Fault = "undisturbed"
	// Before: the process dies, and the operation is not done.
	Before Fault = "killed before"
	// After: the operation is done, and the process dies.
	After Fault = "killed after"
	// Unacknowledged: an operation of the store is done, and the process gets an error.
	Unacknowledged Fault = "not acknowledged:"
	// Asked: the process is asked to end, and has as long for it as a Lambda function has. Then it
	// dies.
	Asked Fault = "asked to end at"
)

// Test runs the case undisturbed, and then with each fault at each operation.
func Test(t *testing.T, c Case) {
	t.Helper()
	var first *World
	for seed := range uint64(2) {
		w := once(t, c, None, 0, seed)
		if t.Failed() {
			return
		}
		if first == nil {
			first = w
		}
		compare(t, c, first, w)
	}
	for op := 1; op <= first.ops+first.ops/4 && (c.MaxOps == 0 || op <= c.MaxOps); op++ {
		for _, fault := range []Fault{Before, After, Unacknowledged, Asked} {
			w := once(t, c, fault, op, uint64(op))
			compare(t, c, first, w)
			if t.Failed() {
				return
			}
		}
	}
}

// Run runs the case once, undisturbed, and returns its world.
func Run(t *testing.T, c Case) *World {
	t.Helper()
	return once(t, c, None, 0, 0)
}

// once runs the case once.
func once(t *testing.T, c Case, fault Fault, op int, seed uint64) (w *World) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { w = play(t, c, fault, op, seed) })
	return w
}

func play(t *testing.T, c Case, fault Fault, op int, seed uint64) *World {
	t.Helper()
	w := newWorld(t, c, fault, op, seed)
	defer w.end()
	defer func() {
		if t.Failed() {
			t.Logf("%s operation %d (%s), order %d\n%s", fault, op, w.struck, seed, w.Story())
		}
	}()
	if c.Script == nil {
		w.Begin("hello")
		w.AwaitEnd()
	} else {
		c.Script(w)
	}
	w.settle()
	w.checkLog()
	w.differs = fault != None && c.Differs != nil && c.Differs(w)
	if c.Check != nil {
		c.Check(t, w)
	}
	return w
}

// compare compares what the branches have said in two runs.
func compare(t *testing.T, c Case, a, b *World) {
	t.Helper()
	if b.differs || c.AnyOrder || a.fault == None && b.fault == None && a == b {
		return
	}
	said, want := b.outside, a.outside
	for path := range want {
		if !slices.Equal(said[path], want[path]) {
			t.Errorf("%s operation %d (%s): branch %q has said\n%q, and undisturbed\n%q", b.fault, b.op, b.struck, path, said[path], want[path])
		}
	}
	for path := range said {
		if want[path] == nil {
			t.Errorf("%s operation %d (%s): branch %q has said %q, and undisturbed nothing", b.fault, b.op, b.struck, path, said[path])
		}
	}
	if got, want := fmt.Sprint(b.State()), fmt.Sprint(a.State()); got != want {
		t.Errorf("%s operation %d (%s): the task is %s at the end, and undisturbed %s", b.fault, b.op, b.struck, got, want)
	}
}
