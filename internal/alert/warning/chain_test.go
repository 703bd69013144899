package warning

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/warning/inorder"
	"trojmezi/internal/kernel/store"
)

// chains is how many random histories are tried: a fiftieth of TROJMEZI_FULL=1.
const chains = 20_000

// thorough runs a property as often as asked, from a seed that is printed. Who gives
// -rapid.checks gives that of TestChains; others are tried less often in proportion.
func thorough(t *testing.T, few int, property func(*rapid.T)) {
	t.Helper()
	checks := few
	f := flag.Lookup("rapid.checks")
	if asked, err := strconv.Atoi(f.Value.String()); err == nil && f.Value.String() != f.DefValue {
		checks = max(1, asked*few/chains)
	} else if os.Getenv("TROJMEZI_FULL") == "1" {
		checks *= 50
	}
	set := func(name, value string) {
		t.Helper()
		f := flag.Lookup(name)
		was := f.Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { flag.Set(name, was) })
	}
	set("rapid.checks", strconv.Itoa(checks))
	if f := flag.Lookup("rapid.seed"); f.Value.String() == f.DefValue {
		set("rapid.seed", strconv.FormatInt(time.Now().UnixNano()>>1, 10))
	}
	t.Logf("%d histories, seed %s", checks, flag.Lookup("rapid.seed").Value)
	rapid.Check(t, property)
}

// start is when the histories begin.
var start = time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)

func at(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }

// pack is a document as the two sides get it.
type pack struct {
	doc     Document
	reading feed.Reading
	told    inorder.Document
}

// GoString keeps what rapid prints of a failure short.
func (p pack) GoString() string {
	var ids []string
	for i := range p.reading.Warnings {
		ids = append(ids, p.reading.Warnings[i].ID)
	}
	return fmt.Sprintf("%s@%s%v", p.doc.ID, p.doc.Fetched.Format("15:04"), ids)
}

// said is one state of a warning in a history.
type said struct {
	truth          int
	minute         int // of the message
	state          feed.State
	onset, expires time.Time
	level          string
	areas          []string // of the own pool
}

func (s *said) item(sent time.Time) inorder.Item {
	i := inorder.Item{Truth: s.truth, Sent: sent.UnixMilli(), State: string(s.state), Onset: s.onset.UnixMilli(), Level: s.level, Areas: s.areas}
	if !s.expires.IsZero() {
		i.Expires = s.expires.UnixMilli()
	}
	return i
}

func (s *said) warning(source, code string, sent time.Time) feed.Warning {
	m := func(t time.Time) feed.Moment {
		if t.IsZero() {
			return feed.Moment{}
		}
		return feed.Moment{At: t, Text: t.Format(time.RFC3339)}
	}
	w := feed.Warning{Source: source, Code: code, Event: "truth " + strconv.Itoa(s.truth), Level: feed.Level{Severity: "Moderate", National: s.level, Colour: "yellow"},
		Sent: m(sent), Onset: m(s.onset), Expires: m(s.expires), Status: feed.Actual, State: s.state, Texts: []feed.Text{{Language: "de", Headline: "truth " + strconv.Itoa(s.truth)}}}
	a := feed.Area{}
	for _, c := range s.areas {
		a.Codes = append(a.Codes, feed.Code{Scheme: "CISORP", Value: c})
	}
	w.Areas = []feed.Area{a}
	return w
}

// life makes the messages of a warning: its states in the order they were sent.
func life(t *rapid.T, truth int, grow bool) (all []said) {
	core := fmt.Sprintf("%d", 1000+truth*10)
	pool := []string{fmt.Sprintf("%d", 1001+truth*10), fmt.Sprintf("%d", 1002+truth*10), fmt.Sprintf("%d", 1003+truth*10)}
	s := said{truth: truth, state: feed.InForce, onset: at(rapid.SampledFrom([]int{0, 30, 300}).Draw(t, "onset")), level: "1", areas: []string{core}}
	n := rapid.IntRange(1, 5).Draw(t, "messages")
	minute := rapid.IntRange(0, 20).Draw(t, "first")
	for i := range n {
		s.minute = minute
		s.level = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "level")
		s.expires = rapid.SampledFrom([]time.Time{{}, at(60), at(150), at(400)}).Draw(t, "expires")
		areas := []string{core}
		for _, p := range pool {
			if grow && slices.Contains(s.areas, p) || rapid.Bool().Draw(t, "area") {
				areas = append(areas, p)
			}
		}
		s.areas = areas
		if i == n-1 && i > 0 {
			s.state = rapid.SampledFrom([]feed.State{feed.InForce, feed.Cancelled, feed.AllClear, feed.Past}).Draw(t, "end")
		}
		all = append(all, s)
		minute += rapid.IntRange(1, 30).Draw(t, "pause")
	}
	return all
}

