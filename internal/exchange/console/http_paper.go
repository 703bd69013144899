package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// paper writes records of one control room in one language.
type paper struct {
	texts *i18n.Bundle
	lang  i18n.Lang
	now   time.Time
	who   string // who prints
	place string // the control room
}

func (p *Pages) paper(r *http.Request) paper {
	who := web.Who(r.Context())
	return paper{texts: p.Texts, lang: web.Lang(r.Context()), now: web.Now(r.Context()), who: who.Name, place: who.Place}
}

func (o paper) words(key string, args i18n.Args) string {
	return o.texts.Text(o.lang, "console.paper."+key, args)
}

func (o paper) time(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return o.texts.DateTime(o.lang, t)
}

// document begins a record; what is no reality says so on every page.
func (o paper) document(title string, kind store.Kind) *pdf.Document {
	band := ""
	if d := drill(kind); d != "" {
		band = o.texts.Text(o.lang, "web.drill."+d, nil)
	}
	return pdf.New(pdf.Options{
		Title: title, Lang: string(o.lang), Band: band, Made: o.now,
		Foot: o.words("foot", i18n.Args{"title": title, "place": o.place, "name": o.who, "time": o.time(o.now)}),
		Page: func(n, all int) string { return o.words("page", i18n.Args{"n": n, "all": all}) },
	})
}

// send answers with a document. It is not kept anywhere on the way.
func send(w http.ResponseWriter, d *pdf.Document, name string) error {
	raw, err := d.Bytes()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `inline; filename="`+name+`.pdf"`)
	_, err = w.Write(raw)
	return err
}

// protocolFile is the incident's protocol, everything known about it in the order
// in which it happened.
func (p *Pages) protocolFile(w http.ResponseWriter, r *http.Request) error {
	i, err := p.Incident(r.Context(), web.Who(r.Context()).Organisation, r.PathValue("id"))
	if err != nil {
		return err
	}
	org, err := p.Organisation(r.Context(), web.Who(r.Context()).Organisation)
	if err != nil {
		return err
	}
	lang := web.Lang(r.Context())
	i.Headline = p.matter(lang, org, i.Row)
	if i.Facts != nil {
		i.Facts.Type, i.Facts.Classifications = "", p.kinds(lang, org, i.OID, i.Facts, i.First)
	}
	return send(w, p.paper(r).protocol(i), "protocol-"+short(i))
}

// short names the incident in the name of a file.
func short(i *Incident) string {
	id := cmp.Or(i.SharedID, i.ID)
	return id[:min(8, len(id))]
}

