package ucri

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// specOID is the specification's own expression; Go runs it in linear time.
var specOID = regexp.MustCompile(`^([0-9]+\.?)+$`)

func TestValidOID(t *testing.T) {
	for s, want := range map[string]bool{
		"1": true, "1.": true, "1.2": true, "1.2.": true, "0.0.0": true, "00": true, "1.2.203.5.1.58.28.2.1": true,
		"": false, ".": false, ".1": false, "1..2": false, "1.2..": false, "a": false, "1.a": false, "1 ": false, " 1": false,
		"1\n": false, "-1": false, "1,2": false, "١": false, "１": false, "1.\x00": false,
	} {
		if ValidOID(s) != want || specOID.MatchString(s) != want {
			t.Errorf("%q: %v, the expression says %v", s, ValidOID(s), specOID.MatchString(s))
		}
	}
}

// TestLongOIDTakesNoTime shows that the digits which hang a backtracking
// engine cost nothing here, and that the parsers name the limit.
func TestLongOIDTakesNoTime(t *testing.T) {
	long := strings.Repeat("1", 100_000)
	start := time.Now()
	if !ValidOID(long) || ValidOID(long+"x") || ValidOID(strings.Repeat("1.", 50_000)+".") {
		t.Error("wrong verdict on 100,000 digits")
	}
	for _, oid := range []string{long, long + "x"} {
		_, err := ParseReceive([]byte(`{"destinations":["` + oid + `"]}`))
		if err == nil || err.Code != CodeClientInvalid || err.Key != "ucri.rule.long" || err.Args["max"] != MaxOIDLength {
			t.Errorf("got %v", err)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	longest := strings.Repeat("1", MaxOIDLength)
	if _, err := ParseReceive([]byte(`{"destinations":["` + longest + `"]}`)); err != nil {
		t.Errorf("the longest OID: %v", err)
	}
}

func FuzzOID(f *testing.F) {
	for _, s := range []string{"1", "1.2.", "1..2", ".", "", "1x", strings.Repeat("1", 28) + "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// An independent reading of the same language: no empty group but one at the end.
		groups := strings.Split(s, ".")
		if len(groups) > 1 && groups[len(groups)-1] == "" {
			groups = groups[:len(groups)-1]
		}
		want := true
		for _, g := range groups {
			want = want && g != "" && strings.Trim(g, "0123456789") == ""
		}
		if got := ValidOID(s); got != want || got != specOID.MatchString(s) {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	})
}
