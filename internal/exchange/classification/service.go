package classification

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// topic is notified when the crosswalk or a neighbour's catalogue changed.
const topic = "classification"

// poll is how often the rows are read without a wake-up, which may be lost.
const poll = 30 * time.Second

// Options are what a service stands on.
type Options struct {
	DB    *store.DB
	Node  *exchange.Node // nil at the command line, which asks no neighbour
	Audit *audit.Log
	Clock *clock.Clock
	Log   *slog.Logger
	// Name is what a person with that id is called.
	Name func(tx *store.Tx, person string) string
	// Addresses are an organisation's own; the first is the one messages leave from.
	Addresses func(ctx context.Context, organisation string) ([]string, error)
}

// Service keeps the crosswalk of a node. It is safe for concurrent use.
type Service struct {
	o     Options
	mu    sync.Mutex // one reader at a time: an older table must not replace a newer one
	table atomic.Pointer[Table]
}

// New returns the service with the rows as they stand.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{o: o}
	return s, s.load(ctx)
}

// Table is the crosswalk as it stands.
func (s *Service) Table() *Table { return s.table.Load() }

// Run keeps the table up to date with what other instances change, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	w := s.o.DB.Watch(topic)
	defer w.Close()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.C():
		case <-time.After(poll):
		}
		if err := s.load(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("classification: read", "error", err)
		}
	}
}

func (s *Service) load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return problem.Wrap("classification.load", s.o.DB.Read(ctx, func(tx *store.Tx) error {
		t, err := read(tx)
		if err == nil {
			s.table.Store(t)
		}
		return err
	}))
}

// read is the table of a transaction.
func read(tx *store.Tx) (*Table, error) {
	changed, err := current(tx)
	if err != nil {
		return nil, err
	}
	known, err := catalogues(tx)
	if err != nil {
		return nil, err
	}
	by := map[string]Row{}
	for _, r := range slices.Concat(Shipped(), changed) {
		by[r.Key+"\x00"+r.Since] = r
	}
	return newTable(slices.Collect(maps.Values(by)), known), nil
}

// get is a row of the table by its key and first day, nil for none.
func (t *Table) get(key, since string) *Row {
	for _, r := range t.byKey[key] {
		if r.Since == since {
			return r
		}
	}
	return nil
}

// Stamp names the state of the rows: it differs when one of them was changed.
func (t *Table) Stamp() string {
	h := sha256.New()
	for _, r := range t.rows {
		fmt.Fprintf(h, "%s\x00%s\x00%d\x00", r.Key, r.Since, r.Version)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Conflict is what stands now where somebody changed an older version.
type Conflict struct{ Row Row }

func (c *Conflict) Error() string {
	return "classification: " + c.Row.Key + " was changed in the meantime"
}

// Operator stands for who works at the command line.
const Operator = "operator"

// NoVersion is the version a new row is based on.
const NoVersion = -1

// Save writes a row that somebody made from version base; a *Conflict when that is not
// the newest any more. A label whose words change is a draft again.
func (s *Service) Save(ctx context.Context, person string, r Row, base int64) ([]Fault, error) {
	faults := r.faults()
	if len(faults) > 0 {
		return faults, nil
	}
	err := s.write(ctx, "classification.Save", func(tx *store.Tx, t *Table) error {
		faults = nil
		now := t.get(r.Key, r.Since)
		switch {
		case now == nil && base != NoVersion:
			return errNotFound
		case now != nil && now.Version != base:
			return &Conflict{*now}
		}
		action := "edit"
		if now == nil {
			action = "add"
		}
		if err := s.put(tx, t, now, r, person, action); err != nil {
			return err
		}
		if twice := t.with(r); twice != nil {
			faults = []Fault{{Field: "since", Key: "classification.fault.overlap", Args: i18n.Args{"since": twice.Since}}}
			return errFaults
		}
		return nil
	})
	if err != nil && len(faults) > 0 {
		return faults, nil
	}
	return nil, err
}

var (
	errNotFound = problem.New("classification", problem.NotFound, "classification.not_found", nil)
	errFaults   = problem.New("classification", problem.Invalid, "classification.fault.overlap", nil)
)

// with is the row that the table has at the same time as r would count, nil for none.
func (t *Table) with(r Row) *Row {
	all := []*Row{&r}
	for _, o := range t.byKey[r.Key] {
		if o.Since != r.Since {
			all = append(all, o)
		}
	}
	return overlaps(all)
}

// write changes rows in one transaction and takes over what it wrote.
func (s *Service) write(ctx context.Context, op string, f func(tx *store.Tx, t *Table) error) error {
	err := s.o.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := read(tx)
		if err != nil {
			return err
		}
		tx.Notify(topic)
		return f(tx, t)
	})
	if err != nil {
		return problem.Wrap(op, err)
	}
	return s.load(ctx)
}

// put writes the next version of a row, with its entry in the audit log.
func (s *Service) put(tx *store.Tx, t *Table, now *Row, r Row, person, action string) error {
	r.Version, r.At, r.By, r.Action = 1, s.o.Clock.Now(), person, action
	if now != nil {
		r.Version = now.Version + 1
		r.Label = maps.Clone(r.Label)
		for l, text := range r.Label {
			if text.Draft() && text.Text == now.Label[l].Text {
				r.Label[l] = now.Label[l]
			}
		}
	}
	if err := putRow(tx, r); err != nil {
		return err
	}
	detail, err := json.Marshal(changes(now, &r))
	if err != nil {
		return err
	}
	return s.o.Audit.Append(tx, audit.Event{Action: "classification." + action, Actor: person, Object: strings.TrimSuffix(r.Key+"@"+r.Since, "@"), Detail: detail})
}

