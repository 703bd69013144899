package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Times of alarms; the set time until "telephone now" is a setting per neighbour.
const (
	// DefaultDanger and DefaultElse are how long a hand-over may wait for a
	// person before the room is told to telephone, counted from its storage.
	DefaultDanger = 60 * time.Second
	DefaultElse   = 180 * time.Second
	// undecidedAfter is how long an opened hand-over may stay undecided.
	undecidedAfter = 60 * time.Second
	// linkGrace is how long a line may be down before it counts as offline: the
	// neighbour's node restarts in a few seconds, and a call for that is noise.
	linkGrace = 10 * time.Second
	// linkAlarm is how long it may be down before it is an alarm of its own.
	linkAlarm = 60 * time.Second
	// escalateA and escalateB are when the shift leader sees an alarm too.
	escalateA = 60 * time.Second
	escalateB = 3 * time.Minute
	// secondAfter is when an alarm leaves the room if no console is open.
	secondAfter = 30 * time.Second
	// calmAfter ends an alarm of class C by itself: it tells something, and nobody
	// has to do anything about it.
	calmAfter = 10 * time.Minute
	// alarmLife: what is older when it comes to the console's notice, as when it
	// is set up on a node with history, is no reason to ring.
	alarmLife = 24 * time.Hour
	// A flood starts with more than floodFrom alarms in floodWindow and lasts
	// until there are fewer than floodTo (EEMUA 191 / ISA-18.2).
	floodWindow = 10 * time.Minute
	floodFrom   = 10
	floodTo     = 5
	// onset is the shortest time between two sounds that begin in a flood.
	onset = 10 * time.Second
	// repeats of one cause from one source within repeatWindow are shown as one.
	repeats      = 3
	repeatWindow = time.Minute
)

// alarm is a row of console_alarm; times are unix milliseconds.
type alarm struct {
	org, id                                string
	kind                                   store.Kind
	class                                  Class
	cause                                  Cause
	incident                               string
	handover                               int64
	other, reason                          string
	raisedAt, waitingAt, step              int64
	seenAt, endedAt, escalatedAt, secondAt int64
	seenBy, endedBy                        string
	shelvedUntil                           int64
	shelvedBy                              string
	note                                   []byte
	keyID                                  int64
}

const alarmColumns = `org, id, kind, class, cause, incident, handover, other, reason, raised_at, waiting_at, step, seen_at, seen_by,
	ended_at, ended_by, escalated_at, second_at, shelved_until, shelved_by, note, key_id`

// alarmOpen is what people still see: not seen, or a telephone call still owed.
const alarmOpen = `(seen_at = 0 OR ended_at = 0 AND cause = 'telephone')`

// alarmCalls is what of it asks for a person now.
const alarmCalls = alarmOpen + ` AND ended_at = 0 AND shelved_until = 0`

