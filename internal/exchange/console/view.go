package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// MaxRows bounds one page of the queue: what is open beyond it no room can work
// off, and the page says how many there are.
const MaxRows = 500

func (s *Service) neighbour(oid string) Neighbour {
	return Neighbour{OID: oid, Name: s.Node.NameOf(oid)}
}

// Queue lists an organisation's incidents.
func (s *Service) Queue(ctx context.Context, org string, f Filter) (Queue, error) {
	q := Queue{At: s.Clock.Now()}
	limit := f.Limit
	if limit <= 0 || limit > MaxRows {
		limit = MaxRows
	}
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		today := millis(startOfDay(q.At))
		if err := tx.Row(`SELECT COUNT(*) FROM console_incident WHERE org = $1 AND closed = 1 AND changed_at >= $2`, org, today).Scan(&q.ClosedToday); err != nil {
			return err
		}
		if err := tx.Row(`SELECT COUNT(*) FROM console_incident WHERE org = $1 AND closed = 0`, org).Scan(&q.Open); err != nil {
			return err
		}
		lead, err := leads(tx, org)
		if err != nil {
			return err
		}
		var found []*incidentRow
		if f.Closed {
			since := today
			if !f.Since.IsZero() {
				since = millis(f.Since)
			}
			found, err = scanIncidents(tx, `i.org = $1 AND i.closed = 1 AND i.changed_at >= $2 ORDER BY i.changed_at DESC LIMIT $3`, org, since, limit)
		} else {
			found, err = scanIncidents(tx, `i.org = $1 AND i.closed = 0 ORDER BY
				CASE WHEN i.state IN ('ringing', 'opened', 'failed', 'expired', 'rejected') THEN 0 ELSE 1 END, i.first_at DESC LIMIT $2`, org, limit)
		}
		if err != nil {
			return err
		}
		if q.Rows, err = s.rows(tx, org, found, q.At, !f.Closed); err != nil {
			return err
		}
		if !f.Closed {
			slices.SortStableFunc(q.Rows, func(a, b Row) int {
				return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.First.Compare(b.First))
			})
		}
		records := len(q.Rows)
		q.Rows = foldCases(q.Rows, lead)
		q.Open -= records - len(q.Rows)
		return nil
	})
	if err != nil {
		return q, problem.Wrap("console.Queue", err)
	}
	for _, k := range []store.Kind{store.Test, store.Exercise, store.Live} {
		if slices.ContainsFunc(q.Rows, func(r Row) bool { return r.Kind == k }) {
			q.Kinds = append(q.Kinds, k)
		}
	}
	return q, nil
}

// dayZone is the time of the three countries' clocks; to read it takes longer than to
// draw a line.
var dayZone = sync.OnceValues(func() (*time.Location, error) { return time.LoadLocation(i18n.DefaultZone) })

// startOfDay is when the day of the three countries' clocks began.
func startOfDay(t time.Time) time.Time {
	zone, err := dayZone()
	if err != nil {
		return t.Truncate(24 * time.Hour) // tzdata is in the binary
	}
	l := t.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, zone)
}

// rank puts first what needs a person.
func (r Row) rank() int {
	switch {
	case r.Nobody:
		return 0
	case r.Class != "":
		return 1 + int(r.Class[0]-'A')
	}
	return 10 + urgency[r.State]
}

