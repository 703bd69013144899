package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/czizs"
	"trojmezi/internal/simulator/euhub"
	"trojmezi/internal/simulator/plswd"
)

// system is one that does not speak UCRI 2, behind a gateway of a node. The demo plays
// it; it ends with the demo.
type system struct {
	Name     string // of its gateway and the folder between them
	Adapter  string
	OID      string // of the participant that stands for it
	Partner  string // what it calls itself
	Title    string
	Operator string
	Short    string
	Words    string // of the person there, who accepts what comes
}

// foreignApps are those in which a gateway's system takes part.
var foreignApps = []string{"incident_transfer", "notification_text"}

// foreignThink is what the person at a simulated system takes to decide.
const foreignThink = 500 * time.Millisecond

// profiles are how the simulated systems speak, by the adapter at the other end.
var profiles = map[string]simulator.Profile{"czizs": czizs.Profile{}, "plswd": plswd.Profile{}, "euemsi": euhub.Profile{XML: true}}

// partnerName is what a control room of the demo is called in foreign systems.
func (p place) partnerName() string { return "demo." + p.Name }

// foreign are the simulated systems by their adapters.
type foreign map[string]*outside

// outside is a simulated system with the folder through which its gateway reaches it.
type outside struct {
	*simulator.Desk
	system
	at  *node
	dir string
}

// foreignOf makes the systems of all places. They talk to whoever writes to them, also
// after the play.
func foreignOf(f *folder) foreign {
	all := foreign{}
	for _, n := range f.nodes {
		for _, s := range n.place.Systems {
			o := &outside{simulator.New(profiles[s.Adapter], s.Partner, "", simulator.Live, nil), s, n, filepath.Join(n.dir, s.Name)}
			o.Behave(simulator.Behaviour{Decision: simulator.Accept, Think: foreignThink, Words: s.Words})
			all[s.Adapter] = o
		}
	}
	return all
}

// run carries the system's messages until ctx ends.
func (o *outside) run(ctx context.Context) error {
	if err := simulator.Folder(ctx, o.Desk, o.dir); ctx.Err() == nil {
		return folderError(o.dir, err)
	}
	return nil
}

// hear awaits a message about one the system sent. It is an error when that was
// refused instead, or when what comes is not as the profile says.
func (o *outside) hear(ctx context.Context, kind simulator.Kind, about string) (simulator.Heard, error) {
	h, err := o.Await(ctx, func(h simulator.Heard) bool {
		return h.About == about && (h.Kind == kind || h.Kind == simulator.Failure)
	})
	return h, o.judge(h, kind, err)
}

func (o *outside) judge(h simulator.Heard, kind simulator.Kind, err error) error {
	switch {
	case err != nil:
		return err
	case h.Kind != kind:
		return fmt.Errorf("%s: %s %s %s", h.Kind, h.Reason, h.Where, h.Text)
	case len(h.Faults) > 0:
		return fmt.Errorf("%s heard what is not of its profile: %v", o.Title, h.Faults)
	}
	return nil
}

// foreignScript is the part of the play with the foreign systems.
type foreignScript struct {
	Across simulator.Say // from the Czech system to the Polish one
	Wrong  simulator.Say // from the Czech system, with a place that is none
	Hub    simulator.Say // from the hub to a desk
	Taken  string        // its dispatcher's words
	Handed struct {
		Form map[string]string // of the hand-over at the console
		To   []string          // names of places
		Seen map[string]string // what happened, at each place in its language
	}
	Accepted  []step
	Asks      string // place that asks for the caller
	Completed []step
}

func loadForeign() (s foreignScript, err error) {
	raw, err := play.ReadFile("play/foreign.json")
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		return s, fmt.Errorf("demo: foreign script: %w", err)
	}
	return s, nil
}

// stage is where the part with the foreign systems is played.
type stage struct {
	*demo
	script foreignScript
	folder *folder
	desks  map[string]*desk
	out    foreign
	shown  int // messages so far
}

// act is a part of the play; its error is about its last line.
type act struct {
	from, to, what string
	play           func(context.Context) error
}

