package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/replay"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	built "trojmezi/web"
)

// ReplayOptions are what a replay stands on.
type ReplayOptions struct {
	Plan replay.Plan
	// Feeds are the sources; their Simulator answers in the place of all senders, so that
	// nothing of it is live.
	Feeds intake.Config
	Clock *clock.Clock // a fake one, at Plan.From
	Dir   string       // of the node that plays: an empty folder
	Base  string       // address under which Handler answers
	// MailHost and MailPort are those of a mail server on this machine.
	MailHost string
	MailPort int
	// Gauges are those of the services' stations that have a place on a river.
	Gauges map[string]string
	// Cast plays the people of the flood of 2010.
	Cast  bool
	Texts *i18n.Bundle
	Log   *slog.Logger
}

// ReplayMail is a mail that was delivered.
type ReplayMail struct{ To, Subject, Body string }

// Replay is a node of its own that plays a plan on a clock that it moves. Everything on
// it is an exercise.
type Replay struct {
	o        ReplayOptions
	n        *node
	run      *replay.Run
	receipts *replay.Receipts
	handler  http.Handler
	close    func() error
	script   []act
	cast     map[string]identity.Person
	offices  map[string]string // organisation by name
	asked    time.Time         // when the next feed was due
	stale    map[string]bool   // what was told of feeds

	mu     sync.Mutex
	begun  time.Time // of the step, by the machine's clock
	mails  []mailAt
	answer []act // what the people of the play do next, as mail comes in
}

type mailAt struct {
	ReplayMail
	at time.Time
}

// act is something that a person of the play does.
type act struct {
	at time.Time
	do func(context.Context) error
}

// Addresses of the play. The domain is reserved: no mail server of the world knows it.
const (
	replayDomain = "replay.invalid"
	// replayCanary is the one recipient of reality, who must get nothing.
	replayCanary = "live@" + replayDomain
	// thinks is how long the mayor who acknowledges takes.
	thinks = 90 * time.Second
	// longestStep bounds how far the clock jumps while nothing is due.
	longestStep = 5 * time.Minute
	// smoothStep bounds it where somebody looks on.
	smoothStep = 10 * time.Second
)

// mayors are who is told of the notice, and in which language. The last one does not
// answer.
var mayors = []struct {
	login, organisation, country string
	lang                         i18n.Lang
	answers                      bool
}{
	{"goerlitz", "Stadt Görlitz, Oberbürgermeister", "DE", i18n.De, true},
	{"frydlant", "Město Frýdlant, starosta", "CZ", i18n.Cs, true},
	{"zgorzelec", "Miasto Zgorzelec, burmistrz", "PL", i18n.Pl, false},
}

// dutyOffice is who warns.
const dutyOffice = "Gmina Bogatynia"

