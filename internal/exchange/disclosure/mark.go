package disclosure

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"trojmezi/internal/format/incident"
)

// Category is that of the remarks by which nodes of ours tell each other what was
// withheld. Systems of others show or ignore it.
const Category = "trojmezi.withheld.v1"

// told are the words of a mark in the languages of the border: whoever reads it may
// have a system that knows no tag.
var told = map[Group]string{
	Callers:   "Caller’s data withheld / Údaje volajícího neuvedeny / Daten des Anrufers zurückgehalten / Dane zgłaszającego niepodane",
	Patients:  "Patients’ data withheld / Údaje pacientů neuvedeny / Daten der Patienten zurückgehalten / Dane pacjentów niepodane",
	Accused:   "Accused persons’ data withheld / Údaje podezřelých neuvedeny / Daten der Beschuldigten zurückgehalten / Dane podejrzanych niepodane",
	Victims:   "Victims’ data withheld / Údaje obětí neuvedeny / Daten der Opfer zurückgehalten / Dane pokrzywdzonych niepodane",
	Insurance: "Insurance data withheld / Údaje o pojištění neuvedeny / Versicherungsdaten zurückgehalten / Dane ubezpieczenia niepodane",
	Car:       "Vehicle’s number (VIN) withheld / VIN vozidla neuveden / Fahrzeugnummer (FIN) zurückgehalten / Numer VIN pojazdu niepodany",
	Staff:     "Sender’s person withheld / Osoba odesílatele neuvedena / Person beim Absender zurückgehalten / Osoba nadawcy niepodana",
	Data:      "Part of the data withheld / Část údajů neuvedena / Ein Teil der Daten zurückgehalten / Część danych niepodana",
}

const inPart = "in part / zčásti / teilweise / częściowo"

const available = "available, request it / lze vyžádat / auf Anfrage / dostępne na żądanie"

// tag is "[withheld:callers ask]" or "[withheld:patients 2]".
func (m Mark) tag() string {
	t := "[withheld:" + string(m.Group)
	if m.Ask {
		t += " ask"
	}
	if m.Persons > 0 {
		t += " " + strconv.Itoa(m.Persons)
	}
	return t + "]"
}

// Text is the mark as the receiver reads it.
func (m Mark) Text() string {
	text := m.tag() + " " + told[m.Group]
	if m.Part {
		text += " – " + inPart
	}
	if m.Persons > 0 {
		text += " (" + strconv.Itoa(m.Persons) + ")"
	}
	if m.Ask {
		text += " – " + available
	}
	return text
}

// note is the mark in the incident. Whoever writes it says when.
func (m Mark) note() incident.Note {
	derived := &incident.Origin{By: incident.Derived}
	return incident.Note{Text: incident.Value{Text: m.Text(), Origin: derived}, Category: incident.Value{Text: Category, Origin: derived}}
}

var tagged = regexp.MustCompile(`^\[(withheld|request|given):([a-z]+)( ask)?(?: ([0-9]{1,6}))?\]`)

// ReadMark reads what a remark says was withheld; false if it says nothing of it.
func ReadMark(text string) (Mark, bool) {
	m := tagged.FindStringSubmatch(text)
	if m == nil || m[1] != "withheld" || told[Group(m[2])] == "" {
		return Mark{}, false
	}
	n, _ := strconv.Atoi(m[4])
	return Mark{Group: Group(m[2]), Part: strings.Contains(text, inPart), Ask: m[3] != "", Persons: n}, true
}

// requested are the words of a request.
const requested = "Please give what was withheld / Prosíme o údaje, které nebyly uvedeny / Bitte die zurückgehaltenen Angaben mitteilen / Prosimy o dane, których nie podano"

// Request is the text that asks for what was withheld of a group.
func Request(g Group) string { return "[request:" + string(g) + "] " + requested }

// ReadRequest tells which group a text asks for; false if it is no request.
func ReadRequest(text string) (Group, bool) { return tagOf(text, "request") }

