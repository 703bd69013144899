package subscription

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Channels by which people are told.
const (
	Email   = "email"
	WebPush = "webpush"
)

// Subscription is what a person wants to be told, where and when.
type Subscription struct {
	Want
	Number  int64
	ID      string
	Channel string
	Lang    i18n.Lang
	// QuietFrom and QuietTo are minutes of the local day; equal ones are no quiet hours.
	QuietFrom, QuietTo int
	Wording            bool // tell also of other words for the same
	Rivers             bool // tell also what gauges measure
	At, Confirmed      time.Time
	Until              time.Time // when it is deleted
	sealed             []byte
}

// Quiet is when the quiet hours that a moment lies in end; zero: it lies in none.
func (s *Subscription) Quiet(now time.Time) time.Time {
	if s.QuietFrom == s.QuietTo {
		return time.Time{}
	}
	at := now.In(zone)
	minute := at.Hour()*60 + at.Minute()
	day := at.Day()
	switch {
	case s.QuietFrom < s.QuietTo && minute >= s.QuietFrom && minute < s.QuietTo:
	case s.QuietFrom > s.QuietTo && minute < s.QuietTo:
	case s.QuietFrom > s.QuietTo && minute >= s.QuietFrom:
		day++
	default:
		return time.Time{}
	}
	end := time.Date(at.Year(), at.Month(), day, s.QuietTo/60, s.QuietTo%60, 0, 0, zone)
	return end.UTC()
}

var zone = func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		panic(err) // i18n links the zone data
	}
	return z
}()

// Dispatch is one message to one person.
type Dispatch struct {
	Channel string
	// Member is the number of who gets it, whose address Address knows; 0: Target has it.
	Member   int64
	Target   string // address of mail, or the subscription a browser gave
	Language i18n.Lang
	Kind     store.Kind
	Ref      string // what it tells of: one for all whom a change is told
	Revision string // within Ref: an address gets each once
	Title    string
	Body     string
	Link     string // of the page about it; "" when the node's address is not known
	End      string // address that ends it by one POST (spec: RFC 8058); of a member Address has it
	Source   string // the line that has to stand beside it
}

// Options are what a service stands on.
type Options struct {
	DB       *store.DB
	Audit    *audit.Log
	Clock    *clock.Clock
	Key      *seal.Node
	Texts    *i18n.Bundle
	Places   *register.Register
	Areas    *area.Table
	Log      *slog.Logger
	Warnings func(context.Context) ([]*warning.Warning, *warning.Book, error)
	// Send hands messages to the channels, in the transaction in which it is noted that
	// they were; nil: no channel is there, and nobody can subscribe.
	Send func(tx *store.Tx, d ...Dispatch) error
	// Ways are the channels there are; nil: all that people may choose.
	Ways []string
	// Owner is the name of an organisation.
	Owner func(tx *store.Tx, organisation string) string
	// Base is the address under which everybody finds the node; "": not known.
	Base string
}

// Service keeps subscriptions and tells what changed. It is safe for concurrent use.
type Service struct {
	o     Options
	index *Index
	box   cipher.AEAD
	// Keys are derived once: 100,000 links are made within a second.
	tokenKey, hashKey []byte

	telling sync.Mutex // for now
	now     turnover
}

// How long things are kept.
const (
	confirmIn = 48 * time.Hour       // a mail read on Monday that was sent on Saturday
	lasts     = 365 * 24 * time.Hour // addresses change; who still wants it says so once a year
	remindAt  = 30 * 24 * time.Hour  // before the end
	keepTold  = 30 * 24 * time.Hour
	mostEach  = 10 // of one address
	mostAsked = 3  // requests to confirm to one address in a day: nobody is to be flooded with them
)

// First is the revision of the first message to an address.
const First = "ask"

// Topic wakes who distributes.
const Topic = "subscription"

var errNotFound = problem.New("subscription", problem.NotFound, "subscription.not_found", nil)