// Check notes that a person has found a label right. words are those he saw: a
// *Conflict when the label says something else by now.
func (s *Service) Check(ctx context.Context, person, key, since string, l i18n.Lang, words string) error {
	return s.write(ctx, "classification.Check", func(tx *store.Tx, t *Table) error {
		now := t.get(key, since)
		switch {
		case now == nil || !slices.Contains(i18n.Langs, l):
			return errNotFound
		case now.Label[l].Text != words:
			return &Conflict{*now}
		}
		r := *now
		r.Label = maps.Clone(now.Label)
		r.Label[l] = Text{Text: words, CheckedBy: person, CheckedAt: s.o.Clock.Now()}
		return s.put(tx, t, now, r, person, "check")
	})
}

// Restore makes an earlier version of a row count again, with what was checked of it.
// base is the version somebody looked at when he said so.
func (s *Service) Restore(ctx context.Context, person, key, since string, version, base int64) error {
	return s.write(ctx, "classification.Restore", func(tx *store.Tx, t *Table) error {
		now := t.get(key, since)
		if now == nil {
			return errNotFound
		}
		if now.Version != base {
			return &Conflict{*now}
		}
		all, err := history(tx, key, since)
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.Version != version {
				continue
			}
			if t.with(r) != nil {
				return errFaults
			}
			return s.put(tx, t, now, r, person, "restore")
		}
		return errNotFound
	})
}

// history are the versions of a row, the newest first, down to the program's.
func history(tx *store.Tx, key, since string) ([]Row, error) {
	all, err := versions(tx, key, since)
	for _, r := range Shipped() {
		if r.Key == key && r.Since == since {
			all = append(all, r)
		}
	}
	return all, err
}

// Version is one of a row with what it changed.
type Version struct {
	Row
	Name    string // of the person
	Changes []Change
}

// History are the versions of a row, the newest first, and the names of who checked its
// labels, by person. Version 0 is as the program brought it; a row that somebody added
// has none.
func (s *Service) History(ctx context.Context, key, since string) (out []Version, names map[string]string, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		out, names = nil, map[string]string{}
		all, err := history(tx, key, since)
		if err != nil {
			return err
		}
		for i, r := range all {
			v := Version{Row: r, Name: s.name(tx, r.By)}
			for _, text := range r.Label {
				names[text.CheckedBy] = s.name(tx, text.CheckedBy)
			}
			if i+1 < len(all) {
				v.Changes = changes(&all[i+1], &r)
			}
			out = append(out, v)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = errNotFound
	}
	return out, names, problem.Wrap("classification.History", err)
}

func (s *Service) name(tx *store.Tx, person string) string {
	if person == "" || s.o.Name == nil {
		return ""
	}
	return s.o.Name(tx, person)
}

// Plan is what an import would change. Stamp is of the rows it was made for.
type Plan struct {
	Rows    []Row // that differ
	Changes []Change
	Stamp   string
}

// Plan says what a file would change; nothing does yet. Rows that the file does not
// have stay as they are.
func (t *Table) Plan(file []byte) (Plan, []Fault) {
	rows, faults := ReadFile(file)
	if len(faults) > 0 {
		return Plan{}, faults
	}
	p := Plan{Stamp: t.Stamp()}
	after := map[string]*Row{}
	for _, r := range t.rows {
		after[r.Key+"\x00"+r.Since] = r
	}
	for i := range rows {
		r := &rows[i]
		if diff := changes(t.get(r.Key, r.Since), r); len(diff) > 0 {
			p.Rows, p.Changes = append(p.Rows, *r), append(p.Changes, diff...)
			after[r.Key+"\x00"+r.Since] = r
		}
	}
	if twice := overlaps(slices.Collect(maps.Values(after))); twice != nil {
		return Plan{}, []Fault{{Line: 1, Column: 1, Field: "since", Key: "classification.fault.overlap_in", Args: i18n.Args{"value": twice.Key}}}
	}
	return p, nil
}

// ErrStale says that the rows changed since a plan was made.
var ErrStale = problem.New("classification.Import", problem.Conflict, "classification.import.stale", nil)

// Import writes what a file changes, all of it or nothing; ErrStale when stamp is not
// that of the rows as they stand. "" stands for any.
func (s *Service) Import(ctx context.Context, person string, file []byte, stamp string) (p Plan, faults []Fault, err error) {
	err = s.write(ctx, "classification.Import", func(tx *store.Tx, t *Table) error {
		if p, faults = t.Plan(file); len(faults) > 0 {
			return errFaults
		}
		if stamp != "" && stamp != p.Stamp {
			return ErrStale
		}
		for _, r := range p.Rows {
			if err := s.put(tx, t, t.get(r.Key, r.Since), r, person, "import"); err != nil {
				return err
			}
		}
		return nil
	})
	if len(faults) > 0 {
		return Plan{}, faults, nil
	}
	return p, nil, err
}
