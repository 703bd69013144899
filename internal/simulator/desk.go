package simulator

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Kind is what a message does, whatever its profile calls it.
type Kind string

// The kinds of messages.
const (
	Event   Kind = "event"
	Change  Kind = "change"
	End     Kind = "end"
	Answer  Kind = "answer"
	Text    Kind = "text"
	Receipt Kind = "receipt"
	Failure Kind = "failure"
)

// Mode is what a message is meant for.
type Mode string

// The modes of messages.
const (
	Live     Mode = "live"
	Exercise Mode = "exercise"
	Test     Mode = "test"
)

// Reason is why a message is not taken. Each profile has its own codes for them.
type Reason string

// The reasons.
const (
	Unreadable   Reason = "unreadable"
	Encoding     Reason = "encoding"
	TooBig       Reason = "too_big"
	Structure    Reason = "structure"
	UnknownCode  Reason = "unknown_code"
	Impossible   Reason = "impossible"
	OtherVersion Reason = "other_version"
	UnknownEvent Reason = "unknown_event"
	RepeatedID   Reason = "repeated_id"
	Expired      Reason = "expired"
	WrongAddress Reason = "wrong_address"
	OtherMode    Reason = "other_mode"
	Busy         Reason = "busy"
)

// Say is what a simulated system says. A profile writes what it has a place for, as it
// stands: also what its own rules forbid.
type Say struct {
	Kind          Kind
	ID, From, To  string
	Sent, Expires time.Time
	Mode          Mode

	Incident string // UUID
	About    string // ID of the message that an answer, a receipt or a failure is about

	Type, Detail    string // codes of the profile
	What, More      string // in a line; in detail
	Began, Declared time.Time
	Lat, Lon        float64
	Town, Street    string
	House, Phone    string
	Number          string // the sender's own
	Dead, Injured   int

	Accepted bool   // an answer; of an end: worked off
	Text     string // of a text; the words of an answer, an end or a failure
	Reason   Reason
	Where    string
}

// Fault is one thing in a message that is not as its profile says.
type Fault struct {
	Reason Reason
	Where  string // path in the message
	Text   string // for the developer of the other side
}

// Heard is a message that came.
type Heard struct {
	Say
	At       time.Time
	Bytes    []byte
	Repeated bool    // the same message came before
	Stale    bool    // a later state of its event came before
	Faults   []Fault // none: it is strictly as the profile says
}

// Profile is how one kind of system speaks.
type Profile interface {
	// Media is the media type of its messages.
	Media() string
	// Hear judges a message by the profile and by nothing else.
	Hear(message []byte) Heard
	// Write puts a message down.
	Write(Say) []byte
}

// Behaviour is how a desk takes what comes. Its zero value stores and acknowledges
// everything that is right, and no person answers.
type Behaviour struct {
	Down     bool          // nothing comes in or goes out
	Delay    time.Duration // before anything is stored
	Silent   bool          // no receipts and no failures
	Decision Decision      // of the person, about events that come
	Think    time.Duration // before the person decides
	Words    string        // of the person
	Resend   time.Duration // without a receipt; 0: 30 s, as the profiles say
}

// Decision is a person's about an event.
type Decision string

// The decisions; "" is none.
const (
	Accept Decision = "accept"
	Reject Decision = "reject"
)

// Letter is a message as it goes out.
type Letter struct {
	Place int // in what goes out, from 1
	ID    string
	Bytes []byte
}

// ErrDown is told to carriers while the desk is down.
var ErrDown = errors.New("simulator: down")

// Desk is a simulated control room. It is safe for concurrent use.
type Desk struct {
	profile    Profile
	name, peer string
	mode       Mode
	now        func() time.Time

	mu        sync.Mutex
	behaviour Behaviour
	out       []Letter
	later     []timed
	open      map[string]open      // sent and not acknowledged, by ID
	events    map[string]time.Time // when its last state from the peer was sent, by incident
	came      map[string]Heard     // by ID
	sent      map[string]Say       // by ID
	said      []Say
	heard     []Heard
	changed   chan struct{}
}

type timed struct {
	at  time.Time
	say Say
}

