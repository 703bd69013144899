package app

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/all"
	"trojmezi/internal/alert/gauge/saxony"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/exchange/console"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/simulator/mailbox"
)

const (
	// leakCases is how many things are tried by default; TROJMEZI_CHECKS asks for more.
	leakCases = 500
	// leakBatch is how many share a transaction.
	leakBatch = 250
	// leakDelivered is of how many batches everything is really sent and fetched: the
	// first, and each of that number. Of all others what is stored is read.
	leakDelivered = 50
	// leakFull is of how many cases of a delivered batch: more cost time, and show nothing
	// more.
	leakFull = 60
	// leakMany are enough to be sure that there was something of everything.
	leakMany = 100_000
)

// Addresses for tests, beside those of the desks.
const (
	testDesk      = "1.2.3.99.1"
	otherTestDesk = "1.2.3.99.2"
)

// tokenForm is what a thing says of itself, wherever it comes out: of what kind it has to be
// taken, and whether that of an official sender was published as if it were in earnest.
var tokenForm = regexp.MustCompile(`zq(live|exercise|test)(in)?zq[0-9]+`)

func tokenOf(k store.Kind, n int) string { return fmt.Sprintf("zq%szq%d", k, n) }

// outside is everybody around a node who gets something: of each way out one of each kind.
type outside struct {
	mu      sync.Mutex
	texts   *i18n.Bundle
	came    map[string]int // by way out and kind
	leaks   []string
	browser *ecdh.PrivateKey
	auth    []byte
}

func (o *outside) leaked(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.leaks) < 20 {
		o.leaks = append(o.leaks, fmt.Sprintf(format, args...))
	}
}

// arrived judges a text that came to somebody who is there for one kind. mark is what an
// exercise or a test must say of itself there; reality says neither.
func (o *outside) arrived(way string, own store.Kind, text string, mark map[store.Kind]string) {
	o.mu.Lock()
	o.came[way+" "+string(own)]++
	o.mu.Unlock()
	for _, m := range tokenForm.FindAllStringSubmatch(text, -1) {
		if store.Kind(m[1]) != own {
			o.leaked("%s of %s got what is %s: %.600s", way, own, m[1], text)
		}
	}
	for k, words := range mark {
		if strings.Contains(text, words) != (k == own) {
			o.leaked("%s of %s, the mark of %s: %v: %.600s", way, own, k, k != own, text)
		}
	}
}

// marksOf are those of notifications in German, of channels in all languages, and of
// short messages.
func (o *outside) marksOf(way string) map[store.Kind]string {
	all := map[store.Kind]string{}
	for _, k := range []store.Kind{store.Exercise, store.Test} {
		switch way {
		case "notify":
			all[k] = o.texts.Text(i18n.De, "notify.mark."+string(k), nil)
		case "sms":
			all[k] = o.texts.Text(i18n.De, "channel.mark."+string(k), nil) + ": "
		default:
			var words []string
			for _, l := range i18n.Langs {
				words = append(words, o.texts.Text(l, "channel.mark."+string(k), nil))
			}
			all[k] = strings.Join(words, " · ")
		}
	}
	return all
}

// hook takes what is posted: /way/kind.
func (o *outside) hook(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	way, kind, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	own := store.Kind(kind)
	if way == "push" && err == nil {
		raw, err = o.decrypt(raw)
		w.WriteHeader(http.StatusCreated)
	}
	var p struct{ Kind store.Kind }
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil || p.Kind != own && way != "sms" {
		o.leaked("%s of %s: %v, says it is %q: %.600s", way, own, err, p.Kind, raw)
	}
	if way == "sms" { // everything before the text is ours
		var m struct{ Text string }
		if err := json.Unmarshal(raw, &m); err != nil {
			o.leaked("sms: %v", err)
		}
		raw = []byte(m.Text)
	}
	marks := o.marksOf(map[string]string{"hook": "channel", "push": "channel", "notify": "notify", "sms": "sms"}[way])
	if way == "sms" {
		for k, words := range marks {
			if strings.HasPrefix(string(raw), words) != (k == own) {
				o.leaked("sms of %s, begins with the mark of %s: %v: %s", own, k, k != own, raw)
			}
		}
		marks = nil
	}
	o.arrived(way, own, string(raw), marks)
}

// mail takes what a mailbox gets: kind@way.example.
func (o *outside) mail(m mailbox.Mail) {
	kind, domain, _ := strings.Cut(m.To, "@")
	way := strings.TrimSuffix(domain, ".example")
	marks := o.marksOf(map[string]string{"duty": "notify", "mail": "channel", "subscriber": "channel"}[way])
	if way == "duty" {
		for k, words := range marks {
			if strings.Contains(m.Subject, words) != (string(k) == kind) {
				o.leaked("the subject of a mail to %s: %s", m.To, m.Subject)
			}
		}
	}
	o.arrived(way, store.Kind(kind), m.Subject+"\n"+m.Body, marks)
}

