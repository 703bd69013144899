package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/broker"
	simczizs "trojmezi/internal/simulator/czizs"
	"trojmezi/internal/simulator/euhub"
	simplswd "trojmezi/internal/simulator/plswd"
	"trojmezi/test/freeport"
)

const sharedSecret = "a secret of the two sides"

// foreignSide is a simulated system and the transport that leads to it.
type foreignSide struct {
	system  string
	profile simulator.Profile
	sample  func() simulator.Say
	connect func(t *testing.T, d *simulator.Desk, dir string) transport.Config
}

// foreignSides are every adapter, each by another way.
var foreignSides = map[string]foreignSide{
	"czizs by folder":                 {"czizs", simczizs.Profile{}, simczizs.Sample, byFolder},
	"czizs by folder in windows-1250": {"czizs", simczizs.Profile{Narrow: true}, simczizs.Sample, byFolder},
	"czizs by push":                   {"czizs", simczizs.Profile{}, simczizs.Sample, byPush},
	"plswd by poll":                   {"plswd", simplswd.Profile{}, simplswd.Sample, byPoll},
	"euemsi by push":                  {"euemsi", euhub.Profile{XML: true}, euhub.Sample, byPush},
	"euemsijson by poll":              {"euemsijson", euhub.Profile{}, euhub.Sample, byPoll},
	"plswd by AMQP":                   {"plswd", simplswd.Profile{}, simplswd.Sample, byQueues},
	"euemsijson by the hub":           {"euemsijson", euhub.Profile{}, euhub.Sample, byHub},
	"euemsi by the hub":               {"euemsi", euhub.Profile{XML: true}, euhub.Sample, byHub},
}

