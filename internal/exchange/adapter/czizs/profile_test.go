package czizs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/simulator/czizs"
)

const schema = "../../../../docs/profiles/cz-izs.xsd"

// fixtures are the messages of testdata by their names, and what the adapter makes of
// each again.
func fixtures(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d fixtures: %v", len(names), err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = text
		m, fault := New().Decode(text)
		if fault != nil {
			t.Fatalf("%s: %v", name, fault)
		}
		e, fault := New().Encode(m)
		if fault != nil {
			t.Fatalf("%s: %v", name, fault)
		}
		all[name+" again"] = e.Bytes
	}
	return all
}

// The document's schema and the simulator, each written by itself, take them too.
func TestProfile(t *testing.T) {
	all := fixtures(t)
	for name, text := range all {
		if h := (czizs.Profile{}).Hear(text); len(h.Faults) > 0 {
			t.Errorf("%s: %v\n%s", name, h.Faults, text)
		}
	}
	tool, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint (package libxml2-utils) is not installed")
	}
	dir := t.TempDir()
	for name, text := range all {
		file := filepath.Join(dir, strings.ReplaceAll(filepath.Base(name), " ", "-"))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tool, "--noout", "--nonet", "--schema", schema, file).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// Every reason has a code of the document.
func TestReasons(t *testing.T) {
	for _, r := range adapter.Reasons {
		if New().Code(r) == "" {
			t.Errorf("no code for %s", r)
		}
	}
	for _, k := range convert.Kinds {
		if codes["telo"].Word(string(k)) == "" {
			t.Errorf("no message for %s", k)
		}
	}
}

var block = regexp.MustCompile("(?s)```(?:csv|go)\n(.*?)```")

// What the guide shows of this package stands in it.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../../docs/ops/connect-system.md")
	if err != nil {
		t.Fatal(err)
	}
	here := ""
	for _, name := range []string{"data/codes.csv", "data/fields.csv", "czizs.go", "czizs_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		here += "\n" + string(text)
	}
	shown := 0
	for _, b := range block.FindAllSubmatch(guide, -1) {
		for line := range strings.Lines(string(b[1])) {
			if shown++; !strings.Contains(here, "\n"+line) {
				t.Errorf("the guide shows a line that is not here: %s", line)
			}
		}
	}
	if shown < 15 {
		t.Errorf("the guide shows %d lines", shown)
	}
}

// Every code the adapter knows stands in the document.
func TestCodes(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/profiles/cz-izs.md")
	if err != nil {
		t.Fatal(err)
	}
	for list, entries := range codes {
		for _, e := range entries {
			if !strings.Contains(string(text), "`"+e.Foreign+"`") && !strings.Contains(string(text), "| "+e.Foreign+" |") {
				t.Errorf("%s of %s is not in the document", e.Foreign, list)
			}
		}
	}
}
