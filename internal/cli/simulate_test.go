package cli

import (
	"bytes"
	"cmp"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/czizs"
	"trojmezi/internal/simulator/euhub"
	"trojmezi/internal/simulator/plswd"
)

// A simulated Czech system hands over an event by a folder, hears its receipt, and
// finds what is wrong in another message.
func TestSimulate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	go func() { // the other side of the folder
		peer := simulator.New(czizs.Profile{}, "de.node", "cz.hzs.lbk", simulator.Test, nil)
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			names, _ := filepath.Glob(filepath.Join(dir, "in", "[^.]*.xml"))
			for _, name := range names {
				text, err := os.ReadFile(name)
				if err != nil || peer.Take(text) != nil {
					return
				}
				l, _ := peer.Letter(0)
				_ = os.WriteFile(filepath.Join(dir, "out", "1.xml"), l.Bytes, 0o600)
				_ = os.WriteFile(filepath.Join(dir, "out", "2.xml"), bytes.Replace(l.Bytes, []byte("Potvrzeni"), []byte("Potvrzen"), 2), 0o600)
				return
			}
		}
	}()
	var out, errw bytes.Buffer
	code := Main([]string{"--lang=en", "simulate", "czizs", "--name=cz.hzs.lbk", "--peer=de.node", "--folder=" + dir, "--events=1", "--for=8s"}, nil, &out, &errw)
	got := out.String()
	if code != exitFailed || !strings.Contains(got, "→ event") || !strings.Contains(got, "← receipt") || !strings.Contains(got, "! structure DatovaVeta/") || errw.Len() > 0 {
		t.Errorf("exit %d\n%s%s", code, got, errw.String())
	}
}

func TestSimulateUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"truncated, oversized": {"--folder=" + t.TempDir(), "--mistake=sloppy"},
		"--secret-file":        {"--listen=127.0.0.1:0"},
	} {
		var out, errw bytes.Buffer
		code := Main(append([]string{"--lang=en", "simulate", "plswd", "--name=a", "--peer=b", "--for=1s"}, args...), nil, &out, &errw)
		if code != exitUsage || !strings.Contains(errw.String(), want) {
			t.Errorf("exit %d, %s", code, errw.String())
		}
	}
}

// node is the side of a gateway's transport: it answers what it gets with a receipt.
type node struct {
	way  transport.Transport
	desk *simulator.Desk
	to   string
}

func (n node) Take(ctx context.Context, d transport.Delivery) error {
	if err := n.desk.Take(d.Body); err != nil {
		return err
	}
	l, _ := n.desk.Letter(0)
	return n.way.Send(ctx, transport.Parcel{ID: l.ID, To: n.to, Type: n.desk.Media(), Body: l.Bytes})
}

func (node) Cursor(context.Context) (string, error) { return "", nil }

// By a real broker, and by a hub at one, a gateway's transport gets what the simulated
// system says, and that hears the receipt; a node that misuses the hub is told.
func TestSimulateAMQP(t *testing.T) {
	address := os.Getenv("TROJMEZI_TEST_AMQP")
	if address == "" {
		t.Skip("TROJMEZI_TEST_AMQP is not set: .ci/rabbit start DIR prints it")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.User = url.User(u.User.Username())
	for _, c := range []struct {
		system  string
		profile simulator.Profile
		hub     bool
		key     string // instead of the right one
		wrong   string
	}{
		{system: "plswd", profile: plswd.Profile{}},
		{system: "euemsijson", profile: euhub.Profile{}, hub: true},
		{system: "euemsijson", profile: euhub.Profile{}, hub: true, key: "de.other", wrong: "! 200: the key de.other is not the sender"},
	} {
		name, peer := "sim."+simulator.NewID(), "de."+simulator.NewID()
		args := []string{"--lang=en", "simulate", c.system, "--name=" + name, "--peer=" + peer, "--amqp=" + u.String(), "--secret-file=" + secret, "--events=1", "--for=4s"}
		cfg := transport.AMQP{URL: "amqp://" + u.Host, Username: u.User.Username(), PasswordFile: secret, Queues: []string{peer}, InsecureLoopback: true}
		if c.hub {
			cfg.Exchange, cfg.RoutingKey, cfg.Queues = "hub-"+simulator.NewID(), cmp.Or(c.key, peer), []string{peer + ".message"}
			args = append(args, "--exchange="+cfg.Exchange)
		}
		way := transport.Config{AMQP: &cfg}
		if faults := way.Validate(); len(faults) > 0 {
			t.Fatalf("%+v", faults)
		}
		n := node{transport.New(way, "", clock.System()), simulator.New(c.profile, peer, name, simulator.Test, nil), name}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil { // until the queues are there
				_ = n.way.Receive(ctx, n, func() {})
				time.Sleep(50 * time.Millisecond)
			}
		}()
		var out, errw bytes.Buffer
		code := Main(args, nil, &out, &errw)
		stop()
		<-done
		want := 0
		if c.wrong != "" {
			want = exitFailed
		}
		if got := out.String(); code != want || !strings.Contains(got, "→ event") || !strings.Contains(got, "← receipt") || !strings.Contains(got, c.wrong) || errw.Len() > 0 {
			t.Errorf("%s: exit %d\n%s%s", c.system, code, got, errw.String())
		}
	}
}
