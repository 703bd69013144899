// Package cli is the command line of the one binary, for technicians, scripts
// and tests. It parses arguments, calls the packages that do the work and prints
// the result for people or, with --json, for programs. It holds no behaviour of
// its own.
package cli
