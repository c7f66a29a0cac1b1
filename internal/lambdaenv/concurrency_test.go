package lambdaenv

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestCheckConcurrency(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	for _, test := range []struct {
		text string
		mb   int64 // the limit of the memory; 0 for none
		want string
	}{
		{"", 448, ""},
		{"1", 40, ""},
		{"64", 1792, ""},
		{"4423", 1792, ""},
		{"4424", 1792, "AWS_LAMBDA_MAX_CONCURRENCY is 4424: the memory is enough for 4423 streams, at 400 KB each"},
		{"100000", 0, ""},
		{"0", 1792, `AWS_LAMBDA_MAX_CONCURRENCY is "0", not a number from 1 on`},
		{"-1", 1792, `AWS_LAMBDA_MAX_CONCURRENCY is "-1", not a number from 1 on`},
		{"many", 0, `AWS_LAMBDA_MAX_CONCURRENCY is "many", not a number from 1 on`},
	} {
		t.Setenv("AWS_LAMBDA_MAX_CONCURRENCY", test.text)
		debug.SetMemoryLimit(math.MaxInt64)
		if test.mb > 0 {
			debug.SetMemoryLimit(test.mb << 20)
		}
		got := ""
		if err := CheckConcurrency(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q at once, in %d MB: %q, want %q", test.text, test.mb, got, test.want)
		}
	}
}
