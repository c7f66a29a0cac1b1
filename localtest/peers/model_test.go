package peers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/localtest/aimock"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/process"
)

// TestModelAsks has a model ask agents by the Python SDKs, one of them twice at once. Each message
// arrives once. The agent is also killed when the peer has answered and the answer has not arrived:
// then the peer's task is found (adopt), or the model is told that the outcome is unknown.
func TestModelAsks(t *testing.T) {
	t.Parallel()
	mock := aimock.Start(t, `{"fixtures": [
		{"match": {"userMessage": "errand", "turnIndex": 0}, "response": {"toolCalls": [
			{"name": "ask_other", "arguments": {"message": "hello"}}, {"name": "ask_third", "arguments": {"message": "how are you"}},
			{"name": "ask_third", "arguments": {"message": "ask"}}]}},
		{"match": {"userMessage": "errand", "turnIndex": 1}, "response": {"content": "They have answered."}}
	]}`)
	binary := localserver.Build(t)
	for name, test := range map[string]struct{ options, told string }{
		"undisturbed":           {"", "You said hello."},
		"killed":                {"", "It is unknown whether this was done"},
		"killed, and it adopts": {";adopt", "You said hello."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other, third := python(t, "adk", "python1.py"), python(t, "strands", "python03.py")
			var p *process.Process
			url := ""
			kill := make(chan struct{})
			var once atomic.Bool
			front := through(t, other, func(w http.ResponseWriter, r *http.Request, agent http.Handler) {
				if name == "undisturbed" || r.Method != http.MethodPost || !once.CompareAndSwap(false, true) {
					agent.ServeHTTP(w, r)
					return
				}
				agent.ServeHTTP(httptest.NewRecorder(), r)
				client.Await(t, 50*time.Millisecond, func() string { // the other calls end
					if all := received(t, third); len(all) < 2 {
						return fmt.Sprint(all)
					}
					return ""
				})
				<-kill
				p.Kill()
				kill <- struct{}{}
				panic(http.ErrAbortHandler)
			})
			_, table := dynamodblocal.Table(t)
			p, url = localserver.StartBuilt(t, binary, "AGENT=model", "MODEL_URL="+mock.URL+"/v1", "MODEL_ID=gpt-4o", "PEERS=other="+front+test.options+",third="+third,
				"TABLE_NAME="+table, "AWS_ENDPOINT_URL_DYNAMODB="+dynamodblocal.Endpoint(t), "AWS_REGION=us-east-1")
			defer func() {
				p.Kill()
				if t.Failed() {
					t.Log(p.Output.String())
				}
			}()
			task := client.TaskIn(t, client.Result(t, url+"/", "SendMessage",
				fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":"m","parts":[{"text":"Do the errand: %s."}]},"configuration":{"returnImmediately":true}}`, name)))
			if name != "undisturbed" {
				kill <- struct{}{}
				<-kill
				p = localserver.Again(t, p, url)
			}
			var result struct{ Result a2a.Task }
			client.Await(t, 200*time.Millisecond, func() string {
				body := client.Result(t, url+"/", "GetTask", client.ByID(task))
				if err := json.Unmarshal([]byte(body), &result); err != nil || !result.Result.Status.State.Terminal() {
					return body
				}
				return ""
			})
			if a := result.Result.Artifacts; result.Result.Status.State != a2a.TaskStateCompleted || !strings.Contains(a[len(a)-1].Parts[0].Text(), "They have answered.") {
				t.Errorf("the task is %+v", result.Result)
			}
			var told []string
			for _, body := range mock.Asked() {
				if strings.Contains(body, "errand: "+name+".") {
					told = append(told, body)
				}
			}
			if len(told) != 2 {
				t.Fatalf("the model was asked %d times", len(told))
			}
			if !strings.Contains(told[0], `"ask_other"`) || !strings.Contains(told[0], "Repeats") {
				t.Errorf("the model does not know what the others do: %s", told[0])
			}
			for _, want := range []string{test.told, "You said how are you.", "Which?", "The agent waits for an answer to this. Its task is "} {
				if !strings.Contains(told[1], want) {
					t.Errorf("the model was not told %q: %s", want, told[1])
				}
			}
			if all := received(t, other); len(all) != 1 || all[0].Text != "hello" {
				t.Errorf("the peer has got %+v", all)
			}
			if all := received(t, third); len(all) != 2 {
				t.Errorf("the third has got %+v", all)
			}
		})
	}
}
