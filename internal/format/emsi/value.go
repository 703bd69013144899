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

// maxOffset is the largest difference from UTC in minutes that XML knows.
const maxOffset = 14 * 60

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
