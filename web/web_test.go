package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestBuiltAlwaysOpens(t *testing.T) {
	if _, err := fs.Stat(Built(), "README"); err != nil {
		t.Fatal(err)
	}
}

// Style sheets name files by the version the server gives them; with another
// one browsers would load each font twice.
func TestVersionsInStyleSheets(t *testing.T) {
	if _, err := fs.Stat(Built(), "fonts.css"); err != nil {
		t.Skip("web/dist was not built (make assets)")
	}
	link := regexp.MustCompile(`url\("([^"?]+)\?v=([0-9a-f]+)"\)`)
	for _, sheet := range []string{"fonts.css", "maplibre-gl.css"} {
		css, err := fs.ReadFile(Built(), sheet)
		if err != nil {
			t.Fatal(err)
		}
		links := link.FindAllStringSubmatch(string(css), -1)
		if len(links) < 4 {
			t.Errorf("%s names only %d files", sheet, len(links))
		}
		for _, l := range links {
			body, err := fs.ReadFile(Built(), l[1])
			if err != nil {
				t.Errorf("%s: %v", sheet, err)
				continue
			}
			sum := sha256.Sum256(body)
			if want := hex.EncodeToString(sum[:6]); l[2] != want {
				t.Errorf("%s: %s has version %s, want %s", sheet, l[1], l[2], want)
			}
		}
		if strings.Contains(string(css), "data:") || strings.Contains(string(css), "//fonts.") || strings.Contains(string(css), "url(\"http") {
			t.Errorf("%s asks for what our policy forbids", sheet)
		}
	}
}
