package channel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"trojmezi/internal/kernel/store"
)

// folder hands letters over as files, for who drives sirens, displays or a radio
// programme (docs/profiles/public-notice.md).
func (s *Service) folder(c *channel) {
	dir := s.path(c.setup.Handover.Directory)
	c.send = func(_ context.Context, l *letter) outcome {
		body, err := s.posted(l)
		if err != nil {
			return never(err)
		}
		// Whoever reads the folder never sees half a file. The name is the same in each
		// attempt, so that a second one replaces the first.
		if err := drop(dir, l.Target+"."+l.id+".json", body); err != nil {
			return later(err)
		}
		return outcome{state: Sent}
	}
	c.try = func(context.Context) error {
		const name = ".trial"
		if err := drop(dir, name, nil); err != nil {
			return err
		}
		return os.Remove(filepath.Join(dir, name))
	}
}

// drop writes a file that is there at once or not at all, and stays after a power cut.
func drop(dir, name string, body []byte) (err error) {
	defer func() {
		if bad, ok := errors.AsType[*os.PathError](err); ok {
			err = fmt.Errorf("folder: %s: %w", bad.Op, bad.Err)
		}
	}()
	f, err := os.CreateTemp(dir, ".part-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of what did not get its name
	if _, err = f.Write(body); err == nil {
		err = f.Sync()
	}
	if end := f.Close(); err == nil {
		err = end
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o640)
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// node gives letters to the exchange: its own outbox carries them on, and their rows are
// written in the transaction of the receipt.
func (s *Service) node(c *channel) {
	c.commit = func(tx *store.Tx, l *letter) outcome {
		if s.Neighbour == nil {
			return never(errors.New("this node has no exchange"))
		}
		f := s.frame(l)
		if err := s.Neighbour(tx, Message{ID: l.id, To: l.Target, Kind: l.Kind, Lang: l.Lang, Reference: l.Reference, Title: f.Title, Text: s.page(l)}); err != nil {
			return later(err)
		}
		return accepted("", "")
	}
}
