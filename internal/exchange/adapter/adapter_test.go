package adapter

import (
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

// lines is a system that writes little.
func lines() *Adapter {
	codes := convert.ParseCodes("list,code,means\nbody,new,incident\nbody,answer,answer\nbody,got,receipt\nbody,no,refusal\nmode,live,ACTUAL\nmode,drill,EXERCS\nis,yes,accepted\nis,no,rejected\n")
	return OfTable(Adapter{Country: "PL", System: "lines", MediaType: "application/json", Life: time.Hour}, &convert.Table{
		System: "lines", Syntax: tree.JSON, Bodies: codes["body"],
		Cells: func(b *convert.Cells, i *incident.Incident) {
			b.Text("id", &i.Message.ID)
			b.Text("re", &convert.Nth(&i.Message.Links, 0, 1).ID)
			b.Text("from", &i.Message.Sender.Address)
			b.Text("to", &convert.Nth(&i.Message.Receivers, 0, 1).Address)
			b.Text("sent", &i.Message.Sent)
			b.Text("until", &i.Message.Expires)
			b.Code("mode", &i.Kind, codes["mode"])
			b.Text("turn", &i.Revision)
			b.Below(b.Body, func(b *convert.Cells) {
				b.Text("about", &i.ID)
				b.Text("what", &i.What)
				b.Code("is", &i.Receipt.Status, codes["is"])
				b.Text("why", &i.Receipt.Reason)
				b.Text("note", &i.Remark)
				b.Text("began", &i.Began)
				b.Text("town", &i.Location.Address.City)
			})
		}})
}

const head = `"id":"m-1","from":"pl.desk","to":"de.desk","sent":"2026-03-01T14:00:00+01:00","mode":"live"`

func open(t *testing.T, message string) *Message {
	t.Helper()
	m, r := lines().Open([]byte(message), Arrival{Now: time.Date(2026, 3, 1, 13, 1, 0, 0, time.UTC)})
	if r != nil {
		t.Fatal(r)
	}
	return m
}

// What a system says of an incident by its own number is about the same one here, each
// time, and by the name it was given here if it has one.
func TestNumbers(t *testing.T) {
	m := open(t, `{`+head+`,"new":{"about":"Z-7","what":"pożar","town":"Bogatynia"}}`)
	if m.Number != "Z-7" || m.Content.Shared() != convert.UUID("Z-7", "pl.desk") {
		t.Errorf("%s is %s", m.Number, m.Content.Shared())
	}
	for _, shared := range []string{"", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911"} {
		posts, r := m.Posts(Addressed{Source: "1.2.616", Destination: "1.2.276", Shared: shared})
		if r != nil {
			t.Fatal(r)
		}
		want := shared
		if want == "" {
			want = m.Content.Shared()
		}
		if got := ucri.SubjectID(posts[0].Envelope.Payload); got != want {
			t.Errorf("about %s, not %s", got, want)
		}
	}
	// The answer goes back by the system's own number.
	answer, r := FromUCRI(&ucri.Envelope{MessageID: "1b7e6f10-3c1d-4a83-9d60-0a54a3b1c2d3", SentDate: "2026-03-01T13:00:30Z", Timeout: 60, Ack: ucri.AckAll, Source: "1.2.276", Destinations: []string{"1.2.616"},
		Payload: ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "acknowledgement", ContentType: ucri.ContentJSON,
			Data: `{"sharedIncidentId":"` + m.Content.Shared() + `","acknowledgedByDispatcherAt":"2026-03-01T13:00:30Z","status":"accepted"}`}})
	if r != nil {
		t.Fatal(r)
	}
	answer.Sender, answer.Receiver, answer.Number, answer.Answers, answer.Revision = "de.desk", "pl.desk", m.Number, m.ID, 3
	out, f := lines().Encode(answer)
	if f != nil {
		t.Fatal(f)
	}
	for _, want := range []string{`"about": "Z-7"`, `"re": "m-1"`, `"is": "yes"`, `"turn": "3"`, `"until": "2026-03-01T13:01:30Z"`} {
		if !strings.Contains(string(out.Bytes), want) {
			t.Errorf("no %s in %s", want, out.Bytes)
		}
	}
	if !out.Expires.Equal(answer.Sent.Add(time.Minute)) {
		t.Errorf("expires %s", out.Expires)
	}
}

