package feeds

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

var prague = wall("Europe/Prague")

// reissue is how often the bulletin comes anew when nothing has happened.
const reissue = 6 * time.Hour

// issued is when the bulletin in force was made, and the one before it.
func (f *Feeds) issued() (last, before time.Time) {
	now := f.now()
	moments := []time.Time{now.Truncate(reissue), now.Truncate(reissue).Add(-reissue)}
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if len(w.CHMI.ORP) > 0 {
			moments = append(moments, at(f.start, w.From), at(f.start, w.To))
		}
	}
	for _, m := range moments {
		switch {
		case m.After(now):
		case m.After(last):
			last, before = m, last
		case m.After(before) && m.Before(last):
			before = m
		}
	}
	return last.Truncate(time.Second), before.Truncate(time.Second)
}

func bulletinID(t time.Time) string {
	return "2.49.0.0.203.0.CZ." + t.UTC().Format("060102150405") + ".000"
}

// colourWords of severities, in MeteoAlarm's parameter.
var colourWords = map[string]string{"Minor": "1; green; Minor", "Moderate": "2; yellow; Moderate", "Severe": "3; orange; Severe", "Extreme": "4; red; Extreme"}

// bulletin is everything the Czech institute warns of, in one message: each warning
// twice, in Czech and in English, and placeholders where there is none.
func (f *Feeds) bulletin() document {
	last, before := f.issued()
	local := func(t time.Time) string { return t.In(prague).Format("2006-01-02T15:04:05-07:00") }
	x := newXML()
	x.open("alert", "xmlns", "urn:oasis:names:tc:emergency:cap:1.2")
	x.leaf("identifier", bulletinID(last)).leaf("sender", "chmi@chmi.cz").leaf("sent", local(last)).leaf("status", f.scenario.Status).leaf("msgType", "Update").leaf("scope", "Public")
	x.leaf("references", "chmi@chmi.cz,"+bulletinID(before)+","+local(before))
	for _, lang := range []string{"cs", "en-GB"} {
		for i := range f.scenario.Warnings {
			w := &f.scenario.Warnings[i]
			if len(w.CHMI.ORP) == 0 || !w.shown(f.start, f.now()) {
				continue
			}
			t := w.text(lang[:2])
			x.open("info").leaf("language", lang).leaf("category", "Met").leaf("event", t.Event).leaf("responseType", "Prepare")
			x.leaf("urgency", w.Urgency).leaf("severity", w.Severity).leaf("certainty", "Likely").leaf("audience", "veřejnost, HZS, web, Meteoalarm")
			x.pair("eventCode", w.CHMI.List, w.CHMI.Code).leaf("effective", local(last)).leaf("onset", local(at(f.start, w.Begins)))
			if w.Ends != nil {
				x.leaf("expires", local(at(f.start, *w.Ends)))
			}
			x.leaf("senderName", "ČHMÚ, simulace").leaf("headline", t.Headline).leaf("description", t.Description).leaf("instruction", t.Instruction)
			x.pair("parameter", "awareness_level", colourWords[w.Severity])
			if a, ok := w.Alarm["czechia"]; ok {
				x.pair("parameter", "awareness_type", a.Type)
			}
			x.open("area").leaf("areaDesc", "Liberecký kraj")
			for _, orp := range w.CHMI.ORP {
				x.pair("geocode", "CISORP", orp).pair("geocode", "EMMA_ID", "CZ0"+orp)
			}
			x.close("area").close("info")
		}
		event := map[string]string{"cs": "Žádná výstraha", "en-GB": "No warning"}[lang]
		x.open("info").leaf("language", lang).leaf("category", "Met").leaf("event", event).leaf("responseType", "None").leaf("urgency", "Future")
		x.leaf("severity", "Minor").leaf("certainty", "Unlikely").pair("eventCode", "SIVS", "OUTLOOK").leaf("effective", local(last)).leaf("onset", local(last))
		x.open("area").leaf("areaDesc", "Praha").pair("geocode", "CISORP", "1100").close("area").close("info")
	}
	x.close("alert")
	return document{body: []byte(x.String()), kind: "application/xml"}
}

// objID is the number of a Czech station in its files.
func (g *Gauge) objID() string { return "0-203-1-" + g.Number }

// stationList is the table of Czech stations with their limits.
func (f *Feeds) stationList() document {
	header := "objID,DBC,STATION_NAME,STREAM_NAME,GEOGR1,GEOGR2,SPA_TYP,SPAH_DS,SPAH_UNIT,DRYH,SPA1H,SPA2H,SPA3H,SPA4H,SPAQ_DS,SPAQ_UNIT,DRYQ,SPA1Q,SPA2Q,SPA3Q,SPA4Q,ISFORECAST"
	rows := []any{}
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if g.Feed != "chmi" {
			continue
		}
		row := []any{g.objID(), g.Number, g.Name, g.River, g.Lat, g.Lon, "H", "H", "cm", nil}
		for n := range 4 {
			var limit any
			if n < len(g.Limits) && g.Limits[n] > 0 {
				limit = g.Limits[n]
			}
			row = append(row, limit)
		}
		forecast := 0
		if g.Forecast > 0 {
			forecast = 1
		}
		rows = append(rows, append(row, "Q", "m3/s", nil, nil, nil, nil, nil, forecast))
	}
	return asJSON(map[string]any{"data": map[string]any{"type": "DataCollection", "data": map[string]any{"header": header, "values": rows}}})
}

// series are a day's values of a Czech station; the last of them is not there yet.
func (f *Feeds) series(rest string, _ *http.Request) (document, bool) {
	id, ok := strings.CutSuffix(rest, ".json")
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if !ok || g.Feed != "chmi" || g.objID() != id {
			continue
		}
		last := measured(f.now())
		var levels, flows []any
		for t := last.Add(-24 * time.Hour); !t.After(last); t = t.Add(step) {
			value := map[string]any{"dt": t.Format("2006-01-02T15:04:05Z"), "value": nil}
			flow := map[string]any{"dt": value["dt"], "value": nil}
			if cm, ok := g.level(f.start, t); ok {
				value["value"], flow["value"] = float64(int(cm)), float64(int(cm*cm/40))/10
			}
			levels, flows = append(levels, value), append(flows, flow)
		}
		levels = append(levels, map[string]any{"dt": last.Add(step).Format("2006-01-02T15:04:05Z"), "value": nil})
		return asJSON(map[string]any{"objList": []any{map[string]any{"objID": g.objID(), "tsList": []any{
			map[string]any{"tsConID": "H", "unit": "cm", "tsData": levels}, map[string]any{"tsConID": "Q", "unit": "m3/s", "tsData": flows}}}}}), true
	}
	return document{}, false
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
