package arch_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// languages are those every text exists in; English is what the others are compared with.
var languages = []string{"cs", "de", "pl", "en"}

// pluralForms are the CLDR categories each language needs for whole numbers.
var pluralForms = map[string][]string{
	"cs": {"one", "few", "other"},
	"de": {"one", "other"},
	"pl": {"one", "few", "many", "other"},
	"en": {"one", "other"},
}

// catalogue is one package's texts: language → key → form → text. A key without
// plural forms has the single form "".
type catalogue map[string]map[string]map[string]string

func decodeTexts(body string) (map[string]map[string]string, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &raw); err != nil {
		return nil, err
	}
	texts := map[string]map[string]string{}
	for key, value := range raw {
		var one string
		if json.Unmarshal(value, &one) == nil {
			texts[key] = map[string]string{"": one}
			continue
		}
		forms := map[string]string{}
		if err := json.Unmarshal(value, &forms); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		texts[key] = forms
	}
	return texts, nil
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// placeholders lists the distinct placeholders of all forms, without the number
// that a form such as "one message" may spell out.
func placeholders(forms map[string]string) []string {
	set := map[string]bool{}
	for _, text := range forms {
		for _, p := range placeholder.FindAllString(text, -1) {
			set[p] = true
		}
	}
	if _, plain := forms[""]; !plain {
		delete(set, "{n}")
	}
	return slices.Sorted(maps.Keys(set))
}

func hasLetters(text string) bool {
	return strings.IndexFunc(placeholder.ReplaceAllString(text, ""), unicode.IsLetter) >= 0
}

// aMoment is a German text whose moment would read "14:06 Uhr Uhr".
var aMoment = regexp.MustCompile(`\{(at|time|until|from|since)\} Uhr`)

