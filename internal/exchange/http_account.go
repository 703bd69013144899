package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
)

// account is a system that may sign in, with its own allowance of messages.
type account struct {
	Account
	actor  access.Actor
	owns   sync.Map // action and OID the policy permitted; neither it nor the account changes
	rate   *rate.Limiter
	peer   string // id of the connected peer whose account it is, "" for one of the configuration
	before string // a password that is good too, "" for none
}

func newAccounts(list []Account, limits Limits) map[string]*account {
	accounts := map[string]*account{}
	for _, a := range list {
		accounts[a.Username] = &account{
			Account: a,
			actor:   access.Actor{Type: "Account", ID: a.Username, Attributes: map[string]any{"type": a.Type, "oids": a.OIDs}},
			rate:    newLimiter(limits),
		}
	}
	return accounts
}

// newLimiter lets a whole second's allowance come at once.
func newLimiter(limits Limits) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(limits.MessagesPerSecond), limits.MessagesPerSecond)
}

// own asks whether the account may act under an OID.
func (n *Node) own(ctx context.Context, a *account, action, oid string) error {
	memo := [2]string{action, oid}
	if _, ok := a.owns.Load(memo); ok {
		return nil
	}
	err := n.policy.Can(ctx, a.actor, action, access.Resource{Type: "Address", ID: oid, Attributes: map[string]any{"oid": oid}})
	if err != nil {
		return refuse(ucri.CodeForbiddenOID, "exchange.refuse.foreign_oid", i18n.Args{"oid": short(oid)})
	}
	a.owns.Store(memo, struct{}{})
	return nil
}

// checkPassword compares without telling by its time whether the user exists.
func (n *Node) checkPassword(username, password string) *account {
	a := n.account(username)
	switch {
	case a != nil && a.PasswordHash != "":
		ok, err := identity.CheckPassword(a.PasswordHash, password)
		if err != nil || !ok {
			return nil
		}
		return a
	case a != nil:
		if equal(a.Password, password) || a.before != "" && equal(a.before, password) {
			return a
		}
		return nil
	}
	for _, other := range n.accounts {
		if other.PasswordHash != "" {
			identity.CheckPassword(other.PasswordHash, password) // the same work, for the same time
			break
		}
	}
	return nil
}

func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// issueToken answers the token endpoints: HTTP Basic by GET as the specification
// has it, and the form of RFC 6749 §4.4 by POST as an extension.
func (n *Node) issueToken(r *http.Request, wanted string) (string, error) {
	if err := n.demandCertificate(r, wanted); err != nil {
		return "", err // before a stranger makes us compute a password hash
	}
	denied := refuse(ucri.CodeUnauthorized, "exchange.refuse.credentials", nil)
	user, pass, ok := r.BasicAuth() // the scheme word is case-insensitive there
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
			return "", refuse(ucri.CodeClientInvalid, "exchange.refuse.grant_type", nil)
		}
		if !ok {
			user, pass, ok = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), r.PostForm.Has("client_id")
		}
	}
	if !ok {
		return "", denied
	}
	if !n.signIns.allowed(r) {
		return "", &refusal{status: http.StatusTooManyRequests, code: ucri.CodeInternal, key: "exchange.refuse.sign_ins",
			args: i18n.Args{"seconds": int(signInPause / time.Second)}, retry: signInPause}
	}
	a := n.checkPassword(user, pass)
	if a == nil || a.Type != wanted {
		n.signIns.wrong(r)
		n.log.Warn("exchange: sign-in refused", "interface", wanted, "address", address(r))
		return "", denied
	}
	c := identity.Claims{Subject: a.Username, Role: a.Type, OIDs: a.OIDs}
	if wanted == accountP2P {
		if _, err := n.peersOf(r, a); err != nil {
			return "", err
		}
		c.CertThumbprint = thumbprint(r)
		n.noteCall(a, noteSignIn, shown(r))
		n.noteSecret(a, pass)
	}
	return n.tokens.Issue(c)
}

