package app

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trojmezi/internal/alert/intake"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// letter is a mail as the server of others took it.
type letter struct {
	to, subject, body string
	header            netmail.Header
}

// mailboxes starts a mail server that is not ours: python3-aiosmtpd of Debian.
func mailboxes(t *testing.T) (port int, mails chan letter) {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		t.Skip("no mail server to test with: install Debian's python3-aiosmtpd; the tests of alert/subscription show what is written without one")
	}
	cmd := exec.Command(python, "testdata/mailboxes.py")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	in.Buffer(nil, 1<<20)
	if !in.Scan() {
		t.Fatal("the mail server does not start")
	}
	if port, err = strconv.Atoi(strings.TrimPrefix(in.Text(), "port ")); err != nil {
		t.Fatal(err)
	}
	mails = make(chan letter, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for in.Scan() {
			var got struct {
				To  []string
				Raw string
			}
			if err := json.Unmarshal(in.Bytes(), &got); err != nil || len(got.To) != 1 {
				t.Errorf("%v %v", err, got.To)
				continue
			}
			m, err := netmail.ReadMessage(strings.NewReader(got.Raw))
			if err != nil {
				t.Error(err)
				continue
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil {
				t.Error(err)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if err != nil {
				t.Error(err)
			}
			plain := strings.NewReplacer("\r\n", "\n", "\u00a0", " ")
			mails <- letter{got.To[0], plain.Replace(subject), plain.Replace(string(body)), m.Header}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		cmd.Wait()
	})
	return port, mails
}

// subscriber is a node whose subscribers are told by mail, and what its test asks of it.
type subscriber struct {
	*testing.T
	*node
	pages http.Handler
	mails chan letter
}

func (s *subscriber) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *subscriber) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.pages.ServeHTTP(w, r)
	return w
}

// mail waits for as many mails as there are addresses, and takes no others.
func (s *subscriber) mail(to ...string) (got []letter) {
	s.Helper()
	for range to {
		select {
		case m := <-s.mails:
			got = append(got, m)
		case <-time.After(30 * time.Second):
			s.Fatalf("no mail: %d of %d came", len(got), len(to))
		}
	}
	slices.SortFunc(got, func(a, b letter) int { return strings.Compare(a.to, b.to) })
	for i := range got {
		if got[i].to != to[i] {
			s.Fatalf("a mail to %s, want %s", got[i].to, to[i])
		}
	}
	return got
}

// subscribe asks in the form for Frýdlant, reads the mail and confirms; the path of the
// person's own page comes back.
func (s *subscriber) subscribe(lang i18n.Lang, address string) string {
	s.Helper()
	if w := s.do(http.MethodPost, "/subscribe/"+string(lang), url.Values{"place": {"CZ-564028"}, "mail": {address}, "level": {"1"}}); w.Code != http.StatusOK {
		s.Fatalf("%d %s", w.Code, w.Body)
	}
	asked := s.mail(address)[0]
	at := strings.Index(asked.body, nodeAddress+"/subscribe/mine/")
	if at < 0 || asked.header.Get("Content-Language") != string(lang) {
		s.Fatalf("no link in %q", asked.body)
	}
	path := strings.Fields(asked.body[at+len(nodeAddress):])[0]
	if w := s.do(http.MethodGet, path, nil); w.Code != http.StatusOK { // as scanners of mail do
		s.Fatal(w.Code)
	}
	if w := s.do(http.MethodPost, path, url.Values{"do": {"confirm"}}); w.Code != http.StatusSeeOther {
		s.Fatal(w.Code)
	}
	return path
}

const nodeAddress = "https://node.example"

// official are the words of the Czech institute, which nobody may change.
var official = map[string][3]string{
	"cs":    {"Povodňové ohrožení – řeka  Smědá", "Hladina ve Frýdlantu: 240 cm, „rychlý vzestup“.", "Opusťte břehy; nevstupujte na lávky."},
	"en-GB": {"Flood danger – river  Smědá", "Level at Frýdlant: 240 cm, “rising fast”.", "Leave the banks; keep off footbridges."},
}

