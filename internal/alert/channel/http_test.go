package channel

import (
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
)

// The page tells how channels work and what became of messages, without an address; a
// trial goes by a channel of exercises only.
func TestPages(t *testing.T) {
	c := folders(t, "siren", "drill")
	c.List[1].Trial = "probe"
	c.Receivers = three("siren", "drill")
	c.Receivers = append(c.Receivers, Receiver{Name: "Lost", Language: "en", Places: []string{"CISORP 9999"}, Targets: []Target{{Channel: "siren", To: "lost"}}})
	r := newRig(t, c)
	if page := r.get("dana", "/channels"); !strings.Contains(page, "CISORP 9999") || !strings.Contains(page, "Nothing has left yet") || !strings.Contains(page, "never proven") || strings.Contains(page, "Send a trial") {
		t.Errorf("%s", page)
	}
	if code, _, _ := r.do("dana", "POST", "/channels/check", nil); code != 403 {
		t.Errorf("a dispatcher tries the connections: %d", code)
	}
	if code, _, to := r.do("theo", "POST", "/channels/check", nil); code != 303 || to != "/channels" {
		t.Errorf("%d %s", code, to)
	}
	if code, _, _ := r.do("theo", "POST", "/channels/siren/trial", nil); code != 409 {
		t.Errorf("a trial by a live channel: %d", code)
	}
	if code, _, _ := r.do("theo", "POST", "/channels/none/trial", nil); code != 404 {
		t.Errorf("a trial by no channel: %d", code)
	}
	if code, _, _ := r.do("theo", "POST", "/channels/drill/trial", nil); code != 303 || r.leaves("channel.trial") != 1 {
		t.Errorf("a trial: %d", code)
	}
	own := flood("siren", "secret-station")
	own.Title = "=1+1"
	r.ok(r.queue(own))
	r.run(r.settled)
	page := strings.ReplaceAll(r.get("theo", "/channels"), "\u00a0", " ")
	for _, want := range []string{"works", "Send a trial", "=1+1", "sent", "Trial of the channel drill", "exercise", "6 September 2026"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	file := r.get("theo", "/channels.csv")
	if !strings.Contains(file, ",'=1+1,") || strings.Contains(file, "secret-station") || strings.Contains(page, "secret-station") {
		t.Errorf("%s", file)
	}
	text, err := filepath.Glob(filepath.Join(c.List[1].Handover.Directory, "probe.*.json"))
	if err != nil || len(text) != 1 {
		t.Errorf("%v %v", text, err)
	}
	if page := r.get("dana", "/channels/sms?text=Povode%C5%88"); !strings.Contains(page, "UCS-2") || !strings.Contains(page, "These letters would be replaced: ň.") {
		t.Errorf("%s", page)
	}
}

// The link of a message acknowledges it, once, when a person presses the button.
func TestAcknowledge(t *testing.T) {
	c := folders(t, "siren")
	r := newRig(t, c)
	d := flood("siren", "station")
	d.Ack = true
	r.ok(r.queue(d))
	path := ackPath(r.ackToken(r.all()[0].ID))
	page := r.get("", path)
	if !strings.Contains(page, "Smědá stoupá") || !strings.Contains(page, "I have read it") || !strings.Contains(page, "Oznámení: Město Frýdlant") || !r.all()[0].Acked.IsZero() {
		t.Errorf("%s", page)
	}
	for range 2 {
		if code, _, to := r.do("", "POST", path, nil); code != 303 || to != path {
			t.Errorf("%d %s", code, to)
		}
		r.clk.Advance(time.Minute)
	}
	if x := r.all()[0]; !x.Acked.Equal(start) || r.leaves("channel.acknowledge") != 1 {
		t.Errorf("%+v, %d leaves", x, r.leaves("channel.acknowledge"))
	}
	if page := r.get("", path); !strings.Contains(page, "Acknowledged") || strings.Contains(page, "I have read it") {
		t.Errorf("%s", page)
	}
	q := httptest.NewRequestWithContext(t.Context(), "POST", path, nil)
	q.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	if r.rt.ServeHTTP(w, q); w.Code != 204 {
		t.Errorf("a program: %d", w.Code)
	}
	for _, wrong := range []string{path[:len(path)-1] + "x", ackPath("x"), ackPath(r.all()[0].ID)} {
		if code, _, _ := r.do("", "GET", wrong, nil); code != 404 {
			t.Errorf("%s: %d", wrong, code)
		}
	}
}

// Who got nothing: no channel, none that works, or one that does.
func TestReach(t *testing.T) {
	c := folders(t, "siren", "drill")
	c.List = append(c.List, mailSetup("mail", store.Live, 1))
	c.Receivers = []Receiver{
		{Name: "Frýdlant", Language: "cs", Places: []string{"CISORP 5102"}, Targets: []Target{{Channel: "siren", To: "frydlant"}}},
		{Name: "Görlitz", Language: "de", Places: []string{"DE-14626110"}, Targets: []Target{{Channel: "mail", To: "a@b.example"}, {Channel: "drill", To: "goerlitz"}}},
		{Name: "Übung", Language: "de", Places: []string{"PL"}, Targets: []Target{{Channel: "drill", To: "alle"}}},
	}
	r := newRig(t, c)
	r.Subscribed = func(*store.Tx) (map[string][]string, error) {
		return map[string][]string{"CZ-563889": {"siren"}}, nil
	}
	cover := func() map[string]Reach {
		all, err := r.Cover(t.Context())
		r.ok(err)
		m := map[string]Reach{}
		for _, c := range all {
			m[c.Place.ID] = c.Reach
		}
		return m
	}
	if m := cover(); m["CZ-564028"] != AllOld || m["CZ-563889"] != AllOld || m["DE-14626110"] != AllOld || len(m) != 301 {
		t.Errorf("before anything worked: %v", m)
	}
	checked, err := r.CheckAll(t.Context())
	r.ok(err)
	if checked[0].Error != "" || checked[2].Error == "" {
		t.Errorf("%+v", checked)
	}
	m := cover()
	for id, want := range map[string]Reach{"CZ-564028": Reached, "CZ-563889": Reached, "DE-14626110": AllOld} {
		if m[id] != want {
			t.Errorf("%s is %s, want %s", id, m[id], want)
		}
	}
	for _, p := range places().Places() {
		if p.Country == "PL" && m[p.ID] != Nobody && m[p.ID] != "" {
			t.Fatalf("an exercise channel reaches %s: %s", p.Name, m[p.ID])
		}
	}
	page := r.get("dana", "/channels/reach")
	nobody := 0
	for _, v := range m {
		if v == Nobody {
			nobody++
		}
	}
	if strings.Count(page, "reach-nobody") < nobody || strings.Count(page, "reach-reached") == 0 || strings.Count(page, "reach-stale") == 0 || strings.Contains(page, "style=") {
		t.Errorf("%d places without a channel; the map has %d", nobody, strings.Count(page, "reach-nobody"))
	}
	var layer struct {
		Features []struct {
			ID       string
			Geometry struct{ Coordinates [][][2]float64 }
		}
	}
	r.ok(json.Unmarshal([]byte(r.get("dana", "/channels/reach.geojson")), &layer))
	if len(layer.Features) < 301 || len(layer.Features[0].Geometry.Coordinates[0]) < 4 {
		t.Errorf("%d features", len(layer.Features))
	}
	if file := r.get("dana", "/channels/reach.csv"); strings.Count(file, "\r\n") != 302 {
		t.Errorf("%d lines", strings.Count(file, "\r\n"))
	}
	// Two days without any success are too long.
	r.clk.Advance(49 * time.Hour)
	if m := cover(); m["CZ-564028"] != AllOld {
		t.Errorf("a stale channel reaches: %s", m["CZ-564028"])
	}
	if found, err := r.look(t.Context()); err != nil || len(found) != 3 {
		t.Errorf("%+v %v", found, err)
	}
	// An address that failed for good reaches nobody, though its channel works.
	r.clk.Advance(time.Second)
	r.ok(r.queue(func() Dispatch { d := flood("siren", "frydlant"); d.Receiver = "Frýdlant"; return d }()))
	_, err = r.CheckAll(t.Context())
	r.ok(err)
	r.ok(r.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE channel_dispatch SET state = 'failed', done_at = $1`, millis(r.clk.Now()))
		return err
	}))
	if m := cover(); m["CZ-564028"] != AllOld || m["CZ-563889"] != Reached {
		t.Errorf("a dead address: %s, %s", m["CZ-564028"], m["CZ-563889"])
	}
}

// Addresses are sealed, and gone with their receipts when two nights agree that the time
// is over.
func TestErase(t *testing.T) {
	c := folders(t, "siren")
	c.Keep = 10 * 24 * time.Hour
	r := newRig(t, c)
	r.ok(r.queue(flood("siren", "secret-station")))
	count := func(query string) (n int) {
		r.ok(r.DB.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(query).Scan(&n) }))
		return n
	}
	var target []byte
	r.ok(r.DB.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT target FROM channel_dispatch`).Scan(&target)
	}))
	if strings.Contains(string(target), "station") || r.all()[0].Deletion != start.Add(c.Keep) {
		t.Fatalf("%q, %v", target, r.all()[0].Deletion)
	}
	r.run(r.settled)
	for night := range 12 {
		r.ok(r.Erase(t.Context()))
		if n := count(`SELECT COUNT(*) FROM channel_dispatch`); n != 1 {
			t.Fatalf("night %d: %d receipts", night, n)
		}
		if night < 11 {
			r.clk.Advance(24 * time.Hour)
		}
		if night == 9 {
			break
		}
	}
	for range 3 {
		r.clk.Advance(24 * time.Hour)
		r.ok(r.Erase(t.Context()))
	}
	if count(`SELECT COUNT(*) FROM channel_dispatch`)+count(`SELECT COUNT(*) FROM channel_text`)+count(`SELECT COUNT(*) FROM seal_key WHERE subject LIKE 'channel/%' AND wrapped IS NOT NULL`) != 0 {
		t.Error("something is left")
	}
	if r.leaves("channel.erase") != 1 {
		t.Errorf("%d leaves", r.leaves("channel.erase"))
	}
}

