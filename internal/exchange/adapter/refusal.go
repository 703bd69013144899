package adapter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
)

// Reason is why a message is not taken. Its text is "adapter.refusal.<Reason>".
type Reason string

// The reasons. Those from ContentType to Conversion are what the French national hub
// tells apart; systems without a word for one get the next best of Adapter.Code.
const (
	ContentType  Reason = "content_type"  // neither in the form that was agreed nor in a known one
	DeliveryMode Reason = "delivery_mode" // not sent so that it survives a failure
	WrongWay     Reason = "wrong_way"     // the way it came is not the one agreed
	WrongSender  Reason = "wrong_sender"  // who sends it is not whom it names
	Format       Reason = "format"        // cannot be read
	Invalid      Reason = "invalid"       // breaks its own schema, or what it says is impossible
	Expired      Reason = "expired"       // too late
	Undelivered  Reason = "undelivered"   // nobody took it
	Unroutable   Reason = "unroutable"    // for an address that is none of ours
	Conversion   Reason = "conversion"    // cannot be said in the other format
	Exists       Reason = "exists"        // a new incident that is not new
	Sequence     Reason = "sequence"      // about an incident nobody was told of
	NotLive      Reason = "not_live"      // an exercise for an address that is not for exercises
	TooLarge     Reason = "too_large"     // beyond the limits of size, depth or count
	Charset      Reason = "charset"       // in characters that cannot be read
	Kind         Reason = "kind"          // the other side has no message of the kind
	BadCode      Reason = "bad_code"      // a code that a closed list does not have
	Impossible   Reason = "impossible"    // says what cannot be
	Repeated     Reason = "repeated"      // a number that came before, with other content
	Temporary    Reason = "temporary"     // for a reason on this side: it may be sent again
)

// Reasons lists them, for their texts.
var Reasons = []Reason{ContentType, DeliveryMode, WrongWay, WrongSender, Format, Invalid, Expired, Undelivered, Unroutable, Conversion, Exists, Sequence, NotLive,
	TooLarge, Charset, Kind, BadCode, Impossible, Repeated, Temporary}

// Refusal is why a message is not taken.
type Refusal struct {
	Reason Reason
	Detail string         // for whoever looks after the system; no personal data
	Fault  *convert.Fault // the place in the message and the rule; nil where there is none
}

// Error implements error; technical English.
func (r *Refusal) Error() string {
	return "adapter: " + string(r.Reason) + ": " + r.Detail
}

func refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Because is the refusal that a fault means.
func Because(f *convert.Fault) *Refusal {
	r := &Refusal{Reason: Invalid, Detail: fmt.Sprintf("line %d: %s", f.Line, f.Rule), Fault: f}
	switch f.Rule {
	case "charset", "charset_json", "encoding":
		r.Reason = Charset
	case "size", "depth", "nodes", "names":
		r.Reason = TooLarge
	case "code":
		r.Reason = BadCode
	case "lacking":
		r.Reason = Conversion
	case "no_kind", "no_word", "no_incident", "no_event":
		r.Reason = Kind
	case "unknown", "not_system", "other_format", "cap", "no_content", "two_messages":
		r.Reason = Format
	default:
		if strings.HasPrefix(f.Key, "tree.") {
			r.Reason = Format
		}
	}
	return r
}

// Arrival is what is known of a message beside its bytes.
type Arrival struct {
	Now time.Time
	// From is whom the transport proved the sender to be; "": it proves nobody.
	From string
	// Own are our addresses in the foreign system; nil: any is ours.
	Own []string
	// Live says that only what is meant is taken.
	Live bool
}

// Open reads a message of the system and judges whether it may be taken. With a refusal
// it returns what could be read, nil if nothing: enough for Refuse to tell the sender.
func (a *Adapter) Open(message []byte, at Arrival) (*Message, *Refusal) {
	m, f := a.Decode(message)
	if f != nil {
		return m, Because(f)
	}
	switch {
	case at.From != "" && m.Sender != at.From && m.Kind != convert.KindReceipt: // a hub reports in its own name
		return m, refuse(WrongSender, "from %q, says %q", at.From, m.Sender)
	case !ours(at.Own, m.Receiver):
		return m, refuse(Unroutable, "for %q", m.Receiver)
	case impossible(m) != "":
		return m, refuse(Impossible, "%s", impossible(m))
	case m.Kind != convert.KindReceipt && !m.Expires.IsZero() && at.Now.After(m.Expires.Add(skew)): // a receipt is true later too
		return m, refuse(Expired, "expired %s", m.Expires.UTC().Format(time.RFC3339))
	case at.Live && m.Mode() != "ACTUAL":
		return m, refuse(NotLive, "mode %s", m.Mode())
	}
	return m, nil
}

