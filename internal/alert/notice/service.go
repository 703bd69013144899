package notice

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Human is a person as this package must know him.
type Human struct {
	Name, Organisation string
	Officer            bool // may be a second person
	Sealed             bool // the emergency account: nobody knows who sits behind it
}

// Office is an organisation.
type Office struct {
	ID, Name string
	Lang     i18n.Lang
	Address  string // its OID, "" without
}

// Options are what a service stands on.
type Options struct {
	DB     *store.DB
	Audit  *audit.Log
	Clock  *clock.Clock
	Jobs   *job.Queue
	Key    *seal.Node
	Texts  *i18n.Bundle
	Places *register.Register
	// Areas are those of the node; nil: the shipped ones.
	Areas *area.Table
	Log   *slog.Logger
	// Person and Organisations know the people of the node; problem NotFound.
	Person        func(tx *store.Tx, id string) (Human, error)
	Organisations func(tx *store.Tx) ([]Office, error)
	// Notify tells people who look at no screen; Reaches whether anybody would be told.
	Notify  func(tx *store.Tx, n notify.Notification) error
	Reaches func(kind store.Kind, organisation string) bool
	// Published takes what went out, in the transaction in which it did: for channels.
	Published func(tx *store.Tx, p *Publication) error
	// Renderings are how a message reads in the channels, made by who sends it; nil: none.
	Renderings func(p *Publication) []Rendering
	// Lines carry what deputies at other nodes are asked; without Post there are none.
	Lines Lines
	// Base is the address under which everybody finds the node; "": not known.
	Base string
}

// Service keeps the notices of a node. It is safe for concurrent use.
type Service struct {
	o       Options
	voice   Voice
	atlas   *Atlas
	shipped []*Template

	mu     sync.Mutex
	signer *signer
}

// New returns the service.
func New(o Options) (*Service, error) {
	all, faults := readCSV(shipped)
	if len(faults) > 0 {
		return nil, problem.Wrap("notice.New", &Refused{faults})
	}
	areas := o.Areas
	if areas == nil {
		var err error
		if areas, err = area.Load(o.Places); err != nil {
			return nil, problem.Wrap("notice.New", err)
		}
	}
	return &Service{o: o, voice: Voice{o.Texts, o.Places}, atlas: NewAtlas(o.Places, areas), shipped: all}, nil
}

// Actor is who does something: a person in the organisation he is signed in for.
type Actor struct{ Person, Organisation string }

// Topic wakes who waits for publications.
const Topic = "notice"

// Bounds of what people write.
const (
	maxReason = 400
	maxNote   = 600
	maxAreas  = 60
)

// archiveAfter is how long a notice that has expired stays in the list of those that
// hold: whoever comes back from a night should still see it.
const archiveAfter = 24 * time.Hour

// life folds the steps of a notice.
func (s *Service) life(tx *store.Tx, n *row) (l Life, err error) {
	for i, e := range n.Events {
		// What was taken was permitted: whether at once or after a time is not asked again.
		if l, err = l.Apply(e, true); err != nil {
			return l, fmt.Errorf("notice: %s step %d: %w", n.ID, i+1, err)
		}
	}
	return l, nil
}

