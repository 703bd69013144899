package channel

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// three are receivers of Frýdlant, of Görlitz and of everything that is severe.
func three(channel, drill string) []Receiver {
	to := func(name string) []Target {
		all := []Target{{Channel: channel, To: name}}
		if drill != "" {
			all = append(all, Target{Channel: drill, To: name})
		}
		return all
	}
	return []Receiver{
		{Name: "Frýdlant", Language: "cs", Places: []string{"CISORP 5102"}, Targets: to("frydlant")},
		{Name: "Görlitz", Language: "de", Places: []string{"DE-14626110"}, Targets: to("goerlitz"), Acknowledge: true},
		{Name: "Alle", Language: "pl", Places: []string{"*"}, Minimum: "Severe", Targets: to("alle")},
	}
}

func folders(t *testing.T, names ...string) (c Config) {
	for _, n := range names {
		kind := "live"
		if strings.Contains(n, "drill") {
			kind = "exercise"
		}
		c.List = append(c.List, Setup{Name: n, Sort: "handover", Kind: kind, Handover: FolderSetup{Directory: t.TempDir()}})
	}
	return c
}

// publication is an own notice as it goes out.
func publication(t *testing.T, revision int, kind store.Kind, severity string) *notice.Publication {
	t.Helper()
	a := &cap.Alert{Version: cap.V12, Identifier: fmt.Sprint("x", revision), Sender: "urn:oid:1.2.3", Sent: cap.FormatTime(start), Status: cap.Actual, MsgType: cap.TypeAlert, Scope: cap.Public, Source: "Město Frýdlant"}
	if kind == store.Exercise {
		a.Status = cap.Exercise
	}
	for tag, head := range map[string]string{"cs-CZ": "Protrhla se hráz", "de-DE": "Dammbruch", "pl-PL": "Przerwanie zapory", "en-GB": "Dam break"} {
		a.Infos = append(a.Infos, cap.Info{Language: tag, Categories: []string{"Met"}, Event: head, Urgency: "Immediate", Severity: severity, Certainty: "Observed", SenderName: "Own notice of Město Frýdlant",
			Headline: head, Description: "text " + tag, Instruction: "do " + tag, Web: "https://node.example/cap/message/n.1",
			EventCodes: []cap.Pair{{Name: "trojmezi:hazard", Value: "dam_break"}}, Parameters: []cap.Pair{{Name: "trojmezi:origin", Value: "own-notice"}},
			Areas: []cap.Area{{Desc: "Frýdlant", Geocodes: []cap.Pair{{Name: "CISORP", Value: "5102"}}}}})
	}
	doc, found := cap.Write(a)
	if len(found) > 0 {
		t.Fatal(found)
	}
	return &notice.Publication{Notice: "n", Revision: revision, Kind: kind, Organisation: "frydlant", Sent: start, Expires: start.Add(6 * time.Hour), Document: doc}
}

func (r *rig) published(p *notice.Publication) {
	r.t.Helper()
	r.ok(r.DB.Write(r.t.Context(), func(tx *store.Tx) error { return r.Published(tx, p) }))
}

// got are receiver, reference and title of all dispatches, sorted.
func (r *rig) got() (all []string) {
	for _, x := range r.all() {
		all = append(all, x.Receiver+" "+x.Reference.ID+"."+x.Reference.Revision+" "+x.Title)
	}
	slices.Sort(all)
	return all
}

