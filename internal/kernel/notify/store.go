package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"trojmezi/internal/kernel/store"
)

// States of a delivery.
const (
	waiting = "waiting"
	sent    = "sent"
	failed  = "failed"  // tried as often as a job may be
	dropped = "dropped" // cancelled, or its channel is gone
)

func insert(tx *store.Tx, id string, n Notification, texts string, now time.Time) (int64, error) {
	rows, err := tx.Exec(`INSERT INTO notify_outbox (id, kind, class, organisation, unique_key, texts, link, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (kind, unique_key) WHERE unique_key <> '' DO NOTHING`,
		id, string(n.Kind), string(n.Class), n.Organisation, n.Unique, texts, n.Link, now.UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("notify: send: %w", err)
	}
	return rows, nil
}

func addDelivery(tx *store.Tx, id string, c *channel) error {
	_, err := tx.Exec(`INSERT INTO notify_delivery (notification, channel, kind, state, attempt, tried_at, error)
		VALUES ($1, $2, $3, 'waiting', 0, 0, '')`, id, c.id, string(c.kind))
	if err != nil {
		return fmt.Errorf("notify: send: %w", err)
	}
	return nil
}

// load returns a notification and the state of its delivery by a channel.
func load(tx *store.Tx, id, channel string) (m message, state string, err error) {
	var kind, class, texts string
	var at int64
	err = tx.Row(`SELECT o.kind, o.class, o.texts, o.link, o.created_at, d.state FROM notify_outbox o
		JOIN notify_delivery d ON d.notification = o.id WHERE o.id = $1 AND d.channel = $2`, id, channel).
		Scan(&kind, &class, &texts, &m.link, &at, &state)
	if err != nil {
		return message{}, "", err
	}
	m.id, m.kind, m.class, m.at = id, store.Kind(kind), Class(class), time.UnixMilli(at).UTC()
	if err := json.Unmarshal([]byte(texts), &m.texts); err != nil {
		return message{}, "", fmt.Errorf("notify: outbox %s: %w", id, err)
	}
	return m, state, nil
}

type outcome struct {
	state   string
	attempt int
	at      time.Time
	failure string
}

// maxFailure bounds the kept error in bytes.
const maxFailure = 300

func settle(tx *store.Tx, id, channel string, o outcome) error {
	if len(o.failure) > maxFailure {
		o.failure = o.failure[:maxFailure]
	}
	_, err := tx.Exec(`UPDATE notify_delivery SET state = $3, attempt = $4, tried_at = $5, error = $6
		WHERE notification = $1 AND channel = $2 AND state IN ('waiting', 'failed')`,
		id, channel, o.state, o.attempt, o.at.UnixMilli(), plain(o.failure))
	return err
}

func cancel(tx *store.Tx, kind store.Kind, unique string) error {
	_, err := tx.Exec(`UPDATE notify_delivery SET state = 'dropped' WHERE state = 'waiting' AND notification IN
		(SELECT id FROM notify_outbox WHERE kind = $1 AND unique_key = $2 AND unique_key <> '')`, string(kind), unique)
	if err != nil {
		return fmt.Errorf("notify: cancel: %w", err)
	}
	return nil
}

type orphan struct {
	channel string
	kind    store.Kind
}

// waitingFor lists the channels that something waits for.
func waitingFor(tx *store.Tx) ([]orphan, error) {
	rows, err := tx.Query(`SELECT DISTINCT channel, kind FROM notify_delivery WHERE state = 'waiting'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []orphan
	for rows.Next() {
		var o orphan
		var kind string
		if err := rows.Scan(&o.channel, &kind); err != nil {
			return nil, err
		}
		o.kind = store.Kind(kind)
		out = append(out, o)
	}
	return out, rows.Err()
}

func stateOf(tx *store.Tx, c *channel, until time.Time) (ChannelState, error) {
	st := ChannelState{ID: c.id, Kind: c.kind}
	var sentAt, failedAt int64
	err := tx.Row(`SELECT COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0),
		COALESCE(MAX(CASE WHEN state = 'sent' AND tried_at <= $3 THEN tried_at ELSE 0 END), 0)
		FROM notify_delivery WHERE channel = $1 AND kind = $2`, c.id, string(c.kind), until.UnixMilli()).Scan(&st.Waiting, &sentAt)
	if err != nil {
		return st, err
	}
	err = tx.Row(`SELECT tried_at, error FROM notify_delivery WHERE channel = $1 AND kind = $2 AND error <> '' AND state <> 'dropped' AND tried_at > $3 AND tried_at <= $4
		ORDER BY tried_at DESC LIMIT 1`, c.id, string(c.kind), sentAt, until.UnixMilli()).Scan(&failedAt, &st.Error)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return st, err
	}
	if sentAt > 0 {
		st.SentAt = time.UnixMilli(sentAt).UTC()
	}
	if failedAt > 0 {
		st.FailedAt = time.UnixMilli(failedAt).UTC()
	}
	return st, nil
}

// prune forgets what was sent or given up before a time.
func prune(tx *store.Tx, before time.Time) error {
	for _, query := range []string{
		`DELETE FROM notify_delivery WHERE state <> 'waiting' AND notification IN (SELECT id FROM notify_outbox WHERE created_at < $1)`,
		`DELETE FROM notify_outbox WHERE created_at < $1 AND NOT EXISTS (SELECT 1 FROM notify_delivery d WHERE d.notification = notify_outbox.id)`,
	} {
		if _, err := tx.Exec(query, before.UnixMilli()); err != nil {
			return fmt.Errorf("notify: prune: %w", err)
		}
	}
	return nil
}
