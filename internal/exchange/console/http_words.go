package console

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// What the templates ask for: words, levels and choices made of the domain's values.

func (v *screen) first() *Alarm {
	a, _, _, _ := v.urgent()
	return a
}

func (v *screen) second() *Alarm {
	_, a, _, _ := v.urgent()
	return a
}

func keyIf(has bool, key string) string {
	if has {
		return key
	}
	return ""
}

// seeKey names what a press on an alarm does: reading it, or noting that it is over.
func seeKey(a Alarm) string {
	switch {
	case !a.Ended.IsZero():
		return "console.p.do.noted"
	case a.Cause == CauseMessage || a.Cause == CauseAnswer || a.Cause == CauseEnd:
		return "console.p.do.read"
	}
	return "console.p.do.seen"
}

// seeFields carry the alarms merged into one, and where the press leads.
func seeFields(a Alarm) []ui.Option {
	out := []ui.Option{{Value: "incident", Text: a.Incident}}
	for _, id := range a.Merged {
		out = append(out, ui.Option{Value: "also", Text: id})
	}
	return out
}

func orUnknown(ctx context.Context, s string) string {
	if s == "" {
		return web.T(ctx, "console.p.unknown", nil)
	}
	return s
}

func countOf(ctx context.Context, n *int) string {
	if n == nil {
		return ""
	}
	return web.Number(ctx, int64(*n))
}

func newest(events []Event) []Event {
	out := slices.Clone(events)
	slices.Reverse(out)
	return out
}

// when writes a moment: the time of day, with the day only when it is not today.
func (v *screen) when(ctx context.Context, t time.Time) string {
	if startOfDay(t).Equal(startOfDay(v.queue.At)) {
		return web.Time(ctx, t)
	}
	return web.DateTime(ctx, t)
}

// line is what stands above an incident's heading: since when, which number.
func (v *screen) line(ctx context.Context) string {
	i := v.incident
	key := "console.p.line.out"
	if i.Incoming {
		key = "console.p.line.in"
	}
	parts := []string{web.T(ctx, key, i18n.Args{"time": v.when(ctx, i.First), "neighbour": neighbour(i.Neighbour)})}
	if i.Facts != nil && i.Facts.InternalID != "" {
		parts = append(parts, web.T(ctx, "console.p.line.number", i18n.Args{"number": i.Facts.InternalID}))
	}
	return strings.Join(parts, " · ")
}

func cameLevel(h Handover) sign.Level {
	switch h.State {
	case Accepted, InProgress:
		return sign.OK
	case Ringing, Opened:
		return sign.L2
	}
	return sign.None
}

// decided says who decided or opened a hand-over that came in, and when.
func (v *screen) decided(ctx context.Context, h Handover) string {
	switch {
	case !h.DecidedAt.IsZero() && h.DecidedBy != "":
		return web.T(ctx, "console.p.by", i18n.Args{"name": h.DecidedBy, "time": v.when(ctx, h.DecidedAt)})
	case h.State == Opened && h.OpenedBy != "":
		return web.T(ctx, "console.p.by", i18n.Args{"name": h.OpenedBy, "time": v.when(ctx, h.OpenedAt)})
	}
	return ""
}

// needsPhone reports whether the desk's number must stand beside a hand-over of ours.
func (v *screen) needsPhone(h Handover) bool {
	return !h.Incoming && !h.Closed && (h.Nobody || h.State == Failed || h.State == Expired || h.State == Rejected)
}

// confirmed is what the accepting side says about place and number of injured.
func confirmed(ctx context.Context, h Handover) string {
	return web.T(ctx, "console.p.confirmed", i18n.Args{"place": orUnknown(ctx, h.Confirmed.Place), "injured": orUnknown(ctx, countOf(ctx, h.Confirmed.Injured))})
}

func resourceLevel(status string) sign.Level {
	switch status {
	case ResourceGranted, ResourceDeployed:
		return sign.OK
	case ResourceRefused:
		return sign.L2
	}
	return sign.L1
}

