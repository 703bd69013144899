package all

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mostMemory is what reading one document may take, the document itself included.
const mostMemory = 64 << 20

const childOf = "TROJMEZI_TEST_MEMORY" // feed and file, for the process that is measured

// TestMain is also the process that reads one document and says the most it took.
func TestMain(m *testing.M) {
	name, file, child := strings.Cut(os.Getenv(childOf), " ")
	if !child {
		os.Exit(m.Run())
	}
	for _, f := range Feeds() {
		if f.Name != name {
			continue
		}
		doc, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		debug.SetMemoryLimit(-1)
		debug.FreeOSMemory()
		before := status("VmRSS")
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
			panic(err)
		}
		r, fault := f.Parse(doc)
		taken := status("VmHWM") - before + len(doc)
		kept, odd := 0, 0
		if r != nil {
			kept, odd = len(r.Warnings), len(r.Deviations)+r.More
			for _, w := range r.Warnings {
				odd += len(w.Deviations)
			}
		}
		fmt.Printf("took=%d warnings=%d deviations=%d refused=%v\n", taken, kept, odd, fault != nil)
	}
}

// status is a figure of this process, in bytes.
func status(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return n << 10
		}
	}
	panic(name)
}

const capHead = `<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>b</identifier><sender>s</sender><sent>2026-08-07T18:05:00+02:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>`

// bulletin is a CAP message with a number of infos, of about a size.
func bulletin(infos, size int) string {
	var area strings.Builder
	for i := 0; area.Len() < size/infos; i++ {
		fmt.Fprintf(&area, "<area><areaDesc>ORP %d</areaDesc><geocode><valueName>CISORP</valueName><value>%d</value></geocode><geocode><valueName>EMMA_ID</valueName><value>CZ0%d</value></geocode></area>\n", i, 1100+i, 1100+i)
	}
	var b strings.Builder
	b.WriteString(capHead)
	for i := range infos {
		fmt.Fprintf(&b, "<info><language>cs</language><category>Met</category><event>Mráz %d</event><urgency>Future</urgency><severity>Moderate</severity><certainty>Likely</certainty><onset>2026-08-07T18:05:00+02:00</onset>%s</info>\n", i, area.String())
	}
	return b.String() + "</alert>"
}

// repeated is text for as often as fits into a size.
func repeated(head, text, tail string, size int) string {
	return head + strings.Repeat(text, max(0, size-len(head)-len(tail))/len(text)) + tail
}

// packed is an archive of files.
func packed(t *testing.T, n int, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range n {
		f, err := z.Create(strconv.Itoa(i) + ".xml")
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestMemory: no document takes more than 64 MB to read, the worst that each feed takes
// and the worst that it refuses: measured as the most that a process of its own held.
func TestMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/clear_refs"); err != nil {
		t.Skip("only Linux tells the most that a process has held: ", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	valid := bulletin(52, 1_500_000)
	var attributes strings.Builder
	attributes.WriteString("<alert")
	for i := range 200_000 {
		fmt.Fprintf(&attributes, ` a%d="x"`, i)
	}
	attributes.WriteString("/>")
	deep := strings.Repeat("<info>", 500_000)
	broken := strings.ReplaceAll(valid, "<value>", "<value a='1'>") // a deviation at every code
	large := strings.Repeat(" ", 33<<20)
	list := `{"id":"mow.%s","version":1,"startDate":"x","expiresDate":"x","severity":"x","i18nTitle":{"de":"x"}},`
	xml := map[string]string{"a valid bulletin": valid, "200,000 attributes": attributes.String(), "deep nesting": deep, "too large": large, "a bulletin of deviations": broken,
		"one text": repeated(capHead+"<note>", "x", "</note></alert>", 10<<20), "many empty": repeated(capHead, "<a/>", "</alert>", 10<<20)}
	json := map[string]string{"deep nesting": strings.Repeat("[", 1<<20), "objects": repeated("[", "{},", "{}]", 8<<20), "one text": repeated(`["`, "x", `"]`, 8<<20)}
	cases := map[string]map[string]string{
		"chmi": xml,
		"dwd":  {"a large archive": packed(t, 13, valid), "an archive of deviations": packed(t, 10, broken), "a bomb": packed(t, 1, large), "many files": packed(t, 3300, bulletin(1, 5400))},
		"meteoalarm": {"entries": repeated(`<feed xmlns="http://www.w3.org/2005/Atom" xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2"><updated>2026-08-07T18:05:00+02:00</updated>`,
			`<entry><cap:identifier>a</cap:identifier><cap:event>x</cap:event><cap:sent>x</cap:sent><cap:expires>x</cap:expires></entry>`, `</feed>`, 3_100_000), "200,000 attributes": attributes.String(), "deep nesting": deep},
		"nina":       {"a list of deviations": repeated("[", list, `{"id":"x"}]`, 600_000), "deep nesting": json["deep nesting"], "objects": json["objects"], "one text": json["one text"]},
		"rso":        {"news": repeated(`<newses>`, `<news><id>1</id><title>x</title><valid_from>x</valid_from><valid_to>x</valid_to><created_at>x</created_at></news>`, `</newses>`, 1_900_000), "CAP": valid},
		"imgw-meteo": {"deviations": repeated("[", `{"id":"1","stopien":"9","opublikowano":"x","obowiazuje_od":"x","obowiazuje_do":"x","fremd":1},`, `{}]`, 800_000), "too large": large},
		"lhp":        {"classes": `{"PGNR":[` + repeated("", `"S",`, `"S"]`, 27_000) + `,"LAT":[` + repeated("", `"1",`, `"1"]`, 27_000) + `,"LON":[` + repeated("", `"1",`, `"1"]`, 27_000) + `,"HW":[` + repeated("", `"9",`, `"9"]`, 27_000) + `}`, "objects": json["objects"]},
	}
	for name, docs := range cases {
		for what, doc := range docs {
			t.Run(name+"/"+what, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "doc")
				if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
					t.Fatal(err)
				}
				c := exec.CommandContext(t.Context(), exe)
				c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMEMLIMIT=") || strings.HasPrefix(v, "GOGC=") }), childOf+"="+name+" "+file)
				out, err := c.CombinedOutput()
				taken := 0
				if _, scanned := fmt.Sscanf(string(out), "took=%d", &taken); err != nil || scanned != nil || taken < len(doc) {
					t.Fatalf("%v %.300s", err, out)
				}
				t.Logf("%d kB: %d MB; %s", len(doc)>>10, taken>>20, out)
				if taken > mostMemory {
					t.Errorf("%d MB", taken>>20)
				}
			})
		}
	}
}
