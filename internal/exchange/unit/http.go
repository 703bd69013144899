package unit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// root is the address of the list.
const root = "/units"

// fileLimit bounds a form with a file.
const fileLimit = 4 << 20

// Pages are the screens of a service.
type Pages struct {
	*Service
	places *register.Register // nil: no map
	// Operator is the resource of who operates the node and so its settings; nil: each
	// organisation is its own operator.
	Operator web.Operator
}

// NewPages returns them.
func NewPages(s *Service, places *register.Register) *Pages {
	return &Pages{Service: s, places: places}
}

// Nav returns the module's task.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "units", Key: "unit.nav", URL: root, Action: mayRead}}
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read, status, edit, publish := web.May(mayRead), web.May(mayStatus), web.May(mayEdit), web.May(mayPublish)
	readOne, statusOne, editOne := web.MayOn(mayRead, p.object), web.MayOn(mayStatus, p.object), web.MayOn(mayEdit, p.object)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.list},
		{"GET " + root + ".csv", read, p.file},
		{"GET " + root + "/types", read, p.types},
		{"GET " + root + "/types.csv", read, p.typesFile},
		{"GET " + root + "/new", edit, p.newForm},
		{"POST " + root, edit, p.save},
		{"GET " + root + "/import", edit, p.importForm},
		{"POST " + root + "/import", edit, p.importFile},
		{"GET " + root + "/neighbours", read, p.neighbours},
		{"GET " + root + "/neighbours.csv", read, p.neighboursFile},
		{"POST " + root + "/neighbours/{oid}/follow", status, p.follow},
		{"POST " + root + "/neighbours/{oid}/unfollow", status, p.unfollow},
		{"GET " + root + "/publish", read, p.publishList},
		{"POST " + root + "/publish/settings", web.MayOn(mayPublish, p.Operator.On), p.settings},
		{"GET " + root + "/publish/{oid}", read, p.publishForm},
		{"POST " + root + "/publish/{oid}", publish, p.publish},
		{"GET " + root + "/unit/{id}", readOne, p.show},
		{"GET " + root + "/unit/{id}/edit", editOne, p.editForm},
		{"POST " + root + "/unit/{id}", editOne, p.save},
		{"POST " + root + "/unit/{id}/status", statusOne, p.status},
		{"GET " + root + "/unit/{id}/remove", editOne, p.removeForm},
		{"POST " + root + "/unit/{id}/remove", editOne, p.remove},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

// object is the unit of a request, for the rules.
func (p *Pages) object(r *http.Request) (access.Resource, error) {
	id := r.PathValue("id")
	org, err := p.owner(r.Context(), id)
	return access.Resource{Type: "Unit", ID: id, Attributes: map[string]any{"organisation": org}}, err
}

// maySet reports whether the reader may change the settings, which hold for the whole
// node.
func (p *Pages) maySet(ctx context.Context) bool {
	return p.Operator.Can(ctx, mayPublish)
}

func actor(r *http.Request) Actor {
	w := web.Who(r.Context())
	return Actor{Person: w.ID, Org: w.Organisation}
}

func may(ctx context.Context, action string) bool {
	return web.Can(ctx, action, web.Organisation(web.Who(ctx).Organisation))
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func address(id, more string) string { return root + "/unit/" + url.PathEscape(id) + more }

// filter is what a list is narrowed by.
type filter struct {
	Text, Type, Status string
}

func filterOf(r *http.Request) filter {
	q := r.URL.Query()
	return filter{clean(q.Get("q")), q.Get("type"), q.Get("status")}
}

func (f filter) any() bool { return f != filter{} }

func (f filter) query() string {
	if !f.any() {
		return ""
	}
	return "?" + url.Values{"q": {f.Text}, "type": {f.Type}, "status": {f.Status}}.Encode()
}

// unknownFilter is Unknown as a choice, since "" is all.
const unknownFilter = "unknown"

func (f filter) fits(typ string, status Status, words ...string) bool {
	if f.Type != "" && f.Type != typ || f.Status != "" && f.Status != cmp.Or(string(status), unknownFilter) {
		return false
	}
	return f.Text == "" || strings.Contains(strings.ToLower(strings.Join(words, " ")), strings.ToLower(f.Text))
}

func (p *Pages) filtered(r *http.Request) ([]*Unit, int, error) {
	all, err := p.List(r.Context(), web.Who(r.Context()).Organisation)
	n, f, lang := len(all), filterOf(r), web.Lang(r.Context())
	return slices.DeleteFunc(all, func(u *Unit) bool {
		return !f.fits(u.Type, u.Status, u.CallSign, u.Station, u.Skills, Label(lang, u.Type))
	}), n, err
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	units, all, err := p.filtered(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.listPage(units, all, filterOf(r)))
}

func attach(w http.ResponseWriter, name string, body []byte) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err := w.Write(body)
	return err
}

