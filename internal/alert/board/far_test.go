package board

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// come gives the board a block of a neighbour's desk that Frýdlant shares it with.
func (r *rig) come(other string, block map[string]any) {
	r.t.Helper()
	raw, err := json.Marshal(block)
	r.ok(err)
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		if err := putPartner(tx, "frydlant", other, store.Live, "jana", r.clk.Now()); err != nil {
			return err
		}
		_, err := r.Far(tx, notice.Came{Organisation: "frydlant", Own: "1.2.3", Other: other, Message: "m", At: r.clk.Now(), Block: raw})
		return err
	}))
}

func asks(ref, mark, title string) map[string]any {
	return map[string]any{"do": "ask", "ref": ref, "kind": "live", "official": true, "level": "l3", "titles": map[string]string{"cs": title}, "marks": []string{mark}}
}

// TestToldByTwoNeighbours: two neighbours tell a warning before this node has it, each in
// its own words. When it comes it is one item, and whoever acknowledged what they wrote has
// not read it: he is asked, and it rings.
func TestToldByTwoNeighbours(t *testing.T) {
	mark := ""
	take := func(r *rig) {
		r.clk.Advance(time.Minute)
		reading := feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: r.clk.Now()}, Warnings: []feed.Warning{{ID: "chmi/a", Source: "chmi", Event: "Povodeň", Sent: feed.Moment{At: r.clk.Now()}, Status: feed.Actual, State: feed.InForce,
			Level: feed.Level{Severity: "Severe", Colour: "red"}, Areas: []feed.Area{{Codes: []feed.Code{{Scheme: "CISORP", Value: "5102"}}}}, Texts: []feed.Text{{Language: "cs", Headline: "Povodeň"}}}}}
		r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := r.warnings.Take(tx, warning.Fetched{Feed: "chmi", Series: "x", Kind: store.Live, At: r.clk.Now(), Ref: blob.Ref{1}}, &reading)
			return err
		}))
		all, _, err := r.warnings.Warnings(t.Context())
		r.ok(err)
		mark = all[0].Members[0].ID
	}
	take(newRig(t)) // a neighbour's node
	r := newRig(t)
	for _, other := range []string{"1.9.1", "1.9.2"} {
		r.come(other, asks("theirs", mark, "Slabý déšť"))
		r.ok(r.Acknowledge(t.Context(), "jana", "frydlant", i18n.Cs, farRef(other, "theirs")))
		r.come(other, map[string]any{"do": "ack", "ref": "theirs", "kind": "live", "side": "asker", "ack": map[string]any{"office": "x", "name": "Úřad", "country": "CZ", "person": "P", "lang": "cs", "at": r.clk.Now().UnixMilli()}})
	}
	take(r)
	r.ok(r.Observe(t.Context()))
	rows, err := r.List(t.Context())
	r.ok(err)
	if len(rows) != 1 || rows[0].Title(i18n.Cs) != "Povodeň" || len(rows[0].Missing) != 3 || len(rows[0].Done) != 1 || len(rows[0].Far) != 2 {
		t.Fatalf("%d items: %+v", len(rows), rows)
	}
	r.clk.Advance(Minutes * time.Minute)
	r.due("1 " + rows[0].Ref)
	if len(r.told) != 3 {
		t.Errorf("%d were told that they have not acknowledged", len(r.told))
	}
}

// TestNeighbourAsksTooMuch: what a neighbour asks is bounded and hides nothing of ours, and
// what would turn or break a line is refused.
func TestNeighbourAsksTooMuch(t *testing.T) {
	r := newRig(t)
	r.publish(store.Live, 1)
	r.clk.Advance(time.Minute)
	for i := range maxOpen + 20 {
		r.come("1.9.1", asks(fmt.Sprint("x", i), fmt.Sprint("m", i), "Něco"))
	}
	for _, title := range []string{"konec\u202ekonec", "nic\x00"} {
		r.come("1.9.2", asks("y"+title[:3], "m", title))
	}
	rows, err := r.List(t.Context())
	r.ok(err)
	own := 0
	for _, x := range rows {
		if x.Ref == noticeRef("n1", 1) {
			own++
		}
	}
	if len(rows) != maxOpen+1 || own != 1 {
		t.Errorf("%d items, %d of our own", len(rows), own)
	}
}
