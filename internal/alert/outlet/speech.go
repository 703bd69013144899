package outlet

import (
	_ "embed"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"trojmezi/internal/kernel/i18n"
)

//go:embed words.csv
var wordsCSV string

// entry is a word of words.csv by language, kind and key.
type entry struct {
	lang      i18n.Lang
	kind, key string
}

// words are what numbers, units and abbreviations are read as. Nobody who speaks the
// languages for a living has checked them.
var words = func() map[entry][5]string {
	all := map[entry][5]string{}
	rows, err := csv.NewReader(strings.NewReader(wordsCSV)).ReadAll()
	if err != nil {
		panic(err) // a table of our own
	}
	for _, r := range rows[1:] {
		all[entry{i18n.Lang(r[0]), r[1], r[2]}] = [5]string(r[3:8])
	}
	return all
}()

func word(l i18n.Lang, kind string, key any) string { return words[entry{l, kind, fmt.Sprint(key)}][0] }

// Piece is a stretch of a text with how a voice reads it.
type Piece struct{ Text, Spoken string }

// patterns are what a voice would read wrong, each with how many groups it has; the
// first that fits at a place wins.
var patterns = map[i18n.Lang]*regexp.Regexp{}

// Places of the groups in patterns.
const (
	phoneGroup = 1
	dayGroup   = 2 // with month and year
	hourGroup  = 5 // with minute
	wholeGroup = 7 // with fraction and unit
	shortGroup = 10
)

func init() {
	for _, l := range i18n.Langs {
		var units, shorts []string
		for e := range words {
			if e.lang == l && e.kind == "unit" {
				units = append(units, regexp.QuoteMeta(e.key))
			}
			if e.lang == l && e.kind == "short" {
				shorts = append(shorts, regexp.QuoteMeta(e.key))
			}
		}
		longest := func(a, b string) int { return len(b) - len(a) }
		slices.Sort(units)
		slices.Sort(shorts)
		slices.SortStableFunc(units, longest)
		slices.SortStableFunc(shorts, longest)
		date := `(\d{1,2})\.[ \x{a0}]?(\d{1,2})\.[ \x{a0}]?(\d{4})`
		if l == i18n.En {
			date = `(\d{1,2})[ \x{a0}](January|February|March|April|May|June|July|August|September|October|November|December)[ \x{a0}](\d{4})`
		}
		patterns[l] = regexp.MustCompile(`(\+\d(?:[ \x{a0}\x{202f}]?\d){6,})|` + date + `|([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?|` +
			`(\d+(?:[\x{202f}\x{a0}]\d{3})*)(?:[.,](\d+))?(?:[ \x{a0}\x{202f}]?(` + strings.Join(units, "|") + `))?|(` + strings.Join(shorts, "|") + `)`)
	}
}

// Spell cuts a text of a language into pieces. The pieces' texts together are the text,
// byte for byte; their spoken words have no digit, no unit and no known abbreviation.
func Spell(l i18n.Lang, text string) (all []Piece) {
	pattern := patterns[l]
	if pattern == nil { // of a language that this product does not speak
		return []Piece{{text, text}}
	}
	from := 0
	for from < len(text) {
		m := pattern.FindStringSubmatchIndex(text[from:])
		if m == nil {
			break
		}
		start, end := from+m[0], from+m[1]
		group := func(n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return text[from+m[2*n] : from+m[2*n+1]]
		}
		spoken := ""
		switch {
		case group(phoneGroup) != "":
			spoken = digits(l, group(phoneGroup))
		case group(dayGroup) != "":
			spoken = date(l, group(dayGroup), group(dayGroup+1), group(dayGroup+2))
		case group(hourGroup) != "" || group(hourGroup+1) != "":
			spoken = timeOfDay(l, group(hourGroup), group(hourGroup+1))
		case group(wholeGroup) != "":
			unit := group(wholeGroup + 2)
			if unit != "" && letterAt(text, end) && letter(lastRune(unit)) {
				end -= len(text[from:end]) - len(strings.TrimRight(strings.TrimSuffix(text[from:end], unit), " \u00a0\u202f"))
				unit = "" // "3 minuty" is no minute with "uty" behind
			}
			spoken = quantity(l, group(wholeGroup), group(wholeGroup+1), unit, text[end:])
		case letterBefore(text, start) || letterAt(text, end) && letter(lastRune(group(shortGroup))):
		default:
			spoken = word(l, "short", group(shortGroup))
		}
		if spoken == "" { // part of a word: a voice reads it as it stands
			_, size := utf8.DecodeRuneInString(text[start:])
			all = append(all, Piece{text[from : start+size], text[from : start+size]})
			from = start + size
			continue
		}
		if start > from {
			all = append(all, Piece{text[from:start], text[from:start]})
		}
		// What stands directly at a number is a word of its own to a voice.
		if letterBefore(text, start) {
			spoken = " " + spoken
		}
		if letterAt(text, end) {
			spoken += " "
		}
		all = append(all, Piece{text[start:end], spoken})
		from = end
	}
	if from < len(text) {
		all = append(all, Piece{text[from:], text[from:]})
	}
	return all
}