func (o paper) protocol(i *Incident) *pdf.Document {
	title := o.words("protocol", nil)
	d := o.document(title, i.Kind)
	d.Heading(1, title)
	d.Facts(o.summary(i))
	if i.Facts != nil {
		d.Heading(2, o.words("stated", nil))
		d.Facts(o.facts(i.Facts))
	} else {
		d.Paragraph("", o.words("deleted", nil))
	}
	if len(i.Mismatch) > 0 {
		d.Heading(2, o.words("mismatch", nil))
		var rows [][]pdf.Cell
		for _, m := range i.Mismatch {
			rows = append(rows, cells(o.words("field."+m.Field, nil), m.Stated, m.Confirmed, m.Neighbour))
		}
		d.Table([]float64{1, 2, 2, 2}, o.head("what", "said", "confirmed", "neighbour"), rows)
	}
	d.Heading(2, o.words("handovers", nil))
	var rows [][]pdf.Cell
	for _, h := range i.Handovers {
		rows = append(rows, cells(o.time(h.Stored), o.way(h.Incoming, h.Neighbour), o.texts.Text(o.lang, "console.p.row."+string(h.State), nil), o.course(h)))
	}
	d.Table([]float64{1.3, 2, 1.5, 3}, o.head("time", "way", "state", "course"), rows)
	if len(i.Thread) > 0 {
		d.Heading(2, o.words("messages", nil))
		rows = nil
		for _, e := range i.Thread {
			if e.Form == FormIncident {
				continue
			}
			var lines []string
			lang := string(e.Lang)
			for _, l := range e.Lines {
				text, original := l.In(o.lang)
				if lines = append(lines, text); l.Said != nil {
					lang = ""
					lines = append(lines, compact([]string{original, o.texts.Text(o.lang, "ui.message.phrasebook", i18n.Args{"lang": string(l.Said.Lang)})})...)
				}
			}
			text := strings.Join(lines, "\n")
			if e.Deleted {
				text = o.words("deleted", nil)
			}
			rows = append(rows, []pdf.Cell{{Text: o.time(e.At)}, {Text: o.way(e.Incoming, e.Neighbour)}, {Text: text, Lang: lang}, {Text: o.receipt(e)}})
		}
		d.Table([]float64{1.3, 2, 3.5, 1.6}, o.head("time", "way", "text", "receipt"), rows)
	}
	if len(i.Resources) > 0 {
		d.Heading(2, o.words("resources", nil))
		rows = nil
		for _, x := range i.Resources {
			rows = append(rows, cells(cmp.Or(x.Name, x.Type), neighbour(x.Neighbour), o.words("resource."+x.Status, nil), units(x), x.Comment))
		}
		d.Table([]float64{2, 2, 1.3, 2, 2}, o.head("what", "neighbour", "state", "units", "comment"), rows)
	}
	d.Heading(2, o.words("events", nil))
	rows = nil
	for _, e := range i.Events {
		text := o.texts.Text(o.lang, e.Key, e.Args)
		if e.Reason != "" {
			text += ": " + o.texts.Text(o.lang, e.Reason, nil)
		}
		if e.Note != "" {
			text += "\n" + e.Note
		}
		rows = append(rows, cells(o.time(e.At), e.Who, text))
	}
	d.Table([]float64{1.3, 2, 5}, o.head("time", "who", "text"), rows)
	return d
}

func (o paper) head(keys ...string) (all []string) {
	for _, k := range keys {
		all = append(all, o.words("head."+k, nil))
	}
	return all
}

func cells(texts ...string) (all []pdf.Cell) {
	for _, t := range texts {
		all = append(all, pdf.Cell{Text: t})
	}
	return all
}

func units(r Resource) string {
	list := r.Granted
	if len(r.Deployed) > 0 {
		list = r.Deployed
	}
	var names []string
	for _, u := range list {
		names = append(names, cmp.Or(u.Name, u.ID))
	}
	return strings.Join(names, ", ")
}

func (o paper) way(incoming bool, n Neighbour) string {
	if incoming {
		return o.words("from", i18n.Args{"neighbour": neighbour(n)})
	}
	return o.words("to", i18n.Args{"neighbour": neighbour(n)})
}

// course is what became of a hand-over, each step with its time.
func (o paper) course(h Handover) string {
	var steps []string
	step := func(key string, at time.Time, name string) {
		if !at.IsZero() {
			steps = append(steps, o.words("step."+key, i18n.Args{"time": o.time(at), "name": cmp.Or(name, "–")}))
		}
	}
	if h.Incoming {
		step("opened", h.OpenedAt, h.OpenedBy)
		step("decided", h.DecidedAt, h.DecidedBy)
	} else {
		step("delivered", h.Receipt.Delivered, "")
		step("read", h.Receipt.Read, "")
		step("accepted", h.Receipt.Accepted, cmp.Or(h.Receipt.AcceptedBy, h.DecidedBy))
		step("failed", h.Receipt.Failed, h.Receipt.Cause)
		step("withdrawn", h.Receipt.Withdrawn, "")
	}
	if h.Reason != "" {
		steps = append(steps, h.Reason)
	}
	if h.Confirmed != nil {
		steps = append(steps, o.words("confirmed", i18n.Args{"place": cmp.Or(h.Confirmed.Place, "–"), "injured": count(h.Confirmed.Injured)}))
	}
	return strings.Join(steps, "\n")
}

