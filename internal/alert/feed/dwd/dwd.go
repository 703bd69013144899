// Package dwd reads the warnings of the German weather service: CAP messages, one for
// each warning, alone or in the ZIP archive in which the service gives them. For package
// feed.
//
// One message of 2017 was read; the archive, and what has changed since, was not seen
// live. A warning is its CAP identifier; an update names those that it replaces.
package dwd

import (
	"archive/zip"
	"bytes"
	"io"
	"runtime"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/tree"
)

// Feed is the archive COMMUNEUNION or DISTRICT. Its state (STAT) holds everything in
// force; of its changes (DIFF) the same cannot be said: whoever configures one says
// which it is, and a message alone is never the whole.
func Feed() feed.Feed {
	return feed.Feed{Name: "dwd", Title: "Deutscher Wetterdienst", Knowledge: feed.Capture, Parse: parse}
}

// The limits of an archive: messages, and bytes of all of them together.
const (
	maxFiles = 5000
	maxBytes = 20 << 20
	// sweep is after how many bytes of an archive what reading has left is cleared away: a
	// large one would otherwise take twice its size.
	sweep = 1 << 20
)

func parse(doc []byte) (*feed.Reading, *tree.Fault) {
	r := &feed.Reading{}
	if !bytes.HasPrefix(doc, []byte("PK")) {
		if f := message(r, doc); f != nil {
			return nil, f
		}
		return r, nil
	}
	archive, err := zip.NewReader(bytes.NewReader(doc), int64(len(doc)))
	if err != nil {
		return nil, broken(err)
	}
	if len(archive.File) > maxFiles {
		return nil, feed.Refuse(1, "zip", map[string]any{"found": "files"})
	}
	left, since := int64(maxBytes), 0
	for _, file := range archive.File {
		if file.FileInfo().IsDir() {
			continue
		}
		text, err := inflate(file, min(left, int64(cap.Limits.Bytes)))
		if err != nil {
			return nil, broken(err)
		}
		if left -= int64(len(text)); left <= 0 {
			return nil, feed.Refuse(1, "zip", map[string]any{"found": "bytes"})
		}
		if since += len(text); since > sweep {
			since = 0
			runtime.GC()
		}
		if f := message(r, text); f != nil {
			return nil, f // half an archive says nothing about what is over
		}
	}
	r.Whole = true
	return r, nil
}

func broken(err error) *tree.Fault {
	return feed.Refuse(1, "zip", map[string]any{"found": err.Error()})
}

// inflate reads a file, and one byte more than may be left.
func inflate(file *zip.File, left int64) ([]byte, error) {
	in, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, left+1))
}

// colours are those of the service's four levels, which begin with yellow where others
// begin with green (from memory).
var colours = map[string]string{"Minor": "yellow", "Moderate": "orange", "Severe": "red", "Extreme": "violet"}

// message adds the warning of a CAP message to a reading.
func message(r *feed.Reading, doc []byte) *tree.Fault {
	a, found, f := cap.Read(doc)
	switch {
	case f != nil:
		return f
	case a == nil:
		return feed.Refuse(1, "format", map[string]any{"wanted": "CAP, ZIP"})
	}
	w := feed.Warning{ID: "dwd/" + a.Identifier, Originals: []string{a.Identifier}, Source: "dwd", Sender: "DWD", Status: feed.StatusOf(a), State: feed.InForce, Deviations: found}
	references, _ := cap.References(a.References)
	for _, ref := range references {
		w.Replaces = append(w.Replaces, ref.Identifier)
	}
	if a.MsgType == cap.TypeCancel {
		w.State = feed.Cancelled
	}
	w.Sent, _ = feed.CAPMoment(a.Sent)
	if w.Sent.At.After(r.Issued.At) {
		r.Issued = w.Sent
	}
	w.Texts = make([]feed.Text, 0, len(a.Infos))
	for i := range a.Infos {
		info := &a.Infos[i]
		w.Texts = append(w.Texts, feed.TextOf(info))
		if i > 0 {
			continue // other languages repeat the rest
		}
		var odd []feed.OddTime
		_, w.Onset, w.Expires, odd = feed.TimesOf(a, info)
		for _, o := range odd {
			w.Deviations = append(w.Deviations, o.Doubt(info.Event))
		}
		w.Level, w.Areas, w.State = feed.LevelOf(info.Severity), feed.AreasOf(info), feed.StateOf(a, info)
		w.Level.Colour = colours[info.Severity]
		if code := cap.Value(info.EventCodes, "II"); code != "" {
			w.Code = "II:" + code
		}
		w.Extra = info.Parameters
		w.Event = w.Texts[0].Event
	}
	r.Add(w)
	return nil
}
