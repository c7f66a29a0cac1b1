package emulator

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// instance is a process of the function, with its Runtime API.
type instance struct {
	id     string
	state  State // guarded by Emulator.mu; "" until it has a process
	ending bool  // it gets no more events; guarded by Emulator.mu
	// What it has, by request id; guarded by Emulator.mu; with Concurrency.
	taken   map[string]bool
	stopped bool          // by Emulator.Freeze; guarded by Emulator.mu
	queue   chan *offer   // its next events, as many as it may have at once
	atNext  chan struct{} // holds a value while the process waits for an event
	exited  chan struct{} // closed when the process has ended and is forgotten

	launched chan struct{} // closed when what follows is set, up to listener

	started  time.Time
	cmd      *exec.Cmd
	cell     *cell // nil for none
	listener net.Listener

	signals atomic.Bool // the process wants SIGTERM before SIGKILL

	mu        sync.Mutex
	used      bool                   // it has got an event
	running   map[string]*invocation // by their ids
	initError []byte                 // JSON: why the process says that it can't start
}

func newInstance(id string, concurrency int) *instance {
	return &instance{
		id:       id,
		running:  map[string]*invocation{},
		taken:    map[string]bool{},
		queue:    make(chan *offer, max(1, concurrency)),
		atNext:   make(chan struct{}, 1),
		exited:   make(chan struct{}),
		launched: make(chan struct{}),
	}
}

func (i *instance) start(e *Emulator) (err error) {
	i.cmd = exec.Command(e.config.Binary)
	i.listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("emulator: runtime API: %w", err)
	}
	api := i.listener.Addr().String()
	i.cmd.Dir = filepath.Dir(e.config.Binary)
	i.cmd.Env = environment(api, e.config.Name, i.id, i.cmd.Dir, e.config.Memory)
	if n := e.config.Concurrency; n > 0 {
		i.cmd.Env = append(i.cmd.Env, "AWS_LAMBDA_MAX_CONCURRENCY="+strconv.Itoa(n), "AWS_LAMBDA_INITIALIZATION_TYPE=lambda-managed-instances")
	}
	i.cmd.Env = append(i.cmd.Env, e.config.Env...)
	i.cmd.Stdout, i.cmd.Stderr = e.config.Log, e.config.Log
	// In its own process group, an instance does not get the terminal's Ctrl-C. If the emulator
	// dies without Close, the kernel ends the instance even when it is stopped.
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if e.cells != nil {
		if i.cell, err = e.cells.add(); err != nil {
			i.listener.Close()
			return fmt.Errorf("emulator: %w", err)
		}
	}
	i.started = time.Now()
	if err := startIn(i.cmd, i.cell); err != nil {
		i.listener.Close()
		i.cell.remove()
		return fmt.Errorf("emulator: %w", err)
	}
	i.observe(e, Observation{Moment: Started, At: i.started})
	go http.Serve(i.listener, i.runtimeAPI(e))
	return nil
}

// environment returns what Lambda sets for a function on an OS-only runtime.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func environment(api, name, stream, root string, memory int) []string {
	return []string{
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"AWS_LAMBDA_FUNCTION_NAME=" + name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + stream,
		"AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_SESSION_TOKEN=local",
		"LAMBDA_TASK_ROOT=" + root,
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"_HANDLER=bootstrap",
		"PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LD_LIBRARY_PATH=/lib64:/usr/lib64:" + root + ":" + root + "/lib:/opt/lib",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
	}
}

func (i *instance) pid() int { return i.cmd.Process.Pid }

// wait returns when the process has ended. Its requests from before are still served: their
// connections end by themselves.
func (i *instance) wait() {
	i.cmd.Wait()
	i.cell.remove()
	i.listener.Close()
}

// exitError is why an invocation failed whose process has ended. Its text is Lambda's.
type exitError struct {
	text        string
	outOfMemory bool
}

// ErrOutOfMemory means that the kernel has killed a process, because it took more memory than the
// function has.
var ErrOutOfMemory = errors.New("out of memory")

func (e *exitError) Error() string {
	if e.outOfMemory {
		return e.text + " (Runtime.OutOfMemory)" // as in Lambda's own line in the log
	}
	return e.text
}

func (e *exitError) Is(target error) bool { return e.outOfMemory && target == ErrOutOfMemory }

// exit returns how the process has ended. The caller has waited for that.
func (i *instance) exit() *exitError {
	e := &exitError{text: "Runtime exited without providing a reason", outOfMemory: i.cell.used().kills > 0}
	if state := i.cmd.ProcessState; state != nil && !state.Success() {
		e.text = "Runtime exited with error: " + state.String()
	}
	return e
}

// freeze stops the process, and returns when all its threads have stopped.
func (i *instance) freeze() {
	if i.cmd.Process.Signal(syscall.SIGSTOP) != nil || runtime.GOOS != "linux" {
		return
	}
	// waitid(P_PID, pid, NULL, WSTOPPED|WNOWAIT, NULL) returns when the process has stopped, or
	// with ECHILD when it dies first. It leaves the exit status to Wait.
	const pPID, wStopped, wNoWait = 1, 2, 0x01000000
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(i.pid()), 0, wStopped|wNoWait, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}

func (i *instance) thaw() { i.cmd.Process.Signal(syscall.SIGCONT) }

// terminate ends the process, and gives it some time for that if it wants it.
func (i *instance) terminate(within time.Duration) {
	if i.signals.Load() {
		i.cmd.Process.Signal(syscall.SIGTERM)
		i.thaw()
		timer := time.NewTimer(within)
		defer timer.Stop()
		select {
		case <-i.exited:
		case <-timer.C:
		}
	}
	i.kill()
}

func (i *instance) kill() {
	if i.cmd.Process != nil {
		i.cmd.Process.Kill()
	}
}
