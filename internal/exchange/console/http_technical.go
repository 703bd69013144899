package console

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
)

// passage is how a message went, without what it says.
type passage struct {
	Entry        int64
	Incident     string
	App, Message string
	Incoming     bool
	Neighbour    Neighbour
	MessageID    string
	At           time.Time
	Delivered    time.Time
	Read         time.Time
	Failed       time.Time
	Withdrawn    time.Time
	Kind         store.Kind
}

// waysShown bounds the list: what is older is found from its incident.
const waysShown = 200

// ways lists messages of an organisation, the newest first; of one incident, or of
// all for "".
func (s *Service) ways(ctx context.Context, org, incident string) ([]passage, error) {
	var out []passage
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(`SELECT entry, incident, kind, app, message, incoming, other, message_id, at, delivered_at, read_at, failed_at, withdrawn_at
			FROM console_message WHERE org = $1 AND ($2 = '' OR incident = $2) ORDER BY entry DESC LIMIT $3`, org, incident, int64(waysShown))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var m passage
			var other string
			var incoming, at, delivered, read, failed, withdrawn int64
			if err := rows.Scan(&m.Entry, &m.Incident, &m.Kind, &m.App, &m.Message, &incoming, &other, &m.MessageID, &at, &delivered, &read, &failed, &withdrawn); err != nil {
				return err
			}
			m.Incoming, m.Neighbour = incoming == 1, s.neighbour(other)
			m.At, m.Delivered, m.Read, m.Failed, m.Withdrawn = moment(at), moment(delivered), moment(read), moment(failed), moment(withdrawn)
			out = append(out, m)
		}
		return rows.Err()
	})
	return out, problem.Wrap("console.ways", err)
}

// state of a message in words, with the time it holds since.
func (m passage) state() (key string, level sign.Level, at time.Time) {
	switch {
	case m.Incoming:
		return "console.p.way_state.came", sign.None, m.At
	case !m.Withdrawn.IsZero():
		return "console.p.way_state.withdrawn", sign.None, m.Withdrawn
	case !m.Failed.IsZero():
		return "console.p.way_state.failed", sign.L3, m.Failed
	case !m.Read.IsZero():
		return "console.p.way_state.read", sign.OK, m.Read
	case !m.Delivered.IsZero():
		return "console.p.way_state.delivered", sign.OK, m.Delivered
	}
	return "console.p.way_state.stored", sign.L1, m.At
}

// technical is the way of all messages, for who keeps the lines running.
func (p *Pages) technical(w http.ResponseWriter, r *http.Request) error {
	org := web.Who(r.Context()).Organisation
	rooms, err := p.Rooms(r.Context(), org)
	if err != nil {
		return err
	}
	all, err := p.ways(r.Context(), org, "")
	if err != nil {
		return err
	}
	s := p.shell(r, "console.p.nav.technical")
	s.Section = "technical"
	return web.Render(w, r, http.StatusOK, technicalPage(s, &screen{pages: p, rooms: rooms, queue: Queue{At: p.Clock.Now()}}, all))
}

// rawList is the same of one incident.
func (p *Pages) rawList(w http.ResponseWriter, r *http.Request) error {
	all, err := p.ways(r.Context(), web.Who(r.Context()).Organisation, r.PathValue("id"))
	if err != nil {
		return err
	}
	s := p.shell(r, "console.p.raw.list")
	s.Section = "technical"
	return web.Render(w, r, http.StatusOK, rawListPage(s, all))
}

// raw is an envelope as it came or left. What may name a person is blacked out
// until all of it is asked for; each reading is recorded.
func (p *Pages) raw(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	entry, err := strconv.ParseInt(r.PathValue("entry"), 10, 64)
	if err != nil {
		return problem.New("console.raw", problem.NotFound, "console.d.refuse.not_found", nil)
	}
	all, err := p.ways(ctx, web.Who(ctx).Organisation, r.PathValue("id"))
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Entry != entry {
			continue
		}
		body, err := p.Raw(ctx, actor(r), entry)
		if err != nil {
			return err
		}
		whole := r.URL.Query().Get("all") != ""
		text := pretty(body)
		if !whole {
			if text, err = p.blackened(web.Lang(ctx), body); err != nil {
				return err
			}
		}
		s := p.shell(r, "console.p.raw.title")
		s.Section, s.Kind = "technical", m.Kind
		return web.Render(w, r, http.StatusOK, rawPage(s, m, text, whole, len(body)))
	}
	return problem.New("console.raw", problem.NotFound, "console.d.refuse.not_found", nil)
}

func pretty(body []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return string(body) // other formats are shown as they are
	}
	return out.String()
}

// plain are values that name nobody: numbers of messages and incidents, addresses,
// times, and the keywords of the specification.
var plain = regexp.MustCompile(`^(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d+(?:\.\d+)+|\d{4}-\d\d-\d\dT[0-9:.+Z-]+|[a-z]+(?:_[a-z]+)+|application/[a-z+.-]+)$`)

// openMembers are those whose texts are words of the specification or of the node.
var openMembers = map[string]bool{
	"appId": true, "appVersion": true, "schemaId": true, "contentType": true, "status": true, "acknowledgementStatus": true, "category": true,
	"resourceType": true, "resourceRequestId": true, "algorithm": true, "keyId": true, "type": true, "encoding": true,
}

// blackened is a message in which every free text is replaced by its length.
func (p *Pages) blackened(l i18n.Lang, body []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return p.say(l, "console.p.raw.black", i18n.Args{"n": len(body)}), nil
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // the template does
	enc.SetIndent("", "  ")
	err := enc.Encode(p.blacken(l, "", v))
	return out.String(), err
}

func (p *Pages) blacken(l i18n.Lang, name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = p.blacken(l, k, x)
		}
		return v
	case []any:
		for n, x := range v {
			v[n] = p.blacken(l, name, x)
		}
		return v
	case json.Number:
		if name == "lat" || name == "lon" || name == "age" {
			return p.say(l, "console.p.raw.black", i18n.Args{"n": len(v)})
		}
		return v
	case string:
		if inner, ok := embedded(v); ok {
			return p.blacken(l, name, inner)
		}
		if v == "" || openMembers[name] || plain.MatchString(v) {
			return v
		}
		return p.say(l, "console.p.raw.black", i18n.Args{"n": utf8.RuneCountInString(v)})
	}
	return v
}

// embedded is the message within an envelope, which carries it as a text.
func embedded(s string) (any, bool) {
	if !strings.HasPrefix(s, "{") {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		return nil, false
	}
	return v, true
}
