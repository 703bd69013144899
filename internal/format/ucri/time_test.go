package ucri

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for s, want := range map[string]string{
		"2026-03-01T14:03:12Z":                   "2026-03-01T14:03:12.000Z",
		"2026-03-01t14:03:12z":                   "2026-03-01T14:03:12.000Z",
		"2026-03-01T14:03:12.5+01:00":            "2026-03-01T13:03:12.500Z",
		"2026-03-01T14:03:12.123456789012+01:00": "2026-03-01T13:03:12.123Z",
		"2016-12-31T23:59:60Z":                   "2017-01-01T00:00:00.000Z",
		"2017-01-01T00:59:60.25+01:00":           "2017-01-01T00:00:00.250Z",
		"2026-03-01T00:00:00-23:59":              "2026-03-01T23:59:00.000Z",
		"0000-01-01T00:00:00Z":                   "0000-01-01T00:00:00.000Z",
	} {
		got, ok := ParseTime(s)
		if !ok || FormatTime(got) != want {
			t.Errorf("%s: %v %s", s, ok, FormatTime(got))
		}
	}
	for _, s := range []string{"", "2026-03-01", "2026-03-01T14:03:12", "2026-02-29T14:03:12Z", "2026-03-01T12:00:60Z", "2026-03-01T14:03:12+1:00"} {
		if got, ok := ParseTime(s); ok {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseTime(s)
		if want, err := time.Parse(time.RFC3339Nano, s); ok && err == nil && !want.Equal(got) {
			t.Errorf("%q: %v, want %v", s, got, want)
		} else if ok {
			if again, ok := ParseTime(FormatTime(got)); got.UTC().Year() <= 9999 && got.UTC().Year() >= 0 && (!ok || got.Sub(again) >= time.Millisecond) {
				t.Errorf("%q: %v, again %v", s, got, again)
			}
		}
	})
}
