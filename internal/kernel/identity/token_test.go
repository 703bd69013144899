package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

var (
	seed  = bytes.Repeat([]byte{7}, ed25519.SeedSize)
	start = time.Date(2026, 8, 15, 12, 0, 0, 0, time.UTC)
)

const node = "urn:oid:1.2.3.4.5.0"

func kinds(clk *clock.Clock) map[string]*Tokens {
	return map[string]*Tokens{
		"EdDSA":        NewTokens(seed, node, DefaultTTL, clk),
		"HS256":        NewSharedSecretTokens(bytes.Repeat([]byte{9}, 32), node, DefaultTTL, clk),
		"HS256, short": NewSharedSecretTokens([]byte("secret"), node, DefaultTTL, clk),
	}
}

func issue(t testing.TB, tk *Tokens, c Claims) string {
	t.Helper()
	s, err := tk.Issue(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// part decodes one of the three parts of a token.
func part(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTokenRoundTrip(t *testing.T) {
	for name, tk := range kinds(clock.Fake(start)) {
		t.Run(name, func(t *testing.T) {
			want := Claims{
				Subject: "leitstelle", Role: "client", OIDs: []string{"1.2.3.4.5.6", "1.2.3.4.5.7"}, Audience: node,
				CertThumbprint: "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2", ID: "j1",
				IssuedAt: start, ExpiresAt: start.Add(15 * time.Minute),
			}
			in := want
			in.Audience, in.IssuedAt, in.ExpiresAt = "", time.Time{}, time.Time{}
			token := issue(t, tk, in)
			for _, state := range []string{"first", "cached"} {
				got, err := tk.Verify(token)
				if err != nil {
					t.Fatal(state, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", state, diff)
				}
				got.OIDs[0] = "9.9.9" // must not reach the cache
			}
		})
	}
}

func TestTokenOnTheWire(t *testing.T) {
	tk := NewTokens(seed, node, 0, clock.Fake(start))
	token := issue(t, tk, Claims{Subject: "s", Role: "p2p", OIDs: []string{"1.2"}, CertThumbprint: "abc"})
	if diff := cmp.Diff(map[string]any{"alg": "EdDSA", "typ": "JWT"}, part(t, token, 0)); diff != "" {
		t.Errorf("header: %s", diff)
	}
	want := map[string]any{
		"iss": node, "aud": node, "sub": "s", "role": "p2p", "oids": []any{"1.2"}, "jti": "00000000-0000-7000-8000-000000000001",
		"iat": float64(start.Unix()), "exp": float64(start.Unix() + 900), "cnf": map[string]any{"x5t#S256": "abc"},
	}
	if diff := cmp.Diff(want, part(t, token, 1)); diff != "" {
		t.Errorf("claims: %s", diff)
	}
	bare := part(t, issue(t, tk, Claims{Subject: "s"}), 1)
	if _, ok := bare["cnf"]; ok {
		t.Error("cnf without a certificate")
	}
}

// A token whose time has not come, or has gone, is refused, cached or not.
func TestTokenTimes(t *testing.T) {
	for name := range kinds(clock.Fake(start)) {
		t.Run(name, func(t *testing.T) {
			tests := []struct {
				after time.Duration
				key   string
			}{
				{-leeway - time.Second, "identity.token.invalid"}, {-leeway, ""}, {0, ""}, {15 * time.Minute, ""},
				{15*time.Minute + leeway, ""}, {15*time.Minute + leeway + time.Second, "identity.token.expired"},
			}
			for _, tt := range tests {
				clk := clock.Fake(start.Add(tt.after))
				tk := kinds(clk)[name]
				token := issue(t, tk, Claims{Subject: "s", IssuedAt: start})
				_, err := tk.Verify(token)
				checkRefused(t, fmt.Sprint(tt.after), err, tt.key)
			}
			clk := clock.Fake(start)
			tk := kinds(clk)[name]
			token := issue(t, tk, Claims{Subject: "s"})
			if _, err := tk.Verify(token); err != nil {
				t.Fatal(err)
			}
			clk.Advance(15*time.Minute + leeway + time.Second)
			_, err := tk.Verify(token)
			checkRefused(t, "cached", err, "identity.token.expired")
		})
	}
}

func checkRefused(t *testing.T, name string, err error, key string) {
	t.Helper()
	if key == "" {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	p, ok := err.(*problem.Error)
	if !ok || p.Kind != problem.Unauthenticated || p.Key != key {
		t.Errorf("%s: got %v, want a refusal with %s", name, err, key)
	}
}

// forge builds a token by hand: no library may decide what we can try.
func forge(t testing.TB, header, claims map[string]any, sign func([]byte) []byte) string {
	t.Helper()
	b64 := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	s := b64(header) + "." + b64(claims)
	return s + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(s)))
}

func forgeries(t testing.TB) map[string]string {
	key := ed25519.NewKeyFromSeed(seed)
	eddsa := func(b []byte) []byte { return ed25519.Sign(key, b) }
	hs := func(secret []byte) func([]byte) []byte {
		return func(b []byte) []byte { m := hmac.New(sha256.New, secret); m.Write(b); return m.Sum(nil) }
	}
	claims := func(change map[string]any) map[string]any {
		c := map[string]any{"iss": node, "aud": node, "sub": "s", "iat": start.Unix(), "exp": start.Unix() + 900}
		for k, v := range change {
			if v == nil {
				delete(c, k)
			} else {
				c[k] = v
			}
		}
		return c
	}
	head := map[string]any{"alg": "EdDSA", "typ": "JWT"}
	good := forge(t, head, claims(nil), eddsa)
	parts := strings.Split(good, ".")
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	return map[string]string{
		"empty": "", "no token": "abc", "dots": "..", "too long": strings.Repeat("a", maxToken+1),
		"alg none":                  forge(t, map[string]any{"alg": "none"}, claims(nil), func([]byte) []byte { return nil }),
		"HS256 with the public key": forge(t, map[string]any{"alg": "HS256"}, claims(nil), hs(public)),
		"other key":                 forge(t, head, claims(nil), func(b []byte) []byte { return ed25519.Sign(other, b) }),
		"key brought along":         forge(t, map[string]any{"alg": "EdDSA", "jwk": map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(other.Public().(ed25519.PublicKey))}}, claims(nil), func(b []byte) []byte { return ed25519.Sign(other, b) }),
		"unknown crit":              forge(t, map[string]any{"alg": "EdDSA", "crit": []string{"x"}, "x": 1}, claims(nil), eddsa),
		"no signature":              parts[0] + "." + parts[1] + ".",
		"other claims":              parts[0] + "." + strings.Split(forge(t, head, claims(map[string]any{"sub": "t"}), eddsa), ".")[1] + "." + parts[2],
		"other audience":            forge(t, head, claims(map[string]any{"aud": "urn:oid:1.2.3.4.5.1"}), eddsa),
		"no audience":               forge(t, head, claims(map[string]any{"aud": nil}), eddsa),
		"other issuer":              forge(t, head, claims(map[string]any{"iss": "urn:oid:1.2.3.4.5.1"}), eddsa),
		"no exp":                    forge(t, head, claims(map[string]any{"exp": nil}), eddsa),
		"no iat":                    forge(t, head, claims(map[string]any{"iat": nil}), eddsa),
		"no sub":                    forge(t, head, claims(map[string]any{"sub": nil}), eddsa),
		"expired":                   forge(t, head, claims(map[string]any{"exp": start.Unix() - 60}), eddsa),
		"not yet":                   forge(t, head, claims(map[string]any{"nbf": start.Unix() + 60}), eddsa),
		"issued in the future":      forge(t, head, claims(map[string]any{"iat": start.Unix() + 60}), eddsa),
		"exp as text":               forge(t, head, claims(map[string]any{"exp": "2027-01-01"}), eddsa),
		"unknown binding":           forge(t, head, claims(map[string]any{"cnf": map[string]any{"jkt": "x"}}), eddsa),
		"trailing data":             good + ".x",
		"white space":               " " + good,
	}
}

func TestForgeries(t *testing.T) {
	tk := NewTokens(seed, node, DefaultTTL, clock.Fake(start))
	for name, token := range forgeries(t) {
		t.Run(name, func(t *testing.T) {
			key := "identity.token.invalid"
			if name == "expired" {
				key = "identity.token.expired"
			}
			for range 2 { // a refusal must not turn into a cache entry
				_, err := tk.Verify(token)
				checkRefused(t, name, err, key)
			}
		})
	}
}

// The library would refuse a key of the wrong type as well; our own list of
// one algorithm must have refused before.
func TestAlgorithmIsPinned(t *testing.T) {
	tk := NewTokens(seed, node, DefaultTTL, clock.Fake(start))
	all := forgeries(t)
	for _, name := range []string{"alg none", "HS256 with the public key"} {
		_, err := tk.Verify(all[name])
		if _, ok := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); !ok {
			t.Errorf("%s: refused by %v", name, err)
		}
	}
}

// The forger's own good token must pass, or TestForgeries would prove nothing.
func TestForgerCanSign(t *testing.T) {
	tk := NewTokens(seed, node, DefaultTTL, clock.Fake(start))
	key := ed25519.NewKeyFromSeed(seed)
	claims := map[string]any{"iss": node, "aud": []string{"x", node}, "sub": "s", "iat": start.Unix(), "nbf": start.Unix(), "exp": start.Unix() + 900}
	good := forge(t, map[string]any{"alg": "EdDSA"}, claims, func(b []byte) []byte { return ed25519.Sign(key, b) })
	if _, err := tk.Verify(good); err != nil {
		t.Error(err)
	}
}

// A node with a shared secret must not take the asymmetric tokens either.
func TestAlgorithmsDoNotMix(t *testing.T) {
	clk := clock.Fake(start)
	all := kinds(clk)
	for from, issuer := range all {
		token := issue(t, issuer, Claims{Subject: "s"})
		for at, verifier := range all {
			_, err := verifier.Verify(token)
			if (err == nil) != (from == at) {
				t.Errorf("%s verified by %s: %v", from, at, err)
			}
		}
	}
}

func TestSecondInstanceVerifies(t *testing.T) {
	clk := clock.Fake(start)
	token := issue(t, NewTokens(seed, node, DefaultTTL, clk), Claims{Subject: "s"})
	if _, err := NewTokens(seed, node, DefaultTTL, clk).Verify(token); err != nil {
		t.Error(err)
	}
}

func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	tk := NewTokens(seed, node, DefaultTTL, clock.Fake(start))
	used := sha256.Sum256([]byte("used"))
	tk.remember(used, Claims{Subject: "used"})
	for i := range 5 * maxCached {
		tk.remember(sha256.Sum256(fmt.Append(nil, i)), Claims{})
		if n := len(tk.fresh) + len(tk.fading); n > maxCached {
			t.Fatalf("%d entries", n)
		}
		if i%100 == 0 {
			if _, ok := tk.cached(used); !ok {
				t.Fatalf("the token in use was dropped after %d others", i)
			}
		}
	}
	for i := range maxCached {
		tk.remember(sha256.Sum256(fmt.Append(nil, -i-1)), Claims{})
	}
	if _, ok := tk.cached(used); ok {
		t.Error("an unused token is never dropped")
	}
}

func TestLocalesAreComplete(t *testing.T) {
	b, err := i18n.Load(Locales)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"identity.token.invalid", "identity.token.expired"} {
		if !b.Has(key) {
			t.Errorf("%s has no text", key)
		}
	}
}

func FuzzVerify(f *testing.F) {
	tk := NewTokens(seed, node, DefaultTTL, clock.Fake(start))
	good := issue(f, tk, Claims{Subject: "s", Role: "client", OIDs: []string{"1.2"}})
	f.Add(good)
	for _, token := range forgeries(f) {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := tk.Verify(token); err == nil && part(t, token, 1)["iss"] != node {
			t.Errorf("accepted %q", token)
		} else if err != nil && problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("%q: %v", token, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, tk := range kinds(clock.Fake(start)) {
		token := issue(b, tk, Claims{Subject: "s", Role: "client", OIDs: []string{"1.2.3.4.5.6"}})
		b.Run(name+"/cached", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tk.Verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/uncached", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tk.parse(token, start); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
