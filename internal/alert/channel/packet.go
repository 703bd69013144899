package channel

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Fewer than packFrom messages to the public are rows at once, more are packets of at most
// mostPacked: one row of the outbox with its indexes costs as much as sealing hundreds.
const packFrom, mostPacked = 32, 500

// packed is a message of a packet. What it says is a text of its own.
type packed struct {
	Member   int64  `json:"of,omitempty"`
	Target   string `json:"to,omitempty"`
	Stop     string `json:"stop,omitempty"`
	Revision string `json:"rev"`
	Content  string `json:"text"`
	Until    int64  `json:"until"`
}

// packet is many messages of one channel about one thing.
type packet struct {
	id, channel    string
	kind           store.Kind
	ref            Reference // without a revision
	items          []packed
	sealed         []byte
	key            int64
	created, until time.Time
	delete         time.Time
	sealKey        *seal.Key
	way            *channel
}

func (p *packet) place() []byte { return []byte("channel_packet.items." + p.id) }

// said is what decides about a text and its check: most dispatches of a call share it.
type said struct {
	origin                                         Origin
	lang                                           i18n.Lang
	title, body, short, link, source, speech, code string
}

// queueing is one call of Queue: what is the same for many is made once.
type queueing struct {
	*Service
	tx       *store.Tx
	now      time.Time
	keys     map[string]*seal.Key
	contents map[said]*content
	codes    *Code // first of the last list, and its JSON
	coded    string
	texts    []*content
	rows     map[*channel][]*row
	packets  map[string]*packet
	full     []*packet
}

// add takes one dispatch, and writes nothing.
func (q *queueing) add(d *Dispatch) error {
	const op = "channel.Queue"
	c := q.channel(d.Channel)
	if c == nil {
		return problem.New(op, problem.Invalid, "channel.refuse.unknown", i18n.Args{"channel": d.Channel})
	}
	text, err := q.content(c, d)
	if err != nil {
		return err
	}
	until := d.Until
	if until.IsZero() {
		until = q.now.Add(lasts)
	}
	if until.After(q.now.Add(longest)) {
		until = q.now.Add(longest)
	}
	deletion := q.now.Add(q.config.Keep)
	if until.After(deletion) {
		deletion = until
	}
	subject := "channel/" + string(d.Reference.Origin) + "/" + d.Reference.ID
	key := q.keys[subject]
	if key == nil {
		if key, err = q.Ring.Key(q.tx, subject); err != nil {
			return problem.Wrap(op, err)
		}
		q.keys[subject] = key
	}
	r := &row{channel: c.name, kind: d.Kind, key: key.ID(), receiver: d.Receiver, ref: d.Reference, content: text.id, ack: d.Ack, due: q.now, created: q.now, until: until, delete: deletion}
	if !d.packable() {
		q.rows[c] = append(q.rows[c], q.seal(r, key, d.Target, d.Stop))
		return nil
	}
	name := c.name + " " + d.Reference.ID
	p := q.packets[name]
	if p == nil {
		p = &packet{id: q.Clock.NewID(), channel: c.name, kind: d.Kind, ref: Reference{Origin: d.Reference.Origin, ID: d.Reference.ID}, key: key.ID(), created: q.now, sealKey: key, way: c}
		q.packets[name] = p
	}
	p.items = append(p.items, packed{d.Member, d.Target, d.Stop, d.Reference.Revision, text.id, millis(until)})
	if until.After(p.until) {
		p.until = until
	}
	if deletion.After(p.delete) {
		p.delete = deletion
	}
	if len(p.items) == mostPacked {
		q.full = append(q.full, p)
		delete(q.packets, name)
	}
	return nil
}

// content is the text of a dispatch. It is checked once, the rest of each dispatch by itself.
func (q *queueing) content(c *channel, d *Dispatch) (*content, error) {
	code := ""
	if d.Codes.Event != "" || len(d.Codes.Areas) > 0 {
		// A list is shared by all who get it.
		if len(d.Codes.Areas) == 0 || q.codes != &d.Codes.Areas[0] {
			raw, err := json.Marshal(d.Codes)
			if err != nil {
				return nil, problem.Wrap("channel.Queue", err)
			}
			q.coded, q.codes = string(raw), nil
			if len(d.Codes.Areas) > 0 {
				q.codes = &d.Codes.Areas[0]
			}
		}
		code = q.coded
	}
	key := said{d.Reference.Origin, d.Lang, d.Title, d.Body, d.Short, d.Link, d.Source, d.Speech, code}
	text := q.contents[key]
	if text == nil {
		if err := c.check(d); err != nil {
			return nil, err
		}
		text = &content{lang: d.Lang, title: d.Title, body: d.Body, short: d.Short, link: d.Link, source: d.Source, speech: d.Speech, codes: code}
		sum := sha256.New()
		for _, part := range []string{string(text.lang), text.title, text.body, text.short, text.link, text.source, text.speech, text.codes} {
			io.WriteString(sum, strconv.Itoa(len(part))+" ")
			io.WriteString(sum, part)
		}
		text.id = hex.EncodeToString(sum.Sum(nil)[:16])
		q.contents[key] = text
		q.texts = append(q.texts, text)
		return text, nil
	}
	return text, c.checkAddress(d)
}

