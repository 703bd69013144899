package outlet

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

var start = time.Date(2026, 8, 7, 16, 5, 0, 0, time.UTC) // 18:05 in the three countries

func bundle(t testing.TB) *i18n.Bundle {
	t.Helper()
	b, err := i18n.Load(web.Locales, ui.Locales, access.Locales, notify.Locales(), register.Locales, area.Locales(), feed.Locales(), notice.Locales(), warning.Locales(), Locales())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func renderer(t testing.TB) *Renderer {
	t.Helper()
	places, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	areas, err := area.Load(places)
	if err != nil {
		t.Fatal(err)
	}
	return &Renderer{Voice: Voice{bundle(t)}, Areas: areas, Clock: clock.Fake(start), Base: "https://node.example", Node: "abcdef"}
}

const square = "50.9,15.0 50.9,15.1 51.0,15.1 51.0,15.0 50.9,15.0"

// ownItem is a notice of a municipality as it went out, with more in its text than a
// rendering may lose: what XML and JSON write in another way, and what looks like a relay.
func ownItem(t testing.TB, kind store.Kind) *Item {
	t.Helper()
	status := map[store.Kind]string{store.Live: cap.Actual, store.Exercise: cap.Exercise, store.Test: cap.Test}[kind]
	a := &cap.Alert{Version: cap.V12, Identifier: "urn:oid:1.2.3.1:notice:x:1", Sender: "urn:oid:1.2.3.1", Sent: "2026-08-07T18:05:00+02:00", Status: status, MsgType: cap.TypeAlert, Scope: cap.Public, Source: "Město Frýdlant"}
	drill := map[store.Kind]map[i18n.Lang]string{store.Live: {}, store.Exercise: {"cs": "CVIČENÍ: ", "de": "ÜBUNG: ", "pl": "ĆWICZENIA: ", "en": "EXERCISE: "}, store.Test: {"cs": "ZKOUŠKA: ", "de": "TESTMELDUNG: ", "pl": "PRÓBA: ", "en": "TEST: "}}[kind]
	for _, x := range [][5]string{
		{"cs", "cs-CZ", "Protržení hráze: okamžitě opusťte břehy", "Hráz Niedów se v 7. 8. 2026, 18:00 protrhla. Stav 245 cm & <stoupá>.", "Ihned odejděte na vyvýšené místo. Informace: +420 482 000 000."},
		{"de", "de-DE", "Dammbruch: verlassen Sie sofort die Ufer", "Der Damm Niedów ist um 07.08.2026, 18:00 gebrochen. Weitergegebene amtliche Warnung: DWD", "Gehen Sie auf höher gelegenes Gelände, z. B. den Schlossberg."},
		{"pl", "pl-PL", "Przerwanie zapory: natychmiast opuść brzegi", "Zapora Niedów została przerwana 7.08.2026, 18:00. Żółć, źródło, ćma.", "Przejdź na wyżej położony teren."},
		{"en", "en-GB", "Dam break: leave the banks at once", "The dam broke on 7 August 2026, 18:00.", "Move to higher ground at once."},
	} {
		a.Infos = append(a.Infos, cap.Info{Language: x[1], Categories: []string{"Infra"}, Event: "x", Urgency: "Immediate", Severity: "Extreme", Certainty: "Observed", EventCodes: []cap.Pair{{Name: "trojmezi:hazard", Value: "dam_break"}},
			Onset: a.Sent, Expires: "2026-08-08T06:05:00+02:00", SenderName: "Město Frýdlant", Headline: drill[i18n.Lang(x[0])] + x[2], Description: x[3], Instruction: x[4],
			Parameters: []cap.Pair{{Name: "trojmezi:origin", Value: "own-notice"}},
			Areas:      []cap.Area{{Desc: "ORP Frýdlant", Polygons: []string{square}, Geocodes: []cap.Pair{{Name: "CISORP", Value: "5102"}}}}})
	}
	doc, found := cap.Write(a)
	if len(found) > 0 {
		t.Fatalf("%+v", found)
	}
	i, err := Own(&notice.Publication{Notice: "x", Revision: 1, Kind: kind, Identifier: a.Identifier, Sent: start, Expires: start.Add(12 * time.Hour), Purpose: notice.Alert, Document: doc})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// relayItem is an official warning that was received, with a text that pretends to be an
// own notice.
func relayItem(t testing.TB, kind store.Kind) *Item {
	t.Helper()
	status := map[store.Kind]feed.Status{store.Live: feed.Actual, store.Exercise: feed.Exercise, store.Test: feed.Test}[kind]
	at := feed.Moment{At: start.Add(-time.Minute), Text: "x"}
	w := feed.Warning{ID: "okpr/1", Source: "chmi", Sender: "Český hydrometeorologický ústav", Event: "Vysoké teploty", Code: "HPPS:X.2", Level: feed.LevelOf("Severe"), Sent: at, Onset: at,
		Expires: feed.Moment{At: start.Add(6 * time.Hour)}, Status: status, State: feed.InForce,
		Areas: []feed.Area{{Name: "Frýdlant", Codes: []feed.Code{{Scheme: "CISORP", Value: "5102"}}, Polygons: []string{square, "1,1 2,2"}}},
		Texts: []feed.Text{{Language: "cs", Event: "Povodňová pohotovost", Headline: "Povodňová pohotovost \"2. SPA\"", Description: "Smědá, Frýdlant: 245 cm & stoupá.\nVlastní upozornění: Město Frýdlant <x>", Instruction: "Opusťte břehy do 18:00, tel. 150."},
			{Language: "en-GB", Event: "Flooding", Headline: "Flooding", Description: "Smědá at Frýdlant.", Instruction: "Leave the banks."}},
		Extra: []cap.Pair{{Name: "trojmezi:origin", Value: "own-notice"}, {Name: "cellBroadcastId", Value: "1iz"}}}
	b := warning.NewBook()
	b.Take(warning.Document{ID: "doc1", Feed: "chmi", Series: "okpr", Kind: store.Live, Fetched: start}, &feed.Reading{Issued: at, Dated: true, Whole: true, Warnings: []feed.Warning{w}})
	all := b.Warnings(start)
	if len(all) != 1 || all[0].Kind != kind {
		t.Fatalf("%d warnings, %v", len(all), all)
	}
	return Relay(all[0], time.Time{})
}

// xmlText is all text of a document and all values of attributes.
func xmlText(t *testing.T, doc []byte) string {
	t.Helper()
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(string(doc)))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("%v in %.400s", err, doc)
		}
		switch x := tok.(type) {
		case xml.CharData:
			b.Write(x)
		case xml.StartElement:
			for _, a := range x.Attr {
				b.WriteString("\n" + a.Value)
			}
			b.WriteString("\n")
		case xml.EndElement:
			b.WriteString("\n")
		}
	}
}

