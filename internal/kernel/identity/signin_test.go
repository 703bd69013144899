package identity

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

func TestSignIn(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	locked := w.hire("locked", "dispatcher")
	w.must(w.Lock(ctx, w.chief, locked.ID))
	gone := w.hire("gone", "dispatcher")
	_, err := w.Delete(ctx, w.chief, gone.ID)
	w.must(err)
	invited, _, err := w.Invite(ctx, w.chief, NewPerson{Organisation: w.here.ID, Login: "invited", Name: "Nový", Roles: []string{"auditor"}})
	w.must(err)

	before := w.leaves("identity.session.refuse")
	for i, c := range []Credentials{
		{Login: "anna", Password: wrong}, {Login: "nobody", Password: right}, {Login: "locked", Password: right}, {Login: "gone", Password: right},
		{Login: "invited", Password: right}, {Login: "invited", Password: ""}, {Login: "", Password: ""},
	} {
		_, err := w.SignIn(ctx, c)
		w.refused(err, problem.Unauthenticated, "identity.refused.signin")
		if n := w.leaves("identity.session.refuse") - before; n != i+1 {
			t.Errorf("%d leaves after refusal %d of %q", n, i+1, c.Login)
		}
	}
	in, err := w.SignIn(ctx, Credentials{Login: " Anna ", Password: right})
	w.must(err)
	if me := w.who(in.Token); in.Stage != StageDone || me == nil || me.ID != anna.ID || me.Organisation != w.here.ID || me.Desk {
		t.Fatalf("signed in %+v as %+v", in, me)
	}
	if n := w.leaves("identity.session.start"); n != 1 {
		t.Errorf("%d leaves of the start", n)
	}
	if p, err := w.Person(ctx, anna.ID); err != nil || !p.SeenAt.Equal(w.clock.Now()) {
		t.Errorf("last sign-in of %+v, %v", p, err)
	}
	if p, err := w.Person(ctx, invited.ID); err != nil || !p.SeenAt.IsZero() {
		t.Errorf("who never signed in was seen: %+v, %v", p, err)
	}
	if w.who("") != nil || w.who("invented") != nil || w.who(in.Session) != nil {
		t.Error("an invented token, or the public id, opens the session")
	}
}

// A login nobody has costs as much as one somebody has: neither the number of
// hashes nor a missing commit tells the two apart.
func TestSignInTakesAsLongForNobody(t *testing.T) {
	w := alone(t).staffed()
	w.hire("anna", "dispatcher")
	_ = nobody() // made at the first use
	took := map[string][]time.Duration{}
	for i := range 14 { // by turns, so that a busy machine is busy for both
		login := []string{"anna", "nobody"}[i%2]
		started := time.Now()
		_, err := w.SignIn(t.Context(), Credentials{Login: login, Password: wrong, Address: fmt.Sprint(i)})
		took[login] = append(took[login], time.Since(started))
		w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	}
	median := func(login string) time.Duration {
		slices.Sort(took[login])
		return took[login][len(took[login])/2]
	}
	if known, unknown := median("anna"), median("nobody"); known > 3*unknown || unknown > 3*known {
		t.Errorf("%v for a login somebody has, %v for one nobody has", known, unknown)
	}
}

func TestSignInIsLimited(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	w.hire("bert", "dispatcher")
	desk := w.desk("stůl 1")
	for i := range 10 { // many addresses, one login
		_, err := w.SignIn(t.Context(), Credentials{Login: "anna", Password: wrong, Address: fmt.Sprint("192.0.2.", i)})
		w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	}
	from := func(login, address, desk string) error {
		_, err := w.SignIn(t.Context(), Credentials{Login: login, Password: right, Address: address, Desk: desk})
		return err
	}
	w.refused(from("anna", "192.0.2.100", ""), problem.TooMany, "identity.refused.wait")
	w.must(from("anna", "192.0.2.100", desk)) // strangers do not lock the control room out
	w.must(from("bert", "192.0.2.100", ""))
	w.clock.Advance(30 * time.Second)
	w.must(from("anna", "192.0.2.100", ""))

	for i := range 30 { // one address, many logins
		_, err := w.SignIn(t.Context(), Credentials{Login: fmt.Sprint("nobody", i), Password: wrong, Address: fmt.Sprintf("2001:db8::%x", i)})
		w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	}
	w.refused(from("bert", "2001:db8::ffff", ""), problem.TooMany, "identity.refused.wait")
	w.must(from("bert", "2001:db8:0:1::1", ""))
	w.clock.Advance(time.Second)
	w.must(from("bert", "2001:db8::ffff", ""))
}

