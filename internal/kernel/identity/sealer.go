package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"trojmezi/internal/kernel/seal"
)

// sealer keeps secrets that the node must read again (TOTP, tokens of providers,
// steps under way) under a key derived from the node key.
type sealer struct{ aead cipher.AEAD }

func newSealer(n *seal.Node) *sealer {
	b, err := aes.NewCipher(n.Derive("identity", 32))
	if err != nil {
		panic(err) // only for a wrong key size
	}
	g, err := cipher.NewGCMWithRandomNonce(b)
	if err != nil {
		panic(err)
	}
	return &sealer{g}
}

// seal binds plain to its place, so that a row copied elsewhere opens nothing.
func (s *sealer) seal(plain []byte, place string) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(place))
}

var errForged = errors.New("identity: sealed bytes do not match their key or place")

func (s *sealer) open(sealed []byte, place string) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(place))
	if err != nil {
		return nil, errForged
	}
	return plain, nil
}

// tokenBytes is the length of session, link and desk tokens: 256 random bits,
// which nobody guesses and which need no slow hash.
const tokenBytes = 32

func newToken() string {
	var b [tokenBytes]byte
	rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func hashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}
