package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/problem"
)

const (
	// DefaultTTL is how long a token is valid if nobody says otherwise: a token
	// cannot be called back, so a lost one must soon be worthless.
	DefaultTTL = 15 * time.Minute
	// leeway covers clocks of several instances of one node, which issue and
	// verify each other's tokens.
	leeway = 5 * time.Second
	// maxToken is the longest token looked at; one with 50 OIDs has 2 KiB.
	maxToken = 8 << 10
	// maxCached bounds the memory of verified tokens: two halves of about
	// 0.5 KiB an entry. A node has some hundred accounts at most.
	maxCached = 2048
	// minSecret is the shortest HMAC key (spec: RFC 7518, §3.2).
	minSecret = 32
)

// Claims is what a token says. OIDs are dotted decimal; CertThumbprint is the
// base64url SHA-256 of the client certificate the token is bound to (spec:
// RFC 8705, §3.1), empty for none. The caller compares it with the connection.
type Claims struct {
	Subject        string
	Role           string
	OIDs           []string
	Audience       string
	CertThumbprint string
	ID             string
	IssuedAt       time.Time
	ExpiresAt      time.Time
}

// private holds the claims that jwt.Claims does not have.
type private struct {
	Role string        `json:"role,omitempty"`
	OIDs []string      `json:"oids,omitempty"`
	Cnf  *confirmation `json:"cnf,omitempty"`
}

type confirmation struct {
	CertThumbprint string `json:"x5t#S256"`
}

// Tokens issues and verifies the tokens of one node (spec: RFC 7519). It is
// safe for concurrent use.
type Tokens struct {
	alg      jose.SignatureAlgorithm
	sign     any
	verify   any
	audience string
	ttl      time.Duration
	clk      *clock.Clock

	mu            sync.Mutex
	fresh, fading map[[sha256.Size]byte]Claims // by hash, so that the cache holds no usable token
}

// NewTokens signs with Ed25519 (spec: RFC 8037). The seed has 32 bytes, else
// NewTokens panics; every instance of a node uses the same. The node is both
// issuer and audience. A ttl of 0 is DefaultTTL.
func NewTokens(seed []byte, audience string, ttl time.Duration, clk *clock.Clock) *Tokens {
	key := ed25519.NewKeyFromSeed(seed)
	return newTokens(jose.EdDSA, key, key.Public(), audience, ttl, clk)
}

// NewSharedSecretTokens signs with HS256, for test federations whose nodes
// share a secret; whoever verifies could also have issued. A secret shorter
// than RFC 7518 demands is filled with zero bytes, which HMAC does anyway
// (spec: RFC 2104, §2), so that the result is the same as with other libraries.
func NewSharedSecretTokens(secret []byte, audience string, ttl time.Duration, clk *clock.Clock) *Tokens {
	key := slices.Clone(secret)
	if short := minSecret - len(key); short > 0 {
		key = append(key, make([]byte, short)...)
	}
	return newTokens(jose.HS256, key, key, audience, ttl, clk)
}

func newTokens(alg jose.SignatureAlgorithm, sign, verify any, audience string, ttl time.Duration, clk *clock.Clock) *Tokens {
	if ttl == 0 {
		ttl = DefaultTTL
	}
	return &Tokens{
		alg: alg, sign: sign, verify: verify, audience: audience, ttl: ttl, clk: clk,
		fresh: map[[sha256.Size]byte]Claims{},
	}
}

// Issue signs the claims. Empty Audience, ID, IssuedAt and ExpiresAt are filled
// in; times are cut to seconds.
func (t *Tokens) Issue(c Claims) (string, error) {
	if c.IssuedAt.IsZero() {
		c.IssuedAt = t.clk.Now()
	}
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = c.IssuedAt.Add(t.ttl)
	}
	if c.ID == "" {
		c.ID = t.clk.NewID()
	}
	if c.Audience == "" {
		c.Audience = t.audience
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: t.alg, Key: t.sign}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("identity.Issue: %w", err)
	}
	p := private{Role: c.Role, OIDs: c.OIDs}
	if c.CertThumbprint != "" {
		p.Cnf = &confirmation{c.CertThumbprint}
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: t.audience, Subject: c.Subject, Audience: jwt.Audience{c.Audience}, ID: c.ID,
		IssuedAt: jwt.NewNumericDate(c.IssuedAt), Expiry: jwt.NewNumericDate(c.ExpiresAt),
	}).Claims(p).Serialize()
	if err != nil {
		return "", fmt.Errorf("identity.Issue: %w", err)
	}
	return token, nil
}

// Verify returns the claims of a token that this node issued for itself and
// that is valid now. Any other gives a *problem.Error of kind Unauthenticated.
func (t *Tokens) Verify(token string) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, refused(errors.New("too long"))
	}
	hash := sha256.Sum256([]byte(token))
	now := t.clk.Now()
	c, ok := t.cached(hash)
	if !ok {
		var err error
		if c, err = t.parse(token, now); err != nil {
			return Claims{}, refused(err)
		}
		t.remember(hash, c)
	}
	if now.After(c.ExpiresAt.Add(leeway)) {
		return Claims{}, refused(jwt.ErrExpired)
	}
	c.OIDs = slices.Clone(c.OIDs) // what the caller does to them must not reach the cache
	return c, nil
}

func refused(err error) error {
	key := "identity.token.invalid"
	if errors.Is(err, jwt.ErrExpired) {
		key = "identity.token.expired"
	}
	return &problem.Error{Op: "identity.Verify", Kind: problem.Unauthenticated, Key: key, Err: err}
}

// parse does everything but the cache. The algorithm is fixed by us, never by
// the token's header (spec: RFC 8725, §3.1).
func (t *Tokens) parse(token string, now time.Time) (Claims, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{t.alg})
	if err != nil {
		return Claims{}, err
	}
	var std jwt.Claims
	var p private
	if err := parsed.Claims(t.verify, &std, &p); err != nil {
		return Claims{}, err
	}
	if std.Expiry == nil || std.IssuedAt == nil || std.Subject == "" {
		return Claims{}, errors.New("exp, iat or sub is missing")
	}
	expected := jwt.Expected{Issuer: t.audience, AnyAudience: jwt.Audience{t.audience}, Time: now}
	if err := std.ValidateWithLeeway(expected, leeway); err != nil {
		return Claims{}, err
	}
	c := Claims{
		Subject: std.Subject, Role: p.Role, OIDs: p.OIDs, Audience: t.audience, ID: std.ID,
		IssuedAt: std.IssuedAt.Time().UTC(), ExpiresAt: std.Expiry.Time().UTC(),
	}
	if p.Cnf != nil {
		if c.CertThumbprint = p.Cnf.CertThumbprint; c.CertThumbprint == "" {
			// A binding we do not know must not turn into no binding.
			return Claims{}, errors.New("cnf without x5t#S256")
		}
	}
	return c, nil
}

// cached looks a token up and keeps it from fading.
func (t *Tokens) cached(hash [sha256.Size]byte) (Claims, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.fresh[hash]
	if !ok {
		if c, ok = t.fading[hash]; ok {
			t.store(hash, c)
		}
	}
	return c, ok
}

func (t *Tokens) remember(hash [sha256.Size]byte, c Claims) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.store(hash, c)
}

// store drops the half that was not asked for since the last turn when the
// other one is full: nearly least recently used, without a list.
func (t *Tokens) store(hash [sha256.Size]byte, c Claims) {
	if len(t.fresh) >= maxCached/2 {
		t.fading, t.fresh = t.fresh, make(map[[sha256.Size]byte]Claims, maxCached/2)
	}
	t.fresh[hash] = c
}
