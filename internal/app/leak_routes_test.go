package app

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/exchange/adapter/all"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/czizs"
	"trojmezi/internal/simulator/euhub"
	"trojmezi/internal/simulator/plswd"
)

// door is an address that somebody opens. kind is for whom it is: what else stands behind
// it has leaked; "" is for a node's own people, who see all kinds, each with its mark.
type door struct {
	path  string
	kind  store.Kind
	piece string // where what belongs together begins; "": it is all one
	shut  bool   // it has to be shut
}

const leakPlace = "CZ-564028"

// forEach makes a door of each thing that is published: open at the address of its own
// kind, and shut at that of another.
func forEach(w *leakWorld, path func(kind store.Kind, id string) string) (doors []door) {
	for _, at := range store.Kinds {
		for id, own := range w.items() {
			doors = append(doors, door{path: path(at, id), kind: own, shut: own != at || at == store.Test})
		}
	}
	return doors
}

// items are the things that are published now, with their kind: ids as package outlet
// writes them.
func (w *leakWorld) items() map[string]store.Kind {
	all, _, err := w.warnings.Warnings(w.t.Context())
	w.ok(err)
	items := map[string]store.Kind{}
	for i, x := range all {
		if i < 9 { // enough of all kinds
			items["w-"+x.ID] = x.Kind
		}
	}
	for k, p := range w.newest {
		items[fmt.Sprintf("n-%s.%d", p.Notice, p.Revision)] = k
	}
	return items
}

// forms are the files of package outlet. The paper is made for own notices only, since it
// takes long; the original is what its sender wrote.
var forms = []string{"edxl.xml", "speech.txt", "speech.ssml", "cell.json", "symbol.svg"}

// openDoors are all that strangers may fetch and that tells of anything, by pattern.
var openDoors = map[string]func(w *leakWorld) []door{
	"GET /{$}": one(door{path: "/", kind: store.Live}),
	"GET /cap/message/{id}": func(w *leakWorld) (doors []door) {
		for k, p := range w.newest {
			doors = append(doors, door{path: fmt.Sprintf("/cap/message/%s.1", p.Notice), kind: k, shut: k != store.Live})
		}
		return doors
	},
	"GET /cap/exercise/message/{id}": func(w *leakWorld) (doors []door) {
		for k, p := range w.newest {
			doors = append(doors, door{path: fmt.Sprintf("/cap/exercise/message/%s.1", p.Notice), kind: k, shut: k != store.Exercise})
		}
		return doors
	},
	"GET /cap/certificate.pem":                         one(door{path: "/cap/certificate.pem", kind: store.Live}),
	"GET /cap/feed.atom":                               one(door{path: "/cap/feed.atom", kind: store.Live, piece: "<entry"}),
	"GET /cap/exercise/feed.atom":                      one(door{path: "/cap/exercise/feed.atom", kind: store.Exercise, piece: "<entry"}),
	"GET /cap/area/{scheme}/{code}/feed.atom":          one(door{path: "/cap/area/CISORP/5102/feed.atom", kind: store.Live, piece: "<entry"}),
	"GET /cap/exercise/area/{scheme}/{code}/feed.atom": one(door{path: "/cap/exercise/area/CISORP/5102/feed.atom", kind: store.Exercise, piece: "<entry"}),
	"GET /cap/areas.json":                              one(door{path: "/cap/areas.json", kind: store.Live}),
	"GET /api/alerts.geojson":                          one(door{path: "/api/alerts.geojson", kind: store.Live}, door{path: "/api/alerts.geojson?kind=exercise", kind: store.Exercise, piece: `"type":"Feature"`}, door{path: "/api/alerts.geojson?kind=test", shut: true}),
	"GET /api/alerts/public-address":                   one(door{path: "/api/alerts/public-address?place=" + leakPlace, kind: store.Live}, door{path: "/api/alerts/public-address?kind=exercise&place=" + leakPlace, kind: store.Exercise}, door{path: "/api/alerts/public-address?kind=test&place=" + leakPlace, shut: true}),
	"GET /public":                                      one(door{path: "/public?q=Fr%C3%BDdlant", kind: store.Live}),
	"GET /public/in/{lang}":                            one(door{path: "/public/in/de", kind: store.Live}),
	"GET /public/place/{code}":                         one(door{path: "/public/place/" + leakPlace, kind: store.Live, piece: "<section"}),
	"GET /public/place/{code}/{lang}":                  one(door{path: "/public/place/" + leakPlace + "/pl", kind: store.Live, piece: "<section"}),
	"GET /public/place/{code}/{lang}/calendar.ics":     one(door{path: "/public/place/" + leakPlace + "/cs/calendar.ics", kind: store.Live}),
	"GET /public/exercise/{code}":                      one(door{path: "/public/exercise/" + leakPlace, kind: store.Exercise}),
	"GET /public/exercise/{code}/{lang}":               one(door{path: "/public/exercise/" + leakPlace + "/pl", kind: store.Exercise}),
	"GET /public/exercise/{code}/{lang}/calendar.ics":  one(door{path: "/public/exercise/" + leakPlace + "/cs/calendar.ics", kind: store.Exercise, piece: "BEGIN:VEVENT"}),
	"GET /public/map":                                  one(door{path: "/public/map", kind: store.Live}),
	"GET /public/map/{lang}":                           one(door{path: "/public/map/en", kind: store.Live}),
	"GET /subscribe":                                   one(door{path: "/subscribe", kind: store.Live}),
	"GET /subscribe/{lang}":                            one(door{path: "/subscribe/de?place=" + leakPlace, kind: store.Live}),
	"GET /outlet/{kind}/{id}/{file}": func(w *leakWorld) (doors []door) {
		for _, form := range forms {
			doors = append(doors, forEach(w, func(k store.Kind, id string) string { return "/outlet/" + string(k) + "/" + id + "/" + form })...)
		}
		for k, p := range w.newest {
			for _, at := range store.Kinds {
				doors = append(doors, door{path: fmt.Sprintf("/outlet/%s/n-%s.%d/notice.pdf", at, p.Notice, p.Revision), kind: k, shut: k != at || at == store.Test})
			}
		}
		return doors
	},
}

