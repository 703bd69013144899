package webtest

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
)

const written = `
permit (principal in Role::"dispatcher", action == Action::"thing.read", resource) when { principal.organisation == resource.organisation };
permit (principal is Person, action == Action::"list.read", resource) when { resource.organisation == principal.organisation && true };
permit (principal in Role::"administrator", action in [Action::"all.read", Action::"list.write"], resource is Directory) when { principal.organisation == resource.organisation };
permit (principal in Role::"client", action == Action::"list.read", resource);
`

func TestRules(t *testing.T) {
	all, err := rules(map[string][]byte{"a": []byte(written + `forbid (principal, action, resource == Thing::"x") unless { resource.open };
permit (principal == Person::"x", action == Action::"y", resource in Group::"g") when { principal.organisation == "1" };
permit (principal is Person, action == Action::"w", resource) when { resource.organisation == principal.organisation && (principal in Role::"technician" || principal in Role::"auditor" || principal in Role::"king") };
permit (principal, action == Action::"u", resource) when { principal in [Role::"auditor", Role::"dispatcher"] && principal.organisation == resource.organisation };
permit (principal, action == Action::"v", resource) when { principal in Role::"technician" || resource.open };`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []rule{
		{name: "a:2", permit: true, roles: []string{"dispatcher"}, actions: []string{"thing.read"}, bounded: true},
		{name: "a:3", permit: true, actions: []string{"list.read"}, bounded: true, more: true},
		{name: "a:4", permit: true, roles: []string{"administrator"}, actions: []string{"all.read", "list.write"}, types: []string{"Directory"}, bounded: true},
		{name: "a:5", permit: true, roles: []string{"client"}, nobody: true, actions: []string{"list.read"}},
		{name: "a:6", more: true},
		{name: "a:7", permit: true, nobody: true, actions: []string{"y"}, more: true},
		{name: "a:8", permit: true, roles: []string{"technician", "auditor", "king"}, actions: []string{"w"}, bounded: true},
		{name: "a:9", permit: true, roles: []string{"auditor", "dispatcher"}, actions: []string{"u"}, bounded: true},
		{name: "a:10", permit: true, actions: []string{"v"}, more: true},
	}
	if diff := cmp.Diff(want, all, cmp.AllowUnexported(rule{})); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		role, action string
		object       bool
		want         expected
	}{
		{"dispatcher", "thing.read", true, yes}, {"auditor", "thing.read", true, no}, {"auditor", "list.read", false, maybe},
		{"auditor", "w", true, yes}, {"dispatcher", "w", true, no}, {"auditor", "v", true, maybe},
		{"administrator", "all.read", true, yes}, {"administrator", "all.read", false, no}, {"dispatcher", "nothing", true, no},
	} {
		if got := verdict(all, tt.role, tt.action, tt.object); got != tt.want {
			t.Errorf("verdict(%s, %s, %v) = %d, want %d", tt.role, tt.action, tt.object, got, tt.want)
		}
	}
	if _, err := rules(map[string][]byte{"b": []byte("permit (")}); err == nil {
		t.Error("half a policy is read")
	}
}

// node is a directory of two organisations and a router whose rules are loaded
// from policy.
func node(t *testing.T, policy string) (*web.Router, *Crew) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db := storetest.Open(t, storetest.Tables{"audit": audit.Migrations(), "identity": identity.Migrations()})
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	must(err)
	clk, log := clock.Fake(time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)), slog.New(slog.DiscardHandler)
	d, err := identity.New(identity.Options{DB: db, Clock: clk, Node: key, Audit: audit.New(db, key, clk, log), Log: log})
	must(err)
	own, err := d.CreateOrganisation(t.Context(), nil, identity.Organisation{Name: "Own", Country: "CZ"})
	must(err)
	foreign, err := d.CreateOrganisation(t.Context(), nil, identity.Organisation{Name: "Foreign", Country: "DE"})
	must(err)
	texts, err := i18n.Load(web.Locales, access.Locales)
	must(err)
	loaded, err := access.Load(map[string][]byte{"test": []byte(policy)})
	must(err)
	rt := web.NewRouter(web.Config{Bundle: texts, Log: log, Clock: clk, Policy: loaded, Authenticate: d.Authenticate})
	return rt, Hire(t, d, own, foreign)
}

