package czizs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/simulator/czizs"
)

var leaf = regexp.MustCompile(`^(\s*<(\w+)>)([^<]*)(</\w+>)$`)

// mutants are a message with each of its values taken out, repeated, moved and made
// something else.
func mutants(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	all := map[string]string{}
	put := func(n int, how string, with ...string) {
		all[fmt.Sprintf("%s line %d %s", name, n+1, how)] = strings.Join(slices.Replace(slices.Clone(lines), n, n+1, with...), "\n")
	}
	for n, l := range lines {
		m := leaf.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		put(n, m[2]+" missing")
		put(n, m[2]+" twice", l, l)
		put(n, m[2]+" after an unknown one", "<Neznamy>1</Neznamy>", l)
		for _, value := range []string{"x", "-1", "0.5", "12345678", "2026-11-30T10:00:00", "2026-11-30T10:00:00Z", strings.Repeat("ž", 5000), "ostry"} {
			put(n, m[2]+" is "+value[:min(len(value), 20)], m[1]+value+m[4])
		}
		if leaf.MatchString(lines[n+1]) {
			swapped := slices.Clone(lines)
			swapped[n], swapped[n+1] = swapped[n+1], swapped[n]
			all[fmt.Sprintf("%s line %d %s moved", name, n+1, m[2])] = strings.Join(swapped, "\n")
		}
	}
	return all
}

// beyond are what the text demands and a schema cannot say: the simulator is strict
// about it, and the adapter takes it.
var beyond = regexp.MustCompile("PlatnostDo missing|line 50 Telefon missing") // but for receipts; a part with nothing in it

// The adapter's table, the document's schema and the simulator were written one by one
// from the document: they agree about what is right.
func TestAllReadTheDocumentAlike(t *testing.T) {
	tool, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint (package libxml2-utils) is not installed")
	}
	dir := t.TempDir()
	all := map[string]string{}
	args := []string{"--noout", "--nonet", "--schema", schema}
	for _, name := range []string{"incident-accident.xml", "completion-accident.xml", "answer-accepted.xml", "text-incident.xml", "receipt-text.xml", "refusal-unknown-code.xml"} {
		for what, text := range mutants(t, name) {
			file := filepath.Join(dir, fmt.Sprintf("%d.xml", len(all)))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			all[file] = what
			args = append(args, file)
		}
	}
	out, _ := exec.Command(tool, args...).CombinedOutput() // it fails where one of them does
	right, n := map[bool]int{}, 0
	for file, what := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bySchema := strings.Contains(string(out), file+" validates")
		_, fault := New().Decode(text)
		h := (czizs.Profile{}).Hear(text)
		if bySchema != (fault == nil) || bySchema != (len(h.Faults) == 0) && !beyond.MatchString(what) {
			if n++; n <= 20 {
				t.Errorf("%s: schema %v, adapter %v, simulator %v", what, bySchema, fault, h.Faults)
			}
		}
		right[bySchema]++
	}
	if right[true] < 50 || right[false] < 300 {
		t.Errorf("%v: too few to tell", right)
	}
	t.Logf("%d right, %d wrong", right[true], right[false])
}
