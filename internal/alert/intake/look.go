package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
)

// reading is what a document says: of warnings or of gauges.
type reading struct {
	warnings *feed.Reading
	gauges   *gauge.Reading
}

// read has a document read by the feed's own package. One that fails on it is contained:
// the document is refused, and the other feeds go on.
func (s *Source) read(address string, doc []byte) (r reading, d *Diagnosis) {
	defer func() {
		if p := recover(); p != nil {
			r, d = reading{}, &Diagnosis{Key: "intake.fault.internal", Args: i18n.Args{"detail": harmless(fmt.Sprint(p))}, Address: address, Text: harmless(string(debug.Stack()))}
		}
	}()
	if title, is := page(doc); is {
		return reading{}, &Diagnosis{Key: "intake.fault.page", Args: i18n.Args{"title": title}, Address: address, Line: 1, Text: excerpt(doc, 1)}
	}
	var f *tree.Fault
	if s.Gauges {
		r.gauges, f = s.gauges(doc)
	} else {
		r.warnings, f = s.warnings(doc)
	}
	if f != nil {
		return reading{}, notUnderstood(f, address, doc)
	}
	if !s.Gauges {
		r.warnings.Rings(doc)
		r.warnings.Whole = r.warnings.Whole && !s.Partial
	}
	return r, nil
}

// issued is when the newest of what a reading says was made or measured.
func (r reading) issued() (at time.Time) {
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	if r.warnings != nil {
		later(r.warnings.Issued.At)
	}
	if r.gauges != nil {
		for i := range r.gauges.Stations {
			for _, list := range [][]gauge.Measurement{r.gauges.Stations[i].Levels, r.gauges.Stations[i].Flows} {
				if m, ok := gauge.Latest(list); ok {
					later(m.At.At)
				}
			}
		}
	}
	return at
}

// counts are how many warnings or stations, entries without a warning and entries
// without data.
func (r reading) counts() (n, quiet, noData int) {
	if r.gauges != nil {
		for i := range r.gauges.Stations {
			if len(r.gauges.Stations[i].Levels) == 0 {
				noData++
			}
		}
		return len(r.gauges.Stations), 0, noData
	}
	return len(r.warnings.Warnings), r.warnings.Quiet, r.warnings.NoData
}

// deviations are all of them, of the document and of what stands in it.
func (r reading) deviations() (all []shape.Deviation) {
	if r.warnings != nil {
		all = append(all, r.warnings.Deviations...)
		for i := range r.warnings.Warnings {
			all = append(all, r.warnings.Warnings[i].Deviations...)
		}
	}
	if r.gauges != nil {
		all = append(all, r.gauges.Deviations...)
		for i := range r.gauges.Stations {
			all = append(all, r.gauges.Stations[i].Deviations...)
		}
	}
	return all
}

// more are the deviations that were counted and not kept.
func (r reading) more() int64 {
	if r.warnings == nil {
		return 0
	}
	return int64(r.warnings.More)
}

// resource is what is remembered of an address: what was answered last.
type resource struct {
	address, etag, modified string
	digest                  string // of the last document that was understood
	refused                 string // of the last one that was not
	bad                     int64  // that one, kept
	version                 string // by which the list told that it is another
	document                int64  // the kept one that was understood
}

// look is one round through what a source consists of.
type look struct {
	src   *Source
	fetch *fetcher
	held  map[string]resource
	// keep keeps an original before it is read, and load gives one that was kept.
	keep func(context.Context, *answer) (int64, error)
	load func(context.Context, int64) ([]byte, error)
	// again also reads what was refused before: another version of the program may
	// understand it.
	again bool
	memo  map[int64]reading // of documents that were read before, by their number

	touched map[string]resource // to be remembered once the reading is taken
}

// found is what a look came to.
type found struct {
	reading
	changed  bool
	document int64
	address  string
	origins  map[string]int64 // of warnings and stations that stand in another document
	parts    int              // documents to which the first one leads
	missing  int              // of them, those that are not there
	why      *Diagnosis       // of the first that is missing
	at       time.Time
	skew     time.Duration
	seen     []answer // what was answered, for who wants to tell
	used     map[int64]bool
}

// digest names a document by its bytes.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// posted is under which a document is remembered: its address, and of one that is asked
// for by POST the body of the question too. No address has a space.
func posted(address, body string) string {
	if body == "" {
		return address
	}
	return address + " " + body
}

