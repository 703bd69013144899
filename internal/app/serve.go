package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/board"
	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/alert/public"
	"trojmezi/internal/alert/replay"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/exchange/adapter/all"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/exchange/bridge"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/exchange/console"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/gateway"
	"trojmezi/internal/exchange/link"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/audit/trail"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/identity/signin"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// Version is the release, set by the linker.
var Version = "0.1.0-dev"

// Texts loads the translations of every package that has some; extra adds those
// of the command line.
func Texts(extra ...fs.FS) (*i18n.Bundle, error) {
	return i18n.Load(append([]fs.FS{
		access.Locales, identity.Locales, web.Locales, ui.Locales, notify.Locales(), health.Locales(),
		ucri.Locales(), audit.Locales, trail.Locales(), exchange.Locales(), console.Locales(), disclosure.Locales(), link.Locales(), phrase.Locales(), agreement.Locales(), bridge.Locales(), classification.Locales(), unit.Locales(), register.Locales, geo.Locales, signin.Locales(), Locales(),
		tree.Locales(), shape.Locales(), emsi.Locales(), edxl.Locales(), cap.Locales(), convert.Locales(), feed.Locales(), area.Locales(), warning.Locales(),
		intake.Locales(),
		adapter.Locales(), transport.Locales(), gateway.Locales(), river.Locales(),
		notice.Locales(), outlet.Locales(), channel.Locales(), replay.Locales(),
		public.Locales(), subscription.Locales(), board.Locales(),
	}, extra...)...)
}

// policies are the rules of every package that has some.
func policies() map[string][]byte {
	return map[string][]byte{
		"identity/policy.cedar":       identity.Policy(),
		"trail/policy.cedar":          trail.Policy(),
		"health/policy.cedar":         health.Policy(),
		"register/policy.cedar":       register.Policy(),
		"exchange/policy.cedar":       exchange.Policy(),
		"console/policy.cedar":        console.Policy(),
		"bridge/policy.cedar":         bridge.Policy(),
		"disclosure/policy.cedar":     disclosure.Policy(),
		"link/policy.cedar":           link.Policy(),
		"phrase/policy.cedar":         phrase.Policy(),
		"classification/policy.cedar": classification.Policy(),
		"agreement/policy.cedar":      agreement.Policy(),
		"unit/policy.cedar":           unit.Policy(),
		"area/policy.cedar":           area.Policy(),
		"gateway/policy.cedar":        gateway.Policy(),
		"warning/policy.cedar":        warning.Policy(),
		"river/policy.cedar":          river.Policy(),
		"intake/policy.cedar":         intake.Policy(),
		"notice/policy.cedar":         notice.Policy(),
		"outlet/policy.cedar":         outlet.Policy(),
		"channel/policy.cedar":        channel.Policy(),
		"board/policy.cedar":          board.Policy(),
	}
}

// node is everything that runs, built but not started.
type node struct {
	*Opened
	config     *Config
	texts      *i18n.Bundle
	policy     *access.Policy
	log        *slog.Logger
	jobs       *job.Queue
	exchange   *exchange.Node
	people     *identity.Directory
	notify     *notify.Service
	pair       *exchange.KeyPair // for browsers; nil: plain HTTP
	backups    *Backups
	health     *health.Registry
	console    *console.Service
	links      *link.Service
	phrases    *phrase.Service
	types      *classification.Service
	agreements *agreement.Book
	units      *unit.Service
	disclosure *disclosure.Service
	gateways   *gateway.Service
	warnings   *warning.Service
	rivers     *river.Service
	feeds      *intake.Service
	areas      *area.Book
	notices    *notice.Service
	outlets    *outlet.Service
	channels   *channel.Service
	subs       *subscription.Service
	board      *board.Service
	trail      *trail.Pages
	places     *register.Register
	files      register.Blobs // nil: nothing was opened, as for the doctor
	// replayed takes what is published while a replay is played; nil on a node in service.
	replayed func(*store.Tx, *notice.Publication) error
}

// toGateway puts what a dispatch system sends to a foreign one through the rules of
// disclosure. What a person sent from a console has been through them, with his answers.
func (n *node) toGateway(tx *store.Tx, e exchange.Entry, m *convert.Message) error {
	judged, err := n.disclosure.Judged(tx, e.MessageID, e.Own)
	if err != nil || judged {
		return err
	}
	t, err := n.transfer(tx, e.Other, e.Own, e.MessageID, m)
	if err != nil {
		return err
	}
	_, err = n.disclosure.Disclose(tx, t, m)
	return err
}

