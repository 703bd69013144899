package disclosure

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
	built "trojmezi/web"
)

const desk, neighbour = "1.2.203.9.1", "1.2.203.9.2"

// site is a node with the pages.
type site struct {
	*Service
	t     *testing.T
	db    *store.DB
	texts *i18n.Bundle
	rt    *web.Router
	clk   *clock.Clock
	pages *Pages
}

var people = map[string]*web.Person{
	"admin":  {ID: "admin", Name: "Adam Admin", Organisation: "o", Roles: []string{"administrator"}, Lang: i18n.En},
	"leader": {ID: "leader", Name: "Věra Vedoucí", Organisation: "o", Roles: []string{"shift_leader"}, Lang: i18n.Cs},
	"guest":  {ID: "guest", Name: "Gerd Gast", Organisation: "p", Roles: []string{"administrator"}, Lang: i18n.En},
	"desk":   {ID: "desk", Name: "Dana Dispečerka", Organisation: "o", Roles: []string{"dispatcher"}, Lang: i18n.Pl},
}

func participant(oid string) map[string]any {
	var apps []any
	for _, a := range ucri.Apps() {
		if a.AppID != "transport_layer_messages" {
			apps = append(apps, map[string]any{"appId": a.AppID, "appVersion": a.AppVersion})
		}
	}
	return map[string]any{
		"id": oid, "systemName": "desk", "operatorName": "Desk " + oid, "operatorShortName": "d", "supportedApps": apps,
		"techSupport": map[string]any{"phone": "+420 485 000 000", "e-mail": "it@desk.example"},
	}
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, db: storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "exchange": exchange.Migrations(), "disclosure": Migrations()}), clk: clock.System()}
	log := slog.New(slog.DiscardHandler)
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	s.must(err)
	s.texts, err = i18n.Load(access.Locales, ucri.Locales(), exchange.Locales(), tree.Locales(), convert.Locales(), Locales(), web.Locales, ui.Locales)
	s.must(err)
	ring, record := seal.NewRing(key, s.clk), audit.New(s.db, key, s.clk, log)
	rules, err := access.Load(map[string][]byte{"exchange/policy.cedar": exchange.Policy(), "disclosure/policy.cedar": Policy()})
	s.must(err)
	cfg := exchange.Config{OID: "1.2.203.9.0", Listen: "127.0.0.1:0", InsecureLoopback: true, Operator: "Own", Participants: []any{participant(desk), participant(neighbour)}}
	if faults := cfg.Validate(); len(faults) > 0 {
		t.Fatal(faults)
	}
	node, err := exchange.New(t.Context(), cfg, exchange.Deps{DB: s.db, Key: key, Ring: ring, Audit: record, Policy: rules, Clock: s.clk, Texts: s.texts, Log: log, Dir: t.TempDir(), Version: "test", ID: "1", Lang: i18n.Cs})
	s.must(err)
	s.Service = New(Options{DB: s.db, Node: node, Ring: ring, Audit: record, Clock: s.clk, Name: func(_ *store.Tx, p string) string { return people[p].Name },
		Retained: func(context.Context) ([]Kept, error) { return []Kept{{"live", 90}}, nil }})
	s.rt = web.NewRouter(web.Config{Bundle: s.texts, Log: log, Clock: s.clk, Policy: rules, Nav: Nav(), Built: built.Built(),
		Authenticate: func(r *http.Request) (*web.Person, error) { return people[r.Header.Get("who")], nil }})
	s.pages = NewPages(s.Service)
	s.pages.Register(s.rt)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// visit answers a request: a form with values, else a page.
func (s *site) visit(person, path string, form url.Values) (int, string) {
	s.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, body)
	r.Header.Set("who", person)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.rt.ServeHTTP(w, r)
	text := strings.ReplaceAll(w.Body.String(), "<wbr>", "") // it is in no text
	if m := regexp.MustCompile(`⟦[^⟧]*⟧`).FindString(text); m != "" {
		s.t.Errorf("%s: no text %s", path, m)
	}
	return w.Code, text
}

func (s *site) page(person, path string, want ...string) string {
	s.t.Helper()
	code, text := s.visit(person, path, nil)
	if code != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, code, text)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			s.t.Errorf("%s does not say %q", path, w)
		}
	}
	return text
}