// authenticate finds the account of a bearer token and checks that it may use
// the interface ("client" or "p2p").
func (n *Node) authenticate(r *http.Request, wanted string) (*account, error) {
	if err := n.demandCertificate(r, wanted); err != nil {
		return nil, err
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return nil, refuse(ucri.CodeUnauthorized, "exchange.refuse.no_token", nil)
	}
	c, err := n.tokens.Verify(strings.TrimSpace(token))
	if err != nil {
		return nil, refuse(ucri.CodeUnauthorized, "exchange.refuse.token", nil)
	}
	a := n.account(c.Subject)
	if a == nil {
		return nil, refuse(ucri.CodeUnauthorized, "exchange.refuse.token", nil)
	}
	if c.CertThumbprint != "" && !hmac.Equal([]byte(c.CertThumbprint), []byte(thumbprint(r))) {
		// A token stolen from a neighbour is worth nothing without its key.
		return nil, refuse(ucri.CodeUnauthorized, "exchange.refuse.token_certificate", nil)
	}
	if err := n.policy.Can(r.Context(), a.actor, "exchange."+wanted, access.Resource{Type: "Interface", ID: wanted}); err != nil {
		return nil, refuse(ucri.CodeUnauthorized, "exchange.refuse.interface", i18n.Args{"interface": wanted})
	}
	return a, nil
}

// demandCertificate refuses a stranger at the interface between nodes. On
// loopback without TLS there are no certificates.
// What was trusted when the connection was opened is asked for again: it may have
// been revoked since.
func (n *Node) demandCertificate(r *http.Request, side string) error {
	if r.TLS == nil {
		return nil
	}
	if len(r.TLS.PeerCertificates) == 0 {
		if side == accountP2P {
			return refuse(ucri.CodeUnauthorized, "exchange.refuse.no_certificate", nil)
		}
		return nil
	}
	if err := n.verifyCaller(r.TLS.PeerCertificates); err != nil {
		x := refuse(ucri.CodeUnauthorized, "exchange.refuse.certificate", nil)
		x.err = err
		return x
	}
	return nil
}

// shown is the certificate chain of the caller, if it has one.
func shown(r *http.Request) []*x509.Certificate {
	if r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

// noteRequest keeps what a connected peer did last.
func (n *Node) noteRequest(a *account, r *http.Request) {
	switch {
	case a.peer == "":
	case strings.HasSuffix(r.URL.Path, "/registry"):
		n.noteCall(a, noteRegister, shown(r))
	case strings.HasSuffix(r.URL.Path, "/messaging/send"):
		n.noteCall(a, noteMessage, shown(r))
	}
}

// peersOf tells which neighbours a p2p account may speak for. Over TLS the
// certificate decides: it names the node's OID in a SAN URI urn:oid:…
func (n *Node) peersOf(r *http.Request, a *account) ([]*peer, error) {
	var from []*peer
	if r.TLS == nil {
		for _, p := range n.peers().list {
			if len(a.OIDs) == 0 || slices.Contains(a.OIDs, p.OID) {
				from = append(from, p)
			}
		}
	} else if p := n.peers().pinned[Fingerprint(r.TLS.PeerCertificates[0])]; p != nil {
		// Whatever it says of itself: people accepted it for this neighbour.
		if len(a.OIDs) == 0 || slices.Contains(a.OIDs, p.OID) {
			from = append(from, p)
		}
	} else {
		for _, oid := range certificateOIDs(r.TLS.PeerCertificates[0]) {
			if p := n.peerOf(oid); p != nil && (len(a.OIDs) == 0 || slices.Contains(a.OIDs, oid)) {
				from = append(from, p)
			}
		}
	}
	if len(from) == 0 && r.TLS != nil {
		return nil, refuse(ucri.CodeUnauthorized, "exchange.refuse.certificate_oid", nil)
	}
	slices.SortFunc(from, func(x, y *peer) int { return strings.Compare(x.ID, y.ID) })
	return from, nil
}

// certificateOIDs returns the OIDs in the certificate's SAN URIs (RFC 3061).
func certificateOIDs(c *x509.Certificate) []string {
	var oids []string
	for _, u := range c.URIs {
		if strings.EqualFold(u.Scheme, "urn") && len(u.Opaque) > 4 && strings.EqualFold(u.Opaque[:4], "oid:") {
			oids = append(oids, u.Opaque[4:])
		}
	}
	return oids
}

// thumbprint of the client certificate, "" without one. spec: RFC 8705 §3.1.
func thumbprint(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	h := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	return base64.RawURLEncoding.EncodeToString(h[:])
}
