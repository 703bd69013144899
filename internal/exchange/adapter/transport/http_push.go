package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/netutil"

	"trojmezi/internal/kernel/clock"
)

// requestTimeout bounds one question to the other side.
const requestTimeout = 30 * time.Second

// maxCallers bounds the connections to a listener: each may hold a whole message
// before its signature is looked at.
const maxCallers = 32

// maxReason bounds what is kept of an answer in words.
const maxReason = 400

// maxID bounds the id another side gives its messages.
const maxID = 200

// client calls the other side with signed requests.
type client struct {
	url        string
	secretFile string
	tls        TLS
	window     time.Duration
	clock      *clock.Clock
}

// http makes a client of the files as they are now. Messages are few: a connection
// each, and none left behind.
func (c *client) http() (*http.Client, error) {
	conf, err := c.tls.dial()
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, DisableKeepAlives: true},
		// A redirection could lead to plain http or to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// do signs and sends a request and reads its answer, at most MaxBytes and one more.
func (c *client) do(r *http.Request, id string, signed []byte) (*http.Response, []byte, error) {
	keys, err := secrets(c.secretFile)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set(IDHeader, id)
	r.Header.Set(SignatureHeader, sign(keys[0], c.clock.Now(), id, signed))
	h, err := c.http()
	if err != nil {
		return nil, nil, err
	}
	answer, err := h.Do(r)
	if err != nil {
		return nil, nil, lineFailure(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxBytes+1))
	if err != nil {
		return nil, nil, lineFailure(err)
	}
	return answer, body, nil
}

// lineFailure names why a line is not open, without the address, whose path may be
// a secret.
func lineFailure(err error) error {
	if bad, ok := errors.AsType[*url.Error](err); ok {
		err = bad.Err
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	if certificate || alert {
		return fail("transport.failure.certificate", err)
	}
	return fail("transport.failure.unreachable", err)
}

// send posts p. Which answers are final: those that say the message is at fault.
// What says that this node is unknown or comes too early may be mended.
func (c *client) send(ctx context.Context, p Parcel) error {
	if c.url == "" {
		return fail("transport.failure.one_way", nil)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(p.Body))
	if err != nil {
		return fail("transport.failure.unreachable", errors.New("the address is wrong"))
	}
	r.Header.Set("Content-Type", p.Type)
	answer, body, err := c.do(r, p.ID, p.Body)
	if err != nil {
		return err
	}
	switch s := answer.StatusCode; {
	case s >= 200 && s <= 299:
		return nil
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		return fail("transport.failure.credentials", errors.New(answer.Status))
	case s == http.StatusBadRequest, s == http.StatusConflict, s == http.StatusGone, s == http.StatusRequestEntityTooLarge,
		s == http.StatusUnsupportedMediaType, s == http.StatusUnprocessableEntity:
		return &Refusal{Reason: OneLine(fmt.Sprintf("%d %s", s, body))}
	default:
		return fail("transport.failure.answer", errors.New(answer.Status))
	}
}

// OneLine makes a short line of what the other side sent, fit for people, terminals and
// receipts: without control characters and those that turn the direction of writing.
func OneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	if r := []rune(s); len(r) > maxReason {
		s = string(r[:maxReason]) + "…"
	}
	return s
}

// push posts to the other side and takes what that posts here.
type push struct {
	client
	cfg Push
}

// Shared: whoever is called stores it.
func (p *push) Shared() bool { return true }

func (p *push) Send(ctx context.Context, parcel Parcel) error { return p.send(ctx, parcel) }

// Check asks for the answer to OPTIONS, which posts nothing: any answer shows that
// the line and the certificates are right.
func (p *push) Check(ctx context.Context) error {
	if _, err := secrets(p.cfg.SecretFile); err != nil {
		return err
	}
	if p.cfg.Listen != "" && p.cfg.TLS.Cert != "" {
		if _, err := p.cfg.TLS.serve(); err != nil {
			return err
		}
	}
	if p.url == "" {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodOptions, p.url, nil)
	if err != nil {
		return fail("transport.failure.unreachable", errors.New("the address is wrong"))
	}
	answer, _, err := p.do(r, "check", nil)
	if err == nil && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		return fail("transport.failure.credentials", errors.New(answer.Status))
	}
	return err
}

// Receive serves what the other side posts until ctx ends.
func (p *push) Receive(ctx context.Context, box Box, up func()) error {
	if p.cfg.Listen == "" {
		<-ctx.Done()
		return ctx.Err()
	}
	var conf *tls.Config
	if p.cfg.TLS.Cert != "" {
		var err error
		if conf, err = p.cfg.TLS.serve(); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", p.cfg.Listen)
	if err != nil {
		return fail("transport.failure.listen", err)
	}
	l = netutil.LimitListener(l, maxCallers)
	if conf != nil {
		l = tls.NewListener(l, conf)
	}
	srv := &http.Server{
		Handler: p.handler(box, up), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // whoever knocks without a certificate fills no log
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fail("transport.failure.listen", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if srv.Shutdown(drain) != nil {
		srv.Close()
	}
	<-served
	return ctx.Err()
}

// handler takes a message: 200 when it is stored, whether for the first time or
// again. Answers are short words for the other side's log.
func (p *push) handler(box Box, up func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost && r.Method != http.MethodOptions {
			w.Header().Set("Allow", "POST, OPTIONS")
			http.Error(w, "POST a message", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, MaxBytes+1))
		if err != nil {
			http.Error(w, "the body ended early", http.StatusBadRequest)
			return
		}
		if len(body) > MaxBytes {
			http.Error(w, "the message is too large", http.StatusRequestEntityTooLarge)
			return
		}
		keys, err := secrets(p.cfg.SecretFile)
		if err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		id := r.Header.Get(IDHeader)
		if err := verify(keys, r.Header.Get(SignatureHeader), id, body, p.clock.Now(), p.cfg.Window); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		up()
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if id == "" || len(id) > maxID {
			http.Error(w, "the message has no id of 1 to 200 bytes", http.StatusBadRequest)
			return
		}
		if err := box.Take(r.Context(), Delivery{ID: id, Type: r.Header.Get("Content-Type"), Body: body}); err != nil {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "it could not be stored", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}
