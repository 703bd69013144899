package outlet

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// parsed is a feed as a reader of it has it.
type parsed struct {
	Lang    string     `xml:"lang,attr"`
	IDs     []string   `xml:"id"`
	Titles  []string   `xml:"title"`
	Updated []string   `xml:"updated"`
	Authors []string   `xml:"author>name"`
	Sub     string     `xml:"subtitle"`
	Links   []atomLink `xml:"link"`
	Sources []struct {
		Name  string `xml:"name,attr"`
		State string `xml:"state,attr"`
	} `xml:"urn:trojmezi:outlet:1 source"`
	Entries []struct {
		IDs        []string       `xml:"id"`
		Titles     []string       `xml:"title"`
		Updated    []string       `xml:"updated"`
		Authors    []string       `xml:"author>name"`
		Categories []atomCategory `xml:"category"`
		Links      []atomLink     `xml:"link"`
		Contents   []string       `xml:"content"`
		Summaries  []string       `xml:"summary"`
	} `xml:"entry"`
}

// atomFaults are the rules of RFC 4287 that a grammar does not hold, and the most
// important of those that it does.
func atomFaults(t *testing.T, doc []byte) (faults []string) {
	t.Helper()
	var f parsed
	if err := xml.Unmarshal(doc, &f); err != nil {
		t.Fatal(err)
	}
	bad := func(clause, what string) { faults = append(faults, clause+": "+what) }
	once := func(clause, what string, of []string) {
		if len(of) != 1 || of[0] == "" {
			bad(clause, what+" is there "+strings.Join(of, "|"))
		}
	}
	iri := func(clause, s string) {
		if scheme, rest, ok := strings.Cut(s, ":"); !ok || scheme == "" || rest == "" || strings.ContainsFunc(s, unicode.IsSpace) {
			bad(clause, "no IRI: "+s)
		}
	}
	date := func(clause, s string) (at time.Time) {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			bad(clause, s)
		}
		return at
	}
	once("§4.1.1", "feed id", f.IDs)
	once("§4.1.1", "feed title", f.Titles)
	once("§4.1.1", "feed updated", f.Updated)
	self := 0
	for _, l := range f.Links {
		if l.Rel == "self" {
			self++
			iri("§4.2.7.1", l.Href)
		}
	}
	if self != 1 {
		bad("§4.1.1", "a feed should link to itself")
	}
	seen := map[string]bool{}
	updated := date("§3.3", f.Updated[0])
	for _, e := range f.Entries {
		once("§4.1.2", "entry id", e.IDs)
		once("§4.1.2", "entry title", e.Titles)
		once("§4.1.2", "entry updated", e.Updated)
		iri("§4.2.6", e.IDs[0])
		if seen[e.IDs[0]] {
			bad("§4.1.1", "two entries with one id "+e.IDs[0])
		}
		seen[e.IDs[0]] = true
		if len(f.Authors) == 0 && len(e.Authors) == 0 {
			bad("§4.1.2", "nobody is the author")
		}
		if len(e.Contents) > 1 || len(e.Summaries) > 1 {
			bad("§4.1.2", "more than one content or summary")
		}
		kinds := map[string]bool{}
		for _, l := range e.Links {
			iri("§4.2.7.1", l.Href)
			if l.Rel == "alternate" && kinds[l.Type+" "+l.Hreflang] {
				bad("§4.1.2", "two alternates of the same type and language")
			}
			kinds[l.Type+" "+l.Hreflang] = kinds[l.Type+" "+l.Hreflang] || l.Rel == "alternate"
		}
		if len(e.Contents) == 0 && !slices.ContainsFunc(e.Links, func(l atomLink) bool { return l.Rel == "alternate" }) {
			bad("§4.1.2", "neither content nor alternate")
		}
		if date("§3.3", e.Updated[0]).After(updated) {
			bad("§4.2.15", "the feed is older than its entry "+e.IDs[0])
		}
	}
	return faults
}

func lint(t *testing.T, doc []byte, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint is not installed")
	}
	file := filepath.Join(t.TempDir(), "doc.xml")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("xmllint", append(append([]string{"--noout", "--nonet"}, args...), file)...).CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", out, doc)
	}
}

