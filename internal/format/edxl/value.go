package edxl

import (
	"encoding/base64"
	"regexp"
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
	uri        = &shape.Value{Collapse: true, Match: shape.IsURI, Rule: "value", Hint: "URI"}
	roles      = &shape.Value{Collapse: true, Match: func(s string) bool { return s != "" && shape.IsURI(s) }, Rule: "value", Hint: "URI"}
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

	dateTime2 = &shape.Value{Collapse: true, Match: func(s string) bool { return pattern2.MatchString(s) && shape.IsDateTime(s) }, Rule: "time", Hint: "2026-03-01T14:03:12+01:00"}
	dateTime1 = &shape.Value{Collapse: true, Match: shape.IsDateTime, Rule: "time", Hint: "2026-03-01T14:03:12+01:00"}
	dateTimeJ = &shape.Value{Match: schema.IsDateTime, Rule: "time", Hint: "2026-03-01T14:03:12+01:00"}
)

const doublePattern = `(?:[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|-?INF|NaN)`

var (
	unitSymbol = regexp.MustCompile(`^[^: \n\r\t]+$`)
	unitURI    = regexp.MustCompile(`^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|\.\./|\./|#).*$`)
)

// isUnit reports whether text is a symbol, in which white space counts, or a URI, in
// which it does not (spec: edxl-gsf-base, UomIdentifier).
func isUnit(s string) bool {
	return unitSymbol.MatchString(s) || unitURI.MatchString(collapse(s)) && shape.IsURI(collapse(s))
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(s, " ", ""))
	return err == nil
}

var (
	// pattern2 is the one that EDXL adds to xs:dateTime: no fraction, no Z.
	pattern2 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$`)
)

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
