// Package webtest holds a router to the rules as they are written: every route is
// asked for by every role, by people of the organisation its objects belong to,
// by people of another one and by strangers, and must answer what the text of the
// policies says. It is for tests of modules and of the whole program; it knows no
// page and does not look whether an answer is right, only whether it is given.
package webtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/web"
)

// Check is a router with what the test must know of it.
type Check struct {
	Router *web.Router
	Policy map[string][]byte // the texts of all modules, by name
	Crew   *Crew             // who asks
	// Public are the patterns open to strangers: no more and no fewer.
	Public []string
	// Path is the address of a pattern with the id of an object that belongs to
	// Crew.Own; "" where that is the pattern's own path.
	Path func(pattern string) string
	// Absent are the patterns that may answer 404 to those with the right, because
	// the test has not what they show, such as map tiles.
	Absent []string
	// Marks are texts in the data of Crew.Own that no page shows to the other
	// organisation, such as names of its people.
	Marks []string
}

// Routes runs the check.
func Routes(t *testing.T, c Check) {
	t.Helper()
	faults, err := c.faults(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// answerTime bounds one answer.
const answerTime = 30 * time.Second

// recorder ends a stream once it has begun: it would not end by itself.
type recorder struct {
	*httptest.ResponseRecorder
	end context.CancelFunc
}

// Flush implements http.Flusher.
func (r recorder) Flush() {
	r.ResponseRecorder.Flush()
	if strings.HasPrefix(r.Header().Get("Content-Type"), "text/event-stream") {
		r.end()
	}
}

// refusal is the key of a guard's own refusal; a page may refuse for reasons that
// stand in no policy.
const refusal = "access.forbidden"

// answer of a route.
type answer struct {
	status int
	key    string // of a problem
	body   string
}

func (a answer) refused() bool {
	return a.status == http.StatusForbidden && a.key == refusal || a.status == http.StatusUnauthorized
}

func (a answer) String() string { return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, a.key)) }

// ask sends a request of somebody ("" and "" for a stranger) to a route.
func (c Check) ask(ctx context.Context, pattern, role, organisation string) (answer, error) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = http.MethodGet, pattern
	}
	if c.Path != nil {
		if p := c.Path(pattern); p != "" {
			path = p
		}
	}
	path = strings.TrimSuffix(path, "{$}")
	if strings.Contains(path, "{") {
		return answer{}, fmt.Errorf("%s: Path names no object", pattern)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, nil)
	r.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if organisation != "" {
		if err := c.Crew.sign(r, role, organisation); err != nil {
			return answer{}, err
		}
	}
	rec := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }() // an answer cut off, as a stream's is
		c.Router.ServeHTTP(recorder{rec, cancel}, r)
	}()
	a := answer{status: rec.Code, body: rec.Body.String()}
	var problem struct{ Key string }
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/problem+json") && json.Unmarshal(rec.Body.Bytes(), &problem) == nil {
		a.key = problem.Key
	}
	return a, nil
}

