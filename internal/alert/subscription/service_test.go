package subscription

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

const (
	frydlant = "CZ-564028"
	liberec  = "CZ-563889"
)

// rig is a service on a database, with what was sent: only what is committed counts.
type rig struct {
	*Service
	t        *testing.T
	db       *store.DB
	clk      *clock.Clock
	warnings *warning.Service
	o        Options
	texts    *i18n.Bundle

	mu   sync.Mutex
	sent []Dispatch
	fail func(d []Dispatch) error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clk: clock.Fake(start)}
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "warning": warning.Migrations(), "subscription": Migrations()})
	sc.Clock = r.clk
	var err error
	r.db, err = store.Open(context.Background(), sc)
	r.ok(err)
	t.Cleanup(func() { r.db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	r.ok(err)
	r.texts, err = i18n.Load(Locales())
	r.ok(err)
	log := slog.New(slog.DiscardHandler)
	leaves := audit.New(r.db, key, r.clk, log)
	r.warnings = warning.New(warning.Options{DB: r.db, Audit: leaves, Clock: r.clk, Log: log})
	r.o = Options{DB: r.db, Audit: leaves, Clock: r.clk, Key: key, Texts: r.texts, Places: region.places, Areas: region.table, Log: log, Warnings: r.warnings.Warnings, Base: "https://node.example",
		Owner: func(*store.Tx, string) string { return "Město Frýdlant" },
		Send: func(tx *store.Tx, d ...Dispatch) error {
			for i := range d {
				if x := &d[i]; x.Member != 0 {
					all, err := r.Addresses(tx, []int64{x.Member})
					if err != nil {
						return err
					}
					x.Target, x.End = all[x.Member].Target, all[x.Member].End
				}
			}
			if r.fail != nil {
				if err := r.fail(d); err != nil {
					return err
				}
			}
			tx.OnCommit(func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.sent = append(r.sent, d...)
			})
			return nil
		}}
	r.Service, err = New(r.o)
	r.ok(err)
	t.Cleanup(func() {
		if n := r.texts.Missing(); n != 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) want(x Subscription, mail string) string {
	r.t.Helper()
	if x.Channel == "" {
		x.Channel = Email
	}
	if x.Lang == "" {
		x.Lang = i18n.Cs
	}
	token, err := r.Ask(r.t.Context(), x, mail)
	r.ok(err)
	r.ok(r.Confirm(r.t.Context(), token))
	return token
}

// warn takes a document of the Czech service with everything in force.
func (r *rig) warn(all ...feed.Warning) {
	r.t.Helper()
	r.clk.Advance(time.Minute)
	for i := range all {
		all[i].Source, all[i].Sent, all[i].Status, all[i].State = "chmi", feed.Moment{At: r.clk.Now()}, cmp.Or(all[i].Status, feed.Actual), feed.InForce
	}
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := r.warnings.Take(tx, warning.Fetched{Feed: "chmi", Series: "x", Kind: store.Live, At: r.clk.Now(), Ref: blob.Ref{1, byte(r.clk.Now().Unix()), byte(r.clk.Now().Unix() >> 8)}},
			&feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: r.clk.Now()}, Warnings: all})
		return err
	}))
}

func (r *rig) run() []Dispatch {
	r.t.Helper()
	r.ok(r.Observe(r.t.Context()))
	for more := true; more; {
		var err error
		more, err = r.Distribute(r.t.Context())
		r.ok(err)
	}
	return r.take()
}

func (r *rig) take() []Dispatch {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.sent
	r.sent = nil
	return all
}

func titles(all []Dispatch) (lines []string) {
	for _, d := range all {
		lines = append(lines, d.Target+" "+strings.ReplaceAll(d.Title, "\u00a0", " "))
	}
	return lines
}

func (r *rig) told(want ...string) []Dispatch {
	r.t.Helper()
	all := r.run()
	if got := titles(all); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Fatalf("told %q, want %q", got, want)
	}
	return all
}

func wind(colour string, codes ...string) feed.Warning {
	w := feed.Warning{ID: "wind", Event: "High wind", Level: feed.Level{Severity: "Moderate", Colour: colour}, Expires: feed.Moment{At: start.Add(12 * time.Hour)},
		Texts: []feed.Text{{Language: "cs", Event: "Vítr", Headline: "Silný vítr", Description: "Vichr.", Instruction: "Zavřete okna."}}}
	for _, c := range codes {
		w.Areas = append(w.Areas, feed.Area{Codes: []feed.Code{{Scheme: "CISORP", Value: c}}})
	}
	return w
}

