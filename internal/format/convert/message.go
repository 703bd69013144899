package convert

import (
	"maps"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Kind is what a message is for.
type Kind string

// The kinds of messages between control rooms.
const (
	KindIncident   Kind = "incident"   // tells of one
	KindUpdate     Kind = "update"     // says what changed in one that was told before
	KindCancel     Kind = "cancel"     // takes one back
	KindCompletion Kind = "completion" // one is over
	KindAnswer     Kind = "answer"     // a person takes it, or not
	KindText       Kind = "text"       // lines between the two who work on one
	KindUnits      Kind = "units"      // asks for units, grants or sends them
	KindReceipt    Kind = "receipt"    // a machine has stored a message
	KindRefusal    Kind = "refusal"    // a machine cannot take one
)

// Kinds lists them.
var Kinds = []Kind{KindIncident, KindUpdate, KindCancel, KindCompletion, KindAnswer, KindText, KindUnits, KindReceipt, KindRefusal}

// Message is a message that was read, with all it takes to write it in any format
// and to say what became of each of its values.
type Message struct {
	From Format // as it was recognised; of a foreign format the name of its system
	Kind Kind
	// Incident may be changed before it is written: a value worked out from one that was
	// read is made by Derived.
	Incident *incident.Incident
	// Deviations are what is not as the format's standard says, in the order of lines.
	Deviations []shape.Deviation

	source *source
}

// Read reads a message in one of the Formats, or Auto.
func Read(message []byte, from Format) (*Message, *Fault) {
	d, f := tree.Parse(message, tree.DefaultLimits)
	if f != nil {
		return nil, f
	}
	format, f := Detect(d)
	if f != nil && from == UCRI2 && d.Root.Kind == tree.Object && d.Syntax == tree.JSON {
		format, f = UCRI2, nil // an app message alone need not say what it is
	}
	if f != nil {
		return nil, f
	}
	if from != Auto && from != format {
		return nil, refuse(d.Root.Line, "other_format", map[string]any{"found": string(format), "wanted": string(from)})
	}
	v := verdict(d, format)
	if f := v.refusal(); f != nil {
		return nil, f
	}
	s, i, f := read(d, format)
	if f != nil {
		return nil, f
	}
	return &Message{From: format, Kind: s.kind(i), Incident: i, Deviations: v.Deviations, source: s}, nil
}

// New is a message that nobody wrote yet: what it says is set in its incident by
// Derived.
func New(k Kind) *Message {
	d := &tree.Document{Syntax: tree.JSON, Root: &tree.Node{Kind: tree.Object, Line: 1}}
	s := emptySource(d, "")
	s.real = isActual
	return &Message{Kind: k, Incident: &incident.Incident{}, source: s}
}

// kind is what a message of UCRI 2 or EMSI is for; "" of one that is about no
// incident.
func (s *source) kind(i *incident.Incident) Kind {
	if s.system == systemUCRI && s.schema.AppID == appUnits {
		return KindUnits // also its answer, which is to a request and not to an incident
	}
	if s.system == systemUCRI {
		return map[string]Kind{
			msgIncident: KindIncident, msgAcknowledgement: KindAnswer, msgNotification: KindText, msgRequest: KindUnits, msgGranted: KindUnits, msgDeployed: KindUnits,
			msgCompletion: map[bool]Kind{true: KindCancel, false: KindCompletion}[i.Receipt.Status.Text == aborted],
		}[s.schema.SchemaID]
	}
	kind, _ := emsi.Known(emsi.MessageTypeList, i.Message.Type.Text)
	status, _ := emsi.Known(emsi.EventStatusList, i.Status.Text)
	switch said := i.Message.Envelope.Kind.Text; {
	case kind == "ACK", kind == "ERROR":
		return KindAnswer
	case kind == "CANCEL", said == kindsOf["CANCEL"]:
		return KindCancel
	case status == "COM", status == "STOP":
		return KindCompletion
	case kind == "UPDATE", said == kindsOf["UPDATE"]:
		return KindUpdate
	}
	return KindIncident
}

// App is the app of UCRI 2 the message belongs to; of other formats it is an incident.
func (m *Message) App() string {
	if m.source.system == systemUCRI {
		return m.source.schema.AppID
	}
	return appIncident
}

// Options are what a caller chooses.
type Options struct {
	// Payload writes of UCRI 2 the app message alone, without its envelope.
	Payload bool
	// Wrapped puts a message of EMSI in an envelope into an element named message, as the
	// French national hub wants it.
	Wrapped bool
	// Source and Destination are the OIDs that stand in an envelope of UCRI 2 for the
	// addresses of another format; "": those that follow from them.
	Source, Destination string
	// As is which app message of UCRI 2 another format becomes: an incident's
	// acknowledgement (KindAnswer), its completion (KindCompletion, KindCancel), lines
	// (KindText, KindUpdate), else the incident itself.
	As Kind
	// Before is what the sender said of the incident before this KindUpdate: only what
	// is different goes into its lines. Nil: everything does.
	Before *Message
}

// Write writes the message in one of the Formats.
func (m *Message) Write(to Format, o Options) (*Result, *Fault) {
	s := m.source
	if m.Kind == "" && to != UCRI2 {
		return nil, refuse(s.doc.Root.Line, "no_incident", map[string]any{"app": s.schema.AppID, "message": s.schema.SchemaID})
	}
	i := m.Incident.Clone()
	s.added(i, to)
	if to != UCRI2 {
		return m.result(write(s, i, to, o), to), nil
	}
	if o.Before != nil && o.As == KindUpdate {
		changed := *s
		changed.before = o.Before.source
		s = &changed
	}
	r, f := toUCRI(s, i, o)
	if f != nil {
		return nil, f
	}
	return m.result(r, to), nil
}

func (m *Message) result(r *result, to Format) *Result {
	return &Result{Bytes: r.bytes(to), From: m.From, Loss: m.source.report(r), Deviations: m.Deviations}
}

// Mode is whether the message is meant, as EMSI calls it: "ACTUAL", "EXERCS", "TEST"
// or "SYSTEM". Where a message says two things it is the most careful one.
func (m *Message) Mode() string { return m.source.real.mode }

// Careful makes the message no more than the mode says, for whoever knows more than
// it: an exercise never becomes live.
func (m *Message) Careful(mode string) {
	if r := realityOf(mode); r.rank > m.source.real.rank {
		s := *m.source
		s.real = r
		m.source = &s
	}
}

// KeepBack keeps back what stands at some paths and below: it is in no result, not in a
// remark either. The report says so, and a line where the result has room for remarks
// says that there is something.
func (m *Message) KeepBack(paths ...string) {
	s := *m.source
	s.withheld = slices.Concat(s.withheld, paths)
	m.source = &s
	m.Incident = m.Incident.Clone()
	m.Incident.Each(func(v *incident.Value) {
		if v.Is() && v.Origin.Path != "" && s.keepsBack(v.Origin.Path) != "" {
			*v = incident.Value{}
		}
	})
}

// keepsBack gives the path by which a value is kept back, "" if it is not.
func (s *source) keepsBack(path string) string {
	for _, w := range s.withheld {
		if path == w || strings.HasPrefix(path, w+"/") {
			return w
		}
	}
	return ""
}

// Withhold puts an incident from which something was taken in the place of the one
// that was read. at has the same of the source: by the path of a value what stands
// there instead, "" for nothing. What was signed is not what goes on, so that the
// signature does not either.
func (m *Message) Withhold(i *incident.Incident, at map[string]string) {
	m.Incident = i
	if len(at) == 0 {
		return
	}
	s := *m.source
	s.byKey = maps.Clone(s.byKey)
	s.changed = true
	kept := make([]*leaf, 0, len(s.leaves))
	for _, l := range s.leaves {
		text, changed := at[l.path]
		switch {
		case l.key == "signature" && s.system == systemUCRI, changed && text == "":
			delete(s.byKey, l.key)
			continue
		case changed:
			n := *l.node
			n.Text, n.Kind = text, tree.String
			c := *l
			c.node = &n
			s.byKey[l.key], l = &c, &c
		}
		kept = append(kept, l)
	}
	s.leaves = kept
	rest := i.Extra[:0:0]
	for _, v := range i.Extra {
		if s.system != systemUCRI || v.Origin.Path != "/signature" {
			rest = append(rest, v)
		}
	}
	i.Extra = rest
	m.source = &s
}

// newLines are the texts of notes that stood nowhere in the source. They get a time.
func newLines(i *incident.Incident) (lines []string) {
	for n := range i.Notes {
		note := &i.Notes[n]
		if !note.Text.Is() || note.Text.Origin.Path != "" {
			continue
		}
		if !note.At.Is() {
			note.At = sentAt(i)
		}
		lines = append(lines, note.Text.Text)
	}
	return lines
}

// added finds a place for notes that stood nowhere in the source, where the other
// format has none for notes.
func (s *source) added(i *incident.Incident, to Format) {
	lines, ucri := newLines(i), s.system == systemUCRI
	at := &i.Description
	switch schema := s.schema.SchemaID; {
	case to != UCRI2 && ucri:
		at = &i.Remark
	case to != UCRI2:
	case !ucri || schema == msgIncident || schema == msgRequest || schema == msgNotification:
		return // they are notes there too
	case schema == msgAcknowledgement:
		at = &i.Receipt.Reason
	default:
		at = &i.Receipt.Note
	}
	behind(at, lines)
}

// behind writes lines behind a text.
func behind(at *incident.Value, lines []string) {
	if len(lines) == 0 {
		return
	}
	if strings.TrimSpace(at.Text) != "" {
		lines = append([]string{at.Text}, lines...)
	}
	*at = derived(strings.Join(lines, "\n"), at)
}

// Derived is a value that nobody stated as it is; from, if not nil, is the one that
// it stands for and that counts as carried by it.
func Derived(text string, from *incident.Value) incident.Value { return derived(text, from) }

// Moment is a value as a time; false if it is none, or has no offset from UTC.
func Moment(v incident.Value) (time.Time, bool) { return moment(v) }

// UUID is an identifier as a UUID: itself, if it is one, else the one that everybody
// gives to it within its sender's numbers.
func UUID(id, sender string) string {
	return uuidOf(incident.Value{Text: id}, incident.Value{Text: sender}).Text
}

// Shared is the identifier that the incident has in UCRI 2.
func (m *Message) Shared() string {
	i := m.Incident.Clone()
	m.source.identify(i)
	return i.ID.Text
}
