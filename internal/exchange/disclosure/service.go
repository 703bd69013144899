package disclosure

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Options are what a service stands on.
type Options struct {
	DB    *store.DB
	Node  *exchange.Node
	Ring  *seal.Ring
	Audit *audit.Log
	Clock *clock.Clock
	// Name is what a person with that id is called.
	Name func(tx *store.Tx, person string) string
	// Retained are how long things are kept, for the papers: by the key of what it is
	// called the days.
	Retained func(context.Context) ([]Kept, error)
	// Look goes on with the search for a person in the records of an organisation, Recall
	// opens again what it found, KeptUntil tells when incidents are deleted, Addresses on
	// which page each is, Country where the organisation is (CZ, DE, PL); nil: there are no
	// records but this package's.
	Look      func(ctx context.Context, organisation string, q Sought, at Search) (Search, error)
	Recall    func(ctx context.Context, organisation string, q Sought, found []string) ([]Stored, error)
	KeptUntil func(ctx context.Context, organisation string, incidents []string) (map[string]time.Time, error)
	Addresses func(ctx context.Context, organisation string, incidents []string) (map[string]string, error)
	Country   func(ctx context.Context, organisation string) (string, error)
}

// Kept is how long a kind of record is kept.
type Kept struct {
	Key  string // of its name
	Days int
}

// Service keeps the table of a node and what was decided by it. It is safe for
// concurrent use.
type Service struct {
	o Options

	mu      sync.Mutex
	table   *Table
	version [2]int64 // that was read: number and time of one that was rolled back may not stand for another
}

// New returns the service.
func New(o Options) *Service { return &Service{o: o} }

// Table is the table that holds, with its version.
func (s *Service) Table(tx *store.Tx) (*Table, int64, error) {
	n, at, err := newest(tx)
	if err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table != nil && s.version == [2]int64{n, at} {
		return s.table, n, nil
	}
	v, err := version(tx, n)
	if err != nil {
		return nil, 0, err
	}
	s.table, s.version = NewTable(v.Rules), [2]int64{n, at}
	return s.table, n, nil
}

// Current is the version that holds.
func (s *Service) Current(ctx context.Context) (Version, error) { return s.Version(ctx, -1) }

// Version reads one, the one that holds for a negative number; problem NotFound.
func (s *Service) Version(ctx context.Context, n int64) (v Version, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		last, _, err := newest(tx)
		if err != nil {
			return err
		}
		if n > last {
			return problem.New("disclosure.Version", problem.NotFound, "", nil)
		}
		if n < 0 {
			n = last
		}
		if v, err = version(tx, n); err != nil {
			return err
		}
		v.Name = s.name(tx, v.Person)
		return nil
	})
	return v, problem.Wrap("disclosure.Version", err)
}

// History lists the versions without their rules, the newest first.
func (s *Service) History(ctx context.Context) (out []Version, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		if out, err = versions(tx); err != nil {
			return err
		}
		for n := range out {
			out[n].Name = s.name(tx, out[n].Person)
		}
		return nil
	})
	return out, problem.Wrap("disclosure.History", err)
}

func (s *Service) name(tx *store.Tx, person string) string {
	if person == "" || s.o.Name == nil {
		return person
	}
	return s.o.Name(tx, person)
}

// Save makes rules the ones that hold, and returns their version. base is the version
// that was changed: if another has come since, it is a problem Conflict. Faults are
// those of Check.
func (s *Service) Save(ctx context.Context, person string, base int64, rules []Rule, note string) (n int64, faults []Fault, err error) {
	const op = "disclosure.Save"
	if faults = Check(rules); len(faults) > 0 {
		return 0, faults, nil
	}
	if note = strings.TrimSpace(note); len(note) > 400 {
		return 0, nil, problem.New(op, problem.Invalid, "disclosure.fault.reason", i18n.Args{"rule": "", "value": ""})
	}
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		last, _, err := newest(tx)
		if err != nil {
			return err
		}
		if last != base {
			return problem.New(op, problem.Conflict, "disclosure.refuse.changed", i18n.Args{"version": last})
		}
		n = last + 1
		if err := putVersion(tx, Version{Number: n, At: s.o.Clock.Now(), Person: person, Note: note, Rules: rules}); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "disclosure.change", Actor: person, Object: strconv.FormatInt(n, 10), Detail: []byte(note)})
	})
	return n, nil, problem.Wrap(op, err)
}

// Transfer is a message that is about to go to a neighbour.
type Transfer struct {
	Peer         string // OID
	Message      string // its messageId
	Organisation string
	Person       string // who sends it, "" for nobody
	Class        string // of the incident; "": as the message says
	Life         bool   // somebody said that a life is in danger
	Answers      map[Group]bool
	Nobody       string // what stands for a person of whom nothing is known
	// Emergency is why everything has to pass; "": the rules hold.
	Emergency string
}

// openFor is how long an emergency opens an incident to a neighbour.
const openFor = 24 * time.Hour

