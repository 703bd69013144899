package convert

import (
	"crypto/sha1" // of RFC 9562, no secret
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/format/emsi"
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

// uuidOf is an identifier as a UUID. One that is none is named within its sender's
// numbers: two senders may count alike.
func uuidOf(v, sender incident.Value) incident.Value {
	if schema.IsUUID(v.Text) {
		return derived(strings.ToLower(v.Text), &v)
	}
	name := v.Text
	if sender.Text != "" && !strings.HasPrefix(name, sender.Text+".") {
		name = sender.Text + "." + name // as EMSI writes the number of a main event
	}
	u := uuid5(name)
	return derived(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil)
}

// nobody is the address of whom no message names: the nil UUID's.
const nobody = "2.25.0"

// oidOf is an address as an object identifier: one that is none stands below the arc
// of UUIDs (spec: X.667, §7).
func oidOf(v incident.Value) incident.Value {
	text := strings.TrimSpace(v.Text)
	switch {
	case text == "":
		return derived(nobody, nil)
	case ucri.ValidOID(v.Text):
		return v
	}
	u := uuid5(text)
	return derived("2.25."+new(big.Int).SetBytes(u[:]).String(), nil)
}

// number is a value as JSON writes numbers; false if it is none or is out of bounds.
func number(v incident.Value, low, high float64) (incident.Value, bool) {
	text := strings.TrimSpace(v.Text)
	f, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || !(f >= low && f <= high) || strings.ContainsAny(text, "xXpP_") { // Go knows more spellings than people
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

// spellings of times that are met and understood, beside those of RFC 3339.
var spellings = []string{"2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z0700"}

// moment is a value as a time; false if it is none.
func moment(v incident.Value) (time.Time, bool) {
	if !v.Is() {
		return time.Time{}, false
	}
	text := strings.TrimSpace(v.Text)
	t, ok := ucri.ParseTime(text)
	for _, layout := range spellings {
		if ok {
			break
		}
		var err error
		t, err = time.Parse(layout, text)
		ok = err == nil
	}
	_, offset := t.Zone()
	year := t.UTC().Year()
	// Beyond these bounds the other formats cannot write it (spec: XML Schema Part 2, §3.2.7).
	return t, ok && year >= 1 && year < 9999 && max(offset, -offset) <= 14*60*60
}

// stamp is a value as a time of RFC 3339; false if it is none.
func stamp(v incident.Value) (incident.Value, bool) {
	t, ok := moment(v)
	if !ok {
		return v, false
	}
	text := strings.TrimSpace(v.Text)
	if _, ok := ucri.ParseTime(text); !ok {
		text = t.Format(time.RFC3339Nano)
	}
	return derived(text, &v), true
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

// scenes are the types of areas where the incident is; the others are where
// something else is: a rendezvous point, a safe route.
var scenes = map[string]bool{"": true, "GEN": true, "GEN/EVENT": true, "GEN/LOCAT": true, "GEN/INCGRD": true, "GEN/HOTZ": true}

// placed is where the incident is: at the scene as the event says it, else in one of
// its other areas, and where its tasks are only if the event says nothing at all.
func placed(i *incident.Incident) *incident.Location {
	scene, areas := []*incident.Location{&i.Location}, []*incident.Location{}
	atPoint := false
	for n := range i.Areas {
		a := &i.Areas[n]
		atPoint = atPoint || len(a.Location.Points) > 0
		if kind, _ := emsi.Known(emsi.AreaTypeList, a.Type.Text); scenes[kind] {
			scene = append(scene, &a.Location)
		} else {
			areas = append(areas, &a.Location)
		}
	}
	var tasks []*incident.Location
	for n := range i.Tasks {
		if !atPoint {
			tasks = append(tasks, &i.Tasks[n].Location)
		}
	}
	for _, all := range [][]*incident.Location{scene, areas, tasks} {
		var words *incident.Location
		for _, l := range all {
			if _, ok := pointOf(l); ok {
				return l
			}
			if words == nil && said(l) {
				words = l
			}
		}
		if words != nil {
			return words
		}
	}
	return nil
}

// said reports whether a location says in words where it is.
func said(l *incident.Location) bool {
	return len(l.Lines) > 0 || l.Name.Is() || l.Note.Is() || l.Address != (incident.Address{}) || l.Object != (incident.Place{}) || l.Superior != (incident.Place{})
}

// worldSystems are the names of WGS 84 in degrees, and of what differs from it by less
// than a metre in Europe, as letters and digits; "" is what is meant without one.
var worldSystems = map[string]bool{
	"": true, "4326": true, "EPSG4326": true, "URNOGCDEFCRSEPSG4326": true, "HTTPWWWOPENGISNETDEFCRSEPSG04326": true, "WGS84": true,
	"4258": true, "EPSG4258": true, "URNOGCDEFCRSEPSG4258": true, "ETRS89": true,
}

// World reports whether a system of coordinates is degrees of latitude and longitude.
func World(system incident.Value) bool { return worldSystems[letters(system.Text)] }

// letters are those of a text, with its digits.
func letters(text string) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' {
			return c
		}
		return -1
	}, strings.ToUpper(text))
}