// file is the list as CSV (spec: RFC 4180) that can be read in again.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	units, _, err := p.filtered(r)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := WriteCSV(&out, units); err != nil {
		return err
	}
	return attach(w, "units.csv", out.Bytes())
}

func (p *Pages) types(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, typesPage())
}

func (p *Pages) typesFile(w http.ResponseWriter, r *http.Request) error {
	return attach(w, "unit-types.csv", append([]byte(byteOrderMark), typesFile...))
}

// form is what was typed with what is wrong in it.
type form struct {
	ID     string // "": a new unit
	Values map[string]string
	Errors ui.Errors
}

func (f form) of(name string) string { return f.Values[name] }

var fields = []string{"call_sign", "type", "station", "home", "position", "status", "ready", "crew", "skills", "kind", "version"}

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.formPage(form{Values: map[string]string{"kind": string(store.Live), "status": string(NotReady)}}))
}

func written(p *geo.Point) string {
	if p == nil {
		return ""
	}
	return strconv.FormatFloat(p.Lat, 'f', 6, 64) + ", " + strconv.FormatFloat(p.Lon, 'f', 6, 64)
}

func (p *Pages) editForm(w http.ResponseWriter, r *http.Request) error {
	u, _, err := p.Get(r.Context(), web.Who(r.Context()).Organisation, r.PathValue("id"))
	if err != nil {
		return err
	}
	v := map[string]string{"call_sign": u.CallSign, "type": u.Type, "station": u.Station, "home": written(u.Home), "status": string(u.Status),
		"skills": u.Skills, "kind": string(u.Kind), "version": strconv.FormatInt(u.Version, 10)}
	if u.Reported != nil {
		v["position"] = written(&u.Reported.Point)
	}
	for name, n := range map[string]int{"ready": u.Ready, "crew": u.Crew} {
		if n >= 0 {
			v[name] = strconv.Itoa(n)
		}
	}
	return web.Render(w, r, http.StatusOK, p.formPage(form{ID: u.ID, Values: v}))
}

// pointIn reads a point in any notation people write; nil for none.
func pointIn(text string) (*geo.Point, bool) {
	if clean(text) == "" {
		return nil, true
	}
	found, err := geo.Parse(text)
	if err != nil || len(found) == 0 {
		return nil, false
	}
	return &found[0].Point, true
}

func (p *Pages) save(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	f := form{ID: r.PathValue("id"), Values: map[string]string{}}
	for _, n := range fields {
		f.Values[n] = r.PostFormValue(n)
	}
	u := Unit{ID: f.ID, CallSign: f.of("call_sign"), Type: f.of("type"), Station: f.of("station"), Skills: f.of("skills"),
		Status: Status(cmp.Or(f.of("status"), string(NotReady))), Kind: store.Kind(f.of("kind"))}
	u.Version, _ = strconv.ParseInt(f.of("version"), 10, 64)
	var ok bool
	wrong := func(ok bool, field, key string) {
		if !ok {
			f.Errors.Add(field, t(ctx, key))
		}
	}
	u.Home, ok = pointIn(f.of("home"))
	wrong(ok, "home", "unit.fault.point")
	at, ok := pointIn(f.of("position"))
	wrong(ok, "position", "unit.fault.point")
	u.Ready, ok = number(clean(f.of("ready")))
	wrong(ok, "ready", "unit.fault.ready")
	u.Crew, ok = number(clean(f.of("crew")))
	wrong(ok, "crew", "unit.fault.crew")
	if at != nil {
		u.Reported = &Position{Point: *at, At: p.o.Clock.Now(), Source: FromPerson}
		// What was reported by a system and not touched here keeps its age.
		if old, _, err := p.Get(ctx, actor(r).Org, f.ID); f.ID != "" && err == nil && old.Reported != nil && written(&old.Reported.Point) == clean(f.of("position")) {
			u.Reported = old.Reported
		}
	}
	if len(f.Errors) == 0 {
		id, faults, err := p.Save(ctx, actor(r), u)
		if err != nil {
			return p.conflict(w, r, err, f.ID)
		}
		if len(faults) == 0 {
			return see(w, r, address(id, ""))
		}
		for _, x := range faults {
			f.Errors.Add(x.Field, t(ctx, x.Key))
		}
	}
	return web.Render(w, r, http.StatusUnprocessableEntity, p.formPage(f))
}

