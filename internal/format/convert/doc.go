// Package convert turns a message of one format into one of another, by way of
// package incident, and says what became of every value of it. A conversion is a
// function of its input alone: no clock, no randomness, nothing from elsewhere.
//
// What the other format has no field for, and a person may need, goes into a
// labelled remark there; the loss report names it. What is nowhere in the result is
// named too: nothing is lost silently.
//
// It does not decide who may see what, which app a message becomes on its way to a
// neighbour, or whether an exercise may go there: the node does.
package convert
