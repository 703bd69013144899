package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/all"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
)

type alertCmd struct {
	Parse alertParseCmd `cmd:"" help:"cli.alert.parse"`
	Take  alertTakeCmd  `cmd:"" help:"cli.alert.take"`
	List  alertListCmd  `cmd:"" help:"cli.alert.list"`
}

type alertParseCmd struct {
	Feed  string   `required:"" enum:"chmi,dwd,nina,imgw-meteo,imgw-hydro,rso,meteoalarm,lhp" help:"cli.alert.feed"`
	Files []string `arg:"" name:"file" help:"cli.alert.file"`
}

// maxFeed is the longest document of a feed that is read, in bytes.
const maxFeed = 32 << 20

// warningLine is one warning for programs, one object a line.
type warningLine struct {
	ID         string      `json:"id"`
	Source     string      `json:"source"`
	Sender     string      `json:"sender"`
	Event      string      `json:"event"`
	Code       string      `json:"code"`
	Level      string      `json:"level"` // severity, in CAP's word
	National   string      `json:"national_level"`
	Colour     string      `json:"colour"`
	Sent       *time.Time  `json:"sent"`
	Onset      *time.Time  `json:"onset"`
	Expires    *time.Time  `json:"expires"` // null: until further notice, or not known
	Status     feed.Status `json:"status"`
	State      feed.State  `json:"state"`
	Areas      []areaLine  `json:"areas"`
	Languages  []string    `json:"languages"`
	Texts      []textLine  `json:"texts"`
	Originals  []string    `json:"originals"`
	Replaces   []string    `json:"replaces"`
	Deviations []deviation `json:"deviations"`
}

type areaLine struct {
	Name     string     `json:"name"`
	Codes    []codeLine `json:"codes"`
	Polygons []string   `json:"polygons,omitempty"`
	Holes    []string   `json:"holes,omitempty"`
	Circles  []string   `json:"circles,omitempty"`
}

type codeLine struct {
	Scheme string `json:"scheme"`
	Code   string `json:"code"`
}

type textLine struct {
	Language    string `json:"language"`
	Event       string `json:"event"`
	Headline    string `json:"headline"`
	Description string `json:"description"`
	Instruction string `json:"instruction"`
}

// feedBy is a feed by a name that the command line has checked.
func feedBy(name string) feed.Feed {
	feeds := all.Feeds()
	return feeds[slices.IndexFunc(feeds, func(f feed.Feed) bool { return f.Name == name })]
}

// Run reads documents of a feed and prints their warnings. It exits with 1 when one
// could not be understood, and with 2 when one could not be opened; it reads the others
// all the same.
func (c *alertParseCmd) Run(e *env) error {
	f := feedBy(c.Feed)
	e.knowledge(f.Name, f.Knowledge)
	out := json.NewEncoder(e.out)
	out.SetEscapeHTML(false)
	return e.documents(c.Files, func(file string, doc []byte) error {
		r, fault := f.Parse(doc)
		if fault != nil {
			return e.notUnderstood(file, fault)
		}
		r.Rings(doc)
		e.odd(file, r.Deviations)
		for i := range r.Warnings {
			if err := out.Encode(e.warning(&r.Warnings[i])); err != nil {
				return err
			}
		}
		fmt.Fprintln(e.errw, harmless(e.t("cli.alert.read", i18n.Args{"file": file, "n": len(r.Warnings), "quiet": r.Quiet, "nodata": r.NoData})))
		return nil
	})
}

// knowledge says of a feed that nobody here has seen live, that it is so.
func (e *env) knowledge(name string, k feed.Knowledge) {
	if k != feed.Capture {
		fmt.Fprintln(e.errw, e.t("cli.alert.knowledge", i18n.Args{"feed": name, "knowledge": string(k)}))
	}
}

// documents reads files one after another, all of them whatever becomes of one, and
// ends with the gravest that happened: one that could not be opened before one that was
// not understood.
func (e *env) documents(files []string, read func(file string, doc []byte) error) error {
	var unread, bad error
	for _, file := range files {
		doc, err := e.document(file, maxFeed)
		if err != nil {
			unread = err
			continue
		}
		if err := read(file, doc); err != nil {
			bad = err
		}
	}
	return cmp.Or(unread, bad)
}

// notUnderstood says why a document is none of its feed.
func (e *env) notUnderstood(file string, f *tree.Fault) error {
	fmt.Fprintln(e.errw, harmless(file+": "+e.t(f.Key, f.Args)))
	return exit(exitFailed)
}

// odd says what in a document as a whole is not as it should be.
func (e *env) odd(file string, list []shape.Deviation) {
	for _, d := range e.deviations(list) {
		fmt.Fprintln(e.errw, harmless(file+": ")+e.deviation(d.Line, d.Rule, d.Severity, d.Message))
	}
}

func (e *env) deviations(list []shape.Deviation) []deviation {
	lines := []deviation{}
	for _, d := range list {
		lines = append(lines, deviation{d.Line, d.Rule, d.Severity, e.t(d.Key, d.Args)})
	}
	return lines
}

// moment is a time for programs, null when it is not known.
func moment(m feed.Moment) *time.Time {
	if m.At.IsZero() {
		return nil
	}
	return &m.At
}

func (e *env) warning(w *feed.Warning) warningLine {
	line := warningLine{
		ID: w.ID, Source: w.Source, Sender: w.Sender, Event: w.Event, Code: w.Code, Level: w.Level.Severity, National: w.Level.National, Colour: w.Level.Colour,
		Sent: moment(w.Sent), Onset: moment(w.Onset), Expires: moment(w.Expires), Status: w.Status, State: w.State, Areas: []areaLine{},
		Languages: append([]string{}, w.Languages()...), Originals: append([]string{}, w.Originals...), Replaces: append([]string{}, w.Replaces...), Deviations: e.deviations(w.Deviations),
	}
	for _, a := range w.Areas {
		area := areaLine{Name: a.Name, Codes: []codeLine{}, Polygons: a.Polygons, Holes: a.Holes, Circles: a.Circles}
		for _, c := range a.Codes {
			area.Codes = append(area.Codes, codeLine{c.Scheme, c.Value})
		}
		line.Areas = append(line.Areas, area)
	}
	for _, t := range w.Texts {
		line.Texts = append(line.Texts, textLine(t))
	}
	return line
}
