package health

import (
	"reflect"
	"strconv"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

// page is where people read on.
const page = "/health"

// merge brings what the checks say together with what is remembered, and tells
// people, all in one transaction.
func (r *Registry) merge(tx *store.Tx, results []result, now time.Time) error {
	rows, err := unsettled(tx)
	if err != nil {
		return err
	}
	open := map[[2]string]row{}
	for _, x := range rows {
		open[[2]string{x.check, x.f.Object}] = x
	}
	for _, res := range results {
		for _, f := range res.findings {
			at := [2]string{res.check.ID, f.Object}
			x, ok := open[at]
			delete(open, at)
			if !ok {
				err = r.begin(tx, res.check, f, now)
			} else {
				err = r.goOn(tx, x, f)
			}
			if err != nil {
				return err
			}
		}
		if res.unknown {
			for at := range open {
				if at[0] == res.check.ID {
					delete(open, at) // stays as it is
				}
			}
		}
	}
	for _, x := range open {
		if err := r.end(tx, x, now); err != nil {
			return err
		}
	}
	if err := r.record(tx); err != nil {
		return err
	}
	if err := prune(tx, now.Add(-keep)); err != nil {
		return err
	}
	return tx.SetSetting(settingChecked, strconv.FormatInt(now.UnixMilli(), 10))
}

// begin remembers a new finding.
func (r *Registry) begin(tx *store.Tx, c Check, f Finding, now time.Time) error {
	if f.Since.IsZero() || f.Since.After(now) {
		f.Since = now
	}
	if err := insert(tx, row{check: c.ID, area: c.Area, f: f, told: f.Level, since: f.Since, times: 1}); err != nil {
		return err
	}
	return r.Notify.Send(tx, newsOf(f, f.Since))
}

// goOn takes over what changed. People are told again only of a level they have
// not been told of, and of more of the same.
func (r *Registry) goOn(tx *store.Tx, x row, f Finding) error {
	f.Since = x.since
	more := f.Again != "" && x.f.Args[f.Again] != f.Args[f.Again]
	same := x.until.IsZero() && x.f.Level == f.Level && x.f.Todo == f.Todo && x.f.Key == f.Key && sameArgs(x.f.Args, f.Args)
	if same {
		return nil
	}
	if !x.until.IsZero() {
		x.until = time.Time{}
		x.times++
	}
	tell := more || f.Level > x.told
	x.f = f
	if tell {
		x.told, x.seenAt, x.seenBy = max(x.told, f.Level), time.Time{}, ""
	}
	if err := update(tx, x); err != nil || !tell {
		return err
	}
	return r.Notify.Send(tx, newsOf(f, x.since))
}

// sameArgs compares by what is stored: numbers of either size are equal.
func sameArgs(a, b i18n.Args) bool {
	norm := func(in i18n.Args) i18n.Args {
		out := i18n.Args{}
		for k, v := range in {
			switch v := v.(type) {
			case int:
				out[k] = int64(v)
			case time.Time:
				out[k] = v.UnixMilli()
			case notify.Text:
				out[k] = v.Key
			default:
				out[k] = v
			}
		}
		return out
	}
	return reflect.DeepEqual(norm(a), norm(b))
}

// end waits until a finding has been away for a while before it is over.
func (r *Registry) end(tx *store.Tx, x row, now time.Time) error {
	switch {
	case x.until.IsZero(), x.until.After(now): // after: the clock was set back
		x.until = now
		return update(tx, x)
	case now.Sub(x.until) < settle:
		return nil
	}
	x.settled = true
	if err := update(tx, x); err != nil {
		return err
	}
	return r.Notify.Send(tx, newsOver(x.told, x.f, x.since, x.until))
}

// newsOf tells that a finding is there, or is worse than people know.
func newsOf(f Finding, since time.Time) notify.Notification {
	return notify.Notification{
		Kind: store.Live, Class: f.Level.Class(), Text: f.Text, Link: page,
		More: []notify.Text{{Key: "health.news.since", Args: i18n.Args{"at": since}}, {Key: f.Todo, Args: f.Args}},
	}
}

// newsOver tells those who were told of a level that the finding is over.
func newsOver(told Level, f Finding, since, until time.Time) notify.Notification {
	return notify.Notification{
		Kind: store.Live, Class: told.Class(), Link: page,
		Text: notify.Text{Key: "health.news.over", Args: i18n.Args{"text": f.Text}},
		More: []notify.Text{{Key: "health.news.lasted", Args: i18n.Args{"since": since, "until": until, "d": max(0, until.Sub(since))}}},
	}
}
