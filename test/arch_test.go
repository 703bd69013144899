// Package arch_test holds the house rules that a compiler does not check: who
// may import whom, where text and SQL may stand, what every package must say of
// itself. Each failure prints the reason of its rule. It is for whoever changes
// the repository; it runs nothing of the product and knows nothing of what the
// packages do.
package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the prefix of the repository's own packages.
const module = "trojmezi/"

// maxMain keeps main.go at reading flags and starting things (lines).
const maxMain = 150

// pkg is what `go list -json` says of one package.
type pkg struct {
	ImportPath, Name, Dir              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Error                              *struct{ Err string }
}

// rel is the package's folder in the repository, with forward slashes.
func (p pkg) rel() string { return strings.TrimPrefix(p.ImportPath, module) }

// source is one parsed Go file of the repository.
type source struct {
	path string // in the repository, with forward slashes
	pkg  pkg
	file *ast.File
	test bool
}

// tree is the whole repository as the rules see it.
type tree struct {
	root    string
	pkgs    []pkg
	sources []source
	fset    *token.FileSet
}

var load = sync.OnceValues(func() (*tree, error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,GoFiles,TestGoFiles,XTestGoFiles,Error", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	t := &tree{root: root, fset: token.NewFileSet()}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Error != nil {
			return nil, errors.New(p.Error.Err)
		}
		t.pkgs = append(t.pkgs, p)
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			full := filepath.Join(p.Dir, name)
			f, err := parser.ParseFile(t.fset, full, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			t.sources = append(t.sources, source{path: path.Join(p.rel(), name), pkg: p, file: f, test: strings.HasSuffix(name, "_test.go")})
		}
	}
	return t, nil
})

