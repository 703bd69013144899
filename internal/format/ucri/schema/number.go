package schema

import (
	"math"
	"strings"
)

// decimal is a JSON number taken apart without loss: ±0.digits × 10^point, with
// no zeros at either end of digits. Zero has no digits. Comparing two of them
// costs time linear in their text, whatever the exponent: 1e999999999 is as
// cheap as 1.
type decimal struct {
	negative bool
	digits   string
	point    int
}

// maxExponent saturates exponents: far beyond any text's length, far within int.
const maxExponent = 1 << 40

func parseDecimal(raw string) decimal {
	var d decimal
	if raw[0] == '-' {
		d.negative = true
		raw = raw[1:]
	}
	exponent := 0
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		exponent = parseExponent(raw[i+1:])
		raw = raw[:i]
	}
	whole, fraction, _ := strings.Cut(raw, ".")
	switch {
	case strings.Trim(fraction, "0") == "":
		d.digits, d.point = whole, len(whole)
	case whole == "0":
		d.digits = fraction
	default:
		d.digits, d.point = whole+fraction, len(whole)
	}
	n := len(d.digits)
	d.digits = strings.TrimLeft(d.digits, "0")
	d.point += exponent - (n - len(d.digits))
	d.digits = strings.TrimRight(d.digits, "0")
	if d.digits == "" {
		return decimal{}
	}
	return d
}

func parseExponent(raw string) int {
	negative := raw[0] == '-'
	n := 0
	for _, c := range []byte(strings.TrimLeft(raw, "+-")) {
		n = min(n*10+int(c-'0'), maxExponent)
	}
	if negative {
		return -n
	}
	return n
}

// integer says whether the number is one in the sense of JSON Schema: 1.0 and
// 1e2 are.
func (d decimal) integer() bool { return d.point >= len(d.digits) }

// compare returns -1, 0 or 1 as d is below, equal to or above o.
func (d decimal) compare(o decimal) int {
	switch {
	case d.sign() != o.sign():
		if d.sign() < o.sign() {
			return -1
		}
		return 1
	case d.negative:
		return o.magnitude(d)
	default:
		return d.magnitude(o)
	}
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	default:
		return 1
	}
}

func (d decimal) magnitude(o decimal) int {
	switch {
	case d.point < o.point:
		return -1
	case d.point > o.point:
		return 1
	default:
		return strings.Compare(d.digits, o.digits)
	}
}

// Int64 is the value of a JSON number that is an integer (1.0 and 1e2 are), cut
// to the range of int64; ok is false for a number with a fraction.
func Int64(raw string) (n int64, ok bool) {
	if n, ok = shortInt(raw); ok {
		return n, true
	}
	d := parseDecimal(raw)
	if !d.integer() {
		return 0, false
	}
	if d.digits == "" {
		return 0, true
	}
	const maxDigits = 19 // of an int64
	var u uint64
	if d.point > maxDigits {
		u = math.MaxUint64
	} else {
		for i := range d.point {
			u *= 10
			if i < len(d.digits) {
				u += uint64(d.digits[i] - '0')
			}
		}
	}
	if d.negative {
		return -int64(min(u, 1<<63)), true // -(1<<63) is itself
	}
	return int64(min(u, math.MaxInt64)), true
}

// shortInt is the fast path: plain digits that can't overflow.
func shortInt(raw string) (int64, bool) {
	const short = 18
	i := 0
	if raw[0] == '-' {
		i = 1
	}
	if len(raw)-i > short {
		return 0, false
	}
	var n int64
	for ; i < len(raw); i++ {
		c := raw[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if raw[0] == '-' {
		n = -n
	}
	return n, true
}
