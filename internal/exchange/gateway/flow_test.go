package gateway

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// What a desk sends reaches the foreign system's folder; it counts as read when the
// system's machine says that it has it, and not before.
func TestOut(t *testing.T) {
	r := newRig(t, clock.System())
	r.start()
	e := r.post(desk, czech, uuid(1), "Brand am Fluss", 600)
	r.until("the file", func() bool { return len(r.outbox("hzs")) == 1 })
	file := e.MessageID + ".xml"
	if body := r.outbox("hzs")[file]; !strings.Contains(body, "Brand am Fluss") || !strings.Contains(body, "<Prijemce>cz.hzs.lbk</Prijemce>") || !strings.Contains(body, "<Odesilatel>de.node</Odesilatel>") {
		t.Fatalf("%v", r.outbox("hzs"))
	}
	if r.receipt(e.ID).Ended() {
		t.Error("it counts as read before the system said so")
	}
	r.drop("hzs", "1.xml", r.say(sentence{id: uuid(2), body: confirms(e.MessageID)}))
	r.until("the receipt", func() bool { return !r.receipt(e.ID).Read.IsZero() })
	if got := r.statuses(desk, e.MessageID); len(got) != 1 || got[0] != ucri.Delivered {
		t.Errorf("statuses %v", got)
	}
	second := r.post(desk, czech, uuid(1), "Brand, zwei Verletzte", 600)
	r.until("the update", func() bool { return strings.Contains(r.outbox("hzs")[second.MessageID+".xml"], "<Zmena>") })
	r.drop("hzs", "2.xml", r.say(sentence{id: uuid(3), body: `<Chyba><NaZpravu>` + second.MessageID + `</NaZpravu><Kod>E21</Kod><Duvod>neznámý kód</Duvod></Chyba>`}))
	r.until("the refusal", func() bool { return !r.receipt(second.ID).Failed.IsZero() })
	if got := r.statuses(desk, second.MessageID); len(got) != 1 || got[0] != ucri.Refused {
		t.Errorf("statuses %v", got)
	}
	states, err := r.States(t.Context())
	if err != nil || len(states) != 1 || !states[0].Connected() || states[0].Waiting != 0 || states[0].Public || states[0].Way != "directory" {
		t.Errorf("%+v %v", states, err)
	}
}

// What the system has no message for ends at once, and its sender is told.
func TestOutImpossible(t *testing.T) {
	r := newRig(t, clock.System())
	r.start()
	var e exchange.Entry
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) (err error) {
		e, err = r.node.Post(tx, &ucri.Envelope{Source: desk, Destinations: []string{czech}, Ack: ucri.AckAll,
			Payload: ucri.Payload{AppID: "classification_catalogue", AppVersion: "1.0", SchemaID: "request", ContentType: ucri.ContentJSON, Data: `{"requestId":"` + uuid(1) + `"}`}})
		return err
	}))
	r.until("the refusal", func() bool { return !r.receipt(e.ID).Failed.IsZero() })
	if got := r.statuses(desk, e.MessageID); len(got) != 1 || got[0] != ucri.Refused || len(r.outbox("hzs")) > 0 {
		t.Errorf("statuses %v, files %v", got, r.outbox("hzs"))
	}
}

