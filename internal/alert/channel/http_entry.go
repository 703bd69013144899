package channel

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

const (
	entryRoot = root + "/receivers"
	// entryLimit bounds a form, entryFileLimit one with a file.
	entryLimit, entryFileLimit = 64 << 10, 2 << 20
)

func entryURL(id, more string) string { return entryRoot + "/one/" + id + more }

// registerEntries adds the pages of receivers. Who looks sees no address: only who may
// change one does.
func (p *Pages) registerEntries(rt *web.Router) {
	read, act := web.May(mayRead), web.MayOn(mayAct, p.Operator.On)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + entryRoot, read, p.entries},
		{"GET " + entryRoot + ".csv", act, p.entryFile},
		{"POST " + entryRoot, act, p.saveEntry},
		{"GET " + entryRoot + "/new", act, p.newEntry},
		{"GET " + entryRoot + "/import", act, p.importForm},
		{"POST " + entryRoot + "/import", act, p.importFile},
		{"POST " + entryRoot + "/test", act, p.test},
		{"GET " + entryURL("{id}", ""), act, p.entry},
		{"POST " + entryURL("{id}", ""), act, p.saveEntry},
		{"POST " + entryURL("{id}", "/end"), act, p.endEntry},
		{"POST " + entryURL("{id}", "/undo"), act, p.undoEntry},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

func (p *Pages) entries(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Addressees(r.Context())
	if err != nil {
		return err
	}
	if !p.Operator.Can(r.Context(), mayAct) {
		for i := range all {
			all[i].Address = ""
		}
	}
	return web.Render(w, r, http.StatusOK, p.entriesPage(all))
}

