package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
)

const (
	langName = "lang" // of the query parameter and the cookie
	// langAge is how long a choice of language lasts: people come back to some
	// pages once a year.
	langAge = 400 * 24 * time.Hour // the most browsers keep (spec: RFC 6265bis, §5.5)
)

// scope is what templates know of the request.
type scope struct {
	bundle *i18n.Bundle
	lang   i18n.Lang
	id     string
	url    *url.URL
	person *Person // nil: a stranger
	policy *access.Policy
	nav    []NavItem
	now    time.Time
	built  map[string]asset
	banner templ.Component
	secure bool // the browser talks TLS, to the node or to a proxy before it
}

type scopeKey struct{}

func scopeOf(ctx context.Context) *scope {
	s, ok := ctx.Value(scopeKey{}).(*scope)
	if !ok {
		panic("web: not within a request of the Router")
	}
	return s
}

// Lang returns the language of the request.
func Lang(ctx context.Context) i18n.Lang { return scopeOf(ctx).lang }

// Secure reports whether the browser talks TLS, to the node or to a proxy before it:
// addresses that are handed out begin with https then.
func Secure(ctx context.Context) bool { return scopeOf(ctx).secure }

// RequestID returns the identifier under which the log knows the request.
func RequestID(ctx context.Context) string { return scopeOf(ctx).id }

// T returns the text of key in the language of the request.
func T(ctx context.Context, key string, args i18n.Args) string {
	s := scopeOf(ctx)
	return s.bundle.Text(s.lang, key, args)
}

// LanguageName is what a language calls itself; a tag that is not known stays as it is.
func LanguageName(ctx context.Context, tag string) string {
	l, ok := i18n.Parse(tag)
	if !ok {
		return tag
	}
	return scopeOf(ctx).bundle.Text(l, "i18n.language", nil)
}

// language picks what the reader chose now, chose once, or the browser
// prefers. chosen reports the first.
func language(r *http.Request) (lang i18n.Lang, chosen bool) {
	if r.URL.RawQuery != "" {
		if l, ok := i18n.Parse(r.URL.Query().Get(langName)); ok {
			return l, true
		}
	}
	if c, err := r.Cookie(langName); err == nil {
		if l, ok := i18n.Parse(c.Value); ok {
			return l, false
		}
	}
	return i18n.Match(r.Header.Get("Accept-Language")), false
}

func languageCookie(l i18n.Lang, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: langName, Value: string(l), Path: "/", MaxAge: int(langAge / time.Second),
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// langURL is the address of this page in another language.
func langURL(ctx context.Context, l i18n.Lang) templ.SafeURL {
	q := scopeOf(ctx).url.Query()
	q.Set(langName, string(l))
	return templ.SafeURL("?" + q.Encode())
}

// Render writes a page. A component that fails leaves the answer unwritten, so
// that the caller can return the error.
func Render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var page bytes.Buffer
	if err := c.Render(r.Context(), &page); err != nil {
		return fmt.Errorf("web.Render: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(Lang(r.Context())))
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Add("Vary", "Accept, Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // nobody is left to be told
	return nil
}

// nameOf is what speakers of l call their language.
func nameOf(ctx context.Context, l i18n.Lang) string {
	return scopeOf(ctx).bundle.Text(l, "i18n.language", nil)
}

// asOf says when a state was read.
func asOf(ctx context.Context, t time.Time) string {
	return T(ctx, "web.as_of", i18n.Args{"time": t})
}
