package a2ahttp_test

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

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

type byHeader struct{}

func (byHeader) Authenticate(r *http.Request) (string, error) { return r.Header.Get("Owner"), nil }
func (byHeader) Declare(*a2a.AgentCard)                       {}

// requests are the params or the body of each operation about a task: %[1]s is the task.
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
	"GET /tasks/{id}/steps":                                  "",
	"GET /v1/tasks/{id}/steps":                               "",
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

// withoutTask are the operations that need no task.
var withoutTask = map[string]string{
	"ListTasks": `{}`, "GET /tasks": "", "GET /v1/tasks": "",
	"GetExtendedAgentCard": `{}`, "agent/getAuthenticatedExtendedCard": `{}`,
	"GET /extendedAgentCard": "", "GET /v1/extendedAgentCard": "", "GET /v1/card": "",
}

// callAs calls an operation as an owner. In the params or the body, %[1]s is the task.
func callAs(t *testing.T, h http.Handler, owner, o, body, task, tenant string) string {
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
	w := serve(h, r)
	return fmt.Sprint(w.Code, " ", w.Body)
}

// TestSecondCaller tries all operations as a caller that does not own the task, and as the owner in
// another tenant. The answer and its cost are the same as for a task that never was.
func TestSecondCaller(t *testing.T) {
	for _, o := range a2ahttp.Operations() {
		_, about := requests[o]
		_, without := withoutTask[o]
		if about == without {
			t.Errorf("the walk leaves out %s", o)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		mem := new(memlog.Log)
		var asks atomic.Int64 // of the store, about tasks
		hooks := tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.ID != "" {
				asks.Add(1)
			}
			return nil
		}}
		c := configOf(tasklog.Hooked(mem, hooks), t.Output(), slow(0))
		c.Auth, c.Server.Push = byHeader{}, pushOf(mem)
		c.Server.Push.Store = push.Hooked(mem.Pushes(), hooks)
		h := a2ahttp.New(c)
		call := func(owner, o, task, tenant string) string {
			return callAs(t, h, owner, o, requests[o]+withoutTask[o], task, tenant)
		}
		const ask = `{"message":{"messageId":%q,"role":"ROLE_USER","parts":[{"data":1}]},"configuration":{"taskPushNotificationConfig":{"id":"c","url":"https://example.com/"}}}`
		begin := func(owner string) string {
			r := post(t.Context(), rpc("SendMessage", ask, "m-1"))
			r.Header.Set("Owner", owner)
			return idIn(serve(h, r).Body.String())
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
				before := asks.Load()
				got := call(owner, o, task, tenant)
				others := asks.Load() - before
				before = asks.Load()
				want := call(owner, o, "2dba5dbc-1cf6-8ea2-99ea-589d5dddfc17", tenant)
				if never := asks.Load() - before; got != want || others != never || !strings.Contains(got, "task not found") {
					t.Errorf("%s, %s, tenant %q: got %s with %d requests to the store; for a task that never was %s with %d",
						o, owner, tenant, got, others, want, never)
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
		// For its owner the task has not changed.
		if got := call("alice", "GetTask", task, ""); !strings.Contains(got, "INPUT_REQUIRED") {
			t.Errorf("alice's task is %s", got)
		}
		if got := call("alice", "GetTaskPushNotificationConfig", task, ""); !strings.Contains(got, `"id":"c"`) {
			t.Errorf("alice's configuration is %s", got)
		}
	})
}

// TestSamePrefix tries all operations on a task of another owner whose id begins like the caller's
// own ids. The answer is the same as for a task that never was, also to a message with a push
// configuration, although the task has as many of these as it may.
func TestSamePrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := new(memlog.Log)
		c := configOf(mem, t.Output(), slow(0))
		c.Auth = byHeader{}
		h := a2ahttp.New(c)
		own := idIn(callAs(t, h, "bob", "SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]}}`, "", ""))
		never := own[:8] + "-1cf6-8ea2-99ea-589d5dddfc17"
		head, first := tasklogtest.NewTask()
		head.ID, head.Scope = a2a.TaskID(own[:8]+"-2cf6-8ea2-99ea-589d5dddfc17"), tasklog.Scope{Owner: "alice"}
		if _, err := mem.Create(t.Context(), head, first, tasklog.Claim{Writer: "w", Push: true}); err != nil {
			t.Fatal(err)
		}
		configs := []push.Config{pushtest.NewConfig(head, "c", "https://example.com/")}
		for i := range push.MaxConfigs - 1 {
			configs = append(configs, pushtest.NewConfig(head, fmt.Sprint("c", i), "https://example.com/"))
		}
		for _, config := range configs {
			if err := mem.Pushes().Put(t.Context(), head, config); err != nil {
				t.Fatal(err)
			}
		}
		walk := map[string][]string{
			"SendMessage":                                  {`{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"taskPushNotificationConfig":{"url":"https://example.com/"}}}`},
			"SendStreamingMessage":                         {`{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"taskPushNotificationConfig":{"url":"https://example.com/"}}}`},
			"message/send":                                 {`{"message":{"kind":"message","messageId":"m","taskId":%[1]q,"role":"user","parts":[{"kind":"text","text":"x"}]},"configuration":{"pushNotificationConfig":{"url":"https://example.com/"}}}`},
			"message/stream":                               {`{"message":{"kind":"message","messageId":"m","taskId":%[1]q,"role":"user","parts":[{"kind":"text","text":"x"}]},"configuration":{"pushNotificationConfig":{"url":"https://example.com/"}}}`},
			"POST /message:send":                           {`{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"taskPushNotificationConfig":{"url":"https://example.com/"}}}`},
			"POST /v1/message:send":                        {`{"message":{"messageId":"m","taskId":%[1]q,"role":"ROLE_USER","content":[{"text":"x"}]},"configuration":{"pushNotification":{"url":"https://example.com/"}}}`},
			"CreateTaskPushNotificationConfig":             {`{"taskId":%[1]q,"id":"new","url":"https://example.com/"}`},
			"POST /tasks/{taskId}/pushNotificationConfigs": {`{"id":"new","url":"https://example.com/"}`},
			"tasks/pushNotificationConfig/get":             {`{"id":%[1]q}`},
		}
		for o, body := range requests {
			walk[o] = append(walk[o], body)
		}
		for o, bodies := range walk {
			for _, body := range bodies {
				got := callAs(t, h, "bob", o, body, string(head.ID), "")
				if want := callAs(t, h, "bob", o, body, never, ""); got != want || !strings.Contains(got, "task not found") {
					t.Errorf("%s %s: got %s; for a task that never was %s", o, body, got, want)
				}
			}
		}
		if stored, err := mem.Pushes().List(t.Context(), head.ID); len(stored) != len(configs) || err != nil {
			t.Errorf("of alice's configurations there are %d, %v", len(stored), err)
		}
	})
}

