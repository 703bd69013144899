//go:build unix && !linux

package compat

import "syscall"

func procAttr() *syscall.SysProcAttr { return nil }
