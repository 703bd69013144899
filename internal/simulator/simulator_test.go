package simulator_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/czizs"
	"trojmezi/internal/simulator/euhub"
	"trojmezi/internal/simulator/plswd"
)

// profiles are all there are, in all their forms.
var profiles = map[string]simulator.Profile{
	"czizs": czizs.Profile{}, "czizs windows-1250": czizs.Profile{Narrow: true}, "plswd": plswd.Profile{},
	"euhub JSON": euhub.Profile{}, "euhub XML": euhub.Profile{XML: true},
}

// event is one of a profile, with what is difficult to write.
func event(profile string) simulator.Say {
	s := map[string]func() simulator.Say{"czizs": czizs.Sample, "plswd": plswd.Sample, "euhub": euhub.Sample}[strings.Fields(profile)[0]]()
	s.What, s.More, s.Injured, s.Dead = "Požár haly – „sklad“", "Dva řádky & víc.\nŁąka <za> lasem.", 2, 1
	return s
}

// pair are two desks and a clock that only the test moves.
type pair struct {
	a, b *simulator.Desk
	now  time.Time
	at   [2]int
}

func newPair(p simulator.Profile) *pair {
	x := &pair{now: time.Date(2026, 11, 30, 10, 15, 0, 0, time.FixedZone("", 3600))}
	clock := func() time.Time { return x.now }
	x.a = simulator.New(p, "cz.hzs.lbk", "de.irls", simulator.Live, clock)
	x.b = simulator.New(p, "de.irls", "cz.hzs.lbk", simulator.Live, clock)
	return x
}

// carry carries until neither has anything to say.
func (x *pair) carry() {
	for more := true; more; {
		more = false
		for i, way := range [2][2]*simulator.Desk{{x.a, x.b}, {x.b, x.a}} {
			l, ok := way[0].Letter(x.at[i])
			if !ok || way[1].Take(l.Bytes) != nil {
				continue
			}
			x.at[i], more = l.Place, true
		}
	}
}

func of(heard []simulator.Heard, k simulator.Kind) []simulator.Heard {
	return slices.DeleteFunc(heard, func(h simulator.Heard) bool { return h.Kind != k })
}

