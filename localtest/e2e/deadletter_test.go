package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestFailedWake checks that the log names the tasks that the push function has failed on. The
// dead-letter queue does not: Lambda writes only the last request's id there.
func TestFailedWake(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	config := deployedFunctions(t)["push"]
	config.Log, config.Env = io.MultiWriter(&log, t.Output()), append(config.Env, "TABLE_NAME=none")
	record := func(task string) string {
		return `{"eventName":"MODIFY","dynamodb":{"Keys":{"pk":{"S":"` + task + `"},"sk":{"S":"H"}},"NewImage":{"p":{"N":"1"}}}}`
	}
	err := hooked{"push": config}.start(t).call(t, "push", `{"Records":[`+record("task-1")+`,`+record("task-2")+`]}`)
	if err == nil {
		t.Fatal("the function has not failed")
	}
	for line := range strings.Lines(log.String()) {
		var l struct {
			Message, RequestID string
			Tasks              []string
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Message == "wake failed" {
			if slices.Sort(l.Tasks); !slices.Equal(l.Tasks, []string{"task-1", "task-2"}) || l.RequestID == "" {
				t.Errorf("the log says %s", line)
			}
			return
		}
	}
	t.Errorf("the log does not say which tasks it is about:\n%s", log.String())
}
