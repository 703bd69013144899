package register

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

// keyOf is the text an error has for the operator.
func keyOf(err error) string {
	if p, ok := asProblem(err); ok {
		return p.Key
	}
	return ""
}

type bench struct {
	r       *Register
	imports *Imports
	db      *store.DB
	blobs   *blob.Dir
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{r: loaded(t), db: storetest.Open(t, storetest.Tables{"register": Migrations()})}
	clk := clock.Fake(start)
	var err error
	if b.blobs, err = blob.OpenDir(filepath.Join(t.TempDir(), "blobs"), clk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.blobs.Close() })
	b.imports = NewImports(b.r, b.db, b.blobs, clk, slog.New(slog.DiscardHandler))
	return b
}

// restarted is another process on the same data.
func (b *bench) restarted(t *testing.T) *Register {
	t.Helper()
	r := loaded(t)
	if err := NewImports(r, b.db, b.blobs, clock.Fake(start), slog.New(slog.DiscardHandler)).Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// geoJSON writes polygons, each of one ring.
func geoJSON(rings ...[]geo.Point) string {
	var all []string
	for _, r := range rings {
		var points []string
		for _, p := range r {
			points = append(points, fmt.Sprintf("[%f,%f]", p.Lon, p.Lat))
		}
		all = append(all, `{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[`+strings.Join(points, ",")+`]]}}`)
	}
	return `{"type":"FeatureCollection","features":[` + strings.Join(all, ",") + `]}`
}

// moved is a country's derived outline with every point of a border pushed east.
func moved(r *Register, c Country, degrees float64) []geo.Point {
	ring := slices.Clone(r.derived[c].rings[0])
	for i := range ring {
		if window.contains(ring[i]) {
			ring[i].Lon += degrees
		}
	}
	return ring
}

func (b *bench) take(t *testing.T, name, body string, d Describe) error {
	t.Helper()
	_, err := b.imports.File(t.Context(), name, strings.NewReader(body), d)
	return err
}

func TestImportOfACountry(t *testing.T) {
	b := newBench(t)
	at := geo.Point{Lat: 51.1560, Lon: 14.9880} // in Görlitz
	if l := b.r.Country(at); l.Confidence != Unclear {
		t.Fatalf("before: %+v", l)
	}
	poland := geoJSON(moved(b.r, PL, 0.004))
	if err := b.take(t, "/somewhere/prg.geojson", poland, Describe{Country: PL, Level: LevelCountry, Error: 50}); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Register{"at once": b.r, "after a restart": b.restarted(t)} {
		l := r.Country(at)
		if l.Country != DE || l.Confidence != Sure || l.Approximate || l.Error != 50 || l.Border < 50 {
			t.Errorf("%s: Görlitz lies in %+v", name, l)
		}
		if l := r.Country(geo.Point{Lat: 51.1500, Lon: 15.0090}); l.Country != PL || l.Confidence != Sure || l.Approximate {
			t.Errorf("%s: Zgorzelec lies in %+v", name, l)
		}
		// Between Czechia and Germany everything is as before.
		if l := r.Country(geo.Point{Lat: 50.9125, Lon: 14.6192}); l.Country != CZ || l.Confidence != Unclear || !l.Approximate {
			t.Errorf("%s: Varnsdorf lies in %+v", name, l)
		}
		// What is said to be the border is one.
		edge := b.r.official.Load().countries[PL].lines[0][3]
		if l := r.Country(edge); l.Confidence != Unclear || l.Border > 1 {
			t.Errorf("%s: on the border: %+v", name, l)
		}
	}
	all, err := b.imports.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "prg.geojson" || all[0].Bytes != int64(len(poland)) {
		t.Errorf("%v %v", all, err)
	}
	s := site(t, b.r, b.blobs)
	if _, _, body := get(t, s, Path+"?lang=en"); !strings.Contains(body, "State border from official data: Poland.") {
		t.Error("the page does not tell what is official")
	}

	// A second file takes the place of the first, whose bytes go.
	old, _ := blob.ParseRef(all[0].Blob)
	if err := b.take(t, "prg2.geojson", geoJSON(moved(b.r, PL, 0.003)), Describe{Country: PL, Level: LevelCountry}); err != nil {
		t.Fatal(err)
	}
	if all, err = b.imports.List(t.Context()); err != nil || len(all) != 1 || all[0].Name != "prg2.geojson" || all[0].Error != defaultError {
		t.Errorf("%v %v", all, err)
	}
	if _, err := b.blobs.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old bytes: %v", err)
	}
}

