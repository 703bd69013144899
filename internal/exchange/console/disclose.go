package console

import (
	"context"
	"slices"
	"strings"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Disclosed is what a person decided about what the neighbours are told.
type Disclosed struct {
	Answers map[disclosure.Group]bool
	Life    bool // a life is in danger
	// What happened, in the words that he chose; "": as the message says, whose keyword
	// may be one of the neighbour's that means several things.
	What string
	// Emergency is why they are told everything; "": the rules hold.
	Emergency string
}

// disclosed reads what a draft decides.
func (d Draft) disclosed() Disclosed {
	out := Disclosed{Answers: map[disclosure.Group]bool{}, Life: d.Danger, What: d.Type, Emergency: d.Emergency}
	for g, yes := range d.Answers {
		out.Answers[g] = yes
	}
	return out
}

// readBack reads a message of ours before it leaves. The node gives it its time and its
// life later.
func readBack(e *ucri.Envelope) (*convert.Message, error) {
	m, f := convert.Read(e.AppendJSON(nil), convert.UCRI2)
	if f != nil {
		return nil, &problem.Error{Op: "console.disclose", Kind: problem.Invalid, Key: f.Key, Args: f.Args, Err: f}
	}
	return m, nil
}

// written puts what is left of a message into its envelope.
func written(e *ucri.Envelope, m *convert.Message) error {
	r, f := m.Write(convert.UCRI2, convert.Options{Payload: true})
	if f != nil {
		return &problem.Error{Op: "console.disclose", Kind: problem.Invalid, Key: f.Key, Args: f.Args, Err: f}
	}
	e.Payload.Data = string(r.Bytes)
	return nil
}

// classOf is the class, for the rules, of what a dispatcher says that happened; "" for
// what nobody knows.
func (s *Service) classOf(words string) string {
	if s.Types != nil {
		if key := s.Types.Table().KeyOf(words); disclosure.KnownClass(key) {
			return key
		}
	}
	return disclosure.ClassNamed(words)
}

func (s *Service) transfer(org Org, who Actor, d Disclosed, e *ucri.Envelope) disclosure.Transfer {
	return disclosure.Transfer{
		Peer: e.Destinations[0], Message: e.MessageID, Organisation: org.ID, Person: who.Person, Class: s.classOf(d.What), Answers: d.Answers, Life: d.Life, Emergency: d.Emergency,
		Nobody: s.Texts.Text(org.Lang, wordUnknown, nil),
	}
}

// disclose takes out of a message what its receiver is not told.
func (s *Service) disclose(tx *store.Tx, org Org, who Actor, d Disclosed, e *ucri.Envelope) error {
	if s.Disclosure == nil {
		return nil
	}
	m, err := readBack(e)
	if err != nil {
		return err
	}
	e.MessageID = s.Clock.NewID()
	o, err := s.Disclosure.Disclose(tx, s.transfer(org, who, d, e), m)
	if err != nil || len(o.Marks) == 0 {
		return err
	}
	return written(e, m)
}

// seenBy leaves in a message what its receiver would see, and tells what is withheld.
func (s *Service) seenBy(tx *store.Tx, org Org, who Actor, d Disclosed, e *ucri.Envelope) ([]disclosure.Mark, error) {
	if s.Disclosure == nil {
		return nil, nil
	}
	m, err := readBack(e)
	if err != nil {
		return nil, err
	}
	o, err := s.Disclosure.Preview(tx, s.transfer(org, who, d, e), m)
	if err != nil || len(o.Marks) == 0 {
		return nil, err
	}
	m.Withhold(o.Incident, o.Sources)
	return o.Marks, written(e, m)
}

// Withheld is something of an incident that one side keeps back and the other may ask for.
type Withheld struct {
	Group     disclosure.Group
	Neighbour Neighbour
	Asked     bool // by us, or of us
}

// Withheld lists what neighbours keep back and give on asking (theirs), and what they
// have asked of us (ours), each until it is given.
func (i *Incident) Withheld() (theirs, ours []Withheld) {
	find := func(list []Withheld, oid string, g disclosure.Group) int {
		for n := range list {
			if list[n].Neighbour.OID == oid && list[n].Group == g {
				return n
			}
		}
		return -1
	}
	drop := func(list []Withheld, n int) []Withheld {
		if n < 0 {
			return list
		}
		return append(list[:n:n], list[n+1:]...)
	}
	for _, e := range i.Thread {
		if e.Incoming && e.Form == FormIncident { // what he says now counts
			theirs = slices.DeleteFunc(theirs, func(w Withheld) bool { return w.Neighbour.OID == e.OID })
		}
		for _, l := range e.Lines {
			if m, ok := disclosure.ReadMark(l.Text); ok && l.Category == disclosure.Category && m.Ask && e.Incoming && find(theirs, e.OID, m.Group) < 0 {
				theirs = append(theirs, Withheld{m.Group, e.Neighbour, false})
			}
			if g, ok := disclosure.ReadRequest(l.Text); ok {
				if e.Incoming && find(ours, e.OID, g) < 0 {
					ours = append(ours, Withheld{g, e.Neighbour, true})
				} else if n := find(theirs, e.OID, g); !e.Incoming && n >= 0 {
					theirs[n].Asked = true
				}
			}
			if g, ok := disclosure.ReadGiven(l.Text); ok {
				if e.Incoming {
					theirs = drop(theirs, find(theirs, e.OID, g))
				} else {
					ours = drop(ours, find(ours, e.OID, g))
				}
			}
		}
	}
	return theirs, ours
}

// AskFor asks a neighbour for what he withheld of an incident.
func (s *Service) AskFor(ctx context.Context, who Actor, incident, neighbour string, g disclosure.Group, once string) error {
	const op = "console.AskFor"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		to, err := s.addressed(tx, op, org, incident, neighbour)
		if err != nil {
			return "", err
		}
		return "", s.tellOne(tx, op, org, who, to, disclosure.Request(g))
	})
	return err
}

