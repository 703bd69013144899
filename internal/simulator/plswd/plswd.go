// Package plswd plays a Polish system that speaks the profile of docs/profiles/pl-swd.md,
// for a simulator.Desk. It is written from that document alone; no Polish system was at
// hand, and none speaks it.
package plswd

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"trojmezi/internal/simulator"
)

// maxBytes is the longest message.
const maxBytes = 256 << 10

// Profile is the Polish profile.
type Profile struct{}

// Media implements simulator.Profile.
func (Profile) Media() string { return "application/json" }

var (
	one, maybe, many = simulator.One, simulator.Maybe, simulator.Many
	words, id        = simulator.Words, simulator.Identifier
	when             = simulator.Check(simulator.Moment)
	number           = simulator.Like("[A-Za-z0-9._-]+", 64)
	name             = simulator.Like(`[a-z0-9-]+(\.[a-z0-9-]+)*`, 64)
	count            = simulator.Whole(simulator.Number, 0, 99999)
)

// The tables of the document.
var (
	head = []simulator.Rule{
		one("profil", simulator.Among("pl-swd")), one("wersja", simulator.Among("1.0")), one("idKomunikatu", id), one("nadawca", name), one("odbiorca", name),
		one("wyslano", when), maybe("wazneDo", when), one("tryb", simulator.Among("rzeczywisty", "cwiczenia", "test")), maybe("jezyk", simulator.Like("[a-z]{2}", 2)),
	}
	lines = simulator.Rule{Name: "uwagi", Max: 200, Parts: []simulator.Rule{maybe("czas", when), maybe("rodzaj", words(40)), one("tresc", words(2000))}}
	place = []simulator.Rule{
		maybe("wspolrzedne", nil, one("szerokosc", simulator.Degrees(simulator.Number, 90)), one("dlugosc", simulator.Degrees(simulator.Number, 180))),
		maybe("kraj", words(60)), maybe("wojewodztwo", words(60)), maybe("powiat", words(60)), maybe("gmina", words(60)), maybe("teryt", simulator.Like("[0-9]{7}", 7)),
		maybe("miejscowosc", words(60)), maybe("dzielnica", words(60)), maybe("ulica", words(80)), maybe("numerDomu", words(20)), maybe("kodPocztowy", words(10)),
		maybe("obiekt", words(120)), maybe("pietro", words(20)), maybe("lokal", words(40)), maybe("dojazd", words(500)),
	}
	event = []simulator.Rule{
		one("idZdarzenia", number), maybe("numer", words(40)), maybe("rodzaj", simulator.Among("pozar", "miejscowe_zagrozenie", "alarm_falszywy")), maybe("podrodzaj", words(60)),
		maybe("nazwa", words(250)), maybe("opis", words(4000)), maybe("wielkosc", simulator.Among("mala", "srednia", "duza", "bardzo_duza")),
		maybe("sygnaly", simulator.Truth(simulator.Bool)), maybe("powstanie", when), maybe("przyjecie", when), maybe("miejsce", nil, place...),
		many("zglaszajacy", 5, nil, maybe("nazwisko", words(60)), maybe("imie", words(60)), maybe("telefon", words(40)), maybe("uwaga", words(250))),
		maybe("poszkodowani", nil, maybe("czerwoni", count), maybe("zolci", count), maybe("zieloni", count), maybe("czarni", count), maybe("zaginieni", count)),
		maybe("ewakuowani", simulator.Whole(simulator.Number, 0, 999999)),
		many("silyISrodki", 50, nil, maybe("id", words(40)), maybe("nazwa", words(120)), maybe("rodzaj", words(40)),
			maybe("stan", simulator.Among("zapotrzebowany", "zadysponowany", "na_miejscu", "powrot", "wolny")), maybe("liczba", simulator.Whole(simulator.Number, 1, 999))),
		lines,
	}
	bodies = map[string][]simulator.Rule{
		"zgloszenie":   event,
		"aktualizacja": event,
		"zakonczenie":  {one("idZdarzenia", number), one("wynik", simulator.Among("zakonczone", "odwolane")), one("czas", when), maybe("powod", words(2000))},
		"odpowiedz": {
			one("idZdarzenia", number), maybe("doKomunikatu", id), one("wynik", simulator.Among("przyjete", "odrzucone")), one("czas", when), maybe("powod", words(2000)),
		},
		"wiadomosc":     {maybe("idZdarzenia", number), {Name: "uwagi", Min: 1, Max: 200, Parts: lines.Parts}},
		"potwierdzenie": {one("doKomunikatu", id)},
		"blad": {
			maybe("doKomunikatu", id), one("kod", func(n simulator.Node) (simulator.Reason, string) {
				for _, code := range codes {
					if n.Sort == simulator.String && code == n.Text {
						return "", ""
					}
				}
				return simulator.UnknownCode, "is no code of an error"
			}), maybe("powod", words(500)), maybe("gdzie", words(250)),
		},
	}
)

