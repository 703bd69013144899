package channel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Published queues what went out as an own notice for the receivers of its area, in the
// transaction in which it did. It is the hook notice.Options.Published.
func (s *Service) Published(tx *store.Tx, p *notice.Publication) error {
	const op = "channel.Published"
	receivers, err := s.everybody(tx)
	if err != nil || len(receivers) == 0 {
		return problem.Wrap(op, err)
	}
	alert, item, err := own(p)
	if err != nil {
		return problem.Wrap(op, err)
	}
	whom := s.concerns(feed.AreasOf(&alert.Infos[0]))
	places := whom.all()
	said := map[i18n.Lang]Dispatch{}
	var all []Dispatch
	for _, r := range receivers {
		if !r.meets(places) || !r.wants(Notice, inLanguage(alert.Infos, r.lang).Severity) {
			continue
		}
		d, known := said[r.lang]
		if !known {
			d = s.tells(p, alert, item, r.lang)
			said[r.lang] = d
		}
		d.Body = s.unclear(r, whom, r.lang) + d.Body
		d.Ack, d.Receiver = r.Acknowledge, r.Name
		for _, t := range s.targets(r, p.Kind) {
			d.Channel, d.Target = t.Channel, t.To
			all = append(all, d)
		}
	}
	return problem.Wrap(op, s.Queue(tx, s.bounded(all)...))
}

// tells is what a notice says to who reads a language, still without an address.
func (s *Service) tells(p *notice.Publication, alert *cap.Alert, item *outlet.Item, l i18n.Lang) Dispatch {
	info := inLanguage(alert.Infos, l)
	return Dispatch{Lang: l, Kind: p.Kind, Reference: Reference{Notice, p.Notice, strconv.Itoa(p.Revision)}, Until: p.Expires,
		Title: info.Headline, Body: info.Description + "\n" + info.Instruction, Short: info.Instruction, Link: info.Web, Source: info.SenderName,
		Speech: outlet.Voice{Texts: s.Texts}.Speak(item, l).Plain, Codes: codesOf(cap.Value(info.EventCodes, "trojmezi:hazard"), item.Areas)}
}

// bounded leaves out what a channel would refuse, with a line in the log: a receiver that
// was configured wrongly must not keep a notice from going out to the others.
func (s *Service) bounded(all []Dispatch) []Dispatch {
	return slices.DeleteFunc(all, func(d Dispatch) bool {
		err := s.channel(d.Channel).check(&d)
		if err != nil {
			s.Log.Error("channel: a receiver is not told", "receiver", d.Receiver, "channel", d.Channel, "error", err)
		}
		return err != nil
	})
}

// unclear says that nobody can tell whether a receiver is concerned, "" where one can.
func (s *Service) unclear(r *receiver, whom concern, l i18n.Lang) string {
	if r.meets(whom.sure) {
		return ""
	}
	return s.Texts.Text(l, "channel.say.unclear", nil) + "\n"
}

// inLanguage is the info of a language, else the English one, else the first.
func inLanguage(infos []cap.Info, l i18n.Lang) *cap.Info {
	for _, want := range []string{string(l), string(i18n.En)} {
		for i := range infos {
			if speaks(infos[i].Language, want) {
				return &infos[i]
			}
		}
	}
	return &infos[0]
}

func speaks(tag, want string) bool {
	head, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	return head == want
}

// following is how often warnings are looked at without being told: what holds for a
// receiver does not change with time alone.
const following = 30 * time.Second

