package disclosure

import (
	"strings"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Judge prepares what Disclose decides about a message of UCRI 2 that no person sends:
// of a dispatch system, a gateway, or the node itself. whose tells who sends it. Where
// nothing is withheld the message goes on as it is, to the byte; else it is written anew
// without its signature, which is not of what goes on. A problem Invalid is a message
// that cannot be read, or of which nothing is left that its schema allows: it does not
// leave the node.
func (s *Service) Judge(e *ucri.Envelope, whose func(*store.Tx, *convert.Message) (Transfer, error)) (exchange.Judgement, error) {
	const op = "disclosure.Judge"
	// Most messages name nobody, and most tables hold back what names somebody only:
	// then there is nothing to decide, and nothing to read.
	nobody := namesNobody(e)
	var read *convert.Message
	if !nobody || !s.knownOpen(e) {
		var err error
		if read, err = readBack(e); err != nil {
			return nil, err
		}
	}
	return func(tx *store.Tx) (*ucri.Envelope, error) {
		table, _, err := s.Table(tx)
		if err != nil {
			return nil, problem.Wrap(op, err)
		}
		if nobody && table.open(e.Destinations[0], e.Payload.AppID) {
			return nil, nil
		}
		m := read
		if m == nil {
			if m, err = readBack(e); err != nil {
				return nil, err
			}
		}
		c := *m // a transaction may be repeated
		t, err := whose(tx, &c)
		if err != nil {
			return nil, problem.Wrap(op, err)
		}
		o, err := s.Disclose(tx, t, &c)
		if err != nil || len(o.Marks) == 0 {
			return nil, err
		}
		return left(&c, o)
	}, nil
}

func readBack(e *ucri.Envelope) (*convert.Message, error) {
	m, f := convert.Read(e.AppendJSON(nil), convert.UCRI2)
	if f != nil {
		return nil, &problem.Error{Op: "disclosure.Judge", Kind: problem.Invalid, Key: "disclosure.refuse.unread", Args: i18n.Args{"rule": f.Rule}, Err: f}
	}
	return m, nil
}

// namesNobody reports whether no member of a message has a name by which something is
// about a person: the formats' fields about persons are called so, too.
func namesNobody(e *ucri.Envelope) bool {
	return e.Names(func(name string) bool {
		name = strings.ToLower(name)
		for _, t := range telling {
			if t.word == "vin" && name == t.word || t.word != "vin" && strings.Contains(name, t.word) {
				return false
			}
		}
		return true
	})
}

// knownOpen is open of the table that was read last; false when there is none.
func (s *Service) knownOpen(e *ucri.Envelope) bool {
	s.mu.Lock()
	table := s.table
	s.mu.Unlock()
	return table != nil && table.open(e.Destinations[0], e.Payload.AppID)
}

// open reports whether all that is about nobody passes to a neighbour in an app, in
// incidents of every class.
func (t *Table) open(peer, app string) bool {
	c := Case{Peer: peer, App: app}
	k := planKey{peer, c.country(), app, ""}
	t.mu.Lock()
	defer t.mu.Unlock()
	if open, known := t.opens[k]; known {
		return open
	}
	open := true
	for _, l := range leaves {
		open = open && (l.is == frame || l.personal() || t.passes(l, c))
	}
	if len(t.opens) >= most {
		clear(t.opens)
	}
	t.opens[k] = open
	return open
}

// passes reports whether a value passes whatever the class.
func (t *Table) passes(l leaf, c Case) bool {
	for _, r := range t.rules {
		c.Class = r.Class // what is for one class only may decide, too
		if !r.about(l) || !r.fits(c) {
			continue
		}
		if r.Action != Pass || r.Class == Any {
			return r.Action == Pass
		}
	}
	return false
}

// left is what is left of a message, with its marks: as remarks where the app has room
// for them, else in the description of the envelope.
func left(m *convert.Message, o Outcome) (*ucri.Envelope, error) {
	e := rewritten(m, m.Incident)
	missing := o.Marks
	if e != nil {
		missing = nil
		for _, mark := range o.Marks {
			if !strings.Contains(e.Payload.Data, mark.tag()) {
				missing = append(missing, mark)
			}
		}
	} else {
		bare := m.Incident.Clone()
		bare.Notes = bare.Notes[:len(bare.Notes)-len(o.Marks)]
		e = rewritten(m, bare)
	}
	if e == nil {
		return nil, problem.New("disclosure.Judge", problem.Invalid, "disclosure.refuse.nothing_left", nil)
	}
	if len(missing) == 0 {
		return e, nil
	}
	var lines []string
	if e.Description != nil && *e.Description != "" {
		lines = append(lines, *e.Description)
	}
	for _, mark := range missing {
		lines = append(lines, mark.Text())
	}
	text := strings.Join(lines, "\n")
	e.Description = &text
	return e, nil
}

// rewritten is a message as it goes on; nil if its schema does not allow what is left.
func rewritten(m *convert.Message, i *incident.Incident) *ucri.Envelope {
	c := *m
	c.Incident = i
	r, f := c.Write(convert.UCRI2, convert.Options{})
	if f != nil {
		return nil
	}
	e, bad := ucri.ParseClientSend(r.Bytes)
	if bad != nil || ucri.CheckData(&e.Payload) != nil {
		return nil
	}
	return e
}
