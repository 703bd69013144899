package feed

import (
	_ "embed"
	"encoding/csv"
	"regexp"
	"strings"

	"trojmezi/internal/format/cap"
)

// drillsCSV are the words by which senders say in a headline that nobody is in danger,
// although the status says otherwise: exercises, trial alarms, the tests of sirens on
// their days. The day alone is no sign: sirens also sound in earnest on a Wednesday.
//
//go:embed drills.csv
var drillsCSV string

var drill = func() *regexp.Regexp {
	rows, err := csv.NewReader(strings.NewReader(drillsCSV)).ReadAll()
	if err != nil {
		panic(err) // a test reads it
	}
	var patterns []string
	for _, r := range rows[1:] {
		patterns = append(patterns, r[1])
	}
	return regexp.MustCompile(`(?i)(^|[^\p{L}])(` + strings.Join(patterns, "|") + `)($|[^\p{L}])`)
}()

// SaysDrill reports whether one of the texts says that it is an exercise. Headlines and
// names of events are asked, and no descriptions: "an exercise was cancelled" stands in
// those of real warnings.
func SaysDrill(texts ...string) bool {
	for _, t := range texts {
		if mayDrill(t) && drill.MatchString(t) {
			return true
		}
	}
	return false
}

// stems are parts in plain letters of which each text that drill takes has one: nearly all
// headlines have none, and need no regular expression.
var stems = []string{"cvi", "zkou", "zku", "probe", "bung", "test", "warntag", "wiczeni", "syren", "trening", "alarm", "exercise", "drill"}

func mayDrill(t string) bool {
	for i := range len(t) {
		for _, stem := range stems {
			if t[i]|0x20 == stem[0] && len(t)-i >= len(stem) && strings.EqualFold(t[i:i+len(stem)], stem) {
				return true
			}
		}
	}
	return false
}

// StatusOf is what a message of CAP is for. A word that no list has is taken for an
// exercise until a person has looked at it, and so is a draft.
func StatusOf(a *cap.Alert) Status {
	switch a.Status {
	case cap.Actual:
		for i := range a.Infos {
			if SaysDrill(a.Infos[i].Headline, a.Infos[i].Event) {
				return Exercise
			}
		}
		if SaysDrill(a.Note) {
			return Exercise
		}
		return Actual
	case cap.Test, cap.System:
		return Test
	}
	return Exercise
}