func repository(t *testing.T) *tree {
	t.Helper()
	repo, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// edge is one import: of a file in the repository to a package.
type edge struct{ file, to string }

func (e edge) test() bool { return strings.HasSuffix(e.file, "_test.go") }
func (e edge) own() bool  { return strings.HasPrefix(e.to, module) }

// dir is the folder of the importing file.
func (e edge) dir() string { return path.Dir(e.file) }

// domain returns the module a path of the repository belongs to ("exchange"),
// or "" for the shared packages beside the modules.
func domain(p string) string {
	parts := strings.Split(strings.TrimPrefix(p, module), "/")
	if len(parts) < 2 || parts[0] != "internal" {
		return ""
	}
	switch parts[1] {
	case "kernel", "format", "app", "cli", "demo", "bench", "simulator":
		return ""
	}
	return parts[1]
}

func in(p string, dirs ...string) bool {
	p = strings.TrimPrefix(p, module)
	return slices.ContainsFunc(dirs, func(d string) bool { return p == d || strings.HasPrefix(p, d+"/") })
}

func std(p string) bool {
	return !strings.Contains(strings.SplitN(p, "/", 2)[0], ".") && !strings.HasPrefix(p, module)
}

// adapterDir is where the adapters of foreign systems stand.
const adapterDir = "internal/exchange/adapter"

// adapters tells whether a folder is the interface of adapters or one of them.
func adapters(dir string) bool {
	name, below := strings.CutPrefix(dir, adapterDir+"/")
	return dir == adapterDir || below && name != "all" && !in(name, "adaptertest", "transport")
}

// touches tells whether a package reaches beyond its arguments.
func touches(p string) bool {
	return in(p, "os", "net", "math/rand", "crypto/rand", "log", "io/ioutil", "syscall") && p != "net/url" && p != "net/netip"
}

// storeFile tells whether a file is one of those that hold a module's SQL.
func storeFile(file string) bool {
	base := path.Base(file)
	return base == "store.go" || strings.HasSuffix(base, "_sqlite.go") || strings.HasSuffix(base, "_postgres.go")
}

// httpFile tells whether a file of a module is one of its doors to HTTP.
func httpFile(file string) bool {
	base := path.Base(file)
	return strings.HasPrefix(base, "http") || strings.HasPrefix(base, "api") || base == "openapi.go" ||
		strings.HasSuffix(base, "_templ.go") || strings.HasSuffix(path.Dir(file), "client")
}

// edgeRule forbids imports. bad and good show that it can fail and can pass.
type edgeRule struct {
	name, reason string
	broken       func(edge) bool
	bad, good    []edge
}

// across lists the permitted imports from one module to another, each with its
// reason. It is empty: there is one module.
var across = map[[2]string]string{}

var edgeRules = []edgeRule{
	{
		name:   "kernel stands alone",
		reason: "the kernel is what every module stands on; an import the other way would tie all modules to one",
		broken: func(e edge) bool { return in(e.file, "internal/kernel") && e.own() && !in(e.to, "internal/kernel") },
		bad:    []edge{{"internal/kernel/audit/audit.go", "trojmezi/internal/exchange"}, {"internal/kernel/web/web_test.go", "trojmezi/internal/app"}},
		good:   []edge{{"internal/kernel/audit/audit.go", "trojmezi/internal/kernel/store"}, {"internal/kernel/audit/audit.go", "errors"}},
	},
	{
		name:   "modules do not know each other",
		reason: "modules meet through an interface the caller declares, wired in app, or through an event in the outbox; permitted edges stand in `across` with their reason",
		broken: func(e edge) bool {
			a, b := domain(e.dir()), domain(e.to)
			if a == "" || b == "" || a == b {
				return false
			}
			_, allowed := across[[2]string{a, b}]
			return !allowed
		},
		bad:  []edge{{"internal/alert/service.go", "trojmezi/internal/exchange"}, {"internal/alert/alert_test.go", "trojmezi/internal/exchange/adapter"}},
		good: []edge{{"internal/exchange/service.go", "trojmezi/internal/exchange/ucrmclient"}, {"internal/app/app.go", "trojmezi/internal/exchange"}},
	},
	{
		name:   "only app and the command line see modules",
		reason: "app is the one list of modules, cli the technician's door to them; a third place would drift from both",
		broken: func(e edge) bool {
			return !e.test() && domain(e.to) != "" && domain(e.dir()) == "" && !in(e.file, "internal/app", "internal/cli") && !strings.HasSuffix(e.to, "client")
		},
		bad:  []edge{{"internal/demo/demo.go", "trojmezi/internal/exchange"}, {"cmd/trojmezi/main.go", "trojmezi/internal/exchange/adapter"}},
		good: []edge{{"internal/app/app.go", "trojmezi/internal/exchange"}, {"internal/cli/exchange.go", "trojmezi/internal/exchange"}, {"internal/demo/demo.go", "trojmezi/internal/exchange/ucrmclient"}},
	},
	{
		name:   "SQL stands in store files",
		reason: "one place per module to read for both databases: store.go, *_sqlite.go, *_postgres.go",
		broken: func(e edge) bool {
			return in(e.to, "database/sql") && !e.test() && !storeFile(e.file) && !in(e.file, "internal/kernel/store")
		},
		bad:  []edge{{"internal/exchange/message.go", "database/sql"}, {"internal/exchange/http.go", "database/sql/driver"}},
		good: []edge{{"internal/exchange/store.go", "database/sql"}, {"internal/exchange/search_postgres.go", "database/sql"}, {"internal/kernel/store/storetest/open.go", "database/sql"}},
	},
	{
		name:   "database drivers stay in kernel/store",
		reason: "pragmas, durability and group commit are set in one place; a second connection would go round them",
		broken: func(e edge) bool {
			return (in(e.to, "modernc.org/sqlite", "github.com/jackc/pgx") || strings.HasPrefix(e.to, "github.com/jackc/pgx/")) &&
				!in(e.file, "internal/kernel/store")
		},
		bad:  []edge{{"internal/exchange/store.go", "modernc.org/sqlite"}, {"internal/app/app.go", "github.com/jackc/pgx/v5/stdlib"}, {"test/crash/instances_test.go", "github.com/jackc/pgx/v5/stdlib"}},
		good: []edge{{"internal/kernel/store/sqlite.go", "modernc.org/sqlite"}, {"internal/kernel/store/storetest/open.go", "github.com/jackc/pgx/v5"}},
	},
	{
		name:   "no mattn SQLite",
		reason: "it binds $2,$1 by order of appearance, so a query that is right on PostgreSQL gives wrong rows without an error; it also needs cgo",
		broken: func(e edge) bool { return in(e.to, "github.com/mattn/go-sqlite3") },
		bad:    []edge{{"internal/kernel/store/sqlite.go", "github.com/mattn/go-sqlite3"}},
		good:   []edge{{"internal/kernel/store/sqlite.go", "modernc.org/sqlite"}},
	},
	{
		name:   "no message broker",
		reason: "the SQL log is queue and truth at once (docs/adr/0002-no-message-broker.md); only a transport speaks to the broker of a foreign system",
		broken: func(e edge) bool {
			return !(in(e.file, adapterDir+"/transport", "internal/simulator/broker") && in(e.to, "github.com/rabbitmq/amqp091-go")) && in(e.to, "github.com/nats-io", "github.com/rabbitmq", "github.com/segmentio/kafka-go", "github.com/IBM/sarama", "github.com/twmb/franz-go", "github.com/redis", "github.com/ThreeDotsLabs/watermill")
		},
		bad:  []edge{{"internal/exchange/outbox.go", "github.com/nats-io/nats.go"}, {"internal/exchange/outbox.go", "github.com/rabbitmq/amqp091-go"}},
		good: []edge{{"internal/exchange/outbox.go", "trojmezi/internal/kernel/store"}, {"internal/exchange/adapter/transport/amqp.go", "github.com/rabbitmq/amqp091-go"}},
	},
	{
		name:   "modules speak HTTP at their doors only",
		reason: "in a module only http*.go, api*.go, openapi.go, views and *client packages import net/http: types and rules are tested without a server",
		broken: func(e edge) bool {
			return in(e.to, "net/http") && !e.test() && domain(e.dir()) != "" && !httpFile(e.file)
		},
		bad:  []edge{{"internal/exchange/message.go", "net/http"}, {"internal/exchange/outbox.go", "net/http/httputil"}},
		good: []edge{{"internal/exchange/http_client.go", "net/http"}, {"internal/exchange/api.go", "net/http"}, {"internal/exchange/ucrmclient/client.go", "net/http"}, {"internal/exchange/message_test.go", "net/http/httptest"}},
	},
	{
		name:   "wire formats are pure",
		reason: "a format turns bytes into a typed message and back, the same on every run: nothing beyond std, jcs, go-jose and the tables of character sets",
		broken: func(e edge) bool {
			return in(e.file, "internal/format") && !e.test() && !std(e.to) && !in(e.to, "internal/format", "github.com/gowebpki/jcs", "github.com/go-jose/go-jose", "golang.org/x/text/encoding")
		},
		bad:  []edge{{"internal/format/ucri/schema.go", "github.com/santhosh-tekuri/jsonschema/v6"}, {"internal/format/ucri/oid.go", "trojmezi/internal/kernel/clock"}},
		good: []edge{{"internal/format/ucri/sign.go", "github.com/go-jose/go-jose/v4"}, {"internal/format/ucri/schema_test.go", "github.com/santhosh-tekuri/jsonschema/v6"}},
	},
	{
		name:   "wire formats touch nothing",
		reason: "no clock, no random, no files, no network inside a format: golden tests stay golden",
		broken: func(e edge) bool {
			return in(e.file, "internal/format") && !e.test() && touches(e.to)
		},
		bad:  []edge{{"internal/format/ucri/id.go", "crypto/rand"}, {"internal/format/ucri/wire.go", "net/http"}, {"internal/format/ucri/wire.go", "os"}},
		good: []edge{{"internal/format/ucri/wire.go", "encoding/json"}, {"internal/format/ucri/wire.go", "net/url"}},
	},
	{
		name:   "adapters stand on the interface and the formats",
		reason: "whoever connects one more system reads one package and writes one; an adapter that knew the node, a transport or another adapter could not be tried without them",
		broken: func(e edge) bool {
			if e.test() || !adapters(e.dir()) {
				return false
			}
			return e.own() && e.to != module+adapterDir && !in(e.to, "internal/format") || !e.own() && !std(e.to)
		},
		bad: []edge{{"internal/exchange/adapter/czizs/czizs.go", "trojmezi/internal/exchange"}, {"internal/exchange/adapter/czizs/czizs.go", "trojmezi/internal/exchange/adapter/transport"},
			{"internal/exchange/adapter/czizs/czizs.go", "trojmezi/internal/exchange/adapter/plswd"}, {"internal/exchange/adapter/ucri.go", "github.com/google/go-cmp/cmp"}, {"internal/exchange/adapter/ucri.go", "trojmezi/internal/kernel/clock"}},
		good: []edge{{"internal/exchange/adapter/czizs/czizs.go", "trojmezi/internal/exchange/adapter"}, {"internal/exchange/adapter/czizs/czizs.go", "trojmezi/internal/format/convert"},
			{"internal/exchange/adapter/all/all.go", "trojmezi/internal/exchange/adapter/czizs"}, {"internal/exchange/adapter/transport/http_push.go", "trojmezi/internal/kernel/clock"}, {"internal/exchange/adapter/czizs/czizs_test.go", "trojmezi/internal/exchange/adapter/adaptertest"}},
	},
	{
		name:   "adapters touch nothing",
		reason: "a system's message means the same at any hour and on any machine; what moves it is a transport",
		broken: func(e edge) bool { return adapters(e.dir()) && !e.test() && touches(e.to) },
		bad:    []edge{{"internal/exchange/adapter/czizs/czizs.go", "os"}, {"internal/exchange/adapter/ucri.go", "crypto/rand"}, {"internal/exchange/adapter/euemsi/euemsi.go", "net/http"}},
		good:   []edge{{"internal/exchange/adapter/transport/directory.go", "os"}, {"internal/exchange/adapter/czizs/czizs.go", "embed"}},
	},
	{
		name:   "the UCRI client stands on the format alone",
		reason: "a client written against the specification also finds the errors of the node beside it",
		broken: func(e edge) bool {
			return in(e.file, "internal/exchange/ucrmclient") && !e.test() && e.own() && !in(e.to, "internal/format/ucri", "internal/format/strictjson", "internal/exchange/ucrmclient")
		},
		bad:  []edge{{"internal/exchange/ucrmclient/client.go", "trojmezi/internal/exchange"}},
		good: []edge{{"internal/exchange/ucrmclient/client.go", "trojmezi/internal/format/ucri"}},
	},
	{
		name:   "the product does without simulators",
		reason: "they play the other side for whoever tries a connection: the demo, the command line and tests; nothing that runs in service may lean on them",
		broken: func(e edge) bool {
			return in(e.to, "internal/simulator") && !e.test() && !in(e.file, "internal/simulator", "internal/cli", "internal/demo")
		},
		bad:  []edge{{"internal/exchange/gateway/service.go", "trojmezi/internal/simulator/czizs"}, {"internal/app/app.go", "trojmezi/internal/simulator"}, {"internal/alert/intake/service.go", "trojmezi/internal/simulator/feeds"}},
		good: []edge{{"internal/cli/simulate.go", "trojmezi/internal/simulator/plswd"}, {"internal/exchange/adapter/all/foreign_test.go", "trojmezi/internal/simulator/czizs"}},
	},
	{
		name:   "demo and load generator use the public APIs",
		reason: "what they show must be possible for anybody with an account: the wire format, the client and the kernel's leaves, never a module's code or database",
		broken: func(e edge) bool {
			return in(e.file, "internal/demo", "internal/bench") && e.own() && !in(e.to, "internal/format/ucri", "internal/exchange/ucrmclient", "internal/simulator",
				"internal/kernel/clock", "internal/kernel/problem", "internal/kernel/i18n", "internal/demo", "internal/bench")
		},
		bad:  []edge{{"internal/demo/demo.go", "trojmezi/internal/exchange"}, {"internal/bench/load.go", "trojmezi/internal/kernel/store"}, {"internal/demo/demo.go", "trojmezi/internal/app"}},
		good: []edge{{"internal/demo/demo.go", "trojmezi/internal/exchange/ucrmclient"}, {"internal/bench/load.go", "trojmezi/internal/kernel/clock"}},
	},
	{
		name:   "simulators stand beside the product",
		reason: "a reference model or simulator that shares code with what it checks shares its errors",
		broken: func(e edge) bool {
			if in(e.file, "internal/simulator") { // is written against the profile documents
				return !std(e.to) && !in(e.to, "internal/simulator") && !(in(e.file, "internal/simulator/broker") && in(e.to, "github.com/rabbitmq/amqp091-go"))
			}
			if in(e.file, "internal/alert/warning/inorder") { // what the book of warnings is compared with
				return !std(e.to)
			}
			return in(e.file, "test/conformance") && in(e.to, "internal") && e.own() &&
				!in(e.to, "internal/kernel/store/storetest") // makes the empty databases of the nodes, looks into none
		},
		bad:  []edge{{"internal/alert/warning/inorder/inorder.go", "trojmezi/internal/alert/feed"}, {"internal/simulator/feeds/czech.go", "trojmezi/internal/alert/feed"}, {"internal/simulator/feeds/german.go", "trojmezi/internal/format/cap"}, {"internal/simulator/czizs/czizs.go", "trojmezi/internal/exchange/adapter/czizs"}, {"internal/simulator/czizs/czizs_test.go", "trojmezi/internal/format/tree"}, {"test/conformance/node_test.go", "trojmezi/internal/format/ucri"}, {"test/conformance/node_test.go", "trojmezi/internal/kernel/store"}},
		good: []edge{{"test/conformance/node_test.go", "net/http"}, {"test/conformance/node_test.go", "trojmezi/internal/kernel/store/storetest"}, {"test/crash/crash_test.go", "trojmezi/internal/exchange/ucrmclient"}},
	},
}

func (t *tree) edges() []edge {
	var all []edge
	for _, s := range t.sources {
		for _, i := range s.file.Imports {
			all = append(all, edge{s.path, strings.Trim(i.Path.Value, "`\"")})
		}
	}
	return all
}

func TestImports(t *testing.T) {
	for _, r := range edgeRules {
		for _, e := range r.bad {
			if !r.broken(e) {
				t.Errorf("rule %q cannot fail: it lets %s import %s", r.name, e.file, e.to)
			}
		}
		for _, e := range r.good {
			if r.broken(e) {
				t.Errorf("rule %q refuses %s importing %s", r.name, e.file, e.to)
			}
		}
	}
	for _, e := range repository(t).edges() {
		for _, r := range edgeRules {
			if r.broken(e) {
				t.Errorf("%s imports %s\n\t%s: %s", e.file, e.to, r.name, r.reason)
			}
		}
	}
}

// callRule forbids naming a function of another package.
type callRule struct {
	name, reason string
	where        func(file string) bool
	names        []string // "package path.Name"
}

var callRules = []callRule{
	{
		name:   "formats and adapters have no clock",
		reason: "the same bytes must give the same message at any hour",
		where:  func(f string) bool { return in(f, "internal/format") || adapters(path.Dir(f)) },
		names:  []string{"time.Now", "time.Since", "time.Until", "time.Sleep"},
	},
	{
		name:   "formats and modules never end the process",
		reason: "an exit in a library skips what others have to finish; only main and the command line decide",
		where:  func(f string) bool { return in(f, "internal/format", "internal/kernel") || domain(path.Dir(f)) != "" },
		names:  []string{"os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln"},
	},
}

// calls returns the uses "package path.Name" of other packages in a file.
func calls(f *ast.File) []string {
	imported := map[string]string{}
	for _, i := range f.Imports {
		p := strings.Trim(i.Path.Value, "`\"")
		name := path.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		imported[name] = p
	}
	var used []string
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && imported[x.Name] != "" {
				used = append(used, imported[x.Name]+"."+s.Sel.Name)
			}
		}
		return true
	})
	return used
}

