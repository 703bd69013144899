package outlet

import (
	_ "embed"
	"encoding/csv"
	"strings"

	"trojmezi/internal/alert/channel/sms"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// What a cell broadcast holds (spec: 3GPP TS 23.041, §9.4.1.2.4 and 23.038, §5): pages of
// 82 bytes. In UCS-2 two of them may say the language.
const (
	cellGSM   = 93 // characters of GSM-7 on a page
	cellUCS   = 40 // of UCS-2
	CellPages = 15
)

// Cell is a text as a cell broadcast would carry it. It is never cut: one that does not
// fit says so, and a person shortens it.
type Cell struct {
	Lang  i18n.Lang
	Text  string
	GSM   bool // GSM-7, else UCS-2
	Units int  // characters as they are counted
	Page  int  // that a page holds
	Pages int
	Fits  bool
}

// measureCell counts. A character of two units is not cut by the end of a page.
func measureCell(l i18n.Lang, text string) Cell {
	alphabet := sms.AlphabetOf(text)
	c := Cell{Lang: l, Text: text, GSM: alphabet == sms.GSM7, Page: cellGSM, Pages: 1}
	if !c.GSM {
		c.Page = cellUCS
	}
	room := c.Page
	for _, r := range text {
		n := sms.Unit(r, alphabet)
		if n > room {
			c.Pages, room = c.Pages+1, c.Page
		}
		room -= n
		c.Units += n
	}
	c.Fits = c.Pages <= CellPages
	return c
}

// Authority is whom the state has given the cell broadcast of a country.
type Authority struct{ Country, Name, Duty, Reach, Law, Status string }

//go:embed authorities.csv
var authoritiesCSV string

// Authorities are those of the three countries. Their rows are from memory, and their
// telephone numbers stand in the operator's plan of connections, not here.
var Authorities = func() (all []Authority) {
	rows, err := csv.NewReader(strings.NewReader(authoritiesCSV)).ReadAll()
	if err != nil {
		panic(err) // a table of our own
	}
	for _, r := range rows[1:] {
		all = append(all, Authority{r[0], r[1], r[2], r[3], r[4], r[5]})
	}
	return all
}()

// Handover is what the state's centre (its cell broadcast entity) needs. Nothing of it is
// sent by this node: cell broadcast is a power of the state.
type Handover struct {
	Texts       []Cell
	Bare        []Cell // the same of an own notice in letters that GSM-7 has; a relay's words stay
	Polygons    []string
	Circles     []string
	Codes       []feed.Code
	Document    string // address of the signed CAP message or of the official original
	Authorities []Authority
}

// Handover prepares an item for the authorities of the countries it is for, all of them
// when none can be told.
func (r *Renderer) Handover(i *Item) (h Handover) {
	for _, l := range i.Langs() {
		t := i.In(l)
		parts := append([]string(nil), Written(t)...)
		if i.origin == OwnNotice {
			// What to do matters more than how it came about.
			parts = []string{parts[0], t.Instruction, r.until(i, l)}
		}
		if d := r.drill(i, l); d != "" {
			parts = append(parts, r.Texts.Text(l, "outlet.say.unreal", nil))
			parts[0] = mustBegin(parts[0], d, i.origin)
			if i.origin == Relayed {
				parts = append([]string{d}, parts...)
			}
		}
		marks := r.Marks(i, l)
		for _, m := range marks {
			if m.Name != string(i.kind) && m.Name != "unreal" {
				parts = append(parts, m.Text)
			}
		}
		var kept []string
		for _, p := range parts {
			if p != "" {
				kept = append(kept, p)
			}
		}
		c := measureCell(l, strings.Join(kept, "\n"))
		h.Texts = append(h.Texts, c)
		if i.origin == OwnNotice && !c.GSM {
			h.Bare = append(h.Bare, measureCell(l, sms.Transliterate(c.Text).Text))
		}
	}
	countries := map[string]bool{}
	for _, a := range i.Areas {
		for _, p := range a.Polygons {
			if _, wrong := cap.Ring(p); wrong == "" {
				h.Polygons = append(h.Polygons, p)
			}
		}
		h.Circles = append(h.Circles, a.Circles...)
		for _, c := range a.Codes {
			h.Codes = append(h.Codes, c)
			if country := r.countryOf(c); country != "" {
				countries[string(country)] = true
			}
		}
	}
	for _, a := range Authorities {
		if len(countries) == 0 || countries[a.Country] {
			h.Authorities = append(h.Authorities, a)
		}
	}
	h.Document = r.address(i)
	return h
}

// mustBegin puts the mark of an exercise before an own text that does not begin with it.
func mustBegin(text, mark string, o Origin) string {
	if o == Relayed || strings.HasPrefix(text, mark) {
		return text
	}
	return mark + ": " + text
}

// countryOf is the country of a code, "" where its list does not tell.
func (r *Renderer) countryOf(c feed.Code) register.Country {
	if r.Areas == nil {
		return ""
	}
	a, ok := r.Areas.Lookup(c.Scheme, c.Value, r.Clock.Now())
	if !ok {
		return ""
	}
	return a.Country
}
