package link

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// root is the address of the list.
const root = "/links"

// maxForm bounds a form.
const maxForm = 32 << 10

// Pages are the screens of a service.
type Pages struct{ *Service }

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{s} }

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	const one = root + "/{id}"
	read, propose, confirm := web.MayOn(mayRead, p.object), web.MayOn(mayPropose, p.object), web.MayOn(mayConfirm, p.object)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, web.May(mayRead), p.list},
		{"GET " + root + ".csv", web.May(mayRead), p.file},
		{"GET " + root + "/own", web.May(mayPropose), p.ownForm},
		{"POST " + root + "/own", web.May(mayPropose), p.own},
		{"GET " + root + "/new", web.May(mayPropose), p.newForm},
		{"POST " + root, web.May(mayPropose), p.create},
		{"GET " + one, read, p.show},
		{"GET " + one + "/sheet", propose, p.sheet},
		{"GET " + one + "/theirs", propose, p.theirsForm},
		{"POST " + one + "/theirs", propose, p.theirs},
		{"POST " + one + "/test", propose, p.step(p.Test, "#test")},
		{"POST " + one + "/secret", propose, p.step(p.NewSecret, "/sheet")},
		{"POST " + one + "/propose", propose, p.step(p.Propose, "")},
		{"POST " + one + "/recall", propose, p.step(p.Recall, "")},
		{"GET " + one + "/confirm", confirm, p.confirmForm},
		{"POST " + one + "/confirm", confirm, p.step(p.Confirm, "")},
		{"GET " + one + "/end", propose, p.endForm},
		{"POST " + one + "/end", propose, p.end},
		{"POST " + one + "/phone", propose, p.phone},
		{"GET " + one + "/change", propose, p.changeForm},
		{"POST " + one + "/change", propose, p.propose},
		{"POST " + one + "/change/recall", propose, p.step(p.RecallChange, "")},
		{"GET " + one + "/change/confirm", confirm, p.confirmChangeForm},
		{"POST " + one + "/change/confirm", confirm, p.confirmChange},
		{"POST " + one + "/secret/renew", propose, p.renewSecret},
		{"GET " + one + "/secret/end", propose, p.endSecretForm},
		{"POST " + one + "/secret/end", propose, p.step(p.EndOldSecret, "")},
		{"GET " + one + "/certificates", read, p.certificates},
		{"POST " + one + "/certificates", propose, p.addCertificate},
		{"GET " + one + "/certificates/confirm", confirm, p.confirmCertificateForm},
		{"POST " + one + "/certificates/confirm", confirm, p.fingerprint(p.ConfirmCertificate)},
		{"GET " + one + "/certificates/remove", propose, p.removeForm},
		{"POST " + one + "/certificates/remove", propose, p.fingerprint(p.RemoveCertificate)},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

// object is the link of a request, for the rules.
func (p *Pages) object(r *http.Request) (access.Resource, error) {
	l, err := p.link(r.Context(), r.PathValue("id"))
	if err != nil {
		return access.Resource{}, err
	}
	return access.Resource{Type: "Link", ID: l.ID, Attributes: map[string]any{"organisation": l.Organisation}}, nil
}

func may(ctx context.Context, action, organisation string) bool {
	return web.Can(ctx, action, web.Organisation(organisation))
}

func who(r *http.Request) *web.Person { return web.Who(r.Context()) }

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

// line is a row of the list.
type line struct {
	exchange.Link
	Mine     bool // the reader's organisation connected it
	Proposed bool // something waits for a second person
	Waiting  int64
	Failure  string // key
	Heard    time.Time
}

