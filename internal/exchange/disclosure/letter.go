package disclosure

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/web"
)

// block is a part of the answer, the same on the page and on paper: a heading, a text,
// a table of rows with heads, or lines to be filled in by hand.
type block struct {
	Heading string
	Text    string
	Heads   []string
	Shares  []float64
	Rows    [][]string
	Blank   []string
}

// letter writes an answer in the language of the person.
func (p *Pages) letter(ctx context.Context, a Answer) []block {
	ctx = web.Region(ctx, a.Lang)
	w := writer{ctx: ctx, a: a, name: p.o.Node.NameOf}
	return slices.Concat(w.head(), w.result(), w.found(), w.purposes(), w.recipients(), w.rights())
}

// writer writes one answer.
type writer struct {
	ctx  context.Context
	a    Answer
	name func(oid string) string
}

func (w writer) t(key string) string { return t(w.ctx, "disclosure.letter."+key) }

func (w writer) n(key string, n int) string {
	return web.T(w.ctx, "disclosure.letter."+key, i18n.Args{"n": n})
}

func (w writer) heads(keys ...string) (out []string) {
	for _, k := range keys {
		out = append(out, w.t("head."+k))
	}
	return out
}

// head is who answers what.
func (w writer) head() []block {
	a := w.a
	from, to := w.t("begin"), web.Date(w.ctx, a.At)
	if !a.From.IsZero() {
		from = web.Date(w.ctx, a.From)
	}
	if !a.To.IsZero() {
		to = web.Date(w.ctx, a.To.Add(-time.Minute))
	}
	facts := [][]string{
		{w.t("by"), a.Organisation}, {w.t("number"), a.Number}, {w.t("identified"), web.Date(w.ctx, a.Identified)}, {w.t("made"), web.DateTime(w.ctx, a.At)},
	}
	for _, f := range [][]string{{w.t("name"), a.Name}, {w.t("phone"), a.Phone}, {w.t("span"), from + " – " + to}} {
		if f[1] != "" {
			facts = append(facts, f)
		}
	}
	return []block{{Text: w.t("draft")}, {Shares: []float64{1, 2.4}, Rows: facts}, {Text: w.t("searched")}, {Text: w.t("unsearched")}}
}

// result says what came of it, with counts.
func (w writer) result() []block {
	all, told := w.a.Items, w.a.included()
	out := block{Heading: w.t("result")}
	others, left := 0, map[string]int{}
	for _, i := range all {
		switch i.Choice {
		case Another:
			others++
		case Third, Bound:
			left[i.Choice]++
		}
	}
	switch {
	case len(all) == others:
		out.Text = w.t("nothing")
	case len(told) == 0:
		out.Text = w.t("untold")
	default:
		out.Text = w.n("told", len(told))
	}
	blocks := []block{out}
	for _, c := range []string{Third, Bound} {
		if left[c] > 0 {
			blocks = append(blocks, block{Text: w.n("left."+c, left[c])})
		}
	}
	if others > 0 {
		blocks = append(blocks, block{Text: w.n("left."+Another, others)})
	}
	if w.a.Search.Erased > 0 {
		blocks = append(blocks, block{Text: w.n("erased", int(w.a.Search.Erased))})
	}
	return blocks
}

// found are the data themselves, where they are from and until when they are kept.
func (w writer) found() []block {
	b := block{Heading: w.t("data"), Heads: w.heads("time", "record", "source", "data", "until"), Shares: []float64{1.2, 1.6, 1.4, 3.2, 1.1}}
	for _, i := range w.a.included() {
		until := w.t("until_incident")
		if !i.DeleteAt.IsZero() {
			until = web.Date(w.ctx, i.DeleteAt)
		}
		b.Rows = append(b.Rows, []string{web.DateTime(w.ctx, i.At), record(w.ctx, i), w.source(i), data(w.ctx, i.Mention), until})
	}
	if len(b.Rows) == 0 {
		return nil
	}
	return []block{b, {Text: w.t("until_how")}}
}

