package console

import (
	"context"
	"errors"
	"slices"
	"strings"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// What one side of an event changed goes on to the others by itself where nobody has
// anything to decide: they take part already, the rules of disclosure ask about none of
// it, nobody here changed the same meanwhile, and it is switched on. Whatever else is
// left to a person, who passes it on with one press.
//
// A change has an origin: the address of who made it and a number he gave it, in a
// silent line of the text. What has one that is known here came back on another way:
// it changes nothing and goes nowhere, so that nothing runs in a circle.

// The states of an origin.
const (
	originOwn  = "own"  // made here
	originDue  = "due"  // not looked at yet
	originDone = "done" // passed on to all, or there was nothing to pass on
	originLeft = "left" // a person decides
)

// Why a change is left to a person; each is the end of a key of the locales.
const (
	leftOff     = "off"
	leftAsk     = "ask"     // a rule of disclosure asks, or keeps it back
	leftCrossed = "crossed" // it is not about what held here
	leftPart    = "part"    // a side has no part in it (any more)
	leftRefused = "refused" // its system takes no such message
	leftDeleted = "deleted"
	leftMasked  = "masked" // by a rule: there is nothing to tell, and nothing to decide
)

// Why changes passed on by themselves; each is a key of the locales.
const (
	ruleMerged   = "console.d.flow.merged"
	ruleSwitched = "console.d.flow.switched"
)

// Flow says whether changes of one side pass on to the others by themselves.
type Flow struct {
	On       bool
	Switched bool // a person said so; else it is on for what was merged
}

func (f Flow) rule() string {
	if f.Switched {
		return ruleSwitched
	}
	return ruleMerged
}

// flowOf reads it of the records of a case, the lead first: what was said of the lead
// counts, then a no of any other.
func flowOf(tx *store.Tx, org string, ids []string) (Flow, error) {
	said := map[string]bool{}
	err := byIncident(tx, `SELECT incident, active FROM console_flow WHERE org = $1 AND incident IN %s`, org, ids, func(r *store.Rows) error {
		var id string
		var active int64
		err := r.Scan(&id, &active)
		said[id] = active == 1
		return err
	})
	if err != nil || len(said) == 0 {
		return Flow{On: len(ids) > 1}, err
	}
	if on, there := said[ids[0]]; there {
		return Flow{on, true}, nil
	}
	f := Flow{true, true}
	for _, on := range said {
		f.On = f.On && on
	}
	return f, nil
}

// SetFlow switches it on or off for an event.
func (s *Service) SetFlow(ctx context.Context, who Actor, incident string, on bool) error {
	const op = "console.SetFlow"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		ids, err := caseOf(tx, org.ID, incident)
		if err != nil {
			return err
		}
		if _, err := oneIncident(tx, op, org.ID, ids[0]); err != nil {
			return err
		}
		if now, err := flowOf(tx, org.ID, ids); err != nil || now.On == on {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO console_flow (org, incident, active) VALUES ($1, $2, $3)
			ON CONFLICT (org, incident) DO UPDATE SET active = excluded.active`, org.ID, ids[0], bit(on)); err != nil {
			return err
		}
		what := didFlowOff
		if on {
			what = didFlowOn
		}
		at := millis(s.Clock.Now())
		if err := s.record(tx, org.ID, action{at: at, person: who.Person, what: what, incident: ids[0]}, ""); err != nil {
			return err
		}
		if err := s.audit(tx, who, what, ids[0]); err != nil {
			return err
		}
		return s.refresh(tx, org.ID, ids[0], at)
	})
}

// originMark is what a text of a change says of where it comes from.
type originMark struct {
	id   string
	from string // address of who made it; "": the sender
}

const (
	markChange = "change="
	markFrom   = "of="
)

// updateLines are the lines of a text that tells a change.
func (s *Service) updateLines(text string, m originMark) []wireRemark {
	mark := markChange + m.id
	if m.from != "" {
		mark += "; " + markFrom + m.from
	}
	at := ucri.FormatTime(s.Clock.Now())
	return []wireRemark{{At: at, Message: text}, {At: at, Message: mark, Category: remarkCategory, Silent: true}}
}

// readOrigin is the reverse; zero without a mark.
func readOrigin(lines []wireRemark) (m originMark) {
	for _, l := range lines {
		if l.Category != remarkCategory {
			continue
		}
		for part := range strings.SplitSeq(l.Message, ";") {
			part = strings.TrimSpace(part)
			if id, ok := strings.CutPrefix(part, markChange); ok && usable(id) {
				m.id = id
			}
			if from, ok := strings.CutPrefix(part, markFrom); ok && usable(from) {
				m.from = from
			}
		}
	}
	return m
}

// originOf names the change that a message tells.
func originOf(e exchange.Entry) (m originMark, key string) {
	m = readOrigin(read[wireText](e.Envelope).Lines)
	if m.id == "" {
		m = originMark{id: e.MessageID}
	}
	if m.from == "" {
		m.from = e.Other
	}
	return m, m.from + "/" + m.id
}

// ours notes a change that is made here, and returns its mark.
func (s *Service) ours(tx *store.Tx, org Org, incident string, to []addressee) (originMark, error) {
	m := originMark{id: s.Clock.NewID()}
	for _, a := range to {
		if _, err := tx.Exec(`INSERT INTO console_origin (org, origin, entry, incident, kind, state, reason, told) VALUES ($1, $2, 0, $3, $4, $5, '', '')
			ON CONFLICT DO NOTHING`, org.ID, a.own+"/"+m.id, incident, string(a.record.kind), originOwn); err != nil {
			return m, err
		}
	}
	return m, nil
}

// again notes a neighbour's change, to be looked at, and reports whether it was known
// here: passed on by another, or told by who made it after another had passed it on.
func (s *Service) again(tx *store.Tx, org Org, m *message) (bool, error) {
	mark, key := originOf(m.entry)
	if _, err := tx.Exec(`INSERT INTO console_origin (org, origin, entry, incident, kind, state, reason, told) VALUES ($1, $2, $3, $4, $5, $6, '', '')
		ON CONFLICT DO NOTHING`, org.ID, key, m.entry.ID, m.incident, string(m.entry.Kind), originDue); err != nil {
		return false, err
	}
	var first int64
	if err := tx.Row(`SELECT entry FROM console_origin WHERE org = $1 AND origin = $2`, org.ID, key).Scan(&first); err != nil || first == m.entry.ID {
		return false, err
	}
	if first == 0 || mark.from != m.entry.Other {
		return true, nil
	}
	// Whoever passed it on may have said it otherwise: who made it is believed.
	e, err := s.Node.Entry(tx, first)
	if err != nil || e.Envelope == nil {
		return false, err
	}
	of := func(e exchange.Entry) []Change { return s.readUpdate(read[wireText](e.Envelope).Lines) }
	return slices.EqualFunc(of(e), of(m.entry), func(a, b Change) bool { return a.Field == b.Field && a.Old == b.Old && a.New == b.New }), nil
}

// passOn looks at the changes of an organisation that nobody has looked at yet, each in
// a transaction of its own: what stops in between goes on from there.
func (s *Service) passOn(ctx context.Context, org Org) error {
	var due []int64
	if err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		due, err = entriesOf(tx, `SELECT entry FROM console_origin WHERE org = $1 AND state = 'due' ORDER BY entry LIMIT 100`, org.ID)
		return err
	}); err != nil {
		return err
	}
	var errs []error
	for _, entry := range due {
		errs = append(errs, s.DB.Write(ctx, func(tx *store.Tx) error {
			// What was said since counts, and what is sent comes after it.
			if err := s.abreast(tx, org); err != nil {
				return err
			}
			return s.passOne(tx, org, entry)
		}))
	}
	return errors.Join(errs...)
}

// origin is a row of console_origin.
type origin struct {
	entry                   int64
	incident, state, reason string
	kind                    store.Kind
	told                    []string
}

func originAt(tx *store.Tx, org string, entry int64) (o origin, err error) {
	o.entry = entry
	told := ""
	err = tx.Row(`SELECT incident, kind, state, reason, told FROM console_origin WHERE org = $1 AND entry = $2`, org, entry).
		Scan(&o.incident, &o.kind, &o.state, &o.reason, &told)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	o.told = splitIDs(told)
	return o, err
}

func (o origin) save(tx *store.Tx, org string) error {
	_, err := tx.Exec(`UPDATE console_origin SET state = $3, reason = $4, told = $5 WHERE org = $1 AND entry = $2`,
		org, o.entry, o.state, o.reason, joinIDs(o.told))
	return err
}

// passOne passes one change on to those whom nobody has to decide about.
func (s *Service) passOne(tx *store.Tx, org Org, entry int64) error {
	var rebuilding int64
	if err := tx.Row(`SELECT rebuilding FROM console_position WHERE org = $1`, org.ID).Scan(&rebuilding); err != nil || rebuilding == 1 {
		return err
	}
	o, err := originAt(tx, org.ID, entry)
	if err != nil || o.state != originDue {
		return err // another instance was faster
	}
	o.reason, err = s.pass(tx, org, &o)
	if err != nil {
		return err
	}
	o.state = originDone
	if o.reason != "" {
		o.state = originLeft
	}
	tx.Notify(topic(org.ID))
	return o.save(tx, org.ID)
}

// pass sends a change on, and says why it is left to a person, "" when it is not.
func (s *Service) pass(tx *store.Tx, org Org, o *origin) (reason string, err error) {
	const op = "console.pass"
	ids, err := caseOf(tx, org.ID, o.incident)
	if err != nil {
		return "", err
	}
	e, err := s.Node.Entry(tx, o.entry)
	if err != nil {
		return "", err
	}
	if e.Envelope == nil {
		return leftDeleted, nil
	}
	mark, _ := originOf(e)
	to, err := s.addressees(tx, op, org, o.incident, nil)
	if err != nil {
		return "", err
	}
	to = slices.DeleteFunc(to, func(a addressee) bool {
		return a.other == e.Other || a.other == mark.from || a.record.kind != o.kind
	})
	if len(to) == 0 {
		return "", nil
	}
	flow, err := flowOf(tx, org.ID, ids)
	if err != nil || !flow.On {
		return leftOff, err
	}
	now, changes, reason, err := s.news(tx, org, o, s.readUpdate(read[wireText](e.Envelope).Lines))
	if err != nil || reason != "" || len(changes) == 0 {
		return reason, err
	}
	for _, a := range to {
		why, err := s.passTo(tx, org, a, now, changes, mark, flow.rule())
		if err != nil {
			return "", err
		}
		switch why {
		case "":
			o.told = append(o.told, a.other)
		case leftMasked:
		default:
			reason = why
		}
	}
	return reason, nil
}

// news are those of a neighbour's changes that made something different here and hold
// still, with what holds now; one that is not about what held here is for a person.
func (s *Service) news(tx *store.Tx, org Org, o *origin, changes []Change) (now *Facts, out []Change, reason string, err error) {
	before, err := s.held(tx, org.ID, o.incident, o.entry)
	if err != nil {
		return nil, nil, "", err
	}
	if now, err = s.current(tx, org.ID, o.incident); err != nil {
		return nil, nil, "", err
	}
	if before == nil || now == nil {
		return nil, nil, leftDeleted, nil
	}
	was, is := before.values(), now.values()
	for _, c := range changes {
		mine := clean(c.Field, was[c.Field])
		switch {
		case c.New == mine, c.New != clean(c.Field, is[c.Field]):
			// Nothing new, or somebody has said something later.
		case c.Old != mine:
			return now, nil, leftCrossed, nil
		default:
			out = append(out, c)
		}
	}
	return now, out, "", nil
}

// passTo sends changes to one side; why says what keeps it from that.
func (s *Service) passTo(tx *store.Tx, org Org, a addressee, now *Facts, changes []Change, mark originMark, rule string) (why string, err error) {
	var part int64
	if err := tx.Row(`SELECT COUNT(*) FROM console_handover WHERE org = $1 AND incident = $2 AND other = $3 AND closed_at = 0
		AND state NOT IN ('withdrawn', 'failed', 'expired', 'rejected', 'completed', 'aborted', 'elsewhere')`, org.ID, a.record.id, a.other).Scan(&part); err != nil {
		return "", err
	}
	if part == 0 {
		return leftPart, nil
	}
	changes, free, err := s.freely(tx, org, a, now, changes)
	if err != nil || !free {
		return leftAsk, err
	}
	if len(changes) == 0 {
		return leftMasked, nil
	}
	_, err = s.post(tx, org, Actor{Org: org.ID}, action{what: didPassOn, incident: a.record.id, detail: rule}, "",
		letter(a.own, a.other, appText, msgText, wireText{SharedID: a.record.sharedID, Lines: s.updateLines(s.updateText(org.Lang, changes), mark)}))
	if _, refused := errors.AsType[*problem.Error](err); refused {
		return leftRefused, nil
	}
	return "", err
}

// freely are changes as a neighbour may read them by the rules alone; free is false
// where a rule asks a person, or keeps something back.
func (s *Service) freely(tx *store.Tx, org Org, a addressee, now *Facts, changes []Change) (out []Change, free bool, err error) {
	if s.Disclosure == nil {
		return changes, true, nil
	}
	seen := func(e *ucri.Envelope, masked bool) (bool, error) {
		m, err := readBack(e)
		if err != nil {
			return false, err
		}
		t := s.transfer(org, Actor{}, Disclosed{}, e)
		t.Class = now.TypeKey
		o, err := s.Disclosure.Preview(tx, t, m)
		if err != nil || slices.ContainsFunc(o.Decisions, func(d disclosure.Decision) bool {
			return d.Action == disclosure.Ask || d.Held && !(masked && d.Action == disclosure.Mask)
		}) {
			return false, err
		}
		m.Withhold(o.Incident, o.Sources)
		return true, written(e, m)
	}
	var sides [2]map[Field]string
	for n, value := range []func(Change) string{func(c Change) string { return c.Old }, func(c Change) string { return c.New }} {
		f := Facts{Type: now.Type, TypeKey: now.TypeKey}
		for _, c := range changes {
			f.set(c.Field, value(c))
		}
		unknown := s.Texts.Text(org.Lang, wordUnknown, nil)
		if f.Place == "" && f.Address == "" && !f.HasPoint {
			f.Place = unknown // the message has to name one
		}
		d := Draft{Type: f.Type, TypeKey: f.TypeKey, Issue: f.Issue, Place: f.Place, Street: f.Address, Lat: f.Lat, Lon: f.Lon, HasPoint: f.HasPoint, Injured: f.Injured, Danger: f.Danger}
		_, _, data := build(d, a.record.sharedID, org.Lang, s.Clock.Now(), unknown)
		e := letter(a.own, a.other, appIncident, msgIncident, data)
		if free, err := seen(e, true); err != nil || !free {
			return nil, false, err
		}
		sides[n] = masks(data.(wireIncident), read[wireIncident](e))
	}
	for _, c := range changes {
		if v, masked := sides[0][c.Field]; masked {
			c.Old = v
		}
		if v, masked := sides[1][c.Field]; masked {
			c.New = v
		}
		if c.Old != c.New {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, true, nil
	}
	// The words are judged as what they are, too.
	words := letter(a.own, a.other, appText, msgText, wireText{SharedID: a.record.sharedID, Lines: s.updateLines(s.updateText(org.Lang, out), originMark{id: a.record.id})})
	free, err = seen(words, false)
	return out, free, err
}

// masks are the values that a rule has replaced.
func masks(was, is wireIncident) map[Field]string {
	out := map[Field]string{}
	at := func(l *wireLocation) (city, street string, point bool) {
		if l == nil {
			return "", "", false
		}
		if l.Address != nil {
			city, street = l.Address.City, l.Address.Street
		}
		return city, street, l.Coordinate != nil
	}
	city, street, point := at(was.Location)
	seenCity, seenStreet, seenPoint := at(is.Location)
	if seenCity != city {
		out[FieldPlace] = seenCity
	}
	if seenStreet != street {
		out[FieldAddress] = seenStreet
	}
	if seenPoint != point {
		out[FieldPoint] = ""
	}
	if is.Issue != was.Issue {
		out[FieldIssue] = is.Issue
	}
	if !slices.Equal(is.Classes, was.Classes) {
		out[FieldType] = strings.Join(is.Classes, ", ")
	}
	return out
}

// flow says of each change what became of it here, and whether changes pass on.
func (l *loader) flow(out *Incident) (err error) {
	if out.Flow, err = flowOf(l.tx, l.org, l.ids); err != nil {
		return err
	}
	return byIncident(l.tx, `SELECT entry, reason, told FROM console_origin WHERE org = $1 AND entry > 0 AND incident IN %s`, l.org, l.ids, func(r *store.Rows) error {
		var entry int64
		var reason, told string
		if err := r.Scan(&entry, &reason, &told); err != nil {
			return err
		}
		for n := range out.Changes {
			c := &out.Changes[n]
			if c.Entry != entry || !c.Incoming {
				continue
			}
			for _, oid := range splitIDs(told) {
				c.Told = append(c.Told, l.s.neighbour(oid))
			}
			switch reason {
			case leftAsk, leftCrossed, leftPart, leftRefused:
				c.Left = "console.d.flow.left." + reason
			}
		}
		return nil
	})
}
