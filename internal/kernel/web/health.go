package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout ends a check that hangs before the one who asks gives up;
// Kubernetes and systemd watchdogs wait longer.
const checkTimeout = 2 * time.Second

// Check tells whether a part of the node works. Name is public, the error goes
// to the log only.
type Check struct {
	Name string
	Func func(context.Context) error
}

// Health adds GET /healthz, which says that the process answers, and GET
// /readyz, which says 503 and the names of the failing checks while any fails.
func (rt *Router) Health(checks ...Check) {
	rt.Handle("GET /healthz", func(w http.ResponseWriter, r *http.Request) error { return plain(w, http.StatusOK, "ok\n") })
	rt.Handle("GET /readyz", func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		var failing strings.Builder
		for _, c := range checks {
			if err := c.Func(ctx); err != nil {
				fmt.Fprintf(&failing, "failing: %s\n", c.Name)
				rt.cfg.Log.WarnContext(ctx, "not ready", "check", c.Name, "err", err)
			}
		}
		if failing.Len() > 0 {
			return plain(w, http.StatusServiceUnavailable, failing.String())
		}
		return plain(w, http.StatusOK, "ok\n")
	})
}

// Metrics adds GET /metrics in the form Prometheus reads.
func (rt *Router) Metrics(g prometheus.Gatherer) {
	h := promhttp.HandlerFor(g, promhttp.HandlerOpts{})
	rt.Handle("GET /metrics", func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	})
}

func plain(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write([]byte(text))
	return err
}
