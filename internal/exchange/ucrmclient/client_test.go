package ucrmclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"trojmezi/internal/format/ucri"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a UCRI 2 node as far as a client sees one. Tests replace handlers.
type node struct {
	*httptest.Server
	mux    *http.ServeMux
	tokens atomic.Int64 // handed out
	conns  atomic.Int64 // accepted
	life   time.Duration
	ahead  time.Duration // of the node's clock
	valid  atomic.Value  // string, the one token that is taken; "": all
}

const base = "/ucrm/client/v0"

func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func newNode(t testing.TB) *node {
	n := &node{mux: http.NewServeMux(), life: time.Hour}
	n.valid.Store("")
	n.mux.HandleFunc("GET "+base+"/token", func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "u" || p != "p" {
			refuse(w, 401, 475, "who are you")
			return
		}
		at := time.Now().Add(n.ahead)
		fmt.Fprintf(w, `{"token":%q}`, jwt(fmt.Sprintf(`{"iat":%d,"exp":%d,"n":%d}`, at.Unix(), at.Add(n.life).Unix(), n.tokens.Add(1))))
	})
	n.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/token") {
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if want := n.valid.Load().(string); !ok || want != "" && want != token {
				refuse(w, 401, 475, "token")
				return
			}
		}
		n.mux.ServeHTTP(w, r)
	}))
	n.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			n.conns.Add(1)
		}
	}
	n.Start()
	t.Cleanup(n.Close)
	return n
}