// check tells what is wrong with a content, and puts its outline together.
func (s *Service) check(t *Template, c *Content, now time.Time) (faults []Fault) {
	bad := func(field, key string, args i18n.Args) {
		faults = append(faults, Fault{Field: field, Key: key, Args: args})
	}
	for _, slot := range t.Slots {
		if c.Values[slot.Name] == "" {
			bad("v_"+slot.Name, "notice.fault.value", nil)
		}
	}
	if len(c.Note) > maxNote {
		bad("note", "notice.fault.length", i18n.Args{"n": maxNote})
	}
	if !slices.Contains(i18n.Langs, c.Lang) {
		c.Lang = i18n.En
	}
	if c.Onset.IsZero() {
		c.Onset = now
	}
	if c.Expires.IsZero() {
		c.Expires = c.Onset.Add(t.lasts())
	}
	if !c.Expires.After(c.Onset) || !c.Expires.After(now) || c.Expires.After(now.Add(maxHours*time.Hour)) {
		bad("expires", "notice.fault.expires", i18n.Args{"n": maxHours / 24})
	}
	if len(c.Areas) > maxAreas {
		bad("areas", "notice.fault.areas", i18n.Args{"n": maxAreas})
	}
	var pieces []Ring
	for _, id := range c.Areas {
		u, ok := s.atlas.Unit(id)
		if !ok {
			bad("areas", "notice.fault.area", i18n.Args{"value": id})
			continue
		}
		pieces = append(pieces, s.atlas.Outline(u)...)
	}
	drawn, fault := s.atlas.Drawn(c.Drawing, c.Radius)
	if fault != nil {
		faults = append(faults, *fault)
	}
	if c.Reach != nil {
		if r, fault := s.atlas.Reach(c.Lang, c.Reach.River, c.Reach.From, c.Reach.To, c.Reach.Km); fault != nil {
			faults = append(faults, *fault)
		} else {
			pieces = append(pieces, s.atlas.Along(r)...)
		}
	}
	if pieces = append(pieces, drawn...); len(pieces) == 0 && len(faults) == 0 {
		bad("area", "notice.fault.nowhere", nil)
	}
	c.Rings = Shape(pieces)
	return faults
}

// Begin starts a notice with its first text, or for id an update or a cancellation of it.
func (s *Service) Begin(ctx context.Context, who Actor, id string, kind store.Kind, purpose Purpose, c *Content) (string, error) {
	const op = "notice.Begin"
	return id, problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		now := s.o.Clock.Now()
		n := &row{ID: s.o.Clock.NewID(), Organisation: who.Organisation, Kind: kind, At: now}
		var l Life
		if id == "" {
			if !kind.Valid() || purpose != Alert {
				return problem.New(op, problem.Invalid, "notice.fault.kind", nil)
			}
			if err := n.insert(tx); err != nil {
				return err
			}
		} else {
			var err error
			if n, err = load(tx, id); err != nil {
				return err
			}
			if n.Organisation != who.Organisation {
				return problem.New(op, problem.NotFound, "notice.not_found", nil)
			}
			if l, err = s.life(tx, n); err != nil {
				return err
			}
		}
		err := s.put(tx, n, l, who, Event{Step: Begin, Purpose: purpose}, c)
		if err == nil {
			id = n.ID
		}
		return err
	}))
}

// Edit gives the revision in work another text. base is the one that was changed.
func (s *Service) Edit(ctx context.Context, who Actor, id string, base int, c *Content) error {
	const op = "notice.Edit"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := load(tx, id)
		if err != nil {
			return err
		}
		if n.Organisation != who.Organisation {
			return problem.New(op, problem.NotFound, "notice.not_found", nil)
		}
		l, err := s.life(tx, n)
		if err != nil {
			return err
		}
		if w := l.Work(); w != nil && w.Content != base {
			return refused(op, refuseChanged, nil)
		}
		return s.put(tx, n, l, who, Event{Step: Edit}, c)
	}))
}

// put takes a step that brings a text.
func (s *Service) put(tx *store.Tx, n *row, l Life, who Actor, e Event, c *Content) error {
	b, err := s.Book(tx)
	if err != nil {
		return err
	}
	t := b.Find(c.Template)
	if t == nil {
		return &Refused{[]Fault{{Field: "template", Key: "notice.fault.template"}}}
	}
	c.Version = t.Version
	if faults := s.check(t, c, s.o.Clock.Now()); len(faults) > 0 {
		return &Refused{faults}
	}
	e.Content = l.Content + 1
	if _, err := s.step(tx, n, l, who, e, t.Immediate); err != nil {
		return err
	}
	return putContent(tx, n, e.Content, c)
}

