// Package script runs the program as a person at a shell does: the scripts in
// testdata against the real binary, and the examples of docs/api.md with their
// answers. It has nothing but tests and knows nothing of the packages inside.
package script
