//go:build unix && !linux

package conformance

import "syscall"

// procAttr puts a node into a process group of its own, so that a surviving
// child can be seen.
func procAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
