package conformance

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trojmezi/test/freeport"
)

func TestStart(t *testing.T) {
	t.Parallel()
	t.Run("peer_missing", func(t *testing.T) {
		t.Parallel()
		begin := time.Now()
		n, p := alone(t, "1.2.3.4.40", false)
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("a missing peer delayed the start to %v", took)
		}
		c := n.fresh(t)
		d := n.fresh(t)
		for name, at := range map[string]caller{"client": c.caller, "p2p": p.node} {
			if got := decode[record](t, at.call("GET", "/info", nil).want(t, 200))["status"]; got != 1.0 {
				t.Errorf("%s: status %v while a peer is missing, want 1", name, got)
			}
			if registry(t, at)[c.oid] == nil {
				t.Errorf("%s: a local participant is missing", name)
			}
		}
		c.send(d.oid, label("local"))
		d.await(1, soon)
		c.trySend(p.at(1)).wantError(t, 400, 470) // not learned yet
		p.open(t)
		if err := n.awaitStatus(0, soon); err != nil {
			t.Error(err)
		}
		if registry(t, c.caller)[p.at(1)] == nil {
			t.Error("the peer's participant was not learned")
		}
		c.send(p.at(1), label("late"))
		p.await(1, soon)
	})
	t.Run("peer_polled_every_2.5_s_while_starting", func(t *testing.T) {
		t.Parallel()
		p := newPeer("1.2.3.4.41.8.0")
		p.t, p.registry = t, 500
		p.open(t)
		t.Cleanup(p.down)
		n := start(t, spec{oid: "1.2.3.4.41.0", clients: pool("1.2.3.4.41", 2), accounts: []account{p.login("peer")}, peers: []peerRef{p.ref("peer")}})
		var polls []time.Time
		eventually(t, 2*soon, "five polls", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			polls = slices.Clone(p.polls)
			return len(polls) >= 5
		})
		p.mu.Lock()
		p.registry = 0
		p.mu.Unlock()
		var gaps []time.Duration
		for i := range polls[1:] {
			gaps = append(gaps, polls[i+1].Sub(polls[i]))
		}
		slices.Sort(gaps) // one may be long on a busy machine, not half of them
		if median := gaps[len(gaps)/2]; median > 2800*time.Millisecond {
			t.Errorf("%v between polls, want at most 2.5 s", gaps)
		}
		n.mustBe(t, 0)
	})
	t.Run("hanging_peer_does_not_hold_up_the_others", func(t *testing.T) {
		t.Parallel()
		silent, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", freeport.Port()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { silent.Close() })
		p := newPeer("1.2.3.4.42.8.0", "1.2.3.4.42.8.1")
		p.t = t
		p.open(t)
		t.Cleanup(p.down)
		n := start(t, spec{oid: "1.2.3.4.42.0", clients: pool("1.2.3.4.42", 2), accounts: []account{p.login("peer")}, peers: []peerRef{
			{"silent", "1.2.3.4.42.9.0", "http://" + silent.Addr().String() + "/ucrm/p2p/v0", "u", "p"}, p.ref("peer")}})
		c := n.fresh(t)
		eventually(t, soon, "the participants of the living peer", func() bool { return registry(t, c.caller)[p.at(1)] != nil })
		c.send(p.at(1))
		p.await(1, soon)
	})
	t.Run("without_peers_normal_at_once", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.43.0", clients: pool("1.2.3.4.43", 2)})
		if err := n.awaitStatus(0, soon); err != nil {
			t.Error(err)
		}
	})
	t.Run("second_node_started_later", func(t *testing.T) {
		t.Parallel()
		one := spec{oid: "1.2.3.4.44.0", clients: pool("1.2.3.4.44", 1), port: freeport.Port()}
		two := spec{oid: "1.2.3.4.45.0", clients: pool("1.2.3.4.45", 1), port: freeport.Port()}
		one.peers, two.peers = []peerRef{{"two", two.oid, p2pURL(two.port), "one", "pw-1"}}, []peerRef{{"one", one.oid, p2pURL(one.port), "two", "pw-2"}}
		one.accounts, two.accounts = []account{{"two", "pw-2", "p2p", []string{two.oid}, ""}}, []account{{"one", "pw-1", "p2p", []string{one.oid}, ""}}
		a := start(t, one)
		b := start(t, two)
		a.mustBe(t, 0)
		b.mustBe(t, 0)
		x, y := a.fresh(t), b.fresh(t)
		x.send(y.oid)
		y.send(x.oid)
		x.await(1, soon)
		y.await(1, soon)
	})
}

