package pdf

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Summary is what a document has.
type Summary struct {
	Title, Lang string
	Pages       int
	Marks       int            // pieces of marked content
	Links       int            // on pages
	Bookmarks   []string       // texts, in order
	Tags        map[string]int // elements of the structure tree, by type
	UA          bool           // it says of itself that it keeps to PDF/UA-1
}

// Check reads a document of this package and reports everything that keeps it from
// being read aloud: content of a page that is neither in the structure tree nor an
// artifact, or twice in it; header cells without scope, rows of different lengths,
// figures without text, lists and tables of contents with wrong parts, levels of
// headings that are left out; characters that cannot be extracted; links and
// bookmarks that lead nowhere; no title, no language. The error joins one for each
// mistake. It holds for documents of this package alone; the summary is nil where
// nothing could be read.
func Check(raw []byte) (s *Summary, err error) {
	defer reading(&err)
	c := &checker{
		reader: newReader(raw), s: &Summary{Tags: map[string]int{}},
		pages: map[ref]int{}, marks: map[[2]int]bool{}, parents: map[int]any{}, seen: map[ref]bool{}, fonts: map[ref]map[uint16]bool{},
	}
	c.document()
	return c.s, errors.Join(c.mistakes...)
}

type checker struct {
	*reader
	s        *Summary
	mistakes []error
	pages    map[ref]int // by object, from 1
	order    []ref
	marks    map[[2]int]bool // page and number of marked content: whether the tree has it
	parents  map[int]any
	seen     map[ref]bool // elements, links
	links    []ref
	level    int // of the last heading
	fonts    map[ref]map[uint16]bool
}

func (c *checker) wrong(format string, args ...any) {
	c.mistakes = append(c.mistakes, fmt.Errorf("pdf: "+format, args...))
}

