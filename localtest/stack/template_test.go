package stack

import (
	"fmt"
	"strings"
	"testing"

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

func TestStreamFilter(t *testing.T) {
	events, err := deploy.Read(t).Properties("PushEventSource", deploy.Parameters{"Auth": "none"})
	localtest.Must(t, err)
	filters := events["FilterCriteria"].(map[string]any)["Filters"].([]any)
	if len(filters) != 1 || filters[0].(map[string]any)["Pattern"] != Filter {
		t.Errorf("template.yaml has the filters %v, not %s", filters, Filter)
	}
}
