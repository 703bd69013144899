package notice

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

func templateURL(id, more string) string { return templatesPath + "/" + url.PathEscape(id) + more }

// shelf is the list of templates.
type shelf struct {
	All  []*Template
	Edit bool
}

func (p *Pages) templates(w http.ResponseWriter, r *http.Request) error {
	b, err := p.Templates(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, templatesPage(shelf{b.InUse(), p.Operator.Can(r.Context(), mayTemplate)}))
}

func (p *Pages) templateFile(w http.ResponseWriter, r *http.Request) error {
	b, err := p.Templates(r.Context())
	if err != nil {
		return err
	}
	var people []string
	for _, m := range b.marks {
		people = append(people, m.By)
	}
	names, err := p.names(r.Context(), people, nil)
	if err != nil {
		return err
	}
	raw, err := writeCSV(b.InUse(), func(id string) string { return names[id] })
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="notice-templates.csv"`)
	_, err = w.Write(raw)
	return err
}

// leaf is one template with its history.
type leaf struct {
	*Template
	Versions   []*Template
	Marks      []mark
	Names      map[string]string
	InUse      bool
	Edit       bool
	New        bool      // not written yet
	Tried      []Slot    // of what is tried out
	Messages   []Message // how that reads, by language
	Renderings []Rendering
	F          map[string]string
	Base       int
	Errors     ui.Errors
}

func (p *Pages) leaf(r *http.Request) (v leaf, err error) {
	ctx := r.Context()
	b, err := p.Templates(ctx)
	if err != nil {
		return v, err
	}
	id := r.PathValue("id")
	if v.Versions = b.History(id); len(v.Versions) == 0 {
		return v, problem.New("notice.leaf", problem.NotFound, "", nil)
	}
	v.Template, v.Base = v.Versions[0], len(v.Versions)
	v.InUse, v.Edit = !v.Versions[0].Retired, p.Operator.Can(ctx, mayTemplate)
	v.Marks, v.F = b.checks(id), map[string]string{}
	var people []string
	for _, x := range v.Versions {
		people = append(people, x.By)
	}
	for _, m := range v.Marks {
		people = append(people, m.By)
	}
	v.Names, err = p.names(ctx, people, nil)
	return v, err
}

func (p *Pages) template(w http.ResponseWriter, r *http.Request) error {
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, templatePage(v))
}

// fill writes a template into the fields of its form.
func (v *leaf) fill(t *Template) {
	v.F["id"], v.F["hazard"], v.F["slots"], v.F["hours"] = t.ID, t.Hazard, slotList(t.Slots), strconv.Itoa(t.Hours)
	v.F["category"], v.F["response"], v.F["urgency"], v.F["severity"], v.F["certainty"] = t.Category, t.Response, t.Urgency, t.Severity, t.Certainty
	if t.Immediate {
		v.F["immediate"] = "on"
	}
	for _, l := range i18n.Langs {
		for _, part := range Parts {
			v.F[string(part)+"_"+string(l)] = t.Texts[l][part]
		}
	}
}

// written reads a template out of its form.
func (v *leaf) written(r *http.Request) *Template {
	take := func(name string) string {
		v.F[name] = strings.TrimSpace(strings.ReplaceAll(r.PostFormValue(name), "\r\n", "\n"))
		return v.F[name]
	}
	n := &Template{ID: v.Template.ID, Hazard: take("hazard"), Category: strings.Join(strings.Fields(take("category")), " "), Response: strings.Join(strings.Fields(take("response")), " "),
		Urgency: take("urgency"), Severity: take("severity"), Certainty: take("certainty"), Immediate: take("immediate") == "on", Slots: parseSlots(take("slots")), Texts: map[i18n.Lang]Words{}}
	if v.New {
		n.ID = strings.ToUpper(take("id"))
	}
	n.Hours, _ = strconv.Atoi(take("hours"))
	for _, l := range i18n.Langs {
		n.Texts[l] = Words{}
		for _, part := range Parts {
			n.Texts[l][part] = take(string(part) + "_" + string(l))
		}
	}
	return n
}

// blankTemplate is what a new one begins with.
func blankTemplate() *Template {
	return &Template{Hazard: "free", Category: "Other", Response: "None", Urgency: "Unknown", Severity: "Unknown", Certainty: "Unknown", Hours: 6, Texts: map[i18n.Lang]Words{}}
}

func (p *Pages) newTemplateForm(w http.ResponseWriter, r *http.Request) error {
	v := leaf{Template: blankTemplate(), New: true, Edit: true, F: map[string]string{}}
	if id := r.URL.Query().Get("like"); id != "" { // begin with the words of another
		b, err := p.Templates(r.Context())
		if err != nil {
			return err
		}
		if like := b.Find(id); like != nil {
			v.fill(like)
			v.F["id"] = ""
			return web.Render(w, r, http.StatusOK, templateFormPage(v))
		}
	}
	v.fill(v.Template)
	return web.Render(w, r, http.StatusOK, templateFormPage(v))
}

func (p *Pages) newTemplate(w http.ResponseWriter, r *http.Request) error {
	return p.save(w, r, leaf{Template: blankTemplate(), New: true, Edit: true, F: map[string]string{}}, 0)
}

func (p *Pages) templateForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	v.fill(v.Template)
	return web.Render(w, r, http.StatusOK, templateFormPage(v))
}

// putTemplate takes a new version.
func (p *Pages) putTemplate(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	base, _ := strconv.Atoi(r.PostFormValue("base"))
	return p.save(w, r, v, base)
}

// save keeps what a form holds, or only shows how it reads.
func (p *Pages) save(w http.ResponseWriter, r *http.Request, v leaf, base int) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	n := v.written(r)
	if r.PostFormValue("do") == "preview" {
		v.fault(ctx, n.check())
		if len(v.Errors) == 0 {
			if err := v.sample(ctx, p, n, r); err != nil {
				return err
			}
		}
		return web.Render(w, r, http.StatusOK, templateFormPage(v))
	}
	if _, err := p.Put(ctx, actor(ctx), []*Template{n}, base); err != nil {
		refused, is := errors.AsType[*Refused](err)
		if !is {
			return err
		}
		v.fault(ctx, refused.Faults)
		return web.Render(w, r, http.StatusUnprocessableEntity, templateFormPage(v))
	}
	return see(w, r, templateURL(n.ID, ""))
}

func (v *leaf) fault(ctx context.Context, all []Fault) {
	for _, f := range all {
		if f.Key == "notice.fault.changed" && v.New {
			f.Field, f.Key, f.Args = "id", "notice.fault.taken", nil
		}
		v.Errors.Add(f.Field, web.T(ctx, f.Key, f.Args))
	}
}

// samples are values to read a template with, of the kinds that are no free words.
var samples = map[Kind]string{KindGauge: "Frýdlant", KindLevel: "245", KindPlace: "Frýdlant", KindRiver: "Smědá", KindPhone: "+420 485 000 000", KindNumber: "3"}

// sample shows how a template reads with the values of the form, typed as they will be;
// what is left empty gets a sample.
func (v *leaf) sample(ctx context.Context, p *Pages, n *Template, r *http.Request) error {
	now := p.o.Clock.Now()
	c := &Content{Lang: web.Lang(ctx), Values: map[string]string{}, Areas: []string{}, Onset: now, Expires: now.Add(n.lasts())}
	v.Tried = n.Slots
	for _, s := range n.Slots {
		text := strings.TrimSpace(r.FormValue("p_" + s.Name))
		if text == "" {
			text = samples[s.Kind]
			if s.Kind == KindTime {
				text = p.o.Clock.Now().In(zone).Format(inputTime)
			} else if text == "" {
				text = t(ctx, "notice.slot."+string(s.Kind))
			}
		}
		v.F["p_"+s.Name] = text
		kept, fault := p.voice.Value(s.Kind, text, zone)
		if fault != "" {
			v.Errors.Add("p_"+s.Name, web.T(ctx, fault, i18n.Args{"value": text}))
			continue
		}
		c.Values[s.Name] = kept
	}
	draft, all, err := p.draft(ctx, web.Who(ctx).Organisation, "", store.Live, Alert, n, c)
	if err != nil {
		return err
	}
	v.Messages, v.Renderings = all, p.renderings(draft)
	return nil
}

// preview shows how a template in use reads.
func (p *Pages) previewTemplate(w http.ResponseWriter, r *http.Request) error {
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	if err := v.sample(r.Context(), p, v.Template, r); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, templatePreviewPage(v))
}

// restoreTemplate takes an earlier version into use again, with the checks it had.
func (p *Pages) restoreTemplate(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id := r.PathValue("id")
	if err := p.Restore(r.Context(), actor(r.Context()), id, r.PostFormValue("version")); err != nil {
		return err
	}
	return see(w, r, templateURL(id, ""))
}

func (p *Pages) checkTemplate(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id := r.PathValue("id")
	err := p.Check(r.Context(), actor(r.Context()), id, r.PostFormValue("version"), i18n.Lang(r.PostFormValue("lang")), r.PostFormValue("right") == "yes")
	if err != nil {
		return err
	}
	return see(w, r, templateURL(id, ""))
}

func (p *Pages) retireTemplate(w http.ResponseWriter, r *http.Request) error {
	if err := p.Retire(r.Context(), actor(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	return see(w, r, templatesPath)
}

// intake is the page on which a file is taken in.
type intake struct {
	Done    bool
	Changed int
	Faults  []Fault
}

// shownFaults bounds the faults of a file on the page.
const shownFaults = 50

func (p *Pages) importForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, importPage(intake{}))
}

func (p *Pages) importFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, maxFile+maxForm)
	v := intake{}
	var raw []byte
	if f, _, err := r.FormFile("file"); err == nil {
		defer f.Close()
		raw, err = io.ReadAll(io.LimitReader(f, maxFile+1))
		if err != nil {
			return problem.Wrap("notice.import", err)
		}
	}
	if len(raw) == 0 || len(raw) > maxFile {
		v.Faults = []Fault{{Key: "notice.fault.file"}}
		return web.Render(w, r, http.StatusUnprocessableEntity, importPage(v))
	}
	var err error
	v.Changed, err = p.Import(ctx, actor(ctx), raw)
	if refused, is := errors.AsType[*Refused](err); is {
		v.Faults = slices.Clone(refused.Faults[:min(len(refused.Faults), shownFaults)])
		return web.Render(w, r, http.StatusUnprocessableEntity, importPage(v))
	}
	if err != nil {
		return err
	}
	v.Done = true
	return web.Render(w, r, http.StatusOK, importPage(v))
}