// textsWrong returns the faults of one package's texts. same is called for every
// text equal to the English one and says whether that is permitted.
func textsWrong(name string, c catalogue, same func(lang, key string) bool) []string {
	var wrong []string
	every := map[string]bool{}
	for _, lang := range languages {
		for key := range c[lang] {
			every[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(every)) {
		if !strings.HasPrefix(key, name+".") {
			wrong = append(wrong, fmt.Sprintf("%s does not begin with %q", key, name+"."))
		}
		english := c["en"][key]
		for _, lang := range languages {
			forms, ok := c[lang][key]
			if !ok {
				wrong = append(wrong, fmt.Sprintf("%s is missing in %s", key, lang))
				continue
			}
			if _, plain := forms[""]; !plain {
				for _, f := range pluralForms[lang] {
					if forms[f] == "" {
						wrong = append(wrong, fmt.Sprintf("%s has no form %q in %s", key, f, lang))
					}
				}
			}
			for f, text := range forms {
				if strings.TrimSpace(text) == "" {
					wrong = append(wrong, fmt.Sprintf("%s is empty in %s", key, lang))
				}
				if lang == "de" && aMoment.MatchString(text) && !strings.HasPrefix(key, "web.link.") { // there a clock stands, of the page
					wrong = append(wrong, fmt.Sprintf("%s in de says Uhr after a moment, which says it itself", key))
				}
				if lang != "en" && hasLetters(text) && english[f] == text && !same(lang, key) {
					wrong = append(wrong, fmt.Sprintf("%s in %s is the English text %q", key, lang, text))
				}
			}
			if english != nil && !slices.Equal(placeholders(forms), placeholders(english)) {
				wrong = append(wrong, fmt.Sprintf("%s has placeholders %v in %s and %v in en", key, placeholders(forms), lang, placeholders(english)))
			}
		}
	}
	return wrong
}

// allowList reads lines "lang key reason"; lang may be "*".
func allowList(text string) (map[[2]string]bool, error) {
	list := map[[2]string]bool{}
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "*" && !slices.Contains(languages, f[0]) {
			return nil, fmt.Errorf("line %d is not \"lang key reason\": %s", n+1, line)
		}
		list[[2]string{f[0], f[1]}] = false
	}
	return list, nil
}

func loadCatalogues(t *testing.T, root string) map[string]catalogue {
	t.Helper()
	all := map[string]catalogue{}
	for _, name := range files(t, root, func(p string) bool {
		return path.Base(path.Dir(p)) == "locales" && path.Ext(p) == ".json"
	}) {
		owner := path.Base(path.Dir(path.Dir(name)))
		lang := strings.TrimSuffix(path.Base(name), ".json")
		if !slices.Contains(languages, lang) {
			t.Errorf("%s is no language of the product", name)
			continue
		}
		texts, err := decodeTexts(read(t, root, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if all[owner] == nil {
			all[owner] = catalogue{}
		}
		all[owner][lang] = texts
	}
	return all
}

func TestTranslations(t *testing.T) {
	bad := catalogue{}
	for lang, body := range map[string]string{
		"cs": `{"x.a": "Hello {name}", "x.b": "  ", "x.n": {"one": "zpráva", "few": "{n} zprávy", "other": "{n} zpráv"}, "x.only": "text"}`,
		"de": `{"x.a": "Hallo {nam}", "x.b": "zu", "x.n": {"one": "{n} Nachricht"}}`,
		"pl": `{"x.a": "Cześć {name}", "x.b": "b", "x.n": {"one": "{n} wiadomość", "few": "{n} wiadomości", "many": "{n} wiadomości", "other": "{n} wiadomości"}}`,
		"en": `{"x.a": "Hello {name}", "x.b": "to", "y.c": "stray", "x.n": {"one": "{n} message", "other": "{n} messages"}}`,
	} {
		texts, err := decodeTexts(body)
		if err != nil {
			t.Fatal(err)
		}
		bad[lang] = texts
	}
	got := strings.Join(textsWrong("x", bad, func(string, string) bool { return false }), "\n")
	for _, want := range []string{
		`x.a in cs is the English text`, `x.a has placeholders [{nam}] in de`, `x.b is empty in cs`,
		`x.n has no form "other" in de`, `x.only is missing in en`, `y.c does not begin with "x."`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("textsWrong does not find: %s\nit found:\n%s", want, got)
		}
	}
	if _, err := allowList("cs x.a"); err == nil {
		t.Error("allowList takes a line without a reason")
	}

	root := repository(t).root
	allowed, err := allowList(read(t, root, "test/translations_allow.txt"))
	if err != nil {
		t.Fatalf("test/translations_allow.txt: %v", err)
	}
	same := func(lang, key string) bool {
		for _, l := range []string{lang, "*"} {
			if _, ok := allowed[[2]string{l, key}]; ok {
				allowed[[2]string{l, key}] = true
				return true
			}
		}
		return false
	}
	for owner, c := range loadCatalogues(t, root) {
		for _, w := range textsWrong(owner, c, same) {
			t.Errorf("locales of %s: %s", owner, w)
		}
	}
	for entry, used := range allowed {
		if !used {
			t.Errorf("test/translations_allow.txt permits %s %s, but that text differs from the English one or is gone", entry[0], entry[1])
		}
	}
}

// literals returns the string literals of a file. Struct tags are among them.
func literals(f *ast.File) []string {
	var all []string
	ast.Inspect(f, func(n ast.Node) bool {
		if _, ok := n.(*ast.ImportSpec); ok {
			return false
		}
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}

// keyArguments returns the literals that stand where a translation key must
// stand: first or second argument of a method Text, T, t or say, third argument of
// problem.New, field Key of a composite literal.
func keyArguments(f *ast.File) []string {
	var keys []string
	add := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil && keyForm.MatchString(s) {
				keys = append(keys, s)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, _ := s.X.(*ast.Ident)
			switch {
			case slices.Contains([]string{"Text", "T", "t", "say"}, s.Sel.Name):
				for _, a := range n.Args[:min(2, len(n.Args))] {
					add(a)
				}
			case s.Sel.Name == "New" && x != nil && x.Name == "problem" && len(n.Args) > 2:
				add(n.Args[2])
			}
		case *ast.KeyValueExpr:
			if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Key" {
				add(n.Value)
			}
		}
		return true
	})
	return keys
}

// keyForm is the form of a translation key: package, topic and the rest.
var keyForm = regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9_-]+)+$`)

// actionNames returns the literals that name an action, for permissions and the
// audit log: they have the form of keys and are none.
func actionNames(f *ast.File) []string {
	var names []string
	add := func(name, value ast.Expr) {
		n, ok := name.(*ast.Ident)
		l, isText := value.(*ast.BasicLit)
		if ok && isText && l.Kind == token.STRING && strings.EqualFold(n.Name, "action") {
			if s, err := strconv.Unquote(l.Value); err == nil {
				names = append(names, s)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			add(n.Key, n.Value)
		case *ast.AssignStmt:
			for i := range min(len(n.Lhs), len(n.Rhs)) {
				add(n.Lhs[i], n.Rhs[i])
			}
		}
		return true
	})
	return names
}

// unknownKeys returns the keys used that exist nowhere. Besides the places where
// only a key can stand, a literal counts as one if another text of the same
// package and topic exists: that finds keys kept in tables and variables.
func unknownKeys(f *ast.File, known map[string]bool) []string {
	topics := map[string]bool{}
	for key := range known {
		if p := strings.SplitN(key, ".", 3); len(p) == 3 {
			topics[p[0]+"."+p[1]+"."] = true
		}
	}
	var missing []string
	for _, k := range keyArguments(f) {
		if !known[k] {
			missing = append(missing, k)
		}
	}
	actions := actionNames(f)
	for _, s := range literals(f) {
		for _, m := range helpKey.FindAllStringSubmatch(s, -1) {
			if !known[m[1]] {
				missing = append(missing, m[1])
			}
		}
		p := strings.SplitN(s, ".", 3)
		if len(p) == 3 && keyForm.MatchString(s) && topics[p[0]+"."+p[1]+"."] && !known[s] && !slices.Contains(missing, s) && !slices.Contains(actions, s) {
			missing = append(missing, s)
		}
	}
	return missing
}

// helpKey is how a field of the command line names its text.
var helpKey = regexp.MustCompile(`\bhelp:"([a-z0-9_]+(?:\.[a-z0-9_-]+)+)"`)

// composed is a key put together at run time: known begin and end.
type composed struct{ prefix, suffix string }

// composedKeys returns the concatenations in a file that give a key.
func composedKeys(f *ast.File) []composed {
	var all []composed
	ast.Inspect(f, func(n ast.Node) bool {
		sum, ok := n.(*ast.BinaryExpr)
		if !ok || sum.Op != token.ADD {
			return true
		}
		var parts []ast.Expr
		var walk func(ast.Expr)
		walk = func(e ast.Expr) {
			if b, ok := e.(*ast.BinaryExpr); ok && b.Op == token.ADD {
				walk(b.X)
				walk(b.Y)
				return
			}
			parts = append(parts, e)
		}
		walk(sum)
		text := func(e ast.Expr) string {
			if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
				s, _ := strconv.Unquote(l.Value)
				return s
			}
			return ""
		}
		c := composed{text(parts[0]), text(parts[len(parts)-1])}
		// A bare package name with nothing after it would name every text of the package.
		if keyForm.MatchString(c.prefix+"x"+c.suffix) && (c.suffix != "" || strings.Count(strings.TrimSuffix(c.prefix, "."), ".") > 0) {
			all = append(all, c)
		}
		return false
	})
	return all
}

// usedKeys adds to used the keys a file names: whole, put together at run time, or as the
// help of a command line field.
func usedKeys(f *ast.File, known map[string]bool, used map[string]bool) {
	for _, s := range literals(f) {
		if known[s] {
			used[s] = true
		}
		for _, m := range helpKey.FindAllStringSubmatch(s, -1) {
			if known[m[1]] {
				used[m[1]] = true
			}
		}
	}
	for _, c := range composedKeys(f) {
		for key := range known {
			if strings.HasPrefix(key, c.prefix) && strings.HasSuffix(key, c.suffix) {
				used[key] = true
			}
		}
	}
}

func TestTranslationKeys(t *testing.T) {
	known := map[string]bool{"x.status.ready": true, "x.status.down": true, "x.error.size": true, "x.unused.text": true, "x.help.serve": true}
	bad := parse(t, "package x; type c struct { S string `help:\"x.help.serve\"`; T string `help:\"x.help.none\"` }; var table = []string{\"x.status.redy\", \"x.listen.port\"}; func f() { b.Text(l, \"x.nowhere\", nil); _ = problem.New(op, kind, \"x.error.sise\", nil); _ = E{Key: \"x.gone\"}; _ = E{Action: \"x.status.set\"}; action := \"x.status.reset\"; _ = \"x.status.\" + s; _ = \"x.error.size\" }")
	if got, want := unknownKeys(bad, known), []string{"x.nowhere", "x.error.sise", "x.gone", "x.help.none", "x.status.redy"}; !slices.Equal(got, want) {
		t.Errorf("unknownKeys = %q, want %q", got, want)
	}
	used := map[string]bool{}
	usedKeys(bad, known, used)
	if want := []string{"x.error.size", "x.help.serve", "x.status.down", "x.status.ready"}; !slices.Equal(slices.Sorted(maps.Keys(used)), want) {
		t.Errorf("usedKeys = %v, want %v", used, want)
	}

	repo := repository(t)
	known, used = map[string]bool{}, map[string]bool{}
	for _, c := range loadCatalogues(t, repo.root) {
		for key := range c["en"] {
			known[key] = true
		}
	}
	for _, s := range repo.sources {
		if s.test || in(s.path, "test") {
			continue
		}
		usedKeys(s.file, known, used)
		for _, key := range unknownKeys(s.file, known) {
			t.Errorf("%s uses the text %q, which no locale file has\n\ta missing text is shown as its key", s.path, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if !used[key] {
			t.Errorf("the text %q is used nowhere\n\tfour translators keep it up for nobody", key)
		}
	}
}

// protocolLines are fixed lines other programs read; they are no text for people.
var protocolLines = map[string]string{
	"demo ready":        "ends the start of the demo; scripts wait for it",
	"demo replay":       "tells the address of the replay's page; scripts read it",
	"demo played":       "ends the play of the demo; scripts wait for it",
	"Listening on port": "says that the exchange takes connections; scripts wait for it",
}

var words = regexp.MustCompile(`\p{L}{2,}[,;:]?\s+\p{L}{2,}`)
var verbs = regexp.MustCompile(`%[-+# 0-9.*\[\]]*[a-zA-Z]`)

func isText(s string) bool {
	for line := range protocolLines {
		if strings.HasPrefix(strings.TrimSpace(s), line) {
			return false
		}
	}
	return words.MatchString(verbs.ReplaceAllString(s, ""))
}

// printedText returns the literals of two or more words a file prints.
func printedText(f *ast.File) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		s, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, _ := s.X.(*ast.Ident)
		name := s.Sel.Name
		if x != nil {
			name = x.Name + "." + name
		}
		if !strings.HasPrefix(name, "fmt.Print") && !strings.HasPrefix(name, "fmt.Fprint") && name != "io.WriteString" && name != "kong.Description" && s.Sel.Name != "WriteString" {
			return true
		}
		for _, a := range call.Args {
			for _, l := range literals(&ast.File{Name: ast.NewIdent("x"), Decls: []ast.Decl{&ast.GenDecl{Tok: token.VAR, Specs: []ast.Spec{&ast.ValueSpec{Names: []*ast.Ident{ast.NewIdent("x")}, Values: []ast.Expr{a}}}}}}) {
				if isText(l) {
					found = append(found, l)
				}
			}
		}
		return true
	})
	return found
}