// What the foreign system sends is posted once, however often it comes, and each time
// acknowledged.
func TestIn(t *testing.T) {
	r := newRig(t, clock.System())
	r.start()
	message := r.say(sentence{id: uuid(1), event: uuid(9)})
	r.drop("hzs", "a.xml", message)
	r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
	r.until("the receipt", func() bool { return len(containing(r.outbox("hzs"), uuid(1))) == 1 })
	receipt := containing(r.outbox("hzs"), uuid(1))[0]
	if body := r.outbox("hzs")[receipt]; !strings.Contains(body, "<Potvrzeni>") {
		t.Errorf("%s", body)
	}
	e := r.got(desk)[0]
	if e.Other != czech || e.Kind != store.Live || !strings.Contains(e.Envelope.Payload.Data, uuid(9)) || !strings.Contains(e.Envelope.Payload.Data, "+420601000000") {
		t.Errorf("%+v %s", e, e.Envelope.Payload.Data)
	}
	for _, name := range []string{"a.xml", "b.xml"} { // by the same name, and by another one
		r.ok(os.Remove(filepath.Join(r.dir, "hzs", "out", receipt)))
		r.drop("hzs", name, message)
		r.until("the receipt again", func() bool { return len(containing(r.outbox("hzs"), uuid(1))) == 1 })
	}
	r.drop("hzs", "c.xml", strings.Replace(message, "Nehoda", "Požár", 1))
	r.until("the tray", func() bool { return len(r.tray()) == 1 })
	r.until("the refusal", func() bool { return len(containing(r.outbox("hzs"), "E31")) == 1 })
	if got := r.got(desk); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
	// A person's answer goes back as the answer to that message.
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := r.node.Post(tx, &ucri.Envelope{Source: desk, Destinations: []string{czech}, Payload: ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "acknowledgement",
			ContentType: ucri.ContentJSON, Data: `{"sharedIncidentId":"` + uuid(9) + `","status":"accepted","acknowledgedByDispatcherAt":"` + ucri.FormatTime(r.clk.Now()) + `"}`}})
		return err
	}))
	r.until("the answer", func() bool { return len(containing(r.outbox("hzs"), "<Odpoved>")) == 1 })
	if answer := r.outbox("hzs")[containing(r.outbox("hzs"), "<Odpoved>")[0]]; !strings.Contains(answer, "<NaZpravu>"+uuid(1)+"</NaZpravu>") || !strings.Contains(answer, "prijato") {
		t.Errorf("%s", answer)
	}
	// A change that arrives after a newer one is acknowledged and not shown.
	change := func(id, sent string) string {
		return strings.NewReplacer("<Udalost>", "<Zmena>", "</Udalost>", "</Zmena>", "Nehoda", "Nehoda "+id).Replace(r.say(sentence{id: id, event: uuid(9), sent: sent}))
	}
	now := r.clk.Now()
	r.drop("hzs", "d.xml", change(uuid(20), now.Add(time.Minute).Format(time.RFC3339)))
	r.until("the change", func() bool { return len(r.got(desk)) == 2 })
	r.drop("hzs", "e.xml", change(uuid(21), now.Add(30*time.Second).Format(time.RFC3339)))
	r.until("the receipt of the older one", func() bool { return len(containing(r.outbox("hzs"), uuid(21))) == 1 })
	if got := r.got(desk); len(got) != 2 {
		t.Errorf("%d messages after an older change", len(got))
	}
}

