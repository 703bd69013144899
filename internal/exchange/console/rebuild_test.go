package console

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trojmezi/internal/kernel/store"
)

// tables is what the projection wrote for an organisation. The sealed summary is
// another one each time.
func (r *room) tables() map[string][]string {
	r.t.Helper()
	out := map[string][]string{}
	for _, table := range []string{"console_incident", "console_handover", "console_message", "console_resource", "console_search"} {
		r.read(func(tx *store.Tx) error {
			rows, err := tx.Query(`SELECT * FROM `+table+` WHERE org = $1`, r.org.ID)
			if err != nil {
				return err
			}
			defer rows.Close()
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			out[table] = nil
			for rows.Next() {
				values, into := make([]any, len(columns)), make([]any, len(columns))
				for i := range values {
					into[i] = &values[i]
				}
				if err := rows.Scan(into...); err != nil {
					return err
				}
				var b strings.Builder
				for i, c := range columns {
					if c != "summary" {
						fmt.Fprintf(&b, "%s=%v ", c, values[i])
					}
				}
				out[table] = append(out[table], b.String())
			}
			slices.Sort(out[table])
			return rows.Err()
		})
	}
	return out
}

// settled waits until nothing is on its way between the two rooms.
func settled(rooms ...*room) {
	a := rooms[0]
	a.until("nothing is on its way", func() bool {
		n := int64(0)
		for _, r := range rooms {
			r.sync()
			n += r.count(`SELECT COUNT(*) FROM exchange_message WHERE ended_at IS NULL AND destination <> $1`, system2)
			n += r.count(`SELECT COUNT(*) FROM exchange_message m WHERE m.ended_at IS NULL AND m.destination = $1 AND m.state = 'outgoing'`, system2)
		}
		return n == 0
	})
	for _, r := range rooms {
		r.sync()
	}
}

// histories is how many random histories are played: each takes about a second.
const histories = 5

// Whatever two rooms did, the tables built anew are the same, row by row.
func TestRebuildOfAnyHistory(t *testing.T) {
	cz, de := newRooms(t)
	cz.until("the test desk is known", func() bool { return cz.node.SameKind(test1, test2) })
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	checks.Value.Set(fmt.Sprint(histories))
	defer checks.Value.Set(before)
	rapid.Check(t, func(rt *rapid.T) {
		var ids []string
		var did []string
		for range rapid.IntRange(3, 14).Draw(rt, "length") {
			op := rapid.SampledFrom([]string{"hand over", "open", "accept", "reject", "text", "telephone", "withdraw", "begin", "complete", "abort",
				"close", "resources", "grant", "wait", "wait", "see", "arrive"}).Draw(rt, "what")
			r, there, person := cz, room2, "jana"
			if rapid.Bool().Draw(rt, "german") {
				r, there, person = de, room1, "max"
			}
			var err error
			switch {
			case op == "hand over" || len(ids) == 0:
				d := accident(there)
				d.Danger = rapid.Bool().Draw(rt, "danger")
				if r == cz && rapid.Bool().Draw(rt, "test") {
					d.To = []string{test2}
				} else if r == cz && rapid.Bool().Draw(rt, "system") {
					d.To = append(d.To, system2)
				}
				if len(ids) > 0 && rapid.Bool().Draw(rt, "again") {
					d.Incident = rapid.SampledFrom(ids).Draw(rt, "which")
				}
				id := ""
				if id, err = r.HandOver(t.Context(), r.who(person), d); err == nil {
					ids = append(ids, id)
				}
			case op == "wait":
				cz.clk.Advance(time.Duration(rapid.IntRange(1, 70).Draw(rt, "seconds")) * time.Second)
				cz.here()
				de.here()
				cz.tick()
				de.tick()
			case op == "arrive":
				settled(cz, de)
			case op == "see":
				for _, a := range r.strip().Alarms {
					if a.Cause != CauseTelephone {
						err = errors.Join(err, r.See(t.Context(), r.who(person), a.ID))
					}
				}
			default:
				id := rapid.SampledFrom(ids).Draw(rt, "incident")
				i, miss := r.Incident(t.Context(), r.org.ID, id)
				if miss != nil || len(i.Handovers) == 0 {
					continue
				}
				h := rapid.SampledFrom(i.Handovers).Draw(rt, "hand-over")
				who := r.who(person)
				switch op {
				case "open":
					err = r.Open(t.Context(), who, id)
				case "accept":
					err = r.Accept(t.Context(), who, h.ID, Confirm{Place: rapid.SampledFrom([]string{"Hrádek nad Nisou", "Zittau"}).Draw(rt, "place"), Injured: wounded(3)}, "")
				case "reject":
					err = r.Reject(t.Context(), who, h.ID, "nein", "")
				case "text":
					err = r.Text(t.Context(), who, id, nil, "Fahren Sie los?", "")
				case "telephone":
					err = r.TakenOverByTelephone(t.Context(), who, h.ID, "Weber", "")
				case "withdraw":
					_, err = r.Withdraw(t.Context(), who, h.ID)
				case "begin":
					err = r.Begin(t.Context(), who, h.ID)
				case "complete":
					err = r.Complete(t.Context(), who, h.ID, "", "")
				case "abort":
					err = r.Abort(t.Context(), who, h.ID, "", "")
				case "close":
					err = r.Close(t.Context(), who, id)
				case "resources":
					err = r.RequestResources(t.Context(), who, id, Resources{To: []string{there}, Want: []Request{{Type: "RTW", Name: "RTW"}}}, "")
				case "grant":
					err = r.AnswerRequest(t.Context(), who, h.ID, Answer{Status: rapid.SampledFrom([]string{ResourceGranted, ResourceRefused, ResourceDeployed}).Draw(rt, "answer"),
						Units: []Unit{{Name: "RTW 1", Type: "RTW"}}}, "")
				}
			}
			outcome := "done"
			if err != nil {
				outcome = err.Error()
			}
			did = append(did, r.org.ID+": "+op+" "+outcome)
		}
		settled(cz, de)
		cz.tick()
		de.tick()
		settled(cz, de)
		for _, r := range []*room{cz, de} {
			want := r.tables()
			r.ok(r.Rebuild(t.Context(), r.org.ID))
			r.sync()
			if d := cmp.Diff(want, r.tables()); d != "" {
				rt.Fatalf("%s after %s:\n%s", r.org.ID, strings.Join(did, "; "), d)
			}
		}
	})
}
