package console

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// claimLife is how long "being handled by" holds without renewal: about three
// beats of an open page.
const claimLife = 90 * time.Second

// do runs an action of a person without an idempotency key.
func (s *Service) do(ctx context.Context, op string, who Actor, f func(tx *store.Tx, org Org) error) error {
	_, err := s.sending(ctx, op, who, "", func(tx *store.Tx, org Org) (string, error) { return "", f(tx, org) })
	return err
}

// sending runs an action of a person; the same key runs it once.
func (s *Service) sending(ctx context.Context, op string, who Actor, key string, f func(tx *store.Tx, org Org) (string, error)) (string, error) {
	org, err := s.Organisation(ctx, who.Org)
	if err != nil {
		return "", err
	}
	if who.Person == "" {
		return "", problem.New(op, problem.Unauthenticated, "", nil)
	}
	result, err := s.once(ctx, op, who.Org, key, func(tx *store.Tx) (string, error) {
		// He decides on what is known now, and what he sends comes after it.
		if err := s.abreast(tx, org); err != nil {
			return "", err
		}
		return f(tx, org)
	})
	return result, problem.Wrap(op, err)
}

func (s *Service) audit(tx *store.Tx, who Actor, what, object string) error {
	return s.Audit.Append(tx, audit.Event{Action: "console." + what, Actor: who.Person, Object: object})
}

// post sends a message for a person, with the action and the audit event it
// belongs to, and brings it into the tables at once.
func (s *Service) post(tx *store.Tx, org Org, who Actor, a action, note string, e *ucri.Envelope) (exchange.Entry, error) {
	if err := s.disclose(tx, org, who, a.disclosed, e); err != nil {
		return exchange.Entry{}, err
	}
	post := s.Node.Post
	if s.Disclosure != nil { // with the person's answers, which no rule knows
		post = s.Node.PostJudged
	}
	entry, err := post(tx, e)
	if err != nil {
		return entry, err
	}
	a.at, a.person, a.entry = millis(entry.AcceptedAt), who.Person, entry.ID
	if a.what == didHandOver {
		a.incident, _ = incidentID(entry)
		a.handover = entry.ID
	}
	if err := s.record(tx, org.ID, a, note); err != nil {
		return entry, err
	}
	if a.handover != 0 && a.what != didHandOver {
		h, err := oneHandover(tx, "console.post", org.ID, a.handover)
		if err != nil {
			return entry, err
		}
		if err := s.act(tx, h, a); err != nil {
			return entry, err
		}
	}
	if err := s.audit(tx, who, a.what, entry.MessageID); err != nil {
		return entry, err
	}
	return entry, s.apply(tx, org, entry)
}

// step without a message: only the action, its effect and the audit event.
func (s *Service) note(tx *store.Tx, org Org, who Actor, h *handover, what, detail, words string) error {
	a := action{at: millis(s.Clock.Now()), person: who.Person, what: what, incident: h.incident, handover: h.entry, detail: detail}
	if err := s.record(tx, org.ID, a, words); err != nil {
		return err
	}
	if err := s.act(tx, h, a); err != nil {
		return err
	}
	if err := s.audit(tx, who, what, itoa(h.entry)); err != nil {
		return err
	}
	return s.refresh(tx, org.ID, h.incident, a.at)
}

