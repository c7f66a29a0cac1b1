package lambdaenv

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"

	"a2alambda/internal/memory"
)

// processMemory is what a process needs without a stream, in bytes, and for short requests.
const processMemory = 64 << 20

// Streams returns how many streams at the same time the memory limit of this process admits:
// [math.MaxInt] without one. See [LimitMemory].
func Streams() int {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return math.MaxInt
	}
	return int(max(1, (limit-processMemory)/memory.Stream))
}

// CheckConcurrency returns an error if a function has more invocations at once than its memory admits.
func CheckConcurrency() error {
	const name = "AWS_LAMBDA_MAX_CONCURRENCY" // set on Lambda Managed Instances
	text := os.Getenv(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("%s is %.20q, not a number from 1 on", name, text)
	}
	return Admits(name, n)
}

// Admits returns an error if the memory does not admit so many streams, as a setting has it.
func Admits(setting string, n int) error {
	if most := Streams(); n > most {
		return fmt.Errorf("%s is %d: the memory is enough for %d streams, at %d KB each", setting, n, most, memory.Stream>>10)
	}
	return nil
}
