package blob

import "errors"

// Failing makes the steps of writing a temporary file fail.
type Failing struct{ Write, Sync, Close error }

// Fail lets every following Put of d fail.
func Fail(d *Dir, f Failing) {
	create := d.create
	d.create = func(name string) (tempFile, error) {
		file, err := create(name)
		return failingFile{file, f}, err
	}
}

type failingFile struct {
	tempFile
	Failing
}

func (f failingFile) Write(p []byte) (int, error) {
	if f.Failing.Write != nil {
		n, _ := f.tempFile.Write(p[:len(p)/2]) // a full disk takes a part first
		return n, f.Failing.Write
	}
	return f.tempFile.Write(p)
}

func (f failingFile) Sync() error  { return errors.Join(f.Failing.Sync, f.tempFile.Sync()) }
func (f failingFile) Close() error { return errors.Join(f.Failing.Close, f.tempFile.Close()) }
