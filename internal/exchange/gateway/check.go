package gateway

import (
	"context"
	"time"

	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

const (
	// downFor is how long a line may be down before people are told: longer than a
	// restart of the other side.
	downFor = 2 * time.Minute
	// oldFor is how long a message may wait for its confirmation: longer than any
	// "telephone now", so that the console has spoken first.
	oldFor = 10 * time.Minute
)

// Checks are what the page of health and the doctor look at.
func (s *Service) Checks() []health.Check {
	if len(s.gates) == 0 {
		return nil
	}
	return []health.Check{
		{ID: "gateway", Area: "gateway.check.area", Func: s.lines, Page: web.NavItem{Key: "gateway.check.open", URL: root, Action: mayRead}},
		{ID: "tray", Area: "gateway.check.area", Func: s.waits, Page: web.NavItem{Key: "gateway.tray.open", URL: trayRoot, Action: mayRead}},
	}
}

func (s *Service) lines(ctx context.Context) ([]health.Finding, error) {
	states, err := s.States(ctx)
	now := s.Clock.Now()
	var all []health.Finding
	for _, g := range states {
		switch {
		case !g.Down.IsZero() && now.Sub(g.Down) > downFor:
			all = append(all, health.Finding{Object: g.Name, Level: health.L2, Since: g.Down, Todo: "gateway.check.down.do",
				Text: notify.Text{Key: "gateway.check.down", Args: i18n.Args{"gateway": g.Participant, "why": notify.Text{Key: g.Failure}}}})
		case !g.Oldest.IsZero() && now.Sub(g.Oldest) > oldFor:
			all = append(all, health.Finding{Object: g.Name, Level: health.L2, Since: g.Oldest.Add(oldFor), Todo: "gateway.check.down.do",
				Text: notify.Text{Key: "gateway.check.old", Args: i18n.Args{"gateway": g.Participant, "d": now.Sub(g.Oldest).Truncate(time.Minute)}}})
		}
	}
	return all, err
}

func (s *Service) waits(ctx context.Context) ([]health.Finding, error) {
	var n, oldest int64
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { n, oldest, err = trayCount(tx); return err })
	if err != nil || n == 0 {
		return nil, err
	}
	return []health.Finding{{Level: health.L2, Since: moment(oldest), Todo: "gateway.check.tray.do", Again: "n",
		Text: notify.Text{Key: "gateway.check.tray", Args: i18n.Args{"n": n}}}}, nil
}
