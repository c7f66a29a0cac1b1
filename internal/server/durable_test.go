package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/callback"
	"a2alambda/internal/durable"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// house is servers over one store that host a durable agent, and what they do.
type house struct {
	*testing.T
	store   tasklog.Store
	servers []*server.Server
	post    http.Handler // takes callbacks
	// loses makes requests for workers get lost.
	loses bool

	mu      sync.Mutex
	invoked int
	working sync.WaitGroup
}

// newHouse returns a house with several instances, each of which opens the store.
func newHouse(t *testing.T, instances int, open func() tasklog.Store, f durable.Func) *house {
	h := &house{T: t, store: open()}
	for range instances {
		store := open()
		c := run.Config{
			Store: store, Executor: durable.New(f), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Callbacks: "http://callbacks.example/",
		}
		var r *run.Runner
		c.Invoke = func(_ context.Context, id a2a.TaskID) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.invoked++
			if !h.loses {
				h.working.Go(func() {
					if err := r.Work(context.Background(), id); err != nil {
						t.Errorf("the worker failed: %v", err)
					}
				})
			}
			return nil
		}
		r = run.New(c)
		h.servers = append(h.servers, server.New(server.Config{Store: store, Runner: r, Retention: 30 * 24 * time.Hour, Card: new(a2a.AgentCard)}))
		h.post = callback.New(callback.Config{Store: store, Invoke: c.Invoke, Logger: c.Logger})
	}
	return h
}

// inMemory is newHouse in memory.
func inMemory(t *testing.T, instances int, f durable.Func) *house {
	l := new(memlog.Log)
	return newHouse(t, instances, func() tasklog.Store { return l }, f)
}

// workers returns how many workers were asked for since the last call.
func (h *house) workers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.invoked
	h.invoked = 0
	return n
}

// sweep sweeps every minute, for a time.
func (h *house) sweep(d time.Duration) {
	h.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
		if _, err := h.servers[0].Runner.Sweep(h.Context()); err != nil {
			h.Fatal(err)
		}
	}
}

// deliver posts to a callback's URL, and returns the status.
func (h *house) deliver(url, body string) int {
	w := httptest.NewRecorder()
	h.post.ServeHTTP(w, httptest.NewRequest(http.MethodPost, url, strings.NewReader(body)))
	return w.Code
}

func (h *house) load(id a2a.TaskID) *tasklog.Snapshot {
	h.Helper()
	s, err := h.store.Load(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// says is an event outside of steps.
func says(ctx context.Context, t *durable.Task, text string) error {
	return durable.Yield(ctx, a2a.NewStatusUpdateEvent(t, a2a.TaskStateWorking,
		a2a.NewMessageForTask(a2a.MessageRoleAgent, t, a2a.NewTextPart(text))))
}

// conversationOf returns the texts of the task's messages, in order.
func conversationOf(t *a2a.Task) (texts []string) {
	for _, m := range t.History {
		texts = append(texts, m.Parts[0].Text())
	}
	if m := t.Status.Message; m != nil {
		texts = append(texts, m.Parts[0].Text())
	}
	return texts
}

// TestThreeQuestions has an agent ask three questions. Each answer comes to another instance, twice
// at once. Each question and each answer is in the log once, and the agent is given what began the
// task in every run.
func TestThreeQuestions(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			begins := map[string]int{}
			h := newHouse(t, 4, open, func(ctx context.Context, t *durable.Task) error {
				mu.Lock()
				begins[t.Message.ID+" "+t.Message.Parts[0].Text()]++
				mu.Unlock()
				var said []string
				for _, q := range []string{"one?", "two?", "three?"} {
					answer, err := durable.Ask(ctx, q, a2a.NewTextPart(q))
					if err != nil {
						return err
					}
					said = append(said, answer.Parts[0].Text())
				}
				return durable.Yield(ctx, a2a.NewStatusUpdateEvent(t, a2a.TaskStateCompleted,
					a2a.NewMessageForTask(a2a.MessageRoleAgent, t, a2a.NewTextPart(strings.Join(said, " ")))))
			})
			began := message("", "begin")
			task := send(t, h.servers[0], began, a2a.TaskStateInputRequired)
			for i, want := range []a2a.TaskState{a2a.TaskStateInputRequired, a2a.TaskStateInputRequired, a2a.TaskStateCompleted} {
				answer := message(task.ID, fmt.Sprint("answer ", i+1))
				tasks, errs := together(t.Context(), h.servers[i:i+2], answer, answer)
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				for _, got := range tasks {
					if got.Status.State != want {
						t.Errorf("after answer %d: %s", i+1, got.Status.State)
					}
				}
				if want == a2a.TaskStateInputRequired { // once more, when the next question is there
					send(t, h.servers[3], answer, want)
				}
			}
			now := h.load(task.ID)
			got := conversationOf(now.Task)
			if want := []string{"begin", "one?", "answer 1", "two?", "answer 2", "three?", "answer 3", "answer 1 answer 2 answer 3"}; !slices.Equal(got, want) {
				t.Errorf("the conversation is %q, want %q", got, want)
			}
			if len(begins) != 1 || begins[began.Message.ID+" begin"] < 4 {
				t.Errorf("the agent was begun with %v", begins)
			}
		})
	}
}

