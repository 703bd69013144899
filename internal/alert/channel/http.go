package channel

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/channel/sms"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

const (
	reachPath = root + "/reach"
	smsPath   = root + "/sms"
	// shownReceipts are as many as stand on the page, filedReceipts as in the file.
	shownReceipts, filedReceipts = 50, 10_000
	// reportLimit bounds what a gateway tells in one request.
	reportLimit = 64 << 10
)

func ackPath(token string) string { return "/acknowledge/" + token }

// Pages are the screens of a service.
type Pages struct {
	*Service
	// Operator is the resource of who operates the node: the channels are one for all
	// organisations on it. nil: each organisation is its own operator.
	Operator web.Operator
}

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{Service: s} }

// Public are the patterns that strangers may use.
func Public() []string {
	return []string{"GET /acknowledge/{token}", "POST /acknowledge/{token}", "POST " + root + "/{name}/report"}
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read, act := web.May(mayRead), web.MayOn(mayAct, p.Operator.On)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.list},
		{"GET " + root + ".csv", read, p.file},
		{"GET " + reachPath, read, p.reach},
		{"GET " + reachPath + ".csv", read, p.reachFile},
		{"GET " + reachPath + ".geojson", read, p.reachMap},
		{"GET " + smsPath, read, p.measure},
		{"POST " + root + "/check", act, p.check},
		{"POST " + root + "/{name}/trial", act, p.trial},
		{"GET /acknowledge/{token}", web.Public(), p.askAck},
		{"POST /acknowledge/{token}", web.Public(), p.ack},
		{"POST " + root + "/{name}/report", web.Public(), p.report},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
	p.registerEntries(rt)
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	states, err := p.States(r.Context())
	if err != nil {
		return err
	}
	newest, err := p.Receipts(r.Context(), shownReceipts)
	if err != nil {
		return err
	}
	refused, err := p.Refusals(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.listPage(states, newest, refused))
}

// byteOrderMark makes spreadsheet programs read a file as UTF-8.
const byteOrderMark = "\ufeff"

// table sends lines as CSV (spec: RFC 4180).
func table(w http.ResponseWriter, name string, lines [][]string) error {
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	for _, line := range lines {
		for i, v := range line {
			// What others wrote must be no formula to a spreadsheet program.
			if v != "" && strings.ContainsAny(v[:1], "=+-@\t\r") {
				line[i] = "'" + v
			}
		}
	}
	if err := c.WriteAll(lines); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err := w.Write(out.Bytes())
	return err
}

func heads(ctx context.Context, keys ...string) (line []string) {
	for _, k := range keys {
		line = append(line, t(ctx, "channel.column."+k))
	}
	return line
}

func rfc(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// file is the receipts as CSV, times in UTC, without addresses.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	all, err := p.Receipts(ctx, filedReceipts)
	if err != nil {
		return err
	}
	lines := [][]string{heads(ctx, "created", "channel", "kind", "receiver", "origin", "of", "revision", "language", "title", "state", "attempts", "tried", "done", "delivered", "acknowledged", "note", "error", "deletion")}
	for _, x := range all {
		lines = append(lines, []string{rfc(x.Created), x.Channel, t(ctx, "channel.kind."+string(x.Kind)), receiverName(ctx, x), t(ctx, "channel.origin."+string(x.Reference.Origin)), x.Reference.ID, x.Reference.Revision,
			string(x.Lang), x.Title, t(ctx, "channel.state."+string(x.State)), strconv.FormatInt(x.Attempts, 10), rfc(x.Tried), rfc(x.Done), rfc(x.Delivered), rfc(x.Acked), noteText(ctx, x.Note), x.Error, rfc(x.Deletion)})
	}
	return table(w, "channels.csv", lines)
}

func receiverName(ctx context.Context, r Receipt) string {
	switch {
	case r.Receiver != "":
		return r.Receiver
	case r.Reference.Origin == Trial:
		return t(ctx, "channel.receiver.trial")
	}
	return t(ctx, "channel.receiver.public")
}

func noteText(ctx context.Context, note string) string {
	keys := noteKeys(note)
	for i, key := range keys {
		keys[i] = t(ctx, key)
	}
	return strings.Join(keys, "; ")
}

