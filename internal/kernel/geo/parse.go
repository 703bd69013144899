package geo

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"trojmezi/internal/kernel/problem"
)

// MaxInput is the longest text Parse looks at, in bytes: three notations of one
// place written after one another fit, a pasted message does not.
const MaxInput = 200

// home is where the platform's people are. A reading inside of it is likelier
// than one on another continent; with letters in the text it has no influence.
var home = box{50, 52.2, 13.5, 17}

// europe is where the people they talk about are.
var europe = box{45, 60, 5, 26}

type box struct{ south, north, west, east float64 }

func (b box) contains(p Point) bool {
	return p.Lat >= b.south && p.Lat <= b.north && p.Lon >= b.west && p.Lon <= b.east
}

func invalid(key string) error { return problem.New("geo.Parse", problem.Invalid, key, nil) }

// Parse reads what a person wrote or said about a place. It returns every
// reading that makes sense, the likeliest first; more than one means that the
// person must choose. The error is a *problem.Error of kind Invalid whose key
// says what is wrong: "geo.error.empty", "geo.error.too_long",
// "geo.error.unknown" (no coordinate and no road: may be a name),
// "geo.error.latitude", "geo.error.longitude", "geo.error.minutes",
// "geo.error.seconds", "geo.error.one_number", "geo.error.zone",
// "geo.error.square", "geo.error.outside" (numbers of a plane grid, but not of
// one known here).
func Parse(s string) ([]Candidate, error) {
	if len(s) > MaxInput {
		return nil, invalid("geo.error.too_long")
	}
	if !utf8.ValidString(s) {
		return nil, invalid("geo.error.unknown")
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, invalid("geo.error.empty")
	}
	if c, ok := parseRoad(s); ok {
		// "E 14" begins like a European road; with a second number beside it
		// that makes a coordinate it is none.
		if all, err := parseNumbers(fold(s)); err == nil {
			return all, nil
		}
		return []Candidate{c}, nil
	}
	text := fold(s)
	if all, err, ok := parseMGRS(text); ok {
		return all, err
	}
	return parseNumbers(text)
}

// fold takes away what people write differently: diacritics, case, and the many
// signs for degrees, minutes, seconds, minus and spaces.
func fold(s string) string {
	s = strings.NewReplacer("\u0142", "l", "\u0141", "l", "\u2032", "'", "\u2019", "'", "\u2018", "'", "\u00b4", "'", "`", "'",
		"\u2033", `"`, "\u201d", `"`, "\u201c", `"`, "\u201e", `"`, "\u00ba", "\u00b0", "\u02da", "\u00b0",
		"\u2212", "-", "\u2013", "-", "\u00a0", " ", "\u202f", " ", "\u2009", " ").Replace(s)
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return strings.ReplaceAll(b.String(), "''", `"`)
}

// --- MGRS

var mgrsText = regexp.MustCompile(`^(?:(?:mgrs|utmref|utm ref)[ :.]*)?(?:([0-9]{1,2}) ?([c-hj-np-x]) ?)?([a-hj-np-z])[ ]?([a-hj-np-v]) ?([0-9]{1,10})(?: ([0-9]{1,5}))?$`)

