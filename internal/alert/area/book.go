package area

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

const (
	// topic wakes the other instances of a node.
	topic = "area"
	// lookEvery is how often the rows are read besides: a wake-up may be lost.
	lookEvery = time.Minute
	// setting holds when a version was written last: whoever writes one writes it first,
	// and so waits for who does so at the same time.
	setting = "area-own"
	// maxReason bounds a reason, in bytes.
	maxReason = 500
)

// Options are what a book stands on.
type Options struct {
	DB     *store.DB
	Places *register.Register
	Audit  *audit.Log
	Clock  *clock.Clock
	Log    *slog.Logger
	// Name is what a person with that id is called.
	Name func(tx *store.Tx, person string) string
}

// Book is the table of a node with the rows that its operator wrote.
type Book struct {
	*Table
	o Options

	mu   sync.Mutex // one reading at a time: an older one never replaces a newer
	lost []Refusal
}

// Open reads the book of a node.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{Table: &Table{}, o: o}
	return b, b.Refresh(ctx)
}

// Refresh reads the own rows and answers by them from then on.
func (b *Book) Refresh(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, err := b.versions(ctx)
	if err != nil {
		return problem.Wrap("area.Refresh", err)
	}
	s, lost, err := assemble(b.o.Places, all)
	if err != nil {
		return problem.Wrap("area.Refresh", err)
	}
	for _, l := range lost {
		if !slices.ContainsFunc(b.lost, func(o Refusal) bool { return o.Key == l.Key }) {
			b.o.Log.Warn("area: an own row no longer fits the table and does not count", "area", l.Key.String(), "why", l.Text.Key)
		}
	}
	b.lost = lost
	b.now.Store(s)
	return nil
}

// Lost are the own rows that should count and do not, since what the program brings
// changed.
func (b *Book) Lost() []Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lost)
}

// Run keeps up with what other instances of the node and the command line write.
func (b *Book) Run(ctx context.Context) error {
	watch := b.o.DB.Watch(topic)
	defer watch.Close()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-watch.C():
		case <-time.After(lookEvery):
		}
		if err := b.Refresh(ctx); err != nil && ctx.Err() == nil {
			b.o.Log.Error("area: own rows", "error", err)
		}
	}
	return ctx.Err()
}

func (b *Book) versions(ctx context.Context) (all []Version, err error) {
	err = b.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, err = readVersions(tx)
		return err
	})
	return all, err
}

// History are all versions, the last first, with names in place of people's ids.
func (b *Book) History(ctx context.Context) (all []Version, err error) {
	err = b.o.DB.Read(ctx, func(tx *store.Tx) error {
		if all, err = readVersions(tx); err != nil {
			return err
		}
		for i := range all {
			if all[i].Person != operator && b.o.Name != nil {
				all[i].Person = b.o.Name(tx, all[i].Person)
			}
		}
		return nil
	})
	slices.SortStableFunc(all, func(x, y Version) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(y.Number, x.Number)) })
	return all, problem.Wrap("area.History", err)
}

// Judge says what Import would do with a file.
func (b *Book) Judge(ctx context.Context, file []byte) ([]Change, []Refusal, error) {
	all, err := b.versions(ctx)
	if err != nil {
		return nil, nil, problem.Wrap("area.Judge", err)
	}
	return judge(b.o.Places, all, file, b.o.Clock.Now())
}

