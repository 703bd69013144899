package river

import (
	"cmp"
	"context"
	"slices"
	"time"

	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Checks looks for gauges of which nothing new comes.
func (s *Service) Checks() []health.Check {
	return []health.Check{{ID: "gauge", Area: "river.check.area", Func: s.look, Page: web.NavItem{Key: "river.check.open", URL: root, Action: mayRead}}}
}

// freshest is the newest good value of a gauge or of a service.
type freshest struct {
	key, river string
	at         time.Time
}

// look finds the services all of whose gauges are silent, one finding each, and of the
// others the gauges of the rivers shown here whose newest good value is too old. A gauge
// that never told a value is no finding: its page says so.
func (s *Service) look(ctx context.Context) (all []health.Finding, err error) {
	now := s.o.Clock.Now()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		settings, err := Settings(tx)
		if err != nil {
			return err
		}
		rules := rulesOf(settings)
		known, err := numbers(tx)
		if err != nil {
			return err
		}
		stations, err := stationsOf(tx, store.Live)
		if err != nil {
			return err
		}
		services, gauges, feeds := map[string]freshest{}, map[string]freshest{}, map[string][]string{}
		for _, st := range stations {
			for _, unit := range []Unit{CM, M3} {
				v, ok, err := latestOf(tx, store.Live, st.ID, unit, true, now.Add(rules.Ahead))
				if err != nil {
					return err
				}
				if !ok {
					continue
				}
				if f := services[st.Service]; v.At.After(f.at) {
					services[st.Service] = freshest{key: st.Service, at: v.At}
				}
				key := gaugeOf(known, st.ID)
				if g, ours := Shipped.Gauge(key); ours {
					if f := gauges[key]; v.At.After(f.at) {
						gauges[key] = freshest{key, g.River, v.At}
					}
					feeds[key] = append(feeds[key], st.Service)
				}
			}
		}
		old := func(f freshest) bool { return now.Sub(f.at) > rules.Stale }
		for name, f := range services {
			if old(f) {
				all = append(all, health.Finding{Object: "service " + name, Level: health.L2, Since: f.at.Add(rules.Stale), Todo: "river.check.do",
					Text: notify.Text{Key: "river.check.service", Args: i18n.Args{"service": name}}})
			}
		}
		for key, f := range gauges {
			if !old(f) || !slices.ContainsFunc(feeds[key], func(name string) bool { return !old(services[name]) }) {
				continue
			}
			g, _ := Shipped.Gauge(key)
			all = append(all, health.Finding{Object: key, Level: health.L1, Since: f.at.Add(rules.Stale), Todo: "river.check.do",
				Text: notify.Text{Key: "river.check.gauge", Args: i18n.Args{"gauge": g.Name, "river": cmp.Or(riverOf(f.river), "–")}}})
		}
		return nil
	})
	slices.SortFunc(all, func(a, b health.Finding) int { return cmp.Compare(a.Object, b.Object) })
	return all, err
}

// riverOf is a river as its country calls it.
func riverOf(key string) string {
	r, _ := Shipped.River(key)
	return r.All()
}