// seal closes the addresses of a row, and names it.
func (s *Service) seal(r *row, key *seal.Key, target, stop string) *row {
	r.id, r.mark, r.stop = s.Clock.NewID(), s.mark(r.channel, target), []byte{}
	r.target = key.Seal([]byte(target), sealPlace(r.id, "target"))
	if stop != "" {
		r.stop = key.Seal([]byte(stop), sealPlace(r.id, "stop"))
	}
	return r
}

// write puts all into the outbox and wakes the workers.
func (q *queueing) write() error {
	if err := insertTexts(q.tx, q.texts); err != nil {
		return err
	}
	wake := map[*channel]bool{}
	for _, p := range q.packets {
		if len(p.items) >= packFrom {
			q.full = append(q.full, p)
			continue
		}
		rows, err := q.unpacked(q.tx, p)
		if err != nil {
			return err
		}
		q.rows[p.way] = append(q.rows[p.way], rows...)
	}
	for _, p := range q.full {
		plain, err := json.Marshal(p.items)
		if err != nil {
			return err
		}
		p.sealed = p.sealKey.Seal(plain, p.place())
		if err := p.insert(q.tx); err != nil {
			return err
		}
		wake[p.way] = true
	}
	for c, rows := range q.rows {
		fresh, err := insertRows(q.tx, rows)
		if err != nil {
			return err
		}
		if fresh > 0 {
			wake[c] = true
		}
	}
	for c := range wake {
		// One that is at work finds what is new before it ends.
		if _, err := q.Jobs.Enqueue(q.tx, job.Job{Queue: queueOf(c), Kind: c.kind, UniqueKey: "now"}); err != nil {
			return err
		}
	}
	return nil
}

// unpacked are the rows of a packet whose key is known.
func (s *Service) unpacked(tx *store.Tx, p *packet) (all []*row, err error) {
	var members []int64
	for _, x := range p.items {
		if x.Member != 0 {
			members = append(members, x.Member)
		}
	}
	var known map[int64]Address
	if len(members) > 0 {
		if known, err = s.Addresses(tx, members); err != nil {
			return nil, err
		}
	}
	for _, x := range p.items {
		if x.Member != 0 {
			a, there := known[x.Member]
			if !there {
				continue
			}
			if !p.way.takes(a.Target) { // its service is not permitted any more
				s.Log.Error("channel: a member of the public is not told", "member", x.Member, "channel", p.channel, "of", p.ref.ID)
				continue
			}
			x.Target, x.Stop = a.Target, a.Stop
		}
		until := moment(x.Until)
		if p.until.Before(until) {
			until = p.until
		}
		r := &row{channel: p.channel, kind: p.kind, key: p.key, ref: Reference{p.ref.Origin, p.ref.ID, x.Revision}, content: x.Content, due: p.created, created: p.created, until: until, delete: p.delete}
		all = append(all, s.seal(r, p.sealKey, x.Target, x.Stop))
	}
	return all, nil
}

// unpack makes rows of the oldest packet of a channel, when its turn has come: fewer than
// a batch are due before it. What an address has already it does not get again.
func (s *Service) unpack(tx *store.Tx, c *channel) (bool, error) {
	p, err := firstPacket(tx, c)
	if err != nil || p == nil {
		return false, err
	}
	if n, err := dueBefore(tx, c, p.created, batch); err != nil || n >= batch {
		return false, err
	}
	if err := p.drop(tx); err != nil {
		return false, err
	}
	if p.sealKey, err = s.Ring.Lookup(tx, p.key); errors.Is(err, seal.ErrDestroyed) {
		return true, nil // its addresses are deleted
	} else if err != nil {
		return false, err
	}
	plain, err := p.sealKey.Open(p.sealed, p.place())
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(plain, &p.items); err != nil {
		return false, err
	}
	p.way = c
	rows, err := s.unpacked(tx, p)
	if err != nil {
		return false, err
	}
	_, err = insertRows(tx, rows)
	return true, err
}