// decrypt reads a message for the browser (RFC 8188, §2; RFC 8291, §3.4).
func (o *outside) decrypt(body []byte) ([]byte, error) {
	if len(body) < 21 || len(body) < 21+int(body[20]) {
		return nil, fmt.Errorf("push: no header")
	}
	salt, sender := body[:16], body[21:21+int(body[20])]
	theirs, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	shared, err := o.browser.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	mac := func(key []byte, parts ...[]byte) []byte {
		m := hmac.New(sha256.New, key)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	ikm := mac(mac(o.auth, shared), []byte("WebPush: info\x00"), o.browser.PublicKey().Bytes(), sender, []byte{1})
	prk := mac(salt, ikm)
	block, err := aes.NewCipher(mac(prk, []byte("Content-Encoding: aes128gcm\x00"), []byte{1})[:16])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, mac(prk, []byte("Content-Encoding: nonce\x00"), []byte{1})[:12], body[21+len(sender):], nil)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimRight(plain, "\x00"), []byte{2}), nil
}

// leakWorld is a node with everybody around it.
type leakWorld struct {
	*node
	t       *testing.T
	out     *outside
	rnd     *rand.Rand
	folders map[store.Kind]string
	targets map[channel.Sort]map[store.Kind]string
	crew    []identity.Person
	// of a batch
	serial   int
	readings map[[2]string]*feed.Reading // by feed and kind of its documents
	patterns map[store.Kind]*notice.Publication
	newest   map[store.Kind]*notice.Publication
	pages    http.Handler
	letters  []letterFrom
}

func (w *leakWorld) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *leakWorld) kind() store.Kind { return store.Kinds[w.rnd.IntN(len(store.Kinds))] }

func (w *leakWorld) pick(of ...string) string { return of[w.rnd.IntN(len(of))] }

