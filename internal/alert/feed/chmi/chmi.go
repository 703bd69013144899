// Package chmi reads the bulletin of the Czech Hydrometeorological Institute: one CAP
// message with all warnings in force of the weather service (SIVS) and the flood
// service (HPPS), each in Czech and in English, for areas by code and never by shape.
// For package feed.
//
// The bulletin was not seen live: its format is known from notes of others. A warning
// has no identifier and no end of its own in it: it is what has the same code, beginning
// and areas in the next bulletin, and it is over when it is not in it.
package chmi

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Feed is the bulletin XOCZ50_OKPR.
func Feed() feed.Feed {
	return feed.Feed{Name: "chmi", Title: "Český hydrometeorologický ústav", Knowledge: feed.Description, Parse: new(reader).parse}
}

// reader knows the bulletin before: most of the next one stands there already, and what
// was made of that is made of it again only where the bulletin's own time goes into it.
// What it gives is what it would give without.
type reader struct {
	mu   sync.Mutex
	caps cap.Reader
	made []feed.Warning // of each info; without a source: a placeholder
}

func (m *reader) parse(doc []byte) (*feed.Reading, *tree.Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, found, f, same := m.caps.Read(doc)
	before := m.made
	m.made = nil
	switch {
	case f != nil:
		return nil, f
	case a == nil:
		return nil, feed.Refuse(1, "format", map[string]any{"wanted": "CAP"})
	}
	r := &feed.Reading{Whole: true, Dated: true, Deviations: slices.DeleteFunc(slices.Clone(found), func(d shape.Deviation) bool { return strings.HasPrefix(d.Path, infoPath) })}
	issued, wrong := feed.CAPMoment(a.Sent)
	r.Issued = issued
	if wrong != "" || len(found) > 0 {
		same, before = nil, nil // each warning says so of itself
	}
	made := make([]feed.Warning, len(a.Infos))
	byKey := map[string]int{}
	for i := range a.Infos {
		info := &a.Infos[i]
		if quiet(info) {
			r.Quiet++
			continue
		}
		var w feed.Warning
		if same != nil && same[i] >= 0 && same[i] < len(before) {
			w = before[same[i]]
			w.Sent, w.Status, w.State = issued, statusOf(a, info), feed.StateOf(a, info)
		} else {
			w = warning(a, info, statusOf(a, info))
		}
		made[i] = w
		w.Texts, w.Deviations = slices.Clip(w.Texts), slices.Clip(w.Deviations) // to be joined in a list of their own
		w.Deviations = append(w.Deviations, of(found, i, len(a.Infos))...)
		at, known := byKey[w.ID]
		switch {
		case !known:
			byKey[w.ID] = len(r.Warnings)
			r.Warnings = append(r.Warnings, w)
		case slices.Contains(r.Warnings[at].Languages(), w.Texts[0].Language):
			// Two of one language are two warnings, whatever they have in common.
			w.Deviations = append(w.Deviations, feed.DoubtAt("/alert/info/event", "same", w.Event))
			w.ID += "#" + short(w.Texts[0].Event+"\n"+w.Texts[0].Description)
			byKey[w.ID] = len(r.Warnings)
			r.Warnings = append(r.Warnings, w)
		default:
			if w.Status != feed.Actual { // it is enough that one language says so
				r.Warnings[at].Status = w.Status
			}
			r.Warnings[at].Texts = append(r.Warnings[at].Texts, w.Texts...)
			r.Warnings[at].Deviations = append(r.Warnings[at].Deviations, w.Deviations...)
		}
	}
	for i := range r.Warnings {
		czechFirst(&r.Warnings[i])
	}
	if wrong == "" && len(found) == 0 {
		m.made = made
	}
	return r, nil
}

// statusOf is what a warning of the bulletin is for. Its headline tells an exercise that is
// sent as if it were none, and speaks for itself alone: the others are in earnest.
func statusOf(a *cap.Alert, info *cap.Info) feed.Status {
	one := cap.Alert{Status: a.Status, Note: a.Note, Infos: []cap.Info{{Headline: info.Headline, Event: info.Event}}}
	return feed.StatusOf(&one)
}

