package console

import (
	"context"
	"encoding/json"
	"errors"

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