// newLeakWorld builds a node that has each way out of each kind.
func newLeakWorld(t *testing.T, rnd *rand.Rand) *leakWorld {
	t.Helper()
	w := &leakWorld{t: t, rnd: rnd, folders: map[store.Kind]string{}, targets: map[channel.Sort]map[store.Kind]string{}, patterns: map[store.Kind]*notice.Publication{}, newest: map[store.Kind]*notice.Publication{},
		out: &outside{texts: texts(t), came: map[string]int{}, auth: make([]byte, 16)}}
	var err error
	w.out.browser, err = ecdh.P256().GenerateKey(crand.Reader)
	w.ok(err)
	hooks := httptest.NewServer(http.HandlerFunc(w.out.hook))
	t.Cleanup(hooks.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.ok(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- mailbox.Serve(ctx, l, w.out.mail) }()
	t.Cleanup(func() { stop(); <-served })
	secret := filepath.Join(t.TempDir(), "secret")
	w.ok(os.WriteFile(secret, []byte(strings.Repeat("k", 32)), 0o600))
	smtp := map[string]any{"host": "127.0.0.1", "port": l.Addr().(*net.TCPAddr).Port, "from": "node@node.example", "tls": "none"}
	b64 := base64.RawURLEncoding.EncodeToString
	for _, sort := range channel.Sorts {
		w.targets[sort] = map[store.Kind]string{}
	}
	c := newConfig(t, func(m map[string]any) {
		var recipients, webhooks, list, to, records []any
		for i, k := range store.Kinds {
			recipients = append(recipients, map[string]any{"name": string(k), "email": string(k) + "@duty.example", "kind": string(k), "languages": []any{"de"}})
			webhooks = append(webhooks, map[string]any{"url": hooks.URL + "/notify/" + string(k), "secret_file": secret, "insecure_loopback": true, "kind": string(k)})
			w.folders[k] = t.TempDir()
			for sort, x := range map[channel.Sort]struct {
				target string
				set    map[string]any
			}{
				channel.Mail:     {string(k) + "@mail.example", map[string]any{"smtp": smtp}},
				channel.SMS:      {"+42048200000" + strconv.Itoa(i), map[string]any{"gateway": map[string]any{"url": hooks.URL + "/sms/" + string(k), "insecure_loopback": true, "body": `{"to": "{to}", "text": "{text}"}`, "max_parts": 9}}},
				channel.Webhook:  {hooks.URL + "/hook/" + string(k), map[string]any{"webhook": map[string]any{"insecure_loopback": true}}},
				channel.Push:     {fmt.Sprintf(`{"endpoint":%q,"keys":{"p256dh":%q,"auth":%q}}`, hooks.URL+"/push/"+string(k), b64(w.out.browser.PublicKey().Bytes()), b64(w.out.auth)), map[string]any{"push": map[string]any{"contact": "node@node.example", "insecure_loopback": true}}},
				channel.Node:     {map[store.Kind]string{store.Live: otherDesk, store.Exercise: otherDesk, store.Test: otherTestDesk}[k], nil},
				channel.Handover: {"station", map[string]any{"handover": map[string]any{"directory": w.folders[k]}}},
			} {
				set := map[string]any{"name": string(sort) + "-" + string(k), "sort": string(sort), "kind": string(k), "per_minute": 100_000}
				maps.Copy(set, x.set)
				target := map[string]any{"channel": set["name"], "to": x.target}
				if sort == channel.Webhook {
					target["secret_file"] = secret
				}
				list, to = append(list, set), append(to, target)
				w.targets[sort][k] = x.target
			}
		}
		for _, oid := range []string{desk, otherDesk, testDesk, otherTestDesk} {
			records = append(records, deskRecord(oid))
		}
		m["exchange"].(map[string]any)["participants"], m["exchange"].(map[string]any)["accounts"] = records, []any{}
		m["notify"] = map[string]any{"base_url": "https://node.example", "recipients": recipients, "webhooks": webhooks, "smtp": smtp}
		m["channels"] = map[string]any{"list": list, "receivers": []any{map[string]any{"name": "all", "language": "de", "places": []any{"*"}, "targets": to}}}
	})
	o, err := Open(t.Context(), c, quiet)
	w.ok(err)
	t.Cleanup(func() { o.DB.Close() })
	o.Clock = clock.Fake(time.Date(2026, 8, 7, 8, 0, 0, 0, time.UTC))
	w.node, err = build(t.Context(), c, o, w.out.texts, quiet, false)
	w.ok(err)
	_, w.crew, err = w.people.Seed(t.Context(), identity.Organisation{Name: "Frýdlant", Country: "CZ", Addresses: []string{desk, testDesk}}, []identity.NewPerson{
		{Login: "dana", Name: "Dana", Lang: i18n.Cs, Roles: []string{"dispatcher"}, Password: "a long password of dana"}, {Login: "vera", Name: "Věra", Lang: i18n.Cs, Roles: []string{"shift_leader"}, Password: "a long password of vera"}})
	w.ok(err)
	_, err = w.people.CreateOrganisation(t.Context(), nil, identity.Organisation{Name: "Görlitz", Country: "DE"}) // whose acknowledgement will be missing
	w.ok(err)
	w.exchange.Desks([]string{desk, testDesk})
	w.ok(w.notify.Schedule(t.Context()))
	w.ok(w.channels.Schedule(t.Context()))
	w.ok(w.notices.Schedule(t.Context()))
	w.ok(w.board.Schedule(t.Context()))
	w.ok(w.subs.Load(t.Context()))
	asked, err := w.subs.Ask(t.Context(), subscription.Subscription{Want: subscription.Want{Municipalities: []string{"CZ-564028"}}, Channel: subscription.Email, Lang: i18n.De}, "live@subscriber.example")
	w.ok(err)
	w.ok(w.subs.Confirm(t.Context(), asked))
	w.pages, w.letters = w.router(), foreignLetters(t)
	for _, k := range store.Kinds {
		w.patterns[k] = w.publish(k)
	}
	return w
}

// publish takes a notice through the hands of two people.
func (w *leakWorld) publish(k store.Kind) *notice.Publication {
	w.t.Helper()
	ctx := w.t.Context()
	id, err := w.notices.Begin(ctx, notice.Actor{Person: w.crew[0].ID, Organisation: w.crew[0].Organisation}, "", k, notice.Alert, &notice.Content{Template: "N10", Lang: i18n.Cs, Areas: []string{"ORP-5102"},
		Values: map[string]string{"what": tokenOf(k, 0), "do": "x", "phone": "+420 482 000 000"}})
	w.ok(err)
	for i, step := range []notice.Step{notice.Propose, notice.Approve} {
		v, err := w.notices.Show(ctx, id, i18n.Cs)
		w.ok(err)
		w.ok(w.notices.Take(ctx, notice.Actor{Person: w.crew[i].ID, Organisation: w.crew[i].Organisation}, id, notice.Event{Step: step, Content: v.Last.Content}, true))
	}
	v, err := w.notices.Show(ctx, id, i18n.Cs)
	w.ok(err)
	if len(v.Published) != 1 {
		w.t.Fatalf("%s: %d were published", k, len(v.Published))
	}
	w.newest[k] = v.Published[0]
	return v.Published[0]
}

// leakCauses are what makes something leave, by name. n tells the thing from all others.
var leakCauses = []struct {
	name string
	make func(w *leakWorld, tx *store.Tx, n int) error
}{
	{"notification", func(w *leakWorld, tx *store.Tx, n int) error {
		k := w.kind()
		return w.notify.Send(tx, notify.Notification{Kind: k, Class: notify.Class(w.pick("A", "B", "C")), Organisation: w.pick("", "liberec", "zittau"),
			Text: notify.Text{Key: "replay.said", Args: i18n.Args{"text": "ÜBUNG " + tokenOf(k, n)}}, Link: w.pick("", "/rivers", "/notices/1"), Unique: w.pick("", tokenOf(k, n))})
	}},
	{"river alarm", func(w *leakWorld, tx *store.Tx, n int) error {
		k := w.kind()
		return w.riverAlarm(tx, river.Alarm{ID: w.Clock.NewID(), Kind: k, Gauge: "de-goerlitz", Where: "Görlitz", River: "Neiße", Cause: river.Cause(w.pick("up", "down", "fast", "past")), Unit: river.CM,
			Name: "Alarmstufe " + tokenOf(k, n), Level: sign.Level(w.pick("l1", "l2", "l3", "l4", "")), From: 100, Value: w.rnd.Float64() * 900, Within: time.Hour, At: w.Clock.Now(), Told: w.Clock.Now()})
	}},
	{"values of a gauge", func(w *leakWorld, tx *store.Tx, n int) error {
		k := w.kind()
		for i, level := range []string{"310", "570"} { // the first above a limit waits for a second
			at := w.Clock.Now().Add(time.Duration(i-1)*15*time.Minute - time.Minute).UTC().Format("02.01.2006 15:04")
			r, fault := saxony.Feed().Parse(fmt.Appendf(nil, `{"features":[{"attributes":{"PEG_MSTNR":"9%08d","PEG_NAME":%q,"WLV_GEWAESSER":"Neiße","PEG_AS1":320,"PEG_AS4":560,"PEG_WASSERSTAND":%q,"PEG_WERTZEITSTEMPEL_CHAR":%q,"ZEITZONE":"+00:00"},"geometry":{"x":14.99,"y":51.16}}]}`,
				n, tokenOf(k, n), level, at))
			if fault != nil {
				return fmt.Errorf("%v", fault)
			}
			if err := w.takeGauges(tx, intake.Document{Source: "saxony-gauges", Format: "saxony-gauges", Kind: k, Address: "x", FetchedAt: w.Clock.Now()}, r); err != nil {
				return err
			}
		}
		return nil
	}},
	{"alarm of a console", func(w *leakWorld, tx *store.Tx, n int) error {
		k := w.kind()
		a := console.Alarm{ID: w.Clock.NewID(), Kind: k, Class: console.Class(w.pick("A", "B", "C")), Cause: console.Cause(w.pick("incoming", "undecided", "telephone", "message", "answer", "end", "link")), Org: w.pick("liberec", "zittau")}
		a.Name = tokenOf(k, n)
		return w.unheard(tx, a)
	}},
	{"own notice", func(w *leakWorld, tx *store.Tx, n int) error {
		p := *w.patterns[w.kind()]
		id := w.Clock.NewID()
		swap := strings.NewReplacer(tokenOf(p.Kind, 0), tokenOf(p.Kind, n), p.Notice, id)
		p.Document, p.Titles, p.Expires, p.Sent = []byte(swap.Replace(string(p.Document))), maps.Clone(p.Titles), w.Clock.Now().Add(6*time.Hour), w.Clock.Now()
		for l, title := range p.Titles {
			p.Titles[l] = title + " " + tokenOf(p.Kind, n)
		}
		p.Identifier, p.Notice = swap.Replace(p.Identifier), id
		return w.published(tx, &p)
	}},
	{"official warning", func(w *leakWorld, _ *store.Tx, n int) error {
		// Whatever comes in a document of an exercise is one. What comes as live says by its
		// status, or by its headline alone, that it is none.
		a := cap.Alert{Status: w.pick(cap.Actual, cap.Actual, cap.Exercise, cap.Test, cap.System, cap.Draft, "Unheard")}
		said := w.pick("Povodeň", "Hochwasser", "Probealarm", "Übung: Hochwasser", "CVIČENÍ – povodeň", "ćwiczenia: powódź", "Sirenenprobe", "zkouška sirén", "Trial exercise")
		came := w.kind()
		if n%3 == 0 { // in earnest: else there would be next to nothing of reality
			a.Status, said, came = cap.Actual, "Hochwasser", store.Live
		}
		a.Infos = []cap.Info{{Headline: said}}
		shown := map[feed.Status]store.Kind{feed.Actual: store.Live, feed.Exercise: store.Exercise, feed.Test: store.Test}[feed.StatusOf(&a)]
		if real := a.Status == cap.Actual && (said == "Povodeň" || said == "Hochwasser"); real != (shown == store.Live) {
			return fmt.Errorf("%s %q is taken as %s", a.Status, said, shown)
		}
		mark := ""
		switch {
		case came != store.Live:
			shown = came
		case shown != store.Live:
			mark = "in"
		}
		name := w.feedNames()[w.rnd.IntN(3)]
		text := fmt.Sprintf("%s zq%s%szq%d", said, shown, mark, n)
		at := func(d time.Duration) feed.Moment { return feed.Moment{At: w.Clock.Now().Add(d)} }
		r := w.readings[[2]string{name, string(came)}]
		if r == nil {
			r = &feed.Reading{Issued: at(0)}
			w.readings[[2]string{name, string(came)}] = r
		}
		r.Warnings = append(r.Warnings, feed.Warning{ID: fmt.Sprintf("%s/%d", name, n), Source: name, Sender: "x", Event: text, Code: strconv.Itoa(n), Level: feed.Level{Severity: "Severe", Colour: w.pick("orange", "red")},
			Sent: at(0), Onset: at(0), Expires: at(6 * time.Hour), Status: feed.StatusOf(&a), State: feed.InForce, Areas: []feed.Area{{Name: "x", Codes: []feed.Code{{Scheme: "CISORP", Value: "5102"}}}},
			Texts: []feed.Text{{Language: w.pick("cs", "de", "pl", "en"), Event: text, Headline: text, Description: "d", Instruction: "i"}}})
		return nil
	}},
	{"dispatch", func(w *leakWorld, tx *store.Tx, n int) error {
		sort, own, k := channel.Sorts[w.rnd.IntN(len(channel.Sorts))], w.kind(), w.kind()
		d := channel.Dispatch{Channel: string(sort) + "-" + string(own), Target: w.targets[sort][own], Lang: i18n.De, Kind: k, Source: "x", Title: tokenOf(k, n), Body: "b",
			Reference: channel.Reference{Origin: channel.Origin(w.pick("notice", "warning", "subscription", "trial")), ID: strconv.Itoa(n), Revision: "1"}}
		err := w.channels.Queue(tx, d)
		if may := k == own && (d.Reference.Origin != channel.Trial || k != store.Live); may != (err == nil) {
			w.out.leaked("a %s of %s by %s: %v", d.Reference.Origin, k, d.Channel, err)
		}
		return nil
	}},
	{"message of a desk", func(w *leakWorld, tx *store.Tx, n int) error {
		from, to := w.pick(desk, testDesk), w.pick(otherDesk, otherTestDesk)
		k := w.exchange.KindOf(from)
		_, err := w.exchange.Post(tx, &ucri.Envelope{Source: from, Destinations: []string{to}, Payload: ucri.Payload{AppID: textApp, AppVersion: textVersion, SchemaID: textMessage, ContentType: ucri.ContentJSON,
			Data: fmt.Sprintf(`{"sharedIncidentId":"00000000-0000-4000-8000-000000000000","notifications":[{"timestamp":%q,"message":%q}]}`, ucri.FormatTime(w.Clock.Now()), tokenOf(k, n))}})
		if may := k == w.exchange.KindOf(to); may != (err == nil) {
			w.out.leaked("a message from %s to %s: %v", from, to, err)
		}
		return nil
	}},
	{"letter of a foreign system", func(w *leakWorld, _ *store.Tx, _ int) error {
		return w.letters[w.rnd.IntN(len(w.letters))].open(w, w.rnd.IntN(2) == 0)
	}},
}

// feedNames are three feeds of warnings, others in each batch, so that all have their turn.
func (w *leakWorld) feedNames() (names []string) {
	for i := range 3 {
		names = append(names, all.Feeds()[(w.serial+i)%len(all.Feeds())].Name)
	}
	return names
}

// take enters what the feeds of a batch said, in the transaction of the rest.
func (w *leakWorld) take(tx *store.Tx) error {
	for _, key := range slices.SortedFunc(maps.Keys(w.readings), func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) }) {
		if err := w.takeWarnings(tx, intake.Document{Source: key[0], Format: key[0], Kind: store.Kind(key[1]), ID: int64(w.serial), Digest: strconv.Itoa(w.serial), Size: 1, Address: "x", FetchedAt: w.Clock.Now()}, w.readings[key]); err != nil {
			return err
		}
	}
	return nil
}

