package wire_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/wire"
)

// byHeader takes the header Owner for the name of the caller.
type byHeader struct{}

func (byHeader) Authenticate(r *http.Request) (string, error) { return r.Header.Get("Owner"), nil }
func (byHeader) Declare(*a2a.AgentCard)                       {}

// counting counts what a log is asked about tasks.
type counting struct {
	tasklog.Log
	push.Store
	n atomic.Int64
}

func (l *counting) Load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	l.n.Add(1)
	return l.Log.Load(ctx, id)
}

func (l *counting) Read(ctx context.Context, id a2a.TaskID, after int64, limit int) ([]tasklog.Event, error) {
	l.n.Add(1)
	return l.Log.Read(ctx, id, after, limit)
}

func (l *counting) Pushes(ctx context.Context, id a2a.TaskID) ([]push.Config, error) {
	l.n.Add(1)
	return l.Store.Pushes(ctx, id)
}

// requests are, for each operation about a task, the params or the body, in which %[1]s is the task.
var requests = map[string]string{
	"SendMessage":                      `{"tenant":%[2]q,"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`,
	"SendStreamingMessage":             `{"tenant":%[2]q,"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`,
	"GetTask":                          `{"tenant":%[2]q,"id":%[1]q}`,
	"CancelTask":                       `{"tenant":%[2]q,"id":%[1]q}`,
	"SubscribeToTask":                  `{"tenant":%[2]q,"id":%[1]q}`,
	"CreateTaskPushNotificationConfig": `{"tenant":%[2]q,"taskId":%[1]q,"id":"c","url":"https://example.com/"}`,
	"GetTaskPushNotificationConfig":    `{"tenant":%[2]q,"taskId":%[1]q,"id":"c"}`,
	"ListTaskPushNotificationConfigs":  `{"tenant":%[2]q,"taskId":%[1]q}`,
	"DeleteTaskPushNotificationConfig": `{"tenant":%[2]q,"taskId":%[1]q,"id":"c"}`,

	"message/send":                        `{"message":{"kind":"message","messageId":"m","taskId":%[1]q,"role":"user","parts":[{"kind":"text","text":"x"}]}}`,
	"message/stream":                      `{"message":{"kind":"message","messageId":"m","taskId":%[1]q,"role":"user","parts":[{"kind":"text","text":"x"}]}}`,
	"tasks/get":                           `{"id":%[1]q}`,
	"tasks/cancel":                        `{"id":%[1]q}`,
	"tasks/resubscribe":                   `{"id":%[1]q}`,
	"tasks/pushNotificationConfig/set":    `{"taskId":%[1]q,"pushNotificationConfig":{"id":"c","url":"https://example.com/"}}`,
	"tasks/pushNotificationConfig/get":    `{"id":%[1]q,"pushNotificationConfigId":"c"}`,
	"tasks/pushNotificationConfig/list":   `{"id":%[1]q}`,
	"tasks/pushNotificationConfig/delete": `{"id":%[1]q,"pushNotificationConfigId":"c"}`,

	"POST /message:send":                                     `{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`,
	"POST /message:stream":                                   `{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`,
	"GET /tasks/{id}":                                        "",
	"POST /tasks/{id}:cancel":                                "",
	"POST /tasks/{id}:subscribe":                             "",
	"GET /tasks/{id}:subscribe":                              "",
	"POST /tasks/{taskId}/pushNotificationConfigs":           `{"id":"c","url":"https://example.com/"}`,
	"GET /tasks/{taskId}/pushNotificationConfigs":            "",
	"GET /tasks/{taskId}/pushNotificationConfigs/{id}":       "",
	"DELETE /tasks/{taskId}/pushNotificationConfigs/{id}":    "",
	"POST /v1/message:send":                                  `{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","content":[{"text":"x"}]}}`,
	"POST /v1/message:stream":                                `{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","content":[{"text":"x"}]}}`,
	"GET /v1/tasks/{id}":                                     "",
	"POST /v1/tasks/{id}:cancel":                             "",
	"POST /v1/tasks/{id}:subscribe":                          "",
	"GET /v1/tasks/{id}:subscribe":                           "",
	"POST /v1/tasks/{taskId}/pushNotificationConfigs":        `{"configId":"c","config":{"pushNotificationConfig":{"url":"https://example.com/"}}}`,
	"GET /v1/tasks/{taskId}/pushNotificationConfigs":         "",
	"GET /v1/tasks/{taskId}/pushNotificationConfigs/{id}":    "",
	"DELETE /v1/tasks/{taskId}/pushNotificationConfigs/{id}": "",
}

