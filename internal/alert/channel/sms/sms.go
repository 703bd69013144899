// Package sms counts and cuts short messages as networks do: which alphabet a text needs,
// how many characters of it count, and where the parts end. It is for the channel that
// sends them, for the hand-over to cell broadcast, whose letters are the same, and for
// whoever shows a text before it is sent. It sends nothing, and leaves no letter out
// unasked.
package sms

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Alphabet is how a message is coded.
type Alphabet string

// The two alphabets (spec: 3GPP TS 23.038, §6.2).
const (
	GSM7 Alphabet = "GSM-7"
	UCS2 Alphabet = "UCS-2"
)

// basic is the default alphabet, extended what counts twice (spec: 3GPP TS 23.038,
// §6.2.1 and §6.2.1.1). ESC is no letter.
const (
	basic    = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "\f^{}\\[~]|€"
)

// What one message holds, and each of several, whose header says which it is (spec: 3GPP
// TS 23.040, §9.2.3.24.1: 6 octets).
const (
	gsmOne, gsmMany = 160, 153
	ucsOne, ucsMany = 70, 67
)

// Message is a text as it is sent.
type Message struct {
	Text     string
	Alphabet Alphabet
	Units    int      // as they are counted, of all parts
	Parts    []string // what each holds
	// Changed are the letters that were replaced, each once, in their order; "": the text
	// is as it was written.
	Changed string
}

// Room is how many units more fit into the last part.
func (m Message) Room() int {
	one, many := gsmOne, gsmMany
	if m.Alphabet == UCS2 {
		one, many = ucsOne, ucsMany
	}
	if len(m.Parts) == 1 {
		return one - m.Units
	}
	return many - units(m.Parts[len(m.Parts)-1], m.Alphabet)
}

// AlphabetOf is the smaller one that has all letters of a text.
func AlphabetOf(text string) Alphabet {
	for _, r := range text {
		if !strings.ContainsRune(basic, r) && !strings.ContainsRune(extended, r) {
			return UCS2
		}
	}
	return GSM7
}

// Measure counts a text as it stands.
func Measure(text string) Message {
	m := Message{Text: text, Alphabet: AlphabetOf(text)}
	m.Units = units(text, m.Alphabet)
	one, many := gsmOne, gsmMany
	if m.Alphabet == UCS2 {
		one, many = ucsOne, ucsMany
	}
	if m.Units <= one {
		m.Parts = []string{text}
		return m
	}
	// No character is cut in two: a part may end one unit early.
	begin, used := 0, 0
	for i, r := range text {
		n := Unit(r, m.Alphabet)
		if used+n > many {
			m.Parts = append(m.Parts, text[begin:i])
			begin, used = i, 0
		}
		used += n
	}
	m.Parts = append(m.Parts, text[begin:])
	return m
}

func units(text string, a Alphabet) (n int) {
	for _, r := range text {
		n += Unit(r, a)
	}
	return n
}

// Unit is as many units as a character counts in an alphabet.
func Unit(r rune, a Alphabet) int {
	switch {
	case a == UCS2:
		return utf16.RuneLen(r)
	case strings.ContainsRune(extended, r):
		return 2
	}
	return 1
}

// print are signs of print with what every telephone has in their place. One of them
// alone would more than halve what a message holds.
var print = map[rune]string{'\u00a0': " ", '\u202f': " ", '–': "-", '—': "-", '‑': "-", '−': "-", '…': "...", '„': "\"", '“': "\"", '”': "\"", '‚': "'", '‘': "'", '’': "'", '·': "-", '×': "x"}

// Plain makes spaces, dashes and quotation marks of print those of a keyboard; no letter
// changes.
func Plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if s, ok := print[r]; ok {
			b.WriteString(s)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// letters are those that lose more than a diacritic.
var letters = map[rune]string{'ł': "l", 'Ł': "L", 'đ': "d", 'Đ': "D", 'ẞ': "SS", 'œ': "oe", 'Œ': "OE"}

// Transliterate writes a text with the letters of GSM-7 alone, and says which it
// replaced; what has no likeness there becomes a question mark. What the alphabet has,
// such as ä and é, stays.
func Transliterate(text string) Message {
	var b, changed strings.Builder
	for _, r := range norm.NFC.String(text) {
		if strings.ContainsRune(basic, r) || strings.ContainsRune(extended, r) {
			b.WriteRune(r)
			continue
		}
		if s, ok := print[r]; ok {
			b.WriteString(s)
			continue
		}
		if !strings.ContainsRune(changed.String(), r) {
			changed.WriteRune(r)
		}
		if s, ok := letters[r]; ok {
			b.WriteString(s)
			continue
		}
		base, _ := utf8.DecodeRuneInString(norm.NFD.String(string(r)))
		if base == r || !strings.ContainsRune(basic, base) {
			base = '?'
		}
		b.WriteRune(base)
	}
	m := Measure(b.String())
	m.Changed = changed.String()
	return m
}