// conflict shows what another person did in the meantime, with the way back.
func (p *Pages) conflict(w http.ResponseWriter, r *http.Request, err error, id string) error {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || e.Kind != problem.Conflict {
		return err
	}
	return web.Render(w, r, http.StatusConflict, conflictPage(explained(r.Context(), e), id))
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	u, history, err := p.Get(r.Context(), web.Who(r.Context()).Organisation, r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.unitPage(u, history))
}

func (p *Pages) status(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	id := r.PathValue("id")
	version, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil || version <= 0 {
		return problem.New("unit.status", problem.Invalid, "unit.fault.status", nil)
	}
	if err := p.SetStatus(r.Context(), actor(r), id, Status(r.PostFormValue("status")), version); err != nil {
		return p.conflict(w, r, err, id)
	}
	if r.PostFormValue("back") == "list" {
		return see(w, r, root+"#unit-"+id)
	}
	return see(w, r, address(id, ""))
}

func (p *Pages) removeForm(w http.ResponseWriter, r *http.Request) error {
	u, _, err := p.Get(r.Context(), web.Who(r.Context()).Organisation, r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, removePage(u))
}

func (p *Pages) remove(w http.ResponseWriter, r *http.Request) error {
	if err := p.Remove(r.Context(), actor(r), r.PathValue("id")); err != nil {
		return err
	}
	return see(w, r, root)
}

func (p *Pages) importForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, importPage(nil, ""))
}

func (p *Pages) importFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, fileLimit)
	var wrong ui.Errors
	file, _, err := r.FormFile("file")
	if err != nil {
		wrong.Add("file", t(ctx, "unit.fault.csv_none"))
		return web.Render(w, r, http.StatusUnprocessableEntity, importPage(wrong, ""))
	}
	defer file.Close()
	raw, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	added, changed, err := p.Import(ctx, actor(r), raw)
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Kind == problem.Invalid {
		wrong.Add("file", explained(ctx, e))
		return web.Render(w, r, http.StatusUnprocessableEntity, importPage(wrong, ""))
	}
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, importPage(nil, web.T(ctx, "unit.import.done", i18n.Args{"added": added, "changed": changed})))
}

// explained is a refusal in the reader's language, with the keys in its arguments.
func explained(ctx context.Context, e *problem.Error) string {
	args := i18n.Args{}
	for k, v := range e.Args {
		if key, ok := v.(string); ok && strings.HasPrefix(key, "unit.") {
			v = t(ctx, key)
		}
		args[k] = v
	}
	return web.T(ctx, e.Key, args)
}

// peer is a neighbour with how units go between it and the reader's room.
type peer struct {
	exchange.Neighbour
	Follow  *follow // nil: not wanted
	Told    bool    // it asked to be told of ours, and is
	Rules   Visibility
	Shown   int  // of ours
	Can     bool // its record names the apps that units travel in
	Reached bool // an own address of its kind is there
}

// peers are the neighbours of a room, the nodes' own desks of it left out.
func (p *Pages) peers(ctx context.Context, org Org) (all []peer, set Settings, err error) {
	units, err := p.List(ctx, org.ID)
	if err != nil {
		return nil, set, err
	}
	err = p.o.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		if set, err = settings(tx); err != nil {
			return err
		}
		neighbours, err := p.o.Node.Neighbours(tx)
		if err != nil {
			return err
		}
		follows, err := followsOf(tx, org.ID)
		if err != nil {
			return err
		}
		subscribers, err := subscribersOf(tx, org.ID)
		if err != nil {
			return err
		}
		for _, n := range neighbours {
			if slices.Contains(org.Addresses, n.OID) {
				continue
			}
			x := peer{Neighbour: n, Can: takes(&n), Reached: p.from(org, n.OID) != ""}
			for i := range follows {
				if follows[i].other == n.OID {
					x.Follow = &follows[i]
				}
			}
			x.Told = slices.ContainsFunc(subscribers, func(s subscriber) bool { return s.other == n.OID && p.o.Clock.Now().Before(s.until) })
			if x.Rules, err = visibilityOf(tx, org.ID, n.OID); err != nil {
				return err
			}
			x.Rules.Person = p.name(tx, x.Rules.Person)
			x.Shown = len(Preview(units, n.Kind, x.Rules.Rules))
			all = append(all, x)
		}
		return nil
	})
	return all, set, problem.Wrap("unit.peers", err)
}

func (p *Pages) org(r *http.Request) (Org, error) {
	return p.organisation(r.Context(), web.Who(r.Context()).Organisation)
}

