package exchange

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
)

// The allowance is each account's own, and a peer's own where the account serves
// several; the refusal names the limit.
func TestRateLimit(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint("strict ", strict), func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Limits.MessagesPerSecond, c.StrictSpec = 3, strict })
			send := func(user string) answerOf {
				return r.call("POST", clientPath+"/messaging/send", r.bearer(user), letter(r.accounts[user].OIDs[0], desk2))
			}
			for range 3 {
				send("desk1").ok()
			}
			status := http.StatusTooManyRequests
			if strict {
				status = http.StatusInternalServerError
			}
			refused := send("desk1")
			refused.want(status, ucri.CodeInternal, "3")
			if refused.Header().Get("Retry-After") != "1" {
				t.Error("no Retry-After")
			}
			send("desk2").ok()
		})
	}
}

func TestRateLimitOfAPeer(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Limits.MessagesPerSecond = 2
		// Two accounts with one peer each in plain mode stand for two certificates.
		c.Accounts = append(c.Accounts, Account{Username: "far", Password: "x", Type: "p2p", OIDs: []string{peerOID}},
			Account{Username: "other", Password: "x", Type: "p2p", OIDs: []string{otherOID}})
	})
	send := func(user, source string, n int) answerOf {
		return r.call("POST", p2pPath+"/messaging/send", r.bearer(user),
			letter(source, desk1, with("messageId", id(n)), with("sentDate", ucri.FormatTime(r.clk.Now())), with("timeout", 60), with("ack", "NONE")))
	}
	send("far", far1, 1).ok()
	send("far", far1, 2).ok()
	send("far", far1, 3).want(429, ucri.CodeInternal, "2")
	send("other", farther, 4).ok()
	if r.peers().byID["far"].rate == r.peers().byID["other"].rate {
		t.Error("two peers share one allowance")
	}
}

func TestSizeLimit(t *testing.T) {
	for _, c := range []struct {
		strict bool
		status int
		code   ucri.Code
	}{{false, 413, ucri.CodeInternal}, {true, 400, ucri.CodeClientInvalid}} {
		r := newRig(t, func(cfg *Config) { cfg.Limits.MessageBytes, cfg.StrictSpec = 2000, c.strict })
		for _, path := range []string{clientPath + "/messaging/send", clientPath + "/messaging/receive", clientPath + "/messaging/commit"} {
			r.call("POST", path, r.bearer("desk1"), bytes.Repeat([]byte(" "), 2001)).want(c.status, c.code, "2000")
			// Of unknown length.
			req := httptest.NewRequest("POST", path, io.MultiReader(bytes.NewReader(bytes.Repeat([]byte(" "), 2001))))
			req.ContentLength = -1
			req.Header.Set("Authorization", r.bearer("desk1"))
			w := httptest.NewRecorder()
			r.Handler().ServeHTTP(w, req)
			answerOf{w, t}.want(c.status, c.code, "2000")
		}
		r.call("POST", clientPath+"/messaging/send", r.bearer("desk1"),
			append(letter(desk1, desk2), bytes.Repeat([]byte(" "), 2000-len(letter(desk1, desk2)))...)).ok()
	}
}

