package samlocal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/check"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/samlocal"
)

// TestSAMLocal runs the deployed functions, built by sam, in containers.
func TestSAMLocal(t *testing.T) {
	t.Parallel()
	invoked := make(chan invocation, 100)
	sam := samlocal.Build(t, dynamodblocal.Endpoint(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		invoked <- invocation{r.Method + " " + r.URL.Path, r.Header.Get("X-Amz-Invocation-Type"), string(body)}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Run("API", func(t *testing.T) { t.Parallel(); testSAMAPI(t, sam) })
	t.Run("worker", func(t *testing.T) { t.Parallel(); testSAMWorker(t, sam) })
	t.Run("sweeper", func(t *testing.T) { t.Parallel(); testSAMSweeper(t, sam, invoked) })
	t.Run("push", func(t *testing.T) { t.Parallel(); testSAMPush(t, sam) })
}

type invocation struct{ path, kind, payload string }

// testSAMAPI calls the agent, which answers in one piece. A second process has the same tasks.
func testSAMAPI(t *testing.T, sam *samlocal.SAM) {
	_, table := dynamodblocal.Table(t)
	api := sam.StartAPI(t, table)
	other := localserver.Start(t, "TABLE_NAME="+table, "AWS_ENDPOINT_URL_DYNAMODB="+dynamodblocal.Endpoint(t))

	// It answers in one piece, which is no failure.
	t.Run("check", func(t *testing.T) {
		var out strings.Builder
		err := check.Run(t.Context(), check.Config{URL: api, Need: []string{"card", "resume", "retry", "list", "refused"}}, &out)
		if t.Logf("%s", &out); err != nil {
			t.Error(err)
		}
	})
	t.Run("card", func(t *testing.T) {
		a, err := client.Do(t.Context(), http.MethodGet, api+"/.well-known/agent-card.json", "")
		var card struct {
			Name, URL    string
			Capabilities struct{ Streaming bool }
		}
		localtest.Must(t, json.Unmarshal([]byte(client.Body(t, client.JSON, a, err)), &card))
		if card.Name != "Streaming Demo Agent" || card.URL != api+"/" || !card.Capabilities.Streaming {
			t.Errorf("the card says %+v, want the demo agent's, streaming, at %s/", card, api)
		}
	})

	t.Run("message/send", func(t *testing.T) {
		got := client.Result(t, api, "message/send", client.Message("Send me a regular response"))
		client.Same(t, got, "../e2e/testdata/send.txt")
		for _, url := range []string{api, other} {
			if stored := client.Task(t, url, got); stored != got {
				t.Errorf("tasks/get at %s gave\n%s\nwant what message/send gave\n%s", url, stored, got)
			}
		}
	})

	t.Run("paths with two slashes", func(t *testing.T) {
		a, err := client.Do(t.Context(), http.MethodPost, api+"//message:send",
			`{"message":{"messageId":"slashes","role":"ROLE_USER","parts":[{"text":"hello"}]}}`)
		if got := client.Body(t, "application/a2a+json", a, err); !strings.Contains(got, "TASK_STATE_COMPLETED") {
			t.Errorf("got %s", got)
		}
	})

	t.Run("message/stream", func(t *testing.T) {
		a, err := client.Call(t.Context(), api, "message/stream", client.Message("Stream me a response!"))
		got := client.Body(t, client.EventStream, a, err)
		client.Same(t, got, "../e2e/testdata/stream.txt")
		stored := client.Task(t, api, got)
		client.Same(t, stored, "../e2e/testdata/stream_task.txt")
		if elsewhere := client.Task(t, other, got); elsewhere != stored {
			t.Errorf("tasks/get at %s gave\n%s\nwant\n%s", other, elsewhere, stored)
		}
	})
}

// newServer returns a server over the table. Its worker never comes.
func newServer(t *testing.T, client *dynamodb.Client, table string) *server.Server {
	l := dynamolog.New(client, table)
	return server.New(server.Config{Store: l, Retention: time.Hour, Card: demoagent.Card(), Runner: run.New(run.Config{
		Store: l, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Invoke: func(context.Context, a2a.TaskID) error { return nil },
	})})
}

// leave makes a task that is left to a worker.
func leave(t *testing.T, s *server.Server) a2a.TaskID {
	t.Helper()
	req := &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("Stream me a response!")),
		Config:  &a2a.SendMessageConfig{ReturnImmediately: true},
	}
	task, err := s.SendMessage(t.Context(), server.Caller{}, req)
	if err != nil || task.Status.State != a2a.TaskStateSubmitted {
		t.Fatalf("got %+v, %v, want a submitted task", task, err)
	}
	return task.ID
}

