package phrase

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
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
	built "trojmezi/web"
)

var people = map[string]*web.Person{
	"leader": {ID: "leader", Name: "Věra Vedoucí", Organisation: "o", Roles: []string{"shift_leader"}},
	"admin":  {ID: "admin", Name: "Adam Administrátor", Organisation: "o", Roles: []string{"administrator"}},
	"desk":   {ID: "desk", Name: "Dana Dispečerka", Organisation: "o", Roles: []string{"dispatcher"}},
}

// shelfTest is a book with its pages.
type shelfTest struct {
	*Service
	t     *testing.T
	rt    *web.Router
	db    *store.DB
	clk   *clock.Clock
	texts *i18n.Bundle
}

func newShelf(t *testing.T) *shelfTest {
	t.Helper()
	s := &shelfTest{t: t, clk: clock.Fake(noon)}
	s.db = storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "phrase": Migrations()})
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	s.must(err)
	s.texts, err = i18n.Load(web.Locales, ui.Locales, access.Locales, Locales())
	s.must(err)
	policy, err := access.Load(map[string][]byte{"phrase/policy.cedar": Policy()})
	s.must(err)
	log := slog.New(slog.DiscardHandler)
	s.Service, err = New(Options{DB: s.db, Audit: audit.New(s.db, key, s.clk, log), Clock: s.clk, Texts: s.texts, Name: func(_ *store.Tx, id string) string {
		if p := people[id]; p != nil {
			return p.Name
		}
		return ""
	}})
	s.must(err)
	s.rt = web.NewRouter(web.Config{Bundle: s.texts, Log: log, Clock: s.clk, Policy: policy, Nav: Nav(), Built: built.Built(),
		Authenticate: func(r *http.Request) (*web.Person, error) { return people[r.Header.Get("X-Person")], nil }})
	NewPages(s.Service).Register(s.rt)
	t.Cleanup(func() {
		if n := s.texts.Missing(); n != 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return s
}

func (s *shelfTest) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelfTest) send(person, lang string, r *http.Request) (int, string, string) {
	s.t.Helper()
	r.Header.Set("X-Person", person)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Language", lang)
	w := httptest.NewRecorder()
	s.rt.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Location"), w.Body.String()
}

func (s *shelfTest) get(person, path string, holds ...string) string {
	s.t.Helper()
	status, _, body := s.send(person, "en", httptest.NewRequest("GET", path, nil))
	s.holds(path, status, http.StatusOK, body, holds)
	return body
}

func (s *shelfTest) post(person, path string, want int, fields url.Values, holds ...string) {
	s.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, _, body := s.send(person, "en", r)
	s.holds(path, status, want, body, holds)
}

func (s *shelfTest) holds(path string, status, want int, body string, holds []string) {
	s.t.Helper()
	if status != want {
		s.t.Fatalf("%s is %d, want %d: %.400s", path, status, want, body)
	}
	for _, h := range holds {
		if !strings.Contains(body, h) {
			s.t.Errorf("%s lacks %q", path, h)
		}
	}
}

