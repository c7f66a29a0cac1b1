package lambdaenv

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestLimitMemory(t *testing.T) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Skip("GOMEMLIMIT is set, which counts")
	}
	for _, test := range []struct {
		size string
		want int64
	}{{"128", 104 << 20}, {"512", 448 << 20}, {"10240", 8960 << 20}, {"", math.MaxInt64}, {"much", math.MaxInt64}} {
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
