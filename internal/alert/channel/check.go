package channel

import (
	"context"
	"time"

	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/web"
)

// failingFor is how long a channel fails before people are told: most servers are ill for
// a minute now and then.
const failingFor = 15 * time.Minute

// Checks returns what health looks at.
func (s *Service) Checks() []health.Check {
	return []health.Check{{ID: "channel", Area: "channel.check.area", Func: s.look, Page: web.NavItem{Key: "channel.check.open", URL: root, Action: mayRead}}}
}

// look finds the channels by which nobody would be told, and receivers whose places
// nobody knows.
func (s *Service) look(ctx context.Context) ([]health.Finding, error) {
	states, err := s.States(ctx)
	now := s.Clock.Now()
	var all []health.Finding
	for _, st := range states {
		f := health.Finding{Object: st.Name, Level: health.L2, Todo: "channel.check.do"}
		args := i18n.Args{"channel": st.Name}
		switch {
		case st.Status == Failing && (st.OK.IsZero() || now.Sub(st.OK) > failingFor):
			f.Text, f.Since = notify.Text{Key: "channel.check.failing", Args: args}, st.Failed
		case st.Status == Stale:
			f.Text, f.Since = notify.Text{Key: "channel.check.stale", Args: args}, st.OK.Add(st.Stale)
		default:
			continue
		}
		all = append(all, f)
	}
	for _, u := range s.Unknown() {
		all = append(all, health.Finding{Object: u.Receiver, Level: health.L2, Todo: "channel.check.do_place",
			Text: notify.Text{Key: "channel.check.place", Args: i18n.Args{"name": u.Receiver}}})
	}
	if err != nil {
		return all, err
	}
	refused, err := s.Refusals(ctx)
	for _, r := range refused {
		all = append(all, health.Finding{Object: r.Receiver + " " + r.Channel, Level: health.L2, Todo: "channel.check.do_refused", Since: r.At,
			Text: notify.Text{Key: "channel.check.refused", Args: i18n.Args{"name": r.Receiver, "channel": r.Channel}}})
	}
	return all, err
}
