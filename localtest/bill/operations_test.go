package bill

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
)

// operation is a way to spend the owner's money. Each of ways is measured, and the dearest counts:
// they are the same in both versions.
type operation struct {
	name  string
	times int // that it is done, for the mean
	ways  []way
	// waits is set if an instance waits for something that takes its time, and does not only compute.
	waits bool
}

// way prepares something, which is not measured, and returns what to do.
type way func(t *testing.T, s *system) func(i int)

// rpc is a way that calls a method with the same params each time.
func rpc(method, params string) way {
	return func(t *testing.T, s *system) func(int) { return func(int) { s.rpc(t, method, params) } }
}

func refused(method, params string) way {
	return func(t *testing.T, s *system) func(int) { return func(int) { s.refused(t, method, params) } }
}

func get(path string, headers ...string) way {
	return func(t *testing.T, s *system) func(int) {
		return func(int) { s.do(t, http.MethodGet, path, "", headers...) }
	}
}

// message returns a message of a method's version. more are further members, each after a comma.
func message(method, task, parts, more string) string {
	if task != "" {
		more += `,"taskId":"` + task + `"`
	}
	if strings.Contains(method, "/") {
		return fmt.Sprintf(`{"kind":"message","messageId":%q,"role":"user","parts":%s%s}`, rand.Text(), parts03(parts), more)
	}
	return fmt.Sprintf(`{"messageId":%q,"role":"ROLE_USER","parts":%s%s}`, rand.Text(), parts, more)
}

func parts03(parts string) string {
	if strings.Contains(parts, `{"raw":`) {
		return strings.NewReplacer(`{"raw":`, `{"kind":"file","file":{"bytes":`, `}]`, `}}]`).Replace(parts)
	}
	return strings.NewReplacer(`{"text":`, `{"kind":"text","text":`, `{"data":`, `{"kind":"data","data":`).Replace(parts)
}

const (
	// asks are parts that the demo agent answers at once: it asks for a text. It works for 3 s on a text.
	asks  = `[{"data":{}}]`
	works = `[{"text":"Stream me a response!"}]`
)

// file returns parts with a file of so many bytes of base64, which can't be deflated.
func file(size int) string {
	data := make([]byte, size/4*3)
	_, _ = rand.Read(data)
	return `[{"raw":"` + base64.StdEncoding.EncodeToString(data) + `"}]`
}

// send is a way that sends a new message each time.
func send(method, parts, configuration string) way {
	return func(t *testing.T, s *system) func(int) {
		return func(int) {
			answer := s.rpc(t, method, `{"message":`+message(method, "", parts, "")+configuration+`}`)
			if strings.Contains(strings.ToLower(method), "stream") && !strings.Contains(answer, "ompleted") && !strings.Contains(answer, "COMPLETED") {
				t.Errorf("%s ends with %s", method, answer[max(0, len(answer)-300):])
			}
		}
	}
}

var taskID = regexp.MustCompile(`"taskId":"([^"]+)"`)

// begin sends a message that the agent answers at once, and returns its task.
func (s *system) begin(t *testing.T, parts string) string {
	t.Helper()
	answer := s.rpc(t, "SendMessage", `{"message":`+message("SendMessage", "", parts, "")+`}`)
	if m := taskID.FindStringSubmatch(answer); m != nil {
		return m[1]
	}
	return client.TaskIn(t, answer)
}

// onTask is a way that calls a method on a task that was made of parts before, each time the same.
func onTask(method, parts, params string, headers ...string) way {
	return func(t *testing.T, s *system) func(int) {
		params := strings.ReplaceAll(params, "TASK", s.begin(t, parts))
		return func(int) { s.rpc(t, method, params, headers...) }
	}
}

// onEach is a way that calls a method on a new task each time.
func onEach(method, parts, params string, times int) way {
	return func(t *testing.T, s *system) func(int) {
		var tasks []string
		for range times {
			tasks = append(tasks, s.begin(t, parts))
		}
		return func(i int) { s.rpc(t, method, strings.ReplaceAll(params, "TASK", tasks[i])) }
	}
}

// followUp is a way that goes on with a task that waits.
func followUp(method, parts string) way {
	return func(t *testing.T, s *system) func(int) {
		task := s.begin(t, asks)
		return func(int) { s.rpc(t, method, `{"message":`+message(method, task, parts, "")+`}`) }
	}
}

// again is a way that sends a message, and then the same one again, while the first is worked on.
func again(method, other string) way {
	return func(t *testing.T, s *system) func(int) {
		return func(int) {
			m := `{"message":` + message(method, "", works, "") + `}`
			first := client.Follow(t, s.url, other, m)
			_, err := first.Next()
			localtest.Must(t, err)
			s.rpc(t, method, m)
		}
	}
}

// fileSize is that of the largest file, in base64, that a request may have.
const fileSize = 5_900_000

