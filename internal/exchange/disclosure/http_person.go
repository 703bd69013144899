package disclosure

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// requestView is a person's request on its way through the form, the steps of the search
// and the list to the answer. All of it goes along in the forms: nothing is stored.
type requestView struct {
	Form    url.Values // as typed
	Request PersonRequest
	Search  Search
	Items   []Item
	Errors  ui.Errors
}

// fieldsOf are the fields of the form.
var fieldsOf = []string{"phone", "name", "from", "to", "number", "reason", "identified", "lang"}

// zone is where the days of a form begin.
var zone = sync.OnceValue(func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		panic(err) // i18n links the zone data
	}
	return z
})

// choiceOf is the name of the field that has the decision about an item.
func choiceOf(key string) string { return "choice-" + key }

// hidden are the fields of the form and of the search, to be sent on.
func (v requestView) hidden() (out []ui.Option) {
	for _, f := range fieldsOf {
		out = append(out, ui.Option{Value: f, Text: v.Form.Get(f)})
	}
	for name, n := range map[string]int64{"message": v.Search.Message, "note": v.Search.Note, "done": v.Search.Done, "all": v.Search.All, "erased": v.Search.Erased} {
		out = append(out, ui.Option{Value: name, Text: strconv.FormatInt(n, 10)})
	}
	slices.SortFunc(out[len(fieldsOf):], func(a, b ui.Option) int { return strings.Compare(a.Value, b.Value) })
	for _, ref := range v.Search.Found {
		out = append(out, ui.Option{Value: "found", Text: ref})
	}
	return out
}

// asked reads a request with how far its search has come.
func (p *Pages) asked(w http.ResponseWriter, r *http.Request) (requestView, error) {
	if err := bounded(w, r); err != nil {
		return requestView{}, err
	}
	v := requestView{Form: r.PostForm}
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	day := func(name string) time.Time {
		if get(name) == "" {
			return time.Time{}
		}
		at, err := time.ParseInLocation(time.DateOnly, get(name), zone())
		if err != nil {
			v.Errors.Add(name, t(r.Context(), "disclosure.request.wrong.day"))
		}
		return at
	}
	v.Request = PersonRequest{
		Sought: Sought{Name: get("name"), Phone: get("phone"), From: day("from"), To: day("to")},
		Number: get("number"), Reason: get("reason"), Identified: day("identified"), Lang: web.Lang(r.Context()),
	}
	if !v.Request.To.IsZero() {
		v.Request.To = v.Request.To.AddDate(0, 0, 1) // the day itself counts
	}
	if l := i18n.Lang(get("lang")); slices.Contains(i18n.Langs, l) {
		v.Request.Lang = l
	}
	if len(v.Errors) == 0 {
		for _, wrong := range v.Request.Wrong(web.Now(r.Context())) {
			v.Errors.Add(wrong[0], t(r.Context(), wrong[1]))
		}
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(get(name), 10, 64)
		return max(0, n)
	}
	v.Search = Search{Message: number("message"), Note: number("note"), Done: number("done"), All: number("all"), Erased: number("erased"), Found: r.PostForm["found"]}
	return v, nil
}

func (p *Pages) requestForm(w http.ResponseWriter, r *http.Request) error {
	v := requestView{Form: url.Values{"lang": {string(web.Lang(r.Context()))}, "reason": {Reasons[0]}}}
	return web.Render(w, r, http.StatusOK, requestPage(v))
}

// seek is one step of the search; the last one shows what was found.
func (p *Pages) seek(w http.ResponseWriter, r *http.Request) error {
	v, err := p.asked(w, r)
	if err != nil {
		return err
	}
	if len(v.Errors) > 0 {
		return web.Render(w, r, http.StatusUnprocessableEntity, requestPage(v))
	}
	ctx := r.Context()
	if v.Search, err = p.Seek(ctx, who(r).ID, who(r).Organisation, v.Request, v.Search); err != nil {
		return err
	}
	if !v.Search.Finished {
		return web.Render(w, r, http.StatusOK, searchingPage(v))
	}
	if v.Items, err = p.Items(ctx, who(r).Organisation, v.Request, v.Search); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, foundPage(v, p.o.Node.NameOf))
}

// decided makes the answer of a form; one that is not complete is shown again, and the
// answer is nil.
func (p *Pages) decided(w http.ResponseWriter, r *http.Request) (*Answer, requestView, error) {
	v, err := p.asked(w, r)
	if err != nil {
		return nil, v, err
	}
	if len(v.Errors) > 0 {
		return nil, v, web.Render(w, r, http.StatusUnprocessableEntity, requestPage(v))
	}
	ctx := r.Context()
	if v.Items, err = p.Items(ctx, who(r).Organisation, v.Request, v.Search); err != nil {
		return nil, v, err
	}
	for n := range v.Items {
		i := &v.Items[n]
		i.Choice = r.PostFormValue(choiceOf(i.Key))
		if !slices.Contains(Choices, i.Choice) {
			i.Choice = ""
			v.Errors.Add(choiceOf(i.Key), t(ctx, "disclosure.request.wrong.open"))
		}
	}
	if len(v.Errors) > 0 {
		return nil, v, web.Render(w, r, http.StatusUnprocessableEntity, foundPage(v, p.o.Node.NameOf))
	}
	a, err := p.Answer(ctx, who(r).ID, who(r).Organisation, Answer{PersonRequest: v.Request, Organisation: who(r).Place, Search: v.Search, Items: v.Items})
	if text, ok := fault(ctx, err); ok {
		v.Errors.Add("", text)
		return nil, v, web.Render(w, r, http.StatusUnprocessableEntity, foundPage(v, p.o.Node.NameOf))
	}
	return &a, v, err
}

func (p *Pages) answer(w http.ResponseWriter, r *http.Request) error {
	a, v, err := p.decided(w, r)
	if err != nil || a == nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, answerPage(v, *a, p.letter(r.Context(), *a)))
}

// answerFile is the same to be printed, signed and sent.
func (p *Pages) answerFile(w http.ResponseWriter, r *http.Request) error {
	a, _, err := p.decided(w, r)
	if err != nil || a == nil {
		return err
	}
	raw, err := p.letterFile(r.Context(), *a)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `attachment; filename="answer.pdf"`)
	_, err = w.Write(raw)
	return err
}

func reasonOptions(ctx context.Context, chosen string) (out []ui.Option) {
	for _, c := range Reasons {
		out = append(out, ui.Option{Value: c, Text: t(ctx, "disclosure.request.reason."+c), Selected: c == chosen})
	}
	return out
}

func langOptions(ctx context.Context, chosen string) (out []ui.Option) {
	for _, l := range i18n.Langs {
		out = append(out, ui.Option{Value: string(l), Text: t(ctx, "disclosure.request.lang."+string(l)), Selected: string(l) == chosen})
	}
	return out
}

func choiceOptions(ctx context.Context, i Item) (out []ui.Option) {
	for _, c := range Choices {
		out = append(out, ui.Option{Value: c, Text: t(ctx, "disclosure.request.choice."+c), Selected: c == i.Choice})
	}
	return out
}