// fetch is when something sent at a minute arrives, and, rarely, a time of sending that
// a wrong clock wrote.
func fetch(t *rapid.T, minute int) (sent, fetched time.Time) {
	sent = at(minute)
	fetched = sent.Add(time.Duration(rapid.IntRange(1, 59).Draw(t, "seconds")) * time.Second)
	if rapid.IntRange(0, 19).Draw(t, "future") == 0 {
		sent = sent.AddDate(1, 0, 0)
	}
	return sent, fetched
}

// messages is a feed of one message for each step, as DWD and MoWaS have it, and with
// it a relay that lists what holds, as MeteoAlarm does.
func messages(t *rapid.T) (all []pack) {
	mode := rapid.SampledFrom([]string{"all", "last", "first", "broken"}).Draw(t, "references")
	relay := mode == "all" && rapid.Bool().Draw(t, "relay")
	truths := rapid.IntRange(1, 3).Draw(t, "warnings")
	type sentAt struct {
		at int
		w  feed.Warning
		i  inorder.Item
	}
	var now [][]sentAt // by truth, for the relay
	for truth := range truths {
		var ids []string
		var list []sentAt
		for n, s := range life(t, truth, mode == "first") {
			sent, fetched := fetch(t, s.minute)
			w := s.warning("dwd", "II:"+strconv.Itoa(truth), sent)
			id := fmt.Sprintf("2.49.%d.%d", truth, n)
			w.ID, w.Originals = "dwd/"+id, []string{id}
			switch {
			case n == 0:
			case mode == "all":
				w.Replaces = slices.Clone(ids)
			case mode == "last":
				w.Replaces = ids[n-1:]
			case mode == "first":
				w.Replaces = ids[:1]
			default:
				w.Replaces = []string{"nothing " + id}
			}
			ids = append(ids, id)
			all = append(all, pack{Document{ID: id, Feed: "dwd", Series: "diff", Kind: store.Live, Fetched: fetched}, feed.Reading{Issued: w.Sent, Warnings: []feed.Warning{w}},
				inorder.Document{Source: "issuer", Sent: sent.UnixMilli(), Fetched: fetched.UnixMilli(), Items: []inorder.Item{s.item(sent)}}})
			copied := w
			copied.Source, copied.ID = "meteoalarm", "meteoalarm/"+id
			list = append(list, sentAt{s.minute, copied, s.item(sent)})
		}
		now = append(now, list)
	}
	if !relay {
		return all
	}
	for minute := rapid.IntRange(5, 40).Draw(t, "relay"); minute < 200; minute += rapid.IntRange(10, 60).Draw(t, "interval") {
		p := pack{Document{ID: "relay " + strconv.Itoa(minute), Feed: "meteoalarm", Series: "all", Kind: store.Live, Fetched: at(minute).Add(time.Second)}, feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: at(minute)}},
			inorder.Document{Source: "relay", Sent: at(minute).UnixMilli(), Fetched: at(minute).Add(time.Second).UnixMilli(), Dated: true, Whole: true}}
		for _, list := range now {
			var current *sentAt
			for i := range list {
				// What a wrong clock wrote, the relay did not take over.
				if list[i].at < minute && !list[i].w.Sent.At.After(at(minute)) {
					current = &list[i]
				}
			}
			if current != nil && current.w.State == feed.InForce {
				p.reading.Warnings = append(p.reading.Warnings, current.w)
				p.told.Items = append(p.told.Items, current.i)
			}
		}
		all = append(all, p)
	}
	return all
}

// bulletins is a feed of whole documents without identifiers of warnings, as ČHMÚ has
// it: twins have code and beginning in common and no area.
func bulletins(t *rapid.T) (all []pack) {
	truths := rapid.IntRange(1, 4).Draw(t, "warnings")
	twins := rapid.Bool().Draw(t, "twins")
	var lists [][]said
	for truth := range truths {
		list := life(t, truth, false)
		if twins {
			for i := range list {
				list[i].onset = at(30)
			}
		}
		lists = append(lists, list)
	}
	for minute := rapid.IntRange(1, 30).Draw(t, "bulletin"); minute < 200; minute += rapid.IntRange(1, 40).Draw(t, "interval") {
		sent, fetched := fetch(t, minute)
		p := pack{Document{ID: "bulletin " + strconv.Itoa(minute), Feed: "chmi", Series: "okpr", Kind: store.Live, Fetched: fetched}, feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: sent}},
			inorder.Document{Source: "issuer", Sent: sent.UnixMilli(), Fetched: fetched.UnixMilli(), Dated: true, Whole: true}}
		for _, list := range lists {
			var current *said
			for i := range list {
				if list[i].minute <= minute {
					current = &list[i]
				}
			}
			// Some bulletins leave it out and later ones have it again.
			if current == nil || current.state == feed.Cancelled || rapid.IntRange(0, 9).Draw(t, "left out") == 0 {
				continue
			}
			code := "SIVS:" + strconv.Itoa(current.truth)
			if twins {
				code = "SIVS:I.4"
			}
			w := current.warning("chmi", code, sent)
			w.ID = strings.Join([]string{"chmi", code, w.Onset.Text, strings.Join(current.areas, " ")}, "/")
			p.reading.Warnings = append(p.reading.Warnings, w)
			p.told.Items = append(p.told.Items, current.item(sent))
		}
		all = append(all, p)
	}
	return all
}

