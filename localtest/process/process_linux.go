package process

import "syscall"

// OwnGroup puts a process into its own process group, so that a terminal's Ctrl-C reaches only its
// parent. It ends with the thread of the parent that started it.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
