package hostile_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// pages lists twenty tasks of 830 KB, and one that is longer than a page, in each version, with all
// kinds of params.
func (s *system) pages(t *testing.T) {
	context := fmt.Sprintf(`,"contextId":"pages-%d"`, time.Now().UnixNano())
	id := context[len(`,"contextId":"`) : len(context)-1]
	long := strings.Repeat("<", 830_000)
	for range 20 {
		s.rpc(t, "SendMessage", `{"message":`+message("", `[{"data":{"k":"`+long+`"}}]`, context)+`}`)
	}
	s.rpc(t, "SendMessage", `{"message":`+message("", `[{"data":{"k":"`+strings.Repeat("<", 5_000_000)+`"}}]`, context)+`}`)
	for _, list := range []struct{ path, version string }{
		{"/tasks?contextId=" + id, "1.0"},
		{"/tasks?includeArtifacts=true&pageSize=100&historyLength=5&contextId=" + id, "1.0"},
		{"/v1/tasks?contextId=" + id, "0.3"},
	} {
		token, pages, tasks := "", 0, 0
		for {
			a, err := client.Do(t.Context(), http.MethodGet, s.url+list.path+"&pageToken="+token, "", "A2A-Version", list.version)
			var page struct {
				Tasks         []struct{ ID string }
				NextPageToken string
			}
			if err != nil || json.Unmarshal([]byte(a.Body), &page) != nil || len(page.Tasks) == 0 {
				t.Fatalf("%s: page %d: %v: %.300v", list.path, pages, err, a)
			}
			// An escape would take six bytes.
			if most := 4<<20 + 64<<10; len(strings.ReplaceAll(a.Body, `\u003c`, "<")) > most {
				t.Errorf("%s: page %d has %d bytes, want %d at most", list.path, pages, len(a.Body), most)
			}
			pages, tasks = pages+1, tasks+len(page.Tasks)
			if token = page.NextPageToken; token == "" {
				break
			}
		}
		t.Logf("%s: %d tasks on %d pages", list.path, tasks, pages)
		if tasks != 21 || pages < 4 || pages > 8 {
			t.Errorf("%s: %d tasks on %d pages, want 21 on some", list.path, tasks, pages)
		}
	}
}

// pushes delivers long events to many webhooks at once, in each version.
func (s *system) pushes(t *testing.T) {
	var mu sync.Mutex
	got, most := map[string]int{}, 0
	receiver := client.Receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path]++
		most = max(most, int(n))
	})
	long := `,"metadata":{"k":"` + strings.Repeat("<", 5_500_000) + `"}`
	objects := `[{"data":` + many(19_000, `{"a":{}}`) + `}]`
	var tasks []string
	for i := range 3 {
		parts, more := noText, long
		if i == 2 {
			parts, more = objects, ""
		}
		config := func(n int) string { return fmt.Sprintf(`{"id":"c%d","url":"%s/%d/%d"}`, n, receiver, i, n) }
		a := s.rpc(t, "SendMessage", `{"configuration":{"historyLength":0,"taskPushNotificationConfig":`+config(0)+`},"message":`+message("", parts, more)+`}`)
		task := taskIn(t, a)
		tasks = append(tasks, task)
		for n := 1; n < 5; n++ {
			if n%2 == 1 {
				a = s.rpc(t, "tasks/pushNotificationConfig/set", `{"taskId":"`+task+`","pushNotificationConfig":`+config(n)+`}`)
			} else {
				a = s.rpc(t, "CreateTaskPushNotificationConfig", strings.Replace(config(n), "{", `{"taskId":"`+task+`",`, 1))
			}
			if a.error() != "" {
				t.Fatal(a)
			}
		}
		for range 2 {
			s.rpc(t, "SendMessage", `{"configuration":{"historyLength":0},"message":`+message(task, parts, more)+`}`)
		}
	}
	if err := s.wakePush(streamed(t, tasks)); err != nil {
		t.Error(err)
	}
	// The push function leaves what it has no time or memory for to the sweeper's invocations.
	for i, task := range tasks {
		for n := range 5 {
			want := 4 // the last two messages and what the agent says
			switch {
			case n == 0:
				want = 6
			case n%2 == 1:
				want = 2 // in 0.3: the ends of the turns
			}
			client.Await(t, 100*time.Millisecond, func() string {
				mu.Lock()
				events := got[fmt.Sprintf("/%d/%d", i, n)]
				mu.Unlock()
				if events >= want {
					return ""
				}
				localtest.Must(t, s.wakePush(fmt.Appendf(nil, `{"taskId":"%s","configId":"c%d"}`, task, n)))
				return fmt.Sprintf("/%d/%d has got %d events, want %d", i, n, events, want)
			})
		}
	}
	t.Logf("the longest body had %d bytes", most)
}

