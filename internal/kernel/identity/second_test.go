package identity

import (
	"encoding/base32"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// The vectors of RFC 6238, appendix B, for SHA-1.
func TestTOTPVectors(t *testing.T) {
	key := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := hotp(key, at/totpStep, 8); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
		now := time.Unix(at, 0)
		if _, ok := checkTOTP(key, want[2:], now, 0); !ok {
			t.Errorf("at %d: %s is not taken", at, want[2:])
		}
		for _, off := range []time.Duration{-30 * time.Second, 30 * time.Second} {
			if _, ok := checkTOTP(key, want[2:], now.Add(off), 0); !ok {
				t.Errorf("at %d: not taken %v off", at, off)
			}
		}
		for _, off := range []time.Duration{-90 * time.Second, 90 * time.Second} {
			if _, ok := checkTOTP(key, want[2:], now.Add(off), 0); ok {
				t.Errorf("at %d: taken %v off", at, off)
			}
		}
		if _, ok := checkTOTP(key, want[2:], now, at/totpStep); ok {
			t.Errorf("at %d: taken a second time", at)
		}
		if _, ok := checkTOTP(key, want, now, 0); ok {
			t.Errorf("at %d: eight digits are taken", at)
		}
	}
}

// app is an authenticator app with a key.
type app struct {
	w   *world
	key []byte
}

func (a app) code() string { return hotp(a.key, a.w.clock.Now().Unix()/totpStep, totpDigits) }

