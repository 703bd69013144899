package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// site serves the pages of a rig; the reader is whom the header names.
func (r *rig) site() *httptest.Server {
	r.t.Helper()
	rules, err := access.Load(map[string][]byte{"gateway/policy.cedar": Policy()})
	r.ok(err)
	rt := web.NewRouter(web.Config{Bundle: r.texts, Log: r.Log, Clock: r.clk, Policy: rules, Nav: Nav(),
		Authenticate: func(q *http.Request) (*web.Person, error) {
			organisation, role, _ := strings.Cut(q.Header.Get("Test-Person"), "/")
			return &web.Person{ID: "p", Name: "Lukáš", Organisation: organisation, Roles: []string{role}}, nil
		}})
	NewPages(r.Service).Register(rt)
	s := httptest.NewServer(rt)
	r.t.Cleanup(s.Close)
	return s
}

func ask(t testing.TB, s *httptest.Server, person, path string, lang i18n.Lang, form url.Values) (status int, page, at string) {
	t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	q, err := http.NewRequestWithContext(t.Context(), method, s.URL+path+"?lang="+string(lang), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Test-Person", person)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(text), a.Header.Get("Location")
}

// The pages say that the profile is our own, show what is wrong in the reader's words,
// and run nothing of what a message holds; a copy is corrected, and read in its own
// character set.
func TestPages(t *testing.T) {
	r := newRig(t, clock.System())
	r.start()
	s := r.site()
	narrow := `<?xml version="1.0" encoding="windows-1250"?>` + strings.NewReplacer("Nehoda", "Po\x9e\xe1r &lt;script&gt;x&lt;/script&gt;", "Nov\u00e1kov\u00e1", "Nov\xe1kov\xe1").
		Replace(r.say(sentence{id: uuid(1), event: uuid(9), to: "de.nobody"}))
	r.drop("hzs", "1.xml", narrow)
	r.drop("hzs", "2.xml", "<DatovaVeta>\n<script>alert(1)</script>")
	sent := r.post(desk, czech, uuid(5), "Brand", 600)
	r.until("the tray and the file", func() bool { return len(r.tray()) == 2 && r.outbox("hzs")[sent.MessageID+".xml"] != "" })
	one := r.tray()[0].ID
	if r.tray()[0].Foreign != uuid(1) {
		one = r.tray()[1].ID
	}
	path := trayRoot + "/" + strconv.FormatInt(one, 10)
	for _, l := range i18n.Langs {
		for _, p := range []string{root, root + "/hzs", root + "/hzs/out/1", root + "/hzs/out/2", trayRoot, path, trayRoot + "/1", trayRoot + "/2"} {
			status, page, _ := ask(t, s, "o/technician", p, l, nil)
			if status != http.StatusOK || strings.Contains(page, "<script>alert") || strings.Contains(page, "<script>x") {
				t.Errorf("%s %s: %d", l, p, status)
			}
		}
		for _, p := range []string{root, root + "/hzs"} {
			key := map[string]string{root: "gateway.own_profile.short", root + "/hzs": "gateway.own_profile"}[p]
			if _, page, _ := ask(t, s, "o/technician", p, l, nil); !strings.Contains(page, r.texts.Text(l, key, i18n.Args{"profile": "docs/profiles/cz-izs.md"})) {
				t.Errorf("%s %s does not say whose profile it is", l, p)
			}
		}
	}
	status, page, _ := ask(t, s, "o/technician", path, i18n.Cs, nil)
	if status != http.StatusOK || !strings.Contains(page, "Požár") || !strings.Contains(page, "Nováková") || !strings.Contains(page, "de.nobody") {
		t.Errorf("%d\n%s", status, page)
	}
	if _, file, _ := ask(t, s, "o/technician", path+"/file", i18n.Cs, nil); file != narrow {
		t.Error("the file is not the bytes that came")
	}
	for person, want := range map[string]int{"o/shift_leader": 403, "o/administrator": 403, "o/dispatcher": 403, "p/technician": 403} {
		if status, _, _ := ask(t, s, person, path+"/dismiss", i18n.De, url.Values{"reason": {"x"}}); status != want {
			t.Errorf("%s dismisses: %d", person, status)
		}
	}
	if status, page, _ := ask(t, s, "o/shift_leader", path, i18n.De, nil); status != http.StatusOK || !strings.Contains(page, r.texts.Text(i18n.De, "gateway.tray.technician", nil)) {
		t.Errorf("a shift leader reads what to do: %d", status)
	}
	if strings.Contains(page, r.texts.Text(i18n.Cs, "gateway.tray.technician", nil)) {
		t.Error("a technician is told to call a technician")
	}
	for _, c := range r.Checks() {
		if status, _, _ := ask(t, s, "o/shift_leader", c.Page.URL, i18n.De, nil); c.Page.URL == "" || status != http.StatusOK {
			t.Errorf("%s leads to %q: %d", c.ID, c.Page.URL, status)
		}
	}
	if status, page, _ := ask(t, s, "o/administrator", trayRoot, i18n.De, nil); status != http.StatusOK || strings.Contains(page, path) {
		t.Errorf("an administrator sees the list without links: %d", status)
	}
	for _, bad := range []string{trayRoot + "/x", trayRoot + "/99", root + "/none", root + "/hzs/out/99"} {
		if status, _, _ := ask(t, s, "o/technician", bad, i18n.Pl, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", bad, status)
		}
	}
	// The text of the form, corrected as a browser sends it.
	text := readable([]byte(narrow))
	right := strings.ReplaceAll(strings.Replace(text, "de.nobody", "de.node", 1), "\n", "\r\n")
	status, _, at := ask(t, s, "o/technician", path+"/process", i18n.Cs, url.Values{"message": {right}})
	if status != http.StatusSeeOther {
		t.Fatalf("%d", status)
	}
	r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
	if data := r.got(desk)[0].Envelope.Payload.Data; !strings.Contains(data, "Požár") || !strings.Contains(data, "Nováková") {
		t.Errorf("%s", data)
	}
	if status, page, _ := ask(t, s, "o/technician", at, i18n.En, nil); status != http.StatusOK || !strings.Contains(page, r.texts.Text(i18n.En, "gateway.state.posted", nil)) {
		t.Errorf("%s: %d", at, status)
	}
	if status, _, _ := ask(t, s, "o/technician", path+"/process", i18n.Cs, url.Values{"message": {right}}); status != http.StatusConflict {
		t.Errorf("processed again: %d", status)
	}
	other := trayRoot + "/" + strconv.FormatInt(r.tray()[0].ID, 10)
	if status, _, _ := ask(t, s, "o/technician", other+"/dismiss", i18n.Cs, url.Values{"reason": {" "}}); status != http.StatusUnprocessableEntity {
		t.Errorf("dismissed without a reason: %d", status)
	}
	if status, _, at := ask(t, s, "o/technician", other+"/dismiss", i18n.Cs, url.Values{"reason": {"nesmysl"}}); status != http.StatusSeeOther || at != trayRoot {
		t.Errorf("%d %s", status, at)
	}
	if len(r.tray()) != 0 {
		t.Error("the tray is not empty")
	}
}

// Who corrects a message may mend its receiver to an address that the gateway serves,
// and give it to no other organisation and to nobody elsewhere; a change stands on the
// page and in the audit log.
func TestReceiver(t *testing.T) {
	c := folder("hzs", czech)
	c.Addresses = append(c.Addresses, Address{other, "de.other"})
	r := newRig(t, clock.System(), c)
	owner := r.deps.Owner
	r.deps.Owner = func(ctx context.Context, oid string) (string, error) {
		if oid == other {
			return "p", nil
		}
		return owner(ctx, oid)
	}
	r.again()
	r.start()
	s := r.site()
	late := r.clk.Now().Add(-time.Hour).Format(time.RFC3339)
	ours := r.say(sentence{id: uuid(1), event: uuid(9), sent: r.clk.Now().Add(-2 * time.Hour).Format(time.RFC3339), until: late})
	nobodys := r.say(sentence{id: uuid(2), event: uuid(10), to: "de.nobody"})
	r.drop("hzs", "1.xml", ours)
	r.until("the first", func() bool { return len(r.tray()) == 1 })
	r.drop("hzs", "2.xml", nobodys)
	r.until("both", func() bool { return len(r.tray()) == 2 })
	to := func(message, receiver string) url.Values {
		return url.Values{"message": {regexp.MustCompile(`<Prijemce>.*</Prijemce>`).ReplaceAllString(message, "<Prijemce>"+receiver+"</Prijemce>")}}
	}
	first, second := address(r.tray()[0].ID, ""), address(r.tray()[1].ID, "")
	for receiver, form := range map[string]url.Values{"de.other": to(ours, "de.other"), "1.2.203.9.9": to(ours, "1.2.203.9.9"), czech: to(ours, czech)} {
		if status, page, _ := ask(t, s, "o/technician", first+"/process", i18n.De, form); status != http.StatusUnprocessableEntity || !strings.Contains(page, "„"+receiver+"“") {
			t.Errorf("a message of o to %s: %d", receiver, status)
		}
	}
	if status, _, _ := ask(t, s, "o/technician", second+"/process", i18n.De, to(nobodys, "1.2.203.9.9")); status != http.StatusUnprocessableEntity {
		t.Errorf("a message for nobody to a stranger: %d", status)
	}
	if len(r.tray()) != 2 {
		t.Fatal("what was refused has ended the message in the tray")
	}
	// By its OID it is the same receiver; what is for nobody may be given to whom it is meant for.
	status, _, at := ask(t, s, "o/technician", first+"/process", i18n.De, url.Values{"message": {strings.Replace(to(ours, desk).Get("message"), late, r.clk.Now().Add(time.Hour).Format(time.RFC3339), 1)}})
	if status != http.StatusSeeOther {
		t.Fatalf("%d", status)
	}
	r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
	changed := r.texts.Text(i18n.De, "gateway.readdressed", i18n.Args{"was": "de.nobody", "to": "de.node"})
	if _, page, _ := ask(t, s, "o/technician", at, i18n.De, nil); strings.Contains(page, "Empfänger von") {
		t.Error("the same receiver counts as changed")
	}
	if status, _, at = ask(t, s, "o/technician", second+"/process", i18n.De, to(nobodys, "de.node")); status != http.StatusSeeOther {
		t.Fatalf("%d", status)
	}
	r.until("the other incident", func() bool { return len(r.got(desk)) == 2 })
	if _, page, _ := ask(t, s, "o/technician", at, i18n.De, nil); !strings.Contains(page, changed) {
		t.Errorf("the page does not say %q", changed)
	}
	var leaves []string
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT object FROM audit_leaf WHERE action = 'gateway.readdress'`)
		if err != nil {
			return err
		}
		defer rows.Close()
		leaves = nil
		for rows.Next() {
			var object string
			if err := rows.Scan(&object); err != nil {
				return err
			}
			leaves = append(leaves, object)
		}
		return rows.Err()
	}))
	if len(leaves) != 1 || leaves[0] != "gateway_in/2 "+desk {
		t.Errorf("%q", leaves)
	}
}
