package identity

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// maxPasskeys is more devices than anybody carries.
const maxPasskeys = 10

// Passkey is a device that proves its person (spec: Web Authentication Level 3).
type Passkey struct {
	ID        string
	Name      string
	Party     string // the host it works for
	CreatedAt time.Time
	UsedAt    time.Time

	credential webauthn.Credential
}

// Origin is the address of the pages as the browser sees it.
func (d *Directory) Origin(r *http.Request) string {
	if d.o.Config.URL != "" {
		return strings.TrimSuffix(d.o.Config.URL, "/")
	}
	if d.secure(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// party returns the verifier for an origin, and its host. Without a configured
// address the origin is what the browser asked for; a passkey is bound to the
// host it was made for, so another name of ours opens nothing.
func (d *Directory) party(origin string) (*webauthn.WebAuthn, string, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" {
		return nil, "", fmt.Errorf("identity: origin %q: %w", origin, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.parties[origin]; p != nil {
		return p, u.Hostname(), nil
	}
	p, err := webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: "Trojmezí", RPOrigins: []string{origin}})
	if err != nil {
		return nil, "", fmt.Errorf("identity: passkeys: %w", err)
	}
	if len(d.parties) > 16 { // names a stranger invents
		clear(d.parties)
	}
	d.parties[origin] = p
	return p, u.Hostname(), nil
}

// holder is a person as the library knows one.
type holder struct {
	person *Person
	keys   []Passkey
}

func (h holder) WebAuthnID() []byte          { return []byte(h.person.ID) }
func (h holder) WebAuthnName() string        { return h.person.Login }
func (h holder) WebAuthnDisplayName() string { return h.person.Name }
func (h holder) WebAuthnCredentials() (all []webauthn.Credential) {
	for _, k := range h.keys {
		all = append(all, k.credential)
	}
	return all
}

// passkeys lists those of a person, of one host or all with "".
func passkeys(tx *store.Tx, person, party string) ([]Passkey, error) {
	rows, err := tx.Query(`SELECT id, name, party, credential, created_at, used_at FROM identity_passkey
		WHERE person = $1 AND ($2 = '' OR party = $2) ORDER BY created_at, id`, person, party)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Passkey
	for rows.Next() {
		var k Passkey
		var credential string
		var created, used int64
		if err := rows.Scan(&k.ID, &k.Name, &k.Party, &credential, &created, &used); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(credential), &k.credential); err != nil {
			return nil, fmt.Errorf("identity: passkey: %w", err)
		}
		k.CreatedAt, k.UsedAt = moment(created), moment(used)
		all = append(all, k)
	}
	return all, rows.Err()
}

// Passkeys lists those of a person.
func (d *Directory) Passkeys(ctx context.Context, person string) (all []Passkey, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, err = passkeys(tx, person, "")
		return err
	})
	return all, problem.Wrap("identity.Passkeys", err)
}

func (d *Directory) holder(ctx context.Context, p *Person, party string) (h holder, err error) {
	h.person = p
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		h.keys, err = passkeys(tx, p.ID, party)
		return err
	})
	return h, err
}

