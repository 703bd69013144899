package chmi

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"trojmezi/internal/alert/feed"
)

// info is one of a bulletin.
type info struct {
	language, event, code, severity, certainty, response, onset, expires, urgency string
	orps                                                                          []string
}

// bulletin writes one as the institute does, by what is known of it: no bulletin of our
// own making is a capture.
func bulletin(infos ...info) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>2.49.0.2.203.0.CZ.260909075500.1</identifier><sender>chmi@chmi.cz</sender><sent>2026-09-09T09:55:00+02:00</sent><status>Actual</status><msgType>Update</msgType><scope>Public</scope><references>chmi@chmi.cz,2.49.0.2.203.0.CZ.260909055500.1,2026-09-09T07:55:00+02:00</references>`)
	for _, f := range infos {
		fmt.Fprintf(&b, "<info><language>%s</language><category>Met</category><event>%s</event><responseType>%s</responseType><urgency>%s</urgency><severity>%s</severity><certainty>%s</certainty>", f.language, f.event, f.response, f.urgency, f.severity, f.certainty)
		if f.code != "" {
			fmt.Fprintf(&b, "<eventCode><valueName>SIVS</valueName><value>%s</value></eventCode>", f.code)
		}
		if f.onset != "" {
			fmt.Fprintf(&b, "<onset>%s</onset>", f.onset)
		}
		if f.expires != "" {
			fmt.Fprintf(&b, "<expires>%s</expires>", f.expires)
		}
		b.WriteString("<senderName>ČHMÚ, Jana Nováková</senderName><area><areaDesc>Aglomerace</areaDesc>")
		for _, orp := range f.orps {
			fmt.Fprintf(&b, "<geocode><valueName>CISORP</valueName><value>%s</value></geocode><geocode><valueName>EMMA_ID</valueName><value>CZ0%s</value></geocode>", orp, orp)
		}
		b.WriteString("</area></info>")
	}
	b.WriteString("</alert>")
	return []byte(b.String())
}

const (
	onset, later, expires = "2026-09-09T18:00:00+02:00", "2026-09-10T18:00:00+02:00", "2026-09-11T06:00:00+02:00"
)

var (
	frost     = info{"cs", "Silný mráz", "I.4", "Moderate", "Likely", "Prepare", onset, expires, "Future", []string{"5105", "5102"}}
	frostEn   = info{"en-GB", "Severe frost", "I.4", "Moderate", "Likely", "Prepare", onset, expires, "Future", []string{"5105", "5102"}}
	nothing   = info{"cs", "Žádná výstraha", "", "Minor", "Unlikely", "None", "", "", "Unknown", []string{"5103"}}
	nothingEn = info{"en-GB", "No warning", "", "Minor", "Unlikely", "None", "", "", "Unknown", []string{"5103"}}
)

func read(t *testing.T, doc []byte) *feed.Reading {
	t.Helper()
	r, f := new(reader).parse(doc)
	if f != nil {
		t.Fatal(f)
	}
	return r
}

// TestBulletin: a warning is one in two languages, wherever they stand; placeholders are
// none; a forecaster's name goes nowhere.
func TestBulletin(t *testing.T) {
	frostLater := frost
	frostLater.onset = later
	over := info{"cs", "Povodeň", "X.2a", "Severe", "Observed", "AllClear", onset, expires, "Past", []string{"5102"}}
	r := read(t, bulletin(nothing, frostEn, frostLater, nothingEn, frost, over))
	if len(r.Warnings) != 3 || r.Quiet != 2 || !r.Whole || len(r.Deviations) > 0 || r.Issued.Text != "2026-09-09T09:55:00+02:00" {
		t.Fatalf("%+v", r)
	}
	w := r.Warnings[0]
	if !slices.Equal(w.Languages(), []string{"cs", "en-GB"}) || w.Event != "Silný mráz" || w.Code != "SIVS:I.4" || w.Level.Colour != "yellow" || len(w.Areas) != 1 || len(w.Areas[0].Codes) != 4 || len(w.Deviations) > 0 {
		t.Errorf("%+v", w)
	}
	if r.Warnings[1].ID == w.ID || r.Warnings[2].State != feed.AllClear {
		t.Errorf("%+v", r.Warnings[1:])
	}
	if text := fmt.Sprintf("%+v", r); strings.Contains(text, "Nováková") {
		t.Error("the forecaster is named")
	}
	// The next bulletin has it in another order, with a longer end: it is the same.
	longer, longerEn := frost, frostEn
	longer.expires, longerEn.expires = later, later
	if again := read(t, bulletin(longer, longerEn)); again.Warnings[0].ID != w.ID || len(again.Warnings) != 1 {
		t.Errorf("%s, was %s", again.Warnings[0].ID, w.ID)
	}
	// For other areas it is another.
	other := frost
	other.orps = []string{"5101"}
	if again := read(t, bulletin(other)); again.Warnings[0].ID == w.ID {
		t.Error("the same for other areas")
	}
}

// TestDrill: an exercise among the warnings of a bulletin is one, in whichever language it
// says so; those beside it are in earnest.
func TestDrill(t *testing.T) {
	drill, drillEn := frost, frostEn
	drill.event, drill.onset, drillEn.onset = "Cvičení: silný mráz", later, later
	r := read(t, bulletin(drillEn, frost, drill, frostEn))
	if len(r.Warnings) != 2 || r.Warnings[0].Status != feed.Exercise || r.Warnings[1].Status != feed.Actual {
		t.Errorf("%+v", r.Warnings)
	}
	if r := read(t, bytes.Replace(bulletin(frost), []byte("<status>Actual<"), []byte("<status>Exercise<"), 1)); r.Warnings[0].Status != feed.Exercise {
		t.Errorf("%+v", r.Warnings)
	}
}

// TestSame: two warnings of one language with the same code, beginning and areas stay
// two.
func TestSame(t *testing.T) {
	second := frost
	second.event = "Silný mráz na horách"
	r := read(t, bulletin(frost, second))
	if len(r.Warnings) != 2 || r.Warnings[0].ID == r.Warnings[1].ID || len(r.Warnings[1].Deviations) != 1 || r.Warnings[1].Deviations[0].Rule != "same" {
		t.Errorf("%+v", r.Warnings)
	}
}

// TestOdd: what cannot be read is said at the warning, and the others stay.
func TestOdd(t *testing.T) {
	bad := frost
	bad.onset, bad.expires = "zítra", "3021-01-01T00:00:00Z"
	other := frost
	other.code = "I.5"
	r := read(t, bulletin(bad, other))
	var rules []string
	for _, d := range r.Warnings[0].Deviations {
		rules = append(rules, d.Rule)
	}
	slices.Sort(rules)
	if !slices.Equal(rules, []string{"forever", "time", "time", "time"}) || len(r.Warnings[1].Deviations) > 0 || !r.Warnings[0].Expires.At.IsZero() {
		t.Errorf("%v %+v", rules, r.Warnings)
	}
	for _, doc := range []string{"<html></html>", "", `{"a":1}`, "<alert/>"} {
		if r, f := new(reader).parse([]byte(doc)); r != nil || f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}

// TestSamples reads messages that others have written by hand in the bulletin's form.
func TestSamples(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the messages of others are no part of the repository")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "alerts", "cap-synthetic-chmi", "*.xml"))
	if len(files) < 25 {
		t.Fatalf("%d files", len(files))
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if r := read(t, doc); len(r.Warnings) == 0 {
			t.Errorf("%s: %+v", filepath.Base(file), r)
		}
	}
}

// national is a bulletin of 52 entries for all areas, of 1.5 MB.
func national(tb testing.TB) []byte {
	tb.Helper()
	var infos []info
	orps := make([]string, 206)
	for i := range orps {
		orps[i] = fmt.Sprint(1100 + i)
	}
	for i := range 26 {
		cs, en := frost, frostEn
		cs.code, en.code, cs.orps, en.orps = fmt.Sprintf("I.%d", i), fmt.Sprintf("I.%d", i), orps, orps
		infos = append(infos, cs, en)
	}
	doc := bulletin(infos...)
	if len(doc) < 1_500_000 {
		tb.Fatal(len(doc))
	}
	return doc
}

// processor measures the time that the processor gives from now on, collecting garbage
// included: what other processes take away is not in it.
func processor(b *testing.B) func() {
	now := func() int64 {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return u.Utime.Nano() + u.Stime.Nano()
	}
	begin := now()
	return func() { b.ReportMetric(float64(now()-begin)/float64(b.N)/1e6, "cpu-ms/op") }
}

// BenchmarkBulletin reads a bulletin that is new, one that is the same by its bytes or in
// all but its own time, and one with two entries changed; beside the library of Go, which
// only takes it apart.
func BenchmarkBulletin(b *testing.B) {
	doc := national(b)
	reissued := bytes.Replace(doc, []byte("</sent>"), []byte("</sent>\n"), 1)
	changed := bytes.Replace(bytes.Replace(reissued, []byte("I.3<"), []byte("I.99<"), 2), []byte("I.14<"), []byte("I.98<"), 2)
	for _, c := range []struct {
		name string
		docs [][]byte
	}{{"new", nil}, {"same", [][]byte{doc, doc}}, {"reissued", [][]byte{doc, reissued}}, {"changed", [][]byte{doc, changed}}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			m := new(reader)
			if c.docs != nil {
				_, _ = m.parse(c.docs[0])
			}
			used := processor(b)
			for n := 0; b.Loop(); n++ {
				next := doc
				if c.docs == nil {
					m = new(reader)
				} else {
					next = c.docs[(n+1)%2]
				}
				if r, f := m.parse(next); f != nil || len(r.Warnings) < 26 {
					b.Fatal(f, len(r.Warnings))
				}
			}
			used()
		})
	}
	b.Run("encoding-xml", func(b *testing.B) {
		type pair struct {
			Name  string `xml:"valueName"`
			Value string `xml:"value"`
		}
		type message struct {
			Sent  string `xml:"sent"`
			Infos []struct {
				Event string `xml:"event"`
				Codes []pair `xml:"eventCode"`
				Areas []struct {
					Desc     string `xml:"areaDesc"`
					Geocodes []pair `xml:"geocode"`
				} `xml:"area"`
			} `xml:"info"`
		}
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		used := processor(b)
		for b.Loop() {
			var a message
			if err := xml.Unmarshal(doc, &a); err != nil || len(a.Infos) != 52 {
				b.Fatal(err)
			}
		}
		used()
	})
}

// TestAgain: who knows the bulletin before says of the next one what he would say without,
// whatever became of it: entries changed, moved, repeated, gone, another time, or bytes
// that spoil it.
func TestAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 11))
	one := func() info {
		x := []info{frost, frostEn}[rng.IntN(2)]
		x.code, x.orps = fmt.Sprintf("I.%d", rng.IntN(4)), []string{fmt.Sprint(5100 + rng.IntN(3)), "5110"}
		if rng.IntN(4) == 0 {
			x.onset = "2026-01-06T00:00:00+01:00"
		}
		return x
	}
	list := []info{one(), one(), one(), one()}
	checks := 500
	if n, err := strconv.Atoi(os.Getenv("TROJMEZI_CHECKS")); err == nil {
		checks = n
	}
	m := new(reader)
	reused := 0
	for n := range checks {
		switch at := rng.IntN(len(list)); rng.IntN(7) {
		case 0:
			list[at] = one()
		case 1:
			list = slices.Insert(list, at, one())
		case 2:
			if len(list) > 1 {
				list = slices.Delete(list, at, at+1)
			}
		case 3:
			list = slices.Insert(list, at, list[rng.IntN(len(list))])
		case 4:
			to := rng.IntN(len(list))
			list[at], list[to] = list[to], list[at]
		}
		list = list[:min(len(list), 9)]
		doc := bulletin(list...)
		switch rng.IntN(9) {
		case 0:
			doc = bytes.Replace(doc, []byte("</sent>"), []byte("</sent>\n"), 1)
		case 1:
			doc = bytes.Replace(doc, []byte("Actual"), []byte("Exercise"), 1)
		case 2:
			doc = bytes.Replace(doc, []byte("<msgType>Update"), []byte("<msgType>Cancel"), 1)
		case 3: // anything anywhere
			doc[rng.IntN(len(doc))] = "<>&/\"\r a9\xff\x00"[rng.IntN(11)]
		case 4:
			doc = doc[:rng.IntN(len(doc))]
		case 5:
			from, to := rng.IntN(len(doc)), rng.IntN(len(doc))
			doc = slices.Concat(doc[:min(from, to)], doc[max(from, to):])
		case 6: // the same, written in another way
			doc = bytes.ReplaceAll(bytes.ReplaceAll(doc, []byte("<info>"), []byte("<info >")), []byte("</sent>"), []byte("</sent>\n"))
		case 7: // parts that were taken before, in a message of another prefix
			doc = bytes.Replace(bytes.Replace(bytes.Replace(doc, []byte("<alert xmlns="), []byte("<c:alert xmlns:c="), 1), []byte("</alert>"), []byte("</c:alert>"), 1), []byte("<sent>"), []byte("<c:sent>"), 1)
		}
		got, fault := m.parse(slices.Clone(doc))
		want, wanted := new(reader).parse(doc)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(fault, wanted) {
			t.Fatalf("%d: %+v %+v, want %+v %+v\n%s", n, got, fault, want, wanted, doc)
		}
		if _, _, _, same := m.caps.Read(doc); same != nil {
			reused++
		}
	}
	if reused < checks/4 {
		t.Errorf("parts of only %d bulletins were known", reused)
	}
}