// noteKeys are the texts of what was done to a text.
func noteKeys(note string) (keys []string) {
	for n := range strings.FieldsSeq(note) {
		keys = append(keys, "channel.note."+n)
	}
	return keys
}

func (p *Pages) check(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.CheckAll(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, root, http.StatusSeeOther)
	return nil
}

func (p *Pages) trial(w http.ResponseWriter, r *http.Request) error {
	if err := p.Trial(r.Context(), web.Who(r.Context()).ID, r.PathValue("name")); err != nil {
		return err
	}
	http.Redirect(w, r, root, http.StatusSeeOther)
	return nil
}

// outline is the shape of a municipality.
type outline struct {
	id   string
	ring notice.Ring
	path string
}

// Size of the map in its own units.
const mapWidth, mapHeight = 960.0, 720.0

// drawn are the outlines of all municipalities as a map. They are approximate.
func (p *Pages) drawn() []outline {
	s := p.Service
	s.shapes.Do(func() {
		atlas := notice.NewAtlas(s.Places, s.areas)
		south, west, north, east := 90.0, 180.0, -90.0, -180.0
		for _, x := range s.Places.Places() {
			u, ok := atlas.Unit(x.ID)
			if !ok {
				continue
			}
			for _, ring := range atlas.Outline(u) {
				s.outlines = append(s.outlines, outline{id: x.ID, ring: ring})
				for _, q := range ring {
					south, north, west, east = min(south, q.Lat), max(north, q.Lat), min(west, q.Lon), max(east, q.Lon)
				}
			}
		}
		// True to scale in the middle of the region, at 51 degrees.
		const wide = 0.63
		k := min(mapWidth/((east-west)*wide), mapHeight/(north-south))
		for i := range s.outlines {
			var b strings.Builder
			for n, q := range s.outlines[i].ring {
				fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(n, 1)], mapWidth/2+(q.Lon-(west+east)/2)*wide*k, mapHeight/2-(q.Lat-(south+north)/2)*k)
			}
			s.outlines[i].path = b.String() + "Z"
		}
	})
	return s.outlines
}

func (p *Pages) reach(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Cover(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.reachPage(all))
}

func (p *Pages) reachFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	all, err := p.Cover(ctx)
	if err != nil {
		return err
	}
	lines := [][]string{heads(ctx, "place", "code", "country", "reach", "channels", "idle", "receivers", "refused")}
	for _, c := range all {
		lines = append(lines, []string{c.Place.Name, c.Place.ID, string(c.Place.Country), t(ctx, "channel.reach."+string(c.Reach)), strings.Join(c.Channels, ", "), strings.Join(c.Idle, ", "), strings.Join(c.Receivers, ", "), strings.Join(c.Refused, ", ")})
	}
	return table(w, "reach.csv", lines)
}

// reachMap is the same as a layer of a map (spec: RFC 7946).
func (p *Pages) reachMap(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Cover(r.Context())
	if err != nil {
		return err
	}
	byID := map[string]*Coverage{}
	for i := range all {
		byID[all[i].Place.ID] = &all[i]
	}
	type feature struct {
		Type       string         `json:"type"`
		ID         string         `json:"id"`
		Geometry   any            `json:"geometry"`
		Properties map[string]any `json:"properties"`
	}
	out := struct {
		Type     string    `json:"type"`
		Features []feature `json:"features"`
	}{"FeatureCollection", []feature{}}
	for _, o := range p.drawn() {
		c := byID[o.id]
		if c == nil {
			continue
		}
		var ring [][2]float64
		area := 0.0
		for i, q := range o.ring {
			ring = append(ring, [2]float64{q.Lon, q.Lat})
			if i > 0 {
				area += o.ring[i-1].Lon*q.Lat - q.Lon*o.ring[i-1].Lat
			}
		}
		if area < 0 { // spec: RFC 7946, §3.1.6
			slices.Reverse(ring)
		}
		out.Features = append(out.Features, feature{"Feature", o.id, map[string]any{"type": "Polygon", "coordinates": [][][2]float64{ring}},
			map[string]any{"name": c.Place.Name, "country": c.Place.Country, "reach": c.Reach, "channels": len(c.Channels), "idle": len(c.Idle), "approximate": true}})
	}
	w.Header().Set("Content-Type", "application/geo+json")
	return json.NewEncoder(w).Encode(out)
}

