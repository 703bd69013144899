package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultBaseline is how long each measurement of the machine lasts.
	DefaultBaseline = 2 * time.Second
	// syncBlock is what a database writes at least: one page.
	syncBlock = 4096
)

// Baseline is what the machine itself can do, measured beside the node.
type Baseline struct {
	Syncs float64 `json:"syncs_per_second"` // appends of a page with fdatasync, one after the other; 0: not measured
	Echo  float64 `json:"echo_per_second"`  // empty HTTP requests with their client on this machine
}

// MeasureBaseline appends and syncs in dir ("": doesn't), and answers empty HTTP
// requests of so many clients, each for d (0: DefaultBaseline).
func MeasureBaseline(ctx context.Context, dir string, clients int, d time.Duration) (Baseline, error) {
	if d == 0 {
		d = DefaultBaseline
	}
	if clients == 0 {
		clients = DefaultSenders
	}
	var b Baseline
	var err error
	if dir != "" {
		if b.Syncs, err = measureSyncs(ctx, dir, d); err != nil {
			return b, fmt.Errorf("bench: disk: %w", err)
		}
	}
	if b.Echo, err = measureEcho(ctx, clients, d); err != nil {
		return b, fmt.Errorf("bench: echo: %w", err)
	}
	return b, nil
}

func measureSyncs(ctx context.Context, dir string, d time.Duration) (float64, error) {
	f, err := os.CreateTemp(dir, "bench-*.tmp")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, syncBlock)
	n := 0
	start := time.Now()
	for time.Since(start) < d && ctx.Err() == nil {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := syncData(f); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds(), ctx.Err()
}

func measureEcho(ctx context.Context, clients int, d time.Duration) (float64, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	})}
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(l) })
	defer served.Wait()
	defer srv.Close()
	t := &http.Transport{MaxIdleConnsPerHost: clients}
	defer t.CloseIdleConnections()
	url := "http://" + l.Addr().String() + "/"
	var n atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for range clients {
		all.Go(func() {
			for time.Since(start) < d && ctx.Err() == nil {
				if err := post(ctx, t, url); err != nil {
					failed.Store(&err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(start).Seconds()
	if p := failed.Load(); p != nil {
		return 0, *p
	}
	return float64(n.Load()) / took, ctx.Err()
}

func post(ctx context.Context, t *http.Transport, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return err
}
