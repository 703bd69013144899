package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
)

// Hazards are the classes a person may choose, in the order of their bits, by the numbers
// that MeteoAlarm has for them.
var Hazards = []struct {
	Name    string
	Classes []string
}{
	{"flood", []string{"12", "13"}}, {"rain", []string{"10"}}, {"thunder", []string{"3"}}, {"wind", []string{"1", "7"}}, {"snow", []string{"2", "9"}},
	{"cold", []string{"6"}}, {"heat", []string{"5"}}, {"fog", []string{"4"}}, {"fire", []string{"8"}},
}

func hazardOf(class string) uint16 {
	for i, h := range Hazards {
		if slices.Contains(h.Classes, class) {
			return 1 << i
		}
	}
	return 0
}

// Levels are those of the common colours; 0 is not known.
var levels = map[string]uint8{"green": 1, "yellow": 1, "orange": 2, "red": 3, "violet": 4}

// Said is what a warning or notice said when people were told.
type Said struct {
	Official bool
	Alert    Alert
	Danger   bool // to life: it waits for no morning
	National string
	Onset    time.Time
	Expires  time.Time
	Texts    []feed.Text
	Source   string // the line that has to stand beside it
	Owner    string // id of the organisation, of an own notice
	Received time.Time
	// Drill is set on what was told as a warning and has turned out to be an exercise.
	Drill bool `json:",omitempty"`
	// Gauge is what was measured; nil: it is a warning or a notice.
	Gauge *Gauge `json:",omitempty"`
}

// digest is of all that may be told.
func (s *Said) digest() string {
	c := *s
	c.Received = time.Time{}
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err) // texts, times and numbers alone
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// material reports whether more than words differ.
func (s *Said) material(o *Said) bool {
	return s.Alert.Level != o.Alert.Level || s.Danger != o.Danger || s.National != o.National || !s.Onset.Equal(o.Onset) || !s.Expires.Equal(o.Expires)
}

// text is what was said in a language, else the first: official words are not translated.
func (s *Said) text(l i18n.Lang) feed.Text {
	for _, t := range s.Texts {
		if lang, _, _ := strings.Cut(strings.ToLower(t.Language), "-"); lang == string(l) {
			return t
		}
	}
	if len(s.Texts) == 0 {
		return feed.Text{}
	}
	return s.Texts[0]
}

func (s *Said) headline(l i18n.Lang) string {
	t := s.text(l)
	if t.Headline != "" {
		return t.Headline
	}
	return t.Event
}

// saidOf is an official warning as it stands.
func saidOf(w *warning.Warning) *Said {
	lead := w.Says()
	terms := warning.TermsOf(w.Lead.Source)
	s := &Said{Official: true, National: lead.Level.National, Onset: lead.Onset.At.UTC(), Expires: lead.Expires.At.UTC(), Texts: lead.Texts, Source: terms.Attribution, Received: w.Lead.Now().Received}
	s.Alert.Hazard = hazardOf(warning.Class(lead))
	worst, unknown := uint8(0), false
	for _, m := range w.Heads() {
		c := &m.Now().Content
		l := levels[c.Level.Colour]
		worst, unknown = max(worst, l), unknown || l == 0
		s.Alert.Areas = append(s.Alert.Areas, c.Areas...)
	}
	if !unknown {
		s.Alert.Level = worst
	}
	// A level that nobody knows may be the highest.
	s.Danger = unknown || worst >= 3
	return s
}

// hazardsOfNotices are the classes of what own notices are about; the others are for
// everybody.
var hazardsOfNotices = map[string]string{"flood_stage": "12", "dam_break": "12", "storm": "1"}

// severities are the levels of own notices.
var severities = map[string]uint8{"Minor": 1, "Moderate": 2, "Severe": 3, "Extreme": 4}

// saidIn is an own notice as it was published.
func saidIn(p *notice.Publication, a *cap.Alert, source string) *Said {
	info := &a.Infos[0]
	s := &Said{Owner: p.Organisation, Expires: p.Expires.UTC(), Source: source, Received: p.Sent.UTC(), Danger: info.Severity == "Extreme" || info.Urgency == "Immediate"}
	s.Onset, _ = cap.Moment(info.Onset)
	s.Onset = s.Onset.UTC()
	s.Alert.Level = severities[info.Severity]
	s.Alert.Hazard = hazardOf(hazardsOfNotices[cap.Value(info.EventCodes, "trojmezi:hazard")])
	for _, x := range info.Areas {
		f := feed.Area{Name: x.Desc, Polygons: x.Polygons, Circles: x.Circles}
		for _, c := range x.Geocodes {
			f.Codes = append(f.Codes, feed.Code{Scheme: c.Name, Value: c.Value})
		}
		s.Alert.Areas = append(s.Alert.Areas, f)
	}
	for i := range a.Infos {
		x := &a.Infos[i]
		s.Texts = append(s.Texts, feed.Text{Language: x.Language, Event: x.Event, Headline: x.Headline, Description: x.Description, Instruction: x.Instruction})
	}
	return s
}

// What a change is for somebody.
const (
	isNew     = "new"
	isChanged = "changed"
	isWorded  = "worded" // other words, nothing else
	isEnded   = "ended"
)

// Change is from what was said to what is said now; Now is nil when it has ended, Before
// when nothing was said.
type Change struct {
	Ref         string
	Now, Before *Said
	At          time.Time

	seq, told int64
}

// danger reports whether it waits for no morning: also the end of a danger to life does.
func (c *Change) danger() bool { return c.Now != nil && c.Now.Danger }

func (c *Change) said() *Said {
	if c.Now != nil {
		return c.Now
	}
	return c.Before
}

// who says what the change is for each number: told is what concerned them before and
// does now.
func (c *Change) who(x *Index) (numbers []int64, what map[int64]string) {
	var before, now []int64
	if c.Before != nil {
		before = x.Match(&c.Before.Alert, c.At, nil)
	}
	if c.Now != nil {
		now = x.Match(&c.Now.Alert, c.At, nil)
	}
	what = make(map[int64]string, len(now))
	both := isWorded
	if c.Before != nil && c.Now != nil && c.Now.material(c.Before) {
		both = isChanged
	}
	i, j := 0, 0
	for i < len(before) || j < len(now) {
		var n int64
		var is string
		switch {
		case j == len(now) || i < len(before) && before[i] < now[j]:
			n, is, i = before[i], isEnded, i+1
		case i == len(before) || now[j] < before[i]:
			n, is, j = now[j], isNew, j+1
		default:
			n, is, i, j = now[j], both, i+1, j+1
		}
		numbers, what[n] = append(numbers, n), is
	}
	return numbers, what
}
