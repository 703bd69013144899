package warning

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"trojmezi/internal/kernel/web"
)

const (
	// beat is how often a page hears that its server lives; live.js says so when three
	// are missing.
	beat = 2 * time.Second
	// redraw is how often what changes by time alone is drawn.
	redraw = 15 * time.Second
	// writeTime is how long a page may take to read what it is sent.
	writeTime = 10 * time.Second
	// askSession is how often it is asked whether the session has ended.
	askSession = 10 * time.Second
)

// Stop ends all streams, for a server that shuts down; pages connect again.
func (p *Pages) Stop() { p.end() }

// parts are the regions of the list that change by themselves, as they stand now.
func (p *Pages) parts(ctx context.Context, r *http.Request) (all []part, err error) {
	o, err := p.overview(r)
	if err != nil {
		return nil, err
	}
	o.shorten()
	for _, x := range []part{{id: "warning-feeds", c: p.feedsRegion(o)}, {id: "warning-list", c: p.listRegion(o)}, {id: "warning-sources", c: p.sourcesRegion(o)}} {
		var out bytes.Buffer
		if err := x.c.Render(ctx, &out); err != nil {
			return nil, fmt.Errorf("warning: part %s: %w", x.id, err)
		}
		x.html = out.String()
		all = append(all, x)
	}
	return all, nil
}

// stream is the server's side of live.js: what of the list is another than before, and
// the beat.
func (p *Pages) stream(w http.ResponseWriter, r *http.Request) error {
	ctx, who := r.Context(), web.Who(r.Context())
	draw := web.Region(ctx, web.Lang(ctx))
	watch := p.o.DB.Watch(Topic)
	defer watch.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that collects would silence the beat
	out := http.NewResponseController(w)
	// The server's limits are for pages.
	if err := out.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("warning.stream: %w", err)
	}
	w.WriteHeader(http.StatusOK)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	var b bytes.Buffer
	shown := map[string]string{}
	drawn, asked, changed := time.Time{}, time.Now(), true
	for {
		if changed || time.Since(drawn) >= redraw {
			all, err := p.parts(draw, r)
			if err != nil {
				if ctx.Err() == nil {
					p.o.Log.Error("warning: stream", "error", err)
				}
				return nil // the page says that it hears nothing, and asks anew
			}
			for _, x := range all {
				if shown[x.id] == x.html {
					continue
				}
				shown[x.id] = x.html
				data, err := json.Marshal(map[string]string{"id": x.id, "html": x.html})
				if err != nil {
					return nil
				}
				fmt.Fprintf(&b, "event: region\ndata: %s\n\n", data)
			}
			drawn, changed = time.Now(), false
		}
		b.WriteString("event: beat\ndata: " + strconv.FormatInt(p.o.Clock.Now().UnixMilli(), 10) + "\n\n")
		if err := out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return nil
		}
		if err := out.Flush(); err != nil {
			return nil
		}
		b.Reset()
		select {
		case <-ctx.Done():
			return nil
		case <-p.ended.Done():
			return nil
		case <-watch.C():
			changed = true
		case <-tick.C:
		}
		if time.Since(asked) >= askSession && p.Alive != nil {
			if asked = time.Now(); !p.Alive(ctx, who) {
				return nil
			}
		}
	}
}
