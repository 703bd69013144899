package feeds

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const archiveName = "Z_CAP_C_EDZW_LATEST_PVW_STATUS_PREMIUMDWD_COMMUNEUNION_DE.zip"

// archive is the state of the German weather service's warnings: a ZIP with a message
// for each.
func (f *Feeds) archive(rest string, _ *http.Request) (document, bool) {
	if !strings.HasSuffix(rest, ".zip") {
		return document{}, false
	}
	now := f.now()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if len(w.DWD.Cells) == 0 || !w.shown(f.start, now) {
			continue
		}
		file, err := z.CreateHeader(&zip.FileHeader{Name: "Z_CAP_C_EDZW_" + w.ID + ".xml", Method: zip.Deflate})
		if err == nil {
			_, err = file.Write([]byte(f.dwdMessage(w)))
		}
		if err != nil {
			return document{}, false
		}
	}
	if z.Close() != nil {
		return document{}, false
	}
	return document{body: b.Bytes(), kind: "application/zip"}, true
}

// dwdID is the identifier of a warning at its first sender.
func (f *Feeds) dwdID(w *Warning) string {
	return fmt.Sprintf("2.49.0.0.276.0.DWD.PVW.%d.%s", at(f.start, w.From).UnixMilli(), w.ID)
}

func (f *Feeds) dwdMessage(w *Warning) string {
	sent := at(f.start, w.From)
	x := newXML()
	x.open("alert", "xmlns", "urn:oasis:names:tc:emergency:cap:1.2")
	x.leaf("identifier", f.dwdID(w)).leaf("sender", "CAP@dwd.de").leaf("sent", offset(sent)).leaf("status", f.scenario.Status).leaf("msgType", "Alert")
	x.leaf("source", "PVW").leaf("scope", "Public")
	t := w.text("de")
	x.open("info").leaf("language", "de-DE").leaf("category", "Met").leaf("event", t.Event).leaf("responseType", "Prepare")
	x.leaf("urgency", "Immediate").leaf("severity", w.Severity).leaf("certainty", "Likely")
	for _, p := range [][2]string{{"PROFILE_VERSION", "2.1.12"}, {"II", w.DWD.II}, {"GROUP", w.DWD.Group}, {"AREA_COLOR", "255 153 0"}} {
		x.pair("eventCode", p[0], p[1])
	}
	x.leaf("effective", offset(sent)).leaf("onset", offset(at(f.start, w.Begins)))
	if w.Ends != nil {
		x.leaf("expires", offset(at(f.start, *w.Ends)))
	}
	x.leaf("senderName", "DWD / Simulation").leaf("headline", t.Headline).leaf("description", t.Description).leaf("instruction", t.Instruction)
	x.leaf("web", "https://www.wettergefahren.de").pair("parameter", "Böen", "80 bis 100 [km/h]")
	x.open("area").leaf("areaDesc", "Kreis Görlitz")
	for _, c := range w.DWD.Cells {
		x.pair("geocode", "WARNCELLID", c)
	}
	x.pair("geocode", "STATE", w.DWD.State).leaf("altitude", "0.0").leaf("ceiling", "9842.5197").close("area").close("info").close("alert")
	return x.String()
}

