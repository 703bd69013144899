package area

import (
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
)

func codes(list ...string) []feed.Area {
	a := feed.Area{Name: "somewhere"}
	for _, c := range list {
		scheme, code, _ := strings.Cut(c, ":")
		a.Codes = append(a.Codes, feed.Code{Scheme: scheme, Value: code})
	}
	return []feed.Area{a}
}

func shapeOf(polygons ...string) []feed.Area { return []feed.Area{{Polygons: polygons}} }

// id finds a municipality by name.
func id(t *testing.T, table *Table, name string) string {
	t.Helper()
	for _, p := range table.now.Load().towns {
		if p.Name == name {
			return p.ID
		}
	}
	t.Fatalf("no municipality %s", name)
	return ""
}

// What the codes of the three countries mean for four municipalities.
func TestConcernsByCode(t *testing.T) {
	table := shipped(t)
	b, err := i18n.Load(Locales(), feed.Locales(), tree.Locales(), shape.Locales())
	if err != nil {
		t.Fatal(err)
	}
	frydlant, zittau, zgorzelec, turnov := id(t, table, "Frýdlant"), id(t, table, "Zittau"), id(t, table, "Zgorzelec"), id(t, table, "Turnov")
	gmina := table.now.Load().towns[zgorzelec].Code
	zittauAGS := table.now.Load().towns[zittau].Code
	for _, c := range []struct {
		place  string
		areas  []feed.Area
		want   Verdict
		reason string
	}{
		// Frýdlant in Bohemia
		{frydlant, codes("CISORP:5102"), Yes, "member"},
		{frydlant, codes("CISORP:5105"), No, "not_member"},
		{frydlant, codes("CISORP:5105", "CISORP:5102"), Yes, "member"},
		{frydlant, codes("EMMA_ID:CZ05102"), Yes, "member"},
		{frydlant, codes("EMMA_ID:CZ006"), Yes, "member"},
		{frydlant, codes("NUTS3:CZ051"), Yes, "member"},
		{frydlant, codes("RUIAN_ORP:809"), Yes, "member"},
		{frydlant, codes("LAU1:CZ0513"), Yes, "member"},
		{frydlant, codes("LAU1:CZ0514"), No, "not_member"},
		{frydlant, codes("CISORP:6203"), No, "elsewhere"},
		{frydlant, codes("CISORP:1100"), No, "elsewhere"},
		{frydlant, codes("CISORP:5111"), Unclear, "unknown_code"},
		{frydlant, codes("CISORP:9999"), Unclear, "unknown_code"},
		{frydlant, codes("CISORP:51x2"), Unclear, "malformed"},
		{frydlant, codes("CISORP:6203", "CISORP:9999"), Unclear, "unknown_code"},
		{frydlant, codes("SOMETHING:5102"), Unclear, "unknown_scheme"},
		{frydlant, codes("WARNCELLID:114626000"), No, "other_country"},
		{frydlant, codes("EMMA_ID:DE999"), No, "other_country"},
		{frydlant, codes("EMMA_ID:CZ999"), Unclear, "unknown_code"},
		{frydlant, codes("TERYT:0225"), No, "other_country"},
		{frydlant, codes("TERYT:9"), Unclear, "malformed"},
		{frydlant, codes(), Unclear, "neither"},
		{frydlant, nil, Unclear, "no_area"},
		// An ORP lies in three okresy: membership is by the municipality's own row.
		{turnov, codes("CISORP:5109", "LAU1:CZ0513"), Yes, "member"},
		{turnov, codes("LAU1:CZ0513"), No, "not_member"},
		{turnov, codes("LAU1:CZ0514"), Yes, "member"},
		// Zittau
		{zittau, codes("WARNCELLID:114626000"), Yes, "member"},
		{zittau, codes("WARNCELLID:8" + zittauAGS), Yes, "member"},
		{zittau, codes("WARNCELLID:814626010"), No, "not_member"},
		{zittau, codes("WARNCELLID:914626001"), Unclear, "part"},
		{zittau, codes("WARNCELLID:914626009"), Unclear, "part"},
		{zittau, codes("EMMA_ID:DE070"), Unclear, "part"},
		{zittau, codes("EMMA_ID:DE086"), No, "elsewhere"},
		{zittau, codes("WARNCELLID:114625000"), No, "elsewhere"},
		{zittau, codes("WARNCELLID:913076001"), No, "elsewhere"},
		{zittau, codes("WARNCELLID:113004000"), No, "elsewhere"},
		{zittau, codes("WARNCELLID:814626999"), Unclear, "unknown_code"},
		{zittau, codes("WARNCELLID:501000001"), Unclear, "malformed"},
		{zittau, codes("ARS:146260000000"), Yes, "member"},
		{zittau, codes("ARS:140000000000"), Yes, "member"},
		{zittau, codes("ARS:14626" + "0000" + zittauAGS[5:]), Yes, "member"},
		{zittau, codes("ARS:14626" + "5226" + zittauAGS[5:]), Yes, "member"},
		{zittau, codes("ARS:146265226000"), Unclear, "part"},
		{zittau, codes("ARS:066340000000"), No, "elsewhere"},
		{zittau, codes("ARS:14626"), Yes, "member"},
		{zittau, codes("ARS:1462600000"), Unclear, "malformed"},
		{zittau, codes("NUTS3:DED2D"), Yes, "member"},
		{zittau, codes("STATE:SN"), Yes, "member"},
		{zittau, codes("STATE:MV"), No, "elsewhere"},
		{zittau, codes("LHP:SN_662000"), Unclear, "unknown_scheme"},
		// Zgorzelec, a town; its gmina has the same name
		{zgorzelec, codes("TERYT:0225"), Yes, "member"},
		{zgorzelec, codes("TERYT:" + gmina), Yes, "member"},
		{zgorzelec, codes("TERYT:" + gmina[:6]), Yes, "member"},
		{zgorzelec, codes("TERYT:0206"), No, "not_member"},
		{zgorzelec, codes("TERYT:0611"), No, "elsewhere"},
		{zgorzelec, codes("TERYT:0203"), No, "elsewhere"},
		{zgorzelec, codes("TERYT:0298"), Unclear, "unknown_code"},
		{zgorzelec, codes("TERYT:02"), Yes, "member"},
		{zgorzelec, codes("EMMA_ID:PL0225"), Yes, "member"},
		{zgorzelec, codes("IMGW:Z_W_DS_174_A"), Unclear, "no_members"},
		{zgorzelec, codes("IMGW:Z_W_DS_999"), Unclear, "no_members"},
		{zgorzelec, codes("IMGW:R_P_ZP_1_A"), No, "elsewhere"},
		{zgorzelec, codes("IMGW:Z_X_QQ_1"), Unclear, "unknown_code"},
		{zgorzelec, codes("RSO:dolnoslaskie"), Yes, "member"},
		{zgorzelec, codes("RSO:lubuskie"), No, "elsewhere"},
		{zgorzelec, codes("RSO:atlantyda"), Unclear, "unknown_code"},
	} {
		got := table.Concerns(c.areas, Place{Municipality: c.place}, noon)
		if got.Verdict != c.want || got.Reasons[0].Key != "area.reason."+c.reason || got.Version != table.Version() {
			t.Errorf("%s, %v: %s %s, want %s %s", c.place, c.areas, got.Verdict, got.Reasons[0].Key, c.want, c.reason)
		}
		for _, r := range got.Reasons {
			for _, l := range i18n.Langs {
				if s := r.Text(b, l); s == "" || strings.ContainsAny(s, "{}") || strings.Contains(s, "area.") {
					t.Errorf("%s: %q", l, s)
				}
			}
		}
	}
}

