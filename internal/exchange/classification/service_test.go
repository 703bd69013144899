package classification

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

var people = map[string]*web.Person{
	"guest": {ID: "guest", Name: "Gerd Gast", Organisation: "p", Roles: []string{"technician"}, Lang: i18n.Cs},
	"jan":   {ID: "jan", Name: "Jan Technik", Organisation: "o", Roles: []string{"technician"}, Lang: i18n.Cs},
	"petra": {ID: "petra", Name: "Petra Správcová", Organisation: "o", Roles: []string{"administrator"}, Lang: i18n.Cs},
	"vera":  {ID: "vera", Name: "Věra Vedoucí", Organisation: "o", Roles: []string{"shift_leader"}, Lang: i18n.De},
	"dana":  {ID: "dana", Name: "Dana Dispečerka", Organisation: "o", Roles: []string{"dispatcher"}, Lang: i18n.Pl},
}

func newService(t testing.TB) (*Service, *store.DB) {
	t.Helper()
	db := storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "classification": Migrations()})
	clk := clock.Fake(noon)
	log := slog.New(slog.DiscardHandler)
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Options{DB: db, Audit: audit.New(db, key, clk, log), Clock: clk, Log: log,
		Name:      func(_ *store.Tx, p string) string { return people[p].Name },
		Addresses: func(context.Context, string) ([]string, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

func ok(t testing.TB, faults []Fault, err error) {
	t.Helper()
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
}

func reworded(r Row, l i18n.Lang, words string) Row {
	label := map[i18n.Lang]Text{}
	for k, v := range r.Label {
		label[k] = Text{Text: v.Text}
	}
	label[l] = Text{Text: words}
	r.Label = label
	return r
}

// A row keeps every version: who changed what, a check that ends with other words, an
// earlier version that counts again. Each step is in the audit log.
func TestHistory(t *testing.T) {
	s, db := newService(t)
	now := func() Row { return *s.Table().get("fire.bin", "") }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Check(t.Context(), "vera", "fire.bin", "", i18n.De, "Brand – Müllbehälter"))
	if l := now().Label[i18n.De]; l.CheckedBy != "vera" || !l.CheckedAt.Equal(noon) || !now().Label[i18n.Cs].Draft() {
		t.Fatalf("%+v", now())
	}
	faults, err := s.Save(t.Context(), "jan", reworded(now(), i18n.Cs, "Požár kontejneru"), 1)
	ok(t, faults, err)
	if now().Label[i18n.De].Draft() {
		t.Error("a check is lost although its words are the same")
	}
	faults, err = s.Save(t.Context(), "jan", reworded(now(), i18n.De, "Containerbrand"), 2)
	ok(t, faults, err)
	if !now().Label[i18n.De].Draft() {
		t.Error("other words are still called checked")
	}
	if got, _ := s.Table().Label(HZS, "3109", i18n.De, noon); got.Text != "Containerbrand" || !got.Draft {
		t.Errorf("%+v", got)
	}
	must(s.Restore(t.Context(), "petra", "fire.bin", "", 2, 3))
	if now().Version != 4 || now().Label[i18n.De].Text != "Brand – Müllbehälter" || now().Label[i18n.De].CheckedBy != "vera" || now().Label[i18n.Cs].Text != "Požár kontejneru" {
		t.Errorf("%+v", now())
	}
	must(s.Restore(t.Context(), "petra", "fire.bin", "", 0, 4))
	all, names, err := s.History(t.Context(), "fire.bin", "")
	must(err)
	if len(all) != 6 || all[0].Action != "restore" || all[0].Name != "Petra Správcová" || all[5].Version != 0 || names["vera"] != "Věra Vedoucí" {
		t.Fatalf("%+v %v", all, names)
	}
	if c := all[2].Changes; len(c) != 1 || c[0].Field != "de" || c[0].Before != "Brand – Müllbehälter" || c[0].After != "Containerbrand" {
		t.Errorf("%+v", c)
	}
	var leaves int
	must(db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf`).Scan(&leaves)
	}))
	if leaves != 5 {
		t.Errorf("%d entries for the audit log", leaves)
	}
}

// Two who edit at once: the second one gets what the first wrote, and nothing is written.
func TestConflict(t *testing.T) {
	s, _ := newService(t)
	was := *s.Table().get("fire.bin", "")
	faults, err := s.Save(t.Context(), "jan", reworded(was, i18n.Cs, "První"), 0)
	ok(t, faults, err)
	_, err = s.Save(t.Context(), "petra", reworded(was, i18n.Cs, "Druhý"), 0)
	c, is := errors.AsType[*Conflict](err)
	if !is || c.Row.Label[i18n.Cs].Text != "První" || c.Row.Version != 1 {
		t.Fatalf("%v", err)
	}
	if err := s.Check(t.Context(), "vera", "fire.bin", "", i18n.Cs, was.Label[i18n.Cs].Text); err == nil {
		t.Error("words are checked that are there no more")
	}
	if err := s.Restore(t.Context(), "petra", "fire.bin", "", 0, 0); err == nil {
		t.Error("restored over a version he did not see")
	}
	if r := s.Table().get("fire.bin", ""); r.Version != 1 {
		t.Errorf("%+v", r)
	}
}

// A row that says something else from a day on; two rows never count on the same day.
func TestPeriods(t *testing.T) {
	s, _ := newService(t)
	old := *s.Table().get("fire.vehicle", "")
	next := old
	next.Since, next.Code = "2027-01-01", map[System][]Code{HZS: {{Code: "3100/3118"}}}
	faults, err := s.Save(t.Context(), "jan", next, NoVersion)
	if err != nil || len(faults) != 1 || faults[0].Key != "classification.fault.overlap" {
		t.Fatal(faults, err)
	}
	if s.Table().get("fire.vehicle", "2027-01-01") != nil {
		t.Fatal("written with a fault")
	}
	old.Until = "2027-01-01"
	faults, err = s.Save(t.Context(), "jan", old, 0)
	ok(t, faults, err)
	faults, err = s.Save(t.Context(), "jan", next, NoVersion)
	ok(t, faults, err)
	if err := s.Restore(t.Context(), "jan", "fire.vehicle", "", 0, 1); err == nil {
		t.Error("restored over the days of another row")
	}
	for day, code := range map[string]string{"2026-12-31": "3100/3108", "2027-01-02": "3100/3118"} {
		at, _ := time.Parse(time.DateOnly, day)
		if got := s.Table().Map(EMSI, "FIR/CLB", HZS, at); len(got.Codes) != 1 || got.Codes[0] != code {
			// The second period has no EMSI code: then it is the family's.
			if day == "2026-12-31" || got.Key != "fire" {
				t.Errorf("%s: %+v", day, got)
			}
		}
	}
	later, err := New(t.Context(), s.o)
	if err != nil || later.Table().Stamp() != s.Table().Stamp() {
		t.Error("another instance reads something else", err)
	}
}

// An import says what it would change, does it as a whole, and not to rows that changed
// meanwhile. It calls nothing checked.
func TestImport(t *testing.T) {
	s, _ := newService(t)
	var out bytes.Buffer
	if err := s.Table().Write(&out); err != nil {
		t.Fatal(err)
	}
	file := bytes.Replace(out.Bytes(), []byte("Požár – lesní porost"), []byte("Lesní požár"), 1)
	file = bytes.Replace(file, []byte("draft,draft,draft,draft"), []byte("checked 2026-01-01,checked 2026-01-01,draft,draft"), 1)
	file = append(file, "fire.boat,,,Požár lodi,Brand – Boot,Pożar – łódź,Boat fire,,,,FIR/CLB,,>Fire,,,,,,\r\n"...)
	plan, faults := s.Table().Plan(file)
	if len(faults) > 0 || len(plan.Rows) != 2 || plan.Changes[0] != (Change{"fire.forest", "", "cs", "Požár – lesní porost", "Lesní požár"}) || plan.Changes[1].Field != "" {
		t.Fatalf("%+v %+v", plan.Changes, faults)
	}
	if err := s.Check(t.Context(), "vera", "fire.forest", "", i18n.Pl, "Pożar – las"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Import(t.Context(), "jan", file, plan.Stamp); !errors.Is(err, ErrStale) {
		t.Fatal(err)
	}
	_, faults, err := s.Import(t.Context(), "jan", file, s.Table().Stamp())
	ok(t, faults, err)
	forest, boat := s.Table().get("fire.forest", ""), s.Table().get("fire.boat", "")
	if forest.Label[i18n.Cs].Text != "Lesní požár" || forest.Label[i18n.Pl].CheckedBy != "vera" || !boat.Label[i18n.Cs].Draft() || !s.Table().get("civil", "").Label[i18n.Cs].Draft() {
		t.Errorf("%+v %+v", forest, boat)
	}
	_, faults, err = s.Import(t.Context(), "jan", []byte("key,cs,de,pl,en\nfire.boat,a,b,c,d\nfire.bin,,b,c,d\n"), "")
	if err != nil || len(faults) != 1 || s.Table().get("fire.boat", "").Label[i18n.Cs].Text != "Požár lodi" {
		t.Errorf("half a file counts: %v %v", faults, err)
	}
}

// browser is somebody at the pages.
type browser struct {
	t    *testing.T
	base string
	who  string
}

func site(t *testing.T, s *Service) func(who string) browser {
	texts, err := i18n.Load(web.Locales, ui.Locales, Locales())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.Load(map[string][]byte{"classification/policy.cedar": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.DiscardHandler), Clock: s.o.Clock, Policy: rules, Nav: Nav(),
		Authenticate: func(r *http.Request) (*web.Person, error) { return people[r.Header.Get("X-Who")], nil }})
	pages := NewPages(s)
	pages.Operator = func(context.Context) (access.Resource, error) { return web.Organisation("o"), nil }
	pages.Register(rt)
	srv := httptest.NewServer(rt)
	t.Cleanup(srv.Close)
	t.Cleanup(func() {
		if n := texts.Missing(); n > 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return func(who string) browser { return browser{t, srv.URL, who} }
}

func (b browser) do(method, path, kind, body string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("X-Who", b.who)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, string(page)
}

func (b browser) get(path string) (int, string) { return b.do(http.MethodGet, path, "", "") }
func (b browser) post(path string, f url.Values) (int, string) {
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", f.Encode())
}

func (b browser) upload(file string) (int, string) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "types.csv")
	if err != nil {
		b.t.Fatal(err)
	}
	io.WriteString(part, file)
	w.Close()
	return b.do(http.MethodPost, root+"/import", w.FormDataContentType(), body.String())
}

// The list, its search and its paper in four languages; who may only read sees no buttons
// and can press none.
func TestPages(t *testing.T) {
	s, _ := newService(t)
	as := site(t, s)
	for who, want := range map[string]string{"jan": "Požár – lesní porost</a>", "vera": "Brand – Wald</a>", "dana": "Pożar – las</a>"} {
		status, page := as(who).get(root)
		if status != http.StatusOK || !strings.Contains(page, want) || strings.Count(page, "<tr>") != len(Shipped())+1 {
			t.Errorf("%s: %d, %d rows", who, status, strings.Count(page, "<tr>"))
		}
		if strings.Contains(page, root+"/new") != (who == "jan") {
			t.Errorf("%s and the new row", who)
		}
	}
	for path, rows := range map[string]int{root + "?q=forest": 1, root + "?q=3100/3108": 1, root + "?q=wald+lesn%C3%AD": 1, root + "?status=checked": 0, root + "?q=nonsense": 0, root + "/print?q=forest": 1, root + "?sort=label&system=de-sn": -1, root + "?sort=changed": -1} {
		status, page := as("dana").get(path)
		if got := max(0, strings.Count(page, "<tr>")-1); status != http.StatusOK || rows >= 0 && got != rows || rows < 0 && got < 15 {
			t.Errorf("%s: %d, %d rows", path, status, got)
		}
	}
	if status, file := as("dana").get(root + ".csv"); status != http.StatusOK || !strings.HasPrefix(file, byteOrderMark+"key,") {
		t.Errorf("%d %.80q", status, file)
	}
	for _, path := range []string{root + "/new", root + "/import", root + "/rows/fire/edit"} {
		if status, _ := as("dana").get(path); status != http.StatusForbidden {
			t.Errorf("a dispatcher gets %s: %d", path, status)
		}
	}
	for path, who := range map[string]string{"/rows": "vera", "/rows/fire/restore": "vera", "/rows/fire/check": "dana", "/neighbours/1.2.3/ask": "vera", "/import": "dana"} {
		if status, _ := as(who).post(root+path, url.Values{"lang": {"cs"}, "words": {"Požár"}}); status != http.StatusForbidden {
			t.Errorf("%s may %s: %d", who, path, status)
		}
	}
	// The rows are those of all rooms of the node: another organisation's technician reads them.
	if status, page := as("guest").get(root + "/rows/fire"); status != http.StatusOK || strings.Contains(page, "/edit\"") || strings.Contains(page, "/restore\"") || strings.Contains(page, "/check\"") {
		t.Errorf("another organisation's technician is offered more: %d", status)
	}
	for _, path := range []string{"/rows", "/rows/fire/restore", "/rows/fire/check", "/import"} {
		if status, _ := as("guest").post(root+path, url.Values{"key": {"fire"}}); status != http.StatusForbidden && status != http.StatusNotFound {
			t.Errorf("another organisation's technician may %s: %d", path, status)
		}
	}
	if status, _ := as("jan").get(root + "/rows/nothing"); status != http.StatusNotFound {
		t.Errorf("no row: %d", status)
	}
	if status, page := as("vera").get(root + "/rows/fire.forest"); status != http.StatusOK || !strings.Contains(page, "aus dem Gedächtnis") || !strings.Contains(page, "Code belegt") {
		t.Errorf("%d\n%.2000s", status, page)
	}
}

// A row is edited, checked and put back; what two write at once is shown to the second.
func TestEditing(t *testing.T) {
	s, _ := newService(t)
	as := site(t, s)
	fields := func() url.Values {
		f := url.Values{"base": {"0"}}
		for i, c := range s.Table().get("fire.bin", "").cells() {
			f[columns[i]] = []string{c}
		}
		f["verified"] = strings.Fields(f.Get("verified"))
		return f
	}
	f := fields()
	f.Set("cs", "Požár kontejneru")
	if status, page := as("jan").post(root+"/rows", f); status != http.StatusSeeOther {
		t.Fatalf("%d %.3000s", status, page)
	}
	f.Set("cs", "Hoří popelnice")
	status, page := as("petra").post(root+"/rows", f)
	if status != http.StatusConflict || !strings.Contains(page, "Požár kontejneru") || !strings.Contains(page, "Hoří popelnice") || !strings.Contains(page, `name="base" value="1"`) {
		t.Fatalf("%d %.3000s", status, page)
	}
	f.Set("base", "1")
	if status, _ = as("petra").post(root+"/rows", f); status != http.StatusSeeOther {
		t.Fatal(status)
	}
	f.Set("base", "2")
	f.Set("emsi", "FIR/XXX")
	f.Set("pl", "")
	if status, page = as("jan").post(root+"/rows", f); status != http.StatusUnprocessableEntity || !strings.Contains(page, "FIR/XXX") || !strings.Contains(page, `href="#pl"`) {
		t.Errorf("%d %.3000s", status, page)
	}
	if status, _ = as("vera").post(root+"/rows/fire.bin/check", url.Values{"lang": {"cs"}, "words": {"Hoří popelnice"}}); status != http.StatusSeeOther {
		t.Error(status)
	}
	if status, page = as("vera").post(root+"/rows/fire.bin/check", url.Values{"lang": {"cs"}, "words": {"Požár kontejneru"}}); status != http.StatusConflict || !strings.Contains(page, "inzwischen geändert") {
		t.Errorf("%d", status)
	}
	if _, page = as("vera").get(root + "/rows/fire.bin"); !strings.Contains(page, "geprüft: Věra Vedoucí") {
		t.Error("who checked it is not shown")
	}
	if status, _ = as("jan").post(root+"/rows/fire.bin/restore", url.Values{"version": {"0"}, "base": {"3"}}); status != http.StatusSeeOther || s.Table().get("fire.bin", "").Label[i18n.Cs].Text != "Požár – popelnice, kontejner" {
		t.Error(status)
	}
	f = url.Values{"base": {"-1"}, "key": {"fire.boat"}, "cs": {"Požár lodi"}, "de": {"Brand – Boot"}, "pl": {"Pożar – łódź"}, "en": {"Boat fire"}, "since": {"2027-01-01"}}
	if status, _ = as("jan").post(root+"/rows", f); status != http.StatusSeeOther {
		t.Error(status)
	}
	if status, page = as("dana").get(root + "/rows/fire.boat?since=2027-01-01"); status != http.StatusOK || !strings.Contains(page, "Pożar – łódź") {
		t.Error(status)
	}
}

// A file is looked at before it counts; its faults have line and column in the reader's
// language.
func TestUpload(t *testing.T) {
	s, _ := newService(t)
	as := site(t, s)
	status, page := as("jan").upload("key;cs;de;pl;en\nfire.bin;Požár kontejneru;Brand – Müllbehälter;Pożar – śmietnik/kontener;Bin or container fire\n")
	if status != http.StatusOK || !strings.Contains(page, "Požár kontejneru") || s.Table().get("fire.bin", "").Version != 0 {
		t.Fatalf("%d %.3000s", status, page)
	}
	if !strings.Contains(page, `name="stamp" value="`+s.Table().Stamp()) {
		t.Error("it cannot be applied")
	}
	text := "key,cs,de,pl,en\nfire.bin,Požár kontejneru,Brand – Müllbehälter,Pożar – śmietnik/kontener,Bin or container fire\n"
	if status, _ = as("jan").post(root+"/import", url.Values{"text": {text}, "stamp": {s.Table().Stamp()}}); status != http.StatusSeeOther || s.Table().get("fire.bin", "").Label[i18n.Cs].Text != "Požár kontejneru" {
		t.Error(status)
	}
	if status, _ = as("jan").post(root+"/import", url.Values{"text": {strings.Replace(text, "kontejneru", "popelnice", 1)}, "stamp": {"old"}}); status != http.StatusConflict {
		t.Error(status)
	}
	if status, page = as("jan").upload("key,cs,de,pl,en\nfire.bin,,b,c,d\n"); status != http.StatusUnprocessableEntity || !strings.Contains(page, "patří do všech čtyř jazyků") || !strings.Contains(page, ">10</td>") {
		t.Errorf("%d %.3000s", status, page)
	}
	if status, _ = as("petra").upload(""); status != http.StatusUnprocessableEntity {
		t.Errorf("an empty file: %d", status)
	}
}

// Of a neighbour's catalogues the newest counts, and only some are kept: he may answer a
// question as often as he likes.
func TestCataloguesKept(t *testing.T) {
	_, db := newService(t)
	const oid = "1.2.3.276.1"
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		for n := range int64(3 * mostVersions) {
			for _, of := range []string{oid, "1.2.3.616.1"} {
				if err := putCatalogue(tx, of, 2*n+1, Catalogue{Version: fmt.Sprint("v", n), At: noon, Keywords: []Keyword{{Code: fmt.Sprint("K", n)}}}); err != nil {
					return err
				}
			}
		}
		return putCatalogue(tx, oid, 1000, Catalogue{Version: "v12", At: noon, Keywords: []Keyword{{Code: "back again"}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Read(t.Context(), func(tx *store.Tx) error {
		var n int
		if err := tx.Row(`SELECT COUNT(*) FROM classification_catalogue`).Scan(&n); err != nil {
			return err
		}
		if n != 2*mostVersions {
			t.Errorf("%d catalogues are kept, want %d of each", n, mostVersions)
		}
		all, err := catalogues(tx)
		if err == nil && (len(all) != 2 || all[oid].Version != "v12" || all[oid].Keywords[0].Code != "back again" || all["1.2.3.616.1"].Version != "v14") {
			t.Errorf("%+v", all)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
