package all

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/czizs"
	"trojmezi/internal/simulator/euhub"
	"trojmezi/internal/simulator/plswd"
)

const (
	here  = "de.sn.irls"
	there = "xx.partner"
)

// foreign are the other sides, written without the adapters, by the adapter's system.
var foreign = map[string]simulator.Profile{
	"czizs": czizs.Profile{}, "plswd": plswd.Profile{}, "euemsi": euhub.Profile{XML: true}, "euemsijson": euhub.Profile{},
}

// samples are an event of each.
var samples = map[string]func() simulator.Say{"czizs": czizs.Sample, "plswd": plswd.Sample, "euemsi": euhub.Sample, "euemsijson": euhub.Sample}

func system(t *testing.T, name string) (*adapter.Adapter, *simulator.Desk) {
	t.Helper()
	for _, a := range Adapters() {
		if a.System == name {
			return a, simulator.New(foreign[name], there, here, simulator.Live, nil)
		}
	}
	t.Fatalf("no adapter for %s", name)
	return nil, nil
}

// says gives messages of each kind that a person reads.
func says(system string) []simulator.Say {
	began := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	event := samples[system]()
	event.Incident, event.What, event.More = simulator.NewID(), "Požár haly – „sklad“, pożar, Brand", "Dva řádky & víc.\nŁąka <za> lasem."
	event.Began, event.Declared, event.Injured, event.Dead = began, began.Add(time.Minute), 2, 1
	change := event
	change.Kind, change.What = simulator.Change, "Požár haly, lokalizováno"
	of := func(k simulator.Kind, accepted bool, text string) simulator.Say {
		return simulator.Say{Kind: k, Incident: event.Incident, Accepted: accepted, Text: text}
	}
	return []simulator.Say{event, change, of(simulator.Text, false, "Vrtulník přistává."), of(simulator.Answer, true, "Jedeme"), of(simulator.Answer, false, "Není posádka"),
		of(simulator.End, true, "Předáno"), of(simulator.End, false, "Planý poplach")}
}

func letters(d *simulator.Desk) (all []simulator.Letter) {
	for l, ok := d.Letter(0); ok; l, ok = d.Letter(l.Place) {
		all = append(all, l)
	}
	return all
}

var arrival = adapter.Arrival{From: there, Own: []string{here}, Live: true}

// opened are the messages of a system that its adapter takes, acknowledged to it.
func opened(t *testing.T, name string) []*adapter.Message {
	t.Helper()
	a, desk := system(t, name)
	for _, s := range says(name) {
		if _, err := desk.Send(s, ""); err != nil {
			t.Fatal(err)
		}
	}
	var all []*adapter.Message
	at := arrival
	at.Now = time.Now()
	for _, l := range letters(desk) {
		m, refusal := a.Open(l.Bytes, at)
		if refusal != nil {
			t.Fatalf("%s: %v of\n%s", name, refusal, l.Bytes)
		}
		r, fault := a.Acknowledge(m, adapter.Reply{ID: simulator.NewID(), Now: at.Now, Life: time.Hour})
		if fault != nil {
			t.Fatalf("%s: no acknowledgement of %s: %v", name, m.ID, fault)
		}
		if err := desk.Take(r.Bytes); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	for n, h := range desk.Heard() {
		if h.Kind != simulator.Receipt || len(h.Faults) > 0 || h.About != letters(desk)[n].ID {
			t.Errorf("%s: the acknowledgement is heard as %s about %q: %v\n%s", name, h.Kind, h.About, h.Faults, h.Bytes)
		}
	}
	return all
}

// What one foreign side says, every other hears strictly by its own document: by way of
// the two adapters and UCRI 2.
func TestEverySideHearsEveryOther(t *testing.T) {
	for from := range foreign {
		messages := opened(t, from)
		for to := range foreign {
			if to == from {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				for _, m := range messages {
					for _, h := range hears(t, m, to) {
						if len(h.Faults) > 0 {
							t.Errorf("%s of %s: %v\n%s", h.Kind, m.Kind, h.Faults, h.Bytes)
						}
						switch {
						case h.Kind == simulator.Event && (h.Lat != samples[from]().Lat || !strings.Contains(h.What, "Požár haly – „sklad“")):
							t.Errorf("heard %+v", h.Say)
						case h.Kind == simulator.Answer && h.Accepted != (m.Content.Incident.Receipt.Status.Text == "accepted" || m.Content.Incident.Message.Type.Text == "ACK"):
							t.Errorf("accepted %v of\n%s", h.Accepted, h.Bytes)
						case h.Kind == simulator.End && h.Accepted != (m.Kind == "completion"):
							t.Errorf("worked off %v of a %s", h.Accepted, m.Kind)
						}
					}
				}
			})
		}
	}
}

