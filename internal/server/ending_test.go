package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// counter counts seconds, and goes on where it was. Asked to "ask", it asks.
type counter struct{}

const counts = 6

func (counter) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return count(ctx, ec, 0)
}

func (counter) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	n := 0
	for _, a := range ec.StoredTask.Artifacts {
		n += len(a.Parts)
	}
	return count(ctx, ec, n)
}

func (counter) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

func count(ctx context.Context, ec *a2asrv.ExecutorContext, n int) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if ec.Message.Parts[0].Text() == "ask" {
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil), nil)
			return
		}
		for ; n < counts; n++ {
			e := a2a.NewArtifactUpdateEvent(ec, "count", a2a.NewTextPart(fmt.Sprint(n)))
			e.Append = n > 0
			if !yield(e, nil) {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				yield(nil, context.Cause(ctx))
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

// TestEnding has a process end that has runs, streams of them and of runs elsewhere, and requests
// that wait. First it gives up its leases, then it ends the streams. Its clients go on at another
// server, and lose nothing.
func TestEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		var mu sync.Mutex
		var order []string // what happened at the end
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, what)
		}
		hooked := tasklog.Hooked(l, tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.Name == "Lease.Release" {
				time.Sleep(50 * time.Millisecond) // a slow store
				note("release " + string(op.ID))
			}
			return nil
		}})
		a, b := instance(hooked, l, counter{}), instance(l, l, counter{})

		type view struct {
			id   a2a.TaskID
			seen int64
			end  error
		}
		var views []*view
		var reading sync.WaitGroup
		read := func(s *server.Stream, err error) *view {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			v := &view{id: s.Task.TaskID, seen: s.First.Seq}
			views = append(views, v)
			reading.Go(func() {
				defer s.Close()
				for {
					events, err := s.Next(t.Context())
					if err != nil {
						v.end = err
						note("stream " + string(v.id))
						return
					}
					for _, e := range events {
						if v.seen++; e.Seq != v.seen {
							t.Errorf("after event %d: %d", v.seen-1, e.Seq)
						}
					}
				}
			})
			return v
		}
		subscribe := func(s *server.Server, id a2a.TaskID) *view {
			t.Helper()
			return read(s.SubscribeToTask(t.Context(), caller, &a2a.SubscribeToTaskRequest{ID: id}))
		}
		here := read(a.SendStreamingMessage(t.Context(), caller, message("", "here")))
		follower := subscribe(a, here.id)
		elsewhere := read(b.SendStreamingMessage(t.Context(), caller, message("", "elsewhere")))
		far := subscribe(a, elsewhere.id)
		asks := send(t, a, message("", "ask"), a2a.TaskStateInputRequired)
		waits := subscribe(a, asks.ID)
		var waited *a2a.Task
		reading.Go(func() {
			var err error
			if waited, err = a.SendMessage(t.Context(), caller, message("", "wait")); err != nil {
				t.Error(err)
				return
			}
			note("answer " + string(waited.ID))
		})
		time.Sleep(2500 * time.Millisecond)
		a.Runner.HandOver(10 * time.Second)
		synctest.Wait()
		if waited == nil || waited.Status.State != a2a.TaskStateSubmitted || waited.Artifacts[0].Parts[0].Text() != "012" {
			t.Errorf("who waits is answered with %+v", waited)
		}
		for v, want := range map[*view]error{
			here: tasklog.ErrEnding, follower: tasklog.ErrEnding, far: tasklog.ErrEnding, waits: tasklog.ErrEnding, elsewhere: nil,
		} {
			if !errors.Is(v.end, want) || want == nil && v.end != nil {
				t.Errorf("a stream ended with %v, want %v", v.end, want)
			}
		}
		at := func(what string, id a2a.TaskID) int { return slices.Index(order, what+" "+string(id)) }
		released := max(at("release", here.id), at("release", waited.ID))
		if len(order) != 7 || at("stream", here.id) < at("release", here.id) || at("answer", waited.ID) < at("release", waited.ID) ||
			at("stream", elsewhere.id) < released || at("stream", asks.ID) < released || released < 1 {
			t.Errorf("at the end there were:\n%s", strings.Join(order, "\n"))
		}
		if _, err := a.SendMessage(t.Context(), caller, message("", "new")); !errors.Is(err, tasklog.ErrEnding) {
			t.Errorf("a new message: %v", err)
		}
		if _, err := a.SendMessage(t.Context(), caller, message(asks.ID, "more")); !errors.Is(err, tasklog.ErrEnding) {
			t.Errorf("a further message: %v", err)
		}

		for _, v := range []*view{here, follower, far} {
			c := caller
			c.Seen = &v.seen
			s, err := b.SubscribeToTask(t.Context(), c, &a2a.SubscribeToTaskRequest{ID: v.id})
			if err == nil && s.First.Seq != v.seen {
				t.Errorf("the stream begins after event %d, want %d", s.First.Seq, v.seen)
			}
			read(s, err)
		}
		reading.Wait()
		for _, v := range views[5:] {
			if !errors.Is(v.end, io.EOF) {
				t.Errorf("a stream ended with %v", v.end)
			}
		}
		for _, id := range []a2a.TaskID{here.id, elsewhere.id, waited.ID} {
			task, err := b.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id})
			text := ""
			for err == nil && len(task.Artifacts) == 1 && len(task.Artifacts[0].Parts) > 0 {
				text += task.Artifacts[0].Parts[0].Text()
				task.Artifacts[0].Parts = task.Artifacts[0].Parts[1:]
			}
			if err != nil || task.Status.State != a2a.TaskStateCompleted || text != "012345" {
				t.Errorf("a task has counted %s and is %v, %v", text, task.Status.State, err)
			}
		}
	})
}

// TestEndingCancel has a process end while it waits for a run elsewhere to cancel a task: it answers
// with the task as it is. The request to cancel stays.
func TestEndingCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		deaf := tasklog.Hooked(l, tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.Name == "AskedOf" {
				return errors.New("no answer")
			}
			return nil
		}})
		a, b := instance(l, l, counter{}), instance(deaf, l, counter{})
		s, err := b.SendStreamingMessage(t.Context(), caller, message("", "count"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			task, err := a.CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: s.Task.TaskID})
			if err != nil || task.Status.State.Terminal() {
				t.Errorf("the answer is %+v, %v", task, err)
			}
		}()
		time.Sleep(time.Second)
		a.Runner.HandOver(time.Second)
		<-answered
		if now, err := l.Load(t.Context(), s.Task.TaskID); err != nil || !now.Lease.Cancel || now.Task.Status.State.Terminal() {
			t.Errorf("the task is %+v, %v", now, err)
		}
	})
}