func resourceName(r Request) string {
	switch {
	case r.Name == "":
		return r.Type
	case r.Type == "" || same(r.Name, r.Type):
		return r.Name
	}
	return r.Name + " (" + r.Type + ")"
}

func unitNames(r Resource) string {
	units := r.Granted
	if len(r.Deployed) > 0 {
		units = r.Deployed
	}
	var out []string
	for _, u := range units {
		out = append(out, u.Name)
	}
	return strings.Join(out, ", ")
}

func (v *screen) resource(h *Handover, q Request) *Resource {
	for n := range v.incident.Resources {
		if r := &v.incident.Resources[n]; r.Handover == h.ID && r.ID == q.ID {
			return r
		}
	}
	return nil
}

func (v *screen) roomLevel(r Room) sign.Level {
	switch {
	case r.Quarantined || r.Link != "" || r.Status == "offline":
		return sign.L2
	case v.stale(r) || r.Status != "online":
		return sign.Stale
	}
	return sign.OK
}

func emptyWhy(ctx context.Context, v *screen) string {
	if v.last == nil {
		return ""
	}
	return web.T(ctx, "console.p.empty.last", i18n.Args{"time": web.Time(ctx, v.last.Since)})
}

// partners are the neighbours a message about the incident goes to.
func (v *screen) partners() string {
	var out []string
	for _, n := range v.incident.Partners {
		out = append(out, neighbour(n))
	}
	return strings.Join(out, ", ")
}

func (c compose) errors() ui.Errors {
	var e ui.Errors
	if c.Error != "" {
		e.Add("text", c.Error)
	}
	return e
}

// roomFacts are the neighbours with their desk numbers, for the sheet of paper.
func roomFacts(ctx context.Context, v *screen) []ui.Fact {
	var out []ui.Fact
	for _, r := range v.rooms {
		if r.Kind != store.Live {
			continue
		}
		phone := r.Phone
		if phone == "" {
			phone = web.T(ctx, "console.p.phone.none", nil)
		}
		out = append(out, ui.Fact{Label: neighbour(r.Neighbour), Text: phone + " · " + web.T(ctx, roomState(r), nil)})
	}
	return out
}

func helpKeys(ctx context.Context) []ui.Fact {
	var out []ui.Fact
	for _, k := range []struct{ key, text string }{
		{"F9", "f9"}, {"F8", "f8"}, {"F7", "f7"}, {"M", "mute"}, {"J / K", "jk"}, {"Enter", "enter"}, {"O", "open"}, {"A", "accept"}, {"R", "reject"},
		{"Z", "message"}, {"T", "telephone"}, {"N", "new"}, {"P", "hand_on"}, {"S", "resources"}, {"V", "phrase"}, {"/", "filter"}, {"?", "keys"},
	} {
		out = append(out, ui.Fact{Label: k.key, Text: web.T(ctx, "console.p.key."+k.text, nil)})
	}
	out = append(out, ui.Fact{Label: "E", Text: web.T(ctx, "console.p.do.change", nil)}, ui.Fact{Label: "I", Text: web.T(ctx, "unit.near.ask", nil)})
	return out
}

func helpAlarms(ctx context.Context) []ui.Fact {
	var out []ui.Fact
	for _, c := range []Cause{CauseTelephone, CauseIncoming, CauseUndecided, CauseUndelivered, CauseLink, CauseAnswer, CauseMessage, CauseEnd} {
		out = append(out, ui.Fact{Label: web.T(ctx, "console.d.cause."+string(c), nil), Text: web.T(ctx, "console.d.card."+string(c), nil)})
	}
	return out
}

func helpReceipts(ctx context.Context) []ui.Fact {
	var out []ui.Fact
	for _, step := range []string{"stored", "delivered", "read", "accepted"} {
		out = append(out, ui.Fact{Label: web.T(ctx, "ui.receipt."+step+".done", nil), Text: web.T(ctx, "console.p.help.receipt."+step, nil)})
	}
	return out
}

