package ucri

import (
	"encoding/json"
	"errors"
	"fmt"

	"trojmezi/internal/format/strictjson"
)

// The values of Participant.Type.
const (
	TypeClient = "client"
	TypeUCRM   = "ucrm"
)

// The values of Participant.Status and AvailabilityUpdate.Status.
const (
	StatusOnline  = "online"
	StatusOffline = "offline"
	StatusUnknown = "unknown"
)

// TechSupport is the contact of a participant's technicians. It is not the
// control room's telephone (spec: UCRI 2 transport 2.0.0, techSupport).
type TechSupport struct {
	Phone   string
	Email   string   // member e-mail
	Address string   // "": absent
	Extra   []Member // unknown members, kept
}

// Participant is a record of the registry
// (spec: UCRI 2 transport 2.0.0, commParticipant).
type Participant struct {
	ID                        string // OID
	Type                      string // TypeClient, TypeUCRM; "": absent
	SystemName                string
	OperatorName              string
	OperatorShortName         string
	SupportedApps             []AppRef
	TechSupport               TechSupport
	Key                       json.RawMessage // RSA public JWK as it came, of any size; nil: absent
	Status                    string          // StatusOnline and so on; "": absent
	TransmitsUnsignedMessages *bool
	Extra                     []Member // unknown members, kept
}

// ParseParticipant reads and validates one record. The error is an *Error
// without a code.
func ParseParticipant(raw []byte) (*Participant, error) {
	p, err := parseParticipant(string(raw))
	if err != nil {
		return nil, err
	}
	return p, nil
}

func parseParticipant(text string) (*Participant, *Error) {
	if err := check(text, loaded().participant, 0, 0, body); err != nil {
		return nil, err
	}
	var sc strictjson.Scanner
	sc.Init(text, DefaultLimits.Depth)
	sc.Lenient() // all rules have just been checked
	sc.Peek()
	p := new(Participant)
	members(&sc, func(name string) {
		switch name {
		case "id":
			p.ID, _ = readString(&sc)
		case "type":
			p.Type, _ = readString(&sc)
		case "systemName":
			p.SystemName, _ = readString(&sc)
		case "operatorName":
			p.OperatorName, _ = readString(&sc)
		case "operatorShortName":
			p.OperatorShortName, _ = readString(&sc)
		case "supportedApps":
			p.SupportedApps = []AppRef{}
			sc.Peek()
			for sc.Open(); sc.Element(); {
				p.SupportedApps = append(p.SupportedApps, readAppRef(&sc))
			}
		case "techSupport":
			p.TechSupport = readTechSupport(&sc)
		case "key":
			p.Key = readExtra(&sc, name).Raw
		case "status":
			p.Status, _ = readString(&sc)
		case "transmitsUnsignedMessages":
			sc.Peek()
			raw, _ := sc.Literal()
			yes := raw == "true"
			p.TransmitsUnsignedMessages = &yes
		default:
			p.Extra = append(p.Extra, readExtra(&sc, name))
		}
	})
	return p, nil
}

func readAppRef(sc *strictjson.Scanner) (a AppRef) {
	sc.Peek()
	members(sc, func(name string) {
		switch name {
		case "appId":
			a.AppID, _ = readString(sc)
		case "appVersion":
			a.AppVersion, _ = readString(sc)
		case "unsupportedMessages":
			a.UnsupportedMessages = readStrings(sc)
		default:
			a.Extra = append(a.Extra, readExtra(sc, name))
		}
	})
	return a
}

func readTechSupport(sc *strictjson.Scanner) (t TechSupport) {
	sc.Peek()
	members(sc, func(name string) {
		switch name {
		case "phone":
			t.Phone, _ = readString(sc)
		case "e-mail":
			t.Email, _ = readString(sc)
		case "address":
			t.Address, _ = readString(sc)
		default:
			t.Extra = append(t.Extra, readExtra(sc, name))
		}
	})
	return t
}

