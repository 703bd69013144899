package i18n

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
)

const (
	noBreak       = "\u00a0" // between a number and its unit
	narrowNoBreak = "\u202f" // between groups of three digits, in all four languages
	minus         = "\u2212"
)

// dateLayouts: en takes its month names from package time, the others use numbers.
var dateLayouts = map[Lang]string{
	Cs: "2." + noBreak + "1." + noBreak + "2006",
	De: "02.01.2006",
	Pl: "2.01.2006",
	En: "2" + noBreak + "January" + noBreak + "2006",
}

// value writes one argument of a text.
func (b *Bundle) value(l Lang, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return b.Number(l, int64(v))
	case int64:
		return b.Number(l, v)
	case float64:
		return group(l, strconv.FormatFloat(v, 'f', -1, 64))
	case time.Time:
		return b.DateTime(l, v)
	case time.Duration:
		return b.Duration(v)
	}
	return fmt.Sprint(v)
}

// pluralForm chooses by the operands of CLDR: whole part, then number and value
// of the visible decimals.
func pluralForm(l Lang, n any) plural.Form {
	var digits string
	switch n := n.(type) {
	case int:
		digits = strconv.Itoa(n)
	case int64:
		digits = strconv.FormatInt(n, 10)
	case float64:
		digits = strconv.FormatFloat(n, 'f', -1, 64)
	default:
		return plural.Other
	}
	whole, decimals, _ := strings.Cut(strings.TrimPrefix(digits, "-"), ".")
	// FormatFloat writes no trailing zeros, hence v = w and f = t.
	v, f := len(decimals), operand(decimals)
	form := plural.Cardinal.MatchPlural(tags[l], operand(whole), v, v, f, f)
	if l == De || l == En { // have no other forms; CLDR may gain some
		if form != plural.One {
			form = plural.Other
		}
	}
	return form
}

// Form names the plural form of a whole number: "one", "few", "many" or "other".
// It is for texts that are data and stand in no locale file.
func Form(l Lang, n int64) string {
	form := pluralForm(known(l), n)
	for name, f := range formNames {
		if f == form {
			return name
		}
	}
	return "other"
}

// operand reads digits modulo 10,000,000, which the rules allow and which
// cannot overflow. A larger number keeps one leading digit, since 10,000,001
// is not "one".
func operand(digits string) int {
	const keep, modulus = 7, 10_000_000
	if len(digits) <= keep {
		n, _ := strconv.Atoi(digits) // empty: 0
		return n
	}
	n, _ := strconv.Atoi(digits[len(digits)-keep:])
	return modulus + n
}

// Number writes a whole number with a narrow no-break space between thousands.
func (b *Bundle) Number(l Lang, n int64) string { return group(l, strconv.FormatInt(n, 10)) }

func group(l Lang, digits string) string {
	rest, negative := strings.CutPrefix(digits, "-")
	whole, decimals, fraction := strings.Cut(rest, ".")
	var s strings.Builder
	if negative {
		s.WriteString(minus)
	}
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			s.WriteString(narrowNoBreak)
		}
		s.WriteRune(r)
	}
	if fraction {
		if known(l) == En {
			s.WriteString(".")
		} else {
			s.WriteString(",")
		}
		s.WriteString(decimals)
	}
	return s.String()
}

// Date writes the local day: 15. 8. 2026, 15.08.2026, 15.08.2026, 15 August 2026.
func (b *Bundle) Date(l Lang, t time.Time) string {
	return t.In(b.zone).Format(dateLayouts[known(l)])
}

// Time writes the local time with seconds, 14:06:24 in all four languages. In
// the hour that comes twice in autumn it says which of the two is meant.
func (b *Bundle) Time(l Lang, t time.Time) string {
	return b.told(l, t, "15:04:05")
}

// Minute writes the local time without seconds, else as Time does.
func (b *Bundle) Minute(l Lang, t time.Time) string { return b.told(l, t, "15:04") }

func (b *Bundle) told(l Lang, t time.Time, layout string) string {
	s, twice := b.clock(t, layout)
	if twice == "" {
		return s
	}
	return b.Text(l, "i18n.time"+twice, Args{"time": s})
}

// DateTime writes day and time, in the repeated hour as Time does.
func (b *Bundle) DateTime(l Lang, t time.Time) string {
	s, twice := b.clock(t, "15:04:05")
	return b.Text(l, "i18n.datetime"+twice, Args{"date": b.Date(l, t), "time": s})
}

// clock returns the local time and, if its hour comes twice, the ending of the
// keys that tell which one it is.
func (b *Bundle) clock(t time.Time, layout string) (s, twice string) {
	t = t.In(b.zone)
	const hour = int(time.Hour / time.Second)
	_, offset := t.Zone()
	if _, later := t.Add(time.Hour).Zone(); offset-later == hour {
		twice = ".summer"
	}
	if _, earlier := t.Add(-time.Hour).Zone(); earlier-offset == hour {
		twice = ".winter"
	}
	return t.Format(layout), twice
}

// Duration writes the two largest units, rounded down to seconds: 3 min 12 s,
// 2 h 5 min, 4 d 0 h. The unit symbols are international (spec: ISO 80000-3)
// and the same in all four languages.
func (b *Bundle) Duration(d time.Duration) string {
	sign := ""
	if d <= -time.Second {
		sign = minus
	}
	s := int64(math.Abs(d.Seconds()))
	pair := func(big int64, unit string, small int64, subunit string) string {
		return sign + strconv.FormatInt(big, 10) + noBreak + unit + " " + strconv.FormatInt(small, 10) + noBreak + subunit
	}
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	switch {
	case s >= day:
		return pair(s/day, "d", s%day/hour, "h")
	case s >= hour:
		return pair(s/hour, "h", s%hour/minute, "min")
	case s >= minute:
		return pair(s/minute, "min", s%minute, "s")
	}
	return sign + strconv.FormatInt(s, 10) + noBreak + "s"
}