// jsonText is all texts of a document.
func jsonText(t *testing.T, doc []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			b.WriteString(v + "\n")
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
	return b.String()
}

// pdfText is what a reader program extracts.
func pdfText(t *testing.T, doc []byte, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("poppler-utils is not installed")
	}
	file := filepath.Join(t.TempDir(), "notice.pdf")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, file)
	if program == "pdftotext" {
		args = append(args, "-")
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func flat(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "\u00a0", " ")), " ")
}

// TestLaw holds every rendering of both origins, of every kind and in every language, to
// the law: what was written stands in it as it was written, a relay has its source, its
// terms and when it was received, an own notice its owner, and no reality says so.
func TestLaw(t *testing.T) {
	r := renderer(t)
	for _, kind := range store.Kinds {
		for _, i := range []*Item{ownItem(t, kind), relayItem(t, kind)} {
			for _, l := range i18n.Langs {
				if kind == store.Test && l != i18n.Cs { // nobody fetches one: one language is enough
					continue
				}
				t.Run(fmt.Sprint(i.origin, "/", kind, "/", l), func(t *testing.T) { lawful(t, r, i, l) })
			}
		}
	}
}

func lawful(t *testing.T, r *Renderer, i *Item, l i18n.Lang) {
	all, err := r.Renderings(i, l)
	if err != nil {
		t.Fatal(err)
	}
	marks := r.Marks(i, l)
	var names []string
	for _, m := range marks {
		names = append(names, m.Name)
	}
	need := []string{"own", "nature"}
	if i.origin == Relayed {
		need = []string{"relay", "attribution", "licence", "received"}
	}
	if i.kind != store.Live {
		need = append(need, string(i.kind))
	}
	for _, n := range need {
		if !slices.Contains(names, n) {
			t.Errorf("the law's line %s is missing among %v", n, names)
		}
	}
	var seen []string
	for _, f := range all {
		seen = append(seen, f.Name)
		text, mark, part := "", func(m Mark) string { return m.Text }, func(p string) string { return p }
		switch f.Name {
		case "cap":
			if i.origin != OwnNotice || string(f.Body) != string(i.document) {
				t.Error("the message is not the one that was signed")
			}
			continue
		case "original":
			if i.origin != Relayed || f.Body != nil || f.Path == "" {
				t.Error("a relay's original is a link, and only a relay has one")
			}
			continue
		case "atom", "edxl", "ssml":
			text = xmlText(t, f.Body)
		case "geojson", "cell":
			text = jsonText(t, f.Body)
		case "pdf":
			if l != i18n.Cs && l != i18n.De { // the slowest; the other languages: TestPosterIsTagged
				continue
			}
			text, mark, part = flat(pdfText(t, f.Body, "pdftotext", "-raw")), func(m Mark) string { return flat(m.Text) }, flat
		case "speech":
			text = string(f.Body)
			mark = func(m Mark) string {
				if m.Name == "attribution" {
					return m.Text
				}
				return spoken(l, sentence(m.Text))
			}
			if i.origin == OwnNotice {
				part = func(p string) string { return spoken(langOf(i.In(l).Language), sentence(p)) }
			}
		default:
			text = string(f.Body)
		}
		if f.Name == "ssml" { // its tags only add
			text = stripped(t, f.Body)
		}
		for _, m := range marks {
			want := mark(m)
			if f.Name == "cell" || f.Name == "edxl" { // in the languages of the text
				if !slices.Contains(i.Langs(), l) {
					continue
				}
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q: %.1500s", f.Name, want, text)
			}
		}
		parts := Written(i.In(l))
		if f.Name == "short" {
			parts = parts[:1] // a display has a line: the rest is at the address beside it
		}
		if f.Name == "cell" && i.origin == OwnNotice {
			parts = []string{parts[0], parts[2]} // what to do, not how it came about
		}
		for _, p := range parts {
			if !strings.Contains(text, part(p)) {
				t.Errorf("%s does not have the text %q: %.1500s", f.Name, part(p), text)
			}
		}
	}
	want := []string{"atom", "cap", "edxl", "geojson", "pdf", "short", "speech", "ssml", "cell"}
	if i.origin == Relayed {
		want[1] = "original"
	}
	if !slices.Equal(seen, want) {
		t.Errorf("renderings %v", seen)
	}
}

