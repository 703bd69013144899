package console

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// UCRI 2 has no message that changes an incident which was accepted: what changed
// goes as a text, with a fixed first line and a line for each value, before and after.
// Any system can show it; a console of ours reads it back and shows what holds now.

// Field is a value of an incident that can be changed.
type Field string

// The fields, as in the form.
const (
	FieldInjured Field = "injured"
	FieldDanger  Field = "danger" // "yes" or "no"
	FieldType    Field = "type"
	FieldIssue   Field = "issue"
	FieldPlace   Field = "place" // municipality
	FieldAddress Field = "address"
	FieldPoint   Field = "point" // degrees, WGS 84
)

// Fields lists them in the order they are asked for.
var Fields = []Field{FieldInjured, FieldDanger, FieldType, FieldIssue, FieldPlace, FieldAddress, FieldPoint}

// Values of a field with two.
const (
	yes = "yes"
	no  = "no"
)

// maxValue bounds one value of a change.
const maxValue = 2000

// Change is a value of an incident that became another one.
type Change struct {
	Field    Field
	Old, New string // "" is not known
	At       time.Time
	Entry    int64  // the message that told it
	Record   string // id of the incident
	Incoming bool
	Told     []Neighbour // whom it was passed on to
	Origin   string      // number its maker gave it; "": none
	Left     string      // key of why that is left to a person; "": it is not, or not known
	Neighbour
}

// The fixed lines of the text.
const (
	lineUpdate  = "console.d.line.update"
	updateArrow = " → "
)

func fieldLabel(f Field) string {
	switch f {
	case FieldPlace:
		return labelPlace
	case FieldInjured:
		return labelInjured
	}
	return "console.d.line." + string(f)
}

// values are what an incident says in the fields that can be changed.
func (f *Facts) values() map[Field]string {
	danger := no
	if f.Danger {
		danger = yes
	}
	return map[Field]string{
		FieldInjured: countText(f.Injured), FieldDanger: danger, FieldType: oneLine(f.Type), FieldIssue: oneLine(f.Issue),
		FieldPlace: oneLine(f.Place), FieldAddress: oneLine(f.Address), FieldPoint: f.point(),
	}
}

// set takes a changed value over; what cannot be read leaves the fact as it was.
func (f *Facts) set(field Field, value string) {
	switch field {
	case FieldInjured:
		if value == "" {
			f.Injured = nil
		} else if n, err := strconv.Atoi(value); err == nil && n >= 0 {
			f.Injured = &n
		}
	case FieldDanger:
		f.Danger = value == yes
	case FieldType:
		f.Type, f.TypeKey, f.TypeCode = value, "", "" // whoever typed it named no code
		f.Classifications = nil
		if value != "" {
			f.Classifications = []string{value}
		}
	case FieldIssue:
		f.Issue = value
	case FieldPlace:
		f.Place = value
	case FieldAddress:
		f.Address = value
	case FieldPoint:
		if p, ok := onePoint(value); ok {
			f.Lat, f.Lon, f.HasPoint = p.Lat, p.Lon, true
		}
	}
}

// change takes changed values over.
func (f *Facts) change(list []Change) {
	for _, c := range list {
		f.set(c.Field, c.New)
	}
}

func onePoint(s string) (geo.Point, bool) {
	found, err := geo.Parse(s)
	if err != nil || len(found) == 0 {
		return geo.Point{}, false
	}
	return found[0].Point, true
}

// updateText writes changes in a language, the fixed line first.
func (s *Service) updateText(l i18n.Lang, changes []Change) string {
	word := func(f Field, v string) string {
		switch {
		case v == "":
			return s.Texts.Text(l, wordUnknown, nil)
		case f == FieldDanger:
			return s.Texts.Text(l, "console.d.line."+v, nil)
		}
		return v
	}
	var b strings.Builder
	b.WriteString(s.Texts.Text(l, lineUpdate, nil))
	for _, c := range changes {
		b.WriteString("\n" + s.Texts.Text(l, fieldLabel(c.Field), nil) + ": " + word(c.Field, c.Old) + updateArrow + word(c.Field, c.New))
	}
	return b.String()
}

