package sms

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
)

// The numbers are those of 3GPP TS 23.038 and 23.040, by hand.
func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		name, text string
		alphabet   Alphabet
		units      int
		parts      int
		room       int
	}{
		{"nothing", "", GSM7, 0, 1, 160},
		{"one full", strings.Repeat("a", 160), GSM7, 160, 1, 0},
		{"one more", strings.Repeat("a", 161), GSM7, 161, 2, 145},
		{"two full", strings.Repeat("a", 306), GSM7, 306, 2, 0},
		{"three", strings.Repeat("a", 307), GSM7, 307, 3, 152},
		{"German letters are in the alphabet", "Überflutung: Straße gesperrt, Höhe 3 m", GSM7, 38, 1, 122},
		{"the euro counts twice", strings.Repeat("€", 80), GSM7, 160, 1, 0},
		{"a pair is not cut", strings.Repeat("a", 152) + strings.Repeat("€", 5), GSM7, 162, 2, 143},
		{"one Czech letter", "Povodeň", UCS2, 7, 1, 63},
		{"one full of UCS-2", strings.Repeat("ř", 70), UCS2, 70, 1, 0},
		{"two of UCS-2", strings.Repeat("ř", 71), UCS2, 71, 2, 63},
		{"a surrogate pair is not cut", strings.Repeat("ř", 66) + "😀" + strings.Repeat("ř", 3), UCS2, 71, 2, 62},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Measure(c.text)
			if m.Alphabet != c.alphabet || m.Units != c.units || len(m.Parts) != c.parts || m.Room() != c.room {
				t.Errorf("%s, %d units, %d parts, room %d; want %s, %d, %d, %d", m.Alphabet, m.Units, len(m.Parts), m.Room(), c.alphabet, c.units, c.parts, c.room)
			}
			if strings.Join(m.Parts, "") != c.text {
				t.Error("the parts are not the text")
			}
			for _, p := range m.Parts {
				if m.Alphabet == UCS2 && len(utf16.Encode([]rune(p))) > 70 || strings.ContainsRune(p, '\ufffd') {
					t.Errorf("part %q", p)
				}
			}
		})
	}
}

func TestTransliterate(t *testing.T) {
	const pangram = "Příliš žluťoučký kůň úpěl ďábelské ódy"
	m := Transliterate(pangram)
	if m.Text != "Prilis zlutoucky kun upel dabelské ody" {
		t.Errorf("%q", m.Text)
	}
	if m.Alphabet != GSM7 || m.Changed != "říšžťčýůňúěďáó" {
		t.Errorf("%s, changed %q", m.Alphabet, m.Changed)
	}
	if m := Transliterate("Łódź: zażółć gęślą jaźń"); m.Text != "Lodz: zazolc gesla jazn" || m.Alphabet != GSM7 {
		t.Errorf("%q", m.Text)
	}
	if m := Transliterate("Überflutung, Straße"); m.Changed != "" || m.Text != "Überflutung, Straße" {
		t.Errorf("what the alphabet has was changed: %q %q", m.Text, m.Changed)
	}
	if m := Transliterate("вода"); m.Text != "????" || m.Changed != "вода" {
		t.Errorf("%q %q", m.Text, m.Changed)
	}
	// Spaces and dashes of print are no letters.
	if m := Measure(Plain("112\u00a0– „voda“…")); m.Alphabet != GSM7 || m.Text != `112 - "voda"...` {
		t.Errorf("%q %s", m.Text, m.Alphabet)
	}
}

// Whatever is written, the parts are the text, and what was transliterated needs no
// second alphabet.
func TestAnyText(t *testing.T) {
	pool := []rune("a €ř😀[\u0301\u00a0ł–\n語ß")
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var b strings.Builder
		for range r.IntN(300) {
			b.WriteRune(pool[r.IntN(len(pool))])
		}
		s := b.String()
		m := Measure(s)
		if strings.Join(m.Parts, "") != s || m.Room() < 0 {
			t.Fatalf("%q: %+v", s, m)
		}
		bare := Transliterate(s)
		if bare.Alphabet != GSM7 {
			t.Fatalf("%q is %s", bare.Text, bare.Alphabet)
		}
		if m.Alphabet == GSM7 && bare.Text != m.Text {
			t.Fatalf("%q became %q", m.Text, bare.Text)
		}
	}
}
