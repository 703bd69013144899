package console

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// Actions of the policy for what is past and for what is known of the neighbours.
const (
	mayArchive   = "console.archive.read"
	mayStatistic = "console.statistic.read"
	mayRetention = "console.retention.read"
	setRetention = "console.retention.set"
	mayRoom      = "console.room.act"
)

// registerArchive adds the routes of archive, statistics, times of keeping and the
// directory of neighbours.
func (p *Pages) registerArchive(rt *web.Router) {
	rt.Page("GET /console/archive", web.May(mayArchive), p.archive)
	rt.Page("GET /console/archive.csv", web.May(mayArchive), p.archiveFile)
	rt.Page("GET /console/statistics", web.May(mayStatistic), p.statistics)
	rt.Page("GET /console/statistics.csv", web.May(mayStatistic), p.statisticsFile)
	rt.Page("GET /console/retention", web.MayOn(mayRetention, p.Operator.On), p.retentionForm)
	rt.Page("POST /console/retention", web.MayOn(setRetention, p.Operator.On), p.keepRetention)
	rt.Page("GET /console/neighbours", web.May(mayLink), p.neighbours)
	rt.Page("GET /console/neighbours.csv", web.May(mayLink), p.neighboursFile)
	rt.Page("GET /console/neighbours/{oid}", web.May(mayLink), p.neighbour)
	rt.Page("POST /console/neighbours/{oid}", web.May(mayRoom), p.keepNeighbour)
	rt.Page("POST /console/neighbours/{oid}/call", web.May(mayRoom), p.testCall)
}

// sought is the form of the archive as it was filled in.
type sought struct {
	From, To, Place, Number, Neighbour, Type, Kind, After string
}

func soughtOf(r *http.Request) sought {
	q := r.URL.Query()
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return sought{get("from"), get("to"), get("place"), get("number"), get("neighbour"), get("type"), get("kind"), q.Get("after")}
}

func (s sought) empty() bool { return s == sought{} }

// query is the address of the same search; after is where its next page begins.
func (s sought) query(after string) string {
	q := url.Values{}
	for name, v := range map[string]string{"from": s.From, "to": s.To, "place": s.Place, "number": s.Number, "neighbour": s.Neighbour,
		"type": s.Type, "kind": s.Kind, "after": after} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q.Encode()
}

// search reads the days of the form in the zone of the three countries.
func (s sought) search(errs *ui.Errors, say func(string) string) Search {
	day := func(field, v string) time.Time {
		if v == "" {
			return time.Time{}
		}
		t, err := time.ParseInLocation(time.DateOnly, v, zone())
		if err != nil {
			errs.Add(field, say("console.p.archive.day"))
		}
		return t
	}
	q := Search{From: day("from", s.From), To: day("to", s.To), Place: s.Place, Number: s.Number, Neighbour: s.Neighbour, Type: s.Type, After: s.After}
	if !q.To.IsZero() {
		q.To = q.To.AddDate(0, 0, 1) // the day itself counts
	}
	if k := store.Kind(s.Kind); k.Valid() {
		q.Kind = k
	}
	return q
}

// found is a page of the archive; the errors say why nothing was looked for.
func (p *Pages) found(r *http.Request, s sought) (Found, ui.Errors, error) {
	ctx := r.Context()
	var errs ui.Errors
	q := s.search(&errs, func(key string) string { return web.T(ctx, key, nil) })
	if len(errs) > 0 {
		return Found{}, errs, nil
	}
	f, err := p.Search(ctx, actor(r), q)
	if e, text := refusal(ctx, err); e != nil && e.Kind == problem.Invalid {
		field := "place"
		if s.Number != "" {
			field = "number"
		}
		errs.Add(field, text)
		return Found{}, errs, nil
	}
	return f, nil, err
}

