package unit

import (
	"encoding/json"
	"unicode/utf8"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/geo"
)

// The messages of UCRI 2 that carry units (docs/adr/0009-units-in-ucri2.md).
const (
	appVersion   = "1.0"
	appCatalogue = "resource_type_catalogue"
	msgAsk       = "request"
	msgAnswer    = "response"
	appText      = "notification_text"
	msgText      = "notification"
)

// mark names the form of the block in a text's category, and in a catalogue's version
// says that its sender understands it.
const mark = "trojmezi-units/1"

// What a block does.
const (
	doSubscribe = "subscribe" // tell me; again before it ends
	doStop      = "stop"      // tell me no more
	doUnits     = "units"     // the list, or what changed in it
)

// block is what stands in a text beside the line for people.
type block struct {
	Do    string      `json:"do"`
	At    int64       `json:"at"`              // Unix milliseconds of the sender's clock
	Whole bool        `json:"whole,omitempty"` // of a subscription: send all of it; of units: this is the first part of all
	Seq   int64       `json:"seq,omitempty"`   // of units, rising without a gap; of a subscription: the last that came
	Units []Published `json:"units,omitempty"`
	Gone  []string    `json:"gone,omitempty"` // ids no longer shown
}

// maxID bounds an id a neighbour gives its unit: it becomes part of a request's.
const maxID = 64

type wireAsk struct {
	Request string `json:"requestId"`
}

type wireEntry struct {
	Code    string `json:"abbreviation"`
	Meaning string `json:"description"`
}

type wireAnswer struct {
	Request string      `json:"requestId"`
	Version string      `json:"catalogueVersion"`
	Entries []wireEntry `json:"catalogue"`
}

type wireLine struct {
	At       string `json:"timestamp"`
	Message  string `json:"message"`
	Category string `json:"category,omitempty"`
	Silent   bool   `json:"silent,omitempty"`
}

type wireText struct {
	Subject string     `json:"sharedIncidentId"`
	Lines   []wireLine `json:"notifications"`
}

// letter wraps an app message. Nobody waits for its receipt: the next message says
// more.
func letter(from, to, app, message string, timeout int, data any) *ucri.Envelope {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err) // only for types that have no JSON
	}
	return &ucri.Envelope{
		Source: from, Destinations: []string{to}, Ack: ucri.AckNone, Timeout: timeout,
		Payload: ucri.Payload{AppID: app, AppVersion: appVersion, SchemaID: message, ContentType: ucri.ContentJSON, Data: string(b)},
	}
}

// text is the message of a block: a line for people, and the block, which need not
// be shown.
func text(sub, at, line string, b block) wireText {
	raw, err := json.Marshal(b)
	if err != nil {
		panic(err) // only for types that have no JSON
	}
	return wireText{Subject: sub, Lines: []wireLine{{At: at, Message: line}, {At: at, Message: string(raw), Category: mark, Silent: true}}}
}

// readBlock finds the block of a text; false: it is a text of people.
func readBlock(e *ucri.Envelope) (sub string, b block, ok bool) {
	var t wireText
	if json.Unmarshal([]byte(e.Payload.Data), &t) != nil {
		return "", b, false
	}
	for _, l := range t.Lines {
		if l.Category != mark {
			continue
		}
		// What cannot be read is no text for people either.
		if json.Unmarshal([]byte(l.Message), &b) != nil {
			b = block{}
		}
		return ucri.SubjectID(e.Payload), b, true
	}
	return "", b, false
}

// sound makes what a neighbour told fit for the tables and screens; false: there is
// nothing to show.
func (p *Published) sound() bool {
	for _, s := range []*string{&p.CallSign, &p.Type, &p.Station, &p.Skills} {
		if *s = clean(*s); utf8.RuneCountInString(*s) > maxWords {
			*s = string([]rune(*s)[:maxWords])
		}
	}
	if p.ID == "" || len(p.ID) > maxID || p.CallSign == "" {
		return false
	}
	for _, r := range p.ID {
		if r < ' ' || r > '~' {
			return false
		}
	}
	if !p.Status.Valid() {
		p.Status = Unknown
	}
	if s := p.Spot; s != nil && (!geo.Point{Lat: s.Lat, Lon: s.Lon}.Valid() || s.Error < 0) {
		p.Spot = nil
	}
	if p.Ready != nil && (*p.Ready < 0 || *p.Ready > maxReady) {
		p.Ready = nil
	}
	if p.Crew != nil && (*p.Crew < 0 || *p.Crew > maxCrew) {
		p.Crew = nil
	}
	return true
}