func unposted(name string) (address, body string) {
	address, body, _ = strings.Cut(name, " ")
	return address, body
}

// one fetches a document, keeps it when it is another than before, and reads it. Without
// news it is read again only when its reading is wanted and not at hand.
func (l *look) one(ctx context.Context, out *found, address, version string, raw bool) (r reading, body []byte, res resource, changed bool, d *Diagnosis) {
	res = l.held[address]
	res.address = address
	q := question{etag: res.etag, modified: res.modified}
	q.address, q.body = unposted(address)
	if l.again || res.document == 0 {
		q.etag, q.modified = "", ""
	}
	a, d := l.fetch.ask(ctx, l.src, q)
	if a != nil {
		out.seen = append(out.seen, answer{address: a.address, status: a.status, headers: a.headers, body: a.body, at: a.at, same: a.same, simulated: a.simulated})
	}
	if d != nil {
		return r, nil, res, false, d
	}
	out.at, out.skew = a.at, a.skew
	res.version = version
	if !a.same {
		res.etag, res.modified = a.headers["Etag"], a.headers["Last-Modified"]
		sum := digest(a.body)
		switch {
		case sum == res.digest && res.document != 0:
		case sum == res.refused && !l.again:
			r, d = l.src.read(address, a.body) // refused again, with its place
			if d != nil {
				d.Document, l.touched[address] = res.bad, res
				return reading{}, nil, res, false, d
			}
			fallthrough
		default:
			number, err := l.keep(ctx, a)
			if err != nil {
				return r, nil, res, false, &Diagnosis{Key: "intake.fault.keep", Args: i18n.Args{"detail": harmless(err.Error())}, Address: address}
			}
			if !raw {
				if r, d = l.src.read(address, a.body); d != nil {
					d.Document = number
					// Not asked for again with its ETag: the same answer has to be seen as ill.
					res.refused, res.bad, res.etag, res.modified = sum, number, "", ""
					l.touched[address] = res
					return reading{}, nil, res, false, d
				}
				l.memo[number] = r
			}
			res.digest, res.refused, res.bad, res.document = sum, "", 0, number
			l.touched[address] = res
			return r, a.body, res, true, nil
		}
	}
	l.touched[address] = res
	if raw {
		return r, nil, res, false, nil
	}
	r, d = l.recall(ctx, res)
	return r, nil, res, false, d
}

// recall is the reading of a kept document.
func (l *look) recall(ctx context.Context, res resource) (reading, *Diagnosis) {
	if r, ok := l.memo[res.document]; ok {
		return r, nil
	}
	body, err := l.load(ctx, res.document)
	if err != nil {
		return reading{}, &Diagnosis{Key: "intake.fault.keep", Args: i18n.Args{"detail": harmless(err.Error())}, Address: res.address}
	}
	r, d := l.src.read(res.address, body)
	if d == nil {
		l.memo[res.document] = r
	}
	return r, d
}

// at looks at one of the source's addresses with everything it leads to.
func (l *look) at(ctx context.Context, address string) (*found, *Diagnosis) {
	out := &found{address: address, origins: map[string]int64{}, used: map[int64]bool{}}
	main, body, res, changed, d := l.one(ctx, out, posted(address, l.src.Body), "", false)
	if d != nil {
		return out, d
	}
	out.reading, out.changed, out.document = main, changed, res.document
	out.used[res.document] = true
	// The reading is joined in a copy: what is at hand stays as the document says it.
	if main.warnings != nil {
		copied := *main.warnings
		copied.Warnings = slices.Clone(copied.Warnings)
		out.warnings = &copied
	}
	if main.gauges != nil {
		copied := *main.gauges
		copied.Stations = slices.Clone(copied.Stations)
		out.gauges = &copied
	}
	if d := l.follow(ctx, out, address, body); d != nil {
		return out, d
	}
	maps.DeleteFunc(l.memo, func(n int64, _ reading) bool { return !out.used[n] })
	return out, nil
}

// all tries the addresses of the source in their order. What is told of a source that
// nowhere answers is what the first of them did.
func (l *look) all(ctx context.Context) (*found, *Diagnosis) {
	var first *Diagnosis
	var last *found
	for _, address := range l.src.Addresses {
		out, d := l.at(ctx, address)
		if last != nil {
			out.seen = append(last.seen, out.seen...)
		}
		if d == nil {
			return out, nil
		}
		if first == nil {
			first = d
		}
		last = out
		if ctx.Err() != nil {
			break
		}
	}
	return last, first
}
