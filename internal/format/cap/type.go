package cap

import (
	"regexp"
	"slices"
	"strings"

	"trojmezi/internal/format/shape"
)

// The words of the tables.
var (
	leaf, seq             = shape.Leaf, shape.Seq
	need, may, some, free = shape.Need, shape.May, shape.Some, shape.Free
)

// spaceSignature is the namespace of what may stand after the last info of 1.2.
const spaceSignature = "http://www.w3.org/2000/09/xmldsig#"

// The lists of the standard (spec: CAP 1.2, §3.2.1 and §3.2.2).
var (
	statuses       = []string{Actual, Exercise, System, Test, Draft}
	msgTypes       = []string{TypeAlert, TypeUpdate, TypeCancel, TypeAck, TypeError}
	scopes         = []string{Public, Restricted, Private}
	categories     = []string{"Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"}
	responseTypes  = []string{"Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"}
	responseTypes1 = []string{"Shelter", "Evacuate", "Prepare", "Execute", "Monitor", "Assess", "None"} // of 1.1
	urgencies      = []string{"Immediate", "Expected", "Future", "Past", "Unknown"}
	severities     = []string{"Extreme", "Severe", "Moderate", "Minor", "Unknown"}
	certainties    = []string{"Observed", "Likely", "Possible", "Unlikely", "Unknown"}
	certainties0   = append([]string{"Very Likely"}, certainties...) // of 1.0, from memory
)

// words are the types of the lists: white space around a word is none of it, for they
// are strings (spec: XML Schema Part 2, §3.2.1).
func words(list []string) *shape.Type {
	return leaf(&shape.Value{Match: func(s string) bool { return slices.Contains(list, s) }, Rule: "code", Hint: strings.Join(list, ", ")})
}

const timeHint = "2026-08-07T18:05:00+02:00"

var (
	texts     = leaf(&shape.Value{})
	uris      = leaf(&shape.Value{Collapse: true, Match: shape.IsURI, Rule: "value", Hint: "URI"})
	languages = leaf(&shape.Value{Match: isLanguage, Rule: "value", Hint: "cs, de-DE"})
	integers  = leaf(shape.Matching(`[+-]?[0-9]+`, "number", ""))
	decimals  = leaf(shape.Matching(`[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)`, "number", ""))
	times12   = leaf(&shape.Value{Collapse: true, Match: isTime12, Rule: "time", Hint: timeHint})
	times11   = leaf(&shape.Value{Collapse: true, Match: shape.IsDateTime, Rule: "time", Hint: timeHint})

	pair = seq(need("valueName", texts), need("value", texts))
)

var languagePattern = regexp.MustCompile(`^[ \t\r\n]*[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*[ \t\r\n]*$`)

// IsLanguage reports whether a text is an xs:language.
func IsLanguage(s string) bool { return languagePattern.MatchString(s) }

// isLanguage is IsLanguage, or nothing: that stands for en-US, the default.
func isLanguage(s string) bool { return s == "" || IsLanguage(s) }

// isTime12 reports whether a text is a time as 1.2 wants it: an xs:dateTime with a
// difference from UTC in digits and without fractions. Its pattern has a comma
// between the signs, which no xs:dateTime can have.
func isTime12(s string) bool {
	return len(s) == len(timeHint) && (s[19] == '+' || s[19] == '-') && shape.IsDateTime(s)
}

// root12 is alert of CAP 1.2, root11 of 1.1 (spec: their XSD), root10 of 1.0 (from
// memory: neither order nor number of its elements was compared with its XSD).
var (
	root12 = seq(alert(times12, statuses, info(pair, responseTypes, certainties, times12, resource(true), decimals))...)
	root11 = seq(alert(times11, statuses, info(pair, responseTypes1, certainties, times11, resource(false), texts))...)
	root10 = seq(alert10()...)
)

// Shape is what CAP 1.2 demands of alert.
func Shape() *shape.Type { return root12 }

func alert(time *shape.Type, status []string, info *shape.Type) []shape.Member {
	return []shape.Member{
		need("identifier", texts), need("sender", texts), need("sent", time), need("status", words(status)), need("msgType", words(msgTypes)),
		may("source", texts), need("scope", words(scopes)), may("restriction", texts), may("addresses", texts), free("code", texts),
		may("note", texts), may("references", texts), may("incidents", texts), free("info", info),
	}
}

// info is the type of info: pair that of what has a name and a value, height that of
// altitude and ceiling.
func info(pair *shape.Type, response, certainty []string, time, resource, height *shape.Type) *shape.Type {
	area := seq(need("areaDesc", texts), free("polygon", texts), free("circle", texts), free("geocode", pair), may("altitude", height), may("ceiling", height))
	return seq(may("language", languages), some("category", words(categories)), need("event", texts), free("responseType", words(response)),
		need("urgency", words(urgencies)), need("severity", words(severities)), need("certainty", words(certainty)),
		may("audience", texts), free("eventCode", pair), may("effective", time), may("onset", time), may("expires", time),
		may("senderName", texts), may("headline", texts), may("description", texts), may("instruction", texts), may("web", uris), may("contact", texts),
		free("parameter", pair), free("resource", resource), free("area", area))
}

func resource(typed bool) *shape.Type {
	mime := may("mimeType", texts)
	if typed {
		mime = need("mimeType", texts)
	}
	return seq(need("resourceDesc", texts), mime, may("size", integers), may("uri", uris), may("derefUri", texts), may("digest", texts))
}

func alert10() []shape.Member {
	r := seq(need("resourceDesc", texts), may("mimeType", texts), may("size", integers), may("uri", uris), may("digest", texts))
	i := info(texts, nil, certainties0, times11, r, texts)
	i.Members = slices.DeleteFunc(i.Members, func(m shape.Member) bool { return m.Name == "responseType" })
	i.Members[slices.IndexFunc(i.Members, func(m shape.Member) bool { return m.Name == "category" })].Min = 0
	return slices.Insert(alert(times11, []string{Actual, Exercise, System, Test}, i), 2, may("password", texts))
}
