package ucri

import (
	"strings"
	"time"

	"trojmezi/internal/format/ucri/schema"
)

// sentLayout is RFC 3339 in UTC with milliseconds, the precision of the
// reference node.
const sentLayout = "2006-01-02T15:04:05.000Z"

// ParseTime reads a moment in exactly the notation that the schemas accept as
// date-time (RFC 3339 §5.6: T and Z in either case, any fraction, leap seconds).
// A leap second is the first moment of the minute after it; digits beyond
// nanoseconds are cut.
func ParseTime(s string) (t time.Time, ok bool) {
	if !schema.IsDateTime(s) {
		return time.Time{}, false
	}
	var leap time.Duration
	const second = len("2006-01-02T15:04:")
	if s[second] == '6' {
		s = s[:second] + "59" + s[second+2:]
		leap = time.Second
	}
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s))
	if err != nil {
		return time.Time{}, false
	}
	return t.Add(leap), true
}

// FormatTime writes a moment for sentDate: UTC with milliseconds.
func FormatTime(t time.Time) string { return t.UTC().Format(sentLayout) }
