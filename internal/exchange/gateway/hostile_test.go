package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/kernel/clock"
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