// ParseRegistry reads the answer to a registry request. Invalid records are
// dropped one by one, each with an error that says which and why; err means
// that the answer as a whole is unusable.
func ParseRegistry(body []byte) (valid []*Participant, dropped []error, err error) {
	var sc strictjson.Scanner
	sc.Init(string(body), DefaultLimits.Depth)
	sc.Lenient() // each record is held to the rules on its own
	if sc.Peek() != strictjson.Object {
		return nil, nil, errors.New("parse registry: not a JSON object")
	}
	found := false
	members(&sc, func(name string) {
		if name != "commParticipants" || sc.Peek() != strictjson.Array || !sc.Open() {
			sc.Skip()
			return
		}
		found = true
		valid, dropped = nil, nil
		for i := 0; sc.Element(); i++ {
			sc.Peek()
			start := sc.Pos()
			if !sc.Skip() {
				return
			}
			raw := sc.Since(start)
			p, err := parseParticipant(raw)
			if err != nil {
				dropped = append(dropped, fmt.Errorf("registry record %d (id %q): %w", i, recordID(raw), err))
				continue
			}
			valid = append(valid, p)
		}
	})
	sc.End()
	if f := sc.Fault(); f != nil {
		return nil, nil, fmt.Errorf("parse registry: %w", f)
	}
	if !found {
		return nil, nil, errors.New("parse registry: no array commParticipants")
	}
	return valid, dropped, nil
}

// recordID finds the id of a record that is invalid otherwise, for the log.
func recordID(raw string) (id string) {
	var sc strictjson.Scanner
	sc.Init(raw, DefaultLimits.Depth)
	sc.Lenient()
	if sc.Peek() != strictjson.Object {
		return ""
	}
	members(&sc, func(name string) {
		if name == "id" {
			id, _ = readString(&sc)
		} else {
			sc.Skip()
		}
	})
	return strictjson.Short(id)
}

// MarshalJSON writes the record with its unknown members.
func (p *Participant) MarshalJSON() ([]byte, error) { return p.AppendJSON(nil), nil }

// AppendJSON appends the record with its unknown members.
func (p *Participant) AppendJSON(dst []byte) []byte {
	w := writer{append(dst, '{')}
	w.string("id", p.ID)
	w.optional("type", p.Type)
	w.string("systemName", p.SystemName)
	w.string("operatorName", p.OperatorName)
	w.string("operatorShortName", p.OperatorShortName)
	w.name("supportedApps")
	w.b = append(w.b, '[')
	for i := range p.SupportedApps {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = p.SupportedApps[i].appendJSON(w.b)
	}
	w.b = append(w.b, ']')
	w.name("techSupport")
	w.b = p.TechSupport.appendJSON(w.b)
	if p.Key != nil {
		w.name("key")
		w.b = append(w.b, p.Key...)
	}
	w.optional("status", p.Status)
	if p.TransmitsUnsignedMessages != nil {
		w.name("transmitsUnsignedMessages")
		if *p.TransmitsUnsignedMessages {
			w.b = append(w.b, "true"...)
		} else {
			w.b = append(w.b, "false"...)
		}
	}
	w.extra(p.Extra, func(name string) bool {
		switch name {
		case "id", "type", "systemName", "operatorName", "operatorShortName", "supportedApps", "techSupport", "key", "status", "transmitsUnsignedMessages":
			return true
		}
		return false
	})
	return append(w.b, '}')
}

func (a *AppRef) appendJSON(dst []byte) []byte {
	w := writer{append(dst, '{')}
	w.string("appId", a.AppID)
	w.string("appVersion", a.AppVersion)
	if len(a.UnsupportedMessages) > 0 {
		w.name("unsupportedMessages")
		w.strings(a.UnsupportedMessages)
	}
	w.extra(a.Extra, func(name string) bool {
		return name == "appId" || name == "appVersion" || name == "unsupportedMessages"
	})
	return append(w.b, '}')
}

func (t *TechSupport) appendJSON(dst []byte) []byte {
	w := writer{append(dst, '{')}
	w.string("phone", t.Phone)
	w.string("e-mail", t.Email)
	w.optional("address", t.Address)
	w.extra(t.Extra, func(name string) bool { return name == "phone" || name == "e-mail" || name == "address" })
	return append(w.b, '}')
}
