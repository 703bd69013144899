package strictjson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Decode resolves the escapes of the text between the quotes of a scanned
// string. Unpaired surrogates and invalid UTF-8, which only a lenient scan lets
// through, become U+FFFD.
func Decode(raw string) string {
	i := strings.IndexByte(raw, '\\')
	if i < 0 {
		return strings.ToValidUTF8(raw, string(utf8.RuneError))
	}
	var b strings.Builder
	b.Grow(len(raw))
	for {
		b.WriteString(raw[:i])
		raw = raw[i:]
		n := 2
		switch raw[1] {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			n = 6
			r, _ := hex4(raw, 0)
			if utf16.IsSurrogate(r) {
				low, _ := hex4(raw, 6)
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					n = 12
				}
			}
			b.WriteRune(r)
		default: // quote, backslash, slash stand for themselves
			b.WriteByte(raw[1])
		}
		raw = raw[n:]
		if i = strings.IndexByte(raw, '\\'); i < 0 {
			b.WriteString(raw)
			break
		}
	}
	if s := b.String(); utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(b.String(), string(utf8.RuneError))
}

// AppendString appends s as a JSON string in the form of RFC 8785 §3.2.2.2:
// only the quote, the backslash and control characters are escaped. Invalid
// UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, string(utf8.RuneError))
	}
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !escaped[c] {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

var escaped = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()
