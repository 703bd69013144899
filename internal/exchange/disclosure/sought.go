package disclosure

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Sought is what a person gave to be found by: a name, a telephone number or both, and
// when it was stored: at From or later, before To, each zero for no bound.
type Sought struct {
	Name, Phone string
	From, To    time.Time
}

// Likeness says by what something was found.
type Likeness string

// The likenesses, the surest first.
const (
	// ByBoth: the number is the same, and the name fits or there is none.
	ByBoth   Likeness = "both"
	ByNumber Likeness = "number" // the number alone: others may use it
	ByName   Likeness = "name"   // the name alone: others may have it
	ByText   Likeness = "text"   // name or number stands in a text, with whatever else
	ByWords  Likeness = "words"  // free words in the entry of a person who was found
)

// Mention is one place of a message in which a person was found.
type Mention struct {
	Group Group // Data for a text
	By    Likeness
	// Path is that of the person ("Callers[0]") or of the text ("Notes[2].Text").
	Path   string
	Values []Datum
}

// Datum is one value about the person.
type Datum struct {
	Path string // without numbers: "Callers.Phone"
	Text string
}

// phone is a telephone number: the code of its country, "" for an unknown one, and
// what is dialled within it.
type phone struct{ country, national string }

const (
	// leastPhone is the shortest number searched for, in digits: shorter ones are those
	// of services, and stand in any text.
	leastPhone = 6
	// leastName is the shortest word of a name that is searched for, in letters.
	leastName = 2
)

// readPhone reads a number as people write it: +420 601 234 567, 00420…, 0049 (0)3571…,
// 601234567. Without + or 00 a country is recognised only by the whole length, because
// 485 … is in Liberec and +48 in Poland.
func readPhone(s string) phone {
	d := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	switch {
	case strings.HasPrefix(strings.TrimSpace(s), "+"):
		return abroad(d)
	case strings.HasPrefix(d, "00"):
		return abroad(d[2:])
	case strings.HasPrefix(d, "420") && len(d) == 12, strings.HasPrefix(d, "48") && len(d) == 11, strings.HasPrefix(d, "49") && len(d) > 10:
		return abroad(d)
	}
	return phone{"", strings.TrimLeft(d, "0")}
}

// abroad splits a number with the code of its country.
func abroad(d string) phone {
	for _, c := range []string{"420", "48", "49"} {
		if rest, ok := strings.CutPrefix(d, c); ok {
			return phone{c, strings.TrimLeft(rest, "0")}
		}
	}
	return phone{"", d}
}

func (p phone) is() bool { return len(p.national) >= leastPhone }

func (p phone) same(q phone) bool {
	return p.is() && p.national == q.national && (p.country == "" || q.country == "" || p.country == q.country)
}

// in reports whether the number stands in a text, however it is spaced.
func (p phone) in(text string) bool {
	if !p.is() {
		return false
	}
	return slices.ContainsFunc(numbers.FindAllString(strings.ReplaceAll(text, "\u00a0", " "), -1), func(run string) bool {
		q := readPhone(run)
		return p.same(q) || len(p.national) >= national && strings.Contains(q.national, p.national)
	})
}

// nameWords are the words of a name that count.
func nameWords(s string) []string {
	return slices.DeleteFunc(i18n.Words(s), func(w string) bool { return utf8.RuneCountInString(w) < leastName })
}

// within reports whether all words of a are among those of b; no words are within none.
func within(a, b []string) bool {
	return len(a) > 0 && !slices.ContainsFunc(a, func(w string) bool { return !slices.Contains(b, w) })
}

// Empty reports whether there is nothing to search by.
func (q Sought) Empty() bool { return len(nameWords(q.Name)) == 0 && !readPhone(q.Phone).is() }

// Person compares a person with the sought one; "" when he is somebody else. Of a name
// all words must be there, or all that are there must be his: who called may have
// stated his family name only.
func (q Sought) Person(name, number string) Likeness {
	want, have := nameWords(q.Name), nameWords(name)
	fits := within(want, have) || within(have, want)
	same := readPhone(q.Phone).same(readPhone(number))
	switch {
	case same && (fits || len(want) > 0 && len(have) == 0):
		return ByBoth
	case same:
		return ByNumber
	case fits:
		return ByName
	}
	return ""
}

// Text reports whether a text has the number, or all words of the name, in it.
func (q Sought) Text(text string) bool {
	return within(nameWords(q.Name), i18n.Words(text)) || readPhone(q.Phone).in(text)
}

// Written finds the person in a text that is no message's.
func (q Sought) Written(text string) []Mention {
	if !q.Text(text) {
		return nil
	}
	return []Mention{{Group: Data, By: ByText, Values: []Datum{{Text: text}}}}
}

