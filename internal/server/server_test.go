package server_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// sick is a store that fails when a test says so.
type sick struct {
	*memlog.Log
	appends, pushes atomic.Bool
}

// fail is a hook.
func (s *sick) fail(_ context.Context, op tasklog.Op) error {
	if op.Name == "Lease.Append" && s.appends.Load() || op.Name == "Push.Put" && s.pushes.Load() {
		return errors.New("throttled")
	}
	return nil
}

// asker asks for input until the message is "done". It can't resume.
type asker struct{}

func (asker) Execute(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		state := a2a.TaskStateInputRequired
		if ec.Message.Parts[0].Text() == "done" {
			state = a2a.TaskStateCompleted
		}
		yield(a2a.NewStatusUpdateEvent(ec, state, nil), nil)
	}
}

func (asker) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

var caller = server.Caller{Version: "1.0"}

// newServer returns a server over a log, whose workers run in the background.
func newServer() (*server.Server, *sick) {
	l := &sick{Log: new(memlog.Log)}
	hooks := tasklog.Hooks{Before: l.fail}
	s := instance(tasklog.Hooked(l, hooks), tasklog.Hooked(l, hooks), asker{})
	s.Push = &server.Push{Store: push.Hooked(l.Pushes(), hooks), Check: func(*a2a.PushConfig) error { return nil }}
	return s, l
}

func send(t *testing.T, s *server.Server, req *a2a.SendMessageRequest, want a2a.TaskState) *a2a.Task {
	t.Helper()
	task, err := s.SendMessage(t.Context(), caller, req)
	if err != nil {
		t.Fatal(err)
	}
	if got := task.Status.State; got != want {
		t.Fatalf("the task is %s, want %s", got, want)
	}
	return task
}

func message(id a2a.TaskID, text string) *a2a.SendMessageRequest {
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	m.TaskID = id
	return &a2a.SendMessageRequest{Message: m}
}

// TestLostCancellation has a cancellation get lost between its two steps: reserving a place in the
// log, and putting the event there. The task still waits, and takes the next message.
func TestLostCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := newServer()
		task := send(t, s, message("", "first"), a2a.TaskStateInputRequired)
		l.appends.Store(true)
		if _, err := s.CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: task.ID}); err == nil {
			t.Fatal("a cancellation that can't be stored was answered")
		}
		l.appends.Store(false)
		time.Sleep(time.Minute)
		send(t, s, message(task.ID, "done"), a2a.TaskStateCompleted)
	})
}

// TestLostConfiguration has the store fail to put the push notification configuration of a message.
// The client gets an error, and the turn, which has not begun, goes to a worker. The client's next
// try joins it.
func TestLostConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := newServer()
		req := message("", "done")
		req.Config = &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{URL: "https://example.com"}}
		l.pushes.Store(true)
		if _, err := s.SendMessage(t.Context(), caller, req); err == nil {
			t.Fatal("a message whose configuration can't be stored was answered")
		}
		l.pushes.Store(false)
		begun := time.Now()
		task := send(t, s, req, a2a.TaskStateCompleted)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if configs, err := l.Pushes().List(t.Context(), task.ID); len(configs) != 1 || err != nil {
			t.Errorf("the configurations are %+v, %v", configs, err)
		}
	})
}

// TestRetriedStream checks that the stream of a repeated message ends with its turn, like the
// first.
func TestRetriedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		req := message("", "first")
		for range 2 {
			begun := time.Now()
			st, err := s.SendStreamingMessage(t.Context(), caller, req)
			if err != nil {
				t.Fatal(err)
			}
			var last tasklog.Event
			for err == nil {
				var events []tasklog.Event
				if events, err = st.Next(t.Context()); err == nil {
					last = events[len(events)-1]
				}
			}
			st.Close()
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > 5*time.Second || last.Seq != 2 {
				t.Errorf("the stream ended after %v, with event %d", took, last.Seq)
			}
		}
	})
}

// TestRoom checks that no task gets more configurations or messages than it may have, whatever
// operation brings them.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := newServer()
		withConfig := func(req *a2a.SendMessageRequest, id string) *a2a.SendMessageRequest {
			req.Config = &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{ID: id, URL: "https://example.com"}}
			return req
		}
		first := message("", "first")
		task := send(t, s, withConfig(first, "0"), a2a.TaskStateInputRequired)
		full := 0
		for i := range 20 {
			req := first // it joins
			if i%2 == 0 {
				req = message(task.ID, "second")
			}
			if _, err := s.SendMessage(t.Context(), caller, withConfig(req, string(rune('a'+i)))); errors.Is(err, a2a.ErrUnsupportedOperation) {
				full++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if configs, err := l.Pushes().List(t.Context(), task.ID); len(configs) != 5 || full != 16 || err != nil {
			t.Errorf("the task has %d configurations; it refused %d, %v", len(configs), full, err)
		}
		send(t, s, withConfig(message(task.ID, "third"), "0"), a2a.TaskStateInputRequired) // it replaces one

		long := strings.Repeat("x", 6<<20)
		for range 3 {
			send(t, s, message(task.ID, long), a2a.TaskStateInputRequired)
		}
		if _, err := s.SendMessage(t.Context(), caller, message(task.ID, "one more")); !errors.Is(err, a2a.ErrUnsupportedOperation) {
			t.Errorf("after 18 MB of messages: %v", err)
		}
	})
}

