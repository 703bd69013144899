package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/board"
	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/alert/public"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/exchange/bridge"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/exchange/console"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/gateway"
	"trojmezi/internal/exchange/link"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/kernel/audit/trail"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/identity/signin"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
	built "trojmezi/web"
)

// compressed are the kinds of answers that become smaller; event streams are none
// of them. What a page reflects of its reader is not secret from him, and no page
// holds a token, so that lengths tell nothing (BREACH).
var compressed = []string{"text/html", "text/css", "text/javascript", "text/csv", "application/json", "image/svg+xml"}

// smallest is below what one packet holds anyway.
const smallest = 1400

// site is the browser's side of the node.
type site struct {
	srv *http.Server
	l   net.Listener
}

// router returns the pages of every part.
func (n *node) router() *web.Router {
	rt, _ := n.pages()
	return rt
}

// pages returns the pages of every part, and what ends their open streams.
func (n *node) pages() (rt *web.Router, stop func()) {
	people := signin.New(n.people, signin.Options{Policy: n.policy, Texts: n.texts, Waiting: n.waiting})
	screens := console.NewPages(n.console, n.places)
	screens.Alive, screens.Colleagues, screens.Operator = n.people.Unchanged, n.colleagues, n.people.DirectoryResource
	screens.Agreements = agreement.NewPages(n.agreements, n.texts, n.files)
	screens.Agreements.Operator, screens.Agreements.Country = n.people.DirectoryResource, n.country
	rt = web.NewRouter(web.Config{
		Bundle: n.texts, Log: n.log, Clock: n.Clock, Policy: n.policy, Authenticate: n.people.Authenticate, Unsent: people.Unsent,
		Nav: slices.Concat(console.Nav(), warning.Nav(), notice.Nav(), trail.Nav(), people.Nav(), link.Nav(), health.Nav(), river.Nav(), board.Nav(), register.Nav(), unit.Nav(), agreement.Nav(), intake.Nav(), area.Nav(), outlet.Nav(), channel.Nav(), phrase.Nav(), gateway.Nav(), disclosure.Nav(), classification.Nav(), bridge.Nav()), Banner: n.health.Banner(), Built: built.Built(),
		Proxied: n.config.SignIn.OverTLS(),
	})
	rt.Health(web.Check{Name: "database", Func: n.DB.Ping})
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(n.exchange.Collectors()...)
	reg.MustRegister(n.gateways.Collectors()...)
	reg.MustRegister(n.feeds.Collectors()...)
	rt.Metrics(reg)
	rt.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		if web.Who(r.Context()) != nil {
			http.Redirect(w, r, web.Home(r.Context()), http.StatusSeeOther)
			return nil
		}
		return web.Render(w, r, http.StatusOK, web.StatusPage(n.status(r.Context())))
	})
	rt.Handle("GET /api/exchange/openapi.json", exchange.ServeOpenAPI)
	people.Register(rt)
	screens.Register(rt)
	link.NewPages(n.links).Register(rt)
	book := phrase.NewPages(n.phrases)
	book.Operator = n.people.DirectoryResource
	book.Register(rt)
	screens.Agreements.Register(rt)
	gateway.NewPages(n.gateways).Register(rt)
	sources := intake.NewPages(n.feeds)
	sources.Operator = n.people.DirectoryResource
	sources.Register(rt)
	bridge.Register(rt)
	types := classification.NewPages(n.types)
	types.Operator = n.people.DirectoryResource
	types.Register(rt)
	units := unit.NewPages(n.units, n.places)
	units.Operator = n.people.DirectoryResource
	units.Register(rt)
	official := warning.NewPages(n.warnings)
	official.Operator, official.Alive = n.people.DirectoryResource, n.people.Unchanged
	official.Register(rt)
	(&area.Pages{Book: n.areas, Operator: n.people.DirectoryResource}).Register(rt)
	rivers := river.NewPages(n.rivers, n.places)
	rivers.Operator, rivers.People = n.people.DirectoryResource, n.namesIn
	rivers.Register(rt)
	rules := disclosure.NewPages(n.disclosure)
	rules.Operator = n.people.DirectoryResource
	rules.Register(rt)
	n.noticePages().Register(rt)
	outlet.NewPages(n.outlets).Register(rt)
	ways := channel.NewPages(n.channels)
	ways.Operator = n.people.DirectoryResource
	ways.Register(rt)
	board.NewPages(n.board).Register(rt)
	public.NewPages(n.publicOptions()).Register(rt)
	region := register.NewPages(n.places, n.files)
	region.Ask = agreement.AskOnMap
	region.Register(rt)
	n.health.Register(rt)
	n.trail.Register(rt)
	if n.config.Dev {
		ui.Gallery(rt)
	}
	return rt, func() {
		screens.Stop()
		official.Stop()
	}
}

