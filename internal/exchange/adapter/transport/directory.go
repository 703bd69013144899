package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// directoryEvery is how often the folder is looked into. A file system's own
// notices do not reach over a network share.
const directoryEvery = time.Second

// The folders below the root. The other program writes to "in" and reads from
// "out"; what was taken lies in "done", what could not be in "refused".
const (
	folderIn      = "in"
	folderOut     = "out"
	folderDone    = "done"
	folderRefused = "refused"
)

type directory struct {
	root string
	keep time.Duration
}

// Shared: two instances would both read a file before one of them moves it.
func (d *directory) Shared() bool { return false }

func (d *directory) folder(name string) string { return filepath.Join(d.root, name) }

// Check makes the folders and writes into each.
func (d *directory) Check(context.Context) error {
	for _, name := range []string{folderIn, folderOut, folderDone, folderRefused} {
		if err := os.MkdirAll(d.folder(name), 0o770); err != nil {
			return fail("transport.failure.folder", err)
		}
		f, err := os.CreateTemp(d.folder(name), ".check-*")
		if err != nil {
			return fail("transport.failure.folder", err)
		}
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return fail("transport.failure.folder", err)
		}
	}
	return nil
}

// Send writes p under a name that begins with a dot, and renames it when it is on
// disk. The same parcel gets the same name: a repetition replaces it.
func (d *directory) Send(_ context.Context, p Parcel) error {
	dir := d.folder(folderOut)
	if err := os.MkdirAll(dir, 0o770); err != nil {
		return fail("transport.failure.folder", err)
	}
	f, err := os.CreateTemp(dir, ".part-*")
	if err != nil {
		return fail("transport.failure.folder", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(p.Body)
	if err := errors.Join(err, f.Chmod(0o660), f.Sync(), f.Close()); err != nil {
		return fail("transport.failure.folder", err)
	}
	if err := errors.Join(os.Rename(f.Name(), filepath.Join(dir, fileName(p))), syncFolder(dir)); err != nil {
		return fail("transport.failure.folder", err)
	}
	return nil
}

// fileName is the parcel's id as a name on any file system; an id that is none is
// told apart by its hash.
func fileName(p Parcel) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, p.ID)
	if name = strings.TrimLeft(name, "."); name != p.ID || len(name) > 120 {
		sum := sha256.Sum256([]byte(p.ID))
		name = name[:min(len(name), 100)] + "-" + hex.EncodeToString(sum[:8])
	}
	switch {
	case strings.Contains(p.Type, "xml"):
		return name + ".xml"
	case strings.Contains(p.Type, "json"):
		return name + ".json"
	}
	return name + ".msg"
}

func (d *directory) Receive(ctx context.Context, box Box, up func()) error {
	if err := d.Check(ctx); err != nil {
		return err
	}
	for {
		names, err := d.waiting()
		if err != nil {
			return fail("transport.failure.folder", err)
		}
		up()
		for _, name := range names {
			if err := d.take(ctx, box, name); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(directoryEvery):
		}
	}
}

// waiting lists what is complete, the oldest first. What is still being written has
// a name that begins with a dot or ends as temporary files do.
func (d *directory) waiting() ([]string, error) {
	entries, err := os.ReadDir(d.folder(folderIn))
	if err != nil {
		return nil, err
	}
	type file struct {
		name string
		at   time.Time
	}
	var files []file
	for _, e := range entries {
		if !e.Type().IsRegular() || partial(e.Name()) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, file{e.Name(), info.ModTime()})
	}
	slices.SortFunc(files, func(a, b file) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	return names, nil
}

func partial(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
		return true
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".part", ".tmp", ".temp", ".swp", ".filepart", ".crdownload":
		return true
	}
	return false
}

// take stores a file and moves it. Killed in between, it is stored again, and the
// box knows it by its name and bytes.
func (d *directory) take(ctx context.Context, box Box, name string) error {
	from := filepath.Join(d.folder(folderIn), name)
	body, err := beginning(from, MaxBytes+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fail("transport.failure.folder", err)
	}
	del := cut(Delivery{ID: name, Body: body})
	if err := box.Take(ctx, del); err != nil {
		return err
	}
	to := folderDone
	if del.Fault != "" {
		to = folderRefused // the whole of it lies there; the box has its beginning
	}
	if err := errors.Join(rename(from, d.folder(to), name), syncFolder(d.folder(to)), syncFolder(d.folder(folderIn))); err != nil {
		return fail("transport.failure.folder", err)
	}
	return nil
}

// beginning reads at most so many bytes of a file.
func beginning(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(f, most))
	return body, errors.Join(err, f.Close())
}

// Sweep implements Keeper.
func (d *directory) Sweep(ctx context.Context, now time.Time, spent func(Delivery, time.Time) (bool, error)) (removed int, err error) {
	for _, name := range []string{folderDone, folderRefused} {
		n, err := sweep(ctx, d.folder(name), now, d.keep, func(name string) (Delivery, error) {
			body, err := beginning(name, MaxBytes+1)
			return cut(Delivery{ID: filepath.Base(name), Body: body}), err
		}, spent)
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// sweep removes the spent files of a folder whose own time is older than keep, or in the
// future: the other side's clock sets it, and must keep none for ever.
func sweep(ctx context.Context, folder string, now time.Time, keep time.Duration, open func(path string) (Delivery, error), spent func(Delivery, time.Time) (bool, error)) (removed int, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fail("transport.failure.folder", err)
	}
	before := now.Add(-keep)
	for _, e := range entries {
		if ctx.Err() != nil {
			return removed, ctx.Err()
		}
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().After(before) && !info.ModTime().After(now) {
			continue
		}
		if err != nil {
			return removed, fail("transport.failure.folder", err)
		}
		path := filepath.Join(folder, e.Name())
		d, err := open(path)
		if err != nil {
			return removed, fail("transport.failure.folder", err)
		}
		if ok, err := spent(d, before); err != nil {
			return removed, err
		} else if !ok {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, fail("transport.failure.folder", err)
		}
		removed++
	}
	return removed, nil
}

// rename moves a file into a folder, beside one of the same name.
func rename(from, folder, name string) error {
	to := filepath.Join(folder, name)
	for i := 2; ; i++ {
		// Link refuses to replace what is there.
		err := os.Link(from, to)
		if err == nil {
			return os.Remove(from)
		}
		if !errors.Is(err, fs.ErrExist) {
			return os.Rename(from, to) // a file system without links
		}
		ext := filepath.Ext(name)
		to = filepath.Join(folder, fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), i, ext))
	}
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