// Each publication of an own notice reaches the receivers of its area once, in their
// language, by the channels of its kind.
func TestPublished(t *testing.T) {
	c := folders(t, "siren", "drill")
	c.Receivers = three("siren", "drill")
	r := newRig(t, c)
	one := publication(t, 1, store.Live, "Moderate")
	r.published(one)
	r.published(one)
	if got := r.got(); !slices.Equal(got, []string{"Frýdlant n.1 Protrhla se hráz"}) {
		t.Fatalf("%q", got)
	}
	r.published(publication(t, 2, store.Live, "Extreme"))
	r.published(publication(t, 3, store.Exercise, "Extreme"))
	if got := r.got(); !slices.Equal(got, []string{"Alle n.2 Przerwanie zapory", "Alle n.3 Przerwanie zapory", "Frýdlant n.1 Protrhla se hráz", "Frýdlant n.2 Protrhla se hráz", "Frýdlant n.3 Protrhla se hráz"}) {
		t.Errorf("%q", got)
	}
	for _, x := range r.all() {
		if want := map[bool]string{true: "drill", false: "siren"}[x.Kind == store.Exercise]; x.Channel != want {
			t.Errorf("%+v", x)
		}
	}
	r.run(r.settled)
	files, err := filepath.Glob(filepath.Join(c.List[0].Handover.Directory, "frydlant.*.json"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v", files, err)
	}
	body, err := os.ReadFile(files[0])
	r.ok(err)
	for _, want := range []string{`"source":"Own notice of Město Frýdlant"`, `"text":"text cs-CZ\ndo cs-CZ"`, `"origin":"notice"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

// official warnings of a test.
func storm(id, severity string, codes ...string) feed.Warning {
	w := feed.Warning{ID: id, Source: "chmi", Sender: "ČHMÚ", Event: "Silný vítr", Code: "SIVS:I.1", Level: feed.LevelOf(severity), Sent: feed.Moment{At: start}, Onset: feed.Moment{At: start},
		Expires: feed.Moment{At: start.Add(12 * time.Hour)}, Status: feed.Actual, State: feed.InForce, Texts: []feed.Text{{Language: "cs", Event: "Silný vítr", Headline: "Silný vítr – Liberecký  kraj", Description: "Nárazy kolem 20 m/s.", Instruction: "Zajistěte okna."}}}
	var a feed.Area
	for _, c := range codes {
		scheme, value, _ := strings.Cut(c, " ")
		a.Codes = append(a.Codes, feed.Code{Scheme: scheme, Value: value})
	}
	w.Areas = []feed.Area{a}
	return w
}

func take(ctx context.Context, db *store.DB, book *warning.Service, n int, at time.Time, all ...feed.Warning) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		_, err := book.Take(tx, warning.Fetched{Feed: "chmi", Series: "chmi", Kind: store.Live, At: at, Ref: blob.Ref{byte(n), byte(n >> 8)}}, &feed.Reading{Issued: feed.Moment{At: at}, Dated: true, Whole: true, Warnings: all})
		return err
	})
}

// A receiver is told of an official warning when it comes, when it changes for him, and
// when it is over; of what changes elsewhere he hears nothing.
func TestFollow(t *testing.T) {
	c := folders(t, "siren")
	c.Receivers = three("siren", "")
	r := newRig(t, c)
	n := 0
	step := func(want string, all ...feed.Warning) {
		t.Helper()
		n++
		r.clk.Advance(time.Minute)
		before := r.got()
		for i := range all {
			all[i].Sent = feed.Moment{At: start} // the same warning in each bulletin
		}
		r.ok(take(t.Context(), r.DB, r.book, n, r.clk.Now(), all...))
		r.ok(r.Follow(t.Context()))
		r.ok(r.Follow(t.Context()))
		var fresh []string
		for _, x := range r.got() {
			if i := slices.Index(before, x); i >= 0 {
				before = slices.Delete(before, i, i+1)
			} else {
				name, _, _ := strings.Cut(x, " ")
				fresh = append(fresh, name)
			}
		}
		if got := strings.Join(fresh, " "); got != want {
			t.Fatalf("step %d told %q, want %q", n, got, want)
		}
	}
	one := storm("chmi/1", "Moderate", "CISORP 5102")
	step("Frýdlant", one)
	step("", one) // the bulletin again
	elsewhere := storm("chmi/1", "Moderate", "CISORP 5102", "CISORP 5105")
	step("", elsewhere) // Liberec, too: nothing new for Frýdlant
	worse := storm("chmi/1", "Severe", "CISORP 5102", "CISORP 5105")
	step("Alle Frýdlant", worse)
	step("Alle Frýdlant", storm("chmi/1", "Severe", "CISORP 5105")) // no longer for him
	step("Alle")                                                    // gone from the bulletin
	texts := map[string]int{}
	r.ok(r.DB.Read(t.Context(), func(tx *store.Tx) error {
		return each(tx, func(scan func(...any) error) error {
			var title, body, source string
			err := scan(&title, &body, &source)
			if title != "Silný vítr – Liberecký  kraj" || body != "Nárazy kolem 20 m/s.\nZajistěte okna." {
				t.Errorf("the official text was changed: %q %q", title, body)
			}
			if !strings.Contains(source, "Zdroj: Český hydrometeorologický ústav (ČHMÚ)") || !strings.Contains(source, "CC BY 4.0") || !strings.Contains(source, "18:0") {
				t.Errorf("source %q", source)
			}
			for _, mark := range []string{"ODWOŁANE", "JIŽ NEPLATÍ", "změnila", "cs."} {
				if strings.Contains(source, mark) {
					texts[mark]++
				}
			}
			return err
		}, `SELECT t.title, t.body, t.source FROM channel_text t`)
	}))
	if texts["ODWOŁANE"] != 1 || texts["JIŽ NEPLATÍ"] != 1 || texts["změnila"] != 1 || texts["cs."] != 3 {
		t.Errorf("%v", texts)
	}
}

// TestTurnsOut: who was told a warning that turns out to be a drill is told so, by the same
// way and in no word of the drill; who is told drills is told the drill. The other way round
// likewise.
func TestTurnsOut(t *testing.T) {
	c := folders(t, "siren", "drill")
	c.Receivers = three("siren", "drill")
	r := newRig(t, c)
	n := 0
	step := func(status feed.Status, want ...string) {
		t.Helper()
		n++
		r.clk.Advance(time.Minute)
		before := r.got()
		w := storm("chmi/1", "Moderate", "CISORP 5102")
		w.Status, w.Sent = status, feed.Moment{At: start}
		r.ok(take(t.Context(), r.DB, r.book, n, r.clk.Now(), w))
		r.ok(r.Follow(t.Context()))
		r.ok(r.Follow(t.Context()))
		var fresh []string
		for _, x := range r.all() {
			if line := x.Receiver + " " + x.Reference.ID + "." + x.Reference.Revision + " " + x.Title; !slices.Contains(before, line) {
				fresh = append(fresh, x.Channel+": "+x.Title)
			}
		}
		slices.Sort(fresh)
		if !slices.Equal(fresh, want) {
			t.Fatalf("step %d told %q, want %q", n, fresh, want)
		}
	}
	step(feed.Actual, "siren: Silný vítr – Liberecký  kraj")
	step(feed.Exercise, "drill: Silný vítr – Liberecký  kraj", "siren: Předaná výstraha se ukázala být cvičením")
	step(feed.Exercise)
	step(feed.Actual, "drill: Předané cvičení se ukázalo být skutečnou výstrahou", "siren: Silný vítr – Liberecký  kraj")
	step(feed.Actual)
}

// The loop that a node runs tells without being asked, and a second instance tells
// nothing twice.
func TestRun(t *testing.T) {
	c := folders(t, "siren")
	c.Receivers = three("siren", "")
	r := newRig(t, c)
	first := r.Service
	r.open()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for _, s := range []*Service{first, r.Service} {
		go func() { ended <- s.Run(ctx) }()
	}
	var all []feed.Warning
	for i := range 20 {
		w := storm(fmt.Sprint("chmi/", i), "Moderate", "CISORP 5102")
		w.Code = fmt.Sprint("SIVS:X.", i)
		all = append(all, w)
		r.ok(take(t.Context(), r.DB, r.book, i+1, start.Add(time.Duration(i)*time.Second), all...))
	}
	for end := time.Now().Add(20 * time.Second); len(r.all()) < 20 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	stop()
	<-ended
	<-ended
	r.ok(r.Follow(t.Context()))
	if n := len(r.all()); n != 20 {
		t.Errorf("%d dispatches of 20 warnings", n)
	}
}

const childEnv = "TROJMEZI_CHANNEL_CHILD"

// TestChild is a node that is killed: it takes warnings and tells of them without end.
func TestChild(t *testing.T) {
	dir, url, ok := strings.Cut(os.Getenv(childEnv), "|")
	if !ok {
		t.Skip("run by TestKill")
	}
	db, err := store.Open(t.Context(), store.Config{Dir: dir, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{List: []Setup{{Name: "siren", Sort: "handover", PerMinute: 100_000, Handover: FolderSetup{Directory: filepath.Join(dir, "out")}}}, Receivers: three("siren", "")}
	for name, files := range tables {
		if err := db.Migrate(t.Context(), name, files); err != nil {
			t.Fatal(err)
		}
	}
	s, book, err := assemble(db, clock.System(), dir, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	go s.Jobs.Run(t.Context())
	begin := int(time.Now().UnixMilli() % 1000 * 10)
	for n := begin; ; n++ {
		w := storm("chmi/1", "Moderate", "CISORP 5102")
		w.Texts[0].Description = fmt.Sprint("Nárazy kolem ", n)
		w.Expires = feed.Moment{At: time.Now().Add(time.Hour)}
		w.Onset, w.Sent = feed.Moment{At: start}, feed.Moment{At: time.Now()}
		if err := take(t.Context(), db, book, n, time.Now(), w); err != nil {
			t.Fatal(err)
		}
		if err := s.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n == begin {
			fmt.Println("ready")
		}
	}
}

// A node that is killed at any moment has told each change once: no revision is missing,
// none is there twice, and what waited leaves after the start.
func TestKill(t *testing.T) {
	r := newRig(t, Config{})
	r.ok(os.Mkdir(filepath.Join(r.cfg.Dir, "out"), 0o755))
	key, err := os.ReadFile(filepath.Join(r.dir, "node.key"))
	r.ok(err)
	r.ok(os.WriteFile(filepath.Join(r.cfg.Dir, "node.key"), key, 0o600))
	r.ok(r.DB.Close())
	for i := range checks(t, 3) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), childEnv+"="+r.cfg.Dir+"|"+r.cfg.URL)
		out, err := cmd.StdoutPipe()
		r.ok(err)
		r.ok(cmd.Start())
		buffer := make([]byte, 4096)
		for text := ""; !strings.Contains(text, "ready"); {
			n, err := out.Read(buffer)
			if err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			text += string(buffer[:n])
		}
		time.Sleep(time.Duration(40+37*i) * time.Millisecond)
		r.ok(cmd.Process.Kill())
		cmd.Wait()
	}
	r.clk = clock.Fake(time.Now().Add(2 * lease)) // what a killed worker held is free by now
	r.conf = Config{List: []Setup{{Name: "siren", Sort: "handover", PerMinute: 100_000, Handover: FolderSetup{Directory: filepath.Join(r.cfg.Dir, "out")}}}, Receivers: three("siren", "")}
	r.open()
	r.ok(r.Follow(t.Context()))
	r.run(r.settled)
	seen := map[string]bool{}
	var last int64
	r.ok(r.DB.Read(t.Context(), func(tx *store.Tx) error {
		if err := tx.Row(`SELECT MAX(revision) FROM channel_told`).Scan(&last); err != nil {
			return err
		}
		return each(tx, func(scan func(...any) error) error {
			var ref, revision, state string
			err := scan(&ref, &revision, &state)
			if seen[revision] || State(state) != Sent {
				t.Errorf("revision %s is %s", revision, state)
			}
			seen[revision] = true
			return err
		}, `SELECT ref, revision, state FROM channel_dispatch`)
	}))
	if int64(len(seen)) != last || last < 3 {
		t.Errorf("%d dispatches of %d changes", len(seen), last)
	}
	files, err := filepath.Glob(filepath.Join(r.cfg.Dir, "out", "frydlant.*.json"))
	if err != nil || int64(len(files)) != last {
		t.Errorf("%d files of %d changes: %v", len(files), last, err)
	}
	t.Logf("%d changes", last)
}

// The decision of what a receiver is told, for all that a warning can turn into.
func TestTurn(t *testing.T) {
	r := &receiver{Receiver: &Receiver{Minimum: "Severe", Takes: []string{"warning"}}, lang: i18n.Cs, places: map[string]bool{"A": true, "B": true}}
	state := func(digest, state, severity string, places ...string) *told {
		return &told{digest: digest, state: state, severity: severity, places: places}
	}
	in := state("1", inForce, "Severe", "A")
	for _, c := range []struct {
		name    string
		was, is *told
		want    string
	}{
		{"new", nil, in, "fresh"},
		{"new and over at once", nil, state("1", "cancelled", "Severe", "A"), ""},
		{"new elsewhere", nil, state("1", inForce, "Severe", "C"), ""},
		{"new and mild", nil, state("1", inForce, "Minor", "A"), ""},
		{"new and not rated", nil, state("1", inForce, "Unknown", "A"), "fresh"},
		{"the same", in, in, ""},
		{"other words", in, state("2", inForce, "Severe", "A"), "changed"},
		{"one more place of his", in, state("1", inForce, "Severe", "A", "B"), "changed"},
		{"one more place elsewhere", in, state("1", inForce, "Severe", "A", "C"), ""},
		{"comes to him", state("1", inForce, "Severe", "C"), state("1", inForce, "Severe", "A"), "fresh"},
		{"leaves him", in, state("1", inForce, "Severe", "C"), "gone"},
		{"grows mild", in, state("2", inForce, "Moderate", "A"), "gone"},
		{"grows severe", state("1", inForce, "Moderate", "A"), in, "fresh"},
		{"cancelled", in, state("1", "cancelled", "Severe", "A"), "over"},
		{"over elsewhere", state("1", inForce, "Severe", "C"), state("1", "absent", "Severe", "C"), ""},
		{"is back", state("1", "absent", "Severe", "A"), in, "fresh"},
	} {
		if got := r.turn(c.was, c.is); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