// TestDoubleOptIn: nothing leaves before the person has confirmed but the question; who is
// asked too often is asked no more, and whoever asks learns nothing.
func TestDoubleOptIn(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	x := Subscription{Channel: Email, Lang: i18n.De, Want: Want{Municipalities: []string{frydlant}}}
	token, err := r.Ask(ctx, x, "jana@example.org")
	r.ok(err)
	asked := r.take()
	if len(asked) != 1 || asked[0].Target != "jana@example.org" || asked[0].Link != "https://node.example/subscribe/mine/"+token || !strings.Contains(asked[0].Body, "Friedland") && !strings.Contains(asked[0].Body, "Frýdlant") {
		t.Fatalf("%+v", asked)
	}
	r.warn(wind("orange", "5102"))
	r.told()
	for range 5 {
		_, err := r.Ask(ctx, x, "JANA@example.org")
		r.ok(err)
	}
	if n := len(r.take()); n != 2 {
		t.Errorf("asked %d times more, want 2", n)
	}
	for _, bad := range []string{"", "jana", "a@b", "a@b.cz\r\nBcc: x@y.cz", "Jana <a@b.cz>"} {
		if _, err := r.Ask(ctx, x, bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if err := r.Confirm(ctx, token+"0"); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
	r.ok(r.Confirm(ctx, token))
	r.warn(wind("red", "5102"))
	r.told("jana@example.org Geändert: Silný vítr")
	// The address stands in no row as it is.
	var n int64
	r.ok(r.db.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM subscription WHERE target_hash LIKE '%jana%' OR CAST(target AS TEXT) LIKE '%jana%'`).Scan(&n)
	}))
	if r.db.Engine() == store.SQLite && n != 0 {
		t.Error("an address is readable")
	}
	r.ok(r.End(ctx, token))
	r.ok(r.End(ctx, token))
	r.warn(wind("orange", "5102"))
	r.told()
	if _, err := r.Get(ctx, token); problem.KindOf(err) != problem.NotFound {
		t.Error("it is still there")
	}
	r.clk.Advance(confirmIn + time.Hour)
	r.ok(r.Tidy(ctx))
	r.ok(r.db.Read(ctx, func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM subscription`).Scan(&n) }))
	if n != 0 {
		t.Errorf("%d that nobody confirmed are still there", n)
	}
}

// TestOnlyChanges: a bulletin that says the same says nothing; each is told what changed
// for his place; the end of what runs out is no news.
func TestOnlyChanges(t *testing.T) {
	r := newRig(t)
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}}, "f@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{liberec}}}, "l@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{liberec}, Level: 3}}, "red@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{liberec}, Hazards: 1}}, "flood@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}, Wording: true}, "word@x.cz")
	r.take()
	r.warn(wind("orange", "5102"))
	all := r.told("f@x.cz Nově platí: Silný vítr", "word@x.cz Nově platí: Silný vítr")
	body := strings.ReplaceAll(all[0].Body, "\u00a0", " ")
	for _, want := range []string{"Úřední výstraha, text beze změny. Zdroj: Český hydrometeorologický ústav (ČHMÚ)", "Silný vítr\n\nVichr.\n\nZavřete okna.", "Platí do", "Frýdlant"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in %q", want, body)
		}
	}
	if all[0].Source == "" || all[0].End == "" || all[0].Kind != store.Live || all[0].Link != "https://node.example/public/place/"+frydlant+"/cs" {
		t.Errorf("%+v", all[0])
	}
	r.warn(wind("orange", "5102"))
	r.told()
	other := wind("orange", "5102")
	other.Texts[0].Description = "Vichřice."
	r.warn(other)
	r.told("word@x.cz Nové znění: Silný vítr")
	r.warn(wind("orange", "5102", "5105")) // for one more place, in the old words
	r.told("l@x.cz Nově platí: Silný vítr", "word@x.cz Nové znění: Silný vítr")
	r.warn(wind("red", "5102", "5105"))
	r.told("f@x.cz Změna: Silný vítr", "l@x.cz Změna: Silný vítr", "red@x.cz Nově platí: Silný vítr", "word@x.cz Změna: Silný vítr")
	r.warn(wind("red", "5105"))
	r.told("f@x.cz Už neplatí: Silný vítr", "word@x.cz Už neplatí: Silný vítr")
	r.warn()
	r.told("l@x.cz Už neplatí: Silný vítr", "red@x.cz Už neplatí: Silný vítr")
	r.warn(wind("yellow", "5105"))
	r.told("l@x.cz Nově platí: Silný vítr")
	r.clk.Advance(13 * time.Hour)
	r.told()
}

