package intake

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
)

const (
	// maxRedirects is more than a file that has moved needs.
	maxRedirects = 4
	// pause is between two questions to one host.
	pause = 100 * time.Millisecond
	// longestAfter bounds what a sender may ask by Retry-After.
	longestAfter = 6 * time.Hour
	// simulatorHeader marks what the bundled simulator says.
	simulatorHeader = "Trojmezi-Simulator"
)

// kept are the headers that are kept with an original: what tells its age, its kind and
// its version.
var kept = []string{"Date", "Last-Modified", "Etag", "Content-Type", "Content-Encoding", "Content-Length", "Age", "Expires", "Server", simulatorHeader}

// question is one request.
type question struct {
	address        string
	body           string // of a form, asked by POST; "": GET
	etag, modified string // of the last answer
}

// answer is what a sender said, whole.
type answer struct {
	address   string // where it came from in the end
	status    int
	headers   map[string]string
	body      []byte
	same      bool // 304: nothing new
	at        time.Time
	skew      time.Duration // of the sender's clock against this node's; 0: not said
	simulated bool
}

// fetcher asks senders, one question at a time of a host.
type fetcher struct {
	clock *clock.Clock
	agent string
	roots *x509.CertPool // nil: the machine's
	pause time.Duration  // between two questions to one host

	mu    sync.Mutex
	hosts map[string]*turn
}

// turn is whose it is to ask a host: one at a time, with a pause.
type turn struct {
	taken chan struct{}
	last  time.Time
}

func newFetcher(clk *clock.Clock, contact, version string) *fetcher {
	agent := "Trojmezi/" + version
	if contact != "" {
		agent += " (+" + contact + ")"
	}
	return &fetcher{clock: clk, agent: agent, pause: pause, hosts: map[string]*turn{}}
}

// host waits for the turn at a host.
func (f *fetcher) host(ctx context.Context, name string) (done func(), err error) {
	f.mu.Lock()
	t := f.hosts[name]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		f.hosts[name] = t
	}
	f.mu.Unlock()
	select {
	case t.taken <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if wait := f.pause - time.Since(t.last); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			<-t.taken
			return nil, ctx.Err()
		}
	}
	return func() {
		t.last = time.Now()
		<-t.taken
	}, nil
}

var (
	errElsewhere = errors.New("redirect to another host")
	errLoop      = errors.New("too many redirects")
	errLost      = errors.New("redirect that loses the body")
)

// allowed reports whether a source may be fetched from an address: its own hosts, by
// TLS, or without it on this machine where the configuration says so.
func (s *Source) allowed(u *url.URL) bool {
	if u.Scheme != "https" && !(u.Scheme == "http" && s.Plain && loopback(u.Hostname())) {
		return false
	}
	if slices.Contains(s.Hosts, u.Host) || slices.Contains(s.Hosts, u.Hostname()) && u.Port() == "" {
		return true
	}
	return slices.ContainsFunc(append(slices.Clone(s.Addresses), s.Detail), func(a string) bool {
		own, err := url.Parse(strings.ReplaceAll(a, stationMark, "1"))
		return err == nil && own.Host == u.Host && own.Scheme == u.Scheme
	})
}

// ask sends a question and reads the whole answer within the bounds of the source. Where
// the question carries a token, nothing of what comes back repeats it.
func (f *fetcher) ask(ctx context.Context, s *Source, q question) (*answer, *Diagnosis) {
	token, err := s.token()
	if err != nil {
		return nil, &Diagnosis{Key: "intake.fault.token", Args: i18n.Args{"detail": harmless(err.Error())}, Address: q.address}
	}
	hide := hider(token)
	a, d := f.asked(ctx, s, q, token, hide)
	if token == "" || a == nil {
		return a, d
	}
	a.address = hide(a.address)
	for name, v := range a.headers {
		a.headers[name] = hide(v)
	}
	if text := string(a.body); hide(text) != text {
		a.body = nil
		return a, &Diagnosis{Key: "intake.fault.token_told", Address: q.address}
	}
	return a, d
}

