package feeds

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var warsaw = wall("Europe/Warsaw")

// onWall is a time of a clock in Poland, without its zone.
func onWall(t time.Time) string { return t.In(warsaw).Format("2006-01-02 15:04:05") }

func (f *Feeds) imgwMeteo() document {
	list := []any{}
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if len(w.IMGWMeteo.TERYT) == 0 || !w.shown(f.start, f.now()) {
			continue
		}
		t := w.text("pl")
		list = append(list, map[string]any{"id": "Sm" + at(f.start, w.From).Format("20060102150405") + w.ID, "nazwa_zdarzenia": t.Event, "stopien": strconv.Itoa(w.Degree), "prawdopodobienstwo": "80",
			"obowiazuje_od": onWall(at(f.start, w.Begins)), "obowiazuje_do": onWall(f.until(w)), "opublikowano": onWall(at(f.start, w.From)),
			"tresc": t.Description, "komentarz": "Brak.", "biuro": "Symulacja", "teryt": w.IMGWMeteo.TERYT})
	}
	return asJSON(list)
}

// until is the end of a warning; without one that of its place in the feed.
func (f *Feeds) until(w *Warning) time.Time {
	if w.Ends != nil {
		return at(f.start, *w.Ends)
	}
	return at(f.start, w.To)
}

func (f *Feeds) imgwHydro() document {
	list := []any{}
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if len(w.IMGWHydro.Catchments) == 0 || !w.shown(f.start, f.now()) {
			continue
		}
		t := w.text("pl")
		end := "9999-12-31 23:59:59"
		if w.Ends != nil {
			end = onWall(at(f.start, *w.Ends))
		}
		list = append(list, map[string]any{"numer": strconv.Itoa(i + 1), "zdarzenie": t.Event, "stopień": strconv.Itoa(w.Degree), "data_od": onWall(at(f.start, w.Begins)), "data_do": end,
			"opublikowano": onWall(at(f.start, w.From)), "prawdopodobienstwo": "90", "przebieg": t.Description, "komentarz": "", "biuro": "Symulacja",
			"obszary": []any{map[string]any{"wojewodztwo": "dolnośląskie", "opis": "dolnośląskie, Nysa Łużycka", "kod_zlewni": w.IMGWHydro.Catchments}}})
	}
	return asJSON(list)
}

// imgwStations is the list of Polish stations: all values are texts.
func (f *Feeds) imgwStations() document {
	list := []any{}
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if g.Feed != "imgw" {
			continue
		}
		s := map[string]any{"id_stacji": g.Number, "stacja": g.Name, "rzeka": g.River, "wojewodztwo": "dolnośląskie", "lon": number(g.Lon), "lat": number(g.Lat),
			"stan_wody": nil, "stan_wody_data_pomiaru": nil, "temperatura_wody": nil, "temperatura_wody_data_pomiaru": nil, "przeplyw": nil, "przeplyw_data": nil,
			"zjawisko_lodowe": "0", "zjawisko_lodowe_data_pomiaru": "2025-01-09 11:00:00", "zjawisko_zarastania": "0", "zjawisko_zarastania_data_pomiaru": "2024-10-15 10:00:00"}
		if cm, ok := g.level(f.start, measured(f.now())); ok {
			s["stan_wody"], s["stan_wody_data_pomiaru"] = fmt.Sprintf("%.0f", cm), onWall(measured(f.now()))
			s["przeplyw"], s["przeplyw_data"] = fmt.Sprintf("%.2f", cm/9), onWall(measured(f.now()))
		}
		list = append(list, s)
	}
	return asJSON(list)
}

// imgwDetail is one station: times in UTC, numbers as numbers, the opposite of the list.
func (f *Feeds) imgwDetail(rest string, _ *http.Request) (document, bool) {
	for i := range f.scenario.Gauges {
		g := &f.scenario.Gauges[i]
		if g.Feed != "imgw" || g.Number != rest {
			continue
		}
		state := func(t time.Time) any {
			if cm, ok := g.level(f.start, t); ok {
				return map[string]any{"date": t.UTC().Format("2006-01-02T15:04:05Z"), "value": float64(int(cm))}
			}
			return nil
		}
		status := map[string]any{"id": 1, "name": g.Number, "description": strings.ToUpper(g.Name), "river": g.River + " (174)", "currentState": state(measured(f.now())), "previousState": state(measured(f.now()).Add(-step)),
			"trend": 10, "outdatedState": false, "notes": []string{"Symulacja"}, "warningValue": nil, "alarmValue": nil}
		for n, name := range []string{"warningValue", "alarmValue"} {
			if n < len(g.Limits) && g.Limits[n] > 0 {
				status[name] = g.Limits[n]
			}
		}
		return asJSON(map[string]any{"stateCode": "normal", "status": status, "properties": map[string]any{}, "id": g.Number, "coordinates": map[string]float64{"x": g.Lon, "y": g.Lat}}), true
	}
	return document{}, false
}

