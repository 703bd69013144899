package agreement

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// site is a node's agreements with their pages, seen by a person of a role.
type site struct {
	*Book
	t        *testing.T
	db       *store.DB
	server   *httptest.Server
	role     string
	operator string // of the node; "": the reader's organisation
	country  string // of the reader's organisation
}

const names = "Věra Ověřená"

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, db: storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "agreement": Migrations()}), role: "shift_leader"}
	clk := clock.Fake(noon)
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Book, err = New(Options{DB: s.db, Places: places(t), Clock: clk, Audit: audit.New(s.db, key, clk, slog.New(slog.DiscardHandler)),
		Name: func(*store.Tx, string) string { return names }}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // every start ships
		if err := s.Ship(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	files, err := blob.OpenDir(filepath.Join(t.TempDir(), "blobs"), clk)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := i18n.Load(web.Locales, ui.Locales, geo.Locales, register.Locales, Locales())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.Load(map[string][]byte{"agreement/policy.cedar": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.DiscardHandler), Clock: clk, Policy: rules, Nav: Nav(),
		Authenticate: func(*http.Request) (*web.Person, error) {
			return &web.Person{ID: "p1", Name: names, Place: "Liberec", Organisation: "o", Roles: []string{s.role}}, nil
		}})
	pages := NewPages(s.Book, texts, files)
	pages.Operator = func(context.Context) (access.Resource, error) { return web.Organisation(cmp.Or(s.operator, "o")), nil }
	pages.Country = func(context.Context, string) (string, error) { return s.country, nil }
	pages.Register(rt)
	s.server = httptest.NewServer(rt)
	t.Cleanup(func() {
		s.server.Close()
		files.Close()
		if n := texts.Missing(); n > 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return s
}

func (s *site) do(method, path, kind string, body io.Reader) (int, string) {
	s.t.Helper()
	q, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	q.Header.Set("Content-Type", kind)
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (s *site) get(path string) string {
	s.t.Helper()
	status, body := s.do(http.MethodGet, path, "", nil)
	if status != http.StatusOK {
		s.t.Fatalf("%s: %d\n%s", path, status, body)
	}
	return body
}

func (s *site) post(path string, values url.Values) (int, string) {
	return s.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
}

func (s *site) row(id string) Version {
	s.t.Helper()
	all, err := s.History(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return all[0]
}

// A question on the page is answered in every language with the row and its doubt;
// placeholders are seen.
func TestPage(t *testing.T) {
	s := newSite(t)
	for lang, want := range map[i18n.Lang]string{i18n.Cs: "pravděpodobně", i18n.De: "wahrscheinlich", i18n.Pl: "prawdopodobnie", i18n.En: "probably"} {
		page := s.get("/agreements?at=Seifhennersdorf&service=ems&from=CZ-LI&lang=" + string(lang))
		if !strings.Contains(page, want) || !strings.Contains(page, `href="/agreements/rows/AG04"`) || !strings.Contains(page, `href="/agreements/rows/AG17"`) || strings.Contains(page, "⟦") {
			t.Errorf("%s: no answer", lang)
		}
	}
	page := s.get("/agreements?at=50.8977+14.8076&service=ems&from=CZ-LI&lang=en")
	if !strings.Contains(page, "unclear: ask the shift leader") || !regexp.MustCompile("approximate border that may be 2.000.m off").MatchString(page) {
		t.Errorf("Zittau: %s", regexp.MustCompile(`<li>[^<]*approximate[^<]*`).FindString(page))
	}
	for path, want := range map[string]string{
		"/agreements?at=Nowhereville&service=ems&from=CZ-LI&lang=en": "No such place",
		"/agreements?at=Zittau&service=ems&from=XX&lang=en":          "is not known",
		"/agreements?at=Zittau&service=ems&from=CZ-LI+PL-02&lang=en": "one country",
		"/agreements?at=Zittau&service=ems&from=CZ&day=1.1.&lang=en": "is no day",
	} {
		if status, page := s.do(http.MethodGet, path, "", nil); status != http.StatusUnprocessableEntity || !strings.Contains(page, want) {
			t.Errorf("%s: %d", path, status)
		}
	}
	if page := s.get("/agreements?status=unknown&lang=en"); strings.Count(page, "not found, to be filled in") < 4 || strings.Contains(page, "rows/AG04") {
		t.Error("the filter does not show the placeholders alone")
	}
	for _, path := range []string{"/agreements/print", "/agreements/rows/AG13", "/agreements/forms", "/agreements/new", "/agreements/import", "/agreements/area", "/agreements/rows/AG04/verify"} {
		for _, lang := range i18n.Langs {
			if page := s.get(path + "?lang=" + string(lang)); strings.Contains(page, "⟦") {
				t.Errorf("%s in %s: a text is missing", path, lang)
			}
		}
	}
}

// A point of the map is answered for every service with consent, way, form and
// paragraph, as a piece for the script and as a page without; a room that has written
// nothing down asks for its country.
func TestPointOfTheMap(t *testing.T) {
	s := newSite(t)
	if page := s.get("/agreements/point?lat=50.935&lon=14.61&lang=en"); !strings.Contains(page, "not written down yet") {
		t.Error("a room of no country is answered")
	}
	s.country = "DE"
	if _, err := s.SetArea(t.Context(), "p1", "o", []string{"DE-14625"}); err != nil {
		t.Fatal(err)
	}
	varnsdorf := "50.911500, 14.618200"
	for lang, want := range map[i18n.Lang]string{i18n.Cs: "pravděpodobně, podle AG04", i18n.De: "wahrscheinlich, nach AG04", i18n.Pl: "prawdopodobnie, według AG04", i18n.En: "probably, by AG04"} {
		part := s.get("/agreements/point?lat=50.911500&lon=14.618200&lang=" + string(lang))
		if !strings.Contains(part, want) || !strings.Contains(part, "SächsBRKG § 14(5), (6)") || !strings.Contains(part, `id="at-agreement-ems-CZ"`) || strings.Contains(part, "⟦") || strings.Contains(part, "<html") {
			t.Errorf("%s: %s", lang, part)
		}
		page := s.get("/agreements?" + url.Values{"at": {varnsdorf}, "lang": {string(lang)}}.Encode())
		if !strings.Contains(page, want) || !strings.Contains(page, "<tm-map") || !strings.Contains(page, `data-ask="/agreements/point"`) || !strings.Contains(page, `data-field="at"`) {
			t.Errorf("%s: the page answers otherwise", lang)
		}
	}
	if part := s.get("/agreements/point"); part != "" {
		t.Errorf("no point: %s", part)
	}
	for _, q := range []string{"lat=50", "lat=x&lon=14", "lat=91&lon=14", "lat=NaN&lon=14"} {
		if status, _ := s.do(http.MethodGet, "/agreements/point?"+q, "", nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", q, status)
		}
	}
}

// A named person's verification makes a row answer yes, an edit takes it back; all of
// it is history, and an edit of what somebody else changed meanwhile is refused.
func TestVerifyAndEdit(t *testing.T) {
	s := newSite(t)
	ask := func() Value {
		a, err := s.Answer(t.Context(), Question{At: s.places.Search("Seifhennersdorf", 1)[0].Point, From: []string{"CZ-LI"}, Service: EMS})
		if err != nil {
			t.Fatal(err)
		}
		return a.Value
	}
	if v := ask(); v != Probably {
		t.Fatalf("as shipped: %s", v)
	}
	if status, page := s.post("/agreements/rows/AG04/verify?lang=en", url.Values{"version": {"1"}, "source": {" "}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, "what you verified") {
		t.Errorf("without a source: %d", status)
	}
	if status, _ := s.post("/agreements/rows/AG13/verify", url.Values{"version": {"1"}, "source": {"x"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("a placeholder: %d", status)
	}
	if status, _ := s.post("/agreements/rows/AG04/verify", url.Values{"version": {"1"}, "source": {"signed copy of 25 November 2015"}}); status != http.StatusSeeOther {
		t.Fatalf("verify: %d", status)
	}
	if v := ask(); v != Yes {
		t.Errorf("verified: %s", v)
	}
	if page := s.get("/agreements/rows/AG04?lang=en"); !strings.Contains(page, names+", 30\u00a0November\u00a02026, by: signed copy") {
		t.Error("the page does not name who verified it")
	}
	edited := s.row("AG04").Row
	values := url.Values{"version": {"2"}}
	for i, c := range columns {
		values.Set(c, edited.record()[i])
	}
	values.Set("note", "changed")
	if status, page := s.post("/agreements/rows/AG04", url.Values{"version": {"1"}, "parties": {"CZ;DE"}, "service": {"ems"}, "area": {"state"}, "status": {"from-memory"}}); status != http.StatusConflict || !strings.Contains(page, "<ins class=\"wrap\">CZ;DE</ins>") {
		t.Errorf("an old version: %d", status)
	}
	if status, page := s.post("/agreements/rows/AG04", values); status != http.StatusSeeOther {
		t.Fatalf("edit: %d %s", status, page)
	}
	if v, r := ask(), s.row("AG04"); v != Probably || r.Row.Verified() || r.Row.Status != FromMemory || r.Number != 3 {
		t.Errorf("edited: %s, %+v", v, r)
	}
	values.Set("area", "corridor:many")
	values.Set("version", "3")
	if status, page := s.post("/agreements/rows/AG04?lang=en", values); status != http.StatusUnprocessableEntity || !strings.Contains(page, "corridor:many") {
		t.Errorf("a rule that cannot be read: %d", status)
	}
	if status, _ := s.post("/agreements/rows/AG04/remove", url.Values{"version": {"3"}}); status != http.StatusSeeOther {
		t.Errorf("remove: %d", status)
	}
	if v := ask(); v == Yes || v == Probably {
		t.Errorf("removed: %s", v)
	}
	if err := s.Ship(t.Context()); err != nil {
		t.Fatal(err)
	}
	history := s.get("/agreements/rows/AG04?lang=en")
	for _, want := range []string{"out of use", "came with the program", "verified", "changed"} {
		if !strings.Contains(history, want) {
			t.Errorf("the history lacks %q", want)
		}
	}
	if n := len(regexp.MustCompile(`data-label="Version"`).FindAllString(history, -1)); n != 4 {
		t.Errorf("%d versions, want 4: a removed row is not shipped again", n)
	}
	s.role = "dispatcher"
	if status, _ := s.post("/agreements/rows/AG05/verify", url.Values{"version": {"1"}, "source": {"x"}}); status != http.StatusForbidden {
		t.Errorf("a dispatcher verifies: %d", status)
	}
}

// What is exported is read again without a change; what a file changes is unverified,
// shown first, and all or nothing.
func TestCSV(t *testing.T) {
	s := newSite(t)
	if err := s.Verify(t.Context(), "p1", "AG05", 1, "=collection"); err != nil {
		t.Fatal(err)
	}
	file := s.get("/agreements.csv")
	rows, err := ReadCSV(strings.NewReader(file))
	if err != nil || len(rows) != 22 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	changes, err := s.Import(t.Context(), "p1", rows, false)
	if err != nil || slices.ContainsFunc(changes, func(c Change) bool { return c.Kind != "same" }) {
		t.Fatalf("%v %v", changes, err)
	}
	if !s.row("AG05").Row.Verified() {
		t.Error("reading the same again takes a verification away")
	}
	changed := strings.Replace(file, "corridor:5000", "corridor:10000", 1)
	changed = strings.Replace(changed, "102/2003", "103/2003", 1) // in AG05, which was verified
	if _, page := s.post("/agreements/import?lang=en", url.Values{"rows": {changed}, "do": {"try"}}); !strings.Contains(page, "corridor:10000") || s.row("AG04").Number != 1 {
		t.Error("the trial shows nothing, or does it")
	}
	if _, page := s.post("/agreements/import?lang=en", url.Values{"rows": {strings.Replace(changed, "CZ;PL,fire", "CZ;XX,fire", 1)}, "do": {"import"}}); !strings.Contains(page, "Nothing has changed") || s.row("AG04").Number != 1 {
		t.Error("a file with a wrong row is taken over in part")
	}
	if _, page := s.post("/agreements/import?lang=en", url.Values{"rows": {changed}, "do": {"import"}}); !strings.Contains(page, "Taken over") {
		t.Error("not taken over")
	}
	if r := s.row("AG04").Row; r.Area != "corridor:10000" {
		t.Errorf("AG04: %s", r.Area)
	}
	if r := s.row("AG05").Row; r.Verified() || r.Status == Verified {
		t.Errorf("AG05 stays verified: %+v", r)
	}
	for text, want := range map[string]string{"": "empty", "id,parties\n": "is missing", file + "AG01\r\n": "no CSV"} {
		if status, page := s.post("/agreements/import?lang=en", url.Values{"rows": {text}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, want) {
			t.Errorf("%q: %d", want, status)
		}
	}
}

// A form is filled, bilingual, on tagged paper, and kept nowhere; an attached original
// stands in its place.
func TestForms(t *testing.T) {
	s := newSite(t)
	page := s.get("/agreements/forms/cz-sn-report?lang=de")
	for _, want := range []string{"Odesílatel / Absender", "Liberec", names, "zu prüfen", "nadregionální poplach"} {
		if !strings.Contains(page, want) {
			t.Errorf("the form lacks %q", want)
		}
	}
	const secret = "Žofie Volající 600 111 222"
	status, body := s.post("/agreements/forms/cz-sn-report?lang=de", url.Values{"kind": {"supra"}, "sender": {"Liberec"}, "contact": {secret}, "phone": {"+420 485 000 000"}})
	if status != http.StatusOK || !strings.HasPrefix(body, "%PDF-") {
		t.Fatalf("%d %.100s", status, body)
	}
	if _, err := exec.LookPath("pdftotext"); err == nil {
		file := filepath.Join(t.TempDir(), "form.pdf")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := exec.Command("pdftotext", file, "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		flat := strings.Join(strings.Fields(string(text)), " ")
		for _, want := range []string{secret, "Ohlašovací formulář / Meldeformular", "[x] nadregionální poplach", "třeba ověřit", "zu prüfen"} {
			if !strings.Contains(flat, want) {
				t.Errorf("the paper lacks %q:\n%s", want, flat)
			}
		}
	}
	tables, err := s.db.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(tables, func(name string) bool { return strings.Contains(name, "filled") }) {
		t.Errorf("filled forms have a table: %v", tables)
	}

	upload := func(name, content string) (int, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		part, _ := w.CreateFormFile("file", name)
		_, _ = io.WriteString(part, content)
		w.Close()
		return s.do(http.MethodPost, "/agreements/forms/cz-sn-report/original?lang=en", w.FormDataContentType(), &b)
	}
	for name, content := range map[string]string{"form.exe": "MZ", "form.pdf": "<html>", "page.html": "%PDF-1.7"} {
		if status, _ := upload(name, content); status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, status)
		}
	}
	for _, content := range []string{"%PDF-1.7 first", "%PDF-1.7 second"} {
		if status, body := upload(`C:\forms\příloha 2.pdf`, content); status != http.StatusSeeOther {
			t.Fatalf("attach: %d %s", status, body)
		}
	}
	if body := s.get("/agreements/forms/cz-sn-report/original"); body != "%PDF-1.7 second" {
		t.Errorf("the original is %q", body)
	}
	if page := s.get("/agreements/forms/cz-sn-report?lang=en"); !strings.Contains(page, "příloha 2.pdf") || strings.Contains(page, "Make the PDF") {
		t.Error("our layout is offered beside the original")
	}
	if err := s.db.Read(t.Context(), func(tx *store.Tx) error {
		refs, err := Referenced(tx)
		if len(refs) != 1 {
			t.Errorf("a backup takes %d files", len(refs))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.post("/agreements/forms/cz-sn-report/original/remove", nil); status != http.StatusSeeOther {
		t.Errorf("detach: %d", status)
	}
	if page := s.get("/agreements/forms/cz-sn-report?lang=en"); !strings.Contains(page, "Make the PDF") {
		t.Error("our layout does not come back")
	}
}

// The panel asks for each service and neighbour; who works for nobody yet is told so.
func TestPanel(t *testing.T) {
	s := newSite(t)
	ctx, near := t.Context(), s.places.Search("Hrádek nad Nisou", 1)[0].Point
	p, err := s.Panel(ctx, "o", nil, near, "")
	if err != nil || !p.Unset {
		t.Fatalf("%+v %v", p, err)
	}
	if faults, err := s.SetArea(ctx, "p1", "o", []string{"CZ-LI", "DE-SN"}); err != nil || len(faults) == 0 {
		t.Errorf("two countries: %v %v", faults, err)
	}
	if status, _ := s.post("/agreements/area", url.Values{"from": {"CZ-LI"}}); status != http.StatusSeeOther {
		t.Fatalf("%d", status)
	}
	if p, err = s.Panel(ctx, "o", []string{"DE"}, near, "/console/incidents/x/forms"); err != nil || p.Unset {
		t.Fatalf("%+v %v", p, err)
	}
	if len(p.Sides) != 2 || p.Sides[0].With != register.DE || byText(p.Sides[0].Answers[0].By) != "AG04" || p.Sides[0].Answers[0].Value != Probably {
		t.Fatalf("%+v", p.Sides)
	}
	// What is kept of it ends with the next verification.
	if err := s.Verify(ctx, "p1", "AG04", 1, "text"); err != nil {
		t.Fatal(err)
	}
	if p, err = s.Panel(ctx, "o", nil, near, "/console/incidents/x/forms"); err != nil || p.Sides[0].Answers[0].Value != Yes {
		t.Fatalf("after the verification: %+v %v", p.Sides[0].Answers[0].Value, err)
	}
	// With Poland the disaster treaty has its certificate, filled with the incident.
	if f := s.formsOf(p.Sides[1].Answers[slices.Index(Services, Disaster)]); len(f) != 1 || p.address(f[0].ID) != "/console/incidents/x/forms/cz-pl-4" {
		t.Errorf("forms %v", f)
	}
}

// The rows hold for all organisations of a node: another one's shift leader reads them
// and changes nothing.
func TestOperatorKeepsTheRows(t *testing.T) {
	s := newSite(t)
	s.operator = "another"
	if page := s.get(rowsPath + "/AG04"); strings.Contains(page, rowsPath+"/AG04/edit") || strings.Contains(page, rowsPath+"/AG04/verify") {
		t.Error("the page offers what is refused")
	}
	before := s.row("AG04")
	for _, path := range []string{rowsPath + "/AG04", rowsPath + "/AG04/verify", rowsPath + "/AG04/remove", Path + "/import"} {
		if code, _ := s.post(path, url.Values{"paragraph": {"x"}}); code != http.StatusForbidden {
			t.Errorf("%s: %d", path, code)
		}
	}
	if after := s.row("AG04"); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v", after)
	}
}
