package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"trojmezi/internal/kernel/problem"
)

const origin = "https://node.example"

// authenticator is a device with one passkey (spec: Web Authentication Level 3,
// ES256 and no attestation).
type authenticator struct {
	key     *ecdsa.PrivateKey
	id      []byte
	counter uint32
}

func newAuthenticator() *authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	return &authenticator{key: key, id: id, counter: 1}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// data is the authenticator data for a host; with attested credential data when
// the passkey is made.
func (a *authenticator) data(host string, made bool) []byte {
	h := sha256.Sum256([]byte(host))
	flags := byte(0x05) // present and verified
	if made {
		flags |= 0x40
	}
	d := binary.BigEndian.AppendUint32(append(h[:], flags), a.counter)
	if made {
		d = append(d, make([]byte, 16)...)
		d = append(binary.BigEndian.AppendUint16(d, uint16(len(a.id))), a.id...)
		point, err := a.key.PublicKey.Bytes() // 4, x, y
		if err != nil {
			panic(err)
		}
		d = append(d, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 32) // {kty: EC2, alg: ES256, crv: P-256, x:
		d = append(append(d, point[1:33]...), 0x22, 0x58, 32)                   // y:
		d = append(d, point[33:]...)
	}
	return d
}

func clientData(kind, challenge, origin string) []byte {
	raw, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
	if err != nil {
		panic(err)
	}
	return raw
}

// options is what the page gives to the browser, as far as it matters here.
type options struct {
	PublicKey struct {
		Challenge        string
		RPID             string `json:"rpId"`
		RP               struct{ ID string }
		AllowCredentials []struct{ ID string }
	} `json:"publicKey"`
}

