package agreement

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// Options are what a book stands on.
type Options struct {
	DB     *store.DB
	Places *register.Register
	Audit  *audit.Log
	Clock  *clock.Clock
	// Name is what a person with that id is called.
	Name func(tx *store.Tx, person string) string
}

// Book keeps the agreements of a node.
type Book struct {
	o Options
	*Index
	kept kept
}

// New returns the book. Before the first question Ship has to run once.
func New(o Options) (*Book, error) {
	x, err := NewIndex(o.Places)
	if err != nil {
		return nil, err
	}
	return &Book{o: o, Index: x}, nil
}

// Ship writes the rows that the program brings: those that the node has not yet, and
// newer ones in place of those that nobody here has touched.
func (s *Book) Ship(ctx context.Context) error {
	return problem.Wrap("agreement.Ship", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		known, err := latest(tx)
		if err != nil {
			return err
		}
		for _, r := range s.shipped {
			number := 1
			if i := slices.IndexFunc(known, func(v Version) bool { return v.Row.ID == r.ID }); i >= 0 {
				if v := known[i]; v.Person != byShipped || v.Row.same(r) {
					continue
				}
				number = known[i].Number + 1
			}
			if err := s.write(tx, Version{Row: r, Number: number, Person: byShipped, Step: actShip}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// write adds a version with its audit leaf: id and a hash of what the row says.
func (s *Book) write(tx *store.Tx, v Version) error {
	v.At = s.o.Clock.Now()
	switch written, err := putVersion(tx, v); {
	case err != nil:
		return err
	case !written && v.Step == actShip:
		return nil // another instance was faster
	case !written:
		return conflict("agreement.changed", i18n.Args{"id": v.Row.ID})
	}
	content, err := json.Marshal(v.Row)
	if err != nil {
		return err
	}
	return s.o.Audit.Append(tx, audit.Event{Action: "agreement." + v.Step, Actor: v.Person, Object: v.Row.ID, Detail: content})
}

// Rows are the rows that hold now, by id.
func (s *Book) Rows(ctx context.Context) (rows []Row, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err = rowsOf(tx)
		return err
	})
	return rows, problem.Wrap("agreement.Rows", err)
}

func rowsOf(tx *store.Tx) (rows []Row, err error) {
	all, err := latest(tx)
	for _, v := range all {
		if v.Step != actRemove {
			rows = append(rows, v.Row)
		}
	}
	return rows, err
}

// Answer answers a question by the rows that hold now; without a day, for today.
func (s *Book) Answer(ctx context.Context, q Question) (Answer, error) {
	rows, err := s.Rows(ctx)
	if q.Day == "" {
		q.Day = s.today()
	}
	return s.Ask(rows, q), err
}

// zone is where the agreements hold.
var zone = func() *time.Location {
	z, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		return time.UTC
	}
	return z
}()

func (s *Book) today() string { return s.o.Clock.Now().In(zone).Format(time.DateOnly) }

var errNotFound = problem.New("agreement", problem.NotFound, "agreement.not_found", nil)

// last is the version of a row that holds.
func last(tx *store.Tx, id string) (Version, error) {
	all, err := history(tx, id)
	if err != nil {
		return Version{}, err
	}
	if len(all) == 0 || all[0].Step == actRemove {
		return Version{}, errNotFound
	}
	return all[0], nil
}

// History is every version of a row, the newest first, with names in place of
// people's ids.
func (s *Book) History(ctx context.Context, id string) (all []Version, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if all, err = history(tx, id); err != nil || len(all) == 0 {
			return err
		}
		for i := range all {
			all[i].Person = s.name(tx, all[i].Person)
			all[i].Row.CheckedBy = s.name(tx, all[i].Row.CheckedBy)
		}
		return nil
	})
	if err == nil && len(all) == 0 {
		err = errNotFound
	}
	return all, problem.Wrap("agreement.History", err)
}

// name is what the author of a version is called; who is no person stays as he is.
func (s *Book) name(tx *store.Tx, person string) string {
	if person == "" || person == byShipped || person == byOperator {
		return person
	}
	return s.o.Name(tx, person)
}

// Names are the names of those who verified rows.
func (s *Book) Names(ctx context.Context, rows []Row) (names map[string]string, err error) {
	names = map[string]string{}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		for _, r := range rows {
			if r.CheckedBy != "" {
				names[r.CheckedBy] = s.o.Name(tx, r.CheckedBy)
			}
		}
		return nil
	})
	return names, problem.Wrap("agreement.Names", err)
}

// unverified is a row as somebody wrote it: no longer what a person verified, nor
// what the program's makers saw.
func (s *Book) unverified(r Row) Row {
	r.CheckedBy, r.CheckedSource, r.CheckedAt = "", "", time.Time{}
	if r.Status == Verified && !slices.ContainsFunc(s.shipped, r.same) {
		r.Status = FromMemory
	}
	return r
}

// Save writes a row as somebody edited it; version is the one he saw, 0 for a new
// row. What was verified no longer is.
func (s *Book) Save(ctx context.Context, person string, r Row, version int) (faults []Fault, err error) {
	r = s.unverified(r)
	if faults = s.faults(r); len(faults) > 0 {
		return faults, nil
	}
	return nil, problem.Wrap("agreement.Save", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		all, err := history(tx, r.ID)
		if err != nil {
			return err
		}
		there := len(all) > 0 && all[0].Step != actRemove
		switch {
		case version == 0 && there:
			return conflict("agreement.taken", i18n.Args{"id": r.ID})
		case version != 0 && (!there || all[0].Number != version):
			return conflict("agreement.changed", i18n.Args{"id": r.ID})
		}
		return s.write(tx, Version{Row: r, Number: next(all), Person: person, Step: actEdit})
	}))
}

