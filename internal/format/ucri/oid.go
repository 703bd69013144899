package ucri

// MaxOIDLength is the longest OID the parsers accept, in characters. The
// specification names no limit; SMIv2 does (RFC 2578 §3.5): 128 sub-identifiers
// of at most ten digits, with 127 dots between them.
const MaxOIDLength = 128*10 + 127

// ValidOID reports whether s is an OID in the notation of the specification:
// digits in groups, a dot after a group, also after the last. It accepts
// exactly the language of the specification's expression ^([0-9]+\.?)+$ in one
// pass, of any length (spec: UCRI 2 transport 2.0.0, envelope.source).
func ValidOID(s string) bool {
	digit := false // the previous character was one
	for i := range len(s) {
		switch c := s[i]; {
		case c-'0' <= 9:
			digit = true
		case c == '.' && digit:
			digit = false
		default:
			return false
		}
	}
	return s != ""
}
