package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
)

const (
	clientPath = "/ucrm/client/v0"
	p2pPath    = "/ucrm/p2p/v0"

	// apiVersion is the transport version told by GET /info.
	apiVersion = "2.0.0"

	headerTimeout = 5 * time.Second
	// bodyTimeout is the time a request's body may take: a megabyte over a poor
	// mobile line.
	bodyTimeout = 15 * time.Second
	// replyTimeout is the time a reply may take once it is written.
	replyTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	// drainTimeout is what running requests get at shutdown; waiting receives
	// end at once because their context does.
	drainTimeout = 5 * time.Second
	// headerBytes holds a path with a hostile OID of 100,000 digits, so that it is
	// answered in the specification's form.
	headerBytes = 128 << 10
	// formBytes bounds the form of a token request.
	formBytes = 16 << 10
	// maxConnections bounds what a flood of idle connections can take.
	maxConnections = 4_096
)

// Handler returns the two interfaces of the specification.
// spec: UCRI 2 transport 2.0.0, Client API and P2P API.
func (n *Node) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range n.routes() {
		mux.HandleFunc(pattern, h)
	}
	return n.guard(mux)
}

func (n *Node) routes() map[string]http.HandlerFunc {
	routes := map[string]http.HandlerFunc{}
	for _, side := range []string{accountClient, accountP2P} {
		base := clientPath
		if side == accountP2P {
			base = p2pPath
		}
		routes["GET "+base+"/token"] = n.handleToken(side)
		routes["POST "+base+"/token"] = n.handleToken(side)
		routes["GET "+base+"/info"] = n.authed(side, n.handleInfo)
		routes["GET "+base+"/registry"] = n.authed(side, n.handleRegistry(side))
		routes["POST "+base+"/messaging/send"] = n.authed(side, n.handleSend(side))
	}
	routes["GET "+clientPath+"/registry/{oid}"] = n.authed(accountClient, n.handleParticipant)
	routes["POST "+clientPath+"/messaging/receive"] = n.authed(accountClient, n.handleReceive)
	routes["POST "+clientPath+"/messaging/commit"] = n.authed(accountClient, n.handleCommit)
	return routes
}

// guard gives every path an answer in the specification's form, whatever
// happens below.
func (n *Node) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				n.log.Error("exchange: panic in a request", "path", r.Pattern, "panic", fmt.Sprint(p))
				n.fail(w, r, &refusal{status: http.StatusInternalServerError, code: ucri.CodeInternal, key: "exchange.refuse.internal"})
			}
		}()
		rc := http.NewResponseController(w)
		// Also for a body that nobody reads: the server looks for its end.
		rc.SetReadDeadline(time.Now().Add(bodyTimeout))
		rc.SetWriteDeadline(time.Now().Add(ucri.DefaultMaxDelay*time.Second + bodyTimeout + replyTimeout))
		// A path that is not clean would be answered by a redirection in HTML.
		if clean := path.Clean(r.URL.Path); clean != r.URL.Path {
			if oid, ok := strings.CutPrefix(r.URL.Path, clientPath+"/registry/"); ok {
				n.fail(w, r, unknownParticipant(oid))
				return
			}
			n.fail(w, r, &refusal{status: http.StatusNotFound, code: invalidCode(r), key: "exchange.refuse.path"})
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			n.noRoute(w, r, mux)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// invalidCode is the code of a request that breaks the rules of its interface.
func invalidCode(r *http.Request) ucri.Code {
	if strings.HasPrefix(r.URL.Path, p2pPath) {
		return ucri.CodeP2PInvalid
	}
	return ucri.CodeClientInvalid
}

// noRoute answers unknown paths and methods.
func (n *Node) noRoute(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(probe); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		n.fail(w, r, &refusal{status: http.StatusMethodNotAllowed, code: invalidCode(r), key: "exchange.refuse.method",
			args: i18n.Args{"methods": strings.Join(allowed, ", ")}})
		return
	}
	n.fail(w, r, &refusal{status: http.StatusNotFound, code: invalidCode(r), key: "exchange.refuse.path"})
}

func (n *Node) authed(side string, h func(http.ResponseWriter, *http.Request, *account) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := n.authenticate(r, side)
		if err == nil {
			n.noteRequest(a, r)
			err = h(w, r, a)
		}
		if err != nil {
			n.fail(w, r, err)
		}
	}
}

