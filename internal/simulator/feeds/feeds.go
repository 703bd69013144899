package feeds

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Header is the one by which everything here says that it is simulated.
const Header = "Trojmezi-Simulator"

// document is what stands at an address.
type document struct {
	body []byte
	kind string // of content
	// status is that of a refusal, 0 for a document.
	status int
}

// refused is what a sender says to whom it does not serve.
func refused(status int) document {
	return document{body: []byte(`{"message":"` + http.StatusText(status) + `"}`), kind: "application/json", status: status}
}

// Clock tells the time of the scenario.
type Clock func() time.Time

// Times makes a clock that starts at a moment and runs n times as fast.
func Times(start time.Time, n float64) Clock {
	begun := time.Now()
	return func() time.Time { return start.Add(time.Duration(float64(time.Since(begun)) * n)) }
}

// Feeds answers in the place of all senders. It is safe for concurrent use.
type Feeds struct {
	scenario *Scenario
	start    time.Time
	now      Clock

	mu     sync.Mutex
	faults map[string]string // set by hand, by feed
	asked  map[string]int
}

// New returns the feeds of a scenario that begins at start.
func New(s *Scenario, start time.Time, now Clock) *Feeds {
	return &Feeds{scenario: s, start: start.UTC(), now: func() time.Time { return now().UTC() }, faults: map[string]string{}, asked: map[string]int{}}
}

// Now is the scenario's time.
func (f *Feeds) Now() time.Time { return f.now() }

// Set makes a feed ill until it is set to "".
func (f *Feeds) Set(feed, kind string) error {
	if kind != "" && !slices.Contains(Kinds(), kind) {
		return fmt.Errorf("fault %q: one of %v", kind, Kinds())
	}
	if !slices.Contains(Names(), feed) {
		return fmt.Errorf("feed %q: one of %v", feed, Names())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[feed] = kind
	return nil
}

// Asked counts the questions for the documents of a feed that were answered whole.
func (f *Feeds) Asked() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.asked)
}

// maker writes the documents of a feed. Below its prefix it gets the rest of the path.
type maker struct {
	feed, prefix string
	make         func(f *Feeds, rest string, r *http.Request) (document, bool)
}

func makers() []maker {
	list := []maker{
		{"chmi", "/data/XOCZ50_OKPR.xml", exact((*Feeds).bulletin)},
		{"chmi", "/data2/XOCZ50_OKPR.xml", exact((*Feeds).bulletin)},
		{"chmi", "/files/portal/docs/meteo/om/bulletiny/XOCZ50_OKPR.xml", exact((*Feeds).bulletin)},
		{"chmi-gauges", "/hydrology/now/metadata/meta1.json", exact((*Feeds).stationList)},
		{"chmi-gauges", "/hydrology/now/data/", (*Feeds).series},
		{"dwd", "/weather/alerts/cap/", (*Feeds).archive},
		{"nina", "/api31/", (*Feeds).nina},
		{"imgw-meteo", "/api/data/warningsmeteo", exact((*Feeds).imgwMeteo)},
		{"imgw-hydro", "/api/data/warningshydro", exact((*Feeds).imgwHydro)},
		{"imgw-gauges", "/api/data/hydro", exact((*Feeds).imgwStations)},
		{"imgw-gauges", "/station/hydro/status/", (*Feeds).imgwDetail},
		{"rso", "/komunikatyxml/", (*Feeds).rso},
		{"rso", "/komunikatycap/", (*Feeds).rsoCAP},
		{"meteoalarm", "/feeds/meteoalarm-legacy-atom-", (*Feeds).atom},
		{"meteoalarm", "/api/v1/warnings/", (*Feeds).alarmCAP},
		{"lhp", "/webservices/get_lagepegel.php", exact((*Feeds).portal)},
		{"lhp", "/webservices/get_infospegel.php", (*Feeds).portalGauge},
		{"saxony-gauges", "/arcgis/rest/services/wasser/pegelnetz/MapServer/1/query", exact((*Feeds).saxony)},
		{"pegelonline-gauges", "/webservices/rest-api/v2/stations.json", exact((*Feeds).pegelonline)},
		{"pegelonline-gauges", "/webservices/rest-api/v2/stations/", (*Feeds).pegelForecast},
	}
	return list
}

func exact(make func(*Feeds) document) func(*Feeds, string, *http.Request) (document, bool) {
	return func(f *Feeds, rest string, _ *http.Request) (document, bool) {
		if rest != "" {
			return document{}, false
		}
		return make(f), true
	}
}

// Names are the feeds that are played.
func Names() []string {
	var names []string
	for _, m := range makers() {
		if !slices.Contains(names, m.feed) {
			names = append(names, m.feed)
		}
	}
	return names
}

// Paths are where the first document of each feed is found.
func Paths() map[string]string {
	return map[string]string{
		"chmi": "/data/XOCZ50_OKPR.xml", "dwd": "/weather/alerts/cap/COMMUNEUNION_DWD_STAT/" + archiveName, "nina": "/api31/mowas/mapData.json",
		"imgw-meteo": "/api/data/warningsmeteo", "imgw-hydro": "/api/data/warningshydro", "rso": "/komunikatyxml/dolnoslaskie/wszystkie/0?_format=xml",
		"meteoalarm": "/feeds/meteoalarm-legacy-atom-czechia", "lhp": "/webservices/get_lagepegel.php", "chmi-gauges": "/hydrology/now/metadata/meta1.json",
		"imgw-gauges": "/api/data/hydro", "saxony-gauges": "/arcgis/rest/services/wasser/pegelnetz/MapServer/1/query", "pegelonline-gauges": "/webservices/rest-api/v2/stations.json",
	}
}

// ServeHTTP implements http.Handler.
func (f *Feeds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(Header, f.scenario.Status)
	for _, m := range makers() {
		rest, ok := strings.CutPrefix(r.URL.Path, m.prefix)
		if !ok {
			continue
		}
		if kind := f.fault(m.feed); kind != "" {
			f.ill(w, r, kind, func() ([]byte, bool) { d, ok := m.make(f, rest, r); return d.body, ok })
			return
		}
		d, ok := m.make(f, rest, r)
		if !ok {
			break
		}
		if d.status != 0 {
			w.Header().Set("Content-Type", d.kind)
			w.WriteHeader(d.status)
			_, _ = w.Write(d.body)
			return
		}
		f.mu.Lock()
		f.asked[m.feed]++
		f.mu.Unlock()
		sum := sha256.Sum256(d.body)
		etag := `"` + hex.EncodeToString(sum[:12]) + `"`
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", d.kind)
		_, _ = w.Write(d.body) // who left does not hear the rest
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>")
}

// fault is what a feed has now, by hand or by the scenario.
func (f *Feeds) fault(feed string) string {
	f.mu.Lock()
	kind := f.faults[feed]
	f.mu.Unlock()
	if kind != "" {
		return kind
	}
	now := f.now()
	for _, x := range f.scenario.Faults {
		if x.Feed == feed && !now.Before(at(f.start, x.From)) && now.Before(at(f.start, x.To)) {
			return x.Kind
		}
	}
	return ""
}
