package board

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"trojmezi/internal/alert/notice"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

// Mark names the form of a block between two boards (docs/profiles/border.md).
const Mark = "trojmezi-board/1"

// What a block does.
const (
	doAsk   = "ask"   // please acknowledge this
	doAck   = "ack"   // somebody has
	doClose = "close" // it holds no more
)

// Sides of an acknowledgement: whose item it is about.
const (
	ofAsker = "asker" // an item of who sends it
	ofAsked = "asked" // an item of who gets it
)

// block is what two boards tell each other.
type block struct {
	Do       string               `json:"do"`
	Ref      string               `json:"ref"` // as the node calls it that asked
	Side     string               `json:"side,omitempty"`
	Kind     store.Kind           `json:"kind"`
	Official bool                 `json:"official,omitempty"`
	Owner    string               `json:"owner,omitempty"` // whose it is, in words
	Level    sign.Level           `json:"level,omitempty"`
	Marks    []string             `json:"marks,omitempty"` // by which two nodes know one official warning
	Titles   map[i18n.Lang]string `json:"titles,omitempty"`
	Texts    map[i18n.Lang]string `json:"texts,omitempty"`
	Until    int64                `json:"until,omitempty"` // Unix milliseconds, as all times
	Ack      *wireAck             `json:"ack,omitempty"`
}

// wireAck is one acknowledgement.
type wireAck struct {
	Office  string    `json:"office"` // id of the organisation at its node
	Name    string    `json:"name"`
	Country string    `json:"country,omitempty"`
	Person  string    `json:"person"`
	Lang    i18n.Lang `json:"lang"`
	At      int64     `json:"at"`
}

// Bounds of what a neighbour's node may send: more is refused whole.
const (
	maxBlock = 128 << 10
	maxName  = 200
	maxTitle = 500
	maxText  = 6000
	maxMarks = 40
	// Of one desk: items that are open for an organisation here, and offices that have
	// acknowledged one. More is refused and rings nobody.
	maxOpen    = 50
	maxOffices = 500
)

// Partner is a desk at another node with which an organisation shares its board.
type Partner struct {
	notice.Desk
	Shared bool
	Since  time.Time
}

// Partners are the desks of other nodes, those that the board is shared with first.
func (s *Service) Partners(ctx context.Context, organisation string) (all []Partner, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		chosen, err := partners(tx, organisation)
		if err != nil {
			return err
		}
		desks, err := s.desks(tx)
		for _, d := range desks {
			since, shared := chosen[d.Address]
			all = append(all, Partner{d, shared, since})
			delete(chosen, d.Address)
		}
		for address, since := range chosen { // whose line has ended stays until somebody ends it
			all = append(all, Partner{notice.Desk{Address: address, Name: s.nameOf(address)}, true, since})
		}
		return err
	})
	slices.SortStableFunc(all, func(a, b Partner) int {
		rank := func(p Partner) int {
			if p.Shared {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address))
	})
	return all, problem.Wrap("board.Partners", err)
}

func (s *Service) desks(tx *store.Tx) ([]notice.Desk, error) {
	if s.o.Lines.Desks == nil {
		return nil, nil
	}
	return s.o.Lines.Desks(tx)
}

func (s *Service) nameOf(address string) string {
	if s.o.Lines.NameOf == nil {
		return address
	}
	return s.o.Lines.NameOf(address)
}

// Share begins or ends sharing the board of an organisation with a desk at another node.
// What is already on the board is not told afterwards.
func (s *Service) Share(ctx context.Context, person, organisation, other string, on bool) error {
	const op = "board.Share"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		action := "board.share"
		if on {
			desks, err := s.desks(tx)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(desks, func(d notice.Desk) bool { return d.Address == other })
			if i < 0 {
				return problem.New(op, problem.Invalid, "board.fault.partner", nil)
			}
			kind := store.Live
			if desks[i].Test {
				kind = store.Test
			}
			if err := putPartner(tx, organisation, other, kind, person, s.o.Clock.Now()); err != nil {
				return err
			}
		} else {
			n, err := dropPartner(tx, organisation, other)
			if err != nil || n == 0 {
				return err
			}
			action = "board.unshare"
		}
		return s.o.Audit.Append(tx, audit.Event{Action: action, Actor: person, Object: other, Detail: []byte(organisation)})
	}))
}

// queueBorder is that of letters. They leave in transactions of their own: what a
// neighbour cannot be told must not keep a notice from going out.
const queueBorder = "board.border"

// errand is a letter to be written.
type errand struct {
	Do, Side, Ref, Theirs, Other, Organisation, Office string
}

func (s *Service) errand(tx *store.Tx, kind store.Kind, e errand) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = s.o.Jobs.Enqueue(tx, job.Job{Queue: queueBorder, Kind: kind, Payload: body})
	return err
}

