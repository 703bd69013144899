package agreement

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// Service is what forces are asked for.
type Service string

// The services. A row may also be for all of them (Any), or for those of the
// integrated rescue system (IZS); a question is always for one.
const (
	EMS      Service = "ems"
	Fire     Service = "fire"
	Disaster Service = "disaster"
	Police   Service = "police"
	IZS      Service = "izs"
	Any      Service = "any"
)

// Services are those that can be asked for, in the order shown.
var Services = []Service{EMS, Fire, Disaster, Police}

// rowServices are those a row may be for.
var rowServices = append(slices.Clone(Services), IZS, Any)

// covers tells whether a row for s answers a question for q.
func (s Service) covers(q Service) bool { return s == q || s == Any || s == IZS }

// Status says how well a row is founded.
type Status string

// What is known of a row's source. Verified alone is no yes: a named person of the
// node has to have verified the row too.
const (
	Verified   Status = "verified"           // its text was seen in an official publication
	Secondary  Status = "verified-secondary" // seen in a press release or a page that cites it
	FromMemory Status = "from-memory"
	Unknown    Status = "unknown" // looked for and not found: a place to be filled in
)

// Statuses lists them from the best.
var Statuses = []Status{Verified, Secondary, FromMemory, Unknown}

// Row is one agreement as the rule reads it.
type Row struct {
	ID      string   `json:"id"`
	Parties []string `json:"parties"` // units
	Service Service  `json:"service"`
	Area    string   `json:"area"` // see Area
	// AreaNote and Note are what else is to be said, in English where shipped.
	AreaNote string `json:"area_note,omitempty"`
	// WhoAsks, WhoConsents, Route and Form are free text, or "text:" and the name of
	// a text that the node has in all languages, with a detail after a blank.
	WhoAsks     string `json:"who_may_ask,omitempty"`
	WhoConsents string `json:"who_consents,omitempty"`
	Route       string `json:"contact_route,omitempty"`
	Form        string `json:"form,omitempty"`
	// Forms are the ids of the forms of this package.
	Forms     []string `json:"forms,omitempty"`
	Paragraph string   `json:"paragraph,omitempty"`
	// ValidFrom and ValidTo are days, 2006-01-02; "" is not known and no end.
	ValidFrom string `json:"valid_from,omitempty"`
	ValidTo   string `json:"valid_to,omitempty"`
	// Fallback marks the way when no row answers: national contact points.
	Fallback bool   `json:"fallback,omitempty"`
	Source   string `json:"source,omitempty"`
	Status   Status `json:"status"`
	Note     string `json:"note,omitempty"`

	// CheckedBy is the person who verified this version, CheckedAt when, and
	// CheckedSource by what text.
	CheckedBy     string    `json:"checked_by,omitempty"`
	CheckedAt     time.Time `json:"checked_at,omitzero"`
	CheckedSource string    `json:"checked_source,omitempty"`
}

// Verified reports whether a named person of this node has verified the row: no
// other may answer yes.
func (r Row) Verified() bool { return r.Status == Verified && r.CheckedBy != "" }

// Empty reports whether the row is a place for an agreement that was not found.
func (r Row) Empty() bool { return r.Status == Unknown }

// here is the standing of a row that a person of this node verified.
const here = "here"

// Standing is the status, but that of a row verified here has a name of its own: it
// is the end of a text's key.
func (r Row) Standing() string {
	if r.Verified() {
		return here
	}
	return string(r.Status)
}

// same compares what the rows say, without who verified it.
func (r Row) same(o Row) bool {
	r.CheckedBy, r.CheckedAt, r.CheckedSource = o.CheckedBy, o.CheckedAt, o.CheckedSource
	return slices.Equal(r.record(), o.record())
}

// inForce reports whether the row holds on a day; sure is false where its first day
// is not known.
func (r Row) inForce(day string) (in, sure bool) {
	if r.ValidFrom > day || r.ValidTo != "" && r.ValidTo < day {
		return false, true
	}
	return true, r.ValidFrom != ""
}

// kind is what a part of an area rule is.
type kind string

// The kinds of area rules.
const (
	areaState    kind = "state"    // all of the parties
	areaCorridor kind = "corridor" // :metres, each side of the parties' border
	areaPlaces   kind = "places"   // :ids of places of the register and of units
	areaUnits    kind = "units"    // :ids, the same list; what people call it differs
	areaMinutes  kind = "minutes"  // :n of approach, which is not computed here
	areaFrame    kind = "frame"    // :ids of the rows that fill it; gives no right alone
	areaDuty     kind = "duty"     // what a party's forces have to see to abroad; gives no right
	areaLast     kind = "last"     // all of the parties, when no other row answers
	areaUnknown  kind = "unknown"
)

// part is one condition of an area rule: all must hold.
type part struct {
	kind   kind
	number float64
	ids    []string
}