func (r callRule) broken(file string, f *ast.File) []string {
	if !r.where(file) || strings.HasSuffix(file, "_test.go") {
		return nil
	}
	return slices.DeleteFunc(calls(f), func(c string) bool { return !slices.Contains(r.names, c) })
}

func TestCalls(t *testing.T) {
	bad := parse(t, `package x; import (tm "time"; "os"); func f() { _ = tm.Now(); os.Exit(1) }`)
	for _, c := range []struct {
		rule int
		file string
		want int
	}{
		{0, "internal/format/ucri/x.go", 1}, {0, "internal/exchange/x.go", 0}, {0, "internal/exchange/adapter/czizs/x.go", 1}, {0, "internal/exchange/adapter/transport/x.go", 0},
		{1, "internal/kernel/store/store.go", 1}, {1, "internal/exchange/x_test.go", 0}, {1, "internal/cli/cli.go", 0},
	} {
		if got := callRules[c.rule].broken(c.file, bad); len(got) != c.want {
			t.Errorf("rule %q finds %v in %s, want %d", callRules[c.rule].name, got, c.file, c.want)
		}
	}
	for _, s := range repository(t).sources {
		for _, r := range callRules {
			for _, c := range r.broken(s.path, s.file) {
				t.Errorf("%s uses %s\n\t%s: %s", s.path, c, r.name, r.reason)
			}
		}
	}
}

