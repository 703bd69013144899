package warning

import (
	_ "embed"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
)

//go:embed dangers.csv
var dangersCSV string

//go:embed feeds.csv
var feedsCSV string

// danger is a word by which a sender names a class of danger.
type danger struct{ class, stem string }

var dangers = func() (all []danger) {
	for _, row := range rowsOf(dangersCSV, 4) {
		all = append(all, danger{row[0], row[2]})
	}
	return all
}()

// rowsOf reads a table of our own without its head; a broken one is no program.
func rowsOf(text string, columns int) [][]string {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = columns
	rows, err := r.ReadAll()
	if err != nil {
		panic(err)
	}
	return rows[1:]
}

// classOf is the class of danger of a warning, by the number that MeteoAlarm has for it;
// "" when nothing tells. What the sender itself says of the class comes first; a word in
// the name of the event is taken only if all words found mean the same.
func classOf(w *feed.Warning) (class string) {
	if number, _, ok := strings.Cut(awareness(w), ";"); ok {
		if n, err := strconv.Atoi(strings.TrimSpace(number)); err == nil {
			return strconv.Itoa(n)
		}
	}
	name := strings.ToLower(w.Event)
	for _, d := range dangers {
		switch {
		case !strings.Contains(name, d.stem) || class == d.class:
		case class != "":
			return ""
		default:
			class = d.class
		}
	}
	return class
}

// Class is the class of danger of a warning, by the number that MeteoAlarm has for it:
// "12" is a flood; "" when nothing tells.
func Class(w *feed.Warning) string { return classOf(w) }

// voivodeships are the numbers (TERYT) of what RSO calls by name.
var voivodeships = map[string]string{
	"dolnoslaskie": "02", "kujawsko-pomorskie": "04", "lubelskie": "06", "lubuskie": "08", "lodzkie": "10", "malopolskie": "12", "mazowieckie": "14", "opolskie": "16",
	"podkarpackie": "18", "podlaskie": "20", "pomorskie": "22", "slaskie": "24", "swietokrzyskie": "26", "warminsko-mazurskie": "28", "wielkopolskie": "30", "zachodniopomorskie": "32",
}

// Terms are what a feed asks of who shows it.
type Terms struct {
	Feed        string
	Country     string // of those it warns: CZ, DE, PL; "" for several
	Attribution string // as it is shown beside every warning of the feed
	Licence     string
	Source      string // where the terms stand, or who says so
	Status      string // verified, from-memory
}

// terms are those of all feeds, by name.
var terms = func() map[string]Terms {
	all := map[string]Terms{}
	for _, row := range rowsOf(feedsCSV, 6) {
		all[row[0]] = Terms{row[0], row[1], row[2], row[3], row[4], row[5]}
	}
	return all
}()

// TermsOf are those of a feed; without a row for it, its name is all that is known.
func TermsOf(name string) Terms {
	t, ok := terms[name]
	if !ok {
		t = Terms{Feed: name, Attribution: name, Status: "unknown"}
	}
	return t
}

// StaleSince is since when a series is old: too long not fetched, or too long the same
// from its sender. Zero: it is not.
func (s *Series) StaleSince(now time.Time) time.Time {
	return s.limits().Stale(s.Issued, s.Fetched, now)
}

// limits are those that the operator has set for the source, else those of its feed.
func (s *Series) limits() feed.Limits {
	if s.Limits == (feed.Limits{}) {
		return feed.LimitsOf(s.Feed)
	}
	return s.Limits
}
