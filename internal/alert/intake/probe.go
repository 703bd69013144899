package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Checked is what fetching a source once came to.
type Checked struct {
	Source     Source
	Address    string // that answered; the first that did not
	Files      []File
	Fault      *Diagnosis // nil: it was understood
	Missing    int        // further documents that could not be had
	Incomplete *Diagnosis
	Entries    int
	Quiet      int
	NoData     int
	Issued     time.Time
	Deviations []Deviation
	Count      int64 // of deviations
	Skew       time.Duration
}

// File is an answer that was written for the next test.
type File struct {
	Path    string `json:"path"`
	Address string `json:"address"`
	// Capture: the feed's own sender has sent it. What a simulator said is none.
	Capture bool              `json:"capture"`
	Fetched time.Time         `json:"fetched"`
	Status  int               `json:"status"`
	Bytes   int               `json:"bytes"`
	Digest  string            `json:"sha256"`
	Headers map[string]string `json:"headers"`
}

// Check fetches a source once with everything it leads to, and says what was understood.
// It asks no database and hands nothing on. Into a folder that is not "" it writes every
// answer as it came, with its address, date and headers beside it.
func Check(ctx context.Context, src Source, clk *clock.Clock, contact, version, folder string) (Checked, error) {
	c := Checked{Source: src, Address: src.Addresses[0]}
	kept := map[int64][]byte{}
	l := &look{src: &src, fetch: newFetcher(clk, contact, version), held: map[string]resource{}, memo: map[int64]reading{}, touched: map[string]resource{},
		keep: func(_ context.Context, a *answer) (int64, error) {
			kept[int64(len(kept)+1)] = a.body
			return int64(len(kept)), nil
		},
		load: func(_ context.Context, id int64) ([]byte, error) { return kept[id], nil },
	}
	out, fault := l.all(ctx)
	if ctx.Err() != nil {
		return c, ctx.Err()
	}
	var failures []error
	for i := range out.seen {
		if folder == "" || len(out.seen[i].body) == 0 {
			continue
		}
		file, err := write(folder, &src, &out.seen[i], i)
		failures = append(failures, err)
		c.Files = append(c.Files, file)
	}
	c.Fault, c.Missing, c.Incomplete, c.Skew = fault, out.missing, out.why, out.skew
	if fault == nil {
		c.Address, c.Issued = out.address, out.issued()
		c.Entries, c.Quiet, c.NoData = out.counts()
		c.Count, c.Deviations = listed(out.deviations())
		c.Count += out.more()
	}
	return c, errors.Join(failures...)
}

// write puts an answer into the folder of its feed.
func write(folder string, src *Source, a *answer, n int) (File, error) {
	f := File{Address: a.address, Capture: !a.simulated && src.Kind == store.Live, Fetched: a.at, Status: a.status, Bytes: len(a.body), Digest: digest(a.body), Headers: a.headers}
	word := "capture"
	if !f.Capture {
		word = "simulated"
	}
	name := "document"
	if u, err := url.Parse(a.address); err == nil {
		name = plainName(path.Base(u.Path))
	}
	dir := filepath.Join(folder, src.Name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return f, fmt.Errorf("intake: capture: %w", err)
	}
	f.Path = filepath.Join(dir, fmt.Sprintf("%s-%s-%03d-%s", a.at.Format("20060102T150405Z"), word, n, name))
	about, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return f, fmt.Errorf("intake: capture: %w", err)
	}
	for file, bytes := range map[string][]byte{f.Path: a.body, f.Path + ".about.json": append(about, '\n')} {
		if err := os.WriteFile(file, bytes, 0o640); err != nil {
			return f, fmt.Errorf("intake: capture: %w", err)
		}
	}
	return f, nil
}

// plainName is a name of a file without what a path could be made of.
func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, s)
	return strings.TrimLeft(s[:min(len(s), 80)], ".")
}

// Told is a diagnosis in words, with its place.
func (d *Diagnosis) Told(say func(key string, args i18n.Args) string) string {
	text := say(d.Key, d.Args)
	if d.Text != "" {
		text += " [" + d.Text + "]"
	}
	return text
}