// operations are all but those with webhooks. The system has no webhooks, which makes it slow.
func operations() []operation {
	const page = `{"pageSize":50}`
	return []operation{
		{"the agent card", 5, []way{get("/.well-known/agent-card.json")}, false},
		{"the page", 5, []way{get("/", "Accept", "text/html")}, false},
		{"a request that is refused", 5, []way{refused("NoSuchMethod", `{}`), refused("no/such", `{}`), refused("GetExtendedAgentCard", `{}`)}, false},
		{"ListTasks, a page of 50", 3, []way{listed(rpc("ListTasks", page)), get("/v1/tasks?pageSize=50", "A2A-Version", "0.3")}, false},
		{"ListTasks, a filter that none of 2,000 passes", 3, []way{rpc("ListTasks", `{"status":"TASK_STATE_AUTH_REQUIRED"}`), rpc("ListTasks", `{"contextId":"none"}`)}, false},
		{"SendMessage, answered at once", 5, []way{send("SendMessage", asks, ""), send("message/send", asks, "")}, false},
		{"SendMessage, the agent works for 3 s", 1, []way{send("SendMessage", works, ""), send("message/send", works, "")}, true},
		{"SendStreamingMessage, the agent works for 3 s", 1, []way{send("SendStreamingMessage", works, ""), send("message/stream", works, "")}, true},
		{"SendMessage that returns immediately, the worker works for 3 s", 1, []way{
			send("SendMessage", works, `,"configuration":{"returnImmediately":true}`), send("message/send", works, `,"configuration":{"blocking":false}`)}, true},
		{"SendMessage with a file of 6 MB", 1, []way{send("SendMessage", file(fileSize), ""), send("message/send", file(fileSize), "")}, false},
		{"SendMessage, a follow-up without content", 5, []way{followUp("SendMessage", asks), followUp("message/send", asks)}, false},
		{"SendMessage, once more while the agent works for 3 s, with the first", 1, []way{
			again("SendMessage", "SendStreamingMessage"), again("message/send", "message/stream")}, true},
		{"GetTask", 5, []way{onTask("GetTask", asks, `{"id":"TASK"}`), onTask("tasks/get", asks, `{"id":"TASK"}`)}, false},
		{"GetTask, with a file of 6 MB", 2, []way{onTask("GetTask", file(fileSize), `{"id":"TASK"}`), onTask("tasks/get", file(fileSize), `{"id":"TASK"}`)}, false},
		{"CancelTask", 3, []way{onEach("CancelTask", asks, `{"id":"TASK"}`, 3), onEach("tasks/cancel", asks, `{"id":"TASK"}`, 3)}, false},
		{"SubscribeToTask, once a task with a file of 6 MB has ended", 1, []way{ended("SubscribeToTask"), ended("tasks/resubscribe")}, false},
		{"CreateTaskPushNotificationConfig", 3, []way{
			onTask("CreateTaskPushNotificationConfig", asks, `{"taskId":"TASK","id":"a","url":"http://127.0.0.2/"}`),
			onTask("tasks/pushNotificationConfig/set", asks, `{"taskId":"TASK","pushNotificationConfig":{"id":"a","url":"http://127.0.0.2/"}}`)}, false},
		{"GetTaskPushNotificationConfig", 3, []way{
			configured("GetTaskPushNotificationConfig", `{"taskId":"TASK","id":"a"}`),
			configured("tasks/pushNotificationConfig/get", `{"id":"TASK","pushNotificationConfigId":"a"}`)}, false},
		{"ListTaskPushNotificationConfigs", 3, []way{
			configured("ListTaskPushNotificationConfigs", `{"taskId":"TASK"}`), configured("tasks/pushNotificationConfig/list", `{"id":"TASK"}`)}, false},
		{"DeleteTaskPushNotificationConfig", 1, []way{
			configured("DeleteTaskPushNotificationConfig", `{"taskId":"TASK","id":"a"}`),
			configured("tasks/pushNotificationConfig/delete", `{"id":"TASK","pushNotificationConfigId":"a"}`)}, false},
		{"ListTasks, a page of 4 MB", 1, []way{full(rpc("ListTasks", `{"contextId":"full","historyLength":10}`)), get("/v1/tasks?contextId=full", "A2A-Version", "0.3")}, false},
	}
}

// ended is a way that replays a task that has a file, and has ended.
func ended(method string) way {
	return func(t *testing.T, s *system) func(int) {
		task := s.begin(t, file(fileSize))
		s.refused(t, "CancelTask", `{"id":"`+task+`"}`)
		return func(int) { s.rpc(t, method, `{"id":"`+task+`"}`, "Last-Event-ID", "0") }
	}
}

// configured is a way that calls a method on a task with a push configuration.
func configured(method, params string) way {
	return func(t *testing.T, s *system) func(int) {
		task := s.begin(t, asks)
		s.rpc(t, "CreateTaskPushNotificationConfig", `{"taskId":"`+task+`","id":"a","url":"http://127.0.0.2/"}`)
		return func(int) { s.refused(t, method, strings.ReplaceAll(params, "TASK", task)) }
	}
}

