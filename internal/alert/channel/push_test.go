package channel

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// pushService is a push service with the browser behind it, written from RFC 8030, 8188,
// 8291 and 8292: it shares nothing with the library that sends.
type pushService struct {
	*httptest.Server
	t    *testing.T
	key  *ecdh.PrivateKey // of the browser
	auth []byte

	mu     sync.Mutex
	got    []pushedTo
	status int // what it answers
	after  string
}

type pushedTo struct {
	header http.Header
	plain  []byte
	signer string // of the JWT, base64url
	err    error
}

func newPushService(t *testing.T) *pushService {
	t.Helper()
	p := &pushService{t: t, auth: make([]byte, 16), status: http.StatusCreated}
	var err error
	if p.key, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	rand.Read(p.auth)
	p.Server = httptest.NewServer(http.HandlerFunc(p.take))
	t.Cleanup(p.Close)
	return p
}

// subscription is what the browser gives to the page.
func (p *pushService) subscription(path string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"endpoint":%q,"expirationTime":null,"keys":{"p256dh":%q,"auth":%q}}`, p.URL+path, b64(p.key.PublicKey().Bytes()), b64(p.auth))
}

func (p *pushService) take(w http.ResponseWriter, r *http.Request) {
	got := pushedTo{header: r.Header.Clone()}
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		got.err = err
	case r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "aes128gcm": // RFC 8291, §4
		got.err = errors.New("no encrypted message")
	case len(body) > 4096: // RFC 8030, §7.2
		got.err = errors.New("too large")
	default:
		if n, err := strconv.Atoi(r.Header.Get("TTL")); err != nil || n < 0 { // RFC 8030, §5.2
			got.err = errors.New("no TTL")
		} else if got.signer, got.err = p.voluntary(r.Header.Get("Authorization")); got.err == nil {
			got.plain, got.err = p.decrypt(body)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, got)
	if p.after != "" {
		w.Header().Set("Retry-After", p.after)
	}
	w.WriteHeader(p.status)
}

func mac(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, x := range parts {
		m.Write(x)
	}
	return m.Sum(nil)
}

// decrypt reads a message (RFC 8188, §2; RFC 8291, §3.4).
func (p *pushService) decrypt(body []byte) ([]byte, error) {
	if len(body) < 21 || len(body) < 21+int(body[20]) {
		return nil, errors.New("no header")
	}
	salt, size, sender := body[:16], binary.BigEndian.Uint32(body[16:20]), body[21:21+int(body[20])]
	record := body[21+len(sender):]
	if size < 18 || len(record) > int(size) {
		return nil, errors.New("more than one record")
	}
	theirs, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	secret, err := p.key.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	// HKDF by hand (RFC 5869): each output is one block.
	ikm := mac(mac(p.auth, secret), []byte("WebPush: info\x00"), p.key.PublicKey().Bytes(), sender, []byte{1})
	prk := mac(salt, ikm)
	cek := mac(prk, []byte("Content-Encoding: aes128gcm\x00"), []byte{1})[:16]
	nonce := mac(prk, []byte("Content-Encoding: nonce\x00"), []byte{1})[:12]
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, err
	}
	text := strings.TrimRight(string(plain), "\x00")
	if !strings.HasSuffix(text, "\x02") { // the last record
		return nil, errors.New("no delimiter")
	}
	return []byte(text[:len(text)-1]), nil
}

// voluntary judges who sends (RFC 8292) and gives his key.
func (p *pushService) voluntary(header string) (string, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[k] = v
	}
	if scheme != "vapid" || fields["t"] == "" || fields["k"] == "" {
		return "", fmt.Errorf("authorization %q", header)
	}
	raw, err := base64.RawURLEncoding.DecodeString(fields["k"])
	if err != nil {
		return "", err
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return "", err
	}
	parts := strings.Split(fields["t"], ".")
	if len(parts) != 3 {
		return "", errors.New("no token")
	}
	var decoded [3][]byte
	for i, x := range parts {
		if decoded[i], err = base64.RawURLEncoding.DecodeString(x); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(decoded[2]) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(decoded[2][:32]), new(big.Int).SetBytes(decoded[2][32:])) {
		return "", errors.New("the signature is wrong")
	}
	var head struct{ Alg string }
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	if json.Unmarshal(decoded[0], &head) != nil || json.Unmarshal(decoded[1], &claims) != nil || head.Alg != "ES256" {
		return "", errors.New("no claims")
	}
	if claims.Aud != p.URL || claims.Sub != "mailto:push@liberec.example" {
		return "", fmt.Errorf("claims %+v", claims)
	}
	if left := time.Until(time.Unix(claims.Exp, 0)); left <= 0 || left > 24*time.Hour {
		return "", fmt.Errorf("it holds %v", left)
	}
	return fields["k"], nil
}

func (p *pushService) messages() []pushedTo {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]pushedTo(nil), p.got...)
}

func (p *pushService) answer(status int, after string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.after = status, after
}

// A push message is encrypted for the browser alone and signed with the key the browser
// subscribed to; a service that says so ends the subscription, one that is busy is obeyed.
func TestPush(t *testing.T) {
	svc := newPushService(t)
	setup := PushSetup{Contact: "push@liberec.example", InsecureLoopback: true}
	r := newRig(t, Config{List: []Setup{{Name: "push", Sort: "push", Push: setup}, {Name: "push-drill", Sort: "push", Kind: "exercise", Push: setup}}})
	drill := flood("push-drill", svc.subscription("/drill"))
	drill.Kind, drill.Lang = store.Exercise, i18n.De
	long := official("push", svc.subscription("/long"))
	long.Body = strings.Repeat("Hladina stoupá. ", 300)
	r.ok(r.queue(flood("push", svc.subscription("/a")), drill, long))
	r.run(r.settled)
	public, err := r.PushKey("push")
	r.ok(err)
	ofDrill, err := r.PushKey("push-drill")
	r.ok(err)
	if public == ofDrill {
		t.Error("the exercise signs with the key of reality")
	}
	seen := map[string]Pushed{}
	for _, m := range svc.messages() {
		if m.err != nil {
			t.Fatal(m.err)
		}
		var p Pushed
		r.ok(json.Unmarshal(m.plain, &p))
		name := string(p.Kind) + " " + string(p.Origin)
		seen[name] = p
		if want := map[store.Kind]string{store.Live: public, store.Exercise: ofDrill}[p.Kind]; m.signer != want {
			t.Errorf("%s signed with %s, want %s", name, m.signer, want)
		}
		if m.header.Get("Urgency") != "high" || m.header.Get("TTL") != "86400" {
			t.Errorf("%v", m.header)
		}
	}
	if p := seen["live notice"]; p.Title != "Smědá stoupá" || p.Mark != "" || p.Link != "https://node.example/n/1" || p.Body != "Vlastní oznámení, nikoli výstraha státního orgánu\nVoda bude v 19 hodin ve Višňové.\nOpusťte břeh.\nOznámení: Město Frýdlant" {
		t.Errorf("%+v", p)
	}
	if p := seen["exercise notice"]; p.Title != "ÜBUNG: Smědá stoupá" || p.Mark == "" {
		t.Errorf("%+v", p)
	}
	// An official text that does not fit is left out, not cut; its source is not.
	if p := seen["live warning"]; strings.Contains(p.Body, "Hladina") || !strings.Contains(p.Body, "ČHMÚ") || p.Title != official("", "").Title {
		t.Errorf("%+v", p)
	}
	notes := 0
	for _, x := range r.all() {
		if x.State != Accepted {
			t.Errorf("%+v", x)
		}
		if x.Note == noteTitle {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d receipts say that the text did not fit", notes)
	}

	// The library refuses what is not for it before anybody is asked.
	for _, target := range []string{"{}", `{"endpoint":"https://fcm.googleapis.com/x","keys":{"p256dh":"AAAA","auth":"AAAA"}}`,
		strings.Replace(svc.subscription("/x"), svc.URL, "http://10.0.0.1", 1), strings.Replace(svc.subscription("/x"), svc.URL, "https://intranet.example", 1)} {
		r.refused(r.queue(flood("push", target)), "channel.refuse.target.push")
	}

	svc.answer(http.StatusTooManyRequests, "120")
	busy := flood("push", svc.subscription("/a"))
	busy.Reference.Revision = "2"
	r.ok(r.queue(busy))
	r.run(r.settled)
	if x := r.all()[0]; x.State != Waiting || x.Next.Sub(start) < 2*time.Minute {
		t.Errorf("%+v", x)
	}
	states, err := r.States(t.Context())
	r.ok(err)
	if states[0].Status != Works {
		t.Errorf("a busy service counts as broken: %+v", states[0])
	}
	svc.answer(http.StatusGone, "")
	r.clk.Advance(10 * time.Minute)
	r.run(func() bool { return r.all()[0].State == Failed })
	if len(r.gone) != 1 || !strings.Contains(r.gone[0], "/a") {
		t.Errorf("gone: %v", r.gone)
	}
}
