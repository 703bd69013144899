// Package czizs speaks with Czech systems of the IZS in the neutral profile of
// docs/profiles/cz-izs.md, which is our own proposal: their real interfaces are not
// public. It is for whoever tries a connection with them or agrees on one. It does not
// translate codes: numbers of the Czech fire service stay what they are.
package czizs

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
	table = &convert.Table{System: "czizs", Syntax: tree.XML, Limits: tree.Limits{Bytes: 256 << 10, Depth: 16, Nodes: 50_000}, Charsets: []string{"utf-8", "windows-1250"}, Root: "DatovaVeta", Space: "urn:trojmezi:profile:cz-izs:1",
		Bodies: codes["telo"], Shape: convert.ParseShape(fieldsCSV, codes), Cells: cells,
		// Before all other codes the numbers of the fire service.
		Fill: func(i *incident.Incident, _ convert.Kind) {
			i.Types = append([]incident.Value{codes["typ"].First(i.Types), codes["podtyp"].First(i.Types)}, i.Types...)
		}}
)

// New returns the adapter.
func New() *adapter.Adapter {
	return adapter.OfTable(adapter.Adapter{Country: "CZ", System: table.System, Profile: "docs/profiles/cz-izs.md", MediaType: "application/xml", Life: time.Hour,
		Code: func(r adapter.Reason) string { return codes["chyba"].Word(string(r)) }}, table)
}

func cells(b *convert.Cells, i *incident.Incident) {
	b.Fixed("@verze", "1.0")
	b.Below("Hlavicka", func(b *convert.Cells) {
		m := &i.Message
		b.Texts("IdZpravy Odesilatel Prijemce Odeslano PlatnostDo", &m.ID, &m.Sender.Address, &convert.Nth(&m.Receivers, 0, 1).Address, &m.Sent, &m.Expires)
		b.Code("Rezim", &i.Kind, codes["rezim"])
		b.Text("Jazyk", &m.Language)
	})
	b.Below(b.Body, func(b *convert.Cells) { body(b, i) })
}

func body(b *convert.Cells, i *incident.Incident) {
	about, r := &convert.Nth(&i.Message.Links, 0, 1).ID, &i.Receipt
	switch b.Kind {
	case convert.KindIncident, convert.KindUpdate:
		event(b, i)
	case convert.KindText, convert.KindUnits:
		b.Text("IdUdalosti", &i.ID)
		notes(b, i)
	case convert.KindAnswer:
		b.Texts("IdUdalosti NaZpravu", &i.ID, about)
		b.Code("Vysledek", &r.Status, codes["odpoved"])
		b.Text("Cas", &r.At)
		b.Free("Duvod", &r.Reason, 2000)
	case convert.KindCompletion, convert.KindCancel:
		b.Text("IdUdalosti", &i.ID)
		b.Code("Vysledek", &r.Status, codes["ukonceni"])
		b.Text("Cas", &r.At)
		b.Free("Duvod", &r.Note, 2000)
	default: // what machines say
		b.Texts("NaZpravu Kod", about, &r.Reason)
		b.Short("Duvod", &r.Note, 500)
	}
}

func event(b *convert.Cells, i *incident.Incident) {
	b.Texts("IdUdalosti CisloUdalosti Typ Podtyp", &i.ID, &i.Own, convert.Nth(&i.Types, 0, 2), convert.Nth(&i.Types, 1, 2))
	b.Short("Popis", &i.What, 250)
	b.Short("Upresneni", &i.Remark, 4000)
	b.Texts("VystrazneZnameni Vznik Ohlaseno", &i.BlueLights, &i.Began, &i.Declared)
	b.Below("Misto", func(b *convert.Cells) {
		l, p, a := &i.Location, convert.Nth(&i.Location.Points, 0, 1), &i.Location.Address
		b.Texts("Souradnice/Sirka Souradnice/Delka", &p.Lat, &p.Lon)
		b.Texts("Stat Kraj Obec CastObce Ulice CisloDomovni Psc", &a.Country, &a.State, &a.City, &a.District, &a.Street, &a.House, &a.Postal)
		b.Texts("Objekt Patro Mistnost", &l.Object.Name, &l.Floor, &l.Room)
		b.Short("UpresneniMista", &l.Note, 500)
	})
	convert.Each(b, "Volajici", &i.Callers, func(b *convert.Cells, p *incident.Person) {
		b.Texts("Prijmeni Jmeno Telefon PoznamkaVolajiciho", &p.Family, &p.Given, &p.Phone, &p.Note)
	})
	c := convert.Nth(&i.Casualties, 0, 1)
	b.Texts("Postizeni/Cervena Postizeni/Zluta Postizeni/Zelena Postizeni/Mrtvi Postizeni/Nezvestni", &c.Red, &c.Yellow, &c.Green, &c.Dead, &c.Missing)
	b.Text("Evakuovano", &convert.Nth(&i.Evacuated, 0, 1).Evacuated)
	convert.Each(b, "Prostredek", &i.Resources, func(b *convert.Cells, r *incident.Resource) {
		b.Texts("IdProstredku Nazev Druh Stav Pocet", &r.ID, &r.Name, &r.Type, &r.Status, &r.Quantity)
	})
	notes(b, i)
}

func notes(b *convert.Cells, i *incident.Incident) {
	b.Notes("Poznamka", &i.Notes, 200, 2000, func(b *convert.Cells, n *incident.Note) { b.Texts("Cas Druh Text", &n.At, &n.Category, &n.Text) })
}
