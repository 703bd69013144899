// Package access answers one question: may this actor do this to that? The
// rules are Cedar policies, text an auditor can read, which each module keeps
// in its policy.cedar. Without a rule that permits, the answer is no. It does
// not know who the actor is; that is package identity's part.
package access

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go"

	"trojmezi/internal/kernel/problem"
)

// Locales holds the text of a refusal for i18n.Load.
//
//go:embed locales
var Locales embed.FS

// Actor is who asks. In a policy it is principal, an entity Type::"ID", and
// each role a parent: principal in Role::"client".
type Actor struct {
	Type, ID   string
	Roles      []string
	Attributes map[string]any // see Can
}

// Resource is what the action is done to. In a policy it is resource, an
// entity Type::"ID".
type Resource struct {
	Type, ID   string
	Attributes map[string]any // see Can
}

// Policy is a set of rules. It does not change and is safe for concurrent use.
type Policy struct{ set *cedar.PolicySet }

// Load parses policies; the key of each source is its name in errors, such as
// exchange/policy.cedar. The error names source, line and column.
func Load(sources map[string][]byte) (*Policy, error) {
	set := cedar.NewPolicySet()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		list, err := cedar.NewPolicyListFromBytes(name, sources[name])
		if err != nil {
			return nil, fmt.Errorf("access.Load: %s: %w", name, err)
		}
		for _, p := range list {
			pos := p.Position()
			set.Add(cedar.PolicyID(fmt.Sprintf("%s:%d:%d", name, pos.Line, pos.Column)), p)
		}
	}
	return &Policy{set: set}, nil
}

const (
	actionType = cedar.EntityType("Action") // action == Action::"send"
	roleType   = cedar.EntityType("Role")
)

// Can returns nil if a permit matches and no forbid does, else a *problem.Error
// of kind Forbidden that names the deciding rules in its cause. Attributes may
// be string, bool, int, int64 or []string. A rule that cannot be evaluated, for
// instance over an attribute that is not there, refuses as well: it might have
// been a forbid. Write "has" before reading an attribute that may be absent.
func (p *Policy) Can(_ context.Context, a Actor, action string, r Resource) error {
	known, err := newEntities(a, r)
	if err != nil {
		return refused(err)
	}
	decision, diag := cedar.Authorize(p.set, known, cedar.Request{
		Principal: known.principal.UID,
		Action:    cedar.NewEntityUID(actionType, cedar.String(action)),
		Resource:  known.resource.UID,
	})
	if len(diag.Errors) > 0 {
		e := diag.Errors[0]
		return refused(fmt.Errorf("%s: %s", e.PolicyID, e.Message))
	}
	if decision == cedar.Allow {
		return nil
	}
	if len(diag.Reasons) == 0 {
		return refused(fmt.Errorf("no rule permits %s to %s %q", a.Type, r.Type, action))
	}
	var rules []error
	for _, reason := range diag.Reasons {
		rules = append(rules, fmt.Errorf("forbidden by %s", reason.PolicyID))
	}
	return refused(errors.Join(rules...))
}

func refused(err error) error {
	return &problem.Error{Op: "access.Can", Kind: problem.Forbidden, Key: "access.forbidden", Err: err}
}

// entities are the two things a request is about. Roles have no attributes and
// need no entry.
type entities struct{ principal, resource cedar.Entity }

// Get serves cedar.EntityGetter.
func (e *entities) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	switch uid {
	case e.principal.UID:
		return e.principal, true
	case e.resource.UID:
		return e.resource, true
	}
	return cedar.Entity{}, false
}

func newEntities(a Actor, r Resource) (*entities, error) {
	roles := make([]cedar.EntityUID, len(a.Roles))
	for i, role := range a.Roles {
		roles[i] = cedar.NewEntityUID(roleType, cedar.String(role))
	}
	attrs, err := record(a.Attributes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Type, err)
	}
	e := &entities{principal: cedar.Entity{
		UID: cedar.NewEntityUID(cedar.EntityType(a.Type), cedar.String(a.ID)), Parents: cedar.NewEntityUIDSet(roles...), Attributes: attrs,
	}}
	if attrs, err = record(r.Attributes); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Type, err)
	}
	e.resource = cedar.Entity{UID: cedar.NewEntityUID(cedar.EntityType(r.Type), cedar.String(r.ID)), Attributes: attrs}
	return e, nil
}

func record(attributes map[string]any) (cedar.Record, error) {
	m := make(cedar.RecordMap, len(attributes))
	for name, v := range attributes {
		var value cedar.Value
		switch v := v.(type) {
		case string:
			value = cedar.String(v)
		case bool:
			value = cedar.Boolean(v)
		case int:
			value = cedar.Long(v)
		case int64:
			value = cedar.Long(v)
		case []string:
			set := make([]cedar.Value, len(v))
			for i, s := range v {
				set[i] = cedar.String(s)
			}
			value = cedar.NewSet(set...)
		default:
			return cedar.Record{}, fmt.Errorf("attribute %s: no policy can read a %T", name, v)
		}
		m[cedar.String(name)] = value
	}
	return cedar.NewRecord(m), nil
}