// pointOf is the point of a location: its one, or the middle of several, which is
// derived. Without a point on Earth, or in another system of coordinates, it is false.
func pointOf(l *incident.Location) (incident.Point, bool) {
	if !World(l.System) {
		return incident.Point{}, false
	}
	var points []incident.Point
	var lat, lon float64
	for _, p := range l.Points {
		y, okLat := number(p.Lat, -90, 90)
		x, okLon := number(p.Lon, -180, 180)
		fy, _ := strconv.ParseFloat(y.Text, 64)
		fx, _ := strconv.ParseFloat(x.Text, 64)
		if !okLat || !okLon || fy == 0 && fx == 0 { // nobody is in the Gulf of Guinea: it was left empty
			continue
		}
		points = append(points, incident.Point{Lat: y, Lon: x})
		lat, lon = lat+fy, lon+fx
	}
	switch n := float64(len(points)); {
	case n == 0:
		return incident.Point{}, false
	case n == 1 || strings.EqualFold(strings.TrimSpace(l.Type.Text), "POINT"):
		return points[0], true
	default:
		text := func(v float64) incident.Value { return derived(strconv.FormatFloat(v, 'f', 6, 64), nil) }
		return incident.Point{Lat: text(lat / n), Lon: text(lon / n)}, true
	}
}

// remark is what one part of a message says that has no field elsewhere.
type remark struct {
	label  string
	leaves []*leaf
	names  []string // of the leaves
	kept   bool     // there is something that was kept back
}

// kept is what the result says of it.
const kept = "withheld / utajeno / zurückgehalten / zastrzeżone"

// transport are the values of an envelope of UCRI 2 that are about its way.
var transport = map[string]bool{
	"ack": true, "timeout": true, "signature": true, "payload/appId": true, "payload/appVersion": true, "payload/schemaId": true, "payload/contentType": true,
}

// syntaxAttribute are those that say how an element is to be read.
var syntaxAttribute = regexp.MustCompile("^" + tree.AttributeMark + "(xlink|xsi|xml):")

