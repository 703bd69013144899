package disclosure

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

//go:embed default.csv
var defaultFile []byte

// Default are the rules a node begins with: drafts until its authority has looked at
// them.
func Default() []Rule {
	rules, err := ReadCSV(bytes.NewReader(defaultFile))
	if err != nil {
		panic(err) // they are part of the program
	}
	return rules
}

// columns of the table as a file.
var columns = []string{"id", "peer", "app", "path", "class", "action", "reason"}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// mostRules bounds a table; a person has to oversee it.
const mostRules = 1000

// WriteCSV writes rules as CSV (spec: RFC 4180) with the columns id, peer, app, path,
// class, action and reason.
func WriteCSV(w io.Writer, rules []Rule) error {
	c := csv.NewWriter(w)
	c.Write(columns)
	for _, r := range rules {
		c.Write([]string{cell(r.ID), r.Peer, r.App, cell(r.Path), r.Class, string(r.Action), cell(r.Reason)})
	}
	c.Flush()
	return c.Error()
}

// ReadCSV reads them, with comma or semicolon between the columns, in any order of
// the columns; problem Invalid.
func ReadCSV(r io.Reader) ([]Rule, error) {
	const op = "disclosure.ReadCSV"
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	s := strings.TrimPrefix(string(text), byteOrderMark)
	head, _, _ := strings.Cut(s, "\n")
	c := csv.NewReader(strings.NewReader(s))
	if strings.Count(head, ";") > strings.Count(head, ",") {
		c.Comma = ';'
	}
	rows, err := c.ReadAll()
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, problem.New(op, problem.Invalid, "disclosure.fault.csv", i18n.Args{"line": p.Line})
	}
	if err != nil || len(rows) == 0 {
		return nil, problem.New(op, problem.Invalid, "disclosure.fault.csv", i18n.Args{"line": 1})
	}
	at := map[string]int{}
	for _, name := range columns {
		n := slices.IndexFunc(rows[0], func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
		if n < 0 {
			return nil, problem.New(op, problem.Invalid, "disclosure.fault.column", i18n.Args{"column": name})
		}
		at[name] = n
	}
	if len(rows) > mostRules+1 {
		return nil, problem.New(op, problem.Invalid, "disclosure.fault.many", i18n.Args{"max": mostRules})
	}
	var rules []Rule
	for _, row := range rows[1:] {
		get := func(name string) string {
			text := strings.TrimSpace(row[at[name]])
			if rest, ok := strings.CutPrefix(text, "'"); ok && rest != cell(rest) {
				return rest
			}
			return text
		}
		rules = append(rules, Rule{
			ID: get("id"), Peer: get("peer"), App: get("app"), Path: get("path"), Class: get("class"), Action: Action(get("action")),
			Reason: get("reason"),
		})
	}
	return rules, nil
}

// cell keeps a spreadsheet program from taking what somebody typed for a formula;
// ReadCSV takes the sign away again.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t'") {
		return "'" + s
	}
	return s
}
