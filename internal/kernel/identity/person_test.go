package identity

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

func TestInvitation(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	n := NewPerson{Organisation: w.here.ID, Login: "Anna.Nova", Name: "Anna Nová", Lang: "cs", Roles: []string{"dispatcher"}, Password: right}
	p, first, err := w.Invite(ctx, w.chief, n)
	w.must(err)
	if p.HasPassword || p.Login != "anna.nova" || first.Kind != LinkInvitation || first.Path() != "/invitation/"+first.Token || !first.Expires.Equal(w.clock.Now().Add(invitationTime)) {
		t.Fatalf("invited %+v by %+v", p, first)
	}
	_, _, err = w.Invite(ctx, w.chief, n)
	w.refused(err, problem.Invalid, "identity.input.login_taken")
	// A second one, since she lost the first: only the newest is good.
	l, err := w.ResetPassword(ctx, w.chief, p.ID)
	w.must(err)
	if l.Kind != LinkInvitation {
		t.Errorf("who never signed in gets a %s", l.Kind)
	}
	gone := func(err error) { t.Helper(); w.refused(err, problem.NotFound, "identity.refused.link") }
	_, err = w.Link(ctx, LinkInvitation, first.Token)
	gone(err)
	gone(w.UseLink(ctx, LinkInvitation, first.Token, right))
	_, err = w.Link(ctx, LinkReset, l.Token)
	gone(err)
	_, err = w.Link(ctx, LinkInvitation, "")
	gone(err)
	if who, err := w.Link(ctx, LinkInvitation, l.Token); err != nil || who.ID != p.ID {
		t.Fatalf("for %+v, %v", who, err)
	}
	w.refused(w.UseLink(ctx, LinkInvitation, l.Token, "short"), problem.Invalid, "identity.input.password_short")
	w.must(w.UseLink(ctx, LinkInvitation, l.Token, right))
	gone(w.UseLink(ctx, LinkInvitation, l.Token, wrong))
	w.enter("anna.nova")
	if n := w.leaves("identity.person.invite"); n != 1 {
		t.Errorf("%d leaves", n)
	}
}

func TestReset(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	w.must(w.SetPIN(ctx, w.acting(anna), right, "271828"))
	w.enter("anna")
	l, err := w.ResetPassword(ctx, w.chief, anna.ID)
	w.must(err)
	if l.Kind != LinkReset || !l.Expires.Equal(w.clock.Now().Add(resetTime)) {
		t.Errorf("a link of kind %s until %v", l.Kind, l.Expires)
	}
	_, err = w.SignIn(ctx, Credentials{Login: "anna", Password: right})
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	if p, err := w.Person(ctx, anna.ID); err != nil || p.HasPIN || p.HasPassword {
		t.Errorf("left: %+v, %v", p, err)
	}
	w.clock.Advance(resetTime)
	w.refused(w.UseLink(ctx, LinkReset, l.Token, right), problem.NotFound, "identity.refused.link")
	// A locked person's link is void, also after unlocking.
	l, err = w.ResetPassword(ctx, w.chief, anna.ID)
	w.must(err)
	w.must(w.Lock(ctx, w.chief, anna.ID))
	w.must(w.Unlock(ctx, w.chief, anna.ID))
	w.refused(w.UseLink(ctx, LinkReset, l.Token, right), problem.NotFound, "identity.refused.link")
	_, err = w.ResetPassword(ctx, w.chief, w.chief.ID)
	w.refused(err, problem.Conflict, "identity.refused.own")
	// Two at once: one password.
	l, err = w.ResetPassword(ctx, w.chief, anna.ID)
	w.must(err)
	errs := make(chan error, 2)
	for _, pw := range []string{right, wrong} {
		go func() { errs <- w.UseLink(ctx, LinkReset, l.Token, pw) }()
	}
	a, b := <-errs, <-errs
	if (a == nil) == (b == nil) {
		t.Errorf("two uses: %v and %v", a, b)
	}
}

