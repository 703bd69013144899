package audit

import (
	"bytes"
	"errors"
	"iter"
	"maps"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

func keys(m map[string]bool) iter.Seq[string] { return maps.Keys(m) }

func sign(t testing.TB, h Head, signer note.Signer) string {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: h.text()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (f *fixture) export(from, to int64) (string, error) {
	var b bytes.Buffer
	err := Export(f.t.(*testing.T).Context(), f.db, f.log.VerifierKey(), &b, from, to)
	return b.String(), err
}

func TestExport(t *testing.T) {
	f := filled(t)
	for _, r := range [][2]int64{{1, 0}, {1, 1}, {700, 700}, {250, 350}} {
		text, err := f.export(r[0], r[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := VerifyExport(strings.NewReader(text))
		if r[1] == 0 {
			r[1] = 700
		}
		if err != nil || got.From != r[0] || got.To != r[1] || got.Key != f.log.VerifierKey() || got.Head.Size != 700 {
			t.Errorf("%v: %+v, %v", r, got, err)
		}
	}
	for _, r := range [][2]int64{{0, 5}, {5, 4}, {1, 701}, {701, 0}} {
		if _, err := f.export(r[0], r[1]); !errors.Is(err, ErrRange) {
			t.Errorf("%v: %v; want ErrRange", r, err)
		}
	}
	f.exec(`UPDATE audit_leaf SET actor = 'x' WHERE id = 300`)
	if _, err := f.export(250, 350); !errors.Is(err, ErrDamaged) {
		t.Errorf("changed row: %v; want ErrDamaged", err)
	}
	f.exec(`DELETE FROM audit_leaf WHERE id = 300`)
	if _, err := f.export(250, 350); !errors.Is(err, ErrDamaged) {
		t.Errorf("missing row: %v; want ErrDamaged", err)
	}
}

// Any change of a bundle is noticed.
func TestExportTampering(t *testing.T) {
	f := filled(t)
	text, err := f.export(298, 303)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	join := func(parts ...[]string) string {
		var b strings.Builder
		for _, p := range parts {
			b.WriteString(strings.Join(p, ""))
		}
		return b.String()
	}
	for name, changed := range map[string]string{
		"empty":           "",
		"no leaves":       lines[0],
		"cut":             join(lines[:6]),
		"first left out":  join(lines[:1], lines[2:]),
		"middle left out": join(lines[:3], lines[4:]),
		"doubled":         join(lines[:3], lines[2:]),
		"one too many":    text + lines[6],
		"swapped":         join(lines[:2], lines[3:4], lines[2:3], lines[4:]),
		"text":            strings.Replace(text, `"actor":"1.2.3"`, `"actor":"1.2.4"`, 1),
		"range":           strings.Replace(text, `"from":298`, `"from":299`, 1),
		"head":            strings.Replace(text, `\n700\n`, `\n701\n`, 1),
		"format":          strings.Replace(text, bundleFormat, "other", 1),
		"long line":       lines[0] + strings.Repeat(" ", maxLine+1) + "\n",
	} {
		if changed == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := VerifyExport(strings.NewReader(changed)); !errors.Is(err, ErrBundle) {
			t.Errorf("%s: %v; want ErrBundle", name, err)
		}
	}
	want, err := VerifyExport(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	// A changed letter either breaks the bundle or (a name's case, a space) says
	// the same: what a valid bundle states does not differ.
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(text)
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		got, err := VerifyExport(bytes.NewReader(b))
		if err == nil && got != want {
			t.Fatalf("valid, but %+v instead of %+v", got, want)
		}
	})
}

func FuzzVerifyExport(f *testing.F) {
	f.Add("")
	f.Add(`{"format":"trojmezi-audit-bundle-1","key":"a+b+c","note":"\n\n— a b\n","from":1,"to":1}` + "\n{}\n")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := VerifyExport(strings.NewReader(s)); err != nil && !errors.Is(err, ErrBundle) {
			t.Fatal(err)
		}
	})
}

func FuzzOpenHead(f *testing.F) {
	f.Add("trojmezi-audit\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nserial 1\ntime 0\n")
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := parseHead(s); err == nil && h.text() != s {
			t.Fatalf("%q was read as %q", s, h.text())
		}
	})
}