func parse(t *testing.T, src string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// maxAdapter is what the smallest adapter may have (lines of Go): one more system is
// work for data, not for code.
const maxAdapter = 100

func TestAdapterIsSmall(t *testing.T) {
	repo := repository(t)
	smallest, lines := "", 0
	for _, p := range repo.pkgs {
		if !adapters(p.rel()) || p.rel() == adapterDir {
			continue
		}
		n := 0
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(text, []byte{'\n'})
		}
		if smallest == "" || n < lines {
			smallest, lines = p.rel(), n
		}
	}
	if smallest == "" || lines >= maxAdapter {
		t.Errorf("the smallest adapter is %q with %d lines of Go, not below %d", smallest, lines, maxAdapter)
	}
	t.Logf("%s: %d lines", smallest, lines)
}

// comments returns what is wrong with the package comments of one package.
func comments(name string, docs []string) string {
	switch {
	case len(docs) == 0:
		return "has no package comment"
	case len(docs) > 1:
		return fmt.Sprintf("has %d package comments", len(docs))
	case name == "main" && !strings.HasPrefix(docs[0], "Command "):
		return `has a package comment that does not begin with "Command "`
	case name != "main" && !strings.HasPrefix(docs[0], "Package "+name+" "):
		return fmt.Sprintf("has a package comment that does not begin with %q", "Package "+name+" ")
	}
	return ""
}

