package job

import (
	"fmt"

	"trojmezi/internal/kernel/store"
)

// Restored takes out of a restored database the jobs that were unfinished when its
// backup was made: they have been done since. Scheduled work goes on.
func Restored(tx *store.Tx) error {
	if _, err := tx.Exec(`DELETE FROM job_task WHERE state <> 'dead' AND unique_key <> $1`, scheduled); err != nil {
		return fmt.Errorf("job: restore: %w", err)
	}
	return nil
}
