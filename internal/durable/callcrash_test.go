package durable_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
)

// TestCallKilled kills the run at each operation of the store, before and after it, and at each
// request to the peer, before and after the peer has done it. The peer knows no message again. There
// is one task at the peer, or the call says that it was interrupted. With adopt there is one task
// and a reply.
func TestCallKilled(t *testing.T) {
	for _, takes := range []time.Duration{0, 10 * time.Minute} {
		for _, options := range []string{"", ";adopt"} {
			interrupted := 0
			check := func(what string, set func(*world, *other)) (ops int, requests map[string]int) {
				synctest.Test(t, func(t *testing.T) {
					o, a := &other{takes: takes, text: "hi"}, &ask{}
					w := newWorld(t, options, o, a.agent())
					set(w, o)
					if end := w.run(); end.Err != nil {
						t.Errorf("%s: %v", what, end.Err)
					}
					ops, requests = w.ops, o.requests
					switch {
					case len(o.tasks) > 1, len(o.messages) > 1:
						t.Errorf("%s%s: %d tasks, %d messages", what, options, len(o.tasks), len(o.messages))
					case a.err == nil && len(o.tasks) == 1 && a.reply.Task.ID == "other-1" && len(a.reply.Task.Artifacts) == 1:
					case options == "" && errors.Is(a.err, durable.ErrInterrupted):
						interrupted++
						step := (*durable.StepError)(nil)
						if errors.As(a.err, &step) && len(o.messages) == 1 && o.messages[0].ID != step.Key {
							t.Errorf("%s: the key is %q, the message has %q", what, step.Key, o.messages[0].ID)
						}
					default:
						t.Errorf("%s%s: %+v, %v, %s", what, options, a.reply, a.err, w.kinds())
					}
				})
				return ops, requests
			}
			ops, requests := check("undisturbed", func(*world, *other) {})
			for i := 1; i <= ops; i++ {
				check(fmt.Sprintf("before operation %d", i), func(w *world, _ *other) { w.killAt = i })
				check(fmt.Sprintf("after operation %d", i), func(w *world, _ *other) { w.killAt = -i })
			}
			for method, n := range requests {
				for i := 1; i <= min(n, 8); i++ {
					check(fmt.Sprintf("before %s %d", method, i), func(w *world, o *other) {
						o.before = func(m string, rw http.ResponseWriter) bool {
							if m == method && o.requests[m] == i && w.runs == 1 {
								w.kill()
								panic(http.ErrAbortHandler)
							}
							return false
						}
					})
					check(fmt.Sprintf("after %s %d", method, i), func(w *world, o *other) {
						o.after = func(m string) {
							if m == method && o.requests[m] == i && w.runs == 1 {
								w.kill()
								panic(http.ErrAbortHandler)
							}
						}
					})
				}
			}
			if (options == "") != (interrupted > 0) {
				t.Errorf("%v%s: interrupted %d times", takes, options, interrupted)
			}
		}
	}
}

// TestCallLost has answers that are lost, and no crash.
func TestCallLost(t *testing.T) {
	for _, options := range []string{"", ";adopt", ";deduplicates"} {
		for _, arrived := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				o, a := &other{takes: time.Minute, text: "hi"}, &ask{}
				lose := func(m string) {
					if m == "SendMessage" && o.requests[m] == 1 {
						panic(http.ErrAbortHandler)
					}
				}
				if arrived {
					o.after = lose
				} else {
					o.before = func(m string, _ http.ResponseWriter) bool { lose(m); return false }
				}
				w := newWorld(t, options, o, a.agent())
				w.run()
				ids := map[string]bool{}
				for _, m := range o.messages {
					ids[m.ID] = true
				}
				switch {
				case len(ids) > 1:
					t.Errorf("%s: messages %v", options, ids)
				case options == "":
					if !errors.Is(a.err, durable.ErrInterrupted) || len(o.messages) > 1 {
						t.Errorf("%d messages, %v", len(o.messages), a.err)
					}
				case options == ";adopt" && len(o.messages) != 1, a.err != nil:
					t.Errorf("%s, arrived %t: %d messages, %v", options, arrived, len(o.messages), a.err)
				}
			})
		}
	}
}

// TestCallCutOff kills every run while the message is sent to a peer that deduplicates.
func TestCallCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, a := &other{}, &ask{}
		w := newWorld(t, ";deduplicates", o, a.agent())
		o.after = func(m string) {
			if m == "SendMessage" {
				w.kill()
				panic(http.ErrAbortHandler)
			}
		}
		w.run()
		if a.err == nil || len(o.messages) > 6 || len(o.messages) < 4 {
			t.Errorf("%d messages, %v", len(o.messages), a.err)
		}
	})
}

