package notice

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Delegation lets officers of another organisation be the second person for one.
type Delegation struct {
	ID           string
	Organisation string // for whom
	Deputy       string // organisation whose officers may answer
	Person       string // one of them; "": whoever is an officer there
	Role         string // one of Roles: why just they
	Since, Until time.Time
	Reason       string
	By           string // who granted it
	At           time.Time
	Ended        time.Time // zero: not before Until
	EndedBy      string
}

// Roles are what a deputy is to the organisation.
var Roles = []string{"municipality", "region", "neighbour"}

// longest is how long a delegation may hold: then somebody looks at it again.
const longest = 2 * 366 * 24 * time.Hour

// InForce reports whether it holds at a moment.
func (d Delegation) InForce(now time.Time) bool {
	return !now.Before(d.Since) && now.Before(d.Until) && (d.Ended.IsZero() || now.Before(d.Ended))
}

// covers reports whether a person of an organisation is meant.
func (d Delegation) covers(person, organisation string) bool {
	return d.Deputy == organisation && (d.Person == "" || d.Person == person)
}

// Duty is a turn of somebody who answers.
type Duty struct {
	ID           string
	Organisation string
	Person       string
	Phone        string
	Since, Until time.Time
	By           string
}

// longestDuty bounds one turn: who is on duty for months is not on duty.
const longestDuty = 14 * 24 * time.Hour

// Second is somebody who can be the second person now.
type Second struct {
	Duty
	Name, Place string // of the person, of his organisation
	Role        string // "own" or one of Roles
	Reached     bool   // a channel is configured that tells his organisation
	// Far is that he is at another node, which said so at Heard; Stale is that this is too
	// long ago to rely on.
	Far, Stale bool
	Heard      time.Time
}

// Grant gives a delegation.
func (s *Service) Grant(ctx context.Context, who Actor, d Delegation) error {
	const op = "notice.Grant"
	d.ID, d.Organisation, d.By, d.Reason = s.o.Clock.NewID(), who.Organisation, who.Person, strings.TrimSpace(d.Reason)
	now := s.o.Clock.Now()
	var faults []Fault
	bad := func(field, key string) { faults = append(faults, Fault{Field: field, Key: key}) }
	if d.Deputy == "" || d.Deputy == d.Organisation {
		bad("deputy", "notice.fault.deputy")
	}
	err := s.o.DB.Read(ctx, func(tx *store.Tx) error {
		if d.Far() {
			if d.Person != "" { // who is an officer there, that node knows
				bad("person", "notice.fault.person_far")
			}
			if _, ok, err := s.desk(tx, strings.TrimPrefix(d.Deputy, farPrefix)); err != nil {
				return err
			} else if !ok {
				bad("deputy", "notice.fault.deputy")
			}
			return nil
		}
		if _, err := s.office(tx, d.Deputy); err != nil && len(faults) == 0 {
			bad("deputy", "notice.fault.deputy")
		}
		if d.Person != "" {
			if p, err := s.o.Person(tx, d.Person); err != nil || p.Organisation != d.Deputy {
				faults = append(faults, Fault{Field: "person", Key: "notice.fault.person", Args: i18n.Args{"value": d.Person}})
			}
		}
		return nil
	})
	if err != nil {
		return problem.Wrap(op, err)
	}
	if !slices.Contains(Roles, d.Role) {
		bad("role", "notice.fault.role")
	}
	if d.Since.IsZero() || !d.Until.After(d.Since) || !d.Until.After(now) || d.Until.Sub(d.Since) > longest {
		bad("until", "notice.fault.span")
	}
	if d.Reason == "" || len(d.Reason) > maxReason {
		bad("reason", "notice.fault.reason")
	}
	if len(faults) > 0 {
		return &Refused{faults}
	}
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := d.insert(tx, now); err != nil {
			return err
		}
		if d.Far() {
			if err := s.grantFar(tx, &d); err != nil {
				return err
			}
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "notice.delegate", Actor: who.Person, Object: d.ID, Detail: []byte(d.Deputy + " " + d.Person + " " + d.Reason)})
	}))
}

// Enter puts somebody of the organisation on duty.
func (s *Service) Enter(ctx context.Context, who Actor, d Duty) error {
	const op = "notice.Enter"
	d.ID, d.Organisation, d.By, d.Phone = s.o.Clock.NewID(), who.Organisation, who.Person, strings.TrimSpace(d.Phone)
	now := s.o.Clock.Now()
	var faults []Fault
	err := s.o.DB.Read(ctx, func(tx *store.Tx) error {
		if p, err := s.o.Person(tx, d.Person); err != nil || p.Organisation != d.Organisation || !p.Officer || p.Sealed {
			faults = append(faults, Fault{Field: "person", Key: "notice.fault.officer"})
		}
		return nil
	})
	if err != nil {
		return problem.Wrap(op, err)
	}
	if d.Since.IsZero() || !d.Until.After(d.Since) || !d.Until.After(now) || d.Until.Sub(d.Since) > longestDuty {
		faults = append(faults, Fault{Field: "until", Key: "notice.fault.turn"})
	}
	if _, fault := s.voice.Value(KindPhone, d.Phone, zone); fault != "" {
		faults = append(faults, Fault{Field: "phone", Key: fault})
	}
	if len(faults) > 0 {
		return &Refused{faults}
	}
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := d.insert(tx, now); err != nil {
			return err
		}
		if err := s.tellDuty(tx, d.Organisation); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "notice.duty", Actor: who.Person, Object: d.ID, Detail: []byte(d.Person)})
	}))
}

