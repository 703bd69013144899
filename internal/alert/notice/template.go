package notice

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/river"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Kind is what may stand in a placeholder.
type Kind string

// The kinds.
const (
	KindGauge   Kind = "gauge"   // a station's own name
	KindLevel   Kind = "level"   // whole centimetres
	KindTime    Kind = "time"    // local day and time
	KindPlace   Kind = "place"   // of the register, in the reader's language and the local one
	KindRiver   Kind = "river"   // in the reader's language where it has a name there
	KindStreet  Kind = "street"  // as it is called there
	KindMeeting Kind = "meeting" // as it is called there
	KindPhone   Kind = "phone"   // with the code of its country
	KindNumber  Kind = "number"  // a whole number; chooses plural forms
	KindWords   Kind = "words"   // free words, in the language they were written in
)

// Kinds lists them.
var Kinds = []Kind{KindGauge, KindLevel, KindTime, KindPlace, KindRiver, KindStreet, KindMeeting, KindPhone, KindNumber, KindWords}

// Slot is a placeholder of a template.
type Slot struct {
	Name string
	Kind Kind
}

// Part is one of the texts of a message.
type Part string

// The parts, as CAP has them.
const (
	PartEvent       Part = "event"
	PartHeadline    Part = "headline"
	PartText        Part = "text"
	PartInstruction Part = "instruction"
)

// Parts lists them.
var Parts = []Part{PartEvent, PartHeadline, PartText, PartInstruction}

// Words are the parts of a message in one language.
type Words map[Part]string

// Check is who found a text right, and when.
type Check struct {
	By string
	At time.Time
}

// Template is the text of a hazard in four languages. Its version names its words:
// the same words have the same version.
type Template struct {
	ID, Version string
	Hazard      string
	// Category, Response, Urgency, Severity and Certainty are those of CAP; several
	// categories or responses stand apart by spaces.
	Category, Response           string
	Urgency, Severity, Certainty string
	Immediate                    bool // immediate danger to life
	Hours                        int  // how long a notice holds unless its author says otherwise
	Slots                        []Slot
	Texts                        map[i18n.Lang]Words
	Retired                      bool
	From                         time.Time // zero: shipped
	By                           string    // id of the person; "": shipped
	Checked                      map[i18n.Lang]Check
}

// The words of CAP a template may use (spec: CAP 1.2, §3.2.2).
var (
	categories = []string{"Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"}
	responses  = []string{"Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"}
	urgencies  = []string{"Immediate", "Expected", "Future", "Past", "Unknown"}
	severities = []string{"Extreme", "Severe", "Moderate", "Minor", "Unknown"}
	certainty  = []string{"Observed", "Likely", "Possible", "Unlikely", "Unknown"}
)

// Bounds of a template: what is longer is read by nobody who has to run.
const (
	maxPart  = 1200
	maxHours = 24 * 14
	maxValue = 200
)

// forms are the plural forms of a language in the order in which a text lists them.
var forms = map[i18n.Lang][]string{
	i18n.Cs: {"one", "few", "many", "other"}, i18n.Pl: {"one", "few", "many", "other"},
	i18n.De: {"one", "other"}, i18n.En: {"one", "other"},
}

// Fault is what is wrong with a template, a value or a line of a file.
type Fault struct {
	Line  int
	Field string
	Key   string
	Args  i18n.Args
}

// Refused is what was refused with all its faults.
type Refused struct{ Faults []Fault }

func (r *Refused) Error() string {
	var b strings.Builder
	for _, f := range r.Faults {
		fmt.Fprintf(&b, " %d %s: %s", f.Line, f.Field, f.Key)
	}
	return "notice: refused:" + b.String()
}

// parseSlots reads "river:river at:time".
func parseSlots(s string) (all []Slot) {
	for w := range strings.FieldsSeq(s) {
		name, kind, _ := strings.Cut(w, ":")
		all = append(all, Slot{name, Kind(cmp.Or(kind, name))})
	}
	return all
}

func slotList(all []Slot) string {
	var words []string
	for _, s := range all {
		words = append(words, s.Name+":"+string(s.Kind))
	}
	return strings.Join(words, " ")
}

// hole is a placeholder in a text: {name} its value, {name|…|…} the word that goes with it.
type hole struct {
	name  string
	forms []string
}

// cut takes a text apart: what stands before each hole, and after the last.
func cut(text string) (literals []string, holes []hole, ok bool) {
	for {
		before, rest, found := strings.Cut(text, "{")
		if strings.Contains(before, "}") {
			return nil, nil, false
		}
		literals = append(literals, before)
		if !found {
			return literals, holes, true
		}
		inner, after, closed := strings.Cut(rest, "}")
		words := strings.Split(inner, "|")
		if !closed || words[0] == "" || strings.Contains(inner, "{") {
			return nil, nil, false
		}
		holes = append(holes, hole{words[0], words[1:]})
		text = after
	}
}