// New returns the service; Load reads what is there.
func New(o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	block, err := aes.NewCipher(o.Key.Derive("subscription-target", 32))
	if err != nil {
		return nil, fmt.Errorf("subscription: %w", err)
	}
	box, err := cipher.NewGCM(block)
	return &Service{o: o, index: NewIndex(o.Areas, o.Places), box: box, tokenKey: o.Key.Derive("subscription-token", 32), hashKey: o.Key.Derive("subscription-hash", 32)}, err
}

// Load builds the index.
func (s *Service) Load(ctx context.Context) error {
	return problem.Wrap("subscription.Load", s.index.Load(func() (numbers []int64, wants []*Want, err error) {
		err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
			all, err := selected(tx, `WHERE confirmed > 0 ORDER BY number`)
			for _, x := range all {
				numbers, wants = append(numbers, x.Number), append(wants, &x.Want)
			}
			return err
		})
		return numbers, wants, err
	}))
}

// Open reports whether anybody can subscribe: a channel is there, and the links in its
// messages lead somewhere.
func (s *Service) Open() bool { return s.o.Send != nil && s.o.Base != "" }

// Carries reports whether people can be told by a channel.
func (s *Service) Carries(channel string) bool {
	return s.Open() && (s.o.Ways == nil || slices.Contains(s.o.Ways, channel))
}

// hash is what an address is found by.
func (s *Service) hash(target string) string {
	if e := endpointOf(target); e != "" {
		return s.hashText(e)
	}
	return s.hashText(strings.ToLower(target))
}

func (s *Service) hashText(text string) string {
	h := hmac.New(sha256.New, s.hashKey)
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (s *Service) seal(id, target string) []byte {
	nonce := make([]byte, s.box.NonceSize())
	rand.Read(nonce)
	return s.box.Seal(nonce, nonce, []byte(target), []byte(id))
}

// Target is the address of a subscription.
func (s *Service) Target(x *Subscription) (string, error) {
	n := s.box.NonceSize()
	if len(x.sealed) < n {
		return "", errors.New("subscription: an address is cut off")
	}
	plain, err := s.box.Open(nil, x.sealed[:n], x.sealed[n:], []byte(x.ID))
	return string(plain), err
}

// Address is where a message goes, and where its receiver ends it.
type Address struct{ Target, End string }

// Addresses are those of members who still want to be told, by number. They are asked for
// when the turn of a message has come: they are copied nowhere, and who has ended it
// meanwhile is told nothing.
func (s *Service) Addresses(tx *store.Tx, members []int64) (map[int64]Address, error) {
	people, err := confirmedOf(tx, members)
	if err != nil {
		return nil, err
	}
	all := make(map[int64]Address, len(people))
	for n, x := range people {
		target, err := s.Target(x)
		if err != nil {
			return nil, err
		}
		all[n] = Address{target, s.link(x.ID)}
	}
	return all, nil
}

// token opens the page of a subscription to who has the mail.
func (s *Service) token(id string) string {
	h := hmac.New(sha256.New, s.tokenKey)
	h.Write([]byte(id))
	return id + "." + hex.EncodeToString(h.Sum(nil)[:16])
}

func (s *Service) idOf(token string) (string, error) {
	id, _, _ := strings.Cut(token, ".")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.token(id))) != 1 {
		return "", errNotFound
	}
	return id, nil
}

// Path is the page of a subscription.
const Path = "/subscribe/mine/"

func (s *Service) link(id string) string {
	if s.o.Base == "" {
		return ""
	}
	return s.o.Base + Path + s.token(id)
}

// Fault is what is wrong with a form.
type Fault struct {
	Field, Key string
	Args       i18n.Args
}

// Refused is what was refused with all its faults.
type Refused struct{ Faults []Fault }

func (r *Refused) Error() string { return fmt.Sprint("subscription: refused: ", r.Faults) }

