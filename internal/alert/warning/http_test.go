package warning

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// staff are the people of the tests, by the value of the cookie "who".
var staff = map[string]*web.Person{
	"jana":  {ID: "jana", Name: "Jana Nováková", Organisation: "liberec", Roles: []string{"dispatcher"}, Lang: i18n.En},
	"petr":  {ID: "petr", Name: "Petr Malý", Organisation: "liberec", Roles: []string{"auditor"}, Lang: i18n.Cs},
	"tom":   {ID: "tom", Name: "Tom Technik", Organisation: "liberec", Roles: []string{"technician"}, Lang: i18n.De},
	"alina": {ID: "alina", Name: "Alina Kowal", Organisation: "liberec", Roles: []string{"shift_leader"}, Lang: i18n.Pl},
}

// site is the pages of the rig.
func (r *rig) site() (*web.Router, *Pages) {
	r.t.Helper()
	policy, err := access.Load(map[string][]byte{"warning/policy.cedar": Policy()})
	r.ok(err)
	texts, err := i18n.Load(access.Locales, Locales(), web.Locales, ui.Locales)
	r.ok(err)
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: r.clk, Policy: policy, Nav: Nav(),
		Authenticate: func(q *http.Request) (*web.Person, error) {
			c, err := q.Cookie("who")
			if err != nil {
				return nil, nil
			}
			return staff[c.Value], nil
		}})
	pages := NewPages(r.Service)
	pages.Register(rt)
	return rt, pages
}

// visit returns what asks for pages without following redirects.
func (r *rig) visit() func(who, method, path string, form url.Values) (int, string, http.Header) {
	r.t.Helper()
	rt, _ := r.site()
	return func(who, method, path string, form url.Values) (int, string, http.Header) {
		q := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		q.AddCookie(&http.Cookie{Name: "who", Value: who})
		q.Header.Set("Sec-Fetch-Site", "same-origin")
		if method == http.MethodPost {
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, q)
		return w.Code, w.Body.String(), w.Header()
	}
}

func has(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, x := range texts {
		if !strings.Contains(page, x) {
			t.Errorf("%q is not there", x)
		}
	}
}

func hasNot(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, x := range texts {
		if strings.Contains(page, x) {
			t.Errorf("%q is there", x)
		}
	}
}

// TestPages: nothing known is not nothing wrong; the list with its filters and its
// file; the page of a warning with the words of its sender; an exercise is marked.
func TestPages(t *testing.T) {
	r := newRig(t)
	v := r.visit()
	get := func(who, path string) string {
		t.Helper()
		code, body, _ := v(who, http.MethodGet, path, nil)
		if code != http.StatusOK {
			t.Fatalf("%s: %d", path, code)
		}
		return body
	}
	empty := get("jana", "/warnings")
	has(t, empty, "This does not mean no danger.", "No data", "not yet seen live", "Český hydrometeorologický ústav")
	hasNot(t, empty, "No warning applies")

	r.fetched("chmi", "okpr", store.Live, bulletin(1, start.Add(-time.Minute), wind, storm))
	r.fetched("chmi", "drill", store.Exercise, bulletin(1, start.Add(-time.Minute), frost))
	page := get("jana", "/warnings")
	has(t, page, "Silný vítr", "Velmi silný vítr", "orange", "EXERCISE – no real danger", "Coming", `lang="cs"`)
	if narrowed := get("jana", "/warnings?level=orange"); strings.Contains(narrowed, ">Silný vítr<") || !strings.Contains(narrowed, ">Velmi silný vítr<") {
		t.Error("not narrowed by level")
	}
	for query, want := range map[string]string{"place=5103": "Velmi silný vítr", "place=CZ05103": "Velmi silný vítr", "event=frost": "Silný mráz", "kind=exercise": "Silný mráz"} {
		narrowed := get("jana", "/warnings?"+query)
		has(t, narrowed, ">"+want+"<")
		hasNot(t, narrowed, ">Silný vítr<")
	}
	has(t, get("jana", "/warnings?country=PL"), "Nothing found")
	file := get("jana", "/warnings.csv?source=chmi&kind=live")
	has(t, file, "Silný vítr", "Zdroj: Český hydrometeorologický ústav", "CISORP 5105")
	hasNot(t, file, "Silný mráz")

	var windID, drillID string
	for _, w := range r.warnings() {
		switch w.Says().Event {
		case "Silný vítr":
			windID = w.ID
		case "Silný mráz":
			drillID = w.ID
		}
	}
	one := get("petr", "/warnings/"+windID)
	has(t, one, "Zdroj: Český hydrometeorologický ústav (ČHMÚ)", "Původní znění (chmi)", `lang="en-GB"`, "High wind", "strojově nepřekládá", "CISORP 5102", "jediná kopie", "Přijato")
	hasNot(t, one, "Předpovídajícího", `name="copies"`, "/join")
	has(t, get("jana", "/warnings/"+drillID), "EXERCISE – no real danger")
	for who, word := range map[string]string{"tom": "Für wen", "alina": "Dla kogo"} {
		has(t, get(who, "/warnings/"+windID), word)
		get(who, "/warnings")
	}
	if code, _, _ := v("jana", http.MethodGet, "/warnings/nothing", nil); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
	at := strings.Index(one, "/warnings/documents/")
	path, _, _ := strings.Cut(one[at:], `"`)
	code, body, header := v("petr", http.MethodGet, path, nil)
	if code != http.StatusOK || body != string(bulletin(1, start.Add(-time.Minute), wind, storm)) || header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %v", code, header)
	}
}

