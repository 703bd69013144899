package warning

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/store"
)

// block is one warning of a bulletin, in two languages.
type block struct {
	code, cs, en   string
	severity       string
	response       string
	onset, expires time.Time
	orps           []string
}

// bulletin writes a whole one in the form of ČHMÚ, by what is known of it: 36 info
// blocks, most of them placeholders, Czech and English apart. It is of our own making
// and no capture.
func bulletin(number int, sent time.Time, blocks ...block) []byte {
	prague := feed.Zone("Europe/Prague")
	stamp := func(t time.Time) string { return t.In(prague).Format("2006-01-02T15:04:05-07:00") }
	id := func(n int) string { return fmt.Sprintf("2.49.0.2.203.0.CZ.OKPR.%04d", n) }
	var b strings.Builder
	kind, references := "Alert", ""
	if number > 1 { // it names the one before it alone
		kind, references = "Update", fmt.Sprintf("<references>chmi@chmi.cz,%s,%s</references>", id(number-1), stamp(sent.Add(-6*time.Hour)))
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>%s</identifier><sender>chmi@chmi.cz</sender><sent>%s</sent><status>Actual</status><msgType>%s</msgType><scope>Public</scope>%s`, id(number), stamp(sent), kind, references)
	info := func(language, event string, x *block) {
		fmt.Fprintf(&b, "<info><language>%s</language><category>Met</category><event>%s</event>", language, event)
		if x == nil {
			b.WriteString("<responseType>None</responseType><urgency>Future</urgency><severity>Minor</severity><certainty>Unlikely</certainty><senderName>ČHMÚ, Jméno Předpovídajícího</senderName><area><areaDesc>Česko</areaDesc><geocode><valueName>CISORP</valueName><value>1100</value></geocode></area></info>")
			return
		}
		colour := map[string]string{"Moderate": "2; yellow; Moderate", "Severe": "3; orange; Severe", "Extreme": "4; red; Extreme"}[x.severity]
		fmt.Fprintf(&b, "<responseType>%s</responseType><urgency>Future</urgency><severity>%s</severity><certainty>Likely</certainty><eventCode><valueName>SIVS</valueName><value>%s</value></eventCode><onset>%s</onset><expires>%s</expires><senderName>ČHMÚ, Jméno Předpovídajícího</senderName><headline>%s</headline><description>%s od %s</description><parameter><valueName>awareness_level</valueName><value>%s</value></parameter><parameter><valueName>awareness_type</valueName><value>1; Wind</value></parameter><area><areaDesc>Aglomerace</areaDesc>",
			x.response, x.severity, x.code, stamp(x.onset), stamp(x.expires), event, event, stamp(x.onset), colour)
		for _, orp := range x.orps {
			fmt.Fprintf(&b, "<geocode><valueName>CISORP</valueName><value>%s</value></geocode><geocode><valueName>EMMA_ID</valueName><value>CZ0%s</value></geocode>", orp, orp)
		}
		b.WriteString("</area></info>")
	}
	for i := range 18 {
		if i < len(blocks) {
			info("cs", blocks[i].cs, &blocks[i])
		} else {
			info("cs", "Žádná výstraha", nil)
		}
	}
	for i := range 18 { // not in the order of the Czech ones
		if n := 17 - i; n < len(blocks) {
			info("en-GB", blocks[n].en, &blocks[n])
		} else {
			info("en-GB", "No warning", nil)
		}
	}
	b.WriteString("</alert>")
	return []byte(b.String())
}

var (
	wind  = block{"I.1", "Silný vítr", "High wind", "Moderate", "Prepare", start.Add(2 * time.Hour), start.Add(14 * time.Hour), []string{"5105", "5102"}}
	storm = block{"I.2", "Velmi silný vítr", "Very high wind", "Severe", "Prepare", start.Add(5 * time.Hour), start.Add(14 * time.Hour), []string{"5103"}}
	frost = block{"II.4", "Silný mráz", "Severe frost", "Moderate", "Prepare", start.Add(20 * time.Hour), start.Add(30 * time.Hour), []string{"5105"}}
)

// atomEntry is one area of a warning in MeteoAlarm's feed.
func atomEntry(id, code string, onset, expires time.Time) string {
	return fmt.Sprintf(`<entry><id>https://feeds.meteoalarm.org/%s-%s</id><title>Yellow Wind Warning issued for Czechia</title><cap:areaDesc>Støedoèeský</cap:areaDesc><cap:event>Yellow Wind Warning</cap:event><cap:sent>%s</cap:sent><cap:onset>%s</cap:onset><cap:expires>%s</cap:expires><cap:severity>Moderate</cap:severity><cap:status>Actual</cap:status><cap:message_type>Alert</cap:message_type><cap:identifier>%s</cap:identifier><cap:geocode><valueName>EMMA_ID</valueName><value>%s</value></cap:geocode></entry>`,
		id, code, start.Format(time.RFC3339), onset.Format(time.RFC3339), expires.Format(time.RFC3339), id, code)
}