// playForeign plays what crosses borders of formats, languages and rules, and returns
// how many messages that took.
func (d *demo) playForeign(ctx context.Context, f *folder, desks []*desk, out foreign) (int, error) {
	script, err := loadForeign()
	if err != nil {
		return 0, err
	}
	s := &stage{demo: d, script: script, folder: f, desks: byName(desks), out: out}
	cz, pl, hub := out["czizs"].Title, out["plswd"].Title, out["euemsi"].Title
	here, asks := s.desks["liberec"].place.Title, s.desks[script.Asks].place.Title
	var said simulator.Say
	var c cast
	for _, a := range []act{
		{cz, pl, "across", s.across},
		{cz, here, "wrong", s.wrong},
		{hub, here, "emsi", func(ctx context.Context) (err error) { said, c, err = s.fromHub(ctx); return err }},
		{here, asks, "everywhere", func(ctx context.Context) (err error) { return s.everywhere(ctx, &c) }},
		{hub, here, "completed", func(ctx context.Context) error { return s.end(ctx, said, c) }},
	} {
		within, cancel := context.WithTimeout(ctx, stepTimeout)
		err := a.play(within)
		cancel()
		if ctx.Err() != nil {
			return s.shown, ctx.Err()
		}
		if err != nil {
			return s.shown, d.stepError(a.from, a.to, a.what, err)
		}
	}
	return s.shown, nil
}

func (d *demo) stepError(from, to, what string, err error) error {
	return &problem.Error{Op: "demo: play", Key: "demo.error.step", Err: err,
		Args: i18n.Args{"from": from, "to": to, "what": d.texts.Text(d.lang, "demo.step."+what, nil), "detail": err.Error()}}
}

// head prints who tells whom what, in whose words.
func (d *demo) head(at time.Time, from, to, what, quote string) {
	fmt.Fprintf(d.out, "\n%s  %s → %s  %s\n", at.Format("15:04:05"), from, to, d.texts.Text(d.lang, "demo.step."+what, nil))
	fmt.Fprintf(d.out, "          %s\n", quote)
}

// line prints what became of it.
func (s *stage) line(key string, args i18n.Args) {
	s.shown++
	fmt.Fprintf(s.demo.out, "          %s\n", s.texts.Text(s.lang, key, args))
}

const exact = "15:04:05.000"

// across lets the Czech system hand an event over by its profile and the Polish one
// answer by its own: between them are two gateways and UCRI 2.
func (s *stage) across(ctx context.Context) error {
	cz, pl := s.out["czizs"], s.out["plswd"]
	said, err := cz.Send(s.script.Across, "")
	if err != nil {
		return err
	}
	s.head(said.Sent, cz.Title, pl.Title, "across", said.What)
	stored, err := cz.hear(ctx, simulator.Receipt, said.ID)
	if err != nil {
		return err
	}
	event, err := pl.Await(ctx, func(h simulator.Heard) bool {
		return h.Kind == simulator.Event && h.What == said.What && !h.At.Before(said.Sent)
	})
	if err := pl.judge(event, simulator.Event, err); err != nil {
		return err
	}
	s.line("demo.foreign.receipts", i18n.Args{"stored": stored.At.Format(exact), "received": event.At.Format(exact)})
	answer, err := cz.hear(ctx, simulator.Answer, said.ID)
	if err != nil {
		return err
	}
	s.head(answer.At, pl.Title, cz.Title, "answer", answer.Text)
	if !answer.Accepted || !strings.Contains(answer.Text, pl.Words) {
		return fmt.Errorf("the answer is %+v", answer.Say)
	}
	s.line("demo.foreign.answered", i18n.Args{"received": answer.At.Format(exact), "d": answer.At.Sub(said.Sent).Truncate(time.Second)})
	_, err = cz.Send(simulator.Say{Kind: simulator.End, To: said.To, Incident: said.Incident, Accepted: true}, "")
	if err != nil {
		return err
	}
	end, err := pl.Await(ctx, func(h simulator.Heard) bool { return h.Kind == simulator.End && h.Incident == event.Incident })
	return pl.judge(end, simulator.End, err)
}