// Given is the text that gives it.
func Given(g Group, what string) string { return "[given:" + string(g) + "] " + what }

// ReadGiven tells which group a text gives; false if it gives none.
func ReadGiven(text string) (Group, bool) { return tagOf(text, "given") }

func tagOf(text, kind string) (Group, bool) {
	m := tagged.FindStringSubmatch(text)
	if m == nil || m[1] != kind || told[Group(m[2])] == "" {
		return "", false
	}
	return Group(m[2]), true
}

// Asked is what somebody is given who asks for a group: of each caller name and
// number, of a car its number; "" where there is nothing, or nothing that is given on
// asking.
func Asked(i *incident.Incident, g Group) string {
	var lines []string
	add := func(values ...incident.Value) {
		var parts []string
		for _, v := range values {
			if t := strings.TrimSpace(v.Text); t != "" {
				parts = append(parts, t)
			}
		}
		if len(parts) > 0 {
			lines = append(lines, strings.Join(parts, " "))
		}
	}
	switch g {
	case Callers:
		for _, c := range i.Callers {
			add(c.Given, c.Family, c.Phone)
		}
	case Patients:
		for _, c := range i.Patients {
			add(c.Person.Given, c.Person.Family, c.Person.Phone, c.Age, c.Gender, c.Indication, c.Finding, c.Person.Note)
		}
	case Car:
		add(i.Car.VIN)
	}
	return strings.Join(lines, "; ")
}

// cover covers a name in a text, wherever it stands as a word of its own, in any case;
// of a number also where it is written with other spaces.
func cover(text, name string) string {
	if digits, ok := number(name); ok {
		return coverNumber(text, digits)
	}
	lower, want := strings.ToLower(text), []rune(strings.ToLower(name))
	if !strings.Contains(lower, string(want)) {
		return text
	}
	// By characters: a small one may be written with another number of bytes (ẞ, ß).
	all, small := []rune(text), []rune(lower)
	word := func(n int) bool { return n >= 0 && n < len(small) && letter(small[n]) }
	var b strings.Builder
	for at := 0; at < len(all); {
		end := at + len(want)
		if end > len(all) || !slices.Equal(small[at:end], want) || word(at-1) || word(end) {
			b.WriteRune(all[at])
			at++
			continue
		}
		b.WriteString(Covered)
		at = end
	}
	return b.String()
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// number is the digits of a name that is a number of a telephone or the like.
func number(name string) (string, bool) {
	digits := make([]byte, 0, len(name))
	for _, c := range name {
		switch {
		case c >= '0' && c <= '9':
			digits = append(digits, byte(c))
		case !strings.ContainsRune(separators, c):
			return "", false
		}
	}
	return strings.TrimPrefix(string(digits), "00"), len(digits) >= 6
}

// national is how many digits of a number are dialled within its country.
const national = 9

// coverNumber covers in each run of digits, with what separates them, all up to the end
// of the number: what stands behind it may be another one.
func coverNumber(text, digits string) string {
	if len(digits) > national {
		digits = digits[len(digits)-national:]
	}
	return numbers.ReplaceAllStringFunc(text, func(run string) string {
		var out strings.Builder
		var seen []byte
		from := 0
		for n := range len(run) {
			if c := run[n]; c < '0' || c > '9' {
				continue
			}
			if seen = append(seen, run[n]); strings.HasSuffix(string(seen), digits) {
				out.WriteString(Covered)
				seen, from = seen[:0], n+1
			}
		}
		return out.String() + run[from:]
	})
}

// separators stand within a number: spaces, also those at which no line breaks, and
// what people write between its parts.
const separators = " \u00a0\u2009\u202f+-\u2010\u2011\u2013/()."

var numbers = regexp.MustCompile(`\+?[0-9][0-9 \x{a0}\x{2009}\x{202f}+\-\x{2010}\x{2011}\x{2013}/().]*[0-9]`)
