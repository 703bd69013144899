package notice

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Mark names the form of a block between two nodes (docs/profiles/border.md).
const Mark = "trojmezi-approval/1"

// What a block does.
const (
	doDelegate = "delegate" // be the second person for us
	doAgree    = "agree"    // we will
	doEnd      = "end"      // of the delegation, by either side
	doDuty     = "duty"     // who answers here
	doAsk      = "ask"      // is this right?
	doClose    = "close"    // there is nothing left to answer, or: this became of your answer
	doAnswer   = "answer"   // yes or no
	doRefused  = "refused"  // this node does not take the request
)

// farBlock is what two nodes tell each other. Times are Unix milliseconds.
type farBlock struct {
	Do         string          `json:"do"`
	Delegation string          `json:"delegation,omitempty"`
	Request    string          `json:"request,omitempty"`
	Kind       store.Kind      `json:"kind,omitempty"`
	Name       string          `json:"name,omitempty"` // of the organisation that asks; of who answers
	Role       string          `json:"role,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Since      int64           `json:"since,omitempty"`
	Until      int64           `json:"until,omitempty"`
	Duty       []wireDuty      `json:"duty,omitempty"`
	Ask        json.RawMessage `json:"ask,omitempty"` // a wireAsk, to the byte
	Digest     string          `json:"digest,omitempty"`
	Answer     Step            `json:"answer,omitempty"`
	Draft      bool            `json:"draft,omitempty"`
	At         int64           `json:"at,omitempty"`
	Why        string          `json:"why,omitempty"`
}

// wireDuty is a turn of duty, as far as a neighbour needs it.
type wireDuty struct {
	Name  string `json:"name"`
	Phone string `json:"phone"`
	Since int64  `json:"since"`
	Until int64  `json:"until"`
}

// wireAsk is all that the second person reads.
type wireAsk struct {
	Purpose  Purpose     `json:"purpose"`
	Messages []Message   `json:"messages"`         // in each language
	Before   []Message   `json:"before,omitempty"` // what the public has
	Checked  []i18n.Lang `json:"checked,omitempty"`
	Rings    []Ring      `json:"rings"`
	Expires  int64       `json:"expires"`
}

// digestOf is what an answer names: exactly these bytes were read.
func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Bounds of what another node may send: more is refused whole.
const (
	maxBlock   = 256 << 10
	maxWord    = 100
	maxName    = 200
	maxWords   = 4000
	maxTurns   = 50
	maxCorners = 20_000
	// Of one desk: what waits for a person here. More is refused and rings nobody.
	maxPending  = 20  // delegations nobody has agreed to yet
	maxOpen     = 20  // requests of a delegation
	maxUnwanted = 100 // requests that were not taken; of more no row is kept
)

// How a neighbour's duty is kept fresh.
const (
	dutyEvery = 5 * time.Minute
	// dutyStale is after how long nobody knows any more who is on duty there: two beats
	// that were lost.
	dutyStale = 3 * dutyEvery
	// dutyAhead is how far ahead turns are told: a night, and the morning after.
	dutyAhead = 24 * time.Hour
	// farKeep is how long what other nodes asked stays here, for the report of an event;
	// their notices are theirs.
	farKeep    = 90 * 24 * time.Hour
	farEraseAt = "03:40"
)

// farPrefix begins a deputy at another node, farPerson a second person there.
const (
	farPrefix = "urn:oid:"
	farPerson = "far:"
)

// Far reports whether the deputy is at another node.
func (d Delegation) Far() bool { return strings.HasPrefix(d.Deputy, farPrefix) }

// desk finds one of another node.
func (s *Service) desk(tx *store.Tx, address string) (Desk, bool, error) {
	if s.o.Lines.Desks == nil {
		return Desk{}, false, nil
	}
	all, err := s.o.Lines.Desks(tx)
	i := slices.IndexFunc(all, func(d Desk) bool { return d.Address == address })
	if i < 0 {
		return Desk{}, false, err
	}
	return all[i], true, err
}

// deskName is what a desk at another node is called.
func (s *Service) deskName(address string) string {
	if s.o.Lines.NameOf == nil {
		return address
	}
	return s.o.Lines.NameOf(address)
}

// queueFar is that of letters to other nodes and of their answers. They have transactions
// of their own: what a neighbour cannot be told must not keep a step from being taken.
const queueFar = "notice.border"

const doApply = "apply" // of an errand: an answer that came is to be followed

// farErrand is a letter to be written, or an answer to be followed.
type farErrand struct{ Do, ID, Other string }

func (s *Service) farErrand(tx *store.Tx, kind store.Kind, e farErrand) error {
	if s.o.Lines.Post == nil {
		return nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = s.o.Jobs.Enqueue(tx, job.Job{Queue: queueFar, Kind: kind, Payload: body})
	return err
}

// scheduleFar registers what happens by itself between nodes.
func (s *Service) scheduleFar(ctx context.Context) error {
	if s.o.Lines.Post == nil {
		return nil
	}
	var errs []error
	for _, kind := range store.Kinds {
		errs = append(errs, s.o.Jobs.Handle(queueFar, kind, func(ctx context.Context, j job.Job) error {
			var e farErrand
			if err := json.Unmarshal(j.Payload, &e); err != nil {
				return err
			}
			if e.Do == doApply {
				return s.follow(ctx, e.ID)
			}
			return s.write(ctx, kind, e)
		}))
	}
	errs = append(errs, s.o.Jobs.Every(ctx, queueFar+".beat", dutyEvery, store.Live, func(ctx context.Context, _ job.Job) error {
		return s.o.DB.Write(ctx, func(tx *store.Tx) error { return s.tellDuty(tx, "") })
	}))
	errs = append(errs, s.o.Jobs.Daily(ctx, queueFar+".erase", farEraseAt, store.Live, func(ctx context.Context, _ job.Job) error {
		return s.o.DB.Write(ctx, func(tx *store.Tx) error {
			n, err := eraseFar(tx, s.o.Clock.Now().Add(-farKeep))
			if err != nil || n == 0 {
				return err
			}
			return s.o.Audit.Append(tx, audit.Event{Action: "notice.far_erase", Actor: "node", Object: queueFar})
		})
	}))
	return errors.Join(errs...)
}

// tellDuty tells who is on duty in an organisation, in all for "", to those for whom it
// agreed to answer.
func (s *Service) tellDuty(tx *store.Tx, organisation string) error {
	all, err := askings(tx, `WHERE agreed > 0 AND ended = 0 AND until > $1 AND ($2 = '' OR organisation = $2)`, msOf(s.o.Clock.Now()), organisation)
	for _, a := range all {
		if err := s.farErrand(tx, a.Kind, farErrand{doDuty, a.ID, a.Other}); err != nil {
			return err
		}
	}
	return err
}

// write writes and posts one letter.
func (s *Service) write(ctx context.Context, kind store.Kind, e farErrand) error {
	err := s.o.DB.Write(ctx, func(tx *store.Tx) error {
		l, q, err := s.farLetter(tx, kind, e)
		if err != nil || l == nil {
			return err
		}
		n, err := s.o.Lines.Post(tx, *l)
		if err != nil || q == nil {
			return err
		}
		q.Letter = n
		return q.update(tx)
	})
	p, refused := errors.AsType[*problem.Error](err)
	if !refused || p.Key == "" {
		return err
	}
	// Trying again changes nothing: people read it on the page, and telephone.
	s.o.Log.Warn("notice: a neighbour is not told", "what", e.Do, "other", e.Other, "error", err)
	return s.o.DB.Write(ctx, func(tx *store.Tx) error {
		switch e.Do {
		case doAsk:
			all, err := farRequests(tx, `WHERE id = $1`, e.ID)
			for _, q := range all {
				q.Failed = p.Key
				return errors.Join(err, q.update(tx))
			}
			return err
		case doDelegate:
			d, err := farDeputyOf(tx, e.ID)
			if err != nil || d == nil {
				return err
			}
			d.Failed = p.Key
			return d.put(tx)
		}
		return nil
	})
}

// farLetter writes what an errand is about; nil: there is nothing to tell any more. The
// request is one whose letter is to be noted.
func (s *Service) farLetter(tx *store.Tx, kind store.Kind, e farErrand) (*Letter, *FarRequest, error) {
	now := s.o.Clock.Now()
	l := &Letter{To: e.Other, Kind: kind, Subject: e.Do + ":" + e.ID, Until: now.Add(24 * time.Hour)}
	b := farBlock{Do: e.Do, Kind: kind}
	var noted *FarRequest
	args := i18n.Args{"name": ""}
	switch e.Do {
	case doDelegate:
		d, err := s.given(tx, e.ID)
		if err != nil || d == nil {
			return nil, nil, err
		}
		l.Organisation = d.Organisation
		b.Delegation, b.Name, b.Role, b.Reason, b.Since, b.Until = d.ID, s.placeIn(tx, d.Organisation), d.Role, d.Reason, msOf(d.Since), msOf(d.Until)
		args["name"] = b.Name
	case doAgree, doDuty:
		all, err := askings(tx, `WHERE other = $1 AND id = $2`, e.Other, e.ID)
		if err != nil || len(all) == 0 || all[0].Agreed.IsZero() || !all[0].Ended.IsZero() {
			return nil, nil, err
		}
		l.Organisation, b.Delegation = all[0].Organisation, e.ID
		if e.Do == doDuty {
			turns, err := duties(tx, all[0].Organisation, now)
			if err != nil {
				return nil, nil, err
			}
			for _, d := range turns[:min(maxTurns, len(turns))] {
				if d.Since.Before(now.Add(dutyAhead)) {
					b.Duty = append(b.Duty, wireDuty{s.nameIn(tx, d.Person), d.Phone, msOf(d.Since), msOf(d.Until)})
				}
			}
			b.At, l.Until = msOf(now), now.Add(dutyStale)
			l.Subject = doDuty + ":" + e.ID + now.UTC().Format(time.DateOnly) // what was sent in a day is deleted together
		}
		args["name"] = s.placeIn(tx, l.Organisation)
	case doEnd:
		b.Delegation = e.ID
		if d, err := s.given(tx, e.ID); err != nil {
			return nil, nil, err
		} else if d != nil {
			l.Organisation = d.Organisation
		} else if all, err := askings(tx, `WHERE other = $1 AND id = $2`, e.Other, e.ID); err != nil || len(all) == 0 {
			return nil, nil, err
		} else {
			l.Organisation = all[0].Organisation
		}
		args["name"] = s.placeIn(tx, l.Organisation)
	case doAsk, doClose:
		all, err := farRequests(tx, `WHERE id = $1`, e.ID)
		if err != nil || len(all) == 0 {
			return nil, nil, err
		}
		q := all[0]
		n, err := load(tx, q.Notice)
		if err != nil {
			return nil, nil, err
		}
		l.Organisation, b.Request, b.Delegation = n.Organisation, q.ID, q.Delegation
		args["name"] = s.placeIn(tx, n.Organisation)
		if e.Do == doClose {
			b.Why = q.Why
			if q.Failed != "" && q.Answer != "" {
				b.Why = "failed"
			}
			break
		}
		if !q.Closed.IsZero() {
			return nil, nil, nil // withdrawn before it went
		}
		var ask wireAsk
		if err := json.Unmarshal([]byte(q.Body), &ask); err != nil {
			return nil, nil, err
		}
		b.Ask, b.Name, b.At, l.Until, noted = json.RawMessage(q.Body), s.placeIn(tx, n.Organisation), msOf(q.At), at(ask.Expires), q
	case doAnswer, doRefused:
		all, err := farAskeds(tx, `WHERE id = $1`, e.ID)
		if err != nil || len(all) == 0 {
			return nil, nil, err
		}
		q := all[0]
		l.Organisation, b.Request, b.Delegation = q.Organisation, q.Request, q.Delegation
		args["name"] = s.placeIn(tx, q.Organisation)
		if e.Do == doRefused {
			b.Why = q.Why
			break
		}
		b.Digest, b.Answer, b.Draft, b.Name, b.Reason, b.At = q.Digest, Step(q.Answer), q.Draft, s.nameIn(tx, q.Person), q.Reason, msOf(q.Answered)
	}
	lang := i18n.En
	if o, err := s.office(tx, l.Organisation); err == nil && o.Lang != "" {
		lang = o.Lang
	}
	l.Line = s.o.Texts.Text(lang, "notice.line."+e.Do, args)
	if kind != store.Live {
		l.Line = s.o.Texts.Text(lang, "notice.say.drill."+string(kind), nil) + ": " + l.Line
	}
	var err error
	l.Block, err = json.Marshal(b)
	return l, noted, err
}

// given is a delegation of this node by its id; nil: none.
func (s *Service) given(tx *store.Tx, id string) (*Delegation, error) {
	owner, err := ownerOf(tx, id)
	if problem.KindOf(err) == problem.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := delegations(tx, owner)
	for _, d := range all {
		if d.ID == id {
			return &d, err
		}
	}
	return nil, err
}

// grantFar asks a desk at another node, in the transaction that gives the delegation.
func (s *Service) grantFar(tx *store.Tx, d *Delegation) error {
	address := strings.TrimPrefix(d.Deputy, farPrefix)
	desk, ok, err := s.desk(tx, address)
	if err != nil {
		return err
	}
	if !ok {
		return problem.New("notice.Grant", problem.Conflict, "notice.fault.deputy", nil)
	}
	kind := store.Live
	if desk.Test {
		kind = store.Test
	}
	f := farDeputy{Delegation: d.ID, Other: address, Organisation: d.Organisation, Kind: kind}
	if err := f.put(tx); err != nil {
		return err
	}
	return s.farErrand(tx, kind, farErrand{doDelegate, d.ID, address})
}

// endFar tells the deputy's node that a delegation has ended; nobody keeps who is on duty
// there any more.
func (s *Service) endFar(tx *store.Tx, id string) error {
	d, err := farDeputyOf(tx, id)
	if err != nil || d == nil {
		return err
	}
	d.Duty, d.Heard = nil, time.Time{}
	return errors.Join(d.put(tx), s.farErrand(tx, d.Kind, farErrand{doEnd, id, d.Other}))
}

// askFar asks the deputies at other nodes, in the transaction that proposes.
func (s *Service) askFar(tx *store.Tx, n *row, l Life, t *Template, c *Content, from Source) error {
	if s.o.Lines.Post == nil {
		return nil
	}
	given, err := delegations(tx, n.Organisation)
	if err != nil {
		return err
	}
	now := s.o.Clock.Now()
	var body []byte
	for _, d := range given {
		if d.Organisation != n.Organisation || !d.Far() || !d.InForce(now) {
			continue
		}
		f, err := farDeputyOf(tx, d.ID)
		if err != nil {
			return err
		}
		if f == nil || f.Agreed.IsZero() || !Fits(n.Kind, f.Kind != store.Live) {
			continue
		}
		if body == nil {
			if body, err = s.askBody(tx, n, l, t, c, from); err != nil {
				return err
			}
		}
		q := &FarRequest{ID: s.o.Clock.NewID(), Notice: n.ID, Content: l.Work().Content, Kind: n.Kind, Delegation: d.ID, Other: f.Other, Body: string(body), Digest: digestOf(body), At: now}
		if err := errors.Join(q.insert(tx), s.farErrand(tx, n.Kind, farErrand{doAsk, q.ID, q.Other})); err != nil {
			return err
		}
	}
	return nil
}

// askBody is what the second person reads.
func (s *Service) askBody(tx *store.Tx, n *row, l Life, t *Template, c *Content, from Source) ([]byte, error) {
	r := l.Revisions[len(l.Revisions)-1]
	a := wireAsk{Purpose: r.Purpose, Rings: c.Rings, Expires: msOf(c.Expires)}
	for _, lang := range i18n.Langs {
		a.Messages = append(a.Messages, s.voice.Write(t, c, lang, from, n.Kind, r.Purpose, s.atlas))
		if _, ok := t.Checked[lang]; ok {
			a.Checked = append(a.Checked, lang)
		}
	}
	if i := l.Public(); i >= 0 {
		old, err := content(tx, n.ID, l.Revisions[i].Content)
		if err != nil {
			return nil, err
		}
		b, err := s.Book(tx)
		if err != nil {
			return nil, err
		}
		if tpl := b.Version(old.Template, old.Version); tpl != nil {
			for _, lang := range i18n.Langs {
				a.Before = append(a.Before, s.voice.Write(tpl, old, lang, from, n.Kind, l.Revisions[i].Purpose, s.atlas))
			}
		}
	}
	return json.Marshal(a)
}

// closeFar closes the open requests of a notice after a step that leaves nothing to
// answer, and tells their nodes.
func (s *Service) closeFar(tx *store.Tx, n *row, step Step) error {
	switch step {
	case Edit, Withdraw, Refuse, Approve, Override, Drop:
	default:
		return nil
	}
	all, err := farRequests(tx, `WHERE notice = $1 AND closed = 0`, n.ID)
	for _, q := range all {
		q.Closed, q.Why = s.o.Clock.Now(), string(step)
		if err := errors.Join(q.update(tx), s.farErrand(tx, q.Kind, farErrand{doClose, q.ID, q.Other})); err != nil {
			return err
		}
	}
	return err
}

// Far takes a block from a desk at another node, in the transaction that reads it. One
// that is taken again changes nothing.
func (s *Service) Far(tx *store.Tx, c Came) (bool, error) {
	b, fault := readFar(c)
	var err error
	if fault == "" {
		switch b.Do {
		case doDelegate:
			fault, err = s.takeDelegation(tx, c, b)
		case doAgree, doDuty:
			fault, err = s.takeDuty(tx, c, b)
		case doEnd:
			fault, err = s.takeEnd(tx, c, b)
		case doAsk:
			fault, err = s.takeAsk(tx, c, b)
		case doClose:
			fault, err = s.takeClose(tx, c, b)
		case doAnswer:
			fault, err = s.takeAnswer(tx, c, b)
		case doRefused:
			fault, err = s.takeRefusal(tx, c, b)
		}
	}
	if err != nil || fault == "" {
		return true, err
	}
	s.o.Log.Warn("notice: a block of a neighbour is refused", "other", c.Other, "message", c.Message, "what", b.Do, "why", fault)
	return true, s.o.Audit.Append(tx, audit.Event{Action: "notice.far_refused", Actor: "node", Object: c.Message, Detail: []byte(c.Other + " " + b.Do + " " + fault)})
}

// readFar reads and bounds a block; the fault is a word of the profile.
func readFar(c Came) (b farBlock, fault string) {
	if len(c.Block) > maxBlock {
		return b, "large"
	}
	if !Strict(c.Block, &b) {
		return b, "unreadable"
	}
	if !b.Kind.Valid() || !Fits(b.Kind, c.Test) {
		return b, "kind"
	}
	ok := Code(b.Delegation, maxWord) && Code(b.Request, maxWord) && Code(b.Digest, maxWord) && Code(b.Why, maxWord) && Plain(b.Name, maxName, false) && Plain(b.Role, maxWord, false) && len(b.Reason) <= maxReason && Plain(b.Reason, maxReason, true) && len(b.Duty) <= maxTurns
	for _, d := range b.Duty {
		ok = ok && d.Name != "" && Plain(d.Name, maxName, false) && Plain(d.Phone, maxWord, false) && d.Since > 0 && d.Until > d.Since
	}
	switch b.Do {
	case doDelegate:
		ok = ok && b.Delegation != "" && b.Name != "" && slices.Contains(Roles, b.Role) && b.Since > 0 && b.Until > b.Since && b.Until-b.Since <= longest.Milliseconds()
	case doAgree, doDuty, doEnd:
		ok = ok && b.Delegation != ""
	case doAsk:
		ok = ok && b.Delegation != "" && b.Request != "" && len(b.Ask) > 0
	case doAnswer:
		ok = ok && b.Request != "" && b.Digest != "" && b.Name != "" && b.At > 0 && (b.Answer == Approve || b.Answer == Refuse && strings.TrimSpace(b.Reason) != "")
	case doClose, doRefused:
		ok = ok && b.Request != ""
	default:
		ok = false
	}
	if !ok {
		return b, "content"
	}
	return b, ""
}

// Strict reads JSON that has what is known and nothing else.
func Strict(raw []byte, into any) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into) == nil && !d.More()
}

// Code reports whether a text of another node is an identifier: short, visible ASCII.
func Code(s string, most int) bool {
	return len(s) <= most && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// Plain reports whether a text of another node can be shown to people as it is: of at most
// so many runes, in one line or several, without control characters and without marks that
// turn the direction of what follows.
func Plain(s string, most int, lines bool) bool {
	return len([]rune(s)) <= most && strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !(lines && (r == '\n' || r == '\t')) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == utf8.RuneError
	}) < 0
}

// sound reports whether what another node asks can be shown.
func (a *wireAsk) sound() bool {
	ok := slices.Contains([]Purpose{Alert, Update, Cancel}, a.Purpose) && len(a.Messages) == len(i18n.Langs) && (len(a.Before) == 0 || len(a.Before) == len(i18n.Langs)) && a.Expires > 0
	for _, all := range [][]Message{a.Messages, a.Before} {
		for i, m := range all {
			ok = ok && m.Lang == i18n.Langs[i] && m.Words[PartHeadline] != ""
			for part, text := range m.Words {
				ok = ok && slices.Contains(Parts, part) && Plain(text, maxWords, true)
			}
			for _, text := range []string{m.Whose, m.Nature, m.Note, m.Drill, m.Area, m.Until} {
				ok = ok && Plain(text, maxWords, true)
			}
		}
	}
	corners := 0
	for _, r := range a.Rings {
		corners += len(r)
		ok = ok && !slices.ContainsFunc(r, func(p geo.Point) bool { return !p.Valid() })
	}
	for _, l := range a.Checked {
		ok = ok && slices.Contains(i18n.Langs, l)
	}
	return ok && corners <= maxCorners
}

// takeDelegation notes that somebody at another node asks officers here to answer. It
// holds once somebody here agrees.
func (s *Service) takeDelegation(tx *store.Tx, c Came, b farBlock) (string, error) {
	kind := store.Live
	if c.Test {
		kind = store.Test
	}
	a := &Asking{Other: c.Other, ID: b.Delegation, Organisation: c.Organisation, Kind: kind, Name: b.Name, Role: b.Role, Reason: b.Reason, Since: zeroAt(b.Since), Until: zeroAt(b.Until), At: c.At}
	pending, err := count(tx, `SELECT COUNT(*) FROM notice_far_delegation WHERE other = $1 AND organisation = $2 AND agreed = 0 AND ended = 0`, c.Other, c.Organisation)
	if err != nil {
		return "", err
	}
	if pending >= maxPending {
		return "many", nil
	}
	fresh, err := a.insert(tx)
	if err != nil || !fresh {
		return "", err
	}
	err = s.o.Audit.Append(tx, audit.Event{Action: "notice.far_delegation", Actor: "node", Object: b.Delegation, Detail: []byte(c.Other)})
	if err != nil {
		return "", err
	}
	return "", s.o.Notify(tx, notify.Notification{Kind: kind, Class: notify.C, Text: notify.Text{Key: "notice.tell.delegated", Args: i18n.Args{"name": b.Name}}, Organisation: c.Organisation, Link: dutyPath})
}

// Agree accepts to answer for somebody at another node.
func (s *Service) Agree(ctx context.Context, who Actor, other, id string) error {
	return problem.Wrap("notice.Agree", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.asking(tx, who, other, id)
		if err != nil {
			return err
		}
		now := s.o.Clock.Now()
		if n, err := agree(tx, other, id, who.Person, now); err != nil || n == 0 {
			return err
		}
		return errors.Join(s.farErrand(tx, a.Kind, farErrand{doAgree, id, other}), s.farErrand(tx, a.Kind, farErrand{doDuty, id, other}),
			s.o.Audit.Append(tx, audit.Event{Action: "notice.far_agree", Actor: who.Person, Object: id, Detail: []byte(other)}))
	}))
}

// Decline ends that officers here answer for somebody at another node, or does not begin
// it.
func (s *Service) Decline(ctx context.Context, who Actor, other, id string) error {
	return problem.Wrap("notice.Decline", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.asking(tx, who, other, id)
		if err != nil {
			return err
		}
		if n, err := endAsking(tx, other, id, who.Person, s.o.Clock.Now()); err != nil || n == 0 {
			return err
		}
		return errors.Join(s.farErrand(tx, a.Kind, farErrand{doEnd, id, other}), s.o.Audit.Append(tx, audit.Event{Action: "notice.end", Actor: who.Person, Object: id, Detail: []byte(other)}))
	}))
}

func (s *Service) asking(tx *store.Tx, who Actor, other, id string) (*Asking, error) {
	all, err := askings(tx, `WHERE other = $1 AND id = $2 AND organisation = $3`, other, id, who.Organisation)
	if err == nil && len(all) == 0 {
		err = problem.New("notice.asking", problem.NotFound, "", nil)
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// takeDuty notes that the deputy agrees, or who is on duty there.
func (s *Service) takeDuty(tx *store.Tx, c Came, b farBlock) (string, error) {
	d, err := farDeputyOf(tx, b.Delegation)
	if err != nil {
		return "", err
	}
	if d == nil || d.Other != c.Other || d.Organisation != c.Organisation {
		return "delegation", nil
	}
	g, err := s.given(tx, b.Delegation)
	if err != nil || g == nil || !g.Ended.IsZero() {
		return "", err // on its way when it ended
	}
	if d.Agreed.IsZero() {
		d.Agreed, d.Failed = c.At, ""
		if err := s.o.Audit.Append(tx, audit.Event{Action: "notice.far_agreed", Actor: "node", Object: b.Delegation, Detail: []byte(c.Other)}); err != nil {
			return "", err
		}
	}
	if b.Do == doDuty {
		heard := c.At
		if said := zeroAt(b.At); !said.IsZero() && said.Before(heard) { // a clock that is ahead makes nothing younger than it came
			heard = said
		}
		if heard.Before(d.Heard) {
			return "", nil
		}
		d.Heard, d.Duty = heard, b.Duty
	}
	return "", d.put(tx)
}

// takeEnd ends a delegation, whichever side gave it.
func (s *Service) takeEnd(tx *store.Tx, c Came, b farBlock) (string, error) {
	now := s.o.Clock.Now()
	n, err := endAsking(tx, c.Other, b.Delegation, "", now)
	if err != nil {
		return "", err
	}
	if n == 0 {
		d, err := farDeputyOf(tx, b.Delegation)
		if err != nil {
			return "", err
		}
		if d == nil || d.Other != c.Other {
			all, err := askings(tx, `WHERE other = $1 AND id = $2`, c.Other, b.Delegation)
			if len(all) > 0 {
				return "", err // ended already
			}
			return "delegation", err
		}
		if n, err = end(tx, b.Delegation, "", now); err != nil || n == 0 {
			return "", err
		}
		d.Duty, d.Heard = nil, time.Time{}
		if err := d.put(tx); err != nil {
			return "", err
		}
	}
	return "", s.o.Audit.Append(tx, audit.Event{Action: "notice.far_end", Actor: "node", Object: b.Delegation, Detail: []byte(c.Other)})
}

// takeAsk takes a request, if officers here have agreed to answer, and tells them.
func (s *Service) takeAsk(tx *store.Tx, c Came, b farBlock) (string, error) {
	all, err := askings(tx, `WHERE other = $1 AND id = $2 AND organisation = $3`, c.Other, b.Delegation, c.Organisation)
	if err != nil {
		return "", err
	}
	q := &farAsked{ID: digestOf([]byte(c.Other + " " + b.Request))[:32], Other: c.Other, Request: b.Request, Organisation: c.Organisation, Kind: b.Kind, Delegation: b.Delegation, Body: string(b.Ask), Digest: digestOf(b.Ask), At: c.At}
	var ask wireAsk
	fault := ""
	switch {
	case len(all) == 0 || !all[0].inForce(c.At):
		fault = "delegation"
	case !Strict(b.Ask, &ask) || !ask.sound():
		fault = "content"
	case !zeroAt(ask.Expires).After(c.At):
		fault = "expired"
	}
	q.Until = zeroAt(ask.Expires)
	if known, err := farAskeds(tx, `WHERE id = $1`, q.ID); err != nil {
		return "", err
	} else if len(known) > 0 {
		if known[0].Digest != q.Digest || known[0].Kind != q.Kind {
			return "other", nil // the same request with another text
		}
		return "", nil
	}
	unwanted, err := count(tx, `SELECT COUNT(*) FROM notice_far_asked WHERE other = $1 AND body = ''`, c.Other)
	if err != nil {
		return "", err
	}
	open, err := count(tx, `SELECT COUNT(*) FROM notice_far_asked WHERE other = $1 AND delegation = $2 AND closed = 0 AND answer = '' AND until > $3`, c.Other, b.Delegation, msOf(c.At))
	if err != nil {
		return "", err
	}
	if fault == "" && open >= maxOpen {
		fault = "many"
	}
	if fault != "" && unwanted >= maxUnwanted {
		return fault, nil
	}
	if fault != "" {
		// They are told why: else they would wait for an answer.
		q.Body, q.Closed, q.Why = "", c.At, fault
		if _, err := q.insert(tx); err != nil {
			return "", err
		}
		return fault, errors.Join(q.update(tx), s.farErrand(tx, b.Kind, farErrand{doRefused, q.ID, c.Other}))
	}
	if _, err := q.insert(tx); err != nil {
		return "", err
	}
	if err := s.o.Audit.Append(tx, audit.Event{Action: "notice.far_ask", Actor: "node", Object: q.ID, Detail: []byte(c.Other + " " + q.Digest)}); err != nil {
		return "", err
	}
	lang := i18n.En
	if o, err := s.office(tx, c.Organisation); err == nil && o.Lang != "" {
		lang = o.Lang
	}
	i := max(0, slices.Index(i18n.Langs, lang))
	m := ask.Messages[i]
	lined := func(key, text string) notify.Text {
		return notify.Text{Key: key, Args: i18n.Args{"text": short(text, maxTold)}}
	}
	more := []notify.Text{lined("notice.tell.line", m.Words[PartHeadline]), lined("notice.tell.line", m.Words[PartText]), lined("notice.tell.line", m.Words[PartInstruction]), lined("notice.tell.line", m.Area+" · "+m.Until)}
	if len(ask.Before) == 0 {
		more = append(more, notify.Text{Key: "notice.difference.first"})
	} else {
		for _, x := range changes(ask.Before[i].Page(), m.Page()) {
			if x.Kind != "same" {
				more = append(more, lined("notice.tell."+x.Kind, x.Text))
			}
		}
	}
	return "", s.o.Notify(tx, notify.Notification{Kind: b.Kind, Class: notify.A, Text: notify.Text{Key: "notice.tell.asked", Args: i18n.Args{"name": all[0].Name, "hazard": cmp.Or(m.Words[PartEvent], m.Words[PartHeadline])}}, More: more, Organisation: c.Organisation, Link: farAddress(q.ID)})
}

func farAddress(id string) string { return askedPath + "/" + id }

// takeClose notes that there is nothing left to answer, or what became of an answer.
func (s *Service) takeClose(tx *store.Tx, c Came, b farBlock) (string, error) {
	all, err := farAskeds(tx, `WHERE other = $1 AND request = $2 AND organisation = $3`, c.Other, b.Request, c.Organisation)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "unknown", nil
	}
	if all[0].Closed.IsZero() {
		all[0].Closed = c.At
	}
	all[0].Why = b.Why
	return "", all[0].update(tx)
}

// takeRefusal notes that the other node does not take a request.
func (s *Service) takeRefusal(tx *store.Tx, c Came, b farBlock) (string, error) {
	all, err := farRequests(tx, `WHERE id = $1 AND other = $2`, b.Request, c.Other)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "unknown", nil
	}
	q := all[0]
	if q.Answer != "" || q.Failed != "" {
		return "", nil
	}
	q.Failed = "notice.far.refused.content"
	if slices.Contains([]string{"delegation", "expired"}, b.Why) {
		q.Failed = "notice.far.refused." + b.Why
	}
	return "", q.update(tx)
}

// AnswerFar is the answer of an officer here to a request of another node.
func (s *Service) AnswerFar(ctx context.Context, who Actor, id string, e Event, draft bool) error {
	const op = "notice.AnswerFar"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		now := s.o.Clock.Now()
		all, err := farAskeds(tx, `WHERE id = $1 AND organisation = $2`, id, who.Organisation)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return problem.New(op, problem.NotFound, "notice.not_found", nil)
		}
		q := all[0]
		p, err := s.o.Person(tx, who.Person)
		if err != nil {
			return err
		}
		given, err := askings(tx, `WHERE other = $1 AND id = $2`, q.Other, q.Delegation)
		if err != nil {
			return err
		}
		if p.Organisation != who.Organisation || p.Sealed || !p.Officer || len(given) == 0 || !given[0].inForce(now) {
			return problem.New(op, problem.Forbidden, "notice.refuse.officer", nil)
		}
		var ask wireAsk
		if q.Body != "" {
			if err := json.Unmarshal([]byte(q.Body), &ask); err != nil {
				return err
			}
		}
		e.Reason = strings.TrimSpace(strings.ToValidUTF8(e.Reason, ""))
		switch {
		case q.Answer != "":
			return problem.New(op, problem.Conflict, "notice.refuse.answered", i18n.Args{"name": s.nameIn(tx, q.Person)})
		case !q.Closed.IsZero():
			return problem.New(op, problem.Conflict, "notice.answer.over", nil)
		case !q.Until.After(now):
			return problem.New(op, problem.Conflict, "notice.refuse.expired", nil)
		case e.Step == Refuse && e.Reason == "":
			return problem.New(op, problem.Invalid, "notice.refuse.reason", nil)
		case len(e.Reason) > maxReason:
			return problem.New(op, problem.Invalid, "notice.fault.reason", nil)
		case e.Step == Approve && len(ask.Checked) < len(i18n.Langs) && !draft:
			return problem.New(op, problem.Conflict, "notice.refuse.draft", nil)
		}
		q.Answer, q.Draft, q.Person, q.Reason, q.Answered = string(e.Step), draft, who.Person, e.Reason, now
		return errors.Join(q.update(tx), s.farErrand(tx, q.Kind, farErrand{doAnswer, q.ID, q.Other}),
			s.o.Audit.Append(tx, audit.Event{Action: "notice.far_answer", Actor: who.Person, Object: q.ID, Detail: []byte(string(e.Step) + " " + q.Digest)}))
	}))
}

// takeAnswer writes an answer down. It is followed by a job: signing needs a key, which
// no transaction makes.
func (s *Service) takeAnswer(tx *store.Tx, c Came, b farBlock) (string, error) {
	all, err := farRequests(tx, `WHERE id = $1 AND other = $2 AND kind = $3`, b.Request, c.Other, string(b.Kind))
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "unknown", nil
	}
	q := all[0]
	n, err := load(tx, q.Notice)
	if err != nil {
		return "", err
	}
	d, err := s.given(tx, q.Delegation)
	if err != nil {
		return "", err
	}
	answered := zeroAt(b.At)
	switch {
	case n.Organisation != c.Organisation:
		return "unknown", nil
	case q.Digest != b.Digest:
		return "digest", nil
	case q.Answer != "":
		return "twice", nil
	case d == nil || !d.InForce(c.At) || !d.InForce(answered) && answered.Before(c.At):
		return "delegation", nil
	}
	if answered.After(c.At) {
		answered = c.At
	}
	q.Answer, q.Draft, q.Name, q.Reason, q.Answered, q.Came, q.Late = string(b.Answer), b.Draft, b.Name, strings.TrimSpace(b.Reason), answered, c.At, !q.Closed.IsZero()
	if err := q.update(tx); err != nil {
		return "", err
	}
	if q.Late {
		return "", s.late(tx, n, q)
	}
	return "", s.farErrand(tx, q.Kind, farErrand{doApply, q.ID, q.Other})
}

// late tells that an answer came when there was nothing left to answer.
func (s *Service) late(tx *store.Tx, n *row, q *FarRequest) error {
	if err := s.o.Audit.Append(tx, audit.Event{Action: "notice.far_late", Actor: farPerson + q.ID, Object: n.ID, Detail: []byte(q.Answer)}); err != nil {
		return err
	}
	return s.tell(tx, n, notify.B, "notice.tell.late", i18n.Args{"name": s.deskName(q.Other)}, "", false)
}

// follow does what an answer says, as if it were given here.
func (s *Service) follow(ctx context.Context, id string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	err := s.o.DB.Write(ctx, func(tx *store.Tx) error {
		q, n, l, err := s.answeredFar(tx, id)
		if err != nil || q == nil {
			return err
		}
		w := l.Work()
		if !q.Closed.IsZero() || w == nil || w.Content != q.Content || w.State != Proposed {
			q.Late = true
			return errors.Join(q.update(tx), s.late(tx, n, q))
		}
		// The same human may have an account at both nodes.
		for _, writer := range w.Writers {
			if i18n.Fold(s.nameIn(tx, writer)) == i18n.Fold(q.Name) {
				return problem.New("notice.follow", problem.Forbidden, "notice.refuse.same", nil)
			}
		}
		return s.advance(tx, n, l, Actor{Person: farPerson + q.ID}, Event{Step: Step(q.Answer), Content: q.Content, Reason: q.Reason}, q.Draft)
	})
	p, refused := errors.AsType[*problem.Error](err)
	if !refused || p.Key == "" {
		return err
	}
	return s.o.DB.Write(ctx, func(tx *store.Tx) error {
		q, n, _, err := s.answeredFar(tx, id)
		if err != nil || q == nil || q.Failed != "" {
			return err
		}
		q.Failed, q.Closed = p.Key, s.o.Clock.Now()
		return errors.Join(q.update(tx), s.farErrand(tx, q.Kind, farErrand{doClose, q.ID, q.Other}),
			s.o.Audit.Append(tx, audit.Event{Action: "notice.far_refused", Actor: farPerson + q.ID, Object: n.ID, Detail: []byte(p.Key)}),
			s.tell(tx, n, notify.A, "notice.tell.not_counted", i18n.Args{"name": s.deskName(q.Other)}, "", false))
	})
}

// answeredFar is a request with its notice; nil: none.
func (s *Service) answeredFar(tx *store.Tx, id string) (*FarRequest, *row, Life, error) {
	all, err := farRequests(tx, `WHERE id = $1`, id)
	if err != nil || len(all) == 0 || all[0].Answer == "" {
		return nil, nil, Life{}, err
	}
	n, err := load(tx, all[0].Notice)
	if err != nil {
		return nil, nil, Life{}, err
	}
	l, err := s.life(tx, n)
	return all[0], n, l, err
}

// farName is what somebody at another node is called who answered a request.
func (s *Service) farName(tx *store.Tx, person string) string {
	all, err := farRequests(tx, `WHERE id = $1`, strings.TrimPrefix(person, farPerson))
	if err != nil || len(all) == 0 {
		return person
	}
	return all[0].Name + " (" + s.deskName(all[0].Other) + ")"
}

// FarDeputy is a deputy at another node with what is known of its duty.
type FarDeputy struct {
	Place  string
	Agreed bool
	Heard  time.Time // zero: never
	Stale  bool
	Failed string
	Nobody bool // it said that nobody is on duty now
}

// rosterFar adds the deputies at other nodes to a roster.
func (s *Service) rosterFar(tx *store.Tx, r *Roster, organisation string, kind store.Kind, now time.Time) error {
	r.Far = nil
	for _, g := range r.Delegations {
		if g.Organisation != organisation || !g.Far() || !g.InForce(now) {
			continue
		}
		d, err := farDeputyOf(tx, g.ID)
		if err != nil {
			return err
		}
		if d == nil || !Fits(kind, d.Kind != store.Live) {
			continue
		}
		f := FarDeputy{Place: s.deskName(d.Other), Agreed: !d.Agreed.IsZero(), Heard: d.Heard, Stale: now.Sub(d.Heard) > dutyStale, Failed: d.Failed, Nobody: true}
		for _, t := range d.Duty {
			if since, until := zeroAt(t.Since), zeroAt(t.Until); f.Agreed && !now.Before(since) && now.Before(until) {
				f.Nobody = false
				r.Now = append(r.Now, Second{Duty: Duty{Organisation: g.Deputy, Phone: t.Phone, Since: since, Until: until}, Name: t.Name, Place: f.Place, Role: g.Role, Reached: true, Far: true, Heard: d.Heard, Stale: f.Stale})
			}
		}
		r.Far = append(r.Far, f)
	}
	return nil
}

// AskedFar are the requests of other nodes that officers of an organisation can answer.
func (s *Service) AskedFar(ctx context.Context, organisation string, lang i18n.Lang) (all []Listed, err error) {
	now := s.o.Clock.Now()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		found, err := farAskeds(tx, `WHERE organisation = $1 AND closed = 0 AND answer = '' AND until > $2`, organisation, msOf(now))
		for _, q := range found {
			var ask wireAsk
			if err := json.Unmarshal([]byte(q.Body), &ask); err != nil {
				return err
			}
			m := ask.Messages[max(0, slices.Index(i18n.Langs, lang))]
			all = append(all, Listed{ID: q.ID, Organisation: q.Organisation, Place: s.deskName(q.Other), Kind: q.Kind, State: Proposed, Purpose: ask.Purpose, Title: m.Words[PartHeadline], Since: q.At, Path: farAddress(q.ID)})
		}
		return err
	})
	return all, problem.Wrap("notice.AskedFar", err)
}

// ShowFar is a request of another node as a page shows it; problem NotFound.
func (s *Service) ShowFar(ctx context.Context, organisation, id string) (v *Shown, q *farAsked, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, err := farAskeds(tx, `WHERE id = $1 AND organisation = $2`, id, organisation)
		if err == nil && (len(all) == 0 || all[0].Body == "") {
			err = problem.New("notice.ShowFar", problem.NotFound, "notice.not_found", nil)
		}
		if err != nil {
			return err
		}
		q = all[0]
		var ask wireAsk
		if err := json.Unmarshal([]byte(q.Body), &ask); err != nil {
			return err
		}
		r := Revision{Purpose: ask.Purpose, State: Proposed, Content: 1, Proposed: q.At}
		switch {
		case q.Answer != "":
			r.State, r.Approver = Approved, q.Person
			if q.Answer == string(Refuse) {
				r.State = Draft
			}
		case !q.Closed.IsZero() || !q.Until.After(s.o.Clock.Now()):
			r.State = Dropped
		}
		t := &Template{Checked: map[i18n.Lang]Check{}}
		for _, l := range ask.Checked {
			t.Checked[l] = Check{}
		}
		v = &Shown{ID: q.ID, Organisation: q.Organisation, Place: s.deskName(q.Other), Kind: q.Kind, Life: Life{Revisions: []Revision{r}, Content: 1}, Revision: 1, Last: r,
			Template: t, Content: &Content{Rings: ask.Rings, Expires: q.Until}, Messages: ask.Messages, Before: ask.Before, Names: map[string]string{q.Person: s.nameIn(tx, q.Person)}}
		return nil
	})
	return v, q, problem.Wrap("notice.ShowFar", err)
}