// toNeighbour puts what leaves for a neighbour's node through them, unless a person at a
// console has.
func (n *node) toNeighbour(e *ucri.Envelope) (exchange.Judgement, error) {
	return n.disclosure.Judge(e, func(tx *store.Tx, m *convert.Message) (disclosure.Transfer, error) {
		return n.transfer(tx, e.Source, e.Destinations[0], e.MessageID, m)
	})
}

// transfer is a message that no person sends. Whose it is tells which emergency holds,
// and who gives what was withheld.
func (n *node) transfer(tx *store.Tx, from, to, message string, m *convert.Message) (disclosure.Transfer, error) {
	t := disclosure.Transfer{Peer: to, Message: message, Nobody: "–"}
	all, err := identity.OrganisationsIn(tx)
	for _, o := range all {
		if slices.Contains(o.Addresses, from) {
			t.Organisation, t.Class = o.ID, classOf(n.types.Table(), o.Country, m, n.Clock.Now())
		}
	}
	return t, err
}

// classOf is the class, for the rules, of an incident as a dispatch system of a country
// calls it: by the codes and keywords of that country, then by the labels of all; "" for
// what nobody knows, then the words of the message count.
func classOf(types *classification.Table, country string, m *convert.Message, at time.Time) string {
	var systems []classification.System
	if s := classification.SystemOf(country); s != "" {
		systems = append(systems, s)
	}
	for _, t := range m.Incident.Types {
		if got, ok := types.Read(t.Text, "", append(systems, classification.EMSI), i18n.En, at); ok && disclosure.KnownClass(got.Key) {
			return got.Key
		}
	}
	return ""
}

