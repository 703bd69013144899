package demo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"trojmezi/internal/kernel/problem"
)

// The part of the flood of 2010 that the demo shows, sixty times as fast: the dam breaks
// in its middle.
const (
	replayFrom  = "2010-08-07T15:00"
	replayTo    = "2010-08-07T21:00"
	replaySpeed = "60"

	// replayPort lies beside those of the nodes; a taken one is replaced by a free one.
	replayPort = 8104
	replayPath = "/replay"
)

// replay plays it beside the nodes, on a node of its own whose page listens at an address.
// It prints at the end what was told when; then the page stays until the demo ends, unless
// it is to end once all is played. Something that had to happen and did not is an error.
func (d *demo) replay(ctx context.Context, listen string, once bool) error {
	runtime.LockOSThread() // as process.supervise does: the kernel ends the child with the thread that made it
	defer runtime.UnlockOSThread()
	args := []string{"--lang", string(d.lang), "--log-level", "error", "replay", "2010", "--from", replayFrom, "--to", replayTo, "--speed", replaySpeed, "--listen", listen}
	if !once {
		args = append(args, "--stay")
	}
	cmd := exec.CommandContext(ctx, d.binary, args...)
	out := &lines{line: func(s string) { fmt.Fprintln(d.out, "replay |", s) }}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = procAttr()
	cmd.Cancel = func() error { terminate(cmd.Process); return nil }
	cmd.WaitDelay = stopTimeout
	begun := time.Now()
	err := cmd.Run()
	if ctx.Err() != nil || once && err == nil {
		return nil
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return &problem.Error{Op: "demo: replay", Key: "demo.error.replay", Err: fmt.Errorf("ended after %v: %w", time.Since(begun), err)}
}
