package app

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/alert/public"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/exchange/console"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/identity/signin"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/webtest"
)

// Addresses of the desks of two more organisations.
const (
	otherDesk   = "1.2.3.2"
	senderDesk  = "1.2.3.3"
	foreignSide = "1.2.3.4" // of a gateway
)

// TestRoutes holds every page of the program to the text of the policies, for
// every role, people of another organisation, and strangers.
func TestRoutes(t *testing.T) {
	c := newConfig(t, func(m map[string]any) {
		var apps []any
		for _, app := range []string{"incident_transfer", "notification_text", "resource_request"} {
			apps = append(apps, map[string]any{"appId": app, "appVersion": "1.0"})
		}
		var records []any
		for _, oid := range []string{desk, otherDesk, senderDesk, foreignSide} {
			r := deskRecord(oid)
			r["supportedApps"] = apps
			records = append(records, r)
		}
		m["exchange"].(map[string]any)["participants"] = records
		m["exchange"].(map[string]any)["accounts"] = []any{}
		m["gateways"] = []any{map[string]any{"name": "hzs", "oid": foreignSide, "system": "czizs", "partner": "cz.hzs.lbk", "transport": map[string]any{"directory": map[string]any{"path": "hzs"}}}}
	})
	ctx := t.Context()
	o, err := Open(ctx, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	n, err := build(ctx, c, o, texts(t), quiet, false)
	if err != nil {
		t.Fatal(err)
	}
	if n.files, _, err = Files(ctx, c, o.Clock); err != nil {
		t.Fatal(err)
	}
	const password = "tři koně na louce"
	own, people, err := n.people.Seed(ctx, identity.Organisation{Name: "Own", Country: "CZ", Addresses: []string{desk}},
		[]identity.NewPerson{{Login: "object", Name: "Osoba Objektová", Roles: []string{"auditor"}, Password: password}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := n.people.CreateOrganisation(ctx, nil, identity.Organisation{Name: "Other", Country: "DE", Addresses: []string{otherDesk}})
	if err != nil {
		t.Fatal(err)
	}
	sender, err := n.people.CreateOrganisation(ctx, nil, identity.Organisation{Name: "Sender", Country: "PL", Addresses: []string{senderDesk}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := n.people.SignIn(ctx, identity.Credentials{Login: "object", Password: password, Address: "x"})
	if err != nil {
		t.Fatal(err)
	}
	incident, entry, alarm := handedOver(t, n, own.ID, sender.ID, people[0].ID)
	shift, err := n.console.StartShift(ctx, console.Actor{Person: people[0].ID, Org: own.ID}, true)
	if err != nil {
		t.Fatal(err)
	}

	if err := n.agreements.Ship(ctx); err != nil {
		t.Fatal(err)
	}
	const agreementForm = "cz-pl-3"
	inTray(t, n, filepath.Join(c.Dir(), "hzs"))
	connected, _, err := n.links.Create(ctx, people[0].ID, own.ID, "Neighbour")
	if err != nil {
		t.Fatal(err)
	}
	me := &web.Person{ID: people[0].ID, Organisation: own.ID}
	if err := n.people.CreateDesk(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", "/desks", nil), me, "Desk 1"); err != nil {
		t.Fatal(err)
	}
	desks, err := n.people.Desks(ctx, own.ID)
	if err != nil || len(desks) != 1 {
		t.Fatal(desks, err)
	}

	vehicle, _, err := n.units.Save(ctx, unit.Actor{Org: own.ID}, unit.Unit{CallSign: "L-1", Type: "F-PUMP", Status: unit.Free, Kind: store.Live})
	if err != nil {
		t.Fatal(err)
	}

	official, document := officialWarning(t, n)

	stage, _, err := n.rivers.Proclaim(ctx, people[0].ID, river.Proclaimed{Kind: store.Live, Gauge: "de-goerlitz", Stage: "Alarmstufe 1", Authority: "x", Source: "x", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}

	written, err := n.notices.Begin(ctx, notice.Actor{Person: people[0].ID, Organisation: own.ID}, "", store.Live, notice.Alert, &notice.Content{
		Template: "N10", Lang: "cs", Areas: []string{"ORP-5105"}, Values: map[string]string{"what": "Osoba Objektová", "do": "x", "phone": "112"}})
	if err != nil {
		t.Fatal(err)
	}

	ids := map[string]string{
		"/areas/area/": "CISORP:5102",
		"/warnings/":   official, "/warnings/documents/": document,
		"/rivers/":         "de-goerlitz",
		"/outlets/":        "w-" + official,
		"/notices/notice/": written, "/notices/templates/": "N01",
		"/classification/rows/": "fire", "/classification/neighbours/": otherDesk,
		"/agreements/rows/": "AG04", "/agreements/forms/": agreementForm,
		"/units/unit/": vehicle, "/units/publish/": otherDesk, "/units/neighbours/": otherDesk,
		"/disclosure/history/": "0", "/links/": connected, "/phrasebook/": "P10", "/gateways/": "hzs", "/feeds/": "chmi", "/tray/": "1", "/desks/": desks[0].ID,
		"/people/": people[0].ID, "/sessions/": in.Session, "/organisations/": other.ID,
		"/console/incidents/": incident, "/console/requests/": entry, "/console/alarms/": alarm, "/console/shift/": shift.ID, "/console/neighbours/": otherDesk,
	}
	wild := regexp.MustCompile(`\{[^}]*\}`)
	webtest.Routes(t, webtest.Check{
		Router: n.router(), Policy: policies(), Crew: webtest.Hire(t, n.people, own, other), Public: slices.Concat(signin.Public(), notice.Public(), outlet.Public(), channel.Public(), public.Public()), Marks: []string{"Osoba Objektová"},
		Path: func(pattern string) string {
			_, path, _ := strings.Cut(pattern, " ")
			path = strings.TrimSuffix(path, "{$}")
			id := "x"
			for _, prefix := range slices.Sorted(maps.Keys(ids)) {
				if strings.HasPrefix(path, prefix) {
					id = ids[prefix]
				}
			}
			path = strings.NewReplacer("{entry}", entry, "{form}", agreementForm, "/stage/{id}/end", "/stage/"+stage+"/end").Replace(path)
			path = strings.Replace(path, "/out/{id}", "/out/1", 1)
			path = wild.ReplaceAllString(path, id)
			switch {
			case strings.HasSuffix(path, "form.pdf"):
				path += "?to=" + otherDesk
			case strings.HasPrefix(pattern, "GET /console/incidents/{id}/"):
				path += "?handover=" + entry
			}
			return path
		},
		// What the test has no object for.
		Absent: absent(n),
	})
}

// TestRouteList holds testdata/routes.txt to the routes of the node. The browser
// tests read that file: a page on it that they did not visit is red.
func TestRouteList(t *testing.T) {
	n := builtNode(t, func(m map[string]any) { m["dev"] = true })
	var b strings.Builder
	for _, r := range n.router().Routes() {
		who := r.Guard.Action()
		if r.Guard.Public() {
			who = "public"
		}
		fmt.Fprintln(&b, r.Pattern, who)
	}
	const file = "testdata/routes.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("routes (-listed +served), run with -update:\n%s", diff)
	}
}

// absent are the routes about objects that need a neighbour's node, a desk's
// browser, an import or a translating server: their modules' tests have them.
func absent(n *node) (patterns []string) {
	for _, r := range n.router().Routes() {
		for _, part := range []string{"/links/{id}/", "/map/tiles", "/notices/asked/", "/feeds/{name}/originals/", "/agreements/forms/{form}/original", "/console/handover/preview", "/console/drafts/", "/console/requests/", "{id}/withdraw", "/incidents/{id}/telephone", "/translation", "/cap/message/", "/cap/exercise/message/", "/area/{scheme}/", "/outlet/{kind}/", "/api/alerts/public-address", "/acknowledge/", "/channels/{name}/", "/channels/receivers/one/", "/cap/exercise/message/"} {
			if strings.Contains(r.Pattern, part) {
				patterns = append(patterns, r.Pattern)
			}
		}
	}
	return patterns
}

// officialWarning takes a bulletin with one warning.
func officialWarning(t *testing.T, n *node) (id, document string) {
	t.Helper()
	doc := "a bulletin"
	ref, err := n.files.Put(t.Context(), strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	w := feed.Warning{ID: "dwd/1", Source: "dwd", Event: "Sturm", Status: feed.Actual, State: feed.InForce, Texts: []feed.Text{{Language: "de", Headline: "Sturm"}}}
	if err := n.DB.Write(t.Context(), func(tx *store.Tx) error {
		taken, err := n.warnings.Take(tx, warning.Fetched{Feed: "dwd", Series: "diff", Kind: store.Live, At: n.Clock.Now(), Ref: ref, Size: int64(len(doc))}, &feed.Reading{Warnings: []feed.Warning{w}})
		document = taken.Document
		return err
	}); err != nil {
		t.Fatal(err)
	}
	all, _, err := n.warnings.Warnings(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	return all[0].ID, document
}

// inTray brings in a message of a foreign system that needs a person: it is for nobody
// here. The system's machine is told so.
func inTray(t *testing.T, n *node, folder string) {
	t.Helper()
	now := time.Now().UTC().Format(time.RFC3339)
	message := `<DatovaVeta xmlns="urn:trojmezi:profile:cz-izs:1" verze="1.0"><Hlavicka><IdZpravy>0f3b2c1e-7a55-4f0e-9d0b-000000000001</IdZpravy><Odesilatel>cz.hzs.lbk</Odesilatel>` +
		`<Prijemce>nobody</Prijemce><Odeslano>` + now + `</Odeslano><Rezim>ostry</Rezim></Hlavicka><Zprava><Cas>` + now + `</Cas><Text>Osoba Objektová</Text></Zprava></DatovaVeta>`
	if err := os.MkdirAll(filepath.Join(folder, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "in", "1.xml"), []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- n.gateways.Run(ctx) }()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, waiting, err := n.gateways.Tray(ctx, false)
		if err != nil || time.Now().After(end) {
			t.Fatal("nothing in the tray", err)
		}
		if waiting == 1 {
			break
		}
	}
	stop()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
}

// handedOver is an incident of own that came from sender, with its alarm.
func handedOver(t *testing.T, n *node, own, sender, person string) (incident, entry, alarm string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- n.console.Run(ctx) }()
	three := 3
	var err error
	for range 100 {
		_, err = n.console.HandOver(ctx, console.Actor{Person: person, Org: sender}, console.Draft{
			To: []string{desk}, Type: "accident", Issue: "a car", Place: "Zittau", Country: "DE", Injured: &three, Once: "once"})
		if err == nil {
			break
		}
		if !strings.Contains(fmt.Sprint(err), "foreign_oid") { // the console has not told the node its addresses yet
			t.Fatal(err)
		}
	}
	for {
		if err := n.console.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		if err := n.console.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		strip, err := n.console.Alarms(ctx, own)
		if err != nil {
			t.Fatal(err)
		}
		if len(strip.Alarms) > 0 {
			a := strip.Alarms[0]
			incident, entry, alarm = a.Incident, fmt.Sprint(a.Handover), a.ID
			break
		}
	}
	stop()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	return incident, entry, alarm
}
