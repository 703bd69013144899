package register

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// entry is one name of one place as it is searched.
type entry struct {
	key   string   // folded, words separated by one space
	words []string // of key
	name  string   // as written
	place int
}

// maxQuery is the longest search text looked at, in bytes; the longest name has 40.
const maxQuery = 100

// leastTypo is the shortest search, in letters, in which one may be wrong:
// in shorter ones too much else is one letter away.
const leastTypo = 6

var plain = strings.NewReplacer("ł", "l", "ß", "ss", "đ", "d", "ø", "o")

// fold takes away diacritics and case, and makes everything that is no letter
// or digit a single space.
func fold(s string) string {
	var b strings.Builder
	gap := false
	for _, c := range norm.NFD.String(plain.Replace(strings.ToLower(s))) {
		switch {
		case unicode.Is(unicode.Mn, c):
		case unicode.IsLetter(c), unicode.IsDigit(c):
			if gap && b.Len() > 0 {
				b.WriteByte(' ')
			}
			gap = false
			b.WriteRune(c)
		default:
			gap = true
		}
	}
	return b.String()
}

// spelled is how German is written without its letters: Görlitz as Goerlitz.
var spelled = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue")

func (r *Register) index() {
	for i, p := range r.places {
		names := []string{p.Name}
		if p.Minority != "" {
			names = append(names, p.Minority)
		}
		for _, l := range []string{"cs", "de", "pl", "en"} {
			for lang, n := range p.Names {
				if string(lang) == l {
					names = append(names, n)
				}
			}
		}
		var keys []string
		for _, n := range names {
			for _, key := range []string{fold(n), fold(spelled.Replace(n))} {
				if !slices.Contains(keys, key) {
					keys = append(keys, key)
					r.names = append(r.names, entry{key, strings.Fields(key), n, i})
				}
			}
		}
		if p.Code != "" {
			r.names = append(r.names, entry{p.Code, []string{p.Code}, p.Name, i})
		}
	}
}

// How well a name fits, best first.
const (
	fitsWhole = iota // is the name
	fitsStart        // begins it
	fitsWords        // every word begins one of the name's
	fitsTypo         // begins it but for one letter
	fitsNot
)

// Search finds places by the beginning of a name in any of its languages, then
// by the beginnings of its words, then, if there is nothing else, with one
// letter mistyped; diacritics, case and hyphens do not count, and Görlitz is
// found as Goerlitz too. Codes are found like names. Matched is the name found.
// The best come first, then municipalities before settlements, large before
// small; at most limit.
func (r *Register) Search(q string, limit int) []Place {
	if len(q) > maxQuery || limit <= 0 {
		return nil
	}
	key := fold(q)
	if key == "" {
		return nil
	}
	words := strings.Fields(key)
	type found struct{ fit, entry int }
	best := map[int]found{}
	keep := func(e, fit int) {
		place := r.names[e].place
		fit *= 2
		if fit < 2*fitsNot && r.names[e].name != r.places[place].Name {
			fit++ // the local name goes before what the neighbours say
		}
		if b, ok := best[place]; fit < 2*fitsNot && (!ok || fit < b.fit) {
			best[place] = found{fit, e}
		}
	}
	for i := range r.names {
		keep(i, r.names[i].fit(key, words))
	}
	if len(best) == 0 && len([]rune(key)) >= leastTypo {
		for i := range r.names {
			if oneAway([]rune(key), []rune(r.names[i].key)) {
				keep(i, fitsTypo)
			}
		}
	}
	all := make([]Place, 0, len(best))
	fits := map[string]int{}
	for place, f := range best {
		p := r.places[place]
		p.Matched = r.names[f.entry].name
		fits[p.ID] = f.fit
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Place) int {
		if d := fits[a.ID] - fits[b.ID]; d != 0 {
			return d
		}
		return byImportance(a, b)
	})
	return all[:min(limit, len(all))]
}

func (e *entry) fit(key string, words []string) int {
	switch {
	case e.key == key:
		return fitsWhole
	case strings.HasPrefix(e.key, key):
		return fitsStart
	}
	for _, w := range words {
		if !slices.ContainsFunc(e.words, func(own string) bool { return strings.HasPrefix(own, w) }) {
			return fitsNot
		}
	}
	return fitsWords
}

// oneAway tells whether q becomes a beginning of key by changing, adding,
// leaving out or exchanging one letter, the first one excepted.
func oneAway(q, key []rune) bool {
	if len(key) == 0 || q[0] != key[0] {
		return false
	}
	i := 0
	for i < len(q) && i < len(key) && q[i] == key[i] {
		i++
	}
	starts := func(q, key []rune) bool {
		return len(q) <= len(key) && slices.Equal(q, key[:len(q)])
	}
	if i == len(q) || i == len(key) {
		return i >= len(q)-1
	}
	return starts(q[i+1:], key[i+1:]) || starts(q[i+1:], key[i:]) || starts(q[i:], key[i+1:]) ||
		i+1 < len(q) && i+1 < len(key) && q[i] == key[i+1] && q[i+1] == key[i] && starts(q[i+2:], key[i+2:])
}
