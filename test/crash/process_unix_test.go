//go:build unix && !linux

package crash

import "syscall"

func procAttr() *syscall.SysProcAttr { return nil }
