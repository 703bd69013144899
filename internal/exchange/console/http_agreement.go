package console

import (
	"cmp"
	"context"
	"net/http"

	"github.com/a-h/templ"

	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/web"
)

// mayWe is what the place of the shown incident means for asking the neighbours and
// for going to them; nothing without a point.
func (v *screen) mayWe(ctx context.Context) templ.Component {
	f := v.incident.Facts
	if f == nil || !f.HasPoint {
		return templ.NopComponent
	}
	forms := ""
	if v.act {
		forms = formsURL(v.incident.ID)
	}
	return v.pages.panel(ctx, v.org, geo.Point{Lat: f.Lat, Lon: f.Lon}, forms)
}

// mayWeAt is mayWe for the point of a hand-over that is being written.
func (p *Pages) mayWeAt(ctx context.Context, org Org, h handing) templ.Component {
	at, ok := h.point()
	if !ok {
		return templ.NopComponent
	}
	return p.panel(ctx, org, at, "")
}

// panel asks the agreements. An answer that fails is left out: the incident is more
// important.
func (p *Pages) panel(ctx context.Context, org Org, at geo.Point, forms string) templ.Component {
	if p.Agreements == nil {
		return templ.NopComponent
	}
	var country []string
	if org.Country != "" {
		country = []string{org.Country}
	}
	panel, err := p.Agreements.Panel(ctx, org.ID, country, at, forms)
	if err != nil {
		p.Log.ErrorContext(ctx, "console: agreements", "err", err)
		return templ.NopComponent
	}
	return p.Agreements.Part(panel)
}

// pointing are the options of the incident's map: any point of it can be asked about.
func (p *Pages) pointing(ctx context.Context) register.Options {
	o := register.Options{Tiles: true}
	if p.Agreements != nil {
		o.Ask = agreement.AskOnMap(ctx)
		o.Pick = o.Ask != nil
	}
	return o
}

func formsURL(incident string) string { return incidentURL(incident) + "/forms" }

// agreementForm is a form of an agreement, filled with what the incident says.
func (p *Pages) agreementForm(w http.ResponseWriter, r *http.Request) error {
	i, err := p.agreed(r)
	if err != nil {
		return err
	}
	f := i.Facts
	facts := agreement.Facts{
		"what": cmp.Or(i.Headline, i.Type), "place": cmp.Or(f.Place, i.Place), "issue": f.Issue,
	}
	if f.HasPoint {
		facts["point"] = point(f)
	}
	if f.Injured != nil {
		facts["injured"] = count(f.Injured)
	}
	if len(i.Handovers) == 1 {
		facts["receiver"] = neighbour(i.Handovers[0].Neighbour)
	}
	return p.Agreements.IncidentForm(w, r, facts, formsURL(i.ID), incidentURL(i.ID))
}

// agreementFile is the same on paper; it is made and not kept.
func (p *Pages) agreementFile(w http.ResponseWriter, r *http.Request) error {
	i, err := p.agreed(r)
	if err != nil {
		return err
	}
	band := ""
	if d := drill(i.Kind); d != "" {
		band = web.T(r.Context(), "web.drill."+d, nil)
	}
	return p.Agreements.FormFile(w, r, i.ID, band)
}

// agreed is the incident of a form, whose content has to be there still.
func (p *Pages) agreed(r *http.Request) (*Incident, error) {
	i, err := p.Incident(r.Context(), web.Who(r.Context()).Organisation, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if i.Facts == nil || p.Agreements == nil {
		return nil, problem.New("console.agreement", problem.Conflict, "console.paper.deleted", nil)
	}
	return i, nil
}
