package outlet

import (
	"trojmezi/internal/kernel/i18n"
)

// The shapes of the API that are not GeoJSON; docs/api.md tells them.

type apiCell struct {
	Language string `json:"language"`
	Text     string `json:"text"`
	Coding   string `json:"coding"` // GSM-7, UCS-2
	Units    int    `json:"units"`
	Page     int    `json:"per_page"`
	Pages    int    `json:"pages"`
	Most     int    `json:"most_pages"`
	Fits     bool   `json:"fits"`
}

type apiAuthority struct {
	Country string `json:"country"`
	Name    string `json:"name"`
	Duty    string `json:"duty"`
	Reach   string `json:"reach"`
	Law     string `json:"law"`
	Status  string `json:"status"`
}

type apiGiven struct {
	Sent        bool           `json:"sent_by_this_node"` // never
	Texts       []apiCell      `json:"texts"`
	Bare        []apiCell      `json:"texts_gsm7"`
	Polygons    []string       `json:"polygons"`
	Circles     []string       `json:"circles"`
	Codes       []apiCode      `json:"codes"`
	Document    string         `json:"document"`
	Authorities []apiAuthority `json:"authorities"`
}

func apiCells(all []Cell) []apiCell {
	out := []apiCell{}
	for _, c := range all {
		coding := "UCS-2"
		if c.GSM {
			coding = "GSM-7"
		}
		out = append(out, apiCell{string(c.Lang), c.Text, coding, c.Units, c.Page, c.Pages, CellPages, c.Fits})
	}
	return out
}

func apiHandover(h Handover) apiGiven {
	out := apiGiven{Texts: apiCells(h.Texts), Bare: apiCells(h.Bare), Polygons: append([]string{}, h.Polygons...), Circles: append([]string{}, h.Circles...), Codes: []apiCode{}, Document: h.Document}
	for _, c := range h.Codes {
		out.Codes = append(out.Codes, apiCode{c.Scheme, c.Value})
	}
	for _, a := range h.Authorities {
		out.Authorities = append(out.Authorities, apiAuthority(a))
	}
	return out
}

// apiShown is an item for a siren gateway, a local radio or a display: docs/profiles/
// public-address.md.
type apiShown struct {
	ID      string   `json:"id"`
	Origin  Origin   `json:"origin"`
	Kind    string   `json:"kind"`
	Purpose string   `json:"purpose"`
	Level   apiLevel `json:"level"`
	Symbol  string   `json:"symbol"`
	SVG     string   `json:"symbol_svg"`
	Alt     string   `json:"symbol_text"`
	Short   string   `json:"short"`
	Speech  string   `json:"speech"`
	SSML    string   `json:"ssml"`
	Says    []string `json:"says"`
	Updated string   `json:"updated"`
	Expires string   `json:"expires"`
	Concern string   `json:"concerns"` // yes, unclear
}

func (r *Renderer) shown(i *Item, l i18n.Lang, concern string) apiShown {
	s := r.Speak(i, l)
	return apiShown{ID: i.URN, Origin: i.origin, Kind: string(i.kind), Purpose: i.Purpose, Level: apiLevel{i.Level.National, i.Level.Colour, i.Level.Severity}, Symbol: i.Symbol, SVG: SVG(i.Symbol),
		Alt: r.Texts.Text(l, "outlet.symbol."+i.Symbol, nil), Short: r.Short(i, l), Speech: s.Plain, SSML: s.SSML, Says: lines(r.Marks(i, l)), Updated: stamp(i.Updated), Expires: stamp(i.Expires), Concern: concern}
}

// apiSource is a source of official warnings as it stands.
type apiSource struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	State string `json:"state"`
	Since string `json:"since"`
}

func apiSources(all []SourceState) []apiSource {
	out := []apiSource{}
	for _, s := range all {
		out = append(out, apiSource{s.Name, s.Title, s.State, stamp(s.Since)})
	}
	return out
}
