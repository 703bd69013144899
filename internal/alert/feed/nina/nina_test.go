package nina

import (
	"os"
	"path/filepath"
	"testing"

	"trojmezi/internal/alert/feed"
)

func TestList(t *testing.T) {
	r, f := parse([]byte(`[{"id":"mow.DE-SN-GR-SE1-20260909-1","version":9,"startDate":"2026-09-09T11:57:33+02:00","expiresDate":"3021-01-01T00:00:00+01:00","severity":"Severe","urgency":"Immediate","type":"Alert","i18nTitle":{"de":"Hochwasser Neiße"},"transKeys":{"event":"BBK-EVC-040"}},
{"id":"dwd.2.49.0","startDate":"2026-09-09T11:57:33+02:00","severity":"Minor","type":"Cancel","i18nTitle":{"de":"Probewarnung"}},{"version":1}]`))
	if f != nil || !r.Whole || len(r.Warnings) != 2 || len(r.Deviations) != 1 || r.Deviations[0].Rule != "lacks" {
		t.Fatalf("%v %+v", f, r)
	}
	w := r.Warnings[0]
	if w.ID != "nina/mow.DE-SN-GR-SE1-20260909-1" || w.Sender != "MoWaS" || w.Code != "BBK-EVC-040" || w.Event != "Hochwasser Neiße" || w.Level.Severity != "Severe" || !w.Expires.At.IsZero() || len(w.Deviations) != 1 || w.Status != feed.Actual {
		t.Errorf("%+v", w)
	}
	if w := r.Warnings[1]; w.State != feed.Cancelled || w.Status != feed.Exercise || w.Sender != "DWD" {
		t.Errorf("%+v", w)
	}
}

// TestMirror: a copy of a DWD warning says which message it copies; references that
// systems write wrong still name what they mean.
func TestMirror(t *testing.T) {
	r, f := parse([]byte(`{"identifier":"dwd.2.49.0.0.276.0.DWD.PVW.1","sender":"CAP@dwd.de","sent":"2026-09-09T09:50:25+01:00","status":"Actual","msgType":"Update","scope":"Public","code":["DVN:5","id:2.49.0.0.276.0.DWD.PVW.1"],
"references":"a b,x y,2026-09-09T09:15:06-00:00 2026-09-09T09:15:06-00:00","info":[{"language":"de","event":"STURM","category":["Met"],"urgency":"Immediate","severity":"Severe","certainty":"Likely","headline":"Sturm","description":"a<br/>b",
"parameter":[{"valueName":"warnVerwaltungsbereiche","value":"146260110110, 146260000000"},{"valueName":"cellBroadcastId","value":"1iz"}],"area":[{"areaDesc":"Görlitz","geocode":[{"valueName":"AreaId","value":"0"}]}]}]}`))
	if f != nil || r.Whole || len(r.Warnings) != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	w := r.Warnings[0]
	if len(w.Originals) != 2 || w.Originals[1] != "2.49.0.0.276.0.DWD.PVW.1" || len(w.Replaces) != 2 || w.Replaces[1] != "y" || len(w.Areas[0].Codes) != 2 || w.Areas[0].Codes[0].Value != "146260110110" ||
		w.Texts[0].Description != "a<br/>b" || len(w.Extra) != 1 || len(w.Deviations) != 1 || w.Deviations[0].Rule != "references" {
		t.Errorf("%+v", w)
	}
	for _, doc := range []string{"<html></html>", `{"error":"x"}`, ""} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}

// TestCapture reads a warning of MoWaS: the end of a drill that was sent as Actual.
func TestCapture(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the captured message is no part of the repository")
	}
	doc, err := os.ReadFile(filepath.Join(dir, "alerts", "nina-mowas", "mow.DE-HE-KS-SE106-20250313-106-001.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, f := parse(doc)
	if f != nil || len(r.Warnings) != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	if w := r.Warnings[0]; w.Status != feed.Exercise || w.State != feed.Cancelled || len(w.Areas[0].Codes) < 20 || len(w.Languages()) < 5 || w.Replaces[0] != "mow.DE-HE-KS-SE106-20250313-106-000" {
		t.Errorf("%s %s %d %v %v", w.Status, w.State, len(w.Areas[0].Codes), w.Languages(), w.Replaces)
	}
}