// Import takes the rows of a file over: all, or none if one is refused. Rows that stand in
// the table as they are stay. They count as soon as it returns.
func (b *Book) Import(ctx context.Context, person string, file []byte, reason string) (changes []Change, refused []Refusal, err error) {
	const op = "area.Import"
	if reason, err = reasonOf(reason); err != nil {
		return nil, nil, err
	}
	all, err := b.versions(ctx)
	if err != nil {
		return nil, nil, problem.Wrap(op, err)
	}
	if changes, refused, err = judge(b.o.Places, all, file, b.o.Clock.Now()); err != nil || len(refused) > 0 {
		return changes, refused, problem.Wrap(op, err)
	}
	if !slices.ContainsFunc(changes, func(c Change) bool { return c.Kind != "same" }) {
		return changes, nil, nil
	}
	return changes, nil, problem.Wrap(op, b.write(ctx, len(all), func(tx *store.Tx, all []Version) error {
		for _, c := range changes {
			if c.Kind == "same" {
				continue
			}
			v := Version{Key: c.Key, At: b.o.Clock.Now(), Person: person, Step: actImport, Reason: reason, Row: c.fields}
			all = addVersion(all, v)
			if err := b.put(tx, last(all, c.Key)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// ImportByOperator is Import by whoever has the node's command line, UndoByOperator is
// Undo.
func (b *Book) ImportByOperator(ctx context.Context, file []byte, reason string) ([]Change, []Refusal, error) {
	return b.Import(ctx, operator, file, reason)
}

// UndoByOperator is described at ImportByOperator.
func (b *Book) UndoByOperator(ctx context.Context, k Key, reason string) (Version, error) {
	return b.Undo(ctx, operator, k, 0, reason)
}

var errNotFound = problem.New("area", problem.NotFound, "area.own.none", nil)

// Undo puts the version of a code in force that counted before the one that counts; before
// the first, what is shipped. seen is the last version that the person saw, 0 for any.
// It is always allowed: what contradicts others then, Check says.
func (b *Book) Undo(ctx context.Context, person string, k Key, seen int, reason string) (v Version, err error) {
	const op = "area.Undo"
	if reason, err = reasonOf(reason); err != nil {
		return v, err
	}
	return v, problem.Wrap(op, b.write(ctx, -1, func(tx *store.Tx, all []Version) error {
		now := last(all, k)
		switch {
		case now.Holds == 0:
			return errNotFound
		case seen != 0 && seen != now.Number:
			return errChanged
		}
		v = Version{Key: k, At: b.o.Clock.Now(), Person: person, Step: actUndo, Reason: reason}
		for _, o := range all {
			if o.Key == k && o.Number == now.Holds {
				v.Holds = o.Held
			}
		}
		v = last(addVersion(all, v), k)
		return b.put(tx, v)
	}))
}

var errChanged = problem.New("area", problem.Conflict, "area.own.changed", nil)

func reasonOf(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxReason {
		return "", problem.New("area", problem.Invalid, "area.own.no_reason", i18n.Args{"n": maxReason})
	}
	return text, nil
}

func last(all []Version, k Key) (v Version) {
	for _, o := range all {
		if o.Key == k {
			v = o
		}
	}
	return v
}

// write runs f with the versions that there are, in a transaction that no other writer of
// own rows runs beside; seen is how many there have to be, -1 for any.
func (b *Book) write(ctx context.Context, seen int, f func(tx *store.Tx, all []Version) error) error {
	err := b.o.DB.Write(ctx, func(tx *store.Tx) error {
		// The same row by every writer: on PostgreSQL the second waits for the first.
		if err := tx.SetSetting(setting, strconv.FormatInt(b.o.Clock.Now().UnixMilli(), 10)); err != nil {
			return err
		}
		all, err := readVersions(tx)
		if err != nil {
			return err
		}
		if seen >= 0 && len(all) != seen {
			return errChanged
		}
		if err := f(tx, all); err != nil {
			return err
		}
		tx.Notify(topic)
		return nil
	})
	if err != nil {
		return err
	}
	return b.Refresh(ctx)
}

// put adds a version with its audit leaf: the code and a hash of what the row says and why.
func (b *Book) put(tx *store.Tx, v Version) error {
	content := ""
	if v.Row != nil {
		raw, err := json.Marshal(v.Row)
		if err != nil {
			return err
		}
		content = string(raw)
	}
	switch written, err := putVersion(tx, v, content); {
	case err != nil:
		return err
	case !written:
		return errChanged
	}
	detail, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.o.Audit.Append(tx, audit.Event{Action: "area." + v.Step, Actor: v.Person, Object: v.Key.String(), Detail: detail})
}
