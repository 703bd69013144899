package identity

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// settle waits until what was written without waiting is there: writes are serial.
func (w *world) settle() {
	w.t.Helper()
	w.must(w.Sweep(w.t.Context()))
}

func TestSessionEnds(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	w.hire("anna", "dispatcher")
	in := w.enter("anna")
	w.clock.Advance(idleTime - time.Second)
	// To ask for its end is no use of it; to ask by POST, or for a page, is one.
	asked := func(method string) *web.Person {
		r := request(web.SessionStatePath, sessionCookie(in.Token))
		r.Method = method
		p, err := w.Authenticate(r)
		w.must(err)
		w.settle()
		return p
	}
	for range 2 {
		if p := asked("GET"); p == nil || !p.Ends.Equal(w.clock.Now().Add(time.Second)) || !p.Extends {
			t.Fatalf("asked a second before its end: %+v", p)
		}
	}
	if p := asked("POST"); p == nil || !p.Ends.Equal(w.clock.Now().Add(idleTime)) || !p.Extends {
		t.Fatalf("put off: %+v", p)
	}
	if p := asked("GET"); p == nil || !p.Ends.Equal(w.clock.Now().Add(idleTime)) {
		t.Errorf("after it was put off: %+v", p)
	}
	w.clock.Advance(idleTime)
	if w.who(in.Token) != nil || w.Alive(ctx, in.Session) {
		t.Fatal("goes on unused")
	}
	w.settle()
	if n := w.leaves("identity.session.expire"); n != 1 {
		t.Errorf("%d leaves of the end", n)
	}
	// Used all day, it ends all the same.
	in = w.enter("anna")
	last := w.clock.Now().Add(absoluteTime)
	for range int(absoluteTime/(30*time.Minute)) - 1 {
		w.clock.Advance(30 * time.Minute)
		p := w.who(in.Token)
		if p == nil {
			t.Fatal("ended in use")
		}
		if p.Ends.After(last) || p.Extends == p.Ends.Equal(last) {
			t.Errorf("ends %v, put off by use: %v; at the latest %v", p.Ends, p.Extends, last)
		}
		w.settle()
	}
	w.clock.Advance(30 * time.Minute)
	if w.who(in.Token) != nil {
		t.Error("goes on beyond its absolute end")
	}
	// A stream counts as use at a desk only.
	in = w.enter("anna")
	w.clock.Advance(idleTime - time.Second)
	if !w.Alive(ctx, in.Session) {
		t.Error("the stream ended before its session")
	}
	w.settle()
	w.clock.Advance(2 * time.Second)
	if w.who(in.Token) != nil {
		t.Error("an open stream keeps an ordinary browser signed in")
	}
	// Half-way steps end soon.
	w.addApp(w.enter("anna"))
	half := w.enter("anna")
	w.clock.Advance(stageTime)
	_, _, err := w.Pending(ctx, half.Token)
	w.refused(err, problem.Unauthenticated, "")
}

func TestDeskSessionStaysDuringAnIncident(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	w.hire("anna", "dispatcher")
	desk := w.desk("stůl 1")
	in, err := w.SignIn(ctx, Credentials{Login: "anna", Password: right, Desk: desk})
	w.must(err)
	for range 4 { // a quiet night: the stream alone keeps it
		w.clock.Advance(deskIdleTime - time.Minute)
		if !w.Alive(ctx, in.Session) {
			t.Fatal("ended in a quiet night")
		}
		w.settle()
	}
	w.busy = true
	w.clock.Advance(48 * time.Hour)
	w.settle()
	if w.who(in.Token) == nil || !w.Alive(ctx, in.Session) {
		t.Fatal("ended during an incident")
	}
	// While it runs nobody is told of an end, asked whenever it may be.
	for range 3 * int(heldTime/time.Minute) {
		w.clock.Advance(time.Minute)
		w.settle()
		r := request(web.SessionStatePath, sessionCookie(in.Token))
		if p, err := w.Authenticate(r); err != nil || p == nil || !p.Ends.IsZero() && p.Ends.Sub(w.clock.Now()) <= web.EndNotice {
			t.Fatalf("during an incident: %+v, %v", p, err)
		}
		w.settle()
	}
	other := w.enter("anna") // the same person at an ordinary browser
	w.clock.Advance(absoluteTime)
	if w.who(other.Token) != nil {
		t.Error("an incident keeps an ordinary browser signed in")
	}
	// It ends some minutes after the incident, so that there is time to be told.
	if !w.Alive(ctx, in.Session) {
		t.Fatal("ended during an incident")
	}
	w.settle()
	w.busy = false
	w.clock.Advance(heldTime - time.Minute - web.EndNotice)
	w.settle()
	if p := w.who(in.Token); p == nil || p.Ends.IsZero() || p.Ends.Sub(w.clock.Now()) < web.EndNotice || p.Ends.Sub(w.clock.Now()) > heldTime {
		t.Errorf("right after the incident: %+v", p)
	}
	w.clock.Advance(heldTime)
	if w.who(in.Token) != nil {
		t.Error("goes on after the incident")
	}
	// A desk of another organisation does not care about incidents here.
	rec := httptest.NewRecorder()
	w.must(w.CreateDesk(rec, request("/"), w.stranger, "Tisch 1"))
	in, err = w.SignIn(ctx, Credentials{Login: "fremd", Password: right, Desk: rec.Result().Cookies()[0].Value})
	w.must(err)
	w.busy = true
	w.clock.Advance(deskAbsoluteTime)
	if w.who(in.Token) != nil {
		t.Error("somebody else's incident keeps it")
	}
}