// withoutTask are the operations that are not about a task that exists.
var withoutTask = map[string]string{
	"ListTasks": `{}`, "GET /tasks": "", "GET /v1/tasks": "",
	"GetExtendedAgentCard": `{}`, "agent/getAuthenticatedExtendedCard": `{}`,
	"GET /extendedAgentCard": "", "GET /v1/extendedAgentCard": "", "GET /v1/card": "",
}

// TestSecondCaller walks all operations as somebody who does not own the task, and as its owner for another tenant: the answer is
// the same as for a task that never was, and costs the same.
func TestSecondCaller(t *testing.T) {
	for _, o := range wire.Operations() {
		_, about := requests[o]
		_, without := withoutTask[o]
		if about == without {
			t.Errorf("the walk leaves out %s", o)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		mem := new(memlog.Log)
		l := &counting{Log: mem, Store: mem}
		c := configOf(l, t.Output(), slow(0))
		c.Auth, c.Server.Push = byHeader{}, pushOf(mem)
		h := wire.New(c)
		call := func(owner, o, task, tenant string) string {
			body := requests[o] + withoutTask[o]
			if strings.Contains(body, "%") {
				body = fmt.Sprintf(body+"%.0[2]s", task, tenant)
			}
			r := post(t.Context(), rpc(o, "%s", body))
			if verb, path, ok := strings.Cut(o, " "); ok {
				if tenant != "" && !strings.HasPrefix(path, "/v1") {
					path = "/" + tenant + path
				}
				path = strings.NewReplacer("{taskId}", task, "Configs/{id}", "Configs/c", "{id}", task).Replace(path)
				r = httptest.NewRequestWithContext(t.Context(), verb, path, strings.NewReader(body))
			}
			r.Header.Set("Owner", owner)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return fmt.Sprint(w.Code, " ", w.Body)
		}

		const ask = `{"message":{"messageId":%q,"role":"ROLE_USER","parts":[{"data":1}]},"configuration":{"taskPushNotificationConfig":{"id":"c","url":"https://example.com/"}}}`
		begin := func(owner string) string {
			r := post(t.Context(), rpc("SendMessage", ask, "m-1"))
			r.Header.Set("Owner", owner)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return idIn(w.Body.String())
		}
		task := begin("alice")
		if again := begin("alice"); again != task {
			t.Errorf("alice's message, sent again, began %s, not %s", again, task)
		}
		if other := begin("bob"); other == task {
			t.Error("bob's message of the same id joined alice's task")
		}
		for o := range requests {
			tenants := []string{""}
			if strings.Contains(requests[o], "%[2]q") || strings.Contains(o, " /") && !strings.Contains(o, " /v1/") {
				tenants = append(tenants, "other")
			}
			for _, tenant := range tenants {
				owner := "bob"
				if tenant != "" {
					owner = "alice"
				}
				before := l.n.Load()
				got := call(owner, o, task, tenant)
				asked := l.n.Load() - before
				before = l.n.Load()
				want := call(owner, o, "2dba5dbc-1cf6-8ea2-99ea-589d5dddfc17", tenant)
				if never := l.n.Load() - before; got != want || asked != never || !strings.Contains(got, "task not found") {
					t.Errorf("%s, %s, tenant %q: got %s with %d requests to the store; for a task that never was %s with %d",
						o, owner, tenant, got, asked, want, never)
				}
			}
		}
		for _, o := range []string{"ListTasks", "GET /tasks", "GET /v1/tasks"} {
			if got := call("bob", o, "", ""); strings.Contains(got, task) {
				t.Errorf("%s shows bob alice's task: %s", o, got)
			}
			if got := call("alice", o, "", ""); !strings.Contains(got, task) {
				t.Errorf("%s does not show alice her task: %s", o, got)
			}
			if got := call("carol", o, "", ""); !strings.Contains(got, `"tasks":[]`) {
				t.Errorf("%s shows carol %s", o, got)
			}
		}
		// To its owner the task is what it was.
		if got := call("alice", "GetTask", task, ""); !strings.Contains(got, "INPUT_REQUIRED") {
			t.Errorf("alice's task is %s", got)
		}
		if got := call("alice", "GetTaskPushNotificationConfig", task, ""); !strings.Contains(got, `"id":"c"`) {
			t.Errorf("alice's configuration is %s", got)
		}
	})
}