// Whatever is asked, the answer is JSON with one of the specification's codes.
func TestPathsAndMethods(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, path string
		status       int
		code         ucri.Code
		allow        string
	}{
		{"GET", "/", 404, ucri.CodeClientInvalid, ""},
		{"GET", clientPath, 404, ucri.CodeClientInvalid, ""},
		{"GET", clientPath + "/infos", 404, ucri.CodeClientInvalid, ""},
		{"GET", clientPath + "/info/", 404, ucri.CodeClientInvalid, ""},
		{"GET", clientPath + "//info", 404, ucri.CodeClientInvalid, ""},
		{"GET", clientPath + "/../client/v0/info", 404, ucri.CodeClientInvalid, ""},
		{"GET", p2pPath + "/messaging/receive", 404, ucri.CodeP2PInvalid, ""},
		{"POST", p2pPath + "/messaging/commit", 404, ucri.CodeP2PInvalid, ""},
		{"GET", p2pPath + "/registry/" + desk1, 404, ucri.CodeP2PInvalid, ""},
		{"GET", p2pPath + "//info", 404, ucri.CodeP2PInvalid, ""},
		{"PUT", clientPath + "/messaging/send", 405, ucri.CodeClientInvalid, "POST"},
		{"GET", clientPath + "/messaging/send", 405, ucri.CodeClientInvalid, "POST"},
		{"DELETE", clientPath + "/registry/" + desk1, 405, ucri.CodeClientInvalid, "GET"},
		{"PUT", p2pPath + "/token", 405, ucri.CodeP2PInvalid, "GET, POST"},
		{"OPTIONS", p2pPath + "/messaging/send", 405, ucri.CodeP2PInvalid, "POST"},
		{"GET", clientPath + "/info", 401, ucri.CodeUnauthorized, ""},
		{"POST", p2pPath + "/messaging/send", 401, ucri.CodeUnauthorized, ""},
	} {
		a := r.call(c.method, c.path, "", nil)
		a.want(c.status, c.code)
		if a.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, a.Header().Get("Allow"), c.allow)
		}
	}
}

