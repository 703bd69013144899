package console

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

func draftPlace(org, person, id string) []byte {
	return []byte("console_draft:" + org + "/" + person + "/" + id)
}

// SaveDraft keeps a person's draft, complete or not, and returns its id.
func (s *Service) SaveDraft(ctx context.Context, who Actor, d Draft) (id string, err error) {
	const op = "console.SaveDraft"
	err = s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		if id = d.ID; id == "" {
			id = s.Clock.NewID()
		}
		d := d
		d.ID, d.Updated = id, s.Clock.Now()
		body, err := json.Marshal(d)
		if err != nil {
			return err
		}
		key, err := s.Ring.Key(tx, "draft:"+id)
		if err != nil {
			return err
		}
		rows, err := tx.Exec(`INSERT INTO console_draft (id, org, person, updated_at, body, key_id) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, body = excluded.body, key_id = excluded.key_id
			WHERE console_draft.org = excluded.org AND console_draft.person = excluded.person`,
			id, who.Org, who.Person, millis(d.Updated), key.Seal(body, draftPlace(who.Org, who.Person, id)), key.ID())
		if err == nil && rows == 0 {
			err = problem.New(op, problem.NotFound, "console.d.refuse.no_draft", nil)
		}
		return err
	})
	return id, err
}

// Drafts lists a person's drafts, the newest first.
func (s *Service) Drafts(ctx context.Context, who Actor) ([]Draft, error) {
	var out []Draft
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.drafts(tx, who, `ORDER BY updated_at DESC`)
		return err
	})
	return out, problem.Wrap("console.Drafts", err)
}

// Draft reads one of a person's drafts; problem NotFound.
func (s *Service) Draft(ctx context.Context, who Actor, id string) (Draft, error) {
	const op = "console.Draft"
	var out []Draft
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.drafts(tx, who, `AND id = $3`, id)
		return err
	})
	if err == nil && len(out) == 0 {
		err = problem.New(op, problem.NotFound, "console.d.refuse.no_draft", nil)
	}
	if err != nil {
		return Draft{}, problem.Wrap(op, err)
	}
	return out[0], nil
}

func (s *Service) drafts(tx *store.Tx, who Actor, rest string, args ...any) ([]Draft, error) {
	rows, err := tx.Query(`SELECT id, body, key_id FROM console_draft WHERE org = $1 AND person = $2 `+rest, append([]any{who.Org, who.Person}, args...)...)
	if err != nil {
		return nil, err
	}
	type row struct {
		id    string
		body  []byte
		keyID int64
	}
	var found []row
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.body, &r.keyID); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	keep, err := s.retention(tx, RecordDraft)
	if err != nil {
		return nil, err
	}
	var out []Draft
	for _, r := range found {
		key, err := s.Ring.Lookup(tx, r.keyID)
		if errors.Is(err, seal.ErrDestroyed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		plain, err := key.Open(r.body, draftPlace(who.Org, who.Person, r.id))
		if err != nil {
			return nil, err
		}
		var d Draft
		if err := json.Unmarshal(plain, &d); err != nil {
			return nil, err
		}
		d.DeleteAt = d.Updated.Add(keep)
		out = append(out, d)
	}
	return out, nil
}

// DropDraft deletes a draft with its key.
func (s *Service) DropDraft(ctx context.Context, who Actor, id string) error {
	return s.do(ctx, "console.DropDraft", who, func(tx *store.Tx, org Org) error { return s.dropDraft(tx, who, id) })
}

func (s *Service) dropDraft(tx *store.Tx, who Actor, id string) error {
	var key int64
	err := tx.Row(`DELETE FROM console_draft WHERE id = $1 AND org = $2 AND person = $3 RETURNING key_id`, id, who.Org, who.Person).Scan(&key)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Ring.Destroy(tx, key)
}