// parseArea reads an area rule: parts joined by "&".
func parseArea(s string) (all []part, ok bool) {
	for p := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), ":")
		c := part{kind: kind(name)}
		switch c.kind {
		case areaState, areaDuty, areaLast, areaUnknown:
			ok = value == ""
		case areaCorridor, areaMinutes:
			n, err := strconv.ParseFloat(strings.TrimSuffix(value, "m"), 64)
			c.number, ok = n, err == nil && n > 0 && n < 1e6
		case areaPlaces, areaUnits, areaFrame:
			for id := range strings.SplitSeq(value, ",") {
				if id = strings.TrimSpace(id); id != "" {
					c.ids = append(c.ids, id)
				}
			}
			ok = len(c.ids) > 0
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		all = append(all, c)
	}
	return all, true
}

// has reports whether the row's area rule has a part of that kind, which then is
// all there is to be said of it.
func (r Row) has(k kind) bool {
	parts, _ := parseArea(r.Area)
	return slices.ContainsFunc(parts, func(p part) bool { return p.kind == k })
}

// fills reports whether the row is a frame that another one fills.
func (r Row) fills(id string) bool {
	parts, _ := parseArea(r.Area)
	return slices.ContainsFunc(parts, func(p part) bool { return p.kind == areaFrame && slices.Contains(p.ids, id) })
}

// Fault is what is wrong with a field of a row.
type Fault struct {
	Field, Key string
	Args       i18n.Args
}

var rowID = regexp.MustCompile(`^[A-Z][A-Z0-9-]{1,19}$`)

// maxText bounds a free text of a row, in bytes.
const maxText = 2000

// textPrefix begins the name of a text in all languages.
const textPrefix = "text:"

// textKeys are the texts that rows may name.
var textKeys = []string{
	"accords", "asked_authority", "asked_state", "border_authorities", "certificate", "contact_points", "cz_pl_forms", "district_heads", "districts",
	"ercc", "fire_centres", "foreign_authority", "guideline_contacts", "joint_centre", "mayors", "municipalities", "national", "national_point", "none_known",
	"notify_ministry", "offering_states", "other_contact_points", "other_district", "partner_room", "partner_rooms", "police", "report", "room_in_charge",
	"rooms", "same_level", "saxon_consent", "saxony_else_national", "treaty_authorities", "unknown", "voivode_bearers", "written_request",
}

// named reads the name of a text: its key and arguments; ok is false for somebody's
// own words.
func named(value string) (key string, args i18n.Args, ok bool) {
	name, detail, _ := strings.Cut(value, " ")
	name, ok = strings.CutPrefix(name, textPrefix)
	return "agreement.text." + name, i18n.Args{"detail": detail}, ok && slices.Contains(textKeys, name)
}

// Words are a text of a row in a language, or somebody's own words as they are.
func Words(texts *i18n.Bundle, l i18n.Lang, value string) string {
	if key, args, ok := named(value); ok {
		return texts.Text(l, key, args)
	}
	return value
}

// faults says what the rule could not read.
func (x *Index) faults(r Row) (all []Fault) {
	add := func(field, key, value string) {
		all = append(all, Fault{field, "agreement.fault." + key, i18n.Args{"value": value}})
	}
	if !rowID.MatchString(r.ID) {
		add("id", "id", r.ID)
	}
	if len(r.Parties) == 0 {
		add("parties", "parties", "")
	}
	for _, p := range r.Parties {
		if _, ok := x.Unit(p); !ok {
			add("parties", "unit", p)
		}
	}
	if !slices.Contains(rowServices, r.Service) {
		add("service", "service", string(r.Service))
	}
	if !slices.Contains(Statuses, r.Status) {
		add("status", "status", string(r.Status))
	}
	parts, ok := parseArea(r.Area)
	if !ok {
		add("area", "area", r.Area)
	}
	for _, p := range parts {
		if p.kind != areaPlaces && p.kind != areaUnits {
			continue
		}
		for _, id := range p.ids {
			if _, unit := x.Unit(id); !unit && !x.isPlace(id) {
				add("area", "place", id)
			}
		}
	}
	for field, day := range map[string]string{"valid_from": r.ValidFrom, "valid_to": r.ValidTo} {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			add(field, "day", day)
		}
	}
	if r.ValidFrom != "" && r.ValidTo != "" && r.ValidTo < r.ValidFrom {
		add("valid_to", "order", r.ValidTo)
	}
	for _, f := range r.Forms {
		if _, ok := x.Form(f); !ok {
			add("forms", "form", f)
		}
	}
	for i, v := range r.record() {
		if len(v) > maxText {
			add(columns[i], "long", "")
		}
	}
	slices.SortStableFunc(all, func(a, b Fault) int {
		return cmp.Compare(slices.Index(columns, a.Field), slices.Index(columns, b.Field))
	})
	return all
}

func conflict(key string, args i18n.Args) error {
	return problem.New("agreement", problem.Conflict, key, args)
}