func send(t *testing.T, d *simulator.Desk, s simulator.Say, mistake string) simulator.Say {
	t.Helper()
	said, err := d.Send(s, mistake)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// Whatever a profile writes it reads again without a fault, and a person's answer
// comes back.
func TestProfiles(t *testing.T) {
	for name, p := range profiles {
		t.Run(name, func(t *testing.T) {
			x := newPair(p)
			x.b.Behave(simulator.Behaviour{Decision: simulator.Reject, Words: "Není volná posádka", Think: time.Minute})
			said := send(t, x.a, event(name), "")
			x.carry()
			x.now = x.now.Add(time.Minute)
			x.carry()
			change := event(name)
			change.Kind, change.Incident, change.What = simulator.Change, said.Incident, "Požár haly, lokalizováno"
			send(t, x.a, change, "")
			send(t, x.a, simulator.Say{Kind: simulator.Text, Incident: said.Incident, Text: "Vrtulník přistává na hřišti."}, "")
			send(t, x.a, simulator.Say{Kind: simulator.End, Incident: said.Incident, Accepted: true, Text: "Předáno"}, "")
			x.carry()
			for _, h := range slices.Concat(x.a.Heard(), x.b.Heard()) {
				if len(h.Faults) > 0 || h.Repeated || h.Stale {
					t.Errorf("%s: %v\n%s", h.Kind, h.Faults, h.Bytes)
				}
			}
			got := of(x.b.Heard(), simulator.Event)[0]
			want := said
			if got.Incident != want.Incident || got.What != want.What || got.More != want.More || got.Type != want.Type || got.Lat != want.Lat || got.Phone != want.Phone || got.Injured != 2 {
				t.Errorf("heard %+v\nsaid %+v", got.Say, want)
			}
			answers := of(x.a.Heard(), simulator.Answer)
			if len(answers) != 1 || answers[0].Accepted || answers[0].About != said.ID || answers[0].Text != "Není volná posádka" {
				t.Errorf("answers %+v", answers)
			}
			if n := len(of(x.a.Heard(), simulator.Receipt)); n != 4 {
				t.Errorf("%d receipts for 4 messages", n)
			}
			if n := len(of(x.b.Heard(), simulator.End)); n != 1 || !of(x.b.Heard(), simulator.End)[0].Accepted {
				t.Errorf("%d ends", n)
			}
		})
	}
}

// Each mistake is found, and told to who made it where he can be known.
func TestMistakes(t *testing.T) {
	for name, p := range profiles {
		for _, m := range simulator.Mistakes {
			t.Run(name+" "+m.Name, func(t *testing.T) {
				x := newPair(p)
				first := send(t, x.a, event(name), "")
				x.carry()
				s := event(name)
				if m.Name == "stale" {
					s.Incident = first.Incident
				}
				made := send(t, x.a, s, m.Name)
				x.carry()
				heard := x.b.Heard()
				last := heard[len(heard)-1]
				switch {
				case m.Reasons == nil:
					if !last.Repeated && !last.Stale || len(last.Faults) > 0 {
						t.Errorf("repeated %v, stale %v, %v", last.Repeated, last.Stale, last.Faults)
					}
				case len(last.Faults) == 0 || !slices.Contains(m.Reasons, last.Faults[0].Reason):
					t.Errorf("found %v, want one of %v in\n%.900s", last.Faults, m.Reasons, last.Bytes)
				}
				failures := of(x.a.Heard(), simulator.Failure)
				if m.Reasons != nil && len(failures) != 1 || m.Reasons == nil && len(failures) > 0 {
					t.Errorf("%d failures for %s", len(failures), made.ID)
				}
			})
		}
	}
}

func TestUnknownMistake(t *testing.T) {
	if _, err := newPair(plswd.Profile{}).a.Send(event("plswd"), "sloppy"); err == nil {
		t.Error("a mistake that is none is made")
	}
}

// What is not acknowledged is sent again, until it is or until it expires.
func TestSilenceAndDown(t *testing.T) {
	x := newPair(czizs.Profile{})
	x.b.Behave(simulator.Behaviour{Silent: true})
	said := send(t, x.a, event("czizs"), "")
	for range 3 {
		x.carry()
		x.now = x.now.Add(30 * time.Second)
	}
	heard := of(x.b.Heard(), simulator.Event)
	if len(heard) != 3 || heard[0].Repeated || !heard[2].Repeated {
		t.Fatalf("%d events heard", len(heard))
	}
	x.b.Behave(simulator.Behaviour{Down: true})
	if err := x.b.Take(heard[0].Bytes); err != simulator.ErrDown {
		t.Errorf("a desk that is down says %v", err)
	}
	x.b.Behave(simulator.Behaviour{Decision: simulator.Accept})
	x.carry()
	x.now = x.now.Add(time.Hour)
	x.carry()
	if receipts := of(x.a.Heard(), simulator.Receipt); len(receipts) != 1 || receipts[0].About != said.ID {
		t.Errorf("receipts %v", receipts)
	}
	if n := len(of(x.b.Heard(), simulator.Event)); n != 4 {
		t.Errorf("%d events heard, want 4: none after the receipt", n)
	}
}

func TestExerciseAndStranger(t *testing.T) {
	x := newPair(plswd.Profile{})
	s := event("plswd")
	s.Mode = simulator.Exercise
	send(t, x.a, s, "")
	x.carry()
	if got := x.b.Heard()[0].Faults; len(got) != 1 || got[0].Reason != simulator.OtherMode {
		t.Errorf("an exercise at a desk in service: %v", got)
	}
	if got := of(x.a.Heard(), simulator.Failure); len(got) != 1 || got[0].Reason != simulator.OtherMode {
		t.Errorf("told: %+v", got)
	}
	s.Mode, s.From = simulator.Live, "somebody.else"
	send(t, x.a, s, "")
	x.carry()
	if got := x.b.Heard()[1].Faults; len(got) != 1 || got[0].Reason != simulator.WrongAddress {
		t.Errorf("from a stranger: %v", got)
	}
}

// A desk without a peer answers whoever wrote; to bytes of nobody it says nothing.
func TestNoPeer(t *testing.T) {
	for name, p := range profiles {
		t.Run(name, func(t *testing.T) {
			x := newPair(p)
			x.b = simulator.New(p, "de.irls", "", simulator.Live, func() time.Time { return x.now })
			x.b.Behave(simulator.Behaviour{Decision: simulator.Accept, Words: "Jedeme"})
			said := send(t, x.a, event(name), "")
			x.carry()
			answers := of(x.a.Heard(), simulator.Answer)
			if len(answers) != 1 || !answers[0].Accepted || answers[0].About != said.ID || len(answers[0].Faults) > 0 {
				t.Errorf("answers %+v", answers)
			}
			if r := of(x.a.Heard(), simulator.Receipt); len(r) != 1 || len(r[0].Faults) > 0 {
				t.Errorf("receipts %+v", r)
			}
			said.ID, said.To = "", "somebody.else"
			send(t, x.a, said, "")
			x.carry()
			if f := of(x.a.Heard(), simulator.Failure); len(f) != 1 || f[0].Reason != simulator.WrongAddress {
				t.Errorf("of a message for another: %+v", f)
			}
			before := len(x.b.Said())
			if err := x.b.Take([]byte("?")); err != nil || len(x.b.Said()) != before {
				t.Errorf("%v, said %+v", err, x.b.Said()[before:])
			}
		})
	}
}

var block = regexp.MustCompile("(?s)```(?:xml|json)\n(.*?)```")

// The examples of the documents are as the documents say.
func TestDocuments(t *testing.T) {
	for name, p := range map[string]simulator.Profile{"cz-izs.md": czizs.Profile{}, "pl-swd.md": plswd.Profile{}} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "profiles", name))
		if err != nil {
			t.Fatal(err)
		}
		examples := block.FindAllSubmatch(text, -1)
		if len(examples) < 3 {
			t.Errorf("%s has %d examples", name, len(examples))
		}
		for _, e := range examples {
			if h := p.Hear(e[1]); len(h.Faults) > 0 {
				t.Errorf("%s: %v in\n%s", name, h.Faults, e[1])
			}
		}
	}
}

