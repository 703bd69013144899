package disclosure

import (
	"context"
	"slices"
	"strings"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/web"
)

// shipped are the reasons of the rules the program comes with: the text as it stands in
// the table, and the first rule that has it, whose name its translations have.
var shipped = func() map[string]string {
	all := map[string]string{}
	for _, r := range Default() {
		if all[r.Reason] == "" {
			all[r.Reason] = r.ID
		}
	}
	return all
}()

// reasonText is a reason in the reader's language while it is one the program comes
// with; what an authority has written stays as it is.
func reasonText(ctx context.Context, reason string) string {
	if id := shipped[reason]; id != "" {
		return t(ctx, "disclosure.reason."+id)
	}
	return reason
}

// anyText is a column of a rule in words where it limits nothing.
func anyText(ctx context.Context, value string) string {
	if value == Any {
		return t(ctx, "disclosure.any")
	}
	return value
}

// classText is a class of incidents in words and by its name.
func classText(ctx context.Context, class string) string {
	if name := ClassName(web.Lang(ctx), class); name != class {
		return name + " (" + class + ")"
	}
	return anyText(ctx, class)
}

// pathText says what a field is about, "" where its name has to do. Path may be that of
// a value, of a rule, or a group that was given as one.
func pathText(ctx context.Context, path string) string {
	path = unnumbered(path)
	switch path {
	case AllPersonal:
		return t(ctx, "disclosure.path.personal")
	case AllWords:
		return t(ctx, "disclosure.path.words")
	}
	g := Group(path)
	if n := slices.IndexFunc(leaves, func(l leaf) bool { return l.path == path || strings.HasPrefix(l.path, path+".") }); n >= 0 {
		g = leaves[n].group
	}
	if g == Data || !slices.Contains(Groups, g) {
		return ""
	}
	return t(ctx, "disclosure.group."+string(g))
}

// ruleText names what decided: a rule, or the person who did without one.
func ruleText(ctx context.Context, rule string) string {
	switch rule {
	case ruleAsked, ruleEmergency:
		return t(ctx, "disclosure.rule."+rule)
	}
	return rule
}

// peerName is what a neighbour is called, its OID where nobody is known by it.
func peerName(all []exchange.Neighbour, oid string) string {
	if n := slices.IndexFunc(all, func(n exchange.Neighbour) bool { return n.OID == oid }); n >= 0 {
		return all[n].Name
	}
	return oid
}
