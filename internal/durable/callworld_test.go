package durable_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/peer"
	"a2alambda/internal/peer/peertest"
	"a2alambda/internal/tasklog"
)

// world is a task of a durable agent, whose runs follow each other as a host would have them. It is
// its store, too.
type world struct {
	t     *testing.T
	agent *durable.Agent
	task  *durable.Task
	peers peer.Set
	// callbacks is the base URL of callbacks.
	callbacks string

	mu      sync.Mutex // guards what follows
	journal [][]byte
	events  []tasklog.Event
	waits   map[string]bool // by name: open
	woken   int64
	wake    chan struct{} // holds a token when the task was woken
	cancel  bool
	runs    int
	dead    bool               // the run under way was killed
	stop    context.CancelFunc // of the run under way
	ops     int                // of the store, so far
	killAt  int                // the operation at which the run is killed: before it or, if negative, after it
	due     time.Time          // of a suspended task
}

// newWorld returns a task of an agent with one peer, "other", which the handler serves.
func newWorld(t *testing.T, options string, other http.Handler, f durable.Func) *world {
	t.Helper()
	set, err := peer.Parse("other=http://127.0.0.1:9"+options, "", "")
	if err != nil {
		t.Fatal(err)
	}
	set["other"].Through(peertest.Transport{Handler: other})
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("begin"))
	return &world{
		t: t, agent: durable.New(f).(*durable.Agent), peers: set, waits: map[string]bool{}, wake: make(chan struct{}, 1),
		task:    &durable.Task{ID: "task-1", ContextID: "context-1", Message: m},
		journal: nil, events: []tasklog.Event{{Seq: 1}},
	}
}

var errKilled = errors.New("the instance is gone")

// op is an operation of the store. It returns an error once the run is dead.
func (w *world) op(f func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errKilled
	}
	w.ops++
	if w.killAt == w.ops {
		w.killLocked()
		return errKilled
	}
	f()
	if -w.killAt == w.ops {
		w.killLocked()
		return errKilled
	}
	return nil
}

// kill ends the run under way, as the death of its instance does.
func (w *world) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killLocked()
}

func (w *world) killLocked() {
	w.dead = true
	go w.stop()
}

func (w *world) notify() {
	w.mu.Lock()
	w.woken++
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// post is what a callback does that only wakes.
func (w *world) post(wait string) {
	w.mu.Lock()
	open := w.waits[wait]
	w.mu.Unlock()
	if open {
		w.notify()
	}
}

func (w *world) Put(_ context.Context, e a2a.Event, owner string) error {
	data, err := tasklog.Encode(e)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errKilled
	}
	w.events = append(w.events, tasklog.Event{Seq: int64(len(w.events)) + 1, JSON: data, Owner: owner})
	return nil
}

func (w *world) Check(a2a.Event) error { return nil }

func (w *world) Flush(context.Context) error { return w.op(func() {}) }

func (w *world) Record(_ context.Context, first int64, entries [][]byte) (err error) {
	return w.op(func() {
		if first != int64(len(w.journal))+1 {
			w.t.Errorf("recorded at %d after %d entries", first, len(w.journal))
		}
		w.journal = append(w.journal, entries...)
	})
}

func (w *world) Held() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.dead
}

func (w *world) Suspend(_ context.Context, due time.Time, woken int64) (ok bool, err error) {
	err = w.op(func() { ok = w.woken <= woken && !w.cancel })
	if ok && err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.due = due
	}
	return ok, err
}

func (w *world) Asked(context.Context) (a tasklog.Asked, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tasklog.Asked{Woken: w.woken, Cancel: w.cancel}, nil
}

func (w *world) OpenWait(_ context.Context, name, _ string) error {
	return w.op(func() {
		if _, ok := w.waits[name]; !ok {
			w.waits[name] = true
		}
	})
}

func (w *world) Wait(context.Context, string) (tasklog.Wait, error) { panic("not called") }

func (w *world) CloseWait(_ context.Context, name string) (tasklog.Wait, error) {
	return tasklog.Wait{}, w.op(func() { w.waits[name] = false })
}

func (w *world) Secret(context.Context) ([]byte, error) {
	return make([]byte, tasklog.SecretBytes), nil
}

func (w *world) Took(context.Context, durable.Report) {}

// run runs the agent until the task is over.
func (w *world) run() durable.Outcome {
	w.t.Helper()
	crashed := false
	for range 1000 {
		ctx, stop := context.WithCancel(w.t.Context())
		w.mu.Lock()
		w.runs++
		w.dead, w.stop = false, stop
		var steps []tasklog.Step
		for i, j := range w.journal {
			steps = append(steps, tasklog.Step{Place: int64(i) + 1, JSON: j})
		}
		events := slices.Clone(w.events)
		c := durable.Config{
			Host: w, Logger: slog.New(slog.DiscardHandler), Task: w.task, Journal: steps, Seq: int64(len(events)),
			Events: func(_ context.Context, after int64) ([]tasklog.Event, error) { return events[after:], nil },
			Woken:  w.woken, Crashed: crashed, Cancel: w.cancel, Deadline: time.Now().Add(14 * time.Minute),
			Expires: time.Now().Add(30 * 24 * time.Hour), Callbacks: w.callbacks, Peers: w.peers,
		}
		w.mu.Unlock()
		r, err := durable.NewRun(ctx, w.agent, c)
		if err != nil {
			w.t.Fatal(err)
		}
		watching := make(chan struct{})
		go func() { // as a host asks what is asked of it
			for {
				select {
				case <-watching:
					return
				case <-time.After(300 * time.Millisecond):
				}
				a, _ := w.Asked(ctx)
				r.Woken(a.Woken)
				if a.Cancel {
					r.RequestCancel()
				}
			}
		}()
		o := r.Run(ctx)
		close(watching)
		stop()
		crashed = false
		switch o.End {
		case durable.Suspended:
			select {
			case <-time.After(time.Until(w.due)):
			case <-w.wake:
			}
		case durable.HandedOver:
		case durable.Lost:
			w.mu.Lock()
			killed := w.dead
			w.killAt = 0
			w.mu.Unlock()
			if !killed {
				w.t.Fatalf("lost: %v", o.Err)
			}
			crashed = true
			time.Sleep(15 * time.Second) // the lease
		default:
			return o
		}
	}
	w.t.Fatal("the task does not end")
	return durable.Outcome{}
}

// said returns what the events in the log say, those of steps with their owner.
func (w *world) said() (lines []string) {
	for _, e := range w.events[1:] {
		event, err := tasklog.Decode(e.JSON)
		if err != nil {
			w.t.Fatal(err)
		}
		switch e2 := event.(type) {
		case *a2a.TaskStatusUpdateEvent:
			line := e.Owner + " " + string(e2.Status.State)
			if m := e2.Status.Message; m != nil {
				line += " " + m.Parts[0].Text()
			}
			lines = append(lines, line)
		case *a2a.TaskArtifactUpdateEvent:
			lines = append(lines, fmt.Sprintf("%s %s %q append %t", e.Owner, e2.Artifact.ID, e2.Artifact.Parts[0].Text(), e2.Append))
		}
	}
	return lines
}

// kinds returns the kinds of the journal's entries.
func (w *world) kinds() string {
	var kinds []string
	for _, j := range w.journal {
		e, err := durable.Decode(j)
		if err != nil {
			w.t.Fatal(err)
		}
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}
