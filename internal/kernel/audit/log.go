package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Locales holds the texts of the faults Verify reports.
//
//go:embed locales
var Locales embed.FS

// Migrations returns the tables of this package, for store.DB.Migrate.
func Migrations() fs.FS { return migrations }

// ErrText is returned by Append for a field that is no id: too long, empty
// action, or not plain text.
var ErrText = errors.New("audit: a field of the event is not an id")

// maxText bounds each field of an event in bytes. Ids of this product and of
// UCRI 2 stay far below; a longer one is content, which has no place here.
const maxText = 512

// topic wakes the sequencer.
const topic = "audit"

// Event is what a leaf records. Action is the name of what happened
// ("exchange.accept"), Actor and Object are ids and never personal data.
type Event struct {
	Action string
	Actor  string
	Object string
	Detail []byte    // the content: goes into the salted hash and is not stored
	Key    *seal.Key // the incident's key, which holds the salt; nil: the node's salt
}

// Log appends events and runs the sequencer.
type Log struct {
	db     *store.DB
	clock  *clock.Clock
	log    *slog.Logger
	salt   []byte
	signer note.Signer
	key    string

	mu     sync.Mutex
	counts map[counted]*count
}

// New returns the log of the node with the given key. Heads are signed with an
// Ed25519 key derived from it, so that no second secret has to be kept.
func New(db *store.DB, node *seal.Node, clk *clock.Clock, log *slog.Logger) *Log {
	signer, key := signerOf(node)
	return &Log{db: db, clock: clk, log: log, salt: node.Derive("audit-salt", sha256.Size), signer: signer, key: key, counts: map[counted]*count{}}
}

// VerifierKey returns the public key of the heads as text, to be given to
// whoever verifies (the encoding of golang.org/x/mod/sumdb/note).
func (l *Log) VerifierKey() string { return l.key }

// Append writes e as the newest leaf, in the caller's transaction: it is there
// if and only if the event is. It costs one INSERT.
func (l *Log) Append(tx *store.Tx, e Event) error { return l.append(tx, e, 1) }

func (l *Log) append(tx *store.Tx, e Event, times int64) error {
	if e.Action == "" || !plain(e.Action) || !plain(e.Actor) || !plain(e.Object) {
		return fmt.Errorf("%w: action %.40q", ErrText, e.Action)
	}
	var keyID int64
	if e.Key != nil {
		keyID = e.Key.ID()
	}
	at := l.clock.Now().UnixMilli()
	hash := l.mac(e, at)
	if times > 1 {
		hash = binary.BigEndian.AppendUint64(hash, uint64(times))
	}
	_, err := tx.Exec(`INSERT INTO audit_leaf (id, at, action, actor, object, key_id, hash)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM audit_leaf), $1, $2, $3, $4, $5, $6)`,
		at, e.Action, e.Actor, e.Object, keyID, hash)
	if err != nil {
		return fmt.Errorf("audit: append: %w", err)
	}
	tx.Notify(topic)
	return nil
}

// Matches reports whether leaf id records exactly e, whose Key must be the one
// of the leaf (seal.Ring.Lookup). It is how content is shown to be what was
// recorded, and possible only while the key exists.
func (l *Log) Matches(tx *store.Tx, id int64, e Event) (bool, error) {
	var at int64
	var hash []byte
	if err := tx.Row(`SELECT at, hash FROM audit_leaf WHERE id = $1`, id).Scan(&at, &hash); err != nil {
		return false, fmt.Errorf("audit: leaf %d: %w", id, err)
	}
	return hmac.Equal(hash[:min(sha256.Size, len(hash))], l.mac(e, at)), nil
}

// mac is the salted hash of an event.
func (l *Log) mac(e Event, at int64) []byte {
	parts := [...][]byte{[]byte("audit"), []byte(e.Action), []byte(e.Actor), []byte(e.Object), binary.BigEndian.AppendUint64(nil, uint64(at)), e.Detail}
	if e.Key != nil {
		return e.Key.MAC(parts[:]...)
	}
	m := hmac.New(sha256.New, l.salt)
	for _, p := range parts {
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		m.Write(p)
	}
	return m.Sum(nil)
}

// plain reports whether s can be stored by both engines and shown in a line.
func plain(s string) bool {
	if len(s) > maxText || !utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// leaf is a row of audit_leaf.
type leaf struct {
	ID     int64  `json:"id"`
	At     int64  `json:"at"` // unix milliseconds
	Action string `json:"action"`
	Actor  string `json:"actor"`
	Object string `json:"object"`
	KeyID  int64  `json:"key"`
	Hash   []byte `json:"hash"` // of what happened more than once with the number behind it: see times
}

// leafFormat names the layout of a record, so that a later one can't be taken
// for it.
const leafFormat = "trojmezi-audit-leaf-1"

// record is what is hashed into the tree: leafFormat, id, at and key_id as
// 64-bit big-endian numbers, then action, actor, object and hash, each preceded
// by its length in bytes in the same form.
func (f leaf) record() []byte {
	b := append(make([]byte, 0, 256), leafFormat...)
	for _, n := range [...]int64{f.ID, f.At, f.KeyID} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, s := range [...]string{f.Action, f.Actor, f.Object, string(f.Hash)} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// times is how often it happened, the 64-bit big-endian number behind the hash. There
// it is part of the record, also for an instance of a release that does not read it.
func times(hash []byte) int64 {
	if len(hash) != sha256.Size+8 {
		return 1
	}
	return int64(binary.BigEndian.Uint64(hash[sha256.Size:]))
}

// treeHash is the leaf's hash in the tree, where it has the number id-1.
func (f leaf) treeHash() tlog.Hash { return tlog.RecordHash(f.record()) }

// leavesAfter reads up to limit leaves above id in order.
func leavesAfter(tx *store.Tx, id int64, limit int) ([]leaf, error) {
	rows, err := tx.Query(`SELECT id, at, action, actor, object, key_id, hash FROM audit_leaf WHERE id > $1 ORDER BY id LIMIT $2`, id, limit)
	if err != nil {
		return nil, fmt.Errorf("audit: leaves: %w", err)
	}
	defer rows.Close()
	var out []leaf
	for rows.Next() {
		var f leaf
		if err := rows.Scan(&f.ID, &f.At, &f.Action, &f.Actor, &f.Object, &f.KeyID, &f.Hash); err != nil {
			return nil, fmt.Errorf("audit: leaves: %w", err)
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// Outside counts the leaves that are not in the tree yet, and says when the
// first of them was written: zero when there is none.
func (l *Log) Outside(tx *store.Tx) (n int64, oldest time.Time, err error) {
	last, err := lastHead(tx)
	var head Head
	if err == nil && last.serial != 0 {
		head, err = OpenHead(last.note, l.key)
	}
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("audit: outside: %w", err)
	}
	var at int64
	err = tx.Row(`SELECT COUNT(*), COALESCE(MIN(at), 0) FROM audit_leaf WHERE id > $1`, head.Size).Scan(&n, &at)
	if err != nil || n == 0 {
		return 0, time.Time{}, err
	}
	return n, time.UnixMilli(at).UTC(), nil
}
