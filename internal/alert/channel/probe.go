package channel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// mostTests is how many get a test message at once without somebody confirming how many
// they are.
const mostTests = 5

// testSuffix makes the name of the way by which tests leave beside a live channel: with
// its credentials, an outbox and a worker of the kind test, and for nothing but tests.
const testSuffix = "~test"

// Addressee is a receiver at one address, wherever it is entered.
type Addressee struct {
	Key      string
	Name     string
	Channel  string
	Sort     Sort
	Kind     store.Kind
	Lang     i18n.Lang
	Places   []string
	Minimum  string
	Takes    []string
	Ack      bool
	Address  string // only for who may see it
	Where    string // in the configuration; "": it was entered
	Entry    *Entry // nil: it stands in the configuration
	Told     bool   // it is told of what is now
	Testable bool
	Test     *Receipt // of the last test; nil: none is kept

	target string
}

// Addressees are all receivers, those of the configuration first.
func (s *Service) Addressees(ctx context.Context) (all []Addressee, err error) {
	entered, err := s.Entries(ctx)
	if err != nil {
		return nil, err
	}
	add := func(a Addressee) {
		if c := s.channel(a.Channel); c != nil {
			a.Sort, a.Kind = c.sort, c.kind
			a.Testable = a.Told && s.tester(c) != nil
		}
		all = append(all, a)
	}
	for i, r := range s.receivers {
		for j, t := range r.Targets {
			add(Addressee{Key: "conf-" + s.markAddress(t.Channel, t.To), Name: r.Name, Channel: t.Channel, Lang: r.lang, Places: r.Places, Minimum: r.Minimum, Takes: r.Takes, Ack: r.Acknowledge,
				Address: t.To, Where: fmt.Sprintf("channels.receivers[%d].targets[%d]", i, j), Told: true, target: t.To})
		}
	}
	for _, e := range entered {
		if e.target != "" {
			add(Addressee{Key: e.ID, Name: e.Name, Channel: e.Channel, Kind: e.Kind, Lang: e.Lang, Places: e.Places, Minimum: e.Minimum, Takes: e.Takes, Ack: e.Ack, Address: e.Address, Entry: e, Told: e.holds(s.Clock.Now()), target: e.target})
		}
	}
	return all, problem.Wrap("channel.Addressees", s.DB.Read(ctx, func(tx *store.Tx) error {
		for i := range all {
			last, err := receipts(tx, Trial, all[i].Key, 1)
			if err != nil {
				return err
			}
			if len(last) > 0 {
				all[i].Test = &last[0]
			}
		}
		return nil
	}))
}

// tester is the way by which tests leave to who is told by a channel: the channel itself
// when it is not of reality; nil: it carries none.
func (s *Service) tester(c *channel) *channel {
	if c.kind != store.Live {
		return c
	}
	return s.channel(c.name + testSuffix)
}

// Test queues a test message for receivers, by their keys or all of a channel. More than
// mostTests need confirmed to be how many they are; problem Conflict tells it.
func (s *Service) Test(ctx context.Context, person string, keys []string, name string, confirmed int) (n int, err error) {
	const op = "channel.Test"
	everybody, err := s.Addressees(ctx)
	if err != nil {
		return 0, err
	}
	if name != "" && s.channel(name) == nil {
		return 0, problem.New(op, problem.NotFound, "channel.refuse.unknown", i18n.Args{"channel": name})
	}
	wanted := map[string]bool{}
	for _, k := range keys {
		wanted[k] = true
	}
	var all []Dispatch
	now := s.Clock.Now()
	for _, a := range everybody {
		if !wanted[a.Key] && (name == "" || a.Channel != name) {
			continue
		}
		if !a.Told {
			if wanted[a.Key] {
				return 0, problem.New(op, problem.Conflict, "channel.test.not_told", i18n.Args{"name": a.Name})
			}
			continue
		}
		way := s.tester(s.channel(a.Channel))
		if way == nil {
			return 0, problem.New(op, problem.Conflict, "channel.test.off", i18n.Args{"channel": a.Channel})
		}
		delete(wanted, a.Key)
		say := func(key string, args i18n.Args) string { return s.Texts.Text(a.Lang, "channel.test.say."+key, args) }
		all = append(all, Dispatch{Channel: way.name, Target: a.target, Lang: a.Lang, Kind: way.kind, Receiver: a.Name,
			// Twice in a minute is once: a button is pressed again when nothing seems to happen.
			Reference: Reference{Trial, a.Key, now.Format("2006-01-02T15:04Z")},
			Title:     say("title", nil), Body: say("body", nil), Short: say("short", nil), Source: say("source", i18n.Args{"place": s.Place}), Until: now.Add(time.Hour)})
	}
	if len(all) == 0 || len(keys) > 0 && name == "" && len(wanted) > 0 {
		return 0, problem.New(op, problem.NotFound, "channel.test.nobody", nil)
	}
	if len(all) > mostTests && confirmed != len(all) {
		return len(all), problem.New(op, problem.Conflict, "channel.test.confirm", i18n.Args{"n": len(all), "most": mostTests})
	}
	object := name
	if object == "" {
		object = strings.Join(keys, " ")
	}
	return len(all), problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.Queue(tx, all...); err != nil {
			return err
		}
		return s.Audit.Append(tx, audit.Event{Action: "channel.test", Actor: person, Object: object, Detail: []byte(fmt.Sprint(len(all)))})
	}))
}