// rows makes the list's view of incidents. What belongs to the open ones is
// read in a few queries for all.
func (s *Service) rows(tx *store.Tx, org string, found []*incidentRow, now time.Time, open bool) ([]Row, error) {
	var err error
	var handovers []*handover
	classes, unseen, others := map[string]Class{}, map[string]int64{}, map[string]map[string]bool{}
	if open {
		if handovers, err = scanHandovers(tx, `org = $1 AND incident IN (SELECT id FROM console_incident WHERE org = $1 AND closed = 0)`, org); err != nil {
			return nil, err
		}
		err := each(tx, `SELECT incident, MIN(class) FROM console_alarm WHERE org = $1 AND `+alarmCalls+` GROUP BY incident`, args{org}, func(r *store.Rows) error {
			var id string
			var c Class
			err := r.Scan(&id, &c)
			classes[id] = c
			return err
		})
		if err != nil {
			return nil, err
		}
		counts, err := tx.Query(`SELECT incident, COUNT(*) FROM console_message WHERE org = $1 AND incoming = 1 AND seen_at = 0 GROUP BY incident`, org)
		if err != nil {
			return nil, err
		}
		defer counts.Close()
		for counts.Next() {
			var id string
			var n int64
			if err := counts.Scan(&id, &n); err != nil {
				return nil, err
			}
			unseen[id] = n
		}
		if err := counts.Err(); err != nil {
			return nil, err
		}
	} else {
		ids := make([]string, len(found))
		for n, i := range found {
			ids[n] = i.id
		}
		err := byIncident(tx, `SELECT `+handoverColumns+` FROM console_handover WHERE org = $1 AND incident IN %s`, org, ids, func(r *store.Rows) error {
			h, err := scanHandover(r)
			handovers = append(handovers, h)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	// An order in the query would cost it the index by incident.
	slices.SortFunc(handovers, func(a, b *handover) int { return cmp.Compare(a.entry, b.entry) })
	claims := map[string]Claim{}
	rows, err := tx.Query(`SELECT incident, person, until FROM console_claim WHERE org = $1 AND until > $2`, org, millis(now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var c Claim
		var until int64
		if err := rows.Scan(&id, &c.Person, &until); err != nil {
			return nil, err
		}
		c.Until = moment(until)
		claims[id] = c
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	nobody, differs := map[string]bool{}, map[string]bool{}
	for _, h := range handovers {
		if others[h.incident] == nil {
			others[h.incident] = map[string]bool{}
		}
		others[h.incident][h.other] = true
		nobody[h.incident] = nobody[h.incident] || h.nobodyAt != 0 && h.state.Undecided() && h.closedAt == 0
		differs[h.incident] = differs[h.incident] || h.differs
	}
	out := make([]Row, 0, len(found))
	for _, i := range found {
		r := Row{
			ID: i.id, SharedID: i.sharedID, Kind: i.kind, App: i.app, Message: i.message, Type: i.typ, Place: i.city, Incoming: i.incoming,
			Neighbour: s.neighbour(i.other), State: i.state, Class: classes[i.id], Nobody: nobody[i.id], Late: i.late, Differs: differs[i.id],
			Danger: i.danger, Since: moment(i.stateAt), First: moment(i.firstAt), Changed: moment(i.changedAt), Unseen: int(unseen[i.id]),
			Deleted: moment(i.destroyedAt),
		}
		r.More = max(0, len(others[i.id])-1)
		if c, ok := claims[i.id]; ok {
			c.Name = s.name(tx, c.Person)
			r.Claim = &c
		}
		sum, err := s.summaryOf(i)
		if err != nil {
			return nil, err
		}
		r.Headline, r.Place, r.Injured, r.TypeKey = sum.Headline, cmp.Or(r.Place, sum.Place), sum.Injured, sum.TypeKey
		out = append(out, r)
	}
	return out, nil
}

func (s *Service) summaryOf(i *incidentRow) (summary, error) {
	var sum summary
	key, err := s.Ring.Unwrap(i.keyID, i.wrapped)
	if errors.Is(err, seal.ErrDestroyed) || len(i.summary) == 0 {
		return sum, nil
	}
	if err != nil {
		return sum, err
	}
	plain, err := key.Open(i.summary, summaryPlace(i.org, i.id))
	if err != nil {
		return sum, err
	}
	return sum, json.Unmarshal(plain, &sum)
}

// shared is what several alarms of an organisation say alike, read once for all of
// them within a transaction.
type shared struct {
	desks     map[string]desk
	incidents map[string]Row // what an alarm says of its incident
}

// alarmIncident is what an alarm says of its incident; the zero Row while a rebuild runs.
func (s *Service) alarmIncident(tx *store.Tx, a *alarm, of *shared) (Row, error) {
	if r, ok := of.incidents[a.incident]; ok {
		return r, nil
	}
	var r Row
	i, err := oneIncident(tx, "console.alarm", a.org, a.incident)
	if err == nil {
		sum, err := s.summaryOf(i)
		if err != nil {
			return r, err
		}
		r = Row{Headline: sum.Headline, Place: cmp.Or(i.city, sum.Place), Type: i.typ, TypeKey: sum.TypeKey, First: moment(i.firstAt)}
	} else if problem.KindOf(err) != problem.NotFound { // a rebuild runs
		return r, err
	}
	if of.incidents == nil {
		of.incidents = map[string]Row{}
	}
	of.incidents[a.incident] = r
	return r, nil
}

// alarmView is an alarm as the strip shows it.
func (s *Service) alarmView(tx *store.Tx, a *alarm, of *shared) (Alarm, error) {
	v := Alarm{
		ID: a.id, Org: a.org, Kind: a.kind, Class: a.class, Cause: a.cause, Incident: a.incident, Handover: a.handover,
		Neighbour: s.neighbour(a.other), Reason: a.reason, Step: int(a.step), Raised: moment(a.raisedAt), Waiting: moment(a.waitingAt),
		Seen: moment(a.seenAt), SeenBy: s.name(tx, a.seenBy), Ended: moment(a.endedAt), Escalated: a.escalatedAt != 0,
		ShelvedUntil: moment(a.shelvedUntil), ShelvedBy: s.name(tx, a.shelvedBy), Count: 1,
	}
	if a.endedBy != "" {
		v.EndedBy = s.Node.NameOf(a.endedBy)
	}
	v.ShelveReason = s.unseal(tx, a.keyID, a.note, alarmPlace(a.org, a.id))
	if a.incident != "" {
		r, err := s.alarmIncident(tx, a, of)
		if err != nil {
			return v, err
		}
		v.Headline, v.Place, v.Type, v.TypeKey, v.First = r.Headline, r.Place, r.Type, r.TypeKey, r.First
	}
	if a.cause == CauseTelephone {
		if of.desks == nil {
			var err error
			if of.desks, err = s.phones(tx, a.org); err != nil {
				return v, err
			}
		}
		n := of.desks[a.other].step(a.step)
		v.Phone, v.PhoneOld = n.Number, n.old(s.Clock.Now())
	}
	return v, nil
}

// Incident reads everything about one incident of an organisation; problem
// NotFound. Content comes from the sealed envelopes, so a deleted one has none.
func (s *Service) Incident(ctx context.Context, org, id string) (*Incident, error) {
	const op = "console.Incident"
	out := &Incident{}
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		*out = Incident{}
		ids, err := caseOf(tx, org, id)
		if err != nil {
			return err
		}
		now := s.Clock.Now()
		if err := s.records(tx, op, org, ids, out, now); err != nil {
			return err
		}
		if out.Deleted.IsZero() {
			dates, err := s.deleteAt(tx, orgs, ids)
			if err != nil {
				return err
			}
			for _, at := range dates {
				if at.After(out.DeleteAt) {
					out.DeleteAt = at
				}
			}
		}
		l := &loader{s: s, tx: tx, org: org, lang: orgOf(orgs, org).Lang, ids: ids, now: now, facts: map[string]*Facts{}}
		for _, read := range []func(*Incident) error{l.messages, l.handovers, l.resources, l.events, l.editors, l.flow} {
			if err := read(out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	return out, nil
}

// records reads the rows of a case, its partners and what else may belong to it.
func (s *Service) records(tx *store.Tx, op, org string, ids []string, out *Incident, now time.Time) error {
	var found []*incidentRow
	for _, id := range ids {
		i, err := oneIncident(tx, op, org, id)
		if err != nil {
			return err
		}
		found = append(found, i)
		others, _, err := parties(tx, i)
		if err != nil {
			return err
		}
		for _, o := range others {
			if n := s.neighbour(o); !slices.Contains(out.Partners, n) {
				out.Partners = append(out.Partners, n)
			}
		}
	}
	rows, err := s.rows(tx, org, found, now, false)
	if err != nil {
		return err
	}
	lead := map[string]string{}
	for n := range rows {
		r := &rows[n]
		if err := tx.Row(`SELECT COALESCE(MIN(class), '') FROM console_alarm WHERE org = $1 AND incident = $2 AND `+alarmCalls, org, r.ID).Scan(&r.Class); err != nil {
			return err
		}
		lead[r.ID] = ids[0]
		out.Records = append(out.Records, CaseRecord{Row: *r})
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.rank(), b.rank()) })
	out.Row = foldCases(rows, lead)[0]
	out.Suggested, err = s.candidates(tx, found[0])
	return err
}

// loader reads one incident for its page.
type loader struct {
	s         *Service
	tx        *store.Tx
	org       string
	ids       []string // of the records
	now       time.Time
	envelopes map[int64]*ucri.Envelope
	facts     map[string]*Facts // of the newest hand-over of each record
	list      []messageRow
	lang      i18n.Lang       // of the organisation
	rooms     map[string]desk // nil: not read yet
	names     map[string]string
}

// messageRow is a row of console_message as the page needs it.
type messageRow struct {
	entry, handover, receipt               int64
	incident, app, message, author, seenBy string
	form                                   Form
	incoming, late, expired                bool
	other                                  string
	at, delivered, read, failed, withdrawn int64
}

func (l *loader) messages(out *Incident) error {
	err := byIncident(l.tx, `SELECT entry, incident, handover, receipt, app, message, form, incoming, other, at, late, expired, author,
		delivered_at, read_at, failed_at, withdrawn_at, seen_by FROM console_message WHERE org = $1 AND incident IN %s`, l.org, l.ids, func(rows *store.Rows) error {
		var m messageRow
		var incoming, late, expired int64
		err := rows.Scan(&m.entry, &m.incident, &m.handover, &m.receipt, &m.app, &m.message, &m.form, &incoming, &m.other, &m.at, &late, &expired, &m.author,
			&m.delivered, &m.read, &m.failed, &m.withdrawn, &m.seenBy)
		m.incoming, m.late, m.expired = incoming == 1, late == 1, expired == 1
		l.list = append(l.list, m)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(l.list, func(a, b messageRow) int { return cmp.Compare(a.entry, b.entry) })
	ids := make([]int64, len(l.list))
	for n, m := range l.list {
		ids[n] = m.entry
	}
	if l.envelopes, err = l.s.Node.Envelopes(l.tx, ids); err != nil {
		return err
	}
	for _, m := range l.list {
		e := l.envelopes[m.entry]
		v := Entry{
			ID: m.entry, App: m.app, Message: m.message, Form: m.form, Incoming: m.incoming, Neighbour: l.s.neighbour(m.other), At: moment(m.at),
			Author: l.name(m.author), Late: m.late, Expired: m.expired, SeenBy: l.name(m.seenBy), Deleted: e == nil,
		}
		v.Lines, v.Lang = lines(e, m)
		if m.form == FormUpdate && e != nil {
			// What we passed on is the change of who made it.
			if said := read[wireText](e).Lines; m.incoming || readOrigin(said).from == "" {
				v.Changes = l.s.readUpdate(said)
				for n := range v.Changes {
					v.Changes[n].Origin = readOrigin(said).id
				}
			}
		}
		if m.form == FormText {
			if err := l.s.phrases(l.tx, v.Lines); err != nil {
				return err
			}
			if v.Lang, err = l.sender(m); err != nil {
				return err
			}
		}
		if !m.incoming {
			if v.Receipt, err = l.receipt(m); err != nil {
				return err
			}
		}
		if m.incoming && m.seenBy == "" {
			out.Unseen++
		}
		out.Thread = append(out.Thread, v)
	}
	return nil
}

// name is a person's, looked up once.
func (l *loader) name(person string) string {
	name, ok := l.names[person]
	if !ok {
		name = l.s.name(l.tx, person)
		if l.names == nil {
			l.names = map[string]string{}
		}
		l.names[person] = name
	}
	return name
}

// lines are the words of a message.
func lines(e *ucri.Envelope, m messageRow) ([]Remark, i18n.Lang) {
	if e == nil {
		return nil, ""
	}
	at := moment(m.at)
	say := func(s ...string) []Remark {
		var out []Remark
		for _, t := range s {
			if t = strings.TrimSpace(t); t != "" {
				out = append(out, Remark{At: at, Text: t})
			}
		}
		return out
	}
	switch {
	case m.app == appText:
		var out []Remark
		for _, r := range read[wireText](e).Lines {
			if r.Category != remarkCategory {
				out = append(out, remarkOf(r))
			}
		}
		return out, ""
	case isHandover(m.app, m.message):
		f := facts(e)
		return append(say(f.Issue, f.Additional), f.Remarks...), f.Lang
	case m.app == appRequest && m.message == msgGranted:
		w := read[wireGranted](e)
		return append(say(w.Comment), unitLines(w.Units, at)...), ""
	case m.app == appRequest && m.message == msgDeployed:
		w := read[wireDeployed](e)
		return append(say(w.Comment), unitLines([]wireResource{w.wireResource}, at)...), ""
	case m.app == appRequest:
		return say(read[wireRequestAck](e).Comment), ""
	case m.message == msgAck:
		w := read[wireAck](e)
		return say(w.Cause, w.Proposal), ""
	case m.message == msgCompletion:
		return say(read[wireCompletion](e).Additional), ""
	}
	return nil, ""
}

func unitLines(units []wireResource, at time.Time) []Remark {
	var out []Remark
	for _, u := range units {
		out = append(out, Remark{At: at, Text: oneLine(u.Name + " " + u.Type)})
	}
	return out
}

func (l *loader) receipt(m messageRow) (Receipt, error) {
	r := Receipt{Stored: moment(m.at), Delivered: moment(m.delivered), Read: moment(m.read), Failed: moment(m.failed), Withdrawn: moment(m.withdrawn)}
	if m.delivered == 0 && m.failed == 0 && m.withdrawn == 0 {
		now, err := l.s.Node.Receipt(l.tx, m.entry)
		if err != nil {
			return r, err
		}
		r.NextTry = now.NextTry
	}
	if m.failed != 0 && m.receipt != 0 {
		e, err := l.s.Node.Entry(l.tx, m.receipt)
		if err != nil {
			return r, err
		}
		if e.Envelope != nil {
			if d, bad := ucri.ParseDeliveryStatus(e.Envelope.Payload); bad == nil {
				r.Cause = d.StatusMessage
				if d.Cause != nil && d.Cause.Reason != "" {
					r.Cause = d.Cause.Reason
				}
			}
		}
	}
	return r, nil
}

func (l *loader) handovers(out *Incident) error {
	var hs []*handover
	err := byIncident(l.tx, `SELECT `+handoverColumns+` FROM console_handover WHERE org = $1 AND incident IN %s`, l.org, l.ids, func(r *store.Rows) error {
		h, err := scanHandover(r)
		hs = append(hs, h)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(hs, func(a, b *handover) int { return cmp.Compare(a.entry, b.entry) })
	desks, err := l.s.phones(l.tx, l.org)
	if err != nil {
		return err
	}
	for _, h := range hs {
		v := Handover{
			ID: h.entry, App: h.app, Incoming: h.incoming, Own: h.own, Neighbour: l.s.neighbour(h.other), State: h.state, Since: moment(h.stateAt),
			Stored: moment(h.storedAt), Expires: moment(h.expiresAt), Sent: moment(h.sentAt), Danger: h.danger, Late: h.late,
			Nobody: h.nobodyAt != 0 && h.state.Undecided(), Closed: h.closed(),
			OpenedBy: l.name(h.openedBy), OpenedAt: moment(h.openedAt), DecidedBy: l.name(h.decidedBy), DecidedAt: moment(h.decidedAt),
		}
		if !h.incoming {
			d := desks[h.other].first()
			v.PhoneAt, v.Phone, v.PhoneOld = moment(h.phoneDue), d.Number, d.old(l.now)
			for _, m := range l.list {
				if m.entry == h.entry {
					if v.Receipt, err = l.receipt(m); err != nil {
						return err
					}
				}
			}
		}
		if e := l.envelopes[h.answer]; e != nil {
			v.Reason, v.DecidedBy = l.answer(h, e, v.DecidedBy)
		}
		if !h.incoming && (h.state == Accepted || h.state == InProgress || h.state == Completed || h.state == Aborted) {
			v.Receipt.Accepted, v.Receipt.AcceptedBy = v.DecidedAt, v.DecidedBy
		}
		if e := l.envelopes[h.ending]; e != nil && (h.state == Completed || h.state == Aborted) {
			v.Reason = read[wireCompletion](e).Additional
		}
		if (h.state == Failed || h.state == Expired) && v.Receipt.Cause != "" {
			v.Reason = v.Receipt.Cause
		}
		if f := facts(l.envelopes[h.entry]); f != nil {
			l.facts[h.incident] = f
			v.Stated = l.stated(h, f)
			for _, w := range read[wireIncident](l.envelopes[h.entry]).Wanted {
				v.Requests = append(v.Requests, Request{ID: w.Request, Type: w.Type, Name: w.Name})
			}
			if e := l.envelopes[h.confirmation]; e != nil {
				v.Confirmed = l.s.readConfirm(read[wireText](e).Lines)
			}
			if v.Confirmed != nil {
				for _, d := range differences(v.Stated, *v.Confirmed) {
					d.Neighbour = v.Name
					out.Mismatch = append(out.Mismatch, d)
				}
			}
		}
		out.Handovers = append(out.Handovers, v)
	}
	l.changes(out)
	for n := range out.Records {
		r := &out.Records[n]
		r.Facts = l.facts[r.ID]
		if out.Facts == nil {
			out.Facts = r.Facts // the lead's, if it has any
		}
		if n > 0 {
			r.Differs = differ(l.facts[l.ids[0]], r.Facts)
		}
	}
	return nil
}

// stated is what the giving side says of place and injured: in the hand-over, and in what
// it changed before the receiver confirmed.
func (l *loader) stated(h *handover, f *Facts) Confirm {
	said := *f
	for _, m := range l.list {
		if m.form != FormUpdate || m.incident != h.incident || m.other != h.other || m.incoming != h.incoming || m.entry < h.entry || h.confirmation != 0 && m.entry > h.confirmation {
			continue
		}
		if e := l.envelopes[m.entry]; e != nil {
			said.change(l.s.readUpdate(read[wireText](e).Lines))
		}
	}
	return Confirm{Place: said.Place, Injured: said.Injured}
}

// answer reads the reason of a rejection and the name of who answered.
func (l *loader) answer(h *handover, e *ucri.Envelope, name string) (reason, by string) {
	by = name
	words := ""
	if h.app == appRequest {
		words = read[wireRequestAck](e).Comment
	} else {
		a := read[wireAck](e)
		words = cmp.Or(a.Cause, a.Proposal)
	}
	if h.state == Rejected {
		return words, by
	}
	if !h.incoming {
		by = oneLine(words) // a node of ours writes the person's name there
	}
	return "", by
}

func (l *loader) resources(out *Incident) error {
	err := byIncident(l.tx, `SELECT r.handover, r.request, r.status, r.changed_at FROM console_resource r
		JOIN console_handover h ON h.org = r.org AND h.entry = r.handover WHERE h.org = $1 AND h.incident IN %s`, l.org, l.ids, func(rows *store.Rows) error {
		var r Resource
		var changed int64
		err := rows.Scan(&r.Handover, &r.ID, &r.Status, &changed)
		r.ChangedAt = moment(changed)
		out.Resources = append(out.Resources, r)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(out.Resources, func(a, b Resource) int { return cmp.Or(cmp.Compare(a.Handover, b.Handover), cmp.Compare(a.ID, b.ID)) })
	for n := range out.Resources {
		r := &out.Resources[n]
		for _, h := range out.Handovers {
			if h.ID != r.Handover {
				continue
			}
			r.Incoming, r.Neighbour = h.Incoming, h.Neighbour
			for _, q := range h.Requests {
				if q.ID == r.ID {
					r.Request = q
				}
			}
		}
		for _, m := range l.list {
			e := l.envelopes[m.entry]
			if m.app != appRequest || m.handover != r.Handover || e == nil {
				continue
			}
			switch m.message {
			case msgAck:
				if a := read[wireRequestAck](e); a.Request == r.ID && a.Status == ackRejected {
					r.Comment = a.Comment
				}
			case msgGranted:
				if g := read[wireGranted](e); g.Request == r.ID {
					r.Comment = g.Comment
					for _, u := range g.Units {
						r.Granted = append(r.Granted, Unit{ID: u.ID, Name: u.Name, Type: u.Type, At: wireTime(g.At)})
					}
				}
			case msgDeployed:
				if d := read[wireDeployed](e); d.Request == r.ID {
					r.Deployed = append(r.Deployed, Unit{ID: d.ID, Name: d.Name, Type: d.Type, At: wireTime(d.At)})
				}
			}
		}
	}
	return nil
}

// mostActions bounds the course of one incident: far more than any has.
const mostActions = 10_000

// events tells the course of an incident: what persons did here, what fell due,
// what the neighbours sent.
func (l *loader) events(out *Incident) error {
	var actions []action
	for _, id := range l.ids {
		of, err := scanActions(l.tx, `org = $1 AND incident = $2`, mostActions, l.org, id)
		if err != nil {
			return err
		}
		actions = append(actions, of...)
	}
	slices.SortFunc(actions, func(a, b action) int { return cmp.Compare(a.seq, b.seq) })
	others := map[int64]string{}
	for _, h := range out.Handovers {
		others[h.ID] = h.Name
	}
	messages := map[int64]messageRow{}
	for _, m := range l.list {
		messages[m.entry] = m
	}
	acted := map[int64]bool{}
	for _, a := range actions {
		acted[a.entry] = true
		other := others[a.handover]
		if other == "" {
			if m, ok := messages[a.entry]; ok {
				other = l.s.Node.NameOf(m.other)
			}
		}
		e := Event{At: moment(a.at), Who: l.name(a.person), Key: "console.d.event." + a.what, Args: i18n.Args{"neighbour": other}}
		if note := l.s.unseal(l.tx, a.keyID, a.note, actionPlace(l.org)); note != "" {
			e.Note = note
		}
		switch a.what {
		case dueTelephone, didPassOn:
			e.Reason = a.detail
		case didMerge, didSeparate, didApart:
			e.Args["neighbour"] = l.s.Node.NameOf(a.detail)
		}
		out.Events = append(out.Events, e)
	}
	for _, m := range l.list {
		if m.incoming {
			out.Events = append(out.Events, Event{At: moment(m.at), Who: l.s.Node.NameOf(m.other), Key: "console.d.event.in." + string(m.form), Args: i18n.Args{"neighbour": l.s.Node.NameOf(m.other)}})
			continue
		}
		if m.author == "" && !acted[m.entry] { // a dispatch system sent it
			out.Events = append(out.Events, Event{At: moment(m.at), Key: "console.d.event.out." + string(m.form), Args: i18n.Args{"neighbour": l.s.Node.NameOf(m.other)}})
		}
		if m.failed != 0 {
			out.Events = append(out.Events, Event{At: moment(m.failed), Key: "console.d.event.failed", Args: i18n.Args{"neighbour": l.s.Node.NameOf(m.other)}})
		}
	}
	slices.SortStableFunc(out.Events, func(a, b Event) int { return a.At.Compare(b.At) })
	return nil
}

// Raw returns a message as it came or left, for the technician; that he read it is
// recorded. Problem NotFound when it is none of the organisation's or deleted.
func (s *Service) Raw(ctx context.Context, who Actor, entry int64) ([]byte, error) {
	const op = "console.Raw"
	var body []byte
	err := s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		var count int64
		if err := tx.Row(`SELECT COUNT(*) FROM console_message WHERE org = $1 AND entry = $2`, org.ID, entry).Scan(&count); err != nil {
			return err
		}
		if count == 0 {
			return problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
		}
		var err error
		body, err = s.Node.Original(tx, entry)
		if errors.Is(err, seal.ErrDestroyed) || err == nil && len(body) == 0 {
			return problem.New(op, problem.NotFound, "console.d.refuse.deleted", nil)
		}
		if err != nil {
			return err
		}
		return s.Audit.Append(tx, audit.Event{Action: "console.raw", Actor: who.Person, Object: itoa(entry)})
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}
