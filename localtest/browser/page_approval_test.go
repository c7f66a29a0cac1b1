package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"a2alambda/internal/durable"
	"a2alambda/internal/model"
	"a2alambda/internal/model/modeltest"
	"a2alambda/internal/tool"
)

// TestPageApproval approves a call of a tool by a button, by keyboard, and refuses another one.
func TestPageApproval(t *testing.T) {
	t.Parallel()
	var paid atomic.Int64
	agent, err := model.Agent(model.Config{Model: modeltest.Payer{ID: "a", Arguments: `{"to":"<b>Bob</b>","amount":12}`}, Tools: func() (func(context.Context) []tool.Tool, func()) {
		return func(context.Context) []tool.Tool {
			return []tool.Tool{{Name: "pay", Schema: json.RawMessage(`{"type":"object"}`), Once: true, Approve: true,
				Call: func(context.Context, json.RawMessage) (tool.Result, error) {
					paid.Add(1)
					return tool.Result{Text: "paid"}, nil
				}}}
		}, func() {}
	}})
	if err != nil {
		t.Fatal(err)
	}
	base := servePage(t, durable.New(agent)).URL
	b := visit(t, base)
	const buttons = `[...document.querySelectorAll('.approval:not([hidden]) button')].map((e) => e.textContent)`
	b.send("Pay Bob")
	b.becomes(`[`+state+`, `+buttons+`]`, `["Waits for you",["Approve","Refuse"]]`)
	b.equal(`document.querySelector('.events').textContent.includes('pay {"amount":12,"to":"<b>Bob</b>"}')`, "true")
	b.reload()
	b.becomes(buttons, `["Approve","Refuse"]`)
	if paid.Load() != 0 {
		t.Error("it was paid without approval")
	}
	b.activate("Approve", true)
	b.becomes(`[`+state+`, `+buttons+`, $text('.artifact')]`, `["Completed",[],"answer\nPaid."]`)
	if n := paid.Load(); n != 1 {
		t.Errorf("it was paid %d times", n)
	}
	b.focus("Message to the agent", false)
	b.send("Pay Bob again")
	b.becomes(buttons, `["Approve","Refuse"]`)
	b.activate("Refuse", true)
	b.becomes(`[`+state+`, `+buttons+`, $all('.artifact').at(-1)]`, `["Completed,Completed",[],"answer\nNot paid."]`)
	if n := paid.Load(); n != 1 {
		t.Errorf("it was paid %d times", n)
	}
	b.checkClean(base)
}

// TestPageStaleApproval approves a call on a page while somebody else has approved it already, and the
// task asks for the next one: that is not approved by it.
func TestPageStaleApproval(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var paid []string
	agent, err := model.Agent(model.Config{Model: again{}, Tools: func() (func(context.Context) []tool.Tool, func()) {
		return func(context.Context) []tool.Tool {
			return []tool.Tool{{Name: "pay", Schema: json.RawMessage(`{"type":"object"}`), Once: true, Approve: true,
				Call: func(_ context.Context, args json.RawMessage) (tool.Result, error) {
					mu.Lock()
					defer mu.Unlock()
					paid = append(paid, string(args))
					return tool.Result{Text: "paid"}, nil
				}}}
		}, func() {}
	}})
	if err != nil {
		t.Fatal(err)
	}
	base := servePage(t, durable.New(agent)).URL
	b := visit(t, base)
	const buttons = `[...document.querySelectorAll('.approval:not([hidden]) button')].map((e) => e.textContent)`
	b.send("Pay Bob and Eve")
	b.becomes(buttons, `["Approve","Refuse"]`)
	id := eval[string](b, `document.querySelector('.task .id').textContent`)
	body := fmt.Sprintf(`{"message":{"messageId":"m","role":"ROLE_USER","taskId":%q,"parts":[{"text":"yes"}]}}`, id)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/message:send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("A2A-Version", "1.0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(answer), `"to":"Eve"`) {
		t.Fatalf("the task does not ask for the next call: %s, %v", answer, err)
	}
	b.activate("Approve", true)
	b.becomes(`[`+state+`, `+buttons+`, $all('.artifact').at(-1)]`, `["Completed",[],"answer\nNot paid."]`)
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(paid); got != `[{"to":"Bob"}]` {
		t.Errorf("paid %s", got)
	}
	b.checkClean(base)
}

// again is a model that wants to pay twice, one after the other.
type again struct{ modeltest.Payer }

func (a again) Answer(ctx context.Context, r *model.Request, say func(string) error) (*model.Answer, error) {
	to := map[int]string{1: "Bob", 3: "Eve"}[len(r.Messages)]
	if to == "" {
		return a.Payer.Answer(ctx, r, say)
	}
	return &model.Answer{Stop: model.StopTools, Calls: []model.Call{model.NewCall("", "pay", `{"to":"`+to+`"}`)}}, nil
}
