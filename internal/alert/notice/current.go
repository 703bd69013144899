package notice

import (
	"context"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// mostCurrent bounds what is looked through for what holds now.
const mostCurrent = 500

// Current are the messages of a kind that hold: of each notice the one that went out
// last, until its end or until somebody has put it away; the newest first. changed is
// when one last came, ended or was put away; zero: nothing was ever published.
func (s *Service) Current(ctx context.Context, kind store.Kind) (all []*Publication, changed time.Time, err error) {
	now := s.o.Clock.Now()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, changed = nil, time.Time{}
		found, err := publications(tx, `WHERE kind = $1 ORDER BY sent DESC, revision DESC, identifier LIMIT $2`, string(kind), int64(mostCurrent))
		if err != nil {
			return err
		}
		later := func(at time.Time) {
			if at.After(changed) {
				changed = at
			}
		}
		seen := map[string]bool{}
		for _, p := range found {
			later(p.Sent)
			if seen[p.Notice] {
				continue
			}
			seen[p.Notice] = true
			if !p.Expires.After(now) {
				later(p.Expires)
				continue
			}
			n, err := load(tx, p.Notice)
			if err != nil {
				return err
			}
			l, err := s.life(tx, n)
			if err != nil {
				return err
			}
			if l.State() == Archived {
				later(n.Events[len(n.Events)-1].At)
				continue
			}
			all = append(all, p)
		}
		return nil
	})
	return all, changed, problem.Wrap("notice.Current", err)
}
