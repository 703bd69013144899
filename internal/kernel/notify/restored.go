package notify

import (
	"fmt"

	"trojmezi/internal/kernel/store"
)

// Restored drops in a restored database what waited when its backup was made: it
// has left since, or is of the past.
func Restored(tx *store.Tx) error {
	if _, err := tx.Exec(`UPDATE notify_delivery SET state = 'dropped', error = 'restored from a backup' WHERE state = 'waiting'`); err != nil {
		return fmt.Errorf("notify: restore: %w", err)
	}
	return nil
}
