package identity

import (
	"slices"
	"testing"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/web"
)

func TestPolicy(t *testing.T) {
	policy, err := access.Load(map[string][]byte{"identity": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	own := []string{"identity.me.read", "identity.me.write"}
	look := []string{"identity.people.read", "identity.roles.read", "identity.sessions.read"}
	may := map[string][]string{
		"dispatcher": own, "technician": own, "shift_leader": append([]string{"identity.desk.write"}, own...), "auditor": append(slices.Clone(look), own...),
		administrator: slices.Concat(own, look, []string{"identity.people.write", "identity.roles.write", "identity.sessions.end", "identity.desk.write"}),
	}
	list := []string{"identity.organisations.read", "identity.organisations.write"}
	all := slices.Concat(may[administrator], list)
	can := func(role, action string, r access.Resource) bool {
		p := web.Person{ID: "p", Organisation: "here", Roles: []string{role}}
		return policy.Can(t.Context(), p.Actor(), action, r) == nil
	}
	directory := func(of string) access.Resource {
		return access.Resource{Type: "Directory", ID: "organisations", Attributes: map[string]any{"organisation": of}}
	}
	for _, role := range Roles {
		for _, action := range all {
			if got, want := can(role, action, web.Organisation("here")), slices.Contains(may[role], action); got != want {
				t.Errorf("%s may %s at home: %v", role, action, got)
			}
			for _, r := range []access.Resource{web.Organisation("there"), directory("there")} {
				if can(role, action, r) {
					t.Errorf("%s may %s elsewhere on %s", role, action, r.Type)
				}
			}
		}
		for _, action := range list {
			if got, want := can(role, action, directory("here")), role == administrator; got != want {
				t.Errorf("%s of the operator may %s: %v", role, action, got)
			}
		}
	}
}