func TestSignOut(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	in := w.enter("anna")
	watch := w.db.Watch(TopicPeople)
	defer watch.Close()
	w.must(w.SignOut(t.Context(), in.Token))
	<-watch.C()
	if w.who(in.Token) != nil || w.Alive(t.Context(), in.Session) {
		t.Error("still signed in")
	}
	w.must(w.SignOut(t.Context(), in.Token))
	if n := w.leaves("identity.session.end"); n != 1 {
		t.Errorf("%d leaves", n)
	}
}

func TestSessionsEndAtOnce(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna := w.hire("anna", "dispatcher")
	w.hire("bert", "dispatcher")
	for name, act := range map[string]func(in SignedIn) error{
		"by the administrator":      func(in SignedIn) error { return w.EndSession(ctx, w.chief, in.Session) },
		"all by the administrator":  func(SignedIn) error { return w.EndSessions(ctx, w.chief, anna.ID) },
		"when the person is locked": func(SignedIn) error { return w.Lock(ctx, w.chief, anna.ID) },
		"when he is deleted":        func(SignedIn) error { _, err := w.Delete(ctx, w.chief, anna.ID); return err },
		"when the password is reset": func(SignedIn) error {
			l, err := w.ResetPassword(ctx, w.chief, anna.ID)
			w.must(err)
			w.must(w.UseLink(ctx, LinkReset, l.Token, right))
			return nil
		},
	} {
		in, other := w.enter("anna"), w.enter("bert")
		if open, err := w.Sessions(ctx, anna.ID, ""); err != nil || len(open) != 1 || open[0].ID != in.Session || open[0].Login != "anna" {
			t.Fatalf("%s: open %+v, %v", name, open, err)
		}
		w.must(act(in))
		if w.who(in.Token) != nil || w.Alive(ctx, in.Session) {
			t.Errorf("%s: goes on", name)
		}
		if open, err := w.Sessions(ctx, anna.ID, ""); err != nil || len(open) != 0 {
			t.Errorf("%s: still listed: %+v, %v", name, open, err)
		}
		if w.who(other.Token) == nil {
			t.Errorf("%s: a colleague is out too", name)
		}
		switch p, err := w.Person(ctx, anna.ID); {
		case err != nil:
			t.Fatal(err)
		case p.Locked:
			w.must(w.Unlock(ctx, w.chief, anna.ID))
		case !p.DeletedAt.IsZero():
			w.must(w.Restore(ctx, w.chief, anna.ID))
		}
	}
	// Ending one's own leaves the one in use.
	one, two := w.enter("anna"), w.enter("anna")
	w.must(w.EndSessions(ctx, w.who(one.Token), anna.ID))
	if w.who(one.Token) == nil || w.who(two.Token) != nil {
		t.Error("the wrong one ended")
	}
}

