package disclosure

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// PersonRequest is what a person asks of an organisation, as its data-protection officer
// enters it. None of it is stored.
type PersonRequest struct {
	Sought
	Number     string    // the organisation's own, of its file: it goes into the audit log
	Reason     string    // one of Reasons: so does it
	Identified time.Time // when who asks was checked to be that person
	Lang       i18n.Lang // of the answer
}

// Reasons are why somebody searches for a person.
var Reasons = []string{"access", "complaint", "authority"}

// numbered is what a request's own number looks like: a name alone is none.
var numbered = regexp.MustCompile(`^[\p{L}0-9./_ -]{0,20}[0-9][\p{L}0-9./_ -]{0,20}$`)

// Wrong names the fields that must be mended with the keys of their texts, in the order
// of the form.
func (r PersonRequest) Wrong(now time.Time) (all [][2]string) {
	add := func(field, key string) { all = append(all, [2]string{field, "disclosure.request.wrong." + key}) }
	if r.Empty() {
		add("phone", "empty")
	} else if r.Phone != "" && !readPhone(r.Phone).is() {
		add("phone", "phone")
	}
	if !r.From.IsZero() && !r.To.IsZero() && !r.From.Before(r.To) {
		add("to", "span")
	}
	// The audit log is kept for ever and names nobody.
	words := i18n.Words(r.Number)
	names := slices.ContainsFunc(nameWords(r.Name), func(w string) bool { return slices.Contains(words, w) })
	if !numbered.MatchString(r.Number) || names || readPhone(r.Phone).in(r.Number) {
		add("number", "number")
	}
	if !slices.Contains(Reasons, r.Reason) {
		add("reason", "reason")
	}
	if r.Identified.IsZero() || r.Identified.After(now) {
		add("identified", "identified")
	}
	return all
}

// Seek searches for the person of a request, from where it had come to, and writes down
// that it was done, why and for which request, and not what was searched for.
func (s *Service) Seek(ctx context.Context, person, organisation string, r PersonRequest, at Search) (Search, error) {
	const op = "disclosure.Seek"
	if s.o.Look == nil {
		return at, problem.New(op, problem.NotFound, "", nil)
	}
	err := s.o.DB.Write(ctx, func(tx *store.Tx) error { return s.note(tx, "disclosure.search", person, r) })
	if err == nil {
		at, err = s.o.Look(ctx, organisation, r.Sought, at)
	}
	return at, problem.Wrap(op, err)
}

func (s *Service) note(tx *store.Tx, action, person string, r PersonRequest) error {
	return s.o.Audit.Append(tx, audit.Event{Action: action, Actor: person, Object: r.Reason + " " + r.Number})
}

// Decision about what was found.
const (
	Include = "include"
	Third   = "third"    // left out: it is about other persons too
	Another = "namesake" // left out: it is somebody else
	Bound   = "bound"    // left out: the law forbids to tell
)

// Choices are what becomes of something that was found.
var Choices = []string{Include, Third, Another, Bound}

// Item is one thing that was found, with what a human decided about it.
type Item struct {
	Key string // names nobody
	Stored
	Mention Mention
	Choice  string // "": nobody has decided
}

// Proposed is what stands for an item before a human looks at it: only what the person
// is known to have said himself goes out by itself, and no text that names him does. What
// the police has of somebody may have to stay untold.
func (m Mention) Proposed() string {
	switch {
	case m.By == ByText:
		return Third
	case m.By == ByBoth && m.Group != Accused && m.Group != Victims:
		return Include
	}
	return ""
}

// Items are what a search found, in the order of time.
func (s *Service) Items(ctx context.Context, organisation string, r PersonRequest, at Search) ([]Item, error) {
	const op = "disclosure.Items"
	all, err := s.o.Recall(ctx, organisation, r.Sought, at.Found)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	own, err := s.ownRecords(ctx, organisation, r.Sought)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	all = append(all, own...)
	slices.SortStableFunc(all, func(a, b Stored) int { return a.At.Compare(b.At) })
	var items []Item
	for _, stored := range all {
		for n, m := range stored.Mentions {
			items = append(items, Item{Key: stored.Ref + "." + strconv.Itoa(n), Stored: stored, Mention: m, Choice: m.Proposed()})
		}
	}
	return items, nil
}