func TestAtom(t *testing.T) {
	r := renderer(t)
	f := Feed{Lang: i18n.De, Kind: store.Live, Path: "/cap/feed.atom", Items: []*Item{ownItem(t, store.Live), relayItem(t, store.Live)}, Updated: start,
		Sources: []SourceState{{Name: "chmi", Title: "ČHMÚ", State: "current"}, {Name: "dwd", Title: "DWD", State: "stale", Since: start.Add(-time.Hour)}, {Name: "rso", Title: "RSO", State: "no_data"}}}
	doc, err := r.Atom(f)
	if err != nil {
		t.Fatal(err)
	}
	if faults := atomFaults(t, doc); len(faults) > 0 {
		t.Errorf("%v\n%s", faults, doc)
	}
	var p parsed
	if err := xml.Unmarshal(doc, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Entries) != 3 || p.Entries[0].Categories[0].Term != "no-data" || !strings.Contains(p.Sub, "DWD: schweigt seit") || !strings.Contains(p.Sub, "RSO: keine Daten") || strings.Contains(p.Sub, "ČHMÚ") || len(p.Sources) != 3 {
		t.Errorf("what is not known is not said: %s", doc)
	}
	if l := p.Entries[2].Links[0]; l.Href != "https://node.example/outlet/live/w-"+strings.TrimPrefix(p.Entries[2].IDs[0], "urn:trojmezi:relay:")+"/original" {
		t.Errorf("the original of the relay: %+v", l)
	}
	again, _ := r.Atom(f)
	if !bytes.Equal(doc, again) {
		t.Error("the same feed twice is not the same")
	}
	lint(t, doc, "--relaxng", "testdata/atom.rng")
	// The rules can be broken.
	for _, x := range [][2]string{{"<updated>2026-08-07T16:05:00Z</updated>", ""}, {"<id>urn:trojmezi:relay:", "<id>a b:"}, {`rel="self"`, `rel="related"`}, {"2026-08-07T16:05:00Z</updated>\n  <published>", "2027-08-07T16:05:00Z</updated>\n  <published>"}} {
		broken := bytes.Replace(doc, []byte(x[0]), []byte(x[1]), 1)
		if bytes.Equal(broken, doc) || !fails(t, broken) {
			t.Errorf("%q is not noticed", x[0])
		}
	}
}

func fails(t *testing.T, doc []byte) (failed bool) {
	defer func() { failed = recover() != nil || failed }()
	return len(atomFaults(t, doc)) > 0
}

func TestEDXL(t *testing.T) {
	r := renderer(t)
	for _, i := range []*Item{ownItem(t, store.Exercise), relayItem(t, store.Live)} {
		doc, err := r.EDXL(i)
		if err != nil {
			t.Fatal(err)
		}
		d, fault := tree.Parse(doc, cap.Limits)
		if fault != nil {
			t.Fatalf("%+v\n%s", fault, doc)
		}
		e, found := edxl.Read(d)
		for _, d := range found {
			t.Errorf("%+v", d)
		}
		if want := map[Origin]edxl.Status{OwnNotice: edxl.Exercise, Relayed: edxl.Actual}[i.origin]; e.Status != want || len(e.Areas) != 1 || len(e.Areas[0].Polygons) != 1 {
			t.Errorf("%s: %s, areas %+v", i.origin, e.Status, e.Areas)
		}
		if i.origin == OwnNotice {
			message := bytes.TrimSpace(i.document[bytes.Index(i.document, []byte("<alert")):])
			if bytes.Count(doc, message) != 1 {
				t.Errorf("the message does not lie in it byte for byte: %s", doc)
			}
			inside, _, fault := cap.Read(message)
			if fault != nil || inside.Identifier != i.URN {
				t.Errorf("%+v %+v", inside, fault)
			}
		} else if o := e.Contents[0].Other; o == nil || o.URI != r.address(i) {
			t.Errorf("the original is not linked: %+v", e.Contents)
		}
		if dir := os.Getenv("TROJMEZI_SAMPLES"); dir != "" {
			lint(t, doc, "--schema", filepath.Join(dir, "alerts/cap-validity/edxlde-1_0.xsd"))
		}
	}
	if os.Getenv("TROJMEZI_SAMPLES") == "" {
		t.Skip("the published schema was not asked: TROJMEZI_SAMPLES is not set")
	}
}

func TestGeometry(t *testing.T) {
	r := renderer(t)
	i := relayItem(t, store.Live) // one square and one shape that is none
	f := r.Feature(i, i18n.Cs)
	if f.Geometry == nil || len(f.Geometry.Coordinates) != 1 || f.Properties.ShapesLeftOut != 1 {
		t.Fatalf("%+v", f)
	}
	i.Areas = []feed.Area{{Polygons: []string{square}, Holes: []string{"50.94,15.04 50.96,15.04 50.96,15.06 50.94,15.04", "52,15 52,16 53,16 52,15"}, Circles: []string{"50.5,14.5 2"}}}
	f = r.Feature(i, i18n.Cs)
	if len(f.Geometry.Coordinates) != 2 || len(f.Geometry.Coordinates[0]) != 2 {
		t.Fatalf("a shape with the hole in it and a circle: %v", f.Geometry.Coordinates)
	}
	for _, polygon := range f.Geometry.Coordinates {
		for k, ring := range polygon {
			area := 0.0
			for n := range len(ring) - 1 {
				area += ring[n][0]*ring[n+1][1] - ring[n+1][0]*ring[n][1]
			}
			if len(ring) < 4 || ring[0] != ring[len(ring)-1] || area > 0 != (k == 0) {
				t.Errorf("ring %d is not as RFC 7946 wants it: %v", k, ring)
			}
		}
	}
	i.Areas = []feed.Area{{Codes: []feed.Code{{Scheme: "CISORP", Value: "5102"}}}}
	raw, err := json.Marshal(r.Feature(i, i18n.Cs))
	if err != nil || !strings.Contains(string(raw), `"geometry":null`) {
		t.Errorf("%s %v", raw, err)
	}
}

