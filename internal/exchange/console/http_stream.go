package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
)

const (
	// pulse is how often a page hears that its server lives; three missing ones are
	// shown as a lost connection. What changes by time alone is drawn as often.
	pulse = 2 * time.Second
	// restMin is the pause after a drawing: many messages within it are one change
	// to the eye, and a new one is still seen at once.
	restMin = 40 * time.Millisecond
	// restShare bounds what drawing takes of a core: a fifth, however long the queue.
	restShare = 4
	// writeTime is how long a page may take to read what it is sent. One that takes
	// longer asks anew and gets the latest state.
	writeTime = 10 * time.Second
	// askSession is how often a stream asks whether its session has ended.
	askSession = 10 * time.Second
	// rowsAtOnce is how many rows are sent one by one; above it the list is shorter.
	rowsAtOnce = 40
)

// hub sends what changes to the open pages of this instance. Every part of a page
// is drawn once for all readers of a language, and sent only when it differs.
type hub struct {
	pages *Pages
	epoch string // tells the numbers of this hub from those of one before a restart, or beside it
	stop  context.CancelFunc
	ended context.Context

	mu    sync.Mutex
	rooms map[string]*channel // by organisation
	heard map[string]bool     // by page: its sound runs; kept while it reconnects
	open  map[string]string   // by page: its registration as an open console
}

func newHub(p *Pages) *hub {
	h := &hub{pages: p, epoch: p.Clock.NewID(), rooms: map[string]*channel{}, heard: map[string]bool{}, open: map[string]string{}}
	h.ended, h.stop = context.WithCancel(context.Background())
	return h
}

// Stop ends all streams, for a server that shuts down; pages connect again.
func (p *Pages) Stop() { p.hub.stop() }

// channel is what the pages of one organisation see.
type channel struct {
	org   string
	more  chan struct{} // somebody new listens
	end   context.CancelFunc
	seq   int64
	views map[view]*drawing
	alarm event
	pages map[*listener]bool
	drawn time.Time // when that last went well
}

// view is what a page shows, as far as it is drawn differently for others.
type view struct {
	lang     i18n.Lang
	act      bool
	queue    bool
	incident string
}

// drawing is the latest state of the parts of a view.
type drawing struct {
	parts map[string]event // by id of the element
	order []string         // of the rows
	rows  map[string]event
	queue int64 // when the list changed as a whole
	frame string
}

// event is a part with the number it changed at.
type event struct {
	text string
	seq  int64
}

// listener is one open page.
type listener struct {
	view view
	ctx  context.Context // to draw for its language
	wake chan struct{}
	sent int64
}

// mark is the number of the latest change; what changes after it was called is
// sent to a page that names it.
func (h *hub) mark(org string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := int64(0)
	if c := h.rooms[org]; c != nil {
		n = c.seq
	}
	return h.id(n)
}

func (h *hub) id(n int64) string { return h.epoch + ":" + itoa(n) }

// since reads a number; 0 when it is none of this hub's.
func (h *hub) since(id string) int64 {
	epoch, n, _ := strings.Cut(id, ":")
	if epoch != h.epoch {
		return 0
	}
	seq, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// join adds a page; the first one of an organisation starts the drawing.
func (h *hub) join(org string, l *listener) *channel {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.rooms[org]
	if c == nil {
		c = &channel{org: org, more: make(chan struct{}, 1), pages: map[*listener]bool{}}
		h.rooms[org] = c
	}
	c.pages[l] = true
	if c.end == nil {
		var ctx context.Context
		ctx, c.end = context.WithCancel(h.ended)
		c.views, c.drawn = map[view]*drawing{}, time.Now()
		go h.run(ctx, c)
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
	return c
}

// stale reports whether what the pages show has not been drawn for so long that
// they must say so: three beats.
func (h *hub) stale(c *channel) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(c.drawn) > 3*pulse
}

func (h *hub) leave(c *channel, l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(c.pages, l)
	if len(c.pages) == 0 && c.end != nil {
		c.end()
		c.end = nil
	}
}

// run draws whenever something changed, until nobody listens.
func (h *hub) run(ctx context.Context, c *channel) {
	watch := h.pages.Watch(c.org)
	defer watch.Close()
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		began := time.Now()
		if err := h.draw(ctx, c); err != nil && ctx.Err() == nil {
			h.pages.Log.Error("console: drawing", "error", err)
		}
		rest := max(restMin, restShare*time.Since(began))
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
		select {
		case <-ctx.Done():
			return
		case <-watch.C():
		case <-c.more:
		case <-tick.C:
		}
	}
}

// wanted are the views of the pages that listen, each with one page's context.
func (h *hub) wanted(c *channel) map[view]context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[view]context.Context{}
	for l := range c.pages {
		out[l.view] = l.ctx
	}
	return out
}

