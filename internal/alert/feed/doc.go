// Package feed is what official feeds of public warnings say, in one form: which
// warnings, for whom, from when to when, in which languages, and what in the document
// was not as it should be. A package of each feed, below this one, reads its documents;
// for the alert module and `trojmezi alert parse`.
//
// It fetches nothing, decides nothing about what is new, the same or over beyond what
// one document says, looks no code up in the area register, and keeps nothing. Nothing
// here translates or softens an official text: it is handed on as it was sent.
package feed
