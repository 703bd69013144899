package notice

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Addresses of what everybody may read. Exercises have one of their own: whoever reads
// the one of reality never meets them.
const (
	feedPath  = "/cap/feed.atom"
	drillPath = "/cap/exercise/feed.atom"
)

// mostFed bounds a feed.
const mostFed = 100

func publicPath(kind store.Kind, notice string, revision int) string {
	path := messagePath(notice, revision)
	if kind != store.Live {
		path = strings.Replace(path, "/cap/", "/cap/exercise/", 1)
	}
	return path
}

// atom is a feed (spec: RFC 4287).
type atom struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Author  string   `xml:"author>name"`
	Link    link     `xml:"link"`
	Entries []entry  `xml:"entry"`
}

type link struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type entry struct {
	ID      string `xml:"id"`
	Title   string `xml:"title"`
	Updated string `xml:"updated"`
	Author  string `xml:"author>name"`
	Summary string `xml:"summary"`
	Link    link   `xml:"link"`
}

// feed is what holds now of one kind, the newest first.
func (p *Pages) feed(kind store.Kind) web.Handler {
	path := map[store.Kind]string{store.Live: feedPath, store.Exercise: drillPath}[kind]
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx := r.Context()
		var all []*Publication
		names := map[string]string{}
		err := p.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
			all, err = current(tx, kind, p.o.Clock.Now().Add(-archiveAfter), mostFed)
			for _, x := range all {
				names[x.Organisation] = p.placeIn(tx, x.Organisation)
			}
			return err
		})
		if err != nil {
			return problem.Wrap("notice.feed", err)
		}
		f := atom{ID: "urn:trojmezi:notices:" + p.o.Key.Fingerprint() + ":" + string(kind), Title: t(ctx, "notice.feed."+string(kind)), Author: "Trojmezi",
			Updated: time.Unix(0, 0).UTC().Format(time.RFC3339), Link: link{"self", "application/atom+xml", p.o.Base + path}}
		for i, x := range all {
			if i == 0 {
				f.Updated = x.Sent.Format(time.RFC3339)
			}
			f.Entries = append(f.Entries, entry{ID: x.Identifier, Title: x.Titles[web.Lang(ctx)], Updated: x.Sent.Format(time.RFC3339), Author: names[x.Organisation],
				Summary: titles(x.Titles), Link: link{"alternate", "application/cap+xml", p.o.Base + publicPath(kind, x.Notice, x.Revision)}})
		}
		body, err := xml.MarshalIndent(f, "", " ")
		if err != nil {
			return problem.Wrap("notice.feed", err)
		}
		return send(w, r, xml.Header+string(body)+"\n", "application/atom+xml; charset=utf-8")
	}
}

// titles are the headlines in all languages.
func titles(of map[i18n.Lang]string) string {
	var all []string
	for _, l := range i18n.Langs {
		all = append(all, of[l])
	}
	return strings.Join(all, " · ")
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
