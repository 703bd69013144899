package notice

import (
	"fmt"
	"math"
	"strings"
)

// drawn is an outline as SVG.
type drawn struct{ View, Path string }

// draw fits rings into a picture of 320 by 240, true to scale in its middle.
func draw(rings []Ring) drawn {
	south, west, north, east := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, r := range rings {
		for _, p := range r {
			south, north, west, east = min(south, p.Lat), max(north, p.Lat), min(west, p.Lon), max(east, p.Lon)
		}
	}
	if !(north > south && east > west) {
		return drawn{}
	}
	const width, height, margin = 320.0, 240.0, 10.0
	scale := math.Cos((south + north) / 2 * math.Pi / 180)
	k := min((width-2*margin)/((east-west)*scale), (height-2*margin)/(north-south))
	var b strings.Builder
	for _, r := range rings {
		for i, p := range r {
			fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(i, 1)], width/2+(p.Lon-(west+east)/2)*scale*k, height/2-(p.Lat-(south+north)/2)*k)
		}
		b.WriteByte('Z')
	}
	return drawn{fmt.Sprintf("0 0 %g %g", width, height), b.String()}
}