// What cannot be taken waits in the tray with its bytes and a diagnosis in every
// language; a person corrects it once, or says why not.
func TestTray(t *testing.T) {
	r := newRig(t, clock.System())
	r.start()
	cases := map[string]string{
		"not readable":      "<DatovaVeta",
		"no text":           "\xff\xfe\x00",
		"empty":             "",
		"for nobody":        r.say(sentence{id: uuid(1), event: uuid(9), to: "de.nobody"}),
		"an exercise":       r.say(sentence{id: uuid(2), event: uuid(9), mode: "cviceni"}),
		"too late":          r.say(sentence{id: uuid(3), event: uuid(9), sent: "2020-01-01T00:00:00Z", until: "2020-01-01T01:00:00Z"}),
		"breaks the schema": strings.Replace(r.say(sentence{id: uuid(4), event: uuid(9)}), "<Typ>3200</Typ>", "<Typ>xx</Typ>", 1),
		"of nobody known":   strings.Replace(r.say(sentence{id: uuid(5), event: uuid(9)}), "cz.hzs.lbk", "cz.hzs.xxx", 1),
		"about an unknown":  r.say(sentence{id: uuid(6), body: `<Ukonceni><IdUdalosti>` + uuid(77) + `</IdUdalosti><Vysledek>vyreseno</Vysledek><Cas>2026-11-30T10:00:00Z</Cas></Ukonceni>`}),
		"a stray refusal":   r.say(sentence{id: uuid(7), body: `<Chyba><NaZpravu>` + uuid(88) + `</NaZpravu><Kod>E21</Kod></Chyba>`}),
		"at sea":            strings.Replace(r.say(sentence{id: uuid(8), event: uuid(9)}), "<Sirka>50.85", "<Sirka>95", 1),
		"an entity":         `<!DOCTYPE x [<!ENTITY a "b">]>` + r.say(sentence{id: uuid(10), event: uuid(9)}),
	}
	n := 0
	for name, body := range cases {
		r.drop("hzs", strings.ReplaceAll(name, " ", "-")+".xml", body)
		n++
	}
	r.until("the tray", func() bool { return len(r.tray()) == n })
	if got := r.got(desk); len(got) > 0 {
		t.Errorf("%d messages were posted", len(got))
	}
	byText := map[string]Item{}
	for _, v := range r.tray() {
		full, err := r.Item(t.Context(), "tech", v.ID)
		r.ok(err)
		byText[string(full.Body)] = full
		for _, l := range i18n.Langs {
			if text := r.texts.Text(l, full.Diagnosis.Key, full.Diagnosis.Args); text == "" {
				t.Errorf("%s has no text", full.Diagnosis.Key)
			}
			if full.Diagnosis.Place != "" {
				r.texts.Text(l, full.Diagnosis.Place, full.Diagnosis.With)
			}
		}
	}
	for name, body := range cases {
		if _, ok := byText[body]; !ok {
			t.Errorf("the bytes of %q are not in the tray", name)
		}
	}
	if v := byText[cases["an exercise"]]; v.Kind != store.Exercise || v.Diagnosis.Key != "adapter.refusal.not_live" {
		t.Errorf("%+v", v.Diagnosis)
	}
	for code, id := range map[string]string{"E41": uuid(1), "E42": uuid(2), "E40": uuid(3), "E30": uuid(6)} {
		r.until("the refusal "+code, func() bool { return len(containing(r.outbox("hzs"), "<NaZpravu>"+id+"</NaZpravu>", "<Kod>"+code)) == 1 })
	}
	// Corrected, it is processed once.
	v := byText[cases["for nobody"]]
	right := []byte(strings.Replace(cases["for nobody"], "de.nobody", "de.node", 1))
	copied, err := r.Correct(t.Context(), "tech", v.ID, right)
	r.ok(err)
	r.until("the corrected one", func() bool { return len(r.got(desk)) == 1 })
	if _, err := r.Correct(t.Context(), "tech", v.ID, right); problem.KindOf(err) != problem.Conflict {
		t.Errorf("corrected twice: %v", err)
	}
	full, err := r.Item(t.Context(), "tech", v.ID)
	if err != nil || full.Copy != copied || full.EndedBy != "Frau tech" || string(full.Body) != cases["for nobody"] {
		t.Errorf("%+v %v", full, err)
	}
	if full, err = r.Item(t.Context(), "tech", copied); err != nil || full.State != "posted" || full.Parent != v.ID || len(full.Loss) == 0 {
		t.Errorf("%+v %v", full, err)
	}
	// Corrected wrongly, it waits again, as its copy.
	v = byText[cases["not readable"]]
	_, err = r.Correct(t.Context(), "tech", v.ID, []byte("<DatovaVeta/>"))
	r.ok(err)
	r.until("the copy", func() bool { return len(r.tray()) == n-1 })
	// Dismissed, with a reason.
	v = byText[cases["an exercise"]]
	if err := r.Dismiss(t.Context(), "tech", v.ID, "  "); problem.KindOf(err) != problem.Invalid {
		t.Errorf("dismissed without a reason: %v", err)
	}
	r.ok(r.Dismiss(t.Context(), "tech", v.ID, "Die Übung war nicht angemeldet"))
	if err := r.Dismiss(t.Context(), "tech", v.ID, "x"); problem.KindOf(err) != problem.Conflict {
		t.Errorf("dismissed twice: %v", err)
	}
	if full, err = r.Item(t.Context(), "tech", v.ID); err != nil || full.State != "dismissed" || full.Note != "Die Übung war nicht angemeldet" {
		t.Errorf("%+v %v", full, err)
	}
	if len(r.got(desk)) != 1 || len(r.tray()) != n-2 {
		t.Errorf("%d messages, %d in the tray", len(r.got(desk)), len(r.tray()))
	}
}

