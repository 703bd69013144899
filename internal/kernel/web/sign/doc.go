// Package sign draws the shapes of the pages: the symbols of the common level
// scale and the pictograms of buttons and labels, all as inline SVG without
// words. It is for package web and its components; pages use ui.Level and
// ui.Icon. It knows no text: who draws a sign writes the word beside it.
package sign

import "slices"

// Level is a step of the common scale or a state drawn like one.
type Level string

// The levels. Each has a shape of its own, so that it reads without colour.
const (
	L1    Level = "l1"    // circle: be aware
	L2    Level = "l2"    // triangle: act soon
	L3    Level = "l3"    // diamond: act now
	L4    Level = "l4"    // octagon: danger to life
	OK    Level = "ok"    // disc with tick: a person accepted; link alive
	None  Level = "none"  // ring: watched, nothing applies
	Stale Level = "stale" // dashed square with clock: value too old
	Drill Level = "drill" // tape: exercise; no level
)

// Levels lists all levels in the order of the legend.
var Levels = []Level{L1, L2, L3, L4, OK, None, Stale, Drill}

// icons are drawn on 24 × 24 with a stroke of 2; one string is one path.
var icons = map[string][]string{
	"add":      {"M12 5v14M5 12h14"},
	"bell":     {"M6 9a6 6 0 0 1 12 0c0 5 2 6 2 8H4c0-2 2-3 2-8Z", "M10 20.5h4"},
	"bell-off": {"M8.5 5A6 6 0 0 1 18 9c0 3 .7 4.5 1.3 5.7M16.5 17H4c0-2 2-3 2-8", "M10 20.5h4M3 3l18 18"},
	"check":    {"M5 12.5l4.5 4.5L19 7"},
	"clock":    {"M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z", "M12 7v5.5l3.5 2"},
	"close":    {"M6 6l12 12M18 6L6 18"},
	"copy":     {"M9 9h11v11H9Z", "M5 15H4V4h11v1"},
	"desk":     {"M3 4h18v12H3Z", "M9 20h6M12 16v4"},
	"down":     {"M6 9l6 6 6-6"},
	"download": {"M12 3v12M7 10.5l5 5 5-5M4 20.5h16"},
	"edit":     {"M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19Z", "M13.5 7l3.5 3.5"},
	"exit":     {"M14 4H5v16h9", "M10 12h11M17 8l4 4-4 4"},
	"falling":  {"M6 6l12 12M18 9v9H9"},
	"filter":   {"M4 5h16l-6 7.5V19l-4 1.5v-8Z"},
	"globe":    {"M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z", "M3.5 12h17M12 3c-5 5.5-5 12.5 0 18M12 3c5 5.5 5 12.5 0 18"},
	"history":  {"M4 12a8.5 8.5 0 1 0 3-6.5L4 8", "M4 3.5V8h4.5M12 8v4.5l3 2"},
	"incoming": {"M12 3v13M7 11l5 5 5-5M5 21h14"},
	"info":     {"M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z", "M12 11v6M12 7v.5"},
	"key":      {"M12 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z", "M12 12h9v4M17 12v3"},
	"left":     {"M15 6l-6 6 6 6"},
	"link":     {"M10 14a4.5 4.5 0 0 0 6.5 0l3-3a4.6 4.6 0 0 0-6.5-6.5l-1 1", "M14 10a4.5 4.5 0 0 0-6.5 0l-3 3a4.6 4.6 0 0 0 6.5 6.5l1-1"},
	"list":     {"M9 6h12M9 12h12M9 18h12M4 6h.5M4 12h.5M4 18h.5"},
	"lock":     {"M5 11h14v10H5Z", "M8 11V7.5a4 4 0 0 1 8 0V11"},
	"map":      {"M3 6l6-2.5 6 2.5 6-2.5V18l-6 2.5L9 18l-6 2.5Z", "M9 3.5V18M15 6v14.5"},
	"menu":     {"M4 6h16M4 12h16M4 18h16"},
	"message":  {"M4 4h16v12H10l-5 4.5V16H4Z"},
	"moon":     {"M19.5 14.5A8.5 8.5 0 0 1 9.5 4.5a8.5 8.5 0 1 0 10 10Z"},
	"node":     {"M4 4h16v7H4ZM4 13h16v7H4Z", "M8 7.5h.5M8 16.5h.5"},
	"offline":  {"M5 12.5a10 10 0 0 1 4-2.4M2 8.5a14.5 14.5 0 0 1 4.5-2.9M10.5 5a14.5 14.5 0 0 1 11.5 3.5M14.5 10.3a10 10 0 0 1 4.5 2.2M8.5 16a5 5 0 0 1 7 0M12 20v.5M3 3l18 18"},
	"outgoing": {"M12 16V3M7 8l5-5 5 5M5 21h14"},
	"people":   {"M13 8a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z", "M2 21c0-4.5 3-7 7-7s7 2.5 7 7M16 4.5a4 4 0 0 1 0 7M18.5 14.5c2.2.9 3.5 3 3.5 6.5"},
	"person":   {"M16.5 8a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0Z", "M4 21c0-4.5 3.5-7 8-7s8 2.5 8 7"},
	"phone":    {"M5 3.5h4l1.5 5-2.5 2a13 13 0 0 0 5.5 5.5l2-2.5 5 1.5v4c0 1-.8 1.5-1.5 1.5A16 16 0 0 1 3.5 5c0-.7.5-1.5 1.5-1.5Z"},
	"print":    {"M7 8V3h10v5M7 18H3V8h18v10h-4", "M7 14h10v7H7Z"},
	"right":    {"M9 6l6 6-6 6"},
	"rising":   {"M6 18L18 6M9 6h9v9"},
	"screen":   {"M3 4h18v12H3Z", "M9 20h6M12 16v4M8.5 10l2.5 2.5L15.5 8"},
	"search":   {"M17 10.5a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0Z", "M15.5 15.5L21 21"},
	"settings": {"M4 7h9M19 7h1M4 17h1M11 17h9", "M19 7a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM11 17a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z"},
	"speaker":  {"M4 9.5v5h3.5L13 19V5L7.5 9.5Z", "M16.5 9a4.5 4.5 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11"},
	"steady":   {"M4 12h16M14.5 6.5L20 12l-5.5 5.5"},
	"store":    {"M4 4h13l3 3v13H4Z", "M8 4v5h8V4M8 20v-6h8v6"},
	"sun":      {"M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z", "M12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3L7 7M17 17l1.7 1.7M5.3 18.7L7 17M17 7l1.7-1.7"},
	"undo":     {"M8.5 4.5L4 9l4.5 4.5M4 9h10.5a5.5 5.5 0 0 1 0 11H9"},
	"up":       {"M6 15l6-6 6 6"},
	"wait":     {"M6 3h12M6 21h12M7.5 3c0 5 9 6 9 9s-9 4-9 9M16.5 3c0 5-9 6-9 9s9 4 9 9"},
	"withdraw": {"M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z", "M5.7 5.7l12.6 12.6"},
}

// Names lists the icons, sorted.
func Names() []string {
	names := make([]string, 0, len(icons))
	for n := range icons {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func paths(name string) []string {
	p, ok := icons[name]
	if !ok {
		panic("sign: no icon " + name)
	}
	return p
}
