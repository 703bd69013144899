package signin

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"rsc.io/qr"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// lines splits a text of one value a line.
func lines(s string) (all []string) {
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, l)
		}
	}
	return all
}

// quietZone is the white margin of a code in modules (spec: ISO/IEC 18004, 5.3.8).
const quietZone = 4

// code is a QR code as the path of an SVG and the side of its square in modules.
func code(text string) (path, box string, err error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", "", fmt.Errorf("signin: QR code: %w", err)
	}
	var b strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			from := x
			for x < c.Size && c.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
			}
		}
	}
	side := c.Size + 2*quietZone
	return b.String(), fmt.Sprintf("0 0 %d %d", side, side), nil
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

// langURL is the present page of signing in, in another language.
func langURL(path, next string, l i18n.Lang) string {
	u := with(path, next)
	sep := "?"
	if strings.Contains(u, "?") {
		sep = "&"
	}
	return u + sep + "lang=" + string(l)
}

// languages in their own words: who cannot read the page finds his own.
func (p *Pages) languages() (all []ui.Option) {
	for _, l := range i18n.Langs {
		all = append(all, ui.Option{Value: string(l), Text: p.o.Texts.Text(l, "i18n.language", nil)})
	}
	return all
}

// countries are those of the region.
func countries(ctx context.Context, chosen string) (all []ui.Option) {
	for _, c := range identity.Countries {
		all = append(all, ui.Option{Value: c, Text: t(ctx, "signin.country."+strings.ToLower(c)), Selected: c == chosen})
	}
	return all
}

// passwordLabel says that a desk takes the PIN too.
func passwordLabel(ctx context.Context, desk bool) string {
	if desk {
		return t(ctx, "signin.password.or_pin")
	}
	return t(ctx, "signin.password.label")
}

// kindAfter keeps one primary button a view: the second way is a plain one.
func kindAfter(first int) ui.Kind {
	if first > 0 {
		return ui.Plain
	}
	return ui.Primary
}

func roleNames(ctx context.Context, roles []string) string {
	var names []string
	for _, r := range roles {
		names = append(names, t(ctx, "web.role."+r))
	}
	return strings.Join(names, ", ")
}

func (p *Pages) chosenLanguage(ctx context.Context, chosen string) []ui.Option {
	all := append(p.languages(), ui.Option{Text: t(ctx, "signin.me.lang.browser")})
	for i := range all {
		all[i].Selected = all[i].Value == chosen
	}
	return all
}

func themes(ctx context.Context, chosen string) (all []ui.Option) {
	for _, theme := range []struct{ value, key string }{{"light", "web.theme.light"}, {"dark", "web.theme.dark"}, {"", "web.theme.system"}} {
		all = append(all, ui.Option{Value: theme.value, Text: t(ctx, theme.key), Selected: theme.value == chosen})
	}
	return all
}

// columns are heads of a table; "" stands for what can be done with a row.
func columns(ctx context.Context, keys ...string) (all []ui.Column) {
	for _, key := range keys {
		if key == "" {
			all = append(all, ui.Column{Text: t(ctx, "signin.column.actions"), Hidden: true})
			continue
		}
		all = append(all, ui.Column{Text: t(ctx, key)})
	}
	return all
}

func sessionTable(ctx context.Context, caption string, names bool) ui.Table {
	keys := []string{"signin.column.where", "signin.column.how", "signin.column.since", "signin.column.seen", "signin.column.ends", ""}
	if names {
		keys = append([]string{"signin.column.name"}, keys...)
	}
	return ui.Table{Caption: t(ctx, caption), Stack: true, Columns: columns(ctx, keys...)}
}

// clear is the address without a filter, "" where none is set.
func clear(set bool, path string) string {
	if set {
		return path
	}
	return ""
}

func roleFilter(ctx context.Context) []ui.Option {
	all := []ui.Option{{Text: t(ctx, "signin.all")}}
	for _, r := range identity.Roles {
		all = append(all, ui.Option{Value: r, Text: t(ctx, "web.role."+r)})
	}
	return all
}

func stateFilter(ctx context.Context) []ui.Option {
	all := []ui.Option{{Text: t(ctx, "signin.people.present")}}
	for _, s := range states {
		all = append(all, ui.Option{Value: s, Text: t(ctx, "signin.state."+s)})
	}
	return all
}

