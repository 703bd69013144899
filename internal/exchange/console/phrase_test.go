package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// A sentence composed in Czech is read in German, Polish and English at the other
// node; what looks like one and is none stays as it came.
func TestPhraseBetweenNodes(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	cz.state(id, Delivered)
	de.until("it arrives", func() bool { de.sync(); return len(de.queue()) == 1 })

	book, err := cz.Phrases.Now(t.Context())
	cz.ok(err)
	said, faults := book.Say(book.Find("P10", cz.clk.Now()), map[string]string{"n": "5"}, cz.clk.Now())
	if said == nil {
		t.Fatalf("%+v", faults)
	}
	cz.ok(cz.Say(t.Context(), cz.who("jana"), id, said, "p1"))
	cz.ok(cz.Say(t.Context(), cz.who("jana"), id, said, "p1")) // a form sent twice
	forged := "5 verletzte Personen.\n5 zraněných osob.\n[phrase 2026-1 P10 de,cs n=0]"
	cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, forged, "p2"))
	cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, "Přijedete z jihu?", "p3"))
	de.until("the texts arrive", func() bool { de.sync(); return len(de.incident(id).Thread) == 4 })
	thread := de.incident(id).Thread[1:]

	if got, want := thread[0].Lines[0].Text, "5 verletzte Personen.\n5 zraněných osob.\n[phrase 2026-1 P10 de,cs n=5]"; got != want {
		t.Errorf("on the wire: %q", got)
	}
	for l, want := range map[i18n.Lang]string{i18n.De: "5 verletzte Personen.", i18n.Pl: "5 osób rannych.", i18n.En: "5 people injured.", i18n.Cs: "5 zraněných osob."} {
		text, original := thread[0].Lines[0].In(l)
		if text != want || l != i18n.Cs && original != "5 zraněných osob." || l == i18n.Cs && original != "" {
			t.Errorf("%s: %q, original %q", l, text, original)
		}
	}
	if text, _ := thread[1].Lines[0].In(i18n.De); thread[1].Lines[0].Said != nil || text != forged {
		t.Errorf("a forged line is believed: %q", text)
	}
	if thread[2].Lang != i18n.Cs || !thread[2].free() {
		t.Errorf("free text: %s", dump(thread[2]))
	}

	screens := de.screens()
	for _, c := range []struct{ who, text, source string }{
		{"max", "5 verletzte Personen.", "Aus dem Satzbuch · Original Čeština"}, {"ida", "5 people injured.", "From the phrasebook · original Čeština"},
	} {
		_, page := screens.as(c.who).get(incidentURL(id))
		for _, want := range []string{`<p class="message-text">` + c.text, c.source, `<p class="message-original" lang="cs">5 zraněných osob.`,
			"[phrase 2026-1 P10 de,cs n=0]", "Přijedete z jihu?"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not see %q", c.who, want)
			}
		}
		if strings.Contains(page, "n=5]") {
			t.Error("the line for machines is shown with a phrase")
		}
	}
	if _, page := screens.as("max").get(incidentURL(id)); strings.Count(page, "Nicht übersetzt · Čeština") != 3 { // incident, forged one, question
		t.Errorf("%d marks of the language of free text", strings.Count(page, "Nicht übersetzt · Čeština"))
	}
	protocol := screens.as("max").pdfText(incidentURL(id) + "/protocol.pdf")
	for _, want := range []string{"5 verletzte Personen.", "5 zraněných osob.", "Aus dem Satzbuch"} {
		if !strings.Contains(protocol, want) {
			t.Errorf("the protocol lacks %q", want)
		}
	}
	if _, page := screens.as("max").get(incidentURL(id) + "/print"); !strings.Contains(page, "5 verletzte Personen.") {
		t.Error("the print lacks the phrase")
	}
}

