package feed

import (
	"bytes"
	"slices"
	"strings"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Rings adds what is wrong with the polygons, holes and circles of the warnings, each once.
// The readers of feeds take them as they come; whoever reads the shapes mends what can be
// mended. doc is the document, for the lines.
func (r *Reading) Rings(doc []byte) {
	seen := map[string]bool{}
	for i := range r.Warnings {
		w := &r.Warnings[i]
		odd := func(name, text, wrong string) {
			if wrong == "" || seen[text] {
				return
			}
			seen[text] = true
			if r.Full() {
				r.More++
				return
			}
			w.Deviations = append(slices.Clip(w.Deviations), ringDoubt(doc, name, text, wrong))
			r.kept++
		}
		for k := range w.Areas {
			a := &w.Areas[k]
			for _, text := range a.Polygons {
				_, wrong := cap.Ring(text)
				odd("polygon", text, wrong)
			}
			for _, text := range a.Holes {
				_, wrong := cap.Ring(text)
				odd("geocode", text, wrong)
			}
			for _, text := range a.Circles {
				_, _, wrong := cap.Circle(text)
				odd("circle", text, wrong)
			}
		}
	}
}

func ringDoubt(doc []byte, name, text, wrong string) shape.Deviation {
	line := 1
	// Feeds of JSON write their rings in another way: there the path has to do.
	if at := bytes.Index(doc, []byte(strings.TrimSpace(text))); at > 0 {
		line += bytes.Count(doc[:at], []byte("\n"))
	}
	path := "/alert/info/area/" + name
	return Doubt(&tree.Node{Name: name, Kind: tree.String, Text: text, Line: line}, path, "ring_"+wrong, nil)
}
