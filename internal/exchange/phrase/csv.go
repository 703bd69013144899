package phrase

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"trojmezi/internal/kernel/i18n"
)

// columns of a phrasebook as CSV. A file that is read needs all but version; it may
// have more, and in any order.
var columns = []string{"id", "version", "group", "slots", "cs", "de", "pl", "en"}

// byteOrderMark makes spreadsheet programs read a file as UTF-8.
const byteOrderMark = "\ufeff"

// maxRows bounds a file.
const maxRows = 2000

// Refused is a file or phrase with faults.
type Refused struct{ Faults []Fault }

func (r *Refused) Error() string {
	var b strings.Builder
	for i, f := range r.Faults {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + ": " + f.Key)
	}
	return "phrase: " + b.String()
}

// parseCSV reads a phrasebook with its faults by line (spec: RFC 4180; a semicolon
// as spreadsheet programs of these countries write it is taken too). named says that
// the file names its versions, as the shipped one does; then an id may have several.
func parseCSV(file []byte, named bool) (phrases []*Phrase, faults []Fault) {
	file = bytes.TrimPrefix(file, []byte(byteOrderMark))
	r := csv.NewReader(bytes.NewReader(file))
	head, _, _ := bytes.Cut(file, []byte("\n"))
	if bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		r.Comma = ';'
	}
	r.FieldsPerRecord = -1
	bad := func(err error) []Fault {
		f := Fault{Line: 1, Key: "phrase.fault.csv"}
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			f.Line = e.Line
		}
		return []Fault{f}
	}
	names, err := r.Read()
	if err != nil {
		return nil, bad(err)
	}
	at := map[string]int{}
	for i, n := range names {
		at[strings.ToLower(strings.TrimSpace(n))] = i
	}
	for _, c := range columns {
		if _, ok := at[c]; !ok && (c != "version" || named) {
			faults = append(faults, Fault{Line: 1, Field: c, Key: "phrase.fault.column", Args: i18n.Args{"column": c}})
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	seen := map[string]bool{}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return phrases, faults
		}
		if err != nil {
			return nil, append(faults, bad(err)...)
		}
		line, _ := r.FieldPos(0)
		if len(phrases) == maxRows {
			return nil, append(faults, Fault{Line: line, Key: "phrase.fault.rows", Args: i18n.Args{"n": maxRows}})
		}
		cell := func(name string) string {
			if i, ok := at[name]; ok && i < len(row) {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		p := &Phrase{ID: cell("id"), Group: cell("group"), Slots: parseSlots(cell("slots")), Texts: map[i18n.Lang]Text{}}
		for _, l := range i18n.Langs {
			p.Texts[l] = ParseText(cell(string(l)))
		}
		key := p.ID
		if named {
			p.Version = cell("version")
			key += " " + p.Version
		}
		wrong := p.check()
		if seen[key] {
			wrong = append(wrong, Fault{Field: "id", Key: "phrase.fault.twice", Args: i18n.Args{"value": p.ID}})
		}
		seen[key] = true
		for _, f := range wrong {
			f.Line = line
			faults = append(faults, f)
		}
		phrases = append(phrases, p)
	}
}

// CSV writes phrases as parseCSV reads them, with what is known of their checks.
// name tells who a person is.
func CSV(phrases []*Phrase, name func(person string) string) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	head := slices.Clone(columns)
	for _, l := range i18n.Langs {
		head = append(head, "status_"+string(l))
	}
	rows := [][]string{append(head, "since")}
	for _, p := range phrases {
		row := []string{p.ID, p.Version, p.Group, slotList(p.Slots)}
		for _, l := range i18n.Langs {
			row = append(row, p.Texts[l].String())
		}
		for _, l := range i18n.Langs {
			status := "draft"
			if c, ok := p.Checked[l]; ok {
				status = "checked " + c.At.UTC().Format("2006-01-02") + " " + name(c.By)
			}
			row = append(row, status)
		}
		since := ""
		if !p.From.IsZero() {
			since = p.From.UTC().Format("2006-01-02T15:04:05Z")
		}
		rows = append(rows, append(row, since))
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
