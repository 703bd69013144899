package blob_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/blob/blobtest"
	"trojmezi/internal/kernel/clock"
)

func open(t *testing.T, folder string, clk *clock.Clock) *blob.Dir {
	t.Helper()
	d, err := blob.OpenDir(folder, clk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestDir(t *testing.T) {
	blobtest.Run(t, func(t *testing.T, clk *clock.Clock) blobtest.Store { return open(t, t.TempDir(), clk) })
}

// files lists what lies in the folder, without folders.
func files(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(name, folder+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFailingDiskLeavesNothing(t *testing.T) {
	for step, fail := range map[string]blob.Failing{
		"write": {Write: syscall.ENOSPC}, "sync": {Sync: syscall.EIO}, "close": {Close: syscall.EDQUOT},
	} {
		t.Run(step, func(t *testing.T) {
			folder := t.TempDir()
			d := open(t, folder, clock.System())
			blob.Fail(d, fail)
			_, err := d.Put(t.Context(), strings.NewReader("bytes"))
			want := errors.Join(fail.Write, fail.Sync, fail.Close)
			if err == nil || !strings.Contains(err.Error(), want.Error()) {
				t.Errorf("Put: %v, want %v", err, want)
			}
			if left := files(t, folder); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestTornFilesOfACrash(t *testing.T) {
	folder := t.TempDir()
	clk := clock.Fake(time.Date(2026, 8, 15, 12, 0, 0, 0, time.UTC))
	open(t, folder, clk)
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": time.Hour} {
		file := filepath.Join(folder, "tmp", name)
		if err := os.WriteFile(file, []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := clk.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, folder, clk)
	if got := files(t, folder); len(got) != 1 || got[0] != "tmp/young" {
		t.Errorf("after opening again: %v, want tmp/young, which may still be written", got)
	}
	err := d.Walk(t.Context(), 0, func(r blob.Ref, _ blob.Info) error { t.Errorf("a torn file is listed as %v", r); return nil })
	if err != nil {
		t.Error(err)
	}
}

func TestCorruptBytesAreNoticed(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"flipped": func(f string) error { return os.WriteFile(f, []byte("bytEs"), 0o600) },
		"cut":     func(f string) error { return os.Truncate(f, 2) },
		"longer":  func(f string) error { return os.WriteFile(f, []byte("bytes!"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			d := open(t, folder, clock.System())
			ref, err := d.Put(t.Context(), strings.NewReader("bytes"))
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(folder, ref.String()[:2], ref.String()[2:])); err != nil {
				t.Fatal(err)
			}
			r, err := d.Open(ref)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("read: %v", err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if _, err := d.Put(t.Context(), strings.NewReader("bytes")); err != nil {
				t.Fatal(err)
			}
			if r, err = d.Open(ref); err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, []byte("bytes")) {
				t.Errorf("putting them again does not heal: %q, %v", got, err)
			}
		})
	}
}

func TestForeignFilesStay(t *testing.T) {
	folder := t.TempDir()
	d := open(t, folder, clock.System())
	if err := os.WriteFile(filepath.Join(folder, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Walk(t.Context(), 0, func(r blob.Ref, _ blob.Info) error { t.Errorf("listed %v", r); return nil }); err != nil {
		t.Error(err)
	}
}

// A link planted inside the folder must not lead reads or writes out of it.
func TestNothingLeavesTheFolder(t *testing.T) {
	folder, outside := t.TempDir(), t.TempDir()
	d := open(t, folder, clock.System())
	ref, err := d.Put(t.Context(), strings.NewReader("secret"))
	if err != nil {
		t.Fatal(err)
	}
	sub := ref.String()[:2]
	if err := os.Rename(filepath.Join(folder, sub), filepath.Join(outside, sub)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, sub), filepath.Join(folder, sub)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(ref); err == nil {
		t.Error("read through a link")
	}
	if _, err := d.Put(t.Context(), strings.NewReader("secret")); err == nil {
		t.Error("wrote through a link")
	}
	if removed, err := d.Delete(ref, 0); removed || err == nil {
		t.Errorf("deleted through a link: %v, %v", removed, err)
	}
}

func TestParseRef(t *testing.T) {
	good := strings.Repeat("0a", 32)
	if r, err := blob.ParseRef(good); err != nil || r.String() != good {
		t.Errorf("%v, %v", r, err)
	}
	for _, bad := range []string{"", "0a", strings.Repeat("0A", 32), strings.Repeat("0a", 33), strings.Repeat("zz", 32), "../" + good[3:], good[:62] + "/.", good + "\n"} {
		if _, err := blob.ParseRef(bad); err == nil {
			t.Errorf("ParseRef(%q) accepted", bad)
		}
	}
}
