package replay

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
)

// Root is the address of the page.
const Root = "/replay"

const acknowledgePath = Root + "/acknowledge/"

func acknowledgeAddress(id string) string { return acknowledgePath + url.PathEscape(id) }

// Pages are the page of a replay and the one on which somebody acknowledges. Everybody who
// reaches the address may read: it holds an exercise and nobody's data.
type Pages struct {
	Run      *Run
	Receipts *Receipts
	Name     func(ctx context.Context, gauge string) string // of a gauge, for readers
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	rt.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		http.Redirect(w, r, Root, http.StatusSeeOther)
		return nil
	})
	rt.Page("GET "+Root, web.Public(), p.show)
	rt.Page("GET "+acknowledgePath+"{id}", web.Public(), p.ask)
	rt.Page("POST "+acknowledgePath+"{id}", web.Public(), p.acknowledge)
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	report := p.Run.Report()
	list, err := p.Receipts.List(r.Context())
	if err != nil {
		return err
	}
	still := r.URL.Query().Has("still")
	if !report.Over && !still {
		w.Header().Set("Refresh", "5") // who reads longer stops it by the link
	}
	lang := web.Lang(r.Context())
	// The staff is told in each language; a reader sees that in his.
	report.Entries = slices.DeleteFunc(report.Entries, func(e Entry) bool { return e.To == Staff && e.Lang != lang })
	slices.Reverse(report.Entries)
	return web.Render(w, r, http.StatusOK, p.page(report, list, still))
}

// Staff is the recipient of the whole node, as Entry.To names him.
const Staff = "staff"

func (p *Pages) ask(w http.ResponseWriter, r *http.Request) error {
	x, err := p.Receipts.Receipt(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.receipt(x))
}

func (p *Pages) acknowledge(w http.ResponseWriter, r *http.Request) error {
	x, err := p.Receipts.Acknowledge(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, acknowledgeAddress(x.ID), http.StatusSeeOther)
	return nil
}

// momentArgs are what the text of a moment names.
func momentArgs(m Moment) i18n.Args {
	return i18n.Args{"at": m.At, "within": m.Within, "by": m.At.Add(m.Within)}
}
