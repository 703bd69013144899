package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/test/freeport"
)

var testClock = clock.System()

const secretText = "sixteen bytes and more"

func TestSignature(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	old, fresh := []byte("the old secret of both"), []byte("the new secret of both")
	h := sign(fresh, now, "id-1", []byte("body"))
	for _, c := range []struct {
		name, header, id, body string
		now                    time.Time
		keys                   [][]byte
		want                   error
	}{
		{"right", h, "id-1", "body", now, [][]byte{fresh}, nil},
		{"either secret while they are changed", h, "id-1", "body", now, [][]byte{old, fresh}, nil},
		{"other secret", h, "id-1", "body", now, [][]byte{old}, errSignature},
		{"other body", h, "id-1", "bodY", now, [][]byte{fresh}, errSignature},
		{"other id", h, "id-2", "body", now, [][]byte{fresh}, errSignature},
		{"moved time", strings.Replace(h, "t=1800000000", "t=1800000001", 1), "id-1", "body", now, [][]byte{fresh}, errSignature},
		{"played again late", h, "id-1", "body", now.Add(DefaultWindow + time.Second), [][]byte{fresh}, errClock},
		{"from the future", h, "id-1", "body", now.Add(-DefaultWindow - time.Second), [][]byte{fresh}, errClock},
		{"none", "", "id-1", "body", now, [][]byte{fresh}, errSignature},
		{"no sum", "t=1800000000", "id-1", "body", now, [][]byte{fresh}, errSignature},
	} {
		if err := verify(c.keys, c.header, c.id, []byte(c.body), c.now, DefaultWindow); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// Over TLS with certificates on both sides a message arrives; what could not be stored
// is not acknowledged, and comes again.
func TestPushOverTLS(t *testing.T) {
	cert, key := pki(t)
	secret := file(t, "secret", secretText+"\n")
	at := fmt.Sprintf("127.0.0.1:%d", freeport.Port())
	files := TLS{Cert: cert, Key: key, CAFile: cert, ClientCA: cert}
	in := made(t, Config{Push: &Push{Listen: at, SecretFile: secret, TLS: files}})
	out := made(t, Config{Push: &Push{URL: "https://" + at + "/", SecretFile: secret, TLS: files}})
	box := &shelf{full: true}
	receiving(t, in, box)
	until(t, "the listener", func() bool { return out.Check(t.Context()) == nil })
	p := Parcel{ID: "id-1", Type: "application/xml", Body: []byte("<a/>")}
	if err := out.Send(t.Context(), p); FailureKey(err) != "transport.failure.answer" {
		t.Errorf("a full box acknowledged: %v", err)
	}
	box.setFull(false)
	if err := out.Send(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	got, tried := box.all()
	if len(got) != 1 || tried != 2 || got[0].ID != "id-1" || string(got[0].Body) != "<a/>" || got[0].Type != "application/xml" {
		t.Errorf("got %+v after %d attempts", got, tried)
	}
	stranger := made(t, Config{Push: &Push{URL: "https://" + at + "/", SecretFile: secret, TLS: TLS{CAFile: cert}}})
	if err := stranger.Send(t.Context(), p); err == nil {
		t.Error("it was taken without a client certificate")
	}
	trusting := made(t, Config{Push: &Push{URL: "https://" + at + "/", SecretFile: secret, TLS: TLS{Cert: cert, Key: key}}})
	if err := trusting.Send(t.Context(), p); FailureKey(err) != "transport.failure.certificate" {
		t.Errorf("an unknown server was trusted: %v", err)
	}
	if got, _ := box.all(); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
}

func TestPushRefuses(t *testing.T) {
	secret := file(t, "secret", secretText)
	box := &shelf{}
	p := made(t, Config{Push: &Push{Listen: "127.0.0.1:1", SecretFile: secret, InsecureLoopback: true}}).(*push)
	s := httptest.NewServer(p.handler(box, func() {}))
	defer s.Close()
	post := func(id, signature string, body []byte) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(IDHeader, id)
		r.Header.Set(SignatureHeader, signature)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return a.StatusCode
	}
	now, key, body := testClock.Now(), []byte(secretText), []byte("{}")
	large := bytes.Repeat([]byte("x"), MaxBytes+1)
	for _, c := range []struct {
		name, id, signature string
		body                []byte
		want                int
	}{
		{"no signature", "1", "", body, http.StatusUnauthorized},
		{"old", "1", sign(key, now.Add(-time.Hour), "1", body), body, http.StatusUnauthorized},
		{"no id", "", sign(key, now, "", body), body, http.StatusBadRequest},
		{"large", "1", sign(key, now, "1", large), large, http.StatusRequestEntityTooLarge},
		{"right", "1", sign(key, now, "1", body), body, http.StatusOK},
	} {
		if got := post(c.id, c.signature, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if got, _ := box.all(); len(got) != 1 {
		t.Errorf("%d messages were taken", len(got))
	}
}

// Which answers of the other side are its last word.
func TestPushAnswers(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no\nsuch event", status) }))
	defer s.Close()
	out := made(t, Config{Push: &Push{URL: s.URL, SecretFile: file(t, "secret", secretText), InsecureLoopback: true}})
	for code, want := range map[int]string{200: "", 204: "", 400: "final", 422: "final", 409: "final", 413: "final", 401: "transport.failure.credentials",
		404: "transport.failure.answer", 429: "transport.failure.answer", 500: "transport.failure.answer", 503: "transport.failure.answer", 302: "transport.failure.answer"} {
		status = code
		err := out.Send(t.Context(), Parcel{ID: "1", Body: []byte("x")})
		got := ""
		if r, ok := errors.AsType[*Refusal](err); ok {
			got = "final"
			if !strings.Contains(r.Reason, "no such event") {
				t.Errorf("reason %q", r.Reason)
			}
		} else if err != nil {
			got = FailureKey(err)
		}
		if got != want {
			t.Errorf("%d: %q, want %q (%v)", code, got, want, err)
		}
	}
	s.Close()
	if err := out.Send(t.Context(), Parcel{ID: "1"}); FailureKey(err) != "transport.failure.unreachable" {
		t.Errorf("nobody there: %v", err)
	}
}

// pollServer is the other side of a poll: messages by number, each signed.
func pollServer(t *testing.T, messages []string, asked chan<- string) *httptest.Server {
	key := []byte(secretText)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		if err := verify([][]byte{key}, r.Header.Get(SignatureHeader), r.Header.Get(IDHeader), []byte(r.URL.RequestURI()), testClock.Now(), DefaultWindow); err != nil {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		select {
		case asked <- after + " " + r.Header.Get("If-None-Match"):
		default:
		}
		n, _ := strconv.Atoi(after)
		if n >= len(messages) {
			if r.Header.Get("If-None-Match") == `"end"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("ETag", `"end"`)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		id, at := "m"+strconv.Itoa(n+1), strconv.Itoa(n+1)
		w.Header().Set(IDHeader, id)
		w.Header().Set(CursorHeader, at)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set(SignatureHeader, sign(key, testClock.Now(), id+"."+at, []byte(messages[n])))
		w.Write([]byte(messages[n]))
	}))
	t.Cleanup(s.Close)
	return s
}

// A poll goes on from what is stored: not before, and not behind what was not.
func TestPoll(t *testing.T) {
	asked := make(chan string, 1000)
	s := pollServer(t, []string{"one", "two", "three"}, asked)
	secret := file(t, "secret", secretText)
	w := made(t, Config{Poll: &Poll{URL: s.URL, SecretFile: secret, InsecureLoopback: true, Every: minEvery}})
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	box := &shelf{full: true}
	stop := receiving(t, w, box)
	until(t, "attempts", func() bool { _, n := box.all(); return n > 1 })
	box.setFull(false)
	until(t, "three messages", func() bool { got, _ := box.all(); return len(got) == 3 })
	until(t, "a conditional question", func() bool { return strings.Contains(<-asked, `"end"`) })
	stop()
	got, _ := box.all()
	for i, want := range []string{"one", "two", "three"} {
		if string(got[i].Body) != want || got[i].Cursor != strconv.Itoa(i+1) {
			t.Errorf("%d: %+v", i, got[i])
		}
	}
	stop = receiving(t, w, box) // as after a restart
	until(t, "a question", func() bool { return strings.HasPrefix(<-asked, "3 ") })
	stop()
	if got, _ := box.all(); len(got) != 3 {
		t.Errorf("%d messages after the restart", len(got))
	}
	other := made(t, Config{Poll: &Poll{URL: s.URL, SecretFile: file(t, "other", "another secret of both"), InsecureLoopback: true}})
	if err := other.Receive(t.Context(), &shelf{}, func() {}); FailureKey(err) != "transport.failure.credentials" {
		t.Errorf("another secret: %v", err)
	}
}

// An answer that was changed on the way, or moved to another place, is not taken.
func TestPollForged(t *testing.T) {
	key := []byte(secretText)
	for _, c := range []struct{ name, signed, cursor string }{{"body", "other", "1"}, {"cursor", "one", "7"}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(IDHeader, "m1")
			w.Header().Set(CursorHeader, c.cursor)
			w.Header().Set(SignatureHeader, sign(key, testClock.Now(), "m1.1", []byte(c.signed)))
			w.Write([]byte("one"))
		}))
		box := &shelf{}
		w := made(t, Config{Poll: &Poll{URL: s.URL, SecretFile: file(t, "secret", secretText), InsecureLoopback: true}})
		if err := w.Receive(t.Context(), box, func() {}); FailureKey(err) != "transport.failure.signature" {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, _ := box.all(); len(got) > 0 {
			t.Errorf("%s was taken", c.name)
		}
		s.Close()
	}
}

// The listener of a push ends with its context.
func TestPushEnds(t *testing.T) {
	w := made(t, Config{Push: &Push{Listen: fmt.Sprintf("127.0.0.1:%d", freeport.Port()), SecretFile: file(t, "s", secretText), InsecureLoopback: true}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := w.Receive(ctx, &shelf{}, func() {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