// hears is what a system's simulator says of a message of another.
func hears(t *testing.T, m *adapter.Message, to string) []simulator.Heard {
	t.Helper()
	a, desk := system(t, to)
	posts, refusal := m.Posts(adapter.Addressed{Source: "1.2.203.1", Destination: "1.2.616.1"})
	if refusal != nil {
		t.Fatalf("%s: %v", m.Kind, refusal)
	}
	known := simulator.Say{Kind: simulator.Event, Incident: m.Content.Shared()} // who answers or changes an event was told of it
	if m.Kind != "incident" {
		if _, err := desk.Send(known, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range posts {
		out, refusal := adapter.FromUCRI(p.Envelope)
		if refusal != nil {
			t.Fatalf("%s: %v", m.Kind, refusal)
		}
		out.Sender, out.Receiver = here, there
		enc, fault := a.Encode(out)
		if fault != nil {
			t.Fatalf("%s: %s %v", out.Kind, fault.Rule, fault.Args)
		}
		if err := desk.Take(enc.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	return desk.Heard()
}

// liberal are mistakes inside EMSI that are understood nevertheless, or as the most
// careful thing they may mean: only envelopes are taken strictly.
var liberal = []string{"missing", "unknown-code"}

// The mistakes that a message shows by itself are refused with the reason that its
// system's document has for them. Whether it came before, or is about an event nobody
// was told of, is known to the gateway.
func TestMistakesAreTold(t *testing.T) {
	for name := range foreign {
		for _, mistake := range simulator.Mistakes {
			if slices.Contains([]string{"unknown-event", "repeated", "changed", "stale"}, mistake.Name) || strings.HasPrefix(name, "euemsi") && slices.Contains(liberal, mistake.Name) {
				continue
			}
			t.Run(name+" "+mistake.Name, func(t *testing.T) {
				a, desk := system(t, name)
				if _, err := desk.Send(says(name)[0], mistake.Name); err != nil {
					t.Fatal(err)
				}
				at := arrival
				at.Now = time.Now()
				l := letters(desk)[0]
				m, refusal := a.Open(l.Bytes, at)
				if refusal == nil {
					t.Fatalf("taken:\n%.2000s", l.Bytes)
				}
				r, fault := a.Refuse(m, refusal, adapter.Reply{ID: simulator.NewID(), Sender: here, Receiver: there, Now: at.Now, Life: time.Hour})
				if fault != nil {
					t.Fatalf("%v cannot be told: %v", refusal, fault)
				}
				if r == nil {
					t.Fatalf("%v is not told", refusal)
				}
				if err := desk.Take(r.Bytes); err != nil {
					t.Fatal(err)
				}
				h := desk.Heard()[0]
				if mistake.Name == "wrong-receiver" { // who refuses it does so in the name of whom it is for
					h.Faults = slices.DeleteFunc(h.Faults, func(f simulator.Fault) bool { return f.Reason == simulator.WrongAddress })
				}
				if h.Kind != simulator.Failure || len(h.Faults) > 0 || !slices.Contains(mistake.Reasons, h.Reason) {
					t.Errorf("%v is heard as %s %s, want one of %v; %v\n%s", refusal, h.Kind, h.Reason, mistake.Reasons, h.Faults, h.Bytes)
				}
			})
		}
	}
}

// An exercise for a desk in service is refused with the system's own word for it.
func TestExerciseIsTold(t *testing.T) {
	for name := range foreign {
		a, desk := system(t, name)
		s := samples[name]()
		s.Mode = simulator.Exercise
		if _, err := desk.Send(s, ""); err != nil {
			t.Fatal(err)
		}
		at := arrival
		at.Now = time.Now()
		m, refusal := a.Open(letters(desk)[0].Bytes, at)
		if refusal == nil || m.Mode() != "EXERCS" {
			t.Errorf("%s: an exercise is taken: %v", name, refusal)
			continue
		}
		r, fault := a.Refuse(m, refusal, adapter.Reply{ID: simulator.NewID(), Now: at.Now, Life: time.Hour})
		if fault != nil || r == nil {
			t.Fatalf("%s: %v", name, fault)
		}
		if err := desk.Take(r.Bytes); err != nil {
			t.Fatal(err)
		}
		if h := desk.Heard()[0]; h.Kind != simulator.Failure || h.Reason != simulator.OtherMode || len(h.Faults) > 0 {
			t.Errorf("%s: heard %s %s %v\n%s", name, h.Kind, h.Reason, h.Faults, h.Bytes)
		}
	}
}
