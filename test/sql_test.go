package arch_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	migrationName = regexp.MustCompile(`^\d{5}_[a-z0-9_]+\.sql$`)
	sqlComment    = regexp.MustCompile(`--[^\n]*`)
	createTable   = regexp.MustCompile(`(?is)CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)\s*\(`)
	addColumn     = regexp.MustCompile(`(?i)ALTER\s+TABLE\s+(\w+)\s+ADD\s+(?:COLUMN\s+)?(\w+)\s+(\w+)`)
	oneDialect    = regexp.MustCompile(`(?i)\b(\w+\s+SERIAL|AUTOINCREMENT|BIGSERIAL|SMALLSERIAL|BLOB|INTEGER|INT\b|BOOLEAN|TIMESTAMP|TIMESTAMPTZ|DATETIME|JSONB|JSON|VARCHAR|REAL|NUMERIC|WITHOUT\s+ROWID|GENERATED|PRAGMA|NOW\s*\(|datetime\s*\(|strftime\s*\()`)
	kindColumn    = regexp.MustCompile(`(?is)^kind\s+TEXT\s+NOT\s+NULL\b(.*)$`)
	kindCheck     = regexp.MustCompile(`(?is)CHECK\s*\(\s*kind\s+IN\s*\(\s*'live'\s*,\s*'exercise'\s*,\s*'test'\s*\)\s*\)`)
	leaves        = regexp.MustCompile(`(^|_)(outbox|inbox|job|message|notification|timer|schedule|delivery)$`)
	inlineSQL     = regexp.MustCompile(`(?is)^\s*(SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|WITH)\s.*`)
	questionMark  = regexp.MustCompile(`[=(,\s]\?[\s,)]|[=(,\s]\?$`)
)

