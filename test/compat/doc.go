// Package compat shows that the program gets on with the one before it: a node
// of each exchange messages, and the present program goes on with the data
// folder of the previous one. It is for whoever changes the wire, the stored
// form or the migrations, and has nothing but tests.
//
// TROJMEZI_PREVIOUS names the previous program, which .ci/previous builds from
// the commit that the file previous names; without it the tests are skipped.
// TROJMEZI_BIN names the present one, without it ./cmd/trojmezi is built. With
// TROJMEZI_TEST_POSTGRES each node has a database there.
//
// It does not go back: the previous program need not read a folder that the
// present one has written. What a folder of a release must look like after the
// migrations is the subject of the upgrade test in internal/app.
package compat