func TestRoleChangeTakesEffectAtOnce(t *testing.T) {
	w := begin(t)
	anna := w.hire("anna", "dispatcher")
	in := w.enter("anna")
	opened := w.who(in.Token) // a stream keeps whom it was opened for
	if !w.Unchanged(t.Context(), opened) {
		t.Error("changed before the change")
	}
	w.must(w.SetRoles(t.Context(), w.chief, anna.ID, []string{"auditor", "auditor"}))
	if w.Unchanged(t.Context(), opened) || !w.Alive(t.Context(), opened.Session) {
		t.Error("a stream goes on with the rights of before")
	}
	if me := w.who(in.Token); me == nil || len(me.Roles) != 1 || me.Roles[0] != "auditor" {
		t.Errorf("after the change: %+v", me)
	}
}

func TestCookies(t *testing.T) {
	w := begin(t)
	set := func(r *http.Request) *http.Cookie {
		rec := httptest.NewRecorder()
		w.SetCookie(rec, r, "token")
		return rec.Result().Cookies()[0]
	}
	plain := httptest.NewRequest("GET", "http://127.0.0.1:8080/", nil)
	c := set(plain)
	if c.Name != "session-8080" || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 0 {
		t.Errorf("on the machine itself: %+v", c)
	}
	c = set(request("/"))
	if c.Name != "__Host-session" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("over TLS: %+v", c)
	}
	// Behind a proxy that ends TLS the configured address says what the browser sees.
	w.o.Config.URL = "https://node.example"
	if c = set(plain); c.Name != "__Host-session" || !c.Secure {
		t.Errorf("behind a proxy: %+v", c)
	}
	// A cookie that a neighbouring host could plant is not read.
	w.hire("anna", "dispatcher")
	in := w.enter("anna")
	r := request("/", &http.Cookie{Name: "session", Value: in.Token})
	if p, err := w.Authenticate(r); p != nil || err != nil {
		t.Errorf("read from the unbound name: %+v, %v", p, err)
	}
	rec := httptest.NewRecorder()
	w.ClearCookie(rec, r)
	if c := rec.Result().Cookies()[0]; c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("taken back: %+v", c)
	}
	// Without an address a proxy still means TLS to the browser.
	w.o.Config.URL, w.o.Config.Proxied = "", true
	if c = set(plain); c.Name != "__Host-session" || !c.Secure {
		t.Errorf("behind a proxy without an address: %+v", c)
	}
}

func TestWorkedHere(t *testing.T) {
	w := begin(t)
	ctx := t.Context()
	anna, bert, gone := w.hire("anna", "dispatcher"), w.hire("bert", "dispatcher"), w.hire("gone", "dispatcher")
	desk := &http.Cookie{Name: "__Host-desk", Value: w.desk("stůl 1")}
	var kept *http.Cookie
	browser := func() *http.Request {
		if kept == nil {
			return request("/", desk)
		}
		return request("/", desk, kept)
	}
	for _, id := range []string{anna.ID, w.stranger.ID, "unknown", gone.ID, bert.ID, anna.ID} {
		rec := httptest.NewRecorder()
		w.WorksHere(rec, browser(), id)
		kept = rec.Result().Cookies()[0]
	}
	w.must(w.Lock(ctx, w.chief, gone.ID))
	here, err := w.WorkedHere(browser())
	w.must(err)
	if len(here) != 2 || here[0].ID != anna.ID || here[1].ID != bert.ID {
		t.Errorf("offered: %+v", here)
	}
	// The cookie alone, away from the desk, names nobody.
	if here, err = w.WorkedHere(request("/", kept)); err != nil || here != nil {
		t.Errorf("without the desk: %+v, %v", here, err)
	}
	if here, err = w.WorkedHere(request("/", &http.Cookie{Name: "__Host-desk", Value: "invented"}, kept)); err != nil || here != nil {
		t.Errorf("at an invented desk: %+v, %v", here, err)
	}
}

// On a disk that hangs a page must still open, to say that nothing can be stored.
func TestHungDiskKeepsNobodyOut(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	in := w.enter("anna")
	hold, held := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- w.db.Write(context.Background(), func(*store.Tx) error {
			close(held)
			<-hold
			return nil
		})
	}()
	<-held
	for w.db.TryWriteLater(func(*store.Tx) error { return nil }) {
	}
	w.clock.Advance(seenEvery)
	came := make(chan bool, 1)
	go func() { came <- w.who(in.Token) != nil }()
	select {
	case ok := <-came:
		if !ok {
			t.Error("not signed in any more")
		}
	case <-time.After(20 * time.Second):
		t.Error("the page waits for the disk")
	}
	close(hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
