package trail

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// Actions of policy.cedar. The log has the second one too, and actionExport.
const (
	actionRead   = "audit.read"
	actionVerify = "audit.verify"
	actionExport = "audit.export"
)

const (
	root = "/audit"
	// pageLeaves are as many as are taken in at one look, printLeaves as many as fit
	// on some thirty sheets; the file has all.
	pageLeaves  = 50
	printLeaves = 1000
	// maxObject bounds what is searched for; the log's ids are shorter.
	maxObject = 200
	// writeTime is for one portion of the file on a slow line.
	writeTime = 30 * time.Second
)

// Nav returns the entry of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "audit", Key: "trail.nav", URL: root, Action: actionRead}}
}

// Register adds the page, the same for paper and as a file, and the verification.
func (p *Pages) Register(rt *web.Router) {
	rt.Page("GET "+root, web.May(actionRead), p.show)
	rt.Page("GET "+root+"/print", web.May(actionRead), p.print)
	rt.Page("GET "+root+".csv", web.May(actionRead), p.file)
	rt.Page("POST "+root+"/verify", web.May(actionVerify), p.verifyNow)
}

// sought is the form above the list as it was filled in.
type sought struct{ From, To, Person, Group, Object string }

func soughtOf(r *http.Request) sought {
	q := r.URL.Query()
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return sought{get("from"), get("to"), get("person"), get("group"), get("object")}
}

// query is the address of the same list; after is where it goes on.
func (s sought) query(after string) string {
	q := url.Values{}
	for name, v := range map[string]string{"from": s.From, "to": s.To, "person": s.Person, "group": s.Group, "object": s.Object, "after": after} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (s sought) clear() string {
	if s == (sought{}) {
		return ""
	}
	return root
}

// groupMessages are the steps of single messages, which no other group shows.
const groupMessages = "messages"

// group is what one can ask for: its actions begin with one of these.
type group struct {
	name    string
	actions []string
}

var groups = []group{
	{"people", []string{"identity."}}, {"console", []string{"console."}}, {"link", []string{"link."}}, {"phrase", []string{"phrase."}}, {"classification", []string{"classification."}}, {"agreement", []string{"agreement."}}, {"unit", []string{"unit."}},
	{"warning", []string{"warning.", "area."}}, {"river", []string{"river."}},
	{"notice", []string{"notice."}}, {"channel", []string{"channel."}},
	{"public", []string{"subscription.", "board."}},
	{"disclosure", []string{"disclosure."}}, {"gateway", []string{"gateway."}}, {"feed", []string{"feed."}},
	{"exchange", []string{"exchange."}}, {"node", []string{"node.", "health.", "job."}}, {"audit", []string{"audit."}}, {groupMessages, nil},
}

// zone is where the reader's clock hangs.
var zone = func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		panic(err) // i18n links the zone data
	}
	return z
}()

// moment reads a field of day and time, or a day alone. whole is how long what was
// written lasts: a minute or a day.
func moment(v string) (t time.Time, whole func(time.Time) time.Time, ok bool) {
	if t, err := time.ParseInLocation(time.DateOnly, v, zone); err == nil {
		return t, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }, true
	}
	for layout, length := range map[string]time.Duration{"2006-01-02T15:04": time.Minute, "2006-01-02T15:04:05": time.Second} {
		if t, err := time.ParseInLocation(layout, v, zone); err == nil {
			return t, func(t time.Time) time.Time { return t.Add(length) }, true
		}
	}
	return time.Time{}, nil, false
}