func (n *Node) handleToken(side string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, formBytes)
		token, err := n.issueToken(r, side)
		if err != nil {
			n.fail(w, r, err)
			return
		}
		body := map[string]any{"token": token}
		if r.Method == http.MethodPost {
			body["access_token"], body["token_type"], body["expires_in"] = token, "Bearer", int(tokenLife/time.Second)
		}
		answer(w, http.StatusOK, body)
	}
}

func (n *Node) handleInfo(w http.ResponseWriter, r *http.Request, _ *account) error {
	answer(w, http.StatusOK, n.Info())
	return nil
}

// Info describes the node and its state.
func (n *Node) Info() ucri.Info {
	i := ucri.Info{APIVersion: apiVersion, UCRMProvider: n.cfg.Operator, UCRMProductName: "Trojmezí", UCRMVersion: n.version, Status: 0}
	switch {
	case n.faulty.Load():
		i.Status = 2
	case !n.ready.Load():
		i.Status = 1
	}
	return i
}

func (n *Node) handleRegistry(side string) func(http.ResponseWriter, *http.Request, *account) error {
	return func(w http.ResponseWriter, r *http.Request, a *account) error {
		d := n.registry.Load()
		list := d.all
		caller := n.peers().byID[a.peer]
		left := caller != nil && caller.state == LinkLeaving
		if side == accountP2P {
			// Never what other nodes told us: the register would go round in circles.
			list = d.local
			if from, err := n.peersOf(r, a); err == nil && len(from) == 1 {
				from[0].hears(n.clock.Now()) // a node that starts reads the registers first
			}
		}
		b := []byte(`{"commParticipants":[`)
		for i, p := range list {
			if i > 0 {
				b = append(b, ',')
			}
			rec := n.record(p)
			if left && !p.self {
				away := *rec
				away.Status = ucri.StatusOffline
				rec = &away
			}
			b = rec.AppendJSON(b)
		}
		write(w, http.StatusOK, append(b, `]}`...))
		return nil
	}
}

func (n *Node) handleParticipant(w http.ResponseWriter, r *http.Request, _ *account) error {
	oid := r.PathValue("oid")
	p := n.registry.Load().lookup(oid)
	if p == nil {
		return unknownParticipant(oid)
	}
	write(w, http.StatusOK, n.record(p).AppendJSON(nil))
	return nil
}

// unknownParticipant: the specification names code 470 for 400 only, and 404
// without a code.
func unknownParticipant(oid string) *refusal {
	return &refusal{status: http.StatusNotFound, code: ucri.CodeUnknownOID, key: "exchange.refuse.unknown_oid", args: i18n.Args{"oid": short(oid)}}
}

// record is a participant's entry with its availability as of now.
func (n *Node) record(p *participant) *ucri.Participant {
	if p.peer != "" || p.self {
		return p.rec
	}
	rec := *p.rec
	rec.Status = n.statusOf(rec.ID)
	return &rec
}

func (n *Node) handleSend(side string) func(http.ResponseWriter, *http.Request, *account) error {
	return func(w http.ResponseWriter, r *http.Request, a *account) error {
		var from []*peer
		allowance := a.rate
		if side == accountP2P {
			var err error
			if from, err = n.peersOf(r, a); err != nil {
				return err
			}
			if len(from) == 1 { // neighbours may share an account
				allowance = from[0].rate
			}
		}
		if !allowance.Allow() {
			return &refusal{status: http.StatusTooManyRequests, code: ucri.CodeInternal, key: "exchange.refuse.rate",
				args: i18n.Args{"limit": strconv.Itoa(n.cfg.Limits.MessagesPerSecond)}, retry: time.Second}
		}
		body, err := n.body(w, r)
		if err != nil {
			return err
		}
		// Whoever hangs up half-way has sent the message all the same.
		ctx := context.WithoutCancel(r.Context())
		var e *ucri.Envelope
		if side == accountP2P {
			e, err = n.sendPeer(ctx, from, body)
		} else {
			e, err = n.sendClient(ctx, a, body)
		}
		if err != nil {
			return err
		}
		n.faulty.Store(false)
		n.metrics.accepted.WithLabelValues(side).Inc()
		write(w, http.StatusOK, e.AppendJSON(make([]byte, 0, len(body)+256)))
		return nil
	}
}

