package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// pathNumber is the number in the address; 0 when it is none.
func pathNumber(r *http.Request) int64 {
	n, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	return n
}

func (p *Pages) incidentOfHandover(ctx context.Context, org string, entry int64) (id string, err error) {
	err = p.DB.Read(ctx, func(tx *store.Tx) error {
		h, err := oneHandover(tx, "console.request", org, entry)
		if err == nil {
			id = h.incident
		}
		return err
	})
	return id, err
}

// findAlarm reads the alarm of the address; problem NotFound when it is over.
func (p *Pages) findAlarm(r *http.Request, v *screen) (*Alarm, error) {
	id := r.PathValue("id")
	for _, list := range [][]Alarm{v.strip.Alarms, v.strip.Shelved} {
		for n := range list {
			if list[n].ID == id {
				return &list[n], nil
			}
		}
	}
	return nil, problem.New("console.alarm", problem.NotFound, "console.d.refuse.no_alarm", nil)
}

func (p *Pages) alarmList(w http.ResponseWriter, r *http.Request) error {
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, alarmsPage(p.live(r, p.shell(r, "console.p.alarms.title"), v), v))
}

// see silences an alarm and those merged into it.
func (p *Pages) see(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	target := "/console"
	if i := field(r, "incident"); i != "" {
		target = incidentURL(i)
	}
	return p.done(w, r, p.See(r.Context(), actor(r), append([]string{r.PathValue("id")}, r.PostForm["also"]...)...), target)
}

// shelving is the page that puts an alarm aside for some minutes.
type shelving struct {
	Alarm   *Alarm
	Reason  string
	Minutes int
	Errors  ui.Errors
}

func (p *Pages) shelveForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	a, err := p.findAlarm(r, v)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, shelvePage(p.formShell(r, v, "console.p.shelve.title"), v, shelving{Alarm: a, Minutes: int(ShelveTimes[0] / time.Minute)}))
}

func (p *Pages) shelve(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	s := shelving{Reason: field(r, "reason")}
	s.Minutes, _ = strconv.Atoi(field(r, "minutes"))
	err := p.Shelve(ctx, actor(r), r.PathValue("id"), s.Reason, time.Duration(s.Minutes)*time.Minute)
	e, fault := refusal(ctx, err)
	if e == nil || e.Kind == problem.Conflict {
		return p.done(w, r, err, "/console")
	}
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	if s.Alarm, err = p.findAlarm(r, v); err != nil {
		return err
	}
	f := "minutes"
	if e.Key == "console.d.refuse.reason" {
		f = "reason"
	}
	s.Errors.Add(f, fault)
	return web.Render(w, r, http.StatusUnprocessableEntity, shelvePage(p.formShell(r, v, "console.p.shelve.title"), v, s))
}

func (p *Pages) unshelve(w http.ResponseWriter, r *http.Request) error {
	return p.done(w, r, p.Unshelve(r.Context(), actor(r), r.PathValue("id")), "/console/alarms")
}

// calledForm asks who took the call of "telephone now".
func (p *Pages) calledForm(w http.ResponseWriter, r *http.Request) error {
	return p.calledPage(w, r, "", "")
}

func (p *Pages) calledPage(w http.ResponseWriter, r *http.Request, with, fault string) error {
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	a, err := p.findAlarm(r, v)
	if err != nil {
		return err
	}
	i, err := p.Incident(r.Context(), v.org.ID, a.Incident)
	if err != nil {
		return err
	}
	v = v.with(i)
	h, err := v.handover(a.Handover)
	if err != nil {
		return err
	}
	s, status := step{Handover: h, With: with, Once: field(r, "once")}, http.StatusOK
	if s.Once == "" {
		s.Once = p.Clock.NewID()
	}
	if fault != "" {
		s.Errors.Add("with", fault)
		status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, status, telephonePage(p.formShell(r, v, "console.p.telephone.title"), v, s, a))
}

func (p *Pages) called(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	err := p.Reached(ctx, actor(r), r.PathValue("id"), field(r, "number"), field(r, "with"), field(r, "once"))
	if e, fault := refusal(ctx, err); e != nil && e.Kind == problem.Invalid {
		return p.calledPage(w, r, field(r, "with"), fault)
	}
	return p.done(w, r, err, "/console")
}

