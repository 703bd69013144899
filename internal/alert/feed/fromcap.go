package feed

import (
	"slices"
	"strings"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// geocodes that are no codes of areas: DWD cuts holes with one.
const excludePolygon = "EXCLUDE_POLYGON"

// AreasOf are the areas of an info.
func AreasOf(f *cap.Info) []Area {
	all, n := make([]Area, 0, len(f.Areas)), 0
	for i := range f.Areas {
		n += len(f.Areas[i].Geocodes)
	}
	room := make([]Code, 0, n)
	for i := range f.Areas {
		a := &f.Areas[i]
		area := Area{Name: strings.TrimSpace(a.Desc), Polygons: a.Polygons, Circles: a.Circles}
		known := set{all: room[len(room):]}
		for _, g := range a.Geocodes {
			if g.Name == excludePolygon {
				area.Holes = append(area.Holes, g.Value)
				continue
			}
			known.add(Code{strings.TrimSpace(g.Name), strings.TrimSpace(g.Value)})
		}
		if n := len(known.all); n > 0 {
			area.Codes = known.all[:n:n]
			room = room[:len(room)+n]
		}
		all = append(all, area)
	}
	return all
}

// set are codes, each once, in the order in which they came. Bulletins list hundreds of
// them in rising order: what is higher than all of its scheme is not there yet.
type set struct {
	all     []Code
	schemes int
	highest [4]Code       // by scheme; no sender has more
	seen    map[Code]bool // once one came out of order
}

func (s *set) add(c Code) {
	for i := range s.schemes {
		if s.highest[i].Scheme != c.Scheme {
			continue
		}
		if c.Value > s.highest[i].Value {
			s.highest[i].Value = c.Value
			s.keep(c)
		} else if !s.has(c) {
			s.keep(c)
		}
		return
	}
	switch {
	case s.schemes < len(s.highest):
		s.highest[s.schemes] = c
		s.schemes++
		s.keep(c)
	case !s.has(c):
		s.keep(c)
	}
}

func (s *set) keep(c Code) {
	s.all = append(s.all, c)
	if s.seen != nil {
		s.seen[c] = true
	}
}

// few is up to how many codes a look at each is the shortest way.
const few = 16

func (s *set) has(c Code) bool {
	if len(s.all) <= few {
		return slices.Contains(s.all, c)
	}
	if s.seen == nil {
		s.seen = make(map[Code]bool, len(s.all))
		for _, x := range s.all {
			s.seen[x] = true
		}
	}
	return s.seen[c]
}

// TextOf is what an info says.
func TextOf(f *cap.Info) Text {
	language := strings.TrimSpace(f.Language)
	if language == "" {
		language = "en-US" // spec: CAP 1.2, §3.2.2
	}
	return Text{Language: language, Event: strings.TrimSpace(f.Event), Headline: f.Headline, Description: f.Description, Instruction: f.Instruction}
}

// StateOf is what an info says of the life of its warning.
func StateOf(a *cap.Alert, f *cap.Info) State {
	switch {
	case a.MsgType == cap.TypeCancel:
		return Cancelled
	case slices.Contains(f.ResponseTypes, "AllClear"):
		return AllClear
	case f.Urgency == "Past":
		return Past
	}
	return InForce
}

// ColourOf is the level of an info: the word of CAP, and the colour that its sender
// gives in MeteoAlarm's parameter ("2; yellow; Moderate").
func ColourOf(f *cap.Info) Level {
	l := LevelOf(f.Severity)
	if parts := strings.Split(cap.Value(f.Parameters, "awareness_level"), ";"); len(parts) == 3 {
		if colour := strings.TrimSpace(parts[1]); slices.Contains([]string{"green", "yellow", "orange", "red"}, colour) {
			l.Colour, l.National = colour, colour
		}
	}
	return l
}

// OddTime is a time that is not as it should be.
type OddTime struct {
	Name  string // of the element
	Text  string
	Wrong string // as CAPMoment says it
}

// Doubt is the deviation, of the warning of a name.
func (o OddTime) Doubt(event string) shape.Deviation {
	d := DoubtAt("/alert/info/"+o.Name, o.Wrong, o.Text)
	d.Args["event"] = event
	return d
}

// DoubtAt is a deviation at a path of a message that was read without its lines.
func DoubtAt(path, rule, text string) shape.Deviation {
	return Doubt(&tree.Node{Name: path[strings.LastIndexByte(path, '/')+1:], Kind: tree.String, Text: text, Line: 1}, path, rule, nil)
}

// TimesOf are those of an info, and which of them are odd. Without an onset it begins
// when it takes effect.
func TimesOf(a *cap.Alert, f *cap.Info) (sent, onset, expires Moment, odd []OddTime) {
	read := func(name, text string) Moment {
		m, wrong := CAPMoment(text)
		if wrong != "" {
			odd = append(odd, OddTime{name, text, wrong})
		}
		return m
	}
	sent, onset, expires = read("sent", a.Sent), read("onset", f.Onset), read("expires", f.Expires)
	if onset.At.IsZero() {
		onset = read("effective", f.Effective)
	}
	return sent, onset, expires, odd
}
