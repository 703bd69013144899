package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// origin is the first line of a head and the name of its signature. Nodes are
// told apart by their keys.
const origin = "trojmezi-audit"

// algEd25519 is the algorithm number in the text of a key (sumdb/note).
const algEd25519 = 1

var errHead = errors.New("audit: not a head")

// VerifierKey returns the public key that belongs to a node key, as
// Log.VerifierKey does, without opening a database.
func VerifierKey(node *seal.Node) string {
	_, key := signerOf(node)
	return key
}

func signerOf(node *seal.Node) (note.Signer, string) {
	seed := node.Derive("audit-head", ed25519.SeedSize)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	key, err := note.NewEd25519VerifierKey(origin, public)
	if err != nil {
		panic(err) // only for a wrong key size
	}
	// The private text carries the same name and key hash as the public one.
	part := strings.SplitN(key, "+", 3)
	signer, err := note.NewSigner("PRIVATE+KEY+" + part[0] + "+" + part[1] + "+" + base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, seed...)))
	if err != nil {
		panic(err) // only for a key of another form than the line above writes
	}
	return signer, key
}

// Head is a signed statement: at that time the tree had Size leaves and this
// root hash. Serial counts the kept heads of the node from 1.
type Head struct {
	Size   int64
	Hash   tlog.Hash
	Serial int64
	At     time.Time
}

// text is the signed part. Its first three lines are those of a transparency
// log checkpoint (C2SP tlog-checkpoint), so that such witnesses can read it.
func (h Head) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nserial %d\ntime %d\n", origin, h.Size, h.Hash, h.Serial, h.At.UnixMilli())
}

// OpenHead checks the signature of a head's note and returns what it states.
func OpenHead(text, verifierKey string) (Head, error) {
	v, err := note.NewVerifier(verifierKey)
	if err != nil {
		return Head{}, fmt.Errorf("audit: verifier key: %w", err)
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		return Head{}, fmt.Errorf("audit: head: %w", err)
	}
	return parseHead(n.Text)
}

func parseHead(text string) (h Head, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 6 {
		return h, errHead
	}
	var at int64
	var errs [4]error
	h.Size, errs[0] = strconv.ParseInt(lines[1], 10, 64)
	h.Hash, errs[1] = tlog.ParseHash(lines[2])
	h.Serial, errs[2] = strconv.ParseInt(strings.TrimPrefix(lines[3], "serial "), 10, 64)
	at, errs[3] = strconv.ParseInt(strings.TrimPrefix(lines[4], "time "), 10, 64)
	h.At = time.UnixMilli(at).UTC()
	// Writing it again must give the same text: there is one form only.
	if errors.Join(errs[:]...) != nil || h.Size < 1 || h.Serial < 1 || h.text() != text {
		return Head{}, errHead
	}
	return h, nil
}

// headRow is a row of audit_head.
type headRow struct {
	serial int64
	note   string
}

func lastHead(tx *store.Tx) (r headRow, err error) {
	err = tx.Row(`SELECT serial, note FROM audit_head ORDER BY serial DESC LIMIT 1`).Scan(&r.serial, &r.note)
	if errors.Is(err, store.ErrNoRows) {
		return headRow{}, nil
	}
	if err != nil {
		return headRow{}, fmt.Errorf("audit: last head: %w", err)
	}
	return r, nil
}
