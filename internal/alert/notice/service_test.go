package notice

import (
	"context"
	"crypto/x509"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// A notice goes out by two people, is updated and called off by two people; each step
// stands in the audit log; each message refers to those before it.
func TestTwoPeople(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	id := r.begin("dana", store.Live, flood())
	r.refused(r.take("vera", id, Approve), "notice.refuse.state")
	r.ok(r.take("dana", id, Propose))
	r.want(id, Proposed)
	r.refused(r.take("dana", id, Approve), "notice.refuse.officer") // a dispatcher is none
	r.refused(r.take("seal", id, Approve), "notice.refuse.officer") // nobody knows who that is
	r.refused(r.take("kai", id, Approve), "notice.refuse.officer")  // no delegation

	// An edit voids the request: who answers the old text is told.
	r.refused(r.Edit(ctx, as("dana"), id, 7, flood()), "notice.refuse.changed")
	c := flood()
	c.Values["level"] = "1300"
	r.ok(r.Edit(ctx, as("vera"), id, 1, c))
	r.want(id, Draft)
	r.ok(r.take("dana", id, Propose))
	r.refused(r.Take(ctx, as("adam"), id, Event{Step: Approve, Content: 1}, true), "notice.refuse.changed")
	r.refused(r.take("vera", id, Approve), "notice.refuse.same") // she has edited it
	r.ok(r.take("adam", id, Refuse))
	r.want(id, Draft)
	r.ok(r.take("dana", id, Propose))
	r.refused(r.Take(ctx, as("adam"), id, Event{Step: Approve, Content: 2}, false), "notice.refuse.draft")
	r.ok(r.take("adam", id, Approve))
	r.want(id, Published)
	if len(r.sent) != 1 || r.sent[0].Kind != store.Live || r.sent[0].Purpose != Alert {
		t.Fatalf("handed on: %+v", r.sent)
	}

	// The same holds for updates and for calling off.
	for i, purpose := range []Purpose{Update, Cancel} {
		r.clk.Advance(time.Minute)
		c := flood()
		if purpose == Cancel {
			c = &Content{Template: "N08", Lang: i18n.Cs, Areas: []string{"ORP-5102"}, Values: map[string]string{"place": "CZ-564028", "at": "2026-08-07T18:00:00Z", "phone": "112"}}
		}
		_, err := r.Begin(ctx, as("vera"), id, store.Live, purpose, c)
		r.ok(err)
		if v, _ := r.Show(ctx, id, i18n.Cs); v.Life.Public() != i {
			t.Fatal("while an update is in work nothing holds for the public")
		}
		r.ok(r.take("vera", id, Propose))
		r.refused(r.take("vera", id, Approve), "notice.refuse.same")
		r.ok(r.take("adam", id, Approve))
	}
	r.want(id, Cancelled)
	if len(r.sent) != 3 {
		t.Fatal(len(r.sent))
	}
	for i, p := range r.sent {
		a, err := Open(p.Document, start, testSigner.cert)
		r.ok(err)
		refs, regular := cap.References(a.References)
		if len(refs) != i || !regular || a.MsgType != msgTypes[p.Purpose] || a.Identifier != p.Identifier {
			t.Errorf("message %d: %s %q", i, a.MsgType, a.References)
		}
		for k, ref := range refs {
			earlier, err := Open(r.sent[k].Document, start, testSigner.cert)
			r.ok(err)
			if ref != (cap.Reference{Sender: earlier.Sender, Identifier: earlier.Identifier, Sent: earlier.Sent}) {
				t.Errorf("%v is not %s %s", ref, earlier.Identifier, earlier.Sent)
			}
		}
	}
	for action, n := range map[string]int{"notice.begin": 3, "notice.edit": 1, "notice.propose": 5, "notice.refuse": 1, "notice.approve": 3, "notice.publish": 3} {
		if got := r.leaves(action); got != n {
			t.Errorf("%d leaves %s, want %d", got, action, n)
		}
	}
	if _, err := r.Begin(ctx, as("vera"), id, store.Live, Update, flood()); err == nil {
		t.Error("what was called off is updated")
	}
	if _, err := r.Begin(ctx, as("kai"), id, store.Live, Update, flood()); err == nil {
		t.Error("another organisation updates it")
	}
	r.ok(r.take("dana", id, Archive))
	r.want(id, Archived)
}

// Of two approvers at the same moment one is told who was faster; it goes out once.
func TestTwoAtOnce(t *testing.T) {
	r := newRig(t)
	id := r.begin("dana", store.Live, flood())
	r.ok(r.take("dana", id, Propose))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		who := []string{"vera", "adam"}[i%2]
		wg.Go(func() {
			errs[i] = r.Take(t.Context(), as(who), id, Event{Step: Approve, Content: 1}, true)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	if won != 1 || len(r.sent) != 1 {
		t.Fatalf("%d approved, %d went out: %v", won, len(r.sent), errors.Join(errs...))
	}
}

// A delegation lets an officer of another organisation answer while it is in force, and
// who is on duty there is named before anything is written.
func TestDelegation(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	id := r.begin("dana", store.Live, flood())
	r.ok(r.take("dana", id, Propose))
	if v, err := r.Roster(ctx, "frydlant", "dana", store.Live); err != nil || len(v.Now) != 0 {
		t.Fatal(v.Now, err)
	}
	if page := r.get("dana", root+"/new"); !strings.Contains(page, "Nobody is on duty now") {
		t.Error("that nobody is on duty is not said")
	}
	d := Delegation{Deputy: "goerlitz", Role: "neighbour", Reason: "agreement of 2026", Since: start.Add(time.Hour), Until: start.Add(100 * time.Hour)}
	r.ok(r.Grant(ctx, as("adam"), d))
	r.ok(r.Enter(ctx, as("kai"), Duty{Person: "kai", Phone: "+49 3581 000000", Since: start, Until: start.Add(12 * time.Hour)}))
	if err := r.Enter(ctx, as("kai"), Duty{Person: "doro", Phone: "+49 3581 000000", Since: start, Until: start.Add(12 * time.Hour)}); err == nil {
		t.Error("a dispatcher is on duty as an officer")
	}
	r.refused(r.take("kai", id, Approve), "notice.refuse.officer") // not yet
	r.clk.Advance(2 * time.Hour)
	v, err := r.Roster(ctx, "frydlant", "dana", store.Live)
	if err != nil || len(v.Now) != 1 || v.Now[0].Name != "Kai Kreis" || v.Now[0].Role != "neighbour" {
		t.Fatal(v.Now, err)
	}
	if page := r.get("dana", root); !strings.Contains(page, "Kai Kreis") || !strings.Contains(page, "+49 3581 000000") {
		t.Error("who is on duty is not shown")
	}
	if page := r.get("kai", root); !strings.Contains(page, "Waiting for your answer") {
		t.Error("the deputy is not asked")
	}
	if code, _, _ := r.do("doro", http.MethodGet, address(id, "/answer"), nil); code != http.StatusForbidden {
		t.Errorf("a dispatcher of the deputy: %d", code)
	}
	// A new request reaches the deputy too.
	r.ok(r.take("dana", id, Withdraw))
	r.told = nil
	r.ok(r.take("dana", id, Propose))
	var to []string
	for _, n := range r.told {
		to = append(to, n.Organisation+" "+n.Link)
	}
	if want := address(id, "/answer"); !slices.Contains(to, "goerlitz "+want) || !slices.Contains(to, "frydlant "+want) {
		t.Errorf("told: %v", to)
	}
	for _, n := range r.told { // each in its language: what, where, what is new
		var all []string
		for _, x := range n.More {
			all = append(all, x.In(r.texts, map[string]i18n.Lang{"frydlant": i18n.Cs, "goerlitz": i18n.De}[n.Organisation]))
		}
		want := map[string][]string{"frydlant": {"Povodeň na řece Smědá: Frýdlant", "obvod ORP Frýdlant", "první znění"}, "goerlitz": {"Hochwasser an der Wittig", "Bringen Sie Autos", "Bezirk Friedland", "erste Fassung"}}[n.Organisation]
		for _, w := range want {
			if !strings.Contains(strings.Join(all, "\n"), w) {
				t.Errorf("%s is not told %q: %q", n.Organisation, w, all)
			}
		}
	}
	r.ok(r.take("kai", id, Approve))
	r.want(id, Published)

	id = r.begin("dana", store.Live, flood())
	r.ok(r.take("dana", id, Propose))
	r.ok(r.End(ctx, as("adam"), v.Delegations[0].ID))
	r.refused(r.take("kai", id, Approve), "notice.refuse.officer") // taken back
	if code, _, _ := r.do("kai", http.MethodGet, address(id, "/answer"), nil); code != http.StatusForbidden {
		t.Errorf("the page after the delegation ended: %d", code)
	}
	if err := r.End(ctx, as("kai"), v.Delegations[0].ID); err == nil {
		t.Error("the deputy ends it")
	}
}

// A delegation to one person is for nobody else, and is given by his name.
func TestNamedDeputy(t *testing.T) {
	r := newRig(t)
	form := func(name string) url.Values {
		return url.Values{"deputy": {"goerlitz"}, "only": {name}, "role": {"neighbour"}, "from": {"2026-08-07"}, "to": {"2027-08-07"}, "why": {"§ 5"}}
	}
	for _, name := range []string{"Karl Kreis", "Doro Disponentin", "Twin"} { // unknown, no officer, two of them
		if code, body, _ := r.do("adam", http.MethodPost, root+"/delegations", form(name)); code != http.StatusUnprocessableEntity || !strings.Contains(body, name) {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, body, _ := r.do("adam", http.MethodPost, root+"/delegations", form("kai kreis")); code != http.StatusSeeOther {
		t.Fatalf("%d %.900s", code, body)
	}
	if page := r.get("adam", dutyPath); !strings.Contains(page, "only Kai Kreis") {
		t.Error("who alone may answer is not shown")
	}
	id := r.begin("dana", store.Live, flood())
	r.ok(r.take("dana", id, Propose))
	r.refused(r.take("kurt", id, Approve), "notice.refuse.officer")
	r.ok(r.take("kai", id, Approve))
}

// The second person answers in three taps: the link of the message, yes, yes. What is
// tapped is what the message and the pages hold.
func TestThreeTaps(t *testing.T) {
	r := newRig(t)
	id := r.begin("dana", store.Live, dam())
	r.ok(r.take("dana", id, Propose))
	link := r.told[0].Link
	taps := 1
	page := r.get("vera", link)
	for _, text := range []string{"Dam break: leave the banks", "Hráz", `class="map-area" d="M`, "This is the first wording"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page of the request has no %q", text)
		}
	}
	if strings.Index(page, `id="approve"`) > strings.Index(page, `class="map-area"`) {
		t.Error("the answer stands below the map: a phone has to be scrolled")
	}
	tap := regexp.MustCompile(`<a[^>]*href="([^"]+)"[^>]*id="approve"|<a[^>]*id="approve"[^>]*href="([^"]+)"`).FindStringSubmatch(page)
	if tap == nil {
		t.Fatal("nothing to tap")
	}
	taps++
	page = r.get("vera", html.UnescapeString(tap[1]+tap[2]))
	form, ok := strings.CutPrefix(page[strings.Index(page, `<form method="post" action="`+address(id, "/answer")):], `<form method="post" action="`)
	if form, _, _ = strings.Cut(form, "</form>"); !ok || !strings.Contains(form, `id="confirm"`) || strings.Contains(form, "required") {
		t.Fatalf("no second yes without more to do: %s", form)
	}
	values := url.Values{}
	for _, f := range regexp.MustCompile(`<input type="hidden" name="(\w+)" value="(\w+)"`).FindAllStringSubmatch(form, -1) {
		values.Set(f[1], f[2])
	}
	taps++
	if code, body, _ := r.do("vera", http.MethodPost, form[:strings.Index(form, `"`)], values); code != http.StatusSeeOther {
		t.Fatalf("%d %.600s", code, body)
	}
	r.want(id, Published)
	if taps != 3 {
		t.Error(taps)
	}
	// An update tells what is new.
	c := dam()
	c.Values["meeting"] = "kostel"
	_, err := r.Begin(t.Context(), as("dana"), id, store.Live, Update, c)
	r.ok(err)
	r.told = nil
	r.ok(r.take("dana", id, Propose))
	var all []string
	for _, x := range r.told[0].More {
		all = append(all, x.In(r.texts, i18n.Cs))
	}
	if text := strings.Join(all, "\n"); !strings.Contains(text, "Nově: kostel.") || !strings.Contains(text, "Už neplatí: škola.") {
		t.Errorf("told: %s", text)
	}
}

// Nobody answers: after three minutes, also over a restart, the author is told and may go
// on alone, with a second factor and a reason; another person reviews it.
func TestOverride(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	id := r.begin("dana", store.Live, flood())
	r.ok(r.take("dana", id, Propose))
	alone := Event{Step: Override, Content: 1, Second: true, Reason: "the water is here"}
	r.clk.Advance(AnswerTime - time.Second)
	r.refused(r.Take(ctx, as("dana"), id, alone, true), "notice.refuse.early")
	r.db.Close()
	r.clk.Advance(time.Second)
	r.open()
	r.ok(r.Schedule(ctx))
	r.told = nil
	r.run(func() bool { return r.leaves("notice.unanswered") == 1 })
	if len(r.told) != 1 || r.told[0].Key != "notice.tell.unanswered" || r.told[0].Organisation != "frydlant" {
		t.Fatalf("told: %+v", r.told)
	}
	without := alone
	without.Second = false
	r.refused(r.Take(ctx, as("dana"), id, without, true), "notice.refuse.factor")
	without = alone
	without.Reason = " "
	r.refused(r.Take(ctx, as("dana"), id, without, true), "notice.refuse.reason")
	r.ok(r.Take(ctx, as("dana"), id, alone, true))
	r.want(id, Published)
	if len(r.sent) != 1 {
		t.Fatal("not handed on")
	}
	if all, err := r.List(ctx, "frydlant", i18n.En); err != nil || !all[0].Review {
		t.Error("no review is open", err)
	}
	judge := Event{Step: Review, Right: true}
	r.refused(r.Take(ctx, as("dana"), id, judge, true), "notice.refuse.officer")
	r.ok(r.Take(ctx, as("vera"), id, judge, true))
	r.refused(r.Take(ctx, as("adam"), id, judge, true), "notice.refuse.state")

	// Immediate danger to life waits for nobody; who overrides cannot review it.
	id = r.begin("vera", store.Live, dam())
	r.ok(r.take("vera", id, Propose))
	r.ok(r.Take(ctx, as("vera"), id, alone, true))
	r.refused(r.Take(ctx, as("vera"), id, judge, true), "notice.refuse.same")
	r.refused(r.Take(ctx, as("adam"), id, Event{Step: Review}, true), "notice.refuse.reason") // it was wrong: why?
	r.ok(r.Take(ctx, as("adam"), id, Event{Step: Review, Reason: "no water came"}, true))
}

// A notice that has expired goes into the archive by itself, unless it was updated.
func TestArchive(t *testing.T) {
	r := newRig(t)
	r.ok(r.Schedule(t.Context()))
	id := r.begin("dana", store.Exercise, dam())
	r.ok(r.take("dana", id, Propose))
	r.ok(r.take("vera", id, Approve))
	r.clk.Advance(12*time.Hour + archiveAfter + time.Second)
	r.run(func() bool { return r.state(id) == Archived })
	old := r.begin("dana", store.Live, dam())
	r.clk.Advance(13 * time.Hour)
	r.refused(r.take("dana", old, Propose), "notice.refuse.expired")
}

// Nothing of an exercise or a test looks real or stands among what is: not in the
// message, nor in the feed, nor at an address, nor in a notification.
func TestDrillsStayApart(t *testing.T) {
	r := newRig(t)
	ids := map[store.Kind]string{}
	for _, k := range store.Kinds {
		r.told = nil
		ids[k] = r.begin("dana", k, dam())
		r.ok(r.take("dana", ids[k], Propose))
		r.ok(r.take("vera", ids[k], Approve))
		for _, n := range r.told {
			if n.Kind != k {
				t.Errorf("%s: a notification is %s", k, n.Kind)
			}
		}
	}
	words := map[string]map[store.Kind]string{"cs-CZ": {store.Exercise: "CVIČENÍ", store.Test: "ZKOUŠKA"}, "de-DE": {store.Exercise: "ÜBUNG", store.Test: "TESTMELDUNG"},
		"pl-PL": {store.Exercise: "ĆWICZENIA", store.Test: "PRÓBA"}, "en-GB": {store.Exercise: "EXERCISE", store.Test: "TEST"}}
	for _, p := range r.sent {
		a, err := Open(p.Document, start, testSigner.cert)
		r.ok(err)
		want := map[store.Kind]string{store.Live: "Actual", store.Exercise: "Exercise", store.Test: "Test"}[p.Kind]
		if a.Status != want || len(a.Infos) != 4 {
			t.Errorf("%s: status %s", p.Kind, a.Status)
		}
		for _, i := range a.Infos {
			if web := "https://node.example" + publicPath(p.Kind, p.Notice, 1); i.Web != web && p.Kind != store.Test || p.Kind == store.Test && i.Web != "" {
				t.Errorf("%s can be read at %q", p.Kind, i.Web)
			}
			word := words[i.Language][p.Kind]
			if p.Kind != store.Live && (!strings.HasPrefix(i.Headline, word+":") || !strings.HasPrefix(i.Description, word+".")) {
				t.Errorf("%s %s: %q", p.Kind, i.Language, i.Headline)
			}
			// Its own notice says whose it is, and what it is not.
			if !strings.Contains(i.SenderName, "Město Frýdlant") || cap.Value(i.Parameters, "trojmezi:origin") != "own-notice" || !strings.Contains(i.Description, r.texts.Text(i18n.Lang(i.Language[:2]), "notice.say.nature", nil)) {
				t.Errorf("%s does not say whose it is: %q %q", i.Language, i.SenderName, i.Description)
			}
			for _, c := range i.EventCodes {
				if !strings.HasPrefix(c.Name, "trojmezi:") {
					t.Errorf("%s bears a code of somebody else: %v", i.Language, c)
				}
			}
		}
	}
	for _, k := range store.Kinds {
		current, changed, err := r.Current(t.Context(), k)
		r.ok(err)
		if len(current) != 1 || current[0].Notice != ids[k] || !changed.Equal(current[0].Sent) {
			t.Errorf("current of %s: %v, changed %v", k, current, changed)
		}
	}
	for _, k := range store.Kinds {
		for _, at := range []store.Kind{store.Live, store.Exercise} {
			code, body, _ := r.do("", http.MethodGet, publicPath(at, ids[k], 1), nil)
			if want := k == at; (code == http.StatusOK) != want {
				t.Errorf("a notice of %s at the address of %s: %d", k, at, code)
			} else if want && !strings.Contains(body, "<ds:Signature") {
				t.Errorf("%s is not signed", k)
			}
		}
	}
}

// The certificate at its address verifies what is at the others.
func TestPublicCertificate(t *testing.T) {
	r := newRig(t)
	id := r.begin("dana", store.Live, dam())
	r.ok(r.take("dana", id, Propose))
	r.ok(r.take("vera", id, Approve))
	pem := r.get("", "/cap/certificate.pem")
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		t.Fatalf("%s", pem)
	}
	doc := r.get("", publicPath(store.Live, id, 1))
	if _, err := Open([]byte(doc), start, testSigner.cert); err != nil {
		t.Fatal(err)
	}
}

// The signing key is found again by the node that made it, and by no other.
func TestSigningKey(t *testing.T) {
	r := newRig(t)
	r.signer = nil
	r.ok(r.ready(t.Context()))
	made := r.signer.cert
	r.signer = nil
	r.ok(r.ready(t.Context()))
	if !r.signer.cert.Equal(made) || r.leaves("notice.key") != 1 {
		t.Error("another key")
	}
	o := newRig(t)
	cert, key, err := r.signer.sealed(r.o.Key)
	r.ok(err)
	if _, err := unsealed(o.o.Key, cert, key); err == nil {
		t.Error("another node reads the key")
	}
}

// From "dam break" to published in four languages by the pages: 12 presses at most.
func TestPages(t *testing.T) {
	r := newRig(t)
	presses := 0
	press := func(who, path string) string { presses++; return r.get(who, path) }
	send := func(who, path string, form url.Values) string {
		t.Helper()
		presses++
		code, body, to := r.do(who, http.MethodPost, path, form)
		if code != http.StatusSeeOther {
			t.Fatalf("%s: %d %.1500s", path, code, body)
		}
		return to
	}
	if page := press("dana", root); !strings.Contains(page, "No notice yet") {
		t.Error("the empty list says nothing")
	}
	press("dana", root+"/new")
	page := press("dana", root+"/new?template=N01")
	if !strings.Contains(page, `value="2026-08-07T18:05"`) {
		t.Error("the time is not now's")
	}
	form := url.Values{"template": {"N01"}, "area": {"ORP-5102"}, "kind": {"live"}, "hours": {"12"}, "v_dam": {"Niedów"}, "v_river": {"Wittig"}, "v_at": {"2026-08-07T18:00"}, "v_meeting": {"school"}, "v_phone": {"+420 482 000 000"}}
	wrong := url.Values{"template": {"N01"}, "kind": {"live"}, "hours": {"x"}, "v_phone": {"call"}, "v_at": {"soon"}, "drawing": {"{"}}
	if code, body, _ := r.do("dana", http.MethodPost, root, wrong); code != http.StatusUnprocessableEntity || !strings.Contains(body, "Write the number with the country") || !strings.Contains(body, "Write a day and a time") || !strings.Contains(body, "Write whole hours") {
		t.Errorf("nonsense: %d", code)
	}
	// While somebody writes, each language and channel is shown; what is wrong is left open.
	if code, body, _ := r.do("dana", http.MethodPost, root+"/preview", form); code != http.StatusOK || strings.Contains(body, "<html") {
		t.Errorf("live: %d %.300s", code, body)
	} else {
		for _, text := range []string{"Dammbruch", "Przerwanie zapory", "board: live Przerwanie", "Wittig", "obvod ORP Frýdlant"} {
			if !strings.Contains(body, text) {
				t.Errorf("the live preview has no %q", text)
			}
		}
	}
	half := url.Values{"template": {"N01"}, "kind": {"exercise"}, "v_phone": {"call"}, "purpose": {"cancel"}}
	if code, body, _ := r.do("dana", http.MethodPost, root+"/preview", half); code != http.StatusOK || !strings.Contains(body, "EXERCISE: Cancelled: Dam break") || !strings.Contains(body, "Information: ….") {
		t.Errorf("a half form: %d", code)
	}
	if code, _, _ := r.do("dana", http.MethodPost, root+"/preview", url.Values{"template": {"N99"}}); code != http.StatusUnprocessableEntity && code != http.StatusBadRequest {
		t.Errorf("no template: %d", code)
	}
	to := send("dana", root, form)
	page = press("dana", to)
	for _, text := range []string{"Protržení hráze", "Dammbruch", "Przerwanie zapory", "Dam break", "Wittig", "Witka", "Smědá", "Friedland", "board: live", "[nicht übersetzt, auf Englisch] Niedów", "Nobody has checked the wording", `class="map-area" d="M`} {
		if !strings.Contains(page, text) {
			t.Errorf("the preview has no %q", text)
		}
	}
	if code, body, _ := r.do("dana", http.MethodPost, to+"/take", url.Values{"step": {"propose"}, "content": {"1"}}); code != http.StatusConflict || !strings.Contains(body, "confirm that you know") {
		t.Errorf("a draft text is not asked about: %d", code)
	}
	presses++ // the box that says one knows
	send("dana", to+"/take", url.Values{"step": {"propose"}, "content": {"1"}, "draft": {"on"}})
	if code, _, _ := r.do("dana", http.MethodPost, to+"/answer", url.Values{"step": {"approve"}, "content": {"1"}, "draft": {"on"}}); code != http.StatusForbidden {
		t.Errorf("the author approves: %d", code)
	}
	page = press("vera", to+"/answer")
	for _, text := range []string{"asks for approval", "Dammbruch", "What is new", `class="map-area" d="M`, "Nobody has checked the wording"} {
		if !strings.Contains(page, text) {
			t.Errorf("the second person sees no %q", text)
		}
	}
	if code, _, _ := r.do("vera", http.MethodPost, to+"/answer", url.Values{"step": {"refuse"}, "content": {"1"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("a refusal without a reason: %d", code)
	}
	if page = press("vera", to+"/answer?sure=1"); !strings.Contains(page, `id="confirm"`) {
		t.Error("no last question")
	}
	send("vera", to+"/answer", url.Values{"step": {"approve"}, "content": {"1"}, "draft": {"on"}})
	if presses > 12 {
		t.Errorf("%d presses", presses)
	}
	id := strings.TrimPrefix(to, root+"/notice/")
	r.want(id, Published)
	if page := r.get("dana", to); !strings.Contains(page, publicPath(store.Live, id, 1)) || !strings.Contains(page, `id="to-cancel"`) {
		t.Error("the published notice leads nowhere")
	}

	// An update shows its difference; the history has every step and text.
	code, body, _ := r.do("dana", http.MethodGet, to+"/change?purpose=update", nil)
	if code != http.StatusOK || !strings.Contains(body, "Niedów") {
		t.Fatalf("update: %d", code)
	}
	form.Set("purpose", "update")
	form.Set("v_meeting", "church")
	presses = 0
	send("dana", to+"/change", form)
	if page := r.get("vera", to+"/answer"); !strings.Contains(page, "There is nothing left to answer") {
		t.Error("an update that was not proposed is to be answered")
	}
	send("dana", to+"/take", url.Values{"step": {"propose"}, "content": {"2"}, "draft": {"on"}})
	if page := r.get("vera", to+"/answer"); !strings.Contains(page, "<del>") || !strings.Contains(page, "church") {
		t.Error("no difference")
	}
	if page := r.get("vera", to+"/history"); !strings.Contains(page, "approved") || !strings.Contains(page, "Wording 2") || !strings.Contains(page, "Dana Dispečerka") {
		t.Error("the history is not whole")
	}
	// The override page: at once for this template, with code and reason.
	if code, body, _ := r.do("dana", http.MethodPost, to+"/override", url.Values{"content": {"2"}, "reason": {"x"}, "draft": {"on"}, "code": {"000000"}}); code != http.StatusUnprocessableEntity || !strings.Contains(body, "The code is wrong") {
		t.Errorf("a wrong code: %d", code)
	}
	if page := r.get("dana", to+"/override"); !strings.Contains(page, `data-passkey="get"`) || !strings.Contains(page, "passkey.js") {
		t.Error("no passkey is asked for")
	}
	for _, x := range []url.Values{{"response": {"forged"}}, {"response": {""}}, {"response": {"signed"}, "code": {"000000"}}} {
		x["content"], x["reason"], x["draft"] = []string{"2"}, []string{"x"}, []string{"on"}
		if code, body, _ := r.do("dana", http.MethodPost, to+"/override", x); code != http.StatusUnprocessableEntity || !strings.Contains(body, `data-passkey="get"`) {
			t.Errorf("%v: %d", x, code)
		}
	}
	send("dana", to+"/override", url.Values{"content": {"2"}, "reason": {"nobody answers"}, "draft": {"on"}, "response": {"signed"}})
	if page := r.get("vera", to); !strings.Contains(page, `id="review"`) {
		t.Error("no review is asked for")
	}
	send("vera", to+"/review", url.Values{"right": {"yes"}})
	for _, filter := range []string{"?state=published", "?kind=live"} {
		if page := r.get("dana", root+filter); !strings.Contains(page, "leave the banks") {
			t.Errorf("%s does not find it", filter)
		}
	}
	if page := r.get("dana", root+"?state=draft"); !strings.Contains(page, "Nothing matches") {
		t.Error("a filter that finds nothing says nothing")
	}
	// Others don't see it at all.
	for _, path := range []string{to, to + "/history", to + "/cap.xml", to + "/answer"} {
		if code, _, _ := r.do("kai", http.MethodGet, path, nil); code != http.StatusForbidden {
			t.Errorf("%s for another organisation: %d", path, code)
		}
	}
}

// Duty and delegations by the page.
func TestDutyPage(t *testing.T) {
	r := newRig(t)
	send := func(who, path string, form url.Values, want int) string {
		t.Helper()
		code, body, _ := r.do(who, http.MethodPost, path, form)
		if code != want {
			t.Fatalf("%s: %d %.900s", path, code, body)
		}
		return body
	}
	send("vera", dutyPath, url.Values{"person": {"vera"}, "phone": {"+420 482 1"}, "since": {"2026-08-07T18:00"}, "until": {"2026-08-08T06:00"}}, http.StatusSeeOther)
	if body := send("vera", dutyPath, url.Values{"person": {"dana"}, "phone": {""}, "since": {"x"}, "until": {"2026-08-08T06:00"}}, http.StatusUnprocessableEntity); !strings.Contains(body, "Choose a shift leader") {
		t.Error("the fault is not told")
	}
	send("vera", root+"/delegations", url.Values{}, http.StatusForbidden)
	send("adam", root+"/delegations", url.Values{"deputy": {"goerlitz"}, "role": {"region"}, "from": {"2026-08-07"}, "to": {"2027-08-07"}, "why": {"§ 5"}}, http.StatusSeeOther)
	page := r.get("adam", dutyPath)
	if !strings.Contains(page, "Věra Vedoucí") || !strings.Contains(page, "Landkreis Görlitz") || !strings.Contains(page, "§ 5") || !strings.Contains(page, "Adam Administrátor") {
		t.Error("the page is not whole")
	}
	v, err := r.Roster(t.Context(), "frydlant", "", store.Live)
	r.ok(err)
	send("adam", root+"/delegations/end", url.Values{"id": {v.Delegations[0].ID}}, http.StatusSeeOther)
	send("vera", dutyPath+"/end", url.Values{"id": {v.Duties[0].ID}}, http.StatusSeeOther)
	if page := r.get("adam", dutyPath); !strings.Contains(page, "ended by Adam") || !strings.Contains(page, "No turn is written down") {
		t.Error("what ended is not shown")
	}
}

// Templates by the pages: read, edited as a new version, checked by a named person, as a
// file and back.
func TestTemplatePages(t *testing.T) {
	r := newRig(t)
	b, err := r.Templates(context.Background())
	r.ok(err)
	for _, x := range b.InUse() {
		if len(x.Drafts()) != 4 {
			t.Errorf("%s ships as checked", x.ID)
		}
	}
	for _, l := range i18n.Langs {
		r.ok(r.Check(t.Context(), as("vera"), "N01", b.Find("N01").Version, l, true))
	}
	if page := r.get("vera", templateURL("N01", "")); !strings.Contains(page, "checked by Věra Vedoucí") {
		t.Error("who checked is not named")
	}
	form := url.Values{"base": {"1"}, "slots": {slotList(b.Find("N01").Slots)}, "hours": {"10"}, "hazard": {"dam_break"}, "category": {"Infra Safety"}, "response": {"Evacuate"}, "urgency": {"Immediate"}, "severity": {"Extreme"}, "certainty": {"Observed"}, "immediate": {"on"}}
	for _, l := range i18n.Langs {
		for _, p := range Parts {
			form.Set(string(p)+"_"+string(l), b.Find("N01").Texts[l][p])
		}
	}
	form.Set("headline_en", "Dam break: run, {river}")
	if code, body, _ := r.do("vera", http.MethodPost, templateURL("N01", "/edit"), form); code != http.StatusSeeOther {
		t.Fatalf("%d %.900s", code, body)
	}
	form.Set("headline_en", "Another")
	if code, body, _ := r.do("adam", http.MethodPost, templateURL("N01", "/edit"), form); code != http.StatusUnprocessableEntity || !strings.Contains(body, "changed the template meanwhile") {
		t.Errorf("who comes second: %d", code)
	}
	b, err = r.Templates(context.Background())
	r.ok(err)
	if n := b.Find("N01"); len(n.Drafts()) != 4 || n.Hours != 10 || len(b.History("N01")) != 2 {
		t.Errorf("new words keep the checks of the old: %v", n.Checked)
	}
	form.Set("base", "2")
	form.Set("headline_en", "Dam break {")
	if code, body, _ := r.do("vera", http.MethodPost, templateURL("N01", "/edit"), form); code != http.StatusUnprocessableEntity || !strings.Contains(body, "braces") {
		t.Errorf("%d", code)
	}
	if code, _, _ := r.do("dana", http.MethodPost, templateURL("N01", "/check"), url.Values{"lang": {"cs"}}); code != http.StatusForbidden {
		t.Errorf("a dispatcher checks: %d", code)
	}
	file := r.get("dana", templatesPath+".csv")
	n, err := r.Import(t.Context(), as("vera"), []byte(file))
	if err != nil || n != 0 {
		t.Errorf("the file is not what it was made of: %d, %v", n, err)
	}
	changed := strings.Replace(file, "Move to higher ground at once.", "Run uphill.", 1)
	if n, err := r.Import(t.Context(), as("vera"), []byte(changed)); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	broken := strings.Replace(file, "{river}", "{rivr}", 1)
	_, err = r.Import(t.Context(), as("vera"), []byte(broken))
	refused, is := errors.AsType[*Refused](err)
	if !is || refused.Faults[0].Line != 2 {
		t.Errorf("%v", err)
	}
	if code, _, _ := r.do("vera", http.MethodPost, templateURL("N09", "/retire"), nil); code != http.StatusSeeOther {
		t.Error(code)
	}
	if page := r.get("dana", root+"/new"); strings.Contains(page, "Power cut") {
		t.Error("a template out of use is offered")
	}
	// A new one, tried before it is kept; its number is taken once.
	fresh := url.Values{"id": {"n20"}, "hazard": {"water_ban"}, "category": {"Health"}, "response": {"Avoid"}, "urgency": {"Immediate"}, "severity": {"Moderate"}, "certainty": {"Observed"}, "hours": {"48"}, "slots": {"place:place hours:number"}, "do": {"preview"}, "p_hours": {"5"}}
	for _, l := range i18n.Langs {
		for _, p := range Parts {
			fresh.Set(string(p)+"_"+string(l), "{place}: "+map[i18n.Lang]string{i18n.Cs: "{hours} {hours|hodina|hodiny|hodiny|hodin}", i18n.De: "{hours} {hours|Stunde|Stunden}", i18n.Pl: "{hours} {hours|godzina|godziny|godzin|godziny}", i18n.En: "{hours} {hours|hour|hours}"}[l])
		}
	}
	_, page, _ := r.do("vera", http.MethodPost, templatesPath+"/new", fresh)
	for _, want := range []string{"Frýdlant: 5 hodin<", "Friedland in Böhmen (Frýdlant): 5 Stunden<", ": 5 godzin<", "Frýdlant: 5 hours<", `name="p_place"`, `value="n20"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the trial has no %q", want)
		}
	}
	fresh.Set("p_hours", "many")
	if _, page, _ := r.do("vera", http.MethodPost, templatesPath+"/new", fresh); !strings.Contains(page, "Write a whole number") {
		t.Error("a value of another kind is tried")
	}
	fresh.Del("do")
	if code, _, to := r.do("vera", http.MethodPost, templatesPath+"/new", fresh); code != http.StatusSeeOther || to != templateURL("N20", "") {
		t.Errorf("%d %s", code, to)
	}
	if code, page, _ := r.do("vera", http.MethodPost, templatesPath+"/new", url.Values{"id": {"N20"}, "hours": {"x"}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "cannot stand here") || !strings.Contains(page, "Write whole hours") {
		t.Errorf("an empty template: %d", code)
	}
	fresh.Set("text_en", "{place}, {hours}")
	if code, page, _ := r.do("vera", http.MethodPost, templatesPath+"/new", fresh); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Another template has this number") {
		t.Errorf("a number twice: %d", code)
	}
	if code, _, _ := r.do("dana", http.MethodPost, templatesPath+"/new", fresh); code != http.StatusForbidden {
		t.Errorf("a dispatcher writes a template: %d", code)
	}
	// Undo: the words from before with their checks, and what was out of use.
	first := b.History("N01")[1]
	if code, _, _ := r.do("vera", http.MethodPost, templateURL("N01", "/restore"), url.Values{"version": {first.Version}}); code != http.StatusSeeOther {
		t.Error(code)
	}
	if code, _, _ := r.do("vera", http.MethodPost, templateURL("N09", "/restore"), url.Values{"version": {b.Find("N09").Version}}); code != http.StatusSeeOther {
		t.Error(code)
	}
	b, err = r.Templates(context.Background())
	r.ok(err)
	if n := b.Find("N01"); n.Version != first.Version || len(n.Drafts()) != 0 || b.Find("N09") == nil {
		t.Errorf("not undone: %s %v", n.Version, n.Drafts())
	}
	if code, _, _ := r.do("vera", http.MethodPost, templateURL("N01", "/restore"), url.Values{"version": {"nothing"}}); code != http.StatusNotFound {
		t.Error(code)
	}
	if page := r.get("dana", templateURL("N02", "/preview?p_level=300&p_river=Neisse")); !strings.Contains(page, "300\u00a0cm") {
		t.Error("a template in use cannot be tried")
	}
	for _, path := range []string{templatesPath + "/new", templatesPath + "/new?like=N02", templatesPath, templateURL("N09", ""), templatesPath + "/import", templateURL("N01", "/edit")} {
		r.get("vera", path)
	}
}
