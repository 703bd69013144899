// Package pushservice is a Web Push service with the browser behind it, written from RFC
// 8030, 8188, 8291 and 8292: it shares nothing with the library that sends. It is for the
// tests of who sends; it keeps messages in memory and shows them to nobody.
package pushservice

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
)

// Service is a push service with the browser behind it.
type Service struct {
	*httptest.Server
	contact string
	key     *ecdh.PrivateKey // of the browser
	auth    []byte

	mu     sync.Mutex
	got    []Message
	status int // what it answers
	after  string
}

// Message is one that came; Err says what is wrong with it.
type Message struct {
	Path   string // of the subscription
	Header http.Header
	Plain  []byte // decrypted
	Signer string // of the JWT, base64url
	Err    error
}

// New starts one that takes messages of senders with this contact (RFC 8292, §2.1).
func New(t testing.TB, contact string) *Service {
	t.Helper()
	p := &Service{contact: contact, auth: make([]byte, 16), status: http.StatusCreated}
	var err error
	if p.key, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	rand.Read(p.auth)
	p.Server = httptest.NewServer(http.HandlerFunc(p.take))
	t.Cleanup(p.Close)
	return p
}

// Subscription is what the browser gives to the page.
func (p *Service) Subscription(path string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"endpoint":%q,"expirationTime":null,"keys":{"p256dh":%q,"auth":%q}}`, p.URL+path, b64(p.key.PublicKey().Bytes()), b64(p.auth))
}

func (p *Service) take(w http.ResponseWriter, r *http.Request) {
	got := Message{Path: r.URL.Path, Header: r.Header.Clone()}
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		got.Err = err
	case r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "aes128gcm": // RFC 8291, §4
		got.Err = errors.New("no encrypted message")
	case len(body) > 4096: // RFC 8030, §7.2
		got.Err = errors.New("too large")
	default:
		if n, err := strconv.Atoi(r.Header.Get("TTL")); err != nil || n < 0 { // RFC 8030, §5.2
			got.Err = errors.New("no TTL")
		} else if got.Signer, got.Err = p.voluntary(r.Header.Get("Authorization")); got.Err == nil {
			got.Plain, got.Err = p.decrypt(body)
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
func (p *Service) decrypt(body []byte) ([]byte, error) {
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
func (p *Service) voluntary(header string) (string, error) {
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
	if claims.Aud != p.URL || claims.Sub != p.contact {
		return "", fmt.Errorf("claims %+v", claims)
	}
	if left := time.Until(time.Unix(claims.Exp, 0)); left <= 0 || left > 24*time.Hour {
		return "", fmt.Errorf("it holds %v", left)
	}
	return fields["k"], nil
}

// Messages are those that came so far.
func (p *Service) Messages() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Message(nil), p.got...)
}

// Answer sets what it answers from now on; after is Retry-After.
func (p *Service) Answer(status int, after string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.after = status, after
}
