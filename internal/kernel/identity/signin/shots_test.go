package signin

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
)

// TestShots takes pictures of the pages, to be looked at by a person: with the
// environment variable TROJMEZI_SHOTS, the folder they go to, and chromium on the
// path. TROJMEZI_SHOTS_SIZES chooses sizes, such as "390x844 1366x768".
func TestShots(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SHOTS")
	if dir == "" {
		t.Skip("TROJMEZI_SHOTS names no folder for the pictures")
	}
	pages, shots := gallery(t)
	server := httptest.NewServer(pages)
	defer server.Close()

	sizes := strings.Fields(os.Getenv("TROJMEZI_SHOTS_SIZES"))
	if len(sizes) == 0 {
		sizes = []string{"390x844", "1366x768", "1920x1080"}
	}
	only := os.Getenv("TROJMEZI_SHOTS_ONLY")
	for _, shot := range shots {
		if only != "" && !strings.Contains(","+only+",", ","+shot.name+",") {
			continue
		}
		for _, theme := range []string{"light", "dark"} {
			for _, size := range sizes {
				wide, high, _ := strings.Cut(size, "x")
				file := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", shot.name, size, theme))
				args := []string{"--no-sandbox", "--headless=old", "--hide-scrollbars", "--force-device-scale-factor=1", "--window-size=" + wide + "," + high, "--screenshot=" + file, "--virtual-time-budget=2000"}
				if theme == "dark" {
					args = append(args, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
				} else {
					args = append(args, "--blink-settings=preferredColorScheme=1")
				}
				out, err := exec.CommandContext(t.Context(), "chromium", append(args, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)+"/as/"+shot.who+"/"+shot.lang+"?to="+shot.to)...).CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", file, err, out)
				}
			}
		}
	}
}

// shot is a page as somebody sees it.
type shot struct{ name, who, lang, to string }

// gallery is a node with people and what happens to them; /as/WHO/LANG?to=PAGE
// opens a page as somebody.
func gallery(t *testing.T) (http.Handler, []shot) {
	w := begin(t, func(o *identity.Options) {
		o.Config.OIDC = []identity.Provider{{ID: "kraj", Name: "Liberecký kraj", Issuer: "http://localhost:1", ClientID: "x", Claim: "groups", Organisation: "x", Roles: map[string]string{"a": "dispatcher"}}}
	})
	for _, who := range []struct{ login, name, role string }{
		{"petr.novak", "Petr Novák", "dispatcher"}, {"anna.mueller", "Anna Müller-Lüdenscheidt", "shift_leader"},
		{"jan.kowalski", "Jan Kowalski", "technician"}, {"eva.cerna", "Eva Černá", "auditor"}, {"marie.kosova", "Marie Kosová", "dispatcher"},
	} {
		_, err := w.CreatePerson(t.Context(), nil, identity.NewPerson{Organisation: w.here.ID, Login: who.login, Name: who.name, Roles: []string{who.role}, Password: good})
		w.must(err)
	}
	eva, err := w.PersonByLogin(t.Context(), "eva.cerna")
	w.must(err)
	w.must(w.Lock(t.Context(), nil, eva.ID))
	w.must(w.SetSecondRoles(t.Context(), nil, w.here.ID, []string{"technician"}))
	_, err = w.CreateOrganisation(t.Context(), nil, identity.Organisation{Name: "Regionalleitstelle Ostsachsen Hoyerswerda", Country: "DE", Addresses: []string{"1.2.4"}})
	w.must(err)

	w.waiting = 3
	late := w.browser()
	late.enter("marie.kosova").away().post("/me", url.Values{"name": {"Marie Kosová-Dlouhá"}, "lang": {"cs"}, "settings": {""}}).submit("/signin", "login", "marie.kosova", "password", good)

	chief, tech := w.browser(), w.browser()
	chief.enter("chief").get("/desks").submit("/desks", "desk", "Stůl 2")
	for _, login := range []string{"petr.novak", "anna.mueller", "marie.kosova"} {
		b := w.browser()
		b.cookies["desk"], b.cookies["desk_people"] = chief.cookies["desk"], chief.cookies["desk_people"]
		b.enter(login)
		chief.cookies["desk_people"] = b.cookies["desk_people"]
	}
	w.must(w.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE identity_person SET provider = 'kraj', subject = id, password = '' WHERE login = 'petr.novak'`)
		return err
	}))
	tech.enter("jan.kowalski")
	invited := w.browser()
	invited.enter("chief").get("/people/new").submit("/people/new", "name", "Nová Kolegyně", "login", "nova", "roles", "dispatcher", "lang", "cs")
	newcomer := invited.path
	done := w.browser()
	done.enter("chief").get("/signin/enrol?next=/me").submit("/signin/enrol/totp", "code", w.code(done.key(), 0))

	jar := map[string]*browser{"chief": chief, "tech": tech, "invited": invited, "done": done, "late": late, "nobody": w.browser(), "desk": {w: w, cookies: map[string]*http.Cookie{"desk": chief.cookies["desk"], "desk_people": chief.cookies["desk_people"]}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /as/{who}/{lang}", func(rw http.ResponseWriter, r *http.Request) {
		_, port, _ := net.SplitHostPort(r.Host)
		for _, c := range jar[r.PathValue("who")].cookies {
			http.SetCookie(rw, &http.Cookie{Name: c.Name + "-" + port, Value: c.Value, Path: "/"})
		}
		http.SetCookie(rw, &http.Cookie{Name: "lang", Value: r.PathValue("lang"), Path: "/"})
		http.Redirect(rw, r, r.URL.Query().Get("to"), http.StatusSeeOther)
	})
	mux.Handle("/", w.rt)
	mux.Handle("GET /setup", empty(t).rt)
	return mux, []shot{
		{"setup", "nobody", "pl", "/setup"}, {"signin", "nobody", "cs", "/signin?next=/people"}, {"signin-de", "nobody", "de", "/signin"}, {"enrol", "tech", "cs", "/signin/enrol"}, {"codes", "done", "de", "/signin/codes"},
		{"people", "chief", "cs", "/people"}, {"person", "invited", "pl", newcomer}, {"eva", "chief", "de", "/people/" + eva.ID}, {"new", "chief", "cs", "/people/new"},
		{"roles", "chief", "de", "/roles"}, {"sessions", "chief", "pl", "/sessions"}, {"desks", "chief", "cs", "/desks"}, {"desk", "desk", "cs", "/desk"}, {"unsent", "late", "cs", "/me/unsent"}, {"session", "late", "de", "/me/session"},
		{"organisations", "chief", "de", "/organisations"}, {"organisation", "chief", "pl", "/organisations/new"}, {"me", "done", "pl", "/me"}, {"ask", "chief", "de", "/people/" + eva.ID + "/reset"},
	}
}
