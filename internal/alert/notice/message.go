package notice

import (
	"slices"
	"strings"
	"time"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Content is what somebody wrote: one text of a notice. A later one has another number.
type Content struct {
	Template string // id
	Version  string
	Lang     i18n.Lang         // in which free words were written
	Values   map[string]string // by slot, as Voice.Value keeps them
	Note     string            // free text beside the template's
	Areas    []string          // ids of Atlas
	Drawing  string            // as it was pasted
	Radius   float64           // kilometres around what is drawn
	Reach    *Reach            // a piece of a river; nil: none
	Rings    []Ring            // what is sent: the outline when this was written
	Onset    time.Time
	Expires  time.Time
	Hold     bool // the author publishes it himself once it is approved
}

// Message is one language of a notice, as people read it.
type Message struct {
	Lang  i18n.Lang
	Words Words
	// Whose says that this is an own notice, and of whom; Nature that it is no warning of
	// a state authority.
	Whose, Nature string
	Note          string
	Drill         string // "" for reality
	Area          string
	Until         string
}

// Source is who speaks.
type Source struct {
	Organisation string // id
	Name         string // official
	Sender       string // of CAP: no space, comma, < or &
	Web          string // where the notice can be read; "": nowhere
}

// Write makes the message of a content in a language.
func (v Voice) Write(t *Template, c *Content, l i18n.Lang, from Source, kind store.Kind, purpose Purpose, atlas *Atlas) Message {
	m := Message{Lang: l, Words: v.Say(t, l, c.Lang, c.Values)}
	m.Whose = v.Texts.Text(l, "notice.say.whose", i18n.Args{"name": from.Name})
	m.Nature = v.Texts.Text(l, "notice.say.nature", nil)
	if m.Note = c.Note; c.Note != "" && l != c.Lang {
		m.Note = v.foreign(l, c.Lang, c.Note)
	}
	switch purpose {
	case Update:
		m.Words[PartHeadline] = v.Texts.Text(l, "notice.say.update", i18n.Args{"text": m.Words[PartHeadline]})
	case Cancel:
		m.Words[PartHeadline] = v.Texts.Text(l, "notice.say.cancel", i18n.Args{"text": m.Words[PartHeadline]})
	}
	if kind != store.Live {
		m.Drill = v.Texts.Text(l, "notice.say.drill."+string(kind), nil)
		m.Words[PartHeadline] = m.Drill + ": " + m.Words[PartHeadline]
		m.Words[PartText] = m.Drill + ". " + m.Words[PartText]
	}
	var names []string
	for _, id := range c.Areas {
		if u, ok := atlas.Unit(id); ok {
			names = append(names, atlas.NameOf(v.Texts, l, u))
		}
	}
	if c.Reach != nil {
		names = append(names, atlas.NameOfReach(v.Texts, l, c.Reach))
	}
	if id := atlas.Around(c.Drawing); id != "" {
		names = append(names, v.Texts.Text(l, "notice.say.around", i18n.Args{"place": v.In(l, KindPlace, id), "km": c.Radius}))
	} else if c.Drawing != "" {
		names = append(names, v.Texts.Text(l, "notice.say.drawn", nil))
	}
	m.Area = strings.Join(names, ", ")
	m.Until = v.Texts.Text(l, "notice.say.until", i18n.Args{"time": v.In(l, KindTime, c.Expires.UTC().Format(time.RFC3339))})
	return m
}

// Page is the text of the public page.
func (m Message) Page() string {
	lines := []string{m.Words[PartHeadline], m.Whose, m.Words[PartText], m.Words[PartInstruction]}
	if m.Note != "" {
		lines = append(lines, m.Note)
	}
	return strings.Join(append(lines, m.Area, m.Until, m.Nature), "\n")
}

// Short is for displays and lists of one line.
func (m Message) Short() string { return m.Words[PartHeadline] + " (" + m.Whose + ")" }

// tags are the languages as CAP names them.
var tags = map[i18n.Lang]string{i18n.Cs: "cs-CZ", i18n.De: "de-DE", i18n.Pl: "pl-PL", i18n.En: "en-GB"}

// Outgoing is all that a CAP message is made of.
type Outgoing struct {
	Identifier string
	Kind       store.Kind
	Purpose    Purpose
	Sent       time.Time
	Source     Source
	Content    *Content
	Template   *Template
	Earlier    []cap.Reference // all messages of the notice before
}

// CAP makes the message: one info in each language with the same codes and areas. What
// kind it is decides the status; nothing else can.
func (v Voice) CAP(o Outgoing, atlas *Atlas) *cap.Alert {
	a := &cap.Alert{
		Version: cap.V12, Identifier: o.Identifier, Sender: o.Source.Sender, Sent: cap.FormatTime(o.Sent.In(zone)),
		Status: status(o.Kind), MsgType: msgTypes[o.Purpose], Scope: cap.Public, Source: o.Source.Name,
	}
	var refs []string
	for _, r := range o.Earlier {
		refs = append(refs, r.Sender+","+r.Identifier+","+r.Sent)
	}
	a.References = strings.Join(refs, " ")
	c, t := o.Content, o.Template
	var polygons []string
	for _, r := range c.Rings {
		polygons = append(polygons, r.cap())
	}
	var codes []cap.Pair
	for _, id := range c.Areas {
		u, _ := atlas.Unit(id)
		for _, p := range atlas.Codes(u, o.Sent) {
			if !slices.Contains(codes, p) {
				codes = append(codes, p)
			}
		}
	}
	for _, l := range i18n.Langs {
		m := v.Write(t, c, l, o.Source, o.Kind, o.Purpose, atlas)
		i := cap.Info{
			Language: tags[l], Categories: strings.Fields(t.Category), Event: m.Words[PartEvent], ResponseTypes: strings.Fields(t.Response),
			Urgency: t.Urgency, Severity: t.Severity, Certainty: t.Certainty,
			EventCodes: []cap.Pair{{Name: "trojmezi:hazard", Value: t.Hazard}},
			Effective:  a.Sent, Onset: cap.FormatTime(c.Onset.In(zone)), Expires: cap.FormatTime(c.Expires.In(zone)),
			SenderName: m.Whose, Headline: m.Words[PartHeadline], Description: m.Words[PartText] + "\n" + m.Nature,
			Instruction: m.Words[PartInstruction], Web: o.Source.Web,
			// Whoever carries it on can tell it from a warning of the state without reading.
			Parameters: []cap.Pair{{Name: "trojmezi:origin", Value: "own-notice"}, {Name: "trojmezi:template", Value: t.ID + " " + t.Version}},
			Areas:      []cap.Area{{Desc: m.Area, Polygons: polygons, Geocodes: codes}},
		}
		if _, checked := t.Checked[l]; !checked {
			i.Parameters = append(i.Parameters, cap.Pair{Name: "trojmezi:text", Value: "draft"})
		}
		if m.Note != "" {
			i.Description += "\n" + m.Note
		}
		a.Infos = append(a.Infos, i)
	}
	return a
}

var msgTypes = map[Purpose]string{Alert: cap.TypeAlert, Update: cap.TypeUpdate, Cancel: cap.TypeCancel}

func status(k store.Kind) string {
	switch k {
	case store.Live:
		return cap.Actual
	case store.Exercise:
		return cap.Exercise
	}
	return cap.Test
}
