package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

const (
	// A node that dies is started again after a pause that doubles, so that one
	// that can't start does not keep the machine busy.
	restartFirst = 500 * time.Millisecond
	restartLast  = 10 * time.Second
	// restartForget is how long a node must have run to count as healthy again.
	restartForget = 30 * time.Second
	// startAttempts is how often a node may fail before its first success: a
	// port can be taken for a moment, a wrong file stays wrong.
	startAttempts = 3

	// stopTimeout is what a node gets to finish after SIGTERM; it grants its own
	// requests five seconds.
	stopTimeout = 10 * time.Second

	// logBytes is the size from which a log of an earlier run is set aside.
	logBytes = 8 << 20
	// tailLines of its log are shown when a node dies.
	tailLines = 5
)

// listeningLine is what a node prints once it takes connections.
const listeningLine = "Listening on port"

// process is one node under supervision.
type process struct {
	d         *demo
	node      *node
	listening chan struct{} // closed when it took connections for the first time
	once      sync.Once
	tail      []string // the last lines of the present run
}

func newProcess(d *demo, n *node) *process {
	return &process{d: d, node: n, listening: make(chan struct{})}
}

// supervise keeps the node running until ctx ends and leaves nothing behind.
func (p *process) supervise(ctx context.Context) error {
	// The kernel ends the child when the thread that made it dies (Pdeathsig).
	// This one lives as long as the child may.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log, err := p.openLog()
	if err != nil {
		return folderError(p.node.dir, err)
	}
	defer log.Close()
	pause := restartFirst
	for attempt := 1; ; attempt++ {
		start := time.Now()
		err := p.run(ctx, log)
		if ctx.Err() != nil {
			return nil
		}
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			return &problem.Error{Op: "demo: start", Key: "demo.error.binary", Args: i18n.Args{"file": p.d.binary, "detail": err.Error()}, Err: err}
		}
		reason := "exit status 0"
		if err != nil {
			reason = err.Error()
		}
		if !p.started() && attempt >= startAttempts {
			return &problem.Error{Op: "demo: start", Key: "demo.error.died", Err: err,
				Args: i18n.Args{"name": p.node.place.Title, "detail": reason, "log": log.Name(), "tail": strings.Join(p.tail, "\n")}}
		}
		if time.Since(start) > restartForget {
			pause = restartFirst
		}
		p.d.say("demo.process.died", i18n.Args{"name": p.node.place.Title, "detail": reason})
		for _, line := range p.tail {
			fmt.Fprintf(p.d.out, "%s | %s\n", p.node.place.Name, line)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, restartLast)
	}
}

func (p *process) started() bool {
	select {
	case <-p.listening:
		return true
	default:
		return false
	}
}

// openLog appends to the node's log; a long one becomes node.log.1.
func (p *process) openLog() (*os.File, error) {
	path := filepath.Join(p.node.dir, "node.log")
	info, err := os.Stat(path)
	if err == nil && info.Size() > logBytes {
		err = os.Rename(path, path+".1")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// run starts the node once and waits for its end; when ctx ends it asks the node
// to stop, then makes it.
func (p *process) run(ctx context.Context, log *os.File) error {
	p.tail = nil
	cmd := exec.Command(p.d.binary, "serve", "--config", p.node.config())
	out := &lines{line: func(s string) {
		fmt.Fprintf(log, "%s %s\n", p.node.place.Name, s)
		if strings.HasPrefix(s, listeningLine) {
			p.once.Do(func() { close(p.listening) })
		}
		if p.tail = append(p.tail, s); len(p.tail) > tailLines {
			p.tail = p.tail[1:]
		}
	}}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = procAttr()
	cmd.WaitDelay = time.Second // for whoever else holds the pipe
	if err := cmd.Start(); err != nil {
		return err
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		terminate(cmd.Process)
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			cmd.Process.Kill()
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-watched
	killGroup(cmd.Process.Pid)
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it ended well; only its output was held open by another
	}
	return err
}
