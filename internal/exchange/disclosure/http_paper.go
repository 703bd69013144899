package disclosure

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// papersOf are what the data-protection papers are written from.
type papersOf struct {
	Version Version
	Used    []used
	Kept    []Kept
}

// used is a field with how often it went to neighbours and how often not.
type used struct {
	Path         string
	Passed, Held int64
}

// year is what the register of processing looks back on.
const year = 365 * 24 * time.Hour

func (s *Service) papersOf(ctx context.Context) (out papersOf, err error) {
	if out.Version, err = s.Current(ctx); err != nil {
		return out, err
	}
	var all []processed
	if err = s.o.DB.Read(ctx, func(tx *store.Tx) error { all, err = counts(tx, s.o.Clock.Now().Add(-year)); return err }); err != nil {
		return out, err
	}
	at := map[string]int{}
	for _, p := range all {
		path := unnumbered(p.Path)
		n, ok := at[path]
		if !ok {
			n = len(out.Used)
			at[path] = n
			out.Used = append(out.Used, used{Path: path})
		}
		if p.Held {
			out.Used[n].Held += p.N
		} else {
			out.Used[n].Passed += p.N
		}
	}
	if s.o.Retained != nil {
		out.Kept, err = s.o.Retained(ctx)
	}
	return out, err
}

// unnumbered is a path without the numbers of what repeats.
func unnumbered(path string) string {
	for {
		begin := strings.IndexByte(path, '[')
		end := strings.IndexByte(path, ']')
		if begin < 0 || end < begin {
			return path
		}
		path = path[:begin] + path[end+1:]
	}
}

func (p *Pages) papers(w http.ResponseWriter, r *http.Request) error {
	of, err := p.papersOf(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, papersPage(of))
}

// papersFile is the same to be printed and signed.
func (p *Pages) papersFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	of, err := p.papersOf(ctx)
	if err != nil {
		return err
	}
	title := t(ctx, "disclosure.paper.title")
	d := pdf.New(pdf.Options{
		Title: title, Lang: string(web.Lang(ctx)), Made: web.Now(ctx),
		Foot: web.T(ctx, "disclosure.paper.foot", i18n.Args{"title": title, "place": who(r).Place, "time": web.DateTime(ctx, web.Now(ctx))}),
		Page: func(n, all int) string { return web.T(ctx, "disclosure.paper.page", i18n.Args{"n": n, "all": all}) },
	})
	d.Heading(1, title)
	d.Paragraph("", t(ctx, "disclosure.paper.draft"))
	d.Paragraph("", versionText(ctx, of.Version))
	d.Heading(2, t(ctx, "disclosure.paper.register"))
	d.Paragraph("", t(ctx, "disclosure.lead"))
	var rows [][]pdf.Cell
	for _, r := range of.Version.Rules {
		rows = append(rows, []pdf.Cell{{Text: r.ID}, {Text: r.Path}, {Text: anyText(ctx, r.Peer)}, {Text: anyText(ctx, r.App)}, {Text: classText(ctx, r.Class)}, {Text: t(ctx, "disclosure.action."+string(r.Action))}, {Text: reasonText(ctx, r.Reason)}})
	}
	d.Table([]float64{0.8, 2, 1.1, 1.9, 1.7, 1.2, 2.7}, heads(ctx, "id", "path", "peer", "app", "class", "action", "reason"), rows)
	d.Heading(2, t(ctx, "disclosure.paper.used"))
	rows = nil
	for _, u := range of.Used {
		rows = append(rows, []pdf.Cell{{Text: u.Path}, {Text: strconv.FormatInt(u.Passed, 10)}, {Text: strconv.FormatInt(u.Held, 10)}})
	}
	d.Table([]float64{4, 1, 1}, heads(ctx, "path", "passed", "held"), rows)
	d.Heading(2, t(ctx, "disclosure.paper.retention"))
	d.Paragraph("", t(ctx, "disclosure.paper.retention.lead"))
	rows = nil
	for _, k := range of.Kept {
		rows = append(rows, []pdf.Cell{{Text: t(ctx, "disclosure.kept."+k.Key)}, {Text: strconv.Itoa(k.Days)}})
	}
	rows = append(rows, []pdf.Cell{{Text: t(ctx, "disclosure.kept.request")}, {Text: t(ctx, "disclosure.kept.none")}})
	d.Table([]float64{4, 1}, []string{t(ctx, "disclosure.paper.retention"), t(ctx, "disclosure.column.days")}, rows)
	d.Heading(2, t(ctx, "disclosure.paper.person"))
	d.Paragraph("", t(ctx, "disclosure.paper.person.lead"))
	d.Paragraph("", t(ctx, "disclosure.paper.person.register"))
	raw, err := d.Bytes()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `inline; filename="disclosure.pdf"`)
	_, err = w.Write(raw)
	return err
}

func heads(ctx context.Context, names ...string) (out []string) {
	for _, n := range names {
		out = append(out, t(ctx, "disclosure.column."+n))
	}
	return out
}

func versionText(ctx context.Context, v Version) string {
	if v.Number == 0 {
		return t(ctx, "disclosure.version.none")
	}
	return web.T(ctx, "disclosure.version", i18n.Args{"n": v.Number, "at": web.DateTime(ctx, v.At), "name": v.Name})
}
