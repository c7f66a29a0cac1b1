package hosted_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// TestGuide checks that the Go code in the documents stands in the tests here.
func TestGuide(t *testing.T) {
	var tested strings.Builder
	for _, name := range []string{
		"reminder_test.go", "remind_test.go", "parrot_test.go", "counter_test.go", "porter_test.go", "example_test.go", "../purchase/purchase.go",
	} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tested.WriteString(strings.Replace(string(source), "package hosted_test", "package "+strings.TrimSuffix(name, "_test.go"), 1))
	}
	for _, document := range []string{"../../docs/your-agent.md", "../../README.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no code", document)
		}
		for _, b := range blocks {
			if !strings.Contains(tested.String(), b[1]) {
				t.Errorf("this code of %s is in no test:\n%s", document, b[1])
			}
		}
	}
}

func serve(t *testing.T, x a2asrv.AgentExecutor) string {
	host := hosttest.New(new(memlog.Log), x, slog.New(slog.NewTextHandler(t.Output(), nil)))
	host.Server.Card = Card()
	s := httptest.NewServer(a2ahttp.New(host))
	t.Cleanup(s.Close)
	return s.URL
}

func host(t *testing.T, x a2asrv.AgentExecutor) *a2aclient.Client {
	url := serve(t, x) + "/"
	client, err := a2aclient.NewFromEndpoints(t.Context(), []*a2a.AgentInterface{a2a.NewAgentInterface(url, a2a.TransportProtocolJSONRPC)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// send sends a text and returns the task at the end of its turn.
func send(t *testing.T, client *a2aclient.Client, conversation string, task a2a.TaskID, text string) *a2a.Task {
	t.Helper()
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	m.ContextID, m.TaskID = conversation, task
	result, err := client.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: m})
	if err != nil {
		t.Fatal(err)
	}
	return result.(*a2a.Task)
}

func TestParrot(t *testing.T) {
	task := send(t, host(t, Parrot{}), "", "", "Pieces of eight")
	if task.Status.State != a2a.TaskStateCompleted || len(task.Artifacts) != 1 {
		t.Fatalf("got %+v", task)
	}
	var said string
	for _, p := range task.Artifacts[0].Parts {
		said += p.Text()
	}
	if said != "Pieces of eight " {
		t.Errorf("it said %q", said)
	}
}

func TestPorter(t *testing.T) {
	client := host(t, Porter{})
	said := func(task *a2a.Task) string {
		return fmt.Sprint(task.Status.State, ": ", task.Status.Message.Parts[0].Text())
	}
	first := send(t, client, "", "", "Hello")
	if got := said(first); got != "TASK_STATE_INPUT_REQUIRED: Who are you?" {
		t.Errorf("got %s", got)
	}
	if got := said(send(t, client, first.ContextID, first.ID, "Ada")); got != "TASK_STATE_COMPLETED: Welcome, Ada!" {
		t.Errorf("got %s", got)
	}
	if got := said(send(t, client, first.ContextID, "", "Hello")); got != "TASK_STATE_COMPLETED: Again: Welcome, Ada!" {
		t.Errorf("in the same conversation, got %s", got)
	}
	if got := said(send(t, client, "another", "", "Hello")); got != "TASK_STATE_INPUT_REQUIRED: Who are you?" {
		t.Errorf("in another conversation, got %s", got)
	}
}

// TestCounter interrupts the counter twice, like the end of an invocation, and then cancels it.
func TestCounter(t *testing.T) {
	var _ run.Resumer = Counter{}
	synctest.Test(t, func(t *testing.T) {
		ec := &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("Count"))}
		fold, state := tasklog.NewFold(&a2a.Task{ID: "t", ContextID: "c"}, 1), a2a.TaskState("")
		method := Counter{}.Execute
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
			for event, err := range method(ctx, ec) {
				data, encodeErr := tasklog.Encode(event)
				if err != nil || encodeErr != nil {
					t.Fatal(err, encodeErr)
				}
				fold.Add(tasklog.Event{Seq: fold.Seq() + 1, JSON: data})
				if e, ok := event.(*a2a.TaskStatusUpdateEvent); ok {
					state = e.Status.State
				}
			}
			cancel()
			task, err := fold.Task()
			if err != nil {
				t.Fatal(err)
			}
			ec.StoredTask, method = task, Counter{}.Resume
		}
		var said string
		for _, p := range ec.StoredTask.Artifacts[0].Parts {
			said += strings.TrimSpace(p.Text()) + " "
		}
		if said != "1 2 3 4 5 6 7 8 9 10 " || state != a2a.TaskStateCompleted {
			t.Errorf("counted %s and was %s", said, state)
		}
		for event := range (Counter{}).Cancel(t.Context(), ec) {
			if got := event.(*a2a.TaskStatusUpdateEvent).Status.Message.Parts[0].Text(); got != "Stopped after 10 numbers." {
				t.Errorf("got %s", got)
			}
		}
	})
}
