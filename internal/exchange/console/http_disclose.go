package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// askedOf are the groups a form asks about, by the name of the question.
var askedOf = map[string]disclosure.Group{"give_callers": disclosure.Callers, "give_patients": disclosure.Patients}

// answers are those of the form: what was not answered is as the rules say.
func (h handing) answers() map[disclosure.Group]bool {
	out := map[disclosure.Group]bool{}
	for name, g := range askedOf {
		if a := h.F[name]; a == "yes" || a == "no" {
			out[g] = a == "yes"
		}
	}
	return out
}

// questions are what is asked before a hand-over, pre-answered by the kind of incident.
func (v *screen) questions(ctx context.Context, h handing) []ui.Group {
	if v.pages.Disclosure == nil {
		return nil
	}
	var names []string
	for _, r := range v.rooms {
		if slices.Contains(h.To, r.OID) {
			names = append(names, neighbour(r.Neighbour))
		}
	}
	to := cmp.Or(strings.Join(names, ", "), web.T(ctx, "disclosure.ask.neighbour", nil))
	life := h.F["danger"] != "" || v.pages.threatens(ctx, h.F["what"])
	var out []ui.Group
	for _, name := range []string{"give_callers", "give_patients"} {
		app := h.F["app"]
		if name == "give_patients" && app != appPatients && app != appPatient && app != appTransport {
			continue
		}
		auto := "disclosure.ask.auto_no"
		switch {
		case name != "give_callers":
			auto = "disclosure.ask.auto_never"
		case life:
			auto = "disclosure.ask.auto_yes"
		}
		out = append(out, ui.Group{Name: name, Legend: web.T(ctx, "disclosure.ask."+string(askedOf[name]), i18n.Args{"neighbour": to}), Inline: true, Options: []ui.Option{
			{Value: "", Text: web.T(ctx, auto, nil), Selected: h.F[name] == ""},
			{Value: "yes", Text: web.T(ctx, "disclosure.ask.yes", nil), Selected: h.F[name] == "yes"},
			{Value: "no", Text: web.T(ctx, "disclosure.ask.no", nil), Selected: h.F[name] == "no"},
		}})
	}
	return out
}

// threatens reports whether a life is in danger in what a keyword names.
func (p *Pages) threatens(ctx context.Context, keyword string) (yes bool) {
	err := p.DB.Read(ctx, func(tx *store.Tx) error {
		t, _, err := p.Disclosure.Table(tx)
		if err == nil {
			yes = t.Threatens(p.classOf(keyword))
		}
		return err
	})
	return err == nil && yes
}

// wordsOf are the words of a remark, those of marks and requests in the reader's language.
func wordsOf(ctx context.Context, r Remark) string {
	if m, ok := disclosure.ReadMark(r.Text); ok && r.Category == disclosure.Category {
		return disclosure.MarkText(ctx, m)
	}
	if g, ok := disclosure.ReadRequest(r.Text); ok {
		return web.T(ctx, "disclosure.thread.request", i18n.Args{"what": web.T(ctx, "disclosure.group."+string(g), nil)})
	}
	if g, ok := disclosure.ReadGiven(r.Text); ok {
		_, text, _ := strings.Cut(r.Text, "] ")
		return web.T(ctx, "disclosure.group."+string(g), nil) + ": " + text
	}
	return r.Text
}

// withheldFacts say what of an incident is kept back, on either side, and what has been
// given since: whoever looks at the facts needs no look through the messages.
func (v *screen) withheldFacts(ctx context.Context) (out []ui.Fact) {
	i := v.incident
	label := func(g disclosure.Group) string {
		if s, ok := map[disclosure.Group]string{disclosure.Callers: "caller", disclosure.Patients: "patient", disclosure.Accused: "accused", disclosure.Victims: "victim"}[g]; ok {
			return web.T(ctx, "console.p.fact."+s, nil)
		}
		return web.T(ctx, "disclosure.group."+string(g), nil)
	}
	add := func(g disclosure.Group, level sign.Level, key string, n Neighbour) {
		out = append(out, ui.Fact{Label: label(g), Value: ui.Level(level, web.T(ctx, key, i18n.Args{"neighbour": neighbour(n)}))})
	}
	theirs, ours := i.Withheld()
	for _, w := range theirs {
		if w.Asked {
			add(w.Group, sign.None, "disclosure.fact.asked", w.Neighbour)
		} else {
			add(w.Group, sign.L1, "disclosure.fact.ask", w.Neighbour)
		}
	}
	for _, w := range ours {
		add(w.Group, sign.L2, "disclosure.fact.wanted", w.Neighbour)
	}
	for _, e := range i.Thread {
		for _, l := range e.Lines {
			if g, ok := disclosure.ReadGiven(l.Text); ok && e.Incoming {
				_, text, _ := strings.Cut(l.Text, "] ")
				out = append(out, ui.Fact{Label: label(g), Text: text})
			}
		}
	}
	return out
}

// withheldButtons ask a neighbour for what he kept back, and give what he asked for.
func (v *screen) withheldButtons(ctx context.Context) (out []button) {
	i := v.incident
	theirs, ours := i.Withheld()
	key := "g"
	// Pressed twice it is done once; asked again after another message it is done again.
	add := func(what, path string, w Withheld, kind ui.Kind) {
		text := web.T(ctx, what, i18n.Args{"what": web.T(ctx, "disclosure.group."+string(w.Group), nil), "neighbour": w.Neighbour.Name})
		out = append(out, button{ui.Button{ID: "do" + strings.ReplaceAll(path, "/", "-") + "-" + string(w.Group), Text: text, URL: incidentURL(i.ID) + path, Key: key, Kind: kind, Hidden: []ui.Option{
			{Value: "group", Text: string(w.Group)}, {Value: "neighbour", Text: w.Neighbour.OID}, {Value: "once", Text: "withheld" + path + i.ID + w.Neighbour.OID + string(w.Group) + "-" + itoa(int64(len(i.Thread)))},
		}}, true, ""})
		key = ""
	}
	for _, w := range ours {
		add("disclosure.do.give", "/give", w, ui.Plain)
	}
	for _, w := range theirs {
		if !w.Asked {
			add("disclosure.do.ask", "/ask", w, ui.Plain)
		}
	}
	return out
}

func (p *Pages) askFor(w http.ResponseWriter, r *http.Request) error {
	return p.withheld(w, r, p.AskFor)
}

func (p *Pages) giveWithheld(w http.ResponseWriter, r *http.Request) error {
	return p.withheld(w, r, p.GiveWithheld)
}

func (p *Pages) withheld(w http.ResponseWriter, r *http.Request, do func(context.Context, Actor, string, string, disclosure.Group, string) error) error {
	if err := form(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	return p.done(w, r, do(r.Context(), actor(r), id, field(r, "neighbour"), disclosure.Group(field(r, "group")), field(r, "once")), incidentURL(id))
}
