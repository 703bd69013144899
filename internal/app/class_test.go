package app

import (
	"testing"
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
)

// What a dispatch system sends to a foreign one is judged by the class of its own
// country's codes, as what a person sends is.
func TestClassOf(t *testing.T) {
	n := builtNode(t, nil)
	for _, c := range []struct{ country, word, class string }{
		{"CZ", "3214", "traffic.injury"}, {"CZ", "3200/3214", "traffic.injury"}, {"DE", "Brand 1 (klein) – Fläche", "fire.field"}, {"DE", "Brand 2 (mittel)", "fire"},
		{"PL", "Pożar/lasy", "fire.forest"}, {"PL", "Wypadek drogowy – z rannymi", "traffic.injury"}, {"", "FIR/CLB", "fire.vehicle"}, {"CZ", "nikdo neví", ""}, {"CZ", "", ""},
	} {
		m := &convert.Message{Incident: &incident.Incident{Types: []incident.Value{{Text: c.word}}}}
		if got := classOf(n.types.Table(), c.country, m, time.Now()); got != c.class {
			t.Errorf("%s %q: %q, want %q", c.country, c.word, got, c.class)
		}
	}
}