func (c Check) faults(ctx context.Context) (found []string, err error) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	all, err := rules(c.Policy)
	if err != nil {
		return nil, err
	}
	routes := slices.Clone(c.Router.Routes())
	// What changes things comes last: refusals first, then pages, then forms.
	slices.SortStableFunc(routes, func(a, b web.Route) int {
		return strings.Compare(strings.ToLower(a.Pattern[:1]), strings.ToLower(b.Pattern[:1])) // G before P
	})

	open := map[string]bool{}
	for _, r := range routes {
		if r.Guard.Public() {
			open[r.Pattern] = true
			if !slices.Contains(c.Public, r.Pattern) {
				say("%s is open to strangers, and not one of those that may be", r.Pattern)
			}
		}
	}
	for _, p := range c.Public {
		if !open[p] {
			say("%s is said to be open to strangers, and is not there or guarded", p)
		}
	}
	routes = slices.DeleteFunc(routes, func(r web.Route) bool { return open[r.Pattern] })
	known := map[string]bool{}
	for _, route := range routes {
		action := route.Guard.Action()
		if action == "" {
			say("%s lets nobody in: its guard has no action", route.Pattern)
		}
		if known[action] {
			continue
		}
		known[action] = true
		named := false
		for _, r := range all {
			if r.nobody || !r.names(action) {
				continue
			}
			if !r.permit {
				say("%s forbids %s: this check reads permits only", r.name, action)
			}
			named = named || r.permit
			if r.permit && !r.bounded {
				say("%s permits %s without principal.organisation == resource.organisation: it reaches foreign organisations", r.name, action)
			}
		}
		if !named {
			say("%s asks for %s, which no rule permits", route.Pattern, action)
		}
	}

	ask := func(route web.Route, role, organisation string) answer {
		a, e := c.ask(ctx, route.Pattern, role, organisation)
		if e != nil && err == nil {
			err = e
		}
		return a
	}
	// Strangers, foreign people at our objects, and roles without the right.
	for _, route := range routes {
		if a := ask(route, "", ""); a.status != http.StatusUnauthorized {
			say("%s answers a stranger with %s", route.Pattern, a)
		}
		for _, role := range identity.Roles {
			if route.Guard.Object() {
				if a := ask(route, role, c.Crew.Foreign.ID); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
					say("%s answers a foreign %s with %s", route.Pattern, role, a)
				}
			}
			if verdict(all, role, route.Guard.Action(), route.Guard.Object()) == no {
				if a := ask(route, role, c.Crew.Own.ID); a.status != http.StatusForbidden {
					say("%s answers a %s with %s, the rules refuse %s", route.Pattern, role, a, route.Guard.Action())
				}
				if !route.Guard.Object() {
					if a := ask(route, role, c.Crew.Foreign.ID); a.status != http.StatusForbidden {
						say("%s answers a %s elsewhere with %s, the rules refuse %s", route.Pattern, role, a, route.Guard.Action())
					}
				}
			}
		}
	}
	// Those with the right.
	for _, route := range routes {
		for _, role := range identity.Roles {
			v := verdict(all, role, route.Guard.Action(), route.Guard.Object())
			if v == no {
				continue
			}
			a := ask(route, role, c.Crew.Own.ID)
			if v == yes && a.refused() {
				say("%s answers a %s with %s, the rules permit %s", route.Pattern, role, a, route.Guard.Action())
			}
			if strings.HasPrefix(route.Pattern, "GET ") && a.status == http.StatusNotFound && !slices.Contains(c.Absent, route.Pattern) {
				say("%s answers a %s with %s: the check finds no object", route.Pattern, role, a)
			}
			if a.status >= 500 {
				say("%s answers a %s with %s", route.Pattern, role, a)
			}
			if route.Guard.Object() {
				continue
			}
			a = ask(route, role, c.Crew.Foreign.ID)
			if v == yes && a.refused() {
				say("%s answers a %s elsewhere with %s, the rules permit %s", route.Pattern, role, a, route.Guard.Action())
			}
			if a.status >= 500 {
				say("%s answers a %s elsewhere with %s", route.Pattern, role, a)
			}
			for _, mark := range c.Marks {
				if strings.Contains(a.body, mark) {
					say("%s shows %q to a %s of another organisation", route.Pattern, mark, role)
				}
			}
		}
	}
	return found, err
}

// Crew are people who ask: one of each role in each of two organisations.
type Crew struct {
	Own, Foreign identity.Organisation

	d      *identity.Directory
	tokens map[[2]string]string
}

// crewPassword is good for tests only: it opens accounts that Hire made.
const crewPassword = "every role its own door"

// Hire makes the crew. own should operate the node, so that what is the
// operator's can be asked for too.
func Hire(t *testing.T, d *identity.Directory, own, foreign identity.Organisation) *Crew {
	t.Helper()
	c := &Crew{Own: own, Foreign: foreign, d: d, tokens: map[[2]string]string{}}
	for _, o := range []identity.Organisation{own, foreign} {
		for _, role := range identity.Roles {
			if _, err := d.CreatePerson(t.Context(), nil, identity.NewPerson{Organisation: o.ID, Login: c.login(role, o.ID), Name: "Crew " + role, Roles: []string{role}, Password: crewPassword}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

func (c *Crew) login(role, organisation string) string {
	if organisation == c.Own.ID {
		return "own." + role
	}
	return "foreign." + role
}

// sign makes a request one of somebody signed in, anew if his session has ended.
func (c *Crew) sign(r *http.Request, role, organisation string) error {
	who := [2]string{role, organisation}
	if _, _, err := c.d.Pending(r.Context(), c.tokens[who]); err != nil {
		in, err := c.d.SignIn(r.Context(), identity.Credentials{Login: c.login(role, organisation), Password: crewPassword, Address: role + organisation})
		if err != nil {
			return fmt.Errorf("the crew's %s: %w", role, err)
		}
		if in.Stage != identity.StageDone {
			return fmt.Errorf("the crew's %s must do more to sign in: %s", role, in.Stage)
		}
		c.tokens[who] = in.Token
	}
	rec := httptest.NewRecorder()
	c.d.SetCookie(rec, r, c.tokens[who])
	for _, k := range rec.Result().Cookies() {
		r.AddCookie(k)
	}
	return nil
}

// Unguarded lists the routes that are registered in the packages below root
// without a guard, by Handle, as "file: pattern". They are for machines and
// files; a test lists those that may be.
func Unguarded(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || f.Sel.Name != "Handle" {
				return true
			}
			var pattern bytes.Buffer
			if err := printer.Fprint(&pattern, set, call.Args[0]); err != nil {
				return true
			}
			short, err := filepath.Rel(root, path)
			if err != nil {
				short = path
			}
			found = append(found, filepath.ToSlash(short)+": "+pattern.String())
			return true
		})
		return nil
	})
	slices.Sort(found)
	return found, err
}
