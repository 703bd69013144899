package notice

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// requestFar is a request of another node as the object of a request: it belongs to the
// organisation that was asked.
func (p *Pages) requestFar(r *http.Request) (access.Resource, error) {
	id := r.PathValue("id")
	organisation := web.Who(r.Context()).Organisation // what is not there is told to officers alone
	err := p.o.DB.Read(r.Context(), func(tx *store.Tx) error {
		all, err := farAskeds(tx, `WHERE id = $1`, id)
		if len(all) > 0 {
			organisation = all[0].Organisation
		}
		return err
	})
	return access.Resource{Type: "NoticeRequest", ID: id, Attributes: map[string]any{"organisation": organisation}}, err
}

func (p *Pages) sheetFar(r *http.Request) (v sheet, err error) {
	ctx := r.Context()
	shown, q, err := p.ShowFar(ctx, web.Who(ctx).Organisation, r.PathValue("id"))
	if err != nil {
		return v, err
	}
	v.Shown, v.Now, v.F, v.Far, v.Answer, v.Outcome = shown, p.o.Clock.Now(), map[string]string{}, true, true, q.Why
	v.Map = p.picture(v.Content.Rings, v.message(ctx).Area)
	return v, nil
}

func (p *Pages) answerFarForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.sheetFar(r)
	if err != nil {
		return err
	}
	v.Sure = r.URL.Query().Get("sure") == strconv.Itoa(v.Last.Content)
	return web.Render(w, r, http.StatusOK, answerPage(v))
}

func (p *Pages) answerFar(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	v, err := p.sheetFar(r)
	if err != nil {
		return err
	}
	e, draft, err := taken(r, Approve, Refuse)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	err = p.AnswerFar(ctx, actor(ctx), id, e, draft)
	if e1, is := errors.AsType[*problem.Error](err); is && (e1.Key == "notice.refuse.draft" || e1.Key == "notice.refuse.reason") {
		field := "draft"
		if e.Step == Refuse {
			field = "reason"
		}
		v.Sure = e.Step == Approve
		v.Errors.Add(field, t(ctx, e1.Key))
		return web.Render(w, r, http.StatusUnprocessableEntity, answerPage(v))
	}
	if err != nil {
		return err
	}
	return see(w, r, farAddress(id))
}

// Overridden is a notice that went out without a second person.
type Overridden struct {
	Listed
	Revision     int
	At           time.Time
	By, Reason   string
	Reviewed     time.Time // zero: not yet
	Reviewer     string
	Right        bool
	ReviewReason string
}

// Overrides are the emergency publications of an organisation, the newest first.
func (s *Service) Overrides(ctx context.Context, organisation string, lang i18n.Lang) (all []Overridden, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		listed, err := s.listed(tx, organisation, lang)
		if err != nil {
			return err
		}
		for _, x := range listed {
			n, err := load(tx, x.ID)
			if err != nil {
				return err
			}
			open := len(all) // a review is of the oldest that has none
			revision := 0
			for _, e := range n.Events {
				switch e.Step {
				case Begin:
					revision++
				case Override:
					all = append(all, Overridden{Listed: x, Revision: revision, At: e.At, By: s.nameIn(tx, e.Person), Reason: e.Reason})
				case Review:
					if open < len(all) {
						o := &all[open]
						o.Reviewed, o.Reviewer, o.Right, o.ReviewReason = e.At, s.nameIn(tx, e.Person), e.Right, e.Reason
						open++
					}
				}
			}
		}
		slices.SortStableFunc(all, func(a, b Overridden) int { return b.At.Compare(a.At) })
		return nil
	})
	return all, problem.Wrap("notice.Overrides", err)
}

// emergencies is the page of the overrides.
type emergencies struct {
	All         []Overridden
	State, Kind string
	Empty       bool
	CSV         string
}

// The states of the filter.
const (
	reviewOpen = "open"
	reviewDone = "done"
)

func (p *Pages) chosen(r *http.Request) (v emergencies, err error) {
	ctx := r.Context()
	q := r.URL.Query()
	v.State, v.Kind, v.CSV = q.Get("state"), q.Get("kind"), overridesPath+".csv"
	if r.URL.RawQuery != "" {
		v.CSV += "?" + q.Encode()
	}
	all, err := p.Overrides(ctx, web.Who(ctx).Organisation, web.Lang(ctx))
	v.Empty = len(all) == 0
	for _, x := range all {
		if (v.State == "" || (v.State == reviewOpen) == x.Reviewed.IsZero()) && (v.Kind == "" || string(x.Kind) == v.Kind) {
			v.All = append(v.All, x)
		}
	}
	return v, err
}

func (p *Pages) overrides(w http.ResponseWriter, r *http.Request) error {
	v, err := p.chosen(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, overridesPage(v))
}

func (p *Pages) overridesFile(w http.ResponseWriter, r *http.Request) error {
	v, err := p.chosen(r)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("\ufeff") // spreadsheets know by it that a file is UTF-8
	c := csv.NewWriter(&out)
	c.UseCRLF = true // spec: RFC 4180
	cell := func(s string) string {
		if s != "" && strings.ContainsAny(s[:1], "=+-@\t'") { // no formula for a spreadsheet
			return "'" + s
		}
		return s
	}
	stamp := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.UTC().Format(time.RFC3339)
	}
	rows := [][]string{{"notice", "revision", "kind", "title", "published", "by", "reason", "reviewed", "reviewer", "right", "review_reason"}}
	for _, x := range v.All {
		right := ""
		if !x.Reviewed.IsZero() {
			right = strconv.FormatBool(x.Right)
		}
		rows = append(rows, []string{x.ID, strconv.Itoa(x.Revision), string(x.Kind), cell(x.Title), stamp(x.At), cell(x.By), cell(x.Reason), stamp(x.Reviewed), cell(x.Reviewer), right, cell(x.ReviewReason)})
	}
	_ = c.WriteAll(rows) // into memory
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="overrides.csv"`)
	_, err = w.Write(out.Bytes())
	return err
}