// TestQuestionsInBranches has two branches ask. One question is open at a time, in the order of Go,
// and goes out when the other branches wait: a step that works is not cut off by it.
func TestQuestionsInBranches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steps := 0
		h := inMemory(t, 2, func(ctx context.Context, t *durable.Task) error {
			g := durable.NewGroup(ctx)
			answers := make([]string, 2)
			for i, name := range []string{"a", "b"} {
				g.Go(name, func(ctx context.Context) error {
					answer, err := durable.Ask(ctx, "which", a2a.NewTextPart(name+"?"))
					if err == nil {
						answers[i] = answer.Parts[0].Text()
					}
					return err
				})
			}
			g.Go("c", func(ctx context.Context) error {
				_, err := durable.Do(ctx, "work", func(context.Context) (int, error) {
					steps++
					time.Sleep(20 * time.Second)
					return steps, nil
				})
				return err
			})
			if err := g.Wait(); err != nil {
				return err
			}
			return says(ctx, t, strings.Join(answers, " "))
		})
		task := send(t, h.servers[0], message("", "begin"), a2a.TaskStateInputRequired)
		send(t, h.servers[1], message(task.ID, "for a"), a2a.TaskStateInputRequired)
		send(t, h.servers[0], message(task.ID, "for b"), a2a.TaskStateCompleted)
		got := conversationOf(h.load(task.ID).Task)
		if want := []string{"begin", "a?", "for a", "b?", "for b", "for a for b"}; !slices.Equal(got, want) || steps != 1 {
			t.Errorf("the conversation is %q, want %q; the step ran %d times", got, want, steps)
		}
	})
}

// TestSleeper sends messages to a task that sleeps, and reads it in every way. The messages are
// refused with words, nothing is stored, and nobody wakes it.
func TestSleeper(t *testing.T) {
	t.Parallel()
	for what, words := range map[string]string{
		"sleep":    `the task waits for the end of "night", at `,
		"callback": `the task waits for the callback "delivered"; it takes no message before it asks for one`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, 2, func(ctx context.Context, t *durable.Task) error {
					if what == "sleep" {
						return durable.Sleep(ctx, "night", 8*time.Hour)
					}
					c, err := durable.NewCallback(ctx, "delivered", 8*time.Hour)
					if err != nil {
						return err
					}
					_, err = c.Wait(ctx)
					return err
				})
				// A blocking send is answered as soon as the task sleeps.
				begun := time.Now()
				req := message("", "good night")
				task := send(t, h.servers[0], req, a2a.TaskStateSubmitted)
				if took := time.Since(begun); took > time.Second {
					t.Errorf("the answer came after %v", took)
				}
				send(t, h.servers[1], req, a2a.TaskStateSubmitted) // joins
				before := h.load(task.ID)
				if !before.Lease.Sleeps() {
					t.Fatalf("the lease is %+v", before.Lease)
				}
				for _, s := range h.servers {
					for _, immediately := range []bool{false, true} {
						m := message(task.ID, "are you awake?")
						m.Config = &a2a.SendMessageConfig{ReturnImmediately: immediately}
						_, err := s.SendMessage(t.Context(), caller, m)
						if !errors.Is(err, a2a.ErrUnsupportedOperation) || !strings.Contains(err.Error(), words) {
							t.Errorf("a message got %v, want %q", err, words)
						}
						_, err = s.SendStreamingMessage(t.Context(), caller, m)
						if !errors.Is(err, a2a.ErrUnsupportedOperation) || !strings.Contains(err.Error(), words) {
							t.Errorf("a stream got %v, want %q", err, words)
						}
					}
					if _, err := s.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: task.ID}); err != nil {
						t.Error(err)
					}
					if _, err := s.ListTasks(t.Context(), caller, &a2a.ListTasksRequest{}); err != nil {
						t.Error(err)
					}
					stream, err := s.SubscribeToTask(t.Context(), caller, &a2a.SubscribeToTaskRequest{ID: task.ID})
					if err != nil {
						t.Fatal(err)
					}
					begun := time.Now()
					_, err = stream.Next(t.Context())
					asleep := (*tasklog.SuspendedError)(nil)
					if took := time.Since(begun); !errors.As(err, &asleep) || took < time.Minute || took > 65*time.Second {
						t.Errorf("a stream ended after %v with %v", took, err)
					}
					stream.Close()
				}
				h.sweep(time.Hour)
				after := h.load(task.ID)
				if n := h.workers(); n > 0 || after.Seq != before.Seq || after.Lease != before.Lease {
					t.Errorf("%d workers were asked for; event %d, %+v; before event %d, %+v", n, after.Seq, after.Lease, before.Seq, before.Lease)
				}
			})
		})
	}
}

