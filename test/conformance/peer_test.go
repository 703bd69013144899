package conformance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/test/freeport"
)

// peer is a simulated UCRI 2 node with the P2P side only, written from the
// specification: a server for /token, /info, /registry and /messaging/send and
// a consumer of the same at the node under test. A case tells it how to
// misbehave; it writes down everything with its time.
type peer struct {
	oid        string
	user, pass string // what a node must show here
	addr       string
	t          testing.TB

	mu       sync.Mutex
	server   *http.Server
	records  []any
	answer   answer
	registry int           // status with which /registry refuses, 0: it does not
	ttl      time.Duration // life of a token
	revoked  time.Time     // tokens issued before are refused
	attempts []attempt
	polls    []time.Time // of /registry
	logins   []time.Time // at /token
	news     chan struct{}

	node caller // the P2P API of the other side
}

// attempt is one request to /messaging/send.
type attempt struct {
	at      time.Time
	message item
	raw     record
	outcome outcome
}

// outcome is how the peer treats one request.
type outcome struct {
	status int // answer; 0 with drop: none
	code   int
	reason string
	html   bool
	delay  time.Duration // before the answer
	drop   bool          // close the connection instead of answering
}

// answer decides about the n-th (from 1) app message; status and availability
// messages are always accepted.
type answer func(n int, m item) outcome

var accepted = outcome{status: 200}

func accept(int, item) outcome { return accepted }

func always(o outcome) answer { return func(int, item) outcome { return o } }

// first gives the outcome to the first k requests and accepts the rest.
func first(k int, o outcome) answer {
	return func(n int, _ item) outcome {
		if n <= k {
			return o
		}
		return accepted
	}
}

func refused(status, code int, reason string) outcome {
	return outcome{status: status, code: code, reason: reason}
}

// hang answers long after every timeout of a case.
var hang = outcome{status: 200, delay: time.Hour}

func newPeer(oid string, clients ...string) *peer {
	p := &peer{oid: oid, user: "at-" + oid, pass: "login-secret-1", answer: accept, ttl: time.Hour, news: make(chan struct{})}
	self := participant(oid)
	self["type"], self["key"], self["status"] = "ucrm", publicJWK(peerKey()), "online"
	self["transmitsUnsignedMessages"] = true
	p.records = []any{self}
	for _, c := range clients {
		p.records = append(p.records, participant(c))
	}
	p.addr = fmt.Sprintf("127.0.0.1:%d", freeport.Port())
	return p
}

func (p *peer) url() string { return "http://" + p.addr + "/ucrm/p2p/v0" }

// ref is the peer in a node's configuration, login the node's account for it.
func (p *peer) ref(id string) peerRef { return peerRef{id, p.oid, p.url(), p.user, p.pass} }
func (p *peer) login(name string) account {
	return account{name, "peer-secret-1", "p2p", []string{p.oid}, ""}
}

// up starts listening, again after down.
func (p *peer) up() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ucrm/p2p/v0/token", p.token)
	mux.HandleFunc("GET /ucrm/p2p/v0/info", p.known(p.info))
	mux.HandleFunc("GET /ucrm/p2p/v0/registry", p.known(p.list))
	mux.HandleFunc("POST /ucrm/p2p/v0/messaging/send", p.known(p.send))
	server := &http.Server{Handler: mux}
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go server.Serve(l)
	return nil
}

// down stops listening and cuts all connections.
func (p *peer) down() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	if server != nil {
		server.Close()
	}
}