// remarks gathers what the result does not hold yet, by the part of the message it
// stands in. Empty values and pieces of syntax say nothing.
func (s *source) remarks(r *result) []remark {
	var all []remark
	at := map[string]int{}
	marked := map[string]bool{}
	for _, l := range s.leaves {
		if w := s.keepsBack(l.path); w != "" {
			if label, name := s.label(l); !marked[w] && strings.TrimSpace(l.node.Text) != "" {
				if w == l.path {
					label += " " + name
				}
				marked[w] = true
				all = append(all, remark{label: label, kept: true})
			}
			continue
		}
		if r.into[l.path] != nil || r.why[l.path] == Transport {
			continue
		}
		if !l.node.Leaf() || strings.TrimSpace(l.node.Text) == "" || l.node.Kind == tree.Null {
			r.why[l.path] = Syntax
			continue
		}
		if s.doc.Syntax == tree.XML && syntaxAttribute.MatchString(l.node.Name) {
			r.why[l.path] = Syntax
			continue
		}
		if s.fixed[l.key] != "" {
			r.why[l.path] = Syntax
			continue
		}
		if s.system == systemUCRI && transport[l.key] || s.system == systemCAP && strings.HasPrefix(l.key, capSignature) {
			r.why[l.path] = Transport
			continue
		}
		if s.before != nil {
			if strings.HasPrefix(l.key, outsideMark) {
				r.why[l.path] = Transport
				continue
			}
			if b := s.before.byKey[l.key]; b != nil && b.node.Text == l.node.Text {
				r.why[l.path] = Unchanged
				continue
			}
		}
		label, name := s.label(l)
		n, known := at[label]
		if !known {
			n = len(all)
			at[label] = n
			all = append(all, remark{label: label})
		}
		all[n].leaves, all[n].names = append(all[n].leaves, l), append(all[n].names, name)
	}
	return all
}

// label names the part of a message a value stands in, and the value in it, for
// people.
func (s *source) label(l *leaf) (part, name string) {
	key, outside := strings.CutPrefix(l.key, outsideMark)
	system := s.system
	if outside {
		system, key = systemEDXL, strings.TrimPrefix(strings.TrimPrefix(key, "/"), edxlRoot+"/")
	} else {
		key = strings.TrimPrefix(key, keyData+"/")
	}
	words := []string{strings.ToUpper(system)}
	for p := range strings.SplitSeq(key, "/") {
		n, number, _ := strings.Cut(p, ".")
		words = append(words, keyUnescape.Replace(n))
		if i, err := strconv.Atoi(number); err == nil {
			words = append(words, strconv.Itoa(i+1))
		}
	}
	last, _, _ := strings.Cut(key[strings.LastIndexByte(key, '/')+1:], ".")
	name = keyUnescape.Replace(last)
	for words[len(words)-1] != name && len(words) > 1 { // its own number
		words = words[:len(words)-1]
	}
	return strings.Join(words[:len(words)-1], " "), name
}

// text is the remark as it stands in the other message: "LABEL: NAME value; …", and
// where before says something else "LABEL: NAME that → value; …".
func (m remark) text(before *source) string {
	var b strings.Builder
	b.WriteString(m.label)
	sep := ": "
	if m.kept {
		b.WriteString(sep + kept)
	}
	for n, l := range m.leaves {
		b.WriteString(sep + m.names[n] + " ")
		if before != nil {
			if was := before.byKey[l.key]; was != nil {
				b.WriteString(inLine(was.node.Text) + " → ")
			}
		}
		b.WriteString(inLine(l.node.Text))
		sep = "; "
	}
	return b.String()
}

// gone are lines about what the sender said before and says no more.
func (s *source) gone() (lines []string) {
	if s.before == nil {
		return nil
	}
	for _, l := range s.before.leaves {
		if !s.has(l.key) && !strings.HasPrefix(l.key, outsideMark) && l.node.Leaf() && strings.TrimSpace(l.node.Text) != "" {
			label, name := s.before.label(l)
			lines = append(lines, label+": "+name+" "+inLine(l.node.Text)+" → –")
		}
	}
	return lines
}

// inLine is a value on one line: none looks like a remark of ours.
func inLine(text string) string { return lineBreaks.Replace(text) }

var lineBreaks = strings.NewReplacer("\r\n", " ⏎ ", "\n", " ⏎ ", "\r", " ⏎ ", "\u0085", " ⏎ ", "\u2028", " ⏎ ", "\u2029", " ⏎ ")

// noted says that a remark stands at a node.
func (r *result) noted(m remark, n *tree.Node) {
	for _, l := range m.leaves {
		r.into[l.path], r.why[l.path] = n, NoField
		switch {
		case r.cut(l.node.Text):
			r.why[l.path] = Partly
		case inLine(l.node.Text) != l.node.Text:
			r.why[l.path] = Rewritten
		}
	}
}
