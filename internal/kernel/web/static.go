package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"time"

	"trojmezi/internal/kernel/problem"
)

//go:embed static
var staticFiles embed.FS

const staticPath = "/static/"

type asset struct {
	body    []byte
	mime    string
	version string
}

var assets = func() map[string]asset {
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // embedded
	}
	all := map[string]asset{}
	for _, e := range entries {
		body, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err) // embedded
		}
		sum := sha256.Sum256(body)
		all[e.Name()] = asset{body: body, mime: mime.TypeByExtension(path.Ext(e.Name())), version: hex.EncodeToString(sum[:6])}
	}
	return all
}()

// assetURL is the address of a file under which it never changes.
func assetURL(name string) string {
	a, ok := assets[name]
	if !ok {
		panic("web: no file " + name)
	}
	return staticPath + name + "?v=" + a.version
}

func serveStatic(w http.ResponseWriter, r *http.Request) error {
	a, ok := assets[r.PathValue("name")]
	if !ok {
		return problem.New("web.static", problem.NotFound, "", nil)
	}
	h := w.Header()
	h.Set("Content-Type", a.mime)
	h.Set("ETag", fmt.Sprintf("%q", a.version))
	if r.URL.Query().Get("v") == a.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "public, no-cache")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
	return nil
}
