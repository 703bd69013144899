package notice

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// rota is the page of who answers.
type rota struct {
	Roster
	Now         time.Time
	Me          string // the reader's organisation
	Names       map[string]string
	Officers    []ui.Option
	Deputies    []ui.Option
	States      map[string]FarState // of delegations to other nodes, by id
	Askings     []*Asking           // what other nodes ask
	F           map[string]string
	Errors      ui.Errors
	Edit, Grant bool
}

func (p *Pages) rota(ctx context.Context) (v rota, err error) {
	me := web.Who(ctx).Organisation
	if v.Roster, err = p.Roster(ctx, me, "", store.Live); err != nil {
		return v, err
	}
	v.Now, v.Me, v.F = p.o.Clock.Now(), me, map[string]string{}
	var people, organisations []string
	for _, d := range v.Duties {
		people = append(people, d.Person)
	}
	for _, d := range v.Delegations {
		people, organisations = append(people, d.Person, d.By, d.EndedBy), append(organisations, d.Deputy, d.Organisation)
	}
	if v.Names, err = p.names(ctx, people, organisations); err != nil {
		return v, err
	}
	v.Edit, v.Grant = web.Can(ctx, mayDuty, web.Organisation(me)), web.Can(ctx, mayDelegate, web.Organisation(me))
	if p.Officers != nil && v.Edit {
		if v.Officers, err = p.Officers(ctx, me); err != nil {
			return v, err
		}
	}
	var all []Office
	var desks []Desk
	v.States = map[string]FarState{}
	err = p.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if all, err = p.o.Organisations(tx); err != nil {
			return err
		}
		for _, d := range v.Delegations {
			if !d.Far() {
				continue
			}
			if f, err := farDeputyOf(tx, d.ID); err != nil {
				return err
			} else if f != nil {
				v.States[d.ID] = FarState{f.Agreed, f.Failed}
			}
		}
		if v.Askings, err = askings(tx, `WHERE organisation = $1`, me); err != nil {
			return err
		}
		for _, a := range v.Askings {
			v.Names[a.AgreedBy], v.Names[a.EndedBy] = p.nameIn(tx, a.AgreedBy), p.nameIn(tx, a.EndedBy)
		}
		if v.Grant && p.o.Lines.Desks != nil {
			desks, err = p.o.Lines.Desks(tx)
		}
		return err
	})
	for _, o := range all {
		if o.ID != me {
			v.Deputies = append(v.Deputies, ui.Option{Value: o.ID, Text: o.Name})
		}
	}
	for _, d := range desks {
		key := "notice.far.desk"
		if d.Test {
			key = "notice.far.desk.test"
		}
		v.Deputies = append(v.Deputies, ui.Option{Value: farPrefix + d.Address, Text: web.T(ctx, key, i18n.Args{"name": d.Name, "address": d.Address})})
	}
	now := v.Now.In(zone)
	v.F["since"], v.F["until"] = now.Format(inputTime), now.Add(12*time.Hour).Format(inputTime)
	v.F["from"], v.F["to"] = now.Format(time.DateOnly), now.AddDate(1, 0, 0).Format(time.DateOnly)
	return v, err
}

func (p *Pages) duty(w http.ResponseWriter, r *http.Request) error {
	v, err := p.rota(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, dutyPage(v))
}

// wrong shows the page again with the faults of one of its forms.
func (p *Pages) wrong(w http.ResponseWriter, r *http.Request, err error, names map[string]string) error {
	ctx := r.Context()
	refused, is := errors.AsType[*Refused](err)
	if !is {
		return err
	}
	v, err := p.rota(ctx)
	if err != nil {
		return err
	}
	for field, name := range names {
		v.F[name] = r.PostFormValue(field)
	}
	for _, f := range refused.Faults {
		field := f.Field
		if n, ok := names[field]; ok {
			field = n
		}
		v.Errors.Add(field, web.T(ctx, f.Key, f.Args))
	}
	return web.Render(w, r, http.StatusUnprocessableEntity, dutyPage(v))
}

func local(layout, text string) time.Time {
	at, err := time.ParseInLocation(layout, strings.TrimSpace(text), zone)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

func (p *Pages) enter(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	d := Duty{Person: r.PostFormValue("person"), Phone: r.PostFormValue("phone"), Since: local(inputTime, r.PostFormValue("since")), Until: local(inputTime, r.PostFormValue("until"))}
	if err := p.Enter(r.Context(), actor(r.Context()), d); err != nil {
		return p.wrong(w, r, err, map[string]string{"person": "person", "phone": "phone", "since": "since", "until": "until"})
	}
	return see(w, r, dutyPath)
}

func (p *Pages) grant(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	d := Delegation{Deputy: r.PostFormValue("deputy"), Role: r.PostFormValue("role"), Reason: r.PostFormValue("why"), Since: local(time.DateOnly, r.PostFormValue("from"))}
	if until := local(time.DateOnly, r.PostFormValue("to")); !until.IsZero() {
		d.Until = until.In(zone).AddDate(0, 0, 1).UTC() // the last day counts
	}
	fields := map[string]string{"deputy": "deputy", "role": "role", "reason": "why", "until": "to", "person": "only"}
	if name := strings.TrimSpace(r.PostFormValue("only")); name != "" && d.Far() {
		d.Person = name // refused with the reason
	} else if name != "" {
		var err error
		if d.Person, err = p.officer(r.Context(), d.Deputy, name); err != nil {
			return p.wrong(w, r, err, fields)
		}
	}
	if err := p.Grant(r.Context(), actor(r.Context()), d); err != nil {
		return p.wrong(w, r, err, fields)
	}
	return see(w, r, dutyPath)
}

// officer finds one of another organisation by his name. Whoever grants must know it: the
// form lists nobody of another house.
func (p *Pages) officer(ctx context.Context, organisation, name string) (id string, err error) {
	var all []ui.Option
	if p.Officers != nil && organisation != "" {
		if all, err = p.Officers(ctx, organisation); err != nil {
			return "", err
		}
	}
	for _, o := range all {
		if i18n.Fold(o.Text) == i18n.Fold(name) {
			if id != "" {
				return "", &Refused{[]Fault{{Field: "person", Key: "notice.fault.person_two", Args: i18n.Args{"value": name}}}}
			}
			id = o.Value
		}
	}
	if id == "" {
		return "", &Refused{[]Fault{{Field: "person", Key: "notice.fault.person", Args: i18n.Args{"value": clipped(name)}}}}
	}
	return id, nil
}

// FarState is how far a delegation to another node has come.
type FarState struct {
	Agreed time.Time // zero: not yet
	Failed string
}

// answerDelegation agrees to answer for somebody at another node, or ends that.
func (p *Pages) answerDelegation(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	do := p.Decline
	if r.PostFormValue("do") == "agree" {
		do = p.Agree
	}
	if err := do(r.Context(), actor(r.Context()), r.PostFormValue("other"), r.PostFormValue("id")); err != nil {
		return err
	}
	return see(w, r, dutyPath)
}

func (p *Pages) endDuty(w http.ResponseWriter, r *http.Request) error { return p.ended(w, r) }

func (p *Pages) endDelegation(w http.ResponseWriter, r *http.Request) error { return p.ended(w, r) }

func (p *Pages) ended(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := p.End(r.Context(), actor(r.Context()), r.PostFormValue("id")); err != nil {
		return err
	}
	return see(w, r, dutyPath)
}