// readUpdate is the reverse of updateText, in whichever language it is; nil when the
// text is none. Lines it does not know are left out: the text stands in the thread.
func (s *Service) readUpdate(lines []wireRemark) []Change {
	if s.formOf(lines) != FormUpdate {
		return nil
	}
	var out []Change
	for line := range strings.SplitSeq(lines[0].Message, "\n") {
		label, values, ok := strings.Cut(line, ":")
		old, now, arrow := strings.Cut(values, strings.TrimSpace(updateArrow))
		if !ok || !arrow {
			continue
		}
		for _, l := range i18n.Langs {
			n := slices.IndexFunc(Fields, func(f Field) bool { return strings.TrimSpace(label) == s.Texts.Text(l, fieldLabel(f), nil) })
			if n < 0 {
				continue
			}
			c := Change{Field: Fields[n], Old: s.plainValue(l, Fields[n], old), New: s.plainValue(l, Fields[n], now)}
			if c.Field != FieldInjured || c.New == "" || isCount(c.New) {
				out = append(out, c)
			}
			break
		}
	}
	return out
}

func (s *Service) plainValue(l i18n.Lang, f Field, v string) string {
	v = oneLine(v)
	if v == s.Texts.Text(l, wordUnknown, nil) {
		return ""
	}
	if f != FieldDanger {
		return v
	}
	if v == s.Texts.Text(l, "console.d.line.yes", nil) {
		return yes
	}
	return no
}

func isCount(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0
}

// clean makes a typed value fit for a line of the text.
func clean(f Field, v string) string {
	v = strings.ReplaceAll(oneLine(v), strings.TrimSpace(updateArrow), "->")
	if r := []rune(v); len(r) > maxValue {
		v = string(r[:maxValue])
	}
	if f == FieldDanger && v != yes {
		v = no
	}
	return v
}

// Collision is a value that two people changed at once.
type Collision struct {
	Field  Field
	Before string // as this person saw it
	Now    string // as the other one made it
	Mine   string
}

// Change tells all neighbours of an event what is different from now on. base is what
// the person saw, next what he wants it to be. Where somebody changed the same value
// meanwhile nothing is sent and the collisions are returned; what others changed
// beside it stays as they made it.
func (s *Service) Change(ctx context.Context, who Actor, incident string, base, next map[Field]string, once string) ([]Collision, error) {
	const op = "console.Change"
	var collisions []Collision
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		collisions = nil
		now, err := s.current(tx, org.ID, incident)
		if err != nil {
			return "", err
		}
		if now == nil {
			return "", problem.New(op, problem.Conflict, "console.d.refuse.deleted", nil)
		}
		held := now.values()
		var changes []Change
		for _, f := range Fields {
			was, mine, theirs := clean(f, base[f]), clean(f, next[f]), clean(f, held[f])
			switch {
			case mine == was || mine == theirs:
			case theirs != was:
				collisions = append(collisions, Collision{f, was, theirs, mine})
			default:
				if key := wrong(f, mine); key != "" {
					return "", problem.New(op, problem.Invalid, key, nil)
				}
				changes = append(changes, Change{Field: f, Old: theirs, New: mine})
			}
		}
		if len(collisions) > 0 {
			return "", errCollision
		}
		if len(changes) == 0 {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.no_change", nil)
		}
		to, err := s.addressees(tx, op, org, incident, nil)
		if err != nil {
			return "", err
		}
		mark, err := s.ours(tx, org, incident, to)
		if err != nil {
			return "", err
		}
		if err := s.tellChange(tx, org, who, to, changes, mark); err != nil {
			return "", err
		}
		if err := s.leave(tx, org.ID, who, incident); err != nil {
			return "", err
		}
		return "", s.sawCase(tx, op, who, incident)
	})
	if errors.Is(err, errCollision) {
		return collisions, nil
	}
	return nil, err
}

// errCollision ends the transaction of a change that met another one.
var errCollision = errors.New("console: changed meanwhile")

// wrong is why a value cannot be taken; "" when it can.
func wrong(f Field, v string) string {
	switch {
	case f == FieldInjured && v != "" && !isCount(v):
		return "console.d.refuse.injured"
	case f == FieldPoint && v != "":
		if _, ok := onePoint(v); !ok {
			return "console.d.refuse.point"
		}
	}
	return ""
}