func testSAMWorker(t *testing.T, sam *samlocal.SAM) {
	db, table := dynamodblocal.Table(t)
	s := newServer(t, db, table)
	id := leave(t, s)
	if got := sam.Invoke(t, table, "WorkerFunction", fmt.Sprintf(`{"taskId":%q}`, id)); got != "null" {
		t.Errorf("the worker returned %s", got)
	}
	task, err := s.GetTask(t.Context(), server.Caller{}, &a2a.GetTaskRequest{ID: id})
	localtest.Must(t, err)
	if task.Status.State != a2a.TaskStateCompleted || len(task.History) != 4 || len(task.Artifacts) != 1 {
		t.Errorf("got %+v, want it completed, with the message, three steps and the result", task)
	}
}

func testSAMPush(t *testing.T, sam *samlocal.SAM) {
	_, table := dynamodblocal.Table(t)
	for _, event := range []string{
		`{"taskId":"none","configId":"none"}`,
		`{"Records":[{"eventName":"MODIFY","dynamodb":{"Keys":{"pk":{"S":"none"},"sk":{"S":"H"}},"NewImage":{"p":{"N":"1"}}}}]}`,
	} {
		if got := sam.Invoke(t, table, "PushFunction", event); got != "null" {
			t.Errorf("%s: the push function returned %s", event, got)
		}
	}
}

// testSAMSweeper has one of two runs cut off, and one of two deliveries due. The sweeper finds
// both.
func testSAMSweeper(t *testing.T, sam *samlocal.SAM, invoked <-chan invocation) {
	db, table := dynamodblocal.Table(t)
	s := newServer(t, db, table)
	lost, running := leave(t, s), leave(t, s)
	for id, until := range map[a2a.TaskID]time.Time{lost: time.Now(), running: time.Now().Add(time.Hour)} {
		snapshot, err := s.Store.Load(t.Context(), id)
		localtest.Must(t, err)
		if _, err := s.Store.Acquire(t.Context(), snapshot, tasklog.Claim{Writer: "w", Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	store, expires := dynamolog.New(db, table).Pushes(), time.Now().Add(time.Hour)
	for config, due := range map[string]time.Time{"due": time.Now(), "later": expires} {
		var claim push.Claim
		err := store.Put(t.Context(), tasklog.Head{Push: true}, push.Config{TaskID: "task", ID: config, Expires: expires})
		if err == nil {
			claim, err = store.Claim(t.Context(), "task", config, "w", expires)
		}
		if err == nil {
			_, err = claim.Release(t.Context(), push.Progress{}, due)
		}
		localtest.Must(t, err)
	}
	if got := sam.Invoke(t, table, "SweeperFunction", "{}"); got != "null" {
		t.Errorf("the sweeper returned %s", got)
	}
	var got []invocation
	for len(invoked) > 0 {
		i := <-invoked
		// The agent of the other test may leave a task to a worker, too.
		if slices.ContainsFunc([]a2a.TaskID{lost, running, "task"}, func(id a2a.TaskID) bool {
			return strings.Contains(i.payload, fmt.Sprintf("%q", id))
		}) {
			got = append(got, i)
		}
	}
	// The two kinds are swept side by side. In sam local the stack's name is "local".
	slices.SortFunc(got, func(a, b invocation) int { return strings.Compare(b.path, a.path) })
	want := []invocation{
		{"POST /2015-03-31/functions/local-worker/invocations", "Event", fmt.Sprintf(`{"taskId":%q}`, lost)},
		{"POST /2015-03-31/functions/local-push/invocations", "Event", `{"taskId":"task","configId":"due"}`},
	}
	if !slices.Equal(got, want) {
		t.Errorf("the functions sent %v, want the sweeper's %v", got, want)
	}
}
