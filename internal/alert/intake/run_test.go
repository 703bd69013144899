package intake

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	simulated "trojmezi/internal/simulator/feeds"
)

// until waits for something that others do.
func (r *rig) until(what string, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	r.t.Fatalf("waited in vain for %s", what)
}

// still is a simulator whose time stands still: what it says changes never.
func (r *rig) still() {
	now := time.Now()
	r.sim = simulated.New(simulated.Shipped(), now.Add(-later), func() time.Time { return now })
}

// run starts the service; the result stops it and waits.
func (r *rig) run(s *Service) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	r.t.Cleanup(stop)
	return stop
}

// TestRun: what is switched on is fetched while the service runs, at once when somebody
// asks for it, and no more when it is switched off.
func TestRun(t *testing.T) {
	r := newRig(t, clock.System(), Change{Name: "imgw-hydro", Interval: time.Hour})
	r.still()
	r.run(r.Service)
	r.on("imgw-hydro", "saxony-gauges")
	r.until("two fresh feeds", func() bool { return r.state("imgw-hydro").Status == Fresh && r.state("saxony-gauges").Status == Fresh })
	asked := r.sim.Asked()["imgw-hydro"]
	r.ok(r.FetchNow(t.Context(), "p", "imgw-hydro"))
	r.until("a question", func() bool { return r.sim.Asked()["imgw-hydro"] == asked+1 })
	r.ok(r.Switch(t.Context(), "p", "imgw-hydro", false, "test"))
	time.Sleep(200 * time.Millisecond)
	if n := r.sim.Asked()["imgw-hydro"]; n != asked+1 || r.sim.Asked()["chmi"] != 0 {
		t.Errorf("asked %d and %d times", n, r.sim.Asked()["chmi"])
	}
	if n := r.count(`SELECT COUNT(*) FROM test_taken WHERE source = 'imgw-hydro'`); n != 1 {
		t.Errorf("taken %d times", n)
	}
}

// TestTwoInstances: two of them share a database; one asks, and the other goes on when
// it is gone.
func TestTwoInstances(t *testing.T) {
	if os.Getenv(storetest.PostgresEnv) == "" {
		t.Skip("two instances share PostgreSQL only: set " + storetest.PostgresEnv)
	}
	r := newRig(t, clock.System())
	r.still()
	other := r.instance(r.Config)
	stop := r.run(r.Service)
	r.run(other)
	names := []string{"imgw-hydro", "imgw-meteo", "saxony-gauges", "dwd", "lhp"}
	r.on(names...)
	r.until("fresh feeds", func() bool {
		for _, n := range names {
			if r.state(n).Status != Fresh {
				return false
			}
		}
		return true
	})
	for _, n := range names {
		if asked := r.sim.Asked()[n]; asked != 1 {
			t.Errorf("%s: asked %d times", n, asked)
		}
	}
	stop()
	r.ok(other.FetchNow(t.Context(), "p", "dwd"))
	r.until("the other instance", func() bool { return r.sim.Asked()["dwd"] == 2 })
	for _, n := range names {
		if taken := r.count(`SELECT COUNT(*) FROM test_taken WHERE source = $1`, n); taken != 1 {
			t.Errorf("%s: taken %d times", n, taken)
		}
	}
}

// childEnv holds what a process needs that is to be killed.
const childEnv = "TROJMEZI_INTAKE_CHILD"

type childSetup struct {
	Dir, URL, Key, Files string
	Config               Config
}

// TestMain is the other process when it is asked to be.
func TestMain(m *testing.M) {
	if raw := os.Getenv(childEnv); raw != "" {
		var c childSetup
		if err := json.Unmarshal([]byte(raw), &c); err != nil {
			panic(err)
		}
		if err := child(c); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func child(c childSetup) error {
	clk := clock.System()
	db, err := store.Open(context.Background(), store.Config{Dir: c.Dir, URL: c.URL, Clock: clk})
	if err != nil {
		return err
	}
	key, err := seal.Load(c.Key)
	if err != nil {
		return err
	}
	files, err := blob.OpenDir(c.Files, clk)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := New(Options{DB: db, Audit: audit.New(db, key, clk, log), Clock: clk, Log: log, Version: "child", Config: c.Config, Warnings: takeWarnings, Gauges: takeGauges})
	s.Files = files
	os.Stdout.WriteString("running\n")
	return s.Run(context.Background())
}

// TestKilled: processes are killed at any moment; each document is taken once, and every
// original that a row names is there.
func TestKilled(t *testing.T) {
	r := newRig(t, clock.System())
	r.still()
	names := []string{"chmi", "nina-mowas", "meteoalarm-czechia", "imgw-hydro", "saxony-gauges", "chmi-gauges", "rso"}
	r.on(names...)
	setup, err := json.Marshal(childSetup{r.sc.Dir, r.sc.URL, r.keyFile, r.folder, r.Config})
	r.ok(err)
	for n := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+string(setup))
		out, err := cmd.StdoutPipe()
		r.ok(err)
		r.ok(cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "running") {
			t.Fatalf("%q %v", line, err)
		}
		time.Sleep(time.Duration(rand.IntN(150*(n+1))) * time.Millisecond)
		r.ok(cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	}
	r.run(r.Service)
	for _, n := range names {
		r.until(n, func() bool { s := r.state(n); return s.Status == Fresh && s.Failure == nil && s.Missing == 0 })
		if taken := r.count(`SELECT COUNT(*) FROM test_taken WHERE source = $1`, n); taken != 1 {
			t.Errorf("%s: taken %d times", n, taken)
		}
	}
	last := r.count(`SELECT MAX(id) FROM intake_document`)
	for id := int64(1); id <= last; id++ {
		if _, _, err := r.Original(t.Context(), id); err != nil {
			t.Errorf("original %d: %v", id, err)
		}
	}
}
