package intake

import (
	"context"
	"time"

	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// failingFor is how long a feed fails before people are told: most senders are ill for
// a minute now and then.
const failingFor = 10 * time.Minute

// Checks returns what health looks at.
func (s *Service) Checks() []health.Check {
	return []health.Check{{ID: "feed", Area: "intake.check.area", Func: s.look, Page: web.NavItem{Key: "intake.check.open", URL: root, Action: mayRead}}}
}

// look finds the feeds of which nothing can be known.
func (s *Service) look(ctx context.Context) ([]health.Finding, error) {
	states, err := s.States(ctx)
	now := s.Clock.Now()
	var all []health.Finding
	for _, v := range states {
		// What is ill with an exercise calls nobody who is on duty: the page of feeds shows it.
		if v.Source.Kind != store.Live && !s.Driven {
			continue
		}
		args := i18n.Args{"feed": v.Source.Name, "title": v.Title}
		f := health.Finding{Object: v.Source.Name, Level: health.L2, Todo: "intake.check.do"}
		switch failing := v.Failures > 0 && now.Sub(v.FailedAt) > max(failingFor, 3*v.Interval); {
		case v.Status == Stale:
			f.Text, f.Since = notify.Text{Key: "intake.check.stale", Args: args}, v.Since
			if v.ClockWrong || !v.Known {
				f.Since = time.Time{}
			}
		case v.Status == Never && now.Sub(v.SwitchedAt) > max(failingFor, 3*v.Interval):
			f.Text, f.Since = notify.Text{Key: "intake.check.never", Args: args}, v.SwitchedAt
		case v.Status == Failing && failing:
			f.Level = health.L1
			f.Text, f.Since = notify.Text{Key: "intake.check.failing", Args: args}, v.FailedAt
		default:
			continue
		}
		all = append(all, f)
	}
	return all, err
}