// GiveWithheld gives a neighbour what he asked for.
func (s *Service) GiveWithheld(ctx context.Context, who Actor, incident, neighbour string, g disclosure.Group, once string) error {
	const op = "console.GiveWithheld"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		if s.Disclosure == nil {
			return "", problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
		}
		to, err := s.addressed(tx, op, org, incident, neighbour)
		if err != nil {
			return "", err
		}
		text, err := s.Disclosure.Give(tx, org.ID, who.Person, to.record.sharedID, neighbour, g)
		if err != nil {
			return "", err
		}
		return "", s.tellOne(tx, op, org, who, to, disclosure.Given(g, text))
	})
	return err
}

// addressed finds a neighbour who has a part in an event.
func (s *Service) addressed(tx *store.Tx, op string, org Org, incident, neighbour string) (addressee, error) {
	all, err := s.addressees(tx, op, org, incident, nil)
	if err != nil {
		return addressee{}, err
	}
	n := slices.IndexFunc(all, func(a addressee) bool { return a.other == neighbour })
	if n < 0 {
		return addressee{}, problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
	}
	return all[n], nil
}

func (s *Service) tellOne(tx *store.Tx, op string, org Org, who Actor, to addressee, words string) error {
	if _, err := s.text(tx, org, who, to.record, to.own, to.other, 0, didText, words); err != nil {
		return err
	}
	return s.sawCase(tx, op, who, to.record.id)
}

// peopleLines are people as a form holds them, one a line: name; telephone; note.
func peopleLines(people []Person) string {
	var lines []string
	for _, who := range people {
		part := []string{who.Name, who.Phone, who.Note}
		for n := range part {
			part[n] = oneLine(strings.ReplaceAll(part[n], ";", ","))
		}
		lines = append(lines, strings.TrimRight(strings.Join(part, "; "), "; "))
	}
	return strings.Join(lines, "\n")
}

// linesPeople is the reverse.
func linesPeople(text string) (people []Person) {
	for _, l := range lineList(text) {
		part := strings.SplitN(l, ";", 3)
		who := Person{Name: strings.TrimSpace(part[0])}
		if len(part) > 1 {
			who.Phone = strings.TrimSpace(part[1])
		}
		if len(part) > 2 {
			who.Note = strings.TrimSpace(part[2])
		}
		people = append(people, who)
	}
	return people
}