// A restored node sends nothing of what waited.
func TestRestored(t *testing.T) {
	r := newRig(t, folders(t, "siren"))
	r.ok(r.queue(flood("siren", "station")))
	r.ok(r.DB.Write(t.Context(), func(tx *store.Tx) error {
		if err := Restored(tx); err != nil {
			return err
		}
		return job.Restored(tx)
	}))
	r.run(r.settled)
	if got := r.states(); !slices.Equal(got, []string{"siren expired"}) {
		t.Errorf("%v", got)
	}
}

// Every mistake in the configuration is told, in four languages.
func TestConfig(t *testing.T) {
	c := Config{Keep: time.Hour,
		List: []Setup{
			{Name: "A", Sort: "mail", Kind: "real"}, {Name: "a", Sort: "fax"}, {Name: "a", Sort: "handover", PerMinute: -1, StaleAfter: -1, Trial: "x"},
			{Name: "s", Sort: "sms", Gateway: GatewaySetup{URL: "http://sms.example/", Method: "HEAD", ContentType: "text/plain", MaxParts: 99, Report: ReportSetup{ID: "id"}}},
			{Name: "p", Sort: "push", Push: PushSetup{Contact: "nobody"}}, {Name: "h", Sort: "webhook"}, {Name: "n", Sort: "node"},
			{Name: "d1", Sort: "handover", Handover: FolderSetup{Directory: "x"}}, {Name: "d2", Sort: "handover", Kind: "exercise", Handover: FolderSetup{Directory: "x"}},
		},
		Receivers: []Receiver{{}, {Name: "R", Language: "cs", Places: []string{"Frýdlant"}, Minimum: "High", Takes: []string{"all"}, Targets: []Target{
			{Channel: "none"}, {Channel: "s", To: "1"}, {Channel: "h", To: "https://x.example/"}, {Channel: "n", To: "x"}, {Channel: "p", To: "x"}, {Channel: "d1", To: "a/b"}}}}}
	var keys []string
	for _, f := range c.Validate() {
		keys = append(keys, strings.TrimPrefix(f.Key, "channel.config."))
		for _, l := range i18n.Langs {
			if strings.HasPrefix(f.Key, "channel.") {
				bundle().Text(l, f.Key, f.Args)
			}
		}
	}
	if n := bundle().Missing(); n != 0 {
		t.Errorf("%d texts are missing", n)
	}
	for _, want := range []string{"keep", "name", "kind", "sort", "per_minute", "stale_after", "trial", "url_plain", "method", "placeholders", "content_type", "max_parts", "report", "contact", "directory", "separate", "receiver", "language",
		"no_place", "no_target", "place", "minimum", "takes", "channel", "target.sms", "secret", "target.node", "target.push", "target.handover"} {
		if !slices.Contains(keys, want) {
			t.Errorf("%s is not told: %v", want, keys)
		}
	}
	right := Config{}
	if faults := right.Validate(); len(faults) != 0 || right.Keep != DefaultKeep {
		t.Errorf("%+v", faults)
	}
}
