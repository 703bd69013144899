package public

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

// Item is one thing that applies: an official warning or an own notice.
type Item struct {
	ID       string
	Official bool
	Kind     store.Kind
	Level    sign.Level
	Words    []string // the national level, as its sender says it
	Colour   string
	Text     feed.Text // in the reader's language, else as it came
	Foreign  bool      // it came in no language of the reader's
	Areas    string
	From     time.Time // zero: at once
	Until    time.Time // zero: until it is called off
	Coming   bool
	Over     bool // called off
	Unclear  bool // whether it concerns the place cannot be told
	Lapsed   bool // its end is past, but its source has been silent since before
	// Source says who speaks; Received and Licence are of an official one.
	Source, Sender, Licence string
	Received                time.Time
}

// Sourced is a source of warnings with its age.
type Sourced struct {
	Title   string
	Relay   bool      // it repeats what others issue: its silence hides nothing
	Fetched time.Time // zero: never
	Issued  time.Time
	Stale   bool
}

// Water is a gauge nearby.
type Water struct {
	river.Line
	Distance float64 // metres
	At       geo.Point
}

// Picture is what applies at a place.
type Picture struct {
	Place   register.Place
	Kind    store.Kind
	Now     time.Time
	Items   []Item
	Drills  []Item // official ones that came as if they were real
	Sources []Sourced
	Rivers  []Water
}

// Known reports whether every source of the country speaks: only then nothing is nothing.
func (p *Picture) Known() bool {
	issuers := slices.DeleteFunc(slices.Clone(p.Sources), func(s Sourced) bool { return s.Relay })
	return len(issuers) > 0 && !slices.ContainsFunc(issuers, func(s Sourced) bool { return s.Stale })
}

// own is an own notice as it was published.
type own struct {
	*notice.Publication
	owner string
	alert *cap.Alert
	areas []feed.Area
}

// state is everything at one moment, for all places.
type state struct {
	at       time.Time
	warnings []*warning.Warning
	sources  map[string][]Sourced // by country
	notices  map[store.Kind][]own
	rivers   map[store.Kind]river.Overview
}

// overFor is how long a cancellation is shown: who was warned should meet it.
const overFor = 12 * time.Hour