func TestRegistryMiss(t *testing.T) {
	r := newRig(t)
	for _, oid := range []string{"9.9.9", "nonsense", "..", "%2F", "1.2.3.1.", strings.Repeat("1.", 50_000), "%3Cscript%3E"} {
		a := r.call("GET", clientPath+"/registry/"+oid, r.bearer("desk1"), nil)
		a.want(404, ucri.CodeUnknownOID)
		if strings.Contains(a.Body.String(), "script") || a.Body.Len() > 1000 {
			t.Errorf("%.20s: the answer repeats what was asked", oid)
		}
	}
	r.call("GET", clientPath+"/registry/"+desk1, r.bearer("desk1"), nil).ok()
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.3":                             "1.2.3",
		"":                                  "",
		"1\n2":                              "1?2",
		"<b>":                               "???",
		"1.é":                               "1.?",
		"\xff1":                             "?1",
		strings.Repeat("1", 64):             strings.Repeat("1", 64),
		strings.Repeat("1", 65):             strings.Repeat("1", 64) + "…",
		"\u202e" + strings.Repeat("1", 100): "?" + strings.Repeat("1", 61) + "…",
	} {
		if got := short(in); got != want {
			t.Errorf("short(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestUnique(t *testing.T) {
	in := []string{"b", "a", "b", "a", "c"}
	if d := cmp.Diff([]string{"b", "a", "c"}, unique(in)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"b", "a", "b", "a", "c"}, in); d != "" {
		t.Error("the argument was changed:", d)
	}
}

// A panic below answers like any failure and tells nothing.
func TestPanicIsAnAnswer(t *testing.T) {
	r := newRig(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x", func(http.ResponseWriter, *http.Request) { panic("secret detail") })
	w := httptest.NewRecorder()
	r.guard(mux).ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
	answerOf{w, t}.want(500, ucri.CodeInternal)
	if strings.Contains(w.Body.String(), "secret") {
		t.Error("the panic's text was told:", w.Body)
	}
}

// Errors of our own are classified once: what can be tried again says when.
func TestInternalErrors(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		err    error
		status int
		key    string
		retry  bool
		faulty bool
	}{
		"other content": {errOtherContent, 400, "exchange.refuse.other_content", false, false},
		"closed":        {store.ErrClosed, 500, "exchange.refuse.unavailable", true, false},
		"unknown":       {errors.New("secret"), 500, "exchange.refuse.internal", false, false},
	} {
		r.faulty.Store(false)
		got := r.internal(fmt.Errorf("wrapped: %w", c.err))
		if got.status != c.status || got.code != ucri.CodeInternal || got.key != c.key || got.retry > 0 != c.retry || r.faulty.Load() != c.faulty {
			t.Errorf("%s: %+v, faulty %v", name, got, r.faulty.Load())
		}
		w := httptest.NewRecorder()
		r.fail(w, httptest.NewRequest("GET", "/", nil), c.err)
		if strings.Contains(w.Body.String(), "secret") || w.Header().Get("Retry-After") != "" != c.retry {
			t.Errorf("%s: %s, Retry-After %q", name, w.Body, w.Header().Get("Retry-After"))
		}
	}
}

// The reason is in the language that was asked for.
func TestReasonsLanguage(t *testing.T) {
	r := newRig(t)
	seen := map[string]string{}
	for _, lang := range []string{"cs", "de", "pl", "en"} {
		req := httptest.NewRequest("GET", clientPath+"/info", nil)
		req.Header.Set("Accept-Language", lang)
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		var body ucri.ErrorBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if w.Header().Get("Content-Language") != lang || seen[body.Reason] != "" {
			t.Errorf("%s: Content-Language %q, %q", lang, w.Header().Get("Content-Language"), body.Reason)
		}
		seen[body.Reason] = lang
	}
}

// Which account may do what: type × action, own address and foreign one.
func TestPolicy(t *testing.T) {
	r := newRig(t)
	interfaces := []string{"exchange.client", "exchange.p2p"}
	addresses := []string{"exchange.send", "exchange.receive", "exchange.commit"}
	for _, kind := range []string{"client", "p2p", "", "admin"} {
		actor := access.Actor{Type: "Account", ID: "x", Attributes: map[string]any{"type": kind, "oids": []string{desk1}}}
		for _, action := range append(slices.Clone(interfaces), "exchange.unknown") {
			err := r.policy.Can(t.Context(), actor, action, access.Resource{Type: "Interface", ID: "i"})
			if want := action == "exchange."+kind; (err == nil) != want {
				t.Errorf("%q %s: %v", kind, action, err)
			}
		}
		for _, action := range addresses {
			for _, oid := range []string{desk1, desk2, nodeOID, desk1 + ".", desk1 + ".1"} {
				err := r.policy.Can(t.Context(), actor, action, access.Resource{Type: "Address", ID: oid, Attributes: map[string]any{"oid": oid}})
				if want := kind == "client" && oid == desk1; (err == nil) != want {
					t.Errorf("%q %s %s: %v", kind, action, oid, err)
				}
			}
		}
	}
	// And over HTTP: a token is for one interface only.
	for _, c := range []struct{ user, path string }{{"neighbours", clientPath}, {"desk1", p2pPath}} {
		r.call("GET", c.path+"/info", r.bearer(c.user), nil).want(401, ucri.CodeUnauthorized)
	}
	r.call("GET", clientPath+"/info", r.bearer("desk1"), nil).ok()
	r.call("GET", p2pPath+"/info", r.bearer("neighbours"), nil).ok()
}

// The specification's order of checks: unknown before forbidden, the app's
// support before the payload.
func TestOrderOfChecks(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		body []byte
		code ucri.Code
	}{
		"unknown destination, foreign source": {letter(desk2, "9.9"), ucri.CodeUnknownOID},
		"foreign source, transport app":       {status(desk2, desk1, id(1), desk1, 200), ucri.CodeForbiddenOID},
		"transport app":                       {status(desk1, desk2, id(1), desk1, 200), ucri.CodeForbiddenApp},
		"unsupported app, bad payload": {letter(desk1, nodeOID, func(m map[string]any) {
			m["payload"].(map[string]any)["data"] = `{}`
		}), ucri.CodeUnsupportedApp},
		"bad payload": {letter(desk1, desk2, func(m map[string]any) { m["payload"].(map[string]any)["data"] = `{}` }), ucri.CodePayloadInvalid},
	} {
		_, err := r.sendClient(t.Context(), r.accounts["desk1"], c.body)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		t.Log(name)
		wantRefusal(t, r, err, 400, c.code)
	}
	for _, q := range []struct {
		oids []string
		code ucri.Code
	}{{[]string{desk2, "9.9"}, ucri.CodeUnknownOID}, {[]string{desk1, desk2}, ucri.CodeForbiddenOID}} {
		_, _, err := r.receive(t.Context(), r.accounts["desk1"], ucri.ReceiveRequest{Destinations: q.oids})
		wantRefusal(t, r, err, 400, q.code)
	}
}

