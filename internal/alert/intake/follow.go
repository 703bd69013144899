package intake

import (
	"context"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/lhp"
	"trojmezi/internal/alert/feed/meteoalarm"
	"trojmezi/internal/alert/feed/nina"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
)

const (
	// stationMark stands for the number of a station in an address.
	stationMark = "{id}"
	// maxParts bounds to how many documents one leads in a round; the rest comes in the
	// next ones.
	maxParts = 400
	// giveUp is after how many failures one after another the rest is left for the next
	// round: the sender is ill.
	giveUp = 3
)

// region is the box of the border triangle with the rivers that come to it, in degrees:
// of a service with a document for each station those within are fetched.
var region = struct{ south, north, west, east float64 }{50.4, 51.7, 14.0, 16.3}

// part is a document to which the first one leads.
type part struct {
	address string // with the body of the question, as posted has it
	version string // it is another one when this is; of a polled one ""
	polled  bool   // its bytes change at one address
	raw     bool   // the feed's package does not read it as a document of its own
	absent  bool   // that it is not there is nothing to tell
	needed  bool   // without any of its kind the source says nothing
	join    func(r reading, body []byte, number int64) *Diagnosis
}

// follow fetches what a document leads to, and joins it to the reading.
func (l *look) follow(ctx context.Context, out *found, address string, body []byte) *Diagnosis {
	var parts []part
	switch l.src.Format {
	case "nina":
		parts = l.ninaParts(out, address)
	case "meteoalarm":
		if body == nil {
			body, _ = l.load(ctx, out.document)
		}
		parts = l.alarmParts(out, body)
	case "chmi-gauges":
		parts = l.stationParts(out, func(id string) string { return beside(address, "../data/"+url.PathEscape(id)+".json") })
	case "imgw-gauges":
		if l.src.Detail != "" {
			parts = l.stationParts(out, func(id string) string { return strings.ReplaceAll(l.src.Detail, stationMark, url.PathEscape(id)) })
		}
	case "pegelonline-gauges":
		parts = l.forecastParts(out, address)
	case "lhp":
		if l.src.Detail != "" {
			parts = l.portalParts(out)
		}
	case "rso":
		return l.pages(ctx, out, address)
	}
	failures, asked, got, needed := 0, 0, 0, 0
	for _, p := range parts {
		out.parts++
		if p.needed {
			needed++
		}
		res, held := l.held[p.address]
		held = held && res.document != 0
		switch {
		case held && !p.polled && res.version == p.version: // at hand
		case failures >= giveUp, asked >= maxParts:
			out.missing++
			continue
		default:
			asked++
			_, _, now, changed, d := l.one(ctx, out, p.address, p.version, p.raw)
			if d != nil {
				if failures++; !p.absent || !missing(d) {
					out.missing++
					if out.why == nil {
						out.why = d
					}
				} else {
					failures = 0
				}
				if ctx.Err() != nil {
					return d
				}
				continue
			}
			failures, res = 0, now
			out.changed = out.changed || changed
		}
		got++
		if d := l.join(ctx, out, p, res); d != nil && out.why == nil {
			out.missing++
			out.why = d
		}
	}
	if needed > 0 && got == 0 && out.why != nil {
		return out.why
	}
	return nil
}

// missing reports whether a document is not there, as opposed to not to be had.
func missing(d *Diagnosis) bool {
	status, _ := d.Args["status"].(int)
	return d.Key == "intake.fault.status" && (status == 404 || status == 410)
}

func (l *look) join(ctx context.Context, out *found, p part, res resource) *Diagnosis {
	out.used[res.document] = true
	if p.raw {
		body, err := l.load(ctx, res.document)
		if err != nil {
			return &Diagnosis{Key: "intake.fault.keep", Args: i18n.Args{"detail": harmless(err.Error())}, Address: p.address}
		}
		return p.join(reading{}, body, res.document)
	}
	r, d := l.recall(ctx, res)
	if d != nil {
		return d
	}
	return p.join(r, nil, res.document)
}

// beside is an address by its way from another.
func beside(address, way string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	to, err := u.Parse(way)
	if err != nil {
		return ""
	}
	return to.String()
}

// dashboardOf finds the number of the district of whose warnings a list is.
var dashboardOf = regexp.MustCompile(`/dashboard/([0-9]{12})\.json$`)

// inDistrict is the area of a warning of which is known only in whose list it stands.
func inDistrict(ars string) feed.Area {
	return feed.Area{Codes: []feed.Code{{Scheme: "ARS", Value: ars}}}
}