func (o paper) receipt(e Entry) string {
	switch {
	case e.Incoming && e.SeenBy != "":
		return o.words("step.seen", i18n.Args{"name": e.SeenBy})
	case e.Incoming:
		return ""
	case !e.Receipt.Failed.IsZero():
		return o.words("step.failed", i18n.Args{"time": o.time(e.Receipt.Failed), "name": cmp.Or(e.Receipt.Cause, "–")})
	case !e.Receipt.Read.IsZero():
		return o.words("step.read", i18n.Args{"time": o.time(e.Receipt.Read)})
	case !e.Receipt.Delivered.IsZero():
		return o.words("step.delivered", i18n.Args{"time": o.time(e.Receipt.Delivered)})
	}
	return o.words("step.stored", i18n.Args{"time": o.time(e.Receipt.Stored)})
}

// count writes a number that may not be known.
func count(n *int) string {
	if n == nil {
		return "–"
	}
	return strconv.Itoa(*n)
}

func (o paper) summary(i *Incident) [][2]string {
	rows := [][2]string{
		{o.words("what", nil), cmp.Or(i.Headline, i.Type, "–")},
		{o.words("number", nil), cmp.Or(i.SharedID, i.ID)},
		{o.words("first", nil), o.time(i.First)},
		{o.words("state", nil), o.texts.Text(o.lang, "console.p.row."+string(i.State), nil)},
	}
	if !i.DeleteAt.IsZero() {
		rows = append(rows, [2]string{o.words("delete", nil), o.texts.Date(o.lang, i.DeleteAt)})
	}
	return rows
}

// facts are the stated ones; what was not stated is left out but for the two that
// are confirmed.
func (o paper) facts(f *Facts) (rows [][2]string) {
	add := func(key, value string) {
		if value != "" {
			rows = append(rows, [2]string{o.words(key, nil), value})
		}
	}
	add("type", strings.Join(compact(append([]string{f.Type}, f.Classifications...)), ", "))
	add("issue", f.Issue)
	add("place", cmp.Or(f.Place, "–"))
	add("address", f.Address)
	add("object", f.Object)
	if f.HasPoint {
		add("point", fmt.Sprintf("%.5f, %.5f", f.Lat, f.Lon))
	}
	add("injured", count(f.Injured))
	if f.Danger {
		add("danger", o.words("yes", nil))
	}
	add("internal", f.InternalID)
	if !f.Began.IsZero() {
		add("began", o.time(f.Began))
	}
	add("additional", f.Additional)
	for _, g := range []struct {
		key    string
		people []Person
	}{{"caller", f.Callers}, {"patient", f.Patients}, {"victim", f.Victims}, {"accused", f.Accused}} {
		for _, p := range g.people {
			add(g.key, strings.Join(compact([]string{p.Name, p.Phone, p.Note}), ", "))
		}
	}
	for _, r := range f.Remarks {
		add("remark", r.Text)
	}
	return rows
}

// formFile is the hand-over form for the telephone: in the room's language and the
// neighbour's side by side, empty or filled with an incident.
func (p *Pages) formFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	who := web.Who(ctx)
	room, err := p.Room(ctx, who.Organisation, r.URL.Query().Get("to"))
	if err != nil {
		return err
	}
	var i *Incident
	if id := r.PathValue("id"); id != "" {
		if i, err = p.Incident(ctx, who.Organisation, id); err != nil {
			return err
		}
		if i.Facts == nil {
			return problem.New("console.form", problem.Conflict, "console.paper.deleted", nil)
		}
	}
	d, err := p.paper(r).form(room, i, baseOf(r))
	if err != nil {
		return err
	}
	return send(w, d, "handover")
}

