package classification

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/format/emsi"
	"trojmezi/internal/kernel/i18n"
)

// Limits of a row and of a file.
const (
	maxKey   = 60
	maxLabel = 80 // characters
	maxCode  = 120
	maxNote  = 400
	maxFile  = 1 << 20
	maxRows  = 5_000
)

// byteOrderMark makes spreadsheet programs read a file as UTF-8.
const byteOrderMark = "\ufeff"

// Fault is what is wrong with a row. In a file it has a place, counted from 1; Column
// counts bytes, as the row is written.
type Fault struct {
	Line, Column int
	Field        string // name of the column
	Key          string // of the text
	Args         i18n.Args
}

var (
	keyForm  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)
	hzsForm  = regexp.MustCompile(`^\d{3,5}(/\d{3,5})?$`)
	cisuForm = regexp.MustCompile(`^C\d\d\.\d\d\.\d\d$`)
)

// categories of CAP 1.2, info.category.
var categories = []string{"Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"}

// columns of a file. Those with a status are written and not read: only a person
// makes a label a checked one, in the program.
var (
	columns  = []string{"key", "since", "until", "cs", "de", "pl", "en", "cz-hzs", "de-sn", "pl-psp", "emsi", "cisu", "cap", "verified", "note"}
	statuses = []string{"cs_status", "de_status", "pl_status", "en_status"}
)

// cells are a row as the columns of a file.
func (r *Row) cells() []string {
	out := []string{r.Key, r.Since, r.Until}
	for _, l := range i18n.Langs {
		out = append(out, r.Label[l].Text)
	}
	var verified []string
	for _, s := range Systems {
		out = append(out, r.codes(s))
		if len(r.Code[s]) > 0 && r.Code[s][0].Verified {
			verified = append(verified, string(s))
		}
	}
	return append(out, strings.Join(verified, " "), r.Note)
}

// codes are the codes of a system as they are written into one field.
func (r *Row) codes(s System) string {
	var all []string
	for _, c := range r.Code[s] {
		if c.Outward {
			all = append(all, ">"+c.Code)
		} else {
			all = append(all, c.Code)
		}
	}
	return strings.Join(all, "; ")
}

