package signin

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/identity"
)

func TestMe(t *testing.T) {
	w := begin(t)
	w.hire("", "petr", "dispatcher")
	b, elsewhere := w.browser(), w.browser()
	elsewhere.enter("petr")
	b.enter("petr").get("/me").at("/me", 200).sees("signin.me.settings", "signin.me.pin.none")

	b.submit("/me", "name", "Petr Kos", "lang", "de", "theme", "dark", "single_keys", "-").at("/me", 200).sees("Die Einstellungen sind gespeichert")
	for _, want := range []string{`<html lang="de"`, `data-theme="dark"`, `data-single-keys="off"`, "Petr Kos"} {
		if !strings.Contains(b.body, want) {
			t.Errorf("no %s after saving", want)
		}
	}
	b.submit("/me", "name", "", "lang", "en").at("/me", 422)
	if !strings.Contains(b.body, `href="#name"`) || b.value("name") != "" {
		t.Error("an empty name is not refused with what was entered")
	}
	b.post("/me/language", url.Values{"lang": {"en"}, "back": {"/me?saved=pin"}}).at("/me", 200).sees("signin.saved.pin")
	b.post("/me/theme", url.Values{"theme": {"light"}, "back": {"/me"}}).at("/me", 200)
	if !strings.Contains(b.body, `data-theme="light"`) {
		t.Error("the theme is not taken")
	}
	b.post("/me/theme", url.Values{"theme": {"pink"}}).at("/me/theme", 400)
	b.post("/me/language", url.Values{"lang": {"tlh"}}).at("/me/language", 400)

	b.get("/me").submit("/me/password", "old", "wrong", "password", fresh).at("/me/password", 422).sees("identity.input.password_old")
	if !strings.Contains(b.body, `<details class="fold" open>`) {
		t.Error("the form with the mistake is folded away")
	}
	elsewhere.get("/me").at("/me", 200)
	b.submit("/me/password", "old", good, "password", fresh).at("/me", 200).sees("signin.saved.password")
	elsewhere.get("/me").at("/signin", 200)

	b.submit("/me/pin", "pin", "", "pin_password", fresh).at("/me/pin", 422)
	b.submit("/me/pin", "pin", "1111", "pin_password", fresh).at("/me/pin", 422)
	b.submit("/me/pin", "pin", "271828", "pin_password", "wrong").at("/me/pin", 422).sees("identity.input.password_old")
	b.submit("/me/pin", "pin", "271828", "pin_password", fresh).at("/me", 200).sees("signin.me.pin.set")
	b.post("/me/pin", url.Values{"remove": {"pin"}, "pin_password": {fresh}}).at("/me", 200).sees("signin.saved.pin_removed", "signin.me.pin.none")
}

func TestMySessions(t *testing.T) {
	w := begin(t)
	w.hire("", "petr", "dispatcher")
	b, one, two, chief := w.browser(), w.browser(), w.browser(), w.browser()
	chief.enter("chief")
	for _, x := range []*browser{one, two, b} {
		x.enter("petr")
	}
	first, _, err := w.Pending(t.Context(), one.session())
	w.must(err)
	b.post("/me/sessions", url.Values{"id": {first.ID}}).at("/me", 200).sees("signin.saved.sessions")
	one.get("/me").at("/signin", 200)
	two.get("/me").at("/me", 200)
	b.get("/me").submit("/me/sessions").at("/me", 200)
	b.get("/me").at("/me", 200)
	// The last form ends all others.
	b.post("/me/sessions", nil).at("/me", 200)
	two.get("/me").at("/signin", 200)
	theirs, _, err := w.Pending(t.Context(), chief.session())
	w.must(err)
	b.post("/me/sessions", url.Values{"id": {theirs.ID}}).at("/me/sessions", 404)
	chief.get("/me").at("/me", 200)
}

// TestMySecond changes second factors, which needs a fresh sign-in.
func TestMySecond(t *testing.T) {
	w := begin(t)
	w.hire("", "petr", "dispatcher")
	b := w.browser()
	b.enter("petr").get("/signin/enrol?next=/me").sees("signin.enrol.later")
	if !strings.Contains(b.body, "data-options=\"{&#34;publicKey&#34;") {
		t.Error("no options for a passkey")
	}
	key := b.key()
	// An address without a name has no passkeys, and all else.
	r := httptest.NewRequest("GET", "https://192.0.2.7/signin/enrol", nil)
	r.TLS = nil
	r.Host = "192.0.2.7"
	if b.send(r); b.status != 200 || strings.Contains(b.body, "data-passkey") || b.key() != key {
		t.Errorf("by a bare address: %d %s", b.status, b.text())
	}
	b.get("/signin/enrol?next=/me").submit("/signin/enrol/passkey", "device", "Telefon", "response", "{}").at("/signin/enrol/passkey", 422).sees("identity.refused.passkey")
	if b.value("device") != "Telefon" {
		t.Error("the name of the device is lost")
	}
	b.submit("/signin/enrol/totp", "code", w.code(key, 0)).at("/signin/codes", 200)
	old := b.recovery()
	b.submit("/signin/codes").at("/me", 200).submit("/me/codes").at("/signin/codes", 200)
	if fresh := b.recovery(); len(fresh) != 10 || fresh[0] == old[0] {
		t.Errorf("codes %v after %v", fresh, old)
	}
	b.submit("/signin/codes").at("/me", 200)

	w.clock.Advance(16 * time.Minute)
	b.get("/me").sees("signin.me.fresh")
	b.submit("/me/totp/remove").at("/me/totp/remove", 422).sees("identity.refused.fresh")
	b.submit("/me/codes").at("/me/codes", 422).sees("identity.refused.fresh")
	b.get("/signin/enrol?next=/me").at("/signin", 200).sees("Osoba petr is signed in.")
	b.submit("/signin", "password", good).at("/signin/second", 200).submit("/signin/second", "code", w.code(key, 0)).at("/signin/enrol", 200)
	b.get("/me").submit("/me/totp/remove").at("/me", 200).sees("signin.saved.second", "signin.me.second.none")
	b.post("/me/passkeys/remove", url.Values{"id": {"none"}}).at("/me/passkeys/remove", 404)
}