// upload sends a file as a browser does.
func (s *shelfTest) upload(file []byte, want int, holds ...string) {
	s.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, err := m.CreateFormFile("file", "phrasebook.csv")
	s.must(err)
	part.Write(file)
	m.Close()
	r := httptest.NewRequest("POST", "/phrasebook/import", &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	status, _, answer := s.send("admin", "en", r)
	s.holds("import", status, want, answer, holds)
}

func (s *shelfTest) book() *Book {
	s.t.Helper()
	b, err := s.Now(s.t.Context())
	s.must(err)
	return b
}

func (s *shelfTest) count(query string) (n int64) {
	s.t.Helper()
	s.must(s.db.Read(s.t.Context(), func(tx *store.Tx) error { return tx.Row(query).Scan(&n) }))
	return n
}

// words are the fields of the form of P112, as whoever opens it now sends them.
func (s *shelfTest) words(cs string) url.Values {
	return url.Values{"base": {strconv.Itoa(len(s.book().History("P112")))}, "group": {"talk"}, "slots": {""}, "cs": {cs}, "de": {"Verstanden."}, "pl": {"Zrozumiano."}, "en": {"Understood."}}
}

// Who changes a sentence makes a version; messages of before stay readable, checks
// belong to their words, and going back to old words finds both again.
func TestVersions(t *testing.T) {
	s := newShelf(t)
	before := s.book()
	said, _ := before.Say(before.Find("P112", noon), nil, noon)
	sent := said.Text(i18n.De, i18n.Cs)

	s.post("leader", "/phrasebook/P112/check", http.StatusSeeOther, url.Values{"version": {"2026-1"}, "lang": {"cs"}, "right": {"yes"}})
	s.get("desk", "/phrasebook/P112", "Checked by Věra Vedoucí", "30\u00a0November\u00a02026", "shipped with the program", "Rozumíme.")
	s.post("leader", "/phrasebook/P112", http.StatusSeeOther, s.words("Rozumím."))
	changed := s.book().Find("P112", noon)
	if changed.Version == "2026-1" || !strings.HasPrefix(changed.Version, "x") || changed.By != "leader" || len(changed.Checked) != 0 {
		t.Errorf("the new version: %+v", changed)
	}
	s.get("desk", "/phrasebook/P112", "Rozumím.", "Rozumíme.", changed.Version, "2026-1", "Věra Vedoucí")
	if got, ok := s.book().Read(sent); !ok || got.In(i18n.Pl) != "Zrozumiano." || got.Phrase.Version != "2026-1" {
		t.Error("a message of before is not read any more")
	}
	if _, ok := before.Read("Verstanden.\nRozumím.\n[phrase " + changed.Version + " P112 de,cs]"); ok {
		t.Error("a version that this book does not have is read")
	}
	s.post("leader", "/phrasebook/P112", http.StatusSeeOther, s.words("Rozumím.")) // nothing new
	if n := s.count(`SELECT COUNT(*) FROM phrase_row`); n != 1 {
		t.Errorf("%d rows", n)
	}
	s.post("admin", "/phrasebook/P112", http.StatusSeeOther, s.words("Rozumíme."))
	if back := s.book().Find("P112", noon); back.Version != "2026-1" || back.Checked[i18n.Cs].By != "leader" {
		t.Errorf("old words: %+v", back)
	}
	s.post("leader", "/phrasebook/P112/check", http.StatusSeeOther, url.Values{"version": {"2026-1"}, "lang": {"cs"}, "right": {"no"}})
	if back := s.book().Find("P112", noon); len(back.Checked) != 0 {
		t.Errorf("a check that was taken back: %+v", back.Checked)
	}
	s.get("desk", "/phrasebook/P112", "Checks of the wording", "check taken back")

	// From a day on.
	later := s.words("Rozumíme vám.")
	later.Set("from", "2026-12-01T08:00")
	s.post("leader", "/phrasebook/P112", http.StatusSeeOther, later)
	if now := s.book().Find("P112", noon).Texts[i18n.Cs][""]; now != "Rozumíme." {
		t.Errorf("now: %q", now)
	}
	if then := s.book().Find("P112", time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)).Texts[i18n.Cs][""]; then != "Rozumíme vám." {
		t.Errorf("then: %q", then)
	}
	later.Set("from", "2020-01-01T08:00")
	later.Set("base", strconv.Itoa(len(s.book().History("P112"))))
	s.post("leader", "/phrasebook/P112", http.StatusUnprocessableEntity, later, "in the future")

	s.get("leader", "/phrasebook/P113/retire", "Yes.")
	s.post("leader", "/phrasebook/P113/retire", http.StatusSeeOther, nil)
	if s.book().Find("P113", noon) != nil {
		t.Error("a retired sentence is in use")
	}
	if got, ok := s.book().Read("Ja.\n[phrase 2026-1 P113 de]"); !ok || got.In(i18n.Cs) != "Ano." {
		t.Error("what was said with a retired sentence is not readable")
	}
	s.get("desk", "/phrasebook/P113", "not in use")
	if n := s.count(`SELECT COUNT(*) FROM audit_leaf WHERE action LIKE 'phrase.%'`); n != 6 {
		t.Errorf("%d audit leaves", n)
	}
}