func TestPackageComments(t *testing.T) {
	for _, c := range []struct {
		name string
		docs []string
		ok   bool
	}{
		{"store", []string{"Package store keeps rows."}, true},
		{"main", []string{"Command trojmezi runs a node."}, true},
		{"store", nil, false},
		{"store", []string{"Package store keeps rows.", "Package store does."}, false},
		{"store", []string{"The store."}, false},
		{"main", []string{"Package main runs."}, false},
	} {
		if got := comments(c.name, c.docs); (got == "") != c.ok {
			t.Errorf("comments(%s, %q) = %q", c.name, c.docs, got)
		}
	}
	docs := map[string][]string{}
	repo := repository(t)
	for _, s := range repo.sources {
		if s.test && len(s.pkg.GoFiles) > 0 || s.file.Doc == nil || ast.IsGenerated(s.file) {
			continue
		}
		docs[s.pkg.ImportPath] = append(docs[s.pkg.ImportPath], strings.TrimSpace(s.file.Doc.Text()))
	}
	for _, p := range repo.pkgs {
		name := p.Name
		if len(p.GoFiles) == 0 && len(p.TestGoFiles) == 0 {
			name = strings.TrimSuffix(name, "_test") + "_test"
		}
		if wrong := comments(name, docs[p.ImportPath]); wrong != "" {
			t.Errorf("%s %s\n\tthe comment says what a package is, for whom, and what it does not do; two of them contradict each other sooner or later", p.rel(), wrong)
		}
	}
}