// NewReplay builds the node of a replay in an empty folder.
func NewReplay(ctx context.Context, o ReplayOptions) (*Replay, error) {
	r := &Replay{o: o, run: replay.NewRun(o.Plan), cast: map[string]identity.Person{}, offices: map[string]string{}, stale: map[string]bool{}}
	if u, err := url.Parse(o.Feeds.Simulator); err != nil || u.Host == "" {
		return nil, problem.New("app.NewReplay", problem.Invalid, "app.replay.no_simulator", nil)
	}
	raw, err := json.Marshal(map[string]any{
		"data": "data", "listen": "127.0.0.1:0", "notify": map[string]any{"base_url": o.Base},
		"exchange": map[string]any{"oid": "1.2.3.0", "operator": "Replay", "listen": "127.0.0.1:0", "insecure_loopback": true},
	})
	if err != nil {
		return nil, err
	}
	c, err := parse(filepath.Join(o.Dir, "node.json"), raw)
	if err != nil {
		return nil, err
	}
	c.Feeds = o.Feeds
	for i := range c.Feeds.Sources {
		c.Feeds.Sources[i].Kind = "" // whatever it was: what a simulator answers is an exercise
	}
	if f := c.Feeds.Validate(); len(f) > 0 {
		return nil, problem.New("app.NewReplay", problem.Invalid, f[0].Key, f[0].Args)
	}
	// The folder is new and thrown away: nothing in it must survive a power cut.
	db, err := store.Open(ctx, store.Config{Dir: c.DataDir(), Log: o.Log, Clock: o.Clock})
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Replay, error) { return nil, errors.Join(err, db.Close()) }
	if err := db.Migrate(ctx, "replay", replay.Migrations()); err != nil {
		return fail(err)
	}
	opened, err := open(ctx, c, db, o.Clock, o.Log)
	if err != nil {
		return fail(err)
	}
	opened.Driven = true
	if err := r.employ(ctx, c, opened); err != nil {
		return fail(err)
	}
	c.Notify = r.channels(c.Notify)
	if f := c.Notify.Validate(); len(f) > 0 {
		return fail(problem.New("app.NewReplay", problem.Invalid, f[0].Key, f[0].Args))
	}
	if r.n, err = build(ctx, c, opened, o.Texts, o.Log, true); err != nil {
		return fail(err)
	}
	r.n.replayed = r.published
	files, closeFiles, err := Files(ctx, c, o.Clock)
	if err != nil {
		return fail(err)
	}
	r.n.files, r.n.feeds.Files = files, files
	r.close = func() error { return errors.Join(closeFiles(), db.Close()) }
	r.receipts = &replay.Receipts{DB: db, Jobs: r.n.jobs, Clock: o.Clock, Notify: r.n.notify.Send,
		Acknowledged: func(x replay.Receipt) {
			r.did("acknowledged", x.Name)
			if strings.HasPrefix(x.Name, mayors[0].organisation) {
				r.run.Happened("acknowledged", r.now(), false, nil)
			}
		},
		Missing: func(x replay.Receipt) { r.did("missing", x.Name) }}
	if err := errors.Join(r.n.notify.Schedule(ctx), r.n.notices.Schedule(ctx), r.receipts.Schedule()); err != nil {
		return nil, errors.Join(err, r.close())
	}
	pages := &replay.Pages{Run: r.run, Receipts: r.receipts, Name: func(_ context.Context, key string) string {
		if g, ok := river.Shipped.Gauge(key); ok {
			return g.Name
		}
		return key
	}}
	rt := web.NewRouter(web.Config{Bundle: o.Texts, Log: o.Log, Clock: o.Clock, Policy: r.n.policy, Built: built.Built(),
		Authenticate: func(*http.Request) (*web.Person, error) { return nil, nil }})
	pages.Register(rt)
	r.handler = rt
	if err := r.begin(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// Close ends the node.
func (r *Replay) Close() error { return r.close() }

// Handler has the page of the replay, and those on which people acknowledge.
func (r *Replay) Handler() http.Handler { return r.handler }

// Report is the replay as it stands.
func (r *Replay) Report() replay.Report { return r.run.Report() }

// now is the time that is played, with what the present step has really taken.
func (r *Replay) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.o.Clock.Now()
	if !r.begun.IsZero() {
		at = at.Add(time.Since(r.begun))
	}
	return at
}

// did notes what a person of the play did.
func (r *Replay) did(what, name string) {
	r.run.Say(replay.Entry{At: r.now(), Exact: true, Origin: replay.Told, Key: "replay.played." + what, Args: i18n.Args{"name": name}})
}