// ownDoors are those of a node's own people, who see all kinds: each with its mark.
var ownDoors = []door{{path: "/warnings", piece: "<tr"}, {path: "/warnings.csv", piece: "\n"}, {path: "/api/warnings", piece: `{"id"`}, {path: "/api/warnings.geojson", piece: `"type":"Feature"`},
	{path: "/notices", piece: "<tr"}, {path: "/board", piece: "<article"}, {path: "/board.csv", piece: "\n"}, {path: "/outlets"}, {path: "/outlets?kind=exercise"}, {path: "/rivers"}, {path: "/rivers?kind=exercise"}}

// shutDoors tell strangers of nothing that holds, and why that is so.
var shutDoors = map[string]string{
	"GET /signin": "who signs in", "GET /signin/second": "who signs in", "GET /signin/enrol": "who signs in", "GET /signin/codes": "who signs in", "GET /signin/password": "who signs in",
	"GET /signin/oidc/{provider}": "who signs in", "GET /signin/oidc/{provider}/return": "who signs in", "GET /setup": "the first administrator", "GET /invitation/{token}": "who was invited", "GET /reset/{token}": "who forgot a password",
	"GET /desk": "a desk's own browser", "GET /acknowledge/{token}": "who got the letter, which says its kind", "GET /subscribe/mine/{token}": "a subscriber's own choice", "GET /dev/ui": "parts of pages without content",
	"GET /subscribe/worker.js": "a script with its words", "GET /healthz": "machines", "GET /readyz": "machines", "GET /metrics": "numbers", "GET /api/exchange/openapi.json": "a document of the program",
}

func one(doors ...door) func(*leakWorld) []door { return func(*leakWorld) []door { return doors } }

var (
	markWords = regexp.MustCompile(`(?i)cvičení|übung|ćwiczenia|exercise|zkouška|testmeldung|próba|\btest`)
	drillPart = "public-drill" // where an official exercise stands on the page of reality
)