// follow tells everybody who is told of official warnings.
func (w *leakWorld) follow() {
	w.t.Helper()
	ctx := w.t.Context()
	w.ok(w.channels.Follow(ctx))
	w.ok(w.subs.Observe(ctx))
	for more := true; more; {
		var err error
		more, err = w.subs.Distribute(ctx)
		w.ok(err)
	}
	w.ok(w.board.Observe(ctx))
}

// stored are the rows that leave the node or bring something about, with their kind and
// all they say.
var stored = []string{
	`SELECT kind, texts FROM notify_outbox`,
	`SELECT d.kind, t.title || ' ' || t.body || ' ' || t.speech FROM channel_dispatch d JOIN channel_text t ON t.id = d.content`,
	`SELECT kind, titles FROM board_item`,
	`SELECT 'live', body FROM subscription_change`,
}

// mixed are what must not be, in any batch.
var mixed = []struct{ what, query string }{
	{"a delivery of another kind than its notification", `SELECT COUNT(*) FROM notify_delivery d JOIN notify_outbox o ON o.id = d.notification WHERE o.kind <> d.kind`},
	{"a mailbox of another kind", `SELECT COUNT(*) FROM notify_delivery WHERE channel LIKE 'mail:%' AND channel <> 'mail:' || kind`},
	{"a channel of another kind", `SELECT COUNT(*) FROM channel_dispatch WHERE channel NOT LIKE '%-' || kind`},
	{"a job of another kind than its channel", `SELECT COUNT(*) FROM job_task WHERE queue LIKE 'channel.send.%' AND queue NOT LIKE '%-' || kind OR queue LIKE 'notify.mail:%' AND queue <> 'notify.mail:' || kind`},
	{"an alarm of another kind than its station", `SELECT COUNT(*) FROM river_alarm a JOIN river_station s ON s.id = a.gauge WHERE NOT EXISTS (SELECT 1 FROM river_station x WHERE x.id = a.gauge AND x.kind = a.kind)`},
	{"a message between addresses of two kinds", `SELECT COUNT(*) FROM exchange_message WHERE kind = 'exercise' OR (kind = 'test') <> (source LIKE '1.2.3.99.%') OR (kind = 'test') <> (destination LIKE '1.2.3.99.%')`},
}

