package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

const childEnv = "TROJMEZI_SUBSCRIPTION_CHILD"

// People of the test: those who sleep are told in the morning. All are told of more than
// one part at once.
const (
	awake    = batch + 200
	sleeping = 150
)

// killed is a service of a process that may be killed. What it sends stands in a table
// that takes the same twice, so that it would show.
func killed(db *store.DB, clk *clock.Clock, dir string) (*Service, *warning.Service, error) {
	key, err := seal.LoadOrCreate(filepath.Join(dir, "node.key"))
	if err != nil {
		return nil, nil, err
	}
	texts, err := i18n.Load(Locales())
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	leaves := audit.New(db, key, clk, log)
	book := warning.New(warning.Options{DB: db, Audit: leaves, Clock: clk, Log: log})
	var s *Service
	s, err = New(Options{DB: db, Audit: leaves, Clock: clk, Key: key, Texts: texts, Places: region.places, Areas: region.table, Log: log, Warnings: book.Warnings, Base: "https://node.example",
		Send: func(tx *store.Tx, all ...Dispatch) error {
			var members []int64
			for _, d := range all {
				members = append(members, d.Member)
			}
			whom, err := s.Addresses(tx, members)
			if err != nil {
				return err
			}
			for _, d := range all {
				if _, seq, ok := strings.Cut(d.Revision, "/"); ok { // a change for one person
					id, _, _ := strings.Cut(strings.TrimPrefix(whom[d.Member].End, "https://node.example"+Path), ".")
					d.Ref, d.Revision = "subscription/"+seq, id
				}
				if _, err := tx.Exec(`INSERT INTO test_told (ref, revision) VALUES ($1, $2)`, d.Ref, d.Revision); err != nil {
					return err
				}
			}
			return nil
		}})
	return s, book, err
}

