package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/simulator"
)

// TestForeignScript writes what the foreign systems say in their profiles and reads it
// again: right is what shall be right, and wrong what shall wait for a person.
func TestForeignScript(t *testing.T) {
	script, err := loadForeign()
	if err != nil {
		t.Fatal(err)
	}
	out := foreignOf(prepared(t, t.TempDir(), true, time.Now()))
	if len(out) != len(profiles) {
		t.Fatalf("%d systems for %d profiles", len(out), len(profiles))
	}
	known := map[string]bool{}
	for _, o := range out {
		known[o.Partner], known[o.at.place.partnerName()] = true, true
	}
	for _, c := range []struct {
		adapter, mistake string
		say              simulator.Say
	}{
		{"czizs", "", script.Across},
		{"czizs", "nowhere", script.Wrong},
		{"euemsi", "", script.Hub},
	} {
		said, err := out[c.adapter].Send(c.say, c.mistake)
		if err != nil {
			t.Fatal(err)
		}
		h := profiles[c.adapter].Hear(profiles[c.adapter].Write(said))
		if (len(h.Faults) > 0) != (c.mistake != "") || h.What != said.What || h.Kind != simulator.Event {
			t.Errorf("%+v: %v", h.Say, h.Faults)
		}
		if !known[said.To] {
			t.Errorf("%s writes to %q, which nobody is called", c.adapter, said.To)
		}
	}
}

// TestOutside hands over to a simulated system through its folder, as a person at a
// console may after the play: it answers, and ends when the demo does.
func TestOutside(t *testing.T) {
	for adapter, o := range foreignOf(prepared(t, t.TempDir(), true, time.Now())) {
		t.Run(adapter, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- o.run(ctx) }()
			from := simulator.New(profiles[adapter], "demo.somebody", o.Partner, simulator.Live, nil)
			said, err := from.Send(simulator.Say{Kind: simulator.Event, What: "Požár", Lat: 50.9, Lon: 14.9, Town: "Zittau"}, "")
			if err != nil {
				t.Fatal(err)
			}
			letter, ok := from.Letter(0)
			if !ok {
				t.Fatal("no letter")
			}
			waitFor(t, "the folder", func() bool { _, err := os.Stat(filepath.Join(o.dir, "out")); return err == nil })
			name := filepath.Join(o.dir, ".letter")
			if err := os.WriteFile(name, letter.Bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(name, filepath.Join(o.dir, "out", "letter")); err != nil {
				t.Fatal(err)
			}
			var answer simulator.Heard
			waitFor(t, "the answer", func() bool {
				files, _ := filepath.Glob(filepath.Join(o.dir, "in", "*"))
				for _, f := range files {
					raw, _ := os.ReadFile(f)
					if h := profiles[adapter].Hear(raw); h.Kind == simulator.Answer {
						answer = h
					}
				}
				return answer.Kind != ""
			})
			if !answer.Accepted || answer.About != said.ID || answer.To != "demo.somebody" || len(answer.Faults) > 0 {
				t.Errorf("%+v %v", answer.Say, answer.Faults)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHear tells a refusal, and what is not as the profile says, from what is awaited.
func TestHear(t *testing.T) {
	o := &outside{Desk: simulator.New(profiles["czizs"], "cz", "", simulator.Live, nil)}
	for _, c := range []struct {
		h  simulator.Heard
		ok bool
	}{
		{simulator.Heard{Say: simulator.Say{Kind: simulator.Receipt}}, true},
		{simulator.Heard{Say: simulator.Say{Kind: simulator.Failure, Reason: simulator.Busy}}, false},
		{simulator.Heard{Say: simulator.Say{Kind: simulator.Receipt}, Faults: []simulator.Fault{{Reason: simulator.Structure}}}, false},
	} {
		if err := o.judge(c.h, simulator.Receipt, nil); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.h, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := o.hear(ctx, simulator.Receipt, "1"); err == nil {
		t.Error("what did not come was heard")
	}
}

// TestBrowser signs in, is led on by a form, waits for words and tells a refusal.
func TestBrowser(t *testing.T) {
	reads := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("password") != "right" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"})
		http.Redirect(w, r, "/console", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /console", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("session"); err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if reads++; reads > 2 {
			fmt.Fprint(w, "<b>+420&#32;&amp; more</b>")
		}
	})
	mux.HandleFunc("POST /console/ask", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("group") == "" || r.PostFormValue("neighbour") == "" || r.PostFormValue("once") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, "/console", http.StatusSeeOther)
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	n := &node{listen: strings.TrimPrefix(s.URL, "http://")}
	if _, err := signIn(t.Context(), n, "dispatcher", "wrong"); err == nil {
		t.Error("a wrong password signs in")
	}
	b, err := signIn(t.Context(), n, "dispatcher", "right")
	if err != nil {
		t.Fatal(err)
	}
	defer b.signOut(t.Context())
	if _, err := b.until(t.Context(), "/console", "+420 & more"); err != nil || reads != 3 {
		t.Errorf("%v after %d", err, reads)
	}
	if err := b.press(t.Context(), "/console/ask", "callers", "1.2"); err != nil {
		t.Error(err)
	}
	if err := b.press(t.Context(), "/console/ask", "", "1.2"); err == nil {
		t.Error("a refusal is none")
	}
	if _, err := b.until(t.Context(), "/nowhere", "x"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := b.until(ctx, "/console", "never"); err == nil || !strings.Contains(err.Error(), "never") {
		t.Error(err)
	}
}
