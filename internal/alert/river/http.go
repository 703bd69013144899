package river

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// root is the address of the overview.
const root = "/rivers"

// Pages are the screens of a service.
type Pages struct {
	*Service
	// Operator is the resource of who operates the node and so its tables; nil: each
	// organisation is its own operator.
	Operator web.Operator
	// People are the names of an organisation's people by their ids: those of others are
	// not shown. nil: nobody has a name.
	People func(ctx context.Context, organisation string) (map[string]string, error)

	places *register.Register // nil: names of places in their own language only
	mu     sync.Mutex
	names  map[string]register.Place // by official name
}

// NewPages returns them.
func NewPages(s *Service, places *register.Register) *Pages {
	return &Pages{Service: s, places: places, names: map[string]register.Place{}}
}

// Nav returns the module's task.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "rivers", Key: "river.nav", URL: root, Action: mayRead}}
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read, proclaim, keep := web.May(mayRead), web.May(mayProclaim), web.MayOn(mayKeep, p.Operator.On)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.overview},
		{"GET " + root + ".csv", read, p.overviewFile},
		{"GET " + root + "/keep", keep, p.keepForm},
		{"POST " + root + "/keep/number", keep, p.saveNumber},
		{"POST " + root + "/keep/travel", keep, p.saveTravel},
		{"GET " + root + "/rules", read, p.rules},
		{"POST " + root + "/rules", keep, p.saveRules},
		{"GET " + root + "/{gauge}", read, p.show},
		{"GET " + root + "/{gauge}/values.csv", read, p.values},
		{"GET " + root + "/{gauge}/forecast.csv", read, p.forecastFile},
		{"GET " + root + "/{gauge}/stage", proclaim, p.stageForm},
		{"POST " + root + "/{gauge}/stage", proclaim, p.proclaim},
		{"POST " + root + "/{gauge}/stage/{id}/end", proclaim, p.end},
		{"POST " + root + "/{gauge}/right", keep, p.right},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

func who(r *http.Request) *web.Person { return web.Who(r.Context()) }

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// maxForm bounds a form.
const maxForm = 64 << 10

func bounded(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return r.ParseForm()
}

// mayKeep reports whether the reader may change the node's tables.
func (p *Pages) mayKeep(ctx context.Context) bool { return p.Operator.Can(ctx, mayKeep) }

func may(ctx context.Context, action string) bool {
	return web.Can(ctx, action, web.Organisation(web.Who(ctx).Organisation))
}

// kindOf is what the reader looks at: live unless he asks for something else.
func kindOf(r *http.Request) store.Kind {
	if k := store.Kind(r.FormValue("kind")); k.Valid() {
		return k
	}
	return store.Live
}

// Address is that of a gauge's page.
func Address(key string, kind store.Kind) string { return address(key, kind, "") }

// address of a gauge's page; IDs of services hold a slash.
func address(key string, kind store.Kind, rest string) string {
	u := root + "/" + url.PathEscape(strings.ReplaceAll(key, "/", ":")) + rest
	if kind != store.Live {
		u += "?kind=" + string(kind)
	}
	return u
}

// colleagues are the names that the reader may see.
func (p *Pages) colleagues(r *http.Request) (map[string]string, error) {
	if p.People == nil {
		return nil, nil
	}
	return p.People(r.Context(), who(r).Organisation)
}

func keyOf(r *http.Request) string { return strings.ReplaceAll(r.PathValue("gauge"), ":", "/") }