// roleChoice offers the roles with what they are for; kept cannot be taken away.
func roleChoice(ctx context.Context, chosen []string, kept string) (all []ui.Option) {
	for _, r := range identity.Roles {
		o := ui.Option{Value: r, Text: t(ctx, "web.role."+r), Hint: t(ctx, "signin.role."+r), Selected: slices.Contains(chosen, r)}
		if r == kept {
			o.Disabled = t(ctx, "signin.person.self.role")
		}
		all = append(all, o)
	}
	return all
}

// ownRole is the role an administrator cannot take from himself.
func ownRole(ctx context.Context, v personView) string {
	if v.Self && v.Person.Is("administrator") {
		return "administrator"
	}
	return ""
}

func resetText(ctx context.Context, v personView) string {
	if state(*v.Person) == "invited" {
		return t(ctx, "signin.person.invite_again")
	}
	return t(ctx, "signin.person.reset")
}

func personFacts(ctx context.Context, v personView) []ui.Fact {
	who := v.Person
	seen := t(ctx, "signin.never")
	if !who.SeenAt.IsZero() {
		seen = web.DateTime(ctx, who.SeenAt)
	}
	how := t(ctx, "signin.method.password")
	switch {
	case who.Emergency:
		how = t(ctx, "signin.method.sealed")
	case who.Provider != "":
		how = t(ctx, "signin.method.provider")
	}
	return []ui.Fact{
		{Label: t(ctx, "signin.column.state"), Value: stateBadge(*who)},
		{Label: t(ctx, "signin.column.roles"), Text: roleNames(ctx, who.Roles)},
		{Label: t(ctx, "signin.column.how"), Text: how},
		{Label: t(ctx, "signin.second.title"), Text: t(ctx, "signin.factor."+second(*who))},
		{Label: t(ctx, "signin.column.last"), Text: seen},
		{Label: t(ctx, "signin.person.sessions"), Text: web.Number(ctx, int64(v.Sessions))},
		{Label: t(ctx, "signin.person.since"), Text: web.Date(ctx, who.CreatedAt)},
	}
}

// peopleTable sorts by link: up once by name and sign-in name, the last one in
// first.
func peopleTable(ctx context.Context, v peopleView) ui.Table {
	head := ui.Table{Caption: t(ctx, "signin.people.title"), Stack: true, CSV: "/people.csv" + v.Query}
	for _, c := range []struct{ key, order string }{
		{"signin.column.name", "name"}, {"signin.login", "login"}, {"signin.column.roles", ""}, {"signin.column.state", ""},
		{"signin.second.title", ""}, {"signin.column.last", "seen"},
	} {
		column := ui.Column{Text: t(ctx, c.key)}
		if c.order != "" {
			column.SortURL = peoplePath + query(v.Filter, c.order)
			if c.order == v.Sort {
				column.Sorted = "ascending"
				if c.order == "seen" {
					column.Sorted = "descending"
				}
			}
		}
		head.Columns = append(head.Columns, column)
	}
	return head
}

func organisationTitle(ctx context.Context, v organisationView) string {
	if v.ID == "" {
		return t(ctx, "signin.organisations.new")
	}
	return t(ctx, "signin.organisations.change")
}

func organisationURL(id string) string {
	if id == "" {
		return organisationsPath + "/new"
	}
	return organisationsPath + "/" + id
}

// providerName is what the provider is called on buttons.
func (p *Pages) providerName(id string) string {
	for _, o := range p.d.Providers() {
		if o.ID == id {
			return o.Name
		}
	}
	return id
}

// providerURL leads to a provider, which is told at a desk who is expected.
func providerURL(id, person, next string) string {
	if person == "" {
		return with(oidcPath+id, next)
	}
	return with(oidcPath+id+"?"+url.Values{"person": {person}}.Encode(), next)
}

func workedHere(v signInView) (all []ui.Option) {
	for _, who := range v.Worked {
		all = append(all, ui.Option{Value: who.ID, Text: who.Name, Selected: who.ID == v.Person || len(v.Worked) == 1})
	}
	return all
}