// Preview tells what Disclose would do, and does nothing.
func (s *Service) Preview(tx *store.Tx, t Transfer, m *convert.Message) (Outcome, error) {
	o, _, _, err := s.apply(tx, t, m)
	return o, err
}

func (s *Service) apply(tx *store.Tx, t Transfer, m *convert.Message) (Outcome, Case, int64, error) {
	table, n, err := s.Table(tx)
	if err != nil {
		return Outcome{}, Case{}, 0, err
	}
	i := m.Incident
	c := Case{Peer: t.Peer, App: m.App(), Class: cmp.Or(t.Class, ClassOf(i)), Answers: t.Answers, Nobody: t.Nobody, Override: t.Emergency != ""}
	c.Life = t.Life || table.Threatens(c.Class) || i.BlueLights.Text == "true"
	if !c.Override {
		if c.Override, err = overridden(tx, t.Organisation, shared(i), t.Peer, s.o.Clock.Now().Add(-openFor)); err != nil {
			return Outcome{}, c, n, err
		}
	}
	return table.Apply(c, i), c, n, nil
}

// shared is what all who work on an incident call it.
func shared(i *incident.Incident) string {
	return cmp.Or(i.ID.Text, i.Main.Text, i.Own.Text, i.Message.ID.Text)
}

// key is the one that what is kept of an incident is sealed with: its own at the node,
// where its messages are; of a message without one a key of its own.
func (s *Service) key(tx *store.Tx, i *incident.Incident, message string) (k sealing, err error) {
	if i.ID.Is() {
		k.Key, err = s.o.Ring.Key(tx, exchange.IncidentSubject(i.ID.Text))
		return k, err
	}
	k.own = 1
	k.Key, err = s.o.Ring.Key(tx, "disclosure:"+message)
	return k, err
}

// Disclose takes out of a message what its neighbour is not told, before anything
// writes it in any format. In the same transaction it writes down each decision, keeps
// what the neighbour may ask for, and opens the review of an emergency.
func (s *Service) Disclose(tx *store.Tx, t Transfer, m *convert.Message) (Outcome, error) {
	const op = "disclosure.Disclose"
	o, c, n, err := s.apply(tx, t, m)
	if err != nil {
		return o, problem.Wrap(op, err)
	}
	was, now := m.Incident, s.o.Clock.Now()
	id := shared(was)
	if t.Emergency != "" {
		if err := s.emergency(tx, t, was, now); err != nil {
			return o, problem.Wrap(op, err)
		}
	}
	for _, mark := range o.Marks {
		text := Asked(was, mark.Group)
		if !mark.Ask || text == "" {
			continue
		}
		key, err := s.key(tx, was, t.Message)
		if err != nil {
			return o, problem.Wrap(op, err)
		}
		if err := putHeld(tx, key, t.Organisation, id, t.Peer, mark.Group, now, text); err != nil {
			return o, problem.Wrap(op, err)
		}
	}
	for _, d := range o.Decisions {
		l := Logged{At: now, Message: t.Message, Incident: id, Peer: t.Peer, App: c.App, Class: c.Class, Version: n, Path: d.Path, Action: d.Action, Rule: d.Rule, Held: d.Held}
		if c.Override {
			l.Rule = ruleEmergency
		}
		if err := putDecision(tx, s.o.Clock.NewID(), l); err != nil {
			return o, problem.Wrap(op, err)
		}
	}
	m.Withhold(o.Incident, o.Sources)
	if len(o.Decisions) == 0 {
		return o, nil
	}
	return o, s.o.Audit.Append(tx, audit.Event{Action: "disclosure.decide", Actor: t.Person, Object: t.Message, Detail: []byte(strconv.Itoa(len(o.Decisions)))})
}

// Names in the log where no rule of the table decided.
const (
	ruleEmergency = "emergency"
	ruleAsked     = "asked"
)

func (s *Service) emergency(tx *store.Tx, t Transfer, i *incident.Incident, now time.Time) error {
	key, err := s.key(tx, i, t.Message)
	if err != nil {
		return err
	}
	e := Emergency{ID: s.o.Clock.NewID(), Organisation: t.Organisation, Incident: shared(i), Peer: t.Peer, At: now, Person: t.Person, Reason: strings.TrimSpace(t.Emergency)}
	if err := putEmergency(tx, key, e); err != nil {
		return err
	}
	return s.o.Audit.Append(tx, audit.Event{Action: "disclosure.emergency", Actor: t.Person, Object: e.ID, Detail: []byte(e.Reason), Key: key.Key})
}