// step takes one step: it is judged, written down and put into the audit log.
func (s *Service) step(tx *store.Tx, n *row, l Life, who Actor, e Event, immediate bool) (Life, error) {
	e.Person, e.At = who.Person, s.o.Clock.Now()
	e.Reason = strings.TrimSpace(strings.ToValidUTF8(e.Reason, ""))
	if len(e.Reason) > maxReason {
		return l, problem.New("notice.step", problem.Invalid, "notice.fault.reason", nil)
	}
	next, err := l.Apply(e, immediate)
	if err != nil {
		args := i18n.Args{}
		if w := l.Work(); w != nil && w.State == Approved {
			args["name"] = s.nameIn(tx, w.Approver)
		} else if err == error(refuseAnswered) {
			args["name"] = ""
		}
		return l, refused("notice."+string(e.Step), err, args)
	}
	if err := putEvent(tx, n, e); err != nil {
		return l, err
	}
	n.Events = append(n.Events, e)
	if err := s.closeFar(tx, n, e.Step); err != nil {
		return l, err
	}
	called := actions[e.Step]
	return next, s.o.Audit.Append(tx, audit.Event{Action: called.Leaf, Actor: e.Person, Object: n.ID, Detail: []byte(fmt.Sprint(e.Content, " ", e.Purpose, " ", e.Reason))})
}

// actions are what the audit log calls the steps.
var actions = map[Step]struct{ Leaf string }{
	Begin: {Leaf: "notice.begin"}, Edit: {Leaf: "notice.edit"}, Propose: {Leaf: "notice.propose"}, Withdraw: {Leaf: "notice.withdraw"},
	Refuse: {Leaf: "notice.refuse"}, Approve: {Leaf: "notice.approve"}, Override: {Leaf: "notice.override"}, Publish: {Leaf: "notice.publish"},
	Drop: {Leaf: "notice.drop"}, Archive: {Leaf: "notice.archive"}, Review: {Leaf: "notice.review"}, Unanswered: {Leaf: "notice.unanswered"},
}

// Take takes a step that brings no text. Draft is that the reader was told of texts
// nobody has found right, and goes on.
func (s *Service) Take(ctx context.Context, who Actor, id string, e Event, draft bool) error {
	const op = "notice.Take"
	if err := s.ready(ctx); err != nil {
		return problem.Wrap(op, err)
	}
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := load(tx, id)
		if err != nil {
			return err
		}
		now := s.o.Clock.Now()
		var p Human
		if who.Person != "" {
			if p, err = s.o.Person(tx, who.Person); err != nil {
				return err
			}
			if p.Organisation != who.Organisation {
				return problem.New(op, problem.Forbidden, "", nil)
			}
		}
		switch e.Step {
		case Approve, Refuse, Review:
			ok, err := mayAnswer(tx, who, n.Organisation, now)
			if err != nil {
				return err
			}
			// Nobody knows who sits behind the sealed account: it may be the author.
			if !ok || p.Sealed || !p.Officer {
				return problem.New(op, problem.Forbidden, "notice.refuse.officer", nil)
			}
		case Begin, Edit:
			return problem.New(op, problem.Internal, "", nil) // they bring a text
		default:
			if who.Person != "" && who.Organisation != n.Organisation {
				return problem.New(op, problem.NotFound, "notice.not_found", nil)
			}
		}
		l, err := s.life(tx, n)
		if err != nil {
			return err
		}
		return s.advance(tx, n, l, who, e, draft)
	}))
}

// advance takes a step that brings no text, of somebody who may, and does what it brings
// about.
func (s *Service) advance(tx *store.Tx, n *row, l Life, who Actor, e Event, draft bool) error {
	const op = "notice.advance"
	t, c, err := s.text(tx, n, l)
	if err != nil {
		return err
	}
	if (e.Step == Propose || e.Step == Approve || e.Step == Override) && len(t.Drafts()) > 0 && !draft {
		return problem.New(op, problem.Conflict, "notice.refuse.draft", nil)
	}
	if (e.Step == Propose || e.Step == Approve || e.Step == Override || e.Step == Publish) && !c.Expires.After(s.o.Clock.Now()) {
		return problem.New(op, problem.Conflict, "notice.refuse.expired", nil)
	}
	next, err := s.step(tx, n, l, who, e, t.Immediate)
	if err != nil {
		return err
	}
	return s.after(tx, n, next, who, e, t, c)
}