// place is that of a municipality's official name.
func (p *Pages) place(name string) (found register.Place, ok bool) {
	if name == "" || p.places == nil {
		return found, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok = p.names[name]; ok {
		return found, found.ID != ""
	}
	for _, x := range p.places.Search(name, 5) {
		if x.Name == name {
			found = x
			break
		}
	}
	p.names[name] = found
	return found, found.ID != ""
}

// nameOf is a gauge in the reader's language, and beside it as its operator calls it.
func (p *Pages) nameOf(ctx context.Context, g Gauge) string {
	if x, ok := p.place(g.Place); ok {
		if own, local := x.In(web.Lang(ctx)); local != "" && own != g.Name {
			return own + " / " + g.Name
		}
	}
	return g.Name
}

func riverName(ctx context.Context, key string) string {
	if r, ok := Shipped.River(key); ok {
		return r.In(web.Lang(ctx))
	}
	return key
}

// amount writes a value with its unit.
func amount(ctx context.Context, v float64, unit Unit) string {
	if unit == M3 {
		if math.Abs(v) >= 10 {
			v = math.Round(v*10) / 10
		}
		return web.T(ctx, "river.m3", i18n.Args{"v": v})
	}
	return web.T(ctx, "river.cm", i18n.Args{"v": math.Round(v*10) / 10})
}

// change writes how the level moves; "" for what is not known.
func change(ctx context.Context, l Line) string {
	if math.IsNaN(l.Change) {
		return ""
	}
	args := i18n.Args{"v": math.Abs(math.Round(l.Change)), "time": spanText(l.Over)}
	switch {
	case l.Change >= steady:
		return web.T(ctx, "river.rising", args)
	case l.Change <= -steady:
		return web.T(ctx, "river.falling", args)
	}
	return web.T(ctx, "river.steady", i18n.Args{"time": spanText(l.Over)})
}

func changeIcon(l Line) string {
	switch {
	case l.Change >= steady:
		return "rising"
	case l.Change <= -steady:
		return "falling"
	}
	return "steady"
}

// spanText writes a time of whole minutes; its units are international (spec: ISO 80000-3).
func spanText(d time.Duration) string {
	hours, minutes := int(d.Hours()), int(d.Minutes())%60
	switch {
	case hours == 0:
		return strconv.Itoa(minutes) + "\u00a0min"
	case minutes == 0:
		return strconv.Itoa(hours) + "\u00a0h"
	}
	return strconv.Itoa(hours) + "\u00a0h " + strconv.Itoa(minutes) + "\u00a0min"
}

// limitText is a limit by its national name.
func limitText(ctx context.Context, l Limit) string {
	return l.Name + ": " + amount(ctx, l.From, l.Unit)
}

// state says in words what the sign of a line shows.
func state(ctx context.Context, l Line) string {
	switch h, above := l.Highest(); {
	case l.Level == nil && l.Flow == nil && len(l.Numbers) == 0:
		return t(ctx, "river.state.number")
	case l.Level == nil && l.Flow == nil:
		return t(ctx, "river.state.none")
	case l.Stale:
		return web.T(ctx, "river.state.stale", i18n.Args{"time": spanText(l.Age)})
	case above:
		return web.T(ctx, "river.state.above", i18n.Args{"name": h.Name})
	case l.Rising():
		return t(ctx, "river.state.fast")
	case len(l.Limits) == 0:
		return t(ctx, "river.state.nolimit")
	}
	return t(ctx, "river.state.below")
}

// alarmText is an alarm in words.
func alarmText(ctx context.Context, a Alarm) string {
	return web.T(ctx, "river.alarm."+string(a.Cause), AlarmArgs(a))
}

func rounded(v float64) float64 { return math.Round(v*10) / 10 }

// AlarmArgs are the placeholders of an alarm's texts: river.alarm.CAUSE here and
// river.notice.CAUSE for those who are told elsewhere.
func AlarmArgs(a Alarm) i18n.Args {
	name := a.Name
	if name == "" {
		name = "–"
	}
	return i18n.Args{"gauge": a.Where, "river": cmp.Or(a.River, "–"), "name": name, "v": rounded(a.Value), "unit": unitText(a.Unit),
		"from": rounded(a.From), "rise": math.Round(a.Rise), "time": spanText(a.Within), "at": a.At}
}

func unitText(u Unit) string {
	if u == M3 {
		return "m³/s"
	}
	return "cm"
}

func (p *Pages) overview(w http.ResponseWriter, r *http.Request) error {
	o, err := p.Overview(r.Context(), kindOf(r))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.overviewPage(o))
}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

func (p *Pages) sendCSV(w http.ResponseWriter, name string, rows [][]string) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return c.WriteAll(rows)
}

// cell keeps a spreadsheet program from taking what a service writes for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

func (p *Pages) overviewFile(w http.ResponseWriter, r *http.Request) error {
	o, err := p.Overview(r.Context(), kindOf(r))
	if err != nil {
		return err
	}
	rows := [][]string{{"key", "kind", "river", "gauge", "country", "stations", "at_utc", "level_cm", "flow_m3s", "change_cm", "change_min", "stale", "crossed", "limits", "stages"}}
	for _, key := range slices.Sorted(maps.Keys(o.Lines)) {
		l := o.Lines[key]
		row := make([]string, len(rows[0]))
		row[0], row[1], row[2], row[3], row[4], row[5] = key, string(o.Kind), cell(l.Gauge.River), cell(l.Gauge.Name), l.Gauge.Country, cell(strings.Join(l.Numbers, " "))
		if l.Level != nil {
			row[6], row[7] = stamp(l.Level.At), plain(l.Level.Value)
		}
		if l.Flow != nil {
			row[8] = plain(l.Flow.Value)
			row[6] = cmp.Or(row[6], stamp(l.Flow.At))
		}
		if !math.IsNaN(l.Change) {
			row[9], row[10] = plain(l.Change), plain(l.Over.Minutes())
		}
		row[11] = strconv.FormatBool(l.Stale)
		var crossed, limits, stages []string
		for _, c := range l.Open {
			crossed = append(crossed, cmp.Or(c.Name, "fast rise"))
		}
		for _, x := range l.Limits {
			limits = append(limits, x.Name+"="+plain(x.From)+" "+string(x.Unit))
		}
		for _, s := range l.Stages {
			stages = append(stages, s.Stage+" ("+s.Authority+")")
		}
		row[12], row[13], row[14] = cell(strings.Join(crossed, "; ")), cell(strings.Join(limits, "; ")), cell(strings.Join(stages, "; "))
		rows = append(rows, row)
	}
	return p.sendCSV(w, "rivers.csv", rows)
}

