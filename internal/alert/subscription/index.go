package subscription

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/register"
)

// Alert is what is matched: for whom, what and how bad.
type Alert struct {
	Areas []feed.Area
	// Hazard is a bit of Hazards, Level 1 to 4. 0 is not known: it passes every filter,
	// since nobody may miss a warning because of what its sender left out.
	Hazard uint16
	Level  uint8
}

// Want is what somebody wants to be told.
type Want struct {
	Municipalities []string // of the register; at least one
	// Point and Polygon ("lat,lon lat,lon …") are exact, where they are given: codes are
	// told by the municipalities, shapes by these.
	Point   *geo.Point
	Polygon string
	Hazards uint16 // bits; 0: all
	Level   uint8  // at least; 0: all
}

func (w *Want) takes(a *Alert) bool { return taken(w.Hazards, w.Level, a) }

func taken(hazards uint16, level uint8, a *Alert) bool {
	return (hazards == 0 || a.Hazard == 0 || hazards&a.Hazard != 0) && (a.Level == 0 || level <= a.Level)
}

// Index finds who is concerned by an alert among a million. It gives what a loop over all
// with area.Table.Concerns gives, yes and unclear alike. It is safe for concurrent use.
type Index struct {
	table *area.Table
	towns map[string]uint16
	codes codeTable

	mu    sync.Mutex
	base  *base
	delta map[int64]*Want // put since base was built; nil: gone
}

// rebuildAt is how many changes are looked through one by one: some milliseconds.
const rebuildAt = 2000

// NewIndex returns an empty one.
func NewIndex(table *area.Table, places *register.Register) *Index {
	x := &Index{table: table, towns: map[string]uint16{}, delta: map[int64]*Want{}}
	for _, p := range places.Places() {
		if p.Kind == register.Municipality {
			x.towns[p.ID] = uint16(len(x.codes.towns))
			x.codes.towns = append(x.codes.towns, p)
		}
	}
	x.base = newBase(nil, nil, x.towns)
	return x
}

// Load replaces everything but what is put meanwhile: read gives the rows.
func (x *Index) Load(read func() (numbers []int64, wants []*Want, err error)) error {
	x.mu.Lock()
	x.settle(0)
	x.mu.Unlock()
	numbers, wants, err := read()
	if err != nil {
		return err
	}
	b := newBase(numbers, wants, x.towns)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.base = b
	return nil
}

// Put enters a subscription or changes it; nil takes it out.
func (x *Index) Put(number int64, w *Want) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.delta[number] = w
}

// Len is how many there are.
func (x *Index) Len() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settle(0)
	return len(x.base.numbers)
}

// settle builds everything anew when more than most has changed.
func (x *Index) settle(most int) {
	if len(x.delta) <= most {
		return
	}
	var numbers []int64
	var wants []*Want
	for i, n := range x.base.numbers {
		if _, changed := x.delta[n]; !changed {
			numbers, wants = append(numbers, n), append(wants, x.base.wants(i))
		}
	}
	for n, w := range x.delta {
		if w != nil {
			numbers, wants = append(numbers, n), append(wants, w)
		}
	}
	x.base, x.delta = newBase(numbers, wants, x.towns), map[int64]*Want{}
}

// Match appends the numbers of all whom an alert concerns and who want it, in order.
func (x *Index) Match(a *Alert, at time.Time, list []int64) []int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settle(rebuildAt)
	m := x.newMatch(a, at)
	from := len(list)
	list = x.base.match(m, list)
	if len(x.delta) == 0 {
		return list
	}
	list = append(list[:from], slices.DeleteFunc(list[from:], func(n int64) bool { _, changed := x.delta[n]; return changed })...)
	for n, w := range x.delta {
		if w != nil && w.takes(a) && m.one(w) {
			list = append(list, n)
		}
	}
	slices.Sort(list[from:])
	return list
}

// match is one alert on its way through the index.
type match struct {
	*Alert
	x     *Index
	at    time.Time
	all   bool // for everybody
	towns []bool
	// byCode are the municipalities that codes name; shapes what is told by distance.
	byCode []bool
	shapes []*drawn
}

// drawn is the shape of one area of an alert.
type drawn struct {
	*area.Shape
	area  feed.Area
	parts []*part // its polygons one by one; nil: it has holes, and is only told as a whole
	box   box
}

func (x *Index) newMatch(a *Alert, at time.Time) *match {
	n := len(x.codes.towns)
	m := &match{Alert: a, x: x, at: at, towns: make([]bool, n), byCode: make([]bool, n), all: len(a.Areas) == 0}
	for _, ar := range a.Areas {
		shaped := len(ar.Polygons)+len(ar.Circles) > 0
		if len(ar.Codes) == 0 && !shaped {
			m.all = true
			return m
		}
		byCode := make([]bool, n)
		for _, c := range ar.Codes {
			for i, may := range x.codes.of(x.table, c, at) {
				byCode[i] = byCode[i] || may
			}
		}
		var s *drawn
		if shaped {
			s = m.draw(ar)
			m.shapes = append(m.shapes, s)
		}
		for i := range byCode {
			m.byCode[i] = m.byCode[i] || byCode[i]
			m.towns[i] = m.towns[i] || byCode[i] || s != nil && s.concerns(&x.codes.towns[i], len(ar.Codes) > 0 && !byCode[i])
		}
	}
	return m
}