func (f *fetcher) asked(ctx context.Context, s *Source, q question, token string, hide func(string) string) (*answer, *Diagnosis) {
	fail := func(key string, args i18n.Args) *Diagnosis {
		return &Diagnosis{Key: "intake.fault." + key, Args: args, Address: q.address}
	}
	u, err := url.Parse(q.address)
	if err != nil || !s.allowed(u) {
		return nil, fail("elsewhere", i18n.Args{"address": harmless(q.address)})
	}
	done, err := f.host(ctx, u.Host)
	if err != nil {
		return nil, fail("stopped", nil)
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, s.Timeout) // a sender that drips bytes ends here too
	defer cancel()
	method, body := http.MethodGet, io.Reader(nil)
	if q.body != "" {
		method, body = http.MethodPost, strings.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(limited, method, q.address, body)
	if err != nil {
		return nil, fail("elsewhere", i18n.Args{"address": harmless(q.address)})
	}
	if q.body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	s.show(r, token)
	r.Header.Set("User-Agent", f.agent)
	r.Header.Set("Accept", "*/*")
	if q.body != "" {
		q.etag, q.modified = "", "" // an answer to a form has no version
	}
	if q.etag != "" {
		r.Header.Set("If-None-Match", q.etag)
	}
	if q.modified != "" {
		r.Header.Set("If-Modified-Since", q.modified)
	}
	// A connection for each question: intervals are longer than servers keep one open, and
	// a server that hangs holds nothing but its own.
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: f.roots},
		DialContext: (&net.Dialer{Timeout: min(s.Timeout, 20*time.Second)}).DialContext, TLSHandshakeTimeout: min(s.Timeout, 20*time.Second),
		MaxResponseHeaderBytes: 64 << 10,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		next.Header.Del("Referer") // it would tell the whole address, with the token of a question
		if next.URL.Host != r.URL.Host || next.URL.Scheme != r.URL.Scheme {
			next.Header.Del(s.TokenHeader) // the token is for whom it was given for
		}
		switch {
		case !s.allowed(next.URL):
			return errElsewhere
		case next.Method != r.Method:
			return errLost
		case len(via) > maxRedirects:
			return errLoop
		}
		return nil
	}}
	out, err := client.Do(r)
	if err != nil {
		return nil, f.unreached(ctx, err, s, fail, hide)
	}
	defer out.Body.Close()
	a := &answer{address: addressOf(out.Request.URL, s, q.body), status: out.StatusCode, headers: map[string]string{}, at: f.clock.Now(), simulated: out.Header.Get(simulatorHeader) != ""}
	for _, name := range kept {
		if v := out.Header.Get(name); v != "" {
			a.headers[name] = harmless(v)
		}
	}
	if date, err := http.ParseTime(out.Header.Get("Date")); err == nil {
		a.skew = date.Sub(a.at).Truncate(time.Second)
	}
	switch {
	case a.simulated && s.Kind == "live": // also when it only says that nothing is new
		return a, fail("simulated", nil)
	case a.status == http.StatusNotModified && (q.etag != "" || q.modified != ""):
		a.same = true
		return a, nil
	case a.status != http.StatusOK:
		d := fail("status", i18n.Args{"status": a.status, "words": http.StatusText(a.status)})
		d.after = f.after(out.Header.Get("Retry-After"))
		head, _ := io.ReadAll(io.LimitReader(out.Body, 4096)) // what it says of itself, as far as it comes
		head = []byte(hide(string(head)))
		d.Text = excerpt(head, 1)
		if title, ok := page(head); ok && title != "" {
			d.Text = title
		}
		return a, d
	}
	a.body, err = io.ReadAll(io.LimitReader(out.Body, s.MaxBytes+1)) // of what was inflated
	switch {
	case int64(len(a.body)) > s.MaxBytes:
		return a, fail("too_large", i18n.Args{"most": s.MaxBytes})
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return a, fail("slow", i18n.Args{"seconds": int(s.Timeout.Seconds()), "n": len(a.body)})
	case err != nil:
		return a, fail("cut", i18n.Args{"n": len(a.body), "detail": hide(err.Error())})
	}
	return a, nil
}

// unreached says why there was no answer at all.
func (f *fetcher) unreached(ctx context.Context, err error, s *Source, fail func(string, i18n.Args) *Diagnosis, hide func(string) string) *Diagnosis {
	var timeout net.Error
	var cert *tls.CertificateVerificationError
	detail := err
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		detail = wrapped.Err // the address is said beside it
	}
	switch {
	case ctx.Err() != nil:
		return fail("stopped", nil)
	case errors.Is(err, errElsewhere), errors.Is(err, errLost):
		to := ""
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			to = hide(wrapped.URL)
		}
		if errors.Is(err, errLost) {
			return fail("lost", i18n.Args{"address": harmless(to)})
		}
		return fail("redirect", i18n.Args{"address": harmless(to)})
	case errors.Is(err, errLoop):
		return fail("loop", i18n.Args{"n": maxRedirects})
	case errors.As(err, &cert):
		return fail("tls", i18n.Args{"detail": harmless(hide(detail.Error()))})
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fail("slow", i18n.Args{"seconds": int(s.Timeout.Seconds()), "n": 0})
	}
	return fail("unreachable", i18n.Args{"detail": harmless(hide(detail.Error()))})
}

// after is how long a sender asks to wait: seconds or a moment.
func (f *fetcher) after(v string) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
		d = time.Duration(min(max(n, 0), int(longestAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(f.clock.Now())
	}
	return min(max(d, 0), longestAfter)
}
