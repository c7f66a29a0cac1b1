package lambdaenv

import (
	"math"
	"os"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

// TestContainerMemory reads the limit of a container, as both versions of control groups write it.
func TestContainerMemory(t *testing.T) {
	const v1, v2 = "memory/memory.limit_in_bytes", "memory.max"
	for _, test := range []struct {
		name, text string
		want       int64
	}{
		{v2, "2147483648\n", 2 << 30}, {v2, "max\n", 0}, {v2, "", 0}, {v2, "0\n", 0}, {v2, "-1\n", -1},
		{v1, "536870912\n", 512 << 20}, {v1, "9223372036854771712\n", 0}, {"other", "1", 0},
	} {
		got := containerMemory(fstest.MapFS{test.name: {Data: []byte(test.text)}})
		if got != test.want {
			t.Errorf("%s with %q: %d, want %d", test.name, test.text, got, test.want)
		}
	}
	if got := limitOf(2048); got != 1792<<20 {
		t.Errorf("of 2 GB the collector may have %d", got)
	}
}

func TestLimitMemory(t *testing.T) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Skip("GOMEMLIMIT is set, which counts")
	}
	elsewhere := int64(math.MaxInt64)
	if n := containerMemory(os.DirFS("/sys/fs/cgroup")) >> 20; n > 0 {
		elsewhere = limitOf(n) // the test runs in such a container
	}
	for _, test := range []struct {
		size string
		want int64
	}{{"128", 104 << 20}, {"512", 448 << 20}, {"10240", 8960 << 20}, {"", elsewhere}, {"much", elsewhere}} {
		t.Run(test.size, func(t *testing.T) {
			defer debug.SetMemoryLimit(math.MaxInt64)
			t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", test.size)
			LimitMemory()
			if got := debug.SetMemoryLimit(-1); got != test.want {
				t.Errorf("of %q MB, the collector is told of %d bytes, want %d", test.size, got, test.want)
			}
		})
	}
}
