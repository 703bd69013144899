package identity

import (
	"testing"
	"time"

	"trojmezi/internal/kernel/problem"
)

// Somebody who is signed in confirms a step with a code, each once; a guess is counted
// against the session, and an app alone is not enough without a session.
func TestConfirm(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	a, in, codes := w.addApp(w.enter("anna"))
	w.clock.Advance(time.Hour - time.Minute) // no fresh session
	who, err := w.Confirm(ctx, in.Token, a.code())
	w.must(err)
	if who != anna.ID {
		t.Errorf("confirmed by %s", who)
	}
	_, err = w.Confirm(ctx, in.Token, a.code())
	w.refused(err, problem.Invalid, "identity.refused.code") // the same twice
	_, err = w.Confirm(ctx, in.Token, codes[0])
	w.must(err)
	_, err = w.Confirm(ctx, in.Token, codes[0])
	w.refused(err, problem.Invalid, "identity.refused.code")
	if _, err := w.Confirm(ctx, "nobody", a.code()); err == nil {
		t.Error("without a session")
	}
	half := w.enter("anna") // has only the password
	_, err = w.Confirm(ctx, half.Token, codes[1])
	w.refused(err, problem.Conflict, "")
	for range maxTries {
		if _, err := w.Confirm(ctx, in.Token, "000000"); err == nil {
			t.Error("a wrong code was taken")
		}
	}
	if _, err := w.Confirm(ctx, in.Token, codes[2]); err == nil {
		t.Error("the session went on after wrong codes")
	}
}

// A passkey confirms a step as a code does: each challenge once, of this person, at this
// address; wrong answers end the session in the end.
func TestConfirmPasskey(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	in := w.enter("anna")
	raw, err := w.BeginConfirm(ctx, in.Token, origin)
	if err != nil || raw != nil {
		t.Fatalf("without a passkey: %s %v", raw, err)
	}
	a := w.addPasskey(in)
	_, err = w.ConfirmPasskey(ctx, in.Token, origin, a.get(parse(t, []byte(`{"publicKey":{"challenge":"AAAA","rpId":"node.example"}}`)), origin))
	w.refused(err, problem.Invalid, "identity.refused.passkey") // nobody has asked
	raw, err = w.BeginConfirm(ctx, in.Token, origin)
	w.must(err)
	answer := a.get(parse(t, raw), origin)
	who, err := w.ConfirmPasskey(ctx, in.Token, origin, answer)
	w.must(err)
	if who != anna.ID {
		t.Errorf("confirmed by %s", who)
	}
	_, err = w.ConfirmPasskey(ctx, in.Token, origin, answer)
	w.refused(err, problem.Invalid, "identity.refused.passkey") // the same twice
	half := w.enter("anna")                                     // has only the password
	if _, err := w.BeginConfirm(ctx, half.Token, origin); err == nil {
		t.Error("a session without its second factor is asked")
	}
	other := newAuthenticator()
	other.id = a.id
	for range maxTries {
		w.clock.Advance(time.Minute) // so that nobody is too fast
		raw, err := w.BeginConfirm(ctx, in.Token, origin)
		w.must(err)
		if _, err := w.ConfirmPasskey(ctx, in.Token, origin, other.get(parse(t, raw), origin)); err == nil {
			t.Error("another key was taken")
		}
	}
	if _, err := w.BeginConfirm(ctx, in.Token, origin); err == nil {
		t.Error("the session went on after wrong answers")
	}
}
