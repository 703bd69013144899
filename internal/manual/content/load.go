package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// dutiesFile is the table of the law, beside the folder of fragments.
const dutiesFile = "duties.csv"

// versionDigits of the hash tell two versions of some hundred texts apart for sure.
const versionDigits = 12

const (
	maxWords     = 30 // of an official text: what fits one step on a phone
	maxEasyWords = 12 // of a sentence in easy language
	maxPriority  = 3
)

// What fields of closed vocabularies may hold.
var (
	actors = []string{"municipality", "mayor", "deputy", "council", "office", "flood_authority", "flood_commission", "orp_mayor", "orp_office", "crisis_authority",
		"waterworks_owner", "water_authority", "building_authority", "regional_office", "governor", "government", "parliament"}
	coverages = []string{string(Action), string(Review), string(NotMunicipal)}
	statuses  = []string{"verified", "verified-secondary", "from-memory"}
	whens     = []string{"", "crisis_state", "help_requested", "collection"}
	phases    = []string{"prepare", "watch", "alarm", "act", "recover", "evaluate"}
	roles     = []string{"mayor", "deputy", "office", "commander", "commission", "police"}
	calls     = []string{"112", "150", "155", "158", "hzs_kopis", "orp", "region", "upstream", "downstream", "neighbours", "deputy", "commander", "municipal_police",
		"river_basin", "water_company", "power_grid", "road_owner", "forest_owner", "khs", "kvs", "building_office", "it_support", "school", "care_home"}
)

var dutyColumns = []string{"id", "actor", "phase", "hazard", "guard", "when", "coverage", "source", "status", "valid_from", "valid_to", "cs", "de", "pl", "en",
	"deadline_cs", "deadline_de", "deadline_pl", "deadline_en", "document_cs", "document_de", "document_pl", "document_en"}

// Load reads a folder with duties.csv and fragments/*.yaml and proves it. The findings are
// in the order of the files; content with any is not for use.
func Load(files fs.FS) (*Content, []Finding) {
	c, found := read(files)
	if len(found) == 0 {
		found = c.Check()
	}
	return c, found.sorted()
}

// read does all of Load but the proof.
func read(files fs.FS) (*Content, findings) {
	c := &Content{duties: map[string]*Duty{}, schema: fact.Shipped()}
	var found findings
	hash := sha256.New()
	body, err := fs.ReadFile(files, dutiesFile)
	if err != nil {
		found.add(place{file: dutiesFile}, "content.finding.unreadable", i18n.Args{"reason": err.Error()})
		return c, found
	}
	hash.Write(body)
	c.readDuties(body, &found)
	names, err := fs.Glob(files, "fragments/*.yaml")
	if err != nil || len(names) == 0 {
		found.add(place{file: "fragments"}, "content.finding.no_fragments", nil)
		return c, found
	}
	var all []*Fragment
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			found.add(place{file: name}, "content.finding.unreadable", i18n.Args{"reason": err.Error()})
			continue
		}
		hash.Write([]byte(name))
		hash.Write(body)
		all = append(all, c.readFragments(name, body, &found)...)
	}
	c.Fragments = make([]Fragment, len(all))
	first := map[string]int{}
	for i, f := range all {
		c.Fragments[i] = *f
		if j, twice := first[f.ID]; twice && f.ID != "" {
			found.add(place{f.File, f.Line, 1}, "content.finding.id_twice", i18n.Args{"id": f.ID, "file": all[j].File, "line": strconv.Itoa(all[j].Line)})
		}
		first[f.ID] = i
	}
	c.Version = hex.EncodeToString(hash.Sum(nil))[:versionDigits]
	return c, found
}

