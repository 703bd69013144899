package console

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// staleAfter is when a neighbour's last sign of life is shown as old: his node is
// asked far more often.
const staleAfter = 2 * time.Minute

// footRooms bounds the neighbours named in the foot; the rest is a number.
const footRooms = 5

// namesKept bounds the names remembered; places of a control room repeat.
const namesKept = 2_000

// placeNames remembers how places are written for readers of each language.
type placeNames struct {
	mu   sync.Mutex
	know map[string]string
}

// nameOf writes a place with its name for readers of l: the local official name
// first, since it is read out over the radio, the reader's own after it.
func (p *Pages) nameOf(l i18n.Lang, place string) string {
	if place == "" || p.places == nil {
		return place
	}
	key := string(l) + "\x00" + place
	p.names.mu.Lock()
	name, ok := p.names.know[key]
	p.names.mu.Unlock()
	if ok {
		return name
	}
	name = place
	for _, h := range p.places.Search(place, 1) {
		if own, local := h.In(l); same(h.Matched, place) && local != "" && same(local, place) {
			name = local + " / " + own
		} else if same(h.Matched, place) && !same(h.Name, place) {
			name = h.Name + " / " + place
		}
	}
	p.names.mu.Lock()
	defer p.names.mu.Unlock()
	if len(p.names.know) >= namesKept || p.names.know == nil {
		p.names.know = map[string]string{}
	}
	p.names.know[key] = name
	return name
}

func (v *screen) place(ctx context.Context, place string) string {
	return v.pages.nameOf(web.Lang(ctx), place)
}

// neighbour is a control room's name with its country.
func neighbour(n Neighbour) string {
	if c := countryOf(n.OID); c != "" && !strings.HasSuffix(n.Name, "("+c+")") {
		return n.Name + " (" + c + ")"
	}
	return n.Name
}

// what is the matter: what the sender's keyword means, and his words.
func (v *screen) what(ctx context.Context, r Row) string {
	switch {
	case !r.Deleted.IsZero():
		return web.T(ctx, "console.p.deleted", nil)
	case r.Headline+r.Type+r.TypeKey != "":
		return v.pages.matter(web.Lang(ctx), v.org, r)
	case web.T(ctx, "console.d.app."+r.App, nil) != "" && knownApp(r.App):
		return web.T(ctx, "console.d.app."+r.App, nil)
	}
	return r.App
}

func knownApp(app string) bool {
	return slices.Contains([]string{appIncident, appPatients, appPolice, appPatient, appTransport, appRequest, appText, appNode,
		"classification_catalogue", "resource_type_catalogue"}, app)
}

// title is the heading of an incident: the matter and how many are hurt.
func (v *screen) title(ctx context.Context, r Row) string {
	if r.Injured != nil && *r.Injured > 0 {
		return web.T(ctx, "console.p.what_injured", i18n.Args{"what": strings.TrimSuffix(v.what(ctx, r), "."), "n": *r.Injured})
	}
	return v.what(ctx, r)
}

// level is how a row is drawn.
func level(r Row) sign.Level {
	switch {
	case r.Nobody:
		return sign.L3
	case r.Class == ClassA:
		return sign.L3
	case r.Class == ClassB:
		return sign.L2
	}
	switch r.State {
	case Accepted, InProgress, Telephoned:
		return sign.OK
	}
	if r.Class == ClassC {
		return sign.L1
	}
	switch r.State {
	case Ringing, Opened, Rejected, Expired, Failed:
		return sign.L2
	case HandedOver, Delivered, Read:
		return sign.L1
	}
	return sign.None
}

// still are states whose moment matters, not how long they have lasted.
func still(s State) bool {
	switch s {
	case Accepted, InProgress, Rejected, Completed, Aborted, Telephoned, Withdrawn, Elsewhere, Noted:
		return true
	}
	return false
}

func (v *screen) state(ctx context.Context, r Row) string {
	if r.Nobody {
		return web.T(ctx, "console.p.row.nobody", nil)
	}
	return web.T(ctx, "console.p.row."+string(r.State), nil)
}

