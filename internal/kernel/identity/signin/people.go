package signin

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

func (p *Pages) registerPeople(rt *web.Router) {
	write := web.MayOn(actionPeopleWrite, p.personResource)
	rt.Page("GET "+peoplePath, web.May(actionPeopleRead), p.people)
	rt.Page("GET /people.csv", web.May(actionPeopleRead), p.peopleFile)
	rt.Page("GET "+peoplePath+"/new", web.May(actionPeopleWrite), p.newPerson)
	rt.Page("POST "+peoplePath+"/new", web.May(actionPeopleWrite), p.doNewPerson)
	rt.Page("GET "+peoplePath+"/{id}", web.MayOn(actionPeopleRead, p.personResource), p.person)
	rt.Page("POST "+peoplePath+"/{id}", write, p.doPerson)
	rt.Page("POST "+peoplePath+"/{id}/roles", write, p.doRoles)
	rt.Page("GET "+peoplePath+"/{id}/reset", write, p.ask("reset"))
	rt.Page("POST "+peoplePath+"/{id}/reset", write, p.doReset)
	rt.Page("GET "+peoplePath+"/{id}/second", write, p.ask("second"))
	rt.Page("POST "+peoplePath+"/{id}/second", write, p.act("second", p.d.ResetSecond))
	rt.Page("POST "+peoplePath+"/{id}/lock", write, p.act("lock", p.d.Lock))
	rt.Page("POST "+peoplePath+"/{id}/unlock", write, p.act("unlock", p.d.Unlock))
	rt.Page("POST "+peoplePath+"/{id}/sessions", web.MayOn(actionSessionsEnd, p.personResource), p.act("sessions", p.d.EndSessions))
	rt.Page("POST "+peoplePath+"/{id}/link", write, p.forgetLink)
	rt.Page("POST "+peoplePath+"/{id}/delete", write, p.deletePerson)
	rt.Page("POST "+peoplePath+"/{id}/restore", write, p.act("restore", p.d.Restore))
}

// personResource is what the rules judge by: people belong to their organisation.
func (p *Pages) personResource(r *http.Request) (access.Resource, error) {
	who, err := p.d.Person(r.Context(), r.PathValue("id"))
	if err != nil {
		return access.Resource{}, err
	}
	return access.Resource{Type: "Person", ID: who.ID, Attributes: map[string]any{"organisation": who.Organisation}}, nil
}

func personURL(id string) string { return peoplePath + "/" + id }

// state of a person, a word of "signin.state.".
func state(who identity.Person) string {
	switch {
	case !who.DeletedAt.IsZero():
		return "deleted"
	case who.Locked:
		return "locked"
	case who.Provider == "" && !who.HasPassword:
		return "invited"
	}
	return "active"
}

// second names the second factors of a person, a word of "signin.factor.".
func second(who identity.Person) string {
	switch {
	case who.HasTOTP && who.Passkeys > 0:
		return "both"
	case who.HasTOTP:
		return "app"
	case who.Passkeys > 0:
		return "passkey"
	}
	return "none"
}

var states = []string{"active", "locked", "deleted"}

type peopleView struct {
	People  []identity.Person
	Filter  identity.Filter
	Sort    string
	Query   string // of the file with the same rows
	Any     bool   // the filter is set
	Undo    *identity.Person
	Tabs    []ui.Tab
	Removed string // name of who was deleted and cannot come back
}

// filter reads the choice of a list. What is not offered is no choice.
func filter(r *http.Request) (f identity.Filter, order string) {
	q := r.URL.Query()
	f = identity.Filter{Organisation: web.Who(r.Context()).Organisation, Text: strings.TrimSpace(q.Get("q")), Role: q.Get("role"), State: q.Get("state")}
	if !slices.Contains(identity.Roles, f.Role) {
		f.Role = ""
	}
	if !slices.Contains(states, f.State) {
		f.State = ""
	}
	if order = q.Get("sort"); order != "seen" && order != "login" {
		order = "name"
	}
	return f, order
}

