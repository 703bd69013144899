// Package tree reads a document of XML or JSON as one kind of tree, whose nodes
// know their line, and writes such trees. The wire formats that exist in both
// syntaxes are built on it: they see names, values and order, and the loss report
// of a conversion walks its leaves.
//
// A document that could harm is refused before anything is built of it: too long,
// too deep, too many parts, a document type definition (with it entities that
// multiply), a character set that nobody knows. Nothing is repaired: what was no
// well-formed document has a line and a reason.
//
// It knows no schema and no format, and is pure: no clock, no files, no network.
package tree
