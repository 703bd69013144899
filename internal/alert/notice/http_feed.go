package notice

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// feedPath is where package outlet lists what holds.
const feedPath = "/cap/feed.atom"

// publicPath is the address of a message that everybody may read. Exercises have one of
// their own: whoever reads those of reality never meets them. The feeds that list the
// messages are package outlet's.
func publicPath(kind store.Kind, notice string, revision int) string {
	path := messagePath(notice, revision)
	if kind != store.Live {
		path = strings.Replace(path, "/cap/", "/cap/exercise/", 1)
	}
	return path
}

// message is one that went out, of one kind only.
func (p *Pages) message(kind store.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, number, _ := strings.Cut(r.PathValue("id"), ".")
		revision, err := strconv.Atoi(number)
		if err != nil {
			return problem.New("notice.message", problem.NotFound, "notice.not_found", nil)
		}
		var found *Publication
		err = p.o.DB.Read(r.Context(), func(tx *store.Tx) error {
			all, err := published(tx, id)
			for _, x := range all {
				if x.Revision == revision && x.Kind == kind {
					found = x
				}
			}
			return err
		})
		if err == nil && found == nil {
			err = problem.New("notice.message", problem.NotFound, "notice.not_found", nil)
		}
		if err != nil {
			return err
		}
		return send(w, r, string(found.Document), "application/cap+xml; charset=utf-8")
	}
}

// certificate is what the signatures are verified by.
func (p *Pages) certificate(w http.ResponseWriter, r *http.Request) error {
	if err := p.ready(r.Context()); err != nil {
		return problem.Wrap("notice.certificate", err)
	}
	return send(w, r, string(p.signer.PEM()), "application/x-pem-file")
}

// send answers with a public document that may be asked for again and again.
func send(w http.ResponseWriter, r *http.Request, body, mime string) error {
	sum := sha256.Sum256([]byte(body))
	tag := strconv.Quote(hex.EncodeToString(sum[:12]))
	h := w.Header()
	h.Set("Content-Type", mime)
	h.Set("Cache-Control", "no-cache") // ask each time: nobody reads an old warning for a new one
	h.Set("ETag", tag)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Add("Vary", "Accept-Language, Cookie")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, err := w.Write([]byte(body))
	return err
}
