package access_test

import (
	"strings"
	"testing"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

const exchange = `// Clients send in the name of their own addresses only.
permit (principal in Role::"client", action == Action::"send", resource is Address)
when { principal.oids.contains(resource.oid) };

permit (principal in Role::"admin", action, resource);

forbid (principal, action == Action::"send", resource is Address)
when { resource has quarantined && resource.quarantined };
`

const audit = `permit (principal is Account, action == Action::"verify", resource) when { principal.level > 2 };`

func load(t testing.TB, sources map[string][]byte) *access.Policy {
	t.Helper()
	p, err := access.Load(sources)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func client(roles ...string) access.Actor {
	return access.Actor{Type: "Account", ID: "liberec", Roles: roles, Attributes: map[string]any{
		"oids": []string{"1.2.3", "1.2.4"}, "level": 1, "name": "L", "remote": true,
	}}
}

func address(oid string) access.Resource {
	return access.Resource{Type: "Address", ID: oid, Attributes: map[string]any{"oid": oid}}
}

func TestCan(t *testing.T) {
	p := load(t, map[string][]byte{"exchange/policy.cedar": []byte(exchange), "audit/policy.cedar": []byte(audit)})
	quarantined := address("1.2.3")
	quarantined.Attributes["quarantined"] = true
	auditor := access.Actor{Type: "Account", ID: "a", Attributes: map[string]any{"level": int64(3)}}
	strange := client("client")
	strange.Attributes["x"] = 1.5
	tests := []struct {
		name   string
		actor  access.Actor
		action string
		on     access.Resource
		denied string // part of the cause; empty: permitted
	}{
		{"own address", client("client"), "send", address("1.2.4"), ""},
		{"foreign address", client("client"), "send", address("1.2.5"), "no rule permits"},
		{"other action", client("client"), "receive", address("1.2.4"), "no rule permits"},
		{"no role", client(), "send", address("1.2.4"), "no rule permits"},
		{"other role", client("p2p"), "send", address("1.2.4"), "no rule permits"},
		{"one of two roles", client("p2p", "client"), "send", address("1.2.4"), ""},
		{"other type of resource", client("client"), "send", access.Resource{Type: "Queue", ID: "1.2.4"}, "no rule permits"},
		{"admin", client("admin"), "anything", access.Resource{Type: "Queue", ID: "1"}, ""},
		{"forbid beats permit", client("admin"), "send", quarantined, "forbidden by exchange/policy.cedar:7:1"},
		{"second source", auditor, "verify", access.Resource{Type: "Log", ID: "1"}, ""},
		{"number decides", client(), "verify", access.Resource{Type: "Log", ID: "1"}, "no rule permits"},
		{"attribute missing", access.Actor{Type: "Account", ID: "a", Roles: []string{"admin"}}, "verify", address("1"), "audit/policy.cedar:1:1"},
		{"attribute of a strange type", strange, "send", address("1.2.4"), "attribute x"},
		{"nobody", access.Actor{}, "", access.Resource{}, "no rule permits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := p.Can(t.Context(), tt.actor, tt.action, tt.on)
			if tt.denied == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			e, ok := err.(*problem.Error)
			if !ok || e.Kind != problem.Forbidden || e.Key != "access.forbidden" {
				t.Fatalf("got %v, want a refusal", err)
			}
			if !strings.Contains(err.Error(), tt.denied) {
				t.Errorf("the cause does not name %q: %v", tt.denied, err)
			}
		})
	}
}

func TestWithoutPoliciesNobodyMayDoAnything(t *testing.T) {
	if err := load(t, nil).Can(t.Context(), client("admin"), "send", address("1.2.3")); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("got %v", err)
	}
}

func TestLoadNamesSourceAndLine(t *testing.T) {
	_, err := access.Load(map[string][]byte{
		"a/policy.cedar": []byte(audit),
		"b/policy.cedar": []byte("permit (principal, action, resource);\n\npermit (principal, action resource);\n"),
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"b/policy.cedar", ":3:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q: %v", want, err)
		}
	}
}

func TestLocalesAreComplete(t *testing.T) {
	b, err := i18n.Load(access.Locales)
	if err != nil {
		t.Fatal(err)
	}
	if !b.Has("access.forbidden") {
		t.Error("the refusal has no text")
	}
}

func BenchmarkCan(b *testing.B) {
	p := load(b, map[string][]byte{"exchange/policy.cedar": []byte(exchange), "audit/policy.cedar": []byte(audit)})
	actor, on := client("client"), address("1.2.4")
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Can(b.Context(), actor, "send", on); err != nil {
			b.Fatal(err)
		}
	}
}
