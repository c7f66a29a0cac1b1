package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"a2alambda/localtest/bench/internal/load"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

const (
	// eachName ends the name of a system that has an instance for each stream.
	eachName = ", an instance each"

	// denseMB is the memory of an instance. It admits 4,000 streams.
	denseMB = 4096

	// denseAfter is how much later than the one before it a stream begins.
	denseAfter = 3 * time.Millisecond

	// denseThousands is how many streams are so many that they must last longer.
	denseThousands = 2000

	// denseSilent is for how long silent streams are watched.
	denseSilent = 5 * time.Second

	// denseFiles is how many files this process needs for a stream: its client, the function URL, and
	// the Runtime API, which gets the answer, and may be asked for the next invocation.
	denseFiles = 4
)

// dense is a system that has many streams in one process.
type dense struct {
	name string
	// start starts it for n streams at once.
	start func(n int) (*running, error)
}

// measureDense measures many streams at once in one process.
func measureDense(ctx context.Context, b *bench, s *section) error {
	restore, err := b.lighten(ctx)
	if err != nil {
		return err
	}
	defer restore()
	s.title, s.columns = "Many streams in one instance", true
	s.text = "One process has all streams at once: over the Runtime API, as on Lambda Managed Instances, or as a server (HTTP). Each stream has the six events of the tutorial's task. " +
		"It lasts three seconds, or, where there are more than 600, 5 ms for each of them, and 10 ms where there are more than 2,000. CPU is the process's by the number of streams; memory is the most that it has, less what one with a single stream has, by their number. A silent stream's run waits, and holds its lease; its memory is what the process has then, less what it had before the streams. " +
		"Beside it is today's default, where a stream's process is all its own. The table is in " + b.engine.Name + ", which shares the machine. Machine's load when it began, over a minute: " + machineLoad() + "."
	durable := "a2alambda, " + b.engine.Name
	function := func(mode string) func(int) (*running, error) {
		return func(n int) (*running, error) {
			f, err := emulator.New(emulator.Config{Binary: b.binary, Env: []string{"MODE=" + mode}, Log: b.log, Concurrency: n, MaxInstances: 1, Memory: denseMB})
			if err != nil {
				return nil, err
			}
			return serve(f, f.Close), nil
		}
	}
	server := func(mode string) func(int) (*running, error) {
		return func(int) (*running, error) {
			cmd := exec.Command(b.binary)
			cmd.Env = append(os.Environ(), "MODE="+mode)
			return startServer(ctx, cmd)
		}
	}
	shared := func(n int) (*running, error) {
		return b.startDense(ctx, emulator.Config{Concurrency: n, MaxInstances: 1, Memory: denseMB})
	}
	each := func(n int) (*running, error) { return b.startDense(ctx, emulator.Config{MaxInstances: n}) }
	if err := b.denseOf(ctx, s, dense{durable + eachName, each}, b.dense[0], 0); err != nil {
		return err
	}
	for _, system := range []dense{
		{peerName, function("a2a-go")},
		{memoryName, function("memory")},
		{durable, shared},
		{peerName + byHTTP, server("a2a-go")},
		{memoryName + byHTTP, server("memory")},
	} {
		alone, err := b.alone(ctx, system)
		if err != nil {
			return err
		}
		for _, n := range b.dense {
			if most := files() / denseFiles; n > most {
				b.leaveOut("%d streams in one instance: this machine's limit of open files is enough for %d (ulimit -Hn).", n, most)
				continue
			}
			err := b.denseOf(ctx, s, system, n, alone)
			if err == nil && system.name == durable {
				err = b.silent(ctx, s, system, n)
			}
			if ctx.Err() != nil {
				return err
			}
			if err != nil { // the machine, which has the table, too, is too slow
				what, _, _ := strings.Cut(err.Error(), ": {")
				b.leaveOut("%s", what)
			}
		}
	}
	return nil
}