func scanAlarms(tx *store.Tx, where string, args ...any) ([]*alarm, error) {
	rows, err := tx.Query(`SELECT `+alarmColumns+` FROM console_alarm WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*alarm
	for rows.Next() {
		var a alarm
		if err := rows.Scan(&a.org, &a.id, &a.kind, &a.class, &a.cause, &a.incident, &a.handover, &a.other, &a.reason, &a.raisedAt,
			&a.waitingAt, &a.step, &a.seenAt, &a.seenBy, &a.endedAt, &a.endedBy, &a.escalatedAt, &a.secondAt, &a.shelvedUntil,
			&a.shelvedBy, &a.note, &a.keyID); err != nil {
			return nil, err
		}
		out = append(out, &a)
	}
	return out, rows.Err()
}

// leaves reports whether people outside an empty room are told: what is urgent,
// and whatever a neighbour waits for an answer to.
func (a *alarm) leaves() bool {
	return a.class == ClassA || a.cause == CauseIncoming || a.cause == CauseUndecided
}

// raise adds an alarm unless it was raised before.
func (s *Service) raise(tx *store.Tx, a alarm) error {
	now := s.Clock.Now()
	if a.waitingAt < millis(now.Add(-alarmLife)) {
		return nil
	}
	rows, err := tx.Exec(`INSERT INTO console_alarm (`+alarmColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, '', 0, '', 0, 0, 0, '', $12, 0) ON CONFLICT (org, id) DO NOTHING`,
		a.org, a.id, string(a.kind), string(a.class), string(a.cause), a.incident, a.handover, a.other, a.reason, millis(now), a.waitingAt, []byte{})
	if rows > 0 {
		tx.Notify(topic(a.org))
	}
	return err
}

// endAlarms ends what a hand-over's decision makes pointless. It stays on the
// screen until somebody has seen it.
func (s *Service) endAlarms(tx *store.Tx, h *handover, at int64, by string) error {
	if _, err := tx.Exec(`UPDATE console_alarm SET ended_at = $3, ended_by = $4, shelved_until = 0 WHERE org = $1 AND handover = $2 AND ended_at = 0
		AND cause IN ('incoming', 'undecided', 'telephone')`, h.org, h.entry, at, by); err != nil {
		return err
	}
	return s.heard(tx, h.org, h.incident)
}

// settleAlarms ends the alarms of a hand-over that a person has just dealt with.
func (s *Service) settleAlarms(tx *store.Tx, h *handover, at int64, person string) error {
	if _, err := tx.Exec(`UPDATE console_alarm SET ended_at = CASE WHEN ended_at = 0 THEN CAST($3 AS BIGINT) ELSE ended_at END, shelved_until = 0,
		seen_at = CASE WHEN seen_at = 0 THEN CAST($3 AS BIGINT) ELSE seen_at END, seen_by = CASE WHEN seen_by = '' THEN $4 ELSE seen_by END
		WHERE org = $1 AND handover = $2 AND cause IN ('incoming', 'undecided', 'telephone', 'answer')`, h.org, h.entry, at, person); err != nil {
		return err
	}
	return s.heard(tx, h.org, h.incident)
}

// heard takes back what is on its way out of the house about alarms of an incident
// that a person knows of by now, or that are over.
func (s *Service) heard(tx *store.Tx, org, incident string) error {
	if s.Heard == nil {
		return nil
	}
	told, err := scanAlarms(tx, `org = $1 AND incident = $2 AND second_at > 0 AND (seen_at > 0 OR ended_at > 0)`, org, incident)
	if err != nil {
		return err
	}
	for _, a := range told {
		if err := s.Heard(tx, a.kind, a.id); err != nil {
			return err
		}
	}
	return nil
}

// seeAlarms silences what a person sees of an incident, but for what wants an
// outcome: "telephone now", and hand-overs that nobody has opened or decided.
func seeAlarms(tx *store.Tx, org, incident, person string, at int64) error {
	_, err := tx.Exec(`UPDATE console_alarm SET seen_at = $4, seen_by = $3, shelved_until = 0 WHERE org = $1 AND incident = $2 AND seen_at = 0
		AND (cause NOT IN ('telephone', 'incoming', 'undecided') OR ended_at > 0)`, org, incident, person, at)
	return err
}

// hushAlarms silences the ringing of a hand-over that a person has opened.
func hushAlarms(tx *store.Tx, h *handover, person string, at int64) error {
	_, err := tx.Exec(`UPDATE console_alarm SET seen_at = $4, seen_by = $3, shelved_until = 0 WHERE org = $1 AND handover = $2 AND seen_at = 0
		AND cause IN ('incoming', 'undecided')`, h.org, h.entry, person, at)
	return err
}

// away tells why nobody at a neighbour's can be expected to see a message that
// has not reached him: the key of a text, "" when he is there.
func away(nb exchange.Neighbour, now time.Time) string {
	switch {
	case !nb.DownSince.IsZero() && now.Sub(nb.DownSince) >= linkGrace:
		return "console.d.why.link"
	case nb.Status == ucri.StatusOffline:
		return "console.d.why.offline"
	case nb.Quarantined:
		return "console.d.why.stopped"
	}
	return ""
}

// due is what time alone brings about.
type due struct {
	telephone []*handover
	why       map[int64]string
	ring      []*handover
	escalate  []*alarm
	second    []*alarm
	unshelve  []*alarm
	calm      []*alarm
	down, up  []exchange.Neighbour
}

func (d *due) empty() bool {
	return len(d.telephone)+len(d.ring)+len(d.escalate)+len(d.second)+len(d.unshelve)+len(d.calm)+len(d.down)+len(d.up) == 0
}

// Tick brings about what is due by now, for every organisation: "telephone now",
// ringing again, the shift leader, the second channel, the end of shelving. It
// works from stored times, so a restart delays nothing. What is wrong with one
// organisation keeps no other waiting.
func (s *Service) Tick(ctx context.Context) error {
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, o := range orgs {
		if err := s.tick(ctx, o); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", o.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (s *Service) tick(ctx context.Context, org Org) error {
	var d *due
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { d, err = s.due(tx, org); return err })
	if err != nil || d.empty() {
		return err
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		// Read again: somebody may just have accepted, here or there.
		if err := s.abreast(tx, org); err != nil {
			return err
		}
		d, err := s.due(tx, org)
		if err != nil {
			return err
		}
		return s.bring(tx, org, d)
	})
}

