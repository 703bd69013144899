package arch_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// appended finds every action that a package appends to the audit log: what stands
// as Action of an audit.Event, followed through constants, variables, fields and the
// arguments of the package's own functions.
type appended struct {
	files   []*ast.File
	open    []string // what could not be followed
	visited map[string]bool
}

// actions lists them.
func (a *appended) actions() []string {
	found := map[string]bool{}
	for _, f := range a.files {
		for _, d := range f.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					if t, ok := n.Type.(*ast.SelectorExpr); !ok || t.Sel.Name != "Event" || name(t.X) != "audit" {
						return true
					}
					if v := field(n, "Action"); v != nil {
						a.into(found, v, d)
					}
				case *ast.CallExpr: // audit.Log.Count
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Count" && strings.HasSuffix(strings.ToLower(last(s.X)), "audit") && len(n.Args) == 2 {
						a.into(found, n.Args[0], d)
					}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func (a *appended) into(found map[string]bool, e ast.Expr, in ast.Decl) {
	a.visited = map[string]bool{}
	for _, v := range a.values(e, in) {
		found[v] = true
	}
}

func name(e ast.Expr) string {
	if i, ok := e.(*ast.Ident); ok {
		return i.Name
	}
	return ""
}

// last is the name at the end of a.b.c.
func last(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return name(e)
}

func field(l *ast.CompositeLit, want string) ast.Expr {
	for _, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && name(kv.Key) == want {
			return kv.Value
		}
	}
	return nil
}

// values are what an expression within a declaration may be.
func (a *appended) values(e ast.Expr, in ast.Decl) []string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return a.values(e.X, in)
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if e.Kind != token.STRING || err != nil {
			break
		}
		return []string{s}
	case *ast.BinaryExpr:
		var all []string
		for _, x := range a.values(e.X, in) {
			for _, y := range a.values(e.Y, in) {
				all = append(all, x+y)
			}
		}
		return all
	case *ast.Ident:
		return a.named(e.Name, in)
	case *ast.SelectorExpr:
		return a.fields(e.Sel.Name)
	}
	a.open = append(a.open, fmt.Sprintf("%T", e))
	return nil
}

// once guards against going round in circles; what is asked a second time is known.
func (a *appended) once(key string) bool {
	if a.visited[key] {
		return false
	}
	a.visited[key] = true
	return true
}

// named are the values of a constant, a variable of the function, or its parameter.
func (a *appended) named(want string, in ast.Decl) (all []string) {
	f, _ := in.(*ast.FuncDecl)
	where := ""
	if f != nil {
		where = f.Name.Name
	}
	if !a.once("name " + where + "." + want) {
		return nil
	}
	found := false
	if f != nil {
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if s, ok := n.(*ast.AssignStmt); ok && len(s.Lhs) == len(s.Rhs) {
				for i, l := range s.Lhs {
					if name(l) == want {
						found, all = true, append(all, a.values(s.Rhs[i], in)...)
					}
				}
			}
			return true
		})
		index := 0
		for _, p := range f.Type.Params.List {
			for _, n := range p.Names {
				if n.Name == want {
					found, all = true, append(all, a.arguments(f.Name.Name, index)...)
				}
				index++
			}
		}
	}
	if found {
		return all
	}
	for _, file := range a.files {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				v, ok := s.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, n := range v.Names {
					if n.Name == want && i < len(v.Values) {
						found, all = true, append(all, a.values(v.Values[i], d)...)
					}
				}
			}
		}
	}
	if !found {
		a.open = append(a.open, where+"."+want)
	}
	return all
}

// arguments are what the package's calls of a function give it at a position.
func (a *appended) arguments(function string, index int) (all []string) {
	if !a.once(fmt.Sprint("argument ", function, index)) {
		return nil
	}
	for _, file := range a.files {
		for _, d := range file.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && last(c.Fun) == function && index < len(c.Args) {
					// Another type's method of the same name may have fewer and other
					// arguments: only texts are followed.
					switch arg := c.Args[index].(type) {
					case *ast.BasicLit, *ast.BinaryExpr, *ast.Ident, *ast.SelectorExpr:
						all = append(all, a.values(arg, d)...)
					}
				}
				return true
			})
		}
	}
	return all
}

// fields are what the package puts into fields of a name.
func (a *appended) fields(want string) (all []string) {
	if !a.once("field " + want) {
		return nil
	}
	for _, file := range a.files {
		for _, d := range file.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					if v := field(n, want); v != nil {
						all = append(all, a.values(v, d)...)
					}
				case *ast.AssignStmt:
					for i, l := range n.Lhs {
						if s, ok := l.(*ast.SelectorExpr); ok && s.Sel.Name == want && len(n.Lhs) == len(n.Rhs) {
							all = append(all, a.values(n.Rhs[i], d)...)
						}
					}
				}
				return true
			})
		}
	}
	return all
}

// TestAuditActions demands a text for everything that the audit log can hold, since
// the auditor reads it in words.
func TestAuditActions(t *testing.T) {
	probe := &appended{files: []*ast.File{parse(t, `package x
const did = "open"
var e = audit.Event{Action: "x.direct"}
type step struct{ what string }
func note(tx T, what string) { log.Append(tx, audit.Event{Action: "x." + what}) }
func act(s step) { note(nil, s.what) }
func change(action string) { log.Append(nil, audit.Event{Action: action}) }
func all() {
	note(nil, did); act(step{what: "close"}); change("x.change")
	late := "late"; if ok { late = "later" }; note(nil, late)
	var s step; s.what = "set"; act(s)
	o.Audit.Count("x.counted", id)
}`)}}
	if got, want := probe.actions(), []string{"x.change", "x.close", "x.counted", "x.direct", "x.late", "x.later", "x.open", "x.set"}; !slices.Equal(got, want) || len(probe.open) > 0 {
		t.Errorf("actions = %q, want %q; not followed: %q", got, want, probe.open)
	}
	probe = &appended{files: []*ast.File{parse(t, `package x; func f() { log.Append(nil, audit.Event{Action: compute()}) }`)}}
	if probe.actions(); len(probe.open) != 1 {
		t.Error("an action that cannot be followed is not reported")
	}

	repo := repository(t)
	texts := loadCatalogues(t, repo.root)["trail"]["en"]
	packages := map[string]*appended{}
	for _, s := range repo.sources {
		if s.test || in(s.path, "test") || in(s.path, "internal/kernel/audit") && !in(s.path, "internal/kernel/audit/trail") {
			continue // package audit appends what it is given
		}
		if packages[s.pkg.ImportPath] == nil {
			packages[s.pkg.ImportPath] = &appended{}
		}
		packages[s.pkg.ImportPath].files = append(packages[s.pkg.ImportPath].files, s.file)
	}
	known := map[string]bool{}
	for path, a := range packages {
		for _, action := range a.actions() {
			key := "trail.action." + action
			if known[key] = true; texts[key] == nil {
				t.Errorf("%s appends %q to the audit log, and no locale of package trail has %s\n\tthe auditor would read a name of the program", path, action, key)
			}
		}
		for _, what := range a.open {
			t.Errorf("%s: the test cannot follow the action %s\n\tan action it does not see may lack its text", path, what)
		}
	}
	for key := range texts {
		if strings.HasPrefix(key, "trail.action.") && !known[key] {
			t.Errorf("nothing appends the action of %s", key)
		}
	}
}