// set changes the peer under its lock.
func (p *peer) set(change func(p *peer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *peer) answers(a answer) { p.set(func(p *peer) { p.answer = a }) }

// revoke makes all tokens issued so far invalid.
func (p *peer) revoke() { p.set(func(p *peer) { p.revoked = time.Now() }) }

const peerTokenKey = "key of the simulated peer's tokens"

func tokenMAC(text string) string {
	mac := hmac.New(sha256.New, []byte(peerTokenKey))
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (p *peer) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logins = append(p.logins, time.Now())
	if user, pass, ok := r.BasicAuth(); !ok || user != p.user || pass != p.pass {
		writeError(w, refused(401, 475, "name or password is wrong"))
		return
	}
	iat := time.Now()
	claims := fmt.Sprintf(`{"iat":%d,"exp":%d,"nano":%d}`, iat.Unix(), iat.Add(p.ttl).Unix(), iat.UnixNano())
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	writeJSON(w, 200, record{"token": text + "." + tokenMAC(text)})
}

// known lets a request with a valid token pass.
func (p *peer) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		cut := strings.LastIndexByte(token, '.')
		var claims struct{ Exp, Nano int64 }
		if cut > 0 && tokenMAC(token[:cut]) == token[cut+1:] {
			_, body, _ := strings.Cut(token[:cut], ".")
			text, _ := base64.RawURLEncoding.DecodeString(body)
			json.Unmarshal(text, &claims)
		}
		p.mu.Lock()
		valid := time.Now().Unix() < claims.Exp && time.Unix(0, claims.Nano).After(p.revoked)
		p.mu.Unlock()
		if !valid {
			writeError(w, refused(401, 475, "the token is not valid"))
			return
		}
		next(w, r)
	}
}

func (p *peer) info(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, 200, record{"apiVersion": "2.0.0", "ucrmProvider": "suite", "ucrmProductName": "simulated peer", "ucrmVersion": "1", "status": 0})
}

func (p *peer) list(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polls = append(p.polls, time.Now())
	if p.registry != 0 {
		writeError(w, refused(p.registry, 491, "the registry is being rebuilt"))
		return
	}
	writeJSON(w, 200, record{"commParticipants": p.records})
}

func (p *peer) send(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m item
	var raw record
	if err != nil || json.Unmarshal(body, &m) != nil || json.Unmarshal(body, &raw) != nil {
		writeError(w, refused(400, 480, "the message is not JSON"))
		return
	}
	missing := slices.ContainsFunc([]string{"messageId", "sentDate", "timeout", "ack", "source", "destinations", "payload"}, func(name string) bool { return raw[name] == nil })
	o := accepted
	p.mu.Lock()
	switch {
	case missing || len(m.Destinations) != 1:
		o = refused(400, 480, "an obligatory member is missing")
	case !p.local(m.Destinations[0]):
		o = refused(400, 470, "the destination is not known here")
	case m.Payload.AppID != "transport_layer_messages":
		o = p.answer(1+len(p.apps()), m)
	}
	p.attempts = append(p.attempts, attempt{time.Now(), m, raw, o})
	close(p.news)
	p.news = make(chan struct{})
	p.mu.Unlock()

	select {
	case <-time.After(o.delay):
	case <-r.Context().Done():
		return
	}
	switch {
	case o.drop:
		panic(http.ErrAbortHandler)
	case o.status != 200:
		writeError(w, o)
	default:
		writeJSON(w, 200, raw)
	}
}

func (p *peer) local(oid string) bool {
	return slices.ContainsFunc(p.records, func(r any) bool {
		known, _ := r.(record)
		return known["id"] == oid
	})
}

// apps are the attempts to deliver app messages; the lock is held.
func (p *peer) apps() (all []attempt) {
	for _, a := range p.attempts {
		if a.message.Payload.AppID != "transport_layer_messages" {
			all = append(all, a)
		}
	}
	return all
}

func writeError(w http.ResponseWriter, o outcome) {
	if o.html {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(o.status)
		fmt.Fprintf(w, "<html><body>%s</body></html>", o.reason)
		return
	}
	writeJSON(w, o.status, record{"code": o.code, "reason": o.reason, "message": o.reason})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// tried are all attempts to deliver app messages so far.
func (p *peer) tried() []attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.apps()
}

// got are the accepted app messages, each once, in the order of acceptance.
func (p *peer) got() (all []item) {
	for _, a := range p.tried() {
		seen := slices.ContainsFunc(all, func(m item) bool { return m.MessageID == a.message.MessageID })
		if a.outcome.status == 200 && a.outcome.delay < time.Hour && !seen {
			all = append(all, a.message)
		}
	}
	return all
}

// await waits for n accepted app messages.
func (p *peer) await(n int, within time.Duration) []item {
	p.t.Helper()
	p.waitFor(within, fmt.Sprintf("%d messages at peer %s", n, p.oid), func() bool { return len(p.got()) >= n })
	return p.got()
}