type open struct {
	letter Letter
	again  time.Time
	until  time.Time
}

// New makes a desk that calls itself name, talks to peer and takes messages of one
// mode only. With peer "" it takes them of everybody and answers whoever wrote; what
// it says by itself names its receiver. now nil is the clock of the machine.
func New(p Profile, name, peer string, m Mode, now func() time.Time) *Desk {
	if now == nil {
		now = time.Now
	}
	return &Desk{profile: p, name: name, peer: peer, mode: m, now: now, changed: make(chan struct{}),
		open: map[string]open{}, events: map[string]time.Time{}, came: map[string]Heard{}, sent: map[string]Say{}}
}

// Behave changes how the desk takes what comes.
func (d *Desk) Behave(b Behaviour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.behaviour = b
}

// Media is the media type of the desk's messages.
func (d *Desk) Media() string { return d.profile.Media() }

// NewID makes a random identifier (UUID, version 4).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Send says something and returns it as it was said: what is left out (names, times,
// identifiers, mode) is filled in. mistake is one of Mistakes or "".
func (d *Desk) Send(s Say, mistake string) (Say, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.send(s, mistake)
}

func (d *Desk) send(s Say, name string) (Say, error) {
	now := d.now().Truncate(time.Second)
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&s.ID, NewID())
	fill(&s.From, d.name)
	fill(&s.To, d.peer)
	if s.Mode == "" {
		s.Mode = d.mode
	}
	if s.Sent.IsZero() {
		s.Sent = now
	}
	if s.Expires.IsZero() {
		s.Expires = s.Sent.Add(time.Hour)
	}
	if s.Kind == Event || s.Kind == Change {
		fill(&s.Incident, NewID())
		if _, known := d.events[s.Incident]; !known {
			d.events[s.Incident] = time.Time{}
		}
	}
	made, err := mistakenly(name, s)
	if err != nil {
		return s, err
	}
	letter := Letter{ID: made.say.ID, Bytes: made.spoil(d.profile.Write(made.say))}
	d.sent[letter.ID] = made.say
	d.said = append(d.said, made.say)
	d.post(letter)
	if made.again != nil { // under the same ID
		d.post(Letter{ID: letter.ID, Bytes: d.profile.Write(*made.again)})
	}
	if s.Kind != Receipt && s.Kind != Failure && name == "" {
		d.open[letter.ID] = open{letter, now.Add(d.resend()), s.Expires}
	}
	return made.say, nil
}

func (d *Desk) resend() time.Duration {
	if d.behaviour.Resend > 0 {
		return d.behaviour.Resend
	}
	return 30 * time.Second
}

func (d *Desk) post(l Letter) {
	l.Place = len(d.out) + 1
	d.out = append(d.out, l)
}

// Letter returns what goes out after a place; false: nothing yet. Carriers ask.
func (d *Desk) Letter(after int) (Letter, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.behaviour.Down {
		return Letter{}, false
	}
	now := d.now()
	due := d.later
	d.later = nil
	for _, t := range due {
		if now.Before(t.at) {
			d.later = append(d.later, t)
		} else {
			_, _ = d.send(t.say, "") // "" is no mistake
		}
	}
	for id, o := range d.open {
		switch {
		case now.After(o.until):
			delete(d.open, id)
		case !now.Before(o.again):
			o.again = now.Add(d.resend())
			d.open[id] = o
			d.post(o.letter)
		}
	}
	if after < 0 || after >= len(d.out) {
		return Letter{}, false
	}
	return d.out[after], true
}

// Take is for carriers: a message came. nil means that it is stored.
func (d *Desk) Take(message []byte) error {
	d.mu.Lock()
	b := d.behaviour
	d.mu.Unlock()
	if b.Down {
		return ErrDown
	}
	time.Sleep(b.Delay)
	h := d.profile.Hear(message)
	d.mu.Lock()
	defer d.mu.Unlock()
	h.At, h.Bytes = d.now(), bytes.Clone(message)
	d.judge(&h)
	d.heard = append(d.heard, h)
	d.react(h)
	close(d.changed)
	d.changed = make(chan struct{})
	return nil
}

