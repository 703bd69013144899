package intake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
)

// Diagnosis is why a look at a feed came to nothing, for the person who sees to it.
type Diagnosis struct {
	Key      string    `json:"key"`
	Args     i18n.Args `json:"args"`
	Address  string    `json:"address"`
	Line     int       `json:"line,omitempty"` // of the document
	Text     string    `json:"text,omitempty"` // what stands there
	Document int64     `json:"document,omitempty"`

	after time.Duration // the sender asks not to be asked before
}

func (d *Diagnosis) Error() string { return fmt.Sprintf("intake: %s: %s %v", d.Address, d.Key, d.Args) }

// decodeArgs reads stored arguments: whole numbers stay whole, so that they have a plural.
func decodeArgs(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

func whole(args i18n.Args) i18n.Args {
	for k, v := range args {
		if n, ok := v.(json.Number); ok {
			if i, err := n.Int64(); err == nil {
				args[k] = i
			} else if f, err := n.Float64(); err == nil {
				args[k] = f
			}
		}
	}
	return args
}

// notUnderstood is the fault of a parser with what stands at its place.
func notUnderstood(f *tree.Fault, address string, body []byte) *Diagnosis {
	return &Diagnosis{Key: f.Key, Args: f.Args, Address: address, Line: f.Line, Text: excerpt(body, f.Line)}
}

// shownText bounds what of a line is shown, in runes.
const shownText = 160

// excerpt is a line of a document as plain text; "" of an archive.
func excerpt(body []byte, line int) string {
	if line < 1 || bytes.HasPrefix(body, []byte("PK")) {
		return ""
	}
	for ; line > 1; line-- {
		_, rest, more := bytes.Cut(body, []byte("\n"))
		if !more {
			return ""
		}
		body = rest
	}
	text, _, _ := bytes.Cut(body[:min(len(body), 4*shownText)], []byte("\n"))
	return harmless(string(text))
}

// harmless is a text of a stranger without what would disturb a page or a terminal.
func harmless(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	if runes := []rune(strings.TrimSpace(s)); len(runes) > shownText {
		return string(runes[:shownText]) + "…"
	}
	return strings.TrimSpace(s)
}

// page is the title of an answer that is a page for people, where a document was
// expected; false for anything else.
func page(body []byte) (title string, is bool) {
	head := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(body[:min(len(body), 64<<10)], []byte("\xef\xbb\xbf")), " \t\r\n"))
	if !bytes.HasPrefix(head, []byte("<!doctype html")) && !bytes.HasPrefix(head, []byte("<html")) {
		return "", false
	}
	if _, rest, ok := bytes.Cut(head, []byte("<title>")); ok {
		t, _, _ := bytes.Cut(rest, []byte("</title>"))
		title = harmless(string(t))
	}
	return title, true
}
