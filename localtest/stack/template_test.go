package stack

import (
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

func TestEmulatedMemory(t *testing.T) {
	tm := deploy.Read(t)
	for name, memory := range Memory {
		size := tm.Resources[strings.ToUpper(name[:1])+name[1:]+"Function"].Properties["MemorySize"]
		if ref, ok := size.(map[string]any); ok {
			size = tm.Parameters[fmt.Sprint(ref["Ref"])].Default
		}
		if fmt.Sprint(size) != fmt.Sprint(memory) {
			t.Errorf("%s: MemorySize is %v in template.yaml, %d in the stack", name, size, memory)
		}
	}
}

// TestLargestTasks checks that a request for a task as docs/limits.md says has room in the agent.
func TestLargestTasks(t *testing.T) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Fatal("GOMEMLIMIT is set, which counts")
	}
	defer debug.SetMemoryLimit(math.MaxInt64)
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", strconv.Itoa(Memory["agent"]))
	lambdaenv.LimitMemory()
	const largest = 6 << 20 // the body of a request, which is charged 12 times
	for _, test := range []struct {
		body          int64
		bytes, values int64
		fits          bool
	}{
		{largest, tasklog.MaxBytes, 60_000, true},
		{0, tasklog.MaxBytes, 250_000, true},
		{0, 45 << 20, tasklog.MaxValues, true},
		{0, tasklog.MaxBytes, tasklog.MaxValues, false},
	} {
		ctx, account := memory.Open(t.Context())
		err := memory.Charge(ctx, "body", 12*test.body)
		if err == nil {
			err = memory.Charge(ctx, "task", tasklog.Size{Bytes: test.bytes, Values: test.values}.Memory())
		}
		if (err == nil) != test.fits {
			t.Errorf("%+v: %v", test, err)
		}
		account.Close()
	}
}

func TestStreamFilter(t *testing.T) {
	events, err := deploy.Read(t).Properties("PushEventSource", deploy.Parameters{"Auth": "none"})
	localtest.Must(t, err)
	filters := events["FilterCriteria"].(map[string]any)["Filters"].([]any)
	if len(filters) != 1 || filters[0].(map[string]any)["Pattern"] != Filter {
		t.Errorf("template.yaml has the filters %v, not %s", filters, Filter)
	}
}
