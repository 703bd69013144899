package channel

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

func gatewaySetup(name string, kind store.Kind) Setup {
	return Setup{Name: name, Sort: "sms", Kind: string(kind), Gateway: GatewaySetup{URL: "https://sms.example/{to}/{text}"}}
}

func mayor() Entry {
	return Entry{Name: "Starosta Višňové", Channel: "mail", Address: "starosta@visnova.example", Lang: i18n.Cs, Places: []string{"CZ-564028"}, Takes: []string{"notice", "warning"}, Until: start.AddDate(1, 0, 0), Reason: "povodňový plán"}
}

func (r *rig) save(e Entry) (string, string) {
	r.t.Helper()
	id, secret, faults, err := r.Save(r.t.Context(), "theo", e)
	r.ok(err)
	if len(faults) > 0 {
		r.t.Fatalf("%+v", faults)
	}
	return id, secret
}

func (r *rig) entered(id string) *Entry {
	r.t.Helper()
	e, _, err := r.Entry(r.t.Context(), id)
	r.ok(err)
	return e
}

// A receiver that was entered is told as one of the configuration is, from its day to its
// day; each step is noted, and each can be undone until nothing is left.
func TestEntry(t *testing.T) {
	srv := smtpd(t)
	ctx := t.Context()
	r := newRig(t, Config{List: []Setup{mailSetup("mail", store.Live, srv.port), mailSetup("drill", store.Exercise, srv.port)}})
	told := func(revision int) (all []string) {
		t.Helper()
		r.published(publication(t, revision, store.Live, "Severe"))
		for _, x := range r.all() {
			if x.Reference.Revision == string(rune('0'+revision)) {
				all = append(all, x.Receiver)
			}
		}
		return all
	}
	e := mayor()
	e.From = start.Add(time.Hour)
	id, secret := r.save(e)
	drill := mayor()
	drill.Channel = "drill" // the same address for exercises is another receiver
	r.save(drill)
	if secret != "" || r.leaves("channel.receiver.add") != 2 {
		t.Error("not noted, or a secret of an address of mail")
	}
	if got := told(1); len(got) != 0 {
		t.Errorf("told before its day: %v", got)
	}
	r.clk.Advance(2 * time.Hour)
	if got := told(2); !slices.Equal(got, []string{e.Name}) {
		t.Errorf("told %v", got)
	}
	e = *r.entered(id)
	e.Name, e.Address, e.Reason = "Místostarosta", "zastupce@visnova.example", "zastupuje"
	r.save(e)
	if _, _, _, err := r.Save(ctx, "theo", e); err == nil { // seen before the change
		t.Error("an old version was changed")
	} else {
		r.refused(err, "channel.entry.stale")
	}
	r.run(r.settled)
	if got := told(3); !slices.Equal(got, []string{"Místostarosta"}) {
		t.Errorf("told %v", got)
	}
	r.ok(r.End(ctx, "theo", id, 2, "odešel"))
	if got := told(4); len(got) != 0 {
		t.Errorf("told after the end: %v", got)
	}
	r.ok(r.Undo(ctx, "theo", id, 3, "omyl"))
	if got := r.entered(id); got.Ended || got.Name != "Místostarosta" || got.Version != 4 {
		t.Errorf("%+v", got)
	}
	r.refused(r.Undo(ctx, "theo", id, 3, "omyl"), "channel.entry.stale")
	r.refused(r.End(ctx, "theo", id, 4, ""), "channel.entry.fault.reason")
	_, history, err := r.Entry(ctx, id)
	r.ok(err)
	if len(history) != 4 || history[0].Did != entryUndo || history[3].Reason != "povodňový plán" {
		t.Errorf("%d versions", len(history))
	}
	r.run(r.settled)
	if mails := srv.mails(t, 2); len(mails) != 2 || mails[0].To[0] != "starosta@visnova.example" || mails[1].To[0] != "zastupce@visnova.example" {
		t.Errorf("%+v", mails)
	}
	// Nothing of an address is readable in the database, and nothing is left after its day.
	var n int
	r.ok(r.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM channel_receiver WHERE CAST(target AS TEXT) LIKE '%visnova%' OR mark LIKE '%visnova%'`).Scan(&n)
	}))
	if n != 0 {
		t.Error("an address is readable")
	}
	r.clk.Advance(366 * 24 * time.Hour)
	if got := told(5); len(got) != 0 {
		t.Errorf("told after its time: %v", got)
	}
	for range 2 {
		r.ok(r.Erase(ctx))
		r.clk.Advance(24 * time.Hour)
	}
	if all, err := r.Entries(ctx); err != nil || len(all) != 0 || r.leaves("channel.receiver.erase") != 2 {
		t.Errorf("%d are kept, %v", len(all), err)
	}
	_, _, err = r.Entry(ctx, id)
	r.refused(err, "channel.entry.unknown")
}

// What is wrong is told field by field, and nothing is stored.
func TestEntryFaults(t *testing.T) {
	r := newRig(t, Config{List: []Setup{mailSetup("mail", store.Live, 1), gatewaySetup("sms", store.Live), {Name: "hook", Sort: "webhook", Webhook: HTTPSetup{Hosts: []string{"rada.example"}}}, {Name: "push", Sort: "push", Push: PushSetup{Contact: "a@b.example"}}},
		Receivers: []Receiver{{Name: "Kreis", Language: "de", Places: []string{"DE"}, Targets: []Target{{Channel: "mail", To: "lage@kreis.example"}}}}})
	for _, c := range []struct {
		field  string
		change func(*Entry)
	}{
		{"name", func(e *Entry) { e.Name = " " }},
		{"channel", func(e *Entry) { e.Channel = "none" }},
		{"channel", func(e *Entry) { e.Channel = "push" }},
		{"channel", func(e *Entry) { e.Kind = store.Exercise }},
		{"address", func(e *Entry) { e.Address = "not an address" }},
		{"address", func(e *Entry) { e.Channel, e.Address = "sms", "601 000 000" }},
		{"address", func(e *Entry) { e.Channel, e.Address = "hook", "https://elsewhere.example/x" }},
		{"address", func(e *Entry) { e.Address = "LAGE@kreis.example" }}, // the configuration has it
		{"language", func(e *Entry) { e.Lang = "fr" }},
		{"places", func(e *Entry) { e.Places = nil }},
		{"places", func(e *Entry) { e.Places = []string{"CZ-1"} }},
		{"places", func(e *Entry) { e.Places = []string{"CISORP 9999"} }},
		{"minimum", func(e *Entry) { e.Minimum = "Big" }},
		{"takes", func(e *Entry) { e.Takes = nil }},
		{"until", func(e *Entry) { e.Until = time.Time{} }},
		{"until", func(e *Entry) { e.Until = start.AddDate(9, 0, 0) }},
		{"reason", func(e *Entry) { e.Reason = "x" }},
	} {
		e := mayor()
		c.change(&e)
		_, _, faults, err := r.Save(t.Context(), "theo", e)
		r.ok(err)
		if len(faults) != 1 || faults[0].Field != c.field {
			t.Errorf("%s: %+v", c.field, faults)
		}
		for _, f := range faults {
			for _, l := range i18n.Langs {
				r.texts.Text(l, f.Key, f.Args)
			}
		}
	}
	if all, err := r.Entries(t.Context()); err != nil || len(all) != 0 || r.leaves("channel.receiver.add") != 0 {
		t.Errorf("%d stored, %v", len(all), err)
	}
	r.save(mayor())
	twice := mayor()
	twice.Name = "Nobody else"
	if _, _, faults, err := r.Save(t.Context(), "theo", twice); err != nil || len(faults) != 1 || faults[0].Key != "channel.entry.fault.twice" {
		t.Errorf("the same address twice: %+v %v", faults, err)
	}
}

// The file that was exported is read in again, all or nothing, and says that it was taken.
func TestEntryFile(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, Config{List: []Setup{mailSetup("mail", store.Live, 1), gatewaySetup("sms", store.Live), {Name: "hook", Sort: "webhook", Webhook: HTTPSetup{Hosts: []string{"rada.example"}}}}})
	r.save(mayor())
	phone := mayor()
	phone.Channel, phone.Address, phone.Name = "sms", "+420601000000", "=Hasiči"
	r.save(phone)
	file, err := r.Export(ctx, "theo")
	r.ok(err)
	if r.leaves("channel.receiver.export") != 1 || !strings.Contains(string(file), "'=Hasiči,sms,live,+420601000000,cs") {
		t.Errorf("%s", file)
	}
	added, same, faults, err := r.Import(ctx, "theo", file)
	if err != nil || added != 0 || same != 2 || len(faults) != 0 {
		t.Errorf("%d %d %+v %v", added, same, faults, err)
	}
	head, _, _ := strings.Cut(string(file), "\r\n")
	row := "Rada,mail,live,rada@x.example,pl,PL,,notice,yes,,2027-05-31,umowa\n"
	for text, want := range map[string]string{
		row: "",
		row + "Rada 2,mail,live,bad,pl,PL,,notice,,,2027-05-31,umowa\n":                    "address",
		row + "Rada 2,mail,exercise,b@x.example,pl,PL,,notice,,,2027-05-31,umowa\n":        "channel",
		row + "Rada 2,mail,live,b@x.example,pl,PL,,notice,,,31. 5. 2027,umowa\n":           "until",
		row + "Rada 2,hook,live,https://rada.example/x,pl,PL,,notice,,,2027-05-31,umowa\n": "channel",
		row + "short\n": "",
	} {
		if want == "" && text == row {
			continue // after those that are refused whole
		}
		_, _, faults, err := r.Import(ctx, "theo", []byte(head+"\n"+text))
		r.ok(err)
		if len(faults) != 1 || faults[0].Field != want || faults[0].Line != 3 {
			t.Errorf("%q: %+v", text, faults)
		}
	}
	_, _, _, err = r.Import(ctx, "theo", []byte("a,b\n"))
	r.refused(err, "channel.entry.fault.head")
	if all, err := r.Entries(ctx); err != nil || len(all) != 2 {
		t.Fatalf("%d, %v", len(all), err)
	}
	if added, _, faults, err := r.Import(ctx, "theo", []byte(strings.ReplaceAll(head+"\n"+row, ",", ";"))); err != nil || added != 1 || len(faults) != 0 {
		t.Errorf("with semicolons: %d %+v %v", added, faults, err)
	}
}

// The pages: who only reads sees no address; adding, ending and undoing; the secret of a
// webhook once; a file; mistakes beside their fields.
func TestEntryPages(t *testing.T) {
	r := newRig(t, Config{List: []Setup{mailSetup("mail", store.Live, 1), {Name: "hook", Sort: "webhook", Webhook: HTTPSetup{Hosts: []string{"rada.example"}}}}})
	if page := r.get("dana", entryRoot); !strings.Contains(page, "No receiver is entered.") || strings.Contains(page, entryRoot+"/new") {
		t.Error("the empty page")
	}
	if code, _, _ := r.do("dana", http.MethodGet, entryRoot+"/new", nil); code != http.StatusForbidden {
		t.Errorf("who only reads: %d", code)
	}
	r.get("theo", entryRoot+"/new")
	r.get("theo", entryRoot+"/import")
	form := url.Values{"name": {"Rada"}, "channel": {"mail"}, "address": {"nic"}, "language": {"cs"}, "places": {"CZ-564028\r\nDE"}, "takes": {"notice"}, "until": {"2027-01-01"}, "reason": {"plán"}}
	if code, page, _ := r.do("theo", http.MethodPost, entryRoot, form); code != http.StatusUnprocessableEntity || !strings.Contains(page, "no address of mail") || !strings.Contains(page, `value="nic"`) {
		t.Errorf("%d", code)
	}
	form.Set("address", "rada@x.example")
	if code, page, to := r.do("theo", http.MethodPost, entryRoot, form); code != http.StatusSeeOther || to != entryRoot {
		t.Fatalf("%d %.500s", code, page)
	}
	all, err := r.Entries(t.Context())
	r.ok(err)
	if page := r.get("dana", entryRoot); strings.Contains(page, "rada@x.example") || !strings.Contains(page, "Rada") {
		t.Error("who only reads sees the address, or not the receiver")
	}
	if page := r.get("theo", entryRoot); !strings.Contains(page, "rada@x.example") {
		t.Error("who may change it sees no address")
	}
	if page := r.get("theo", entryRoot+".csv"); !strings.Contains(page, "rada@x.example") {
		t.Error("the file")
	}
	one := entryURL(all[0].ID, "")
	r.get("theo", one)
	if code, _, _ := r.do("theo", http.MethodPost, one+"/end", url.Values{"version": {"1"}, "why": {"odešel"}}); code != http.StatusSeeOther {
		t.Errorf("end: %d", code)
	}
	if page := r.get("theo", one); !strings.Contains(page, "This receiver is ended.") {
		t.Error("the page of what is ended")
	}
	if code, _, _ := r.do("theo", http.MethodPost, one+"/undo", url.Values{"version": {"2"}, "why": {"omyl"}}); code != http.StatusSeeOther {
		t.Errorf("undo: %d", code)
	}
	if code, _, _ := r.do("theo", http.MethodPost, one+"/undo", url.Values{"version": {"2"}, "why": {"omyl"}}); code != http.StatusConflict {
		t.Errorf("undo twice: %d", code)
	}
	form.Set("channel", "hook")
	form.Set("address", "https://rada.example/in")
	code, page, _ := r.do("theo", http.MethodPost, entryRoot, form)
	all, err = r.Entries(t.Context())
	r.ok(err)
	hook := all[slices.IndexFunc(all, func(e *Entry) bool { return e.Channel == "hook" })]
	secret := readHook(hook.target).Secret
	if code != http.StatusOK || len(secret) < 16 || !strings.Contains(page, secret) {
		t.Errorf("%d: the secret is not told", code)
	}
	if page := r.get("theo", entryURL(hook.ID, "")) + r.get("theo", entryRoot) + r.get("theo", entryRoot+".csv"); strings.Contains(page, secret) {
		t.Error("the secret is told again")
	}
	form.Set("version", "1")
	form.Set("name", "Rada 2")
	if code, _, to := r.do("theo", http.MethodPost, entryURL(hook.ID, ""), form); code != http.StatusSeeOther || to != entryRoot || readHook(r.entered(hook.ID).target).Secret != secret {
		t.Errorf("%d: another name changed the secret", code)
	}
}

// A test goes to one receiver or to all of a channel, marked as what it is in its language,
// and to nobody else. A live channel carries none unless its configuration says so, and
// then nothing but tests; many need to be counted.
func TestTest(t *testing.T) {
	srv := smtpd(t)
	ctx := t.Context()
	live := mailSetup("mail", store.Live, srv.port)
	live.Tests = true
	folder := t.TempDir()
	r := newRig(t, Config{List: []Setup{live, mailSetup("other", store.Live, srv.port), {Name: "siren", Sort: "handover", Kind: "exercise", Handover: FolderSetup{Directory: folder}}},
		Receivers: []Receiver{{Name: "Kreis", Language: "de", Places: []string{"DE"}, Targets: []Target{{Channel: "mail", To: "lage@kreis.example"}, {Channel: "siren", To: "s1"}}},
			{Name: "Powiat", Language: "pl", Places: []string{"PL"}, Targets: []Target{{Channel: "other", To: "x@y.example"}}}}})
	id, _ := r.save(mayor())
	later := mayor()
	later.Name, later.Address, later.From = "Later", "later@x.example", start.Add(48*time.Hour)
	notYet, _ := r.save(later)
	_, err := r.Test(ctx, "theo", []string{notYet}, "", 0)
	r.refused(err, "channel.test.not_told")
	_, err = r.Test(ctx, "theo", nil, "other", 0)
	r.refused(err, "channel.test.off")
	_, err = r.Test(ctx, "theo", []string{"nobody"}, "", 0)
	r.refused(err, "channel.test.nobody")
	_, err = r.Test(ctx, "theo", nil, "none", 0)
	r.refused(err, "channel.refuse.unknown")
	for range 2 { // a second press is no second message
		n, err := r.Test(ctx, "theo", []string{id}, "", 0)
		r.ok(err)
		if n != 1 {
			t.Errorf("%d tests", n)
		}
	}
	r.run(r.settled)
	mails := srv.mails(t, 1)
	if len(mails) != 1 || mails[0].To[0] != "starosta@visnova.example" || !strings.Contains(mails[0].Raw, "Trojmezi-Kind: test") {
		t.Fatalf("%+v", mails)
	}
	if x := r.all()[0]; x.Kind != store.Test || x.Reference.Origin != Trial || !strings.HasPrefix(x.Title, "ZKOUŠKA – nic nehrozí") {
		t.Errorf("%+v", x)
	}
	if page := r.get("dana", entryRoot); strings.Count(page, "accepted") != 1 {
		t.Error("the page does not tell what became of it")
	}
	states, err := r.States(ctx)
	r.ok(err)
	if len(states) != 3 || states[0].Status != Works {
		t.Errorf("a test has not shown that the channel works: %+v", states)
	}
	// Of an exercise channel it has the mark of an exercise as well.
	n, err := r.Test(ctx, "theo", nil, "siren", 0)
	r.ok(err)
	r.run(r.settled)
	files, err := os.ReadDir(folder)
	r.ok(err)
	if n != 1 || len(files) != 1 {
		t.Fatalf("%d tests, %d files", n, len(files))
	}
	body, err := os.ReadFile(filepath.Join(folder, files[0].Name()))
	r.ok(err)
	if !strings.Contains(string(body), `"kind":"exercise"`) || !strings.Contains(string(body), `PROBE – keine Gefahr`) {
		t.Errorf("%s", body)
	}
	// By the way of tests nothing else leaves, and by the live channel no test.
	d := flood("mail"+testSuffix, "a@b.example")
	d.Kind = store.Test
	r.refused(r.queue(d), "channel.refuse.test_only")
	d.Channel, d.Reference.Origin, d.Short = "mail", Trial, ""
	r.refused(r.queue(d), "channel.refuse.kind")
	// Many are counted first, on the page, too.
	for _, x := range "abcdef" {
		e := mayor()
		e.Name, e.Address = string(x), string(x)+"@x.example"
		r.save(e)
	}
	n, err = r.Test(ctx, "theo", nil, "mail", 7)
	r.refused(err, "channel.test.confirm")
	code, page, _ := r.do("theo", http.MethodPost, entryRoot+"/test", url.Values{"channel": {"mail"}})
	if n != 8 || code != http.StatusConflict || !strings.Contains(page, `name="confirmed" value="8"`) {
		t.Errorf("%d: %d", n, code)
	}
	if code, _, _ := r.do("theo", http.MethodPost, entryRoot+"/test", url.Values{"channel": {"mail"}, "confirmed": {"8"}}); code != http.StatusSeeOther {
		t.Errorf("%d", code)
	}
	if code, _, _ := r.do("dana", http.MethodPost, entryRoot+"/test", url.Values{"key": {id}}); code != http.StatusForbidden {
		t.Errorf("who only reads: %d", code)
	}
	if r.leaves("channel.test") != 4 {
		t.Errorf("%d noted", r.leaves("channel.test"))
	}
	// Where a folder may make sirens sound, tests can't be permitted.
	c := Config{List: []Setup{{Name: "s", Sort: "handover", Tests: true, Handover: FolderSetup{Directory: "x"}}, {Name: "m", Sort: "node", Kind: "exercise", Tests: true}}}
	if faults := c.Validate(); len(faults) != 2 || faults[0].Key != "channel.config.tests" {
		t.Errorf("%+v", faults)
	}
}