// An exercise goes to a test address, and out of one everything says that it is a test.
func TestExercise(t *testing.T) {
	r := newRig(t, clock.System(), folder("test", testCz))
	r.start()
	r.drop("test", "1.xml", r.say(sentence{id: uuid(1), event: uuid(9), mode: "cviceni", to: "de.test"}))
	r.drop("test", "2.xml", r.say(sentence{id: uuid(2), event: uuid(8), mode: "cviceni", to: "de.node"}))
	r.drop("test", "3.xml", r.say(sentence{id: uuid(3), event: uuid(7), to: "de.test"})) // real
	r.until("the exercise", func() bool { return len(r.got(testDesk)) == 1 && len(r.tray()) == 2 })
	if len(r.got(desk)) > 0 {
		t.Errorf("an exercise reached a live desk")
	}
	for _, v := range r.tray() {
		if want := map[string]string{uuid(2): "exchange.refuse.kind", uuid(3): "gateway.tray.real"}[v.Foreign]; v.Reason != want {
			t.Errorf("%s: %s, want %s", v.Foreign, v.Reason, want)
		}
	}
	if e := r.got(testDesk)[0]; !strings.Contains(e.Envelope.Payload.Data, "EXERCISE") {
		t.Errorf("%s", e.Envelope.Payload.Data)
	}
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := r.node.Post(tx, &ucri.Envelope{Source: testDesk, Destinations: []string{testCz}, Payload: ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "acknowledgement",
			ContentType: ucri.ContentJSON, Data: `{"sharedIncidentId":"` + uuid(9) + `","status":"accepted","acknowledgedByDispatcherAt":"` + ucri.FormatTime(r.clk.Now()) + `"}`}})
		return err
	}))
	r.until("the answer", func() bool { return len(containing(r.outbox("test"), "<Odpoved>", "<Rezim>cviceni</Rezim>")) == 1 })
	e := r.post(testDesk, testCz, uuid(30), "Brand", 600)
	r.until("the file", func() bool { return strings.Contains(r.outbox("test")[e.MessageID+".xml"], "<Rezim>test</Rezim>") })
}

// One dead line stops no other; its messages go out in their order when it works, and
// those that expired meanwhile do not.
func TestDeadLine(t *testing.T) {
	clk := clock.Fake(time.Now())
	r := newRig(t, clk, folder("dead", czech), folder("well", other))
	block := filepath.Join(r.dir, "dead", "out") // a file where the folder belongs
	r.ok(os.MkdirAll(filepath.Dir(block), 0o700))
	r.ok(os.WriteFile(block, nil, 0o600))
	r.start()
	short := r.post(desk, czech, uuid(1), "kurz", 60)
	var late []exchange.Entry
	for n := range 5 {
		late = append(late, r.post(desk, czech, uuid(10+n), "lang", 3600))
		r.post(desk, other, uuid(20+n), "lang", 3600)
	}
	r.until("the other line", func() bool { return len(r.outbox("well")) == 5 })
	r.until("a diagnosis", func() bool {
		s, err := r.States(t.Context())
		return err == nil && s[0].Failure == "transport.failure.folder" && !s[0].Down.IsZero() && s[0].Waiting == 6 && s[1].Connected()
	})
	clk.Advance(2 * time.Minute)
	r.ok(os.Remove(block))
	r.until("its messages", func() bool { clk.Advance(time.Second); return len(r.outbox("dead")) == 5 })
	if _, there := r.outbox("dead")[short.MessageID+".xml"]; there {
		t.Error("an expired message went out")
	}
	var last time.Time
	for _, e := range late {
		info, err := os.Stat(filepath.Join(r.dir, "dead", "out", e.MessageID+".xml"))
		r.ok(err)
		if info.ModTime().Before(last) {
			t.Errorf("%s overtook another", e.MessageID)
		}
		last = info.ModTime()
	}
	r.until("the expiry", func() bool { return r.receipt(short.ID).Expired })
	if got := r.statuses(desk, short.MessageID); len(got) != 1 || got[0] != ucri.TimedOut {
		t.Errorf("statuses %v", got)
	}
}

