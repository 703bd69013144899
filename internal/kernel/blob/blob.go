// Package blob keeps bytes of any size outside the SQL database under the
// SHA-256 of their content: attachments, recordings, exports, imported maps. They
// lie in a local folder (Dir) or in an object storage (Bucket). It holds no
// names, types or owners, which stand in the row of the module that refers to
// the bytes, and it encrypts nothing: callers seal first.
//
// Order of work: Put, then commit the row. Bytes without a row are swept after
// a grace time by their module with Walk and Delete; a row without bytes is an
// alarm.
package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/clock"
)

// Ref is the SHA-256 of the bytes. Being no text it cannot hold a path.
type Ref [sha256.Size]byte

// String returns 64 lower-case hexadecimal digits.
func (r Ref) String() string { return hex.EncodeToString(r[:]) }

// ParseRef reads what String wrote and nothing else.
func ParseRef(s string) (Ref, error) {
	var r Ref
	if raw, err := hex.DecodeString(s); err != nil || len(raw) != len(r) || s != strings.ToLower(s) {
		return Ref{}, fmt.Errorf("blob: %.80q is not a SHA-256 in lower-case hexadecimal", s)
	} else {
		copy(r[:], raw)
	}
	return r, nil
}

// Info describes stored bytes.
type Info struct {
	Size int64
	Put  time.Time // when the bytes were put last, UTC
}

// ErrCorrupt is returned by Read at the end of bytes that are not what they
// were when they were put.
var ErrCorrupt = errors.New("blob: content does not match its hash")

const (
	tempDir = "tmp"
	// tempGrace protects uploads that another process sharing the folder is
	// still writing; what is older was left by a crash.
	tempGrace = 24 * time.Hour
	dirMode   = 0o700 // nobody but the node reads the bytes
	fileMode  = 0o600
)

// Dir is a store in a local folder. It is safe for concurrent use.
type Dir struct {
	root   *os.Root // nothing below can leave the folder
	clk    *clock.Clock
	create func(name string) (tempFile, error) // a field so that a test can fill the disk

	mu sync.Mutex // a Put of present bytes and their Delete exclude each other
}

type tempFile interface {
	io.WriteCloser
	Sync() error
}