// text is what the last revision says.
func (s *Service) text(tx *store.Tx, n *row, l Life) (*Template, *Content, error) {
	r := l.Revisions[len(l.Revisions)-1]
	c, err := content(tx, n.ID, r.Content)
	if err != nil {
		return nil, nil, err
	}
	b, err := s.Book(tx)
	if err != nil {
		return nil, nil, err
	}
	t := b.Version(c.Template, c.Version)
	if t == nil {
		return nil, nil, fmt.Errorf("notice: no template %s %s", c.Template, c.Version)
	}
	return t, c, nil
}

// after is what a step brings about, in its transaction.
func (s *Service) after(tx *store.Tx, n *row, l Life, who Actor, e Event, t *Template, c *Content) error {
	now := s.o.Clock.Now()
	args := i18n.Args{"name": s.placeIn(tx, n.Organisation), "hazard": notify.Text{Key: "notice.hazard." + t.Hazard}}
	switch e.Step {
	case Propose:
		if err := s.ask(tx, n, l, t, c, args); err != nil {
			return err
		}
		_, err := s.o.Jobs.Enqueue(tx, job.Job{Queue: queueUnanswered, Kind: n.Kind, Payload: payload(n.ID, e.Content), RunAt: now.Add(AnswerTime)})
		return err
	case Unanswered:
		return s.tell(tx, n, notify.A, "notice.tell.unanswered", args, "", false)
	case Refuse:
		return s.tell(tx, n, notify.A, "notice.tell.refused", args, "", false)
	case Approve, Override:
		if e.Step == Override {
			if err := s.tell(tx, n, notify.B, "notice.tell.review", args, "", true); err != nil {
				return err
			}
		}
		if c.Hold && e.Step == Approve {
			return s.tell(tx, n, notify.A, "notice.tell.approved", args, "", false)
		}
		next, err := s.step(tx, n, l, who, Event{Step: Publish}, t.Immediate)
		if err != nil {
			return err
		}
		return s.publish(tx, n, next, t, c)
	case Publish:
		return s.publish(tx, n, l, t, c)
	}
	return nil
}

// maxTold is as much of each text as a request carries: a phone shows it at once.
const maxTold = 500

// ask sends the request to those who may be the second person, each organisation in its
// language: what it says, where, until when and what is new. The page behind the link has
// the map.
func (s *Service) ask(tx *store.Tx, n *row, l Life, t *Template, c *Content, args i18n.Args) error {
	to, err := asked(tx, n.Organisation, s.o.Clock.Now())
	if err != nil {
		return err
	}
	from, err := s.source(tx, n.Organisation)
	if err != nil {
		return err
	}
	purpose := l.Revisions[len(l.Revisions)-1].Purpose
	for _, organisation := range to {
		lang := i18n.En
		if o, err := s.office(tx, organisation); err == nil {
			lang = o.Lang
		}
		m := s.voice.Write(t, c, lang, from, n.Kind, purpose, s.atlas)
		line := func(text string) notify.Text {
			return notify.Text{Key: "notice.tell.line", Args: i18n.Args{"text": short(text, maxTold)}}
		}
		more := []notify.Text{line(m.Words[PartHeadline]), line(m.Words[PartText]), line(m.Words[PartInstruction]), line(m.Area + " · " + m.Until)}
		if i := l.Public(); i >= 0 {
			old, err := content(tx, n.ID, l.Revisions[i].Content)
			if err != nil {
				return err
			}
			b, err := s.Book(tx)
			if err != nil {
				return err
			}
			if tpl := b.Version(old.Template, old.Version); tpl != nil {
				before := s.voice.Write(tpl, old, lang, from, n.Kind, l.Revisions[i].Purpose, s.atlas)
				for _, x := range changes(before.Page(), m.Page()) {
					if x.Kind != "same" {
						more = append(more, notify.Text{Key: "notice.tell." + x.Kind, Args: i18n.Args{"text": short(x.Text, maxTold)}})
					}
				}
			}
		} else {
			more = append(more, notify.Text{Key: "notice.difference.first"})
		}
		err := s.o.Notify(tx, notify.Notification{Kind: n.Kind, Class: notify.A, Text: notify.Text{Key: "notice.tell.asked", Args: args}, More: more, Organisation: organisation, Link: address(n.ID, "/answer")})
		if err != nil {
			return err
		}
	}
	return s.askFar(tx, n, l, t, c, from)
}