// ninaParts: each listed warning has its message and its shape; of one of MoWaS that is
// not the first of its kind, an archive tells through which messages it went.
func (l *look) ninaParts(out *found, address string) (parts []part) {
	ars := ""
	if m := dashboardOf.FindStringSubmatch(address); m != nil {
		ars = m[1]
	}
	for i := range out.warnings.Warnings {
		w := &out.warnings.Warnings[i]
		if ars != "" && len(w.Areas) == 0 {
			w.Areas = []feed.Area{inDistrict(ars)}
		}
		id := strings.TrimPrefix(w.ID, "nina/")
		number := cap.Value(w.Extra, nina.Version)
		version := number + "/" + w.Sent.Text
		if hash := cap.Value(w.Extra, nina.Hash); hash != "" {
			version += "/" + hash
		}
		name := beside(address, "../warnings/"+url.PathEscape(id))
		parts = append(parts,
			part{address: name + ".json", version: version, join: func(r reading, _ []byte, document int64) *Diagnosis {
				if len(r.warnings.Warnings) == 1 {
					out.replace(w, r.warnings.Warnings[0], document)
					if ars != "" && !slices.ContainsFunc(w.Areas, func(a feed.Area) bool { return len(a.Codes) > 0 }) {
						w.Areas = append(slices.Clone(w.Areas), inDistrict(ars))
					}
				}
				return nil
			}},
			part{address: name + ".geojson", version: version, raw: true, absent: true, join: func(_ reading, body []byte, _ int64) *Diagnosis {
				area, f := nina.Shape(body)
				if f != nil {
					return notUnderstood(f, name+".geojson", body)
				}
				if len(area.Polygons) > 0 {
					w.Areas = append(slices.Clone(w.Areas), area)
				}
				return nil
			}})
		if strings.HasPrefix(id, "mow.") && number != "" && number != "1" {
			mapping := beside(address, "../archive.mowas/"+url.PathEscape(id)+"-mapping.json")
			parts = append(parts, part{address: mapping, version: version, raw: true, absent: true, join: func(_ reading, body []byte, _ int64) *Diagnosis {
				if f := nina.History(w, body); f != nil {
					return notUnderstood(f, mapping, body)
				}
				return nil
			}})
		}
	}
	return parts
}

// portalParts: of each gauge of the region that is in flood, what the portal says of it.
func (l *look) portalParts(out *found) (parts []part) {
	for i := range out.warnings.Warnings {
		w := &out.warnings.Warnings[i]
		id := strings.TrimPrefix(w.ID, "lhp/")
		lat, wrongLat := strconv.ParseFloat(cap.Value(w.Extra, "lat"), 64)
		lon, wrongLon := strconv.ParseFloat(cap.Value(w.Extra, "lon"), 64)
		if wrongLat != nil || wrongLon != nil || !l.wanted(&gauge.Station{Number: id, Lat: lat, Lon: lon}) {
			continue
		}
		address := strings.ReplaceAll(l.src.Detail, stationMark, url.PathEscape(id))
		body := strings.ReplaceAll(l.src.DetailBody, stationMark, url.QueryEscape(id))
		parts = append(parts, part{address: posted(address, body), polled: true, raw: true, absent: true, join: func(_ reading, doc []byte, document int64) *Diagnosis {
			if f := lhp.Tell(w, doc); f != nil {
				return notUnderstood(f, address, doc)
			}
			out.origins[w.ID] = document
			return nil
		}})
	}
	return parts
}

// replace puts the whole of a warning in the place of its entry, under the identifier of
// the list, by whose absence it ends.
func (f *found) replace(entry *feed.Warning, whole feed.Warning, number int64) {
	whole.ID = entry.ID
	if len(whole.Areas) == 0 {
		whole.Areas = entry.Areas
	}
	if len(whole.Texts) == 0 {
		whole.Texts = entry.Texts
	}
	if whole.Level.National == "" {
		whole.Level.National = entry.Level.National
	}
	whole.Deviations = append(slices.Clone(entry.Deviations), whole.Deviations...)
	if entry.State != feed.InForce && whole.State == feed.InForce {
		whole.State = entry.State
	}
	if entry.Status != feed.Actual && whole.Status == feed.Actual {
		whole.Status = entry.Status // whatever may be an exercise is one
	}
	*entry = whole
	f.origins[entry.ID] = number
}

// alarmParts: each entry leads to a CAP message, which never changes under its
// identifier.
func (l *look) alarmParts(out *found, body []byte) (parts []part) {
	links := meteoalarm.Links(body)
	for i := range out.warnings.Warnings {
		w := &out.warnings.Warnings[i]
		id := strings.TrimPrefix(w.ID, "meteoalarm/")
		if links[id] == "" {
			continue
		}
		parts = append(parts, part{address: links[id], version: id, join: func(r reading, _ []byte, number int64) *Diagnosis {
			for _, whole := range r.warnings.Warnings {
				if whole.ID == w.ID {
					areas := w.Areas
					out.replace(w, whole, number)
					w.Areas = areas // of all entries; the message may be that of one
				}
			}
			return nil
		}})
	}
	return parts
}

