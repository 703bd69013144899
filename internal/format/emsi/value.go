package emsi

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri/schema"
)

// layout is how a moment is written: the only form that both schemas take.
const layout = "2006-01-02T15:04:05-07:00"

// shapeTime is the form of a moment in XML (spec: XML Schema Part 2, §3.2.7).
var shapeTime = regexp.MustCompile(`^-?([1-9]\d{3,}|0\d{3})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-](\d\d):(\d\d))?$`)

// isXMLTime reports whether a text is an xs:dateTime.
func isXMLTime(s string) bool {
	p := shapeTime.FindStringSubmatch(s)
	if p == nil || strings.Trim(p[1], "0") == "" {
		return false
	}
	n := func(i int) int { v, _ := strconv.Atoi(p[i]); return v }
	switch month, day := n(2), n(3); {
	case month < 1 || month > 12 || day < 1:
		return false
	case day > time.Date(leapLike(p[1]), time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day():
		return false
	}
	if p[4] == "24" { // the end of the day
		if n(5) != 0 || n(6) != 0 || strings.Trim(p[7], ".0") != "" {
			return false
		}
	} else if n(4) > 23 || n(5) > 59 || n(6) > 59 {
		return false
	}
	return n(10) <= 59 && n(9)*60+n(10) <= maxOffset
}

// maxOffset is the largest difference from UTC in minutes that XML knows.
const maxOffset = 14 * 60

// leapLike is a year of four digits that has the same days as one of any length:
// the calendar repeats every 400 years.
func leapLike(year string) int {
	tail, _ := strconv.Atoi(year[max(0, len(year)-4):])
	if len(year) > 4 {
		tail += 2000 * int(year[len(year)-5]-'0') // 10,000 = 25 · 400: the digits before do not matter
	}
	return 400 + tail%400
}

// isJSONTime reports whether a text is what the JSON Schema takes for a moment: whole
// seconds, and the difference from UTC in digits.
func isJSONTime(s string) bool {
	return len(s) == len(layout) && s[10] == 'T' && (s[19] == '+' || s[19] == '-') && schema.IsDateTime(s)
}

// layouts are the forms in which moments come; the first is also that of Z.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00"}

// parseTime reads a moment, zero when it is none.
func parseTime(s string) Time {
	t := Time{Text: s}
	for _, l := range layouts {
		if at, err := time.Parse(l, strings.ToUpper(s)); err == nil && at.Year() > 0 {
			_, offset := at.Zone()
			t.At = at.In(time.FixedZone("", offset)) // never the zone of this machine
			break
		}
	}
	return t
}

// At is a moment as the standard writes it.
func At(at time.Time) Time { return Time{Text: formatTime(at, tree.JSON), At: at} }

// formatTime writes a moment; "" for one that has no such form. XML keeps fractions
// of a second.
func formatTime(at time.Time, s tree.Syntax) string {
	if _, offset := at.Zone(); offset%60 != 0 || offset > maxOffset*60 || offset < -maxOffset*60 {
		at = at.UTC()
	}
	if at.IsZero() || at.Year() < 1 || at.Year() > 9999 {
		return ""
	}
	if s == tree.XML {
		return at.Format("2006-01-02T15:04:05.999999999-07:00")
	}
	return at.Format(layout)
}

// number is a number of XML or JSON.
var number = regexp.MustCompile(`^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$`)

// isXMLWhole reports whether a text is an xs:int.
func isXMLWhole(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}

// isXMLDecimal reports whether a text is an xs:decimal.
func isXMLDecimal(s string) bool {
	p := number.FindStringSubmatch(s)
	return p != nil && p[2]+p[3] != "" && p[4] == ""
}

// isJSONWhole reports whether a number of JSON is whole, in whatever form and of
// whatever size.
func isJSONWhole(s string) bool {
	p := number.FindStringSubmatch(s)
	if p == nil {
		return false
	}
	fraction := strings.TrimRight(p[3], "0")
	if strings.Trim(p[2]+fraction, "0") == "" {
		return true
	}
	exponent := 0
	if p[4] != "" {
		e, err := strconv.Atoi(p[4])
		if err != nil {
			return p[4][0] != '-' // farther than any digits reach
		}
		exponent = e
	}
	if fraction != "" {
		return len(fraction) <= exponent
	}
	return -exponent <= len(p[2])-len(strings.TrimRight(p[2], "0"))
}

// parseDecimal brings a number to the form that both syntaxes have; a decimal comma
// is taken for a point.
func parseDecimal(s string) (Decimal, bool) {
	if strings.Count(s, ",") == 1 && !strings.Contains(s, ".") {
		s = strings.Replace(s, ",", ".", 1)
	}
	p := number.FindStringSubmatch(s)
	if p == nil || p[2]+p[3] == "" {
		return "", false
	}
	if p[4] != "" {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return "", false
		}
		return DecimalOf(f), true
	}
	whole := strings.TrimLeft(p[2], "0")
	if whole == "" {
		whole = "0"
	}
	if p[1] == "-" {
		whole = "-" + whole
	}
	if p[3] != "" {
		whole += "." + p[3]
	}
	return Decimal(whole), true
}

// DecimalOf is a number with as many digits as tell it from all others; "" for what
// is none.
func DecimalOf(f float64) Decimal {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return ""
	}
	return Decimal(strconv.FormatFloat(f, 'f', -1, 64))
}

// Float is the number; 0 without.
func (d Decimal) Float() float64 {
	f, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		return 0
	}
	return f
}

// parseWhole reads a whole number that XML has a form for.
func parseWhole(s string) (int32, bool) {
	if isXMLWhole(s) {
		v, err := strconv.ParseInt(s, 10, 32)
		return int32(v), err == nil
	}
	d, ok := parseDecimal(s)
	f := d.Float()
	return int32(f), ok && f == math.Trunc(f) && f >= math.MinInt32 && f <= math.MaxInt32
}
