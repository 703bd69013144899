package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/all"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

type areaCmd struct {
	List     areaListCmd     `cmd:"" help:"cli.area.list"`
	Concerns areaConcernsCmd `cmd:"" help:"cli.area.concerns"`
	Check    areaCheckCmd    `cmd:"" help:"cli.area.check"`
	Import   areaImportCmd   `cmd:"" help:"cli.area.import"`
	Undo     areaUndoCmd     `cmd:"" help:"cli.area.undo"`
}

// areas hands on the table: the shipped one, or that of a node with the rows its operator
// wrote. lost are those of them that do not count any more.
func (e *env) areas(config string, f func(t *area.Table, places *register.Register, lost []area.Refusal) error) error {
	places, err := register.Load()
	if err != nil {
		return err
	}
	if config != "" {
		return e.withAreas(config, func(_ context.Context, b *area.Book) error { return f(b.Table, places, b.Lost()) })
	}
	t, err := area.Load(places)
	if err != nil {
		return err
	}
	return f(t, places, nil)
}

type areaListCmd struct {
	Own     bool     `help:"cli.area.own"`
	Config  string   `type:"path" placeholder:"node.yaml" help:"cli.area.config"`
	Scheme  string   `placeholder:"CISORP" help:"cli.area.scheme"`
	Country string   `enum:",CZ,DE,PL" default:"" help:"cli.area.country"`
	CSV     bool     `name:"csv" help:"cli.area.csv"`
	Words   []string `arg:"" optional:"" help:"cli.area.words"`
}

// areaRow is an area for programs.
type areaRow struct {
	Scheme         string               `json:"scheme"`
	Code           string               `json:"code"`
	Country        register.Country     `json:"country"`
	Level          string               `json:"level"`
	Name           string               `json:"name"`
	Names          map[i18n.Lang]string `json:"names"`
	Parent         string               `json:"parent,omitempty"`
	Coverage       area.Coverage        `json:"coverage"`
	Municipalities []string             `json:"municipalities"`
	From           string               `json:"valid_from,omitempty"`
	To             string               `json:"valid_to,omitempty"`
	Status         area.Status          `json:"status"`
	Source         string               `json:"source,omitempty"`
}

func (c *areaListCmd) Run(e *env) error {
	if c.Own {
		return c.own(e)
	}
	return e.areas(c.Config, func(t *area.Table, _ *register.Register, _ []area.Refusal) error { return c.list(e, t) })
}

func (c *areaListCmd) list(e *env, t *area.Table) error {
	found := area.Query{Scheme: c.Scheme, Country: register.Country(c.Country), Words: strings.Join(c.Words, " ")}.Of(t.Areas())
	if c.CSV {
		return t.Write(e.out, found)
	}
	rows := []areaRow{}
	for _, a := range found {
		r := areaRow{Scheme: a.Scheme, Code: a.Code, Country: a.Country, Level: a.Level, Name: a.Name, Names: a.Names, Coverage: a.Coverage, Municipalities: []string{}, From: a.Since(), To: a.Until(), Status: a.Status, Source: a.Source}
		if a.Parent != (area.Key{}) {
			r.Parent = a.Parent.String()
		}
		for _, p := range t.PlacesOf(a) {
			r.Municipalities = append(r.Municipalities, p.ID)
		}
		rows = append(rows, r)
	}
	return e.show(rows, func() {
		if len(rows) == 0 {
			e.say("cli.area.none", nil)
			return
		}
		w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
		for i, a := range found {
			name, local := a.In(e.lang)
			if local != "" {
				name += " (" + local + ")"
			}
			days := strings.Trim(a.Since()+" – "+a.Until(), " –")
			if days != "" {
				days = a.Since() + " – " + a.Until()
			}
			fmt.Fprintln(w, strings.Join([]string{a.Scheme, a.Code, string(a.Country), name, e.t("area.coverage."+string(a.Coverage), i18n.Args{"n": int64(len(rows[i].Municipalities))}), e.t(a.Status.Key(), nil), days}, "\t"))
		}
		w.Flush()
	})
}

type areaCheckCmd struct {
	Config string `type:"path" placeholder:"node.yaml" help:"cli.area.node"`
}

// Run compares the rows of the table with each other and exits with 1 when two disagree.
func (c *areaCheckCmd) Run(e *env) error {
	return e.areas(c.Config, func(t *area.Table, _ *register.Register, lost []area.Refusal) error { return c.check(e, t, lost) })
}

func (c *areaCheckCmd) check(e *env, t *area.Table, lost []area.Refusal) error {
	lines := []string{}
	for _, d := range t.Check(time.Now()) {
		lines = append(lines, d.String())
	}
	for _, l := range lost {
		lines = append(lines, e.t("cli.area.lost", i18n.Args{"area": l.Key.String(), "why": e.textOf(l.Text)}))
	}
	err := e.show(lines, func() {
		for _, l := range lines {
			fmt.Fprintln(e.out, harmless(l))
		}
		if len(lines) == 0 {
			e.say("cli.area.checked", i18n.Args{"n": int64(len(t.Areas())), "version": t.Version()})
		}
	})
	if err == nil && len(lines) > 0 {
		return exit(exitFailed)
	}
	return err
}

