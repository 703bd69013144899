package outlet

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Renderer makes the renderings of items. It keeps nothing and fetches nothing.
type Renderer struct {
	Voice
	Areas *area.Table
	Clock *clock.Clock
	// Base is the address under which everybody finds the node; "": not known.
	Base string
	// Node names the node in identifiers that must be the only ones in the world.
	Node string
}

// Rendering is an item in one form.
type Rendering struct {
	Name string // atom, cap, original, edxl, geojson, pdf, short, speech, ssml, cell
	Lang i18n.Lang
	MIME string
	Path string // where others fetch it; "" inside of another document
	Body []byte // nil: too large or elsewhere; Path has it
}

// Langs are the languages a notice is given in: those it is written in, of the product's;
// of a relay at least its first, with the frame in English where that is none of them.
func (i *Item) Langs() (all []i18n.Lang) {
	for _, t := range i.Texts {
		if l := langOf(t.Language); slices.Contains(i18n.Langs, l) && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return []i18n.Lang{i18n.En}
	}
	return all
}

// space is the part of an address that keeps exercises apart from reality.
func space(k store.Kind) string {
	if k == store.Live {
		return ""
	}
	return "/" + string(k)
}

// path is where a file of an item is fetched.
func (i *Item) path(file string) string {
	return "/outlet/" + string(i.kind) + "/" + url.PathEscape(i.ID) + "/" + file
}

// address is where the document of an item is: signed of an own notice, unmodified of a
// relay. A relay without one has "".
func (r *Renderer) address(i *Item) string {
	switch {
	case i.origin == OwnNotice:
		return r.Base + "/cap" + space(i.kind) + "/message/" + i.revision
	case i.original != "":
		return r.Base + i.path("original")
	}
	return ""
}

// Renderings are all forms of an item for a reader of a language: what goes out, as it
// goes out. The page of a notice previews them; nothing is sent by making them.
func (r *Renderer) Renderings(i *Item, l i18n.Lang) (all []Rendering, err error) {
	put := func(name, mime, path string, body []byte) {
		all = append(all, Rendering{name, l, mime, path, body})
	}
	atom, err := r.Atom(Feed{Lang: l, Kind: i.kind, Items: []*Item{i}, Updated: i.Updated})
	if err != nil {
		return nil, err
	}
	put("atom", "application/atom+xml", "/cap"+space(i.kind)+"/feed.atom", atom)
	if i.origin == OwnNotice {
		put("cap", "application/cap+xml", strings.TrimPrefix(r.address(i), r.Base), i.document)
	} else if a := r.address(i); a != "" {
		put("original", "", strings.TrimPrefix(a, r.Base), nil)
	}
	envelope, err := r.EDXL(i)
	if err != nil {
		return nil, err
	}
	put("edxl", "application/xml", i.path("edxl.xml"), envelope)
	geo, err := json.MarshalIndent(r.Feature(i, l), "", " ")
	if err != nil {
		return nil, err
	}
	put("geojson", "application/geo+json", "/api/alerts.geojson", geo)
	poster, err := r.Poster(i, l)
	if err != nil {
		return nil, err
	}
	put("pdf", "application/pdf", i.path("notice.pdf")+"?lang="+string(l), poster)
	all = append(all, r.Said(i, l)...)
	cell, err := json.MarshalIndent(apiHandover(r.Handover(i)), "", " ")
	if err != nil {
		return nil, err
	}
	put("cell", "application/json", i.path("cell.json"), cell)
	return all, nil
}

// Said are those of them that people read or hear: on displays, from a loudspeaker.
func (r *Renderer) Said(i *Item, l i18n.Lang) []Rendering {
	speech := r.Speak(i, l)
	return []Rendering{
		// A display shows the lines in turn.
		{"short", l, "text/plain", "", []byte(strings.Join(append([]string{r.Short(i, l)}, lines(r.Marks(i, l))...), "\n") + "\n")},
		{"speech", l, "text/plain", i.path("speech.txt") + "?lang=" + string(l), []byte(speech.Plain)},
		{"ssml", l, "application/ssml+xml", i.path("speech.ssml") + "?lang=" + string(l), []byte(speech.SSML)},
	}
}

// Poster makes a notice for the board on the wall, of languages or, without any, of all
// it is written in.
func (r *Renderer) Poster(i *Item, langs ...i18n.Lang) ([]byte, error) {
	if len(langs) == 0 {
		langs = i.Langs()
	}
	return r.poster(i, langs)
}
