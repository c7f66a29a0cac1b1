//go:build !linux

package process

import "syscall"

// OwnGroup lets this package compile. The packages that use it need Linux.
func OwnGroup() *syscall.SysProcAttr { return nil }
