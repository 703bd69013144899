package feed

import (
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/cap"
)

// TestLocalMoment reads the clock on the wall, also in the nights that have an hour
// more or less.
func TestLocalMoment(t *testing.T) {
	zone := Zone("Europe/Warsaw")
	for _, c := range []struct {
		text  string
		end   bool
		want  string
		wrong string
	}{
		{"2025-07-11 20:00:00", true, "2025-07-11T18:00:00Z", ""},
		{"2025-01-11T20:00:00", false, "2025-01-11T19:00:00Z", ""},
		{"2026-10-25 02:30:00", false, "2026-10-25T00:30:00Z", "twice"},
		{"2026-10-25 02:30:00", true, "2026-10-25T01:30:00Z", "twice"},
		{"2026-10-25 01:59:59", true, "2026-10-24T23:59:59Z", ""},
		{"2026-10-25 03:00:00", false, "2026-10-25T02:00:00Z", ""},
		{"2026-03-29 02:30:00", false, "2026-03-29T01:30:00Z", "never"},
		{"2026-03-29 03:00:00", false, "2026-03-29T01:00:00Z", ""},
		{"9999-12-31 23:59:59", true, "", "forever"},
		{"11.07.2025", false, "", "time"},
		{"", false, "", ""},
	} {
		m, wrong := LocalMoment(c.text, zone, c.end)
		got := ""
		if !m.At.IsZero() {
			got = m.At.UTC().Format(time.RFC3339)
		}
		if got != c.want || wrong != c.wrong || m.Text != c.text {
			t.Errorf("%q: %q %q, want %q %q", c.text, got, wrong, c.want, c.wrong)
		}
	}
}

// TestSaysDrill: exercises that are sent as if they were none are known by their
// words, and real warnings are none because a word is like another. Each pattern has
// its mark.
func TestSaysDrill(t *testing.T) {
	raw, err := os.ReadFile("testdata/drills.csv")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases[1:] {
		if SaysDrill(c[0]) != (c[1] == "yes") {
			t.Errorf("%q: want %s", c[0], c[1])
		}
	}
	rows, err := csv.NewReader(strings.NewReader(drillsCSV)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		if r[3] == "" || !slices.Contains([]string{"cs", "de", "pl", "en"}, r[0]) {
			t.Errorf("%q has no mark", r)
		}
		if _, err := regexp.Compile(r[1]); err != nil {
			t.Error(err)
		}
	}
	for status, want := range map[string]Status{"Actual": Actual, "Exercise": Exercise, "Test": Test, "System": Test, "Draft": Exercise, "actual ": Exercise, "": Exercise} {
		if got := StatusOf(&cap.Alert{Status: status}); got != want {
			t.Errorf("%q: %s", status, got)
		}
	}
}