func (s *Service) check(x *Subscription, target string) (faults []Fault) {
	bad := func(field, key string) {
		faults = append(faults, Fault{Field: field, Key: "subscription.fault." + key})
	}
	switch x.Channel {
	case Email:
		a, err := mail.ParseAddress(target)
		if err != nil || a.Address != target || len(target) > 254 || strings.ContainsAny(target, "\r\n ") || !strings.Contains(target[strings.LastIndexByte(target, '@')+1:], ".") {
			bad("target", "email")
		}
	case WebPush:
		if target == "" {
			bad("target", "push")
		}
	default:
		bad("channel", "channel")
	}
	if len(x.Municipalities) == 0 || len(x.Municipalities) > 20 || slices.ContainsFunc(x.Municipalities, func(id string) bool { _, ok := s.index.towns[id]; return !ok }) {
		bad("place", "place")
	}
	if x.Point != nil && !x.Point.Valid() {
		bad("place", "place")
	}
	if x.Polygon != "" {
		if own, wrong := area.Read([]string{x.Polygon}, nil, nil); own.Empty() || len(own.Lost) > 0 || len(x.Polygon) > 4000 {
			f := Fault{Field: "polygon", Key: "subscription.fault.polygon"}
			if len(wrong) > 0 {
				f.Key = wrong[0].Key()
			}
			faults = append(faults, f)
		}
	}
	if x.Level > 4 || int(x.Hazards) >= 1<<len(Hazards) {
		bad("level", "level")
	}
	if x.QuietFrom < 0 || x.QuietFrom >= 24*60 || x.QuietTo < 0 || x.QuietTo >= 24*60 {
		bad("quiet", "quiet")
	}
	return faults
}

// Ask enters what somebody wants, and asks by mail whether he does: nobody can be made
// to get messages by another. A browser that gives a subscription has asked its person; it
// gets a first message at once, and counts when its push service has taken it (Reached):
// addresses that were made up stay without one and are deleted.
// Who asks is told the same whether the address is known or not.
func (s *Service) Ask(ctx context.Context, x Subscription, target string) (token string, err error) {
	const op = "subscription.Ask"
	if !s.Open() {
		return "", problem.New(op, problem.Unavailable, "subscription.closed", nil)
	}
	if target = strings.TrimSpace(target); x.Channel == WebPush {
		target = browser(target)
	}
	if faults := s.check(&x, target); len(faults) > 0 {
		return "", &Refused{faults}
	}
	if !s.Carries(x.Channel) {
		return "", problem.New(op, problem.Unavailable, "subscription.closed", nil)
	}
	if _, ok := i18n.Parse(string(x.Lang)); !ok {
		x.Lang = i18n.En
	}
	now := s.o.Clock.Now()
	x.ID, x.At, x.Until = s.o.Clock.NewID(), now, now.Add(confirmIn)
	x.sealed = s.seal(x.ID, target)
	first := Dispatch{Channel: x.Channel, Target: target, Language: x.Lang, Kind: store.Live, Ref: "subscription/" + x.ID, Revision: First, Link: s.link(x.ID), End: s.link(x.ID)}
	say := func(key string) string {
		return s.o.Texts.Text(x.Lang, key, i18n.Args{"place": s.placeText(&x), "hours": int(confirmIn.Hours())})
	}
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if x.Channel == WebPush {
			if err := s.enterBrowser(tx, &x, target); err != nil {
				return err
			}
			first.Title, first.Body = say("subscription.push.title"), say("subscription.push.body")
			err := s.o.Send(tx, first)
			if err != nil && problem.KindOf(err) == problem.Invalid {
				return &Refused{[]Fault{{Field: "target", Key: "subscription.fault.push"}}}
			}
			return err
		}
		all, asked, err := counts(tx, s.hash(target), now.Add(-24*time.Hour))
		if err != nil || all >= mostEach || asked >= mostAsked {
			return err // a stranger learns nothing, and who has the address has mail enough
		}
		if err := x.insert(tx, s.hash(target)); err != nil {
			return err
		}
		if err := s.note(tx, "subscription.ask", x.ID); err != nil {
			return err
		}
		first.Title, first.Body = say("subscription.ask.title"), say("subscription.ask.body")
		return s.o.Send(tx, first)
	})
	return s.token(x.ID), problem.Wrap(op, err)
}

