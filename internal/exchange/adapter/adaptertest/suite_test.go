package adaptertest

import (
	"bytes"
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
)

//go:embed testdata/toy/fields.csv
var toyFields string

//go:embed testdata/toy/codes.csv
var toyCodes string

var toyLists = convert.ParseCodes(toyCodes)

var toyTable = convert.Table{
	System: "toy", Syntax: tree.XML, Root: "toy", Space: "urn:toy",
	Bodies: toyLists["body"], Shape: convert.ParseShape(toyFields, toyLists), Cells: toyCells,
	Fill: func(i *incident.Incident, k convert.Kind) {
		if i.What.Text == "" {
			i.What = convert.Derived("?", nil)
		}
	},
}

func toyCells(b *convert.Cells, i *incident.Incident) {
	m := &i.Message
	b.Fixed("@v", "1")
	b.Below("head", func(b *convert.Cells) {
		b.Text("id", &m.ID)
		b.Text("re", &convert.Nth(&m.Links, 0, 1).ID)
		b.Text("from", &m.Sender.Address)
		b.Text("to", &convert.Nth(&m.Receivers, 0, 1).Address)
		b.Text("sent", &m.Sent)
		b.Text("until", &m.Expires)
		b.Code("mode", &i.Kind, toyLists["mode"])
	})
	b.Below(b.Body, func(b *convert.Cells) {
		c := &i.Receipt
		switch b.Kind {
		case convert.KindIncident, convert.KindUpdate:
			b.Text("id", &i.ID)
			b.Text("own", &i.Own)
			b.List("type", &i.Types, nil)
			b.Short("what", &i.What, 250)
			b.Text("more", &i.Remark)
			b.Flag("lights", &i.BlueLights)
			b.Text("began", &i.Began)
			b.Below("place", func(b *convert.Cells) {
				p := convert.Nth(&i.Location.Points, 0, 1)
				b.Number("lat", &p.Lat)
				b.Number("lon", &p.Lon)
				b.Text("street", &i.Location.Address.Street)
				b.Text("house", &i.Location.Address.House)
				b.Text("town", &i.Location.Address.City)
			})
			convert.Each(b, "caller", &i.Callers, func(b *convert.Cells, p *incident.Person) {
				b.Text("name", &p.Family)
				b.Text("phone", &p.Phone)
			})
			b.Notes("line", &i.Notes, 200, 2000, func(b *convert.Cells, n *incident.Note) {
				b.Text("at", &n.At)
				b.Text("text", &n.Text)
			})
		case convert.KindAnswer, convert.KindCompletion, convert.KindCancel:
			b.Text("id", &i.ID)
			b.Code("is", &c.Status, toyLists["answer"])
			b.Text("at", &c.At)
			if b.Kind == convert.KindAnswer {
				b.Short("why", &c.Reason, 500)
			} else {
				b.Short("why", &c.Note, 500)
			}
		case convert.KindText:
			n := convert.Nth(&i.Notes, 0, 1)
			b.Text("id", &i.ID)
			b.Text("at", &n.At)
			b.Free("text", &n.Text, 4000)
		default:
			b.Text("at", &c.At)
			b.Text("code", &c.Reason)
			b.Text("why", &c.Note)
		}
	})
}

func toy() *adapter.Adapter {
	t := toyTable
	return adapter.OfTable(adapter.Adapter{Country: "CZ", System: "toy", Profile: "docs/architecture.md", MediaType: "application/xml", Life: time.Hour}, &t)
}

func TestToy(t *testing.T) { Run(t, toy(), "testdata/toy") }

func FuzzToy(f *testing.F) { Fuzz(f, toy(), "testdata/toy") }

func BenchmarkToy(b *testing.B) { Bench(b, toy(), "testdata/toy") }

// recorder is a test of which failing is looked at.
type recorder struct{ failed []string }

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failing gives the rules that an adapter breaks, of all or of one.
func failing(t *testing.T, a *adapter.Adapter, only string) map[string]string {
	s := load(t, toy(), "testdata/toy")
	s.a = a
	broken := map[string]string{}
	for n, f := range s.fixtures {
		if m, fault := a.Decode(f.text); fault == nil {
			s.fixtures[n].m = m
		}
	}
	for _, r := range rules {
		if only != "" && r.name != only {
			continue
		}
		rec := &recorder{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				if p := recover(); p != nil {
					rec.failed = append(rec.failed, fmt.Sprint(p))
				}
			}()
			r.check(rec, s)
		}()
		<-done
		if len(rec.failed) > 0 {
			broken[r.name] = rec.failed[0]
		}
	}
	return broken
}

