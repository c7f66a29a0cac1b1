package durabletest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// patience is how long a script waits for what it awaits, by the world's clock: longer than any wait,
// and less than the task lasts.
const patience = (29*24 + 12) * time.Hour

// realPatience is patience where the clock is real: a task whose process was killed goes on within a minute.
const realPatience = 5 * time.Minute

// Begin begins the task with a message.
func (w *World) Begin(text string) {
	w.t.Helper()
	w.Send(a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text)))
}

// Answer awaits that the agent asks something, and answers.
func (w *World) Answer(text string) {
	w.t.Helper()
	w.Await(a2a.TaskStateInputRequired)
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	m.TaskID = w.ID()
	w.Send(m)
}

// Send sends a message, which begins the task unless it has its id.
func (w *World) Send(m *a2a.Message) {
	w.t.Helper()
	task, err := w.front.SendMessage(w.ctx, server.Caller{}, &a2a.SendMessageRequest{
		Message: m, Config: &a2a.SendMessageConfig{ReturnImmediately: true},
	})
	if err != nil {
		w.t.Fatalf("sending %q: %v", m.Parts[0].Text(), err)
	}
	w.mu.Lock()
	w.id = task.ID
	w.mu.Unlock()
}

// ID returns the id of the task, "" before there is one.
func (w *World) ID() a2a.TaskID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.id
}

// Await waits until the task is in a state.
func (w *World) Await(state a2a.TaskState) {
	w.t.Helper()
	w.Until(fmt.Sprintf("state %s", state), func() bool { return w.Task().Status.State == state })
}

// AwaitEnd waits until the task has ended.
func (w *World) AwaitEnd() {
	w.t.Helper()
	w.Until("the end", func() bool { return w.Task().Status.State.Terminal() })
}

// Until waits until something has happened: less and less often it looks, but each second at least
// where the clock is real.
func (w *World) Until(what string, happened func() bool) {
	w.t.Helper()
	begun, pause, most, patience := time.Now(), 50*time.Millisecond, time.Hour, patience
	if w.c.store != nil {
		most, patience = time.Second, realPatience
	}
	for !happened() {
		if time.Since(begun) > patience {
			w.t.Fatalf("waiting for %s: the task is %s, its lease %+v\n%s", what, w.Task().Status.State, w.Lease(), w.Story())
		}
		time.Sleep(pause)
		pause = min(pause+pause/2, most)
	}
}

// Cancel requests that the task be canceled, as a client does that does not wait. If it asks
// something, the client repeats the request until somebody has taken it.
func (w *World) Cancel() {
	w.t.Helper()
	s := w.load()
	if err := w.front.Runner.RequestCancel(w.ctx, s.Head); err != nil {
		w.t.Fatal(err)
	}
	switch {
	case s.Busy():
	case s.Lease.Suspended:
		_ = w.invoke(w.ctx, w.ID())
	default:
		w.jobs.Go(w.cancelAsking)
	}
}

// cancelAsking has a process cancel the task, which asks something: no worker would take it.
func (w *World) cancelAsking() {
	for ; w.ctx.Err() == nil; time.Sleep(time.Second) {
		s, err := w.store.Load(w.ctx, w.ID())
		if err == nil && s.Busy() && s.Lease.Expired() {
			_, _ = w.store.Depose(w.ctx, w.ID(), s.Lease, tasklog.AnyPlace) // as those do who wait for the cancellation
		}
		if err != nil || s.Busy() {
			continue
		}
		if s.Task.Status.State != a2a.TaskStateInputRequired {
			return
		}
		w.mu.Lock()
		p := w.current
		w.mu.Unlock()
		_, _ = p.runner.Cancel(context.WithValue(w.ctx, processKey{}, p), s) // the world's log has it
	}
}

// Deliver delivers what a wait of the task waits for, as the callback endpoint does. The invocation
// that follows it is lost.
func (w *World) Deliver(wait, body string) error {
	d := tasklog.Delivery{Body: []byte(body), ContentType: "text/plain", Time: time.Now()}
	if err := w.store.Deliver(w.ctx, w.ID(), wait, d); err != nil {
		return err
	}
	return w.store.Wake(w.ctx, w.ID())
}

func (w *World) load() *tasklog.Snapshot {
	w.t.Helper()
	s, err := w.store.Load(w.ctx, w.ID())
	if errors.Is(err, tasklog.ErrNotFound) && w.ID() != "" {
		w.t.Fatal("the task has expired: nobody went on with it")
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// Task returns the task as it is.
func (w *World) Task() *a2a.Task { return w.load().Task }

// State returns the state of the task at the end of the run.
func (w *World) State() a2a.TaskState { return w.state }

// Lease returns the lease of the task.
func (w *World) Lease() tasklog.LeaseInfo { return w.load().Lease }

// Entries returns the journal.
func (w *World) Entries() (entries []durable.Entry) {
	w.t.Helper()
	for after := int64(0); ; {
		steps, more, err := w.store.Steps(w.ctx, w.ID(), after, false)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range steps {
			e, err := durable.Decode(s.JSON)
			if err != nil {
				w.t.Fatalf("entry %d, %s: %v", s.Place, s.JSON, err)
			}
			entries, after = append(entries, e), s.Place
		}
		if !more {
			return entries
		}
	}
}

// Logged returns the events in the log.
func (w *World) Logged() []tasklog.Event {
	w.t.Helper()
	events, _, err := w.store.Read(w.ctx, w.ID(), 0, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}

// Events returns a line for each event in the log: its owner, and what it says.
func (w *World) Events() (lines []string) {
	w.t.Helper()
	for _, logged := range w.Logged() {
		lines = append(lines, fmt.Sprintf("%d %s %s", logged.Seq, logged.Owner, describe(w.t, logged)))
	}
	return lines
}

// describe says what an event says.
func describe(t interface{ Fatal(...any) }, logged tasklog.Event) string {
	event, err := tasklog.Decode(logged.JSON)
	if err != nil {
		t.Fatal(err)
	}
	switch e := event.(type) {
	case *a2a.TaskStatusUpdateEvent:
		if e.Status.Message != nil && len(e.Status.Message.Parts) > 0 {
			return fmt.Sprintf("%s: %s", e.Status.State, e.Status.Message.Parts[0].Text())
		}
		return string(e.Status.State)
	case *a2a.TaskArtifactUpdateEvent:
		text := ""
		for _, p := range e.Artifact.Parts {
			text += p.Text()
		}
		return fmt.Sprintf("artifact %s append %t: %s", e.Artifact.ID, e.Append, text)
	}
	return fmt.Sprintf("%T", event)
}

// checkLog notes what the branches have said outside of steps.
func (w *World) checkLog() {
	w.t.Helper()
	if w.ID() == "" {
		return
	}
	w.outside, w.state = map[string][]string{}, w.Task().Status.State
	for _, logged := range w.Logged() {
		if branch, step, _, ours := durable.ParseOwner(logged.Owner); ours && step == "" {
			w.outside[branch] = append(w.outside[branch], describe(w.t, logged))
		}
	}
}
