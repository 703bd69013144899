package notice

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// came brings in a block of the other node, as the feed does.
func (r *rig) came(organisation string, kind store.Kind, b farBlock) {
	r.t.Helper()
	b.Kind = kind
	raw, err := json.Marshal(b)
	r.ok(err)
	other := map[bool]string{true: "9.9.99.1", false: "9.9.1"}[kind != store.Live]
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := r.Far(tx, Came{Organisation: organisation, Other: other, Test: kind != store.Live, Message: r.clk.NewID(), At: r.clk.Now(), Block: raw})
		return err
	}))
}

// posted runs the jobs until a letter of a sort has left, and takes all that have.
func (r *rig) posted(do string) (last farBlock) {
	r.t.Helper()
	found := false
	look := func() bool {
		for _, l := range r.lines {
			var b farBlock
			if json.Unmarshal(l.Block, &b) == nil && b.Do == do {
				last, found = b, true
			}
		}
		return found
	}
	r.run(func() bool { // the letters are taken when the jobs stand still
		var n int
		r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error {
			return tx.Row(`SELECT COUNT(*) FROM job_task WHERE queue = $1`, queueFar).Scan(&n)
		}))
		return n == 0
	})
	if !look() {
		r.t.Fatalf("no %s has left", do)
	}
	r.lines = nil
	return last
}

