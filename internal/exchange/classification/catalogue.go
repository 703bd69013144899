package classification

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// spec: UCRI 2, apps 1.0, classification_catalogue
const (
	App        = "classification_catalogue"
	appVersion = "1.0"
	msgRequest = "request"
	msgAnswer  = "response"
)

// catalogueSystem marks a code of which only the neighbour's own catalogue knows.
const catalogueSystem System = "catalogue"

// Limits of what is kept of a neighbour's catalogue.
const (
	maxKeywords = 5_000
	maxKeyword  = 200 // characters
)

// Catalogue is the list of keywords a control room works with.
type Catalogue struct {
	Version  string
	At       time.Time // received last
	Keywords []Keyword
	byCode   map[string]Keyword
}

// Keyword is an entry of a catalogue.
type Keyword struct {
	Code   string `json:"abbreviation"`
	Text   string `json:"description"`
	Family string `json:"classificationGroup"`
}

func (c *Catalogue) index() {
	c.byCode = map[string]Keyword{}
	for _, k := range c.Keywords {
		c.byCode[normal(k.Code)] = k
	}
}

func (c *Catalogue) keyword(code string) (k Keyword, ok bool) {
	if c == nil {
		return k, false
	}
	k, ok = c.byCode[normal(code)]
	return k, ok
}

type wireRequest struct {
	ID string `json:"requestId"`
}

type wireAnswer struct {
	ID       string    `json:"requestId"`
	Version  string    `json:"catalogueVersion"`
	Keywords []Keyword `json:"catalogue"`
}

// Catalogue is the table as the keywords of one system, in a language. Its version
// differs exactly when its entries do.
func (t *Table) Catalogue(s System, l i18n.Lang, at time.Time) Catalogue {
	day, there := t.day(at), map[string]bool{}
	var c Catalogue
	for _, r := range t.rows {
		if !r.valid(day) {
			continue
		}
		for _, code := range r.Code[s] {
			if there[code.Code] {
				continue
			}
			there[code.Code] = true
			named, _ := t.Label(s, code.Code, l, at)
			family := named
			if i := strings.IndexByte(named.Key, '.'); i > 0 {
				family, _ = t.Named(named.Key[:i], l, at)
			}
			c.Keywords = append(c.Keywords, Keyword{Code: code.Code, Text: named.Text, Family: family.Text})
		}
	}
	slices.SortFunc(c.Keywords, func(a, b Keyword) int { return strings.Compare(a.Code, b.Code) })
	h := sha256.New()
	for _, k := range c.Keywords {
		h.Write([]byte(k.Code + "\x00" + k.Text + "\x00" + k.Family + "\x00"))
	}
	c.Version = string(s) + "-" + hex.EncodeToString(h.Sum(nil)[:6])
	return c
}

func letter(from, to, message string, data any) *ucri.Envelope {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err) // only for types that have no JSON
	}
	return &ucri.Envelope{
		Source: from, Destinations: []string{to}, Ack: ucri.AckAll,
		Payload: ucri.Payload{AppID: App, AppVersion: appVersion, SchemaID: message, ContentType: ucri.ContentJSON, Data: string(b)},
	}
}

// Apply takes a message of the catalogue app off the feed of an organisation in a
// country, in the transaction that notes how far the feed was read: a request is
// answered, once; the answer to a question of ours is kept. done is false for one that
// a person should see: nobody asked for it.
func (s *Service) Apply(tx *store.Tx, e exchange.Entry, country string, l i18n.Lang) (done bool, err error) {
	switch {
	case !e.Incoming:
		return true, s.sent(tx, e)
	case e.Envelope == nil:
		return false, nil
	case e.Message == msgRequest:
		return true, s.answer(tx, e, country, l)
	case e.Message == msgAnswer:
		return s.keep(tx, e)
	}
	return false, nil
}

// settingOwn marks an address whose dispatch system answers by itself.
const settingOwn = "classification.own." // and the address

// sent notes that a dispatch system has answered a request: it is left to it from then
// on, since its catalogue is that of the words it sends.
func (s *Service) sent(tx *store.Tx, e exchange.Entry) error {
	if e.Message != msgAnswer {
		return nil
	}
	ours, err := isOurs(tx, e.ID)
	if err != nil || ours {
		return err
	}
	return tx.SetSetting(settingOwn+e.Own, "yes")
}

