package classification

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"trojmezi/internal/kernel/i18n"
)

// System is a list of codes for kinds of incidents.
type System string

// The systems, each with codes that make a tree of their own.
const (
	HZS  System = "cz-hzs" // Czech fire service: type/subtype, "3100/3108"
	SN   System = "de-sn"  // Saxon keywords: "Brand 2 (mittel)"
	PSP  System = "pl-psp" // Polish state fire service: class/kind, "Pożar/lasy"
	EMSI System = "emsi"   // ISO/TR 22351, EVENT.ETYPE.CATEGORY: "FIR/CLB"
	CISU System = "cisu"   // nature of fact of the French hub: "C04.01.00"
	CAP  System = "cap"    // CAP 1.2, info.category: "Fire"
)

// Systems are all of them, in the order in which they are shown.
var Systems = []System{HZS, SN, PSP, EMSI, CISU, CAP}

// SystemOf is the system in which control rooms of a country write; "" for none.
func SystemOf(country string) System {
	return map[string]System{"CZ": HZS, "DE": SN, "PL": PSP}[country]
}

// rootKey is the type of everything that nothing else names.
const rootKey = "other"

// Row is one kind of incident during a time: what it is called and which codes it has.
type Row struct {
	Key   string // "fire.building.low": what stands before a dot is the family
	Since string // first day (2006-01-02), "" for always
	Until string // first day on which it counts no more, "" for none
	Label map[i18n.Lang]Text
	Code  map[System][]Code
	Note  string

	Version int64 // 0: as the program brings it
	At      time.Time
	By      string // person's id, "" for the program
	Action  string // of the version, also the end of its text's key
}

// Text is a label; a draft until a person has checked it.
type Text struct {
	Text      string
	CheckedBy string    `json:",omitempty"` // person's id
	CheckedAt time.Time `json:",omitzero"`
}

// Draft reports whether nobody has checked the label.
func (t Text) Draft() bool { return t.CheckedBy == "" }

// Code is a code of a system.
type Code struct {
	Code     string
	Verified bool // against a published source; else it is from memory
	// Outward codes are sent for the type but do not name it: many types have them,
	// as "TH 1 (klein)".
	Outward bool `json:",omitempty"`
}

// valid reports whether the row counts on a day.
func (r *Row) valid(day string) bool { return r.Since <= day && (r.Until == "" || day < r.Until) }

// Label is what a code says in a language. The code itself always goes with it.
type Label struct {
	System System
	Code   string // as it came
	Key    string // of the type that names it
	Text   string
	Level  int // steps from the code up to what the label names; 0: it names the code itself
	Draft  bool
}

// Codes are what a code becomes in another system.
type Codes struct {
	From  System
	Code  string // the original
	To    System
	Codes []string // the first is the one to send
	Key   string   // of the type that has them
	Level int      // steps from the code up to that type
}

// Table is the crosswalk at one moment; it does not change and is safe for concurrent use.
type Table struct {
	rows       []*Row // by key, then day
	byKey      map[string][]*Row
	byCode     map[System]map[string][]named
	byLabel    map[string]string
	families   map[string]bool
	catalogues map[string]*Catalogue // by the neighbour's address
	dated      bool                  // some row has days
}

// named is a row that has a code.
type named struct {
	*Row
	Code
}

func newTable(rows []Row, catalogues map[string]*Catalogue) *Table {
	t := &Table{byKey: map[string][]*Row{}, byCode: map[System]map[string][]named{}, byLabel: map[string]string{}, families: map[string]bool{}, catalogues: catalogues}
	for _, s := range Systems {
		t.byCode[s] = map[string][]named{}
	}
	for i := range rows {
		t.rows = append(t.rows, &rows[i])
	}
	slices.SortFunc(t.rows, func(a, b *Row) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Since, b.Since)) })
	for _, r := range t.rows {
		t.byKey[r.Key] = append(t.byKey[r.Key], r)
		t.dated = t.dated || r.Since != "" || r.Until != ""
		for key := above(r.Key); key != ""; key = above(key) {
			t.families[key] = true
		}
		for s, codes := range r.Code {
			for _, c := range codes {
				for _, spelling := range spellings(s, c.Code) {
					t.byCode[s][spelling] = append(t.byCode[s][spelling], named{r, c})
				}
			}
		}
		for _, l := range i18n.Langs {
			if word := normal(r.Label[l].Text); word != "" {
				// Of two with the same words the family is the safe reading.
				if other, taken := t.byLabel[word]; !taken || len(r.Key) < len(other) {
					t.byLabel[word] = r.Key
				}
			}
		}
	}
	return t
}

