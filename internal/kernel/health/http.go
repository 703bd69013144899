package health

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
)

// Actions of policy.cedar.
const (
	actionRead = "health.read"
	actionSee  = "health.see"
)

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "health", Key: "health.nav", URL: page, Action: actionRead}}
}

// Register adds the page, its file, and the same for programs.
func (r *Registry) Register(rt *web.Router) {
	rt.Page("GET "+page, web.May(actionRead), func(w http.ResponseWriter, q *http.Request) error {
		return web.Render(w, q, http.StatusOK, r.page(r.Report(q.Context())))
	})
	rt.Page("GET /health.csv", web.May(actionRead), r.file)
	rt.Page("GET /api/health", web.May(actionRead), func(w http.ResponseWriter, q *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(r.Report(q.Context()).Answer(r.Texts, web.Lang(q.Context())))
	})
	rt.Page("POST "+page+"/seen", web.May(actionSee), r.seen)
}

// maxForm bounds the form of one number.
const maxForm = 4 << 10

// seen marks one finding.
func (r *Registry) seen(w http.ResponseWriter, q *http.Request) error {
	q.Body = http.MaxBytesReader(w, q.Body, maxForm)
	id, err := strconv.ParseInt(q.PostFormValue("id"), 10, 64)
	if err != nil {
		return problem.New("health.seen", problem.Invalid, "health.no_finding", nil)
	}
	person := web.Who(q.Context()).ID
	err = r.DB.Write(q.Context(), func(tx *store.Tx) error {
		ok, err := see(tx, id, person, r.Clock.Now())
		if err != nil {
			return err
		}
		if !ok {
			return problem.New("health.seen", problem.Conflict, "health.no_finding", nil)
		}
		return r.Audit.Append(tx, audit.Event{Action: actionSee, Actor: person, Object: strconv.FormatInt(id, 10)})
	})
	if err != nil {
		return err
	}
	r.forget()
	http.Redirect(w, q, page, http.StatusSeeOther)
	return nil
}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// file is everything on the page as CSV (spec: RFC 4180), times in UTC.
func (r *Registry) file(w http.ResponseWriter, q *http.Request) error {
	ctx := q.Context()
	rep := r.Report(ctx)
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	head := []string{"health.column.level", "health.column.area", "health.column.text", "health.column.todo", "health.column.since", "health.column.until", "health.column.seen", "health.column.by"}
	for i, key := range head {
		head[i] = web.T(ctx, key, nil)
	}
	lines := [][]string{head}
	for _, items := range [][]Item{rep.Ill, rep.Unseen, rep.Past} {
		for _, i := range items {
			lines = append(lines, []string{r.word(web.Lang(ctx), i.Level), web.T(ctx, i.Area, nil), cell(i.What(r.Texts, web.Lang(ctx))), cell(i.Do(r.Texts, web.Lang(ctx))),
				stamp(i.Since), stamp(i.Until), stamp(i.SeenAt), cell(i.Name)})
		}
	}
	if err := c.WriteAll(lines); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="health.csv"`)
	_, err := w.Write(out.Bytes())
	return err
}

// cell keeps a spreadsheet program from taking what another machine said for a
// formula.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t") {
		return "'" + s
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (r *Registry) word(l i18n.Lang, level Level) string {
	return r.Texts.Text(l, "health.level."+level.name(), nil)
}

// sign is the shape of a level.
func (l Level) sign() sign.Level { return sign.Level(l.name()) }

// Banner is one line for the frame of every page: the worst that is ill, or that
// went and nobody has seen, with the way to the page. It is empty when nothing
// is, and for whom the rules do not permit to know.
func (r *Registry) Banner() templ.Component { return r.banner() }
