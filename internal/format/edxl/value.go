package edxl

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/ucri/schema"
)

// maxToken is the length of a string of the common types, in characters.
const maxToken = 1023

// The kinds of values of the three forms.
var (
	text       = &shape.Value{}
	token      = &shape.Value{Collapse: true, Match: func(s string) bool { n := utf8.RuneCountInString(s); return n >= 1 && n <= maxToken }, Rule: "value", Hint: "1–1023"}
	uri        = &shape.Value{Collapse: true, Match: isURI, Rule: "value", Hint: "URI"}
	roles      = &shape.Value{Collapse: true, Match: func(s string) bool { return s != "" && isURI(s) }, Rule: "value", Hint: "URI"}
	lang       = matching(`[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*`, "value", "cs, de-DE")
	ncName     = matching(`[\p{L}_][\p{L}\p{Nd}\p{M}\p{Lm}._·-]*`, "value", "NCName")
	names      = matching(`(?:[\p{L}_][\p{L}\p{Nd}\p{M}\p{Lm}._·-]*(?: |$))*`, "value", "NCName")
	number     = matching(`[+-]?[0-9]+`, "number", "")
	many       = matching(`\+?0*[1-9][0-9]*`, "number", "> 0")
	one        = matching(`\+?0*1`, "number", "1")
	double     = matching(doublePattern, "number", "")
	points     = matching(`(?:`+doublePattern+`(?: |$))*`, "number", "")
	unit       = &shape.Value{Match: isUnit, Rule: "value", Hint: "km"}
	truth      = list("true", "false", "1", "0")
	base64Data = &shape.Value{Collapse: true, Match: isBase64, Rule: "value", Hint: "base64"}

	dateTime2 = &shape.Value{Collapse: true, Match: func(s string) bool { return pattern2.MatchString(s) && isDateTime(s) }, Rule: "time", Hint: "2026-03-01T14:03:12+01:00"}
	dateTime1 = &shape.Value{Collapse: true, Match: isDateTime, Rule: "time", Hint: "2026-03-01T14:03:12+01:00"}
	dateTimeJ = &shape.Value{Match: schema.IsDateTime, Rule: "time", Hint: "2026-03-01T14:03:12+01:00"}
)

const doublePattern = `(?:[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|-?INF|NaN)`

func matching(pattern, rule, hint string) *shape.Value {
	re := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return &shape.Value{Collapse: true, Match: re.MatchString, Rule: rule, Hint: hint}
}

// list is the value of one of a list of codes.
func list(codes ...string) *shape.Value {
	return &shape.Value{Collapse: true, Match: func(s string) bool { return slices.Contains(codes, s) }, Rule: "code", Hint: strings.Join(codes, ", ")}
}

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

// isURI reports whether text is an xs:anyURI: other characters are escaped before
// it is read as a reference (spec: XML Schema Part 2, §3.2.17).
func isURI(s string) bool {
	return uriPattern.MatchString(strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune("<>\"{}|\\^`'", r) {
			return '_'
		}
		return r
	}, s))
}

var (
	unitSymbol = regexp.MustCompile(`^[^: \n\r\t]+$`)
	unitURI    = regexp.MustCompile(`^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|\.\./|\./|#).*$`)
)

// isUnit reports whether text is a symbol, in which white space counts, or a URI, in
// which it does not (spec: edxl-gsf-base, UomIdentifier).
func isUnit(s string) bool {
	return unitSymbol.MatchString(s) || unitURI.MatchString(collapse(s)) && isURI(collapse(s))
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(s, " ", ""))
	return err == nil
}

var (
	// pattern2 is the one that EDXL adds to xs:dateTime: no fraction, no Z.
	pattern2     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$`)
	dateTimeText = regexp.MustCompile(`^-?(\d{4}|[1-9]\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?$`)
)

// isDateTime reports whether text is an xs:dateTime (spec: XML Schema Part 2,
// §3.2.7): a day that exists, 24:00:00 as the end of one, zones up to 14 hours.
func isDateTime(s string) bool {
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

// Moment reads a time of an envelope; one without a zone is none.
func Moment(text string) (time.Time, bool) {
	s := strings.ToUpper(strings.TrimSpace(text))
	const hour, second = len("2006-01-02T"), len("2006-01-02T15:04:")
	var more time.Duration
	if len(s) > second+2 {
		switch {
		case s[hour:hour+2] == "24": // the end of the day
			s, more = s[:hour]+"00"+s[hour+2:], 24*time.Hour
		case s[second:second+2] == "60": // a leap second
			s, more = s[:second]+"59"+s[second+2:], time.Second
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.Add(more), err == nil
}

// languages are those of ISO 639-1.
const languages = " aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu "

// languageTag is a well-formed tag whose first part is a code of ISO 639 or says
// that it is none (spec: RFC 5646, §2.1).
var languageTag = regexp.MustCompile(`^(?:[xX]|[iI]|([A-Za-z]{2,3}))(?:-[A-Za-z0-9]{1,8})*$`)

func knownLanguage(tag string) bool {
	m := languageTag.FindStringSubmatch(tag)
	return m != nil && (len(m[1]) != 2 || strings.Contains(languages, " "+strings.ToLower(m[1])+" "))
}