func (c *checker) document() {
	catalog := c.dict(c.trailer["Root"])
	c.s.Lang = c.text(catalog["Lang"])
	if c.s.Lang == "" {
		c.wrong("no language")
	}
	c.s.Title = c.text(c.dict(c.trailer["Info"])["Title"])
	if strings.TrimSpace(c.s.Title) == "" {
		c.wrong("no title")
	}
	if c.dict(catalog["ViewerPreferences"])["DisplayDocTitle"] != true {
		c.wrong("readers show the name of the file, not the title")
	}
	if c.dict(catalog["MarkInfo"])["Marked"] != true {
		c.wrong("does not say that it is tagged")
	}
	if meta, ok := c.get(catalog["Metadata"]).(stream); !ok {
		c.wrong("no metadata")
	} else {
		x := string(c.unpack(meta))
		c.s.UA = strings.Contains(x, "<pdfuaid:part>1</pdfuaid:part>")
		if !strings.Contains(x, "<dc:title>") {
			c.wrong("no title in the metadata")
		}
	}
	tree := c.dict(catalog["StructTreeRoot"])
	c.parentTree(c.dict(tree["ParentTree"]))
	root := c.dict(catalog["Pages"])
	resources := c.dict(root["Resources"])
	for _, k := range c.array(root["Kids"]) {
		r, _ := k.(ref)
		c.order = append(c.order, r)
		c.pages[r] = len(c.order)
	}
	c.s.Pages = len(c.order)
	for i, r := range c.order {
		c.page(i+1, r, c.dict(resources["Font"]))
	}
	if tree == nil {
		c.wrong("no structure tree")
	} else {
		c.element(tree["K"], "", 0)
	}
	for at, had := range c.marks {
		if !had {
			c.wrong("page %d: content %d is not in the structure tree", at[0], at[1])
		}
	}
	for _, l := range c.links {
		if !c.seen[l] {
			c.wrong("a link is not in the structure tree")
		}
	}
	if o := c.dict(catalog["Outlines"]); o != nil {
		if n, _ := o["Count"].(float64); int(n) != c.bookmarks(o, 0) {
			c.wrong("not as many bookmarks as they say")
		}
	}
	slices.SortStableFunc(c.mistakes, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
}

func (c *checker) parentTree(d dict) {
	nums := c.array(d["Nums"])
	for i := 0; i+1 < len(nums); i += 2 {
		n, _ := nums[i].(float64)
		c.parents[int(n)] = nums[i+1]
	}
}

// paints are the operators that leave something on a page.
var paints = []operator{"Tj", "TJ", "'", `"`, "f", "F", "f*", "B", "B*", "b", "b*", "S", "s", "sh", "Do", "BI"}

func (c *checker) page(n int, r ref, fonts dict) {
	p := c.dict(r)
	if p["Tabs"] != name("S") {
		c.wrong("page %d: keyboards do not follow the structure", n)
	}
	for _, a := range c.array(p["Annots"]) {
		link, _ := a.(ref)
		d := c.dict(a)
		c.links = append(c.links, link)
		c.s.Links++
		if c.text(d["Contents"]) == "" {
			c.wrong("page %d: a link without text", n)
		}
		c.target(d["Dest"], fmt.Sprintf("page %d: a link", n))
	}
	content, ok := c.get(p["Contents"]).(stream)
	if !ok {
		c.wrong("page %d: nothing on it", n)
		return
	}
	var parents array
	if key, ok := p["StructParents"].(float64); ok {
		parents = c.array(c.parents[int(key)])
	}
	l := &lexer{b: c.unpack(content)}
	var operands array
	var shows map[uint16]bool
	open, count := 0, 0
	for !l.done() {
		o := l.object(0)
		op, ok := o.(operator)
		if !ok {
			operands = append(operands, o)
			continue
		}
		switch op {
		case "BDC", "BMC":
			if open++; open > 1 {
				c.wrong("page %d: content marked within marked content", n)
			}
			if len(operands) == 0 {
				throw("page %d: a mark without type", n)
			}
			properties, _ := operands[len(operands)-1].(dict)
			id, ok := properties["MCID"].(float64)
			if !ok {
				if operands[0] != name("Artifact") {
					c.wrong("page %d: content that is marked as %v alone", n, operands[0])
				}
				break
			}
			key := [2]int{n, int(id)}
			if _, twice := c.marks[key]; twice {
				c.wrong("page %d: content %d is there twice", n, int(id))
			}
			c.marks[key] = false
			c.s.Marks++
			if int(id) != count || count >= len(parents) {
				c.wrong("page %d: content %d has no parent", n, int(id))
			} else if e := c.dict(parents[count]); e["S"] != operands[0] {
				c.wrong("page %d: content %d is marked as %v, its parent is %v", n, int(id), operands[0], e["S"])
			}
			count++
		case "EMC":
			if open--; open < 0 {
				throw("page %d: the end of a mark that did not begin", n)
			}
		case "Tf":
			if len(operands) > 0 {
				if f, ok := operands[0].(name); ok {
					shows = c.font(fonts[string(f)])
				}
			}
		case "Tj":
			if len(operands) > 0 {
				s, _ := operands[0].(text)
				for ; len(s) >= 2; s = s[2:] {
					if code := uint16(s[0])<<8 | uint16(s[1]); !shows[code] {
						c.wrong("page %d: character %d can't be extracted", n, code)
					}
				}
			}
		}
		if open == 0 && slices.Contains(paints, op) {
			c.wrong("page %d: %s outside of marked content", n, op)
		}
		operands = operands[:0]
	}
	if open != 0 {
		c.wrong("page %d: marked content does not end", n)
	}
	if count != len(parents) {
		c.wrong("page %d: %d pieces of content, %d parents", n, count, len(parents))
	}
}

// font reads which codes of a font have a meaning.
func (c *checker) font(o any) map[uint16]bool {
	r, _ := o.(ref)
	if shows, ok := c.fonts[r]; ok {
		return shows
	}
	shows := map[uint16]bool{}
	c.fonts[r] = shows
	f := c.dict(o)
	for _, below := range c.array(f["DescendantFonts"]) {
		if _, ok := c.get(c.dict(c.dict(below)["FontDescriptor"])["FontFile2"]).(stream); !ok {
			c.wrong("a font is not embedded")
		}
	}
	meanings, ok := c.get(f["ToUnicode"]).(stream)
	if !ok {
		return shows
	}
	for l := range strings.Lines(string(c.unpack(meanings))) {
		if code, to, ok := strings.Cut(strings.TrimPrefix(l, "<"), "><"); ok && len(to) >= 6 && to[0] != '>' && len(code) == 4 {
			if n, err := strconv.ParseUint(code, 16, 16); err == nil && n > 0 {
				shows[uint16(n)] = true
			}
		}
	}
	delete(shows, 0)
	return shows
}

func (c *checker) target(dest any, what string) {
	to := c.array(dest)
	if len(to) == 0 {
		c.wrong("%s leads nowhere", what)
		return
	}
	if r, _ := to[0].(ref); c.pages[r] == 0 {
		c.wrong("%s leads to no page", what)
	}
}

// partsOf are the elements that others may have, where these are not free.
var partsOf = map[name][]name{
	"L": {"LI"}, "LI": {"Lbl", "LBody"}, "Table": {"TR"}, "TR": {"TH", "TD"}, "TOC": {"TOCI", "TOC"}, "TOCI": {"Reference"}, "Reference": {"Link"},
}

// known are the types of elements that this package uses, all of ISO 32000-1, §14.8.4.
var known = []name{"Document", "Sect", "Div", "H1", "H2", "H3", "P", "L", "LI", "Lbl", "LBody", "Table", "TR", "TH", "TD", "TOC", "TOCI", "Reference", "Link", "Figure"}

// element checks one with all below it, and returns its type.
func (c *checker) element(o any, under name, depth int) name {
	r, _ := o.(ref)
	if c.seen[r] || depth > deepest {
		c.wrong("an element of the structure is in it twice")
		return ""
	}
	c.seen[r] = true
	e := c.dict(o)
	tag, _ := e["S"].(name)
	c.s.Tags[string(tag)]++
	if !slices.Contains(known, tag) {
		c.wrong("an element of type %q", tag)
	}
	if allowed := partsOf[under]; allowed != nil && !slices.Contains(allowed, tag) {
		c.wrong("%s within %s", tag, under)
	}
	attributes := c.dict(e["A"])
	switch tag {
	case "H1", "H2", "H3":
		level := int(tag[1] - '0')
		if level > c.level+1 {
			c.wrong("a heading of level %d follows one of level %d", level, c.level)
		}
		c.level = level
	case "TH":
		if s := attributes["Scope"]; s != name("Row") && s != name("Column") {
			c.wrong("a header cell without scope")
		}
	case "Figure":
		if c.text(e["Alt"]) == "" {
			c.wrong("a figure without text")
		}
		if len(c.array(attributes["BBox"])) != 4 {
			c.wrong("a figure without its place")
		}
	case "L":
		if attributes["ListNumbering"] == nil {
			c.wrong("a list that does not say how it is numbered")
		}
	}
	if l, there := e["Lang"]; there && c.text(l) == "" {
		c.wrong("an empty language at %s", tag)
	}
	columns, hasLink := -1, false
	for _, k := range c.array(e["K"]) {
		switch k := k.(type) {
		case float64:
			c.marked(e, e["Pg"], k, o)
		case dict:
			if k["Type"] == name("OBJR") {
				link, _ := k["Obj"].(ref)
				hasLink = true
				c.seen[link] = true
				if key, ok := c.dict(link)["StructParent"].(float64); !ok || c.parents[int(key)] != o {
					c.wrong("a link with another parent than its element")
				}
				break
			}
			n, _ := k["MCID"].(float64)
			c.marked(e, k["Pg"], n, o)
		default:
			c.element(k, tag, depth+1)
			if tag == "Table" {
				n := len(c.array(c.dict(k)["K"]))
				if columns >= 0 && n != columns {
					c.wrong("a table with rows of %d and of %d cells", columns, n)
				}
				columns = n
			}
		}
	}
	if tag == "Link" && !hasLink {
		c.wrong("a link of the structure without one on a page")
	}
	return tag
}

// marked notes that an element has marked content n of a page.
func (c *checker) marked(e dict, page any, n float64, self any) {
	r, _ := page.(ref)
	key := [2]int{c.pages[r], int(n)}
	had, there := c.marks[key]
	switch {
	case !there:
		c.wrong("page %d: content %d of the structure is not there", key[0], key[1])
		return
	case had:
		c.wrong("page %d: content %d is in the structure twice", key[0], key[1])
	}
	c.marks[key] = true
	parents := c.parents[key[0]-1]
	if all := c.array(parents); key[1] >= len(all) || all[key[1]] != self {
		c.wrong("page %d: content %d has another parent than %v", key[0], key[1], e["S"])
	}
}

// bookmarks checks those below one and returns how many there are.
func (c *checker) bookmarks(above dict, depth int) (n int) {
	var before any
	for at := above["First"]; at != nil; {
		r, _ := at.(ref)
		if c.seen[r] || depth > deepest {
			c.wrong("bookmarks in a circle")
			return n
		}
		c.seen[r] = true
		b := c.dict(at)
		title := c.text(b["Title"])
		if strings.TrimSpace(title) == "" {
			c.wrong("a bookmark without text")
		}
		if b["Prev"] != before {
			c.wrong("bookmark %q: not after the one before it", title)
		}
		c.target(b["Dest"], fmt.Sprintf("bookmark %q", title))
		c.s.Bookmarks = append(c.s.Bookmarks, title)
		n += 1 + c.bookmarks(b, depth+1)
		before, at = at, b["Next"]
	}
	return n
}
