package link

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
)

// TestShots takes pictures of the pages, to be looked at by a person: with the
// environment variable TROJMEZI_SHOTS, the folder they go to, and chromium on the
// path. TROJMEZI_SHOTS_SIZES chooses sizes, such as "390x844 1366x768",
// TROJMEZI_SHOTS_ONLY pages by their names.
func TestShots(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SHOTS")
	if dir == "" {
		t.Skip("TROJMEZI_SHOTS names no folder for the pictures")
	}
	a, b, ab, ba := pair(t)
	a.live(ab)
	b.live(ba)
	fresh := a.begin("Wojewódzkie Centrum Jelenia Góra")
	bad := a.begin("Hoyerswerda")
	a.post("tech", bad+"/theirs", "oid", "1.2.4.9", "url", b.address, "username", "u", "password", "p", "phone", "+49 3571 123456", "fingerprint", strings.Repeat("ab", 32)).want(303)
	a.post("tech", bad+"/test").want(303)
	a.post("tech", ab+"/certificates", "fingerprint", strings.Repeat("cd", 32)).want(303)
	a.post("tech", ab+"/propose").want(303)
	b.post("tech", ba+"/secret/renew").want(200)
	b.post("leader", ba+"/change/confirm").want(303)
	a.post("tech", ab+"/change", "url", strings.Replace(b.address, "127.0.0.1", "localhost", 1), "password", "x").want(303)
	var lang i18n.Lang
	var theme, person string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Person", person)
		p := *people[person]
		p.Lang, p.Theme = lang, theme
		people["shot"] = &p
		r.Header.Set("X-Person", "shot")
		if strings.HasPrefix(r.URL.Path, ba) {
			b.rt.ServeHTTP(w, r)
			return
		}
		a.rt.ServeHTTP(w, r)
	}))
	defer server.Close()
	sizes := strings.Fields(os.Getenv("TROJMEZI_SHOTS_SIZES"))
	if len(sizes) == 0 {
		sizes = []string{"390x844", "1366x768", "1920x1080"}
	}
	for _, s := range []struct {
		name, who, path string
		lang            i18n.Lang
	}{
		{"list", "tech", "/links", "cs"}, {"live", "leader", ab, "de"}, {"new", "tech", fresh, "pl"}, {"bad", "tech", bad, "cs"},
		{"theirs", "tech", bad + "/theirs", "de"}, {"sheet", "tech", fresh + "/sheet", "pl"}, {"confirm", "leader", ab + "/confirm", "cs"},
		{"certificates", "leader", ab + "/certificates", "cs"}, {"end", "tech", bad + "/end", "en"},
		{"change-confirm", "leader", ab + "/change/confirm", "cs"}, {"change", "tech", ba + "/change", "de"}, {"two-passwords", "tech", ba, "pl"},
		{"secret-end", "tech", ba + "/secret/end", "de"},
	} {
		if only := os.Getenv("TROJMEZI_SHOTS_ONLY"); only != "" && !strings.Contains(only, s.name) {
			continue
		}
		for _, size := range sizes {
			for _, th := range []string{"light", "dark"} {
				lang, theme, person = s.lang, th, s.who
				file := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", s.name, size, th))
				profile := t.TempDir()
				cmd := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir="+profile,
					"--window-size="+strings.ReplaceAll(size, "x", ","), "--virtual-time-budget=3000", "--screenshot="+file, server.URL+s.path)
				cmd.WaitDelay = 10 * time.Second
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%.400s", file, err, out)
				}
			}
		}
	}
}
