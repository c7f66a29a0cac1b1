//go:build !linux

package process

import "syscall"

// OwnGroup exists for this package to compile: the packages that use it say that they need Linux.
func OwnGroup() *syscall.SysProcAttr { return nil }