// bulletin is a document in the form of the Czech institute; severity "" ends the warning.
func bulletin(t testing.TB, at time.Time, severity string) []byte {
	t.Helper()
	a := &cap.Alert{Version: cap.V12, Identifier: "test." + strconv.FormatInt(at.UnixNano(), 10), Sender: "chmi@chmi.cz", Sent: cap.FormatTime(at), Status: cap.Actual, MsgType: cap.TypeAlert, Scope: cap.Public}
	colours := map[string]string{"Severe": "3; orange; Severe", "Extreme": "4; red; Extreme"}
	for _, lang := range []string{"cs", "en-GB"} {
		said := official[lang]
		info := cap.Info{Language: lang, Categories: []string{"Met"}, Event: said[0], ResponseTypes: []string{"Prepare"}, Urgency: "Immediate", Severity: severity, Certainty: "Likely",
			EventCodes: []cap.Pair{{Name: "HPPS", Value: "X.3"}}, Onset: "2026-08-07T18:00:00+02:00", Expires: cap.FormatTime(time.Now().Add(6 * time.Hour).Truncate(time.Hour)),
			Headline: said[0], Description: said[1], Instruction: said[2], Parameters: []cap.Pair{{Name: "awareness_level", Value: colours[severity]}},
			Areas: []cap.Area{{Desc: "Frýdlantsko", Geocodes: []cap.Pair{{Name: "CISORP", Value: "5102"}}}}}
		if severity == "" { // as the institute says that there is none
			info.Event, info.Headline, info.Description, info.Instruction, info.Severity, info.Certainty = "Žádná výstraha", "", "", "", "Minor", "Unlikely"
			info.Expires, info.Parameters, info.ResponseTypes = "", nil, []string{"None"}
		}
		a.Infos = append(a.Infos, info)
	}
	doc, found := cap.Write(a)
	if len(found) > 0 {
		t.Fatal(found)
	}
	return doc
}

