// Package czizs plays a Czech system that speaks the profile of docs/profiles/cz-izs.md,
// for a simulator.Desk. It is written from that document alone; no Czech system was at
// hand, and none speaks it.
package czizs

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/simulator"
)

const space = "urn:trojmezi:profile:cz-izs:1"

// maxBytes is the longest message.
const maxBytes = 256 << 10

// Profile is the Czech profile. Narrow makes it write windows-1250.
type Profile struct{ Narrow bool }

// Media implements simulator.Profile.
func (Profile) Media() string { return "application/xml" }

var (
	one, maybe, many = simulator.One, simulator.Maybe, simulator.Many
	words, id        = simulator.Words, simulator.Identifier
	when             = simulator.Check(simulator.Moment)
	number           = simulator.Like("[A-Za-z0-9._-]+", 64)
	name             = simulator.Like(`[a-z0-9-]+(\.[a-z0-9-]+)*`, 64)
	count            = simulator.Whole(simulator.String, 0, 99999)
)

// The tables of the document.
var (
	head = []simulator.Rule{
		one("IdZpravy", id), one("Odesilatel", name), one("Prijemce", name), one("Odeslano", when), maybe("PlatnostDo", when),
		one("Rezim", simulator.Among("ostry", "cviceni", "test")), maybe("Jazyk", simulator.Like("[a-z]{2}", 2)),
	}
	note  = []simulator.Rule{maybe("Cas", when), maybe("Druh", words(40)), one("Text", words(2000))}
	place = []simulator.Rule{
		maybe("Souradnice", nil, one("Sirka", simulator.Degrees(simulator.String, 90)), one("Delka", simulator.Degrees(simulator.String, 180))),
		maybe("Stat", words(60)), maybe("Kraj", words(60)), maybe("Orp", words(60)), maybe("Obec", words(60)), maybe("CastObce", words(60)),
		maybe("Ulice", words(80)), maybe("CisloDomovni", words(20)), maybe("Psc", words(10)), maybe("KodAdm", simulator.Like("[0-9]{1,9}", 9)),
		maybe("Objekt", words(120)), maybe("Patro", words(20)), maybe("Mistnost", words(40)), maybe("UpresneniMista", words(500)),
	}
	event = []simulator.Rule{
		one("IdUdalosti", number), maybe("CisloUdalosti", words(40)), maybe("Typ", simulator.Like("[0-9]{4}", 4)), maybe("Podtyp", simulator.Like("[0-9]{4,5}", 5)),
		maybe("Popis", words(250)), maybe("Upresneni", words(4000)), maybe("StupenPoplachu", simulator.Among("1", "2", "3", "Z")),
		maybe("VystrazneZnameni", simulator.Truth(simulator.String)), maybe("Vznik", when), maybe("Ohlaseno", when), maybe("Misto", nil, place...),
		many("Volajici", 5, nil, maybe("Prijmeni", words(60)), maybe("Jmeno", words(60)), maybe("Telefon", words(40)), maybe("PoznamkaVolajiciho", words(250))),
		maybe("Postizeni", nil, maybe("Cervena", count), maybe("Zluta", count), maybe("Zelena", count), maybe("Mrtvi", count), maybe("Nezvestni", count)),
		maybe("Evakuovano", simulator.Whole(simulator.String, 0, 999999)),
		many("Prostredek", 50, nil, maybe("IdProstredku", words(40)), maybe("Nazev", words(120)), maybe("Druh", words(40)),
			maybe("Stav", simulator.Among("pozadovan", "vyslan", "naMiste", "odjezd", "volny")), maybe("Pocet", simulator.Whole(simulator.String, 1, 999))),
		many("Poznamka", 200, nil, note...),
	}
	bodies = map[string][]simulator.Rule{
		"Udalost": event,
		"Zmena":   event,
		"Ukonceni": {
			one("IdUdalosti", number), one("Vysledek", simulator.Among("vyreseno", "zruseno")), one("Cas", when), maybe("Duvod", words(2000)),
		},
		"Odpoved": {
			one("IdUdalosti", number), maybe("NaZpravu", id), one("Vysledek", simulator.Among("prijato", "odmitnuto")), one("Cas", when), maybe("Duvod", words(2000)),
		},
		"Zprava":    {maybe("IdUdalosti", number), {Name: "Poznamka", Min: 1, Max: 200, Parts: note}},
		"Potvrzeni": {one("NaZpravu", id)},
		"Chyba": {
			maybe("NaZpravu", id), one("Kod", simulator.Among("E10", "E11", "E12", "E20", "E21", "E22", "E23", "E30", "E31", "E40", "E41", "E42", "E50")),
			maybe("Duvod", words(500)), maybe("Kde", words(250)),
		},
	}
)

