package geo

import "math"

// ellipsoid is a figure of the earth: half axis in metres and flattening.
type ellipsoid struct{ a, f float64 }

func (e ellipsoid) e2() float64 { return e.f * (2 - e.f) }

var (
	wgs84  = ellipsoid{6378137, 1 / 298.257223563}   // EPSG:7030
	grs80  = ellipsoid{6378137, 1 / 298.257222101}   // EPSG:7019, of ETRS89
	bessel = ellipsoid{6377397.155, 1 / 299.1528128} // EPSG:7004, of S-JTSK
)

// tm is a transverse Mercator projection in Krüger's series by the third
// flattening n, to n⁴: below a millimetre within 10° of the central meridian.
// spec: EPSG guidance note 7-2, "Transverse Mercator" (JHS formulas), method 9807.
type tm struct {
	ellipsoid
	lon0   float64 // degrees
	k0     float64
	fe, fn float64 // metres
}

type series struct {
	rectifying float64    // radius of the rectifying sphere, metres
	forward    [4]float64 // h1 … h4
	back       [4]float64
}

func (e ellipsoid) series() series {
	n := e.f / (2 - e.f)
	n2, n3, n4 := n*n, n*n*n, n*n*n*n
	return series{
		rectifying: e.a / (1 + n) * (1 + n2/4 + n4/64),
		forward: [4]float64{
			n/2 - 2*n2/3 + 5*n3/16 + 41*n4/180,
			13*n2/48 - 3*n3/5 + 557*n4/1440,
			61*n3/240 - 103*n4/140,
			49561 * n4 / 161280,
		},
		back: [4]float64{
			n/2 - 2*n2/3 + 37*n3/96 - n4/360,
			n2/48 + n3/15 - 437*n4/1440,
			17*n3/480 - 37*n4/840,
			4397 * n4 / 161280,
		},
	}
}

// forward returns easting and northing in metres.
func (t tm) forward(p Point) (east, north float64) {
	s, e := t.series(), math.Sqrt(t.e2())
	lat, dl := radians(p.Lat), radians(p.Lon-t.lon0)
	q := math.Asinh(math.Tan(lat)) - e*math.Atanh(e*math.Sin(lat)) // isometric latitude
	beta := math.Atan(math.Sinh(q))
	eta0 := math.Atanh(math.Cos(beta) * math.Sin(dl))
	xi0 := math.Asin(math.Max(-1, math.Min(1, math.Sin(beta)*math.Cosh(eta0))))
	xi, eta := xi0, eta0
	for i, h := range s.forward {
		k := 2 * float64(i+1)
		xi += h * math.Sin(k*xi0) * math.Cosh(k*eta0)
		eta += h * math.Cos(k*xi0) * math.Sinh(k*eta0)
	}
	return t.fe + t.k0*s.rectifying*eta, t.fn + t.k0*s.rectifying*xi
}

// inverse undoes forward.
func (t tm) inverse(east, north float64) Point {
	s, e := t.series(), math.Sqrt(t.e2())
	eta, xi := (east-t.fe)/(s.rectifying*t.k0), (north-t.fn)/(s.rectifying*t.k0)
	xi0, eta0 := xi, eta
	for i, h := range s.back {
		k := 2 * float64(i+1)
		xi0 -= h * math.Sin(k*xi) * math.Cosh(k*eta)
		eta0 -= h * math.Cos(k*xi) * math.Sinh(k*eta)
	}
	beta := math.Asin(math.Sin(xi0) / math.Cosh(eta0))
	dl := math.Atan2(math.Sinh(eta0), math.Cos(xi0))
	q := math.Asinh(math.Tan(beta))
	qi := q
	for range 6 { // converges by a factor of about 300 a round
		qi = q + e*math.Atanh(e*math.Tanh(qi))
	}
	return Point{degrees(math.Atan(math.Sinh(qi))), t.lon0 + degrees(dl)}
}

