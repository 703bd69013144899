package simulator

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Mistake is a way to go wrong on demand, and what a receiver has to say to it.
type Mistake struct {
	Name string
	// Reasons are those a receiver may give: not all systems have a code for each. None:
	// the message is right and says nothing new.
	Reasons []Reason
}

// Mistakes are all that Send makes.
var Mistakes = []Mistake{
	{"truncated", []Reason{Unreadable}},
	{"oversized", []Reason{TooBig, Unreadable}},
	{"encoding", []Reason{Encoding, Unreadable}},
	{"doctype", []Reason{Unreadable}},
	{"missing", []Reason{Structure}},
	{"nowhere", []Reason{Structure, Impossible}},
	{"unknown-code", []Reason{UnknownCode, Structure}},
	{"impossible", []Reason{Impossible, Structure}},
	{"expired", []Reason{Expired}},
	{"wrong-receiver", []Reason{WrongAddress}},
	{"unknown-event", []Reason{UnknownEvent}},
	{"repeated", nil},
	{"changed", []Reason{RepeatedID}},
	{"stale", nil},
}

// made is a message with a mistake in it.
type made struct {
	say   Say
	again *Say // sent behind it under the same ID
	spoil func([]byte) []byte
}

func same(message []byte) []byte { return message }

// mistakenly makes the mistake of a name; "" is none.
func mistakenly(name string, s Say) (made, error) {
	m := made{say: s, spoil: same}
	switch name {
	case "":
	case "truncated":
		m.spoil = func(b []byte) []byte { return b[:bytes.LastIndexAny(b[:len(b)*2/3], "<\"")] } // not within a character
	case "oversized":
		m.say.More = strings.Repeat("Zpráva bez konce. ", 80_000)
	case "encoding":
		m.spoil = func(b []byte) []byte {
			return bytes.Replace(b, []byte(s.ID), []byte(s.ID[:len(s.ID)-1]+"\x81"), 1) // neither UTF-8 nor windows-1250
		}
	case "doctype":
		m.spoil = func(b []byte) []byte {
			if at := bytes.LastIndex(b[:min(len(b), 200)], []byte("?>")); at > 0 {
				return append(append(bytes.Clone(b[:at+2]), "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"...), b[at+2:]...)
			}
			return bytes.Replace(b, []byte("{"), []byte(`{"profil":"x","profil":"x",`), 1) // JSON has none: a name twice
		}
	case "missing":
		m.say.Incident = ""
	case "nowhere":
		m.say.Lat = 95.5
	case "unknown-code":
		m.say.Mode = "mixed"
	case "impossible":
		m.say.Declared, m.say.Began = s.Sent.Add(-time.Hour), s.Sent.Add(-time.Minute)
	case "expired":
		m.say.Sent, m.say.Expires = s.Sent.Add(-2*time.Hour), s.Sent.Add(-time.Hour)
		m.say.Began, m.say.Declared = time.Time{}, time.Time{}
	case "wrong-receiver":
		m.say.To = "nobody.here"
	case "unknown-event":
		m.say.Kind, m.say.Incident = Change, NewID()
	case "repeated":
		m.again = &m.say
	case "changed":
		other := s
		other.What, other.Text = s.What+" 2", s.Text+" 2"
		m.again = &other
	case "stale":
		m.say.Kind, m.say.Sent, m.say.Expires = Change, s.Sent.Add(-10*time.Minute), s.Sent.Add(time.Hour)
	default:
		return m, fmt.Errorf("simulator: no mistake is called %q", name)
	}
	return m, nil
}