// build puts the parts of a node together. Nothing runs yet, and with look nothing
// will: the node may be running beside.
func build(ctx context.Context, c *Config, o *Opened, texts *i18n.Bundle, log *slog.Logger, look bool) (n *node, err error) {
	n = &node{Opened: o, config: c, texts: texts, log: log, jobs: job.New(o.DB, o.Clock, log)}
	if n.policy, err = access.Load(policies()); err != nil {
		return nil, err
	}
	if n.exchange, err = exchange.New(ctx, c.Exchange, exchange.Deps{
		DB: o.DB, Key: o.Key, Ring: o.Ring, Audit: o.Audit, Policy: n.policy, Clock: o.Clock, Texts: texts,
		Log: log, Dir: c.dir, Version: Version, ID: o.Clock.NewID(), Lang: c.lang(), Look: look,
		ClockWrong: func(ctx context.Context) (bool, error) { return n.health.ClockWrong(ctx) },
		Judge:      n.toNeighbour,
	}); err != nil {
		return nil, err
	}
	n.notify = notify.New(c.Notify, notify.Deps{DB: o.DB, Jobs: n.jobs, Clock: o.Clock, Texts: texts, Log: log, Dir: c.dir, Place: c.Exchange.Operator})
	who := peopleOf(c, o, log)
	who.Alarm, who.Busy = n.emergency, n.busy
	if n.people, err = identity.New(who); err != nil {
		return nil, err
	}
	if c.ListenTLS.Cert != "" {
		n.pair = &exchange.KeyPair{Cert: c.Path(c.ListenTLS.Cert), Key: c.Path(c.ListenTLS.Key)}
	}
	n.backups = NewBackups(c.Backup, c, o, log)
	n.links = link.New(link.Options{DB: o.DB, Node: n.exchange, Audit: o.Audit, Clock: o.Clock, Name: n.people.Name})
	n.disclosure = disclosure.New(disclosure.Options{DB: o.DB, Node: n.exchange, Ring: o.Ring, Audit: o.Audit, Clock: o.Clock, Name: n.people.Name, Retained: n.retained,
		Look: n.look, Recall: n.recall, KeptUntil: n.keptUntil, Addresses: n.incidentPages, Country: n.country})
	n.gateways = gateway.New(c.Gateways, gateway.Deps{
		DB: o.DB, Node: n.exchange, Key: o.Key, Ring: o.Ring, Audit: o.Audit, Clock: o.Clock, Texts: texts, Log: log, Dir: c.dir, Lang: c.lang(),
		Adapters: all.Adapters(), Owner: n.ownerOf, Name: n.people.Name, Disclose: n.toGateway,
		ClockWrong: func(ctx context.Context) (bool, error) { return n.health.ClockWrong(ctx) },
	})
	n.warnings = warnings(c, o, log, n.people.Name, func() warning.Files {
		if n.files == nil {
			return nil
		}
		return n.files
	})
	n.feeds = intake.New(intake.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Log: log, Version: Version, Config: c.Feeds, Name: n.people.Name, Driven: o.Driven,
		Warnings: n.takeWarnings, Gauges: n.takeGauges, Again: n.noNews})
	n.trail = n.auditPages()
	n.health = health.New(health.Deps{DB: o.DB, Notify: n.notify, Audit: o.Audit, Clock: o.Clock, Texts: texts, Log: log, Name: n.people.Name})
	n.addChecks()
	if n.places, err = register.Load(); err != nil {
		return nil, err
	}
	if n.areas, err = area.Open(ctx, area.Options{DB: o.DB, Places: n.places, Audit: o.Audit, Clock: o.Clock, Log: log, Name: n.people.Name}); err != nil {
		return nil, err
	}
	if n.phrases, err = phrase.New(phrase.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Texts: texts, Name: n.people.Name}); err != nil {
		return nil, err
	}
	machine, err := translator(c)
	if err != nil {
		return nil, err
	}
	if n.types, err = classification.New(ctx, classification.Options{
		DB: o.DB, Node: n.exchange, Audit: o.Audit, Clock: o.Clock, Log: log, Name: n.people.Name, Addresses: n.addresses,
	}); err != nil {
		return nil, err
	}
	if n.agreements, err = agreement.New(agreement.Options{DB: o.DB, Places: n.places, Audit: o.Audit, Clock: o.Clock, Name: n.people.Name}); err != nil {
		return nil, err
	}
	n.rivers = river.New(river.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Log: log, Tell: n.riverAlarm, Hint: n.riverHint})
	n.health.Add(n.rivers.Checks()...)
	n.units = unit.New(unit.Options{DB: o.DB, Node: n.exchange, Audit: o.Audit, Clock: o.Clock, Texts: texts, Log: log, Organisations: n.unitRooms, Name: n.people.Name})
	n.console = console.New(console.Deps{
		Types: n.types, DB: o.DB, Node: n.exchange, Ring: o.Ring, Audit: o.Audit, Clock: o.Clock, Texts: texts, Log: log, Instance: o.Clock.NewID(),
		Organisations: n.rooms, Name: n.people.Name, Disclosure: n.disclosure, SecondChannel: n.unheard, Heard: n.heard, PlaceNames: n.namesOf, Units: n.units, Beside: n.beside,
		Phrases: n.phrases, Translator: machine,
		ClockWrong: func(ctx context.Context) (bool, error) { return n.health.ClockWrong(ctx) },
	})
	if n.channels, err = n.newChannels(); err != nil {
		return nil, err
	}
	n.health.Add(n.channels.Checks()...)
	if n.notices, err = n.newNotices(); err != nil {
		return nil, err
	}
	n.outlets = n.newOutlets()
	return n, n.newPublic()
}

// Phrasebook reads the book of a node, for the command line.
func Phrasebook(ctx context.Context, o *Opened, texts *i18n.Bundle) (*phrase.Book, error) {
	s, err := phrase.New(phrase.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Texts: texts})
	if err != nil {
		return nil, err
	}
	return s.Now(ctx)
}

// translator is the translating server of a configuration; nil without one.
func translator(c *Config) (*phrase.Translator, error) {
	t := c.Exchange.Translation
	s := phrase.Server{URL: t.URL, Timeout: t.Timeout, Texts: t.Texts}
	if t.URL != "" && t.KeyFile != "" {
		key, err := os.ReadFile(c.Path(t.KeyFile))
		if err != nil {
			return nil, fmt.Errorf("app: exchange.translation.key_file: %w", err)
		}
		s.Key = strings.TrimSpace(string(key))
	}
	return phrase.NewTranslator(s), nil
}

func peopleOf(c *Config, o *Opened, log *slog.Logger) identity.Options {
	return identity.Options{DB: o.DB, Clock: o.Clock, Node: o.Key, Audit: o.Audit, Log: log, Config: c.SignIn, Dir: c.dir, Address: c.clientAddress()}
}

