package river

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web/sign"
)

// marks of a row's status begin with one of these words.
var status = regexp.MustCompile(`^(verified|derived|from-memory|reconstruction)\b`)

// Every row has its mark, and one that claims to be verified or derived says by what.
func TestEveryRowHasItsMark(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		rows int
	}{
		"gauges.csv": {gaugesCSV, 39}, "rivers.csv": {riversCSV, 13}, "reaches.csv": {reachesCSV, 30}, "stages.csv": {stagesCSV, 12},
		"flood_2010.csv": {floodCSV, 28}, "reconstruction.csv": {reconstructionCSV, 3},
	} {
		rows, err := table(c.text)
		if err != nil {
			t.Fatal(name, err)
		}
		if len(rows) != c.rows {
			t.Errorf("%s: %d rows, want %d", name, len(rows), c.rows)
		}
		for i, r := range rows {
			if !status.MatchString(r["status"]) {
				t.Errorf("%s, row %d: status %q", name, i+1, r["status"])
			}
			if r["source"] == "" && !strings.HasPrefix(r["status"], "from-memory") {
				t.Errorf("%s, row %d: %q without a source", name, i+1, r["status"])
			}
		}
	}
}

// The tables of facts keep their marks, word for word.
func TestMarksOfTheFacts(t *testing.T) {
	folder := os.Getenv("TROJMEZI_SAMPLES")
	if folder == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: TestEveryRowHasItsMark shows the same without the originals")
	}
	read := func(name string) [][]string {
		text, err := os.ReadFile(filepath.Join(folder, "alerts", name))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := read("gauges.csv")
	column := func(name string) int { return slices.Index(rows[0], name) }
	for i, r := range rows[1:] {
		g := Shipped.Gauges[i]
		if g.Status != r[column("status")] || g.Source != r[column("source")] || g.Number != r[column("station_id")] || g.Country != r[column("country")] || !strings.HasPrefix(r[column("gauge")], g.Name) {
			t.Errorf("row %d: %+v is not %q", i+1, g, r)
		}
	}
	for i, r := range read("flood_2010_timeline.csv")[1:] {
		f := Flood2010()[i]
		if f.Local != r[0] || f.Precision != r[1] || f.Place != r[3] || f.Status != r[9] || f.Source != r[10] {
			t.Errorf("row %d: %+v is not %q", i+1, f, r)
		}
	}
}

// Levels from press are for tests alone: no shipped table has any.
func TestNoLevelsAreShipped(t *testing.T) {
	for name, text := range map[string]string{"gauges.csv": gaugesCSV, "reaches.csv": reachesCSV, "stages.csv": stagesCSV} {
		head, _, _ := strings.Cut(text, "\n")
		if strings.Contains(head, "cm") || strings.Contains(head, "level1") {
			t.Errorf("%s has levels: %s", name, head)
		}
	}
	text, err := os.ReadFile("testdata/levels.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table(string(text))
	if err != nil || len(rows) != 5 {
		t.Fatal(len(rows), err)
	}
	for _, r := range rows {
		if _, ok := Shipped.Gauge(r["key"]); !ok || r["status"] == "" {
			t.Errorf("%v", r)
		}
		if r["key"] == "de-goerlitz" && (r["level1_cm"] != "320" || r["level4_cm"] != "560") {
			t.Errorf("the tests of 2010 stand on other levels than %v", r)
		}
	}
}

// The tables fit together.
func TestTablesFit(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range Shipped.Gauges {
		if _, ok := Shipped.River(g.River); !ok || seen[g.Key] || strings.ContainsAny(g.Key, "/:") {
			t.Errorf("%+v", g)
		}
		seen[g.Key] = true
		if (g.Country == "PL") != (g.Number != "" && !math.IsNaN(g.Lat)) {
			t.Errorf("%s: number %q: the Polish ones are verified, the others open", g.Key, g.Number)
		}
	}
	placed := map[string]bool{}
	last := map[string]int{}
	for _, r := range Shipped.Reaches {
		if r.Position != last[r.River]+1 {
			t.Errorf("%s: position %d after %d", r.River, r.Position, last[r.River])
		}
		last[r.River] = r.Position
		switch r.What {
		case "gauge":
			if g, ok := Shipped.Gauge(r.Key); !ok || g.River != r.River || placed[r.Key] {
				t.Errorf("%+v", r)
			}
			placed[r.Key] = true
		case "mouth", "into":
			if _, ok := Shipped.River(r.Key); !ok {
				t.Errorf("%+v", r)
			}
		case "border", "dam":
		default:
			t.Errorf("%+v", r)
		}
	}
	for _, g := range Shipped.Gauges {
		if slices.Contains(Shipped.main(), g.River) && !placed[g.Key] {
			t.Errorf("%s has no place on its river", g.Key)
		}
	}
	for _, s := range Shipped.Stages {
		if !slices.Contains([]sign.Level{sign.L1, sign.L2, sign.L3, sign.L4}, s.Level) {
			t.Errorf("%+v", s)
		}
	}
	if len(Shipped.Acts("CZ")) != 3 || len(Shipped.Acts("DE")) != 4 || len(Shipped.Acts("PL")) != 2 {
		t.Error("an authority proclaims 3, 4 or 2 stages")
	}
}

// Each rule and mark has its texts, and each default is one that may be set.
func TestRulesAreExplained(t *testing.T) {
	texts, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Presets() {
		if !texts.Has("river.rule."+p.Name) || !texts.Has("river.rule."+p.Name+".why") || p.Preset < p.Least || p.Preset > p.Most {
			t.Errorf("%+v", p)
		}
	}
	for _, f := range Flood2010() {
		for _, key := range []string{f.TextKey(), f.TimeKey(), f.StatusKey()} {
			if !texts.Has(key) {
				t.Errorf("%s has no text of %s: %q, %q", f.Key, key, f.Precision, f.Status)
			}
		}
	}
	for _, m := range Marks {
		if !texts.Has("river.mark."+string(m)) || !texts.Has("river.doubt."+string(m)) {
			t.Errorf("no text of %s", m)
		}
	}
	for _, key := range []string{"river.hint", "river.notice.hint", "river.notice.hint.at"} {
		if !texts.Has(key) {
			t.Errorf("no text %s", key)
		}
	}
	for _, c := range []Cause{Up, Down, Fast, Past} {
		if !texts.Has("river.alarm."+string(c)) || !texts.Has("river.notice."+string(c)) {
			t.Errorf("no text of %s", c)
		}
	}
}
