// Package convert turns a message of one format into one of another, by way of
// package incident, and says what became of every value of it. A conversion is a
// function of its input alone: no clock, no randomness, nothing from elsewhere.
//
// What the other format has no field for, and a person may need, goes into a
// labelled remark there; the loss report names it. What is nowhere in the result is
// named too: nothing is lost silently.
//
// A message is read once (Read, or Table.Read for a system whose format is a table of
// its keys) and written in any format; in between a policy may take something out of it.
//
// It does not decide who may see what, which app a message becomes on its way to a
// neighbour, or whether an exercise may go there: the node does.
package convert
