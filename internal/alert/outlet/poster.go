package outlet

import (
	"fmt"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/store"
)

// posterScales make the text 21, 18 or 15 points and the headline 34, 29 or 24: the
// largest by which a language fits on a page. A board hangs behind glass, and those who
// most need it see worst; what is longer goes on the next page and is not made smaller.
var posterScales = []float64{2.1, 1.8, 1.5}

// signSide of the symbol, in millimetres.
const signSide = 42

// poster is a page or more in each language.
func (r *Renderer) poster(i *Item, langs []i18n.Lang) ([]byte, error) {
	var d *pdf.Document
	for _, scale := range posterScales {
		if d = r.layOut(i, langs, scale); d.Pages() == len(langs) {
			break
		}
	}
	return d.Bytes()
}

func (r *Renderer) layOut(i *Item, langs []i18n.Lang, scale float64) *pdf.Document {
	o := pdf.Options{Title: r.headline(i, langs[0]), Lang: string(langs[0]), Scale: scale, Made: i.Updated,
		Foot: r.whose(i, langs[0]), Page: func(n, all int) string { return fmt.Sprintf("%d / %d", n, all) }}
	if i.kind != store.Live {
		var words []string
		for _, l := range langs {
			words = append(words, r.drill(i, l))
		}
		o.Band, o.Mark = strings.Join(words, " · "), words[0]
	}
	d := pdf.New(o)
	for n, l := range langs {
		if n > 0 {
			d.Break()
		}
		t := i.In(l)
		said := attribute(t.Language)
		marks := r.Marks(i, l)
		var drill, whose []string
		for _, m := range marks {
			if m.Name == string(i.kind) || m.Name == "unreal" {
				drill = append(drill, m.Text)
			} else {
				whose = append(whose, m.Text)
			}
		}
		d.Picture(string(l), r.Texts.Text(l, "outlet.symbol."+i.Symbol, nil), signSide, Symbols[i.Symbol])
		if len(drill) > 0 {
			d.HeadingIn(string(l), 2, strings.Join(drill, ". "))
		}
		// Whose word it is stands above the word itself.
		d.HeadingIn(string(l), 3, whose[0])
		head := t.Headline
		if head == "" {
			head = t.Event
		}
		d.HeadingIn(said, 1, head)
		for _, p := range strings.Split(t.Description, "\n") {
			if strings.TrimSpace(p) != "" {
				d.Paragraph(said, p)
			}
		}
		if t.Instruction != "" {
			d.HeadingIn(string(l), 2, r.Texts.Text(l, "outlet.what_to_do", nil))
			d.Paragraph(said, t.Instruction)
		}
		d.HeadingIn(string(l), 2, r.Texts.Text(l, "outlet.whose", nil))
		d.Paragraph(string(l), r.until(i, l))
		for _, w := range whose[1:] {
			d.Paragraph(string(l), w)
		}
	}
	return d
}