// Run follows the official warnings for the receivers until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if s.Warnings == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	watch := s.DB.Watch(warning.Topic)
	defer watch.Close()
	for {
		if err := s.Follow(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("channel: follow warnings", "error", err)
		}
		timer := time.NewTimer(following)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-watch.C():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// overState are the reasons of an end that a receiver is told. That the time which a
// warning named is over he knows.
var overState = map[warning.Reason]string{warning.ByCancel: "cancelled", warning.ByAllClear: "all_clear", warning.ByPast: "past", warning.ByAbsence: "absent"}

const inForce = "in_force"

// now is what a warning says to receivers.
func (s *Service) now(w *warning.Warning) (*told, concern) {
	said := w.Says()
	t := &told{warning: w.ID, kind: w.Kind, state: inForce, severity: said.Level.Severity}
	if w.Phase == warning.Ended {
		if state, ok := overState[w.Reason]; ok {
			t.state = state
		}
	}
	var areas []feed.Area
	for _, m := range w.Heads() {
		areas = append(areas, m.Now().Content.Areas...)
	}
	whom := s.concerns(areas)
	t.places = whom.all()
	parts := []string{said.Sender, said.Event, said.Code, said.Level.Severity, said.Level.National, said.Level.Colour, stamp(said.Onset), stamp(said.Expires)}
	for _, x := range said.Texts {
		parts = append(parts, x.Language, x.Event, x.Headline, x.Description, x.Instruction)
	}
	t.digest = digest(parts...)
	return t, whom
}

func stamp(m feed.Moment) string {
	if m.At.IsZero() {
		return m.Text
	}
	return m.At.UTC().Format(time.RFC3339)
}

// turn is what a receiver is told: fresh, changed, over, gone (it is no more for him), ""
// for nothing. was is nil for a warning nobody was told of.
func (r *receiver) turn(was, is *told) string {
	concerned := func(t *told) bool {
		return t != nil && t.state == inForce && r.meets(t.places) && r.wants(Warning, t.severity)
	}
	before, after := concerned(was), concerned(is)
	switch {
	case !before && !after:
		return ""
	case !before:
		return "fresh"
	case !after && is.state != inForce:
		return "over"
	case !after:
		return "gone"
	case was.digest != is.digest || !slices.Equal(r.own(was.places), r.own(is.places)):
		return "changed"
	}
	return ""
}

func (r *receiver) own(places []string) (all []string) {
	for _, p := range places {
		if r.places[p] {
			all = append(all, p)
		}
	}
	return all
}

// Follow queues what has changed of the official warnings since receivers were told last.
// What they know is written down with the dispatches, so that a change goes out once,
// whenever the node stops.
func (s *Service) Follow(ctx context.Context) error {
	const op = "channel.Follow"
	all, _, err := s.Warnings(ctx)
	if err != nil {
		return problem.Wrap(op, err)
	}
	var known map[string]*told
	var receivers []*receiver
	if err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if receivers, err = s.everybody(tx); err != nil {
			return err
		}
		known, err = toldAll(tx)
		return err
	}); err != nil || len(receivers) == 0 {
		return problem.Wrap(op, err)
	}
	for _, w := range all {
		is, whom := s.now(w)
		if was := lastTold(known, w); was != nil && was.same(is) && turned(known, w) == nil {
			continue
		}
		err := s.DB.Write(ctx, func(tx *store.Tx) error {
			known, err := toldAll(tx) // another instance may have been faster
			if err != nil {
				return err
			}
			was, other := lastTold(known, w), turned(known, w)
			if was != nil && was.same(is) && other == nil {
				return nil
			}
			receivers, err := s.everybody(tx)
			if err != nil {
				return err
			}
			is.revision = 1
			if other != nil {
				other.revision++
				if err := s.Queue(tx, s.bounded(s.withdrawn(receivers, w, other))...); err != nil {
					return err
				}
				other.state = otherKind
				if err := other.put(tx, s.Clock.Now()); err != nil {
					return err
				}
				is.revision = other.revision + 1
			}
			if was != nil {
				is.revision = max(is.revision, was.revision+1)
			}
			if err := s.Queue(tx, s.bounded(s.relays(receivers, w, was, is, whom))...); err != nil {
				return err
			}
			return is.put(tx, s.Clock.Now())
		})
		if err != nil {
			return problem.Wrap(op, err)
		}
	}
	return nil
}

func (t *told) same(o *told) bool {
	return t.digest == o.digest && t.state == o.state && t.kind == o.kind && slices.Equal(t.places, o.places)
}

// lastTold is what was told last of any copy of a warning: whatever it is called since
// copies were found to be one.
func lastTold(known map[string]*told, w *warning.Warning) (last *told) {
	for _, m := range w.Members {
		if t := known[m.ID]; t != nil && t.kind == w.Kind && (last == nil || t.revision > last.revision) {
			last = t
		}
	}
	return last
}

// otherKind is the state of what was told as another kind than it has turned out to be.
const otherKind = "other_kind"

// turned is what receivers hold for in force of another kind than a warning is now: of a
// drill that was issued as a warning and has been recognised since, or the other way round.
func turned(known map[string]*told, w *warning.Warning) (last *told) {
	for _, m := range w.Members {
		if t := known[m.ID]; t != nil && t.kind != w.Kind && t.state == inForce && (last == nil || t.revision > last.revision) {
			last = t
		}
	}
	return last
}