// Two who write at once see each other; what the second wrote is kept, and may replace
// what the first wrote once he has seen it. A new sentence replaces no other one.
func TestTwoWriters(t *testing.T) {
	s := newShelf(t)
	first, second := s.words("Jasné."), s.words("Platí.")
	s.post("leader", "/phrasebook/P112", http.StatusSeeOther, first)
	s.post("admin", "/phrasebook/P112", http.StatusUnprocessableEntity, second, "in the meantime", "Jasné.", "Platí.", `name="base" value="2"`)
	if now := s.book().Find("P112", noon).Texts[i18n.Cs][""]; now != "Jasné." {
		t.Errorf("now: %q", now)
	}
	second.Set("base", "2")
	s.post("admin", "/phrasebook/P112", http.StatusSeeOther, second)
	if now := s.book().Find("P112", noon).Texts[i18n.Cs][""]; now != "Platí." {
		t.Errorf("now: %q", now)
	}
	own := url.Values{"id": {"L1"}, "group": {"own"}, "slots": {""}, "cs": {"Čeká."}, "de": {"Wartet."}, "pl": {"Czeka."}, "en": {"Waits."}}
	s.post("leader", "/phrasebook", http.StatusSeeOther, own)
	own.Set("cs", "Nečeká.")
	s.post("admin", "/phrasebook", http.StatusUnprocessableEntity, own, "Another sentence has the id “L1” already.")
}