func TestProcess(t *testing.T) {
	t.Parallel()
	t.Run("promise_on_stdout_only_and_true", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.46.0", clients: pool("1.2.3.4.46", 1)})
		askToken(t, clientBase(n), basic(poolAccount, poolPassword)).want(t, 200)
		if strings.Contains(n.stderr.String(), "Listening on port") {
			t.Error("the line is on stderr, too")
		}
		if lines := strings.Count(n.stdout.String(), "Listening on port"); lines != 1 {
			t.Errorf("%d lines promise a port", lines)
		}
	})
	t.Run("no_child_survives_sigkill", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.47.0", clients: pool("1.2.3.4.47", 1)})
		n.kill()
		if n.childLeft() {
			t.Error("a process of the node's group is still there")
		}
		if _, err := net.DialTimeout("tcp", strings.TrimPrefix(n.base, "http://"), time.Second); err == nil {
			t.Error("the port is still served")
		}
	})
	t.Run("sigterm_ends_cleanly", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.48.0", clients: pool("1.2.3.4.48", 1)})
		c := n.fresh(t)
		held := make(chan reply, 1)
		go func() {
			held <- c.try("POST", "/messaging/receive", record{"destinations": []any{c.oid}, "maxDelay": 30})
		}()
		time.Sleep(200 * time.Millisecond)
		n.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-n.exited:
		case <-time.After(soon): // the poll would be held for 30 s
			t.Fatal("still running after SIGTERM with a held poll")
		}
		if code := n.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d\n%s", code, n.stderr.last(1<<10))
		}
		<-held
	})
	t.Run("localhost_on_both_families", func(t *testing.T) {
		t.Parallel()
		if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
			t.Skip("this host has no IPv6 loopback")
		} else {
			l.Close()
		}
		port := freeport.Port()
		start(t, spec{oid: "1.2.3.4.49.0", clients: pool("1.2.3.4.49", 1), port: port, change: func(exchange, _ record) {
			exchange["listen"] = fmt.Sprintf("localhost:%d", port)
		}})
		for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
			askToken(t, fmt.Sprintf("http://%s:%d/ucrm/client/v0", host, port), basic(poolAccount, poolPassword)).want(t, 200)
		}
	})
	t.Run("no_secret_in_the_log", func(t *testing.T) {
		n := solo(t)
		c := n.fresh(t)
		const personal = "Bohumila Nejezchlebová"
		c.send(c.oid, label(personal), as("incident_transfer", "incident", head+`,"missionLocation":`+place+`,"informers":[{"name":"`+personal+`"}]}`))
		c.trySend(c.oid, label(personal), as("incident_transfer", "incident", `{"informers":[{"name":"`+personal+`"}]}`)).wantError(t, 400, 464)
		log := n.stderr.String() + n.stdout.String()
		token, _ := n.token(poolAccount)
		for name, text := range map[string]string{"a personal name": personal, "a password": poolPassword, "a token": token} {
			if strings.Contains(log, text) {
				t.Errorf("the log contains %s", name)
			}
		}
	})
	t.Run("nothing_readable_in_the_data_folder", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.50.0", clients: pool("1.2.3.4.50", 1)})
		c := n.fresh(t)
		c.send(c.oid, as("incident_transfer", "incident", head+`,"missionLocation":`+place+`,"informers":[{"name":"Xaverová-Zkušební"}]}`))
		n.kill()
		filepath.WalkDir(filepath.Join(n.dir, "data"), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			for _, text := range []string{poolPassword, "Xaverová-Zkušební"} {
				if strings.Contains(string(content), text) {
					t.Errorf("%s stands readable in %s", text, path)
				}
			}
			return err
		})
	})
}

