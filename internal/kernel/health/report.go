package health

import (
	"context"
	"slices"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Item is a finding with its history.
type Item struct {
	ID    int64 // 0: not in the database
	Check string
	Area  string // text key
	Finding
	Until  time.Time // zero: still there
	Times  int64     // how often it came back, from 1
	SeenAt time.Time // zero: nobody has seen it
	SeenBy string    // a person's id
	Name   string    // of that person
}

// pageOf is where what a check found is seen to.
func (r *Registry) pageOf(check string) web.NavItem {
	for _, c := range r.checks {
		if c.ID == check {
			return c.Page
		}
	}
	return web.NavItem{}
}

// What writes what is ill; Do what to do about it.
func (i Item) What(b *i18n.Bundle, l i18n.Lang) string { return i.Text.In(b, l) }

// Do writes what a person can do.
func (i Item) Do(b *i18n.Bundle, l i18n.Lang) string {
	return notify.Text{Key: i.Todo, Args: i.Args}.In(b, l)
}

// Report is how the node is.
type Report struct {
	CheckedAt time.Time // zero: never
	Ill       []Item    // there now, the worst first, then the oldest
	Unseen    []Item    // over, and nobody has seen it
	Past      []Item    // over and seen, of the last 7 days, the latest first
}

// Worst is the highest level of what is ill now, 0 when nothing is.
func (r Report) Worst() Level {
	if len(r.Ill) == 0 {
		return 0
	}
	return r.Ill[0].Level
}

// Report reads how the node is. Without the database it says so and that alone.
func (r *Registry) Report(ctx context.Context) Report {
	var rep Report
	now := r.Clock.Now()
	err := r.DB.Read(ctx, func(tx *store.Tx) error {
		rep = Report{}
		var err error
		if rep.CheckedAt, err = checkedAt(tx); err != nil {
			return err
		}
		rows, err := known(tx, now.Add(-history))
		if err != nil {
			return err
		}
		for _, x := range rows {
			item := Item{ID: x.id, Check: x.check, Area: x.area, Finding: x.f, Until: x.until, Times: x.times, SeenAt: x.seenAt, SeenBy: x.seenBy}
			if x.seenBy != "" && r.Name != nil {
				item.Name = r.Name(tx, x.seenBy)
			}
			switch {
			case x.until.IsZero():
				rep.Ill = append(rep.Ill, item)
			case x.seenAt.IsZero():
				rep.Unseen = append(rep.Unseen, item)
			default:
				rep.Past = append(rep.Past, item)
			}
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.Log.Error("health: report", "error", err)
		f := Finding{Text: notify.Text{Key: "health.storage.away"}, Todo: "health.storage.down.do", Level: L3, Object: "read", Since: now}
		rep = Report{CheckedAt: now, Ill: []Item{{Check: checkStorage, Area: "health.area.storage", Finding: f, Times: 1}}}
	case !r.outage.since.IsZero() && r.outage.until.IsZero():
		rep.Ill = append(rep.Ill, Item{Check: checkStorage, Area: "health.area.storage", Finding: r.outageFinding(), Times: 1})
	case rep.CheckedAt.IsZero() || older(now, rep.CheckedAt, stale):
		f := Finding{Text: notify.Text{Key: "health.checks.stale"}, Todo: "health.checks.stale.do", Level: L2, Since: rep.CheckedAt}
		if f.Since.IsZero() {
			f = Finding{Text: notify.Text{Key: "health.checks.never"}, Todo: "health.checks.stale.do", Level: L1, Since: now}
		}
		rep.Ill = append(rep.Ill, Item{Check: checkItself, Area: "health.area.checks", Finding: f, Times: 1})
	}
	sortItems(rep.Ill)
	slices.SortStableFunc(rep.Past, func(a, b Item) int { return b.Until.Compare(a.Until) })
	return rep
}

func sortItems(items []Item) {
	slices.SortStableFunc(items, func(a, b Item) int {
		if a.Level != b.Level {
			return int(b.Level) - int(a.Level)
		}
		return a.Since.Compare(b.Since)
	})
}

// Examine runs all checks now and stores nothing: for the command line, beside a
// running node or without one. Since when comes from the database where it is
// known there.
func (r *Registry) Examine(ctx context.Context) Report {
	results := r.look(ctx)
	now := r.Clock.Now()
	var rows []row
	if err := r.DB.Read(ctx, func(tx *store.Tx) (err error) { rows, err = unsettled(tx); return err }); err != nil {
		r.Log.Error("health: examine", "error", err)
	}
	rep := Report{CheckedAt: now}
	for _, res := range results {
		for _, f := range res.findings {
			item := Item{Check: res.check.ID, Area: res.check.Area, Finding: f, Times: 1}
			if f.Since.IsZero() {
				item.Since = now
			}
			for _, x := range rows {
				if x.check == res.check.ID && x.f.Object == f.Object {
					item.ID, item.Since, item.Times, item.SeenAt, item.SeenBy = x.id, x.since, x.times, x.seenAt, x.seenBy
				}
			}
			rep.Ill = append(rep.Ill, item)
		}
	}
	sortItems(rep.Ill)
	return rep
}

// Line is an item in a language, for programs and the command line.
type Line struct {
	Check  string     `json:"check"`
	Object string     `json:"object,omitempty"`
	Level  Level      `json:"level"` // 1 to 3
	Word   string     `json:"word"`  // of the level
	Area   string     `json:"area"`
	Text   string     `json:"text"`
	Todo   string     `json:"todo"`
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until,omitempty"`
	Times  int64      `json:"times"`
	SeenAt *time.Time `json:"seenAt,omitempty"`
}

// Answer is a report in a language: what /api/health says and doctor prints.
type Answer struct {
	CheckedAt time.Time `json:"checkedAt"`
	Healthy   bool      `json:"healthy"` // nothing is ill now
	Ill       []Line    `json:"ill"`
	Unseen    []Line    `json:"unseen"`
	Past      []Line    `json:"past"`
}

// Answer writes the report in a language.
func (r Report) Answer(b *i18n.Bundle, l i18n.Lang) Answer {
	lines := func(items []Item) []Line {
		out := make([]Line, 0, len(items))
		for _, i := range items {
			line := Line{Check: i.Check, Object: i.Object, Level: i.Level, Word: b.Text(l, "health.level."+i.Level.name(), nil), Area: b.Text(l, i.Area, nil),
				Text: i.What(b, l), Todo: i.Do(b, l), Since: i.Since, Times: i.Times}
			if !i.Until.IsZero() {
				line.Until = &i.Until
			}
			if !i.SeenAt.IsZero() {
				line.SeenAt = &i.SeenAt
			}
			out = append(out, line)
		}
		return out
	}
	return Answer{CheckedAt: r.CheckedAt, Healthy: len(r.Ill) == 0, Ill: lines(r.Ill), Unseen: lines(r.Unseen), Past: lines(r.Past)}
}

// bannerAge is how long the banner's state is reused: it stands on every page.
const bannerAge = 5 * time.Second

// summary is the report for the banner.
func (r *Registry) summary(ctx context.Context) Report {
	now := r.Clock.Now()
	r.mu.Lock()
	if age := now.Sub(r.cacheAt); r.cached != nil && age >= 0 && age < bannerAge {
		defer r.mu.Unlock()
		return *r.cached
	}
	r.mu.Unlock()
	rep := r.Report(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cached, r.cacheAt = &rep, now
	return rep
}

// worth leaves out of a report what only those act on who see to the node.
func (r Report) worth(sees bool) Report {
	if sees {
		return r
	}
	serious := func(items []Item) (all []Item) {
		for _, i := range items {
			if i.Level > L1 {
				all = append(all, i)
			}
		}
		return all
	}
	return Report{CheckedAt: r.CheckedAt, Ill: serious(r.Ill), Unseen: serious(r.Unseen), Past: r.Past}
}

// forget makes the banner read anew.
func (r *Registry) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cached = nil
}
