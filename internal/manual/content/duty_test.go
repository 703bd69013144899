package content

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// TestDuties: all 98 rows are there, each in four languages, covered in one way; what a
// review asks for has a text.
func TestDuties(t *testing.T) {
	texts, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	n := map[Coverage]int{}
	for _, d := range Duties() {
		n[d.Coverage]++
		if d.Document != "" && !texts.Has("content.document."+d.Document) {
			t.Errorf("%s: the document %s has no text", d.ID, d.Document)
		}
		if d.Status == "verified" {
			t.Errorf("%s is called verified, and nobody has done that in the product", d.ID)
		}
	}
	if len(Duties()) != 98 || n[ByOthers] != 13 || n[ByAction]+n[ByReview] != 85 {
		t.Errorf("%d duties, %v", len(Duties()), n)
	}
	for id, set := range map[string]fact.Set{"MD002": {"jpo": "V"}, "MD090": {"municipal_police": false}, "MD092": {"below_dam": true}} {
		for _, d := range Duties() {
			if d.ID == id && (d.Guard.Eval(set) != fact.True || d.Guard.Eval(nil) != fact.Unknown) {
				t.Errorf("%s: %s", id, d.Guard.Source)
			}
		}
	}
}

// TestRefusedDuties: an author is told the line and what is wrong.
func TestRefusedDuties(t *testing.T) {
	head := strings.Join(columns, ",") + "\n"
	good := "MD001,a,b,c,d,obec,prevention,fire,all,once,133/1985,from-memory,review,fire_code\n"
	if _, err := ReadDuties([]byte(head + good)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"id,cs\n":          "line 1",
		head + good + good: "line 3, MD001",
		head + strings.Replace(good, ",b,", ",,", 1):                   "no text in de",
		head + strings.Replace(good, ",all,", ",has_helicopter,", 1):   "mapped onto no fact",
		head + strings.Replace(good, "from-memory", "", 1):             "no source or no status",
		head + strings.Replace(good, "review,fire_code", "review,", 1): "with its document",
		head + strings.Replace(good, "review", "tick", 1):              "coverage is",
	} {
		if _, err := ReadDuties([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestDutiesAgainstTable: what was compiled for the project is carried over whole.
func TestDutiesAgainstTable(t *testing.T) {
	samples := os.Getenv("TROJMEZI_SAMPLES")
	if samples == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the table of duties is not there")
	}
	f, err := os.Open(filepath.Join(samples, "law", "mayor_duties.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range Duties() {
		r := rows[i+1]
		if d.ID != r[0] || d.Text[i18n.Cs] != r[1] || d.Text[i18n.En] != r[2] || d.Actor != r[3] || d.Applies != r[6] || d.Deadline != r[7] || d.Source != r[8] || d.Status != r[9] {
			t.Errorf("%s differs from %v", d.ID, r)
		}
	}
}