func rule(base, was, id, path, action string) url.Values {
	return url.Values{"base": {base}, "was": {was}, "id": {id}, "peer": {"PL"}, "app": {"*"}, "path": {path}, "class": {"*"}, "action": {action}, "reason": {"r"}, "note": {"why not"}, "do": {"save"}}
}

// The reasons that the program comes with are read in every language, those of an
// authority as it wrote them. What a rule does not limit stands in words.
func TestReasons(t *testing.T) {
	s := newSite(t)
	for _, r := range Default() {
		if en := s.texts.Text(i18n.En, "disclosure.reason."+shipped[r.Reason], nil); en != r.Reason {
			t.Errorf("%s: the table says %q, the texts %q", r.ID, r.Reason, en)
		}
	}
	page := s.page("leader", "/disclosure", "Obvykle jde o\u00a0život; návrh.", "jméno a\u00a0číslo volajícího", "vše")
	for _, english := range []string{"to be verified", "draft."} {
		if strings.Contains(page, english) {
			t.Errorf("a Czech page says %q", english)
		}
	}
	own := rule("0", "", "X-1", "Callers.Phone", "pass")
	own.Set("reason", "Our own word")
	if code, text := s.visit("admin", "/disclosure/rule", own); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, text)
	}
	s.page("leader", "/disclosure", "Our own word")
}

// A mistake stands at its field.
func TestRuleMistakes(t *testing.T) {
	s := newSite(t)
	bad := rule("0", "", "X-3", "Callers.Telephone", "life")
	_, text := s.visit("admin", "/disclosure/rule", bad)
	for _, id := range []string{`id="path-error"`, `id="action-error"`} {
		if !strings.Contains(text, id) {
			t.Errorf("no %s", id)
		}
	}
	if strings.Contains(text, `id="peer-error"`) {
		t.Error("a field is blamed that is right")
	}
}

// Who changes a rule that somebody else has changed sees both, and may then save his.
func TestTwoAtOneRule(t *testing.T) {
	s := newSite(t)
	first, second := rule("0", "P-15", "P-15", "Car.VIN", "pass"), rule("0", "P-15", "P-15", "Car.VIN", "drop")
	if code, text := s.visit("admin", "/disclosure/rule", first); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, text)
	}
	code, text := s.visit("admin", "/disclosure/rule", second)
	if _, both, _ := strings.Cut(text, "What stands now"); code != http.StatusConflict || !strings.Contains(both, "· Pass ·") || !strings.Contains(both, "· Withhold ·") {
		t.Errorf("%d, both are not shown", code)
	}
	second.Set("base", "1")
	if code, _ := s.visit("admin", "/disclosure/rule", second); code != http.StatusSeeOther {
		t.Errorf("%d", code)
	}
}

// The table is changed in versions; who changes an older one is told; an earlier one
// comes back.
func TestTable(t *testing.T) {
	s := newSite(t)
	s.page("admin", "/disclosure", "P-05", "Callers.Phone", "Ask")
	if text := s.page("admin", "/disclosure?q=vin"); strings.Contains(text, "P-05") || !strings.Contains(text, "P-15") {
		t.Error("the filter finds something else")
	}
	if code, text := s.visit("admin", "/disclosure/rule", rule("0", "", "X-1", "Callers.Phone", "pass")); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := s.visit("admin", "/disclosure/rule", rule("0", "", "X-2", "Callers", "drop")); code != http.StatusConflict || !strings.Contains(text, "version 1") {
		t.Errorf("two at once: %d %s", code, text)
	}
	for _, bad := range []url.Values{rule("1", "", "X-1", "Callers", "drop"), rule("1", "", "X-3", "Callers.Telephone", "drop"), rule("1", "", "X-3", "Callers", "burn"), rule("1", "", "X-3", "*", "life")} {
		if code, text := s.visit("admin", "/disclosure/rule", bad); code != http.StatusUnprocessableEntity || !strings.Contains(text, "Rule X-") {
			t.Errorf("%v: %d", bad, code)
		}
	}
	// The rules that come with the program give their reasons in the reader's language.
	text := s.page("leader", "/disclosure", "X-1", "Jako P-03; k")
	for _, r := range Default() {
		if strings.Contains(text, r.Reason) {
			t.Errorf("%s: %q", r.ID, r.Reason)
		}
	}
	s.page("leader", "/disclosure/history", "why not", "Adam Admin")
	s.page("admin", "/disclosure/history/0", "X-1")
	if code, _ := s.visit("desk", "/disclosure/rule", rule("1", "", "X-4", "Callers", "drop")); code != http.StatusForbidden {
		t.Errorf("a dispatcher changes the rules: %d", code)
	}
	if code, text := s.visit("admin", "/disclosure/history/0", url.Values{"base": {"1"}}); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, text)
	}
	if text := s.page("admin", "/disclosure"); strings.Contains(text, "X-1") {
		t.Error("it is not undone")
	}
	code, file := s.visit("admin", "/disclosure.csv", nil)
	if code != http.StatusOK || !strings.Contains(file, "P-05,*,*,Callers.Phone,*,ask,") {
		t.Fatalf("%d %s", code, file)
	}
	changed := strings.Replace(file, "P-05,*,*,Callers.Phone,*,ask,", "P-05,*,*,Callers.Phone,*,drop,", 1)
	if code, text := s.visit("admin", "/disclosure/import", url.Values{"base": {"2"}, "text": {changed}}); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, text)
	}
	v, err := s.Current(t.Context())
	s.must(err)
	if n := slices.IndexFunc(v.Rules, func(r Rule) bool { return r.ID == "P-05" }); v.Number != 3 || v.Rules[n].Action != Drop || len(v.Rules) != len(Default()) {
		t.Errorf("%+v", v)
	}
	if code, text := s.visit("admin", "/disclosure/import", url.Values{"base": {"3"}, "text": {"id,peer\n\"x"}}); code != http.StatusUnprocessableEntity || !strings.Contains(text, "Line 2 is no CSV") {
		t.Errorf("%d %s", code, text)
	}
}

