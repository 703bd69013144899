package register

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// tiled tells whether tiles were imported.
func (r *Register) tiled() bool { return r.official.Load().tiles != nil }

// tiles serves the PMTiles archive; its reader asks for ranges of bytes
// (spec: RFC 9110, §14; PMTiles 3, §3).
func (p *Pages) tiles(w http.ResponseWriter, r *http.Request) error {
	now := p.places.official.Load().tiles
	if now == nil || p.files == nil {
		return problem.New("register.tiles", problem.NotFound, "", nil)
	}
	ref, err := blob.ParseRef(now.Blob)
	if err != nil {
		return problem.Wrap("register.tiles", err)
	}
	f, err := p.files.OpenSeek(ref)
	if err != nil {
		return problem.Wrap("register.tiles", err)
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", "application/vnd.pmtiles")
	h.Set("ETag", `"`+now.Blob[:16]+`"`)
	h.Set("Cache-Control", "private, no-cache")
	http.ServeContent(w, r, "", now.At, f)
	return nil
}

// The header of an archive and what of it we need (spec: PMTiles 3, §3).
const (
	pmHeader         = 127
	pmNone, pmGzip   = 1, 2 // compressions that browsers undo
	pmVector         = 1    // tiles in MVT
	pmDirectoryLimit = 1 << 20
)

// checkTiles looks at the header and the root directory of an archive of size
// bytes, and that it shows something of the region.
func checkTiles(r io.ReaderAt, size int64) error {
	h := make([]byte, pmHeader)
	if _, err := r.ReadAt(h, 0); err != nil {
		return refuse("tiles.none", nil, err)
	}
	if string(h[:7]) != "PMTiles" {
		return refuse("tiles.none", nil, nil)
	}
	if h[7] != 3 {
		return refuse("tiles.version", i18n.Args{"number": int64(h[7])}, nil)
	}
	for i := range 4 { // root directory, metadata, leaf directories, tiles
		at, length := binary.LittleEndian.Uint64(h[8+16*i:]), binary.LittleEndian.Uint64(h[16+16*i:])
		if at > uint64(size) || length > uint64(size)-at {
			return refuse("tiles.cut", nil, nil)
		}
	}
	if c := h[97]; c != pmNone && c != pmGzip {
		return refuse("tiles.compression", nil, nil)
	}
	if c := h[98]; c != pmNone && c != pmGzip {
		return refuse("tiles.compression", nil, nil)
	}
	if h[99] != pmVector {
		return refuse("tiles.pictures", nil, nil)
	}
	if h[100] > h[101] || h[101] > 24 {
		return refuse("tiles.broken", nil, nil)
	}
	degree := func(at int) float64 { return float64(int32(binary.LittleEndian.Uint32(h[at:]))) / 1e7 }
	if reach := (box{degree(106), degree(102), degree(114), degree(110)}); !reach.meets(window) {
		return refuse("outside", nil, nil)
	}
	length := binary.LittleEndian.Uint64(h[16:])
	if length > pmDirectoryLimit {
		return refuse("tiles.broken", nil, nil)
	}
	root := make([]byte, length)
	if _, err := r.ReadAt(root, int64(binary.LittleEndian.Uint64(h[8:]))); err != nil && err != io.EOF {
		return refuse("tiles.broken", nil, err)
	}
	if h[97] == pmGzip {
		z, err := gzip.NewReader(bytes.NewReader(root))
		if err != nil {
			return refuse("tiles.broken", nil, err)
		}
		if root, err = io.ReadAll(io.LimitReader(z, 16*pmDirectoryLimit)); err != nil {
			return refuse("tiles.broken", nil, err)
		}
	}
	if n, k := binary.Uvarint(root); k <= 0 || n == 0 || n > uint64(len(root)) {
		return refuse("tiles.broken", nil, nil)
	}
	return nil
}
