// Package crash shows that a node keeps its promises when something breaks: a
// process killed at any moment, a link cut, a peer that hangs, a full disk, one
// of several instances gone. It is for whoever changes how messages are stored
// or sent on. Real processes of the program exchange messages over loopback;
// the tests watch from outside, by the client API alone, and compare with their
// own record of what was promised.
//
// It imports no package of the node, does not look into its database and does
// not repeat the cases of test/conformance. A killed process is not a power cut:
// the kernel still writes what the node handed to it.
//
// TROJMEZI_BIN names the program under test, without it ./cmd/trojmezi is built
// once. TROJMEZI_FULL=1 runs the full counts, TROJMEZI_ROUNDS sets the number of
// kills, TROJMEZI_SEED repeats the random choices of a run.
// TROJMEZI_TEST_POSTGRES is the address of a PostgreSQL server where the tests
// may create databases; without it the cases that need one are skipped.
package crash
