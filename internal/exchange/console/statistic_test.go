package console

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

func TestStatistics(t *testing.T) {
	cz, _ := newRooms(t)
	month := startOfMonth(cz.clk.Now())
	put := func(kind store.Kind, other string, incoming int64, state State, stored time.Time, decided time.Duration, danger, nobody int64) {
		t.Helper()
		at := millis(stored)
		var decidedAt int64
		if decided > 0 {
			decidedAt = at + decided.Milliseconds()
		}
		cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO console_handover (`+handoverColumns+`) VALUES ($1,
				(SELECT COALESCE(MAX(entry), 0) + 1 FROM console_handover), 'x', $2, 'incident_transfer', $3, 'o', $4, $5, $6, $6, 0, 0,
				$7, 0, 0, 0, '', $8, '', 0, 0, 0, 0, $9, 0, 0, 0)`,
				cz.org.ID, string(kind), incoming, other, string(state), at, danger, decidedAt, nobody)
			return err
		}))
	}
	for i := range 20 {
		put(store.Live, room2, 0, Completed, month.Add(time.Duration(i)*time.Hour), time.Duration(i+1)*10*time.Second, 1, 0)
	}
	put(store.Live, room2, 0, Telephoned, month, 0, 1, 1)
	put(store.Live, room2, 0, Expired, month, 0, 0, 1)
	put(store.Live, room2, 0, Failed, month, 0, 0, 1)
	put(store.Live, room2, 0, Withdrawn, month, 0, 0, 0)
	put(store.Live, room2, 0, Rejected, month, time.Minute, 0, 0)
	put(store.Live, room2, 0, Read, month, 0, 0, 0)
	put(store.Live, room2, 0, Completed, month, 0, 0, 0)
	put(store.Live, room2, 1, Elsewhere, month, 0, 0, 0)
	put(store.Live, room2, 1, InProgress, month, time.Second, 0, 0)
	put(store.Test, test2, 0, Accepted, month, time.Hour, 0, 0)
	put(store.Live, room2, 0, Accepted, month.Add(-time.Millisecond), time.Second, 0, 0)
	put(store.Live, room2, 0, Accepted, month.AddDate(0, 1, 0), time.Second, 0, 0)
	got, err := cz.Statistics(t.Context(), cz.org.ID, cz.clk.Now(), cz.clk.Now())
	cz.ok(err)
	name := cz.neighbour(room2).Name
	want := []Statistic{
		{Month: month, Kind: store.Live, Neighbour: Neighbour{room2, name}, Incoming: true, Handovers: 2, Accepted: 1, Elsewhere: 1,
			Median: time.Second, P95: time.Second},
		{Month: month, Kind: store.Live, Neighbour: Neighbour{room2, name}, Handovers: 27, Accepted: 20, Rejected: 1, Telephoned: 1, Withdrawn: 1,
			Failed: 2, Elsewhere: 1, Waiting: 1, Danger: 21, Nobody: 3, Median: 100 * time.Second, P95: 190 * time.Second},
		{Month: month, Kind: store.Test, Neighbour: Neighbour{test2, cz.node.NameOf(test2)}, Handovers: 1, Accepted: 1, Median: time.Hour, P95: time.Hour},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, s := range got {
		if s.Accepted+s.Rejected+s.Telephoned+s.Withdrawn+s.Failed+s.Elsewhere+s.Waiting != s.Handovers {
			t.Errorf("the outcomes do not add up: %s", dump(s))
		}
	}
	three, err := cz.Statistics(t.Context(), cz.org.ID, month.AddDate(0, -1, 0), month.AddDate(0, 1, 0))
	cz.ok(err)
	if len(three) != 5 || !three[0].Month.Equal(month.AddDate(0, -1, 0)) || three[4].Handovers != 1 {
		t.Errorf("three months: %s", dump(three))
	}
	_, err = cz.Statistics(t.Context(), cz.org.ID, month, month.AddDate(0, MaxMonths, 0))
	cz.refused(err, problem.Invalid, "console.d.refuse.months")
	_, err = cz.Statistics(t.Context(), cz.org.ID, month, month.AddDate(0, -1, 0))
	cz.refused(err, problem.Invalid, "console.d.refuse.months")
	for _, l := range i18n.Langs {
		file, err := cz.StatisticsCSV(t.Context(), cz.org.ID, month, month, l)
		cz.ok(err)
		text, marked := strings.CutPrefix(string(file), "\ufeff")
		r := csv.NewReader(strings.NewReader(text))
		r.Comma = ';'
		rows, err := r.ReadAll()
		cz.ok(err)
		if !marked || len(rows) != 4 || len(rows[0]) != len(columns) || strings.Contains(text, "⟦") {
			t.Fatalf("%s: %s", l, text)
		}
		if rows[2][0] != month.Format("2006-01") || rows[2][2] != name || rows[2][3] != room2 || rows[2][5] != "27" || rows[2][17] != "100" || rows[2][18] != "190" {
			t.Errorf("%s: %q", l, rows[2])
		}
	}
}

func TestQuantile(t *testing.T) {
	var d []time.Duration
	if quantile(d, 50) != 0 {
		t.Error("of nothing")
	}
	for i := 1; i <= 100; i++ {
		d = append(d, time.Duration(i))
		if got, want := quantile(d, 95), time.Duration((i*95+99)/100); got != want {
			t.Errorf("95 of 100 among %d: %d, want %d", i, got, want)
		}
	}
	if quantile(d, 50) != 50 || quantile(d[:1], 50) != 1 || quantile(d[:2], 50) != 1 {
		t.Error("the middle")
	}
}

func TestCellIsNoFormula(t *testing.T) {
	for in, want := range map[string]string{"": "", "Liberec": "Liberec", "=1+1": "'=1+1", "+420": "'+420", "-x": "'-x", "@x": "'@x"} {
		if got := cell(in); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}

func TestAlarmStatistics(t *testing.T) {
	cz, _ := newRooms(t)
	month := startOfMonth(cz.clk.Now().AddDate(0, -1, 0))
	put := func(id string, cause Cause, class Class, other string, at, seen time.Duration, endedBy string) {
		t.Helper()
		raised := millis(month.Add(at))
		var seenAt, endedAt int64
		if seen > 0 {
			seenAt = raised + seen.Milliseconds()
		}
		if endedBy != "" {
			endedAt = raised + 1
		}
		cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO console_alarm (`+alarmColumns+`) VALUES ($1, $2, 'live', $3, $4, '', 0, $5, '', $6, $6, 0, $7, '', $8, $9, 0, 0, 0, '', $10, 0)`,
				cz.org.ID, id, string(class), string(cause), other, raised, seenAt, endedAt, endedBy, []byte{})
			return err
		}))
	}
	for i := range 12 {
		put(fmt.Sprint("m", i), CauseMessage, ClassC, room2, time.Duration(i)*time.Minute, time.Duration(i+1)*time.Second, "")
	}
	put("t1", CauseTelephone, ClassA, room2, 24*time.Hour, time.Minute, room2)
	put("t2", CauseTelephone, ClassA, room2, 24*time.Hour, 0, "jana")
	put("next", CauseTelephone, ClassA, room2, month.AddDate(0, 1, 0).Sub(month), 0, "")
	got, err := cz.AlarmStatistics(t.Context(), cz.org.ID, month.Add(time.Hour), store.Live)
	cz.ok(err)
	hoyerswerda := cz.neighbour(room2).Neighbour
	want := AlarmMonth{Month: month, Kind: store.Live, Alarms: 14, Classes: map[Class]int{ClassA: 2, ClassC: 12}, Peak: 10,
		PerWindow: 14 / (float64(month.AddDate(0, 1, 0).Sub(month)) / float64(floodWindow)),
		Sources:   []AlarmSource{{CauseMessage, hoyerswerda, 12}, {CauseTelephone, hoyerswerda, 2}},
		Median:    7 * time.Second, P95: time.Minute, Unneeded: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if none, err := cz.AlarmStatistics(t.Context(), cz.org.ID, month, store.Exercise); err != nil || none.Alarms != 0 || none.Sources != nil {
		t.Errorf("%s %v", dump(none), err)
	}
}