// TestChild is a node that is killed: its warning changes without end, it tells each
// change, and every few changes a night is over.
func TestChild(t *testing.T) {
	parts := strings.Split(os.Getenv(childEnv), "|")
	if len(parts) != 3 {
		t.Skip("run by TestKill and TestTwoInstances")
	}
	dir, url, name := parts[0], parts[1], parts[2]
	ctx := t.Context()
	db, err := store.Open(ctx, store.Config{Dir: dir, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	var at int64
	if err := db.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COALESCE(MAX(at), 0) FROM subscription_change`).Scan(&at)
	}); err != nil {
		t.Fatal(err)
	}
	now := start
	if last := moment(at); last.After(now) {
		now = last.Truncate(time.Hour).Add(90 * time.Minute) // far from midnight, when nobody sleeps for a minute
	}
	clk := clock.Fake(now)
	for range os.Getpid() % 1000 * 100 {
		clk.NewID() // two instances count apart
	}
	s, book, err := killed(db, clk, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(ctx); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		if clk.Advance(time.Second); n%5 == 4 {
			clk.Advance(25 * time.Hour)
		}
		w := wind([]string{"yellow", "orange"}[n%2], "5102")
		w.ID, w.Code, w.Source, w.Status, w.State, w.Sent, w.Expires = name, "SIVS:"+name, "chmi", feed.Actual, feed.InForce, feed.Moment{At: clk.Now()}, feed.Moment{}
		w.Level.National = fmt.Sprint(clk.Now().UnixMilli()) // never the same as before
		if err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := book.Take(tx, warning.Fetched{Feed: "chmi", Series: name, Kind: store.Live, At: clk.Now(), Ref: blob.Ref{byte(n), byte(n >> 8), byte(os.Getpid()), byte(os.Getpid() >> 8)}},
				&feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: clk.Now()}, Warnings: []feed.Warning{w}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Observe(ctx); err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			if more, err = s.Distribute(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Digest(ctx); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			fmt.Println("ready")
		}
	}
}

// population is a database with people, and its key beside it.
func population(t *testing.T) store.Config {
	t.Helper()
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "warning": warning.Migrations(), "subscription": Migrations()})
	db, err := store.Open(t.Context(), sc)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, _, err := killed(db, clock.Fake(start), sc.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(`CREATE TABLE test_told (ref TEXT NOT NULL, revision TEXT NOT NULL)`); err != nil {
			return err
		}
		for i := range awake + sleeping {
			x := Subscription{ID: fmt.Sprint("awake", i), Channel: Email, Lang: i18n.Langs[i%4], Want: Want{Municipalities: []string{frydlant}}, At: start, Confirmed: start, Until: start.Add(lasts)}
			if i%5 == 1 && i/5 < sleeping { // among the others
				x.ID, x.QuietFrom, x.QuietTo = fmt.Sprint("sleeping", i), 1, 0
			}
			x.sealed = s.seal(x.ID, "a@example.org")
			if err := x.insert(tx, x.ID); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return sc
}

// child starts a node and waits until it has told something.
func child(t *testing.T, sc store.Config, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+sc.Dir+"|"+sc.URL+"|"+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for text := ""; !strings.Contains(text, "ready"); {
		n, err := out.Read(buffer)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		text += string(buffer[:n])
	}
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
}

// everybodyOnce finishes what killed nodes have begun, and counts.
func everybodyOnce(t *testing.T, sc store.Config, atLeast int) {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(context.Background(), sc)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, _, err := killed(db, clock.Fake(start.Add(lasts)), sc.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(ctx); err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = s.Distribute(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.o.Clock.Advance(25 * time.Hour)
	if err := s.Digest(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Read(ctx, func(tx *store.Tx) error {
		var changes, twice, held int64
		if err := tx.Row(`SELECT COUNT(*) FROM subscription_change`).Scan(&changes); err != nil {
			return err
		}
		if err := tx.Row(`SELECT COUNT(*) FROM (SELECT ref FROM test_told GROUP BY ref, revision HAVING COUNT(*) > 1) x`).Scan(&twice); err != nil {
			return err
		}
		if err := tx.Row(`SELECT COUNT(*) FROM subscription_held`).Scan(&held); err != nil {
			return err
		}
		if twice != 0 || held != 0 {
			t.Errorf("%d were told twice, for %d something is still held back", twice, held)
		}
		// Each change for everybody who is awake; for who sleeps, the last one in a digest.
		rows, err := tx.Query(`SELECT c.seq, (SELECT COUNT(*) FROM test_told x WHERE x.ref = 'subscription/' || c.seq AND x.revision LIKE 'awake%'),
			(SELECT COUNT(*) FROM test_told x WHERE x.ref = 'subscription/' || c.seq AND x.revision LIKE 'sleeping%'),
			(SELECT COUNT(*) FROM test_told x WHERE x.ref = 'subscription/held/' || c.seq) FROM subscription_change c ORDER BY c.seq`)
		if err != nil {
			return err
		}
		defer rows.Close()
		digests := int64(0)
		for rows.Next() {
			var seq, told, woken, morning int64
			if err := rows.Scan(&seq, &told, &woken, &morning); err != nil {
				return err
			}
			if told != awake || woken != 0 || morning > sleeping {
				t.Errorf("change %d: told to %d who are awake, want %d; %d were woken; %d digests", seq, told, awake, woken, morning)
			}
			if digests += morning; seq == changes && morning != sleeping {
				t.Errorf("%d of %d who sleep were told of the last change", morning, sleeping)
			}
		}
		if t.Logf("%d changes, %d digests", changes, digests); changes < int64(atLeast) || digests == 0 {
			t.Errorf("%d changes, %d digests: nothing was tried", changes, digests)
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
}

// TestKill: a node is killed at any moment, again and again; the next one goes on where it
// was. Nobody is told twice, nobody is left out, nobody is woken.
func TestKill(t *testing.T) {
	sc := population(t)
	n := checks(3)
	for i := range n {
		cmd := child(t, sc, "a")
		time.Sleep(time.Duration(20+37*i%400) * time.Millisecond)
		kill(t, cmd)
	}
	everybodyOnce(t, sc, n)
}

// TestTwoInstances: two nodes on one database tell at the same time, each is killed in
// turn and the other takes over.
func TestTwoInstances(t *testing.T) {
	if os.Getenv(storetest.PostgresEnv) == "" {
		t.Skip("two instances share a PostgreSQL: set " + storetest.PostgresEnv + "; TestExactlyOnce shows two in one process")
	}
	sc := population(t)
	names := []string{"a", "b"}
	running := []*exec.Cmd{child(t, sc, names[0]), child(t, sc, names[1])}
	n := checks(3)
	for i := range n {
		time.Sleep(time.Duration(20+37*i%400) * time.Millisecond)
		kill(t, running[i%2])
		running[i%2] = child(t, sc, names[i%2])
	}
	kill(t, running[0])
	kill(t, running[1])
	everybodyOnce(t, sc, n+2)
}
