package area

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Refusal is why a row of a file is not taken: at which line, what is wrong, what to do.
type Refusal struct {
	Line int // of the file; 0: of none, a row beside it
	Key  Key
	// Text says what is wrong and how to mend it; Test is the test that a row failed and
	// Detail what it found, in English as in the log; both are "" of a row that cannot be
	// read.
	Text
	Test, Detail string
}

// Change is what an import does with one row.
type Change struct {
	Line int
	Key  Key
	Kind string // "new", "changed" or "same"
	// Closed are the rows of that code that end where this one begins, Replaced those that
	// no longer count at all.
	Closed, Replaced int

	fields []string
}

// ownRow is a row that somebody brings.
type ownRow struct {
	line   int
	fields []string
	area   *Area
}

// readOwn reads a file of own rows: those that cannot be one are refused.
func readOwn(file []byte, s *sheet) (rows []ownRow, refused []Refusal) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\ufeff"))))
	for first := true; ; first = false {
		f, err := r.Read()
		if err == io.EOF {
			if first {
				refused = append(refused, Refusal{Line: 1, Text: Text{"area.wrong.columns", i18n.Args{"columns": strings.Join(Columns, ",")}}})
			}
			break
		}
		if err != nil {
			line := 1
			if p, ok := errors.AsType[*csv.ParseError](err); ok {
				line, err = p.Line, p.Err
			}
			return rows, append(refused, Refusal{Line: line, Text: Text{"area.wrong.csv", nil}, Detail: err.Error()})
		}
		line, _ := r.FieldPos(0)
		if first {
			if !isHeader(f) {
				return nil, []Refusal{{Line: line, Text: Text{"area.wrong.columns", i18n.Args{"columns": strings.Join(Columns, ",")}}}}
			}
			continue
		}
		a, err := s.row(f)
		if err != nil {
			w, ok := errors.AsType[Wrong](err)
			if !ok {
				w = Wrong{Text: Text{"area.wrong.csv", nil}}
			}
			refused = append(refused, Refusal{Line: line, Key: w.Area, Text: w.Text})
			continue
		}
		for len(f) < len(Columns) {
			f = append(f, "")
		}
		rows = append(rows, ownRow{line, f, a})
	}
	slices.SortStableFunc(rows, func(x, y ownRow) int { return x.area.From.Compare(y.area.From) })
	return rows, refused
}

// allowed says what a row must have that somebody answers for, over what the shipped ones
// have: a source, and something by which its place can be tested.
func (s *sheet) allowed(a *Area) error {
	switch {
	case a.patterns:
		return a.wrong("pattern", nil)
	case a.Status == Derived:
		return a.wrong("derived", nil)
	case s.ofRegister(a.Key):
		return a.wrong("register", nil)
	case !slices.ContainsFunc(s.rows, func(b *Area) bool { return b.Level == a.Level }):
		return a.wrong("level", i18n.Args{"value": a.Level})
	case a.Source == "":
		return a.wrong("source", nil)
	case a.Coverage != Unknown && !a.HasCentre && a.Outline == nil:
		return a.wrong("middle", nil)
	}
	return nil
}

// ofRegister reports whether the register of municipalities makes the row of a code.
func (s *sheet) ofRegister(k Key) bool {
	for _, p := range s.towns {
		if k == (Key{municipal[p.Country], p.Code}) {
			return true
		}
	}
	return false
}

// has reports whether a row stands in the sheet as it is.
func (s *sheet) has(a *Area) bool {
	record := a.record()
	return slices.ContainsFunc(s.byKey[a.Key], func(b *Area) bool { return slices.Equal(b.record(), record) })
}

// closing puts a row after those of its code before it: what began earlier ends where it
// begins, the rest no longer counts.
func closing(rows []*Area, a *Area) (out []*Area, closed, replaced int) {
	for _, b := range rows {
		switch {
		case b.Key != a.Key:
		case a.From.IsZero() || !b.From.IsZero() && !b.From.Before(a.From):
			replaced++
			continue
		case b.To.IsZero() || b.To.After(a.From):
			cut := *b
			cut.To = a.From
			b, closed = &cut, closed+1
		}
		out = append(out, b)
	}
	return append(out, a), closed, replaced
}

// counting are the versions of every code that count, each code's oldest first: the one
// that the last version names, and those that it closed.
func counting(all []Version) (in []Version) {
	for i := 0; i < len(all); {
		end := i
		for end < len(all) && all[end].Key == all[i].Key {
			end++
		}
		of := all[i:end]
		at := len(in)
		for n := of[len(of)-1].Holds; n > 0 && n <= len(of); n = of[n-1].Held {
			in = slices.Insert(in, at, of[n-1])
		}
		i = end
	}
	return in
}