func way(ctx context.Context, r Row) string {
	key := "out"
	if r.Incoming {
		key = "in"
	}
	if r.App == appRequest {
		key += "_request"
	} else if still(r.State) {
		key += "_done"
	}
	n := neighbour(r.Neighbour)
	if r.More > 0 {
		n = web.T(ctx, "console.p.way.more", i18n.Args{"neighbour": n, "n": r.More})
	}
	return web.T(ctx, "console.p.way."+key, i18n.Args{"neighbour": n})
}

// note is the second thing to know about a row.
func (v *screen) note(ctx context.Context, r Row) string {
	var notes []string
	if r.Differs {
		notes = append(notes, web.T(ctx, "console.p.note.differs", nil))
	}
	if r.Late {
		notes = append(notes, web.T(ctx, "console.p.note.late", nil))
	}
	if r.Claim != nil && !still(r.State) {
		notes = append(notes, web.T(ctx, "console.p.note.claim", i18n.Args{"name": r.Claim.Name}))
	}
	if r.Records > 1 {
		notes = append(notes, web.T(ctx, "console.p.note.records", i18n.Args{"n": r.Records}))
	}
	if r.Unseen > 0 && r.State != Ringing {
		notes = append(notes, web.T(ctx, "console.p.note.unseen", i18n.Args{"n": r.Unseen}))
	}
	return strings.Join(notes, " · ")
}

func drill(k store.Kind) string {
	switch k {
	case store.Exercise:
		return "exercise"
	case store.Test:
		return "test"
	}
	return ""
}

// row is how the queue shows r. Which row is selected is not of the room but of
// one page.
func (v *screen) row(ctx context.Context, r Row, selected bool) ui.Row {
	since := r.Since
	if !still(r.State) && r.More == 0 {
		since = r.First // who waits has waited since then, however far the message came
	}
	return ui.Row{
		ID: "row-" + r.ID, URL: incidentURL(r.ID), Level: level(r), Title: v.what(ctx, r), Place: v.place(ctx, r.Place), Incoming: r.Incoming,
		Way: way(ctx, r), State: v.state(ctx, r), Since: since, Still: still(r.State), Ringing: r.State == Ringing, Selected: selected,
		Done: !r.State.Undecided() && level(r) == sign.None, Drill: drill(r.Kind), Note: v.note(ctx, r),
	}
}

func (v *screen) selected(r Row) bool { return v.incident != nil && v.incident.ID == r.ID }

// late is the age a hand-over had when it came in.
func late(ctx context.Context, i *Incident) string {
	for _, h := range i.Handovers {
		if h.Incoming && h.Late && !h.Sent.IsZero() {
			return web.T(ctx, "console.p.late", i18n.Args{"d": h.Stored.Sub(h.Sent), "time": web.DateTime(ctx, h.Sent)})
		}
	}
	return ""
}

// alarm is how the strip shows a.
func (v *screen) alarm(ctx context.Context, a Alarm) ui.Alarm {
	out := ui.Alarm{ID: "alarm-" + a.ID, Level: sign.L2, Title: web.T(ctx, "console.d.cause."+string(a.Cause), nil), Age: ui.Age(a.Raised)}
	if a.Class == ClassA {
		out.Level = sign.L3
	}
	out.Text = v.about(ctx, a)
	switch {
	case !a.Ended.IsZero() && a.Cause == CauseTelephone && a.EndedBy != "":
		out.Level, out.Title = sign.OK, web.T(ctx, "console.p.accepted_after_all", nil)
	case !a.Ended.IsZero():
		// Nothing is to be done but to note it: colour is for what needs a person.
		out.Level, out.Title = sign.None, web.T(ctx, "console.p.over", i18n.Args{"what": out.Title})
	case a.Cause == CauseTelephone:
		out.Age, out.Phone = ui.Age(a.Waiting), a.Phone
	case a.Cause == CauseIncoming || a.Cause == CauseUndecided:
		out.Age, out.Ringing = ui.Age(a.Waiting), true
	}
	return out
}

// top is the alarm that has the strip, with how many more there are.
func (v *screen) top(ctx context.Context, a Alarm) ui.Alarm {
	out := v.alarm(ctx, a)
	out.More = v.more(ctx, a)
	return out
}