// baseOf is the node's as this browser knows it.
func baseOf(r *http.Request) string {
	if web.Secure(r.Context()) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// reentryMost bounds the address in the code of a sheet: what is longer makes a code
// that no telephone reads off paper.
const reentryMost = 1000

// reentry is the address of the hand-over page with what the sheet says, and nothing
// about persons and in nobody's own words: an address stays in lists of browsers.
func reentry(base, to string, f *Facts) string {
	q := url.Values{"to": {to}}
	address := func() string { return base + "/console/handover?" + q.Encode() }
	add := func(name, value string) {
		if value == "" {
			return
		}
		if q.Set(name, value); len(address()) > reentryMost {
			q.Del(name)
		}
	}
	if f != nil {
		if f.HasPoint {
			add("point", point(f))
		}
		if f.Injured != nil {
			add("injured", strconv.Itoa(*f.Injured))
		}
		if f.Danger {
			add("danger", "1")
		}
		add("place", f.Place)
		add("type", f.Type)
	}
	return address()
}

func point(f *Facts) string { return fmt.Sprintf("%.5f, %.5f", f.Lat, f.Lon) }

// form draws the sheet. Its QR code leads to the hand-over page.
func (o paper) form(to Room, i *Incident, base string) (*pdf.Document, error) {
	other := to.Lang
	if other == "" || other == o.lang {
		other = i18n.En
	}
	both := func(key string) string {
		a, b := o.words(key, nil), o.texts.Text(other, "console.paper."+key, nil)
		if a == b {
			return a
		}
		return a + " / " + b
	}
	kind := store.Live
	if i != nil {
		kind = i.Kind
	}
	d := o.document(o.words("form", nil), kind)
	d.Heading(1, both("form"))
	d.Facts([][2]string{
		{both("sender"), o.place},
		{both("receiver"), neighbour(to.Neighbour)},
		{both("phone"), cmp.Or(to.Phone, "–")},
	})
	var said *Facts
	if i == nil {
		for _, key := range []string{"time", "what", "place", "address", "point", "injured", "danger", "caller", "internal", "remark"} {
			d.Line(both(key))
		}
		d.Line("")
	} else {
		f := i.Facts
		said = f
		rows := [][2]string{
			{both("what"), cmp.Or(i.Headline, i.Type, "–")}, {both("place"), cmp.Or(f.Place, "–")}, {both("address"), cmp.Or(f.Address, "–")},
			{both("point"), "–"}, {both("injured"), count(f.Injured)}, {both("danger"), o.words("no", nil) + " / " + o.texts.Text(other, "console.paper.no", nil)},
			{both("internal"), cmp.Or(f.InternalID, "–")},
		}
		if f.HasPoint {
			rows[3][1] = point(f)
		}
		if f.Danger {
			rows[5][1] = o.words("yes", nil) + " / " + o.texts.Text(other, "console.paper.yes", nil)
		}
		if f.Issue != "" && f.Issue != i.Headline {
			rows = append(rows, [2]string{both("issue"), f.Issue})
		}
		for _, c := range f.Callers {
			rows = append(rows, [2]string{both("caller"), strings.Join(compact([]string{c.Name, c.Phone}), ", ")})
		}
		for _, r := range f.Remarks {
			rows = append(rows, [2]string{both("remark"), r.Text})
		}
		d.Facts(rows)
	}
	d.Heading(2, both("answer"))
	d.Line(both("taken"))
	d.Line(both("name"))
	d.Line(both("time"))
	address := reentry(base, to.OID, said)
	if len(address) > reentryMost {
		return d, nil // a sheet without the code is better than none
	}
	d.Heading(2, both("reentry"))
	if i != nil {
		d.Paragraph("", both("reentry.words"))
	}
	return d, d.QR(address, o.words("reentry.alt", nil))
}

// reenter takes what the address on a sheet of paper says.
func (h *handing) reenter(q url.Values) {
	for field, name := range map[string]string{"place": "place", "what": "type", "injured": "injured", "danger": "danger"} {
		if v := q.Get(name); v != "" {
			h.F[field] = v
		}
	}
	if lat, lon, ok := strings.Cut(q.Get("point"), ", "); ok {
		h.F["lat"], h.F["lon"] = lat, lon
	}
}

// roomsOf lists the neighbours for the choice of a form.
func (p *Pages) roomsOf(ctx context.Context) ([]Room, error) {
	return p.Rooms(ctx, web.Who(ctx).Organisation)
}

// formsFor are the neighbours of an incident whose content is still there.
func formsFor(v *screen) (all []Neighbour) {
	if v.incident == nil || v.incident.Facts == nil {
		return nil
	}
	for _, h := range v.incident.Handovers {
		if !slices.Contains(all, h.Neighbour) {
			all = append(all, h.Neighbour)
		}
	}
	return all
}