// Rows are all rows, by key and first day. The caller must not change them.
func (t *Table) Rows() []*Row { return t.rows }

// above is the family of a key, "" for none.
func above(key string) string { return key[:max(0, strings.LastIndexByte(key, '.'))] }

// normal is how codes and words are compared.
func normal(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// spellings are the ways in which senders write a code: the Czech subtype stands for
// itself too, and a Saxon keyword without its explanation in brackets.
func spellings(s System, code string) []string {
	out := []string{normal(code)}
	switch s {
	case HZS:
		if _, sub, ok := strings.Cut(code, "/"); ok {
			out = append(out, sub)
		}
	case SN:
		if short := unbracketed(out[0]); short != out[0] {
			out = append(out, short)
		}
	}
	return out
}

func unbracketed(s string) string {
	a, rest, ok := strings.Cut(s, " (")
	if !ok {
		return s
	}
	_, b, _ := strings.Cut(rest, ")")
	return a + b
}

// parent is the normalized code above a normalized one in its system, "" for none.
func parent(s System, code string) string {
	switch s {
	case HZS, PSP, EMSI:
		return strings.TrimSpace(code[:max(0, strings.LastIndexByte(code, '/'))])
	case SN:
		if i := strings.LastIndex(code, " – "); i > 0 {
			return code[:i]
		}
		if short := unbracketed(code); short != code {
			return short
		}
		// "brand 2", but not what somebody wrote after a word that happens to be one.
		if i := strings.LastIndexByte(code, ' '); i > 0 && strings.Trim(code[i+1:], "0123456789") == "" {
			return code[:i]
		}
	case CISU: // c04.02.01, c04.02.00, c04.00.00
		switch {
		case len(code) == 9 && code[7:] != "00":
			return code[:7] + "00"
		case len(code) == 9 && code[4:6] != "00":
			return code[:4] + "00.00"
		}
	}
	return ""
}

// day is the date in the three countries.
func (t *Table) day(at time.Time) string {
	if !t.dated {
		return "0" // every row counts
	}
	return at.In(zone()).Format(time.DateOnly)
}

// row is the row of a key that counts on a day, nil for none.
func (t *Table) row(key, day string) *Row {
	for _, r := range t.byKey[key] {
		if r.valid(day) {
			return r
		}
	}
	return nil
}

// climb is the nearest row at or above a key, and how many steps up it stands.
func (t *Table) climb(key, day string) (*Row, int) {
	for steps := 0; key != ""; key, steps = above(key), steps+1 {
		if r := t.row(key, day); r != nil {
			return r, steps
		}
	}
	return nil, 0
}

// find is the row that names a code, and how many steps above the code it stands.
func (t *Table) find(s System, code, day string) (*Row, int) {
	index := t.byCode[s]
	if len(code) > maxCode {
		return nil, 0
	}
	var known []named // the nearest types that are sent as the code but not named by it
	level := 0
	for c := normal(code); c != ""; c, level = parent(s, c), level+1 {
		var inward, outward []named
		for _, n := range index[c] {
			if n.valid(day) {
				if n.Outward {
					outward = append(outward, n)
				} else {
					inward = append(inward, n)
				}
			}
		}
		if r, more := t.choose(s, inward, day); r != nil {
			return r, level + more
		}
		if len(known) == 0 {
			known = append(outward, inward...)
		}
	}
	if len(known) == 0 {
		return nil, 0
	}
	if r, _ := t.common(known, day); r != nil && t.families[r.Key] {
		return r, 1
	}
	return t.row(rootKey, day), level + 1
}

// choose is the row among those with the same code that names it: the only one, a
// family, with the Czech codes the one that was verified, else the family of all.
func (t *Table) choose(s System, all []named, day string) (*Row, int) {
	switch len(all) {
	case 0:
		return nil, 0
	case 1:
		return all[0].Row, 0
	}
	var best *Row
	for _, n := range all {
		if t.families[n.Key] && (best == nil || len(n.Key) < len(best.Key)) {
			best = n.Row
		}
	}
	if best != nil {
		return best, 0
	}
	if s == HZS {
		verified := slices.DeleteFunc(slices.Clone(all), func(n named) bool { return !n.Verified })
		if len(verified) == 1 {
			return verified[0].Row, 0
		}
	}
	return t.common(all, day)
}

// common is the nearest row above all of them; of one alone the one above it.
func (t *Table) common(all []named, day string) (*Row, int) {
	for key := above(all[0].Key); key != ""; key = above(key) {
		r := t.row(key, day)
		if r != nil && !slices.ContainsFunc(all, func(n named) bool { return n.Key != key && !strings.HasPrefix(n.Key, key+".") }) {
			return r, 1
		}
	}
	return nil, 0
}

// label is what a row is called.
func label(r *Row, l i18n.Lang, s System, code string, level int) Label {
	text := r.Label[l]
	return Label{System: s, Code: code, Key: r.Key, Text: text.Text, Level: level, Draft: text.Draft()}
}

// Label says what a code means at a time; false for a code of which not even a part
// is known.
func (t *Table) Label(s System, code string, l i18n.Lang, at time.Time) (Label, bool) {
	r, level := t.find(s, code, t.day(at))
	if r == nil {
		return Label{System: s, Code: code}, false
	}
	return label(r, l, s, code, level), true
}

// Named is the label of a type, or of the nearest family that is known.
func (t *Table) Named(key string, l i18n.Lang, at time.Time) (Label, bool) {
	r, level := t.climb(key, t.day(at))
	if r == nil {
		return Label{}, false
	}
	return label(r, l, "", "", level), true
}

// Map is what a code of one system becomes in another; Codes are empty where the
// other has nothing for it.
func (t *Table) Map(from System, code string, to System, at time.Time) Codes {
	out := Codes{From: from, Code: code, To: to}
	r, level := t.find(from, code, t.day(at))
	if r == nil {
		return out
	}
	got := t.CodesOf(r.Key, to, at)
	out.Codes, out.Key, out.Level = got.Codes, got.Key, level+got.Level
	return out
}

// CodesOf are the codes of a type in a system, else those of its family.
func (t *Table) CodesOf(key string, to System, at time.Time) Codes {
	day := t.day(at)
	for steps := 0; key != ""; key, steps = above(key), steps+1 {
		r := t.row(key, day)
		if r == nil || len(r.Code[to]) == 0 {
			continue
		}
		out := Codes{To: to, Key: r.Key, Level: steps}
		for _, c := range r.Code[to] {
			out.Codes = append(out.Codes, c.Code)
		}
		return out
	}
	return Codes{To: to}
}

// KeyOf is the type that has a label, in whichever language; "" for none.
func (t *Table) KeyOf(words string) string { return t.byLabel[normal(words)] }

// Offer are the labels from which somebody chooses what happened, in alphabetical order.
func (t *Table) Offer(l i18n.Lang, at time.Time) []string {
	day, all := t.day(at), map[string]bool{}
	for _, r := range t.rows {
		if r.valid(day) && r.Key != "test" && !strings.HasPrefix(r.Key, "test.") && r.Key != "exercise" {
			all[r.Label[l].Text] = true
		}
	}
	words := slices.Collect(maps.Keys(all))
	collate.New(language.Make(string(l))).SortStrings(words)
	return words
}

// Read says what a bare word means that a neighbour sent: a code of one of the
// systems in which he may write, words of a label, or an entry of the catalogue that
// was fetched from him. A whole code goes before a part of one.
func (t *Table) Read(word, sender string, systems []System, l i18n.Lang, at time.Time) (Label, bool) {
	var near Label
	for _, s := range systems {
		got, ok := t.Label(s, word, l, at)
		if ok && got.Level == 0 {
			return got, true
		}
		if ok && near.Text == "" {
			near = got
		}
	}
	if key := t.KeyOf(word); key != "" {
		if got, ok := t.Named(key, l, at); ok {
			got.Code = word
			return got, true
		}
	}
	if k, ok := t.catalogues[sender].keyword(word); ok {
		if key := t.KeyOf(k.Text); key != "" {
			if got, ok := t.Named(key, l, at); ok {
				got.Code, got.System = word, catalogueSystem
				return got, true
			}
		}
		if near.Text == "" {
			return Label{System: catalogueSystem, Code: word, Text: k.Text, Draft: true}, true
		}
	}
	return near, near.Text != ""
}
