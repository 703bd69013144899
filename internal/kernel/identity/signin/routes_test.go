package signin

import (
	"strings"
	"testing"

	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/web/webtest"
)

// TestRoutes asks every page for every role, at home and from another
// organisation, and expects what the text of the policy says.
func TestRoutes(t *testing.T) {
	w := begin(t)
	other, err := w.CreateOrganisation(t.Context(), nil, identity.Organisation{Name: "Leitstelle", Country: "DE"})
	w.must(err)
	crew := webtest.Hire(t, w.Directory, w.here, other)
	object := w.hire("", "objekt", "dispatcher")
	b := w.browser()
	b.enter("chief").get("/desks").submit("/desks", "desk", "Tajný stůl")
	desks, err := w.Desks(t.Context(), w.here.ID)
	w.must(err)
	s, _, err := w.Pending(t.Context(), b.session())
	w.must(err)
	ids := map[string]string{"/people/": object.ID, "/sessions/": s.ID, "/organisations/": other.ID, "/desks/": desks[0].ID}
	webtest.Routes(t, webtest.Check{
		Router: w.rt, Policy: map[string][]byte{"identity/policy.cedar": identity.Policy()}, Crew: crew, Public: append(Public(), "GET /{$}"),
		Path: func(pattern string) string {
			_, path, _ := strings.Cut(pattern, " ")
			for begin, id := range ids {
				if strings.HasPrefix(path, begin) {
					return strings.Replace(path, "{id}", id, 1)
				}
			}
			return ""
		},
		Marks: []string{"Osoba objekt", "Jana Šéfová", "Tajný stůl"},
	})
}
