package channel

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
	"time"

	"github.com/SherClockHolmes/webpush-go"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// caller makes requests for a channel. Its connections are kept between the letters of a
// round, and closed after it.
func (s *Service) caller(c *channel, caFile string) func() (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: abreast, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	c.rest = transport.CloseIdleConnections
	roots, err := notify.Roots(s.path(caFile))
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client := &http.Client{
		Transport: transport,
		// A redirection could lead to plain http or to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func() (*http.Client, error) { return client, err }
}

// ask sends a request and judges the answer. gone are statuses that end an address for
// good.
func ask(client *http.Client, r *http.Request, gone func(status int) bool) (answer []byte, o outcome) {
	resp, err := client.Do(r)
	if err != nil {
		// Without the address, whose path may be a secret.
		if bad, ok := errors.AsType[*url.Error](err); ok {
			err = bad.Err
		}
		return nil, later(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	status := resp.StatusCode
	switch {
	case status >= 200 && status <= 299:
		return answer, accepted("", "")
	case gone(status):
		o := never(fmt.Errorf("answered %s", resp.Status))
		o.refused = status == http.StatusGone || status == http.StatusNotFound
		return nil, o
	}
	if err == nil {
		err = fmt.Errorf("answered %s", resp.Status)
	}
	o = later(err)
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 { // spec: RFC 9110, §10.2.3
		o.pause = time.Duration(n) * time.Second
	}
	// 429 says that it works and is asked too often.
	o.broken = status != http.StatusTooManyRequests
	return nil, o
}

// connect tries whether a server can be reached, without asking it for anything.
func connect(ctx context.Context, address, caFile string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the address is wrong")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	at := net.JoinHostPort(u.Hostname(), port)
	var conn net.Conn
	if u.Scheme == "http" {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", at)
	} else {
		roots, rootsErr := notify.Roots(caFile)
		if rootsErr != nil {
			return rootsErr
		}
		conn, err = (&tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", at)
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// sms sends by the HTTP interface of a gateway.
func (s *Service) sms(c *channel) {
	g := c.setup.Gateway
	secretFile := s.path(g.SecretFile)
	client := s.caller(c, g.CAFile)
	c.send = func(ctx context.Context, l *letter) outcome {
		m, note, ok := s.brief(l, g.MaxParts, g.Transliterate)
		if !ok {
			return never(fmt.Errorf("too long: %d parts of %s, at most %d", len(m.Parts), m.Alphabet, g.MaxParts))
		}
		values := map[string]string{"to": l.Target, "text": m.Text, "id": l.id, "unicode": strconv.FormatBool(m.Alphabet == "UCS-2"), "secret": ""}
		if secretFile != "" {
			secret, err := notify.Secret(secretFile)
			if err != nil {
				return later(err)
			}
			values["secret"] = string(secret)
		}
		code := jsonPart
		if g.ContentType == "application/x-www-form-urlencoded" {
			code = url.QueryEscape
		}
		var body io.Reader
		if g.Method != http.MethodGet {
			body = strings.NewReader(fill(g.Body, values, code))
		}
		r, err := http.NewRequestWithContext(ctx, g.Method, fill(g.URL, values, url.QueryEscape), body)
		if err != nil {
			return never(errors.New("the address of the gateway is wrong"))
		}
		if body != nil {
			r.Header.Set("Content-Type", g.ContentType)
		}
		for name, v := range g.Headers {
			r.Header.Set(name, fill(v, values, oneLine))
		}
		caller, err := client()
		if err != nil {
			return later(err)
		}
		answer, o := ask(caller, r, func(status int) bool { return status == 400 || status == 422 || status == 404 })
		o.refused = false // the address that answered is the gateway's
		if o.state == Accepted {
			o.note = note
			if g.ID != "" {
				o.hop = at(answer, g.ID)
			}
		}
		return o
	}
	c.try = func(ctx context.Context) error {
		if secretFile != "" {
			if _, err := notify.Secret(secretFile); err != nil {
				return err
			}
		}
		return connect(ctx, g.URL, s.path(g.CAFile))
	}
}

// jsonPart is a text as it stands between the quotation marks of JSON.
func jsonPart(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// at is what stands at a path of names and numbers in a JSON document, "" for nothing.
func at(doc []byte, path string) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return ""
	}
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(x) {
				return ""
			}
			v = x[n]
		default:
			return ""
		}
	}
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	return ""
}

// Posted is the body of a webhook and of a hand-over (docs/profiles/public-notice.md).
type Posted struct {
	ID       string     `json:"id"` // the same in every attempt
	Kind     store.Kind `json:"kind"`
	Mark     string     `json:"mark,omitempty"` // of an exercise or a test, in all languages
	Origin   Origin     `json:"origin"`
	Nature   string     `json:"nature"`
	Of       string     `json:"of"`
	Revision string     `json:"revision"`
	Language i18n.Lang  `json:"language"`
	Title    string     `json:"title"`
	Text     string     `json:"text"`
	Speech   string     `json:"speech,omitempty"` // the whole for a voice: nothing comes to it
	Codes    Codes      `json:"codes"`
	Source   string     `json:"source"`
	Link     string     `json:"link,omitempty"`
	Ack      string     `json:"acknowledge,omitempty"`
	At       time.Time  `json:"at"`
	Until    time.Time  `json:"until"`
}

func (s *Service) posted(l *letter) ([]byte, error) {
	f := s.frame(l)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(Posted{ID: l.id, Kind: l.Kind, Mark: f.Marks, Origin: l.Reference.Origin, Nature: f.Nature, Of: l.Reference.ID, Revision: l.Reference.Revision, Language: l.Lang,
		Title: f.Title, Text: l.Body, Speech: l.Speech, Codes: l.Codes, Source: l.Source, Link: l.Link, Ack: l.ackURL, At: l.at, Until: l.Until})
	return b.Bytes(), err
}

// webhook posts signed JSON.
func (s *Service) webhook(c *channel) {
	w := c.setup.Webhook
	own := map[string]string{} // secret files by address, of receivers
	for _, r := range s.config.Receivers {
		for _, t := range r.Targets {
			if t.Channel == c.base {
				own[t.To] = s.path(t.SecretFile)
			}
		}
	}
	takes := func(target string) bool {
		u, err := url.Parse(readHook(target).URL)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && w.InsecureLoopback && isLoopback(u.Hostname())) {
			return false
		}
		return own[target] != "" || onHosts(u.Hostname(), w.Hosts) && len(readHook(target).Secret) >= notify.MinSecret
	}
	c.takes = takes
	client := s.caller(c, w.CAFile)
	c.send = func(ctx context.Context, l *letter) outcome {
		if !takes(l.Target) {
			return never(errors.New("the address is not permitted any more"))
		}
		h := readHook(l.Target)
		key := []byte(h.Secret)
		if file := own[l.Target]; file != "" {
			var err error
			if key, err = notify.Secret(file); err != nil {
				return later(err)
			}
			if len(key) < notify.MinSecret {
				return later(fmt.Errorf("the secret in %s has fewer than %d bytes", file, notify.MinSecret))
			}
		}
		body, err := s.posted(l)
		if err != nil {
			return never(err)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
		if err != nil {
			return never(errors.New("the address is wrong"))
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(notify.IDHeader, l.id)
		r.Header.Set(notify.SignatureHeader, notify.Sign(key, s.Clock.Now(), body))
		caller, err := client()
		if err != nil {
			return later(err)
		}
		_, o := ask(caller, r, func(status int) bool { return status == 410 || status == 413 })
		return o
	}
}

// services are the push services of browsers. From memory: whoever finds another adds it
// to hosts.
var services = []string{"fcm.googleapis.com", "updates.push.services.mozilla.com", ".push.services.mozilla.com", "web.push.apple.com", ".push.apple.com", ".notify.windows.com"}

// pushRoom is what a message may hold so that with its header, padding and tag it fits
// into the 4096 bytes that every service takes (spec: RFC 8030, §7.2; RFC 8188, §2).
const pushRoom = 3900

// Pushed is what the page of the browser gets.
type Pushed struct {
	ID     string     `json:"id"`
	Kind   store.Kind `json:"kind"`
	Mark   string     `json:"mark,omitempty"`
	Origin Origin     `json:"origin"`
	Of     string     `json:"of"`
	Lang   i18n.Lang  `json:"lang"`
	Title  string     `json:"title"`
	Body   string     `json:"body"` // whose it is, the text if it fits, the source
	Link   string     `json:"link,omitempty"`
}

// push sends by Web Push. The browser's own service carries what only the browser can
// read.
func (s *Service) push(c *channel) error {
	p := c.setup.Push
	private, public, err := s.vapid(c.name)
	if err != nil {
		return err
	}
	client := s.caller(c, p.CAFile)
	takes := func(target string) bool {
		sub, ok := readSubscription(target)
		if !ok {
			return false
		}
		u, err := url.Parse(sub.Endpoint)
		if err != nil || u.User != nil {
			return false
		}
		if u.Scheme == "http" {
			return p.InsecureLoopback && isLoopback(u.Hostname())
		}
		return u.Scheme == "https" && (onHosts(u.Hostname(), services) || onHosts(u.Hostname(), p.Hosts))
	}
	c.takes = takes
	c.send = func(ctx context.Context, l *letter) outcome {
		if !takes(l.Target) {
			return never(errors.New("the push service is not permitted any more"))
		}
		sub, _ := readSubscription(l.Target)
		m, note, err := s.pushed(l)
		if err != nil {
			return never(err)
		}
		body, err := json.Marshal(m)
		if err != nil {
			return never(err)
		}
		caller, err := client()
		if err != nil {
			return later(err)
		}
		urgency := webpush.UrgencyHigh
		if l.Reference.Origin == Trial {
			urgency = webpush.UrgencyNormal
		}
		var o outcome
		call := calls(func(r *http.Request) (*http.Response, error) {
			_, o = ask(caller, r, func(status int) bool { return status == 404 || status == 410 || status == 413 })
			return nil, errAsked
		})
		_, err = webpush.SendNotificationWithContext(ctx, body, &webpush.Subscription{Endpoint: sub.Endpoint, Keys: webpush.Keys{Auth: sub.Auth, P256dh: sub.Key}}, &webpush.Options{
			HTTPClient: call, Subscriber: strings.TrimPrefix(p.Contact, "mailto:"), VAPIDPublicKey: public, VAPIDPrivateKey: private,
			TTL: max(0, int(l.Until.Sub(s.Clock.Now()).Seconds())), Urgency: urgency,
		})
		if !errors.Is(err, errAsked) { // it came to no request
			return never(errors.New("the subscription's keys are wrong"))
		}
		if o.state == Accepted {
			o.note = note
		}
		return o
	}
	return nil
}

// errAsked tells the library that its request was made and judged here.
var errAsked = errors.New("asked")

type calls func(*http.Request) (*http.Response, error)

// Do implements webpush.HTTPClient.
func (f calls) Do(r *http.Request) (*http.Response, error) { return f(r) }

// pushed is what a letter is for a browser. A text that does not fit is left out as a
// whole: it stands at the link.
func (s *Service) pushed(l *letter) (m Pushed, note string, err error) {
	f := s.frame(l)
	size := 0
	for _, try := range []struct{ text, note string }{{l.Body, ""}, {l.Short, noteShort}, {"", noteTitle}} {
		if try.text == "" && try.note == noteShort {
			continue
		}
		var parts []string
		for _, x := range []string{f.Nature, try.text, l.Source} {
			if x != "" {
				parts = append(parts, x)
			}
		}
		m = Pushed{ID: l.id, Kind: l.Kind, Mark: f.Marks, Origin: l.Reference.Origin, Of: l.Reference.ID, Lang: l.Lang, Title: f.Title, Body: strings.Join(parts, "\n"), Link: l.Link}
		body, err := json.Marshal(m)
		if err != nil {
			return m, "", err
		}
		if size = len(body); size <= pushRoom {
			return m, try.note, nil
		}
	}
	return m, "", fmt.Errorf("too long: %d bytes, at most %d", size, pushRoom)
}
