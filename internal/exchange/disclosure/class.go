package disclosure

import (
	_ "embed"
	"encoding/csv"
	"slices"
	"strings"
	"sync"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/kernel/i18n"
)

//go:embed classes.csv
var classFile string

// classed are the classes of incidents, and by what messages say of an incident those
// it may be: the name of the class in four languages, the code of the Czech fire
// service's subtype, that of EMSI.
var classed = sync.OnceValue(func() (c struct {
	all   []string
	said  map[string][]string
	names map[string][]string // in the order of i18n.Langs
}) {
	rows, err := csv.NewReader(strings.NewReader(classFile)).ReadAll()
	if err != nil {
		panic(err) // it is part of the program
	}
	c.said, c.names = map[string][]string{}, map[string][]string{}
	for _, r := range rows[1:] {
		c.all = append(c.all, r[0])
		c.names[r[0]] = r[1 : 1+len(i18n.Langs)]
		for _, name := range r {
			if name = normal(name); name != "" && !slices.Contains(c.said[name], r[0]) {
				c.said[name] = append(c.said[name], r[0])
			}
		}
	}
	return c
})

func normal(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// Classes lists the classes of incidents.
func Classes() []string { return slices.Clone(classed().all) }

// ClassName is a class in a language, and as it stands where it is none of the list: a
// rule may name one above several.
func ClassName(l i18n.Lang, class string) string {
	if names := classed().names[class]; names != nil {
		return names[slices.Index(i18n.Langs, l)]
	}
	return class
}

// KnownClass reports whether a class, or one below it, is among them.
func KnownClass(class string) bool {
	return slices.ContainsFunc(classed().all, func(c string) bool { return c == class || strings.HasPrefix(c, class+".") })
}

// ClassOf is the class of an incident by what its message calls it; where that means
// several, the one above them all, "" for none.
func ClassOf(i *incident.Incident) string {
	for _, t := range i.Types {
		if c := ClassNamed(t.Text); c != "" {
			return c
		}
	}
	return ""
}

// ClassNamed is the class of a name or code.
func ClassNamed(name string) string {
	found := classed().said[normal(name)]
	if len(found) == 0 {
		return ""
	}
	common := strings.Split(found[0], ".")
	for _, f := range found[1:] {
		parts := strings.Split(f, ".")
		n := 0
		for n < len(common) && n < len(parts) && common[n] == parts[n] {
			n++
		}
		common = common[:n]
	}
	return strings.Join(common, ".")
}
