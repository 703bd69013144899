package cap

import (
	"strings"
	"time"
)

// FormatTime writes a time as 1.2 wants it: whole seconds, the difference from UTC in
// digits, and UTC itself as -00:00 (spec: CAP 1.2, §3.3.2).
func FormatTime(t time.Time) string {
	if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC()
	}
	s := t.Format("2006-01-02T15:04:05-07:00")
	if before, ok := strings.CutSuffix(s, "+00:00"); ok {
		return before + "-00:00"
	}
	return s
}

// Moment reads a time of a message, also such as break the standard: with Z, with
// fractions, with a space for the T, of 24 hours. A time without a zone is none:
// whoever knows the sender's must say so.
func Moment(text string) (time.Time, bool) {
	if len(text) == len(timeHint) && isTime(text) {
		return plainMoment(text), true
	}
	s := strings.ToUpper(strings.TrimSpace(text))
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	var more time.Duration
	if len(s) > 13 && s[11:13] == "24" { // the end of the day
		s, more = s[:11]+"00"+s[13:], 24*time.Hour
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Add(more), true
		}
	}
	return time.Time{}, false
}

// plainMoment is the moment of a text that isTime takes.
func plainMoment(s string) time.Time {
	n := func(from, to int) (v int) {
		for _, b := range []byte(s[from:to]) {
			v = 10*v + int(b-'0')
		}
		return v
	}
	offset := 60 * (60*n(20, 22) + n(23, 25))
	if s[19] == '-' {
		offset = -offset
	}
	zone := time.UTC
	if offset != 0 {
		zone = time.FixedZone("", offset)
	}
	return time.Date(n(0, 4), time.Month(n(5, 7)), n(8, 10), n(11, 13), n(14, 16), n(17, 19), 0, zone)
}

// Reference names an earlier message (spec: CAP 1.2, §3.2.1, references).
type Reference struct{ Sender, Identifier, Sent string }

// References reads those of a message, and whether they are as the standard wants:
// sender,identifier,sent, apart by white space. Some systems write all senders, then
// all identifiers, then all times, in one: then only the identifiers are sure.
func References(text string) (all []Reference, regular bool) {
	regular = true
	for w := range strings.FieldsSeq(text) {
		sender, rest, ok := strings.Cut(w, ",")
		identifier, sent, ok2 := strings.Cut(rest, ",")
		if !ok || !ok2 || identifier == "" || strings.IndexByte(sent, ',') >= 0 {
			return listed(text), false
		}
		_, dated := Moment(sent)
		regular = regular && dated && sender != ""
		all = append(all, Reference{sender, identifier, sent})
	}
	return all, regular
}

// listed are references that stand as three lists.
func listed(text string) (all []Reference) {
	lists := strings.SplitN(text, ",", 3)
	for len(lists) < 3 {
		lists = append(lists, "")
	}
	senders, identifiers, times := strings.Fields(lists[0]), strings.Fields(lists[1]), strings.Fields(lists[2])
	at := func(list []string, i int) string {
		if i < len(list) {
			return list[i]
		}
		return ""
	}
	for i, id := range identifiers {
		all = append(all, Reference{at(senders, i), strings.Trim(id, ","), at(times, i)})
	}
	return all
}