func next(all []Version) int {
	if len(all) == 0 {
		return 1
	}
	return all[0].Number + 1
}

// step writes the next version of a row that somebody looked at.
func (s *Book) step(ctx context.Context, id string, version int, f func(v *Version) error) error {
	return problem.Wrap("agreement.step", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		v, err := last(tx, id)
		if err != nil {
			return err
		}
		if v.Number != version {
			return conflict("agreement.changed", i18n.Args{"id": id})
		}
		v.Number++
		if err := f(&v); err != nil {
			return err
		}
		return s.write(tx, v)
	}))
}

// Verify notes that a person has compared a row with its source. From then on it may
// answer yes.
func (s *Book) Verify(ctx context.Context, person, id string, version int, source string) error {
	if source = strings.TrimSpace(source); source == "" || len(source) > maxText {
		return problem.New("agreement.Verify", problem.Invalid, "agreement.fault.checked_source", nil)
	}
	return s.step(ctx, id, version, func(v *Version) error {
		if v.Row.Empty() {
			return conflict("agreement.fault.empty", nil)
		}
		v.Person, v.Step = person, actVerify
		v.Row.Status, v.Row.CheckedBy, v.Row.CheckedAt, v.Row.CheckedSource = Verified, person, s.o.Clock.Now(), source
		return nil
	})
}

// Remove takes a row out of use; its history stays.
func (s *Book) Remove(ctx context.Context, person, id string, version int) error {
	return s.step(ctx, id, version, func(v *Version) error {
		v.Person, v.Step = person, actRemove
		return nil
	})
}

// Change is what an import does with one row.
type Change struct {
	ID     string  `json:"id"`
	Kind   string  `json:"kind"` // "new", "changed", "same", "wrong"
	Fields []Field `json:"fields,omitempty"`
	Faults []Fault `json:"faults,omitempty"`
}

// Field is a field that changes.
type Field struct{ Name, Before, After string }

// differences are the fields in which two rows differ.
func differences(before, after Row) (all []Field) {
	a, b := before.record(), after.record()
	for i, name := range columns {
		if a[i] != b[i] {
			all = append(all, Field{name, a[i], b[i]})
		}
	}
	return all
}

// Import takes rows of a file over: all, or none if one is wrong. Rows that the file
// does not have stay. With dry nothing is written.
func (s *Book) Import(ctx context.Context, person string, rows []Row, dry bool) (changes []Change, err error) {
	work := func(tx *store.Tx) error {
		changes = nil
		known, err := latest(tx)
		if err != nil {
			return err
		}
		var todo []Version
		wrong := false
		for _, r := range rows {
			c := Change{ID: r.ID, Kind: "new"}
			i := slices.IndexFunc(known, func(v Version) bool { return v.Row.ID == r.ID })
			there := i >= 0 && known[i].Step != actRemove
			v := Version{Row: s.unverified(r), Number: 1, Person: person, Step: actImport}
			if i >= 0 {
				v.Number = known[i].Number + 1
			}
			switch c.Faults = s.faults(r); {
			case len(c.Faults) > 0:
				c.Kind, wrong = "wrong", true
			case there && known[i].Row.same(r):
				c.Kind = "same"
			case there:
				c.Kind, c.Fields = "changed", differences(known[i].Row, v.Row)
				todo = append(todo, v)
			default:
				todo = append(todo, v)
			}
			changes = append(changes, c)
		}
		if dry || wrong {
			return nil
		}
		for _, v := range todo {
			if err := s.write(tx, v); err != nil {
				return err
			}
		}
		return nil
	}
	if dry {
		err = s.o.DB.Read(ctx, work)
	} else {
		err = s.o.DB.Write(ctx, work)
	}
	return changes, problem.Wrap("agreement.Import", err)
}

// ImportByOperator is Import by whoever has the node's command line.
func (s *Book) ImportByOperator(ctx context.Context, rows []Row, dry bool) ([]Change, error) {
	return s.Import(ctx, byOperator, rows, dry)
}

// settingArea is the setting, with the organisation's id, of its units.
const settingArea = "agreement-area-"

// Area are the units for which an organisation's control room works; none until
// somebody has set them.
func (s *Book) Area(ctx context.Context, organisation string) (units []string, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		v, err := tx.Setting(settingArea + organisation)
		units = strings.Fields(v)
		return err
	})
	return units, problem.Wrap("agreement.Area", err)
}

// SetArea writes them down: units of one country.
func (s *Book) SetArea(ctx context.Context, person, organisation string, units []string) ([]Fault, error) {
	if f := s.areaFaults(units); len(f) > 0 {
		return f, nil
	}
	value := strings.Join(units, " ")
	return nil, problem.Wrap("agreement.SetArea", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting(settingArea+organisation, value); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "agreement.area", Actor: person, Object: organisation, Detail: []byte(value)})
	}))
}

// areaFaults says what is wrong with the units of a control room.
func (s *Book) areaFaults(units []string) (all []Fault) {
	var country register.Country
	for _, id := range units {
		u, ok := s.Unit(id)
		switch {
		case !ok || u.Country == "":
			all = append(all, Fault{"from", "agreement.fault.unit", i18n.Args{"value": id}})
		case country != "" && u.Country != country:
			all = append(all, Fault{"from", "agreement.fault.one_country", nil})
		default:
			country = u.Country
		}
	}
	if len(units) == 0 {
		all = append(all, Fault{"from", "agreement.fault.from", nil})
	}
	return all
}