// short cuts a text at a length.
func short(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// tell sends people a notification with a link to the notice; far reaches those who may
// be the second person as well.
func (s *Service) tell(tx *store.Tx, n *row, class notify.Class, key string, args i18n.Args, page string, far bool) error {
	to := []string{n.Organisation}
	if far {
		var err error
		if to, err = asked(tx, n.Organisation, s.o.Clock.Now()); err != nil {
			return err
		}
	}
	for _, organisation := range to {
		err := s.o.Notify(tx, notify.Notification{Kind: n.Kind, Class: class, Text: notify.Text{Key: key, Args: args}, Organisation: organisation, Link: address(n.ID, page)})
		if err != nil {
			return err
		}
	}
	return nil
}

// source is who speaks in an organisation's notices.
func (s *Service) source(tx *store.Tx, organisation string) (Source, error) {
	o, err := s.office(tx, organisation)
	if err != nil {
		return Source{}, err
	}
	sender := "urn:uuid:" + o.ID
	if o.Address != "" {
		sender = "urn:oid:" + o.Address
	}
	return Source{Organisation: o.ID, Name: o.Name, Sender: sender}, nil
}

// outgoing is what a revision of a notice becomes.
func (s *Service) outgoing(tx *store.Tx, n *row, revision int, purpose Purpose, t *Template, c *Content, sent time.Time) (Outgoing, error) {
	from, err := s.source(tx, n.Organisation)
	if err != nil {
		return Outgoing{}, err
	}
	out := Outgoing{Identifier: fmt.Sprintf("%s:notice:%s:%d", from.Sender, n.ID, revision), Kind: n.Kind, Purpose: purpose, Sent: sent, Source: from, Template: t, Content: c}
	if s.o.Base != "" && n.Kind != store.Test { // a test has no public address
		out.Source.Web = s.o.Base + publicPath(n.Kind, n.ID, revision)
	}
	earlier, err := published(tx, n.ID)
	for _, p := range earlier {
		out.Earlier = append(out.Earlier, cap.Reference{Sender: p.Sender, Identifier: p.Identifier, Sent: cap.FormatTime(p.Sent.In(zone))})
	}
	return out, err
}

// now is the moment in whole seconds, as a message has it: who refers to it must name the
// same.
func (s *Service) now() time.Time { return s.o.Clock.Now().Truncate(time.Second) }

// messagePath is the address of a message.
func messagePath(notice string, revision int) string {
	return fmt.Sprintf("/cap/message/%s.%d", notice, revision)
}

// publish writes the message down, signed, and hands it on. It goes out if and only if
// the transaction is committed.
func (s *Service) publish(tx *store.Tx, n *row, l Life, t *Template, c *Content) error {
	revision := len(l.Revisions)
	purpose := l.Revisions[revision-1].Purpose
	out, err := s.outgoing(tx, n, revision, purpose, t, c, s.now())
	if err != nil {
		return err
	}
	doc, found := cap.Write(s.voice.CAP(out, s.atlas))
	if len(found) > 0 {
		return fmt.Errorf("notice: line %d: %s", found[0].Line, found[0].Rule)
	}
	if doc, err = s.signer.seal(doc); err != nil {
		return fmt.Errorf("notice: sign: %w", err)
	}
	p := &Publication{Notice: n.ID, Revision: revision, Kind: n.Kind, Organisation: n.Organisation, Identifier: out.Identifier, Sender: out.Source.Sender,
		Sent: out.Sent, Expires: c.Expires, Purpose: purpose, Titles: map[i18n.Lang]string{}, Document: doc}
	for _, lang := range i18n.Langs {
		p.Titles[lang] = s.voice.Write(t, c, lang, out.Source, n.Kind, purpose, s.atlas).Short()
	}
	if err := p.insert(tx); err != nil {
		return err
	}
	if _, err := s.o.Jobs.Enqueue(tx, job.Job{Queue: queueArchive, Kind: n.Kind, Payload: payload(n.ID, revision), RunAt: c.Expires.Add(archiveAfter)}); err != nil {
		return err
	}
	tx.Notify(Topic)
	if s.o.Published != nil {
		return s.o.Published(tx, p)
	}
	return nil
}

// ready makes sure that there is a key to sign with. It is made outside of any
// transaction: finding primes takes a second.
func (s *Service) ready(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer != nil {
		return nil
	}
	read := func(tx *store.Tx) error {
		cert, key, err := keys(tx)
		if err != nil || cert == nil {
			return err
		}
		s.signer, err = unsealed(s.o.Key, cert, key)
		return err
	}
	if err := s.o.DB.Read(ctx, read); err != nil || s.signer != nil {
		return err
	}
	now := s.o.Clock.Now()
	made, err := newSigner("Trojmezi "+s.o.Key.Fingerprint(), now)
	if err != nil {
		return err
	}
	cert, key, err := made.sealed(s.o.Key)
	if err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := read(tx); err != nil || s.signer != nil {
			return err // another instance was faster
		}
		if err := putKey(tx, cert, key, now); err != nil {
			return err
		}
		s.signer = made
		return s.o.Audit.Append(tx, audit.Event{Action: "notice.key", Object: fingerprint(made.cert)[:32]})
	})
}

