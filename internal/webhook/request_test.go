package webhook_test

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/outgoing"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/trace"
)

var update = flag.Bool("update", false, "write testdata")

// TestRequests delivers a task to a server, in each version of the protocol; in 0.3 the task grows
// meanwhile. testdata has what the server gets, byte for byte.
func TestRequests(t *testing.T) {
	at := time.Date(2026, 11, 23, 5, 0, 0, 120e6, time.UTC)
	info := a2a.TaskInfo{TaskID: "task", ContextID: "context"}
	ask := &a2a.Message{ID: "m1", Role: a2a.MessageRoleUser, TaskID: "task", ContextID: "context", Parts: a2a.ContentParts{a2a.NewTextPart("Hello")}}
	task := a2a.NewSubmittedTask(info, ask)
	task.Status.Timestamp = &at
	working := a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, &a2a.Message{
		ID: "m2", Role: a2a.MessageRoleAgent, TaskID: "task", ContextID: "context", Parts: a2a.ContentParts{a2a.NewTextPart("Wait")},
	})
	working.Status.Timestamp = &at
	artifact := a2a.NewArtifactEvent(info, a2a.NewTextPart("<42>\u0085")) // what HTML escapes, and what may end a line
	artifact.Artifact.ID = "a1"
	more := a2a.NewArtifactUpdateEvent(info, "a1", a2a.NewTextPart(", or more")) // in 0.3, and in a task, one text with the first
	whole := a2a.NewSubmittedTask(info, ask)
	whole.Status.State, whole.Status.Timestamp = a2a.TaskStateWorking, &at
	whole.Artifacts = []*a2a.Artifact{{ID: "a1", Parts: a2a.ContentParts{a2a.NewTextPart("42"), a2a.NewTextPart(", or less")}}}
	done := a2a.NewStatusUpdateEvent(info, a2a.TaskStateCompleted, nil)
	done.Status.Timestamp = &at
	var events []tasklog.Entry
	for _, e := range []a2a.Event{task, working, artifact, more, whole, done} {
		events = append(events, tasklogtest.EntryOf(e))
	}

	for _, test := range []struct {
		file    string
		version string
		after   int64
		config  a2a.PushConfig
		trace   trace.Trace
	}{
		{"1.0.txt", "1.0", 0, a2a.PushConfig{Token: "token", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "credentials"}},
			trace.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "a=1,b=2"}},
		{"0.3.txt", "0.3", 0, a2a.PushConfig{Token: "token", Auth: &a2a.PushAuthInfo{Scheme: "Basic", Credentials: "Zm9vOmJhcg=="}}, trace.Trace{}},
		{"1.0_from_3.txt", "1.0", 2, a2a.PushConfig{}, trace.Trace{}},
		{"0.3_from_3.txt", "0.3", 2, a2a.PushConfig{Auth: &a2a.PushAuthInfo{Scheme: "Bearer"}}, trace.Trace{}}, // without credentials
	} {
		t.Run(test.file, func(t *testing.T) {
			var got bytes.Buffer
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				dump, err := httputil.DumpRequest(r, true)
				if err != nil {
					t.Error(err)
				}
				got.Write(bytes.ReplaceAll(dump, []byte("\r\n"), []byte("\n")))
				got.WriteString("\n\n")
			}))
			defer server.Close()
			w := newWorld(t, nil)
			client := outgoing.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}.Client()
			defer client.CloseIdleConnections()
			w.use(client)
			h := tasklog.Head{ID: "task", ContextID: "context", Expires: time.Now().Add(time.Hour)}
			test.config.URL = server.URL + "/hook?x=1"
			lease, err := w.store.Create(t.Context(), h, events[0], tasklog.Claim{Writer: "w"})
			must(t, err)
			must(t, w.pushes.Put(t.Context(), h, push.Config{
				TaskID: h.ID, ID: "c", Push: test.config, Version: test.version, Trace: test.trace, Expires: h.Expires,
				Progress: push.Progress{After: test.after},
			}))
			for i := range events {
				if i > 0 {
					must(t, lease.Append(t.Context(), int64(i+1), events[i:i+1]))
				}
				if test.version == "0.3" || i == len(events)-1 {
					must(t, w.Wake(t.Context(), h.ID))
				}
			}

			host := strings.TrimPrefix(server.URL, "http://")
			text := strings.ReplaceAll(got.String(), host, "hook.example")
			file := filepath.Join("testdata", test.file)
			if *update {
				must(t, os.WriteFile(file, []byte(text), 0o644))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if text != string(want) {
				t.Errorf("the requests are not those in %s, but\n%s", file, text)
			}
		})
	}
}