var kinds = map[string]simulator.Kind{
	"zgloszenie": simulator.Event, "aktualizacja": simulator.Change, "zakonczenie": simulator.End, "odpowiedz": simulator.Answer, "wiadomosc": simulator.Text,
	"potwierdzenie": simulator.Receipt, "blad": simulator.Failure,
}

var modes = map[string]simulator.Mode{"rzeczywisty": simulator.Live, "cwiczenia": simulator.Exercise, "test": simulator.Test}

var codes = map[simulator.Reason]string{
	simulator.Unreadable: "NIECZYTELNY", simulator.Encoding: "NIECZYTELNY", simulator.TooBig: "ZA_DUZY", simulator.Structure: "NIEZGODNY",
	simulator.UnknownCode: "NIEZNANY_KOD", simulator.Impossible: "NIEMOZLIWY", simulator.OtherVersion: "WERSJA", simulator.UnknownEvent: "NIEZNANE_ZDARZENIE",
	simulator.RepeatedID: "POWTORZONY_ID", simulator.Expired: "PO_TERMINIE", simulator.WrongAddress: "ZLY_ADRESAT", simulator.OtherMode: "TRYB", simulator.Busy: "CHWILOWY",
}

// Sample is an event as a Polish centre would hand it over; its place and people are
// invented.
func Sample() simulator.Say {
	return simulator.Say{
		Kind: simulator.Event, Number: "0225-2026-001234", Type: "pozar", Detail: "obiekt_produkcyjny_magazynowy", What: "Pożar hali magazynowej, możliwe osoby w środku",
		More: "Silne zadymienie w kierunku granicy.", Lat: 50.9046, Lon: 14.9577, Town: "Bogatynia", Street: "Daszyńskiego", House: "12A", Phone: "+48601000000",
	}
}

// Hear implements simulator.Profile.
func (Profile) Hear(message []byte) simulator.Heard {
	root, faults := simulator.ReadJSON(message, maxBytes)
	if len(faults) > 0 {
		return simulator.Heard{Faults: faults}
	}
	h := simulator.Heard{Say: simulator.Say{
		ID: root.Get("idKomunikatu").String(), From: root.Get("nadawca").String(), To: root.Get("odbiorca").String(),
		Sent: root.Get("wyslano").Time(), Expires: root.Get("wazneDo").Time(), Mode: modes[root.Get("tryb").String()],
	}}
	if v := root.Get("wersja").String(); v != "" && !strings.HasPrefix(v, "1.") {
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.OtherVersion, Where: "/wersja", Text: v})
		return h
	}
	rules := head
	stand := 0
	for i := range root.Kids {
		k := &root.Kids[i]
		if parts := bodies[k.Name]; parts != nil {
			stand++
			h.Kind = kinds[k.Name]
			tell(&h, k)
			rules = append(append([]simulator.Rule(nil), rules...), one(k.Name, nil, parts...))
		}
	}
	g := &simulator.Grammar{Separator: "/", JSON: true}
	h.Faults = g.Judge(root, "", rules)
	if stand != 1 {
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.Structure, Text: "not exactly one body"})
	}
	if h.Kind != simulator.Receipt && h.Kind != simulator.Failure && h.Expires.IsZero() {
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.Structure, Where: "/wazneDo", Text: "is missing"})
	}
	return h
}