// shown are the codes of a row for people: as codes, with a question mark at what
// nobody has found in a source.
func (r *Row) shown(s System) string {
	var all []string
	for _, c := range r.Code[s] {
		text := c.Code
		if c.Outward {
			text = ">" + text
		}
		if !c.Verified {
			text += "\u00a0?"
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// readRow is the reverse of cells; labels become drafts.
func readRow(cell func(column string) string) Row {
	r := Row{Key: cell("key"), Since: cell("since"), Until: cell("until"), Note: cell("note"), Label: map[i18n.Lang]Text{}, Code: map[System][]Code{}}
	for _, l := range i18n.Langs {
		r.Label[l] = Text{Text: cell(string(l))}
	}
	verified := strings.Fields(cell("verified"))
	for _, s := range Systems {
		for c := range strings.SplitSeq(cell(string(s)), ";") {
			if c = strings.TrimSpace(c); c == "" {
				continue
			}
			text, outward := strings.CutPrefix(c, ">")
			r.Code[s] = append(r.Code[s], Code{Code: strings.TrimSpace(text), Outward: outward, Verified: slices.Contains(verified, string(s))})
		}
	}
	return r
}

// faults are what is wrong with a row by itself.
func (r *Row) faults() (out []Fault) {
	add := func(field, key string, args i18n.Args) {
		out = append(out, Fault{Field: field, Key: "classification.fault." + key, Args: args})
	}
	if len(r.Key) > maxKey || !keyForm.MatchString(r.Key) {
		add("key", "key", i18n.Args{"value": r.Key})
	}
	for field, day := range map[string]string{"since": r.Since, "until": r.Until} {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			add(field, "day", i18n.Args{"value": day})
		}
	}
	if r.Until != "" && r.Until < r.Since {
		add("until", "order", nil)
	}
	for _, l := range i18n.Langs {
		switch text := r.Label[l].Text; {
		case text == "":
			add(string(l), "label", nil)
		case utf8.RuneCountInString(text) > maxLabel || strings.ContainsAny(text, "\r\n\x00"):
			add(string(l), "long", i18n.Args{"n": maxLabel})
		}
	}
	for _, s := range Systems {
		for _, c := range r.Code[s] {
			if !wellFormed(s, c.Code) {
				add(string(s), "code."+string(s), i18n.Args{"value": c.Code})
			}
		}
	}
	if utf8.RuneCountInString(r.Note) > maxNote || strings.ContainsRune(r.Note, 0) {
		add("note", "long", i18n.Args{"n": maxNote})
	}
	slices.SortStableFunc(out, func(a, b Fault) int {
		return cmp.Compare(slices.Index(columns, a.Field), slices.Index(columns, b.Field))
	})
	return out
}

// wellFormed reports whether a code can be one of its system. Lists that are not
// public are not held against it.
func wellFormed(s System, code string) bool {
	switch s {
	case HZS:
		return hzsForm.MatchString(code)
	case EMSI:
		return slices.Contains(emsi.Codes(emsi.CategoryList), code)
	case CISU:
		return cisuForm.MatchString(code)
	case CAP:
		return slices.Contains(categories, code)
	}
	return code != "" && len(code) <= maxCode && !strings.ContainsAny(code, "\r\n\x00=;")
}

// guarded keeps a spreadsheet program from taking a text for a formula.
func guarded(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@'\t") {
		return "'" + s
	}
	return s
}

// Write is the table as CSV (spec: RFC 4180, UTF-8 with a byte order mark).
func (t *Table) Write(out io.Writer) error {
	if _, err := io.WriteString(out, byteOrderMark); err != nil {
		return err
	}
	w := csv.NewWriter(out)
	w.UseCRLF = true
	if err := w.Write(slices.Concat(columns, statuses)); err != nil {
		return err
	}
	for _, r := range t.rows {
		line := r.cells()
		for _, l := range i18n.Langs {
			if status := r.Label[l]; status.Draft() {
				line = append(line, "draft")
			} else {
				line = append(line, "checked "+status.CheckedAt.Format(time.DateOnly))
			}
		}
		for i := range line {
			line[i] = guarded(line[i])
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// ReadFile reads rows out of CSV: with comma or semicolon, with or without a byte order
// mark, columns in any order. With faults there are no rows.
func ReadFile(file []byte) (rows []Row, faults []Fault) {
	file = bytes.TrimPrefix(file, []byte(byteOrderMark))
	switch line, column := badUTF8(file); {
	case len(file) > maxFile:
		return nil, []Fault{{Line: 1, Column: 1, Key: "classification.fault.large"}}
	case line > 0:
		return nil, []Fault{{Line: line, Column: column, Key: "classification.fault.utf8"}}
	}
	in := csv.NewReader(bytes.NewReader(file))
	if head, _, _ := bytes.Cut(file, []byte("\n")); bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		in.Comma = ';'
	}
	head, err := in.Read()
	if err != nil {
		return nil, []Fault{syntax(err)}
	}
	place := map[string]int{}
	for i, name := range head {
		line, column := in.FieldPos(i)
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := place[name]; twice || !slices.Contains(columns, name) && !slices.Contains(statuses, name) {
			faults = append(faults, Fault{Line: line, Column: column, Field: name, Key: "classification.fault.column", Args: i18n.Args{"value": name}})
		}
		place[name] = i
	}
	for _, name := range []string{"key", "cs", "de", "pl", "en"} {
		if _, there := place[name]; !there {
			faults = append(faults, Fault{Line: 1, Column: 1, Field: name, Key: "classification.fault.missing", Args: i18n.Args{"value": name}})
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, append(faults, syntax(err))
		}
		r := readRow(func(column string) string {
			i, there := place[column]
			if !there {
				return ""
			}
			text := strings.TrimSpace(record[i])
			if rest, ok := strings.CutPrefix(text, "'"); ok && rest != guarded(rest) {
				return rest
			}
			return text
		})
		wrong := r.faults()
		if slices.ContainsFunc(rows, func(o Row) bool { return o.Key == r.Key && o.Since == r.Since }) {
			wrong = append(wrong, Fault{Field: "key", Key: "classification.fault.twice", Args: i18n.Args{"value": r.Key}})
		}
		for _, f := range wrong {
			f.Line, f.Column = in.FieldPos(place[f.Field])
			faults = append(faults, f)
		}
		if rows = append(rows, r); len(rows) > maxRows {
			return nil, []Fault{{Line: 1, Column: 1, Key: "classification.fault.large"}}
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return rows, nil
}

func syntax(err error) Fault {
	f := Fault{Line: 1, Column: 1, Key: "classification.fault.csv"}
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		f.Line, f.Column = e.Line, max(e.Column, 1)
		if errors.Is(e.Err, csv.ErrFieldCount) {
			f.Key = "classification.fault.fields"
		}
	}
	return f
}

// badUTF8 is where a file ceases to be UTF-8; line 0: nowhere.
func badUTF8(file []byte) (line, column int) {
	line, column = 1, 1
	for len(file) > 0 {
		r, n := utf8.DecodeRune(file)
		if r == utf8.RuneError && n == 1 {
			return line, column
		}
		if file, column = file[n:], column+n; r == '\n' {
			line, column = line+1, 1
		}
	}
	return 0, 0
}

// overlaps finds two periods of a key that meet.
func overlaps(rows []*Row) (twice *Row) {
	for i, r := range rows {
		if r.Until == r.Since && r.Since != "" {
			continue // counts on no day
		}
		for _, o := range rows[i+1:] {
			if o.Key == r.Key && (o.Until == "" || o.Until > o.Since) && (r.Until == "" || o.Since < r.Until) && (o.Until == "" || r.Since < o.Until) {
				return o
			}
		}
	}
	return nil
}

// Change is one field that an import or an edit would set.
type Change struct {
	Key    string `json:"key"`
	Since  string `json:"since"`
	Field  string `json:"field"` // name of a column; "" for a row that is new
	Before string `json:"before"`
	After  string `json:"after"`
}

// changes are the fields in which a row differs from the one that stands.
func changes(before, after *Row) (out []Change) {
	a := after.cells()
	b := make([]string, len(a))
	if before == nil {
		out = append(out, Change{Key: after.Key, Since: after.Since, After: after.Label[i18n.En].Text})
	} else {
		b = before.cells()
	}
	for i := 2; i < len(columns); i++ {
		if a[i] != b[i] {
			out = append(out, Change{after.Key, after.Since, columns[i], b[i], a[i]})
		}
	}
	return out
}