// TestMerging: who may, joins and parts by the page, with what is wrong said at the
// form, and undoes it.
func TestMerging(t *testing.T) {
	r := newRig(t)
	v := r.visit()
	r.fetched("chmi", "okpr", store.Live, bulletin(1, start.Add(-time.Minute), wind, storm))
	all := r.warnings()
	a, b := all[0].ID, all[1].ID
	if code, _, _ := v("tom", http.MethodPost, "/warnings/"+a+"/join", url.Values{"other": {b}, "reason": {"r"}}); code != http.StatusForbidden {
		t.Errorf("a technician joins: %d", code)
	}
	if code, page, _ := v("jana", http.MethodPost, "/warnings/"+a+"/join", url.Values{"other": {b}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Write a reason") {
		t.Errorf("without a reason: %d", code)
	}
	if code, _, h := v("jana", http.MethodPost, "/warnings/"+a+"/join", url.Values{"other": {b}, "reason": {"one front"}}); code != http.StatusSeeOther || h.Get("Location") != "/warnings/"+a {
		t.Fatalf("%d %v", code, h)
	}
	if code, _, h := v("jana", http.MethodGet, "/warnings/"+b, nil); code != http.StatusFound || h.Get("Location") != "/warnings/"+a {
		t.Errorf("%d %v", code, h)
	}
	_, page, _ := v("jana", http.MethodGet, "/warnings/"+a, nil)
	has(t, page, "A person said so", "one front", "Jana Nováková", `name="copies"`)
	if code, page, _ := v("alina", http.MethodPost, "/warnings/"+a+"/split", url.Values{"reason": {"x"}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Zaznacz kopie") {
		t.Errorf("without a copy: %d", code)
	}
	at := strings.Index(page, "/decisions/")
	undo, _, _ := strings.Cut(page[at:], `"`)
	if code, _, _ := v("alina", http.MethodPost, "/warnings/"+a+undo, nil); code != http.StatusSeeOther || len(r.warnings()) != 2 {
		t.Errorf("%d, %d warnings", code, len(r.warnings()))
	}
	if code, _, _ := v("alina", http.MethodPost, "/warnings/"+a+undo, nil); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
}

// TestAPI: what is real alone unless it is asked for, with the state of every feed; a
// shape where the sender gave one.
func TestAPI(t *testing.T) {
	r := newRig(t)
	v := r.visit()
	r.fetched("chmi", "okpr", store.Live, bulletin(1, start.Add(-time.Minute), wind))
	r.fetched("chmi", "drill", store.Exercise, bulletin(1, start.Add(-time.Minute), frost))
	var got struct {
		Complete bool
		Feeds    []struct{ Feed, State string }
		Warnings []struct {
			Event, Kind string
			Texts       []struct{ Language string }
			Attribution string
		}
	}
	code, body, _ := v("jana", http.MethodGet, "/api/warnings", nil)
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
		t.Fatal(err, code)
	}
	if len(got.Warnings) != 1 || got.Warnings[0].Event != "Silný vítr" || len(got.Warnings[0].Texts) != 2 || got.Warnings[0].Attribution == "" || got.Complete || len(got.Feeds) < 8 {
		t.Errorf("%s", body)
	}
	if _, body, _ := v("jana", http.MethodGet, "/api/warnings?kind=exercise", nil); !strings.Contains(body, "Silný mráz") || strings.Contains(body, "Silný vítr") {
		t.Errorf("%s", body)
	}
	if _, body, h := v("jana", http.MethodGet, "/api/warnings.geojson", nil); h.Get("Content-Type") != "application/geo+json" || !strings.Contains(body, `"geometry":null`) {
		t.Errorf("%s", body)
	}
	if ring := ringOf("50.9,14.9 51.0,14.9 51.0,15.0 50.9,14.9"); len(ring) != 4 || ring[0] != [2]float64{14.9, 50.9} || ring[1] != [2]float64{15.0, 51.0} {
		t.Errorf("%v", ring)
	}
	for _, bad := range []string{"", "1,2", "1,2 3,4 5,6 7,8", "1;2 3,4 5,6 1,2", "91,0 0,0 0,1 91,0"} {
		if ring := ringOf(bad); ring != nil {
			t.Errorf("%q: %v", bad, ring)
		}
	}
}

// TestStream: an open list shows a warning that comes, and what does not fit its filter
// it does not show; a server that stops ends the stream.
func TestStream(t *testing.T) {
	r := newRig(t)
	rt, pages := r.site()
	server := httptest.NewServer(rt)
	defer server.Close()
	open := func(query string) *bufio.Reader {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/warnings/stream"+query, nil)
		r.ok(err)
		q.AddCookie(&http.Cookie{Name: "who", Value: "jana"})
		res, err := http.DefaultClient.Do(q)
		r.ok(err)
		t.Cleanup(func() { res.Body.Close() })
		if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
			t.Fatal(res.StatusCode, got)
		}
		return bufio.NewReader(res.Body)
	}
	until := func(in *bufio.Reader, text string) (before string) {
		for {
			line, err := in.ReadString('\n')
			r.ok(err)
			if strings.Contains(line, text) {
				return before
			}
			before += line
		}
	}
	all, other := open(""), open("?country=DE")
	until(all, "event: beat")
	until(other, "event: beat")
	r.read(Document{Feed: "imgw-meteo", Series: "pl", Kind: store.Live, Fetched: at(0)}, "a", listed("Silny wiatr"))
	until(all, "Silny wiatr")
	if seen := until(other, "event: beat"); strings.Contains(seen, "Silny wiatr") {
		t.Error("what the filter leaves out is shown")
	}
	pages.Stop()
	if _, err := io.Copy(io.Discard, all); err != nil {
		t.Error(err)
	}
}
