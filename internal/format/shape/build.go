package shape

import (
	"regexp"
	"slices"
	"strings"
)

// Leaf is the type of what has a value alone, Seq that of what has members.
func Leaf(v *Value) *Type { return &Type{Value: v} }

// Seq is the type of an element of members in this order.
func Seq(members ...Member) *Type { return &Type{Members: members} }

// Need is a member that stands once, May one at most once, Some one at least once,
// Free one as often as one likes.
func Need(name string, t *Type) Member { return Member{Name: name, Min: 1, Max: 1, Type: t} }

// May is a member that stands at most once.
func May(name string, t *Type) Member { return Member{Name: name, Max: 1, Type: t} }

// Some is a member that stands at least once.
func Some(name string, t *Type) Member { return Member{Name: name, Min: 1, Type: t} }

// Free is a member that stands as often as one likes.
func Free(name string, t *Type) Member { return Member{Name: name, Type: t} }

// In puts a member into a namespace.
func In(space string, m Member) Member { m.Space = space; return m }

// Of makes a member one of a choice.
func Of(choice int, m Member) Member { m.Choice = choice; return m }

// Attribute is one that may stand, Must makes a member one that has to.
func Attribute(space, name string, v *Value) Member {
	return Member{Name: name, Space: space, Attribute: true, Max: 1, Type: Leaf(v)}
}

// Must makes a member one that has to stand.
func Must(m Member) Member { m.Min = 1; return m }

// Codes is the value of one of a list of codes, white space around it apart.
func Codes(codes ...string) *Value {
	return &Value{Collapse: true, Match: func(s string) bool { return slices.Contains(codes, s) }, Rule: "code", Hint: strings.Join(codes, ", ")}
}

// Matching is a value that a pattern matches as a whole, white space around it apart.
func Matching(pattern, rule, hint string) *Value {
	re := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return &Value{Collapse: true, Match: re.MatchString, Rule: rule, Hint: hint}
}