func background(t *testing.T, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func byFolder(t *testing.T, d *simulator.Desk, dir string) transport.Config {
	background(t, func(ctx context.Context) { _ = simulator.Folder(ctx, d, dir) })
	return transport.Config{Directory: &transport.Directory{Path: dir}}
}

func secretFile(t *testing.T, dir string) string {
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte(sharedSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func byPush(t *testing.T, d *simulator.Desk, dir string) transport.Config {
	listen := fmt.Sprintf("127.0.0.1:%d", freeport.Port())
	server := httptest.NewServer(simulator.Receiver(d, []byte(sharedSecret)))
	t.Cleanup(server.Close)
	background(t, func(ctx context.Context) {
		_ = simulator.Push(ctx, d, http.DefaultClient, "http://"+listen, []byte(sharedSecret))
	})
	return transport.Config{Push: &transport.Push{URL: server.URL, Listen: listen, SecretFile: secretFile(t, dir), InsecureLoopback: true}}
}

func byPoll(t *testing.T, d *simulator.Desk, dir string) transport.Config {
	server := httptest.NewServer(simulator.Server(d, []byte(sharedSecret)))
	t.Cleanup(server.Close)
	return transport.Config{Poll: &transport.Poll{URL: server.URL, SecretFile: secretFile(t, dir), Every: 250 * time.Millisecond, InsecureLoopback: true}}
}

// rabbitMQ is a real broker, and what leads a gateway to it.
func rabbitMQ(t *testing.T, dir string) (address string, way transport.AMQP) {
	address = os.Getenv("TROJMEZI_TEST_AMQP")
	if address == "" {
		t.Skip("TROJMEZI_TEST_AMQP is not set: .ci/rabbit start DIR prints it")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return address, transport.AMQP{URL: "amqp://" + u.Host, Username: u.User.Username(), PasswordFile: file, InsecureLoopback: true}
}

func byQueues(t *testing.T, d *simulator.Desk, dir string) transport.Config {
	address, way := rabbitMQ(t, dir)
	to, from := simulator.NewID(), simulator.NewID()
	background(t, func(ctx context.Context) { unbroken(t, ctx, broker.Queues(ctx, d, address, to, from)) })
	way.RoutingKey, way.Queues = from, []string{to}
	return transport.Config{AMQP: &way}
}

func byHub(t *testing.T, d *simulator.Desk, dir string) transport.Config {
	address, way := rabbitMQ(t, dir)
	exchange, node := "hubsante-"+simulator.NewID(), "de."+simulator.NewID()
	background(t, func(ctx context.Context) {
		unbroken(t, ctx, broker.Hub(ctx, d, address, exchange, node, func(what string) { t.Error(what) }))
	})
	way.Exchange, way.RoutingKey, way.Queues = exchange, node, []string{node + ".message", node + ".ack", node + ".info"}
	return transport.Config{AMQP: &way}
}

// unbroken reports a carrier that ended by itself.
func unbroken(t *testing.T, ctx context.Context, err error) {
	if ctx.Err() == nil {
		t.Error(err)
	}
}

// newForeign is a node with a gateway to a simulated system.
func newForeign(t *testing.T, f foreignSide) (*rig, *simulator.Desk) {
	r, d := builtForeign(t, f)
	r.start()
	return r, d
}

// builtForeign is the same before it is started.
func builtForeign(t *testing.T, f foreignSide) (*rig, *simulator.Desk) {
	d := simulator.New(f.profile, "xx.partner", "de.node", simulator.Live, nil)
	way := f.connect(t, d, t.TempDir())
	r := newRig(t, clock.System(), Config{Name: "foreign", OID: czech, System: f.system, Partner: "xx.partner", Addresses: []Address{{desk, "de.node"}}, Resend: 2 * time.Second, Transport: way})
	return r, d
}

func await(t *testing.T, d *simulator.Desk, match func(simulator.Heard) bool) simulator.Heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	h, err := d.Await(ctx, match)
	if err != nil {
		for _, h := range d.Heard() {
			t.Logf("%s %v\n%s", h.Kind, h.Faults, h.Bytes)
		}
		t.Fatal(err)
	}
	return h
}

// strict checks that all a system heard was as its document says.
func strict(t *testing.T, d *simulator.Desk) {
	t.Helper()
	for _, h := range d.Heard() {
		if len(h.Faults) > 0 {
			t.Errorf("%s: %v\n%s", h.Kind, h.Faults, h.Bytes)
		}
	}
}

// reply posts a message of incident_transfer from the desk to the foreign side.
func (r *rig) reply(schema, data string) {
	r.t.Helper()
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := r.node.Post(tx, &ucri.Envelope{Source: desk, Destinations: []string{czech}, Ack: ucri.AckAll,
			Payload: ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: schema, ContentType: ucri.ContentJSON, Data: data}})
		return err
	}))
}

// A foreign centre hands an event over, changes it and ends it; the desk gets all, and a
// person's answer goes back.
func TestForeignHandsOver(t *testing.T) {
	for name, f := range foreignSides {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			r, d := newForeign(t, f)
			event := f.sample()
			said, err := d.Send(event, "")
			r.ok(err)
			r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
			await(t, d, func(h simulator.Heard) bool { return h.Kind == simulator.Receipt && h.About == said.ID })
			data := r.got(desk)[0].Envelope.Payload.Data
			if !strings.Contains(data, event.What) || !strings.Contains(data, event.Type) || event.Phone != "" && !strings.Contains(data, event.Phone) {
				t.Errorf("%s", data)
			}
			var got struct {
				ID string `json:"sharedIncidentId"`
			}
			r.ok(json.Unmarshal([]byte(data), &got))
			r.reply("acknowledgement", `{"sharedIncidentId":"`+got.ID+`","status":"accepted","cause":"RTW fährt","acknowledgedByDispatcherAt":"`+ucri.FormatTime(r.clk.Now())+`"}`)
			answer := await(t, d, func(h simulator.Heard) bool { return h.Kind == simulator.Answer })
			if !answer.Accepted || answer.About != said.ID || answer.Incident != said.Incident {
				t.Errorf("the answer is %+v", answer.Say)
			}
			change := event
			change.Kind, change.Incident, change.What = simulator.Change, said.Incident, event.What+" (2)"
			_, err = d.Send(change, "")
			r.ok(err)
			r.until("the change", func() bool { return len(r.got(desk)) == 2 })
			_, err = d.Send(simulator.Say{Kind: simulator.End, Incident: said.Incident, Accepted: true, Text: "Předáno"}, "")
			r.ok(err)
			r.until("the end", func() bool { return len(r.got(desk)) == 3 })
			if e := r.got(desk)[2].Envelope.Payload; e.SchemaID != "completion" {
				t.Errorf("the end is %s: %s", e.SchemaID, e.Data)
			}
			strict(t, d)
		})
	}
}

