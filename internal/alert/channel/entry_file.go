package channel

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// entryColumns are those of the file, in every language the same: it is read in again.
var entryColumns = []string{"name", "channel", "kind", "address", "language", "places", "minimum", "takes", "acknowledge", "from", "until", "reason"}

// dayForm is a day in files and forms.
const dayForm = "2006-01-02"

// mostEntries bounds a file in rows.
const mostEntries = 2000

// Export writes those that are not ended as CSV (spec: RFC 4180), with their addresses and
// without the secrets of webhooks; that it was done is noted.
func (s *Service) Export(ctx context.Context, person string) ([]byte, error) {
	const op = "channel.Export"
	all, err := s.Entries(ctx)
	if err != nil {
		return nil, err
	}
	lines := [][]string{entryColumns}
	for _, e := range all {
		if e.Ended || e.target == "" {
			continue
		}
		ack := ""
		if e.Ack {
			ack = "yes"
		}
		lines = append(lines, []string{e.Name, e.Channel, string(e.Kind), e.Address, string(e.Lang), strings.Join(e.Places, "; "), e.Minimum, strings.Join(e.Takes, "; "), ack, e.From.Format(dayForm), e.Until.Format(dayForm), e.Reason})
	}
	for _, line := range lines[1:] {
		for i, v := range line {
			// What others wrote must be no formula to a spreadsheet program; a number with
			// its + is none.
			if v != "" && strings.ContainsAny(v[:1], "=+-@\t\r") && !phone.MatchString(v) {
				line[i] = "'" + v
			}
		}
	}
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	if err := w.WriteAll(lines); err != nil {
		return nil, problem.Wrap(op, err)
	}
	return out.Bytes(), problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		return s.Audit.Append(tx, audit.Event{Action: "channel.receiver.export", Actor: person, Object: "receivers", Detail: []byte(fmt.Sprint(len(lines) - 1))})
	}))
}

// LineFault is a mistake in a line of a file.
type LineFault struct {
	Line int
	EntryFault
}

// Import adds the rows of a file, all or, when one is wrong, none. A row that is there
// already in the same words is left as it is.
func (s *Service) Import(ctx context.Context, person string, file []byte) (added, same int, faults []LineFault, err error) {
	const op = "channel.Import"
	rows, faults, err := readEntries(file)
	if err != nil || len(faults) > 0 {
		return 0, 0, faults, err
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		added, same, faults = 0, 0, nil
		there, err := s.opened(tx) // once: others wait for this transaction
		if err != nil {
			return err
		}
		for _, x := range rows {
			if has(there, x.entry) {
				same++
				continue
			}
			if c := s.channel(x.entry.Channel); c != nil && c.sort == Webhook {
				faults = append(faults, LineFault{x.line, EntryFault{"channel", "channel.entry.fault.webhook", nil}})
				continue
			}
			_, _, wrong, err := s.save(tx, person, x.entry)
			if err != nil && !errors.Is(err, errFaults) {
				return err
			}
			for _, f := range wrong {
				faults = append(faults, LineFault{x.line, f})
			}
			added++
		}
		if len(faults) > 0 {
			return errFaults
		}
		return nil
	})
	if errors.Is(err, errFaults) {
		return 0, 0, faults, nil
	}
	return added, same, nil, problem.Wrap(op, err)
}

// has reports whether a row of a file is there in the same words.
func has(there []*Entry, x Entry) bool {
	x.clean()
	return slices.ContainsFunc(there, func(e *Entry) bool {
		return !e.Ended && e.Channel == x.Channel && strings.EqualFold(e.Address, x.Address) && e.Name == x.Name && e.Lang == x.Lang && slices.Equal(e.Places, x.Places) &&
			e.Minimum == x.Minimum && slices.Equal(e.Takes, x.Takes) && e.Ack == x.Ack && e.Until.Format(dayForm) == x.Until.Format(dayForm)
	})
}

type entryRow struct {
	line  int
	entry Entry
}

// readEntries reads a file; problem Invalid when it is none of this form.
func readEntries(file []byte) (rows []entryRow, faults []LineFault, err error) {
	const op = "channel.Import"
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte(byteOrderMark))))
	r.FieldsPerRecord = -1
	if head, _, _ := bytes.Cut(file, []byte("\n")); bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		r.Comma = ';' // as spreadsheet programs of the region write it
	}
	head, err := r.Read()
	if err != nil || !slices.Equal(trimmed(head), entryColumns) {
		return nil, nil, problem.New(op, problem.Invalid, "channel.entry.fault.head", i18n.Args{"columns": strings.Join(entryColumns, ",")})
	}
	for {
		x, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, faults, nil
		}
		line, _ := r.FieldPos(0)
		if err != nil || len(x) != len(entryColumns) {
			if bad, ok := errors.AsType[*csv.ParseError](err); ok {
				line = bad.Line
			}
			return nil, []LineFault{{line, EntryFault{"", "channel.entry.fault.line", i18n.Args{"n": len(entryColumns)}}}}, nil
		}
		if len(rows) == mostEntries {
			return nil, []LineFault{{line, EntryFault{"", "channel.entry.fault.rows", i18n.Args{"most": mostEntries}}}}, nil
		}
		x = trimmed(x)
		e := Entry{Name: x[0], Channel: x[1], Kind: store.Kind(x[2]), Address: x[3], Lang: i18n.Lang(x[4]), Places: split(x[5]), Minimum: x[6], Takes: split(x[7]), Ack: x[8] == "yes", Reason: x[11]}
		var ok bool
		if e.From, ok = dayOf(x[9]); !ok {
			faults = append(faults, LineFault{line, EntryFault{"from", "channel.entry.fault.day", i18n.Args{"value": x[9]}}})
		}
		if e.Until, ok = dayOf(x[10]); !ok {
			faults = append(faults, LineFault{line, EntryFault{"until", "channel.entry.fault.day", i18n.Args{"value": x[10]}}})
		}
		rows = append(rows, entryRow{line, e})
	}
}

// trimmed are fields without spaces and without the mark that keeps them from being a formula.
func trimmed(all []string) []string {
	for i, v := range all {
		v = strings.TrimSpace(v)
		if len(v) > 1 && v[0] == '\'' && strings.ContainsAny(v[1:2], "=+-@") {
			v = v[1:]
		}
		all[i] = v
	}
	return all
}

// split reads a list as it stands in a field, and in a form line by line.
func split(s string) (all []string) {
	for x := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ';' || r == '\n' || r == ',' }) {
		if x = strings.TrimSpace(x); x != "" {
			all = append(all, x)
		}
	}
	return all
}

// dayOf reads a day, from its beginning in UTC; none is a zero time.
func dayOf(s string) (time.Time, bool) {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}, true
	}
	at, err := time.Parse(dayForm, s)
	return at, err == nil
}
