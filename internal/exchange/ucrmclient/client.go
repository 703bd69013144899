package ucrmclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trojmezi/internal/format/strictjson"
	"trojmezi/internal/format/ucri"
)

const (
	// DefaultTimeout bounds one request with its answer, including the token it
	// may need first. A node that writes to a busy disk answers within seconds.
	DefaultTimeout = 30 * time.Second

	// connectTimeout bounds the TCP connection and, again, the TLS handshake: a
	// host that is off must not use up a request's whole time.
	connectTimeout = 5 * time.Second
	// idlePerHost keeps a connection for every sender that works side by side.
	idlePerHost = 128
	// idleTimeout is below the two minutes after which nodes hang up.
	idleTimeout = 90 * time.Second
	headerBytes = 64 << 10

	// Limits of an answer's body. An envelope comes back a little larger than
	// the megabyte a node takes; a receive has at most a few thousand of
	// ordinary size; a registry of a whole country has hundreds of records.
	maxEnvelope = 4 << 20
	maxReceived = 64 << 20
	maxRegistry = 16 << 20
	maxSmall    = 64 << 10

	// skewEvery is how often the peer's clock is read from its answers.
	skewEvery = 5 * time.Second
	// skewNoise is the precision of the Date header with some time on the way.
	skewNoise = time.Second
)

// Config says which node to call and as whom.
type Config struct {
	BaseURL  string // http(s)://host:port/ucrm/client/v0 or …/p2p/v0
	Username string
	Password string
	// TLS holds root CAs and client certificate; nil: those of the system and
	// none. TLS 1.3 is the least that is spoken; skipping the verification is
	// refused.
	TLS *tls.Config
	// Verify, if set, decides in place of the root CAs and the host name whether the
	// node's certificate is taken. PeerOID is asked for all the same.
	Verify func(tls.ConnectionState) error
	// PeerOID is the OID the node must have if its certificate names any, in a
	// SAN URI urn:oid:… (RFC 3061). "" or a certificate without one: only the
	// host name counts.
	PeerOID   string
	UserAgent string
	Timeout   time.Duration // of one request; 0: DefaultTimeout. Receive adds its maxDelay.
	// Invalid, if set, is told why Registry left a record out.
	Invalid func(error)
}

// Client calls one interface of one node under one account. It is safe for
// concurrent use.
type Client struct {
	cfg       Config
	transport *http.Transport
	basic     http.Header // for the token request

	tokenURL, infoURL, registryURL, sendURL, receiveURL, commitURL *url.URL

	current atomic.Pointer[token]
	mu      sync.Mutex
	flight  *flight // guarded by mu

	skew   atomic.Int64 // nanoseconds
	skewAt atomic.Int64 // unix nanoseconds of the last look, 0: never
}

// New checks the configuration; it does not connect.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: base URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("ucrmclient: base URL %s: expected http(s)://host[:port]/path", u.Redacted())
	}
	if u.Path == "" {
		u.Path = "/" // else the paths below would not begin with one
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	conf, err := tlsConfig(cfg.TLS, cfg.Verify, cfg.PeerOID)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg,
		transport: &http.Transport{
			TLSClientConfig:        conf,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			MaxIdleConnsPerHost:    idlePerHost,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: headerBytes,
			DisableCompression:     true,
		},
		tokenURL:    u.JoinPath("token"),
		infoURL:     u.JoinPath("info"),
		registryURL: u.JoinPath("registry"),
		sendURL:     u.JoinPath("messaging", "send"),
		receiveURL:  u.JoinPath("messaging", "receive"),
		commitURL:   u.JoinPath("messaging", "commit"),
	}
	probe := &http.Request{Header: c.header("")}
	probe.SetBasicAuth(cfg.Username, cfg.Password)
	c.basic = probe.Header
	return c, nil
}

// Close ends the idle connections. The client can be used further.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// header is what every request carries. Requests share it: the transport reads
// headers only.
func (c *Client) header(authorization string) http.Header {
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
	if c.cfg.UserAgent != "" {
		h.Set("User-Agent", c.cfg.UserAgent)
	}
	if authorization != "" {
		h.Set("Authorization", authorization)
	}
	return h
}

// Send hands a message over and returns the node's echo, in which a client API
// has filled in messageId, sentDate, timeout and ack.
// spec: UCRI 2 transport 2.0.0, POST /messaging/send.
func (c *Client) Send(ctx context.Context, e *ucri.Envelope) (*ucri.Envelope, error) {
	return c.SendRaw(ctx, e.AppendJSON(make([]byte, 0, 512+len(e.Payload.Data)*5/4)))
}

// SendRaw is Send for a message that is JSON already. The node has the message
// when err is nil. A 200 whose body is no complete envelope, as a proxy or a
// dying node may give, is an error: sent again under its messageId the message
// is recognised.
func (c *Client) SendRaw(ctx context.Context, body []byte) (*ucri.Envelope, error) {
	reply, _, err := c.call(ctx, request{method: http.MethodPost, url: c.sendURL, body: body, limit: maxEnvelope})
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: send: %w", err)
	}
	e, err := ucri.ParseEnvelope(reply)
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: send: unusable answer: %w", err)
	}
	return e, nil
}

