package deploy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"

	"a2alambda/localtest"
	agent "a2alambda/localtest/client"
)

// client is the Go SDK's client of a deployed agent.
type client struct {
	*a2aclient.Client
	card *a2a.AgentCard
	http *http.Client
	url  string // with a slash at the end
}

func newClient(t testing.TB, url string, transport http.RoundTripper) *client {
	t.Helper()
	c := &client{http: &http.Client{Transport: transport}, url: url}
	var err error
	if c.card, err = agentcard.NewResolver(c.http).Resolve(t.Context(), url); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	// A domain in the card leads to the function URL.
	direct := *c.card
	direct.SupportedInterfaces = nil
	for _, i := range c.card.SupportedInterfaces {
		there := *i
		there.URL = url
		direct.SupportedInterfaces = append(direct.SupportedInterfaces, &there)
	}
	c.Client, err = a2aclient.NewFromCard(t.Context(), &direct, a2aclient.WithJSONRPCTransport(c.http))
	localtest.Must(t, err)
	return c
}

func text(s string) *a2a.Message { return a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(s)) }

// stream streams an answer of the agent, and returns the task.
func (c *client) stream(t testing.TB) a2a.TaskID {
	t.Helper()
	var id a2a.TaskID
	var states []string
	for event, err := range c.SendStreamingMessage(t.Context(), &a2a.SendMessageRequest{Message: text("Stream me a response!")}) {
		if err != nil {
			t.Fatalf("after %s: %v", states, err)
		}
		id = event.TaskInfo().TaskID
		states = append(states, describe(event))
	}
	got := strings.Join(states, " ")
	const want = "SUBMITTED WORKING WORKING WORKING artifact COMPLETED"
	if got != want {
		t.Fatalf("streamed %s, want %s", got, want)
	}
	return id
}

// later leaves a task to the worker, and returns it when it has ended.
func (c *client) later(t testing.TB, config a2a.SendMessageConfig) *a2a.Task {
	t.Helper()
	config.ReturnImmediately = true
	sent, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: text("Stream me a response!"), Config: &config})
	localtest.Must(t, err)
	id := sent.(*a2a.Task).ID
	var last a2a.Event
	for event, err := range c.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
		localtest.Must(t, err)
		last = event
	}
	task, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
	if err != nil || task.Status.State != a2a.TaskStateCompleted || len(task.Artifacts) != 1 {
		t.Fatalf("the subscription ended with %s, and the task is %+v, %v", describe(last), task, err)
	}
	return task
}

func describe(e a2a.Event) string {
	switch e := e.(type) {
	case *a2a.Task:
		return strings.TrimPrefix(string(e.Status.State), "TASK_STATE_")
	case *a2a.TaskStatusUpdateEvent:
		return strings.TrimPrefix(string(e.Status.State), "TASK_STATE_")
	case *a2a.TaskArtifactUpdateEvent:
		return "artifact"
	}
	return fmt.Sprintf("%T", e)
}

// status returns the answer to a list of tasks, under a URL with a slash at the end.
func status(t testing.TB, url string, transport http.RoundTripper) (int, string) {
	t.Helper()
	a, err := agent.Read(agent.Through(t.Context(), transport, http.MethodGet, url+"tasks", "", "A2A-Version", "1.0"))
	localtest.Must(t, err)
	return a.Status, a.Body
}