func (n *node) client(t testing.TB, change ...func(*Config)) *Client {
	cfg := Config{BaseURL: n.URL + base, Username: "u", Password: "p", UserAgent: "test/1"}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func refuse(w http.ResponseWriter, status, code int, reason string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%d,"reason":%q,"message":"general"}`, code, reason)
}

func envelope() *ucri.Envelope {
	return &ucri.Envelope{MessageID: "0b9a7c44-1d02-4f6e-9c3f-5e0d6b7a8c21", Source: "1.2.1", Destinations: []string{"1.2.2"}, Ack: ucri.AckAll,
		Payload: ucri.Payload{AppID: "classification_catalogue", AppVersion: "1.0", SchemaID: "request", ContentType: ucri.ContentJSON, Data: `{"requestId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911"}`}}
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Write(b)
}

func TestEndpoints(t *testing.T) {
	n := newNode(t)
	var seen []string
	note := func(r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.Path+" "+string(b))
		if r.Header.Get("Accept") != "application/json" || r.UserAgent() != "test/1" {
			t.Errorf("headers: %v", r.Header)
		}
	}
	item := string(envelope().AppendReceived(nil, "1.2.2", 7))
	const rec = `{"id":"1.2.2","systemName":"s","operatorName":"o","operatorShortName":"o","supportedApps":[],"techSupport":{"phone":"1","e-mail":"a@example.org"}}`
	for path, reply := range map[string]string{
		"POST /messaging/receive": `{"messages":[` + item + `],"maxMessages":5}`,
		"POST /messaging/commit":  "",
		"GET /registry":           `{"commParticipants":[` + rec + `,{"id":"x"}]}`,
		"GET /registry/1.2.2":     rec,
		"GET /info":               `{"apiVersion":"2.0.0","ucrmProvider":"p","ucrmProductName":"n","ucrmVersion":"1","status":1}`,
	} {
		n.mux.HandleFunc(strings.Replace(path, " ", " "+base, 1), func(w http.ResponseWriter, r *http.Request) {
			note(r)
			if reply == "" {
				w.WriteHeader(204)
			}
			io.WriteString(w, reply)
		})
	}
	n.mux.HandleFunc("POST "+base+"/messaging/send", echo)
	var dropped []error
	c := n.client(t, func(c *Config) { c.Invalid = func(err error) { dropped = append(dropped, err) } })
	ctx := t.Context()

	e, err := c.Send(ctx, envelope())
	if err != nil || cmp.Diff(envelope(), e) != "" {
		t.Errorf("send: %v %s", err, cmp.Diff(envelope(), e))
	}
	got, err := c.Receive(ctx, ucri.ReceiveRequest{Destinations: []string{"1.2.2", "1.2.3"}, MaxMessages: 5})
	if err != nil || len(got) != 1 || got[0].SequenceID != 7 || got[0].Destination != "1.2.2" || got[0].Payload.Data != envelope().Payload.Data {
		t.Errorf("receive: %+v %v", got, err)
	}
	if err := c.Commit(ctx, ucri.MessageRef{Destination: "1.2.2", SequenceID: 7}); err != nil {
		t.Error(err)
	}
	list, err := c.Registry(ctx)
	if err != nil || len(list) != 1 || list[0].ID != "1.2.2" || len(dropped) != 1 {
		t.Errorf("registry: %v %v %v", list, dropped, err)
	}
	if p, err := c.Participant(ctx, "1.2.2"); err != nil || p.ID != "1.2.2" {
		t.Errorf("participant: %v %v", p, err)
	}
	if i, err := c.Info(ctx); err != nil || i.Status != ucri.NodeStarting || i.APIVersion != "2.0.0" {
		t.Errorf("info: %+v %v", i, err)
	}
	if diff := cmp.Diff([]string{
		`POST ` + base + `/messaging/receive {"destinations":["1.2.2","1.2.3"],"maxMessages":5,"maxDelay":0}`,
		`POST ` + base + `/messaging/commit {"destination":"1.2.2","sequenceId":7}`,
		`GET ` + base + `/registry `, `GET ` + base + `/registry/1.2.2 `, `GET ` + base + `/info `,
	}, seen); diff != "" {
		t.Error(diff)
	}
	if n.tokens.Load() != 1 || n.conns.Load() != 1 {
		t.Errorf("%d tokens over %d connections, want one each", n.tokens.Load(), n.conns.Load())
	}
	if _, err := c.Participant(ctx, "../info"); err == nil || len(seen) != 5 {
		t.Errorf("asked for something that is no OID: %v", err)
	}
}

func TestReceiveNothing(t *testing.T) {
	n := newNode(t)
	n.mux.HandleFunc("POST "+base+"/messaging/receive", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	if got, err := n.client(t).Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{"1"}}); got != nil || err != nil {
		t.Errorf("%v %v", got, err)
	}
}

// TestReceiveWaits lets a receive wait longer than the timeout of a request.
func TestReceiveWaits(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.mux.HandleFunc("POST "+base+"/messaging/receive", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2500 * time.Millisecond)
		w.WriteHeader(204)
	})
	c := n.client(t, func(c *Config) { c.Timeout = 2 * time.Second })
	if _, err := c.Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{"1"}, MaxDelay: 20}); err != nil {
		t.Error(err)
	}
	if _, err := c.Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{"1"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestTokenSingleFlight(t *testing.T) {
	n := newNode(t)
	n.mux.HandleFunc("POST "+base+"/messaging/send", echo)
	c := n.client(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := c.Send(t.Context(), envelope()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := n.tokens.Load(); got != 1 {
		t.Errorf("%d tokens for 50 senders", got)
	}
}

// TestTokenOutlivesFirstCaller lets the caller that asks give up; the one that
// waits for it must still get a token.
func TestTokenOutlivesFirstCaller(t *testing.T) {
	asked, release := make(chan struct{}, 2), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		io.WriteString(w, `{"token":"opaque"}`)
	}))
	defer s.Close()
	c, err := New(Config{BaseURL: s.URL, Username: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := c.token(first, nil); gone <- err }()
	<-asked
	second := make(chan error)
	go func() { _, err := c.token(t.Context(), nil); second <- err }()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("second: %v", err)
	}
}

func TestTokenRenewed(t *testing.T) {
	for _, c := range []struct {
		name        string
		life, ahead time.Duration
		want        int64 // tokens after two sends
	}{
		{"long life", time.Hour, 0, 1},
		{"node's clock is a day behind", time.Hour, -24 * time.Hour, 1},
		{"void at once by our clock and by its own", -time.Hour, 0, 1}, // the node's 401 decides
		{"one second", time.Second, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.life, n.ahead = c.life, c.ahead
			n.mux.HandleFunc("POST "+base+"/messaging/send", echo)
			cl := n.client(t)
			for i := range 2 {
				if i == 1 && c.life == time.Second {
					old := *cl.current.Load()
					if left := time.Until(old.renew); left <= 0 || left > time.Second {
						t.Errorf("renewed in %v", left)
					}
					old.renew = time.Now()
					cl.current.Store(&old)
				}
				if _, err := cl.Send(t.Context(), envelope()); err != nil {
					t.Fatal(err)
				}
			}
			if got := n.tokens.Load(); got != c.want {
				t.Errorf("%d tokens, want %d", got, c.want)
			}
		})
	}
}

func TestTokenLife(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for claims, want := range map[string]time.Duration{
		`{"iat":5,"exp":65}`:        time.Minute,
		`{"exp":1000060}`:           time.Minute,
		`{"exp":1000060.5}`:         60500 * time.Millisecond,
		`{"iat":1000000,"exp":9e9}`: maxLife,
		`{"exp":1e300}`:             maxLife,
		`{"exp":-1e300}`:            opaqueLife,
		`{"exp":1}`:                 opaqueLife,
		`{"exp":"soon"}`:            opaqueLife,
		`{}`:                        opaqueLife,
		`no JSON`:                   opaqueLife,
	} {
		if got := tokenLife(jwt(claims), now); got != want {
			t.Errorf("%s: %v, want %v", claims, got, want)
		}
	}
	for _, opaque := range []string{"", "abc", "a.b", "a.%.c", "a.b.c.d"} {
		if got := tokenLife(opaque, now); got != opaqueLife {
			t.Errorf("%s: %v", opaque, got)
		}
	}
}

func TestTokenAfter401(t *testing.T) {
	n := newNode(t)
	n.mux.HandleFunc("POST "+base+"/messaging/send", echo)
	c := n.client(t)
	if _, err := c.Send(t.Context(), envelope()); err != nil {
		t.Fatal(err)
	}
	// The node was restarted with another key and takes the next token only.
	at := time.Now()
	n.valid.Store(jwt(fmt.Sprintf(`{"iat":%d,"exp":%d,"n":2}`, at.Unix(), at.Add(n.life).Unix())))
	if _, err := c.Send(t.Context(), envelope()); err != nil && at.Unix() == time.Now().Unix() {
		t.Error(err)
	}
	if got := n.tokens.Load(); got != 2 {
		t.Errorf("%d tokens", got)
	}
	n.valid.Store("none will do")
	_, err := c.Send(t.Context(), envelope())
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.Status != 401 || r.Code != ucri.CodeUnauthorized || r.Final() {
		t.Errorf("%#v", err)
	}
	if got := n.tokens.Load(); got != 3 {
		t.Errorf("%d tokens: one renewal per request at most", got)
	}
}

func TestWrongPassword(t *testing.T) {
	n := newNode(t)
	c := n.client(t, func(c *Config) { c.Password = "geheim-123" })
	_, err := c.Info(t.Context())
	if r, ok := errors.AsType[*Refusal](err); !ok || r.Status != 401 || r.Reason != "who are you" {
		t.Errorf("%v", err)
	}
	if strings.Contains(err.Error(), "geheim") {
		t.Error("the error shows the password")
	}
}

func TestBadTokenAnswers(t *testing.T) {
	for _, body := range []string{``, `{}`, `{"token":""}`, `{"token":"a b"}`, `{"token":"a\r\nX: y"}`, `{"token":7}`, `<html>secret</html>`, `{"token":"ž"}`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
		c, err := New(Config{BaseURL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "token: unusable answer") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", body, err)
		}
		c.Close()
		s.Close()
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		retry  string
		want   Refusal
		final  bool
	}{
		{400, `{"code":464,"reason":"no place","message":"m"}`, "", Refusal{Status: 400, Code: 464, Reason: "no place", Message: "m"}, true},
		{400, `<html>`, "", Refusal{Status: 400}, true},
		{400, ``, "", Refusal{Status: 400}, true},
		{400, `{"code":"464"}`, "", Refusal{Status: 400}, true},
		{400, `{"code":460,"reason":"a\u001b[31m\nb\u202ec"}`, "", Refusal{Status: 400, Code: 460, Reason: "a [31m b c"}, true},
		{404, `{"code":470,"reason":"r"}`, "", Refusal{Status: 404, Code: 470, Reason: "r"}, true},
		{413, `{"code":491,"reason":"r"}`, "", Refusal{Status: 413, Code: 491, Reason: "r"}, true},
		{408, ``, "", Refusal{Status: 408}, false},
		{425, ``, "", Refusal{Status: 425}, false},
		{429, `{"code":491,"reason":"r"}`, "3", Refusal{Status: 429, Code: 491, Reason: "r", RetryAfter: 3 * time.Second}, false},
		{429, ``, "99999999999", Refusal{Status: 429, RetryAfter: maxRetryAfter}, false},
		{503, ``, "9999999", Refusal{Status: 503, RetryAfter: maxRetryAfter}, false},
		{503, ``, "-5", Refusal{Status: 503}, false},
		{503, ``, "soon", Refusal{Status: 503}, false},
		{500, `{"code":491,"reason":"` + strings.Repeat("ž", 2000) + `"}`, "", Refusal{Status: 500, Code: 491, Reason: strings.Repeat("ž", 512) + "…"}, false},
		{502, strings.Repeat("x", 2*maxSmall), "", Refusal{Status: 502}, false},
		{302, ``, "", Refusal{Status: 302}, false},
	} {
		t.Run(strconv.Itoa(c.status), func(t *testing.T) {
			n := newNode(t)
			n.mux.HandleFunc("POST "+base+"/messaging/send", func(w http.ResponseWriter, _ *http.Request) {
				if c.retry != "" {
					w.Header().Set("Retry-After", c.retry)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			n.mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
			_, err := n.client(t).Send(t.Context(), envelope())
			r, ok := errors.AsType[*Refusal](err)
			if !ok {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(&c.want, r); diff != "" || r.Final() != c.final {
				t.Errorf("final %v, %s", r.Final(), diff)
			}
		})
	}
}

func TestRetryAfterDate(t *testing.T) {
	h := http.Header{"Retry-After": {"Wed, 01 Apr 2026 12:00:07 GMT"}, "Date": {"Wed, 01 Apr 2026 12:00:00 GMT"}}
	if got := retryAfter(h); got != 7*time.Second {
		t.Error(got)
	}
}

func TestBrokenAnswers(t *testing.T) {
	hijack := func(raw string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, raw)
			c.Close()
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"nothing":               hijack(""),
		"half a status line":    hijack("HTTP/1.1 20"),
		"shorter than promised": hijack("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"source\":"),
		"chunks without end":    hijack("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sou\r\n"),
		"complete but half":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"source":"1.2.1",`) },
		"page of a proxy":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>welcome</html>") },
		"empty":                 func(http.ResponseWriter, *http.Request) {},
		"no envelope":           func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{}`) },
		"promises too much":     hijack("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{"),
		"endless header":        hijack("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*headerBytes)),
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			b := []byte(strings.Repeat(" ", 64<<10))
			for {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.mux.HandleFunc("POST "+base+"/messaging/send", h)
			e, err := n.client(t).Send(t.Context(), envelope())
			if _, refused := errors.AsType[*Refusal](err); e != nil || err == nil || refused {
				t.Errorf("%v %v", e, err)
			}
			t.Log(err)
		})
	}
}

func TestHang(t *testing.T) {
	n := newNode(t)
	n.mux.HandleFunc("POST "+base+"/messaging/send", func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	n.mux.HandleFunc("GET "+base+"/info", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"apiVersion":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c := n.client(t, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	if _, err := c.Send(t.Context(), envelope()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := c.Info(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.client(t).Send(ctx, envelope()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestKeptConnectionClosed restarts the server's end of a kept connection.
func TestKeptConnectionClosed(t *testing.T) {
	n := newNode(t)
	n.mux.HandleFunc("POST "+base+"/messaging/commit", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(204)
	})
	c := n.client(t)
	for range 20 {
		if err := c.Commit(t.Context(), ucri.MessageRef{Destination: "1", SequenceID: 1}); err != nil {
			t.Fatal(err)
		}
		n.CloseClientConnections()
	}
}

func TestClockSkew(t *testing.T) {
	for _, c := range []struct{ ahead, min, max time.Duration }{
		{0, 0, 0},
		{time.Hour, time.Hour - 2*time.Second, time.Hour + 2*time.Second},
		{-time.Hour, -time.Hour - 2*time.Second, -time.Hour + 2*time.Second},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(c.ahead).UTC().Format(http.TimeFormat))
			io.WriteString(w, `{"token":"t"}`)
		}))
		cl, err := New(Config{BaseURL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if cl.ClockSkew() != 0 {
			t.Error("before any answer")
		}
		cl.Info(t.Context())
		if got := cl.ClockSkew(); got < c.min || got > c.max {
			t.Errorf("ahead %v: %v", c.ahead, got)
		}
		cl.Close()
		s.Close()
	}
}

func TestNewRefuses(t *testing.T) {
	for _, u := range []string{"", "localhost:80", "ftp://h/x", "http://", "http://u:geheim@h/", "http://h/?q", "http://h/#f", "http://h\x7f/"} {
		if _, err := New(Config{BaseURL: u}); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", u, err)
		}
	}
	if _, err := New(Config{BaseURL: "https://h", TLS: &tls.Config{InsecureSkipVerify: true}}); err == nil {
		t.Error("takes any certificate")
	}
	c, err := New(Config{BaseURL: "https://h/ucrm/p2p/v0/"})
	if err != nil || c.sendURL.String() != "https://h/ucrm/p2p/v0/messaging/send" {
		t.Errorf("%v %v", c.sendURL, err)
	}
}

// authority issues certificates for the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) issue(t testing.TB, uris ...string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, u := range uris {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		tpl.URIs = append(tpl.URIs, parsed)
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	ours := ca.issue(t, "urn:oid:1.2.1")
	for _, c := range []struct {
		name   string
		server *tls.Config
		oid    string
		ok     bool
	}{
		{"right node", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "urn:oid:1.2.9")}}, "1.2.9", true},
		{"one of several, word case ignored", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "urn:oid:1.2.8", "https://x.example", "URN:OID:1.2.9")}}, "1.2.9", true},
		{"certificate without OID", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "https://x.example")}}, "1.2.9", true},
		{"not asked", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "urn:oid:1.2.8")}}, "", true},
		{"another node", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "urn:oid:1.2.90")}}, "1.2.9", false},
		{"other authority", &tls.Config{Certificates: []tls.Certificate{other.issue(t, "urn:oid:1.2.9")}}, "1.2.9", false},
		{"TLS 1.2", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "urn:oid:1.2.9")}, MaxVersion: tls.VersionTLS12}, "1.2.9", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.TLS.PeerCertificates[0].URIs[0].String(); got != "urn:oid:1.2.1" {
					t.Errorf("client certificate of %s", got)
				}
				io.WriteString(w, `{"token":"t"}`)
			}))
			s.TLS = c.server.Clone()
			s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
			s.Config.ErrorLog = nil
			s.StartTLS()
			defer s.Close()
			cl, err := New(Config{BaseURL: s.URL, PeerOID: c.oid, TLS: &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ours}}})
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			_, err = cl.Info(t.Context())
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
			if c.name == "another node" {
				if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !strings.Contains(err.Error(), "1.2.90") {
					t.Errorf("%#v", err)
				}
			}
		})
	}
}

func BenchmarkSend(b *testing.B) {
	n := newNode(b)
	n.mux.HandleFunc("POST "+base+"/messaging/send", echo)
	c := n.client(b)
	body := envelope().AppendJSON(nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.SendRaw(b.Context(), body); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func FuzzTokenLife(f *testing.F) {
	f.Add(jwt(`{"iat":5,"exp":65}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if life := tokenLife(token, time.Unix(1_000_000, 0)); life < 0 || life > maxLife {
			t.Errorf("%v", life)
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add(400, "3", []byte(`{"code":464,"reason":"r","message":"m"}`))
	f.Add(503, "Wed, 01 Apr 2026 12:00:07 GMT", []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, retry string, body []byte) {
		r := refusal(&http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retry}}}, body)
		if r.RetryAfter < 0 || r.RetryAfter > maxRetryAfter || len(r.Reason) > maxReason+len("…") || strings.ContainsAny(r.Error(), "\n\r\x1b") {
			t.Errorf("%+v", r)
		}
	})
}
