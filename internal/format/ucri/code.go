package ucri

import "strconv"

// Code is a UCRI error code. Only the constants below may appear on the wire,
// and only with HTTP status 400, 401 or 500
// (spec: UCRI 2 transport 2.0.0, error codes).
type Code int

// The error codes of transport 2.0.0.
const (
	CodeClientInvalid     Code = 460 // request violates the client transport schema
	CodeUnknownApp        Code = 461 // payload.appId is unknown
	CodeUnknownAppVersion Code = 462 // payload.appVersion is unknown
	CodeUnknownSchema     Code = 463 // payload.schemaId is unknown
	CodePayloadInvalid    Code = 464 // payload violates the schema of its app
	CodePayloadNotJSON    Code = 465 // payload is not JSON
	CodeUnsupportedApp    Code = 466 // destination does not support app or version
	CodeForbiddenApp      Code = 467 // the app may not be used by the sender
	CodeUnsupportedSchema Code = 468 // destination does not support the message
	CodeUnknownOID        Code = 470 // destination is unknown
	CodeUnauthorized      Code = 475 // no valid credentials
	CodeForbiddenOID      Code = 478 // the OID is not one of the account's
	CodeWrongSignature    Code = 479 // signature missing, malformed or wrong
	CodeP2PInvalid        Code = 480 // request violates the P2P transport schema
	CodeInternal          Code = 491 // the node failed
)

// Key returns the translation key of the code's general meaning and of what to
// do about it.
func (c Code) Key() string { return "ucri.code." + strconv.Itoa(int(c)) }

// Known reports whether c is one of the published codes.
func (c Code) Known() bool {
	switch c {
	case CodeClientInvalid, CodeUnknownApp, CodeUnknownAppVersion, CodeUnknownSchema, CodePayloadInvalid,
		CodePayloadNotJSON, CodeUnsupportedApp, CodeForbiddenApp, CodeUnsupportedSchema, CodeUnknownOID,
		CodeUnauthorized, CodeForbiddenOID, CodeWrongSignature, CodeP2PInvalid, CodeInternal:
		return true
	}
	return false
}
