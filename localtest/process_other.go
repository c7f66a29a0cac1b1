//go:build !linux

package localtest

import "syscall"

// OwnGroup exists for this package to compile: [Install] says that it needs Linux.
func OwnGroup() *syscall.SysProcAttr { return nil }
