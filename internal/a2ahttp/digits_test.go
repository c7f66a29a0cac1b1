package a2ahttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// numbers returns an executor that notes the numbers it gets, says some, and asks for input.
func numbers(got *[]string) hosttest.Executor {
	return func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		note := func(where string, v any) {
			object, _ := v.(map[string]any)
			*got = append(*got, fmt.Sprintf("%s %T %[2]v %T %[3]v", where, object["large"], object["small"]))
		}
		note("message", ec.Message.Parts[0].Data())
		note("its metadata", ec.Message.Metadata)
		note("metadata", ec.Metadata)
		if ec.StoredTask != nil {
			note("stored", ec.StoredTask.History[0].Parts[0].Data())
		}
		large := map[string]any{"large": json.Number("12345678901234567890"), "small": 7.0}
		m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewDataPart(large))
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, m), nil)
	}
}

// TestDigits checks that an executor gets large integers with all of their digits, live, in a
// worker and out of the log, and other numbers as float64. Clients of both versions see them
// unchanged.
func TestDigits(t *testing.T) {
	for name, immediately := range map[string]bool{"live": false, "in a worker": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen []string
				h := handlerOf(new(memlog.Log), t.Output(), numbers(&seen))
				const object = `{"large":12345678901234567890,"small":1}`
				send := func(n int, task string) string {
					got := answer(t, h, rpc("SendMessage", `{"metadata":%[1]s,"message":{"messageId":"m%[2]d","role":"ROLE_USER","parts":[{"data":%[1]s}],"metadata":%[1]s%[3]s},"configuration":{"returnImmediately":%[4]t}}`,
						object, n, task, immediately))
					synctest.Wait()
					return got
				}
				id := idIn(send(1, ""))
				send(2, fmt.Sprintf(`,"taskId":%q`, id))
				const number = "json.Number 12345678901234567890 float64 1"
				want := []string{"message " + number, "its metadata " + number, "metadata " + number}
				want = append(append(want, want...), "stored "+number)
				if got := strings.Join(seen, "\n"); got != strings.Join(want, "\n") {
					t.Errorf("the executor got\n%s", got)
				}
				for _, call := range []string{
					rpc("GetTask", `{"id":%q}`, id), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":%q}}`, id),
				} {
					const twice, said = 4, 2 // messages with metadata; the agent's
					if got := answer(t, h, call); strings.Count(got, `"large":12345678901234567890`) != twice+said {
						t.Errorf("the client sees %s", got)
					}
				}
			})
		})
	}
}