// TestTurnsOutADrill: who was told a warning that turns out to be an exercise is told so, in
// the words he was told, and nobody is told of the exercise.
func TestTurnsOutADrill(t *testing.T) {
	r := newRig(t)
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}}, "f@x.cz")
	r.take()
	r.warn(wind("orange", "5102"))
	r.told("f@x.cz Nově platí: Silný vítr")
	drill := wind("orange", "5102")
	drill.Status, drill.Texts[0].Headline = feed.Exercise, "CVIČENÍ vítr"
	r.warn(drill)
	all := r.told("f@x.cz Už neplatí: Silný vítr")
	if !strings.Contains(all[0].Body, "Ukázalo se, že šlo") || strings.Contains(all[0].Body, "CVIČENÍ") || all[0].Kind != store.Live {
		t.Errorf("%+v", all[0])
	}
	r.warn(drill)
	r.told()
}

// TestQuietHours: at night only a danger to life; in the morning one message with what
// still holds.
func TestQuietHours(t *testing.T) {
	r := newRig(t)
	token := r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}, QuietFrom: 22 * 60, QuietTo: 6*60 + 30}, "f@x.cz")
	r.take()
	r.clk.Advance(5 * time.Hour) // 23:05
	gone := wind("yellow", "5102")
	gone.ID, gone.Event, gone.Texts = "fog", "Fog", []feed.Text{{Language: "cs", Headline: "Mlha"}}
	r.warn(wind("orange", "5102"), gone)
	r.told()
	r.warn(wind("orange", "5102"))
	r.told() // the fog came and went in the night
	flood := wind("red", "5102")
	flood.ID, flood.Texts = "flood", []feed.Text{{Language: "cs", Headline: "Povodeň"}}
	r.warn(wind("orange", "5102"), flood)
	r.told("f@x.cz Nově platí: Povodeň")
	r.ok(r.Digest(t.Context()))
	if n := len(r.take()); n != 0 {
		t.Fatalf("%d messages in the night", n)
	}
	r.clk.Advance(6 * time.Hour)
	r.warn(wind("orange", "5102"), flood) // runs out at 04:05, but the sender goes on
	r.ok(r.Digest(t.Context()))
	// 05:09: still quiet.
	if n := len(r.take()); n != 0 {
		t.Fatalf("%d messages too early", n)
	}
	later := wind("orange", "5102")
	later.Expires = feed.Moment{At: start.Add(24 * time.Hour)}
	r.warn(later, flood)
	r.told()
	r.clk.Advance(90 * time.Minute)
	r.ok(r.Digest(t.Context()))
	all := r.take()
	if len(all) != 1 || !strings.Contains(strings.ReplaceAll(all[0].Body, "\u00a0", " "), "Nově platí: Silný vítr") || strings.Contains(all[0].Body, "Mlha") {
		t.Fatalf("%+v", all)
	}
	r.ok(r.Digest(t.Context()))
	if n := len(r.take()); n != 0 {
		t.Errorf("%d told twice", n)
	}
	for _, c := range []struct {
		at  string
		end string
	}{{"21:59", ""}, {"22:00", "06:30"}, {"23:59", "06:30"}, {"00:00", "06:30"}, {"06:29", "06:30"}, {"06:30", ""}} {
		x, err := r.Get(t.Context(), token)
		r.ok(err)
		now, err := time.ParseInLocation("2006-01-02 15:04", "2026-10-24 "+c.at, zone) // the night with an hour more
		r.ok(err)
		end := x.Quiet(now)
		if end.IsZero() != (c.end == "") || !end.IsZero() && end.In(zone).Format("15:04") != c.end {
			t.Errorf("%s: %v", c.at, end)
		}
	}
}

// message is an own notice as it is published.
func message(t *testing.T, purpose notice.Purpose, severity string) []byte {
	t.Helper()
	doc, found := cap.Write(&cap.Alert{Version: cap.V12, Identifier: "x", Sender: "urn:uuid:x", Sent: cap.FormatTime(start.In(zone)), Status: cap.Actual, MsgType: cap.TypeAlert, Scope: "Public",
		Infos: []cap.Info{{Language: "cs", Categories: []string{"Safety"}, Event: "Most", Urgency: "Expected", Severity: severity, Certainty: "Likely", Headline: "Uzavřený most " + string(purpose),
			Areas: []cap.Area{{Desc: "Frýdlant", Geocodes: []cap.Pair{{Name: "CISORP", Value: "5102"}}}}}}})
	if len(found) > 0 {
		t.Fatal(found)
	}
	return doc
}