func (p *Pages) archive(w http.ResponseWriter, r *http.Request) error {
	s := soughtOf(r)
	found, errs, err := p.found(r, s)
	if err != nil {
		return err
	}
	rooms, err := p.roomsOf(r.Context())
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(errs) > 0 {
		status = http.StatusUnprocessableEntity
	}
	sh := p.shell(r, "console.p.archive.title")
	sh.Section, sh.Density, sh.Kind = "archive", "", store.Kind(s.Kind)
	return web.Render(w, r, status, archivePage(sh, s, found, rooms, errs, &screen{pages: p}))
}

// byteOrderMark makes spreadsheet programs read a file as UTF-8.
const byteOrderMark = "\ufeff"

// sheet is a file for a spreadsheet on its way to the browser.
type sheet struct {
	w   http.ResponseWriter
	out *http.ResponseController
	csv *csv.Writer
}

func newSheet(w http.ResponseWriter, name string) (*sheet, error) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	c := csv.NewWriter(w)
	c.Comma, c.UseCRLF = ';', true
	_, err := io.WriteString(w, byteOrderMark)
	return &sheet{w, http.NewResponseController(w), c}, err
}

// add sends rows. A long file has a page's time for each of its parts.
func (s *sheet) add(rows ...[]string) error {
	if err := s.out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i])
		}
	}
	if err := s.csv.WriteAll(rows); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// archiveFile is everything a search finds, as far as a file may go; one that is cut
// says so in its last row.
func (p *Pages) archiveFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var errs ui.Errors
	q := soughtOf(r).search(&errs, func(key string) string { return web.T(ctx, key, nil) })
	if len(errs) > 0 {
		return problem.New("console.archive", problem.Invalid, "console.p.archive.wrong", nil)
	}
	org, err := p.Organisation(ctx, actor(r).Org)
	if err != nil {
		return err
	}
	var out *sheet
	more, err := p.Export(ctx, actor(r), q, p.exported, func(hits []Hit) (err error) {
		var rows [][]string
		if out == nil {
			var head []string
			for _, c := range []string{"time", "kind", "what", "place", "injured", "neighbour", "state", "number", "delete"} {
				head = append(head, web.T(ctx, "console.p.col."+c, nil))
			}
			if out, err = newSheet(w, "archive"); err != nil {
				return err
			}
			rows = append(rows, head)
		}
		for _, h := range hits {
			until := ""
			if !h.DeleteAt.IsZero() {
				until = h.DeleteAt.In(zone()).Format(time.DateOnly)
			}
			rows = append(rows, []string{h.First.UTC().Format(time.RFC3339), web.T(ctx, "console.d.kind."+string(h.Kind), nil), p.matter(web.Lang(ctx), org, h.Row),
				h.Place, count(h.Injured), h.Name, web.T(ctx, "console.p.row."+string(h.State), nil), cmp.Or(h.SharedID, h.ID), until})
		}
		return out.add(rows...)
	})
	if e, _ := refusal(ctx, err); e != nil && out == nil {
		return problem.New("console.archive", problem.Invalid, "console.p.archive.wrong", nil)
	}
	if err != nil || !more {
		return err
	}
	return out.add([]string{web.T(ctx, "console.p.archive.cut", i18n.Args{"n": p.exported})})
}

// span are the months of a table, the last twelve unless asked otherwise.
type span struct{ From, To string }

func spanOf(r *http.Request) span {
	now := startOfMonth(web.Now(r.Context()))
	q := r.URL.Query()
	return span{cmp.Or(q.Get("from"), now.AddDate(0, -11, 0).Format("2006-01")), cmp.Or(q.Get("to"), now.Format("2006-01"))}
}

func (s span) times() (from, to time.Time, ok bool) {
	from, err := time.ParseInLocation("2006-01", s.From, zone())
	to, err2 := time.ParseInLocation("2006-01", s.To, zone())
	return from, to, err == nil && err2 == nil
}

