package channel

import (
	"encoding/json"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

const entryRead = `SELECT r.id, r.version, r.channel, r.kind, r.name, r.lang, r.places, r.minimum, r.takes, r.ack, r.target, r.mark, r.seal_key, r.from_at, r.until_at, r.ended, r.action, r.reason, r.person, r.at FROM channel_receiver r `

func entriesOf(tx *store.Tx, where string, args ...any) (all []*Entry, err error) {
	err = each(tx, func(scan func(...any) error) error {
		e := &Entry{}
		var kind, lang, places, takes string
		var ack, from, until, ended, at int64
		if err := scan(&e.ID, &e.Version, &e.Channel, &kind, &e.Name, &lang, &places, &e.Minimum, &takes, &ack, &e.sealed, &e.mark, &e.key, &from, &until, &ended, &e.Did, &e.Reason, &e.Person, &at); err != nil {
			return err
		}
		e.Kind, e.Lang, e.Ack, e.Ended = store.Kind(kind), i18n.Lang(lang), ack == 1, ended == 1
		e.From, e.Until, e.At = moment(from), moment(until), moment(at)
		if err := json.Unmarshal([]byte(places), &e.Places); err != nil {
			return err
		}
		all = append(all, e)
		return json.Unmarshal([]byte(takes), &e.Takes)
	}, entryRead+where, args...)
	return all, err
}

// entries are the last versions of all.
func entries(tx *store.Tx) ([]*Entry, error) {
	return entriesOf(tx, `WHERE r.version = (SELECT MAX(v.version) FROM channel_receiver v WHERE v.id = r.id) ORDER BY r.id`)
}

// versions are all of one, the newest first.
func versions(tx *store.Tx, id string) ([]*Entry, error) {
	return entriesOf(tx, `WHERE r.id = $1 ORDER BY r.version DESC`, id)
}

func (e *Entry) insert(tx *store.Tx) error {
	places, err := json.Marshal(e.Places)
	if err != nil {
		return err
	}
	takes, err := json.Marshal(e.Takes)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO channel_receiver (id, version, channel, kind, channel_kind, name, lang, places, minimum, takes, ack, target, mark, seal_key, from_at, until_at, ended, action, reason, person, at)
		VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		e.ID, e.Version, e.Channel, string(e.Kind), e.Name, string(e.Lang), string(places), e.Minimum, string(takes), bit(e.Ack), e.sealed, e.mark, e.key,
		millis(e.From), millis(e.Until), bit(e.Ended), e.Did, e.Reason, e.Person, millis(e.At))
	return err
}

func (e *Entry) remove(tx *store.Tx) error {
	_, err := tx.Exec(`DELETE FROM channel_receiver WHERE id = $1`, e.ID)
	return err
}
