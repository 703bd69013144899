package register

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

//go:embed migrations
var migrations embed.FS

// Migrations holds the package's tables, for store.DB.Migrate("register", …).
func Migrations() fs.FS { return migrations }

// topic is notified after an import, so that running nodes use it at once.
const topic = "register.import"

// recheck is how often a node looks for an import it was not told of.
const recheck = time.Minute

// Blobs is where imported files lie; blob.Dir and blob.Bucket are ones.
type Blobs interface {
	Put(ctx context.Context, r io.Reader) (blob.Ref, error)
	Open(ref blob.Ref) (io.ReadCloser, error)
	OpenSeek(ref blob.Ref) (io.ReadSeekCloser, error)
	Delete(ref blob.Ref, grace time.Duration) (bool, error)
}

// Imports are the operator's own boundaries and tiles. They outlive a restart.
type Imports struct {
	places *Register
	db     *store.DB
	blobs  Blobs
	clk    *clock.Clock
	log    *slog.Logger
}

// NewImports returns the imports of a node. The tables must exist.
func NewImports(r *Register, db *store.DB, blobs Blobs, clk *clock.Clock, log *slog.Logger) *Imports {
	return &Imports{places: r, db: db, blobs: blobs, clk: clk, log: log}
}

// Import is one imported file.
type Import struct {
	Kind    string // "boundaries" or "tiles"
	Country Country
	Level   Level
	Name    string // of the file
	Blob    string // SHA-256, hexadecimal
	Bytes   int64
	Error   float64 // metres a border may be off
	At      time.Time
}

// Describe says what is in a file that is to be imported; a PMTiles archive
// describes itself.
type Describe struct {
	Country Country
	Level   Level
	// Error is how far a border may be off in metres; 0: defaultError.
	Error float64
}

// defaultError suits BKG's VG250 (1:250,000), the coarsest of the official
// files named in the guide.
const defaultError = 100

// tileEnding tells archives from GeoJSON.
const tileEnding = ".pmtiles"

// File imports one file: GeoJSON with the polygons that d describes, or a
// PMTiles archive by the ending .pmtiles. What was imported of the same kind,
// country and level is replaced. What is wrong with a file is told by a
// *problem.Error of kind Invalid; then nothing has changed.
func (i *Imports) File(ctx context.Context, name string, file io.ReadSeeker, d Describe) (Import, error) {
	in := Import{Kind: "boundaries", Country: d.Country, Level: d.Level, Name: filepath.Base(name), Error: d.Error, At: i.clk.Now()}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return in, fmt.Errorf("register.File: %w", err)
	}
	in.Bytes = size
	if strings.HasSuffix(strings.ToLower(name), tileEnding) {
		in.Kind, in.Country, in.Level, in.Error = "tiles", "", "", 0
		err = checkTiles(readerAt{file}, size)
	} else {
		if in.Error <= 0 {
			in.Error = defaultError
		}
		if _, err = file.Seek(0, io.SeekStart); err == nil {
			_, err = i.places.boundaries(in, file)
		}
	}
	if err != nil {
		return in, problem.Wrap("register.File", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return in, fmt.Errorf("register.File: %w", err)
	}
	ref, err := i.blobs.Put(ctx, file)
	if err != nil {
		return in, fmt.Errorf("register.File: %w", err)
	}
	in.Blob = ref.String()
	old, err := i.note(ctx, in)
	if err != nil {
		return in, fmt.Errorf("register.File: %w", err)
	}
	if old != (blob.Ref{}) {
		if _, err := i.blobs.Delete(old, 0); err != nil {
			return in, fmt.Errorf("register.File: the old bytes stay: %w", err)
		}
	}
	return in, i.Refresh(ctx)
}

// note writes the row and returns the bytes that no row needs any more.
func (i *Imports) note(ctx context.Context, in Import) (old blob.Ref, err error) {
	err = i.db.Write(ctx, func(tx *store.Tx) error {
		old = blob.Ref{}
		all, err := list(tx)
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.Kind == in.Kind && e.Country == in.Country && e.Level == in.Level && e.Blob != in.Blob {
				if old, err = blob.ParseRef(e.Blob); err != nil {
					return err
				}
			}
		}
		for _, e := range all {
			if e.Blob == old.String() && (e.Kind != in.Kind || e.Country != in.Country || e.Level != in.Level) {
				old = blob.Ref{} // another row needs them
			}
		}
		_, err = tx.Exec(`INSERT INTO register_import (kind, country, level, name, content, bytes, error_m, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (kind, country, level) DO UPDATE SET name = excluded.name, content = excluded.content, bytes = excluded.bytes, error_m = excluded.error_m, at = excluded.at`,
			in.Kind, string(in.Country), string(in.Level), in.Name, in.Blob, in.Bytes, int64(in.Error), in.At.UnixMilli())
		tx.Notify(topic)
		return err
	})
	return old, err
}

