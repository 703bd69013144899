package channel

import (
	"io"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// readMail parses a mail with the standard library, which did not write it.
func readMail(t testing.TB, m taken) (h netmail.Header, subject, body string) {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	return msg.Header, subject, strings.ReplaceAll(string(raw), "\r\n", "\n")
}

// Mails go to a server of others: an own notice, an official warning word for word, an
// exercise by its own channel; what the server refuses for good is not tried again.
func TestMail(t *testing.T) {
	srv := smtpd(t)
	r := newRig(t, Config{List: []Setup{mailSetup("mail", store.Live, srv.port), mailSetup("drill", store.Exercise, srv.port)}})
	own := flood("mail", "starosta@visnova.example")
	own.Stop, own.Ack = "https://node.example/stop/abc", true
	drill := flood("drill", "starosta@visnova.example")
	drill.Kind = store.Exercise
	drill.Reference.ID = "n2"
	r.ok(r.queue(own, official("mail", "lage@kreis.example"), drill, flood("mail", "refused@visnova.example")))
	// The same again is no second message.
	r.ok(r.queue(own, official("mail", "lage@kreis.example")))
	r.run(func() bool { return len(srv.mails(t, 0)) >= 3 && r.settled() })
	if got := srv.mails(t, 3); len(got) != 3 {
		t.Fatalf("%d mails", len(got))
	}
	if got := r.states(); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"drill accepted", "mail accepted", "mail accepted", "mail failed"}) {
		t.Errorf("%v", got)
	}
	for _, m := range srv.mails(t, 3) {
		h, subject, body := readMail(t, m)
		if h.Get("Auto-Submitted") != "auto-generated" || h.Get("Content-Language") != "cs" || len(m.To) != 1 || !strings.HasSuffix(h.Get("Message-Id"), "@liberec.example>") {
			t.Errorf("%v", h)
		}
		switch {
		case h.Get("Trojmezi-Kind") != "":
			if subject != "CVIČENÍ: Smědá stoupá" || !strings.HasPrefix(body, "CVIČENÍ · ÜBUNG · ĆWICZENIA · EXERCISE\n") || h.Get("Trojmezi-Kind") != "exercise" {
				t.Errorf("exercise: %q\n%s", subject, body)
			}
		case m.To[0] == "starosta@visnova.example":
			if subject != "Smědá stoupá" || h.Get("List-Unsubscribe") != "<https://node.example/stop/abc>" {
				t.Errorf("%q %v", subject, h)
			}
			for _, want := range []string{"Vlastní oznámení, nikoli výstraha státního orgánu\n", "\nVoda bude v 19 hodin ve Višňové.\nOpusťte břeh.\n", "\nOznámení: Město Frýdlant\n", "https://node.example/n/1\n", "https://node.example/acknowledge/", "Zrušit odběr: https://node.example/stop/abc"} {
				if !strings.Contains(body, want) {
					t.Errorf("no %q in\n%s", want, body)
				}
			}
		default:
			o := official("", "")
			if subject != o.Title || !strings.Contains(body, "Úřední výstraha, předaná beze změny\n") || !strings.Contains(body, "\n"+o.Title+"\n\n"+o.Body+"\n\n"+o.Source+"\n") {
				t.Errorf("%q\n%s", subject, body)
			}
		}
	}
	if !slices.Equal(r.gone, []string{"mail refused@visnova.example"}) {
		t.Errorf("gone: %v", r.gone)
	}
	for _, x := range r.all() {
		if x.State == Failed && (!strings.Contains(x.Error, "550") || strings.Contains(x.Error, "visnova")) {
			t.Errorf("failure %q", x.Error)
		}
	}
	states, err := r.States(t.Context())
	r.ok(err)
	if states[0].Status != Works || states[0].Counts[Accepted] != 2 || states[0].Counts[Failed] != 1 {
		t.Errorf("%+v", states[0])
	}
}