func atom(updated time.Time, entries ...string) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2"><updated>` + updated.Format(time.RFC3339) + `</updated>` + strings.Join(entries, "") + `</feed>`)
}

func events(all []*Warning) (lines []string) {
	for _, w := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s [%s]", w.Says().Event, w.Phase, w.Reason, strings.Join(w.Sources(), " ")))
	}
	slices.Sort(lines)
	return lines
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBulletins: three whole bulletins and MeteoAlarm's copy. A placeholder is no
// warning; a warning goes on when an area is added; one that vanishes ends with that
// bulletin; one that comes late changes nothing.
func TestBulletins(t *testing.T) {
	r := newRig(t)
	r.fetched("chmi", "okpr", store.Live, bulletin(1, start.Add(-time.Minute), wind, storm))
	same(t, events(r.warnings()), "Silný vítr coming  [chmi]", "Velmi silný vítr coming  [chmi]")
	r.fetched("meteoalarm", "cz", store.Live, atom(start, atomEntry("2.49.0.1.203.0.CZ.1", "CZ05105", wind.onset, wind.expires), atomEntry("2.49.0.1.203.0.CZ.1", "CZ05102", wind.onset, wind.expires)))
	same(t, events(r.warnings()), "Silný vítr coming  [chmi meteoalarm]", "Velmi silný vítr coming  [chmi]")

	second := bulletin(2, start.Add(3*time.Hour), wind, frost)
	wider := wind
	wider.orps, wider.expires = []string{"5105", "5102", "5104"}, wind.expires.Add(2*time.Hour)
	r.wait(6 * time.Hour)
	if taken := r.fetched("chmi", "okpr", store.Live, bulletin(3, start.Add(6*time.Hour-time.Minute), frost, wider)); taken.New != 2 {
		t.Errorf("%+v", taken)
	}
	want := []string{"Silný vítr in_force  [chmi meteoalarm]", "Velmi silný vítr ended absent [chmi]", "Silný mráz coming  [chmi]"}
	same(t, events(r.warnings()), want...)
	r.fetched("chmi", "okpr", store.Live, second) // late, from a slow mirror
	same(t, events(r.warnings()), want...)
	if taken := r.fetched("chmi", "okpr", store.Live, second); !taken.Known {
		t.Error("the same document is news")
	}
	all, b, err := r.Warnings(t.Context())
	r.ok(err)
	for _, w := range all {
		if w.Says().Event == "Silný mráz" && len(w.Members) != 1 {
			t.Errorf("%+v", w.Links)
		}
		if w.Says().Event != "Silný vítr" {
			continue
		}
		if len(w.Codes()) != 6 || len(w.Heads()) != 1 || !slices.Equal(w.Says().Languages(), []string{"cs", "en-GB"}) {
			t.Errorf("%v %v", w.Codes(), w.Says().Languages())
		}
		rules := map[Rule]string{}
		for _, l := range w.Links {
			rules[l.Rule] = l.Why
		}
		if rules[ByContinued] != "SIVS:I.1 · CZ:5102" || rules[ByMatch] != "1 · CZ:5102" {
			t.Errorf("%v", rules)
		}
		steps := b.History(w)
		n := slices.IndexFunc(steps, func(s Step) bool { return s.What == "changed" })
		if n < 0 || len(steps[n].Changes) != 2 || steps[n].Changes[0].Field != "expires" || !slices.Equal(steps[n].Changes[1].New, []string{"CISORP 5104", "EMMA_ID CZ05104"}) {
			t.Errorf("%+v", steps)
		}
	}
	if text := fmt.Sprintf("%+v", b.Copies); strings.Contains(text, "Předpovídajícího") {
		t.Error("a forecaster is named")
	}
	// The feed stops: what it said goes on, its end is not known, and nothing is "over".
	r.wait(20 * time.Hour)
	same(t, events(r.warnings()), "Silný vítr lapsed expired [chmi meteoalarm]", "Velmi silný vítr ended absent [chmi]", "Silný mráz in_force  [chmi]")
	// It comes again without the wind: that is an end.
	r.fetched("chmi", "okpr", store.Live, bulletin(9, r.clk.Now(), frost))
	same(t, events(r.warnings()), "Silný vítr ended expired [chmi meteoalarm]", "Velmi silný vítr ended absent [chmi]", "Silný mráz in_force  [chmi]")
}

