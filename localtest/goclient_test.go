package localtest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/localtest"
)

// TestGoClient talks to the agent with the Go SDK's own client, in both versions of the protocol.
func TestGoClient(t *testing.T) {
	t.Parallel()
	url := localtest.StartAgent(t)
	for _, version := range []string{"1.0", "0.3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			card, err := agentcard.DefaultResolver.Resolve(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			card.SupportedInterfaces = slices.DeleteFunc(card.SupportedInterfaces, func(i *a2a.AgentInterface) bool {
				return string(i.ProtocolVersion) != version
			})
			client, err := a2aclient.NewFromCard(t.Context(), card, a2aclient.WithCompatTransport(
				a2av0.Version, a2a.TransportProtocolJSONRPC, a2av0.NewJSONRPCTransportFactory(a2av0.JSONRPCTransportConfig{})))
			if err != nil {
				t.Fatal(err)
			}
			message := func(text string) *a2a.SendMessageRequest {
				return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))}
			}

			var got []string
			var id a2a.TaskID
			var canceled *a2a.Task
			for event, err := range client.SendStreamingMessage(t.Context(), message("hello")) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, strings.TrimPrefix(fmt.Sprintf("%T", event), "*a2a."))
				id = event.TaskInfo().TaskID
			}
			want := []string{"Task", "TaskStatusUpdateEvent", "TaskStatusUpdateEvent", "TaskStatusUpdateEvent", "TaskArtifactUpdateEvent", "TaskStatusUpdateEvent"}
			if !slices.Equal(got, want) {
				t.Errorf("streamed %q, want %q", got, want)
			}

			task, err := client.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
			if err != nil || task.Status.State != a2a.TaskStateCompleted || len(task.History) != 4 ||
				task.Artifacts[0].Parts[0].Text() != "Your query 'hello' has been processed successfully!" {
				t.Errorf("got task %+v, %v", task, err)
			}
			sent, err := client.SendMessage(t.Context(), message("bye"))
			if task, ok := sent.(*a2a.Task); err != nil || !ok || task.Status.State != a2a.TaskStateCompleted {
				t.Errorf("sent: %+v, %v", sent, err)
			}

			// Cancel a stream at its second event, while a subscriber looks on.
			got = nil
			var events []a2a.TaskState
			for event, err := range client.SendStreamingMessage(t.Context(), message("cancel me")) {
				if err != nil {
					t.Fatal(err)
				}
				if s, ok := event.(*a2a.TaskStatusUpdateEvent); ok {
					events = append(events, s.Status.State)
				}
				if len(events) == 1 && canceled == nil {
					for event, err := range client.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: event.TaskInfo().TaskID}) {
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, strings.TrimPrefix(fmt.Sprintf("%T", event), "*a2a."))
						if canceled == nil {
							if canceled, err = client.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: event.TaskInfo().TaskID}); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
			}
			if canceled == nil || canceled.Status.State != a2a.TaskStateCanceled {
				t.Errorf("canceled: %+v", canceled)
			}
			if len(events) == 0 || events[len(events)-1] != a2a.TaskStateCanceled {
				t.Errorf("the canceled stream had the states %v", events)
			}
			if len(got) < 2 || got[0] != "Task" || got[len(got)-1] != "TaskStatusUpdateEvent" {
				t.Errorf("the subscriber saw %q", got)
			}
			if _, err := client.GetTask(t.Context(), &a2a.GetTaskRequest{ID: "none"}); err == nil {
				t.Error("an unknown task was found")
			}
		})
	}
}
