package feed

import "time"

// Limits are from when on what a feed says is old. They are from experience with feeds
// of their kind: no sender has published any.
type Limits struct {
	Issued  time.Duration // after its newest document was made, of feeds that tell; 0: none
	Fetched time.Duration // after it was fetched last
}

// limits are those of the feeds that the program knows, at intervals of fetching between
// one and ten minutes. Who configures the fetching sets others for a source of his.
var limits = map[string]Limits{
	"chmi":       {24 * time.Hour, 15 * time.Minute},
	"dwd":        {0, 30 * time.Minute},
	"nina":       {0, 15 * time.Minute},
	"imgw-meteo": {0, 30 * time.Minute},
	"imgw-hydro": {0, 30 * time.Minute},
	"rso":        {0, 30 * time.Minute},
	"meteoalarm": {12 * time.Hour, 30 * time.Minute},
	"lhp":        {0, 45 * time.Minute},
}

// unknownFetched is for a feed that is not among them: six times the usual interval.
const unknownFetched = 30 * time.Minute

// LimitsOf are those of a feed.
func LimitsOf(name string) Limits {
	l, known := limits[name]
	if !known {
		l.Fetched = unknownFetched
	}
	return l
}

// Age is the limit of the age that counts for a feed: of its documents, if they tell
// when they were made.
func (l Limits) Age() time.Duration {
	if l.Issued > 0 {
		return l.Issued
	}
	return l.Fetched
}

// Stale is since when what a source says is old at a moment: too long not understood, or
// its newest document too old. Zero: it is not. A zero issued is of a document that does
// not tell.
func (l Limits) Stale(issued, fetched, now time.Time) time.Time {
	var since time.Time
	sooner := func(t time.Time) {
		if !now.Before(t) && (since.IsZero() || t.Before(since)) {
			since = t
		}
	}
	if l.Fetched > 0 {
		sooner(fetched.Add(l.Fetched))
	}
	if l.Issued > 0 && !issued.IsZero() {
		sooner(issued.Add(l.Issued))
	}
	return since
}
