package board

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
)

const (
	root         = "/board"
	partnersPath = root + "/neighbours"
)

// Pages are the screens of a service.
type Pages struct{ *Service }

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{s} }

// Nav returns the package's task.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "board", Key: "board.nav", URL: root, Action: mayRead}}
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	rt.Page("GET "+root, web.May(mayRead), p.list)
	rt.Page("GET "+root+".csv", web.May(mayRead), p.file)
	rt.Page("POST "+root+"/acknowledge", web.May(mayAcknowledge), p.acknowledge)
	rt.Page("GET "+partnersPath, web.May(mayShare), p.partners)
	rt.Page("POST "+partnersPath, web.May(mayShare), p.share)
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	all, err := p.List(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.page(all))
}

// maxForm bounds a form.
const maxForm = 4 << 10

func (p *Pages) acknowledge(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return err
	}
	who := web.Who(r.Context())
	if err := p.Acknowledge(r.Context(), who.ID, who.Organisation, web.Lang(r.Context()), r.PostForm.Get("ref")); err != nil {
		return err
	}
	http.Redirect(w, r, root, http.StatusSeeOther)
	return nil
}

// waits reports whether the reader's own organisation is asked.
func waits(ctx context.Context, r Row) bool {
	who := web.Who(ctx)
	for _, o := range r.Missing {
		if who != nil && o.ID == who.Organisation {
			return web.Can(ctx, mayAcknowledge, web.Organisation(o.ID))
		}
	}
	return false
}

func (p *Pages) partners(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Partners(r.Context(), web.Who(r.Context()).Organisation)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.partnersPage(all))
}

func (p *Pages) share(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return err
	}
	who := web.Who(r.Context())
	if err := p.Share(r.Context(), who.ID, who.Organisation, r.PostForm.Get("other"), r.PostForm.Get("share") == "yes"); err != nil {
		return err
	}
	http.Redirect(w, r, partnersPath, http.StatusSeeOther)
	return nil
}

// cell keeps what others have written from being a formula in a spreadsheet.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t'") {
		return "'" + s
	}
	return s
}

// CSV is the board as rows, one for each organisation asked (spec: RFC 4180).
func CSV(all []Row, l i18n.Lang) []byte {
	var out bytes.Buffer
	out.WriteString("\ufeff") // spreadsheets know by it that a file is UTF-8
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	stamp := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.UTC().Format(time.RFC3339)
	}
	rows := [][]string{{"ref", "kind", "level", "title", "owner", "since", "until", "organisation", "country", "acknowledged", "person", "language"}}
	for _, r := range all {
		head := []string{r.Ref, string(r.Kind), string(r.Level), cell(r.Title(l)), cell(r.OwnerName), stamp(r.At), stamp(r.Until)}
		for _, d := range r.Done {
			rows = append(rows, append(head[:7:7], cell(d.Name), d.Country, stamp(d.At), cell(d.Person), string(d.Lang)))
		}
		for _, o := range r.Missing {
			rows = append(rows, append(head[:7:7], cell(o.Name), o.Country, "", "", ""))
		}
	}
	_ = c.WriteAll(rows) // into memory
	return out.Bytes()
}

func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	all, err := p.List(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="board.csv"`)
	_, err = w.Write(CSV(all, web.Lang(r.Context())))
	return err
}
