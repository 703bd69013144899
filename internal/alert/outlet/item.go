package outlet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Origin is whose word an item is.
type Origin string

// The origins.
const (
	OwnNotice Origin = "own-notice" // of a municipality or region, written here
	Relayed   Origin = "relay"      // of an official sender, carried on unmodified
)

// Item is one thing that holds. It is made by Own or Relay and says the same of itself
// ever after: the fields that decide it cannot be reached from outside.
type Item struct {
	origin Origin
	kind   store.Kind

	ID      string // in addresses
	URN     string // everywhere, for ever
	Purpose string // alert, update, cancel
	Event   string
	Level   feed.Level
	Symbol  string // a name of Symbols

	Sent, Onset, Expires time.Time // zero: its sender does not say
	Updated              time.Time // when what is said here last changed

	Texts []feed.Text // as they were written, in the order of their sender
	Areas []feed.Area

	// Of an own notice.
	owner    string
	document []byte // CAP, signed
	revision string // its place in addresses of messages
	// Of a relay.
	sender      string // who issued it
	source      string // the feed it came by
	attribution string
	licence     string
	received    time.Time // what it says now came first
	silent      time.Time // since when its source is old; zero: it is not
	phase       warning.Phase
	original    string // document of warning.Service
	// CellBroadcast is the number its sender gave to the state's cell broadcast.
	CellBroadcast string
}

// Origin is whose word it is.
func (i *Item) Origin() Origin { return i.origin }

// Kind is live, exercise or test.
func (i *Item) Kind() store.Kind { return i.kind }

// Owner is whose notice it is, "" of a relay.
func (i *Item) Owner() string { return i.owner }

// Document is the signed message of an own notice, nil of a relay: what others wrote is
// not signed here.
func (i *Item) Document() []byte { return i.document }

// Source is the feed a relay came by, "" of an own notice.
func (i *Item) Source() string { return i.source }

// Received is when a relay came, zero of an own notice.
func (i *Item) Received() time.Time { return i.received }

// errNotOwn is a document that is no own notice of this node.
var errNotOwn = errors.New("outlet: the message does not say that it is an own notice")

// Own makes an item of what was published. All it says is taken from the signed message.
func Own(p *notice.Publication) (*Item, error) {
	a, _, fault := cap.Read(p.Document)
	if fault != nil {
		return nil, fmt.Errorf("outlet: notice %s: line %d: %s", p.Identifier, fault.Line, fault.Rule)
	}
	if len(a.Infos) == 0 || cap.Value(a.Infos[0].Parameters, "trojmezi:origin") != string(OwnNotice) || a.Source == "" {
		return nil, fmt.Errorf("%w: %s", errNotOwn, p.Identifier)
	}
	first := a.Infos[0]
	i := &Item{
		origin: OwnNotice, kind: p.Kind, ID: fmt.Sprintf("n-%s.%d", p.Notice, p.Revision), URN: a.Identifier, Purpose: string(p.Purpose),
		Event: first.Event, Level: feed.LevelOf(first.Severity), Symbol: symbolOf(cap.Value(first.EventCodes, "trojmezi:hazard")),
		Sent: p.Sent, Expires: p.Expires, Updated: p.Sent, owner: a.Source, document: p.Document, revision: fmt.Sprintf("%s.%d", p.Notice, p.Revision),
	}
	if p.Purpose == notice.Cancel {
		i.Symbol = symbolOf("all_clear")
	}
	i.Onset, _ = cap.Moment(first.Onset)
	for _, x := range a.Infos {
		i.Texts = append(i.Texts, feed.Text{Language: x.Language, Event: x.Event, Headline: x.Headline, Description: x.Description, Instruction: x.Instruction})
	}
	for _, x := range first.Areas { // the same in every language
		i.Areas = append(i.Areas, areaOf(x))
	}
	return i, nil
}

func areaOf(a cap.Area) feed.Area {
	out := feed.Area{Name: a.Desc, Polygons: a.Polygons, Circles: a.Circles}
	for _, c := range a.Geocodes {
		out.Codes = append(out.Codes, feed.Code{Scheme: c.Name, Value: c.Value})
	}
	return out
}

// Relay makes an item of an official warning. silent is since when its source is old.
func Relay(w *warning.Warning, silent time.Time) *Item {
	now, terms := w.Lead.Now(), warning.TermsOf(w.Lead.Source)
	said := &now.Content
	i := &Item{
		origin: Relayed, kind: w.Kind, ID: "w-" + w.ID, URN: "urn:trojmezi:relay:" + w.ID, Purpose: "alert",
		Event: said.Event, Level: said.Level, Symbol: symbolOf(hazardOf(said)),
		Sent: said.Sent.At, Onset: said.Onset.At, Expires: said.Expires.At, Updated: now.Received,
		Texts: said.Texts, sender: cmp.Or(said.Sender, terms.Feed), source: w.Lead.Source,
		attribution: terms.Attribution, licence: cmp.Or(terms.Licence, "?"), received: now.Received, silent: silent, phase: w.Phase, original: now.Document,
		CellBroadcast: cap.Value(said.Extra, "cellBroadcastId"),
	}
	if len(said.Replaces) > 0 {
		i.Purpose = "update"
	}
	for _, m := range w.Heads() {
		i.Areas = append(i.Areas, m.Now().Content.Areas...)
		if r := m.Now().Received; r.After(i.Updated) {
			i.Updated = r
		}
	}
	i.Updated = i.Updated.UTC().Truncate(time.Second)
	return i
}

