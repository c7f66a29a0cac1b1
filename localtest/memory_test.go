package localtest_test

import (
	"fmt"
	"strings"
	"testing"

	"a2alambda/localtest/stack"
)

// TestEmulatedMemory checks that the emulated functions have as much memory as the deployed ones.
func TestEmulatedMemory(t *testing.T) {
	tm := parsedTemplate(t)
	for name, memory := range stack.Memory {
		size := tm.Resources[strings.ToUpper(name[:1])+name[1:]+"Function"].Properties["MemorySize"]
		if ref, ok := size.(map[string]any); ok {
			size = tm.Parameters[fmt.Sprint(ref["Ref"])].Default
		}
		if fmt.Sprint(size) != fmt.Sprint(memory) {
			t.Errorf("%s: MemorySize is %v in template.yaml, %d in the stack", name, size, memory)
		}
	}
}
