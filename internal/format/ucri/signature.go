package ucri

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/gowebpki/jcs"

	"trojmezi/internal/format/strictjson"
)

// Form says what exactly a signature's hash was taken over. The text of the
// specification describes FormPlain; its reference node and its own signed
// examples use FormQuoted.
type Form int

// The forms of signatures.
const (
	FormPlain  Form = iota + 1 // the canonical JSON (RFC 8785) of source, destinations and payload
	FormQuoted                 // that text as a JSON string, in quotes and with escapes
)

const (
	jwsAlgorithm = "RS256"
	jwsType      = "UCRI_PLAIN"
	jwsHeader    = `{"typ":"` + jwsType + `","alg":"` + jwsAlgorithm + `"}`
)

// The RSA key sizes with which a signature counts: below is forbidden for RS256
// (RFC 7518 §3.3), above only costs the verifier time.
const (
	minKeyBits = 2048
	maxKeyBits = 8192
)

// Sign returns the envelope's signature in the reference form as JWS compact
// serialization: RS256 over the hexadecimal SHA3-256
// (spec: UCRI 2 transport 2.0.0, signature). RSA with PKCS #1 v1.5 needs no
// randomness: the result is a function of envelope and key.
func Sign(e *Envelope, key *rsa.PrivateKey) (string, error) {
	if key == nil || key.N == nil {
		return "", errors.New("sign envelope: no key")
	}
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return "", fmt.Errorf("sign envelope: the key has %d bits, not %d to %d", bits, minKeyBits, maxKeyBits)
	}
	text, err := signedText(e)
	if err != nil {
		return "", fmt.Errorf("sign envelope: %w", err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(jwsHeader)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(hash(FormQuoted, text)))
	digest := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign envelope: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// Verify checks the envelope's signature with the sender's public key and says
// which form it has. Whatever is wrong with signature, content or key is 479
// with a text that names it. A receiver sets Destinations to its own address
// first.
func Verify(e *Envelope, jwk json.RawMessage) (Form, *Error) {
	if e.Signature == "" {
		return 0, wrongSignature("missing", nil)
	}
	input, sigPart, _ := cutLast(e.Signature, '.')
	headerPart, hashPart, two := strings.Cut(input, ".")
	header, err1 := base64.RawURLEncoding.Strict().DecodeString(headerPart)
	claimed, err2 := base64.RawURLEncoding.Strict().DecodeString(hashPart)
	sig, err3 := base64.RawURLEncoding.Strict().DecodeString(sigPart)
	if !two || errors.Join(err1, err2, err3) != nil || len(sig) == 0 {
		return 0, wrongSignature("form", nil)
	}
	if !acceptedHeader(string(header)) {
		return 0, wrongSignature("header", map[string]any{"type": jwsType, "algorithm": jwsAlgorithm})
	}
	text, err := signedText(e)
	if err != nil {
		return 0, wrongSignature("content", nil)
	}
	form := FormQuoted
	if string(claimed) != hash(form, text) {
		if form = FormPlain; string(claimed) != hash(form, text) {
			return 0, wrongSignature("content", nil)
		}
	}
	key, bad := parsePublicJWK(jwk)
	if bad != nil {
		return 0, bad
	}
	digest := sha256.Sum256([]byte(input))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) != nil {
		return 0, wrongSignature("wrong", nil)
	}
	return form, nil
}