// After a restore nothing goes out before a person says so: it may have gone out before.
func TestHeld(t *testing.T) {
	r := newRig(t, clock.System())
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error { return tx.SetSetting("exchange.held", "restore") }))
	r.start()
	r.post(desk, czech, uuid(1), "Brand", 600)
	r.until("that it waits", func() bool { s, err := r.States(t.Context()); return err == nil && s[0].Waiting == 1 })
	time.Sleep(300 * time.Millisecond)
	if len(r.outbox("hzs")) > 0 {
		t.Error("it went out")
	}
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error { return exchange.Release(tx) }))
	r.until("the file", func() bool { return len(r.outbox("hzs")) == 1 })
}

// Without a receipt the same bytes go out again.
func TestResend(t *testing.T) {
	c := folder("hzs", czech)
	c.Resend = minResend
	r := newRig(t, clock.System(), c)
	r.start()
	e := r.post(desk, czech, uuid(1), "Brand", 600)
	name := e.MessageID + ".xml"
	r.until("the file", func() bool { return r.outbox("hzs")[name] != "" })
	first := r.outbox("hzs")[name]
	r.ok(os.Remove(filepath.Join(r.dir, "hzs", "out", name)))
	r.until("the file again", func() bool { return r.outbox("hzs")[name] == first })
	r.drop("hzs", "1.xml", r.say(sentence{id: uuid(2), body: `<Chyba><NaZpravu>` + e.MessageID + `</NaZpravu><Kod>E50</Kod></Chyba>`}))
	r.ok(os.Remove(filepath.Join(r.dir, "hzs", "out", name)))
	r.until("the file after a busy answer", func() bool { return r.outbox("hzs")[name] == first })
	if r.receipt(e.ID).Ended() {
		t.Error("it ended without a receipt")
	}
}

// The policy comes before the adapter: what it takes out is in no byte that leaves, and
// what it refuses its sender hears.
func TestDisclose(t *testing.T) {
	r := newRig(t, clock.System())
	r.deps.Disclose = func(_ *store.Tx, e exchange.Entry, m *convert.Message) error {
		if e.Own != czech || e.Other != desk {
			return errors.New("other addresses")
		}
		if strings.Contains(m.Incident.What.Text, "geheim") {
			return problem.New("test", problem.Forbidden, "gateway.not_found", nil)
		}
		for _, c := range m.Incident.Callers {
			m.KeepBack(c.Phone.Origin.Path, c.Family.Origin.Path)
		}
		return nil
	}
	r.again()
	r.start()
	e, secret := r.post(desk, czech, uuid(1), "Brand", 600), r.post(desk, czech, uuid(2), "geheim", 600)
	r.until("the file", func() bool { return len(r.outbox("hzs")) == 1 })
	if body := r.outbox("hzs")[e.MessageID+".xml"]; !strings.Contains(body, "Brand") || strings.Contains(body, "601000000") || strings.Contains(body, "Nováková") {
		t.Errorf("%s", body)
	}
	r.until("the refusal", func() bool { return !r.receipt(secret.ID).Failed.IsZero() })
}

