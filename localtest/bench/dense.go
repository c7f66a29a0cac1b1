package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// measureDense measures many streams at once in one process.
func measureDense(ctx context.Context, b *bench, s *section) error {
	s.title = "Many streams in one instance"
	s.text = "As on Lambda Managed Instances: one process has all streams at once, over the Runtime API. Each has the six events of the tutorial's task, in three seconds. " +
		"CPU is the process's, memory what it has at most beyond what it had before, both by the number of streams."
	s.notes = []string{"The table, DynamoDB Local, is at the same machine, and slows the process down where it has too little of that."}
	function := func(mode string) func(int) (*running, error) {
		return func(n int) (*running, error) {
			f, err := emulator.New(emulator.Config{Binary: b.binary, Env: []string{"MODE=" + mode}, Log: b.log, Concurrency: n, MaxInstances: 1})
			if err != nil {
				return nil, err
			}
			return serve(f, f.Close), nil
		}
	}
	for _, system := range []struct {
		name  string
		start func(int) (*running, error)
	}{
		{memoryName, function("memory")},
		{dynamoName, func(n int) (*running, error) {
			return b.startShared(ctx, n)
		}},
		{peerName, function("a2a-go")},
	} {
		for _, n := range b.dense {
			b.say("%s, %d at once", system.name, n)
			if err := b.denseOf(ctx, s, system.name, n, system.start); err != nil {
				return fmt.Errorf("%s, %d at once: %w", system.name, n, err)
			}
		}
	}
	return nil
}

func (b *bench) denseOf(ctx context.Context, s *section, name string, n int, start func(int) (*running, error)) error {
	r, err := start(n)
	if err != nil {
		return err
	}
	defer r.close()
	if _, _, err := r.stream(ctx, load.Order{Events: 2}, nil); err != nil { // starts the process
		return err
	}
	pid := r.agent.Instances()[0].PID
	before, err := usedBy(pid)
	if err != nil {
		return err
	}
	firsts := make(chan time.Duration, n)
	err = together(n, func() error {
		first, _, err := r.stream(ctx, load.Order{Events: 6, EveryMS: 600}, nil)
		firsts <- first
		return err
	})
	after, usedErr := usedBy(pid)
	if err != nil || usedErr != nil {
		return fmt.Errorf("%w, %w", err, usedErr)
	}
	close(firsts)
	at := fmt.Sprintf(", %d at once", n)
	for first := range firsts {
		s.add(name, "first byte"+at, "ms", ms(first))
	}
	s.add(name, "CPU a stream"+at, "ms", ms(after.cpu-before.cpu)/float64(n))
	s.add(name, "memory a stream"+at, "KB", float64(after.peak-before.now)/float64(n)/1024)
	client.Transport.CloseIdleConnections()
	return nil
}

// used is what a process has used.
type used struct {
	cpu       time.Duration
	now, peak int64 // bytes of memory, now and at most
}

// usedBy reads it from /proc: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func usedBy(pid int) (u used, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const tick = 10 * time.Millisecond
	for _, i := range []int{11, 12} { // utime and stime
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(n) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range bytes.Lines(status) {
		f := bytes.Fields(line)
		for name, to := range map[string]*int64{"VmRSS:": &u.now, "VmHWM:": &u.peak} {
			if len(f) > 1 && string(f[0]) == name {
				kb, err := strconv.ParseInt(string(f[1]), 10, 64)
				if err != nil {
					return u, err
				}
				*to = kb << 10
			}
		}
	}
	return u, nil
}