// draw brings every view up to date and wakes the pages.
func (h *hub) draw(ctx context.Context, c *channel) error {
	views := h.wanted(c)
	if len(views) == 0 {
		return nil
	}
	v, err := h.pages.read(ctx, c.org)
	if err != nil {
		return err
	}
	alarm, err := json.Marshal(struct {
		Class Class `json:"class"`
		Count int   `json:"count"`
		Since int64 `json:"since"`
		Real  bool  `json:"real"` // something real is open or asks for a person
	}{v.strip.Sound.Class, v.waiting(), since(v.strip.Sound.Since), v.real()})
	if err != nil {
		return err
	}
	incidents := map[string]*Incident{}
	now := map[view]*fresh{}
	for w, draw := range views {
		s := *v
		s.act = w.act
		if w.incident != "" {
			i, ok := incidents[w.incident]
			if !ok {
				if i, err = h.pages.Incident(ctx, c.org, w.incident); err != nil && problem.KindOf(err) != problem.NotFound {
					if ctx.Err() != nil {
						return err
					}
					// The alarms of its page go on, and those of all others.
					h.pages.Log.Error("console: drawing an incident", "incident", w.incident, "error", err)
				}
				incidents[w.incident] = i
			}
			s.incident = i
		}
		if now[w], err = s.drawn(draw, w.queue); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	seq := c.seq + 1
	changed := put(&c.alarm, string(alarm), seq)
	for w, f := range now {
		d := c.views[w]
		if d == nil {
			d = &drawing{parts: map[string]event{}}
			c.views[w] = d
		}
		if d.take(f, seq) {
			changed = true
		}
	}
	for w := range c.views {
		if _, ok := now[w]; !ok {
			delete(c.views, w) // nobody looks at it any more
		}
	}
	if changed {
		c.seq = seq
	}
	c.drawn = time.Now()
	for l := range c.pages {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// since is the moment a sound began, for the script; 0 for silence.
func since(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return millis(t)
}

func put(e *event, text string, seq int64) bool {
	if e.text == text {
		return false
	}
	*e = event{text, seq}
	return true
}

// fresh is what was just drawn.
type fresh struct {
	parts map[string]string
	order []string
	rows  map[string]string
	frame string // the list around its rows
}

// rowsHere stands in a drawn list where its rows belong.
const rowsHere = "<!--rows-->"

// drawn draws all parts of a view.
func (v *screen) drawn(ctx context.Context, queue bool) (*fresh, error) {
	f := &fresh{parts: map[string]string{}}
	var out bytes.Buffer
	text := func(c templ.Component) (string, error) {
		out.Reset()
		err := c.Render(ctx, &out)
		return out.String(), err
	}
	parts := map[string]templ.Component{"alarms": stripRegion(v), "neighbours": footRegion(v)}
	if !queue {
		parts["consoles"] = consolesRegion(v) // the page of the shift
	}
	if queue {
		parts["queue-count"] = countRegion(v)
	}
	if v.incident != nil {
		parts["incident"], parts["actions"], parts["messages"] = incidentRegion(v), actionsRegion(v), threadRegion(v)
		parts["editors"] = editorsRegion(v)
	}
	var err error
	for id, c := range parts {
		if f.parts[id], err = text(c); err != nil {
			return nil, fmt.Errorf("console: part %s: %w", id, err)
		}
	}
	if !queue {
		return f, nil
	}
	f.rows = make(map[string]string, len(v.queue.Rows))
	for _, r := range v.queue.Rows {
		id := "row-" + r.ID
		f.order = append(f.order, id)
		if f.rows[id], err = text(queueRow(v, r)); err != nil {
			return nil, fmt.Errorf("console: row: %w", err)
		}
	}
	f.frame, err = text(queueRegion(v, templ.Raw(rowsHere), false))
	return f, err
}

// take notes what differs, and reports whether anything does.
func (d *drawing) take(f *fresh, seq int64) (changed bool) {
	for id, text := range f.parts {
		e := d.parts[id]
		if put(&e, text, seq) {
			d.parts[id], changed = e, true
		}
	}
	if f.rows == nil {
		return changed
	}
	same := len(f.order) == len(d.order) && f.frame == d.frame
	for n := 0; same && n < len(f.order); n++ {
		same = f.order[n] == d.order[n]
	}
	if !same {
		d.queue, changed = seq, true
	}
	rows := make(map[string]event, len(f.rows))
	for id, text := range f.rows {
		e := d.rows[id]
		changed = put(&e, text, seq) || changed
		rows[id] = e
	}
	d.rows, d.order, d.frame = rows, f.order, f.frame
	return changed
}

// list is the whole queue.
func (d *drawing) list() string {
	before, after, _ := strings.Cut(d.frame, rowsHere)
	var b strings.Builder
	b.WriteString(before)
	for _, id := range d.order {
		b.WriteString(d.rows[id].text)
	}
	b.WriteString(after)
	return b.String()
}

// news are the events a page has not got, in the order they are shown: what rings
// before the rest.
func (h *hub) news(c *channel, l *listener, out *bytes.Buffer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := c.views[l.view]
	if d == nil || c.seq <= l.sent {
		return nil
	}
	if c.alarm.seq > l.sent {
		fmt.Fprintf(out, "event: alarm\ndata: %s\n\n", c.alarm.text)
	}
	region := func(id, html string) error {
		data, err := json.Marshal(struct {
			ID   string `json:"id"`
			HTML string `json:"html"`
		}{id, html})
		if err == nil {
			fmt.Fprintf(out, "event: region\ndata: %s\n\n", data)
		}
		return err
	}
	for _, id := range []string{"alarms", "queue-count", "incident", "actions", "messages", "editors", "neighbours", "consoles"} {
		if e, ok := d.parts[id]; ok && e.seq > l.sent {
			if err := region(id, e.text); err != nil {
				return err
			}
		}
	}
	var rows []string
	for _, id := range d.order {
		if d.rows[id].seq > l.sent {
			rows = append(rows, id)
		}
	}
	if d.queue > l.sent || len(rows) > rowsAtOnce {
		if err := region("queue", d.list()); err != nil {
			return err
		}
		rows = nil
	}
	for _, id := range rows {
		if err := region(id, d.rows[id].text); err != nil {
			return err
		}
	}
	l.sent = c.seq
	return nil
}

// stream is the server's side of live.js.
func (p *Pages) stream(w http.ResponseWriter, r *http.Request) error {
	ctx, who := r.Context(), web.Who(r.Context())
	q := r.URL.Query()
	l := &listener{
		view: view{lang: web.Lang(ctx), act: web.Can(ctx, mayAct, web.Organisation(who.Organisation)), queue: q.Get("queue") != "", incident: q.Get("incident")},
		ctx:  web.Region(ctx, web.Lang(ctx)), wake: make(chan struct{}, 1), sent: p.hub.since(web.LastEventID(r)),
	}
	if !web.Can(ctx, mayRead, web.Organisation(who.Organisation)) {
		l.view.incident = ""
	}
	page := q.Get("page")
	if l.view.act {
		console, err := p.Connect(ctx, actor(r))
		if err != nil {
			return err
		}
		defer p.gone(ctx, page, console)
		if p.hub.opened(page, console) {
			if err := p.Armed(ctx, actor(r), console, true); err != nil {
				return err
			}
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects would silence the beat
	out := http.NewResponseController(w)
	// The server's limits are for pages.
	if err := out.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("console.stream: %w", err)
	}
	w.WriteHeader(http.StatusOK)
	c := p.hub.join(who.Organisation, l)
	defer p.hub.leave(c, l)
	p.pump(ctx, w, out, c, l, who)
	return nil
}

// pump writes until the page, its session or the server is gone.
func (p *Pages) pump(ctx context.Context, w http.ResponseWriter, out *http.ResponseController, c *channel, l *listener, who *web.Person) {
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	asked := time.Now()
	var b bytes.Buffer
	heart := func() {
		if p.hub.stale(c) {
			return // what is on the screen may be wrong, so it must not look alive
		}
		fmt.Fprintf(&b, "event: beat\nid: %s\ndata: %d\n\n", p.hub.id(l.sent), p.Clock.Now().UnixMilli())
	}
	heart()
	for {
		if b.Len() > 0 {
			if err := out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return
			}
			if _, err := w.Write(b.Bytes()); err != nil {
				return
			}
			if err := out.Flush(); err != nil {
				return
			}
			b.Reset()
		}
		select {
		case <-ctx.Done():
			return
		case <-p.hub.ended.Done():
			return
		case <-beat.C:
			if time.Since(asked) >= askSession && p.Alive != nil {
				if asked = time.Now(); !p.Alive(ctx, who) {
					return
				}
			}
			heart()
		case <-l.wake:
			before := l.sent
			if err := p.hub.news(c, l, &b); err != nil {
				p.Log.Error("console: stream", "error", err)
				return
			}
			if l.sent != before {
				heart() // carries the number of what was sent
			}
		}
	}
}

// opened remembers the registration of a page and reports whether its sound ran
// before its stream was cut.
func (h *hub) opened(page, console string) (heard bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[page] = console
	return h.heard[page]
}

// gone ends a registration.
func (p *Pages) gone(ctx context.Context, page, console string) {
	p.hub.mu.Lock()
	if p.hub.open[page] == console {
		delete(p.hub.open, page)
	}
	p.hub.mu.Unlock()
	if err := p.Disconnect(context.WithoutCancel(ctx), console); err != nil {
		p.Log.Warn("console: disconnect", "error", err)
	}
}

// heardKept bounds what is remembered of pages that have no stream.
const heardKept = 1_000

// tell notes whether a page can be heard, and returns its registration; "" when it
// has no stream (yet), or was already known.
func (h *hub) tell(page string, runs bool) (console string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, known := h.heard[page]
	if known && before == runs {
		return ""
	}
	if len(h.heard) >= heardKept {
		for p := range h.heard {
			if h.open[p] == "" {
				delete(h.heard, p)
			}
		}
	}
	h.heard[page] = runs
	return h.open[page]
}

// sound is told by sound.js whether the page can be heard, and again and again by
// console.js, since a server that starts anew knows nothing.
func (p *Pages) sound(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	runs := field(r, "state") == "running"
	if console := p.hub.tell(r.URL.Query().Get("page"), runs); console != "" {
		if err := p.Armed(r.Context(), actor(r), console, runs); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
