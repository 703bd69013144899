package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
)

type convertCmd struct {
	From    string `enum:"auto,ucri2,emsi-xml,emsi-json,edxl-xml,edxl-json,cap" default:"auto" help:"cli.convert.from"`
	To      string `required:"" enum:"ucri2,emsi-xml,emsi-json,edxl-xml,edxl-json,cap" help:"cli.convert.to"`
	Loss    string `placeholder:"FILE" help:"cli.convert.loss"`
	Payload bool   `help:"cli.convert.payload"`
	File    string `arg:"" optional:"" help:"cli.convert.file"`
}

// Run converts one message. It exits with 1 when the message is refused, and writes
// nothing then.
func (c *convertCmd) Run(e *env) error {
	if c.Payload && convert.Format(c.To) != convert.UCRI2 {
		fmt.Fprintln(e.errw, e.t("cli.convert.payload_only", nil))
		return exit(exitUsage)
	}
	message, err := e.message(c.File)
	if err != nil {
		return err
	}
	r, fault := convert.Convert(message, convert.Format(c.From), convert.Format(c.To), convert.Options{Payload: c.Payload})
	if fault != nil {
		return e.refused(fault)
	}
	if c.Loss != "" {
		text, err := json.MarshalIndent(r.Loss, "", "  ")
		if err != nil {
			return err
		}
		if same(c.Loss, c.File) {
			fmt.Fprintln(e.errw, e.t("cli.convert.same_file", nil))
			return exit(exitUsage)
		}
		err = os.WriteFile(c.Loss, append(text, '\n'), 0o600)
		if err == nil {
			err = os.Chmod(c.Loss, 0o600) // it may hold personal data, and may have been there before
		}
		if err != nil {
			fmt.Fprintln(e.errw, e.t("cli.convert.no_loss", i18n.Args{"detail": err.Error()}))
			return exit(exitUsage)
		}
	} else {
		e.losses(r.Loss)
	}
	for _, d := range r.Deviations {
		fmt.Fprintln(e.errw, e.deviation(d.Line, d.Rule, d.Severity, e.t(d.Key, d.Args)))
	}
	_, err = e.out.Write(r.Bytes)
	return err
}

// same reports whether two names are of one file.
func same(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// message reads a file, or what is piped in; no more than can be read as one.
func (e *env) message(file string) ([]byte, error) {
	return e.document(file, tree.DefaultLimits.Bytes)
}

// document reads a file, or what is piped in; of a longer one a byte more than most, by
// which who reads it knows.
func (e *env) document(file string, most int) ([]byte, error) {
	in := e.in
	var err error
	if file != "" && file != "-" {
		var f *os.File
		if f, err = os.Open(file); err == nil {
			defer f.Close()
			in = f
		}
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(in, int64(most)+1))
	}
	if err != nil {
		fmt.Fprintln(e.errw, harmless(e.t("cli.convert.no_file", i18n.Args{"detail": err.Error()})))
		return nil, exit(exitUsage)
	}
	return text, nil
}

// harmless is a text for a terminal: what stood in a message moves no cursor and
// turns no writing around.
func harmless(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case unicode.Is(unicode.Cc, c), unicode.Is(unicode.Bidi_Control, c):
			return unicode.ReplacementChar
		}
		return c
	}, text)
}

func (e *env) refused(f *convert.Fault) error {
	text := e.t(f.Key, f.Args)
	if e.json {
		json.NewEncoder(e.out).Encode(map[string]any{"error": text, "rule": f.Rule, "line": f.Line})
	} else {
		fmt.Fprintln(e.errw, harmless(text))
	}
	return exit(exitFailed)
}

// losses tells people what is not as it was.
func (e *env) losses(list []convert.Loss) {
	for _, l := range list {
		key := "cli.convert.lost"
		args := i18n.Args{"path": l.Path, "value": l.Value, "reason": e.t("convert.reason."+string(l.Reason), nil)}
		if l.MovedTo != nil {
			key, args["to"] = "cli.convert.moved", *l.MovedTo
		}
		fmt.Fprintln(e.errw, harmless(e.t(key, args)))
	}
}