// parseMGRS reports with ok whether the text looks like MGRS at all.
func parseMGRS(s string) (all []Candidate, err error, ok bool) {
	m := mgrsText.FindStringSubmatch(s)
	if m == nil {
		return nil, nil, false
	}
	digits := m[5] + m[6]
	if m[6] != "" && len(m[5]) != len(m[6]) || len(digits)%2 != 0 || len(digits) > 10 {
		return nil, invalid("geo.error.square"), len(m[1]) > 0 || len(digits) > 2
	}
	k := len(digits) / 2
	size := math.Pow10(5 - k)
	e, _ := strconv.ParseFloat(digits[:k], 64) // digits only
	n, _ := strconv.ParseFloat(digits[k:], 64)
	e, n = e*size, n*size
	square := strings.ToUpper(m[3] + m[4])
	reading := func(zone int, band byte, note string) {
		if p, ok := mgrsPoint(zone, band, square, e, n, size); ok {
			all = append(all, Candidate{Notation: MGRS, Point: p, Accuracy: max(size/2, 0.5), Note: note})
		}
	}
	if m[1] != "" {
		zone, _ := strconv.Atoi(m[1])
		if zone < 1 || zone > 60 {
			return nil, invalid("geo.error.zone"), true
		}
		reading(zone, strings.ToUpper(m[2])[0], "")
	} else {
		if len(digits) < 4 {
			return nil, nil, false // "S 35" and the like: too little to be a square
		}
		for zone := 32; zone <= 34; zone++ {
			for _, band := range []byte("TU") {
				reading(zone, band, "geo.note.square")
			}
		}
		all = likeliest(all)
		if len(all) > 0 && home.contains(all[0].Point) { // squares of a short form are those of the region
			all = slices.DeleteFunc(all, func(c Candidate) bool { return !home.contains(c.Point) })
		}
	}
	if len(all) == 0 {
		return nil, invalid("geo.error.square"), true
	}
	return all, nil, true
}

// likeliest sorts readings: those at home first, then those in Europe.
func likeliest(all []Candidate) []Candidate {
	rank := func(c Candidate) int {
		switch {
		case home.contains(c.Point):
			return 0
		case europe.contains(c.Point):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b Candidate) int { return rank(a) - rank(b) })
	return all
}

// --- numbers

// token kinds: a number, its unit, a direction or an axis.
type token struct {
	kind byte // '0' number; 'd', 'm', 's' unit; 'N', 'S', 'E', 'W' direction; 'A', 'O' latitude, longitude; 'X', 'Y' axis; ',' separator
	num  number
}

type number struct {
	value    float64
	decimals int
	negative bool
	groups   int // digits written in groups of three: how many, 0 for none
	text     string
}

// words are what stands between the numbers, in four languages, without
// diacritics. The first that fits wins, so long ones come first.
var words = []struct {
	re   *regexp.Regexp
	kind byte
}{
	{start(`(?:severni(?:ho)? |sev\. ?)(?:zem(?:episn\w*|\.) )?s(?:irk\w*|\.)`), 'N'},
	{start(`(?:jizni(?:ho)? |jiz\. ?)(?:zem(?:episn\w*|\.) )?s(?:irk\w*|\.)`), 'S'},
	{start(`(?:vychodni(?:ho)? |vych\. ?)(?:zem(?:episn\w*|\.) )?d(?:elk\w*|\.)`), 'E'},
	{start(`(?:zapadni(?:ho)? |zap\. ?)(?:zem(?:episn\w*|\.) )?d(?:elk\w*|\.)`), 'W'},
	{start(`s\. ?s\.?|ss\b|severne\b|sever\b`), 'N'},
	{start(`j\. ?s\.?|js\b|jizne\b|jih\b`), 'S'},
	{start(`v\. ?d\.?|vd\b|vychodne\b|vychod\b`), 'E'},
	{start(`z\. ?d\.?|zd\b|zapadne\b|zapad\b`), 'W'},
	{start(`(?:n\. ?|nordl(?:iche[rn]?|\.) ?)(?:geogr\w*\.? )?br(?:eite|\.)?|nord(?:en)?\b`), 'N'},
	{start(`(?:s\. ?|sudl(?:iche[rn]?|\.) ?)(?:geogr\w*\.? )?br(?:eite|\.)?|sud(?:en)?\b`), 'S'},
	{start(`(?:o\. ?|ostl(?:iche[rn]?|\.) ?)(?:geogr\w*\.? )?l(?:ange|\.)?|ost(?:en)?\b`), 'E'},
	{start(`(?:w\. ?|westl(?:iche[rn]?|\.) ?)(?:geogr\w*\.? )?l(?:ange|\.)?|west(?:en)?\b`), 'W'},
	{start(`sz(?:er(?:okosc\w*|\.))? ?(?:geogr\w*\.? )?(?:polnocn\w*|poln\.|pln\.|pn\.)|polnoc\w*\b|poln\.|pn\.`), 'N'},
	{start(`sz(?:er(?:okosc\w*|\.))? ?(?:geogr\w*\.? )?(?:poludniow\w*|poludn\.|pld\.|pd\.)|poludni\w*\b|poludn\.|pld\.|pd\.`), 'S'},
	{start(`d(?:l(?:ugosc\w*|\.))? ?(?:geogr\w*\.? )?(?:wschodni\w*|wsch\.?)|wschod\w*\b|wsch\.?`), 'E'},
	{start(`d(?:l(?:ugosc\w*|\.))? ?(?:geogr\w*\.? )?(?:zachodni\w*|zach\.?)|zachod\w*\b|zach\.?`), 'W'},
	{start(`north(?:ing)?\b`), 'N'}, {start(`south(?:ing)?\b`), 'S'}, {start(`east(?:ing)?\b`), 'E'}, {start(`west(?:ing)?\b`), 'W'},
	{start(`(?:zem(?:episn\w*|\.) )?sirk\w*|(?:geogr\w*\.? )?breite(?:ngrad)?|szerokosc(?: geogr\w*\.?)?|lat(?:itude)?\b`), 'A'},
	{start(`(?:zem(?:episn\w*|\.) )?delk\w*|(?:geogr\w*\.? )?lange(?:ngrad)?|dlugosc(?: geogr\w*\.?)?|(?:lon(?:g(?:itude)?)?|lng)\b`), 'O'},
	{start(`stupn\w*|stop(?:ni\w*|ien)|grad\b|deg(?:rees?)?\b|st\.|\x{b0}`), 'd'},
	{start(`minut\w*|min\b|'`), 'm'},
	{start(`sekund\w*|sec(?:onds?)?\b|sek\b|vterin\w*|"`), 's'},
	{start(`[xr]\b|rechts(?:wert)?\b`), 'X'}, {start(`[yh]\b|hoch(?:wert)?\b`), 'Y'},
	{start(`a\b|und\b|and\b|i\b|[,;/|&\x{b7}]`), ','},
	{start(`[():=.]|souradnice|koordinaten?|wspolrzedne|coordinates?|gps|wgs ?-?84|epsg ?:? ?4326|zone?\b|pasmo|strefa|bei\b|na\b|u\b`), ' '},
}