// A link is shown once, from the session and not from an address or a log.
func TestLinkIsKeptWithTheSession(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna, bert := w.hire("anna", "dispatcher"), w.hire("bert", "dispatcher")
	in := w.enter("chief")
	l, err := w.ResetPassword(ctx, w.chief, anna.ID)
	w.must(err)
	w.must(w.KeepLink(ctx, in.Token, l))
	if shown, err := w.ShownLink(ctx, in.Token, anna.ID); err != nil || shown == nil || shown.Token != l.Token {
		t.Errorf("shown: %+v, %v", shown, err)
	}
	if shown, err := w.ShownLink(ctx, in.Token, bert.ID); err != nil || shown != nil {
		t.Errorf("on somebody else's page: %+v, %v", shown, err)
	}
	w.must(w.db.Read(ctx, func(tx *store.Tx) error {
		var pending, hash []byte
		if err := tx.Row(`SELECT pending FROM identity_session WHERE id = $1`, in.Session).Scan(&pending); err != nil {
			return err
		}
		if err := tx.Row(`SELECT hash FROM identity_link WHERE person = $1`, anna.ID).Scan(&hash); err != nil {
			return err
		}
		if strings.Contains(string(pending)+string(hash), l.Token) {
			t.Error("the link lies open in the database")
		}
		return nil
	}))
	w.must(w.Forget(ctx, in.Token))
	if shown, err := w.ShownLink(ctx, in.Token, anna.ID); err != nil || shown != nil {
		t.Errorf("after it was put away: %+v, %v", shown, err)
	}
}