// End takes back a delegation or a turn of duty of the actor's organisation.
func (s *Service) End(ctx context.Context, who Actor, id string) error {
	return problem.Wrap("notice.End", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		owner, err := ownerOf(tx, id)
		if err == nil && owner != who.Organisation {
			err = problem.New("notice.End", problem.NotFound, "", nil)
		}
		if err != nil {
			return err
		}
		if n, err := end(tx, id, who.Person, s.o.Clock.Now()); err != nil || n == 0 {
			return err
		}
		if err := errors.Join(s.endFar(tx, id), s.tellDuty(tx, who.Organisation)); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "notice.end", Actor: who.Person, Object: id})
	}))
}

// Roster is what an organisation has written down of who answers.
type Roster struct {
	Now         []Second // who can answer at this moment, besides the reader
	Duties      []Duty
	Delegations []Delegation
	Far         []FarDeputy // deputies at other nodes
}

// Roster reads it. except is the person who writes: he is no second person for himself.
func (s *Service) Roster(ctx context.Context, organisation, except string, kind store.Kind) (r Roster, err error) {
	now := s.o.Clock.Now()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		if r.Duties, err = duties(tx, organisation, now); err != nil {
			return err
		}
		if r.Delegations, err = delegations(tx, organisation); err != nil {
			return err
		}
		add := func(d Duty, role string) {
			if d.Person != except && !now.Before(d.Since) && now.Before(d.Until) &&
				!slices.ContainsFunc(r.Now, func(x Second) bool { return x.Person == d.Person }) {
				r.Now = append(r.Now, Second{Duty: d, Role: role})
			}
		}
		for _, d := range r.Duties {
			add(d, "own")
		}
		for _, g := range r.Delegations {
			if g.Organisation != organisation || !g.InForce(now) || g.Far() {
				continue
			}
			turns, err := duties(tx, g.Deputy, now)
			if err != nil {
				return err
			}
			for _, d := range turns {
				if g.covers(d.Person, d.Organisation) {
					add(d, g.Role)
				}
			}
		}
		for i := range r.Now {
			x := &r.Now[i]
			x.Name, x.Place = s.nameIn(tx, x.Person), s.placeIn(tx, x.Organisation)
			x.Reached = s.o.Reaches != nil && s.o.Reaches(kind, x.Organisation)
		}
		return s.rosterFar(tx, &r, organisation, kind, now)
	})
	return r, problem.Wrap("notice.Roster", err)
}

// mayAnswer reports whether a person is one who may be the second for an organisation
// now: of its own, or by a delegation in force.
func mayAnswer(tx *store.Tx, who Actor, organisation string, now time.Time) (bool, error) {
	if who.Organisation == organisation {
		return true, nil
	}
	all, err := delegations(tx, organisation)
	return slices.ContainsFunc(all, func(d Delegation) bool {
		return d.Organisation == organisation && d.InForce(now) && d.covers(who.Person, who.Organisation)
	}), err
}

// asked are the organisations of this node whose officers may answer for one, itself
// first.
func asked(tx *store.Tx, organisation string, now time.Time) ([]string, error) {
	all, err := delegations(tx, organisation)
	out := []string{organisation}
	for _, d := range all {
		if d.Organisation == organisation && d.InForce(now) && !d.Far() && !slices.Contains(out, d.Deputy) {
			out = append(out, d.Deputy)
		}
	}
	return out, err
}

// nameIn is what a person is called, his id when nobody knows.
func (s *Service) nameIn(tx *store.Tx, person string) string {
	if person == "" {
		return ""
	}
	if strings.HasPrefix(person, farPerson) {
		return s.farName(tx, person)
	}
	if p, err := s.o.Person(tx, person); err == nil && p.Name != "" {
		return p.Name
	}
	return person
}

// office finds an organisation; problem NotFound.
func (s *Service) office(tx *store.Tx, id string) (Office, error) {
	all, err := s.o.Organisations(tx)
	for _, o := range all {
		if o.ID == id {
			return o, nil
		}
	}
	if err == nil {
		err = problem.New("notice.office", problem.NotFound, "", nil)
	}
	return Office{}, err
}

// placeIn is what an organisation is called.
func (s *Service) placeIn(tx *store.Tx, organisation string) string {
	if address, far := strings.CutPrefix(organisation, farPrefix); far {
		return s.deskName(address)
	}
	if o, err := s.office(tx, organisation); err == nil {
		return o.Name
	}
	return organisation
}

// names are what people and organisations are called, by id.
func (s *Service) names(ctx context.Context, people, organisations []string) (names map[string]string, err error) {
	names = map[string]string{}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		for _, id := range people {
			names[id] = s.nameIn(tx, id)
		}
		for _, id := range organisations {
			names[id] = s.placeIn(tx, id)
		}
		return nil
	})
	return names, err
}

// refused turns the refusal of a step into what a person can act on.
func refused(op string, err error, args i18n.Args) error {
	r, ok := err.(Refusal)
	if !ok {
		return err
	}
	kind := problem.Conflict
	switch r {
	case refuseSame, refuseFactor:
		kind = problem.Forbidden
	case refuseReason:
		kind = problem.Invalid
	}
	return problem.New(op, kind, "notice.refuse."+string(r), args)
}