func letter(r rune) bool { return unicode.IsLetter(r) }

func lastRune(s string) rune { r, _ := utf8.DecodeLastRuneInString(s); return r }

func letterAt(text string, i int) bool {
	r, _ := utf8.DecodeRuneInString(text[i:])
	return letter(r)
}

func letterBefore(text string, i int) bool { return letter(lastRune(text[:i])) }

// digits reads a number of telephones digit by digit, with a pause at each group.
func digits(l i18n.Lang, number string) string {
	var all []string
	for _, r := range number {
		switch {
		case r >= '0' && r <= '9':
			all = append(all, word(l, "number", string(r)))
		case r != '+' && len(all) > 0 && !strings.HasSuffix(all[len(all)-1], ","):
			all[len(all)-1] += ","
		}
	}
	return strings.Join(all, " ")
}

// emergency numbers are read digit by digit, as people know them.
var emergency = []string{"110", "112", "150", "155", "156", "158", "997", "998", "999"}

func number(l i18n.Lang, n int) string {
	const most = 1_000_000
	if n >= most {
		return digits(l, strconv.Itoa(n))
	}
	var all []string
	if k := n / 1000; k > 0 {
		form := words[entry{l, "thousand", ""}][slices.Index(forms, i18n.Form(l, int64(k)))]
		switch {
		case k > 1 && l == i18n.De:
			form = number(l, k) + form
		case k > 1 || l == i18n.En:
			form = number(l, k) + " " + form
		case l == i18n.De:
			form = "ein" + form
		}
		all = append(all, form)
		if n %= 1000; n == 0 {
			return all[0]
		}
	}
	if h := n / 100 * 100; h > 0 {
		all = append(all, word(l, "number", h))
		if n %= 100; n == 0 {
			return strings.Join(all, join(l))
		}
	}
	switch ten, one := n/10*10, n%10; {
	case n < 20 || one == 0:
		all = append(all, word(l, "number", n))
	case l == i18n.De:
		unit := word(l, "number", one)
		if one == 1 {
			unit = "ein"
		}
		all = append(all, unit+"und"+word(l, "number", ten))
	case l == i18n.En:
		all = append(all, word(l, "number", ten)+"-"+word(l, "number", one))
	default:
		all = append(all, word(l, "number", ten), word(l, "number", one))
	}
	return strings.Join(all, join(l))
}

// join is what stands between the parts of a number.
func join(l i18n.Lang) string {
	if l == i18n.De {
		return ""
	}
	return " "
}

// forms are those of a word that goes with a number, as words.csv has them.
var forms = []string{"one", "few", "many", "other"}

// gendered is a number whose one or two agrees with what follows.
func gendered(l i18n.Lang, n int, gender string) string {
	w, ok := words[entry{l, "gender", gender}]
	text := number(l, n)
	switch {
	case !ok:
	case n == 1:
		return w[0]
	case n%10 == 2 && n%100 != 12:
		return strings.TrimSuffix(text, word(l, "number", 2)) + w[1]
	}
	return text
}

// quantity reads a number with what follows it.
func quantity(l i18n.Lang, whole, fraction, unit, rest string) string {
	whole = strings.NewReplacer("\u202f", "", "\u00a0", "").Replace(whole)
	if fraction == "" && unit == "" && (slices.Contains(emergency, whole) || len(whole) > 6 || len(whole) > 1 && whole[0] == '0') {
		return digits(l, whole)
	}
	n, err := strconv.Atoi(whole)
	if err != nil {
		return digits(l, whole)
	}
	u := words[entry{l, "unit", unit}] // gender and four forms
	if fraction != "" {
		text := number(l, n) + " " + word(l, "say", "point") + " " + digits(l, fraction)
		if unit == "" {
			return text
		}
		if l == i18n.Cs {
			return text + " " + u[3]
		}
		return text + " " + u[4]
	}
	if unit != "" {
		return gendered(l, n, u[0]) + " " + u[1+slices.Index(forms, i18n.Form(l, int64(n)))]
	}
	next, _, _ := strings.Cut(strings.TrimLeft(rest, " \u00a0"), " ")
	next = strings.TrimRight(next, ".,;:!?)")
	for e, w := range words {
		if e.lang == l && e.kind == "noun" && strings.HasPrefix(next, e.key) {
			gender := w[0]
			if r := lastRune(next); gender == "f" && (r == 'u' || r == 'ę') {
				gender = "fa"
			}
			return gendered(l, n, gender)
		}
	}
	return number(l, n)
}

