// Package plswd speaks with Polish systems (SWD) in the neutral profile of
// docs/profiles/pl-swd.md, which is our own proposal: their real interfaces are not
// public. It is for whoever tries a connection with them or agrees on one. It does not
// translate codes: the classes of the Polish fire service stay what they are.
package plswd

import (
	_ "embed"
	"time"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
)

var (
	//go:embed data/codes.csv
	codesCSV string
	//go:embed data/fields.csv
	fieldsCSV string

	codes = convert.ParseCodes(codesCSV)
	table = &convert.Table{System: "plswd", Syntax: tree.JSON, Limits: tree.Limits{Bytes: 256 << 10, Depth: 16, Nodes: 50_000}, Charsets: []string{"utf-8"}, Bodies: codes["tresc"],
		Shape: convert.ParseShape(fieldsCSV, codes), Cells: cells,
		// Before all other codes the classes of the fire service.
		Fill: func(i *incident.Incident, _ convert.Kind) {
			i.Types = append([]incident.Value{codes["rodzaj"].First(i.Types), codes["podrodzaj"].First(i.Types)}, i.Types...)
		}}
)

// New returns the adapter.
func New() *adapter.Adapter {
	return adapter.OfTable(adapter.Adapter{Country: "PL", System: table.System, Profile: "docs/profiles/pl-swd.md", MediaType: "application/json", Life: time.Hour,
		Code: func(r adapter.Reason) string { return codes["blad"].Word(string(r)) }}, table)
}

func cells(b *convert.Cells, i *incident.Incident) {
	m := &i.Message
	b.Fixed("profil", "pl-swd")
	b.Fixed("wersja", "1.0")
	b.Texts("idKomunikatu nadawca odbiorca", &m.ID, &m.Sender.Address, &convert.Nth(&m.Receivers, 0, 1).Address)
	b.Texts("wyslano wazneDo jezyk", &m.Sent, &m.Expires, &m.Language)
	b.Code("tryb", &i.Kind, codes["tryb"])
	b.Below(b.Body, func(b *convert.Cells) { body(b, i) })
}

func body(b *convert.Cells, i *incident.Incident) {
	about, r := &convert.Nth(&i.Message.Links, 0, 1).ID, &i.Receipt
	switch b.Kind {
	case convert.KindIncident, convert.KindUpdate:
		event(b, i)
	case convert.KindText, convert.KindUnits:
		b.Text("idZdarzenia", &i.ID)
		notes(b, i)
	case convert.KindAnswer:
		b.Texts("idZdarzenia doKomunikatu", &i.ID, about)
		b.Code("wynik", &r.Status, codes["odpowiedz"])
		b.Text("czas", &r.At)
		b.Free("powod", &r.Reason, 2000)
	case convert.KindCompletion, convert.KindCancel:
		b.Text("idZdarzenia", &i.ID)
		b.Code("wynik", &r.Status, codes["zakonczenie"])
		b.Text("czas", &r.At)
		b.Free("powod", &r.Note, 2000)
	default: // what machines say
		b.Texts("doKomunikatu kod", about, &r.Reason)
		b.Short("powod", &r.Note, 500)
	}
}

func event(b *convert.Cells, i *incident.Incident) {
	b.Texts("idZdarzenia numer powstanie przyjecie rodzaj podrodzaj", &i.ID, &i.Own, &i.Began, &i.Declared, convert.Nth(&i.Types, 0, 2), convert.Nth(&i.Types, 1, 2))
	b.Short("nazwa", &i.What, 250)
	b.Short("opis", &i.Remark, 4000)
	b.Flag("sygnaly", &i.BlueLights)
	b.Below("miejsce", func(b *convert.Cells) {
		l, p, a := &i.Location, convert.Nth(&i.Location.Points, 0, 1), &i.Location.Address
		b.Numbers("wspolrzedne/szerokosc wspolrzedne/dlugosc", &p.Lat, &p.Lon)
		b.Texts("kraj wojewodztwo miejscowosc dzielnica ulica numerDomu kodPocztowy", &a.Country, &a.State, &a.City, &a.District, &a.Street, &a.House, &a.Postal)
		b.Texts("obiekt pietro lokal", &l.Object.Name, &l.Floor, &l.Room)
		b.Short("dojazd", &l.Note, 500)
	})
	convert.Each(b, "zglaszajacy", &i.Callers, func(b *convert.Cells, p *incident.Person) {
		b.Texts("nazwisko imie telefon uwaga", &p.Family, &p.Given, &p.Phone, &p.Note)
	})
	c := convert.Nth(&i.Casualties, 0, 1)
	b.Numbers("poszkodowani/czerwoni poszkodowani/zolci poszkodowani/zieloni poszkodowani/czarni poszkodowani/zaginieni", &c.Red, &c.Yellow, &c.Green, &c.Dead, &c.Missing)
	b.Number("ewakuowani", &convert.Nth(&i.Evacuated, 0, 1).Evacuated)
	convert.Each(b, "silyISrodki", &i.Resources, func(b *convert.Cells, r *incident.Resource) {
		b.Texts("id nazwa rodzaj stan", &r.ID, &r.Name, &r.Type, &r.Status)
		b.Number("liczba", &r.Quantity)
	})
	notes(b, i)
}

func notes(b *convert.Cells, i *incident.Incident) {
	b.Notes("uwagi", &i.Notes, 200, 2000, func(b *convert.Cells, n *incident.Note) { b.Texts("czas rodzaj tresc", &n.At, &n.Category, &n.Text) })
}