// TestOwnNotices: told in the transaction in which they are published, or not at all; an
// exercise is told to nobody.
func TestOwnNotices(t *testing.T) {
	r := newRig(t)
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}}, "f@x.cz")
	r.take()
	publish := func(kind store.Kind, revision int, purpose notice.Purpose, severity string, then error) {
		t.Helper()
		err := r.db.Write(t.Context(), func(tx *store.Tx) error {
			if err := r.Published(tx, &notice.Publication{Notice: "n1", Revision: revision, Kind: kind, Organisation: "frydlant", Sent: r.clk.Now(), Expires: start.Add(6 * time.Hour), Purpose: purpose, Document: message(t, purpose, severity)}); err != nil {
				return err
			}
			return then
		})
		if !errors.Is(err, then) {
			t.Fatal(err)
		}
	}
	publish(store.Exercise, 1, notice.Alert, "Extreme", nil)
	r.told()
	publish(store.Live, 1, notice.Alert, "Severe", errors.New("not published after all"))
	r.told()
	publish(store.Live, 1, notice.Alert, "Severe", nil)
	all := r.told("f@x.cz Nově platí: Uzavřený most alert")
	if !strings.Contains(strings.ReplaceAll(all[0].Body, "\u00a0", " "), "odpovídá: Město Frýdlant") {
		t.Errorf("whose it is does not stand in %q", all[0].Body)
	}
	publish(store.Live, 2, notice.Update, "Extreme", nil)
	r.told("f@x.cz Změna: Uzavřený most update")
	publish(store.Live, 3, notice.Cancel, "Minor", nil)
	r.told("f@x.cz Už neplatí: Uzavřený most cancel")
}

// TestExactlyOnce: two instances distribute at once, and their transactions fail at random
// as if they had been killed; each person is told once.
func TestExactlyOnce(t *testing.T) {
	r := newRig(t)
	const people = 1300
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
		for i := range people {
			x := Subscription{ID: fmt.Sprint("id", i), Channel: WebPush, Lang: i18n.Pl, Want: Want{Municipalities: []string{frydlant}}, At: start, Confirmed: start, Until: start.Add(lasts)}
			x.sealed = r.seal(x.ID, fmt.Sprintf(`{"n":"https://%d"}`, i))
			if err := x.insert(tx, x.ID); err != nil {
				return err
			}
		}
		return nil
	}))
	var other *Service
	var err error
	other, err = New(r.o)
	r.ok(err)
	r.ok(r.Load(t.Context()))
	r.ok(other.Load(t.Context()))
	calls := 0
	r.fail = func([]Dispatch) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if calls++; calls%2 == 1 {
			return errors.New("killed")
		}
		return nil
	}
	for round := range 3 {
		r.warn(wind([]string{"yellow", "orange", "red"}[round], "5102"))
		var wg sync.WaitGroup
		for _, s := range []*Service{r.Service, other} {
			wg.Go(func() {
				for range 200 {
					if err := s.Observe(t.Context()); err != nil {
						t.Error(err)
						return
					}
					more, err := s.Distribute(t.Context())
					if err == nil && !more {
						return
					}
				}
				t.Error("it does not end")
			})
		}
		wg.Wait()
		seen := map[string]int{}
		for _, d := range r.take() {
			seen[d.Ref+" "+d.Revision]++
		}
		for ref, n := range seen {
			if n != 1 {
				t.Fatalf("%s: %d times", ref, n)
			}
		}
		if len(seen) != people {
			t.Fatalf("round %d: %d were told, want %d", round, len(seen), people)
		}
	}
}

// TestReminded: a month before the end somebody is asked, once; who does not answer is
// forgotten, who does stays a year.
func TestReminded(t *testing.T) {
	r := newRig(t)
	a := r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}}, "a@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}}, "b@x.cz")
	r.take()
	r.clk.Advance(lasts - remindAt + time.Hour)
	r.ok(r.Tidy(t.Context()))
	r.ok(r.Tidy(t.Context()))
	if all := r.take(); len(all) != 2 {
		t.Fatalf("%q", titles(all))
	}
	r.ok(r.Confirm(t.Context(), a))
	r.clk.Advance(remindAt + time.Hour)
	r.ok(r.Tidy(t.Context()))
	w := wind("orange", "5102")
	w.Expires = feed.Moment{}
	r.warn(w)
	all := r.run()
	if len(all) != 1 || all[0].Target != "a@x.cz" {
		t.Fatalf("%q", titles(all))
	}
}
