package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// One-time passwords by time (spec: RFC 6238 with SHA-1, six digits and 30 s,
// the one combination every authenticator app takes).
const (
	totpStep   = 30 // seconds
	totpDigits = 6
	totpKey    = 20 // bytes; spec: RFC 4226, §4, R6 recommends 160 bits
	// totpDrift is how many steps a clock may be off to each side (spec: RFC
	// 6238, §5.2 recommends one for the network; telephones need no more).
	totpDrift = 1
)

func newTOTPKey() []byte {
	key := make([]byte, totpKey)
	rand.Read(key) // never fails (crypto/rand, since Go 1.24)
	return key
}

// hotp is the value of a counter (spec: RFC 4226, §5.3).
func hotp(key []byte, counter int64, digits int) string {
	m := hmac.New(sha1.New, key)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(counter)))
	sum := m.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	value := uint64(binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff)
	modulus := uint64(1)
	for range digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", digits, value%modulus)
}

// checkTOTP returns the step whose code it is. Steps up to last are used up: a
// code read over a shoulder opens nothing a second time.
func checkTOTP(key []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	current := now.Unix() / totpStep
	for s := current - totpDrift; s <= current+totpDrift; s++ {
		if subtle.ConstantTimeCompare([]byte(hotp(key, s, totpDigits)), []byte(code)) == 1 && s > last {
			step, ok = s, true
		}
	}
	return step, ok
}

// totpText is the key as people type it: base32 in groups of four.
func totpText(key []byte) string {
	s := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key)
	var groups []string
	for len(s) > 4 {
		groups, s = append(groups, s[:4]), s[4:]
	}
	return strings.Join(append(groups, s), " ")
}

// totpURL is the key as authenticator apps read it.
func totpURL(key []byte, issuer, login string) string {
	q := url.Values{"secret": {strings.ReplaceAll(totpText(key), " ", "")}, "issuer": {issuer}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+login) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// digits keeps the digits of what somebody typed: apps show codes in groups.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
