package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Item is a message that came from a foreign system.
type Item struct {
	ID                                int64
	Gateway, Name                     string // Name is the participant's
	Kind                              store.Kind
	State                             string
	ReceivedAt, EndedAt               time.Time
	Sender, Receiver, Foreign, Number string
	Reason                            string // key of why a person is needed
	EndedBy                           string // name
	Parent, Copy                      int64  // rows it was corrected from, and into; 0: none
	Before                            string // whom the row it was corrected from is for, when that is not Receiver; not in lists
	Address                           string // of the node whose organisation it is for; "": of none
	// What follows is nil when it was deleted, and in lists.
	Body      []byte
	Diagnosis *Diagnosis
	Note      string // why it was dismissed
	Loss      []convert.Loss
	Deleted   bool
}

func (s *Service) item(tx *store.Tx, i *in) Item {
	v := Item{ID: i.id, Gateway: i.gateway, Name: i.gateway, Kind: i.kind, State: string(i.state), ReceivedAt: moment(i.receivedAt), EndedAt: moment(i.endedAt),
		Sender: i.sender, Receiver: i.receiver, Foreign: i.foreign, Number: i.number, Reason: i.reason, Parent: i.parent, Deleted: len(i.body) == 0}
	if g := s.gate(i.gateway); g != nil {
		v.Name, v.Address = s.Node.NameOf(g.cfg.OID), g.cfg.oidOf(i.receiver)
	}
	if i.endedBy != "" && s.Name != nil {
		v.EndedBy = s.Name(tx, i.endedBy)
	}
	return v
}

// maxTray bounds a page of the tray.
const maxTray = 200

// Tray lists what waits for a person, the oldest first, and with all what people have
// ended, the newest first.
func (s *Service) Tray(ctx context.Context, all bool) (list []Item, total int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		where := `state = 'tray' ORDER BY id LIMIT $1`
		if all {
			where = `reason <> '' AND state <> 'tray' ORDER BY id DESC LIMIT $1`
		}
		rows, err := scanIn(tx, where, maxTray)
		if err != nil {
			return err
		}
		for _, i := range rows {
			list = append(list, s.item(tx, i))
		}
		total, _, err = trayCount(tx)
		return err
	})
	return list, total, problem.Wrap("gateway.Tray", err)
}

// Item returns a message with its bytes; problem NotFound. Who looked is written down.
func (s *Service) Item(ctx context.Context, person string, id int64) (v Item, err error) {
	const op = "gateway.Item"
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		i, err := one(scanIn(tx, `id = $1`, id))
		if err != nil {
			return err
		}
		if i == nil {
			return problem.New(op, problem.NotFound, "gateway.not_found", nil)
		}
		v = s.item(tx, i)
		if i.parent > 0 {
			was, err := one(scanIn(tx, `id = $1`, i.parent))
			if err != nil {
				return err
			}
			if g := s.gate(i.gateway); was != nil && g != nil && g.cfg.oidOf(was.receiver) != v.Address {
				v.Before = was.receiver
			}
		}
		if err := tx.Row(`SELECT COALESCE(MAX(id), 0) FROM gateway_in WHERE parent = $1`, id).Scan(&v.Copy); err != nil || len(i.body) == 0 {
			return err
		}
		key, err := s.Ring.Lookup(tx, i.keyID)
		if errors.Is(err, seal.ErrDestroyed) {
			v.Deleted = true
			return nil
		}
		if err != nil {
			return err
		}
		return v.open(i, key)
	})
	if err == nil && !v.Deleted {
		err = s.DB.Write(ctx, func(tx *store.Tx) error {
			return s.Audit.Append(tx, audit.Event{Action: "gateway.read", Actor: person, Object: "gateway_in/" + strconv.FormatInt(id, 10)})
		})
	}
	return v, problem.Wrap(op, err)
}

func (v *Item) open(i *in, key *seal.Key) (err error) {
	if v.Body, err = key.Open(i.body, i.place("body")); err != nil {
		return err
	}
	if len(i.loss) > 0 {
		plain, err := key.Open(i.loss, i.place("loss"))
		if v.Loss, err = losses(plain, err); err != nil {
			return err
		}
	}
	if len(i.note) > 0 {
		plain, err := key.Open(i.note, i.place("note"))
		if err != nil {
			return err
		}
		v.Note = string(plain)
	}
	if len(i.diagnosis) == 0 {
		return nil
	}
	plain, err := key.Open(i.diagnosis, i.place("diagnosis"))
	if err != nil {
		return err
	}
	v.Diagnosis = &Diagnosis{}
	if err := json.Unmarshal(plain, v.Diagnosis); err != nil {
		return fmt.Errorf("gateway: diagnosis: %w", err)
	}
	whole(v.Diagnosis.Args)
	whole(v.Diagnosis.With)
	return nil
}