func (p *Pages) read(ctx context.Context) (*state, error) {
	now := p.o.Now()
	s := &state{at: now, sources: map[string][]Sourced{}, notices: map[store.Kind][]own{}, rivers: map[store.Kind]river.Overview{}}
	all, book, err := p.o.Warnings.Warnings(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if w.Phase != warning.Ended {
			s.warnings = append(s.warnings, w)
		}
	}
	for _, f := range p.o.Warnings.Feeds(book, now) {
		if f.Series != nil && f.Series.Kind != store.Live {
			continue
		}
		x := Sourced{Title: f.Feed.Title, Stale: f.Series == nil || !f.Stale.IsZero()}
		if f.Series != nil {
			x.Fetched, x.Issued = f.Series.Fetched, f.Series.Issued
		}
		countries := []string{warning.TermsOf(f.Feed.Name).Country}
		if countries[0] == "" {
			countries, x.Relay = []string{"CZ", "DE", "PL"}, true
		}
		for _, c := range countries {
			s.sources[c] = append(s.sources[c], x)
		}
	}
	for _, kind := range []store.Kind{store.Live, store.Exercise} {
		published, owners, err := p.o.Notices.Standing(ctx, kind, now)
		if err != nil {
			return nil, err
		}
		for _, x := range published {
			if x.Purpose == notice.Cancel && now.Sub(x.Sent) > overFor {
				continue
			}
			a, _, fault := cap.Read(x.Document)
			if fault != nil || len(a.Infos) == 0 {
				continue // it was written by us: another test holds that
			}
			s.notices[kind] = append(s.notices[kind], own{x, owners[x.Organisation], a, AreasOf(a)})
		}
		if s.rivers[kind], err = p.o.Rivers.Overview(ctx, kind); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// AreasOf are the areas of a CAP message, which are the same in all its languages.
func AreasOf(a *cap.Alert) (all []feed.Area) {
	for _, x := range a.Infos[0].Areas {
		f := feed.Area{Name: x.Desc, Polygons: x.Polygons, Circles: x.Circles}
		for _, c := range x.Geocodes {
			f.Codes = append(f.Codes, feed.Code{Scheme: c.Name, Value: c.Value})
		}
		all = append(all, f)
	}
	return all
}

// picture is what applies at a place for readers of a language.
func (p *Pages) picture(s *state, place register.Place, kind store.Kind, l i18n.Lang) *Picture {
	v := &Picture{Place: place, Kind: kind, Now: s.at, Sources: s.sources[string(place.Country)]}
	at := area.Place{Municipality: place.ID}
	for _, w := range s.warnings {
		// Only what came as live stands on the page of reality; what of it is an exercise
		// stands apart. An exercise of our own never does.
		came := w.Lead.Kind
		if came != kind || kind != store.Live && w.Kind != kind {
			continue
		}
		x, ok := p.official(w, at, s.at, l)
		switch {
		case !ok:
		case kind == store.Live && w.Kind != store.Live:
			v.Drills = append(v.Drills, x)
		default:
			v.Items = append(v.Items, x)
		}
	}
	for _, n := range s.notices[kind] {
		if verdict := p.o.Areas.Concerns(n.areas, at, s.at).Verdict; verdict != area.No {
			x := p.own(n, s.at, l)
			x.Unclear = verdict == area.Unclear
			v.Items = append(v.Items, x)
		}
	}
	slices.SortStableFunc(v.Items, worse)
	v.Rivers = near(p.o.Places, s.rivers[kind], place.Point)
	return v
}

// worse puts first what is bad, and what applies before what comes.
func worse(a, b Item) int {
	rank := func(x Item) int {
		n := 2 * slices.Index([]sign.Level{sign.None, sign.L1, sign.L2, sign.L3, sign.L4}, x.Level)
		if x.Over {
			return -1
		}
		if !x.Coming {
			n++
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(b), rank(a)), a.From.Compare(b.From), cmp.Compare(a.ID, b.ID))
}

// official is a warning as it stands for a place; false where it does not concern it.
func (p *Pages) official(w *warning.Warning, at area.Place, now time.Time, l i18n.Lang) (x Item, ok bool) {
	for _, m := range w.Heads() {
		said := &m.Now().Content
		verdict := p.o.Areas.Concerns(said.Areas, at, now).Verdict
		if verdict == area.No || ok && !x.Unclear {
			continue
		}
		terms := warning.TermsOf(m.Source)
		x = Item{ID: "warning/" + w.ID, Official: true, Kind: w.Kind, Level: LevelOf(said.Level), Colour: said.Level.Colour, From: warning.Onset(said), Until: said.Expires.At,
			Coming: w.Phase == warning.Coming, Lapsed: w.Phase == warning.Lapsed, Unclear: verdict == area.Unclear,
			Source: terms.Attribution, Sender: said.Sender, Licence: terms.Licence, Received: m.Now().Received}
		if said.Level.National != "" && said.Level.National != said.Level.Colour {
			x.Words = append(x.Words, said.Level.National)
		}
		x.Text, x.Foreign = TextIn(said.Texts, l)
		if x.Text.Event == "" {
			x.Text.Event = said.Event
		}
		for _, a := range said.Areas {
			if x.Areas == "" && a.Name != "" {
				x.Areas = a.Name
			}
		}
		ok = true
	}
	return x, ok
}

// TextIn is a text in a language, else the first: an official one is never translated.
func TextIn(texts []feed.Text, l i18n.Lang) (t feed.Text, foreign bool) {
	for _, x := range texts {
		if lang, _, _ := strings.Cut(strings.ToLower(x.Language), "-"); lang == string(l) {
			return x, false
		}
	}
	if len(texts) == 0 {
		return feed.Text{}, true
	}
	return texts[0], true
}

// LevelOf is the sign of an official level, by the colour its sender gives it.
func LevelOf(l feed.Level) sign.Level {
	switch l.Colour {
	case "yellow":
		return sign.L1
	case "orange":
		return sign.L2
	case "red":
		return sign.L3
	case "violet":
		return sign.L4
	}
	return sign.None
}

// SignOf is that of a severity of CAP, for own notices.
func SignOf(severity string) sign.Level {
	return map[string]sign.Level{"Minor": sign.L1, "Moderate": sign.L2, "Severe": sign.L3, "Extreme": sign.L4}[severity]
}

// own is a notice for readers of a language.
func (p *Pages) own(n own, now time.Time, l i18n.Lang) Item {
	info := &n.alert.Infos[0]
	for i := range n.alert.Infos {
		if lang, _, _ := strings.Cut(strings.ToLower(n.alert.Infos[i].Language), "-"); lang == string(l) {
			info = &n.alert.Infos[i]
		}
	}
	x := Item{ID: "notice/" + n.Notice, Kind: n.Kind, Level: SignOf(info.Severity), Until: n.Expires, Received: n.Sent, Over: n.Purpose == notice.Cancel, Source: n.owner, Sender: info.SenderName,
		Text: feed.Text{Language: info.Language, Event: info.Event, Headline: info.Headline, Description: info.Description, Instruction: info.Instruction}}
	x.From, _ = cap.Moment(info.Onset)
	x.Coming = x.From.After(now)
	if len(info.Areas) > 0 {
		x.Areas = info.Areas[0].Desc
	}
	if x.Level == "" {
		x.Level = sign.L1
	}
	return x
}

// How far a gauge is told of, and how many at most.
const (
	riverReach = 25_000 // metres
	mostRivers = 6
)

// near are the gauges around a point, the nearest first.
func near(places *register.Register, o river.Overview, at geo.Point) (all []Water) {
	for _, l := range o.Lines {
		p, ok := spot(places, l.Gauge)
		if !ok || len(l.Numbers) == 0 {
			continue
		}
		if d := geo.Distance(at, p); d <= riverReach {
			all = append(all, Water{l, d, p})
		}
	}
	slices.SortFunc(all, func(a, b Water) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Key, b.Key))
	})
	return all[:min(len(all), mostRivers)]
}

// spot is where a gauge stands: its coordinates, else the place it is named after.
func spot(places *register.Register, g river.Gauge) (geo.Point, bool) {
	if !math.IsNaN(g.Lat) && !math.IsNaN(g.Lon) && (g.Lat != 0 || g.Lon != 0) {
		return geo.Point{Lat: g.Lat, Lon: g.Lon}, true
	}
	for _, p := range places.Search(g.Place, 5) {
		if string(p.Country) == g.Country && p.Name == g.Place {
			return p.Point, true
		}
	}
	return geo.Point{}, false
}