// enter puts a subscription into the index once the transaction is committed, here and in
// every other instance, which looks again when it is woken.
func (s *Service) enter(tx *store.Tx, number int64, w *Want) {
	tx.OnCommit(func() { s.index.Put(number, w) })
	tx.Notify(topicRows)
}

// topicRows wakes other instances when subscriptions came or went.
const topicRows = "subscription.rows"

func (s *Service) note(tx *store.Tx, action, id string) error {
	return s.o.Audit.Append(tx, audit.Event{Action: action, Object: id})
}

// Get is the subscription a token opens; problem NotFound.
func (s *Service) Get(ctx context.Context, token string) (x *Subscription, err error) {
	id, err := s.idOf(token)
	if err != nil {
		return nil, err
	}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		x, err = byID(tx, id)
		return err
	})
	return x, problem.Wrap("subscription.Get", err)
}

// Confirm says that a person wants it, for a year from now.
func (s *Service) Confirm(ctx context.Context, token string) error {
	id, err := s.idOf(token)
	if err != nil {
		return err
	}
	return problem.Wrap("subscription.Confirm", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(tx, id)
		if err != nil {
			return err
		}
		if x.Channel == WebPush && x.Confirmed.IsZero() { // who asks holds the link; only a browser shows that it is one
			return problem.New("subscription.Confirm", problem.Conflict, "subscription.unreached", nil)
		}
		now := s.o.Clock.Now()
		if _, err := confirm(tx, id, now, now.Add(lasts)); err != nil {
			return err
		}
		s.enter(tx, x.Number, &x.Want)
		return s.note(tx, "subscription.confirm", id)
	}))
}

// End deletes a subscription with everything that is known of its person. Once more is
// no error: whoever presses twice means the same.
func (s *Service) End(ctx context.Context, token string) error {
	id, err := s.idOf(token)
	if err != nil {
		return err
	}
	return problem.Wrap("subscription.End", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(tx, id)
		if problem.KindOf(err) == problem.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		return s.erase(tx, x, "subscription.end")
	}))
}

