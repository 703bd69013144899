package disclosure

import "testing"

// A name is covered wherever it stands as a word of its own, and nowhere else.
func TestCover(t *testing.T) {
	const phone = "+420 603 123 456"
	for _, c := range []struct{ text, name, want string }{
		{"Volal Novák z čísla.", "Novák", "Volal " + Covered + " z čísla."},
		{"NOVÁK, novák a Nováková", "Novák", Covered + ", " + Covered + " a Nováková"},
		{"Anrufer Groß in der GROẞEN STRAẞE, GROẞ", "Groß", "Anrufer " + Covered + " in der GROẞEN STRAẞE, " + Covered},
		{"STRAẞE 5: Novák", "Novák", "STRAẞE 5: " + Covered},
		{"İ STRAẞE: Novák wartet", "Novák", "İ STRAẞE: " + Covered + " wartet"},
		{"Nováková, Novák", "Novák", "Nováková, " + Covered},
		{"anan ana", "ana", "anan " + Covered},
		{"nobody", "Novák", "nobody"},
		{"Tel. 603 123 456!", phone, "Tel. " + Covered + "!"},
		{"00420 603/123-456", phone, Covered},
		{"Tel. 603 123 456 - 2 zranění", phone, "Tel. " + Covered + " - 2 zranění"},
		{"603 123 456/604 111 222", phone, Covered + "/604 111 222"},
		{"604 111 222 603 123 456 603 123 456 7", phone, Covered + Covered + " 7"},
		{"Tel. 603\u00a0123\u202f456", phone, "Tel. " + Covered},
		{"Tel. 603–123–456", "+420\u00a0603\u00a0123\u00a0456", "Tel. " + Covered},
		{"608 123 456, 12:30", phone, "608 123 456, 12:30"},
	} {
		if got := cover(c.text, c.name); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.name, c.text, got, c.want)
		}
	}
}