func (p *Pages) entryFile(w http.ResponseWriter, r *http.Request) error {
	file, err := p.Export(r.Context(), web.Who(r.Context()).ID)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="receivers.csv"`)
	_, err = w.Write(file)
	return err
}

// entryForm is what was typed with what is wrong in it.
type entryForm struct {
	ID     string // "": a new one
	Values map[string]string
	Takes  []string
	Ack    bool
	Errors ui.Errors
	Now    *Entry // nil: a new one
	Past   []*Entry
}

var entryFields = []string{"name", "channel", "address", "language", "places", "minimum", "from", "until", "reason", "version"}

func (p *Pages) newEntry(w http.ResponseWriter, r *http.Request) error {
	now := p.Clock.Now()
	return web.Render(w, r, http.StatusOK, p.entryPage(entryForm{Takes: []string{string(Notice), string(Warning)},
		Values: map[string]string{"language": string(web.Lang(r.Context())), "from": now.Format(dayForm), "until": now.AddDate(1, 0, 0).Format(dayForm)}}))
}

// formOf is an entry as a form; the reason is asked for anew.
func formOf(e *Entry, past []*Entry) entryForm {
	return entryForm{ID: e.ID, Takes: e.Takes, Ack: e.Ack, Now: e, Past: past, Values: map[string]string{"name": e.Name, "channel": e.Channel, "address": e.Address, "language": string(e.Lang),
		"places": strings.Join(e.Places, "\n"), "minimum": e.Minimum, "from": e.From.Format(dayForm), "until": e.Until.Format(dayForm), "version": strconv.FormatInt(e.Version, 10)}}
}

func (p *Pages) entry(w http.ResponseWriter, r *http.Request) error {
	e, past, err := p.Entry(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.entryPage(formOf(e, past)))
}

func (p *Pages) saveEntry(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, entryLimit)
	f := entryForm{ID: r.PathValue("id"), Values: map[string]string{}, Ack: r.PostFormValue("acknowledge") != "", Takes: r.PostForm["takes"]}
	if f.ID != "" {
		var err error
		if f.Now, f.Past, err = p.Entry(ctx, f.ID); err != nil {
			return err
		}
	}
	for _, n := range entryFields {
		f.Values[n] = r.PostFormValue(n)
	}
	v := func(n string) string { return strings.TrimSpace(f.Values[n]) }
	e := Entry{ID: f.ID, Name: v("name"), Channel: v("channel"), Address: v("address"), Lang: i18n.Lang(v("language")), Places: split(v("places")), Minimum: v("minimum"), Takes: f.Takes, Ack: f.Ack, Reason: v("reason")}
	e.Version, _ = strconv.ParseInt(v("version"), 10, 64)
	for name, to := range map[string]*Entry{"from": &e, "until": &e} {
		at, ok := dayOf(v(name))
		if !ok {
			f.Errors.Add(name, web.T(ctx, "channel.entry.fault.day", i18n.Args{"value": v(name)}))
		}
		if name == "from" {
			to.From = at
		} else {
			to.Until = at
		}
	}
	if len(f.Errors) == 0 {
		_, secret, faults, err := p.Save(ctx, web.Who(ctx).ID, e)
		if err != nil {
			return err
		}
		if len(faults) == 0 {
			if secret != "" { // told now and never again: no redirection could carry it
				w.Header().Set("Cache-Control", "no-store")
				return web.Render(w, r, http.StatusOK, secretPage(e.Name, secret))
			}
			http.Redirect(w, r, entryRoot, http.StatusSeeOther)
			return nil
		}
		for _, x := range faults {
			f.Errors.Add(x.Field, p.faultText(ctx, x))
		}
	}
	return web.Render(w, r, http.StatusUnprocessableEntity, p.entryPage(f))
}

func (p *Pages) faultText(ctx context.Context, x EntryFault) string {
	return web.T(ctx, x.Key, x.Args)
}

// versionOf is the version that the page showed.
func versionOf(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil || n < 1 {
		return 0, problem.New("channel.receiver", problem.Conflict, "channel.entry.stale", nil)
	}
	return n, nil
}

func (p *Pages) endEntry(w http.ResponseWriter, r *http.Request) error {
	return p.stepEntry(w, r, p.End)
}

func (p *Pages) undoEntry(w http.ResponseWriter, r *http.Request) error {
	return p.stepEntry(w, r, p.Undo)
}

func (p *Pages) stepEntry(w http.ResponseWriter, r *http.Request, step func(context.Context, string, string, int64, string) error) error {
	r.Body = http.MaxBytesReader(w, r.Body, entryLimit)
	version, err := versionOf(r)
	if err != nil {
		return err
	}
	if err := step(r.Context(), web.Who(r.Context()).ID, r.PathValue("id"), version, r.PostFormValue("why")); err != nil {
		return err
	}
	http.Redirect(w, r, entryRoot, http.StatusSeeOther)
	return nil
}

func (p *Pages) importForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, importPage(nil, ""))
}

// shownFaults are as many mistakes of a file as a person takes in.
const shownFaults = 50

func (p *Pages) importFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, entryFileLimit)
	var wrong ui.Errors
	again := func() error {
		return web.Render(w, r, http.StatusUnprocessableEntity, importPage(wrong, ""))
	}
	file, _, err := r.FormFile("file")
	if err != nil {
		wrong.Add("file", t(ctx, "channel.entry.import.none"))
		return again()
	}
	defer file.Close()
	raw, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	added, same, faults, err := p.Import(ctx, web.Who(ctx).ID, raw)
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Kind == problem.Invalid {
		wrong.Add("file", web.T(ctx, e.Key, e.Args))
		return again()
	}
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		for _, x := range faults[:min(len(faults), shownFaults)] {
			wrong.Add("file", web.T(ctx, "channel.entry.import.line", i18n.Args{"line": x.Line, "text": p.faultText(ctx, x.EntryFault)}))
		}
		return again()
	}
	return web.Render(w, r, http.StatusOK, importPage(nil, web.T(ctx, "channel.entry.import.done", i18n.Args{"added": added, "same": same})))
}

// test sends to one receiver or to all of a channel; many are confirmed on a page.
func (p *Pages) test(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, entryLimit)
	name := r.PostFormValue("channel")
	var keys []string
	if key := r.PostFormValue("key"); key != "" {
		keys = append(keys, key)
	}
	confirmed, _ := strconv.Atoi(r.PostFormValue("confirmed"))
	n, err := p.Test(ctx, web.Who(ctx).ID, keys, name, confirmed)
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Key == "channel.test.confirm" {
		return web.Render(w, r, http.StatusConflict, confirmTestPage(name, n))
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, entryRoot, http.StatusSeeOther)
	return nil
}

// choices are the channels whose receivers may be entered.
func (p *Pages) choices() (all []Named) {
	for _, c := range p.channels {
		if slices.Contains(enterable, c.sort) {
			all = append(all, Named{c.name, c.sort, c.kind})
		}
	}
	return all
}

// testable are the channels with the number of their receivers that can be tested.
func testable(all []Addressee) (names []string, n map[string]int) {
	n = map[string]int{}
	for _, a := range all {
		if a.Testable {
			if n[a.Channel]++; n[a.Channel] == 1 {
				names = append(names, a.Channel)
			}
		}
	}
	return names, n
}

func entryTitle(ctx context.Context, f entryForm) string {
	if f.ID == "" {
		return t(ctx, "channel.entry.new")
	}
	return t(ctx, "channel.entry.change")
}

func entryAction(f entryForm) string {
	if f.ID == "" {
		return entryRoot
	}
	return entryURL(f.ID, "")
}

// channelOptions say of each channel of what kind it is: an exercise has addresses of its
// own.
func (p *Pages) channelOptions(ctx context.Context, chosen string) (all []ui.Option) {
	for _, c := range p.choices() {
		all = append(all, ui.Option{Value: c.Name, Text: c.Name + " · " + t(ctx, "channel.sort."+string(c.Sort)) + " · " + t(ctx, "channel.kind."+string(c.Kind)), Selected: c.Name == chosen})
	}
	return all
}

func languageOptions(ctx context.Context, chosen string) (all []ui.Option) {
	for _, l := range i18n.Langs {
		all = append(all, ui.Option{Value: string(l), Text: t(ctx, "channel.entry.lang."+string(l)), Selected: string(l) == chosen})
	}
	return all
}

func minimumOptions(ctx context.Context, chosen string) []ui.Option {
	all := []ui.Option{{Value: "", Text: t(ctx, "channel.entry.minimum.all"), Selected: chosen == ""}}
	for _, x := range severities {
		all = append(all, ui.Option{Value: x, Text: t(ctx, "channel.entry.severity."+strings.ToLower(x)), Selected: x == chosen})
	}
	return all
}

// placesText names what a receiver is told of, each with its code.
func (p *Pages) placesText(ctx context.Context, codes []string) string {
	named := make([]string, len(codes))
	for i, code := range codes {
		named[i] = code
		name := ""
		if at, ok := p.Places.Place(code); ok {
			name, _ = at.In(web.Lang(ctx))
		} else if scheme, value, ok := strings.Cut(code, " "); ok {
			if a, ok := p.areas.Lookup(scheme, value, p.Clock.Now()); ok {
				name, _ = a.In(web.Lang(ctx))
			}
		}
		if name != "" {
			named[i] = name + " (" + code + ")"
		}
	}
	return strings.Join(named, ", ")
}