// Give returns what an organisation withheld of a group from a neighbour, who has asked
// for it, and writes down that it goes now; problem NotFound when there is nothing.
func (s *Service) Give(tx *store.Tx, organisation, person, incident, peer string, g Group) (string, error) {
	const op = "disclosure.Give"
	text, err := held(tx, s.o.Ring, organisation, incident, peer, g)
	if err == nil && text == "" {
		err = problem.New(op, problem.NotFound, "disclosure.refuse.nothing", nil)
	}
	if err != nil {
		return "", problem.Wrap(op, err)
	}
	_, n, err := s.Table(tx)
	if err != nil {
		return "", problem.Wrap(op, err)
	}
	if err := putDecision(tx, s.o.Clock.NewID(), Logged{At: s.o.Clock.Now(), Incident: incident, Peer: peer, Version: n, Path: string(g), Action: Ask, Rule: ruleAsked}); err != nil {
		return "", problem.Wrap(op, err)
	}
	return text, problem.Wrap(op, s.o.Audit.Append(tx, audit.Event{Action: "disclosure.give", Actor: person, Object: incident, Detail: []byte(peer + " " + string(g))}))
}

// Judged reports whether a message was put through the rules for a neighbour already, on
// its way from the person who sends it. Its number alone proves nothing: a sender may
// give the same one to messages for several.
func (s *Service) Judged(tx *store.Tx, message, peer string) (bool, error) {
	d, err := scanDecisions(tx, toPeer, message, peer)
	return len(d) > 0, problem.Wrap("disclosure.Judged", err)
}

// Decisions lists what was decided, the newest first, of one message or of all for "".
func (s *Service) Decisions(ctx context.Context, message string, most int) (out []Logged, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error { out, err = decisions(tx, message, most); return err })
	return out, problem.Wrap("disclosure.Decisions", err)
}

// mostReviews bounds the list of emergencies.
const mostReviews = 200

// Emergencies lists those of an organisation, the open ones first.
func (s *Service) Emergencies(ctx context.Context, organisation string) (out []Emergency, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error { out, err = s.emergencies(tx, organisation, ""); return err })
	return out, problem.Wrap("disclosure.Emergencies", err)
}

func (s *Service) emergencies(tx *store.Tx, organisation, id string) ([]Emergency, error) {
	out, err := emergencies(tx, organisation, id, mostReviews)
	if err != nil {
		return nil, err
	}
	for n := range out {
		e := &out[n]
		if e.Reason, err = unseal(tx, s.o.Ring, e.keyID, e.sealed, emergencyPlace(e.ID)); err != nil {
			return nil, err
		}
		e.Name, e.By = s.name(tx, e.Person), s.name(tx, e.Reviewer)
	}
	return out, nil
}

// Verdicts of a review.
var Verdicts = []string{"right", "wrong"}

// Review closes an emergency. Who declared it does not: problem Forbidden.
func (s *Service) Review(ctx context.Context, person, organisation, id, verdict, note string) error {
	const op = "disclosure.Review"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		all, err := emergencies(tx, organisation, id, 1)
		switch {
		case err != nil:
			return err
		case len(all) == 0 || id == "":
			return problem.New(op, problem.NotFound, "", nil)
		case all[0].Person == person:
			return problem.New(op, problem.Forbidden, "disclosure.refuse.same_person", nil)
		case !slices.Contains(Verdicts, verdict):
			return problem.New(op, problem.Invalid, "disclosure.refuse.verdict", nil)
		}
		n, err := closeEmergency(tx, id, person, verdict, strings.TrimSpace(strings.ToValidUTF8(note[:min(len(note), 400)], "")), s.o.Clock.Now())
		if err == nil && n == 0 {
			err = problem.New(op, problem.Conflict, "disclosure.refuse.reviewed", nil)
		}
		if err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "disclosure.review", Actor: person, Object: id, Detail: []byte(verdict)})
	}))
}

// queueErase is the job queue of the daily deletion; eraseAt is after the node's own.
const (
	queueErase = "disclosure.erase"
	eraseAt    = "03:55"
)

// Schedule registers the daily deletion of what belongs to no incident of the node.
func (s *Service) Schedule(ctx context.Context, jobs *job.Queue) error {
	return jobs.Daily(ctx, queueErase, eraseAt, store.Live, func(ctx context.Context, _ job.Job) error {
		return s.o.DB.Write(ctx, func(tx *store.Tx) error {
			now, err := job.Agreed(tx, queueErase, s.o.Clock.Now())
			if err != nil || now.IsZero() {
				return err
			}
			keep, err := s.o.Node.Retention(tx, store.Live)
			if err != nil {
				return err
			}
			return eraseOwn(tx, s.o.Ring, now.Add(-keep))
		})
	})
}

// reviewWithin is how soon a second person looks at an emergency.
const reviewWithin = 24 * time.Hour

// Reviews is the check that emergencies are looked at.
func (s *Service) Reviews() health.Check {
	return health.Check{ID: "disclosure", Area: "disclosure.health.area", Func: func(ctx context.Context) ([]health.Finding, error) {
		var n int64
		var oldest time.Time
		err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) { n, oldest, err = openReviews(tx); return err })
		if err != nil || n == 0 || s.o.Clock.Now().Sub(oldest) < reviewWithin {
			return nil, err
		}
		return []health.Finding{{
			Level: health.L2, Todo: "disclosure.health.do", Since: oldest.Add(reviewWithin),
			Text: notify.Text{Key: "disclosure.health.open", Args: i18n.Args{"n": n, "at": oldest}},
		}}, nil
	}}
}
