package emulator

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
)

// startIn starts a process in a cell: it is there before its first instruction. For that it is
// traced, and stops when its program is loaded. A nil cell is none.
func startIn(cmd *exec.Cmd, c *cell) error {
	if c == nil {
		return cmd.Start()
	}
	runtime.LockOSThread() // the thread that starts a process is its tracer
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var err error
	for {
		if _, err = syscall.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		err = c.take(pid)
	}
	if err = errors.Join(err, syscall.PtraceDetach(pid)); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return err
}