// withdrawn are the dispatches that take back what was told as another kind, by the ways of
// that kind. They say nothing of what the warning says: those are words of the other kind.
func (s *Service) withdrawn(receivers []*receiver, w *warning.Warning, was *told) (all []Dispatch) {
	key := "drill"
	if w.Kind == store.Live {
		key = "earnest"
	}
	for _, r := range receivers {
		if !r.meets(was.places) || !r.wants(Warning, was.severity) {
			continue
		}
		say := func(key string, args i18n.Args) string { return s.Texts.Text(r.lang, "channel.relay."+key, args) }
		source := warning.TermsOf(w.Lead.Source).Attribution + " " + say("received", i18n.Args{"time": w.Lead.First})
		for _, t := range s.targets(r, was.kind) {
			all = append(all, Dispatch{Channel: t.Channel, Target: t.To, Lang: r.lang, Kind: was.kind, Reference: Reference{Warning, w.ID, strconv.FormatInt(was.revision, 10)},
				Title: say("turned."+key, nil), Body: say("turned."+key+".body", nil), Source: source, Ack: r.Acknowledge, Receiver: r.Name})
		}
	}
	return all
}

// relays are the dispatches of a change of a warning.
func (s *Service) relays(receivers []*receiver, w *warning.Warning, was, is *told, whom concern) (all []Dispatch) {
	said := w.Says()
	item := outlet.Relay(w, time.Time{})
	codes, speech := codesOf(said.Code, item.Areas), map[i18n.Lang]string{}
	for _, r := range receivers {
		turn := r.turn(was, is)
		if turn == "" {
			continue
		}
		text := textIn(said.Texts, r.lang)
		title := text.Headline
		if title == "" {
			title = text.Event
		}
		if title == "" {
			title = said.Event
		}
		if strings.TrimSpace(title) == "" {
			title = s.Texts.Text(r.lang, "channel.relay.untitled", nil)
		}
		body := strings.TrimSpace(text.Description + "\n" + text.Instruction)
		until := said.Expires.At
		if turn == "over" || turn == "gone" || !until.After(s.Clock.Now()) {
			until = time.Time{}
		}
		link := ""
		if s.Base != "" {
			link = s.Base + "/warnings/" + w.ID
		}
		spoken, known := speech[r.lang]
		if !known && turn != "over" && turn != "gone" { // what is over is not to be said aloud again
			spoken = outlet.Voice{Texts: s.Texts}.Speak(item, r.lang).Plain
			speech[r.lang] = spoken
		}
		if turn == "over" || turn == "gone" {
			spoken = ""
		}
		for _, t := range s.targets(r, w.Kind) {
			all = append(all, Dispatch{
				Channel: t.Channel, Target: t.To, Lang: r.lang, Kind: w.Kind, Reference: Reference{Warning, w.ID, strconv.FormatInt(is.revision, 10)},
				Title: title, Body: body, Link: link, Source: s.relaySource(r, w, text, turn, whom),
				Ack: r.Acknowledge, Until: until, Receiver: r.Name, Speech: spoken, Codes: codes,
			})
		}
	}
	return all
}

func textIn(texts []feed.Text, l i18n.Lang) feed.Text {
	for _, want := range []string{string(l), string(i18n.En)} {
		for _, t := range texts {
			if speaks(t.Language, want) {
				return t
			}
		}
	}
	if len(texts) > 0 {
		return texts[0]
	}
	return feed.Text{}
}

// relaySource is what stands below the words of an official warning: what has become of
// it, whose it is, its times, licence and attribution.
func (s *Service) relaySource(r *receiver, w *warning.Warning, text feed.Text, turn string, whom concern) string {
	var lines []string
	if turn != "fresh" {
		lines = append(lines, s.Texts.Text(r.lang, "channel.relay."+turn, nil))
	}
	if (turn == "fresh" || turn == "changed") && !r.meets(whom.sure) {
		lines = append(lines, s.Texts.Text(r.lang, "channel.say.unclear", nil))
	}
	if !speaks(text.Language, string(r.lang)) && text.Language != "" {
		lines = append(lines, s.Texts.Text(r.lang, "channel.relay.language", i18n.Args{"language": text.Language}))
	}
	return strings.Join(append(lines, SourceOf(s.Texts, r.lang, w)), "\n")
}

// SourceOf is the source line of an official warning: who issued it and when, when it was
// received, by which feed, its licence and attribution.
func SourceOf(texts *i18n.Bundle, l i18n.Lang, w *warning.Warning) string {
	said, terms := w.Says(), warning.TermsOf(w.Lead.Source)
	lines := []string{terms.Attribution}
	if said.Sender != "" {
		lines = append(lines, texts.Text(l, "channel.relay.sender", i18n.Args{"name": said.Sender}))
	}
	if !said.Sent.At.IsZero() {
		lines = append(lines, texts.Text(l, "channel.relay.issued", i18n.Args{"time": said.Sent.At}))
	}
	lines = append(lines, texts.Text(l, "channel.relay.received", i18n.Args{"time": w.Lead.First}), texts.Text(l, "channel.relay.licence", i18n.Args{"text": terms.Licence}))
	return strings.Join(slices.DeleteFunc(lines, func(x string) bool { return strings.TrimSpace(x) == "" }), " ")
}