func TestPosterIsTagged(t *testing.T) {
	r, i := renderer(t), ownItem(t, store.Exercise)
	doc, err := r.Poster(i)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("TROJMEZI_SHOTS"); dir != "" {
		os.WriteFile(filepath.Join(dir, "poster.pdf"), doc, 0o644)
	}
	info := pdfText(t, doc, "pdfinfo")
	for _, want := range []string{"Tagged:          yes", "CVIČENÍ: Protržení hráze", "Pages:           4"} {
		if !strings.Contains(info, want) {
			t.Errorf("%q is not in %s", want, info)
		}
	}
	text := pdfText(t, doc, "pdfinfo", "-struct-text")
	from := 0
	for _, want := range []string{"Figure", "H2 (block)", `"CVIČENÍ. Žádné skutečné nebezpečí."`, "H3 (block)", `"Vlastní upozornění: Město Frýdlant"`, "H1 (block)", "Protržení hráze: okamžitě", "P (block)", "Co dělat", "Ihned odejděte",
		"Dammbruch", "Was zu tun ist", "Przerwanie zapory: natychmiast", "Żółć, źródło, ćma.", "Dam break"} {
		n := strings.Index(text[from:], want)
		if n < 0 {
			t.Fatalf("%q does not follow in the structure: %s", want, text)
		}
		from += n
	}
	plain := flat(pdfText(t, doc, "pdftotext", "-raw"))
	for _, want := range []string{"Hráz Niedów se v 7. 8. 2026, 18:00 protrhla.", "höher gelegenes Gelände", "Żółć, źródło, ćma.", "ĆWICZENIA"} {
		if !strings.Contains(plain, want) {
			t.Errorf("%q is not in %s", want, plain)
		}
	}
	if one, err := r.Poster(i, i18n.Pl); err != nil || strings.Contains(pdfText(t, one, "pdftotext"), "Dammbruch") {
		t.Errorf("one language alone: %v", err)
	}
}

func TestSymbols(t *testing.T) {
	texts := bundle(t)
	for name := range Symbols {
		if texts.Text(i18n.Cs, "outlet.symbol."+name, nil) == "" || texts.Missing() > 0 {
			t.Errorf("%s has no text for those who do not see it", name)
		}
		lint(t, []byte(SVG(name)))
		if dir := os.Getenv("TROJMEZI_SHOTS"); dir != "" {
			os.WriteFile(filepath.Join(dir, name+".svg"), []byte(SVG(name)), 0o644)
		}
	}
	for hazard, symbol := range hazards {
		if Symbols[symbol] == nil {
			t.Errorf("%s has no symbol %s", hazard, symbol)
		}
	}
}

func TestCell(t *testing.T) {
	for _, x := range []struct {
		text  string
		gsm   bool
		units int
		pages int
		fits  bool
	}{
		{strings.Repeat("a", 93), true, 93, 1, true},
		{strings.Repeat("a", 94), true, 94, 2, true},
		{strings.Repeat("a", 92) + "€", true, 94, 2, true}, // two units are not cut in two
		{strings.Repeat("a", 93*15), true, 1395, 15, true},
		{strings.Repeat("a", 93*15+1), true, 1396, 16, false},
		{strings.Repeat("ž", 40), false, 40, 1, true},
		{strings.Repeat("ž", 41), false, 41, 2, true},
		{strings.Repeat("ž", 39) + "🚒", false, 41, 2, true},
		{strings.Repeat("ž", 600), false, 600, 15, true},
		{strings.Repeat("ž", 601), false, 601, 16, false},
		{"Größe", true, 5, 1, true},
	} {
		c := measureCell(i18n.De, x.text)
		if c.GSM != x.gsm || c.Units != x.units || c.Pages != x.pages || c.Fits != x.fits || c.Text != x.text {
			t.Errorf("%.20s… (%d bytes): %+v", x.text, len(x.text), c)
		}
	}
	r := renderer(t)
	h := r.Handover(ownItem(t, store.Exercise))
	if len(h.Texts) != 4 || !strings.HasPrefix(h.Texts[0].Text, "CVIČENÍ") || len(h.Bare) == 0 || !h.Bare[0].GSM || h.Bare[0].Pages >= h.Texts[0].Pages || len(h.Polygons) != 1 || len(h.Authorities) != 1 || h.Authorities[0].Country != "CZ" ||
		h.Document != "https://node.example/cap/exercise/message/x.1" {
		t.Errorf("%+v", h)
	}
	if h = r.Handover(relayItem(t, store.Live)); len(h.Bare) != 0 || len(h.Polygons) != 1 {
		t.Errorf("an official text in other letters, or a shape that is none: %+v", h)
	}
}
