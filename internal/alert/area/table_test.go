package area

import (
	"bytes"
	"encoding/csv"
	"os"
	"slices"
	"testing"
	"time"

	"trojmezi/internal/kernel/register"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func shipped(t testing.TB) *Table {
	t.Helper()
	places, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	table, err := Load(places)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// No row of the shipped table disagrees with another one, with the register of
// municipalities or with the middles of MeteoAlarm's shapes.
func TestShippedTable(t *testing.T) {
	table := shipped(t)
	for _, d := range table.Check(noon) {
		t.Error(d)
	}
}

// Rows that are mixed up are found: two codes of one scheme and level that change their
// names, their municipalities, their middles or their parents.
func TestShuffledRowsAreFound(t *testing.T) {
	file, err := data.ReadFile("data/areas.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	places, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	at := func(column string) int { return slices.Index(Columns, column) }
	scheme, code, level, members := at("scheme"), at("code"), at("level"), at("members")
	tried, done, blind := 0, 0, 0
	full := os.Getenv("TROJMEZI_FULL") == "1"
	for i, a := range rows {
		for k, b := range rows[:i] {
			if k == 0 || a[scheme] != b[scheme] || a[level] != b[level] || a[members] == b[members] || a[at("valid_to")]+b[at("valid_to")] != "" {
				continue
			}
			for _, mix := range [][]string{{"code"}, {"name"}, {"members"}, {"lat", "lon"}, {"name", "cs", "de", "pl", "en", "members"}} {
				changed, same := slices.Clone(rows), true
				x, y := slices.Clone(a), slices.Clone(b)
				for _, column := range mix {
					c := at(column)
					same = same && x[c] == y[c]
					x[c], y[c] = y[c], x[c]
				}
				if same {
					continue
				}
				changed[i], changed[k] = x, y
				tried++
				if !full && (a[members] == "none" || b[members] == "none") && tried%23 > 0 {
					continue // TROJMEZI_FULL=1 tries all
				}
				done++
				table, err := tableOf(changed[1:], places)
				if err == nil && len(table.Check(noon)) == 0 {
					if blindSpot(places, a, b, mix) {
						blind++
						continue
					}
					t.Errorf("%v of %s and %s changed places, and nothing notices", mix, a[code], b[code])
				}
			}
		}
	}
	t.Logf("%d of %d exchanges, %d of them need a second copy of the list to be found", done, tried, blind)
	if done < 100 {
		t.Errorf("only %d exchanges", done)
	}
}

// tableOf is Parse of rows that are at hand.
func tableOf(rows [][]string, places *register.Register) (*Table, error) {
	s := newSheet(places, edition)
	for _, f := range rows {
		a, err := s.row(f)
		if err == nil {
			err = s.add(a)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	t := &Table{}
	t.now.Store(s)
	return t, nil
}

// blindSpot tells what only a second copy of a code list can find: RÚIAN numbers the ORP
// of one okres in no order that is known; which Land DWD means by two letters, and which
// subregion of Lower Silesia has which number, stand in one row from memory each; so do
// MeteoAlarm's numbers of parts of a Kreis, with the middle of each.
func blindSpot(places *register.Register, a, b []string, mix []string) bool {
	at := func(row []string, column string) string { return row[slices.Index(Columns, column)] }
	switch {
	case at(a, "scheme") == "STATE":
		return true
	case at(a, "level") == "kreispart" && slices.Equal(mix, []string{"code"}):
		return true
	case slices.Equal(mix, []string{"lat", "lon"}): // a town and the powiat around it have one middle
		return at(a, "code") == "PL0261" && at(b, "code") == "PL0206"
	case at(a, "scheme") == "NUTS" && at(a, "level") == "subregion":
		return true
	case at(a, "scheme") == "RUIAN_ORP" && slices.Equal(mix, []string{"code"}):
		okres := func(row []string) string {
			for _, p := range places.Places() {
				if p.Name == at(row, "name") && p.ORP == p.Name {
					return p.DistrictCode
				}
			}
			return ""
		}
		return okres(a) == okres(b)
	case at(a, "scheme") == "RUIAN_ORP" && slices.Equal(mix, []string{"name", "cs", "de", "pl", "en", "members"}):
		return blindSpot(places, a, b, []string{"code"})
	}
	return false
}