// filter is what the form asks of the log.
func (p *Pages) filter(ctx context.Context, known *registry, s sought) (f audit.Filter, errs ui.Errors, err error) {
	if s.From != "" {
		t, _, ok := moment(s.From)
		if f.From = t; !ok {
			errs.Add("from", web.T(ctx, "trail.wrong.time", nil))
		}
	}
	if s.To != "" {
		t, whole, ok := moment(s.To)
		if !ok {
			errs.Add("to", web.T(ctx, "trail.wrong.time", nil))
		} else if f.To = whole(t); !f.To.After(f.From) {
			errs.Add("to", web.T(ctx, "trail.wrong.order", nil))
		}
	}
	organisation := web.Who(ctx).Organisation
	if f.Person = s.Person; f.Person != "" && known.people[f.Person].Organisation != organisation {
		errs.Add("person", web.T(ctx, "trail.wrong.person", nil))
	}
	for _, g := range groups {
		if g.name == s.Group {
			f.Actions, f.Messages = g.actions, g.name == groupMessages
		}
	}
	if len(s.Object) > maxObject || !utf8.ValidString(s.Object) || strings.ContainsRune(s.Object, 0) {
		errs.Add("object", web.T(ctx, "trail.wrong.object", nil))
	}
	if s.Object == "" || len(errs) > 0 {
		return f, errs, nil
	}
	f.Objects = []string{s.Object}
	err = p.o.DB.Read(ctx, func(tx *store.Tx) error {
		more, err := p.o.Traces(tx, organisation, s.Object)
		f.Objects = append(f.Objects, more...)
		return err
	})
	return f, nil, err
}

// place reads where a list goes on.
func place(text string) (at audit.Place) {
	ms, id, _ := strings.Cut(text, "-")
	var errs [2]error
	at.At, errs[0] = strconv.ParseInt(ms, 10, 64)
	at.ID, errs[1] = strconv.ParseInt(id, 10, 64)
	if errors.Join(errs[:]...) != nil {
		return audit.Place{}
	}
	return at
}

// line is a leaf as it is read.
type line struct {
	audit.Leaf
	What string
	Who  string
	On   string // in words; "": Object is shown as it is
	URL  string // of the page of On
}

// line resolves the ids of a leaf for a reader of an organisation.
func (p *Pages) line(ctx context.Context, tx *store.Tx, r *registry, organisation string, l audit.Leaf) (line, error) {
	v := line{Leaf: l, What: l.Action}
	if key := "trail.action." + l.Action; p.o.Texts.Has(key) {
		v.What = web.T(ctx, key, nil)
	}
	switch l.Actor {
	case "":
		v.Who = "–"
	case actorNode, actorOperator:
		v.Who = web.T(ctx, "trail.actor."+l.Actor, nil)
	default:
		v.Who = p.name(ctx, r, l.Actor)
	}
	if on := p.name(ctx, r, l.Object); on != l.Object {
		v.On = on
		return v, nil
	}
	if p.o.IncidentURL == nil || !strings.HasPrefix(l.Action, "console.") && !strings.HasPrefix(l.Action, "exchange.") {
		return v, nil
	}
	incident, err := p.o.Incident(tx, organisation, l.Object)
	if err == nil && incident != "" {
		v.On, v.URL = web.T(ctx, "trail.incident", nil), p.o.IncidentURL(incident)
	}
	return v, err
}

// name is what people call somebody or a body, the id where nobody does.
func (p *Pages) name(ctx context.Context, r *registry, id string) string {
	if who, ok := r.people[id]; ok {
		if who.Name == "" {
			return web.T(ctx, "trail.actor.forgotten", nil)
		}
		return who.Name
	}
	if body, ok := r.bodies[id]; ok {
		return body.Name
	}
	return p.o.Neighbour(id)
}

// view is the page.
type view struct {
	Sought    sought
	Errors    ui.Errors
	People    []Person
	Lines     []line
	Next      string // address of older leaves
	Older     bool   // it is not the beginning of the list
	Paper     bool
	Cut       bool // there are more than stand on the paper
	Leaves    int64
	Head      audit.Head
	Headed    bool
	Headless  string // why the newest head cannot be read
	Checked   audit.Verification
	CheckedBy string
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	return p.list(w, r, pageLeaves, false)
}

func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	return p.list(w, r, printLeaves, true)
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request, limit int, paper bool) error {
	ctx, organisation := r.Context(), web.Who(r.Context()).Organisation
	known, err := p.registry(ctx)
	if err != nil {
		return err
	}
	v := view{Sought: soughtOf(r), People: known.colleagues(organisation), Paper: paper}
	f, errs, err := p.filter(ctx, known, v.Sought)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if v.Errors = errs; len(errs) > 0 {
		status = http.StatusUnprocessableEntity
	} else {
		after := place(r.URL.Query().Get("after"))
		v.Older = after != audit.Place{}
		leaves, more, err := p.page(ctx, known, organisation, f, after, limit)
		if err != nil {
			return err
		}
		if v.Cut = more; more && !paper {
			last := leaves[len(leaves)-1].Place()
			v.Next = root + v.Sought.query(fmt.Sprint(last.At, "-", last.ID))
		}
		if v.Lines, err = p.lines(ctx, known, organisation, leaves); err != nil {
			return err
		}
	}
	if err := p.state(ctx, known, &v); err != nil {
		return err
	}
	return web.Render(w, r, status, p.sheet(v))
}