// spans are what a hydrograph can show, in hours.
var spans = []int{24, 72, 168}

func span(r *http.Request) int {
	if n, err := strconv.Atoi(r.URL.Query().Get("hours")); err == nil && slices.Contains(spans, n) {
		return n
	}
	return 72
}

// detailView is the page of a gauge; Right is what was typed in its form.
type detailView struct {
	Detail
	Hours  int
	Errors ui.Errors
	Typed  url.Values
	People map[string]string
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	return p.renderDetail(w, r, http.StatusOK, nil)
}

func (p *Pages) renderDetail(w http.ResponseWriter, r *http.Request, status int, e ui.Errors) error {
	hours := span(r)
	d, err := p.Detail(r.Context(), kindOf(r), keyOf(r), time.Duration(hours)*time.Hour)
	if err != nil {
		return err
	}
	people, err := p.colleagues(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, status, p.detailPage(detailView{d, hours, e, r.PostForm, people}))
}

func (p *Pages) values(w http.ResponseWriter, r *http.Request) error {
	d, err := p.Detail(r.Context(), kindOf(r), keyOf(r), time.Duration(span(r))*time.Hour)
	if err != nil {
		return err
	}
	rows := [][]string{{"key", "kind", "at_utc", "value", "unit", "mark", "before", "read_utc"}}
	for _, series := range []struct {
		unit Unit
		list []Value
	}{{CM, d.Series}, {M3, d.Flows}} {
		for _, v := range series.list {
			was := ""
			if !math.IsNaN(v.Was) {
				was = plain(v.Was)
			}
			rows = append(rows, []string{cell(d.Key), string(d.Kind), stamp(v.At), plain(v.Value), string(series.unit), string(v.Mark), was, stamp(v.Read)})
		}
	}
	return p.sendCSV(w, "river-values.csv", rows)
}

// forecastFile is the newest forecast, in a file of its own: no row of it was measured.
func (p *Pages) forecastFile(w http.ResponseWriter, r *http.Request) error {
	d, err := p.Detail(r.Context(), kindOf(r), keyOf(r), time.Hour)
	if err != nil {
		return err
	}
	rows := [][]string{{"key", "kind", "service", "issued_utc", "stale", "at_utc", "expected", "unit", "sort", "read_utc"}}
	if f := d.Forecast; f != nil {
		for _, e := range f.Levels {
			rows = append(rows, []string{cell(d.Key), string(d.Kind), cell(f.Service), stamp(f.Issued), strconv.FormatBool(f.Stale), stamp(e.At), plain(e.Value), string(CM), e.sort(), stamp(f.Read)})
		}
	}
	return p.sendCSV(w, "river-forecast.csv", rows)
}

// sort is the word for what a value of a forecast is.
func (e Expected) sort() string {
	if e.Estimate {
		return "estimate"
	}
	return "forecast"
}

// stageView is the form of a stage.
type stageView struct {
	Detail
	Typed  url.Values
	Errors ui.Errors
	EndOf  string // the stage whose end was typed
}

// typedTime is the field of a moment as the reader's clock shows it.
func typedTime(at time.Time) string { return at.In(prague).Format("2006-01-02T15:04") }

func (p *Pages) stageForm(w http.ResponseWriter, r *http.Request) error {
	now := typedTime(p.o.Clock.Now())
	return p.renderStage(w, r, http.StatusOK, stageView{Typed: url.Values{"at": {now}}})
}

func (p *Pages) renderStage(w http.ResponseWriter, r *http.Request, status int, v stageView) (err error) {
	if v.Detail, err = p.Detail(r.Context(), kindOf(r), keyOf(r), time.Hour); err != nil {
		return err
	}
	return web.Render(w, r, status, p.stagePage(v))
}

