package outlet

import (
	"fmt"
	"strings"

	"trojmezi/internal/kernel/pdf"
)

// Symbols are what stands for a hazard where nobody reads or hears: black and white, in
// a triangle as on signs of danger (after ISO 3864-1), of straight lines, so that a
// printer, a display and a browser draw the same.
var Symbols = map[string][]pdf.Shape{
	"warning": framed(bar, dot),
	"flood":   framed(wave(58, 16), wave(68, 22), wave(78, 28)),
	"leave":   framed(arrow...),
	"indoors": framed(house, door),
	"water":   framed(drop, slash),
	"phone":   framed(handset, screen, slash),
	"power":   framed(bolt),
	"storm":   framed(gust(56, 38, 54), gust(66, 33, 61), gust(76, 29, 57)),
	"clear":   {{Points: box(6, 6, 94, 94)}, {White: true, Points: box(14, 14, 86, 86)}, {Points: [][2]float64{{26, 50}, {34, 42}, {45, 53}, {67, 29}, {75, 37}, {45, 69}}}},
}

// hazards are the symbols of hazards, as templates of notices call them.
var hazards = map[string]string{
	"dam_break": "flood", "flood_stage": "flood", "evacuation": "leave", "hazmat": "indoors", "water_ban": "water", "no_112": "phone",
	"storm": "storm", "power": "power", "all_clear": "clear",
}

// symbolOf is the symbol of a hazard; what has none of its own has that of all.
func symbolOf(hazard string) string {
	if s := hazards[hazard]; s != "" {
		return s
	}
	return "warning"
}

var (
	bar     = pdf.Shape{Points: [][2]float64{{45, 38}, {55, 38}, {53, 66}, {47, 66}}}
	dot     = pdf.Shape{Points: box(46, 71, 54, 79)}
	arrow   = []pdf.Shape{{Points: [][2]float64{{28, 82}, {52, 62}, {56, 67}, {34, 86}, {28, 86}}}, {Points: [][2]float64{{46, 56}, {67, 53}, {62, 74}}}}
	house   = pdf.Shape{Points: [][2]float64{{50, 46}, {70, 62}, {65, 62}, {65, 82}, {35, 82}, {35, 62}, {30, 62}}}
	door    = pdf.Shape{White: true, Points: box(46, 68, 54, 82)}
	drop    = pdf.Shape{Points: [][2]float64{{50, 42}, {60, 62}, {61, 70}, {57, 77}, {50, 80}, {43, 77}, {39, 70}, {40, 62}}}
	handset = pdf.Shape{Points: box(40, 46, 60, 82)}
	screen  = pdf.Shape{White: true, Points: box(43, 51, 57, 73)}
	slash   = pdf.Shape{Points: [][2]float64{{30, 82}, {66, 44}, {70, 48}, {34, 86}}}
	bolt    = pdf.Shape{Points: [][2]float64{{55, 38}, {38, 64}, {49, 64}, {44, 83}, {63, 57}, {51, 57}}}
)

// framed is a picture in the triangle.
func framed(picture ...pdf.Shape) []pdf.Shape {
	return append([]pdf.Shape{{Points: [][2]float64{{50, 4}, {98, 92}, {2, 92}}}, {White: true, Points: [][2]float64{{50, 17}, {87, 86}, {13, 86}}}}, picture...)
}

func box(x1, y1, x2, y2 float64) [][2]float64 {
	return [][2]float64{{x1, y1}, {x2, y1}, {x2, y2}, {x1, y2}}
}

// wave is one line of water, gust one of wind.
func wave(y, half float64) (s pdf.Shape) {
	const steps = 6
	at := func(k int) [2]float64 {
		x := 50 - half + 2*half*float64(k)/steps
		if k%2 == 1 {
			return [2]float64{x, y - 4}
		}
		return [2]float64{x, y}
	}
	for k := range steps + 1 {
		s.Points = append(s.Points, at(k))
	}
	for k := steps; k >= 0; k-- {
		p := at(k)
		s.Points = append(s.Points, [2]float64{p[0], p[1] + 5})
	}
	return s
}

func gust(y, from, to float64) pdf.Shape {
	return pdf.Shape{Points: [][2]float64{{from, y}, {to, y}, {to, y - 6}, {to + 5, y - 3}, {to + 5, y + 5}, {from, y + 5}}}
}

// SVG is a symbol as a picture, "" for one that is not there.
func SVG(symbol string) string {
	shapes := Symbols[symbol]
	if shapes == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">`)
	for _, s := range shapes {
		fill := "#000"
		if s.White {
			fill = "#fff"
		}
		b.WriteString(`<path fill="` + fill + `" d="`)
		for k, p := range s.Points {
			op := "L"
			if k == 0 {
				op = "M"
			}
			fmt.Fprintf(&b, "%s%g %g", op, p[0], p[1])
		}
		b.WriteString(`Z"/>`)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
