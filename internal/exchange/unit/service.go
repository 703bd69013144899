package unit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// topic is notified when something of anybody's units changed.
const topic = "unit"

// Options are what a service stands on.
type Options struct {
	DB    *store.DB
	Node  *exchange.Node
	Audit *audit.Log
	Clock *clock.Clock
	Texts *i18n.Bundle
	Log   *slog.Logger
	// Organisations lists the control rooms of this node.
	Organisations func(context.Context) ([]Org, error)
	// Name is a person's name; nil: nobody has one.
	Name func(tx *store.Tx, person string) string
}

// Service keeps units, tells neighbours and knows what they tell. It is safe for
// concurrent use.
type Service struct {
	o Options

	mu      sync.Mutex
	seen    map[string]*snapshot    // by organisation
	wholeAt map[[2]string]time.Time // when a neighbour got the whole list, by organisation and his address
}

// New returns the service. The command line needs neither node nor texts.
func New(o Options) *Service {
	return &Service{o: o, seen: map[string]*snapshot{}, wholeAt: map[[2]string]time.Time{}}
}

// Settings hold for the whole node.
type Settings struct {
	Factor float64       // kilometres by road for one as the crow flies
	Stale  time.Duration // after which a neighbour's word counts as unknown
	Every  time.Duration // positions are sent no more often
}

// Defaults: the factor is a rule of thumb for roads in hills, to be replaced by
// what a control room measures.
var defaults = Settings{Factor: 1.3, Stale: 5 * time.Minute, Every: 30 * time.Second}

// Names of the settings in the database.
const (
	settingFactor = "unit.factor"
	settingStale  = "unit.stale"
	settingEvery  = "unit.every"
)

func settings(tx *store.Tx) (Settings, error) {
	s := defaults
	for name, put := range map[string]func(float64){
		settingFactor: func(v float64) { s.Factor = v },
		settingStale:  func(v float64) { s.Stale = time.Duration(v) * time.Second },
		settingEvery:  func(v float64) { s.Every = time.Duration(v) * time.Second },
	} {
		text, err := tx.Setting(name)
		if err != nil {
			return s, err
		}
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			put(v)
		}
	}
	return s, nil
}

// Settings reads the settings.
func (s *Service) Settings(ctx context.Context) (out Settings, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = settings(tx)
		return err
	})
	return out, problem.Wrap("unit.Settings", err)
}

// SetSettings changes them.
func (s *Service) SetSettings(ctx context.Context, who Actor, n Settings) ([]Fault, error) {
	var faults []Fault
	if !(n.Factor >= 1 && n.Factor <= 3) {
		faults = append(faults, Fault{"factor", "unit.fault.factor"})
	}
	if n.Stale < time.Minute || n.Stale > 30*time.Minute {
		faults = append(faults, Fault{"stale", "unit.fault.stale"})
	}
	if n.Every < 5*time.Second || n.Every > 10*time.Minute {
		faults = append(faults, Fault{"every", "unit.fault.every"})
	}
	if len(faults) > 0 {
		return faults, nil
	}
	return nil, problem.Wrap("unit.SetSettings", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		for name, v := range map[string]float64{settingFactor: n.Factor, settingStale: n.Stale.Seconds(), settingEvery: n.Every.Seconds()} {
			if err := tx.SetSetting(name, strconv.FormatFloat(v, 'f', -1, 64)); err != nil {
				return err
			}
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "unit.settings", Actor: by(who), Object: who.Org})
	}))
}

// Fault is what is wrong with a value.
type Fault struct{ Field, Key string }

var errNotFound = problem.New("unit", problem.NotFound, "unit.not_found", nil)

// by names who acts in the audit log.
func by(who Actor) string { return cmp.Or(who.Person, "node") }

func (s *Service) name(tx *store.Tx, person string) string {
	if person == "" || s.o.Name == nil {
		return ""
	}
	return s.o.Name(tx, person)
}

// List are an organisation's own units by call sign.
func (s *Service) List(ctx context.Context, org string) (all []*Unit, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = unitsOf(tx, org)
		return err
	})
	return all, problem.Wrap("unit.List", err)
}

// Get is one of them with what was done with it, the newest first; problem NotFound.
func (s *Service) Get(ctx context.Context, org, id string) (u *Unit, history []Change, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		if u, err = unitByID(tx, org, id); errors.Is(err, store.ErrNoRows) {
			return errNotFound
		} else if err != nil {
			return err
		}
		if history, err = changesOf(tx, id); err != nil {
			return err
		}
		for i := range history {
			history[i].Person = s.name(tx, history[i].Person)
		}
		return nil
	})
	return u, history, problem.Wrap("unit.Get", err)
}

