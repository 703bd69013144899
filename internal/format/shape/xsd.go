package shape

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// uriPattern is a reference (spec: RFC 3986, app. A), with the colon of the first
// segment where it can only end a scheme.
var uriPattern = func() *regexp.Regexp {
	const (
		char      = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})`
		noColon   = `(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})`
		user      = `(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@`
		host      = `(?:\[[^\]]*\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)`
		authority = `//(?:` + user + `)?` + host + `(?::[0-9]{1,9})?(?:/` + char + `*)*`
		absolute  = `/(?:` + char + `+(?:/` + char + `*)*)?`
		rest      = `(?:/` + char + `*)*`
	)
	return regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9+.-]*:(?:` + authority + `|` + absolute + `|` + char + `+` + rest + `)?` +
		`|` + authority + `|` + absolute + `|` + noColon + `+` + rest + `)?` +
		`(?:\?(?:` + char + `|[/?])*)?(?:#(?:` + char + `|[/?\[\]])*)?$`)
}()

// IsURI reports whether text is an xs:anyURI: other characters are escaped before
// it is read as a reference (spec: XML Schema Part 2, §3.2.17).
func IsURI(s string) bool {
	return uriPattern.MatchString(strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune("<>\"{}|\\^`'", r) {
			return '_'
		}
		return r
	}, s))
}

var dateTimeText = regexp.MustCompile(`^-?(\d{4}|[1-9]\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?$`)

// IsDateTime reports whether text is an xs:dateTime (spec: XML Schema Part 2,
// §3.2.7): a day that exists, 24:00:00 as the end of one, zones up to 14 hours.
func IsDateTime(s string) bool {
	m := dateTimeText.FindStringSubmatch(s)
	if m == nil || strings.Trim(m[1], "0") == "" {
		return false
	}
	n := func(s string) int { v, _ := strconv.Atoi(s); return v } // digits, by the pattern
	year := 2000 + n(m[1][len(m[1])-4:])%400                      // leap years repeat
	if d := time.Date(year, time.Month(n(m[2])), n(m[3]), 0, 0, 0, 0, time.UTC); int(d.Month()) != n(m[2]) || d.Day() != n(m[3]) {
		return false
	}
	hour, minute, second := n(m[4]), n(m[5]), n(m[6])
	if hour > 24 || minute > 59 || second > 59 || hour == 24 && (minute+second > 0 || strings.Trim(m[7], "0") != "") {
		return false
	}
	if z := m[8]; len(z) == 6 {
		h, m := n(z[1:3]), n(z[4:])
		return m <= 59 && h*60+m <= 14*60
	}
	return true
}