// waitFor waits at each arrival until ok.
func (p *peer) waitFor(within time.Duration, what string, ok func() bool) {
	p.t.Helper()
	late := time.After(within)
	for {
		p.mu.Lock()
		news := p.news
		p.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-news:
		case <-late:
			p.t.Fatalf("not within %v: %s; got %s", within, what, labels(p.got()))
		}
	}
}

// updates are the availability messages about a participant.
func (p *peer) updates(oid string) (all []attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.attempts {
		if a.message.Payload.SchemaID == "participant_availability_update" && strings.Contains(a.message.Payload.Data, `"`+oid+`"`) {
			all = append(all, a)
		}
	}
	return all
}

// statuses are the delivery statuses for a client of the peer.
func (p *peer) statuses(oid string) (all []attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.attempts {
		if a.message.Payload.SchemaID == "message_delivery_status" && a.message.Destinations[0] == oid {
			all = append(all, a)
		}
	}
	return all
}

// connect logs the peer in at the other side as a consumer.
func (p *peer) connect(t testing.TB, base, user, pass string) {
	t.Helper()
	token, err := fetchToken(base, user, pass)
	if err != nil {
		t.Fatal(err)
	}
	p.node = caller{t: t, base: base, auth: "Bearer " + token}
}

// deliver sends a complete message to the other side.
func (p *peer) deliver(from, to string, edits ...edit) reply {
	p.t.Helper()
	return p.node.call("POST", "/messaging/send", message(from, to, append([]edit{complete}, edits...)...))
}

func TestSimulatedPeer(t *testing.T) {
	t.Parallel()
	one, two := newPeer("1.9.1.0", "1.9.1.1"), newPeer("1.9.2.0", "1.9.2.1")
	for _, p := range []*peer{one, two} {
		p.t = t
		if err := p.up(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.down)
	}
	one.connect(t, two.url(), two.user, two.pass)

	if _, err := fetchToken(two.url(), two.user, "wrong"); err == nil {
		t.Error("a wrong password gives a token")
	}
	one.node.call("GET", "/info", nil).want(t, 200)
	list := decode[struct{ CommParticipants []record }](t, one.node.call("GET", "/registry", nil).want(t, 200))
	if len(list.CommParticipants) != 2 {
		t.Errorf("registry has %d records, want 2", len(list.CommParticipants))
	}

	one.deliver("1.9.1.1", "1.9.2.1", label("1"), signed(peerKey(), reference)).want(t, 200)
	one.deliver("1.9.1.1", "1.9.2.77").wantError(t, 400, 470)
	one.deliver("1.9.1.1", "1.9.2.1", drop("ack")).wantError(t, 400, 480)
	sent := two.await(1, soon)
	if labels(sent) != "1" {
		t.Errorf("peer got %s", labels(sent))
	}
	if f, err := verify(&peerKey().PublicKey, two.tried()[0].raw, sent[0].Signature); f != reference {
		t.Errorf("signature verifies as %q, %v", f, err)
	}

	two.answers(always(refused(500, 491, "the disk is full")))
	one.deliver("1.9.1.1", "1.9.2.1").wantError(t, 500, 491)
	two.answers(always(outcome{status: 200, drop: true}))
	body := message("1.9.1.1", "1.9.2.1", complete, label("2"))
	if r := one.node.try("POST", "/messaging/send", body); r.err == nil {
		t.Errorf("a dropped connection answers %v", r)
	}
	two.answers(accept)
	one.node.call("POST", "/messaging/send", body).want(t, 200)
	if got := labels(two.got()); got != "1 2" {
		t.Errorf("peer got %q, want each message once", got)
	}

	two.revoke()
	one.deliver("1.9.1.1", "1.9.2.1").wantError(t, 401, 475)
	two.down()
	if r := one.node.try("GET", "/info", nil); r.err == nil {
		t.Errorf("a peer that is down answers %v", r)
	}
	if err := two.up(); err != nil {
		t.Fatal(err)
	}
	one.connect(t, two.url(), two.user, two.pass)
	one.deliver("1.9.1.1", "1.9.2.1", label("3")).want(t, 200)
}