// Gone deletes what leads to an address that will never work again.
func (s *Service) Gone(tx *store.Tx, target string) error {
	all, err := s.ofTarget(tx, target)
	if err != nil {
		return err
	}
	for _, x := range all {
		if err := s.erase(tx, x, "subscription.gone"); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) erase(tx *store.Tx, x *Subscription, action string) error {
	if err := drop(tx, x.Number); err != nil {
		return err
	}
	s.enter(tx, x.Number, nil)
	return s.note(tx, action, x.ID)
}

// Published takes an own notice that goes out, in its transaction.
func (s *Service) Published(tx *store.Tx, p *notice.Publication) error {
	if p.Kind != store.Live {
		return nil // people who asked for warnings are not told of exercises
	}
	a, _, fault := cap.Read(p.Document)
	if fault != nil || len(a.Infos) == 0 {
		return fmt.Errorf("subscription: notice %s %d cannot be read", p.Notice, p.Revision)
	}
	owner := ""
	if s.o.Owner != nil {
		owner = s.o.Owner(tx, p.Organisation)
	}
	ref := "notice/" + p.Notice
	before, err := knownOf(tx, ref)
	if err != nil {
		return err
	}
	c := Change{Ref: ref, Before: before, At: s.o.Clock.Now(), Now: saidIn(p, a, owner)}
	if p.Purpose == notice.Cancel {
		if before == nil {
			return nil
		}
		// What is said of the end is said to those who were told, in the words of the end.
		c.Before.Texts, c.Before.Received, c.Now = c.Now.Texts, c.Now.Received, nil
		if err := dropKnown(tx, ref); err != nil {
			return err
		}
	} else if err := putKnown(tx, ref, c.Now); err != nil {
		return err
	}
	tx.Notify(Topic)
	return c.insert(tx)
}

// changes compares what official warnings say with what was told.
func (s *Service) changes(all []*warning.Warning, told map[string]string) (now map[string]*Said, gone []string, merged, drills map[string]bool) {
	now, merged, drills = map[string]*Said{}, map[string]bool{}, map[string]bool{}
	ended := map[string]warning.Reason{}
	for _, w := range all {
		if w.Kind != store.Live || w.Lead.Kind != store.Live {
			for _, m := range w.Members {
				drills["warning/"+m.ID] = true
			}
			continue
		}
		ref := "warning/" + w.ID
		for _, m := range w.Members {
			if m.ID != w.ID {
				merged["warning/"+m.ID] = true
			}
		}
		if w.Phase == warning.Ended {
			ended[ref] = w.Reason
			continue
		}
		if said := saidOf(w); told[ref] != said.digest() {
			now[ref] = said
		} else {
			now[ref] = nil // as it was
		}
	}
	for ref := range told {
		if _, there := now[ref]; !there && strings.HasPrefix(ref, "warning/") {
			gone = append(gone, ref)
			if ended[ref] == warning.ByTime || ended[ref] == warning.ByPast {
				merged[ref] = true // everybody knew until when
			}
		}
	}
	slices.Sort(gone)
	return now, gone, merged, drills
}

// Observe writes down what changed of official warnings.
func (s *Service) Observe(ctx context.Context) error {
	const op = "subscription.Observe"
	look := func(tx *store.Tx, act bool) (changed bool, err error) {
		told, err := known(tx)
		if err != nil {
			return false, err
		}
		all, _, err := s.o.Warnings(ctx)
		if err != nil {
			return false, err
		}
		now, gone, silent, drills := s.changes(all, told)
		at := s.o.Clock.Now()
		for _, w := range all {
			ref := "warning/" + w.ID
			said := now[ref]
			if said == nil {
				continue
			}
			changed = true
			if !act {
				return true, nil
			}
			before, err := knownOf(tx, ref)
			if err != nil {
				return true, err
			}
			if err := (&Change{Ref: ref, Now: said, Before: before, At: at}).insert(tx); err != nil {
				return true, err
			}
			if err := putKnown(tx, ref, said); err != nil {
				return true, err
			}
			delete(now, ref)
		}
		for _, ref := range gone {
			changed = true
			if !act {
				return true, nil
			}
			if !silent[ref] {
				before, err := knownOf(tx, ref)
				if err != nil {
					return true, err
				}
				before.Drill = drills[ref]
				if err := (&Change{Ref: ref, Before: before, At: at}).insert(tx); err != nil {
					return true, err
				}
			}
			if err := dropKnown(tx, ref); err != nil {
				return true, err
			}
		}
		if changed {
			tx.Notify(Topic)
		}
		return changed, nil
	}
	var changed bool
	if err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		changed, err = look(tx, false)
		return err
	}); err != nil || !changed {
		return problem.Wrap(op, err)
	}
	// Again with the turn: what another instance has told since is known then, and what is
	// read is not older than what it read.
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := turn(tx); err != nil {
			return err
		}
		_, err := look(tx, true)
		return err
	}))
}

// batch is how many people are told in one transaction: who else writes waits for so many
// at most, and what a killed node had begun of it is begun again.
const batch = 2000

// turnover is a change on its way to everybody it is for.
type turnover struct {
	seq     int64
	numbers []int64
	what    map[int64]string
	texts   map[string]words // by what it is for whom: most of a place are told the same
}

type words struct{ title, body string }

// mostWords bounds what is remembered of a change: more combinations of places and
// languages than the region has municipalities.
const mostWords = 5000

// Distribute tells the oldest open change to the next part of those it is for; more is
// false when there is none. How far it came is noted with what is queued: whoever goes on,
// after kill -9 or as another instance, begins behind it.
func (s *Service) Distribute(ctx context.Context) (more bool, err error) {
	const op = "subscription.Distribute"
	var c *Change
	if err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		c, err = open(tx)
		return err
	}); err != nil || c == nil {
		return false, problem.Wrap(op, err)
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.now.seq != c.seq {
		s.now = turnover{seq: c.seq, texts: map[string]words{}}
		s.now.numbers, s.now.what = c.who(s.index)
	}
	from, _ := slices.BinarySearch(s.now.numbers, c.told+1)
	part := s.now.numbers[from:]
	n := min(batch, len(part))
	done := n == len(part)
	part = part[:n]
	to := c.told
	if n > 0 {
		to = part[n-1]
	}
	return true, problem.Wrap(op, s.write(ctx, func(tx *store.Tx, send send) error {
		// Another instance may have been faster.
		if mine, err := c.advance(tx, to, done); err != nil || !mine {
			return err
		}
		return s.tell(tx, send, c, part)
	}))
}