// visit opens every door, as a stranger and as one of the node's own people.
func (w *leakWorld) visit() {
	w.t.Helper()
	w.Clock.Advance(time.Minute) // public pages may be some seconds old
	ask := func(path string, cookies []*http.Cookie) (int, string) {
		r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept-Language", "de")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		w.pages.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	for pattern, doors := range openDoors {
		for _, d := range doors(w) {
			code, body := ask(d.path, nil)
			switch {
			case d.shut && code < 400, !d.shut && code != http.StatusOK:
				w.out.leaked("%s: %d, shut %v, for %s", d.path, code, d.shut, d.kind)
			case !d.shut:
				w.behind(pattern, d, body)
			}
		}
	}
	in, err := w.people.SignIn(w.t.Context(), identity.Credentials{Login: "dana", Password: "a long password of dana", Address: "x"})
	w.ok(err)
	rec := httptest.NewRecorder()
	w.people.SetCookie(rec, httptest.NewRequest(http.MethodGet, "/", nil), in.Token)
	for _, d := range ownDoors {
		code, body := ask(d.path, rec.Result().Cookies())
		if code != http.StatusOK {
			w.t.Fatalf("%s: %d", d.path, code)
		}
		w.behind("own "+d.path, d, body)
	}
}

// behind judges what stands behind a door.
func (w *leakWorld) behind(pattern string, d door, body string) {
	body = strings.ReplaceAll(body, "\r\n ", "") // folded lines (spec: RFC 5545, §3.1)
	pieces := []string{body}
	if d.piece != "" {
		pieces = strings.Split(body, d.piece)
	}
	for _, p := range pieces {
		for _, m := range tokenForm.FindAllStringSubmatch(p, -1) {
			is := store.Kind(m[1])
			w.out.mu.Lock()
			w.out.came[pattern+" "+string(is)]++
			w.out.mu.Unlock()
			official := d.kind == store.Live && is != store.Live && m[2] == "in" && strings.Contains(p, drillPart)
			if d.kind != "" && is != d.kind && !official {
				w.out.leaked("%s is for %s and says %s: %.600s", d.path, d.kind, m[0], around(p, m[0]))
			}
			if is != store.Live && !markWords.MatchString(strings.ReplaceAll(tokenForm.ReplaceAllString(p, ""), d.path, "")) {
				w.out.leaked("%s says %s without a mark: %.600s", d.path, m[0], around(p, m[0]))
			}
		}
	}
}

func around(text, what string) string {
	i := strings.Index(text, what)
	return text[max(0, i-300):min(len(text), i+300)]
}

// letterFrom is a message as a foreign system sends it, for a mode that it has.
type letterFrom struct {
	adapter *adapter.Adapter
	mode    simulator.Mode
	bytes   []byte
}

const (
	foreignHere  = "de.sn.irls"
	foreignThere = "xx.partner"
)

// foreignSides are the simulators of the systems behind gateways, which share no code with
// their adapters, with an event of each.
var foreignSides = map[string]struct {
	profile simulator.Profile
	event   func() simulator.Say
}{"czizs": {czizs.Profile{}, czizs.Sample}, "plswd": {plswd.Profile{}, plswd.Sample}, "euemsi": {euhub.Profile{XML: true}, euhub.Sample}, "euemsijson": {euhub.Profile{}, euhub.Sample}}

// foreignLetters are events of every system in every mode.
func foreignLetters(t *testing.T) (letters []letterFrom) {
	t.Helper()
	for _, a := range all.Adapters() {
		side, ok := foreignSides[a.System]
		if !ok {
			t.Fatalf("nobody plays %s: add its simulator to foreignSides", a.System)
		}
		for _, mode := range []simulator.Mode{simulator.Live, simulator.Exercise, simulator.Test} {
			desk := simulator.New(side.profile, foreignThere, foreignHere, mode, nil)
			s := side.event()
			s.Incident, s.Mode = simulator.NewID(), mode
			s.Began, s.Declared = time.Now().Add(-10*time.Minute).Truncate(time.Second), time.Now().Add(-9*time.Minute).Truncate(time.Second)
			if _, err := desk.Send(s, ""); err != nil {
				t.Fatal(a.System, err)
			}
			l, ok := desk.Letter(0)
			if !ok {
				t.Fatal(a.System, "sends nothing")
			}
			letters = append(letters, letterFrom{a, mode, l.Bytes})
		}
	}
	return letters
}

