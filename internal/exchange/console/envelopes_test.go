package console

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/store"
)

// Read together, messages say what each says alone, also when some are deleted.
func TestEnvelopesReadTogether(t *testing.T) {
	cz, _ := newRooms(t)
	id, other := cz.handOver(accident(room2)), cz.handOver(accident(room2))
	cz.sync()
	for n := range 70 { // more than one query takes
		cz.ok(cz.Text(t.Context(), cz.who("jana"), id, []string{room2}, fmt.Sprintf("zpráva %d", n), ""))
	}
	var gone int64
	cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
		if err := tx.Row(`SELECT key_id FROM console_incident WHERE org = $1 AND id = $2`, cz.org.ID, other).Scan(&gone); err != nil {
			return err
		}
		return cz.ring.Destroy(tx, gone)
	}))
	cz.read(func(tx *store.Tx) error {
		var ids []int64
		err := each(tx, `SELECT id FROM exchange_message ORDER BY id DESC`, nil, func(r *store.Rows) error {
			var id int64
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		got, err := cz.node.Envelopes(tx, ids)
		if err != nil {
			return err
		}
		read, deleted := 0, 0
		for _, id := range ids {
			want, err := cz.node.Entry(tx, id)
			if err != nil {
				return err
			}
			if d := cmp.Diff(want.Envelope, got[id]); d != "" {
				t.Errorf("message %d: %s", id, d)
			}
			if want.Envelope == nil {
				deleted++
			} else {
				read++
			}
		}
		if read <= 70 || deleted == 0 {
			t.Errorf("%d messages read, %d deleted: the test shows nothing", read, deleted)
		}
		if _, err := cz.node.Envelopes(tx, append(ids, 1<<40)); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("one that is not there: %v", err)
		}
		return nil
	})
}
