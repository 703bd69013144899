package feeds

import (
	"encoding/xml"
	"strings"
)

// writer writes XML by hand, as the senders' own programs do.
type writer struct{ strings.Builder }

func newXML() *writer {
	w := &writer{}
	w.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	return w
}

func (w *writer) text(s string) { _ = xml.EscapeText(w, []byte(s)) } // a Builder takes everything

func (w *writer) open(name string, attributes ...string) *writer {
	w.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.WriteString(" " + attributes[i] + `="`)
		w.text(attributes[i+1])
		w.WriteString(`"`)
	}
	w.WriteString(">\n")
	return w
}

func (w *writer) close(name string) *writer {
	w.WriteString("</" + name + ">\n")
	return w
}

func (w *writer) leaf(name, value string) *writer {
	w.WriteString("<" + name + ">")
	w.text(value)
	w.WriteString("</" + name + ">\n")
	return w
}

// pair is a value with its name, as CAP has them.
func (w *writer) pair(name, valueName, value string) *writer {
	return w.open(name).leaf("valueName", valueName).leaf("value", value).close(name)
}