// Nobody reads a message in time: the foreign machine is told.
func TestUndelivered(t *testing.T) {
	clk := clock.Fake(time.Now())
	r := newRig(t, clk)
	r.start()
	r.drop("hzs", "1.xml", r.say(sentence{id: uuid(1), event: uuid(9), until: clk.Now().Add(time.Minute).Format(time.RFC3339)}))
	r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
	r.until("that nobody read it", func() bool { clk.Advance(5 * time.Second); return len(containing(r.outbox("hzs"), "<Chyba>")) == 1 })
}

// A message that cannot be written holds up those of its own incident and no other. It
// stands in the list with its reason, and goes out in its order once it can be.
func TestUnwritten(t *testing.T) {
	clk := clock.Fake(time.Now())
	r := newRig(t, clk)
	var broken atomic.Bool
	broken.Store(true)
	r.deps.Disclose = func(_ *store.Tx, _ exchange.Entry, m *convert.Message) error {
		if broken.Load() && strings.Contains(m.Incident.What.Text, "kaputt") {
			return errors.New("a rule that cannot be read")
		}
		return nil
	}
	r.again()
	first, second := r.post(desk, czech, uuid(1), "kaputt", 3600), r.post(desk, czech, uuid(1), "danach", 3600)
	short := r.post(desk, czech, uuid(2), "kaputt kurz", 60)
	for n := range 3 {
		r.post(desk, czech, uuid(10+n), "gut", 3600)
	}
	r.start()
	r.until("the others", func() bool { return len(r.outbox("hzs")) == 3 })
	third := r.post(desk, czech, uuid(1), "zuletzt", 3600)
	s := r.site()
	r.until("all in the list", func() bool {
		states, err := r.States(t.Context())
		return err == nil && states[0].Waiting == 7 && len(r.outbox("hzs")) == 3
	})
	if status, page, _ := ask(t, s, "o/technician", root+"/hzs", i18n.De, nil); status != http.StatusOK || strings.Count(page, r.texts.Text(i18n.De, unwritten, nil)) != 4 {
		t.Errorf("%d: %s", status, page)
	}
	if status, page, _ := ask(t, s, "o/technician", root+"/hzs/out/1", i18n.De, nil); status != http.StatusOK || strings.Contains(page, r.texts.Text(i18n.De, "gateway.deleted", nil)) {
		t.Errorf("%d: %s", status, page)
	}
	clk.Advance(2 * time.Minute)
	broken.Store(false)
	r.until("all", func() bool { clk.Advance(time.Second); return len(r.outbox("hzs")) == 6 })
	if _, there := r.outbox("hzs")[short.MessageID+".xml"]; there {
		t.Error("an expired message went out")
	}
	r.until("its end", func() bool { return r.receipt(short.ID).Expired })
	out := r.outbox("hzs")
	if !strings.Contains(out[first.MessageID+".xml"], "<Udalost>") || !strings.Contains(out[second.MessageID+".xml"], "<Zmena>") || !strings.Contains(out[third.MessageID+".xml"], "zuletzt") {
		t.Errorf("%v", out)
	}
	at := func(e exchange.Entry) time.Time {
		info, err := os.Stat(filepath.Join(r.dir, "hzs", "out", e.MessageID+".xml"))
		r.ok(err)
		return info.ModTime()
	}
	if at(second).Before(at(first)) || at(third).Before(at(second)) {
		t.Error("one overtook another of its incident")
	}
}

// A row whose bytes cannot be opened any more ends, its sender is told, and what is
// behind it goes out.
func TestUnreadable(t *testing.T) {
	r := newRig(t, clock.System())
	bad, good := r.post(desk, czech, uuid(1), "Brand", 600), r.post(desk, czech, uuid(2), "Brand", 600)
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error { return ensureLine(tx, "hzs") }))
	_, err := r.gates[0].writeOut(t.Context())
	r.ok(err)
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE gateway_out SET body = $2 WHERE entry = $1`, bad.ID, []byte("not what was sealed"))
		return err
	}))
	r.start()
	r.until("the one behind", func() bool { return r.outbox("hzs")[good.MessageID+".xml"] != "" })
	if r.receipt(bad.ID).Failed.IsZero() {
		t.Error("its sender is not told")
	}
}
