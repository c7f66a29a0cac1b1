package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is where and of what the samples are.
type machine struct {
	CPU    string    `json:"cpu"`
	Cores  int       `json:"cores"`
	OS     string    `json:"os"`
	Go     string    `json:"go"`
	Commit string    `json:"commit"` // with "+changes" if the work tree has any
	Time   time.Time `json:"time"`
	Load   float64   `json:"load"` // average of a minute, at the beginning
}

// describe describes this machine. What can't be known is "unknown".
func describe(ctx context.Context) machine {
	m := machine{
		CPU: "unknown", Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Commit: "unknown",
		Time: time.Now().UTC().Truncate(time.Second),
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(info), "model name\t: "); found {
			m.CPU, _, _ = strings.Cut(rest, "\n")
		}
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.OS += ", Linux " + strings.TrimSpace(string(kernel))
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(load), " ")
		m.Load, _ = strconv.ParseFloat(first, 64)
	}
	if commit, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(commit))
		if changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changes) > 0 {
			m.Commit += "+changes"
		}
	}
	return m
}

// peakMemory returns the most that a process has had in memory, in MB.
func peakMemory(pid int) (float64, error) { return memory(pid, "VmHWM") }

// memory returns a field of a process's status that is an amount of memory, in MB.
func memory(pid int, field string) (float64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), field+":")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseFloat(kb, 64)
	return n / 1024, err
}
