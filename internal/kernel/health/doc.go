// Package health says what is ill with a node, since when, and what a person can
// do about it: on one page, in a banner, by mail and webhook, and to the command
// line, with the same texts. It is for the technician first; the dispatcher sees
// that somebody has to be called.
//
// A check looks at one thing and returns findings. One instance of the node runs
// all checks every half minute and remembers since when each finding is there.
// People are told once when it appears, when it gets worse, and when it is over;
// what is over stays on the page until somebody has seen it.
//
// The package repairs nothing, measures no load (that is for /metrics), and knows
// no module: what a check needs comes as a function.
package health
