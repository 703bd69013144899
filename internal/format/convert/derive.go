package convert

import (
	"crypto/sha1" // of RFC 9562, no secret
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/format/ucri/schema"
)

// names is the space of the UUIDs that stand for identifiers which are none: the
// same identifier is the same UUID at everybody who converts.
const names = "\x6c\x2b\xb5\xce\x6b\x43\x4b\x61\x9a\x0e\x2f\x0f\x6e\x0a\x9f\x5d"

// uuid5 is the UUID of a name (spec: RFC 9562, §5.5).
func uuid5(name string) (u [16]byte) {
	sum := sha1.Sum([]byte(names + name))
	copy(u[:], sum[:])
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return u
}

// derived is a value that nobody stated. from, if not nil, is the one it was worked
// out from: it counts as carried, in another form.
func derived(text string, from *incident.Value) incident.Value {
	o := &incident.Origin{By: incident.Derived}
	if from != nil && from.Is() {
		*o = *from.Origin
		if o.By = incident.Derived; text == from.Text {
			o.By = from.Origin.By
		}
	}
	return incident.Value{Text: text, Origin: o}
}

// uuidOf is an identifier as a UUID.
func uuidOf(v incident.Value) incident.Value {
	if schema.IsUUID(v.Text) {
		return derived(strings.ToLower(v.Text), &v)
	}
	u := uuid5(v.Text)
	return derived(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil)
}

// oidOf is an address as an object identifier: one that is none stands below the arc
// of UUIDs (spec: X.667, §7).
func oidOf(v incident.Value) incident.Value {
	if ucri.ValidOID(v.Text) {
		return v
	}
	u := uuid5(v.Text)
	return derived("2.25."+new(big.Int).SetBytes(u[:]).String(), nil)
}

// number is a value as JSON writes numbers; false if it is none or is out of bounds.
func number(v incident.Value, low, high float64) (incident.Value, bool) {
	text := strings.TrimSpace(v.Text)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= low && f <= high) {
		return v, false
	}
	if !json.Valid([]byte(text)) {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	return derived(text, &v), true
}

// The layouts of times: of UCRI 2 any of RFC 3339, of EMSI with an offset and
// without fractions, as the pattern of its JSON schema demands.
const emsiTime = "2006-01-02T15:04:05-07:00"

// moment is a value as a time; false if it is none.
func moment(v incident.Value) (time.Time, bool) {
	if !v.Is() {
		return time.Time{}, false
	}
	return ucri.ParseTime(strings.TrimSpace(v.Text))
}

// firstMoment is the first of some values that is a time.
func firstMoment(values ...*incident.Value) (*incident.Value, bool) {
	for _, v := range values {
		if _, ok := moment(*v); ok {
			return v, true
		}
	}
	return nil, false
}

// placed is the first location of an incident that says where something is.
func placed(i *incident.Incident) *incident.Location {
	all := []*incident.Location{&i.Location}
	for n := range i.Areas {
		all = append(all, &i.Areas[n].Location)
	}
	for n := range i.Tasks {
		all = append(all, &i.Tasks[n].Location)
	}
	var lines *incident.Location
	for _, l := range all {
		for _, p := range l.Points {
			if _, _, ok := degrees(p); ok {
				return l
			}
		}
		if lines == nil && (len(l.Lines) > 0 || l.Name.Is() || l.Address.Street.Is()) {
			lines = l
		}
	}
	return lines
}

// degrees are the coordinates of a point as numbers of JSON.
func degrees(p incident.Point) (lat, lon incident.Value, ok bool) {
	lat, okLat := number(p.Lat, -90, 90)
	lon, okLon := number(p.Lon, -180, 180)
	return lat, lon, okLat && okLon
}

// remark is what one part of a message says that has no field elsewhere.
type remark struct {
	label  string
	leaves []*leaf
}

// transport are the values of an envelope of UCRI 2 that are about its way.
var transport = map[string]bool{
	"ack": true, "timeout": true, "signature": true, "payload/appId": true, "payload/appVersion": true, "payload/schemaId": true, "payload/contentType": true,
}

// remarks gathers what the result does not hold yet, by the part of the message it
// stands in. Empty values and pieces of syntax say nothing.
func (s *source) remarks(r *result) []remark {
	var all []remark
	for _, l := range s.leaves {
		if r.into[l.path] != nil {
			continue
		}
		if !l.node.Leaf() || strings.TrimSpace(l.node.Text) == "" || l.node.Kind == tree.Null {
			r.why[l.path] = Syntax
			continue
		}
		if strings.HasPrefix(l.node.Name, tree.AttributeMark) {
			r.why[l.path] = Syntax
			continue
		}
		if s.system == systemUCRI && transport[l.key] {
			r.why[l.path] = Transport
			continue
		}
		label := s.label(l)
		if n := len(all); n == 0 || all[n-1].label != label {
			all = append(all, remark{label: label})
		}
		all[len(all)-1].leaves = append(all[len(all)-1].leaves, l)
	}
	return all
}

// label names the part of a message a value stands in, for people.
func (s *source) label(l *leaf) string {
	parts := strings.Split(strings.TrimPrefix(l.path, pathData), "/")
	parts = parts[:len(parts)-1]
	out := []string{strings.ToUpper(s.system)}
	for _, p := range parts {
		switch {
		case p == "" || strings.EqualFold(p, emsiRoot):
		case isNumber(p):
			n, _ := strconv.Atoi(p)
			out[len(out)-1] += " " + strconv.Itoa(n+1)
		default:
			out = append(out, unpoint.Replace(p))
		}
	}
	return strings.Join(out, " ")
}

var unpoint = strings.NewReplacer("~1", "/", "~0", "~")

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// text is the remark as it stands in the other message: "LABEL: NAME value; …".
func (m remark) text() string {
	var b strings.Builder
	b.WriteString(m.label)
	sep := ": "
	for _, l := range m.leaves {
		b.WriteString(sep)
		if name := l.node.Name; name != "" && name != tree.TextName {
			b.WriteString(name + " ")
		}
		b.WriteString(l.node.Text)
		sep = "; "
	}
	return b.String()
}

// noted says that a remark stands at a node.
func (r *result) noted(m remark, n *tree.Node) {
	for _, l := range m.leaves {
		r.into[l.path], r.why[l.path] = n, NoField
		if !strings.Contains(n.Text, l.node.Text) { // characters that XML cannot hold
			r.why[l.path] = Partly
		}
	}
}
