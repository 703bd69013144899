package phrase

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Options are what a service stands on.
type Options struct {
	DB    *store.DB
	Audit *audit.Log
	Clock *clock.Clock
	Texts *i18n.Bundle
	// Name is what a person with that id is called.
	Name func(tx *store.Tx, person string) string
}

// Service keeps the phrasebook of a node. It is safe for concurrent use.
type Service struct {
	o       Options
	shipped []*Phrase

	mu   sync.Mutex
	book *Book
	at   state
}

// New returns the service.
func New(o Options) (*Service, error) {
	phrases, faults := parseCSV(shipped, true)
	if len(faults) > 0 {
		return nil, problem.Wrap("phrase.New", &Refused{faults})
	}
	return &Service{o: o, shipped: phrases}, nil
}

// Book is the book as it stands in tx. It is read anew when somebody has written.
func (s *Service) Book(tx *store.Tx) (*Book, error) {
	now, err := stateOf(tx)
	if err != nil {
		return nil, problem.Wrap("phrase.Book", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book != nil && s.at == now {
		return s.book, nil
	}
	own, err := written(tx)
	if err != nil {
		return nil, problem.Wrap("phrase.Book", err)
	}
	checks, err := marks(tx)
	if err != nil {
		return nil, problem.Wrap("phrase.Book", err)
	}
	var all []*Phrase
	for _, p := range slices.Concat(s.shipped, own) {
		c := *p
		c.Checked = map[i18n.Lang]Check{}
		for _, m := range checks {
			if m.id != c.ID || m.version != c.Version {
				continue
			}
			c.marks = append(c.marks, m)
			if delete(c.Checked, m.lang); m.checked {
				c.Checked[m.lang] = m.Check
			}
		}
		all = append(all, &c)
	}
	s.book, s.at = newBook(all, s.o.Texts), now
	return s.book, nil
}

// Now is the book outside of a transaction.
func (s *Service) Now(ctx context.Context) (b *Book, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		b, err = s.Book(tx)
		return err
	})
	return b, err
}

// Put writes phrases that come into force at a moment, the present one for the zero
// time. What differs in nothing from what is in force then is left alone; changed
// says how many did. A *Refused tells all faults; nothing is written then.
func (s *Service) Put(ctx context.Context, person string, phrases []*Phrase, from time.Time) (changed int, err error) {
	return s.put(ctx, person, phrases, from, func(*Book, string) *Fault { return nil })
}

// Revise writes one phrase as Put does, unless somebody has changed it since base of its
// versions were there; 0 is for one that is new.
func (s *Service) Revise(ctx context.Context, person string, p *Phrase, from time.Time, base int) error {
	_, err := s.put(ctx, person, []*Phrase{p}, from, func(b *Book, id string) *Fault {
		switch n := len(b.History(id)); {
		case n == base:
			return nil
		case base == 0:
			return &Fault{Field: "id", Key: "phrase.fault.taken", Args: i18n.Args{"value": id}}
		}
		return &Fault{Key: "phrase.fault.changed"}
	})
	return err
}

func (s *Service) put(ctx context.Context, person string, phrases []*Phrase, from time.Time, stale func(b *Book, id string) *Fault) (changed int, err error) {
	var faults []Fault
	for _, p := range phrases {
		faults = append(faults, p.check()...)
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
		now := s.o.Clock.Now()
		if from.Before(now) {
			from = now
		}
		for _, p := range phrases {
			n := &Phrase{ID: p.ID, Group: p.Group, Slots: p.Slots, Texts: p.Texts, From: from, By: person}
			n.Version = n.fingerprint()
			for _, old := range b.History(p.ID) {
				if old.fingerprint() == n.Version {
					n.Version = old.Version // the same words keep their name and their checks
					break
				}
			}
			if old := b.Find(p.ID, from); old != nil && old.Version == n.Version && old.Group == n.Group {
				continue
			}
			if f := stale(b, p.ID); f != nil {
				return &Refused{[]Fault{*f}}
			}
			if b.Find(p.ID, from) == nil && len(b.History(p.ID)) == 0 && strings.HasPrefix(p.ID, "P") {
				return &Refused{[]Fault{{Field: "id", Key: "phrase.fault.own_id", Args: i18n.Args{"value": p.ID}}}}
			}
			if err := s.record(tx, "phrase.put", n, now); err != nil {
				return err
			}
			changed++
		}
		return nil
	})
	return changed, problem.Wrap("phrase.Put", err)
}

func (s *Service) record(tx *store.Tx, action string, p *Phrase, now time.Time) error {
	if err := p.insert(tx, now); err != nil {
		return err
	}
	detail := slotList(p.Slots)
	for _, l := range i18n.Langs {
		detail += "\n" + p.Texts[l].String()
	}
	return s.o.Audit.Append(tx, audit.Event{Action: action, Actor: p.By, Object: p.ID + " " + p.Version, Detail: []byte(detail)})
}

// none is the error for a phrase that is not there.
func none(op string) error { return problem.New(op, problem.NotFound, "phrase.not_found", nil) }

// Retire takes a phrase out of use. What was said with it stays readable.
func (s *Service) Retire(ctx context.Context, person, id string) error {
	return problem.Wrap("phrase.Retire", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		b, err := s.Book(tx)
		if err != nil {
			return err
		}
		now := s.o.Clock.Now()
		p := b.Find(id, now)
		if p == nil {
			return none("phrase.Retire")
		}
		n := *p
		n.Retired, n.From, n.By = true, now, person
		return s.record(tx, "phrase.retire", &n, now)
	}))
}

// Check notes that a person finds a version's text right, or takes that back.
func (s *Service) Check(ctx context.Context, person, id, version string, l i18n.Lang, right bool) error {
	return problem.Wrap("phrase.Check", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		b, err := s.Book(tx)
		if err != nil {
			return err
		}
		p := b.versions[id+" "+version]
		if p == nil || !slices.Contains(i18n.Langs, l) {
			return none("phrase.Check")
		}
		m := mark{id: id, version: version, lang: l, checked: right, Check: Check{person, s.o.Clock.Now()}}
		if err := m.insert(tx); err != nil {
			return err
		}
		action := "phrase.check"
		if !right {
			action = "phrase.uncheck"
		}
		return s.o.Audit.Append(tx, audit.Event{Action: action, Actor: person, Object: id + " " + version + " " + string(l)})
	}))
}

// Import writes what a file holds, from now on; changed says how many phrases that
// were. Phrases the file lacks stay.
func (s *Service) Import(ctx context.Context, person string, file []byte) (changed int, err error) {
	phrases, faults := parseCSV(file, false)
	if len(faults) > 0 {
		return 0, &Refused{faults}
	}
	return s.Put(ctx, person, phrases, time.Time{})
}
