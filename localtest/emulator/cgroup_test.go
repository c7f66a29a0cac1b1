package emulator_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

// ended keeps the observations of invocations' ends.
type ended struct {
	mu  sync.Mutex
	all []emulator.Observation
}

func (e *ended) observe(o emulator.Observation) {
	if o.Moment == emulator.Ended {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, o)
	}
}

// list returns them.
func (e *ended) list() []emulator.Observation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// last returns the last one.
func (e *ended) last() emulator.Observation {
	all := e.list()
	return all[len(all)-1]
}

// cellOf returns the directory of a process's cgroup that has a file.
func cellOf(t *testing.T, pid int, file string) string {
	t.Helper()
	cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	must(t, err)
	for l := range strings.Lines(string(cgroups)) {
		parts := strings.SplitN(strings.TrimSpace(l), ":", 3)
		dir := filepath.Join("/sys/fs/cgroup", strings.Split(parts[1], ",")[0], parts[2])
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			return dir
		}
	}
	t.Fatalf("process %d is in no cgroup with %s: %s", pid, file, cgroups)
	return ""
}

// number returns the number after a name at the beginning of a line of a file.
func number(t *testing.T, path, name string) float64 {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			must(t, err)
			return n
		}
	}
	t.Fatalf("%s has no %s: %s", path, name, text)
	return 0
}

// TestCPUShare has a function compute that has 128 MB, and so 7 % of a CPU. The kernel says how many
// periods it had, and what it used: a busy machine gives it fewer, and slower.
func TestCPUShare(t *testing.T) {
	var seen ended
	f := start(t, emulator.Config{Memory: 128, Limits: emulator.MemoryAndCPU, Observer: seen.observe})
	f.text(t, "/spin?ms=1")
	dir := cellOf(t, f.Instances()[0].PID, "cpu.stat")
	stat := filepath.Join(dir, "cpu.stat")
	periods, throttled := number(t, stat, "nr_periods"), number(t, stat, "nr_throttled")
	f.text(t, "/spin?ms=150")
	periods, throttled = number(t, stat, "nr_periods")-periods, number(t, stat, "nr_throttled")-throttled
	used := seen.last().CPU.Seconds()
	share := used / (periods * 0.020)
	t.Logf("it used %.0f ms in %.0f periods, and was stopped in %.0f: %.1f %% of a CPU, %v billed", used*1000, periods, throttled, share*100, seen.last().Billed)
	if used < 0.150 || used > 0.300 {
		t.Errorf("it used %v of CPU, want 150 ms and little more", seen.last().CPU)
	}
	// The kernel keeps the share in the long run; a period may take up to 4 ms too much.
	if want := 128.0 / 1769; share > want*1.2 || throttled == 0 || used < 0.5*throttled*0.020*want {
		t.Errorf("it had %.1f %% of a CPU, and was stopped %.0f times; want %.1f %%", share*100, throttled, want*100)
	}
	if got := f.text(t, "/env"); !strings.Contains(got, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128") {
		t.Error("the function is not told of 128 MB")
	}
	must(t, f.Close())
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cgroup is still there: %v", err)
	}
}

// TestOutOfMemory has a function take more memory than it has: before, and amid its answer, and
// invoked by another function.
func TestOutOfMemory(t *testing.T) {
	var seen ended
	f := start(t, emulator.Config{Memory: 128, Limits: emulator.MemoryLimit, Observer: seen.observe})
	if got := f.text(t, "/hog?mb=40"); got != "40 MB" {
		t.Errorf("40 MB of 128: %s", got)
	}
	if peak := seen.last().MaxMemory; peak < 40<<20 || peak > 128<<20 || f.Peak() != peak {
		t.Errorf("the peak is %d MB, and %d", peak>>20, f.Peak()>>20)
	}
	pid := f.Instances()[0].PID
	dir := cellOf(t, pid, "memory.stat")
	f.ResetPeak()
	f.want(t, "/hog?mb=200", 502, serverError, false)
	checkGone(t, pid)
	if err := seen.last().Err; !errors.Is(err, emulator.ErrOutOfMemory) || err.Error() != "Runtime exited with error: signal: killed (Runtime.OutOfMemory)" {
		t.Errorf("the invocation ended with %v", err)
	}
	f.want(t, "/hog?mb=200&first=begun", 200, "begun", true)
	if err := seen.last().Err; !errors.Is(err, emulator.ErrOutOfMemory) {
		t.Errorf("the stream ended with %v", err)
	}
	// It may leave out up to 4 MB of what it is about to take.
	if peak := f.Peak(); f.Killed() != 2 || peak < 124<<20 || peak > 129<<20 {
		t.Errorf("%d were killed; the peak is %d MB", f.Killed(), peak>>20)
	}
	f.want(t, "/fail?how=panic&first=begun", 200, "begun", true)
	if n := f.Killed(); n != 2 {
		t.Errorf("after a panic, %d were killed for lack of memory", n)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cgroup of the killed instance is still there: %v", err)
	}

	l, err := emulator.NewLambda(emulator.LambdaConfig{Functions: []*emulator.Emulator{f.Emulator}})
	must(t, err)
	defer l.Close()
	if err := l.Call("function", []byte(`{"version":"2.0","rawPath":"/hog","rawQueryString":"mb=200","requestContext":{"domainName":"x.lambda-url.us-east-1.on.aws","http":{"method":"GET","path":"/hog"}}}`)); !errors.Is(err, emulator.ErrOutOfMemory) {
		t.Errorf("Call ended with %v", err)
	}
}

// TestUsage compares the meter with the invocations, whose times the client has seen.
func TestUsage(t *testing.T) {
	var seen ended
	f := start(t, emulator.Config{Memory: 256, Observer: seen.observe})
	begun := time.Now()
	for range 3 {
		f.text(t, "/pid")
	}
	g := newGate(t) // a stream is billed until its end
	response := f.get(t, g.path())
	line(t, response.Body)
	time.Sleep(100 * time.Millisecond)
	g.pass(t, 204)
	if rest, err := readAll(response); rest != "" || err != nil {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
	took, got := time.Since(begun), f.Usage()
	var sum time.Duration
	for _, o := range seen.list() {
		sum += o.Billed
	}
	if got.Invocations != 4 || got.Billed != sum || got.Billed < 100*time.Millisecond || got.Billed > took+4*time.Millisecond {
		t.Errorf("%+v; the invocations were billed %v, in %v", got, sum, took)
	}
	if want := sum.Seconds() / 4; math.Abs(got.GBSeconds-want) > 1e-9 {
		t.Errorf("%v GB-seconds, want %v", got.GBSeconds, want)
	}
	if seen.list()[3].Billed < 100*time.Millisecond {
		t.Errorf("the stream of 100 ms was billed %v", seen.list()[3].Billed)
	}
}

func TestBadMemory(t *testing.T) {
	for _, mb := range []int{127, 10241} {
		_, err := emulator.New(emulator.Config{Binary: "/bin/sh", Memory: mb, Limits: emulator.MemoryLimit})
		if err == nil || !strings.Contains(err.Error(), "from 128 to 10240") {
			t.Errorf("%d MB: %v", mb, err)
		}
	}
}
