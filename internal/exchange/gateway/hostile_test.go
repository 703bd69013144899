package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
)

// What a foreign system writes into its ids, or calls its files, stops nothing behind
// it: not letters that a database does not store, and not in twenty messages.
func TestHostileNames(t *testing.T) {
	c := Config{Name: "swd", OID: czech, System: "plswd", Partner: "pl.psp.bogatynia", Addresses: []Address{{desk, "de.node"}},
		Transport: transport.Config{Directory: &transport.Directory{Path: "swd"}}}
	r := newRig(t, clock.System(), c)
	say := func(id, to, about, answers string) string {
		body := fmt.Sprintf(`"zgloszenie":{"idZdarzenia":%q,"nazwa":"pożar","miejsce":{"wspolrzedne":{"szerokosc":50.9,"dlugosc":14.95}}}`, about)
		if answers != "" {
			body = `"potwierdzenie":{"doKomunikatu":"` + answers + `"}`
		}
		return fmt.Sprintf(`{"profil":"pl-swd","wersja":"1.0","idKomunikatu":"%s","nadawca":"pl.psp.bogatynia","odbiorca":"%s","wyslano":%q,"tryb":"rzeczywisty",%s}`,
			id, to, r.clk.Now().Format(time.RFC3339), body)
	}
	for n := range 20 {
		r.drop("swd", fmt.Sprintf("a%02d.json", n), say(fmt.Sprintf(`x\u0000%d`, n), `de.node\u0000`, "Z-1", ""))
	}
	r.drop("swd", "b.json", say(uuid(1), "de.node", "Z-2", `m\u0000`))
	if err := os.WriteFile(filepath.Join(r.dir, "swd", "in", "c\xff.json"), []byte(say(uuid(2), "de.node", "Z-3", "")), 0o600); err != nil {
		t.Skip(err) // a file system that takes no such name
	}
	r.drop("swd", "d.json", say(uuid(3), "de.node", "Z-4", ""))
	r.start()
	r.until("the last two", func() bool { return len(r.got(desk)) == 2 && len(r.tray()) == 21 })
	for _, i := range r.tray() {
		if strings.ContainsRune(i.Foreign+i.Receiver, 0) {
			t.Errorf("%q %q", i.Foreign, i.Receiver)
		}
	}
}

// A status about a message to one desk that names another, as any neighbour can send it,
// tells the foreign system nothing.
func TestStatusOfAnother(t *testing.T) {
	r := newRig(t, clock.System())
	r.drop("hzs", "1.xml", r.say(sentence{id: uuid(1), event: "U-1"}))
	stop := r.start()
	r.until("the message", func() bool { return len(r.got(desk)) == 1 && len(r.outbox("hzs")) == 1 })
	stop()
	for destination, want := range map[string]int64{other: 0, desk: 1} {
		s := ucri.DeliveryStatus{RefMessageID: r.got(desk)[0].MessageID, Destination: destination, StatusCode: ucri.Refused}
		r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
			var before, after int64
			count := func(n *int64) error { return tx.Row(`SELECT COUNT(*) FROM gateway_out`).Scan(n) }
			if err := count(&before); err != nil {
				return err
			}
			if err := r.gate("hzs").takeStatus(tx, exchange.Entry{Incoming: true, Envelope: &ucri.Envelope{Payload: s.Payload()}}); err != nil {
				return err
			}
			if err := count(&after); err != nil {
				return err
			}
			if after-before != want {
				t.Errorf("a status about %s: %d messages to the system", destination, after-before)
			}
			return nil
		}))
	}
}

// The words with which a foreign system refuses reach the sender as a short line without
// signs that nobody sees; the bytes that came are kept as they were.
func TestHostileRefusal(t *testing.T) {
	r := newRig(t, clock.System())
	r.start()
	e := r.post(desk, czech, uuid(1), "Brand", 600)
	r.until("the file", func() bool { return len(r.outbox("hzs")) == 1 })
	words := "nic \u202evic\u2069 \u200b\u009b31m\u2028" + strings.Repeat("ř", 480)
	message := r.say(sentence{id: uuid(2), body: `<Chyba><NaZpravu>` + e.MessageID + `</NaZpravu><Kod>E21</Kod><Duvod>` + words + `</Duvod></Chyba>`})
	r.drop("hzs", "1.xml", message)
	r.until("the refusal", func() bool { return !r.receipt(e.ID).Failed.IsZero() })
	v, err := r.Sent(t.Context(), "tech", "hzs", 1)
	r.ok(err)
	if n := len([]rune(v.Answer)); !strings.HasPrefix(v.Answer, "E21 nic vic 31m ř") || n > 401 {
		t.Errorf("%d: %q", n, v.Answer)
	}
	var told []string
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		all, _, err := r.node.Feed(tx, []string{desk}, 0, 1000)
		for _, x := range all {
			if x.Incoming && x.Envelope != nil {
				if s, bad := ucri.ParseDeliveryStatus(x.Envelope.Payload); bad == nil && s.Cause != nil {
					told = append(told, s.Cause.Message)
				}
			}
		}
		return err
	}))
	if len(told) != 1 || told[0] != v.Answer {
		t.Errorf("the sender is told %q", told)
	}
	if kept, err := r.Item(t.Context(), "tech", 1); err != nil || string(kept.Body) != message {
		t.Errorf("%v: %s", err, kept.Body)
	}
}