// cs92 is the Polish grid. spec: EPSG:2180 (conversion 18300). ETRS89 counts as
// WGS84: they differ by less than a metre (etrsError).
var cs92 = tm{grs80, 19, 0.9993, 500000, -5300000}

// utmZone is the grid of one zone of 6° in the northern or southern half.
// spec: EPSG:32601–32660, 32701–32760.
func utmZone(zone int, south bool) tm {
	fn := 0.0
	if south {
		fn = 10000000
	}
	return tm{wgs84, float64(zone*6 - 183), 0.9996, 500000, fn}
}

// zoneOf returns the zone of UTM a point lies in, with the exceptions for
// south-west Norway and Svalbard. The grid reaches from 80° south to 84° north.
func zoneOf(p Point) (zone int, ok bool) {
	if !(p.Lat >= -80 && p.Lat <= 84 && p.Valid()) {
		return 0, false
	}
	zone = int(math.Floor((p.Lon+180)/6)) + 1
	if zone > 60 {
		zone = 1 // 180° east is 180° west
	}
	switch {
	case p.Lat >= 56 && p.Lat < 64 && p.Lon >= 3 && p.Lon < 12:
		zone = 32
	case p.Lat >= 72 && p.Lon >= 0 && p.Lon < 42:
		zone = [...]int{31, 33, 35, 37}[int(p.Lon+3)/12]
	}
	return zone, true
}

// Krovak's oblique conformal conic projection on Bessel's ellipsoid.
// spec: EPSG guidance note 7-2, method 9819 (5513: southing, westing) and 1041
// (5514: east, north, the same numbers negated and exchanged).
const (
	krovakLatC  = 49.5                        // latitude of projection centre
	krovakLon0  = 24 + 50.0/60                // longitude of origin from Greenwich
	krovakAlpha = 30 + 17.0/60 + 17.3031/3600 // co-latitude of the cone axis
	krovakLatP  = 78.5                        // pseudo standard parallel
	krovakK     = 0.9999
)

type krovakConstants struct{ e, b, t0, n, r0, alpha, s float64 }

func newKrovak() krovakConstants {
	e2 := bessel.e2()
	e := math.Sqrt(e2)
	c, p := radians(krovakLatC), radians(krovakLatP)
	a := bessel.a * math.Sqrt(1-e2) / (1 - e2*math.Sin(c)*math.Sin(c))
	b := math.Sqrt(1 + e2*math.Pow(math.Cos(c), 4)/(1-e2))
	g := math.Asin(math.Sin(c) / b)
	t0 := math.Tan(math.Pi/4+g/2) * math.Pow((1+e*math.Sin(c))/(1-e*math.Sin(c)), e*b/2) / math.Pow(math.Tan(math.Pi/4+c/2), b)
	n := math.Sin(p)
	return krovakConstants{e: e, b: b, t0: t0, n: n, r0: krovakK * a / math.Tan(p), alpha: radians(krovakAlpha), s: math.Tan(math.Pi/4 + p/2)}
}

var krovak = newKrovak()

// forward takes a point on Bessel's ellipsoid, in degrees.
func (k krovakConstants) forward(p Point) (south, west float64) {
	lat := radians(p.Lat)
	u := 2 * (math.Atan(k.t0*math.Pow(math.Tan(lat/2+math.Pi/4), k.b)/math.Pow((1+k.e*math.Sin(lat))/(1-k.e*math.Sin(lat)), k.e*k.b/2)) - math.Pi/4)
	v := k.b * radians(krovakLon0-p.Lon)
	t := math.Asin(math.Cos(k.alpha)*math.Sin(u) + math.Sin(k.alpha)*math.Cos(u)*math.Cos(v))
	d := math.Asin(math.Cos(u) * math.Sin(v) / math.Cos(t))
	r := k.r0 * math.Pow(k.s/math.Tan(t/2+math.Pi/4), k.n)
	return r * math.Cos(k.n*d), r * math.Sin(k.n*d)
}

