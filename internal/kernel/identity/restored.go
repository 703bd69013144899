package identity

import (
	"fmt"

	"trojmezi/internal/kernel/store"
)

// Restored ends in a restored database what may have ended since its backup was
// made: every session with the forms kept for it, every one-time link, and the
// sign-ins by PIN alone. Everybody signs in anew; links are issued again. Recovery
// codes stay, used ones too: without them who lost his second factor is locked out
// in the very hour in which nobody has time for him.
func Restored(tx *store.Tx) error {
	for _, q := range []string{`DELETE FROM identity_session`, `DELETE FROM identity_ended`, `DELETE FROM identity_link`, `DELETE FROM identity_visit`} {
		if _, err := tx.Exec(q); err != nil {
			return fmt.Errorf("identity: restore: %w", err)
		}
	}
	return nil
}