// BeginPasskeyEnrol returns the options for navigator.credentials.create as JSON.
func (d *Directory) BeginPasskeyEnrol(ctx context.Context, token, origin string) ([]byte, error) {
	const op = "identity.BeginPasskeyEnrol"
	s, p, err := d.enrolling(ctx, op, token)
	if err != nil {
		return nil, err
	}
	rp, host, err := d.party(origin)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	h, err := d.holder(ctx, p, host)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	options, step, err := rp.BeginRegistration(h,
		webauthn.WithConveyancePreference(protocol.PreferNoAttestation),
		webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementDiscouraged),
		webauthn.WithExclusions(webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	return d.challenge(ctx, op, s, options, step)
}

// challenge keeps the step and returns the options for the page.
func (d *Directory) challenge(ctx context.Context, op string, s *Session, options any, step *webauthn.SessionData) ([]byte, error) {
	if err := d.keepPending(ctx, s, func(p *pending) { p.Passkey = step }); err != nil {
		return nil, problem.Wrap(op, err)
	}
	raw, err := json.Marshal(options)
	return raw, problem.Wrap(op, err)
}

// answered takes the step a session waits for: each challenge is answered once.
func (d *Directory) answered(ctx context.Context, s *Session) (*webauthn.SessionData, error) {
	w, err := d.pending(s)
	if err != nil {
		return nil, err
	}
	if w.Passkey == nil {
		return nil, wrongPasskey()
	}
	return w.Passkey, d.keepPending(ctx, s, func(p *pending) { p.Passkey = nil })
}

func wrongPasskey() error { return Faults{{"passkey", "identity.refused.passkey", nil}} }

// FinishPasskeyEnrol stores the passkey the browser made.
func (d *Directory) FinishPasskeyEnrol(ctx context.Context, token, origin, name string, response []byte) (SignedIn, error) {
	const op = "identity.FinishPasskeyEnrol"
	s, p, err := d.enrolling(ctx, op, token)
	if err != nil {
		return SignedIn{}, err
	}
	if name = tidy(name); name == "" || utf8.RuneCountInString(name) > maxName {
		return SignedIn{}, Faults{{"device", "identity.input.name", i18n.Args{"n": maxName}}}
	}
	step, err := d.answered(ctx, s)
	if err != nil {
		return SignedIn{}, err
	}
	rp, host, err := d.party(origin)
	if err != nil {
		return SignedIn{}, problem.Wrap(op, err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBody(bytes.NewReader(response))
	if err != nil {
		return SignedIn{}, wrongPasskey()
	}
	credential, err := rp.CreateCredential(holder{person: p}, *step, parsed)
	if err != nil {
		return SignedIn{}, wrongPasskey()
	}
	raw, err := json.Marshal(credential)
	if err != nil {
		return SignedIn{}, problem.Wrap(op, err)
	}
	return d.enrolled(ctx, op, token, s, p.ID, "identity.passkey.add", func(tx *store.Tx, p *Person) error {
		if p.Passkeys >= maxPasskeys {
			return problem.New(op, problem.Conflict, "identity.refused.passkeys", i18n.Args{"n": maxPasskeys})
		}
		now := d.o.Clock.Now().UnixMilli()
		n, err := tx.Exec(`INSERT INTO identity_passkey (id, person, name, party, credential, created_at, used_at)
			VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT (id) DO NOTHING`,
			base64.RawURLEncoding.EncodeToString(credential.ID), p.ID, name, host, string(raw), now)
		if err == nil && n == 0 {
			return wrongPasskey() // a credential id belongs to one account
		}
		return err
	})
}

// BeginPasskey returns the options for navigator.credentials.get as JSON at
// StageSecond, nil when the person has no passkey for this host.
func (d *Directory) BeginPasskey(ctx context.Context, token, origin string) ([]byte, error) {
	const op = "identity.BeginPasskey"
	return d.askPasskey(ctx, op, token, origin, StageSecond)
}

// askPasskey returns the options for navigator.credentials.get at a stage.
func (d *Directory) askPasskey(ctx context.Context, op, token, origin string, at Stage) ([]byte, error) {
	s, p, err := d.stage(ctx, op, token, at)
	if err != nil {
		return nil, err
	}
	rp, host, err := d.party(origin)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	h, err := d.holder(ctx, p, host)
	if err != nil || len(h.keys) == 0 {
		return nil, problem.Wrap(op, err)
	}
	options, step, err := rp.BeginLogin(h)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	return d.challenge(ctx, op, s, options, step)
}

// FinishPasskey is the step StageSecond with the passkey's answer.
func (d *Directory) FinishPasskey(ctx context.Context, token, origin string, response []byte) (in SignedIn, err error) {
	const op = "identity.FinishPasskey"
	s, p, err := d.stage(ctx, op, token, StageSecond)
	if err != nil {
		return in, err
	}
	err = d.takePasskey(ctx, op, s, p, origin, response, func(tx *store.Tx, p *Person) error {
		in, err = d.advance(tx, p, s)
		return err
	})
	return in, err
}

// takePasskey judges the passkey's answer to the challenge of a session, and does what
// it was asked for in the transaction that notes its use. A wrong one is a wrong second
// factor.
func (d *Directory) takePasskey(ctx context.Context, op string, s *Session, p *Person, origin string, response []byte, use func(*store.Tx, *Person) error) error {
	step, err := d.answered(ctx, s)
	if err != nil {
		return err
	}
	rp, host, err := d.party(origin)
	if err != nil {
		return problem.Wrap(op, err)
	}
	h, err := d.holder(ctx, p, host)
	if err != nil {
		return problem.Wrap(op, err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBody(bytes.NewReader(response))
	if err != nil {
		return d.wrongSecond(ctx, s, wrongPasskey())
	}
	credential, err := rp.ValidateLogin(h, *step, parsed)
	if err != nil || credential.Authenticator.CloneWarning { // a counter that went back: two devices with one key
		return d.wrongSecond(ctx, s, wrongPasskey())
	}
	raw, err := json.Marshal(credential)
	if err != nil {
		return problem.Wrap(op, err)
	}
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		p, err := personByID(tx, p.ID)
		if err != nil {
			return none(op, err)
		}
		n, err := tx.Exec(`UPDATE identity_passkey SET credential = $3, used_at = $4 WHERE id = $1 AND person = $2`,
			base64.RawURLEncoding.EncodeToString(credential.ID), p.ID, string(raw), d.o.Clock.Now().UnixMilli())
		if err != nil {
			return err
		}
		if n == 0 {
			return wrongPasskey()
		}
		return use(tx, p)
	}))
}

// RemovePasskey takes a device off the account of the session's person.
func (d *Directory) RemovePasskey(ctx context.Context, token, id string) error {
	const op = "identity.RemovePasskey"
	s, p, err := d.enrolling(ctx, op, token)
	if err != nil {
		return err
	}
	if s.Stage != StageDone {
		return problem.New(op, problem.Conflict, "", nil)
	}
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM identity_passkey WHERE id = $1 AND person = $2`, id, p.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound(op)
		}
		return d.note(tx, audit.Event{Action: "identity.passkey.remove", Actor: p.ID, Object: p.ID}, id)
	}))
}

var _ webauthn.User = holder{}
