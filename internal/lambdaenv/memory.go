package lambdaenv

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
)

// LimitMemory gives Go's garbage collector the function's memory as its limit. Without one it lets
// garbage grow to as much as what is in use, and Lambda kills the process at the function's memory.
// An eighth, and 24 MB at least, is reserved for what the collector does not see: the binary, the
// runtime, what is allocated between two collections. GOMEMLIMIT, if set, wins.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func LimitMemory() {
	size, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	if err != nil || size <= 0 || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return
	}
	debug.SetMemoryLimit((size - max(size/8, min(24, size/2))) << 20)
}
