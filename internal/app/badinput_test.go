package app

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/intake"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
	simulated "trojmezi/internal/simulator/feeds"
)

// bulletinWith is a bulletin in the form of the Czech institute with one warning, whose
// polygon, times and status are as they are given.
func bulletinWith(at time.Time, polygon, onset string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>bad.%d</identifier><sender>chmi@chmi.cz</sender><sent>%s</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>`,
		at.UnixNano(), at.Format("2006-01-02T15:04:05-07:00"))
	for _, l := range []string{"cs", "en-GB"} {
		fmt.Fprintf(&b, `<info><language>%s</language><category>Met</category><event>Povodeň</event><responseType>Prepare</responseType><urgency>Future</urgency><severity>Severe</severity><certainty>Likely</certainty>`+
			`<eventCode><valueName>HPPS</valueName><value>X.3</value></eventCode><onset>%s</onset><area><areaDesc>Frýdlantsko</areaDesc>`, l, onset)
		if polygon != "" {
			b.WriteString("<polygon>" + polygon + "</polygon>")
		}
		b.WriteString(`<geocode><valueName>CISORP</valueName><value>5102</value></geocode></area></info>`)
	}
	b.WriteString("</alert>")
	return b.String()
}

// Whatever one feed sends is diagnosed, contained and shown to who runs the node, in his
// language; what was known stays, the other feeds go on, and so does this one once it is
// well again.
func TestBadInputOfFeeds(t *testing.T) {
	ctx := t.Context()
	begin := time.Date(2026, 8, 7, 6, 0, 0, 0, time.UTC)
	clk := clock.Fake(begin.Add(90 * time.Minute)) // there are warnings of every feed, and the rivers rise
	sim := simulated.New(simulated.Shipped(), begin, clk.Now)
	var instead sync.Map // bodies by path
	sender := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, ok := instead.Load(r.URL.Path); ok {
			w.Header().Set("Trojmezi-Simulator", "1")
			_, _ = w.Write([]byte(body.(string)))
			return
		}
		sim.ServeHTTP(w, r)
	}))
	defer sender.Close()
	c := newConfig(t, func(m map[string]any) {
		m["feeds"] = map[string]any{"simulator": sender.URL, "contact": "alerts@region.example"}
	})
	o, err := Open(ctx, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	o.Clock, o.Driven = clk, true
	n, err := build(ctx, c, o, texts(t), quiet, false)
	if err != nil {
		t.Fatal(err)
	}
	files, closeFiles, err := Files(ctx, c, clk)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	n.files, n.feeds.Files = files, files
	const password = "a long password of theo"
	if _, _, err := n.people.Seed(ctx, identity.Organisation{Name: "Own", Country: "CZ"}, []identity.NewPerson{{Login: "theo", Name: "Theo", Roles: []string{"technician"}, Password: password}}); err != nil {
		t.Fatal(err)
	}
	var signed *httptest.ResponseRecorder
	pages := n.router()
	sign := func() { // anew, since the clock goes on and a session ends
		t.Helper()
		in, err := n.people.SignIn(ctx, identity.Credentials{Login: "theo", Password: password, Address: "x"})
		if err != nil {
			t.Fatal(err)
		}
		signed = httptest.NewRecorder()
		n.people.SetCookie(signed, httptest.NewRequest(http.MethodGet, "/", nil), in.Token)
	}
	page := func(path string) string {
		t.Helper()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		for _, k := range signed.Result().Cookies() {
			r.AddCookie(k)
		}
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, w.Code)
		}
		return html.UnescapeString(w.Body.String())
	}
	others := []string{"imgw-hydro", "saxony-gauges"}
	for _, name := range append([]string{"chmi"}, others...) {
		if err := n.feeds.Switch(ctx, intake.Operator, name, true, "test"); err != nil {
			t.Fatal(err)
		}
	}
	state := func(name string) intake.State {
		t.Helper()
		s, err := n.feeds.State(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	// send has a sender answer with a body, at all its addresses; "": as it does by itself.
	send := func(name, body string) {
		t.Helper()
		for _, a := range state(name).Addresses {
			u, err := url.Parse(a)
			if err != nil {
				t.Fatal(err)
			}
			if body == "" {
				instead.Delete(u.Path)
			} else {
				instead.Store(u.Path, body)
			}
		}
	}
	turn := func() {
		t.Helper()
		clk.Advance(16 * time.Minute)
		if _, err := n.feeds.Turn(ctx); err != nil {
			t.Fatal(err)
		}
		for _, name := range others {
			if s := state(name); s.Status != intake.Fresh || s.Failure != nil {
				t.Errorf("%s does not go on: %s %v", name, s.Status, s.Failure)
			}
		}
	}
	known := func() int {
		t.Helper()
		all, _, err := n.warnings.Warnings(ctx)
		if err != nil {
			t.Fatal(err)
		}
		holding := 0
		for _, w := range all {
			if slices.Contains(w.Sources(), "chmi") && w.Phase != "ended" {
				holding++
			}
		}
		return holding
	}
	turn()
	if s := state("chmi"); s.Status != intake.Fresh || known() == 0 {
		t.Fatalf("%s %v, %d warnings", s.Status, s.Failure, known())
	}
	const good, ring = "2026-08-07T12:00:00+02:00", "50.9,15.0 51.0,15.0 51.0,15.1 50.9,15.1 50.9,15.0"
	attributes := func() string {
		var b strings.Builder
		for i := range 200_000 {
			fmt.Fprintf(&b, ` a%d=""`, i)
		}
		return "<alert" + b.String() + "/>"
	}
	for _, c := range []struct {
		name    string
		illness string        // of the simulator, or
		doc     func() string // what is sent
		failure string        // what it is diagnosed as, or
		rule    string        // that it is taken, with this deviation; "*": with any
	}{
		{"a page in the place of the document", "html", nil, "intake.fault.page", ""},
		{"an external entity", "xxe", nil, "tree.fault.dtd", ""},
		{"an entity bomb", "bomb", nil, "tree.fault.dtd", ""},
		{"another character set", "charset", nil, "tree.fault.encoding", ""},
		{"a character set nobody knows", "", func() string {
			return strings.Replace(bulletinWith(clk.Now(), ring, good), "UTF-8", "EBCDIC-CP-XX", 1)
		}, "*", ""},
		{"deep nesting", "", func() string { return strings.Repeat("<a>", 100_000) }, "*", ""},
		{"deep nesting, closed", "", func() string { return strings.Repeat("<a>", 100_000) + strings.Repeat("</a>", 100_000) }, "*", ""},
		{"200,000 attributes", "", attributes, "*", ""},
		{"a polygon that is not closed", "", func() string {
			return bulletinWith(clk.Now(), "50.9,15.0 51.0,15.0 51.0,15.1 50.9,15.1", good)
		}, "", "feed.rule.ring_open"},
		{"a polygon that crosses itself", "", func() string {
			return bulletinWith(clk.Now(), "50.9,15.0 51.0,15.1 50.9,15.1 51.0,15.0 50.9,15.0", good)
		}, "", "feed.rule.ring_crossing"},
		{"a polygon over the antimeridian", "", func() string {
			return bulletinWith(clk.Now(), "50,179 51,179 51,-179 50,-179 50,179", good)
		}, "", "feed.rule.ring_wide"},
		{"a polygon that is on no place of the earth", "", func() string {
			return bulletinWith(clk.Now(), "150.9,15.0 151.0,15.0 151.0,15.1 150.9,15.0", good)
		}, "", "feed.rule.ring_range"},
		{"a time in the year 3021", "", func() string { return bulletinWith(clk.Now(), ring, "3021-01-01T00:00:00+01:00") }, "", "*"},
		{"a time without zone", "", func() string { return bulletinWith(clk.Now(), ring, "2026-08-07T12:00:00") }, "", "*"},
	} {
		before := known()
		if c.illness != "" {
			if err := sim.Set("chmi", c.illness); err != nil {
				t.Fatal(err)
			}
		} else {
			clk.Advance(time.Second)
			send("chmi", c.doc())
		}
		turn()
		s := state("chmi")
		switch {
		case c.failure != "" && (s.Status == intake.Fresh || s.Failure == nil || c.failure != "*" && s.Failure.Key != c.failure):
			t.Errorf("%s: %s %v", c.name, s.Status, s.Failure)
		case c.failure != "" && known() != before:
			t.Errorf("%s: %d warnings, before %d", c.name, known(), before)
		case c.failure == "" && (s.Failure != nil || known() == 0):
			t.Errorf("%s: %v, %d warnings", c.name, s.Failure, known())
		case c.rule != "" && (s.Failure != nil || s.Deviations == 0 || known() == 0):
			t.Errorf("%s: %v, %d deviations, %d warnings", c.name, s.Failure, s.Deviations, known())
		}
		sign()
		for _, l := range i18n.Langs {
			shown := page("/feeds/chmi?lang=" + string(l))
			if s.Failure != nil && !strings.Contains(shown, n.texts.Text(l, s.Failure.Key, s.Failure.Args)) {
				t.Errorf("%s in %s: who runs the node is not told: %v", c.name, l, s.Failure)
			}
			if c.rule != "" && (len(s.Listed) == 0 || c.rule != "*" && s.Listed[0].Key != c.rule || !strings.Contains(shown, s.Listed[0].Path)) {
				t.Errorf("%s in %s: who runs the node is not told: %+v", c.name, l, s.Listed)
			}
		}
		send("chmi", "")
		if err := sim.Set("chmi", ""); err != nil {
			t.Fatal(err)
		}
		turn()
		if s := state("chmi"); s.Status != intake.Fresh || s.Failure != nil {
			t.Errorf("after %s: %s %v", c.name, s.Status, s.Failure)
		}
	}
	// A gauge that jumps by ten metres, and is back: the value is kept, marked and shown,
	// and nobody is woken.
	for _, level := range []string{"210", "212", "1212", "213"} {
		send("saxony-gauges", fmt.Sprintf(`{"features":[{"attributes":{"PEG_MSTNR":"660000","PEG_NAME":"Görlitz","WLV_GEWAESSER":"Lausitzer Neiße","PEG_AS1":320,"PEG_AS4":560,"PEG_WASSERSTAND":%q,"PEG_WERTZEITSTEMPEL_CHAR":%q,"ZEITZONE":"+00:00"},"geometry":{"x":14.99,"y":51.16}}]}`,
			level, clk.Now().Add(15*time.Minute).Format("02.01.2006 15:04")))
		turn()
	}
	if err := n.DB.Read(ctx, func(tx *store.Tx) error {
		var mark string
		var alarms int
		if err := tx.Row(`SELECT mark FROM river_point WHERE value = 1212000`).Scan(&mark); err != nil {
			return fmt.Errorf("the value is lost: %w", err)
		}
		if err := tx.Row(`SELECT COUNT(*) FROM river_alarm WHERE gauge LIKE '%660000' OR gauge = 'de-goerlitz'`).Scan(&alarms); err != nil {
			return err
		}
		if mark != "jump" || alarms > 0 {
			t.Errorf("the jump is marked %q, %d alarms", mark, alarms)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	sign()
	if shown := page("/rivers/saxony:660000?kind=exercise&lang=en"); !strings.Contains(shown, n.texts.Text(i18n.En, "river.mark.jump", nil)) {
		t.Error("the jump is not shown")
	}
}
