package meteoalarm

import (
	"strings"
	"testing"

	"trojmezi/internal/alert/feed"
)

const atomDoc = `<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2"><title>x</title><updated>2026-09-09T09:55:00Z</updated>
<entry><cap:areaDesc>Liberec</cap:areaDesc><cap:event>Moderate wind warning</cap:event><cap:sent>2026-09-09T09:00:00Z</cap:sent><cap:onset>2026-09-09T10:00:00Z</cap:onset><cap:expires>2026-09-09T20:00:00Z</cap:expires><cap:severity>Moderate</cap:severity><cap:message_type>Alert</cap:message_type><cap:status>Actual</cap:status><cap:identifier>2.49.0.2.203.0.CZ.1</cap:identifier><cap:geocode><valueName>EMMA_ID</valueName><value>CZ05105</value></cap:geocode><title>Yellow Wind Warning issued for Czechia - Liberec</title><id>1</id></entry>
<entry><cap:areaDesc>Frydlant</cap:areaDesc><cap:event>Moderate wind warning</cap:event><cap:sent>2026-09-09T09:00:00Z</cap:sent><cap:severity>Moderate</cap:severity><cap:identifier>2.49.0.2.203.0.CZ.1</cap:identifier><cap:geocode><valueName>EMMA_ID</valueName><value>CZ05102</value></cap:geocode><title>Yellow Wind Warning</title><id>2</id></entry>
<entry><cap:areaDesc>X</cap:areaDesc><cap:event>none</cap:event><cap:severity>Minor</cap:severity><cap:identifier>2</cap:identifier><title>Green Wind Warning</title><id>3</id></entry>
<entry><cap:areaDesc>Y</cap:areaDesc><cap:event>Rain</cap:event><cap:sent>soon</cap:sent><cap:severity>Severe</cap:severity><cap:message_type>Cancel</cap:message_type><cap:status>Test</cap:status><title>Orange Rain Warning</title><id>4</id></entry></feed>`

func TestAtom(t *testing.T) {
	r, f := parse([]byte(atomDoc))
	if f != nil || !r.Whole || len(r.Warnings) != 2 || r.Quiet != 1 || r.Issued.Text != "2026-09-09T09:55:00Z" || len(r.Deviations) != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	w := r.Warnings[0]
	if w.ID != "meteoalarm/2.49.0.2.203.0.CZ.1" || w.Originals[0] != "2.49.0.2.203.0.CZ.1" || len(w.Areas) != 2 || w.Areas[1].Codes[0] != (feed.Code{Scheme: "EMMA_ID", Value: "CZ05102"}) || w.Level.Colour != "yellow" {
		t.Errorf("%+v", w)
	}
	if w := r.Warnings[1]; w.ID != "meteoalarm/4" || w.State != feed.Cancelled || w.Status != feed.Test || w.Level.Colour != "orange" || len(w.Deviations) != 1 || w.Deviations[0].Rule != "time" {
		t.Errorf("%+v", w)
	}
}

func TestMessages(t *testing.T) {
	const cap1 = `{"identifier":"2.49","sender":"s","sent":"2026-09-09T09:00:00+00:00","status":"Actual","msgType":"Update","scope":"Public","references":"s,2.48,2026-09-09T08:00:00+00:00","info":[{"language":"cs","event":"Vítr","severity":"Minor","parameter":[{"valueName":"awareness_level","value":"2; yellow; Moderate"},{"valueName":"awareness_type","value":"1; Wind"}],"area":[{"areaDesc":"Liberec","geocode":[{"valueName":"EMMA_ID","value":"CZ05105"}]}]}]}`
	quiet := strings.Replace(strings.Replace(cap1, "2; yellow; Moderate", "1; green; Minor", 1), "2.49", "2.50", 1)
	r, f := parse([]byte(`{"warnings":[{"uuid":"1","alert":` + cap1 + `},{"alert":` + quiet + `}]}`))
	if f != nil || !r.Whole || len(r.Warnings) != 1 || r.Quiet != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	if w := r.Warnings[0]; w.Level.Colour != "yellow" || w.Code != "1; Wind" || w.Replaces[0] != "2.48" || w.Event != "Vítr" {
		t.Errorf("%+v", w)
	}
	if r, f := parse([]byte(cap1)); f != nil || r.Whole || len(r.Warnings) != 1 {
		t.Errorf("%v %+v", f, r)
	}
	for _, doc := range []string{"<html></html>", `{"a":1}`, "", "[1]"} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}