// ownRecords are what this package itself has stored of the person: what was withheld
// and may be asked for, and reasons of emergencies.
func (s *Service) ownRecords(ctx context.Context, organisation string, q Sought) (out []Stored, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		all, err := heldBy(tx, organisation, q.From, q.To)
		if err != nil {
			return err
		}
		for _, h := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			text, err := unseal(tx, s.o.Ring, h.keyID, h.body, heldPlace(organisation, h.incident, h.peer, h.group))
			if err != nil {
				return err
			}
			// The others of whom something was withheld with him stay untold.
			r := Stored{Ref: "h" + h.incident + "/" + h.peer + "/" + string(h.group), Source: SourceWithheld, At: h.at, Incident: h.incident, Peer: h.peer}
			for part := range strings.SplitSeq(text, "; ") {
				if q.Text(part) {
					r.Mentions = append(r.Mentions, q.withheld(h.group, part))
				}
			}
			if len(r.Mentions) > 0 {
				out = append(out, r)
			}
		}
		list, err := emergencies(tx, organisation, "", mostEmergencies)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.At.Before(q.From) || !q.To.IsZero() && !e.At.Before(q.To) {
				continue
			}
			reason, err := unseal(tx, s.o.Ring, e.keyID, e.sealed, emergencyPlace(e.ID))
			if err != nil {
				return err
			}
			if found := q.Written(reason); len(found) > 0 {
				out = append(out, Stored{Ref: "e" + e.ID, Source: SourceReason, At: e.At, Incident: e.Incident, Peer: e.Peer, Mentions: found})
			}
		}
		return nil
	})
	if err != nil || s.o.KeptUntil == nil {
		return out, err
	}
	var ids []string
	for _, r := range out {
		ids = append(ids, r.Incident)
	}
	dates, err := s.o.KeptUntil(ctx, organisation, slices.Compact(slices.Sorted(slices.Values(ids))))
	for n := range out {
		out[n].DeleteAt = dates[out[n].Incident]
	}
	return out, err
}

// mostEmergencies of an organisation are looked through: there are few.
const mostEmergencies = 10_000

// withheld is the mention in one person's part of what was withheld.
func (q Sought) withheld(g Group, part string) Mention {
	by := ByName
	switch inName, inPart := within(nameWords(q.Name), i18n.Words(part)), readPhone(q.Phone).in(part); {
	case inName && inPart:
		by = ByBoth
	case inPart:
		by = ByNumber
	}
	return Mention{Group: g, By: by, Values: []Datum{{Text: part}}}
}

// Told is one time something about the person went to a neighbour, or did not.
type Told struct {
	At      time.Time
	Peer    string
	Fields  []string // paths without numbers; none: a text
	Groups  []Group
	Action  Action // of the rule
	Rule    string // "" where the log has none
	Version int64
	Reason  string // of the rule
	Held    bool
}

// Answer is what a person is told.
type Answer struct {
	PersonRequest
	Organisation, Country string
	At                    time.Time
	Search                Search
	Items                 []Item
	Told                  []Told
}

// included are the items that the person is told.
func (a Answer) included() (out []Item) {
	return slices.DeleteFunc(slices.Clone(a.Items), func(i Item) bool { return i.Choice != Include })
}

// Answer makes the answer of what a human has decided, and writes down that it was
// made; problem Invalid when something is not decided, or more was found than was looked at.
func (s *Service) Answer(ctx context.Context, person, organisation string, a Answer) (Answer, error) {
	const op = "disclosure.Answer"
	if slices.ContainsFunc(a.Items, func(i Item) bool { return !slices.Contains(Choices, i.Choice) }) {
		return a, problem.New(op, problem.Invalid, "disclosure.request.wrong.open", nil)
	}
	if a.Search.Many() {
		return a, problem.New(op, problem.Invalid, "disclosure.request.many", i18n.Args{"n": MostFound})
	}
	a.At = s.o.Clock.Now()
	if s.o.Country != nil {
		var err error
		if a.Country, err = s.o.Country(ctx, organisation); err != nil {
			return a, problem.Wrap(op, err)
		}
	}
	err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) { a.Told, err = s.told(tx, a.Items); return err })
	if err == nil {
		err = s.o.DB.Write(ctx, func(tx *store.Tx) error { return s.note(tx, "disclosure.answer", person, a.PersonRequest) })
	}
	return a, problem.Wrap(op, err)
}

