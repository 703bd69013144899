package public

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Calendar is a file of events.
type Calendar struct {
	Name   string
	Events []Event
}

// Event is one of them.
type Event struct {
	UID, Summary, Description, Location string
	From, Until, Changed                time.Time // Until zero: not known
	Over                                bool
}

// openEnd is how long an event without an end is drawn: it is renewed while it lasts.
const openEnd = time.Hour

// Write gives the file.
func (c Calendar) Write() []byte {
	var b strings.Builder
	line := func(name, value string) { fold(&b, name+":"+value) }
	line("BEGIN", "VCALENDAR")
	line("VERSION", "2.0")
	line("PRODID", "-//Trojmezi//public//EN")
	line("METHOD", "PUBLISH")
	line("X-WR-CALNAME", escaped(c.Name))
	line("REFRESH-INTERVAL;VALUE=DURATION", "PT15M")
	for _, e := range c.Events {
		line("BEGIN", "VEVENT")
		line("UID", escaped(e.UID))
		line("DTSTAMP", utc(e.Changed))
		from := e.From
		if from.IsZero() {
			from = e.Changed
		}
		until := e.Until
		if !until.After(from) {
			until = from.Add(openEnd)
		}
		line("DTSTART", utc(from))
		line("DTEND", utc(until))
		line("SUMMARY", escaped(e.Summary))
		if e.Description != "" {
			line("DESCRIPTION", escaped(strings.TrimSpace(e.Description)))
		}
		if e.Location != "" {
			line("LOCATION", escaped(e.Location))
		}
		if e.Over {
			line("STATUS", "CANCELLED")
		} else {
			line("STATUS", "CONFIRMED")
		}
		line("TRANSP", "TRANSPARENT") // a warning makes nobody busy
		line("END", "VEVENT")
	}
	line("END", "VCALENDAR")
	return []byte(b.String())
}

func utc(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// escaped is a text value (spec: RFC 5545, §3.3.11).
func escaped(s string) string {
	s = strings.NewReplacer("\\", "\\\\", ";", "\\;", ",", "\\,", "\r\n", "\\n", "\n", "\\n", "\r", "").Replace(s)
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// longest line in octets (spec: RFC 5545, §3.1).
const longest = 75

func fold(b *strings.Builder, s string) {
	for n := longest; len(s) > n; n = longest - 1 {
		for !utf8.RuneStart(s[n]) {
			n--
		}
		b.WriteString(s[:n] + "\r\n ")
		s = s[n:]
	}
	b.WriteString(s + "\r\n")
}
