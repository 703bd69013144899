package agreement

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// columns are those of the file, and the names of a row's fields in forms.
var columns = []string{"id", "parties", "service", "area", "area_note", "who_may_ask", "who_consents", "contact_route", "form", "forms",
	"paragraph", "valid_from", "valid_to", "fallback", "source", "status", "note"}

// checkColumns tell of the verification; they are written and not read.
var checkColumns = []string{"verified_at", "verified_by", "verified_source"}

// record is the row as a line of the file.
func (r Row) record() []string {
	fallback := ""
	if r.Fallback {
		fallback = "yes"
	}
	return []string{r.ID, strings.Join(r.Parties, ";"), string(r.Service), r.Area, r.AreaNote, r.WhoAsks, r.WhoConsents, r.Route, r.Form,
		strings.Join(r.Forms, ";"), r.Paragraph, r.ValidFrom, r.ValidTo, fallback, r.Source, string(r.Status), r.Note}
}

// rowOf reads the fields of a line or of a form.
func rowOf(field func(name string) string) Row {
	of := func(name string) string { return strings.TrimSpace(field(name)) }
	list := func(name string) []string {
		return strings.FieldsFunc(of(name), func(c rune) bool { return c == ';' || c == ',' || c == ' ' })
	}
	return Row{
		ID: of("id"), Parties: list("parties"), Service: Service(of("service")), Area: strings.Join(strings.Fields(of("area")), ""), AreaNote: of("area_note"),
		WhoAsks: of("who_may_ask"), WhoConsents: of("who_consents"), Route: of("contact_route"), Form: of("form"), Forms: list("forms"),
		Paragraph: of("paragraph"), ValidFrom: of("valid_from"), ValidTo: of("valid_to"), Fallback: of("fallback") == "yes",
		Source: of("source"), Status: Status(of("status")), Note: of("note"),
	}
}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// WriteCSV writes rows as CSV (spec: RFC 4180); name is what a person is called.
func WriteCSV(w io.Writer, rows []Row, name func(person string) string) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write(slices.Concat(columns, checkColumns)); err != nil {
		return err
	}
	for _, r := range rows {
		at, by := "", ""
		if r.CheckedBy != "" {
			at, by = r.CheckedAt.UTC().Format("2006-01-02T15:04:05Z"), name(r.CheckedBy)
		}
		line := append(r.record(), at, by, r.CheckedSource)
		for i := range line {
			line[i] = cell(line[i])
		}
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// cell keeps a spreadsheet program from taking what somebody typed for a formula;
// ReadCSV takes the sign away again.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t'") {
		return "'" + s
	}
	return s
}

// maxFile bounds a file of rows, in bytes.
const maxFile = 4 << 20

// ReadCSV reads rows; columns may stand in any order, and those of the verification
// may be missing. What is wrong is told by a *problem.Error with the line.
func ReadCSV(r io.Reader) ([]Row, error) {
	const op = "agreement.ReadCSV"
	bad := func(key string, args i18n.Args, err error) error {
		return &problem.Error{Op: op, Kind: problem.Invalid, Key: "agreement.csv." + key, Args: args, Err: err}
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	if len(text) > maxFile {
		return nil, bad("large", i18n.Args{"n": maxFile >> 20}, nil)
	}
	in := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), byteOrderMark)))
	lines, err := in.ReadAll()
	if err != nil {
		line := 0
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			line = e.Line
		}
		return nil, bad("broken", i18n.Args{"line": line}, err)
	}
	if len(lines) == 0 {
		return nil, bad("empty", nil, nil)
	}
	column := map[string]int{}
	for i, name := range lines[0] {
		column[strings.TrimSpace(name)] = i
	}
	for _, name := range columns {
		if _, ok := column[name]; !ok {
			return nil, bad("column", i18n.Args{"name": name}, nil)
		}
	}
	var rows []Row
	for i, fields := range lines[1:] {
		row := rowOf(func(name string) string { return strings.TrimPrefix(fields[column[name]], "'") })
		if slices.ContainsFunc(rows, func(o Row) bool { return o.ID == row.ID }) {
			return nil, bad("twice", i18n.Args{"line": i + 2, "id": row.ID}, nil)
		}
		rows = append(rows, row)
	}
	return rows, nil
}
