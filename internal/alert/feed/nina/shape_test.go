package nina

import "testing"

func TestShape(t *testing.T) {
	a, f := Shape([]byte(`{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[14.9,51.1],[15,51.1],[15,51.2],[14.9,51.1]],[[14.95,51.12],[14.96,51.12],[14.96,51.13],[14.95,51.12]]]}},
{"type":"Feature","geometry":{"type":"MultiPolygon","coordinates":[[[[1,2],[3,4],[5,6],[1,2]]],[[[1,"x"]]]]}},{"type":"Feature","geometry":null}]}`))
	if f != nil || len(a.Polygons) != 2 || len(a.Holes) != 1 || a.Polygons[0] != "51.1,14.9 51.1,15 51.2,15 51.1,14.9" {
		t.Fatalf("%v %+v", f, a)
	}
	for _, doc := range []string{"", "[]", "<html></html>", `{"type":"Feature"}`} {
		if a, f := Shape([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, a)
		}
	}
}
