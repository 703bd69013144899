package replay

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Kept is a document of a sender as a node kept it.
type Kept struct {
	ID        int64
	FetchedAt time.Time
	Address   string
	Type      string // of its content
	Digest    string
}

// Recording answers in the place of the senders with what was kept of them: at each moment
// the last document that had been fetched from an address by then. What a sender did not
// answer was not kept: such a time looks like one without news.
type Recording struct {
	now  func() time.Time
	load func(ctx context.Context, id int64) ([]byte, error)
	by   map[string][]Kept // by path and query, in the order of their times
}

// NewRecording returns the answers of a list. load reads the bytes of one.
func NewRecording(list []Kept, now func() time.Time, load func(ctx context.Context, id int64) ([]byte, error)) *Recording {
	r := &Recording{now: now, load: load, by: map[string][]Kept{}}
	for _, k := range list {
		u, err := url.Parse(k.Address)
		if err != nil {
			continue // it was fetched from there: it is an address
		}
		r.by[u.RequestURI()] = append(r.by[u.RequestURI()], k)
	}
	for _, all := range r.by {
		slices.SortStableFunc(all, func(a, b Kept) int { return a.FetchedAt.Compare(b.FetchedAt) })
	}
	return r
}

// ServeHTTP implements http.Handler.
func (r *Recording) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	now, last := r.now(), -1
	all := r.by[q.URL.RequestURI()]
	for i, k := range all {
		if !k.FetchedAt.After(now) {
			last = i
		}
	}
	if last < 0 {
		http.NotFound(w, q)
		return
	}
	tag := strconv.Quote(all[last].Digest)
	w.Header().Set("Trojmezi-Simulator", "recorded") // what comes from here is never live
	w.Header().Set("ETag", tag)
	if q.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body, err := r.load(q.Context(), all[last].ID)
	if err != nil {
		http.Error(w, "not kept any more", http.StatusInternalServerError)
		return
	}
	if t := all[last].Type; t != "" {
		w.Header().Set("Content-Type", t)
	}
	_, _ = w.Write(body) // who left does not hear the rest
}