// Listed compares a person of a list that is no message's.
func (q Sought) Listed(g Group, n int, name, number, note string) (found []Mention) {
	e := entry{path: string(g) + "[" + strconv.Itoa(n) + "]", group: g, name: []string{name}, phone: number}
	for _, d := range []Datum{{"Person.Name", name}, {"Person.Phone", number}} {
		if d.Text != "" {
			e.values = append(e.values, d)
		}
	}
	if note != "" {
		e.free = []Mention{{Group: g, By: ByWords, Path: e.path + ".Note", Values: []Datum{{"Person.Note", note}}}}
	}
	return q.entry(&e)
}

// wordy are the values about a person that are written freely: others may stand there.
var wordy = []string{"Note", "Message", "Finding", "Indication"}

// entry is a person of a message in the making.
type entry struct {
	path   string
	group  Group
	name   []string
	phone  string
	values []Datum
	free   []Mention
}

// In finds the person in an incident: in the entries of persons, and in every text.
func (q Sought) In(i *incident.Incident) (found []Mention) {
	var entries []*entry
	p := &pass{}
	p.look = func(n int, v *incident.Value) {
		l, where := &leaves[n], p.where()
		if p.empty(v) {
			return
		}
		d := Datum{l.path, v.Text}
		if l.is == words || l.path == extraPersonal {
			if q.Text(v.Text) {
				found = append(found, q.text(where, d))
			}
			return
		}
		if !l.personal() {
			return
		}
		path, _, listed := strings.Cut(where, "].")
		if listed && l.group != Staff {
			path += "]"
		} else {
			path = where
		}
		if len(entries) == 0 || entries[len(entries)-1].path != path {
			entries = append(entries, &entry{path: path, group: l.group})
		}
		entries[len(entries)-1].add(l, where, d)
	}
	p.judge(reflect.ValueOf(i).Elem(), &model)
	for n := range i.Extra {
		p.path = append(p.path[:0], step{extraOther, n})
		if v := &i.Extra[n]; q.Text(v.Text) {
			found = append(found, q.text(p.where(), Datum{leaves[extraLeaf(v.Origin.Path)].path, v.Text}))
		}
	}
	for _, e := range entries {
		found = append(found, q.entry(e)...)
	}
	return found
}

// text is the mention in a text; one that gives what was asked for is about its group.
func (q Sought) text(path string, d Datum) Mention {
	g := Data
	if given, ok := ReadGiven(d.Text); ok {
		g = given
	}
	return Mention{Group: g, By: ByText, Path: path, Values: []Datum{d}}
}

func (e *entry) add(l *leaf, where string, d Datum) {
	switch last := l.parts[len(l.parts)-1]; {
	case slices.Contains(wordy, last):
		e.free = append(e.free, Mention{Group: l.group, By: ByWords, Path: where, Values: []Datum{d}})
		return
	case last == "Given", last == "Family", last == "Person":
		e.name = append(e.name, d.Text)
	case last == "Phone":
		e.phone = d.Text
	}
	e.values = append(e.values, d)
}

func (q Sought) entry(e *entry) (found []Mention) {
	by := q.Person(strings.Join(e.name, " "), e.phone)
	if by != "" {
		return append([]Mention{{Group: e.group, By: by, Path: e.path, Values: e.values}}, e.free...)
	}
	for _, m := range e.free { // somebody else's entry may speak of him
		if q.Text(m.Values[0].Text) {
			m.By = ByText
			found = append(found, m)
		}
	}
	return found
}

// Sources of what was found.
const (
	SourceMessage  = "message"  // of an incident
	SourceNote     = "note"     // a colleague's words about an incident
	SourceDraft    = "draft"    // a hand-over that was never sent
	SourceShift    = "shift"    // note of a shift
	SourceWithheld = "withheld" // kept to be given on asking
	SourceReason   = "reason"   // of an emergency
)

// Stored is a record in which a person was found.
type Stored struct {
	Ref      string // names nobody
	Source   string
	Kind     store.Kind
	At       time.Time // stored
	DeleteAt time.Time // its content is deleted in the second night after it; zero: with the incident
	Incident string    // common to all who work on it, "" for none
	Type     string    // keyword of the incident
	Place    string    // municipality of the incident
	Message  string    // messageId of a message
	Incoming bool
	Peer     string // the neighbour's OID
	Mentions []Mention
}

// Search is how far the search in the console has come. Found are references, which name
// nobody: all that goes from one step to the next.
type Search struct {
	Message, Note int64 // the last that was looked at
	Done, All     int64 // records looked at, and how many there are
	Erased        int64 // messages of that time whose content is deleted
	Found         []string
	Finished      bool
}

// MostFound bounds what one answer is about: a human looks at each.
const MostFound = 500

// Many reports whether the search ended because it found too much.
func (s Search) Many() bool { return len(s.Found) >= MostFound }
