package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	built "trojmezi/web"
)

// officer is at the pages on which persons' requests are answered.
type officer struct {
	r  *room
	rt *web.Router
}

// requests are those pages for a room, whose rules decide what it tells.
func (r *room) requests() *officer {
	r.t.Helper()
	texts := pageTexts(r.t)
	r.Disclosure = disclosure.New(disclosure.Options{DB: r.db, Node: r.node, Ring: r.ring, Audit: r.audit, Clock: r.clk,
		Look: r.Look, Recall: r.Recall, KeptUntil: r.KeptUntil, Addresses: r.Addresses, Country: func(context.Context, string) (string, error) { return r.org.Country, nil }})
	policy, err := access.Load(map[string][]byte{"disclosure/policy.cedar": disclosure.Policy()})
	r.ok(err)
	people := map[string]*web.Person{}
	for _, role := range []string{"auditor", "administrator", "shift_leader", "dispatcher", "technician"} {
		people[role] = &web.Person{ID: role, Name: "Pavla Pověřená", Organisation: r.org.ID, Place: r.org.Name, Roles: []string{role}, Lang: i18n.Cs}
	}
	people["stranger"] = &web.Person{ID: "stranger", Organisation: "other", Place: "Other", Roles: []string{"auditor"}, Lang: i18n.En}
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.DiscardHandler), Clock: r.clk, Policy: policy, Nav: disclosure.Nav(), Built: built.Built(),
		Authenticate: func(q *http.Request) (*web.Person, error) { return people[q.Header.Get("who")], nil }})
	disclosure.NewPages(r.Disclosure).Register(rt)
	return &officer{r, rt}
}