// TestRoomForMessages checks that all parts of a message count, and that the error for a full task
// names the limit.
func TestRoomForMessages(t *testing.T) {
	long := strings.Repeat("x", 6<<20)
	objects := make([]any, 20_000)
	for i := range objects {
		objects[i] = map[string]any{"a": map[string]any{}}
	}
	for name, test := range map[string]struct {
		add  func(*a2a.Message)
		want string
	}{
		"metadata":         {func(m *a2a.Message) { m.Metadata = map[string]any{"k": long} }, "16 MB"},
		"references":       {func(m *a2a.Message) { m.ReferenceTasks = []a2a.TaskID{a2a.TaskID(long)} }, "16 MB"},
		"a file's name":    {func(m *a2a.Message) { m.Parts[0].Filename = long }, "16 MB"},
		"objects":          {func(m *a2a.Message) { m.Parts = append(m.Parts, a2a.NewDataPart(objects)) }, "100000 values"},
		"many extensions":  {func(m *a2a.Message) { m.Extensions = make([]string, 40_000) }, "100000 values"},
		"many empty parts": {func(m *a2a.Message) { m.Parts = slices.Repeat(m.Parts, 40_000) }, "100000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newServer()
			id := a2a.TaskID("")
			for range 3 {
				req := message(id, "text")
				test.add(req.Message)
				id = send(t, s, req, a2a.TaskStateInputRequired).ID
			}
			_, err := s.SendMessage(t.Context(), caller, message(id, "one more"))
			if !errors.Is(err, a2a.ErrUnsupportedOperation) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("one more message: %v, want %s", err, test.want)
			}
		})
	}
}

// late is a store with an index that lags: it lists tasks that have left the state.
type late struct {
	*sick
	loads *atomic.Int32
}

func (l late) List(ctx context.Context, f tasklog.Filter, after tasklog.Position, limit int) (tasklog.Page, error) {
	f.State = ""
	return l.sick.List(ctx, f, after, limit)
}

func (l late) Peek(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	l.loads.Add(1)
	return l.sick.Peek(ctx, id, w)
}

// TestPageLooks checks that a page loads a bounded number of tasks, whether or not they match the
// filter, and says where the list goes on.
func TestPageLooks(t *testing.T) {
	s, l := newServer()
	const n, size = 30, 5
	for range n {
		send(t, s, message("", "x"), a2a.TaskStateInputRequired)
	}
	loads := new(atomic.Int32)
	s.Store = late{l, loads}
	pages := 0
	for token := ""; pages == 0 || token != ""; pages++ {
		loads.Store(0)
		list, err := s.ListTasks(t.Context(), caller, &a2a.ListTasksRequest{
			PageSize: size, Status: a2a.TaskStateCompleted, PageToken: token,
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := loads.Load(); n != 2*size || len(list.Tasks) > 0 {
			t.Errorf("a page has %d tasks of %d that were loaded, want none of %d", len(list.Tasks), n, 2*size)
		}
		token = list.NextPageToken
	}
	if pages != n/size/2 {
		t.Errorf("the list has %d pages", pages)
	}
}

// TestPageBytes checks that a page of a list ends at 4 MB.
func TestPageBytes(t *testing.T) {
	s, _ := newServer()
	var want []a2a.TaskID
	for i := range 12 {
		n := 1 << 20
		if i == 5 {
			n = 6 << 20
		}
		want = append(want, send(t, s, message("", strings.Repeat("x", n)), a2a.TaskStateInputRequired).ID)
	}
	wantPages(t, s, want)
}

// TestPageValues lists tasks with few bytes and many values, which take the memory.
func TestPageValues(t *testing.T) {
	s, _ := newServer()
	var want []a2a.TaskID
	for i := range 12 {
		n := 30_000
		if i == 5 {
			n = 120_000
		}
		m := message("", "hello")
		m.Message.Parts = a2a.ContentParts{a2a.NewDataPart(map[string]any{"k": make([]any, n)})}
		want = append(want, send(t, s, m, a2a.TaskStateInputRequired).ID)
	}
	wantPages(t, s, want)
}

// wantPages checks that the tasks are on four pages. None is empty, or has more than 4 MB or
// 100,000 values, and only the task at index 5 is cut.
func wantPages(t *testing.T, s *server.Server, want []a2a.TaskID) {
	t.Helper()
	var got []a2a.TaskID
	var sizes []int
	for token := ""; ; {
		list, err := s.ListTasks(t.Context(), caller, &a2a.ListTasksRequest{PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		var size tasklog.Size
		for _, task := range list.Tasks {
			size = size.Plus(tasklog.SizeOf(task))
			got = append(got, task.ID)
			if cut := task.Metadata[tasklog.CutKey]; (cut != nil) != (task.ID == want[5]) {
				t.Errorf("task %d: %v was left out", slices.Index(want, task.ID), cut)
			}
		}
		if len(list.Tasks) == 0 || size.Bytes > 4<<20 || size.Values > 100_000 || list.TotalSize != len(want) {
			t.Errorf("a page of %d tasks, %+v, of %d in all", len(list.Tasks), size, list.TotalSize)
		}
		sizes = append(sizes, len(list.Tasks))
		if token = list.NextPageToken; token == "" {
			break
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(sizes) != 4 {
		t.Errorf("%d tasks on pages of %v", len(got), sizes)
	}
}
