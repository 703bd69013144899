// Package strictjson is a pull scanner over JSON text for the wire formats: one
// pass, no tree, no allocation on valid input without escapes in member names.
// It takes RFC 8259 JSON with the limits of I-JSON (RFC 7493: UTF-8, unique
// member names, no unpaired surrogates) and a limit of depth; a lenient scanner
// waives the I-JSON limits for text that others have already accepted.
//
// It does not build values, encode Go types, or know any schema.
package strictjson
