package transport

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Headers of a signed message.
const (
	// IDHeader is the message's id, the same in every attempt.
	IDHeader = "Trojmezi-Id"
	// SignatureHeader holds "t=UNIX,v1=HEX": the time of the attempt in seconds, and
	// HMAC-SHA256 (spec: RFC 2104) over "UNIX.ID." and the body. The receiver refuses
	// a time too far from his own; within that window the id tells a repetition.
	SignatureHeader = "Trojmezi-Signature"
	// CursorHeader is the place to go on from, in the answer of a poll.
	CursorHeader = "Trojmezi-Cursor"
)

// minSecret is the shortest shared secret in bytes: half the hash.
const minSecret = 16

// secrets reads a file with one secret a line: the first signs, each is taken, so
// that the two sides can change it one after the other. Files are read each time.
func secrets(file string) ([][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fail("transport.failure.secret", err)
	}
	var all [][]byte
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			continue
		}
		if len(line) < minSecret {
			return nil, fail("transport.failure.secret", fmt.Errorf("a secret in %s has fewer than %d bytes", file, minSecret))
		}
		all = append(all, []byte(line))
	}
	if len(all) == 0 {
		return nil, fail("transport.failure.secret", fmt.Errorf("%s is empty", file))
	}
	return all, nil
}

func mac(key []byte, at, id string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(at + "." + id + "."))
	m.Write(body)
	return m.Sum(nil)
}

// sign returns the value of SignatureHeader.
func sign(key []byte, at time.Time, id string, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(key, t, id, body))
}

var (
	errSignature = errors.New("transport: the signature is missing or wrong")
	errClock     = errors.New("transport: the time of the signature is too far from this clock")
)

// verify checks a signature against each of the keys.
func verify(keys [][]byte, header, id string, body []byte, now time.Time, window time.Duration) error {
	var at string
	var sums [][]byte
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			at = value
		case "v1":
			if sum, err := hex.DecodeString(value); err == nil {
				sums = append(sums, sum)
			}
		}
	}
	unix, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return errSignature
	}
	right := false
	for _, k := range keys {
		want := mac(k, at, id, body)
		for _, s := range sums {
			right = right || hmac.Equal(s, want)
		}
	}
	switch off := now.Sub(time.Unix(unix, 0)); {
	case !right:
		return errSignature
	case off > window || off < -window:
		return errClock
	}
	return nil
}

// dial is for calling a server: the authorities of the file and the certificate, if
// there is one, read now.
func (t TLS) dial() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if t.CAFile != "" {
		pool, err := authorities(t.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fail("transport.failure.files", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// serve is for being called; renewed files count from the next connection on.
func (t TLS) serve() (*tls.Config, error) {
	load := func() (*tls.Config, error) {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fail("transport.failure.files", err)
		}
		c := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}
		if t.ClientCA != "" {
			if c.ClientCAs, err = authorities(t.ClientCA); err != nil {
				return nil, err
			}
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
		return c, nil
	}
	c, err := load()
	if err != nil {
		return nil, err
	}
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return load() }
	return c, nil
}

func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fail("transport.failure.files", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fail("transport.failure.files", fmt.Errorf("%s holds no certificate", file))
	}
	return pool, nil
}