// whole makes the numbers whole again that JSON made fractions of: texts count by them.
func whole(args i18n.Args) {
	for k, v := range args {
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			args[k] = int64(f)
		}
	}
}

// Correct has a copy of a message in the tray, as a person changed it, processed as if
// it had come so. The original stays as it is; it is never corrected twice. Problem
// Invalid, with the text for the form, when it is empty or too long, or for somebody
// whom this message is not for (receiver).
func (s *Service) Correct(ctx context.Context, person string, id int64, body []byte) (copied int64, err error) {
	const op = "gateway.Correct"
	if len(bytes.TrimSpace(body)) == 0 || len(body) > transport.MaxBytes {
		return 0, problem.New(op, problem.Invalid, "gateway.tray.empty", nil)
	}
	to, err := s.receiver(ctx, op, id, body)
	if err != nil {
		return 0, err
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		i, g, err := s.inTray(tx, op, id)
		if err != nil {
			return err
		}
		i.state, i.endedAt, i.endedBy = inCorrected, millis(s.Clock.Now()), person
		if ok, err := i.save(tx, inTray); err != nil || !ok {
			return err
		}
		key, err := s.Ring.Key(tx, "gateway:"+i.gateway+"/"+s.Clock.NewID())
		if err != nil {
			return err
		}
		c := &in{gateway: i.gateway, kind: i.kind, receiver: i.receiver, digest: g.fingerprint(body), receivedAt: millis(s.Clock.Now()), state: inNew, parent: i.id,
			keyID: key.ID()}
		c.body = key.Seal(body, c.place("body"))
		if err := c.insert(tx); err != nil {
			return err
		}
		copied = c.id
		tx.Notify(topicIn(i.gateway))
		object := "gateway_in/" + strconv.FormatInt(id, 10)
		if to != "" {
			if err := s.Audit.Append(tx, audit.Event{Action: "gateway.readdress", Actor: person, Object: object + " " + to, Detail: body, Key: key}); err != nil {
				return err
			}
		}
		return s.Audit.Append(tx, audit.Event{Action: "gateway.correct", Actor: person, Object: object, Detail: body, Key: key})
	})
	return copied, problem.Wrap(op, err)
}

// receiver is the address that a corrected message is for, "" when it is that of the
// original or nobody's. A person who corrects does not speak for the foreign system: the
// message stays with those whom the gateway serves, and one that was for somebody with
// his organisation, whose technician alone may correct it.
func (s *Service) receiver(ctx context.Context, op string, id int64, body []byte) (string, error) {
	var i *in
	var g *gate
	if err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { i, g, err = s.inTray(tx, op, id); return err }); err != nil {
		return "", problem.Wrap(op, err)
	}
	m, _ := g.adapter.Decode(body)
	if m == nil {
		return "", nil // it comes back into the tray
	}
	was, to := g.cfg.oidOf(i.receiver), g.cfg.oidOf(m.Receiver)
	if to == "" || to == was {
		return "", nil
	}
	ok := to != g.cfg.OID && (g.cfg.serves(to) || s.Node.Own(to))
	if ok && was != "" {
		before, err := s.Owner(ctx, was)
		if err != nil {
			return "", problem.Wrap(op, err)
		}
		after, err := s.Owner(ctx, to)
		if err != nil {
			return "", problem.Wrap(op, err)
		}
		ok = before == after
	}
	if !ok {
		return "", problem.New(op, problem.Invalid, "gateway.tray.receiver", i18n.Args{"to": short(m.Receiver), "was": cmp.Or(i.receiver, "–")})
	}
	return to, nil
}

// maxNote bounds a reason.
const maxNote = 500

// Dismiss ends a message in the tray without processing it, with a person's reason.
func (s *Service) Dismiss(ctx context.Context, person string, id int64, reason string) error {
	const op = "gateway.Dismiss"
	reason = strings.TrimSpace(reason)
	if reason == "" || len([]rune(reason)) > maxNote {
		return problem.New(op, problem.Invalid, "gateway.tray.reason", i18n.Args{"max": maxNote})
	}
	return problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		i, _, err := s.inTray(tx, op, id)
		if err != nil {
			return err
		}
		key, err := s.Ring.Lookup(tx, i.keyID)
		if err != nil {
			return err
		}
		i.state, i.endedAt, i.endedBy, i.note = inDismissed, millis(s.Clock.Now()), person, key.Seal([]byte(reason), i.place("note"))
		if _, err := i.save(tx, inTray); err != nil {
			return err
		}
		return s.Audit.Append(tx, audit.Event{Action: "gateway.dismiss", Actor: person, Object: "gateway_in/" + strconv.FormatInt(id, 10), Detail: []byte(reason), Key: key})
	}))
}

