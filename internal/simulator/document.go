package simulator

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxDepth is the deepest that the profiles permit.
const MaxDepth = 16

// high are the characters 0x80 to 0xFF of windows-1250; a dot of its own is none.
var high = []rune("€\uFFFD‚\uFFFD„…†‡\uFFFD‰Š‹ŚŤŽŹ\uFFFD‘’“”•–—\uFFFD™š›śťžź" +
	"\u00A0ˇ˘Ł¤Ą¦§¨©Ş«¬\u00AD®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľżŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙")

var errEncoding = errors.New("simulator: encoding")

// charset reads windows-1250.
func charset(label string, in io.Reader) (io.Reader, error) {
	if !strings.EqualFold(label, "windows-1250") {
		return nil, errEncoding
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, c := range text {
		switch {
		case c < 0x80:
			b.WriteByte(c)
		case high[c-0x80] == utf8.RuneError:
			return nil, errEncoding
		default:
			b.WriteRune(high[c-0x80])
		}
	}
	return strings.NewReader(b.String()), nil
}

// Windows1250 is a text in windows-1250, with a question mark for what it lacks.
func Windows1250(text string) []byte {
	var b []byte
	for _, r := range text {
		c := byte('?')
		if r < 0x80 {
			c = byte(r)
		}
		for i, h := range high {
			if h == r && r != utf8.RuneError {
				c = byte(0x80 + i)
			}
		}
		b = append(b, c)
	}
	return b
}

// oneByte gives bytes one by one (io.ByteReader), so that a decoder that changes its
// encoding has not read ahead.
type oneByte struct{ *bytes.Reader }

// ReadXML reads a document of XML of at most max bytes and without a document type;
// texts are trimmed.
func ReadXML(message []byte, max int) (Node, []Fault) {
	if len(message) > max {
		return Node{}, []Fault{{TooBig, "", fmt.Sprintf("%d bytes", len(message))}}
	}
	dec := xml.NewDecoder(oneByte{bytes.NewReader(message)})
	dec.CharsetReader = charset
	var path []*Node
	root := Node{}
	for {
		token, err := dec.Token()
		switch {
		case err == io.EOF && len(root.Kids) == 1:
			return root.Kids[0], nil
		case errors.Is(err, errEncoding), err != nil && strings.Contains(err.Error(), "UTF-8"):
			return Node{}, []Fault{{Encoding, "", err.Error()}}
		case err != nil:
			return Node{}, []Fault{{Unreadable, "", err.Error()}}
		}
		top := &root
		if len(path) > 0 {
			top = path[len(path)-1]
		}
		switch t := token.(type) {
		case xml.StartElement:
			n := Node{Name: t.Name.Local, Space: t.Name.Space}
			for _, a := range t.Attr {
				if a.Name.Local == "xmlns" || a.Name.Space == "xmlns" {
					continue
				}
				if n.Attributes == nil {
					n.Attributes = map[string]string{}
				}
				n.Attributes[a.Name.Local] = a.Value
			}
			top.Kids = append(top.Kids, n)
			if path = append(path, &top.Kids[len(top.Kids)-1]); len(path) > MaxDepth {
				return Node{}, []Fault{{TooBig, "", "too deep"}}
			}
		case xml.EndElement:
			if len(top.Kids) == 0 {
				top.Sort, top.Text = String, strings.TrimSpace(top.Text)
			}
			path = path[:len(path)-1]
		case xml.CharData:
			top.Text += string(t)
		case xml.Directive:
			return Node{}, []Fault{{Unreadable, "", "a document type"}}
		case xml.ProcInst:
			if t.Target != "xml" {
				return Node{}, []Fault{{Unreadable, "", "a processing instruction"}}
			}
		}
	}
}

// ReadJSON reads a JSON object of at most max bytes and without repeated names.
func ReadJSON(message []byte, max int) (Node, []Fault) {
	switch {
	case len(message) > max:
		return Node{}, []Fault{{TooBig, "", fmt.Sprintf("%d bytes", len(message))}}
	case !utf8.Valid(message):
		return Node{}, []Fault{{Encoding, "", "no UTF-8"}}
	}
	dec := json.NewDecoder(bytes.NewReader(message))
	dec.UseNumber()
	n, err := value(dec, 1)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("something behind the object")
		}
	}
	switch {
	case errors.Is(err, errDeep):
		return Node{}, []Fault{{TooBig, "", "too deep"}}
	case err != nil:
		return Node{}, []Fault{{Unreadable, "", err.Error()}}
	case n.Sort != Group:
		return Node{}, []Fault{{Unreadable, "", "no object"}}
	}
	return n, nil
}

var errDeep = errors.New("simulator: too deep")

func value(dec *json.Decoder, depth int) (Node, error) {
	if depth > MaxDepth {
		return Node{}, errDeep
	}
	token, err := dec.Token()
	if err != nil {
		return Node{}, err
	}
	switch t := token.(type) {
	case string:
		return Node{Sort: String, Text: t}, nil
	case json.Number:
		return Node{Sort: Number, Text: t.String()}, nil
	case bool:
		return Node{Sort: Bool, Text: fmt.Sprint(t)}, nil
	case nil:
		return Node{Sort: Null}, nil
	}
	n := Node{}
	if token == json.Delim('[') {
		n.Sort = Array
	}
	seen := map[string]bool{}
	for dec.More() {
		name := ""
		if n.Sort == Group {
			key, err := dec.Token()
			if err != nil {
				return n, err
			}
			if name, _ = key.(string); seen[name] { // the decoder gives names only here
				return n, fmt.Errorf("the name %q twice", name)
			}
			seen[name] = true
		}
		k, err := value(dec, depth+1)
		if err != nil {
			return n, err
		}
		k.Name = name
		n.Kids = append(n.Kids, k)
	}
	_, err = dec.Token()
	return n, err
}

// Short is a text of at most max characters.
func Short(text string, max int) string {
	if r := []rune(text); len(r) > max {
		return string(r[:max-1]) + "…"
	}
	return text
}