func (p *Pages) list(r *http.Request) ([]identity.Person, identity.Filter, string, error) {
	f, order := filter(r)
	all, err := p.d.ListPeople(r.Context(), f)
	switch order {
	case "login":
		slices.SortStableFunc(all, func(a, b identity.Person) int { return strings.Compare(a.Login, b.Login) })
	case "seen":
		slices.SortStableFunc(all, func(a, b identity.Person) int { return b.SeenAt.Compare(a.SeenAt) })
	}
	return all, f, order, err
}

// query of a list in another order.
func query(f identity.Filter, order string) string {
	q := url.Values{}
	for name, value := range map[string]string{"q": f.Text, "role": f.Role, "state": f.State} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if order != "" && order != "name" {
		q.Set("sort", order)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (p *Pages) people(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	all, f, order, err := p.list(r)
	if err != nil {
		return err
	}
	v := peopleView{People: all, Filter: f, Sort: order, Query: query(f, order), Any: f.Text+f.Role+f.State != ""}
	if id := r.URL.Query().Get("deleted"); id != "" {
		who, err := p.d.Person(ctx, id)
		if err == nil && who.Organisation == f.Organisation && !who.DeletedAt.IsZero() {
			if web.Now(ctx).Before(who.DeletedAt.Add(identity.UndoTime)) {
				v.Undo = who
			} else {
				v.Removed = who.Name
			}
		}
	}
	if v.Tabs, err = p.tabs(ctx, peoplePath); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.peoplePage(v))
}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// peopleFile is the same list as CSV (spec: RFC 4180), times in UTC.
func (p *Pages) peopleFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	all, _, _, err := p.list(r)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	rows := [][]string{{t(ctx, "signin.column.name"), t(ctx, "signin.login"), t(ctx, "signin.column.roles"), t(ctx, "signin.column.state"),
		t(ctx, "signin.second.title"), t(ctx, "signin.column.last")}}
	for _, who := range all {
		seen := ""
		if !who.SeenAt.IsZero() {
			seen = who.SeenAt.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{cell(who.Name), cell(who.Login), roleNames(ctx, who.Roles), t(ctx, "signin.state."+state(who)),
			t(ctx, "signin.factor."+second(who)), seen})
	}
	if err := c.WriteAll(rows); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="people.csv"`)
	_, err = w.Write(out.Bytes())
	return err
}

// cell keeps a spreadsheet program from taking a name for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

type newPersonView struct {
	Name, Login, Lang string
	Roles             []string
	Errors            ui.Errors
}

func (p *Pages) newPerson(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.newPersonPage(newPersonView{Lang: string(web.Lang(r.Context()))}))
}

// doNewPerson invites; the link stands on the page of the new person.
func (p *Pages) doNewPerson(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	ctx, by, f := r.Context(), web.Who(r.Context()), r.PostForm
	v := newPersonView{Name: f.Get("name"), Login: f.Get("login"), Lang: f.Get("lang"), Roles: f["roles"]}
	who, link, err := p.d.Invite(ctx, by, identity.NewPerson{Organisation: by.Organisation, Login: v.Login, Name: v.Name, Lang: i18n.Lang(v.Lang), Roles: v.Roles})
	if err != nil {
		if v.Errors, err = p.mistakes(ctx, err); err != nil {
			return err
		}
		return web.Render(w, r, wrong, p.newPersonPage(v))
	}
	if err := p.d.KeepLink(ctx, p.d.Token(r), link); err != nil {
		return err
	}
	return see(w, r, personURL(who.ID))
}

type personView struct {
	Person      *identity.Person
	Name, Login string // as entered
	Roles       []string
	Link        string // to be handed over; "": none
	Expires     time.Time
	Sessions    int
	Self        bool
	Write       bool
	Undo        bool
	Done        string
	Errors      ui.Errors
}

// done are what POSTs on a person may have done.
var done = []string{"saved", "roles", "second", "lock", "unlock", "sessions", "restore"}

func (p *Pages) person(w http.ResponseWriter, r *http.Request) error {
	return p.showPerson(w, r, nil)
}

func (p *Pages) showPerson(w http.ResponseWriter, r *http.Request, found ui.Errors) error {
	ctx, by := r.Context(), web.Who(r.Context())
	who, err := p.d.Person(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	v := personView{Person: who, Name: who.Name, Login: who.Login, Roles: who.Roles, Self: who.ID == by.ID, Errors: found,
		Write: web.Can(ctx, actionPeopleWrite, web.Organisation(who.Organisation)),
		Undo:  !who.DeletedAt.IsZero() && web.Now(ctx).Before(who.DeletedAt.Add(identity.UndoTime))}
	if len(found) > 0 {
		if f := r.PostForm; f.Has("login") {
			v.Name, v.Login = f.Get("name"), f.Get("login")
		} else if f.Has("role_form") {
			v.Roles = f["roles"]
		}
	}
	open, err := p.d.Sessions(ctx, who.ID, "")
	if err != nil {
		return err
	}
	v.Sessions = len(open)
	link, err := p.d.ShownLink(ctx, p.d.Token(r), who.ID)
	if err != nil {
		return err
	}
	if link != nil && v.Write {
		v.Link, v.Expires = p.d.Origin(r)+link.Path(), link.Expires
	}
	if what := r.URL.Query().Get("done"); slices.Contains(done, what) {
		v.Done = what
	}
	return web.Render(w, r, statusOf(found), p.personPage(v))
}

// onPerson runs f and comes back to the page of the person.
func (p *Pages) onPerson(w http.ResponseWriter, r *http.Request, what string, f func() error) error {
	if err := read(w, r); err != nil {
		return err
	}
	err := f()
	if err == nil {
		return see(w, r, personURL(r.PathValue("id"))+"?done="+what)
	}
	found, err := p.mistakes(r.Context(), err)
	if err != nil {
		return err
	}
	return p.showPerson(w, r, found)
}

func (p *Pages) doPerson(w http.ResponseWriter, r *http.Request) error {
	return p.onPerson(w, r, "saved", func() error {
		return p.d.Rename(r.Context(), web.Who(r.Context()), r.PathValue("id"), r.PostForm.Get("name"), r.PostForm.Get("login"))
	})
}

func (p *Pages) doRoles(w http.ResponseWriter, r *http.Request) error {
	return p.onPerson(w, r, "roles", func() error {
		return p.d.SetRoles(r.Context(), web.Who(r.Context()), r.PathValue("id"), r.PostForm["roles"])
	})
}

// act is a button on the page of a person.
func (p *Pages) act(what string, f func(ctx context.Context, by *web.Person, id string) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		return p.onPerson(w, r, what, func() error { return f(r.Context(), web.Who(r.Context()), r.PathValue("id")) })
	}
}

// ask is the page before what cannot be taken back.
func (p *Pages) ask(what string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, err := p.d.Person(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		return web.Render(w, r, http.StatusOK, p.askPage(who, what))
	}
}

func (p *Pages) doReset(w http.ResponseWriter, r *http.Request) error {
	ctx, id := r.Context(), r.PathValue("id")
	link, err := p.d.ResetPassword(ctx, web.Who(ctx), id)
	if err != nil {
		found, err := p.mistakes(ctx, err)
		if err != nil {
			return err
		}
		return p.showPerson(w, r, found)
	}
	if err := p.d.KeepLink(ctx, p.d.Token(r), link); err != nil {
		return err
	}
	return see(w, r, personURL(id))
}

// forgetLink puts the link away once it has been handed over.
func (p *Pages) forgetLink(w http.ResponseWriter, r *http.Request) error {
	if err := p.d.Forget(r.Context(), p.d.Token(r)); err != nil {
		return err
	}
	return see(w, r, personURL(r.PathValue("id")))
}

func (p *Pages) deletePerson(w http.ResponseWriter, r *http.Request) error {
	ctx, id := r.Context(), r.PathValue("id")
	if _, err := p.d.Delete(ctx, web.Who(ctx), id); err != nil {
		found, err := p.mistakes(ctx, err)
		if err != nil {
			return err
		}
		return p.showPerson(w, r, found)
	}
	return see(w, r, peoplePath+"?"+url.Values{"deleted": {id}}.Encode())
}