// waiting counts the alarms that wait for a person, as the title of a console does.
func (n *node) waiting(ctx context.Context, organisation string) (waiting int, known bool) {
	strip, err := n.console.Alarms(ctx, organisation)
	if err != nil {
		n.log.Error("app: waiting alarms", "error", err)
		return 0, false
	}
	return strip.Waiting(), true
}

// namesIn are the names of an organisation's people, by their ids.
func (n *node) namesIn(ctx context.Context, organisation string) (map[string]string, error) {
	all := map[string]string{}
	people, err := n.people.ListPeople(ctx, identity.Filter{Organisation: organisation})
	for _, p := range people {
		all[p.ID] = p.Name
	}
	return all, err
}

// colleagues are who can take over a shift.
func (n *node) colleagues(ctx context.Context, organisation string) (all []console.Colleague, err error) {
	people, err := n.people.ListPeople(ctx, identity.Filter{Organisation: organisation, State: "active"})
	for _, p := range people {
		if p.Is("dispatcher") || p.Is("shift_leader") {
			all = append(all, console.Colleague{ID: p.ID, Name: p.Name})
		}
	}
	return all, err
}

func (n *node) site() (*site, error) {
	c := n.config
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("app: listen: %w", err)
	}
	if n.pair != nil {
		if _, err := n.pair.Get(); err != nil {
			l.Close()
			return nil, fmt.Errorf("app: listen_tls: %w", err)
		}
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS13,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return n.pair.Get() }})
	}
	rt, stop := n.pages()
	compress, err := gzhttp.NewWrapper(gzhttp.ContentTypes(compressed), gzhttp.MinSize(smallest))
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("app: compression: %w", err)
	}
	srv := &http.Server{
		Handler:           compress(rt),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	srv.RegisterOnShutdown(stop) // a console's stream would hold the shutdown
	return &site{srv: srv, l: l}, nil
}

func (s *site) serve(ctx context.Context) error {
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if s.srv.Shutdown(drain) != nil {
			s.srv.Close()
		}
	}()
	if err := s.srv.Serve(s.l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("app: serve: %w", err)
	}
	return nil
}

func (s *site) close() { s.l.Close() }

// status is what a stranger may see of the node.
func (n *node) status(ctx context.Context) web.Status {
	c, texts := n.config, n.texts
	lang := web.Lang(ctx)
	s := web.Status{Node: c.Exchange.Operator, OID: c.Exchange.OID, Version: Version, Now: n.Clock.Now(), State: web.StateNormal}
	switch n.exchange.Info().Status {
	case 1:
		s.State = web.StateStarting
	case 2:
		s.State = web.StateFaulty
	}
	db := web.Row{Label: texts.Text(lang, "app.status.database", nil), Value: texts.Text(lang, "app.status.database.ok", nil), State: web.StateNormal}
	if err := n.DB.Ping(ctx); err != nil {
		db.Value, db.State, s.State = texts.Text(lang, "app.status.database.down", nil), web.StateFaulty, web.StateFaulty
	}
	s.Rows = append(s.Rows, db, web.Row{Label: texts.Text(lang, "app.status.peers", nil), Value: strconv.Itoa(len(n.exchange.Peers()))})
	var held bool
	if err := n.DB.Read(ctx, func(tx *store.Tx) (err error) {
		held, err = exchange.Held(tx)
		return err
	}); err == nil && held {
		s.Rows = append(s.Rows, web.Row{Label: texts.Text(lang, "app.status.held", nil), Value: texts.Text(lang, "app.status.held.yes", nil), State: web.StateFaulty})
	}
	return s
}
