package all

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/exchange/adapter/adaptertest"
)

// messages are the folders with each system's own messages, beside the package.
var messages = map[string]string{"czizs": "../czizs/testdata", "plswd": "../plswd/testdata", "euemsi": "../euemsi/testdata/xml", "euemsijson": "../euemsi/testdata/json"}

// Every adapter there is has a name of its own, passes the suite in its own package, and
// has another side that is not written by it: what is tried with all of them is tried
// with it. Package gateway's tests demand the same for what needs a node.
func TestSystems(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Adapters() {
		if seen[a.System] {
			t.Errorf("two adapters are called %s", a.System)
		}
		seen[a.System] = true
		if foreign[a.System] == nil || samples[a.System] == nil {
			t.Errorf("%s has no simulator: add it to foreign and samples", a.System)
		}
		folder := messages[a.System]
		if folder == "" {
			t.Errorf("%s has no messages: add their folder to messages", a.System)
			continue
		}
		pkg, below, _ := strings.Cut(strings.TrimPrefix(folder, "../"), "/")
		files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(f string) bool {
			text, err := os.ReadFile(f)
			return err == nil && regexp.MustCompile(`adaptertest\.Run\(t, .*, "`+regexp.QuoteMeta(below)+`"\)`).Match(text)
		}) {
			t.Errorf("no test of package %s runs the suite with %s", pkg, below)
		}
	}
	if len(seen) != len(foreign) || len(seen) != len(messages) {
		t.Error("a simulator or a folder of messages is of no adapter")
	}
}

// Reading and writing a message with its loss report should take 2 ms at most.
func BenchmarkAdapters(b *testing.B) {
	for _, a := range Adapters() {
		b.Run(a.System, func(b *testing.B) { adaptertest.Bench(b, a, messages[a.System]) })
	}
}
