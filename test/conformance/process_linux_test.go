package conformance

import "syscall"

// procAttr puts a node into a process group of its own, so that a surviving
// child can be seen, and lets the kernel end it when the suite is killed.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