func (p *Pages) statistics(w http.ResponseWriter, r *http.Request) error {
	ctx, s := r.Context(), spanOf(r)
	var errs ui.Errors
	var list []Statistic
	from, to, ok := s.times()
	if !ok {
		errs.Add("from", web.T(ctx, "console.p.statistic.month", nil))
	} else {
		var err error
		list, err = p.Statistics(ctx, web.Who(ctx).Organisation, from, to)
		if e, text := refusal(ctx, err); e != nil && e.Kind == problem.Invalid {
			errs.Add("from", text)
		} else if err != nil {
			return err
		}
	}
	status := http.StatusOK
	if len(errs) > 0 {
		status = http.StatusUnprocessableEntity
	}
	sh := p.shell(r, "console.p.statistic.title")
	sh.Section, sh.Density = "archive", ""
	return web.Render(w, r, status, statisticsPage(sh, s, list, p.perMonth(r, list, from, to), errs))
}

// perMonth is how many live hand-overs there were in each month.
func (p *Pages) perMonth(r *http.Request, list []Statistic, from, to time.Time) ui.Chart {
	ctx := r.Context()
	c := ui.Chart{ID: "per-month", Title: web.T(ctx, "console.p.statistic.chart", nil), Axis: web.T(ctx, "console.p.statistic.axis", nil), Bars: true, Whole: true,
		Format: func(v float64) string { return web.Number(ctx, int64(math.Round(v))) }}
	one := ui.Series{Name: web.T(ctx, "console.d.statistic.handovers", nil)}
	for m := from; !m.IsZero() && !m.After(to); m = m.AddDate(0, 1, 0) {
		n := 0
		for _, t := range list {
			if t.Kind == store.Live && t.Month.Equal(m) {
				n += t.Handovers
			}
		}
		one.Points = append(one.Points, ui.Point{Label: m.Format("2006-01"), Value: float64(n)})
	}
	c.Series = []ui.Series{one}
	return c
}