func start(re string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + re + `)`) }

// single letters of direction; which ones are meant the whole text decides.
var letterRE = regexp.MustCompile(`^[nsewojvz](?:[^\pL]|$)`)

var (
	groupedRE = regexp.MustCompile(`^([+-]?)([0-9]{1,3}(?: [0-9]{3})+)(?:[.,]([0-9]+))?`)
	numberRE  = regexp.MustCompile(`^([+-]?) ?([0-9]{1,12})(?:[.,]([0-9]{1,12}))?`)
	systemRE  = regexp.MustCompile(`s ?-? ?jtsk|k[ro]+vak\w*(?: east north)?|epsg ?:? ?(?:5514|5513|102067|2180|32[67][0-9]{2})|(?:pl|puwg) ?-? ?1992\b|puwg\b|^1992\b|cs ?92|\butm\b`)
)

// system is the grid a text names: its notation, for UTM the zone when it is an
// EPSG code; "" when none is named.
func system(s string) (n Notation, zone int, south bool, rest string) {
	m := systemRE.FindStringIndex(s)
	if m == nil {
		return "", 0, false, s
	}
	name := strings.ReplaceAll(s[m[0]:m[1]], " ", "")
	rest = strings.TrimSpace(s[:m[0]] + " " + s[m[1]:])
	switch {
	case strings.HasSuffix(name, "5513"):
		return KrovakOld, 0, false, rest
	case strings.Contains(name, "jtsk"), strings.Contains(name, "vak"), strings.HasSuffix(name, "5514"), strings.HasSuffix(name, "102067"):
		return Krovak, 0, false, rest
	case strings.Contains(name, "utm"):
		return UTM, 0, false, rest
	case strings.Contains(name, "epsg:32"), strings.Contains(name, "epsg32"):
		zone, _ = strconv.Atoi(name[len(name)-2:])
		return UTM, zone, name[len(name)-3] == '7', rest
	}
	return PL1992, 0, false, rest
}

