package geo

import (
	"regexp"
	"strings"
)

// Roads of the three countries: class and number. Czech motorways and roads of
// class I–III, German federal, state and district roads, Polish motorways,
// expressways, national and voivodeship roads, European roads.
var (
	roadName = regexp.MustCompile(`(?i)^(?:(i{1,3})\s*/\s*([0-9]{1,5}[a-z]?)|(bab|dk|dw|[abdeklrs])\s*[-. ]?\s*([0-9]{1,4}[a-z]?))(?:$|[\s,;:(])`)
	roadKm   = regexp.MustCompile(`(?i)(?:^|[\s,;:(])(?:(?:km|kilom[eè]t(?:er|re|r)|kilometr\p{L}*)[\s.:]*([0-9]{1,4})(?:\s*([.,+])\s*([0-9]{1,3}))?|([0-9]{1,4})(?:\s*([.,+])\s*([0-9]{1,3}))?\s*\.?\s*(?:km|kilom\p{L}*))(?:$|[\s,;:).])`)
)

// parseRoad recognises a road, with or without a kilometre. The rest of the
// text (a direction, an exit) is kept as it was written.
func parseRoad(s string) (Candidate, bool) {
	m := roadName.FindStringSubmatchIndex(s)
	if m == nil {
		return Candidate{}, false
	}
	sub := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return s[m[2*i]:m[2*i+1]]
	}
	name := strings.ToUpper(sub(1)) + "/" + sub(2)
	end := m[5]
	if sub(3) != "" {
		name, end = strings.ToUpper(sub(3))+strings.ToUpper(sub(4)), m[9]
	}
	rest := strings.Trim(s[end:], " ,;:")
	text := name
	if k := roadKm.FindStringSubmatchIndex(rest); k != nil {
		get := func(i int) string {
			if k[2*i] < 0 {
				return ""
			}
			return rest[k[2*i]:k[2*i+1]]
		}
		whole, sign, part := get(1)+get(4), get(2)+get(5), get(3)+get(6)
		text += " km " + whole
		if sign == "." {
			sign = ","
		}
		if part != "" {
			text += sign + part
		}
		rest = strings.Trim(rest[:k[0]], " ,;:(") + " " + strings.Trim(rest[k[1]:], " ,;:).")
	}
	if rest = strings.Join(strings.Fields(rest), " "); rest != "" {
		text += " " + rest
	}
	return Candidate{Notation: Road, Text: text}, true
}
