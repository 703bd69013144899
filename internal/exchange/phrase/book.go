package phrase

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
)

// Phrase is one sentence in one version. A version's texts never change: whoever
// writes another text makes another version.
type Phrase struct {
	ID      string // P07; the authority's own ones begin with another letter
	Version string // 2026-1, or x and eight digits of the texts' hash
	Group   string // one of Groups
	Slots   []Slot
	Texts   map[i18n.Lang]Text
	From    time.Time // in force since; zero: as shipped
	By      string    // id of the person who wrote it, "" as shipped
	Retired bool      // the id is out of use since From
	Checked map[i18n.Lang]Check

	marks []mark // all checks of the version and what took them back, oldest first
}

// Text is a sentence in one language by plural form ("one", "few", "many",
// "other"); one without plural has the form "".
type Text map[string]string

// Check says who has found a text right.
type Check struct {
	By string // id
	At time.Time
}

// Groups of phrases, in the order in which they are shown.
var Groups = []string{"place", "injured", "trapped", "road", "access", "substance", "danger", "water", "units", "arrival", "helicopter", "call", "talk", "end", "own"}

// plurals are the forms of whole numbers (spec: CLDR, cardinal rules).
var plurals = map[i18n.Lang][]string{
	i18n.Cs: {"one", "few", "other"}, i18n.De: {"one", "other"}, i18n.Pl: {"one", "few", "many"}, i18n.En: {"one", "other"},
}

// Fault is what is wrong with a phrase or a value: where, and the key of a text.
type Fault struct {
	Line  int    // of a CSV file; 0: not from one
	Field string // column or placeholder
	Key   string
	Args  i18n.Args
}

var (
	idPattern   = regexp.MustCompile(`^[A-Z]{1,4}[0-9]{1,4}$`)
	slotPattern = regexp.MustCompile(`^[a-z]{1,16}$`)
	placeholder = regexp.MustCompile(`\{([^{}]*)\}`)
)

// maxText bounds one form of a sentence, in characters.
const maxText = 200

// count is the placeholder that chooses the plural form.
const count = "n"

// check returns every fault of a phrase.
func (p *Phrase) check() (faults []Fault) {
	add := func(field, key string, args i18n.Args) {
		faults = append(faults, Fault{Field: field, Key: key, Args: args})
	}
	if !idPattern.MatchString(p.ID) {
		add("id", "phrase.fault.id", i18n.Args{"value": p.ID})
	}
	if !slices.Contains(Groups, p.Group) {
		add("group", "phrase.fault.group", i18n.Args{"value": p.Group, "groups": strings.Join(Groups, ", ")})
	}
	seen := map[string]bool{}
	for _, s := range p.Slots {
		if !slotPattern.MatchString(s.Name) || seen[s.Name] || !slices.Contains(Kinds, s.Kind) || s.Name == count && s.Kind != Number {
			add("slots", "phrase.fault.slots", i18n.Args{"value": s.Name + ":" + string(s.Kind)})
		}
		seen[s.Name] = true
	}
	for _, l := range i18n.Langs {
		p.checkText(l, func(key string, args i18n.Args) { add(string(l), key, args) })
	}
	return faults
}

// checkText finds what is wrong with the sentence in one language. Each form has to
// name every placeholder: a value that one language does not show could be forged.
func (p *Phrase) checkText(l i18n.Lang, add func(string, i18n.Args)) {
	t := p.Texts[l]
	forms := []string{""}
	if _, plain := t[""]; !plain && p.slot(count) != nil && len(t) > 0 {
		forms = plurals[l]
	}
	strange := false
	for form := range t {
		if !slices.Contains(forms, form) {
			strange = true
			add("phrase.fault.form", i18n.Args{"form": form})
		}
	}
	for _, form := range forms {
		s := t[form]
		switch {
		case strings.TrimSpace(s) == "" && form == "":
			if !strange { // else there is a sentence, in forms that it cannot have
				add("phrase.fault.empty", nil)
			}
			continue
		case strings.TrimSpace(s) == "":
			add("phrase.fault.form_missing", i18n.Args{"form": form})
			continue
		case len([]rune(s)) > maxText:
			add("phrase.fault.long", i18n.Args{"n": maxText})
		case !plain(s) || strings.ContainsAny(s, "|[]") || strings.ContainsAny(s[:1], "=+-@") || strings.TrimSpace(s) != s:
			add("phrase.fault.signs", nil)
		}
		var names []string
		for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
			names = append(names, m[1])
			if p.slot(m[1]) == nil {
				add("phrase.fault.unknown_slot", i18n.Args{"slot": m[1]})
			}
		}
		if strings.ContainsAny(placeholder.ReplaceAllString(s, ""), "{}") {
			add("phrase.fault.signs", nil)
		}
		for _, slot := range p.Slots {
			if !slices.Contains(names, slot.Name) {
				add("phrase.fault.slot_missing", i18n.Args{"slot": slot.Name})
			}
		}
	}
}

// slot finds a placeholder; nil: there is none of that name.
func (p *Phrase) slot(name string) *Slot {
	for i := range p.Slots {
		if p.Slots[i].Name == name {
			return &p.Slots[i]
		}
	}
	return nil
}

