// Command testsum reads `go test -json` from standard input, prints what a
// person needs of it (one line per package, the output of what failed) and adds
// each result to a record file; `testsum -report` sums the record of several
// runs up. It does not run tests and does not judge them: the exit code of
// `go test` does.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// event is a line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// result is a line of the record file.
type result struct {
	Stage, Package, Test, Action, Reason string
	Seconds                              float64
}

// slowest is how many packages the report names with their seconds: where to look first
// when a run has become long.
const slowest = 15

func main() {
	stage := flag.String("stage", "test", "name of this run")
	record := flag.String("record", "", "file the results are added to")
	report := flag.Bool("report", false, "sum the record up instead of reading a run")
	flag.Parse()
	var err error
	if *report {
		err = sum(*record)
	} else {
		err = read(*stage, *record)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
}

func read(stage, record string) error {
	f, err := os.OpenFile(record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	out := json.NewEncoder(f)
	output := map[string][]string{}
	// A test's output line can be long: a golden file's difference, for one.
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, readErr := in.ReadString('\n')
		var e event
		switch {
		case line == "":
		case json.Unmarshal([]byte(line), &e) != nil:
			fmt.Print(line) // what the build says, and what make says
		default:
			id := e.Package + " " + e.Test
			switch e.Action {
			case "output", "build-output":
				if e.Action == "build-output" {
					fmt.Print(e.Output)
				}
				output[id] = append(output[id], e.Output)
			case "pass", "fail", "skip":
				if e.Action == "fail" {
					for _, o := range output[id] {
						fmt.Print("    ", o)
					}
				}
				if e.Test == "" {
					fmt.Printf("%-5s %7.1f s  %s\n", e.Action, e.Elapsed, e.Package)
				}
				if err := out.Encode(result{stage, e.Package, e.Test, e.Action, reason(e.Action, output[id]), e.Elapsed}); err != nil {
					return err
				}
				delete(output, id)
			}
		}
		if readErr != nil {
			break
		}
	}
	return f.Close()
}

// reason is what a skipped test said, without the frame `go test` puts round it.
func reason(action string, output []string) string {
	if action != "skip" {
		return ""
	}
	var said []string
	for _, o := range output {
		o = strings.TrimSpace(o)
		if o != "" && !strings.HasPrefix(o, "===") && !strings.HasPrefix(o, "---") {
			said = append(said, o)
		}
	}
	return strings.Join(said, " ")
}

// sum counts distinct tests: one that fails in any run has failed, one that
// passes in some and is skipped in others has passed.
func sum(record string) error {
	f, err := os.Open(record)
	if err != nil {
		return err
	}
	defer f.Close()
	rank := map[string]int{"skip": 0, "pass": 1, "fail": 2}
	best := map[string]string{}
	skips := map[string][]string{}
	var packages []result
	for dec := json.NewDecoder(f); dec.More(); {
		var r result
		if err := dec.Decode(&r); err != nil {
			return err
		}
		if r.Test == "" {
			packages = append(packages, r)
			if r.Action != "fail" { // its tests are counted; one that fails to build has none
				continue
			}
		}
		id := strings.TrimSpace(r.Package + " " + r.Test)
		if old, seen := best[id]; !seen || rank[r.Action] > rank[old] {
			best[id] = r.Action
		}
		if r.Action == "skip" {
			skips[id] = append(skips[id], r.Stage+": "+r.Reason)
		}
	}
	var never, partly []string
	count := map[string]int{}
	for id, action := range best {
		// A package fails with its tests; alone it counts only when none of them ran.
		if !strings.Contains(id, " ") && slices.ContainsFunc(slices.Collect(maps.Keys(best)), func(other string) bool {
			return strings.HasPrefix(other, id+" ") && best[other] == "fail"
		}) {
			continue
		}
		count[action]++
		switch {
		case action == "skip":
			never = append(never, id)
		case len(skips[id]) > 0:
			partly = append(partly, id)
		}
	}
	for _, part := range []struct {
		title string
		ids   []string
	}{{"Skipped in every stage", never}, {"Skipped in some stages, run in others", partly}} {
		slices.Sort(part.ids)
		fmt.Printf("%s: %d\n", part.title, len(part.ids))
		for _, id := range part.ids {
			fmt.Printf("  %s\n", id)
			for _, s := range skips[id] {
				fmt.Printf("      %s\n", s)
			}
		}
	}
	slices.SortFunc(packages, func(a, b result) int { return cmp.Compare(b.Seconds, a.Seconds) })
	fmt.Println("Slowest packages:")
	for _, p := range packages[:min(slowest, len(packages))] {
		fmt.Printf("  %6.1f s  %s %s\n", p.Seconds, p.Stage, p.Package)
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", count["pass"], count["fail"], count["skip"])
	return nil
}
