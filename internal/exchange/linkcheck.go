package exchange

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
)

// CheckStep is one thing two nodes must be able to do before people rely on the
// link between them.
type CheckStep string

// The steps in the order in which they are tried. Those of their side are only
// seen here: they happen when the neighbour tests.
const (
	CheckReach       CheckStep = "reach"       // their address answers
	CheckCertificate CheckStep = "certificate" // it shows what was read out to us
	CheckSignIn      CheckStep = "sign_in"     // they take our certificate and password
	CheckInfo        CheckStep = "info"        // their node says it works
	CheckRegister    CheckStep = "register"    // their register names their node
	CheckClock       CheckStep = "clock"       // both clocks agree
	CheckMessage     CheckStep = "message"     // they take a message of our node
	CheckTheirSignIn CheckStep = "their_sign_in"
	CheckTheirRead   CheckStep = "their_register"
	CheckTheirPost   CheckStep = "their_message"
)

// Causes of a failed step.
const (
	CauseName        = "name"        // the host name is not known
	CauseRefused     = "refused"     // the host has nothing on that port
	CauseTimeout     = "timeout"     // no answer
	CauseNoTLS       = "no_tls"      // what answers there is no such server
	CauseFingerprint = "fingerprint" // another certificate than the accepted ones
	CauseRevoked     = "revoked"     // one that was removed here
	CauseExpired     = "expired"     // it ended, or begins later
	CauseOtherNode   = "other_node"  // it names another OID
	CauseOurs        = "ours"        // they do not take our certificate
	CausePassword    = "password"    // they do not take our user name and password
	CauseAnswer      = "answer"      // another answer than the specification has
	CauseStarting    = "starting"    // their node is not ready
	CauseOID         = "oid"         // their register has another node
	CauseClock       = "clock"
	CauseNotSeen     = "not_seen" // they have not done that lately
	CauseSkipped     = "skipped"  // an earlier step failed
)

// LinkCheck is the result of one step.
type LinkCheck struct {
	Step   CheckStep
	Cause  string    // "": it worked
	Detail string    // what was found, such as a fingerprint or a number of participants
	At     time.Time // when they did it, for their steps
}

// checkFresh is how long ago the neighbour's own calls may be to count: the time
// of one telephone call between two technicians.
const checkFresh = 15 * time.Minute

// checkTimeout bounds one step.
const checkTimeout = 10 * time.Second

// CheckLink tries a link in both directions as far as this node can: what
// CheckLine does, and when the neighbour did the same here. It changes nothing.
func (n *Node) CheckLink(ctx context.Context, l Link) []LinkCheck {
	out := n.CheckLine(ctx, l, CheckMessage)
	for _, s := range []struct {
		step CheckStep
		at   time.Time
	}{{CheckTheirSignIn, l.SignedInAt}, {CheckTheirRead, l.RegisterAt}, {CheckTheirPost, l.MessageAt}} {
		c := LinkCheck{Step: s.step, At: s.at}
		if s.at.IsZero() || n.clock.Now().Sub(s.at) > checkFresh {
			c.Cause = CauseNotSeen
		}
		out = append(out, c)
	}
	return out
}

// CheckLine does everything a node does with its neighbour once, over new
// connections, up to the step last.
func (n *Node) CheckLine(ctx context.Context, l Link, last CheckStep) []LinkCheck {
	p, err := newPeer(n.cfg, l.Peer, n.security, n.version, func(p *peer) {
		p.link = l.key()
		p.accepted, p.revoked = setOf(p.link.accepted), setOf(p.link.notAccepted)
	})
	u, err2 := url.Parse(l.BaseURL)
	if err = errors.Join(err, err2); err != nil {
		return []LinkCheck{{Step: CheckReach, Cause: CauseName, Detail: err.Error()}}
	}
	defer p.client.Close()
	var out []LinkCheck
	failed := false
	for _, s := range n.lineSteps(p, u) {
		c := LinkCheck{Step: s.step, Cause: CauseSkipped}
		if !failed {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			c.Cause, c.Detail = s.try(ctx)
			cancel()
			failed = c.Cause != "" && s.step != CheckClock
		}
		if s.step != CheckCertificate || u.Scheme == "https" {
			out = append(out, c)
		}
		if s.step == last {
			break
		}
	}
	return out
}

// LineGood reports whether messages can go over a line that was tried: its clock
// does not keep them from that.
func LineGood(found []LinkCheck) bool {
	return !slices.ContainsFunc(found, func(c LinkCheck) bool { return c.Cause != "" && c.Step != CheckClock })
}

// lineStep is how a step of CheckLine is tried.
type lineStep struct {
	step CheckStep
	try  func(ctx context.Context) (cause, detail string)
}

