package outlet

import (
	"bytes"
	"encoding/xml"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Spaces of what RFC 4287 has no word for: categories and elements of our own.
const (
	spaceAtom   = "http://www.w3.org/2005/Atom"
	spaceOutlet = "urn:trojmezi:outlet:1"
	// originScheme, kindScheme and levelScheme say what the terms of categories are.
	originScheme = "urn:trojmezi:origin"
	kindScheme   = "urn:trojmezi:kind"
	levelScheme  = "urn:trojmezi:colour"
)

// SourceState is how old the news of a source of official warnings are.
type SourceState struct {
	Name, Title string
	State       string    // current, stale, no_data
	Since       time.Time // from when it is stale; zero: it is not, or nothing ever came
}

// Feed is what a feed is made of.
type Feed struct {
	Lang    i18n.Lang
	Kind    store.Kind
	Path    string // its address at the node
	Area    string // for whom it is, in words; "": everybody
	Items   []*Item
	Sources []SourceState
	Updated time.Time
}

// Incomplete are the sources of which nothing current is known.
func (f *Feed) Incomplete() (all []SourceState) {
	for _, s := range f.Sources {
		if s.State != "current" {
			all = append(all, s)
		}
	}
	return all
}

type (
	atomFeed struct {
		XMLName  xml.Name     `xml:"feed"`
		Space    string       `xml:"xmlns,attr"`
		Own      string       `xml:"xmlns:tm,attr"`
		Lang     string       `xml:"xml:lang,attr"`
		ID       string       `xml:"id"`
		Title    string       `xml:"title"`
		Subtitle string       `xml:"subtitle,omitempty"`
		Updated  string       `xml:"updated"`
		Author   atomPerson   `xml:"author"`
		Links    []atomLink   `xml:"link"`
		Sources  []atomSource `xml:"tm:source"`
		Entries  []atomEntry  `xml:"entry"`
	}
	atomPerson struct {
		Name string `xml:"name"`
	}
	atomLink struct {
		Rel      string `xml:"rel,attr"`
		Type     string `xml:"type,attr,omitempty"`
		Hreflang string `xml:"hreflang,attr,omitempty"`
		Href     string `xml:"href,attr"`
	}
	atomCategory struct {
		Term   string `xml:"term,attr"`
		Scheme string `xml:"scheme,attr"`
		Label  string `xml:"label,attr,omitempty"`
	}
	atomSource struct {
		Name  string `xml:"name,attr"`
		State string `xml:"state,attr"`
		Since string `xml:"since,attr,omitempty"`
	}
	atomText struct {
		Type string `xml:"type,attr"`
		Lang string `xml:"xml:lang,attr,omitempty"`
		Text string `xml:",chardata"`
	}
	atomEntry struct {
		ID         string         `xml:"id"`
		Title      string         `xml:"title"`
		Updated    string         `xml:"updated"`
		Published  string         `xml:"published,omitempty"`
		Author     atomPerson     `xml:"author"`
		Categories []atomCategory `xml:"category"`
		Rights     string         `xml:"rights,omitempty"`
		Links      []atomLink     `xml:"link"`
		Summary    *atomText      `xml:"summary"`
		Content    *atomText      `xml:"content"`
		Received   string         `xml:"tm:received,omitempty"`
		Expires    string         `xml:"tm:expires,omitempty"`
		Silent     string         `xml:"tm:silent-since,omitempty"`
	}
)

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Atom writes a feed (spec: RFC 4287). It says first of all what it does not know: that
// nothing is listed never means that nothing is warned of.
func (r *Renderer) Atom(f Feed) ([]byte, error) {
	out := atomFeed{Space: spaceAtom, Own: spaceOutlet, Lang: string(f.Lang), ID: "urn:trojmezi:outlet:" + r.Node + ":" + string(f.Kind) + strings.ReplaceAll(f.Path, "/", ":"),
		Title: r.Texts.Text(f.Lang, "outlet.feed."+string(f.Kind), nil), Updated: f.Updated.UTC().Format(time.RFC3339), Author: atomPerson{"Trojmezí"}}
	if f.Area != "" {
		out.Title += ": " + f.Area
	}
	if f.Path != "" {
		out.Links = []atomLink{{Rel: "self", Type: "application/atom+xml", Href: r.Base + f.Path}}
	}
	var silent []string
	last := time.Unix(0, 0)
	for _, s := range f.Sources {
		out.Sources = append(out.Sources, atomSource{s.Name, s.State, stamp(s.Since)})
	}
	for _, s := range f.Incomplete() {
		silent = append(silent, r.sourceLine(f.Lang, s))
		if s.Since.After(last) {
			last = s.Since
		}
	}
	if len(silent) > 0 {
		text := r.Texts.Text(f.Lang, "outlet.incomplete", nil) + "\n" + strings.Join(silent, "\n")
		out.Subtitle = text
		// Readers show entries and little else.
		out.Entries = append(out.Entries, atomEntry{ID: out.ID + ":sources", Title: r.Texts.Text(f.Lang, "outlet.incomplete.title", nil), Updated: stamp(last), Author: out.Author,
			Categories: []atomCategory{{Term: "no-data", Scheme: originScheme}, {Term: string(f.Kind), Scheme: kindScheme}}, Content: &atomText{Type: "text", Text: text}})
	}
	for _, i := range f.Items {
		out.Entries = append(out.Entries, r.entry(i, f.Lang))
	}
	body, err := xml.MarshalIndent(out, "", " ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	b.Write(body)
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// sourceLine says what is known of a source that is not current.
func (v Voice) sourceLine(l i18n.Lang, s SourceState) string {
	if s.Since.IsZero() {
		return v.Texts.Text(l, "outlet.source.no_data", i18n.Args{"name": s.Title})
	}
	return v.Texts.Text(l, "outlet.source.stale", i18n.Args{"name": s.Title, "time": s.Since})
}

// entry is an item. The content is what was written, byte for byte; all that is said
// about it stands in elements of its own.
func (r *Renderer) entry(i *Item, l i18n.Lang) atomEntry {
	marks := r.Marks(i, l)
	e := atomEntry{ID: i.URN, Title: r.headline(i, l), Updated: stamp(i.Updated), Published: stamp(i.Sent), Expires: stamp(i.Expires),
		Categories: []atomCategory{{Term: string(i.origin), Scheme: originScheme, Label: r.whose(i, l)}, {Term: string(i.kind), Scheme: kindScheme}}}
	if i.Level.Colour != "" {
		e.Categories = append(e.Categories, atomCategory{Term: i.Level.Colour, Scheme: levelScheme})
	}
	summary := append(lines(marks), r.until(i, l))
	var text []string
	for _, t := range i.Texts {
		text = append(text, strings.Join(Written(t), "\n"))
	}
	if len(text) == 0 {
		text = Written(i.In(l))
	}
	e.Content = &atomText{Type: "text", Text: strings.Join(text, "\n\n")}
	if len(i.Texts) == 1 {
		e.Content.Lang = attribute(i.Texts[0].Language)
	}
	e.Summary = &atomText{Type: "text", Text: strings.Join(summary, "\n")}
	e.Author.Name = i.owner
	if i.origin == Relayed {
		e.Author.Name = i.sender
		e.Rights = i.attribution + " · " + i.licence
		e.Received, e.Silent = stamp(i.received), stamp(i.silent)
		e.Published = stamp(i.received) // here; when its sender sent it, its original says
		if a := r.address(i); a != "" {
			e.Links = append(e.Links, atomLink{Rel: "alternate", Href: a})
		}
	} else {
		e.Rights = i.owner
		e.Links = append(e.Links, atomLink{Rel: "alternate", Type: "application/cap+xml", Href: r.address(i)})
	}
	if i.kind != store.Test {
		e.Links = append(e.Links, atomLink{Rel: "related", Type: "application/pdf", Hreflang: string(l), Href: r.Base + i.path("notice.pdf") + "?lang=" + string(l)},
			atomLink{Rel: "related", Type: "application/xml", Href: r.Base + i.path("edxl.xml")})
	}
	return e
}
