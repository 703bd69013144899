package public

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// calendar is what applies at a place as a calendar to be subscribed to (spec: RFC 5545).
func (p *Pages) calendar(kind store.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		l, _, err := langOf(r)
		if err != nil {
			return err
		}
		at, err := p.find(r)
		if err != nil {
			return err
		}
		s, err := p.now(r.Context())
		if err != nil {
			return err
		}
		ctx := web.Region(r.Context(), l)
		v := p.picture(s, at, kind, l)
		// An address of its own host makes a link of the event; no name of one is known here.
		c := Calendar{Name: t(ctx, "public.title") + " " + title(at, l)}
		for _, x := range v.Items {
			head := x.Text.Headline
			if head == "" {
				head = x.Text.Event
			}
			if kind != store.Live {
				head = t(ctx, "web.drill.exercise.word") + ": " + strings.TrimPrefix(head, t(ctx, "web.drill.exercise.word")+": ")
			}
			e := Event{UID: strings.ReplaceAll(x.ID, "/", "-") + "-" + at.ID + "@trojmezi", Summary: head, From: x.From, Until: x.Until, Changed: x.Received, Location: title(at, l), Over: x.Over}
			for _, part := range []string{x.Text.Description, x.Text.Instruction, x.Source} {
				if part != "" {
					e.Description += strings.Join(paragraphs(part), "\n") + "\n"
				}
			}
			c.Events = append(c.Events, e)
		}
		if !v.Known() && kind == store.Live {
			c.Events = append(c.Events, Event{UID: "no-data-" + at.ID + "@trojmezi", Summary: t(ctx, "public.nodata"), From: v.Now.Truncate(time.Hour), Until: v.Now.Truncate(time.Hour).Add(time.Hour), Changed: v.Now.Truncate(time.Hour)})
		}
		w.Header().Set("Content-Language", string(l))
		return answer(w, r, c.Write(), "text/calendar; charset=utf-8")
	}
}

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