// Open notes that a person reads an incident: what rings falls silent on all
// consoles of the room, and rings again if nobody decides.
func (s *Service) Open(ctx context.Context, who Actor, incident string) error {
	const op = "console.Open"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		ids, err := caseOf(tx, who.Org, incident)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.openOne(tx, op, org, who, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) openOne(tx *store.Tx, op string, org Org, who Actor, incident string) error {
	i, err := oneIncident(tx, op, who.Org, incident)
	if err != nil {
		return err
	}
	at := millis(s.Clock.Now())
	hs, err := scanHandovers(tx, `org = $1 AND incident = $2 AND incoming = 1 AND state IN ('ringing', 'opened')`, who.Org, incident)
	if err != nil {
		return err
	}
	for _, h := range hs {
		// Reading it once more does not put the next ring off.
		if h.state == Opened && h.ringDue != 0 {
			continue
		}
		if err := s.note(tx, org, who, h, didOpen, "", ""); err != nil {
			return err
		}
		if err := hushAlarms(tx, h, who.Person, at); err != nil {
			return err
		}
	}
	return s.sawAll(tx, who, i, at)
}

// sawAll notes that a person has the whole incident before him.
func (s *Service) sawAll(tx *store.Tx, who Actor, i *incidentRow, at int64) error {
	if err := seeAlarms(tx, who.Org, i.id, who.Person, at); err != nil {
		return err
	}
	if err := s.heard(tx, who.Org, i.id); err != nil {
		return err
	}
	return s.seen(tx, who, i, 0, at)
}

// seen notes that a person has seen the messages of an incident: those of one
// hand-over, or with 0 all of them.
func (s *Service) seen(tx *store.Tx, who Actor, i *incidentRow, handover, at int64) error {
	var unseen int64
	if err := tx.Row(`SELECT COUNT(*) FROM console_message WHERE org = $1 AND incident = $2 AND incoming = 1 AND seen_at = 0
		AND ($3 = 0 OR handover = $3)`, who.Org, i.id, handover).Scan(&unseen); err != nil || unseen == 0 {
		return err
	}
	if err := s.record(tx, who.Org, action{at: at, person: who.Person, what: didSee, incident: i.id, handover: handover}, ""); err != nil {
		return err
	}
	if err := markSeen(tx, who.Org, i.id, handover, who.Person, at); err != nil {
		return err
	}
	if err := s.audit(tx, who, didSee, i.id); err != nil {
		return err
	}
	return s.refresh(tx, who.Org, i.id, 0)
}

// Claim shows the others that the person is handling an incident; again and
// again while he does. Conflict names who does already.
func (s *Service) Claim(ctx context.Context, who Actor, incident string) error {
	const op = "console.Claim"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		ids, err := caseOf(tx, who.Org, incident)
		if err != nil {
			return err
		}
		if _, err := oneIncident(tx, op, who.Org, ids[0]); err != nil {
			return err
		}
		incident := ids[0] // one person has all records before him
		now := s.Clock.Now()
		rows, err := tx.Exec(`INSERT INTO console_claim (org, incident, person, until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (org, incident) DO UPDATE SET person = excluded.person, until = excluded.until
			WHERE console_claim.person = excluded.person OR console_claim.until <= $5`,
			who.Org, incident, who.Person, millis(now.Add(claimLife)), millis(now))
		if err != nil || rows > 0 {
			return err
		}
		var person string
		if err := tx.Row(`SELECT person FROM console_claim WHERE org = $1 AND incident = $2`, who.Org, incident).Scan(&person); err != nil {
			return err
		}
		return problem.New(op, problem.Conflict, "console.d.refuse.claimed", i18n.Args{"name": s.name(tx, person)})
	})
}