func (n *Node) handleReceive(w http.ResponseWriter, r *http.Request, a *account) error {
	body, err := n.body(w, r)
	if err != nil {
		return err
	}
	q, bad := ucri.ParseReceive(body)
	if bad != nil {
		return bad
	}
	got, max, err := n.receive(r.Context(), a, q)
	if err != nil {
		return err
	}
	b := make([]byte, 0, 64+1024*len(got))
	b = append(b, `{"messages":[`...)
	count := 0
	for _, s := range got {
		e, err := n.render(s)
		if err != nil {
			// Deleted before it was read: nothing can be handed over any more.
			n.log.Error("exchange: stored message not readable", "id", s.id, "error", err)
			continue
		}
		if count > 0 {
			b = append(b, ',')
		}
		count++
		b = e.AppendReceived(b, s.destination, s.seq)
	}
	if count == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	n.metrics.delivered.Add(float64(count))
	b = append(b, `],"maxMessages":`...)
	b = strconv.AppendInt(b, int64(max), 10)
	write(w, http.StatusOK, append(b, '}'))
	return nil
}

func (n *Node) handleCommit(w http.ResponseWriter, r *http.Request, a *account) error {
	body, err := n.body(w, r)
	if err != nil {
		return err
	}
	ref, bad := ucri.ParseCommit(body)
	if bad != nil {
		return bad
	}
	if err := n.commitClient(context.WithoutCancel(r.Context()), a, ref); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// body reads a request within the limits of size and time.
func (n *Node) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := n.cfg.Limits.MessageBytes
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, code: ucri.CodeInternal, key: "exchange.refuse.size", args: i18n.Args{"limit": strconv.Itoa(limit)}}
	if r.ContentLength > int64(limit) {
		w.Header().Set("Connection", "close") // the rest is not read
		return nil, tooLarge
	}
	buf := make([]byte, 0, max(int(r.ContentLength), 512)+1)
	lr := http.MaxBytesReader(w, r.Body, int64(limit))
	for {
		k, err := lr.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+k]
		if err == io.EOF {
			break
		}
		if _, big := errors.AsType[*http.MaxBytesError](err); big {
			return nil, tooLarge
		}
		if err != nil {
			w.Header().Set("Connection", "close")
			return nil, &refusal{status: http.StatusBadRequest, code: invalidCode(r), key: "exchange.refuse.body",
				args: i18n.Args{"seconds": int(bodyTimeout / time.Second)}, err: err}
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
	// Without this a waiting receive would end with the body's deadline.
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	return buf, nil
}

// Serve listens where the configuration says and answers until ctx ends.
// listening is called with the port once connections are accepted.
func (n *Node) Serve(ctx context.Context, listening func(port int)) error {
	listeners, err := n.listen(ctx)
	if err != nil {
		return err
	}
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	srv := &http.Server{
		Handler:           n.Handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	serving := n.servingTLS()
	g, gctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		l = netutil.LimitListener(l, maxConnections)
		if serving != nil {
			l = tls.NewListener(l, serving)
		}
		g.Go(func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("exchange: serve: %w", err)
			}
			return nil
		})
	}
	listening(listeners[0].Addr().(*net.TCPAddr).Port)
	g.Go(func() error {
		<-gctx.Done()
		stop() // waiting receives answer now
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		if err := srv.Shutdown(drain); err != nil {
			srv.Close()
		}
		return nil
	})
	return g.Wait()
}

// listen opens the configured address; in the loopback mode both families of
// the loopback interface, since "localhost" may mean either.
func (n *Node) listen(ctx context.Context) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(n.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("exchange: listen: %w", err)
	}
	var lc net.ListenConfig
	if !n.cfg.InsecureLoopback || !isLoopback(host) {
		l, err := lc.Listen(ctx, "tcp", n.cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("exchange: listen: %w", err)
		}
		return []net.Listener{l}, nil
	}
	first, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, fmt.Errorf("exchange: listen: %w", err)
	}
	port = strconv.Itoa(first.Addr().(*net.TCPAddr).Port)
	second, err := lc.Listen(ctx, "tcp6", net.JoinHostPort("::1", port))
	if err != nil {
		if _, statErr := os.Stat("/proc/net/if_inet6"); statErr == nil {
			n.log.Info("exchange: no listener on the IPv6 loopback", "error", err)
		}
		return []net.Listener{first}, nil
	}
	return []net.Listener{first, second}, nil
}