// askFar notes whom at other nodes an item is told, in the transaction that enters it:
// the partners of whose it is, of an official warning those of everybody.
func (s *Service) askFar(tx *store.Tx, x *Item) error {
	if s.o.Lines.Post == nil {
		return nil
	}
	all, err := partnersOf(tx, x.Owner)
	if err != nil {
		return err
	}
	for _, p := range all {
		if !notice.Fits(x.Kind, p.test) {
			continue
		}
		fresh, err := putAsked(tx, x, p.other, p.organisation)
		if err != nil {
			return err
		}
		if fresh {
			if err := s.errand(tx, x.Kind, errand{Do: doAsk, Ref: x.Ref, Other: p.other, Organisation: p.organisation}); err != nil {
				return err
			}
		}
	}
	return nil
}

// closed takes an item out and tells whoever was asked about it.
func (s *Service) closed(tx *store.Tx, ref string) error {
	n, err := closeItem(tx, ref, s.o.Clock.Now())
	if err != nil || n == 0 {
		return err
	}
	all, err := asked(tx, `WHERE ref = $1`, ref)
	for _, a := range all {
		if err := s.errand(tx, a.kind, errand{Do: doClose, Ref: ref, Other: a.other, Organisation: a.organisation}); err != nil {
			return err
		}
	}
	return err
}

// acknowledged tells the other nodes concerned that an organisation of this one has
// acknowledged: who asked it, and whom the item's owner asked.
func (s *Service) acknowledged(tx *store.Tx, x *Item, organisation string) error {
	sources, err := froms(tx, `WHERE ref = $1`, x.Ref)
	if err != nil {
		return err
	}
	for _, f := range sources {
		if f.organisation == organisation {
			if err := s.errand(tx, x.Kind, errand{Do: doAck, Side: ofAsked, Ref: x.Ref, Theirs: f.theirs, Other: f.other, Organisation: organisation, Office: organisation}); err != nil {
				return err
			}
		}
	}
	all, err := asked(tx, `WHERE ref = $1`, x.Ref)
	for _, a := range all {
		if err := s.errand(tx, x.Kind, errand{Do: doAck, Side: ofAsker, Ref: x.Ref, Theirs: x.Ref, Other: a.other, Organisation: a.organisation, Office: organisation}); err != nil {
			return err
		}
	}
	return err
}

// run writes and posts one letter.
func (s *Service) run(ctx context.Context, kind store.Kind, body []byte) error {
	var e errand
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	err := s.o.DB.Write(ctx, func(tx *store.Tx) error {
		l, err := s.letter(tx, kind, e)
		if err != nil || l == nil {
			return err
		}
		n, err := s.o.Lines.Post(tx, *l)
		if err != nil || e.Do != doAsk {
			return err
		}
		return sentAsked(tx, e.Ref, e.Other, n, "")
	})
	if p, refused := errors.AsType[*problem.Error](err); refused && p.Key != "" {
		// Trying again changes nothing: people are told on the board, and telephone.
		s.o.Log.Warn("board: a neighbour is not told", "other", e.Other, "ref", e.Ref, "error", err)
		if e.Do != doAsk {
			return nil
		}
		return s.o.DB.Write(ctx, func(tx *store.Tx) error { return sentAsked(tx, e.Ref, e.Other, 0, p.Key) })
	}
	return err
}

// letter writes what an errand is about; nil: there is nothing to tell any more.
func (s *Service) letter(tx *store.Tx, kind store.Kind, e errand) (*notice.Letter, error) {
	found, err := items(tx, `WHERE ref = $1 AND kind = $2`, e.Ref, string(kind))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	x := found[0]
	offices, err := s.o.Organisations(tx)
	if err != nil {
		return nil, err
	}
	office := func(id string) Office {
		for _, o := range offices {
			if o.ID == id {
				return o
			}
		}
		return Office{}
	}
	l := &notice.Letter{Organisation: e.Organisation, To: e.Other, Kind: kind, Subject: "board:" + cmp.Or(e.Theirs, e.Ref), Until: s.o.Clock.Now().Add(24 * time.Hour)}
	b := block{Do: e.Do, Ref: cmp.Or(e.Theirs, e.Ref), Side: e.Side, Kind: kind}
	lang := langOf(office(e.Organisation).Country)
	args := i18n.Args{"title": s.mark(lang, kind) + x.Title(lang), "name": cmp.Or(office(x.Owner).Name, office(e.Organisation).Name)}
	switch e.Do {
	case doAsk:
		text, err := textOf(tx, x.Ref)
		if err != nil {
			return nil, err
		}
		b.Official, b.Owner, b.Level, b.Titles, b.Texts, b.Marks, b.Until = x.Owner == "", office(x.Owner).Name, x.Level, x.Titles, text.Texts, text.Marks, millis(x.Until)
		l.Line = s.o.Texts.Text(lang, "board.line.ask", args)
		if t := text.Texts[lang]; t != "" {
			l.Line += "\n" + t
		}
		if !x.Until.IsZero() {
			l.Until = x.Until
		}
	case doClose:
		l.Line = s.o.Texts.Text(lang, "board.line.close", args)
	case doAck:
		done, err := acks(tx, x.At)
		if err != nil {
			return nil, err
		}
		a, ok := done[x.Ref][e.Office]
		if !ok {
			return nil, nil
		}
		o := office(e.Office)
		b.Ack = &wireAck{Office: o.ID, Name: o.Name, Country: o.Country, Lang: a.Lang, At: millis(a.At)}
		// The name of a person goes only where the person's own organisation shares: that
		// another one of this node does so is not for it to decide.
		if own, err := sharesWith(tx, e.Office, e.Other); err != nil {
			return nil, err
		} else if own {
			b.Ack.Person = s.o.Name(tx, a.Person)
		}
		args["name"] = o.Name
		l.Line = s.o.Texts.Text(lang, "board.line.ack", args)
	}
	l.Block, err = json.Marshal(b)
	return l, err
}

