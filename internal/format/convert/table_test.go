package convert

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
)

// flat is a format in JSON that says by a word what a message is for.
func flat() *Table {
	lists := ParseCodes("list,code,means\nkind,neu,incident\nkind,anders,update\nkind,antwort,answer\nmode,ernst,ACTUAL\nmode,uebung,EXERCS\nanswer,ja,accepted\nanswer,nein,rejected\ntype,F,FIR\n")
	return &Table{System: "flat", Syntax: tree.JSON,
		Shape: ParseShape("key,n,type,size,pattern\nnr,1,text,1..80,\nart,1,code:kind,,\nmodus,1,code:mode,,\nwas,0-1,text,0..20,\nwo,0-1,part,,\nwo/punkt,0-n,part,,\nwo/punkt/b,0-1,number,-90..90,\nwo/punkt/l,0-1,number,-180..180,\ntyp,0-3,text,,[A-Z]\nja,0-1,code:answer,,\nblau,0-1,flag,,\nzeilen,0-n,part,,\nzeilen/t,1,text,0..60,\n", lists),
		Cells: func(b *Cells, i *incident.Incident) {
			b.Text("nr", &i.Message.ID)
			b.Code("art", &i.Message.Type, lists["kind"])
			b.Code("modus", &i.Kind, lists["mode"])
			b.Short("was", &i.What, 20)
			b.Below("wo", func(b *Cells) {
				Each(b, "punkt", &i.Location.Points, func(b *Cells, p *incident.Point) {
					b.Number("b", &p.Lat)
					b.Number("l", &p.Lon)
				})
			})
			b.List("typ", &i.Types, lists["type"])
			b.Code("ja", &i.Receipt.Status, lists["answer"])
			b.Flag("blau", &i.BlueLights)
			b.Notes("zeilen", &i.Notes, 0, 60, func(b *Cells, n *incident.Note) { b.Text("t", &n.Text) })
		},
		Fill: func(i *incident.Incident, _ Kind) {
			if strings.TrimSpace(i.Message.ID.Text) == "" || len(i.Message.ID.Text) > 80 {
				i.Message.ID = Derived("?", nil)
			}
		}}
}

func TestTable(t *testing.T) {
	message := []byte(`{"nr":"7","art":"neu","modus":"ernst","was":"Brand","wo":{"punkt":[{"b":50.5,"l":14.5},{"b":51}]},"typ":["F","X"],"blau":true,"zeilen":[{"t":"a"},{"t":"b"}]}`)
	m, f := flat().Read(message)
	if f != nil {
		t.Fatal(f)
	}
	if i := m.Incident; m.Kind != KindIncident || m.Mode() != "ACTUAL" || i.Types[0].Text != "FIR" || i.Types[0].Origin.Text != "F" || len(i.Location.Points) != 2 || len(i.Notes) != 2 {
		t.Errorf("%s %s %+v", m.Kind, m.Mode(), i)
	}
	again, f := flat().Write(m, KindIncident)
	if f != nil {
		t.Fatal(f)
	}
	if got, want := canonical(t, again.Bytes), canonical(t, message); got != want || len(again.Loss) > 0 {
		t.Errorf("%s\n%s\n%v", got, want, again.Loss)
	}
	for _, to := range Formats {
		r, f := m.Write(to, Options{})
		if f != nil {
			t.Fatal(f)
		}
		complete(t, message, r, Options{})
	}
	if m.Incident.Types[0].Text != "FIR" || len(m.Incident.Notes) != 2 {
		t.Error("writing changes what was read")
	}
}