// lostWorkers leaves tasks to workers that never come. The sweeper finds them.
func (s *system) lostWorkers(t *testing.T) {
	s.lost.Store(true)
	var tasks []string
	for _, l := range large {
		if l.name != "metadata" && l.name != "fewer small objects" && l.name != "media type" {
			continue
		}
		parts, more := noText, ""
		if l.parts != nil {
			parts = l.parts()
		} else {
			more = l.more()
		}
		a := s.rpc(t, "SendMessage", `{"configuration":{"returnImmediately":true},"metadata":{"k":"`+strings.Repeat("x", 100_000)+`"},"message":`+message("", parts, more)+`}`)
		if a.error() == "" {
			tasks = append(tasks, taskIn(t, a))
		}
	}
	s.lost.Store(false)
	localtest.Must(t, s.Sweep())
	for _, task := range tasks {
		s.await(t, task, "INPUT_REQUIRED")
	}
	if len(tasks) < 2 {
		t.Errorf("only %d tasks were left", len(tasks))
	}
}

func (s *system) await(t *testing.T, task, state string) {
	t.Helper()
	client.Await(t, 200*time.Millisecond, func() string {
		a := s.rpc(t, "GetTask", `{"id":"`+task+`","historyLength":0}`)
		if strings.Contains(string(a.body)+string(a.rest), "TASK_STATE_"+state) {
			return ""
		}
		return fmt.Sprintf("task %s is not %s: %v … %s", task, state, a, a.rest)
	})
}

// inOnePiece asks for more than a REST API's answer may have.
func (s *system) inOnePiece(t *testing.T) {
	long := text("x" + strings.Repeat("\u0085", 1_000_000)) // seven bytes each as they are sent
	var asking sync.WaitGroup
	for _, method := range []string{"SendMessage", "message/send", "SendStreamingMessage", "message/stream"} {
		m := message("", long, "")
		if method[0] == 'm' {
			m = message03("", parts03(long), "")
		}
		asking.Go(func() {
			a := s.rpcREST(t, method, `{"message":`+m+`}`)
			if !strings.Contains(string(a.body)+string(a.rest), "6 MB that can be sent in one piece") {
				t.Errorf("%s: %v … %s", method, a, a.rest)
			}
		})
	}
	asking.Wait()
	longer := `[{"data":{"k":"` + strings.Repeat(`\"`, 2_000_000) + `"}}]`
	task := taskIn(t, s.do(t, http.MethodPost, "/message:send", "1.0", `{"message":`+message("", longer, "")+`}`))
	for _, path := range []string{"/tasks/" + task, "/v1/tasks/" + task} {
		if a := s.rest(t, http.MethodGet, path, ""); !strings.Contains(a.error(), "6 MB") || a.status != http.StatusBadRequest {
			t.Errorf("GET %s: %v", path, a)
		}
	}
	if a := s.rpcREST(t, "ListTasks", `{"pageSize":5}`); !strings.Contains(a.error(), "6 MB") {
		t.Errorf("ListTasks: %v", a)
	}
	if a := s.rpcREST(t, "GetTask", `{"id":"`+task+`","historyLength":0}`); a.status != http.StatusOK {
		t.Errorf("with historyLength 0: %v", a)
	}
}

func (s *system) rpcREST(t *testing.T, method, params string) answer {
	t.Helper()
	return s.rest(t, http.MethodPost, "/", client.Request(method, params))
}