func (n *Node) lineSteps(p *peer, u *url.URL) []lineStep {
	var info ucri.Info
	return []lineStep{
		{CheckReach, func(ctx context.Context) (string, string) { return reach(ctx, u) }},
		{CheckCertificate, func(ctx context.Context) (string, string) { return n.checkCertificate(ctx, p, u) }},
		{CheckSignIn, func(ctx context.Context) (string, string) {
			var err error
			info, err = p.client.Info(ctx)
			return causeOf(err)
		}},
		{CheckInfo, func(context.Context) (string, string) {
			if info.Status != 0 {
				return CauseStarting, info.UCRMProductName
			}
			return "", strings.TrimSpace(info.UCRMProvider + " · " + info.UCRMProductName + " " + info.UCRMVersion)
		}},
		{CheckRegister, func(ctx context.Context) (string, string) { return checkRegister(ctx, p) }},
		{CheckClock, func(context.Context) (string, string) {
			if skew := p.client.ClockSkew(); skew.Abs() > SkewAlarm {
				return CauseClock, skew.Round(time.Second).String()
			}
			return "", ""
		}},
		{CheckMessage, func(ctx context.Context) (string, string) { return n.checkMessage(ctx, p) }},
	}
}

// checkRegister looks whether their register has the node we mean.
func checkRegister(ctx context.Context, p *peer) (cause, detail string) {
	recs, err := p.client.Registry(ctx)
	if err != nil {
		return causeOf(err)
	}
	var names []string
	cause = CauseOID
	for _, r := range recs {
		if r.ID == p.OID {
			cause = ""
			continue
		}
		names = append(names, r.OperatorName+" ("+r.ID+")")
	}
	return cause, strings.Join(names, ", ")
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func reach(ctx context.Context, u *url.URL) (cause, detail string) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(u))
	if err == nil {
		c.Close()
		return "", hostPort(u)
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return CauseName, u.Hostname()
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return CauseTimeout, hostPort(u)
	}
	return CauseRefused, hostPort(u)
}

// checkCertificate looks at what their server shows; a server without TLS has
// nothing to show.
func (n *Node) checkCertificate(ctx context.Context, p *peer, u *url.URL) (cause, detail string) {
	if u.Scheme != "https" {
		return "", ""
	}
	var shown *x509.Certificate
	var err error
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: u.Hostname(),
		// Looked at only; nothing is said over this connection.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			shown = s.PeerCertificates[0]
			err = verifyPeer(n.security, p, u.Hostname())(s)
			return nil
		},
	}
	c, dialErr := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", hostPort(u))
	if dialErr == nil {
		c.Close()
	}
	if shown == nil {
		return CauseNoTLS, ""
	}
	fp := Fingerprint(shown)
	if err == nil {
		n.noteCertificate(p, shown, 0)
		return "", fp
	}
	return certificateCause(err), fp
}

func certificateCause(err error) string {
	switch _, wrong := errors.AsType[x509.CertificateInvalidError](err); {
	case errors.Is(err, errRevoked):
		return CauseRevoked
	case errors.Is(err, errOtherNode), strings.Contains(err.Error(), "certificate is that of node"):
		return CauseOtherNode
	case wrong:
		return CauseExpired
	}
	return CauseFingerprint
}

// checkMessage sends what one node tells another.
func (n *Node) checkMessage(ctx context.Context, p *peer) (cause, detail string) {
	e := &ucri.Envelope{
		MessageID: n.clock.NewID(), SentDate: ucri.FormatTime(n.clock.Now()), Timeout: availabilityTimeout, Ack: ucri.AckNone,
		Source: n.cfg.OID, Destinations: []string{p.OID},
		Payload: ucri.AvailabilityUpdate{ID: n.cfg.OID, Status: ucri.StatusOnline}.Payload(),
	}
	if n.signer != nil {
		var err error
		if e.Signature, err = ucri.Sign(e, n.signer); err != nil {
			return CauseAnswer, err.Error()
		}
	}
	_, err := p.client.Send(ctx, e)
	return causeOf(err)
}

// causeOf names why a call failed.
func causeOf(err error) (cause, detail string) {
	if err == nil {
		return "", ""
	}
	if r, ok := errors.AsType[*ucrmclient.Refusal](err); ok {
		detail = r.Reason
		if r.Status == 401 || r.Code == ucri.CodeUnauthorized {
			return CausePassword, detail
		}
		return CauseAnswer, strings.TrimSpace(r.Error())
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificateCause(e.Err), ""
	}
	if strings.Contains(err.Error(), "remote error: tls") {
		return CauseOurs, ""
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return CauseTimeout, ""
	}
	return CauseAnswer, err.Error()
}