// A configuration that cannot work ends the program with a line for a person.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(exchange, root record)
		says   string // regular expression
	}{
		"plain_http_on_every_address": {func(x, _ record) { x["listen"] = "0.0.0.0:" + port() }, "loopback"},
		"plain_http_without_the_key":  {func(x, _ record) { x["insecure_loopback"] = false }, "insecure_loopback|(?i:tls)"},
		"browser_on_every_address":    {func(_, root record) { root["listen"] = "0.0.0.0:" + port() }, "listen"},
		"unknown_key":                 {func(x, _ record) { x["lissten"] = "x" }, "lissten"},
		"oid_no_oid":                  {func(x, _ record) { x["oid"] = "liberec" }, "oid"},
		"account_type_unknown":        {func(x, _ record) { x["accounts"] = []account{{"u", "p", "admin", nil, ""}} }, "admin"},
		"account_twice": {func(x, _ record) {
			x["accounts"] = []account{{"twin", "p", "client", nil, ""}, {"twin", "q", "client", nil, ""}}
		}, "twin"},
		"participant_without_name":     {func(x, _ record) { x["participants"] = []any{record{"id": "1.2.3.4.51.7"}} }, "participants"},
		"participant_twice":            {func(x, _ record) { x["participants"] = []any{participant("1.2.777"), participant("1.2.777")} }, `1\.2\.777`},
		"peer_without_address":         {func(x, _ record) { x["peers"] = []any{record{"id": "b", "oid": "1.2.3.4.5.1"}} }, "base_url"},
		"peer_plain_http_off_loopback": {func(x, _ record) { x["peers"] = []any{peerRef{"b", "1.9.9", "http://192.0.2.7/ucrm/p2p/v0", "u", "p"}} }, `192\.0\.2\.7`},
		"port_no_number":               {func(x, _ record) { x["listen"] = "127.0.0.1:http-alt-x" }, "listen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := newNode(spec{oid: "1.2.3.4.51.0", clients: pool("1.2.3.4.51", 1), change: c.change})
			if err != nil {
				t.Fatal(err)
			}
			n.endsWith(t)
			if _, err := n.launch(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-n.exited:
			case <-time.After(readyWithin):
				t.Fatal("the node runs with this configuration")
			}
			said := n.stderr.String() + n.stdout.String()
			if n.cmd.ProcessState.ExitCode() == 0 || !regexp.MustCompile(c.says).MatchString(said) || strings.Contains(said, "goroutine ") {
				t.Errorf("exit code %d, said %q, want a word about %q", n.cmd.ProcessState.ExitCode(), said, c.says)
			}
		})
	}
}

func port() string { return fmt.Sprint(freeport.Port()) }

// A hub serves clients only.
func TestHub(t *testing.T) {
	t.Parallel()
	n := start(t, spec{oid: "1.2.3.4.52.0", clients: pool("1.2.3.4.52", 3)})
	a, b := n.fresh(t), n.fresh(t)
	a.send(b.oid, ack("ALL"))
	b.await(1, soon)
	b.commit(1)
	a.await(1, soon)
	t.Run("peer_api_lets_nobody_in", func(t *testing.T) {
		askToken(t, p2pBase(n), basic("peer", "peer-secret-1")).wantError(t, 401, 475)
		caller{t: t, base: p2pBase(n), auth: a.auth}.call("GET", "/registry", nil).wantError(t, 401, 475)
		caller{t: t, base: p2pBase(n)}.call("POST", "/messaging/send", record{}).wantError(t, 401, 475)
	})
}
