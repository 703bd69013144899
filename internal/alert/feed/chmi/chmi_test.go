package chmi

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	r, f := parse(doc)
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
		if r, f := parse([]byte(doc)); r != nil || f == nil {
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

func BenchmarkBulletin(b *testing.B) {
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
		b.Fatal(len(doc))
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		if r, f := parse(doc); f != nil || len(r.Warnings) != 26 {
			b.Fatal(f, len(r.Warnings))
		}
	}
	// Of the processor, collecting garbage included: what other processes take away is not in it.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano()+after.Stime.Nano()-before.Stime.Nano())/float64(b.N)/1e6, "cpu-ms/op")
}
