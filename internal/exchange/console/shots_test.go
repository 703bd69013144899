package console

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestShots takes pictures of the pages into the folder TROJMEZI_SHOTS, for people
// to look at.
func TestShots(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SHOTS")
	if dir == "" {
		t.Skip("TROJMEZI_SHOTS names no folder for pictures")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium")
	}
	a, b := newRooms(t)
	sa, sb := a.screens(), b.screens()
	rooms := map[string]*screens{"a": sa, "b": sb}

	spill := accident(room2)
	spill.Issue, spill.Type, spill.Place, spill.Street, spill.Injured, spill.Danger = "Únik nafty do Mandavy", "únik látky", "Zittau", "", nil, false
	old := a.handOver(spill)
	b.state(old, Ringing)
	b.ok(b.Accept(t.Context(), b.who("max"), b.incident(old).Handovers[0].ID, Confirm{Place: "Zittau"}, ""))
	a.state(old, Accepted)
	a.clk.Advance(5 * time.Minute)

	first := a.handOver(accident(room2))
	b.state(first, Ringing)
	a.clk.Advance(20 * time.Second)
	fire := accident(room1)
	fire.Issue, fire.Type, fire.Place, fire.Street, fire.Injured, fire.Danger = "Waldbrand, Rauch über dem Ort", "Waldbrand", "Bogatynia", "", nil, false
	fire.Lat, fire.Lon = 50.9068, 14.9567
	in, err := b.HandOver(t.Context(), b.who("max"), fire)
	b.ok(err)
	a.state(in, Ringing)
	b.tick()
	a.ok(a.Text(t.Context(), a.who("jana"), first, nil, "Přístup ze strany DE volný.", ""))
	a.clk.Advance(50 * time.Second)
	a.tick()
	b.until("the text is there", func() bool { b.sync(); return len(b.incident(first).Thread) > 1 })
	b.tick()

	practice := accident(test2)
	practice.Issue = "Zkušební předání"
	practiced := a.handOver(practice)
	h := b.incident(first).Handovers[0].ID
	out := a.incident(first).Handovers[0].ID
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for ctx.Err() == nil {
			time.Sleep(time.Second)
			a.clk.Advance(time.Second)
		}
	}()
	only := strings.Fields(os.Getenv("TROJMEZI_SHOTS_ONLY")) // names of pages and sizes; none: all
	chosen := func(names ...string) bool {
		return len(only) == 0 || !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(only, n) })
	}
	for _, shot := range []struct{ name, room, who, path string }{
		{"room", "a", "jana", "/console"},
		{"incident", "a", "jana", "/console/incidents/" + first},
		{"ringing", "a", "petr", "/console/incidents/" + in},
		{"incoming-de", "b", "max", "/console/incidents/" + first},
		{"messages", "a", "jana", "/console/incidents/" + first + "?tab=messages"},
		{"map", "a", "jana", "/console/incidents/" + first + "?tab=map"},
		{"accept", "b", "max", fmt.Sprintf("/console/incidents/%s/accept?handover=%d", first, h)},
		{"reject", "b", "max", fmt.Sprintf("/console/incidents/%s/reject?handover=%d", first, h)},
		{"telephone", "a", "jana", fmt.Sprintf("/console/incidents/%s/telephone?handover=%d", first, out)},
		{"resources", "a", "jana", "/console/incidents/" + first + "/resources"},
		{"handover", "a", "jana", "/console/handover"},
		{"handon-de", "b", "max", "/console/handover?incident=" + first},
		{"handon-test", "a", "jana", "/console/handover?incident=" + practiced},
		{"shift", "a", "jana", "/console/shift"},
		{"alarms", "a", "jana", "/console/alarms"},
		{"open", "a", "jana", "/console/open"},
		{"help-pl", "a", "petr", "/console/help"},
		{"technical-de", "b", "tom", "/console/technical"},
		{"raw-de", "b", "tom", fmt.Sprintf("/console/incidents/%s/raw/%d", first, h)},
		{"audit-de", "b", "audit", "/console/incidents/" + first},
		{"print", "a", "jana", "/console/incidents/" + first + "/print"},
	} {
		if !chosen(shot.name) {
			continue
		}
		s := rooms[shot.room]
		s.as(shot.who).page(shot.path)
		for _, size := range []struct {
			name, window string
			dark         bool
		}{{"1920", "1920,1080", false}, {"1920-dark", "1920,1080", true}, {"1366", "1366,768", false}, {"390", "390,844", false}} {
			if !chosen(size.name) {
				continue
			}
			args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=" + size.window, "--timeout=2500",
				"--user-data-dir=" + t.TempDir(), "--screenshot=" + filepath.Join(dir, shot.name+"-"+size.name+".png")}
			if size.dark {
				args = append(args, "--blink-settings=preferredColorScheme=0")
			}
			c, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			if out, err := exec.CommandContext(c, browser, append(args, s.url+"/as/"+shot.who+"?to="+shot.path)...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", shot.name, err, out)
			}
			cancel()
		}
	}
}
