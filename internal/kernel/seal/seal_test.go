package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

func setup(t *testing.T) (*store.DB, *seal.Ring) {
	db := storetest.Open(t)
	if err := db.Migrate(t.Context(), "seal", seal.Migrations()); err != nil {
		t.Fatal(err)
	}
	n, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	return db, seal.NewRing(n, clock.System())
}

func TestSubjectKeepsItsKeyUntilDestroyed(t *testing.T) {
	db, ring := setup(t)
	var sealed []byte
	var first int64
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		k, err := ring.Key(tx, "incident:a")
		if err != nil {
			return err
		}
		first, sealed = k.ID(), k.Seal([]byte("caller"), []byte("row 1"))
		again, err := ring.Key(tx, "incident:a")
		if err != nil || again.ID() != first {
			t.Errorf("second look-up: key %v, %v", again, err)
		}
		if got, err := again.Open(sealed, []byte("row 1")); err != nil || string(got) != "caller" {
			t.Errorf("open: %q, %v", got, err)
		}
		if _, err := again.Open(sealed, []byte("row 2")); !errors.Is(err, seal.ErrForged) {
			t.Errorf("sealed bytes moved to another row were opened: %v", err)
		}
		other, err := ring.Key(tx, "incident:b")
		if err != nil {
			return err
		}
		if _, err := other.Open(sealed, []byte("row 1")); !errors.Is(err, seal.ErrForged) {
			t.Errorf("another subject's key opened it: %v", err)
		}
		if bytes.Equal(k.MAC([]byte("x")), other.MAC([]byte("x"))) || bytes.Equal(k.MAC([]byte("ab"), nil), k.MAC([]byte("a"), []byte("b"))) {
			t.Error("MACs of different subjects or splits are equal")
		}
		return ring.Destroy(tx, first)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := ring.Lookup(tx, first); !errors.Is(err, seal.ErrDestroyed) {
			t.Errorf("destroyed key: %v", err)
		}
		k, err := ring.Key(tx, "incident:a")
		if err == nil && k.ID() == first {
			t.Error("a destroyed subject got its old key back")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNodeKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "node.key")
	if _, err := seal.Load(path); !errors.Is(err, seal.ErrNoKey) {
		t.Fatalf("missing key: %v", err)
	}
	prints := make([]string, 8)
	var wg sync.WaitGroup
	for i := range prints {
		wg.Go(func() {
			n, err := seal.LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = n.Fingerprint()
		})
	}
	wg.Wait()
	for _, p := range prints {
		if p != prints[0] {
			t.Fatal("processes that started at once have different keys")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("trojmezi-node-key-1:short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(path); err == nil || bytes.Contains([]byte(err.Error()), []byte("short")) {
		t.Fatalf("a wrong key file was read, or its content repeated: %v", err)
	}
}
