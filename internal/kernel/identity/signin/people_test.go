package signin

import (
	"encoding/csv"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
)

func TestPeopleList(t *testing.T) {
	w := begin(t)
	w.hire("", "zdenek", "dispatcher")
	w.hire("", "anna", "shift_leader", "dispatcher")
	gone := w.hire("", "cyril", "technician")
	w.must(w.Lock(t.Context(), nil, gone.ID))
	other, err := w.CreateOrganisation(t.Context(), nil, identity.Organisation{Name: "Leitstelle", Country: "DE"})
	w.must(err)
	w.hire(other.ID, "fremd", "dispatcher")
	_, _, err = w.Invite(t.Context(), nil, identity.NewPerson{Organisation: w.here.ID, Login: "nova", Name: "=1+1", Roles: []string{"auditor"}})
	w.must(err)

	b := w.browser()
	b.enter("chief").get("/people").at("/people", 200).sees("5 people", "signin.state.locked", "signin.state.invited")
	if strings.Contains(b.body, "fremd") {
		t.Error("the people of another organisation are listed")
	}
	logins := func(query string) (all []string) {
		t.Helper()
		for _, row := range rows(t, b.get("/people.csv"+query).body)[1:] {
			all = append(all, row[1])
		}
		return all
	}
	for query, want := range map[string][]string{
		"":                              {"nova", "chief", "anna", "cyril", "zdenek"},
		"?role=dispatcher":              {"anna", "zdenek"},
		"?q=SEFOVA":                     {"chief"},
		"?q=ann":                        {"anna"},
		"?state=locked":                 {"cyril"},
		"?sort=login":                   {"anna", "chief", "cyril", "nova", "zdenek"},
		"?sort=seen&role=administrator": {"chief"},
		"?role=king&state=asleep":       {"nova", "chief", "anna", "cyril", "zdenek"},
		"?q=nobody":                     nil,
	} {
		if diff := cmp.Diff(want, logins(query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	got := rows(t, b.get("/people.csv").body)
	if diff := cmp.Diff([]string{"Name", "Sign-in name", "Roles", "State of the account", "Second factor", "Last signed in"}, got[0]); diff != "" {
		t.Error(diff)
	}
	if got[1][0] != "'=1+1" {
		t.Errorf("a formula goes out as %q", got[1][0])
	}
	if ct := b.header.Get("Content-Type"); ct != "text/csv; charset=utf-8" || !strings.Contains(b.header.Get("Content-Disposition"), "people.csv") {
		t.Errorf("%s %s", ct, b.header.Get("Content-Disposition"))
	}
	b.get("/people?q=nobody").sees("signin.people.none", "signin.people.none.why")
	b.get("/people?role=dispatcher&q=a")
	if !strings.Contains(b.body, `href="/people.csv?q=a&amp;role=dispatcher"`) || b.value("q") != "a" {
		t.Error("the file does not follow the filter")
	}
}

// rows reads a file as spreadsheet programs do.
func rows(t *testing.T, body string) [][]string {
	t.Helper()
	text, ok := strings.CutPrefix(body, "\ufeff")
	if !ok {
		t.Fatalf("no mark of UTF-8: %q", body)
	}
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%v: %q", err, body)
	}
	return all
}

// TestPerson is a working life: hired, changed, locked, back, gone.
func TestPerson(t *testing.T) {
	w := begin(t)
	petr := w.hire("", "petr", "dispatcher")
	page := "/people/" + petr.ID
	chief, b := w.browser(), w.browser()
	b.enter("petr")
	chief.enter("chief").get(page).at(page, 200).sees("Osoba petr")

	chief.submit(page, "name", "Petr Kos", "login", "").at(page, 422).sees("identity.input.login")
	if chief.value("name") != "Petr Kos" {
		t.Error("the form is not kept")
	}
	chief.submit(page, "login", "kos").at(page, 200).sees("signin.done.saved", "Petr Kos")
	chief.submit(page+"/roles", "roles", "-").at(page+"/roles", 422).sees("identity.input.role")
	chief.submit(page+"/roles", "roles", "dispatcher", "roles", "auditor").at(page, 200).sees("signin.done.roles", "dispatcher, auditor")
	b.get("/people").at("/people", 200) // what the new role may, at once
	chief.submit(page+"/lock").at(page, 200).sees("signin.done.lock")
	b.get("/people").at("/signin", 200)
	b.submit("/signin", "login", "kos", "password", good).at("/signin", 422).sees("identity.refused.signin")
	chief.submit(page + "/unlock").sees("signin.done.unlock")
	b.submit("/signin", "login", "kos", "password", good).at("/people", 200)
	chief.get(page).submit(page + "/sessions").sees("signin.done.sessions")
	b.get("/people").at("/signin", 200)

	// A new password by link: asked before, shown once.
	chief.get(page+"/reset").at(page+"/reset", 200).sees("signin.person.reset.hint")
	chief.submit(page+"/reset").at(page, 200)
	path := strings.TrimPrefix(chief.value("link"), "http://example.com")
	if !strings.HasPrefix(path, "/reset/") {
		t.Fatalf("link %q", path)
	}
	b.submit("/signin", "login", "kos", "password", good).at("/signin", 422)
	b.get(path).submit(path, "password", fresh).at("/", 200)
	w.browser().get("/invitation/"+strings.TrimPrefix(path, "/reset/")).at("/invitation/"+strings.TrimPrefix(path, "/reset/"), 404)

	// Deleted, taken back in time, deleted for good.
	chief.get(page).submit(page+"/delete").at("/people", 200).sees("Deleted: Petr Kos")
	b.get("/me").at("/signin", 200)
	chief.submit(page+"/restore").at(page, 200).sees("signin.done.restore")
	chief.submit(page+"/delete").at("/people", 200)
	w.clock.Advance(time.Hour / 2)
	chief.get("/people?state=deleted").sees("Petr Kos")
	chief.post(page+"/restore", nil).at(page+"/restore", 422).sees("identity.refused.undo_late")
	chief.get("/people?deleted=" + petr.ID).sees("Deleted: Petr Kos")
	if strings.Contains(chief.body, "/restore") {
		t.Error("the way back is offered when it is closed")
	}

	// Nobody locks himself out.
	who, err := w.PersonByLogin(t.Context(), "chief")
	w.must(err)
	own := "/people/" + who.ID
	chief.get(own).sees("signin.person.self")
	if strings.Contains(chief.body, own+"/lock") {
		t.Error("administrators may lock themselves")
	}
	chief.post(own+"/lock", nil).at(own+"/lock", 422).sees("identity.refused.own")
	chief.get(own).submit(own+"/roles", "roles", "administrator", "roles", "dispatcher").at(own, 200).sees("administrator")
	chief.post(own+"/roles", url.Values{"roles": {"dispatcher"}}).at(own+"/roles", 422)
	chief.get("/people/none").at("/people/none", 404)
}

// TestSecondReset is for a lost telephone.
func TestSecondReset(t *testing.T) {
	w := begin(t)
	petr := w.hire("", "petr", "dispatcher")
	page := "/people/" + petr.ID
	b := w.browser()
	b.enter("petr").get("/me").sees("signin.me.second.none")
	b.get("/signin/enrol?next=/me").submit("/signin/enrol/totp", "code", w.code(b.key(), 0)).submit("/signin/codes").at("/me", 200)
	b.sees("10 recovery codes are left.", "signin.enrol.app")
	chief := w.browser()
	chief.enter("chief").get(page+"/second").sees("signin.person.second.hint").submit(page+"/second").at(page, 200).sees("signin.done.second")
	b.get("/me").at("/signin", 200)
	b.submit("/signin", "login", "petr", "password", good).at("/me", 200).sees("signin.me.second.none")
}

func TestRolesPage(t *testing.T) {
	w := begin(t)
	w.hire("", "eva", "auditor")
	b := w.browser()
	b.enter("chief").get("/roles").at("/roles", 200).sees("signin.may.identity.people.write", "signin.may.identity.organisations.write", "signin.may.identity.me.write")
	cards := map[string]string{}
	for _, c := range b.classed("role-card") {
		for _, role := range identity.Roles {
			if strings.HasPrefix(c, w.texts.Text(i18n.En, "web.role."+role, nil)) {
				cards[role] = c
			}
		}
	}
	text := func(key string) string { return w.texts.Text(i18n.En, key, nil) }
	for role, may := range map[string]map[string]bool{
		"administrator": {"identity.people.write": true, "identity.sessions.end": true},
		"auditor":       {"identity.people.read": true, "identity.people.write": false, "identity.sessions.end": false},
		"shift_leader":  {"identity.desk.write": true, "identity.people.read": false},
		"dispatcher":    {"identity.people.read": false, "identity.desk.write": false},
	} {
		for action, want := range may {
			if got := strings.Contains(cards[role], text("signin.may."+action)); got != want {
				t.Errorf("%s: %s is shown %v, want %v", role, action, got, want)
			}
		}
	}
	b.submit("/roles", "second", "administrator", "second", "dispatcher").sees("signin.roles.saved")
	needed, err := w.SecondRoles(t.Context(), w.here.ID)
	w.must(err)
	if diff := cmp.Diff(map[string]bool{"administrator": true, "dispatcher": true}, needed); diff != "" {
		t.Error(diff)
	}
	b.submit("/roles", "second", "-")
	if needed, err = w.SecondRoles(t.Context(), w.here.ID); err != nil || len(needed) != 0 {
		t.Errorf("%v %v", needed, err)
	}
	// An auditor reads and finds nothing to press.
	b = w.browser()
	b.enter("eva").get("/roles").at("/roles", 200)
	if strings.Contains(b.text(), text("signin.roles.save")) {
		t.Error("an auditor is offered to save")
	}
	b.post("/roles", nil).at("/roles", 403)
}

func TestSessionsPage(t *testing.T) {
	w := begin(t)
	w.hire("", "petr", "dispatcher")
	chief, b := w.browser(), w.browser()
	b.enter("petr")
	chief.enter("chief").get("/sessions").at("/sessions", 200).sees("Osoba petr", "signin.session.this")
	s, _, err := w.Pending(t.Context(), b.session())
	w.must(err)
	chief.submit("/sessions/"+s.ID+"/end").at("/sessions", 200).sees("signin.saved.sessions")
	b.get("/me").at("/signin", 200)
	chief.post("/sessions/"+s.ID+"/end", nil).at("/sessions/"+s.ID+"/end", 404)
}