var kinds = map[string]simulator.Kind{
	"Udalost": simulator.Event, "Zmena": simulator.Change, "Ukonceni": simulator.End, "Odpoved": simulator.Answer, "Zprava": simulator.Text,
	"Potvrzeni": simulator.Receipt, "Chyba": simulator.Failure,
}

var modes = map[string]simulator.Mode{"ostry": simulator.Live, "cviceni": simulator.Exercise, "test": simulator.Test}

var codes = map[simulator.Reason]string{
	simulator.Unreadable: "E10", simulator.Encoding: "E11", simulator.TooBig: "E12", simulator.Structure: "E20", simulator.UnknownCode: "E21",
	simulator.Impossible: "E22", simulator.OtherVersion: "E23", simulator.UnknownEvent: "E30", simulator.RepeatedID: "E31", simulator.Expired: "E40",
	simulator.WrongAddress: "E41", simulator.OtherMode: "E42", simulator.Busy: "E50",
}

// Sample is an event as a Czech centre would hand it over; its place and people are
// invented.
func Sample() simulator.Say {
	return simulator.Say{
		Kind: simulator.Event, Number: "LB-2026-004711", Type: "3200", Detail: "3214", What: "Dopravní nehoda dvou osobních vozidel, tři zranění",
		More: "Jedno vozidlo na střeše v příkopu.", Lat: 50.8563, Lon: 14.8331, Town: "Hrádek nad Nisou", Street: "Žitavská", House: "123/4", Phone: "+420601000000", Injured: 1,
	}
}

// Hear implements simulator.Profile.
func (Profile) Hear(message []byte) simulator.Heard {
	root, faults := simulator.ReadXML(message, maxBytes)
	if len(faults) > 0 {
		return simulator.Heard{Faults: faults}
	}
	h := read(root)
	switch {
	case root.Name == "DatovaVeta" && root.Space != space && strings.HasPrefix(root.Space, space[:len(space)-1]), root.Attributes["verze"] != "1.0":
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.OtherVersion, Where: root.Name, Text: root.Space + " " + root.Attributes["verze"]})
		return h
	case root.Name != "DatovaVeta" || foreign(root):
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.Structure, Where: root.Name, Text: "another root or namespace"})
		return h
	}
	for i := range root.Kids {
		k := &root.Kids[i]
		if rules := bodies[k.Name]; i == 1 && rules != nil {
			h.Kind = kinds[k.Name]
			tell(&h, k)
		}
	}
	rules := []simulator.Rule{one("Hlavicka", nil, head...), one("Udalost", nil, event...)}
	if h.Kind != "" {
		rules[1] = one(root.Kids[1].Name, nil, bodies[root.Kids[1].Name]...)
	}
	g := &simulator.Grammar{Separator: "/"}
	h.Faults = append(h.Faults, g.Judge(root, root.Name, rules)...)
	if h.Kind != simulator.Receipt && h.Kind != simulator.Failure && h.Expires.IsZero() {
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.Structure, Where: "DatovaVeta/Hlavicka/PlatnostDo", Text: "is missing"})
	}
	return h
}

// foreign reports whether anything stands in another namespace.
func foreign(n simulator.Node) bool {
	for _, k := range n.Kids {
		if foreign(k) {
			return true
		}
	}
	return n.Space != space
}

func read(root simulator.Node) simulator.Heard {
	h := root.Get("Hlavicka")
	return simulator.Heard{Say: simulator.Say{
		ID: h.Get("IdZpravy").String(), From: h.Get("Odesilatel").String(), To: h.Get("Prijemce").String(),
		Sent: h.Get("Odeslano").Time(), Expires: h.Get("PlatnostDo").Time(), Mode: modes[h.Get("Rezim").String()],
	}}
}