// Unclaim ends the person's own claim.
func (s *Service) Unclaim(ctx context.Context, who Actor, incident string) error {
	return s.do(ctx, "console.Unclaim", who, func(tx *store.Tx, org Org) error {
		ids, err := caseOf(tx, who.Org, incident)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM console_claim WHERE org = $1 AND incident = $2 AND person = $3`, who.Org, ids[0], who.Person)
		return err
	})
}

// undecided finds an incoming hand-over that waits for an answer. Exactly one
// person decides: writes of a node are serial, and the next one finds it decided.
func (s *Service) undecided(tx *store.Tx, op string, org Org, entry int64) (*handover, error) {
	h, err := oneHandover(tx, op, org.ID, entry)
	if err != nil {
		return nil, err
	}
	if !h.incoming {
		return nil, problem.New(op, problem.Conflict, "console.d.refuse.not_incoming", nil)
	}
	if h.state.Undecided() {
		return h, nil
	}
	key := "console.d.refuse.decided"
	switch h.state {
	case Accepted, InProgress:
		key = "console.d.refuse.accepted"
	case Rejected:
		key = "console.d.refuse.rejected"
	case Elsewhere:
		key = "console.d.refuse.elsewhere"
	}
	name := s.name(tx, h.decidedBy)
	if h.decidedBy == "" {
		name = s.Node.NameOf(h.other)
	}
	return nil, problem.New(op, problem.Conflict, key, i18n.Args{"name": name, "time": moment(max(h.decidedAt, h.stateAt))})
}

// Accept takes over an incoming hand-over: the neighbour gets the acknowledgement
// with the person's name, and place and number of injured as they are known here.
func (s *Service) Accept(ctx context.Context, who Actor, entry int64, c Confirm, once string) error {
	const op = "console.Accept"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		h, err := s.undecided(tx, op, org, entry)
		if err != nil {
			return "", err
		}
		if c.Injured != nil && *c.Injured < 0 {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.injured", nil)
		}
		i, err := oneIncident(tx, op, org.ID, h.incident)
		if err != nil {
			return "", err
		}
		if err := s.decide(tx, org, who, h, i, true, s.name(tx, who.Person)); err != nil {
			return "", err
		}
		if h.app == appRequest || i.sharedID == "" {
			return "", nil
		}
		// A system that takes no texts gets the acknowledgement alone.
		_, err = s.text(tx, org, who, i, h.own, h.other, h.entry, didConfirm, s.confirmText(org.Lang, c))
		if _, refused := errors.AsType[*problem.Error](err); refused {
			err = nil
		}
		return "", err
	})
	return err
}

// Reject refuses an incoming hand-over with a reason.
func (s *Service) Reject(ctx context.Context, who Actor, entry int64, reason, once string) error {
	const op = "console.Reject"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		if reason = strings.TrimSpace(reason); reason == "" {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.reason", nil)
		}
		h, err := s.undecided(tx, op, org, entry)
		if err != nil {
			return "", err
		}
		i, err := oneIncident(tx, op, org.ID, h.incident)
		if err != nil {
			return "", err
		}
		cause := reason
		if name := s.name(tx, who.Person); name != "" {
			cause += " · " + name
		}
		return "", s.decide(tx, org, who, h, i, false, cause)
	})
	return err
}

// decide sends a person's answer and settles the hand-over and those like it: a
// neighbour who sent an incident again gets one answer.
func (s *Service) decide(tx *store.Tx, org Org, who Actor, h *handover, i *incidentRow, accept bool, cause string) error {
	what, status := didAccept, ackAccepted
	if !accept {
		what, status = didReject, ackRejected
	}
	now := s.Clock.Now()
	a := action{what: what, incident: h.incident, handover: h.entry}
	var letters []*ucri.Envelope
	switch {
	case h.app == appRequest:
		ids, err := requestsOf(tx, org.ID, h.entry)
		if err != nil {
			return err
		}
		for _, id := range ids {
			letters = append(letters, letter(h.own, h.other, appRequest, msgAck,
				wireRequestAck{Request: id, Status: status, At: ucri.FormatTime(now), Comment: cause}))
		}
	case i.sharedID != "":
		ack := wireAck{SharedID: i.sharedID, At: ucri.FormatTime(now), Status: status, Cause: cause}
		if h.app == appTransport {
			ack.Cause = "" // the schema has no place for it
			if !accept {
				ack.Proposal = cause
			}
		}
		letters = append(letters, letter(h.own, h.other, h.app, msgAck, ack))
	}
	for n, l := range letters {
		if n > 0 {
			a.what = didAnswer
		}
		if _, err := s.post(tx, org, who, a, "", l); err != nil {
			return err
		}
	}
	if len(letters) == 0 {
		if err := s.note(tx, org, who, h, what, "", cause); err != nil {
			return err
		}
	}
	like, err := scanHandovers(tx, `org = $1 AND incident = $2 AND own = $3 AND other = $4 AND app = $5 AND incoming = 1`,
		org.ID, h.incident, h.own, h.other, h.app)
	if err != nil {
		return err
	}
	for _, other := range like {
		if h.app == appRequest && other.entry != h.entry {
			continue
		}
		if err := s.settleAlarms(tx, other, millis(now), who.Person); err != nil {
			return err
		}
		// What came while he was deciding is not on his page: it stays unseen.
		if err := s.seen(tx, who, i, other.entry, millis(now)); err != nil {
			return err
		}
	}
	return s.refresh(tx, org.ID, h.incident, millis(now))
}

func requestsOf(tx *store.Tx, org string, handover int64) ([]string, error) {
	rows, err := tx.Query(`SELECT request FROM console_resource WHERE org = $1 AND handover = $2 ORDER BY request`, org, handover)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// Begin notes that work on an accepted hand-over has begun here.
func (s *Service) Begin(ctx context.Context, who Actor, entry int64) error {
	const op = "console.Begin"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		h, err := oneHandover(tx, op, org.ID, entry)
		if err != nil {
			return err
		}
		if h.state != Accepted {
			return problem.New(op, problem.Conflict, "console.d.refuse.not_accepted", nil)
		}
		return s.note(tx, org, who, h, didBegin, "", "")
	})
}

// Complete says that an accepted hand-over is done, Abort that it was broken off.
// The other side is told where its app has a message for it.
func (s *Service) Complete(ctx context.Context, who Actor, entry int64, note, once string) error {
	return s.end(ctx, "console.Complete", who, entry, didComplete, endDone, note, once)
}

// Abort: see Complete.
func (s *Service) Abort(ctx context.Context, who Actor, entry int64, note, once string) error {
	return s.end(ctx, "console.Abort", who, entry, didAbort, endAborted, note, once)
}

func (s *Service) end(ctx context.Context, op string, who Actor, entry int64, what, status, note, once string) error {
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		h, err := oneHandover(tx, op, org.ID, entry)
		if err != nil {
			return "", err
		}
		switch {
		case h.state == Completed || h.state == Aborted:
			return "", problem.New(op, problem.Conflict, "console.d.refuse.ended", nil)
		case h.state != Accepted && h.state != InProgress && h.state != Telephoned:
			return "", problem.New(op, problem.Conflict, "console.d.refuse.not_accepted", nil)
		}
		i, err := oneIncident(tx, op, org.ID, h.incident)
		if err != nil {
			return "", err
		}
		if i.sharedID == "" || !hasCompletion(h.app) {
			return "", s.note(tx, org, who, h, what, "", note)
		}
		a := action{what: what, incident: h.incident, handover: h.entry}
		_, err = s.post(tx, org, who, a, "", letter(h.own, h.other, h.app, msgCompletion, wireCompletion{
			SharedID: i.sharedID, At: ucri.FormatTime(s.Clock.Now()), Status: status, Additional: strings.TrimSpace(note)}))
		return "", err
	})
	return err
}

// Close puts an incident away that waits for nobody any more but whose end no
// message told: rejected, refused, expired, taken over orally, or accepted by a
// neighbour who sends no completion.
func (s *Service) Close(ctx context.Context, who Actor, incident string) error {
	const op = "console.Close"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		ids, err := caseOf(tx, who.Org, incident)
		if err != nil {
			return err
		}
		var hs []*handover
		for _, id := range ids {
			of, err := scanHandovers(tx, `org = $1 AND incident = $2`, who.Org, id)
			if err != nil {
				return err
			}
			hs = append(hs, of...)
		}
		hs = slices.DeleteFunc(hs, (*handover).closed)
		for _, h := range hs {
			if h.incoming || h.state == HandedOver || h.state == Delivered || h.state == Read {
				return problem.New(op, problem.Conflict, "console.d.refuse.still_open", nil)
			}
		}
		at := millis(s.Clock.Now())
		for _, h := range hs {
			if err := s.note(tx, org, who, h, didClose, "", ""); err != nil {
				return err
			}
			if err := s.settleAlarms(tx, h, at, who.Person); err != nil {
				return err
			}
		}
		return s.sawCase(tx, op, who, incident)
	})
}

// HandOver sends the draft, one message to each neighbour, and returns the id of
// the incident. Nothing is sent unless all of it can be.
func (s *Service) HandOver(ctx context.Context, who Actor, d Draft) (incident string, err error) {
	const op = "console.HandOver"
	return s.sending(ctx, op, who, d.Once, func(tx *store.Tx, org Org) (string, error) {
		if len(d.To) == 0 {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.no_receiver", nil)
		}
		if key := d.lacks(); key != "" {
			return "", problem.New(op, problem.Invalid, key, nil)
		}
		var kind store.Kind
		shared := s.Clock.NewID()
		if d.Incident != "" {
			i, err := oneIncident(tx, op, org.ID, d.Incident)
			if err != nil {
				return "", err
			}
			kind = i.kind
			if i.sharedID != "" {
				shared = i.sharedID
			}
		}
		if err := s.oneKind(tx, op, kind, d.To); err != nil {
			return "", err
		}
		for n := range d.Want {
			if d.Want[n].ID == "" {
				d.Want[n].ID = s.Clock.NewID()
			}
		}
		id, now := "", s.Clock.Now()
		for _, to := range unique(d.To) {
			app, msg, data := build(s.toward(d, org, to, now), shared, org.Lang, now, s.Texts.Text(org.Lang, wordUnknown, nil))
			e, err := s.post(tx, org, who, action{what: didHandOver, disclosed: d.disclosed()}, "", letter(s.from(org, to), to, app, msg, data))
			if err != nil {
				return "", err
			}
			id, _ = incidentID(e)
		}
		if d.ID != "" {
			if err := s.dropDraft(tx, who, d.ID); err != nil {
				return "", err
			}
		}
		return id, nil
	})
}

// lacks names what a draft needs before it can leave.
func (d Draft) lacks() string {
	switch d.App {
	case appPatient:
		if len(d.Patients) == 0 || d.Patients[0].Phone == "" {
			return "console.d.refuse.patient_phone"
		}
		return ""
	case appTransport:
		if d.PickupAt.IsZero() || d.ArrivalAt.IsZero() || d.Pickup == (Location{}) || d.Destination == (Location{}) {
			return "console.d.refuse.transport"
		}
		return ""
	case appPatients:
		if len(d.Patients) == 0 {
			return "console.d.refuse.patients"
		}
	case appRequest:
		if len(d.Want) == 0 {
			return "console.d.refuse.resources"
		}
	}
	if !d.HasPoint && d.Place == "" && d.Street == "" {
		return "console.d.refuse.place"
	}
	if oneLine(d.Type+d.Issue) == "" {
		return "console.d.refuse.what"
	}
	if d.Injured != nil && *d.Injured < 0 {
		return "console.d.refuse.injured"
	}
	return ""
}

// from chooses the own address a message leaves from: one of the receiver's kind.
func (s *Service) from(org Org, to string) string {
	for _, own := range org.Addresses {
		if s.Node.SameKind(own, to) {
			return own
		}
	}
	if len(org.Addresses) > 0 {
		return org.Addresses[0]
	}
	return ""
}

func unique(in []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range in {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// outgoing finds a hand-over of ours.
func outgoing(tx *store.Tx, op, org string, entry int64) (*handover, error) {
	h, err := oneHandover(tx, op, org, entry)
	if err != nil {
		return nil, err
	}
	if h.incoming {
		return nil, problem.New(op, problem.Conflict, "console.d.refuse.not_outgoing", nil)
	}
	return h, nil
}

// Withdraw takes back a hand-over that the neighbour's node has not got; ok is
// false when it is too late, or an attempt to send it is under way.
func (s *Service) Withdraw(ctx context.Context, who Actor, entry int64) (ok bool, err error) {
	const op = "console.Withdraw"
	err = s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		ok = false
		h, err := outgoing(tx, op, org.ID, entry)
		if err != nil {
			return err
		}
		if !h.state.Undecided() {
			return problem.New(op, problem.Conflict, "console.d.refuse.answered", nil)
		}
		if ok, err = s.Node.Withdraw(tx, entry); err != nil {
			return err
		}
		what := didWithdraw
		if !ok {
			what = didTooLate
		}
		if err := s.note(tx, org, who, h, what, "", ""); err != nil || !ok {
			return err
		}
		if err := s.settleAlarms(tx, h, h.stateAt, who.Person); err != nil {
			return err
		}
		return s.receive(tx, org.ID, entry)
	})
	return ok, err
}

// TakenOverByTelephone records that with, a person at the neighbour's, took the
// hand-over over orally. What is not delivered yet is withdrawn; where it is, a
// text tells them, and it stops ringing there.
func (s *Service) TakenOverByTelephone(ctx context.Context, who Actor, entry int64, with, once string) error {
	const op = "console.TakenOverByTelephone"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		h, err := outgoing(tx, op, org.ID, entry)
		if err != nil {
			return "", err
		}
		return "", s.telephoned(tx, op, org, who, h, with)
	})
	return err
}

func (s *Service) telephoned(tx *store.Tx, op string, org Org, who Actor, h *handover, with string) error {
	if !h.state.Undecided() && h.state != Rejected {
		return problem.New(op, problem.Conflict, "console.d.refuse.answered", nil)
	}
	i, err := oneIncident(tx, op, org.ID, h.incident)
	if err != nil {
		return err
	}
	back, err := s.Node.Withdraw(tx, h.entry)
	if err != nil {
		return err
	}
	r, err := s.Node.Receipt(tx, h.entry)
	if err != nil {
		return err
	}
	if err := s.note(tx, org, who, h, didTelephone, "", strings.TrimSpace(with)); err != nil {
		return err
	}
	if err := s.settleAlarms(tx, h, h.stateAt, who.Person); err != nil {
		return err
	}
	if err := s.receive(tx, org.ID, h.entry); err != nil {
		return err
	}
	if back || r.Delivered.IsZero() && r.Ended() || i.sharedID == "" {
		return nil // it never reached them
	}
	now := s.Clock.Now()
	text := s.Texts.Text(org.Lang, lineTelephone, nil) + "\n" +
		s.Texts.Text(org.Lang, "console.d.line.telephone_at", i18n.Args{"time": s.Texts.Time(org.Lang, now), "name": s.name(tx, who.Person)})
	_, err = s.text(tx, org, who, i, h.own, h.other, h.entry, didText, text)
	if _, refused := errors.AsType[*problem.Error](err); refused {
		err = nil // a system that takes no texts; the person was told by telephone
	}
	return err
}

// Reached answers the alarm "telephone now": with took it over orally. number is
// the one that was dialled, "" for the one it is the turn of.
func (s *Service) Reached(ctx context.Context, who Actor, alarm, number, with, once string) error {
	const op = "console.Reached"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		h, err := calling(tx, op, org.ID, alarm)
		if err != nil {
			return "", err
		}
		if oneLine(with) == "" {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.with", nil)
		}
		a, err := oneAlarm(tx, op, org.ID, alarm)
		if err != nil {
			return "", err
		}
		if err := s.reached(tx, org.ID, who, a, number); err != nil {
			return "", err
		}
		return "", s.telephoned(tx, op, org, who, h, with)
	})
	return err
}

// NoAnswer answers "telephone now": nobody took the call. The next number is
// shown; after the last one the shift leader and the second channel are told.
func (s *Service) NoAnswer(ctx context.Context, who Actor, alarm, once string) error {
	const op = "console.NoAnswer"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		h, err := calling(tx, op, org.ID, alarm)
		if err != nil {
			return "", err
		}
		a, err := oneAlarm(tx, op, org.ID, alarm)
		if err != nil {
			return "", err
		}
		rooms, err := s.phones(tx, org.ID)
		if err != nil {
			return "", err
		}
		a.step++
		at := millis(s.Clock.Now())
		last := a.step >= int64(len(rooms[h.other].numbers))
		escalated, second := a.escalatedAt, a.secondAt
		if last && escalated == 0 {
			escalated = at
		}
		if last && second == 0 && s.SecondChannel != nil {
			second = at
			view, err := s.alarmView(tx, a, &shared{desks: rooms})
			if err != nil {
				return "", err
			}
			if err := s.SecondChannel(tx, view); err != nil {
				return "", err
			}
		}
		if _, err := tx.Exec(`UPDATE console_alarm SET step = $3, escalated_at = $4, second_at = $5 WHERE org = $1 AND id = $2`,
			org.ID, alarm, a.step, escalated, second); err != nil {
			return "", err
		}
		return "", s.note(tx, org, who, h, didNoAnswer, itoa(a.step), "")
	})
	return err
}

// calling finds the hand-over of a "telephone now" that still wants an outcome.
func calling(tx *store.Tx, op, org, alarm string) (*handover, error) {
	a, err := oneAlarm(tx, op, org, alarm)
	if err != nil {
		return nil, err
	}
	if a.cause != CauseTelephone {
		return nil, problem.New(op, problem.Conflict, "console.d.refuse.no_call", nil)
	}
	if a.endedAt != 0 {
		return nil, problem.New(op, problem.Conflict, "console.d.refuse.answered", nil)
	}
	return outgoing(tx, op, org, a.handover)
}

// text sends one line about an incident.
func (s *Service) text(tx *store.Tx, org Org, who Actor, i *incidentRow, own, other string, handover int64, what, words string) (exchange.Entry, error) {
	a := action{what: what, incident: i.id, handover: handover}
	return s.post(tx, org, who, a, "", letter(own, other, appText, msgText, wireText{SharedID: i.sharedID,
		Lines: []wireRemark{{At: ucri.FormatTime(s.Clock.Now()), Message: words}}}))
}

// parties are the neighbours a text about an incident goes to, with our address
// towards each: those we have had messages with, without those who have nothing
// to do with it any more. With none left it is the one the incident is about.
func parties(tx *store.Tx, i *incidentRow) (others []string, own map[string]string, err error) {
	own = map[string]string{}
	rows, err := tx.Query(`SELECT DISTINCT m.other, m.own FROM console_message m WHERE m.org = $1 AND m.incident = $2
		AND (NOT EXISTS (SELECT 1 FROM console_handover h WHERE h.org = m.org AND h.incident = m.incident AND h.other = m.other)
			OR EXISTS (SELECT 1 FROM console_handover h WHERE h.org = m.org AND h.incident = m.incident AND h.other = m.other
				AND h.state NOT IN ('withdrawn', 'failed', 'expired', 'rejected')))
		ORDER BY m.other, m.own`, i.org, i.id)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o, mine string
		if err := rows.Scan(&o, &mine); err != nil {
			return nil, nil, err
		}
		if own[o] == "" {
			others = append(others, o)
			own[o] = mine
		}
	}
	if len(others) == 0 {
		others, own = []string{i.other}, map[string]string{i.other: i.own}
	}
	return others, own, rows.Err()
}

// Text sends a text about an incident to the given neighbours, to all of the
// incident for none.
func (s *Service) Text(ctx context.Context, who Actor, incident string, to []string, text, once string) error {
	text = strings.TrimSpace(text)
	return s.tell(ctx, "console.Text", who, incident, to, once, func(Org, i18n.Lang) string { return text })
}

// tell sends a text to neighbours; words says what to those of a language.
func (s *Service) tell(ctx context.Context, op string, who Actor, incident string, to []string, once string, words func(org Org, to i18n.Lang) string) error {
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		to, err := s.addressees(tx, op, org, incident, to)
		if err != nil {
			return "", err
		}
		desks, err := s.phones(tx, org.ID)
		if err != nil {
			return "", err
		}
		for _, p := range to {
			text := words(org, langOf(desks, p.other))
			if text == "" {
				return "", problem.New(op, problem.Invalid, "console.d.refuse.no_text", nil)
			}
			if _, err := s.text(tx, org, who, p.record, p.own, p.other, 0, didText, text); err != nil {
				return "", err
			}
		}
		return "", s.sawCase(tx, op, who, incident) // he answers what he has read
	})
	return err
}

// addressee is a neighbour with the record of the event under whose id he knows it.
type addressee struct {
	record     *incidentRow
	other, own string
}

// addressees are the neighbours that something about an event goes to, each once and
// under the id he knows: those given, all of the case for none.
func (s *Service) addressees(tx *store.Tx, op string, org Org, incident string, to []string) ([]addressee, error) {
	ids, err := caseOf(tx, org.ID, incident)
	if err != nil {
		return nil, err
	}
	var all []addressee
	var first *incidentRow
	for _, id := range ids {
		i, err := oneIncident(tx, op, org.ID, id)
		if err != nil {
			return nil, err
		}
		if i.sharedID == "" {
			continue // nobody knows it by an id
		}
		if first == nil {
			first = i
		}
		others, own, err := parties(tx, i)
		if err != nil {
			return nil, err
		}
		for _, o := range others {
			if !slices.ContainsFunc(all, func(a addressee) bool { return a.other == o }) {
				all = append(all, addressee{i, o, own[o]})
			}
		}
	}
	if first == nil {
		return nil, problem.New(op, problem.Conflict, "console.d.refuse.no_incident", nil)
	}
	if len(to) == 0 {
		return all, nil
	}
	var out []addressee
	for _, o := range unique(to) {
		n := slices.IndexFunc(all, func(a addressee) bool { return a.other == o })
		if n < 0 {
			out = append(out, addressee{first, o, s.from(org, o)})
			continue
		}
		out = append(out, all[n])
	}
	return out, nil
}

// sawCase notes that a person has all records of an event before him.
func (s *Service) sawCase(tx *store.Tx, op string, who Actor, incident string) error {
	ids, err := caseOf(tx, who.Org, incident)
	if err != nil {
		return err
	}
	for _, id := range ids {
		i, err := oneIncident(tx, op, who.Org, id)
		if err != nil {
			return err
		}
		if err := s.sawAll(tx, who, i, millis(s.Clock.Now())); err != nil {
			return err
		}
	}
	return nil
}

// RequestResources asks neighbours for resources for an incident; place and
// keywords come from its newest hand-over.
func (s *Service) RequestResources(ctx context.Context, who Actor, incident string, r Resources, once string) error {
	const op = "console.RequestResources"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		if len(r.Want) == 0 {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.resources", nil)
		}
		if len(r.To) == 0 {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.no_receiver", nil)
		}
		i, err := oneIncident(tx, op, org.ID, incident)
		if err != nil {
			return "", err
		}
		if err := s.oneKind(tx, op, i.kind, r.To); err != nil {
			return "", err
		}
		var newest int64
		if err := tx.Row(`SELECT COALESCE(MAX(entry), 0) FROM console_handover WHERE org = $1 AND incident = $2 AND app <> 'patient_transfer'`,
			org.ID, incident).Scan(&newest); err != nil {
			return "", err
		}
		if newest == 0 || i.sharedID == "" {
			return "", problem.New(op, problem.Conflict, "console.d.refuse.no_incident", nil)
		}
		e, err := s.Node.Entry(tx, newest)
		if err != nil {
			return "", err
		}
		if e.Envelope == nil {
			return "", problem.New(op, problem.Conflict, "console.d.refuse.deleted", nil)
		}
		from := read[wireIncident](e.Envelope)
		said := readStated(from.Remarks)
		now := s.Clock.Now()
		unknown := s.Texts.Text(org.Lang, wordUnknown, nil)
		w := wireIncident{
			SharedID: i.sharedID, SentAt: ucri.FormatTime(now), InternalID: from.InternalID, Start: from.Start,
			Issue: from.Issue, Blue: from.Blue, Location: from.Location, Patients: wirePeople(r.Patients, unknown),
			Remarks: []wireRemark{{}},
		}
		if w.Location == nil {
			w.Location = from.Pickup
		}
		if len(w.Patients) == 0 {
			w.Patients = []wirePerson{{Name: unknown}} // the schema demands one
		}
		if c := strings.TrimSpace(r.Comment); c != "" {
			w.Remarks = append(w.Remarks, wireRemark{At: ucri.FormatTime(now), Message: c})
		}
		for _, want := range r.Want {
			id := want.ID
			if id == "" {
				id = s.Clock.NewID()
			}
			w.Wanted = append(w.Wanted, wireWanted{Request: id, Type: want.Type, Name: want.Name})
		}
		for _, to := range unique(r.To) {
			say := stated{injured: said.injured, danger: i.danger, lang: org.Lang}
			w.Classes, say.key, say.code = s.onward(org, i.other, said.key, from.Classes, to, now)
			w.Remarks[0] = say.remark(now)
			if _, err := s.post(tx, org, who, action{what: didHandOver}, "", letter(s.from(org, to), to, appRequest, msgRequest, w)); err != nil {
				return "", err
			}
		}
		return "", nil
	})
	return err
}

// AnswerRequest answers one wanted resource of an incoming request: granted,
// refused, or on its way.
func (s *Service) AnswerRequest(ctx context.Context, who Actor, entry int64, a Answer, once string) error {
	const op = "console.AnswerRequest"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		h, err := oneHandover(tx, op, org.ID, entry)
		if err != nil {
			return "", err
		}
		ids, err := requestsOf(tx, org.ID, entry)
		if err != nil {
			return "", err
		}
		if a.Request == "" && len(ids) == 1 {
			a.Request = ids[0]
		}
		known := false
		for _, id := range ids {
			known = known || id == a.Request
		}
		if !h.incoming || !known {
			return "", problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
		}
		now := ucri.FormatTime(s.Clock.Now())
		var units []wireResource
		for _, u := range a.Units {
			if u.ID == "" {
				u.ID = u.Name
			}
			units = append(units, wireResource{ID: u.ID, Name: u.Name, Type: u.Type})
		}
		if a.Status != ResourceRefused && len(units) == 0 {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.units", nil)
		}
		act := action{what: didAnswer, incident: h.incident, handover: h.entry}
		send := func(message string, data any) error {
			_, err := s.post(tx, org, who, act, "", letter(h.own, h.other, appRequest, message, data))
			return err
		}
		first := h.state.Undecided()
		switch a.Status {
		case ResourceRefused:
			err = send(msgAck, wireRequestAck{Request: a.Request, Status: ackRejected, At: now, Comment: a.Comment})
		case ResourceGranted:
			if first {
				err = send(msgAck, wireRequestAck{Request: a.Request, Status: ackAccepted, At: now, Comment: s.name(tx, who.Person)})
			}
			if err == nil {
				err = send(msgGranted, wireGranted{Request: a.Request, Units: units, At: now, Comment: a.Comment})
			}
		case ResourceDeployed:
			if first {
				err = send(msgAck, wireRequestAck{Request: a.Request, Status: ackAccepted, At: now, Comment: s.name(tx, who.Person)})
			}
			for _, u := range units {
				if err == nil {
					err = send(msgDeployed, wireDeployed{wireResource: u, Request: a.Request, At: now, Comment: a.Comment})
				}
			}
		default:
			err = problem.New(op, problem.Invalid, "console.d.refuse.status", nil)
		}
		if err != nil {
			return "", err
		}
		at := millis(s.Clock.Now())
		after, err := oneHandover(tx, op, org.ID, entry)
		if err != nil {
			return "", err
		}
		if first && !after.state.Undecided() {
			if err := s.settleAlarms(tx, after, at, who.Person); err != nil {
				return "", err
			}
		}
		return "", s.refresh(tx, org.ID, h.incident, at)
	})
	return err
}