// People opens the directory of people for the command line, beside a running
// node or before its first start.
func People(c *Config, o *Opened, log *slog.Logger) (*identity.Directory, error) {
	return identity.New(peopleOf(c, o, log))
}

// SeedPhone writes down the number of an organisation's desk, for the command line.
func SeedPhone(ctx context.Context, o *Opened, organisation, phone string) error {
	return link.SeedPhone(ctx, o.DB, o.Audit, organisation, phone)
}

// emergency tells that the sealed account of an organisation is in use.
func (n *node) emergency(tx *store.Tx, organisation, _ string) error {
	return n.notify.Send(tx, notify.Notification{
		Kind: store.Live, Class: notify.A, Text: notify.Text{Key: "app.emergency"}, Organisation: organisation, Link: "/sessions",
	})
}

// rooms are the organisations that work at this node's console.
func (n *node) rooms(ctx context.Context) ([]console.Org, error) {
	all, err := n.people.Organisations(ctx)
	var rooms []console.Org
	for _, o := range all {
		rooms = append(rooms, console.Org{ID: o.ID, Name: o.Name, Country: o.Country, Lang: langOf(o.Country), Addresses: o.Addresses})
	}
	return rooms, err
}

// country is that of an organisation.
func (n *node) country(ctx context.Context, organisation string) (string, error) {
	o, err := n.people.Organisation(ctx, organisation)
	return o.Country, err
}

// addresses are those of an organisation.
func (n *node) addresses(ctx context.Context, organisation string) ([]string, error) {
	o, err := n.people.Organisation(ctx, organisation)
	return o.Addresses, err
}

// unitRooms are the same for their units.
func (n *node) unitRooms(ctx context.Context) ([]unit.Org, error) {
	rooms, err := n.rooms(ctx)
	var all []unit.Org
	for _, r := range rooms {
		all = append(all, unit.Org{ID: r.ID, Name: r.Name, Lang: r.Lang, Addresses: r.Addresses})
	}
	return all, err
}

// Units opens the units for the command line, beside a running node, which tells the
// neighbours.
func Units(o *Opened, log *slog.Logger) *unit.Service {
	return unit.New(unit.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Log: log})
}

// riverClass is how soon a person has to act: at once when a level rises fast or is above
// a limit of the third colour or higher. A limit whose name has no colour counts as high.
func riverClass(a river.Alarm) notify.Class {
	switch {
	case a.Cause == river.Down || a.Cause == river.Past:
		return notify.C
	case a.Cause == river.Fast || a.Level == sign.L3 || a.Level == sign.L4 || a.Level == "":
		return notify.A
	case a.Level == sign.L2:
		return notify.B
	}
	return notify.C
}

// riverAlarm tells people what a river does, in the transaction that took its values.
func (n *node) riverAlarm(tx *store.Tx, a river.Alarm) error {
	if n.places == nil { // of the command line
		places, err := register.Load()
		if err != nil {
			return err
		}
		n.places = places
	}
	if err := subscription.Measured(tx, n.places, a); err != nil {
		return err
	}
	args := river.AlarmArgs(a)
	return n.notify.Send(tx, notify.Notification{
		Kind: a.Kind, Class: riverClass(a), Text: notify.Text{Key: "river.notice." + string(a.Cause), Args: args},
		More: []notify.Text{{Key: "river.notice.at", Args: i18n.Args{"at": a.At}}}, Link: river.Address(a.Gauge, a.Kind), Unique: "river/" + a.ID,
	})
}

// riverHint tells the staff that a forecast reaches a limit. It is no alarm: nobody is woken,
// and no subscriber is told what nobody has measured.
func (n *node) riverHint(tx *store.Tx, h river.Hint) error {
	text, more := river.HintText(h)
	return n.notify.Send(tx, notify.Notification{Kind: h.Kind, Class: notify.C, Text: text, More: more, Link: river.Address(h.Gauge, h.Kind), Unique: "river/hint/" + h.ID})
}

// Rivers opens the gauges for the command line, beside a running node, whose channels
// carry what is told.
func Rivers(c *Config, o *Opened, texts *i18n.Bundle, log *slog.Logger) *river.Service {
	n := &node{Opened: o, config: c, texts: texts, log: log, jobs: job.New(o.DB, o.Clock, log)}
	n.notify = notify.New(c.Notify, notify.Deps{DB: o.DB, Jobs: n.jobs, Clock: o.Clock, Texts: texts, Log: log, Dir: c.dir, Place: c.Exchange.Operator})
	return river.New(river.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Log: log, Tell: n.riverAlarm, Hint: n.riverHint})
}

