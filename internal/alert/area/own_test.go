package area

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

var today = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// node is one instance on a database.
func node(t testing.TB, config store.Config) (*Book, *store.DB) {
	t.Helper()
	db, err := store.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	places, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	clk, log := clock.Fake(today), slog.New(slog.DiscardHandler)
	b, err := Open(t.Context(), Options{DB: db, Places: places, Audit: audit.New(db, key, clk, log), Clock: clk, Log: log,
		Name: func(_ *store.Tx, id string) string { return "Person " + id }})
	if err != nil {
		t.Fatal(err)
	}
	return b, db
}

func tables(t testing.TB) store.Config {
	return storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "area": Migrations()})
}

const header = "country,level,scheme,code,name,cs,de,pl,en,parent,members,lat,lon,valid_from,valid_to,status,names_status,source,outline\n"

// A part of the Kreis Görlitz of which the shipped table does not say what it holds, told
// by municipalities or by an outline.
const (
	uplands = "DE,kreispart,WARNCELLID,914626002,Görlitz (Bergland),,Görlitz (Bergland),,,AGS:14626,list=DE-14626110,51.15,14.97,,,verified,verified,letter of the Kreis,\n"
	drawn   = "DE,kreispart,WARNCELLID,914626002,Görlitz (Bergland),,Görlitz (Bergland),,,AGS:14626,,51.15,14.97,,,verified,verified,map of the Kreis,\"51.05,14.85 51.05,15.05 51.25,15.05 51.25,14.85 51.05,14.85\"\n"
)

func imported(t testing.TB, b *Book, rows string) []Change {
	t.Helper()
	changes, refused, err := b.Import(t.Context(), "vera", []byte(header+rows), "corrected by the authority")
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	return changes
}

func concerns(b *Book, code, municipality string) Verdict {
	return b.Concerns([]feed.Area{{Codes: []feed.Code{{Scheme: "WARNCELLID", Value: code}}}}, Place{Municipality: municipality}, today).Verdict
}

