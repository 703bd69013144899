// Package i18n turns translation keys into text in Czech, German, Polish and
// English, and writes numbers, times and durations the way readers of each
// language expect them. It is for everything a person reads. It does not
// translate: each package brings its texts in locales/{cs,de,pl,en}.json, and
// Load refuses them unless all four languages are complete.
package i18n

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	_ "time/tzdata" // the static binary must know Europe/Prague on a machine without zone files

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Lang is one of the four languages, as its ISO 639-1 code.
type Lang string

// The languages of the product.
const (
	Cs Lang = "cs"
	De Lang = "de"
	Pl Lang = "pl"
	En Lang = "en"
)

// Langs lists the languages in the order in which a reader is offered them.
var Langs = []Lang{Cs, De, Pl, En}

// DefaultZone is where the three countries' clocks stand: Prague, Berlin and
// Warsaw have kept the same time since 1996. Storage is UTC, only views are local.
const DefaultZone = "Europe/Prague"

// maxAcceptLanguage bounds the work a stranger can cause by one header;
// browsers send less than 100 bytes.
const maxAcceptLanguage = 512

//go:embed locales
var own embed.FS

// Args are the values of a text's placeholders, by name. Strings stand in the
// text as they are; whole numbers, float64, time.Time and time.Duration are
// written in the way of the language. The argument n chooses the plural form.
type Args map[string]any

// Bundle holds all texts. It is safe for concurrent use.
type Bundle struct {
	texts   map[Lang]map[string]text
	zone    *time.Location
	missing *atomic.Uint64
}

// text is one translation: one form, or one of a number, which has several.
type text struct {
	only  template
	forms map[plural.Form]template
}

// form returns that form; what is no text of a number has one, under plural.Other.
func (t text) form(f plural.Form) (template, bool) {
	if t.forms == nil {
		return t.only, f == plural.Other
	}
	tpl, ok := t.forms[f]
	return tpl, ok
}

// template is a text cut at its placeholders: literal, name, literal, name, …, literal.
type template []string

var tags = map[Lang]language.Tag{Cs: language.Czech, De: language.German, Pl: language.Polish, En: language.English}

// required holds the plural forms of each language (spec: CLDR, cardinal rules).
// cs many is the form of decimal fractions, pl other as well.
var required = map[Lang][]plural.Form{
	Cs: {plural.One, plural.Few, plural.Many, plural.Other},
	De: {plural.One, plural.Other},
	Pl: {plural.One, plural.Few, plural.Many, plural.Other},
	En: {plural.One, plural.Other},
}

var formNames = map[string]plural.Form{
	"one": plural.One, "few": plural.Few, "many": plural.Many, "other": plural.Other,
}

// Load reads locales/{cs,de,pl,en}.json of every source: flat JSON objects of
// key to text, or key to {"one": …, "few": …, "many": …, "other": …}. The error
// lists, each with file and key: bad JSON, a key twice, a key that a language
// lacks, an empty text, placeholders that differ between languages or forms,
// plural forms missing or too many.
func Load(sources ...fs.FS) (*Bundle, error) {
	zone, err := time.LoadLocation(DefaultZone)
	if err != nil {
		return nil, fmt.Errorf("i18n: %w", err)
	}
	b := &Bundle{texts: map[Lang]map[string]text{}, zone: zone, missing: new(atomic.Uint64)}
	var errs []error
	for _, l := range Langs {
		b.texts[l] = map[string]text{}
		for _, src := range append([]fs.FS{own}, sources...) {
			errs = append(errs, b.read(src, l)...)
		}
	}
	errs = append(errs, b.compare()...)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("i18n: %w", err)
	}
	return b, nil
}

func file(l Lang) string { return "locales/" + string(l) + ".json" }

// read adds one file. It goes token by token because encoding/json silently
// lets the last of two equal keys win.
func (b *Bundle) read(src fs.FS, l Lang) []error {
	data, err := fs.ReadFile(src, file(l))
	if err != nil {
		return []error{err}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	bad := func(err error) []error {
		line := 1 + bytes.Count(data[:dec.InputOffset()], []byte("\n"))
		return []error{fmt.Errorf("%s:%d: %w", file(l), line, err)}
	}
	if t, err := dec.Token(); err != nil {
		return bad(err)
	} else if t != json.Delim('{') {
		return bad(errors.New("not a JSON object"))
	}
	var errs []error
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return append(errs, bad(err)...)
		}
		key := t.(string) // inside an object the decoder accepts nothing else
		value, err := dec.Token()
		if err != nil {
			return append(errs, bad(err)...)
		}
		var txt text
		switch value := value.(type) {
		case string:
			txt.only, err = parseTemplate(value)
		case json.Delim:
			var forms map[string]string
			if forms, err = readForms(dec, value); err != nil {
				return append(errs, bad(err)...)
			}
			txt, err = parseForms(l, forms)
		default:
			err = errNoText
		}
		if _, twice := b.texts[l][key]; twice {
			errs = append(errs, fmt.Errorf("%s: key %q stands twice", file(l), key))
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: key %q: %w", file(l), key, err))
			continue
		}
		b.texts[l][key] = txt
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return append(errs, bad(err)...)
	}
	if _, err := dec.Token(); err != io.EOF {
		return append(errs, bad(errors.New("more after the object"))...)
	}
	return errs
}

// readForms reads an object of form to text after its start.
func readForms(dec *json.Decoder, start json.Delim) (map[string]string, error) {
	if start != '{' {
		return nil, errNoText
	}
	forms := map[string]string{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		value, err := dec.Token()
		if err != nil {
			return nil, err
		}
		s, ok := value.(string)
		if !ok {
			return nil, errNoText
		}
		forms[name.(string)] = s
	}
	_, err := dec.Token() // the closing brace
	return forms, err
}