func TestCreatePerson(t *testing.T) {
	w := begin(t)
	good := NewPerson{Organisation: w.here.ID, Login: "anna", Name: "Anna", Roles: []string{"dispatcher"}, Password: right}
	for key, change := range map[string]func(*NewPerson){
		"login":          func(n *NewPerson) { n.Login = "Ánna" },
		"name":           func(n *NewPerson) { n.Name = " \u202e " },
		"lang":           func(n *NewPerson) { n.Lang = "fr" },
		"role":           func(n *NewPerson) { n.Roles = []string{"king"} },
		"password_short": func(n *NewPerson) { n.Password = "short" },
		"login_taken":    func(n *NewPerson) { n.Login = "CHIEF" },
	} {
		n := good
		change(&n)
		_, err := w.CreatePerson(t.Context(), w.chief, n)
		w.refused(err, problem.Invalid, "identity.input."+key)
		var f Faults
		if !errors.As(err, &f) || len(f) != 1 || f[0].Field == "" {
			t.Errorf("%s: %v", key, err)
		}
	}
	n := good
	n.Name = "  Anna\u202e\tNová\u0007 "
	p, err := w.CreatePerson(t.Context(), w.chief, n)
	w.must(err)
	if p.Name != "Anna Nová" {
		t.Errorf("name %q", p.Name)
	}
	if err := w.db.Read(t.Context(), func(tx *store.Tx) error {
		if got := w.Name(tx, p.ID); got != p.Name {
			t.Errorf("named %q", got)
		}
		if got := w.Name(tx, "unknown"); got != "" {
			t.Errorf("unknown is named %q", got)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	n.Login, n.Organisation = "bert", "unknown"
	_, err = w.CreatePerson(t.Context(), nil, n)
	w.refused(err, problem.NotFound, "")
}

func TestLastAdministratorStays(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	chief := w.chief.ID
	anna := w.hire("anna", "dispatcher")
	for name, err := range map[string]error{
		"himself": w.Lock(ctx, w.chief, chief), "his own role": w.SetRoles(ctx, w.chief, chief, []string{"auditor"}),
	} {
		if problem.KindOf(err) != problem.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := w.Invite(ctx, w.chief, NewPerson{Organisation: w.here.ID, Login: "new", Name: "Nový", Roles: []string{administrator}})
	w.must(err)
	w.must(w.Lock(ctx, w.chief, w.hire("locked", administrator).ID))
	// Neither who was only invited nor who is locked can take over.
	w.refused(w.Lock(ctx, nil, chief), problem.Conflict, "identity.refused.last_administrator")
	_, err = w.Delete(ctx, nil, chief)
	w.refused(err, problem.Conflict, "identity.refused.last_administrator")
	w.refused(w.SetRoles(ctx, nil, chief, []string{"auditor"}), problem.Conflict, "identity.refused.last_administrator")
	w.must(w.SetRoles(ctx, w.chief, anna.ID, []string{administrator, "dispatcher"}))
	w.must(w.Lock(ctx, w.acting(anna), chief))
}

func TestDeletion(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	in := w.enter("anna")
	w.addPasskey(in)
	w.addApp(in)
	w.must(w.SetPIN(ctx, w.acting(anna), right, "271828"))
	w.must(w.SetPreferences(ctx, w.acting(anna), Preferences{"cs", "dark", false}))
	undo, err := w.Delete(ctx, w.chief, anna.ID)
	w.must(err)
	if !undo.Equal(w.clock.Now().Add(UndoTime)) {
		t.Errorf("undo until %v", undo)
	}
	w.clock.Advance(UndoTime)
	w.must(w.Sweep(ctx))
	w.must(w.Restore(ctx, w.chief, anna.ID))
	if p, err := w.Person(ctx, anna.ID); err != nil || p.Login != "anna" || !p.HasTOTP || p.Passkeys != 1 || !p.HasPIN {
		t.Fatalf("taken back: %+v, %v", p, err)
	}
	_, err = w.Delete(ctx, w.chief, anna.ID)
	w.must(err)
	_, err = w.Delete(ctx, w.chief, anna.ID)
	w.refused(err, problem.NotFound, "")
	w.clock.Advance(UndoTime + undoGrace + time.Second)
	w.refused(w.Restore(ctx, w.chief, anna.ID), problem.Conflict, "identity.refused.undo_late")
	w.must(w.Sweep(ctx))
	w.must(w.Sweep(ctx))
	w.refused(w.Restore(ctx, w.chief, anna.ID), problem.Conflict, "identity.refused.undo_late")
	p, err := w.Person(ctx, anna.ID)
	w.must(err)
	if want := (Person{ID: anna.ID, Organisation: w.here.ID, Name: "Pan anna", SingleKeys: true, CreatedAt: anna.CreatedAt, DeletedAt: p.DeletedAt, swept: 1}); fmt.Sprintf("%+v", *p) != fmt.Sprintf("%+v", want) {
		t.Errorf("after the sweep:\n%+v\nwant\n%+v", *p, want)
	}
	w.must(w.db.Read(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"identity_passkey", "identity_recovery", "identity_link", "identity_session", "identity_visit"} {
			var n int
			if err := tx.Row(`SELECT COUNT(*) FROM `+table+` WHERE person = $1`, anna.ID).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows in %s, %v", n, table, err)
			}
		}
		return nil
	}))
	w.hire("anna", "auditor") // the name is free
	if all, err := w.ListPeople(ctx, Filter{Organisation: w.here.ID, State: "deleted"}); err != nil || len(all) != 1 || all[0].ID != anna.ID {
		t.Errorf("deleted: %+v, %v", all, err)
	}
	w.clock.Advance(DefaultKeepNames)
	w.must(w.Sweep(ctx))
	w.must(w.Sweep(ctx))
	if p, err = w.Person(ctx, anna.ID); err != nil || p.Name != "" || p.swept != 2 {
		t.Errorf("after the years: %+v, %v", p, err)
	}
	for action, want := range map[string]int{"identity.person.delete": 2, "identity.person.restore": 1, "identity.person.empty": 2} {
		if n := w.leaves(action); n != want {
			t.Errorf("%d leaves of %s, want %d", n, action, want)
		}
	}
}

// No administrator reaches into another organisation, not even the operating
// one's; what is there is answered as if it were not.
func TestNobodyReachesAcross(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	in := w.enter("anna")
	desk := w.desk("stůl 1")
	desks, err := w.Desks(ctx, w.here.ID)
	w.must(err)
	before := w.leaves("")
	for name, act := range map[string]func(by *web.Person) error{
		"Rename":         func(by *web.Person) error { return w.Rename(ctx, by, anna.ID, "Jiná", "jina") },
		"SetRoles":       func(by *web.Person) error { return w.SetRoles(ctx, by, anna.ID, []string{administrator}) },
		"Lock":           func(by *web.Person) error { return w.Lock(ctx, by, anna.ID) },
		"Unlock":         func(by *web.Person) error { return w.Unlock(ctx, by, anna.ID) },
		"Delete":         func(by *web.Person) error { _, err := w.Delete(ctx, by, anna.ID); return err },
		"Restore":        func(by *web.Person) error { return w.Restore(ctx, by, anna.ID) },
		"ResetPassword":  func(by *web.Person) error { _, err := w.ResetPassword(ctx, by, anna.ID); return err },
		"ResetSecond":    func(by *web.Person) error { return w.ResetSecond(ctx, by, anna.ID) },
		"EndSession":     func(by *web.Person) error { return w.EndSession(ctx, by, in.Session) },
		"EndSessions":    func(by *web.Person) error { return w.EndSessions(ctx, by, anna.ID) },
		"RemoveDesk":     func(by *web.Person) error { return w.RemoveDesk(ctx, by, desks[0].ID) },
		"SetSecondRoles": func(by *web.Person) error { return w.SetSecondRoles(ctx, by, w.here.ID, []string{"dispatcher"}) },
	} {
		w.refused(act(w.stranger), problem.NotFound, "")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	for name, act := range map[string]func(by *web.Person) error{
		"CreatePerson": func(by *web.Person) error {
			_, err := w.CreatePerson(ctx, by, NewPerson{Organisation: w.here.ID, Login: "spy", Name: "Spy", Roles: []string{administrator}, Password: right})
			return err
		},
		"Invite": func(by *web.Person) error {
			_, _, err := w.Invite(ctx, by, NewPerson{Organisation: w.here.ID, Login: "spy", Name: "Spy", Roles: []string{administrator}})
			return err
		},
		"CreateOrganisation": func(by *web.Person) error {
			_, err := w.CreateOrganisation(ctx, by, Organisation{Name: "X", Country: "DE"})
			return err
		},
		"ChangeOrganisation": func(by *web.Person) error {
			return w.ChangeOrganisation(ctx, by, Organisation{ID: w.there.ID, Name: "X", Country: "DE"})
		},
	} {
		if err := act(w.stranger); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A dispatcher grants no role he does not have, even at home.
	_, err = w.CreatePerson(ctx, w.acting(anna), NewPerson{Organisation: w.here.ID, Login: "spy", Name: "Spy", Roles: []string{"auditor"}, Password: right})
	w.refused(err, problem.Forbidden, "identity.refused.grant")
	w.refused(w.SetRoles(ctx, w.acting(anna), anna.ID, []string{administrator}), problem.Forbidden, "identity.refused.grant")
	// The browser of a desk here is no desk for people from there.
	other, err := w.SignIn(ctx, Credentials{Login: "fremd", Password: right, Desk: desk})
	w.must(err)
	if w.who(other.Token).Desk {
		t.Error("a stranger sits at the desk")
	}
	if n := w.leaves("") - before - 1; n != 0 {
		t.Errorf("%d leaves of what was refused", n)
	}
	if p, err := w.Person(ctx, anna.ID); err != nil || p.Login != "anna" || p.Locked || w.who(in.Token) == nil {
		t.Errorf("changed all the same: %+v, %v", p, err)
	}
	if all, err := w.ListPeople(ctx, Filter{Organisation: w.there.ID}); err != nil || len(all) != 1 {
		t.Errorf("listed there: %+v, %v", all, err)
	}
	if open, err := w.Sessions(ctx, "", w.there.ID); err != nil || len(open) != 1 || open[0].Login != "fremd" {
		t.Errorf("sessions there: %+v, %v", open, err)
	}
	if desks, err := w.Desks(ctx, w.there.ID); err != nil || len(desks) != 0 {
		t.Errorf("desks there: %+v, %v", desks, err)
	}
}

// Each change leaves one leaf of its own, and none when it fails.
func TestEachActionLeavesItsLeaf(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	me := w.acting(anna)
	for _, step := range []struct {
		action string
		act    func() error
	}{
		{"identity.person.rename", func() error { return w.Rename(ctx, w.chief, anna.ID, "Anna Nová", "anna.nova") }},
		{"identity.person.roles", func() error { return w.SetRoles(ctx, w.chief, anna.ID, []string{"dispatcher", "auditor"}) }},
		{"identity.person.preferences", func() error { return w.SetPreferences(ctx, me, Preferences{Lang: i18n.Lang("pl"), Theme: "dark"}) }},
		{"identity.person.password", func() error { return w.ChangePassword(ctx, me, right, wrong) }},
		{"identity.person.pin", func() error { return w.SetPIN(ctx, me, wrong, "271828") }},
		{"identity.person.reset", func() error { _, err := w.ResetPassword(ctx, w.chief, anna.ID); return err }},
		{"identity.second.reset", func() error { return w.ResetSecond(ctx, w.chief, anna.ID) }},
		{"identity.person.lock", func() error { return w.Lock(ctx, w.chief, anna.ID) }},
		{"identity.person.unlock", func() error { return w.Unlock(ctx, w.chief, anna.ID) }},
		{"identity.session.end_all", func() error { return w.EndSessions(ctx, w.chief, anna.ID) }},
		{"identity.second.require", func() error { return w.SetSecondRoles(ctx, w.chief, w.here.ID, []string{"auditor"}) }},
		{"identity.desk.create", func() error { return w.CreateDesk(httptest.NewRecorder(), request("/"), w.chief, "stůl 1") }},
		{"identity.desk.remove", func() error {
			desks, err := w.Desks(ctx, w.here.ID)
			w.must(err)
			return w.RemoveDesk(ctx, w.chief, desks[0].ID)
		}},
		{"identity.organisation.create", func() error {
			_, err := w.CreateOrganisation(ctx, w.chief, Organisation{Name: "Straż", Country: "PL"})
			return err
		}},
		{"identity.organisation.change", func() error {
			return w.ChangeOrganisation(ctx, w.chief, Organisation{ID: w.there.ID, Name: "Leitstelle", Country: "DE", Addresses: []string{"1.2.4"}})
		}},
		{"identity.person.delete", func() error { _, err := w.Delete(ctx, w.chief, anna.ID); return err }},
		{"identity.person.restore", func() error { return w.Restore(ctx, w.chief, anna.ID) }},
	} {
		all, own := w.leaves(""), w.leaves(step.action)
		w.must(step.act())
		if a, o := w.leaves("")-all, w.leaves(step.action)-own; a != 1 || o != 1 {
			t.Errorf("%s: %d leaves, %d of its own", step.action, a, o)
		}
	}
	all := w.leaves("")
	w.refused(w.Rename(ctx, w.chief, anna.ID, "Anna", "chief"), problem.Invalid, "identity.input.login_taken")
	w.refused(w.Lock(ctx, w.chief, "unknown"), problem.NotFound, "")
	if n := w.leaves("") - all; n != 0 {
		t.Errorf("%d leaves of what failed", n)
	}
}

func TestChangePassword(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	in, other := w.enter("anna"), w.enter("anna")
	me := w.who(in.Token)
	for range 5 {
		w.refused(w.ChangePassword(ctx, me, wrong, "úplně jiné heslo"), problem.Invalid, "identity.input.password_old")
	}
	w.refused(w.ChangePassword(ctx, me, right, wrong), problem.TooMany, "identity.refused.wait")
	w.clock.Advance(30 * time.Second)
	w.refused(w.ChangePassword(ctx, me, right, "anna"), problem.Invalid, "identity.input.password_short")
	w.must(w.ChangePassword(ctx, me, right, wrong))
	if w.who(in.Token) == nil || w.who(other.Token) != nil {
		t.Error("the other sessions must end, this one not")
	}
	_, err := w.SignIn(ctx, Credentials{Login: "anna", Password: right})
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	w.refused(w.SetPreferences(ctx, w.acting(anna), Preferences{Lang: "fr"}), problem.Invalid, "identity.input.lang")
	w.refused(w.SetPreferences(ctx, w.acting(anna), Preferences{Theme: "pink"}), problem.Invalid, "identity.input.theme")
}

func TestListPeople(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	for _, name := range []string{"Łucja Żuk", "Šárka Černá", "Jörg Groß", "adam Adam"} {
		_, err := w.CreatePerson(ctx, nil, NewPerson{Organisation: w.here.ID, Login: strings.ReplaceAll(plain(name), " ", "."), Name: name, Roles: []string{"dispatcher"}, Password: right})
		w.must(err)
	}
	for text, want := range map[string]string{"": "adam Adam, Jana Šéfová, Jörg Groß, Łucja Żuk, Šárka Černá", "cerna": "Šárka Černá", "Lucja": "Łucja Żuk", "GROSS": "Jörg Groß", "jorg.g": "Jörg Groß", "nikdo": ""} {
		all, err := w.ListPeople(ctx, Filter{Organisation: w.here.ID, Text: text})
		w.must(err)
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if all, err := w.ListPeople(ctx, Filter{Organisation: w.here.ID, Role: administrator, State: "active"}); err != nil || len(all) != 1 || all[0].Login != "chief" {
		t.Errorf("administrators: %+v, %v", all, err)
	}
	if all, err := w.ListPeople(ctx, Filter{State: "locked"}); err != nil || len(all) != 0 {
		t.Errorf("locked: %+v, %v", all, err)
	}
}

func TestSeed(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	crew := []NewPerson{{Login: "anna", Name: "Anna", Roles: []string{"dispatcher"}, Password: right}, {Login: "bert", Name: "Bert", Roles: []string{"shift_leader"}, Password: right}}
	o, first, err := w.Seed(ctx, Organisation{Name: "Straż", Country: "PL", Addresses: []string{"1.2.5"}}, crew)
	w.must(err)
	if o.Operator || len(first) != 2 || first[0].Organisation != o.ID || w.enter("bert").Person != first[1].ID {
		t.Fatalf("%+v with %+v", o, first)
	}
	before := w.leaves("")
	again, people, err := w.Seed(ctx, Organisation{Name: "Straż", Country: "PL", Addresses: []string{"1.2.5"}}, crew)
	w.must(err)
	if again.ID != o.ID || len(people) != 2 || people[0].ID != first[0].ID || w.leaves("") != before {
		t.Errorf("a second time: %+v with %+v, %d leaves", again, people, w.leaves("")-before)
	}
	_, _, err = w.Seed(ctx, Organisation{Name: "Jiná", Country: "CZ"}, crew)
	w.refused(err, problem.Invalid, "identity.input.login_taken")
	_, _, err = w.Seed(ctx, Organisation{Name: "Jiná", Country: "CZ"}, []NewPerson{{Login: "x"}})
	w.refused(err, problem.Invalid, "identity.input.login")
	if w.leaves("") != before {
		t.Error("half of it stayed")
	}
	if p, err := w.PersonByLogin(ctx, " Anna "); err != nil || p.ID != first[0].ID {
		t.Errorf("by login: %+v, %v", p, err)
	}
	_, err = w.PersonByLogin(ctx, "nobody")
	w.refused(err, problem.NotFound, "")
}

func TestOrganisations(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	for key, o := range map[string]Organisation{
		"name": {Name: " ", Country: "CZ"}, "country": {Name: "X", Country: "AT"}, "address": {Name: "X", Country: "CZ", Addresses: []string{"1.02.3"}},
		"address_taken": {Name: "X", Country: "CZ", Addresses: []string{"1.9", "1.2.3"}},
	} {
		_, err := w.CreateOrganisation(ctx, w.chief, o)
		w.refused(err, problem.Invalid, "identity.input."+key)
	}
	third, err := w.CreateOrganisation(ctx, w.chief, Organisation{Name: "Straż", Country: "PL", Addresses: []string{"1.2.6", "1.2.5", "1.2.6"}, Operator: true})
	w.must(err)
	if third.Operator || len(third.Addresses) != 2 || third.Addresses[0] != "1.2.5" {
		t.Errorf("created %+v", third)
	}
	third.Addresses = []string{"1.2.4"}
	w.refused(w.ChangeOrganisation(ctx, w.chief, third), problem.Invalid, "identity.input.address_taken")
	third.Addresses, third.Operator = []string{"1.2.7"}, true
	w.must(w.ChangeOrganisation(ctx, w.chief, third))
	w.refused(w.ChangeOrganisation(ctx, w.chief, Organisation{ID: "unknown", Name: "X", Country: "CZ"}), problem.NotFound, "")
	all, err := w.Organisations(ctx)
	w.must(err)
	operators := 0
	for _, o := range all {
		if o.Operator {
			operators++
		}
	}
	if len(all) != 3 || operators != 1 {
		t.Errorf("%d operators of %+v", operators, all)
	}
	r, err := w.DirectoryResource(ctx)
	w.must(err)
	if r.Type != "Directory" || r.Attributes["organisation"] != w.here.ID {
		t.Errorf("the list belongs to %+v", r)
	}
	_, err = w.Organisation(ctx, "unknown")
	w.refused(err, problem.NotFound, "")
}