// tellChange sends changes to neighbours of an event.
func (s *Service) tellChange(tx *store.Tx, org Org, who Actor, to []addressee, changes []Change, mark originMark) error {
	lines := s.updateLines(s.updateText(org.Lang, changes), mark)
	for _, a := range to {
		if _, err := s.post(tx, org, who, action{what: didUpdate, incident: a.record.id}, "",
			letter(a.own, a.other, appText, msgText, wireText{SharedID: a.record.sharedID, Lines: lines})); err != nil {
			return err
		}
	}
	return nil
}

// PassOn tells the other neighbours of an event what one of them changed, where it was
// left to a person: a change may hold what the others need not know.
func (s *Service) PassOn(ctx context.Context, who Actor, incident string, entry int64, once string) error {
	const op = "console.PassOn"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		ids, err := caseOf(tx, org.ID, incident)
		if err != nil {
			return "", err
		}
		e, err := s.Node.Entry(tx, entry)
		if errors.Is(err, store.ErrNoRows) || err == nil && !slices.Contains(org.Addresses, e.Own) {
			return "", problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
		}
		if err != nil {
			return "", err
		}
		if e.Envelope == nil {
			return "", problem.New(op, problem.Conflict, "console.d.refuse.deleted", nil)
		}
		id, _ := incidentID(e)
		changes := s.readUpdate(read[wireText](e.Envelope).Lines)
		if len(changes) == 0 || !slices.Contains(ids, id) {
			return "", problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
		}
		o, err := originAt(tx, org.ID, entry)
		if err != nil {
			return "", err
		}
		mark, _ := originOf(e)
		to, err := s.addressees(tx, op, org, incident, nil)
		if err != nil {
			return "", err
		}
		to = slices.DeleteFunc(to, func(a addressee) bool {
			return a.other == e.Other || a.other == mark.from || slices.Contains(o.told, a.other)
		})
		if err := s.tellChange(tx, org, who, to, changes, mark); err != nil {
			return "", err
		}
		for _, a := range to {
			o.told = append(o.told, a.other)
		}
		o.state, o.reason = originDone, ""
		return "", o.save(tx, org.ID)
	})
	return err
}

// current is what holds of an event now: its hand-over with what was changed since.
func (s *Service) current(tx *store.Tx, org, incident string) (*Facts, error) {
	return s.held(tx, org, incident, math.MaxInt64)
}

// held is what held of an event before a message.
func (s *Service) held(tx *store.Tx, org, incident string, before int64) (*Facts, error) {
	ids, err := caseOf(tx, org, incident)
	if err != nil {
		return nil, err
	}
	out := &Incident{}
	for _, id := range ids {
		out.Records = append(out.Records, CaseRecord{Row: Row{ID: id}})
	}
	l := &loader{s: s, tx: tx, org: org, ids: ids, now: s.Clock.Now(), facts: map[string]*Facts{}}
	if err := l.messages(out); err != nil {
		return nil, err
	}
	out.Thread = slices.DeleteFunc(out.Thread, func(e Entry) bool { return e.ID >= before })
	if err := l.handovers(out); err != nil {
		return nil, err
	}
	return out.Facts, nil
}

// changes lays what was changed over the facts of the records, in the order in which
// it was told: one value holds for the whole case, whoever told it.
func (l *loader) changes(out *Incident) {
	for _, e := range out.Thread {
		for _, c := range e.Changes {
			c.At, c.Entry, c.Incoming, c.Neighbour = e.At, e.ID, e.Incoming, e.Neighbour
			for _, m := range l.list {
				if m.entry == e.ID {
					c.Record = m.incident
				}
			}
			told := slices.ContainsFunc(out.Changes, func(o Change) bool {
				return !o.Incoming && !c.Incoming && o.Field == c.Field && o.Old == c.Old && o.New == c.New && o.Origin == c.Origin && (c.Origin != "" || c.At.Sub(o.At) < time.Second)
			})
			if !told { // the same to several neighbours is one change
				out.Changes = append(out.Changes, c)
			}
		}
	}
	for id, f := range l.facts {
		latest := int64(0)
		for _, h := range out.Handovers {
			if l.incidentOf(h.ID) == id {
				latest = max(latest, h.ID)
			}
		}
		for _, c := range out.Changes {
			if c.Entry > latest { // a later hand-over says it anew
				f.set(c.Field, c.New)
			}
		}
	}
}