// TestTalkative runs the functions with an agent that says a lot, or too much.
func TestTalkative(t *testing.T) {
	const talker = "a2alambda/localtest/hostile/internal/talker"
	s := newSystem(t, talker, talker)
	for _, test := range []struct {
		says, want string
		slow       bool
	}{
		{"70 megabytes", "64 MB", false},
		{"50 objects", "400000 values", false},
		{"1 files", "10 MB", false},
		{"400000 chunks", "64 MB", true},
		{"300000 statuses", "64 MB", true},
		{"5 parts", "400000 values", true},
	} {
		if test.slow && !*all {
			continue
		}
		s.watched(t, test.says, func(t *testing.T) {
			a := s.rpc(t, "SendStreamingMessage", `{"message":`+message("", text(test.says), "")+`}`)
			if end := string(a.rest); !strings.Contains(end, "TASK_STATE_FAILED") || !strings.Contains(end, "The agent said more than a task may hold") || !strings.Contains(end, test.want) {
				t.Errorf("it ends with %s", end)
			}
			s.read(t, taskIn(t, a), a.size)
		})
	}
	for i, says := range []string{"20 megabytes", "38 objects", "60 megabytes", "250000 chunks", "120000 statuses"} {
		if i > 0 && !*all {
			break
		}
		s.watched(t, "resumed after "+says, func(t *testing.T) {
			s.lost.Store(true)
			defer s.lost.Store(false)
			task := s.begun(t, says)
			for _, id := range s.Agent.Busy() {
				if err := s.Agent.Kill(id); err != nil {
					t.Error(err)
				}
			}
			s.lost.Store(false)
			s.resumed(t, task)
			s.read(t, task, 0)
		})
	}
}

// read reads a long task in each way. The answer is the task, or an error that says why not.
func (s *system) read(t *testing.T, task string, size int) {
	for _, a := range []answer{
		s.rpc(t, "GetTask", `{"id":"`+task+`"}`),
		s.rpc(t, "tasks/get", `{"id":"`+task+`"}`),
		s.do(t, http.MethodGet, "/v1/tasks/"+task, "0.3", ""),
		s.rpc(t, "ListTasks", `{"includeArtifacts":true}`),
		s.rpc(t, "GetTask", `{"id":"`+task+`","historyLength":0}`),
		s.rpc(t, "tasks/cancel", `{"id":"`+task+`"}`),
	} {
		t.Logf("%.150v", a)
		if e := a.error(); e != "" && !strings.Contains(e, "MB that an answer") && !strings.Contains(e, "cancel") {
			t.Errorf("%.300v", a)
		}
	}
	a := s.rpc(t, "SubscribeToTask", `{"id":"`+task+`"}`, "Last-Event-ID", "1")
	if *all {
		a = s.rpc(t, "tasks/resubscribe", `{"id":"`+task+`"}`, "Last-Event-ID", "1")
	}
	if a.size < size*9/10 {
		t.Errorf("replayed, its events have %d bytes, and had %d", a.size, size)
	}
}

// begun begins a task, and returns it when the agent has said everything.
func (s *system) begun(t *testing.T, says string) string {
	t.Helper()
	stream := client.Follow(t, s.url, "SendStreamingMessage", `{"message":`+message("", text(says), "")+`}`)
	first, err := stream.Next()
	if err == nil && !strings.Contains(first.Data, `"text":"said"`) {
		_, err = stream.Until(`"text":"said"`)
	}
	if err != nil {
		t.Fatalf("the stream ended before the agent had said %s: %v", says, err)
	}
	return client.TaskIn(t, first.Data)
}

// resumed runs the sweeper until a worker has resumed the task.
func (s *system) resumed(t *testing.T, task string) {
	t.Helper()
	client.Await(t, 500*time.Millisecond, func() string {
		localtest.Must(t, s.Sweep())
		lease, err := s.log.Lease(t.Context(), a2a.TaskID(task))
		localtest.Must(t, err)
		if lease.Epoch <= 1 {
			return "the task is not resumed"
		}
		_, err = tasklog.NewFollowers(s.log, nil).Follow(t.Context(), tasklog.FollowConfig{ID: a2a.TaskID(task), After: lease.Seq, State: a2a.TaskStateWorking})
		localtest.Must(t, err)
		return ""
	})
}
