package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// csp allows our own files and nothing else: no inline script or style, no
// other host, no frame around us (spec: CSP Level 3).
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// hsts is a year, the value browsers' preload lists ask for (spec: RFC 6797).
const hsts = "max-age=31536000"

// Config is what a Router needs.
type Config struct {
	Bundle *i18n.Bundle // loaded with Locales of this package
	Log    *slog.Logger
	Clock  *clock.Clock
	// Policy decides on guarded pages; without it nobody passes.
	Policy *access.Policy
	// Authenticate tells who asks; nil without error for a stranger.
	Authenticate func(*http.Request) (*Person, error)
	// Unsent takes what a browser sent to a guarded page without being signed in, and
	// returns the page to go on with after signing in, "" for none. nil: it is lost.
	Unsent func(http.ResponseWriter, *http.Request) (next string, err error)
	// Nav are the entries of the navigation, in their order.
	Nav []NavItem
	// Banner stands above every page for people who are signed in; nil: none.
	Banner templ.Component
	// Proxied says that browsers talk TLS although the node does not: a proxy on the
	// way ends it.
	Proxied bool
	// Built holds what the browser build made of third-party files (fonts, map);
	// nil or empty: pages work without.
	Built fs.FS
}

// Handler answers a request, or returns an error before it has written
// anything. The Router turns the error into an answer by its problem.Kind.
type Handler func(http.ResponseWriter, *http.Request) error

// Router is an http.Handler. Register everything before it serves.
type Router struct {
	cfg    Config
	mux    *http.ServeMux
	cross  *http.CrossOriginProtection
	routes []Route
	built  map[string]asset
}

// NewRouter returns a Router that serves its own and the built files and nothing
// else.
func NewRouter(cfg Config) *Router {
	rt := &Router{cfg: cfg, mux: http.NewServeMux(), cross: http.NewCrossOriginProtection()}
	if cfg.Built != nil {
		rt.built = load(cfg.Built)
	}
	rt.Handle("GET "+staticPath+"{name}", serveFiles(assets))
	rt.Handle("GET "+builtPath+"{name}", serveFiles(rt.built))
	return rt
}

// Handle registers h for a pattern of http.ServeMux, such as "GET /{$}".
func (rt *Router) Handle(pattern string, h Handler) {
	rt.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			rt.fail(w, r, err)
		}
	})
}

// ServeHTTP implements http.Handler.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	lang, chosen := language(r)
	s := &scope{bundle: rt.cfg.Bundle, lang: lang, id: rt.cfg.Clock.NewID(), url: r.URL, policy: rt.cfg.Policy, nav: rt.cfg.Nav,
		now: rt.cfg.Clock.Now(), built: rt.built, banner: rt.cfg.Banner, secure: r.TLS != nil || rt.cfg.Proxied}
	rt.authenticate(r, s)
	if s.person != nil && s.person.Lang != "" && !chosen {
		s.lang = s.person.Lang
	}
	r = r.WithContext(context.WithValue(r.Context(), scopeKey{}, s))
	out := &response{ResponseWriter: w}
	secure(out.Header(), s)
	if chosen && (s.person == nil || s.person.Lang == "") { // an account remembers its own
		http.SetCookie(out, languageCookie(lang, s.secure))
	}
	defer func() {
		if p := recover(); p != nil {
			rt.recovered(out, r, p)
		}
		rt.log(out, r, time.Since(started))
		if out.broken {
			panic(http.ErrAbortHandler) // cut the connection: half an answer must not look whole
		}
	}()
	rt.route(out, r)
}

func secure(h http.Header, s *scope) {
	h.Set("X-Request-Id", s.id)
	h.Set("Content-Security-Policy", csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store") // answers may hold personal data
	if s.secure {
		h.Set("Strict-Transport-Security", hsts)
	}
}

func (rt *Router) route(w *response, r *http.Request) {
	if err := rt.cross.Check(r); err != nil {
		rt.fail(w, r, &problem.Error{Op: "web", Kind: problem.Forbidden, Key: "web.cross_origin", Err: err})
		return
	}
	h, pattern := rt.mux.Handler(r)
	if pattern != "" {
		rt.mux.ServeHTTP(w, r) // sets the path values, which h alone would not
		return
	}
	// The mux says 404 or 405 in plain text; keep its verdict, say it our way.
	verdict := &verdict{header: http.Header{}}
	h.ServeHTTP(verdict, r)
	if verdict.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", verdict.header.Get("Allow"))
		rt.answer(w, r, http.StatusMethodNotAllowed, problem.New("web", problem.Invalid, "web.method", nil))
		return
	}
	rt.fail(w, r, problem.New("web", problem.NotFound, "", nil))
}

// verdict is a response writer that keeps only status and header.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }
func (v *verdict) WriteHeader(status int)      { v.status = status }

// fail answers with err and logs what must be known about it.
func (rt *Router) fail(w http.ResponseWriter, r *http.Request, err error) {
	ctx, p := r.Context(), classify(err)
	switch {
	case ctx.Err() != nil: // the client has left: nobody failed, nobody reads an answer
		if out, ok := w.(*response); ok {
			out.broken = true
		}
		return
	case p.Kind == problem.Internal || p.Kind == problem.Unavailable:
		rt.cfg.Log.ErrorContext(ctx, "request failed", "request", RequestID(ctx), "pattern", r.Pattern, "err", err)
	default: // without the error, which may quote what the user sent
		rt.cfg.Log.InfoContext(ctx, "request refused", "request", RequestID(ctx), "pattern", r.Pattern, "kind", p.Kind.String(), "key", p.Key)
	}
	if out, ok := w.(*response); ok && out.status != 0 {
		out.broken = true
		return
	}
	rt.answer(w, r, statusOf[p.Kind], p)
}

// classify finds the problem in err; an unknown error is an internal one.
func classify(err error) *problem.Error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.New("web", problem.TooLarge, "web.too_large.limit", i18n.Args{"n": tooLarge.Limit})
	}
	return problem.New("web", problem.Internal, "", nil)
}

func (rt *Router) recovered(w *response, r *http.Request, p any) {
	if p == http.ErrAbortHandler {
		w.broken = true
		return
	}
	rt.cfg.Log.ErrorContext(r.Context(), "panic", "request", RequestID(r.Context()), "pattern", r.Pattern,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if w.status != 0 {
		w.broken = true
		return
	}
	rt.answer(w, r, http.StatusInternalServerError, problem.New("web", problem.Internal, "", nil))
}

// log writes the access log. The pattern stands for the path, since a path may
// hold names or numbers of people; query, address and agent are left out.
func (rt *Router) log(w *response, r *http.Request, took time.Duration) {
	pattern := r.Pattern
	if _, path, ok := strings.Cut(pattern, " "); ok {
		pattern = path
	}
	rt.cfg.Log.InfoContext(r.Context(), "request", "request", RequestID(r.Context()), "method", logMethod(r.Method),
		"pattern", pattern, "status", w.code(), "bytes", w.bytes, "ms", float64(took.Microseconds())/1000)
}

// logMethod keeps what a stranger invents out of the log.
func logMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// response notes what was sent.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
	broken bool // the answer began and cannot be finished
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx are not the answer yet
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// statusGone stands in the log for an answer nobody waited for, as in nginx.
const statusGone = 499

func (w *response) code() int {
	switch {
	case w.status != 0:
		return w.status
	case w.broken:
		return statusGone
	}
	return http.StatusOK
}
