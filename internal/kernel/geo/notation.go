package geo

// Notation is a way of writing a place.
type Notation string

// The notations. Their names for people are the texts "geo.notation.<value>".
const (
	Decimal   Notation = "decimal"   // WGS84, 50.8977° N, 14.8076° E
	Minutes   Notation = "minutes"   // WGS84, 50° 53.862′ N
	Seconds   Notation = "seconds"   // WGS84, 50° 53′ 51.7″ N
	Krovak    Notation = "sjtsk"     // S-JTSK / Krovak East North, EPSG:5514: both negative in Czechia
	KrovakOld Notation = "sjtsk_old" // S-JTSK / Krovak, EPSG:5513: southing X and westing Y, both positive
	UTM       Notation = "utm"       // WGS84 / UTM, EPSG:326zz and 327zz
	MGRS      Notation = "mgrs"      // the same grid with letters
	PL1992    Notation = "pl1992"    // ETRF2000-PL / CS92, EPSG:2180
	Road      Notation = "road"      // road and kilometre, text without a point
)

// Notations lists every notation that Format can write, in the order shown.
var Notations = []Notation{Decimal, Minutes, Seconds, Krovak, KrovakOld, UTM, MGRS, PL1992}

// Key is the translation key of the notation's name.
func (n Notation) Key() string { return "geo.notation." + string(n) }

// Candidate is one reading of what somebody wrote.
type Candidate struct {
	Notation Notation
	// Point is the place; meaningless for Road.
	Point Point
	// Text is the road and kilometre in one spelling ("I/35 km 12,4"); "" else.
	Text string
	// Accuracy says within how many metres the place lies, as far as the
	// writing tells: half the last digit given plus the error of the conversion.
	// It knows nothing of how well the place was measured. 0 for Road.
	Accuracy float64
	// Note is the translation key of what had to be assumed, "" for nothing:
	// "geo.note.order" (latitude and longitude told apart by size),
	// "geo.note.swapped" (read as longitude before latitude), "geo.note.zone"
	// (zone of UTM not given), "geo.note.square" (grid zone of MGRS not given).
	Note string
}

// IsPoint reports whether the reading has a point; a road has only its text.
func (c Candidate) IsPoint() bool { return c.Notation != Road }
