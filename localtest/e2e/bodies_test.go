package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/deploy"
	"a2alambda/localtest/emulator"
)

// TestLargeBodies has the functions keep large bodies in a bucket: a message, what came for a
// callback, what the worker says of it, and an event that a webhook gets. Readers do not notice.
// Each function may only do with the bucket what the template lets it.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	file := make([]byte, 180<<10)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(file)
	text := base64.StdEncoding.EncodeToString(file)

	binary, err := emulator.Build(t.Context(), "a2alambda/localtest/e2e/internal/courier")
	localtest.Must(t, err)
	s := newSystem(t, options{binary: binary, callbacks: true, bucket: true})
	call := func(verb, url, body string) string {
		t.Helper()
		a, err := client.Do(t.Context(), verb, url, body)
		localtest.Must(t, err)
		return strings.TrimSpace(a.Body)
	}
	var sent struct {
		Result struct {
			Task struct {
				ID     string
				Status struct {
					Message struct{ Parts []struct{ Text string } }
				}
			}
		}
	}
	message := fmt.Sprintf(`{"message":{"messageId":"m-1","role":"ROLE_USER","parts":[{"text":"Stream me a response!"},{"raw":%q}]}}`, text)
	answer := client.Result(t, s.url, "SendMessage", message)
	localtest.Must(t, json.Unmarshal([]byte(answer), &sent))
	id := sent.Result.Task.ID
	if len(sent.Result.Task.Status.Message.Parts) != 1 {
		t.Fatalf("the answer is %.500s", answer)
	}
	url := sent.Result.Task.Status.Message.Parts[0].Text
	for range 2 { // the second one is compared with the first
		if got := call(http.MethodPost, url, text); got != "accepted" {
			t.Errorf("the callback answers %.200s", got)
		}
	}
	client.Await(t, 50*time.Millisecond, func() string {
		got := client.Result(t, s.url, "GetTask", client.ByID(id))
		if strings.Contains(got, "TASK_STATE_COMPLETED") && strings.Count(got, text) == 2 {
			return ""
		}
		return fmt.Sprintf("the task with both texts, not %d of them in %d bytes: %.300s", strings.Count(got, text), len(got), got)
	})

	hook := make(chan string, 100)
	at := client.Receiver(t, func(w http.ResponseWriter, r *http.Request) { hook <- r.Header.Get("X-A2A-Event-Id") })
	s2 := newSystem(t, options{webhooks: allowed, givenUp: func(emulator.Event) {}, bucket: true})
	answer = client.Result(t, s2.url, "SendMessage", strings.TrimSuffix(message, "}")+
		fmt.Sprintf(`,"configuration":{"returnImmediately":true,"taskPushNotificationConfig":{"url":%q}}}`, at))
	localtest.Must(t, json.Unmarshal([]byte(answer), &sent))
	for got := range hook {
		if got == fmt.Sprint(total) {
			break
		}
	}
	if got := client.Result(t, s2.url, "GetTask", client.ByID(sent.Result.Task.ID)); !strings.Contains(got, text) {
		t.Errorf("the task is %.500s", got)
	}
	if _, err := s2.log.Load(t.Context(), a2a.TaskID(sent.Result.Task.ID)); err == nil || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("the message is in the table: %v", err)
	}
	for _, n := range deploy.Needs {
		if _, ok := called.Load(needed(n)); strings.HasPrefix(n.Action, "s3:") && !ok && n.Function != "SweeperFunction" {
			t.Errorf("nobody called %s", needed(n))
		}
	}
}