// Receive returns waiting messages, oldest first; none when nothing came within
// MaxDelay. spec: UCRI 2 transport 2.0.0, POST /messaging/receive.
func (c *Client) Receive(ctx context.Context, q ucri.ReceiveRequest) ([]ucri.Received, error) {
	reply, status, err := c.call(ctx, request{
		method: http.MethodPost, url: c.receiveURL, body: receiveBody(q), limit: maxReceived, repeatable: true,
		wait: time.Duration(q.MaxDelay) * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: receive: %w", err)
	}
	if status == http.StatusNoContent {
		return nil, nil
	}
	msgs, _, err := ucri.ParseReceived(reply)
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: receive: unusable answer: %w", err)
	}
	return msgs, nil
}

func receiveBody(q ucri.ReceiveRequest) []byte {
	b := append(make([]byte, 0, 128), `{"destinations":[`...)
	for i, oid := range q.Destinations {
		if i > 0 {
			b = append(b, ',')
		}
		b = strictjson.AppendString(b, oid)
	}
	b = append(b, ']')
	if q.MaxMessages > 0 {
		b = strconv.AppendInt(append(b, `,"maxMessages":`...), int64(q.MaxMessages), 10)
	}
	b = strconv.AppendInt(append(b, `,"maxDelay":`...), int64(q.MaxDelay), 10)
	return append(b, '}')
}

// Commit confirms every message of a destination up to a sequence number.
// spec: UCRI 2 transport 2.0.0, POST /messaging/commit.
func (c *Client) Commit(ctx context.Context, ref ucri.MessageRef) error {
	b := strictjson.AppendString(append(make([]byte, 0, 128), `{"destination":`...), ref.Destination)
	b = append(strconv.AppendInt(append(b, `,"sequenceId":`...), ref.SequenceID, 10), '}')
	_, _, err := c.call(ctx, request{method: http.MethodPost, url: c.commitURL, body: b, limit: maxSmall, repeatable: true})
	if err != nil {
		return fmt.Errorf("ucrmclient: commit: %w", err)
	}
	return nil
}

// Registry returns the participants the node tells of: all it knows by the
// client API, its own by the P2P API. Invalid records are left out.
// spec: UCRI 2 transport 2.0.0, GET /registry.
func (c *Client) Registry(ctx context.Context) ([]*ucri.Participant, error) {
	reply, _, err := c.call(ctx, request{method: http.MethodGet, url: c.registryURL, limit: maxRegistry, repeatable: true})
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: registry: %w", err)
	}
	list, dropped, err := ucri.ParseRegistry(reply)
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: registry: unusable answer: %w", err)
	}
	if c.cfg.Invalid != nil {
		for _, why := range dropped {
			c.cfg.Invalid(why)
		}
	}
	return list, nil
}

// Participant returns one record; an unknown OID is a *Refusal with status 404.
// spec: UCRI 2 transport 2.0.0, GET /registry/{oid} of the client API.
func (c *Client) Participant(ctx context.Context, oid string) (*ucri.Participant, error) {
	if !ucri.ValidOID(oid) {
		return nil, errors.New("ucrmclient: participant: not an OID")
	}
	reply, _, err := c.call(ctx, request{method: http.MethodGet, url: c.registryURL.JoinPath(oid), limit: maxSmall, repeatable: true})
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: participant: %w", err)
	}
	p, err := ucri.ParseParticipant(reply)
	if err != nil {
		return nil, fmt.Errorf("ucrmclient: participant: unusable answer: %w", err)
	}
	return p, nil
}

// Info returns what the node says of itself.
// spec: UCRI 2 transport 2.0.0, GET /info.
func (c *Client) Info(ctx context.Context) (ucri.Info, error) {
	var info ucri.Info
	reply, _, err := c.call(ctx, request{method: http.MethodGet, url: c.infoURL, limit: maxSmall, repeatable: true})
	if err != nil {
		return info, fmt.Errorf("ucrmclient: info: %w", err)
	}
	if err := json.Unmarshal(reply, &info); err != nil {
		return info, fmt.Errorf("ucrmclient: info: unusable answer: %w", err)
	}
	return info, nil
}

// ClockSkew is how far the node's clock was ahead of ours when it last answered
// (negative: behind), 0 if it never said or if the difference is below what the
// Date header can tell, a second. spec: RFC 9110 §6.6.1.
func (c *Client) ClockSkew() time.Duration { return time.Duration(c.skew.Load()) }

// request is one call of an endpoint.
type request struct {
	method string
	url    *url.URL
	body   []byte
	limit  int           // bytes of the answer
	wait   time.Duration // the node may wait this long before it answers
	// repeatable requests change nothing when made twice. They are made again if
	// the connection breaks, as kept ones do when a node restarts. A send is
	// repeated by its owner.
	repeatable bool
}