type areaConcernsCmd struct {
	Config string   `type:"path" placeholder:"node.yaml" help:"cli.area.node"`
	Place  string   `required:"" placeholder:"CODE|LAT,LON" help:"cli.area.place"`
	Feed   string   `enum:",chmi,dwd,nina,imgw-meteo,imgw-hydro,rso,meteoalarm,lhp" default:"" help:"cli.area.feed"`
	Files  []string `arg:"" name:"file" help:"cli.area.file"`
}

// concernLine is the answer for one warning.
type concernLine struct {
	ID      string       `json:"id"`
	Event   string       `json:"event"`
	Verdict area.Verdict `json:"verdict"`
	Reasons []reasonLine `json:"reasons"`
	Table   string       `json:"table"`
}

type reasonLine struct {
	Verdict area.Verdict `json:"verdict"`
	Reason  string       `json:"reason"` // a word for programs
	Scheme  string       `json:"scheme,omitempty"`
	Code    string       `json:"code,omitempty"`
	Text    string       `json:"text"`
}

// Run answers for each warning of the files whether it concerns the place: documents of a
// feed, or what `alert parse` printed.
func (c *areaConcernsCmd) Run(e *env) error {
	return e.areas(c.Config, func(t *area.Table, places *register.Register, _ []area.Refusal) error { return c.tell(e, t, places) })
}

func (c *areaConcernsCmd) tell(e *env, t *area.Table, places *register.Register) error {
	place, ok := placeOf(c.Place, places)
	if !ok {
		fmt.Fprintln(e.errw, harmless(e.t("cli.area.no_place", i18n.Args{"place": c.Place})))
		return exit(exitUsage)
	}
	out := json.NewEncoder(e.out)
	out.SetEscapeHTML(false)
	return e.documents(c.Files, func(file string, doc []byte) error {
		warnings, err := c.warnings(e, file, doc)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			at := w.Onset.At
			if at.IsZero() {
				at = time.Now()
			}
			a := t.Concerns(w.Areas, place, at)
			line := concernLine{ID: w.ID, Event: w.Event, Verdict: a.Verdict, Table: a.Version}
			for _, r := range a.Reasons {
				line.Reasons = append(line.Reasons, reasonLine{r.Verdict, strings.TrimPrefix(r.Key, "area.reason."), r.Code.Scheme, r.Code.Code, r.Text(e.texts, e.lang)})
			}
			if e.json {
				if err := out.Encode(line); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintln(e.out, harmless(fmt.Sprintf("%s  %s  %s: %s", e.t("area.verdict."+string(a.Verdict), nil), line.ID, line.Event, line.Reasons[0].Text)))
		}
		return nil
	})
}

func (c *areaConcernsCmd) warnings(e *env, file string, doc []byte) ([]feed.Warning, error) {
	if c.Feed != "" {
		feeds := all.Feeds()
		f := feeds[slices.IndexFunc(feeds, func(f feed.Feed) bool { return f.Name == c.Feed })]
		e.knowledge(f.Name, f.Knowledge)
		r, fault := f.Parse(doc)
		if fault != nil {
			return nil, e.notUnderstood(file, fault)
		}
		return r.Warnings, nil
	}
	var warnings []feed.Warning
	for n, line := range bytes.Split(doc, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var w warningLine
		if err := json.Unmarshal(line, &w); err != nil || w.ID == "" {
			fmt.Fprintln(e.errw, harmless(file+": "+e.t("cli.area.no_warning", i18n.Args{"line": int64(n + 1)})))
			return nil, exit(exitFailed)
		}
		warning := feed.Warning{ID: w.ID, Event: w.Event}
		if w.Onset != nil {
			warning.Onset.At = *w.Onset
		}
		for _, a := range w.Areas {
			one := feed.Area{Name: a.Name, Polygons: a.Polygons, Holes: a.Holes, Circles: a.Circles}
			for _, k := range a.Codes {
				one.Codes = append(one.Codes, feed.Code{Scheme: k.Scheme, Value: k.Code})
			}
			warning.Areas = append(warning.Areas, one)
		}
		warnings = append(warnings, warning)
	}
	return warnings, nil
}

// placeOf reads a place: the code of a municipality, with or without its country, or a
// point.
func placeOf(text string, places *register.Register) (area.Place, bool) {
	for _, p := range places.Places() {
		if p.Kind == register.Municipality && (p.ID == text || p.Code == text) {
			return area.Place{Municipality: p.ID}, true
		}
	}
	list, err := geo.Parse(text)
	if err != nil || len(list) != 1 || !list[0].IsPoint() {
		return area.Place{}, false
	}
	return area.Place{Point: &list[0].Point}, true
}
