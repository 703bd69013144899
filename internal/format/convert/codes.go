package convert

import (
	"encoding/csv"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"unicode/utf8"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/format/ucri/schema"
)

// Codes are the codes of one list of a foreign format and what they mean.
type Codes []struct{ Foreign, Means string }

// ParseCodes reads lists of codes from a CSV table with the columns list, code, means
// and any others, which are for people. Of several codes that mean the same the first
// is written, and of several meanings of a code the first is read. It panics if the
// table, which is part of the program, is none.
func ParseCodes(table string) map[string]Codes {
	lists := map[string]Codes{}
	for _, r := range rows(table, 3) {
		lists[r[0]] = append(lists[r[0]], struct{ Foreign, Means string }{r[1], r[2]})
	}
	return lists
}

// rows are those of a CSV table of the program, without its head.
func rows(table string, columns int) [][]string {
	all, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(all) < 2 || len(all[0]) < columns {
		panic(fmt.Sprintf("convert: not a table with %d columns: %v", columns, err))
	}
	return all[1:]
}

func (c Codes) means(foreign string) (string, bool) {
	for _, e := range c {
		if e.Foreign == strings.TrimSpace(foreign) {
			return e.Means, true
		}
	}
	return "", false
}

func (c Codes) foreign(means string) (string, bool) {
	for _, e := range c {
		if e.Means == means {
			return e.Foreign, true
		}
	}
	return "", false
}

// ParseShape reads what a format demands from a CSV table with the columns key, n, type,
// size, pattern, in the order of the format. A row comes after that of what it stands in.
//
//   - key as in Cells; "@name" is an attribute of the part it stands in
//   - n is 1, 0-1, 0-n, 0-NUMBER, or choice: of those in one part exactly one stands
//   - type is part, text, time (with an offset from UTC), uuid (in lower case), number,
//     whole, flag, code:LIST of codes, or =KEY: the same as that part
//   - size is FROM..TO, of a text in characters, of a number its value; "": any
//   - pattern is a regular expression for all of the text; "": any
//
// It panics if the table, which is part of the program, is none.
func ParseShape(table string, codes map[string]Codes) *shape.Type {
	parts := map[string]*shape.Type{"": {}}
	for _, r := range rows(table, 5) {
		key, kind := r[0], r[2]
		in, name := "", key
		if i := strings.LastIndexByte(key, '/'); i >= 0 {
			in, name = key[:i], key[i+1:]
		}
		m := shape.Member{Min: 1, Max: 1}
		m.Name, m.Attribute = strings.CutPrefix(name, tree.AttributeMark)
		switch low, high, _ := strings.Cut(r[1], "-"); {
		case r[1] == "choice":
			m.Choice = 1
		case high != "":
			m.Min, _ = strconv.Atoi(low)
			m.Max, _ = strconv.Atoi(high) // n: any number
		}
		switch same, ok := strings.CutPrefix(kind, "="); {
		case ok:
			m.Type = parts[same]
		case kind == "part":
			m.Type = &shape.Type{}
		default:
			m.Type = &shape.Type{Value: valueOf(r, codes)}
		}
		if parts[in] == nil || m.Type == nil {
			panic("convert: row " + key + " stands before what it needs")
		}
		parts[key] = m.Type
		parts[in].Members = append(parts[in].Members, m)
	}
	return parts[""]
}

// valueOf is what a row permits.
func valueOf(r []string, codes map[string]Codes) *shape.Value {
	kind, list, _ := strings.Cut(r[2], ":")
	v := &shape.Value{Collapse: kind != "text", Rule: "value", Hint: r[3]}
	low, high, bounded := bounds(r[3])
	var like *regexp.Regexp
	if r[4] != "" {
		like, v.Hint = regexp.MustCompile("^(?:"+r[4]+")$"), r[4]
	}
	var is func(string) bool
	switch kind {
	case "text":
	case "time":
		v.Rule, v.Hint, is = "time", "2026-11-30T10:15:00+01:00", isTimeText
	case "uuid":
		is = func(s string) bool { return schema.IsUUID(s) && strings.ToLower(s) == s }
	case "number", "whole":
		v.Rule, v.JSON = "number", []tree.Kind{tree.Number}
		is = func(s string) bool { return isNumber(s, kind == "whole") }
	case "flag":
		v.JSON = []tree.Kind{tree.Boolean}
		is = func(s string) bool { return s == "true" || s == "false" }
	case "code":
		v.Rule, v.Hint = "code", allOf(codes[list])
		is = func(s string) bool { _, ok := codes[list].means(s); return ok }
	default:
		panic("convert: row " + r[0] + ": no type " + r[2])
	}
	v.Match = func(s string) bool {
		if is != nil && !is(s) || like != nil && !like.MatchString(s) {
			return false
		}
		if !bounded {
			return true
		}
		size := float64(utf8.RuneCountInString(s))
		if v.Rule == "number" {
			size, _ = strconv.ParseFloat(s, 64)
		}
		return size >= low && size <= high
	}
	return v
}

func bounds(size string) (low, high float64, ok bool) {
	from, to, ok := strings.Cut(size, "..")
	if !ok {
		return 0, 0, false
	}
	low, err := strconv.ParseFloat(from, 64)
	high, err2 := strconv.ParseFloat(to, 64)
	if err != nil || err2 != nil {
		panic("convert: no size: " + size)
	}
	return low, high, true
}

func allOf(c Codes) string {
	all := []string{}
	for _, e := range c {
		if !slices.Contains(all, e.Foreign) {
			all = append(all, e.Foreign)
		}
	}
	return strings.Join(all, ", ")
}

var plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

func isNumber(s string, whole bool) bool {
	return plainNumber.MatchString(s) && !(whole && strings.Contains(s, "."))
}

// isTimeText reports whether a text is a moment of RFC 3339 that other formats can say too.
func isTimeText(s string) bool {
	_, ok := ucri.ParseTime(s)
	if !ok {
		return false
	}
	_, ok = moment(derived(s, nil))
	return ok
}