// wrong lets the Czech system send what no node can pass on: it is told so, and the
// message waits for a person.
func (s *stage) wrong(ctx context.Context) error {
	cz := s.out["czizs"]
	said, err := cz.Send(s.script.Wrong, "nowhere")
	if err != nil {
		return err
	}
	s.head(said.Sent, cz.Title, cz.at.place.Title, "wrong", said.What)
	refused, err := cz.hear(ctx, simulator.Failure, said.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.demo.out, "          %s\n", s.texts.Text(s.lang, "demo.foreign.tray", i18n.Args{
		"received": refused.At.Format(exact), "why": strings.TrimSpace(refused.Where + " " + refused.Text), "url": "http://" + cz.at.listen + "/tray",
	}))
	return nil
}

// fromHub lets the hub tell a desk of an event by EMSI; the desk takes it.
func (s *stage) fromHub(ctx context.Context) (said simulator.Say, c cast, err error) {
	hub, here := s.out["euemsi"], s.desks["liberec"]
	if said, err = hub.Send(s.script.Hub, ""); err != nil {
		return said, c, err
	}
	s.head(said.Sent, hub.Title, here.place.Title, "emsi", said.What)
	stored, err := hub.hear(ctx, simulator.Receipt, said.ID)
	if err != nil {
		return said, c, err
	}
	a, err := here.awaitFrom(ctx, hub.OID, "incident", said.Sent)
	if err != nil {
		return said, c, err
	}
	if c.incident = sharedIncident(a.data); c.incident == "" || !strings.Contains(a.data, said.What) {
		return said, c, errors.New("the message arrived changed")
	}
	s.line("demo.foreign.receipts", i18n.Args{"stored": stored.At.Format(exact), "received": a.at.Format(exact)})
	taken, err := json.Marshal(map[string]any{"sharedIncidentId": c.incident, "status": "accepted", "acknowledgedByDispatcherAt": ucri.FormatTime(time.Now()), "cause": s.script.Taken})
	if err != nil {
		return said, c, err
	}
	s.head(time.Now(), here.place.Title, hub.Title, "accepted", s.script.Taken)
	e := &ucri.Envelope{
		MessageID: s.clock.NewID(), Timeout: messageTimeout, Ack: ucri.AckAll, Source: here.place.Desk, Destinations: []string{hub.OID},
		Payload: ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "acknowledgement", ContentType: ucri.ContentJSON, Data: string(taken)},
	}
	if _, err := here.send(ctx, e); err != nil {
		return said, c, err
	}
	answer, err := hub.hear(ctx, simulator.Answer, said.ID)
	if err != nil {
		return said, c, err
	}
	r, err := await(ctx, here, here.receipts, e.MessageID)
	if err != nil {
		return said, c, err
	}
	if !answer.Accepted || r.status.StatusCode != ucri.Delivered {
		return said, c, fmt.Errorf("delivery status %d: %s", r.status.StatusCode, r.status.StatusMessage)
	}
	s.line("demo.foreign.answered", i18n.Args{"received": answer.At.Format(exact), "d": answer.At.Sub(said.Sent).Truncate(time.Second)})
	return said, c, nil
}

// sharedIncident is the number under which all sides know an incident.
func sharedIncident(data string) string {
	var m struct {
		ID string `json:"sharedIncidentId"`
	}
	_ = json.Unmarshal([]byte(data), &m) // "" says enough
	return m.ID
}

