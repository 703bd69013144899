package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/app"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
)

// A job that failed for good is listed, runs again or goes, and the audit log says
// who did what.
func TestFailedJobs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.json")
	if err := os.WriteFile(file, []byte(`{"data": "data", "listen": "127.0.0.1:0",
		"exchange": {"oid": "1.2.3.0", "listen": "127.0.0.1:0", "insecure_loopback": true}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := app.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	o, err := app.Open(t.Context(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	jobs := job.New(o.DB, o.Clock, quiet)
	runs := make(chan int64, 10)
	if err := jobs.Handle("exchange.erase", store.Live, func(_ context.Context, j job.Job) error {
		runs <- j.ID
		return errors.New("the cause is still there")
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); jobs.Run(ctx) }()
	defer func() { stop(); <-ended }()
	if err := o.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := jobs.Enqueue(tx, job.Job{Queue: "exchange.erase", Kind: store.Live, MaxAttempts: 1})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	run := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := Main(append(args, "--config", file), strings.NewReader(""), &out, &errs); got != code {
			t.Fatalf("%v: exit %d: %s%s", args, got, &out, &errs)
		}
		return out.String() + errs.String()
	}
	failed := func() (list []deadJob) {
		t.Helper()
		select {
		case <-runs:
		case <-time.After(30 * time.Second):
			t.Fatal("it did not run")
		}
		for deadline := time.Now().Add(30 * time.Second); len(list) == 0; time.Sleep(10 * time.Millisecond) {
			if err := json.Unmarshal([]byte(run(0, "--json", "job", "list")), &list); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatal("it is not listed")
			}
		}
		return list
	}
	list := failed()
	if len(list) != 1 || list[0].ID != 1 || list[0].Queue != "exchange.erase" || list[0].Reason != "the cause is still there" || list[0].Attempts != 1 {
		t.Fatalf("%+v", list)
	}
	if out := run(0, "--lang", "de", "job", "list"); !strings.Contains(out, "Gescheitert") || !strings.Contains(out, "exchange.erase") {
		t.Error(out)
	}
	run(0, "job", "retry", "1")
	if list = failed(); len(list) != 1 || list[0].Attempts != 1 {
		t.Fatalf("after another run: %+v", list)
	}
	run(0, "job", "drop", "1")
	if out := run(0, "--lang", "en", "job", "list"); !strings.Contains(out, "No background work") {
		t.Error(out)
	}
	for _, what := range []string{"retry", "drop"} {
		if out := run(1, "--lang", "en", "job", what, "1"); !strings.Contains(out, "no failed job 1") {
			t.Error(out)
		}
	}
	bundle := filepath.Join(dir, "bundle.json")
	run(0, "audit", "export", "--out", bundle)
	raw, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"job.retry", "job.drop"} {
		if n := bytes.Count(raw, []byte(action)); n != 1 {
			t.Errorf("%s stands in the audit log %d times", action, n)
		}
	}
}
