package disclosure

import "testing"

// A name is covered wherever it stands as a word of its own, and nowhere else.
func TestCover(t *testing.T) {
	for _, c := range []struct{ text, name, want string }{
		{"Volal Novák z čísla.", "Novák", "Volal " + Covered + " z čísla."},
		{"NOVÁK, novák a Nováková", "Novák", Covered + ", " + Covered + " a Nováková"},
		{"Anrufer Groß in der GROẞEN STRAẞE, GROẞ", "Groß", "Anrufer " + Covered + " in der GROẞEN STRAẞE, " + Covered},
		{"STRAẞE 5: Novák", "Novák", "STRAẞE 5: " + Covered},
		{"İ STRAẞE: Novák wartet", "Novák", "İ STRAẞE: " + Covered + " wartet"},
		{"Nováková, Novák", "Novák", "Nováková, " + Covered},
		{"anan ana", "ana", "anan " + Covered},
		{"nobody", "Novák", "nobody"},
		{"Tel. 603 123 456!", "+420 603 123 456", "Tel. " + Covered + "!"},
	} {
		if got := cover(c.text, c.name); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.name, c.text, got, c.want)
		}
	}
}
