package trail

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// past lies so far back that no leaf counts as just written.
var past = time.Date(2025, 3, 1, 10, 0, 0, 0, time.UTC)

type world struct {
	t    *testing.T
	db   *store.DB
	clk  *clock.Clock
	log  *audit.Log
	jobs *job.Queue
	p    *Pages
	rt   *web.Router
	// bodies may be cut to have a node of one organisation.
	bodies []Organisation
	people []Person
}

func setup(t *testing.T) *world { return setupAt(t, clock.Fake(past)) }

func setupAt(t *testing.T, clk *clock.Clock) *world {
	t.Helper()
	w := &world{t: t, db: storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations()}), clk: clk,
		bodies: []Organisation{{ID: "here", Name: "Liberec", Addresses: []string{"1.2.3"}, Operator: true}, {ID: "there", Name: "Zittau", Addresses: []string{"1.2.4"}}},
		people: []Person{
			{ID: "p1", Name: "Jana Nováková", Organisation: "here"}, {ID: "p2", Name: "=Petr", Organisation: "here"},
			{ID: "p3", Name: "Greta Klein", Organisation: "there"}, {ID: "p4", Organisation: "here", Deleted: true},
			{ID: "p5", Name: "Karel Smazaný", Organisation: "here", Deleted: true}, {ID: "auditor-here", Name: "Alena Auditová", Organisation: "here"},
		},
	}
	node, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	w.must(err)
	texts, err := i18n.Load(web.Locales, ui.Locales, access.Locales, audit.Locales, health.Locales(), Locales())
	w.must(err)
	t.Cleanup(func() {
		if n := texts.Missing(); n != 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	quiet := slog.New(slog.DiscardHandler)
	w.log, w.jobs = audit.New(w.db, node, w.clk, quiet), job.New(w.db, w.clk, quiet)
	w.p = New(Options{DB: w.db, Audit: w.log, Jobs: w.jobs, Clock: w.clk, Texts: texts, Log: quiet,
		People:        func(context.Context) ([]Person, error) { return w.people, nil },
		Organisations: func(context.Context) ([]Organisation, error) { return w.bodies, nil },
		Neighbour: func(address string) string {
			if address == "9.9.9" {
				return "Zgorzelec"
			}
			return address
		},
		Incident: func(_ *store.Tx, organisation, object string) (string, error) {
			if organisation == "here" && (object == "17" || object == "inc-1") {
				return "inc-1", nil
			}
			return "", nil
		},
		IncidentURL: func(incident string) string { return "/console/incidents/" + incident },
		Traces: func(_ *store.Tx, organisation, incident string) ([]string, error) {
			if organisation == "here" && incident == "inc-1" {
				return []string{"17"}, nil
			}
			return nil, nil
		},
	})
	rules, err := access.Load(map[string][]byte{"trail/policy.cedar": Policy()})
	w.must(err)
	w.rt = web.NewRouter(web.Config{Bundle: texts, Log: quiet, Clock: w.clk, Policy: rules, Nav: Nav(), Authenticate: func(r *http.Request) (*web.Person, error) {
		role, organisation, _ := strings.Cut(r.Header.Get("Test-Who"), "@")
		if role == "" {
			return nil, nil
		}
		return &web.Person{ID: "auditor-" + organisation, Name: "Alena Auditová", Organisation: organisation, Roles: []string{role}, Lang: i18n.En}, nil
	}})
	w.p.Register(w.rt)
	w.must(w.p.Schedule(t.Context()))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// did appends leaves "action actor object", a minute after each other.
func (w *world) did(all ...string) {
	w.t.Helper()
	for _, text := range all {
		f := strings.SplitN(text, " ", 3)
		w.must(w.db.Write(w.t.Context(), func(tx *store.Tx) error {
			return w.log.Append(tx, audit.Event{Action: f[0], Actor: f[1], Object: f[2]})
		}))
		if w.clk.Now().Year() == past.Year() {
			w.clk.Advance(time.Minute)
		}
	}
}

func (w *world) ask(who, method, path string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, nil)
	r.Header.Set("Test-Who", who)
	r.Header.Set("Accept", "text/html")
	rec := httptest.NewRecorder()
	w.rt.ServeHTTP(rec, r)
	return rec
}

func (w *world) page(who, path string) string {
	w.t.Helper()
	rec := w.ask(who, "GET", path)
	if rec.Code != http.StatusOK {
		w.t.Fatalf("%s: %d\n%s", path, rec.Code, rec.Body)
	}
	return rec.Body.String()
}

var (
	rowForm = regexp.MustCompile(`(?s)<tr><td data-label="Time".*?</tr>`)
	tagForm = regexp.MustCompile(`<[^>]*>`)
)

// rows are the lines of the list without their times.
func rows(page string) (all []string) {
	for _, r := range rowForm.FindAllString(page, -1) {
		var cells []string
		for _, c := range strings.Split(r, "</td>")[1:4] {
			cells = append(cells, strings.Join(strings.Fields(tagForm.ReplaceAllString(c, " ")), " "))
		}
		all = append(all, strings.Join(cells, " | "))
	}
	return all
}

const me = "auditor@here"

func TestWhoMay(t *testing.T) {
	w := setup(t)
	for who, want := range map[string]int{me: 200, "administrator@here": 403, "dispatcher@here": 403, "shift_leader@here": 403, "technician@here": 403, "": 303} {
		for _, path := range []string{"/audit", "/audit/print", "/audit.csv"} {
			if rec := w.ask(who, "GET", path); rec.Code != want {
				t.Errorf("%s as %q: %d, want %d", path, who, rec.Code, want)
			}
		}
		if rec := w.ask(who, "POST", "/audit/verify"); rec.Code != want && !(want == 200 && rec.Code == 303) {
			t.Errorf("verify as %q: %d", who, rec.Code)
		}
	}
}

// Each word of a line is what people say, in their language.
func TestLines(t *testing.T) {
	w := setup(t)
	w.bodies = w.bodies[:1]
	if page := w.page(me, "/audit"); !strings.Contains(page, "Nothing recorded yet") {
		t.Error("an empty log has no word for it")
	}
	w.did(
		"identity.person.lock p1 p2", "identity.session.expire node s1", "identity.person.roles p4 p5", "exchange.peer.quarantine operator 9.9.9",
		"console.accept p1 17", "console.see p1 inc-1", "console.room p1 1.2.3", "console.test_call p1 8.8.8", "made.up.action p1 <script>", "health.see p1 17", "console.search p1 ", "node.restore operator here",
	)
	want := []string{
		"command line of the node | Node restored from a backup | Liberec",
		"Jana Nováková | Archive searched | –",
		"Jana Nováková | Finding about the node marked as seen | 17",
		"Jana Nováková | made.up.action | &lt;script&gt;",
		"Jana Nováková | Test call with the neighbour | 8.8.8",
		"Jana Nováková | Entry of the neighbour changed | Liberec",
		"Jana Nováková | Messages or alarm seen | Incident inc-1",
		"Jana Nováková | Hand-over accepted | Incident 17",
		"command line of the node | Exchange with the neighbour stopped | Zgorzelec",
		"name no longer kept | Roles changed | Karel Smazaný",
		"the node itself | Session expired | s1",
		"Jana Nováková | Account locked | =Petr",
	}
	page := w.page(me, "/audit")
	if diff := cmp.Diff(want, rows(page)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(page, `<a href="/console/incidents/inc-1">`) || !strings.Contains(page, "1\u00a0March\u00a02025, 11:0") {
		t.Errorf("no way to the incident, or no day:\n%s", page)
	}
	for _, lang := range i18n.Langs {
		if page := w.page(me, "/audit?lang="+string(lang)); len(rowForm.FindAllString(page, -1)) == 0 && lang == i18n.En || strings.Contains(page, "⟦") {
			t.Errorf("%s: a text is missing", lang)
		}
	}
	w.log.Count("identity.session.refuse", "p1")
	w.log.Count("identity.session.refuse", "p1")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_ = w.log.Run(ctx) // writes what is counted when it stops
	if got := rows(w.page(me, "/audit"))[0]; got != "– | Sign-in refused (2×) | Jana Nováková" {
		t.Errorf("repeated: %s", got)
	}
}

// Whatever has a text is in a group.
func TestGroups(t *testing.T) {
	w := setup(t)
	for _, key := range w.p.o.Texts.Keys() {
		action, ok := strings.CutPrefix(key, "trail.action.")
		if !ok {
			continue
		}
		if !slices.ContainsFunc(groups, func(g group) bool {
			return slices.ContainsFunc(g.actions, func(a string) bool { return strings.HasPrefix(action, a) })
		}) {
			t.Errorf("%s is in no group", action)
		}
	}
}

func TestFilter(t *testing.T) {
	w := setup(t)
	w.bodies = w.bodies[:1]
	w.did("identity.session.start p1 s1", "console.accept p1 17", "exchange.accept 9.9.9 m1", "identity.person.lock p2 p1", "console.see p2 inc-1", "exchange.discarded 9.9.9 m2")
	ids := func(query string) (ids string) {
		t.Helper()
		for _, row := range rowForm.FindAllString(w.page(me, "/audit"+query), -1) {
			cells := strings.Split(row, "</td>")
			ids += strings.TrimSpace(tagForm.ReplaceAllString(cells[4], "")) + " "
		}
		return strings.TrimSpace(ids)
	}
	for query, want := range map[string]string{
		"":                                      "6 5 4 2 1",
		"?person=p1":                            "4 2 1",
		"?person=p2&group=console":              "5",
		"?group=messages":                       "3",
		"?group=exchange":                       "6",
		"?group=unheard-of":                     "6 5 4 2 1",
		"?object=17":                            "2",
		"?object=inc-1":                         "5 2", // whatever was done with the incident
		"?object=+inc-1+&person=p1":             "2",
		"?object=nothing":                       "",
		"?from=2025-03-01T11:03":                "6 5 4", // 10:03 UTC
		"?to=2025-03-01T11:01":                  "2 1",   // the minute counts
		"?from=2025-03-01&to=2025-03-01":        "6 5 4 2 1",
		"?to=2025-02-28":                        "",
		"?group=messages&from=2025-03-01T11:03": "",
	} {
		if got := ids(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if page := w.page(me, "/audit?object=nothing"); !strings.Contains(page, "Nothing matches the filter") {
		t.Error("an empty answer has no word for it")
	}
	for query, field := range map[string]string{
		"?from=yesterday": "from", "?to=2025-13-01": "to", "?from=2025-03-02&to=2025-03-01": "to",
		"?person=p3": "person", "?person=%00": "person", "?object=a%00b": "object", "?object=%ff": "object", "?object=" + strings.Repeat("x", maxObject+1): "object",
	} {
		rec := w.ask(me, "GET", "/audit"+query)
		if query == "?person=p3" { // with one organisation there is no border, yet nobody of it has this id
			if rec.Code != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", query, rec.Code)
			}
			continue
		}
		if rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), `href="#`+field+`"`) {
			t.Errorf("%s: %d, no word about %s", query, rec.Code, field)
		}
	}
}

// Nobody reads what another organisation's people did; what belongs to nobody is the
// operating one's.
func TestBorder(t *testing.T) {
	w := setup(t)
	w.did(
		"console.accept p1 17", "console.accept p3 18", // deeds
		"identity.person.roles node p1", "identity.person.roles node p3", // done to people
		"identity.session.refuse  p1", "identity.session.refuse  p3", "identity.session.refuse  ", // strangers
		"identity.organisation.change p1 there", "identity.organisation.create node there", "link.own operator there",
		"exchange.discarded 1.2.4 m1", "exchange.discarded 9.9.9 m2", "identity.session.expire node s1",
		"identity.person.lock p3 p1", // cannot be, and if it were: it is what p3 did
	)
	w.clk.Advance(time.Hour)
	for who, want := range map[string][]string{
		me: {
			"the node itself | Session expired | s1", "Zgorzelec | Message discarded | m2",
			"Jana Nováková | Organisation changed | Zittau", "– | Sign-in refused | –", "– | Sign-in refused | Jana Nováková",
			"the node itself | Roles changed | Jana Nováková", "Jana Nováková | Hand-over accepted | Incident 17",
		},
		"auditor@there": {
			"Greta Klein | Account locked | Jana Nováková", "Zittau | Message discarded | m1",
			"command line of the node | Own data for neighbours changed | Zittau", "the node itself | Organisation added | Zittau",
			"– | Sign-in refused | Greta Klein", "the node itself | Roles changed | Greta Klein", "Greta Klein | Hand-over accepted | 18",
		},
		"auditor@nowhere": nil,
	} {
		if diff := cmp.Diff(want, rows(w.page(who, "/audit?to=2025-03-01T11:30"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", who, diff)
		}
		file := w.page(who, "/audit.csv?to=2025-03-01T11:30") // without what records the file itself
		if n := strings.Count(file, "\r\n") - 1; n != len(want) {
			t.Errorf("%s: %d lines in the file, want %d", who, n, len(want))
		}
		if who == me && strings.Contains(file, "Greta") {
			t.Errorf("%s reads another's names in the file", who)
		}
	}
	// Neither a filter nor a place in the list leads over the border.
	for _, path := range []string{"/audit?object=17", "/audit?object=inc-1", "/audit?after=99999999999999-14&object=17", "/audit/print?group=people", "/audit?person=p3"} {
		page := w.page("auditor@there", path)
		// Below the list stands the node's key, which is random: one in a hundred has a "p1" in it.
		list, _, found := strings.Cut(page, `id="chain"`)
		if !found || strings.Contains(list, "p1") || strings.Contains(strings.Join(rows(list), "\n"), "| Hand-over accepted | Incident") || strings.Contains(list, "Jana") && !strings.Contains(list, "Greta") {
			t.Errorf("%s shows the other side:\n%s", path, strings.Join(rows(page), "\n"))
		}
	}
	if page := w.page("auditor@there", "/audit"); strings.Contains(page, `<option value="p1"`) || strings.Contains(page, "Karel") {
		t.Error("the other side's people can be chosen")
	}
}

// A thousand leaves of two organisations come in pages, each once.
func TestPaging(t *testing.T) {
	w := setup(t)
	w.must(w.db.Write(t.Context(), func(tx *store.Tx) error {
		for i := range 1000 {
			if err := w.log.Append(tx, audit.Event{Action: "console.open", Actor: []string{"p1", "p3"}[i%2], Object: fmt.Sprint("o", i)}); err != nil {
				return err
			}
		}
		return nil
	}))
	next := regexp.MustCompile(`href="(/audit\?[^"]*after=[^"]*)"`)
	seen, pages := map[string]bool{}, 0
	for path := "/audit?person=p1"; path != ""; pages++ {
		page := w.page(me, path)
		all := rows(page)
		if len(all) != pageLeaves {
			t.Fatalf("%s has %d lines", path, len(all))
		}
		for _, r := range all {
			if seen[r] || !strings.HasPrefix(r, "Jana") {
				t.Fatalf("twice, or not hers: %s", r)
			}
			seen[r] = true
		}
		path = ""
		if m := next.FindStringSubmatch(page); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if len(seen) != 500 || pages != 10 {
		t.Errorf("%d leaves on %d pages", len(seen), pages)
	}
	if paper := w.page(me, "/audit/print?person=p1"); len(rows(paper)) != 500 || !strings.Contains(paper, "Person: Jana Nováková") || strings.Contains(paper, "<form class=\"filter\"") {
		t.Errorf("%d lines for paper", len(rows(paper)))
	}
	for _, after := range []string{"x", "1", "1-", "-", "99999999999999999999-1", "5-5"} {
		w.page(me, "/audit?after="+url.QueryEscape(after))
	}
}

// The file has everything the filter chooses, is written as it is read, keeps
// spreadsheet programs from calculating with names, and is recorded.
func TestFile(t *testing.T) {
	w := setup(t)
	w.bodies = w.bodies[:1]
	w.must(w.db.Write(t.Context(), func(tx *store.Tx) error {
		for i := range 2*scanned + 7 {
			if err := w.log.Append(tx, audit.Event{Action: "console.open", Actor: "p2", Object: fmt.Sprint("@", i)}); err != nil {
				return err
			}
		}
		return nil
	}))
	rec := w.ask(me, "GET", "/audit.csv?group=console")
	text, ok := strings.CutPrefix(rec.Body.String(), byteOrderMark)
	if !ok || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/csv") || !rec.Flushed && rec.Header().Get("Content-Length") != "" {
		t.Fatalf("%v", rec.Header())
	}
	read := csv.NewReader(strings.NewReader(text))
	read.Comma = ';'
	lines, err := read.ReadAll()
	if err != nil || len(lines) != 2*scanned+8 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	want := []string{fmt.Sprint(2*scanned + 7), "2025-03-01T10:00:00Z", "'=Petr", "p2", "Incident opened", "console.open", "", "'@" + fmt.Sprint(2*scanned+6), "1"}
	if diff := cmp.Diff(want, lines[1]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := rows(w.page(me, "/audit?group=audit")); len(got) != 1 || got[0] != "Alena Auditová | List of the log saved as CSV | –" {
		t.Errorf("the export is recorded as %v", got)
	}
	if rec := w.ask(me, "GET", "/audit.csv?from=x"); rec.Code != http.StatusSeeOther {
		t.Errorf("a file of a wrong filter: %d", rec.Code)
	}
}

// The result of a verification stands on the page until the next one; damage is also
// a finding of the node's health.
func TestVerify(t *testing.T) {
	w := setupAt(t, clock.System()) // a leaf may be outside the tree while it is young
	w.did("console.accept p1 17", "console.accept p1 18", "console.accept p1 19")
	w.must(w.log.Sequence(t.Context()))
	if page := w.page(me, "/audit"); !strings.Contains(page, "Not verified yet") || !strings.Contains(page, "3 entries, no. 1") || !strings.Contains(page, "Verify now") {
		t.Errorf("before the first:\n%s", page)
	}
	rec := w.ask(me, "POST", "/audit/verify") // nobody works at the queue yet
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/audit#chain" {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	if page := w.page(me, "/audit"); !strings.Contains(page, "Verifying since") || strings.Contains(page, "Verify now") {
		t.Errorf("while it runs:\n%s", page)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- w.jobs.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	// What was asked for while another one ran is the same one.
	if rec := w.ask(me, "POST", "/audit/verify"); rec.Code != http.StatusSeeOther {
		t.Fatal(rec.Code)
	}
	if page := w.page(me, "/audit"); !strings.Contains(page, "In order: 4 entries verified") || !strings.Contains(page, "<dd>Alena Auditová</dd>") {
		t.Errorf("in order:\n%s", page)
	}
	if got := rows(w.page(me, "/audit?group=audit")); len(got) != 1 {
		t.Errorf("two requests for one verification are recorded as %v", got)
	}
	w.must(w.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE audit_leaf SET object = '20' WHERE id = 2`)
		return err
	}))
	found, err := w.p.Damage().Func(t.Context())
	if err != nil || len(found) != 0 {
		t.Fatalf("before it is noticed: %v, %v", found, err)
	}
	w.ask(me, "POST", "/audit/verify")
	page := w.page(me, "/audit/print")
	if !strings.Contains(page, "The log is damaged: 1 fault") || !strings.Contains(page, "Entry 2 was changed.") || !strings.Contains(page, "Change nothing.") {
		t.Errorf("tampered:\n%s", page)
	}
	if found, err = w.p.Damage().Func(t.Context()); err != nil || len(found) != 1 || found[0].Level != health.L3 {
		t.Errorf("no finding: %v, %v", found, err)
	}
	w.must(w.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE audit_head SET note = 'x'`)
		return err
	}))
	if page := w.page(me, "/audit"); !strings.Contains(page, "last signature cannot be read") {
		t.Errorf("a spoilt head:\n%s", page)
	}
}

// Each night the log is verified without anybody asking.
func TestNightly(t *testing.T) {
	w := setup(t)
	w.did("console.accept p1 17")
	w.must(w.log.Sequence(t.Context()))
	w.clk.Advance(24 * time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- w.jobs.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	for page := ""; !strings.Contains(page, "In order: 1 entry verified"); page = w.page(me, "/audit") {
		time.Sleep(20 * time.Millisecond)
	}
	if page := w.page(me, "/audit"); !strings.Contains(page, "the node, each night") {
		t.Errorf("%s", page)
	}
}
