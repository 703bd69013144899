package notice

import (
	stdcmp "cmp"
	"errors"
	flags "flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/test/xmllint"
)

func newVoice(t *testing.T) (Voice, *Atlas, []*Template) {
	t.Helper()
	places, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	areas, err := area.Load(places)
	if err != nil {
		t.Fatal(err)
	}
	all, faults := readCSV(shipped)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return Voice{bundle(), places}, NewAtlas(places, areas), all
}

func byID(all []*Template, id string) *Template {
	return all[slices.IndexFunc(all, func(t *Template) bool { return t.ID == id })]
}

// Values are written the way of each language, with its plural forms.
func TestSay(t *testing.T) {
	v, _, all := newVoice(t)
	c := flood()
	say := func(l i18n.Lang, hours string) string {
		c.Values["hours"] = hours
		return strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(v.Say(byID(all, "N02"), l, i18n.Cs, c.Values)[PartText])
	}
	for _, x := range []struct {
		lang  i18n.Lang
		hours string
		want  string
	}{
		{i18n.Cs, "1", "Ve stanici Frýdlant na řece Smědá byl v 7. 8. 2026, 18:00 naměřen stav 1 245 cm. Voda může dosáhnout místa Frýdlant za 1 hodinu."},
		{i18n.Cs, "3", "za 3 hodiny."}, {i18n.Cs, "5", "za 5 hodin."},
		{i18n.De, "1", "Am Pegel Frýdlant an der Wittig wurden um 07.08.2026, 18:00 1 245 cm gemessen. Das Wasser kann Friedland in Böhmen (Frýdlant) in 1 Stunde erreichen."},
		{i18n.De, "3", "in 3 Stunden erreichen."},
		{i18n.Pl, "1", "za 1 godzinę."}, {i18n.Pl, "3", "za 3 godziny."}, {i18n.Pl, "5", "za 5 godzin."}, {i18n.Pl, "22", "za 22 godziny."},
		{i18n.En, "1", "in 1 hour."}, {i18n.En, "2", "The gauge Frýdlant on the Smědá / Wittig / Witka showed 1 245 cm at 7 August 2026, 18:00. Water may reach Frýdlant in 2 hours."},
	} {
		if got := say(x.lang, x.hours); !strings.HasSuffix(got, x.want) {
			t.Errorf("%s %s: %q", x.lang, x.hours, got)
		}
	}
	for _, x := range []struct {
		kind       Kind
		text, kept string
	}{
		{KindLevel, "245 cm", "245"}, {KindLevel, "-3", ""}, {KindLevel, "2,5", ""}, {KindTime, "2026-08-07T18:05", "2026-08-07T16:05:00Z"}, {KindTime, "18:05", ""},
		{KindPlace, "Friedland (Frýdlant)", ""}, {KindPlace, "Frýdlant", "CZ-564028"}, {KindPlace, "Atlantis", ""}, {KindPhone, "+420 485 000 000", "+420 485 000 000"}, {KindPhone, "485 000 000", ""}, {KindPhone, "112", "112"},
		{KindWords, "a {hole}", ""}, {KindStreet, " Hlavní  12 ", "Hlavní 12"}, {KindStreet, "", ""},
	} {
		kept, fault := v.Value(x.kind, x.text, zone)
		if x.text == "Friedland (Frýdlant)" {
			if kept == "" {
				t.Errorf("%q: %s", x.text, fault)
			}
			continue
		}
		if kept != x.kept || (fault == "") != (x.kept != "") {
			t.Errorf("%s %q: %q %s", x.kind, x.text, kept, fault)
		}
	}
}

