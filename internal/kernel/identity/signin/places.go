package signin

import (
	"net/http"
	"strings"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

func (p *Pages) registerPlaces(rt *web.Router) {
	read, write := web.MayOn(actionOrganisationsRead, p.directoryResource), web.MayOn(actionOrganisationsWrite, p.directoryResource)
	rt.Page("GET "+organisationsPath, read, p.organisations)
	rt.Page("GET "+organisationsPath+"/new", write, p.newOrganisation)
	rt.Page("POST "+organisationsPath+"/new", write, p.doNewOrganisation)
	rt.Page("GET "+organisationsPath+"/{id}", write, p.organisation)
	rt.Page("POST "+organisationsPath+"/{id}", write, p.doOrganisation)

	desk := web.MayOn(actionDeskWrite, p.deskResource)
	rt.Page("GET "+desksPath, web.May(actionDeskWrite), p.desks)
	rt.Page("POST "+desksPath, web.May(actionDeskWrite), p.doNewDesk)
	rt.Page("POST "+desksPath+"/{id}/remove", desk, p.removeDesk)

	rt.Page("GET "+deskPath, web.Public(), p.desk)
	rt.Page("POST "+deskPath, web.Public(), p.doDesk)
}

func (p *Pages) directoryResource(r *http.Request) (access.Resource, error) {
	return p.d.DirectoryResource(r.Context())
}

type organisationsView struct {
	All   []identity.Organisation
	Saved bool
	Tabs  []ui.Tab
}

func (p *Pages) organisations(w http.ResponseWriter, r *http.Request) (err error) {
	v := organisationsView{Saved: r.URL.Query().Has("saved")}
	if v.All, err = p.d.Organisations(r.Context()); err != nil {
		return err
	}
	if v.Tabs, err = p.tabs(r.Context(), organisationsPath); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.organisationsPage(v))
}

type organisationView struct {
	ID, Name, Country, Addresses string // ID "": a new one
	Errors                       ui.Errors
}

func (p *Pages) newOrganisation(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.organisationPage(organisationView{}))
}

func (p *Pages) organisation(w http.ResponseWriter, r *http.Request) error {
	o, err := p.d.Organisation(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.organisationPage(organisationView{ID: o.ID, Name: o.Name, Country: o.Country, Addresses: strings.Join(o.Addresses, "\n")}))
}

func (p *Pages) doNewOrganisation(w http.ResponseWriter, r *http.Request) error {
	return p.saveOrganisation(w, r, "", func(o identity.Organisation) error {
		_, err := p.d.CreateOrganisation(r.Context(), web.Who(r.Context()), o)
		return err
	})
}

func (p *Pages) doOrganisation(w http.ResponseWriter, r *http.Request) error {
	return p.saveOrganisation(w, r, r.PathValue("id"), func(o identity.Organisation) error {
		return p.d.ChangeOrganisation(r.Context(), web.Who(r.Context()), o)
	})
}

func (p *Pages) saveOrganisation(w http.ResponseWriter, r *http.Request, id string, save func(identity.Organisation) error) error {
	if err := read(w, r); err != nil {
		return err
	}
	f := r.PostForm
	v := organisationView{ID: id, Name: f.Get("name"), Country: f.Get("country"), Addresses: f.Get("addresses")}
	err := save(identity.Organisation{ID: id, Name: v.Name, Country: v.Country, Addresses: lines(v.Addresses)})
	if err == nil {
		return see(w, r, organisationsPath+"?saved=")
	}
	if v.Errors, err = p.mistakes(r.Context(), err); err != nil {
		return err
	}
	return web.Render(w, r, wrong, p.organisationPage(v))
}

type desksView struct {
	All    []identity.Desk
	Here   *identity.Desk
	Name   string
	Done   string
	Tabs   []ui.Tab
	Errors ui.Errors
}

func (p *Pages) desks(w http.ResponseWriter, r *http.Request) error {
	v := desksView{}
	if q := r.URL.Query(); q.Has("named") {
		v.Done = "signin.desks.named"
	} else if q.Has("removed") {
		v.Done = "signin.desks.removed"
	}
	return p.showDesks(w, r, v)
}

func (p *Pages) showDesks(w http.ResponseWriter, r *http.Request, v desksView) (err error) {
	ctx := r.Context()
	if v.All, err = p.d.Desks(ctx, web.Who(ctx).Organisation); err != nil {
		return err
	}
	if v.Here, err = p.d.DeskOf(r); err != nil {
		return err
	}
	if v.Tabs, err = p.tabs(ctx, desksPath); err != nil {
		return err
	}
	return web.Render(w, r, statusOf(v.Errors), p.desksPage(v))
}

func (p *Pages) doNewDesk(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	v := desksView{Name: r.PostForm.Get("desk")}
	err := p.d.CreateDesk(w, r, web.Who(ctx), v.Name)
	if err == nil {
		p.d.WorksHere(w, r, web.Who(ctx).ID)
		return see(w, r, desksPath+"?named=")
	}
	if v.Errors, err = p.mistakes(ctx, err); err != nil {
		return err
	}
	return p.showDesks(w, r, v)
}

func (p *Pages) deskResource(r *http.Request) (access.Resource, error) {
	k, err := p.d.Desk(r.Context(), r.PathValue("id"))
	if err != nil {
		return access.Resource{}, err
	}
	return access.Resource{Type: "Desk", ID: k.ID, Attributes: map[string]any{"organisation": k.Organisation}}, nil
}

func (p *Pages) removeDesk(w http.ResponseWriter, r *http.Request) error {
	if err := p.d.RemoveDesk(r.Context(), web.Who(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	return see(w, r, desksPath+"?removed=")
}

// desk offers the names of who worked at this desk: one press and the PIN, or one
// that leads to the provider.
func (p *Pages) desk(w http.ResponseWriter, r *http.Request) error {
	return p.showDesk(w, r, signInView{Next: nextOf(r)})
}

func (p *Pages) showDesk(w http.ResponseWriter, r *http.Request, v signInView) (err error) {
	if v.Desk, err = p.d.DeskOf(r); err != nil {
		return err
	}
	here, err := p.d.WorkedHere(r)
	if err != nil {
		return err
	}
	if v.Desk == nil || len(here) == 0 {
		return see(w, r, with(web.SignInPath+"?"+other+"=", v.Next))
	}
	for _, who := range here {
		if who.Provider == "" {
			v.Worked = append(v.Worked, who)
		} else {
			v.Elsewhere = append(v.Elsewhere, who)
		}
	}
	if who := web.Who(r.Context()); who != nil {
		v.Who = who.Name
	}
	p.count(r, &v)
	return web.Render(w, r, statusOf(v.Errors), p.deskPage(v))
}

func (p *Pages) doDesk(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	v := signInView{Next: nextOf(r), Person: r.PostForm.Get("person")}
	here, err := p.d.WorkedHere(r)
	if err != nil {
		return err
	}
	login := ""
	for _, who := range here {
		if who.ID == v.Person && who.Provider == "" {
			login = who.Login
		}
	}
	if login == "" {
		v.Errors = p.errors(r, "person", "signin.desk.choose")
		return p.showDesk(w, r, v)
	}
	in, err := p.d.SignIn(r.Context(), p.credentials(r, login, r.PostForm.Get("password")))
	if err == nil {
		return p.goOn(w, r, in, v.Next)
	}
	if v.Errors, err = p.refusedSignIn(r, err, "password"); err != nil {
		return err
	}
	return p.showDesk(w, r, v)
}