// townReach is how far the land of a municipality extends from its point, as in package
// area.
const townReach = 12_000

// concerns reports whether a shape may concern somebody of whom only the municipality is
// known. elsewhere says that the area has codes and none of them is his.
func (s *drawn) concerns(p *register.Place, elsewhere bool) bool {
	if len(s.Lost) > 0 && s.MayHold(p.Point, p.PointError+townReach) {
		return true
	}
	if s.Empty() {
		return false
	}
	far := p.PointError + s.Error
	if !elsewhere {
		far += townReach
	}
	if !s.box.grown(far + s.Error + slack).meets(box{p.Point.Lat, p.Point.Lat, p.Point.Lon, p.Point.Lon}) {
		return false
	}
	return s.Contains(p.Point) || s.Edge(p.Point) <= far
}

// holds reports whether the shape concerns an exact point.
func (s *drawn) holds(p geo.Point) bool {
	return !s.Empty() && (s.Contains(p) || s.Edge(p) <= s.Error) || len(s.Lost) > 0 && s.MayHold(p, 0)
}

// one tells of one subscription by itself.
func (m *match) one(w *Want) bool {
	if m.all {
		return true
	}
	exact := w.Point != nil || w.Polygon != ""
	for _, id := range w.Municipalities {
		i, ok := m.x.towns[id]
		if ok && (m.byCode[i] || !exact && m.towns[i]) {
			return true
		}
	}
	if w.Point != nil {
		return slices.ContainsFunc(m.shapes, func(s *drawn) bool { return s.holds(*w.Point) })
	}
	return w.Polygon != "" && m.meets(w.Municipalities[0], shapeOf(w.Polygon))
}

// meets tells of a polygon as package area does.
func (m *match) meets(municipality string, own *area.Shape) bool {
	return slices.ContainsFunc(m.shapes, func(s *drawn) bool {
		bare := s.area
		bare.Codes = nil
		return m.x.table.Concerns([]feed.Area{bare}, area.Place{Municipality: municipality, Shape: own}, m.at).Verdict != area.No
	})
}

func shapeOf(polygon string) *area.Shape {
	s, _ := area.Read([]string{polygon}, nil, nil)
	return s
}

// codeTable remembers whom the codes of a day may concern.
type codeTable struct {
	towns []register.Place
	day   int64
	table string // its version: own rows may change whom a code concerns
	by    map[feed.Code][]bool
}

// mostCodes bounds the memory: all codes of the three countries are fewer.
const mostCodes = 20_000

func (c *codeTable) of(t *area.Table, code feed.Code, at time.Time) []bool {
	if day := at.Unix() / 86400; day != c.day || t.Version() != c.table || len(c.by) > mostCodes {
		c.day, c.table, c.by = day, t.Version(), map[feed.Code][]bool{}
	}
	if all, ok := c.by[code]; ok {
		return all
	}
	all := make([]bool, len(c.towns))
	asked := []feed.Area{{Codes: []feed.Code{code}}}
	for i, p := range c.towns {
		all[i] = t.Concerns(asked, area.Place{Municipality: p.ID}, at).Verdict != area.No
	}
	c.by[code] = all
	return all
}

// base is many subscriptions, in the order of their numbers.
type base struct {
	numbers []int64
	hazards []uint16
	levels  []uint8
	set     []int32 // of municipalities, an index of sets
	sets    [][]uint16
	names   [][]string // of the sets
	// plain, exact: rows by set, without and with a geometry of their own.
	plain, exact [][]int32
	points       tree
	shaped       []int32 // rows with a polygon
	polygons     []string
	shapes       []*area.Shape
	fence        *area.Fence
}