// mark says before a line for people that it is no reality.
func (s *Service) mark(l i18n.Lang, kind store.Kind) string {
	if kind == store.Live {
		return ""
	}
	return s.o.Texts.Text(l, "notice.say.drill."+string(kind), nil) + ": "
}

// Far takes a block from a desk at another node, in the transaction that reads it. false
// is one that people should read as a text: who shares no board here may still have
// something to say. One that is taken again changes nothing.
func (s *Service) Far(tx *store.Tx, c notice.Came) (bool, error) {
	b, fault := readBlock(c)
	if fault == "" {
		shares, err := sharesWith(tx, c.Organisation, c.Other)
		if err != nil {
			return true, err
		}
		if !shares {
			return false, s.refuseFar(tx, c, "partner")
		}
		switch b.Do {
		case doAsk:
			fault, err = s.askedFar(tx, c, b)
		case doAck:
			fault, err = s.ackFar(tx, c, b)
		case doClose:
			err = s.closeFar(tx, c, b)
		}
		if err != nil || fault == "" {
			return true, err
		}
	}
	return true, s.refuseFar(tx, c, fault)
}

// refuseFar notes what is not taken and why: the audit log has it, and the log of the
// program.
func (s *Service) refuseFar(tx *store.Tx, c notice.Came, fault string) error {
	s.o.Log.Warn("board: a block of a neighbour is refused", "other", c.Other, "message", c.Message, "why", fault)
	return s.o.Audit.Append(tx, audit.Event{Action: "board.far_refused", Actor: "node", Object: c.Message, Detail: []byte(c.Other + " " + fault)})
}

// readBlock reads and bounds a block; the fault is a word of the profile.
func readBlock(c notice.Came) (b block, fault string) {
	if len(c.Block) > maxBlock {
		return b, "large"
	}
	if !notice.Strict(c.Block, &b) {
		return b, "unreadable"
	}
	if !b.Kind.Valid() || !notice.Fits(b.Kind, c.Test) {
		return b, "kind"
	}
	ok := notice.Code(b.Ref, maxName) && b.Ref != "" && notice.Plain(b.Owner, maxName, false) && len(b.Marks) <= maxMarks && len(b.Titles) <= len(i18n.Langs)+1 && len(b.Texts) <= len(i18n.Langs)+1
	for _, m := range b.Marks {
		ok = ok && notice.Code(m, maxName)
	}
	for _, m := range []struct {
		all  map[i18n.Lang]string
		most int
	}{{b.Titles, maxTitle}, {b.Texts, maxText}} {
		for l, t := range m.all {
			ok = ok && (l == "" || slices.Contains(i18n.Langs, l)) && notice.Plain(t, m.most, true)
		}
	}
	switch b.Do {
	case doAsk:
		ok = ok && len(b.Titles) > 0 && slices.Contains([]sign.Level{sign.L2, sign.L3, sign.L4}, b.Level)
	case doAck:
		a := b.Ack
		ok = ok && a != nil && (b.Side == ofAsker || b.Side == ofAsked) && notice.Code(a.Office, maxName) && notice.Plain(a.Name, maxName, false) && a.Name != "" && len(a.Country) <= 2 && notice.Code(a.Country, 2) &&
			notice.Plain(a.Person, maxName, false) && slices.Contains(i18n.Langs, a.Lang) && a.At > 0
	case doClose:
	default:
		ok = false
	}
	if !ok {
		return b, "content"
	}
	return b, ""
}