func (o *officer) post(who, path string, form url.Values) (int, string) {
	o.r.t.Helper()
	q := httptest.NewRequestWithContext(o.r.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	q.Header.Set("who", who)
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	o.rt.ServeHTTP(w, q)
	body, err := io.ReadAll(w.Body)
	o.r.ok(err)
	if m := regexp.MustCompile(`⟦[^⟧]*⟧`).Find(body); m != nil {
		o.r.t.Errorf("%s: no text %s", path, m)
	}
	return w.Code, string(body)
}

var (
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	radio       = regexp.MustCompile(`<input type="radio"[^>]* name="(choice-[^"]*)" value="([^"]*)"( checked)?`)
)

// search is the form of the list that a search ends with, as it is proposed.
func (o *officer) search(who string, form url.Values) (url.Values, string) {
	o.r.t.Helper()
	for range 20 {
		code, page := o.post(who, "/disclosure/request", form)
		if code != http.StatusOK {
			o.r.t.Fatalf("%d %s", code, page)
		}
		next := url.Values{}
		for _, m := range hiddenInput.FindAllStringSubmatch(page, -1) {
			next.Add(m[1], m[2])
		}
		if strings.Contains(page, `action="/disclosure/request/answer"`) {
			for _, m := range radio.FindAllStringSubmatch(page, -1) {
				if next[m[1]] == nil {
					next[m[1]] = nil
				}
				if m[3] != "" {
					next.Set(m[1], m[2])
				}
			}
			return next, page
		}
		form = next
	}
	o.r.t.Fatal("the search does not end")
	return nil, ""
}

func wants(lang string) url.Values {
	return url.Values{"phone": {"00420 600000000"}, "name": {"NOVAK karel"}, "number": {"GDPR 2026/17"}, "reason": {"access"}, "identified": {"2026-01-02"}, "lang": {lang}}
}

// planted is what the rooms know of Karel Novák: passed once, withheld, asked for and
// given once, come in once, and never sent once. Eva Malá is beside him everywhere.
func planted(t *testing.T) (cz, de *room, o *officer) {
	cz, de = newRooms(t)
	o = cz.requests()
	de.guarded()
	d := accident(room2)
	d.Danger, d.Type = false, "odklízení stromu"
	d.Callers = []Person{{Name: "Eva Malá", Phone: "+420 777 111 222"}}
	d.Remarks = []string{"volat zpět 600 000 000, Eva Malá čeká"}
	id := cz.handOver(d)
	de.state(id, Ringing)
	de.ok(de.AskFor(t.Context(), de.who("max"), id, room1, disclosure.Callers, "a"))
	cz.until("the request is here", func() bool { cz.sync(); _, ours := cz.incident(id).Withheld(); return len(ours) == 1 })
	cz.ok(cz.GiveWithheld(t.Context(), cz.who("jana"), id, room2, disclosure.Callers, "b"))
	d = accident(room2)
	d.Callers, d.Patients, d.App = []Person{{Name: "Eva Malá", Phone: "+420 777 111 222"}}, []Person{{Name: "Jan Malý"}}, appPatients
	second := cz.handOver(d)
	de.state(second, Ringing)
	d = accident(room1)
	d.Caller = Person{Name: "Karel Novák", Phone: "+420 722 333 444"} // a namesake
	d.Remarks = nil
	third := de.handOver(d)
	cz.state(third, Ringing)
	_, err := cz.SaveDraft(t.Context(), cz.who("petr"), Draft{Type: "požár", Caller: Person{Name: "Novák Karel", Phone: "600 000 000"}, Patients: []Person{{Name: "Eva Malá"}}})
	cz.ok(err)
	for _, h := range cz.incident(second).Handovers {
		cz.ok(cz.TakenOverByTelephone(t.Context(), cz.who("jana"), h.ID, "Krüger; volá manžel Karel Novák", ""))
	}
	_, err = cz.StartShift(t.Context(), cz.who("petr"), true)
	cz.ok(err)
	_, err = cz.EndShift(t.Context(), cz.who("petr"), "pan Novák Karel si stěžuje na Evu Malou", "jana")
	cz.ok(err)
	d = accident(system2)
	d.Caller, d.Emergency = Person{}, "únos, volá karel novak"
	cz.handOver(d)
	cz.sync()
	return cz, de, o
}

// The whole way: what is stored of a person is found, a human decides, and the answer
// says what there is, to whom it went and by which rule, and nothing of anybody else.
func TestPersonRequest(t *testing.T) {
	cz, _, o := planted(t)
	form, list := o.search("auditor", wants("cs"))
	if n := strings.Count(list, "<fieldset"); n < 5 {
		t.Fatalf("%d finds: %v", n, form)
	}
	if !strings.Contains(list, "722 333 444") {
		t.Error("the namesake is not shown to the officer")
	}
	var open []string
	for name, v := range form {
		if strings.HasPrefix(name, "choice-") && len(v) == 0 {
			open = append(open, name)
		}
	}
	if len(open) == 0 {
		t.Fatal("a name alone decides by itself")
	}
	if code, page := o.post("auditor", "/disclosure/request/answer", form); code != http.StatusUnprocessableEntity || !strings.Contains(page, "ještě není rozhodnuto") {
		t.Errorf("an answer that nobody decided: %d", code)
	}
	for _, name := range open {
		form.Set(name, "namesake")
	}
	titles := map[string]string{"cs": "Odpověď na žádost", "de": "Antwort auf die Anfrage", "pl": "Odpowiedź na wniosek", "en": "Answer to a request"}
	authorities := map[string]string{"cs": "k&nbsp;", "de": "zu prüfen", "pl": "do sprawdzenia", "en": "to be verified"}
	for lang, title := range titles {
		form.Set("lang", lang)
		code, page := o.post("auditor", "/disclosure/request/answer", form)
		_, letter, ok := strings.Cut(page, `<article class="stack" lang="`+lang+`"`)
		letter, _, _ = strings.Cut(letter, "</article>")
		if code != http.StatusOK || !ok || !strings.Contains(letter, title) {
			t.Fatalf("%s: %d %s", lang, code, page)
		}
		for _, want := range []string{"Karel", "Novák", "600 000 000", "Hoyerswerda", "P-05", "GDPR 2026/17", "ÚOOÚ", "UODO", "SächsDSB", "2016/679", "Hrádek nad Nisou", "239/2000"} {
			if !strings.Contains(letter, want) {
				t.Errorf("%s: the answer has no %q", lang, want)
			}
		}
		for _, other := range []string{"Malá", "Malý", "777", "722 333", "⟦"} {
			if strings.Contains(letter, other) {
				t.Errorf("%s: the answer tells of somebody else: %q\n%s", lang, other, letter)
			}
		}
		if lang != "cs" && !strings.Contains(letter, authorities[lang]) {
			t.Errorf("%s: nothing is to be verified", lang)
		}
		code, raw := o.post("auditor", "/disclosure/request/answer.pdf", form)
		if code != http.StatusOK || !strings.HasPrefix(raw, "%PDF") {
			t.Errorf("%s: %d", lang, code)
		}
	}
	form.Set("lang", "en")
	_, page := o.post("auditor", "/disclosure/request/answer", form)
	for _, want := range []string{"given on request", "withheld, available on request", "passed", "Hand-over that was not sent"} {
		if !strings.Contains(page, want) {
			t.Errorf("the answer does not say %q: %s", want, page)
		}
	}
	// A text goes out when a human says so, not before.
	for name, v := range form {
		if len(v) == 1 && v[0] == "third" {
			form.Set(name, "include")
		}
	}
	_, page = o.post("auditor", "/disclosure/request/answer", form)
	for _, want := range []string{"Note about an incident", "Note of a shift", "Reason of an emergency", "volá manžel", "Malá"} {
		if !strings.Contains(page, want) {
			t.Errorf("what was included is not there: %q", want)
		}
	}
	cz.read(func(tx *store.Tx) error {
		var searched, answered, telling int64
		err := tx.Row(`SELECT COALESCE(SUM(CASE WHEN action = 'disclosure.search' AND object = 'access GDPR 2026/17' AND actor = 'auditor' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN action = 'disclosure.answer' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN LOWER(object) LIKE '%nov%k%' OR object LIKE '%600%' THEN 1 ELSE 0 END), 0) FROM audit_leaf`).Scan(&searched, &answered, &telling)
		if searched != 1 || answered != 10 || telling != 0 {
			t.Errorf("the audit log: %d searches, %d answers, %d that tell", searched, answered, telling)
		}
		return err
	})
}

// Only the auditor of the organisation finds anything.
func TestPersonRequestIsOfOne(t *testing.T) {
	_, _, o := planted(t)
	for _, role := range []string{"administrator", "shift_leader", "dispatcher", "technician", "nobody"} {
		for _, path := range []string{"/disclosure/request", "/disclosure/request/answer", "/disclosure/request/answer.pdf"} {
			if code, page := o.post(role, path, wants("cs")); code == http.StatusOK || strings.Contains(page, "Hoyerswerda") {
				t.Errorf("%s at %s: %d", role, path, code)
			}
		}
	}
	mine, _ := o.search("auditor", wants("cs"))
	form, page := o.search("stranger", wants("cs"))
	if len(form["found"]) != 0 || strings.Contains(page, `name="choice-`) {
		t.Errorf("another organisation finds %v", form)
	}
	form["found"] = mine["found"] // by number it is not to be had either
	code, page := o.post("stranger", "/disclosure/request/answer", form)
	if code != http.StatusOK || !strings.Contains(page, "Není o") || strings.Contains(page, "Hoyerswerda") {
		t.Errorf("another organisation reads it: %d %s", code, page)
	}
}

// Of somebody of whom nothing is stored the answer says so; what is deleted is counted,
// and tells nothing of anybody.
func TestPersonRequestEmptyAndErased(t *testing.T) {
	cz, _, o := planted(t)
	nobody := wants("en")
	nobody.Set("phone", "+420 799 999 999")
	nobody.Set("name", "Nikdo Takový")
	form, _ := o.search("auditor", nobody)
	if _, page := o.post("auditor", "/disclosure/request/answer", form); !strings.Contains(page, "Nothing is stored about you.") {
		t.Errorf("the empty answer: %s", page)
	}
	if code, page := o.post("auditor", "/disclosure/request", url.Values{"name": {"Karel Novák"}, "number": {"Novák 1"}}); code != http.StatusUnprocessableEntity || strings.Contains(page, "choice-") {
		t.Errorf("a request without a check: %d", code)
	}
	early := wants("en")
	early.Set("to", cz.clk.Now().AddDate(0, 0, -3).Format(time.DateOnly))
	if form, _ = o.search("auditor", early); len(form["found"]) != 0 {
		t.Errorf("before that time: %v", form["found"])
	}
	cz.keep(RecordDraft, 1)
	cz.keep(RecordShift, 1)
	cz.clk.Advance(3 * day)
	cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
		incidents, err := scanIncidents(tx, `i.org = $1`, cz.org.ID)
		for _, i := range incidents {
			err = errors.Join(err, cz.ring.Destroy(tx, i.keyID))
		}
		return err
	}))
	cz.night()
	form, page := o.search("auditor", wants("en"))
	if form.Get("erased") != form.Get("all") || len(form["found"]) != 0 || strings.Contains(page, "600 000 000") {
		t.Errorf("after deletion: %v", form)
	}
	_, page = o.post("auditor", "/disclosure/request/answer", form)
	if !strings.Contains(page, "Nothing is stored about you.") || !strings.Contains(page, "have been erased") {
		t.Errorf("erased: %s", page)
	}
}

// A search that is broken off has told nothing and goes on where it was.
func TestLookIsBroken(t *testing.T) {
	cz, _, _ := planted(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q := disclosure.Sought{Name: "Karel Novák", Phone: "600000000"}
	if at, err := cz.Look(ctx, cz.org.ID, q, disclosure.Search{}); err == nil || at.Done != 0 {
		t.Errorf("%+v %v", at, err)
	}
	all, err := cz.Look(t.Context(), cz.org.ID, q, disclosure.Search{})
	if err != nil || !all.Finished || all.Done != all.All || len(all.Found) < 3 {
		t.Fatalf("%+v %v", all, err)
	}
	var entry int64
	cz.read(func(tx *store.Tx) error {
		return tx.Row(`SELECT MIN(entry) FROM console_message WHERE org = $1`, cz.org.ID).Scan(&entry)
	})
	rest, err := cz.Look(t.Context(), cz.org.ID, q, disclosure.Search{Message: entry, Done: 1, All: all.All})
	if err != nil || !rest.Finished || rest.Done != all.All {
		t.Errorf("%+v %v", rest, err)
	}
}
