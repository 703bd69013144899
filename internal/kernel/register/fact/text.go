package fact

import (
	"strings"

	"trojmezi/internal/kernel/i18n"
)

// Name is what a fact is called.
func (f *Fact) Name(texts *i18n.Bundle, l i18n.Lang) string {
	return texts.Text(l, "fact.name."+f.Key, nil)
}

// Question is how a mayor is asked for it; "" where registers tell it.
func (f *Fact) Question(texts *i18n.Bundle, l i18n.Lang) string {
	if !f.Asked() {
		return ""
	}
	return texts.Text(l, "fact.ask."+f.Key, nil)
}

// Say is a value in words; nil is one that is not known.
func (f *Fact) Say(texts *i18n.Bundle, l i18n.Lang, v any) string {
	switch v := v.(type) {
	case nil:
		return texts.Text(l, "fact.unknown", nil)
	case bool:
		if v {
			return texts.Text(l, "fact.yes", nil)
		}
		return texts.Text(l, "fact.no", nil)
	case int:
		return texts.Number(l, int64(v))
	case []string:
		if len(v) == 0 {
			return texts.Text(l, "fact.no", nil)
		}
		var all []string
		for _, x := range v {
			all = append(all, f.Say(texts, l, x))
		}
		return strings.Join(all, ", ")
	case string:
		return texts.Text(l, "fact.value."+f.Key+"."+v, nil)
	}
	return ""
}

// SayCases are some of the cases of a fact in words, in their order: of a number the ranges
// they make.
func (f *Fact) SayCases(texts *i18n.Bundle, l i18n.Lang, cases []any) string {
	var all []string
	if f.Kind == Number {
		for i := 0; i < len(cases); {
			from, _ := f.number(cases[i])
			to := from
			for i++; i < len(cases) && f.cases[min(to+1, len(f.cases)-1)] == cases[i]; i++ {
				to++
			}
			var ends []string // case n lies from cut n-1 to below cut n
			if from > 0 {
				ends = append(ends, "≥ "+texts.Number(l, int64(f.Cuts[from-1])))
			}
			if to < len(f.Cuts) {
				ends = append(ends, "< "+texts.Number(l, int64(f.Cuts[to])))
			}
			all = append(all, strings.Join(ends, ", "))
		}
		return strings.Join(all, " / ")
	}
	for _, v := range cases {
		all = append(all, f.Say(texts, l, v))
	}
	return strings.Join(all, " / ")
}
