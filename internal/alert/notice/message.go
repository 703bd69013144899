package notice

import (
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Content is what somebody wrote: one text of a notice. A later one has another number.
type Content struct {
	Template string // id
	Version  string
	Lang     i18n.Lang         // in which free words were written
	Values   map[string]string // by slot, as Voice.Value keeps them
	Note     string            // free text beside the template's
	Areas    []string          // ids of Atlas
	Drawing  string            // as it was pasted
	Radius   float64           // kilometres around what is drawn
	Reach    *Reach            // a piece of a river; nil: none
	Rings    []Ring            // what is sent: the outline when this was written
	Onset    time.Time
	Expires  time.Time
	Hold     bool // the author publishes it himself once it is approved
}

// Message is one language of a notice, as people read it.
type Message struct {
	Lang  i18n.Lang
	Words Words
	// Whose says that this is an own notice, and of whom; Nature that it is no warning of
	// a state authority.
	Whose, Nature string
	Note          string
	Drill         string // "" for reality
	Area          string
	Until         string
}

// Source is who speaks.
type Source struct {
	Organisation string // id
	Name         string // official
	Sender       string // of CAP: no space, comma, < or &
	Web          string // where the notice can be read; "": nowhere
}

// Write makes the message of a content in a language.
func (v Voice) Write(t *Template, c *Content, l i18n.Lang, from Source, kind store.Kind, purpose Purpose, atlas *Atlas) Message {
	m := Message{Lang: l, Words: v.Say(t, l, c.Lang, c.Values)}
	m.Whose = v.Texts.Text(l, "notice.say.whose", i18n.Args{"name": from.Name})
	m.Nature = v.Texts.Text(l, "notice.say.nature", nil)
	if m.Note = c.Note; c.Note != "" && l != c.Lang {
		m.Note = v.foreign(l, c.Lang, c.Note)
	}
	switch purpose {
	case Update:
		m.Words[PartHeadline] = v.Texts.Text(l, "notice.say.update", i18n.Args{"text": m.Words[PartHeadline]})
	case Cancel:
		m.Words[PartHeadline] = v.Texts.Text(l, "notice.say.cancel", i18n.Args{"text": m.Words[PartHeadline]})
	}
	if kind != store.Live {
		m.Drill = v.Texts.Text(l, "notice.say.drill."+string(kind), nil)
		m.Words[PartHeadline] = m.Drill + ": " + m.Words[PartHeadline]
		m.Words[PartText] = m.Drill + ". " + m.Words[PartText]
	}
	var names []string
	for _, id := range c.Areas {
		if u, ok := atlas.Unit(id); ok {
			names = append(names, atlas.NameOf(v.Texts, l, u))
		}
	}
	if c.Reach != nil {
		names = append(names, atlas.NameOfReach(v.Texts, l, c.Reach))
	}
	if id := atlas.Around(c.Drawing); id != "" {
		names = append(names, v.Texts.Text(l, "notice.say.around", i18n.Args{"place": v.In(l, KindPlace, id), "km": c.Radius}))
	} else if c.Drawing != "" {
		names = append(names, v.Texts.Text(l, "notice.say.drawn", nil))
	}
	m.Area = strings.Join(names, ", ")
	m.Until = v.Texts.Text(l, "notice.say.until", i18n.Args{"time": v.In(l, KindTime, c.Expires.UTC().Format(time.RFC3339))})
	return m
}

// Page is the text of the public page.
func (m Message) Page() string {
	lines := []string{m.Words[PartHeadline], m.Whose, m.Words[PartText], m.Words[PartInstruction]}
	if m.Note != "" {
		lines = append(lines, m.Note)
	}
	return strings.Join(append(lines, m.Area, m.Until, m.Nature), "\n")
}

// Short is for displays and lists of one line.
func (m Message) Short() string { return m.Words[PartHeadline] + " (" + m.Whose + ")" }

// SMS is a short message and what it costs.
type SMS struct {
	Text  string
	GSM   bool // GSM-7, else UCS-2
	Units int  // characters as they are counted
	Parts int
}

// gsm is the default alphabet of short messages, gsmTwo what counts twice (spec: 3GPP TS
// 23.038, §6.2.1).
const (
	gsm    = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmTwo = "\f^{}\\[~]|€"
)

// Septets are as many units of GSM-7 as a character takes: 1 or 2, and 0 for one that it
// does not have.
func Septets(r rune) int {
	switch {
	case strings.ContainsRune(gsm, r):
		return 1
	case strings.ContainsRune(gsmTwo, r):
		return 2
	}
	return 0
}

// What one message holds, and one of several, which also says which it is.
const (
	gsmOne, gsmMany = 160, 153
	ucsOne, ucsMany = 70, 67
)

// plainSpaces makes spaces and dashes of print those that every telephone has: one of
// them alone would more than halve what a message holds.
var plainSpaces = strings.NewReplacer("\u00a0", " ", "\u202f", " ", "–", "-", "…", "...", "„", "\"", "“", "\"", "”", "\"")

// SMS is the text for short messages, with their number.
func (m Message) SMS() SMS {
	return measure(plainSpaces.Replace(m.Words[PartHeadline] + ". " + m.Words[PartInstruction] + " " + m.Whose))
}

// Bare is the same without the diacritics that no GSM-7 has: often a third of the parts.
func (s SMS) Bare() SMS {
	var b strings.Builder
	for _, r := range s.Text {
		switch {
		case strings.ContainsRune(gsm+gsmTwo, r):
			b.WriteRune(r)
		case r == 'ł':
			b.WriteByte('l')
		case r == 'Ł':
			b.WriteByte('L')
		default:
			base, _ := utf8.DecodeRuneInString(norm.NFD.String(string(r)))
			if !strings.ContainsRune(gsm, base) {
				base = '?'
			}
			b.WriteRune(base)
		}
	}
	return measure(b.String())
}

func measure(text string) SMS {
	s := SMS{Text: text, GSM: true}
	pairs := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsm, r):
			s.Units++
		case strings.ContainsRune(gsmTwo, r):
			s.Units, pairs = s.Units+2, pairs+1
		default:
			s.GSM = false
		}
	}
	one, many := gsmOne, gsmMany
	if !s.GSM {
		s.Units = len(utf16.Encode([]rune(text)))
		one, many = ucsOne, ucsMany
	}
	if s.Parts = 1; s.Units <= one {
		return s
	}
	if s.GSM && pairs == 0 {
		s.Parts = (s.Units + many - 1) / many
		return s
	}
	// No character is cut in two, so that a part may end one unit early.
	s.Parts = 1
	room := many
	for _, r := range text {
		n := 1
		if s.GSM && strings.ContainsRune(gsmTwo, r) || !s.GSM && r > 0xffff {
			n = 2
		}
		if n > room {
			s.Parts, room = s.Parts+1, many
		}
		room -= n
	}
	return s
}

