package ucri

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"

	"trojmezi/internal/format/strictjson"
)

// newKey makes one key per test binary: any will do.
var newKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, minKeyBits)
	if err != nil {
		panic(err)
	}
	return key
})

func testKey(testing.TB) *rsa.PrivateKey { return newKey() }

// signAs makes a signature of any form by way of another JOSE implementation.
func signAs(t *testing.T, e *Envelope, key *rsa.PrivateKey, f Form, alg jose.SignatureAlgorithm, typ string) string {
	t.Helper()
	doc, err := json.Marshal(map[string]any{
		"source": e.Source, "destinations": e.Destinations,
		"payload": json.RawMessage(e.Payload.appendJSON(nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := jcs.Transform(doc)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(hash(f, canonical)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignaturesOfBothForms(t *testing.T) {
	key := testKey(t)
	jwk := PublicJWK(&key.PublicKey)
	for name, change := range map[string]func(*Envelope){
		"plain text": func(*Envelope) {},
		"escapes":    func(e *Envelope) { e.Payload.Data = "\"\\\x00\x1f\b\f\n\r\t/<>&\u2028\u007f🚑ž" },
		"unknown members": func(e *Envelope) {
			e.Payload.Extra = []Member{{"b", []byte(`{"z":1.0,"a":[1e2,"\u00e9"]}`)}, {"Ω", []byte("null")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := benchEnvelope()
			change(e)
			for _, f := range []Form{FormPlain, FormQuoted} {
				e.Signature = signAs(t, e, key, f, jose.RS256, jwsType)
				if got, err := Verify(e, jwk); got != f || err != nil {
					t.Errorf("form %d: got %d, %v", f, got, err)
				}
			}
			own, err := Sign(e, key)
			if err != nil {
				t.Fatal(err)
			}
			e.Signature = own
			if got, err := Verify(e, jwk); got != FormQuoted || err != nil {
				t.Errorf("own: got %d, %v", got, err)
			}
			again, err := Sign(e, key)
			if err != nil || again != own {
				t.Error("signing twice gives different results")
			}
			jws, err := jose.ParseSignedCompact(own, []jose.SignatureAlgorithm{jose.RS256})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(&key.PublicKey); err != nil {
				t.Errorf("another implementation refuses our signature: %v", err)
			}
			if !strings.HasPrefix(own, "eyJ0eXAiOiJVQ1JJX1BMQUlOIiwiYWxnIjoiUlMyNTYifQ.") {
				t.Errorf("header differs from that of the published examples: %s", own)
			}
		})
	}
}

// TestSignedTextIsCanonical compares the direct construction with RFC 8785.
func TestSignedTextIsCanonical(t *testing.T) {
	e := benchEnvelope()
	e.Payload.Data = "\"\\\x00\x1f\b\f\n\r\t/<>&\u2028\u007f🚑ž"
	e.Destinations = []string{"2", "1"}
	got, err := signedText(e)
	if err != nil {
		t.Fatal(err)
	}
	want, err := jcs.Transform(got)
	if err != nil || string(got) != string(want) {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

func TestVerifyRefuses(t *testing.T) {
	key := testKey(t)
	jwk := PublicJWK(&key.PublicKey)
	good := benchEnvelope()
	signature, err := Sign(good, key)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	part := strings.Split(signature, ".")
	withHeader := func(h string) string { return b64([]byte(h)) + "." + part[1] + "." + part[2] }
	number := func(n *big.Int, e string) json.RawMessage {
		return json.RawMessage(`{"kty":"RSA","n":"` + b64(n.Bytes()) + `","e":"` + e + `"}`)
	}
	even := new(big.Int).Lsh(big.NewInt(1), 2047)
	for _, c := range []struct {
		name   string
		key    string // expected
		change func(*Envelope)
		jwk    json.RawMessage
	}{
		{"no signature", "missing", func(e *Envelope) { e.Signature = "" }, jwk},
		{"garbage", "form", func(e *Envelope) { e.Signature = "garbage" }, jwk},
		{"dots", "form", func(e *Envelope) { e.Signature = ".." }, jwk},
		{"four parts", "form", func(e *Envelope) { e.Signature += ".AAAA" }, jwk},
		{"no signature part", "form", func(e *Envelope) { e.Signature = part[0] + "." + part[1] + "." }, jwk},
		{"not base64url", "form", func(e *Envelope) { e.Signature = strings.Replace(signature, ".", "+.", 1) }, jwk},
		{"no algorithm", "header", func(e *Envelope) { e.Signature = withHeader(`{"typ":"UCRI_PLAIN","alg":"none"}`) }, jwk},
		{"shared secret", "header", func(e *Envelope) { e.Signature = withHeader(`{"typ":"UCRI_PLAIN","alg":"HS256"}`) }, jwk},
		{"other RSA algorithm", "header", func(e *Envelope) { e.Signature = signAs(t, e, key, FormQuoted, jose.PS256, jwsType) }, jwk},
		{"other type", "header", func(e *Envelope) { e.Signature = signAs(t, e, key, FormQuoted, jose.RS256, "JWT") }, jwk},
		{"critical extension", "header", func(e *Envelope) { e.Signature = withHeader(`{"typ":"UCRI_PLAIN","alg":"RS256","crit":["b64"]}`) }, jwk},
		{"algorithm twice", "header", func(e *Envelope) {
			e.Signature = withHeader(`{"typ":"UCRI_PLAIN","alg":"none","alg":"RS256"}`)
		}, jwk},
		{"header not JSON", "header", func(e *Envelope) { e.Signature = withHeader(`UCRI`) }, jwk},
		{"changed payload", "content", func(e *Envelope) { e.Payload.Data += " " }, jwk},
		{"changed source", "content", func(e *Envelope) { e.Source += ".1" }, jwk},
		{"changed destination", "content", func(e *Envelope) { e.Destinations = []string{"1"} }, jwk},
		{"added member", "content", func(e *Envelope) { e.Payload.Extra = []Member{{"x", []byte("1")}} }, jwk},
		{"member that can't be canonical", "content", func(e *Envelope) { e.Payload.Extra = []Member{{"x", []byte("1e999")}} }, jwk},
		{"changed signature", "wrong", func(e *Envelope) { e.Signature = part[0] + "." + part[1] + "." + b64(make([]byte, 256)) }, jwk},
		{"short signature", "wrong", func(e *Envelope) { e.Signature = part[0] + "." + part[1] + ".AA" }, jwk},
		{"no key", "no_key", func(*Envelope) {}, nil},
		{"key not JSON", "key", func(*Envelope) {}, json.RawMessage("x")},
		{"key null", "key", func(*Envelope) {}, json.RawMessage("null")},
		{"key of another kind", "key", func(*Envelope) {}, json.RawMessage(`{"kty":"EC","n":"AQAB","e":"AQAB"}`)},
		{"key without exponent", "key", func(*Envelope) {}, json.RawMessage(`{"kty":"RSA","n":"AQAB"}`)},
		{"toy key", "key_size", func(*Envelope) {}, json.RawMessage(`{"kty":"RSA","n":"AQAB","e":"AQAB"}`)},
		{"empty key", "key_size", func(*Envelope) {}, json.RawMessage(`{"kty":"RSA","n":"","e":""}`)},
		{"2047 bits", "key_size", func(*Envelope) {}, number(new(big.Int).SetBit(big.NewInt(1), 2046, 1), "AQAB")},
		{"giant key", "key_size", func(*Envelope) {}, number(new(big.Int).Lsh(big.NewInt(1), 9000), "AQAB")},
		{"absurd key", "key", func(*Envelope) {}, number(new(big.Int).Lsh(big.NewInt(1), 100_000), "AQAB")},
		{"even modulus", "key", func(*Envelope) {}, number(even, "AQAB")},
		{"exponent 1", "key", func(*Envelope) {}, number(key.N, "AQ")},
		{"exponent 0", "key", func(*Envelope) {}, number(key.N, "AA")},
		{"even exponent", "key", func(*Envelope) {}, number(key.N, "BA")},
		{"giant exponent", "key", func(*Envelope) {}, number(key.N, "AQAAAAAAAAAAAQ")},
		{"another key", "wrong", func(*Envelope) {}, number(new(big.Int).Sub(key.N, big.NewInt(2)), "AQAB")},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := benchEnvelope()
			e.Signature = signature
			c.change(e)
			f, err := Verify(e, c.jwk)
			if err == nil || f != 0 || err.Code != CodeWrongSignature || err.Key != "ucri.signature."+c.key {
				t.Fatalf("got form %d, %v", f, err)
			}
			if strings.Contains(err.Error(), "{") || err.Error() == "UCRI 479: " {
				t.Errorf("text: %s", err)
			}
		})
	}
}

func TestPrivateJWK(t *testing.T) {
	key := testKey(t)
	raw, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePrivateJWK(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(key) {
		t.Error("another key came back")
	}
	var public jose.JSONWebKey
	if err := json.Unmarshal(PublicJWK(&key.PublicKey), &public); err != nil || !key.PublicKey.Equal(public.Key) {
		t.Errorf("another implementation reads another public key: %v", err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kty", "n", "e", "d", "p", "q"} {
		for what, v := range map[string]any{"missing": nil, "wrong": "AQAB", "empty": "", "number": 5, "not base64": "*"} {
			changed := map[string]any{}
			for k, old := range members {
				changed[k] = old
			}
			if changed[name] = v; v == nil {
				delete(changed, name)
			}
			if name == "e" && what == "wrong" {
				continue // AQAB is the right one
			}
			raw, err := json.Marshal(changed)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParsePrivateJWK(raw); err == nil {
				t.Errorf("%s %s: accepted", name, what)
			} else if strings.Contains(err.Error(), members["d"].(string)) {
				t.Errorf("%s %s: the error shows the key", name, what)
			}
		}
	}
}

func TestSignRefusesUnusableKeys(t *testing.T) {
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(3233), E: 17}, D: big.NewInt(413)}
	for _, key := range []*rsa.PrivateKey{nil, {}, small} {
		if _, err := Sign(benchEnvelope(), key); err == nil {
			t.Errorf("signed with %v", key)
		}
	}
	e := benchEnvelope()
	e.Payload.Extra = []Member{{"x", []byte("1e999")}}
	if _, err := Sign(e, testKey(t)); err == nil {
		t.Error("signed what has no canonical form")
	}
}

// TestPublishedSignature shows which form the specification's own example has.
func TestPublishedSignature(t *testing.T) {
	dir := samples(t)
	schemas := readDoc(t, filepath.Join(dir, "openapi", "ucrm-client-bundled.json"))["components"].(map[string]any)["schemas"].(map[string]any)
	request := schemas["senderRequest"].(map[string]any)["allOf"].([]any)[1].(map[string]any)["example"]
	key := schemas["commParticipant"].(map[string]any)["example"].(map[string]any)["key"]
	e, bad := ParseClientSend([]byte(text(t, request)))
	if bad != nil {
		t.Fatal(bad)
	}
	signed, err := signedText(e)
	if err != nil {
		t.Fatal(err)
	}
	if h := hash(FormQuoted, signed); !strings.HasPrefix(h, "82f8f10c") {
		t.Errorf("quoted form: %s", h)
	}
	if h := hash(FormPlain, signed); strings.HasPrefix(h, "82f8f10c") {
		t.Errorf("plain form: %s", h)
	}
	f, bad := Verify(e, json.RawMessage(text(t, key)))
	t.Logf("published example with the published participant's key: form %d, %v", f, bad)
	if bad != nil || f != FormQuoted {
		t.Errorf("form %d, %v", f, bad)
	}
}

func FuzzVerify(f *testing.F) {
	key := testKey(f)
	signature, err := Sign(benchEnvelope(), key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signature, string(PublicJWK(&key.PublicKey)))
	f.Add("a.b.c", `{"kty":"RSA","n":"AQAB","e":"AQAB"}`)
	f.Add(signature, `{"kty":"RSA","n":"`+strings.Repeat("_", 342)+`","e":"Aw"}`)
	f.Fuzz(func(t *testing.T, signature, jwk string) {
		e := benchEnvelope()
		e.Signature = signature
		form, bad := Verify(e, json.RawMessage(jwk))
		if (bad == nil) != (form == FormPlain || form == FormQuoted) {
			t.Errorf("form %d with %v", form, bad)
		}
		_, _ = ParsePrivateJWK([]byte(jwk))
	})
}

// FuzzCanonicalString compares our writing of strings with RFC 8785.
func FuzzCanonicalString(f *testing.F) {
	f.Add("\"\\\x00\x1f\b\f\n\r\t/\u2028\u007f🚑ž")
	f.Fuzz(func(t *testing.T, s string) {
		got := strictjson.AppendString(nil, s)
		want, err := jcs.Transform([]byte("[" + string(got) + "]"))
		if err != nil || "["+string(got)+"]" != string(want) {
			t.Errorf("%q: got %s, want %s, %v", s, got, want, err)
		}
	})
}
