// Package emsi reads, checks and writes EMSI, the message in which command centres
// tell each other about an incident, its missions and resources (ISO/TR 22351), in
// XML and in JSON, with the standard's lists of codes. It follows the French profile,
// the only one whose schemas are public. It is for what turns incidents of one format
// into those of another.
//
// It is liberal in what it takes: Read understands wrong order, known misspellings
// and codes of other countries, keeps what it does not understand, and reports each.
// It is strict in what it writes. Check gives the verdict of the standard's own
// schemas, which are not shipped.
//
// It is pure: no clock, no files, no network. It knows no envelope (package edxl
// does) and no other format.
package emsi