func (c *Content) readDuties(body []byte, found *findings) {
	lines := strings.Split(string(body), "\n")
	r := csv.NewReader(bytes.NewReader(body))
	r.FieldsPerRecord = -1
	at := func(line, column int) place { // encoding/csv counts bytes, an author's editor characters
		if line >= 1 && line <= len(lines) && column >= 1 && column-1 <= len(lines[line-1]) {
			column = utf8.RuneCountInString(lines[line-1][:column-1]) + 1
		}
		return place{dutiesFile, line, column}
	}
	records, positions := [][]string{}, [][]place{}
	for {
		record, err := r.Read()
		if err != nil {
			var wrong *csv.ParseError
			if errors.As(err, &wrong) {
				found.add(at(wrong.Line, wrong.Column), "content.finding.csv", nil)
			}
			break
		}
		pos := make([]place, len(record))
		for i := range record {
			pos[i] = at(r.FieldPos(i))
		}
		records, positions = append(records, record), append(positions, pos)
	}
	if len(records) == 0 || !slices.Equal(records[0], dutyColumns) {
		found.add(place{dutiesFile, 1, 1}, "content.finding.columns", i18n.Args{"columns": strings.Join(dutyColumns, ",")})
		return
	}
	list := make([]*Duty, 0, len(records)-1)
	for n, record := range records[1:] {
		pos := positions[n+1]
		if len(record) != len(dutyColumns) {
			found.add(pos[0], "content.finding.cells", i18n.Args{"count": strconv.Itoa(len(record)), "want": strconv.Itoa(len(dutyColumns))})
			continue
		}
		cell := func(name string) string { return record[slices.Index(dutyColumns, name)] }
		where := func(name string) place { return pos[slices.Index(dutyColumns, name)] }
		among := func(name string, values []string) string {
			if !slices.Contains(values, cell(name)) {
				found.add(where(name), "content.finding.value", i18n.Args{"field": name, "value": cell(name), "values": listed(values)})
			}
			return cell(name)
		}
		d := &Duty{ID: cell("id"), Actor: among("actor", actors), Phase: cell("phase"), Hazard: cell("hazard"), When: among("when", whens),
			Coverage: Coverage(among("coverage", coverages)), Source: cell("source"), Status: among("status", statuses),
			Text: Texts{}, Deadline: Texts{}, Document: Texts{}, Line: pos[0].line}
		if d.ID == "" || c.duties[d.ID] != nil {
			found.add(where("id"), "content.finding.duty_id", i18n.Args{"id": d.ID})
			continue
		}
		for name, day := range map[string]*string{"valid_from": &d.ValidFrom, "valid_to": &d.ValidTo} {
			*day = cell(name)
			if _, err := time.Parse(time.DateOnly, *day); *day != "" && err != nil {
				found.add(where(name), "content.finding.date", i18n.Args{"value": *day})
			}
		}
		if d.ValidTo != "" && d.ValidTo < d.ValidFrom {
			found.add(where("valid_to"), "content.finding.ends_before", i18n.Args{"id": d.ID})
		}
		if d.Source == "" {
			found.add(where("source"), "content.finding.no_source", i18n.Args{"id": d.ID})
		}
		for _, l := range i18n.Langs {
			d.Text[l], d.Deadline[l] = cell(string(l)), cell("deadline_"+string(l))
			if document := cell("document_" + string(l)); document != "" {
				d.Document[l] = document
			}
			for name, want := range map[string]bool{string(l): true, "deadline_" + string(l): true, "document_" + string(l): d.Coverage == Review} {
				if (cell(name) != "") != want {
					key := "content.finding.cell_missing"
					if !want {
						key = "content.finding.document_unwanted"
					}
					found.add(where(name), key, i18n.Args{"field": name, "id": d.ID})
				}
			}
			if l != i18n.En && d.Text[l] != "" && d.Text[l] == cell("en") {
				found.add(where(string(l)), "content.finding.same_as_english", i18n.Args{"lang": string(l)})
			}
		}
		if source := cell("guard"); source != "" {
			c.compile(&d.guard, source, where("guard"), found)
		}
		c.duties[d.ID] = d
		list = append(list, d)
	}
	c.Duties = make([]Duty, len(list))
	for i, d := range list {
		c.Duties[i] = *d
		c.duties[d.ID] = &c.Duties[i]
	}
}

// listed writes a vocabulary for a message.
func listed(values []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" }), ", ")
}

// compile makes a guard of its source, which begins at a place.
func (c *Content) compile(g *guard, source string, at place, found *findings) {
	g.source, g.at = source, at
	compiled, err := c.schema.Guard(source)
	if err == nil {
		g.compiled = compiled
		return
	}
	for _, fault := range fact.FaultsOf(err) {
		there := at
		there.column += fault.Column - 1
		found.add(there, "content.finding.guard", i18n.Args{"guard": source})
		(*found)[len(*found)-1].Cause = fault
	}
}

// yamlLine is how the library names the place of a syntax error.
var yamlLine = regexp.MustCompile(`line (\d+)`)