// Queues of the jobs.
const (
	queueUnanswered = "notice.unanswered"
	queueArchive    = "notice.archive"
)

func payload(id string, n int) []byte { return []byte(fmt.Sprint(id, " ", n)) }

// Schedule registers what happens by itself: nobody answered, a notice is over. The
// moments stand in the queue on disk, so that they come also after a restart.
func (s *Service) Schedule(ctx context.Context) error {
	for _, kind := range store.Kinds {
		for queue, step := range map[string]Step{queueUnanswered: Unanswered, queueArchive: Archive} {
			err := s.o.Jobs.Handle(queue, kind, func(ctx context.Context, j job.Job) error { return s.due(ctx, kind, step, string(j.Payload)) })
			if err != nil {
				return err
			}
		}
	}
	return s.scheduleFar(ctx)
}

// due takes a step of the node's own, if it still fits.
func (s *Service) due(ctx context.Context, kind store.Kind, step Step, what string) error {
	var id string
	var n int
	if _, err := fmt.Sscan(what, &id, &n); err != nil {
		return fmt.Errorf("notice: job %q: %w", what, err)
	}
	fits, later := false, false
	err := s.o.DB.Read(ctx, func(tx *store.Tx) error {
		r, err := load(tx, id)
		if err != nil {
			return err
		}
		l, err := s.life(tx, r)
		if err != nil {
			return err
		}
		w := l.Work()
		switch {
		case r.Kind != kind: // the worker's kind chose the job; the notice's own is what counts
		case step == Unanswered:
			fits = w != nil && w.State == Proposed && w.Content == n && !w.Noticed
		default: // an update in work, or a later message, holds on to it
			fits = w == nil && l.last() == n-1 && l.State() != Archived
			later = w != nil && l.Public() == n-1
		}
		return nil
	})
	if later { // somebody is at an update: ask again
		return s.o.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := s.o.Jobs.Enqueue(tx, job.Job{Queue: queueArchive, Kind: kind, Payload: payload(id, n), RunAt: s.o.Clock.Now().Add(time.Hour)})
			return err
		})
	}
	if err != nil || !fits {
		return err
	}
	err = s.Take(ctx, Actor{}, id, Event{Step: step, Content: n}, true)
	if problem.KindOf(err) == problem.Conflict {
		return nil // somebody was faster
	}
	return err
}