// about says whom and what an alarm is about.
func (v *screen) about(ctx context.Context, a Alarm) string {
	parts := []string{neighbour(a.Neighbour)}
	if a.Cause == CauseLink {
		// The neighbour of a line is its node.
		for _, r := range v.rooms {
			if r.Peer == a.OID {
				parts = []string{neighbour(r.Neighbour)}
				break
			}
		}
	}
	what := v.pages.matter(web.Lang(ctx), v.org, Row{Neighbour: a.Neighbour, Type: a.Type, TypeKey: a.TypeKey, Headline: a.Headline, First: a.First})
	if a.Place != "" {
		what = strings.Join(compact([]string{strings.TrimSuffix(what, "."), v.place(ctx, a.Place)}), ", ")
	}
	if what != "" {
		parts = append(parts, what)
	}
	if a.Reason != "" {
		parts = append(parts, strings.TrimSuffix(web.T(ctx, a.Reason, nil), "."))
	}
	if a.Count > 1 {
		parts = append(parts, web.T(ctx, "console.p.repeats", i18n.Args{"n": a.Count}))
	}
	switch {
	case !a.Ended.IsZero() && a.EndedBy != "":
		parts = append(parts, a.EndedBy)
	case a.Ended.IsZero() && (a.Cause == CauseTelephone || a.Cause == CauseIncoming || a.Cause == CauseUndecided):
		parts = append(parts, web.T(ctx, "console.p.waits", nil))
	}
	return strings.Join(parts, " · ")
}

// urgent are the alarms of the strip: the first in full, another one that wants a
// person at once as a line, the rest as a number.
func (v *screen) urgent() (first, second *Alarm, more, accept int) {
	for n := range v.strip.Alarms {
		a := &v.strip.Alarms[n]
		switch {
		case a.Class == ClassC:
		case first == nil:
			first = a
		case second == nil && a.Class == ClassA && a.Ended.IsZero():
			second = a
		default:
			more += a.Count
			if a.Ended.IsZero() && (a.Cause == CauseIncoming || a.Cause == CauseUndecided || a.Cause == CauseTelephone) {
				accept++
			}
		}
	}
	return first, second, more, accept
}

func (v *screen) more(ctx context.Context, a Alarm) string {
	var parts []string
	if a.Cause == CauseTelephone && a.Ended.IsZero() {
		switch {
		case a.Phone == "":
			parts = append(parts, web.T(ctx, "console.p.phone.none", nil))
		case a.PhoneOld:
			parts = append(parts, web.T(ctx, "console.p.phone.old", nil))
		}
		if a.Step > 0 {
			parts = append(parts, web.T(ctx, "console.p.phone.tried", i18n.Args{"n": a.Step}))
		}
	}
	if _, _, more, accept := v.urgent(); more > 0 {
		key := "console.p.more"
		if accept == 0 {
			key = "console.p.more_only"
		}
		parts = append(parts, web.T(ctx, key, i18n.Args{"n": more, "accept": accept}))
	}
	return strings.Join(parts, " · ")
}

// deaf reports that consoles are open and none of them can be heard.
func (v *screen) deaf() bool {
	return len(v.consoles) > 0 && !slices.ContainsFunc(v.consoles, func(c Console) bool { return c.Armed })
}

