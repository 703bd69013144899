package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/kernel/store"
)

// BenchmarkAccept sends messages for another node through the whole of its acceptance, by
// an account with an agreement of its own and by one that is judged, in turns: what the
// rules cost is the ratio of the two in one run, for a message that names nobody and for
// one with a caller of whom something is withheld.
func BenchmarkAccept(b *testing.B) {
	const far = "1.2.4.1"
	record := func(oid string) map[string]any {
		r := deskRecord(oid)
		r["supportedApps"] = []any{map[string]any{"appId": "incident_transfer", "appVersion": "1.0"}}
		return r
	}
	c := newConfig(b, func(m map[string]any) {
		x := m["exchange"].(map[string]any)
		x["accounts"] = []any{
			map[string]any{"username": "own", "password": "p", "type": "client", "oids": []any{desk}, "own_disclosure": "benchmark"},
			map[string]any{"username": "ruled", "password": "p", "type": "client", "oids": []any{desk}},
		}
		x["participants"] = []any{record(desk)}
		x["peers"] = []any{map[string]any{"id": "far", "oid": "1.2.4.0", "base_url": "http://127.0.0.1:1/ucrm/p2p/v0", "username": "n", "password": "p"}}
	})
	o, err := Open(b.Context(), c, quiet)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { o.DB.Close() })
	raw, _ := json.Marshal(record(far))
	if err := o.DB.Write(b.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(`INSERT INTO exchange_peer (id, fetched, fetched_at, failed_at, failure, skew, quarantined) VALUES ('far', 1, 0, 0, '', 0, 0)`); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO exchange_participant (oid, peer, record) VALUES ($1, 'far', $2)`, far, string(raw))
		return err
	}); err != nil {
		b.Fatal(err)
	}
	n, err := build(b.Context(), c, o, texts(b), quiet, false)
	if err != nil {
		b.Fatal(err)
	}
	h := n.exchange.Handler()
	call := func(method, path, auth, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/ucrm/client/v0"+path, strings.NewReader(body))
		r.Header.Set("Authorization", auth)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	bearer := map[string]string{}
	for _, name := range []string{"own", "ruled"} {
		r := httptest.NewRequest("GET", "/ucrm/client/v0/token", nil)
		r.SetBasicAuth(name, "p")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var got struct{ Token string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Token == "" {
			b.Fatal(w.Code, w.Body)
		}
		bearer[name] = "Bearer " + got.Token
	}
	id := 0
	message := func(caller string) string {
		id++
		data := fmt.Sprintf(`{"sharedIncidentId":%q,"classifications":["test alarm"],"issue":"load test","sentByDispatcherAt":"2026-01-01T00:00:00Z","missionLocation":{"coordinate":{"lat":50.8655,"lon":14.8286},"address":{"street":"Test","city":"Test"}},%s"additionalInformation":%q}`,
			messageID(id), caller, strings.Repeat("x", 700))
		text, _ := json.Marshal(data)
		return fmt.Sprintf(`{"messageId":%q,"source":%q,"destinations":[%q],"payload":{"appId":"incident_transfer","appVersion":"1.0","schemaId":"incident","contentType":"application/json","data":%s}}`, messageID(id), desk, far, text)
	}
	const senders, each = 16, 20
	block := func(account, caller string) time.Duration {
		bodies := make([]string, senders*each)
		for i := range bodies {
			bodies[i] = message(caller)
		}
		begin := time.Now()
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for _, body := range bodies[s*each : (s+1)*each] {
					if w := call("POST", "/messaging/send", bearer[account], body); w.Code != http.StatusOK {
						b.Errorf("%d %s", w.Code, w.Body)
						return
					}
				}
			})
		}
		wg.Wait()
		return time.Since(begin)
	}
	const caller = `"informers":[{"name":"Nováková","surname":"Jana","phone":"601 111 222"}],`
	var took [4]time.Duration
	runs := 0
	for b.Loop() {
		took[0] += block("own", "")
		took[1] += block("ruled", "")
		took[2] += block("own", caller)
		took[3] += block("ruled", caller)
		runs++
	}
	per := func(d time.Duration) float64 { return float64(runs*senders*each) / d.Seconds() }
	b.ReportMetric(per(took[0]), "own/s")
	b.ReportMetric(per(took[1]), "ruled/s")
	b.ReportMetric(per(took[2]), "own-caller/s")
	b.ReportMetric(per(took[3]), "ruled-caller/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
	b.ReportMetric(took[3].Seconds()/took[2].Seconds(), "ratio-caller")
}
