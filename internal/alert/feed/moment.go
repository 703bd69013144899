package feed

import (
	"strings"
	"time"
	_ "time/tzdata" // clocks on walls must not depend on the machine

	"trojmezi/internal/format/cap"
)

// farYear is from when a year means "not known": feeds write 3021 and 9999.
const farYear = 2200

// CAPMoment is a time of CAP. Wrong is a word for what is odd about it, "" for nothing:
// "time" (none that can be read), "forever" (a year that nobody means, taken for none).
func CAPMoment(text string) (m Moment, wrong string) {
	if text == "" {
		return Moment{}, ""
	}
	at, ok := cap.Moment(text)
	switch {
	case !ok:
		return Moment{Text: text}, "time"
	case at.Year() >= farYear:
		return Moment{Text: text}, "forever"
	}
	return Moment{At: at, Text: text}, ""
}

// LocalMoment is a time of a clock on a wall, such as "2025-07-11 20:00:00". Wrong is,
// beside the words of CAPMoment, "twice": in the hour that autumn repeats the later of
// the two is taken for an end and the earlier for a beginning, so that nobody is warned
// too short; "never": in the hour that spring leaves out.
func LocalMoment(text string, zone *time.Location, end bool) (m Moment, wrong string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Moment{}, ""
	}
	wall, err := time.Parse(time.DateTime, strings.Replace(text, "T", " ", 1))
	switch {
	case err != nil:
		return Moment{Text: text}, "time"
	case wall.Year() >= farYear:
		return Moment{Text: text}, "forever"
	}
	// The offsets of a day before and a day after are those between which it may lie.
	var fits []time.Time
	for _, near := range []time.Time{wall.AddDate(0, 0, -1), wall.AddDate(0, 0, 1)} {
		_, offset := near.In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if at.Format(time.DateTime) == wall.Format(time.DateTime) && (len(fits) == 0 || !fits[0].Equal(at)) {
			fits = append(fits, at)
		}
	}
	switch {
	case len(fits) == 0:
		return Moment{At: time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone), Text: text}, "never"
	case len(fits) == 1:
		return Moment{At: fits[0], Text: text}, ""
	case fits[0].After(fits[1]) == end:
		return Moment{At: fits[0], Text: text}, "twice"
	}
	return Moment{At: fits[1], Text: text}, "twice"
}

// Zone is a zone of clocks on walls, by its name.
func Zone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zones are in the binary
	}
	return zone
}
