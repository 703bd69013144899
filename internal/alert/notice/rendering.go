package notice

import "trojmezi/internal/kernel/i18n"

// Preview is a message that is about to go out, or went out: what channels show of it.
type Preview struct {
	Outgoing
	Messages []Message // in the order of languages
	CAP      string
}

// Rendering is how it reads in one channel.
type Rendering struct {
	Name string    // key of what the channel is called
	Args i18n.Args // of that text, such as its length
	Lang i18n.Lang // "": of no language
	Text string
	Code bool // for machines: line breaks and spaces count
}

// renderings are those of this package, then of the channels.
func (s *Service) renderings(p Preview) (all []Rendering) {
	for _, m := range p.Messages {
		add := func(r Rendering) { r.Lang = m.Lang; all = append(all, r) }
		add(Rendering{Name: "notice.channel.plain", Text: m.Page()})
		sms := m.SMS()
		add(sms.rendering("notice.channel.sms"))
		if !sms.GSM {
			add(sms.Bare().rendering("notice.channel.bare"))
		}
		add(Rendering{Name: "notice.channel.short", Text: m.Short()})
		add(Rendering{Name: "notice.channel.speech", Text: s.voice.Speech(m)})
	}
	if p.CAP != "" {
		all = append(all, Rendering{Name: "notice.channel.cap", Text: p.CAP, Code: true})
	}
	if s.o.Renderings != nil {
		all = append(all, s.o.Renderings(p)...)
	}
	return all
}

func (s SMS) rendering(name string) Rendering {
	encoding := "UCS-2"
	if s.GSM {
		encoding = "GSM-7"
	}
	return Rendering{Name: name, Args: i18n.Args{"encoding": encoding, "units": s.Units, "n": s.Parts}, Text: s.Text}
}
