// Package shape says what a document of a published format may hold: which names,
// in which order, how often, with which values. Check gives the verdict that the
// standard's own schema (XSD or JSON Schema) gives, each breach with its line and a
// text for people. It is for the packages of the wire formats, which write their
// standard's facts down as Types.
//
// It does not read documents (package tree does), builds no typed message, and
// knows no format.
package shape
