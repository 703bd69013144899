package feed

import (
	"regexp"
	"strings"

	"trojmezi/internal/format/cap"
)

// drill recognises the words by which senders say in a headline that nobody is in
// danger, although the status says otherwise: exercises, trial alarms, the tests of
// sirens on their days.
var drill = regexp.MustCompile(`(?i)(^|[^\p{L}])(` +
	`cvičení|cvičn(á|é|ý|ého|ou)|zkouška sirén|zkušební (poplach|tón|výstraha)|` +
	`probealarm|probewarnung|übung(salarm|swarnung)?|testwarnung|warntag|sirenenprobe|` +
	`ćwiczeni(e|a|ach|owy|owa|owe)|(głośna )?próba syren|trening (systemu|syren)|alarm próbny|test syren|` +
	`exercise|drill|test (alert|warning|message)` +
	`)($|[^\p{L}])`)

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