// offers are what neighbours show, narrowed by the filter.
func (p *Pages) offers(r *http.Request) ([]Offer, error) {
	ctx := r.Context()
	all, err := p.SeenBy(ctx, web.Who(ctx).Organisation)
	f, lang := filterOf(r), web.Lang(ctx)
	return slices.DeleteFunc(all, func(o Offer) bool {
		return !f.fits(o.Type, o.State, o.CallSign, o.Station, o.Skills, o.Neighbour, o.TypeName(lang))
	}), err
}

// TypeName is the word for the unit's type: ours in the reader's language, else the
// neighbour's.
func (s *Seen) TypeName(l i18n.Lang) string {
	if _, ok := TypeOf(s.Type); ok {
		return Label(l, s.Type)
	}
	return cmp.Or(s.Label, s.Type)
}

func (p *Pages) neighbours(w http.ResponseWriter, r *http.Request) error {
	org, err := p.org(r)
	if err != nil {
		return err
	}
	peers, set, err := p.peers(r.Context(), org)
	if err != nil {
		return err
	}
	offers, err := p.offers(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.neighboursPage(peers, offers, set, filterOf(r)))
}

func (p *Pages) neighboursFile(w http.ResponseWriter, r *http.Request) error {
	offers, err := p.offers(r)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	rows := [][]string{{"neighbour", "call_sign", "type", "status", "as_of", "lat", "lon", "position_error_m", "position_at", "ready_min"}}
	stamp := func(seconds int64) string {
		if seconds == 0 {
			return ""
		}
		return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	}
	for _, o := range offers {
		line := []string{cell(o.Neighbour), cell(o.CallSign), cell(o.Type), cmp.Or(string(o.State), unknownFilter), o.Heard.UTC().Format(time.RFC3339), "", "", "", "", ""}
		if s := o.Spot; s != nil {
			line[5], line[6], line[7], line[8] = strconv.FormatFloat(s.Lat, 'f', 6, 64), strconv.FormatFloat(s.Lon, 'f', 6, 64), strconv.Itoa(s.Error), stamp(s.At)
		}
		if o.Ready != nil {
			line[9] = strconv.Itoa(*o.Ready)
		}
		rows = append(rows, line)
	}
	if err := c.WriteAll(rows); err != nil {
		return err
	}
	return attach(w, "neighbours-units.csv", out.Bytes())
}

func (p *Pages) follow(w http.ResponseWriter, r *http.Request) error {
	if err := p.Follow(r.Context(), actor(r), r.PathValue("oid")); err != nil {
		return err
	}
	return see(w, r, root+"/neighbours")
}

func (p *Pages) unfollow(w http.ResponseWriter, r *http.Request) error {
	if err := p.Unfollow(r.Context(), actor(r), r.PathValue("oid")); err != nil {
		return err
	}
	return see(w, r, root+"/neighbours")
}

func (p *Pages) publishList(w http.ResponseWriter, r *http.Request) error {
	org, err := p.org(r)
	if err != nil {
		return err
	}
	peers, set, err := p.peers(r.Context(), org)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.publishListPage(peers, set, settingsForm(r.Context(), set)))
}

func settingsForm(ctx context.Context, set Settings) form {
	return form{Values: map[string]string{
		"factor": decimal(ctx, set.Factor, -1), "stale": strconv.Itoa(int(set.Stale.Minutes())), "every": strconv.Itoa(int(set.Every.Seconds())),
	}}
}

func (p *Pages) settings(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	f := form{Values: map[string]string{}}
	value := func(name string) float64 {
		f.Values[name] = r.PostFormValue(name)
		v, err := strconv.ParseFloat(strings.ReplaceAll(clean(f.of(name)), ",", "."), 64)
		if err != nil {
			return 0
		}
		return v
	}
	set := Settings{Factor: value("factor"), Stale: time.Duration(value("stale") * float64(time.Minute)), Every: time.Duration(value("every") * float64(time.Second))}
	faults, err := p.SetSettings(ctx, actor(r), set)
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		return see(w, r, root+"/publish")
	}
	for _, x := range faults {
		f.Errors.Add(x.Field, t(ctx, x.Key))
	}
	org, err := p.org(r)
	if err != nil {
		return err
	}
	peers, set, err := p.peers(ctx, org)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusUnprocessableEntity, p.publishListPage(peers, set, f))
}

// scope is a row of the form of visibility: all units, those of a type, or one.
type scope struct {
	Name  string // prefix of its fields
	Label string
	Own   bool // has a rule of its own; else the one above holds
	Rule  Rule
}