func (c *Content) readFragments(name string, body []byte, found *findings) []*Fragment {
	var doc yaml.Node
	if err := yaml.Unmarshal(body, &doc); err != nil {
		at := place{file: name, line: 1, column: 1}
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			at.line, _ = strconv.Atoi(m[1])
		}
		lines := strings.Split(string(body), "\n")
		if at.line <= len(lines) && at.line > 0 {
			line := lines[at.line-1]
			at.column = len(line) - len(strings.TrimLeft(line, " ")) + 1
		}
		found.add(at, "content.finding.yaml", nil)
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.SequenceNode {
		found.add(place{name, root.Line, root.Column}, "content.finding.no_list", nil)
		return nil
	}
	var all []*Fragment
	for _, node := range root.Content {
		r := fragmentReader{c: c, file: name, found: found}
		if f := r.read(node); f != nil {
			all = append(all, f)
		}
	}
	return all
}

// fragmentReader reads one entry of a file of fragments.
type fragmentReader struct {
	c     *Content
	file  string
	found *findings
}

func (r *fragmentReader) at(n *yaml.Node) place { return place{r.file, n.Line, n.Column} }

func (r *fragmentReader) add(n *yaml.Node, key string, args i18n.Args) {
	r.found.add(r.at(n), key, args)
}

var fragmentFields = []string{"id", "duty", "phase", "role", "when", "applies", "alternatives", "priority", "deadline_min", "card", "call", "text", "easy", "checked"}

func (r *fragmentReader) read(node *yaml.Node) *Fragment {
	fields := r.mapping(node, fragmentFields)
	if fields == nil {
		return nil
	}
	f := &Fragment{File: r.file, Line: node.Line}
	for _, name := range []string{"id", "duty", "phase", "role", "priority", "text", "easy"} {
		if fields[name] == nil {
			r.add(node, "content.finding.field_missing", i18n.Args{"field": name})
		}
	}
	f.Phase, f.Role = r.among(fields["phase"], "phase", phases), r.among(fields["role"], "role", roles)
	f.Hazard = strings.TrimSuffix(path.Base(r.file), ".yaml")
	if n := fields["id"]; n != nil {
		f.ID = r.scalar(n)
		prefix := f.Hazard + "." + f.Phase + "."
		number, ok := strings.CutPrefix(f.ID, prefix)
		if _, err := strconv.Atoi(number); !ok || err != nil {
			r.add(n, "content.finding.id", i18n.Args{"id": f.ID, "want": prefix + "010"})
		}
	}
	for _, n := range r.list(fields["duty"]) {
		f.Duties = append(f.Duties, r.scalar(n))
		switch d := r.c.duties[n.Value]; {
		case d == nil:
			r.add(n, "content.finding.duty_unknown", i18n.Args{"id": n.Value})
		case d.Coverage == NotMunicipal:
			r.add(n, "content.finding.duty_not_municipal", i18n.Args{"id": n.Value})
		}
	}
	for _, n := range r.list(fields["call"]) {
		f.Call = append(f.Call, r.among(n, "call", calls))
	}
	f.Priority = r.number(fields["priority"], "priority", maxPriority)
	f.Deadline = time.Duration(r.number(fields["deadline_min"], "deadline_min", 1<<20)) * time.Minute
	if n := fields["card"]; n != nil && n.Decode(&f.Card) != nil {
		r.add(n, "content.finding.value", i18n.Args{"field": "card", "value": n.Value, "values": "true, false"})
	}
	if n := fields["alternatives"]; n != nil {
		f.Alternatives = r.scalar(n)
		if fields["applies"] == nil {
			r.add(n, "content.finding.alternative_always", i18n.Args{"group": f.Alternatives})
		}
	}
	r.guard(f, fields["when"], fields["applies"])
	f.Text, f.Easy = r.texts(fields["text"], "text"), r.texts(fields["easy"], "easy")
	r.lengths(fields["text"], fields["easy"])
	f.Checked = r.checked(fields["checked"])
	return f
}

// guard compiles each condition for itself, so that a mistake has its place, and then both.
func (r *fragmentReader) guard(f *Fragment, when, applies *yaml.Node) {
	var sources []string
	before := len(*r.found)
	for _, n := range []*yaml.Node{when, applies} {
		if n == nil {
			continue
		}
		at := r.at(n)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			at.column++
		}
		source := r.scalar(n)
		r.c.compile(&f.guard, source, at, r.found)
		sources = append(sources, source)
	}
	if when != nil {
		f.when = when.Value
		if f.Alternatives == "" {
			r.add(when, "content.finding.when_alone", nil)
		}
	}
	if len(sources) == 2 && len(*r.found) == before {
		r.c.compile(&f.guard, "("+sources[0]+") && ("+sources[1]+")", r.at(applies), r.found)
	}
}

