// Package xmllint asks somebody else whether a document is valid: libxml2, whose
// program xmllint Debian has. It is for the tests that compare our verdicts with
// those of a published schema, and knows no format.
package xmllint

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// batch is how many documents one call of xmllint judges.
const batch = 500

// Judge is what libxml2 says of documents by the XSD in a file, "" of the valid. It
// skips the test where xmllint is missing.
func Judge(t *testing.T, schema string, docs [][]byte) []string {
	t.Helper()
	tool, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian: libxml2-utils)")
	}
	dir := t.TempDir()
	theirs := make([]string, len(docs))
	for from := 0; from < len(docs); from += batch {
		to := min(from+batch, len(docs))
		args := []string{"--noout", "--nonet", "--schema", schema}
		for i := from; i < to; i++ {
			path := filepath.Join(dir, fmt.Sprintf("%06d.xml", i))
			if err := os.WriteFile(path, docs[i], 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
		out, _ := exec.CommandContext(t.Context(), tool, args...).CombinedOutput() // it fails when one document does
		judged := 0
		for line := range strings.Lines(string(out)) {
			line = strings.TrimSpace(strings.TrimPrefix(line, dir+string(filepath.Separator)))
			var i int
			if n, _ := fmt.Sscanf(line, "%06d.xml", &i); n != 1 {
				continue
			}
			switch rest := line[len("000000.xml"):]; {
			case rest == " validates":
				judged++
				theirs[i] = "" // what stood there were warnings of the parser
			case rest == " fails to validate":
				judged++
				theirs[i] += "."
			default:
				theirs[i] += rest + "\n"
			}
		}
		if judged != to-from {
			t.Fatalf("xmllint judged %d of %d documents: %.2000s", judged, to-from, out)
		}
	}
	return theirs
}