func (l *loader) incidentOf(entry int64) string {
	for _, m := range l.list {
		if m.entry == entry {
			return m.incident
		}
	}
	return ""
}

// changed brings what the queue shows of an incident up to a change.
func (s *Service) changed(tx *store.Tx, org Org, m *message) error {
	i, err := oneIncident(tx, "console.changed", org.ID, m.incident)
	if err != nil {
		return err
	}
	key, err := s.Ring.Unwrap(i.keyID, i.wrapped)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, err := s.summaryOf(i)
	if err != nil {
		return err
	}
	f := &Facts{Type: i.typ, Place: i.city, Injured: sum.Injured, Danger: i.danger}
	for _, c := range s.readUpdate(read[wireText](m.entry.Envelope).Lines) {
		f.set(c.Field, c.New)
		if c.Field == FieldIssue || c.Field == FieldType && f.Issue == "" && sum.Headline == headline(&Facts{Type: i.typ}) {
			sum.Headline = headline(f)
		}
		switch c.Field {
		case FieldPlace:
			sum.Place = c.New
		case FieldType:
			sum.TypeKey = ""
		}
	}
	sum.Injured = f.Injured
	lat, lon := i.lat, i.lon
	if f.HasPoint {
		sum.Point = &geo.Point{Lat: f.Lat, Lon: f.Lon}
		lat, lon = grid(f)
	}
	plain, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	// The row takes it from its hand-overs, and so do alarms to come.
	if _, err := tx.Exec(`UPDATE console_handover SET danger = $3 WHERE org = $1 AND incident = $2`, org.ID, i.id, bit(f.Danger)); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE console_incident SET type = $3, city = $4, danger = $5, lat = $6, lon = $7, summary = $8 WHERE org = $1 AND id = $2`,
		org.ID, i.id, bare(f.Type), bare(f.Place), bit(f.Danger), lat, lon, key.Seal(plain, summaryPlace(org.ID, i.id)))
	return err
}

// redirects reports whether a change sends units elsewhere, or into danger.
func (s *Service) redirects(lines []wireRemark) bool {
	return slices.ContainsFunc(s.readUpdate(lines), func(c Change) bool {
		return c.Field == FieldPlace || c.Field == FieldAddress || c.Field == FieldPoint || c.Field == FieldDanger && c.New == yes
	})
}

// editLife is how long "is writing a change" is shown without a word from the page.
const editLife = 10 * time.Minute

// Edit shows the others that the person is writing a change; LeaveEdit ends it.
func (s *Service) Edit(ctx context.Context, who Actor, incident string) error {
	const op = "console.Edit"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		ids, err := caseOf(tx, org.ID, incident)
		if err != nil {
			return err
		}
		if _, err := oneIncident(tx, op, org.ID, ids[0]); err != nil {
			return err
		}
		now := s.Clock.Now()
		_, err = tx.Exec(`INSERT INTO console_edit (org, incident, person, since, until) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (org, incident, person) DO UPDATE SET until = excluded.until`,
			org.ID, ids[0], who.Person, millis(now), millis(now.Add(editLife)))
		return err
	})
}

// LeaveEdit: see Edit.
func (s *Service) LeaveEdit(ctx context.Context, who Actor, incident string) error {
	return s.do(ctx, "console.LeaveEdit", who, func(tx *store.Tx, org Org) error { return s.leave(tx, org.ID, who, incident) })
}

func (s *Service) leave(tx *store.Tx, org string, who Actor, incident string) error {
	ids, err := caseOf(tx, org, incident)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM console_edit WHERE org = $1 AND incident = $2 AND person = $3`, org, ids[0], who.Person)
	return err
}

// editors are those who write a change of the case at the moment.
func (l *loader) editors(out *Incident) error {
	return each(l.tx, `SELECT person, until FROM console_edit WHERE org = $1 AND incident = $2 AND until > $3 ORDER BY since, person`,
		args{l.org, l.ids[0], millis(l.now)}, func(r *store.Rows) error {
			var c Claim
			var until int64
			err := r.Scan(&c.Person, &until)
			c.Until, c.Name = moment(until), l.name(c.Person)
			out.Editors = append(out.Editors, c)
			return err
		})
}
