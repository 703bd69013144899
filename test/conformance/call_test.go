package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// published are the error codes of the specification; no others may appear.
var published = []int{460, 461, 462, 463, 464, 465, 466, 467, 468, 470, 475, 478, 479, 480, 491}

var web = &http.Client{
	Timeout:   40 * time.Second, // the longest poll is held for 30 s
	Transport: &http.Transport{MaxIdleConnsPerHost: 512},
}

// reply is one HTTP answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
	err    error
}

// caller speaks one of the two APIs of a node.
type caller struct {
	t     testing.TB
	base  string // …/ucrm/client/v0 or …/ucrm/p2p/v0
	auth  string // the Authorization header
	agent *http.Client
}

func clientBase(n *node) string { return n.base + "/ucrm/client/v0" }
func p2pBase(n *node) string    { return n.base + "/ucrm/p2p/v0" }

// call sends a body (nil, string, []byte or anything for JSON) and reads the answer.
func (c caller) call(method, path string, body any) reply {
	c.t.Helper()
	r := c.try(method, path, body)
	if r.err != nil && c.t.Context().Err() == nil { // a case that is over needs no answer
		c.t.Errorf("%s %s: %v", method, path, r.err)
	}
	return r
}

// try is call for cases in which no answer is a possible outcome.
func (c caller) try(method, path string, body any) reply {
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	case []byte:
		content = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return reply{err: err}
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, content)
	if err != nil {
		return reply{err: err}
	}
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.auth != "" {
		request.Header.Set("Authorization", c.auth)
	}
	return c.do(request)
}

func (c caller) do(request *http.Request) reply {
	agent := c.agent
	if agent == nil {
		agent = web
	}
	begin := time.Now()
	answer, err := agent.Do(request)
	if err != nil {
		return reply{err: err, took: time.Since(begin)}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, body, time.Since(begin), err}
}

func (r reply) String() string {
	return fmt.Sprintf("%d %s %.300s", r.status, r.header.Get("Content-Type"), r.body)
}

// want fails the case unless the answer has this status.
func (r reply) want(t testing.TB, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("got %v, want status %d", r, status)
	}
	return r
}

// wantError checks status, code and form of an error answer.
func (r reply) wantError(t testing.TB, status int, codes ...int) {
	t.Helper()
	if r.status != status {
		t.Fatalf("got %v, want status %d with code %v", r, status, codes)
	}
	if code := r.wantErrorForm(t); !slices.Contains(codes, code) {
		t.Errorf("got %v, want code %v", r, codes)
	}
}

// wantErrorForm checks what every error answer has in common and returns its code.
func (r reply) wantErrorForm(t testing.TB) int {
	t.Helper()
	if kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type")); kind != "application/json" {
		t.Errorf("error answer is %q, want application/json: %v", kind, r)
	}
	var e struct {
		Code   int
		Reason string
	}
	if err := json.Unmarshal(r.body, &e); err != nil {
		t.Errorf("error answer is not JSON: %v: %v", err, r)
		return 0
	}
	if !slices.Contains(published, e.Code) {
		t.Errorf("code %d is not a published one: %v", e.Code, r)
	}
	if !human(e.Reason) {
		t.Errorf("reason %q is nothing for a person", e.Reason)
	}
	return e.Code
}

// human tells whether a text is at least two words without traces of a program.
func human(reason string) bool {
	if !utf8.ValidString(reason) || len(strings.Fields(reason)) < 2 {
		return false
	}
	for _, trace := range []string{"<", "goroutine", ".go:", "panic", "SQL", "sqlite", "%!", "⟦", "json:", "0x"} {
		if strings.Contains(reason, trace) {
			return false
		}
	}
	return true
}

func decode[T any](t testing.TB, r reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%v: %v", err, r)
	}
	return v
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// fetchToken asks for a token as the specification says: GET with HTTP Basic.
func fetchToken(base, user, password string) (string, error) {
	request, err := http.NewRequest("GET", base+"/token", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", basic(user, password))
	r := caller{}.do(request)
	var answer struct{ Token string }
	if r.err == nil && r.status == 200 {
		r.err = json.Unmarshal(r.body, &answer)
	}
	if r.err != nil || answer.Token == "" {
		return "", fmt.Errorf("token for %s at %s: %v %v", user, base, r.err, r)
	}
	return answer.Token, nil
}

// token is fetchToken once per account and process.
func (n *node) token(name string) (string, error) {
	for _, a := range append([]account{{poolAccount, poolPassword, "client", nil, ""}}, n.accounts...) {
		if a.Username != name {
			continue
		}
		base := clientBase(n)
		if a.Type == "p2p" {
			base = p2pBase(n)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.tokens[name] == "" {
			token, err := fetchToken(base, name, a.Password)
			if err != nil {
				return "", err
			}
			n.tokens[name] = token
		}
		return n.tokens[name], nil
	}
	return "", fmt.Errorf("no account %q", name)
}

// api is the client API under the name of an account.
func (n *node) api(t testing.TB, name string) caller {
	t.Helper()
	token, err := n.token(name)
	if err != nil {
		t.Fatal(err)
	}
	return caller{t: t, base: clientBase(n), auth: "Bearer " + token}
}

// p2p is the P2P API under the name of an account.
func (n *node) p2p(t testing.TB, name string) caller {
	c := n.api(t, name)
	c.base = p2pBase(n)
	return c
}

// awaitStatus polls /info until the node reports a status.
func (n *node) awaitStatus(status int, within time.Duration) error {
	token, err := n.token(n.anyAccount())
	if err != nil {
		return err
	}
	var last reply
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		request, err := http.NewRequest("GET", clientBase(n)+"/info", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		last = caller{}.do(request)
		var info struct{ Status *int }
		if json.Unmarshal(last.body, &info) == nil && info.Status != nil && *info.Status == status {
			return nil
		}
	}
	return fmt.Errorf("node %s: status not %d within %v, last answer %v\n%s", n.oid, status, within, last, n.stderr.last(2<<10))
}

func (n *node) anyAccount() string {
	if len(n.clients) > 0 {
		return poolAccount
	}
	return n.accounts[0].Username
}

// eventually waits for a condition that no signal announces.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(25 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// wantStatus is want for other goroutines than the case's own.
func (r reply) wantStatus(t testing.TB, status int) {
	t.Helper()
	if r.status != status {
		t.Errorf("got %v, want status %d", r, status)
	}
}

// parallel runs f(0)…f(n-1) side by side.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// atOnce is the limit for answers to input that is cheap to refuse.
const atOnce = 200 * time.Millisecond

// quickly wants an answer within a limit. The machine may be busy with other
// cases, so the best of five counts.
func quickly(t *testing.T, limit time.Duration, call func() reply) (r reply) {
	t.Helper()
	for range 5 {
		if r = call(); r.took <= limit {
			return r
		}
	}
	t.Errorf("answered after %v, want %v", r.took, limit)
	return r
}
