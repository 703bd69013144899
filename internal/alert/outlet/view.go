package outlet

import (
	"context"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// country is the language in which a country names its authorities.
var country = map[string]string{"CZ": "cs", "DE": "de", "PL": "pl"}

// addresses are what others are told to fetch.
func addresses(ctx context.Context, o overview) []ui.Fact {
	var p *Place
	if o.Found != nil && o.Found.Key.Code != "" {
		p = o.Found
	}
	kind := ""
	if o.Kind != store.Live {
		kind = "?kind=" + string(o.Kind)
	}
	facts := []ui.Fact{{Label: t(ctx, "outlet.form.atom"), Value: link(feedPath(o.Kind, nil), o.Base)}}
	if p != nil {
		facts = append(facts, ui.Fact{Label: web.T(ctx, "outlet.feed_for", i18n.Args{"place": p.Name}), Value: link(feedPath(o.Kind, p), o.Base)})
	}
	return append(facts,
		ui.Fact{Label: t(ctx, "outlet.index"), Value: link(areasPath, o.Base)},
		ui.Fact{Label: t(ctx, "outlet.form.geojson"), Value: link(geoPath+kind, o.Base)},
		ui.Fact{Label: t(ctx, "outlet.certificate"), Value: link("/cap/certificate.pem", o.Base)},
	)
}

// tabs are the languages of a preview.
func tabs(ctx context.Context, v preview) (all []ui.Tab) {
	for _, l := range i18n.Langs {
		all = append(all, ui.Tab{Text: web.LanguageName(ctx, string(l)), URL: address(v.Item.ID) + "?lang=" + string(l), Current: l == v.Lang})
	}
	return all
}