const (
	// skew is how far clocks may differ that are kept by a time server.
	skew = 2 * time.Second
	// apart is how far a desk's clock may be from that of the system it writes into: an
	// emergency is not refused for it.
	apart = 5 * time.Minute
)

// impossible is what of a message cannot be; "" if all can.
func impossible(m *Message) string {
	if !m.Sent.IsZero() && !m.Expires.IsZero() && !m.Expires.After(m.Sent) {
		return "expires before it was sent"
	}
	if m.Content == nil {
		return ""
	}
	i := m.Content.Incident
	before := func(a, b incident.Value) bool {
		x, ok := convert.Moment(a)
		y, ok2 := convert.Moment(b)
		return ok && ok2 && x.Add(apart).Before(y)
	}
	if before(i.Declared, i.Began) || before(i.Message.Sent, i.Began) {
		return "began after it was reported"
	}
	for _, t := range i.Tasks {
		if before(t.End, t.Start) {
			return "a task ends before it starts"
		}
	}
	places := []incident.Location{i.Location, i.Pickup, i.Target}
	for _, a := range i.Areas {
		places = append(places, a.Location)
	}
	for _, t := range i.Tasks {
		places = append(places, t.Location)
	}
	for _, l := range places {
		for _, p := range l.Points {
			if convert.World(l.System) && (beyond(p.Lat, 90) || beyond(p.Lon, 180)) {
				return "a place that is none on Earth"
			}
		}
	}
	return ""
}

// beyond reports whether a value is a number of more degrees than there are.
func beyond(v incident.Value, most float64) bool {
	n, err := strconv.ParseFloat(strings.TrimSpace(v.Text), 64)
	return err == nil && !(math.Abs(n) <= most)
}

func ours(own []string, address string) bool {
	for _, o := range own {
		if o == address {
			return true
		}
	}
	return own == nil
}

// Reply is what an answer to the foreign system's machine does not take from the
// message it answers.
type Reply struct {
	ID  string // of the answer; "": one that follows from the message's own
	Now time.Time
	// Sender and Receiver are for a message of which not even these could be read: then it
	// is told to whoever is at the other end of the line. "": it is not told.
	Sender, Receiver string
	// Life is how long the answer is of use; 0: for good.
	Life time.Duration
}

// Acknowledge tells the system's machine that a message is stored here. Nil: the
// message is a receipt itself, and nobody answers those.
func (a *Adapter) Acknowledge(m *Message, r Reply) (*Encoded, *convert.Fault) {
	return a.answer(m, r, Receipt{})
}

// Refuse tells the system's machine why a message is not taken. Nil: it is a receipt
// itself, or nobody knows whose it is.
func (a *Adapter) Refuse(m *Message, why *Refusal, r Reply) (*Encoded, *convert.Fault) {
	return a.answer(m, r, Receipt{Refused: true, Again: why.Reason == Temporary, Code: a.codeOf(why.Reason), Text: why.Detail})
}

func (a *Adapter) codeOf(r Reason) string {
	if a.Code == nil {
		return string(r)
	}
	return a.Code(r)
}

func (a *Adapter) answer(m *Message, r Reply, receipt Receipt) (*Encoded, *convert.Fault) {
	if m == nil {
		m = &Message{}
	}
	out := &Message{Kind: convert.KindReceipt, ID: r.ID, Answers: m.ID, Sender: m.Receiver, Receiver: m.Sender, Sent: r.Now, Content: m.Content, Receipt: receipt}
	if out.Receiver == "" {
		out.Sender, out.Receiver = r.Sender, r.Receiver
	}
	if m.Kind == convert.KindReceipt || out.Receiver == "" {
		return nil, nil
	}
	if out.ID == "" {
		out.ID = convert.UUID("receipt "+m.ID, m.Sender)
	}
	if r.Life > 0 {
		out.Expires = r.Now.Add(r.Life)
	}
	return a.Encode(out)
}