// All templates say all their values in all languages, and nothing is left open.
func TestShippedTemplates(t *testing.T) {
	v, atlas, all := newVoice(t)
	hazards := map[string]bool{}
	for _, x := range all {
		hazards[x.Hazard] = true
		c := &Content{Lang: i18n.Pl, Areas: []string{"TERYT-0225"}, Values: map[string]string{}, Expires: start}
		for _, s := range x.Slots {
			c.Values[s.Name] = map[Kind]string{KindTime: "2026-08-07T16:00:00Z", KindPlace: "PL-0225021", KindLevel: "3", KindNumber: "5", KindRiver: "Nysa Łużycka"}[s.Kind]
			if c.Values[s.Name] == "" {
				c.Values[s.Name] = "value of " + s.Name
			}
		}
		for _, l := range i18n.Langs {
			m := v.Write(x, c, l, Source{Name: "Gmina"}, store.Live, Alert, atlas)
			if page := m.Page(); strings.ContainsAny(page, "{}|…") {
				t.Errorf("%s %s: %s", x.ID, l, page)
			}
			for _, s := range x.Slots {
				if s.Kind == KindStreet && !strings.Contains(m.Page(), "value of "+s.Name) {
					t.Errorf("%s %s does not say %s", x.ID, l, s.Name)
				}
			}
			if l != i18n.Pl && slices.ContainsFunc(x.Slots, func(s Slot) bool { return s.Kind == KindWords }) && !strings.Contains(m.Page(), v.Texts.Text(l, "notice.in.pl", nil)+"]") {
				t.Errorf("%s %s passes foreign words off as its own: %s", x.ID, l, m.Page())
			}
		}
	}
	for _, h := range Hazards {
		if !hazards[h] {
			t.Errorf("no template for %s", h)
		}
	}
}

// What is sent is valid by our validator and by libxml2 with the published schema, signed
// and unsigned, whatever was written.
func TestCAPIsValid(t *testing.T) {
	v, atlas, all := newVoice(t)
	if testSigner == nil {
		var err error
		if testSigner, err = newSigner("test", start); err != nil {
			t.Fatal(err)
		}
	}
	var docs [][]byte
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SampledFrom(all).Draw(t, "template")
		words := rapid.StringMatching(`[a-zA-Zěščřžýáíéóąęłńśźżäöüß<>&"' \]\n0-9]{1,80}`)
		c := &Content{Template: x.ID, Version: x.Version, Lang: rapid.SampledFrom(i18n.Langs).Draw(t, "lang"), Values: map[string]string{}, Note: rapid.SampledFrom([]string{"", words.Draw(t, "note")}).Draw(t, "noted"),
			Onset: start, Expires: start.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "hours")) * time.Hour)}
		for _, s := range x.Slots {
			c.Values[s.Name] = map[Kind]string{KindTime: "2026-08-07T16:00:00Z", KindPlace: "CZ-564028", KindLevel: "3", KindNumber: "5"}[s.Kind]
			if c.Values[s.Name] == "" {
				c.Values[s.Name] = words.Draw(t, s.Name)
			}
		}
		var pieces []Ring
		for range rapid.IntRange(1, 4).Draw(t, "areas") {
			u := rapid.SampledFrom(atlas.Units()).Draw(t, "unit")
			c.Areas = append(c.Areas, u.ID)
			pieces = append(pieces, atlas.Outline(u)...)
		}
		c.Rings = Shape(pieces)
		o := Outgoing{Identifier: "urn:oid:1.2.3:notice:x:1", Kind: rapid.SampledFrom(store.Kinds).Draw(t, "kind"), Purpose: rapid.SampledFrom([]Purpose{Alert, Update, Cancel}).Draw(t, "purpose"), Sent: start,
			Source: Source{Name: "Obec <& syn>", Sender: "urn:oid:1.2.3", Web: "https://node.example/cap"}, Content: c, Template: x}
		if o.Purpose != Alert {
			o.Earlier = []cap.Reference{{Sender: "urn:oid:1.2.3", Identifier: "a", Sent: cap.FormatTime(start)}}
		}
		doc, found := cap.Write(v.CAP(o, atlas))
		if len(found) > 0 {
			t.Fatalf("%+v", found)
		}
		d, fault := tree.Parse(doc, cap.Limits)
		if fault != nil {
			t.Fatal(fault)
		}
		if found := cap.Check(d); len(found) > 0 {
			t.Fatalf("%+v\n%s", found, doc)
		}
		if len(docs) < 60 {
			docs = append(docs, doc)
			if len(docs) <= 6 { // a signature takes its time
				signed, err := testSigner.seal(doc)
				if err != nil {
					t.Fatal(err)
				}
				docs = append(docs, signed)
				a, err := Open(signed, start, testSigner.cert)
				if err != nil {
					t.Fatal(err)
				}
				want, _, _ := cap.Read(doc)
				if diff := cmp.Diff(want, a); diff != "" {
					t.Fatalf("signing changed the message: %s", diff)
				}
			}
		}
	})
	samples := os.Getenv("TROJMEZI_SAMPLES")
	if samples == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the published schema was not asked")
	}
	judged := 0
	for i, why := range xmllint.Judge(t, filepath.Join(samples, "alerts", "cap-validity", "cap12.xsd"), docs) {
		judged++
		if why != "" {
			t.Errorf("libxml2 refuses: %s\n%s", why, docs[i])
		}
	}
	t.Logf("libxml2 found %d messages valid", judged)
}

