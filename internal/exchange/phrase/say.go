package phrase

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
)

// Said is a phrase with its values.
type Said struct {
	Phrase *Phrase
	Values map[string]string // by placeholder, as they travel
	Lang   i18n.Lang         // the sender's; "" before it is sent

	texts *i18n.Bundle
}

// Say fills a phrase of the book in with what a person typed. The faults name the
// placeholders; a nil Said has some.
func (b *Book) Say(p *Phrase, typed map[string]string, now time.Time) (*Said, []Fault) {
	s := &Said{Phrase: p, Values: map[string]string{}, texts: b.texts}
	var faults []Fault
	for _, slot := range p.Slots {
		v, key := slot.Accept(typed[slot.Name], now)
		if key != "" {
			faults = append(faults, Fault{Field: slot.Name, Key: key})
		}
		s.Values[slot.Name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(typed)) {
		if p.slot(name) == nil {
			faults = append(faults, Fault{Field: name, Key: "phrase.fault.unknown_slot", Args: i18n.Args{"slot": name}})
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return s, nil
}

// In is the sentence for a reader of l.
func (s *Said) In(l i18n.Lang) string {
	t := s.Phrase.Texts[l]
	text, single := t[""]
	if !single {
		n, _ := strconv.ParseInt(s.Values[count], 10, 64)
		text = t[i18n.Form(l, n)]
	}
	return placeholder.ReplaceAllStringFunc(text, func(m string) string {
		slot := s.Phrase.slot(m[1 : len(m)-1])
		if slot == nil {
			return m // check lets no such text into the book
		}
		return slot.write(s.texts, l, s.Values[slot.Name])
	})
}

// Untranslated reports whether words of a person stand in it as they are.
func (s *Said) Untranslated() bool {
	return slices.ContainsFunc(s.Phrase.Slots, func(x Slot) bool { return x.Kind == Words })
}

// Mark is how the line of a message begins that a node of ours reads. A message
// without it is no phrase.
const Mark = "[phrase "

// Text is the message for a receiver who presumably reads to, from a sender who
// writes own: the sentence in both languages and the line for nodes of ours.
//
//	3 verletzte Personen.
//	3 zraněné osoby.
//	[phrase 2026-1 P10 de,cs n=3]
func (s *Said) Text(to, own i18n.Lang) string {
	langs := []i18n.Lang{to, own}
	if to == own {
		langs = langs[:1]
	}
	var b strings.Builder
	for _, l := range langs {
		b.WriteString(s.In(l) + "\n")
	}
	b.WriteString(Mark + s.Phrase.Version + " " + s.Phrase.ID + " " + string(langs[0]))
	for _, l := range langs[1:] {
		b.WriteString("," + string(l))
	}
	for _, slot := range s.Phrase.Slots {
		b.WriteString(" " + slot.Name + "=" + quote(s.Values[slot.Name]))
	}
	b.WriteString("]")
	return b.String()
}

// quote writes a value: as it is where it is one word of letters and figures, else in
// quotation marks.
func quote(v string) string {
	if v != "" && !strings.ContainsFunc(v, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("+-.,:", r))
	}) {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// maxMessage bounds what is looked at for a tag, in bytes.
const maxMessage = 4 << 10

// Read recognises a message that Text has written. It is false for everything else:
// a version or phrase this book does not know, a value that may not travel, and
// sentences that are not exactly what the line says; such text is plain text.
func (b *Book) Read(message string) (*Said, bool) {
	if len(message) > maxMessage || !strings.Contains(message, Mark) {
		return nil, false
	}
	lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(message), "\r\n", "\n"), "\n")
	tag, ok := parseTag(lines[len(lines)-1])
	if !ok || len(lines) != len(tag.langs)+1 {
		return nil, false
	}
	p := b.versions[tag.id+" "+tag.version]
	if p == nil || len(tag.values) != len(p.Slots) {
		return nil, false
	}
	for _, slot := range p.Slots {
		if !slot.travels(tag.values[slot.Name]) {
			return nil, false
		}
	}
	s := &Said{Phrase: p, Values: tag.values, Lang: tag.langs[len(tag.langs)-1], texts: b.texts}
	for i, l := range tag.langs {
		if s.In(l) != lines[i] {
			return nil, false
		}
	}
	return s, true
}

// tag is the line of a message for nodes of ours.
type tag struct {
	version, id string
	langs       []i18n.Lang
	values      map[string]string
}

func parseTag(line string) (tag, bool) {
	t := tag{values: map[string]string{}}
	rest, ok := strings.CutPrefix(line, Mark)
	if !ok || !strings.HasSuffix(rest, "]") {
		return t, false
	}
	rest = strings.TrimSuffix(rest, "]")
	var langs string
	t.version, rest, _ = strings.Cut(rest, " ")
	t.id, rest, _ = strings.Cut(rest, " ")
	langs, rest, _ = strings.Cut(rest, " ")
	for l := range strings.SplitSeq(langs, ",") {
		lang := i18n.Lang(l)
		if !slices.Contains(i18n.Langs, lang) || slices.Contains(t.langs, lang) || len(t.langs) == 2 {
			return t, false
		}
		t.langs = append(t.langs, lang)
	}
	for rest != "" {
		name, after, found := strings.Cut(rest, "=")
		if _, twice := t.values[name]; !found || twice || !slotPattern.MatchString(name) {
			return t, false
		}
		var v string
		if v, rest, ok = unquote(after); !ok {
			return t, false
		}
		t.values[name] = v
	}
	return t, true
}

// unquote reads what quote has written, and the space after it.
func unquote(s string) (v, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		v, rest, _ = strings.Cut(s, " ")
		return v, rest, v != "" && quote(v) == v
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) || s[i] != '\\' && s[i] != '"' {
				return "", "", false
			}
			b.WriteByte(s[i])
		case '"':
			rest = s[i+1:]
			if rest != "" && !strings.HasPrefix(rest, " ") || rest == " " {
				return "", "", false
			}
			return b.String(), strings.TrimPrefix(rest, " "), quote(b.String()) != b.String()
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}
