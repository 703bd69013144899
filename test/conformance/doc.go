// Package conformance is a black-box test suite for a UCRI 2 node (transport
// 2.0.0, apps 1.0). It is for whoever changes the node or wants to judge one:
// it starts the real program as separate processes, gives each an own folder
// and configuration, and talks to them over HTTP only. A simulated peer written
// from the specification plays the other side of the P2P interface.
//
// It does not import any package of the node (storetest only makes empty
// databases), does not look into its database and does not cover TLS: every
// federation here runs on plain loopback.
//
// The environment variable TROJMEZI_BIN names the program under test; without
// it the suite builds ./cmd/trojmezi once. TROJMEZI_FULL=1 adds the cases that
// wait for a minute and more. TROJMEZI_SAMPLES names a folder with the published
// schemas; the cases that read it are skipped without. TROJMEZI_TEST_POSTGRES is
// the address of a PostgreSQL server: every node has a database of its own there,
// without it SQLite in its folder.
package conformance