// A person asks in the form, confirms by the link in the mail, and is told in his language
// what the institute's own server says, in its words; the link in the mail ends it, by
// the button and by one POST of a mail program; a mailbox that is gone ends it too.
func TestSubscriberIsTold(t *testing.T) {
	port, mails := mailboxes(t)
	var doc atomic.Value
	issued := time.Now().Add(-time.Hour)
	doc.Store(bulletin(t, issued, ""))
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.Write(doc.Load().([]byte))
	}))
	defer source.Close()
	n := builtNode(t, func(m map[string]any) {
		m["notify"] = map[string]any{"base_url": nodeAddress}
		m["channels"] = map[string]any{"list": []any{map[string]any{"name": "mail", "sort": "mail", "smtp": map[string]any{"host": "127.0.0.1", "port": port, "from": "Trojmezí <varovani@node.example>", "tls": "none"}}}}
		m["feeds"] = map[string]any{"contact": "it@node.example", "sources": []any{map[string]any{"name": "chmi", "addresses": []any{source.URL + "/bulletin.xml"}, "plain": true}}}
	})
	s := &subscriber{T: t, node: n, pages: n.router(), mails: mails}
	ctx, stop := context.WithCancel(t.Context())
	files, closeFiles, err := Files(ctx, n.config, n.Clock)
	s.ok(err)
	defer closeFiles()
	n.feeds.Files = files
	s.ok(n.channels.Schedule(ctx))
	ran := make(chan error, 2)
	go func() { ran <- n.jobs.Run(ctx) }()
	go func() { ran <- n.subs.Run(ctx) }()
	defer func() { stop(); <-ran; <-ran }()
	s.ok(n.feeds.Switch(ctx, intake.Operator, "chmi", true, "test"))
	fetch := func(severity string) {
		t.Helper()
		issued = issued.Add(10 * time.Minute)
		doc.Store(bulletin(t, issued, severity))
		s.ok(n.feeds.FetchNow(ctx, intake.Operator, "chmi"))
		_, err := n.feeds.Turn(ctx)
		s.ok(err)
	}
	anna, closing := s.subscribe(i18n.De, "anna@goerlitz.example"), s.subscribe(i18n.Cs, "closing@frydlant.example")
	jana, kate := s.subscribe(i18n.Cs, "jana@frydlant.example"), s.subscribe(i18n.En, "kate@liberec.example")
	// Who has only asked is told nothing.
	if w := s.do(http.MethodPost, "/subscribe/pl", url.Values{"place": {"CZ-564028"}, "mail": {"ola@bogatynia.example"}, "level": {"1"}}); w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	s.mail("ola@bogatynia.example")

	fetch("Severe")
	got := s.mail("anna@goerlitz.example", "jana@frydlant.example", "kate@liberec.example")
	for i, want := range []struct {
		lang, title, whose, said string
	}{
		{"de", "Neu: ", "Amtliche Warnung, Text unverändert.", "cs"}, // the institute writes no German, and nobody translates for it
		{"cs", "Nově platí: ", "Úřední výstraha, text beze změny.", "cs"},
		{"en", "New: ", "Official warning, text unmodified.", "en-GB"},
	} {
		m, said := got[i], official[want.said]
		if m.header.Get("Content-Language") != want.lang || m.subject != want.title+said[0] || !strings.Contains(m.body, want.whose) || !strings.Contains(m.body, "\n"+strings.Join(said[:], "\n\n")+"\n") ||
			!strings.Contains(m.body, "Zdroj: Český hydrometeorologický ústav (ČHMÚ)") || !strings.Contains(m.body, nodeAddress+"/public/place/CZ-564028/"+want.lang) {
			t.Errorf("%s: %q\n%s", want.lang, m.subject, m.body)
		}
	}
	// The mailbox that was gone when the warning came: nothing is kept of its person.
	gone := func(path string) bool {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if s.do(http.MethodGet, path, nil).Code == http.StatusNotFound {
				return true
			}
		}
		return false
	}
	if !gone(closing) {
		t.Error("a mailbox that is refused for good is still kept")
	}
	var left, leaves int
	s.ok(n.DB.Read(ctx, func(tx *store.Tx) error {
		if err := tx.Row(`SELECT COUNT(*) FROM subscription`).Scan(&left); err != nil {
			return err
		}
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'subscription.gone'`).Scan(&leaves)
	}))
	if left != 4 || leaves != 1 {
		t.Errorf("%d subscriptions, %d leaves", left, leaves)
	}

	// One POST to the address in the header, as mail programs do without asking.
	one := got[0].header
	if one.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || one.Get("List-Unsubscribe") != "<"+nodeAddress+anna+">" { // spec: RFC 8058, §3.1
		t.Fatalf("%q %q", one.Get("List-Unsubscribe-Post"), one.Get("List-Unsubscribe"))
	}
	if w := s.do(http.MethodPost, anna, url.Values{"List-Unsubscribe": {"One-Click"}}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<html lang="de"`) {
		t.Fatal(w.Code)
	}
	// The link in the text, and the button there.
	if !strings.Contains(got[1].body, "Zrušit odběr: "+nodeAddress+jana) {
		t.Errorf("no way out in\n%s", got[1].body)
	}
	if w := s.do(http.MethodPost, jana, url.Values{"do": {"end"}}); w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	if !gone(anna) || !gone(jana) {
		t.Error("it goes on")
	}

	fetch("Extreme")
	if m := s.mail("kate@liberec.example")[0]; m.subject != "Changed: "+official["en-GB"][0] {
		t.Errorf("%q", m.subject)
	}
	fetch("")
	if m := s.mail("kate@liberec.example")[0]; m.subject != "No longer applies: "+official["en-GB"][0] || strings.Contains(m.body, official["en-GB"][2]) {
		t.Errorf("%q\n%s", m.subject, m.body)
	}
	if w := s.do(http.MethodPost, kate, url.Values{"do": {"end"}}); w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	select {
	case m := <-mails:
		t.Errorf("a mail nobody asked for: %+v", m)
	default:
	}
}