func TestOrganisations(t *testing.T) {
	w := begin(t)
	b := w.browser()
	b.enter("chief").get("/organisations").at("/organisations", 200).sees("Dispečink Liberec", "signin.organisation.operator")
	b.get("/organisations/new").submit("/organisations/new", "name", "Leitstelle Ostsachsen", "country", "DE", "addresses", "1.2.3")
	b.at("/organisations/new", 422).sees("already has the address 1.2.3")
	if b.value("name") != "Leitstelle Ostsachsen" {
		t.Error("the form is not kept")
	}
	b.submit("/organisations/new", "addresses", "1.2.4\n\n 1.2.5 ").at("/organisations", 200).sees("signin.organisations.saved", "1.2.4, 1.2.5")
	all, err := w.Organisations(t.Context())
	w.must(err)
	var other identity.Organisation
	for _, o := range all {
		if !o.Operator {
			other = o
		}
	}
	page := "/organisations/" + other.ID
	b.get(page).submit(page, "name", "").at(page, 422)
	b.submit(page, "name", "Leitstelle Görlitz").at("/organisations", 200).sees("Leitstelle Görlitz")
	b.get("/organisations/none").at("/organisations/none", 404)

	w.hire(other.ID, "fremd", "administrator")
	f := w.browser()
	f.enter("fremd").get("/organisations").at("/organisations", 403)
	f.get("/people").at("/people", 200)
	if strings.Contains(f.body, `href="/organisations"`) {
		t.Error("the list of organisations is offered to whom it is closed")
	}
}

// TestDesk changes the user with a name and a PIN.
func TestDesk(t *testing.T) {
	w := begin(t)
	petr, anna := w.hire("", "petr", "dispatcher"), w.hire("", "anna", "dispatcher", "shift_leader")
	desk := w.browser()
	desk.get("/desk").at("/signin", 200) // no desk yet
	desk.enter("anna").get("/desks").at("/desks", 200).sees("signin.desks.none")
	desk.submit("/desks", "desk", " ").at("/desks", 422)
	desk.submit("/desks", "desk", "Stůl 2").at("/desks", 200).sees("signin.desks.named", "Desk Stůl 2")
	desk.get("/me").sees("Desk Stůl 2").submit("/me/pin", "pin", "314159", "pin_password", good).at("/me", 200)
	before := desk.session()
	desk.get("/desk").at("/desk", 200).sees("Osoba anna is signed in.")

	// Whoever is not known here yet signs in with his name, and is known then.
	desk.get("/signin?other=").at("/signin", 200).submit("/signin", "login", "petr", "password", good).at("/", 200)
	if _, _, err := w.Pending(t.Context(), before); err == nil {
		t.Error("two people at one desk")
	}
	desk.get("/desk?next=/me").at("/desk", 200).sees("Osoba petr", "Osoba anna")
	desk.submit("/desk", "password", "314159").at("/desk", 422).sees("signin.desk.choose")
	desk.submit("/desk", "person", anna.ID, "password", "000111").at("/desk", 422).sees("identity.refused.signin")
	if !strings.Contains(desk.body, `value="`+anna.ID+`" checked`) || !strings.Contains(desk.body, `href="#password"`) {
		t.Error("the choice is not kept, or the mistake not tied to the PIN")
	}
	desk.submit("/desk", "password", "314159").at("/me", 200).sees("anna · dispatcher, shift leader", "signin.method.pin")
	// A PIN is not enough to change how one signs in.
	desk.sees("signin.me.fresh").get("/signin/enrol?next=/me").at("/signin", 200)
	if strings.Contains(desk.text(), "Password or PIN") {
		t.Error("a PIN is asked for where only the password counts")
	}

	// Change user in the menu signs out and comes back to the page.
	desk.post("/signout", url.Values{"next": {"/me"}}).at("/desk", 200)
	desk.submit("/desk", "person", petr.ID, "password", good).at("/me", 200).sees("petr · dispatcher")
	desk.get("/people").at("/people", 403)

	// Elsewhere the PIN opens nothing, and names stay at the desk.
	away := w.browser()
	away.get("/signin").submit("/signin", "login", "anna", "password", "314159").at("/signin", 422)
	away.cookies["desk_people"] = desk.cookies["desk_people"]
	away.get("/desk").at("/signin", 200)
	if strings.Contains(away.body, "Osoba anna") {
		t.Error("names are shown away from the desk")
	}
	away.cookies["desk"] = desk.cookies["desk"]
	w.must(w.Lock(t.Context(), nil, petr.ID))
	if away.get("/desk").at("/desk", 200); strings.Contains(away.body, "Osoba petr") {
		t.Error("a locked person is offered")
	}

	desk.get("/signin?other=").submit("/signin", "login", "anna", "password", good).get("/desks")
	all, err := w.Desks(t.Context(), w.here.ID)
	w.must(err)
	desk.submit("/desks/"+all[0].ID+"/remove").at("/desks", 200).sees("signin.desks.removed", "signin.desks.none")
	desk.get("/desk").at("/signin", 200)
}
