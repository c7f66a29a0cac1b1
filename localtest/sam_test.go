package localtest_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/check"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/push"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest"
)

// TestSAMLocal runs the functions as they are deployed, built by sam, in containers.
func TestSAMLocal(t *testing.T) {
	t.Parallel()
	invoked := make(chan invocation, 10)
	sam := localtest.BuildSAM(t, localtest.DynamoDB(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		invoked <- invocation{r.Method + " " + r.URL.Path, r.Header.Get("X-Amz-Invocation-Type"), string(body)}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Run("API", func(t *testing.T) { t.Parallel(); testSAMAPI(t, sam) })
	t.Run("worker", func(t *testing.T) { t.Parallel(); testSAMWorker(t, sam) })
	t.Run("sweeper", func(t *testing.T) { t.Parallel(); testSAMSweeper(t, sam, invoked) })
	t.Run("push", func(t *testing.T) { t.Parallel(); testSAMPush(t, sam) })
}

// invocation is a request to Lambda.
type invocation struct{ path, kind, payload string }

// testSAMAPI asks the agent, which answers buffered. The tasks are in DynamoDB: an agent in another process has the same.
func testSAMAPI(t *testing.T, sam *localtest.SAM) {
	_, table := newTable(t)
	api := sam.StartAPI(t, table)
	other := localtest.StartAgent(t, "TABLE_NAME="+table, "AWS_ENDPOINT_URL_DYNAMODB="+localtest.DynamoDB(t))

	t.Run("check", func(t *testing.T) { // it answers in one piece, which is no failure
		checkSystem(t, check.Config{URL: api, Need: []string{"card", "resume", "retry", "list", "refused"}})
	})
	t.Run("card", func(t *testing.T) {
		resp, err := http.Get(api + "/.well-known/agent-card.json")
		var card struct {
			Name, URL    string
			Capabilities struct{ Streaming bool }
		}
		decode(t, read(t, resp, err, "application/json"), &card)
		if card.Name != "Streaming Demo Agent" || card.URL != api+"/" || !card.Capabilities.Streaming {
			t.Errorf("the card says %+v, want the demo agent's, streaming, at %s/", card, api)
		}
	})

	t.Run("message/send", func(t *testing.T) {
		got := call(t, api, "application/json", "message/send", message("Send me a regular response"))
		same(t, got, "testdata/sam_send.txt")
		for _, url := range []string{api, other} {
			if stored := getTask(t, url, got); stored != got {
				t.Errorf("tasks/get at %s gave\n%s\nwant what message/send gave\n%s", url, stored, got)
			}
		}
	})

	t.Run("paths with two slashes", func(t *testing.T) {
		resp, err := http.Post(api+"//message:send", "application/json", strings.NewReader(
			`{"message":{"messageId":"slashes","role":"ROLE_USER","parts":[{"text":"hello"}]}}`))
		if got := read(t, resp, err, "application/a2a+json"); !strings.Contains(string(got), "TASK_STATE_COMPLETED") {
			t.Errorf("got %s", got)
		}
	})

	t.Run("message/stream", func(t *testing.T) {
		got := call(t, api, eventStream, "message/stream", message("Stream me a response!"))
		same(t, got, "testdata/sam_stream.txt")
		stored := getTask(t, api, got)
		same(t, stored, "testdata/sam_stream_task.txt")
		if elsewhere := getTask(t, other, got); elsewhere != stored {
			t.Errorf("tasks/get at %s gave\n%s\nwant\n%s", other, elsewhere, stored)
		}
	})
}

// leave puts a task into the table that is left to a worker.
func leave(t *testing.T, s *server.Server) a2a.TaskID {
	t.Helper()
	s.Runner.Invoke = func(context.Context, a2a.TaskID) error { return nil }
	req := ask("Stream me a response!")
	req.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
	task, err := s.SendMessage(t.Context(), server.Caller{}, req)
	if err != nil || task.Status.State != a2a.TaskStateSubmitted {
		t.Fatalf("got %+v, %v, want a submitted task", task, err)
	}
	return task.ID
}

// testSAMWorker has the worker run a task to its end.
func testSAMWorker(t *testing.T, sam *localtest.SAM) {
	client, table := newTable(t)
	s := newServer(t, client, table, nil)
	id := leave(t, s)
	if got := sam.Invoke(t, table, "WorkerFunction", fmt.Sprintf(`{"taskId":%q}`, id)); got != "null" {
		t.Errorf("the worker returned %s", got)
	}
	task, err := s.GetTask(t.Context(), server.Caller{}, &a2a.GetTaskRequest{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if task.Status.State != a2a.TaskStateCompleted || len(task.History) != 4 || len(task.Artifacts) != 1 {
		t.Errorf("got %+v, want it completed, with the message, three steps and the result", task)
	}
}

// testSAMPush has the push function find nothing to deliver.
func testSAMPush(t *testing.T, sam *localtest.SAM) {
	_, table := newTable(t)
	for _, event := range []string{
		`{"taskId":"none","configId":"none"}`,
		`{"Records":[{"eventName":"MODIFY","dynamodb":{"Keys":{"pk":{"S":"none"},"sk":{"S":"H"}},"NewImage":{"p":{"N":"1"}}}}]}`,
	} {
		if got := sam.Invoke(t, table, "PushFunction", event); got != "null" {
			t.Errorf("%s: the push function returned %s", event, got)
		}
	}
}

// testSAMSweeper has the sweeper find the one of two tasks whose run was cut off, and the one of two push notifications that is due.
func testSAMSweeper(t *testing.T, sam *localtest.SAM, invoked <-chan invocation) {
	client, table := newTable(t)
	s := newServer(t, client, table, nil)
	lost, running := leave(t, s), leave(t, s)
	for id, until := range map[a2a.TaskID]time.Time{lost: time.Now(), running: time.Now().Add(time.Hour)} {
		snapshot, err := s.Log.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Log.Acquire(t.Context(), snapshot, "w", until); err != nil {
			t.Fatal(err)
		}
	}
	store, expires := dynamolog.New(client, table).Pushes(), time.Now().Add(time.Hour)
	for config, due := range map[string]time.Time{"due": time.Now(), "later": expires} {
		var claim push.Claim
		err := store.Put(t.Context(), tasklog.Head{Push: true}, push.Config{TaskID: "task", ID: config, Expires: expires})
		if err == nil {
			claim, err = store.Claim(t.Context(), "task", config, "w", expires)
		}
		if err == nil {
			_, err = claim.Release(t.Context(), push.Progress{}, due)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := sam.Invoke(t, table, "SweeperFunction", "{}"); got != "null" {
		t.Errorf("the sweeper returned %s", got)
	}
	var got []invocation
	for len(invoked) > 0 {
		got = append(got, <-invoked)
	}
	// To sam local the stack's name is "local".
	want := []invocation{
		{"POST /2015-03-31/functions/local-worker/invocations", "Event", fmt.Sprintf(`{"taskId":%q}`, lost)},
		{"POST /2015-03-31/functions/local-push/invocations", "Event", `{"taskId":"task","configId":"due"}`},
	}
	if !slices.Equal(got, want) {
		t.Errorf("the functions sent %v, want the sweeper's %v", got, want)
	}
}

// message returns the params that send the text.
func message(text string) string {
	return fmt.Sprintf(`{"message":{"role":"user","messageId":%q,"parts":[{"kind":"text","text":%q}]}}`, rand.Text(), text)
}

// getTask asks the agent at the URL for the task in a response, which may be the beginning of a stream.
func getTask(t *testing.T, url, response string) string {
	t.Helper()
	return call(t, url, "application/json", "tasks/get", fmt.Sprintf(`{"id":%q}`, taskIn(t, response)))
}

var task = regexp.MustCompile(`"result":{(?:"task":{|"kind":"task",)?"id":"([^"]+)"`)

// taskIn returns the id of the task that is the result, or the first result, in a response of either version.
func taskIn(t testing.TB, response string) string {
	t.Helper()
	m := task.FindStringSubmatch(response)
	if m == nil {
		t.Fatalf("no task in %s", response)
	}
	return m[1]
}

// call returns the body of the answer to a JSON-RPC request.
func call(t *testing.T, url, wantType, method, params string) string {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	return read(t, resp, err, wantType)
}

func read(t *testing.T, resp *http.Response, err error, wantType string) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if got := resp.Header.Get("Content-Type"); err != nil || resp.StatusCode != http.StatusOK || got != wantType {
		t.Fatalf("got %s, %s (%v), want 200 and %s:\n%s", resp.Status, got, err, wantType, body)
	}
	return string(body)
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// changing is what differs from run to run.
var changing = regexp.MustCompile(`"(id|taskId|contextId|messageId|artifactId|timestamp)":"[^"]+"`)

// same compares a body with a file, which has "…" for what differs from run to run.
func same(t *testing.T, body, file string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := changing.ReplaceAllString(body, `"$1":"…"`); got != string(want) {
		t.Fatalf("got\n%swant, as in %s,\n%s", got, file, want)
	}
}
