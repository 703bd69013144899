package webtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go"

	"trojmezi/internal/kernel/identity"
)

// rule is one permit or forbid as it is written, read without package access: a
// fault there must not hide itself.
type rule struct {
	name    string   // source and line
	permit  bool     // else forbid
	roles   []string // nil: everybody
	nobody  bool     // for principals that are no persons
	actions []string // nil: all
	types   []string // of the resource; nil: all
	bounded bool     // principal.organisation == resource.organisation
	more    bool     // there are further conditions
}

// entity is one of Cedar's JSON form of a policy.
type entity struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type scope struct {
	Op       string   `json:"op"`
	Type     string   `json:"entity_type"`
	Entity   *entity  `json:"entity"`
	Entities []entity `json:"entities"`
	In       *struct {
		Entity entity `json:"entity"`
	} `json:"in"`
}

func (s scope) all() []entity {
	all := s.Entities
	if s.Entity != nil {
		all = append(all, *s.Entity)
	}
	if s.In != nil {
		all = append(all, s.In.Entity)
	}
	return all
}

// rules reads the texts of policies (spec: Cedar, JSON policy format).
func rules(sources map[string][]byte) ([]rule, error) {
	var all []rule
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		list, err := cedar.NewPolicyListFromBytes(name, sources[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, p := range list {
			raw, err := p.MarshalJSON()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			var form struct {
				Effect                      string
				Principal, Action, Resource scope
				Conditions                  []struct {
					Kind string
					Body any
				}
			}
			if err := json.Unmarshal(raw, &form); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			r := rule{name: fmt.Sprintf("%s:%d", name, p.Position().Line), permit: form.Effect == "permit"}
			for _, e := range form.Principal.all() {
				if e.Type == "Role" {
					r.roles = append(r.roles, e.ID)
				} else {
					r.nobody = true // one named principal: no person of a test
				}
			}
			if form.Principal.Type != "" && form.Principal.Type != "Person" {
				r.nobody = true
			}
			if form.Action.Op != "All" {
				for _, e := range form.Action.all() {
					r.actions = append(r.actions, e.ID)
				}
			}
			if form.Resource.Type != "" {
				r.types = []string{form.Resource.Type}
			}
			r.more = form.Resource.Op == "==" || form.Resource.Op == "in"
			for _, c := range form.Conditions {
				parts := []any{c.Body}
				if c.Kind == "when" {
					parts = conjuncts(c.Body)
				}
				for _, part := range parts {
					some, ok := oneOfRoles(part)
					switch {
					case c.Kind == "when" && sameOrganisation(part):
						r.bounded = true
					case c.Kind == "when" && ok && r.roles == nil:
						r.roles = some
					default:
						r.more = true
					}
				}
			}
			// Roles of accounts and peers are no person's.
			r.nobody = r.nobody || r.roles != nil && !slices.ContainsFunc(r.roles, func(role string) bool { return slices.Contains(identity.Roles, role) })
			all = append(all, r)
		}
	}
	return all, nil
}

// conjuncts takes a && b apart.
func conjuncts(body any) []any {
	both, ok := operands(body, "&&")
	if !ok {
		return []any{body}
	}
	return append(conjuncts(both[0]), conjuncts(both[1])...)
}

func operands(body any, op string) (both [2]any, ok bool) {
	m, _ := body.(map[string]any)
	sides, ok := m[op].(map[string]any)
	return [2]any{sides["left"], sides["right"]}, ok
}

func sameOrganisation(body any) bool {
	both, ok := operands(body, "==")
	if !ok {
		return false
	}
	a, b := organisationOf(both[0]), organisationOf(both[1])
	return a == "principal" && b == "resource" || a == "resource" && b == "principal"
}

// oneOfRoles reads principal in Role::"a" || principal in [Role::"b", Role::"c"].
func oneOfRoles(body any) (roles []string, ok bool) {
	if both, ok := operands(body, "||"); ok {
		a, left := oneOfRoles(both[0])
		b, right := oneOfRoles(both[1])
		return append(a, b...), left && right
	}
	both, ok := operands(body, "in")
	if left, _ := both[0].(map[string]any); !ok || left["Var"] != "principal" {
		return nil, false
	}
	right, _ := both[1].(map[string]any)
	set, several := right["Set"].([]any)
	if !several {
		set = []any{right}
	}
	for _, x := range set {
		m, _ := x.(map[string]any)
		value, _ := m["Value"].(map[string]any)
		named, _ := value["__entity"].(map[string]any)
		id, isText := named["id"].(string)
		if !isText || named["type"] != "Role" {
			return nil, false
		}
		roles = append(roles, id)
	}
	return roles, true
}

// organisationOf is the variable of variable.organisation.
func organisationOf(body any) string {
	m, _ := body.(map[string]any)
	dot, _ := m["."].(map[string]any)
	left, _ := dot["left"].(map[string]any)
	name, _ := left["Var"].(string)
	if dot["attr"] != "organisation" {
		return ""
	}
	return name
}

func (r rule) names(action string) bool {
	return r.actions == nil || slices.Contains(r.actions, action)
}

// expected is what the rules say of a role and an object of its own organisation.
type expected int

const (
	no expected = iota
	yes
	maybe // a condition decides that stands in no table
)

// verdict of the rules; object: the route looks at an object, whose type may be
// any a rule names, and else at the organisation itself.
func verdict(all []rule, role, action string, object bool) expected {
	result := no
	for _, r := range all {
		if !r.permit || r.nobody || !r.names(action) || r.roles != nil && !slices.Contains(r.roles, role) {
			continue
		}
		if r.types != nil && !object && !slices.Contains(r.types, "Organisation") {
			continue
		}
		if !r.more {
			return yes
		}
		result = maybe
	}
	return result
}