// tagText returns the texts that stand in command line struct tags.
func tagText(f *ast.File) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		raw, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return true
		}
		tag := reflect.StructTag(raw)
		if help := tag.Get("help"); help != "" && !helpKey.MatchString(`help:"`+help+`"`) {
			found = append(found, "help: "+help)
		}
		for _, k := range []string{"name", "placeholder", "aliases"} {
			if v := tag.Get(k); words.MatchString(v) {
				found = append(found, k+": "+v)
			}
		}
		return true
	})
	return found
}

// textAttributes are the HTML attributes a person reads or hears.
var textAttributes = []string{"title", "alt", "placeholder", "aria-label", "aria-description", "aria-roledescription", "label", "summary", "content"}

var htmlAttribute = regexp.MustCompile(`([a-zA-Z-]+)="([^"]*)"`)
var htmlEntity = regexp.MustCompile(`&[a-zA-Z0-9#]+;`)

// viewText returns the letters that stand in a generated view outside its
// expressions: between tags, or in an attribute that is read out.
func viewText(f *ast.File) []string {
	var html strings.Builder
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); !ok || s.Sel.Name != "WriteString" {
			return true
		}
		for _, a := range call.Args {
			if l, ok := a.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					html.WriteString(s)
				}
			} else if _, ok := a.(*ast.CallExpr); ok {
				html.WriteString("\x00")
			}
		}
		return true
	})
	var found []string
	for i, part := range strings.Split(html.String(), "<") {
		tag, text, closed := strings.Cut(part, ">")
		if i == 0 {
			tag, text, closed = "", part, true
		}
		if !closed {
			continue
		}
		if text = strings.ReplaceAll(htmlEntity.ReplaceAllString(text, ""), "\x00", ""); strings.IndexFunc(text, unicode.IsLetter) >= 0 {
			found = append(found, strings.TrimSpace(text))
		}
		for _, m := range htmlAttribute.FindAllStringSubmatch(tag, -1) {
			// A <meta name=…> speaks to the browser, not to the reader.
			if slices.Contains(textAttributes, m[1]) && !strings.HasPrefix(tag, "meta") && strings.IndexFunc(strings.ReplaceAll(m[2], "\x00", ""), unicode.IsLetter) >= 0 {
				found = append(found, m[1]+"="+m[2])
			}
		}
	}
	return found
}

