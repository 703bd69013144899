// Package feeds plays the senders of official warnings and of gauges over HTTP: each
// feed's documents in their real shapes at their real paths, made from one scenario and
// a clock, with ETags, and ill in the ways in which senders are. It is for the demo, for
// tests, and for places without internet; nothing it says is a capture.
//
// It is written against the descriptions of the feeds and shares no code with what reads
// them. It knows no node, and every answer says in a header that it is simulated.
package feeds