// tell reads a body.
func tell(h *simulator.Heard, n *simulator.Node) {
	s := func(names ...string) string { return n.Get(names...).String() }
	h.Incident, h.About = s("idZdarzenia"), s("doKomunikatu")
	h.Number, h.Type, h.Detail, h.What, h.More = s("numer"), s("rodzaj"), s("podrodzaj"), s("nazwa"), s("opis")
	h.Began, h.Declared = n.Get("powstanie").Time(), n.Get("przyjecie").Time()
	h.Lat, h.Lon = n.Get("miejsce", "wspolrzedne", "szerokosc").Float(), n.Get("miejsce", "wspolrzedne", "dlugosc").Float()
	h.Town, h.Street, h.House = s("miejsce", "miejscowosc"), s("miejsce", "ulica"), s("miejsce", "numerDomu")
	if callers := n.Get("zglaszajacy"); callers != nil && len(callers.Kids) > 0 {
		h.Phone = callers.Kids[0].Get("telefon").String()
	}
	h.Dead, h.Injured = n.Get("poszkodowani", "czarni").Int(), n.Get("poszkodowani", "czerwoni").Int()
	h.Accepted = s("wynik") == "przyjete" || s("wynik") == "zakonczone"
	h.Text = s("powod")
	if notes := n.Get("uwagi"); notes != nil {
		var all []string
		for i := range notes.Kids {
			all = append(all, notes.Kids[i].Get("tresc").String())
		}
		h.Text = strings.Join(all, "\n")
	}
	for reason, code := range codes {
		if code == s("kod") && reason != simulator.Encoding { // one code for two
			h.Reason = reason
		}
	}
	h.Where = s("gdzie")
}

// object is a JSON object that leaves out what is empty.
type object map[string]any

func (o object) put(name string, value any) object {
	switch v := value.(type) {
	case string:
		if v == "" {
			return o
		}
	case time.Time:
		if v.IsZero() {
			return o
		}
		value = v.Format(time.RFC3339)
	case object:
		if len(v) == 0 {
			return o
		}
	}
	o[name] = value
	return o
}

// Write implements simulator.Profile.
func (Profile) Write(s simulator.Say) []byte {
	mode := string(s.Mode)
	for word, m := range modes {
		if m == s.Mode {
			mode = word
		}
	}
	o := object{"profil": "pl-swd", "wersja": "1.0", "jezyk": "pl", "tryb": mode}
	o.put("idKomunikatu", s.ID).put("nadawca", s.From).put("odbiorca", s.To).put("wyslano", s.Sent).put("wazneDo", s.Expires)
	for word, kind := range kinds {
		if kind == s.Kind {
			o[word] = body(s)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(o) // maps of texts, numbers and times
	return b.Bytes()
}

func body(s simulator.Say) object {
	o := object{}
	result := map[bool]string{true: "przyjete", false: "odrzucone"}
	switch s.Kind {
	case simulator.Event, simulator.Change:
		return happened(s)
	case simulator.End:
		result = map[bool]string{true: "zakonczone", false: "odwolane"}
		fallthrough
	case simulator.Answer:
		o.put("idZdarzenia", s.Incident).put("doKomunikatu", s.About).put("wynik", result[s.Accepted]).put("czas", s.Sent).put("powod", s.Text)
	case simulator.Text:
		o.put("idZdarzenia", s.Incident)
		o["uwagi"] = []object{object{}.put("czas", s.Sent).put("tresc", s.Text)}
	case simulator.Receipt:
		o.put("doKomunikatu", s.About)
	case simulator.Failure:
		o.put("doKomunikatu", s.About).put("kod", codes[s.Reason]).put("powod", simulator.Short(s.Text, 500)).put("gdzie", simulator.Short(s.Where, 250))
	}
	return o
}

func happened(s simulator.Say) object {
	o := object{}.put("idZdarzenia", s.Incident).put("numer", s.Number).put("rodzaj", s.Type).put("podrodzaj", s.Detail).put("nazwa", s.What).put("opis", s.More).
		put("powstanie", s.Began).put("przyjecie", s.Declared)
	place := object{}.put("miejscowosc", s.Town).put("ulica", s.Street).put("numerDomu", s.House)
	if s.Lat != 0 || s.Lon != 0 {
		place["wspolrzedne"] = object{"szerokosc": s.Lat, "dlugosc": s.Lon}
	}
	o.put("miejsce", place)
	if s.Phone != "" {
		o["zglaszajacy"] = []object{{"telefon": s.Phone}}
	}
	if s.Dead+s.Injured > 0 {
		o["poszkodowani"] = object{"czarni": s.Dead, "czerwoni": s.Injured}
	}
	return o
}