// errorsOf puts faults into words.
func errorsOf(ctx context.Context, faults []Fault, prefix string) (e ui.Errors) {
	for _, f := range faults {
		field := f.Field
		if field != "" {
			field = prefix + field
		}
		e.Add(field, web.T(ctx, f.Key, f.Args))
	}
	return e
}

func (p *Pages) proclaim(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	at, _ := local(r.PostFormValue("at"))
	kind := kindOf(r)
	_, faults, err := p.Proclaim(r.Context(), who(r).ID, Proclaimed{
		Kind: kind, Gauge: keyOf(r), Stage: r.PostFormValue("stage"), Area: r.PostFormValue("area"), Authority: r.PostFormValue("authority"), Source: r.PostFormValue("source"), At: at,
	})
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return p.renderStage(w, r, http.StatusUnprocessableEntity, stageView{Typed: r.PostForm, Errors: errorsOf(r.Context(), faults, "")})
	}
	return see(w, r, address(keyOf(r), kind, ""))
}

func (p *Pages) end(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	at, _ := local(r.PostFormValue("at"))
	id := r.PathValue("id")
	faults, err := p.End(r.Context(), who(r).ID, id, at, r.PostFormValue("source"))
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return p.renderStage(w, r, http.StatusUnprocessableEntity, stageView{Typed: r.PostForm, Errors: errorsOf(r.Context(), faults, id+"-"), EndOf: id})
	}
	return see(w, r, address(keyOf(r), kindOf(r), ""))
}

func (p *Pages) right(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	at, _ := local(r.PostFormValue("at"))
	faults, err := p.SetRight(r.Context(), who(r).ID, Right{Kind: kindOf(r), Gauge: keyOf(r), At: at, Moved: r.PostFormValue("moved") == "on", Source: r.PostFormValue("source")})
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return p.renderDetail(w, r, http.StatusUnprocessableEntity, errorsOf(r.Context(), faults, ""))
	}
	return see(w, r, address(keyOf(r), kindOf(r), ""))
}

// keepView is the page of the tables.
type keepView struct {
	Keeping
	Typed          url.Values
	Number, Travel ui.Errors
	People         map[string]string
}

func (p *Pages) keepForm(w http.ResponseWriter, r *http.Request) error {
	return p.renderKeep(w, r, http.StatusOK, keepView{Typed: r.URL.Query()})
}

func (p *Pages) renderKeep(w http.ResponseWriter, r *http.Request, status int, v keepView) (err error) {
	if v.Keeping, err = p.Keeping(r.Context()); err != nil {
		return err
	}
	if v.People, err = p.colleagues(r); err != nil {
		return err
	}
	return web.Render(w, r, status, p.keepPage(v))
}

func (p *Pages) saveNumber(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	faults, err := p.SetNumber(r.Context(), who(r).ID, r.PostFormValue("station"), r.PostFormValue("gauge"), r.PostFormValue("source"))
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return p.renderKeep(w, r, http.StatusUnprocessableEntity, keepView{Typed: r.PostForm, Number: errorsOf(r.Context(), faults, "")})
	}
	return see(w, r, root+"/keep")
}

func (p *Pages) saveTravel(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	minutes := func(name string) time.Duration {
		n, err := strconv.Atoi(strings.TrimSpace(r.PostFormValue(name)))
		if err != nil {
			return 0
		}
		return time.Duration(n) * time.Minute
	}
	faults, err := p.SetTravel(r.Context(), who(r).ID, Travel{Upper: r.PostFormValue("upper"), Lower: r.PostFormValue("lower"), Least: minutes("least"), Most: minutes("most"),
		Source: r.PostFormValue("source"), On: r.PostFormValue("on")})
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return p.renderKeep(w, r, http.StatusUnprocessableEntity, keepView{Typed: r.PostForm, Travel: errorsOf(r.Context(), faults, "travel-")})
	}
	return see(w, r, root+"/keep")
}

func (p *Pages) rules(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Parameters(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.rulesPage(all, nil))
}

func (p *Pages) saveRules(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	all, err := p.Parameters(ctx)
	if err != nil {
		return err
	}
	values := map[string]float64{}
	for i, x := range all {
		if !r.PostForm.Has(x.Name) {
			continue
		}
		v, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(r.PostFormValue(x.Name)), ",", ".", 1), 64)
		if err != nil {
			v = math.NaN() // is in no range
		}
		values[x.Name], all[i].Value = v, v
	}
	faults, err := p.SetRules(ctx, who(r).ID, values)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return web.Render(w, r, http.StatusUnprocessableEntity, p.rulesPage(all, errorsOf(ctx, faults, "")))
	}
	return see(w, r, root+"/rules")
}