// inverse undoes forward.
func (k krovakConstants) inverse(south, west float64) Point {
	r := math.Hypot(south, west)
	d := math.Atan2(west, south) / k.n
	t := 2 * (math.Atan(math.Pow(k.r0/r, 1/k.n)*k.s) - math.Pi/4)
	u := math.Asin(math.Cos(k.alpha)*math.Sin(t) - math.Sin(k.alpha)*math.Cos(t)*math.Cos(d))
	v := math.Asin(math.Cos(t) * math.Sin(d) / math.Cos(u))
	lat := u
	for range 8 { // the guidance note asks for three rounds
		lat = 2 * (math.Atan(math.Pow(k.t0, -1/k.b)*math.Pow(math.Tan(u/2+math.Pi/4), 1/k.b)*
			math.Pow((1+k.e*math.Sin(lat))/(1-k.e*math.Sin(lat)), k.e/2)) - math.Pi/4)
	}
	return Point{degrees(lat), krovakLon0 - degrees(v)/k.b}
}

// Errors of the conversions, in metres.
const (
	sjtskError = 1 // spec: EPSG:5239, accuracy 1 m
	etrsError  = 1 // ETRS89 moves with Europe, 0.8 m from WGS84 by now
)

// helmert is the seven-parameter shift S-JTSK → WGS84: translations in metres,
// rotations in seconds of arc (position vector: EPSG writes the coordinate frame,
// with the other sign), scale in parts per million.
// spec: EPSG:5239 "S-JTSK to WGS 84 (5)".
var helmert = [7]float64{572.213, 85.334, 461.94, 4.9732, 1.529, 5.2484, 3.5378}

type vector struct{ x, y, z float64 }

func (e ellipsoid) cartesian(p Point) vector {
	lat, lon := radians(p.Lat), radians(p.Lon)
	n := e.a / math.Sqrt(1-e.e2()*math.Sin(lat)*math.Sin(lat))
	return vector{n * math.Cos(lat) * math.Cos(lon), n * math.Cos(lat) * math.Sin(lon), n * (1 - e.e2()) * math.Sin(lat)}
}

// geographic returns latitude and longitude and drops the height, by Bowring's
// formula, exact to a hundredth of a millimetre near the ground.
func (e ellipsoid) geographic(v vector) Point {
	b := e.a * (1 - e.f)
	h := math.Hypot(v.x, v.y)
	t := math.Atan2(v.z*e.a, h*b)
	ep2 := e.e2() / (1 - e.e2())
	lat := math.Atan2(v.z+ep2*b*math.Pow(math.Sin(t), 3), h-e.e2()*e.a*math.Pow(math.Cos(t), 3))
	return Point{degrees(lat), degrees(math.Atan2(v.y, v.x))}
}

// shift applies the matrix of the seven parameters.
func shift(v vector) vector {
	const second = math.Pi / 180 / 3600
	rx, ry, rz, m := helmert[3]*second, helmert[4]*second, helmert[5]*second, 1+helmert[6]*1e-6
	return vector{
		m*(v.x-rz*v.y+ry*v.z) + helmert[0],
		m*(rz*v.x+v.y-rx*v.z) + helmert[1],
		m*(-ry*v.x+rx*v.y+v.z) + helmert[2],
	}
}

// unshift undoes shift; two rounds leave less than a micrometre.
func unshift(v vector) vector {
	g := v
	for range 4 {
		s := shift(g)
		g = vector{g.x + v.x - s.x, g.y + v.y - s.y, g.z + v.z - s.z}
	}
	return g
}

func besselToWGS84(p Point) Point { return wgs84.geographic(shift(bessel.cartesian(p))) }
func wgs84ToBessel(p Point) Point { return bessel.geographic(unshift(wgs84.cartesian(p))) }