// call makes a request with the account's token, with a new one if the node no
// longer takes it. The reply is complete when err is nil.
func (c *Client) call(ctx context.Context, q request) (reply []byte, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout+q.wait)
	defer cancel()
	t, err := c.token(ctx, nil)
	if err != nil {
		return nil, 0, err
	}
	reply, status, err = c.attempt(ctx, q, t.header)
	r, refused := errors.AsType[*Refusal](err)
	if refused && r.Status == http.StatusUnauthorized {
		if t, err = c.token(ctx, t); err != nil {
			return nil, 0, err
		}
		return c.attempt(ctx, q, t.header)
	}
	if _, large := errors.AsType[errTooLarge](err); err != nil && q.repeatable && !refused && !large && ctx.Err() == nil {
		return c.attempt(ctx, q, t.header)
	}
	return reply, status, err
}

// body is a request's body without the copy of io.NopCloser.
type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

func newBody(b []byte) io.ReadCloser {
	r := new(body)
	r.Reset(b)
	return r
}

func (c *Client) attempt(ctx context.Context, q request, h http.Header) ([]byte, int, error) {
	req := (&http.Request{
		Method: q.method, URL: q.url, Host: q.url.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if q.body != nil {
		req.Body, req.ContentLength = newBody(q.body), int64(len(q.body))
		req.GetBody = func() (io.ReadCloser, error) { return newBody(q.body), nil }
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	c.observe(res.Header)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		// What can't be read of the reason does not change the refusal.
		reply, err := read(res, maxSmall)
		if err != nil {
			reply = nil
		}
		if res.StatusCode == http.StatusUnauthorized {
			// Kept connections show the certificate of when they were opened.
			c.transport.CloseIdleConnections()
		}
		return nil, res.StatusCode, refusal(res, reply)
	}
	reply, err := read(res, q.limit)
	return reply, res.StatusCode, err
}

// errTooLarge ends the reading of an answer.
type errTooLarge struct{ limit int }

func (e errTooLarge) Error() string {
	return "the answer is larger than " + strconv.Itoa(e.limit) + " bytes"
}

// read returns the whole body. An answer that ends early is an error.
func read(res *http.Response, limit int) ([]byte, error) {
	if res.ContentLength > int64(limit) {
		return nil, errTooLarge{limit}
	}
	if res.ContentLength >= 0 {
		b := make([]byte, res.ContentLength)
		if _, err := io.ReadFull(res.Body, b); err != nil {
			return nil, fmt.Errorf("the answer broke off: %w", err)
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(b) > limit {
		return nil, errTooLarge{limit}
	}
	return b, nil
}

// observe reads the node's clock. A long poll does no harm: the date is set when
// the answer starts.
func (c *Client) observe(h http.Header) {
	now := time.Now()
	last := c.skewAt.Load()
	if last != 0 && now.UnixNano()-last < int64(skewEvery) || !c.skewAt.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	skew := date.Add(time.Second / 2).Sub(now.Round(0)) // the header cuts the fraction off
	if skew > -skewNoise && skew < skewNoise {
		skew = 0
	}
	c.skew.Store(int64(skew))
}

// tlsConfig completes the caller's configuration.
func tlsConfig(given *tls.Config, verify func(tls.ConnectionState) error, peerOID string) (*tls.Config, error) {
	conf := &tls.Config{}
	if given != nil {
		conf = given.Clone()
	}
	if conf.InsecureSkipVerify {
		return nil, errors.New("ucrmclient: tls: a certificate that is not verified protects nothing")
	}
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS13)
	conf.NextProtos = []string{"http/1.1"}
	if verify != nil {
		// Not skipped but done by the caller, on resumed connections too.
		conf.InsecureSkipVerify, conf.VerifyConnection = true, verify
	}
	if peerOID == "" {
		return conf, nil
	}
	before := conf.VerifyConnection
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		if before != nil {
			if err := before(s); err != nil {
				return err
			}
		}
		return checkOID(s, peerOID)
	}
	return conf, nil
}

// checkOID refuses a certificate that was issued to another node.
func checkOID(s tls.ConnectionState, want string) error {
	const urn = "oid:"
	var named []string
	for _, u := range s.PeerCertificates[0].URIs {
		if strings.EqualFold(u.Scheme, "urn") && len(u.Opaque) > len(urn) && strings.EqualFold(u.Opaque[:len(urn)], urn) {
			if u.Opaque[len(urn):] == want {
				return nil
			}
			named = append(named, u.Opaque[len(urn):])
		}
	}
	if named == nil {
		return nil
	}
	return &tls.CertificateVerificationError{
		UnverifiedCertificates: s.PeerCertificates,
		Err:                    fmt.Errorf("the certificate is that of node %s, not of %s", strings.Join(named, ", "), want),
	}
}