func wrongSignature(reason string, args map[string]any) *Error {
	return &Error{Code: CodeWrongSignature, Key: "ucri.signature." + reason, Args: args, Place: "/signature"}
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// acceptedHeader demands type and algorithm and refuses critical extensions
// (RFC 7515 §4.1.11), of which it knows none.
func acceptedHeader(header string) bool {
	var typ, alg string
	critical := false
	ok := eachMember(header, func(sc *strictjson.Scanner, name string) {
		switch name {
		case "typ":
			typ, _ = readString(sc)
		case "alg":
			alg, _ = readString(sc)
		default:
			critical = critical || name == "crit"
			sc.Skip()
		}
	})
	return ok && typ == jwsType && alg == jwsAlgorithm && !critical
}

// eachMember reads a small JSON object strictly; false if it isn't one.
func eachMember(text string, f func(sc *strictjson.Scanner, name string)) bool {
	var sc strictjson.Scanner
	sc.Init(text, DefaultLimits.Depth)
	if sc.Peek() != strictjson.Object {
		return false
	}
	names := sc.NewNames()
	members(&sc, func(name string) {
		names.Add(&sc, name)
		f(&sc, name)
	})
	return sc.End()
}

// signedText is the canonical JSON (RFC 8785) of source, destinations and
// payload.
func signedText(e *Envelope) ([]byte, error) {
	w := writer{append(make([]byte, 0, len(e.Payload.Data)*5/4+512), '{')}
	w.name("destinations")
	w.strings(e.Destinations)
	w.name("payload")
	if len(e.Payload.Extra) > 0 {
		// Unknown members can hold anything and must be sorted among the others.
		w.b = e.Payload.appendJSON(w.b)
		w.string("source", e.Source)
		return jcs.Transform(append(w.b, '}'))
	}
	p := writer{append(w.b, '{')}
	p.string("appId", e.Payload.AppID)
	p.string("appVersion", e.Payload.AppVersion)
	p.string("contentType", e.Payload.ContentType)
	p.string("data", e.Payload.Data)
	p.string("schemaId", e.Payload.SchemaID)
	w.b = append(p.b, '}')
	w.string("source", e.Source)
	return append(w.b, '}'), nil
}

// hash is the hexadecimal SHA3-256 of the text in the given form.
func hash(f Form, text []byte) string {
	if f == FormQuoted {
		text = strictjson.AppendString(make([]byte, 0, len(text)*5/4), string(text))
	}
	sum := sha3.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// PublicJWK is the public key as it stands in a registry record
// (RFC 7518 §6.3.1; spec: UCRI 2 transport 2.0.0, jwkRsaPub).
func PublicJWK(k *rsa.PublicKey) json.RawMessage {
	w := writer{[]byte{'{'}}
	w.string("kty", "RSA")
	w.string("n", base64.RawURLEncoding.EncodeToString(k.N.Bytes()))
	w.string("e", base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes()))
	return append(w.b, '}')
}

func parsePublicJWK(jwk json.RawMessage) (*rsa.PublicKey, *Error) {
	if len(jwk) == 0 {
		return nil, wrongSignature("no_key", nil)
	}
	m, ok := parseJWK(string(jwk))
	if !ok || m["n"] == nil || m["e"] == nil {
		return nil, wrongSignature("key", nil)
	}
	if bits := m["n"].BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return nil, wrongSignature("key_size", map[string]any{"bits": bits, "min": minKeyBits, "max": maxKeyBits})
	}
	e := m["e"]
	if m["n"].Bit(0) == 0 || e.Bit(0) == 0 || e.BitLen() < 2 || e.BitLen() > 31 {
		return nil, wrongSignature("key", nil)
	}
	return &rsa.PublicKey{N: m["n"], E: int(e.Int64())}, nil
}

// parseJWK reads the numbers of an RSA key in JWK form. Missing ones are nil.
func parseJWK(text string) (map[string]*big.Int, bool) {
	const maxNumber = 2 * maxKeyBits / 6 // characters of base64; a longer number belongs to no usable key
	numbers := map[string]*big.Int{}
	kty, good := "", true
	ok := eachMember(text, func(sc *strictjson.Scanner, name string) {
		switch name {
		case "kty":
			kty, _ = readString(sc)
		case "n", "e", "d", "p", "q":
			s, ok := readString(sc)
			raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
			if !ok || err != nil || len(s) > maxNumber {
				good = false
				return
			}
			numbers[name] = new(big.Int).SetBytes(raw)
		default:
			sc.Skip()
		}
	})
	return numbers, ok && good && kty == "RSA"
}

// ParsePrivateJWK reads an RSA private key in JWK form with its two primes
// (RFC 7518 §6.3.2) and checks that its numbers belong together. Its errors
// never show them.
func ParsePrivateJWK(raw []byte) (*rsa.PrivateKey, error) {
	m, ok := parseJWK(string(raw))
	if !ok {
		return nil, errors.New("parse private JWK: not an RSA key in JWK form")
	}
	for _, name := range []string{"n", "e", "d", "p", "q"} {
		if m[name] == nil || m[name].Sign() == 0 {
			return nil, fmt.Errorf("parse private JWK: member %q is missing", name)
		}
	}
	if bits := m["n"].BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return nil, fmt.Errorf("parse private JWK: the key has %d bits, not %d to %d", bits, minKeyBits, maxKeyBits)
	}
	if m["e"].BitLen() > 31 {
		return nil, errors.New("parse private JWK: the public exponent is too large")
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: m["n"], E: int(m["e"].Int64())},
		D:         m["d"],
		Primes:    []*big.Int{m["p"], m["q"]},
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, errors.New("parse private JWK: the numbers of the key don't belong together")
	}
	return key, nil
}
