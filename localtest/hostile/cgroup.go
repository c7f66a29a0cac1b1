// Package hostile sends the deployed functions requests that are made to take memory. Each function
// is in a memory cgroup of the size in template.yaml. The kernel says whether it killed one.
package hostile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Cells are memory cgroups, one for each instance of a function. Where this process may not make
// any, Kernel is "": then the resident memory of instances is measured, and not limited.
type Cells struct {
	Kernel string // "cgroup v1", "cgroup v2" or ""

	root string // all cells are in this cgroup
	dir  string // for scripts
	fs   filesystem
}

// filesystem has the names of a cgroup's files.
type filesystem struct{ mount, mark, limit, swap, noSwap, peak, kills string }

var filesystems = map[string]filesystem{
	"cgroup v1": {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "same", "memory.max_usage_in_bytes", "memory.oom_control"},
	"cgroup v2": {"/sys/fs/cgroup", "cgroup.controllers", "memory.max", "memory.swap.max", "0", "memory.peak", "memory.events"},
}

// NewCells makes the cells; dir is for scripts. The caller must call [Cells.Close] after the
// instances.
func NewCells(dir string) *Cells {
	for kernel, fs := range filesystems {
		if _, err := os.Stat(filepath.Join(fs.mount, fs.mark)); err != nil {
			continue // another file system is there
		}
		root := filepath.Join(fs.mount, fmt.Sprintf("a2alambda-hostile-%d", os.Getpid()))
		if os.Mkdir(root, 0o755) != nil {
			continue
		}
		if kernel == "cgroup v2" {
			_ = os.WriteFile(filepath.Join(fs.mount, "cgroup.subtree_control"), []byte("+memory"), 0)
			_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0)
		}
		probe := filepath.Join(root, "probe")
		err := os.Mkdir(probe, 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(probe, fs.limit), []byte("67108864"), 0)
			_ = os.Remove(probe)
		}
		if err == nil {
			return &Cells{Kernel: kernel, root: root, dir: dir, fs: fs}
		}
		_ = os.Remove(root)
	}
	return &Cells{dir: dir}
}

// Wrap returns a program that runs the binary, each time in a new cell of mb MB, without swap.
func (c *Cells) Wrap(name, binary string, mb int) (string, error) {
	script := fmt.Sprintf("#!/bin/sh\nexec %q\n", binary)
	if c.Kernel != "" {
		limit := strconv.Itoa(mb << 20)
		swap := c.fs.noSwap
		if swap == "same" {
			swap = limit
		}
		script = fmt.Sprintf("#!/bin/sh\nset -e\ncell=%q.$$\nmkdir \"$cell\"\necho %s >\"$cell/%s\"\n"+
			"{ echo %s >\"$cell/%s\"; } 2>/dev/null || true\necho $$ >\"$cell/cgroup.procs\"\nexec %q\n",
			filepath.Join(c.root, name), limit, c.fs.limit, swap, c.fs.swap, binary)
	}
	path := filepath.Join(c.dir, name)
	return path, os.WriteFile(path, []byte(script), 0o755)
}

func (c *Cells) cells(name string) []string {
	if c.Kernel == "" {
		return nil
	}
	all, _ := filepath.Glob(filepath.Join(c.root, name+".*"))
	return all
}

// Kills returns how many of the function's processes the kernel has killed for lack of memory.
func (c *Cells) Kills(name string) (n int) {
	for _, cell := range c.cells(name) {
		data, _ := os.ReadFile(filepath.Join(cell, c.fs.kills))
		for line := range bytes.Lines(data) {
			if text, ok := strings.CutPrefix(string(line), "oom_kill "); ok {
				kills, _ := strconv.Atoi(strings.TrimSpace(text))
				n += kills
			}
		}
	}
	return n
}

// Peak returns the most memory, in MB, that an instance of the function has had since
// [Cells.Reset]: the kernel's count for its cell. That includes cached files, which it would give
// up. Without cells it is the processes' resident memory.
func (c *Cells) Peak(name string, pids ...int) (mb int) {
	for _, cell := range c.cells(name) {
		data, _ := os.ReadFile(filepath.Join(cell, c.fs.peak))
		n, _ := strconv.Atoi(string(bytes.TrimSpace(data)))
		mb = max(mb, n>>20)
	}
	if c.Kernel != "" {
		return mb
	}
	for _, pid := range pids {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, found := strings.Cut(string(status), "VmHWM:"); found {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			mb = max(mb, kb>>10)
		}
	}
	return mb
}

// Reset begins a new peak.
func (c *Cells) Reset(name string, pids ...int) {
	for _, cell := range c.cells(name) {
		_ = os.WriteFile(filepath.Join(cell, c.fs.peak), []byte("0"), 0)
	}
	if c.Kernel == "" {
		for _, pid := range pids {
			_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
		}
	}
}

// Close removes the cells. The processes in them must have ended.
func (c *Cells) Close() error {
	if c.Kernel == "" {
		return nil
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		for _, cell := range c.cells("*") {
			_ = os.Remove(cell)
		}
		err := os.Remove(c.root)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