// open has the adapter of a gateway in service, or of one for tests, read a letter: what
// is no reality is refused by the first, and is none by the second.
func (l letterFrom) open(w *leakWorld, live bool) error {
	m, refusal := l.adapter.Open(l.bytes, adapter.Arrival{Now: time.Now(), From: foreignThere, Own: []string{foreignHere}, Live: live})
	switch {
	case live && l.mode != simulator.Live && (refusal == nil || refusal.Reason != adapter.NotLive):
		w.out.leaked("%s takes what is %s for an address in service: %v", l.adapter.System, l.mode, refusal)
	case live && l.mode == simulator.Live && refusal != nil, !live && refusal != nil && l.mode != simulator.Live:
		return fmt.Errorf("%s refuses what is %s (in service: %v): %v", l.adapter.System, l.mode, live, refusal)
	case m != nil && l.mode != simulator.Live && m.Mode() == "ACTUAL":
		w.out.leaked("%s reads what is %s as earnest", l.adapter.System, l.mode)
	}
	return nil
}

// queues are what works in the background, by the beginning of the name, and what of it is
// shown where.
var leakQueues = map[string]string{
	"notify.prune": "deletes", "notify.": "sends: TestNothingLeaks", "channel.send.": "sends: TestNothingLeaks", "channel.check": "opens connections and says nothing", "channel.erase": "deletes",
	"board.missing": "notifies: TestNothingLeaks", "board.erase": "deletes", "notice.unanswered": "notifies: TestNothingLeaks by the same call", "notice.archive": "puts away",
	"subscription.digest": "sends: TestNothingLeaks", "subscription.tidy": "writes to subscribers about their own subscription", "warning.erase": "deletes", "river/thin": "deletes",
	"notice.border": "asks neighbours: TestApprovalAcrossTheBorder", "board.border": "asks neighbours: TestBoardAcrossTheBorder",
	"exchange.erase": "deletes", "console.erase": "deletes", "disclosure.erase": "deletes", "gateway.erase": "deletes", "audit.verify": "verifies", "app.": "backups",
}

// leakTables are the tables whose rows have a kind, and what shows that it is kept.
var leakTables = map[string]string{
	"notify_outbox": "read", "notify_delivery": "read", "job_task": "read", "job_schedule": "of times", "channel_dispatch": "read", "channel_health": "of channels", "channel_told": "read by what is sent", "channel_refusal": "of channels",
	"board_item": "read", "board_ack": "of people", "board_told": "read by what is sent", "subscription": "of people", "subscription_change": "read", "subscription_known": "read by what is sent", "subscription_held": "read",
	"channel_packet": "TestPacket of package channel", "channel_receiver": "TestEntry of package channel",
	"board_asked": "TestBoardAcrossTheBorder", "board_far_ack": "of people", "board_from": "TestBoardAcrossTheBorder", "board_partner": "of neighbours",
	"notice_far_asked": "TestApprovalAcrossTheBorder", "notice_far_delegation": "of neighbours", "notice_far_deputy": "of neighbours", "notice_far_request": "TestApprovalAcrossTheBorder",
	"notice": "published", "notice_event": "published", "notice_content": "published", "notice_published": "fetched",
	"warning_document": "taken", "warning_series": "taken", "warning_copy": "fetched", "warning_decision": "of people",
	"river_station": "taken", "river_point": "taken", "river_limit": "taken", "river_crossing": "taken", "river_alarm": "read", "river_stage": "of people", "river_right": "of people",
	"river_forecast": "TestForecastIsNotMeasured of package river", "river_expected": "TestForecastIsNotMeasured of package river", "river_hint": "TestForecastIsNotMeasured of package river",
	"intake_source": "TestKinds of package intake", "intake_document": "TestKinds of package intake",
	"exchange_message": "read", "exchange_outbox": "TestOutboxKinds of package exchange", "gateway_in": "the suite of adapters and package gateway", "gateway_out": "the suite of adapters and package gateway",
	"console_incident": "tests of package console", "console_message": "tests of package console", "console_alarm": "tests of package console", "console_origin": "tests of package console", "console_handover": "tests of package console",
	"unit_own": "TestNothingHidden of package unit",
}

// notKinds are columns of that name that mean something else.
var notKinds = []string{"agreement_form", "register_import", "identity_link"}

