// Package inorder is the reference model of what becomes of warnings: it is told which
// warning each message is about, gets all documents in the order in which they were
// sent, and goes through them one after another. For the tests of package warning, which
// know neither and must come to the same; it imports nothing of it, and is no part of
// the program.
package inorder

import "slices"

// Item is what a document says of one warning. Times are in ms; 0: none.
type Item struct {
	Truth          int // which warning it really is
	Sent           int64
	State          string // "in_force", "cancelled", "all_clear", "past"
	Onset, Expires int64
	Level          string
	Areas          []string
}

// Document is one that was received.
type Document struct {
	Source  string // "issuer" or "relay"
	Sent    int64
	Fetched int64
	Dated   bool // by its own word: else it counts from when it was fetched
	Whole   bool // everything in force is in it
	Items   []Item
}

// Limits are after how long a source is old, ms: since it was fetched, and since its
// own last issue (0: never).
type Limits struct{ Fetched, Issued int64 }

// Ahead is how far before ours a sender's clock may be, ms.
const Ahead = 10 * 60 * 1000

// State is what has become of a warning.
type State struct {
	Phase  string // "in_force", "coming", "lapsed", "ended"
	Reason string // of "ended": "cancelled", "all_clear", "past", "absent", "expired"
	Last   Item   // what was said last by whose word counts
}

// word is the last that a source has said of a warning.
type word struct {
	known    bool
	item     Item
	said     int64 // when
	absentAt int64 // 0: it is there
}

type clock struct{ fetched, issued int64 }

// Run goes through the documents and says what holds at a moment, by warning.
func Run(documents []Document, limits map[string]Limits, now int64) map[int]State {
	believed := func(sent, fetched int64) int64 {
		if sent == 0 || sent > fetched+Ahead {
			return fetched
		}
		return sent
	}
	// Each document at its own time.
	type step struct {
		Document
		at int64
	}
	var steps []step
	clocks := map[string]clock{}
	for _, d := range documents {
		at := d.Fetched
		if d.Dated {
			at = believed(d.Sent, d.Fetched)
		}
		steps = append(steps, step{d, at})
		c := clocks[d.Source]
		c.fetched = max(c.fetched, d.Fetched)
		if d.Sent != 0 && d.Sent <= d.Fetched+Ahead {
			c.issued = max(c.issued, d.Sent)
		}
		clocks[d.Source] = c
	}
	slices.SortStableFunc(steps, func(a, b step) int { return int(a.at - b.at) })
	words := map[string]map[int]*word{"issuer": {}, "relay": {}}
	truths := map[int]bool{}
	for _, s := range steps {
		mine := words[s.Source]
		there := map[int]bool{}
		for _, item := range s.Items {
			truths[item.Truth], there[item.Truth] = true, true
			w := mine[item.Truth]
			if w == nil {
				w = &word{}
				mine[item.Truth] = w
			}
			said := believed(item.Sent, s.Fetched)
			if !w.known || said >= w.said {
				w.known, w.item, w.said = true, item, said
			}
			w.absentAt = 0
		}
		if s.Whole {
			for truth, w := range mine {
				if !there[truth] && w.absentAt == 0 {
					w.absentAt = s.at
				}
			}
		}
	}
	final := map[int]State{}
	for truth := range truths {
		final[truth] = decide(words["issuer"][truth], words["relay"][truth], clocks, limits, now)
	}
	return final
}

// verdict is one source's word at a moment.
type verdict struct {
	State
	out  bool // ended, or nobody knows
	said int64
}

func judge(w *word, c clock, l Limits, now int64) *verdict {
	if w == nil {
		return nil
	}
	v := &verdict{said: w.said}
	v.Last = w.item
	switch i := w.item; {
	case i.State != "in_force":
		v.Phase, v.Reason, v.out = "ended", i.State, true
	case w.absentAt != 0 && i.Expires != 0 && i.Expires < w.absentAt:
		v.Phase, v.Reason, v.out, v.said = "ended", "expired", true, w.absentAt
	case w.absentAt != 0:
		v.Phase, v.Reason, v.out, v.said = "ended", "absent", true, w.absentAt
	case i.Expires != 0 && i.Expires <= now:
		v.Phase, v.Reason, v.out = "ended", "expired", true
		old := now >= c.fetched+l.Fetched || l.Issued != 0 && c.issued != 0 && now >= c.issued+l.Issued
		if old && c.fetched <= i.Expires {
			v.Phase = "lapsed"
		}
	case i.Onset > now:
		v.Phase = "coming"
	default:
		v.Phase = "in_force"
	}
	return v
}

func decide(issuer, relay *word, clocks map[string]clock, limits map[string]Limits, now int64) State {
	a, b := judge(issuer, clocks["issuer"], limits["issuer"], now), judge(relay, clocks["relay"], limits["relay"], now)
	switch {
	case a == nil:
		return b.State
	case b == nil:
		return a.State
	}
	// The issuer's word counts unless it is out and the relay has a newer one that is not.
	if a.out && !b.out && b.said > a.said {
		return b.State
	}
	return a.State
}