// What a table cannot say stands in its lines, and what is neither is refused.
func TestTableOfOthers(t *testing.T) {
	for name, text := range messages(t) {
		m, f := Read(text, UCRI2)
		if f != nil {
			t.Fatalf("%s: %v", name, f)
		}
		if m.Kind != KindIncident {
			continue
		}
		r, f := flat().Write(m, KindIncident)
		if f != nil {
			t.Errorf("%s: %v", name, f)
			continue
		}
		complete(t, text, r, Options{})
	}
	rapid.Check(t, func(rt *rapid.T) {
		message := someEMSI(rt)
		m, f := Read(message, Auto)
		if f != nil {
			rt.Fatal(f)
		}
		if m.Mode() == "SYSTEM" || m.Mode() == "TEST" {
			m.Careful("TEST")
		}
		r, f := flat().Write(m, KindIncident)
		if f != nil {
			rt.Fatalf("%v\n%s", f, message)
		}
		complete(rt, message, r, Options{})
		back, f := flat().Read(r.Bytes)
		if f != nil {
			rt.Fatalf("%v\n%s", f, r.Bytes)
		}
		if back.Mode() == "ACTUAL" && m.Mode() != "ACTUAL" {
			rt.Fatalf("%s becomes %s\n%s\n%s", m.Mode(), back.Mode(), message, r.Bytes)
		}
	})
}

func TestTableRefuses(t *testing.T) {
	for message, rule := range map[string]string{
		`<x/>`: "not_system", `[]`: "many", `{"nr":"1","art":"neu"}`: "missing", `{"nr":"1","art":"weg","modus":"ernst"}`: "code",
		`{"nr":"1","art":"neu","modus":"ernst","was":"xxxxxxxxxxxxxxxxxxxxx"}`: "value", `{"nr":"1","art":"neu","modus":"ernst","mehr":1}`: "unknown",
		`{"nr":"1","art":"neu","modus":"ernst","wo":{"punkt":[{"b":91}]}}`: "number", `{"nr":1,"art":"neu","modus":"ernst"}`: "kind",
	} {
		if m, f := flat().Read([]byte(message)); f == nil || f.Rule != rule || f.Rule == "code" && m == nil {
			t.Errorf("%s: %v", message, f)
		}
	}
	m, f := flat().Read([]byte(`{"nr":"1","art":"antwort","modus":"uebung","ja":"ja"}`))
	if f != nil || m.Mode() != "EXERCS" {
		t.Fatal(f)
	}
	if _, f := flat().Write(m, KindText); f == nil || f.Rule != "no_word" {
		t.Errorf("a kind without a word: %v", f)
	}
	deaf := flat()
	deaf.Cells = func(b *Cells, i *incident.Incident) {
		b.Text("nr", &i.Message.ID)
		b.Code("art", &i.Message.Type, ParseCodes("list,code,means\nkind,antwort,answer\n")["kind"])
	}
	if _, f := deaf.Write(m, KindAnswer); f == nil || f.Rule != "no_word" {
		t.Errorf("an exercise without a word: %v", f)
	}
	two := &Table{System: "two", Syntax: tree.JSON, Bodies: ParseCodes("list,code,means\nbody,a,incident\nbody,b,answer\n")["body"]}
	two.Cells = func(b *Cells, i *incident.Incident) {
		b.Code("typ", &i.Message.Type, two.Bodies)
		b.Text(b.Body+"/x", &i.What)
	}
	if m, f := two.Read([]byte(`{"typ":"a","a":{"x":"1"}}`)); f != nil || m.Kind != KindIncident {
		t.Errorf("%v", f)
	}
	if _, f := two.Read([]byte(`{"typ":"a","b":{"x":"1"}}`)); f == nil || f.Rule != "no_kind" {
		t.Errorf("a head that says something else than the body: %v", f)
	}
	strict := flat()
	strict.Fill = nil
	m.Incident.Message.ID = incident.Value{}
	if _, f := strict.Write(m, KindAnswer); f == nil || f.Rule != "lacking" || f.Args["name"] != "nr" {
		t.Errorf("without what it demands: %v", f)
	}
}

