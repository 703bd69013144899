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
