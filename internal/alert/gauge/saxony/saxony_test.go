package saxony

import (
	"testing"
	"time"

	"trojmezi/internal/alert/gauge"
)

func TestStations(t *testing.T) {
	r, f := parse([]byte(`{"exceededTransferLimit":true,"features":[{"attributes":{"PEG_MSTNR":"660202","PEG_NAME":"Görlitz","WLV_GEWAESSER":"Lausitzer Neiße","PEG_AS1":320,"PEG_AS2":"---","PEG_AS3":"480","PEG_AS4":560,"PEG_WASSERSTAND":"695","PEG_DURCHFLUSS":"12,4","PEG_WERTZEITSTEMPEL_CHAR":"07.08.2026 23:00","ZEITZONE":"+01:00","TENDENZ":"steigend"},"geometry":{"x":14.99,"y":51.16}},
{"attributes":{"PEG_MSTNR":"1","PEG_NAME":"X","PEG_WASSERSTAND":"---","PEG_DURCHFLUSS":null,"PEG_WERTZEITSTEMPEL_CHAR":"gestern","ZEITZONE":"+01:00"}},{"attributes":{"PEG_MSTNR":"2","PEG_WASSERSTAND":"5","PEG_WERTZEITSTEMPEL_CHAR":"gestern"}}]}`))
	if f != nil || len(r.Stations) != 3 || len(r.Deviations) != 1 || r.Deviations[0].Rule != "cut" {
		t.Fatalf("%v %+v", f, r)
	}
	s := r.Stations[0]
	if m, _ := gauge.Latest(s.Levels); s.ID != "saxony/660202" || m.Value != 695 || m.At.At.UTC().Format(time.RFC3339) != "2026-08-07T22:00:00Z" || s.Flows[0].Value != 12.4 || len(s.Limits) != 3 || s.Limits[1] != (gauge.Limit{Name: "Alarmstufe 3", Unit: "cm", From: 480}) || s.Trend != "steigend" {
		t.Errorf("%+v", s)
	}
	if s := r.Stations[1]; len(s.Levels) > 0 || len(s.Deviations) > 0 {
		t.Errorf("%+v", s)
	}
	if s := r.Stations[2]; len(s.Levels) > 0 || len(s.Deviations) != 1 || s.Deviations[0].Rule != "undated" {
		t.Errorf("%+v", s)
	}
	for _, doc := range []string{"<html></html>", `{"error":{"code":400,"message":"Invalid URL"}}`, `{"a":1}`, ""} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}
