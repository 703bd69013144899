package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Statistic counts a month's hand-overs of one kind between an organisation and a
// neighbour in one direction. Outcomes add up to Handovers. It says nothing about
// persons and stays when contents are deleted.
type Statistic struct {
	Month time.Time // its first moment in the three countries' zone
	Kind  store.Kind
	Neighbour
	Incoming bool

	Handovers  int
	Accepted   int // by a person, whatever became of it
	Rejected   int // by a person
	Telephoned int // taken over orally
	Withdrawn  int // before the neighbour had it
	Failed     int // refused by a node, or expired
	Elsewhere  int // settled otherwise before anybody decided
	Waiting    int // for a person, or put away without an answer

	Danger  int // danger to life
	Nobody  int // "telephone now" was due
	Late    int // arrived older than the set time
	Differs int // confirmed place or number differed

	Median time.Duration // from storage to acceptance by a person; zero: none was accepted
	P95    time.Duration // 95 of 100 were accepted within
}

// MaxMonths bounds what one table of statistics covers.
const MaxMonths = 36

// zone is that of the three countries.
func zone() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		return time.UTC // tzdata is in the binary
	}
	return z
}

// startOfMonth is when the month of the three countries' clocks began.
func startOfMonth(t time.Time) time.Time {
	l := t.In(zone())
	return time.Date(l.Year(), l.Month(), 1, 0, 0, 0, 0, l.Location())
}

// Statistics counts the hand-overs of the months of from to to, both included: by
// month, live first, neighbour's name, incoming first.
func (s *Service) Statistics(ctx context.Context, org string, from, to time.Time) ([]Statistic, error) {
	const op = "console.Statistics"
	first, last := startOfMonth(from), startOfMonth(to)
	if last.Before(first) || last.After(first.AddDate(0, MaxMonths-1, 0)) {
		return nil, problem.New(op, problem.Invalid, "console.d.refuse.months", i18n.Args{"n": MaxMonths})
	}
	var out []Statistic
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		for m := first; !m.After(last); m = m.AddDate(0, 1, 0) {
			rows, err := s.statistic(tx, org, m)
			if err != nil {
				return err
			}
			out = append(out, rows...)
		}
		return nil
	})
	return out, problem.Wrap(op, err)
}