// owner is the organisation a unit belongs to; problem NotFound.
func (s *Service) owner(ctx context.Context, id string) (org string, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		org, err = ownerOf(tx, id)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		err = errNotFound
	}
	return org, problem.Wrap("unit.owner", err)
}

// Bounds of what is typed.
const (
	maxSign   = 40
	maxWords  = 200
	maxReady  = 24 * 60
	maxCrew   = 99
	maxUnits  = 20_000
	ahead     = 2 * time.Minute // a reported position may be from the future by clocks that differ
	noTyped   = -1
	wholeList = 500 // units in one message
)

// clean puts what was typed on one line.
func clean(text string) string { return strings.Join(strings.Fields(text), " ") }

// faults finds what is wrong with a unit.
func (u *Unit) faults() (all []Fault) {
	u.CallSign, u.Station, u.Skills = clean(u.CallSign), clean(u.Station), clean(u.Skills)
	long := func(text string, most int) bool { return utf8.RuneCountInString(text) > most }
	if u.CallSign == "" || long(u.CallSign, maxSign) {
		all = append(all, Fault{"call_sign", "unit.fault.call_sign"})
	}
	if _, ok := TypeOf(u.Type); !ok {
		all = append(all, Fault{"type", "unit.fault.type"})
	}
	if long(u.Station, maxWords) {
		all = append(all, Fault{"station", "unit.fault.long"})
	}
	if long(u.Skills, maxWords) {
		all = append(all, Fault{"skills", "unit.fault.long"})
	}
	if u.Home != nil && !u.Home.Valid() {
		all = append(all, Fault{"home", "unit.fault.point"})
	}
	if u.Reported != nil && !u.Reported.Valid() {
		all = append(all, Fault{"position", "unit.fault.point"})
	}
	if u.Ready < noTyped || u.Ready > maxReady {
		all = append(all, Fault{"ready", "unit.fault.ready"})
	}
	if u.Crew < noTyped || u.Crew > maxCrew {
		all = append(all, Fault{"crew", "unit.fault.crew"})
	}
	if !u.Status.Valid() {
		all = append(all, Fault{"status", "unit.fault.status"})
	}
	if !u.Kind.Valid() {
		all = append(all, Fault{"kind", "unit.fault.kind"})
	}
	return all
}

// Save writes a unit: a new one without ID, else the one of u.Version. Conflict when
// it was changed in the meantime; the status is not touched then.
func (s *Service) Save(ctx context.Context, who Actor, u Unit) (id string, faults []Fault, err error) {
	const op = "unit.Save"
	u.Org = who.Org
	if faults := u.faults(); len(faults) > 0 {
		return "", faults, nil
	}
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		faults = nil
		now := s.o.Clock.Now()
		n, what := u, "edit"
		same, err := unitByCallSign(tx, u.Org, u.CallSign)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
		if err == nil && same.ID != u.ID {
			faults = []Fault{{"call_sign", "unit.fault.taken"}}
			return nil
		}
		if u.ID == "" {
			what, n.ID, n.StatusAt, n.StatusBy, n.Version = "create", s.o.Clock.NewID(), now, who.Person, 1
		} else {
			old, err := unitByID(tx, u.Org, u.ID)
			if errors.Is(err, store.ErrNoRows) {
				return errNotFound
			}
			if err != nil {
				return err
			}
			if old.Version != u.Version {
				return problem.New(op, problem.Conflict, "unit.fault.changed", nil)
			}
			n.Status, n.StatusAt, n.StatusBy, n.Version = old.Status, old.StatusAt, old.StatusBy, old.Version+1
		}
		id = n.ID
		return s.write(tx, who, &n, what, n.Status, n.Status)
	})
	return id, faults, problem.Wrap(op, err)
}

// write stores a unit with its history and audit leaf, and wakes who tells neighbours.
func (s *Service) write(tx *store.Tx, who Actor, u *Unit, what string, was, became Status) error {
	if err := put(tx, u); err != nil {
		return err
	}
	if err := addChange(tx, u, s.o.Clock.Now(), who.Person, what, was, became); err != nil {
		return err
	}
	if err := count(tx, u.Org, counts{changes: 1}); err != nil {
		return err
	}
	return s.o.Audit.Append(tx, audit.Event{Action: "unit." + what, Actor: by(who), Object: u.ID, Detail: []byte(became)})
}