// List returns what is imported, by kind, country and level.
func (i *Imports) List(ctx context.Context) (all []Import, err error) {
	err = i.db.Read(ctx, func(tx *store.Tx) error {
		all, err = list(tx)
		return err
	})
	return all, err
}

func list(tx *store.Tx) ([]Import, error) {
	rows, err := tx.Query(`SELECT kind, country, level, name, content, bytes, error_m, at FROM register_import ORDER BY kind, country, level`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Import
	for rows.Next() {
		var e Import
		var errorM, at int64
		if err := rows.Scan(&e.Kind, &e.Country, &e.Level, &e.Name, &e.Blob, &e.Bytes, &errorM, &at); err != nil {
			return nil, err
		}
		e.Error, e.At = float64(errorM), time.UnixMilli(at).UTC()
		all = append(all, e)
	}
	return all, rows.Err()
}

// Referenced lists the files that the imports need, each once: what a backup has
// to hold beside the database.
func Referenced(tx *store.Tx) ([]blob.Ref, error) {
	all, err := list(tx)
	if err != nil {
		return nil, fmt.Errorf("register.Referenced: %w", err)
	}
	var refs []blob.Ref
	for _, e := range all {
		ref, err := blob.ParseRef(e.Blob)
		if err != nil {
			return nil, fmt.Errorf("register.Referenced: %s: %w", e.Name, err)
		}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// Refresh makes the register use what is imported now. What cannot be read is
// left out and named in the error; the rest is in use.
func (i *Imports) Refresh(ctx context.Context) error {
	all, err := i.List(ctx)
	if err != nil {
		return fmt.Errorf("register.Refresh: %w", err)
	}
	if slices.Equal(all, i.places.official.Load().of) {
		return nil
	}
	next := &imported{countries: map[Country]*area{}, lines: map[level]map[Country][][]geo.Point{}, of: all}
	var left []error
	for _, e := range all {
		if err := i.take(next, e); err != nil {
			left = append(left, fmt.Errorf("register.Refresh: %s: %w", e.Name, err))
		}
	}
	if len(left) > 0 {
		next.of = nil // try again
	}
	next.between = i.places.tracks(next)
	i.places.official.Store(next)
	return errors.Join(left...)
}

func (i *Imports) take(next *imported, e Import) error {
	ref, err := blob.ParseRef(e.Blob)
	if err != nil {
		return err
	}
	if e.Kind == "tiles" {
		f, err := i.blobs.OpenSeek(ref)
		if err != nil {
			return err
		}
		next.tiles = &e
		return f.Close()
	}
	f, err := i.blobs.Open(ref)
	if err != nil {
		return err
	}
	defer f.Close()
	body, err := io.ReadAll(f) // to the end: that checks the bytes
	if err != nil {
		return err
	}
	a, err := i.places.boundaries(e, bytes.NewReader(body))
	if err != nil {
		return err
	}
	outer, inner := split(a.rings)
	if e.Level == LevelCountry {
		a.lines = outer
		next.countries[e.Country] = a
		return nil
	}
	l := level(e.Level)
	if next.lines[l] == nil {
		next.lines[l] = map[Country][][]geo.Point{}
	}
	next.lines[l][e.Country] = inner
	return nil
}

// boundaries reads and checks a file of boundaries.
func (r *Register) boundaries(in Import, file io.Reader) (*area, error) {
	if !slices.Contains(Countries, in.Country) || !slices.Contains(Levels, in.Level) {
		return nil, refuse("what", nil, nil)
	}
	rings, err := readBoundaries(file)
	if err != nil {
		return nil, err
	}
	a := newArea(rings, nil, in.Error, false)
	return a, r.checkCover(in.Country, a)
}

// Run keeps the register on what is imported until ctx ends, also by another
// process.
func (i *Imports) Run(ctx context.Context) error {
	w := i.db.Watch(topic)
	defer w.Close()
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		err := i.Refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil { // the map stays as it was; nothing else depends on it
			i.log.ErrorContext(ctx, "imported map data are not in use", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.C():
		case <-tick.C:
		}
	}
}

// readerAt reads pieces of a file that can only seek.
type readerAt struct{ r io.ReadSeeker }

func (a readerAt) ReadAt(p []byte, off int64) (int, error) {
	if _, err := a.r.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(a.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}
