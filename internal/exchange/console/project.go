package console

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// page bounds the messages of one transaction of the projection.
const page = 200

// catchUp reads an organisation's feed to its end.
func (s *Service) catchUp(ctx context.Context, org Org) error {
	for {
		more, err := s.step(ctx, org)
		if err != nil || !more {
			return err
		}
	}
}

// step reads one page of the feed: projection and receipts in one transaction.
func (s *Service) step(ctx context.Context, org Org) (more bool, err error) {
	var entries []exchange.Entry
	var from, next, rebuilding int64
	size := s.pageSize(org.ID)
	addresses := joinIDs(org.Addresses)
	known := ""
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		err := tx.Row(`SELECT position, addresses, rebuilding FROM console_position WHERE org = $1`, org.ID).Scan(&from, &known, &rebuilding)
		if errors.Is(err, store.ErrNoRows) {
			from, known, err = 0, addresses, nil
		}
		if err != nil || known != addresses {
			return err
		}
		s.mu.Lock()
		after := from
		if rebuilding == 0 {
			after = max(from, s.skipped[org.ID])
		}
		s.mu.Unlock()
		entries, next, err = s.Node.Feed(tx, org.Addresses, after, size)
		return err
	})
	if err != nil {
		return false, err
	}
	if known != addresses {
		// Other addresses, other messages: also older ones.
		return true, s.rebuild(ctx, org)
	}
	done := rebuilding == 1 && len(entries) == 0 && next == from
	if !done && len(entries) == 0 && next-from < feedLag && rebuilding == 0 {
		s.mu.Lock()
		moved := next > s.skipped[org.ID]
		s.skipped[org.ID] = max(next, s.skipped[org.ID])
		s.mu.Unlock()
		return moved && next > from, nil
	}
	err = s.bringIn(ctx, org, entries, next, func(tx *store.Tx, project projector) error {
		// Another instance may lead by now: the position decides who projects.
		if _, err := tx.Exec(`INSERT INTO console_position (org, position, addresses, rebuilding, replayed) VALUES ($1, 0, $2, 0, 0)
			ON CONFLICT (org) DO NOTHING`, org.ID, addresses); err != nil {
			return err
		}
		rows, err := tx.Exec(`UPDATE console_position SET position = $3 WHERE org = $1 AND position = $2`, org.ID, from, next)
		if err != nil || rows == 0 {
			return err
		}
		if rebuilding == 0 {
			return project(tx, org, entries)
		}
		for _, e := range entries {
			if err := s.replay(tx, org.ID, e.ID); err != nil {
				return err
			}
			if err := project(tx, org, []exchange.Entry{e}); err != nil {
				return err
			}
		}
		if !done {
			return nil
		}
		if err := s.replay(tx, org.ID, math.MaxInt64); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE console_position SET rebuilding = 0 WHERE org = $1`, org.ID)
		tx.Notify(topic(org.ID))
		return err
	})
	return true, err
}

// feedLag is how far the stored position may stay behind messages of others:
// writing it down for each of those would cost a commit.
const feedLag = 2_000

// abreastPages bounds what an action reads of the feed before it: a console that is
// further behind, as after a long break, follows on its own.
const abreastPages = 5

// abreast brings the tables up to the newest message within an action, so that
// actions and messages are in one order, the feed's. While the tables are built
// anew that follows on its own.
func (s *Service) abreast(tx *store.Tx, org Org) error {
	if s.pageSize(org.ID) < page {
		return nil // a message there fails: people must be able to act all the same
	}
	for range abreastPages {
		var from, rebuilding int64
		known := ""
		err := tx.Row(`SELECT position, addresses, rebuilding FROM console_position WHERE org = $1`, org.ID).Scan(&from, &known, &rebuilding)
		if errors.Is(err, store.ErrNoRows) || err == nil && (rebuilding == 1 || known != joinIDs(org.Addresses)) {
			return nil
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		after := max(from, s.skipped[org.ID])
		s.mu.Unlock()
		entries, next, err := s.Node.Feed(tx, org.Addresses, after, page)
		if err != nil || len(entries) == 0 && next == after {
			return err
		}
		if len(entries) == 0 && next-from < feedLag {
			return nil
		}
		if _, err := tx.Exec(`UPDATE console_position SET position = $2 WHERE org = $1`, org.ID, next); err != nil {
			return err
		}
		if err := s.project(tx, org, entries); err != nil {
			return err
		}
	}
	return nil
}

// project applies entries and takes what came in.
func (s *Service) project(tx *store.Tx, org Org, entries []exchange.Entry) error {
	for _, e := range entries {
		if err := s.apply(tx, org, e); err != nil {
			return err
		}
	}
	return s.take(tx, org, entries)
}

// take tells the node what has been read here, and the pages that something came.
func (s *Service) take(tx *store.Tx, org Org, entries []exchange.Entry) error {
	taken := map[string]int64{}
	for _, e := range entries {
		if e.Incoming {
			taken[e.Own] = max(taken[e.Own], e.Seq)
		}
	}
	for own, seq := range taken {
		if err := s.Node.Take(tx, own, seq); err != nil {
			return err
		}
	}
	if len(entries) > 0 {
		tx.Notify(topic(org.ID))
	}
	return nil
}

// apply brings one message into the tables. A message that is there already
// changes nothing.
func (s *Service) apply(tx *store.Tx, org Org, e exchange.Entry) error {
	var there int64
	if err := tx.Row(`SELECT COUNT(*) FROM console_message WHERE org = $1 AND entry = $2`, org.ID, e.ID).Scan(&there); err != nil || there > 0 {
		return err
	}
	if e.App == appNode {
		if e.Message != msgStatus || !e.Incoming {
			return nil
		}
		return s.applyStatus(tx, org, e)
	}
	if done, err := s.applyCatalogue(tx, org, e); err != nil || done {
		return err
	}
	if s.Beside != nil {
		if taken, err := s.Beside(tx, org.ID, e); err != nil || taken {
			return err
		}
	}
	if s.Units != nil {
		if aside, err := s.Units.Aside(tx, org.ID, e); err != nil || aside {
			return err
		}
	}
	m := &message{org: org.ID, entry: e, form: FormOther}
	if !e.Incoming {
		err := tx.Row(`SELECT person FROM console_action WHERE org = $1 AND entry = $2`, org.ID, e.ID).Scan(&m.author)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
	}
	switch {
	case isHandover(e.App, e.Message):
		return s.applyHandover(tx, org, m)
	case e.App == appRequest:
		return s.applyResource(tx, org, m)
	case e.Message == msgAck:
		return s.applyAck(tx, org, m)
	case e.Message == msgCompletion:
		return s.applyCompletion(tx, org, m)
	case e.App == appText:
		return s.applyText(tx, org, m)
	}
	if err := s.incidentOf(tx, org, m, nil); err != nil {
		return err
	}
	return s.keep(tx, m)
}

// message is an entry on its way into the tables.
type message struct {
	org      string
	entry    exchange.Entry
	incident string
	handover int64
	form     Form
	late     bool
	expired  bool
	author   string
}

// keep writes the row of a message and brings its incident up to date.
func (s *Service) keep(tx *store.Tx, m *message) error {
	e := m.entry
	r, err := s.Node.Receipt(tx, e.ID)
	if err != nil {
		return err
	}
	if e.Incoming {
		// The sender was told, or will be, that nobody took it in time.
		m.expired = r.Expired || r.Read.IsZero() && !e.ExpiresAt.After(s.Clock.Now())
	}
	if _, err := tx.Exec(`INSERT INTO console_message (org, entry, incident, handover, kind, app, message, form, incoming, own, other,
		message_id, at, late, expired, author, delivered_at, read_at, failed_at, withdrawn_at, receipt, seen_at, seen_by, key_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, 0, 0, 0, 0, 0, '', $17)`,
		m.org, e.ID, m.incident, m.handover, string(e.Kind), e.App, e.Message, string(m.form), bit(e.Incoming), e.Own, e.Other,
		e.MessageID, millis(e.AcceptedAt), bit(m.late), bit(m.expired), m.author, e.KeyID); err != nil {
		return err
	}
	if !e.Incoming {
		// It may have come far before we read of it.
		if err := s.receive(tx, m.org, e.ID); err != nil {
			return err
		}
	}
	return s.refresh(tx, m.org, m.incident, millis(e.AcceptedAt))
}

// incidentID names the incident a message belongs to: the UUID common to all, in
// a space of its own for each kind, or the message itself.
func incidentID(e exchange.Entry) (id, shared string) {
	if e.Envelope != nil {
		shared = ucri.SubjectID(e.Envelope.Payload)
	}
	if shared == "" || !usable(shared) {
		return "m" + itoa(e.ID), ""
	}
	return idOf(e.Kind, shared), shared
}

// idOf is the name of an incident of a kind here.
func idOf(k store.Kind, shared string) string {
	if k == store.Live {
		return shared
	}
	return string(k) + "-" + shared
}

// summary is what a row of the queue shows of the content, sealed.
type summary struct {
	Headline string     `json:"h,omitempty"`
	Place    string     `json:"p,omitempty"`
	Injured  *int       `json:"i,omitempty"`
	Point    *geo.Point `json:"c,omitempty"`
	TypeKey  string     `json:"k,omitempty"`
}

// bareRunes bounds what stands in a column unsealed, to be found by.
const bareRunes = 200

// bare makes a neighbour's word fit for a column: bounded, on one line, and
// without NUL, which PostgreSQL does not store.
func bare(s string) string {
	s = oneLine(strings.ReplaceAll(s, "\x00", ""))
	if r := []rune(s); len(r) > bareRunes {
		s = string(r[:bareRunes])
	}
	return s
}

// usable reports whether the number of a request for resources can stand in a
// column that is part of a key.
func usable(request string) bool {
	return len(request) <= bareRunes && !strings.Contains(request, "\x00")
}

func summaryPlace(org, id string) []byte { return []byte("console_incident:" + org + "/" + id) }

// incidentOf makes sure the incident of a message has its row. With f, the facts
// of a hand-over, the row takes over what they say.
func (s *Service) incidentOf(tx *store.Tx, org Org, m *message, f *Facts) error {
	e := m.entry
	id, shared := incidentID(e)
	m.incident = id
	sealed := []byte{}
	typ, town, own := "", "", ""
	danger := false
	lat, lon := grid(f)
	if e.Key != nil {
		sum := summary{}
		if f != nil {
			sum = summary{Headline: headline(f), Place: f.Place, Injured: f.Injured, TypeKey: f.TypeKey}
			if f.HasPoint {
				sum.Point = &geo.Point{Lat: f.Lat, Lon: f.Lon}
			}
			typ, danger, own = bare(f.Type), f.Danger, bare(f.InternalID)
			w := read[wireIncident](e.Envelope)
			if town = bare(city(w.Location)); w.Location == nil {
				town = bare(city(w.Pickup))
			}
		} else if e.App == appText {
			if t := read[wireText](e.Envelope); len(t.Lines) > 0 {
				first := []Remark{{Text: t.Lines[0].Message}}
				if err := s.phrases(tx, first); err != nil {
					return err
				}
				words, _ := first[0].In(org.Lang)
				sum.Headline = headline(&Facts{Issue: words})
			}
		}
		b, err := json.Marshal(sum)
		if err != nil {
			return err
		}
		sealed = e.Key.Seal(b, summaryPlace(org.ID, id))
	}
	rows, err := tx.Exec(`INSERT INTO console_incident (org, id, kind, shared_id, app, message, incoming, own, other, first_at, changed_at,
		type, city, danger, late, state, state_at, closed, summary, key_id, tokens, lat, lon, number)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14, $15, $10, 0, $16, $17, $18, $19, $20, $21) ON CONFLICT (org, id) DO NOTHING`,
		org.ID, id, string(e.Kind), shared, e.App, e.Message, bit(e.Incoming), e.Own, e.Other, millis(e.AcceptedAt),
		typ, town, bit(danger), bit(m.late), string(Ringing), sealed, e.KeyID, []byte{}, lat, lon, own)
	if err != nil || rows > 0 || f == nil || e.Key == nil {
		return err
	}
	// A later hand-over says more; a text that came first said nothing of this.
	_, err = tx.Exec(`UPDATE console_incident SET app = $3, message = $4, type = CASE WHEN $5 = '' THEN type ELSE $5 END,
		city = CASE WHEN $6 = '' THEN city ELSE $6 END, danger = $7, late = $8, summary = $9, key_id = $10,
		lat = CASE WHEN CAST($11 AS BIGINT) = 0 THEN lat ELSE CAST($11 AS BIGINT) END, lon = CASE WHEN CAST($11 AS BIGINT) = 0 THEN lon ELSE CAST($12 AS BIGINT) END, number = CASE WHEN $13 = '' THEN number ELSE $13 END
		WHERE org = $1 AND id = $2`, org.ID, id, e.App, e.Message, typ, town, bit(danger), bit(m.late), sealed, e.KeyID, lat, lon, own)
	return err
}

func (s *Service) applyHandover(tx *store.Tx, org Org, m *message) error {
	e := m.entry
	f := facts(e.Envelope)
	if f == nil {
		f = &Facts{}
	}
	after, err := s.patience(tx, org.ID, e.Other, f.Danger)
	if err != nil {
		return err
	}
	sent := f.SentAt
	if sent.IsZero() && e.Envelope != nil {
		sent = wireTime(e.Envelope.SentDate)
	}
	m.form, m.handover = FormIncident, e.ID
	if e.App == appRequest {
		m.form = FormRequest
	}
	m.late = e.Incoming && !sent.IsZero() && e.AcceptedAt.Sub(sent) > after
	if err := s.incidentOf(tx, org, m, f); err != nil {
		return err
	}
	h := &handover{
		org: org.ID, entry: e.ID, incident: m.incident, kind: e.Kind, app: e.App, incoming: e.Incoming, own: e.Own, other: e.Other,
		state: Ringing, stateAt: millis(e.AcceptedAt), storedAt: millis(e.AcceptedAt), expiresAt: millis(e.ExpiresAt), sentAt: millis(sent),
		danger: f.Danger, late: m.late, keyID: e.KeyID,
	}
	if !e.Incoming {
		h.state, h.phoneDue = HandedOver, millis(e.AcceptedAt.Add(after))
	}
	if _, err := tx.Exec(`INSERT INTO console_handover (`+handoverColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0, '', 0, '', 0, 0, 0, $16, 0, 0, 0, $17)`,
		h.org, h.entry, h.incident, string(h.kind), h.app, bit(h.incoming), h.own, h.other, string(h.state), h.stateAt, h.storedAt,
		h.expiresAt, h.sentAt, bit(h.danger), bit(h.late), h.phoneDue, h.keyID); err != nil {
		return err
	}
	if e.App == appRequest {
		for _, w := range read[wireIncident](e.Envelope).Wanted {
			if !usable(w.Request) {
				continue // no message can answer it; its row rings all the same
			}
			if _, err := tx.Exec(`INSERT INTO console_resource (org, handover, request, other, status, changed_at, key_id)
				VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
				org.ID, e.ID, w.Request, e.Other, ResourceAsked, h.storedAt, e.KeyID); err != nil {
				return err
			}
		}
	}
	if e.Incoming {
		if err := s.raise(tx, alarm{org: org.ID, id: "incoming." + itoa(e.ID), kind: e.Kind, class: h.class(), cause: CauseIncoming,
			incident: m.incident, handover: e.ID, other: e.Other, waitingAt: h.storedAt}); err != nil {
			return err
		}
	}
	return s.keep(tx, m)
}

// asked finds the hand-overs an answer is about: those of the same incident,
// app and pair of addresses.
func asked(tx *store.Tx, m *message, incoming bool) ([]*handover, error) {
	return scanHandovers(tx, `org = $1 AND incident = $2 AND own = $3 AND other = $4 AND app = $5 AND incoming = $6 ORDER BY entry`,
		m.org, m.incident, m.entry.Own, m.entry.Other, m.entry.App, bit(incoming))
}

func (s *Service) applyAck(tx *store.Tx, org Org, m *message) error {
	a := read[wireAck](m.entry.Envelope)
	m.form = FormAccepted
	if a.Status == ackRejected {
		m.form = FormRejected
	}
	if err := s.incidentOf(tx, org, m, nil); err != nil {
		return err
	}
	// Theirs is about what we handed over, ours about what they did.
	hs, err := asked(tx, m, !m.entry.Incoming)
	if err != nil {
		return err
	}
	for _, h := range hs {
		m.handover = h.entry
		if err := s.answered(tx, h, m, a.Status == ackAccepted, wireTime(a.At)); err != nil {
			return err
		}
	}
	if len(hs) == 0 && m.entry.Incoming {
		// An answer to nothing we handed over: a person has to find out.
		if err := s.raise(tx, alarm{org: org.ID, id: "message." + itoa(m.entry.ID), kind: m.entry.Kind, class: ClassB, cause: CauseMessage,
			incident: m.incident, other: m.entry.Other, waitingAt: millis(m.entry.AcceptedAt)}); err != nil {
			return err
		}
	}
	return s.keep(tx, m)
}

// answered settles a hand-over by a person's answer.
func (s *Service) answered(tx *store.Tx, h *handover, m *message, accepted bool, at time.Time) error {
	e := m.entry
	state := Accepted
	if !accepted {
		state = Rejected
	}
	switch {
	case h.state.Undecided():
	case h.state == Telephoned && accepted: // "taken over orally" is followed by an acceptance often enough
	case !h.incoming && (h.state == Accepted || h.state == InProgress) && !accepted: // their ambulance broke down
	case !h.incoming && h.state == Rejected && accepted: // they found one after all
	default:
		return nil
	}
	h.to(state, millis(e.AcceptedAt))
	h.answer, h.ringDue = e.ID, 0
	if h.decidedAt = millis(at); h.decidedAt == 0 {
		h.decidedAt = h.stateAt
	}
	if h.incoming {
		h.decidedBy = m.author
	}
	if err := h.save(tx); err != nil {
		return err
	}
	if err := s.endAlarms(tx, h, h.stateAt, e.Other); err != nil || h.incoming {
		return err
	}
	class, reason := ClassC, "console.d.why.accepted"
	if !accepted {
		class, reason = h.class(), "console.d.why.rejected"
	}
	return s.raise(tx, alarm{org: h.org, id: "answer." + itoa(e.ID), kind: h.kind, class: class, cause: CauseAnswer, reason: reason,
		incident: h.incident, handover: h.entry, other: h.other, waitingAt: h.stateAt})
}

func (s *Service) applyCompletion(tx *store.Tx, org Org, m *message) error {
	c := read[wireCompletion](m.entry.Envelope)
	m.form = FormCompletion
	if err := s.incidentOf(tx, org, m, nil); err != nil {
		return err
	}
	e := m.entry
	for _, incoming := range []bool{false, true} {
		hs, err := asked(tx, m, incoming)
		if err != nil {
			return err
		}
		for _, h := range hs {
			if h.state == Rejected || h.state == Completed || h.state == Aborted || h.state == Withdrawn {
				continue
			}
			m.handover = h.entry
			state := Completed
			if c.Status == endAborted {
				state = Aborted
			}
			if incoming && e.Incoming && h.state.Undecided() {
				state = Elsewhere // over before anybody here decided
			}
			h.to(state, millis(e.AcceptedAt))
			h.ending, h.ringDue = e.ID, 0
			if err := h.save(tx); err != nil {
				return err
			}
			if err := s.endAlarms(tx, h, h.stateAt, e.Other); err != nil {
				return err
			}
		}
	}
	if e.Incoming {
		if err := s.raise(tx, alarm{org: org.ID, id: "end." + itoa(e.ID), kind: e.Kind, class: ClassC, cause: CauseEnd,
			incident: m.incident, handover: m.handover, other: e.Other, waitingAt: millis(e.AcceptedAt)}); err != nil {
			return err
		}
	}
	return s.keep(tx, m)
}

func (s *Service) applyText(tx *store.Tx, org Org, m *message) error {
	t := read[wireText](m.entry.Envelope)
	m.form = s.formOf(t.Lines)
	if err := s.incidentOf(tx, org, m, nil); err != nil {
		return err
	}
	e := m.entry
	hs, err := scanHandovers(tx, `org = $1 AND incident = $2 AND own = $3 AND other = $4 ORDER BY entry`, org.ID, m.incident, e.Own, e.Other)
	if err != nil {
		return err
	}
	if m.form == FormUpdate && e.Incoming && len(hs) == 0 {
		m.form = FormText // who has no part in it may say something, and changes nothing
	}
	if m.form == FormUpdate && e.Incoming && e.Envelope != nil {
		known, err := s.again(tx, org, m)
		if err != nil {
			return err
		}
		if known {
			m.form = FormText
		}
	}
	for _, h := range hs {
		m.handover = h.entry
		changed := false
		switch {
		case m.form == FormConfirm && h.incoming != e.Incoming && h.app != appRequest:
			// The receiver confirms: theirs about what we handed over, ours about theirs.
			h.confirmation, changed = e.ID, true
			if c := s.readConfirm(t.Lines); c != nil {
				said, err := s.statedOf(tx, h)
				if err != nil {
					return err
				}
				h.differs = len(differences(said, *c)) > 0
			}
		case m.form == FormTelephone && h.incoming && e.Incoming && h.state.Undecided():
			h.to(Elsewhere, millis(e.AcceptedAt))
			h.ringDue, changed = 0, true
			if err := s.endAlarms(tx, h, h.stateAt, e.Other); err != nil {
				return err
			}
		case (m.form == FormText || m.form == FormUpdate) && h.state == Accepted:
			h.to(InProgress, millis(e.AcceptedAt))
			changed = true
		}
		if changed {
			if err := h.save(tx); err != nil {
				return err
			}
		}
	}
	if m.form == FormUpdate && e.Envelope != nil && (e.Incoming || readOrigin(t.Lines).from == "") {
		if err := s.changed(tx, org, m); err != nil {
			return err
		}
	}
	if e.Incoming {
		over, err := s.over(tx, m)
		if err != nil {
			return err
		}
		class := ClassC
		// A question waits for somebody, and so does a text about nothing we know, or
		// about what is over: no row of the queue shows it.
		if len(hs) == 0 || m.form == FormText && (over || asks(t.Lines)) {
			class = ClassB
		}
		if m.form == FormConfirm && anyDiffers(hs) || m.form == FormUpdate && s.redirects(t.Lines) {
			class = ClassB
		}
		if err := s.raise(tx, alarm{org: org.ID, id: "message." + itoa(e.ID), kind: e.Kind, class: class, cause: CauseMessage,
			incident: m.incident, handover: m.handover, other: e.Other, waitingAt: millis(e.AcceptedAt)}); err != nil {
			return err
		}
	}
	return s.keep(tx, m)
}

// over reports whether nothing is left to do about the incident of a message.
func (s *Service) over(tx *store.Tx, m *message) (bool, error) {
	var closed int64
	err := tx.Row(`SELECT COALESCE(MAX(closed), 0) FROM console_incident WHERE org = $1 AND id = $2`, m.org, m.incident).Scan(&closed)
	return closed == 1, err
}

func asks(lines []wireRemark) bool {
	for _, l := range lines {
		if strings.Contains(l.Message, "?") {
			return true
		}
	}
	return false
}

func anyDiffers(hs []*handover) bool {
	for _, h := range hs {
		if h.differs {
			return true
		}
	}
	return false
}

// statedOf is what the giving side of a hand-over says of place and injured by now: see
// loader.stated.
func (s *Service) statedOf(tx *store.Tx, h *handover) (Confirm, error) {
	e, err := s.Node.Entry(tx, h.entry)
	if err != nil || e.Envelope == nil {
		return Confirm{}, err
	}
	f := facts(e.Envelope)
	updates, err := entriesOf(tx, `SELECT entry FROM console_message WHERE org = $1 AND incident = $2 AND other = $3 AND incoming = $4 AND form = 'update' AND entry > $5 ORDER BY entry`,
		h.org, h.incident, h.other, bit(h.incoming), h.entry)
	if err != nil {
		return Confirm{}, err
	}
	for _, id := range updates {
		u, err := s.Node.Entry(tx, id)
		if err != nil {
			return Confirm{}, err
		}
		if u.Envelope != nil {
			f.change(s.readUpdate(read[wireText](u.Envelope).Lines))
		}
	}
	return Confirm{Place: f.Place, Injured: f.Injured}, nil
}

// applyResource takes the three answers to a request for resources. They carry
// no incident but the request's number, which the asking side chose.
func (s *Service) applyResource(tx *store.Tx, org Org, m *message) error {
	e := m.entry
	var request string
	status := ""
	accepted, rejected := false, false
	switch e.Message {
	case msgAck:
		a := read[wireRequestAck](e.Envelope)
		request, m.form = a.Request, FormAccepted
		accepted = true
		if a.Status == ackRejected {
			m.form, status, accepted, rejected = FormRejected, ResourceRefused, false, true
		}
	case msgGranted:
		request, status, m.form, accepted = read[wireGranted](e.Envelope).Request, ResourceGranted, FormResource, true
	case msgDeployed:
		request, status, m.form, accepted = read[wireDeployed](e.Envelope).Request, ResourceDeployed, FormResource, true
	}
	if !usable(request) {
		request = "" // nothing we asked for
	}
	hs, err := scanHandovers(tx, `org = $1 AND own = $2 AND other = $3 AND incoming = $4 AND entry =
		(SELECT MAX(r.handover) FROM console_resource r WHERE r.org = $1 AND r.other = $3 AND r.request = $5)`,
		org.ID, e.Own, e.Other, bit(!e.Incoming), request)
	if err != nil {
		return err
	}
	if len(hs) == 0 {
		if err := s.incidentOf(tx, org, m, nil); err != nil {
			return err
		}
		return s.keep(tx, m)
	}
	h := hs[0]
	m.incident, m.handover = h.incident, h.entry
	if status != "" {
		if _, err := tx.Exec(`UPDATE console_resource SET status = $4, changed_at = $5 WHERE org = $1 AND handover = $2 AND request = $3`,
			org.ID, h.entry, request, status, millis(e.AcceptedAt)); err != nil {
			return err
		}
	}
	if rejected {
		// The whole request is rejected when every part of it is.
		var left int64
		if err := tx.Row(`SELECT COUNT(*) FROM console_resource WHERE org = $1 AND handover = $2 AND status <> $3`,
			org.ID, h.entry, ResourceRefused).Scan(&left); err != nil {
			return err
		}
		rejected = left == 0
	}
	switch {
	case (accepted || rejected) && h.state.Undecided():
		if err := s.answered(tx, h, m, accepted, e.AcceptedAt); err != nil {
			return err
		}
	case e.Incoming && status != "":
		if err := s.raise(tx, alarm{org: org.ID, id: "answer." + itoa(e.ID), kind: e.Kind, class: ClassC, cause: CauseAnswer,
			reason: "console.d.why.resource." + status, incident: h.incident, handover: h.entry, other: h.other, waitingAt: millis(e.AcceptedAt)}); err != nil {
			return err
		}
	}
	return s.keep(tx, m)
}

// applyStatus takes the node's terminal receipt for one of our messages.
func (s *Service) applyStatus(tx *store.Tx, org Org, e exchange.Entry) error {
	if e.Envelope == nil {
		return nil
	}
	d, bad := ucri.ParseDeliveryStatus(e.Envelope.Payload)
	if bad != nil {
		return nil
	}
	var entry, handover int64
	err := tx.Row(`SELECT entry, handover FROM console_message WHERE org = $1 AND message_id = $2 AND own = $3 AND other = $4 AND incoming = 0`,
		org.ID, d.RefMessageID, e.Own, d.Destination).Scan(&entry, &handover)
	if errors.Is(err, store.ErrNoRows) {
		return nil // about a message of a dispatch system, sent before we watched
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE console_message SET receipt = $3 WHERE org = $1 AND entry = $2`, org.ID, entry, e.ID); err != nil {
		return err
	}
	return s.receive(tx, org.ID, entry)
}

// receive brings the row of one of our messages up to what the node knows.
func (s *Service) receive(tx *store.Tx, org string, entry int64) error {
	r, err := s.Node.Receipt(tx, entry)
	if err != nil {
		return err
	}
	var incident, form, other, own string
	var kind store.Kind
	var handover, delivered, read, failed, withdrawn int64
	err = tx.Row(`SELECT incident, form, handover, kind, own, other, delivered_at, read_at, failed_at, withdrawn_at
		FROM console_message WHERE org = $1 AND entry = $2`, org, entry).
		Scan(&incident, &form, &handover, &kind, &own, &other, &delivered, &read, &failed, &withdrawn)
	if err != nil {
		return err
	}
	if delivered == millis(r.Delivered) && read == millis(r.Read) && failed == millis(r.Failed) && withdrawn == millis(r.Withdrawn) {
		return nil
	}
	if _, err := tx.Exec(`UPDATE console_message SET delivered_at = $3, read_at = $4, failed_at = $5, withdrawn_at = $6 WHERE org = $1 AND entry = $2`,
		org, entry, millis(r.Delivered), millis(r.Read), millis(r.Failed), millis(r.Withdrawn)); err != nil {
		return err
	}
	tx.Notify(topic(org))
	if handover == entry {
		hs, err := scanHandovers(tx, `org = $1 AND entry = $2`, org, entry)
		if err != nil || len(hs) == 0 {
			return err
		}
		h := hs[0]
		if h.state.Undecided() || h.state == Withdrawn && r.Withdrawn.IsZero() {
			switch {
			case r.Expired:
				h.to(Expired, millis(r.Failed))
			case !r.Failed.IsZero():
				h.to(Failed, millis(r.Failed))
			case !r.Read.IsZero():
				h.to(Read, millis(r.Read))
			case !r.Delivered.IsZero():
				h.to(Delivered, millis(r.Delivered))
			}
			if err := h.save(tx); err != nil {
				return err
			}
		}
	} else if !r.Failed.IsZero() && failed == 0 {
		// An answer or a text of ours never reached them: somebody must know.
		if err := s.raise(tx, alarm{org: org, id: "undelivered." + itoa(entry), kind: kind, class: ClassB, cause: CauseUndelivered,
			incident: incident, handover: handover, other: other, waitingAt: millis(r.Failed)}); err != nil {
			return err
		}
	}
	return s.refresh(tx, org, incident, 0)
}

// onTheWay brings the messages that are not delivered yet up to date.
func (s *Service) onTheWay(ctx context.Context, org string) error {
	var changed []int64
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		changed = nil
		ids, err := entriesOf(tx, `SELECT entry FROM console_message WHERE org = $1 AND incoming = 0 AND delivered_at = 0
			AND failed_at = 0 AND withdrawn_at = 0 ORDER BY entry LIMIT 1000`, org)
		if err != nil {
			return err
		}
		for _, id := range ids {
			r, err := s.Node.Receipt(tx, id)
			if err != nil {
				return err
			}
			if !r.Delivered.IsZero() || r.Ended() {
				changed = append(changed, id)
			}
		}
		return nil
	})
	if err != nil || len(changed) == 0 {
		return err
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		for _, id := range changed {
			if err := s.receive(tx, org, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func entriesOf(tx *store.Tx, query string, args ...any) ([]int64, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// urgency orders the states of an incident's hand-overs: the row shows the one
// that needs a person most.
var urgency = map[State]int{
	Ringing: 1, Failed: 2, Expired: 3, Rejected: 4, Opened: 5, HandedOver: 6, Delivered: 7, Read: 8, Accepted: 9, InProgress: 10,
	Telephoned: 11, Withdrawn: 12, Elsewhere: 13, Completed: 14, Aborted: 15,
}

// replaced reports whether a later hand-over of the same kind was accepted where
// this one of ours was not.
func replaced(h *handover, hs []*handover) bool {
	if h.incoming || h.state != Rejected && h.state != Failed && h.state != Expired {
		return false
	}
	return slices.ContainsFunc(hs, func(later *handover) bool {
		return !later.incoming && later.entry > h.entry && later.app == h.app && urgency[later.state] >= urgency[Accepted] &&
			later.state != Withdrawn && later.state != Elsewhere
	})
}

// refresh works out an incident's state from its hand-overs. changed is when a
// message or an action changed it; a receipt is neither.
func (s *Service) refresh(tx *store.Tx, org, id string, changed int64) error {
	hs, err := scanHandovers(tx, `org = $1 AND incident = $2 ORDER BY entry`, org, id)
	if err != nil {
		return err
	}
	var lead *handover
	rank := func(h *handover) int {
		r := urgency[h.state]
		if h.closed() {
			r += 100
		}
		if h.nobodyAt != 0 && h.state.Undecided() {
			r = 0
		}
		if replaced(h, hs) {
			r += 100
		}
		return r
	}
	closed, late, danger := true, false, false
	for _, h := range hs {
		closed = closed && (h.closed() || replaced(h, hs))
		late = late || h.late
		danger = danger || h.danger
		if lead == nil || rank(h) < rank(lead) {
			lead = h
		}
	}
	if lead == nil {
		// A message without a hand-over rings until somebody has seen it.
		var unseen, first int64
		if err := tx.Row(`SELECT COUNT(*), COALESCE(MAX(at), 0) FROM console_message WHERE org = $1 AND incident = $2 AND incoming = 1 AND seen_at = 0`,
			org, id).Scan(&unseen, &first); err != nil {
			return err
		}
		state := Noted
		if unseen > 0 {
			state = Ringing
		}
		if _, err := tx.Exec(`UPDATE console_incident SET state = $3, state_at = CASE WHEN state = $3 THEN state_at ELSE $4 END, closed = $5,
			changed_at = CASE WHEN changed_at < $6 THEN $6 ELSE changed_at END WHERE org = $1 AND id = $2`,
			org, id, string(state), max(first, changed), bit(unseen == 0), changed); err != nil || unseen > 0 {
			return err
		}
		return s.index(tx, org, id)
	}
	if _, err := tx.Exec(`UPDATE console_incident SET state = $3, state_at = $4, closed = $5, late = $6, danger = $7, incoming = $8, own = $9, other = $10,
		changed_at = CASE WHEN changed_at < $11 THEN $11 ELSE changed_at END WHERE org = $1 AND id = $2`,
		org, id, string(lead.state), lead.stateAt, bit(closed), bit(late), bit(danger), bit(lead.incoming), lead.own, lead.other, changed); err != nil || !closed {
		return err
	}
	return s.index(tx, org, id)
}

// Rebuild makes the tables of one organisation anew from its feed and from what
// persons did. What concerns deleted content stays as it was.
func (s *Service) Rebuild(ctx context.Context, org string) error {
	o, err := s.Organisation(ctx, org)
	if err != nil {
		return err
	}
	return s.rebuild(ctx, o)
}

// rebuild starts it; the pages of the feed follow one by one, so that the node's
// writer is never held for long.
func (s *Service) rebuild(ctx context.Context, org Org) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"console_message", "console_handover", "console_resource", "console_incident"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE org = $1 AND NOT EXISTS
				(SELECT 1 FROM seal_key k WHERE k.id = `+table+`.key_id AND k.wrapped IS NULL)`, org.ID); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`DELETE FROM console_search WHERE org = $1`, org.ID); err != nil {
			return err
		}
		tx.Notify(topic(org.ID))
		tx.Notify(exchange.TopicFeed)
		_, err := tx.Exec(`INSERT INTO console_position (org, position, addresses, rebuilding, replayed) VALUES ($1, 0, $2, 1, 0)
			ON CONFLICT (org) DO UPDATE SET position = 0, addresses = excluded.addresses, rebuilding = 1, replayed = 0`,
			org.ID, joinIDs(org.Addresses))
		return err
	})
}

// replay does again what persons did before the entry was known. They stand in the
// order in which they were done, so the first later one ends it.
func (s *Service) replay(tx *store.Tx, org string, before int64) error {
	for {
		actions, err := scanActions(tx, `org = $1 AND seq > (SELECT replayed FROM console_position WHERE org = $1)`, replayPage, org)
		if err != nil {
			return err
		}
		done := 0
		for _, a := range actions {
			if a.after >= before {
				break
			}
			if err := s.redo(tx, org, a); err != nil {
				return err
			}
			done++
		}
		if done == 0 {
			return nil
		}
		if _, err := tx.Exec(`UPDATE console_position SET replayed = $2 WHERE org = $1`, org, actions[done-1].seq); err != nil || done < replayPage {
			return err
		}
	}
}

// replayPage bounds how many actions are read at once.
const replayPage = 100

// redo applies an action to the tables again.
func (s *Service) redo(tx *store.Tx, org string, a action) error {
	if a.handover != 0 {
		hs, err := scanHandovers(tx, `org = $1 AND entry = $2`, org, a.handover)
		if err != nil || len(hs) == 0 {
			return err
		}
		if _, err := s.Ring.Lookup(tx, hs[0].keyID); errors.Is(err, seal.ErrDestroyed) {
			return nil
		}
		if err := s.act(tx, hs[0], a); err != nil {
			return err
		}
	}
	if a.what == didSee {
		if err := markSeen(tx, org, a.incident, a.handover, a.person, a.at); err != nil {
			return err
		}
	}
	changed := a.at
	if a.what == didSee || a.what == didHush || a.what == didShelve || a.what == dueRing {
		changed = 0 // nothing of the incident itself
	}
	return s.refresh(tx, org, a.incident, changed)
}

// act is what an action does to a hand-over.
func (s *Service) act(tx *store.Tx, h *handover, a action) error {
	switch a.what {
	case didOpen:
		if h.state == Ringing {
			h.to(Opened, a.at)
			h.openedAt, h.openedBy = a.at, a.person
		}
		if h.state == Opened {
			h.ringDue = a.at + undecidedAfter.Milliseconds()
		}
	case didAccept, didReject:
		if h.state.Undecided() {
			h.to(Accepted, a.at)
			if a.what == didReject {
				h.state = Rejected
			}
			if h.openedAt == 0 {
				h.openedAt, h.openedBy = a.at, a.person
			}
			h.decidedAt, h.decidedBy, h.answer, h.ringDue = a.at, a.person, a.entry, 0
		}
	case didBegin:
		if h.state == Accepted {
			h.to(InProgress, a.at)
		}
	case didComplete, didAbort:
		h.to(Completed, a.at)
		if a.what == didAbort {
			h.state = Aborted
		}
		h.ending = a.entry
	case didTelephone:
		h.to(Telephoned, a.at)
	case didWithdraw:
		h.to(Withdrawn, a.at)
	case didClose:
		h.closedAt = a.at
	case didHush:
		if h.state == Opened {
			h.ringDue = a.at + undecidedAfter.Milliseconds()
		}
	case dueTelephone:
		h.nobodyAt = a.at
	case dueRing:
		h.ringDue = 0
	default:
		return nil
	}
	return h.save(tx)
}

// markSeen notes that a person saw the messages of an incident: of one hand-over,
// or with 0 all of them.
func markSeen(tx *store.Tx, org, incident string, handover int64, person string, at int64) error {
	_, err := tx.Exec(`UPDATE console_message SET seen_at = $5, seen_by = $4 WHERE org = $1 AND incident = $2 AND incoming = 1 AND seen_at = 0
		AND ($3 = 0 OR handover = $3)`, org, incident, handover, person, at)
	return err
}
