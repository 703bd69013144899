package cli

import (
	"encoding/json"
	"fmt"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/kernel/i18n"
)

type validateCmd struct {
	Files []string `arg:"" name:"file" help:"cli.validate.file"`
}

// judged is a verdict for programs, one object a line.
type judged struct {
	File       string          `json:"file"`
	Format     *convert.Format `json:"format"` // null: none that is known
	Valid      bool            `json:"valid"`
	Deviations []deviation     `json:"deviations"`
}

type deviation struct {
	Line     int            `json:"line"`
	Rule     string         `json:"rule"`
	Severity shape.Severity `json:"severity"`
	Message  string         `json:"message"`
}

// Run judges files. It exits with 1 when one is not valid, and with 2 when one could
// not be read; it judges the others all the same.
func (c *validateCmd) Run(e *env) error {
	bad, unread := false, error(nil)
	out := json.NewEncoder(e.out)
	out.SetEscapeHTML(false)
	for _, file := range c.Files {
		text, err := e.document(file, cap.Limits.Bytes)
		if err != nil {
			unread = err
			continue
		}
		v := convert.Validate(text)
		j := judged{File: file, Valid: v.Valid, Deviations: []deviation{}}
		if v.Format != "" {
			j.Format = &v.Format
		}
		for _, d := range v.Deviations {
			j.Deviations = append(j.Deviations, deviation{d.Line, d.Rule, d.Severity, e.t(d.Key, d.Args)})
		}
		bad = bad || !v.Valid
		if e.json {
			if err := out.Encode(j); err != nil {
				return err
			}
			continue
		}
		e.judge(j)
	}
	if unread != nil {
		return unread
	}
	if bad {
		return exit(exitFailed)
	}
	return nil
}

func (e *env) judge(j judged) {
	key, args := "cli.validate.valid", i18n.Args{"file": j.File}
	switch {
	case j.Format == nil:
		key = "cli.validate.unknown"
	case !j.Valid:
		key = "cli.validate.invalid"
	}
	if j.Format != nil {
		args["format"] = string(*j.Format)
	}
	fmt.Fprintln(e.out, harmless(e.t(key, args)))
	for _, d := range j.Deviations {
		fmt.Fprintln(e.out, "  "+e.deviation(d.Line, d.Rule, d.Severity, d.Message))
	}
}

// deviation is one for people.
func (e *env) deviation(line int, rule string, severity shape.Severity, text string) string {
	key := "cli.validate.error"
	if severity == shape.Warning {
		key = "cli.validate.warning"
	}
	return harmless(e.t(key, i18n.Args{"line": line, "rule": rule, "text": text}))
}
