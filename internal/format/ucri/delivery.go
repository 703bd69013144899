package ucri

import (
	"strconv"

	"trojmezi/internal/format/strictjson"
)

// The values of DeliveryStatus.StatusCode.
const (
	Delivered = 200 // the receiver has committed the message
	Refused   = 502 // the receiver's node has refused it, see Cause
	TimedOut  = 504 // nobody took it in time
)

// maxStatusMessage is the longest statusMessage, in characters.
const maxStatusMessage = 100

// DeliveryStatus is a receipt of a node for a message it was given
// (spec: UCRI 2 app transport_layer_messages 1.0, message_delivery_status).
type DeliveryStatus struct {
	RefMessageID  string     // UUID of the message
	Destination   string     // OID the message was for
	StatusCode    int        // Delivered, Refused or TimedOut
	Cause         *ErrorBody // what the refusing node said; nil: absent
	StatusMessage string     // for people; Payload cuts it to 100 characters; "": absent
}

// Payload is the receipt as an app message.
func (d DeliveryStatus) Payload() Payload {
	w := writer{[]byte{'{'}}
	w.string("refMessageId", d.RefMessageID)
	w.string("destination", d.Destination)
	w.name("statusCode")
	w.b = strconv.AppendInt(w.b, int64(d.StatusCode), 10)
	if d.Cause != nil {
		w.name("cause")
		c := writer{append(w.b, '{')}
		c.name("code")
		c.b = strconv.AppendInt(c.b, int64(d.Cause.Code), 10)
		c.string("reason", d.Cause.Reason)
		c.optional("message", d.Cause.Message)
		w.b = append(c.b, '}')
	}
	w.optional("statusMessage", cut(d.StatusMessage, maxStatusMessage))
	return transportPayload(schemaDelivery, append(w.b, '}'))
}

// cut returns at most n characters of s.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func transportPayload(schemaID string, data []byte) Payload {
	return Payload{
		AppID: appTransport, AppVersion: appTransportVersion, SchemaID: schemaID,
		ContentType: ContentJSON, Data: string(data),
	}
}

// ParseDeliveryStatus reads and validates a receipt, with the codes of CheckApp
// and CheckData; 463 if p is another message.
func ParseDeliveryStatus(p Payload) (DeliveryStatus, *Error) {
	var d DeliveryStatus
	err := parseTransportMessage(p, schemaDelivery, func(sc *strictjson.Scanner, name string) {
		switch name {
		case "refMessageId":
			d.RefMessageID, _ = readString(sc)
		case "destination":
			d.Destination, _ = readString(sc)
		case "statusCode":
			n, _ := readInt(sc)
			d.StatusCode = int(n)
		case "cause":
			d.Cause = readCause(sc)
		case "statusMessage":
			d.StatusMessage, _ = readString(sc)
		}
	})
	if err != nil {
		return DeliveryStatus{}, err
	}
	return d, nil
}

func readCause(sc *strictjson.Scanner) *ErrorBody {
	c := new(ErrorBody)
	sc.Peek()
	members(sc, func(name string) {
		switch name {
		case "code":
			n, _ := readInt(sc)
			c.Code = Code(n)
		case "reason":
			c.Reason, _ = readString(sc)
		case "message":
			c.Message, _ = readString(sc)
		default:
			sc.Skip()
		}
	})
	return c
}

// AvailabilityUpdate tells peers that a participant comes or goes
// (spec: UCRI 2 app transport_layer_messages 1.0, participant_availability_update).
type AvailabilityUpdate struct {
	ID     string // OID
	Status string // StatusOnline, StatusOffline, StatusUnknown
}

// Payload is the update as an app message.
func (a AvailabilityUpdate) Payload() Payload {
	w := writer{[]byte{'{'}}
	w.string("id", a.ID)
	w.string("status", a.Status)
	return transportPayload(schemaAvailability, append(w.b, '}'))
}

// ParseAvailabilityUpdate reads and validates an update, with the codes of
// CheckApp and CheckData; 463 if p is another message.
func ParseAvailabilityUpdate(p Payload) (AvailabilityUpdate, *Error) {
	var a AvailabilityUpdate
	err := parseTransportMessage(p, schemaAvailability, func(sc *strictjson.Scanner, name string) {
		switch name {
		case "id":
			a.ID, _ = readString(sc)
		case "status":
			a.Status, _ = readString(sc)
		}
	})
	if err != nil {
		return AvailabilityUpdate{}, err
	}
	return a, nil
}

// parseTransportMessage validates p as the given message, which has no unknown
// members, and calls f at the value of every member.
func parseTransportMessage(p Payload, schemaID string, f func(sc *strictjson.Scanner, name string)) *Error {
	if err := CheckApp(p); err != nil {
		return err
	}
	if p.AppID != appTransport || p.SchemaID != schemaID {
		args := map[string]any{"expected": schemaID, "message": p.SchemaID, "app": p.AppID}
		return &Error{Code: CodeUnknownSchema, Key: "ucri.app.other", Args: args, Place: "/payload/schemaId"}
	}
	if err := CheckData(&p); err != nil {
		return err
	}
	var sc strictjson.Scanner
	sc.Init(p.Data, DefaultLimits.Depth)
	sc.Peek()
	members(&sc, func(name string) { f(&sc, name) })
	return nil
}