// Districts that share a side draw it once, as an inner line.
func TestImportOfDistricts(t *testing.T) {
	b := newBench(t)
	whole := b.r.derived[CZ].rings[0]
	cutAt := 15.0
	west := []geo.Point{{Lat: 50.2, Lon: 13.9}, {Lat: 50.2, Lon: cutAt}, {Lat: 51.1, Lon: cutAt}, {Lat: 51.1, Lon: 13.9}, {Lat: 50.2, Lon: 13.9}}
	east := []geo.Point{{Lat: 50.2, Lon: cutAt}, {Lat: 50.2, Lon: 15.6}, {Lat: 50.9, Lon: 15.6}, {Lat: 51.1, Lon: cutAt}, {Lat: 50.2, Lon: cutAt}}
	_ = whole
	err := b.take(t, "okresy.json", geoJSON(west, east), Describe{Country: CZ, Level: LevelDistrict})
	if keyOf(err) != "register.import.others" {
		t.Fatalf("half of Saxony is no part of Czechia: %v", err)
	}
	r := b.r
	a := newArea([][]geo.Point{west, east}, nil, 10, false)
	outer, inner := split(a.rings)
	if len(inner) != 1 || len(inner[0]) != 2 || inner[0][0].Lon != cutAt || len(outer) == 0 {
		t.Errorf("inner %v, outer %v", inner, outer)
	}
	if len(r.official.Load().lines) != 0 {
		t.Error("a refused file is in use")
	}
}

func TestImportRefuses(t *testing.T) {
	b := newBench(t)
	texts, err := i18n.Load(Locales)
	if err != nil {
		t.Fatal(err)
	}
	czechia := geoJSON(b.r.derived[CZ].rings[0])
	good := Describe{Country: CZ, Level: LevelCountry}
	for name, c := range map[string]struct {
		body string
		d    Describe
		why  string
	}{
		"nothing":        {"", good, "json"},
		"no JSON":        {"<gml/>", good, "json"},
		"another type":   {`{"type":"Topology"}`, good, "collection"},
		"no feature":     {`{"type":"FeatureCollection","features":[]}`, good, "outside"},
		"a point":        {`{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[15,50]}}]}`, good, "feature"},
		"a short ring":   {`{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[15,50],[15,51],[15,50]]]}}]}`, good, "feature"},
		"S-JTSK":         {`{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[-700000,-950000],[-700000,-950001],[-700001,-950001],[-700000,-950000]]]}}]}`, good, "feature"},
		"said otherwise": {strings.Replace(czechia, `"features"`, `"crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::5514"}},"features"`, 1), good, "system"},
		"far away":       {geoJSON([]geo.Point{{Lat: 1, Lon: 1}, {Lat: 1, Lon: 2}, {Lat: 2, Lon: 2}, {Lat: 1, Lon: 1}}), good, "outside"},
		"swapped axes": {geoJSON(func() (r []geo.Point) {
			for _, p := range b.r.derived[CZ].rings[0] {
				r = append(r, geo.Point{Lat: p.Lon, Lon: p.Lat})
			}
			return r
		}()), good, "outside"},
		"another country": {czechia, Describe{Country: DE, Level: LevelCountry}, "few"},
		"no country":      {czechia, Describe{Level: LevelCountry}, "what"},
		"no level":        {czechia, Describe{Country: CZ}, "what"},
		"tiles by name":   {czechia, good, "tiles.none"},
	} {
		file := name + ".geojson"
		if name == "tiles by name" {
			file = "x.PMTiles"
		}
		err := b.take(t, file, c.body, c.d)
		if keyOf(err) != "register.import."+c.why || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v, want %q", name, err, c.why)
			continue
		}
		p, _ := asProblem(err)
		if text := texts.Text(i18n.Pl, p.Key, p.Args); strings.ContainsAny(text, "⟦{") {
			t.Errorf("%s: %q", name, text)
		}
	}
	if all, err := b.imports.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("refused files are kept: %v %v", all, err)
	}
	n := 0
	if err := b.blobs.Walk(t.Context(), 0, func(blob.Ref, blob.Info) error { n++; return nil }); err != nil || n != 0 {
		t.Errorf("refused files left %d blobs, %v", n, err)
	}
}

