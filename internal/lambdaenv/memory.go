package lambdaenv

import (
	"io/fs"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"a2alambda/internal/memory"
)

// LimitMemory gives Go's garbage collector the function's memory as its limit, or, outside Lambda,
// the container's, if that has a limit. Without one, the collector lets garbage grow to the size of
// the memory in use, and Lambda, or the kernel, kills a process that exceeds it. An eighth, at least
// 24 MB, stays free for memory that the collector does not see: the binary, the runtime, allocations
// between two collections. GOMEMLIMIT, if set, wins. See also [memory.CollectEarly].
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func LimitMemory() {
	size, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	memory.CollectEarly(err != nil || lambdacontext.MaxConcurrency() > 1)
	if err != nil {
		size = containerMemory(os.DirFS("/sys/fs/cgroup")) >> 20
	}
	if size <= 0 || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return
	}
	debug.SetMemoryLimit(limitOf(size))
}

// limitOf returns the collector's limit, in bytes, for so many MB.
func limitOf(size int64) int64 { return (size - max(size/8, min(24, size/2))) << 20 }

// containerMemory returns how many bytes the control group of the container may have, or 0 if it has
// no limit, or more than a machine has. A container sees its own group as the root.
// https://docs.kernel.org/admin-guide/cgroup-v2.html
func containerMemory(groups fs.FS) int64 {
	const machine = 1 << 46 // version 1 writes a number near the largest for no limit
	for _, name := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		text, err := fs.ReadFile(groups, name)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n < machine {
			return n
		}
		return 0
	}
	return 0
}