// maxMeasured bounds a text whose length is asked.
const maxMeasured = 2000

func (p *Pages) measure(w http.ResponseWriter, r *http.Request) error {
	text := strings.ReplaceAll(r.URL.Query().Get("text"), "\r\n", "\n")
	if len(text) > maxMeasured {
		return problem.New("channel.measure", problem.TooLarge, "channel.sms.too_long", i18n.Args{"n": maxMeasured})
	}
	return web.Render(w, r, http.StatusOK, measurePage(text, sms.Measure(text), sms.Transliterate(text)))
}

func (p *Pages) askAck(w http.ResponseWriter, r *http.Request) error {
	a, err := p.asked(r)
	if err != nil {
		return err
	}
	w.Header().Set("X-Robots-Tag", "noindex")
	w.Header().Set("Referrer-Policy", "no-referrer")
	return web.Render(w, r, http.StatusOK, ackPage(a, ackPath(r.PathValue("token"))))
}

func (p *Pages) asked(r *http.Request) (a acknowledgeable, err error) {
	id, err := p.letterOf(r.PathValue("token"))
	if err != nil {
		return a, err
	}
	err = p.DB.Read(r.Context(), func(tx *store.Tx) error { a, err = toAcknowledge(tx, id); return err })
	if err != nil {
		return a, problem.New("channel.ack", problem.NotFound, "channel.ack.unknown", nil)
	}
	return a, nil
}

func (p *Pages) ack(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.asked(r); err != nil {
		return err
	}
	if err := p.Acknowledge(r.Context(), r.PathValue("token")); err != nil {
		return err
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") { // a program
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(w, r, ackPath(r.PathValue("token")), http.StatusSeeOther)
	return nil
}

// report takes what a gateway says of a short message, as a form or as JSON.
func (p *Pages) report(w http.ResponseWriter, r *http.Request) error {
	const op = "channel.report"
	c := p.channel(r.PathValue("name"))
	if c == nil || c.sort != SMS || c.setup.Gateway.Report.ID == "" {
		return problem.New(op, problem.NotFound, "", nil)
	}
	want := c.setup.Gateway.Report
	secret, err := notify.Secret(p.path(want.SecretFile))
	if err != nil {
		return problem.Wrap(op, err)
	}
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if given == "" {
		given = r.URL.Query().Get("secret")
	}
	if subtle.ConstantTimeCompare([]byte(given), secret) != 1 {
		return problem.New(op, problem.Forbidden, "channel.report.secret", nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, reportLimit))
	if err != nil {
		return &problem.Error{Op: op, Kind: problem.TooLarge, Err: err}
	}
	get := func(name string) string { return at(body, name) }
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return problem.New(op, problem.Invalid, "channel.report.unread", nil)
		}
		get = form.Get
	}
	id, state := get(want.ID), get(want.State)
	if id == "" || state == "" {
		return problem.New(op, problem.Invalid, "channel.report.unread", nil)
	}
	arrived, lost := slices.Contains(want.Delivered, state), slices.Contains(want.Failed, state)
	if arrived || lost {
		if err := p.DB.Write(r.Context(), func(tx *store.Tx) error {
			known, err := reported(tx, c, id, arrived, "the gateway says: "+state, p.Clock.Now())
			if test := p.channel(c.name + testSuffix); err == nil && !known && test != nil {
				known, err = reported(tx, test, id, arrived, "the gateway says: "+state, p.Clock.Now())
			}
			if err != nil || !known {
				return err
			}
			return p.Audit.Append(tx, audit.Event{Action: "channel.report", Actor: "gateway", Object: c.name, Detail: []byte(id + " " + state)})
		}); err != nil {
			return problem.Wrap(op, err)
		}
	}
	w.WriteHeader(http.StatusNoContent) // also of what is not known: it may be told again
	return nil
}
