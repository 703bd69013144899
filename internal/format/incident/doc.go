// Package incident is what all formats of control rooms can say about an incident,
// in one model: a superset of theirs, in which every value knows who said it, how it
// stood there and how far it is to be trusted. Conversions go through it, so that a
// format is read and written once and not once for each other.
//
// It holds values and gives no meaning beyond them: it decides nothing, translates
// nothing, knows no wire format, and is pure.
package incident
