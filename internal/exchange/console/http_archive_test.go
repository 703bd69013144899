package console

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// TestPaper: the protocol of an incident and the form for the telephone, for who
// may read the incident and nobody else.
func TestPaper(t *testing.T) {
	a, b := newRooms(t)
	s, sa := b.screens(), a.screens()
	id := a.handOver(accident(room2))
	h := b.state(id, Ringing)
	b.ok(b.Open(t.Context(), b.who("max"), id))
	b.ok(b.Accept(t.Context(), b.who("max"), h.ID, Confirm{Place: "Zittau", Injured: wounded(2)}, "once"))
	b.state(id, Accepted)

	protocol := s.as("max").pdfText(incidentURL(id) + "/protocol.pdf")
	for _, want := range []string{"Einsatzprotokoll", "Hrádek nad Nisou", "Osobní auto a nákladní auto", "Karel Novák", "Max Krüger", "Zittau", "Únik nafty", "gedruckt von"} {
		if !strings.Contains(protocol, want) {
			t.Errorf("the protocol does not say %q:\n%s", want, protocol)
		}
	}
	form := sa.as("jana").pdfText(incidentURL(a.queue()[0].ID) + "/form.pdf?to=" + room2)
	for _, want := range []string{"Předání události telefonem / Übergabe eines Einsatzes am Telefon", "Místo / Ort", "Hrádek nad Nisou", "50.85280, 14.84460", "Zraněno / Verletzte"} {
		if !strings.Contains(form, want) {
			t.Errorf("the form does not say %q:\n%s", want, form)
		}
	}
	empty := sa.as("jana").pdfText("/console/form.pdf?to=" + room2)
	if strings.Contains(empty, "Novák,") || strings.Contains(empty, "Hrádek") || !strings.Contains(empty, "Volající / Anrufer") {
		t.Errorf("the empty form:\n%s", empty)
	}
	// What the sheet's code leads to.
	q := url.Values{"to": {room2}, "place": {"Hrádek nad Nisou"}, "type": {"Požár & kouř"}, "point": {"50.85280, 14.84460"}, "injured": {"3"}, "danger": {"1"}}
	page := sa.as("jana").page("/console/handover?" + q.Encode())
	for _, want := range []string{`value="Hrádek nad Nisou"`, "Požár &amp; kouř", `value="50.85280"`, `value="14.84460"`, `value="3"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the form entered again lacks %s", want)
		}
	}
	for who, want := range map[string]int{"": http.StatusSeeOther, "tom": http.StatusForbidden, "admin": http.StatusForbidden, "audit": http.StatusOK} {
		if status, _ := s.as(who).get(incidentURL(id) + "/protocol.pdf"); status != want {
			t.Errorf("%q: %d, want %d", who, status, want)
		}
	}
	if status, _ := sa.as("jana").get("/console/form.pdf?to=1.2.3"); status != http.StatusNotFound {
		t.Errorf("a form for nobody: %d", status)
	}
}

// TestPaperWithMuchToSay: a long description is on the sheet and not in its code, and
// nothing makes the sheet fail.
func TestPaperWithMuchToSay(t *testing.T) {
	a, _ := newRooms(t)
	jana := a.screens().as("jana")
	d := accident(room2)
	d.Issue, d.Place, d.Type = strings.Repeat("Žluťoučký kůň úpěl ďábelské ódy. ", 90)+"KONEC", strings.Repeat("Řež ", 300), strings.Repeat("Müllbrand ", 40)
	id := a.handOver(d)
	form := jana.pdfText(incidentURL(id) + "/form.pdf?to=" + room2)
	for _, want := range []string{"KONEC", "Popis kód neobsahuje"} {
		if !strings.Contains(form, want) {
			t.Errorf("the form does not say %q", want)
		}
	}
	f := a.incident(id).Facts
	u, err := url.Parse(reentry("https://node.example", room2, f))
	a.ok(err)
	if q := u.Query(); q.Has("issue") || q.Get("to") != room2 || q.Get("injured") != "3" || q.Get("type") != strings.TrimSpace(d.Type) && q.Get("type") != d.Type || q.Has("place") || len(u.String()) > reentryMost {
		t.Errorf("the code leads to %s", u)
	}
	// An address that makes no code that can be read leaves the sheet without one.
	far := strings.Repeat("a", 2*reentryMost)
	if doc, err := jana.s.pages.sheetFor(t, room2, a.incident(id), "https://"+far); err != nil || len(doc) == 0 {
		t.Errorf("a long address: %v", err)
	}
}

// sheetFor draws the form of an incident for a node at base.
func (p *Pages) sheetFor(t *testing.T, to string, i *Incident, base string) ([]byte, error) {
	room, err := p.Room(t.Context(), "liberec", to)
	if err != nil {
		return nil, err
	}
	d, err := paper{texts: p.Texts, lang: i18n.Cs, now: p.Clock.Now()}.form(room, i, base)
	if err != nil {
		return nil, err
	}
	return d.Bytes()
}

// pdfText is the text of a document in one line. Without poppler it is empty of
// meaning, so that the test is skipped.
func (v *visitor) pdfText(path string) string {
	t := v.s.t
	t.Helper()
	status, body := v.get(path)
	if status != http.StatusOK || !strings.HasPrefix(body, "%PDF-") {
		t.Fatalf("GET %s: %d %.300s", path, status, body)
	}
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("poppler-utils is not installed")
	}
	file := filepath.Join(t.TempDir(), "x.pdf")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command("pdftotext", "-layout", file, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

func TestArchivePages(t *testing.T) {
	a, b := newRooms(t)
	s := b.screens()
	max := s.as("max")
	s.has(max.page("/console/archive"), i18n.De, "console.p.archive.none", nil)
	id := a.handOver(accident(room2))
	h := b.state(id, Ringing)
	b.ok(b.Open(t.Context(), b.who("max"), id))
	b.ok(b.Accept(t.Context(), b.who("max"), h.ID, Confirm{Place: "Hrádek nad Nisou", Injured: wounded(3)}, "1"))
	b.ok(b.Complete(t.Context(), b.who("max"), h.ID, "fertig", "2"))
	b.until("the incident in the archive", func() bool { b.sync(); return len(b.queue()) == 0 })

	for _, q := range []string{"place=hradek", "place=HR%C3%81DEK", "number=600000000", "type=dopravni", "neighbour=" + room1, "from=2020-01-01"} {
		if page := max.page("/console/archive?" + q); !strings.Contains(page, incidentURL(id)) {
			t.Errorf("%s finds nothing", q)
		}
	}
	for _, q := range []string{"place=zittau", "number=123456", "kind=exercise", "to=2020-01-01"} {
		page := max.page("/console/archive?" + q)
		if strings.Contains(page, incidentURL(id)) {
			t.Errorf("%s finds it", q)
		}
		s.has(page, i18n.De, "console.p.archive.nothing", nil)
	}
	for q, key := range map[string]string{"from=yesterday": "console.p.archive.day", "place=x": "console.d.refuse.search_word", "number=1": "console.d.refuse.search_number"} {
		status, page := max.get("/console/archive?" + q)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", q, status)
		}
		s.has(page, i18n.De, key, nil)
	}
	if _, file := max.get("/console/archive.csv?place=hradek"); !strings.Contains(file, "Osobní auto a nákladní auto") || strings.Count(file, "\r\n") != 2 {
		t.Errorf("the file:\n%s", file)
	}
	for q, want := range map[string]int{"from=yesterday": http.StatusBadRequest, "place=x": http.StatusBadRequest, "place=zittau": http.StatusOK} {
		if status, file := max.get("/console/archive.csv?" + q); status != want || want == http.StatusOK && strings.Count(file, "\r\n") != 1 {
			t.Errorf("the file of %s: %d %.200s", q, status, file)
		}
	}
	if page := max.page("/console/statistics"); !strings.Contains(page, "<svg") || !strings.Contains(page, "Liberec") {
		t.Error("no statistics")
	}
	if status, _ := max.get("/console/statistics?from=2020"); status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong month: %d", status)
	}
	if _, file := max.get("/console/statistics.csv"); strings.Count(file, "\r\n") < 2 {
		t.Errorf("the file:\n%s", file)
	}
	for who, want := range map[string]int{"": http.StatusSeeOther, "tom": http.StatusForbidden, "admin": http.StatusForbidden, "audit": http.StatusOK} {
		if status, _ := s.as(who).get("/console/archive"); status != want {
			t.Errorf("%q: %d, want %d", who, status, want)
		}
	}
}

// TestArchiveFile: however long, a file of the archive is read page by page, recorded
// once, and says when it does not hold everything.
func TestArchiveFile(t *testing.T) {
	a, _ := newRooms(t)
	a.stopNode() // what is sent stays here
	s := a.screens()
	const all = MaxHits + 3
	a.full(all)
	if err := a.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE console_incident SET closed = 1`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	petr := s.as("petr")
	watch := a.Watch(a.org.ID)
	defer watch.Close()
	events := func() int64 { return a.count(`SELECT COUNT(*) FROM audit_leaf WHERE action LIKE 'console.%'`) }
	before := events()
	status, file := petr.get("/console/archive.csv")
	if status != http.StatusOK || strings.Count(file, "\r\n") != all+1 {
		t.Fatalf("%d, %d rows", status, strings.Count(file, "\r\n"))
	}
	for i := range all {
		if n := strings.Count(file, fmt.Sprintf("číslo %d, ", i)); n != 1 {
			t.Fatalf("incident %d stands there %d times", i, n)
		}
	}
	if n := events() - before; n != 1 || a.count(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'console.export'`) != 1 {
		t.Errorf("recorded %d times", n)
	}
	for _, most := range []int{MaxHits + 1, 2} {
		s.pages.exported = most
		_, file = petr.get("/console/archive.csv")
		rows := strings.Split(strings.TrimSuffix(file, "\r\n"), "\r\n")
		if last := s.texts.Text(i18n.Pl, "console.p.archive.cut", i18n.Args{"n": most}); len(rows) != most+2 || !strings.Contains(rows[most+1], last) {
			t.Errorf("at most %d: %d rows, the last %q", most, len(rows), rows[len(rows)-1])
		}
	}
	s.pages.exported = all
	if _, file = petr.get("/console/archive.csv"); strings.Count(file, "\r\n") != all+1 {
		t.Error("a file that holds everything says that it does not")
	}
}

func TestRetentionPage(t *testing.T) {
	_, b := newRooms(t)
	s := b.screens()
	admin := s.as("admin")
	page := admin.page("/console/retention")
	if !strings.Contains(page, `name="live"`) {
		t.Fatal("no form")
	}
	days := url.Values{"live": {"30"}, "exercise": {"7"}, "test": {"1"}, "shift": {"90"}, "draft": {"7"}}
	admin.goes("/console/retention", days, "/console/retention")
	list, err := b.Retentions(t.Context())
	b.ok(err)
	for _, r := range list {
		if got := itoa(int64(r.Days)); got != days.Get(string(r.Record)) {
			t.Errorf("%s: %s days, want %s", r.Record, got, days.Get(string(r.Record)))
		}
	}
	days.Set("live", "0")
	status, page := admin.post("/console/retention", days)
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `value="0"`) {
		t.Errorf("0 days: %d", status)
	}
	if page := s.as("audit").page("/console/retention"); strings.Contains(page, "<form method=\"post\" action=\"/console/retention\"") {
		t.Error("the auditor has a form")
	}
	if status, _ := s.as("audit").post("/console/retention", days); status != http.StatusForbidden {
		t.Errorf("the auditor sets it: %d", status)
	}
}

func TestNeighbourPages(t *testing.T) {
	a, _ := newRooms(t)
	s := a.screens()
	jana := s.as("jana")
	if page := jana.page("/console/neighbours"); !strings.Contains(page, roomURL(room2)) {
		t.Fatal("the neighbour is not there")
	}
	form := url.Values{"phones": {"+49 3571 476 0\n+49 3571 476 1"}, "lang": {"de", "cs"}, "after": {"60"}, "after_else": {"180"}}
	jana.goes(roomURL(room2), form, roomURL(room2))
	r, err := a.Room(t.Context(), a.org.ID, room2)
	a.ok(err)
	if r.Phone != "+49 3571 476 0" || len(r.NextPhone) != 1 || len(r.Langs) != 2 || !r.PhoneAt.IsZero() {
		t.Errorf("%+v", r)
	}
	jana.goes(roomURL(room2)+"/call", url.Values{"number": {r.Phone}, "outcome": {"reached"}, "once": {"x"}}, roomURL(room2))
	if r, err = a.Room(t.Context(), a.org.ID, room2); err != nil || r.PhoneOld || len(r.Calls) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	form.Set("phones", "112 is not a desk")
	status, page := jana.post(roomURL(room2), form)
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "112 is not a desk") {
		t.Errorf("a wrong number: %d", status)
	}
	form.Set("phones", "+49 3571 476 0")
	form.Set("after", "1")
	if status, _ := jana.post(roomURL(room2), form); status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong time: %d", status)
	}
	if _, file := jana.get("/console/neighbours.csv"); !strings.Contains(file, room2) {
		t.Errorf("the file:\n%s", file)
	}
	if status, _ := jana.get(roomURL("1.2.3")); status != http.StatusNotFound {
		t.Errorf("nobody: %d", status)
	}
}