// A signed message that was changed, was wrapped in another, lost its signature or was
// signed by somebody else is not believed.
func TestSignature(t *testing.T) {
	v, atlas, all := newVoice(t)
	if testSigner == nil {
		var err error
		if testSigner, err = newSigner("test", start); err != nil {
			t.Fatal(err)
		}
	}
	c := dam()
	u, _ := atlas.Unit("ORP-5102")
	c.Onset, c.Expires, c.Rings = start, start.Add(time.Hour), Shape(atlas.Outline(u))
	o := Outgoing{Identifier: "x", Kind: store.Live, Purpose: Alert, Sent: start, Source: Source{Name: "Obec", Sender: "urn:oid:1.2.3"}, Content: c, Template: byID(all, "N01")}
	doc, found := cap.Write(v.CAP(o, atlas))
	if len(found) > 0 {
		t.Fatal(found)
	}
	signed, err := testSigner.seal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(signed, start, testSigner.cert); err != nil {
		t.Fatal(err)
	}
	other, err := newSigner("other", start)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.seal(doc)
	if err != nil {
		t.Fatal(err)
	}
	// Wrapping: the signed message as it is, inside one that nobody signed.
	wrapped := func() []byte {
		outer, inner := etree.NewDocument(), etree.NewDocument()
		if outer.ReadFromBytes(doc) != nil || inner.ReadFromBytes(signed) != nil {
			t.Fatal("no XML")
		}
		outer.Root().FindElement("identifier").SetText("forged")
		outer.Root().AddChild(inner.Root())
		b, err := outer.WriteToBytes()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// The signature moved from its message to another.
	moved := func() []byte {
		outer, inner := etree.NewDocument(), etree.NewDocument()
		if outer.ReadFromBytes(doc) != nil || inner.ReadFromBytes(signed) != nil {
			t.Fatal("no XML")
		}
		outer.Root().FindElement("identifier").SetText("forged")
		outer.Root().AddChild(inner.Root().FindElement("ds:Signature"))
		b, err := outer.WriteToBytes()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, d := range map[string][]byte{
		"unsigned": doc, "changed": []byte(strings.Replace(string(signed), "Actual", "Exercise", 1)), "added": []byte(strings.Replace(string(signed), "</alert>", "<note>x</note></alert>", 1)),
		"of another": theirs, "wrapped": wrapped(), "moved": moved(), "none": []byte("x"), "entities": []byte(`<!DOCTYPE a [<!ENTITY b "c">]><alert xmlns="` + cap.Space12 + `">&b;</alert>`),
		"large": []byte(strings.Repeat(" ", maxSigned+1)),
	} {
		a, err := Open(d, start, testSigner.cert)
		if !errors.Is(err, ErrSignature) || a != nil {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
	if _, err := Open(signed, start.AddDate(keyYears+1, 0, 0), testSigner.cert); !errors.Is(err, ErrSignature) {
		t.Errorf("an old certificate: %v", err)
	}
}

// Areas are those of the register, each with its codes; the codes of a whole district are
// not those of one municipality.
func TestAreas(t *testing.T) {
	_, atlas, _ := newVoice(t)
	for id, want := range map[string]string{"ORP-5102": "[{CISORP 5102} {EMMA_ID CZ05102}]", "TERYT-0225": "[{TERYT 0225} {EMMA_ID PL0225}]", "AGS-14626": "[{WARNCELLID 114626000} {EMMA_ID DE070} {EMMA_ID DE075}]",
		"CZ-564028": "[{LAU2 564028}]", "DE-14626610": "[{WARNCELLID 814626610}]", "PL-0225021": "[{TERYT 0225021}]"} {
		u, ok := atlas.Unit(id)
		if codes := atlas.Codes(u, start); !ok || fmt.Sprint(codes) != want {
			t.Errorf("%s: %v", id, codes)
		}
	}
	for text, want := range map[string]string{"5102": "ORP-5102", "0225": "TERYT-0225", "Zittau": "DE-14626610", "Žitava": "DE-14626610", "frydlant": "CZ-564028"} {
		if u, ok := atlas.Find(text); !ok || u.ID != want {
			t.Errorf("%q: %s", text, u.ID)
		}
	}
	if _, ok := atlas.Find("Atlantis"); ok {
		t.Error("Atlantis is found")
	}
	// No place of an area lies outside of what is sent for it.
	for _, u := range atlas.Units() {
		rings := Shape(atlas.Outline(u))
		for _, id := range u.Members {
			for _, p := range atlas.places.Places() {
				if (p.ID == id || p.Part == id) && !slices.ContainsFunc(rings, func(r Ring) bool { return r.covers(p.Point) }) {
					t.Errorf("%s lies outside of %s", p.Name, u.ID)
				}
			}
		}
		for _, r := range rings {
			if _, wrong := cap.Ring(r.cap()); wrong != "" {
				t.Errorf("%s: a polygon is %s", u.ID, wrong)
			}
		}
	}
}

// fewChecks is how many random drawings are tried unless TROJMEZI_CHECKS says another
// number: each takes about a tenth of a second.
const fewChecks = 15

// checks sets the number of random cases of a property.
func checks(t *testing.T) {
	n := stdcmp.Or(os.Getenv("TROJMEZI_CHECKS"), strconv.Itoa(fewChecks))
	f := flags.Lookup("rapid.checks")
	before := f.Value.String()
	if err := f.Value.Set(n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Value.Set(before) })
}

// Whatever pieces there are, drawn, along a river or around a point: each polygon sent is
// valid and short enough, and no point of any piece is left out, also by the shapes that
// judge whether a warning concerns a place, whose sides are those of the sphere.
func TestShapeCovers(t *testing.T) {
	_, atlas, _ := newVoice(t)
	checks(t)
	rapid.Check(t, func(t *rapid.T) {
		var pieces []Ring
		for range rapid.IntRange(1, 6).Draw(t, "pieces") {
			// A star: its corners stand around its middle at any distance.
			at := geo.Point{Lat: rapid.Float64Range(50.5, 51.2).Draw(t, "lat"), Lon: rapid.Float64Range(14.5, 15.5).Draw(t, "lon")}
			n := rapid.IntRange(3, 300).Draw(t, "corners")
			seed := rapid.IntRange(0, 1<<30).Draw(t, "seed")
			var r Ring
			for i := range n {
				seed = (seed*1103515245 + 12345) & 0x7fffffff
				r = append(r, geo.Destination(at, 360*float64(i)/float64(n), 500+float64(seed%20000)))
			}
			var text strings.Builder
			for _, p := range r {
				fmt.Fprintf(&text, "%.6f, %.6f\n", p.Lat, p.Lon)
			}
			km := rapid.SampledFrom([]float64{0, 0.5, 3}).Draw(t, "km")
			drawn, f := atlas.Drawn(text.String(), km)
			if f != nil {
				if f.Key != "notice.fault.drawn_crossing" && f.Key != "notice.fault.drawn_few" {
					t.Fatalf("%+v", f)
				}
				continue
			}
			pieces = append(pieces, drawn...)
			if km > 0 { // so far from any corner nobody is left out
				for _, c := range r {
					around := geo.Destination(c, rapid.Float64Range(0, 360).Draw(t, "way"), km*999)
					if !slices.ContainsFunc(drawn, func(r Ring) bool { return r.covers(around) }) {
						t.Fatalf("%v lies within %g km of a corner and is left out", around, km)
					}
				}
			}
		}
		if w := atlas.waters[rapid.IntRange(0, len(atlas.waters)-1).Draw(t, "river")]; rapid.Bool().Draw(t, "reach") {
			from, to := rapid.IntRange(0, len(w.stops)-1).Draw(t, "from"), rapid.IntRange(0, len(w.stops)-1).Draw(t, "to")
			if r, f := atlas.Reach(i18n.Cs, w.Key, w.stops[from].id, w.stops[to].id, rapid.Float64Range(1, 6).Draw(t, "side")); f == nil {
				along := atlas.Along(r)
				for _, s := range w.stops[min(from, to) : max(from, to)+1] {
					if i := slices.IndexFunc(along, func(r Ring) bool { return r.covers(s.point) }); i < 0 && (s.id == r.From || s.id == r.To) {
						t.Fatalf("%s is an end of the reach and lies outside", s.id)
					}
				}
				pieces = append(pieces, along...)
			}
		}
		if len(pieces) == 0 {
			return
		}
		rings := Shape(pieces)
		var texts []string
		for _, r := range rings {
			if _, wrong := cap.Ring(r.cap()); wrong != "" || len(r)-1 > maxVertices {
				t.Fatalf("a polygon of %d corners is %q", len(r)-1, wrong)
			}
			texts = append(texts, r.cap())
		}
		judge, faults := area.Read(texts, nil, nil)
		if len(faults) > 0 {
			t.Fatalf("what is sent is not understood: %+v", faults)
		}
		inside := func(p geo.Point) bool {
			return slices.ContainsFunc(rings, func(r Ring) bool { return r.covers(p) }) && (judge.Contains(p) || judge.Edge(p) <= judge.Error+0.01)
		}
		for _, piece := range pieces {
			for i := 1; i < len(piece); i++ {
				a, b := piece[i-1], piece[i]
				for _, p := range []geo.Point{a, {Lat: (a.Lat + b.Lat) / 2, Lon: (a.Lon + b.Lon) / 2}} {
					if !inside(p) {
						t.Fatalf("%v of a piece is left out: %t, %g m from the edge, error %g", p, slices.ContainsFunc(rings, func(r Ring) bool { return r.covers(p) }), judge.Edge(p), judge.Error)
					}
				}
			}
			for range 20 {
				p := geo.Point{Lat: rapid.Float64Range(50.3, 51.4).Draw(t, "y"), Lon: rapid.Float64Range(14.2, 15.8).Draw(t, "x")}
				if piece.Contains(p) && !inside(p) {
					t.Fatalf("%v in a piece is left out", p)
				}
			}
		}
	})
}

func TestDrawn(t *testing.T) {
	_, atlas, _ := newVoice(t)
	polygon := func(corners string) string { return `{"type":"Polygon","coordinates":[[` + corners + `]]}` }
	for _, x := range []struct {
		text  string
		km    float64
		fault string
		in    geo.Point
	}{
		{polygon("[15,50.9],[15.1,50.9],[15.1,51],[15,51],[15,50.9]"), 0, "", geo.Point{Lat: 50.95, Lon: 15.05}},
		{polygon("[15,50.9],[15.1,50.9],[15.1,51],[15,51]"), 0, "", geo.Point{Lat: 50.95, Lon: 15.05}},   // left open
		{polygon("[15,50.9],[15.1,50.9],[15.1,51],[15,51]"), 2, "", geo.Point{Lat: 51.0178, Lon: 15.05}}, // and 2 km around it
		{`{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[15,51]}}]}`, 2, "", geo.Point{Lat: 51.0179, Lon: 15}},
		{`{"type":"LineString","coordinates":[[15,50.9],[15.2,50.9]]}`, 1, "", geo.Point{Lat: 50.9089, Lon: 15.1}},
		{"50.9215, 15.0799", 3, "", geo.Point{Lat: 50.9480, Lon: 15.0799}},
		{"Frýdlant", 3, "", geo.Point{Lat: 50.9480, Lon: 15.0799}},
		{"50.9, 15.0\n50.9, 15.1\n\n51.0, 15.1\nN 51° E 15°", 0, "", geo.Point{Lat: 50.95, Lon: 15.05}},
		{"Zittau\nFrýdlant\nBogatynia", 0, "", geo.Point{Lat: 50.91, Lon: 14.95}},
		{"50.9, 15.0\nAtlantis", 1, "notice.fault.drawn_line n=2 value=Atlantis", geo.Point{}},
		{"50.9, 15.0\n51.0, 15.1\n50.9, 15.1\n51.0, 15.0", 0, "notice.fault.drawn_crossing a=1 at=50.9500° N, 15.0500° E b=3 place=Višňova", geo.Point{}},
		{polygon("[15,50.9],[15.1,51],[15.1,50.9],[15,51],[15,50.9]"), 0, "notice.fault.drawn_crossing a=1 at=50.9500° N, 15.0500° E b=3 place=Višňova", geo.Point{}},
		{polygon("[15,50.9],[15.2,50.9],[15.1,50.9],[15.1,51]"), 0, "notice.fault.drawn_crossing a=1 at=50.9000° N, 15.2000° E b=2 place=Lázně Libverda", geo.Point{}}, // back over itself
		{polygon("[179,50.9],[-179,50.9],[-179,51],[179,50.9]"), 0, "notice.fault.drawn_antimeridian at=50.9000° N, 179.0000° W n=2", geo.Point{}},
		{polygon("[15,50.9],[15,950.9],[-179,51],[15,50.9]"), 0, "notice.fault.drawn_range at=950.9, 15 n=2", geo.Point{}},
		{polygon("[50.9,15],[50.9,15.1],[51,15.1],[50.9,15]"), 0, "notice.fault.drawn_elsewhere at=15.0000° N, 50.9000° E n=1", geo.Point{}},
		{polygon("[15,50.9],[15.1,50.9]"), 0, "notice.fault.drawn_few", geo.Point{}},
		{polygon("[15,50.9],[15,50.9],[15,50.9],[15,50.9]"), 0, "notice.fault.drawn_few", geo.Point{}},
		{polygon("[15]"), 0, "notice.fault.drawn_line n=1 value=[]", geo.Point{}},
		{`{"type":"Polygon","coordinates":"x"}`, 0, "notice.fault.drawn", geo.Point{}}, {`{"type":"Circle"}`, 1, "notice.fault.drawn", geo.Point{}}, {"{", 1, "notice.fault.drawn", geo.Point{}},
		{"somewhere", 1, "notice.fault.drawn_line n=1 value=somewhere", geo.Point{}},
		{"50.9215, 15.0799", 0, "notice.fault.radius", geo.Point{}}, {"50.9215, 15.0799", 1000, "notice.fault.radius", geo.Point{}}, {polygon("[15,50.9],[15.1,50.9],[15.1,51]"), -1, "notice.fault.radius", geo.Point{}},
		{strings.Repeat("{", maxDrawn+1), 0, "notice.fault.drawn_large", geo.Point{}},
		{strings.Repeat(`{"type":"Feature","geometry":`, 9) + "null" + strings.Repeat("}", 9), 0, "notice.fault.drawn", geo.Point{}},
	} {
		rings, fault := atlas.Drawn(x.text, x.km)
		got := ""
		if fault != nil {
			got = fault.Key
			for _, name := range slices.Sorted(maps.Keys(fault.Args)) {
				got += fmt.Sprint(" ", name, "=", fault.Args[name])
			}
		}
		if got != x.fault {
			t.Errorf("%.60s: %s", x.text, got)
			continue
		}
		if got == "" && !slices.ContainsFunc(Shape(rings), func(r Ring) bool { return r.covers(x.in) }) {
			t.Errorf("%.60s leaves %v out", x.text, x.in)
		}
	}
	if id := atlas.Around(" Friedland in Böhmen "); id != "CZ-564028" {
		t.Errorf("around %q", id)
	}
}

// A reach has its name in each language, holds what lies at it and nothing far from it; a
// place that is not at the river is refused with those that are.
func TestReach(t *testing.T) {
	v, atlas, _ := newVoice(t)
	r, f := atlas.Reach(i18n.De, "smeda", "Friedland", "Ostróżno", 2)
	if f != nil {
		t.Fatal(f)
	}
	for l, want := range map[i18n.Lang]string{
		i18n.Cs: "Smědá od místa Frýdlant po místo Ostróżno, 2 km na obě strany", i18n.De: "Wittig von Friedland in Böhmen (Frýdlant) bis Ostróżno, 2 km zu beiden Seiten",
		i18n.Pl: "Witka od miejscowości Frydlant (Frýdlant) do miejscowości Ostróżno, 2 km po obu stronach", i18n.En: "Smědá / Wittig / Witka from Frýdlant to Ostróżno, 2 km to each side",
	} {
		if got := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(atlas.NameOfReach(v.Texts, l, r)); got != want {
			t.Errorf("%s: %q", l, got)
		}
	}
	rings := Shape(atlas.Along(r))
	for name, want := range map[string]bool{"Frýdlant": true, "Višňová": true, "Hejnice": false, "Bogatynia": false, "Zawidów": false} {
		p, _ := atlas.named(name)
		if got := slices.ContainsFunc(rings, func(r Ring) bool { return r.covers(p.Point) }); got != want {
			t.Errorf("%s in the reach: %t", name, got)
		}
	}
	back, f := atlas.Reach(i18n.Cs, "smeda", "Ostróżno", "Frýdlant", 2)
	if f != nil || len(Shape(atlas.Along(back))) != len(rings) {
		t.Errorf("against the water: %v", f)
	}
	for _, key := range []string{"neisse", "smeda", "mandau"} {
		if w := atlas.water(key); w == nil || len(w.stops) < 5 {
			t.Errorf("%s has no stops", key)
		}
	}
	if _, f := atlas.Reach(i18n.Cs, "neisse", "Liberec", "Görlitz", 1); f != nil {
		t.Error(f)
	}
	for _, x := range []struct {
		river, from, to string
		km              float64
		field           string
	}{{"volga", "", "", 2, "reach_river"}, {"smeda", "Praha", "Frýdlant", 2, "reach_from"}, {"smeda", "Frýdlant", "Zittau", 2, "reach_to"}, {"smeda", "Frýdlant", "Friedland", 2, "reach_to"}, {"smeda", "Frýdlant", "Hejnice", 0.5, "reach_km"}, {"smeda", "Frýdlant", "Hejnice", 1000, "reach_km"}} {
		if _, f := atlas.Reach(i18n.Cs, x.river, x.from, x.to, x.km); f == nil || f.Field != x.field {
			t.Errorf("%+v: %+v", x, f)
		}
	}
}

func TestChanges(t *testing.T) {
	c := changes("the water rises fast", "the water falls fast now")
	var got []string
	for _, x := range c {
		got = append(got, x.Kind+":"+x.Text)
	}
	if diff := cmp.Diff([]string{"same:the water", "removed:rises", "added:falls", "same:fast", "added:now"}, got); diff != "" {
		t.Error(diff)
	}
	if !same(changes("a b", "a b")) || same(c) {
		t.Error("same")
	}
}