// retained are how long the node keeps what.
func (n *node) retained(ctx context.Context) (all []disclosure.Kept, err error) {
	list, err := n.console.Retentions(ctx)
	for _, r := range list {
		all = append(all, disclosure.Kept{Key: string(r.Record), Days: r.Days})
	}
	if keep := n.gateways.FilesKept(); keep > 0 {
		all = append(all, disclosure.Kept{Key: "file", Days: int(keep.Hours() / 24)})
	}
	return all, err
}

// look, recall and keptUntil are what the consoles have stored, for the answer to a
// person's request.
func (n *node) look(ctx context.Context, organisation string, q disclosure.Sought, at disclosure.Search) (disclosure.Search, error) {
	return n.console.Look(ctx, organisation, q, at)
}

func (n *node) recall(ctx context.Context, organisation string, q disclosure.Sought, found []string) ([]disclosure.Stored, error) {
	return n.console.Recall(ctx, organisation, q, found)
}

func (n *node) keptUntil(ctx context.Context, organisation string, incidents []string) (map[string]time.Time, error) {
	return n.console.KeptUntil(ctx, organisation, incidents)
}

func (n *node) incidentPages(ctx context.Context, organisation string, incidents []string) (map[string]string, error) {
	return n.console.Addresses(ctx, organisation, incidents)
}

// ownerOf is the organisation at an address, else the one that operates the node.
func (n *node) ownerOf(ctx context.Context, oid string) (owner string, err error) {
	all, err := n.people.Organisations(ctx)
	for _, o := range all {
		if slices.Contains(o.Addresses, oid) {
			return o.ID, err
		}
		if o.Operator {
			owner = o.ID
		}
	}
	return owner, err
}

// auditPages are the pages of the audit log, with everybody and everything its leaves
// name.
func (n *node) auditPages() *trail.Pages {
	return trail.New(trail.Options{
		DB: n.DB, Audit: n.Audit, Jobs: n.jobs, Clock: n.Clock, Texts: n.texts, Log: n.log,
		People: func(ctx context.Context) (all []trail.Person, err error) {
			for _, state := range []string{"", "deleted"} {
				people, err := n.people.ListPeople(ctx, identity.Filter{State: state})
				if err != nil {
					return nil, err
				}
				for _, p := range people {
					all = append(all, trail.Person{ID: p.ID, Name: p.Name, Organisation: p.Organisation, Deleted: state != ""})
				}
			}
			return all, nil
		},
		Organisations: func(ctx context.Context) (all []trail.Organisation, err error) {
			bodies, err := n.people.Organisations(ctx)
			for _, o := range bodies {
				all = append(all, trail.Organisation{ID: o.ID, Name: o.Name, Addresses: o.Addresses, Operator: o.Operator})
			}
			return all, err
		},
		Neighbour: n.exchange.NameOf, Incident: console.IncidentOf, Traces: console.TracesOf,
		IncidentURL: func(incident string) string { return "/console/incidents/" + url.PathEscape(incident) },
	})
}

// namesOf are the names of a municipality in all languages.
func (n *node) namesOf(place string) (names []string) {
	for _, p := range n.places.Search(place, 1) {
		if !strings.EqualFold(p.Matched, place) {
			continue
		}
		names = append(names, p.Name, p.Minority)
		for _, l := range i18n.Langs {
			names = append(names, p.Names[l])
		}
	}
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}

// langOf is the language in which a control room of a country writes.
func langOf(country string) i18n.Lang {
	switch country {
	case "CZ":
		return i18n.Cs
	case "DE":
		return i18n.De
	case "PL":
		return i18n.Pl
	}
	return i18n.En
}

// busy reports whether an incident of the organisation is open: nobody at its
// desks is signed out then.
func (n *node) busy(ctx context.Context, organisation string) bool {
	q, err := n.console.Queue(ctx, organisation, console.Filter{Limit: 1})
	if err != nil {
		n.log.Error("app: open incidents", "error", err)
		return true // better a session too long than nobody at the desk
	}
	return q.Open > 0
}