// listed has the list have 2,000 tasks.
func listed(w way) way {
	return func(t *testing.T, s *system) func(int) {
		task := s.begin(t, asks)
		head, err := dynamodblocal.Read(t.Context(), s.client, s.table, task, "H")
		localtest.Must(t, err)
		_, err = dynamodblocal.Tasks(t.Context(), s.client, s.table, 2000, []dynamodblocal.Item{head}, nil)
		localtest.Must(t, err)
		return w(t, s)
	}
}

// full has a context have tasks of more than a page together.
func full(w way) way {
	return func(t *testing.T, s *system) func(int) {
		for range 8 {
			s.rpc(t, "SendMessage", `{"message":`+message("SendMessage", "", file(800_000), `,"contextId":"full"`)+`}`)
		}
		return w(t, s)
	}
}

// followers are operations that wait. Each has a system of its own, to wait beside the others.
func followers() []operation {
	return []operation{
		{"SubscribeToTask, of a task that waits", 1, []way{waits("SubscribeToTask"), waits("tasks/resubscribe")}, true},
		{"SubscribeToTask, while the agent works for 3 s, with the first", 1, []way{
			follows("SubscribeToTask", "SendStreamingMessage"), follows("tasks/resubscribe", "message/stream")}, true},
	}
}

func waits(method string) way {
	return func(t *testing.T, s *system) func(int) {
		params := `{"id":"` + s.begin(t, asks) + `"}`
		return func(int) { s.rpc(t, method, params) }
	}
}

func follows(method, other string) way {
	return func(t *testing.T, s *system) func(int) {
		return func(int) {
			first := client.Follow(t, s.url, other, `{"message":`+message(other, "", works, "")+`}`)
			e, err := first.Next()
			localtest.Must(t, err)
			s.rpc(t, method, `{"id":"`+client.TaskIn(t, e.Data)+`"}`)
		}
	}
}

// webhooks are operations that make the deployment post.
func webhooks() []operation {
	hook := func(method, path string) func(s *system) string {
		return func(s *system) string {
			if strings.Contains(method, "/") {
				return `,"configuration":{"pushNotificationConfig":{"id":"a","url":"` + s.hook + path + `"}}`
			}
			return `,"configuration":{"taskPushNotificationConfig":{"id":"a","url":"` + s.hook + path + `"}}`
		}
	}
	one := func(method, parts, path string) way {
		return func(t *testing.T, s *system) func(int) {
			return func(int) {
				s.rpc(t, method, `{"message":`+message(method, "", parts, "")+hook(method, path)(s)+`}`)
			}
		}
	}
	return []operation{
		{"SendMessage with a webhook that answers after 9 s, the agent works for 3 s", 1, []way{one("SendMessage", works, "/slow/"), one("message/send", works, "/slow/03")}, true},
		{"SendMessage with a webhook", 1, []way{one("SendMessage", asks, "/"), one("message/send", asks, "/")}, false},
		{"SendMessage of 4 MB, as many webhooks as a task may have, ten empty follow-ups", 1, []way{weapon("SendMessage"), weapon("message/send")}, false},
		{"SendMessage with a webhook that never answers", 1, []way{one("SendMessage", asks, "/hangs"), one("message/send", asks, "/hangs")}, true},
	}
}

// weapon is a way that sends much once, and little often, to as many webhooks as it may.
func weapon(method string) way {
	return func(t *testing.T, s *system) func(int) {
		return func(int) {
			answer := s.rpc(t, method, `{"message":`+message(method, "", file(4_000_000), "")+`,"configuration":{"historyLength":0}}`)
			task := client.TaskIn(t, answer)
			for i := range 10 {
				config := fmt.Sprintf(`"id":"c%d","url":"%s/%d"`, i, s.hook, i)
				if strings.Contains(method, "/") {
					answer = s.refused(t, "tasks/pushNotificationConfig/set", `{"taskId":"`+task+`","pushNotificationConfig":{`+config+`}}`)
				} else {
					answer = s.refused(t, "CreateTaskPushNotificationConfig", `{"taskId":"`+task+`",`+config+`}`)
				}
				if strings.Contains(answer, `"error":{`) { // there may not be more
					break
				}
			}
			for range 10 {
				s.rpc(t, method, `{"message":`+message(method, task, asks, "")+`,"configuration":{"historyLength":0}}`)
				// A task whose webhooks are behind gets them the newest state only.
				s.settle(t)
			}
		}
	}
}

// retries is how often a webhook that never answers is tried again in an hour: after pauses of 1, 2,
// 4, 8 and 16 minutes.
const retries = 5

// retryMS is how long such a try takes: the webhook has not agreed.
var retryMS = float64((3 * time.Second).Milliseconds())