func parse(t *testing.T, raw []byte) (o options) {
	t.Helper()
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// create answers navigator.credentials.create at an address.
func (a *authenticator) create(o options, origin string) []byte {
	data := a.data(o.PublicKey.RP.ID, true)
	var att bytes.Buffer
	att.WriteByte(0xa3)
	att.WriteString("\x63fmt\x64none\x67attStmt\xa0\x68authData\x58")
	att.WriteByte(byte(len(data)))
	att.Write(data)
	return a.answer(map[string]string{"attestationObject": b64(att.Bytes()), "clientDataJSON": b64(clientData("webauthn.create", o.PublicKey.Challenge, origin))})
}

// get answers navigator.credentials.get at an address; each time counts.
func (a *authenticator) get(o options, origin string) []byte {
	a.counter++
	return a.sign(o, origin, o.PublicKey.RPID)
}

func (a *authenticator) sign(o options, origin, host string) []byte {
	data, client := a.data(host, false), clientData("webauthn.get", o.PublicKey.Challenge, origin)
	h := sha256.Sum256(client)
	sum := sha256.Sum256(append(bytes.Clone(data), h[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		panic(err)
	}
	return a.answer(map[string]string{"authenticatorData": b64(data), "clientDataJSON": b64(client), "signature": b64(signature)})
}

func (a *authenticator) answer(response map[string]string) []byte {
	raw, err := json.Marshal(map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	if err != nil {
		panic(err)
	}
	return raw
}

// addPasskey puts a new device on the account of a session.
func (w *world) addPasskey(in SignedIn) *authenticator {
	w.t.Helper()
	a := newAuthenticator()
	raw, err := w.BeginPasskeyEnrol(w.t.Context(), in.Token, origin)
	w.must(err)
	var o options
	w.must(json.Unmarshal(raw, &o))
	_, err = w.FinishPasskeyEnrol(w.t.Context(), in.Token, origin, "klíč", a.create(o, origin))
	w.must(err)
	return a
}

func TestPasskey(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	in := w.enter("anna")
	a := w.addPasskey(in)
	keys, err := w.Passkeys(ctx, anna.ID)
	w.must(err)
	if len(keys) != 1 || keys[0].Name != "klíč" || keys[0].Party != "node.example" || keys[0].ID != b64(a.id) || !keys[0].UsedAt.IsZero() {
		t.Fatalf("stored: %+v", keys)
	}
	if codes, err := w.Codes(ctx, in.Token); err != nil || len(codes) != recoveryCodes {
		t.Errorf("%d recovery codes, %v", len(codes), err)
	}

	ask := func() (SignedIn, options) {
		t.Helper()
		half := w.enter("anna")
		if half.Stage != StageSecond || w.who(half.Token) != nil {
			t.Fatalf("the password alone: %+v", half)
		}
		raw, err := w.BeginPasskey(ctx, half.Token, origin)
		w.must(err)
		return half, parse(t, raw)
	}
	half, o := ask()
	if len(o.PublicKey.AllowCredentials) != 1 || o.PublicKey.AllowCredentials[0].ID != b64(a.id) || o.PublicKey.RPID != "node.example" {
		t.Fatalf("asked for %+v", o)
	}
	answer := a.get(o, origin)
	done, err := w.FinishPasskey(ctx, half.Token, origin, answer)
	w.must(err)
	if me := w.who(done.Token); me == nil || me.ID != anna.ID || w.who(half.Token) != nil {
		t.Fatalf("with the passkey: %+v", me)
	}
	if keys, err = w.Passkeys(ctx, anna.ID); err != nil || !keys[0].UsedAt.Equal(w.clock.Now()) {
		t.Errorf("after use: %+v, %v", keys, err)
	}

	other, used := newAuthenticator(), a.counter
	for name, attack := range map[string]func(o options) []byte{
		"answer to another challenge":  func(options) []byte { return answer },
		"made for a false address":     func(o options) []byte { return a.get(o, "https://node.example.evil.example") },
		"made over plain HTTP":         func(o options) []byte { return a.get(o, "http://node.example") },
		"made for another host":        func(o options) []byte { a.counter++; return a.sign(o, origin, "evil.example") },
		"counter of a copied device":   func(o options) []byte { b := *a; b.counter = used; return b.sign(o, origin, "node.example") },
		"counter that went back":       func(o options) []byte { b := *a; b.counter = used - 1; return b.sign(o, origin, "node.example") },
		"passkey of somebody else":     func(o options) []byte { return other.get(o, origin) },
		"foreign key under a known id": func(o options) []byte { b := *other; b.id, b.counter = a.id, 1000; return b.get(o, origin) },
		"no answer at all":             func(options) []byte { return nil },
	} {
		w.clock.Advance(time.Minute)
		half, o := ask()
		_, err := w.FinishPasskey(ctx, half.Token, origin, attack(o))
		if err == nil {
			t.Errorf("%s: signed in", name)
			continue
		}
		w.refused(err, problem.Invalid, "identity.refused.passkey")
		if w.who(half.Token) != nil {
			t.Errorf("%s: the session opens pages", name)
		}
		// The challenge is used up, also for the right answer.
		_, err = w.FinishPasskey(ctx, half.Token, origin, a.get(o, origin))
		w.refused(err, problem.Invalid, "identity.refused.passkey")
	}

	// At another name of the node the passkey is not asked for.
	half, _ = ask()
	if raw, err := w.BeginPasskey(ctx, half.Token, "https://other.example"); err != nil || raw != nil {
		t.Errorf("at another host: %s, %v", raw, err)
	}
	w.refused(w.RemovePasskey(ctx, half.Token, b64(a.id)), problem.Conflict, "")
	half, o = ask()
	done, err = w.FinishPasskey(ctx, half.Token, origin, a.get(o, origin))
	w.must(err)
	w.refused(w.RemovePasskey(ctx, done.Token, "unknown"), problem.NotFound, "")
	w.must(w.RemovePasskey(ctx, done.Token, b64(a.id)))
	if in := w.enter("anna"); in.Stage != StageDone {
		t.Errorf("without the passkey: %+v", in)
	}
	for _, action := range []string{"identity.passkey.add", "identity.passkey.remove"} {
		if n := w.leaves(action); n != 1 {
			t.Errorf("%d leaves of %s", n, action)
		}
	}
}

func TestPasskeyEnrolment(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	w.hire("bert", "dispatcher")
	in := w.enter("anna")
	a := w.addPasskey(in)
	try := func(in SignedIn, name string, answer func(options) []byte) error {
		t.Helper()
		raw, err := w.BeginPasskeyEnrol(ctx, in.Token, origin)
		w.must(err)
		_, err = w.FinishPasskeyEnrol(ctx, in.Token, origin, name, answer(parse(t, raw)))
		return err
	}
	b := newAuthenticator()
	w.refused(try(in, " \u200b ", func(o options) []byte { return b.create(o, origin) }), problem.Invalid, "identity.input.name")
	w.refused(try(in, "klíč", func(o options) []byte { return b.create(o, "https://evil.example") }), problem.Invalid, "identity.refused.passkey")
	w.refused(try(in, "klíč", func(o options) []byte { return nil }), problem.Invalid, "identity.refused.passkey")
	// The id of Anna's passkey on Bert's account.
	b.id = a.id
	w.refused(try(w.enter("bert"), "klíč", func(o options) []byte { return b.create(o, origin) }), problem.Invalid, "identity.refused.passkey")
	for range maxPasskeys - 1 {
		w.addPasskey(in)
	}
	w.refused(try(in, "klíč", func(o options) []byte { return newAuthenticator().create(o, origin) }), problem.Conflict, "identity.refused.passkeys")
	if p, err := w.Person(ctx, anna.ID); err != nil || p.Passkeys != maxPasskeys {
		t.Errorf("%+v, %v", p, err)
	}
	w.clock.Advance(freshTime + time.Second)
	_, err := w.BeginPasskeyEnrol(ctx, in.Token, origin)
	w.refused(err, problem.Forbidden, "identity.refused.fresh")
}

func TestOrigin(t *testing.T) {
	w := begin(t)
	r := request("/")
	if got := w.Origin(r); got != origin {
		t.Errorf("over TLS %q", got)
	}
	r.TLS = nil
	if got := w.Origin(r); got != "http://node.example" {
		t.Errorf("without TLS %q", got)
	}
	w.o.Config.URL = "https://proxy.example/"
	if got := w.Origin(r); got != "https://proxy.example" {
		t.Errorf("behind a proxy %q", got)
	}
	for i := range 100 { // names a stranger invents
		if _, _, err := w.party(fmt.Sprintf("https://x%d.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.parties); n > 20 {
		t.Errorf("%d names are remembered", n)
	}
}