// columns splits the body of a CREATE TABLE at its own commas; the second result
// is what follows the closing bracket.
func columns(body string) ([]string, string) {
	depth, start := 0, 0
	var parts []string
	for i, r := range body {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth == 0:
			return append(parts, strings.TrimSpace(body[start:i])), body[i+1:]
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(body[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(body[start:])), ""
}

// migrationWrong returns the faults of one migration file.
func migrationWrong(name, text string) []string {
	var wrong []string
	if !migrationName.MatchString(name) {
		wrong = append(wrong, "its name is not NNNNN_name.sql: the order of migrations would be open")
	}
	for _, mark := range []string{"-- +goose Up", "-- +goose Down"} {
		if !strings.Contains(text, mark) {
			wrong = append(wrong, "it lacks the line "+mark)
		}
	}
	body := sqlComment.ReplaceAllString(text, "")
	for _, m := range oneDialect.FindAllString(body, -1) {
		wrong = append(wrong, "it says "+m+": SQLite and PostgreSQL share TEXT, BIGINT and BYTEA only")
	}
	for _, m := range addColumn.FindAllStringSubmatch(body, -1) {
		if !slices.Contains([]string{"TEXT", "BIGINT", "BYTEA"}, strings.ToUpper(m[3])) {
			wrong = append(wrong, m[1]+"."+m[2]+" is of type "+m[3])
		}
	}
	for _, at := range createTable.FindAllStringSubmatchIndex(body, -1) {
		table := body[at[2]:at[3]]
		cols, rest := columns(body[at[1]:])
		if !strings.HasPrefix(strings.TrimSpace(rest), "/*strict*/;") {
			wrong = append(wrong, table+" does not end in \") /*strict*/;\": SQLite would take any type in any column")
		}
		state, kind := false, ""
		for _, c := range cols {
			f := strings.Fields(c)
			if len(f) == 0 || slices.Contains([]string{"PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "CONSTRAINT"}, strings.ToUpper(strings.SplitN(f[0], "(", 2)[0])) {
				continue
			}
			if len(f) < 2 || !slices.Contains([]string{"TEXT", "BIGINT", "BYTEA"}, strings.ToUpper(f[1])) {
				wrong = append(wrong, table+"."+f[0]+" is not TEXT, BIGINT or BYTEA")
			}
			switch f[0] {
			case "state":
				state = true
			case "kind":
				kind = c
			}
		}
		if !state && !leaves.MatchString(table) {
			continue
		}
		if m := kindColumn.FindStringSubmatch(kind); m == nil || !kindCheck.MatchString(m[1]) || regexp.MustCompile(`(?i)\bDEFAULT\b`).MatchString(m[1]) {
			wrong = append(wrong, table+" needs kind TEXT NOT NULL CHECK (kind IN ('live', 'exercise', 'test')) without a default: an exercise must never alarm anybody")
		}
	}
	return wrong
}

func TestMigrations(t *testing.T) {
	const frame = "-- +goose Up\n%\n-- +goose Down\nDROP TABLE a;\n"
	file := func(sql string) string { return strings.Replace(frame, "%", sql, 1) }
	for _, c := range []struct {
		name, text, want string
	}{
		{"00001_init.sql", file("CREATE TABLE a (id BIGINT PRIMARY KEY, body BYTEA NOT NULL, UNIQUE (id, body)) /*strict*/;"), ""},
		{"00001_init.sql", file("CREATE TABLE a_outbox (id BIGINT, kind TEXT NOT NULL CHECK (kind IN ('live','exercise','test'))) /*strict*/;"), ""},
		{"1_init.sql", file(""), "NNNNN"},
		{"00001_init.sql", "CREATE TABLE a (id BIGINT) /*strict*/;", "+goose Up"},
		{"00001_init.sql", file("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT) /*strict*/;"), "AUTOINCREMENT"},
		{"00001_init.sql", file("CREATE TABLE a (id SERIAL) /*strict*/;"), "SERIAL"},
		{"00001_init.sql", file("CREATE TABLE a (id DECIMAL(3, 2)) /*strict*/;"), "a.id is not"},
		{"00001_init.sql", file("CREATE TABLE a (id BIGINT);"), "/*strict*/"},
		{"00001_init.sql", file("CREATE TABLE a (id BIGINT, state TEXT NOT NULL) /*strict*/;"), "needs kind"},
		{"00001_init.sql", file("CREATE TABLE a_job (id BIGINT) /*strict*/;"), "needs kind"},
		{"00001_init.sql", file("CREATE TABLE a_job (kind TEXT NOT NULL DEFAULT 'live' CHECK (kind IN ('live','exercise','test'))) /*strict*/;"), "without a default"},
		{"00001_init.sql", file("CREATE TABLE a_job (kind TEXT NOT NULL) /*strict*/;"), "needs kind"},
		{"00002_more.sql", file("ALTER TABLE a ADD COLUMN b FLOAT;"), "a.b is of type"},
		{"00002_more.sql", file("ALTER TABLE a ADD COLUMN b INT;"), "it says INT"},
		{"00002_more.sql", file("INSERT INTO a SELECT b FROM c;"), ""},
	} {
		got := strings.Join(migrationWrong(c.name, c.text), "; ")
		if c.want == "" && got != "" || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("migrationWrong(%s, %q) = %q, want %q", c.name, c.text, got, c.want)
		}
	}
	root := repository(t).root
	for _, name := range files(t, root, func(p string) bool {
		return path.Ext(p) == ".sql" && strings.Contains("/"+path.Dir(p)+"/", "/migrations/")
	}) {
		for _, w := range migrationWrong(path.Base(name), read(t, root, name)) {
			t.Errorf("%s: %s", name, w)
		}
	}
}

// unnumbered tells whether a literal is SQL with parameters bound by order.
func unnumbered(s string) bool { return inlineSQL.MatchString(s) && questionMark.MatchString(s) }

func TestNumberedParameters(t *testing.T) {
	for s, want := range map[string]bool{
		"SELECT a FROM b WHERE c = ?":        true,
		"INSERT INTO a (b, c) VALUES (?, ?)": true,
		"SELECT a FROM b WHERE c = $1":       false,
		"Select a station?":                  false,
	} {
		if unnumbered(s) != want {
			t.Errorf("unnumbered(%q) = %v", s, !want)
		}
	}
	for _, s := range repository(t).sources {
		for _, l := range literals(s.file) {
			if unnumbered(l) && !in(s.path, "test") {
				t.Errorf("%s binds parameters by ? in %q\n\t$1, $2 mean the same on both databases", s.path, l)
			}
		}
	}
}
