package a2ahttp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// noter returns an executor that notes what it gets of its turns' requests, and asks for input.
func noter(requests *[]string) hosttest.Executor {
	return func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		parent, _ := ec.ServiceParams.Get("traceparent")
		state, _ := ec.ServiceParams.Get("tracestate")
		call, _ := a2asrv.CallContextFrom(ctx)
		if again, _ := call.ServiceParams().Get("traceparent"); !slices.Equal(again, parent) {
			parent = append(parent, again...)
		}
		extensions := call.Extensions()
		*requests = append(*requests, fmt.Sprintf("%s %s %v %t %t",
			strings.Join(parent, "+"), strings.Join(state, ","), ec.Metadata["n"], extensions.Requested(loud), extensions.Active(loud)))
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil), nil)
	}
}

// TestRequest checks that executors get the client's trace, metadata and extensions, in the
// request's own invocation and in a worker, and in each turn from its message. Webhooks get the
// trace.
func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := func(n int) string { return fmt.Sprintf("00-%032x-%016x-01", n, n) }
		var got []string
		l := new(memlog.Log)
		c := configOf(l, t.Output(), noter(&got))
		c.Server.Card.Capabilities.Extensions = []a2a.AgentExtension{*loud}
		h := a2ahttp.New(c)
		n := 0
		send := func(message string) string {
			n++
			metadata := ""
			if n%4 > 0 {
				metadata = fmt.Sprintf(`"metadata":{"n":%d},`, n)
			}
			r := post(t.Context(), rpc("SendMessage", `{%s"message":{"role":"ROLE_USER","messageId":"m%d","parts":[{"text":"x"}]%s`, metadata, n, message))
			r.Header.Set("Traceparent", parent(n))
			r.Header.Set("Tracestate", fmt.Sprint("a=", n))
			if n%2 > 0 {
				r.Header.Set("A2A-Extensions", loud.URI+", https://example.com/unknown")
			}
			w := serve(h, r)
			synctest.Wait() // for the worker
			if strings.Contains(w.Body.String(), `"error"`) {
				t.Fatal(w.Body)
			}
			return idIn(w.Body.String())
		}
		const immediately = `,"configuration":{"returnImmediately":true,"taskPushNotificationConfig":{"id":"c","url":"https://example.com"}}}`
		id := send(`}}`)
		send(fmt.Sprintf(`,"taskId":%q}}`, id))
		worked := send(`}` + immediately)
		send(fmt.Sprintf(`,"taskId":%q}`, worked) + immediately)
		want := []string{
			parent(1) + " a=1 1 true true", parent(2) + " a=2 2 false false", parent(3) + " a=3 3 true true", parent(4) + " a=4 <nil> false false",
		}
		if !slices.Equal(got, want) {
			t.Errorf("the executor got %q, want %q", got, want)
		}
		configs, err := l.Pushes().List(t.Context(), a2a.TaskID(worked))
		if err != nil || len(configs) != 1 || configs[0].Trace.String() != parent(3)+" a=3" {
			t.Errorf("the webhook gets %+v, %v", configs, err)
		}
	})
}