// offset is a time as CAP writes it, in UTC.
func offset(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") + "+00:00" }

// berlin is the time on German clocks; a machine without zones has winter time.
var berlin = wall("Europe/Berlin")

func wall(name string) *time.Location {
	if z, err := time.LoadLocation(name); err == nil {
		return z
	}
	return time.FixedZone("CET", 3600)
}

func (f *Feeds) ninaID(w *Warning) string {
	prefix := map[string]string{"mowas": "mow", "katwarn": "kat", "biwapp": "biw", "dwd": "dwd", "lhp": "lhp", "police": "pol"}[w.NINA.Provider]
	return prefix + ".DE-SN-GR-SIM-" + at(f.start, w.From).Format("20060102") + "-" + w.ID
}

// ending is when a warning is said to be over, before it leaves the list.
func (f *Feeds) ending(w *Warning) time.Time { return at(f.start, w.To).Add(-time.Hour) }

// ninaState is the version of a warning, the kind of its message and when it was sent.
func (f *Feeds) ninaState(w *Warning) (version int, kind string, sent time.Time) {
	if w.Cancel && !f.now().Before(f.ending(w)) {
		return 2, "Cancel", f.ending(w)
	}
	return 1, "Alert", at(f.start, w.From)
}

// nina is the list of a provider, a warning, or its shape.
func (f *Feeds) nina(rest string, _ *http.Request) (document, bool) {
	provider, name, _ := strings.Cut(rest, "/")
	if name == "mapData.json" {
		if !strings.Contains(" mowas katwarn biwapp dwd lhp police ", " "+provider+" ") {
			return document{}, false
		}
		list := []any{}
		for i := range f.scenario.Warnings {
			w := &f.scenario.Warnings[i]
			if w.NINA.Provider != provider || !w.shown(f.start, f.now()) {
				continue
			}
			version, kind, sent := f.ninaState(w)
			entry := map[string]any{"id": f.ninaID(w), "version": version, "startDate": sent.In(berlin).Format(time.RFC3339), "severity": w.Severity, "urgency": w.Urgency, "type": kind,
				"i18nTitle": map[string]string{"de": w.text("de").Headline}, "transKeys": map[string]string{"event": w.NINA.Code}}
			if w.Ends != nil {
				entry["expiresDate"] = at(f.start, *w.Ends).In(berlin).Format(time.RFC3339)
			}
			list = append(list, entry)
		}
		return asJSON(list), true
	}
	switch provider {
	case "dashboard":
		return f.dashboard(strings.TrimSuffix(name, ".json"))
	case "archive.mowas":
		return f.mapping(strings.TrimSuffix(name, "-mapping.json"))
	case "warnings":
	default:
		return document{}, false
	}
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if w.NINA.Provider == "" || !w.shown(f.start, f.now()) {
			continue
		}
		switch name {
		case f.ninaID(w) + ".json":
			return f.ninaMessage(w), true
		case f.ninaID(w) + ".geojson":
			if len(w.NINA.Ring) == 0 {
				return asJSON(map[string]any{"type": "FeatureCollection", "features": []any{}}), true
			}
			return asJSON(map[string]any{"type": "FeatureCollection", "features": []any{map[string]any{"type": "Feature", "properties": map[string]string{"warnId": f.ninaID(w)},
				"geometry": map[string]any{"type": "Polygon", "coordinates": []any{w.NINA.Ring}}}}}), true
		}
	}
	return document{}, false
}

// dashboard is what concerns a district, by the twelve digits of its number.
func (f *Feeds) dashboard(ars string) (document, bool) {
	if len(ars) != 12 || !strings.HasSuffix(ars, "0000000") {
		return document{}, false
	}
	list := []any{}
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if w.NINA.Provider == "" || !w.shown(f.start, f.now()) || !slices.ContainsFunc(w.NINA.ARS, func(a string) bool { return a[:5] == ars[:5] }) {
			continue
		}
		version, kind, sent := f.ninaState(w)
		list = append(list, map[string]any{"id": f.ninaID(w), "i18nTitle": map[string]string{"de": w.text("de").Headline}, "sent": sent.In(berlin).Format(time.RFC3339),
			"payload": map[string]any{"version": version, "type": strings.ToUpper(kind), "id": f.ninaID(w), "hash": fmt.Sprintf("%08x", sent.Unix()+int64(version)),
				"data": map[string]any{"headline": w.text("de").Headline, "provider": strings.ToUpper(w.NINA.Provider), "severity": w.Severity, "msgType": strings.ToUpper(kind),
					"transKeys": map[string]string{"event": w.NINA.Code}, "area": map[string]string{"type": "ZGEM", "data": "1+11057,100001"}}}})
	}
	return asJSON(list), true
}

// mapping is the archive of a warning of MoWaS: each message that it went through.
func (f *Feeds) mapping(id string) (document, bool) {
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if w.NINA.Provider != "mowas" || f.ninaID(w) != id || f.now().Before(at(f.start, w.From)) {
			continue
		}
		message := func(kind string, sent time.Time) any {
			return map[string]string{"identifier": id + "_" + sent.UTC().Format("20060102150405") + ".json", "msgType": kind, "sent": sent.In(berlin).Format(time.RFC3339), "headline": w.text("de").Headline}
		}
		history := []any{message("ALERT", at(f.start, w.From))}
		if version, _, sent := f.ninaState(w); version > 1 {
			history = append(history, message("CANCEL", sent))
		}
		return asJSON(map[string]any{"history": history}), true
	}
	return document{}, false
}

