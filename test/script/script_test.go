package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"trojmezi/test/freeport"
)

const root = "../.."

// binaryEnv names the variable with the path of a binary that is built already.
const binaryEnv = "TROJMEZI_BIN"

func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	bin := t.TempDir()
	if built := os.Getenv(binaryEnv); built != "" {
		path, err := filepath.Abs(built)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, "trojmezi")); err != nil {
			t.Fatal(err)
		}
	} else {
		build := exec.Command("go", "build", "-o", filepath.Join(bin, "trojmezi"), "./cmd/trojmezi")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
			ports := strings.NewReplacer("3001", fmt.Sprint(freeport.Port()), "8080", fmt.Sprint(freeport.Port()))
			e.Setenv("EXCHANGE", ports.Replace("http://127.0.0.1:3001"))
			e.Setenv("DOLLAR", "$")
			e.Setenv("WEB", ports.Replace("http://127.0.0.1:8080"))
			for _, name := range []string{"PORT_A", "PORT_B", "WEB_A", "WEB_B"} {
				e.Setenv(name, fmt.Sprint(freeport.Port()))
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "api.md"), []byte(ports.Replace(string(page))), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"block": block, "examples": examples, "fill": fill, "json": jsonValue, "hold": hold, "tamper": tamper},
	})
}

var fences = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// block writes the first block of a language to a file: block PAGE LANGUAGE FILE.
func block(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: block page language file")
	}
	for _, m := range fences.FindAllStringSubmatch(ts.ReadFile(args[0]), -1) {
		if m[1] == args[1] {
			ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(m[2]), 0o600))
			return
		}
	}
	ts.Fatalf("%s has no block of %s", args[0], args[1])
}

// examples runs all sh blocks of a page in one shell and compares the output of
// each with the json block that follows it: examples PAGE. In that, … stands for
// anything.
func examples(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: examples page")
	}
	const mark = "=== end of an example"
	script := "set -eu\n"
	var want []string
	for _, m := range fences.FindAllStringSubmatch(ts.ReadFile(args[0]), -1) {
		switch m[1] {
		case "sh":
			script += m[2] + "\necho; echo '" + mark + "'\n"
			want = append(want, "")
		case "json":
			if len(want) == 0 {
				ts.Fatalf("an answer before the first command")
			}
			want[len(want)-1] = strings.TrimSpace(m[2])
		}
	}
	if len(want) < 10 {
		ts.Fatalf("only %d examples found", len(want))
	}
	ts.Check(os.WriteFile(ts.MkAbs("examples.sh"), []byte(script), 0o600))
	ts.Check(ts.Exec("sh", "examples.sh"))
	got := strings.Split(ts.ReadFile("stdout"), mark)
	for i, w := range want {
		var parts []string
		for _, p := range strings.Split(w, "…") {
			parts = append(parts, regexp.QuoteMeta(p))
		}
		answer := strings.TrimSpace(got[i])
		if !regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(answer) {
			ts.Fatalf("example %d:\n got %s\nwant %s", i+1, answer, w)
		}
	}
}

// fill replaces $NAME in a file by the script's environment: fill FILE...
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: fill file...")
	}
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// jsonValue reads the JSON value on standard output and compares what is at
// a path of names and indexes with a text, or only demands that it is there; with
// "." the whole value: json PATH [VALUE].
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 2 || neg && len(args) != 2 {
		ts.Fatalf("usage: [!] json path [value]")
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	ts.Check(dec.Decode(&v))
	for step := range strings.SplitSeq(strings.Trim(args[0], "."), ".") {
		switch at := v.(type) {
		case map[string]any:
			if step == "" {
				continue
			}
			next, ok := at[step]
			if !ok {
				ts.Fatalf("no %q in %v", step, at)
			}
			v = next
		case []any:
			if step == "" {
				continue
			}
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(at) {
				ts.Fatalf("no item %s among %d", step, len(at))
			}
			v = at[i]
		default:
			ts.Fatalf("nothing below %v", v)
		}
	}
	if len(args) == 2 && (fmt.Sprint(v) == args[1]) == neg {
		ts.Fatalf("%s is %v, want %s (negated: %v)", args[0], v, args[1], neg)
	}
}

// hold listens on a port of this machine until the script ends, unless somebody
// else has it already: hold PORT.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold port")
	}
	if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0])); err == nil {
		ts.Defer(func() { l.Close() })
	}
}

// tamper replaces the first occurrence of a text in a file: tamper FILE OLD NEW.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: tamper file old new")
	}
	text := []byte(ts.ReadFile(args[0]))
	if !bytes.Contains(text, []byte(args[1])) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Replace(text, []byte(args[1]), []byte(args[2]), 1), 0o600))
}