// inTray finds a message that still waits for a person; problem NotFound, or Conflict
// when somebody else has dealt with it.
func (s *Service) inTray(tx *store.Tx, op string, id int64) (*in, *gate, error) {
	i, err := one(scanIn(tx, `id = $1`, id))
	if err != nil {
		return nil, nil, err
	}
	if i == nil {
		return nil, nil, problem.New(op, problem.NotFound, "gateway.not_found", nil)
	}
	g := s.gate(i.gateway)
	if i.state != inTray || g == nil {
		return nil, nil, problem.New(op, problem.Conflict, "gateway.tray.ended", nil)
	}
	return i, g, nil
}

const (
	// QueueErase is the job queue of the daily deletion.
	QueueErase = "gateway.erase"
	// eraseAt is after the node's own deletion, which destroys the keys of incidents.
	eraseAt   = "03:40"
	erasePage = 200
)

var errClockWrong = errors.New("gateway: the node's clock is wrong: nothing is deleted until it is right")

// Schedule registers the module's background work.
func (s *Service) Schedule(ctx context.Context, jobs *job.Queue) error {
	return jobs.Daily(ctx, QueueErase, eraseAt, store.Live, s.Erase)
}

// Erase deletes what is due: the keys of bytes that belong to no incident, after the
// node's time for their kind; what incidents' destroyed keys had sealed; and the files
// that transports put away, after the gateway's time for them. As in the node, two nights have to agree on the date.
func (s *Service) Erase(ctx context.Context, _ job.Job) error {
	if s.ClockWrong != nil {
		if wrong, err := s.ClockWrong(ctx); err != nil {
			return err
		} else if wrong {
			return errClockWrong
		}
	}
	var now time.Time
	err := s.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if now, err = job.Agreed(tx, QueueErase, s.Clock.Now()); err != nil {
			return err
		}
		return eraseSpent(tx)
	})
	if err != nil || now.IsZero() {
		return err
	}
	for _, kind := range store.Kinds {
		for n := erasePage; n == erasePage; {
			err := s.DB.Write(ctx, func(tx *store.Tx) (err error) { n, err = s.eraseOwn(tx, kind, now); return err })
			if err != nil {
				return err
			}
			if err := wait(ctx); err != nil {
				return err
			}
		}
	}
	var faults []error
	for _, g := range s.gates {
		faults = append(faults, g.sweep(ctx, now)) // a folder that is gone keeps none of another
	}
	return errors.Join(faults...)
}

// FilesKept is how long at most files stay that transports put away; zero: there are none.
func (s *Service) FilesKept() (longest time.Duration) {
	for _, g := range s.gates {
		switch t := g.cfg.Transport; {
		case t.Directory != nil:
			longest = max(longest, t.Directory.Keep)
		case t.Mail != nil && t.Mail.Maildir != "":
			longest = max(longest, t.Mail.Keep)
		}
	}
	return longest
}

// sweep deletes the files that the transport has put away, after the gateway's time for
// them. The bytes tell which are ours: they are the same as of a row.
func (g *gate) sweep(ctx context.Context, now time.Time) error {
	k, ok := g.way.(transport.Keeper)
	if !ok {
		return nil
	}
	removed, err := k.Sweep(ctx, now, func(d transport.Delivery, before time.Time) (ok bool, err error) {
		err = g.DB.Read(ctx, func(tx *store.Tx) error {
			ok, err = spent(tx, g.cfg.Name, g.fingerprint(d.Body), millis(before))
			return err
		})
		return ok, err
	})
	if removed > 0 {
		err = errors.Join(err, g.DB.Write(ctx, func(tx *store.Tx) error {
			return g.Audit.Append(tx, audit.Event{Action: "gateway.sweep", Actor: g.cfg.Name, Object: g.cfg.Name, Detail: []byte(strconv.Itoa(removed))})
		}))
	}
	return err
}

// eraseOwn deletes a page of what has a key of its own. One that nobody came for ends
// as lapsed, and the audit log says so.
func (s *Service) eraseOwn(tx *store.Tx, kind store.Kind, now time.Time) (int, error) {
	keep, err := s.Node.Retention(tx, kind)
	if err != nil {
		return 0, err
	}
	list, err := erasable(tx, kind, millis(now.Add(-keep)), erasePage)
	if err != nil {
		return 0, err
	}
	for _, i := range list {
		if err := s.Ring.Destroy(tx, i.keyID); err != nil {
			return 0, err
		}
		was := i.state
		i.body, i.loss, i.diagnosis, i.note = nil, nil, nil, nil
		if was == inTray {
			i.state, i.endedAt = inLapsed, millis(s.Clock.Now())
			if err := s.Audit.Append(tx, audit.Event{Action: "gateway.lapse", Actor: i.gateway, Object: "gateway_in/" + strconv.FormatInt(i.id, 10)}); err != nil {
				return 0, err
			}
		}
		if _, err := i.save(tx, was); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}