// TestCallCanceled cancels a task that awaits a reply, in place and suspended. The peer's task is
// canceled, too. A task that ends while a call is under way in another branch does the same.
func TestCallCanceled(t *testing.T) {
	for _, after := range []time.Duration{10 * time.Second, 3 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o, a := &other{takes: 10 * time.Hour}, &ask{}
			w := newWorld(t, "", o, a.agent())
			time.AfterFunc(after, func() {
				w.mu.Lock()
				w.cancel = true
				w.mu.Unlock()
				w.notify()
			})
			begun := time.Now()
			end := w.run()
			if end.End != durable.Undone || !errors.Is(a.err, durable.ErrCanceled) || fmt.Sprint(o.canceled) != "[other-1]" {
				t.Errorf("%v: %v, %v, canceled %v", after, end.End, a.err, o.canceled)
			}
			if took := time.Since(begun); took > after+30*time.Second {
				t.Errorf("after %v", took)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		o := &other{takes: time.Hour}
		w := newWorld(t, "", o, func(ctx context.Context, task *durable.Task) error {
			g := durable.NewGroup(ctx)
			g.Go("branch", func(ctx context.Context) error {
				_, err := durable.Call(ctx, "ask", "other", text("hello"))
				return err
			})
			if err := durable.Sleep(ctx, "sleep", 20*time.Second); err != nil {
				return err
			}
			return durable.Yield(ctx, a2a.NewStatusUpdateEvent(task, a2a.TaskStateRejected, nil))
		})
		if end := w.run(); end.End != durable.Ended || fmt.Sprint(o.canceled) != "[other-1]" {
			t.Errorf("%v, canceled %v", end.End, o.canceled)
		}
	})
}

// TestCallPushes has a peer that posts, and says nothing that is read. If it posts a few times, the
// reply is seen at once. If it posts a thousand times, at once or by and by, the task is woken a few
// times only, and the reply is seen when the peer is asked the next time.
func TestCallPushes(t *testing.T) {
	for _, test := range []struct {
		posts  int
		every  time.Duration
		within time.Duration
	}{{0, 0, 5 * time.Second}, {10, time.Minute, 5 * time.Second}, {1000, time.Millisecond, 16 * time.Minute}, {1000, 10 * time.Second, 16 * time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			o, a := &other{takes: 10 * time.Hour, text: "hi", push: true}, &ask{}
			w := newWorld(t, "", o, a.agent())
			w.callbacks = "https://callbacks.example"
			begun := time.Now()
			go func() {
				time.Sleep(5 * time.Hour)
				for range test.posts {
					w.post("ask")
					time.Sleep(test.every)
				}
				time.Sleep(time.Until(begun.Add(10 * time.Hour)))
				w.post("ask") // the reply is there
			}()
			w.run()
			if a.err != nil || w.waits["ask"] || len(w.waits) != 1 || w.kinds() != "began noted noted done" ||
				!strings.HasPrefix(o.pushURL, "https://callbacks.example/") {
				t.Errorf("%v, waits %v, URL %q, %s", a.err, w.waits, o.pushURL, w.kinds())
			}
			if late := time.Since(begun) - 10*time.Hour; late > test.within {
				t.Errorf("%+v: the reply was seen after %v", test, late)
			}
			const unwoken = 55 // in ten hours: at first soon, then each quarter of an hour
			if w.runs > unwoken+50 {
				t.Errorf("%+v: %d runs", test, w.runs)
			}
		})
	}
}

// TestCallDepth has agents that call each other in a circle.
func TestCallDepth(t *testing.T) {
	for _, test := range []struct {
		depth any
		want  int // what the peer gets, 0 if nothing
	}{{nil, 1}, {3, 4}, {9.0, 10}, {10.0, 0}, {1e9, 0}, {-7.0, 1}, {"x", 1}} {
		synctest.Test(t, func(t *testing.T) {
			o, a := &other{}, &ask{}
			w := newWorld(t, "", o, a.agent())
			w.task.Message.Metadata = map[string]any{"a2alambda/depth": test.depth, "k": "v"}
			w.run()
			if test.want == 0 {
				if a.err == nil || len(o.messages) > 0 {
					t.Errorf("%v: %v", test.depth, a.err)
				}
			} else if a.err != nil || o.messages[0].Metadata["a2alambda/depth"] != float64(test.want) || len(o.messages[0].Metadata) != 1 {
				t.Errorf("%v: %v, %+v", test.depth, a.err, o.messages)
			}
		})
	}
}

