package area

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"

	"trojmezi/internal/kernel/register"
)

// With puts rows that somebody brings, in Columns, in the place of the shipped ones with
// their codes, and returns the table that they make together, with the codes that are
// theirs. Rows that the program works out itself are left to it.
func With(own []byte, places *register.Register) (*Table, map[Key]bool, error) {
	shipped, err := data.ReadFile("data/areas.csv")
	if err != nil {
		return nil, nil, fmt.Errorf("area.With: %w", err)
	}
	was, err := Parse(shipped, places)
	if err != nil {
		return nil, nil, err
	}
	scheme, code := slices.Index(Columns, "scheme"), slices.Index(Columns, "code")
	base, err := csv.NewReader(bytes.NewReader(shipped)).ReadAll()
	if err != nil {
		return nil, nil, fmt.Errorf("area.With: %w", err)
	}
	written := map[Key]bool{}
	for _, f := range base[1:] {
		written[Key{f[scheme], f[code]}] = true
	}
	made := map[Key]bool{}
	for _, a := range was.Areas() {
		made[a.Key] = !written[a.Key]
	}
	keys := map[Key]bool{}
	var rows [][]string
	r := csv.NewReader(bytes.NewReader(own))
	for n := 1; ; n++ {
		f, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		line, _ := r.FieldPos(0)
		if n == 1 {
			if !slices.Equal(f, Columns) {
				return nil, nil, fmt.Errorf("line %d: the columns are %v, want %v", line, f, Columns)
			}
			continue
		}
		a, err := was.row(f)
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", line, err)
		}
		if a.Status != Derived && !made[a.Key] {
			keys[a.Key] = true
			rows = append(rows, f)
		}
	}
	for _, f := range base[1:] {
		if !keys[Key{f[scheme], f[code]}] {
			rows = append(rows, f)
		}
	}
	var both bytes.Buffer
	if err := csv.NewWriter(&both).WriteAll(append([][]string{Columns}, rows...)); err != nil {
		return nil, nil, fmt.Errorf("area.With: %w", err)
	}
	t, err := Parse(both.Bytes(), places)
	return t, keys, err
}
