package area

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/register"
)

func samples(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set; TestShippedTable and TestShuffledRowsAreFound check the table by itself")
	}
	return filepath.Join(dir, "alerts")
}

// Every row of a second copy of the code lists is in the table with the same name, and
// what is from memory there is not called verified here.
func TestCodesAgainstSamples(t *testing.T) {
	table := shipped(t)
	f, err := os.Open(filepath.Join(samples(t), "areas.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		country, scheme, code, name, status := r[0], strings.ReplaceAll(r[2], "CISORP_PREFIX", "CISORP"), r[3], r[4], r[10]
		if strings.Contains(code, "*") {
			continue // a remark about a scheme
		}
		a, ok := table.Lookup(scheme, code, noon)
		if !ok || string(a.Country) != country {
			t.Errorf("%s %s is not in the table", scheme, code)
			continue
		}
		name, _, _ = strings.Cut(name, " (")
		if name == "" {
			name = r[5]
		}
		if core(name) != core(a.Name) && !(a.Level == "kreispart" && strings.HasPrefix(core(a.Name), core(name))) {
			t.Errorf("%s %s is %q, here %q", scheme, code, name, a.Name)
		}
		if strings.HasPrefix(status, "from-memory") && a.Status == Verified {
			t.Errorf("%s %s is called verified", scheme, code)
		}
	}
}

// differs lists the shape of MeteoAlarm that does not hold the municipalities of its code
// by more than it is coarse: that of the Liberec Region leaves out a strip in the west,
// which its neighbour's holds. Membership comes from codes for such reasons.
var differs = []string{"CZ006", "CZ005"}

// The shapes of a second source hold the municipalities of the code and no others, and
// overlap with what lies nearest to these.
func TestPlacesAgainstSamples(t *testing.T) {
	table := shipped(t)
	files, err := filepath.Glob(filepath.Join(samples(t), "areas", "*.geojson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no shapes: %v", err)
	}
	for _, file := range files {
		code := strings.TrimSuffix(filepath.Base(file), ".geojson")
		a, ok := table.Lookup("EMMA_ID", code, noon)
		if !ok {
			t.Errorf("%s is not in the table", code)
			continue
		}
		s := readGeoJSON(t, file)
		tolerance := 1000.0
		if s.shells[0].loop.NumVertices() < 100 {
			tolerance = 3000 // a coarse shape
		}
		agree, inside := 0, 0
		for id, p := range table.now.Load().towns {
			in, member := s.Contains(p.Point), slices.Contains(a.places, id)
			if in {
				inside++
			}
			switch {
			case in == member, a.Coverage == Part && member, s.Edge(p.Point) <= tolerance+p.PointError:
				agree++
			case !slices.Contains(differs, code):
				t.Errorf("%s %s: %s, in the shape %v, a member %v", code, a.Name, p.Name, in, member)
			}
		}
		if a.Coverage == Outside {
			continue
		}
		both, either := 0, 0
		b := s.shells[0].bound
		const n = 20
		for i := range n {
			for k := range n {
				at := geo.Point{Lat: b.Lo().Lat.Degrees() + (b.Hi().Lat-b.Lo().Lat).Degrees()*(float64(i)+0.5)/n, Lon: b.Lo().Lng.Degrees() + (b.Hi().Lng-b.Lo().Lng).Degrees()*(float64(k)+0.5)/n}
				near, _ := table.now.Load().places.NearestPlace(at)
				id := near.ID
				if near.Kind == register.Settlement {
					id = near.Part
				}
				own, theirs := slices.Contains(a.places, id), s.Contains(at)
				if own && theirs {
					both++
				}
				if own || theirs {
					either++
				}
			}
		}
		overlap := float64(both) / float64(either)
		t.Logf("%s %s: %d of %d municipalities agree, %d in the shape; overlap with the nearest ones' land %.2f", code, a.Name, agree, len(table.now.Load().towns), inside, overlap)
		if overlap < 0.3 {
			t.Errorf("%s %s: the shape lies elsewhere: overlap %.2f", code, a.Name, overlap)
		}
	}
}

func readGeoJSON(t *testing.T, file string) *Shape {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Geometry struct {
			Type        string
			Coordinates json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	polygons := make([][][][2]float64, 1)
	if doc.Geometry.Type == "Polygon" {
		err = json.Unmarshal(doc.Geometry.Coordinates, &polygons[0])
	} else {
		err = json.Unmarshal(doc.Geometry.Coordinates, &polygons)
	}
	if err != nil {
		t.Fatal(err)
	}
	var shells, holes []string
	for _, p := range polygons {
		for i, ring := range p {
			var text strings.Builder
			for _, c := range ring {
				fmt.Fprintf(&text, "%g,%g ", c[1], c[0])
			}
			if i == 0 {
				shells = append(shells, text.String())
			} else {
				holes = append(holes, text.String())
			}
		}
	}
	s, faults := Read(shells, holes, nil)
	for _, f := range faults {
		t.Errorf("%s: %+v", filepath.Base(file), f)
	}
	return s
}