// tell reads a body.
func tell(h *simulator.Heard, n *simulator.Node) {
	s := func(names ...string) string { return n.Get(names...).String() }
	h.Incident, h.About = s("IdUdalosti"), s("NaZpravu")
	h.Number, h.Type, h.Detail, h.What, h.More = s("CisloUdalosti"), s("Typ"), s("Podtyp"), s("Popis"), s("Upresneni")
	h.Began, h.Declared = n.Get("Vznik").Time(), n.Get("Ohlaseno").Time()
	h.Lat, h.Lon = n.Get("Misto", "Souradnice", "Sirka").Float(), n.Get("Misto", "Souradnice", "Delka").Float()
	h.Town, h.Street, h.House = s("Misto", "Obec"), s("Misto", "Ulice"), s("Misto", "CisloDomovni")
	h.Phone = s("Volajici", "Telefon")
	h.Dead, h.Injured = n.Get("Postizeni", "Mrtvi").Int(), n.Get("Postizeni", "Cervena").Int()
	h.Accepted = s("Vysledek") == "prijato" || s("Vysledek") == "vyreseno"
	h.Text = s("Duvod")
	var lines []string
	for _, k := range n.Kids {
		if k.Name == "Poznamka" {
			lines = append(lines, k.Get("Text").String())
		}
	}
	if len(lines) > 0 {
		h.Text = strings.Join(lines, "\n")
	}
	for reason, code := range codes {
		if code == s("Kod") {
			h.Reason = reason
		}
	}
	h.Where = s("Kde")
}

// Write implements simulator.Profile.
func (p Profile) Write(s simulator.Say) []byte {
	w := &writer{}
	mode := string(s.Mode)
	for word, m := range modes {
		if m == s.Mode {
			mode = word
		}
	}
	encoding := "UTF-8"
	if p.Narrow {
		encoding = "windows-1250"
	}
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=%q?>\n<DatovaVeta xmlns=%q verze=\"1.0\">", encoding, space)
	w.in("Hlavicka", func() {
		w.put("IdZpravy", s.ID).put("Odesilatel", s.From).put("Prijemce", s.To).at("Odeslano", s.Sent).at("PlatnostDo", s.Expires).put("Rezim", mode).put("Jazyk", "cs")
	})
	for word, kind := range kinds {
		if kind == s.Kind {
			w.in(word, func() { w.body(s) })
		}
	}
	w.WriteString("</DatovaVeta>\n")
	if p.Narrow {
		return simulator.Windows1250(w.String())
	}
	return []byte(w.String())
}

type writer struct{ strings.Builder }

func (w *writer) in(name string, f func()) {
	w.WriteString("<" + name + ">")
	f()
	w.WriteString("</" + name + ">")
}

// put writes an element, unless it would be empty.
func (w *writer) put(name, text string) *writer {
	if text != "" {
		w.in(name, func() { _ = xml.EscapeText(w, []byte(text)) }) // a Builder takes everything
	}
	return w
}

func (w *writer) at(name string, t time.Time) *writer {
	if t.IsZero() {
		return w
	}
	return w.put(name, t.Format(time.RFC3339))
}

func (w *writer) number(name string, f float64) *writer {
	return w.put(name, strconv.FormatFloat(f, 'f', -1, 64))
}

func (w *writer) body(s simulator.Say) {
	result := map[bool]string{true: "prijato", false: "odmitnuto"}
	switch s.Kind {
	case simulator.Event, simulator.Change:
		w.event(s)
	case simulator.End:
		result = map[bool]string{true: "vyreseno", false: "zruseno"}
		fallthrough
	case simulator.Answer:
		w.put("IdUdalosti", s.Incident).put("NaZpravu", s.About).put("Vysledek", result[s.Accepted]).at("Cas", s.Sent).put("Duvod", s.Text)
	case simulator.Text:
		w.put("IdUdalosti", s.Incident)
		w.in("Poznamka", func() { w.at("Cas", s.Sent).put("Text", s.Text) })
	case simulator.Receipt:
		w.put("NaZpravu", s.About)
	case simulator.Failure:
		w.put("NaZpravu", s.About).put("Kod", codes[s.Reason]).put("Duvod", simulator.Short(s.Text, 500)).put("Kde", simulator.Short(s.Where, 250))
	}
}

func (w *writer) event(s simulator.Say) {
	w.put("IdUdalosti", s.Incident).put("CisloUdalosti", s.Number).put("Typ", s.Type).put("Podtyp", s.Detail).put("Popis", s.What).put("Upresneni", s.More)
	w.at("Vznik", s.Began).at("Ohlaseno", s.Declared)
	if s.Lat != 0 || s.Town != "" {
		w.in("Misto", func() {
			if s.Lat != 0 || s.Lon != 0 {
				w.in("Souradnice", func() { w.number("Sirka", s.Lat).number("Delka", s.Lon) })
			}
			w.put("Stat", "CZ").put("Obec", s.Town).put("Ulice", s.Street).put("CisloDomovni", s.House)
		})
	}
	if s.Phone != "" {
		w.in("Volajici", func() { w.put("Telefon", s.Phone) })
	}
	if s.Dead+s.Injured > 0 {
		w.in("Postizeni", func() { w.number("Cervena", float64(s.Injured)).number("Mrtvi", float64(s.Dead)) })
	}
}