func (f *Feeds) ninaMessage(w *Warning) document {
	_, kind, sent := f.ninaState(w)
	t := w.text("de")
	response := "Prepare"
	if kind == "Cancel" {
		response = "AllClear"
	}
	pair := func(name, value string) map[string]string {
		return map[string]string{"valueName": name, "value": value}
	}
	info := map[string]any{
		"language": "DE", "category": []string{"Safety"}, "event": t.Event, "responseType": []string{response}, "urgency": w.Urgency, "severity": w.Severity, "certainty": "Observed",
		"eventCode": []any{pair("profile:DE-BBK-EVENTCODE", w.NINA.Code)}, "headline": t.Headline, "description": t.Description, "instruction": t.Instruction,
		"parameter": []any{pair("warnVerwaltungsbereiche", strings.Join(w.NINA.ARS, ",")), pair("instructionCode", "BBK-ISC-011"), pair("sender_langname", "Simulation, Landkreis Görlitz"), pair("PHGEM", "5995+14,100001")},
		"area":      []any{map[string]any{"areaDesc": "Gemeinde Görlitz, simuliert", "geocode": []any{pair("AreaId", "0")}}},
	}
	if w.Ends != nil {
		info["expires"] = at(f.start, *w.Ends).In(berlin).Format(time.RFC3339)
	}
	message := map[string]any{"identifier": f.ninaID(w), "sender": "DE-SN-GR-SIM", "sent": sent.In(berlin).Format(time.RFC3339), "status": f.scenario.Status, "msgType": kind, "scope": "Public", "code": []string{"DVN:1"}, "info": []any{info}}
	if kind == "Cancel" {
		message["references"] = "DE-SN-GR-SIM," + f.ninaID(w) + "," + offset(at(f.start, w.From))
	}
	return asJSON(message)
}

// portal is the state of the gauges in the flood portal of the German states: lists that
// belong together by place, sent as a page.
func (f *Feeds) portal() document {
	lists := map[string][]string{"PGNR": {}, "LAT": {}, "LON": {}, "HW": {}}
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if g.LHP == "" {
			continue
		}
		class := "-1"
		if cm, ok := g.level(f.start, measured(f.now())); ok {
			class = strconv.Itoa(g.stage(cm))
		}
		for name, v := range map[string]string{"PGNR": g.LHP, "LAT": degrees(g.Lat), "LON": degrees(g.Lon), "HW": class} {
			lists[name] = append(lists[name], v)
		}
	}
	d := asJSON(lists)
	d.kind = "text/html; charset=UTF-8"
	return d
}

// portalGauge is what the portal says of one gauge, asked for by a form. Its time has no
// date, and its numbers have their units.
func (f *Feeds) portalGauge(_ string, r *http.Request) (document, bool) {
	if r.Method != http.MethodPost {
		return refused(http.StatusMethodNotAllowed), true
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 4096)
	number := r.PostFormValue("pgnr")
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if g.LHP == "" || g.LHP != number {
			continue
		}
		last := measured(f.now())
		answer := map[string]string{"PN": g.Name, "GW": g.River, "HW": "-1", "HW_TXT": "keine Daten", "ZEIT": "Heute, " + last.In(berlin).Format("15:04") + " Uhr", "W": "", "Q": "", "HINT": "Simulation",
			"URL_PEGEL": "", "URL_LAND": "https://www.umwelt.sachsen.de", "ID_LAND": "SN"}
		if cm, ok := g.level(f.start, last); ok {
			stage := g.stage(cm)
			answer["HW"], answer["W"] = strconv.Itoa(stage), strconv.Itoa(int(cm))+" cm"
			answer["HW_TXT"] = []string{"Kein Hochwasser", "Kleines Hochwasser", "Mittleres Hochwasser", "Großes Hochwasser", "Sehr großes Hochwasser"}[min(stage, 4)]
		}
		d := asJSON(answer)
		d.kind = "text/html; charset=UTF-8"
		return d, true
	}
	return document{}, false
}