func newBase(numbers []int64, wants []*Want, towns map[string]uint16) *base {
	order := make([]int32, len(numbers))
	for i := range order {
		order[i] = int32(i)
	}
	if !slices.IsSorted(numbers) {
		slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(numbers[a], numbers[b]) })
	}
	n := len(numbers)
	b := &base{numbers: make([]int64, n), hazards: make([]uint16, n), levels: make([]uint8, n), set: make([]int32, n)}
	known := map[string]int32{}
	var name []byte
	for row, i := range order {
		w := wants[i]
		b.numbers[row], b.hazards[row], b.levels[row] = numbers[i], w.Hazards, w.Level
		name = name[:0]
		for _, id := range w.Municipalities {
			name = append(append(name, id...), 0)
		}
		s, ok := known[string(name)]
		if !ok {
			s = int32(len(b.sets))
			known[string(name)] = s
			var set []uint16
			for _, id := range w.Municipalities {
				if t, ok := towns[id]; ok {
					set = append(set, t)
				}
			}
			b.sets, b.names = append(b.sets, set), append(b.names, slices.Clone(w.Municipalities))
			b.plain, b.exact = append(b.plain, nil), append(b.exact, nil)
		}
		b.set[row] = s
		switch {
		case w.Point != nil:
			b.exact[s] = append(b.exact[s], int32(row))
			b.points.at = append(b.points.at, spot{w.Point.Lat, w.Point.Lon, int32(row)})
		case w.Polygon != "":
			b.exact[s] = append(b.exact[s], int32(row))
			b.shaped, b.polygons, b.shapes = append(b.shaped, int32(row)), append(b.polygons, w.Polygon), append(b.shapes, shapeOf(w.Polygon))
		default:
			b.plain[s] = append(b.plain[s], int32(row))
		}
	}
	b.points.build()
	b.fence = area.NewFence(b.shapes)
	return b
}

// wants is the row as it was put in.
func (b *base) wants(row int) *Want {
	w := &Want{Municipalities: b.names[b.set[row]], Hazards: b.hazards[row], Level: b.levels[row]}
	if i, ok := slices.BinarySearch(b.shaped, int32(row)); ok {
		w.Polygon = b.polygons[i]
	}
	if i, ok := b.points.find(int32(row)); ok {
		w.Point = &geo.Point{Lat: b.points.at[i].lat, Lon: b.points.at[i].lon}
	}
	return w
}

func (b *base) match(m *match, list []int64) []int64 {
	if m.all {
		for row, n := range b.numbers {
			if taken(b.hazards[row], b.levels[row], m.Alert) {
				list = append(list, n)
			}
		}
		return list
	}
	found := make([]uint64, (len(b.numbers)+63)/64)
	mark := func(rows []int32) {
		for _, r := range rows {
			found[r>>6] |= 1 << (r & 63)
		}
	}
	for s, set := range b.sets {
		code, any := false, false
		for _, t := range set {
			code, any = code || m.byCode[t], any || m.towns[t]
		}
		if code {
			mark(b.exact[s])
		}
		if any {
			mark(b.plain[s])
		}
	}
	for _, s := range m.shapes {
		b.points.inside(s, found)
		b.meeting(m, s, found)
	}
	for w, word := range found {
		for ; word != 0; word &= word - 1 {
			row := w<<6 | bits.TrailingZeros64(word)
			if taken(b.hazards[row], b.levels[row], m.Alert) {
				list = append(list, b.numbers[row])
			}
		}
	}
	return list
}

// meeting marks the polygons that a shape meets.
func (b *base) meeting(m *match, s *drawn, found []uint64) {
	if len(b.shaped) == 0 {
		return
	}
	met := make([]bool, len(b.shaped))
	if !s.Empty() {
		for _, i := range b.fence.Meets(s.Shape, nil) {
			met[i] = true
		}
	}
	for i, row := range b.shaped {
		own := b.shapes[i]
		if !met[i] && found[row>>6]&(1<<(row&63)) == 0 {
			// Surely apart: nearer than the errors is rare, and asked of package area.
			if len(s.Lost) == 0 {
				b := boxOf(own)
				if !s.box.grown(s.Error + own.Error + slack).meets(b) {
					continue
				}
				middle := geo.Point{Lat: (b.south + b.north) / 2, Lon: (b.west + b.east) / 2}
				reach := geo.Distance(middle, geo.Point{Lat: b.south, Lon: b.west})
				reach = max(reach, geo.Distance(middle, geo.Point{Lat: b.north, Lon: b.west}))
				if !s.Empty() && !s.Contains(middle) && s.Edge(middle) > reach+s.Error+2*own.Error+slack {
					continue
				}
			}
			met[i] = m.meets(b.names[b.set[row]][0], own)
		}
		if met[i] {
			found[row>>6] |= 1 << (row & 63)
		}
	}
}

// box is one in degrees.
type box struct{ south, north, west, east float64 }

var nowhere = box{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}

func (b *box) add(p geo.Point) {
	b.south, b.north, b.west, b.east = min(b.south, p.Lat), max(b.north, p.Lat), min(b.west, p.Lon), max(b.east, p.Lon)
}

func (b box) meets(o box) bool {
	return b.south <= o.north && o.south <= b.north && b.west <= o.east && o.west <= b.east
}

func (b box) grown(metres float64) box {
	lat := metres / perDegree
	lon := lat / math.Max(0.05, math.Cos(max(math.Abs(b.south), math.Abs(b.north))*math.Pi/180))
	return box{b.south - lat, b.north + lat, b.west - lon, b.east + lon}
}

func boxOf(s *area.Shape) box {
	b := nowhere
	s.Sides(func(p, _ geo.Point) { b.add(p) })
	return b
}
