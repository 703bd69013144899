package tree

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"trojmezi/internal/format/strictjson"
)

// indent is one level of a written document.
const indent = "  "

// AppendJSON writes a tree as JSON, one value a line. Elements of XML come out as
// members; those that repeat as an array at the place of the first.
func AppendJSON(dst []byte, n *Node) []byte { return append(appendJSON(dst, n, "\n"), '\n') }

func appendJSON(dst []byte, n *Node, line string) []byte {
	switch n.Kind {
	case Object:
		return appendMembers(dst, n, line)
	case Array:
		return appendElements(dst, n.Kids, line)
	case String:
		return appendVisible(dst, strictjson.AppendString(nil, n.Text), `\u%04x`)
	default:
		return append(dst, n.Text...)
	}
}

func appendMembers(dst []byte, n *Node, line string) []byte {
	if len(n.Kids) == 0 {
		return append(dst, "{}"...)
	}
	alike := map[string][]*Node{}
	for _, k := range n.Kids {
		alike[k.Name] = append(alike[k.Name], k)
	}
	dst = append(dst, '{')
	inner := line + indent
	first := true
	for _, k := range n.Kids {
		all := alike[k.Name]
		if all == nil {
			continue // it stands in the array of the first
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, inner...)
		dst = append(appendVisible(dst, strictjson.AppendString(nil, k.Name), `\u%04x`), ": "...)
		if alike[k.Name] = nil; len(all) == 1 {
			dst = appendJSON(dst, k, inner)
		} else {
			dst = appendElements(dst, all, inner)
		}
	}
	return append(append(dst, line...), '}')
}

func appendElements(dst []byte, list []*Node, line string) []byte {
	if len(list) == 0 {
		return append(dst, "[]"...)
	}
	dst = append(dst, '[')
	inner := line + indent
	for i, k := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(append(dst, inner...), k, inner)
	}
	return append(append(dst, line...), ']')
}

// AppendXML writes a tree as an XML document in UTF-8. A namespace is declared
// where it changes; that of an attribute at the root, with the prefix of its name,
// which must mean the same throughout.
func AppendXML(dst []byte, n *Node) []byte {
	dst = append(dst, xml.Header...)
	prefixes := map[string]string{}
	n.prefixes(prefixes)
	return append(appendXML(dst, n, "", "\n", prefixes), '\n')
}

// prefixes gathers those of attributes, with their namespaces.
func (n *Node) prefixes(all map[string]string) {
	for _, k := range n.Kids {
		if prefix, _, ok := strings.Cut(strings.TrimPrefix(k.Name, AttributeMark), ":"); ok && k.Name != prefix && k.Space != "" && k.Space != spaceXML {
			all[prefix] = k.Space
		}
		k.prefixes(all)
	}
}

// appendXML declares the prefixes, if any, at n.
func appendXML(dst []byte, n *Node, space, line string, prefixes map[string]string) []byte {
	dst = append(append(dst, '<'), n.Name...)
	if n.Space != space {
		dst = append(appendText(append(dst, ` xmlns="`...), n.Space), '"')
	}
	for _, p := range slices.Sorted(maps.Keys(prefixes)) {
		dst = append(appendText(append(append(append(dst, ` xmlns:`...), p...), `="`...), prefixes[p]), '"')
	}
	var kids []*Node
	for _, k := range n.Kids {
		name, isAttribute := strings.CutPrefix(k.Name, AttributeMark)
		if !isAttribute {
			kids = append(kids, k)
			continue
		}
		dst = append(append(append(dst, ' '), name...), `="`...)
		dst = append(appendText(dst, k.Text), '"')
	}
	if n.Text == "" && len(kids) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	if n.Kind != Object {
		dst = appendContent(dst, n.Text)
	} else {
		inner := line + indent
		for _, k := range kids {
			if k.Name == TextName {
				dst = appendContent(dst, k.Text)
				continue
			}
			dst = appendXML(append(dst, inner...), k, n.Space, inner, nil)
		}
		if len(kids) != 1 || kids[0].Name != TextName {
			dst = append(dst, line...)
		}
	}
	return append(append(append(dst, "</"...), n.Name...), '>')
}

// appendText writes text so that it means the same in an element and between
// quotation marks; a character that XML cannot hold becomes U+FFFD.
func appendText(dst []byte, text string) []byte {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes all
	return appendVisible(dst, b.Bytes(), "&#x%X;")
}

// appendVisible writes as references the characters that move a cursor or turn the
// direction of writing: they mean the same, and whoever looks at the document sees
// what is in it.
func appendVisible(dst, text []byte, form string) []byte {
	if !bytes.ContainsFunc(text, unseen) {
		return append(dst, text...)
	}
	for _, c := range string(text) {
		if unseen(c) {
			dst = fmt.Appendf(dst, form, c)
		} else {
			dst = utf8.AppendRune(dst, c)
		}
	}
	return dst
}

func unseen(c rune) bool {
	return c >= 0x7F && c < 0xA0 || c > 0xFF && unicode.Is(unicode.Bidi_Control, c)
}

// appendContent writes text within an element, where lines may stay lines.
func appendContent(dst []byte, text string) []byte {
	return append(dst, strings.NewReplacer("&#xA;", "\n", "&#x9;", "\t", "&#39;", "'", "&#34;", `"`).Replace(string(appendText(nil, text)))...)
}
