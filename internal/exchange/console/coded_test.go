package console

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/store"
)

// withTypes gives a room the crosswalk.
func (r *room) withTypes() *classification.Service {
	r.t.Helper()
	s, err := classification.New(r.t.Context(), classification.Options{
		DB: r.db, Node: r.node, Audit: r.audit, Clock: r.clk, Log: r.Log, Name: func(_ *store.Tx, p string) string { return names[p] },
		Addresses: func(context.Context, string) ([]string, error) { return r.org.Addresses, nil },
	})
	r.ok(err)
	r.Types = s
	return s
}

// What Liberec chooses in Czech leaves as the Saxon keyword, is read in the reader's
// language with the code beside it, and carries the Czech code along.
func TestKeywords(t *testing.T) {
	cz, de := newRooms(t)
	cz.withTypes()
	de.withTypes()
	d := accident(room2)
	d.Type, d.Issue = "Požár – dopravní prostředky", "hoří auto u D10"
	id := cz.handOver(d)
	de.state(id, Ringing)
	i := de.incident(id)
	if i.Type != "Brand 1 (klein)" || i.TypeKey != "fire.vehicle" || i.Facts.TypeCode != "cz-hzs 3100/3108" {
		t.Fatalf("%q %q %q", i.Type, i.TypeKey, i.Facts.TypeCode)
	}
	s := de.screens()
	_, page := s.as("max").get("/console/incidents/" + id)
	for _, want := range []string{"Brand – Fahrzeug · hoří auto u D10", "Brand – Fahrzeug* [Brand 1 (klein)]", "HZS (CZ) 3100/3108", "Bezeichnung ist ein Entwurf"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if _, page = s.as("ida").get("/console"); !strings.Contains(page, "Vehicle fire · hoří auto u D10") {
		t.Error("the queue is not in the reader's language")
	}
	if _, page = s.as("max").get("/console/alarms"); !strings.Contains(page, "Brand – Fahrzeug · hoří auto u D10") {
		t.Error("the alarm has no label")
	}
	// Handed on to Poland it is what happened again, not the Saxon word.
	on, err := de.HandOn(t.Context(), de.who("max"), id)
	de.ok(err)
	if on.Type != "Brand – Fahrzeug" || !strings.Contains(strings.Join(on.Remarks, "\n"), "Ursprünglicher Code: Brand 1 (klein)") {
		t.Errorf("%q %q", on.Type, on.Remarks)
	}
	if to := de.toward(on, de.org, "1.2.616.1", de.Clock.Now()); to.Type != "Pożar/środki transportu" || to.TypeCode != "de-sn Brand 1 (klein)" {
		t.Errorf("%+v", to)
	}
	// The sender sees his own words.
	_, page = cz.screens().as("jana").get("/console/incidents/" + id)
	if !strings.Contains(page, "Požár – dopravní prostředky* [Brand 1 (klein)]") {
		t.Error("the sender does not see what he chose")
	}
	// A request for resources goes under the other's keyword too, with the first behind it.
	de.ok(de.RequestResources(t.Context(), de.who("max"), id, Resources{To: []string{room1}, Want: []Request{{Type: "TLF"}}}, ""))
	cz.until("the request is there", func() bool { cz.sync(); return len(cz.incident(id).Handovers) == 2 })
	if f := cz.incident(id).Facts; strings.Join(f.Classifications, ",") != "3100/3108,Brand 1 (klein)" || f.TypeKey != "fire.vehicle" {
		t.Errorf("%q %q", f.Classifications, f.TypeKey)
	}
	// Paper and files say it in the reader's language.
	if text := s.as("ida").pdfText("/console/incidents/" + id + "/protocol.pdf"); !strings.Contains(text, "Vehicle fire*") || !strings.Contains(text, "3100/3108") {
		t.Errorf("the protocol does not say what happened:\n%s", text)
	}
	if _, page = s.as("ida").get("/console/incidents/" + id + "/print"); !strings.Contains(page, "Vehicle fire*") {
		t.Error("the print does not say what happened")
	}
	// What is closed is found by what it is called in any of the languages.
	de.ok(de.Reject(t.Context(), de.who("max"), i.Handovers[0].ID, "besetzt", ""))
	cz.ok(cz.Reject(t.Context(), cz.who("jana"), cz.incident(id).Handovers[1].ID, "nemáme", ""))
	de.until("it can be closed", func() bool { de.sync(); return de.Close(t.Context(), de.who("max"), id) == nil })
	for _, word := range []string{"Fahrzeug", "transportu", "vehicle"} {
		if _, page = s.as("ida").get("/console/archive?type=" + word); !strings.Contains(page, "Vehicle fire") {
			t.Errorf("the archive does not find it by %s", word)
		}
	}
	if _, file := s.as("ida").get("/console/archive.csv?type=Fahrzeug"); !strings.Contains(file, "Vehicle fire") {
		t.Error("the file of the archive does not say what happened")
	}
	if _, page = s.as("ida").get("/console/archive?type=Baum"); strings.Contains(page, "Vehicle fire") {
		t.Error("the archive finds it by another type")
	}
}

// A word that the crosswalk does not know stays as it is, on its way and on the screen.
func TestUnknownKeyword(t *testing.T) {
	cz, de := newRooms(t)
	cz.withTypes()
	de.withTypes()
	d := accident(room2)
	d.Type, d.Issue = "Zvláštní věc", ""
	id := cz.handOver(d)
	de.state(id, Ringing)
	if i := de.incident(id); i.Type != d.Type || i.TypeKey != "" {
		t.Errorf("%q %q", i.Type, i.TypeKey)
	}
	if _, page := de.screens().as("max").get("/console/incidents/" + id); !strings.Contains(page, "Zvláštní věc") || strings.Contains(page, "Zvláštní věc*") {
		t.Error("the word is not as it came")
	}
}

// The form offers the types in the dispatcher's language, without a script.
func TestOffered(t *testing.T) {
	cz, _ := newRooms(t)
	cz.withTypes()
	s := cz.screens()
	for who, want := range map[string]string{"jana": "Požár – lesní porost", "petr": "Pożar – las"} {
		visitor := s.as(who)
		_, page := visitor.get("/console/handover")
		if !strings.Contains(page, `list="what-list"`) || !strings.Contains(page, `<option value="`+want+`">`) {
			t.Errorf("%s is not offered %q", who, want)
		}
	}
}

// A neighbour's request for the catalogue is answered once, in its own kind, and rings
// nowhere; what he answers to ours is kept by its version and read from then on.
func TestCatalogue(t *testing.T) {
	cz, de := newRooms(t)
	types, _ := cz.withTypes(), de.withTypes()
	for _, oid := range []string{room2, test2} {
		cz.ok(types.Ask(t.Context(), "petr", cz.org.ID, oid))
		cz.until("the answer is kept: "+oid, func() bool {
			de.sync()
			cz.sync()
			return cz.count(`SELECT COUNT(*) FROM classification_catalogue WHERE oid = $1`, oid) == 1
		})
		var kind string
		de.read(func(tx *store.Tx) error {
			return tx.Row(`SELECT kind FROM exchange_message WHERE app = 'classification_catalogue' AND message = 'response' AND source = $1`, oid).Scan(&kind)
		})
		if want := map[string]string{room2: "live", test2: "test"}[oid]; kind != want {
			t.Errorf("the answer of %s is %s", oid, kind)
		}
	}
	if len(cz.queue())+len(de.queue())+len(cz.strip().Alarms)+len(de.strip().Alarms) > 0 {
		t.Error("a catalogue is nothing for a dispatcher")
	}
	nbs, err := types.Neighbours(t.Context(), cz.org.ID)
	cz.ok(err)
	for _, n := range nbs {
		if n.OID == room2 && (n.Catalogue == nil || len(n.Catalogue.Keywords) < 15 || n.Waiting || n.AskedBy != names["petr"] || !strings.HasPrefix(n.Catalogue.Version, "de-sn-")) {
			t.Errorf("%+v", n)
		}
	}
	// Built anew, the tables bring no second answer.
	answers := func() int64 {
		return de.count(`SELECT COUNT(*) FROM exchange_message WHERE app = 'classification_catalogue' AND message = 'response' AND source IN ($1, $2)`, room2, test2)
	}
	de.ok(de.Rebuild(t.Context(), de.org.ID))
	de.sync()
	if n := answers(); n != 2 {
		t.Errorf("%d answers to two requests", n)
	}
}

// A catalogue that nobody asked for changes nothing and is shown like any message; a
// request without an answer in time is left to its end.
func TestUnasked(t *testing.T) {
	cz, de := newRooms(t)
	de.withTypes()
	cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
		for _, m := range []struct {
			message string
			data    any
		}{
			{"response", map[string]any{"requestId": cz.clk.NewID(), "catalogueVersion": "x", "catalogue": []any{map[string]string{"abbreviation": "BMA", "description": "nic", "classificationGroup": ""}}}},
			{"request", map[string]any{"requestId": cz.clk.NewID()}},
		} {
			b, _ := json.Marshal(m.data)
			e := &ucri.Envelope{Source: room1, Destinations: []string{room2}, Ack: ucri.AckAll, Timeout: 60,
				Payload: ucri.Payload{AppID: classification.App, AppVersion: "1.0", SchemaID: m.message, ContentType: ucri.ContentJSON, Data: string(b)}}
			if _, err := cz.node.Post(tx, e); err != nil {
				return err
			}
		}
		return nil
	}))
	de.until("both are there", func() bool {
		return de.count(`SELECT COUNT(*) FROM exchange_message WHERE app = 'classification_catalogue'`) == 2
	})
	de.clk.Advance(2 * time.Minute)
	de.sync()
	if de.count(`SELECT COUNT(*) FROM classification_catalogue`) != 0 || de.count(`SELECT COUNT(*) FROM classification_answer`) != 0 {
		t.Error("it counts all the same")
	}
	if q := de.queue(); len(q) != 1 || q[0].App != classification.App {
		t.Errorf("%s", dump(q))
	}
}