func TestNoTextInCode(t *testing.T) {
	const why = "text for people stands in locales/*.json, else three of four languages don't get it"
	bad := parse(t, "package x\ntype c struct { S string `help:\"Start a node.\"`; N string `name:\"no-wait\" help:\"x.help\"` }\n"+
		`func f() { fmt.Fprintln(w, "the node", x); fmt.Printf("%s %d\n", a, b); fmt.Println("demo ready"); fmt.Fprintf(w, "Listening on port %d\n", p); io.WriteString(w, "Missing file") }`)
	if got := printedText(bad); len(got) != 2 {
		t.Errorf("printedText = %q, want two", got)
	}
	if got := tagText(bad); len(got) != 1 {
		t.Errorf("tagText = %q, want one", got)
	}
	view := parse(t, `package x; func f() { templruntime.WriteString(b, 1, "<p class=\"wide\" title=\"Read me\">Hello&nbsp;"); b.WriteString(templ.EscapeString(v)); templruntime.WriteString(b, 2, "</p><meta name=\"x\" content=\"width\"><a href=\"") ; b.WriteString(templ.EscapeString(v)); templruntime.WriteString(b, 3, "\">&middot;</a>") }`)
	if got, want := viewText(view), []string{"Hello", "title=Read me"}; !slices.Equal(got, want) {
		t.Errorf("viewText = %q, want %q", got, want)
	}
	for _, s := range repository(t).sources {
		if s.test {
			continue
		}
		if strings.HasSuffix(s.path, "_templ.go") {
			for _, text := range viewText(s.file) {
				t.Errorf("%s: %q stands in the template\n\t%s", s.path, text, why)
			}
			continue
		}
		if in(s.path, "internal/cli", "internal/demo", "internal/app", "internal/bench", "cmd") {
			for _, text := range printedText(s.file) {
				t.Errorf("%s prints %q\n\t%s", s.path, text, why)
			}
			for _, text := range tagText(s.file) {
				t.Errorf("%s has the tag %s\n\t%s", s.path, text, why)
			}
		}
	}
}