// employ makes the organisations and people of the play.
func (r *Replay) employ(ctx context.Context, c *Config, o *Opened) error {
	if !r.o.Cast {
		return nil
	}
	people, err := People(c, o, r.o.Log)
	if err != nil {
		return err
	}
	seed := func(name, country string, crew ...identity.NewPerson) error {
		for i := range crew {
			crew[i].Password = "not-used-" + o.Clock.NewID()
		}
		made, all, err := people.Seed(ctx, identity.Organisation{Name: name, Country: country}, crew)
		r.offices[name] = made.ID
		for _, p := range all {
			r.cast[p.Login] = p
		}
		return err
	}
	if err := seed(dutyOffice, "PL", identity.NewPerson{Login: "dyzurny", Name: "Daria Dyżurna", Lang: i18n.Pl, Roles: []string{"dispatcher", "shift_leader"}},
		identity.NewPerson{Login: "kierownik", Name: "Karol Kierownik", Lang: i18n.Pl, Roles: []string{"shift_leader"}}); err != nil {
		return err
	}
	for _, m := range mayors {
		if err := seed(m.organisation, m.country); err != nil {
			return err
		}
	}
	return nil
}

// channels are the ways out: of exercises, and one of reality, by which nothing may go.
func (r *Replay) channels(c notify.Config) notify.Config {
	c.SMTP = notify.SMTP{Host: r.o.MailHost, Port: r.o.MailPort, From: "node@" + replayDomain, TLS: "none"}
	add := func(name, address, organisation string, kind store.Kind, l i18n.Lang) {
		c.Recipients = append(c.Recipients, notify.Recipient{Name: name, Email: address, Languages: []string{string(l)}, Kind: string(kind), Organisation: organisation})
	}
	for _, l := range i18n.Langs {
		add("staff "+string(l), "staff-"+string(l)+"@"+replayDomain, "", store.Exercise, l)
	}
	for _, m := range mayors {
		if id := r.offices[m.organisation]; id != "" {
			add(m.login, m.login+"@"+replayDomain, id, store.Exercise, m.lang)
		}
	}
	add("reality", replayCanary, "", store.Live, i18n.En)
	return c
}

// begin switches the feeds on and writes the script.
func (r *Replay) begin(ctx context.Context) error {
	for _, s := range r.n.config.Feeds.Named() {
		if err := r.n.feeds.Switch(ctx, intake.Operator, s.Name, true, "replay"); err != nil {
			return err
		}
	}
	for station, gauge := range r.o.Gauges {
		faults, err := r.n.rivers.SetNumber(ctx, intake.Operator, station, gauge, "number of the simulator")
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			return fmt.Errorf("app: replay: station %s: %v", station, faults)
		}
	}
	if r.o.Cast && !replay.DamAt.Before(r.o.Plan.From) && replay.DamAt.Before(r.o.Plan.To) {
		r.script = r.dam()
	}
	return nil
}

// dam is what the two duty officers do when the dam breaks. The pauses are what people
// take who know the form.
func (r *Replay) dam() []act {
	var id string
	author, second := r.cast["dyzurny"], r.cast["kierownik"]
	as := func(p identity.Person) notice.Actor {
		return notice.Actor{Person: p.ID, Organisation: p.Organisation}
	}
	take := func(ctx context.Context, who identity.Person, step notice.Step) error {
		v, err := r.n.notices.Show(ctx, id, i18n.Pl)
		if err != nil {
			return err
		}
		return r.n.notices.Take(ctx, as(who), id, notice.Event{Step: step, Content: v.Last.Content}, true)
	}
	return []act{
		{replay.DamAt, func(ctx context.Context) (err error) {
			r.did("begun", author.Name)
			id, err = r.n.notices.Begin(ctx, as(author), "", store.Exercise, notice.Alert, &notice.Content{
				Template: "N01", Lang: i18n.Pl, Areas: []string{"DE-14626110", "DE-14626420"}, Values: map[string]string{
					"dam": "Niedów", "river": "Witka", "at": replay.DamAt.Format(time.RFC3339), "place": "DE-14626110", "meeting": "Weinberg", "phone": "+48 75 000 00 00"}})
			return err
		}},
		{replay.DamAt.Add(20 * time.Second), func(ctx context.Context) error {
			if err := take(ctx, author, notice.Propose); err != nil {
				return err
			}
			err := take(ctx, author, notice.Approve)
			if err != nil {
				r.did("alone", author.Name)
			}
			r.run.Happened("alone", r.now(), err == nil, nil)
			return nil
		}},
		{replay.DamAt.Add(40 * time.Second), func(ctx context.Context) error {
			if err := take(ctx, second, notice.Approve); err != nil {
				return err
			}
			r.did("approved", second.Name)
			v, err := r.n.notices.Show(ctx, id, i18n.Pl)
			if err != nil {
				return err
			}
			r.run.Happened("two_people", r.now(), len(v.Published) != 1 || v.Published[0].Kind != store.Exercise || slices.Contains(v.Last.Writers, v.Last.Approver), nil)
			return nil
		}},
	}
}

