package identity

import (
	"bytes"
	"testing"
	"time"

	"trojmezi/internal/kernel/store"
)

const written = "note=tajn%C3%A1+zpr%C3%A1va"

// late lets somebody's session end, swept or not, and sends a form with its token.
func (w *world) late(login string, swept bool) SignedIn {
	w.t.Helper()
	in := w.enter(login)
	w.clock.Advance(idleTime)
	if swept {
		w.must(w.Sweep(w.t.Context()))
	}
	if kept, err := w.KeepForm(w.t.Context(), in.Token, "/notes?a=1", written); err != nil || !kept {
		w.t.Fatalf("kept: %v, %v", kept, err)
	}
	return in
}

// waits reports whether the form waits for the holder of a token.
func (w *world) waits(token string) bool {
	w.t.Helper()
	f, err := w.KeptForm(w.t.Context(), w.who(token))
	w.must(err)
	if f != nil && (f.Action != "/notes?a=1" || f.Fields != written || f.At.IsZero()) {
		w.t.Errorf("form %+v", f)
	}
	return f != nil
}

func (w *world) instead(login, token string) SignedIn {
	w.t.Helper()
	in, err := w.SignIn(w.t.Context(), Credentials{Login: login, Password: right, Address: "192.0.2.1", Replaces: token})
	w.must(err)
	return in
}

func TestFormWaitsForItsAuthor(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	w.hire("bert", "dispatcher")
	for _, swept := range []bool{false, true} {
		late := w.late("anna", swept)
		var forms int
		w.must(w.db.Read(ctx, func(tx *store.Tx) error {
			var raw []byte
			err := tx.Row(`SELECT form, (SELECT COUNT(*) FROM identity_ended) FROM identity_ended WHERE person = $1 AND form <> $2`, anna.ID, []byte{}).Scan(&raw, &forms)
			if bytes.Contains(raw, []byte("note")) {
				t.Error("kept in clear")
			}
			return err
		}))
		if w.waits(w.enter("anna").Token) {
			t.Error("shown in another browser")
		}
		in := w.instead("anna", late.Token)
		if !w.waits(in.Token) {
			t.Errorf("swept %v: lost", swept)
		}
		// Proving again who it is changes nothing.
		again := w.instead("anna", in.Token)
		if !w.waits(again.Token) {
			t.Error("lost by signing in again")
		}
		// Nor does a session that ended before it was sent.
		w.clock.Advance(formTime - 2*time.Minute)
		w.must(w.EndSessions(ctx, w.who(again.Token), anna.ID))
		if !w.waits(again.Token) {
			t.Error("ended with other sessions")
		}
		w.must(w.DropForm(ctx, w.who(again.Token)))
		if w.waits(again.Token) {
			t.Error("waits after it was sent")
		}
	}
	// It is kept for an hour.
	in := w.instead("anna", w.late("anna", true).Token)
	w.clock.Advance(formTime - time.Minute)
	if !w.waits(in.Token) {
		t.Error("lost within the hour")
	}
	w.settle()
	w.clock.Advance(time.Minute)
	if w.waits(in.Token) {
		t.Error("waits after an hour")
	}
	w.must(w.Sweep(ctx))
	w.must(w.db.Read(ctx, func(tx *store.Tx) error {
		var n int
		err := tx.Row(`SELECT COUNT(*) FROM identity_ended WHERE form <> $1`, []byte{}).Scan(&n)
		if n != 0 {
			t.Errorf("%d forms are left", n)
		}
		return err
	}))
}

func TestFormIsNobodyElses(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	w.hire("bert", "dispatcher")
	late := w.late("anna", true)
	bert := w.instead("bert", late.Token)
	if w.waits(bert.Token) {
		t.Fatal("shown to somebody else")
	}
	if w.waits(w.instead("anna", bert.Token).Token) || w.waits(w.instead("anna", late.Token).Token) {
		t.Error("kept after somebody else came")
	}
	for name, act := range map[string]func(in SignedIn) error{
		"signed out":   func(in SignedIn) error { return w.SignOut(ctx, in.Token) },
		"ended":        func(in SignedIn) error { return w.EndSession(ctx, w.chief, in.Session) },
		"all sessions": func(SignedIn) error { return w.EndSessions(ctx, w.chief, anna.ID) },
		"the password reset": func(SignedIn) error {
			l, err := w.ResetPassword(ctx, w.chief, anna.ID)
			w.must(err)
			return w.UseLink(ctx, LinkReset, l.Token, right)
		},
	} {
		in := w.instead("anna", w.late("anna", true).Token)
		w.must(act(in))
		if w.waits(w.instead("anna", in.Token).Token) {
			t.Errorf("%s: waits on", name)
		}
		// Whose a form was that comes with such a token is not guessed at.
		if kept, err := w.KeepForm(ctx, in.Token, "/notes", written); err != nil || kept {
			t.Errorf("%s: kept %v, %v", name, kept, err)
		}
	}
	if kept, err := w.KeepForm(ctx, "invented", "/notes", written); err != nil || kept {
		t.Errorf("a token nobody had: %v, %v", kept, err)
	}
}

// On the way back in, with steps that fail and windows that cross.
func TestFormOutlastsTheStepsOfSigningIn(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	w.hire("anna", "dispatcher")
	app, _, _ := w.addApp(w.enter("anna"))
	back := func(token string) SignedIn {
		in, err := w.SecondCode(ctx, token, app.code())
		w.must(err)
		return in
	}
	full := func() SignedIn {
		w.clock.Advance(time.Minute) // codes work once
		return back(w.enter("anna").Token)
	}
	late := full()
	w.clock.Advance(idleTime)
	w.must(w.Sweep(ctx))
	if kept, err := w.KeepForm(ctx, late.Token, "/first", "a=1"); err != nil || !kept {
		t.Fatal(kept, err)
	}
	half := w.instead("anna", late.Token)
	if half.Stage != StageSecond {
		t.Fatalf("stage %q", half.Stage)
	}
	// The telephone is not at hand: the step ends, and begins anew.
	w.clock.Advance(stageTime)
	w.must(w.Sweep(ctx))
	half = w.instead("anna", half.Token)
	// Another window sends something meanwhile: the last one counts.
	if kept, err := w.KeepForm(ctx, half.Token, "/notes?a=1", written); err != nil || !kept {
		t.Fatalf("sent half-way: %v, %v", kept, err)
	}
	if in := back(half.Token); !w.waits(in.Token) {
		t.Error("lost on the way in")
	}
}