// Everybody reads; shift leaders and administrators write.
func TestPages(t *testing.T) {
	s := newShelf(t)
	page := s.get("desk", "/phrasebook", "[number] people injured.", "P10", "Hazardous substances", "Draft")
	if strings.Contains(page, "/phrasebook/new") {
		t.Error("a dispatcher is offered to write")
	}
	if page = s.get("desk", "/phrasebook?q=verletzte", "P10"); strings.Contains(page, ">P112<") {
		t.Error("the filter lets everything through")
	}
	s.get("desk", "/phrasebook?q=nothing-at-all", "No sentence matches the filter")
	s.get("desk", "/phrasebook?state=checked", "No sentence matches the filter")
	s.get("desk", "/phrasebook/print?left=pl&right=de", `<td lang="pl">[liczba] osób rannych.`, `<td lang="de">[Zahl] verletzte Personen.`, "data-print")
	for _, path := range []string{"/phrasebook/new", "/phrasebook/P10/edit", "/phrasebook/import"} {
		if status, _, _ := s.send("desk", "en", httptest.NewRequest("GET", path, nil)); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	s.get("leader", "/phrasebook/P10/edit", "one: {n} osoba ranna. | few: {n} osoby ranne. | many: {n} osób rannych.", "n:number")
	own := url.Values{"id": {"L1"}, "group": {"own"}, "slots": {"who:unit"}, "cs": {"{who} čeká."}, "de": {"{who} wartet."}, "pl": {"{who} czeka."}, "en": {"Waits."}}
	s.post("leader", "/phrasebook", http.StatusUnprocessableEntity, own, "who", "has to stand in every language", "{who} wartet.")
	own.Set("en", "{who} waits.")
	s.post("leader", "/phrasebook", http.StatusSeeOther, own)
	said, faults := s.book().Say(s.book().Find("L1", noon), map[string]string{"who": "CAS 20"}, noon)
	if said == nil || said.In(i18n.Pl) != "CAS 20 czeka." {
		t.Errorf("an own sentence: %+v", faults)
	}
	own.Set("id", "P900")
	s.post("leader", "/phrasebook", http.StatusUnprocessableEntity, own, "Ids with P")
	if status, _, _ := s.send("desk", "en", httptest.NewRequest("GET", "/phrasebook/P999", nil)); status != http.StatusNotFound {
		t.Errorf("an unknown sentence: %d", status)
	}
	for _, l := range []string{"cs", "de", "pl", "en"} {
		for _, path := range []string{"/phrasebook", "/phrasebook/P10", "/phrasebook/print", "/phrasebook/new", "/phrasebook/import"} {
			if status, _, body := s.send("leader", l, httptest.NewRequest("GET", path, nil)); status != http.StatusOK || strings.Contains(body, "⟦") {
				t.Errorf("%s in %s: %d", path, l, status)
			}
		}
	}
}

// What is downloaded can be changed and taken in again; a file with faults changes
// nothing and says where they are.
func TestImport(t *testing.T) {
	s := newShelf(t)
	file := s.get("desk", "/phrasebook.csv", "P10,2026-1,injured,n:number", "draft")
	s.upload([]byte(file), http.StatusOK, "0 sentences changed")
	changed := strings.Replace(strings.Replace(file, "Rozumíme.", "Rozumím vám.", 1), "Verstanden.", "Alles klar.", 1)
	s.upload([]byte(changed), http.StatusOK, "1 sentence changed")
	if got := s.book().Find("P112", noon).Texts[i18n.De][""]; got != "Alles klar." {
		t.Errorf("%q", got)
	}
	s.upload([]byte(strings.Replace(file, "{n} zraněná osoba.", "zraněná osoba.", 1)), http.StatusUnprocessableEntity, "Nothing was imported: 1 fault", "Line 9, cs:")
	s.upload([]byte("\x00\x01\x02"), http.StatusUnprocessableEntity, "Line 1")
	s.upload(nil, http.StatusUnprocessableEntity, "Choose a CSV file")
	s.upload(bytes.Repeat([]byte("a"), maxFile+1), http.StatusUnprocessableEntity, "Choose a CSV file")
	if n := s.count(`SELECT COUNT(*) FROM phrase_row`); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// Two instances on one database see what the other one wrote.
func TestTwoInstances(t *testing.T) {
	s := newShelf(t)
	other, err := New(s.o)
	s.must(err)
	if b, err := other.Now(t.Context()); err != nil || b.Find("L7", noon) != nil {
		t.Fatal(err)
	}
	p := &Phrase{ID: "L7", Group: "own", Texts: map[i18n.Lang]Text{}}
	for _, l := range i18n.Langs {
		p.Texts[l] = Text{"": fmt.Sprintf("Nový %s.", l)}
	}
	if n, err := s.Put(t.Context(), "leader", []*Phrase{p}, time.Time{}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if b, err := other.Now(t.Context()); err != nil || b.Find("L7", noon) == nil {
		t.Error("the other instance does not see it", err)
	}
}

// What was rolled back is in nobody's book, also when something else gets its number.
func TestRolledBack(t *testing.T) {
	s := newShelf(t)
	no := errors.New("no")
	own := func(id string) *Phrase {
		p := &Phrase{ID: id, Version: "x1", Group: "own", Texts: map[i18n.Lang]Text{}, From: s.clk.Now()}
		for _, l := range i18n.Langs {
			p.Texts[l] = Text{"": "Nový."}
		}
		return p
	}
	if err := s.db.Write(t.Context(), func(tx *store.Tx) error {
		if err := own("L1").insert(tx, s.clk.Now()); err != nil {
			return err
		}
		if b, err := s.Book(tx); err != nil || b.Find("L1", s.clk.Now()) == nil {
			t.Error("it is not there before the end of its own transaction", err)
		}
		return no
	}); !errors.Is(err, no) {
		t.Fatal(err)
	}
	s.clk.Advance(time.Second)
	s.must(s.db.Write(t.Context(), func(tx *store.Tx) error { return own("L2").insert(tx, s.clk.Now()) }))
	if b := s.book(); b.Find("L1", s.clk.Now()) != nil || b.Find("L2", s.clk.Now()) == nil {
		t.Error("the book has what was rolled back")
	}
}