func (p *Pages) lines(ctx context.Context, known *registry, organisation string, leaves []audit.Leaf) (lines []line, err error) {
	err = p.o.DB.Read(ctx, func(tx *store.Tx) error {
		for _, l := range leaves {
			v, err := p.line(ctx, tx, known, organisation, l)
			if err != nil {
				return err
			}
			lines = append(lines, v)
		}
		return nil
	})
	return lines, err
}

// state reads how the chain is. A newest head that cannot be read is damage to be
// shown, not a page to be refused.
func (p *Pages) state(ctx context.Context, known *registry, v *view) error {
	return p.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if v.Leaves, err = audit.Leaves(tx); err != nil {
			return err
		}
		if v.Head, v.Headed, err = p.o.Audit.Newest(tx); err != nil {
			v.Headless = err.Error()
			p.o.Log.Error("audit: newest head", "error", err)
		}
		v.Checked, err = p.o.Audit.LastVerification(tx)
		if who, ok := known.people[v.Checked.By]; ok && who.Organisation == web.Who(ctx).Organisation {
			v.CheckedBy = p.name(ctx, known, who.ID)
		}
		return err
	})
}

func (p *Pages) verifyNow(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := p.ask(ctx, web.Who(ctx).ID); err != nil {
		return err
	}
	p.settle(ctx)
	http.Redirect(w, r, root+"#chain", http.StatusSeeOther)
	return nil
}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// file is the whole filtered list as CSV (spec: RFC 4180), times in UTC, written as it
// is read. That somebody took it along is recorded.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	ctx, who := r.Context(), web.Who(r.Context())
	known, err := p.registry(ctx)
	if err != nil {
		return err
	}
	s := soughtOf(r)
	f, errs, err := p.filter(ctx, known, s)
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		http.Redirect(w, r, root+s.query(""), http.StatusSeeOther)
		return nil
	}
	detail, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := p.o.DB.Write(ctx, func(tx *store.Tx) error {
		return p.o.Audit.Append(tx, audit.Event{Action: actionExport, Actor: who.ID, Detail: detail})
	}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="audit.csv"`)
	return p.write(ctx, w, known, who.Organisation, f)
}

// write writes the file in portions.
func (p *Pages) write(ctx context.Context, w http.ResponseWriter, known *registry, organisation string, f audit.Filter) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.Comma, out.UseCRLF = ';', true
	head := []string{"trail.column.number", "trail.column.at", "trail.column.who", "trail.column.actor", "trail.column.what", "trail.column.action", "trail.column.on", "trail.column.object", "trail.column.times"}
	for i, key := range head {
		head[i] = web.T(ctx, key, nil)
	}
	if err := out.Write(head); err != nil {
		return err
	}
	line := http.NewResponseController(w)
	var portion []audit.Leaf
	flush := func() error {
		lines, err := p.lines(ctx, known, organisation, portion)
		if err != nil {
			return err
		}
		portion = portion[:0]
		for _, l := range lines {
			row := []string{strconv.FormatInt(l.ID, 10), l.At.Format(time.RFC3339), l.Who, l.Actor, l.What, l.Action, l.On, l.Object, strconv.FormatInt(l.Times, 10)}
			for i := range row {
				row[i] = cell(row[i])
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
		if err := line.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		out.Flush()
		return out.Error()
	}
	if err := p.each(ctx, known, organisation, f, audit.Place{}, scanned, func(l audit.Leaf) (bool, error) {
		if portion = append(portion, l); len(portion) < scanned {
			return true, nil
		}
		return true, flush()
	}); err != nil {
		return err
	}
	return flush()
}

// cell keeps a spreadsheet program from taking what somebody is called for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}
