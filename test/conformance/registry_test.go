package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// registry reads all records at one API by OID.
func registry(t testing.TB, c caller) map[string]record {
	t.Helper()
	list := decode[struct{ CommParticipants []record }](t, c.call("GET", "/registry", nil).want(t, 200))
	all := map[string]record{}
	for _, r := range list.CommParticipants {
		oid, _ := r["id"].(string)
		if _, twice := all[oid]; twice {
			t.Errorf("record %s stands twice in the registry", oid)
		}
		all[oid] = r
	}
	return all
}

// wantRecord checks the obligatory members of a record.
func wantRecord(t testing.TB, r record) {
	t.Helper()
	for _, name := range []string{"id", "systemName", "operatorName", "operatorShortName"} {
		if s, _ := r[name].(string); s == "" {
			t.Errorf("record has no %s: %v", name, r)
		}
	}
	if _, ok := r["supportedApps"].([]any); !ok {
		t.Errorf("record has no supportedApps: %v", r)
	}
	support, _ := r["techSupport"].(record)
	for _, name := range []string{"phone", "e-mail"} {
		if _, ok := support[name].(string); !ok {
			t.Errorf("techSupport has no %s: %v", name, r)
		}
	}
	switch r["status"] {
	case nil, "online", "offline", "unknown":
	default:
		t.Errorf("status %v", r["status"])
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	n := solo(t)
	for name, c := range map[string]caller{"client": n.api(t, poolAccount), "p2p": n.p2p(t, "remote")} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			r := c.call("GET", "/info", nil).want(t, 200)
			info := decode[record](t, r)
			for _, member := range []string{"apiVersion", "ucrmProvider", "ucrmProductName", "ucrmVersion"} {
				if s, _ := info[member].(string); s == "" {
					t.Errorf("%s is %v", member, info[member])
				}
			}
			if info["status"] != 0.0 {
				t.Errorf("status %v, want 0", info["status"])
			}
			if !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
				t.Errorf("Content-Type %s", r.header.Get("Content-Type"))
			}
		})
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	n := solo(t)
	c := n.api(t, poolAccount)
	t.Run("all_records_complete", func(t *testing.T) {
		all := registry(t, c)
		if want := len(n.clients) + len(n.participants); len(all) < want {
			t.Errorf("%d records, want at least %d", len(all), want)
		}
		for _, r := range all {
			wantRecord(t, r)
		}
	})
	t.Run("one_record", func(t *testing.T) {
		r := decode[record](t, c.call("GET", "/registry/"+otherOID, nil).want(t, 200))
		delete(r, "status") // kept by the node
		want := participant(otherOID)
		if d := cmp.Diff(want, r); d != "" {
			t.Errorf("record changed (-configured +shown):\n%s", d)
		}
	})
	t.Run("unsupported_messages_kept", func(t *testing.T) {
		apps := decode[record](t, c.call("GET", "/registry/"+pickyOID, nil).want(t, 200))["supportedApps"]
		want := []any{record{"appId": "incident_transfer", "appVersion": "1.0", "unsupportedMessages": []any{"completion"}}}
		if d := cmp.Diff(want, apps); d != "" {
			t.Error(d)
		}
	})
	t.Run("toy_key_kept_unchanged", func(t *testing.T) {
		r := decode[record](t, c.call("GET", "/registry/"+oddKeyOID, nil).want(t, 200))
		for _, p := range n.participants {
			if p["id"] == oddKeyOID {
				if d := cmp.Diff(p["key"], r["key"]); d != "" {
					t.Error(d)
				}
			}
		}
	})
	t.Run("node_itself", func(t *testing.T) {
		self := registry(t, n.p2p(t, "remote"))[soloOID]
		wantRecord(t, self)
		if self["type"] != "ucrm" {
			t.Errorf("type %v, want ucrm", self["type"])
		}
		key := publicJWK(nodeKey())
		got, _ := self["key"].(record)
		if got["kty"] != "RSA" || got["n"] != key["n"] || got["e"] != key["e"] {
			t.Errorf("the node does not publish its key: %v", self["key"])
		}
		for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			if got[secret] != nil {
				t.Errorf("the node publishes member %s of its private key", secret)
			}
		}
	})
	for name, path := range map[string]string{
		"unknown_oid":  strangerOID,
		"no_oid":       "leitstelle",
		"empty_arcs":   "1..2",
		"prefix_of":    "1.2.3.4.5",
		"percent_nul":  "1.2%00",
		"dots":         "%2e%2e%2fregistry",
		"very_long":    strings.Repeat("1.", 2000) + "1",
		"html_in_path": "%3Cb%3E",
	} {
		t.Run(name+"_404_470", func(t *testing.T) {
			c := n.api(t, poolAccount)
			c.call("GET", "/registry/"+path, nil).wantError(t, 404, 470)
		})
	}
	t.Run("local_only_at_p2p", func(t *testing.T) {
		if d := cmp.Diff(len(n.clients)+len(n.participants)+1, len(registry(t, n.p2p(t, "remote")))); d != "" {
			t.Error("records at P2P: configured ones and the node itself wanted", d)
		}
	})
}