// mapping returns the fields of a mapping by name, or nil if it is none.
func (r *fragmentReader) mapping(node *yaml.Node, known []string) map[string]*yaml.Node {
	if node.Kind != yaml.MappingNode {
		r.add(node, "content.finding.no_mapping", i18n.Args{"fields": strings.Join(known, ", ")})
		return nil
	}
	fields := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case !slices.Contains(known, key.Value):
			r.add(key, "content.finding.field_unknown", i18n.Args{"field": key.Value, "fields": strings.Join(known, ", ")})
		case fields[key.Value] != nil:
			r.add(key, "content.finding.field_twice", i18n.Args{"field": key.Value})
		default:
			fields[key.Value] = value
		}
	}
	return fields
}

func (r *fragmentReader) scalar(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		r.add(n, "content.finding.no_text", nil)
		return ""
	}
	return strings.TrimSpace(n.Value)
}

func (r *fragmentReader) list(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.add(n, "content.finding.no_values", nil)
		return nil
	}
	return n.Content
}

func (r *fragmentReader) among(n *yaml.Node, field string, values []string) string {
	if n == nil {
		return ""
	}
	s := r.scalar(n)
	if !slices.Contains(values, s) {
		r.add(n, "content.finding.value", i18n.Args{"field": field, "value": s, "values": listed(values)})
	}
	return s
}

func (r *fragmentReader) number(n *yaml.Node, field string, most int) int {
	if n == nil {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if err != nil || v < 1 || v > most {
		r.add(n, "content.finding.number", i18n.Args{"field": field, "value": n.Value, "most": strconv.Itoa(most)})
	}
	return v
}

var langNames = []string{"cs", "de", "pl", "en"}

func (r *fragmentReader) texts(n *yaml.Node, field string) Texts {
	if n == nil {
		return nil
	}
	byLang := r.mapping(n, langNames)
	if byLang == nil {
		return nil
	}
	texts := Texts{}
	for _, l := range i18n.Langs {
		v := byLang[string(l)]
		if v == nil || v.Kind == yaml.ScalarNode && strings.TrimSpace(v.Value) == "" {
			where := n
			if v != nil {
				where = v
			}
			r.add(where, "content.finding.text_missing", i18n.Args{"lang": string(l), "field": field})
			continue
		}
		texts[l] = r.scalar(v)
	}
	for _, l := range i18n.Langs {
		if l != i18n.En && texts[l] != "" && texts[l] == texts[i18n.En] {
			r.add(byLang[string(l)], "content.finding.same_as_english", i18n.Args{"lang": string(l)})
		}
	}
	return texts
}

// sentenceEnd is where a sentence of a text ends.
var sentenceEnd = regexp.MustCompile(`[.!?]+(\s+|$)`)

// lengths measures the texts: an official one as a whole, an easy one by sentence.
func (r *fragmentReader) lengths(text, easy *yaml.Node) {
	for i := 1; text != nil && text.Kind == yaml.MappingNode && i < len(text.Content); i += 2 {
		if n := len(strings.Fields(text.Content[i].Value)); n > maxWords {
			r.add(text.Content[i], "content.finding.long_text", i18n.Args{"words": strconv.Itoa(n), "most": strconv.Itoa(maxWords)})
		}
	}
	for i := 1; easy != nil && easy.Kind == yaml.MappingNode && i < len(easy.Content); i += 2 {
		for _, sentence := range sentenceEnd.Split(easy.Content[i].Value, -1) {
			if n := len(strings.Fields(sentence)); n > maxEasyWords {
				r.add(easy.Content[i], "content.finding.long_sentence", i18n.Args{"words": strconv.Itoa(n), "most": strconv.Itoa(maxEasyWords), "sentence": sentence})
			}
		}
	}
}

func (r *fragmentReader) checked(n *yaml.Node) map[i18n.Lang]Checked {
	if n == nil {
		return nil
	}
	all := map[i18n.Lang]Checked{}
	for lang, entry := range r.mapping(n, langNames) {
		fields := r.mapping(entry, []string{"by", "on"})
		by, on := fields["by"], fields["on"]
		if by == nil || on == nil || by.Value == "" {
			r.add(entry, "content.finding.checked", nil)
			continue
		}
		if _, err := time.Parse(time.DateOnly, on.Value); err != nil {
			r.add(on, "content.finding.checked", nil)
			continue
		}
		all[i18n.Lang(lang)] = Checked{by.Value, on.Value}
	}
	return all
}
