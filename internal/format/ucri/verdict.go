package ucri

import "trojmezi/internal/format/ucri/schema"

// SendErrors lists everything that breaks the schema of a client's send request,
// its payload's message apart: see DataErrors. It is for people who mend a document;
// nodes ask ParseClientSend.
func SendErrors(request []byte) []*Error {
	return all(string(request), loaded().clientSend, CodeClientInvalid, CodeClientInvalid, body)
}

// DataErrors lists everything that breaks the schema of an app message: what
// CheckData reports, and the rest.
func DataErrors(p *Payload) []*Error {
	s := loaded().messages[message{p.AppID, p.AppVersion, p.SchemaID}]
	if s == nil {
		return []*Error{CheckApp(*p)}
	}
	if p.ContentType != ContentJSON {
		return []*Error{CheckData(p)}
	}
	return all(p.Data, s, CodePayloadNotJSON, CodePayloadInvalid, payloadData)
}

func all(text string, s *schema.Schema, badJSON, bad Code, doc document) []*Error {
	found, f := s.Violations(text, DefaultLimits.Depth)
	if f != nil {
		return []*Error{fault(f, badJSON, doc)}
	}
	var errs []*Error
	for i := range found {
		errs = append(errs, violation(&found[i], bad, doc))
	}
	return errs
}

// Message names a message of an app.
type Message struct{ AppID, AppVersion, SchemaID string }

// Messages lists the messages this package knows, ordered by name.
func Messages() []Message {
	c := loaded()
	var list []Message
	for _, app := range c.apps {
		for _, version := range c.versions[app] {
			for _, s := range c.schemas[[2]string{app, version}] {
				list = append(list, Message{app, version, s})
			}
		}
	}
	return list
}