// Names of GeoJSON's old member crs that are harmless.
func TestImportTakesWGS84ByAnyName(t *testing.T) {
	b := newBench(t)
	for _, crs := range []string{"urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4258"} {
		body := strings.Replace(geoJSON(b.r.derived[CZ].rings[0]), `"features"`, `"crs":{"type":"name","properties":{"name":"`+crs+`"}},"features"`, 1)
		if err := b.take(t, "a.geojson", body, Describe{Country: CZ, Level: LevelCountry}); err != nil {
			t.Errorf("%s: %v", crs, err)
		}
	}
}

// archive makes a PMTiles archive of one tile (0/0/0), by the specification.
func archive(tile []byte) []byte {
	packed := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(b)
		_ = z.Close()
		return out.Bytes()
	}
	var dir []byte
	for _, v := range []uint64{1, 0, 1, uint64(len(tile)), 1} { // entries; id; run; length; offset+1
		dir = binary.AppendUvarint(dir, v)
	}
	root, meta := packed(dir), packed([]byte(`{"vector_layers":[]}`))
	h := make([]byte, pmHeader)
	copy(h, "PMTiles\x03")
	at := uint64(pmHeader)
	for i, n := range []int{len(root), len(meta), 0, len(tile)} {
		binary.LittleEndian.PutUint64(h[8+16*i:], at)
		binary.LittleEndian.PutUint64(h[16+16*i:], uint64(n))
		at += uint64(n)
	}
	for i := range 3 {
		binary.LittleEndian.PutUint64(h[72+8*i:], 1)
	}
	h[96], h[97], h[98], h[99], h[100], h[101] = 1, pmGzip, pmNone, pmVector, 0, 0
	for i, v := range []int32{13_0000000, 50_0000000, 17_0000000, 52_0000000} {
		binary.LittleEndian.PutUint32(h[102+4*i:], uint32(v))
	}
	return slices.Concat(h, root, meta, tile)
}

func TestImportOfTiles(t *testing.T) {
	b := newBench(t)
	file := archive([]byte("a tile"))
	if err := b.take(t, "region.pmtiles", string(file), Describe{}); err != nil {
		t.Fatal(err)
	}
	s := site(t, b.restarted(t), b.blobs)
	for _, c := range []struct {
		ask    string
		status int
		want   []byte
	}{
		{"", 200, file},
		{"bytes=0-126", 206, file[:127]},
		{fmt.Sprintf("bytes=%d-", len(file)-6), 206, []byte("a tile")},
		{fmt.Sprintf("bytes=%d-", len(file)), 416, nil},
	} {
		header := []string{}
		if c.ask != "" {
			header = []string{"Range", c.ask}
		}
		status, h, body := get(t, s, tilesPath, header...)
		if status != c.status || c.want != nil && body != string(c.want) {
			t.Errorf("%q: %d, %d bytes", c.ask, status, len(body))
		}
		if status == 206 && (h.Get("ETag") == "" || !strings.HasPrefix(h.Get("Content-Range"), "bytes ")) {
			t.Errorf("%v", h)
		}
	}
	if status, _, body := get(t, s, Path); status != http.StatusOK || !strings.Contains(body, "<tm-map") {
		t.Errorf("the page: %d", status)
	}
}

// A file that is gone (a restored database without its files) takes nothing else
// with it.
func TestImportWithoutItsBytes(t *testing.T) {
	b := newBench(t)
	if err := b.take(t, "cz.geojson", geoJSON(b.r.derived[CZ].rings[0]), Describe{Country: CZ, Level: LevelCountry}); err != nil {
		t.Fatal(err)
	}
	if err := b.take(t, "x.pmtiles", string(archive([]byte("a tile"))), Describe{}); err != nil {
		t.Fatal(err)
	}
	all, err := b.imports.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Kind != "tiles" {
			continue
		}
		ref, err := blob.ParseRef(e.Blob)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.blobs.Delete(ref, 0); err != nil {
			t.Fatal(err)
		}
	}
	r := loaded(t)
	err = NewImports(r, b.db, b.blobs, clock.Fake(start), slog.New(slog.DiscardHandler)).Refresh(t.Context())
	if err == nil || !strings.Contains(err.Error(), "x.pmtiles") {
		t.Errorf("%v", err)
	}
	if r.official.Load().none() || r.tiled() {
		t.Error("the boundaries are not in use, or the missing tiles are")
	}
}