// infoPath is where the path of every info begins; a number follows if there are several.
const infoPath = "/alert/info"

// of are the deviations within an info.
func of(found []shape.Deviation, i, n int) (own []shape.Deviation) {
	path := infoPath
	if n > 1 {
		path += "/" + strconv.Itoa(i)
	}
	for _, d := range found {
		if d.Path == path || strings.HasPrefix(d.Path, path+"/") {
			own = append(own, d)
		}
	}
	return own
}

// quiet reports whether an info is one of the bulletin's placeholders, which say for an
// area that there is no warning.
func quiet(f *cap.Info) bool {
	return f.Severity == "Minor" && f.Certainty == "Unlikely" && f.Expires == "" && !slices.ContainsFunc(f.ResponseTypes, func(r string) bool { return r != "None" })
}

func warning(a *cap.Alert, f *cap.Info, status feed.Status) feed.Warning {
	sent, onset, expires, odd := feed.TimesOf(a, f)
	w := feed.Warning{
		Source: "chmi", Sender: "ČHMÚ", Code: code(f), Level: feed.ColourOf(f), Sent: sent, Onset: onset, Expires: expires,
		Status: status, State: feed.StateOf(a, f), Areas: feed.AreasOf(f), Texts: []feed.Text{feed.TextOf(f)}, Extra: extra(f),
	}
	// No name of a forecaster: the sender is the institute (parameter senderName is not read).
	w.Event = w.Texts[0].Event
	w.ID = strings.Join([]string{"chmi", cmp.Or(w.Code, "?"+f.Severity), onset.Text, codes(w.Areas)}, "/")
	for _, o := range odd {
		w.Deviations = append(w.Deviations, o.Doubt(w.Event))
	}
	return w
}

// code is that of the event, with its list.
func code(f *cap.Info) string {
	for _, list := range []string{"SIVS", "HPPS"} {
		if c := strings.TrimSpace(cap.Value(f.EventCodes, list)); c != "" {
			return list + ":" + c
		}
	}
	return ""
}

// extra is what the flood service adds: "river, station, cm, m3/s, trend", and the
// outlook; and the kind of danger in MeteoAlarm's words, by which copies are known.
func extra(f *cap.Info) (all []cap.Pair) {
	for _, p := range f.Parameters {
		if p.Name == "floodWarning" || p.Name == "hydroOutlook" || p.Name == "awareness_type" {
			all = append(all, p)
		}
	}
	return all
}

// codes name those of the areas, sorted: an area is its codes, not its name.
func codes(areas []feed.Area) string {
	byScheme := map[string][]string{}
	n := 0
	for _, a := range areas {
		n += len(a.Codes)
	}
	for _, a := range areas {
		for _, c := range a.Codes {
			list, ok := byScheme[c.Scheme]
			if !ok {
				list = make([]string, 0, n/(len(byScheme)+2)+1)
			}
			byScheme[c.Scheme] = append(list, c.Value)
		}
	}
	text := make([]byte, 0, 16*n)
	for _, scheme := range slices.Sorted(maps.Keys(byScheme)) {
		values := byScheme[scheme]
		if !slices.IsSorted(values) {
			slices.Sort(values)
		}
		for _, v := range slices.Compact(values) {
			if len(text) > 0 {
				text = append(text, ' ')
			}
			text = append(append(append(text, scheme...), '='), v...)
		}
	}
	return name(text)
}

func name(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

func short(text string) string { return name([]byte(text)) }

// czechFirst puts the language first in which the institute writes.
func czechFirst(w *feed.Warning) {
	slices.SortStableFunc(w.Texts, func(a, b feed.Text) int { return cmp.Compare(rank(a.Language), rank(b.Language)) })
	w.Event = w.Texts[0].Event
}

func rank(language string) int {
	if main, _, _ := strings.Cut(language, "-"); strings.EqualFold(main, "cs") {
		return 0
	}
	return 1
}