// TestCarriers: the copies of one German warning by their original identifier, and the
// end by a message whose references are broken as MoWaS breaks them.
func TestCarriers(t *testing.T) {
	r := newRig(t)
	message := func(id, kind, references, status string, expires time.Time) []byte {
		return []byte(fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>%s</identifier><sender>CAP@dwd.de</sender><sent>%s</sent><status>%s</status><msgType>%s</msgType><scope>Public</scope>%s<info><language>de-DE</language><category>Met</category><event>WINDBÖEN</event><urgency>Immediate</urgency><severity>Minor</severity><certainty>Likely</certainty><eventCode><valueName>II</valueName><value>51</value></eventCode><onset>%s</onset><expires>%s</expires><headline>Amtliche WARNUNG</headline><area><areaDesc>Görlitz</areaDesc><geocode><valueName>WARNCELLID</valueName><value>114626000</value></geocode></area></info></alert>`,
			id, r.clk.Now().Format("2006-01-02T15:04:05-07:00"), status, kind, references, start.Format("2006-01-02T15:04:05-07:00"), expires.Format("2006-01-02T15:04:05-07:00")))
	}
	const original = "2.49.0.0.276.0.DWD.PVW.1.1"
	r.fetched("dwd", "diff", store.Live, message(original, "Alert", "", "Actual", start.Add(time.Hour)))
	r.fetched("nina", "dwd", store.Live, []byte(`[{"id":"dwd.`+original+`","version":1,"startDate":"2026-11-30T07:00:00+01:00","severity":"Minor","type":"Alert","i18nTitle":{"de":"Amtliche WARNUNG"}}]`))
	same(t, events(r.warnings()), "WINDBÖEN in_force  [dwd nina]")
	r.wait(10 * time.Minute)
	r.fetched("dwd", "diff", store.Live, message("2.49.0.0.276.0.DWD.PVW.1.2", "Cancel", "<references>CAP@dwd.de other@dwd.de,2.49.0.0.276.0.DWD.PVW.lost "+original+",2026-11-30T06:00:00-00:00</references>", "Actual", start.Add(time.Hour)))
	same(t, events(r.warnings()), "WINDBÖEN ended cancelled [dwd nina]")
	// An exercise is another warning, whatever it refers to.
	r.fetched("dwd", "diff", store.Live, message("2.49.0.0.276.0.DWD.PVW.1.3", "Update", "<references>CAP@dwd.de,"+original+",2026-11-30T06:00:00-00:00</references>", "Exercise", start.Add(time.Hour)))
	same(t, events(r.warnings()), "WINDBÖEN ended cancelled [dwd nina]", "WINDBÖEN in_force  [dwd]")
}

// TestSamples takes the real messages of others into one book.
func TestSamples(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the messages of others are no part of the repository")
	}
	r := newRig(t)
	r.clk.Advance(24 * time.Hour)
	for _, s := range []struct{ name, series, file string }{
		{"imgw-meteo", "pl", "imgw/weather_alerts.json"}, {"imgw-hydro", "pl", "imgw/hydrological_alerts.json"},
		{"dwd", "diff", "dwd/Z_CAP_C_EDZW_20170223134450_PVW_4.xml"}, {"nina", "mowas", "nina-mowas/mow.DE-HE-KS-SE106-20250313-106-001.json"},
	} {
		doc, err := os.ReadFile(filepath.Join(dir, "alerts", filepath.FromSlash(s.file)))
		r.ok(err)
		taken := r.fetched(s.name, s.series, store.Live, doc)
		if taken.Warnings == 0 || taken.New == 0 {
			t.Errorf("%s: %+v", s.file, taken)
		}
	}
	all := r.warnings()
	for _, w := range all {
		if len(w.Members) != 1 {
			t.Errorf("%s %+v", w.Says().Event, w.Links)
		}
		// The warning of a drill that ran as if it were real was taken back.
		if w.Lead.Source == "nina" && w.Phase != Ended {
			t.Errorf("%s is %s", w.Says().Event, w.Phase)
		}
	}
	t.Logf("%d warnings", len(all))
}

// TestEndless: without an end a warning holds as long as a list has it; one that no list
// ever had may be over after a week, and nobody says that it is.
func TestEndless(t *testing.T) {
	b := NewBook()
	message := *listed("once")
	message.Whole = false
	b.Take(Document{ID: "1", Feed: "nina", Series: "details", Kind: store.Live, Fetched: at(0)}, &message)
	b.Take(Document{ID: "2", Feed: "imgw-meteo", Series: "pl", Kind: store.Live, Fetched: at(0)}, listed("always"))
	phases := func(now time.Time) (once, always Phase) {
		for _, w := range b.Warnings(now) {
			switch w.Says().Event {
			case "once":
				once = w.Phase
			case "always":
				always = w.Phase
			}
		}
		return once, always
	}
	if a, c := phases(start.Add(6 * 24 * time.Hour)); a != InForce || c != InForce {
		t.Error(a, c)
	}
	if a, c := phases(start.Add(8 * 24 * time.Hour)); a != Lapsed || c != InForce {
		t.Error(a, c)
	}
}
