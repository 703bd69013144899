package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

const (
	root     = "/gateways"
	trayRoot = "/tray"
	// formLimit is the largest message with its encoding as a form.
	formLimit = int64(3*transport.MaxBytes + 4096)
	// shownBytes bounds what of a message stands on a page; the whole is a file.
	shownBytes = 256 << 10
)

// Pages are the screens of a service.
type Pages struct{ *Service }

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{s} }

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	sent, received := web.MayOn(mayOpen, p.outgoingOf), web.MayOn(mayOpen, p.receivedOf)
	act := web.MayOn(mayAct, p.receivedOf)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, web.May(mayRead), p.list},
		{"GET " + root + "/{name}", web.May(mayRead), p.show},
		{"GET " + root + "/{name}/out/{id}", sent, p.sentOne},
		{"GET " + trayRoot, web.May(mayRead), p.tray},
		{"GET " + trayRoot + "/{id}", received, p.one},
		{"GET " + trayRoot + "/{id}/file", received, p.file},
		{"POST " + trayRoot + "/{id}/process", act, p.process},
		{"POST " + trayRoot + "/{id}/dismiss", act, p.dismiss},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

func (p *Pages) receivedOf(r *http.Request) (access.Resource, error) {
	id, err := number(r)
	if err != nil {
		return access.Resource{}, err
	}
	return p.received(r.Context(), id)
}

func (p *Pages) outgoingOf(r *http.Request) (access.Resource, error) {
	id, err := number(r)
	if err != nil {
		return access.Resource{}, err
	}
	return p.outgoing(r.Context(), r.PathValue("name"), id)
}

// may reports whether the reader may do that with a message at an address.
func (p *Pages) may(ctx context.Context, action, address string) bool {
	r, err := p.objectOf(ctx, "", address)
	return err == nil && web.Can(ctx, action, r)
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func number(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, problem.New("gateway", problem.NotFound, "gateway.not_found", nil)
	}
	return id, nil
}

func address(id int64, what string) string { return trayRoot + "/" + strconv.FormatInt(id, 10) + what }

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	states, err := p.States(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listPage(states))
}

// view is the page of one gateway.
type view struct {
	State
	Out []Sent
	In  []Item
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.look(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.gatewayPage(v))
}

func (p *Pages) sentOne(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r)
	if err != nil {
		return err
	}
	v, err := p.Sent(r.Context(), web.Who(r.Context()).ID, r.PathValue("name"), id)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, sentPage(v))
}

func (p *Pages) tray(w http.ResponseWriter, r *http.Request) error {
	all := r.URL.Query().Get("show") == "ended"
	list, total, err := p.Tray(r.Context(), all)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.trayPage(list, total, all))
}

// form is what a person typed into the page of a message.
type form struct {
	Text, Reason string
	Errors       ui.Errors
}

func (p *Pages) one(w http.ResponseWriter, r *http.Request) error {
	return p.render(w, r, http.StatusOK, form{})
}

func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, f form) error {
	id, err := number(r)
	if err != nil {
		return err
	}
	v, err := p.Item(r.Context(), web.Who(r.Context()).ID, id)
	if err != nil {
		return err
	}
	if f.Text == "" {
		f.Text = readable(v.Body)
	}
	return web.Render(w, r, status, p.itemPage(v, f))
}

// readable is a message as text, whatever it holds.
func readable(body []byte) string {
	if text, ok := tree.Text(body); ok {
		return text
	}
	return strings.ToValidUTF8(string(body), "�")
}

// file is the message byte for byte, never shown by the browser itself.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r)
	if err != nil {
		return err
	}
	v, err := p.Item(r.Context(), web.Who(r.Context()).ID, id)
	if err != nil {
		return err
	}
	if v.Deleted {
		return problem.New("gateway.file", problem.NotFound, "gateway.deleted", nil)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="message-`+strconv.FormatInt(id, 10)+`.bin"`)
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(v.Body)
	return err
}

func (p *Pages) process(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		return &problem.Error{Op: "gateway.process", Kind: problem.TooLarge, Err: err}
	}
	// Browsers send a form's lines with CR LF.
	f := form{Text: strings.ReplaceAll(r.PostForm.Get("message"), "\r\n", "\n")}
	copied, err := p.Correct(r.Context(), web.Who(r.Context()).ID, id, tree.FromText(f.Text))
	if bad, ok := errors.AsType[*problem.Error](err); ok && bad.Kind == problem.Invalid {
		f.Errors.Add("message", web.T(r.Context(), bad.Key, bad.Args))
		return p.render(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, address(copied, ""), http.StatusSeeOther)
	return nil
}

func (p *Pages) dismiss(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	f := form{Reason: r.FormValue("reason")}
	err = p.Dismiss(r.Context(), web.Who(r.Context()).ID, id, f.Reason)
	if problem.KindOf(err) == problem.Invalid {
		f.Errors.Add("reason", web.T(r.Context(), "gateway.tray.reason", map[string]any{"max": maxNote}))
		return p.render(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, trayRoot, http.StatusSeeOther)
	return nil
}