// A dispatch system that asks gets the catalogue of the control room.
func TestSystemAsks(t *testing.T) {
	_, de := newRooms(t)
	de.withTypes()
	cl := de.system()
	send := func(id string) {
		t.Helper()
		_, err := cl.Send(t.Context(), &ucri.Envelope{Source: system2, Destinations: []string{room2}, Ack: ucri.AckNone,
			Payload: ucri.Payload{AppID: classification.App, AppVersion: "1.0", SchemaID: "request", ContentType: ucri.ContentJSON, Data: fmt.Sprintf(`{"requestId":%q}`, id)}})
		de.ok(err)
	}
	send("440e8400-e29b-41d4-a716-446655440000")
	de.sync()
	got, err := cl.Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{system2}, MaxMessages: 10, MaxDelay: 1})
	de.ok(err)
	if len(got) != 1 || got[0].Payload.SchemaID != "response" || !strings.Contains(got[0].Payload.Data, `"abbreviation":"BMA"`) || !strings.Contains(got[0].Payload.Data, "440e8400") {
		t.Fatalf("%+v", got)
	}
}

// Beside a dispatch system that reads and says nothing the node answers. One that answers
// by itself is left to it, as long as it is there, and its catalogue counts.
func TestServed(t *testing.T) {
	cz, de := newRooms(t, func(c *exchange.Config) {
		if c.OID == node1 {
			c.Accounts = append(c.Accounts, exchange.Account{Username: "desk", Password: "d", Type: "client", OIDs: []string{test1}})
		}
	})
	types := de.withTypes()
	cz.withTypes()
	desk, err := ucrmclient.New(ucrmclient.Config{BaseURL: fmt.Sprintf("http://127.0.0.1:%d/ucrm/client/v0", cz.port), Username: "desk", Password: "d", Timeout: 30 * time.Second})
	cz.ok(err)
	t.Cleanup(desk.Close)
	asked := int64(0)
	// ask returns the request as the dispatch system reads it, after the console has.
	ask := func(answers int64) string {
		t.Helper()
		de.ok(types.Ask(t.Context(), "max", de.org.ID, test1))
		asked++
		cz.until("the request is there", func() bool {
			return cz.count(`SELECT COUNT(*) FROM exchange_message WHERE app = 'classification_catalogue' AND message = 'request'`) == asked
		})
		cz.sync()
		if n := cz.count(`SELECT COUNT(*) FROM exchange_message WHERE app = 'classification_catalogue' AND message = 'response'`); n != answers {
			t.Errorf("%d answers, want %d", n, answers)
		}
		got, err := desk.Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{test1}, MaxMessages: 100})
		cz.ok(err)
		for n := len(got) - 1; n >= 0; n-- {
			var q struct {
				ID string `json:"requestId"`
			}
			if got[n].Payload.AppID == classification.App {
				cz.ok(json.Unmarshal([]byte(got[n].Payload.Data), &q))
				return q.ID
			}
		}
		t.Fatal("the dispatch system does not get the request")
		return ""
	}
	id := ask(1)
	if rows := cz.queue(); len(rows) > 0 {
		t.Errorf("%s", dump(rows))
	}
	_, err = desk.Send(t.Context(), &ucri.Envelope{Source: test1, Destinations: []string{test2}, Ack: ucri.AckNone,
		Payload: ucri.Payload{AppID: classification.App, AppVersion: "1.0", SchemaID: "response", ContentType: ucri.ContentJSON,
			Data: fmt.Sprintf(`{"requestId":%q,"catalogueVersion":"own-1","catalogue":[{"abbreviation":"ZZ9","description":"Požár – lesní porost","classificationGroup":"x"}]}`, id)}})
	cz.ok(err)
	cz.sync()
	de.until("the system's own catalogue counts", func() bool {
		de.sync()
		nbs, err := types.Neighbours(t.Context(), de.org.ID)
		de.ok(err)
		for _, n := range nbs {
			if n.OID == test1 && n.Catalogue != nil && n.Catalogue.Version == "own-1" {
				return true
			}
		}
		return false
	})
	ask(2) // the node's first and the system's: none for this one
	cz.clk.Advance(2 * time.Minute)
	cz.until("the dispatch system is away", func() bool { return !cz.node.Polled(test1) })
	ask(3)
}

// Whether a life is in danger is told by what the dispatcher chose, also where the
// message says it in a keyword of the neighbour's that means several things.
func TestDangerByType(t *testing.T) {
	for typ, given := range map[string]bool{"Požár – nízké budovy": true, "Požár – polní porost, tráva": false} {
		cz, de := newRooms(t)
		cz.guarded()
		cz.withTypes()
		de.withTypes()
		d := accident(room2)
		d.Danger, d.Type = false, typ
		id := cz.handOver(d)
		de.state(id, Ringing)
		f := de.incident(id).Facts
		if !strings.HasPrefix(f.Type, "Brand ") {
			t.Errorf("%s leaves as %q", typ, f.Type)
		}
		if n := len(f.Callers); (n == 1) != given {
			t.Errorf("%s: %d callers are told", typ, n)
		}
	}
}