// OpenDir opens the store in the folder, creates it if need be and removes
// torn temporary files of an earlier run.
func OpenDir(folder string, clk *clock.Clock) (*Dir, error) {
	if err := os.MkdirAll(folder, dirMode); err != nil {
		return nil, fmt.Errorf("blob.OpenDir: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("blob.OpenDir: %w", err)
	}
	d := &Dir{root: root, clk: clk}
	d.create = func(name string) (tempFile, error) {
		return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	}
	if err := d.removeTorn(); err != nil {
		root.Close()
		return nil, fmt.Errorf("blob.OpenDir: %w", err)
	}
	return d, nil
}

// Close releases the folder.
func (d *Dir) Close() error { return d.root.Close() }

func (d *Dir) removeTorn() error {
	if err := d.mkdir(tempDir); err != nil {
		return err
	}
	entries, err := fs.ReadDir(d.root.FS(), tempDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // finished by its owner meanwhile
		}
		if err != nil {
			return err
		}
		if d.clk.Now().Sub(info.ModTime()) < tempGrace {
			continue
		}
		if err := d.root.Remove(path.Join(tempDir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// mkdir creates a folder so that it survives a power loss.
func (d *Dir) mkdir(name string) error {
	err := d.root.Mkdir(name, dirMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.syncDir(".")
}

func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// place returns where the bytes lie: 256 folders keep each of them short.
func place(ref Ref) (folder, file string) {
	s := ref.String()
	return s[:2], s[:2] + "/" + s[2:]
}

// Put stores all of r and returns its hash once the bytes are on disk. Present
// bytes are not stored twice, but count as put now. After an error nothing is
// stored; a full disk is one of them (syscall.ENOSPC).
func (d *Dir) Put(ctx context.Context, r io.Reader) (Ref, error) {
	temp := tempDir + "/" + rand.Text()
	ref, err := d.write(ctx, temp, r)
	if err == nil {
		err = d.publish(temp, ref)
	}
	if err != nil {
		// The first error is the one to report; a file that stays is swept later.
		d.root.Remove(temp)
		return Ref{}, fmt.Errorf("blob.Put: %w", err)
	}
	return ref, nil
}

func (d *Dir) write(ctx context.Context, temp string, r io.Reader) (Ref, error) {
	f, err := d.create(temp)
	if err != nil {
		return Ref{}, err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), contextReader{ctx, r})
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return Ref{}, err
	}
	return Ref(h.Sum(nil)), nil
}

func (d *Dir) publish(temp string, ref Ref) error {
	folder, file := place(ref)
	if err := d.mkdir(folder); err != nil {
		return err
	}
	now := d.clk.Now()
	if err := d.root.Chtimes(temp, now, now); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// Renaming over present bytes heals them, should they have rotted.
	if err := d.root.Rename(temp, file); err != nil {
		return err
	}
	return d.syncDir(folder)
}

// contextReader ends a long upload with its request.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Open returns the bytes; without them the error is fs.ErrNotExist. Reading to
// the end checks the hash: ErrCorrupt instead of io.EOF means that what was
// read must not be used.
func (d *Dir) Open(ref Ref) (io.ReadCloser, error) {
	_, file := place(ref)
	f, err := d.root.Open(file)
	if err != nil {
		return nil, fmt.Errorf("blob.Open: %w", err)
	}
	return &verifier{f: f, h: sha256.New(), want: ref}, nil
}

// OpenSeek returns the bytes for reading of pieces, such as ranges of HTTP. Pieces
// cannot be checked against the hash: callers that need that read it all by Open.
func (d *Dir) OpenSeek(ref Ref) (io.ReadSeekCloser, error) {
	_, file := place(ref)
	f, err := d.root.Open(file)
	if err != nil {
		return nil, fmt.Errorf("blob.OpenSeek: %w", err)
	}
	return f, nil
}

type verifier struct {
	f    io.ReadCloser
	h    hash.Hash
	want Ref
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.f.Read(p)
	v.h.Write(p[:n])
	if err == io.EOF && Ref(v.h.Sum(nil)) != v.want {
		return n, ErrCorrupt
	}
	return n, err
}

func (v *verifier) Close() error { return v.f.Close() }

// Stat returns size and age without reading; fs.ErrNotExist as in Open.
func (d *Dir) Stat(ref Ref) (Info, error) {
	_, file := place(ref)
	info, err := d.root.Stat(file)
	if err != nil {
		return Info{}, fmt.Errorf("blob.Stat: %w", err)
	}
	return Info{Size: info.Size(), Put: info.ModTime().UTC()}, nil
}

// Delete removes the bytes unless somebody put them within the last grace,
// and reports whether it did. Bytes that are not there are no error. The
// grace closes the gap between a sweeper's look for a row and its Delete, in
// which the same bytes may be put again; 0 removes in any case.
func (d *Dir) Delete(ref Ref, grace time.Duration) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	info, err := d.Stat(ref)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("blob.Delete: %w", err)
	}
	if grace > 0 && d.clk.Now().Sub(info.Put) < grace {
		return false, nil
	}
	folder, file := place(ref)
	if err := errors.Join(d.root.Remove(file), d.syncDir(folder)); err != nil {
		return false, fmt.Errorf("blob.Delete: %w", err)
	}
	return true, nil
}

// Walk calls f for everything that was not put within the last grace, in no
// promised order, until f returns an error or ctx ends. f may Delete.
func (d *Dir) Walk(ctx context.Context, grace time.Duration, f func(Ref, Info) error) error {
	err := fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if e.IsDir() {
			if name == tempDir {
				return fs.SkipDir
			}
			return nil
		}
		ref, err := ParseRef(strings.Replace(name, "/", "", 1))
		if err != nil {
			return nil // put there by somebody else; not ours to report or remove
		}
		info, err := d.Stat(ref)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if d.clk.Now().Sub(info.Put) < grace {
			return nil
		}
		return f(ref, info)
	})
	if err != nil {
		return fmt.Errorf("blob.Walk: %w", err)
	}
	return nil
}
