// Package ucri turns bytes into typed messages of UCRI 2 (transport 2.0.0,
// apps 1.0) and back: envelopes, receive and commit requests, registry records,
// the 25 app messages, the error codes and the signature. It is for the
// exchange node, its client and everything that reads stored envelopes.
//
// It is pure: no clock, no randomness, no network, no files but its embedded
// schemas and translations, no logging. It does not decide what a node does
// with a message, keeps no state, and does not translate between UCRI and other
// formats.
package ucri
