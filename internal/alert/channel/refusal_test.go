package channel

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"trojmezi/internal/kernel/store"
)

// An address that is not there any more marks its receiver: on the page, for health and
// where nobody is reached. A text that is too large or a server that is ill does not; the
// first message that is taken ends the mark.
func TestRefusal(t *testing.T) {
	srv := smtpd(t)
	var status atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer hook.Close()
	secret := put(t, filepath.Join(t.TempDir(), "secret"), sharedSecret)
	frydlant := func(name string, target Target) Receiver {
		return Receiver{Name: name, Language: "cs", Places: []string{"CZ-564028"}, Targets: []Target{target}}
	}
	r := newRig(t, Config{
		List:      []Setup{mailSetup("mail", store.Live, srv.port), {Name: "hook", Sort: "webhook", Webhook: HTTPSetup{InsecureLoopback: true}}},
		Receivers: []Receiver{frydlant("Starosta", Target{Channel: "mail", To: "refused@visnova.example"}), frydlant("Program", Target{Channel: "hook", To: hook.URL, SecretFile: secret})},
	})
	revision := 0
	send := func(answer int) (names []string) {
		t.Helper()
		status.Store(int32(answer))
		revision++
		r.published(publication(t, revision, store.Live, "Severe"))
		r.run(r.settled)
		all, err := r.Refusals(t.Context())
		r.ok(err)
		for _, x := range all {
			if strings.Contains(x.Error, "visnova") || x.Error == "" || x.At.IsZero() {
				t.Errorf("%+v", x)
			}
			names = append(names, x.Receiver)
		}
		slices.Sort(names)
		return names
	}
	if got := send(http.StatusRequestEntityTooLarge); !slices.Equal(got, []string{"Starosta"}) {
		t.Fatalf("a text that is too large: %v", got)
	}
	if got := send(http.StatusGone); !slices.Equal(got, []string{"Program", "Starosta"}) {
		t.Fatalf("gone: %v", got)
	}
	if page := r.get("dana", root); !strings.Contains(page, "Receivers whose address refuses") || !strings.Contains(page, "410 Gone") || strings.Contains(page, "visnova.example") {
		t.Error("the page does not tell")
	}
	if page := r.get("dana", reachPath); !strings.Contains(page, "address refuses: ") {
		t.Error("who got nothing does not tell")
	}
	covered := func() (c Coverage) {
		all, err := r.Cover(t.Context())
		r.ok(err)
		for _, x := range all {
			if x.Place.ID == "CZ-564028" {
				c = x
			}
		}
		return c
	}
	if c := covered(); c.Reach != AllOld || len(c.Refused) != 2 {
		t.Errorf("%+v", c)
	}
	found, err := r.Checks()[0].Func(t.Context())
	r.ok(err)
	told := 0
	for _, f := range found {
		if f.Text.Key == "channel.check.refused" {
			told++
		}
	}
	if told != 2 || r.leaves("channel.refuse") != 2 {
		t.Errorf("%d findings, %d leaves", told, r.leaves("channel.refuse"))
	}
	if got := send(http.StatusNoContent); !slices.Equal(got, []string{"Starosta"}) {
		t.Errorf("taken: %v", got)
	}
	if c := covered(); c.Reach != Reached || !slices.Equal(c.Refused, []string{"Starosta"}) {
		t.Errorf("%+v", c)
	}
	// Who corrects the configuration has no mark of an address that nobody has any more.
	r.conf.Receivers[0].Targets[0].To = "starosta@visnova.example"
	r.open()
	if got := send(http.StatusNoContent); len(got) != 0 {
		t.Errorf("another address: %v", got)
	}
}
