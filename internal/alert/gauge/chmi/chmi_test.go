package chmi

import (
	"testing"
	"time"

	"trojmezi/internal/alert/gauge"
)

func TestStations(t *testing.T) {
	r, f := parse([]byte(`{"data":{"type":"DataCollection","data":{"header":"objID,STATION_NAME,STREAM_NAME,GEOGR1,GEOGR2,SPA1H,SPA2H,SPA3H,SPA4H,SPA1Q,ISFORECAST","values":[["0-203-1-317000","Liberec","Lužická Nisa",50.76,15.05,100,140,180,null,12.5,1],["0-203-1-318000","Hrádek",null,null,null,"x",2,3]]}}}`))
	if f != nil || len(r.Stations) != 2 {
		t.Fatalf("%v %+v", f, r)
	}
	if s := r.Stations[0]; s.ID != "chmi/0-203-1-317000" || s.River != "Lužická Nisa" || s.Lat != 50.76 || len(s.Limits) != 4 || s.Limits[1] != (gauge.Limit{Name: "1. SPA", Unit: "m3/s", From: 12.5}) || s.Limits[3].From != 180 || !s.Foretold || len(s.Forecasts) > 0 || len(s.Deviations) > 0 {
		t.Errorf("%+v", s)
	}
	if s := r.Stations[1]; s.River != "" || s.Foretold || len(s.Limits) != 2 || len(s.Deviations) != 2 || s.Deviations[0].Rule != "columns" || s.Deviations[1].Rule != "number" {
		t.Errorf("%+v", s)
	}
}

func TestSeries(t *testing.T) {
	r, f := parse([]byte(`{"objList":[{"objID":"0-203-1-317000","tsList":[{"tsConID":"H","tsData":[{"dt":"2026-08-07T16:00:00Z","value":120},{"dt":"2026-08-07T16:10:00","value":131},{"dt":"2026-08-07T16:20:00Z","value":null}]},{"tsConID":"Q","tsData":[{"dt":"2026-08-07T16:00:00Z","value":3.5}]},{"tsConID":"TH","tsData":[{"dt":"2026-08-07T16:00:00Z","value":18}]}]}]}`))
	if f != nil || len(r.Stations) != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	s := r.Stations[0]
	if m, _ := gauge.Latest(s.Levels); len(s.Levels) != 2 || m.Value != 131 || m.At.At.Format(time.RFC3339) != "2026-08-07T16:10:00Z" || len(s.Flows) != 1 || len(s.Deviations) > 0 {
		t.Errorf("%+v", s)
	}
	for _, doc := range []string{"<html></html>", `{"data":{"data":{"header":"a,b","values":[]}}}`, `{"a":1}`, "", "[]"} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}
