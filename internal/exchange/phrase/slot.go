package phrase

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
)

// Kind is what a placeholder takes.
type Kind string

// The kinds. Values of all but the last mean the same in every language.
const (
	Number  Kind = "number"  // whole, 0 to 999,999
	Decimal Kind = "decimal" // two decimals at most
	Time    Kind = "time"    // of day; travels as UTC
	Place   Kind = "place"   // name of a municipality or place, as it is called there
	Street  Kind = "street"
	Road    Kind = "road"   // D10, I/35, B 178
	Point   Kind = "point"  // WGS84, four decimals: 11 m, as geo.Write shows them
	Phone   Kind = "phone"  // international
	UN      Kind = "un"     // four digits (spec: ADR 3.2)
	Kemler  Kind = "kemler" // hazard identification number (spec: ADR 5.3.2.3)
	Unit    Kind = "unit"   // call sign
	Words   Kind = "words"  // a person's own, not translated: stand in quotation marks
)

// Kinds lists them.
var Kinds = []Kind{Number, Decimal, Time, Place, Street, Road, Point, Phone, UN, Kemler, Unit, Words}

// Slot is a placeholder of a phrase.
type Slot struct {
	Name string
	Kind Kind
}

// limits of values, in characters.
const (
	maxName  = 80
	maxWords = 120
	maxValue = 999_999
)

// wireTime is a moment as it travels: the minute, in UTC.
const wireTime = "2006-01-02T15:04Z"

var (
	unPattern     = regexp.MustCompile(`^[0-9]{4}$`)
	kemlerPattern = regexp.MustCompile(`^X?[0-9]{2,3}$`)
	phonePattern  = regexp.MustCompile(`^\+[0-9]{1,4}( ?[0-9]{1,6}){1,6}$`)
	pointPattern  = regexp.MustCompile(`^(-?[0-9]{1,2}\.[0-9]{4}),(-?[0-9]{1,3}\.[0-9]{4})$`)
	clockPattern  = regexp.MustCompile(`^([01]?[0-9]|2[0-3])[:.]([0-5][0-9])$`)
)

// Accept turns what a person typed into the value that travels; key says what is
// wrong with it, "" for nothing. A value that travels is accepted as it is. now
// decides which day a time of day belongs to: the nearest one.
func (s Slot) Accept(typed string, now time.Time) (value, key string) {
	typed = norm.NFC.String(strings.Join(strings.Fields(typed), " "))
	wrong := "phrase.fault.value." + string(s.Kind)
	if typed == "" {
		return "", wrong
	}
	switch s.Kind {
	case Number:
		typed = strings.ReplaceAll(typed, " ", "")
		if n, err := strconv.Atoi(typed); err == nil {
			value = strconv.Itoa(n)
		}
	case Decimal:
		if f, err := strconv.ParseFloat(strings.Replace(strings.ReplaceAll(typed, " ", ""), ",", ".", 1), 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			value = strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
		}
	case Time:
		value = moment(typed, now)
	case Point:
		value = pointOf(typed)
	case Phone:
		value = strings.NewReplacer("-", " ", "/", " ", "(", "", ")", "").Replace(typed)
		value = strings.Join(strings.Fields(value), " ")
	case Kemler:
		value = strings.ToUpper(typed)
	case UN:
		value = strings.TrimSpace(strings.TrimPrefix(strings.ToUpper(typed), "UN"))
	default:
		value = typed
	}
	if !s.travels(value) {
		return "", wrong
	}
	return value, ""
}

// moment is the nearest time with that clock reading.
func moment(typed string, now time.Time) string {
	if _, err := time.Parse(wireTime, typed); err == nil {
		return typed
	}
	m := clockPattern.FindStringSubmatch(typed)
	if m == nil {
		return ""
	}
	zone, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		return "" // i18n links the zone data
	}
	hour, _ := strconv.Atoi(m[1])
	minute, _ := strconv.Atoi(m[2])
	local := now.In(zone)
	best := time.Time{}
	for _, day := range []int{-1, 0, 1} {
		t := time.Date(local.Year(), local.Month(), local.Day()+day, hour, minute, 0, 0, zone)
		if best.IsZero() || t.Sub(now).Abs() < best.Sub(now).Abs() {
			best = t
		}
	}
	return best.UTC().Format(wireTime)
}

// pointOf reads coordinates in any notation that has one reading.
func pointOf(typed string) string {
	if pointPattern.MatchString(typed) {
		return typed
	}
	all, err := geo.Parse(typed)
	if err != nil || len(all) != 1 || !all[0].IsPoint() {
		return ""
	}
	return strconv.FormatFloat(all[0].Point.Lat, 'f', 4, 64) + "," + strconv.FormatFloat(all[0].Point.Lon, 'f', 4, 64)
}

// travels reports whether a value has the one spelling in which it may stand in a
// message.
func (s Slot) travels(v string) bool {
	if !plain(v) || strings.TrimSpace(v) != v || v == "" {
		return false
	}
	switch s.Kind {
	case Number:
		n, err := strconv.Atoi(v)
		return err == nil && n >= 0 && n <= maxValue && strconv.Itoa(n) == v
	case Decimal:
		f, err := strconv.ParseFloat(v, 64)
		return err == nil && f >= 0 && f <= maxValue && strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) == v
	case Time:
		t, err := time.Parse(wireTime, v)
		return err == nil && t.Format(wireTime) == v && t.Year() >= 2000 && t.Year() < 2200
	case Point:
		m := pointPattern.FindStringSubmatch(v)
		if m == nil {
			return false
		}
		p := pointAt(v)
		return p.Valid() && strconv.FormatFloat(p.Lat, 'f', 4, 64) == m[1] && strconv.FormatFloat(p.Lon, 'f', 4, 64) == m[2]
	case Phone:
		return phonePattern.MatchString(v) && len(v) >= 8 && len(v) <= 24
	case UN:
		return unPattern.MatchString(v)
	case Kemler:
		return kemlerPattern.MatchString(v)
	case Words:
		return utf8.RuneCountInString(v) <= maxWords
	}
	return utf8.RuneCountInString(v) <= maxName && strings.ContainsFunc(v, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

func pointAt(v string) geo.Point {
	lat, lon, _ := strings.Cut(v, ",")
	var p geo.Point
	p.Lat, _ = strconv.ParseFloat(lat, 64)
	p.Lon, _ = strconv.ParseFloat(lon, 64)
	return p
}

// plain refuses signs that move a cursor, turn writing around or are not seen: text
// that looks like another would pass for it.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
	})
}

// quotes of free words, by language.
var quotes = map[i18n.Lang][2]string{i18n.Cs: {"„", "“"}, i18n.De: {"„", "“"}, i18n.Pl: {"„", "”"}, i18n.En: {"“", "”"}}

// write is a value for a reader of l.
func (s Slot) write(b *i18n.Bundle, l i18n.Lang, v string) string {
	switch s.Kind {
	case Number:
		n, _ := strconv.ParseInt(v, 10, 64)
		return b.Number(l, n)
	case Decimal:
		whole, decimals, fraction := strings.Cut(v, ".")
		n, _ := strconv.ParseInt(whole, 10, 64)
		out := b.Number(l, n)
		if fraction && l == i18n.En {
			return out + "." + decimals
		} else if fraction {
			return out + "," + decimals
		}
		return out
	case Time:
		t, _ := time.Parse(wireTime, v)
		return b.Minute(l, t)
	case Point:
		return geo.Write(l, pointAt(v), geo.Decimal)
	case Words:
		return quotes[l][0] + v + quotes[l][1]
	}
	return v
}