// assemble puts own versions over the shipped rows. Those that the table cannot have any
// more, since the program or its register of municipalities changed, are left out.
func assemble(places *register.Register, own []Version) (*sheet, []Refusal, error) {
	file, err := data.ReadFile("data/areas.csv")
	if err != nil {
		return nil, nil, fmt.Errorf("area.assemble: %w", err)
	}
	base, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		return nil, nil, fmt.Errorf("area.assemble: %w", err)
	}
	sum := sha256.Sum256(file)
	s := newSheet(places, edition+"/"+hex.EncodeToString(sum[:4]))
	var rows []*Area
	for _, f := range base[1:] {
		a, err := s.row(f)
		if err != nil {
			return nil, nil, fmt.Errorf("area.assemble: %w", err)
		}
		rows = append(rows, a)
	}
	var lost []Refusal
	said := sha256.New()
	for _, v := range counting(own) {
		a, err := s.row(v.Row)
		if err == nil && s.ofRegister(a.Key) {
			err = a.wrong("register", nil)
		}
		if err != nil {
			w, _ := errors.AsType[Wrong](err)
			lost = append(lost, Refusal{Key: v.Key, Text: w.Text})
			continue
		}
		a.Own = v.Number
		rows, _, _ = closing(rows, a)
		if err := json.NewEncoder(said).Encode(v.Row); err != nil {
			return nil, nil, fmt.Errorf("area.assemble: %w", err)
		}
		s.version = edition + "/" + hex.EncodeToString(sum[:4]) + "+" + hex.EncodeToString(said.Sum(nil)[:4])
	}
	for _, a := range rows {
		if err := s.add(a); err != nil {
			return nil, nil, fmt.Errorf("area.assemble: %w", err)
		}
	}
	if err := s.complete(); err != nil {
		return nil, nil, fmt.Errorf("area.assemble: %w", err)
	}
	return s, lost, nil
}

// judge puts rows to the tests of the table: each by itself, then all together in it. It
// returns what would change, and why what is refused.
func judge(places *register.Register, known []Version, file []byte, now time.Time) (changes []Change, refused []Refusal, err error) {
	was, _, err := assemble(places, known)
	if err != nil {
		return nil, nil, err
	}
	rows, refused := readOwn(file, was)
	next := slices.Clone(known)
	lines, days := map[Key]int{}, []time.Time{now}
	over := slices.Clone(was.rows)
	for _, r := range rows {
		c := Change{Line: r.line, Key: r.area.Key, Kind: "same", fields: r.fields}
		if !was.has(r.area) {
			if err := was.allowed(r.area); err != nil {
				w, _ := errors.AsType[Wrong](err)
				refused = append(refused, Refusal{Line: r.line, Key: w.Area, Text: w.Text})
				continue
			}
			c.Kind = "new"
			if len(was.byKey[r.area.Key]) > 0 {
				c.Kind = "changed"
			}
			over, c.Closed, c.Replaced = closing(over, r.area)
			next = addVersion(next, Version{Key: r.area.Key, Step: actImport, Row: r.fields})
			lines[r.area.Key] = r.line
			if r.area.From.After(now) {
				days = append(days, r.area.From)
			}
			if !r.area.To.IsZero() && r.area.To.Before(now) {
				days = append(days, r.area.To.AddDate(0, 0, -1))
			}
		}
		changes = append(changes, c)
	}
	if len(lines) == 0 {
		return changes, refused, nil
	}
	is, _, err := assemble(places, next)
	if err != nil {
		return nil, nil, err
	}
	for _, day := range days {
		before := was.check(day)
		for _, d := range is.check(day) {
			line, own := lines[d.Key]
			x := Refusal{Line: line, Key: d.Key, Text: Text{"area.mend." + d.Test, nil}, Test: d.Test, Detail: d.Detail}
			if (own || !slices.Contains(before, d)) && !slices.ContainsFunc(refused, func(y Refusal) bool { return y.Key == x.Key && y.Test == x.Test && y.Detail == x.Detail }) {
				refused = append(refused, x)
			}
		}
	}
	slices.SortStableFunc(refused, func(x, y Refusal) int { return x.Line - y.Line })
	return changes, refused, nil
}

// addVersion puts a version after those of its code.
func addVersion(all []Version, v Version) []Version {
	i := len(all)
	for j, o := range all {
		if o.Key == v.Key {
			i, v.Number, v.Held = j+1, o.Number, o.Holds
		}
	}
	v.Number++
	if v.Step == actImport {
		v.Holds = v.Number
	}
	return slices.Insert(all, i, v)
}