// TestOwnVersions: a row counts at once, here, in another instance of the node and after a
// restart; undoing puts the one before in force again, and nothing is lost.
func TestOwnVersions(t *testing.T) {
	config := tables(t)
	a, db := node(t, config)
	var other *Book
	if config.URL != "" { // PostgreSQL: another instance
		other, _ = node(t, config)
	} else {
		other = &Book{Table: &Table{}, o: a.o} // another part of the process
		if err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	watched := make(chan struct{})
	go func() { close(watched); ran <- other.Run(ctx) }()
	<-watched
	defer func() { stop(); <-ran }()

	const city, zittau = "DE-14626110", "DE-14626610"
	shippedVersion := a.Version()
	if v := concerns(a, "914626002", city); v != Unclear {
		t.Fatalf("shipped: %s", v)
	}
	if c := imported(t, a, uplands); len(c) != 1 || c[0].Kind != "changed" || c[0].Replaced != 1 {
		t.Fatalf("%+v", c)
	}
	if concerns(a, "914626002", city) != Yes || concerns(a, "914626002", zittau) != No || a.Version() == shippedVersion {
		t.Error("the row does not count:", a.Version())
	}
	arrives := func(version string) {
		t.Helper()
		for until := time.Now().Add(10 * time.Second); other.Version() != version; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("the other instance has %s, not %s", other.Version(), version)
			}
			if config.URL == "" {
				a.o.DB.Write(t.Context(), func(tx *store.Tx) error { tx.Notify(topic); return nil })
			}
		}
	}
	arrives(a.Version())
	first := a.Version()
	imported(t, a, drawn)
	if concerns(a, "914626002", city) != Yes || concerns(a, "914626002", zittau) == Yes {
		t.Error("by outline:", concerns(a, "914626002", city), concerns(a, "914626002", zittau))
	}
	if x, _ := a.Lookup("WARNCELLID", "914626002", today); x.Own != 2 || x.Outline == nil || x.Coverage != Part {
		t.Errorf("%+v", x)
	}
	k := Key{"WARNCELLID", "914626002"}
	if _, err := a.Undo(t.Context(), "vera", k, 1, "seen long ago"); !errors.Is(err, errChanged) {
		t.Error(err)
	}
	if _, err := a.Undo(t.Context(), "vera", k, 2, " "); !isKind(err, problem.Invalid) {
		t.Error(err)
	}
	if v, err := a.Undo(t.Context(), "vera", k, 2, "the map was of last year"); err != nil || v.Holds != 1 || v.Number != 3 {
		t.Fatal(v, err)
	}
	if a.Version() != first {
		t.Error(a.Version(), first)
	}
	arrives(first)
	if v, err := a.UndoByOperator(t.Context(), k, "nor does the letter hold"); err != nil || v.Holds != 0 {
		t.Fatal(v, err)
	}
	if concerns(a, "914626002", city) != Unclear || a.Version() != shippedVersion {
		t.Error("what is shipped does not count again")
	}
	if _, err := a.UndoByOperator(t.Context(), k, "once more"); !isKind(err, problem.NotFound) {
		t.Error(err)
	}
	imported(t, a, uplands)
	again, _ := node(t, config)
	if concerns(again, "914626002", city) != Yes {
		t.Error("after a restart the row does not count")
	}
	all, err := again.History(t.Context())
	if err != nil || len(all) != 5 {
		t.Fatal(len(all), err)
	}
	var leaves int
	if err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action IN ('area.import', 'area.undo')`).Scan(&leaves)
	}); err != nil || leaves != 5 {
		t.Error("audit leaves:", leaves, err)
	}
}

func isKind(err error, k problem.Kind) bool {
	p, ok := errors.AsType[*problem.Error](err)
	return ok && p.Kind == k
}

// TestOwnDays: a version closes the one before at its own first day; rows of one file for
// one code follow each other.
func TestOwnDays(t *testing.T) {
	b, _ := node(t, tables(t))
	row := func(name, from string) string {
		return "PL,catchment,IMGW,Z_G_DS_9999," + name + ",,,,,,none,51.5,17.5," + from + ",,verified,,IMGW,\n"
	}
	imported(t, b, row("Nysa A", "2027-01-01")+row("Nysa B", "2026-01-01"))
	for day, want := range map[string]string{"2025-12-31": "zlewnie w województwie dolnośląskim", "2026-06-01": "Nysa B", "2026-12-31": "Nysa B", "2027-01-01": "Nysa A", "2030-01-01": "Nysa A"} {
		at, _ := time.ParseInLocation(time.DateOnly, day, zone())
		if a, _ := b.Lookup("IMGW", "Z_G_DS_9999", at); a.Name != want {
			t.Errorf("%s: %q, want %q", day, a.Name, want)
		}
	}
	c := imported(t, b, row("Nysa C", "2028-01-01"))
	if c[0].Closed != 1 || c[0].Replaced != 0 {
		t.Errorf("%+v", c)
	}
	at, _ := time.ParseInLocation(time.DateOnly, "2028-01-01", zone())
	if a, _ := b.Lookup("IMGW", "Z_G_DS_9999", at); a.Name != "Nysa C" {
		t.Error(a.Name)
	}
	if a, _ := b.Lookup("IMGW", "Z_G_DS_9999", at.AddDate(0, 0, -1)); a.Name != "Nysa A" || a.Until() != "2028-01-01" {
		t.Error(a.Name, a.Until())
	}
	// What the list writes out comes in again without a change.
	var file bytes.Buffer
	if err := b.Write(&file, b.Areas()); err != nil {
		t.Fatal(err)
	}
	changes, refused, err := b.Judge(t.Context(), file.Bytes())
	if err != nil || len(refused) > 0 || len(changes) < 400 {
		t.Fatal(len(changes), refused, err)
	}
	for _, c := range changes {
		if c.Kind != "same" {
			t.Errorf("%+v", c)
		}
	}
}

// TestOwnRefused: a row that cannot be or contradicts the table is refused with its line
// and what to do; then none of the file is stored.
func TestOwnRefused(t *testing.T) {
	b, db := node(t, tables(t))
	for _, c := range []struct {
		rows, key string
		line      int
	}{
		{"CZ,orp,CISORP,5102,Frýdlant,Frýdlant,Friedland,,,NUTS:CZ051,orp=Frýdlant,48.1,16.2,,,verified,,letter,\n", "area.mend.place", 2},
		{"CZ,orp,CISORP,5102,Liberec,Liberec,,,,NUTS:CZ051,orp=Frýdlant,50.922,15.144,,,verified,,letter,\n", "area.mend.name", 2},
		{"CZ,orp,CISORP,51x,Frýdlant,Frýdlant,,,,NUTS:CZ051,orp=Frýdlant,50.922,15.144,,,verified,,letter,\n", "area.mend.rule", 2},
		{"CZ,orp,CISORP,5102,Frýdlant,Frýdlant,,,,NUTS:CZ999,orp=Frýdlant,50.922,15.144,,,verified,,letter,\n", "area.mend.parent", 2},
		{uplands + "CZ,orp,CISORP,5102,,,,,,,,,,,,verified,,letter,\n", "area.wrong.empty", 3},
		{"CZ,orp,CISORP,5102,Frýdlant,,,,,NUTS:CZ051,list=CZ-1,50.9,15.1,,,verified,,letter,\n", "area.wrong.municipality", 2},
		{"CZ,orp,CISORP,5102,Frýdlant,,,,,NUTS:CZ051,orp=Frýdlant,,,,,verified,,letter,\n", "area.wrong.middle", 2},
		{"CZ,orp,CISORP,5102,Frýdlant,,,,,NUTS:CZ051,orp=Frýdlant,50.922,15.144,,,verified,,,\n", "area.wrong.source", 2},
		{"CZ,orp,CISORP,5102,Frýdlant,,,,,NUTS:CZ051,orp=Frýdlant,50.922,15.144,2027-02-01,2027-01-01,verified,,letter,\n", "area.wrong.order", 2},
		{"CZ,orp,CISORP,5102,Frýdlant,,,,,NUTS:CZ051,orp=Frýdlant,50.922,15.144,1.2.2027,,verified,,letter,\n", "area.wrong.day", 2},
		{"CZ,orp,CISORP,51*,Frýdlant,,,,,NUTS:CZ051,orp=Frýdlant,50.922,15.144,,,verified,,letter,\n", "area.wrong.pattern", 2},
		{"CZ,municipality,LAU2,564028,Frýdlant,,,,,CISORP:5102,list=CZ-564028,50.922,15.144,,,verified,,letter,\n", "area.wrong.register", 2},
		{strings.Replace(uplands, "51.15,14.97", ",", 1)[:len(uplands)-len("51.15,14.97,\n")+1] + ",\"51.05,14.85 51.25,15.05 51.05,15.05 51.25,14.85 51.05,14.85\"\n", "area.wrong.outline", 2},
		{strings.Replace(uplands, "list=DE-14626110", "list=DE-14626610", 1)[:len(uplands)-1] + "\"51.05,14.85 51.05,15.05 51.25,15.05 51.25,14.85 51.05,14.85\"\n", "area.mend.place", 2},
		{"CZ,orp\n", "area.wrong.csv", 2},
	} {
		_, refused, err := b.Import(t.Context(), "vera", []byte(header+c.rows), "a try")
		if err != nil || len(refused) == 0 {
			t.Errorf("%s: not refused: %v", c.key, err)
			continue
		}
		found := false
		for _, r := range refused {
			found = found || r.Text.Key == c.key && r.Line == c.line
		}
		if !found {
			t.Errorf("want %s at line %d: %+v", c.key, c.line, refused)
		}
	}
	if _, refused, err := b.Import(t.Context(), "vera", []byte("name,code\n"), "a try"); err != nil || len(refused) != 1 || refused[0].Text.Key != "area.wrong.columns" {
		t.Error(refused, err)
	}
	if err := db.Read(t.Context(), func(tx *store.Tx) error {
		all, err := readVersions(tx)
		if len(all) > 0 {
			t.Error("stored:", all)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestOwnLost: a row that the register of municipalities no longer allows does not keep the
// node from starting; it does not count, and is named.
func TestOwnLost(t *testing.T) {
	config := tables(t)
	b, db := node(t, config)
	imported(t, b, uplands)
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE area_own SET content = $1`, strings.Replace(`["DE","kreispart","WARNCELLID","914626002","X","","","","","","list=DE-0","51","15","","","verified","","s",""]`, "X", "Görlitz", 1))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	again, _ := node(t, config)
	if lost := again.Lost(); len(lost) != 1 || lost[0].Text.Key != "area.wrong.municipality" {
		t.Errorf("%+v", lost)
	}
	if concerns(again, "914626002", "DE-14626110") != Unclear {
		t.Error("the shipped row does not count")
	}
}
