package adaptertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
)

// suite is what a case looks at.
type suite struct {
	a        *adapter.Adapter
	fixtures []fixture
}

// fixture is a message of the adapter's own system.
type fixture struct {
	name string
	kind convert.Kind // by its name; KindRefusal of an error report
	text []byte
	m    *adapter.Message
}

// rule is one thing every adapter must do.
type rule struct {
	name  string
	check func(T, *suite)
}

// rules are the suite.
var rules = []rule{
	{"describes itself", described},
	{"reads its own messages", reads},
	{"hands them on in UCRI 2", handsOn},
	{"gives the same for the same", repeats},
	{"gives the same to several at once", together},
	{"comes back the same", roundTrip},
	{"writes messages of UCRI 2", writes},
	{"keeps every value or names it", keeps},
	{"takes every app of UCRI 2", everyApp},
	{"keeps back what is protected", protects},
	{"keeps moments apart", moments},
	{"keeps an exercise one", exercises},
	{"refuses what cannot be", impossible},
	{"expires", expires},
	{"knows who may send and to whom", addressed},
	{"acknowledges", acknowledges},
	{"refuses with a reason", refuses},
	{"refuses what is cut off", truncated},
	{"refuses what cannot be read", unreadable},
	{"refuses what is too large", large},
	{"reads character sets or says that it does not", charsets},
	{"says which differences an update makes", updates},
	{"survives damage", damaged},
	{"takes any incident", anyIncident},
}

// Run checks an adapter with the messages in a folder: each file is one whole message
// that the system sends, and its name begins with what it is for ("incident-fire.xml",
// "answer-…", "receipt-…", "refusal-…"). There has to be an incident, an answer and a
// receipt.
func Run(t *testing.T, a *adapter.Adapter, dir string) {
	t.Helper()
	s := load(t, a, dir)
	for _, r := range rules {
		t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) { r.check(t, s) })
	}
}

func load(t T, a *adapter.Adapter, dir string) *suite {
	t.Helper()
	s := &suite{a: a}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".xml" && ext != ".json" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatalf("%v", err)
		}
		kind, _, _ := strings.Cut(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), "-")
		f := fixture{name: e.Name(), kind: convert.Kind(kind), text: text}
		m, fault := a.Decode(text)
		if fault != nil {
			t.Fatalf("%s: %v", f.name, fault)
		}
		f.m = m
		s.fixtures = append(s.fixtures, f)
	}
	return s
}

// of are the fixtures of some kinds.
func (s *suite) of(kinds ...convert.Kind) (all []fixture) {
	for _, f := range s.fixtures {
		for _, k := range kinds {
			if f.kind == k {
				all = append(all, f)
			}
		}
	}
	return all
}

// contents are the fixtures that a person reads.
func (s *suite) contents() (all []fixture) {
	for _, f := range s.fixtures {
		if f.m.Kind != convert.KindReceipt {
			all = append(all, f)
		}
	}
	return all
}

// addresses are those of the tests in UCRI 2.
var addresses = adapter.Addressed{Source: "1.2.203.0.5", Destination: "1.2.276.0.1"}

// now is a moment at which a message is good.
func now(m *adapter.Message) time.Time {
	if !m.Sent.IsZero() {
		return m.Sent.Add(time.Second)
	}
	return time.Date(2026, 3, 1, 13, 3, 13, 0, time.UTC)
}

// out is a message of UCRI 2 on its way to the adapter's system.
func (s *suite) out(t T, e sample) *adapter.Message {
	t.Helper()
	m, refusal := adapter.FromUCRI(e.e)
	if refusal != nil {
		t.Fatalf("%s: %v", e.name, refusal)
	}
	m.Sender, m.Receiver, m.Revision = "de.node", "partner", 1
	return m
}

// Fuzz adds the messages in a folder to a fuzz test, which checks that whatever is read
// can be handed on as a valid message of UCRI 2, or is refused with a reason.
func Fuzz(f *testing.F, a *adapter.Adapter, dir string) {
	for _, x := range load(f, a, dir).fixtures {
		f.Add(x.text)
	}
	f.Fuzz(func(t *testing.T, message []byte) { takes(t, a, message) })
}

// takes checks what becomes of any bytes.
func takes(t T, a *adapter.Adapter, message []byte) {
	t.Helper()
	m, fault := a.Decode(message)
	if fault != nil {
		return
	}
	posts, refusal := m.Posts(addresses)
	if refusal != nil {
		return
	}
	for _, p := range posts {
		valid(t, p.Envelope)
	}
	if len(posts) > 0 {
		complete(t, message, posts[0].Envelope.AppendJSON(nil), posts[0].Loss)
	}
	if m.Mode() != live && len(posts) > 0 {
		if back, refusal := adapter.FromUCRI(posts[0].Envelope); refusal != nil || back.Mode() == live {
			t.Errorf("an exercise goes on as if it were none: %s", posts[0].Envelope.Payload.Data)
		}
	}
}

// live is the mode of what is meant.
const live = "ACTUAL"

// Bench measures reading each message of a folder and writing it in UCRI 2, and the
// other way round, with the loss report.
func Bench(b *testing.B, a *adapter.Adapter, dir string) {
	s := load(b, a, dir)
	for _, f := range s.of(convert.KindIncident) {
		b.Run(f.name+" to ucri2", func(b *testing.B) {
			for b.Loop() {
				m, fault := a.Decode(f.text)
				if fault != nil {
					b.Fatal(fault)
				}
				if _, refusal := m.Posts(addresses); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
	e := samples()[0]
	b.Run(e.name+" from ucri2", func(b *testing.B) {
		for b.Loop() {
			if _, fault := a.Encode(s.out(b, e)); fault != nil {
				b.Fatal(fault)
			}
		}
	})
}