// Speech is the text for a voice: no brackets, units as words, numbers of telephones one
// digit after the other.
func (v Voice) Speech(m Message) string {
	text := strings.Join([]string{m.Words[PartHeadline] + ".", m.Words[PartText], m.Words[PartInstruction], m.Whose + "."}, " ")
	text = plainSpaces.Replace(text)
	var b strings.Builder
	words := strings.Fields(strings.NewReplacer("(", ", ", ")", "", " ,", ",").Replace(text))
	for i, w := range words {
		bare := strings.TrimRight(w, ".,:;!")
		digits := strings.Trim(bare, "+0123456789") == "" && bare != ""
		if i > 0 {
			b.WriteByte(' ')
		}
		switch {
		case bare == "cm":
			b.WriteString(v.Texts.Text(m.Lang, "notice.speech.cm", nil) + w[len(bare):])
		case digits && (bare == "112" || bare[0] == '+' || i > 0 && spoken(words, i)):
			b.WriteString(spell(bare) + w[len(bare):])
		default:
			b.WriteString(w)
		}
	}
	return b.String()
}

// spoken reports whether the word at i is a group of a telephone number that began
// before it.
func spoken(words []string, i int) bool {
	for k := i - 1; k >= 0 && k > i-5; k-- {
		w := words[k]
		if strings.Trim(w, "+0123456789") != "" || w == "" {
			return false
		}
		if w[0] == '+' {
			return true
		}
	}
	return false
}

