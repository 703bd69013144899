package register

import (
	"fmt"
	"testing"

	"trojmezi/internal/kernel/register/fact"
)

// TestFacts: what is known of each of the 215 fits the schema, and what geography tells is
// marked so.
func TestFacts(t *testing.T) {
	r, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, p := range r.Places() {
		if p.Kind != Municipality || p.Country != CZ {
			continue
		}
		all := r.Facts(p)
		if err := fact.Shipped().Check(SetOf(all)); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		for key, v := range all {
			n[key]++
			if v.Derived != fact.Shipped().Fact(key).Derived || v.Derived == (v.Source != "") {
				t.Errorf("%s: %s %+v", p.Name, key, v)
			}
			n[fmt.Sprint(key, "=", v.Value)]++
		}
	}
	if n["type"] != 215 || n["statutory=true"] != 2 || n["type=III"] != 10 || n["population"] < 200 {
		t.Errorf("%v", n)
	}
	for name, want := range map[string]string{"Hrádek nad Nisou": "[DE PL]", "Višňová": "[PL]", "Turnov": "[]"} {
		for _, p := range r.Places() {
			if p.Name == name && p.Kind == Municipality && p.Country == CZ {
				if got := fmt.Sprint(r.Facts(p)["border"].Value); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		}
	}
}
