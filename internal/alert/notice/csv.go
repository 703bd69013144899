package notice

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/i18n"
)

// fixed are the columns of a file of templates before those of the texts.
var fixed = []string{"id", "hazard", "category", "response", "urgency", "severity", "certainty", "immediate", "hours", "slots"}

// textColumns are event_cs, headline_cs and so on.
func textColumns() (all []string) {
	for _, l := range i18n.Langs {
		for _, p := range Parts {
			all = append(all, string(p)+"_"+string(l))
		}
	}
	return all
}

// byteOrderMark makes spreadsheet programs read a file as UTF-8.
const byteOrderMark = "\ufeff"

// maxRows bounds a file: a municipality has some dozens.
const maxRows = 500

// readCSV reads templates with their faults by line (spec: RFC 4180; a semicolon
// between the fields is taken too). Columns may stand in any order, and more of them.
func readCSV(file []byte) (all []*Template, faults []Fault) {
	file = bytes.TrimPrefix(file, []byte(byteOrderMark))
	r := csv.NewReader(bytes.NewReader(file))
	head, _, _ := bytes.Cut(file, []byte("\n"))
	if bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		r.Comma = ';'
	}
	r.FieldsPerRecord = -1
	broken := func(err error) Fault {
		f := Fault{Line: 1, Key: "notice.fault.csv"}
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			f.Line = e.Line
		}
		return f
	}
	names, err := r.Read()
	if err != nil {
		return nil, []Fault{broken(err)}
	}
	at := map[string]int{}
	for i, n := range names {
		at[strings.ToLower(strings.TrimSpace(n))] = i
	}
	for _, c := range slices.Concat(fixed, textColumns()) {
		if _, ok := at[c]; !ok {
			faults = append(faults, Fault{Line: 1, Field: c, Key: "notice.fault.column", Args: i18n.Args{"column": c}})
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	seen := map[string]bool{}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return all, faults
		}
		if err != nil {
			return nil, append(faults, broken(err))
		}
		line, _ := r.FieldPos(0)
		if len(all) == maxRows {
			return nil, append(faults, Fault{Line: line, Key: "notice.fault.rows", Args: i18n.Args{"n": maxRows}})
		}
		cell := func(name string) string {
			if i := at[name]; i < len(row) {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		t := &Template{ID: cell("id"), Hazard: cell("hazard"), Category: cell("category"), Response: cell("response"), Urgency: cell("urgency"),
			Severity: cell("severity"), Certainty: cell("certainty"), Immediate: cell("immediate") == "yes", Slots: parseSlots(cell("slots")), Texts: map[i18n.Lang]Words{}}
		t.Hours, _ = strconv.Atoi(cell("hours"))
		for _, l := range i18n.Langs {
			t.Texts[l] = Words{}
			for _, p := range Parts {
				t.Texts[l][p] = cell(string(p) + "_" + string(l))
			}
		}
		wrong := t.check()
		if v := cell("immediate"); v != "yes" && v != "no" {
			wrong = append(wrong, Fault{Field: "immediate", Key: "notice.fault.word", Args: i18n.Args{"value": v, "list": "yes, no"}})
		}
		if seen[t.ID] {
			wrong = append(wrong, Fault{Field: "id", Key: "notice.fault.twice", Args: i18n.Args{"value": t.ID}})
		}
		seen[t.ID] = true
		for _, f := range wrong {
			f.Line = line
			faults = append(faults, f)
		}
		t.Version = t.fingerprint()
		all = append(all, t)
	}
}

// writeCSV writes templates as readCSV reads them, with what is known of their checks.
func writeCSV(all []*Template, name func(person string) string) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	head := slices.Concat(fixed, textColumns(), []string{"version"})
	for _, l := range i18n.Langs {
		head = append(head, "status_"+string(l))
	}
	rows := [][]string{head}
	for _, t := range all {
		immediate := "no"
		if t.Immediate {
			immediate = "yes"
		}
		row := []string{t.ID, t.Hazard, t.Category, t.Response, t.Urgency, t.Severity, t.Certainty, immediate, strconv.Itoa(t.Hours), slotList(t.Slots)}
		for _, l := range i18n.Langs {
			for _, p := range Parts {
				row = append(row, t.Texts[l][p])
			}
		}
		row = append(row, t.Version)
		for _, l := range i18n.Langs {
			status := "draft"
			if c, ok := t.Checked[l]; ok {
				status = "checked " + c.At.UTC().Format("2006-01-02") + " " + name(c.By)
			}
			row = append(row, status)
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
