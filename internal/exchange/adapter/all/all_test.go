package all

import "testing"

func TestSystems(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Adapters() {
		if seen[a.System] {
			t.Errorf("two adapters are called %s", a.System)
		}
		seen[a.System] = true
	}
}
