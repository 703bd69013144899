package web

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/problem"
)

var statusOf = map[problem.Kind]int{
	problem.Internal:        http.StatusInternalServerError,
	problem.Invalid:         http.StatusBadRequest,
	problem.Unauthenticated: http.StatusUnauthorized,
	problem.Forbidden:       http.StatusForbidden,
	problem.NotFound:        http.StatusNotFound,
	problem.Conflict:        http.StatusConflict,
	problem.TooLarge:        http.StatusRequestEntityTooLarge,
	problem.TooMany:         http.StatusTooManyRequests,
	problem.Unavailable:     http.StatusServiceUnavailable,
}

// document is a problem document (spec: RFC 9457, §3). The type is
// about:blank, for which the member may be left out; kind and key are ours.
type document struct {
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	Kind     string `json:"kind"`
	Key      string `json:"key"`
}

// sign keeps the red diamond for what is broken on our side.
func (d document) sign() State {
	if d.Status >= 500 {
		return StateFaulty
	}
	return StateStarting
}

// answer writes a problem for a person or a program. Texts come from the key
// of the problem; without one, or for our own faults, from its kind.
func (rt *Router) answer(w http.ResponseWriter, r *http.Request, status int, p *problem.Error) {
	ctx := r.Context()
	title, key, args := "web."+p.Kind.String()+".title", p.Key, p.Args
	if key != "" && !rt.cfg.Bundle.Has(key) {
		rt.cfg.Log.WarnContext(ctx, "problem without text", "request", RequestID(ctx), "key", key)
		key = ""
	}
	if key == "" {
		key, args = "web."+p.Kind.String()+".detail", nil
	}
	doc := document{
		Title: T(ctx, title, nil), Status: status, Detail: T(ctx, key, args),
		Instance: "urn:uuid:" + RequestID(ctx), Kind: p.Kind.String(), Key: key,
	}
	if wantsHTML(r) {
		err := Render(w, r, status, problemPage(doc, RequestID(ctx)))
		if err == nil {
			return
		}
		rt.cfg.Log.ErrorContext(ctx, "problem page failed", "request", RequestID(ctx), "err", err)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		panic(err) // strings and a number
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Language", string(Lang(ctx)))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Add("Vary", "Accept, Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to be told
}

// wantsHTML tells a browser from a program: only browsers name text/html.
func wantsHTML(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		t, params, err := mime.ParseMediaType(part)
		if err == nil && (t == "text/html" || t == "application/xhtml+xml") && params["q"] != "0" {
			return true
		}
	}
	return false
}
