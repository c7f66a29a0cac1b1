package a2ahttp_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	legacy "github.com/a2aproject/a2a-go/a2a"
	legacysrv "github.com/a2aproject/a2a-go/a2asrv"
	"github.com/a2aproject/a2a-go/a2asrv/eventqueue"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// updater reports a task's progress, like the SDKs' TaskUpdater.
type updater struct {
	ec    *a2asrv.ExecutorContext
	yield func(a2a.Event, error) bool
}

func (u updater) status(state a2a.TaskState, text string, metadata map[string]any) bool {
	e := a2a.NewStatusUpdateEvent(u.ec, state, a2a.NewMessageForTask(a2a.MessageRoleAgent, u.ec, a2a.NewTextPart(text)))
	e.Metadata = metadata
	return u.yield(e, nil)
}

var loud = &a2a.AgentExtension{URI: "https://example.com/loud"}

// clerk is an executor that uses what the SDK's server offers: a task, a status with metadata,
// artifacts of all kinds, in chunks and replaced, a question, the call's context, the stored task.
type clerk struct {
	cleaned chan string
}

func (c *clerk) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		u := updater{ec, yield}
		if ec.StoredTask == nil {
			if !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
				return
			}
		} else {
			task := ec.StoredTask
			last := task.History[len(task.History)-1]
			// The SDK's server has the question in the status only, ours in the history, too: see
			// TestConversation in package server.
			seen := fmt.Sprintf("turn 2: %s, %d messages of the user, %d artifacts, the last %q, from %s, after %s",
				task.Status.State, fromUser(task), len(task.Artifacts), last.Parts[0].Text(), ec.Message.Parts[0].Text(), task.Status.Message.Parts[0].Text())
			u.status(a2a.TaskStateCompleted, seen, nil)
			return
		}
		call, ok := a2asrv.CallContextFrom(ctx)
		if !ok || ec.User.Authenticated != call.User.Authenticated {
			yield(nil, fmt.Errorf("the call's context has the user %+v", ec.User))
			return
		}
		text := "working"
		if call.Extensions().Requested(loud) {
			call.Extensions().Activate(loud)
			text = "WORKING"
		}
		trace, _ := ec.ServiceParams.Get("X-Trace")
		if !u.status(a2a.TaskStateWorking, text, map[string]any{
			"of": 3, "tenant": ec.Tenant, "trace": strings.Join(trace, ","), "asked": ec.Metadata["asked"],
		}) {
			return
		}
		var id a2a.ArtifactID
		for i, chunk := range []string{"one ", "two ", "three"} {
			e := a2a.NewArtifactUpdateEvent(ec, id, a2a.NewTextPart(chunk))
			if id == "" {
				e = a2a.NewArtifactEvent(ec, a2a.NewTextPart(chunk))
				e.Artifact.Name, e.Artifact.Description = "count", "to three"
				id = e.Artifact.ID
			}
			e.LastChunk = i == 2
			if !yield(e, nil) {
				return
			}
		}
		image := a2a.NewRawPart([]byte("GIF89a"))
		image.MediaType, image.Filename = "image/gif", "a.gif"
		mixed := a2a.NewArtifactEvent(ec, a2a.NewDataPart(map[string]any{"a": 1.5, "b": "x"}), image,
			a2a.NewFileURLPart("https://example.com/b.txt", "text/plain"))
		mixed.Artifact.Metadata = map[string]any{"kind": "mixed"}
		again := a2a.NewArtifactUpdateEvent(ec, mixed.Artifact.ID, a2a.NewTextPart("replaced"))
		again.Append = false
		if !yield(mixed, nil) || !yield(again, nil) {
			return
		}
		switch ec.Message.Parts[0].Text() {
		case "ask":
			u.status(a2a.TaskStateInputRequired, "Which one?", nil)
		case "refuse":
			u.status(a2a.TaskStateRejected, "No.", nil)
		case "fail":
			u.status(a2a.TaskStateFailed, "Out of paper.", nil)
		default:
			u.status(a2a.TaskStateCompleted, "Done.", nil)
		}
	}
}