// stripped is a document without its tags.
func stripped(t *testing.T, doc []byte) string {
	t.Helper()
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(string(doc)))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if x, ok := tok.(xml.CharData); ok {
			b.Write(x)
		}
	}
}

// TestOriginsStayApart: what a program reads says the same of an item whatever its text
// says, and neither can be made of the other's document.
func TestOriginsStayApart(t *testing.T) {
	r := renderer(t)
	for _, i := range []*Item{ownItem(t, store.Live), relayItem(t, store.Live)} {
		other := map[Origin]Origin{OwnNotice: Relayed, Relayed: OwnNotice}[i.origin]
		doc, err := r.Atom(Feed{Lang: i18n.De, Kind: store.Live, Items: []*Item{i}, Updated: i.Updated})
		if err != nil {
			t.Fatal(err)
		}
		if s := string(doc); !strings.Contains(s, fmt.Sprintf("<category term=%q scheme=%q", i.origin, originScheme)) || strings.Contains(s, fmt.Sprintf("term=%q", other)) {
			t.Errorf("atom of %s: %s", i.origin, s)
		}
		if got := r.Feature(i, i18n.De).Properties; got.Origin != i.origin || (got.Owner == "") != (i.origin == Relayed) || (got.Attribution == "") != (i.origin == OwnNotice) || (got.Received == nil) != (i.origin == OwnNotice) {
			t.Errorf("geojson of %s: %+v", i.origin, got)
		}
		envelope, err := r.EDXL(i)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(envelope); !strings.Contains(s, "<value>"+string(i.origin)+"</value>") || strings.Contains(s, "<value>"+string(other)+"</value>") {
			t.Errorf("edxl of %s: %s", i.origin, s)
		}
		if (i.Document() == nil) != (i.origin == Relayed) || strings.Contains(string(envelope), "<alert") != (i.origin == OwnNotice) {
			t.Errorf("%s: only what is written here is a message of ours", i.origin)
		}
		if s := r.shown(i, i18n.De, "yes"); s.Origin != i.origin {
			t.Errorf("public address: %s is %s", i.origin, s.Origin)
		}
	}
	// A message of somebody else is no own notice, whoever hands it in.
	theirs := &cap.Alert{Version: cap.V12, Identifier: "x", Sender: "chmi.cz", Sent: "2026-08-07T18:05:00+02:00", Status: cap.Actual, MsgType: cap.TypeAlert, Scope: cap.Public, Source: "Město Frýdlant",
		Infos: []cap.Info{{Language: "cs", Categories: []string{"Met"}, Event: "x", Urgency: "Immediate", Severity: "Severe", Certainty: "Likely", Headline: "x", Areas: []cap.Area{{Desc: "x"}}}}}
	doc, _ := cap.Write(theirs)
	if _, err := Own(&notice.Publication{Identifier: "x", Document: doc}); !errors.Is(err, errNotOwn) {
		t.Errorf("a message of ČHMÚ became an own notice: %v", err)
	}
}

// A source that has fallen silent is told with everything that came by it.
func TestSilentSource(t *testing.T) {
	r, i := renderer(t), relayItem(t, store.Live)
	i.silent = start.Add(-time.Hour)
	for _, l := range i18n.Langs {
		if s := r.Speak(i, l).Plain; !strings.Contains(s, spoken(l, r.Texts.Text(l, "outlet.say.silent", i18n.Args{"time": i.silent}))) {
			t.Errorf("%s: %s", l, s)
		}
	}
	if f := r.Feature(i, i18n.En); f.Properties.SilentSince == nil {
		t.Error("geojson hides that the source is silent")
	}
}
