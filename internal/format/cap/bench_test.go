package cap

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"trojmezi/internal/format/tree"
)

// stdAlert is what encoding/xml is given to fill: the same members.
type stdAlert struct {
	Identifier string `xml:"identifier"`
	Sender     string `xml:"sender"`
	Sent       string `xml:"sent"`
	Status     string `xml:"status"`
	MsgType    string `xml:"msgType"`
	Scope      string `xml:"scope"`
	References string `xml:"references"`
	Infos      []struct {
		Language      string    `xml:"language"`
		Categories    []string  `xml:"category"`
		Event         string    `xml:"event"`
		ResponseTypes []string  `xml:"responseType"`
		Urgency       string    `xml:"urgency"`
		Severity      string    `xml:"severity"`
		Certainty     string    `xml:"certainty"`
		EventCodes    []stdPair `xml:"eventCode"`
		Effective     string    `xml:"effective"`
		Onset         string    `xml:"onset"`
		Expires       string    `xml:"expires"`
		Headline      string    `xml:"headline"`
		Description   string    `xml:"description"`
		Instruction   string    `xml:"instruction"`
		Parameters    []stdPair `xml:"parameter"`
		Areas         []struct {
			Desc     string    `xml:"areaDesc"`
			Polygons []string  `xml:"polygon"`
			Geocodes []stdPair `xml:"geocode"`
		} `xml:"area"`
	} `xml:"info"`
}

type stdPair struct {
	Name  string `xml:"valueName"`
	Value string `xml:"value"`
}

func BenchmarkRead(b *testing.B) {
	small := content(b, "testdata/dam.xml")
	bulletin := bulletinOf(36, 1_500_000)
	deviant := bytes.Replace(small, []byte("2026-08-07T18:05:00+02:00</sent>"), []byte("2026-08-07T16:05:00Z</sent>"), 1)
	for _, c := range []struct {
		name string
		doc  []byte
	}{{"small", small}, {"bulletin", bulletin}, {"deviant", deviant}} {
		b.Run(c.name, func(b *testing.B) {
			used := processor()
			b.SetBytes(int64(len(c.doc)))
			b.ReportAllocs()
			for b.Loop() {
				if a, _, f := Read(c.doc); f != nil || len(a.Infos) == 0 {
					b.Fatal(f)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			b.ReportMetric(float64(b.N)/used().Seconds(), "msg/cpu-s")
		})
	}
	b.Run("small/encoding-xml", func(b *testing.B) {
		used := processor()
		b.SetBytes(int64(len(small)))
		b.ReportAllocs()
		for b.Loop() {
			var a stdAlert
			if err := xml.Unmarshal(small, &a); err != nil || len(a.Infos) == 0 {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		b.ReportMetric(float64(b.N)/used().Seconds(), "msg/cpu-s")
	})
	b.Run("small/check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d, _ := tree.Parse(small, Limits)
			if found := Check(d); len(found) > 0 {
				b.Fatal(found)
			}
		}
	})
}

// processor measures the time that the processor gives from now on: what other processes
// take away is not in it.
func processor() func() time.Duration {
	now := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begin := now()
	return func() time.Duration { return now() - begin }
}

// bulletinOf is a message of many warnings, each for many areas, of about a size.
func bulletinOf(infos, size int) []byte {
	var area strings.Builder
	for i := 0; area.Len() < size/infos; i++ {
		fmt.Fprintf(&area, "<area><areaDesc>ORP %d</areaDesc><geocode><valueName>CISORP</valueName><value>%d</value></geocode><geocode><valueName>EMMA_ID</valueName><value>CZ0%d</value></geocode></area>\n", i, 5100+i, 5100+i)
	}
	var out strings.Builder
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?><alert xmlns="` + Space12 + `"><identifier>b</identifier><sender>s</sender><sent>2026-08-07T18:05:00+02:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>`)
	for i := range infos {
		fmt.Fprintf(&out, "<info><language>cs</language><category>Met</category><event>Silný mráz %d</event><urgency>Future</urgency><severity>Moderate</severity><certainty>Likely</certainty><onset>2026-08-07T18:05:00+02:00</onset>%s</info>\n", i, area.String())
	}
	out.WriteString("</alert>")
	return []byte(out.String())
}

// TestMemory: reading the largest bulletin, or a usual one that breaks the schema, takes
// less than 64 MB, all that is built in between counted as if nothing of it were given back.
func TestMemory(t *testing.T) {
	large := bulletinOf(36, 3_700_000) // nearly as many elements as are permitted
	for name, doc := range map[string][]byte{"a bulletin": large, "one that breaks the schema": bytes.Replace(bulletinOf(36, 1_500_000), []byte("+02:00</sent>"), []byte("Z</sent>"), 1)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, _, f := Read(doc)
		runtime.ReadMemStats(&after)
		used := (after.TotalAlloc - before.TotalAlloc) >> 20
		t.Logf("%s of %d kB: %d MB", name, len(doc)>>10, used)
		if f != nil || a == nil {
			t.Errorf("%s: %v", name, f)
		}
		if used > 64 {
			t.Errorf("%s: %d MB", name, used)
		}
	}
}