// SetStatus changes what a unit does. version is the one the person saw, 0 for any:
// of two who change it at once the second is told what the first did (Conflict). The
// status it has already is no change.
func (s *Service) SetStatus(ctx context.Context, who Actor, id string, to Status, version int64) error {
	const op = "unit.SetStatus"
	if !to.Valid() {
		return problem.New(op, problem.Invalid, "unit.fault.status", nil)
	}
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		u, err := unitByID(tx, who.Org, id)
		if errors.Is(err, store.ErrNoRows) {
			return errNotFound
		}
		if err != nil || u.Status == to {
			return err
		}
		if version != 0 && u.Version != version {
			return &problem.Error{Op: op, Kind: problem.Conflict, Key: "unit.fault.status_changed",
				Args: i18n.Args{"unit": u.CallSign, "name": cmp.Or(s.name(tx, u.StatusBy), "–"), "status": "unit.status." + string(u.Status)}}
		}
		was := u.Status
		u.Status, u.StatusAt, u.StatusBy, u.Version = to, s.o.Clock.Now(), who.Person, u.Version+1
		return s.write(tx, who, u, "status", was, to)
	}))
}

// Remove takes a unit out of the list; its history stays.
func (s *Service) Remove(ctx context.Context, who Actor, id string) error {
	return problem.Wrap("unit.Remove", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		u, err := unitByID(tx, who.Org, id)
		if errors.Is(err, store.ErrNoRows) {
			return errNotFound
		}
		if err != nil {
			return err
		}
		if err := drop(tx, id); err != nil {
			return err
		}
		if err := addChange(tx, u, s.o.Clock.Now(), who.Person, "remove", u.Status, u.Status); err != nil {
			return err
		}
		if err := count(tx, u.Org, counts{changes: 1}); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "unit.remove", Actor: by(who), Object: id})
	}))
}

// Move notes where units are, by call sign. What is older than the known position or
// from the future changes nothing. Former positions are not kept: together they
// would tell where a crew went.
func (s *Service) Move(ctx context.Context, who Actor, reports map[string]Position) (moved int, err error) {
	const op = "unit.Move"
	for sign, p := range reports {
		if !p.Valid() {
			return 0, problem.New(op, problem.Invalid, "unit.fault.position_of", i18n.Args{"unit": sign})
		}
	}
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		moved = 0
		now := s.o.Clock.Now()
		for sign, p := range reports {
			u, err := unitByCallSign(tx, who.Org, sign)
			if errors.Is(err, store.ErrNoRows) {
				return problem.New(op, problem.NotFound, "unit.fault.unknown_unit", i18n.Args{"unit": sign})
			}
			if err != nil {
				return err
			}
			if p.At.After(now.Add(ahead)) || u.Reported != nil && !p.At.After(u.Reported.At) {
				continue
			}
			u.Reported = &p
			if err := put(tx, u); err != nil {
				return err
			}
			moved++
		}
		if moved == 0 {
			return nil
		}
		if err := count(tx, who.Org, counts{positions: 1}); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "unit.positions", Actor: by(who), Object: who.Org, Detail: []byte(strconv.Itoa(moved))})
	})
	return moved, problem.Wrap(op, err)
}

// Visibility is what a neighbour may see of an organisation's units.
func (s *Service) Visibility(ctx context.Context, org, other string) (v Visibility, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if v, err = visibilityOf(tx, org, other); err == nil {
			v.Person = s.name(tx, v.Person)
		}
		return err
	})
	return v, problem.Wrap("unit.Visibility", err)
}

// SetVisibility says what a neighbour may see. version is the one the person saw;
// Conflict when somebody changed it in the meantime.
func (s *Service) SetVisibility(ctx context.Context, who Actor, other string, r Rules, version int64) error {
	const op = "unit.SetVisibility"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		old, err := visibilityOf(tx, who.Org, other)
		if err != nil {
			return err
		}
		if old.Version != version {
			return problem.New(op, problem.Conflict, "unit.fault.changed", nil)
		}
		if err := putVisibility(tx, who.Org, other, Visibility{Rules: r, Version: version + 1, At: s.o.Clock.Now(), Person: who.Person}); err != nil {
			return err
		}
		if err := count(tx, who.Org, counts{changes: 1}); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "unit.publish", Actor: by(who), Object: other})
	}))
}

// Preview is what a neighbour of a kind would see under the rules, by call sign.
func Preview(units []*Unit, kind store.Kind, r Rules) []Published {
	var out []Published
	for _, u := range units {
		if u.Kind != kind {
			continue // a test is no reality, and the other way round
		}
		if p, ok := r.See(u); ok {
			out = append(out, p)
		}
	}
	return out
}
