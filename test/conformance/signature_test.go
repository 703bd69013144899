package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// form says how the hash under a signature is made.
type form string

const (
	prose     form = "prose"     // SHA3-256 over the canonical JSON text, as the specification's text says
	reference form = "reference" // over that text once more encoded as a JSON string, as its code and examples do
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

var (
	nodeKey     = sync.OnceValue(newKey) // of all nodes under test
	peerKey     = sync.OnceValue(newKey) // of all simulated peers
	strangerKey = sync.OnceValue(newKey) // of nobody
)

func privateJWK(key *rsa.PrivateKey) any { return jose.JSONWebKey{Key: key} }
func publicJWK(key *rsa.PrivateKey) record {
	text, _ := jose.JSONWebKey{Key: key.Public()}.MarshalJSON()
	var jwk record
	json.Unmarshal(text, &jwk)
	return jwk
}

// canonical is the RFC 8785 text of {source, destinations, payload}: members
// sorted, strings with the shortest escapes.
func canonical(m record) string {
	p := m["payload"].(record)
	var destinations []string
	for _, d := range m["destinations"].([]any) {
		destinations = append(destinations, quote(d.(string)))
	}
	return `{"destinations":[` + strings.Join(destinations, ",") + `],"payload":{` +
		`"appId":` + quote(p["appId"].(string)) + `,"appVersion":` + quote(p["appVersion"].(string)) +
		`,"contentType":` + quote(p["contentType"].(string)) + `,"data":` + quote(p["data"].(string)) +
		`,"schemaId":` + quote(p["schemaId"].(string)) + `},"source":` + quote(m["source"].(string)) + `}`
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch short := strings.IndexRune("\b\f\n\r\t\"\\", r); {
		case short >= 0:
			b.WriteString(`\` + `bfnrt"\`[short:short+1])
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func digest(f form, m record) string {
	text := canonical(m)
	if f == reference {
		text = quote(text)
	}
	sum := sha3.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// sign makes a JWS in compact form over the hash of a message.
func sign(key *rsa.PrivateKey, f form, m record) string {
	options := (&jose.SignerOptions{}).WithType("UCRI_PLAIN")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign([]byte(digest(f, m)))
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// signed is the edit that signs a message; it has to be the last one.
func signed(key *rsa.PrivateKey, f form) edit {
	return func(m record) { m["signature"] = sign(key, f, m) }
}

// verify tells in which form a signature fits a message.
func verify(key *rsa.PublicKey, m record, signature string) (form, error) {
	jws, err := jose.ParseSignedCompact(signature, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return "", err
	}
	if typ := jws.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; typ != "UCRI_PLAIN" {
		return "", fmt.Errorf("typ is %v", typ)
	}
	hash, err := jws.Verify(key)
	if err != nil {
		return "", err
	}
	for _, f := range []form{reference, prose} {
		if string(hash) == digest(f, m) {
			return f, nil
		}
	}
	return "", errors.New("the hash fits neither form")
}

func TestSignature(t *testing.T) {
	m := message("1.2.3", "1.2.4", set("payload.data", "{\"a\":\"tab\\t é \u2028 </b>\"}\n\x01"))
	t.Run("canonical_text", func(t *testing.T) {
		want := "{\"destinations\":[\"1.2.4\"],\"payload\":{\"appId\":\"notification_text\",\"appVersion\":\"1.0\"," +
			"\"contentType\":\"application/json\",\"data\":\"{\\\"a\\\":\\\"tab\\\\t é \u2028 </b>\\\"}\\n\\u0001\"," +
			"\"schemaId\":\"notification\"},\"source\":\"1.2.3\"}"
		if got := canonical(m); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	for _, f := range []form{reference, prose} {
		t.Run("round_trip_"+string(f), func(t *testing.T) {
			got, err := verify(&peerKey().PublicKey, m, sign(peerKey(), f, m))
			if err != nil || got != f {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	t.Run("other_content_does_not_fit", func(t *testing.T) {
		signature := sign(peerKey(), reference, m)
		if f, err := verify(&peerKey().PublicKey, message("1.2.3", "1.2.5"), signature); err == nil {
			t.Errorf("fits as %q", f)
		}
	})
	t.Run("published_example_is_reference_form", func(t *testing.T) {
		samples := os.Getenv("TROJMEZI_SAMPLES")
		if samples == "" {
			t.Skip("TROJMEZI_SAMPLES names no folder with the published API")
		}
		text, err := os.ReadFile(filepath.Join(samples, "interop/ucri2/openapi/ucrm-client-bundled.json"))
		if err != nil {
			t.Fatal(err)
		}
		var api struct {
			Components struct {
				Schemas struct {
					SenderRequest struct{ AllOf []struct{ Example record } }
				}
			}
		}
		if err := json.Unmarshal(text, &api); err != nil {
			t.Fatal(err)
		}
		example := api.Components.Schemas.SenderRequest.AllOf[1].Example
		jws, err := jose.ParseSignedCompact(example["signature"].(string), []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(jws.UnsafePayloadWithoutVerification()), digest(reference, example); got != want {
			t.Errorf("published hash %s, reference form gives %s", got, want)
		}
	})
}
