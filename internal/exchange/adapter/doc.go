// Package adapter joins the exchange node to systems that do not speak UCRI 2. An
// Adapter says how one system writes; how its messages get here and there is package
// transport's. What stands between is the same for all of them and is here: which message of UCRI 2
// becomes which of theirs, when one has expired, who may have sent it, what is answered
// to the system's machine and with which reason.
//
// Everything here is a function of its arguments: no clock, no
// randomness, nothing from elsewhere. The same bytes give the same messages with the
// same numbers, so what is delivered twice is recognised.
//
// It does not decide who may see what, whom a message is for, or whether an exercise may
// go to an address: the node does, before and after.
package adapter