// addApp puts an app on the account of a session and returns it with the session
// that goes on and the recovery codes.
func (w *world) addApp(in SignedIn) (app, SignedIn, []string) {
	w.t.Helper()
	ctx := w.t.Context()
	text, address, err := w.BeginTOTP(ctx, in.Token, "Trojmezí uzel")
	w.must(err)
	again, _, err := w.BeginTOTP(ctx, in.Token, "Trojmezí uzel")
	w.must(err)
	u, err := url.Parse(address)
	w.must(err)
	secret := u.Query().Get("secret")
	if text != again || strings.ReplaceAll(text, " ", "") != secret || u.Scheme != "otpauth" || u.Host != "totp" || u.Query().Get("issuer") != "Trojmezí uzel" || strings.Contains(address, "+") {
		w.t.Fatalf("key %q, then %q, address %q", text, again, address)
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	w.must(err)
	a := app{w, key}
	_, err = w.ConfirmTOTP(ctx, in.Token, "000000")
	w.refused(err, problem.Invalid, "identity.refused.code")
	code := a.code()
	in, err = w.ConfirmTOTP(ctx, in.Token, code[:3]+" "+code[3:])
	w.must(err)
	codes, err := w.Codes(ctx, in.Token)
	w.must(err)
	return a, in, codes
}

func TestTOTPAsSecondFactor(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	a, in, codes := w.addApp(w.enter("anna"))
	if len(codes) != recoveryCodes || w.who(in.Token) == nil {
		t.Fatalf("%d recovery codes, session %+v", len(codes), in)
	}
	w.must(w.Forget(ctx, in.Token))
	if left, err := w.Codes(ctx, in.Token); err != nil || len(left) != 0 {
		t.Errorf("codes after they were put away: %v, %v", left, err)
	}

	half := w.enter("anna")
	if half.Stage != StageSecond || w.who(half.Token) != nil {
		t.Fatalf("the password alone opens pages: %+v", half)
	}
	// Without the second factor nothing of the account can be changed.
	for name, try := range map[string]func() error{
		"BeginTOTP":           func() error { _, _, err := w.BeginTOTP(ctx, half.Token, "x"); return err },
		"ConfirmTOTP":         func() error { _, err := w.ConfirmTOTP(ctx, half.Token, a.code()); return err },
		"RemoveTOTP":          func() error { return w.RemoveTOTP(ctx, half.Token) },
		"NewRecoveryCodes":    func() error { return w.NewRecoveryCodes(ctx, half.Token) },
		"ChooseFirstPassword": func() error { _, err := w.ChooseFirstPassword(ctx, half.Token, wrong); return err },
		"BeginPasskeyEnrol":   func() error { _, err := w.BeginPasskeyEnrol(ctx, half.Token, "https://node.example"); return err },
	} {
		if err := try(); problem.KindOf(err) != problem.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The code that confirmed the key is used up; so is every code after its use.
	_, err := w.SecondCode(ctx, half.Token, a.code())
	w.refused(err, problem.Invalid, "identity.refused.code")
	w.clock.Advance(totpStep * time.Second)
	used := a.code()
	done, err := w.SecondCode(ctx, half.Token, used)
	w.must(err)
	if me := w.who(done.Token); me == nil || me.ID != anna.ID || w.who(half.Token) != nil {
		t.Fatalf("after the second factor: %+v", me)
	}
	again := w.enter("anna")
	_, err = w.SecondCode(ctx, again.Token, used)
	w.refused(err, problem.Invalid, "identity.refused.code")
	// Password and code in one step; a wrong code there leaves its trace.
	before := w.leaves("identity.session.refuse")
	_, err = w.SignIn(ctx, Credentials{Login: "anna", Password: right, Code: used})
	w.refused(err, problem.Invalid, "identity.refused.code")
	if n := w.leaves("identity.session.refuse") - before; n != 1 {
		t.Errorf("%d leaves of the wrong code", n)
	}
	w.clock.Advance(totpStep * time.Second)
	one, err := w.SignIn(ctx, Credentials{Login: "anna", Password: right, Code: a.code()})
	w.must(err)
	if one.Stage != StageDone || w.who(one.Token) == nil {
		t.Fatalf("in one step: %+v", one)
	}

	// Each recovery code works once.
	rec := func(code string) error {
		w.clock.Advance(time.Minute)
		_, err := w.SecondCode(ctx, w.enter("anna").Token, code)
		return err
	}
	w.must(rec(strings.ToLower(strings.ReplaceAll(codes[3], "-", " "))))
	w.refused(rec(codes[3]), problem.Invalid, "identity.refused.code")
	w.must(rec(codes[4]))
	if n := w.leaves("identity.recovery.use"); n != 2 {
		t.Errorf("%d leaves of recovery codes", n)
	}
	if p, err := w.Person(ctx, anna.ID); err != nil || p.Recovery != recoveryCodes-2 || !p.HasTOTP {
		t.Errorf("left: %+v, %v", p, err)
	}
	w.must(w.NewRecoveryCodes(ctx, one.Token))
	w.refused(rec(codes[5]), problem.Invalid, "identity.refused.code")

	// A sign-in of long ago changes nothing any more.
	w.clock.Advance(freshTime)
	w.refused(w.RemoveTOTP(ctx, one.Token), problem.Forbidden, "identity.refused.fresh")
	w.must(w.db.Read(ctx, func(tx *store.Tx) error { // sealed in the database
		var sealed []byte
		if err := tx.Row(`SELECT totp FROM identity_person WHERE id = $1`, anna.ID).Scan(&sealed); err != nil {
			return err
		}
		if strings.Contains(string(sealed), string(a.key)) {
			t.Error("the key lies open in the database")
		}
		return nil
	}))
	w.must(w.ResetSecond(ctx, w.chief, anna.ID))
	if in := w.enter("anna"); in.Stage != StageDone || w.who(one.Token) != nil {
		t.Errorf("after the reset: %+v", in)
	}
	for action, want := range map[string]int{"identity.totp.add": 1, "identity.second.reset": 1, "identity.recovery.create": 2} {
		if n := w.leaves(action); n != want {
			t.Errorf("%d leaves of %s", n, action)
		}
	}
}

func TestRemoveTOTP(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	_, in, _ := w.addApp(w.enter("anna"))
	w.must(w.RemoveTOTP(t.Context(), in.Token))
	if n := w.leaves("identity.totp.remove"); n != 1 {
		t.Errorf("%d leaves", n)
	}
	if in := w.enter("anna"); in.Stage != StageDone {
		t.Errorf("without the app: %+v", in)
	}
}

func TestSecondFactorIsNotGuessed(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	a, _, _ := w.addApp(w.enter("anna"))
	w.clock.Advance(time.Hour)
	half, other := w.enter("anna"), w.enter("anna")
	for range maxTries {
		_, err := w.SecondCode(t.Context(), half.Token, "000000")
		w.refused(err, problem.Invalid, "identity.refused.code")
	}
	_, err := w.SecondCode(t.Context(), half.Token, a.code()) // the session is over
	w.refused(err, problem.Unauthenticated, "")
	_, err = w.SecondCode(t.Context(), other.Token, a.code()) // and a new one does not help
	w.refused(err, problem.TooMany, "identity.refused.wait")
	_, err = w.SignIn(t.Context(), Credentials{Login: "anna", Password: right, Code: a.code()})
	w.refused(err, problem.TooMany, "identity.refused.wait")
	w.clock.Advance(30 * time.Second)
	_, err = w.SecondCode(t.Context(), other.Token, a.code())
	w.must(err)
}

func TestRolesThatNeedASecondFactor(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	w.hire("anna", "dispatcher")
	w.hire("bert", "auditor", "technician")
	w.refused(w.SetSecondRoles(ctx, w.chief, w.here.ID, []string{"king"}), problem.Invalid, "identity.input.role")
	w.must(w.SetSecondRoles(ctx, w.chief, w.here.ID, []string{"technician", administrator}))
	if needed, err := w.SecondRoles(ctx, w.here.ID); err != nil || len(needed) != 2 || !needed["technician"] {
		t.Fatalf("needed: %v, %v", needed, err)
	}
	if in := w.enter("anna"); in.Stage != StageDone {
		t.Errorf("a dispatcher is led to %q", in.Stage)
	}
	if in := w.enter("fremd"); in.Stage != StageDone {
		t.Errorf("the other organisation is led to %q", in.Stage)
	}
	in, late := w.enter("bert"), w.enter("bert")
	if in.Stage != StageEnrol || w.who(in.Token) != nil {
		t.Fatalf("a technician without a second factor: %+v", in)
	}
	// Whoever knows the password too has begun to put his own device on the account.
	_, _, err := w.BeginTOTP(ctx, late.Token, "x")
	w.must(err)
	_, done, codes := w.addApp(in)
	if me := w.who(done.Token); me == nil || len(codes) != recoveryCodes {
		t.Fatalf("after setting it up: %+v, %d codes", me, len(codes))
	}
	_, _, err = w.BeginTOTP(ctx, late.Token, "x")
	w.refused(err, problem.Conflict, "")
	_, err = w.ConfirmTOTP(ctx, late.Token, "000000")
	w.refused(err, problem.Conflict, "")
	_, err = w.BeginPasskeyEnrol(ctx, late.Token, "https://node.example")
	w.refused(err, problem.Conflict, "")
	w.must(w.SetSecondRoles(ctx, w.chief, w.here.ID, nil))
	if n := w.leaves("identity.second.require"); n != 2 {
		t.Errorf("%d leaves", n)
	}
}

// At a desk the PIN stands for the second factor only where it was given during
// the same shift.
func TestPINAndSecondFactor(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	a, _, _ := w.addApp(w.enter("anna"))
	w.must(w.SetPIN(ctx, w.acting(anna), right, "271828"))
	desk, other := w.desk("stůl 1"), w.desk("stůl 2")
	pin := func(desk string) Stage {
		t.Helper()
		w.clock.Advance(time.Minute)
		in, err := w.SignIn(ctx, Credentials{Login: "anna", Password: "271828", Desk: desk})
		w.must(err)
		return in.Stage
	}
	if s := pin(desk); s != StageSecond {
		t.Fatalf("the PIN alone leads to %q", s)
	}
	_, err := w.SignIn(ctx, Credentials{Login: "anna", Password: right, Desk: desk, Code: a.code()})
	w.must(err)
	if s := pin(desk); s != StageDone {
		t.Errorf("back at the desk: %q", s)
	}
	if s := pin(other); s != StageSecond {
		t.Errorf("at another desk: %q", s)
	}
	in, err := w.SignIn(ctx, Credentials{Login: "anna", Password: "271828", Desk: desk})
	w.must(err)
	w.refused(w.RemoveTOTP(ctx, in.Token), problem.Forbidden, "identity.refused.fresh")
	if w.Fresh(ctx, in.Token) {
		t.Error("a PIN seen over the shoulder changes how somebody signs in")
	}
	w.clock.Advance(deskAbsoluteTime - 2*time.Minute)
	if s := pin(desk); s != StageSecond {
		t.Errorf("after the shift: %q", s)
	}
	w.clock.Advance(time.Minute)
	_, err = w.SignIn(ctx, Credentials{Login: "anna", Password: right, Desk: desk, Code: a.code()})
	w.must(err)
	w.must(w.EndSessions(ctx, w.chief, anna.ID))
	if s := pin(desk); s != StageSecond {
		t.Errorf("after the administrator ended the sessions: %q", s)
	}
}

func TestReadableCodes(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		c := readable(recoverySymbols)
		if len(c) != 19 || len(typed(c)) != recoverySymbols || seen[c] {
			t.Fatalf("%q", c)
		}
		seen[c] = true
		if typed(strings.ToLower(" "+strings.ReplaceAll(c, "-", " ")+"\n")) != strings.ReplaceAll(c, "-", "") {
			t.Fatalf("%q is not read as it was written", c)
		}
	}
}

// Who saw a PIN over a shoulder can't put his own device on the account.
func TestPINSetsUpNoSecondFactor(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	w.must(w.SetPIN(ctx, w.acting(anna), right, "271828"))
	desk := w.desk("stůl 1")
	pin := Credentials{Login: "anna", Password: "271828", Desk: desk}
	in, err := w.SignIn(ctx, pin)
	w.must(err)
	if w.who(in.Token) == nil {
		t.Fatal("the PIN opens nothing")
	}
	w.must(w.SetSecondRoles(ctx, w.chief, w.here.ID, []string{"dispatcher"}))
	w.clock.Advance(time.Minute)
	_, err = w.SignIn(ctx, pin)
	w.refused(err, problem.Forbidden, "identity.refused.pin_first")
	if in := w.enter("anna"); in.Stage != StageEnrol {
		t.Errorf("with the password: %q", in.Stage)
	}
}
