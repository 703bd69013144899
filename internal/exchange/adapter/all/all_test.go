package all

import (
	"testing"

	"trojmezi/internal/exchange/adapter/adaptertest"
)

func TestSystems(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Adapters() {
		if seen[a.System] {
			t.Errorf("two adapters are called %s", a.System)
		}
		seen[a.System] = true
	}
}

// Reading and writing a message with its loss report should take 2 ms at most.
func BenchmarkAdapters(b *testing.B) {
	messages := map[string]string{"czizs": "../czizs/testdata", "plswd": "../plswd/testdata", "euemsi": "../euemsi/testdata/xml", "euemsijson": "../euemsi/testdata/json"}
	for _, a := range Adapters() {
		b.Run(a.System, func(b *testing.B) { adaptertest.Bench(b, a, messages[a.System]) })
	}
}