var emptyNames = []string{"util", "utils", "common", "models", "model", "pkg", "helper", "helpers", "misc", "shared", "base"}

// nameWrong returns what is wrong with a package's name or folder.
func nameWrong(name, dir string) string {
	last := path.Base(dir)
	switch {
	case slices.Contains(emptyNames, name) || slices.Contains(emptyNames, last):
		return "says nothing of what is in it"
	case strings.Contains(strings.TrimSuffix(name, "_test"), "_"), strings.Contains(last, "_"):
		return "has an underscore"
	case name != strings.ToLower(name):
		return "has capital letters"
	}
	return ""
}

func TestPackageNames(t *testing.T) {
	for _, c := range []struct {
		name, dir string
		ok        bool
	}{
		{"store", "internal/kernel/store", true}, {"arch_test", "test", true}, {"main", "cmd/trojmezi", true},
		{"util", "internal/util", false}, {"main", "internal/common", false}, {"cz_izs", "internal/exchange/adapter/cz_izs", false}, {"ucriWire", "internal/format/ucri", false},
	} {
		if got := nameWrong(c.name, c.dir); (got == "") != c.ok {
			t.Errorf("nameWrong(%s, %s) = %q", c.name, c.dir, got)
		}
	}
	for _, p := range repository(t).pkgs {
		if wrong := nameWrong(p.Name, p.rel()); wrong != "" {
			t.Errorf("package %s (%s) %s\n\ta name is the shortest documentation: a singular noun of the domain", p.Name, p.rel(), wrong)
		}
	}
}

