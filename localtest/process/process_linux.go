package process

import "syscall"

// OwnGroup puts a process into a process group of its own, so that a terminal's Ctrl-C reaches it only through its parent, and ends
// it with the thread of its parent that has started it.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