// A name has its days, the code stays the key.
func TestRename(t *testing.T) {
	table := shipped(t)
	for _, c := range []struct {
		day, want string
	}{{"2020-12-31", "jeleniogórski"}, {"2021-01-01", "karkonoski"}, {"2026-11-30", "karkonoski"}} {
		at, _ := time.ParseInLocation(time.DateOnly, c.day, zone())
		a, ok := table.Lookup("TERYT", "0206", at)
		if !ok || a.Name != c.want || len(a.places) != 9 {
			t.Errorf("%s: %q with %d municipalities, want %q", c.day, a.Name, len(a.places), c.want)
		}
	}
}

// All 301 municipalities are in one ORP, district and region, by every scheme that has one.
func TestEveryMunicipality(t *testing.T) {
	table := shipped(t)
	count := map[string]int{}
	for _, a := range table.Areas() {
		if a.Coverage == Listed && a.valid(noon) {
			count[a.Scheme+" "+a.Level] += len(a.places)
		}
	}
	for key, want := range map[string]int{
		"LAU2 municipality": 215, "AGS municipality": 53, "CISORP orp": 215, "RUIAN_ORP orp": 215, "EMMA_ID orp": 215, "LAU1 okres": 215, "ISO3166-2 okres": 215, "NUTS kraj": 215,
		"AGS kreis": 53, "WARNCELLID kreis": 53, "WARNCELLID municipality": 53, "ARS kreis": 53, "NUTS kreis": 53, "TERYT powiat": 33, "EMMA_ID powiat": 33, "TERYT voivodeship": 33, "NUTS subregion": 33,
	} {
		if count[key] != want {
			t.Errorf("%s: %d municipalities, want %d", key, count[key], want)
		}
	}
	if n := count["TERYT municipality"]; n != 66 { // with and without the digit of the kind
		t.Errorf("TERYT: %d gminas", n)
	}
}