func (s *Service) statistic(tx *store.Tx, org string, month time.Time) ([]Statistic, error) {
	rows, err := tx.Query(`SELECT kind, other, incoming, state, stored_at, decided_at, danger, late, differs, nobody_at FROM console_handover
		WHERE org = $1 AND stored_at >= $2 AND stored_at < $3`, org, millis(month), millis(month.AddDate(0, 1, 0)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type group struct {
		kind     store.Kind
		other    string
		incoming int64
	}
	found := map[group]*Statistic{}
	took := map[group][]time.Duration{}
	for rows.Next() {
		var g group
		var state State
		var stored, decided, danger, late, differs, nobody int64
		if err := rows.Scan(&g.kind, &g.other, &g.incoming, &state, &stored, &decided, &danger, &late, &differs, &nobody); err != nil {
			return nil, err
		}
		t := found[g]
		if t == nil {
			t = &Statistic{Month: month, Kind: g.kind, Neighbour: s.neighbour(g.other), Incoming: g.incoming == 1}
			found[g] = t
		}
		t.Handovers++
		*t.outcome(state, decided != 0)++
		t.Danger += int(danger)
		t.Late += int(late)
		t.Differs += int(differs)
		if nobody != 0 {
			t.Nobody++
		}
		if decided != 0 && state != Rejected {
			took[g] = append(took[g], time.Duration(max(0, decided-stored))*time.Millisecond)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var out []Statistic
	for g, t := range found {
		d := took[g]
		slices.Sort(d)
		t.Median, t.P95 = quantile(d, 50), quantile(d, 95)
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b Statistic) int {
		return cmp.Or(cmp.Compare(slices.Index(store.Kinds, a.Kind), slices.Index(store.Kinds, b.Kind)), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.OID, b.OID), cmp.Compare(bit(b.Incoming), bit(a.Incoming)))
	})
	return out, nil
}

// outcome is the number that a hand-over counts to.
func (t *Statistic) outcome(s State, decided bool) *int {
	switch s {
	case Accepted, InProgress:
		return &t.Accepted
	case Completed, Aborted:
		if decided {
			return &t.Accepted
		}
		return &t.Elsewhere
	case Rejected:
		return &t.Rejected
	case Telephoned:
		return &t.Telephoned
	case Withdrawn:
		return &t.Withdrawn
	case Failed, Expired:
		return &t.Failed
	case Elsewhere:
		return &t.Elsewhere
	}
	return &t.Waiting
}

// quantile is the smallest of the sorted values that p of 100 do not exceed.
func quantile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// columns of the CSV, each with its head in console.d.statistic.*.
var columns = []string{"month", "kind", "neighbour", "oid", "direction", "handovers", "accepted", "rejected", "telephoned", "withdrawn",
	"failed", "elsewhere", "waiting", "danger", "nobody", "late", "differs", "median", "p95"}

// StatisticsCSV is Statistics as a file for a spreadsheet: UTF-8 with a mark,
// separated by semicolons, since the decimal comma of three of the languages
// makes their spreadsheets expect them; months as 2026-11, times in seconds.
func (s *Service) StatisticsCSV(ctx context.Context, org string, from, to time.Time, l i18n.Lang) ([]byte, error) {
	list, err := s.Statistics(ctx, org, from, to)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = ';', true
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = s.Texts.Text(l, "console.d.statistic."+c, nil)
	}
	w.Write(head)
	for _, t := range list {
		direction := "out"
		if t.Incoming {
			direction = "in"
		}
		row := []string{t.Month.Format("2006-01"), s.Texts.Text(l, "console.d.kind."+string(t.Kind), nil), cell(t.Name), cell(t.OID),
			s.Texts.Text(l, "console.d.statistic."+direction, nil)}
		for _, n := range []int{t.Handovers, t.Accepted, t.Rejected, t.Telephoned, t.Withdrawn, t.Failed, t.Elsewhere, t.Waiting,
			t.Danger, t.Nobody, t.Late, t.Differs} {
			row = append(row, strconv.Itoa(n))
		}
		for _, d := range []time.Duration{t.Median, t.P95} {
			seconds := ""
			if t.Accepted > 0 {
				seconds = strconv.Itoa(int(d.Round(time.Second) / time.Second))
			}
			row = append(row, seconds)
		}
		w.Write(row)
	}
	w.Flush()
	return b.Bytes(), problem.Wrap("console.StatisticsCSV", w.Error())
}

// cell keeps a spreadsheet from reading a neighbour's name as a formula.
func cell(s string) string {
	if strings.ContainsAny(s[:min(1, len(s))], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

// AlarmMonth is how the alarms of a month were, for the shift leader: too many, or
// such as nobody acts on, make people deaf to all of them.
type AlarmMonth struct {
	Month     time.Time
	Kind      store.Kind
	Alarms    int
	Classes   map[Class]int
	PerWindow float64 // alarms in 10 minutes on average, over the month or its part until now; more than 1 is too many
	Peak      int     // most in any 10 minutes; a flood is more than 10
	Sources   []AlarmSource
	Median    time.Duration // until a person had seen it; zero: none was seen
	P95       time.Duration
	Shelved   int
	Unneeded  int // "telephone now" that ended because a person there accepted after all
}

// AlarmSource is what rang how often.
type AlarmSource struct {
	Cause Cause
	Neighbour
	Alarms int
}

// mostSources are listed of an alarm's sources.
const mostSources = 10

// AlarmStatistics counts the alarms of a month, as far back as they are kept: the
// retention of RecordShift.
func (s *Service) AlarmStatistics(ctx context.Context, org string, month time.Time, kind store.Kind) (AlarmMonth, error) {
	from := startOfMonth(month)
	to := from.AddDate(0, 1, 0)
	out := AlarmMonth{Month: from, Kind: kind, Classes: map[Class]int{}}
	var alarms []*alarm
	shelved := int64(0)
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if alarms, err = scanAlarms(tx, `org = $1 AND raised_at >= $2 AND raised_at < $3 AND kind = $4 ORDER BY raised_at, id`,
			org, millis(from), millis(to), string(kind)); err != nil {
			return err
		}
		return tx.Row(`SELECT COUNT(*) FROM console_action c JOIN console_alarm a ON a.org = c.org AND a.id = c.detail
			WHERE c.org = $1 AND c.what = 'shelve' AND a.kind = $4 AND c.at >= $2 AND c.at < $3`, org, millis(from), millis(to), string(kind)).Scan(&shelved)
	})
	if err != nil {
		return out, problem.Wrap("console.AlarmStatistics", err)
	}
	out.Alarms, out.Shelved = len(alarms), int(shelved)
	if now := s.Clock.Now(); now.Before(to) {
		to = now
	}
	if windows := float64(to.Sub(from)) / float64(floodWindow); windows >= 1 {
		out.PerWindow = float64(len(alarms)) / windows
	}
	type source struct {
		cause Cause
		other string
	}
	sources := map[source]int{}
	var seen []time.Duration
	for i, a := range alarms {
		out.Classes[a.class]++
		sources[source{a.cause, a.other}]++
		first, _ := slices.BinarySearchFunc(alarms[:i], a.raisedAt-floodWindow.Milliseconds()+1, func(b *alarm, at int64) int { return cmp.Compare(b.raisedAt, at) })
		out.Peak = max(out.Peak, i+1-first)
		if a.seenAt != 0 {
			seen = append(seen, time.Duration(max(0, a.seenAt-a.raisedAt))*time.Millisecond)
		}
		if a.cause == CauseTelephone && a.endedBy == a.other && a.endedAt != 0 {
			out.Unneeded++
		}
	}
	slices.Sort(seen)
	out.Median, out.P95 = quantile(seen, 50), quantile(seen, 95)
	for k, n := range sources {
		out.Sources = append(out.Sources, AlarmSource{k.cause, s.neighbour(k.other), n})
	}
	slices.SortFunc(out.Sources, func(a, b AlarmSource) int {
		return cmp.Or(cmp.Compare(b.Alarms, a.Alarms), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.OID, b.OID))
	})
	out.Sources = out.Sources[:min(mostSources, len(out.Sources))]
	return out, nil
}
