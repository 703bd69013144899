package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	keySize = 32 // AES-256
	// prefix names the kind and version of the file, so that another secret put
	// in its place by mistake is noticed.
	prefix = "trojmezi-node-key-1:"
)

// ErrNoKey is returned by Load when the file does not exist.
var ErrNoKey = errors.New("seal: the node key is missing")

// Node is the node's secret from which all its other keys are derived or by
// which they are wrapped. It lies in a file of its own, mode 0600, outside the
// database, and is backed up apart from it.
type Node struct{ secret []byte }

// Load reads the node key at path.
func Load(path string) (*Node, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoKey, path)
	}
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	b64, ok := strings.CutPrefix(strings.TrimSpace(string(text)), prefix)
	secret, err := base64.StdEncoding.DecodeString(b64)
	if !ok || err != nil || len(secret) != keySize {
		// The content is a secret, right or wrong: it is not repeated.
		return nil, fmt.Errorf("seal: %s is not a node key", path)
	}
	return &Node{secret}, nil
}

// LoadOrCreate reads the node key at path, or makes a new one there, on disk
// before it is used. Of several processes that start at once one makes it and
// the others read it.
func LoadOrCreate(path string) (*Node, error) {
	n, err := Load(path)
	if !errors.Is(err, ErrNoKey) {
		return n, err
	}
	secret := make([]byte, keySize)
	rand.Read(secret)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".node-key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(prefix + base64.StdEncoding.EncodeToString(secret) + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	// Link refuses to replace a key that another process made meanwhile.
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
	return Load(path)
}

// Derive returns a sub-key of size bytes for one purpose, the same each time.
// spec: HKDF-SHA256, RFC 5869.
func (n *Node) Derive(purpose string, size int) []byte {
	k, err := hkdf.Key(sha256.New, n.secret, nil, "trojmezi/"+purpose, size)
	if err != nil {
		panic(err) // only for sizes above 255*32
	}
	return k
}

// Fingerprint identifies the key without telling it: a database remembers it
// and is refused to an instance with another key.
func (n *Node) Fingerprint() string {
	return base64.RawURLEncoding.EncodeToString(n.Derive("fingerprint", 16))
}