// TestNoCredentials tries all that shows a configuration, in each version: nobody gets the
// credentials, everybody the token.
func TestNoCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := new(memlog.Log)
		h := handlerOf(mem, t.Output(), slow(0))
		const v1, v03 = `"token":"the-token","authentication":{"scheme":"Bearer","credentials":"top-secret"}`, `"token":"the-token","authentication":{"schemes":["Bearer"],"credentials":"top-secret"}`
		var said []string
		show := func(o, body, task string) string {
			got := callAs(t, h, "", o, body, task, "")
			said = append(said, o+": "+got)
			if strings.Contains(got, `"error"`) {
				t.Errorf("%s: %s", o, got)
			}
			return got
		}
		task := idIn(show("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]},"configuration":{"taskPushNotificationConfig":{"id":"c","url":"https://example.com/",`+v1+`}}}`, ""))
		show("message/send", `{"message":{"kind":"message","messageId":"n","role":"user","parts":[{"kind":"data","data":{"n":1}}]},"configuration":{"pushNotificationConfig":{"url":"https://example.com/",`+v03+`}}}`, "")
		show("SendStreamingMessage", `{"message":{"messageId":"o","role":"ROLE_USER","parts":[{"data":1}]},"configuration":{"taskPushNotificationConfig":{"url":"https://example.com/",`+v1+`}}}`, "")
		shown := len(said)
		for _, o := range []struct{ name, body string }{
			{"CreateTaskPushNotificationConfig", `{"taskId":%[1]q,"id":"d","url":"https://example.com/",` + v1 + `}`},
			{"tasks/pushNotificationConfig/set", `{"taskId":%[1]q,"pushNotificationConfig":{"id":"e","url":"https://example.com/",` + v03 + `}}`},
			{"POST /tasks/{taskId}/pushNotificationConfigs", `{"id":"f","url":"https://example.com/",` + v1 + `}`},
			{"POST /v1/tasks/{taskId}/pushNotificationConfigs", `{"configId":"g","config":{"pushNotificationConfig":{"url":"https://example.com/",` + v03 + `}}}`},
		} {
			show(o.name, o.body, task)
		}
		for _, o := range []string{
			"GetTaskPushNotificationConfig", "ListTaskPushNotificationConfigs", "tasks/pushNotificationConfig/get", "tasks/pushNotificationConfig/list",
			"GET /tasks/{taskId}/pushNotificationConfigs", "GET /tasks/{taskId}/pushNotificationConfigs/{id}",
			"GET /v1/tasks/{taskId}/pushNotificationConfigs", "GET /v1/tasks/{taskId}/pushNotificationConfigs/{id}",
		} {
			show(o, requests[o], task)
		}
		show("GetTask", requests["GetTask"], task)
		for i, got := range said {
			if strings.Contains(got, "top-secret") {
				t.Errorf("shows the credentials: %s", got)
			}
			if last := i == len(said)-1; i >= shown && !last && (!strings.Contains(got, "the-token") || !strings.Contains(got, "Bearer")) {
				t.Errorf("shows no token, or no scheme: %s", got)
			}
		}
		stored, err := mem.Pushes().List(t.Context(), a2a.TaskID(task))
		if err != nil || len(stored) != 5 {
			t.Fatalf("%d configurations are stored, %v", len(stored), err)
		}
		for _, c := range stored { // for the receiver
			if c.Push.Auth == nil || c.Push.Auth.Credentials != "top-secret" {
				t.Errorf("stored is %+v", c.Push)
			}
		}
	})
}