func (c *clerk) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		updater{ec, yield}.status(a2a.TaskStateCanceled, fmt.Sprint("canceled when ", ec.StoredTask.Status.State), nil)
	}
}

// Cleanup implements [a2asrv.AgentExecutionCleaner].
func (c *clerk) Cleanup(_ context.Context, ec *a2asrv.ExecutorContext, result a2a.SendMessageResult, err error) {
	c.cleaned <- fmt.Sprint(result.(*a2a.Task).Status.State, " ", err)
}

func fromUser(t *a2a.Task) (n int) {
	for _, m := range t.History {
		if m.Role == a2a.MessageRoleUser {
			n++
		}
	}
	return n
}

// oldClerk is an executor for the SDK's 0.3 server: it writes to a queue.
type oldClerk struct{}

func (oldClerk) Execute(ctx context.Context, rc *legacysrv.RequestContext, queue eventqueue.Queue) error {
	if rc.StoredTask == nil {
		if err := queue.Write(ctx, legacy.NewSubmittedTask(rc, rc.Message)); err != nil {
			return err
		}
	}
	events := []legacy.Event{legacy.NewStatusUpdateEvent(rc, legacy.TaskStateWorking, nil)}
	artifact := legacy.NewArtifactEvent(rc, legacy.TextPart{Text: "one "}, legacy.DataPart{Data: map[string]any{"a": 1.5}})
	more := legacy.NewArtifactUpdateEvent(rc, artifact.Artifact.ID, legacy.TextPart{Text: "two"})
	done := legacy.NewStatusUpdateEvent(rc, legacy.TaskStateCompleted, legacy.NewMessageForTask(legacy.MessageRoleAgent, rc, legacy.TextPart{Text: "Done."}))
	done.Final = true
	for _, e := range append(events, artifact, more, done) {
		if err := queue.Write(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (oldClerk) Cancel(ctx context.Context, rc *legacysrv.RequestContext, queue eventqueue.Queue) error {
	return queue.Write(ctx, legacy.NewStatusUpdateEvent(rc, legacy.TaskStateCanceled, nil))
}

// visit is what a client sees of a server, without times, and with ids in order of appearance.
type visit struct {
	t      *testing.T
	client *a2aclient.Client
	clerk  *clerk // nil if the executor is another
	ids    map[string]string
	saw    []string
}

func newVisit(t *testing.T, h http.Handler) *visit {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	client, err := a2aclient.NewFromEndpoints(t.Context(), []*a2a.AgentInterface{a2a.NewAgentInterface(s.URL+"/", a2a.TransportProtocolJSONRPC)})
	if err != nil {
		t.Fatal(err)
	}
	return &visit{t: t, client: client, ids: map[string]string{}}
}

var someID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func (v *visit) see(what string, event a2a.Event, err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatalf("%s: %v, after\n%s", what, err, strings.Join(v.saw, "\n"))
	}
	if task, ok := event.(*a2a.Task); ok {
		tasklog.JoinTexts(task) // as ours are
	}
	data, err := json.Marshal(a2a.StreamResponse{Event: event})
	var tree any
	if err == nil {
		err = json.Unmarshal(data, &tree)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	strip(tree)
	data, _ = json.Marshal(tree)
	v.saw = append(v.saw, what+" "+someID.ReplaceAllStringFunc(string(data), func(id string) string {
		if v.ids[id] == "" {
			v.ids[id] = fmt.Sprint("id-", len(v.ids)+1)
		}
		return v.ids[id]
	}))
}

// strip removes what differs between the servers: the times, whether the user's message knows its
// task, and where the history has the question that the user has answered (ours: before the
// answer).
func strip(tree any) {
	switch v := tree.(type) {
	case map[string]any:
		delete(v, "timestamp")
		if v["role"] == "ROLE_USER" {
			delete(v, "taskId")
			delete(v, "contextId")
		}
		if history, ok := v["history"].([]any); ok {
			slices.SortFunc(history, func(a, b any) int {
				return cmp.Compare(fmt.Sprint(a.(map[string]any)["parts"]), fmt.Sprint(b.(map[string]any)["parts"]))
			})
		}
		for _, x := range v {
			strip(x)
		}
	case []any:
		for _, x := range v {
			strip(x)
		}
	}
}

// stream sends a text, to a task if there is one, then gets the task. It returns the task's id.
func (v *visit) stream(text string, task a2a.TaskInfo) a2a.TaskInfo {
	v.t.Helper()
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	m.TaskID, m.ContextID = task.TaskID, task.ContextID
	m.ID = "message " + text
	ctx := a2aclient.AttachServiceParams(v.t.Context(), a2aclient.ServiceParams{a2a.SvcParamExtensions: {loud.URI}, "X-Trace": {"t-1"}})
	for event, err := range v.client.SendStreamingMessage(ctx, &a2a.SendMessageRequest{
		Message: m, Tenant: "acme", Metadata: map[string]any{"asked": "nicely"},
	}) {
		if _, whole := event.(*a2a.Task); whole && m.TaskID != "" {
			continue // ours begins each stream with the task: specification 1.0, 3.1.2
		}
		v.see("stream", event, err)
		task = event.TaskInfo()
	}
	if v.clerk != nil {
		select {
		case outcome := <-v.clerk.cleaned:
			v.saw = append(v.saw, "cleanup "+outcome)
		case <-time.After(time.Minute):
			v.t.Fatal("the executor is not told to clean up")
		}
	}
	got, err := v.client.GetTask(v.t.Context(), &a2a.GetTaskRequest{ID: task.TaskID, Tenant: "acme"})
	v.see("get", got, err)
	return task
}

// TestSDKExecutor runs executors for the SDK's server in it and in ours. Clients see the same.
func TestSDKExecutor(t *testing.T) {
	quiet := a2asrv.WithLogger(slog.New(slog.DiscardHandler))
	servers := map[string]func(a2asrv.AgentExecutor) http.Handler{
		"sdk": func(x a2asrv.AgentExecutor) http.Handler {
			return a2asrv.NewJSONRPCHandler(a2asrv.NewHandler(x, quiet))
		},
		"ours": func(x a2asrv.AgentExecutor) http.Handler { return handlerOf(new(memlog.Log), io.Discard, x) },
	}
	for name, test := range map[string]struct {
		executor func() a2asrv.AgentExecutor
		visit    func(*visit)
		events   int // in all
	}{
		"complete": {newClerk, func(v *visit) { v.stream("count", a2a.TaskInfo{}) }, 10},
		"refuse":   {newClerk, func(v *visit) { v.stream("refuse", a2a.TaskInfo{}) }, 10},
		"fail":     {newClerk, func(v *visit) { v.stream("fail", a2a.TaskInfo{}) }, 10},
		"ask":      {newClerk, func(v *visit) { v.stream("this one", v.stream("ask", a2a.TaskInfo{})) }, 13},
		"cancel": {newClerk, func(v *visit) {
			task := v.stream("ask", a2a.TaskInfo{})
			got, err := v.client.CancelTask(v.t.Context(), &a2a.CancelTaskRequest{ID: task.TaskID, Tenant: "acme"})
			v.see("cancel", got, err)
		}, 11},
		"of 0.3": {func() a2asrv.AgentExecutor { return a2av0.NewAgentExecutor(oldClerk{}) }, func(v *visit) { v.stream("count", a2a.TaskInfo{}) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			saw := map[string][]string{}
			for _, server := range slices.Sorted(maps.Keys(servers)) {
				x := test.executor()
				v := newVisit(t, servers[server](x))
				v.clerk, _ = x.(*clerk)
				test.visit(v)
				saw[server] = v.saw
			}
			if n := len(saw["sdk"]); n != test.events {
				t.Errorf("the SDK's server shows %d events, not %d", n, test.events)
			}
			if !slices.Equal(saw["ours"], saw["sdk"]) {
				t.Errorf("got\n%s\n\nwant, as of the SDK's server,\n%s", strings.Join(saw["ours"], "\n"), strings.Join(saw["sdk"], "\n"))
			}
		})
	}
}

func newClerk() a2asrv.AgentExecutor { return &clerk{cleaned: make(chan string, 9)} }