// askedFar enters what a neighbour asks for; an official warning that this node knows
// itself is not entered a second time.
func (s *Service) askedFar(tx *store.Tx, c notice.Came, b block) (fault string, err error) {
	if open, err := openFrom(tx, c.Other, c.Organisation, c.At); err != nil {
		return "", err
	} else if open >= maxOpen {
		return "many", nil
	}
	until := moment(b.Until)
	x := Item{Ref: farRef(c.Other, b.Ref), Kind: b.Kind, Owner: farOwner, Level: b.Level, Titles: b.Titles, Texts: b.Texts, Marks: b.Marks, Link: root, Until: until}
	owner := cmp.Or(b.Owner, s.nameOf(c.Other))
	if b.Official {
		x.Owner, owner = farOfficial, s.nameOf(c.Other)
		if known, err := known(tx, b.Marks, b.Kind, b.Level); err != nil {
			return "", err
		} else if known != "" {
			x.Ref = known
		}
	}
	if fresh, err := putFrom(tx, from{c.Other, b.Ref, c.Organisation, x.Ref, owner, b.Kind, c.At}); err != nil || !fresh {
		return "", err // it came before
	}
	if err := s.Post(tx, x); err != nil {
		return "", err
	}
	// Somebody here may have acknowledged it before they asked.
	done, err := acks(tx, c.At.Add(-keep))
	if err != nil {
		return "", err
	}
	if _, ok := done[x.Ref][c.Organisation]; ok {
		return "", s.errand(tx, b.Kind, errand{Do: doAck, Side: ofAsked, Ref: x.Ref, Theirs: b.Ref, Other: c.Other, Organisation: c.Organisation, Office: c.Organisation})
	}
	return "", nil
}

func farRef(other, ref string) string { return "far/" + other + "/" + ref }

// ackFar takes an acknowledgement of another node: of an item it was asked for, or of
// one it asked for.
func (s *Service) ackFar(tx *store.Tx, c notice.Came, b block) (fault string, err error) {
	var ref string
	if b.Side == ofAsked {
		all, err := asked(tx, `WHERE ref = $1 AND other = $2`, b.Ref, c.Other)
		if err != nil {
			return "", err
		}
		if len(all) == 0 || all[0].organisation != c.Organisation {
			return "unasked", nil
		}
		ref = all[0].ref
	} else {
		all, err := froms(tx, `WHERE other = $1 AND theirs = $2 AND organisation = $3`, c.Other, b.Ref, c.Organisation)
		if err != nil {
			return "", err
		}
		if len(all) == 0 {
			return "unknown", nil
		}
		ref = all[0].ref
	}
	found, err := items(tx, `WHERE ref = $1`, ref)
	if err != nil {
		return "", err
	}
	if len(found) == 0 || found[0].Kind != b.Kind {
		return "unknown", nil
	}
	at := moment(b.Ack.At)
	if at.After(c.At) { // a clock that is ahead makes nothing earlier than it came
		at = c.At
	}
	if n, err := officesOf(tx, ref, c.Other); err != nil {
		return "", err
	} else if n >= maxOffices {
		return "many", nil
	}
	fresh, err := putFarAck(tx, ref, c, b, at)
	if err != nil || !fresh {
		return "", err
	}
	tx.Notify(Topic)
	return "", s.o.Audit.Append(tx, audit.Event{Action: "board.far_ack", Actor: "node", Object: ref, Detail: []byte(c.Other + " " + c.Message)})
}

// closeFar takes out what a neighbour says is over; what this node knows itself stays.
func (s *Service) closeFar(tx *store.Tx, c notice.Came, b block) error {
	tx.Notify(Topic)
	_, err := closeItem(tx, farRef(c.Other, b.Ref), c.At)
	return err
}

// adopt makes an official warning that a neighbour had told before this node knew it one
// with this node's own.
func (s *Service) adopt(tx *store.Tx, x *Item) error {
	if x.Owner != "" || len(x.Marks) == 0 {
		return nil
	}
	all, err := items(tx, `WHERE owner = $1 AND kind = $2 AND level = $3 AND gone = 0`, farOfficial, string(x.Kind), string(x.Level))
	if err != nil {
		return err
	}
	for _, far := range all {
		text, err := textOf(tx, far.Ref)
		if err != nil {
			return err
		}
		if !meet(text.Marks, x.Marks) {
			continue
		}
		if err := rename(tx, far.Ref, x.Ref); err != nil {
			return err
		}
	}
	return nil
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// known is an official warning of this node with one of the marks, "" without.
func known(tx *store.Tx, marks []string, kind store.Kind, level sign.Level) (string, error) {
	all, err := items(tx, `WHERE owner = '' AND kind = $1 AND level = $2 AND gone = 0`, string(kind), string(level))
	for _, x := range all {
		text, err := textOf(tx, x.Ref)
		if err != nil {
			return "", err
		}
		if meet(text.Marks, marks) {
			return x.Ref, nil
		}
	}
	return "", err
}