// hazardOf is a hazard that can be told from where a warning comes and its code; ""
// where that would be a guess.
func hazardOf(w *feed.Warning) string {
	if w.Source == "imgw-hydro" || w.Source == "lhp" || strings.HasPrefix(w.Code, "HPPS:") {
		return "flood_stage"
	}
	return ""
}

// langOf is the language of a text, without its country.
func langOf(tag string) i18n.Lang {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if base == "" {
		base = "en" // spec: CAP 1.2, §3.2.2: no language is en-US
	}
	return i18n.Lang(base)
}

// In is the text for a reader of a language: in that language, else the first as it was
// written. Nothing is translated.
func (i *Item) In(l i18n.Lang) feed.Text {
	n := slices.IndexFunc(i.Texts, func(t feed.Text) bool { return langOf(t.Language) == l })
	if n < 0 && len(i.Texts) > 0 {
		n = 0
	}
	if n < 0 {
		return feed.Text{Event: i.Event, Headline: i.Event}
	}
	return i.Texts[n]
}

// Written are the parts of a text that somebody wrote, in their order, byte for byte.
func Written(t feed.Text) (parts []string) {
	head := t.Headline
	if head == "" {
		head = t.Event
	}
	for _, p := range []string{head, t.Description, t.Instruction} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return parts
}

// Holds reports whether it holds or will, at a moment. What has passed its end while its
// source was silent may have been prolonged: it stays, and says so.
func (i *Item) Holds(now time.Time) bool {
	if i.origin == Relayed {
		return i.phase != warning.Ended
	}
	return i.Expires.After(now)
}

// Mark is what every rendering of an item carries in a language, one line each.
type Mark struct{ Name, Text string }

// Voice is what says them.
type Voice struct{ Texts *i18n.Bundle }

// Marks are the lines that the law asks for, in every rendering: for an own notice whose
// it is and that it is no warning of the state; for a relay that it is one, who issued
// it, by what licence, and when it was received. An exercise says so first.
func (v Voice) Marks(i *Item, l i18n.Lang) (all []Mark) {
	say := func(name string, args i18n.Args) {
		all = append(all, Mark{name, v.Texts.Text(l, "outlet.say."+name, args)})
	}
	if i.kind != store.Live {
		say(string(i.kind), nil)
		say("unreal", nil)
	}
	if i.origin == OwnNotice {
		all = append(all, Mark{"own", v.whose(i, l)})
		say("nature", nil)
		return all
	}
	all = append(all, Mark{"relay", v.whose(i, l)})
	// The attribution and the licence stand in the words their owner asks for.
	all = append(all, Mark{"attribution", i.attribution})
	say("licence", i18n.Args{"licence": i.licence})
	say("received", i18n.Args{"time": i.received})
	if !i.silent.IsZero() {
		say("silent", i18n.Args{"time": i.silent})
	}
	return all
}

// lines are the marks as text.
func lines(marks []Mark) (all []string) {
	for _, m := range marks {
		all = append(all, m.Text)
	}
	return all
}

// drill is the mark of what is no reality, "" for reality.
func (v Voice) drill(i *Item, l i18n.Lang) string {
	if i.kind == store.Live {
		return ""
	}
	return v.Texts.Text(l, "outlet.say."+string(i.kind), nil)
}

// until says until when it holds.
func (v Voice) until(i *Item, l i18n.Lang) string {
	if i.Expires.IsZero() {
		return v.Texts.Text(l, "outlet.say.no_end", nil)
	}
	return v.Texts.Text(l, "outlet.say.until", i18n.Args{"time": v.Texts.Date(l, i.Expires) + ", " + v.Texts.Minute(l, i.Expires)})
}

// headline is the title of an item in a language: as it was written, behind the mark of
// an exercise where it does not begin with one.
func (v Voice) headline(i *Item, l i18n.Lang) string {
	head := Written(i.In(l))[0]
	if d := v.drill(i, l); d != "" && !strings.Contains(head, d) {
		return d + ": " + head
	}
	return head
}

// Short is for a display of one line: what, and who says so. It is not cut.
func (v Voice) Short(i *Item, l i18n.Lang) string {
	return v.headline(i, l) + " (" + v.whose(i, l) + ")"
}

// whose is the mark of an item's origin.
func (v Voice) whose(i *Item, l i18n.Lang) string {
	if i.origin == Relayed {
		return v.Texts.Text(l, "outlet.say.relay", i18n.Args{"name": i.sender})
	}
	return v.Texts.Text(l, "outlet.say.own", i18n.Args{"name": i.owner})
}