// lex splits the folded text. grouped joins digits written in groups of three.
func lex(s string, grouped bool) ([]token, bool) {
	var all []token
	czech := strings.IndexFunc(s, func(r rune) bool { return r == 'v' || r == 'j' || r == 'z' }) >= 0
next:
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		if grouped {
			if m := groupedRE.FindStringSubmatch(s); m != nil {
				digits := strings.ReplaceAll(m[2], " ", "")
				if len(digits) > 15 {
					return nil, false
				}
				v, _ := strconv.ParseFloat(digits+"."+m[3]+"0", 64) // digits only
				all = append(all, token{kind: '0', num: number{v, len(m[3]), m[1] == "-", len(strings.Fields(m[2])), m[2]}})
				s = s[len(m[0]):]
				continue
			}
		}
		if m := numberRE.FindStringSubmatch(s); m != nil {
			v, _ := strconv.ParseFloat(m[2]+"."+m[3]+"0", 64) // digits only
			all = append(all, token{kind: '0', num: number{v, len(m[3]), m[1] == "-", 0, m[0]}})
			s = s[len(m[0]):]
			continue
		}
		for _, w := range words {
			if m := w.re.FindString(s); m != "" {
				if w.kind != ' ' {
					all = append(all, token{kind: w.kind})
				}
				s = s[len(m):]
				continue next
			}
		}
		if letterRE.MatchString(s) {
			all = append(all, token{kind: direction(s[0], czech)})
			s = s[1:]
			continue
		}
		return nil, false
	}
	return all, true
}

// direction reads a single letter. Czech compasses have S for sever (north) and
// J, V, Z; S stands for north only in the company of those.
func direction(letter byte, czech bool) byte {
	switch letter {
	case 'n':
		return 'N'
	case 'e', 'o', 'v':
		return 'E'
	case 'j':
		return 'S'
	case 'w', 'z':
		return 'W'
	}
	if czech { // 's'
		return 'N'
	}
	return 'S'
}

// planeLimit tells numbers of a plane grid from degrees.
const planeLimit = 1000

func parseNumbers(text string) ([]Candidate, error) {
	named, zone, south, rest := system(text)
	band := byte(0)
	if named == "" || named == UTM {
		if m := utmRE.FindStringSubmatch(rest); m != nil && zone == 0 {
			zone, _ = strconv.Atoi(m[1])
			if zone < 1 || zone > 60 {
				return nil, invalid("geo.error.zone")
			}
			named, rest = UTM, m[3]
			if m[2] != "" {
				band = strings.ToUpper(m[2])[0]
			}
		}
	}
	tokens, ok := lex(rest, false)
	if !ok {
		return nil, invalid("geo.error.unknown")
	}
	count, plane := 0, named != ""
	for _, t := range tokens {
		if t.kind == '0' {
			count++
			plane = plane || t.num.value >= planeLimit
		}
	}
	if count == 0 {
		return nil, invalid("geo.error.unknown")
	}
	if !plane && count > 2 && groupsOfThree(rest) {
		plane = true
	}
	if plane {
		return parsePlane(rest, named, zone, band, south)
	}
	return parseDegrees(tokens, count)
}

var (
	utmRE   = regexp.MustCompile(`^(?:zon[ey]:? |pasmo:? |strefa:? )?([0-9]{1,2}) ?([a-hj-np-z])?(?: +|[,;:] +)((?:[ex]? ?[:=]? ?)?[0-9]{3}[ 0-9].*)$`)
	threeRE = regexp.MustCompile(`(?:^|[^0-9.,])[0-9]{3} [0-9]{3}(?:[^0-9]|$)`)
)

// groupsOfThree tells digits of a plane grid written in groups from degrees:
// no degree has three digits followed by three more.
func groupsOfThree(s string) bool {
	return threeRE.MatchString(s) && !strings.ContainsAny(s, "\u00b0'\"")
}

// --- degrees

type coordinate struct {
	direction byte // N S E W, A O for an axis without a direction, 0 for nothing said
	parts     []number
	units     []byte // given units, 0 where none
}