// The desk hands over; the foreign side is down, then slow, then its person answers,
// and the desk is told each time what is known and no more.
func TestForeignAnswers(t *testing.T) {
	for name, f := range foreignSides {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			r, d := newForeign(t, f)
			d.Behave(simulator.Behaviour{Down: true})
			e := r.post(desk, czech, uuid(1), "Brand in der Neiße-Straße", 600)
			time.Sleep(time.Second)
			if r.receipt(e.ID).Ended() {
				t.Error("it counts as read at a system that is down")
			}
			d.Behave(simulator.Behaviour{Delay: 200 * time.Millisecond, Decision: simulator.Reject, Words: "Brak wolnych sił", Think: 500 * time.Millisecond})
			event := await(t, d, func(h simulator.Heard) bool { return h.Kind == simulator.Event })
			if event.Incident != uuid(1) || !strings.Contains(event.What, "Brand in der Neiße-Straße") || event.Lat != 50.85 {
				t.Errorf("heard %+v", event.Say)
			}
			r.until("the receipt", func() bool { return !r.receipt(e.ID).Read.IsZero() })
			r.until("the answer", func() bool { return len(r.got(desk)) > 0 })
			p := r.got(desk)[0].Envelope.Payload
			if p.SchemaID != "acknowledgement" || !strings.Contains(p.Data, `"rejected"`) || !strings.Contains(p.Data, "Brak wolnych sił") || !strings.Contains(p.Data, uuid(1)) {
				t.Errorf("%s %s", p.SchemaID, p.Data)
			}
			strict(t, d)
		})
	}
}

// Every mistake of a foreign side is told to it in its own words, and waits for a person
// where it may have been meant; none of them reaches the desk as an event.
func TestForeignMistakes(t *testing.T) {
	for _, name := range []string{"czizs by folder", "plswd by poll"} {
		f := foreignSides[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			r, d := newForeign(t, f)
			first, err := d.Send(f.sample(), "")
			r.ok(err)
			r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
			for _, m := range simulator.Mistakes {
				s := f.sample()
				if m.Name == "stale" {
					s.Incident = first.Incident
				}
				before, heard, waiting := len(r.got(desk)), len(d.Heard()), len(r.tray())
				said, err := d.Send(s, m.Name)
				r.ok(err)
				if slices.Contains(m.Reasons, simulator.Unreadable) { // nobody knows whose it is
					r.until("the tray", func() bool { return len(r.tray()) > waiting })
					continue
				}
				told := await(t, d, func(h simulator.Heard) bool {
					return h.About == said.ID && (m.Reasons == nil) == (h.Kind == simulator.Receipt) && len(d.Heard()) > heard
				})
				if m.Reasons != nil && !slices.Contains(m.Reasons, told.Reason) {
					t.Errorf("%s is told as %s, want one of %v: %s", m.Name, told.Reason, m.Reasons, told.Text)
				}
				if m.Name == "repeated" || m.Name == "changed" { // its first one is right
					r.until("the first one", func() bool { return len(r.got(desk)) == before+1 })
				} else if len(r.got(desk)) > before {
					t.Errorf("%s reaches the desk", m.Name)
				}
			}
		})
	}
}