func spell(digits string) string {
	return strings.Join(strings.Split(strings.TrimPrefix(digits, "+"), ""), " ")
}

// tags are the languages as CAP names them.
var tags = map[i18n.Lang]string{i18n.Cs: "cs-CZ", i18n.De: "de-DE", i18n.Pl: "pl-PL", i18n.En: "en-GB"}

// Outgoing is all that a CAP message is made of.
type Outgoing struct {
	Identifier string
	Kind       store.Kind
	Purpose    Purpose
	Sent       time.Time
	Source     Source
	Content    *Content
	Template   *Template
	Earlier    []cap.Reference // all messages of the notice before
}

// CAP makes the message: one info in each language with the same codes and areas. What
// kind it is decides the status; nothing else can.
func (v Voice) CAP(o Outgoing, atlas *Atlas) *cap.Alert {
	a := &cap.Alert{
		Version: cap.V12, Identifier: o.Identifier, Sender: o.Source.Sender, Sent: cap.FormatTime(o.Sent.In(zone)),
		Status: status(o.Kind), MsgType: msgTypes[o.Purpose], Scope: cap.Public, Source: o.Source.Name,
	}
	var refs []string
	for _, r := range o.Earlier {
		refs = append(refs, r.Sender+","+r.Identifier+","+r.Sent)
	}
	a.References = strings.Join(refs, " ")
	c, t := o.Content, o.Template
	var polygons []string
	for _, r := range c.Rings {
		polygons = append(polygons, r.cap())
	}
	var codes []cap.Pair
	for _, id := range c.Areas {
		u, _ := atlas.Unit(id)
		for _, p := range atlas.Codes(u, o.Sent) {
			if !slices.Contains(codes, p) {
				codes = append(codes, p)
			}
		}
	}
	for _, l := range i18n.Langs {
		m := v.Write(t, c, l, o.Source, o.Kind, o.Purpose, atlas)
		i := cap.Info{
			Language: tags[l], Categories: strings.Fields(t.Category), Event: m.Words[PartEvent], ResponseTypes: strings.Fields(t.Response),
			Urgency: t.Urgency, Severity: t.Severity, Certainty: t.Certainty,
			EventCodes: []cap.Pair{{Name: "trojmezi:hazard", Value: t.Hazard}},
			Effective:  a.Sent, Onset: cap.FormatTime(c.Onset.In(zone)), Expires: cap.FormatTime(c.Expires.In(zone)),
			SenderName: m.Whose, Headline: m.Words[PartHeadline], Description: m.Words[PartText] + "\n" + m.Nature,
			Instruction: m.Words[PartInstruction], Web: o.Source.Web,
			// Whoever carries it on can tell it from a warning of the state without reading.
			Parameters: []cap.Pair{{Name: "trojmezi:origin", Value: "own-notice"}, {Name: "trojmezi:template", Value: t.ID + " " + t.Version}},
			Areas:      []cap.Area{{Desc: m.Area, Polygons: polygons, Geocodes: codes}},
		}
		if _, checked := t.Checked[l]; !checked {
			i.Parameters = append(i.Parameters, cap.Pair{Name: "trojmezi:text", Value: "draft"})
		}
		if m.Note != "" {
			i.Description += "\n" + m.Note
		}
		a.Infos = append(a.Infos, i)
	}
	return a
}

var msgTypes = map[Purpose]string{Alert: cap.TypeAlert, Update: cap.TypeUpdate, Cancel: cap.TypeCancel}

func status(k store.Kind) string {
	switch k {
	case store.Live:
		return cap.Actual
	case store.Exercise:
		return cap.Exercise
	}
	return cap.Test
}

// unsigned is the message as it would go out now, for the preview.
func (s *Service) unsigned(o Outgoing) string {
	doc, found := cap.Write(s.voice.CAP(o, s.atlas))
	if len(found) > 0 {
		return ""
	}
	return string(doc)
}
