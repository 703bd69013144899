package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/problem"
)

//go:embed static
var staticFiles embed.FS

const (
	staticPath = "/static/"
	builtPath  = "/built/"
	// versionBytes of a file's SHA-256 stand in its address: enough to tell two
	// builds apart, short enough to read in a log.
	versionBytes = 6
)

// types are those of the files we serve: what the machine's own table says
// differs from place to place.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".mjs":   "text/javascript; charset=utf-8",
	".json":  "application/json",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

type asset struct {
	body    []byte
	mime    string
	version string
	gzipped func() []byte // nil for what is compressed already
}

var assets = func() map[string]asset {
	dir, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // embedded
	}
	return load(dir)
}()

// load reads the files at the root of dir that have a type we serve. It panics
// on what cannot be read: both trees are part of the program.
func load(dir fs.FS) map[string]asset {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		panic(fmt.Errorf("web: %w", err))
	}
	all := map[string]asset{}
	for _, e := range entries {
		mime, ok := types[path.Ext(e.Name())]
		if !ok {
			continue
		}
		body, err := fs.ReadFile(dir, e.Name())
		if err != nil {
			panic(fmt.Errorf("web: %w", err))
		}
		sum := sha256.Sum256(body)
		a := asset{body: body, mime: mime, version: hex.EncodeToString(sum[:versionBytes])}
		if mime != types[".woff2"] {
			a.gzipped = sync.OnceValue(func() []byte { return compress(body) })
		}
		all[e.Name()] = a
	}
	return all
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(err) // the level exists
	}
	_, _ = w.Write(body) // into memory
	_ = w.Close()
	return out.Bytes()
}

// assetURL is the address of a file of static/ under which it never changes. It panics
// on a name that does not exist.
func assetURL(name string) string {
	a, ok := assets[name]
	if !ok {
		panic("web: no file " + name)
	}
	return staticPath + name + "?v=" + a.version
}

// AssetURL is the same for pages with a frame of their own.
func AssetURL(name string) string { return assetURL(name) }

// BuiltURL is the address of a file of the browser build (fonts, map), "" if the
// program was built without it: the page then does without.
func BuiltURL(ctx context.Context, name string) string {
	a, ok := scopeOf(ctx).built[name]
	if !ok {
		return ""
	}
	return builtPath + name + "?v=" + a.version
}

// fonts are the addresses of the two files every page needs first.
func fonts(ctx context.Context) []string {
	var urls []string
	for _, name := range []string{"next-latin.woff2", "next-latin-ext.woff2"} {
		if u := BuiltURL(ctx, name); u != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

func serveFiles(files map[string]asset) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		a, ok := files[r.PathValue("name")]
		if !ok {
			return problem.New("web.static", problem.NotFound, "", nil)
		}
		body, tag, h := a.body, a.version, w.Header()
		h.Set("Content-Type", a.mime)
		if a.gzipped != nil {
			h.Set("Vary", "Accept-Encoding")
			if takesGzip(r) {
				h.Set("Content-Encoding", "gzip")
				body, tag = a.gzipped(), a.version+"-gzip"
			}
		}
		h.Set("ETag", fmt.Sprintf("%q", tag))
		if r.URL.Query().Get("v") == a.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			h.Set("Cache-Control", "public, no-cache")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
		return nil
	}
}

// takesGzip reads Accept-Encoding as far as browsers use it: a refusal with q=0
// is honoured, weights are not compared.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.ReplaceAll(weight, " ", "") != "q=0"
		}
	}
	return false
}
