package signin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
)

/* How long a session lasts */

func (p *Pages) session(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.sessionPage(web.Who(r.Context())))
}

// sessionKey is the text that says how long a session lasts.
func sessionKey(who *web.Person) string {
	switch {
	case who.Ends.IsZero():
		return "signin.session.kept"
	case who.Extends:
		return "signin.session.idle"
	}
	return "signin.session.until"
}

// sessionState tells session.js the same. To have asked by POST is a use of the
// session: that puts its end off.
func (p *Pages) sessionState(w http.ResponseWriter, r *http.Request) error {
	who := web.Who(r.Context())
	state := struct {
		Now     int64 `json:"now"`
		Ends    int64 `json:"ends"` // 0: it does not
		Extends bool  `json:"extends"`
	}{Now: web.Now(r.Context()).UnixMilli(), Extends: who.Extends}
	if !who.Ends.IsZero() {
		state.Ends = who.Ends.UnixMilli()
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(state)
}

/* What was sent after the session had ended */

// unsentPath is the page that gives it back; lost says there why it cannot.
const (
	unsentPath = "/me/unsent"
	lost       = "lost"
)

// Why a form is not kept.
const (
	lostSecret  = "secret"
	lostUpload  = "upload"
	lostLarge   = "large"
	lostUnknown = "unknown"
)

var lostWhy = []string{lostSecret, lostUpload, lostLarge, lostUnknown}

// maxFields bounds the fields of a form that is kept: the page repeats them.
const maxFields = 500

// secrets are the names of fields that are never kept, and a form without them
// would be no use: passwords, PINs, codes, and the answers of passkeys.
var secrets = []string{"old", "password", "pin", "pin_password", "code", "response"}

// ours are the fields that pages fill in for themselves.
var ours = []string{"back", "next", "once"}

type field struct{ Name, Value string }

// split takes a form apart, in its order.
func split(form string) (all []field) {
	for pair := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, wrongName := url.QueryUnescape(name)
		value, wrongValue := url.QueryUnescape(value)
		if name != "" && wrongName == nil && wrongValue == nil {
			all = append(all, field{name, value})
		}
	}
	return all
}

// Unsent keeps the form that somebody sent whose session has ended, and returns the
// page that gives it back, for web.Config.
func (p *Pages) Unsent(w http.ResponseWriter, r *http.Request) (next string, err error) {
	token := p.d.Token(r)
	if token == "" {
		return "", nil // nobody was signed in
	}
	form, why, err := keepable(w, r)
	if err != nil {
		return "", err
	}
	if why == "" {
		kept, err := p.d.KeepForm(r.Context(), token, r.URL.RequestURI(), form)
		if err != nil {
			return "", err
		}
		if kept {
			return unsentPath, nil
		}
		why = lostUnknown
	}
	return unsentPath + "?" + url.Values{lost: {why}}.Encode(), nil
}

// keepable returns the form of a request, or why it is not to be kept.
func keepable(w http.ResponseWriter, r *http.Request) (form, why string, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", lostUpload, nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return "", lostLarge, nil
	}
	if err != nil {
		return "", "", &problem.Error{Op: "signin.unsent", Kind: problem.Invalid, Err: err}
	}
	fields := split(string(raw))
	switch {
	case len(fields) > maxFields:
		return "", lostLarge, nil
	case slices.ContainsFunc(fields, func(f field) bool { return slices.Contains(secrets, f.Name) }):
		return "", lostSecret, nil
	}
	return string(raw), "", nil
}

// lostOf is why what was sent is not kept, "" if it is.
func lostOf(q url.Values) string {
	if why := q.Get(lost); slices.Contains(lostWhy, why) {
		return why
	}
	return ""
}

// unsentWords are for whoever is sent to sign in because his form came too late; ""
// for everybody else.
func unsentWords(ctx context.Context, next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Path != unsentPath {
		return ""
	}
	if why := lostOf(u.Query()); why != "" {
		return t(ctx, "signin.form.lost") + " " + t(ctx, "signin.form.lost."+why)
	}
	return t(ctx, "signin.form.kept")
}

type unsentView struct {
	Form   *identity.Form // nil: none waits
	Fields []field
	Lost   string // why it was not kept
}

// Entered are the fields somebody filled in.
func (v unsentView) Entered() (all []field) {
	for _, f := range v.Fields {
		if f.Value != "" && !slices.Contains(ours, f.Name) {
			all = append(all, f)
		}
	}
	return all
}

func (p *Pages) unsent(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form, err := p.d.KeptForm(ctx, web.Who(ctx))
	if err != nil {
		return err
	}
	v := unsentView{Form: form}
	if form != nil {
		v.Fields = split(form.Fields)
	} else {
		v.Lost = lostOf(r.URL.Query())
	}
	return web.Render(w, r, http.StatusOK, p.unsentPage(v))
}

// sendAgain has the browser send the form on to where it went first; where that
// is, the browser is not asked.
func (p *Pages) sendAgain(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form, err := p.d.KeptForm(ctx, web.Who(ctx))
	if err != nil {
		return err
	}
	if form == nil || local(form.Action) == "" {
		return see(w, r, unsentPath)
	}
	if err := p.d.DropForm(ctx, web.Who(ctx)); err != nil {
		return err
	}
	http.Redirect(w, r, form.Action, http.StatusTemporaryRedirect) // keeps method and fields
	return nil
}

func (p *Pages) dropUnsent(w http.ResponseWriter, r *http.Request) error {
	if err := p.d.DropForm(r.Context(), web.Who(r.Context())); err != nil {
		return err
	}
	return see(w, r, startPath)
}