// tolerance is how far clocks may differ.
const tolerance = 2 * time.Second

// judge adds what the profile says of messages among others.
func (d *Desk) judge(h *Heard) {
	wrong := func(r Reason, text string) { h.Faults = append(h.Faults, Fault{Reason: r, Text: text}) }
	if before, ok := d.came[h.ID]; ok && h.ID != "" {
		if h.Repeated = bytes.Equal(before.Bytes, h.Bytes); !h.Repeated {
			wrong(RepeatedID, "other content than before")
		}
		return
	}
	if len(h.Faults) > 0 {
		return
	}
	d.came[h.ID] = *h
	if h.To != d.name || d.peer != "" && h.From != d.peer {
		wrong(WrongAddress, fmt.Sprintf("from %q to %q; this is %q, connected with %q", h.From, h.To, d.name, d.peer))
	}
	if h.Kind != Receipt && h.Kind != Failure && h.Mode != d.mode {
		wrong(OtherMode, fmt.Sprintf("%s here", d.mode))
	}
	if !h.Declared.IsZero() && h.Declared.Before(h.Began) || !h.Expires.IsZero() && !h.Expires.After(h.Sent) {
		wrong(Impossible, "reported before it began, or valid until before it was sent")
	}
	if !h.Expires.IsZero() && h.At.After(h.Expires.Add(tolerance)) {
		wrong(Expired, "")
	}
	last, known := d.events[h.Incident]
	if !known && h.Incident != "" && h.Kind != Event {
		wrong(UnknownEvent, h.Incident)
	}
	if _, ok := d.sent[h.About]; !ok && h.About != "" {
		wrong(Impossible, "about a message that was not sent: "+h.About)
	}
	if len(h.Faults) == 0 && (h.Kind == Event || h.Kind == Change) {
		if h.Stale = h.Sent.Before(last); !h.Stale {
			d.events[h.Incident] = h.Sent
		}
	}
}

// react answers as the system, and as the person at it.
func (d *Desk) react(h Heard) {
	if h.Kind == Receipt || h.Kind == Failure {
		delete(d.open, h.About)
		return
	}
	to := cmp.Or(d.peer, h.From)
	if d.behaviour.Silent || to == "" {
		return
	}
	if len(h.Faults) > 0 {
		f := h.Faults[0]
		_, _ = d.send(Say{Kind: Failure, To: to, About: h.ID, Reason: f.Reason, Where: f.Where, Text: f.Text}, "")
		return
	}
	_, _ = d.send(Say{Kind: Receipt, To: to, About: h.ID}, "")
	if h.Kind == Event && !h.Repeated && !h.Stale && d.behaviour.Decision != "" {
		d.later = append(d.later, timed{d.now().Add(d.behaviour.Think), d.decision(h, d.behaviour.Decision, d.behaviour.Words)})
	}
}

func (d *Desk) decision(h Heard, what Decision, words string) Say {
	if words == "" && what == Reject {
		words = "–" // the profiles demand a reason; a caller who cares gives one
	}
	return Say{Kind: Answer, To: cmp.Or(d.peer, h.From), Incident: h.Incident, About: h.ID, Accepted: what == Accept, Text: words}
}

// Said returns what the desk said, in its order, without what was sent again.
func (d *Desk) Said() []Say {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Say(nil), d.said...)
}

// KindOf is the kind of a message the desk said, by its ID.
func (d *Desk) KindOf(id string) Kind {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sent[id].Kind
}

// Heard returns what came, in its order.
func (d *Desk) Heard() []Heard {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Heard(nil), d.heard...)
}

// Await returns the first message that came, or comes, and that match takes.
func (d *Desk) Await(ctx context.Context, match func(Heard) bool) (Heard, error) {
	for from := 0; ; {
		d.mu.Lock()
		heard, changed := d.heard, d.changed
		d.mu.Unlock()
		for ; from < len(heard); from++ {
			if match(heard[from]) {
				return heard[from], nil
			}
		}
		select {
		case <-ctx.Done():
			return Heard{}, fmt.Errorf("simulator: %d messages came, none of them awaited: %w", len(heard), ctx.Err())
		case <-changed:
		}
	}
}
