package notice

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/seal"
)

const (
	// keyBits is what German and Czech recommendations ask of RSA now. RSA, because the
	// signature library writes ECDSA in a form that others do not read.
	keyBits = 3072
	// keyYears is how long the certificate says it is good: receivers pin it.
	keyYears = 10
	// maxSigned bounds a document before its signature is looked at: a tree is built of it.
	maxSigned = 4 << 20
)

// ErrSignature is a document whose signature is missing, broken or of somebody else.
var ErrSignature = errors.New("notice: the signature does not hold")

// signer signs what the node publishes.
type signer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// newSigner makes the node's key for notices with its own certificate.
func newSigner(name string, now time.Time) (*signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(keyYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &signer{key, cert}, err
}

// sealing is what the private key is kept under: derived from the node's key, which is
// not in the database.
func sealing(node *seal.Node) (cipher.AEAD, error) {
	block, err := aes.NewCipher(node.Derive("notice-signing", 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sealed is the signer as it is stored.
func (s *signer) sealed(node *seal.Node) (cert, key []byte, err error) {
	box, err := sealing(node)
	if err != nil {
		return nil, nil, err
	}
	nonce := make([]byte, box.NonceSize())
	rand.Read(nonce)
	return s.cert.Raw, box.Seal(nonce, nonce, x509.MarshalPKCS1PrivateKey(s.key), s.cert.Raw), nil
}

func unsealed(node *seal.Node, cert, key []byte) (*signer, error) {
	box, err := sealing(node)
	if err != nil {
		return nil, err
	}
	if len(key) < box.NonceSize() {
		return nil, errors.New("notice: the signing key is cut off")
	}
	plain, err := box.Open(nil, key[:box.NonceSize()], key[box.NonceSize():], cert)
	if err != nil {
		return nil, fmt.Errorf("notice: the signing key is of another node: %w", err)
	}
	s := &signer{}
	if s.key, err = x509.ParsePKCS1PrivateKey(plain); err != nil {
		return nil, err
	}
	s.cert, err = x509.ParseCertificate(cert)
	return s, err
}

// PEM is the certificate for those who verify, Fingerprint what they compare by telephone.
func (s *signer) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// seal signs a message: enveloped, the signature after the last info (spec: CAP 1.2,
// §3.3.4; XML Signature, §8.1).
func (s *signer) seal(message []byte) ([]byte, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(message); err != nil {
		return nil, err
	}
	ctx, err := dsig.NewSigningContext(crypto.Signer(s.key), [][]byte{s.cert.Raw})
	if err != nil {
		return nil, err
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	root, err := ctx.SignEnveloped(doc.Root())
	if err != nil {
		return nil, err
	}
	doc.SetRoot(root)
	return doc.WriteToBytes()
}

// Open verifies a signed message against the certificates one trusts, and returns what
// of it the signature covers: only that may be read.
func Open(message []byte, now time.Time, trusted ...*x509.Certificate) (*cap.Alert, error) {
	if len(message) > maxSigned {
		return nil, fmt.Errorf("%w: %d bytes", ErrSignature, len(message))
	}
	// The tree reader bounds depth and number of elements and refuses document types.
	if _, f := tree.Parse(message, cap.Limits); f != nil {
		return nil, fmt.Errorf("%w: %s in line %d", ErrSignature, f.Rule, f.Line)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(message); err != nil || doc.Root() == nil {
		return nil, fmt.Errorf("%w: no XML", ErrSignature)
	}
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: trusted})
	ctx.Clock = dsig.NewFakeClockAt(now)
	root, err := ctx.Validate(doc.Root())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if root.Tag != "alert" || root.NamespaceURI() != cap.Space12 {
		return nil, fmt.Errorf("%w: of something else", ErrSignature)
	}
	covered := etree.NewDocument()
	covered.SetRoot(root)
	var b bytes.Buffer
	if _, err := covered.WriteTo(&b); err != nil {
		return nil, err
	}
	a, _, fault := cap.Read(b.Bytes())
	if fault != nil || a == nil {
		return nil, fmt.Errorf("%w: of no warning", ErrSignature)
	}
	return a, nil
}
