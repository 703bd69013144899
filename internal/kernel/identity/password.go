package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Cost of a new hash: the first of the equal choices of the OWASP Password
// Storage Cheat Sheet that keeps the memory of one check below 20 MiB, because
// several may run beside a full message queue.
const (
	hashMemory  = 19 * 1024 // KiB
	hashTime    = 2
	hashThreads = 1
	saltLength  = 16 // bytes; spec: RFC 9106, §3.1
	keyLength   = 32 // bytes
)

// Bounds of hashes made elsewhere, for instance by hand for a configuration.
const (
	minMemory  = 7 * 1024  // KiB, the least OWASP names
	maxMemory  = 64 * 1024 // KiB; spec: RFC 9106, §4, second recommended option
	maxTime    = 16        // with maxMemory about 2 s, more would block a sign-in
	maxThreads = 8
	maxLength  = 64 // bytes of salt and of key
)

// maxChecks is how many hashes are computed at once. It bounds memory to
// maxChecks × maxMemory whatever a flood of sign-ins does; the rest waits.
const maxChecks = 2

var checks = make(chan struct{}, maxChecks)

// phc is a parsed argon2id hash.
type phc struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

// HashPassword returns the argon2id hash of pw with a fresh salt as a PHC
// string: $argon2id$v=19$m=…,t=…,p=…$salt$key.
func HashPassword(pw string) (string, error) {
	if pw == "" {
		return "", errors.New("identity.HashPassword: empty password")
	}
	h := phc{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, saltLength), key: make([]byte, keyLength)}
	rand.Read(h.salt) // never fails (crypto/rand, since Go 1.24)
	h.key = h.derive(pw)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.memory, h.time, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.key)), nil
}

// CheckPassword reports whether pw belongs to hash, in a time that does not
// depend on how much of it is right. The error says what is wrong with hash.
func CheckPassword(hash, pw string) (bool, error) {
	h, err := parsePHC(hash)
	if err != nil {
		return false, fmt.Errorf("identity.CheckPassword: %w", err)
	}
	return subtle.ConstantTimeCompare(h.derive(pw), h.key) == 1, nil
}

// CheckHash reports whether CheckPassword would accept hash, without computing
// anything: for the check of a configuration.
func CheckHash(hash string) error {
	_, err := parsePHC(hash)
	return err
}

func (h phc) derive(pw string) []byte {
	checks <- struct{}{}
	defer func() { <-checks }()
	// One keyboard sends ř as one sign, another as two (spec: NIST SP 800-63B-4,
	// 3.1.1.2).
	return argon2.IDKey([]byte(norm.NFKC.String(pw)), h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
}

// parsePHC accepts exactly the form HashPassword writes. Parameters outside
// the bounds are refused: too small ones protect nothing, too large ones let a
// line in a configuration stop the node.
func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return phc{}, errors.New("not an argon2id hash in PHC form")
	}
	if parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, fmt.Errorf("argon2 version %q is not v=%d", parts[2], argon2.Version)
	}
	var h phc
	n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads)
	if err != nil || n != 3 || parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.time, h.threads) {
		return phc{}, errors.New("the argon2 parameters are not m=…,t=…,p=…")
	}
	switch {
	case h.memory < minMemory || h.memory > maxMemory:
		return phc{}, fmt.Errorf("argon2 memory of %d KiB is not within %d and %d", h.memory, minMemory, maxMemory)
	case h.time < 1 || h.time > maxTime:
		return phc{}, fmt.Errorf("argon2 time of %d is not within 1 and %d", h.time, maxTime)
	case h.threads < 1 || h.threads > maxThreads:
		return phc{}, fmt.Errorf("argon2 parallelism of %d is not within 1 and %d", h.threads, maxThreads)
	}
	b64 := base64.RawStdEncoding.Strict()
	if h.salt, err = b64.DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > maxLength {
		return phc{}, fmt.Errorf("the salt is not base64 of 8 to %d bytes", maxLength)
	}
	if h.key, err = b64.DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > maxLength {
		return phc{}, fmt.Errorf("the key is not base64 of 16 to %d bytes", maxLength)
	}
	return h, nil
}