// silent measures what n streams use whose runs wait.
func (b *bench) silent(ctx context.Context, s *section, system dense, n int) error {
	b.say("%s, %d silent", system.name, n)
	r, err := system.start(n)
	if err != nil {
		return err
	}
	defer r.close()
	if _, _, err := r.stream(ctx, load.Order{Events: 2}, nil); err != nil { // starts a process
		return fmt.Errorf("%s, %d silent: %w", system.name, n, err)
	}
	without, err := usedBy(r.pids())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the streams
	defer cancel()
	var group errgroup.Group
	for i := range n {
		group.Go(func() error {
			time.Sleep(time.Duration(i) * denseAfter)
			stream, _, err := r.begin(ctx, load.Order{Events: 3, EveryMS: int(time.Hour.Milliseconds())})
			if err == nil {
				go stream.Until("nothing has this") // reads what keeps it alive
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%s, %d silent: %w", system.name, n, err)
	}
	time.Sleep(denseSilent / 2)
	before, err := usedBy(r.pids())
	if err != nil {
		return err
	}
	begun := time.Now()
	time.Sleep(denseSilent)
	after, err := usedBy(r.pids())
	at := fmt.Sprintf(", %s at once", figure(float64(n)))
	s.add(system.name, "CPU of a silent stream in a second"+at, "ms", ms(after.cpu-before.cpu)/float64(n)/time.Since(begun).Seconds())
	s.add(system.name, "memory of a silent stream"+at, "KB", float64(max(0, after.now-without.now))/float64(n)/1024)
	return err
}

// denseLasts returns how long each of n streams lasts: three seconds, as the tutorial's task, or so
// long that they are all there at the same time. Thousands last longer, since their table is on the
// same machine, and could not keep up.
func denseLasts(n int) time.Duration {
	each := 5 * time.Millisecond
	if n > denseThousands {
		each *= 2
	}
	return max(3*time.Second, time.Duration(n)*each)
}

// files returns how many files a process may have open. Go raises that to the hard limit itself.
func files() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}

// alone returns the most memory of a process that has had a single stream.
func (b *bench) alone(ctx context.Context, system dense) (int64, error) {
	r, err := system.start(1)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if _, _, err := r.stream(ctx, load.Order{Events: 6}, nil); err != nil {
		return 0, fmt.Errorf("%s: %w", system.name, err)
	}
	u, err := usedBy(r.pids())
	return u.peak, err
}

// denseOf measures n streams at once. Of the memory of each process, alone is for none of them.
func (b *bench) denseOf(ctx context.Context, s *section, system dense, n int, alone int64) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s, %d at once: %w", system.name, n, err)
		}
	}()
	b.say("%s, %d at once", system.name, n)
	r, err := system.start(n)
	if err != nil {
		return err
	}
	defer r.close()
	if _, _, err := r.stream(ctx, load.Order{Events: 2}, nil); err != nil { // starts a process
		return err
	}
	before, err := usedBy(r.pids())
	if err != nil {
		return err
	}
	firsts := make(chan time.Duration, n)
	every := denseLasts(n) / 5
	within := 4 * (time.Duration(n)*denseAfter + 5*every)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var group errgroup.Group
	for i := range n {
		group.Go(func() error {
			time.Sleep(time.Duration(i) * denseAfter)
			first, _, err := r.stream(ctx, load.Order{Events: 6, EveryMS: int(every.Milliseconds())}, nil)
			firsts <- first
			return err
		})
	}
	if err = group.Wait(); ctx.Err() != nil {
		err = fmt.Errorf("not all streams ended within %v", within)
	}
	pids := r.pids()
	after, usedErr := usedBy(pids)
	if err := errors.Join(err, usedErr); err != nil {
		return err
	}
	close(firsts)
	at := fmt.Sprintf(", %s at once", figure(float64(n)))
	s.add(system.name, "CPU a stream"+at, "ms", ms(after.cpu-before.cpu)/float64(n))
	s.add(system.name, "memory a stream"+at, "KB", float64(max(0, after.peak-int64(len(pids))*alone))/float64(n)/1024)
	for first := range firsts {
		s.add(system.name, "first byte"+at, "ms", ms(first))
	}
	client.Transport.CloseIdleConnections()
	return nil
}

// used is what processes have used.
type used struct {
	cpu  time.Duration
	peak int64 // bytes of memory at most, of each
	now  int64 // bytes of memory
}

// usedBy reads it from /proc: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func usedBy(pids []int) (u used, err error) {
	for _, pid := range pids {
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
			if len(f) < 2 || string(f[0]) != "VmHWM:" && string(f[0]) != "VmRSS:" {
				continue
			}
			kb, err := strconv.ParseInt(string(f[1]), 10, 64)
			if err != nil {
				return u, err
			}
			if string(f[0]) == "VmHWM:" {
				u.peak += kb << 10
			} else {
				u.now += kb << 10
			}
		}
	}
	return u, nil
}