func TestTilesRefused(t *testing.T) {
	good := archive([]byte("a tile"))
	if err := checkTiles(bytes.NewReader(good), int64(len(good))); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"cut off":      func(b []byte) []byte { return b[:len(b)-1] },
		"short":        func(b []byte) []byte { return b[:100] },
		"empty":        func(b []byte) []byte { return nil },
		"another file": func(b []byte) []byte { b[0] = 'Q'; return b },
		"version 2":    func(b []byte) []byte { b[7] = 2; return b },
		"brotli":       func(b []byte) []byte { b[97] = 3; return b },
		"zstd tiles":   func(b []byte) []byte { b[98] = 4; return b },
		"pictures":     func(b []byte) []byte { b[99] = 2; return b },
		"zooms":        func(b []byte) []byte { b[100] = 5; return b },
		"elsewhere": func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[102:], uint32(100_0000000))
			binary.LittleEndian.PutUint32(b[110:], uint32(110_0000000))
			return b
		},
		"broken root":   func(b []byte) []byte { b[130] ^= 0xff; b[131] ^= 0xff; return b },
		"far offset":    func(b []byte) []byte { binary.LittleEndian.PutUint64(b[8:], 1<<63); return b },
		"wrapping size": func(b []byte) []byte { binary.LittleEndian.PutUint64(b[16:], ^uint64(0)); return b },
	} {
		bad := change(slices.Clone(good))
		if err := checkTiles(bytes.NewReader(bad), int64(len(bad))); !strings.HasPrefix(keyOf(err), "register.import.") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Run takes up what another process imports.
func TestRunSeesOthersImports(t *testing.T) {
	b := newBench(t)
	other := loaded(t)
	theirs := NewImports(other, b.db, b.blobs, clock.Fake(start), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- theirs.Run(ctx) }()
	w := b.db.Watch(topic)
	defer w.Close()
	if err := b.take(t, "a.geojson", geoJSON(b.r.derived[CZ].rings[0]), Describe{Country: CZ, Level: LevelCountry}); err != nil {
		t.Fatal(err)
	}
	<-w.C()
	if err := theirs.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if other.official.Load().none() {
		t.Error("not taken up")
	}
	select {
	case err := <-done:
		t.Errorf("Run ended: %v", err)
	default:
	}
}

// The Polish state register's districts (not ours to keep) as a real file.
func TestImportOfRealDistricts(t *testing.T) {
	samples := os.Getenv("TROJMEZI_SAMPLES")
	if samples == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: no real districts")
	}
	f, err := os.Open(filepath.Join(samples, "architecture", "pl_powiaty.geojson"))
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	b := newBench(t)
	if _, err := b.imports.File(t.Context(), f.Name(), f, Describe{Country: PL, Level: LevelDistrict}); err != nil {
		t.Fatal(err)
	}
	if n := len(b.r.official.Load().lines[levelDistrict][PL]); n < 20 {
		t.Errorf("%d lines", n)
	}
	// They reach up to the border here, so they can tell how good ours is.
	if _, err := b.imports.File(t.Context(), f.Name(), f, Describe{Country: PL, Level: LevelCountry}); err != nil {
		t.Fatal(err)
	}
	truth := b.r.official.Load().countries[PL]
	derived := loaded(t)
	for lat := 50.65; lat < 51.5; lat += 0.01 {
		for lon := 14.6; lon < 15.9; lon += 0.01 {
			p := geo.Point{Lat: lat, Lon: lon}
			if l := derived.Country(p); l.Confidence == Sure && (l.Country == PL) != truth.contains(p) {
				t.Errorf("%v is surely in %s: wrong", p, l.Country)
			}
		}
	}
}

// FuzzBoundaries: whatever the file holds, nothing panics.
func FuzzBoundaries(f *testing.F) {
	f.Add([]byte(geoJSON([]geo.Point{{Lat: 50.5, Lon: 15}, {Lat: 50.6, Lon: 15}, {Lat: 50.6, Lon: 15.1}, {Lat: 50.5, Lon: 15}})))
	f.Add([]byte(`{"type":"FeatureCollection","features":[{"geometry":{"type":"MultiPolygon","coordinates":[[[[15,50.5],[15.1,50.5],[15.1,50.6],[15,50.5]]]]}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rings, err := readBoundaries(bytes.NewReader(b))
		if err != nil {
			return
		}
		a := newArea(rings, nil, 1, false)
		a.lines, _ = split(rings)
		_ = a.contains(wholeCentre)
		_ = a.border(wholeCentre)
		if _, err := json.Marshal(polygons(a)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzTiles: whatever the file holds, nothing panics.
func FuzzTiles(f *testing.F) {
	f.Add(archive([]byte("a tile")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := checkTiles(bytes.NewReader(b), int64(len(b))); err != nil && keyOf(err) == "" {
			t.Fatal(err)
		}
	})
}
