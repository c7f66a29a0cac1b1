package wire_test

import (
	"context"
	"fmt"
	"iter"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
)

// traced is an executor that notes the traces of its turns, and asks for input.
type traced struct{ traces []string }

func (x *traced) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		parent, _ := ec.ServiceParams.Get("traceparent")
		state, _ := ec.ServiceParams.Get("tracestate")
		call, _ := a2asrv.CallContextFrom(ctx)
		if again, _ := call.ServiceParams().Get("traceparent"); !slices.Equal(again, parent) {
			parent = append(parent, again...)
		}
		x.traces = append(x.traces, strings.Join(parent, "+")+" "+strings.Join(state, ","))
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil), nil)
	}
}

func (x *traced) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	panic("not called")
}

// TestTrace checks that executors get the trace that the client names: in the request's own invocation, in a worker, and in each
// turn that of its message; and that webhooks get it.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := func(n int) string { return fmt.Sprintf("00-%032x-%016x-01", n, n) }
		l, x := new(memlog.Log), new(traced)
		h := handlerOf(l, t.Output(), x)
		send := func(trace, state, message string) string {
			r := post(t.Context(), rpc("SendMessage", `{"message":{"role":"ROLE_USER","parts":[{"text":"x"}],%s`, message))
			r.Header.Set("Traceparent", trace)
			r.Header.Set("Tracestate", state)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			synctest.Wait() // for the worker
			if strings.Contains(w.Body.String(), `"error"`) {
				t.Fatal(w.Body)
			}
			return idIn(w.Body.String())
		}
		const immediately = `,"configuration":{"returnImmediately":true,"taskPushNotificationConfig":{"id":"c","url":"https://example.com"}}}`
		id := send(parent(1), "a=1", `"messageId":"m1"}}`)
		send(parent(2), "a=2", fmt.Sprintf(`"messageId":"m2","taskId":%q}}`, id))
		worked := send(parent(3), "a=3", `"messageId":"m3"}`+immediately)
		send(parent(4), "a=4", fmt.Sprintf(`"messageId":"m4","taskId":%q}`, worked)+immediately)
		want := []string{parent(1) + " a=1", parent(2) + " a=2", parent(3) + " a=3", parent(4) + " a=4"}
		if !slices.Equal(x.traces, want) {
			t.Errorf("the executor got %q, want %q", x.traces, want)
		}
		configs, err := l.Pushes(t.Context(), a2a.TaskID(worked))
		if err != nil || len(configs) != 1 || configs[0].Trace.String() != want[2] {
			t.Errorf("the webhook gets %+v, %v", configs, err)
		}
	})
}
