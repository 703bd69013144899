package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	_ "time/tzdata" // the test of local times must not depend on the machine

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	t   testing.TB
	db  *store.DB
	clk *clock.Clock
	q   *Queue
}

func setup(t testing.TB, clk *clock.Clock) *fixture {
	t.Helper()
	db := storetest.Open(t, storetest.Tables{"job": Migrations()})
	f := &fixture{t: t, db: db, clk: clk}
	f.q = f.instance()
	return f
}

// instance is one more instance of the node on the same database.
func (f *fixture) instance() *Queue { return New(f.db, f.clk, slog.New(slog.DiscardHandler)) }

func (f *fixture) enqueue(j Job) (id int64) {
	f.t.Helper()
	f.write(func(tx *store.Tx) (err error) { id, err = f.q.Enqueue(tx, j); return err })
	return id
}

func (f *fixture) write(fn func(tx *store.Tx) error) {
	f.t.Helper()
	if err := f.db.Write(context.Background(), fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) dead() (d []Job) {
	f.t.Helper()
	f.write(func(tx *store.Tx) (err error) { d, err = f.q.Dead(tx, 100); return err })
	return d
}

// worker is one of a queue of its own, stepped by the test.
func (f *fixture) worker(queue string, kind store.Kind, fn Func) *worker {
	return &worker{q: f.q, queue: queue, kind: kind, f: fn}
}

func (f *fixture) step(w *worker) {
	f.t.Helper()
	if _, err := w.step(context.Background()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) claim(w *worker) (Job, bool) {
	f.t.Helper()
	j, ok, err := w.claim(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return j, ok
}

func TestRunsInOrderOfTime(t *testing.T) {
	f := setup(t, clock.Fake(start))
	var got []string
	w := f.worker("q", store.Live, func(_ context.Context, j Job) error {
		got = append(got, string(j.Payload))
		return nil
	})
	f.enqueue(Job{Queue: "q", Kind: store.Live, Payload: []byte("later"), RunAt: start.Add(time.Minute)})
	f.enqueue(Job{Queue: "q", Kind: store.Live, Payload: []byte("first")})
	f.enqueue(Job{Queue: "q", Kind: store.Live, Payload: []byte("second")})
	f.enqueue(Job{Queue: "other", Kind: store.Live, Payload: []byte("other")})
	for range 4 {
		f.step(w)
	}
	if wait, err := w.step(t.Context()); err != nil || wait != time.Minute {
		t.Errorf("wait %v, %v; want the minute until the next", wait, err)
	}
	f.clk.Advance(time.Minute)
	f.step(w)
	f.step(w)
	if diff := cmp.Diff([]string{"first", "second", "later"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A worker gets nothing of another kind, for every pair, in any state of the job.
func TestNoOtherKind(t *testing.T) {
	for _, of := range store.Kinds {
		for _, by := range store.Kinds {
			t.Run(fmt.Sprintf("%s by %s", of, by), func(t *testing.T) {
				f := setup(t, clock.Fake(start))
				id := f.enqueue(Job{Queue: "q", Kind: of})
				own, other := f.worker("q", of, nil), f.worker("q", by, nil)
				_, ok := f.claim(other)
				if ok != (of == by) {
					t.Fatalf("claimed: %v", ok)
				}
				if of == by {
					return
				}
				// Nor by a query that forgot the kind.
				err := f.db.Write(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Exec(`UPDATE job_task SET state = 'running', holder = 'x', holder_kind = $2 WHERE id = $1`, id, by)
					return err
				})
				if err == nil {
					t.Error("the database let a worker of another kind hold the job")
				}
				// Nor an expired one, nor with a stolen name.
				j, ok := f.claim(own)
				if !ok {
					t.Fatal("its own worker did not get it")
				}
				stolen := j
				stolen.Kind = by
				if held, err := other.renew(t.Context(), stolen); held || err != nil {
					t.Errorf("renewed: %v, %v", held, err)
				}
				err = f.db.Write(t.Context(), func(tx *store.Tx) error { return stolen.Finish(tx) })
				if !errors.Is(err, ErrLost) {
					t.Errorf("finished: %v", err)
				}
				f.clk.Advance(lease)
				if _, ok := f.claim(other); ok {
					t.Error("claimed after the lease")
				}
				if _, ok := f.claim(own); !ok {
					t.Error("its own worker did not get it again")
				}
			})
		}
	}
}

func TestKindAndQueueAreNeeded(t *testing.T) {
	f := setup(t, clock.Fake(start))
	for _, j := range []Job{{Queue: "q"}, {Queue: "q", Kind: "other"}, {Kind: store.Live}} {
		err := f.db.Write(t.Context(), func(tx *store.Tx) error { _, err := f.q.Enqueue(tx, j); return err })
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", j, err)
		}
	}
	if err := f.q.Handle("q", "", nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("worker without kind: %v", err)
	}
	if err := errors.Join(f.q.Handle("q", store.Live, nil), f.q.Handle("q", store.Test, nil)); err != nil {
		t.Error(err)
	}
	if err := f.q.Handle("q", store.Live, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("two workers of one queue and kind: %v", err)
	}
}

// A worker that dies leaves its job to another when the lease ends, not before,
// and can do nothing to it afterwards.
func TestDeadWorker(t *testing.T) {
	f := setup(t, clock.Fake(start))
	f.enqueue(Job{Queue: "q", Kind: store.Live})
	a, b := f.worker("q", store.Live, nil), f.worker("q", store.Live, nil)
	first, ok := f.claim(a)
	if !ok || first.Attempt != 1 {
		t.Fatalf("%+v, %v", first, ok)
	}
	f.clk.Advance(lease - time.Millisecond)
	if _, ok := f.claim(b); ok {
		t.Fatal("claimed before the lease ended")
	}
	if held, err := a.renew(t.Context(), first); !held || err != nil {
		t.Fatalf("renew: %v, %v", held, err)
	}
	f.clk.Advance(lease - time.Millisecond)
	if _, ok := f.claim(b); ok {
		t.Fatal("claimed though the lease was renewed")
	}
	f.clk.Advance(time.Millisecond)
	second, ok := f.claim(b)
	if !ok || second.Attempt != 2 {
		t.Fatalf("after the lease: %+v, %v", second, ok)
	}
	if held, _ := a.renew(t.Context(), first); held {
		t.Error("the first worker renewed what it lost")
	}
	err := f.db.Write(t.Context(), func(tx *store.Tx) error { return first.Finish(tx) })
	if !errors.Is(err, ErrLost) {
		t.Errorf("the first worker finished what it lost: %v", err)
	}
	f.write(second.Finish)
	if _, ok := f.claim(a); ok {
		t.Error("a finished job was claimed")
	}
}

// A job that ends its process each time is dead at last.
func TestPoison(t *testing.T) {
	f := setup(t, clock.Fake(start))
	f.enqueue(Job{Queue: "q", Kind: store.Live, MaxAttempts: 2})
	w := f.worker("q", store.Live, nil)
	for want := 1; want <= 2; want++ {
		if j, ok := f.claim(w); !ok || j.Attempt != want {
			t.Fatalf("claim %d: %+v, %v", want, j, ok)
		}
		f.clk.Advance(lease)
	}
	if _, ok := f.claim(w); ok {
		t.Fatal("claimed a third time")
	}
	if d := f.dead(); len(d) != 1 || d[0].Attempt != 2 || d[0].Error == "" {
		t.Fatalf("dead: %+v", d)
	}
}

func TestFailsForGoodAndIsRetried(t *testing.T) {
	f := setup(t, clock.Fake(start))
	fail := true
	runs := 0
	w := f.worker("q", store.Exercise, func(_ context.Context, j Job) error {
		if runs++; runs == 2 {
			panic("mistake")
		}
		if fail {
			return errors.New(strings.Repeat("ž", 400) + "\x00\xff")
		}
		return nil
	})
	id := f.enqueue(Job{Queue: "q", Kind: store.Exercise, Payload: []byte("p"), MaxAttempts: 3, UniqueKey: "u"})
	for n := range 3 {
		f.step(w)
		f.step(w) // nothing before the pause is over
		if runs != n+1 {
			t.Fatalf("%d runs, want %d", runs, n+1)
		}
		f.clk.Advance(longestPause)
	}
	d := f.dead()
	if len(d) != 1 || d[0].ID != id || d[0].Attempt != 3 || d[0].Kind != store.Exercise || string(d[0].Payload) != "p" ||
		len(d[0].Error) > maxError || !strings.HasPrefix(d[0].Error, "žžž") {
		t.Fatalf("dead: %+v", d)
	}
	f.step(w)
	if runs != 3 {
		t.Fatal("a dead job was run")
	}
	retry := func() (ok bool) {
		f.write(func(tx *store.Tx) (err error) { ok, err = f.q.Retry(tx, id); return err })
		return ok
	}
	other := f.enqueue(Job{Queue: "q", Kind: store.Exercise, UniqueKey: "u"})
	if other == 0 || retry() {
		t.Fatal("a dead job stands in the way of a new one, or came back beside it")
	}
	fail = false
	f.step(w)
	if !retry() || retry() {
		t.Fatal("retry of the dead job, or of a waiting one")
	}
	f.step(w)
	if runs != 5 || len(f.dead()) != 0 {
		t.Fatalf("%d runs, dead %v", runs, f.dead())
	}
}

func TestPause(t *testing.T) {
	for attempt := 1; attempt < 100; attempt++ {
		want := longestPause
		if attempt <= 10 {
			want = min(firstPause*time.Duration(1<<(attempt-1)), longestPause)
		}
		for range 20 {
			if d := pause(attempt); d < want/2 || d > want {
				t.Fatalf("attempt %d: %v; want %v to %v", attempt, d, want/2, want)
			}
		}
	}
}

func TestUniqueKey(t *testing.T) {
	f := setup(t, clock.Fake(start))
	j := Job{Queue: "q", Kind: store.Live, UniqueKey: "u"}
	if f.enqueue(j) == 0 || f.enqueue(j) != 0 {
		t.Fatal("one of two equal keys is to be stored")
	}
	w := f.worker("q", store.Live, nil)
	running, _ := f.claim(w)
	if f.enqueue(j) != 0 {
		t.Fatal("stored a second time while the first runs")
	}
	for _, o := range []Job{{Queue: "p", Kind: store.Live, UniqueKey: "u"}, {Queue: "q", Kind: store.Test, UniqueKey: "u"}, {Queue: "q", Kind: store.Live, UniqueKey: "v"}} {
		if f.enqueue(o) == 0 {
			t.Errorf("%+v was taken for equal", o)
		}
	}
	f.write(running.Finish)
	if f.enqueue(j) == 0 {
		t.Fatal("not stored after the first was done")
	}
}

// An effect and Finish in one transaction happen once, even with two workers.
func TestEffectOnce(t *testing.T) {
	f := setup(t, clock.Fake(start))
	effects := 0
	w := f.worker("q", store.Live, func(ctx context.Context, j Job) error {
		return f.db.Write(ctx, func(tx *store.Tx) error {
			if err := j.Finish(tx); err != nil {
				return err
			}
			tx.OnCommit(func() { effects++ })
			return nil
		})
	})
	f.enqueue(Job{Queue: "q", Kind: store.Live})
	slow, _ := f.claim(w)
	f.clk.Advance(lease)
	f.step(w)
	if err := w.work(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	f.clk.Advance(longestPause)
	f.step(w)
	if effects != 1 || len(f.dead()) != 0 {
		t.Fatalf("%d effects, dead %v", effects, f.dead())
	}
}

// Run wakes up for what is enqueued, and ends only with the job that runs; a job
// that gives up because of the end has not failed.
func TestRunAndStop(t *testing.T) {
	f := setup(t, clock.System())
	started := make(chan string)
	goOn := make(chan error)
	handle := func(_ context.Context, j Job) error {
		started <- string(j.Payload)
		return <-goOn
	}
	if err := f.q.Handle("q", store.Live, handle); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.q.Run(ctx) }()
	f.enqueue(Job{Queue: "q", Kind: store.Live, Payload: []byte("a")})
	if got := <-started; got != "a" {
		t.Fatal(got)
	}
	goOn <- nil
	f.enqueue(Job{Queue: "q", Kind: store.Live, Payload: []byte("b"), MaxAttempts: 1})
	<-started
	cancel()
	select {
	case <-done:
		t.Fatal("Run ended while a job was running")
	case <-time.After(50 * time.Millisecond):
	}
	goOn <- fmt.Errorf("stopped half-way: %w", context.Canceled)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	j, ok := f.claim(f.worker("q", store.Live, nil))
	if !ok || string(j.Payload) != "b" || j.Attempt != 1 {
		t.Fatalf("after the stop: %+v, %v; want b at its first attempt", j, ok)
	}
}

// The worker notices that it lost its job, and a job's context outlives ctx by
// the grace only.
func TestHold(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for real leases")
	}
	t.Parallel()
	f := setup(t, clock.System())
	f.enqueue(Job{Queue: "q", Kind: store.Live})
	w := f.worker("q", store.Live, func(ctx context.Context, j Job) error {
		f.write(func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE job_task SET holder = 'another' WHERE id = $1`, j.ID)
			return err
		})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * renewEvery):
			t.Error("the job was not cancelled")
			return nil
		}
	})
	j, _ := f.claim(w)
	if err := w.work(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	var holder string
	f.write(func(tx *store.Tx) error { return tx.Row(`SELECT holder FROM job_task`).Scan(&holder) })
	if holder != "another" {
		t.Fatalf("the lost job was changed: holder %q", holder)
	}
}

func TestGrace(t *testing.T) {
	t.Parallel()
	f := setup(t, clock.System())
	f.enqueue(Job{Queue: "q", Kind: store.Live})
	ctx, cancel := context.WithCancel(t.Context())
	w := f.worker("q", store.Live, func(run context.Context, j Job) error {
		cancel()
		if run.Err() != nil {
			t.Error("cancelled without grace")
		}
		<-run.Done()
		return run.Err()
	})
	j, _ := f.claim(w)
	began := time.Now()
	if err := w.work(ctx, j); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < stopGrace || d > stopGrace+20*time.Second {
		t.Errorf("ended after %v; want %v", d, stopGrace)
	}
	if j, ok := f.claim(w); !ok || j.Attempt != 1 {
		t.Errorf("after the stop: %+v, %v", j, ok)
	}
}

// However many instances look, a scheduled job is enqueued once.
func TestScheduleOnce(t *testing.T) {
	f := setup(t, clock.Fake(start))
	var runs atomic.Int64
	fn := func(context.Context, Job) error { runs.Add(1); return nil }
	var workers []*worker
	for range 4 {
		q := f.instance()
		q.zone = time.UTC
		if err := errors.Join(q.Daily(t.Context(), "day", "03:30", store.Live, fn), q.Every(t.Context(), "hour", time.Hour, store.Test, fn)); err != nil {
			t.Fatal(err)
		}
		workers = append(workers, q.workers...)
	}
	round := func() {
		var wg sync.WaitGroup
		for _, w := range workers {
			wg.Go(func() {
				for range 2 {
					if _, err := w.step(context.Background()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	round()
	if n := runs.Load(); n != 0 {
		t.Fatalf("%d runs at the start", n)
	}
	for hour := 1; hour <= 48; hour++ { // from 12:00
		f.clk.Advance(time.Hour)
		round()
		days := (hour + 8) / 24
		if n := int(runs.Load()); n != hour+days {
			t.Fatalf("after %d hours: %d runs, want %d", hour, n, hour+days)
		}
	}
	// What a stopped node missed is made up once.
	f.clk.Advance(100 * time.Hour)
	before := runs.Load()
	round()
	round()
	if n := runs.Load() - before; n != 2 {
		t.Fatalf("%d runs after a long stop, want one of each", n)
	}
}

// A scheduled run that still waits for its next attempt is not joined by another.
func TestScheduleDoesNotPileUp(t *testing.T) {
	f := setup(t, clock.Fake(start))
	attempts := 0
	err := f.q.Every(t.Context(), "q", time.Second, store.Live, func(_ context.Context, j Job) error {
		attempts = j.Attempt
		return errors.New("no")
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 60 {
		f.clk.Advance(time.Second)
		f.step(f.q.workers[0])
	}
	var waiting int
	f.write(func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM job_task`).Scan(&waiting) })
	if waiting != 1 || attempts < 3 {
		t.Fatalf("%d jobs wait, %d attempts; want one job tried again and again", waiting, attempts)
	}
}

// A clock that was ahead for a while and was set back stops nothing: schedules and
// what was enqueued or failed meanwhile go on by the right time.
func TestClockSetBack(t *testing.T) {
	f := setup(t, clock.Fake(start))
	f.q.zone = time.UTC
	ahead := f.instance()
	ahead.clock, ahead.zone = clock.Fake(start.AddDate(9, 0, 0)), time.UTC
	runs, fail := map[string]int{}, true
	fn := func(_ context.Context, j Job) error {
		runs[j.Queue]++
		if fail {
			return errors.New("no")
		}
		return nil
	}
	for _, q := range []*Queue{f.q, ahead} {
		if err := errors.Join(q.Every(t.Context(), "hour", time.Hour, store.Live, fn), q.Daily(t.Context(), "day", "03:30", store.Live, fn), q.Handle("q", store.Live, fn)); err != nil {
			t.Fatal(err)
		}
	}
	step := func(q *Queue) {
		for _, w := range q.workers {
			for range 3 {
				f.step(w)
			}
		}
	}
	f.write(func(tx *store.Tx) error {
		_, err := ahead.Enqueue(tx, Job{Queue: "q", Kind: store.Live})
		return err
	})
	f.write(func(tx *store.Tx) error {
		_, err := ahead.Enqueue(tx, Job{Queue: "q", Kind: store.Live, RunAt: ahead.clock.Now().Add(2 * time.Hour)})
		return err
	})
	step(ahead) // makes up all, and fails
	if diff := cmp.Diff(map[string]int{"hour": 1, "day": 1, "q": 1}, runs); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	fail = false
	step(f.q)
	f.clk.Advance(lease)
	step(f.q)
	if diff := cmp.Diff(map[string]int{"hour": 2, "day": 2, "q": 2}, runs); diff != "" {
		t.Fatalf("what failed (-want +got):\n%s", diff)
	}
	f.clk.Advance(2 * time.Hour)
	step(f.q)
	if diff := cmp.Diff(map[string]int{"hour": 3, "day": 2, "q": 3}, runs); diff != "" {
		t.Fatalf("two hours later (-want +got):\n%s", diff)
	}
	f.clk.Advance(22 * time.Hour)
	step(f.q)
	if diff := cmp.Diff(map[string]int{"hour": 4, "day": 3, "q": 3}, runs); diff != "" {
		t.Fatalf("a day later (-want +got):\n%s", diff)
	}
	// A job for a far day stays there, and so does a clock that differs little.
	f.enqueue(Job{Queue: "q", Kind: store.Live, RunAt: f.clk.Now().AddDate(1, 0, 0)})
	f.q.clock = clock.Fake(f.clk.Now().Add(-lease / 2))
	step(f.q)
	if diff := cmp.Diff(map[string]int{"hour": 4, "day": 3, "q": 3}, runs); diff != "" {
		t.Fatalf("nothing more (-want +got):\n%s", diff)
	}
}

// Two runs of different nights agree on a date; a clock that was ahead for one of
// them does not make it later.
func TestAgreed(t *testing.T) {
	f := setup(t, clock.Fake(start))
	hour := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	for i, s := range []struct {
		at, want time.Time
	}{
		{hour(0), time.Time{}},        // the first
		{hour(1), time.Time{}},        // tried again
		{hour(24), hour(0)},           //
		{hour(25), hour(0)},           // tried again
		{hour(90_000), hour(24)},      // years ahead
		{hour(90_001), hour(24)},      // tried again there
		{hour(48), time.Time{}},       // set back: from the beginning
		{hour(72), hour(48)},          //
		{hour(999), hour(72)},         // a node that was down
		{hour(1023), hour(999)},       //
		{hour(1010), time.Time{}},     // back by less than a day
		{hour(1034), hour(1010)},      //
		{hour(1034 + 12), hour(1034)}, // made up, then on time
	} {
		var got time.Time
		f.write(func(tx *store.Tx) (err error) { got, err = Agreed(tx, "q", s.at); return err })
		if !got.Equal(s.want) {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
	}
}

// A scheduled job that failed for good is forgotten when a later run succeeds;
// others stay until somebody drops them.
func TestLaterRunMendsTheDead(t *testing.T) {
	f := setup(t, clock.Fake(start))
	f.q.zone = time.UTC
	fail := true
	fn := func(context.Context, Job) error {
		if fail {
			return errors.New("no")
		}
		return nil
	}
	if err := errors.Join(f.q.Every(t.Context(), "hour", time.Hour, store.Live, fn), f.q.Handle("q", store.Live, fn)); err != nil {
		t.Fatal(err)
	}
	f.enqueue(Job{Queue: "q", Kind: store.Live, MaxAttempts: 1})
	f.enqueue(Job{Queue: "q", Kind: store.Live, MaxAttempts: 1})
	for range 20 * DefaultAttempts {
		f.clk.Advance(longestPause / 10)
		f.step(f.q.workers[0])
		f.step(f.q.workers[1])
	}
	var hourly int
	for _, j := range f.dead() {
		if j.Queue == "hour" {
			hourly++
		}
	}
	if hourly == 0 || len(f.dead()) != hourly+2 {
		t.Fatalf("dead: %+v", f.dead())
	}
	fail = false
	for range 20 {
		f.clk.Advance(longestPause / 10)
		f.step(f.q.workers[0])
	}
	d := f.dead()
	if len(d) != 2 || d[0].Queue != "q" || d[1].Queue != "q" {
		t.Fatalf("dead after a good run: %+v", d)
	}
	f.write(func(tx *store.Tx) error {
		for want := range 2 {
			ok, err := f.q.Drop(tx, d[0].ID)
			if err != nil || ok != (want == 0) {
				t.Errorf("drop: %v, %v", ok, err)
			}
		}
		ok, err := f.q.Retry(tx, d[1].ID)
		if !ok || err != nil {
			t.Errorf("retry: %v, %v", ok, err)
		}
		if ok, err = f.q.Drop(tx, d[1].ID); ok || err != nil {
			t.Errorf("drop of a waiting one: %v, %v", ok, err)
		}
		return nil
	})
}

// A restart with the same schedule keeps the next run, another schedule moves it.
func TestScheduleKept(t *testing.T) {
	f := setup(t, clock.Fake(start))
	next := func() (at int64) {
		f.write(func(tx *store.Tx) error { return tx.Row(`SELECT next FROM job_schedule`).Scan(&at) })
		return at
	}
	if err := f.q.Every(t.Context(), "q", time.Hour, store.Live, nil); err != nil {
		t.Fatal(err)
	}
	first := next()
	f.clk.Advance(3 * time.Hour)
	if err := f.instance().Every(t.Context(), "q", time.Hour, store.Live, nil); err != nil || next() != first {
		t.Fatalf("restart: %v, next %v, want %v", err, next(), first)
	}
	if err := f.instance().Every(t.Context(), "q", 2*time.Hour, store.Live, nil); err != nil || next() == first {
		t.Fatalf("other interval: %v, next %v", err, next())
	}
	for _, err := range []error{
		f.instance().Daily(t.Context(), "q", "24:00", store.Live, nil), f.instance().Daily(t.Context(), "q", "3", store.Live, nil),
		f.instance().Every(t.Context(), "q", time.Millisecond, store.Live, nil), f.instance().Every(t.Context(), "q", time.Hour, "", nil),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%v; want ErrInvalid", err)
		}
	}
}

// Once on each local date, also when the clocks change.
func TestNextDaily(t *testing.T) {
	prague, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]int{{0, 0}, {1, 59}, {2, 0}, {2, 30}, {3, 0}, {3, 30}, {23, 59}} {
		now := time.Date(2025, 12, 31, 23, 59, 59, 0, prague)
		for day := range 800 {
			now = nextDaily(now, at[0], at[1])
			date := time.Date(2026, 1, 1+day, 12, 0, 0, 0, prague)
			if now.YearDay() != date.YearDay() || now.Year() != date.Year() {
				t.Fatalf("%02d:%02d: %v instead of the %v", at[0], at[1], now, date.Format(time.DateOnly))
			}
			if now.Minute() != at[1] || now.Hour() != at[0] && !(at[0] == 2 && now.Month() == 3) {
				t.Fatalf("%02d:%02d: runs at %v", at[0], at[1], now)
			}
		}
	}
}

// Two instances on PostgreSQL share the work.
func TestTwoInstances(t *testing.T) {
	if os.Getenv(storetest.PostgresEnv) == "" {
		t.Skip("two instances share PostgreSQL only: set " + storetest.PostgresEnv)
	}
	cfg := storetest.Config(t, storetest.Tables{"job": Migrations()})
	const jobs = 200
	var mu sync.Mutex
	ran := map[string]int{}
	all := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var queues []*Queue
	for i := range 2 {
		db, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Migrate(t.Context(), "job", Migrations()); err != nil {
			t.Fatal(err)
		}
		q := New(db, clock.System(), slog.New(slog.DiscardHandler))
		err = q.Handle("q", store.Live, func(_ context.Context, j Job) error {
			mu.Lock()
			defer mu.Unlock()
			ran[string(j.Payload)]++
			ran[fmt.Sprint("instance ", i)]++
			if len(ran) == jobs+2 {
				close(all)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		queues = append(queues, q)
		running.Go(func() { q.Run(ctx) })
	}
	err := queues[0].db.Write(t.Context(), func(tx *store.Tx) error {
		for n := range jobs {
			if _, err := queues[0].Enqueue(tx, Job{Queue: "q", Kind: store.Live, Payload: fmt.Append(nil, n)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-all:
	case <-time.After(30 * time.Second):
		t.Error("not all were run, or one instance did all")
	}
	cancel()
	running.Wait()
	for n := range jobs {
		if c := ran[fmt.Sprint(n)]; c != 1 {
			t.Errorf("job %d: %d runs", n, c)
		}
	}
}

// model is the queue as a list.
type model struct {
	id            int64
	queue, key    string
	kind          store.Kind
	due           time.Time
	attempt, max  int
	running, dead bool
	worker        Job // of the newest claim
	former        []Job
}

// Whatever happens in whatever order, the queue does what a list would.
func TestModel(t *testing.T) {
	f := setup(t, clock.Fake(start))
	queues := []string{"a", "b"}
	rapid.Check(t, func(t *rapid.T) {
		f.write(func(tx *store.Tx) error { _, err := tx.Exec(`DELETE FROM job_task`); return err })
		var list []*model
		unfinished := func(q, key string, k store.Kind) bool {
			return slices.ContainsFunc(list, func(m *model) bool { return !m.dead && m.queue == q && m.key == key && m.kind == k })
		}
		remove := func(m *model) { list = slices.DeleteFunc(list, func(o *model) bool { return o == m }) }
		pick := func(t *rapid.T, want func(*model) bool) *model {
			var some []*model
			for _, m := range list {
				if want(m) {
					some = append(some, m)
				}
			}
			if len(some) == 0 {
				t.Skip("none")
			}
			return rapid.SampledFrom(some).Draw(t, "job")
		}
		claimed := func(m *model) bool { return m.running }
		t.Repeat(map[string]func(*rapid.T){
			"enqueue": func(t *rapid.T) {
				m := &model{
					queue: rapid.SampledFrom(queues).Draw(t, "queue"), kind: rapid.SampledFrom(store.Kinds).Draw(t, "kind"),
					key: rapid.SampledFrom([]string{"", "u", "v"}).Draw(t, "key"), max: rapid.IntRange(1, 3).Draw(t, "max"),
					due: f.clk.Now().Add(time.Duration(rapid.IntRange(-1, 60).Draw(t, "in")) * time.Second),
				}
				refused := m.key != "" && unfinished(m.queue, m.key, m.kind)
				m.id = f.enqueue(Job{Queue: m.queue, Kind: m.kind, RunAt: m.due, MaxAttempts: m.max, UniqueKey: m.key})
				if (m.id == 0) != refused {
					t.Fatalf("id %d, refused %v", m.id, refused)
				}
				if !refused {
					list = append(list, m)
				}
			},
			"claim": func(t *rapid.T) {
				w := f.worker(rapid.SampledFrom(queues).Draw(t, "queue"), rapid.SampledFrom(store.Kinds).Draw(t, "kind"), nil)
				var want *model
				for _, m := range list {
					if m.queue == w.queue && m.kind == w.kind && !m.dead && !m.due.After(f.clk.Now()) &&
						(want == nil || m.due.Before(want.due) || m.due.Equal(want.due) && m.id < want.id) {
						want = m
					}
				}
				j, ok := f.claim(w)
				switch {
				case want == nil:
					if ok {
						t.Fatalf("claimed %+v, want none", j)
					}
				case want.attempt == want.max: // its workers died as often as it may fail
					if ok {
						t.Fatalf("claimed %+v, want it dead", j)
					}
					want.dead, want.running = true, false
				default:
					if !ok || j.ID != want.id || j.Attempt != want.attempt+1 || j.Kind != want.kind {
						t.Fatalf("claimed %+v, %v; want %+v", j, ok, want)
					}
					if want.running {
						want.former = append(want.former, want.worker)
					}
					want.running, want.worker, want.attempt, want.due = true, j, j.Attempt, f.clk.Now().Add(lease)
				}
			},
			"succeed": func(t *rapid.T) {
				m := pick(t, claimed)
				w := f.worker(m.queue, m.kind, func(context.Context, Job) error { return nil })
				if err := w.work(context.Background(), m.worker); err != nil {
					t.Fatal(err)
				}
				remove(m)
			},
			"fail": func(t *rapid.T) {
				m := pick(t, claimed)
				w := f.worker(m.queue, m.kind, func(context.Context, Job) error { return errors.New("no") })
				if err := w.work(context.Background(), m.worker); err != nil {
					t.Fatal(err)
				}
				m.running = false
				if m.dead = m.attempt == m.max; m.dead {
					return
				}
				var due int64
				f.write(func(tx *store.Tx) error {
					return tx.Row(`SELECT due FROM job_task WHERE id = $1`, m.id).Scan(&due)
				})
				m.due = time.UnixMilli(due).UTC()
				if d := m.due.Sub(f.clk.Now()); d < firstPause/2-time.Millisecond || d > firstPause<<(m.attempt-1) {
					t.Fatalf("pause %v after attempt %d", d, m.attempt)
				}
			},
			"renew": func(t *rapid.T) {
				m := pick(t, claimed)
				if held, err := f.worker(m.queue, m.kind, nil).renew(context.Background(), m.worker); !held || err != nil {
					t.Fatalf("%v, %v", held, err)
				}
				m.due = f.clk.Now().Add(lease)
			},
			// A worker that lost its job comes back.
			"late": func(t *rapid.T) {
				m := pick(t, func(m *model) bool { return len(m.former) > 0 })
				j := rapid.SampledFrom(m.former).Draw(t, "former")
				result := rapid.SampledFrom([]error{nil, errors.New("no")}).Draw(t, "result")
				w := f.worker(m.queue, m.kind, func(context.Context, Job) error { return result })
				if err := w.work(context.Background(), j); err != nil {
					t.Fatal(err)
				}
				if held, err := w.renew(context.Background(), j); held || err != nil {
					t.Fatalf("renewed: %v, %v", held, err)
				}
			},
			"retry": func(t *rapid.T) {
				m := pick(t, func(m *model) bool { return m.dead })
				want := m.key == "" || !unfinished(m.queue, m.key, m.kind)
				f.write(func(tx *store.Tx) error {
					ok, err := f.q.Retry(tx, m.id)
					if ok != want {
						t.Fatalf("retry %v, want %v", ok, want)
					}
					return err
				})
				if want {
					m.dead, m.attempt, m.due = false, 0, f.clk.Now()
				}
			},
			"time": func(t *rapid.T) { f.clk.Advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "s")) * time.Second) },
			"": func(t *rapid.T) {
				type row struct {
					ID, Due, Attempt int64
					State            string
				}
				var got, want []row
				f.write(func(tx *store.Tx) error {
					rows, err := tx.Query(`SELECT id, CASE state WHEN 'dead' THEN 0 ELSE due END, attempt, state FROM job_task ORDER BY id`)
					if err != nil {
						return err
					}
					defer rows.Close()
					got = nil
					for rows.Next() {
						var r row
						if err := rows.Scan(&r.ID, &r.Due, &r.Attempt, &r.State); err != nil {
							return err
						}
						got = append(got, r)
					}
					return rows.Err()
				})
				for _, m := range list {
					r := row{m.id, m.due.UnixMilli(), int64(m.attempt), "waiting"}
					if m.running {
						r.State = "running"
					}
					if m.dead {
						r.State, r.Due = "dead", 0
					}
					want = append(want, r)
				}
				slices.SortFunc(want, func(a, b row) int { return int(a.ID - b.ID) })
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("(-model +queue):\n%s", diff)
				}
			},
		})
	})
}

func BenchmarkJob(b *testing.B) {
	f := setup(b, clock.System())
	w := f.worker("q", store.Live, func(context.Context, Job) error { return nil })
	f.write(func(tx *store.Tx) error {
		for range b.N {
			if _, err := f.q.Enqueue(tx, Job{Queue: "q", Kind: store.Live}); err != nil {
				return err
			}
		}
		return nil
	})
	b.ResetTimer()
	for range b.N {
		f.step(w)
	}
}