// record names a record for people: its source, the keyword and the municipality.
func record(ctx context.Context, i Item) string {
	parts := []string{t(ctx, "disclosure.source."+i.Source)}
	if i.Kind != "" && i.Kind != "live" {
		parts = append(parts, t(ctx, "disclosure.kept."+string(i.Kind)))
	}
	for _, s := range []string{i.Type, i.Place} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// source is who said it.
func (w writer) source(i Item) string {
	if i.Source == SourceMessage && i.Incoming {
		return w.name(i.Peer)
	}
	return w.a.Organisation
}

// data are the values of a mention, a line each.
func data(ctx context.Context, m Mention) string {
	lines := []string{t(ctx, "disclosure.group."+string(m.Group)) + ":"}
	for _, d := range m.Values {
		if label := datum(ctx, d.Path); label != "" {
			lines = append(lines, label+": "+d.Text)
		} else {
			lines = append(lines, d.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// labelled are the values about a person that have a name of their own.
var labelled = []string{"Family", "Given", "Name", "Phone", "Mail", "Birth", "Age", "Gender", "Nationality", "Address", "Insurer", "InsurerNumber", "InsuranceNumber", "Transport", "Identifier", "Finding", "Indication", "Note"}

// datum is what a value is called, "" for one without a name.
func datum(ctx context.Context, path string) string {
	for _, part := range strings.Split(path, ".") {
		if slices.Contains(labelled, part) && path != part {
			return t(ctx, "disclosure.datum."+strings.ToLower(part))
		}
	}
	return ""
}

// purposes are why what was found is processed, and by which law.
func (w writer) purposes() []block {
	b := block{Heading: w.t("purpose"), Heads: w.heads("category", "why", "basis", "status"), Shares: []float64{1.3, 2.4, 3, 1.2}}
	for _, g := range Groups {
		if !slices.ContainsFunc(w.a.Items, func(i Item) bool { return i.Choice != Another && i.Mention.Group == g }) {
			continue
		}
		for _, l := range bases(g, w.a.Country) {
			name := l.name
			if l.country == "" {
				name = w.t("law." + l.name)
			}
			b.Rows = append(b.Rows, []string{t(w.ctx, "disclosure.group."+string(g)), w.t("why." + string(g)), name, w.t("unverified")})
		}
	}
	if len(b.Rows) == 0 {
		return nil
	}
	return []block{b}
}

// recipients are to whom what went when and by which rule.
func (w writer) recipients() []block {
	b := block{Heading: w.t("recipients"), Heads: w.heads("time", "to", "data", "result", "rule"), Shares: []float64{1.2, 1.4, 1.8, 1.2, 2.8}}
	for _, r := range w.a.Told {
		result := "passed"
		switch {
		case r.Rule == ruleAsked:
			result = "given"
		case r.Held && r.Action == Ask:
			result = "held.ask"
		case r.Held:
			result = "held"
		}
		var what []string
		for _, g := range r.Groups {
			what = append(what, t(w.ctx, "disclosure.group."+string(g)))
		}
		var fields []string
		for _, f := range r.Fields {
			if label := datum(w.ctx, f); label != "" && !slices.Contains(fields, label) {
				fields = append(fields, label)
			}
		}
		if len(fields) > 0 {
			what = append(what, strings.Join(fields, ", "))
		}
		b.Rows = append(b.Rows, []string{web.DateTime(w.ctx, r.At), w.name(r.Peer), strings.Join(what, ": "), w.t("result." + result), w.rule(r)})
	}
	if len(b.Rows) == 0 {
		if len(w.a.Items) == 0 {
			return nil
		}
		return []block{{Heading: w.t("recipients"), Text: w.t("nobody")}}
	}
	return []block{b}
}

// rule is by which rule something went or did not.
func (w writer) rule(r Told) string {
	switch r.Rule {
	case "":
		return w.t("rule_none")
	case ruleAsked, ruleEmergency:
		return w.t("rule." + r.Rule)
	}
	return web.T(w.ctx, "disclosure.letter.rule", i18n.Args{"rule": r.Rule, "version": strconv.FormatInt(r.Version, 10), "reason": cmp.Or(reasonText(w.ctx, r.Reason), "–")})
}

// rights are what the person can do now.
func (w writer) rights() []block {
	b := block{Heading: w.t("complain"), Heads: w.heads("authority", "where", "status"), Shares: []float64{3, 2, 1.2}}
	for _, l := range authorities(w.a.Country) {
		b.Rows = append(b.Rows, []string{l.name, l.where, w.t("unverified")})
	}
	return []block{{Heading: w.t("rights"), Text: w.t("rights_text")}, b, {Blank: []string{w.t("sign_date"), w.t("sign_name")}}}
}

// letterFile is the letter on paper.
func (p *Pages) letterFile(ctx context.Context, a Answer) ([]byte, error) {
	blocks := p.letter(ctx, a)
	lang := web.Region(ctx, a.Lang)
	title := t(lang, "disclosure.letter.title")
	d := pdf.New(pdf.Options{
		Title: title, Lang: string(a.Lang), Made: a.At,
		Foot: web.T(lang, "disclosure.paper.foot", i18n.Args{"title": title + " " + a.Number, "place": a.Organisation, "time": web.DateTime(lang, a.At)}),
		Page: func(n, all int) string { return web.T(lang, "disclosure.paper.page", i18n.Args{"n": n, "all": all}) },
	})
	d.Heading(1, title)
	for _, b := range blocks {
		if b.Heading != "" {
			d.Heading(2, b.Heading)
		}
		if b.Text != "" {
			d.Paragraph("", b.Text)
		}
		if len(b.Rows) > 0 {
			rows := make([][]pdf.Cell, len(b.Rows))
			for n, r := range b.Rows {
				for _, text := range r {
					rows[n] = append(rows[n], pdf.Cell{Text: text})
				}
			}
			d.Table(b.Shares, b.Heads, rows)
		}
		for _, l := range b.Blank {
			d.Line(l)
		}
	}
	return d.Bytes()
}