// An officer here answers a request of another node on the page of the second person:
// opened, approved, confirmed. Others of his house may not, nor anybody else.
func TestAskedByAnotherNode(t *testing.T) {
	r := newRig(t)
	r.ok(r.Schedule(t.Context()))
	until := start.Add(100 * time.Hour)
	r.came("goerlitz", store.Live, farBlock{Do: doDelegate, Delegation: "d1", Name: "Powiat zgorzelecki", Role: "neighbour", Reason: "umowa", Since: msOf(start), Until: msOf(until)})
	page := r.get("adam", dutyPath)
	if strings.Contains(page, "umowa") {
		t.Error("another organisation reads it")
	}
	body, err := json.Marshal(func() wireAsk {
		a := wireAsk{Purpose: Alert, Expires: msOf(start.Add(6 * time.Hour)), Rings: []Ring{{{Lat: 51, Lon: 15}, {Lat: 51.1, Lon: 15}, {Lat: 51, Lon: 15.1}, {Lat: 51, Lon: 15}}}}
		for _, l := range i18n.Langs {
			a.Messages = append(a.Messages, Message{Lang: l, Words: Words{PartEvent: "E", PartHeadline: "Headline " + string(l), PartText: "text", PartInstruction: "do"}, Whose: "Powiat", Area: "Zgorzelec", Until: "then"})
		}
		return a
	}())
	r.ok(err)
	ask := farBlock{Do: doAsk, Delegation: "d1", Request: "r1", Ask: body, Name: "Powiat zgorzelecki", At: msOf(start)}
	r.came("goerlitz", store.Live, ask) // nobody here has agreed
	if n := r.leaves("notice.far_refused"); n != 1 {
		t.Fatalf("%d refusals", n)
	}
	if b := r.posted(doRefused); b.Request != "r1" || b.Why != "delegation" {
		t.Errorf("%+v", b)
	}
	r.ok(r.Agree(t.Context(), as("kai"), "9.9.1", "d1"))
	r.posted(doDuty)
	r.told = nil
	ask.Request = "r2"
	r.came("goerlitz", store.Live, ask)
	r.came("goerlitz", store.Live, ask) // read again
	if len(r.told) != 1 || r.told[0].Organisation != "goerlitz" || r.told[0].Kind != store.Live || !strings.Contains(r.told[0].More[0].In(r.texts, i18n.De), "Headline de") {
		t.Fatalf("%+v", r.told)
	}
	link := r.told[0].Link
	for who, want := range map[string]int{"doro": http.StatusForbidden, "vera": http.StatusForbidden, "kai": http.StatusOK} {
		if code, _, _ := r.do(who, http.MethodGet, link, nil); code != want {
			t.Errorf("%s: %d", who, code)
		}
	}
	if page := r.get("kai", root); !strings.Contains(page, link) {
		t.Error("the list does not have it")
	}
	first := r.get("kai", link)
	for _, want := range []string{"Headline en", "<svg", "This is the first wording", "wording not checked", link + "?sure=1"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if page := r.get("kai", link+"?sure=1"); !strings.Contains(page, `id="confirm"`) {
		t.Error("no last question")
	}
	if code, _, _ := r.do("kai", http.MethodPost, link, url.Values{"step": {"refuse"}, "content": {"1"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("a refusal without a reason: %d", code)
	}
	yes := url.Values{"step": {"approve"}, "content": {"1"}, "draft": {"on"}}
	if code, _, _ := r.do("doro", http.MethodPost, link, yes); code != http.StatusForbidden {
		t.Errorf("a dispatcher answers: %d", code)
	}
	if code, _, to := r.do("kai", http.MethodPost, link, yes); code != http.StatusSeeOther || to != link {
		t.Fatalf("%d %s", code, to)
	}
	if b := r.posted(doAnswer); b.Request != "r2" || b.Answer != Approve || b.Digest != digestOf(body) || b.Name != "Kai Kreis" || !b.Draft {
		t.Errorf("%+v", b)
	}
	if code, _, _ := r.do("kai", http.MethodPost, link, yes); code != http.StatusConflict {
		t.Errorf("answered twice: %d", code)
	}
	r.came("goerlitz", store.Live, farBlock{Do: doClose, Request: "r2", Why: string(Override)})
	if page := r.get("kai", link); !strings.Contains(page, "published in an emergency before an answer came") {
		t.Error("what became of it is not told")
	}
}

// The other node is silent: who is on duty there grows old, the emergency publication is
// offered as always, and the answer that comes after it is shown and changes nothing. Who
// wrote the notice is no second person at another node either.
func TestAnotherNodeIsLate(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.ok(r.Schedule(ctx))
	grant := func(deputy, person string) error {
		return r.Grant(ctx, as("adam"), Delegation{Deputy: farPrefix + deputy, Person: person, Role: "neighbour", Reason: "x", Since: start.Add(-time.Hour), Until: start.Add(100 * time.Hour)})
	}
	if err := grant("1.1.1", ""); err == nil {
		t.Error("a desk nobody knows")
	}
	if err := grant("9.9.1", "kai"); err == nil {
		t.Error("one person at another node")
	}
	r.ok(grant("9.9.1", ""))
	given := r.posted(doDelegate)
	if page := r.get("dana", root+"/new"); !strings.Contains(page, "has not agreed yet") {
		t.Error("that nobody has agreed is not said")
	}
	r.came("frydlant", store.Live, farBlock{Do: doAgree, Delegation: given.Delegation})
	duty := farBlock{Do: doDuty, Delegation: given.Delegation, At: msOf(r.clk.Now()), Duty: []wireDuty{{"Ola Oficer", "+48 75 000 000", msOf(start), msOf(start.Add(9 * time.Hour))}}}
	r.came("goerlitz", store.Live, duty) // another organisation's desk got it
	if v, err := r.Roster(ctx, "frydlant", "dana", store.Live); err != nil || len(v.Now) != 0 {
		t.Error(v.Now, err)
	}
	r.came("frydlant", store.Live, duty)
	if page := r.get("dana", root+"/new"); !strings.Contains(page, "Ola Oficer") || !strings.Contains(page, "+48 75 000 000") || strings.Contains(page, "silent since") {
		t.Error("who is on duty there is not shown")
	}
	id := r.begin("dana", store.Live, flood())
	r.ok(r.take("dana", id, Propose))
	asked := r.posted(doAsk)
	r.clk.Advance(20 * time.Minute)
	if page := r.get("dana", address(id, "")); !strings.Contains(page, "silent since") || !strings.Contains(page, "to-override") {
		t.Error("the silence, or the way out of it, is not shown")
	}
	r.ok(r.Take(ctx, as("dana"), id, Event{Step: Override, Content: 1, Reason: "nikdo", Second: true}, true))
	r.want(id, Published)
	if b := r.posted(doClose); b.Request != asked.Request || b.Why != string(Override) {
		t.Errorf("%+v", b)
	}
	answer := farBlock{Do: doAnswer, Request: asked.Request, Digest: digestOf(asked.Ask), Answer: Refuse, Reason: "špatně", Name: "Ola Oficer", Draft: true, At: msOf(r.clk.Now())}
	r.came("frydlant", store.Live, answer)
	r.want(id, Published)
	if page := r.get("dana", address(id, "")); !strings.Contains(page, "too late: Ola Oficer refused") || r.leaves("notice.far_late") != 1 {
		t.Error("the late answer is not shown")
	}
	// The list of emergencies, its filter and its file.
	for query, n := range map[string]int{"": 1, "?state=open": 1, "?state=done": 0, "?kind=exercise": 0, "?kind=live": 1} {
		_, file, _ := r.do("vera", http.MethodGet, overridesPath+".csv"+query, nil)
		if got := strings.Count(file, "\r\n") - 1; got != n {
			t.Errorf("%q: %d rows", query, got)
		}
		if page := r.get("vera", overridesPath+query); strings.Contains(page, "Dana Dispečerka") != (n == 1) {
			t.Errorf("%q: the page", query)
		}
	}
	r.ok(r.Take(ctx, as("vera"), id, Event{Step: Review, Right: true, Reason: "bylo to nutné"}, true))
	if all, err := r.Overrides(ctx, "frydlant", i18n.Cs); err != nil || len(all) != 1 || all[0].Reviewer != "Věra Vedoucí" || !all[0].Right {
		t.Errorf("%+v %v", all, err)
	}

	// The author under the same name at the other node.
	id = r.begin("dana", store.Live, flood())
	r.ok(r.take("dana", id, Propose))
	asked = r.posted(doAsk)
	answer = farBlock{Do: doAnswer, Request: asked.Request, Digest: digestOf(asked.Ask), Answer: Approve, Name: "dana dispecerka", Draft: true, At: msOf(r.clk.Now())}
	r.came("frydlant", store.Live, answer)
	if b := r.posted(doClose); b.Why != "failed" {
		t.Errorf("%+v", b)
	}
	r.want(id, Proposed)
	if page := r.get("dana", address(id, "")); !strings.Contains(page, "does not count") {
		t.Error("why it does not count is not shown")
	}

	// What can't be sent is told, and keeps nothing from being proposed.
	r.ok(grant("9.9.2", ""))
	r.run(func() bool { return strings.Contains(r.get("dana", root+"/new"), "could not be asked") })
	if err := r.End(ctx, as("adam"), given.Delegation); err != nil {
		t.Fatal(err)
	}
	if b := r.posted(doEnd); b.Delegation != given.Delegation {
		t.Errorf("%+v", b)
	}
	if problem.KindOf(r.Decline(ctx, as("kai"), "9.9.1", "none")) != problem.NotFound {
		t.Error("what nobody asked is declined")
	}
}
