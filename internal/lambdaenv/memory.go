package lambdaenv

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
)

// LimitMemory gives Go's garbage collector the function's memory as its limit. Without a limit, the
// collector lets garbage grow to the size of the memory in use, and Lambda kills a process that
// exceeds the function's memory. An eighth, at least 24 MB, stays free for memory that the
// collector does not see: the binary, the runtime, allocations between two collections. GOMEMLIMIT,
// if set, wins.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func LimitMemory() {
	size, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	if err != nil || size <= 0 || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return
	}
	debug.SetMemoryLimit((size - max(size/8, min(24, size/2))) << 20)
}