// unheard tells an alarm that no console can sound by mail and webhook.
func (n *node) unheard(tx *store.Tx, a console.Alarm) error {
	return n.notify.Send(tx, notify.Notification{
		Kind: a.Kind, Class: notify.Class(a.Class), Text: notify.Text{Key: "app.unheard." + string(a.Cause), Args: i18n.Args{"neighbour": a.Name}},
		Organisation: a.Org, Link: "/console", Unique: "console/" + a.ID,
	})
}

// heard takes back what has not left yet of an alarm that unheard told: somebody
// opened it meanwhile.
func (n *node) heard(tx *store.Tx, kind store.Kind, alarm string) error {
	return n.notify.Cancel(tx, kind, "console/"+alarm)
}

// schedule registers the work that has its times.
func (n *node) schedule(ctx context.Context) error {
	return errors.Join(n.exchange.Schedule(ctx, n.jobs), n.notify.Schedule(ctx), n.console.Schedule(ctx, n.jobs), n.disclosure.Schedule(ctx, n.jobs), n.gateways.Schedule(ctx, n.jobs), n.warnings.Schedule(ctx, n.jobs), n.rivers.Schedule(ctx, n.jobs), n.trail.Schedule(ctx), n.notices.Schedule(ctx), n.channels.Schedule(ctx), n.backups.Schedule(ctx, n.jobs), n.subs.Schedule(ctx, n.jobs), n.board.Schedule(ctx))
}

// Serve runs a node until ctx ends. The line "Listening on port N" goes to out
// once the exchange accepts connections, before any peer is asked; after it, on a
// node without people, the code for setting up the first administrator.
func Serve(ctx context.Context, c *Config, texts *i18n.Bundle, log *slog.Logger, out io.Writer) error {
	unlock, err := lock(c)
	if err != nil {
		return err
	}
	defer unlock()
	o, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer o.DB.Close()
	n, err := build(ctx, c, o, texts, log, false)
	if err != nil {
		return err
	}
	if err := n.schedule(ctx); err != nil {
		return err
	}
	if err := n.agreements.Ship(ctx); err != nil {
		return err
	}
	files, closeFiles, err := Files(ctx, c, o.Clock)
	if err != nil {
		return err
	}
	defer closeFiles()
	n.files, n.feeds.Files = files, files
	imports := register.NewImports(n.places, o.DB, files, o.Clock, log)
	site, err := n.site()
	if err != nil {
		return err
	}
	defer site.close()
	g, gctx := errgroup.WithContext(ctx)
	listening := make(chan struct{})
	g.Go(func() error {
		return n.exchange.Serve(gctx, func(port int) {
			fmt.Fprintf(out, "Listening on port %d\n", port)
			close(listening)
		})
	})
	g.Go(func() error {
		select {
		case <-listening:
		case <-gctx.Done():
			return nil
		}
		if err := n.tellFirstCode(gctx, out); err != nil {
			return ended(err) // a node may be stopped while it starts
		}
		return n.exchange.Run(gctx)
	})
	g.Go(func() error { return site.serve(gctx) })
	for _, run := range []func(context.Context) error{o.Audit.Run, n.jobs.Run, n.people.Run, n.health.Run, n.console.Run, n.types.Run, n.units.Run, n.gateways.Run, n.feeds.Run, n.channels.Run, n.areas.Run, n.subs.Run, n.board.Run, imports.Run} {
		g.Go(func() error { return ended(run(gctx)) })
	}
	return g.Wait()
}

// tellFirstCode prints what the first administrator needs, on a node without people.
func (n *node) tellFirstCode(ctx context.Context, out io.Writer) error {
	code, err := n.people.FirstCode(ctx)
	if err != nil || code == "" {
		return err
	}
	_, err = fmt.Fprintln(out, n.texts.Text(n.config.lang(), "app.first_code", i18n.Args{"url": n.config.BrowserURL() + "/setup", "code": code}))
	return err
}

// ended makes the normal end no error.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// lock keeps a second process from serving the same SQLite folder. Instances on
// PostgreSQL share the folder's keys and lock nothing.
func lock(c *Config) (unlock func(), err error) {
	if c.Database != "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(c.DataDir(), 0o750); err != nil {
		return nil, fmt.Errorf("app: data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(c.DataDir(), "node.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("app: data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &problem.Error{Op: "app.Serve", Kind: problem.Conflict, Key: "app.start.locked", Args: i18n.Args{"dir": c.DataDir()}, Err: err}
	}
	return func() { f.Close() }, nil
}