// stationParts: a document for each station that is wanted.
func (l *look) stationParts(out *found, address func(id string) string) (parts []part) {
	for i := range out.gauges.Stations {
		s := &out.gauges.Stations[i]
		if !l.wanted(s) {
			continue
		}
		parts = append(parts, part{address: address(s.Number), polled: true, absent: true, needed: l.src.Format == "chmi-gauges", join: func(r reading, _ []byte, number int64) *Diagnosis {
			for _, more := range r.gauges.Stations {
				if more.ID != s.ID {
					continue
				}
				out.origins[s.ID] = number
				s.Levels, s.Flows = newer(s.Levels, more.Levels), newer(s.Flows, more.Flows)
				s.Limits = append(slices.Clone(s.Limits), more.Limits...)
				s.Remarks = append(slices.Clone(s.Remarks), more.Remarks...)
				s.Deviations = append(slices.Clone(s.Deviations), more.Deviations...)
				if more.Trend != "" {
					s.Trend = more.Trend
				}
			}
			return nil
		}})
	}
	// The list alone has thousands of limits and no level: only what is wanted is handed on.
	if l.src.Format == "chmi-gauges" {
		keep := out.gauges.Stations[:0:0]
		for i := range out.gauges.Stations {
			if l.wanted(&out.gauges.Stations[i]) {
				keep = append(keep, out.gauges.Stations[i])
			}
		}
		if len(keep) < len(out.gauges.Stations) {
			out.gauges.Stations = keep
			return l.stationParts(out, address) // the pointers are into the shorter list
		}
	}
	return parts
}

// forecastParts: the forecast of each station that is wanted and has one. Its document
// does not say of which it is.
func (l *look) forecastParts(out *found, address string) (parts []part) {
	for i := range out.gauges.Stations {
		s := &out.gauges.Stations[i]
		if !s.Foretold || !l.wanted(s) {
			continue
		}
		parts = append(parts, part{address: beside(address, "stations/"+url.PathEscape(s.Number)+"/WV/measurements.json"), polled: true, absent: true, join: func(r reading, _ []byte, number int64) *Diagnosis {
			for _, more := range r.gauges.Stations {
				if more.Number != "" {
					continue // a list of stations in its place
				}
				out.origins[s.ID] = number
				s.Forecasts = append(slices.Clone(s.Forecasts), more.Forecasts...)
				s.Deviations = append(slices.Clone(s.Deviations), more.Deviations...)
			}
			return nil
		}})
	}
	return parts
}

// wanted: the stations that are named, else those of the region.
func (l *look) wanted(s *gauge.Station) bool {
	if len(l.src.Stations) > 0 {
		return slices.ContainsFunc(l.src.Stations, func(n string) bool { return n == s.Number || strings.HasSuffix(s.Number, "-"+n) })
	}
	return s.Lat >= region.south && s.Lat <= region.north && s.Lon >= region.west && s.Lon <= region.east
}

// newer joins two series of one station, the oldest first, each moment once.
func newer(a, b []gauge.Measurement) []gauge.Measurement {
	all := append(slices.Clone(a), b...)
	slices.SortStableFunc(all, func(x, y gauge.Measurement) int { return x.At.At.Compare(y.At.At) })
	return slices.CompactFunc(all, func(x, y gauge.Measurement) bool { return x.At.At.Equal(y.At.At) })
}

// pages fetches the further pages of a list that is not whole. Page 0 is said to hold
// everything; when it does not, the pages from 1 on do.
func (l *look) pages(ctx context.Context, out *found, address string) *Diagnosis {
	list := out.warnings
	if list.Whole || list.Total == 0 {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	at := map[string]int{}
	for i, w := range list.Warnings {
		at[w.ID] = i
	}
	for n := 1; len(list.Warnings) < list.Total && n <= maxParts; n++ {
		u.Path = path.Join(path.Dir(u.Path), strconv.Itoa(n))
		out.parts++
		r, _, res, changed, d := l.one(ctx, out, u.String(), "", false)
		if d != nil {
			out.missing++
			out.why = d
			return nil // part of the list is better than none, and it is not called whole
		}
		out.used[res.document] = true
		out.changed = out.changed || changed
		fresh := 0
		for _, w := range r.warnings.Warnings {
			if _, known := at[w.ID]; !known {
				at[w.ID] = len(list.Warnings)
				list.Warnings = append(list.Warnings, w)
				out.origins[w.ID] = res.document
				fresh++
			}
		}
		list.Deviations = append(slices.Clone(list.Deviations), r.warnings.Deviations...)
		if fresh == 0 {
			break // the pages repeat themselves
		}
	}
	list.Whole = len(list.Warnings) == list.Total
	return nil
}