func TestDeskIsNoWayRoundTheLimits(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	desk := w.desk("stůl 1")
	for range 10 {
		_, err := w.SignIn(t.Context(), Credentials{Login: "anna", Password: wrong, Desk: desk})
		w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	}
	_, err := w.SignIn(t.Context(), Credentials{Login: "anna", Password: right, Desk: desk})
	w.refused(err, problem.TooMany, "identity.refused.wait")
}

// Inventing names does not wash away the wrong ones.
func TestLimitsAreNotFlushed(t *testing.T) {
	w := begin(t)
	for range 10 {
		w.must(w.limits.take("login", "anna"))
	}
	w.must(w.limits.take("person", "anna"))
	for i := range maxLimited + 10 {
		w.must(w.limits.take("login", fmt.Sprint(i)))
	}
	w.refused(w.limits.take("login", "anna"), problem.TooMany, "identity.refused.wait")
	if n := len(w.limits.by["login"]); n > maxLimited {
		t.Errorf("%d logins are remembered", n)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:4711": "192.0.2.1", "2001:db8::1": "2001:db8::/64", "[2001:db8::1]:4711": "2001:db8::/64",
		"fe80::1%eth0": "fe80::/64", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "": "", "made up": "made up",
	} {
		if got := network(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// A flood of sign-ins does not keep everything else from checking passwords.
func TestSignInsDoNotQueueUp(t *testing.T) {
	w := begin(t)
	for range maxWaiting {
		w.waiting <- struct{}{}
	}
	_, err := w.SignIn(t.Context(), Credentials{Login: "chief", Password: right})
	w.refused(err, problem.TooMany, "identity.refused.wait")
	<-w.waiting
	w.enter("chief")
	w.enter("chief")
}

func TestMustChange(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	p, err := w.CreatePerson(ctx, w.chief, NewPerson{Organisation: w.here.ID, Login: "anna", Name: "Anna", Roles: []string{"dispatcher"}, Password: right, MustChange: true})
	w.must(err)
	in, other := w.enter("anna"), w.enter("anna")
	if in.Stage != StagePassword || w.who(in.Token) != nil {
		t.Fatalf("the first password opens pages: %+v", in)
	}
	_, err = w.ChooseFirstPassword(ctx, in.Token, right)
	w.refused(err, problem.Invalid, "identity.input.password_same")
	_, err = w.ChooseFirstPassword(ctx, in.Token, "anna")
	w.refused(err, problem.Invalid, "identity.input.password_short")
	done, err := w.ChooseFirstPassword(ctx, in.Token, wrong)
	w.must(err)
	if me := w.who(done.Token); done.Stage != StageDone || me == nil || me.ID != p.ID {
		t.Fatalf("after choosing: %+v, %+v", done, me)
	}
	if w.who(in.Token) != nil {
		t.Error("the token from before the step still opens pages")
	}
	// Somebody else who knew the first password waits at the same step.
	_, err = w.ChooseFirstPassword(ctx, other.Token, "úplně jiné heslo")
	w.refused(err, problem.Unauthenticated, "")
	_, err = w.SignIn(ctx, Credentials{Login: "anna", Password: right})
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	_, err = w.ChooseFirstPassword(ctx, done.Token, right)
	w.refused(err, problem.Conflict, "")
	if n := w.leaves("identity.person.password"); n != 1 {
		t.Errorf("%d leaves of the new password", n)
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	for password, key := range map[string]string{
		"short": "password_short", "elevenchars": "password_short", strings.Repeat("abcdef", 22): "password_long",
		"aaaaaaaaaaaa": "password_weak", "ababababcdcd": "password_weak", "heslo123456789": "password_weak", "Passwort2026": "password_weak",
		"Trojmezí112158": "password_weak", "anna.nova1234": "password_weak", "Dispečink1234": "password_weak", "qwertzQWERTZ1": "password_weak",
		right: "", "correct horse battery staple": "", "straßenbahn-6-uhr": "",
	} {
		var f Faults
		checkPassword(&f, "password", password, "anna.nova")
		if key == "" && len(f) > 0 || key != "" && (len(f) != 1 || f[0].Key != "identity.input."+key) {
			t.Errorf("%q: %v, want %q", password, f, key)
		}
	}
}

func TestPINAtADesk(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna, bert := w.hire("anna", "dispatcher"), w.hire("bert", "dispatcher")
	me := w.acting(anna)
	for _, bad := range []string{"12345", "1234567890123", "111111", "123456", "987654", "12a456"} {
		w.refused(w.SetPIN(ctx, me, right, bad), problem.Invalid, "identity.input.pin")
	}
	w.refused(w.SetPIN(ctx, me, wrong, "271828"), problem.Invalid, "identity.input.password_old")
	w.must(w.SetPIN(ctx, me, right, "271828"))
	w.must(w.SetPIN(ctx, w.acting(bert), right, "314159"))
	desk := w.desk("stůl 1")
	pin := func(login, pin, desk string) (SignedIn, error) {
		w.clock.Advance(time.Minute)
		return w.SignIn(ctx, Credentials{Login: login, Password: pin, Desk: desk})
	}
	_, err := pin("anna", "271828", "")
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	_, err = pin("anna", "271828", "invented")
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	a, err := pin("anna", "271828", desk)
	w.must(err)
	if p := w.who(a.Token); p == nil || p.ID != anna.ID || !p.Desk {
		t.Fatalf("at the desk: %+v", p)
	}
	// Fast change: the colleague's session takes the place of the other.
	b, err := w.SignIn(ctx, Credentials{Login: "bert", Password: "314159", Desk: desk, Replaces: a.Token})
	w.must(err)
	if w.who(a.Token) != nil || w.who(b.Token).ID != bert.ID {
		t.Fatal("two people sit at one desk")
	}
	// Five wrong ones in a row, and only his password brings the PIN back.
	for range maxPINFailures {
		_, err = pin("anna", "161803", desk)
		w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	}
	_, err = pin("anna", "271828", desk)
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	_, err = pin("anna", right, desk)
	w.must(err)
	_, err = pin("anna", "271828", desk)
	w.must(err)
	// A desk of another organisation takes nobody's PIN.
	rec := httptest.NewRecorder()
	w.must(w.CreateDesk(rec, request("/"), w.stranger, "Tisch 1"))
	_, err = pin("anna", "271828", rec.Result().Cookies()[0].Value)
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	// A removed desk is no desk.
	desks, err := w.Desks(ctx, w.here.ID)
	w.must(err)
	w.must(w.RemoveDesk(ctx, w.chief, desks[0].ID))
	_, err = pin("anna", "271828", desk)
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	w.must(w.SetPIN(ctx, me, right, ""))
	if p, err := w.Person(ctx, anna.ID); err != nil || p.HasPIN {
		t.Errorf("the PIN is still there: %+v, %v", p, err)
	}
	if n := w.leaves("identity.person.pin"); n != 3 {
		t.Errorf("%d leaves of the PINs", n)
	}
}

// Many wrong PINs at once are no more tries than one after the other.
func TestPINsAtOnce(t *testing.T) {
	w := begin(t)
	anna := w.hire("anna", "dispatcher")
	w.must(w.SetPIN(t.Context(), w.acting(anna), right, "271828"))
	p, err := w.Person(t.Context(), anna.ID)
	w.must(err)
	var wg sync.WaitGroup
	var looked sync.Map
	for i := range 20 {
		wg.Go(func() {
			if _, err := w.checkPIN(context.WithoutCancel(t.Context()), p, true, fmt.Sprint(100200+i)); err != nil {
				looked.Store(i, err)
			}
		})
	}
	wg.Wait()
	looked.Range(func(_, err any) bool { t.Error(err); return true })
	if p, err = w.Person(t.Context(), anna.ID); err != nil || p.pinFailures != maxPINFailures {
		t.Fatalf("%d tries were counted, %v", p.pinFailures, err)
	}
	if ok, err := w.checkPIN(t.Context(), p, true, "271828"); ok || err != nil {
		t.Errorf("the PIN is still taken: %v, %v", ok, err)
	}
}

func TestReplacedSessionEnds(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	planted := w.enter("chief") // by whoever put his own cookie into the browser
	in, err := w.SignIn(t.Context(), Credentials{Login: "anna", Password: right, Replaces: planted.Token})
	w.must(err)
	if in.Token == planted.Token || w.who(planted.Token) != nil {
		t.Error("the session planted before goes on")
	}
	if n := w.leaves("identity.session.end"); n != 1 {
		t.Errorf("%d leaves of the end", n)
	}
}

func TestEmergency(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	login, first, err := w.CreateEmergency(ctx, w.here.ID)
	w.must(err)
	login2, password, err := w.CreateEmergency(ctx, w.here.ID)
	w.must(err)
	if login != "emergency" || login2 != login || first == password {
		t.Fatalf("sealed twice as %q, %q", login, login2)
	}
	if other, _, err := w.CreateEmergency(ctx, w.there.ID); err != nil || other != "emergency-2" {
		t.Fatalf("the other organisation's is %q, %v", other, err)
	}
	w.must(w.SetSecondRoles(ctx, w.chief, w.here.ID, []string{administrator, "dispatcher"}))
	// Whoever knows its name cannot keep it shut.
	for i := range 40 {
		_, err = w.SignIn(ctx, Credentials{Login: login, Password: wrong, Address: fmt.Sprint(i)})
		w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	}
	_, err = w.SignIn(ctx, Credentials{Login: login, Password: first})
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	if len(w.alarms) != 0 {
		t.Fatal("a wrong password rings")
	}
	in, err := w.SignIn(ctx, Credentials{Login: login, Password: password})
	w.must(err)
	me := w.who(in.Token)
	if in.Stage != StageDone || me == nil || !slices.Contains(me.Roles, "dispatcher") || !slices.Contains(me.Roles, administrator) {
		t.Fatalf("with the sealed account: %+v, %+v", in, me)
	}
	if !slices.Equal(w.alarms, []string{me.ID}) || w.leaves("identity.emergency.use") != 1 {
		t.Errorf("alarms %v, %d leaves", w.alarms, w.leaves("identity.emergency.use"))
	}
	// As typed from paper, in small letters and without hyphens.
	_, err = w.SignIn(ctx, Credentials{Login: login, Password: strings.ToLower(strings.ReplaceAll(password, "-", " "))})
	w.must(err)
	// Nobody makes it his own.
	w.refused(w.ChangePassword(ctx, me, password, right), problem.Conflict, "identity.refused.password_elsewhere")
	w.refused(w.SetPIN(ctx, me, password, "271828"), problem.Conflict, "identity.refused.password_elsewhere")
	_, _, err = w.BeginTOTP(ctx, in.Token, "x")
	w.refused(err, problem.Conflict, "")
	_, err = w.ResetPassword(ctx, w.chief, me.ID)
	w.refused(err, problem.Conflict, "identity.refused.password_elsewhere")
	w.refused(w.SetRoles(ctx, w.chief, me.ID, []string{"auditor"}), problem.Conflict, "identity.refused.roles_elsewhere")
	// An alarm that cannot be raised keeps the door shut: use unseen is worse.
	w.o.Alarm = func(*store.Tx, string, string) error { return context.DeadlineExceeded }
	if _, err = w.SignIn(ctx, Credentials{Login: login, Password: password}); err == nil {
		t.Error("it opens without an alarm")
	}
	// Sealing it again ends its sessions.
	_, _, err = w.CreateEmergency(ctx, w.here.ID)
	w.must(err)
	if w.who(in.Token) != nil {
		t.Error("its session goes on after sealing")
	}
}