func TestTablesOfTheProgram(t *testing.T) {
	for name, make := range map[string]func(){
		"codes without columns": func() { ParseCodes("list,code\na,b\n") },
		"a shape out of order":  func() { ParseShape("key,n,type,size,pattern\na/b,1,text,,\n", nil) },
		"an unknown type":       func() { ParseShape("key,n,type,size,pattern\na,1,word,,\n", nil) },
		"no size":               func() { ParseShape("key,n,type,size,pattern\na,1,text,1..x,\n", nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s passes", name)
				}
			}()
			make()
		}()
	}
}

// What is kept back is in no format.
func TestKeepBack(t *testing.T) {
	for _, name := range []string{"incident_transfer.incident valid.json", "patient_transport.incident valid.json"} {
		text := messages(t)[name]
		m, f := Read(text, UCRI2)
		if f != nil {
			t.Fatal(f)
		}
		m.KeepBack("/informers", "/patient")
		m.KeepBack("/patients")
		for _, to := range Formats {
			r, f := m.Write(to, Options{Payload: to == UCRI2})
			if f != nil {
				t.Fatalf("%s: %v", name, f)
			}
			if strings.Contains(string(r.Bytes), "Nováková") {
				t.Errorf("%s to %s: %s", name, to, r.Bytes)
			}
			for _, l := range r.Loss {
				if strings.HasPrefix(l.Path, "/informers/") && (l.Reason != Withheld || l.MovedTo != nil) {
					t.Errorf("%s to %s: %+v", name, to, l)
				}
			}
		}
	}
}

// A note that somebody adds in between stands in each format.
func TestAddedNote(t *testing.T) {
	m, f := Read(messages(t)["incident_transfer.incident valid.json"], UCRI2)
	if f != nil {
		t.Fatal(f)
	}
	m.Incident.Notes = append(m.Incident.Notes, incident.Note{Text: Derived("ask for the number", nil)})
	for _, to := range Formats {
		if r, f := m.Write(to, Options{}); f != nil || !strings.Contains(string(r.Bytes), "ask for the number") && to != UCRI2 {
			t.Errorf("%s: %v\n%s", to, f, r.Bytes)
		}
	}
	if r, f := flat().Write(m, KindIncident); f != nil || !strings.Contains(string(r.Bytes), "ask for the number") {
		t.Error(f)
	}
	answer, f := Read(messages(t)["incident_transfer.acknowledgement valid.json"], UCRI2)
	if f != nil {
		t.Fatal(f)
	}
	answer.Withhold(answer.Incident, map[string]string{"/cause": ""})
	answer.Incident.Receipt.Reason = incident.Value{}
	for _, to := range Formats {
		if r, f := answer.Write(to, Options{}); f != nil || strings.Contains(string(r.Bytes), "gebunden") {
			t.Errorf("%s: %v\n%s", to, f, r.Bytes)
		}
	}
}

// A message is never longer than its format permits: what does not fit stays in the
// report, and what cannot be left out is refused.
func TestTableLimits(t *testing.T) {
	text := messages(t)["incident_transfer.incident valid.json"]
	m, f := Read(text, UCRI2)
	if f != nil {
		t.Fatal(f)
	}
	whole, f := flat().Write(m, KindIncident)
	if f != nil {
		t.Fatal(f)
	}
	refused := false
	for size := len(whole.Bytes) + 1; size > 100; size -= 97 {
		narrow := flat()
		narrow.Limits = tree.Limits{Bytes: size, Depth: 8, Nodes: 1000}
		r, f := narrow.Write(m, KindIncident)
		if f != nil {
			if refused = true; f.Rule != "size" {
				t.Errorf("%d bytes: %v", size, f)
			}
			continue
		}
		if len(r.Bytes) > size {
			t.Errorf("%d bytes where %d are permitted", len(r.Bytes), size)
		}
		complete(t, text, r, Options{})
		if _, f := narrow.Read(r.Bytes); f != nil {
			t.Errorf("%d bytes: %v", size, f)
		}
	}
	if !refused {
		t.Error("nothing is too long")
	}
}
