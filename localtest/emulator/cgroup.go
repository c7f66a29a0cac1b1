package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits says what holds an instance to its memory size.
type Limits int

const (
	// NoLimits: it only reads the size in its environment.
	NoLimits Limits = iota
	// MemoryLimit: the kernel kills it when it takes more memory.
	MemoryLimit
	// MemoryAndCPU: besides, it gets as much of a CPU as Lambda gives it with that memory.
	MemoryAndCPU
)

const (
	// wholeCPU is the memory, in MB, with which Lambda gives a function one CPU. Less gets less, in
	// proportion. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
	wholeCPU = 1769

	// cpuPeriod is the time in which an instance may use its share of CPU. Then it waits for the
	// next. Linux's own default is 100 ms: with that, a function of 128 MB would compute for 7 ms
	// at once, and stand still for 93. Functions that compute all the time see pauses of 20 ms on
	// Lambda: https://github.com/pwrdrvr/lambda-dispatch/issues/246 AWS does not document it.
	cpuPeriod = 20 * time.Millisecond

	// Lambda's sizes, in MB.
	minMemory, maxMemory = 128, 10240

	cellPrefix = "a2alambda-"
)

// hierarchy is where the machine has its cgroups, and the names of their files there.
// https://docs.kernel.org/admin-guide/cgroup-v1/ and https://docs.kernel.org/admin-guide/cgroup-v2.html
type hierarchy struct {
	memory, cpu, account              string // directories; equal in version 2
	limit, swap, peak, kills, measure string
	v2                                bool
}

var hierarchies = []hierarchy{
	{
		memory: "/sys/fs/cgroup/memory", cpu: "/sys/fs/cgroup/cpu", account: "/sys/fs/cgroup/cpuacct",
		limit: "memory.limit_in_bytes", swap: "memory.memsw.limit_in_bytes", peak: "memory.max_usage_in_bytes",
		kills: "memory.oom_control", measure: "cpuacct.usage",
	},
	{
		memory: "/sys/fs/cgroup", cpu: "/sys/fs/cgroup", account: "/sys/fs/cgroup", v2: true,
		limit: "memory.max", swap: "memory.swap.max", peak: "memory.peak", kills: "memory.events", measure: "cpu.stat",
	},
}

// cells makes cgroups, one for each instance.
type cells struct {
	hierarchy
	limits Limits
	mb     int
}

var made atomic.Int64 // cells of this process

// openCells checks that cells can be made on this machine, and removes those of emulators that were
// killed.
func openCells(l Limits, mb int) (*cells, error) {
	if l == NoLimits {
		return nil, nil
	}
	if mb < minMemory || mb > maxMemory {
		return nil, fmt.Errorf("emulator: a function of %d MB: Lambda has from %d to %d MB", mb, minMemory, maxMemory)
	}
	if runtime.GOOS != "linux" {
		return nil, errors.New("emulator: only Linux can hold a function to its memory and share of CPU")
	}
	var failed error
	for _, h := range hierarchies {
		c := &cells{hierarchy: h, limits: l, mb: mb}
		if h.v2 {
			_ = os.WriteFile(filepath.Join(h.memory, "cgroup.subtree_control"), []byte("+memory +cpu"), 0)
		}
		probe, err := c.add()
		if err == nil {
			probe.remove()
			c.sweep()
			return c, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, fmt.Errorf("emulator: a function can be held to its memory and share of CPU only by root, where cgroups may be written: %s",
		strings.ReplaceAll(failed.Error(), "\n", "; "))
}

// directories returns a cell's directories, or a pattern of them.
func (h *hierarchy) directories(name string) []string {
	all := []string{filepath.Join(h.memory, name)}
	if !h.v2 {
		all = append(all, filepath.Join(h.cpu, name), filepath.Join(h.account, name))
	}
	return all
}

// sweep removes the cells of emulators that are gone.
func (c *cells) sweep() {
	for _, pattern := range c.directories(cellPrefix + "*") {
		all, _ := filepath.Glob(pattern)
		for _, dir := range all {
			pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), cellPrefix), "-")
			if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
				_ = os.Remove(dir)
			}
		}
	}
}