// TestCallMistakes has calls that cannot be made.
func TestCallMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		call func(ctx context.Context) error
		want string
	}{
		"no such peer": {func(ctx context.Context) error {
			_, err := durable.Call(ctx, "ask", "nobody", text("hello"))
			return err
		}, `ask: PEERS has no agent "nobody"`},
		"no parts": {func(ctx context.Context) error {
			_, err := durable.Call(ctx, "ask", "other", &a2a.Message{})
			return err
		}, "ask: the message has no parts"},
		"nil": {func(ctx context.Context) error {
			_, err := durable.Call(ctx, "ask", "other", nil)
			return err
		}, "ask: the message has no parts"},
		"not JSON": {func(ctx context.Context) error {
			_, err := durable.Call(ctx, "ask", "other", a2a.NewMessage(a2a.MessageRoleUser, a2a.NewDataPart(func() {})))
			return err
		}, "ask: the message cannot be sent: json"},
		"huge": {func(ctx context.Context) error {
			_, err := durable.Call(ctx, "ask", "other", text(string(make([]byte, 5<<20))))
			return err
		}, "ask: the message has "},
		"Once": {func(ctx context.Context) error {
			_, err := durable.Call(ctx, "ask", "other", text("hello"), durable.Once())
			return err
		}, `durable: Once and Retry are not options of Call: "ask"`},
		"longer than the task": {func(ctx context.Context) error {
			_, err := durable.Call(ctx, "ask", "other", text("hello"), durable.Timeout(1000*time.Hour))
			return err
		}, `ask: durable: "ask" would wait until `},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &other{}
			w := newWorld(t, "", o, func(ctx context.Context, _ *durable.Task) error { return test.call(ctx) })
			end := w.run()
			if end.Err == nil || len(end.Err.Error()) < len(test.want) || end.Err.Error()[:len(test.want)] != test.want || len(o.messages) > 0 {
				t.Errorf("%s: got %v", name, end.Err)
			}
		})
	}
}

// TestCallLate has a gateway before the peer that gives up, and passes the message on after that.
func TestCallLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, a := &other{takes: time.Minute, text: "hi"}, &ask{}
		w := newWorld(t, ";adopt", o, a.agent())
		o.before = func(m string, rw http.ResponseWriter) bool {
			if m != "SendMessage" || o.requests[m] > 1 {
				return false
			}
			params := `{"message":` + jsonOf(map[string]any{
				"messageId": "m", "role": "ROLE_USER", "contextId": durableKey(w), "parts": []any{map[string]any{"text": "hello"}},
			}) + `}`
			time.AfterFunc(5*time.Second, func() { o.handle(m, []byte(params)) })
			rw.WriteHeader(504)
			return true
		}
		w.run()
		if a.err != nil || len(o.tasks) != 1 || a.reply.Task.ID != "other-1" {
			t.Errorf("%d tasks, %+v, %v", len(o.tasks), a.reply, a.err)
		}
	})
}

// durableKey returns the key of the call "ask".
func durableKey(w *world) (key string) {
	sum := sha256.Sum256([]byte("durable step\x00" + string(w.task.ID) + "\x00ask"))
	return hex.EncodeToString(sum[:16])
}

// TestCallAgain has an operator ask for a call again that was interrupted.
func TestCallAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, a := &other{text: "hi"}, &ask{}
		w := newWorld(t, "", o, a.agent())
		o.after = func(m string) {
			if m == "SendMessage" && o.requests[m] == 1 {
				panic(http.ErrAbortHandler)
			}
		}
		w.run()
		if !errors.Is(a.err, durable.ErrInterrupted) {
			t.Fatal(a.err)
		}
		again := durable.Entry{Kind: durable.Again, Type: durable.TypeCall, Name: "ask", Time: time.Now().UnixMilli(), By: "operator"}
		w.journal = append(w.journal, []byte(jsonOf(again)))
		w.run()
		if a.err != nil || len(o.messages) != 2 || o.messages[0].ID != o.messages[1].ID || a.reply.Task.ID != "other-2" {
			t.Errorf("%d messages, %+v, %v, %s", len(o.messages), a.reply, a.err, w.kinds())
		}
	})
}