// published tells the mayors what a notice says, each in his language, in the transaction
// in which it goes out.
func (r *Replay) published(tx *store.Tx, p *notice.Publication) error {
	a, _, fault := cap.Read(p.Document)
	if fault != nil {
		return fmt.Errorf("app: replay: %s", fault.Key)
	}
	for _, m := range mayors {
		i := slices.IndexFunc(a.Infos, func(i cap.Info) bool { return strings.HasPrefix(i.Language, string(m.lang)) })
		if i < 0 {
			continue
		}
		err := r.receipts.Ask(tx, p.Kind, p.Notice, p.Revision, p.Organisation, replay.Addressee{Organisation: r.offices[m.organisation], Name: m.organisation, Lang: m.lang},
			replay.Said{Headline: a.Infos[i].Headline, Text: a.Infos[i].Description, Instruction: a.Infos[i].Instruction})
		if err != nil {
			return err
		}
	}
	return nil
}

var acknowledgeLink = regexp.MustCompile(`https?://\S+/replay/acknowledge/\S+`)

// Arrived notes a mail that was delivered. It may be called at any time.
func (r *Replay) Arrived(m ReplayMail) {
	at := r.now()
	name, _, _ := strings.Cut(m.To, "@")
	e := replay.Entry{At: at, Exact: true, Origin: replay.Told, To: name, Subject: m.Subject, Body: m.Body}
	if l, ok := strings.CutPrefix(name, "staff-"); ok {
		e.To, e.Lang = replay.Staff, i18n.Lang(l)
	}
	r.mu.Lock()
	r.mails = append(r.mails, mailAt{m, at})
	for _, x := range mayors {
		if x.login != name {
			continue
		}
		e.To, e.Lang = x.organisation, x.lang
		if link := acknowledgeLink.FindString(m.Body); x.answers && link != "" {
			r.answer = append(r.answer, act{r.o.Clock.Now().Add(thinks), func(ctx context.Context) error { return follow(ctx, link) }})
		}
	}
	r.mu.Unlock()
	r.run.Say(e)
}

// follow does what a person does who opens the link of a mail and presses the button.
func follow(ctx context.Context, link string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, link, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Timeout: time.Minute}).Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("app: replay: acknowledge: %s", answer.Status)
	}
	return nil
}

