package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A file of evidence is whole or not there; one that is there stays until it can be
// replaced.
func TestExportFile(t *testing.T) {
	dir := t.TempDir()
	c := exportCmd{Out: filepath.Join(dir, "evidence.json")}
	content := func() string {
		t.Helper()
		b, err := os.ReadFile(c.Out)
		if err != nil {
			return ""
		}
		return string(b)
	}
	failure := errors.New("damaged")
	write := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			if got := content(); got == text {
				t.Errorf("the file is %q before it is whole", got)
			}
			_, wrong := io.WriteString(w, text)
			return errors.Join(wrong, err)
		}
	}
	if err := c.write(write("half", failure)); !errors.Is(err, failure) || content() != "" {
		t.Fatalf("%v, file %q", err, content())
	}
	if err := c.write(write("whole", nil)); err != nil || content() != "whole" {
		t.Fatalf("%v, file %q", err, content())
	}
	if err := c.write(write("second half", failure)); !errors.Is(err, failure) || content() != "whole" {
		t.Fatalf("%v, file %q", err, content())
	}
	if i, err := os.Stat(c.Out); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", i.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v lies about, %v", left, err)
	}
	device := exportCmd{Out: os.DevNull}
	if err := device.write(write("all", nil)); err != nil {
		t.Error(err)
	}
	if i, err := os.Stat(os.DevNull); err != nil || i.Mode().IsRegular() {
		t.Error("a device was replaced by a file")
	}
}