// examine reads everything that is stored to leave.
func (w *leakWorld) examine(tx *store.Tx) error {
	for _, c := range mixed {
		var found int
		if err := tx.Row(c.query).Scan(&found); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		if found > 0 {
			w.out.leaked("%s: %d times", c.what, found)
		}
	}
	for _, query := range stored {
		rows, err := tx.Query(query)
		if err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		for rows.Next() {
			var kind, text string
			if err := rows.Scan(&kind, &text); err != nil {
				rows.Close()
				return err
			}
			for _, m := range tokenForm.FindAllStringSubmatch(text, -1) {
				if m[1] != kind {
					w.out.leaked("%s: of kind %s: %.600s", query, kind, text)
				}
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}

// forget empties the node between two batches.
func forget(tx *store.Tx) error {
	for _, table := range []string{"notify_delivery", "notify_outbox", "channel_dispatch", "channel_text", "channel_told", "board_item", "board_told", "subscription_change", "subscription_known", "subscription_held",
		"warning_document", "warning_series", "warning_copy", "warning_seen", "warning_version", "river_station", "river_point", "river_limit", "river_crossing", "river_alarm", "exchange_message"} {
		if _, err := tx.Exec(`DELETE FROM ` + table); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM job_task WHERE queue LIKE 'notify.%' AND queue <> 'notify.prune' OR queue LIKE 'channel.send.%' OR queue LIKE 'board.missing%' OR queue LIKE 'notice.%'`)
	return err
}

// forge asks workers of one kind for something of another, as an error in a queue would.
// The row's own kind must count.
func forge(tx *store.Tx, w *leakWorld) error {
	var id, kind string
	if err := tx.Row(`SELECT notification, kind FROM notify_delivery WHERE kind <> 'live' ORDER BY notification LIMIT 1`).Scan(&id, &kind); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO notify_delivery (notification, channel, kind, state, attempt, tried_at, error) VALUES ($1, 'mail:live', $2, 'waiting', 0, 0, '')`, id, kind); err != nil {
		return err
	}
	_, err := w.jobs.Enqueue(tx, job.Job{Queue: "notify.mail:live", Kind: store.Live, Payload: []byte(id)})
	return err
}

// deliver sends everything, lets the acknowledgements be missing, and looks at what came
// into the folders and to the neighbours.
func (w *leakWorld) deliver() {
	w.t.Helper()
	for range 3 { // at once, and twice when nobody has acknowledged
		for range 2 {
			_, err := w.jobs.Turn(w.t.Context())
			w.ok(err)
		}
		w.Clock.Advance(11 * time.Minute)
	}
	for k, folder := range w.folders {
		files, err := os.ReadDir(folder)
		w.ok(err)
		for _, f := range files {
			path := filepath.Join(folder, f.Name())
			body, err := os.ReadFile(path)
			w.ok(err)
			w.ok(os.Remove(path))
			var p channel.Posted
			if err := json.Unmarshal(body, &p); err != nil || p.Kind != k {
				w.out.leaked("the folder of %s: %v %s", k, err, body)
			}
			w.out.arrived("handover", k, string(body), w.out.marksOf("channel"))
		}
	}
	w.ok(w.DB.Read(w.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT id FROM exchange_message ORDER BY id`)
		if err != nil {
			return err
		}
		var ids []int64
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				rows.Close()
				return err
			}
			ids = append(ids, id)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		for _, id := range ids {
			e, err := w.exchange.Entry(tx, id)
			if err != nil {
				return err
			}
			if to := e.Envelope.Destinations[0]; w.exchange.KindOf(to) != e.Kind || w.exchange.KindOf(e.Envelope.Source) != e.Kind {
				w.out.leaked("a message of %s from %s to %s", e.Kind, e.Envelope.Source, to)
			}
			w.out.arrived("node", e.Kind, e.Envelope.Payload.Data, nil)
		}
		return nil
	}))
}

// Whatever is no reality reaches nobody by a way of reality, and by its own only with its
// mark: by whatever a node sends, hands over and serves, and whatever brought it about.
// What is tried is a list here; TestEveryWayOut holds it to what the program has.
func TestNothingLeaks(t *testing.T) {
	checks := leakCases
	if text := os.Getenv("TROJMEZI_CHECKS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("TROJMEZI_CHECKS=%q is no count", text)
		}
		checks = n
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("TROJMEZI_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("TROJMEZI_SEED=%q is no number", text)
		}
		seed = n
	}
	t.Logf("%d cases, TROJMEZI_SEED=%d", checks, seed)
	w := newLeakWorld(t, rand.New(rand.NewPCG(seed, 1)))
	ctx := t.Context()
	began, made := time.Now(), map[string]int{}
	done := 0
	for batch := 0; done < checks; batch++ {
		full := batch%leakDelivered == 0
		size := min(leakBatch, checks-done)
		if full {
			size = min(leakFull, size)
		}
		first := w.serial
		w.serial, w.readings = w.serial+size, map[[2]string]*feed.Reading{}
		w.ok(w.DB.Write(ctx, func(tx *store.Tx) error {
			for i := range size {
				c := leakCauses[w.rnd.IntN(len(leakCauses))]
				if full && i < len(leakCauses) { // each at least once
					c = leakCauses[i]
				}
				made[c.name]++
				if err := c.make(w, tx, first+i+1); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
			if err := w.take(tx); err != nil {
				return err
			}
			if full {
				return forge(tx, w)
			}
			return w.examine(tx)
		}))
		if full {
			for _, k := range store.Kinds {
				w.publish(k)
			}
		}
		w.follow()
		if full {
			w.visit()
			w.deliver()
		} else {
			w.ok(w.DB.Read(ctx, w.examine))
		}
		w.ok(w.DB.Write(ctx, forget))
		w.Clock.Advance(time.Minute)
		if done += size; len(w.out.leaks) > 0 {
			break
		}
	}
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	for _, x := range w.out.leaks {
		t.Error(x)
	}
	t.Logf("%d cases in %v, TROJMEZI_SEED=%d; of each cause %v; came %v", done, time.Since(began).Round(time.Second), seed, made, w.out.came)
	if t.Failed() {
		return
	}
	for _, way := range waysOut() {
		for _, k := range store.Kinds {
			if n := w.out.came[way+" "+string(k)]; n == 0 && !(way == "node" && k == store.Exercise) && !(way == "subscriber" && k != store.Live) {
				t.Errorf("nothing of %s came by %s: nothing was shown", k, way)
			}
		}
	}
	// What the notices of each delivered batch are read at; what official warnings are, when
	// enough of them were made.
	read := []string{"GET /cap/message/{id}", "GET /public/place/{code}", "GET /public/place/{code}/{lang}/calendar.ics"}
	if done >= leakMany {
		read = append(read, "GET /cap/feed.atom", "GET /cap/area/{scheme}/{code}/feed.atom", "GET /api/alerts.geojson", "GET /api/alerts/public-address", "GET /outlet/{kind}/{id}/{file}")
	}
	for _, pattern := range read {
		drill := strings.NewReplacer("/cap/", "/cap/exercise/", "/public/place/", "/public/exercise/").Replace(pattern)
		if w.out.came[pattern+" live"] == 0 || w.out.came[drill+" exercise"] == 0 {
			t.Errorf("nothing stands at %s, or at %s: nothing was shown", pattern, drill)
		}
	}
	if n := w.out.came["node exercise"] + w.out.came["subscriber exercise"] + w.out.came["subscriber test"]; n > 0 {
		t.Errorf("%d exercises came where there are none", n)
	}
}

// waysOut are those that send: each must have carried something of each kind, but for the
// exchange, which knows no exercises, and subscribers, who are told of reality alone.
func waysOut() []string {
	ways := []string{"notify", "duty", "subscriber"}
	for _, s := range channel.Sorts {
		ways = append(ways, map[channel.Sort]string{channel.Mail: "mail", channel.SMS: "sms", channel.Webhook: "hook", channel.Push: "push", channel.Node: "node", channel.Handover: "handover"}[s])
	}
	return ways
}

// A notice that is no reality stands in no feed of reality, at no address of it, and says
// in each language what it is.
func TestNoticesDoNotLeak(t *testing.T) {
	n := builtNode(t, nil)
	_, crew, err := n.people.Seed(t.Context(), identity.Organisation{Name: "Frýdlant", Country: "CZ"}, []identity.NewPerson{
		{Login: "dana", Name: "Dana", Lang: i18n.Cs, Roles: []string{"dispatcher"}, Password: "a long password of dana"}, {Login: "vera", Name: "Věra", Lang: i18n.Cs, Roles: []string{"shift_leader"}, Password: "a long password of vera"}})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		n.router().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	as := func(i int) notice.Actor {
		return notice.Actor{Person: crew[i].ID, Organisation: crew[i].Organisation}
	}
	published := map[store.Kind]*notice.Publication{}
	for _, k := range store.Kinds {
		id, err := n.notices.Begin(t.Context(), as(0), "", k, notice.Alert, &notice.Content{Template: "N07", Lang: i18n.Cs, Areas: []string{"ORP-5102"},
			Values: map[string]string{"place": "CZ-564028", "at": n.Clock.Now().Add(time.Hour).Format(time.RFC3339), "phone": "+420 482 000 000"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range []notice.Step{notice.Propose, notice.Approve} {
			v, err := n.notices.Show(t.Context(), id, i18n.Cs)
			if err == nil {
				err = n.notices.Take(t.Context(), as(i), id, notice.Event{Step: step, Content: v.Last.Content}, true)
			}
			if err != nil {
				t.Fatal(k, step, err)
			}
		}
		v, err := n.notices.Show(t.Context(), id, i18n.Cs)
		if err != nil || len(v.Published) != 1 {
			t.Fatal(k, err)
		}
		p := v.Published[0]
		published[k] = p
		status := map[store.Kind]string{store.Live: "Actual", store.Exercise: "Exercise", store.Test: "Test"}[k]
		if p.Kind != k || !bytes.Contains(p.Document, []byte("<status>"+status+"</status>")) {
			t.Errorf("%s: %s", k, p.Document)
		}
		for _, l := range i18n.Langs {
			mark := n.texts.Text(l, "notice.say.drill.exercise", nil)
			if k == store.Test {
				mark = n.texts.Text(l, "notice.say.drill.test", nil)
			}
			if marked := strings.HasPrefix(p.Titles[l], mark+": "); marked != (k != store.Live) {
				t.Errorf("%s in %s: %q", k, l, p.Titles[l])
			}
		}
	}
	for path, own := range map[string]store.Kind{"/cap/feed.atom": store.Live, "/cap/exercise/feed.atom": store.Exercise} {
		code, feed := get(path)
		for k, p := range published {
			if strings.Contains(feed, p.Identifier) != (k == own) || code != http.StatusOK {
				t.Errorf("%s: %d, a notice of kind %s: %v", path, code, k, k != own)
			}
			message := map[store.Kind]string{store.Live: "/cap/message/", store.Exercise: "/cap/exercise/message/"}[own] + p.Notice + ".1"
			if code, _ := get(message); (code == http.StatusOK) != (k == own) {
				t.Errorf("%s of kind %s: %d", message, k, code)
			}
		}
	}
}