// Play plays to the end of the plan.
func (r *Replay) Play(ctx context.Context) error {
	plan, began := r.o.Plan, time.Now()
	for {
		now := r.o.Clock.Now()
		if plan.Speed > 0 { // wait until it is that late for who looks on
			due := began.Add(time.Duration(float64(now.Sub(plan.From)) / plan.Speed))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		next, err := r.step(ctx, now)
		if err != nil {
			return err
		}
		if !now.Before(plan.To) {
			break
		}
		most := longestStep
		if plan.Speed > 0 {
			most = smoothStep
		}
		if latest := now.Add(most); next.After(latest) || !next.After(now) {
			next = latest
		}
		if next.After(plan.To) {
			next = plan.To
		}
		r.mu.Lock()
		r.begun = time.Time{}
		r.mu.Unlock()
		r.o.Clock.Advance(next.Sub(now))
	}
	r.finish()
	return nil
}

// step does all that is due at a moment, and says when the next thing is.
func (r *Replay) step(ctx context.Context, now time.Time) (next time.Time, err error) {
	r.mu.Lock()
	r.begun = time.Now()
	r.mu.Unlock()
	sooner := func(t time.Time) {
		if !t.IsZero() && t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	due, err := r.n.feeds.Turn(ctx)
	if err != nil {
		return next, err
	}
	sooner(due)
	for {
		a, more := r.pop(now)
		if !more {
			sooner(a.at)
			break
		}
		if err := a.do(ctx); err != nil {
			return next, err
		}
	}
	fetched := !due.Equal(r.asked)
	r.asked = due
	if fetched {
		if err := r.tellStale(ctx); err != nil {
			return next, err
		}
	}
	wait, err := r.n.jobs.Turn(ctx)
	if err != nil {
		return next, err
	}
	sooner(now.Add(wait))
	if err := r.look(ctx, fetched); err != nil {
		return next, err
	}
	r.run.Tick(now)
	for _, a := range r.pending() { // somebody got mail and will answer
		sooner(a.at)
	}
	return next, nil
}

// pop takes the next act that is due; without one it says when the next of the script is.
func (r *Replay) pop(now time.Time) (next act, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range []*[]act{&r.script, &r.answer} {
		if len(*list) == 0 {
			continue
		}
		if first := (*list)[0]; !first.at.After(now) {
			*list = (*list)[1:]
			return first, true
		} else if next.at.IsZero() || first.at.Before(next.at) {
			next = first
		}
	}
	return next, false
}

func (r *Replay) pending() []act {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.answer)
}

// tellStale tells of each feed that has gone quiet, once, as health does in service: as an
// exercise, since the feed is one.
func (r *Replay) tellStale(ctx context.Context) error {
	for _, c := range r.n.feeds.Checks() {
		found, err := c.Func(ctx)
		if err != nil {
			return err
		}
		for _, f := range found {
			what := f.Object + " " + f.Since.Format(time.RFC3339)
			if f.Level != health.L2 || r.stale[what] {
				continue
			}
			r.stale[what] = true
			if err := r.n.DB.Write(ctx, func(tx *store.Tx) error {
				return r.n.notify.Send(tx, notify.Notification{Kind: store.Exercise, Class: f.Level.Class(), Text: f.Text, Link: replay.Root})
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// look sees which moments have come.
func (r *Replay) look(ctx context.Context, fetched bool) error {
	waits := map[string]bool{}
	for _, m := range r.run.Report().Moments {
		waits[m.ID] = m.State == replay.Waiting
	}
	if fetched && (waits["warning"] || waits["neighbour"]) {
		all, _, err := r.n.warnings.Warnings(ctx)
		if err != nil {
			return err
		}
		for id, feed := range map[string]string{"warning": "imgw-hydro", "neighbour": "nina"} {
			if i := slices.IndexFunc(all, func(w *warning.Warning) bool { return slices.Contains(w.Sources(), feed) }); i >= 0 {
				r.run.Happened(id, r.now(), all[i].Kind != store.Exercise, nil)
			}
		}
	}
	for _, gauge := range r.o.Gauges {
		if !fetched {
			break
		}
		d, err := r.n.rivers.Detail(ctx, store.Exercise, gauge, time.Hour)
		if problem.KindOf(err) == problem.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		for _, v := range d.Series[max(0, len(d.Series)-1):] {
			r.run.Gauge(replay.Level{Gauge: gauge, Value: v.Value, At: v.At})
			if gauge == "de-goerlitz" && v.Value == 707 && !v.At.Before(replay.PeakAt) {
				r.run.Happened("peak", r.now(), false, nil)
			}
		}
		for _, a := range d.Alarms {
			if id := momentOf(a); waits[id] {
				if m, ok := r.told("river.notice."+string(a.Cause), river.AlarmArgs(a)); ok {
					r.run.Happened(id, m.at, a.Kind != store.Exercise, nil)
				}
			}
		}
	}
	for id, text := range map[string]notify.Text{
		"stale":   {Key: "intake.check.stale", Args: i18n.Args{"feed": "imgw-hydro", "title": r.title("imgw-hydro")}},
		"missing": {Key: "replay.missing", Args: i18n.Args{"name": mayors[len(mayors)-1].organisation}},
	} {
		if m, ok := r.told(text.Key, text.Args); ok && waits[id] {
			r.run.Happened(id, m.at, false, nil)
		}
	}
	if waits["mayor"] {
		r.mu.Lock()
		defer r.mu.Unlock()
		german := r.o.Texts.Text(i18n.De, "notice.say.drill.exercise", nil)
		for _, m := range r.mails {
			if m.To == mayors[0].login+"@"+replayDomain && strings.Contains(m.Body, "Dammbruch") {
				r.run.Happened("mayor", m.at, !strings.Contains(m.Subject, german), nil)
			}
		}
	}
	return nil
}

// momentOf is the moment that an alarm is, "" for none.
func momentOf(a river.Alarm) string {
	switch {
	case a.Gauge == "de-zittau-1" && a.Cause == river.Up:
		return "limit"
	case a.Gauge != "de-goerlitz":
	case a.Cause == river.Fast:
		return "fast"
	case a.Name == "Alarmstufe 4" && a.Cause == river.Up:
		return "fourth"
	case a.Name == "Alarmstufe 4" && a.Cause == river.Down:
		return "below"
	}
	return ""
}

func (r *Replay) title(feed string) string {
	for _, s := range r.n.config.Feeds.All() {
		if s.Name == feed {
			return s.Title
		}
	}
	return ""
}

// told finds the mail to the German staff that says a text.
func (r *Replay) told(key string, args i18n.Args) (mailAt, bool) {
	text := r.o.Texts.Text(i18n.De, key, args)
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.mails, func(m mailAt) bool {
		return m.To == "staff-de@"+replayDomain && strings.Contains(m.Subject, text)
	})
	if i < 0 {
		return mailAt{}, false
	}
	return r.mails[i], true
}

// finish judges that nothing left by a channel of reality, and nothing without its mark.
func (r *Replay) finish() {
	r.mu.Lock()
	leaked := false
	for _, m := range r.mails {
		name, _, _ := strings.Cut(m.To, "@")
		lang := i18n.De
		for _, x := range mayors {
			if x.login == name {
				lang = x.lang
			}
		}
		if l, ok := strings.CutPrefix(name, "staff-"); ok {
			lang = i18n.Lang(l)
		}
		leaked = leaked || m.To == replayCanary || !strings.Contains(m.Subject, r.o.Texts.Text(lang, "notify.mark.exercise", nil))
	}
	r.mu.Unlock()
	r.run.Happened(replay.Separate, r.o.Clock.Now(), leaked, nil)
	r.run.End()
}

// Recorded lists what a node kept of its senders in a period, with what was the last of
// each address when it began, beside a running node.
func Recorded(ctx context.Context, s *intake.Service, from, to time.Time) (all []replay.Kept, sources []string, err error) {
	list, err := s.Recorded(ctx, from, to)
	for _, o := range list {
		all = append(all, replay.Kept{ID: o.ID, FetchedAt: o.FetchedAt, Address: o.Address, Type: o.Headers["Content-Type"], Digest: o.Digest})
		if !slices.Contains(sources, o.Source) {
			sources = append(sources, o.Source)
		}
	}
	return all, sources, err
}

// TempReplayDir is a folder for the node of a replay, and what removes it.
func TempReplayDir() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "trojmezi-replay-")
	return dir, func() { os.RemoveAll(dir) }, err
}
