package transport

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func drop(t testing.TB, root, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, folderIn, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Files that are complete are stored and moved; those still being written are left
// alone; those too large are kept whole beside.
func TestDirectory(t *testing.T) {
	root := t.TempDir()
	w := made(t, Config{Directory: &Directory{Path: root}})
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	half := []string{".hidden", "a.part", "b.TMP", "c.xml~", "d.filepart"}
	for _, n := range half {
		drop(t, root, n, "half")
	}
	drop(t, root, "1.xml", "<a/>")
	drop(t, root, "large.xml", strings.Repeat("x", MaxBytes+5))
	box := &shelf{full: true}
	receiving(t, w, box)
	until(t, "an attempt", func() bool { _, n := box.all(); return n > 0 })
	if got := names(t, filepath.Join(root, folderDone)); len(got) > 0 {
		t.Errorf("moved although it was not stored: %v", got)
	}
	box.setFull(false)
	until(t, "both files", func() bool {
		got, _ := box.all()
		return len(got) == 2 && len(names(t, filepath.Join(root, folderRefused))) == 1
	})
	drop(t, root, "1.xml", "<a/>") // the same name again
	until(t, "the same again", func() bool { return len(names(t, filepath.Join(root, folderDone))) == 2 })
	if got := names(t, filepath.Join(root, folderDone)); !slices.Equal(got, []string{"1-2.xml", "1.xml"}) {
		t.Errorf("done: %v", got)
	}
	left := names(t, filepath.Join(root, folderIn))
	slices.Sort(half)
	if !slices.Equal(left, half) {
		t.Errorf("left: %v, want %v", left, half)
	}
	got, _ := box.all()
	for _, d := range got {
		switch d.ID {
		case "1.xml":
			if string(d.Body) != "<a/>" || d.Fault != "" {
				t.Errorf("%+v", d)
			}
		case "large.xml":
			if len(d.Body) != MaxBytes || d.Fault != "transport.fault.size" {
				t.Errorf("%d bytes, %q", len(d.Body), d.Fault)
			}
		}
	}
	if info, err := os.Stat(filepath.Join(root, folderRefused, "large.xml")); err != nil || info.Size() != MaxBytes+5 {
		t.Errorf("the large file is not whole: %v %v", info, err)
	}
}

// Killed between storing and moving, a file is delivered again under the same name.
func TestDirectoryAgain(t *testing.T) {
	root := t.TempDir()
	w := made(t, Config{Directory: &Directory{Path: root}}).(*directory)
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	drop(t, root, "1.xml", "<a/>")
	box := &shelf{}
	if err := os.Chmod(filepath.Join(root, folderDone), 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // to root everything is permitted: take the folder away
		if err := os.Remove(filepath.Join(root, folderDone)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.take(t.Context(), box, "1.xml"); FailureKey(err) != "transport.failure.folder" {
		t.Fatalf("%v", err)
	}
	os.Chmod(filepath.Join(root, folderDone), 0o700)
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.take(t.Context(), box, "1.xml"); err != nil {
		t.Fatal(err)
	}
	got, _ := box.all()
	if len(got) != 2 || got[0].ID != got[1].ID || string(got[0].Body) != string(got[1].Body) {
		t.Errorf("%+v", got)
	}
}

func TestDirectorySends(t *testing.T) {
	root := t.TempDir()
	w := made(t, Config{Directory: &Directory{Path: root}})
	for range 2 { // an attempt whose end nobody saw is repeated
		if err := w.Send(t.Context(), Parcel{ID: "a1b2", Type: "application/xml", Body: []byte("<b/>")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"../../etc/passwd", ".x", "x/y", strings.Repeat("z", 300), "a:b", "a_b"} {
		if err := w.Send(t.Context(), Parcel{ID: id, Type: "application/json", Body: []byte("{}")}); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	got := names(t, filepath.Join(root, folderOut))
	if len(got) != 7 || !slices.Contains(got, "a1b2.xml") || !slices.Contains(got, "a_b.json") {
		t.Errorf("%q", got)
	}
	for _, n := range got {
		if partial(n) {
			t.Errorf("%s was left", n)
		}
	}
	if body, err := os.ReadFile(filepath.Join(root, folderOut, "a1b2.xml")); err != nil || string(body) != "<b/>" {
		t.Errorf("%q %v", body, err)
	}
}