// TestStreamOfSleeper has a stream run a turn that suspends its task. The stream stays for a minute
// of silence, and shows what comes meanwhile.
func TestStreamOfSleeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		urls := make(chan string, 10)
		h := inMemory(t, 2, func(ctx context.Context, t *durable.Task) error {
			c, err := durable.NewCallback(ctx, "news", 8*time.Hour)
			if err != nil {
				return err
			}
			urls <- c.URL
			d, err := c.Wait(ctx)
			if err != nil {
				return err
			}
			if err := says(ctx, t, string(d.Body)); err != nil {
				return err
			}
			return durable.Sleep(ctx, "night", 8*time.Hour)
		})
		stream, err := h.servers[0].SendStreamingMessage(t.Context(), caller, message("", "what's up"))
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		time.Sleep(30 * time.Second)
		if status := h.deliver(<-urls, "much"); status != http.StatusAccepted {
			t.Fatalf("the callback got %d", status)
		}
		events, err := stream.Next(t.Context())
		if err != nil || len(events) != 1 || !strings.Contains(string(events[0].JSON), "much") {
			t.Fatalf("the stream shows %d events, %v", len(events), err)
		}
		begun := time.Now()
		_, err = stream.Next(t.Context())
		asleep := (*tasklog.SuspendedError)(nil)
		if took := time.Since(begun); !errors.As(err, &asleep) || took < time.Minute || took > 65*time.Second {
			t.Errorf("the stream ended after %v with %v", took, err)
		}
		h.sweep(9 * time.Hour)
		if state := h.load(stream.Task.TaskID).Task.Status.State; state != a2a.TaskStateCompleted {
			t.Errorf("after the night the task is %s", state)
		}
	})
}

// TestCancelSleeper cancels a task that sleeps. The agent undoes what it has done, in a worker. If
// that takes longer than the request, or no worker comes, the answer says working, and the end
// follows.
func TestCancelSleeper(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		undo  time.Duration
		loses bool
		want  a2a.TaskState
	}{
		"at once":        {0, false, a2a.TaskStateCanceled},
		"within 20 s":    {20 * time.Second, false, a2a.TaskStateCanceled},
		"in 29 s":        {29 * time.Second, false, a2a.TaskStateWorking}, // the request has 28
		"too slow":       {time.Minute, false, a2a.TaskStateWorking},
		"lost, and late": {0, true, a2a.TaskStateWorking},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				undone, slept := 0, 0
				h := inMemory(t, 2, func(ctx context.Context, t *durable.Task) error {
					if err := says(ctx, t, "good night"); err != nil {
						return err
					}
					err := durable.Sleep(ctx, "night", 8*time.Hour)
					if !errors.Is(err, durable.ErrCanceled) {
						return err
					}
					slept++
					_, err = durable.Do(ctx, "undo", func(ctx context.Context) (int, error) {
						select {
						case <-time.After(c.undo):
							undone++
						case <-ctx.Done():
						}
						return undone, ctx.Err()
					})
					return err
				})
				task := send(t, h.servers[0], message("", "sleep"), a2a.TaskStateWorking)
				h.workers()
				h.loses = c.loses
				if _, err := h.servers[1].CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: "x"}); !errors.Is(err, a2a.ErrTaskNotFound) {
					t.Errorf("another task: %v", err)
				}
				begun := time.Now()
				request, end := context.WithTimeout(t.Context(), 30*time.Second)
				defer end()
				got, err := h.servers[1].CancelTask(request, caller, &a2a.CancelTaskRequest{ID: task.ID})
				if err != nil || got.Status.State != c.want {
					t.Fatalf("canceled after %v: %v, %v", time.Since(begun), got, err)
				}
				if took := time.Since(begun); took > 29*time.Second {
					t.Errorf("the answer took %v", took)
				}
				h.loses = false
				h.sweep(3 * time.Minute)
				if state := h.load(task.ID).Task.Status.State; state != a2a.TaskStateCanceled {
					t.Errorf("in the end the task is %s", state)
				}
				if wants := c.undo < 30*time.Second; slept != 1 || wants != (undone == 1) {
					t.Errorf("woken %d times, undone %d times", slept, undone)
				}
				h.working.Wait()
			})
		})
	}
}