// leakCallers are the packages that open connections to others or put files where others
// find them, and why nothing leaks there.
var leakCallers = map[string]string{
	"internal/alert/channel": "TestNothingLeaks", "internal/kernel/notify": "TestNothingLeaks", "internal/exchange": "TestNothingLeaks stores, TestOutboxKinds sends", "internal/exchange/ucrmclient": "sends what the outbox of the exchange has", "internal/exchange/adapter/transport": "carries what adapters wrote: TestNothingLeaks opens, the suite of adapters writes",
	"internal/alert/intake": "asks senders and tells them nothing", "internal/exchange/phrase": "asks a translating server for a text, without saying whom it is for", "internal/kernel/identity": "asks who signs in",
	"internal/kernel/health": "asks the time", "internal/kernel/web/webtest": "tests", "internal/app": "files of backups; the replay's own people, who answer on this machine", "internal/cli": "this machine", "internal/demo": "this machine", "internal/bench": "this machine",
	"internal/simulator": "plays the other side", "internal/simulator/broker": "plays the other side",
}

// Whatever the program has by which something could get out is tried, or is on a list with
// the reason why it need not be: a new way out is red until somebody has thought of it.
func TestEveryWayOut(t *testing.T) {
	n := builtNode(t, func(m map[string]any) { m["dev"] = true })
	for _, way := range waysOut() {
		if way == "" {
			t.Errorf("a sort of channels is not tried: %v", channel.Sorts)
		}
	}
	if want := []string{"Push", "Poll", "Directory", "AMQP", "Mail"}; !slices.Equal(fields(reflect.TypeFor[transport.Config]()), want) {
		t.Errorf("gateways have another transport: %v", fields(reflect.TypeFor[transport.Config]()))
	}
	if len(foreignLetters(t)) != 3*len(foreignSides) {
		t.Error("a simulator is of no adapter")
	}
	open := map[string]bool{}
	for _, r := range n.router().Routes() {
		if !r.Guard.Public() || !strings.HasPrefix(r.Pattern, "GET ") {
			continue
		}
		open[r.Pattern] = true
		if openDoors[r.Pattern] == nil && shutDoors[r.Pattern] == "" {
			t.Errorf("%s is open to strangers and not tried: add it to openDoors, or to shutDoors with a reason", r.Pattern)
		}
	}
	for pattern := range openDoors {
		if !open[pattern] && pattern != "GET /{$}" {
			t.Errorf("%s is tried and not there", pattern)
		}
	}
	if err := n.schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, q := range n.jobs.Queues() {
		known := false
		for prefix := range leakQueues {
			known = known || strings.HasPrefix(q, prefix)
		}
		if !known {
			t.Errorf("the queue %s may send something: add it to leakQueues", q)
		}
	}
	if n.DB.Engine() == store.SQLite {
		if err := n.DB.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(`SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'kind' ORDER BY m.name`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var table string
				if err := rows.Scan(&table); err != nil {
					return err
				}
				if leakTables[table] == "" && !slices.Contains(notKinds, table) {
					t.Errorf("rows of %s have a kind: say in leakTables what shows that it is kept", table)
				}
			}
			return rows.Err()
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, pkg := range callers(t) {
		if leakCallers[pkg] == "" {
			t.Errorf("%s opens connections or puts files somewhere: show that nothing leaks, and add it to leakCallers", pkg)
		}
	}
}

func fields(s reflect.Type) (names []string) {
	for i := range s.NumField() {
		names = append(names, s.Field(i).Name)
	}
	return names
}

// callers are the packages of the program that call what opens a connection or gives a
// file its name.
func callers(t *testing.T) (packages []string) {
	t.Helper()
	calls := []string{"NewRequest", "NewRequestWithContext", "Get", "Post", "PostForm", "Dial", "DialTLS", "DialTimeout", "DialContext", "DialConfig", "DialAndSend", "DialAndSendWithContext", "DialWithContext", "SendMail"}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := "internal/" + strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
		ast.Inspect(f, func(x ast.Node) bool {
			s, ok := x.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			on, _ := s.X.(*ast.Ident)
			switch {
			case slices.Contains(calls, s.Sel.Name) && (strings.HasPrefix(s.Sel.Name, "Dial") || on != nil && (on.Name == "http" || on.Name == "smtp")), s.Sel.Name == "Rename" && on != nil && on.Name == "os":
				if !slices.Contains(packages, pkg) {
					packages = append(packages, pkg)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(packages)
	return packages
}
