package compat

import "syscall"

// procAttr lets the kernel end a node when the tests themselves are killed.
func procAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