// add makes a cell without a process.
func (c *cells) add() (*cell, error) {
	name := fmt.Sprintf("%s%d-%d", cellPrefix, os.Getpid(), made.Add(1))
	new := &cell{cells: c, name: name}
	err := new.make()
	if err != nil {
		new.remove()
		return nil, err
	}
	return new, nil
}

// cell is the cgroup of an instance, or a cgroup in each hierarchy of version 1. A nil cell holds
// nothing.
type cell struct {
	*cells
	name string

	mu      sync.Mutex
	removed bool
	last    usage // of a removed cell
}

// usage is what a cell has used.
type usage struct {
	cpu   time.Duration
	peak  int64 // the most memory at a time, in bytes
	kills int   // processes that the kernel has killed for lack of memory
}

func (c *cell) make() error {
	for _, dir := range c.directories(c.name) {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) { // two hierarchies may be mounted as one
			return err
		}
	}
	limit, swap := strconv.Itoa(c.mb<<20), "0"
	if !c.v2 {
		swap = limit // of memory and swap together
	}
	if err := write(filepath.Join(c.memory, c.name, c.limit), limit); err != nil {
		return err
	}
	// A kernel without swap may not have the file.
	if err := write(filepath.Join(c.memory, c.name, c.swap), swap); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		return err
	}
	if c.limits < MemoryAndCPU {
		return nil
	}
	period := cpuPeriod.Microseconds()
	quota := period * int64(c.mb) / wholeCPU
	if c.v2 {
		return write(filepath.Join(c.cpu, c.name, "cpu.max"), fmt.Sprint(quota, " ", period))
	}
	return errors.Join(
		write(filepath.Join(c.cpu, c.name, "cpu.cfs_period_us"), fmt.Sprint(period)),
		write(filepath.Join(c.cpu, c.name, "cpu.cfs_quota_us"), fmt.Sprint(quota)))
}

// write writes to a file that the kernel has made.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// take moves a process into the cell.
func (c *cell) take(pid int) error {
	for _, dir := range c.directories(c.name) {
		if err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// used returns what the cell has used until now or, once it is removed, until then.
func (c *cell) used() usage {
	if c == nil {
		return usage{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return c.last
	}
	return c.read()
}

func (c *cell) read() (u usage) {
	peak, err := os.ReadFile(filepath.Join(c.memory, c.name, c.peak))
	if err != nil { // before Linux 5.19, version 2 has only what is in use now
		peak, _ = os.ReadFile(filepath.Join(c.memory, c.name, "memory.current"))
	}
	u.peak, _ = strconv.ParseInt(string(bytes.TrimSpace(peak)), 10, 64)
	events, _ := os.ReadFile(filepath.Join(c.memory, c.name, c.kills))
	u.kills = int(field(events, "oom_kill "))
	measured, _ := os.ReadFile(filepath.Join(c.account, c.name, c.measure))
	if c.v2 {
		u.cpu = time.Duration(field(measured, "usage_usec ")) * time.Microsecond
	} else {
		ns, _ := strconv.ParseInt(string(bytes.TrimSpace(measured)), 10, 64)
		u.cpu = time.Duration(ns)
	}
	return u
}

// field returns the number after a name at the beginning of a line.
func field(text []byte, name string) (n int64) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, _ = strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
		}
	}
	return n
}

// resetPeak begins a new peak, where the kernel can.
func (c *cell) resetPeak() {
	if c != nil {
		_ = write(filepath.Join(c.memory, c.name, c.peak), "0")
	}
}

// remove ends all that runs in the cell, which an instance may have started, and removes it.
func (c *cell) remove() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return
	}
	c.last, c.removed = c.read(), true
	for _, dir := range c.directories(c.name) {
		for range 1000 { // a second: a process that was killed leaves the cell when it has ended
			if err := os.Remove(dir); !errors.Is(err, syscall.EBUSY) {
				break
			}
			procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			for pid := range strings.FieldsSeq(string(procs)) {
				if n, err := strconv.Atoi(pid); err == nil {
					_ = syscall.Kill(n, syscall.SIGKILL)
				}
			}
			time.Sleep(time.Millisecond)
		}
	}
}
