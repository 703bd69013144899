package dwd

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"trojmezi/internal/alert/feed"
)

func message1(id, kind, references string) string {
	if references != "" {
		references = "<references>" + references + "</references>"
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>%s</identifier><sender>CAP@dwd.de</sender><sent>2026-09-09T09:55:00+00:00</sent><status>Actual</status><msgType>%s</msgType><scope>Public</scope>%s`+
		`<info><language>de-DE</language><category>Met</category><event>STURMBÖEN</event><responseType>None</responseType><urgency>Immediate</urgency><severity>Moderate</severity><certainty>Likely</certainty><eventCode><valueName>II</valueName><value>52</value></eventCode><onset>2026-09-09T10:00:00+00:00</onset><expires>2026-09-09T12:00:00+00:00</expires>`+
		`<area><areaDesc>Kreis Görlitz - Bergland</areaDesc><polygon>51,15 51,15.1 51.1,15.1 51,15</polygon><geocode><valueName>WARNCELLID</valueName><value>914626001</value></geocode><geocode><valueName>EXCLUDE_POLYGON</valueName><value>51.01,15.02 51.01,15.03 51.02,15.03 51.01,15.02</value></geocode></area></info>`+
		`<info><language>en</language><category>Met</category><event>GALE-FORCE GUSTS</event><urgency>Immediate</urgency><severity>Moderate</severity><certainty>Likely</certainty></info></alert>`, id, kind, references)
}

func archive(t *testing.T, messages ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, m := range messages {
		f, err := w.Create(fmt.Sprintf("%d.xml", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArchive: everything in force stands in it, an update names what it replaces.
func TestArchive(t *testing.T) {
	r, f := parse(archive(t, message1("a.1", "Alert", ""), message1("a.3", "Update", "CAP@dwd.de,a.2,2026-09-09T08:00:00+00:00"), message1("a.5", "Cancel", "CAP@dwd.de,a.4,2026-09-09T08:00:00+00:00")))
	if f != nil || !r.Whole || len(r.Warnings) != 3 {
		t.Fatalf("%v %+v", f, r)
	}
	w := r.Warnings[1]
	if w.ID != "dwd/a.3" || w.Replaces[0] != "a.2" || w.Code != "II:52" || w.Level.Colour != "orange" || len(w.Areas[0].Holes) != 1 || len(w.Areas[0].Codes) != 1 || len(w.Texts) != 2 || w.State != feed.InForce {
		t.Errorf("%+v", w)
	}
	if r.Warnings[2].State != feed.Cancelled {
		t.Errorf("%+v", r.Warnings[2])
	}
}

// TestBroken: of a broken archive nothing is taken, for it would say that the rest is
// over.
func TestBroken(t *testing.T) {
	good := archive(t, message1("a.1", "Alert", ""))
	for name, doc := range map[string][]byte{
		"cut": good[:len(good)-20], "html inside": archive(t, message1("a.1", "Alert", ""), "<html></html>"), "bomb": archive(t, string(make([]byte, maxBytes+1))), "html": []byte("<html></html>"),
	} {
		if r, f := parse(doc); f == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestCapture reads a warning that the service has sent.
func TestCapture(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the captured message is no part of the repository")
	}
	doc, err := os.ReadFile(filepath.Join(dir, "alerts", "dwd", "Z_CAP_C_EDZW_20170223134450_PVW_4.xml"))
	if err != nil {
		t.Fatal(err)
	}
	r, f := parse(doc)
	if f != nil || r.Whole || len(r.Warnings) != 1 || len(r.Warnings[0].Deviations) > 0 || r.Warnings[0].Event != "WINDBÖEN" || r.Warnings[0].Level.Colour != "yellow" {
		t.Errorf("%v %+v", f, r)
	}
}

// small is a message of two languages, 2.8 kB.
func small(t testing.TB) []byte {
	t.Helper()
	doc, err := os.ReadFile("../../../format/cap/testdata/dam.xml")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// A message is read and put into the form of all feeds in few pieces of memory.
func TestAllocations(t *testing.T) {
	doc := small(t)
	if n := testing.AllocsPerRun(50, func() {
		if r, f := parse(doc); f != nil || len(r.Warnings) != 1 || len(r.Warnings[0].Texts) < 2 {
			t.Fatal(f)
		}
	}); n > 20 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSmall(b *testing.B) {
	doc := small(b)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		if r, f := parse(doc); f != nil || len(r.Warnings) != 1 {
			b.Fatal(f)
		}
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(b.N)/(float64(used)/1e9), "msg/cpu-s")
}