// told is to whom what went, by the log of decisions. That something is left out because
// it is about others too does not hide that it went; somebody else's is not his.
func (s *Service) told(tx *store.Tx, items []Item) (out []Told, err error) {
	reasons := map[int64]map[string]string{}
	for _, i := range items {
		if i.Choice == Another || i.Mention.By == ByWords {
			continue
		}
		var list []Logged
		switch {
		case i.Source == SourceWithheld:
			list, err = heldDecisions(tx, i.Incident, i.Peer, i.At)
			list = slices.DeleteFunc(list, func(l Logged) bool { return groupAt(l.Path) != i.Mention.Group })
		case i.Source == SourceMessage && !i.Incoming:
			list, err = decisions(tx, i.Message, mostDecisions)
			list = slices.DeleteFunc(list, func(l Logged) bool { return l.Path != i.Mention.Path && !strings.HasPrefix(l.Path, i.Mention.Path+".") })
			if err == nil && len(list) == 0 {
				list = []Logged{{At: i.At, Peer: i.Peer, Action: Pass}}
				if _, given := ReadGiven(i.Mention.Values[0].Text); given && i.Mention.By == ByText {
					list[0].Action, list[0].Rule = Ask, ruleAsked
				}
			}
		}
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(list, func(a, b Logged) int { return strings.Compare(a.Path, b.Path) })
		for _, l := range list {
			if l.Rule != "" && reasons[l.Version] == nil {
				if reasons[l.Version], err = reasonsOf(tx, l.Version); err != nil {
					return nil, err
				}
			}
			t := Told{At: l.At, Peer: l.Peer, Groups: []Group{i.Mention.Group}, Action: l.Action, Rule: l.Rule, Version: l.Version, Reason: reasons[l.Version][l.Rule], Held: l.Held}
			if l.Path != "" {
				t.Fields = []string{unnumbered(l.Path)}
			}
			out = add(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b Told) int { return a.At.Compare(b.At) })
	return out, nil
}

// mostDecisions bounds what is read of one message.
const mostDecisions = 1000

// add adds what was told, to the line of the same time, neighbour and rule.
func add(out []Told, t Told) []Told {
	for n := range out {
		o := &out[n]
		if o.At.Equal(t.At) && o.Peer == t.Peer && o.Rule == t.Rule && o.Held == t.Held && o.Action == t.Action {
			for _, f := range t.Fields {
				if !slices.Contains(o.Fields, f) {
					o.Fields = append(o.Fields, f)
				}
			}
			for _, g := range t.Groups {
				if !slices.Contains(o.Groups, g) {
					o.Groups = append(o.Groups, g)
				}
			}
			return out
		}
	}
	return append(out, t)
}

// reasonsOf are why the rules of a version are as they are.
func reasonsOf(tx *store.Tx, n int64) (map[string]string, error) {
	v, err := version(tx, n)
	out := map[string]string{}
	for _, r := range v.Rules {
		out[r.ID] = r.Reason
	}
	return out, err
}

// groupAt is the group of a path in the log.
func groupAt(path string) Group {
	if n, ok := byPath[unnumbered(path)]; ok {
		return leaves[n].group
	}
	return Data
}

//go:embed law.csv
var lawText []byte

// law is a row of law.csv: the basis of a processing or an authority to complain to,
// each from memory and to be verified. The name of what holds in all countries is a key
// of the letter's texts.
type law struct{ kind, country, group, name, where string }

var laws = sync.OnceValue(func() (all []law) {
	rows, err := csv.NewReader(bytes.NewReader(lawText)).ReadAll()
	if err != nil {
		panic(err) // it is embedded
	}
	for _, r := range rows[1:] {
		all = append(all, law{r[0], r[1], r[2], r[3], r[4]})
	}
	return all
})

// bases are on what a group of data is processed in a country.
func bases(g Group, country string) (out []law) {
	for _, l := range laws() {
		if l.kind == "basis" && l.group == string(g) && (l.country == "" || l.country == country) {
			out = append(out, l)
		}
	}
	return out
}

// authorities are whom to complain to, the one of a country first.
func authorities(country string) (out []law) {
	for _, l := range laws() {
		if l.kind != "authority" {
			continue
		}
		if l.country == country {
			out = slices.Insert(out, 0, l)
		} else {
			out = append(out, l)
		}
	}
	return out
}