// A server that is away is asked again with growing pauses, until it would be too late.
func TestRetry(t *testing.T) {
	r := newRig(t, Config{List: []Setup{mailSetup("mail", store.Live, 1)}})
	d := flood("mail", "a@b.example")
	d.Until = start.Add(20 * time.Minute)
	r.ok(r.queue(d))
	r.run(r.settled)
	x := r.all()[0]
	if x.State != Waiting || x.Attempts != 1 || !strings.Contains(x.Error, "connection refused") || x.Next.Before(start.Add(firstPause/2)) || x.Next.After(start.Add(firstPause)) {
		t.Fatalf("%+v", x)
	}
	before := x.Next.Sub(start)
	r.clk.Advance(firstPause)
	r.run(func() bool { return r.all()[0].Attempts == 2 && r.settled() })
	if pause := r.all()[0].Next.Sub(r.clk.Now()); pause < firstPause {
		t.Errorf("after a pause of %v one of %v", before, pause)
	}
	states, err := r.States(t.Context())
	r.ok(err)
	if states[0].Status != Failing || states[0].Failures != 2 {
		t.Errorf("%+v", states[0])
	}
	r.clk.Advance(time.Hour)
	r.run(func() bool { return r.all()[0].State == Expired })
	srv := smtpd(t) // comes back too late
	r.conf.List[0].SMTP.Port = srv.port
	r.open()
	r.run(r.settled)
	if len(srv.mails(t, 0)) != 0 {
		t.Error("a message was sent that had expired")
	}
}

// What a node held that was killed is sent once its lease is over, under the same id.
func TestKilledHolder(t *testing.T) {
	srv := smtpd(t)
	r := newRig(t, Config{List: []Setup{mailSetup("mail", store.Live, srv.port)}})
	r.ok(r.queue(flood("mail", "a@b.example")))
	id := r.all()[0].ID
	r.ok(r.DB.Write(t.Context(), func(tx *store.Tx) error { return hold(tx, id, "a dead worker", start, start.Add(lease)) }))
	r.open()
	r.run(func() bool { return true })
	if len(srv.mails(t, 0)) != 0 {
		t.Fatal("taken from a worker that may live")
	}
	r.clk.Advance(lease)
	r.run(func() bool { return r.all()[0].State == Accepted })
	m := srv.mails(t, 1)
	if len(m) != 1 {
		t.Fatalf("%d mails", len(m))
	}
	if h, _, _ := readMail(t, m[0]); h.Get("Message-Id") != "<"+id+"@liberec.example>" {
		t.Errorf("%v", h)
	}
}

