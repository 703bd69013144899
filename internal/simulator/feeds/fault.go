package feeds

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// illness is a way in which senders are ill. body gives what would have been sent.
type illness func(w http.ResponseWriter, r *http.Request, body []byte)

const errorPage = `<!DOCTYPE html>
<html lang="en"><head><title>Service temporarily unavailable</title></head><body><h1>Maintenance</h1></body></html>`

// the illnesses by their names.
var illnesses = map[string]illness{
	"500": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, errorPage)
	},
	"busy": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Retry-After", "1800")
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	// An error page with status 200: the most dangerous, for it looks like an empty list.
	"html": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, errorPage)
	},
	"empty": func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusOK) },
	// Less than the length that was promised.
	"truncated": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	},
	// Half a document that looks whole to HTTP.
	"half": func(w http.ResponseWriter, _ *http.Request, body []byte) { _, _ = w.Write(body[:len(body)/2]) },
	// The connection ends without an answer, as from a machine that is going down.
	"stop": func(http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) },
	// One byte a second, and no end.
	"slow": func(w http.ResponseWriter, r *http.Request, _ []byte) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
		}
	},
	"loop": func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	},
	"elsewhere": func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, "https://login.invalid/", http.StatusFound)
	},
	"xxe": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		_, _ = io.WriteString(w, `<?xml version="1.0"?><!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&x;</identifier></alert>`)
	},
	"bomb": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		var b strings.Builder
		b.WriteString(`<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "ha">`)
		for i := 1; i < 30; i++ {
			n, last := strconv.Itoa(i), strconv.Itoa(i-1)
			b.WriteString(`<!ENTITY a` + n + ` "&a` + last + `;&a` + last + `;">`)
		}
		b.WriteString(`]><b>&a29;</b>`)
		_, _ = io.WriteString(w, b.String())
	},
	// Bytes of one character set that call themselves another.
	"charset": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		_, _ = w.Write(bytes.ReplaceAll(body, []byte("e"), []byte("\xec")))
	},
	"endless": func(w http.ResponseWriter, r *http.Request, _ []byte) {
		block := bytes.Repeat([]byte(" "), 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	},
}

// Kinds are the names of the faults.
func Kinds() []string {
	var names []string
	for name := range illnesses {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *Feeds) ill(w http.ResponseWriter, r *http.Request, kind string, whole func() ([]byte, bool)) {
	body, _ := whole()
	illnesses[kind](w, r, body)
}