// The test bench shows what a neighbour would see, and what not.
func TestBench(t *testing.T) {
	s := newSite(t)
	s.page("desk", "/disclosure/test", neighbour, "Vzorný")
	code, text := s.visit("admin", "/disclosure/test", url.Values{"peer": {neighbour}, "class": {"tech.tree"}, "text": {sampleText}})
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	_, seen, _ := strings.Cut(text, "What Desk "+neighbour+" sees")
	for _, secret := range []string{"Vzorn", "600 000", "1122334455"} {
		if strings.Contains(seen, secret) {
			t.Errorf("the neighbour sees %s", secret)
		}
	}
	for _, want := range []string{"line-lost", "Callers[0].Phone", "P-05", "Withheld, available on request", "2 persons", "Call-back where a life depends on it"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	_, text = s.visit("admin", "/disclosure/test", url.Values{"peer": {neighbour}, "class": {""}, "text": {sampleText}})
	_, seen, _ = strings.Cut(text, "What Desk "+neighbour+" sees")
	if !strings.Contains(seen, "600 000") || strings.Contains(seen, "1122334455") {
		t.Error("a life is in danger")
	}
	if code, _ = s.visit("admin", "/disclosure/test", url.Values{"peer": {neighbour}, "text": {"{"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("that is no message: %d", code)
	}
}

// What is decided for a message is written down, what may be asked for is kept with
// the incident's key and gone with it, and the papers tell of it.
func TestDisclose(t *testing.T) {
	s := newSite(t)
	m, f := convert.Read([]byte(sample), convert.Auto)
	if f != nil {
		t.Fatal(f)
	}
	const shared, message = "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e912", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911"
	tr := Transfer{Peer: neighbour, Message: message, Organisation: "o", Person: "desk", Answers: map[Group]bool{Callers: false}}
	s.must(s.db.Write(t.Context(), func(tx *store.Tx) error { _, err := s.Disclose(tx, tr, m); return err }))
	s.page("leader", "/disclosure/log?message="+message, "Callers[0].Phone", "P-05", "Accused[1].Family")
	text := s.page("leader", "/disclosure/papers", "Callers.Phone", "90")
	if strings.Contains(text, "Novák") || strings.Contains(text, "603 123") {
		t.Error("the papers tell who")
	}
	if code, raw := s.visit("leader", "/disclosure/papers.pdf", nil); code != http.StatusOK || !strings.HasPrefix(raw, "%PDF") {
		t.Errorf("%d", code)
	}
	give := func(organisation string) (text string, err error) {
		err = s.db.Write(t.Context(), func(tx *store.Tx) error {
			text, err = s.Give(tx, organisation, "desk", shared, neighbour, Callers)
			return err
		})
		return text, err
	}
	if text, err := give("p"); problem.KindOf(err) != problem.NotFound || text != "" {
		t.Errorf("another organisation of the node gives it, and reads it: %q %v", text, err)
	}
	if text, err := give("o"); err != nil || text != "Jiří Novák +420 603 123 456" {
		t.Errorf("%q %v", text, err)
	}
	s.must(s.db.Write(t.Context(), func(tx *store.Tx) error {
		key, err := s.o.Ring.Key(tx, exchange.IncidentSubject(shared))
		if err != nil {
			return err
		}
		return s.o.Ring.Destroy(tx, key.ID())
	}))
	if text, err := give("o"); err == nil {
		t.Errorf("after its deletion: %q", text)
	}
	var n int64
	s.must(s.db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action LIKE 'disclosure.%'`).Scan(&n)
	}))
	if n != 2 {
		t.Errorf("%d entries in the audit log", n)
	}
}

// An emergency that one organisation of a node declares opens nothing of another's that
// works on the same incident.
func TestEmergencyIsOfOne(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		organisation, emergency string
		tells                   bool
	}{{"o", "únos", true}, {"p", "", false}, {"o", "", true}} {
		m, f := convert.Read([]byte(sample), convert.Auto)
		if f != nil {
			t.Fatal(f)
		}
		tr := Transfer{Peer: neighbour, Message: "x", Organisation: c.organisation, Person: "leader", Emergency: c.emergency}
		var out Outcome
		s.must(s.db.Write(t.Context(), func(tx *store.Tx) (err error) { out, err = s.Disclose(tx, tr, m); return err }))
		if tells := len(out.Marks) == 0; tells != c.tells {
			t.Errorf("%s tells everything: %v", c.organisation, tells)
		}
	}
}

// The table holds for everybody on the node: the administrator of an organisation that
// does not operate it opens nothing to anybody.
func TestOperatorAlone(t *testing.T) {
	s := newSite(t)
	s.pages.Operator = func(context.Context) (access.Resource, error) { return web.Organisation("o"), nil }
	text := s.page("guest", "/disclosure", "P-05")
	if strings.Contains(text, "/disclosure/import") || strings.Contains(text, "/disclosure/rule") {
		t.Error("it is offered what he may not do")
	}
	rule := url.Values{"base": {"0"}, "id": {"X"}, "peer": {"*"}, "app": {"*"}, "path": {"Callers.Phone"}, "class": {"*"}, "action": {"pass"}, "reason": {"x"}}
	for path, form := range map[string]url.Values{"/disclosure/rule": rule, "/disclosure/import": {"base": {"0"}, "text": {"x"}}, "/disclosure/history/0": {"base": {"0"}}} {
		if code, _ := s.visit("guest", path, form); code != http.StatusForbidden && code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if v, err := s.Current(t.Context()); err != nil || v.Number != 0 {
		t.Errorf("version %d %v", v.Number, err)
	}
	s.page("admin", "/disclosure", "/disclosure/import")
	if code, body := s.visit("admin", "/disclosure/rule", rule); code != http.StatusSeeOther {
		t.Errorf("the operator's: %d %s", code, body)
	}
}

// An emergency is closed by a second person on its page.
func TestReview(t *testing.T) {
	s := newSite(t)
	m, f := convert.Read([]byte(sample), convert.Auto)
	if f != nil {
		t.Fatal(f)
	}
	tr := Transfer{Peer: neighbour, Message: "x", Organisation: "o", Person: "leader", Emergency: "únos"}
	s.must(s.db.Write(t.Context(), func(tx *store.Tx) error { _, err := s.Disclose(tx, tr, m); return err }))
	list, err := s.Emergencies(t.Context(), "o")
	s.must(err)
	s.page("leader", "/disclosure/reviews", "únos", "Věra Vedoucí")
	path := "/disclosure/reviews/" + list[0].ID
	if code, _ := s.visit("leader", path, url.Values{"verdict": {"right"}}); code == http.StatusSeeOther {
		t.Error("one person is two")
	}
	if code, _ := s.visit("admin", path, url.Values{"verdict": {"maybe"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("%d", code)
	}
	if code, text := s.visit("admin", path, url.Values{"verdict": {"wrong"}, "note": {"nebylo třeba" + strings.Repeat("ř", 250)}}); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, text)
	}
	s.page("leader", "/disclosure/reviews", "nebylo třeba", "Adam Admin")
}
