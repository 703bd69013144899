// Package geo is what the platform knows of places on the earth as numbers:
// points in WGS84, the notations in which people of three countries say them,
// lengths, directions and areas, and GeoJSON. It is for everybody who takes a
// place from a person or shows one. It knows no names and no borders (package
// register does), draws nothing and is no surveying tool: it promises a metre,
// and every conversion says how good it is.
package geo

import (
	"embed"
	"math"
)

// Locales holds the texts of this package for i18n.Load.
//
//go:embed locales
var Locales embed.FS

// Point is a place in WGS84, in degrees; north and east are positive.
type Point struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// Valid reports whether p lies on the earth; the zero Point does (it is in the
// Gulf of Guinea), NaN does not.
func (p Point) Valid() bool {
	return math.Abs(p.Lat) <= 90 && math.Abs(p.Lon) <= 180 // false for NaN
}

// meanRadius is the mean radius of the WGS84 ellipsoid in metres (IUGG R1).
const meanRadius = 6371008.8

func radians(deg float64) float64 { return deg * math.Pi / 180 }
func degrees(rad float64) float64 { return rad * 180 / math.Pi }

// Distance returns metres along the great circle. On the sphere it differs from
// the ellipsoid by at most 0.6 %.
func Distance(a, b Point) float64 {
	la, lb := radians(a.Lat), radians(b.Lat)
	s1, s2 := math.Sin((lb-la)/2), math.Sin(radians(b.Lon-a.Lon)/2)
	h := s1*s1 + math.Cos(la)*math.Cos(lb)*s2*s2
	return 2 * meanRadius * math.Asin(math.Sqrt(min(1, h)))
}

// Bearing returns the direction from a to b in degrees clockwise from north,
// 0 ≤ bearing < 360; 0 for equal points.
func Bearing(a, b Point) float64 {
	la, lb, d := radians(a.Lat), radians(b.Lat), radians(b.Lon-a.Lon)
	deg := degrees(math.Atan2(math.Sin(d)*math.Cos(lb), math.Cos(la)*math.Sin(lb)-math.Sin(la)*math.Cos(lb)*math.Cos(d)))
	if deg < 0 {
		deg += 360
	}
	if deg >= 360 { // −tiny + 360 rounds up
		deg = 0
	}
	return deg
}

// Destination returns the point metres away from p in the direction bearing.
func Destination(p Point, bearing, metres float64) Point {
	la, b, d := radians(p.Lat), radians(bearing), metres/meanRadius
	lat := math.Asin(math.Sin(la)*math.Cos(d) + math.Cos(la)*math.Sin(d)*math.Cos(b))
	lon := radians(p.Lon) + math.Atan2(math.Sin(b)*math.Sin(d)*math.Cos(la), math.Cos(d)-math.Sin(la)*math.Sin(lat))
	return Point{degrees(lat), math.Remainder(degrees(lon), 360)}
}