func TestConcernsByShape(t *testing.T) {
	table := shipped(t)
	zittau := id(t, table, "Zittau")
	at := table.now.Load().towns[zittau].Point
	mine, far, edge := at, geo.Point{Lat: 51.5, Lon: 15.9}, geo.Point{Lat: 50.9, Lon: 14.7}
	around := "50.8,14.7 50.8,14.9 51.0,14.9 51.0,14.7 50.8,14.7"
	north := "51.0,14.7 51.0,14.9 51.3,14.9 51.3,14.7 51.0,14.7" // 11 km and more from Zittau
	own, _ := Read([]string{"50.85,14.75 50.85,14.85 50.95,14.85 50.95,14.75 50.85,14.75"}, nil, nil)
	whole, _ := Read([]string{"50.5,14 50.5,15.3 51.4,15.3 51.4,14 50.5,14"}, nil, nil)
	for name, c := range map[string]struct {
		areas  []feed.Area
		place  Place
		want   Verdict
		reason string
	}{
		"municipality inside":  {shapeOf(around), Place{Municipality: zittau}, Yes, "shape_inside"},
		"municipality near":    {shapeOf(north), Place{Municipality: zittau}, Unclear, "shape_near"},
		"municipality far":     {shapeOf("52,14 52,15 53,15 53,14 52,14"), Place{Municipality: zittau}, No, "shape_outside"},
		"point inside":         {shapeOf(around), Place{Point: &mine}, Yes, "shape_inside"},
		"point outside":        {shapeOf(around), Place{Point: &far}, No, "shape_outside"},
		"point on the rim":     {shapeOf(around), Place{Point: &edge}, Unclear, "shape_edge"},
		"in a hole":            {[]feed.Area{{Polygons: []string{around}, Holes: []string{"50.85,14.75 50.85,14.85 50.95,14.85 50.95,14.75 50.85,14.75"}}}, Place{Point: &mine}, No, "shape_outside"},
		"circle":               {[]feed.Area{{Circles: []string{"50.9,14.8 10"}}}, Place{Point: &mine}, Yes, "shape_inside"},
		"not closed":           {shapeOf("50.8,14.7 50.8,14.9 51.0,14.9 51.0,14.7"), Place{Point: &mine}, Yes, "shape_inside"},
		"turned the other way": {shapeOf("50.8,14.7 51.0,14.7 51.0,14.9 50.8,14.9 50.8,14.7"), Place{Point: &mine}, Yes, "shape_inside"},
		"crossing, inside":     {shapeOf("50.8,14.7 51.0,14.9 50.8,14.9 51.0,14.7 50.8,14.7"), Place{Point: &mine}, Unclear, "shape_lost"},
		"crossing, far":        {shapeOf("50.8,14.7 51.0,14.9 50.8,14.9 51.0,14.7 50.8,14.7"), Place{Point: &far}, No, "shape_far"},
		"half the earth":       {shapeOf("80,0 80,90 80,179 -80,179 -80,90 -80,0 80,0"), Place{Point: &mine}, Unclear, "shape_lost"},
		"no numbers":           {shapeOf("here and there"), Place{Point: &mine}, Unclear, "shape_lost"},
		"own shape meets":      {shapeOf(around), Place{Shape: own}, Yes, "shape_meets"},
		"own shape apart":      {shapeOf(north), Place{Shape: own}, No, "shape_apart"},
		"own shape, code":      {codes("AGS:14626"), Place{Shape: whole}, Yes, "member_inside"},
		"own shape, no code":   {codes("IMGW:Z_W_DS_174_A"), Place{Shape: whole}, Unclear, "no_members"},
		"point, code":          {codes("AGS:14626"), Place{Point: &mine}, Yes, "members_around"},
		"point, far code":      {codes("AGS:14626010"), Place{Point: &mine}, No, "no_member_around"},
		"point, next town":     {codes("AGS:" + table.now.Load().towns[zittau].Code), Place{Point: &mine}, Unclear, "some_around"},
		"nothing known":        {codes("AGS:14626"), Place{}, Unclear, "some_around"},
		"codes beat a near shape": {[]feed.Area{{Codes: codes("WARNCELLID:814626010")[0].Codes, Polygons: []string{north}}},
			Place{Municipality: zittau}, No, "not_member"},
		"a shape beats other codes": {[]feed.Area{{Codes: codes("WARNCELLID:814626010")[0].Codes, Polygons: []string{around}}},
			Place{Municipality: zittau}, Yes, "shape_inside"},
	} {
		got := table.Concerns(c.areas, c.place, noon)
		if got.Verdict != c.want || got.Reasons[0].Key != "area.reason."+c.reason {
			t.Errorf("%s: %s %s %v, want %s %s", name, got.Verdict, got.Reasons[0].Key, got.Reasons[0].Args, c.want, c.reason)
		}
	}
	// A point in Bautzen is not in a Kreis of the register, whatever lies near.
	bautzen := geo.Point{Lat: 51.18, Lon: 14.42}
	if got := table.Concerns(codes("AGS:14626"), Place{Point: &bautzen}, noon); got.Verdict == Yes {
		t.Errorf("Bautzen: %+v", got)
	}
}