// rsoPage is how many messages stand on a page from 1 on; page 0 has all.
const rsoPage = 1

// rso is the list of a voivodeship, in XML or JSON.
func (f *Feeds) rso(rest string, r *http.Request) (document, bool) {
	parts := strings.Split(rest, "/") // slug, category, page
	if len(parts) != 3 {
		return document{}, false
	}
	page, err := strconv.Atoi(parts[2])
	if err != nil || page < 0 {
		return document{}, false
	}
	var all []*Warning
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if w.RSO.Province != "" && (parts[0] == "wszystkie" || parts[0] == w.RSO.Province) && w.shown(f.start, f.now()) {
			all = append(all, w)
		}
	}
	total := len(all)
	if page > 0 {
		from := min((page-1)*rsoPage, total)
		all = all[from:min(from+rsoPage, total)]
	}
	x := newXML()
	x.open("newses").open("pagination_info", "totalItems", strconv.Itoa(total), "itemsPerPage", strconv.Itoa(rsoPage)).close("pagination_info")
	news := []any{}
	for _, w := range all {
		t := w.text("pl")
		number := strconv.FormatInt(at(f.start, w.From).Unix(), 10)
		x.open("news").leaf("id", number).leaf("title", t.Headline).leaf("shortcut", t.Headline).leaf("content", t.Description)
		x.leaf("valid_from", onWall(at(f.start, w.Begins))).leaf("valid_to", onWall(f.until(w))).leaf("created_at", onWall(at(f.start, w.From))).leaf("updated_at", onWall(at(f.start, w.From)))
		x.leaf("rso_alarm", "0").leaf("type", "1").open("provinces").open("province", "id", "1", "slug", w.RSO.Province)
		x.text(w.RSO.Name)
		x.close("province").close("provinces").close("news")
		news = append(news, map[string]any{"id": number, "title": t.Headline, "shortcut": t.Headline, "content": t.Description, "valid_from": onWall(at(f.start, w.Begins)), "valid_to": onWall(f.until(w)),
			"created_at": onWall(at(f.start, w.From)), "updated_at": onWall(at(f.start, w.From)), "rso_alarm": "0", "provinces": []any{map[string]string{"id": "1", "slug": w.RSO.Province, "name": w.RSO.Name}}})
	}
	x.close("newses")
	if r.URL.Query().Get("_format") == "json" {
		return asJSON(map[string]any{"newses": map[string]any{"pagination_info": map[string]string{"totalItems": strconv.Itoa(total)}, "news": news}}), true
	}
	return document{body: []byte(x.String()), kind: "text/xml; charset=UTF-8"}, true
}

// rsoCAP are the messages of a voivodeship as CAP, for who shows a token. Its address and
// the way in which several stand in one document are of this simulator's own making: the
// sender tells them with the token.
func (f *Feeds) rsoCAP(rest string, r *http.Request) (document, bool) {
	switch token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
	case !is || token == "":
		return refused(http.StatusUnauthorized), true
	case rest != "dolnoslaskie":
		return document{}, false
	}
	x := newXML()
	x.open("alerts")
	for i := range f.scenario.Warnings {
		w := &f.scenario.Warnings[i]
		if w.RSO.Province == "" || !w.shown(f.start, f.now()) {
			continue
		}
		t := w.text("pl")
		x.open("alert", "xmlns", "urn:oasis:names:tc:emergency:cap:1.2").leaf("identifier", "rso.sim."+w.ID).leaf("sender", "rso@simulation.invalid").leaf("sent", offset(at(f.start, w.From)))
		x.leaf("status", f.scenario.Status).leaf("msgType", "Alert").leaf("scope", "Public").open("info").leaf("language", "pl").leaf("category", "Safety").leaf("event", t.Event)
		x.leaf("urgency", w.Urgency).leaf("severity", w.Severity).leaf("certainty", "Likely").leaf("onset", offset(at(f.start, w.Begins))).leaf("expires", offset(f.until(w)))
		x.leaf("headline", t.Headline).leaf("description", t.Description).leaf("instruction", t.Instruction).open("area").leaf("areaDesc", w.RSO.Name).pair("geocode", "RSO", w.RSO.Province)
		x.close("area").close("info").close("alert")
	}
	x.close("alerts")
	return document{body: []byte(x.String()), kind: "application/xml"}, true
}