// HandOn drafts the hand-over of a known incident to another neighbour: what its
// newest hand-over says, and nothing but the incident when that is deleted.
func (s *Service) HandOn(ctx context.Context, who Actor, incident string) (Draft, error) {
	const op = "console.HandOn"
	var d Draft
	org, err := s.Organisation(ctx, who.Org)
	if err != nil {
		return d, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		d = Draft{Incident: incident}
		if _, err := oneIncident(tx, op, who.Org, incident); err != nil {
			return err
		}
		// A request for resources says less than the hand-over before it.
		var newest int64
		err := tx.Row(`SELECT entry FROM console_handover WHERE org = $1 AND incident = $2
			ORDER BY CASE WHEN app = 'resource_request' THEN 1 ELSE 0 END, entry DESC LIMIT 1`, who.Org, incident).Scan(&newest)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := s.Node.Entry(tx, newest)
		if err == nil && e.Envelope != nil {
			d = draftOf(e.Envelope)
			d.Incident = incident
			s.chosen(org.Lang, org, &d, e.Other)
		}
		return err
	})
	return d, problem.Wrap(op, err)
}

// draftOf is the draft from which the same hand-over is written again. What has no
// field of its own in a draft becomes a further detail or a remark.
func draftOf(e *ucri.Envelope) Draft {
	w, f := read[wireIncident](e), facts(e)
	d := Draft{
		App: e.Payload.AppID, Type: f.Type, TypeKey: f.TypeKey, Issue: f.Issue, Object: f.Object, Injured: f.Injured, Danger: f.Danger, InternalID: f.InternalID, Began: f.Began,
		Patients: f.Patients, Pickup: Location{Street: f.Pickup}, Destination: Location{Street: f.Destination}, PickupAt: f.PickupAt, ArrivalAt: f.ArrivalAt,
	}
	switch d.App {
	case appPatient:
		d.Issue = "" // the schema's one value, nobody's words
	case appRequest:
		d.App, d.Patients = appIncident, nil // the schema's, too
	}
	more := []string{w.Additional}
	if l := w.Location; l != nil {
		d.Lat, d.Lon, d.HasPoint = f.Lat, f.Lon, f.HasPoint
		if a := l.Address; a != nil {
			d.Place, d.Street, d.House, d.Postal, d.Country = a.City, a.Street, a.House, a.Postal, a.Country
			if same(d.Street, d.Place) {
				d.Street = "" // a village without streets
			}
			more = append(more, a.District, a.State, a.Additional)
		}
		for _, o := range []*wireObject{l.Superior, l.Object} {
			if o != nil && o != l.Object {
				more = append(more, o.Name)
			}
			if o != nil {
				more = append(more, o.Additional)
			}
		}
		more = append(more, l.Floor, l.Room, l.Additional)
		if d.Place == "" && d.Street == "" && !d.HasPoint {
			d.Place = f.Place // an object's name stands for it
		}
	}
	d.Additional = strings.Join(compact(more), ", ")
	for n, c := range f.Callers {
		if n == 0 {
			d.Caller = c
		} else { // not among the remarks: whoever may not know the caller reads those
			d.Callers = append(d.Callers, c)
		}
	}
	for _, r := range f.Remarks {
		if r.Category != disclosure.Category { // what was kept from us nobody can ask us for
			d.Remarks = append(d.Remarks, r.Text)
		}
	}
	return d
}

// oneKind refuses receivers of several kinds, and for an exercise or a test those of
// another kind: nothing that is no reality may ring as if it were one. incident is
// the kind of what is handed on or asked about, "" for a new one.
func (s *Service) oneKind(tx *store.Tx, op string, incident store.Kind, to []string) error {
	all, err := s.Node.Neighbours(tx)
	if err != nil {
		return err
	}
	kinds := map[store.Kind]bool{}
	for _, nb := range all {
		if slices.Contains(to, nb.OID) {
			kinds[nb.Kind] = true
		}
	}
	switch {
	case len(kinds) > 1:
		return problem.New(op, problem.Invalid, "console.d.refuse.mixed", nil)
	case drill(incident) != "" && len(kinds) > 0 && !kinds[incident]:
		return problem.New(op, problem.Invalid, "console.d.refuse.drill", nil)
	}
	return nil
}
