package emsi

import (
	"math"

	"trojmezi/internal/format/tree"
)

// What the schema cannot see and cannot be true.

// zoned reports whether a moment in the form of XML says how far it is from UTC.
func zoned(s string) bool {
	const offset = len("+01:00")
	return len(s) > offset && (s[len(s)-offset] == '+' || s[len(s)-offset] == '-') && s[len(s)-3] == ':'
}

// count doubts a number of persons, or of per cent.
func (r *reader) count(n *tree.Node, v int32, f *field) {
	switch {
	case f.name == "CERTAINTY":
		if v < 0 || v > 100 {
			r.doubt(n, "certainty", "")
		}
	case v < 0:
		r.doubt(n, "negative", "")
	}
}

// measure doubts a coordinate or a quantity.
func (r *reader) measure(n *tree.Node, d Decimal, f *field) {
	switch v := d.Float(); {
	case f.name == "LAT" && math.Abs(v) > 90, f.name == "LONG" && math.Abs(v) > 180:
		r.doubt(n, "range", "")
	case f.name == "QUANTITY" && v < 0:
		r.doubt(n, "negative", "")
	}
}

// sense doubts values that contradict each other.
func (r *reader) sense(n *tree.Node, v any) {
	switch v := v.(type) {
	case *Coord:
		if v.Lat != "" && v.Long != "" && v.Lat.Float() == 0 && v.Long.Float() == 0 {
			r.doubt(n, "nowhere", "")
		}
	case *Mission:
		if !v.Start.At.IsZero() && !v.End.At.IsZero() && v.End.At.Before(v.Start.At) {
			end := n
			if k := n.Get("END_TIME"); k != nil {
				end = k
			}
			r.doubt(end, "backwards", v.Start.Text)
		}
	}
}