// numberOf is the number to call now: the alarm's, which goes on to the next after
// "no answer", else the desk's first.
func numberOf(x step, a *Alarm) string {
	if a != nil && a.Phone != "" {
		return a.Phone
	}
	return x.Handover.Phone
}

func callURL(v *screen, a *Alarm) string {
	if a != nil {
		return alarmURL(a.ID) + "/telephone"
	}
	return incidentURL(v.incident.ID) + "/telephone"
}

// receivers are the neighbours something can be sent to: about an incident those of
// its kind. Who cannot be reached stays a choice: the message waits, and "telephone
// now" comes at once.
func (v *screen) receivers(ctx context.Context, app string, chosen []string) []ui.Option {
	var out []ui.Option
	for _, r := range v.rooms {
		if v.incident != nil && r.Kind != v.incident.Kind {
			continue
		}
		o := ui.Option{Value: r.OID, Text: neighbour(r.Neighbour), Hint: web.T(ctx, roomState(r), nil), Selected: slices.Contains(chosen, r.OID)}
		if d := drill(r.Kind); d != "" {
			o.Text += " · " + web.T(ctx, "web.drill."+d+".word", nil)
		}
		if len(r.Apps) > 0 && !slices.Contains(r.Apps, app) {
			o.Hint += " · " + web.T(ctx, "console.p.to.no_app", nil)
		}
		out = append(out, o)
	}
	return out
}

// of are the answers of one wanted resource: the form is the same for each.
func (a answers) of(request string) answers {
	if a.Request == request {
		return a
	}
	return answers{}
}

func answerOptions(ctx context.Context, chosen string) []ui.Option {
	var out []ui.Option
	for _, s := range []string{ResourceGranted, ResourceDeployed, ResourceRefused} {
		out = append(out, ui.Option{Value: s, Text: web.T(ctx, "console.d.resource."+s, nil), Selected: s == chosen})
	}
	return out
}

func classLevel(c Class) sign.Level {
	switch c {
	case ClassA:
		return sign.L3
	case ClassB:
		return sign.L2
	}
	return sign.L1
}

func shelveOptions(ctx context.Context, minutes int) []ui.Option {
	var out []ui.Option
	for _, d := range ShelveTimes {
		n := int(d / time.Minute)
		out = append(out, ui.Option{Value: strconv.Itoa(n), Text: web.T(ctx, "console.p.minutes", i18n.Args{"n": n}), Selected: n == minutes})
	}
	return out
}

func testedLevel(s Shift) sign.Level {
	if s.Tested.IsZero() {
		return sign.L2
	}
	return sign.OK
}

func testedText(ctx context.Context, s Shift) string {
	if s.Tested.IsZero() {
		return web.T(ctx, "console.p.shift.not_heard", nil)
	}
	return web.T(ctx, "console.p.shift.heard_at", i18n.Args{"time": web.Time(ctx, s.Tested)})
}

// successors are those a shift can be handed over to.
func successors(ctx context.Context, d duty) []ui.Option {
	out := []ui.Option{{Value: "", Text: web.T(ctx, "console.p.shift.nobody_to", nil), Selected: d.To == ""}}
	for _, c := range d.Colleagues {
		out = append(out, ui.Option{Value: c.ID, Text: c.Name, Selected: c.ID == d.To})
	}
	return out
}

// reasonOptions are the choices of a rejection.
func reasonOptions(ctx context.Context, chosen string) []ui.Option {
	var out []ui.Option
	for _, k := range append(reasons[:len(reasons):len(reasons)], ownReason) {
		out = append(out, ui.Option{Value: k, Text: web.T(ctx, "console.p.reason."+k, nil), Selected: k == chosen})
	}
	return out
}

// inLanguage draws a part in the language of somebody else.
func inLanguage(l i18n.Lang, c templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error { return c.Render(web.Region(ctx, l), w) })
}