// TestCancelQuestion cancels a task that has asked a question: Ask returns that, and what the agent
// has done is undone. The question is not asked again, and an answer comes too late.
func TestCancelQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		undone := 0
		h := inMemory(t, 2, func(ctx context.Context, t *durable.Task) error {
			if _, err := durable.Do(ctx, "book", func(context.Context) (string, error) { return "booked", nil }); err != nil {
				return err
			}
			_, err := durable.Ask(ctx, "sure", a2a.NewTextPart("Sure?"))
			if !errors.Is(err, durable.ErrCanceled) {
				return err
			}
			_, err = durable.Do(ctx, "undo", func(context.Context) (int, error) {
				undone++
				return undone, nil
			})
			return err
		})
		task := send(t, h.servers[0], message("", "buy"), a2a.TaskStateInputRequired)
		got, err := h.servers[1].CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: task.ID})
		if err != nil || got.Status.State != a2a.TaskStateCanceled || undone != 1 {
			t.Fatalf("canceled: %v, %v; undone %d times", got, err, undone)
		}
		if got := conversationOf(h.load(task.ID).Task); !slices.Equal(got, []string{"buy", "Sure?"}) {
			t.Errorf("the conversation is %q", got)
		}
		if _, err := h.servers[0].SendMessage(t.Context(), caller, message(task.ID, "yes")); !errors.Is(err, a2a.ErrUnsupportedOperation) {
			t.Errorf("an answer after that: %v", err)
		}
	})
}

// TestAnswerBetweenSteps has an answer come again, and another message, while its first sender is
// between its two steps: it has acquired the lease, and the answer is not in the log yet. The answer
// joins, and counts once. The other message is refused.
func TestAnswerBetweenSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		slow := tasklog.Hooked(l, tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if isStep("Append", op) && op.First > 1 {
				time.Sleep(500 * time.Millisecond)
			}
			return nil
		}})
		opened := 0
		open := func() tasklog.Store { // the first instance's is slow
			if opened++; opened == 2 {
				return slow
			}
			return l
		}
		h := newHouse(t, 3, open, func(ctx context.Context, t *durable.Task) error {
			answer, err := durable.Ask(ctx, "sure", a2a.NewTextPart("Sure?"))
			if err != nil {
				return err
			}
			return says(ctx, t, answer.Parts[0].Text())
		})
		task := send(t, h.servers[0], message("", "go"), a2a.TaskStateInputRequired)
		answer := message(task.ID, "yes")
		var sending sync.WaitGroup
		for i, req := range []*a2a.SendMessageRequest{answer, answer, message(task.ID, "no")} {
			sending.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				got, err := h.servers[i].SendMessage(t.Context(), caller, copyOf(req))
				switch {
				case i < 2 && (err != nil || got.Status.State != a2a.TaskStateCompleted):
					t.Errorf("the answer of sender %d: %v, %v", i, got, err)
				case i == 2 && !errors.Is(err, a2a.ErrUnsupportedOperation):
					t.Errorf("another message: %v, %v", got, err)
				}
			})
		}
		sending.Wait()
		if got := conversationOf(h.load(task.ID).Task); !slices.Equal(got, []string{"go", "Sure?", "yes", "yes"}) {
			t.Errorf("the conversation is %q", got)
		}
	})
}