// Each rule finds an adapter that breaks it.
func TestRulesCanFail(t *testing.T) {
	decode := func(change func(*adapter.Message)) func(*adapter.Adapter) {
		return func(a *adapter.Adapter) {
			was := a.Decode
			a.Decode = func(b []byte) (*adapter.Message, *convert.Fault) {
				m, f := was(b)
				if m != nil {
					change(m)
				}
				return m, f
			}
		}
	}
	encode := func(change func(*adapter.Message, *adapter.Encoded)) func(*adapter.Adapter) {
		return func(a *adapter.Adapter) {
			was := a.Encode
			a.Encode = func(m *adapter.Message) (*adapter.Encoded, *convert.Fault) {
				e, f := was(m)
				if e != nil {
					change(m, e)
				}
				return e, f
			}
		}
	}
	lenient := func(a *adapter.Adapter) {
		was, any := a.Decode, load(t, toy(), "testdata/toy").fixtures[0].text
		a.Decode = func(b []byte) (*adapter.Message, *convert.Fault) {
			if m, f := was(b); f == nil {
				return m, nil
			}
			return was(any)
		}
	}
	calls := 0
	broken := map[string]func(*adapter.Adapter){
		"describes itself":            func(a *adapter.Adapter) { a.Profile = "docs/no.md" },
		"reads its own messages":      decode(func(m *adapter.Message) { m.Receiver = "" }),
		"hands them on in UCRI 2":     decode(func(m *adapter.Message) { m.Content = convert.New(m.Kind) }),
		"gives the same for the same": decode(func(m *adapter.Message) { calls++; m.ID = fmt.Sprint(m.ID, calls) }),
		"gives the same to several at once": func(a *adapter.Adapter) {
			was, turn := a.Decode, new(atomic.Int64)
			a.Decode = func(b []byte) (*adapter.Message, *convert.Fault) {
				m, f := was(b)
				if m != nil {
					m.ID = fmt.Sprint(turn.Add(1))
				}
				return m, f
			}
		},
		"comes back the same": encode(func(_ *adapter.Message, e *adapter.Encoded) {
			e.Bytes = bytes.ReplaceAll(e.Bytes, []byte("50.8966"), []byte("14.8071"))
		}),
		"writes messages of UCRI 2": encode(func(m *adapter.Message, e *adapter.Encoded) {
			e.Bytes = bytes.ReplaceAll(e.Bytes, []byte(shared), []byte("x"))
		}),
		"keeps every value or names it": encode(func(_ *adapter.Message, e *adapter.Encoded) { e.Loss = nil }),
		"takes every app of UCRI 2":     encode(func(_ *adapter.Message, e *adapter.Encoded) { e.Bytes = e.Bytes[:len(e.Bytes)/2] }),
		"keeps back what is protected": encode(func(m *adapter.Message, e *adapter.Encoded) {
			e.Bytes = bytes.ReplaceAll(e.Bytes, []byte("Sturz"), []byte("Sturz Tajemná"))
		}),
		"refuses what cannot be": decode(func(m *adapter.Message) { m.Expires = time.Time{} }),
		"takes any incident":     encode(func(_ *adapter.Message, e *adapter.Encoded) { e.Loss = nil }),
		"keeps moments apart": encode(func(_ *adapter.Message, e *adapter.Encoded) {
			e.Bytes = bytes.ReplaceAll(e.Bytes, []byte("T02:30:00+02:00"), []byte("T02:30:00+01:00"))
		}),
		"keeps an exercise one": encode(func(_ *adapter.Message, e *adapter.Encoded) {
			e.Bytes = bytes.ReplaceAll(e.Bytes, []byte("drill"), []byte("real"))
		}),
		"expires":                        decode(func(m *adapter.Message) { m.Expires = time.Time{} }),
		"knows who may send and to whom": decode(func(m *adapter.Message) { m.Sender = "somebody" }),
		"acknowledges": encode(func(m *adapter.Message, e *adapter.Encoded) {
			e.Bytes = bytes.ReplaceAll(e.Bytes, []byte("<re>"+m.Answers), []byte("<re>x"))
		}),
		"refuses with a reason":                         func(a *adapter.Adapter) { a.Code = func(adapter.Reason) string { return "" } },
		"refuses what is cut off":                       lenient,
		"refuses what cannot be read":                   lenient,
		"refuses what is too large":                     lenient,
		"reads character sets or says that it does not": latin,
		"says which differences an update makes":        stuck,
		"survives damage":                               panics,
	}
	for _, r := range rules {
		rule, breaks, a := r.name, broken[r.name], toy()
		if breaks == nil {
			t.Errorf("nothing breaks the rule %q", rule)
			continue
		}
		breaks(a)
		// The few random incidents of one run may all be such that the fault does not show.
		why := ""
		for try := 0; why == "" && try < tries; try++ {
			why = failing(t, a, rule)[rule]
		}
		if why == "" {
			t.Errorf("the rule %q lets a broken adapter pass", rule)
		}
	}
	if broken := failing(t, toy(), ""); len(broken) > 0 {
		t.Errorf("a whole adapter fails: %v", broken)
	}
}

// tries are the runs in which a fault that not every incident shows has to show.
const tries = 20

// latin reads every document as if its letters were of another set.
func latin(a *adapter.Adapter) {
	was := a.Decode
	a.Decode = func(b []byte) (*adapter.Message, *convert.Fault) {
		return was([]byte(strings.Replace(string(b), `encoding="windows-1250"`, `encoding="ISO-8859-1"`, 1)))
	}
}

// stuck says of every incident what the first one said.
func stuck(a *adapter.Adapter) {
	was := a.Decode
	first := map[string]*convert.Message{}
	a.Decode = func(b []byte) (*adapter.Message, *convert.Fault) {
		m, f := was(b)
		if m != nil {
			if c := first[m.ID]; c != nil {
				m.Content = c
			}
			first[m.ID] = m.Content
		}
		return m, f
	}
}

// panics makes an adapter stumble over what is not well-formed.
func panics(a *adapter.Adapter) {
	was := a.Decode
	a.Decode = func(b []byte) (*adapter.Message, *convert.Fault) {
		m, f := was(b)
		if f != nil {
			panic(f)
		}
		return m, nil
	}
}