// scopes are the rows for an organisation's units.
func scopes(ctx context.Context, units []*Unit, r Rules) []scope {
	all := scope{Name: "all", Label: t(ctx, "unit.publish.all"), Own: true}
	if r.All != nil {
		all.Rule = *r.All
	}
	rows := []scope{all}
	used := map[string]bool{}
	for _, u := range units {
		used[u.Type] = true
	}
	for _, typ := range Types() {
		if used[typ.Code] {
			rule, own := r.Types[typ.Code]
			rows = append(rows, scope{Name: "type-" + typ.Code, Label: typ.Labels[web.Lang(ctx)], Own: own, Rule: rule})
		}
	}
	for _, u := range units {
		rule, own := r.Units[u.ID]
		rows = append(rows, scope{Name: "unit-" + u.ID, Label: u.CallSign, Own: own, Rule: rule})
	}
	return rows
}

// rulesIn reads the form; rows it does not have keep no rule.
func rulesIn(r *http.Request, units []*Unit) Rules {
	read := func(name string) (Rule, bool) {
		show := r.PostFormValue(name + "-show")
		rule := Rule{Show: show == "yes", Status: r.PostFormValue(name+"-status") != "", Position: Detail(r.PostFormValue(name + "-position")),
			Ready: r.PostFormValue(name+"-ready") != "", Crew: r.PostFormValue(name+"-crew") != ""}
		if rule.Position != Exact && rule.Position != Coarse {
			rule.Position = Hidden
		}
		if !rule.Show {
			rule = Rule{}
		}
		return rule, show == "yes" || show == "no"
	}
	out := Rules{Types: map[string]Rule{}, Units: map[string]Rule{}}
	if all, ok := read("all"); ok && all.Show {
		out.All = &all
	}
	for _, typ := range Types() {
		if rule, ok := read("type-" + typ.Code); ok {
			out.Types[typ.Code] = rule
		}
	}
	for _, u := range units {
		if rule, ok := read("unit-" + u.ID); ok {
			out.Units[u.ID] = rule
		}
	}
	return out
}

// visible is the page of one neighbour's visibility.
type visible struct {
	Peer    peer
	Scopes  []scope
	Version int64
	Preview []Published
	Typed   bool // the preview is of what was typed, which is not saved
}

func (p *Pages) visible(r *http.Request) (v visible, units []*Unit, err error) {
	ctx := r.Context()
	org, err := p.org(r)
	if err != nil {
		return v, nil, err
	}
	peers, _, err := p.peers(ctx, org)
	if err != nil {
		return v, nil, err
	}
	n := slices.IndexFunc(peers, func(x peer) bool { return x.OID == r.PathValue("oid") })
	if n < 0 {
		return v, nil, problem.New("unit.visible", problem.NotFound, "unit.fault.no_neighbour", nil)
	}
	if units, err = p.List(ctx, org.ID); err != nil {
		return v, nil, err
	}
	units = slices.DeleteFunc(units, func(u *Unit) bool { return u.Kind != peers[n].Kind })
	rules := peers[n].Rules
	return visible{Peer: peers[n], Scopes: scopes(ctx, units, rules.Rules), Version: rules.Version, Preview: Preview(units, peers[n].Kind, rules.Rules)}, units, nil
}

func (p *Pages) publishForm(w http.ResponseWriter, r *http.Request) error {
	v, _, err := p.visible(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.publishPage(v))
}

func (p *Pages) publish(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, fileLimit)
	v, units, err := p.visible(r)
	if err != nil {
		return err
	}
	rules := rulesIn(r, units)
	version, _ := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if r.PostFormValue("do") == "preview" {
		v.Scopes, v.Version, v.Preview, v.Typed = scopes(ctx, units, rules), version, Preview(units, v.Peer.Kind, rules), true
		return web.Render(w, r, http.StatusOK, p.publishPage(v))
	}
	if err := p.SetVisibility(ctx, actor(r), v.Peer.OID, rules, version); err != nil {
		return p.conflict(w, r, err, "")
	}
	return see(w, r, root+"/publish/"+url.PathEscape(v.Peer.OID))
}

// Level is the sign of a status.
func (s Status) Level() sign.Level {
	switch s {
	case Free:
		return sign.OK
	case Alarmed, OnTheWay, AtScene, Return:
		return sign.L1
	}
	return sign.None
}

// Word is a status in the reader's language.
func (s Status) Word(ctx context.Context) string {
	return t(ctx, "unit.status."+cmp.Or(string(s), unknownFilter))
}
