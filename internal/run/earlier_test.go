package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestEarlier has an executor ask for the tasks of its conversation, beside tasks of others.
func TestEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		me := tasklog.Scope{Owner: "me", Tenant: "t"}
		// turn runs a task, and returns what the executor sees of the conversation.
		turn := func(scope tasklog.Scope, conversation, id string, end a2a.TaskState, n int) string {
			t.Helper()
			time.Sleep(time.Second)
			h, _ := tasklogtest.NewTask()
			h.ID, h.ContextID, h.Scope, h.Expires = a2a.TaskID(id), conversation, scope, time.Now().Add(30*24*time.Hour)
			info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
			m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(id))
			switch id {
			case "long":
				m.Metadata = map[string]any{"k": strings.Repeat("x", 9<<20)}
			case "many", "more":
				m.Metadata = map[string]any{"k": make([]any, 60_000)}
			}
			task, now := a2a.NewSubmittedTask(info, m), time.Now()
			task.Status.Timestamp = &now
			var saw []string
			r := runner(l, io.Discard, executor(
				func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
					tasks, err := run.Earlier(ctx, n)
					if err != nil {
						t.Error(err)
					}
					for _, task := range tasks {
						saw = append(saw, fmt.Sprintf("%s said %q", task.ID, task.History[0].Parts[0].Text()))
					}
					yield(status(ec, end), nil)
				}))
			if err := r.Start(t.Context(), create(t, l, h, tasklogtest.EntryOf(task)), run.Nobody).Wait(); err != nil {
				t.Fatal(err)
			}
			return strings.Join(saw, ", ")
		}
		done := a2a.TaskStateCompleted
		turn(me, "c", "a", done, 9)
		turn(me, "other", "b", done, 9)
		turn(tasklog.Scope{Owner: "you", Tenant: "t"}, "c", "c", done, 9)
		turn(tasklog.Scope{Owner: "me"}, "c", "d", done, 9)
		turn(me, "c", "e", a2a.TaskStateInputRequired, 9) // its turn has ended, the task has not
		turn(me, "c", "f", a2a.TaskStateFailed, 9)
		if got, want := turn(me, "c", "g", done, 9), `a said "a", f said "f"`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := turn(me, "c", "h", done, 2), `f said "f", g said "g"`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		turn(me, "long", "long", done, 0)
		turn(me, "long", "k", done, 0)
		turn(me, "long", "many", done, 0)
		if got, want := turn(me, "long", "more", done, 9), `long said "long", k said "k", many said "many"`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := turn(me, "long", "l", done, 9), `more said "more"`; got != want {
			t.Errorf("of more values than there is room for, got %s, want %s", got, want)
		}
		time.Sleep(8 * 24 * time.Hour)
		if got := turn(me, "c", "i", done, 9); got != "" {
			t.Errorf("after a week, got %s", got)
		}
	})
}

// TestEarlierBegins checks that nothing is looked up in the first turn of a new context.
func TestEarlierBegins(t *testing.T) {
	for _, test := range []struct {
		begins, continued bool
		want              int32
	}{{true, false, 0}, {true, true, 1}, {false, false, 1}} {
		synctest.Test(t, func(t *testing.T) {
			var looked atomic.Int32
			l := tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Op: "InContext", Do: func(context.Context, tasklog.Op) error {
				looked.Add(1)
				return nil
			}})
			h, first := tasklogtest.NewTask()
			h.Begins = test.begins
			turn := create(t, l, h, first)
			if test.continued {
				turn.Context.StoredTask = &a2a.Task{ID: h.ID, ContextID: h.ContextID}
			}
			r := runner(l, io.Discard, executor(
				func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
					if tasks, err := run.Earlier(ctx, 9); len(tasks) > 0 || err != nil {
						t.Errorf("got %v, %v", tasks, err)
					}
					yield(status(ec, a2a.TaskStateCompleted), nil)
				}))
			if err := r.Start(t.Context(), turn, run.Nobody).Wait(); err != nil {
				t.Fatal(err)
			}
			if got := looked.Load(); got != test.want {
				t.Errorf("%+v: looked %d times", test, got)
			}
		})
	}
}

// TestEarlierElsewhere checks that an executor has no conversation when another server runs it.
func TestEarlierElsewhere(t *testing.T) {
	if tasks, err := run.Earlier(t.Context(), 9); tasks != nil || err != nil {
		t.Errorf("got %v, %v", tasks, err)
	}
}

// TestFailure checks that a client gets the text of a [run.Failure], and the log its cause.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, logs := new(memlog.Log), new(bytes.Buffer)
		r, h := start(t, t.Context(), l, logs, executor(func(_ context.Context, _ *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			yield(nil, fmt.Errorf("calling: %w", &run.Failure{Text: "Try again.", Err: errors.New("secret 42")}))
		}))
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if got, want := describe(t, l, h.ID), []string{"FAILED: Try again."}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if !strings.Contains(logs.String(), "calling: secret 42") {
			t.Errorf("logged %s", logs)
		}
	})
}