func TestMainIsSmall(t *testing.T) {
	body, err := os.ReadFile(filepath.Join(repository(t).root, "cmd", "trojmezi", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(body, []byte("\n")); n >= maxMain {
		t.Errorf("cmd/trojmezi/main.go has %d lines, permitted are fewer than %d\n\tmain reads flags and starts things; everything testable stands in a package", n, maxMain)
	}
}

var requireLine = regexp.MustCompile(`(?m)^\s*(?:require\s+)?([a-z0-9.-]+\.[a-z]+/\S+|[a-z]+\.org/\S+)\s+(v\S+)(\s*// indirect)?\s*$`)

// goModWrong returns what is wrong with the text of a go.mod file.
func goModWrong(text string) []string {
	var wrong []string
	if regexp.MustCompile(`(?m)^\s*replace\b`).MatchString(text) {
		wrong = append(wrong, "has a replace directive: what is built would not be what is named")
	}
	if strings.Contains(text, "mattn/go-sqlite3") {
		wrong = append(wrong, "requires mattn/go-sqlite3, which binds parameters in another order than modernc and pgx")
	}
	return wrong
}

// requirements maps the direct requirements of a go.mod text to their versions.
func requirements(text string) map[string]string {
	direct := map[string]string{}
	for _, m := range requireLine.FindAllStringSubmatch(text, -1) {
		if m[3] == "" {
			direct[m[1]] = m[2]
		}
	}
	return direct
}

func TestDependencies(t *testing.T) {
	const bad = "module x\nreplace a.org/b => ../b\nrequire github.com/mattn/go-sqlite3 v1.14.53\nrequire (\n\ta.org/b v1.2.3\n\tc.org/d/v2 v2.0.0 // indirect\n)\n"
	if got := goModWrong(bad); len(got) != 2 {
		t.Errorf("goModWrong finds %q in a file with two faults", got)
	}
	if got := requirements(bad); len(got) != 2 || got["a.org/b"] != "v1.2.3" {
		t.Errorf("requirements reads %v", got)
	}
	root := repository(t).root
	mod := read(t, root, "go.mod")
	for _, w := range goModWrong(mod) {
		t.Errorf("go.mod %s", w)
	}
	listed := read(t, root, "docs/dependencies.md")
	for name, version := range requirements(mod) {
		if !strings.Contains(listed, "`"+name+"` "+version) {
			t.Errorf("docs/dependencies.md has no line \"`%s` %s\"\n\teach direct dependency is a decision and needs its reason", name, version)
		}
	}
	templ := "github.com/a-h/templ"
	if own, tool := requirements(mod)[templ], regexp.MustCompile(`a-h/templ (v\S+)`).FindStringSubmatch(read(t, root, "tools/go.mod")); own != "" && (tool == nil || tool[1] != own) {
		t.Errorf("tools/go.mod pins templ %v, go.mod %s\n\tgenerated code and its runtime must be of one version", tool, own)
	}
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// files lists the paths below root that match, without folders of other origin.
func files(t *testing.T, root string, match func(string) bool) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root && (strings.HasPrefix(name, ".") && name != ".ci" || slices.Contains([]string{"vendor", "node_modules", "dist", "bin", "testdata"}, name)) {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if rel = filepath.ToSlash(rel); !d.IsDir() && match(rel) {
			found = append(found, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)

// deadLinks returns the relative links of a Markdown text that lead nowhere.
func deadLinks(text string, exists func(string) bool) []string {
	var dead []string
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(m[1], ":") && !exists(m[1]) {
			dead = append(dead, m[1])
		}
	}
	return dead
}

func TestDocumentLinks(t *testing.T) {
	if got := deadLinks("[a](b.md) [c](d.md#e) [f](https://g.example/)", func(p string) bool { return p == "b.md" }); !slices.Equal(got, []string{"d.md"}) {
		t.Errorf("deadLinks = %q", got)
	}
	root := repository(t).root
	for _, name := range files(t, root, func(p string) bool { return strings.HasSuffix(p, ".md") }) {
		for _, l := range deadLinks(read(t, root, name), func(l string) bool {
			_, err := os.Stat(filepath.Join(root, filepath.Dir(filepath.FromSlash(name)), filepath.FromSlash(l)))
			return err == nil
		}) {
			t.Errorf("%s links to %s, which is not there", name, l)
		}
	}
}
