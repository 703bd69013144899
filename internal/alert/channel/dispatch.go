package channel

import (
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"trojmezi/internal/alert/channel/sms"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Origin is what a dispatch tells of. Neither can be made of the other: it decides the
// words around the text in every channel.
type Origin string

// The origins.
const (
	Notice  Origin = "notice"  // an own notice
	Warning Origin = "warning" // an official warning, passed on
	// Subscription is what somebody asked for: what changed for his places, with the
	// source of each in the text, and what concerns the subscription itself.
	Subscription Origin = "subscription"
	Trial        Origin = "trial" // of a channel; never live
)

// Reference is what was published, and which version of it. An address gets each once.
type Reference struct {
	Origin       Origin
	ID, Revision string
}

// Dispatch is a text for one address.
type Dispatch struct {
	Channel string // name in the configuration
	// Target is the address as the channel's sort writes it: of mail; a telephone number
	// with + and the country's; a webhook as Hook.Target writes it; a push subscription
	// as browsers give it, JSON; the OID of a neighbour; a name for a hand-over.
	Target string
	// Member, in place of Target and Stop, is a number of Options.Addresses. Only for what a
	// Subscription tells.
	Member    int64
	Lang      i18n.Lang
	Kind      store.Kind // of the cause; the channel's must be the same
	Reference Reference
	// Title and Body are the text. Of an official warning they are its sender's words,
	// unchanged.
	Title, Body string
	// Short is what is said where Body does not fit; only of an own notice.
	Short string
	Link  string
	// Speech is the same for a voice, Codes for a program: for sirens and radio stations.
	// "" and none where nobody should sound anything.
	Speech string
	Codes  Codes
	// Source is whose it is: "Notice of …", or source, licence, times and attribution of
	// an official warning. It is part of every message.
	Source string
	// Stop is where the receiver ends it; "": he asked for nothing he could end.
	Stop string
	// Ack asks the receiver to acknowledge.
	Ack bool
	// Until is when it is of no use any more; zero: after a day.
	Until time.Time
	// Receiver is the name of one of the configuration; "": of the public.
	Receiver string
}

// Bounds of a dispatch, in bytes.
const (
	maxTitle  = 1000
	maxBody   = 40 << 10
	maxSource = 2000
	// maxSpeech: numbers become words, and whose it is is said as well.
	maxSpeech = 4 * maxBody
	maxLink   = 2000
	maxTarget = 2000
)

const (
	// lasts is how long a dispatch without an end is tried.
	lasts = 24 * time.Hour
	// longest bounds that: what comes a week late helps nobody.
	longest = 7 * 24 * time.Hour
)

// State is where a dispatch stands.
type State string

// The states. Whether a person acknowledged it is a time of its own: it may come after
// any of them.
const (
	Waiting   State = "waiting"
	Sending   State = "sending"
	Sent      State = "sent"      // it left; this channel tells no more
	Accepted  State = "accepted"  // the next hop took it
	Delivered State = "delivered" // the next hop says that it arrived
	Failed    State = "failed"    // given up
	Expired   State = "expired"   // it would have come too late
)

// States lists them in their order.
var States = []State{Waiting, Sending, Sent, Accepted, Delivered, Failed, Expired}

// over reports whether nothing more is tried.
func (s State) over() bool { return s != Waiting && s != Sending }

// reached reports whether it left towards its receiver.
func (s State) reached() bool { return s == Sent || s == Accepted || s == Delivered }

var (
	phone  = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) // spec: ITU-T E.164
	dotted = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]*)){2,}$`)
	simple = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

// Address is where a message goes, as Dispatch.Target, and where its receiver ends it.
type Address struct{ Target, Stop string }

// packable reports whether a dispatch may wait in a packet: of a receiver each is to be seen
// at once.
func (d *Dispatch) packable() bool {
	return d.Reference.Origin == Subscription && d.Receiver == "" && !d.Ack
}

// check tells what is wrong with a dispatch for a channel.
func (c *channel) check(d *Dispatch) error {
	refuse := func(key string, args i18n.Args) error {
		return problem.New("channel.Queue", problem.Invalid, "channel.refuse."+key, args)
	}
	switch {
	case !slices.Contains([]Origin{Notice, Warning, Subscription, Trial}, d.Reference.Origin):
		return refuse("reference", nil)
	case strings.TrimSpace(d.Title) == "":
		return refuse("title", nil)
	case strings.TrimSpace(d.Source) == "":
		return refuse("source", nil)
	case d.Reference.Origin == Warning && d.Short != "":
		return refuse("short", nil)
	case len(d.Title) > maxTitle || len(d.Body)+len(d.Short) > maxBody || len(d.Speech) > maxSpeech || len(d.Source) > maxSource:
		return refuse("length", i18n.Args{"n": maxBody})
	case strings.ContainsFunc(d.Link, unicode.IsControl) || strings.ContainsFunc(d.Title+d.Body+d.Short+d.Source+d.Speech, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }):
		return refuse("control", nil)
	case !isPage(d.Link):
		return refuse("link", nil)
	}
	if _, ok := i18n.Parse(string(d.Lang)); !ok {
		return refuse("language", i18n.Args{"value": string(d.Lang)})
	}
	return c.checkAddress(d)
}

// checkAddress is the part of check that is not of the text.
func (c *channel) checkAddress(d *Dispatch) error {
	refuse := func(key string, args i18n.Args) error {
		return problem.New("channel.Queue", problem.Invalid, "channel.refuse."+key, args)
	}
	switch {
	case !d.Kind.Valid() || d.Kind != c.kind:
		return refuse("kind", i18n.Args{"channel": c.name, "kind": string(d.Kind), "own": string(c.kind)})
	case d.Reference.Origin == Trial && d.Kind == store.Live:
		return refuse("trial", nil)
	case c.base != c.name && d.Reference.Origin != Trial:
		return refuse("test_only", i18n.Args{"channel": c.base})
	case d.Reference.ID == "", d.Reference.Revision == "":
		return refuse("reference", nil)
	case len(d.Link)+len(d.Stop) > maxLink || len(d.Target) > maxTarget:
		return refuse("length", i18n.Args{"n": maxBody})
	case strings.ContainsFunc(d.Stop, unicode.IsControl):
		return refuse("control", nil)
	case !isPage(d.Stop):
		return refuse("link", nil)
	case d.Member != 0:
		if d.Target != "" || d.Stop != "" || !d.packable() {
			return refuse("reference", nil)
		}
	case !c.takes(d.Target):
		return refuse("target."+string(c.sort), nil)
	}
	return nil
}

// isPage reports whether a text is an address of a page, or none.
func isPage(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && !strings.ContainsAny(s, " \r\n\t<>")
}

// plainAddress reports whether a text is an address of mail and nothing more.
func plainAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s && !strings.ContainsAny(s, "\r\n")
}

// letter is a dispatch on its way.
type letter struct {
	Dispatch
	id      string // the same in every attempt
	at      time.Time
	attempt int
	ackURL  string // "" when it is not asked for, or nobody could open it
}

// frame is what stands around a text in every channel.
type frame struct {
	Mark   string // of an exercise or a test, in the receiver's language; "" of reality
	Marks  string // the same in all languages
	Nature string // own notice, or official warning passed on
	Title  string // with the mark
}

func (s *Service) frame(l *letter) frame {
	f := frame{Title: oneLine(l.Title), Nature: s.Texts.Text(l.Lang, "channel.say."+string(l.Reference.Origin), nil)}
	if l.Kind == store.Live {
		return f
	}
	var all []string
	for _, lang := range i18n.Langs {
		all = append(all, s.Texts.Text(lang, "channel.mark."+string(l.Kind), nil))
	}
	f.Marks = strings.Join(all, " · ")
	f.Mark = s.Texts.Text(l.Lang, "channel.mark."+string(l.Kind), nil)
	if !strings.HasPrefix(f.Title, f.Mark) {
		f.Title = f.Mark + ": " + f.Title
	}
	return f
}

// page is the whole text, for channels that set no bounds.
func (s *Service) page(l *letter) string {
	f := s.frame(l)
	var b strings.Builder
	block := func(lines ...string) {
		for _, x := range lines {
			if x != "" {
				b.WriteString(x + "\n")
			}
		}
		b.WriteString("\n")
	}
	if f.Marks != "" {
		block(f.Marks)
	}
	block(f.Nature)
	block(f.Title)
	if l.Body != "" {
		block(l.Body)
	}
	block(l.Source)
	if l.Link != "" {
		block(l.Link)
	}
	if l.ackURL != "" {
		block(s.Texts.Text(l.Lang, "channel.say.ack", i18n.Args{"url": l.ackURL}))
	}
	foot := []string{s.Texts.Text(l.Lang, "channel.say.foot", i18n.Args{"place": s.Place, "time": l.at})}
	if l.Stop != "" {
		foot = append(foot, s.Texts.Text(l.Lang, "channel.say.stop", i18n.Args{"url": l.Stop}))
	}
	block(foot...)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// What was done to a text to make it fit, for the receipt.
const (
	noteShort = "short"          // the short text of the notice
	noteTitle = "title"          // the headline and where the text stands
	noteBare  = "transliterated" // letters were replaced
)

// brief is the text for short messages. What does not fit is left out as a whole: an
// official warning is never cut. ok is false when not even its title fits.
func (s *Service) brief(l *letter, most int, transliterate bool) (m sms.Message, note string, ok bool) {
	f := s.frame(l)
	join := func(parts ...string) string {
		var all []string
		for _, p := range parts {
			if p = strings.TrimSpace(p); p != "" {
				all = append(all, p)
			}
		}
		return strings.Join(all, "\n")
	}
	type try struct{ text, note string }
	tail := []string{oneLine(l.Source), l.Link, l.Stop}
	var tries []try
	if l.Body != "" {
		tries = append(tries, try{join(append([]string{f.Title, l.Body}, tail...)...), ""})
	}
	if l.Short != "" {
		tries = append(tries, try{join(append([]string{f.Title, l.Short}, tail...)...), noteShort})
	}
	last := try{join(append([]string{f.Title}, tail...)...), noteTitle}
	if l.Body == "" {
		last.note = ""
	}
	tries = append(tries, last)
	for _, t := range tries {
		m = sms.Measure(t.text)
		if l.Reference.Origin != Warning { // of a warning not even its spaces are changed
			m = sms.Measure(sms.Plain(t.text))
			if transliterate && m.Alphabet == sms.UCS2 {
				if bare := sms.Transliterate(t.text); bare.Changed != "" && !strings.Contains(bare.Text, "?") {
					m = bare
				}
			}
		}
		if len(m.Parts) <= most {
			note = t.note
			if m.Changed != "" {
				note = strings.TrimPrefix(note+" "+noteBare, " ")
			}
			return m, note, true
		}
	}
	return m, "", false
}

// oneLine makes one line of a text and changes nothing else.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}
