package unit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// columns of the file of own units, in the order in which it is written. Only the
// first two are needed to read one; any order will do, and ";" for ",".
var columns = []string{"call_sign", "type", "station", "station_lat", "station_lon", "lat", "lon", "position_at", "status", "ready_min", "crew", "skills", "kind"}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// WriteCSV writes units as a file that Import reads.
func WriteCSV(w io.Writer, units []*Unit) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	rows := [][]string{columns}
	degrees := func(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }
	known := func(n int) string {
		if n < 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	for _, u := range units {
		r := make([]string, len(columns))
		r[0], r[1], r[2] = cell(u.CallSign), u.Type, cell(u.Station)
		if u.Home != nil {
			r[3], r[4] = degrees(u.Home.Lat), degrees(u.Home.Lon)
		}
		if u.Reported != nil {
			r[5], r[6], r[7] = degrees(u.Reported.Lat), degrees(u.Reported.Lon), u.Reported.At.UTC().Format(time.RFC3339)
		}
		r[8], r[9], r[10], r[11], r[12] = string(u.Status), known(u.Ready), known(u.Crew), cell(u.Skills), string(u.Kind)
		rows = append(rows, r)
	}
	return c.WriteAll(rows)
}

// cell keeps a spreadsheet program from taking what somebody typed for a formula; bareCell
// takes the sign away again.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t'") {
		return "'" + s
	}
	return s
}

func bareCell(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && rest != cell(rest) {
		return rest
	}
	return s
}

// refuse is a file that cannot be taken, with the line of the fault.
func refuse(line int, key string) error {
	return problem.New("unit.Import", problem.Invalid, "unit.fault.line", i18n.Args{"line": line, "fault": key})
}

// ReadCSV reads such a file. A fault names its line; nothing of the file counts then.
func ReadCSV(raw []byte) ([]Unit, error) {
	raw = bytes.TrimPrefix(raw, []byte(byteOrderMark))
	c := csv.NewReader(bytes.NewReader(raw))
	if first, _, _ := bytes.Cut(raw, []byte("\n")); bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		c.Comma = ';'
	}
	c.TrimLeadingSpace = true
	rows, err := c.ReadAll()
	if err != nil {
		line := 1
		if p, ok := errors.AsType[*csv.ParseError](err); ok {
			line = p.Line
		}
		return nil, refuse(line, "unit.fault.csv")
	}
	if len(rows) < 2 {
		return nil, refuse(1, "unit.fault.csv")
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		name = strings.ToLower(clean(name))
		if !slices.Contains(columns, name) {
			return nil, refuse(1, "unit.fault.column")
		}
		at[name] = i
	}
	if _, ok := at["call_sign"]; !ok {
		return nil, refuse(1, "unit.fault.column")
	}
	if len(rows) > maxUnits {
		return nil, refuse(maxUnits, "unit.fault.many")
	}
	var all []Unit
	signs := map[string]bool{}
	for n, r := range rows[1:] {
		u, fault := readRow(func(name string) string {
			i, ok := at[name]
			if !ok {
				return ""
			}
			return bareCell(strings.TrimSpace(r[i]))
		})
		if fault == "" {
			if f := u.faults(); len(f) > 0 {
				fault = f[0].Key
			} else if signs[u.CallSign] {
				fault = "unit.fault.taken"
			}
		}
		if fault != "" {
			return nil, refuse(n+2, fault)
		}
		signs[u.CallSign] = true
		all = append(all, u)
	}
	return all, nil
}

func readRow(of func(string) string) (u Unit, fault string) {
	u = Unit{CallSign: of("call_sign"), Type: of("type"), Station: of("station"), Skills: of("skills"),
		Status: Status(cmp.Or(of("status"), string(NotReady))), Kind: store.Kind(cmp.Or(of("kind"), string(store.Live)))}
	var ok bool
	if u.Ready, ok = number(of("ready_min")); !ok {
		return u, "unit.fault.ready"
	}
	if u.Crew, ok = number(of("crew")); !ok {
		return u, "unit.fault.crew"
	}
	if u.Home, ok = point(of("station_lat"), of("station_lon")); !ok {
		return u, "unit.fault.point"
	}
	p, ok := point(of("lat"), of("lon"))
	if !ok {
		return u, "unit.fault.point"
	}
	if p != nil {
		u.Reported = &Position{Point: *p, Source: FromImport}
		if at := of("position_at"); at != "" {
			t, err := time.Parse(time.RFC3339, at)
			if err != nil {
				return u, "unit.fault.time"
			}
			u.Reported.At = t.UTC()
		}
	}
	return u, ""
}