func (p *Pages) statisticsFile(w http.ResponseWriter, r *http.Request) error {
	from, to, ok := spanOf(r).times()
	if !ok {
		return problem.New("console.statistics", problem.Invalid, "console.p.statistic.month", nil)
	}
	raw, err := p.StatisticsCSV(r.Context(), web.Who(r.Context()).Organisation, from, to, web.Lang(r.Context()))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="statistics.csv"`)
	_, err = w.Write(raw)
	return err
}

func (p *Pages) retentionForm(w http.ResponseWriter, r *http.Request) error {
	return p.renderRetention(w, r, nil, nil)
}

func (p *Pages) renderRetention(w http.ResponseWriter, r *http.Request, typed map[Record]string, errs ui.Errors) error {
	list, err := p.Retentions(r.Context())
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(errs) > 0 {
		status = http.StatusUnprocessableEntity
	}
	sh := p.shell(r, "console.p.retention.title")
	sh.Section, sh.Density = "retention", ""
	resource, err := p.Operator.On(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, status, retentionPage(sh, list, typed, errs, web.Can(r.Context(), setRetention, resource)))
}

// keepRetention stores what was changed.
func (p *Pages) keepRetention(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	before, err := p.Retentions(ctx)
	if err != nil {
		return err
	}
	typed, errs := map[Record]string{}, ui.Errors{}
	for _, b := range before {
		v := field(r, string(b.Record))
		typed[b.Record] = v
		n, err := strconv.Atoi(v)
		if err != nil {
			errs.Add(string(b.Record), web.T(ctx, "console.d.refuse.retention", i18n.Args{"min": MinRetention, "max": MaxRetention}))
			continue
		}
		if n == b.Days {
			continue
		}
		err = p.SetRetention(ctx, actor(r), Retention{b.Record, n})
		if e, text := refusal(ctx, err); e != nil && e.Kind == problem.Invalid {
			errs.Add(string(b.Record), text)
		} else if err != nil {
			return err
		}
	}
	if len(errs) > 0 {
		return p.renderRetention(w, r, typed, errs)
	}
	return back(w, r, "/console/retention")
}

func roomURL(oid string) string { return "/console/neighbours/" + url.PathEscape(oid) }

func (p *Pages) neighbours(w http.ResponseWriter, r *http.Request) error {
	rooms, err := p.roomsOf(r.Context())
	if err != nil {
		return err
	}
	faults, err := p.DirectoryFaults(r.Context(), web.Who(r.Context()).Organisation)
	if err != nil {
		return err
	}
	sh := p.shell(r, "console.p.neighbours")
	sh.Section, sh.Density = "neighbours", ""
	return web.Render(w, r, http.StatusOK, neighboursPage(sh, rooms, faults, &screen{pages: p, rooms: rooms, queue: Queue{At: p.Clock.Now()}}))
}

func (p *Pages) neighboursFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	rooms, err := p.roomsOf(ctx)
	if err != nil {
		return err
	}
	head := []string{}
	for _, c := range []string{"neighbour", "oid", "state", "languages", "apps", "phone", "confirmed", "contact"} {
		head = append(head, web.T(ctx, "console.p.col."+c, nil))
	}
	rows := [][]string{head}
	for _, x := range rooms {
		rows = append(rows, []string{x.Name, x.OID, web.T(ctx, roomState(x), nil), langs(x.Langs), strings.Join(x.Apps, " "), "\u200b" + x.Phone, stampOf(x.PhoneAt), stampOf(x.LastContact)})
	}
	out, err := newSheet(w, "neighbours")
	if err != nil {
		return err
	}
	return out.add(rows...)
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func langs(all []i18n.Lang) string {
	var out []string
	for _, l := range all {
		out = append(out, string(l))
	}
	return strings.Join(out, " ")
}

// entered is the form of a neighbour as it was filled in.
type entered struct {
	Phones           string // one a line, in the order they are called
	Langs            []string
	After, AfterElse string // seconds
}

func enteredOf(x Room) entered {
	e := entered{After: seconds(x.After), AfterElse: seconds(x.AfterElse)}
	var all []string
	for _, n := range x.Numbers {
		all = append(all, n.Number)
	}
	e.Phones = strings.Join(all, "\n")
	for _, l := range x.Langs {
		e.Langs = append(e.Langs, string(l))
	}
	return e
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func (p *Pages) neighbour(w http.ResponseWriter, r *http.Request) error {
	x, err := p.Room(r.Context(), web.Who(r.Context()).Organisation, r.PathValue("oid"))
	if err != nil {
		return err
	}
	return p.renderNeighbour(w, r, x, enteredOf(x), nil)
}

func (p *Pages) renderNeighbour(w http.ResponseWriter, r *http.Request, x Room, e entered, errs ui.Errors) error {
	ctx := r.Context()
	status := http.StatusOK
	if len(errs) > 0 {
		status = http.StatusUnprocessableEntity
	}
	sh := p.shell(r, "console.p.neighbours")
	sh.Title, sh.Section, sh.Density, sh.Kind = neighbour(x.Neighbour), "neighbours", "", x.Kind
	may := web.Can(ctx, mayRoom, web.Organisation(web.Who(ctx).Organisation))
	return web.Render(w, r, status, neighbourPage(sh, x, e, errs, may, p.Clock.NewID(), &screen{pages: p, queue: Queue{At: p.Clock.Now()}}))
}

func (p *Pages) keepNeighbour(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, oid := r.Context(), r.PathValue("oid")
	e := entered{Phones: r.PostFormValue("phones"), Langs: r.PostForm["lang"], After: field(r, "after"), AfterElse: field(r, "after_else")}
	var errs ui.Errors
	wait := func(name, v string) time.Duration {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			errs.Add(name, web.T(ctx, "console.d.refuse.patience", i18n.Args{"min": minPatience, "max": maxPatience}))
		}
		return time.Duration(n) * time.Second
	}
	s := RoomSettings{After: wait("after", e.After), AfterElse: wait("after_else", e.AfterElse)}
	for _, l := range e.Langs {
		s.Langs = append(s.Langs, i18n.Lang(l))
	}
	for _, n := range lineList(e.Phones) {
		if s.Phone == "" {
			s.Phone = n
		} else {
			s.NextPhone = append(s.NextPhone, n)
		}
	}
	if len(errs) == 0 {
		err := p.SetRoom(ctx, actor(r), oid, s)
		refused, text := refusal(ctx, err)
		switch {
		case err == nil:
			return back(w, r, roomURL(oid))
		case refused != nil && refused.Kind == problem.Invalid:
			field := "phones"
			if slices.Contains([]string{"console.d.refuse.patience"}, refused.Key) {
				field = "after"
			}
			errs.Add(field, text)
		default:
			return err
		}
	}
	x, err := p.Room(ctx, web.Who(ctx).Organisation, oid)
	if err != nil {
		return err
	}
	return p.renderNeighbour(w, r, x, e, errs)
}

func (p *Pages) testCall(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	oid := r.PathValue("oid")
	err := p.TestCall(r.Context(), actor(r), oid, field(r, "number"), Outcome(field(r, "outcome")), field(r, "once"))
	return p.done(w, r, err, roomURL(oid))
}

// took is how long acceptances took, nothing where nobody accepted.
func took(ctx context.Context, t Statistic, d time.Duration) string {
	if t.Accepted == 0 {
		return "–"
	}
	return web.Duration(ctx, d.Round(time.Second))
}

func retentionFacts(ctx context.Context, list []Retention) (all []ui.Fact) {
	for _, r := range list {
		all = append(all, ui.Fact{Label: web.T(ctx, "console.d.record."+string(r.Record), nil), Text: web.T(ctx, "console.p.retention.kept", i18n.Args{"n": r.Days})})
	}
	return all
}

func spoken(ctx context.Context, all []i18n.Lang) string {
	var names []string
	for _, l := range all {
		names = append(names, web.T(ctx, "console.p.lang."+string(l), nil))
	}
	return cmp.Or(strings.Join(names, ", "), "–")
}

func langOptions(ctx context.Context, chosen []string) (all []ui.Option) {
	for _, l := range i18n.Langs {
		all = append(all, ui.Option{Value: string(l), Text: web.T(ctx, "console.p.lang."+string(l), nil), Selected: slices.Contains(chosen, string(l))})
	}
	return all
}

// appNames names what a room takes.
func appNames(ctx context.Context, all []string) string {
	var names []string
	for _, a := range all {
		if knownApp(a) {
			a = web.T(ctx, "console.d.app."+a, nil)
		}
		names = append(names, a)
	}
	return cmp.Or(strings.Join(names, ", "), "–")
}

func lastAccepted(ctx context.Context, r Room) string {
	switch {
	case r.LastHandover.IsZero():
		return web.T(ctx, "console.p.neighbours.never", nil)
	case r.LastAccepted == 0:
		return web.DateTime(ctx, r.LastHandover)
	}
	return web.T(ctx, "console.p.neighbours.took", i18n.Args{"time": web.DateTime(ctx, r.LastHandover), "duration": web.Duration(ctx, r.LastAccepted)})
}

func pastTabs(ctx context.Context, current string) (tabs []ui.Tab) {
	org := web.Organisation(web.Who(ctx).Organisation)
	for _, t := range []struct{ name, action, key, url string }{
		{"archive", mayArchive, "console.p.archive.search", "/console/archive"},
		{"statistics", mayStatistic, "console.p.statistic.title", "/console/statistics"},
		{"retention", mayRetention, "console.p.retention.title", "/console/retention"},
	} {
		if web.Can(ctx, t.action, org) {
			tabs = append(tabs, ui.Tab{Text: web.T(ctx, t.key, nil), URL: t.url, Current: t.name == current})
		}
	}
	return tabs
}

// faultText says what is wrong with an entry of the directory.
func faultText(ctx context.Context, f Fault) string {
	if f.Kind == NumberStale && f.Since.IsZero() {
		return web.T(ctx, "console.p.shift.never", i18n.Args{"neighbour": neighbour(f.Neighbour), "phone": f.Number})
	}
	return web.T(ctx, "console.d.directory."+string(f.Kind), i18n.Args{"neighbour": neighbour(f.Neighbour), "number": f.Number})
}