// received drops some, repeats some, and shuffles them.
func received(t *rapid.T, all []pack) (got []pack) {
	for _, p := range all {
		for range rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2}).Draw(t, "times") {
			got = append(got, p)
		}
	}
	return rapid.Permutation(got).Draw(t, "order")
}

var thresholds = map[string]map[string]inorder.Limits{
	"dwd":  {"issuer": limit("dwd"), "relay": limit("meteoalarm")},
	"chmi": {"issuer": limit("chmi")},
}

func limit(name string) inorder.Limits {
	t := feed.LimitsOf(name)
	return inorder.Limits{Fetched: t.Fetched.Milliseconds(), Issued: t.Issued.Milliseconds()}
}

// compare holds the book's warnings against the model's.
func compare(t interface{ Fatalf(string, ...any) }, got []*Warning, want map[int]inorder.State) {
	if len(got) != len(want) {
		var all []string
		for _, w := range got {
			all = append(all, w.Says().Event)
		}
		t.Fatalf("%d warnings, want %d: %v", len(got), len(want), all)
	}
	for _, w := range got {
		truth, err := strconv.Atoi(strings.TrimPrefix(w.Says().Event, "truth "))
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, m := range w.Members {
			if m.Now().Content.Event != w.Says().Event {
				t.Fatalf("two warnings are one: %+v", w.Links)
			}
		}
		s, ok := want[truth]
		if !ok {
			t.Fatalf("warning %d was not received", truth)
		}
		delete(want, truth)
		reason := string(w.Reason)
		if string(w.Phase) != s.Phase || reason != s.Reason {
			t.Fatalf("warning %d is %s %s, want %s %s", truth, w.Phase, reason, s.Phase, s.Reason)
		}
		if w.Phase == Ended {
			continue
		}
		var codes []string
		for _, a := range w.Says().Areas {
			for _, c := range a.Codes {
				codes = append(codes, c.Value)
			}
		}
		var expires int64
		if e := w.Says().Expires.At; !e.IsZero() {
			expires = e.UnixMilli()
		}
		if w.Says().Level.National != s.Last.Level || !slices.Equal(codes, s.Last.Areas) || expires != s.Last.Expires {
			t.Fatalf("warning %d says %s %v %d, want %s %v %d", truth, w.Says().Level.National, codes, expires, s.Last.Level, s.Last.Areas, s.Last.Expires)
		}
	}
}

// TestChains: whatever of a history is received, in whatever order and however often,
// each warning is there once, and stands where the model of one who saw it in order has
// it.
func TestChains(t *testing.T) {
	thorough(t, chains, func(t *rapid.T) {
		source := rapid.SampledFrom([]string{"dwd", "chmi"}).Draw(t, "feed")
		all := map[string]func(*rapid.T) []pack{"dwd": messages, "chmi": bulletins}[source](t)
		got := received(t, all)
		now := at(rapid.IntRange(0, 260).Draw(t, "now"))
		b := NewBook()
		var told []inorder.Document
		for _, p := range got {
			b.Take(p.doc, &p.reading)
			told = append(told, p.told)
		}
		compare(t, b.Warnings(now), inorder.Run(told, thresholds[source], now.UnixMilli()))
	})
}

// TestOrder: two who got the same in another order know the same.
func TestOrder(t *testing.T) {
	thorough(t, chains/10, func(t *rapid.T) {
		all := slices.Concat(messages(t), bulletins(t))
		a, b := NewBook(), NewBook()
		for _, p := range all {
			a.Take(p.doc, &p.reading)
		}
		for _, p := range rapid.Permutation(all).Draw(t, "order") {
			b.Take(p.doc, &p.reading)
			if rapid.Bool().Draw(t, "again") {
				b.Take(p.doc, &p.reading)
			}
		}
		now := at(rapid.IntRange(0, 260).Draw(t, "now"))
		if x, y := outline(a.Warnings(now)), outline(b.Warnings(now)); x != y {
			t.Fatalf("in order:\n%s\nshuffled:\n%s", x, y)
		}
	})
}

// outline is what is shown, without what depends on who came first.
func outline(all []*Warning) string {
	var lines []string
	for _, w := range all {
		var ids []string
		for _, m := range w.Members {
			ids = append(ids, m.Native+" "+string(m.Phase)+" "+string(m.Reason)+" "+strconv.FormatBool(m.Head))
		}
		slices.Sort(ids)
		rules := map[Rule]bool{}
		for _, l := range w.Links {
			rules[l.Rule] = true
		}
		lines = append(lines, fmt.Sprint(w.Phase, w.Reason, w.Ended.Unix(), w.Says().Event, ids, slices.Sorted(maps.Keys(rules))))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