func TestFaults(t *testing.T) {
	fine := func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodPost {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return nil
		}
		_, err := fmt.Fprint(w, web.Who(r.Context()).Organisation)
		return err
	}
	rt, crew := node(t, written)
	thing := func(r *http.Request) (access.Resource, error) {
		if r.PathValue("id") != "1" {
			return access.Resource{}, problem.New("test", problem.NotFound, "", nil)
		}
		return access.Resource{Type: "Thing", ID: "1", Attributes: map[string]any{"organisation": crew.Own.ID}}, nil
	}
	directory := func(*http.Request) (access.Resource, error) {
		return access.Resource{Type: "Directory", ID: "d", Attributes: map[string]any{"organisation": crew.Own.ID}}, nil
	}
	public := func(w http.ResponseWriter, _ *http.Request) error { return nil }
	good := func(rt *web.Router) {
		rt.Page("GET /{$}", web.Public(), public)
		rt.Page("GET /things/{id}", web.MayOn("thing.read", thing), fine)
		rt.Page("POST /things/{id}", web.MayOn("thing.read", thing), fine)
		rt.Page("GET /list", web.May("list.read"), fine)
		rt.Page("GET /all", web.MayOn("all.read", directory), fine)
		rt.Page("GET /stream", web.May("list.read"), func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Type", "text/event-stream")
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			<-r.Context().Done()
			return r.Context().Err()
		})
	}
	good(rt)
	check := Check{Router: rt, Policy: map[string][]byte{"test": []byte(written)}, Crew: crew, Public: []string{"GET /{$}"},
		Path: func(pattern string) string {
			return strings.Replace(pattern[strings.Index(pattern, " ")+1:], "{id}", "1", 1)
		}, Marks: []string{crew.Own.ID}}
	check.Marks = []string{"no such text"}
	for _, f := range must(check.faults(t.Context()))(t) {
		t.Errorf("a good router: %s", f)
	}

	// Each of these must be found.
	all := check
	all.Policy = map[string][]byte{"test": []byte(`permit (principal in Role::"dispatcher", action, resource);` + written + `forbid (principal, action == Action::"thing.read", resource);`)}
	all.Router, all.Crew = node(t, written)
	crew = all.Crew
	good(all.Router)
	all.Router.Page("GET /open", web.Public(), public)
	all.Router.Page("GET /nothing", web.Guard{}, fine)
	all.Router.Page("GET /unwritten", web.May("unwritten.read"), fine)
	all.Router.Page("GET /wrong/{id}", web.MayOn("thing.read", thing), func(http.ResponseWriter, *http.Request) error {
		return problem.New("test", problem.NotFound, "", nil)
	})
	all.Router.Page("GET /broken", web.May("list.read"), func(http.ResponseWriter, *http.Request) error {
		return problem.New("test", problem.Internal, "", nil)
	})
	all.Router.Page("GET /leak", web.May("list.read"), func(w http.ResponseWriter, _ *http.Request) error {
		_, err := fmt.Fprint(w, "the secret of own")
		return err
	})
	all.Router.Page("GET /foreign/{id}", web.MayOn("list.read", func(r *http.Request) (access.Resource, error) {
		return access.Resource{Type: "Thing", ID: "1", Attributes: map[string]any{"organisation": web.Who(r.Context()).Organisation}}, nil // the asker's: wrong
	}), fine)
	all.Router.Page("GET /tiles", web.May("list.read"), func(http.ResponseWriter, *http.Request) error {
		return problem.New("test", problem.NotFound, "", nil)
	})
	all.Public, all.Absent = append(all.Public, "GET /gone"), []string{"GET /tiles"}
	all.Marks = []string{"the secret of own"}
	found := strings.Join(must(all.faults(t.Context()))(t), "\n")
	for _, want := range []string{
		"GET /open is open to strangers, and not one",
		"GET /gone is said to be open",
		"GET /nothing lets nobody in",
		"test:1 permits thing.read without principal.organisation == resource.organisation",
		"forbids thing.read",
		"GET /unwritten answers a dispatcher with 403 access.forbidden, the rules permit unwritten.read",
		"GET /wrong/{id} answers a dispatcher with 404 web.not_found.detail: the check finds no object",
		"GET /broken answers a auditor with 500",
		`GET /leak shows "the secret of own" to a technician of another organisation`,
		"GET /foreign/{id} answers a foreign auditor with 200",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("not found: %s\n%s", want, found)
		}
	}
	if strings.Contains(found, "GET /tiles") {
		t.Errorf("what may be absent is missed:\n%s", found)
	}
	// An action no rule names, without the rule for all.
	all.Policy = check.Policy
	if found := strings.Join(must(all.faults(t.Context()))(t), "\n"); !strings.Contains(found, "GET /unwritten asks for unwritten.read, which no rule permits") {
		t.Errorf("an unwritten action is not found:\n%s", found)
	}
	// A route without its object cannot be judged.
	check.Path = nil
	if _, err := check.faults(t.Context()); err == nil {
		t.Error("a pattern is asked for without an object")
	}
}

func must(found []string, err error) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
}

func TestUnguarded(t *testing.T) {
	dir := t.TempDir()
	source := "package x\n\nfunc f(rt router) {\n\trt.Handle(\"GET /x\", h)\n\trt.Handle(\"GET \"+path, h)\n\trt.Page(\"GET /y\", g, h)\n\trt.Handle(one)\n}\n"
	for name, text := range map[string]string{"a.go": source, "a_test.go": source, "b.txt": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Unguarded(dir)
	if diff := cmp.Diff([]string{`a.go: "GET " + path`, `a.go: "GET /x"`}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.go"), []byte("package"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Unguarded(dir); err == nil {
		t.Error("a file that cannot be read is passed over")
	}
}
