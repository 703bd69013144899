package agreement

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/web"
)

// A point chosen on a map is answered beside it, for all services at once, by a piece
// of the page; the page itself answers the same without scripts.

// idAt begins the ids of an answer beside a map: the page may have a panel already.
const idAt = "at-"

// closeUp is how wide the map is around the point that was asked, in metres.
const closeUp = 40_000

// AskOnMap is what maps ask of a point; nil for readers who may not read the agreements.
func AskOnMap(ctx context.Context) *register.Ask {
	if !may(ctx, mayRead) {
		return nil
	}
	return &register.Ask{Title: t(ctx, "agreement.panel"), Part: pointPath, Page: Path}
}

// home is the country of the reader's organisation as the unit it works for.
func (p *Pages) home(ctx context.Context) ([]string, error) {
	if p.Country == nil {
		return nil, nil
	}
	country, err := p.Country(ctx, web.Who(ctx).Organisation)
	if err != nil || country == "" {
		return nil, err
	}
	return []string{country}, nil
}

// here is what a point means for the reader's organisation.
func (p *Pages) here(ctx context.Context, at geo.Point) (*Panel, error) {
	home, err := p.home(ctx)
	if err != nil {
		return nil, err
	}
	panel, err := p.Panel(ctx, web.Who(ctx).Organisation, home, at, "")
	if err == nil {
		panel.ID = idAt
	}
	return panel, err
}

// point answers for ?lat=…&lon=… in decimal degrees with a piece of HTML; without a
// point there is nothing to say.
func (p *Pages) point(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	if !q.Has("lat") && !q.Has("lon") {
		return web.Render(w, r, http.StatusOK, templ.NopComponent)
	}
	lat, errLat := strconv.ParseFloat(q.Get("lat"), 64)
	lon, errLon := strconv.ParseFloat(q.Get("lon"), 64)
	at := geo.Point{Lat: lat, Lon: lon}
	if errLat != nil || errLon != nil || !at.Valid() {
		return problem.New("agreement.point", problem.Invalid, "agreement.fault.at", nil)
	}
	panel, err := p.here(ctx, at)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.pointPart(at, panel))
}

// pointURL is the page that asks on about a point.
func pointURL(at geo.Point) string {
	return Path + "?" + url.Values{"at": {point(at)}}.Encode() + "#answer"
}

// onMap is the map on which a point is asked with a click; the point that was asked
// stands on it.
func (p *Pages) onMap(ctx context.Context, a asking) templ.Component {
	v := register.View{Title: t(ctx, "agreement.point.map")}
	var marks []register.Mark
	if a.Asked {
		v.Centre, v.Metres = a.Point, closeUp
		marks = append(marks, register.Mark{Point: a.Point, Label: geo.Write(web.Lang(ctx), a.Point, geo.Decimal)})
	}
	return p.places.Map(v, register.Options{Pick: true, Field: "at", Tiles: true, Ask: AskOnMap(ctx)}, marks...)
}
