package console

import (
	"slices"
	"testing"

	"trojmezi/internal/kernel/store"
)

// Whatever the audit log names as the object of a deed leads to its incident, and the
// incident to all of it, within one organisation.
func TestTraces(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.tick()
	alarm := de.only(CauseIncoming)
	de.ok(de.Open(t.Context(), de.who("max"), id))
	de.ok(de.See(t.Context(), de.who("max"), alarm.ID))
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{Place: "Zittau"}, ""))
	de.ok(de.Text(t.Context(), de.who("max"), id, nil, "Wir kommen", ""))

	var objects, traces []string
	de.read(func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT object FROM audit_leaf WHERE actor = 'max' ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o string
			if err := rows.Scan(&o); err != nil {
				return err
			}
			objects = append(objects, o)
		}
		return rows.Err()
	})
	de.read(func(tx *store.Tx) (err error) { traces, err = TracesOf(tx, de.org.ID, id); return err })
	if len(objects) < 5 {
		t.Fatalf("the deeds are recorded on %q", objects)
	}
	of := func(org, object string) (incident string) {
		de.read(func(tx *store.Tx) (err error) { incident, err = IncidentOf(tx, org, object); return err })
		return incident
	}
	for _, o := range objects {
		if got := of(de.org.ID, o); got != id {
			t.Errorf("%s leads to %q", o, got)
		}
		if o != id && !slices.Contains(traces, o) {
			t.Errorf("%s is not found by its incident, which has %q", o, traces)
		}
		if got := of("another", o); got != "" {
			t.Errorf("%s leads another organisation to %q", o, got)
		}
	}
	for _, o := range []string{"", "0", "999999", "x"} {
		if got := of(de.org.ID, o); got != "" {
			t.Errorf("%q leads to %q", o, got)
		}
	}
	de.read(func(tx *store.Tx) (err error) { traces, err = TracesOf(tx, "another", id); return err })
	if len(traces) > 0 {
		t.Errorf("another organisation finds %q", traces)
	}
}