func TestFolder(t *testing.T) {
	x := newPair(czizs.Profile{})
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- simulator.Folder(ctx, x.a, dir) }()
	send(t, x.a, event("czizs"), "")
	send(t, x.a, event("czizs"), "changed")
	read := map[string]bool{}
	for len(read) < 3 { // as the node does
		names, err := filepath.Glob(filepath.Join(dir, "in", "[^.]*.xml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !read[name] && x.b.Take(text) != nil {
				t.Fatal("it is not taken")
			}
			read[name] = true
		}
		time.Sleep(10 * time.Millisecond)
	}
	l, ok := x.b.Letter(0)
	if !ok {
		t.Fatal("the other desk says nothing")
	}
	if err := os.WriteFile(filepath.Join(dir, "out", "answer.xml"), l.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := x.a.Await(wait, func(h simulator.Heard) bool { return h.Kind == simulator.Receipt && len(h.Faults) == 0 }); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "out")); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestPush(t *testing.T) {
	x := newPair(euhub.Profile{XML: true})
	secret := []byte("0123456789abcdef")
	toB, toA := httptest.NewServer(simulator.Receiver(x.b, secret)), httptest.NewServer(simulator.Receiver(x.a, secret))
	defer toA.Close()
	defer toB.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = simulator.Push(ctx, x.a, http.DefaultClient, toB.URL, secret) }()
	go func() { _ = simulator.Push(ctx, x.b, http.DefaultClient, toA.URL, secret) }()
	x.b.Behave(simulator.Behaviour{Decision: simulator.Accept})
	said := send(t, x.a, event("euhub"), "")
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := x.a.Await(wait, func(h simulator.Heard) bool { return h.Kind == simulator.Answer && h.Accepted && h.About == said.ID }); err != nil {
		t.Error(err)
	}
	r, err := http.Post(toB.URL, "application/xml", strings.NewReader("<x/>"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Body.Close(); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a signature: %s", r.Status)
	}
}

// The server of the poll is asked by hand here, as its document says; the node's own
// poll is tried against it where the adapters are tested.
func TestServerRefusesStrangers(t *testing.T) {
	x := newPair(plswd.Profile{})
	send(t, x.a, event("plswd"), "")
	server := httptest.NewServer(simulator.Server(x.a, []byte("0123456789abcdef")))
	defer server.Close()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"?after=", bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		if answer.Body.Close(); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a signature: %s %s", method, answer.Status, body)
		}
	}
}

// Whatever comes is judged and never breaks a simulator.
func FuzzHear(f *testing.F) {
	for name, p := range profiles {
		x := newPair(p)
		if _, err := x.a.Send(event(name), ""); err != nil {
			f.Fatal(err)
		}
		l, _ := x.a.Letter(0)
		f.Add(l.Bytes)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		for name, p := range profiles {
			x := newPair(p)
			if err := x.b.Take(message); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h := x.b.Heard()[0]
			if len(h.Faults) == 0 && (h.ID == "" || h.Kind == "") {
				t.Errorf("%s takes a message without a number or a kind:\n%s", name, message)
			}
		}
	})
}