// send hands messages to the channels.
type send func(...Dispatch) error

// write runs a transaction that tells people. When a channel refuses one message, since a
// push service is not permitted any more or a text is too long, it is run again with each
// message by itself: the others are not held up.
func (s *Service) write(ctx context.Context, f func(*store.Tx, send) error) error {
	err := s.o.DB.Write(ctx, func(tx *store.Tx) error {
		return f(tx, func(all ...Dispatch) error {
			if s.o.Send == nil || len(all) == 0 {
				return nil
			}
			return s.o.Send(tx, all...)
		})
	})
	if err == nil || problem.KindOf(err) != problem.Invalid {
		return err
	}
	return s.o.DB.Write(ctx, func(tx *store.Tx) error {
		return f(tx, func(all ...Dispatch) error {
			for _, d := range all {
				err := s.o.Send(tx, d)
				if err != nil && problem.KindOf(err) == problem.Invalid {
					s.o.Log.Error("subscription: a channel refuses a message", "channel", d.Channel, "of", d.Ref, "error", err)
				} else if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// tell sends a change to people, or holds it back until their quiet hours are over.
func (s *Service) tell(tx *store.Tx, send send, c *Change, numbers []int64) error {
	people, err := confirmedOf(tx, numbers)
	if err != nil {
		return err
	}
	now := s.o.Clock.Now()
	var all []Dispatch
	for _, n := range numbers {
		x, what := people[n], s.now.what[n]
		if x == nil || what == isWorded && !x.Wording || c.said().Gauge != nil && !x.Rivers {
			continue
		}
		if due := x.Quiet(now); !due.IsZero() && !c.danger() {
			if err := hold(tx, n, c, what, due); err != nil {
				return err
			}
			continue
		}
		all = append(all, s.dispatch(x, c, what))
	}
	return send(all...)
}

func (s *Service) placeText(x *Subscription) string {
	var names []string
	for _, id := range x.Municipalities {
		if p, ok := s.o.Places.Place(id); ok {
			name, local := p.In(x.Lang)
			if local != "" {
				name += " / " + local
			}
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func (s *Service) pageOf(x *Subscription) string {
	if s.o.Base == "" {
		return ""
	}
	return s.o.Base + "/public/place/" + x.Municipalities[0] + "/" + string(x.Lang)
}

// dispatch is a change for one person.
func (s *Service) dispatch(x *Subscription, c *Change, what string) Dispatch {
	key := what + " " + string(x.Lang) + " " + strings.Join(x.Municipalities, " ")
	w, ok := s.now.texts[key]
	if !ok {
		if len(s.now.texts) >= mostWords {
			clear(s.now.texts)
		}
		w = s.say(x, c, what)
		s.now.texts[key] = w
	}
	return Dispatch{Channel: x.Channel, Member: x.Number, Language: x.Lang, Kind: store.Live, Ref: "subscription/" + c.Ref, Revision: strconv.FormatInt(x.Number, 10) + "/" + strconv.FormatInt(c.seq, 10), Title: w.title, Body: w.body,
		Link: s.pageOf(x), Source: c.said().Source}
}

// say is a change in the words of its sender.
func (s *Service) say(x *Subscription, c *Change, what string) words {
	said := c.said()
	say := func(key string, args i18n.Args) string { return s.o.Texts.Text(x.Lang, "subscription.say."+key, args) }
	if said.Gauge != nil {
		return words{s.measured(x.Lang, said, what), s.ofGauge(x, said)}
	}
	t := said.text(x.Lang)
	lines := []string{say("whose."+map[bool]string{true: "official", false: "own"}[said.Official], i18n.Args{"source": said.Source})}
	if what != isEnded || !said.Official {
		for _, part := range []string{t.Headline, t.Description, t.Instruction} {
			if part = strings.TrimSpace(part); part != "" {
				lines = append(lines, part)
			}
		}
	}
	switch {
	case what == isEnded && said.Drill:
		lines = append(lines, say("drill", nil))
	case what == isEnded:
		lines = append(lines, say("ended", nil))
	case said.Expires.IsZero():
		lines = append(lines, say("open", nil))
	default:
		lines = append(lines, say("until", i18n.Args{"time": said.Expires}))
	}
	lines = append(lines, say("received", i18n.Args{"time": said.Received, "place": s.placeText(x)}))
	return words{say("title."+what, i18n.Args{"what": said.headline(x.Lang)}), strings.Join(lines, "\n\n")}
}

// Digest tells those whose quiet hours are over what was held back, in one message each.
func (s *Service) Digest(ctx context.Context) error {
	const op, most = "subscription.Digest", 1000
	for {
		var numbers []int64
		if err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
			numbers, err = dueNumbers(tx, s.o.Clock.Now(), most)
			return err
		}); err != nil || len(numbers) == 0 {
			return problem.Wrap(op, err)
		}
		for part := range slices.Chunk(numbers, some) {
			if err := s.write(ctx, func(tx *store.Tx, send send) error { return s.digests(tx, send, part) }); err != nil {
				return problem.Wrap(op, err)
			}
		}
	}
}

func (s *Service) digests(tx *store.Tx, send send, numbers []int64) error {
	// Two instances that read the same would say it twice.
	if err := turn(tx); err != nil {
		return err
	}
	people, err := confirmedOf(tx, numbers)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		all, err := heldFor(tx, n)
		if err != nil {
			return err
		}
		if len(all) == 0 { // another instance was faster
			continue
		}
		// What another instance holds back meanwhile is of a later change, and stays.
		if err := release(tx, n, all[len(all)-1].seq); err != nil {
			return err
		}
		x := people[n]
		if x == nil { // nobody is there any more
			continue
		}
		d, ok, err := s.digest(x, all)
		if err != nil {
			return err
		}
		if ok {
			if err := send(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// digest says what became of everything in the night: what began and ended in it is
// nothing to wake up to.
func (s *Service) digest(x *Subscription, all []held) (d Dispatch, ok bool, err error) {
	now := s.o.Clock.Now()
	var refs []string
	last, first := map[string]held{}, map[string]string{}
	for _, h := range all {
		if _, seen := last[h.Ref]; !seen {
			refs, first[h.Ref] = append(refs, h.Ref), h.what
		}
		last[h.Ref] = h
	}
	var lines, sources []string
	for _, ref := range refs {
		h := last[ref]
		said := h.said()
		over := h.what == isEnded || !said.Expires.IsZero() && !said.Expires.After(now)
		if over && first[ref] == isNew {
			continue
		}
		what := h.what
		if over {
			what = isEnded
		} else if first[ref] == isNew {
			what = isNew
		}
		var line string
		if said.Gauge != nil {
			line = s.measured(x.Lang, said, what) + "\n" + s.o.Texts.Text(x.Lang, "subscription.river.no_stage", nil)
		} else {
			line = s.o.Texts.Text(x.Lang, "subscription.say.title."+what, i18n.Args{"what": said.headline(x.Lang)})
		}
		if !over && !said.Expires.IsZero() {
			line += "\n" + s.o.Texts.Text(x.Lang, "subscription.say.until", i18n.Args{"time": said.Expires})
		}
		if t := said.text(x.Lang); !over && t.Instruction != "" {
			line += "\n" + strings.TrimSpace(t.Instruction)
		}
		lines = append(lines, line+"\n"+said.Source)
		if !slices.Contains(sources, said.Source) {
			sources = append(sources, said.Source)
		}
	}
	if len(lines) == 0 {
		return d, false, nil
	}
	target, err := s.Target(x)
	if err != nil {
		return d, false, err
	}
	args := i18n.Args{"n": len(lines), "place": s.placeText(x)}
	return Dispatch{Channel: x.Channel, Target: target, Language: x.Lang, Kind: store.Live, Ref: fmt.Sprint("subscription/held/", all[len(all)-1].seq), Revision: x.ID, Link: s.pageOf(x), End: s.link(x.ID),
		Title: s.o.Texts.Text(x.Lang, "subscription.digest.title", args), Body: s.o.Texts.Text(x.Lang, "subscription.digest.lead", args) + "\n\n" + strings.Join(lines, "\n\n"), Source: strings.Join(sources, " · ")}, true, nil
}

// Tidy deletes what is past its date, and asks before whether somebody still wants it.
func (s *Service) Tidy(ctx context.Context) error {
	now := s.o.Clock.Now()
	return problem.Wrap("subscription.Tidy", s.write(ctx, func(tx *store.Tx, send send) error {
		over, err := selected(tx, `WHERE until <= $1 ORDER BY number LIMIT 5000`, millis(now))
		if err != nil {
			return err
		}
		for _, x := range over {
			if err := s.erase(tx, x, "subscription.expire"); err != nil {
				return err
			}
		}
		soon, err := selected(tx, `WHERE confirmed > 0 AND reminded = 0 AND until <= $1 ORDER BY number LIMIT 1000`, millis(now.Add(remindAt)))
		if err != nil || s.o.Send == nil {
			return err
		}
		for _, x := range soon {
			target, err := s.Target(x)
			if err != nil {
				return err
			}
			if _, err := remind(tx, x.ID); err != nil {
				return err
			}
			args := i18n.Args{"place": s.placeText(x), "time": x.Until}
			if err := send(Dispatch{Channel: x.Channel, Target: target, Language: x.Lang, Kind: store.Live, Ref: "subscription/" + x.ID, Revision: fmt.Sprint("until ", x.Until.Unix()),
				Title: s.o.Texts.Text(x.Lang, "subscription.until.title", args), Body: s.o.Texts.Text(x.Lang, "subscription.until.body", args), Link: s.link(x.ID), End: s.link(x.ID)}); err != nil {
				return err
			}
		}
		return dropChanges(tx, now.Add(-keepTold))
	}))
}

const (
	queueDigest = "subscription.digest"
	queueTidy   = "subscription.tidy"
	tidyAt      = "10:20" // by day: it sends mail
)

// Schedule registers what has its times.
func (s *Service) Schedule(ctx context.Context, jobs *job.Queue) error {
	return errors.Join(
		jobs.Every(ctx, queueDigest, time.Minute, store.Live, func(ctx context.Context, _ job.Job) error { return s.Digest(ctx) }),
		jobs.Daily(ctx, queueTidy, tidyAt, store.Live, func(ctx context.Context, _ job.Job) error { return s.Tidy(ctx) }))
}

const (
	lookEvery = 10 * time.Second // without being woken
	// followEvery is how often an instance reads what the others have entered: a million
	// rows take seconds, and who has just subscribed can wait as long for his first message.
	followEvery = 30 * time.Second
)

// Run observes and distributes until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Load(ctx); err != nil {
		return err
	}
	watch, rows := s.o.DB.Watch(Topic, warning.Topic), s.o.DB.Watch(topicRows)
	defer watch.Close()
	defer rows.Close()
	var followed time.Time
	behind := false
	for ctx.Err() == nil {
		if behind && time.Since(followed) > followEvery {
			behind, followed = false, time.Now()
			if err := s.Load(ctx); err != nil && ctx.Err() == nil {
				s.o.Log.Error("subscription: follow", "error", err)
			}
		}
		err := s.Observe(ctx)
		for more := true; more && err == nil && ctx.Err() == nil; {
			more, err = s.Distribute(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.o.Log.Error("subscription: tell", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-watch.C():
		case <-rows.C():
			behind = s.o.DB.Engine() == store.Postgres // one process has entered it itself
		case <-time.After(lookEvery):
		}
	}
	return ctx.Err()
}