func TestRegistryFederated(t *testing.T) {
	t.Parallel()
	nodes := triple(t)
	for i, n := range nodes {
		t.Run(fmt.Sprintf("client_sees_all_%d", i), func(t *testing.T) {
			all := registry(t, n.api(t, poolAccount))
			for _, other := range nodes {
				for _, oid := range append(other.clients, other.oid) {
					if all[oid] == nil {
						t.Errorf("%s is missing at %s", oid, n.oid)
					}
				}
			}
		})
		t.Run(fmt.Sprintf("p2p_sees_local_only_%d", i), func(t *testing.T) {
			all := registry(t, n.p2p(t, fmt.Sprintf("node-%d", (i+1)%3)))
			if all[n.oid] == nil {
				t.Error("the node itself is missing")
			}
			for oid := range all {
				if oid != n.oid && !strings.HasPrefix(oid, strings.TrimSuffix(n.oid, "0")) {
					t.Errorf("%s is not local to %s", oid, n.oid)
				}
			}
		})
		t.Run(fmt.Sprintf("one_learned_record_%d", i), func(t *testing.T) {
			oid := nodes[(i+2)%3].clients[0]
			r := decode[record](t, n.api(t, poolAccount).call("GET", "/registry/"+oid, nil).want(t, 200))
			delete(r, "status")
			if d := cmp.Diff(participant(oid), r); d != "" {
				t.Error(d)
			}
		})
	}
}

// What a peer claims is checked record by record.
func TestRegistryOfPeer(t *testing.T) {
	t.Parallel()
	const root = "1.2.3.4.21"
	broken := func(oid string, change func(r record)) record {
		r := participant(oid)
		change(r)
		return r
	}
	stolen := participant(root + ".1001")
	stolen["systemName"] = "stolen"
	odd := participant(root + ".8.7")
	odd["key"] = record{"kty": "RSA", "n": "AQAB", "e": "Aw"}
	n, p := alone(t, root, true, func(p *peer) {
		p.records = append(p.records,
			broken(root+".8.3", func(r record) { delete(r, "systemName") }),
			broken(root+".8.4", func(r record) { r["supportedApps"] = "all" }),
			broken(root+".8.5", func(r record) { delete(r, "techSupport") }),
			broken("not.an.oid", func(record) {}),
			broken(root+".8.6", func(r record) { r["status"] = "sleeping" }),
			stolen, odd, "no object at all", nil)
	})
	c := n.fresh(t) // root.1001, the OID the peer claims
	d := n.fresh(t)
	all := registry(t, c.caller)
	for _, oid := range []string{p.oid, p.at(1), p.at(2), root + ".8.7"} {
		t.Run("valid_beside_invalid_kept/"+oid, func(t *testing.T) {
			if all[oid] == nil {
				t.Error("missing")
			}
		})
	}
	for _, oid := range []string{root + ".8.3", root + ".8.4", root + ".8.5", root + ".8.6", "not.an.oid"} {
		t.Run("invalid_record_dropped/"+oid, func(t *testing.T) {
			if all[oid] != nil {
				t.Errorf("kept: %v", all[oid])
			}
		})
	}
	t.Run("claim_of_a_local_oid_ignored", func(t *testing.T) {
		if all[c.oid]["systemName"] == "stolen" {
			t.Error("the peer's record replaced the local one")
		}
		c, d := n.as(t, c), n.as(t, d)
		d.send(c.oid, label("mine"))
		if got := c.await(1, soon); labels(got) != "mine" {
			t.Errorf("got %s", labels(got))
		}
		if len(p.got()) > 0 {
			t.Error("the message for a local participant went to the peer")
		}
	})
	t.Run("peer_cannot_send_as_local_participant_400_478", func(t *testing.T) {
		p.deliver(c.oid, d.oid).wantError(t, 400, 478)
	})
	t.Run("learned_key_kept_unchanged", func(t *testing.T) {
		if d := cmp.Diff(odd["key"], all[root+".8.7"]["key"]); d != "" {
			t.Error(d)
		}
	})
}