// sorted are the neighbours for the foot: troubled ones first.
func (v *screen) sorted() (shown []Room, rest int) {
	rooms := slices.DeleteFunc(slices.Clone(v.rooms), func(r Room) bool { return r.Kind != store.Live })
	slices.SortStableFunc(rooms, func(a, b Room) int {
		switch x, y := v.troubled(a), v.troubled(b); {
		case x && !y:
			return -1
		case y && !x:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	if len(rooms) > footRooms {
		return rooms[:footRooms], len(rooms) - footRooms
	}
	return rooms, 0
}

func (v *screen) troubled(r Room) bool {
	return r.Link != "" || r.Status != "online" || r.Quarantined || v.stale(r)
}

func (v *screen) stale(r Room) bool {
	return !r.LastContact.IsZero() && v.queue.At.Sub(r.LastContact) > staleAfter && r.Peer != ""
}

func roomState(r Room) string {
	switch {
	case r.Quarantined:
		return "console.p.room.stopped"
	case r.Link != "":
		return "console.p.room.link"
	case r.Status == "online":
		return "console.p.room.online"
	case r.Status == "offline":
		return "console.p.room.offline"
	}
	return "console.p.room.unknown"
}

// receipts are the four steps of a hand-over of ours. The fourth is a person's.
func (v *screen) receipts(ctx context.Context, h Handover) []ui.Receipt {
	r := h.Receipt
	step := func(name string, done, since time.Time, detail string) ui.Receipt {
		out := ui.Receipt{Step: name, State: "done", At: done, Detail: detail}
		if done.IsZero() {
			out.State, out.At = "waiting", since
		}
		return out
	}
	stored := step("stored", r.Stored, time.Time{}, web.T(ctx, "console.p.receipt.disk", nil))
	delivered := step("delivered", r.Delivered, r.Stored, web.T(ctx, "console.p.receipt.node", i18n.Args{"neighbour": h.Name}))
	read := step("read", r.Read, r.Delivered, "")
	accepted := step("accepted", r.Accepted, r.Stored, "")
	if delivered.State == "waiting" && !r.NextTry.IsZero() {
		delivered.Detail = web.T(ctx, "console.p.receipt.next", i18n.Args{"time": v.when(ctx, r.NextTry)})
	}
	end := func(x *ui.Receipt, at time.Time, why string) { x.State, x.At, x.Detail = "failed", at, why }
	switch {
	case !r.Withdrawn.IsZero():
		for _, x := range []*ui.Receipt{&delivered, &read, &accepted} {
			if x.State == "waiting" {
				x.State, x.At, x.Detail = "none", time.Time{}, web.T(ctx, "console.p.receipt.withdrawn", nil)
			}
		}
	case !r.Failed.IsZero():
		broken := &read
		if r.Delivered.IsZero() {
			broken = &delivered
			read.State, read.At = "none", time.Time{}
		}
		end(broken, r.Failed, r.Cause)
	}
	switch {
	case h.State == Rejected:
		end(&accepted, h.DecidedAt, strings.Join(compact([]string{h.DecidedBy, h.Reason}), " · "))
	case h.State == Telephoned:
		accepted = ui.Receipt{Step: "accepted", State: "none", At: h.Since, Detail: web.T(ctx, "console.d.state.telephoned", nil)}
	case accepted.State == "done":
		accepted.Detail = r.AcceptedBy
	case accepted.State == "waiting" && !h.PhoneAt.IsZero():
		accepted.Late = h.Nobody || !v.queue.At.Before(h.PhoneAt)
		key := "console.p.receipt.until"
		if accepted.Late {
			key = "console.p.receipt.over"
		}
		accepted.Detail = web.T(ctx, key, i18n.Args{"time": v.when(ctx, h.PhoneAt)})
	}
	return []ui.Receipt{stored, delivered, read, accepted}
}

func compact(in []string) []string {
	return slices.DeleteFunc(in, func(s string) bool { return s == "" })
}

// facts of an incident, in the order they are asked for.
func (v *screen) facts(ctx context.Context, i *Incident) []ui.Fact {
	f := i.Facts
	if f == nil {
		return nil
	}
	var out []ui.Fact
	add := func(key string, values ...string) {
		if s := strings.Join(compact(values), ", "); s != "" {
			out = append(out, ui.Fact{Label: web.T(ctx, "console.p.fact."+key, nil), Text: s})
		}
	}
	if f.Injured != nil {
		add("injured", web.Number(ctx, int64(*f.Injured)))
	}
	if f.Danger {
		out = append(out, ui.Fact{Label: web.T(ctx, "console.p.fact.danger", nil), Value: ui.Level(sign.L3, web.T(ctx, "console.p.danger", nil))})
	}
	if f.ECall {
		add("ecall", web.T(ctx, "console.p.yes", nil))
	}
	add("type", v.pages.kinds(web.Lang(ctx), v.org, i.OID, f, i.First)...)
	add("place", v.place(ctx, f.Place))
	if f.Address != f.Place {
		add("address", f.Address)
	}
	add("object", f.Object)
	if f.HasPoint {
		out = append(out, ui.Fact{Label: web.T(ctx, "console.p.fact.point", nil), Value: pointFact(v.country(ctx, geo.Point{Lat: f.Lat, Lon: f.Lon}), coordinates(ctx, geo.Point{Lat: f.Lat, Lon: f.Lon}))})
	}
	add("pickup", f.Pickup)
	add("destination", f.Destination)
	for _, t := range []struct {
		key string
		at  time.Time
	}{{"pickup_at", f.PickupAt}, {"arrival_at", f.ArrivalAt}, {"began", f.Began}, {"sent", f.SentAt}} {
		if !t.at.IsZero() {
			add(t.key, web.DateTime(ctx, t.at))
		}
	}
	for _, g := range []struct {
		key    string
		people []Person
	}{{"caller", f.Callers}, {"patient", f.Patients}, {"victim", f.Victims}, {"accused", f.Accused}} {
		for _, who := range g.people {
			add(g.key, who.Name, who.Phone, who.Note)
		}
	}
	add("number", f.InternalID)
	add("additional", f.Additional)
	return out
}

// coordinates are written with four decimals and the reader's decimal sign.
func coordinates(ctx context.Context, p geo.Point) string {
	return web.Coordinates(ctx, geo.Format(p, geo.Decimal))
}

// country says which country a point lies in, and how sure that is.
func (v *screen) country(ctx context.Context, p geo.Point) string {
	return v.pages.country(ctx, p)
}

func (p *Pages) country(ctx context.Context, at geo.Point) string {
	if p.places == nil {
		return ""
	}
	l := p.places.Country(at)
	switch l.Confidence {
	case register.Sure:
		return web.T(ctx, "console.p.country."+string(l.Country), nil)
	case register.Unclear:
		names := []string{string(l.Country)}
		for _, c := range l.Others {
			names = append(names, string(c))
		}
		return web.T(ctx, "console.p.country.unclear", i18n.Args{"countries": strings.Join(names, ", ")})
	}
	return web.T(ctx, "console.p.country.outside", nil)
}

// button is one thing to do about an incident.
type button struct {
	ui.Button
	post bool
	of   string // the neighbour whose hand-over it is, where several wait
}

// byNeighbour puts buttons of one neighbour beside each other, under his name.
func byNeighbour(list []button) (groups [][]button) {
	for n, b := range list {
		if n > 0 && list[n-1].of == b.of {
			groups[len(groups)-1] = append(groups[len(groups)-1], b)
		} else {
			groups = append(groups, []button{b})
		}
	}
	return groups
}

// buttons are what can be done about the incident, the next step first.
func (v *screen) buttons(ctx context.Context) []button {
	i := v.incident
	var out []button
	base := incidentURL(i.ID)
	add := func(post bool, key, path, shortcut, icon string, kind ui.Kind, h *Handover) {
		of := ""
		b := ui.Button{ID: "do-" + strings.Trim(path, "/"), Text: web.T(ctx, "console.p.do."+key, nil), URL: base + path, Key: shortcut, Icon: icon, Kind: kind}
		if h != nil {
			b.ID += "-" + itoa(h.ID)
			if post {
				b.Hidden = []ui.Option{{Value: "handover", Text: itoa(h.ID)}}
			} else {
				b.URL += "?handover=" + itoa(h.ID)
			}
			if v.many(h) {
				of = v.whose(ctx, h)
			}
			for _, o := range out {
				if o.Key == shortcut {
					b.Key = ""
				}
				if o.Kind == ui.Primary && kind == ui.Primary {
					b.Kind = ui.Plain
				}
			}
		}
		out = append(out, button{b, post, of})
	}
	open, text := false, i.SharedID != ""
	for n := range i.Handovers {
		h := &i.Handovers[n]
		if h.Incoming {
			switch h.State {
			case Ringing:
				if !open {
					add(true, "open", "/open", "o", "check", ui.Primary, nil)
					open = true
				}
				fallthrough
			case Opened:
				if h.App == appRequest {
					b := button{Button: ui.Button{ID: "do-request-" + itoa(h.ID), Text: web.T(ctx, "console.p.do.answer", nil), URL: "/console/requests/" + itoa(h.ID), Key: "a", Icon: "check", Kind: ui.Primary}}
					if open {
						b.Kind = ui.Plain
					}
					out = append(out, b)
					continue
				}
				kind := ui.Primary
				if h.State == Ringing {
					kind = ui.Plain
				}
				add(false, "accept", "/accept", "a", "check", kind, h)
				add(false, "reject", "/reject", "r", "close", ui.Danger, h)
			case Accepted, InProgress:
				if h.App == appRequest {
					out = append(out, button{Button: ui.Button{ID: "do-request-" + itoa(h.ID), Text: web.T(ctx, "console.p.do.answer", nil), URL: "/console/requests/" + itoa(h.ID), Key: "a"}})
				}
				if h.State == Accepted {
					add(true, "begin", "/begin", "b", "", ui.Plain, h)
				}
				add(false, "complete", "/complete", "c", "check", ui.Plain, h)
				add(false, "abort", "/abort", "", "", ui.Quiet, h)
			}
			continue
		}
		if h.State.Undecided() && !h.Closed {
			if h.Nobody || h.State == Failed || h.State == Expired {
				add(false, "telephone", "/telephone", "t", "phone", ui.Plain, h)
			} else {
				add(false, "telephone", "/telephone", "t", "phone", ui.Quiet, h)
			}
			if h.Receipt.Delivered.IsZero() && h.Receipt.Failed.IsZero() {
				add(false, "withdraw", "/withdraw", "w", "withdraw", ui.Danger, h)
			}
		}
		if h.State == Rejected {
			add(false, "telephone", "/telephone", "t", "phone", ui.Plain, h)
		}
		if h.State == Telephoned {
			add(false, "complete", "/complete", "c", "check", ui.Plain, h)
		}
	}
	if !open && i.Unseen > 0 {
		add(true, "read", "/open", "o", "check", ui.Plain, nil)
	}
	if v.idle() {
		add(true, "close", "/close", "x", "check", ui.Plain, nil)
	}
	if text {
		out = append(out, button{Button: ui.Button{ID: "do-hand-on", Text: web.T(ctx, "console.p.do.hand_on", nil), URL: "/console/handover?incident=" + i.ID, Key: "p", Icon: "outgoing"}})
		add(false, "resources", "/resources", "s", "", ui.Plain, nil)
	}
	if i.State.Undecided() && i.Claim == nil {
		add(true, "claim", "/claim", "u", "person", ui.Quiet, nil)
	}
	return out
}

// many reports whether the name of the neighbour must stand on a button.
func (v *screen) many(h *Handover) bool {
	n := 0
	for _, o := range v.incident.Handovers {
		if o.Incoming == h.Incoming && !o.Closed {
			n++
		}
	}
	return n > 1
}

// whose is the neighbour of a hand-over, with its time where he has several.
func (v *screen) whose(ctx context.Context, h *Handover) string {
	for _, o := range v.incident.Handovers {
		if o.ID != h.ID && o.Name == h.Name && o.Incoming == h.Incoming && !o.Closed {
			return h.Name + ", " + web.Time(ctx, h.Stored)
		}
	}
	return h.Name
}

// idle reports whether nobody waits for the incident and it is still in the queue.
func (v *screen) idle() bool {
	open := false
	for _, h := range v.incident.Handovers {
		if h.Closed {
			continue
		}
		open = true
		if h.Incoming || h.State == HandedOver || h.State == Delivered || h.State == Read {
			return false
		}
	}
	return open
}

// undo is the hand-over that can still be taken back, for some seconds after it left.
func (v *screen) undo() *Handover {
	if v.incident == nil {
		return nil
	}
	for n := range v.incident.Handovers {
		h := &v.incident.Handovers[n]
		if !h.Incoming && h.State == HandedOver && h.Receipt.Delivered.IsZero() && v.queue.At.Sub(h.Stored) < undoFor {
			return h
		}
	}
	return nil
}

// undoFor is how long the page offers to take a hand-over back by one press;
// afterwards the button asks.
const undoFor = 10 * time.Second

// original is what stands beside a message: in whose words it is.
func (v *screen) message(ctx context.Context, e Entry) ui.Message {
	m := ui.Message{ID: "message-" + itoa(e.ID), Mine: !e.Incoming, From: neighbour(e.Neighbour), At: e.At, Lang: string(e.Lang)}
	if !e.Incoming {
		m.From = e.Author
		if m.From == "" {
			m.From = v.org.Name
		}
		m.From = web.T(ctx, "console.p.thread.to", i18n.Args{"name": m.From, "neighbour": neighbour(e.Neighbour)})
		switch {
		case !e.Receipt.Withdrawn.IsZero():
			m.Why = web.T(ctx, "console.p.receipt.withdrawn", nil)
		case !e.Receipt.Failed.IsZero():
			m.State, m.Why = "failed", e.Receipt.Cause
		case e.Receipt.Delivered.IsZero():
			m.State = "unsent"
		}
	}
	var lines, originals []string
	if e.Form != FormText {
		lines = append(lines, web.T(ctx, "console.d.form."+string(e.Form), nil))
	}
	for _, c := range e.Changes {
		lines = append(lines, v.changeLine(ctx, c))
	}
	for _, l := range e.Lines {
		if len(e.Changes) > 0 {
			break // said above, in the reader's language
		}
		if e.Form == FormConfirm || e.Form == FormTelephone {
			// The fixed first line says what it is, in the sender's language.
			if _, rest, more := strings.Cut(l.Text, "\n"); more {
				l.Text = rest
			} else {
				continue
			}
		}
		if l.Said == nil {
			lines = append(lines, wordsOf(ctx, l))
			continue
		}
		text, original := l.In(web.Lang(ctx))
		lines = append(lines, text)
		m.Source, m.OriginalLang = "phrasebook", string(l.Said.Lang)
		originals = append(originals, original)
	}
	m.Original = strings.Join(compact(originals), "\n")
	if e.Deleted {
		lines = append(lines, web.T(ctx, "console.p.deleted", nil))
	}
	m.Text = strings.Join(lines, "\n")
	if !e.free() || m.Source != "" || e.Deleted {
		m.Lang = "" // the first words are the reader's
	}
	if e.Late {
		m.Why = strings.Join(compact([]string{m.Why, web.T(ctx, "console.p.note.late", nil)}), " · ")
	}
	if e.Expired {
		m.Why = strings.Join(compact([]string{m.Why, web.T(ctx, "console.p.thread.expired", nil)}), " · ")
	}
	return m
}

// around is the piece of the map with the incident's point; false without one.
func (v *screen) around(ctx context.Context) (at register.View, mark register.Mark, ok bool) {
	i := v.incident
	if i == nil || i.Facts == nil || !i.Facts.HasPoint || v.pages.places == nil {
		return at, mark, false
	}
	p := geo.Point{Lat: i.Facts.Lat, Lon: i.Facts.Lon}
	return register.View{Centre: p, Metres: mapMetres, Width: mapWidth, Height: mapHeight, Time: v.queue.At, Title: web.T(ctx, "console.p.map.title", nil)},
		register.Mark{Point: p, Level: string(level(i.Row)), Label: v.what(ctx, i.Row)}, true
}

// still is the map for paper, moving the one on the screen; nil without a point.
func (v *screen) still(ctx context.Context) templ.Component {
	if at, mark, ok := v.around(ctx); ok {
		return v.pages.places.SVG(at, mark)
	}
	return nil
}

func (v *screen) moving(ctx context.Context) templ.Component {
	if at, mark, ok := v.around(ctx); ok {
		return v.pages.places.Map(at, v.pages.pointing(ctx), append(v.unitMarks(ctx), mark)...)
	}
	return nil
}

// The map shows the place and the neighbours' nearest towns.
const (
	mapMetres = 40_000
	mapWidth  = 528
	mapHeight = 380
)