func degrees(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// saxony is the map service's answer with all gauges. Its clock has winter time all
// year.
func (f *Feeds) saxony() document {
	zone := time.FixedZone("", 3600)
	features := []any{}
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if g.Feed != "saxony" {
			continue
		}
		t := measured(f.now())
		a := map[string]any{"PEG_MSTNR": g.Number, "PEG_NAME": g.Name, "WLV_GEWAESSER": g.River, "PEG_ORDNUNG_BEZ": "Neiße", "PEG_WASSERSTAND": "---", "PEG_DURCHFLUSS": "---",
			"PEG_WERTZEITSTEMPEL_CHAR": t.In(zone).Format("02.01.2006 15:04"), "ZEITZONE": "+01:00", "TENDENZ": "", "PEG_STATUS": "0"}
		for n, limit := range g.Limits {
			a["PEG_AS"+strconv.Itoa(n+1)] = any("---")
			if limit > 0 {
				a["PEG_AS"+strconv.Itoa(n+1)] = limit
			}
		}
		if cm, ok := g.level(f.start, t); ok {
			before, _ := g.level(f.start, t.Add(-time.Hour))
			a["PEG_WASSERSTAND"], a["TENDENZ"], a["PEG_STATUS"] = fmt.Sprintf("%.0f", cm), trend(before, cm), strconv.Itoa(g.stage(cm))
			a["PEG_DURCHFLUSS"] = strings.Replace(fmt.Sprintf("%.1f", cm/10), ".", ",", 1)
		}
		features = append(features, map[string]any{"attributes": a, "geometry": map[string]float64{"x": g.Lon, "y": g.Lat}})
	}
	return asJSON(map[string]any{"displayFieldName": "PEG_NAME", "geometryType": "esriGeometryPoint", "spatialReference": map[string]int{"wkid": 4326}, "features": features})
}

func trend(before, now float64) string {
	switch {
	case now > before+1:
		return "steigend"
	case now < before-1:
		return "fallend"
	}
	return "gleichbleibend"
}

// pegelonline is the list of stations on federal waterways with their current values.
func (f *Feeds) pegelonline() document {
	list := []any{}
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if g.Feed != "pegelonline" {
			continue
		}
		series := map[string]any{"shortname": "W", "longname": "WASSERSTAND ROHDATEN", "unit": "cm", "equidistance": 15}
		if cm, ok := g.level(f.start, measured(f.now())); ok {
			series["currentMeasurement"] = map[string]any{"timestamp": measured(f.now()).In(berlin).Format("2006-01-02T15:04:05-07:00"), "value": float64(int(cm)), "stateMnwMhw": "normal", "stateNswHsw": "unknown"}
		}
		all := []any{series}
		if g.Forecast > 0 {
			all = append(all, map[string]any{"shortname": "WV", "longname": "WASSERSTAND VORHERSAGE", "unit": "cm", "equidistance": 60})
		}
		list = append(list, map[string]any{"uuid": "00000000-0000-4000-8000-000000" + g.Number, "number": g.Number, "shortname": g.Name, "longname": g.Name, "km": 55.6, "agency": "SIMULATION",
			"longitude": g.Lon, "latitude": g.Lat, "water": map[string]string{"shortname": g.River, "longname": g.River}, "timeseries": all})
	}
	return asJSON(list)
}

// issues is how often a forecast is made.
const issues = 6 * time.Hour

// pegelForecast is the forecast of one station by the hour, its second half as an
// estimate. It does not say of which station it is.
func (f *Feeds) pegelForecast(rest string, _ *http.Request) (document, bool) {
	number, ok := strings.CutSuffix(rest, "/WV/measurements.json")
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if !ok || g.Feed != "pegelonline" || g.Number != number || g.Forecast == 0 {
			continue
		}
		issued := f.now().UTC().Truncate(issues)
		stamp := func(t time.Time) string { return t.In(berlin).Format("2006-01-02T15:04:05-07:00") }
		list := []any{}
		for h := 1; h <= g.Forecast; h++ {
			t, sort := issued.Add(time.Duration(h)*time.Hour), "forecast"
			if 2*h > g.Forecast {
				sort = "estimate"
			}
			if cm, ok := g.level(f.start, t); ok {
				list = append(list, map[string]any{"initialized": stamp(issued), "timestamp": stamp(t), "value": float64(int(cm)), "type": sort})
			}
		}
		return asJSON(list), true
	}
	return document{}, false
}

func asJSON(v any) document {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // what is encoded here are lists and texts
	}
	return document{body: b.Bytes(), kind: "application/json"}
}
