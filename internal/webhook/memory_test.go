package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/webhook"
)

// made is a log of so many events, each of which is made when it is read.
type made struct {
	events int64
	event  func(i int64) tasklog.Entry
}

func (m *made) Read(_ context.Context, _ a2a.TaskID, after int64, limit int) (events []tasklog.Event, more bool, err error) {
	for size := 0; after < m.events && len(events) < limit && size < tasklog.ReadBytes; {
		after++
		events = append(events, tasklog.Event{Seq: after, JSON: m.event(after).JSON})
		size += len(events[len(events)-1].JSON)
	}
	return events, after < m.events, nil
}

// TestLargeTask delivers tasks of 30 MB and of many values in 36 MB, in each version. A delivery is
// charged for what can be in a body, and for the event that it reads, but not for the task.
func TestLargeTask(t *testing.T) {
	const mb, whole = 1 << 20, 30 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(48*mb + 36*mb)) // the first are the process's own
	h, first := tasklogtest.NewTask()
	artifact := func(id string, more bool, part *a2a.Part) tasklog.Entry {
		a := &a2a.Artifact{ID: a2a.ArtifactID(id), Parts: a2a.ContentParts{part}}
		return tasklogtest.EntryOf(&a2a.TaskArtifactUpdateEvent{TaskID: h.ID, ContextID: h.ContextID, Append: more, Artifact: a})
	}
	same := func(e tasklog.Entry) func(int64) tasklog.Entry { return func(int64) tasklog.Entry { return e } }
	asked := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(strings.Repeat("x", whole/10)))
	values := a2a.NewDataPart(map[string]any{"values": strings.Split(strings.Repeat("x", 20_000), "")})
	for _, test := range []struct {
		name   string
		events int64
		event  func(i int64) tasklog.Entry
	}{
		{"chunks of an artifact", 30, same(artifact("a", true, a2a.NewTextPart(strings.Repeat("word ", whole/30/5))))},
		{"artifacts", 30_000, func(i int64) tasklog.Entry {
			return artifact(fmt.Sprint("artifact", i), false, a2a.NewTextPart(strings.Repeat("x", 850)))
		}},
		{"messages of the agent", 10, same(tasklogtest.Status(h, a2a.TaskStateWorking, strings.Repeat("<", whole/10)))},
		{"messages of the user", 10, same(tasklogtest.EntryOf(a2a.NewStatusUpdateEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.TaskStateSubmitted, asked)))},
		{"values", 20, func(i int64) tasklog.Entry { return artifact(fmt.Sprint("a", i), false, values) }},
	} {
		for _, version := range []string{"0.3", "1.0"} {
			if version == "1.0" && test.events > 1000 {
				continue // a request for each
			}
			t.Run(version+"/"+test.name, func(t *testing.T) {
				log := &made{events: test.events + 2}
				log.event = func(i int64) tasklog.Entry {
					switch i {
					case 1:
						return first
					case log.events:
						return tasklogtest.Status(h, a2a.TaskStateCompleted, "done")
					}
					return test.event(i)
				}
				w := newWorld(t, nil)
				var last string
				var longest int64
				client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
					data, err := io.ReadAll(r.Body)
					if longest = max(longest, int64(len(data))); int64(len(data)) != r.ContentLength {
						t.Errorf("a body of %d bytes has %d", r.ContentLength, len(data))
					}
					last = string(data)
					return status(http.StatusOK), err
				})}
				store := new(memlog.Log).Pushes()
				w.Deliverer = webhook.New(webhook.Config{Log: log, Store: store, Client: client, Logger: w.logger, Invoke: w.invoke})
				h := h
				h.Push = true
				c := pushtest.NewConfig(h, "c", url)
				c.Version, c.After = version, 0
				must(t, store.Put(t.Context(), h, c), w.Deliver(t.Context(), push.Ref{TaskID: h.ID, ID: "c"}))
				if end := strings.ToLower(last); !strings.Contains(end, "completed") || strings.Contains(w.log.String(), "end=left") {
					t.Errorf("the last body is %.300s, and the log is %s", last, w.log)
				}
				if version == "0.3" && longest > 1_000_000 {
					t.Errorf("a body has %d bytes", longest)
				}
			})
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