// A node is no relay, a neighbour speaks for its own participants only, and only
// its node sends what is between nodes.
func TestWhatAPeerMaySend(t *testing.T) {
	r := newRig(t)
	for _, p := range r.peers().list {
		p.fetchedAt = time.Now() // the register was just read: nothing to ask
	}
	for name, c := range map[string]struct {
		body []byte
		code ucri.Code
	}{
		"to another node's participant": {letter(far1, farther), ucri.CodeUnknownOID},
		"to its own participant":        {letter(far1, far2), ucri.CodeUnknownOID},
		"as another node's participant": {letter(farther, desk1), ucri.CodeForbiddenOID},
		"as one of ours":                {letter(desk2, desk1), ucri.CodeForbiddenOID},
		"as our node":                   {letter(nodeOID, desk1), ucri.CodeForbiddenOID},
		"as nobody":                     {letter("9.9", desk1), ucri.CodeForbiddenOID},
		"a receipt by a participant":    {status(far1, desk1, id(1), far1, 200), ucri.CodeForbiddenApp},
	} {
		t.Log(name)
		wantRefusal(t, r, r.fromPeer("far", c.body), 400, c.code)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message`); n != 0 {
		t.Errorf("%d rows of refused messages", n)
	}
	// Availability is for the node and never reaches a client.
	body := letter(peerOID, desk1, func(m map[string]any) {
		p := m["payload"].(map[string]any)
		p["appId"], p["schemaId"], p["data"] = "transport_layer_messages", "participant_availability_update", fmt.Sprintf(`{"id":%q,"status":"online"}`, far1)
	})
	if err := r.fromPeer("far", body); err != nil {
		t.Fatal(err)
	}
	if got := r.read("desk1", desk1); len(got) != 0 {
		t.Errorf("passed to a client: %+v", got)
	}
	// Of another's participant it is not believed.
	update := func(from, about string) []byte {
		return letter(from, nodeOID, func(m map[string]any) {
			p := m["payload"].(map[string]any)
			p["appId"], p["schemaId"], p["data"] = "transport_layer_messages", "participant_availability_update", fmt.Sprintf(`{"id":%q,"status":"offline"}`, about)
		})
	}
	for about, want := range map[string]string{far1: ucri.StatusOffline, farther: ""} {
		if err := r.fromPeer("far", update(peerOID, about)); err != nil {
			t.Fatal(err)
		}
		if err := r.loadRegistry(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.registry.Load().lookup(about).rec.Status; got != want {
			t.Errorf("%s is %q, want %q", about, got, want)
		}
	}
}

// A register that was read a moment before the node begins to read registers, because of
// a message from somebody new, is read again: else the node would be starting for minutes.
func TestReadyAfterAnEarlyMessage(t *testing.T) {
	var reads atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/token") {
			fmt.Fprint(w, `{"token":"opaque"}`)
			return
		}
		reads.Add(1)
		json.NewEncoder(w).Encode(map[string]any{"commParticipants": []any{record(far1)}})
	}))
	defer srv.Close()
	r := newRig(t, func(c *Config) {
		c.Peers = c.Peers[:1]
		c.Peers[0].BaseURL = srv.URL + p2pPath
	})
	if err := r.fetchRegistry(t.Context(), r.peers().byID["far"]); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var polls sync.WaitGroup
	polls.Go(func() { r.pollRegistries(ctx) })
	defer polls.Wait()
	defer stop()
	until(t, "it is read again", func() bool { return reads.Load() > 1 })
	until(t, "the node is ready", func() bool {
		return r.ready.Load() && ask[int](r, `SELECT fetched FROM exchange_peer WHERE id = 'far'`) == 1
	})
}

// Several load the register at once; who loads after a change sees the change, and
// nobody puts back what was before it.
func TestRegisterNeverGoesBack(t *testing.T) {
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				r.loadRegistry(ctx)
			}
		})
	}
	for i := range 60 {
		oid := "1.2.4." + strconv.Itoa(100+i)
		r.learn(oid, "far")
		for range 20 {
			if r.registry.Load().lookup(oid) == nil {
				t.Fatalf("%s was there and is gone", oid)
			}
			runtime.Gosched()
		}
	}
}

// A participant that is new at the neighbour is looked up; when that fails the
// neighbour is asked to try again, not refused for good.
func TestNewSourceIsLookedUp(t *testing.T) {
	records := []any{record(far1), record("1.2.4.7"), record(desk1), record(otherOID), map[string]any{"id": "broken"}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/token") {
			fmt.Fprint(w, `{"token":"opaque"}`)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"commParticipants": records})
	}))
	defer srv.Close()
	r := newRig(t, func(c *Config) { c.Peers[0].BaseURL = srv.URL + p2pPath })
	if err := r.fromPeer("far", letter("1.2.4.7", desk1)); err != nil {
		t.Errorf("a participant the register has: %v", err)
	}
	wantRefusal(t, r, r.fromPeer("far", letter("1.2.4.8", desk1, with("messageId", id(2)))), 400, ucri.CodeForbiddenOID)
	// What it claimed of others is dropped.
	for oid, want := range map[string]string{desk1: "", otherOID: "other", "1.2.4.7": "far"} {
		if p := r.registry.Load().lookup(oid); p == nil || p.peer != want {
			t.Errorf("%s: %+v, want peer %q", oid, p, want)
		}
	}
	if r.registry.Load().lookup(far2) != nil {
		t.Error("a participant that left the register is still there")
	}
	// The other one can't be asked: 500 with Retry-After.
	err := r.fromPeer("other", letter("1.2.5.9", desk1))
	wantRefusal(t, r, err, 500, ucri.CodeInternal)
	if ref, ok := err.(*refusal); !ok || ref.retry == 0 {
		t.Errorf("not to be tried again: %v", err)
	}
}

// Both forms of asking for a token, and that a wrong one tells nothing.
func TestTokenForms(t *testing.T) {
	hash, err := identity.HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *Config) {
		c.Accounts = append(c.Accounts, Account{Username: "hashed", PasswordHash: hash, Type: "client", OIDs: []string{desk1}})
	})
	ask := func(method, user, password string, form url.Values) answerOf {
		req := httptest.NewRequest(method, clientPath+"/token", strings.NewReader(form.Encode()))
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if user != "" {
			req.SetBasicAuth(user, password)
			req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), "Basic", "bAsIc", 1))
		}
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		return answerOf{w, t}
	}
	grant := url.Values{"grant_type": {"client_credentials"}}
	full := url.Values{"grant_type": {"client_credentials"}, "client_id": {"hashed"}, "client_secret": {"correct horse"}}
	ask("GET", "desk1", "p1", nil).ok()
	ask("GET", "hashed", "correct horse", nil).ok()
	ask("POST", "desk1", "p1", grant).ok()
	a := ask("POST", "", "", full)
	a.ok()
	var body struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		Type        string `json:"token_type"`
		Expires     int    `json:"expires_in"`
	}
	if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil || body.Token == "" || body.Token != body.AccessToken || body.Type != "Bearer" || body.Expires != 900 {
		t.Errorf("%v: %s", err, a.Body)
	}
	r.call("GET", clientPath+"/info", "bearer "+body.Token, nil).ok()
	for _, bad := range []answerOf{
		ask("GET", "", "", nil), ask("GET", "desk1", "p2", nil), ask("GET", "nobody", "p1", nil), ask("GET", "hashed", "", nil),
		ask("GET", "neighbours", "pn", nil), // the other interface's
		ask("POST", "", "", url.Values{"grant_type": {"client_credentials"}}),
	} {
		bad.want(401, ucri.CodeUnauthorized)
		if bad.Header().Get("WWW-Authenticate") == "" {
			t.Error("401 without WWW-Authenticate")
		}
	}
	ask("POST", "desk1", "p1", url.Values{"grant_type": {"password"}}).want(400, ucri.CodeClientInvalid)
	// A token ends with its time.
	token := r.bearer("desk1")
	r.clk.Advance(tokenLife + time.Minute)
	r.call("GET", clientPath+"/info", token, nil).want(401, ucri.CodeUnauthorized)
	for _, header := range []string{"Bearer", "Bearer x", "Basic eA==", "Bearer " + strings.Repeat("a", 10_000)} {
		r.call("GET", clientPath+"/info", header, nil).want(401, ucri.CodeUnauthorized)
	}
}

// serve runs the node's listener and returns its address.
func (r *rig) serve() string {
	r.t.Helper()
	port := make(chan int, 1)
	errs := make(chan error, 1)
	runFor(r.t, func(ctx context.Context) error {
		err := r.Serve(ctx, func(p int) { port <- p })
		errs <- err
		return err
	})
	select {
	case p := <-port:
		return fmt.Sprintf("127.0.0.1:%d", p)
	case err := <-errs:
		r.t.Fatal(err)
		return ""
	}
}

// Somebody who announces a body and sends none holds a connection for the body's
// time and no longer, signed in or not.
func TestUnsentBodyEndsTheConnection(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 15 s")
	}
	t.Parallel()
	r := newRig(t)
	addr := r.serve()
	for name, auth := range map[string]string{"stranger": "", "desk": "Authorization: " + r.bearer("desk1") + "\r\n"} {
		for _, path := range []string{clientPath + "/messaging/send", clientPath + "/nowhere"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: node\r\n%sContent-Length: 1000\r\n\r\n{", path, auth)
				conn.SetReadDeadline(time.Now().Add(bodyTimeout + 30*time.Second))
				if _, err := io.ReadAll(conn); err != nil {
					t.Errorf("still connected: %v", err)
				}
			})
		}
	}
}

// A waiting receive is not cut by the time the request's body may take.
func TestReceiveWaitsLongerThanABodyMay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 17 s")
	}
	t.Parallel()
	r := newRig(t)
	addr := r.serve()
	req, err := http.NewRequest("POST", "http://"+addr+clientPath+"/messaging/receive", strings.NewReader(`{"destinations":["`+desk1+`"],"maxDelay":17}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", r.bearer("desk1"))
	start := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if d := time.Since(start); res.StatusCode != 204 || d < 17*time.Second {
		t.Errorf("%d after %s", res.StatusCode, d)
	}
}

// 100,000 digits in a path are an unknown address and nothing worse.
func TestLongPathOnTheWire(t *testing.T) {
	r := newRig(t)
	conn, err := net.Dial("tcp", r.serve())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s/registry/%s HTTP/1.1\r\nHost: node\r\nAuthorization: %s\r\n\r\n", clientPath, strings.Repeat("1", 100_000), r.bearer("desk1"))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	var e ucri.ErrorBody
	if err := json.Unmarshal(body, &e); err != nil || res.StatusCode != 404 || e.Code != ucri.CodeUnknownOID {
		t.Errorf("%d: %s", res.StatusCode, body)
	}
}

// Serve ends waiting receives at once and its listeners with it.
func TestServeEnds(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	port := make(chan int, 1)
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, func(p int) { port <- p }) }()
	addr := fmt.Sprintf("127.0.0.1:%d", <-port)
	waiting := make(chan int, 1)
	go func() {
		req, _ := http.NewRequest("POST", "http://"+addr+clientPath+"/messaging/receive", strings.NewReader(`{"destinations":["`+desk1+`"]}`))
		req.Header.Set("Authorization", r.bearer("desk1"))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			waiting <- 0
			return
		}
		res.Body.Close()
		waiting <- res.StatusCode
	}()
	until(t, "the poll is seen", func() bool { return r.statusOf(desk1) == ucri.StatusOnline })
	cancel()
	if code := <-waiting; code != 204 {
		t.Errorf("the waiting receive got %d", code)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(drainTimeout + 30*time.Second):
		t.Fatal("Serve did not end")
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("still listening")
	}
}

// After a restart the node is starting until its peers' registers were read anew,
// from the first answer on.
func TestStartingAfterARestart(t *testing.T) {
	r := newRig(t)
	r.exec(`UPDATE exchange_peer SET fetched = 1`)
	if r.db.Engine() != store.SQLite {
		t.Skip("with several instances another one may have read them")
	}
	looking := r.deps
	looking.Look = true
	if _, err := New(t.Context(), r.cfg, looking); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_peer WHERE fetched = 0`); n != 0 {
		t.Error("who only looked made the node one that starts")
	}
	again, err := New(t.Context(), r.cfg, r.deps)
	if err != nil {
		t.Fatal(err)
	}
	if s := again.Info().Status; s != ucri.NodeStarting {
		t.Errorf("status %d before any peer was asked", s)
	}
}