// date reads a day of a year.
func date(l i18n.Lang, day, month, year string) string {
	d, _ := strconv.Atoi(day)
	m, _ := strconv.Atoi(month)
	y, _ := strconv.Atoi(year)
	name := word(l, "month", m)
	if l == i18n.En {
		name = month
	}
	if word(l, "day", d) == "" || name == "" {
		return digits(l, day+" "+month+" "+year)
	}
	switch l {
	case i18n.En:
		spoken := number(l, y)
		if y%100 >= 10 && y/100 >= 11 {
			spoken = number(l, y/100) + " " + number(l, y%100)
		}
		return word(l, "say", "the") + " " + word(l, "day", d) + " " + word(l, "say", "of") + " " + name + " " + spoken
	case i18n.Pl:
		if last := word(l, "day", y-2000); last != "" { // years are ordinals, as days are
			return word(l, "day", d) + " " + name + " " + number(l, 2000) + " " + last + " " + word(l, "say", "year")
		}
	}
	return word(l, "day", d) + " " + name + " " + number(l, y)
}

// timeOfDay reads a time of day.
func timeOfDay(l i18n.Lang, hour, minute string) string {
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi(minute)
	switch l {
	case i18n.Cs:
		text := quantity(l, strconv.Itoa(h), "", "h", "")
		if m > 0 {
			text += " " + quantity(l, strconv.Itoa(m), "", "min", "")
		}
		return text
	case i18n.De:
		text := gendered(l, h, "n") + " " + word(l, "say", "clock")
		if m > 0 {
			text += " " + number(l, m)
		}
		return text
	case i18n.Pl:
		text := word(l, "say", "clock") + " " + word(l, "hour", h)
		if m > 0 && m < 10 {
			text += " " + number(l, 0)
		}
		if m > 0 {
			text += " " + number(l, m)
		}
		return text
	}
	switch {
	case m == 0:
		return number(l, h) + " " + word(l, "say", "clock")
	case m < 10:
		return number(l, h) + " " + word(l, "say", "zero") + " " + number(l, m)
	}
	return number(l, h) + " " + number(l, m)
}

// spoken is a text as plain words.
func spoken(l i18n.Lang, text string) string {
	var b strings.Builder
	for _, p := range Spell(l, text) {
		b.WriteString(p.Spoken)
	}
	// Brackets are heard as pauses.
	return strings.Join(strings.Fields(strings.NewReplacer(" (", ", ", "),", ",", ").", ".", ")", ",", "–", ",", "\u00a0", " ").Replace(b.String())), " ")
}

// Speech is what a voice says.
type Speech struct {
	Lang  i18n.Lang
	Plain string // sentences
	SSML  string // spec: Speech Synthesis Markup Language 1.1
}

// sentence ends a text that has no end.
func sentence(text string) string {
	if text = strings.TrimSpace(text); text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// Speak is an item for a voice. Of an own notice all is spelled out. Of a relay the
// official words stand as they are, in the language they were written in; how to read
// them stands beside them in the markup, which leaves them as they are.
func (v Voice) Speak(i *Item, l i18n.Lang) Speech {
	t := i.In(l)
	said := langOf(t.Language)
	marks := lines(v.Marks(i, l))
	frame := marks
	var before, after []string
	if d := v.drill(i, l); d != "" {
		// Who turns the radio on in the middle hears it as well.
		before, after, frame = marks[:2], []string{marks[0]}, marks[2:]
	}
	var plain []string
	own := i.origin == OwnNotice
	put := func(lang i18n.Lang, text string, verbatim bool) {
		if verbatim {
			plain = append(plain, text)
		} else {
			plain = append(plain, spoken(lang, sentence(text)))
		}
	}
	var b strings.Builder
	b.WriteString(xml.Header + `<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="` + string(l) + `">`)
	part := func(lang, name string, texts ...string) {
		for _, text := range texts {
			fmt.Fprintf(&b, "\n<p xml:lang=%q><!--%s-->", attribute(lang), name)
			for _, p := range Spell(langOf(lang), text) {
				if p.Spoken == p.Text {
					b.WriteString(escaped(p.Text))
				} else {
					fmt.Fprintf(&b, `<sub alias="%s">%s</sub>`, escaped(strings.TrimSpace(p.Spoken)), escaped(p.Text))
				}
			}
			b.WriteString("</p>")
		}
	}
	for _, x := range before {
		put(l, x, false)
	}
	part(string(l), "drill", before...)
	opening := frame[0]
	put(l, opening, false)
	part(string(l), "origin", opening)
	for _, x := range Written(t) {
		put(said, x, !own)
		part(t.Language, "text", x)
	}
	if own { // else the end is the official text's to say
		put(l, v.until(i, l), false)
		part(string(l), "until", v.until(i, l))
	}
	for _, x := range frame[1:] {
		put(l, x, x == i.attribution && !own)
		part(string(l), "origin", x)
	}
	for _, x := range after {
		put(l, x, false)
	}
	part(string(l), "drill", after...)
	b.WriteString("\n</speak>\n")
	return Speech{Lang: l, Plain: strings.Join(plain, "\n") + "\n", SSML: b.String()}
}

func attribute(lang string) string {
	if lang == "" {
		return "en"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, lang)
}

// escaped is a text for XML, without a byte that no XML has.
func escaped(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
