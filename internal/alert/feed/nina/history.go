package nina

import (
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/tree"
)

// Past is the name under which the extras of a warning hold each message it went through.
const Past = "history"

// History reads the archive of a warning of MoWaS into the warning that a list has of it:
// through which messages it went, and which of them had another identifier. The archive
// names a message by its identifier and when it was archived ("…_20230121112659.json").
func History(w *feed.Warning, doc []byte) *tree.Fault {
	d, f := tree.Parse(doc, limits)
	if f != nil {
		return f
	}
	if d.Syntax != tree.JSON || d.Root.Get("history") == nil || d.Root.Get("history").Kind != tree.Array {
		return feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "JSON: history"})
	}
	own := strings.TrimPrefix(w.ID, "nina/")
	w.Extra, w.Replaces = slices.Clone(w.Extra), slices.Clone(w.Replaces)
	for i, m := range d.Root.All("history") {
		if i == maxHistory {
			break
		}
		id := m.Get("identifier").Value()
		if at := strings.LastIndexByte(id, '_'); at > 0 {
			id = id[:at]
		}
		id = strings.TrimSuffix(id, ".json")
		if id == "" {
			w.Deviations = append(slices.Clone(w.Deviations), feed.Doubt(m, "/history", "lacks", map[string]any{"name": "identifier"}))
			continue
		}
		w.Extra = append(w.Extra, cap.Pair{Name: Past, Value: strings.Join(strings.Fields(m.Get("sent").Value()+" "+m.Get("msgType").Value()+" "+m.Get("headline").Value()), " ")})
		// Others refer to a message of MoWaS without the letters by which the lists know it.
		for _, name := range []string{id, strings.TrimPrefix(id, "mow.")} {
			if id != own && !slices.Contains(w.Replaces, name) {
				w.Replaces = append(w.Replaces, name)
			}
		}
	}
	return nil
}

// maxHistory bounds what of a warning's past is kept.
const maxHistory = 100