// No more leaves in a minute than the channel bears.
func TestRate(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, Config{List: []Setup{{Name: "siren", Sort: "handover", PerMinute: 3, Handover: FolderSetup{Directory: dir}}}})
	for i := range 5 {
		d := flood("siren", "station")
		d.Reference.Revision = string(rune('1' + i))
		r.ok(r.queue(d))
	}
	sent := func() (n int) {
		for _, x := range r.all() {
			if x.State == Sent {
				n++
			}
		}
		return n
	}
	r.run(func() bool { return sent() == 3 })
	r.run(func() bool { return true })
	if n := sent(); n != 3 {
		t.Fatalf("%d left in the first minute", n)
	}
	r.clk.Advance(time.Minute)
	r.run(func() bool { return sent() == 5 })
	files, err := filepath.Glob(filepath.Join(dir, "station.*.json"))
	if err != nil || len(files) != 5 {
		t.Errorf("%v %v", files, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 5 {
		t.Errorf("beside them: %v %v", left, err)
	}
}

// Short messages go to a gateway in another process; what does not fit is left out as a
// whole, and the receipt says so.
func TestSMS(t *testing.T) {
	gate := peer(t, start)
	dir := t.TempDir()
	secret := put(t, filepath.Join(dir, "secret"), "gateway-secret-0123\n")
	gateway := GatewaySetup{URL: gate.url("/sms"), Body: `{"to":"{to}","text":"{text}","unicode":{unicode},"ref":"{id}"}`, Headers: map[string]string{"Authorization": "Bearer {secret}"}, SecretFile: secret,
		InsecureLoopback: true, ID: "messages.0.id", Report: ReportSetup{SecretFile: secret, ID: "id", State: "status", Delivered: []string{"DELIVRD"}, Failed: []string{"UNDELIV"}}}
	form := GatewaySetup{URL: gate.url("/sms/form"), ContentType: "application/x-www-form-urlencoded", Body: "to={to}&text={text}", InsecureLoopback: true, Transliterate: true, MaxParts: 2}
	tiny := form
	tiny.MaxParts, tiny.Transliterate = 1, false
	r := newRig(t, Config{List: []Setup{{Name: "sms", Sort: "sms", Gateway: gateway}, {Name: "form", Sort: "sms", Gateway: form}, {Name: "tiny", Sort: "sms", Gateway: tiny}}})
	long := flood("form", "+420601000003")
	long.Body = strings.Repeat("Voda stoupá. ", 40)
	never := official("tiny", "+420601000004")
	r.ok(r.queue(flood("sms", "+420601000001"), flood("sms", "+420000000002"), long, never, official("sms", "+420601000005")))
	r.run(r.settled)
	byTitle := map[string]Receipt{}
	for _, x := range r.all() {
		byTitle[x.Channel+" "+string(x.State)] = x
	}
	var bodies []string
	for _, a := range gate.asked(t, 4) {
		bodies = append(bodies, a.Body)
		if a.Path == "/sms" && a.Headers["Authorization"] != "Bearer gateway-secret-0123" {
			t.Errorf("%v", a.Headers)
		}
	}
	all := strings.Join(bodies, "\n")
	for _, want := range []string{`"to":"+420601000001"`, `"unicode":true`, `Voda bude v 19 hodin ve Višňové.\nOpusťte břeh.\nOznámení: Město Frýdlant\nhttps://node.example/n/1`,
		"to=%2B420601000003&text=Smeda+stoupa%0AOpustte+breh.%0AOznameni%3A+Mesto+Frydlant%0Ahttps%3A%2F%2Fnode.example%2Fn%2F1", `Povodňové ohrožení – řeka  Smědá`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
	if x := byTitle["form accepted"]; x.Note != "short transliterated" {
		t.Errorf("note %q", x.Note)
	}
	if x := byTitle["tiny failed"]; !strings.Contains(x.Error, "too long") {
		t.Errorf("%+v", x)
	}
	if x := byTitle["sms failed"]; !strings.Contains(x.Error, "400") || strings.Contains(x.Error, "420000") {
		t.Errorf("%+v", x)
	}
	// The gateway tells later that one arrived.
	hop := byTitle["sms accepted"].Hop
	if !strings.HasPrefix(hop, "m") {
		t.Fatalf("hop %q", hop)
	}
	report := func(secret, id, state string) int {
		code, _, _ := r.do("", "POST", "/channels/sms/report?secret="+secret, map[string][]string{"id": {id}, "status": {state}})
		return code
	}
	if code := report("wrong", hop, "DELIVRD"); code != 403 {
		t.Errorf("a wrong secret: %d", code)
	}
	if code := report("gateway-secret-0123", hop, "ENROUTE"); code != 204 {
		t.Errorf("on its way: %d", code)
	}
	if code := report("gateway-secret-0123", hop, "DELIVRD"); code != 204 {
		t.Errorf("arrived: %d", code)
	}
	if code := report("gateway-secret-0123", "", ""); code != 400 && code != 422 {
		t.Errorf("nothing: %d", code)
	}
	delivered := 0
	for _, x := range r.all() {
		if x.State == Delivered {
			delivered++
			if x.Hop != hop || !x.Delivered.Equal(start) {
				t.Errorf("%+v", x)
			}
		}
	}
	if delivered != 1 || r.leaves("channel.report") != 1 {
		t.Errorf("%d delivered, %d leaves", delivered, r.leaves("channel.report"))
	}
}

// A webhook is signed; its other end, another program, refuses a changed body, an old
// signature and what it has seen.
func TestWebhook(t *testing.T) {
	end := peer(t, start)
	secret := put(t, filepath.Join(t.TempDir(), "secret"), sharedSecret+"\n")
	hook := end.url("/hook/of/receiver")
	r := newRig(t, Config{List: []Setup{{Name: "hook", Sort: "webhook", Webhook: HTTPSetup{InsecureLoopback: true, Hosts: []string{"127.0.0.1"}}}},
		Receivers: []Receiver{{Name: "Kreis", Language: "de", Places: []string{"*"}, Targets: []Target{{Channel: "hook", To: hook, SecretFile: secret}}}}})
	own := flood("hook", hook)
	own.Ack = true
	wrong := flood("hook", Hook{end.url("/hook/of/subscriber"), strings.Repeat("x", 32)}.Target())
	r.ok(r.queue(own, wrong, flood("hook", Hook{end.url("/fail/410"), sharedSecret}.Target())))
	r.refused(r.queue(flood("hook", "https://elsewhere.example/")), "channel.refuse.target.webhook")
	r.refused(r.queue(flood("hook", Hook{end.url("/x"), "short"}.Target())), "channel.refuse.target.webhook")
	r.run(r.settled)
	var good asked
	for _, a := range end.asked(t, 3) {
		switch a.Path {
		case "/hook/of/receiver":
			good = a
		case "/hook/of/subscriber":
			if a.Status != 401 || a.Why != "wrong signature" {
				t.Errorf("%+v", a)
			}
		}
	}
	if good.Status != 204 {
		t.Fatalf("%+v", good)
	}
	for _, want := range []string{`"kind":"live"`, `"origin":"notice"`, `"of":"n1"`, `"revision":"1"`, `"source":"Oznámení: Město Frýdlant"`, `"title":"Smědá stoupá"`, `"acknowledge":"https://node.example/acknowledge/`} {
		if !strings.Contains(good.Body, want) {
			t.Errorf("no %s in %s", want, good.Body)
		}
	}
	got := slices.Sorted(slices.Values(r.states()))
	if !slices.Equal(got, []string{"hook accepted", "hook failed", "hook waiting"}) {
		t.Errorf("%v", got)
	}
	if len(r.gone) != 1 || !strings.Contains(r.gone[0], "/fail/410") {
		t.Errorf("gone: %v", r.gone)
	}
	headers := func() map[string]string {
		return map[string]string{"Trojmezi-Signature": good.Headers["Trojmezi-Signature"], "Trojmezi-Id": good.Headers["Trojmezi-Id"]}
	}
	if code := post(t, hook, headers(), good.Body); code != 409 {
		t.Errorf("played again: %d", code)
	}
	if code := post(t, hook, headers(), strings.Replace(good.Body, "19 hodin", "20 hodin", 1)); code != 401 {
		t.Errorf("changed: %d", code)
	}
	if code := post(t, hook+"?later=360", headers(), good.Body); code != 401 {
		t.Errorf("after the window: %d", code)
	}
	if a := end.asked(t, 6); a[len(a)-1].Why != "too old" {
		t.Errorf("%+v", a[len(a)-1])
	}
	if code := post(t, hook+"?later=240", headers(), good.Body); code != 204 {
		t.Errorf("within the window: %d", code)
	}
}

// Neighbours' control rooms get the whole text through the exchange, in the transaction
// of the receipt.
func TestNode(t *testing.T) {
	r := newRig(t, Config{List: []Setup{{Name: "exchange", Sort: "node"}, {Name: "exchange-drill", Sort: "node", Kind: "exercise"}}})
	drill := official("exchange-drill", "1.2.3.4")
	drill.Kind, drill.Lang = store.Exercise, i18n.Pl
	r.ok(r.queue(flood("exchange", "1.2.3.4"), drill, flood("exchange", "1.2.3.9")))
	r.run(r.settled)
	if len(r.posts) != 2 {
		t.Fatalf("%+v", r.posts)
	}
	for _, m := range r.posts {
		if m.Kind == store.Exercise {
			if !strings.HasPrefix(m.Title, "ĆWICZENIA: ") || !strings.Contains(m.Text, "CVIČENÍ · ÜBUNG") || !strings.Contains(m.Text, "Urzędowe ostrzeżenie, przekazane bez zmian") || !strings.Contains(m.Text, drill.Body) {
				t.Errorf("%+v", m)
			}
		} else if m.Title != "Smědá stoupá" || !strings.Contains(m.Text, "Oznámení: Město Frýdlant") {
			t.Errorf("%+v", m)
		}
	}
	if got := slices.Sorted(slices.Values(r.states())); !slices.Equal(got, []string{"exchange accepted", "exchange waiting", "exchange-drill accepted"}) {
		t.Errorf("%v", got)
	}
}
