package convert

import (
	"slices"
	"strings"
	"unicode/utf8"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Table is a foreign format: which of its keys is which field of an incident. It is
// read and written by what stands under all formats here, so that nothing of it is lost
// silently either.
type Table struct {
	System string // its name in origins and labels, in lower case
	Syntax tree.Syntax
	// Limits are those of the format; zero: tree.DefaultLimits.
	Limits tree.Limits
	// Charsets are the character sets the format permits, in lower case; nil: any known.
	Charsets []string
	// Root and Space are the element around a message of XML.
	Root, Space string
	// Bodies are the parts of a message of which one stands, by the Kind they mean; nil:
	// the cell of i.Message.Type says it, which needs Code.
	Bodies Codes
	// Shape is what the format demands, nil: nothing. What breaks it is refused; a value of
	// ours that would goes into a remark instead.
	Shape *shape.Type
	// Cells names the fields, in the order in which the format has them. Whether a message
	// is meant is i.Kind, which needs Code.
	Cells func(b *Cells, i *incident.Incident)
	// Fill, if not nil, says what the format demands and the incident may not say, before
	// it is written.
	Fill func(i *incident.Incident, k Kind)
}

// Cells collects where the values of an incident stand in a message of a Table. A key
// is the names on the way to a value, joined by "/"; the name of an attribute begins
// with tree.AttributeMark.
type Cells struct {
	Kind Kind   // of the message
	Body string // the part that it is, of Table.Bodies

	list   *cellList
	key    string
	source *source // while one is read
	about  *about
}

// about is what a table says beyond its cells.
type about struct {
	arrays map[string]bool
	codes  map[*incident.Value]Codes
	upto   map[*incident.Value]int
	fixed  map[string]string // key → text
	room   *room
	left   int // bytes for remarks
}

// lineBytes is what the elements around a remark's text need at most.
const lineBytes = 1024

// fits takes the bytes of a text from those that are left: what would make the message
// longer than the format permits stays in the report alone.
func (a *about) fits(text string) bool {
	need := 2*len(text) + lineBytes // most characters that are written otherwise need less
	if need > a.left {
		return false
	}
	a.left -= need
	return true
}

// room is where remarks go: behind a text, or as lines of a list.
type room struct {
	key        string
	lines, max int // lines and characters of one; 0: any number
	text       *incident.Value
	line       func(*Cells, *incident.Note)
	taken      int // lines there are
}

func (b *Cells) add(key string, v *incident.Value, k tree.Kind) {
	if key = join(b.key, key); strings.HasSuffix(key, "/") {
		key = key[:len(key)-1]
	}
	b.list.cells = append(b.list.cells, cell{key, v, k})
}

// Text is a value as it stands.
func (b *Cells) Text(key string, v *incident.Value) { b.add(key, v, tree.String) }

// Number is a value that JSON writes without quotes.
func (b *Cells) Number(key string, v *incident.Value) { b.add(key, v, tree.Number) }

// Flag is true or false.
func (b *Cells) Flag(key string, v *incident.Value) { b.add(key, v, tree.Boolean) }

// Code is a code of a list. One that the list does not have stays as it is on the way
// in, and goes into a remark on the way out.
func (b *Cells) Code(key string, v *incident.Value, c Codes) {
	b.Text(key, v)
	b.about.codes[v] = c
}

// Short is a text of a bounded number of characters: of a longer one the beginning
// stands there, and all of it in a remark.
func (b *Cells) Short(key string, v *incident.Value, max int) {
	b.Text(key, v)
	b.about.upto[v] = max
}

// Fixed is what every message of the format says there.
func (b *Cells) Fixed(key, text string) {
	v := derived(text, nil)
	b.Text(key, &v)
	b.about.fixed[join(b.key, key)] = text
}

// Free is a text behind which remarks stand, a line each, up to a number of characters
// (0: any).
func (b *Cells) Free(key string, v *incident.Value, max int) {
	b.Text(key, v)
	if b.about.upto[v] = max; max == 0 {
		delete(b.about.upto, v)
	}
	b.about.room = &room{key: join(b.key, key), max: max, text: v}
}

// Notes are the lines of a log, to which remarks are added: at most lines of max
// characters (0: any).
func (b *Cells) Notes(key string, list *[]incident.Note, lines, max int, f func(*Cells, *incident.Note)) {
	Each(b, key, list, f)
	b.about.room = &room{key: join(b.key, key), lines: lines, max: max, line: f, taken: len(*list)}
}

// Below collects the cells of a part; of the key "", of this one.
func (b *Cells) Below(key string, f func(*Cells)) {
	part := *b
	if key != "" {
		part.key = join(b.key, key)
	}
	f(&part)
}

// Each collects the cells of each part that repeats.
func Each[T any](b *Cells, key string, list *[]T, f func(*Cells, *T)) {
	full := join(b.key, key)
	b.about.arrays[plain(full)] = true
	if b.source != nil {
		grow(list, b.source.count(full))
	}
	for n := range *list {
		b.Below(at(key, n), func(b *Cells) { f(b, &(*list)[n]) })
	}
}

// List is a value that repeats, with codes or (nil) without.
func (b *Cells) List(key string, list *[]incident.Value, c Codes) {
	Each(b, key, list, func(b *Cells, v *incident.Value) {
		b.Text("", v)
		if c != nil {
			b.about.codes[v] = c
		}
	})
}

// Nth is one of a list of which the format has a fixed number, each in a place of its
// own: the list grows to the most at once, since what a cell points to must stay.
func Nth[T any](list *[]T, n, most int) *T {
	grow(list, most)
	return &(*list)[n]
}

func (t *Table) cells(i *incident.Incident, k Kind, body string, s *source) *Cells {
	b := &Cells{Kind: k, Body: body, source: s, list: &cellList{},
		about: &about{arrays: map[string]bool{}, codes: map[*incident.Value]Codes{}, upto: map[*incident.Value]int{}, fixed: map[string]string{}}}
	t.Cells(b, i)
	return b
}

func (t *Table) limits() tree.Limits {
	if t.Limits == (tree.Limits{}) {
		return tree.DefaultLimits
	}
	return t.Limits
}

// Read reads a message. With a fault it returns what could be read nevertheless, nil if
// the document is none of the format.
func (t *Table) Read(message []byte) (*Message, *Fault) {
	d, f := tree.Parse(message, t.limits())
	if f != nil {
		return nil, f
	}
	if d.Syntax != t.Syntax || t.Syntax == tree.XML && (d.Root.Name != t.Root || d.Root.Space != t.Space) {
		return nil, refuse(d.Root.Line, "not_system", map[string]any{"system": t.System})
	}
	if t.Charsets != nil && !slices.Contains(t.Charsets, d.Charset) {
		return nil, &Fault{Line: 1, Rule: "charset", Key: "tree.fault.charset", Args: map[string]any{"line": 1, "charset": d.Charset}}
	}
	s, i := newSource(d, t.System), &incident.Incident{}
	var kind Kind
	var body string
	for _, c := range t.Bodies {
		if s.has(c.Foreign) && kind == "" {
			kind, body = Kind(c.Means), c.Foreign
		}
	}
	b := t.cells(i, kind, body, s)
	b.read(s, i)
	said := Kind(i.Message.Type.Text)
	if t.Bodies == nil {
		kind = said
	}
	if said != kind && said != "" { // the head says one thing, the body another
		kind = said + "/" + kind
	}
	if kind == KindCompletion && i.Receipt.Status.Text == aborted {
		kind = KindCancel
	}
	m := &Message{From: Format(t.System), Kind: kind, Incident: i, source: s}
	if t.Shape != nil {
		m.Deviations = shape.Check(d, t.Shape)
		slices.SortStableFunc(m.Deviations, func(a, b shape.Deviation) int { return a.Line - b.Line })
		if f := firstError(m.Deviations); f != nil {
			return m, f
		}
	}
	if !slices.Contains(Kinds, kind) {
		return m, refuse(d.Root.Line, "no_kind", map[string]any{"system": t.System, "kind": string(kind)})
	}
	return m, nil
}

// read fills the cells from the source.
func (b *Cells) read(s *source, i *incident.Incident) {
	for _, c := range b.list.cells {
		if c.v == &i.Message.Sender.Address && s.byKey[c.key] != nil {
			s.sender = s.byKey[c.key].node.Text
		}
		if c.v == &i.Message.Language && s.byKey[c.key] != nil {
			s.lang = s.byKey[c.key].node.Text
		}
	}
	s.fixed = b.about.fixed
	s.read(b.list.cells)
	for v, codes := range b.about.codes {
		if means, ok := codes.means(v.Text); ok && v.Is() { // its origin keeps the code itself
			v.Text = means
		}
	}
	s.real = realityOf(i.Kind.Text)
	said := []string{i.What.Text, i.Description.Text, i.Remark.Text, i.Receipt.Note.Text, i.Receipt.Reason.Text}
	for _, n := range i.Notes {
		said = append(said, n.Text.Text)
	}
	if r := ledBy(said...); r.rank > s.real.rank {
		s.real = r
	}
	s.rest(i)
}

// Write writes a message of any format as one of the table's. It is refused where the
// format has no word for what the message is for, or for that it is an exercise, or
// demands what the message does not say.
func (t *Table) Write(m *Message, as Kind) (*Result, *Fault) {
	s, i := m.source, m.Incident.Clone()
	root := &tree.Node{Name: t.Root, Space: t.Space, Kind: tree.Object}
	if t.Syntax == tree.JSON {
		root.Name, root.Space = "", ""
	}
	body := ""
	if t.Bodies != nil {
		var ok bool
		if body, ok = t.Bodies.foreign(string(as)); !ok {
			return nil, t.noWord(s, string(as))
		}
	}
	t.prepare(s, i, as)
	b := t.cells(i, as, body, nil)
	if f := t.encode(b, s, i); f != nil {
		return nil, f
	}
	r := newResult(t.Syntax, root, b.about.arrays)
	r.write(b.list.cells)
	path := t.path(r)
	r.mend(r.root, path, nil, func() []shape.Deviation {
		// What is missing is no value that could be taken out, but the part that lacks it
		// may be, if it is not all of the head or the body: a line of a log without a text.
		return slices.DeleteFunc(t.shape(r), func(d shape.Deviation) bool {
			return d.Rule == "missing" && strings.Count(strings.TrimPrefix(d.Path, path), "/") < 2
		})
	})
	for _, c := range b.list.cells {
		if c.v == &i.Kind && r.at[c.key] == nil && s.real.mode != isActual.mode {
			return nil, t.noWord(s, s.real.mode)
		}
	}
	b.about.left = t.limits().Bytes - len(r.bytes(Format(t.System)))
	b.remarks(s, r, i)
	if f := t.lacking(r); f != nil {
		return nil, f
	}
	out := m.result(r, Format(t.System))
	if most := t.limits().Bytes; len(out.Bytes) > most {
		return nil, &Fault{Rule: "size", Key: "tree.fault.size", Args: map[string]any{"line": 0, "max": most}}
	}
	return out, nil
}

// prepare says in an incident what every format needs that is written by a table.
func (t *Table) prepare(s *source, i *incident.Incident, as Kind) {
	i.Message.Type = derived(string(as), &i.Message.Type)
	i.Kind = derived(s.real.mode, &i.Kind)
	switch c := &i.Receipt; {
	case as == KindCancel:
		c.Status = derived(aborted, &c.Status)
	case as == KindCompletion && !c.Status.Is():
		c.Status = derived(completed, nil)
	}
	switch lines := newLines(i); as {
	case KindAnswer:
		behind(&i.Receipt.Reason, lines)
	case KindCompletion, KindCancel:
		behind(&i.Receipt.Note, lines)
	}
	if t.Fill != nil {
		t.Fill(i, as)
	}
}

// shape checks a message that is being written.
func (t *Table) shape(r *result) []shape.Deviation {
	if t.Shape == nil {
		return nil
	}
	return shape.CheckNode(r.root, t.Syntax, t.path(r), t.Shape)
}

func (t *Table) path(r *result) string {
	return shape.RootPath(&tree.Document{Syntax: t.Syntax, Root: r.root})
}

// lacking is what the format demands and the message does not say, nil if it says all.
func (t *Table) lacking(r *result) *Fault {
	f := firstError(t.shape(r))
	if f == nil {
		return nil
	}
	name, _ := f.Args["name"].(string)
	return refuse(1, "lacking", map[string]any{"system": t.System, "name": name})
}

// encode puts the codes of the format in the place of what they mean, and shortens
// what is too long for it.
func (t *Table) encode(b *Cells, s *source, i *incident.Incident) *Fault {
	said := map[*incident.Value]bool{}
	kept := b.list.cells[:0]
	for _, c := range b.list.cells {
		v, codes := c.v, b.about.codes[c.v]
		if codes != nil && v.Is() {
			code, ok := codes.foreign(v.Text)
			if !ok && v == &i.Kind && s.real.mode != isActual.mode {
				code, ok = codes.foreign(isExercise.mode)
			}
			if said[v] = ok; ok {
				*v = derived(code, v)
			} else if v.Origin.System != t.System { // else it is the system's own
				*v = incident.Value{}
			}
		}
		if most := b.about.upto[v]; most > 0 && utf8.RuneCountInString(v.Text) > most {
			*v = derived(firstRunes(v.Text, most-1)+"…", nil)
		}
		if v.Text != "" { // nothing said is nothing written
			kept = append(kept, c)
		}
	}
	b.list.cells = kept
	if t.Bodies == nil && !said[&i.Message.Type] {
		return t.noWord(s, i.Message.Type.Text)
	}
	if !said[&i.Kind] && s.real.mode != isActual.mode {
		return t.noWord(s, s.real.mode)
	}
	return nil
}

func (t *Table) noWord(s *source, word string) *Fault {
	return refuse(s.doc.Root.Line, "no_word", map[string]any{"system": t.System, "word": word})
}

func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// remarks writes what the result does not hold yet where the format has room for it.
func (b *Cells) remarks(s *source, r *result, i *incident.Incident) {
	rest := s.remarks(r)
	to := b.about.room
	if to == nil || len(rest) == 0 {
		return
	}
	if to.line == nil {
		b.behind(to, rest, r)
		return
	}
	n := to.taken
	when := incident.Value{}
	if sent, ok := firstMoment(&i.Message.Sent, &i.Message.Created); ok {
		when = derived(sent.Text, nil)
	}
	for _, m := range rest {
		for _, part := range m.split(to.max) {
			if to.lines > 0 && n >= to.lines {
				return
			}
			if !b.about.fits(part.text(nil)) {
				continue
			}
			note := incident.Note{At: when, Text: derived(part.text(nil), nil), Category: derived(strings.ToUpper(s.system), nil)}
			line := &Cells{Kind: b.Kind, Body: b.Body, key: at(to.key, n), list: &cellList{}, about: b.about}
			to.line(line, &note)
			if to.max > 0 {
				note.Text.Text = firstRunes(note.Text.Text, to.max)
			}
			r.write(line.list.cells)
			for _, c := range line.list.cells {
				if n := r.at[c.key]; c.v == &note.Text && n != nil {
					r.noted(part, n)
					r.shortened(part, n)
				}
			}
			n++
		}
	}
}

// shortened says of the values of a remark of which a node holds the beginning only.
func (r *result) shortened(m remark, n *tree.Node) {
	for _, l := range m.leaves {
		if !strings.Contains(n.Text, inLine(l.node.Text)) {
			r.why[l.path] = Partly
		}
	}
}

// behind writes remarks behind a text.
func (b *Cells) behind(to *room, rest []remark, r *result) {
	text := to.text.Text
	if r.at[to.key] == nil {
		text = ""
	}
	var fit []remark
	for _, m := range rest {
		line := m.text(nil)
		if text != "" {
			line = "\n" + line
		}
		if (to.max == 0 || utf8.RuneCountInString(text+line) <= to.max) && b.about.fits(line) {
			text, fit = text+line, append(fit, m)
		}
	}
	if len(fit) == 0 {
		return
	}
	n := r.put(to.key, text, tree.String)
	if to.text.Is() && to.text.Origin.Path != "" && r.into[to.text.Origin.Path] == n {
		r.why[to.text.Origin.Path] = Rewritten
	}
	for _, m := range fit {
		r.noted(m, n)
	}
}

// split is a remark as several of a bounded length, as far as its values permit.
func (m remark) split(most int) []remark {
	if most == 0 || utf8.RuneCountInString(m.text(nil)) <= most {
		return []remark{m}
	}
	var parts []remark
	for n := range m.leaves {
		one := remark{label: m.label, leaves: m.leaves[n : n+1], names: m.names[n : n+1]}
		if last := len(parts) - 1; last >= 0 {
			both := remark{label: m.label, leaves: append(slices.Clone(parts[last].leaves), one.leaves...), names: append(slices.Clone(parts[last].names), one.names...)}
			if utf8.RuneCountInString(both.text(nil)) <= most {
				parts[last] = both
				continue
			}
		}
		parts = append(parts, one)
	}
	return parts
}

func firstError(found []shape.Deviation) *Fault {
	for _, d := range found {
		if d.Severity == shape.Error {
			return &Fault{Line: d.Line, Rule: d.Rule, Key: d.Key, Args: d.Args}
		}
	}
	return nil
}