func (s *Service) due(tx *store.Tx, org Org) (*due, error) {
	now := s.Clock.Now()
	at := millis(now)
	d := &due{why: map[int64]string{}}
	var rebuilding int64
	if err := tx.Row(`SELECT COALESCE(MAX(rebuilding), 0) FROM console_position WHERE org = $1`, org.ID).Scan(&rebuilding); err != nil {
		return nil, err
	}
	if rebuilding == 1 {
		return d, nil // what was answered long ago still looks unanswered
	}
	waiting, err := scanHandovers(tx, `org = $1 AND incoming = 0 AND nobody_at = 0 AND closed_at = 0
		AND state IN ('handed_over', 'delivered', 'read', 'expired', 'failed') ORDER BY phone_due`, org.ID)
	if err != nil {
		return nil, err
	}
	neighbours, err := s.Node.Neighbours(tx)
	if err != nil {
		return nil, err
	}
	byOID := map[string]exchange.Neighbour{}
	for _, nb := range neighbours {
		byOID[nb.OID] = nb
	}
	for _, h := range waiting {
		nb, known := byOID[h.other]
		why := ""
		switch {
		case h.state == Failed:
			why = "console.d.why.refused"
		case h.state == Expired:
			why = "console.d.why.expired"
		case h.state != Read && known && away(nb, now) != "":
			why = away(nb, now)
		case h.phoneDue <= at:
			why = "console.d.why.nobody"
		default:
			continue
		}
		d.telephone, d.why[h.entry] = append(d.telephone, h), why
	}
	if d.ring, err = scanHandovers(tx, `org = $1 AND ring_due > 0 AND ring_due <= $2 AND state = 'opened'`, org.ID, at); err != nil {
		return nil, err
	}
	open, err := scanAlarms(tx, `org = $1 AND `+alarmOpen+` ORDER BY raised_at`, org.ID)
	if err != nil {
		return nil, err
	}
	consoles, err := consoles(tx, org.ID, now)
	if err != nil {
		return nil, err
	}
	links := map[string]bool{}
	for _, a := range open {
		if a.shelvedUntil > 0 && a.shelvedUntil <= at {
			d.unshelve = append(d.unshelve, a)
		}
		if a.class == ClassC && at-a.raisedAt >= calmAfter.Milliseconds() {
			d.calm = append(d.calm, a)
			continue
		}
		if a.endedAt != 0 {
			continue
		}
		wait := escalateA
		if a.class == ClassB {
			wait = escalateB
		}
		if a.class != ClassC && a.escalatedAt == 0 && a.shelvedUntil == 0 && at-a.raisedAt >= wait.Milliseconds() {
			d.escalate = append(d.escalate, a)
		}
		if a.leaves() && a.secondAt == 0 && len(consoles) == 0 && s.SecondChannel != nil && at-a.raisedAt >= secondAfter.Milliseconds() {
			d.second = append(d.second, a)
		}
	}
	lines, err := scanAlarms(tx, `org = $1 AND cause = 'link' AND ended_at = 0`, org.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range lines {
		links[a.other] = true
	}
	seen := map[string]bool{}
	for _, nb := range neighbours {
		// One alarm for each line, not for each desk behind it.
		if nb.Peer == "" || seen[nb.Peer] || nb.Kind != store.Live {
			continue
		}
		seen[nb.Peer] = true
		down := !nb.DownSince.IsZero() && now.Sub(nb.DownSince) >= linkAlarm
		switch {
		case down && !links[nb.Peer] && !nb.Quarantined:
			d.down = append(d.down, nb)
		case !down && links[nb.Peer] && nb.DownSince.IsZero():
			d.up = append(d.up, nb)
		}
	}
	return d, nil
}

func (s *Service) bring(tx *store.Tx, org Org, d *due) error {
	at := millis(s.Clock.Now())
	for _, h := range d.telephone {
		why := d.why[h.entry]
		if err := s.record(tx, org.ID, action{at: at, what: dueTelephone, incident: h.incident, handover: h.entry, detail: why}, ""); err != nil {
			return err
		}
		if err := s.act(tx, h, action{what: dueTelephone, at: at}); err != nil {
			return err
		}
		if err := s.raise(tx, alarm{org: org.ID, id: "telephone." + itoa(h.entry), kind: h.kind, class: ClassA, cause: CauseTelephone,
			incident: h.incident, handover: h.entry, other: h.other, reason: why, waitingAt: h.storedAt}); err != nil {
			return err
		}
		if err := s.Audit.Append(tx, audit.Event{Action: "console." + dueTelephone, Object: itoa(h.entry)}); err != nil {
			return err
		}
		if err := s.refresh(tx, org.ID, h.incident, at); err != nil {
			return err
		}
	}
	for _, h := range d.ring {
		if err := s.record(tx, org.ID, action{at: at, what: dueRing, incident: h.incident, handover: h.entry}, ""); err != nil {
			return err
		}
		if err := s.act(tx, h, action{what: dueRing, at: at}); err != nil {
			return err
		}
		if err := s.raise(tx, alarm{org: org.ID, id: "undecided." + itoa(h.entry) + "." + itoa(at), kind: h.kind, class: h.class(),
			cause: CauseUndecided, incident: h.incident, handover: h.entry, other: h.other, waitingAt: h.storedAt}); err != nil {
			return err
		}
	}
	for _, a := range d.escalate {
		if _, err := tx.Exec(`UPDATE console_alarm SET escalated_at = $3 WHERE org = $1 AND id = $2`, a.org, a.id, at); err != nil {
			return err
		}
	}
	for _, a := range d.second {
		if _, err := tx.Exec(`UPDATE console_alarm SET second_at = $3 WHERE org = $1 AND id = $2`, a.org, a.id, at); err != nil {
			return err
		}
		view, err := s.alarmView(tx, a, &shared{})
		if err != nil {
			return err
		}
		if err := s.SecondChannel(tx, view); err != nil {
			return err
		}
		if err := s.Audit.Append(tx, audit.Event{Action: "console.second_channel", Object: a.id}); err != nil {
			return err
		}
	}
	for _, a := range d.unshelve {
		if _, err := tx.Exec(`UPDATE console_alarm SET shelved_until = 0 WHERE org = $1 AND id = $2`, a.org, a.id); err != nil {
			return err
		}
	}
	for _, a := range d.calm {
		if _, err := tx.Exec(`UPDATE console_alarm SET seen_at = $3, shelved_until = 0 WHERE org = $1 AND id = $2 AND seen_at = 0`, a.org, a.id, at); err != nil {
			return err
		}
	}
	for _, nb := range d.down {
		since := millis(nb.DownSince)
		if err := s.raise(tx, alarm{org: org.ID, id: "link." + nb.Peer + "." + itoa(since), kind: store.Live, class: ClassB, cause: CauseLink,
			other: nb.Peer, reason: nb.Failure, waitingAt: max(since, at-alarmLife.Milliseconds())}); err != nil {
			return err
		}
	}
	for _, nb := range d.up {
		if _, err := tx.Exec(`UPDATE console_alarm SET ended_at = $3, shelved_until = 0 WHERE org = $1 AND cause = 'link' AND other = $2 AND ended_at = 0`,
			org.ID, nb.Peer, at); err != nil {
			return err
		}
	}
	tx.Notify(topic(org.ID))
	return nil
}

// See silences alarms on all consoles of the room: one, or those that Alarm.Merged
// names with it. It is no acceptance, and "telephone now" is not silenced by it.
func (s *Service) See(ctx context.Context, who Actor, ids ...string) error {
	const op = "console.See"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		at := millis(s.Clock.Now())
		for _, id := range ids {
			a, err := oneAlarm(tx, op, who.Org, id)
			if err != nil {
				return err
			}
			if a.cause == CauseTelephone && a.endedAt == 0 {
				return problem.New(op, problem.Conflict, "console.d.refuse.needs_outcome", nil)
			}
			if a.cause == CauseIncoming && a.endedAt == 0 {
				// Nobody may silence a hand-over without its clock running.
				h, err := oneHandover(tx, op, who.Org, a.handover)
				if err != nil {
					return err
				}
				if h.state.Undecided() {
					if err := s.note(tx, org, who, h, didOpen, "", ""); err != nil {
						return err
					}
				}
			}
			if _, err := tx.Exec(`UPDATE console_alarm SET seen_at = $3, seen_by = $4, shelved_until = 0 WHERE org = $1 AND id = $2 AND seen_at = 0`,
				who.Org, id, at, who.Person); err != nil {
				return err
			}
			if a.secondAt > 0 && s.Heard != nil {
				if err := s.Heard(tx, a.kind, a.id); err != nil {
					return err
				}
			}
			if a.cause == CauseUndecided && a.endedAt == 0 {
				h, err := oneHandover(tx, op, who.Org, a.handover)
				if err != nil {
					return err
				}
				act := action{at: at, person: who.Person, what: didHush, incident: h.incident, handover: h.entry}
				if err := s.record(tx, who.Org, act, ""); err != nil {
					return err
				}
				if err := s.act(tx, h, act); err != nil {
					return err
				}
			}
			if err := s.audit(tx, who, didSee, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func oneAlarm(tx *store.Tx, op, org, id string) (*alarm, error) {
	as, err := scanAlarms(tx, `org = $1 AND id = $2`, org, id)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	if len(as) == 0 {
		return nil, problem.New(op, problem.NotFound, "console.d.refuse.no_alarm", nil)
	}
	return as[0], nil
}

// ShelveTimes are how long an alarm can be shelved.
var ShelveTimes = []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute}

// Shelve silences an alarm of class B or C for one of ShelveTimes. Any change of
// it ends that.
func (s *Service) Shelve(ctx context.Context, who Actor, id, reason string, d time.Duration) error {
	const op = "console.Shelve"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		a, err := oneAlarm(tx, op, who.Org, id)
		switch {
		case err != nil:
			return err
		case a.class == ClassA:
			return problem.New(op, problem.Conflict, "console.d.refuse.shelve_a", nil)
		case oneLine(reason) == "":
			return problem.New(op, problem.Invalid, "console.d.refuse.reason", nil)
		case !slices.Contains(ShelveTimes, d):
			return problem.New(op, problem.Invalid, "console.d.refuse.shelve_time", nil)
		}
		key, err := s.incidentKey(tx, who.Org, a.incident)
		if err != nil {
			return err
		}
		now := s.Clock.Now()
		if _, err := tx.Exec(`UPDATE console_alarm SET shelved_until = $3, shelved_by = $4, note = $5, key_id = $6 WHERE org = $1 AND id = $2`,
			who.Org, id, millis(now.Add(d)), who.Person, key.Seal([]byte(reason), alarmPlace(who.Org, id)), key.ID()); err != nil {
			return err
		}
		if err := s.record(tx, who.Org, action{at: millis(now), person: who.Person, what: didShelve, incident: a.incident, detail: id}, ""); err != nil {
			return err
		}
		return s.audit(tx, who, didShelve, id)
	})
}

func alarmPlace(org, id string) []byte { return []byte("console_alarm:" + org + "/" + id) }

// Unshelve ends shelving early.
func (s *Service) Unshelve(ctx context.Context, who Actor, id string) error {
	const op = "console.Unshelve"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		if _, err := oneAlarm(tx, op, who.Org, id); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE console_alarm SET shelved_until = 0 WHERE org = $1 AND id = $2`, who.Org, id); err != nil {
			return err
		}
		return s.audit(tx, who, didUnshelve, id)
	})
}

// Alarms is what the strip shows and what sounds.
func (s *Service) Alarms(ctx context.Context, org string) (Strip, error) {
	strip := Strip{Counts: map[Class]int{}, At: s.Clock.Now()}
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		open, err := scanAlarms(tx, `org = $1 AND `+alarmOpen+` ORDER BY raised_at, id`, org)
		if err != nil {
			return err
		}
		strip.Flood, err = s.flooding(tx, org, strip.At)
		if err != nil {
			return err
		}
		of := &shared{}
		for _, a := range open {
			view, err := s.alarmView(tx, a, of)
			if err != nil {
				return err
			}
			if a.shelvedUntil > millis(strip.At) {
				strip.Shelved = append(strip.Shelved, view)
				continue
			}
			strip.Alarms = append(strip.Alarms, view)
		}
		return nil
	})
	if err != nil {
		return strip, problem.Wrap("console.Alarms", err)
	}
	strip.Alarms = merge(strip.Alarms, strip.Flood)
	slices.SortStableFunc(strip.Alarms, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.Raised.Compare(b.Raised))
	})
	for _, a := range strip.Alarms {
		strip.Counts[a.Class] += a.Count
		if a.Ended.IsZero() && (a.Cause == CauseIncoming || a.Cause == CauseUndecided || a.Cause == CauseTelephone) {
			strip.Accept++
		}
	}
	strip.Sound = sounding(strip.Alarms, strip.Flood)
	return strip, nil
}

// Waiting is how many alarms wait for a person; what only tells something does not.
func (s Strip) Waiting() (n int) {
	for _, a := range s.Alarms {
		if a.Ended.IsZero() && a.Class != ClassC {
			n += a.Count
		}
	}
	return n
}

// rank puts what acts now before the rest, "telephone now" first, gone causes last.
func (a Alarm) rank() int {
	r := int(a.Class[0]-'A') * 10
	if a.Cause == CauseTelephone {
		r--
	}
	if !a.Ended.IsZero() {
		r += 100
	}
	return r
}

// merge makes one alarm of repeats: of the same cause, neighbour and incident
// within a minute, and in a flood of whatever cause.
func merge(in []Alarm, flood bool) []Alarm {
	type source struct {
		cause    Cause
		class    Class
		other    string
		incident string
		ended    bool
	}
	groups := map[source][]Alarm{}
	var order []source
	for _, a := range in {
		k := source{cause: a.Cause, class: a.Class, other: a.OID, ended: !a.Ended.IsZero()}
		switch {
		case a.Cause == CauseTelephone || a.Cause == CauseIncoming || a.Cause == CauseUndecided:
			k.incident = a.ID // each wants its own decision
		case flood:
			k.incident, k.cause = a.Incident, ""
		default:
			k.incident = a.Incident // who presses reads one incident only
		}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], a)
	}
	var out []Alarm
	for _, k := range order {
		g := groups[k]
		if !flood {
			g = collapse(g)
		} else if len(g) > 1 {
			g = []Alarm{together(g)}
		}
		out = append(out, g...)
	}
	return out
}

func together(g []Alarm) Alarm {
	first := g[0]
	first.Count = len(g)
	for _, a := range g[1:] {
		first.Merged = append(first.Merged, a.ID)
	}
	return first
}

// collapse merges runs of at least repeats within repeatWindow.
func collapse(g []Alarm) []Alarm {
	var out []Alarm
	for i := 0; i < len(g); {
		j := i + 1
		for j < len(g) && g[j].Raised.Sub(g[j-1].Raised) <= repeatWindow {
			j++
		}
		if j-i >= repeats && g[i+repeats-1].Raised.Sub(g[i].Raised) <= repeatWindow {
			out = append(out, together(g[i:j]))
		} else {
			out = append(out, g[i:j]...)
		}
		i = j
	}
	return out
}

// sounding is what the room hears: the most urgent class that nobody has seen.
// In a flood class C is silent and sounds begin at most every onset.
func sounding(alarms []Alarm, flood bool) Sound {
	var s Sound
	var onsets []time.Time
	for _, a := range alarms {
		if !a.Ended.IsZero() || !a.Seen.IsZero() && a.Cause != CauseTelephone || flood && a.Class == ClassC {
			continue
		}
		if s.Class == "" || a.Class < s.Class {
			s = Sound{Class: a.Class, Kind: a.Kind}
			onsets = nil
		}
		if a.Class != s.Class {
			continue
		}
		s.Count += a.Count
		if a.Kind == store.Live {
			s.Kind = store.Live // real work is never announced as practice
		}
		onsets = append(onsets, a.Raised)
	}
	slices.SortFunc(onsets, time.Time.Compare)
	for _, t := range onsets {
		if !flood || s.Since.IsZero() || t.Sub(s.Since) >= onset {
			s.Since = t
		}
	}
	return s
}

// flooding works out from the alarms of the last hours whether there are too many
// to be read one by one.
func (s *Service) flooding(tx *store.Tx, org string, now time.Time) (bool, error) {
	times, err := entriesOf(tx, `SELECT raised_at FROM console_alarm WHERE org = $1 AND raised_at > $2 ORDER BY raised_at`, org, millis(now.Add(-12*floodWindow)))
	if err != nil {
		return false, err
	}
	return isFlood(times, millis(now)), nil
}

// isFlood plays the times through: times are ascending unix milliseconds.
func isFlood(times []int64, now int64) bool {
	flood := false
	window := floodWindow.Milliseconds()
	check := func(at int64, upTo int) {
		first, _ := slices.BinarySearch(times[:upTo], at-window+1)
		switch count := upTo - first; {
		case count > floodFrom:
			flood = true
		case count < floodTo:
			flood = false
		}
	}
	for i, t := range times {
		if i > 0 && flood {
			// The number falls as old ones leave the window between two new ones.
			check(t-1, i)
		}
		check(t, i+1)
	}
	check(now, len(times))
	return flood
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