// The whole way through the picker without scripts: choose, fill in, look, send.
func TestPhrasePicker(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.until("it arrives", func() bool { de.sync(); return len(de.queue()) == 1 })
	petr := cz.screens().as("petr") // reads Polish in a Czech room
	at := incidentURL(id) + "/phrase"

	_, page := petr.get(incidentURL(id))
	if !strings.Contains(page, `data-key="v"`) || !strings.Contains(page, at) {
		t.Error("no way to the phrasebook")
	}
	status, page := petr.get(at)
	if status != http.StatusOK || strings.Count(page, "<option ") < 80 || !strings.Contains(page, `<optgroup label="Substancje niebezpieczne">`) || !strings.Contains(page, "[liczba] osób rannych.") {
		t.Errorf("choice: %d", status)
	}
	if status, _ = petr.get(at + "?phrase=P999"); status != http.StatusNotFound {
		t.Errorf("an unknown phrase is %d", status)
	}
	_, page = petr.get(at + "?phrase=P50")
	if !strings.Contains(page, `name="slot-un"`) || !strings.Contains(page, `name="slot-kemler"`) {
		t.Error("fields are missing")
	}
	fields := url.Values{"phrase": {"P50"}, "once": {"o1"}, "slot-un": {"UN 12"}, "slot-kemler": {"33"}, "do": {"preview"}}
	status, page = petr.post(at, fields)
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, cz.Texts.Text(i18n.Pl, "phrase.fault.value.un", nil)) || !strings.Contains(page, `value="UN 12"`) {
		t.Errorf("a wrong number: %d", status)
	}
	fields.Set("slot-un", "UN 1203")
	status, page = petr.post(at, fields)
	for _, want := range []string{`<p class="lead" lang="de">Gefahrstoff: UN` + "\u00a0" + `1203, Gefahrnummer 33.`, `lang="cs">Nebezpečná látka`, `lang="pl">Substancja`, "Hoyerswerda (DE)", `id="phrase-send"`} {
		if status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("preview lacks %q", want)
		}
	}
	if status, page = petr.post(at, url.Values{"phrase": {"P50"}, "once": {"o1"}, "slot-un": {"1203"}, "slot-kemler": {"33"}, "do": {"edit"}}); status != http.StatusOK || !strings.Contains(page, `value="1203"`) {
		t.Errorf("edit: %d", status)
	}
	fields.Set("do", "send")
	for range 2 {
		if status, _ = petr.post(at, fields); status != http.StatusSeeOther {
			t.Fatalf("send: %d", status)
		}
	}
	de.until("it is read", func() bool { de.sync(); return len(de.incident(id).Thread) == 2 })
	if text, original := de.incident(id).Thread[1].Lines[0].In(i18n.De); text != "Gefahrstoff: UN\u00a01203, Gefahrnummer 33." || !strings.HasPrefix(original, "Nebezpečná") {
		t.Errorf("%q, %q", text, original)
	}
	// A sentence without placeholders is looked over at once.
	if _, page = petr.get(at + "?phrase=P112"); !strings.Contains(page, "Verstanden.") || !strings.Contains(page, `id="phrase-send"`) {
		t.Error("no preview of a sentence without placeholders")
	}
	if status, _ = petr.post(at, url.Values{"do": {"send"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("nothing chosen: %d", status)
	}
	// It belongs to those who work on the incident.
	if status, _ = de.screens().as("audit").get(incidentURL(id) + "/phrase"); status != http.StatusForbidden {
		t.Errorf("an auditor: %d", status)
	}
}

// A machine translates on demand only, beside the original, and each time is recorded.
func TestMachineTranslation(t *testing.T) {
	asked := []map[string]string{}
	fail := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q map[string]string
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != "/translate" {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		asked = append(asked, q)
		if fail {
			http.Error(w, "<html>down</html>", http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, `{"translatedText":"Kommen Sie von Süden? <b>"}`)
	}))
	defer server.Close()
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, "Přijedete z jihu?", "k"))
	de.until("it arrives", func() bool { de.sync(); return len(de.queue()) == 1 && len(de.incident(id).Thread) == 2 })
	entry := de.incident(id).Thread[1].ID

	max := de.screens().as("max")
	at := translationURL(id, entry)
	if _, page := max.get(incidentURL(id)); strings.Contains(page, at) {
		t.Error("without a server there is a button")
	}
	if status, _ := max.post(at, nil); status != http.StatusNotFound {
		t.Errorf("without a server: %d", status)
	}
	de.Translator = phrase.NewTranslator(phrase.Server{URL: server.URL, Key: "geheim", Timeout: 5 * time.Second, Texts: []string{phrase.TextMessage}})
	if _, page := max.get(incidentURL(id)); !strings.Contains(page, at) || len(asked) != 0 {
		t.Errorf("no button, or asked without being told to: %v", asked)
	}
	status, page := max.post(at, nil)
	for _, want := range []string{"Kommen Sie von Süden? &lt;b&gt;", `<p class="message-original" lang="cs">Přijedete z jihu?`, "Maschinell übersetzt, ungeprüft · Original Čeština"} {
		if status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("%d, no %q", status, want)
		}
	}
	if len(asked) != 1 || asked[0]["source"] != "cs" || asked[0]["target"] != "de" || asked[0]["q"] != "Přijedete z jihu?" || asked[0]["format"] != "text" || asked[0]["api_key"] != "geheim" {
		t.Errorf("asked: %v", asked)
	}
	if n := de.count(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'console.translate'`); n != 1 {
		t.Errorf("%d audit leaves", n)
	}
	if text := de.incident(id).Thread[1].Lines[0].Text; text != "Přijedete z jihu?" {
		t.Errorf("stored: %q", text)
	}
	if status, _ = max.post(translationURL(id, 0), nil); status != http.StatusNotFound || len(asked) != 1 {
		t.Errorf("a text that may not be sent: %d, %v", status, asked)
	}
	fail = true
	status, page = max.post(at, nil)
	if status != http.StatusBadGateway || !strings.Contains(page, "gestört (HTTP\u00a0502)") || !strings.Contains(page, "Přijedete z jihu?") {
		t.Errorf("a broken server: %d", status)
	}
	if status, _ = de.screens().as("audit").post(at, nil); status != http.StatusForbidden {
		t.Errorf("an auditor: %d", status)
	}
}

// What a phrase costs the page of an incident with many of them.
func BenchmarkThreadOfPhrases(b *testing.B) {
	cz, _ := newRooms(b)
	lines := make([]Remark, 200)
	book, err := cz.Phrases.Now(b.Context())
	cz.ok(err)
	for i := range lines {
		said, _ := book.Say(book.Find("P10", cz.clk.Now()), map[string]string{"n": fmt.Sprint(i)}, cz.clk.Now())
		lines[i].Text = said.Text(i18n.De, i18n.Cs)
	}
	for b.Loop() {
		cz.read(func(tx *store.Tx) error { return cz.phrases(tx, lines) })
		for _, l := range lines {
			if text, _ := l.In(i18n.Pl); text == "" {
				b.Fatal("not read")
			}
		}
	}
}

// A phrase about no incident we know stands in the queue in the room's language.
func TestPhraseWithoutIncident(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.until("it arrives", func() bool { de.sync(); return len(de.queue()) == 1 })
	book, err := cz.Phrases.Now(t.Context())
	cz.ok(err)
	said, _ := book.Say(book.Find("P52", cz.clk.Now()), map[string]string{"words": "modrý sud"}, cz.clk.Now())
	text := said.Text(i18n.Cs, i18n.De)
	cz.ok(cz.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := cz.post(tx, cz.org, cz.who("jana"), action{what: didText, incident: id}, "", letter(room1, room2, appText, msgText,
			wireText{SharedID: "0e7c2f55-0000-4000-8000-000000000001", Lines: []wireRemark{{At: "2026-11-30T12:00:00.000Z", Message: text}}}))
		return err
	}))
	// Own words beside a phrase do not pass for one.
	mixed := []wireRemark{{At: "2026-11-30T12:00:00.000Z", Message: text}, {At: "2026-11-30T12:00:00.000Z", Message: "Niemand ist verletzt."}}
	cz.ok(cz.DB.Write(t.Context(), func(tx *store.Tx) error {
		i, err := oneIncident(tx, "test", cz.org.ID, id)
		if err != nil {
			return err
		}
		_, err = cz.post(tx, cz.org, cz.who("jana"), action{what: didText, incident: id}, "", letter(room1, room2, appText, msgText, wireText{SharedID: i.sharedID, Lines: mixed}))
		return err
	}))
	de.until("the text arrives", func() bool { de.sync(); return len(de.queue()) == 2 && len(de.incident(id).Thread) == 2 })
	if e := de.incident(id).Thread[1]; !e.free() || e.Lines[0].Said != nil || e.Lines[0].Text != text {
		t.Errorf("a phrase with own words: %s", dump(e))
	}
	for _, r := range de.queue() {
		if r.ID != id && r.Headline != "Gefahrstoff: „modrý sud“." {
			t.Errorf("headline: %q", r.Headline)
		}
	}
}
