package unit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

const (
	// tick is how often times are looked at, and changes without being woken.
	tick = time.Second
	// subscribed is how long a subscription holds, renewed how often it is renewed.
	subscribed = 15 * time.Minute
	renewed    = 5 * time.Minute
	// mendAfter is how soon a missing message is asked for, so that a line that loses
	// many is not asked for each.
	mendAfter = 30 * time.Second
	// wholeEvery is how soon a neighbour gets a whole list again: that is up to forty
	// messages for one of his. It is sooner than who lost one asks (mendAfter), and what he
	// asks for meanwhile is answered then, with the newest state.
	wholeEvery = 20 * time.Second
	// oneSubject is how long a subscription keeps its identifier: what was sent under
	// one is deleted together, after the last of it.
	oneSubject = 24 * time.Hour
	// beat is how often a list without changes is confirmed: more often than it grows
	// stale at the neighbour's (Settings.Stale).
	beat = 2 * time.Minute
	// askAgain is how often a system that did not answer is asked for its catalogue.
	askAgain = time.Hour
	// told is how long a message about units is worth sending, in seconds.
	told = 240
	// asked is the same for questions.
	asked = 600
	// named bounds the units in the line for people.
	named = 10
)

// Run tells neighbours and asks them until ctx ends. Of several instances one does.
func (s *Service) Run(ctx context.Context) error {
	return s.o.DB.Lead(ctx, "unit", func(ctx context.Context) error {
		w := s.o.DB.Watch(topic)
		defer w.Close()
		for {
			if err := s.Tick(ctx); err != nil && ctx.Err() == nil {
				s.o.Log.Error("unit: exchange", "error", err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-w.C():
			case <-time.After(tick):
			}
		}
	})
}

// Tick does what is due now for every organisation.
func (s *Service) Tick(ctx context.Context) error {
	orgs, err := s.o.Organisations(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, o := range orgs {
		// One neighbour's fault must not keep another waiting.
		errs = append(errs, s.answer(ctx, o), s.tellAll(ctx, o), s.ask(ctx, o))
	}
	return errors.Join(errs...)
}

// refused reports whether the node will not send a message, as opposed to a failure
// here: the neighbour left, is quarantined, or takes no such message.
func refused(err error) bool {
	_, ok := errors.AsType[*problem.Error](err)
	return ok
}

// answer sends the catalogue to who asked for it.
func (s *Service) answer(ctx context.Context, org Org) error {
	var open []question
	err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		open, err = questionsOf(tx, org.ID, s.o.Clock.Now())
		return err
	})
	if err != nil {
		return err
	}
	for _, q := range open {
		a := wireAnswer{Request: q.request, Version: catalogueVersion + " " + mark}
		for _, t := range Types() {
			a.Entries = append(a.Entries, wireEntry{Code: t.Code, Meaning: t.Labels[org.Lang]})
		}
		err := s.o.DB.Write(ctx, func(tx *store.Tx) error {
			if err := answered(tx, org.ID, q, s.o.Clock.Now()); err != nil {
				return err
			}
			_, err := s.o.Node.Post(tx, letter(q.own, q.other, appCatalogue, msgAnswer, asked, a))
			return err
		})
		if err != nil && !refused(err) {
			return err
		}
		if err != nil {
			s.o.Log.Info("unit: catalogue not answered", "other", q.other, "error", err)
			if err := s.o.DB.Write(ctx, func(tx *store.Tx) error { return answered(tx, org.ID, q, s.o.Clock.Now()) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellAll sends every subscriber what changed for him.
func (s *Service) tellAll(ctx context.Context, org Org) error {
	var all []subscriber
	var c counts
	var set Settings
	err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if all, err = subscribersOf(tx, org.ID); err != nil || len(all) == 0 {
			return err
		}
		if c, err = countsOf(tx, org.ID); err != nil {
			return err
		}
		set, err = settings(tx)
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, sub := range all {
		if now := s.o.Clock.Now(); !sub.due(c, set, now) || s.paced(org.ID, sub, now) {
			continue
		}
		err := s.o.DB.Write(ctx, func(tx *store.Tx) error { return s.tell(tx, org, sub.other) })
		if refused(err) {
			s.o.Log.Info("unit: neighbour not told", "other", sub.other, "error", err)
			err = s.o.DB.Write(ctx, func(tx *store.Tx) error { return dropSubscriber(tx, org.ID, sub.other) })
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// due reports whether there may be something to send: a change at once, positions at
// their pace, the beat, or that the subscription has ended.
func (sub *subscriber) due(c counts, set Settings, now time.Time) bool {
	return sub.whole || !now.Before(sub.until) || sub.changes != c.changes ||
		sub.positions != c.positions && now.Sub(sub.movedAt) >= set.Every || now.Sub(sub.sentAt) >= beat
}

// paced reports whether a whole list has to wait. That is kept in memory, beside the
// subscription: who ends one and begins another must not get another at once. Of several
// instances the one that leads sends them all.
func (s *Service) paced(org string, sub subscriber, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := now.Sub(s.wholeAt[[2]string{org, sub.other}])
	return sub.whole && now.Before(sub.until) && since >= 0 && since < wholeEvery
}

// tell sends one subscriber the difference to what he has.
func (s *Service) tell(tx *store.Tx, org Org, other string) error {
	all, err := subscribersOf(tx, org.ID)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(all, func(x subscriber) bool { return x.other == other })
	if n < 0 {
		return nil
	}
	sub, now := all[n], s.o.Clock.Now()
	if !now.Before(sub.until) {
		return dropSubscriber(tx, org.ID, other)
	}
	c, err := countsOf(tx, org.ID)
	if err != nil {
		return err
	}
	set, err := settings(tx)
	if err != nil {
		return err
	}
	kind, known, err := s.kindOf(tx, other)
	if err != nil || !known {
		return err
	}
	v, err := visibilityOf(tx, org.ID, other)
	if err != nil {
		return err
	}
	units, err := unitsOf(tx, org.ID)
	if err != nil {
		return err
	}
	if sub.whole {
		if err := forgetSent(tx, org.ID, other); err != nil {
			return err
		}
	}
	sent, err := sentTo(tx, org.ID, other)
	if err != nil {
		return err
	}
	shown := Preview(units, kind, v.Rules)
	moving := sub.whole || now.Sub(sub.movedAt) >= set.Every
	changed, gone := difference(sent, shown, moving)
	beats := len(shown) > 0 && now.Sub(sub.sentAt) >= beat
	if len(changed)+len(gone) > 0 || sub.whole || beats {
		if err := s.send(tx, org, &sub, changed, gone, now); err != nil {
			return err
		}
	}
	if sub.whole {
		tx.OnCommit(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.wholeAt[[2]string{org.ID, other}] = now
		})
	}
	if len(shown) == 0 {
		sub.sentAt = now // nothing is confirmed for who sees nothing
	}
	sub.whole, sub.changes = false, c.changes
	if moving {
		if sub.positions != c.positions {
			sub.movedAt = now
		}
		sub.positions = c.positions
	}
	return putSubscriber(tx, org.ID, sub)
}

// difference is what leads from what was sent to what is shown now. Without moving,
// new positions wait, unless something else of the unit changed too or its position
// is not shown any more.
func difference(sent map[string]Published, shown []Published, moving bool) (changed []Published, gone []string) {
	here := make(map[string]bool, len(shown))
	for _, p := range shown {
		here[p.ID] = true
		old, there := sent[p.ID]
		if there && sameBut(old, p) {
			same := old.Spot == nil && p.Spot == nil || old.Spot != nil && p.Spot != nil && *old.Spot == *p.Spot
			wait := !moving && old.Spot != nil && p.Spot != nil && old.Spot.Error == p.Spot.Error
			if same || wait {
				continue
			}
		}
		changed = append(changed, p)
	}
	for id := range sent {
		if !here[id] {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	return changed, gone
}

// send posts a difference, in several messages if it is long, and notes it.
func (s *Service) send(tx *store.Tx, org Org, sub *subscriber, changed []Published, gone []string, now time.Time) error {
	first := true
	for first || len(changed) > 0 || len(gone) > 0 {
		part := changed[:min(wholeList, len(changed))]
		ends := gone[:min(wholeList, len(gone))]
		changed, gone = changed[len(part):], gone[len(ends):]
		sub.seq++
		b := block{Do: doUnits, At: millis(now), Whole: sub.whole && first, Seq: sub.seq, Units: part, Gone: ends}
		if _, err := s.o.Node.Post(tx, letter(sub.own, sub.other, appText, msgText, told, text(sub.sub, ucri.FormatTime(now), s.line(org.Lang, part, ends), b))); err != nil {
			return err
		}
		for _, p := range part {
			if err := putSent(tx, org.ID, sub.other, p); err != nil {
				return err
			}
		}
		for _, id := range ends {
			if err := dropSent(tx, org.ID, sub.other, id); err != nil {
				return err
			}
		}
		first = false
	}
	sub.sentAt = now
	return nil
}

// line says for people what a message tells, from what is published alone.
func (s *Service) line(l i18n.Lang, part []Published, gone []string) string {
	var words []string
	for _, p := range part[:min(named, len(part))] {
		w := p.CallSign
		if p.Status != Unknown {
			w += ": " + s.o.Texts.Text(l, "unit.status."+string(p.Status), nil)
		}
		words = append(words, w)
	}
	if more := len(part) - len(words); more > 0 {
		words = append(words, s.o.Texts.Text(l, "unit.wire.more", i18n.Args{"n": more}))
	}
	if len(gone) > 0 {
		words = append(words, s.o.Texts.Text(l, "unit.wire.gone", i18n.Args{"n": len(gone)}))
	}
	if len(words) == 0 {
		return s.o.Texts.Text(l, "unit.wire.none", nil)
	}
	return s.o.Texts.Text(l, "unit.wire.units", nil) + " " + strings.Join(words, "; ")
}

// kindOf is the kind of a neighbour's address; false: there is no such neighbour.
func (s *Service) kindOf(tx *store.Tx, other string) (store.Kind, bool, error) {
	n, err := s.neighbour(tx, other)
	if err != nil || n == nil {
		return "", false, err
	}
	return n.Kind, true, nil
}

func (s *Service) neighbour(tx *store.Tx, other string) (*exchange.Neighbour, error) {
	all, err := s.o.Node.Neighbours(tx)
	for i := range all {
		if all[i].OID == other {
			return &all[i], err
		}
	}
	return nil, err
}

// takes reports whether a neighbour's record names both apps that units travel in.
func takes(n *exchange.Neighbour) bool {
	has := func(app, message string) bool {
		return slices.ContainsFunc(n.Apps, func(a ucri.AppRef) bool {
			return a.AppID == app && a.AppVersion == appVersion && !slices.Contains(a.UnsupportedMessages, message)
		})
	}
	return has(appCatalogue, msgAsk) && has(appText, msgText)
}

// ask asks the neighbours people here want to see: first for their catalogue, which
// any system understands; only who says in it that he tells of units gets a
// subscription, renewed as long as it is wanted.
func (s *Service) ask(ctx context.Context, org Org) error {
	var all []follow
	err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = followsOf(tx, org.ID)
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range all {
		if !f.due(s.o.Clock.Now()) {
			continue
		}
		err := s.o.DB.Write(ctx, func(tx *store.Tx) error { return s.askOne(tx, org, f.other) })
		if refused(err) {
			s.o.Log.Info("unit: neighbour not asked", "other", f.other, "error", err)
			err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
				now, err := followOf(tx, org.ID, f.other)
				if err != nil {
					return err
				}
				now.askedAt, now.renewedAt = s.o.Clock.Now(), s.o.Clock.Now()
				return putFollow(tx, org.ID, now)
			})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (f *follow) due(now time.Time) bool {
	if !f.tells {
		return now.Sub(f.askedAt) >= askAgain
	}
	return now.Sub(f.renewedAt) >= renewed || f.gap && now.Sub(f.renewedAt) >= mendAfter
}

func (s *Service) askOne(tx *store.Tx, org Org, other string) error {
	f, err := followOf(tx, org.ID, other)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	now := s.o.Clock.Now()
	if err != nil || !f.due(now) {
		return err
	}
	n, err := s.neighbour(tx, other)
	if err != nil {
		return err
	}
	if !f.tells {
		f.askedAt = now
		if n != nil && takes(n) {
			f.request = s.o.Clock.NewID()
			if _, err := s.o.Node.Post(tx, letter(f.own, other, appCatalogue, msgAsk, asked, wireAsk{Request: f.request})); err != nil {
				return err
			}
		}
		return putFollow(tx, org.ID, f)
	}
	if f.sub == "" || now.Sub(f.beganAt) >= oneSubject {
		f.sub, f.beganAt, f.seq, f.gap = s.o.Clock.NewID(), now, 0, true
	}
	if f.renewedAt = now; n != nil && !n.DownSince.IsZero() {
		f.renewedAt = now.Add(mendAfter - renewed) // looked at again soon: nothing piles up for a dead line
		return putFollow(tx, org.ID, f)
	}
	b := block{Do: doSubscribe, At: millis(now), Whole: f.gap, Seq: f.seq}
	line := s.o.Texts.Text(org.Lang, "unit.wire.subscribe", i18n.Args{"time": s.o.Texts.Time(org.Lang, now.Add(subscribed))})
	if _, err := s.o.Node.Post(tx, letter(f.own, other, appText, msgText, told, text(f.sub, ucri.FormatTime(now), line, b))); err != nil {
		return err
	}
	return putFollow(tx, org.ID, f)
}

// Follow asks a neighbour to show its units here.
func (s *Service) Follow(ctx context.Context, who Actor, other string) error {
	const op = "unit.Follow"
	org, err := s.organisation(ctx, who.Org)
	if err != nil {
		return err
	}
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := followOf(tx, org.ID, other); !errors.Is(err, store.ErrNoRows) {
			return err // wanted already
		}
		n, err := s.neighbour(tx, other)
		if err != nil {
			return err
		}
		if n == nil || slices.Contains(org.Addresses, other) {
			return problem.New(op, problem.NotFound, "unit.fault.no_neighbour", nil)
		}
		own := s.from(org, other)
		if own == "" {
			return problem.New(op, problem.Conflict, "unit.fault.no_address", nil)
		}
		if err := putFollow(tx, org.ID, follow{other: other, own: own, person: who.Person}); err != nil {
			return err
		}
		tx.Notify(topic)
		return s.o.Audit.Append(tx, audit.Event{Action: "unit.follow", Actor: by(who), Object: other})
	}))
}

// Unfollow ends it; what was shown is forgotten here.
func (s *Service) Unfollow(ctx context.Context, who Actor, other string) error {
	const op = "unit.Unfollow"
	org, err := s.organisation(ctx, who.Org)
	if err != nil {
		return err
	}
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		f, err := followOf(tx, org.ID, other)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		now := s.o.Clock.Now()
		if f.sub != "" {
			_, err := s.o.Node.Post(tx, letter(f.own, other, appText, msgText, told,
				text(f.sub, ucri.FormatTime(now), s.o.Texts.Text(org.Lang, "unit.wire.stop", nil), block{Do: doStop, At: millis(now)})))
			if err != nil && !refused(err) {
				return err
			}
		}
		if err := dropFollow(tx, org.ID, other); err != nil {
			return err
		}
		if err := count(tx, org.ID, counts{seen: 1}); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "unit.unfollow", Actor: by(who), Object: other})
	}))
}

// from is the own address of the neighbour's kind; "": there is none.
func (s *Service) from(org Org, other string) string {
	for _, own := range org.Addresses {
		if s.o.Node.SameKind(own, other) {
			return own
		}
	}
	return ""
}

func (s *Service) organisation(ctx context.Context, id string) (Org, error) {
	orgs, err := s.o.Organisations(ctx)
	if err != nil {
		return Org{}, problem.Wrap("unit.organisation", err)
	}
	for _, o := range orgs {
		if o.ID == id {
			o.Lang = cmp.Or(o.Lang, i18n.En)
			return o, nil
		}
	}
	return Org{}, errNotFound
}

// Aside takes the messages about units out of an organisation's feed, in the
// transaction that reads it: they belong to no incident. false: it is none of them.
// A message that is read again changes nothing.
func (s *Service) Aside(tx *store.Tx, org string, e exchange.Entry) (bool, error) {
	switch {
	case e.App == appCatalogue:
		if !e.Incoming || e.Envelope == nil {
			return true, nil
		}
		return s.catalogue(tx, org, e)
	case e.App == appText && e.Envelope != nil:
		sub, b, ok := readBlock(e.Envelope)
		if !ok || !e.Incoming {
			return ok, nil
		}
		switch b.Do {
		case doSubscribe, doStop:
			return true, s.subscription(tx, org, e, sub, b)
		case doUnits:
			return true, s.told(tx, org, e, sub, b)
		}
		s.o.Log.Warn("unit: a block that cannot be read", "other", e.Other, "message", e.MessageID)
		return true, nil
	}
	return false, nil
}

// catalogue notes a question, or takes an answer to ours. An answer nobody asked for
// is for people (false).
func (s *Service) catalogue(tx *store.Tx, org string, e exchange.Entry) (bool, error) {
	data, now := []byte(e.Envelope.Payload.Data), s.o.Clock.Now()
	if e.Message == msgAsk {
		var a wireAsk
		if json.Unmarshal(data, &a) != nil || !e.ExpiresAt.After(now) {
			return true, nil
		}
		return true, addQuestion(tx, org, question{own: e.Own, other: e.Other, request: a.Request}, e.ExpiresAt)
	}
	f, err := followOf(tx, org, e.Other)
	if errors.Is(err, store.ErrNoRows) {
		return !e.ExpiresAt.After(now), nil
	}
	var a wireAnswer
	if err != nil || json.Unmarshal(data, &a) != nil || a.Request != f.request || !f.answerAt.IsZero() && f.tells {
		return true, err
	}
	f.answerAt, f.tells = e.AcceptedAt, slices.Contains(strings.Fields(a.Version), mark)
	for _, entry := range a.Entries[:min(wholeList, len(a.Entries))] {
		code, label := bare(entry.Code), bare(entry.Meaning)
		if code == "" {
			continue
		}
		if err := putLabel(tx, org, e.Other, code, label); err != nil {
			return true, err
		}
	}
	tx.Notify(topic)
	return true, putFollow(tx, org, f)
}

// bare makes a neighbour's word fit for a column.
func bare(text string) string {
	text = clean(strings.ReplaceAll(text, "\x00", ""))
	if r := []rune(text); len(r) > maxWords {
		text = string(r[:maxWords])
	}
	return text
}

// subscription begins, renews or ends what a neighbour is told. What he may see is
// not his to say.
func (s *Service) subscription(tx *store.Tx, org string, e exchange.Entry, sub string, b block) error {
	until := e.AcceptedAt.Add(subscribed)
	if sub == "" || !until.After(s.o.Clock.Now()) {
		return nil // read again, long after
	}
	all, err := subscribersOf(tx, org)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(all, func(x subscriber) bool { return x.other == e.Other })
	if b.Do == doStop {
		if n < 0 || all[n].sub != sub {
			return nil
		}
		return dropSubscriber(tx, org, e.Other)
	}
	// The numbers go on where the neighbour's are, also after the subscription had ended.
	next := subscriber{other: e.Other, own: e.Own, sub: sub, until: until, whole: true, seq: max(0, b.Seq)}
	if n >= 0 && all[n].sub == sub {
		next = all[n]
		if !until.After(next.until) {
			return nil
		}
		next.until, next.own, next.whole = until, e.Own, next.whole || b.Whole
	}
	tx.Notify(topic)
	return putSubscriber(tx, org, next)
}

// told takes what a neighbour tells of its units.
func (s *Service) told(tx *store.Tx, org string, e exchange.Entry, sub string, b block) error {
	f, err := followOf(tx, org, e.Other)
	if errors.Is(err, store.ErrNoRows) {
		return nil // not wanted any more
	}
	if err != nil || sub == "" || sub != f.sub || b.Seq <= f.seq {
		return err
	}
	// A clock of theirs that is ahead makes nothing younger than it came.
	heard := e.AcceptedAt
	if at := moment(b.At); at.Before(heard) {
		heard = at
	}
	switch {
	case b.Whole:
		if err := forgetSeen(tx, org, e.Other); err != nil {
			return err
		}
		f.gap = false
	case b.Seq != f.seq+1:
		f.gap = true
	}
	n, err := seenOf(tx, org, e.Other)
	if err != nil {
		return err
	}
	if n > maxUnits { // no control room has as many: they are made up
		s.o.Log.Warn("unit: too many units", "other", e.Other, "message", e.MessageID)
		if err := forgetSeen(tx, org, e.Other); err != nil {
			return err
		}
		b.Units, f.gap = nil, true
	}
	for _, p := range b.Units[:min(2*wholeList, len(b.Units))] {
		if !p.sound() {
			continue
		}
		if err := putSeen(tx, org, e.Other, p, heard); err != nil {
			return err
		}
	}
	for _, id := range b.Gone[:min(2*wholeList, len(b.Gone))] {
		if err := dropSeen(tx, org, e.Other, bare(id)); err != nil {
			return err
		}
	}
	if f.seq = b.Seq; !f.gap {
		f.heardAt = heard // whatever it does not name is as it was
	}
	if err := putFollow(tx, org, f); err != nil {
		return err
	}
	return count(tx, org, counts{seen: 1})
}