var slotName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,19}$`)
var templateID = regexp.MustCompile(`^[A-Z][A-Z0-9-]{1,19}$`)

func among(list []string, words string, several bool) bool {
	all := strings.Fields(words)
	return len(all) > 0 && (several || len(all) == 1) && !slices.ContainsFunc(all, func(w string) bool { return !slices.Contains(list, w) })
}

// check tells what is wrong with a template.
func (t *Template) check() (faults []Fault) {
	bad := func(field, key string, args i18n.Args) {
		faults = append(faults, Fault{Field: field, Key: key, Args: args})
	}
	if !templateID.MatchString(t.ID) {
		bad("id", "notice.fault.id", i18n.Args{"value": t.ID})
	}
	for _, w := range []struct {
		field, value string
		list         []string
		several      bool
	}{{"category", t.Category, categories, true}, {"response", t.Response, responses, true}, {"urgency", t.Urgency, urgencies, false},
		{"severity", t.Severity, severities, false}, {"certainty", t.Certainty, certainty, false}, {"hazard", t.Hazard, Hazards, false}} {
		if !among(w.list, w.value, w.several) {
			bad(w.field, "notice.fault.word", i18n.Args{"value": w.value, "list": strings.Join(w.list, ", ")})
		}
	}
	if t.Hours < 1 || t.Hours > maxHours {
		bad("hours", "notice.fault.hours", i18n.Args{"n": maxHours})
	}
	kinds := map[string]Kind{}
	for _, s := range t.Slots {
		if _, twice := kinds[s.Name]; twice || !slotName.MatchString(s.Name) || !slices.Contains(Kinds, s.Kind) {
			bad("slots", "notice.fault.slot", i18n.Args{"value": s.Name + ":" + string(s.Kind)})
		}
		kinds[s.Name] = s.Kind
	}
	used := map[string]map[i18n.Lang]bool{}
	for _, l := range i18n.Langs {
		for _, p := range Parts {
			field, text := string(p)+"_"+string(l), t.Texts[l][p]
			if strings.TrimSpace(text) == "" || len(text) > maxPart {
				bad(field, "notice.fault.length", i18n.Args{"n": maxPart})
				continue
			}
			_, holes, ok := cut(text)
			if !ok {
				bad(field, "notice.fault.braces", nil)
			}
			for _, h := range holes {
				kind, known := kinds[h.name]
				switch {
				case !known:
					bad(field, "notice.fault.unknown_slot", i18n.Args{"value": h.name})
				case len(h.forms) > 0 && (kind != KindNumber || len(h.forms) != len(forms[l])):
					bad(field, "notice.fault.plural", i18n.Args{"n": len(forms[l]), "forms": strings.Join(forms[l], ", ")})
				}
				if used[h.name] == nil {
					used[h.name] = map[i18n.Lang]bool{}
				}
				used[h.name][l] = true
			}
		}
	}
	for _, s := range t.Slots { // who reads one language must not know less
		for _, l := range i18n.Langs {
			if !used[s.Name][l] {
				bad("slots", "notice.fault.unused", i18n.Args{"value": s.Name, "lang": string(l)})
			}
		}
	}
	return faults
}

// Hazards are what templates are about.
var Hazards = []string{"dam_break", "flood_stage", "evacuation", "hazmat", "water_ban", "no_112", "storm", "power", "all_clear", "free"}

// fingerprint names the words of a template and all that decides what is sent with them.
func (t *Template) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %q %t %d %q", t.Hazard, t.Category, t.Response, t.Urgency, t.Severity, t.Certainty, t.Immediate, t.Hours, slotList(t.Slots))
	for _, l := range i18n.Langs {
		for _, p := range Parts {
			fmt.Fprintf(h, " %q", t.Texts[l][p])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// Drafts are the languages whose text nobody has found right yet.
func (t *Template) Drafts() (langs []i18n.Lang) {
	for _, l := range i18n.Langs {
		if _, ok := t.Checked[l]; !ok {
			langs = append(langs, l)
		}
	}
	return langs
}

// Voice writes values in a language.
type Voice struct {
	Texts  *i18n.Bundle
	Places *register.Register
}

// Value reads what somebody wrote into a placeholder, in the form that is kept: a time
// in UTC, a place by its id. It returns the key of what is wrong with it.
func (v Voice) Value(k Kind, text string, zone *time.Location) (kept, fault string) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" || len(text) > maxValue && k != KindWords || len(text) > maxPart {
		return "", "notice.fault.value"
	}
	if strings.ContainsAny(text, "{}") {
		return "", "notice.fault.value"
	}
	switch k {
	case KindLevel, KindNumber:
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(text, "cm")))
		if err != nil || n < 0 || n > 100_000 {
			return "", "notice.fault.number"
		}
		return strconv.Itoa(n), ""
	case KindTime:
		for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04"} {
			if t, err := time.ParseInLocation(layout, text, zone); err == nil {
				return t.UTC().Format(time.RFC3339), ""
			}
		}
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t.UTC().Format(time.RFC3339), ""
		}
		return "", "notice.fault.time"
	case KindPhone:
		digits := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, text)
		if strings.Trim(text, "+0123456789 /-()") != "" || len(digits) < 3 || len(digits) > 15 || len(digits) > 6 && text[0] != '+' {
			return "", "notice.fault.phone"
		}
		return text, ""
	case KindPlace:
		if _, ok := v.Places.Place(text); ok {
			return text, ""
		}
		name, local, _ := strings.Cut(strings.TrimSuffix(text, ")"), " (") // as In writes it
		for _, n := range []string{local, name} {
			for _, p := range v.Places.Search(n, 1) {
				if strings.EqualFold(p.Matched, n) {
					return p.ID, ""
				}
			}
		}
		return "", "notice.fault.place"
	}
	return text, ""
}

// In writes a kept value in a language.
func (v Voice) In(l i18n.Lang, k Kind, kept string) string {
	switch k {
	case KindLevel:
		n, _ := strconv.ParseInt(kept, 10, 64)
		return v.Texts.Number(l, n) + "\u00a0cm"
	case KindNumber:
		n, _ := strconv.ParseInt(kept, 10, 64)
		return v.Texts.Number(l, n)
	case KindTime:
		t, err := time.Parse(time.RFC3339, kept)
		if err != nil {
			return kept
		}
		// To the minute: nobody acts by seconds, and they sound like a machine.
		return v.Texts.Date(l, t) + ", " + t.In(zone).Format("15:04")
	case KindPlace:
		if p, ok := v.Places.Place(kept); ok {
			if name, local := p.In(l); local != "" {
				return name + " (" + local + ")"
			}
			return p.Name
		}
	case KindRiver:
		return v.river(l, kept)
	}
	return kept
}

// river is what a river is called in a language; a name nobody knows stays as it is.
func (v Voice) river(l i18n.Lang, name string) string {
	first, _, _ := strings.Cut(name, " / ") // as Rivers offers it to readers of English
	if r, ok := river.Shipped.Named(first); ok {
		return r.In(l)
	}
	return name
}

// Rivers are the names a writer of a language is offered.
func Rivers(l i18n.Lang) (names []string) {
	for _, r := range river.Shipped.Rivers {
		names = append(names, r.In(l))
	}
	return names
}

// Say writes the parts of a template in a language. from is the language free words
// were written in; in the others they are marked as not translated.
func (v Voice) Say(t *Template, l, from i18n.Lang, values map[string]string) Words {
	out := Words{}
	for _, p := range Parts {
		literals, holes, _ := cut(t.Texts[l][p])
		var b strings.Builder
		for i, text := range literals {
			b.WriteString(text)
			if i == len(holes) {
				break
			}
			h := holes[i]
			kind := t.kind(h.name)
			switch kept := values[h.name]; {
			case kept == "":
				b.WriteString("…")
			case len(h.forms) > 0:
				n, _ := strconv.ParseInt(kept, 10, 64)
				if at := slices.Index(forms[l], i18n.Form(l, n)); at >= 0 && at < len(h.forms) {
					b.WriteString(h.forms[at])
				}
			case kind == KindWords && l != from:
				b.WriteString(v.foreign(l, from, kept))
			default:
				b.WriteString(v.In(l, kind, kept))
			}
		}
		out[p] = b.String()
	}
	return out
}

// foreign is a text that stands among those of another language, and says so.
func (v Voice) foreign(l, from i18n.Lang, text string) string {
	return v.Texts.Text(l, "notice.say.foreign", i18n.Args{"lang": v.Texts.Text(l, "notice.in."+string(from), nil), "text": text})
}

func (t *Template) kind(slot string) Kind {
	for _, s := range t.Slots {
		if s.Name == slot {
			return s.Kind
		}
	}
	return ""
}

// zone is where the clocks of the three countries stand.
var zone = func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		panic(err) // i18n links the zone data
	}
	return z
}()