// noAnswer records that nobody took the call. The key is the number's, so that a
// second press does not skip one.
func (p *Pages) noAnswer(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	return p.done(w, r, p.NoAnswer(r.Context(), actor(r), r.PathValue("id"), field(r, "once")), "/console")
}

// duty is the page of a shift.
type duty struct {
	Mine    *Shift
	OnDuty  []Shift
	Waiting []Shift // handed over to the reader and not taken
	Past    []Shift
	Faults  []Fault // of the directory of neighbours
	Open    int
	Note    string
	To      string
	Errors  ui.Errors
	Act     bool
	// Colleagues can take the shift over.
	Colleagues []Colleague
}

// pastShifts is how far back the page looks.
const pastShifts = 48 * time.Hour

func (p *Pages) duty(r *http.Request, v *screen) (duty, error) {
	ctx, who := r.Context(), actor(r)
	d := duty{Open: v.queue.Open, Act: web.Can(ctx, mayDuty, web.Organisation(v.org.ID))}
	var err error
	if d.OnDuty, err = p.OnDuty(ctx, v.org.ID); err != nil {
		return d, err
	}
	past, err := p.Shifts(ctx, v.org.ID, p.Clock.Now().Add(-pastShifts))
	if err != nil {
		return d, err
	}
	for _, s := range past {
		if s.To == who.Person && s.Taken.IsZero() && !s.Ended.IsZero() {
			d.Waiting = append(d.Waiting, s)
		}
		if !s.Ended.IsZero() {
			d.Past = append(d.Past, s)
		}
	}
	for n := range d.OnDuty {
		if d.OnDuty[n].Person == who.Person {
			d.Mine = &d.OnDuty[n]
		}
	}
	if d.Mine != nil {
		if d.Colleagues, err = p.colleagues(ctx, v.org.ID, who.Person, d.OnDuty); err != nil {
			return d, err
		}
	}
	d.Faults, err = p.DirectoryFaults(ctx, v.org.ID)
	return d, err
}

// colleagues are all but the person: those on duty first.
func (p *Pages) colleagues(ctx context.Context, org, me string, onDuty []Shift) ([]Colleague, error) {
	var out []Colleague
	add := func(c Colleague) {
		if c.ID != me && !slices.ContainsFunc(out, func(o Colleague) bool { return o.ID == c.ID }) {
			out = append(out, c)
		}
	}
	for _, s := range onDuty {
		add(Colleague{ID: s.Person, Name: s.Name})
	}
	if p.Colleagues == nil {
		return out, nil
	}
	all, err := p.Colleagues(ctx, org)
	for _, c := range all {
		add(c)
	}
	return out, problem.Wrap("console.colleagues", err)
}

func (p *Pages) shiftPage(w http.ResponseWriter, r *http.Request) error {
	return p.renderShift(w, r, http.StatusOK, "", "", nil)
}

func (p *Pages) renderShift(w http.ResponseWriter, r *http.Request, status int, note, to string, wrong ui.Errors) error {
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	d, err := p.duty(r, v)
	if err != nil {
		return err
	}
	d.Note, d.To, d.Errors = note, to, wrong
	s := p.live(r, p.shell(r, "console.p.shift.title"), v)
	s.Section, s.Form = "shift", true
	return web.Render(w, r, status, dutyPage(s, v, d))
}

func (p *Pages) startShift(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	_, err := p.StartShift(r.Context(), actor(r), field(r, "heard") == "yes")
	return p.done(w, r, err, "/console")
}

func (p *Pages) endShift(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	note, to := field(r, "note"), field(r, "to")
	_, err := p.EndShift(ctx, actor(r), note, to)
	if e, fault := refusal(ctx, err); e != nil && e.Kind == problem.Invalid {
		var wrong ui.Errors
		wrong.Add("to", fault)
		return p.renderShift(w, r, http.StatusUnprocessableEntity, note, to, wrong)
	}
	return p.done(w, r, err, "/console/shift")
}

func (p *Pages) takeShift(w http.ResponseWriter, r *http.Request) error {
	return p.done(w, r, p.TakeShift(r.Context(), actor(r), r.PathValue("id")), "/console/shift")
}
