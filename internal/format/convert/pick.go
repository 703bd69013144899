package convert

import (
	"fmt"
	"strings"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
)

// Word is the code that means something, "" if the list has none.
func (c Codes) Word(means string) string {
	code, _ := c.foreign(means)
	return code
}

// First is the first of some values that is a code of the list.
func (c Codes) First(values []incident.Value) incident.Value {
	for _, v := range values {
		if _, ok := c.means(v.Text); ok && v.Is() {
			return v
		}
	}
	return incident.Value{}
}

// Texts is Text for several keys, separated by blanks, and as many values.
func (b *Cells) Texts(keys string, values ...*incident.Value) {
	names := strings.Fields(keys)
	if len(names) != len(values) {
		panic(fmt.Sprintf("convert: %d values for the keys %s", len(values), keys))
	}
	for n, key := range names {
		b.Text(key, values[n])
	}
}

// Numbers is Number for several keys, separated by blanks, and as many values.
func (b *Cells) Numbers(keys string, values ...*incident.Value) {
	from := len(b.list.cells)
	b.Texts(keys, values...)
	for n := from; n < len(b.list.cells); n++ {
		b.list.cells[n].kind = tree.Number
	}
}