// What is wrong with shapes is said by a word, and whether they are used all the same.
func TestFaults(t *testing.T) {
	for text, want := range map[string]struct {
		wrong   string
		refused bool
	}{
		"50,14 51,15 50,15 51,14 50,14":                  {"crossing", true},
		"50,14 51,15 50,16":                              {"few", true},
		"50,14 51,14 51,15 50,15":                        {"open", false},
		"50,14 51,15 50,15 51,14":                        {"crossing", true}, // closing it makes it cross
		"50,179 51,179 51,-179 50,-179 50,179":           {"antimeridian", false},
		"80,0 80,90 80,179.9 80,-90 80,0":                {"wide", true}, // around the pole
		"50,14 51,14 51,195 50,14":                       {"range", true},
		"fifty":                                          {"number", true},
		"-60,-80 -60,0 -60,90 60,90 60,0 60,-80 -60,-80": {"large", true},
		"50,14 50,15 50,16 50,14":                        {"crossing", true}, // folds back
		"50,14 50,14 50,14 50,14":                        {"small", true},
	} {
		s, faults := Read([]string{text}, nil, nil)
		if len(faults) != 1 || faults[0].Wrong != want.wrong || faults[0].Refused != want.refused || s.Empty() != want.refused {
			t.Errorf("%q: %+v, want %+v", text, faults, want)
		}
	}
	s, _ := Read([]string{"50,179 51,179 51,-179 50,-179 50,179"}, nil, nil)
	if !s.Contains(geo.Point{Lat: 50.5, Lon: 179.9}) || !s.Contains(geo.Point{Lat: 50.5, Lon: -179.9}) || s.Contains(geo.Point{Lat: 50.5, Lon: 0}) {
		t.Error("over the antimeridian")
	}
}