// lines are the links an organisation's people see: those of the node are few, and
// of others' only name, address and state are told.
func (p *Pages) lines(ctx context.Context, organisation string) (out []line, configured []exchange.Peer, err error) {
	err = p.o.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		links, err := p.o.Node.Links(tx)
		if err != nil {
			return err
		}
		states, err := exchange.PeerStates(tx)
		if err != nil {
			return err
		}
		for _, l := range links {
			c, err := p.waiting(tx, l.ID)
			if err != nil {
				return err
			}
			n := line{Link: l, Mine: l.Organisation == organisation, Proposed: l.ProposedBy != "" || c != nil}
			for _, s := range states {
				if s.ID != l.ID {
					continue
				}
				n.Waiting, n.Failure = s.Waiting, s.Failure
				if s.FetchedAt > 0 {
					n.Heard = time.UnixMilli(s.FetchedAt).UTC()
				}
			}
			out = append(out, n)
		}
		return nil
	})
	return out, p.o.Node.Configured(), problem.Wrap("link.list", err)
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	lines, configured, err := p.lines(r.Context(), who(r).Organisation)
	if err != nil {
		return err
	}
	own, err := p.Own(r.Context(), who(r).Organisation)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.listPage(lines, configured, own))
}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// file is the list as CSV (spec: RFC 4180), times in UTC, without passwords.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	lines, configured, err := p.lines(ctx, who(r).Organisation)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	head := []string{"name", "state", "since", "oid", "url", "phone", "waiting", "fingerprints"}
	for i, k := range head {
		head[i] = t(ctx, "link.column."+k)
	}
	rows := [][]string{head}
	for _, l := range lines {
		phone, prints := "", ""
		if l.Mine {
			phone, prints = l.DeskPhone, strings.Join(accepted(l.Link), " ")
		}
		rows = append(rows, []string{cell(l.Name), stateWord(ctx, l.State), l.StateAt.UTC().Format(time.RFC3339), l.OID, cell(l.BaseURL), cell(phone), web.Number(ctx, l.Waiting), prints})
	}
	for _, x := range configured {
		rows = append(rows, []string{cell(x.ID), t(ctx, "link.state.file"), "", x.OID, cell(x.BaseURL), cell(x.DeskPhone), "", ""})
	}
	if err := c.WriteAll(rows); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="links.csv"`)
	_, err = w.Write(out.Bytes())
	return err
}

// cell keeps a spreadsheet program from taking what somebody typed for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t") {
		return "'" + s
	}
	return s
}

func stateWord(ctx context.Context, s exchange.LinkState) string {
	return t(ctx, "link.state."+string(s))
}

func stateLevel(s exchange.LinkState) sign.Level {
	switch s {
	case exchange.LinkLive:
		return "ok"
	case exchange.LinkLeaving:
		return "l2"
	}
	return "none"
}

// form is what was typed with what is wrong in it.
type form struct {
	Values map[string]string
	Errors ui.Errors
}

func (f form) of(name string) string { return f.Values[name] }

func typed(r *http.Request, names ...string) form {
	f := form{Values: map[string]string{}}
	for _, n := range names {
		f.Values[n] = r.PostFormValue(n)
	}
	return f
}

func (f *form) wrong(ctx context.Context, faults []Fault) {
	for _, x := range faults {
		f.Errors.Add(x.Field, web.T(ctx, x.Key, x.Args))
	}
}

func bounded(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
}

func address(id, more string) string { return root + "/" + url.PathEscape(id) + more }

func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (p *Pages) ownForm(w http.ResponseWriter, r *http.Request) error {
	own, err := p.Own(r.Context(), who(r).Organisation)
	if err != nil {
		return err
	}
	f := form{Values: map[string]string{"url": own.URL, "phone": own.Phone}}
	return web.Render(w, r, http.StatusOK, p.ownPage(own, f))
}

func (p *Pages) own(w http.ResponseWriter, r *http.Request) error {
	bounded(w, r)
	f := typed(r, "url", "phone")
	faults, err := p.SetOwn(r.Context(), who(r).ID, who(r).Organisation, f.of("url"), f.of("phone"))
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		f.wrong(r.Context(), faults)
		own, err := p.Own(r.Context(), who(r).Organisation)
		if err != nil {
			return err
		}
		return web.Render(w, r, http.StatusUnprocessableEntity, p.ownPage(own, f))
	}
	return see(w, r, root)
}

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.newPage(form{}))
}

func (p *Pages) create(w http.ResponseWriter, r *http.Request) error {
	bounded(w, r)
	f := typed(r, "name")
	id, faults, err := p.Create(r.Context(), who(r).ID, who(r).Organisation, f.of("name"))
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		f.wrong(r.Context(), faults)
		return web.Render(w, r, http.StatusUnprocessableEntity, p.newPage(f))
	}
	return see(w, r, address(id, ""))
}

// view is all of one link.
type view struct {
	line
	Own      Own
	Checks   []exchange.LinkCheck
	Tested   time.Time
	Events   []Event
	Proposer string // name
	Change   *exchange.LinkChange
	Changer  string // name of who proposed it
	Reserved int64  // waiting receipts and the like, of the node itself
	Form     form
	Names    map[string]string // of persons
}

func (v view) name(person string) string { return v.Names[person] }

func (p *Pages) view(ctx context.Context, id string) (v view, err error) {
	l, err := p.link(ctx, id)
	if err != nil {
		return v, err
	}
	if v.Own, err = p.Own(ctx, l.Organisation); err != nil {
		return v, err
	}
	err = p.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		v.line, v.Names = line{Link: l, Mine: true}, map[string]string{}
		if v.Waiting, v.Reserved, err = exchange.LinkWaiting(tx, id); err != nil {
			return err
		}
		states, err := exchange.PeerStates(tx)
		if err != nil {
			return err
		}
		for _, s := range states {
			if s.ID == id {
				v.Failure = s.Failure
			}
		}
		if v.Checks, err = checks(tx, id); err != nil {
			return err
		}
		if v.Events, err = p.events(tx, id); err != nil {
			return err
		}
		for _, e := range v.Events {
			if e.Action == "test" {
				v.Tested = e.At
				break
			}
		}
		if l.ProposedBy != "" {
			v.Proposer = p.o.Name(tx, l.ProposedBy)
		}
		if v.Change, err = p.waiting(tx, id); err != nil {
			return err
		}
		if v.Change != nil {
			v.Changer = p.o.Name(tx, v.Change.ProposedBy)
		}
		for _, c := range l.Certificates {
			for _, id := range []string{c.AddedBy, c.ConfirmedBy, c.RemovedBy} {
				if id != "" {
					v.Names[id] = p.o.Name(tx, id)
				}
			}
		}
		return nil
	})
	return v, problem.Wrap("link.view", err)
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.linkPage(v))
}

func (p *Pages) sheet(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if !v.State.Trial() {
		return see(w, r, address(v.ID, "")) // the password has done its work
	}
	if v.Own.URL == "" || v.Own.Phone == "" {
		return see(w, r, root+"/own")
	}
	return web.Render(w, r, http.StatusOK, p.sheetPage(v))
}

func (p *Pages) theirsForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if !v.State.Trial() {
		return see(w, r, address(v.ID, ""))
	}
	v.Form.Values = map[string]string{"oid": v.OID, "url": v.BaseURL, "username": v.Username, "phone": v.DeskPhone}
	if prints := accepted(v.Link); len(prints) > 0 {
		v.Form.Values["fingerprint"] = spell(prints[len(prints)-1])
	}
	return web.Render(w, r, http.StatusOK, p.theirsPage(v))
}

func (p *Pages) theirs(w http.ResponseWriter, r *http.Request) error {
	bounded(w, r)
	ctx, id := r.Context(), r.PathValue("id")
	f := typed(r, "oid", "url", "username", "password", "phone", "fingerprint", "text")
	again := func(status int) error {
		v, err := p.view(ctx, id)
		if err != nil {
			return err
		}
		v.Form = f
		return web.Render(w, r, status, p.theirsPage(v))
	}
	if strings.TrimSpace(f.of("text")) != "" {
		d, ok := parseHandOver(f.of("text"))
		if !ok {
			f.Errors.Add("text", t(ctx, "link.fault.text"))
			return again(http.StatusUnprocessableEntity)
		}
		f.Values = map[string]string{"oid": d.OID, "url": d.URL, "username": d.Username, "password": d.Password, "phone": d.Phone, "fingerprint": d.Fingerprint, "read": "yes"}
		return again(http.StatusOK)
	}
	faults, err := p.SetTheirs(ctx, id, who(r).ID, Theirs{
		OID: f.of("oid"), URL: f.of("url"), Username: f.of("username"), Password: f.of("password"), Phone: f.of("phone"), Fingerprint: f.of("fingerprint"),
	})
	if err != nil {
		if e, ok := errors.AsType[*problem.Error](err); !ok || e.Kind != problem.Conflict {
			return err
		}
		f.Errors.Add("fingerprint", faultText(ctx, err))
		return again(http.StatusConflict)
	}
	if len(faults) > 0 {
		f.wrong(ctx, faults)
		return again(http.StatusUnprocessableEntity)
	}
	return see(w, r, address(id, "#test"))
}

func faultText(ctx context.Context, err error) string {
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Key != "" {
		return web.T(ctx, e.Key, e.Args)
	}
	return ""
}

// step runs what needs no values and returns to the link.
func (p *Pages) step(f func(ctx context.Context, id, person string) error, back string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := f(r.Context(), r.PathValue("id"), who(r).ID); err != nil {
			return err
		}
		return see(w, r, address(r.PathValue("id"), back))
	}
}

// fingerprint runs what is about one certificate.
func (p *Pages) fingerprint(f func(ctx context.Context, id, person, fingerprint string) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		bounded(w, r)
		if err := f(r.Context(), r.PathValue("id"), who(r).ID, r.PostFormValue("fingerprint")); err != nil {
			return err
		}
		return see(w, r, address(r.PathValue("id"), "/certificates"))
	}
}

func (p *Pages) confirmForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.ProposedBy == "" {
		return see(w, r, address(v.ID, ""))
	}
	return web.Render(w, r, http.StatusOK, p.confirmPage(v))
}

func (p *Pages) endForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.endPage(v))
}

func (p *Pages) end(w http.ResponseWriter, r *http.Request) error {
	bounded(w, r)
	ctx, id := r.Context(), r.PathValue("id")
	err := p.End(ctx, id, who(r).ID, r.PostFormValue("discard") == "yes")
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Kind == problem.Conflict {
		v, err2 := p.view(ctx, id)
		if err2 != nil {
			return err2
		}
		v.Form.Errors.Add("discard", faultText(ctx, err))
		return web.Render(w, r, http.StatusConflict, p.endPage(v))
	}
	if err != nil {
		return err
	}
	return see(w, r, address(id, ""))
}

func (p *Pages) phone(w http.ResponseWriter, r *http.Request) error {
	bounded(w, r)
	ctx, id := r.Context(), r.PathValue("id")
	faults, err := p.SetPhone(ctx, id, who(r).ID, r.PostFormValue("phone"))
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		return see(w, r, address(id, ""))
	}
	v, err := p.view(ctx, id)
	if err != nil {
		return err
	}
	v.Form = typed(r, "phone")
	v.Form.wrong(ctx, faults)
	return web.Render(w, r, http.StatusUnprocessableEntity, p.linkPage(v))
}

func (p *Pages) changeForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if !inUse(v.State) || v.Change != nil {
		return see(w, r, address(v.ID, ""))
	}
	v.Form.Values, v.Checks = map[string]string{"url": v.BaseURL}, nil
	return web.Render(w, r, http.StatusOK, p.changePage(v))
}

func (p *Pages) propose(w http.ResponseWriter, r *http.Request) error {
	bounded(w, r)
	ctx, id := r.Context(), r.PathValue("id")
	f := typed(r, "url", "password")
	faults, found, err := p.ProposeChange(ctx, id, who(r).ID, f.of("url"), f.of("password"))
	if err != nil {
		return err
	}
	if len(faults) == 0 && exchange.LineGood(found) {
		return see(w, r, address(id, ""))
	}
	v, err := p.view(ctx, id)
	if err != nil {
		return err
	}
	v.Form, v.Checks, v.Tested = f, found, web.Now(ctx)
	v.Form.wrong(ctx, faults)
	if len(faults) == 0 {
		v.Form.Errors.Add("url", t(ctx, "link.fault.change_fails"))
	}
	return web.Render(w, r, http.StatusUnprocessableEntity, p.changePage(v))
}

func (p *Pages) confirmChangeForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.Change == nil {
		return see(w, r, address(v.ID, ""))
	}
	v.Checks = nil
	return web.Render(w, r, http.StatusOK, p.confirmChangePage(v))
}

func (p *Pages) confirmChange(w http.ResponseWriter, r *http.Request) error {
	ctx, id := r.Context(), r.PathValue("id")
	found, err := p.ConfirmChange(ctx, id, who(r).ID)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return see(w, r, address(id, ""))
	}
	v, err := p.view(ctx, id)
	if err != nil {
		return err
	}
	if v.Change == nil { // taken back while it was tried
		return see(w, r, address(id, ""))
	}
	v.Checks, v.Tested = found, web.Now(ctx)
	return web.Render(w, r, http.StatusConflict, p.confirmChangePage(v))
}

// renewSecret shows the new password in its own answer: it can't be asked for again.
func (p *Pages) renewSecret(w http.ResponseWriter, r *http.Request) error {
	ctx, id := r.Context(), r.PathValue("id")
	secret, err := p.RenewSecret(ctx, id, who(r).ID)
	if err != nil {
		return err
	}
	v, err := p.view(ctx, id)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.secretPage(v, secret))
}

func (p *Pages) endSecretForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.OldSecret == "" {
		return see(w, r, address(v.ID, ""))
	}
	return web.Render(w, r, http.StatusOK, p.endSecretPage(v))
}

func (p *Pages) certificates(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.certificatesPage(v))
}

func (p *Pages) addCertificate(w http.ResponseWriter, r *http.Request) error {
	bounded(w, r)
	ctx, id := r.Context(), r.PathValue("id")
	f := typed(r, "fingerprint")
	faults, err := p.AddCertificate(ctx, id, who(r).ID, f.of("fingerprint"))
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Kind == problem.Conflict {
		faults, err = []Fault{{"fingerprint", e.Key, e.Args}}, nil
	}
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		return see(w, r, address(id, "/certificates"))
	}
	v, err := p.view(ctx, id)
	if err != nil {
		return err
	}
	v.Form = f
	v.Form.wrong(ctx, faults)
	return web.Render(w, r, http.StatusUnprocessableEntity, p.certificatesPage(v))
}

// certificateOf is the one that a question is about.
func (p *Pages) certificateOf(r *http.Request) (v view, c exchange.LinkCertificate, err error) {
	if v, err = p.view(r.Context(), r.PathValue("id")); err != nil {
		return v, c, err
	}
	for _, c := range v.Certificates {
		if c.Fingerprint == r.URL.Query().Get("fingerprint") && c.RemovedAt.IsZero() {
			return v, c, nil
		}
	}
	return v, c, errNotFound
}

func (p *Pages) confirmCertificateForm(w http.ResponseWriter, r *http.Request) error {
	v, c, err := p.certificateOf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.confirmCertificatePage(v, c))
}

func (p *Pages) removeForm(w http.ResponseWriter, r *http.Request) error {
	v, c, err := p.certificateOf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.removePage(v, c))
}

// last reports whether removal leaves the neighbour without an accepted one.
func last(v view, c exchange.LinkCertificate) bool {
	prints := accepted(v.Link)
	return len(prints) == 0 || len(prints) == 1 && prints[0] == c.Fingerprint
}

// detail is what a step found, for people.
func detail(ctx context.Context, c exchange.LinkCheck) string {
	switch {
	case c.Step == exchange.CheckCertificate && len(c.Detail) == 64:
		return spell(c.Detail)
	case c.Cause == exchange.CauseSkipped:
		return ""
	}
	return c.Detail
}

// todo is what to do about a failed step.
func todo(ctx context.Context, c exchange.LinkCheck) string {
	return web.T(ctx, "link.cause."+c.Cause, i18n.Args{"skew": c.Detail})
}

// ending tells how near the end of a certificate is: the same steps as the health
// page has.
func ending(ctx context.Context, at time.Time) (sign.Level, string) {
	const day = 24 * time.Hour
	left := at.Sub(web.Now(ctx))
	words := i18n.Args{"at": web.Date(ctx, at), "n": int(left / day)}
	switch {
	case left <= 0:
		return "l3", web.T(ctx, "link.ended", i18n.Args{"at": web.Date(ctx, at)})
	case left < 7*day:
		return "l3", web.T(ctx, "link.ends", words)
	case left < 60*day:
		return "l2", web.T(ctx, "link.ends", words)
	}
	return "", web.Date(ctx, at)
}
