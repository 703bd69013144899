package simulator

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Sort is what a node of a document is.
type Sort int

// The sorts. XML has groups and texts only.
const (
	Group Sort = iota
	String
	Number
	Bool
	Array
	Null
)

// Node is a part of a document, of XML and JSON alike.
type Node struct {
	Name, Space string
	Sort        Sort
	Text        string
	Attributes  map[string]string
	Kids        []Node
}

// Get returns the first part of a name; nil if there is none. A nil node has no parts.
func (n *Node) Get(names ...string) *Node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		at := slices.IndexFunc(n.Kids, func(k Node) bool { return k.Name == name })
		if at < 0 {
			return nil
		}
		n = &n.Kids[at]
	}
	return n
}

// String is the text of a part, "" without it.
func (n *Node) String() string {
	if n == nil {
		return ""
	}
	return n.Text
}

// Time is the text of a part as a time, zero without it.
func (n *Node) Time() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, n.String())
	return t
}

// Int is the text of a part as a whole number, 0 without it.
func (n *Node) Int() int {
	i, _ := strconv.Atoi(n.String())
	return i
}

// Float is the text of a part as a number, 0 without it.
func (n *Node) Float() float64 {
	f, _ := strconv.ParseFloat(n.String(), 64)
	return f
}

// Check says what is wrong with a value, "" if nothing is.
type Check func(Node) (Reason, string)

// Rule is a line of a profile's tables.
type Rule struct {
	Name     string
	Min, Max int
	Is       Check  // of a value; nil without Parts: anything may stand there
	Parts    []Rule // of a group
}

// One, Maybe and Many make rules: once, at most once, up to max times.
func One(name string, is Check, parts ...Rule) Rule   { return Rule{name, 1, 1, is, parts} }
func Maybe(name string, is Check, parts ...Rule) Rule { return Rule{name, 0, 1, is, parts} }
func Many(name string, max int, is Check, parts ...Rule) Rule {
	return Rule{name, 0, max, is, parts}
}

// Grammar judges a document by rules.
type Grammar struct {
	Separator string // in paths
	JSON      bool   // what may repeat is an array, values have sorts; else the order counts
	found     []Fault
}

// Judge returns what is wrong with the parts of a node.
func (g *Grammar) Judge(n Node, at string, rules []Rule) []Fault {
	g.found = nil
	g.group(n, at, rules)
	return g.found
}

func (g *Grammar) wrong(r Reason, at, format string, args ...any) {
	g.found = append(g.found, Fault{r, at, fmt.Sprintf(format, args...)})
}

func (g *Grammar) group(n Node, at string, rules []Rule) {
	if n.Sort != Group {
		g.wrong(Structure, at, "has no parts")
		return
	}
	if !g.JSON && strings.TrimSpace(n.Text) != "" {
		g.wrong(Structure, at, "has text between its parts")
	}
	count := map[string]int{}
	place := 0
	for _, k := range n.Kids {
		here := at + g.Separator + k.Name
		i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == k.Name })
		if i < 0 {
			g.wrong(Structure, here, "is not permitted here")
			continue
		}
		r := rules[i]
		if count[k.Name]++; count[k.Name] > r.Max && !g.JSON {
			g.wrong(Structure, here, "stands more than %d times", r.Max)
		}
		if !g.JSON && i < place {
			g.wrong(Structure, here, "stands in the wrong place")
		}
		place = i
		if g.JSON && r.Max > 1 {
			g.array(k, here, r)
		} else {
			g.value(k, here, r)
		}
	}
	for _, r := range rules {
		if r.Min > 0 && count[r.Name] == 0 {
			g.wrong(Structure, at+g.Separator+r.Name, "is missing")
		}
	}
}

func (g *Grammar) array(n Node, at string, r Rule) {
	if n.Sort != Array || len(n.Kids) == 0 || len(n.Kids) > r.Max {
		g.wrong(Structure, at, "is no array of 1 to %d", r.Max)
		return
	}
	for i, k := range n.Kids {
		g.value(k, at+g.Separator+strconv.Itoa(i), r)
	}
}

func (g *Grammar) value(n Node, at string, r Rule) {
	if r.Parts != nil {
		g.group(n, at, r.Parts)
		if len(n.Kids) == 0 && n.Sort == Group {
			g.wrong(Structure, at, "is empty")
		}
		return
	}
	if r.Is == nil { // anything
		return
	}
	if len(n.Kids) > 0 || len(n.Attributes) > 0 {
		g.wrong(Structure, at, "has parts")
		return
	}
	if reason, text := r.Is(n); text != "" {
		g.wrong(reason, at, "%s", text)
	}
}

// Words is a text of 1 to max characters.
func Words(max int) Check {
	return func(n Node) (Reason, string) {
		if l := utf8.RuneCountInString(n.Text); n.Sort != String || l < 1 || l > max {
			return Structure, fmt.Sprintf("is no text of 1 to %d characters", max)
		}
		return "", ""
	}
}

// Like is a text as a pattern says, whole.
func Like(pattern string, max int) Check {
	whole := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return func(n Node) (Reason, string) {
		if n.Sort != String || utf8.RuneCountInString(n.Text) > max || !whole.MatchString(n.Text) {
			return Structure, fmt.Sprintf("%.40q is not as %s with at most %d characters", n.Text, pattern, max)
		}
		return "", ""
	}
}

// Among is a code of a closed list.
func Among(codes ...string) Check {
	return func(n Node) (Reason, string) {
		if n.Sort != String || !slices.Contains(codes, n.Text) {
			return UnknownCode, fmt.Sprintf("%.40q is none of %s", n.Text, strings.Join(codes, ", "))
		}
		return "", ""
	}
}

// Moment is a time with an offset.
func Moment(n Node) (Reason, string) {
	if _, err := time.Parse(time.RFC3339Nano, n.Text); n.Sort != String || err != nil {
		return Structure, fmt.Sprintf("%.40q is no time with an offset", n.Text)
	}
	return "", ""
}

// Identifier is a UUID in lower case.
var Identifier = Like("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", 36)

// Whole is a whole number within bounds, of the sort a document writes numbers in.
func Whole(sort Sort, low, high int) Check {
	return func(n Node) (Reason, string) {
		if i, err := strconv.Atoi(n.Text); n.Sort != sort || err != nil || i < low || i > high {
			return Structure, fmt.Sprintf("%.40q is no whole number from %d to %d", n.Text, low, high)
		}
		return "", ""
	}
}

// Degrees is an angle up to a limit either way.
func Degrees(sort Sort, limit float64) Check {
	return func(n Node) (Reason, string) {
		if f, err := strconv.ParseFloat(n.Text, 64); n.Sort != sort || err != nil || !(f >= -limit && f <= limit) || strings.ContainsAny(n.Text, "xXpPeE_") {
			return Structure, fmt.Sprintf("%.40q is no angle up to %v degrees", n.Text, limit)
		}
		return "", ""
	}
}

// Truth is yes or no.
func Truth(sort Sort) Check {
	return func(n Node) (Reason, string) {
		if n.Sort != sort || n.Text != "true" && n.Text != "false" {
			return Structure, fmt.Sprintf("%.40q is neither true nor false", n.Text)
		}
		return "", ""
	}
}
