package demo

import "syscall"

// procAttr gives the node a process group of its own, so that Ctrl-C reaches the
// demo only, which stops the nodes in order, and lets the kernel end the node if
// the demo is killed.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
