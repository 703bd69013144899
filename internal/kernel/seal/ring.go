package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
)

// ErrDestroyed is returned for a key whose data was deleted.
var ErrDestroyed = errors.New("seal: the key was destroyed, the data is deleted")

// ErrForged is returned when sealed bytes were changed or belong elsewhere.
var ErrForged = errors.New("seal: sealed bytes do not match their key or place")

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the tables of this package, for store.DB.Migrate.
func Migrations() fs.FS { return migrations }

// Table is the table of wrapped keys; backups keep it apart, with a shorter life.
const Table = "seal_key"

// Ring hands out the keys of subjects.
type Ring struct {
	wrap  cipher.AEAD
	clock *clock.Clock
}

// NewRing returns the ring of keys wrapped by n.
func NewRing(n *Node, clk *clock.Clock) *Ring {
	return &Ring{wrap: gcm(n.Derive("wrap", keySize)), clock: clk}
}

// Key returns the key of subject and makes it if there is none, in the caller's
// transaction. After Destroy a subject that comes up again gets a new key.
func (r *Ring) Key(tx *store.Tx, subject string) (*Key, error) {
	// Most subjects are new: the insert is tried first, in one statement.
	secret := make([]byte, keySize)
	rand.Read(secret)
	var id int64
	err := tx.Row(`INSERT INTO seal_key (id, subject, wrapped, created_at)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM seal_key), $1, $2, $3)
		ON CONFLICT (subject) WHERE wrapped IS NOT NULL DO NOTHING RETURNING id`,
		subject, seal(r.wrap, secret, wrapPlace), r.clock.Now().UnixMilli()).Scan(&id)
	if err == nil {
		return newKey(id, secret), nil
	}
	if !errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("seal: %w", err)
	}
	var wrapped []byte
	err = tx.Row(`SELECT id, wrapped FROM seal_key WHERE subject = $1 AND wrapped IS NOT NULL`, subject).Scan(&id, &wrapped)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return r.Unwrap(id, wrapped)
}

// Lookup returns the key with the given id, ErrDestroyed after its destruction.
func (r *Ring) Lookup(tx *store.Tx, id int64) (*Key, error) {
	var wrapped []byte
	err := tx.Row(`SELECT wrapped FROM seal_key WHERE id = $1`, id).Scan(&wrapped)
	if errors.Is(err, store.ErrNoRows) {
		return nil, ErrDestroyed
	}
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return r.Unwrap(id, wrapped)
}

// Unwrap opens a key read from Table by the caller's own query (a join saves a
// look-up for each message); an empty one was destroyed.
func (r *Ring) Unwrap(id int64, wrapped []byte) (*Key, error) {
	if len(wrapped) == 0 {
		return nil, ErrDestroyed
	}
	secret, err := open(r.wrap, wrapped, wrapPlace)
	if err != nil {
		return nil, err
	}
	return newKey(id, secret), nil
}

// Destroy deletes the key with the given id; what it sealed can't be read again.
func (r *Ring) Destroy(tx *store.Tx, id int64) error {
	_, err := tx.Exec(`UPDATE seal_key SET wrapped = NULL, destroyed_at = $2 WHERE id = $1 AND wrapped IS NOT NULL`,
		id, r.clock.Now().UnixMilli())
	return err
}

// Key seals what belongs to one subject.
type Key struct {
	id   int64
	aead cipher.AEAD
	mac  []byte
}

func newKey(id int64, secret []byte) *Key {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("mac"))
	return &Key{id: id, aead: gcm(secret), mac: m.Sum(nil)}
}

// ID is the key's number in Table.
func (k *Key) ID() int64 { return k.id }

// Seal encrypts plain with AES-256-GCM; place names where the result is stored,
// so that it can't be moved elsewhere. The result is nonce ‖ ciphertext ‖ tag.
func (k *Key) Seal(plain, place []byte) []byte { return seal(k.aead, plain, place) }

// Open decrypts what Seal made for the same place.
func (k *Key) Open(sealed, place []byte) ([]byte, error) { return open(k.aead, sealed, place) }

// MAC returns HMAC-SHA256 over the parts, each preceded by its length: a hash
// that tells nothing once the key is destroyed.
func (k *Key) MAC(parts ...[]byte) []byte {
	m := hmac.New(sha256.New, k.mac)
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		m.Write(n[:])
		m.Write(p)
	}
	return m.Sum(nil)
}

// wrapPlace keeps wrapped keys apart from everything else the node key may seal.
// A row moved to another id gives a key that opens nothing there: what it sealed
// is bound to its own place.
var wrapPlace = []byte("seal_key")

func gcm(secret []byte) cipher.AEAD {
	b, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // only for a wrong key size
	}
	g, err := cipher.NewGCMWithRandomNonce(b)
	if err != nil {
		panic(err)
	}
	return g
}

func seal(a cipher.AEAD, plain, place []byte) []byte { return a.Seal(nil, nil, plain, place) }

func open(a cipher.AEAD, sealed, place []byte) ([]byte, error) {
	plain, err := a.Open(nil, nil, sealed, place)
	if err != nil {
		return nil, ErrForged
	}
	return plain, nil
}