func parseDegrees(tokens []token, count int) ([]Candidate, error) {
	if count == 1 {
		return nil, invalid("geo.error.one_number")
	}
	halves, ok := split(tokens, count)
	if !ok {
		return nil, invalid("geo.error.unknown")
	}
	var values [2]float64
	var accuracy float64
	parts := 0
	for i, h := range halves {
		v, step, err := h.degrees()
		if err != nil {
			return nil, err
		}
		values[i], accuracy, parts = v, max(accuracy, step/2*metresPerDegree), max(parts, len(h.parts))
	}
	notation := [...]Notation{Decimal, Decimal, Minutes, Seconds}[parts]
	axis := func(d byte) byte {
		switch d {
		case 'N', 'S', 'A', 'Y':
			return 'A'
		case 'E', 'W', 'O', 'X':
			return 'O'
		}
		return 0
	}
	a, b := axis(halves[0].direction), axis(halves[1].direction)
	if a == b && a != 0 {
		return nil, invalid("geo.error.unknown")
	}
	reading := func(lat, lon float64, note string) Candidate {
		return Candidate{Notation: notation, Point: Point{lat, lon}, Accuracy: max(accuracy, 0.1), Note: note}
	}
	switch {
	case a == 'A' || b == 'O':
		return one(reading(values[0], values[1], ""))
	case a == 'O' || b == 'A':
		return one(reading(values[1], values[0], ""))
	}
	straight, swapped := reading(values[0], values[1], "geo.note.order"), reading(values[1], values[0], "geo.note.swapped")
	var all []Candidate
	for _, c := range []Candidate{straight, swapped} {
		if c.Point.Valid() {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return one(straight) // says what is out of range
	}
	all = likeliest(all)
	if len(all) == 2 && europe.contains(all[0].Point) && !europe.contains(all[1].Point) {
		all = all[:1] // nobody here means a place off Somalia
	}
	return all, nil
}

// metresPerDegree is a degree of latitude, and the most a degree of longitude is.
const metresPerDegree = 111320

func one(c Candidate) ([]Candidate, error) {
	switch {
	case !(math.Abs(c.Point.Lat) <= 90):
		return nil, invalid("geo.error.latitude")
	case !(math.Abs(c.Point.Lon) <= 180):
		return nil, invalid("geo.error.longitude")
	}
	return []Candidate{c}, nil
}

// degrees adds the parts up; step is the value of one of the last digit.
func (c coordinate) degrees() (value, step float64, err error) {
	scale := 1.0
	for i, n := range c.parts {
		if i > 0 && n.value >= 60 {
			return 0, 0, invalid([...]string{"", "geo.error.minutes", "geo.error.seconds"}[i])
		}
		if i < len(c.parts)-1 && n.decimals > 0 || i > 0 && n.negative {
			return 0, 0, invalid("geo.error.unknown") // 50.5° 30' is two statements
		}
		if u := c.units[i]; u != 0 && u != "dms"[i] {
			return 0, 0, invalid("geo.error.unknown")
		}
		value += n.value / scale
		step = math.Pow10(-n.decimals) / scale
		scale *= 60
	}
	if c.parts[0].negative != (c.direction == 'S' || c.direction == 'W') {
		if c.parts[0].negative && c.direction != 0 && c.direction != 'A' && c.direction != 'O' && c.direction != 'X' && c.direction != 'Y' {
			return 0, 0, invalid("geo.error.unknown") // −50 N
		}
		value = -value
	} else if c.parts[0].negative {
		return 0, 0, invalid("geo.error.unknown") // −50 S
	}
	return value, step, nil
}

// split divides the tokens into two coordinates of one to three numbers each.
func split(tokens []token, count int) ([2]coordinate, bool) {
	var halves [2]coordinate
	isDirection := func(k byte) bool { return strings.IndexByte("NSEWAOXY", k) >= 0 }
	// Where the second coordinate begins: by the directions, by the degree
	// signs, else in the middle.
	first := slices.IndexFunc(tokens, func(t token) bool { return t.kind != ',' })
	prefix := first >= 0 && isDirection(tokens[first].kind)
	var directions, degreeNumbers, numbers []int
	for i, t := range tokens {
		switch {
		case t.kind == '0':
			numbers = append(numbers, i)
			if i+1 < len(tokens) && tokens[i+1].kind == 'd' {
				degreeNumbers = append(degreeNumbers, i)
			}
		case isDirection(t.kind):
			directions = append(directions, i)
		}
	}
	at := -1
	switch {
	case len(directions) >= 2 && prefix:
		for _, d := range directions[1:] {
			if d > numbers[0] {
				at = d
				break
			}
		}
	case len(directions) >= 1 && !prefix:
		at = directions[0] + 1
		for at < len(tokens) && isDirection(tokens[at].kind) {
			at++
		}
	case len(degreeNumbers) == 2:
		at = degreeNumbers[1]
	case count == 2 || count == 4 || count == 6:
		at = numbers[count/2]
	}
	if at <= 0 || at >= len(tokens) {
		return halves, false
	}
	for i, part := range [2][]token{tokens[:at], tokens[at:]} {
		h := &halves[i]
		for _, t := range part {
			switch {
			case t.kind == '0':
				h.parts, h.units = append(h.parts, t.num), append(h.units, 0)
			case isDirection(t.kind):
				// "latitude 50 N" names the axis and the direction
				if h.direction != 0 && !compatible(h.direction, t.kind) {
					return halves, false
				}
				if h.direction == 0 || strings.IndexByte("AOXY", h.direction) >= 0 {
					h.direction = t.kind
				}
			case t.kind == ',':
			default:
				if len(h.units) == 0 || h.units[len(h.units)-1] != 0 {
					return halves, false
				}
				h.units[len(h.units)-1] = t.kind
			}
		}
		if len(h.parts) == 0 || len(h.parts) > 3 {
			return halves, false
		}
	}
	return halves, true
}

func compatible(a, b byte) bool {
	lat := func(k byte) bool { return strings.IndexByte("NSAY", k) >= 0 }
	return lat(a) == lat(b) && (strings.IndexByte("AOXY", a) >= 0 || strings.IndexByte("AOXY", b) >= 0)
}

// --- plane grids

// axisNumber is a number of a plane grid with what was written beside it.
type axisNumber struct {
	number
	axis byte // 'E', 'N', 'S', 'W', 'X', 'Y' or 0
}

func (n axisNumber) signed() float64 {
	if n.negative {
		return -n.value
	}
	return n.value
}

// planeNumbers finds the two numbers of a plane grid.
func planeNumbers(text string) ([2]axisNumber, error) {
	var pair [2]axisNumber
	tokens, ok := lex(text, true)
	if !ok {
		return pair, invalid("geo.error.unknown")
	}
	var found []axisNumber
	axis := byte(0)
	for _, t := range tokens {
		switch {
		case t.kind == '0':
			found = append(found, axisNumber{t.num, axis})
			axis = 0
		case strings.IndexByte("NSEWXY", t.kind) >= 0:
			axis = t.kind
		case t.kind != ',' && t.kind != 'm': // m is also the metre
			return pair, invalid("geo.error.unknown")
		}
	}
	if axis != 0 && len(found) == 2 && found[0].axis == 0 { // letters behind the numbers
		found[0].axis, found[1].axis = found[1].axis, axis
	}
	if len(found) == 1 {
		switch n := found[0]; {
		case n.groups >= 4 && n.groups%2 == 0: // 690 123 970 456
			fields := strings.Fields(n.text)
			a, _ := strconv.ParseFloat(strings.Join(fields[:n.groups/2], ""), 64)
			b, _ := strconv.ParseFloat(strings.Join(fields[n.groups/2:], ""), 64)
			return [2]axisNumber{{number{value: a, negative: n.negative}, 0}, {number{value: b, negative: n.negative, decimals: n.decimals}, 0}}, nil
		case n.decimals >= 5 && n.value >= 100000 && strings.Contains(n.text, ","): // 690123,970456
			a, b, _ := strings.Cut(strings.TrimLeft(n.text, "+- "), ",")
			va, _ := strconv.ParseFloat(a, 64)
			vb, _ := strconv.ParseFloat(b, 64)
			return [2]axisNumber{{number{value: va, negative: n.negative}, 0}, {number{value: vb, negative: n.negative}, 0}}, nil
		}
		return pair, invalid("geo.error.one_number")
	}
	if len(found) != 2 {
		return pair, invalid("geo.error.unknown")
	}
	return [2]axisNumber(found), nil
}

func parsePlane(text string, named Notation, zone int, band byte, south bool) ([]Candidate, error) {
	pair, err := planeNumbers(text)
	if err != nil {
		return nil, err
	}
	step := math.Pow10(-min(pair[0].decimals, pair[1].decimals)) / 2
	a, b := pair[0].signed(), pair[1].signed()
	var all []Candidate
	add := func(n Notation, p Point, conversion float64, note string) {
		if p.Valid() {
			all = append(all, Candidate{Notation: n, Point: p, Accuracy: step + conversion, Note: note})
		}
	}
	if named == "" || named == Krovak || named == KrovakOld {
		// Southing exceeds westing everywhere in the grid, so the order and the
		// sign do not matter; a named axis changes nothing.
		if (a < 0) == (b < 0) {
			s, w := max(math.Abs(a), math.Abs(b)), min(math.Abs(a), math.Abs(b))
			if krovakReach(s, w) {
				n := KrovakOld
				if a < 0 {
					n = Krovak
				}
				add(n, besselToWGS84(krovak.inverse(s, w)), sjtskError, "")
			}
		}
	}
	if (named == "" || named == PL1992) && a > 0 && b > 0 {
		for _, r := range orders(pair) {
			if r.east >= 130000 && r.east <= 880000 && r.north >= 90000 && r.north <= 890000 {
				if p := cs92.inverse(r.east, r.north); cs92Reach(p) {
					add(PL1992, p, etrsError, r.note)
				}
			}
		}
	}
	if (named == "" || named == UTM) && a > 0 && b > 0 {
		all = append(all, utmReadings(pair, zone, band, south, step)...)
	}
	if len(all) == 0 {
		return nil, invalid("geo.error.outside")
	}
	return likeliest(all), nil
}

type order struct {
	east, north float64
	note        string
}

// orders returns the orders in which two numbers can be east and north. X and Y
// do not tell: surveyors have X to the north, maps on screens to the east.
func orders(pair [2]axisNumber) []order {
	a, b := pair[0].value, pair[1].value
	switch {
	case pair[0].axis == 'E' || pair[1].axis == 'N':
		return []order{{a, b, ""}}
	case pair[0].axis == 'N' || pair[1].axis == 'E':
		return []order{{b, a, ""}}
	}
	return []order{{a, b, "geo.note.order"}, {b, a, "geo.note.swapped"}}
}

func utmReadings(pair [2]axisNumber, zone int, band byte, south bool, step float64) []Candidate {
	var all []Candidate
	for _, r := range orders(pair) {
		if r.east < 100000 || r.east > 900000 || r.north < 0 || r.north > 10000000 || r.north < r.east && zone == 0 {
			continue
		}
		note := r.note
		if zone != 0 && note == "geo.note.order" {
			note = "" // zone, east, north is how UTM is written
		}
		zones, unsure := []int{zone}, false
		if zone == 0 {
			if r.north < 1500000 {
				continue // too small for a northing of Europe
			}
			zones, unsure = []int{33, 32, 34}, true
		}
		for _, z := range zones {
			p := utmZone(z, south).inverse(r.east, r.north)
			switch {
			case band == 0 || inBand(p.Lat, band) || band == 'N':
			case band == 'S': // no band S here: the southern half
				p = utmZone(z, true).inverse(r.east, r.north)
			case bandSouth(band) < 0 && bandSouth(band) >= -80:
				if p = utmZone(z, true).inverse(r.east, r.north); !inBand(p.Lat, band) {
					continue
				}
			default:
				continue
			}
			if unsure {
				if !europe.contains(p) {
					continue
				}
				note = "geo.note.zone"
			}
			if p.Valid() && p.Lat <= 84.5 && p.Lat >= -80.5 {
				all = append(all, Candidate{Notation: UTM, Point: p, Accuracy: step, Note: note})
			}
		}
	}
	if zone != 0 && len(all) == 2 {
		all = all[:1]
	}
	return all
}
