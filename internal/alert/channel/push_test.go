package channel

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/test/pushservice"
)

// A push message is encrypted for the browser alone and signed with the key the browser
// subscribed to; a service that says so ends the subscription, one that is busy is obeyed.
func TestPush(t *testing.T) {
	svc := pushservice.New(t, "mailto:push@liberec.example")
	setup := PushSetup{Contact: "push@liberec.example", InsecureLoopback: true}
	r := newRig(t, Config{List: []Setup{{Name: "push", Sort: "push", Push: setup}, {Name: "push-drill", Sort: "push", Kind: "exercise", Push: setup}}})
	drill := flood("push-drill", svc.Subscription("/drill"))
	drill.Kind, drill.Lang = store.Exercise, i18n.De
	long := official("push", svc.Subscription("/long"))
	long.Body = strings.Repeat("Hladina stoupá. ", 300)
	r.ok(r.queue(flood("push", svc.Subscription("/a")), drill, long))
	r.run(r.settled)
	public, err := r.PushKey("push")
	r.ok(err)
	ofDrill, err := r.PushKey("push-drill")
	r.ok(err)
	if public == ofDrill {
		t.Error("the exercise signs with the key of reality")
	}
	seen := map[string]Pushed{}
	for _, m := range svc.Messages() {
		if m.Err != nil {
			t.Fatal(m.Err)
		}
		var p Pushed
		r.ok(json.Unmarshal(m.Plain, &p))
		name := string(p.Kind) + " " + string(p.Origin)
		seen[name] = p
		if want := map[store.Kind]string{store.Live: public, store.Exercise: ofDrill}[p.Kind]; m.Signer != want {
			t.Errorf("%s signed with %s, want %s", name, m.Signer, want)
		}
		if m.Header.Get("Urgency") != "high" || m.Header.Get("TTL") != "86400" {
			t.Errorf("%v", m.Header)
		}
	}
	if p := seen["live notice"]; p.Title != "Smědá stoupá" || p.Mark != "" || p.Link != "https://node.example/n/1" || p.Body != "Vlastní oznámení, nikoli výstraha státního orgánu\nVoda bude v 19 hodin ve Višňové.\nOpusťte břeh.\nOznámení: Město Frýdlant" {
		t.Errorf("%+v", p)
	}
	if p := seen["exercise notice"]; p.Title != "ÜBUNG: Smědá stoupá" || p.Mark == "" {
		t.Errorf("%+v", p)
	}
	// An official text that does not fit is left out, not cut; its source is not.
	if p := seen["live warning"]; strings.Contains(p.Body, "Hladina") || !strings.Contains(p.Body, "ČHMÚ") || p.Title != official("", "").Title {
		t.Errorf("%+v", p)
	}
	notes := 0
	for _, x := range r.all() {
		if x.State != Accepted {
			t.Errorf("%+v", x)
		}
		if x.Note == noteTitle {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d receipts say that the text did not fit", notes)
	}

	// The library refuses what is not for it before anybody is asked.
	for _, target := range []string{"{}", `{"endpoint":"https://fcm.googleapis.com/x","keys":{"p256dh":"AAAA","auth":"AAAA"}}`,
		strings.Replace(svc.Subscription("/x"), svc.URL, "http://10.0.0.1", 1), strings.Replace(svc.Subscription("/x"), svc.URL, "https://intranet.example", 1)} {
		r.refused(r.queue(flood("push", target)), "channel.refuse.target.push")
	}

	svc.Answer(http.StatusTooManyRequests, "120")
	busy := flood("push", svc.Subscription("/a"))
	busy.Reference.Revision = "2"
	r.ok(r.queue(busy))
	r.run(r.settled)
	if x := r.all()[0]; x.State != Waiting || x.Next.Sub(start) < 2*time.Minute {
		t.Errorf("%+v", x)
	}
	states, err := r.States(t.Context())
	r.ok(err)
	if states[0].Status != Works {
		t.Errorf("a busy service counts as broken: %+v", states[0])
	}
	// A text that is refused says nothing of the browser.
	svc.Answer(http.StatusRequestEntityTooLarge, "")
	r.clk.Advance(10 * time.Minute)
	r.run(func() bool { return r.all()[0].State == Failed })
	if len(r.gone) != 0 {
		t.Errorf("gone: %v", r.gone)
	}
	svc.Answer(http.StatusGone, "")
	busy.Reference.Revision = "3"
	r.ok(r.queue(busy))
	r.run(func() bool { return r.all()[0].State == Failed })
	if len(r.gone) != 1 || !strings.Contains(r.gone[0], "/a") {
		t.Errorf("gone: %v", r.gone)
	}
}
