package notice

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
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
	Versions []*Template
	Marks    []mark
	Names    map[string]string
	InUse    bool
	Edit     bool
	F        map[string]string
	Base     int
	Errors   ui.Errors
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

func (p *Pages) templateForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	v.F["slots"], v.F["hours"] = slotList(v.Slots), strconv.Itoa(v.Hours)
	for _, l := range i18n.Langs {
		for _, part := range Parts {
			v.F[string(part)+"_"+string(l)] = v.Texts[l][part]
		}
	}
	return web.Render(w, r, http.StatusOK, templateFormPage(v))
}

// putTemplate takes new words; what a template is about is changed in a file.
func (p *Pages) putTemplate(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	n := *v.Template
	n.Texts = map[i18n.Lang]Words{}
	take := func(name string) string {
		v.F[name] = strings.TrimSpace(strings.ReplaceAll(r.PostFormValue(name), "\r\n", "\n"))
		return v.F[name]
	}
	n.Slots = parseSlots(take("slots"))
	n.Hours, _ = strconv.Atoi(take("hours"))
	for _, l := range i18n.Langs {
		n.Texts[l] = Words{}
		for _, part := range Parts {
			n.Texts[l][part] = take(string(part) + "_" + string(l))
		}
	}
	base, _ := strconv.Atoi(r.PostFormValue("base"))
	if _, err := p.Put(ctx, actor(ctx), []*Template{&n}, base); err != nil {
		refused, is := errors.AsType[*Refused](err)
		if !is {
			return err
		}
		for _, f := range refused.Faults {
			v.Errors.Add(f.Field, web.T(ctx, f.Key, f.Args))
		}
		return web.Render(w, r, http.StatusUnprocessableEntity, templateFormPage(v))
	}
	return see(w, r, templateURL(v.ID, ""))
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
