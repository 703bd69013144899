package adaptertest

import (
	"strings"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/tree"
)

// T is a test, or what stands for one where the suite itself is tested.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// complete checks the loss report of a conversion: every value of the source is in the
// result as it was, or it is named; and what was moved is where the report says.
func complete(t T, source, result []byte, report []convert.Loss) (leaves, arrived int) {
	t.Helper()
	there, count := map[string]string{}, map[string]int{}
	for path, text := range leavesOf(t, result) {
		there[path] = text
		count[text]++
	}
	named := map[string]convert.Loss{}
	for _, l := range report {
		if _, twice := named[l.Path]; twice {
			t.Errorf("the report names %s twice", l.Path)
		}
		named[l.Path] = l
		if l.MovedTo == nil {
			continue
		}
		text, ok := there[*l.MovedTo]
		switch {
		case !ok:
			t.Errorf("%s should be at %s, where nothing is", l.Path, *l.MovedTo)
		case l.Reason == convert.NoField && !strings.Contains(text, l.Value):
			t.Errorf("%s: %q is not in %q", l.Path, l.Value, text)
		}
	}
	for path, text := range leavesOf(t, source) {
		l, lost := named[path]
		if strings.TrimSpace(text) != "" { // an empty one says nothing
			leaves++
			if !lost || l.MovedTo != nil {
				arrived++
			}
		}
		switch {
		case lost && l.Value != text:
			t.Errorf("%s: the report says %q, the message %q", path, l.Value, text)
		case !lost && count[text] == 0:
			t.Errorf("%s: %q is neither in the result nor in the report", path, text)
		}
	}
	return leaves, arrived
}

// leavesOf are the values of a document by their paths, of an envelope of UCRI 2 with
// those of the message that is a text in it.
func leavesOf(t T, text []byte) map[string]string {
	t.Helper()
	d, f := tree.Parse(text, tree.DefaultLimits)
	if f != nil {
		t.Fatalf("cannot be read: %v\n%s", f, text)
	}
	all := map[string]string{}
	data := d.Root.Get("payload").Get("data")
	for path, n := range d.Leaves() {
		if n != data {
			all[path] = n.Text
		}
	}
	if data != nil {
		inner, f := tree.Parse([]byte(data.Text), tree.DefaultLimits)
		if f != nil {
			t.Fatalf("the message in the envelope cannot be read: %v\n%s", f, data.Text)
		}
		for path, n := range inner.Leaves() {
			all["/payload/data"+path] = n.Text
		}
	}
	return all
}