// An answer that says more than UCRI 2's has room for is followed by lines.
func TestAnswerSaysMore(t *testing.T) {
	m := open(t, `{`+head+`,"answer":{"about":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","is":"no","why":"brak sił","note":"proszę pytać Liberec"}}`)
	posts, r := m.Posts(Addressed{Source: "1.2.616", Destination: "1.2.276"})
	if r != nil || len(posts) != 2 {
		t.Fatal(len(posts), r)
	}
	for n, want := range []string{`"cause":"brak sił"`, "proszę pytać Liberec"} {
		if got := posts[n].Envelope.Payload.Data; !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	m = open(t, `{`+head+`,"answer":{"about":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","is":"yes"}}`)
	if posts, r = m.Posts(Addressed{Source: "1.2.616", Destination: "1.2.276"}); r != nil || len(posts) != 1 {
		t.Error(len(posts), r)
	}
}

func TestLife(t *testing.T) {
	m := open(t, `{`+head+`,"new":{"about":"Z-7"}}`)
	if m.Expires.Sub(m.Sent) != time.Hour {
		t.Errorf("%s to %s", m.Sent, m.Expires)
	}
	posts, r := m.Posts(Addressed{Source: "1.2.616", Destination: "1.2.276"})
	if r != nil || posts[0].Envelope.Timeout != 3600 {
		t.Errorf("%+v %v", posts, r)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		message string
		want    Reason
	}{
		{`{`, Format}, {"\xff", Charset}, {strings.Repeat(`{"a":`, 100), TooLarge}, {`<x/>`, Format}, {`{` + head + `}`, Kind}, {`{` + head + `,"new":{"about":"Z","began":"2026-03-01T15:00:00+01:00"}}`, Impossible},
		{`{` + head + `,"until":"2026-03-01T13:59:00+01:00","new":{"about":"Z"}}`, Impossible}, {`{` + head + `,"until":"2026-03-01T14:00:30+01:00","new":{"about":"Z"}}`, Expired},
	} {
		m, r := lines().Open([]byte(c.message), Arrival{Now: time.Date(2026, 3, 1, 13, 1, 0, 0, time.UTC)})
		if r == nil || r.Reason != c.want {
			t.Errorf("%s: %v", c.message, r)
			continue
		}
		out, f := lines().Refuse(m, r, Reply{Now: time.Date(2026, 3, 1, 13, 1, 0, 0, time.UTC)})
		if told := m != nil; f != nil || told != (out != nil) || told && !strings.Contains(string(out.Bytes), `"why": "`+string(c.want)+`"`) {
			t.Errorf("%s: %+v %v", c.message, out, f)
		}
	}
	if late := open(t, `{`+head+`,"until":"2026-03-01T14:00:30+01:00","re":"x","got":{}}`); late.Kind != convert.KindReceipt {
		t.Errorf("%+v", late)
	}
	receipt := open(t, `{`+head+`,"re":"x","no":{"why":"temporary"}}`)
	if !receipt.Receipt.Refused || !receipt.Receipt.Again {
		t.Errorf("%+v", receipt.Receipt)
	}
	if out, f := lines().Refuse(receipt, &Refusal{Reason: Invalid}, Reply{}); out != nil || f != nil {
		t.Error("a receipt is answered")
	}
}

// An address that could be an OID gives way to the node's as any other does.
func TestAddresses(t *testing.T) {
	m := open(t, strings.Replace(`{`+head+`,"new":{"about":"Z-7"}}`, "pl.desk", "1.2.3", 1))
	posts, r := m.Posts(Addressed{Source: "1.2.616", Destination: "1.2.276"})
	if r != nil {
		t.Fatal(r)
	}
	if e := posts[0].Envelope; e.Source != "1.2.616" || e.Destinations[0] != "1.2.276" {
		t.Errorf("from %s to %s", e.Source, e.Destinations)
	}
	for _, l := range posts[0].Loss {
		if l.Path == "/from" && l.Value == "1.2.3" && l.MovedTo != nil && *l.MovedTo == "/source" {
			return
		}
	}
	t.Errorf("the report does not say what became of the sender: %v", posts[0].Loss)
}
