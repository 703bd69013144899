package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// maxNav is how many entries a navigation may have: more are not taken in at
// one look. The rest stands in a menu beside them.
const maxNav = 7

// EndNotice is how long before its end a session is announced to end (WCAG 2.2.1
// asks for 20 s at least).
const EndNotice = 2 * time.Minute

// ending reports whether the session of p ends so soon that the page says so from
// the start; later ones are watched by session.js.
func ending(ctx context.Context, p *Person) bool {
	return !p.Ends.IsZero() && p.Ends.Sub(Now(ctx)) <= EndNotice
}

// unix writes a time for scripts, 0 for none.
func unix(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// signInAgain leads to signing in beside the page, which keeps what is written.
func signInAgain() string {
	return SignInPath + "?" + url.Values{"next": {SessionPath}}.Encode()
}

// Now is when the request came in: all ages on a page count to the same moment.
func Now(ctx context.Context) time.Time { return scopeOf(ctx).now }

// Time writes the local time with seconds in the language of the request.
func Time(ctx context.Context, t time.Time) string {
	s := scopeOf(ctx)
	return s.bundle.Time(s.lang, t)
}

// Date writes the local day in the language of the request.
func Date(ctx context.Context, t time.Time) string {
	s := scopeOf(ctx)
	return s.bundle.Date(s.lang, t)
}

// DateTime writes day and time in the language of the request.
func DateTime(ctx context.Context, t time.Time) string {
	s := scopeOf(ctx)
	return s.bundle.DateTime(s.lang, t)
}

// Number writes a whole number in the language of the request.
func Number(ctx context.Context, n int64) string {
	s := scopeOf(ctx)
	return s.bundle.Number(s.lang, n)
}

// Duration writes the two largest units: 3 min 12 s.
func Duration(ctx context.Context, d time.Duration) string { return scopeOf(ctx).bundle.Duration(d) }

// Coordinates writes those that geo.Format wrote in decimal degrees with the reader's
// decimal sign: 50,8528° N · 14,8446° E.
func Coordinates(ctx context.Context, s string) string {
	if Lang(ctx) == i18n.En {
		return s
	}
	return strings.NewReplacer(", ", " · ", ".", ",").Replace(s)
}

// LastEventID is the last event a page has got of its stream, "" for a new page.
// Browsers that reconnect send a header; live.js, which opens a stream anew,
// sends the query parameter last-event-id.
func LastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("last-event-id")
}

// zone is where the day of the readers begins.
var zone = func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		panic(err) // i18n links the zone data
	}
	return z
}()

func iso(t time.Time) string { return t.In(zone).Format(time.RFC3339) }

func millis(ctx context.Context) string { return unix(Now(ctx)) }

// drill is "exercise", "test" or "" for a page of real content.
func (s Shell) drill() string {
	switch s.Kind {
	case store.Exercise:
		return "exercise"
	case store.Test:
		return "test"
	}
	return ""
}

// heading is the title of the window: what waits first, then that it is no
// reality, then the page.
func (s Shell) heading(ctx context.Context) string {
	title := s.Title
	if d := s.drill(); d != "" {
		title = T(ctx, "web.drill."+d+".word", nil) + " · " + title
	}
	if s.Alarms > 0 {
		title = fmt.Sprintf("(%d) %s", s.Alarms, title)
	}
	return title
}

func (s Shell) scripts(ctx context.Context) []string {
	names := []string{"keys.js", "form.js"}
	if Who(ctx) != nil {
		names = append(names, "session.js")
	}
	if s.Stream != "" {
		names = append(names, "live.js", "sound.js")
	}
	return append(names, s.Scripts...)
}

func (s Shell) theme(ctx context.Context) string {
	if s.Theme != "" {
		return s.Theme
	}
	if p := Who(ctx); p != nil {
		return p.Theme
	}
	return ""
}

func singleKeys(ctx context.Context) bool {
	p := Who(ctx)
	return p == nil || p.SingleKeys
}

// here is the address a form returns to. A language asked for in it is not taken
// along: who has chosen another in the menu, or comes after, is not held to it.
func here(ctx context.Context) string {
	u := *scopeOf(ctx).url
	if q := u.Query(); q.Has(langName) {
		q.Del(langName)
		u.RawQuery = q.Encode()
	}
	return u.RequestURI()
}

// roles names the roles of the person.
func roles(ctx context.Context) string {
	var names []string
	for _, r := range Who(ctx).Roles {
		names = append(names, T(ctx, "web.role."+r, nil))
	}
	return strings.Join(names, ", ")
}

func whoPrints(ctx context.Context) string {
	if p := Who(ctx); p != nil {
		return p.Name
	}
	return T(ctx, "web.printed.nobody", nil)
}
