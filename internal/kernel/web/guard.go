package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// Person is who is signed in, as pages and rules need to know it.
type Person struct {
	ID           string // of identity
	Login, Name  string
	Organisation string // id; a person belongs to one
	Place        string // the organisation's name
	Roles        []string
	Lang         i18n.Lang // "" until chosen
	Theme        string    // "light", "dark" or "" for the system's
	Session      string    // public id of the session, not its token
	Desk         bool      // signed in at a shared control-room desk
	SingleKeys   bool      // shortcuts of one letter are on (WCAG 2.1.4)
	// Ends is when the session ends by itself if nothing is done in it; zero while
	// it does not. Extends reports whether doing something puts it off.
	Ends    time.Time
	Extends bool
}

// Actor is the person as the rules see it: Person::"ID" in Role::"…" with the
// attribute organisation.
func (p *Person) Actor() access.Actor {
	return access.Actor{Type: "Person", ID: p.ID, Roles: p.Roles, Attributes: map[string]any{"organisation": p.Organisation}}
}

// Guard says who may use a route. The zero Guard lets nobody in.
type Guard struct {
	public bool
	action string
	object func(*http.Request) (access.Resource, error)
}

// Public lets everybody in, strangers too.
func Public() Guard { return Guard{public: true} }

// May lets those in whom the rules permit action on their own organisation.
func May(action string) Guard { return Guard{action: action} }

// MayOn lets those in whom the rules permit action on the object of the
// request. object returns a problem of kind NotFound for what does not exist;
// its Resource must have the attribute organisation.
func MayOn(action string, object func(*http.Request) (access.Resource, error)) Guard {
	return Guard{action: action, object: object}
}

// Public reports whether strangers may use the route.
func (g Guard) Public() bool { return g.public }

// Action is what the rules must permit; "" on public routes.
func (g Guard) Action() string { return g.action }

// Object reports whether the rules look at an object of the request rather than
// at the person's own organisation.
func (g Guard) Object() bool { return g.object != nil }

// Route is one registered page.
type Route struct {
	Pattern string // of http.ServeMux
	Guard   Guard
}

// Organisation is the resource an organisation's own pages are judged by.
func Organisation(id string) access.Resource {
	return access.Resource{Type: "Organisation", ID: id, Attributes: map[string]any{"organisation": id}}
}

// Operator finds the resource of who operates the node, for what holds for all its
// organisations. nil: each organisation is its own operator.
type Operator func(context.Context) (access.Resource, error)

// On is the operator as the object of a request, for MayOn. Who it is is asked with each
// request: pages may be registered before it is set.
func (o *Operator) On(r *http.Request) (access.Resource, error) { return o.resource(r.Context()) }

// Can reports whether the reader may do something to what the operator keeps.
func (o *Operator) Can(ctx context.Context, action string) bool {
	on, err := o.resource(ctx)
	return err == nil && Can(ctx, action, on)
}

func (o *Operator) resource(ctx context.Context) (access.Resource, error) {
	if *o == nil {
		return Organisation(Who(ctx).Organisation), nil
	}
	return (*o)(ctx)
}

// SignInPath is where a stranger is sent; next holds the page he asked for.
const SignInPath = "/signin"

// Page registers h for a pattern, guarded by g.
func (rt *Router) Page(pattern string, g Guard, h Handler) {
	rt.routes = append(rt.routes, Route{pattern, g})
	rt.Handle(pattern, func(w http.ResponseWriter, r *http.Request) error {
		if err := rt.admit(r, g); err != nil {
			if problem.KindOf(err) == problem.Unauthenticated && wantsHTML(r) {
				next, err := rt.after(w, r)
				if err != nil {
					return err
				}
				target := SignInPath
				if next != "" {
					target += "?" + url.Values{"next": {next}}.Encode()
				}
				http.Redirect(w, r, target, http.StatusSeeOther)
				return nil
			}
			return err
		}
		return h(w, r)
	})
}

// after is the page to go on with when the stranger who asked has signed in: the
// one he asked for, or the one with what he sent.
func (rt *Router) after(w http.ResponseWriter, r *http.Request) (string, error) {
	switch {
	case r.Method == http.MethodGet:
		return r.URL.RequestURI(), nil
	case r.Method == http.MethodPost && rt.cfg.Unsent != nil:
		return rt.cfg.Unsent(w, r)
	}
	return "", nil
}

// Routes lists the guarded routes in the order of registration.
func (rt *Router) Routes() []Route { return rt.routes }

func (rt *Router) admit(r *http.Request, g Guard) error {
	if g.public {
		return nil
	}
	p := Who(r.Context())
	if p == nil {
		return problem.New("web.Page", problem.Unauthenticated, "", nil)
	}
	resource := Organisation(p.Organisation)
	if g.object != nil {
		var err error
		if resource, err = g.object(r); err != nil {
			return err
		}
	}
	if rt.cfg.Policy == nil {
		return problem.New("web.Page", problem.Forbidden, "", nil)
	}
	return rt.cfg.Policy.Can(r.Context(), p.Actor(), g.action, resource)
}

// Who returns the signed-in person, nil for a stranger.
func Who(ctx context.Context) *Person { return scopeOf(ctx).person }

// Can tells a template whether to show what leads to action.
func Can(ctx context.Context, action string, r access.Resource) bool {
	s := scopeOf(ctx)
	return s.person != nil && s.policy != nil && s.policy.Can(ctx, s.person.Actor(), action, r) == nil
}

// authenticate finds out who asks. A failing lookup makes a stranger of the
// asker: public pages must work without the database.
func (rt *Router) authenticate(r *http.Request, s *scope) {
	if rt.cfg.Authenticate == nil {
		return
	}
	p, err := rt.cfg.Authenticate(r)
	if err != nil {
		rt.cfg.Log.WarnContext(r.Context(), "authentication failed", slog.String("request", s.id), slog.Any("err", err))
		return
	}
	s.person = p
}

// NavItem is an entry of the navigation, shown to whom the rules permit Action
// on his own organisation.
type NavItem struct {
	Section string // Shell.Section of the pages below it
	Key     string // its text
	URL     string
	Action  string
}

// nav returns the entries the person may use, at most maxNav; beyond are the rest,
// which stand in a menu beside them.
func nav(ctx context.Context) []NavItem {
	items := permitted(ctx)
	return items[:min(len(items), maxNav)]
}

func beyond(ctx context.Context) []NavItem {
	items := permitted(ctx)
	return items[min(len(items), maxNav):]
}

// of reports whether one of the entries leads to a section.
func of(items []NavItem, section string) bool {
	return slices.ContainsFunc(items, func(n NavItem) bool { return n.Section == section })
}

func permitted(ctx context.Context) (items []NavItem) {
	s := scopeOf(ctx)
	if s.person == nil {
		return nil
	}
	for _, n := range s.nav {
		if Can(ctx, n.Action, Organisation(s.person.Organisation)) {
			items = append(items, n)
		}
	}
	return items
}

// Home is where a person's work begins: the first page of his navigation.
func Home(ctx context.Context) string {
	if items := nav(ctx); len(items) > 0 {
		return items[0].URL
	}
	return MePath
}
