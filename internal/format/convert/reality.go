package convert

import (
	"strings"

	"trojmezi/internal/format/emsi"
)

// reality is whether a message is meant. Of several that it says the most careful
// counts: nothing that may be an exercise goes on as if it were none.
type reality struct {
	mode string // as EMSI calls it; never ""
	word string // leads the description of what is no reality; "" for what is one
	rank int
}

// The modes, from the most careful one on. A word that nobody knows is no reality
// until a person has looked at it.
var (
	isTest     = reality{"TEST", "TEST", 4}
	isExercise = reality{"EXERCS", "EXERCISE", 3}
	isUnknown  = reality{"EXERCS", "MODE", 2}
	isSystem   = reality{"SYSTEM", "SYSTEM", 1}
	isActual   = reality{"ACTUAL", "", 0}
)

// spoken are other words for modes: those of envelopes, and what people write.
var spoken = map[string]reality{
	"ACTUAL": isActual, "REAL": isActual, "LIVE": isActual, "EXERCS": isExercise, "EXERCISE": isExercise, "DRILL": isExercise, "TEST": isTest, "SYSTEM": isSystem,
}

// realityOf reads the modes a message names; none is an incident.
func realityOf(modes ...string) reality {
	found := isActual
	for _, m := range modes {
		m = strings.ToUpper(strings.TrimSpace(m))
		if m == "" {
			continue
		}
		r, known := spoken[m]
		if !known {
			// A misspelling, and not what stands above it: ACTUAL/EXERCISE is none.
			if near, _ := emsi.Known(emsi.ModeList, m); near != "" && !strings.Contains(m, "/") {
				r, known = spoken[near], true
			}
		}
		if !known {
			r = isUnknown
			r.word += " " + m
		}
		if r.rank > found.rank {
			found = r
		}
	}
	return found
}

// leads puts the word in front of a description that does not begin with it.
func (r reality) leads(description string) string {
	if r.word == "" || strings.HasPrefix(description, r.word+":") {
		return description
	}
	return strings.TrimSuffix(r.word+": "+description, ": ")
}

// ledBy is the most careful reality of which descriptions say that they are led by it.
func ledBy(descriptions ...string) reality {
	found := isActual
	for _, text := range descriptions {
		word, _, _ := strings.Cut(text, "\n")
		word, _, _ = strings.Cut(word, ":")
		word = strings.ToUpper(strings.TrimSpace(word))
		for _, r := range []reality{isTest, isExercise, isSystem, isUnknown} {
			// What a mode was that nobody knew, nobody knows afterwards either.
			if word == r.word || r == isUnknown && strings.HasPrefix(word, r.word+" ") {
				if r.rank > found.rank {
					found = r
				}
			}
		}
	}
	return found
}
