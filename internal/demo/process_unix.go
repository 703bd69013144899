//go:build unix

package demo

import (
	"os"
	"syscall"
)

func terminate(p *os.Process) { p.Signal(syscall.SIGTERM) }

// killGroup ends what the node may have left of its process group.
func killGroup(pid int) { syscall.Kill(-pid, syscall.SIGKILL) }
