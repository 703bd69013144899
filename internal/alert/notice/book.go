package notice

import (
	"context"
	"slices"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Book is all templates with all their versions.
type Book struct {
	all   []*Template // oldest first
	marks []mark
}

// Book is the book as it stands in tx: what is shipped, then what was written.
func (s *Service) Book(tx *store.Tx) (*Book, error) {
	own, err := written(tx)
	if err != nil {
		return nil, err
	}
	b := &Book{}
	if b.marks, err = marks(tx); err != nil {
		return nil, err
	}
	for _, t := range slices.Concat(s.shipped, own) {
		c := *t
		c.Checked = map[i18n.Lang]Check{}
		for _, m := range b.marks {
			if m.id != c.ID || m.version != c.Version {
				continue
			}
			if delete(c.Checked, m.lang); m.checked {
				c.Checked[m.lang] = m.Check
			}
		}
		b.all = append(b.all, &c)
	}
	return b, nil
}

// Templates is the book outside of a transaction.
func (s *Service) Templates(ctx context.Context) (b *Book, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error { b, err = s.Book(tx); return err })
	return b, problem.Wrap("notice.Templates", err)
}

// History lists the versions of a template, the newest first.
func (b *Book) History(id string) (all []*Template) {
	for _, t := range slices.Backward(b.all) {
		if t.ID == id {
			all = append(all, t)
		}
	}
	return all
}

// Find is the template in use, nil without.
func (b *Book) Find(id string) *Template {
	if h := b.History(id); len(h) > 0 && !h[0].Retired {
		return h[0]
	}
	return nil
}

// Version is exactly that one, nil without.
func (b *Book) Version(id, version string) *Template {
	for _, t := range slices.Backward(b.all) {
		if t.ID == id && t.Version == version {
			return t
		}
	}
	return nil
}

// InUse lists the templates one can write with, in the order of their hazards.
func (b *Book) InUse() (all []*Template) {
	seen := map[string]bool{}
	for _, t := range b.all {
		if !seen[t.ID] {
			seen[t.ID] = true
			if n := b.Find(t.ID); n != nil {
				all = append(all, n)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y *Template) int {
		return slices.Index(Hazards, x.Hazard) - slices.Index(Hazards, y.Hazard)
	})
	return all
}

// Put writes templates; what differs in nothing from what is in use is left alone. base
// is how many versions a single one had when it was read, −1 for a file.
func (s *Service) Put(ctx context.Context, who Actor, all []*Template, base int) (changed int, err error) {
	var faults []Fault
	for _, t := range all {
		faults = append(faults, t.check()...)
	}
	if len(faults) > 0 {
		return 0, &Refused{faults}
	}
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		changed = 0
		b, err := s.Book(tx)
		if err != nil {
			return err
		}
		for _, t := range all {
			n := *t
			n.Version, n.By, n.Retired = t.fingerprint(), who.Person, false
			if old := b.Find(n.ID); old != nil && old.Version == n.Version {
				continue
			}
			if base >= 0 && len(b.History(n.ID)) != base {
				return &Refused{[]Fault{{Key: "notice.fault.changed"}}}
			}
			if err := s.record(tx, "notice.template.put", &n); err != nil {
				return err
			}
			changed++
		}
		return nil
	})
	return changed, problem.Wrap("notice.Put", err)
}

func (s *Service) record(tx *store.Tx, action string, t *Template) error {
	if err := t.insert(tx, s.o.Clock.Now()); err != nil {
		return err
	}
	return s.o.Audit.Append(tx, audit.Event{Action: action, Actor: t.By, Object: t.ID + " " + t.Version})
}

// Retire takes a template out of use. What was written with it stays readable.
func (s *Service) Retire(ctx context.Context, who Actor, id string) error {
	return problem.Wrap("notice.Retire", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		b, err := s.Book(tx)
		if err != nil {
			return err
		}
		t := b.Find(id)
		if t == nil {
			return problem.New("notice.Retire", problem.NotFound, "", nil)
		}
		n := *t
		n.Retired, n.By = true, who.Person
		return s.record(tx, "notice.template.retire", &n)
	}))
}

// Restore takes an earlier version of a template into use again: the undo of a change, and
// of Retire. Checks belong to words, so that those of that version count again.
func (s *Service) Restore(ctx context.Context, who Actor, id, version string) error {
	const op = "notice.Restore"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		b, err := s.Book(tx)
		if err != nil {
			return err
		}
		t := b.Version(id, version)
		if t == nil {
			return problem.New(op, problem.NotFound, "", nil)
		}
		if now := b.Find(id); now != nil && now.Version == version {
			return nil
		}
		n := *t
		n.Retired, n.By = false, who.Person
		return s.record(tx, "notice.template.put", &n)
	}))
}

// Check notes that a person finds the text of a version in a language right, or takes
// that back.
func (s *Service) Check(ctx context.Context, who Actor, id, version string, l i18n.Lang, right bool) error {
	const op = "notice.Check"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		b, err := s.Book(tx)
		if err != nil {
			return err
		}
		if b.Version(id, version) == nil || !slices.Contains(i18n.Langs, l) {
			return problem.New(op, problem.NotFound, "", nil)
		}
		m := mark{id: id, version: version, lang: l, checked: right, Check: Check{who.Person, s.o.Clock.Now()}}
		if err := m.insert(tx); err != nil {
			return err
		}
		action := "notice.template.check"
		if !right {
			action = "notice.template.uncheck"
		}
		return s.o.Audit.Append(tx, audit.Event{Action: action, Actor: who.Person, Object: id + " " + version + " " + string(l)})
	}))
}

// Import writes what a file holds; templates it lacks stay. A *Refused tells all faults.
func (s *Service) Import(ctx context.Context, who Actor, file []byte) (changed int, err error) {
	all, faults := readCSV(file)
	if len(faults) > 0 {
		return 0, &Refused{faults}
	}
	return s.Put(ctx, who, all, -1)
}

// checks are who found which text of a template right or took that back, the newest first.
func (b *Book) checks(id string) (all []mark) {
	for _, m := range slices.Backward(b.marks) {
		if m.id == id {
			all = append(all, m)
		}
	}
	return all
}

// lasts is how long a notice of a template holds.
func (t *Template) lasts() time.Duration { return time.Duration(t.Hours) * time.Hour }