// number reads a count; "" is noTyped.
func number(text string) (int, bool) {
	if text == "" {
		return noTyped, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

// point reads decimal degrees; both empty is nil.
func point(lat, lon string) (*geo.Point, bool) {
	if lat == "" && lon == "" {
		return nil, true
	}
	la, err := strconv.ParseFloat(strings.ReplaceAll(lat, ",", "."), 64)
	lo, err2 := strconv.ParseFloat(strings.ReplaceAll(lon, ",", "."), 64)
	p := geo.Point{Lat: la, Lon: lo}
	return &p, err == nil && err2 == nil && p.Valid()
}

// Import takes a file over, by call sign: new units are added, known ones changed. A
// status and a kind the file has no column for, and units it does not name, stay as they
// are: a unit of tests must not be offered to anybody as a real one.
func (s *Service) Import(ctx context.Context, who Actor, raw []byte) (added, changed int, err error) {
	units, err := ReadCSV(raw)
	if err != nil {
		return 0, 0, err
	}
	head, _, _ := bytes.Cut(bytes.ToLower(raw), []byte("\n"))
	has := func(column string) bool { return bytes.Contains(head, []byte(column)) } // no column's name is in another's
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		added, changed = 0, 0
		now := s.o.Clock.Now()
		for _, u := range units {
			u.Org = who.Org
			old, err := unitByCallSign(tx, u.Org, u.CallSign)
			what, was := "edit", u.Status
			switch {
			case errors.Is(err, store.ErrNoRows):
				what, u.ID, u.Version, u.StatusAt, u.StatusBy = "create", s.o.Clock.NewID(), 1, now, who.Person
				added++
			case err != nil:
				return err
			default:
				u.ID, u.Version, was = old.ID, old.Version+1, old.Status
				if !has("kind") {
					u.Kind = old.Kind
				}
				if !has("status") || old.Status == u.Status {
					u.Status, u.StatusAt, u.StatusBy = old.Status, old.StatusAt, old.StatusBy
				} else {
					u.StatusAt, u.StatusBy = now, who.Person
				}
				if u.Reported == nil {
					u.Reported = old.Reported
				}
				changed++
			}
			if u.Reported != nil && u.Reported.At.IsZero() {
				u.Reported.At = now
			}
			if err := s.write(tx, who, &u, what, was, u.Status); err != nil {
				return err
			}
		}
		return nil
	})
	return added, changed, problem.Wrap("unit.Import", err)
}

// ReadPositions reads reported positions by call sign from a file with the columns
// call_sign, lat, lon, and, if they are there, position_at (RFC 3339; else now) and
// source.
func ReadPositions(raw []byte, now time.Time) (map[string]Position, error) {
	c := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte(byteOrderMark))))
	c.TrimLeadingSpace = true
	rows, err := c.ReadAll()
	if err != nil || len(rows) < 2 {
		return nil, refuse(1, "unit.fault.csv")
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[strings.ToLower(clean(name))] = i
	}
	out := map[string]Position{}
	for n, r := range rows[1:] {
		of := func(name string) string {
			if i, ok := at[name]; ok {
				return bareCell(clean(r[i]))
			}
			return ""
		}
		p, ok := point(of("lat"), of("lon"))
		if sign := of("call_sign"); sign == "" {
			return nil, refuse(n+2, "unit.fault.call_sign")
		} else if !ok || p == nil {
			return nil, refuse(n+2, "unit.fault.point")
		}
		t := now
		if text := of("position_at"); text != "" {
			if t, err = time.Parse(time.RFC3339, text); err != nil {
				return nil, refuse(n+2, "unit.fault.time")
			}
		}
		out[of("call_sign")] = Position{Point: *p, At: t.UTC(), Source: bare(cmp.Or(of("source"), FromImport))}
	}
	return out, nil
}
