package feeds

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// countries have a feed of their own.
var countries = []string{"czechia", "germany", "poland"}

// alarmID is the identifier of a copy: that of the original where its sender has one for
// each warning.
func (f *Feeds) alarmID(w *Warning, country string) string {
	if country == "germany" && len(w.DWD.Cells) > 0 {
		return f.dwdID(w)
	}
	return "2.49.0.0." + map[string]string{"czechia": "203", "germany": "276", "poland": "616"}[country] + ".0.SIM." + at(f.start, w.From).Format("060102150405") + "." + w.ID
}

// atom is the feed of a country: an entry for each area of a warning.
func (f *Feeds) atom(country string, r *http.Request) (document, bool) {
	if !slices.Contains(countries, country) {
		return document{}, false
	}
	x := newXML()
	x.open("feed", "xmlns", "http://www.w3.org/2005/Atom", "xmlns:cap", "urn:oasis:names:tc:emergency:cap:1.2")
	x.leaf("title", "MeteoAlarm Atom (simulated)").leaf("id", "urn:trojmezi:simulated:"+country).leaf("updated", f.now().Truncate(step).Format(time.RFC3339))
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		a, ok := w.Alarm[country]
		if !ok || !w.shown(f.start, f.now()) {
			continue
		}
		colour := strings.Split(colourWords[w.Severity], "; ")[1]
		t := w.text("en")
		for _, code := range a.EMMA {
			id := f.alarmID(w, country)
			x.open("entry").leaf("cap:areaDesc", "Area "+code).leaf("cap:event", t.Event).leaf("cap:sent", offset(at(f.start, w.From))).leaf("cap:effective", offset(at(f.start, w.From))).leaf("cap:onset", offset(at(f.start, w.Begins)))
			if w.Ends != nil {
				x.leaf("cap:expires", offset(at(f.start, *w.Ends)))
			}
			x.leaf("cap:certainty", "Likely").leaf("cap:severity", w.Severity).leaf("cap:urgency", w.Urgency).leaf("cap:scope", "Public").leaf("cap:message_type", "Alert").leaf("cap:status", f.scenario.Status)
			x.leaf("cap:identifier", id).open("cap:geocode").leaf("valueName", "EMMA_ID").leaf("value", code).close("cap:geocode")
			x.open("link", "type", "application/cap+xml", "href", base(r)+"/api/v1/warnings/feeds-"+country+"/"+w.ID).close("link")
			x.leaf("title", strings.ToUpper(colour[:1])+colour[1:]+" "+t.Event+" issued for "+code).leaf("id", base(r)+"/"+w.ID+"/"+code).leaf("published", offset(at(f.start, w.From))).close("entry")
		}
	}
	x.open("entry").leaf("cap:areaDesc", "Elsewhere").leaf("cap:event", "No warning").leaf("cap:severity", "Minor").leaf("cap:message_type", "Alert").leaf("cap:status", f.scenario.Status)
	x.leaf("cap:identifier", "2.49.0.0.000.0.SIM.green").leaf("title", "Green Warning").leaf("id", "green").close("entry").close("feed")
	return document{body: []byte(x.String()), kind: "application/atom+xml"}, true
}

// base is where the reader found the simulator.
func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// alarmCAP is the message to which an entry leads.
func (f *Feeds) alarmCAP(rest string, _ *http.Request) (document, bool) {
	name, id, _ := strings.Cut(rest, "/")
	country, _ := strings.CutPrefix(name, "feeds-")
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		a, ok := w.Alarm[country]
		if !ok || w.ID != id {
			continue
		}
		x := newXML()
		x.open("alert", "xmlns", "urn:oasis:names:tc:emergency:cap:1.2")
		x.leaf("identifier", f.alarmID(w, country)).leaf("sender", "simulation@meteoalarm.invalid").leaf("sent", offset(at(f.start, w.From))).leaf("status", f.scenario.Status).leaf("msgType", "Alert").leaf("scope", "Public")
		for _, lang := range []string{"cs", "de", "pl", "en"} {
			t, ok := w.Texts[lang]
			if !ok {
				continue
			}
			x.open("info").leaf("language", lang).leaf("category", "Met").leaf("event", t.Event).leaf("responseType", "Prepare").leaf("urgency", w.Urgency).leaf("severity", w.Severity).leaf("certainty", "Likely")
			x.leaf("effective", offset(at(f.start, w.From))).leaf("onset", offset(at(f.start, w.Begins)))
			if w.Ends != nil {
				x.leaf("expires", offset(at(f.start, *w.Ends)))
			}
			x.leaf("headline", t.Headline).leaf("description", t.Description).leaf("instruction", t.Instruction)
			x.pair("parameter", "awareness_level", colourWords[w.Severity]).pair("parameter", "awareness_type", a.Type)
			x.open("area").leaf("areaDesc", "Area")
			for _, code := range a.EMMA {
				x.pair("geocode", "EMMA_ID", code)
			}
			x.close("area").close("info")
		}
		x.close("alert")
		return document{body: []byte(x.String()), kind: "application/cap+xml"}, true
	}
	return document{}, false
}