// String is the text as a cell of a table has it: the sentence, or
// "one: … | few: … | other: …".
func (t Text) String() string {
	if s, ok := t[""]; ok || len(t) == 0 {
		return s
	}
	var parts []string
	for _, form := range []string{"one", "few", "many", "other"} {
		if s, ok := t[form]; ok {
			parts = append(parts, form+": "+s)
		}
	}
	return strings.Join(parts, " | ")
}

var formPattern = regexp.MustCompile(`^(one|few|many|other):\s*(.*)$`)

// ParseText reads a cell; what is no list of plural forms is one sentence.
func ParseText(cell string) Text {
	t := Text{}
	for part := range strings.SplitSeq(cell, "|") {
		m := formPattern.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return Text{"": strings.TrimSpace(cell)}
		}
		if _, twice := t[m[1]]; twice {
			return Text{"": strings.TrimSpace(cell)}
		}
		t[m[1]] = strings.TrimSpace(m[2])
	}
	return t
}

// Label is what a phrase is called in a list: the sentence in its most general form
// with words for its placeholders.
func (b *Book) Label(p *Phrase, l i18n.Lang) string {
	t := p.Texts[l]
	return placeholder.ReplaceAllStringFunc(cmp.Or(t[""], t["other"], t["many"]), func(m string) string {
		if slot := p.slot(m[1 : len(m)-1]); slot != nil {
			return "[" + b.texts.Text(l, "phrase.kind."+string(slot.Kind), nil) + "]"
		}
		return m
	})
}

// fingerprint is the version of texts that no shipped file has named.
func (p *Phrase) fingerprint() string {
	h := sha256.New()
	h.Write([]byte(slotList(p.Slots)))
	for _, l := range i18n.Langs {
		h.Write([]byte("\n" + p.Texts[l].String()))
	}
	return "x" + hex.EncodeToString(h.Sum(nil)[:4])
}

// slotList writes placeholders as a cell of a table has them.
func slotList(slots []Slot) string {
	var parts []string
	for _, s := range slots {
		parts = append(parts, s.Name+":"+string(s.Kind))
	}
	return strings.Join(parts, " ")
}

func parseSlots(cell string) (slots []Slot) {
	for _, part := range strings.Fields(cell) {
		name, kind, _ := strings.Cut(part, ":")
		slots = append(slots, Slot{name, Kind(kind)})
	}
	return slots
}

// Book is all versions of all phrases. It does not change; a new one is made when
// somebody writes in it.
type Book struct {
	phrases  []*Phrase          // in the order in which they came into force
	versions map[string]*Phrase // by id and version
	texts    *i18n.Bundle       // writes values
}

func newBook(phrases []*Phrase, texts *i18n.Bundle) *Book {
	b := &Book{phrases: phrases, versions: map[string]*Phrase{}, texts: texts}
	for _, p := range phrases {
		if _, ok := b.versions[p.ID+" "+p.Version]; !ok {
			b.versions[p.ID+" "+p.Version] = p
		}
	}
	return b
}

// InForce are the phrases in use at a moment, by group and then by id.
func (b *Book) InForce(at time.Time) []*Phrase {
	now := map[string]*Phrase{}
	for _, p := range b.phrases {
		if old := now[p.ID]; !p.From.After(at) && (old == nil || !p.From.Before(old.From)) {
			now[p.ID] = p
		}
	}
	var all []*Phrase
	for _, p := range now {
		if !p.Retired {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(x, y *Phrase) int {
		return cmp.Or(cmp.Compare(slices.Index(Groups, x.Group), slices.Index(Groups, y.Group)), compareIDs(x.ID, y.ID))
	})
	return all
}

// Group is a heading of the book with its phrases.
type Group struct {
	Name    string
	Phrases []*Phrase
}

// Groups are the phrases in use at a moment under their headings.
func (b *Book) Groups(at time.Time) (all []Group) {
	for _, p := range b.InForce(at) {
		if n := len(all); n == 0 || all[n-1].Name != p.Group {
			all = append(all, Group{Name: p.Group})
		}
		all[len(all)-1].Phrases = append(all[len(all)-1].Phrases, p)
	}
	return all
}

// compareIDs puts P2 before P10.
func compareIDs(a, b string) int {
	split := func(s string) (string, int) {
		i := strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' })
		if i < 0 {
			return s, 0
		}
		n, _ := strconv.Atoi(s[i:])
		return s[:i], n
	}
	la, na := split(a)
	lb, nb := split(b)
	return cmp.Or(cmp.Compare(la, lb), cmp.Compare(na, nb))
}

// Find is the phrase in use at a moment; nil: there is none.
func (b *Book) Find(id string, at time.Time) *Phrase {
	for _, p := range b.InForce(at) {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// History are all versions of a phrase, the newest first.
func (b *Book) History(id string) (all []*Phrase) {
	for _, p := range b.phrases {
		if p.ID == id {
			all = append(all, p)
		}
	}
	slices.Reverse(all)
	return all
}

// Shipped is the book without what any authority has changed.
func Shipped(texts *i18n.Bundle) (*Book, error) {
	phrases, faults := parseCSV(shipped, true)
	if len(faults) > 0 {
		return nil, &Refused{faults}
	}
	return newBook(phrases, texts), nil
}