// answer sends the catalogue of the country's system; of EMSI where it has none.
func (s *Service) answer(tx *store.Tx, e exchange.Entry, country string, l i18n.Lang) error {
	now := s.o.Clock.Now()
	if !e.ExpiresAt.After(now) {
		return nil // the sender knows that nobody took it
	}
	if own, err := tx.Setting(settingOwn + e.Own); err != nil || own != "" && s.o.Node.Polled(e.Own) {
		return err
	}
	first, err := answerOnce(tx, e.ID, now)
	if err != nil || !first {
		return err
	}
	var q wireRequest
	if err := json.Unmarshal([]byte(e.Envelope.Payload.Data), &q); err != nil {
		return nil // it has passed its schema at the node
	}
	system := SystemOf(country)
	if system == "" {
		system = EMSI
	}
	t, err := read(tx)
	if err != nil {
		return err
	}
	c := t.Catalogue(system, l, now)
	reply, err := s.o.Node.Post(tx, letter(e.Own, e.Other, msgAnswer, wireAnswer{q.ID, c.Version, c.Keywords}))
	if err != nil {
		bad, ok := errors.AsType[*problem.Error](err)
		if !ok {
			return err
		}
		// Who asks and takes no answer must not hold up the feed.
		return putAnswer(tx, e.ID, 0, bad.Key)
	}
	if err := putAnswer(tx, e.ID, reply.ID, ""); err != nil {
		return err
	}
	return s.o.Audit.Append(tx, audit.Event{Action: "classification.answer", Object: e.MessageID, Detail: []byte(c.Version)})
}

// keep stores the answer to a question of ours. Where two come, of the node and of its
// dispatch system, the later one counts.
func (s *Service) keep(tx *store.Tx, e exchange.Entry) (done bool, err error) {
	var a wireAnswer
	if err := json.Unmarshal([]byte(e.Envelope.Payload.Data), &a); err != nil {
		return false, nil
	}
	asked, err := answered(tx, a.ID, e.Own, e.Other, e.AcceptedAt)
	if err != nil || !asked {
		return false, err
	}
	c := Catalogue{Version: bounded(a.Version), At: e.AcceptedAt}
	for _, k := range a.Keywords[:min(len(a.Keywords), maxKeywords)] {
		c.Keywords = append(c.Keywords, Keyword{bounded(k.Code), bounded(k.Text), bounded(k.Family)})
	}
	if err := putCatalogue(tx, e.Other, e.ID, c); err != nil {
		return true, err
	}
	tx.Notify(topic)
	return true, s.o.Audit.Append(tx, audit.Event{Action: "classification.fetched", Object: e.MessageID, Detail: []byte(c.Version)})
}

// bounded makes a neighbour's words fit for a column: of one line, without NUL, which
// PostgreSQL does not store.
func bounded(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "\x00", "")), " ")
	if r := []rune(s); len(r) > maxKeyword {
		s = string(r[:maxKeyword])
	}
	return s
}

// Ask sends a neighbour the request for his catalogue, for a person of an organisation.
func (s *Service) Ask(ctx context.Context, person, organisation, oid string) error {
	const op = "classification.Ask"
	own, err := s.o.Addresses(ctx, organisation)
	if err != nil {
		return problem.Wrap(op, err)
	}
	i := slices.IndexFunc(own, func(o string) bool { return s.o.Node.SameKind(o, oid) })
	if i < 0 {
		return problem.New(op, problem.NotFound, "classification.ask.none", nil)
	}
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		q := question{ID: s.o.Clock.NewID(), Own: own[i], OID: oid, At: s.o.Clock.Now(), Person: person}
		e, err := s.o.Node.Post(tx, letter(q.Own, oid, msgRequest, wireRequest{q.ID}))
		if err != nil {
			return err
		}
		if err := putQuestion(tx, q); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "classification.ask", Actor: person, Object: e.MessageID})
	}))
}

// Neighbour is a control room with what is known of its catalogue.
type Neighbour struct {
	OID, Name string
	Kind      store.Kind
	Supports  bool // he takes the request
	Catalogue *Catalogue
	Asked     time.Time // zero: never
	AskedBy   string    // name
	Waiting   bool      // no answer to that yet
}

// Neighbours are whom an organisation can ask.
func (s *Service) Neighbours(ctx context.Context, organisation string) (out []Neighbour, err error) {
	own, err := s.o.Addresses(ctx, organisation)
	if err != nil {
		return nil, problem.Wrap("classification.Neighbours", err)
	}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		asked, err := questions(tx)
		if err != nil {
			return err
		}
		known, err := catalogues(tx)
		if err != nil {
			return err
		}
		all, err := s.o.Node.Neighbours(tx)
		for _, nb := range all {
			if slices.Contains(own, nb.OID) {
				continue
			}
			n := Neighbour{OID: nb.OID, Name: nb.Name, Kind: nb.Kind, Catalogue: known[nb.OID]}
			if n.Name == "" {
				n.Name = nb.OID
			}
			n.Supports = slices.ContainsFunc(nb.Apps, func(a ucri.AppRef) bool { return a.AppID == App && a.AppVersion == appVersion })
			for _, o := range own {
				if q, there := asked[[2]string{o, nb.OID}]; there && q.At.After(n.Asked) {
					n.Asked, n.AskedBy, n.Waiting = q.At, s.name(tx, q.Person), q.AnsweredAt.IsZero()
				}
			}
			out = append(out, n)
		}
		return err
	})
	return out, problem.Wrap("classification.Neighbours", err)
}
