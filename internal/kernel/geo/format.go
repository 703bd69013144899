package geo

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/i18n"
)

// Format writes p in a notation; "" where the notation does not reach (Krovak
// outside Czechia and Slovakia, PL-1992 outside Poland's surroundings, UTM near
// the poles). Decimal has four places (11 m), as shown on screens; the others
// are exact to two metres. The decimal sign and the letters are international:
// point, N and E.
func Format(p Point, n Notation) string {
	if !p.Valid() {
		return ""
	}
	switch n {
	case Decimal:
		return half(p.Lat, 'N', 'S', 0) + ", " + half(p.Lon, 'E', 'W', 0)
	case Minutes:
		return half(p.Lat, 'N', 'S', 1) + " " + half(p.Lon, 'E', 'W', 1)
	case Seconds:
		return half(p.Lat, 'N', 'S', 2) + " " + half(p.Lon, 'E', 'W', 2)
	case Krovak, KrovakOld:
		s, w := krovak.forward(wgs84ToBessel(p))
		if !krovakReach(s, w) {
			return ""
		}
		if n == Krovak {
			return "E " + metres(-w) + " N " + metres(-s)
		}
		return "X " + metres(s) + " Y " + metres(w)
	case UTM:
		zone, ok := zoneOf(p)
		if !ok {
			return ""
		}
		e, north := utmZone(zone, p.Lat < 0).forward(p)
		return strconv.Itoa(zone) + string(bandOf(p.Lat)) + " " + metres(e) + " " + metres(north)
	case MGRS:
		return formatMGRS(p)
	case PL1992:
		if !cs92Reach(p) {
			return ""
		}
		e, north := cs92.forward(p)
		return "E " + metres(e) + " N " + metres(north)
	}
	return ""
}

// Write is Format for a reader of l: where the decimal sign is a comma, a middle
// dot stands between the two halves. Parse reads it back.
func Write(l i18n.Lang, p Point, n Notation) string {
	s := Format(p, n)
	if l == i18n.En || s == "" || n != Decimal && n != Minutes && n != Seconds {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, ", ", " \u00b7 "), ".", ",")
}

func metres(m float64) string { return strconv.FormatFloat(math.Round(m), 'f', 0, 64) }

// half writes one of the two coordinates with parts 0: degrees, 1: and minutes,
// 2: and seconds. It rounds first, so that 60 never appears.
func half(deg float64, plus, minus rune, parts int) string {
	letter := plus
	if deg < 0 {
		letter, deg = minus, -deg
	}
	const minute, second = "\u2032", "\u2033"
	switch parts {
	case 0:
		return strconv.FormatFloat(deg, 'f', 4, 64) + "° " + string(letter)
	case 1:
		m := int64(math.Round(deg * 60000))
		return fmt.Sprintf("%d° %02d.%03d%s %c", m/60000, m%60000/1000, m%1000, minute, letter)
	}
	s := int64(math.Round(deg * 36000))
	return fmt.Sprintf("%d° %02d%s %02d.%d%s %c", s/36000, s%36000/600, minute, s%600/10, s%10, second, letter)
}

// krovakReach tells whether a southing and a westing lie in the former
// Czechoslovakia, for which the grid is made.
func krovakReach(south, west float64) bool {
	return south >= 920000 && south <= 1340000 && west >= 155000 && west <= 910000
}

// cs92Reach tells whether p is near enough to Poland for the grid to be used.
func cs92Reach(p Point) bool {
	return p.Lat >= 48.9 && p.Lat <= 55.1 && p.Lon >= 13.9 && p.Lon <= 24.3
}
