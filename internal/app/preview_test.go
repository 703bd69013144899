package app

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/simulator/mailbox"
)

// What a person reads before he says yes is what leaves, byte for byte: at the gateway
// for short messages, at the mail server, in the folder of the sirens, and at who fetches
// the text for a voice; of reality and of an exercise, in all languages.
func TestPreviewIsWhatLeaves(t *testing.T) {
	var mu sync.Mutex
	mails, texts := map[string]mailbox.Mail{}, map[string]string{}
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ To, Text string }
		raw, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Errorf("gateway: %v: %s", err, raw)
		}
		mu.Lock()
		defer mu.Unlock()
		texts[m.To] = m.Text
	}))
	defer gateway.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- mailbox.Serve(ctx, l, func(m mailbox.Mail) { mu.Lock(); defer mu.Unlock(); mails[m.To] = m })
	}()
	defer func() { stop(); <-served }()
	folders := map[string]string{}
	kinds := []store.Kind{store.Live, store.Exercise}
	c := newConfig(t, func(m map[string]any) {
		var list, receivers []any
		for _, k := range kinds {
			folders[string(k)] = t.TempDir()
			list = append(list,
				map[string]any{"name": "mail-" + string(k), "sort": "mail", "kind": string(k), "smtp": map[string]any{"host": "127.0.0.1", "port": l.Addr().(*net.TCPAddr).Port, "from": "node@node.example", "tls": "none"}},
				map[string]any{"name": "sms-" + string(k), "sort": "sms", "kind": string(k), "gateway": map[string]any{"url": gateway.URL, "insecure_loopback": true, "body": `{"to": "{to}", "text": "{text}"}`, "transliterate": k == store.Exercise}},
				map[string]any{"name": "sirens-" + string(k), "sort": "handover", "kind": string(k), "handover": map[string]any{"directory": folders[string(k)]}})
		}
		for i, lang := range i18n.Langs {
			var targets []any
			for j, k := range kinds {
				targets = append(targets, map[string]any{"channel": "mail-" + string(k), "to": string(lang) + "@" + string(k) + ".example"},
					map[string]any{"channel": "sms-" + string(k), "to": "+4204820000" + string(rune('0'+i)) + string(rune('0'+j))},
					map[string]any{"channel": "sirens-" + string(k), "to": string(lang)})
			}
			receivers = append(receivers, map[string]any{"name": string(lang), "language": string(lang), "places": []any{"*"}, "targets": targets})
		}
		m["channels"] = map[string]any{"list": list, "receivers": receivers}
		m["notify"] = map[string]any{"base_url": "https://node.example"}
	})
	o, err := Open(ctx, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	o.Clock = clock.Fake(time.Date(2026, 8, 7, 16, 5, 30, 0, time.UTC)) // no minute ends between preview and sending
	bundle, err := Texts()
	if err != nil {
		t.Fatal(err)
	}
	n, err := build(ctx, c, o, bundle, quiet, false)
	if err != nil {
		t.Fatal(err)
	}
	own, people, err := n.people.Seed(ctx, identity.Organisation{Name: "Město Frýdlant", Country: "CZ", Addresses: []string{desk}}, []identity.NewPerson{
		{Login: "dana", Name: "Dana", Lang: i18n.Cs, Roles: []string{"dispatcher"}, Password: "a long password of dana"}, {Login: "vera", Name: "Vera", Lang: i18n.Cs, Roles: []string{"shift_leader"}, Password: "a long password of vera"}})
	if err != nil {
		t.Fatal(err)
	}
	as := func(i int) notice.Actor { return notice.Actor{Person: people[i].ID, Organisation: own.ID} }
	read := map[store.Kind][]notice.Rendering{}
	var sent []*notice.Publication
	for _, k := range kinds {
		id, err := n.notices.Begin(ctx, as(0), "", k, notice.Alert, &notice.Content{Template: "N07", Lang: i18n.Cs, Areas: []string{"ORP-5102"},
			Values: map[string]string{"place": "CZ-564028", "at": n.Clock.Now().Add(time.Hour).Format(time.RFC3339), "phone": "+420 482 000 000"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range []notice.Step{notice.Propose, notice.Approve} {
			v, err := n.notices.Show(ctx, id, i18n.Cs)
			if err != nil {
				t.Fatal(err)
			}
			read[k] = v.Renderings // before the last step: what the second person reads
			if err := n.notices.Take(ctx, as(i), id, notice.Event{Step: step, Content: v.Last.Content}, true); err != nil {
				t.Fatal(k, step, err)
			}
		}
		v, err := n.notices.Show(ctx, id, i18n.Cs)
		if err != nil || len(v.Published) != 1 {
			t.Fatal(len(v.Published), err)
		}
		sent = append(sent, v.Published[0])
	}
	if err := n.channels.Schedule(ctx); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- n.jobs.Run(ctx) }()
	var all []channel.Receipt
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if all, err = n.channels.Receipts(ctx, 100); err != nil {
			t.Fatal(err)
		}
		over := 0
		for _, r := range all {
			if r.State == channel.Accepted || r.State == channel.Sent {
				over++
			}
		}
		if over == len(kinds)*len(i18n.Langs)*3 {
			break
		}
	}
	stop()
	<-ran
	mu.Lock()
	defer mu.Unlock()
	for j, k := range kinds {
		item, err := outlet.Own(sent[j])
		if err != nil {
			t.Fatal(err)
		}
		for i, lang := range i18n.Langs {
			text := func(name string) string {
				for _, r := range read[k] {
					if r.Name == name && r.Lang == lang {
						return r.Text
					}
				}
				t.Errorf("no preview %s in %s", name, lang)
				return ""
			}
			m := mails[string(lang)+"@"+string(k)+".example"]
			if got := m.Subject + "\n\n" + m.Body; got != text("channel.preview.mail") {
				t.Errorf("%s %s: mail\n%q\nits preview\n%q", k, lang, got, text("channel.preview.mail"))
			}
			if got := texts["+4204820000"+string(rune('0'+i))+string(rune('0'+j))]; got != text("channel.preview.sms") {
				t.Errorf("%s %s: SMS\n%q\nits preview\n%q", k, lang, got, text("channel.preview.sms"))
			}
			if got := n.outlets.Renderer().Speak(item, lang).Plain; got != text("outlet.form.speech") {
				t.Errorf("%s %s: voice\n%q\nits preview\n%q", k, lang, got, text("outlet.form.speech"))
			}
			files, err := filepath.Glob(filepath.Join(folders[string(k)], string(lang)+".*.json"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			raw, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			var given channel.Posted
			if err := json.Unmarshal(raw, &given); err != nil {
				t.Fatal(err)
			}
			codes := ""
			for _, a := range given.Codes.Areas {
				codes += a.Scheme + "=" + a.Code + " "
			}
			if given.Speech != text("outlet.form.speech") || given.Codes.Event == "" || !strings.Contains(codes, "CISORP=5102 ") {
				t.Errorf("%s %s: sirens %q %+v", k, lang, given.Speech, given.Codes)
			}
		}
	}
}
