package console

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// archiveSize is how many messages the benchmark's archive holds: the million that
// must be searched within 200 ms, or what the variable says.
func archiveSize(b *testing.B) int {
	n := 1_000_000
	if v := os.Getenv("TROJMEZI_BENCH_ARCHIVE"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

var (
	benchTowns   = []string{"Liberec", "Hrádek nad Nisou", "Zittau", "Bogatynia", "Jablonec nad Nisou", "Frýdlant", "Görlitz", "Zgorzelec", "Chrastava", "Nový Bor"}
	benchStreets = []string{"Žitavská", "Nádražní", "Bahnhofstraße", "Łużycka", "Masarykova", "Neustadt", "Polní", "Lipová"}
	benchTypes   = []string{"dopravní nehoda", "požár lesa", "únik nafty", "zdravotní pomoc", "technická pomoc"}
)

// fillArchive writes closed incidents of a year with four messages each: an eighth
// of them one by one, the rest as copies some seconds later.
func fillArchive(b *testing.B, r *room, messages int) {
	const perIncident, doublings = 4, 3
	incidents := messages / perIncident >> doublings
	defer func() {
		for n := range doublings {
			copyArchive(r, int64(1)<<n, perIncident*int64(incidents))
		}
	}()
	start := r.clk.Now().AddDate(-1, 0, 0)
	step := 365 * day / time.Duration(incidents)
	none := []byte{}
	for from := 0; from < incidents; from += 2000 {
		r.ok(r.db.Write(b.Context(), func(tx *store.Tx) error {
			key, err := r.ring.Key(tx, fmt.Sprintf("incident:bench-%d", from))
			if err != nil {
				return err
			}
			for n := from; n < min(from+2000, incidents); n++ {
				id, at := fmt.Sprintf("bench-%d", n), millis(start.Add(time.Duration(n)*step))
				town, street, typ := benchTowns[n*n%7%len(benchTowns)], benchStreets[n/3%len(benchStreets)], benchTypes[n%len(benchTypes)]
				found := map[string]bool{tagNeighbour + room2: true}
				if n%50 == 0 {
					found[tagNeighbour+system2] = true
				}
				for _, t := range []struct{ tag, text string }{{tagType, typ}, {tagPlace, fmt.Sprintf("%s %d %s CZ", street, n%200, town)}} {
					for _, w := range i18n.Words(t.text) {
						for _, s := range starts(w) {
							found[t.tag+s] = true
						}
					}
				}
				for _, w := range append(numberWords(fmt.Sprintf("2026-%06d", n)), numberWords(fmt.Sprintf("+420 6%08d", n))...) {
					found[w] = true
				}
				month, err := r.monthKey(tx, r.org.ID, moment(at))
				if err != nil {
					return err
				}
				var list []int64
				for w := range found {
					list = append(list, token(month, w))
					if _, err := tx.Exec(`INSERT INTO console_search (org, token, at, incident) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
						r.org.ID, list[len(list)-1], at, id); err != nil {
						return err
					}
				}
				slices.Sort(list)
				if _, err := tx.Exec(`INSERT INTO console_incident (org, id, kind, shared_id, app, message, incoming, own, other, first_at, changed_at,
					type, city, danger, late, state, state_at, closed, summary, key_id, tokens)
					VALUES ($1, $2, 'live', $2, 'incident_transfer', 'incident', 0, $3, $4, $5, $5, $6, $7, 0, 0, 'completed', $5, 1, $8, $9, $10)`,
					r.org.ID, id, room1, room2, at, typ, town, key.Seal([]byte(`{"h":"Osobní auto"}`), summaryPlace(r.org.ID, id)), key.ID(), pack(list)); err != nil {
					return err
				}
				first := int64(1_000_000 + n*perIncident)
				if _, err := tx.Exec(`INSERT INTO console_handover (`+handoverColumns+`) VALUES ($1, $2, $3, 'live', 'incident_transfer', 0, $4, $5, 'completed',
					$6, $6, $6, $6, 0, 0, 0, 0, '', $6, '', 0, 0, 0, $6, 0, 0, 0, $7)`, r.org.ID, first, id, room1, room2, at, key.ID()); err != nil {
					return err
				}
				for m := range int64(perIncident) {
					if _, err := tx.Exec(`INSERT INTO console_message (org, entry, incident, handover, kind, app, message, form, incoming, own, other,
						message_id, at, late, expired, author, delivered_at, read_at, failed_at, withdrawn_at, receipt, seen_at, seen_by, key_id)
						VALUES ($1, $2, $3, 0, 'live', 'incident_transfer', 'incident', 'incident', 0, $4, $5, $6, $7, 0, 0, '', $7, $7, 0, 0, 0, $7, '', $8)`,
						r.org.ID, first+m, id, room1, room2, id, at, key.ID()); err != nil {
						return err
					}
					if _, err := tx.Exec(`INSERT INTO exchange_message (id, kind, source, message_id, destination, app, message, ack, sent_date, timeout,
						accepted_at, expires_at, origin, peer, state, ended_at, key_id, mac, envelope)
						VALUES ($1, 'live', $2, $3, $4, 'incident_transfer', 'incident', 'ALL', '', 60, $5, $5, 'client', 'de', 'forwarded', $5, $6, $7, $7)`,
						first+m, room1, fmt.Sprintf("%s-%d", id, m), room2, at, key.ID(), none); err != nil {
						return err
					}
				}
			}
			return nil
		}))
	}
}

// copyArchive doubles what is there.
func copyArchive(r *room, times, messages int64) {
	for _, q := range []string{
		`INSERT INTO console_search (org, token, at, incident) SELECT org, token, at + 1000 * $1, incident || '+' || CAST($1 AS TEXT) FROM console_search`,
		`INSERT INTO console_incident (org, id, kind, shared_id, app, message, incoming, own, other, first_at, changed_at,
			type, city, danger, late, state, state_at, closed, summary, key_id, tokens)
			SELECT org, id || '+' || CAST($1 AS TEXT), kind, shared_id, app, message, incoming, own, other, first_at + 1000 * $1, changed_at,
			type, city, danger, late, state, state_at, closed, '', key_id, tokens FROM console_incident`,
		`INSERT INTO console_handover (` + handoverColumns + `)
			SELECT org, entry + $1 * $2, incident || '+' || CAST($1 AS TEXT), kind, app, incoming, own, other, state, state_at, stored_at, expires_at, sent_at,
			danger, late, differs, opened_at, opened_by, decided_at, decided_by, answer, confirmation, ending,
			phone_due, nobody_at, ring_due, closed_at, key_id FROM console_handover`,
		`INSERT INTO console_message (org, entry, incident, handover, kind, app, message, form, incoming, own, other,
			message_id, at, late, expired, author, delivered_at, read_at, failed_at, withdrawn_at, receipt, seen_at, seen_by, key_id)
			SELECT org, entry + $1 * $2, incident || '+' || CAST($1 AS TEXT), handover, kind, app, message, form, incoming, own, other,
			message_id, at, late, expired, author, delivered_at, read_at, failed_at, withdrawn_at, receipt, seen_at, seen_by, key_id FROM console_message`,
		`INSERT INTO exchange_message (id, kind, source, message_id, destination, app, message, ack, sent_date, timeout,
			accepted_at, expires_at, origin, peer, state, ended_at, key_id, mac, envelope)
			SELECT id + $1 * $2, kind, source, message_id || '+' || CAST($1 AS TEXT), destination, app, message, ack, sent_date, timeout,
			accepted_at, expires_at, origin, peer, state, ended_at, key_id, mac, envelope FROM exchange_message`,
	} {
		args := []any{times}
		if strings.Contains(q, "$2") {
			args = append(args, messages)
		}
		if strings.Contains(q, "summary") {
			q = strings.Replace(q, "''", "$2", 1)
			args = append(args, []byte{})
		}
		r.ok(r.db.Write(context.Background(), func(tx *store.Tx) error { _, err := tx.Exec(q, args...); return err }))
	}
}

// BenchmarkSearch searches a year's archive; each case reports the slowest of its
// searches as well.
func BenchmarkSearch(b *testing.B) {
	cz, _ := newRooms(b)
	cz.stopNode()
	fill := time.Now()
	fillArchive(b, cz, archiveSize(b))
	b.Logf("%d messages and %d tokens written in %v", cz.count(`SELECT COUNT(*) FROM exchange_message`),
		cz.count(`SELECT COUNT(*) FROM console_search`), time.Since(fill).Round(time.Second))
	now := cz.clk.Now()
	for _, c := range []struct {
		name string
		q    Search
	}{
		{"time", Search{From: now.AddDate(0, -6, 0), To: now.AddDate(0, -5, 0)}},
		{"place", Search{Place: "Hrádek nad Nisou"}},
		{"place_and_street", Search{Place: "Liberec Bahnhofstr 77"}},
		{"place_that_is_nowhere", Search{Place: "Ostrava"}},
		{"number", Search{Number: "2026-012345"}},
		{"telephone", Search{Number: "+420 600 012 345"}},
		{"neighbour", Search{Neighbour: system2}},
		{"type", Search{Type: "nehoda"}},
		{"all", Search{From: now.AddDate(0, -3, 0), Place: "zittau", Type: "nafty", Neighbour: system2}},
		{"two_common_words_that_never_meet", Search{Place: "Liberec Hrádek"}},
		{"letters", Search{Place: "lib", Type: "poz", Neighbour: room2}},
	} {
		b.Run(c.name, func(b *testing.B) {
			slowest := time.Duration(0)
			rows := 0
			for b.Loop() {
				start := time.Now()
				f := cz.search(c.q)
				rows = len(f.Rows)
				slowest = max(slowest, time.Since(start))
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
			b.ReportMetric(float64(rows), "rows")
		})
	}
}