var errNoText = errors.New("neither a text nor plural forms")

func parseForms(l Lang, forms map[string]string) (text, error) {
	t := text{forms: map[plural.Form]template{}}
	for _, name := range slices.Sorted(maps.Keys(forms)) {
		form, ok := formNames[name]
		if !ok || !slices.Contains(required[l], form) {
			return text{}, fmt.Errorf("%q is no plural form of this language", name)
		}
		tpl, err := parseTemplate(forms[name])
		if err != nil {
			return text{}, fmt.Errorf("form %q: %w", name, err)
		}
		t.forms[form] = tpl
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(formNames)) {
		if _, ok := forms[name]; !ok && slices.Contains(required[l], formNames[name]) {
			errs = append(errs, fmt.Errorf("plural form %q is missing", name))
		}
	}
	return t, errors.Join(errs...)
}

func parseTemplate(s string) (template, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("empty text")
	}
	var t template
	for {
		literal, rest, found := strings.Cut(s, "{")
		if strings.Contains(literal, "}") {
			return nil, fmt.Errorf("%q: } without {", s)
		}
		t = append(t, literal)
		if !found {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !isName(name) {
			return nil, fmt.Errorf("%q: bad placeholder", "{"+rest)
		}
		t = append(t, name)
		s = after
	}
}

func isName(s string) bool {
	for i, r := range s {
		if (r < 'a' || r > 'z') && r != '_' && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// names returns the placeholders of a template. A plural text always counts n
// among them, since a form such as "one message" need not write it.
func (t template) names(isPlural bool) []string {
	var names []string
	if isPlural {
		names = append(names, "n")
	}
	for i := 1; i < len(t); i += 2 {
		names = append(names, t[i])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// compare checks that every language has the same keys with the same placeholders.
func (b *Bundle) compare() []error {
	all := map[string]bool{}
	for _, l := range Langs {
		for key := range b.texts[l] {
			all[key] = true
		}
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(all)) {
		var want []string
		var from Lang
		for _, l := range Langs {
			t, ok := b.texts[l][key]
			if !ok {
				errs = append(errs, fmt.Errorf("%s: key %q is missing", file(l), key))
				continue
			}
			for _, form := range required[l] {
				tpl, ok := t.form(form)
				if !ok {
					continue // a text without plural has one form only
				}
				got := tpl.names(t.forms != nil)
				if from == "" {
					want, from = got, l
				}
				if !slices.Equal(got, want) {
					errs = append(errs, fmt.Errorf("%s: key %q has the placeholders %v, %s has %v", file(l), key, got, file(from), want))
				}
			}
		}
	}
	return errs
}

// In returns the same texts with times written in zone instead of DefaultZone.
func (b *Bundle) In(zone *time.Location) *Bundle {
	c := *b
	c.zone = zone
	return &c
}

// Text returns the text of key with its placeholders filled. A key that does
// not exist gives ⟦key⟧, an argument that does not, ⟦name⟧ in its place; both
// are counted (see Missing).
func (b *Bundle) Text(l Lang, key string, args Args) string {
	l = known(l)
	t, ok := b.texts[l][key]
	if !ok {
		b.missing.Add(1)
		return "⟦" + key + "⟧"
	}
	tpl := t.only
	if t.forms != nil {
		tpl = t.forms[pluralForm(l, args["n"])]
	}
	if len(tpl) == 1 {
		return tpl[0]
	}
	var s strings.Builder
	for i, part := range tpl {
		if i%2 == 0 {
			s.WriteString(part)
		} else if v, ok := args[part]; ok {
			s.WriteString(b.value(l, v))
		} else {
			b.missing.Add(1)
			s.WriteString("⟦" + part + "⟧")
		}
	}
	return s.String()
}

// Has reports whether key exists.
func (b *Bundle) Has(key string) bool {
	_, ok := b.texts[En][key]
	return ok
}

// Keys returns all keys, sorted.
func (b *Bundle) Keys() []string { return slices.Sorted(maps.Keys(b.texts[En])) }

// Missing returns how often Text was asked for a key or an argument that does
// not exist. A test that renders pages checks that it stays 0.
func (b *Bundle) Missing() uint64 { return b.missing.Load() }

func known(l Lang) Lang {
	if _, ok := tags[l]; ok {
		return l
	}
	return En
}

// Parse returns the language with exactly this code.
func Parse(code string) (Lang, bool) {
	l := Lang(code)
	return l, known(l) == l
}

// offers are the languages of readers, served the language of ours that they
// read: neighbours and the region's minorities are better off with it than with
// English. The first one is the default.
var offers = []struct {
	reader string
	lang   Lang
}{
	{"en", En}, {"cs", Cs}, {"de", De}, {"pl", Pl},
	{"sk", Cs},               // Slovak
	{"hsb", De}, {"dsb", De}, // Upper and Lower Sorbian
	{"szl", Pl}, {"csb", Pl}, // Silesian, Kashubian
}

var matcher = func() language.Matcher {
	var t []language.Tag
	for _, o := range offers {
		t = append(t, language.MustParse(o.reader))
	}
	return language.NewMatcher(t)
}()

// Match returns the language that suits an Accept-Language header best, En if
// none does (spec: RFC 9110, §12.5.4).
func Match(acceptLanguage string) Lang {
	if acceptLanguage == "" || len(acceptLanguage) > maxAcceptLanguage {
		return En
	}
	want, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return En
	}
	_, i, _ := matcher.Match(want...)
	return offers[i].lang
}
