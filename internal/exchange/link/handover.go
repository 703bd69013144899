package link

import (
	"fmt"
	"strings"

	"rsc.io/qr"

	"trojmezi/internal/exchange"
)

// handOverHead is the first line of a hand-over text. Its keys are the same in all
// languages, so that the other side's node can read it.
const handOverHead = "TROJMEZI-LINK 1"

// handOver is what this node tells a neighbour, one value a line.
func handOver(o Own, l exchange.Link) string {
	var b strings.Builder
	b.WriteString(handOverHead + "\n")
	for _, v := range [][2]string{
		{"oid", o.OID}, {"url", o.URL}, {"sha256", spell(o.Fingerprint)}, {"user", l.Login}, {"password", l.Secret}, {"phone", o.Phone},
	} {
		if v[1] != "" {
			b.WriteString(v[0] + "=" + v[1] + "\n")
		}
	}
	return b.String()
}

// parseHandOver reads such a text, as it came by message or from a QR code. ok is
// false when it is none.
func parseHandOver(text string) (t Theirs, ok bool) {
	_, text, ok = strings.Cut(text, handOverHead)
	if !ok {
		return t, false
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "oid":
			t.OID = value
		case "url":
			t.URL = value
		case "sha256":
			t.Fingerprint = value
		case "user":
			t.Username = value
		case "password":
			t.Password = value
		case "phone":
			t.Phone = value
		}
	}
	return t, true
}

// spell writes a fingerprint as it is read out: upper-case pairs with colons.
func spell(fp string) string {
	fp = strings.ToUpper(fp)
	var b strings.Builder
	for i := 0; i+1 < len(fp); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(fp[i : i+2])
	}
	return b.String()
}

// groups is a fingerprint in groups of four, for reading out.
func groups(fp string) string {
	var b strings.Builder
	for i, r := range strings.ToUpper(fp) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// quietZone is the white margin of a code in modules (spec: ISO/IEC 18004, 5.3.8).
const quietZone = 4

// code is a QR code as the path of an SVG and its view box.
func code(text string) (path, box string, err error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", "", fmt.Errorf("link: QR code: %w", err)
	}
	var b strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			from := x
			for x < c.Size && c.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
			}
		}
	}
	side := c.Size + 2*quietZone
	return b.String(), fmt.Sprintf("0 0 %d %d", side, side), nil
}