// everywhere hands the hub's incident on at the console, looks at it in all consoles,
// and lets one ask for the caller whom nobody named to it. People do that, so
// dispatchers of the demo do it here, at the same pages.
func (s *stage) everywhere(ctx context.Context, c *cast) error {
	people := map[string]*browser{}
	for _, n := range s.folder.nodes {
		login := n.place.People[0].Login
		b, err := signIn(ctx, n, login, s.folder.passwords[n.place.Name+"/"+login])
		if err != nil {
			return err
		}
		defer b.signOut(context.WithoutCancel(ctx))
		people[n.place.Name] = b
	}
	here, asks := s.desks["liberec"], s.desks[s.script.Asks]
	began := time.Now()
	form := url.Values{"incident": {c.incident}}
	for name, value := range s.script.Handed.Form {
		form.Set(name, value)
	}
	var names []string
	for _, to := range s.script.Handed.To {
		form.Add("to", s.desks[to].place.Desk)
		names = append(names, s.desks[to].place.Title)
	}
	s.head(began, here.place.Title, strings.Join(names, ", "), "everywhere", form.Get("issue"))
	page, err := people["liberec"].post(ctx, "/console/handover", form)
	if err != nil {
		return err
	}
	for _, to := range s.script.Handed.To {
		a, err := s.desks[to].awaitFrom(ctx, here.place.Desk, "incident", began)
		if err != nil {
			return err
		}
		if strings.Contains(a.data, form.Get("phone")) {
			return errors.New("the caller was named unasked")
		}
		c.incident = sharedIncident(a.data)
		s.line("demo.foreign.handed", i18n.Args{"place": s.desks[to].place.Title, "received": a.at.Format(exact)})
	}
	for _, answer := range s.script.Accepted {
		if err := s.step(ctx, answer, s.desks[answer.From], s.desks[answer.To], *c); err != nil {
			return err
		}
		s.shown++
	}
	fmt.Fprintln(s.demo.out)
	s.say("demo.foreign.same", nil)
	for _, n := range s.folder.nodes {
		seen := s.script.Handed.Seen[n.place.Name]
		if _, err := people[n.place.Name].until(ctx, page, seen); err != nil {
			return err
		}
		fmt.Fprintf(s.demo.out, "          %s\n", s.texts.Text(s.lang, "demo.foreign.seen", i18n.Args{"place": n.place.Title, "text": seen, "url": "http://" + n.listen + page}))
	}
	return s.caller(ctx, people["liberec"], people[s.script.Asks], page, here, asks, form.Get("phone"))
}

// caller lets a desk ask for the caller of an incident, and the other give it.
func (s *stage) caller(ctx context.Context, gives, wants *browser, page string, from, to *desk, phone string) error {
	text, err := wants.until(ctx, page, page+"/ask")
	if err != nil {
		return err
	}
	if strings.Contains(text, phone) {
		return errors.New("the caller was named unasked")
	}
	began := time.Now()
	const group = "callers"
	if err := wants.press(ctx, page+"/ask", group, from.place.Desk); err != nil {
		return err
	}
	a, err := from.awaitFrom(ctx, to.place.Desk, "notification", began)
	if err != nil {
		return err
	}
	s.head(began, to.place.Title, from.place.Title, "asked", "[request:"+group+"] …")
	s.line("demo.foreign.handed", i18n.Args{"place": from.place.Title, "received": a.at.Format(exact)})
	if _, err := gives.until(ctx, page, page+"/give"); err != nil {
		return err
	}
	began = time.Now()
	if err := gives.press(ctx, page+"/give", group, to.place.Desk); err != nil {
		return err
	}
	if a, err = to.awaitFrom(ctx, from.place.Desk, "notification", began); err != nil {
		return err
	}
	if _, err := wants.until(ctx, page, phone); err != nil {
		return err
	}
	s.head(began, from.place.Title, to.place.Title, "given", "[given:"+group+"] "+phone)
	s.line("demo.foreign.handed", i18n.Args{"place": to.place.Title, "received": a.at.Format(exact)})
	return nil
}

// end lets everybody end the incident, so that no console rings for a play.
func (s *stage) end(ctx context.Context, said simulator.Say, c cast) error {
	for _, done := range s.script.Completed {
		if err := s.step(ctx, done, s.desks[done.From], s.desks[done.To], c); err != nil {
			return err
		}
		s.shown++
	}
	hub, here := s.out["euemsi"], s.desks["liberec"]
	last, err := hub.Send(simulator.Say{Kind: simulator.End, To: said.To, Incident: said.Incident, Accepted: true}, "")
	if err != nil {
		return err
	}
	s.head(last.Sent, hub.Title, here.place.Title, "completed", said.What)
	stored, err := hub.hear(ctx, simulator.Receipt, last.ID)
	if err != nil {
		return err
	}
	a, err := here.awaitFrom(ctx, hub.OID, "completion", last.Sent)
	if err != nil {
		return err
	}
	s.line("demo.foreign.receipts", i18n.Args{"stored": stored.At.Format(exact), "received": a.at.Format(exact)})
	return nil
}
