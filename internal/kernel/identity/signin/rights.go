package signin

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

func (p *Pages) registerRights(rt *web.Router) {
	rt.Page("GET "+rolesPath, web.May(actionRolesRead), p.roles)
	rt.Page("POST "+rolesPath, web.May(actionRolesWrite), p.doSecondRoles)
	rt.Page("GET "+sessionsPath, web.May(actionSessionsRead), p.sessions)
	rt.Page("POST "+sessionsPath+"/{id}/end", web.MayOn(actionSessionsEnd, p.sessionResource), p.endSession)
}

// right is what a role may do.
type right struct {
	Text string // "" where no text tells it
	Name string // of the action
}

type roleView struct {
	Role   string
	Rights []right
	Second bool // needs a second factor
	People int  // how many have the role
}

type rolesView struct {
	Roles []roleView
	All   []right // what everybody may do
	Write bool
	Saved bool
	Tabs  []ui.Tab
}

// roles shows what the policy permits: each action a route asks for is judged for
// each role on its own organisation. Nothing is written down twice.
func (p *Pages) roles(w http.ResponseWriter, r *http.Request) error {
	ctx, by := r.Context(), web.Who(r.Context())
	needed, err := p.d.SecondRoles(ctx, by.Organisation)
	if err != nil {
		return err
	}
	people, err := p.d.ListPeople(ctx, identity.Filter{Organisation: by.Organisation})
	if err != nil {
		return err
	}
	var actions []string
	for _, route := range p.rules() {
		if a := route.Guard.Action(); a != "" {
			actions = append(actions, a)
		}
	}
	slices.Sort(actions)
	v := rolesView{Saved: r.URL.Query().Has("saved"), Write: web.Can(ctx, actionRolesWrite, web.Organisation(by.Organisation))}
	byRole := map[string][]right{}
	for _, a := range slices.Compact(actions) {
		told := right{Name: a}
		if key := "signin.may." + a; p.o.Texts.Has(key) {
			told.Text = t(ctx, key)
		}
		if p.permits(ctx, "", by.Organisation, a) {
			v.All = append(v.All, told)
			continue
		}
		for _, role := range identity.Roles {
			if p.permits(ctx, role, by.Organisation, a) {
				byRole[role] = append(byRole[role], told)
			}
		}
	}
	for _, role := range identity.Roles {
		rights := byRole[role]
		slices.SortStableFunc(rights, func(a, b right) int { return cmp.Compare(a.Text, b.Text) })
		n := 0
		for _, who := range people {
			if who.Is(role) {
				n++
			}
		}
		v.Roles = append(v.Roles, roleView{role, rights, needed[role], n})
	}
	if v.Tabs, err = p.tabs(ctx, rolesPath); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.rolesPage(v))
}

// permits asks the policy for somebody with one role, "" for none, and what
// belongs to his own organisation: the organisation itself, or the directory of
// all where it operates the node.
func (p *Pages) permits(ctx context.Context, role, organisation, action string) bool {
	who := web.Person{ID: "role", Organisation: organisation}
	if role != "" {
		who.Roles = []string{role}
	}
	own := web.Organisation(organisation)
	if p.o.Policy.Can(ctx, who.Actor(), action, own) == nil {
		return true
	}
	directory, err := p.d.DirectoryResource(ctx)
	return err == nil && p.o.Policy.Can(ctx, who.Actor(), action, directory) == nil
}

// doSecondRoles sets which roles need a second factor.
func (p *Pages) doSecondRoles(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	by := web.Who(r.Context())
	if err := p.d.SetSecondRoles(r.Context(), by, by.Organisation, r.PostForm["second"]); err != nil {
		return err
	}
	return see(w, r, rolesPath+"?saved=")
}

type sessionsView struct {
	Sessions []identity.OpenSession
	Ended    bool
	End      bool // may end them
	Tabs     []ui.Tab
}

func (p *Pages) sessions(w http.ResponseWriter, r *http.Request) (err error) {
	ctx, by := r.Context(), web.Who(r.Context())
	v := sessionsView{Ended: r.URL.Query().Has("ended"), End: web.Can(ctx, actionSessionsEnd, web.Organisation(by.Organisation))}
	if v.Sessions, err = p.d.Sessions(ctx, "", by.Organisation); err != nil {
		return err
	}
	if v.Tabs, err = p.tabs(ctx, sessionsPath); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.sessionsPage(v))
}

func (p *Pages) sessionResource(r *http.Request) (access.Resource, error) {
	s, err := p.d.Session(r.Context(), r.PathValue("id"))
	if err != nil {
		return access.Resource{}, err
	}
	return access.Resource{Type: "Session", ID: s.ID, Attributes: map[string]any{"organisation": s.Organisation}}, nil
}

func (p *Pages) endSession(w http.ResponseWriter, r *http.Request) error {
	if err := p.d.EndSession(r.Context(), web.Who(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	return see(w, r, sessionsPath+"?ended=")
}

// tabs are the parts of the subject that the person may open.
func (p *Pages) tabs(ctx context.Context, current string) ([]ui.Tab, error) {
	own := web.Organisation(web.Who(ctx).Organisation)
	directory, err := p.d.DirectoryResource(ctx)
	if err != nil {
		return nil, err
	}
	var all []ui.Tab
	for _, tab := range []struct {
		path, key, action string
		on                access.Resource
	}{
		{peoplePath, "signin.tab.people", actionPeopleRead, own},
		{rolesPath, "signin.tab.roles", actionRolesRead, own},
		{sessionsPath, "signin.tab.sessions", actionSessionsRead, own},
		{desksPath, "signin.tab.desks", actionDeskWrite, own},
		{organisationsPath, "signin.tab.organisations", actionOrganisationsRead, directory},
	} {
		if web.Can(ctx, tab.action, tab.on) {
			all = append(all, ui.Tab{Text: t(ctx, tab.key), URL: tab.path, Current: tab.path == current})
		}
	}
	return all, nil
}
